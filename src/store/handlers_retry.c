/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"
#include "store/handlers.h"
#include "store/inbox_inside.h"

/* Items of a step. With several handlers, as many rows each are written: some ms. */
#define RETRY_ITEMS_MAX 500

/* Of an item's log the newest lines are shown. */
#define LOG_LINES_MAX 500

/* Is there one of this name, if one is named? A mistyped name must not look like nothing to do. */
static enum err
name_check(struct engine *engine, const char *sql, struct str name, const char *what,
    struct error *reterr)
{
    int64_t pk = 0;
    enum err err;

    if (name.ptr == NULL)
        return OK;
    err = engine_get_int(engine, &pk, reterr, sql, v_text(name));
    if (err == ERR_NOT_FOUND)
        return error_set(reterr, err, "there is no %s \"%.*s\"", what, STR_FMT(name));
    return err;
}

static enum err
handler_check(struct engine *engine, struct str name, struct error *reterr)
{
    return name_check(engine,
        "SELECT handler_pk FROM handler WHERE name = ?1 AND is_configured = 1", name, "handler",
        reterr);
}

static enum err
source_check(struct engine *engine, struct str name, struct error *reterr)
{
    return name_check(engine, "SELECT source_pk FROM source WHERE name = ?1", name, "source",
        reterr);
}

/* --- handle again ----------------------------------------------------------------------------- */

/*
 * Items in (?1, ?2], of source ?3, received at ?4 or later, are due at ?5 for handler ?6, or for
 * all that have had them. What a handler's cursor has not come to will be handled anyway: a row of
 * its own would have it handled twice. What is in hand is being handled.
 */
static const char rows_make[] =
    "INSERT INTO handling (handler_pk, inbox_pk, attempts, due_us, dead_us)"
    " SELECT h.handler_pk, i.inbox_pk, 0, ?5, NULL FROM " ITEM_TABLES " CROSS JOIN handler h"
    " WHERE i.inbox_pk > ?1 AND i.inbox_pk <= ?2 AND (?3 IS NULL OR s.name = ?3)"
    " AND i.received_us >= ?4 AND NOT " ITEM_IS_STALE " AND h.is_configured = 1"
    " AND CASE WHEN ?6 IS NULL THEN h.first_pk <= i.inbox_pk ELSE h.name = ?6 END"
    " AND (h.next_pk > i.inbox_pk OR EXISTS (SELECT 1 FROM handling g"
    " WHERE g.handler_pk = h.handler_pk AND g.inbox_pk = i.inbox_pk))"
    " ON CONFLICT (handler_pk, inbox_pk) DO UPDATE SET attempts = 0, due_us = excluded.due_us,"
    " dead_us = NULL WHERE dead_us IS NOT NULL OR due_us > 0";

/* The same of those alone that were given up. */
static const char dead_wake[] =
    "UPDATE handling SET attempts = 0, due_us = ?5, dead_us = NULL"
    " WHERE inbox_pk > ?1 AND inbox_pk <= ?2 AND dead_us IS NOT NULL"
    " AND handler_pk IN (SELECT handler_pk FROM handler WHERE is_configured = 1"
    " AND (?6 IS NULL OR name = ?6))"
    " AND EXISTS (SELECT 1 FROM " ITEM_TABLES " WHERE i.inbox_pk = handling.inbox_pk"
    " AND (?3 IS NULL OR s.name = ?3) AND i.received_us >= ?4)";

enum err
inbox_retry(struct engine *engine, int64_t inbox_pk, struct str handler, struct walltime now,
    int64_t *ret_count, struct error *reterr)
{
    int64_t found = 0;
    enum err err = engine_get_int(engine, &found, reterr,
        "SELECT inbox_pk FROM inbox WHERE inbox_pk = ?1", v_int(inbox_pk));

    CHECK(now.us > 0);
    if (err == ERR_NOT_FOUND)
        return error_set(reterr, err, "there is no such item");
    if (err == OK)
        err = handler_check(engine, handler, reterr);
    if (err == OK)
        err = engine_run(engine, reterr, rows_make, v_int(inbox_pk - 1), v_int(inbox_pk), v_null(),
            v_int(INT64_MIN), v_time(now), v_text(handler));
    if (err == OK)
        *ret_count = engine_changes(engine);
    return err;
}

/* The last item of the next step; INT64_MAX: all that is left. */
static enum err
step_end(struct engine *engine, const char *sql, int64_t after_pk, int64_t *ret,
    struct error *reterr)
{
    int64_t last = INT64_MAX;
    enum err err =
        engine_get_int(engine, &last, reterr, sql, v_int(after_pk), v_int(RETRY_ITEMS_MAX - 1));

    if (err == OK || err == ERR_NOT_FOUND)
        *ret = last;
    return err == ERR_NOT_FOUND ? OK : err;
}

enum err
inbox_retry_step(struct engine *engine, const struct inbox_retry_query *query, struct walltime now,
    int64_t *inout, int64_t *ret_count, struct error *reterr)
{
    int64_t after_pk = *inout;
    int64_t last_pk = INT64_MAX;
    enum err err = handler_check(engine, query->handler, reterr);

    CHECK(now.us > 0);
    if (err == OK)
        err = source_check(engine, query->source, reterr);
    if (err != OK || after_pk == INT64_MAX)
        return err;
    /* An item's number is never less than the time it was received. */
    if (after_pk < query->since.us)
        after_pk = query->since.us - 1;
    err = step_end(engine,
        query->only_dead
            ? "SELECT inbox_pk FROM handling WHERE inbox_pk > ?1 ORDER BY inbox_pk LIMIT 1 OFFSET "
              "?2"
            : "SELECT inbox_pk FROM inbox WHERE inbox_pk > ?1 ORDER BY inbox_pk LIMIT 1 OFFSET ?2",
        after_pk, &last_pk, reterr);
    if (err == OK)
        err = engine_run(engine, reterr, query->only_dead ? dead_wake : rows_make, v_int(after_pk),
            v_int(last_pk), v_text(query->source), v_time(query->since), v_time(now),
            v_text(query->handler));
    if (err == OK) {
        *inout = last_pk;
        *ret_count += engine_changes(engine);
    }
    return err;
}

/* --- how an item stands ----------------------------------------------------------------------- */

/* Handlers that had it or are to have it, with the row where there is one. */
static const char states[] =
    "SELECT h.name, g.inbox_pk, g.attempts, g.due_us, g.dead_us, h.next_pk > i.inbox_pk"
    " FROM inbox i CROSS JOIN handler h"
    " LEFT JOIN handling g ON g.handler_pk = h.handler_pk AND g.inbox_pk = i.inbox_pk"
    " WHERE i.inbox_pk = ?1 AND (g.inbox_pk IS NOT NULL OR (h.first_pk <= i.inbox_pk"
    " AND NOT " ITEM_IS_STALE " AND (h.is_configured = 1 OR h.next_pk > i.inbox_pk)))"
    " ORDER BY h.name";

static struct handling_state
handling_read(struct rows *rows, struct arena *arena)
{
    bool has_row = !rows_is_null(rows, 1);
    bool is_dead = has_row && !rows_is_null(rows, 4);
    struct handling_state state = {
        .handler = arena_copy(arena, rows_str(rows, 0)),
        .status = rows_int(rows, 5) != 0 ? "settled" : "waiting",
        .attempts = has_row ? (uint32_t)rows_int(rows, 2) : 0,
    };

    if (is_dead)
        state.status = "dead";
    else if (has_row)
        state.status = state.attempts > 0 ? "retrying" : "waiting";
    if (has_row && !is_dead)
        state.due.us = rows_int(rows, 3);
    return state;
}

enum err
inbox_handlings(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct handling_state **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct handling_state *list;
    size_t count = 0;
    int64_t room = 0;
    enum err err = engine_get_int(engine, &room, reterr, "SELECT count(*) FROM handler");

    if (err != OK)
        return err;
    list = arena_alloc_array(arena, (size_t)room + 1, sizeof(*list));
    if (list == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an item's handlers");
    engine_select(engine, &rows, states, v_int(inbox_pk));
    while (count < (size_t)room && rows_next(&rows))
        list[count++] = handling_read(&rows, arena);
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for an item's handlers");
    if (err == OK) {
        *ret = list;
        *ret_count = count;
    }
    return err;
}

static struct handling_logged
logged_read(struct rows *rows, struct arena *arena)
{
    return (struct handling_logged){
        .handler = arena_copy(arena, rows_str(rows, 0)),
        .record =
            {
                .inbox_pk = rows_int(rows, 1),
                .attempt = (uint32_t)rows_int(rows, 2),
                .at = {rows_int(rows, 3)},
                .took_us = rows_int(rows, 4),
                .outcome = arena_copy(arena, rows_str(rows, 5)).ptr,
                .detail = arena_copy(arena, rows_str(rows, 6)),
                .output = arena_copy(arena, rows_str(rows, 7)),
            },
    };
}

enum err
inbox_log(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct handling_logged **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct handling_logged *lines;
    size_t count = 0;
    enum err err;

    lines = arena_alloc_array(arena, LOG_LINES_MAX, sizeof(*lines));
    if (lines == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an item's log");
    engine_select(engine, &rows,
        "SELECT h.name, g.inbox_pk, g.attempt, g.at_us, g.took_us, g.outcome, g.detail, g.output"
        " FROM (SELECT * FROM handling_log WHERE inbox_pk = ?1 ORDER BY handling_log_pk DESC"
        " LIMIT ?2) g JOIN handler h ON h.handler_pk = g.handler_pk ORDER BY g.handling_log_pk",
        v_int(inbox_pk), v_int(LOG_LINES_MAX));
    while (count < LOG_LINES_MAX && rows_next(&rows))
        lines[count++] = logged_read(&rows, arena);
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for an item's log");
    if (err == OK) {
        *ret = lines;
        *ret_count = count;
    }
    return err;
}
