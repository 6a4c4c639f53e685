/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "store/bit_rows.h"
#include "store/events.h"

bool
fanout_is_notice(const struct lane_fanout *fanout)
{
    return fanout->audience.count == 1 && fanout->audience.ranges[0].group_pk == GROUP_NOBODY;
}

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
            "SELECT ifnull(max(chunk_pk), 0) FROM chunk WHERE chunk_pk > 0 AND chunk_pk < ?1",
            v_int(CHUNK_PK_REOPENED));
    return err;
}

#define FANOUT_COLUMNS                                                                             \
    "f.fanout_pk, f.event_pk, e.id, e.reason, f.webinar_pk, e.starts_us, e.snapshot, e.audience,"  \
    " f.filter_group, f.next_pos, f.end_pos, f.round, f.late_from"

#define FANOUT_SELECT                                                                              \
    "SELECT " FANOUT_COLUMNS " FROM fanout f JOIN event e ON e.event_pk = f.event_pk"
/* The cursor tells, so one whose rest only waits for retries holds up nobody. */
#define HAS_LEFT "hook_pk = ?1 AND status = 'sending' AND next_pos < end_pos"

/* An older one of the webinar goes first. Of the oldest of all no more than these are looked at: a
 * webinar that somebody registers for every second puts thousands before the next one. */
#define OLDEST_SEEN 256
#define FANOUTS_OLDEST                                                                             \
    " JOIN (SELECT fanout_pk, webinar_pk, event_pk FROM fanout WHERE " HAS_LEFT                    \
    " ORDER BY event_pk LIMIT ?3) s ON s.fanout_pk = f.fanout_pk"                                  \
    " WHERE NOT EXISTS (SELECT 1 FROM fanout o WHERE o.webinar_pk = s.webinar_pk"                  \
    " AND o.event_pk < s.event_pk AND " HAS_LEFT ") ORDER BY s.event_pk LIMIT ?2"

/* The first of each webinar, found from the one before by the index: a step for each webinar, and
 * none for those that wait behind. Picked first and read then, so that no snapshots are sorted. */
#define FANOUT_FIRST_OF "SELECT webinar_pk, fanout_pk FROM fanout WHERE " HAS_LEFT
#define FANOUTS_SHORTEST                                                                           \
    "WITH RECURSIVE head (webinar_pk, fanout_pk) AS (SELECT * FROM (" FANOUT_FIRST_OF              \
    " ORDER BY webinar_pk, event_pk LIMIT 1) UNION ALL"                                            \
    " SELECT n.webinar_pk, n.fanout_pk FROM head JOIN fanout n ON n.fanout_pk ="                   \
    " (SELECT fanout_pk FROM fanout WHERE " HAS_LEFT " AND webinar_pk > head.webinar_pk"           \
    " ORDER BY webinar_pk, event_pk LIMIT 1)) " FANOUT_SELECT                                      \
    " WHERE f.fanout_pk IN (SELECT s.fanout_pk FROM head JOIN fanout s"                            \
    " ON s.fanout_pk = head.fanout_pk ORDER BY s.end_pos - s.next_pos, s.event_pk LIMIT ?2)"       \
    " ORDER BY f.end_pos - f.next_pos, f.event_pk"

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
        .round = rows_int(rows, 11),
        .late_from = rows_int(rows, 12),
    };
    enum err err = event_reason_parse(rows_str(rows, 3), &fanout.reason);

    if (err != OK)
        return error_set(reterr, ERR_IO, "event %lld: its row is damaged",
            (long long)fanout.sequence);
    err = event_audience_read(rows_str(rows, 7), fanout.sequence, &fanout.audience, reterr);
    if (err != OK)
        return err;
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

/* Were there more than OLDEST_SEEN to look at? */
static enum err
has_many_left(struct engine *engine, int64_t hook_pk, bool *ret, struct error *reterr)
{
    int64_t is_there = 0;
    enum err err = engine_get_int(engine, &is_there, reterr,
        "SELECT EXISTS (SELECT 1 FROM fanout WHERE " HAS_LEFT " ORDER BY event_pk"
        " LIMIT 1 OFFSET ?2)",
        v_int(hook_pk), v_int(OLDEST_SEEN));

    if (err == OK)
        *ret = is_there != 0;
    return err;
}

enum err
fanouts_startable(struct engine *engine, int64_t hook_pk, struct arena *arena,
    struct lane_fanout *ret_fanouts, size_t *inout_count, struct error *reterr)
{
    size_t max = *inout_count;
    size_t count = 0;
    bool has_more;

    enum err err;

    {
        CLEANUP(rows_done) struct rows oldest;

        engine_select(engine, &oldest, FANOUT_SELECT FANOUTS_OLDEST, v_int(hook_pk),
            v_int((int64_t)(max + 1) / 2), v_int(OLDEST_SEEN));
        err = fanouts_read(&oldest, arena, ret_fanouts, &count, max, reterr);
    }

    has_more = count == (max + 1) / 2;
    if (err == OK && !has_more)
        err = has_many_left(engine, hook_pk, &has_more, reterr);
    if (err == OK && has_more) {
        CLEANUP(rows_done) struct rows shortest;

        engine_select(engine, &shortest, FANOUTS_SHORTEST, v_int(hook_pk), v_int((int64_t)max));
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
    enum err err = rows_end(&rows, reterr);

    return err != OK ? err : error_set(reterr, ERR_NOT_FOUND, "no such fan-out");
}

enum err
fanout_is_sending(struct engine *engine, int64_t fanout_pk, int64_t round, bool *ret,
    struct error *reterr)
{
    int64_t count;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM fanout WHERE fanout_pk = ?1 AND status = 'sending' AND round = ?2",
        v_int(fanout_pk), v_int(round));

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
        "SELECT chunk_pk, fanout_pk, base, count, attempts, todo, due_us, is_manual FROM chunk"
        " WHERE hook_pk = ?1 AND due_us > 0 ORDER BY due_us, chunk_pk",
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
        chunk.is_manual = rows_int(&rows, 7) != 0;
        if (chunk.count > CHUNK_MEMBERS_MAX || todo.len != BITMAP_BYTES(chunk.count))
            return error_set(reterr, ERR_IO, "chunk %lld: its row is damaged", (long long)chunk.pk);
        memcpy(chunk.todo, todo.ptr, todo.len);
        *ret = chunk;
        return OK;
    }
    enum err err = rows_end(&rows, reterr);

    if (err != OK)
        return err;
    *ret_next = (struct walltime){INT64_MAX};
    return error_set(reterr, ERR_NOT_FOUND, "no chunk waits");
}

enum err
chunk_is_wanted(struct engine *engine, const struct lane_chunk *chunk, bool *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct bit_row waiting;
    enum err err;

    engine_select(engine, &rows,
        "SELECT chunk_pk, base, count, attempts, todo FROM chunk WHERE fanout_pk = ?1"
        " AND base > ?2 AND base <= ?3 AND is_manual = 0",
        v_int(chunk->fanout_pk), v_int(chunk->base - CHUNK_MEMBERS_MAX), v_int(chunk->base));
    err = bit_row_find(&rows, chunk->base, &waiting, reterr);
    /* One that was reopened has no attempts behind it, and waited nowhere. */
    if (err == OK)
        *ret = chunk->attempts == 0 || waiting.pk != 0;
    return err;
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

/* The events of the fan-out's webinar with newer news that go to its hook. The newest come first,
 * as they are the likeliest to cover somebody, and are read as far as they are asked for: there may
 * be thousands. */
struct newer {
    int64_t sequence;
    int64_t filter_group;
    struct audience audience;
    struct newer *next;
};

struct newer_list {
    struct rows rows; /* of those that were not asked for yet */
    bool is_whole;
    struct newer *first; /* not in the arena, which is for a chunk's texts */
    struct newer **end;
};

static void
newer_open(struct engine *engine, const struct chunk_members_args *args, struct newer_list *ret)
{
    const struct lane_fanout *fanout = args->fanout;
    int64_t news = fanout->late_from != 0 ? fanout->late_from : fanout->sequence;

    *ret = (struct newer_list){.end = &ret->first};
    /* A fresh replay is a new event with old news, and puts nothing newer out of the way. */
    engine_select(engine, &ret->rows,
        "SELECT f.event_pk, f.filter_group, e.audience FROM fanout f"
        " JOIN event e ON e.event_pk = f.event_pk WHERE f.webinar_pk = ?1 AND f.hook_pk = ?2"
        " AND f.event_pk > ?3 AND (f.late_from = 0 OR f.late_from > ?3)"
        " AND f.status <> 'cancelled' ORDER BY f.event_pk DESC",
        v_int(fanout->webinar_pk), v_int(args->hook_pk), v_int(news));
}

static void
newer_close(struct newer_list *list)
{
    rows_done(&list->rows);
    while (list->first != NULL) {
        struct newer *next = list->first->next;

        audience_done(&list->first->audience);
        free(list->first);
        list->first = next;
    }
}

/* One more; NULL when there is none. */
static enum err
newer_read(struct newer_list *list, struct newer **ret, struct error *reterr)
{
    struct newer *newer = NULL;
    enum err err = OK;

    if (!list->is_whole && rows_next(&list->rows)) {
        newer = calloc(1, sizeof(*newer));
        if (newer == NULL)
            return error_set(reterr, ERR_NOMEM, "out of memory for newer events");
        newer->sequence = rows_int(&list->rows, 0);
        newer->filter_group = rows_int(&list->rows, 1);
        err = event_audience_read(rows_str(&list->rows, 2), newer->sequence, &newer->audience,
            reterr);
        if (err != OK) {
            free(newer);
            return err;
        }
        *list->end = newer;
        list->end = &newer->next;
    } else if (!list->is_whole) {
        list->is_whole = true;
        err = rows_end(&list->rows, reterr);
    }
    if (err == OK)
        *ret = newer;
    return err;
}

/* Does the newer event really go to the person? One whom another group had told of the webinar is
 * passed over there, and would hear of neither. */
static bool
newer_covers(const struct newer *newer, const struct membership *memberships, size_t count)
{
    bool is_in = false;

    for (size_t i = 0; i < newer->audience.count; i++) {
        const struct audience_range *range = &newer->audience.ranges[i];
        bool is_other = newer->filter_group != 0 && newer->filter_group != range->group_pk;

        if (is_other || (range->is_told && newer->filter_group != 0) ||
            !range_holds(range, newer->sequence, memberships, count))
            continue;
        if (range->is_told)
            return false;
        is_in = true;
    }
    return is_in;
}

static enum err
is_covered(struct newer_list *list, const struct membership *memberships, size_t count, bool *ret,
    struct error *reterr)
{
    struct newer *newer = list->first;
    bool is_in = false;
    enum err err = OK;

    while (err == OK && !is_in) {
        if (newer == NULL)
            err = newer_read(list, &newer, reterr);
        if (err != OK || newer == NULL)
            break;
        is_in = newer_covers(newer, memberships, count);
        newer = newer->next;
    }
    if (err == OK)
        *ret = is_in;
    return err;
}

static enum err
member_judge(struct engine *engine, const struct chunk_members_args *args, size_t range,
    struct newer_list *newer, struct lane_member *member, struct error *reterr)
{
    struct membership memberships[MEMBERSHIPS_MAX];
    size_t count = 0;
    bool is_over = false;
    enum err err = memberships_read(engine, member->attendee_pk, memberships, &count, reterr);

    if (err == OK && is_held_before(args->fanout, range, memberships, count))
        member->fate = MEMBER_SKIPPED;
    else if (err == OK && newer != NULL)
        err = is_covered(newer, memberships, count, &is_over, reterr);
    if (err == OK && is_over)
        member->fate = MEMBER_SUPERSEDED;
    return err;
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
    struct newer_list *newer, struct error *reterr)
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

/* Each notice says something of its own, so that none supersedes another. */
static void
nobodies(const struct chunk_members_args *args)
{
    for (size_t i = 0; i < args->count; i++)
        if (bitmap_get(args->todo, i))
            args->ret_members[i] = (struct lane_member){.fate = MEMBER_DUE, .is_nobody = true};
}

enum err
chunk_members(struct engine *engine, const struct chunk_members_args *args, struct error *reterr)
{
    const struct lane_fanout *fanout = args->fanout;
    struct newer_list list = {.is_whole = true};
    struct newer *newest = NULL;
    struct part part = {.first = 0};
    enum err err;

    for (size_t i = 0; i < args->count; i++)
        args->ret_members[i] = (struct lane_member){.fate = MEMBER_SKIPPED};
    if (fanout_is_notice(fanout)) {
        nobodies(args);
        return OK;
    }
    if (args->is_retry || fanout->late_from != 0)
        newer_open(engine, args, &list);
    err = newer_read(&list, &newest, reterr);

    while (err == OK && part.first < args->count &&
           audience_at(&fanout->audience, fanout->filter_group, args->base + (int64_t)part.first,
               &part.range, &part.lo)) {
        part.hi = part.lo + (int64_t)(args->count - part.first);
        if (part.hi > fanout->audience.ranges[part.range].hi)
            part.hi = fanout->audience.ranges[part.range].hi;
        err = part_members(engine, args, &part, newest != NULL ? &list : NULL, reterr);
        part.first += (size_t)(part.hi - part.lo);
    }
    newer_close(&list);
    if (err == OK && arena_is_full(args->arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a chunk's members");
    return err;
}
