/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of handling share of a handle; nobody else includes this.
 */
#ifndef RECEIVE_HANDLE_INSIDE_H
#define RECEIVE_HANDLE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "os/random.h"
#include "receive/handle.h"
#include "receive/handle_flush.h"
#include "receive/handler_lane.h"

/* Outcomes that are not on disk yet. A crash makes us repeat no more, and a disk that stalls does
 * not fill the memory: each may bring 4 KiB of what its handler said. */
#define UNFLUSHED_MAX 1024

/* Where new lanes begin: one look at the store for all of them. */
struct survey {
    struct store_call call;
    struct handle *handle;
    struct arena arena;
    struct handler_state *states; /* in the arena */
    size_t count;
    bool is_wanted;
    bool is_running;
    struct instant next; /* not before */
};

struct handle {
    struct handle_options options;
    struct handler_place place;
    struct list lanes;       /* owned; each tick another is the first */
    unsigned reads;          /* of the store, under way */
    struct instant ask_next; /* not before: the store's queue was full */
    size_t in_hand;          /* handlings under way, over all lanes */
    size_t unflushed;        /* outcomes */
    bool has_ended;          /* a handling has, since the last flush was gathered */
    unsigned looks_left;     /* in this turn: items that lanes may look at */
    unsigned starts_left;    /* and handlings that they may begin */
    struct survey survey;
    struct timer timer;
    struct turn_end turn_end;
    struct random random;
    struct handle_flush *flush;
    bool wants_flush;          /* at once */
    struct instant flush_next; /* not before */

    /* News from other threads. */
    atomic_ullong woken; /* a bit for each source: its number's remainder by 64 */
    struct letter wake_letter;
    pthread_mutex_t mutex;
    struct setup *told_setup; /* guarded by mutex; held */
    bool is_told;             /* guarded by mutex: the letter is under way */
    struct letter setup_letter;

    struct setup *setup;       /* held: to be taken up */
    struct instant setup_next; /* not before: memory was short */

    bool is_stopping;
    struct instant stop_deadline;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

struct handle_set {
    unsigned count;
    struct handle **handles; /* owned array, borrowed elements */
};

/* Have handle_tick called at the end of this turn. */
void handle_soon(struct handle *handle);
/* What cannot be recorded must not be begun. */
bool handle_may_start(const struct handle *handle);
/* May one more read of the store be submitted? */
bool handle_may_ask(const struct handle *handle, struct instant now);
/* A submit was refused, for the store's queue is full. */
void handle_refused(struct handle *handle, struct instant now);

static inline struct instant
handle_now(const struct handle *handle)
{
    return clock_instant(handle->options.clock);
}

static inline struct walltime
handle_walltime(const struct handle *handle)
{
    return clock_walltime(handle->options.clock);
}

#endif
