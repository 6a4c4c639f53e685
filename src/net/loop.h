/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread's event loop, on libevent: sockets, timers, and a mailbox for what other threads send.
 *
 * N identical loops share nothing. Priorities keep the API quick beside deliveries: letters come
 * first, then server sockets, then delivery sockets; a turn is looked at again after 1 ms. What
 * was collected during a turn is handed over at its end, see turn_end. Other descriptors than
 * sockets of ours are watched through a struct watch.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"
#include "os/clock.h"
#include "os/mailbox.h"

struct event_base;
struct event;
struct loop;

/* libevent's numbers: the smallest runs first. */
enum loop_priority { LOOP_LETTERS, LOOP_SERVER, LOOP_TIMERS, LOOP_DELIVERY, LOOP_PRIORITIES };

MUST_CHECK enum err loop_new(unsigned index, struct loop **ret, struct error *reterr);
void loop_free(struct loop *loop);
void loop_freep(struct loop **loop);

/* Run until loop_stop. The thread that runs it is the loop's thread. */
void loop_run(struct loop *loop);
/* Let what is ready happen once without waiting; for tests. */
void loop_turn(struct loop *loop);
void loop_stop(struct loop *loop); /* any thread */

unsigned loop_index(const struct loop *loop);
struct event_base *loop_base(struct loop *loop); /* for net/ only */
struct mailbox *loop_mailbox(struct loop *loop); /* any thread posts here */

/* Call back once in this turn, when all that is ready at this priority and above has been heard;
 * asking again in the same turn changes nothing. It must not move while in use, nor may a timer. */
struct turn_end {
    struct loop *loop;
    struct event *event; /* owned */
    void (*fn)(void *arg);
    void *arg;
};

MUST_CHECK enum err turn_end_init(struct turn_end *turn_end, struct loop *loop,
    enum loop_priority priority, void (*fn)(void *arg), void *arg);
void turn_end_done(struct turn_end *turn_end);
void turn_end_ask(struct turn_end *turn_end);

/* Never early; late by as much as the loop is busy. */
struct timer {
    struct event *event; /* owned */
    struct instant at;
    void (*fn)(void *arg);
    void *arg;
};

MUST_CHECK enum err timer_init(struct timer *timer, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg), void *arg);
void timer_done(struct timer *timer);
/* Once; a new setting replaces the old; INSTANT_NEVER clears it. */
void timer_set(struct timer *timer, struct instant at);
void timer_clear(struct timer *timer);

/* What a descriptor is watched for; a set of these. */
enum watch_what { WATCH_READ = 1, WATCH_WRITE = 2 };

/* Calls back in every turn in which its descriptor can be read or written, with what of it. The end
 * of what can be read, and a hang-up, show as both, as far as they were asked for. */
struct watch {
    struct loop *loop;   /* borrowed: outlives us */
    struct event *event; /* owned */
    int fd;              /* borrowed; -1: none */
    int priority;
    void (*fn)(void *arg, unsigned what);
    void *arg;
};

MUST_CHECK enum err watch_init(struct watch *watch, struct loop *loop, enum loop_priority priority,
    void (*fn)(void *arg, unsigned what), void *arg);
/* Stopped and gone; never initialised (all zero) is fine. */
void watch_done(struct watch *watch);
/* From now on this descriptor, and for this alone; what was watched before no longer is. Pipes,
 * sockets, eventfds, pidfds; ERR_IO for what is always ready (a regular file) or no descriptor. */
MUST_CHECK enum err watch_start(struct watch *watch, int fd, unsigned what);
/* Before the descriptor is closed. fn is not called again, even if it was due in this turn. */
void watch_stop(struct watch *watch);

#endif
