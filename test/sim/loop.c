/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net/loop.h once more: letters, timers and ends of turns in the real order, but without sockets,
 * and without a time of its own. Linked in place of the real one.
 */
#include "net/loop.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "sim/sim.h"

struct loop {
    unsigned index;
    struct mailbox mailbox;
    struct list timers;                 /* struct event, all there are */
    struct list asked[LOOP_PRIORITIES]; /* struct event: ends of turns that were asked for */
};

struct event {
    struct link link;
    struct loop *loop;
    enum loop_priority priority;
    struct turn_end *turn_end; /* or */
    struct timer *timer;
};

enum err
loop_new(unsigned index, struct loop **ret, struct error *reterr)
{
    CLEANUP(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));
    enum err err;

    CHECK(loop != NULL);
    loop->index = index;
    list_init(&loop->timers);
    for (int i = 0; i < LOOP_PRIORITIES; i++)
        list_init(&loop->asked[i]);
    loop->mailbox.event_fd = -1;
    err = mailbox_init(&loop->mailbox, reterr);
    if (err == OK)
        *ret = TAKE(loop);
    return err;
}

void
loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    CHECK(list_is_empty(&loop->timers));
    mailbox_done(&loop->mailbox);
    free(loop);
}

void
loop_freep(struct loop **loop)
{
    loop_free(*loop);
}

struct mailbox *
loop_mailbox(struct loop *loop)
{
    return &loop->mailbox;
}

unsigned
loop_index(const struct loop *loop)
{
    return loop->index;
}

/* What nobody here may ask for. */

void
loop_run(struct loop *loop)
{
    (void)loop;
    CHECK(false);
}

void
loop_turn(struct loop *loop)
{
    loop_run(loop);
}

void
loop_stop(struct loop *loop)
{
    loop_run(loop);
}

struct event_base *
loop_base(struct loop *loop)
{
    loop_run(loop);
    return NULL;
}

/* --- ends of turns and timers --- */

static struct event *
event_new_for(struct loop *loop, enum loop_priority priority)
{
    struct event *event = calloc(1, sizeof(*event));

    CHECK(event != NULL);
    link_init(&event->link);
    event->loop = loop;
    event->priority = priority;
    return event;
}

static void
event_done(struct event **event)
{
    if (*event != NULL)
        link_remove(&(*event)->link);
    free(TAKE(*event));
}

enum err
turn_end_init(struct turn_end *turn_end, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg), void *arg)
{
    *turn_end = (struct turn_end){.loop = loop, .fn = fn, .arg = arg};
    turn_end->event = event_new_for(loop, priority);
    turn_end->event->turn_end = turn_end;
    return OK;
}

void
turn_end_done(struct turn_end *turn_end)
{
    event_done(&turn_end->event);
}

void
turn_end_ask(struct turn_end *turn_end)
{
    struct event *event = turn_end->event;

    if (link_is_alone(&event->link))
        list_append(&event->loop->asked[event->priority], &event->link);
}

enum err
timer_init(struct timer *timer, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){.fn = fn, .arg = arg, .at = INSTANT_NEVER};
    timer->event = event_new_for(loop, priority);
    timer->event->timer = timer;
    list_append(&loop->timers, &timer->event->link);
    return OK;
}

void
timer_done(struct timer *timer)
{
    event_done(&timer->event);
}

void
timer_set(struct timer *timer, struct instant at)
{
    timer->at = at;
}

void
timer_clear(struct timer *timer)
{
    timer->at = INSTANT_NEVER;
}

/* --- playing --- */

struct instant
loop_next(struct loop *loop)
{
    struct instant next = INSTANT_NEVER;

    LIST_FOREACH(&loop->timers, it)
    {
        next = instant_earlier(next, LIST_ENTRY(it, struct event, link)->timer->at);
    }
    return next;
}

bool
loop_is_ready(struct loop *loop, struct instant now)
{
    bool is_asked = loop->mailbox.first != NULL || loop_next(loop).us <= now.us;

    for (int i = 0; i < LOOP_PRIORITIES; i++)
        is_asked = is_asked || !list_is_empty(&loop->asked[i]);
    return is_asked;
}

static bool
play_letters(struct loop *loop)
{
    struct letter *letter;

    if (loop->mailbox.first == NULL)
        return false;
    letter = mailbox_take(&loop->mailbox);
    while (letter != NULL) {
        struct letter *next = letter->next;

        letter->deliver(letter);
        letter = next;
    }
    return true;
}

static bool
play_timers(struct loop *loop, struct instant now)
{
    bool has_played = false;

    LIST_FOREACH(&loop->timers, it)
    {
        struct timer *timer = LIST_ENTRY(it, struct event, link)->timer;

        if (timer->at.us > now.us)
            continue;
        timer->at = INSTANT_NEVER;
        timer->fn(timer->arg);
        has_played = true;
    }
    return has_played;
}

/* One round of those of a priority: what they ask for anew is for the next. */
static bool
play_asked(struct list *asked)
{
    struct link *last = list_last(asked);

    for (struct link *link = NULL; link != last;) {
        struct turn_end *turn_end;

        link = list_take_first(asked);
        turn_end = LIST_ENTRY(link, struct event, link)->turn_end;
        turn_end->fn(turn_end->arg);
    }
    return last != NULL;
}

void
loop_play(struct loop *loop, struct instant now)
{
    if (play_letters(loop) || play_timers(loop, now))
        return;
    for (int i = 0; i < LOOP_PRIORITIES; i++)
        if (play_asked(&loop->asked[i]))
            return;
}
