/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "os/fault.h"
#include "store/engine.h"

/* All our texts together are fewer; only lists with rare filters ever push another out. */
#define STATEMENTS_MAX 256
#define POINTERS_MAX   512 /* a power of two */

/* Another connection (usher key create) holds the write lock for milliseconds. */
#define BUSY_TIMEOUT_MS 5000

/* In somebody else's database: whoever waits has a time-out of their own, and comes again. */
#define FOREIGN_BUSY_TIMEOUT_MS 500

/* The writer does nothing else meanwhile; readers are done in less, or it is tried again later. */
#define CHECKPOINT_TIMEOUT_MS 20

#define CACHE_KIB_DEFAULT 16384

struct statement {
    struct link link;   /* in engine->recent, oldest first */
    sqlite3_stmt *stmt; /* owned */
    char *sql;          /* owned; NULL for one that is not kept */
    uint64_t hash;
    bool in_use;
};

struct engine {
    sqlite3 *db; /* owned */
    int busy_timeout_ms;
    bool read_only;
    bool owes_checkpoint;
    bool owes_rollback; /* there was no memory for it */
    bool has_seal_key;
    uint8_t seal_key[SEAL_KEY_BYTES];
    struct map by_hash; /* text's hash -> struct statement, owned */
    struct list recent;

    /* The same text nearly always comes from the same address, which is quicker to compare. */
    struct {
        const char *sql;
        struct statement *statement;
    } by_pointer[POINTERS_MAX];
};

static enum err
fail(struct engine *engine, int code, const char *what, struct error *reterr)
{
    const char *detail = sqlite3_errmsg(engine->db);

    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
        return error_set(reterr, ERR_CONFLICT, "database: %s: %s", what, detail);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(reterr, ERR_BUSY, "database: %s: another process holds it", what);
    case SQLITE_FULL: return error_set(reterr, ERR_DISK, "database: %s: disk full", what);
    case SQLITE_IOERR: /* quotas and limits on the size of files come this way, too */
        return error_set(reterr, ERR_DISK, "database: %s: disk I/O error (%d)", what, code);
    case SQLITE_TOOBIG: return error_set(reterr, ERR_LIMIT, "database: %s: value too large", what);
    case SQLITE_NOMEM: return error_set(reterr, ERR_NOMEM, "database: %s: out of memory", what);
    case SQLITE_CANTOPEN:
        return error_set(reterr, ERR_IO, "database: %s: %s%s", what, detail,
            engine->read_only ? ": its folder must let files be made even to read it" : "");
    default: return error_set(reterr, ERR_IO, "database: %s: %s", what, detail);
    }
}

/* --- statements ------------------------------------------------------------------------------- */

static uint64_t
text_hash(const char *sql)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (const unsigned char *p = (const unsigned char *)sql; *p != '\0'; p++)
        hash = (hash ^ *p) * UINT64_C(0x100000001b3);
    return hash;
}

static size_t
pointer_slot(const char *sql)
{
    return (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (POINTERS_MAX - 1);
}

static void
statement_free(struct statement *statement)
{
    if (statement == NULL)
        return;
    (void)sqlite3_finalize(statement->stmt);
    free(statement->sql);
    free(statement);
}

static void
statement_freep(struct statement **statement)
{
    statement_free(*statement);
}

static void
statement_forget(struct engine *engine, struct statement *statement)
{
    (void)map_remove(&engine->by_hash, statement->hash);
    link_remove(&statement->link);
    for (size_t i = 0; i < POINTERS_MAX; i++) {
        if (engine->by_pointer[i].statement == statement)
            engine->by_pointer[i].statement = NULL;
    }
    statement_free(statement);
}

/* Keep it for the next time, in the place of the one that was longest not used. It is simply not
 * kept when there is no memory, or when another text has the same hash. */
static void
statement_keep(struct engine *engine, struct statement *statement, const char *sql)
{
    if (engine->by_hash.count >= STATEMENTS_MAX) {
        LIST_FOREACH(&engine->recent, it)
        {
            struct statement *old = LIST_ENTRY(it, struct statement, link);

            if (!old->in_use) {
                statement_forget(engine, old);
                break;
            }
        }
    }
    if (engine->by_hash.count >= STATEMENTS_MAX ||
        map_find(&engine->by_hash, statement->hash) != NULL)
        return;
    statement->sql = strdup(sql);
    if (statement->sql == NULL)
        return;
    if (map_set(&engine->by_hash, statement->hash, statement) != OK) {
        free(TAKE(statement->sql));
        return;
    }
    list_append(&engine->recent, &statement->link);
}

static struct statement *
statement_find(struct engine *engine, const char *sql, uint64_t *ret_hash)
{
    size_t slot = pointer_slot(sql);
    struct statement *statement = engine->by_pointer[slot].statement;

    if (statement != NULL && engine->by_pointer[slot].sql == sql &&
        strcmp(statement->sql, sql) == 0) {
        *ret_hash = statement->hash;
        return statement;
    }
    *ret_hash = text_hash(sql);
    statement = map_find(&engine->by_hash, *ret_hash);
    if (statement == NULL || strcmp(statement->sql, sql) != 0)
        return NULL;
    engine->by_pointer[slot].sql = sql;
    engine->by_pointer[slot].statement = statement;
    return statement;
}

/* A statement in use (a loop inside a loop over the same text) gets a twin that is not kept. */
static enum err
statement_get(struct engine *engine, const char *sql, struct statement **ret, struct error *reterr)
{
    uint64_t hash = 0;
    struct statement *found = statement_find(engine, sql, &hash);

    if (found != NULL && !found->in_use) {
        found->in_use = true;
        link_remove(&found->link);
        list_append(&engine->recent, &found->link);
        *ret = found;
        return OK;
    }

    CLEANUP(statement_freep) struct statement *statement = calloc(1, sizeof(*statement));
    const char *tail = NULL;
    int code;

    if (statement == NULL)
        return error_set(reterr, ERR_NOMEM, "database: out of memory");
    link_init(&statement->link);
    statement->hash = hash;
    statement->in_use = true;
    code =
        sqlite3_prepare_v3(engine->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->stmt, &tail);
    if (code != SQLITE_OK)
        return fail(engine, code, "prepare", reterr);
    CHECK(statement->stmt != NULL && *tail == '\0');
    if (found == NULL)
        statement_keep(engine, statement, sql);
    *ret = TAKE(statement);
    return OK;
}

static void
statement_put(struct statement *statement)
{
    if (statement->sql == NULL) {
        statement_free(statement);
        return;
    }
    /* What it returns is the last step's failure, told already. */
    (void)sqlite3_reset(statement->stmt);
    (void)sqlite3_clear_bindings(statement->stmt);
    statement->in_use = false;
}

static int
bind_value(sqlite3_stmt *stmt, int position, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL: return sqlite3_bind_null(stmt, position);
    case VALUE_INT: return sqlite3_bind_int64(stmt, position, value->number);
    case VALUE_REAL: return sqlite3_bind_double(stmt, position, value->real);
    case VALUE_TEXT:
        return sqlite3_bind_text64(stmt, position, value->bytes.ptr, value->bytes.len,
            SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(stmt, position, value->bytes.ptr, value->bytes.len,
            SQLITE_STATIC);
    }
    UNREACHABLE;
}

static enum err
statement_start(struct engine *engine, const char *sql, const struct value *values, size_t count,
    struct statement **ret, struct error *reterr)
{
    struct statement *statement = NULL;
    enum err err = statement_get(engine, sql, &statement, reterr);

    if (err != OK)
        return err;
    CHECK(sqlite3_bind_parameter_count(statement->stmt) == (int)count);
    for (size_t i = 0; i < count; i++) {
        int code = bind_value(statement->stmt, (int)i + 1, &values[i]);

        if (code != SQLITE_OK) {
            err = fail(engine, code, "bind", reterr);
            statement_put(statement);
            return err;
        }
    }
    *ret = statement;
    return OK;
}

static int
statement_step(struct statement *statement)
{
    if (FAULT("store.step"))
        return SQLITE_IOERR;
    return sqlite3_step(statement->stmt);
}

/* --- the connection --------------------------------------------------------------------------- */

/* Made before the driver does, because it would let others read it; its log inherits the mode. */
static enum err
create_file(const char *path, struct error *reterr)
{
    int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0) {
        (void)close(fd);
        return OK;
    }
    switch (errno) {
    case EEXIST: return OK;
    case ENOENT:
    case ENOTDIR:
        return error_set(reterr, ERR_NOT_FOUND, "cannot create %s: there is no such folder", path);
    case EACCES:
    case EROFS:
        return error_set(reterr, ERR_DENIED, "cannot create %s: %s", path, strerrordesc_np(errno));
    default: return error_set(reterr, ERR_IO, "cannot create %s: %s", path, strerrordesc_np(errno));
    }
}

/* The page size takes effect only on a new file and only before write-ahead logging is on. Debian
 * builds SQLite with secure_delete on; fast leaves no copies of rows in pages that are written
 * anyway, and so nothing that an erasure would not find. */
static const char setup_write[] = "PRAGMA page_size = 8192;"
                                  "PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL;"
                                  "PRAGMA wal_autocheckpoint = 1000;"
                                  "PRAGMA foreign_keys = ON;"
                                  "PRAGMA secure_delete = FAST;";

/* Only what ends with the connection. No row of ours may point to one that is not there. */
static const char setup_foreign[] = "PRAGMA synchronous = FULL;"
                                    "PRAGMA foreign_keys = ON;";

static const char setup_read[] = "PRAGMA query_only = ON;";

static const char setup_both[] = "PRAGMA temp_store = MEMORY;"
                                 "PRAGMA mmap_size = 0;"
                                 "PRAGMA trusted_schema = OFF;";

static const char *
setup_of(const struct engine_options *options)
{
    if (options->read_only)
        return setup_read;
    return options->is_foreign ? setup_foreign : setup_write;
}

static enum err
setup(struct engine *engine, const struct engine_options *options, struct error *reterr)
{
    char cache[64];
    int64_t cache_kib = options->cache_kib > 0 ? options->cache_kib : CACHE_KIB_DEFAULT;
    enum err err;

    (void)sqlite3_extended_result_codes(engine->db, 1);
    (void)sqlite3_busy_timeout(engine->db, engine->busy_timeout_ms);
    (void)sqlite3_db_config(engine->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)snprintf(cache, sizeof(cache), "PRAGMA cache_size = -%lld;", (long long)cache_kib);
    err = engine_exec(engine, setup_both, reterr);
    if (err == OK)
        err = engine_exec(engine, cache, reterr);
    if (err == OK)
        err = engine_exec(engine, setup_of(options), reterr);
    return err;
}

enum err
engine_open(const struct engine_options *options, struct engine **ret, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = calloc(1, sizeof(*engine));
    bool is_file = strcmp(options->path, ":memory:") != 0;
    bool may_create = !options->read_only && !options->is_foreign;
    int flags = options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    enum err err = OK;
    int code;

    if (engine == NULL)
        return error_set(reterr, ERR_NOMEM, "database: out of memory");
    map_init(&engine->by_hash);
    list_init(&engine->recent);
    engine->read_only = options->read_only;
    engine->busy_timeout_ms = options->is_foreign ? FOREIGN_BUSY_TIMEOUT_MS : BUSY_TIMEOUT_MS;
    engine_set_seal_key(engine, options->seal_key);

    if (may_create)
        flags |= SQLITE_OPEN_CREATE;
    if (is_file && may_create)
        err = create_file(options->path, reterr);
    if (err != OK)
        return err;
    code = sqlite3_open_v2(options->path, &engine->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (engine->db == NULL)
        return error_set(reterr, ERR_NOMEM, "database: out of memory");
    if (code != SQLITE_OK) {
        (void)fail(engine, code, "open", reterr);
        return error_prefix(reterr, "%s", options->path);
    }
    err = setup(engine, options, reterr);
    if (err != OK) {
        (void)error_prefix(reterr, "%s", options->path);
        return err;
    }
    *ret = TAKE(engine);
    return OK;
}

void
engine_close(struct engine *engine)
{
    if (engine == NULL)
        return;
    LIST_FOREACH(&engine->recent, it)
    {
        struct statement *statement = LIST_ENTRY(it, struct statement, link);

        CHECK(!statement->in_use);
        link_remove(&statement->link);
        statement_free(statement);
    }
    map_done(&engine->by_hash);
    CHECK(sqlite3_close(engine->db) == SQLITE_OK);
    wipe(engine->seal_key, sizeof(engine->seal_key));
    free(engine);
}

void
engine_closep(struct engine **engine)
{
    engine_close(*engine);
}

void
engine_set_seal_key(struct engine *engine, const uint8_t *key)
{
    engine->has_seal_key = key != NULL;
    if (key != NULL)
        memcpy(engine->seal_key, key, sizeof(engine->seal_key));
}

const uint8_t *
engine_seal_key(const struct engine *engine)
{
    return engine->has_seal_key ? engine->seal_key : NULL;
}

enum err
engine_secure_delete(struct engine *engine, bool on, struct error *reterr)
{
    engine->owes_checkpoint |= on;
    return engine_exec(engine, on ? "PRAGMA secure_delete = ON" : "PRAGMA secure_delete = FAST",
        reterr);
}

bool
engine_owes_checkpoint(const struct engine *engine)
{
    return engine->owes_checkpoint;
}

enum err
engine_checkpoint(struct engine *engine, struct error *reterr)
{
    int code;

    (void)sqlite3_busy_timeout(engine->db, CHECKPOINT_TIMEOUT_MS);
    code = sqlite3_wal_checkpoint_v2(engine->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(engine->db, engine->busy_timeout_ms);
    if (code != SQLITE_OK)
        return fail(engine, code, "checkpoint", reterr);
    engine->owes_checkpoint = false;
    return OK;
}

/* --- transactions ----------------------------------------------------------------------------- */

enum err
engine_begin(struct engine *engine, struct error *reterr)
{
    if (engine->owes_rollback)
        engine_rollback(engine);
    if (engine->owes_rollback)
        return error_set(reterr, ERR_NOMEM, "database: begin: out of memory");
    return engine_run(engine, reterr, engine->read_only ? "BEGIN" : "BEGIN IMMEDIATE");
}

enum err
engine_commit(struct engine *engine, struct error *reterr)
{
    enum err err;

    CRASH("store.commit.before");
    if (FAULT("store.commit"))
        err = error_set(reterr, ERR_DISK, "database: commit: disk I/O error (fault)");
    else
        err = engine_run(engine, reterr, "COMMIT");
    if (err != OK)
        engine_rollback(engine);
    CRASH("store.commit.after");
    return err;
}

void
engine_rollback(struct engine *engine)
{
    engine->owes_rollback = false;
    if (!engine_is_in_transaction(engine))
        return;
    /* Not through the cache, which may need more memory than this does. What it needs of the disk
     * was had when the transaction began. */
    (void)sqlite3_exec(engine->db, "ROLLBACK", NULL, NULL, NULL);
    engine->owes_rollback = engine_is_in_transaction(engine);
}

enum err
engine_savepoint(struct engine *engine, struct error *reterr)
{
    return engine_run(engine, reterr, "SAVEPOINT call");
}

enum err
engine_release(struct engine *engine, struct error *reterr)
{
    return engine_run(engine, reterr, "RELEASE call");
}

enum err
engine_rollback_to(struct engine *engine, struct error *reterr)
{
    enum err err;

    if (!engine_is_in_transaction(engine))
        return error_set(reterr, ERR_IO, "database: the whole transaction was rolled back");
    err = engine_run(engine, reterr, "ROLLBACK TO call");
    if (err == OK)
        err = engine_run(engine, reterr, "RELEASE call");
    return err;
}

bool
engine_is_in_transaction(const struct engine *engine)
{
    return sqlite3_get_autocommit(engine->db) == 0;
}

/* --- statements out and rows in --------------------------------------------------------------- */

enum err
engine_exec(struct engine *engine, const char *sql, struct error *reterr)
{
    int code = FAULT("store.step") ? SQLITE_IOERR : sqlite3_exec(engine->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? OK : fail(engine, code, "execute", reterr);
}

enum err
engine_run_values(struct engine *engine, const char *sql, const struct value *values, size_t count,
    struct error *reterr)
{
    struct statement *statement = NULL;
    enum err err = statement_start(engine, sql, values, count, &statement, reterr);
    int code;

    if (err != OK)
        return err;
    do {
        code = statement_step(statement);
    } while (code == SQLITE_ROW);
    if (code != SQLITE_DONE)
        err = fail(engine, code, "write", reterr);
    statement_put(statement);
    return err;
}

int64_t
engine_last_pk(const struct engine *engine)
{
    return sqlite3_last_insert_rowid(engine->db);
}

int64_t
engine_changes(const struct engine *engine)
{
    return sqlite3_changes64(engine->db);
}

int64_t
engine_changes_total(const struct engine *engine)
{
    return sqlite3_total_changes64(engine->db);
}

void
engine_select_values(struct engine *engine, struct rows *rows, const char *sql,
    const struct value *values, size_t count)
{
    struct statement *statement = NULL;

    *rows = (struct rows){.engine = engine};
    rows->failed = statement_start(engine, sql, values, count, &statement, &rows->error) != OK;
    rows->statement = statement;
}

bool
rows_next(struct rows *rows)
{
    int code;

    if (rows->statement == NULL)
        return false;
    code = statement_step(rows->statement);
    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE) {
        rows->failed = true;
        (void)fail(rows->engine, code, "read", &rows->error);
    }
    rows_done(rows);
    return false;
}

enum err
rows_end(struct rows *rows, struct error *reterr)
{
    rows_done(rows);
    if (!rows->failed)
        return OK;
    return error_set(reterr, rows->error.code, "%s", rows->error.text);
}

void
rows_done(struct rows *rows)
{
    if (rows->statement != NULL)
        statement_put(TAKE(rows->statement));
}

static sqlite3_stmt *
rows_stmt(struct rows *rows, int column)
{
    struct statement *statement = rows->statement;

    CHECK(statement != NULL);
    CHECK(column >= 0 && column < sqlite3_data_count(statement->stmt));
    return statement->stmt;
}

int64_t
rows_int(struct rows *rows, int column)
{
    return sqlite3_column_int64(rows_stmt(rows, column), column);
}

double
rows_real(struct rows *rows, int column)
{
    return sqlite3_column_double(rows_stmt(rows, column), column);
}

struct str
rows_str(struct rows *rows, int column)
{
    sqlite3_stmt *stmt = rows_stmt(rows, column);
    const char *ptr;

    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_NULL: return (struct str){NULL, 0};
    case SQLITE_INTEGER:
    case SQLITE_FLOAT: ptr = (const char *)sqlite3_column_text(stmt, column); break;
    /* A text, too: to end it in NUL it would be copied, for which there may be no memory. */
    default: ptr = sqlite3_column_blob(stmt, column); break;
    }
    /* An empty blob has no address, yet it is there. */
    return (struct str){ptr != NULL ? ptr : "", (size_t)sqlite3_column_bytes(stmt, column)};
}

struct id
rows_id(struct rows *rows, int column)
{
    struct str bytes = rows_str(rows, column);
    struct id id = {{0}};

    if (bytes.len == ID_BYTES)
        memcpy(id.bytes, bytes.ptr, ID_BYTES);
    return id;
}

bool
rows_is_null(struct rows *rows, int column)
{
    return sqlite3_column_type(rows_stmt(rows, column), column) == SQLITE_NULL;
}

enum err
engine_get_int_values(struct engine *engine, const char *sql, const struct value *values,
    size_t count, int64_t *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t value = 0;
    bool found;

    engine_select_values(engine, &rows, sql, values, count);
    found = rows_next(&rows);
    if (found)
        value = rows_int(&rows, 0);
    enum err err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (!found)
        return error_set(reterr, ERR_NOT_FOUND, "database: no such row");
    *ret = value;
    return OK;
}
