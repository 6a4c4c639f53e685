/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler's lane: its place in the inbox, and what of it is in hand.
 *
 *     store ──read──▶ next ─┬─▶ under way ──▶ ended ──flush──▶ gone
 *           ──read──▶ due ──┘      ▲
 *                         └▶ behind ▶ ready
 *
 * next: in the inbox's order. due: attempts that waited for their time. Both take turns, and what
 * is in them is not in hand yet: it may be dropped at any time and read again. behind: taken, and
 * waits for another version of the same thing that is under way, so that two versions are never
 * handled at once; ready: that one has ended.
 */
#ifndef RECEIVE_HANDLER_LANE_H
#define RECEIVE_HANDLER_LANE_H

#include "base/list.h"
#include "base/map.h"
#include "queue/pacing.h"
#include "receive/counters.h"
#include "receive/lane_item.h"
#include "receive/setup.h"

/* Read ahead: enough to keep a fast handler busy while the next are read, little enough that it is
 * soon read again where something newer comes. */
#define LANE_AHEAD_MAX       256
#define LANE_AHEAD_BYTES_MAX ((size_t)1024 * 1024)
/* Of these, attempts that waited. */
#define LANE_DUE_MAX 64

struct handle;
struct lane_read;

struct handler_lane {
    struct handle *handle;
    int64_t handler_pk;
    struct link link;
    struct setup *setup;           /* held */
    const struct handler *handler; /* in the setup */
    struct setup *next_setup;      /* held; NULL: it stays as it is */
    const struct handler *next_handler;
    bool is_leaving; /* its handler is gone from the configuration */
    uint64_t sources;
    struct handler_worker *worker; /* owned; NULL: not open */
    struct instant open_next;      /* not before */
    struct handler_counts *counts; /* borrowed: for ever */
    struct pacing pacing;

    bool has_cursor;         /* where it begins is known */
    int64_t read_pk;         /* everything up to there was looked at */
    unsigned drops;          /* of what was read ahead: a read under way is out of place then */
    struct lane_read *read;  /* owned; NULL: none is under way */
    bool has_news;           /* there may be something after read_pk */
    unsigned news;           /* so many times there was something */
    struct instant ask_next; /* not before: the store failed */
    bool is_due;             /* there may be something due in the store */
    struct walltime next_due;
    struct instant due_look; /* when to see whether that has come */

    struct list next;
    struct list due;
    struct list ready;
    struct list behind;
    struct list under_way; /* in the order of their deadlines */
    struct list cancelled; /* and not ended yet */
    struct list ended;     /* to be flushed */
    struct list flushing;
    struct map held; /* all of these by inbox_pk, borrowed */
    size_t ahead_count;
    size_t ahead_bytes;
    unsigned under_way_count; /* the cancelled ones included */
    size_t ended_count;
    bool takes_due; /* whose turn it is */

    unsigned laters; /* in a row; 0: all is well */
    struct instant pause_until;

    bool is_dirty;    /* there is something to flush */
    bool is_flushing; /* a flush under way has something of it */
    size_t unmarked;  /* taken from rows that still say when they are due */
    int64_t handled;  /* since the last flush */
    int64_t failed;
    int64_t passed_over;
};

/* ERR_NOMEM. Holds the setup. */
MUST_CHECK enum err handler_lane_new(struct handle *handle, struct setup *setup,
    const struct handler *handler, struct handler_lane **ret);
/* Nothing is under way, nor being read; what has ended and is not on disk will be done again. */
void handler_lane_free(struct handler_lane *lane);

/* Go on by this setup once what is in hand has ended; NULL: end then. */
void handler_lane_change(struct handler_lane *lane, struct setup *setup,
    const struct handler *handler);
/* It begins after this one. */
void handler_lane_begin(struct handler_lane *lane, int64_t read_pk);
/* There is something new of these sources. all: perhaps something is due, too. */
void handler_lane_wake(struct handler_lane *lane, uint64_t sources, bool all);

/* Do everything that is due and return the next moment there will be something to do. */
struct instant handler_lane_tick(struct handler_lane *lane, struct instant now);
/* The same while we stop: start nothing, and give back what was not begun. */
struct instant handler_lane_tick_stopping(struct handler_lane *lane, struct instant now);
/* Tell all that is under way to end. */
void handler_lane_cancel_all(struct handler_lane *lane);
/* Has it nothing in hand and nothing to say any more, and is to go? */
bool handler_lane_is_over(const struct handler_lane *lane);

/* --- for handler_lane_read.c and handle_flush.c --- */

/* What was read, in order; those that are held already are let go. */
void handler_lane_take_in(struct handler_lane *lane, struct list *items, int64_t read_pk);
void handler_lane_set_due(struct handler_lane *lane, struct walltime due, struct instant now);
/* All below it is settled or in hand. */
int64_t handler_lane_cursor(const struct handler_lane *lane);
/* What a flush carried is on disk. */
void handler_lane_flushed(struct handler_lane *lane, struct instant now);

#endif
