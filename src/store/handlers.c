/* SPDX-License-Identifier: Apache-2.0 */
#include "store/handlers.h"

#include "base/check.h"
#include "store/inbox_inside.h"

/* A reading gives no more once it has so much of bodies, and looks at no more rows than these for
 * what its handler wants. */
#define READ_BYTES_MAX (1024 * 1024)
#define READ_LOOKS_MAX 4096

_Static_assert(HANDLER_BEHIND_MAX == 10000, "handlers_list spells it");

enum err
handlers_retire(struct engine *engine, struct error *reterr)
{
    return engine_exec(engine, "UPDATE handler SET is_configured = 0", reterr);
}

enum err
handler_register(struct engine *engine, struct str name, bool starts_with_all, int64_t *ret_pk,
    struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "INSERT INTO handler (name, first_pk, next_pk)"
        " SELECT ?1, CASE ?2 WHEN 0 THEN value + 1 ELSE 0 END,"
        " CASE ?2 WHEN 0 THEN value + 1 ELSE 0 END FROM meta WHERE meta.name = 'inbox_sequence'"
        " ON CONFLICT (name) DO UPDATE SET is_configured = 1",
        v_text(name), v_int(starts_with_all ? 1 : 0));

    if (err != OK)
        return err;
    return engine_get_int(engine, ret_pk, reterr, "SELECT handler_pk FROM handler WHERE name = ?1",
        v_text(name));
}

enum err
handlers_recover(struct engine *engine, struct error *reterr)
{
    return engine_exec(engine,
        "UPDATE handling SET due_us = 1 WHERE handler_pk IN (SELECT handler_pk FROM handler)"
        " AND due_us < 1 AND dead_us IS NULL",
        reterr);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    struct engine *engine;
    const struct handler_reading *reading;
    struct arena *arena;
    struct handler_batch batch;
    size_t bytes; /* of bodies */
    struct error *reterr;
};

static bool
is_full(const struct reader *reader)
{
    return reader->batch.count == reader->reading->limit || reader->bytes >= READ_BYTES_MAX;
}

static void
give(struct reader *reader, struct rows *rows, uint32_t attempts, bool is_waiting)
{
    struct handling_row *row = &reader->batch.rows[reader->batch.count++];

    *row = (struct handling_row){
        .item = item_read(rows, reader->arena, true),
        .attempts = attempts,
        .is_waiting = is_waiting,
    };
    reader->bytes += row->item.body.len;
}

/* What waits and is due, whatever its source: it is owed, or somebody asked for it. */
static enum err
read_waiting(struct reader *reader)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(reader->engine, &rows,
        "SELECT " ITEM_WHOLE_COLUMNS ", w.attempts FROM handling w CROSS JOIN " ITEM_TABLES
        " WHERE i.inbox_pk = w.inbox_pk AND w.handler_pk = ?1 AND w.dead_us IS NULL"
        " AND w.due_us > 0 AND w.due_us <= ?2 ORDER BY w.due_us, w.inbox_pk LIMIT ?3",
        v_int(reader->reading->handler_pk), v_time(reader->reading->now),
        v_int((int64_t)reader->reading->limit + 1));
    while (rows_next(&rows)) {
        if (is_full(reader)) {
            reader->batch.has_more = true;
            reader->batch.next_due = reader->reading->now;
            break;
        }
        give(reader, &rows, (uint32_t)rows_int(&rows, ITEM_END), true);
    }
    return rows_end(&rows, reader->reterr);
}

static enum err
read_due(struct reader *reader)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t due_us = 0;
    enum err err;

    engine_select(reader->engine, &rows,
        "SELECT due_us FROM handling WHERE handler_pk = ?1 AND dead_us IS NULL AND due_us > ?2"
        " ORDER BY due_us LIMIT 1",
        v_int(reader->reading->handler_pk), v_time(reader->reading->now));
    if (rows_next(&rows))
        due_us = rows_int(&rows, 0);
    err = rows_end(&rows, reader->reterr);
    if (err == OK)
        reader->batch.next_due.us = due_us;
    return err;
}

static bool
is_of_its_sources(const struct handler_reading *reading, struct str source)
{
    for (size_t i = 0; i < reading->source_count; i++) {
        if (str_equals(reading->sources[i], source))
            return true;
    }
    return reading->source_count == 0;
}

/* What has a row is given when that is due, and not because its turn has come. */
static bool
is_next(const struct handler_reading *reading, struct rows *rows)
{
    return ((unsigned)rows_int(rows, ITEM_FLAGS) & ITEM_STALE) == 0 &&
           rows_int(rows, ITEM_END) == 0 && is_of_its_sources(reading, rows_str(rows, ITEM_SOURCE));
}

static enum err
read_next(struct reader *reader)
{
    CLEANUP(rows_done) struct rows rows;
    size_t looked = 0;

    engine_select(reader->engine, &rows,
        "SELECT " ITEM_WHOLE_COLUMNS ", EXISTS (SELECT 1 FROM handling w WHERE w.handler_pk = ?2"
        " AND w.inbox_pk = i.inbox_pk) FROM " ITEM_TABLES
        " WHERE i.inbox_pk > ?1 ORDER BY i.inbox_pk LIMIT ?3",
        v_int(reader->reading->after_pk), v_int(reader->reading->handler_pk),
        v_int(READ_LOOKS_MAX + 1));
    while (rows_next(&rows)) {
        if (is_full(reader) || looked == READ_LOOKS_MAX) {
            reader->batch.has_more = true;
            break;
        }
        looked++;
        reader->batch.read_pk = rows_int(&rows, ITEM_PK);
        if (is_next(reader->reading, &rows))
            give(reader, &rows, 0, false);
    }
    return rows_end(&rows, reader->reterr);
}

enum err
handler_read(struct engine *engine, const struct handler_reading *reading, struct arena *arena,
    struct handler_batch *ret, struct error *reterr)
{
    struct reader reader = {
        .engine = engine,
        .reading = reading,
        .arena = arena,
        .batch.read_pk = reading->after_pk,
        .reterr = reterr,
    };
    enum err err;

    CHECK(reading->limit > 0);
    reader.batch.rows = arena_alloc_array(arena, reading->limit, sizeof(*reader.batch.rows));
    if (reader.batch.rows == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for what a handler is to do");
    err = read_waiting(&reader);
    if (err == OK && reader.batch.next_due.us == 0)
        err = read_due(&reader);
    if (err == OK)
        err = read_next(&reader);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for what a handler is to do");
    if (err == OK)
        *ret = reader.batch;
    return err;
}

/* --- flushing --------------------------------------------------------------------------------- */

/* The row of what is owed or was given up; of an item that is gone none is made. */
static enum err
row_set(struct engine *engine, int64_t handler_pk, const struct handling_change *change,
    struct error *reterr)
{
    bool is_dead = change->what == HANDLING_DEAD;
    int64_t due_us = change->at.us;

    if (change->what == HANDLING_IN_HAND)
        due_us = 0;
    else if (due_us < 1) /* 0 is in hand */
        due_us = 1;
    return engine_run(engine, reterr,
        "INSERT INTO handling (handler_pk, inbox_pk, attempts, due_us, dead_us)"
        " SELECT ?1, inbox_pk, ?3, ?4, ?5 FROM inbox WHERE inbox_pk = ?2"
        " ON CONFLICT (handler_pk, inbox_pk) DO UPDATE SET attempts = excluded.attempts,"
        " due_us = excluded.due_us, dead_us = excluded.dead_us",
        v_int(handler_pk), v_int(change->inbox_pk), v_int(change->attempts), v_int(due_us),
        is_dead ? v_int(due_us) : v_null());
}

static enum err
change_write(struct engine *engine, int64_t handler_pk, const struct handling_change *change,
    struct error *reterr)
{
    switch (change->what) {
    case HANDLING_IN_HAND:
    case HANDLING_WAITS:
    case HANDLING_DEAD: return row_set(engine, handler_pk, change, reterr);
    case HANDLING_SETTLED:
        if (!change->has_row)
            return OK;
        return engine_run(engine, reterr,
            "DELETE FROM handling WHERE handler_pk = ?1 AND inbox_pk = ?2", v_int(handler_pk),
            v_int(change->inbox_pk));
    }
    UNREACHABLE;
}

static struct str
given(struct str text)
{
    return text.ptr != NULL ? text : STR("");
}

static enum err
record_write(struct engine *engine, int64_t handler_pk, const struct handling_record *record,
    struct error *reterr)
{
    return engine_run(engine, reterr,
        "INSERT INTO handling_log (handler_pk, inbox_pk, attempt, at_us, took_us, outcome, detail,"
        " output) SELECT ?1, inbox_pk, ?3, ?4, ?5, ?6, ?7, ?8 FROM inbox WHERE inbox_pk = ?2",
        v_int(handler_pk), v_int(record->inbox_pk), v_int(record->attempt), v_time(record->at),
        v_int(record->took_us), v_text(str_from(record->outcome)), v_text(given(record->detail)),
        v_blob(given(record->output)));
}

static enum err
flush_write(struct engine *engine, const struct handler_flush *flush, struct error *reterr)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < flush->change_count; i++)
        err = change_write(engine, flush->handler_pk, &flush->changes[i], reterr);
    for (size_t i = 0; err == OK && i < flush->record_count; i++)
        err = record_write(engine, flush->handler_pk, &flush->records[i], reterr);
    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "UPDATE handler SET next_pk = max(next_pk, ?2), handled = handled + ?3,"
        " failed = failed + ?4, passed_over = passed_over + ?5 WHERE handler_pk = ?1",
        v_int(flush->handler_pk), v_int(flush->next_pk), v_int(flush->handled),
        v_int(flush->failed), v_int(flush->passed_over));
}

enum err
handlers_flush(struct engine *engine, const struct handler_flush *flushes, size_t count,
    struct error *reterr)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < count; i++)
        err = flush_write(engine, &flushes[i], reterr);
    return err;
}

/* --- how they do ------------------------------------------------------------------------------ */

static struct handler_state
state_read(struct rows *rows, struct arena *arena)
{
    return (struct handler_state){
        .handler_pk = rows_int(rows, 0),
        .name = arena_copy(arena, rows_str(rows, 1)),
        .is_configured = rows_int(rows, 2) != 0,
        .next_pk = rows_int(rows, 3),
        .handled = rows_int(rows, 4),
        .failed = rows_int(rows, 5),
        .passed_over = rows_int(rows, 6),
        .waiting = rows_int(rows, 7),
        .dead = rows_int(rows, 8),
        .behind = rows_int(rows, 9),
    };
}

/* Counted no further than this: a backlog must not cost a reader seconds at each look. */
#define COUNT_UP_TO(rows) "(SELECT count(*) FROM (SELECT 1 FROM " rows " LIMIT 10000))"

enum err
handlers_list(struct engine *engine, struct arena *arena, struct handler_state **ret,
    size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct handler_state *states;
    size_t count = 0;
    int64_t room = 0;
    enum err err = engine_get_int(engine, &room, reterr, "SELECT count(*) FROM handler");

    if (err != OK)
        return err;
    states = arena_alloc_array(arena, (size_t)room + 1, sizeof(*states));
    if (states == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of handlers");
    engine_select_values(engine, &rows,
        "SELECT h.handler_pk, h.name, h.is_configured, h.next_pk, h.handled, h.failed,"
        " h.passed_over,"
        " " COUNT_UP_TO(
            "handling g WHERE g.handler_pk = h.handler_pk AND g.dead_us IS NULL AND "
            "g.due_us >= 0") ","
                             " " COUNT_UP_TO(
                                 "handling g "
                                 "WHERE "
                                 "g.handler_"
                                 "pk = "
                                 "h.handler_"
                                 "pk AND "
                                 "g.dead_us "
                                 "IS NOT NULL") ","
                                                " " COUNT_UP_TO("inbox i WHERE i.inbox_pk >= "
                                                                "h.next_pk") " FROM handler h "
                                                                             "ORDER BY h.name",
        NULL, 0);
    while (count < (size_t)room && rows_next(&rows))
        states[count++] = state_read(&rows, arena);
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a list of handlers");
    if (err == OK) {
        *ret = states;
        *ret_count = count;
    }
    return err;
}
