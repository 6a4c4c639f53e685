/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to the database, for one thread: statements in, rows out, transactions.
 *
 * Statements are prepared once and found again by their text. Subject files (hooks.c, events.c …)
 * speak through this and know no driver; the program calls subjects, never this.
 *
 *     CLEANUP(rows_done) struct rows rows;
 *     engine_select(engine, &rows, "SELECT name FROM mango WHERE mango_pk = ?1", v_int(pk));
 *     while (rows_next(&rows))
 *         use(rows_str(&rows, 0));
 *     return rows_end(&rows, reterr);
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/moment.h"
#include "base/str.h"

struct engine;

struct value {
    enum value_kind { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_BLOB } kind;

    int64_t number;
    double real;
    struct str bytes; /* borrowed until the statement ends */
};

static inline struct value
v_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}

static inline struct value
v_int(int64_t number)
{
    return (struct value){.kind = VALUE_INT, .number = number};
}

static inline struct value
v_real(double real)
{
    return (struct value){.kind = VALUE_REAL, .real = real};
}

/* An absent text is NULL. */
static inline struct value
v_text(struct str text)
{
    return (struct value){.kind = text.ptr != NULL ? VALUE_TEXT : VALUE_NULL, .bytes = text};
}

static inline struct value
v_blob(struct str bytes)
{
    return (struct value){.kind = bytes.ptr != NULL ? VALUE_BLOB : VALUE_NULL, .bytes = bytes};
}

static inline struct value
v_id(const struct id *id)
{
    return v_blob((struct str){(const char *)id->bytes, ID_BYTES});
}

static inline struct value
v_time(struct walltime at)
{
    return v_int(at.us);
}

/* Zero is NULL: no time, no id, no row. */
static inline struct value
v_time_or_null(struct walltime at)
{
    return at.us != 0 ? v_time(at) : v_null();
}

static inline struct value
v_id_or_null(const struct id *id)
{
    return id_is_zero(*id) ? v_null() : v_id(id);
}

static inline struct value
v_pk_or_null(int64_t pk)
{
    return pk != 0 ? v_int(pk) : v_null();
}

struct engine_options {
    const char *path; /* a file, or ":memory:" */
    bool read_only;
    /* Somebody else's database, which must be there: what its owner decided stays as it is (journal
     * mode, page size), and a lock of theirs is waited for no longer than half a second. */
    bool is_foreign;
    int64_t cache_kib;
    const uint8_t *seal_key; /* SEAL_KEY_BYTES, copied; NULL where no secret will be read */
};

MUST_CHECK enum err engine_open(const struct engine_options *options, struct engine **ret,
    struct error *reterr);
void engine_close(struct engine *engine); /* NULL is fine */
void engine_closep(struct engine **engine);
void engine_set_seal_key(struct engine *engine, const uint8_t *key); /* copied; wiped at close */
const uint8_t *engine_seal_key(const struct engine *engine);         /* NULL when none was set */

/* Whether deleted content is overwritten: on while personal data are erased, off otherwise because
 * it doubles what a delete writes. Both calls stand around the deletes, in their transaction; after
 * its commit the workers see to it that the write-ahead log forgets, too. */
MUST_CHECK enum err engine_secure_delete(struct engine *engine, bool on, struct error *reterr);
/* Was it on since the last whole checkpoint? */
bool engine_owes_checkpoint(const struct engine *engine);
/* Bring everything in the write-ahead log into the file and empty the log. ERR_BUSY while somebody
 * reads from it. */
MUST_CHECK enum err engine_checkpoint(struct engine *engine, struct error *reterr);

/* Transactions belong to the store workers and to tests, not to subjects. A writable connection
 * takes the write lock at once; one that cannot get it within seconds is told ERR_BUSY. */
MUST_CHECK enum err engine_begin(struct engine *engine, struct error *reterr);
/* On failure nothing of the transaction remains. ERR_DISK: the disk is full or fails. */
MUST_CHECK enum err engine_commit(struct engine *engine, struct error *reterr);
/* No-op outside a transaction. Where there is no memory even for this, the transaction is not
 * committed any more: the next engine_begin rolls it back first, or fails. */
void engine_rollback(struct engine *engine);
MUST_CHECK enum err engine_savepoint(struct engine *engine, struct error *reterr);
MUST_CHECK enum err engine_release(struct engine *engine, struct error *reterr);
/* Undo to the savepoint and drop it. ERR_IO when the whole transaction is gone with it. */
MUST_CHECK enum err engine_rollback_to(struct engine *engine, struct error *reterr);
bool engine_is_in_transaction(const struct engine *engine);

/* Several statements without parameters. */
MUST_CHECK enum err engine_exec(struct engine *engine, const char *sql, struct error *reterr);

/* One statement that returns no rows; a unique or check constraint gives ERR_CONFLICT. */
MUST_CHECK enum err engine_run_values(struct engine *engine, const char *sql,
    const struct value *values, size_t count, struct error *reterr);
#define engine_run(engine, reterr, sql, ...)                                                       \
    engine_run_values((engine), (sql), (const struct value[]){__VA_ARGS__},                        \
        COUNT_OF(((const struct value[]){__VA_ARGS__})), (reterr))

int64_t engine_last_pk(const struct engine *engine); /* of the last insert */
int64_t engine_changes(const struct engine *engine); /* rows the last statement touched */
/* Rows that all statements of this connection have touched: grows where anything is written. */
int64_t engine_changes_total(const struct engine *engine);

struct rows {
    struct engine *engine;
    void *statement; /* NULL when it could not be prepared */
    struct error error;
    bool failed;
};

/* Never fails by itself: a failure shows as no rows and in rows_end. */
void engine_select_values(struct engine *engine, struct rows *rows, const char *sql,
    const struct value *values, size_t count);
#define engine_select(engine, rows, sql, ...)                                                      \
    engine_select_values((engine), (rows), (sql), (const struct value[]){__VA_ARGS__},             \
        COUNT_OF(((const struct value[]){__VA_ARGS__})))

bool rows_next(struct rows *rows); /* false at the end and on failure */
MUST_CHECK enum err rows_end(struct rows *rows, struct error *reterr); /* OK, or what failed */
void rows_done(struct rows *rows);

/* Columns from 0. Texts and blobs are borrowed until the next rows_next. */
int64_t rows_int(struct rows *rows, int column);
double rows_real(struct rows *rows, int column);
struct str rows_str(struct rows *rows, int column); /* text or blob; absent for NULL */
struct id rows_id(struct rows *rows, int column);   /* zero for NULL or another length */
bool rows_is_null(struct rows *rows, int column);

/* The first column of the first row; ERR_NOT_FOUND without one. */
MUST_CHECK enum err engine_get_int_values(struct engine *engine, const char *sql,
    const struct value *values, size_t count, int64_t *ret, struct error *reterr);
#define engine_get_int(engine, ret, reterr, sql, ...)                                              \
    engine_get_int_values((engine), (sql), (const struct value[]){__VA_ARGS__},                    \
        COUNT_OF(((const struct value[]){__VA_ARGS__})), (ret), (reterr))

#endif
