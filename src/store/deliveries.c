/* SPDX-License-Identifier: Apache-2.0 */
#include "store/deliveries.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Positions that are judged together: one chunk's worth. */
#define WINDOW_POSITIONS CHUNK_MEMBERS_MAX
/* A page looks at no more than this many windows, so that a rare status in a large audience costs
 * several short requests and not one long one. */
#define WINDOWS_PER_PAGE 64
/* An event's snapshot at its largest. */
#define FANOUT_ARENA_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct state {
    enum delivery_status status;
    unsigned attempts;
    unsigned result;
    struct walltime last;
    struct walltime due;
};

struct window {
    int64_t fanout_pk;
    int64_t base;
    size_t count;
    int64_t next_pos;     /* of the fan-out: nobody from there on was taken up in this round */
    struct state *states; /* count */
};

static bool
window_index(const struct window *window, int64_t pos, size_t *ret)
{
    if (pos < window->base || pos >= window->base + (int64_t)window->count)
        return false;
    *ret = (size_t)(pos - window->base);
    return true;
}

static void
window_record(struct window *window, int64_t base, struct walltime since, const uint8_t *bytes)
{
    struct attempt_record record = record_decode(bytes);
    struct state *state;
    size_t index;

    if (!window_index(window, base + record.index, &index))
        return;
    state = &window->states[index];
    state->result = record.result;
    state->last = (struct walltime){since.us + record.started_ms * US_PER_MS};
    if (record.attempt > state->attempts)
        state->attempts = record.attempt;
    if (record.result == RECORD_SKIPPED)
        state->status = DELIVERY_SKIPPED;
    else if (record.result == RECORD_SUPERSEDED)
        state->status = DELIVERY_SUPERSEDED;
    else if (record.result >= 200 && record.result < 300)
        state->status = DELIVERY_DELIVERED;
}

static enum err
window_records(struct engine *engine, struct window *window, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT base, started_us, records FROM attempt_block"
        " WHERE fanout_pk = ?1 AND base > ?2 AND base < ?3 ORDER BY rowid",
        v_int(window->fanout_pk), v_int(window->base - CHUNK_MEMBERS_MAX),
        v_int(window->base + (int64_t)window->count));
    while (rows_next(&rows)) {
        struct str records = rows_str(&rows, 2);

        for (size_t at = 0; at + RECORD_BYTES <= records.len; at += RECORD_BYTES)
            window_record(window, rows_int(&rows, 0), (struct walltime){rows_int(&rows, 1)},
                (const uint8_t *)records.ptr + at);
    }
    return rows_end(&rows, reterr);
}

/* Rows with a bitmap: chunk (due 0: in hand) or dead. */
static enum err
window_bitmaps(struct engine *engine, struct window *window, const char *sql,
    enum delivery_status status, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, sql, v_int(window->fanout_pk),
        v_int(window->base - CHUNK_MEMBERS_MAX), v_int(window->base + (int64_t)window->count));
    while (rows_next(&rows)) {
        int64_t base = rows_int(&rows, 0);
        size_t count = (size_t)rows_int(&rows, 1);
        struct walltime due = {rows_int(&rows, 2)};
        struct str todo = rows_str(&rows, 3);

        if (count > CHUNK_MEMBERS_MAX || todo.len < BITMAP_BYTES(count))
            continue;
        for (size_t i = bitmap_next((const uint8_t *)todo.ptr, count, 0); i < count;
             i = bitmap_next((const uint8_t *)todo.ptr, count, i + 1)) {
            size_t index;

            if (!window_index(window, base + (int64_t)i, &index))
                continue;
            window->states[index].status =
                status == DELIVERY_WAITING && due.us <= CHUNK_DUE_AT_ONCE_US ? DELIVERY_PENDING
                                                                             : status;
            window->states[index].due = due.us > CHUNK_DUE_AT_ONCE_US ? due : (struct walltime){0};
        }
    }
    return rows_end(&rows, reterr);
}

static enum err
window_judge(struct engine *engine, struct window *window, bool is_cancelled, struct error *reterr)
{
    enum err err;

    for (size_t i = 0; i < window->count; i++)
        window->states[i] = (struct state){.status = DELIVERY_EXPIRED};
    err = window_records(engine, window, reterr);
    for (size_t i = 0; i < window->count; i++)
        if (window->base + (int64_t)i >= window->next_pos)
            window->states[i].status = DELIVERY_PENDING;
    /* Who waits and is wanted now is in two rows, and on the way. */
    if (err == OK)
        err = window_bitmaps(engine, window,
            "SELECT base, count, CASE WHEN is_manual THEN 0 ELSE due_us END, todo FROM chunk"
            " WHERE fanout_pk = ?1 AND base > ?2 AND base < ?3 ORDER BY is_manual",
            DELIVERY_WAITING, reterr);
    if (err == OK)
        err = window_bitmaps(engine, window,
            "SELECT base, count, 0, todo FROM dead"
            " WHERE fanout_pk = ?1 AND base > ?2 AND base < ?3",
            DELIVERY_DEAD, reterr);
    for (size_t i = 0; err == OK && i < window->count; i++) {
        struct state *state = &window->states[i];

        if (is_cancelled &&
            (state->status == DELIVERY_PENDING || state->status == DELIVERY_WAITING))
            state->status = DELIVERY_CANCELLED;
    }
    return err;
}

enum err
delivery_status_get(struct engine *engine, int64_t fanout_pk, int64_t pos,
    enum delivery_status *ret, struct error *reterr)
{
    struct state state;
    struct window window = {.fanout_pk = fanout_pk, .base = pos, .count = 1, .states = &state};
    bool is_cancelled = false;

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;
        bool is_there;

        engine_select(engine, &rows,
            "SELECT next_pos, status = 'cancelled' FROM fanout WHERE fanout_pk = ?1",
            v_int(fanout_pk));
        is_there = rows_next(&rows);
        if (is_there) {
            window.next_pos = rows_int(&rows, 0);
            is_cancelled = rows_int(&rows, 1) != 0;
        }

        err = rows_end(&rows, reterr);
        if (err == OK && !is_there)
            err = error_set(reterr, ERR_NOT_FOUND, "there is no such delivery");
    }

    if (err == OK)
        err = window_judge(engine, &window, is_cancelled, reterr);
    if (err == OK)
        *ret = state.status;
    return err;
}

/* --- one --- */

/* Sets found's hook and fan-out. */
static enum err
find_fanout(struct engine *engine, int64_t account_pk, struct arena *arena,
    struct delivery_found *found, struct error *reterr)
{
    const struct delivery_id *id = &found->delivery.id;
    int64_t fanout_pk = 0;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(engine, &rows,
            "SELECT f.fanout_pk, f.hook_pk, f.status = 'cancelled' FROM event e"
            " JOIN fanout f ON f.event_pk = e.event_pk JOIN hook h ON h.hook_pk = f.hook_pk"
            " WHERE e.id = ?1 AND e.account_pk = ?2 AND e.event_pk = ?3 AND h.id = ?4",
            v_id(&id->event), v_int(account_pk), v_int(id->sequence), v_id(&id->hook));
        if (rows_next(&rows)) {
            fanout_pk = rows_int(&rows, 0);
            found->hook_pk = rows_int(&rows, 1);
            found->is_cancelled = rows_int(&rows, 2) != 0;
        }
        enum err err = rows_end(&rows, reterr);

        if (err != OK)
            return err;
    }
    if (fanout_pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such delivery");
    return fanout_get(engine, fanout_pk, arena, &found->fanout, reterr);
}

/* The position of an attendee: in the first range that held them as of the event. Nobody's (0) is a
 * notice's only one. */
static enum err
find_position(struct engine *engine, const struct lane_fanout *fanout, int64_t attendee_pk,
    int64_t *ret, struct error *reterr)
{
    if (attendee_pk == 0 && fanout_is_notice(fanout)) {
        *ret = 0;
        return OK;
    }
    for (size_t i = 0; i < fanout->audience.count; i++) {
        const struct audience_range *range = &fanout->audience.ranges[i];
        int64_t ord;
        enum err err;

        if (range->is_told ||
            (fanout->filter_group != 0 && fanout->filter_group != range->group_pk))
            continue;
        err = engine_get_int(engine, &ord, reterr,
            "SELECT ord FROM member WHERE attendee_pk = ?1 AND group_pk = ?2 AND ord >= ?3"
            " AND ord < ?4 AND (left_seq IS NULL OR left_seq > ?5)",
            v_int(attendee_pk), v_int(range->group_pk), v_int(range->lo), v_int(range->hi),
            v_int(fanout->sequence));
        if (err == OK)
            *ret = audience_position(&fanout->audience, fanout->filter_group, i, ord);
        if (err != ERR_NOT_FOUND)
            return err;
    }
    return error_set(reterr, ERR_NOT_FOUND, "there is no such delivery");
}

static enum err
read_attempts(struct engine *engine, struct delivery_found *found, struct arena *arena,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    size_t room = 128;

    found->attempts = arena_alloc_array(arena, room, sizeof(*found->attempts));
    if (found->attempts == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for attempts");
    engine_select(engine, &rows,
        "SELECT base, started_us, records FROM attempt_block"
        " WHERE fanout_pk = ?1 AND base > ?2 AND base <= ?3 ORDER BY rowid",
        v_int(found->fanout.pk), v_int(found->pos - CHUNK_MEMBERS_MAX), v_int(found->pos));
    while (rows_next(&rows)) {
        struct str records = rows_str(&rows, 2);

        for (size_t at = 0; at + RECORD_BYTES <= records.len; at += RECORD_BYTES) {
            struct attempt_record record = record_decode((const uint8_t *)records.ptr + at);

            if (rows_int(&rows, 0) + record.index != found->pos || record.attempt == 0 ||
                found->attempt_count == room)
                continue;
            found->attempts[found->attempt_count++] = (struct delivery_attempt){
                .attempt = record.attempt,
                .at = {rows_int(&rows, 1) + record.started_ms * US_PER_MS},
                .result = record.result,
                .latency_ms = record.latency_ms,
            };
        }
    }
    return rows_end(&rows, reterr);
}

/* The last attempt of that number that had been made when the sample was taken: an event that was
 * replayed has several of each number. */
static struct delivery_attempt *
find_attempt(struct delivery_found *found, unsigned number, struct walltime at)
{
    struct delivery_attempt *first = NULL;

    for (size_t i = found->attempt_count; i > 0; i--) {
        struct delivery_attempt *attempt = &found->attempts[i - 1];

        if (attempt->attempt != number)
            continue;
        if (attempt->at.us <= at.us)
            return attempt;
        first = attempt; /* the clock was set back */
    }
    return first;
}

static enum err
read_samples(struct engine *engine, struct delivery_found *found, struct arena *arena,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT attempt, at_us, detail, answer FROM attempt_failure"
        " WHERE fanout_pk = ?1 AND pos = ?2 ORDER BY attempt_failure_pk",
        v_int(found->fanout.pk), v_int(found->pos));
    while (rows_next(&rows)) {
        struct delivery_attempt *attempt = find_attempt(found, (unsigned)rows_int(&rows, 0),
            (struct walltime){rows_int(&rows, 1)});

        if (attempt == NULL)
            continue;
        attempt->detail = arena_copy(arena, rows_str(&rows, 2));
        attempt->answer = arena_copy(arena, rows_str(&rows, 3));
    }
    return rows_end(&rows, reterr);
}

static struct delivery
delivery_of(const struct delivery_id *id, const struct state *state, struct str email)
{
    return (struct delivery){
        .id = *id,
        .status = state->status,
        .attempts = state->attempts,
        .result = state->result,
        .last = state->last,
        .due = state->due,
        .email = email,
    };
}

/* Sets found's email. */
static enum err
find_attendee(struct engine *engine, int64_t account_pk, struct arena *arena,
    struct delivery_found *found, int64_t *ret_pk, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT attendee_pk, email FROM attendee WHERE account_pk = ?1 AND id = ?2",
        v_int(account_pk), v_id(&found->delivery.id.attendee));
    if (rows_next(&rows)) {
        *ret_pk = rows_int(&rows, 0);
        found->delivery.email = arena_copy(arena, rows_str(&rows, 1));
        return OK;
    }
    enum err err = rows_end(&rows, reterr);

    if (err != OK)
        return err;
    return error_set(reterr, ERR_NOT_FOUND, "there is no such delivery");
}

enum err
delivery_get(struct engine *engine, int64_t account_pk, const struct delivery_id *id,
    struct arena *arena, struct delivery_found *ret, struct error *reterr)
{
    struct delivery_found found = {.delivery = {.id = *id}};
    struct state state;
    struct window window = {.count = 1, .states = &state};
    int64_t attendee_pk = 0;
    enum err err = OK;

    if (!id_is_zero(id->attendee))
        err = find_attendee(engine, account_pk, arena, &found, &attendee_pk, reterr);
    if (err == OK)
        err = find_fanout(engine, account_pk, arena, &found, reterr);
    if (err != OK)
        return err;
    err = find_position(engine, &found.fanout, attendee_pk, &found.pos, reterr);
    if (err == OK) {
        window.fanout_pk = found.fanout.pk;
        window.base = found.pos;
        window.next_pos = found.fanout.next_pos;
        err = window_judge(engine, &window, found.is_cancelled, reterr);
    }
    if (err == OK)
        err = read_attempts(engine, &found, arena, reterr);
    if (err == OK)
        err = read_samples(engine, &found, arena, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a delivery");
    if (err != OK) {
        audience_done(&found.fanout.audience);
        return err;
    }
    found.delivery = delivery_of(id, &state, found.delivery.email);
    *ret = found;
    return OK;
}

/* --- many --- */

struct listed_fanout {
    int64_t pk;
    struct id hook_id;
    bool is_cancelled;
    struct lane_fanout row;
};

/* A page that is being filled. */
struct listing {
    struct engine *engine;
    struct delivery_query *query;
    struct arena *arena;       /* of the answer */
    struct arena fanout_arena; /* of the fan-out that is looked at */
    struct state *states;      /* WINDOW_POSITIONS */
    struct delivery *found;
    size_t count;
    size_t max;
    unsigned windows; /* that may still be looked at */
    struct error *reterr;
};

#define FANOUTS_WANTED                                                                             \
    " AND f.fanout_pk <= ?1 AND h.account_pk = ?2 AND (?3 IS NULL OR h.id = ?3)"                   \
    " AND e.created_us >= ?5 AND (?6 = 0 OR e.created_us < ?6) ORDER BY f.fanout_pk DESC LIMIT 1"
/* Of an event, by the event: its fan-outs are a few of millions. */
static const char fanouts_of_event[] =
    "SELECT f.fanout_pk, h.id, f.status = 'cancelled' FROM event e"
    " CROSS JOIN fanout f ON f.event_pk = e.event_pk"
    " CROSS JOIN hook h ON h.hook_pk = f.hook_pk WHERE e.id = ?4" FANOUTS_WANTED;
static const char fanouts_of_all[] =
    "SELECT f.fanout_pk, h.id, f.status = 'cancelled' FROM fanout f"
    " CROSS JOIN hook h ON h.hook_pk = f.hook_pk"
    " CROSS JOIN event e ON e.event_pk = f.event_pk WHERE ?4 IS NULL" FANOUTS_WANTED;

/* The next fan-out at or below query->fanout_pk that the query may want. */
static enum err
next_fanout(struct engine *engine, const struct delivery_query *query, struct arena *arena,
    struct listed_fanout *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, id_is_zero(query->event) ? fanouts_of_all : fanouts_of_event,
        v_int(query->fanout_pk), v_int(query->account_pk), v_id_or_null(&query->hook),
        v_id_or_null(&query->event), v_time(query->after), v_time(query->before));
    if (!rows_next(&rows)) {
        enum err err = rows_end(&rows, reterr);

        return err != OK ? err : ERR_NOT_FOUND;
    }
    ret->pk = rows_int(&rows, 0);
    ret->hook_id = rows_id(&rows, 1);
    ret->is_cancelled = rows_int(&rows, 2) != 0;
    return fanout_get(engine, ret->pk, arena, &ret->row, reterr);
}

/* Who stands at a position, if the query wants them; id is theirs but for the attendee. */
static enum err
list_member(struct listing *listing, const struct lane_fanout *fanout, int64_t pos,
    const struct state *state, struct delivery_id id)
{
    CLEANUP(rows_done) struct rows rows;
    const struct id *attendee = &listing->query->attendee;
    size_t range;
    int64_t ord;

    CHECK(audience_at(&fanout->audience, fanout->filter_group, pos, &range, &ord));
    engine_select(listing->engine, &rows,
        "SELECT a.id, a.email FROM member m JOIN attendee a ON a.attendee_pk = m.attendee_pk"
        " WHERE m.group_pk = ?1 AND m.ord = ?2 AND (?3 IS NULL OR a.id = ?3)",
        v_int(fanout->audience.ranges[range].group_pk), v_int(ord), v_id_or_null(attendee));
    if (rows_next(&rows)) {
        id.attendee = rows_id(&rows, 0);
        listing->found[listing->count++] =
            delivery_of(&id, state, arena_copy(listing->arena, rows_str(&rows, 1)));
    }
    return rows_end(&rows, listing->reterr);
}

static enum err
list_position(struct listing *listing, const struct listed_fanout *fanout, int64_t pos,
    const struct state *state)
{
    struct delivery_id id = {
        .event = fanout->row.event_id,
        .hook = fanout->hook_id,
        .sequence = fanout->row.sequence,
    };

    if (!fanout_is_notice(&fanout->row))
        return list_member(listing, &fanout->row, pos, state, id);
    if (id_is_zero(listing->query->attendee))
        listing->found[listing->count++] = delivery_of(&id, state, (struct str){NULL, 0});
    return OK;
}

/* One window below *inout_end, from its last position backwards; *inout_end becomes the lowest
 * position that was looked at. */
static enum err
list_window(struct listing *listing, const struct listed_fanout *fanout, int64_t *inout_end)
{
    int64_t end = *inout_end;
    struct window window = {
        .fanout_pk = fanout->pk,
        .next_pos = fanout->row.next_pos,
        .states = listing->states,
    };
    enum err err;

    window.base = end > WINDOW_POSITIONS ? end - WINDOW_POSITIONS : 0;
    window.count = (size_t)(end - window.base);
    err = window_judge(listing->engine, &window, fanout->is_cancelled, listing->reterr);
    while (err == OK && end > window.base && listing->count < listing->max) {
        const struct state *state = &window.states[--end - window.base];

        if (!listing->query->has_status || state->status == listing->query->status)
            err = list_position(listing, fanout, end, state);
    }
    *inout_end = end;
    return err;
}

static enum err
list_fanout(struct listing *listing, const struct listed_fanout *fanout)
{
    struct delivery_query *query = listing->query;
    int64_t end = fanout->pk == query->fanout_pk && fanout->row.end_pos > query->pos
                      ? query->pos
                      : fanout->row.end_pos;
    enum err err = OK;

    while (err == OK && end > 0 && listing->count < listing->max && listing->windows > 0) {
        listing->windows--;
        err = list_window(listing, fanout, &end);
    }
    query->fanout_pk = end > 0 ? fanout->pk : fanout->pk - 1;
    query->pos = end > 0 ? end : INT64_MAX;
    return err;
}

enum err
deliveries_list(struct engine *engine, struct delivery_query *query, struct arena *arena,
    struct delivery_page *page, struct error *reterr)
{
    struct listing listing = {
        .engine = engine,
        .query = query,
        .arena = arena,
        .states = arena_alloc_array(arena, WINDOW_POSITIONS, sizeof(struct state)),
        .found = page->found,
        .max = page->max,
        .windows = WINDOWS_PER_PAGE,
        .reterr = reterr,
    };
    enum err err = OK;

    if (listing.states == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list");
    arena_init(&listing.fanout_arena, FANOUT_ARENA_BYTES_MAX);
    while (err == OK && listing.count < listing.max && listing.windows > 0) {
        struct listed_fanout fanout;

        arena_reset(&listing.fanout_arena);
        err = next_fanout(engine, query, &listing.fanout_arena, &fanout, reterr);
        if (err != OK)
            break;
        err = list_fanout(&listing, &fanout);
        audience_done(&fanout.row.audience);
    }
    arena_done(&listing.fanout_arena);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a list");
    page->count = listing.count;
    page->has_more = err == OK;
    return OK;
}
