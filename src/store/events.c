/* SPDX-License-Identifier: Apache-2.0 */
#include "store/events.h"

#include "base/check.h"
#include "domain/delivery.h"
#include "domain/event_type.h"
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
            v_int(sequence), v_int(draft->account_pk), v_id(&draft->id), v_text(draft->type),
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

/* The hooks that want an event. One that filters by a mango hears of it as far as it is about that
 * mango's members; one whose mango is gone hears nothing. */
#define HOOKS_THAT_WANT                                                                            \
    "SELECT hook.hook_pk, ifnull(mango.group_pk, 0) FROM hook"                                     \
    " LEFT JOIN mango ON mango.account_pk = hook.account_pk AND mango.id = hook.mango_id"          \
    " WHERE hook.account_pk = ?1 AND hook.event = ?2"                                              \
    " AND (hook.webinar_id IS NULL OR hook.webinar_id = ?3)"                                       \
    " AND (hook.mango_id IS NULL OR mango.mango_pk IS NOT NULL)"

static enum err
fanout_insert(struct engine *engine, const struct fanout_draft *draft, struct match match,
    struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, late_from,"
        " changed, created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        v_int(draft->sequence), v_int(match.hook_pk), v_int(draft->webinar_pk),
        v_int(match.filter_group), v_int(audience_positions(draft->audience, match.filter_group)),
        v_int(draft->late_from), v_int(draft->changed), v_time(draft->now));

    if (err == OK)
        metric_add(METRIC_fanouts_total, 1);
    return err;
}

static enum err
matching_hooks(struct engine *engine, const struct fanout_draft *draft, struct arena *arena,
    struct match **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct match *matches = NULL;
    size_t count = 0;
    size_t capacity = 0;

    engine_select(engine, &rows,
        HOOKS_THAT_WANT " AND hook.status = 'enabled' ORDER BY hook.hook_pk",
        v_int(draft->account_pk), v_text(draft->type), v_id(&draft->webinar_id));
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
    enum err err = rows_end(&rows, reterr);

    if (err != OK)
        return err;
    *ret = matches;
    *ret_count = count;
    return OK;
}

enum err
fanout_add(struct engine *engine, const struct fanout_draft *draft, int64_t hook_pk,
    bool *ret_added, struct error *reterr)
{
    struct match match = {0, 0};
    bool is_wanted;

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(engine, &rows,
            HOOKS_THAT_WANT " AND hook.hook_pk = ?4 AND hook.status <> 'deleted' AND NOT EXISTS"
                            " (SELECT 1 FROM fanout WHERE event_pk = ?5 AND hook_pk = ?4)",
            v_int(draft->account_pk), v_text(draft->type), v_id(&draft->webinar_id), v_int(hook_pk),
            v_int(draft->sequence));
        if (rows_next(&rows))
            match = (struct match){rows_int(&rows, 0), rows_int(&rows, 1)};
        err = rows_end(&rows, reterr);
    }

    is_wanted = match.hook_pk != 0 && audience_positions(draft->audience, match.filter_group) > 0;
    if (err == OK && is_wanted)
        err = fanout_insert(engine, draft, match, reterr);
    if (err == OK)
        *ret_added = is_wanted;
    return err;
}

enum err
event_append(struct engine *engine, const struct event_draft *draft, struct arena *arena,
    struct event_receipt *ret, struct error *reterr)
{
    struct fanout_draft fanout = {
        .account_pk = draft->account_pk,
        .type = draft->type,
        .webinar_pk = draft->webinar_pk,
        .webinar_id = draft->webinar_id,
        .audience = draft->audience,
        .now = draft->now,
    };
    struct event_receipt receipt = {0};
    struct match *matches = NULL;
    enum err err = sequence_next(engine, draft->now, &receipt.sequence, reterr);

    if (err == OK)
        err = event_insert(engine, draft, receipt.sequence, reterr);
    if (err == OK)
        err = matching_hooks(engine, &fanout, arena, &matches, &receipt.hook_count, reterr);
    if (err != OK)
        return err;

    CHECK(matches != NULL || receipt.hook_count == 0);
    fanout.sequence = receipt.sequence;
    fanout.changed = receipt.sequence;
    receipt.hook_pks = arena_alloc_array(arena, receipt.hook_count + 1, sizeof(int64_t));
    if (receipt.hook_pks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an event's hooks");
    for (size_t i = 0; i < receipt.hook_count; i++) {
        err = fanout_insert(engine, &fanout, matches[i], reterr);
        if (err != OK)
            return err;
        receipt.hook_pks[i] = matches[i].hook_pk;
    }
    metric_add(METRIC_events_total, 1);
    *ret = receipt;
    return OK;
}

enum err
event_cancel_webinar(struct engine *engine, int64_t webinar_pk, struct walltime now,
    struct arena *arena, struct event_receipt *ret, struct error *reterr)
{
    struct event_receipt receipt = {0};
    int64_t changed = 0;
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
    if (err == OK && count > 0)
        err = sequence_next(engine, now, &changed, reterr);
    if (err == OK)
        err = engine_run(engine, reterr,
            "UPDATE fanout SET status = 'cancelled', finished_us = ?2, changed = ?3"
            " WHERE webinar_pk = ?1 AND status = 'sending'",
            v_int(webinar_pk), v_time(now), v_int(changed));
    if (err == OK)
        *ret = receipt;
    return err;
}

#define EVENT_COLUMNS                                                                              \
    "event_pk, id, reason, webinar_id, created_us, type,"                                          \
    " CASE WHEN webinar_pk < 0 THEN (SELECT hook.id FROM hook WHERE hook_pk = -webinar_pk) END"

static enum err
event_row_read(struct rows *rows, struct event_row *ret, struct error *reterr)
{
    const struct event_type *type = event_type_find(rows_str(rows, 5));

    *ret = (struct event_row){
        .sequence = rows_int(rows, 0),
        .id = rows_id(rows, 1),
        .webinar_id = rows_id(rows, 3),
        .about = rows_id(rows, 6),
        .created = {rows_int(rows, 4)},
    };
    if (type != NULL && event_reason_parse(rows_str(rows, 2), &ret->reason) == OK) {
        ret->type = type->name;
        return OK;
    }
    return error_set(reterr, ERR_IO, "event %lld: its row is damaged",
        (long long)rows_int(rows, 0));
}

enum err
event_audience_read(struct str encoded, int64_t sequence, struct audience *ret,
    struct error *reterr)
{
    enum err err = audience_decode(encoded, ret);

    if (err == ERR_NOMEM)
        return error_set(reterr, err, "out of memory for an audience");
    if (err != OK)
        return error_set(reterr, ERR_IO, "event %lld: its row is damaged", (long long)sequence);
    return OK;
}

/* A sequence is never less than the time of its event: older ones are not looked at. */
#define EVENTS_WANTED                                                                              \
    " AND event_pk < ?2 AND event_pk >= ?5 AND created_us >= ?5"                                   \
    " AND (?6 = 0 OR created_us < ?6) ORDER BY event_pk DESC LIMIT ?7"
/* One for each index: a rare one would else be looked for among all of the account's. The plus
 * keeps the account's own index out of it. */
static const char events_of_webinar[] =
    "SELECT " EVENT_COLUMNS " FROM event WHERE webinar_id = ?3 AND +account_pk = ?1"
    " AND (?4 IS NULL OR type = ?4)" EVENTS_WANTED;
static const char events_of_type[] =
    "SELECT " EVENT_COLUMNS " FROM event WHERE account_pk = ?1 AND type = ?4" EVENTS_WANTED;
static const char events_of_account[] =
    "SELECT " EVENT_COLUMNS " FROM event WHERE account_pk = ?1" EVENTS_WANTED;

enum err
events_list(struct engine *engine, const struct event_query *query, struct event_row *ret,
    size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    size_t count = 0;
    enum err err = OK;

    engine_select(engine, &rows,
        !id_is_zero(query->webinar) ? events_of_webinar
        : query->type.ptr != NULL   ? events_of_type
                                    : events_of_account,
        v_int(query->account_pk), v_int(query->before), v_id(&query->webinar), v_text(query->type),
        v_time(query->after), v_time(query->until), v_int((int64_t)query->max));
    while (err == OK && count < query->max && rows_next(&rows))
        err = event_row_read(&rows, &ret[count++], reterr);
    if (err == OK)
        err = rows_end(&rows, reterr);
    if (err == OK)
        *ret_count = count;
    return err;
}

enum err
event_get(struct engine *engine, int64_t account_pk, struct id id, struct event_row *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " EVENT_COLUMNS " FROM event"
        " WHERE id = ?1 AND account_pk = ?2",
        v_id(&id), v_int(account_pk));
    if (rows_next(&rows))
        return event_row_read(&rows, ret, reterr);
    enum err err = rows_end(&rows, reterr);

    if (err != OK)
        return err;
    return error_set(reterr, ERR_NOT_FOUND, "there is no such event");
}

enum err
fanout_failing(struct engine *engine, int64_t fanout_pk, int64_t *ret, struct error *reterr)
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
    enum err err = rows_end(&rows, reterr);

    if (err == OK)
        *ret = failing;
    return err;
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
    return fanout_failing(engine, rows_int(rows, 0), &ret->failing, reterr);
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
