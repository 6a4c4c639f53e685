/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handle.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/log.h"
#include "receive/handle_inside.h"

/* What a crash makes us repeat is what was done since the last flush: a fifth of a second. */
#define FLUSH_EVERY_US (US_PER_S / 5)
/* Or so many outcomes. */
#define FLUSH_OUTCOMES 256
/* A store that refuses is not asked more often. */
#define FLUSH_AGAIN_US (US_PER_S / 2)
/* A full queue empties within a few commits. */
#define ASK_AGAIN_US (US_PER_S / 20)
/* Where memory was short it is not there again at once. */
#define SETUP_AGAIN_US  US_PER_S
#define SURVEY_AGAIN_US US_PER_S
/* Names and numbers of all handlers that ever were. */
#define SURVEY_ARENA_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* Reads of the store under way: enough to keep the readers busy, few enough that all lanes after a
 * start leave room in the store's queue for the intake. */
#define READS_MAX 16
/* In one turn, so that the intake is heard between: an item's JSON is made in microseconds, but to
 * begin may mean to start a program. */
#define LOOKS_PER_TURN  64
#define STARTS_PER_TURN 8

enum err
handle_set_new(unsigned count, struct handle_set **ret, struct error *reterr)
{
    struct handle_set *set = calloc(1, sizeof(*set));

    if (set != NULL)
        set->handles = calloc(count, sizeof(struct handle *));
    if (set == NULL || set->handles == NULL) {
        free(set);
        return error_set(reterr, ERR_NOMEM, "out of memory for handling");
    }
    set->count = count;
    *ret = set;
    return OK;
}

void
handle_set_free(struct handle_set *set)
{
    if (set == NULL)
        return;
    free(set->handles);
    free(set);
}

void
handle_soon(struct handle *handle)
{
    turn_end_ask(&handle->turn_end);
}

bool
handle_may_start(const struct handle *handle)
{
    return !handle_flush_is_stuck(handle->flush) && handle->unflushed < UNFLUSHED_MAX;
}

bool
handle_may_ask(const struct handle *handle, struct instant now)
{
    return handle->reads < READS_MAX && now.us >= handle->ask_next.us;
}

void
handle_refused(struct handle *handle, struct instant now)
{
    handle->ask_next = instant_add_us(now, ASK_AGAIN_US);
}

/* --- there is something new --- */

void
handle_wake(struct handle_set *set, const int64_t *source_pks, size_t count)
{
    unsigned long long bits = count == 0 ? UINT64_MAX : 0;

    for (size_t i = 0; i < count; i++)
        bits |= UINT64_C(1) << ((uint64_t)source_pks[i] % 64);
    for (unsigned i = 0; i < set->count; i++) {
        struct handle *handle = set->handles[i];

        /* A letter is under way as long as a bit is set. */
        if (handle != NULL && atomic_fetch_or(&handle->woken, bits) == 0)
            mailbox_post(loop_mailbox(handle->options.loop), &handle->wake_letter);
    }
}

static void
on_woken(struct letter *letter)
{
    struct handle *handle = CONTAINER_OF(letter, struct handle, wake_letter);
    /* Cleared before anything is read: what comes from now on sends a letter of its own. */
    uint64_t bits = atomic_exchange(&handle->woken, 0);

    LIST_FOREACH(&handle->lanes, it)
    {
        handler_lane_wake(LIST_ENTRY(it, struct handler_lane, link), bits, bits == UINT64_MAX);
    }
    handle_soon(handle);
}

/* --- a new setup --- */

static void
handle_tell_setup(struct handle *handle, struct setup *setup)
{
    struct setup *before;
    bool is_first;

    pthread_mutex_lock(&handle->mutex);
    before = handle->told_setup;
    handle->told_setup = setup_hold(setup);
    is_first = !handle->is_told;
    handle->is_told = true;
    pthread_mutex_unlock(&handle->mutex);
    setup_drop(before);
    if (is_first)
        mailbox_post(loop_mailbox(handle->options.loop), &handle->setup_letter);
}

void
handle_setup(struct handle_set *set, struct setup *setup)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->handles[i] != NULL)
            handle_tell_setup(set->handles[i], setup);
}

static void
on_setup(struct letter *letter)
{
    struct handle *handle = CONTAINER_OF(letter, struct handle, setup_letter);
    struct setup *setup;

    pthread_mutex_lock(&handle->mutex);
    setup = TAKE(handle->told_setup);
    handle->is_told = false;
    pthread_mutex_unlock(&handle->mutex);
    setup_drop(handle->setup);
    handle->setup = setup;
    handle->setup_next = (struct instant){0};
    handle_soon(handle);
}

static bool
is_ours(const struct handle *handle, int64_t handler_pk)
{
    return (uint64_t)handler_pk % handle->options.set->count == handle->options.index;
}

static struct handler_lane *
find_lane(const struct handle *handle, int64_t handler_pk)
{
    LIST_FOREACH(&handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (lane->handler_pk == handler_pk)
            return lane;
    }
    return NULL;
}

static const struct handler *
find_handler(const struct setup *setup, int64_t handler_pk)
{
    for (size_t i = 0; i < setup->handler_count; i++)
        if (setup->handlers[i].handler_pk == handler_pk)
            return &setup->handlers[i];
    return NULL;
}

/* The lane of a handler of the setup works by it, or will. */
static enum err
take_up_handler(struct handle *handle, struct setup *setup, const struct handler *handler)
{
    struct handler_lane *lane = find_lane(handle, handler->handler_pk);
    enum err err;

    if (lane != NULL) {
        handler_lane_change(lane, setup, handler);
        return OK;
    }
    err = handler_lane_new(handle, setup, handler, &lane);
    if (err != OK)
        return err;
    list_append(&handle->lanes, &lane->link);
    handle->survey.is_wanted = true;
    return OK;
}

static struct instant
handle_take_up_setup(struct handle *handle, struct instant now)
{
    struct setup *setup = handle->setup;

    if (setup == NULL)
        return INSTANT_NEVER;
    if (now.us < handle->setup_next.us)
        return handle->setup_next;
    LIST_FOREACH(&handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (find_handler(setup, lane->handler_pk) == NULL)
            handler_lane_change(lane, NULL, NULL);
    }
    for (size_t i = 0; i < setup->handler_count; i++) {
        const struct handler *handler = &setup->handlers[i];

        if (!is_ours(handle, handler->handler_pk) || take_up_handler(handle, setup, handler) == OK)
            continue;
        log_error("handler.refused", log_str("handler", handler->name),
            log_text("error", "out of memory"));
        handle->setup_next = instant_add_us(now, SETUP_AGAIN_US);
        return handle->setup_next;
    }
    setup_drop(TAKE(handle->setup));
    return INSTANT_NEVER;
}

/* --- where lanes begin --- */

static enum err
survey_run(struct store_call *call, struct engine *engine)
{
    struct survey *survey = CONTAINER_OF(call, struct survey, call);

    arena_reset(&survey->arena);
    return handlers_list(engine, &survey->arena, &survey->states, &survey->count, &call->error);
}

static const struct handler_state *
survey_find(const struct survey *survey, int64_t handler_pk)
{
    for (size_t i = 0; i < survey->count; i++)
        if (survey->states[i].handler_pk == handler_pk)
            return &survey->states[i];
    return NULL;
}

static void
survey_begin_lane(struct survey *survey, struct handler_lane *lane)
{
    const struct handler_state *state;

    if (lane->has_cursor)
        return;
    state = survey_find(survey, lane->handler_pk);
    if (state != NULL) {
        handler_lane_begin(lane, state->next_pk - 1);
        return;
    }
    /* Of a reload while the survey was under way. */
    survey->is_wanted = true;
    survey->next = instant_add_us(handle_now(lane->handle), SURVEY_AGAIN_US);
}

static void
survey_done(struct store_call *call)
{
    struct survey *survey = CONTAINER_OF(call, struct survey, call);
    struct handle *handle = survey->handle;

    survey->is_running = false;
    handle->reads--;
    if (call->err != OK) {
        log_warning("handler.unread", log_text("error", call->error.text));
        survey->is_wanted = true;
        survey->next = instant_add_us(handle_now(handle), SURVEY_AGAIN_US);
    } else {
        LIST_FOREACH(&handle->lanes, it)
        {
            survey_begin_lane(survey, LIST_ENTRY(it, struct handler_lane, link));
        }
    }
    arena_done(&survey->arena);
    handle_soon(handle);
}

static struct instant
handle_survey(struct handle *handle, struct instant now)
{
    struct survey *survey = &handle->survey;

    if (!survey->is_wanted || survey->is_running)
        return INSTANT_NEVER;
    if (now.us < survey->next.us)
        return survey->next;
    survey->call = (struct store_call){
        .run = survey_run,
        .done = survey_done,
        .reply = loop_mailbox(handle->options.loop),
    };
    if (store_submit(handle->options.port, &survey->call) != OK) {
        survey->next = instant_add_us(now, SURVEY_AGAIN_US);
        return survey->next;
    }
    survey->is_wanted = false;
    survey->is_running = true;
    handle->reads++;
    return INSTANT_NEVER;
}

/* --- the flush --- */

static bool
handle_is_dirty(const struct handle *handle)
{
    if (handle_flush_is_stuck(handle->flush))
        return true;
    LIST_FOREACH(&handle->lanes, it)
    {
        if (LIST_ENTRY(it, const struct handler_lane, link)->is_dirty)
            return true;
    }
    return false;
}

/* Does a lane wait for it, to see what else is due? */
static bool
handle_is_awaited(const struct handle *handle)
{
    LIST_FOREACH(&handle->lanes, it)
    {
        const struct handler_lane *lane = LIST_ENTRY(it, const struct handler_lane, link);

        if (lane->is_dirty && lane->is_due && list_is_empty(&lane->due))
            return true;
    }
    return false;
}

static bool
handle_wants_flush(const struct handle *handle, struct instant now)
{
    if (now.us >= handle->flush_next.us)
        return true;
    /* When nothing is under way there is nothing to wait for. */
    return !handle_flush_is_stuck(handle->flush) &&
           (handle->wants_flush || handle->unflushed >= FLUSH_OUTCOMES ||
               (handle->has_ended && handle->in_hand == 0) || handle_is_awaited(handle));
}

static struct instant
handle_write(struct handle *handle, struct instant now)
{
    if (!handle_is_dirty(handle) || handle_flush_is_running(handle->flush))
        return INSTANT_NEVER;
    if (!handle_wants_flush(handle, now))
        return handle->flush_next;
    if (handle_flush_is_stuck(handle->flush)) {
        handle->flush_next = instant_add_us(now, FLUSH_AGAIN_US);
        handle_flush_again(handle->flush);
    } else {
        handle->wants_flush = false;
        handle->has_ended = false;
        handle->flush_next = instant_add_us(now, FLUSH_EVERY_US);
        handle_flush_start(handle->flush);
    }
    return handle_is_dirty(handle) && !handle_flush_is_running(handle->flush) ? handle->flush_next
                                                                              : INSTANT_NEVER;
}

/* --- the tick --- */

static void
handle_end_over(struct handle *handle)
{
    LIST_FOREACH(&handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (handler_lane_is_over(lane))
            handler_lane_free(lane);
    }
}

static void
handle_end_all(struct handle *handle)
{
    for (struct link *link; (link = list_first(&handle->lanes)) != NULL;)
        handler_lane_free(LIST_ENTRY(link, struct handler_lane, link));
}

static struct instant
handle_tick_stopping(struct handle *handle, struct instant now)
{
    struct instant next = INSTANT_NEVER;
    bool is_late = now.us >= handle->stop_deadline.us;

    LIST_FOREACH(&handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (is_late)
            handler_lane_cancel_all(lane);
        next = instant_earlier(next, handler_lane_tick_stopping(lane, now));
    }
    /* What has ended is written at the usual beat while the rest is waited for. */
    if (handle->in_hand > 0) {
        next = instant_earlier(next, handle_write(handle, now));
        return is_late ? next : instant_earlier(next, handle->stop_deadline);
    }
    handle->wants_flush = true;
    next = handle_write(handle, now);
    if (handle_flush_is_running(handle->flush) || handle->reads > 0)
        return INSTANT_NEVER;
    /* A store that cannot take the last flush is left: what it would say is made again. */
    if (handle_is_dirty(handle) && !is_late)
        return instant_earlier(handle->stop_deadline, next);
    handle_end_all(handle);
    if (handle->stopped != NULL)
        TAKE(handle->stopped)(handle->stopped_arg);
    return INSTANT_NEVER;
}

struct instant
handle_tick(struct handle *handle, struct instant now)
{
    struct instant next;
    struct link *first;

    if (handle->is_stopping)
        return handle_tick_stopping(handle, now);
    handle->looks_left = LOOKS_PER_TURN;
    handle->starts_left = STARTS_PER_TURN;
    next = handle_take_up_setup(handle, now);
    next = instant_earlier(next, handle_survey(handle, now));
    LIST_FOREACH(&handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        next = instant_earlier(next, handler_lane_tick(lane, now));
    }
    next = instant_earlier(next, handle_write(handle, now));
    handle_end_over(handle);
    /* Where there is not enough for all, another one is the first the next time. */
    first = list_take_first(&handle->lanes);
    if (first != NULL)
        list_append(&handle->lanes, first);
    return next;
}

static void
on_tick(void *arg)
{
    struct handle *handle = arg;
    struct instant now = handle_now(handle);
    struct instant next = handle_tick(handle, now);

    if (next.us <= now.us)
        handle_soon(handle);
    else if (next.us != INSTANT_NEVER.us)
        timer_set(&handle->timer, next);
    else
        timer_clear(&handle->timer);
}

/* --- life --- */

static uint64_t
place_random(void *arg)
{
    struct handle *handle = arg;

    return random_next(&handle->random);
}

enum err
handle_new(const struct handle_options *options, struct handle **ret, struct error *reterr)
{
    struct handle *handle = calloc(1, sizeof(*handle));
    uint64_t seed = options->seed;
    enum err err = ERR_NOMEM;

    if (handle == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for handling");
    handle->options = *options;
    handle->place = (struct handler_place){
        .loop = options->loop,
        .clock = options->clock,
        .client = options->client,
        .user_agent = options->user_agent,
        .random = place_random,
        .arg = handle,
    };
    list_init(&handle->lanes);
    handle->survey.handle = handle;
    arena_init(&handle->survey.arena, SURVEY_ARENA_BYTES_MAX);
    if (seed == 0)
        random_bytes(&seed, sizeof(seed));
    random_seed(&handle->random, seed);
    atomic_init(&handle->woken, 0);
    handle->wake_letter.deliver = on_woken;
    pthread_mutex_init(&handle->mutex, NULL);
    handle->setup_letter.deliver = on_setup;
    handle->flush = handle_flush_new(handle);
    if (handle->flush != NULL)
        err = timer_init(&handle->timer, options->loop, LOOP_TIMERS, on_tick, handle);
    if (err == OK)
        err = turn_end_init(&handle->turn_end, options->loop, LOOP_DELIVERY, on_tick, handle);
    if (err != OK) {
        handle_free(handle);
        return error_set(reterr, err, "out of memory for handling");
    }
    options->set->handles[options->index] = handle;
    *ret = handle;
    return OK;
}

void
handle_free(struct handle *handle)
{
    if (handle == NULL)
        return;
    CHECK(handle->in_hand == 0 && handle->reads == 0);
    handle_end_all(handle);
    if (handle->options.set->handles[handle->options.index] == handle)
        handle->options.set->handles[handle->options.index] = NULL;
    timer_done(&handle->timer);
    turn_end_done(&handle->turn_end);
    handle_flush_free(handle->flush);
    arena_done(&handle->survey.arena);
    setup_drop(handle->setup);
    setup_drop(handle->told_setup);
    pthread_mutex_destroy(&handle->mutex);
    free(handle);
}

void
handle_stop(struct handle *handle, struct instant deadline, void (*stopped)(void *arg), void *arg)
{
    handle->is_stopping = true;
    handle->stop_deadline = deadline;
    handle->stopped = stopped;
    handle->stopped_arg = arg;
    handle_soon(handle);
}
