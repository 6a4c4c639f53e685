/* SPDX-License-Identifier: Apache-2.0 */
#include "send/lane.h"

#include <stdlib.h>

#include "base/check.h"
#include "net/url.h"
#include "os/log.h"
#include "os/metrics.h"
#include "send/attempt.h"
#include "send/dispatch_inside.h"
#include "send/fanout.h"
#include "send/lane_health.h"
#include "send/lane_read.h"
#include "send/request.h"

#define LANE_HEAD_BYTES_MAX ((size_t)128 * 1024)
#define LANE_HOOK_BYTES_MAX ((size_t)1024 * 1024)

/* The wall clock may be set; a due moment further away than this is looked at again before. */
#define LANE_LOOK_US (60 * US_PER_S)
/* After a failure that is not the endpoint's: of the store, or for want of memory. */
#define LANE_AGAIN_US US_PER_S
/* How long a lane with nothing to do is kept, with its connections. */
#define LANE_KEPT_US (60 * US_PER_S)

struct lane *
lane_new(struct dispatch *dispatch, int64_t hook_pk)
{
    struct lane *lane = calloc(1, sizeof(*lane));

    if (lane == NULL)
        return NULL;
    link_init(&lane->ready);
    link_init(&lane->asking);
    link_init(&lane->flush);
    heap_node_init(&lane->due);
    list_init(&lane->fanouts);
    arena_init(&lane->hook_arena, LANE_HOOK_BYTES_MAX);
    buf_init(&lane->head, LANE_HEAD_BYTES_MAX);
    window_init(&lane->window, 1);
    lane->dispatch = dispatch;
    lane->hook_pk = hook_pk;
    lane->state = LANE_LOADING;
    lane->wants_read = true;
    lane->next_due = (struct walltime){INT64_MAX};
    metric_add(METRIC_lanes, 1);
    return lane;
}

void
lane_free(struct lane *lane)
{
    CHECK(lane->read == NULL && lane->window.used == 0);
    for (struct link *link; (link = list_first(&lane->fanouts)) != NULL;)
        fanout_free(LIST_ENTRY(link, struct fanout, link));
    link_remove(&lane->ready);
    link_remove(&lane->asking);
    link_remove(&lane->flush);
    heap_remove(&lane->dispatch->due, &lane->due);
    http_endpoint_free(lane->endpoint);
    signer_free(lane->signer);
    lane_health_done(lane);
    buf_done(&lane->head);
    arena_done(&lane->hook_arena);
    metric_add(METRIC_lanes, -1);
    free(lane);
}

static bool
lane_is_idle(const struct lane *lane)
{
    return lane->read == NULL && (!lane->wants_read || lane->state == LANE_CLOSED) &&
           lane->window.used == 0 && list_is_empty(&lane->fanouts) &&
           lane->next_due.us == INT64_MAX && lane->disabled_by == NULL && !lane->is_dirty;
}

/* When the next waiting chunk is due. */
static void
lane_set_due(struct lane *lane, struct walltime due, struct instant now)
{
    int64_t wait_us = due.us - dispatch_walltime(lane->dispatch).us;

    lane->next_due = due;
    if (wait_us <= 0) {
        lane->next_due = (struct walltime){INT64_MAX};
        lane->wants_read = true;
        return;
    }
    lane->due_look = instant_add_us(now, wait_us < LANE_LOOK_US ? wait_us : LANE_LOOK_US);
}

void
lane_dirty(struct lane *lane, bool at_once)
{
    struct dispatch *dispatch = lane->dispatch;

    lane->is_dirty = true;
    if (link_is_alone(&lane->flush))
        list_append(&dispatch->dirty, &lane->flush);
    dispatch->wants_flush = dispatch->wants_flush || at_once;
    dispatch_soon(dispatch);
}

void
lane_hold_off(struct lane *lane)
{
    lane->ask_next = instant_add_us(dispatch_now(lane->dispatch), LANE_AGAIN_US);
}

/* What could not be read, or taken over for want of memory, is read again. */
static void
lane_misses(struct lane *lane)
{
    lane->wants_read = true;
    lane_hold_off(lane);
}

bool
lane_is_over(const struct lane *lane, struct instant now)
{
    return lane_is_idle(lane) && lane->over.us != 0 && lane->over.us <= now.us;
}

/* --- the hook --- */

/* Take over what the hook says. Its endpoint is replaced once nothing of the old is in flight. */
static enum err
lane_configure(struct lane *lane, const struct hook *hook, struct instant now, struct error *reterr)
{
    const struct dispatch_options *options = &lane->dispatch->options;
    CLEANUP(signer_freep) struct signer *signer = NULL;
    struct walltime until = {0};
    struct http_endpoint *endpoint;
    struct url url;
    enum err err = request_url(hook, &lane->hook_arena, &url, reterr);

    if (err == OK)
        err = request_signer(hook, dispatch_walltime(lane->dispatch), &signer, &until, reterr);
    if (err != OK)
        return err;
    buf_clear(&lane->head);
    err = request_head_start(hook, &url, options->user_agent, &lane->head);
    if (err == OK)
        err = lane_health_load(lane, hook, now);
    if (err == OK)
        err = http_endpoint_new(options->client, &url, (unsigned)hook->max_in_flight, &endpoint);
    if (err != OK)
        return error_set(reterr, err, "out of memory for its endpoint");

    http_endpoint_free(lane->endpoint);
    signer_free(lane->signer);
    lane->endpoint = endpoint;
    lane->signer = TAKE(signer);
    lane->signer_until = until;
    lane->hook_id = hook->id;
    lane->phone_format = hook->phone_format;
    return OK;
}

/* Nothing starts until the hook is changed, which may be never: so nothing is kept in hand either.
 * What a disabled hook is owed goes back to the store and is read anew when it is enabled, by then
 * perhaps with another name, or without those who were erased. */
static void
lane_close(struct lane *lane, void (*let_go)(struct fanout *fanout))
{
    lane->state = LANE_CLOSED;
    lane->next_due = (struct walltime){INT64_MAX};
    if (list_is_empty(&lane->fanouts))
        return;
    LIST_FOREACH(&lane->fanouts, it)
    {
        let_go(LIST_ENTRY(it, struct fanout, link));
    }
    lane_dirty(lane, true);
}

static void
lane_take_hook(struct lane *lane, struct lane_read *read, struct instant now)
{
    struct error error = {OK, ""};
    enum err err;

    if (!read->has_hook) {
        lane_close(lane, fanout_cancel);
        return;
    }
    if (read->hook.status != HOOK_ENABLED) {
        lane_close(lane, fanout_give_back);
        return;
    }
    arena_reset(&lane->hook_arena);
    err = lane_configure(lane, &read->hook, now, &error);
    if (err == OK) {
        lane->state = LANE_OPEN;
        return;
    }
    log_error("lane.unusable", log_int("hook", lane->hook_pk), log_text("error", error.text));
    if (err == ERR_INVALID) {
        lane_close(lane, fanout_give_back);
        return;
    }
    lane_misses(lane);
}

/* --- reading --- */

static struct fanout *
lane_find(struct lane *lane, int64_t fanout_pk)
{
    LIST_FOREACH(&lane->fanouts, it)
    {
        struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);

        if (fanout->row.pk == fanout_pk)
            return fanout;
    }
    return NULL;
}

/* In the order of the events, which is the order in which they are sent. */
static struct fanout *
lane_add(struct lane *lane, struct lane_fanout *row)
{
    struct fanout *fanout = fanout_new(lane, row);
    struct link *after = &lane->fanouts.head;

    if (fanout == NULL)
        return NULL;
    LIST_FOREACH(&lane->fanouts, it)
    {
        if (LIST_ENTRY(it, struct fanout, link)->row.sequence < row->sequence)
            after = it;
    }
    link_insert_after(&fanout->link, after);
    lane->fanout_count++;
    return fanout;
}

static void
lane_drop(struct lane *lane, struct fanout *fanout)
{
    lane->fanout_count--;
    fanout_free(fanout);
    lane->wants_read = true;
}

static void
lane_take_retry(struct lane *lane, struct lane_read *read, size_t i)
{
    struct lane_fanout *row = &read->retry_fanouts[i];
    struct fanout *fanout = lane_find(lane, row->pk);

    /* One that is on its way out, or of another round and soon will be. Then it is read again. */
    if (fanout != NULL && (fanout->is_cut || fanout->row.round != row->round)) {
        lane->wants_read = lane->wants_read || !fanout->is_cut;
        return;
    }
    if (fanout == NULL) {
        fanout = lane_add(lane, row);
        /* Its members that were never sent wait for their own turn. */
        if (fanout != NULL)
            fanout->row.end_pos = fanout->next_pos;
    }
    if (fanout == NULL)
        lane_misses(lane);
    else
        fanout_attach_waiting(fanout, TAKE(read->retries[i]));
}

/* Some of what is in hand was cancelled, or replayed from the start. */
static void
lane_take_cancelled(struct lane *lane, const struct lane_read *read)
{
    for (size_t i = 0; i < read->cancelled_count; i++) {
        struct fanout *fanout = lane_find(lane, read->cancelled[i]);

        if (fanout != NULL) {
            fanout_cancel(fanout);
            lane_dirty(lane, true);
        }
    }
}

static void
lane_take_news(struct lane *lane, struct lane_read *read, struct instant now)
{
    if (lane->state == LANE_CLOSED)
        return;
    /* It was not asked for all, or its endpoint has come to fail meanwhile. */
    if (read->appetite == LANE_TAKES_NOTHING || lane_appetite(lane, now) == LANE_TAKES_NOTHING) {
        lane->wants_read = true;
        return;
    }
    for (size_t i = 0; i < read->fanout_count; i++)
        if (lane_add(lane, &read->fanouts[i]) == NULL)
            lane_misses(lane);
    lane_set_due(lane, read->next_due, now);
    for (size_t i = 0; i < read->retry_count; i++)
        lane_take_retry(lane, read, i);
}

static void
lane_read_done(struct store_call *call)
{
    struct lane_read *read = (struct lane_read *)call;
    struct lane *lane = read->lane;
    struct instant now = dispatch_now(lane->dispatch);

    lane->read = NULL;
    if (call->err != OK) {
        log_warning("lane.unread", log_int("hook", lane->hook_pk),
            log_text("error", call->error.text));
        lane_misses(lane);
    } else if (read->changes != lane->changes || read->flushes != lane->flushes) {
        /* Older than a change we were told of, or than what we have written since: it might bring
         * back what is done. */
        lane->wants_read = true;
    } else {
        if (read->wants_hook)
            lane_take_hook(lane, read, now);
        lane_take_cancelled(lane, read);
        lane_take_news(lane, read, now);
    }
    lane_read_free(read);
    dispatch_read_done(lane->dispatch);
    lane_update(lane, now);
}

void
lane_wake(struct lane *lane)
{
    lane->wants_read = true;
    /* Until that is on disk the store would still say that the hook is enabled. */
    if (lane->state == LANE_CLOSED && lane->disabled_by == NULL)
        lane->state = LANE_STALE;
    lane_update(lane, dispatch_now(lane->dispatch));
}

void
lane_change(struct lane *lane)
{
    lane->changes++;
    lane->state = LANE_STALE;
    lane_wake(lane);
}

void
lane_forget(struct lane *lane, int64_t attendee_pk)
{
    LIST_FOREACH(&lane->fanouts, it)
    {
        fanout_forget(LIST_ENTRY(it, struct fanout, link), attendee_pk);
    }
}

void
lane_disable(struct lane *lane, const char *by)
{
    lane->state = LANE_CLOSED;
    lane->disabled_by = by;
    lane_dirty(lane, true);
    log_info("hook.disabled", log_int("hook", lane->hook_pk), log_text("by", by));
}

/* --- whose turn it is --- */

/* Events of one webinar go first in, first out: while an older one has anything in hand or left to
 * take, a newer one waits, so that an old time never comes after a new one. */
static bool
fanout_is_blocked(struct lane *lane, struct fanout *fanout)
{
    for (struct link *link = fanout->link.prev; link != &lane->fanouts.head; link = link->prev) {
        struct fanout *older = LIST_ENTRY(link, struct fanout, link);

        if (older->row.webinar_pk == fanout->row.webinar_pk &&
            (older->in_flight > 0 || older->read != NULL || fanout_left(older) > 0))
            return true;
    }
    return false;
}

static bool
fanout_may_start(struct lane *lane, struct fanout *fanout)
{
    return fanout->members_ready > 0 && !fanout_is_blocked(lane, fanout);
}

/* The oldest that may send, and the one with the fewest left, by turns. */
static struct fanout *
lane_pick(struct lane *lane)
{
    struct fanout *picked = NULL;

    lane->takes_shortest = !lane->takes_shortest;
    LIST_FOREACH(&lane->fanouts, it)
    {
        struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);

        if (picked != NULL && fanout_left(fanout) >= fanout_left(picked))
            continue;
        if (!fanout_may_start(lane, fanout))
            continue;
        picked = fanout;
        if (!lane->takes_shortest)
            break;
    }
    return picked;
}

/* Any of those that may send: what is tried while the endpoint fails must not hang on a delivery
 * that it can never take. */
static struct fanout *
lane_pick_any(struct lane *lane)
{
    struct fanout *picked = NULL;
    uint64_t count = 0;

    LIST_FOREACH(&lane->fanouts, it)
    {
        struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);

        if (fanout_may_start(lane, fanout) && random_next(&lane->dispatch->random) % ++count == 0)
            picked = fanout;
    }
    return picked;
}

static bool
lane_has_ready(struct lane *lane)
{
    LIST_FOREACH(&lane->fanouts, it)
    {
        if (fanout_may_start(lane, LIST_ENTRY(it, struct fanout, link)))
            return true;
    }
    return false;
}

/* --- the lists that it is in --- */

static bool
lane_wants_read(const struct lane *lane, struct instant now)
{
    if (!lane->wants_read || lane->read != NULL)
        return false;
    switch (lane->state) {
    case LANE_OPEN: return lane_appetite(lane, now) != LANE_TAKES_NOTHING;
    case LANE_CLOSED: return false;
    case LANE_LOADING:
    /* An endpoint is replaced when nothing of the old one is in flight any more; and until it is on
     * disk that it was disabled the store would still say that it is not. */
    case LANE_STALE: return lane->window.used == 0 && lane->disabled_by == NULL;
    }
    UNREACHABLE;
}

static bool
lane_wants_members(const struct lane *lane, const struct fanout *fanout, struct instant now)
{
    if (lane->state != LANE_OPEN || !fanout_wants_members(fanout))
        return false;
    switch (lane->breaker.state) {
    case BREAKER_CLOSED:
    case BREAKER_CLOSING: return true;
    case BREAKER_PROBING: return false;
    case BREAKER_OPEN:
        return !lane_is_shut(lane, now) && lane->window.used == 0 && fanout->members_ready == 0;
    }
    UNREACHABLE;
}

static bool
lane_wants_to_ask(struct lane *lane, struct instant now)
{
    if (lane->dispatch->is_stopping || now.us < lane->ask_next.us)
        return false;
    if (lane_wants_read(lane, now))
        return true;
    LIST_FOREACH(&lane->fanouts, it)
    {
        if (lane_wants_members(lane, LIST_ENTRY(it, struct fanout, link), now))
            return true;
    }
    return false;
}

static enum err
lane_ask_members(struct lane *lane, struct instant now)
{
    LIST_FOREACH(&lane->fanouts, it)
    {
        struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);
        enum err err = OK;

        if (!dispatch_may_ask(lane->dispatch))
            break;
        if (lane_wants_members(lane, fanout, now))
            err = fanout_read_members(fanout);
        if (err != OK)
            return err;
    }
    return OK;
}

void
lane_ask(struct lane *lane, struct instant now)
{
    enum err err = OK;

    if (lane_wants_read(lane, now)) {
        bool wants_hook = lane->state == LANE_LOADING || lane->state == LANE_STALE;

        err = lane_read_start(lane, wants_hook, lane_read_done);
        if (err == OK)
            lane->wants_read = false;
    }
    if (err == OK)
        err = lane_ask_members(lane, now);
    if (err == ERR_BUSY)
        dispatch_refused(lane->dispatch, now);
    else if (err != OK)
        lane_hold_off(lane);
    lane_update(lane, now);
}

/* When it may start something; INSTANT_NEVER while that hangs on something else than time. */
static struct instant
lane_may_start_at(struct lane *lane, struct instant now)
{
    if (lane->state != LANE_OPEN || !window_has_room(&lane->window) || !lane_has_ready(lane))
        return INSTANT_NEVER;
    return lane_ready_at(lane, now);
}

static void
lane_look_at(struct lane *lane, struct instant at)
{
    struct heap *due = &lane->dispatch->due;

    if (at.us == INSTANT_NEVER.us)
        heap_remove(due, &lane->due);
    else if (!heap_node_is_in(&lane->due) || lane->due.key != at.us)
        /* There is room for each lane, made when it was. */
        CHECK(heap_set(due, &lane->due, at.us) == OK);
}

/* When to look at the lane again though nothing happens to it; starts: as of lane_may_start_at,
 * where it is not ready. */
static void
lane_schedule(struct lane *lane, struct instant starts, struct instant now)
{
    struct instant next = starts;

    if (lane_is_idle(lane)) {
        if (lane->over.us == 0)
            lane->over = instant_add_us(now, LANE_KEPT_US);
        lane_look_at(lane, lane->over);
        return;
    }
    lane->over = (struct instant){0};
    if (now.us < lane->ask_next.us)
        next = instant_earlier(next, lane->ask_next);
    if (lane->state == LANE_OPEN && lane->next_due.us != INT64_MAX)
        next = instant_earlier(next, lane->due_look);
    if (lane->state == LANE_OPEN && lane->wants_read)
        next = instant_earlier(next, lane_probe_at(lane, now));
    lane_look_at(lane, next);
}

/* Its endpoint fails, and it is long until the next probe: what is in hand waits in the store, so
 * that it is not out of date by then. */
static void
lane_put_back(struct lane *lane)
{
    LIST_FOREACH(&lane->fanouts, it)
    {
        struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);

        if (fanout->is_cut)
            continue;
        fanout_give_back(fanout);
        lane_dirty(lane, false);
    }
}

void
lane_update(struct lane *lane, struct instant now)
{
    struct dispatch *dispatch = lane->dispatch;
    struct instant starts;

    if (lane->signer_until.us != 0 && lane->signer_until.us <= dispatch_walltime(dispatch).us &&
        lane->state == LANE_OPEN) {
        lane->state = LANE_STALE;
        lane->wants_read = true;
    }
    if (lane->window.used == 0 && lane_is_shut(lane, now))
        lane_put_back(lane);
    if (link_is_alone(&lane->asking) && lane_wants_to_ask(lane, now))
        list_append(&dispatch->asking, &lane->asking);
    starts = lane_may_start_at(lane, now);
    if (starts.us > now.us) {
        turns_step_out(lane);
    } else {
        turns_line_up(&dispatch->turns, lane);
        starts = INSTANT_NEVER;
    }
    lane_schedule(lane, starts, now);
    dispatch_soon(dispatch);
}

void
lane_due(struct lane *lane, struct instant now)
{
    if (lane->next_due.us != INT64_MAX && lane->due_look.us <= now.us)
        lane_set_due(lane, lane->next_due, now);
    lane_update(lane, now);
}

/* The next member to be sent; it is in flight. */
static bool
lane_take_member(struct lane *lane, struct chunk **ret_chunk, size_t *ret_index)
{
    struct fanout *fanout;

    if (lane->breaker.state != BREAKER_OPEN) {
        fanout = lane_pick(lane);
        return fanout != NULL && fanout_take(fanout, ret_chunk, ret_index);
    }
    fanout = lane_pick_any(lane);
    return fanout != NULL &&
           fanout_take_any(fanout, random_next(&lane->dispatch->random), ret_chunk, ret_index);
}

bool
lane_start(struct lane *lane, struct instant now)
{
    struct chunk *chunk;
    size_t index;

    if (lane->state != LANE_OPEN || !window_has_room(&lane->window) ||
        lane_ready_at(lane, now).us > now.us || !lane_take_place(lane, now))
        return false;
    if (!lane_take_member(lane, &chunk, &index)) {
        lane_give_place(lane);
        return false;
    }
    if (attempt_start(lane, chunk, index, now) != OK) {
        lane_give_place(lane);
        lane->start_next = instant_add_us(now, LANE_AGAIN_US);
        return false;
    }
    lane_note_start(lane, now);
    return true;
}

void
lane_flushed(struct lane *lane)
{
    lane->flushes++;
    if (lane->is_disabled_flushing) {
        lane->disabled_by = NULL;
        lane->is_disabled_flushing = false;
        /* To see that it is disabled, unless its owner has enabled it again. */
        lane->state = LANE_STALE;
        lane->wants_read = true;
    }
    /* A read that came back before this flush did not see them. */
    if (lane->has_waiting) {
        lane->has_waiting = false;
        lane->wants_read = true;
    }
    LIST_FOREACH(&lane->fanouts, it)
    {
        struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);

        if (fanout_is_done(fanout))
            lane_drop(lane, fanout);
    }
    lane_update(lane, dispatch_now(lane->dispatch));
}
