/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kind of handler that writes attendees, sessions and events into the owner's own SQLite.
 *
 * One thread; what waits for it goes as one transaction, each handling in a savepoint, so that a
 * row that its table refuses fails alone. Attendees and sessions are rows that are kept up to date,
 * and each keeps the sequence of the item it was last written from: an older item, or the same
 * again, changes nothing. An event is one row for each item.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "os/files.h"
#include "receive/handling_value.h"
#include "receive/sql_options.h"
#include "receive/worker.h"
#include "store/engine.h"

#define STATEMENT_BYTES_MAX (64 * 1024)

/* All values of one row: a body, and the few texts that are in it once more. */
#define VALUES_BYTES_MAX (4 * 1024 * 1024)

/* Rows together that a small machine writes between two glances at the clock. */
#define CACHE_KIB 4096

struct handler_worker {
    const struct sql_options *options;
    struct worker *worker; /* owned */

    /* The thread's, once it runs. */
    struct engine *engine; /* owned; NULL: not open */
    dev_t device;          /* of the file that is open: another may have come in its place */
    ino_t inode;
    struct buf values;
    struct sql_table tables[SQL_TABLES]; /* as they are written: all columns */
    struct buf statements[SQL_TABLES];   /* that write a row; end in a NUL */
    struct buf schema;
};

/* --- rows ------------------------------------------------------------------------------------- */

static int64_t
number_of(const struct handling *handling, struct str value)
{
    return str_equals(value, STR("sequence")) ? handling->sequence : handling->revision;
}

/* The row's values in the order of its columns, their texts in self->values. */
static enum err
row_read(struct handler_worker *self, const struct sql_table *table,
    const struct handling *handling, size_t session, struct value *values)
{
    size_t starts[SQL_COLUMNS_MAX];
    size_t lens[SQL_COLUMNS_MAX];
    bool is_there[SQL_COLUMNS_MAX];

    buf_clear(&self->values);
    for (size_t i = 0; i < table->column_count; i++) {
        struct str value = table->columns[i].value;

        starts[i] = self->values.len;
        is_there[i] =
            !sql_is_number(value) && handling_value(handling, value, session, &self->values);
        lens[i] = self->values.len - starts[i];
    }
    if (buf_is_full(&self->values))
        return ERR_LIMIT;
    for (size_t i = 0; i < table->column_count; i++) {
        struct str text = {lens[i] > 0 ? self->values.ptr + starts[i] : "", lens[i]};

        if (sql_is_number(table->columns[i].value))
            values[i] = v_int(number_of(handling, table->columns[i].value));
        else
            values[i] = is_there[i] ? v_text(text) : v_null();
    }
    return OK;
}

static enum err
row_write(struct handler_worker *self, enum sql_table_kind which, const struct handling *handling,
    size_t session, struct error *reterr)
{
    const struct sql_table *table = &self->tables[which];
    struct value values[SQL_COLUMNS_MAX];
    enum err err = row_read(self, table, handling, session, values);

    if (err != OK)
        return error_set(reterr, err, "the values of a row are larger than %d bytes",
            VALUES_BYTES_MAX);
    err = engine_run_values(self->engine, self->statements[which].ptr, values, table->column_count,
        reterr);
    if (err != OK)
        (void)error_prefix(reterr, "%s", sql_rules[which].name);
    return err;
}

/* An item without a person, or a session without a webinar's id, has no row that could be found
 * again. */
static enum err
item_write(struct handler_worker *self, const struct handling *handling, struct error *reterr)
{
    const struct received *received = handling->received;
    bool has_person = handling->person.len > 0 || str_trim(received->email).len > 0;
    enum err err = OK;

    if (!self->tables[SQL_ATTENDEES].is_off && has_person)
        err = row_write(self, SQL_ATTENDEES, handling, 0, reterr);
    for (size_t i = 0; err == OK && i < received->session_count; i++) {
        if (!self->tables[SQL_SESSIONS].is_off && has_person &&
            received->sessions[i].webinar_id.len > 0)
            err = row_write(self, SQL_SESSIONS, handling, i, reterr);
    }
    if (err == OK && !self->tables[SQL_EVENTS].is_off)
        err = row_write(self, SQL_EVENTS, handling, 0, reterr);
    return err;
}

/* --- the database ----------------------------------------------------------------------------- */

/* An empty file is an empty database. Those that read it should not hold up who writes to it. */
static enum err
database_fill(struct handler_worker *self, struct error *reterr)
{
    int64_t pages = 0;
    enum err err =
        engine_get_int_values(self->engine, "PRAGMA page_count", NULL, 0, &pages, reterr);

    if (err == OK && pages == 0)
        err = engine_exec(self->engine, "PRAGMA journal_mode = WAL", reterr);
    if (err == OK)
        err = engine_exec(self->engine, self->schema.ptr, reterr);
    return err;
}

static enum err
database_open(struct handler_worker *self, struct error *reterr)
{
    const char *path = self->options->database.ptr;
    const struct engine_options options = {
        .path = path,
        .is_foreign = true,
        .cache_kib = CACHE_KIB,
    };
    struct stat status;
    enum err err = OK;

    if (self->options->creates)
        err = file_create_secret(path, STR(""), reterr);
    if (err != OK && err != ERR_CONFLICT)
        return err;
    if (stat(path, &status) != 0)
        return error_set(reterr, ERR_NOT_FOUND,
            "database %s is not there, or its folder cannot be read; with create = yes it is made",
            path);
    err = engine_open(&options, &self->engine, reterr);
    if (err == OK && self->options->creates)
        err = database_fill(self, reterr);
    if (err != OK) {
        engine_close(TAKE(self->engine));
        return err;
    }
    self->device = status.st_dev;
    self->inode = status.st_ino;
    return OK;
}

/* Whoever restores a backup puts another file in its place: what is open then has no name. */
static enum err
database_get(struct handler_worker *self, struct error *reterr)
{
    struct stat status;

    if (self->engine != NULL && (stat(self->options->database.ptr, &status) != 0 ||
                                    status.st_dev != self->device || status.st_ino != self->inode))
        engine_close(TAKE(self->engine));
    return self->engine != NULL ? OK : database_open(self, reterr);
}

/* --- handlings -------------------------------------------------------------------------------- */

/* What goes away by itself is no fault of the item. */
static enum handling_result
result_of(enum err err)
{
    switch (err) {
    case OK: return HANDLING_DONE;
    case ERR_BUSY:
    case ERR_DISK:
    case ERR_NOMEM: return HANDLING_LATER;
    case ERR_LIMIT: return HANDLING_REFUSED;
    case ERR_INVALID:
    case ERR_DENIED:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_IO: return HANDLING_FAILED;
    }
    UNREACHABLE;
}

/* Each in a savepoint. Not OK: the whole transaction is lost. */
static enum err
group_write(struct handler_worker *self, struct work *const works[], size_t count,
    struct error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        enum err err = engine_savepoint(self->engine, reterr);
        enum err undone;

        if (err != OK)
            return err;
        err = item_write(self, works[i]->handling, reterr);
        if (err == OK) {
            err = engine_release(self->engine, reterr);
            if (err != OK)
                return err;
            continue;
        }
        /* A full disk is everybody's. */
        if (result_of(err) == HANDLING_LATER)
            return err;
        work_end(works[i], result_of(err), "%s", reterr->text);
        undone = engine_rollback_to(self->engine, reterr);
        if (undone != OK)
            return undone;
    }
    return OK;
}

static enum err
group_run(struct handler_worker *self, struct work *const works[], size_t count,
    struct error *reterr)
{
    enum err err = database_get(self, reterr);

    if (err == OK)
        err = engine_begin(self->engine, reterr);
    if (err != OK)
        return err;
    err = group_write(self, works, count, reterr);
    if (err == OK)
        return engine_commit(self->engine, reterr);
    engine_rollback(self->engine);
    return err;
}

/* It may be another database by the next time, or sound again. */
static void
give_up(struct handler_worker *self, struct work *const works[], size_t count,
    const struct error *error)
{
    for (size_t i = 0; i < count; i++)
        if (works[i]->result == HANDLING_DONE)
            work_end(works[i], result_of(error->code), "%s", error->text);
    if (error->code != ERR_BUSY)
        engine_close(TAKE(self->engine));
}

static void
sql_run(void *arg, unsigned thread, struct work *const works[], size_t count)
{
    struct handler_worker *self = arg;
    struct error error = {.code = OK};
    enum err err = group_run(self, works, count, &error);

    (void)thread;
    if (err == OK)
        return;
    if (count == 1 || result_of(err) == HANDLING_LATER || self->engine == NULL) {
        give_up(self, works, count, &error);
        return;
    }
    /* One of them took all with it. Each alone gets its own true answer. */
    for (size_t i = 0; i < count; i++)
        if (works[i]->result == HANDLING_DONE && group_run(self, &works[i], 1, &error) != OK)
            give_up(self, &works[i], 1, &error);
}

static void
sql_start(struct handler_worker *self, struct handling *handling)
{
    worker_start(self->worker, handling);
}

static void
sql_cancel(struct handler_worker *self, struct handling *handling)
{
    worker_cancel(self->worker, handling);
}

static void
sql_close(struct handler_worker *self)
{
    if (self == NULL)
        return;
    worker_close(self->worker);
    engine_close(self->engine);
    for (size_t i = 0; i < SQL_TABLES; i++)
        buf_done(&self->statements[i]);
    buf_done(&self->schema);
    buf_done(&self->values);
    free(self);
}

static bool
prepare(struct handler_worker *self)
{
    bool is_full = false;

    buf_init(&self->values, VALUES_BYTES_MAX);
    buf_init(&self->schema, STATEMENT_BYTES_MAX);
    for (size_t i = 0; i < SQL_TABLES; i++) {
        buf_init(&self->statements[i], STATEMENT_BYTES_MAX);
        self->tables[i] = sql_table_whole(self->options, (enum sql_table_kind)i);
        if (self->tables[i].is_off)
            continue;
        sql_append_write(&self->statements[i], &self->tables[i], (enum sql_table_kind)i);
        sql_append_create(&self->schema, &self->tables[i], (enum sql_table_kind)i);
        is_full |= buf_is_full(&self->statements[i]);
    }
    return !is_full && !buf_is_full(&self->schema);
}

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a handler");
}

static enum err
sql_open(const struct handler *handler, const struct handler_place *place,
    struct handler_worker **ret, struct error *reterr)
{
    struct handler_worker *self = calloc(1, sizeof(*self));
    const struct worker_options options = {
        .loop = place->loop,
        .clock = place->clock,
        .thread_name = "handler-sql",
        .threads = 1,
        .room = handler->concurrency,
        .batch_max = WORKER_BATCH_MAX,
        .run = sql_run,
        .arg = self,
    };
    enum err err = OK;

    if (self == NULL)
        return no_memory(reterr);
    self->options = handler->options;
    if (!prepare(self))
        err = no_memory(reterr);
    if (err == OK)
        err = worker_open(&options, &self->worker, reterr);
    if (err != OK) {
        sql_close(self);
        return err;
    }
    *ret = self;
    return OK;
}

const struct handler_kind handler_sql = {
    .name = "sql",
    .concurrency = 256,
    .set = sql_options_set,
    .check = sql_options_check,
    .open = sql_open,
    .start = sql_start,
    .cancel = sql_cancel,
    .close = sql_close,
    .settings = sql_settings,
    .setting_count = SQL_SETTINGS,
};
