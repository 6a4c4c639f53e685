/* SPDX-License-Identifier: Apache-2.0 */
#include "store/events.h"

#include "domain/delivery.h"
#include "os/metrics.h"
#include "store/lanes.h"

enum err
sequence_next(struct engine *engine, struct walltime now, int64_t *ret, struct error *reterr)
{
    /* One more than the last, or the clock where that is ahead: so it goes on growing in a store
     * that was restored from a copy which never saw the latest numbers. */
    return engine_get_int(engine, ret, reterr,
        "UPDATE meta SET value = max(value + 1, ?1) WHERE name = 'sequence' RETURNING value",
        v_time(now));
}

static enum err
event_insert(struct engine *engine, const struct event_draft *draft, int64_t sequence,
    struct error *reterr)
{
    struct buf audience;
    enum err err;

    buf_init(&audience, (size_t)AUDIENCE_RANGES_MAX * 32);
    audience_encode(draft->audience, &audience);
    if (buf_is_full(&audience))
        err = error_set(reterr, ERR_NOMEM, "out of memory for an audience");
    else
        err = engine_run(engine, reterr,
            "INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk, webinar_id,"
            " starts_us, snapshot, audience, created_us)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            v_int(sequence), v_int(draft->account_pk), v_id(&draft->id),
            v_text(STR(EVENT_WEBINAR_CREATED_SINGLE)),
            v_text(str_from(event_reason_name(draft->reason))), v_int(draft->webinar_pk),
            v_id(&draft->webinar_id), v_time(draft->starts), v_blob(draft->snapshot),
            v_blob(buf_str(&audience)), v_time(draft->now));
    buf_done(&audience);
    return err;
}

struct match {
    int64_t hook_pk;
    int64_t filter_group;
};

/* The hooks that want the event. A hook that filters by a mango hears of the event as far as it is
 * about that mango's members; one whose mango is gone hears nothing. */
static enum err
matching_hooks(struct engine *engine, const struct event_draft *draft, struct arena *arena,
    struct match **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct match *matches = NULL;
    size_t count = 0;
    size_t capacity = 0;

    engine_select(engine, &rows,
        "SELECT hook.hook_pk, ifnull(mango.group_pk, 0) FROM hook"
        " LEFT JOIN mango ON mango.account_pk = hook.account_pk AND mango.id = hook.mango_id"
        " WHERE hook.account_pk = ?1 AND hook.event = ?2 AND hook.status = 'enabled'"
        " AND (hook.webinar_id IS NULL OR hook.webinar_id = ?3)"
        " AND (hook.mango_id IS NULL OR mango.mango_pk IS NOT NULL)"
        " ORDER BY hook.hook_pk",
        v_int(draft->account_pk), v_text(STR(EVENT_WEBINAR_CREATED_SINGLE)),
        v_id(&draft->webinar_id));
    while (rows_next(&rows)) {
        struct match match = {rows_int(&rows, 0), rows_int(&rows, 1)};

        if (audience_positions(draft->audience, match.filter_group) == 0)
            continue;
        if (count == capacity) {
            struct match *larger;

            capacity = capacity == 0 ? 16 : capacity * 2;
            larger = arena_alloc_array(arena, capacity, sizeof(*larger));
            if (larger == NULL)
                return error_set(reterr, ERR_NOMEM, "out of memory for an event's hooks");
            for (size_t i = 0; i < count; i++)
                larger[i] = matches[i];
            matches = larger;
        }
        matches[count++] = match;
    }
    *ret = matches;
    *ret_count = count;
    return rows_end(&rows, reterr);
}

enum err
event_append(struct engine *engine, const struct event_draft *draft, struct arena *arena,
    struct event_receipt *ret, struct error *reterr)
{
    struct event_receipt receipt = {0};
    struct match *matches;
    enum err err = sequence_next(engine, draft->now, &receipt.sequence, reterr);

    if (err == OK)
        err = event_insert(engine, draft, receipt.sequence, reterr);
    if (err == OK)
        err = matching_hooks(engine, draft, arena, &matches, &receipt.hook_count, reterr);
    if (err != OK)
        return err;

    receipt.hook_pks = arena_alloc_array(arena, receipt.hook_count + 1, sizeof(int64_t));
    if (receipt.hook_pks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an event's hooks");
    for (size_t i = 0; i < receipt.hook_count; i++) {
        err = engine_run(engine, reterr,
            "INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, created_us)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            v_int(receipt.sequence), v_int(matches[i].hook_pk), v_int(draft->webinar_pk),
            v_int(matches[i].filter_group),
            v_int(audience_positions(draft->audience, matches[i].filter_group)),
            v_time(draft->now));
        if (err != OK)
            return err;
        receipt.hook_pks[i] = matches[i].hook_pk;
    }
    metric_add(METRIC_events_total, 1);
    metric_add(METRIC_fanouts_total, (int64_t)receipt.hook_count);
    *ret = receipt;
    return OK;
}

enum err
event_cancel_webinar(struct engine *engine, int64_t webinar_pk, struct walltime now,
    struct arena *arena, struct event_receipt *ret, struct error *reterr)
{
    struct event_receipt receipt = {0};
    int64_t count = 0;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(DISTINCT hook_pk) FROM fanout WHERE webinar_pk = ?1 AND status = 'sending'",
        v_int(webinar_pk));

    if (err != OK)
        return err;
    receipt.hook_pks = arena_alloc_array(arena, (size_t)count + 1, sizeof(int64_t));
    if (receipt.hook_pks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a webinar's hooks");
    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(engine, &rows,
            "SELECT DISTINCT hook_pk FROM fanout WHERE webinar_pk = ?1 AND status = 'sending'",
            v_int(webinar_pk));
        while (receipt.hook_count < (size_t)count && rows_next(&rows))
            receipt.hook_pks[receipt.hook_count++] = rows_int(&rows, 0);
        err = rows_end(&rows, reterr);
    }
    if (err == OK)
        err = engine_run(engine, reterr,
            "DELETE FROM chunk WHERE fanout_pk IN"
            " (SELECT fanout_pk FROM fanout WHERE webinar_pk = ?1 AND status = 'sending')",
            v_int(webinar_pk));
    if (err == OK)
        err = engine_run(engine, reterr,
            "UPDATE fanout SET status = 'cancelled', finished_us = ?2"
            " WHERE webinar_pk = ?1 AND status = 'sending'",
            v_int(webinar_pk), v_time(now));
    if (err == OK)
        *ret = receipt;
    return err;
}

static enum err
event_row_read(struct rows *rows, struct event_row *ret, struct error *reterr)
{
    *ret = (struct event_row){
        .sequence = rows_int(rows, 0),
        .id = rows_id(rows, 1),
        .webinar_id = rows_id(rows, 3),
        .created = {rows_int(rows, 4)},
    };
    if (event_reason_parse(rows_str(rows, 2), &ret->reason) == OK)
        return OK;
    return error_set(reterr, ERR_IO, "event %lld: its row is damaged",
        (long long)rows_int(rows, 0));
}

enum err
events_list(struct engine *engine, const struct event_query *query, struct event_row *ret,
    size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    size_t count = 0;

    engine_select(engine, &rows,
        "SELECT event_pk, id, reason, webinar_id, created_us FROM event"
        " WHERE account_pk = ?1 AND event_pk < ?2 AND (?3 IS NULL OR webinar_id = ?3)"
        " ORDER BY event_pk DESC LIMIT ?4",
        v_int(query->account_pk), v_int(query->before),
        id_is_zero(query->webinar) ? v_null() : v_id(&query->webinar), v_int((int64_t)query->max));
    while (count < query->max && rows_next(&rows)) {
        enum err err = event_row_read(&rows, &ret[count], reterr);

        if (err != OK)
            return err;
        count++;
    }
    *ret_count = count;
    return rows_end(&rows, reterr);
}

enum err
event_get(struct engine *engine, int64_t account_pk, struct id id, struct event_row *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT event_pk, id, reason, webinar_id, created_us FROM event"
        " WHERE id = ?1 AND account_pk = ?2",
        v_id(&id), v_int(account_pk));
    if (rows_next(&rows))
        return event_row_read(&rows, ret, reterr);
    if (rows_end(&rows, reterr) != OK)
        return ERR_IO;
    return error_set(reterr, ERR_NOT_FOUND, "there is no such event");
}

static enum err
count_failing(struct engine *engine, int64_t fanout_pk, int64_t *ret_failing, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t failing = 0;

    engine_select(engine, &rows,
        "SELECT count, todo FROM chunk WHERE fanout_pk = ?1 AND due_us > ?2", v_int(fanout_pk),
        v_int(CHUNK_DUE_AT_ONCE_US));
    while (rows_next(&rows)) {
        struct str todo = rows_str(&rows, 1);
        size_t count = (size_t)rows_int(&rows, 0);

        if (todo.len >= BITMAP_BYTES(count))
            failing += (int64_t)bitmap_count((const uint8_t *)todo.ptr, count);
    }
    *ret_failing = failing;
    return rows_end(&rows, reterr);
}

static enum err
progress_read(struct engine *engine, struct rows *rows, struct arena *arena,
    struct fanout_progress *ret, struct error *reterr)
{
    *ret = (struct fanout_progress){
        .hook_id = rows_id(rows, 1),
        .status = arena_copy(arena, rows_str(rows, 2)),
        .total = rows_int(rows, 3),
        .delivered = rows_int(rows, 4),
        .dead = rows_int(rows, 5),
        .skipped = rows_int(rows, 6),
        .superseded = rows_int(rows, 7),
        .started = {rows_int(rows, 8)},
        .finished = {rows_int(rows, 9)},
    };
    return count_failing(engine, rows_int(rows, 0), &ret->failing, reterr);
}

enum err
event_progress(struct engine *engine, int64_t sequence, struct arena *arena,
    struct fanout_progress **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct fanout_progress *progress;
    int64_t room = 0;
    size_t count = 0;
    enum err err = engine_get_int(engine, &room, reterr,
        "SELECT count(*) FROM fanout WHERE event_pk = ?1", v_int(sequence));

    engine_select(engine, &rows,
        "SELECT f.fanout_pk, h.id, f.status, f.end_pos, f.delivered, f.dead, f.skipped,"
        " f.superseded, f.started_us, f.finished_us FROM fanout f"
        " JOIN hook h ON h.hook_pk = f.hook_pk WHERE f.event_pk = ?1 ORDER BY f.fanout_pk",
        v_int(sequence));
    if (err != OK)
        return err;
    progress = arena_alloc_array(arena, (size_t)room + 1, sizeof(*progress));
    if (progress == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an event's hooks");
    while (err == OK && count < (size_t)room && rows_next(&rows))
        err = progress_read(engine, &rows, arena, &progress[count++], reterr);
    if (err == OK)
        err = rows_end(&rows, reterr);
    if (err == OK) {
        *ret = progress;
        *ret_count = count;
    }
    return err;
}
