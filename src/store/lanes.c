/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/fault.h"

enum err
lanes_open(struct engine *engine, struct arena *arena, int64_t **ret_hook_pks, size_t *ret_count,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t *hook_pks;
    int64_t room = 0;
    size_t count = 0;
    enum err err = engine_get_int(engine, &room, reterr,
        "SELECT count(DISTINCT hook_pk) FROM fanout WHERE status = 'sending' AND hook_pk > ?1",
        v_int(0));

    /* The word stands in the text, or the index of what is open could not serve. */
    engine_select(engine, &rows,
        "SELECT DISTINCT hook_pk FROM fanout WHERE status = 'sending' AND hook_pk > ?1", v_int(0));
    if (err != OK)
        return err;
    hook_pks = arena_alloc_array(arena, (size_t)room + 1, sizeof(*hook_pks));
    if (hook_pks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for %lld lanes", (long long)room);
    while (count < (size_t)room && rows_next(&rows))
        hook_pks[count++] = rows_int(&rows, 0);
    err = rows_end(&rows, reterr);
    if (err == OK) {
        *ret_hook_pks = hook_pks;
        *ret_count = count;
    }
    return err;
}

enum err
lanes_recover(struct engine *engine, int64_t *ret_last_chunk_pk, struct error *reterr)
{
    enum err err = engine_run(engine, reterr, "UPDATE chunk SET due_us = ?1 WHERE due_us = ?2",
        v_int(CHUNK_DUE_AT_ONCE_US), v_int(CHUNK_IN_HAND_US));

    if (err == OK)
        err = engine_get_int(engine, ret_last_chunk_pk, reterr,
            "SELECT ifnull(max(chunk_pk), 0) FROM chunk WHERE chunk_pk > ?1", v_int(0));
    return err;
}

#define FANOUT_COLUMNS                                                                             \
    "f.fanout_pk, f.event_pk, e.id, e.reason, f.webinar_pk, e.starts_us, e.snapshot, e.audience,"  \
    " f.filter_group, f.next_pos, f.end_pos"

/* An older one of the webinar that is not yet through its members goes first. The cursor tells, so
 * one whose rest only waits for retries holds up nobody. */
#define FANOUT_STARTABLE                                                                           \
    " WHERE f.hook_pk = ?1 AND f.status = 'sending' AND f.next_pos < f.end_pos AND NOT EXISTS"     \
    " (SELECT 1 FROM fanout o WHERE o.webinar_pk = f.webinar_pk AND o.hook_pk = ?1"                \
    " AND o.event_pk < f.event_pk AND o.status = 'sending' AND o.next_pos < o.end_pos)"
#define FANOUT_SELECT                                                                              \
    "SELECT " FANOUT_COLUMNS " FROM fanout f JOIN event e ON e.event_pk = f.event_pk"

static enum err
fanout_read(struct rows *rows, struct arena *arena, struct lane_fanout *ret, struct error *reterr)
{
    struct lane_fanout fanout = {
        .pk = rows_int(rows, 0),
        .sequence = rows_int(rows, 1),
        .event_id = rows_id(rows, 2),
        .webinar_pk = rows_int(rows, 4),
        .starts = {rows_int(rows, 5)},
        .snapshot = arena_copy(arena, rows_str(rows, 6)),
        .filter_group = rows_int(rows, 8),
        .next_pos = rows_int(rows, 9),
        .end_pos = rows_int(rows, 10),
    };
    enum err err = event_reason_parse(rows_str(rows, 3), &fanout.reason);

    if (err == OK)
        err = audience_decode(rows_str(rows, 7), &fanout.audience);
    if (err != OK)
        return error_set(reterr, ERR_IO, "event %lld: its row is damaged",
            (long long)fanout.sequence);
    if (fanout.snapshot.ptr == NULL) {
        audience_done(&fanout.audience);
        return error_set(reterr, ERR_NOMEM, "out of memory for a fan-out");
    }
    *ret = fanout;
    return OK;
}

/* Append what the rows hold to fanouts, but for those that are there already. */
static enum err
fanouts_read(struct rows *rows, struct arena *arena, struct lane_fanout *fanouts, size_t *count,
    size_t max, struct error *reterr)
{
    while (*count < max && rows_next(rows)) {
        bool is_known = false;
        enum err err;

        for (size_t i = 0; i < *count; i++)
            is_known = is_known || fanouts[i].pk == rows_int(rows, 0);
        if (is_known)
            continue;
        err = fanout_read(rows, arena, &fanouts[*count], reterr);
        if (err != OK)
            return err;
        (*count)++;
    }
    return rows_end(rows, reterr);
}

enum err
fanouts_startable(struct engine *engine, int64_t hook_pk, struct arena *arena,
    struct lane_fanout *ret_fanouts, size_t *inout_count, struct error *reterr)
{
    size_t max = *inout_count;
    size_t count = 0;

    enum err err;

    {
        CLEANUP(rows_done) struct rows oldest;

        engine_select(engine, &oldest,
            FANOUT_SELECT FANOUT_STARTABLE " ORDER BY f.event_pk LIMIT ?2", v_int(hook_pk),
            v_int((int64_t)(max + 1) / 2));
        err = fanouts_read(&oldest, arena, ret_fanouts, &count, max, reterr);
    }

    if (err == OK && count == (max + 1) / 2) {
        CLEANUP(rows_done) struct rows shortest;

        /* Picked first and read then, so that no snapshots are sorted. */
        engine_select(engine, &shortest,
            FANOUT_SELECT " WHERE f.fanout_pk IN (SELECT f.fanout_pk FROM fanout f" FANOUT_STARTABLE
                          " ORDER BY f.end_pos - f.next_pos, f.event_pk LIMIT ?2)"
                          " ORDER BY f.end_pos - f.next_pos, f.event_pk",
            v_int(hook_pk), v_int((int64_t)max));
        err = fanouts_read(&shortest, arena, ret_fanouts, &count, max, reterr);
    }
    if (err != OK) {
        for (size_t i = 0; i < count; i++)
            audience_done(&ret_fanouts[i].audience);
        return err;
    }
    *inout_count = count;
    return OK;
}

enum err
fanout_get(struct engine *engine, int64_t fanout_pk, struct arena *arena, struct lane_fanout *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, FANOUT_SELECT " WHERE f.fanout_pk = ?1", v_int(fanout_pk));
    if (rows_next(&rows))
        return fanout_read(&rows, arena, ret, reterr);
    if (rows_end(&rows, reterr) != OK)
        return ERR_IO;
    return error_set(reterr, ERR_NOT_FOUND, "no such fan-out");
}

enum err
fanout_is_sending(struct engine *engine, int64_t fanout_pk, bool *ret, struct error *reterr)
{
    int64_t count;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM fanout WHERE fanout_pk = ?1 AND status = 'sending'",
        v_int(fanout_pk));

    if (err == OK)
        *ret = count > 0;
    return err;
}

static bool
is_too_late(const struct chunk_query *query, int64_t due_us)
{
    return query->latest.us != 0 && due_us > query->latest.us;
}

enum err
chunk_due(struct engine *engine, const struct chunk_query *query, struct lane_chunk *ret,
    struct walltime *ret_next, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT chunk_pk, fanout_pk, base, count, attempts, todo, due_us FROM chunk"
        " WHERE hook_pk = ?1 AND due_us > 0 ORDER BY due_us",
        v_int(query->hook_pk));
    while (rows_next(&rows)) {
        struct lane_chunk chunk = {.pk = rows_int(&rows, 0)};
        struct str todo = rows_str(&rows, 5);
        bool is_skipped = false;

        for (size_t i = 0; i < query->skip_count; i++)
            is_skipped = is_skipped || query->skip[i] == chunk.pk;
        if (is_skipped)
            continue;
        if (rows_int(&rows, 6) > query->now.us && !is_too_late(query, rows_int(&rows, 6))) {
            *ret_next = (struct walltime){rows_int(&rows, 6)};
            return error_set(reterr, ERR_NOT_FOUND, "no chunk is due");
        }
        chunk.fanout_pk = rows_int(&rows, 1);
        chunk.base = rows_int(&rows, 2);
        chunk.count = (size_t)rows_int(&rows, 3);
        chunk.attempts = (unsigned)rows_int(&rows, 4);
        if (chunk.count > CHUNK_MEMBERS_MAX || todo.len != BITMAP_BYTES(chunk.count))
            return error_set(reterr, ERR_IO, "chunk %lld: its row is damaged", (long long)chunk.pk);
        memcpy(chunk.todo, todo.ptr, todo.len);
        *ret = chunk;
        return OK;
    }
    if (rows_end(&rows, reterr) != OK)
        return ERR_IO;
    *ret_next = (struct walltime){INT64_MAX};
    return error_set(reterr, ERR_NOT_FOUND, "no chunk waits");
}

/* --- the members of a chunk --- */

/* One row of member: where a person is, or was until left_seq. */
struct membership {
    int64_t group_pk;
    int64_t ord;
    int64_t left_seq; /* INT64_MAX: still there */
};

/* More than this many groups hold nobody; what is beyond is not looked at. */
#define MEMBERSHIPS_MAX 512

static enum err
memberships_read(struct engine *engine, int64_t attendee_pk, struct membership *memberships,
    size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    size_t count = 0;

    engine_select(engine, &rows,
        "SELECT group_pk, ord, 9223372036854775807 FROM member"
        " WHERE attendee_pk = ?1 AND left_seq IS NULL"
        " UNION ALL SELECT group_pk, ord, left_seq FROM member"
        " WHERE attendee_pk = ?1 AND left_seq IS NOT NULL",
        v_int(attendee_pk));
    while (count < MEMBERSHIPS_MAX && rows_next(&rows))
        memberships[count++] =
            (struct membership){rows_int(&rows, 0), rows_int(&rows, 1), rows_int(&rows, 2)};
    *ret_count = count;
    return rows_end(&rows, reterr);
}

static bool
range_holds(const struct audience_range *range, int64_t sequence,
    const struct membership *memberships, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memberships[i].group_pk == range->group_pk && memberships[i].ord >= range->lo &&
            memberships[i].ord < range->hi && memberships[i].left_seq > sequence)
            return true;
    return false;
}

/* Was the person of range number `range` there already in a range before it, or in one that has
 * been told? A hook that hears of one mango only has never heard of the others' people. */
static bool
is_held_before(const struct lane_fanout *fanout, size_t range, const struct membership *memberships,
    size_t count)
{
    if (fanout->filter_group != 0)
        return false;
    for (size_t i = 0; i < fanout->audience.count; i++) {
        const struct audience_range *other = &fanout->audience.ranges[i];

        if ((i < range || other->is_told) && i != range &&
            range_holds(other, fanout->sequence, memberships, count))
            return true;
    }
    return false;
}

/* The newer events of the fan-out's webinar that go to its hook. */
struct newer {
    int64_t sequence;
    int64_t filter_group;
    struct audience audience;
    struct newer *next;
};

static enum err
newer_read(struct engine *engine, const struct chunk_members_args *args, struct newer **ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    *ret = NULL;
    engine_select(engine, &rows,
        "SELECT f.event_pk, f.filter_group, e.audience FROM fanout f"
        " JOIN event e ON e.event_pk = f.event_pk WHERE f.webinar_pk = ?1 AND f.hook_pk = ?2"
        " AND f.event_pk > ?3 AND f.status <> 'cancelled' ORDER BY f.event_pk",
        v_int(args->fanout->webinar_pk), v_int(args->hook_pk), v_int(args->fanout->sequence));
    while (rows_next(&rows)) {
        /* Not in the arena, which is for a chunk's texts: there may be thousands. */
        struct newer *newer = calloc(1, sizeof(*newer));

        if (newer == NULL)
            return error_set(reterr, ERR_NOMEM, "out of memory for newer events");
        newer->sequence = rows_int(&rows, 0);
        newer->filter_group = rows_int(&rows, 1);
        if (audience_decode(rows_str(&rows, 2), &newer->audience) != OK) {
            free(newer);
            return error_set(reterr, ERR_IO, "event %lld: its row is damaged",
                (long long)rows_int(&rows, 0));
        }
        /* The newest first: it is the likeliest to cover somebody. */
        newer->next = *ret;
        *ret = newer;
    }
    return rows_end(&rows, reterr);
}

static void
newer_done(struct newer *newer)
{
    while (newer != NULL) {
        struct newer *next = newer->next;

        audience_done(&newer->audience);
        free(newer);
        newer = next;
    }
}

static bool
is_covered(const struct newer *newer, const struct membership *memberships, size_t count)
{
    for (; newer != NULL; newer = newer->next) {
        for (size_t i = 0; i < newer->audience.count; i++) {
            const struct audience_range *range = &newer->audience.ranges[i];

            if (range->is_told ||
                (newer->filter_group != 0 && newer->filter_group != range->group_pk))
                continue;
            if (range_holds(range, newer->sequence, memberships, count))
                return true;
        }
    }
    return false;
}

static enum err
member_judge(struct engine *engine, const struct chunk_members_args *args, size_t range,
    const struct newer *newer, struct lane_member *member, struct error *reterr)
{
    struct membership memberships[MEMBERSHIPS_MAX];
    size_t count = 0;
    enum err err = memberships_read(engine, member->attendee_pk, memberships, &count, reterr);

    if (err != OK)
        return err;
    if (is_held_before(args->fanout, range, memberships, count))
        member->fate = MEMBER_SKIPPED;
    else if (is_covered(newer, memberships, count))
        member->fate = MEMBER_SUPERSEDED;
    return OK;
}

/* Zones are few and attendees many: the last one looked up is mostly the next. */
struct offset_memo {
    char zone[ZONE_BYTES_MAX];
    size_t len;
    bool has_offset;
    int32_t offset_minutes;
};

static void
member_offset(const struct chunk_members_args *args, struct str zone_text, struct offset_memo *memo,
    struct lane_member *member)
{
    const struct zone *zone;

    member->has_offset = false;
    if (zone_text.ptr == NULL || zone_text.len > sizeof(memo->zone))
        return;
    if (zone_text.len != memo->len || memcmp(zone_text.ptr, memo->zone, memo->len) != 0) {
        memcpy(memo->zone, zone_text.ptr, zone_text.len);
        memo->len = zone_text.len;
        /* It was known when it was stored; a zone database that has lost it says null. */
        memo->has_offset = zones_get(args->zones, zone_text, &zone, NULL) == OK;
        if (memo->has_offset)
            memo->offset_minutes = zone_offset_minutes_at(zone, args->fanout->starts);
    }
    member->has_offset = memo->has_offset;
    member->offset_minutes = memo->offset_minutes;
}

/* A part of a chunk that lies in one range: ords [lo, hi), to ret_members[first …]. */
struct part {
    size_t range;
    int64_t lo;
    int64_t hi;
    size_t first;
};

/* Every fate starts as skipped, and is due only where a row says so. */
static enum err
part_members(struct engine *engine, const struct chunk_members_args *args, const struct part *part,
    const struct newer *newer, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    const struct lane_fanout *fanout = args->fanout;
    bool is_shared = fanout->filter_group == 0 && fanout->audience.count > 1;
    struct offset_memo memo = {.len = SIZE_MAX};

    engine_select(engine, &rows,
        "SELECT m.ord, a.attendee_pk, a.id, a.name, a.email, a.phone, a.timezone FROM member m"
        " JOIN attendee a ON a.attendee_pk = m.attendee_pk"
        " WHERE m.group_pk = ?1 AND m.ord >= ?2 AND m.ord < ?3"
        " AND (m.left_seq IS NULL OR m.left_seq > ?4) ORDER BY m.ord",
        v_int(fanout->audience.ranges[part->range].group_pk), v_int(part->lo), v_int(part->hi),
        v_int(fanout->sequence));
    while (rows_next(&rows)) {
        size_t index = part->first + (size_t)(rows_int(&rows, 0) - part->lo);
        struct lane_member *member = &args->ret_members[index];

        if (!bitmap_get(args->todo, index))
            continue;
        member->fate = MEMBER_DUE;
        member->attendee_pk = rows_int(&rows, 1);
        member->id = rows_id(&rows, 2);
        if (is_shared || newer != NULL) {
            enum err err = member_judge(engine, args, part->range, newer, member, reterr);

            if (err != OK)
                return err;
        }
        if (member->fate != MEMBER_DUE)
            continue;
        member->name = arena_copy(args->arena, rows_str(&rows, 3));
        member->email = arena_copy(args->arena, rows_str(&rows, 4));
        if (!rows_is_null(&rows, 5))
            member->phone = arena_copy(args->arena, rows_str(&rows, 5));
        member_offset(args, rows_str(&rows, 6), &memo, member);
    }
    return rows_end(&rows, reterr);
}

enum err
chunk_members(struct engine *engine, const struct chunk_members_args *args, struct error *reterr)
{
    const struct lane_fanout *fanout = args->fanout;
    struct newer *newer = NULL;
    struct part part = {.first = 0};
    enum err err = OK;

    for (size_t i = 0; i < args->count; i++)
        args->ret_members[i] = (struct lane_member){.fate = MEMBER_SKIPPED};
    if (args->is_retry)
        err = newer_read(engine, args, &newer, reterr);

    while (err == OK && part.first < args->count &&
           audience_at(&fanout->audience, fanout->filter_group, args->base + (int64_t)part.first,
               &part.range, &part.lo)) {
        part.hi = part.lo + (int64_t)(args->count - part.first);
        if (part.hi > fanout->audience.ranges[part.range].hi)
            part.hi = fanout->audience.ranges[part.range].hi;
        err = part_members(engine, args, &part, newer, reterr);
        part.first += (size_t)(part.hi - part.lo);
    }
    newer_done(newer);
    if (err == OK && arena_is_full(args->arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a chunk's members");
    return err;
}

/* --- the flush --- */

static enum err
flush_fanout(struct engine *engine, const struct flush_item *item, struct walltime now,
    struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "UPDATE fanout SET next_pos = max(next_pos, ?2), delivered = delivered + ?3,"
        " dead = dead + ?4, skipped = skipped + ?5, superseded = superseded + ?6,"
        " started_us = ifnull(started_us, ?7) WHERE fanout_pk = ?1",
        v_int(item->fanout_pk), v_int(item->base), v_int(item->delivered), v_int(item->dead),
        v_int(item->skipped), v_int(item->superseded), v_time(now));

    if (err == OK && item->is_drained)
        err = engine_run(engine, reterr,
            "UPDATE fanout SET status = 'done', finished_us = ?2 WHERE fanout_pk = ?1"
            " AND status = 'sending' AND next_pos >= end_pos"
            " AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.fanout_pk = ?1)",
            v_int(item->fanout_pk), v_time(now));
    return err;
}

static enum err
flush_item(struct engine *engine, const struct flush_item *item, struct walltime now,
    struct error *reterr)
{
    switch (item->kind) {
    case FLUSH_CHUNK_SAVE:
        /* A fan-out that was cancelled meanwhile keeps nothing. */
        return engine_run(engine, reterr,
            "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
            " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE EXISTS"
            " (SELECT 1 FROM fanout WHERE fanout_pk = ?2 AND status = 'sending')"
            " ON CONFLICT (chunk_pk) DO UPDATE SET attempts = excluded.attempts,"
            " due_us = excluded.due_us, todo = excluded.todo",
            v_int(item->chunk_pk), v_int(item->fanout_pk), v_int(item->hook_pk), v_int(item->base),
            v_int((int64_t)item->count), v_int((int64_t)item->attempts), v_time(item->at),
            v_blob(item->bytes));
    case FLUSH_CHUNK_DELETE:
        return engine_run(engine, reterr, "DELETE FROM chunk WHERE chunk_pk = ?1",
            v_int(item->chunk_pk));
    case FLUSH_DEAD:
        return engine_run(engine, reterr,
            "INSERT INTO dead (fanout_pk, hook_pk, base, count, attempts, at_us, todo)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            v_int(item->fanout_pk), v_int(item->hook_pk), v_int(item->base),
            v_int((int64_t)item->count), v_int((int64_t)item->attempts), v_time(item->at),
            v_blob(item->bytes));
    case FLUSH_RECORDS:
        return engine_run(engine, reterr,
            "INSERT INTO attempt_block (fanout_pk, base, started_us, records)"
            " VALUES (?1, ?2, ?3, ?4)",
            v_int(item->fanout_pk), v_int(item->base), v_time(item->at), v_blob(item->bytes));
    case FLUSH_FAILURE:
        return engine_run(engine, reterr,
            "INSERT INTO attempt_failure"
            " (fanout_pk, pos, attempt, at_us, failure, status, detail, answer)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            v_int(item->fanout_pk), v_int(item->base), v_int((int64_t)item->attempts),
            v_time(item->at), v_text(item->failure), v_int(item->status), v_text(item->detail),
            v_blob(item->bytes));
    case FLUSH_FANOUT: return flush_fanout(engine, item, now, reterr);
    case FLUSH_HOOK_GONE:
        return engine_run(engine, reterr,
            "UPDATE hook SET status = 'disabled', disabled_by = 'gone', disabled_us = ?2,"
            " updated_us = ?2 WHERE hook_pk = ?1 AND status = 'enabled'",
            v_int(item->hook_pk), v_time(now));
    }
    UNREACHABLE;
}

enum err
lanes_flush(struct engine *engine, const struct flush_item *items, size_t count,
    struct walltime now, struct error *reterr)
{
    if (FAULT("lanes.flush"))
        return error_set(reterr, ERR_IO, "the flush was made to fail");
    for (size_t i = 0; i < count; i++) {
        enum err err = flush_item(engine, &items[i], now, reterr);

        if (err != OK)
            return err;
    }
    return OK;
}
