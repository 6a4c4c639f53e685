/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a lane's news from the store: the hook where it was edited, fan-outs that may start,
 * chunks that are due again, and which of those in hand were cancelled.
 *
 * What is read may be older than what the lane has flushed or was told meanwhile; lane.c then reads
 * again.
 */
#ifndef SEND_LANE_READ_H
#define SEND_LANE_READ_H

#include "send/lane_health.h"

struct lane_read {
    struct store_call call; /* first: found again from it */
    struct lane *lane;
    uint64_t flushes; /* the lane's, when it was asked */
    uint64_t changes; /* the same */
    struct walltime now;
    struct walltime latest; /* that a chunk can be due if the clock was right */
    bool wants_hook;
    bool is_first; /* the lane knows nothing of the hook yet */
    enum lane_appetite appetite;
    bool is_fanout_first; /* where it is little: rather a fan-out than a chunk that waits */
    size_t fanouts_wanted;
    size_t bulks_wanted; /* of these */
    size_t retries_wanted;
    int64_t fanouts_held[LANE_FANOUTS_MAX + LANE_RETRIES_MAX];
    int64_t rounds_held[LANE_FANOUTS_MAX + LANE_RETRIES_MAX];
    size_t fanouts_held_count;
    int64_t retries_held[2 * LANE_RETRIES_MAX]; /* and those that this read takes up */
    size_t retries_held_count;

    struct arena arena;
    struct arena hook_arena;
    struct hook hook;
    bool has_hook;
    struct lane_fanout fanouts[LANE_FANOUTS_MAX];
    size_t fanout_count;
    struct chunk *retries[LANE_RETRIES_MAX]; /* owned until they are attached */
    struct lane_fanout retry_fanouts[LANE_RETRIES_MAX];
    size_t retry_count;
    int64_t cancelled[LANE_FANOUTS_MAX + LANE_RETRIES_MAX];
    size_t cancelled_count;
    struct walltime next_due;
};

/* Submit; done comes back on the loop. ERR_BUSY: ask again later. */
MUST_CHECK enum err lane_read_start(struct lane *lane, bool wants_hook,
    void (*done)(struct store_call *call));
void lane_read_free(struct lane_read *read);

#endif
