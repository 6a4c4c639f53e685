/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"

struct loop {
    struct event_base *base; /* owned */
    struct event *letters;   /* owned */
    struct mailbox mailbox;
    struct letter stop;
    atomic_bool is_stopping; /* the stop letter is on its way; any thread */
    bool has_mailbox;
    unsigned index;
};

/* Deliveries come by the hundred and each takes microseconds; an API request that arrived meanwhile
 * must not wait for all of them. */
static const struct timeval dispatch_interval_max = {.tv_sec = 0, .tv_usec = 1000};

static void
on_letters(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    struct letter *letter = mailbox_take(&loop->mailbox);

    (void)fd;
    (void)what;
    /* Once, not until empty: what is posted meanwhile makes the eventfd readable again, and the
     * sockets get their turn in between. */
    while (letter != NULL) {
        struct letter *next = letter->next;
        letter->deliver(letter);
        letter = next;
    }
}

static void
on_stop(struct letter *letter)
{
    struct loop *loop = CONTAINER_OF(letter, struct loop, stop);

    atomic_store(&loop->is_stopping, false);
    (void)event_base_loopbreak(loop->base);
}

static struct event_base *
base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config == NULL)
        return NULL;
    /* Without the precise timer libevent's clock moves in steps of 4 ms and so would the limit on a
     * turn. No lock: other threads reach a loop only through its mailbox. */
    if (event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0 &&
        event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV) == 0 &&
        event_config_set_max_dispatch_interval(config, &dispatch_interval_max, -1, LOOP_DELIVERY) ==
            0)
        base = event_base_new_with_config(config);
    event_config_free(config);
    if (base != NULL && event_base_priority_init(base, LOOP_PRIORITIES) != 0) {
        event_base_free(base);
        base = NULL;
    }
    return base;
}

enum err
loop_new(unsigned index, struct loop **ret, struct error *reterr)
{
    CLEANUP(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));
    enum err err;

    if (loop == NULL)
        return error_set(reterr, ERR_NOMEM, "event loop: out of memory");
    loop->index = index;
    loop->stop.deliver = on_stop;
    atomic_init(&loop->is_stopping, false);

    err = mailbox_init(&loop->mailbox, reterr);
    if (err != OK)
        return err;
    loop->has_mailbox = true;

    loop->base = base_new();
    if (loop->base == NULL)
        return error_set(reterr, ERR_IO, "event loop: libevent cannot start one here");
    loop->letters =
        event_new(loop->base, loop->mailbox.event_fd, EV_READ | EV_PERSIST, on_letters, loop);
    if (loop->letters == NULL || event_priority_set(loop->letters, LOOP_LETTERS) != 0 ||
        event_add(loop->letters, NULL) != 0)
        return error_set(reterr, ERR_NOMEM, "event loop: out of memory");

    *ret = TAKE(loop);
    return OK;
}

void
loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->letters != NULL)
        event_free(loop->letters);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->has_mailbox)
        mailbox_done(&loop->mailbox);
    free(loop);
}

void
loop_freep(struct loop **loop)
{
    loop_free(*loop);
}

void
loop_run(struct loop *loop)
{
    CHECK(event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) >= 0);
}

void
loop_turn(struct loop *loop)
{
    CHECK(event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
}

void
loop_stop(struct loop *loop)
{
    /* The one stop letter may be in the box only once. */
    if (!atomic_exchange(&loop->is_stopping, true))
        mailbox_post(&loop->mailbox, &loop->stop);
}

unsigned
loop_index(const struct loop *loop)
{
    return loop->index;
}

struct event_base *
loop_base(struct loop *loop)
{
    return loop->base;
}

struct mailbox *
loop_mailbox(struct loop *loop)
{
    return &loop->mailbox;
}

static void
on_turn_end(evutil_socket_t fd, short what, void *arg)
{
    struct turn_end *turn_end = arg;

    (void)fd;
    (void)what;
    turn_end->fn(turn_end->arg);
}

enum err
turn_end_init(struct turn_end *turn_end, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg), void *arg)
{
    struct event *event = event_new(loop->base, -1, 0, on_turn_end, turn_end);

    if (event == NULL)
        return ERR_NOMEM;
    CHECK(event_priority_set(event, (int)priority) == 0);
    *turn_end = (struct turn_end){.loop = loop, .event = event, .fn = fn, .arg = arg};
    return OK;
}

void
turn_end_done(struct turn_end *turn_end)
{
    if (turn_end->event != NULL)
        event_free(turn_end->event);
    turn_end->event = NULL;
}

void
turn_end_ask(struct turn_end *turn_end)
{
    event_active(turn_end->event, EV_TIMEOUT, 0);
}

static void
timer_add(struct timer *timer, struct instant now)
{
    int64_t us = timer->at.us > now.us ? timer->at.us - now.us : 0;
    struct timeval delay = {.tv_sec = us / US_PER_S, .tv_usec = us % US_PER_S};

    CHECK(event_add(timer->event, &delay) == 0);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct timer *timer = arg;
    struct instant now = clock_instant(&clock_system);

    (void)fd;
    (void)what;
    /* libevent counts a delay from the start of the turn in which it was set: a little early. */
    if (now.us < timer->at.us) {
        timer_add(timer, now);
        return;
    }
    timer->fn(timer->arg);
}

enum err
timer_init(struct timer *timer, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg), void *arg)
{
    struct event *event = event_new(loop->base, -1, 0, on_timer, timer);

    if (event == NULL)
        return ERR_NOMEM;
    CHECK(event_priority_set(event, (int)priority) == 0);
    *timer = (struct timer){.event = event, .fn = fn, .arg = arg, .at = INSTANT_NEVER};
    return OK;
}

void
timer_done(struct timer *timer)
{
    if (timer->event != NULL)
        event_free(timer->event);
    timer->event = NULL;
}

void
timer_set(struct timer *timer, struct instant at)
{
    timer->at = at;
    if (at.us == INSTANT_NEVER.us)
        timer_clear(timer);
    else
        timer_add(timer, clock_instant(&clock_system));
}

void
timer_clear(struct timer *timer)
{
    (void)event_del(timer->event);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct watch *watch = arg;
    unsigned seen = 0;

    (void)fd;
    if ((what & EV_READ) != 0)
        seen |= WATCH_READ;
    if ((what & EV_WRITE) != 0)
        seen |= WATCH_WRITE;
    watch->fn(watch->arg, seen);
}

enum err
watch_init(struct watch *watch, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg, unsigned what), void *arg)
{
    struct event *event = event_new(loop->base, -1, 0, on_watch, watch);

    if (event == NULL)
        return ERR_NOMEM;
    *watch = (struct watch){.loop = loop,
        .event = event,
        .fd = -1,
        .priority = (int)priority,
        .fn = fn,
        .arg = arg};
    return OK;
}

void
watch_done(struct watch *watch)
{
    if (watch->event != NULL)
        event_free(watch->event);
    watch->event = NULL;
}

enum err
watch_start(struct watch *watch, int fd, unsigned what)
{
    short wanted = EV_PERSIST;

    CHECK(what != 0);
    if ((what & WATCH_READ) != 0)
        wanted |= EV_READ;
    if ((what & WATCH_WRITE) != 0)
        wanted |= EV_WRITE;
    watch_stop(watch);
    if (fd < 0 || event_assign(watch->event, watch->loop->base, fd, wanted, on_watch, watch) != 0 ||
        event_priority_set(watch->event, watch->priority) != 0 ||
        event_add(watch->event, NULL) != 0)
        return ERR_IO;
    watch->fd = fd;
    return OK;
}

void
watch_stop(struct watch *watch)
{
    (void)event_del(watch->event);
    watch->fd = -1;
}
