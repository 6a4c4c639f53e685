/* SPDX-License-Identifier: Apache-2.0 */
#include "send/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/log.h"
#include "send/attempt.h"
#include "send/dispatch_inside.h"
#include "store/lanes.h"

/* What a crash makes us repeat is what was done since the last flush: a fifth of a second. */
#define FLUSH_EVERY_US (US_PER_S / 5)
/* A store that refuses is not asked more often. */
#define FLUSH_AGAIN_US (US_PER_S / 2)
/* A full queue empties within a few commits. */
#define ASK_AGAIN_US (US_PER_S / 20)
/* Where memory was short it is not there again at once. */
#define MISSED_AGAIN_US US_PER_S
/* The numbers of a million hooks. */
#define MISSED_ARENA_BYTES_MAX ((size_t)16 * 1024 * 1024)

enum err
dispatch_set_new(unsigned count, int64_t last_chunk_pk, struct dispatch_set **ret,
    struct error *reterr)
{
    struct dispatch_set *set = calloc(1, sizeof(*set));

    if (set != NULL)
        set->dispatches = calloc(count, sizeof(struct dispatch *));
    if (set == NULL || set->dispatches == NULL) {
        free(set);
        return error_set(reterr, ERR_NOMEM, "out of memory for dispatches");
    }
    set->count = count;
    atomic_init(&set->last_chunk_pk, last_chunk_pk);
    *ret = set;
    return OK;
}

void
dispatch_set_free(struct dispatch_set *set)
{
    if (set == NULL)
        return;
    free(set->dispatches);
    free(set);
}

int64_t
dispatch_chunk_pk(struct dispatch *dispatch)
{
    return atomic_fetch_add(&dispatch->options.set->last_chunk_pk, 1) + 1;
}

void
dispatch_soon(struct dispatch *dispatch)
{
    turn_end_ask(&dispatch->turn_end);
}

bool
dispatch_may_ask(const struct dispatch *dispatch)
{
    return !dispatch->is_stopping && dispatch->reads < READS_MAX &&
           dispatch->unflushed < UNFLUSHED_MAX;
}

void
dispatch_refused(struct dispatch *dispatch, struct instant now)
{
    dispatch->ask_next = instant_add_us(now, ASK_AGAIN_US);
}

/* --- news from other threads --- */

static struct dispatch *
owner_of(struct dispatch_set *set, int64_t hook_pk)
{
    return set->dispatches[(uint64_t)hook_pk % set->count];
}

static void
dispatch_notice(struct dispatch *dispatch, int64_t hook_pk)
{
    bool is_first;

    pthread_mutex_lock(&dispatch->mutex);
    if (dispatch->woken_count == dispatch->woken_room) {
        size_t room = dispatch->woken_room == 0 ? 64 : dispatch->woken_room * 2;
        int64_t *woken = reallocarray(dispatch->woken, room, sizeof(*woken));

        if (woken != NULL) {
            dispatch->woken = woken;
            dispatch->woken_room = room;
        }
    }
    if (dispatch->woken_count < dispatch->woken_room)
        dispatch->woken[dispatch->woken_count++] = hook_pk;
    else
        dispatch->woken_overflow = true;
    is_first = !dispatch->is_woken;
    dispatch->is_woken = true;
    pthread_mutex_unlock(&dispatch->mutex);
    if (is_first)
        mailbox_post(loop_mailbox(dispatch->options.loop), &dispatch->letter);
}

void
dispatch_wake(struct dispatch_set *set, const int64_t *hook_pks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        dispatch_notice(owner_of(set, hook_pks[i]), hook_pks[i]);
}

static struct lane *
dispatch_lane(struct dispatch *dispatch, int64_t hook_pk)
{
    struct lane *lane = map_find(&dispatch->lanes, (uint64_t)hook_pk);

    if (lane != NULL)
        return lane;
    lane = lane_new(dispatch, hook_pk);
    if (lane != NULL && (heap_reserve(&dispatch->due, dispatch->lanes.count + 1) != OK ||
                            map_set(&dispatch->lanes, (uint64_t)hook_pk, lane) != OK)) {
        lane_free(lane);
        lane = NULL;
    }
    if (lane == NULL) {
        log_warning("lane.refused", log_int("hook", hook_pk), log_text("error", "out of memory"));
        dispatch->missed.is_wanted = true;
        dispatch_soon(dispatch);
    }
    return lane;
}

/* --- who was missed --- */

static enum err
missed_run(struct store_call *call, struct engine *engine)
{
    struct missed *missed = CONTAINER_OF(call, struct missed, call);

    arena_reset(&missed->arena);
    return lanes_open(engine, &missed->arena, &missed->hook_pks, &missed->hook_count, &call->error);
}

static void
missed_done(struct store_call *call)
{
    struct missed *missed = CONTAINER_OF(call, struct missed, call);
    struct dispatch *dispatch = missed->dispatch;
    struct dispatch_set *set = dispatch->options.set;

    missed->is_running = false;
    dispatch_read_done(dispatch);
    if (call->err != OK)
        missed->is_wanted = true;
    for (size_t i = 0; call->err == OK && i < missed->hook_count; i++) {
        struct lane *lane = NULL;

        if (owner_of(set, missed->hook_pks[i]) == dispatch)
            lane = dispatch_lane(dispatch, missed->hook_pks[i]);
        if (lane != NULL)
            lane_wake(lane);
    }
    arena_done(&missed->arena);
    dispatch_soon(dispatch);
}

static struct instant
dispatch_find_missed(struct dispatch *dispatch, struct instant now)
{
    struct missed *missed = &dispatch->missed;

    if (!missed->is_wanted || missed->is_running)
        return INSTANT_NEVER;
    if (now.us < missed->next.us)
        return missed->next;
    missed->next = instant_add_us(now, MISSED_AGAIN_US);
    missed->call = (struct store_call){
        .run = missed_run,
        .done = missed_done,
        .reply = loop_mailbox(dispatch->options.loop),
    };
    if (store_submit(dispatch->options.port, &missed->call) != OK)
        return missed->next;
    missed->is_wanted = false;
    missed->is_running = true;
    dispatch->reads++;
    return INSTANT_NEVER;
}

static void
on_woken(struct letter *letter)
{
    struct dispatch *dispatch = CONTAINER_OF(letter, struct dispatch, letter);
    int64_t *woken;
    size_t count;
    bool overflow;
    size_t position = 0;

    pthread_mutex_lock(&dispatch->mutex);
    woken = TAKE(dispatch->woken);
    count = dispatch->woken_count;
    overflow = dispatch->woken_overflow;
    dispatch->woken_count = 0;
    dispatch->woken_room = 0;
    dispatch->woken_overflow = false;
    dispatch->is_woken = false;
    pthread_mutex_unlock(&dispatch->mutex);

    for (size_t i = 0; i < count; i++) {
        struct lane *lane = dispatch_lane(dispatch, woken[i]);

        if (lane != NULL)
            lane_wake(lane);
    }
    free(woken);
    if (!overflow)
        return;
    dispatch->missed.is_wanted = true;
    dispatch_soon(dispatch);
    for (struct lane *lane; (lane = map_next(&dispatch->lanes, &position)) != NULL;)
        lane_wake(lane);
}

static void
on_change_answered(struct letter *letter)
{
    struct lane_change *change = CONTAINER_OF(letter, struct lane_change, letter);

    change->done(change);
}

static void
on_change(struct letter *letter)
{
    struct lane_change *change = CONTAINER_OF(letter, struct lane_change, letter);
    struct dispatch *dispatch = owner_of(change->set, change->hook_pk);
    struct lane *lane = dispatch_lane(dispatch, change->hook_pk);

    if (lane != NULL)
        lane_change(lane);
    change->letter.deliver = on_change_answered;
    mailbox_post(change->reply, &change->letter);
}

void
dispatch_hook_changed(struct dispatch_set *set, struct lane_change *change)
{
    struct dispatch *dispatch = owner_of(set, change->hook_pk);

    change->set = set;
    change->letter.deliver = on_change;
    mailbox_post(loop_mailbox(dispatch->options.loop), &change->letter);
}

/* --- erasure --- */

bool
dispatch_is_erased(const struct dispatch *dispatch, int64_t attendee_pk)
{
    for (size_t i = 0; i < dispatch->erased_count; i++)
        if (dispatch->erased[i] == attendee_pk)
            return true;
    return false;
}

void
dispatch_read_done(struct dispatch *dispatch)
{
    dispatch->reads--;
    /* What is read from now on was read after the erasure. */
    if (dispatch->reads == 0)
        dispatch->erased_count = 0;
}

static void
dispatch_forget(struct dispatch *dispatch, int64_t attendee_pk)
{
    size_t position = 0;

    if (dispatch->reads > 0 && dispatch->erased_count == dispatch->erased_room) {
        size_t room = dispatch->erased_room == 0 ? 16 : dispatch->erased_room * 2;
        int64_t *erased = reallocarray(dispatch->erased, room, sizeof(*erased));

        /* The promise that nothing more is sent cannot be kept without this. */
        CHECK(erased != NULL);
        dispatch->erased = erased;
        dispatch->erased_room = room;
    }
    if (dispatch->reads > 0)
        dispatch->erased[dispatch->erased_count++] = attendee_pk;
    for (struct lane *lane; (lane = map_next(&dispatch->lanes, &position)) != NULL;)
        lane_forget(lane, attendee_pk);
}

static void
on_erased_everywhere(struct letter *letter)
{
    struct erasure *erasure = CONTAINER_OF(letter, struct erasure, letter);

    erasure->done(erasure);
}

static void
on_erased(struct letter *letter)
{
    struct erasure *erasure = CONTAINER_OF(letter, struct erasure, letter);
    struct dispatch_set *set = erasure->set;

    dispatch_forget(set->dispatches[erasure->index], erasure->attendee_pk);
    if (++erasure->index < set->count) {
        mailbox_post(loop_mailbox(set->dispatches[erasure->index]->options.loop), &erasure->letter);
        return;
    }
    erasure->letter.deliver = on_erased_everywhere;
    mailbox_post(erasure->reply, &erasure->letter);
}

void
dispatch_erased(struct dispatch_set *set, struct erasure *erasure)
{
    erasure->set = set;
    erasure->index = 0;
    erasure->letter.deliver = on_erased;
    mailbox_post(loop_mailbox(set->dispatches[0]->options.loop), &erasure->letter);
}

/* --- the tick --- */

static void
dispatch_look(struct dispatch *dispatch, struct instant now)
{
    for (struct heap_node *node;
         (node = heap_first(&dispatch->due)) != NULL && node->key <= now.us;) {
        struct lane *lane = CONTAINER_OF(node, struct lane, due);

        heap_remove(&dispatch->due, node);
        if (lane_is_over(lane, now)) {
            map_remove(&dispatch->lanes, (uint64_t)lane->hook_pk);
            lane_free(lane);
        } else {
            lane_due(lane, now);
        }
    }
}

/* Lanes ask the store in the order in which they came to want something. */
static struct instant
dispatch_ask(struct dispatch *dispatch, struct instant now)
{
    while (dispatch_may_ask(dispatch) && now.us >= dispatch->ask_next.us) {
        struct link *link = list_take_first(&dispatch->asking);

        if (link == NULL)
            return INSTANT_NEVER;
        lane_ask(LIST_ENTRY(link, struct lane, asking), now);
    }
    /* Where the number is what holds them up, it is a read or a flush that lets them go on. */
    if (list_is_empty(&dispatch->asking) || !dispatch_may_ask(dispatch))
        return INSTANT_NEVER;
    return dispatch->ask_next;
}

/* What cannot be recorded must not be sent. */
static bool
dispatch_may_start(const struct dispatch *dispatch)
{
    return !flush_is_stuck(dispatch->flush) && dispatch->unflushed < UNFLUSHED_MAX;
}

/* Lanes start one attempt each, in turn, as far as there are places and this turn's share goes. */
static struct instant
dispatch_start_attempts(struct dispatch *dispatch, struct instant now)
{
    unsigned started = 0;

    turns_age(&dispatch->turns, now);
    while (dispatch_may_start(dispatch) && started < EXCHANGES_STARTED_PER_TURN) {
        struct lane *lane = turns_next(&dispatch->turns);

        if (lane == NULL)
            break;
        started += lane_start(lane, now);
        lane_update(lane, now);
    }
    return dispatch_may_start(dispatch) ? turns_look(&dispatch->turns, now) : INSTANT_NEVER;
}

static bool
dispatch_wants_flush(const struct dispatch *dispatch, struct instant now)
{
    if (now.us >= dispatch->flush_next.us)
        return true;
    return !flush_is_stuck(dispatch->flush) &&
           (dispatch->wants_flush || dispatch->unflushed >= UNFLUSHED_MAX);
}

static bool
dispatch_is_dirty(const struct dispatch *dispatch)
{
    return flush_is_stuck(dispatch->flush) || !list_is_empty(&dispatch->dirty);
}

static struct instant
dispatch_flush(struct dispatch *dispatch, struct instant now)
{
    if (!dispatch_is_dirty(dispatch) || flush_is_running(dispatch->flush))
        return INSTANT_NEVER;
    if (!dispatch_wants_flush(dispatch, now))
        return dispatch->flush_next;
    if (flush_is_stuck(dispatch->flush)) {
        dispatch->flush_next = instant_add_us(now, FLUSH_AGAIN_US);
        flush_again(dispatch->flush);
    } else {
        dispatch->wants_flush = false;
        dispatch->flush_next = instant_add_us(now, FLUSH_EVERY_US);
        flush_start(dispatch->flush);
    }
    return dispatch_is_dirty(dispatch) && !flush_is_running(dispatch->flush) ? dispatch->flush_next
                                                                             : INSTANT_NEVER;
}

static struct instant
dispatch_tick_stopping(struct dispatch *dispatch, struct instant now)
{
    struct instant next;

    if (now.us >= dispatch->stop_deadline.us) {
        for (struct link *link; (link = turns_first(&dispatch->turns)) != NULL;) {
            struct attempt *attempt = LIST_ENTRY(link, struct attempt, link);

            http_exchange_cancel(attempt->lane->endpoint, &attempt->exchange);
        }
    }
    /* What has been answered is written at the usual beat while the rest is waited for. */
    if (dispatch->turns.count > 0)
        return instant_earlier(dispatch->stop_deadline, dispatch_flush(dispatch, now));
    dispatch->wants_flush = true;
    next = dispatch_flush(dispatch, now);
    if (flush_is_running(dispatch->flush) || dispatch->reads > 0)
        return INSTANT_NEVER;
    /* A store that cannot take the last flush is left: what it would say is made again. */
    if (dispatch_is_dirty(dispatch) && now.us < dispatch->stop_deadline.us)
        return instant_earlier(dispatch->stop_deadline, next);
    if (dispatch->stopped != NULL)
        TAKE(dispatch->stopped)(dispatch->stopped_arg);
    return INSTANT_NEVER;
}

struct instant
dispatch_tick(struct dispatch *dispatch, struct instant now)
{
    struct heap_node *first;
    struct instant next;

    if (dispatch->is_stopping)
        return dispatch_tick_stopping(dispatch, now);
    dispatch_look(dispatch, now);
    next = dispatch_start_attempts(dispatch, now);
    next = instant_earlier(next, dispatch_find_missed(dispatch, now));
    next = instant_earlier(next, dispatch_ask(dispatch, now));
    next = instant_earlier(next, dispatch_flush(dispatch, now));
    first = heap_first(&dispatch->due);
    if (first != NULL)
        next = instant_earlier(next, (struct instant){first->key});
    return next;
}

static void
on_tick(void *arg)
{
    struct dispatch *dispatch = arg;
    struct instant now = dispatch_now(dispatch);
    struct instant next = dispatch_tick(dispatch, now);

    if (next.us <= now.us)
        dispatch_soon(dispatch);
    else if (next.us != INSTANT_NEVER.us)
        timer_set(&dispatch->timer, next);
    else
        timer_clear(&dispatch->timer);
}

/* --- life --- */

enum err
dispatch_new(const struct dispatch_options *options, struct dispatch **ret, struct error *reterr)
{
    struct dispatch *dispatch = calloc(1, sizeof(*dispatch));
    uint64_t seed;
    enum err err = ERR_NOMEM;

    if (dispatch == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a dispatch");
    dispatch->options = *options;
    map_init(&dispatch->lanes);
    heap_init(&dispatch->due);
    turns_init(&dispatch->turns, options->in_flight_max, options->connections_max);
    list_init(&dispatch->asking);
    list_init(&dispatch->dirty);
    list_init(&dispatch->spare);
    dispatch->missed.dispatch = dispatch;
    arena_init(&dispatch->missed.arena, MISSED_ARENA_BYTES_MAX);
    seed = options->seed;
    if (seed == 0)
        random_bytes(&seed, sizeof(seed));
    random_seed(&dispatch->random, seed);
    pthread_mutex_init(&dispatch->mutex, NULL);
    dispatch->letter.deliver = on_woken;
    dispatch->flush = flush_new(dispatch);
    if (dispatch->flush != NULL)
        err = timer_init(&dispatch->timer, options->loop, LOOP_TIMERS, on_tick, dispatch);
    if (err == OK)
        err = turn_end_init(&dispatch->turn_end, options->loop, LOOP_DELIVERY, on_tick, dispatch);
    if (err != OK) {
        dispatch_free(dispatch);
        return error_set(reterr, err, "out of memory for a dispatch");
    }
    options->set->dispatches[options->index] = dispatch;
    *ret = dispatch;
    return OK;
}

void
dispatch_free(struct dispatch *dispatch)
{
    size_t position = 0;

    if (dispatch == NULL)
        return;
    CHECK(dispatch->turns.count == 0);
    for (struct lane *lane; (lane = map_next(&dispatch->lanes, &position)) != NULL;)
        lane_free(lane);
    for (struct link *link; (link = list_first(&dispatch->spare)) != NULL;)
        attempt_free(LIST_ENTRY(link, struct attempt, link));
    timer_done(&dispatch->timer);
    turn_end_done(&dispatch->turn_end);
    map_done(&dispatch->lanes);
    heap_done(&dispatch->due);
    flush_free(dispatch->flush);
    pthread_mutex_destroy(&dispatch->mutex);
    free(dispatch->woken);
    free(dispatch->erased);
    free(dispatch);
}

void
dispatch_stop(struct dispatch *dispatch, struct instant deadline, void (*stopped)(void *arg),
    void *arg)
{
    dispatch->is_stopping = true;
    dispatch->stop_deadline = deadline;
    dispatch->stopped = stopped;
    dispatch->stopped_arg = arg;
    dispatch_soon(dispatch);
}
