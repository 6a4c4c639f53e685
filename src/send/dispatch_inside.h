/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of send/ share of a dispatch; nobody else includes this.
 */
#ifndef SEND_DISPATCH_INSIDE_H
#define SEND_DISPATCH_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "os/random.h"
#include "send/dispatch.h"
#include "send/flush.h"
#include "send/lane.h"
#include "send/turns.h"

/* Reads of the store under way: enough to keep the readers busy, few enough that ten thousand lanes
 * after a start leave room in the store's queue for the API. */
#define READS_MAX 32

/* Records that are not on disk yet, a second's worth at our best speed. A crash makes us repeat no
 * more, and a disk that stalls does not fill the memory. */
#define UNFLUSHED_MAX 131072

/* Samples of what endpoints said, with up to 4 KiB each, that one flush takes. */
#define FLUSH_NOTES_MAX 512

/* Who could not be woken for want of memory is found in the store. */
struct missed {
    struct store_call call;
    struct dispatch *dispatch;
    struct arena arena;
    int64_t *hook_pks; /* in the arena */
    size_t hook_count;
    bool is_wanted;
    bool is_running;
    struct instant next; /* not before */
};

struct dispatch {
    struct dispatch_options options;
    struct map lanes;   /* by hook_pk, owned */
    struct turns turns; /* lanes that may start something, and attempts under way */
    struct list asking; /* lanes that want something of the store, in turn */
    struct list dirty;  /* lanes with something to flush */
    struct heap due;    /* lanes by when to look again */
    struct list spare;  /* attempts kept for the next exchange */
    unsigned reads;     /* of the store, under way */
    int64_t *erased;    /* owned: attendees whom a read under way may still have found */
    size_t erased_count;
    size_t erased_room;
    size_t unflushed;        /* records */
    unsigned notes;          /* since the last flush was gathered */
    struct instant ask_next; /* not before: the store's queue was full */
    struct timer timer;
    struct turn_end turn_end;
    struct random random;
    struct flush *flush;
    struct missed missed;
    bool wants_flush;          /* at once: a fan-out came to its end */
    struct instant flush_next; /* not before */

    /* News from other threads. */
    pthread_mutex_t mutex;
    int64_t *woken;      /* guarded by mutex; owned */
    size_t woken_count;  /* guarded by mutex */
    size_t woken_room;   /* guarded by mutex */
    bool is_woken;       /* guarded by mutex: the letter is under way */
    bool woken_overflow; /* guarded by mutex: out of memory, so look at every lane */
    struct letter letter;

    bool is_stopping;
    struct instant stop_deadline;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

struct dispatch_set {
    unsigned count;
    struct dispatch **dispatches; /* owned array, borrowed elements */
    atomic_llong last_chunk_pk;
};

/* Have dispatch_tick called at the end of this turn. */
void dispatch_soon(struct dispatch *dispatch);
/* May one more read of the store be submitted? */
bool dispatch_may_ask(const struct dispatch *dispatch);
/* A submit was refused, for the store's queue is full. */
void dispatch_refused(struct dispatch *dispatch, struct instant now);
int64_t dispatch_chunk_pk(struct dispatch *dispatch);
/* A read of the store has come back. */
void dispatch_read_done(struct dispatch *dispatch);
bool dispatch_is_erased(const struct dispatch *dispatch, int64_t attendee_pk);

static inline struct instant
dispatch_now(const struct dispatch *dispatch)
{
    return clock_instant(dispatch->options.clock);
}

static inline struct walltime
dispatch_walltime(const struct dispatch *dispatch)
{
    return clock_walltime(dispatch->options.clock);
}

#endif
