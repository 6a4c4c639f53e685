/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /stream: fan-out progress as server-sent events, for as long as somebody reads.
 *
 * Each loop has a hub that looks at the store for all its streams, one look at a time, every half a
 * second and only while it has any. A stream is at a cursor (store/progress.h), which is what it
 * sends as ids: the peer that comes back with the last one misses nothing and is told nothing
 * older. A peer that reads slowly is told the last state alone of what changed meanwhile.
 *
 *   STARTING (what is open) ─▶ LIVE ◀──▶ BEHIND (comes back, or reads too slowly: catches up)
 *
 * Loop thread, but for the limit.
 */
#ifndef API_STREAM_H
#define API_STREAM_H

#include <pthread.h>

#include "http/call.h"

/* A page of a dashboard needs one; a few people may look at a few of them. */
#define STREAMS_PER_ACCOUNT_MAX 8
/* Each is a connection that stays. */
#define STREAMS_PER_LOOP_MAX 64
#define STREAM_LOOPS_MAX     64

#define STREAM_LOOK_US       (500 * US_PER_MS)
#define STREAM_KEEP_ALIVE_US (15 * US_PER_S)
/* An expired or deleted key ends its streams within this time. */
#define STREAM_KEY_CHECK_US (60 * US_PER_S)

/* Changes that one look reads: as text they fit into what may wait for a reader. */
#define STREAM_PAGE_MAX 400
/* With more than this waiting a stream is told nothing new. */
#define STREAM_WAITING_BYTES_MAX (32 * 1024)

/* How many each account has, over all loops. */
struct stream_limit {
    pthread_mutex_t mutex;

    struct stream_place {
        int64_t account_pk;
        unsigned count;                                /* 0: free */
    } places[STREAMS_PER_LOOP_MAX * STREAM_LOOPS_MAX]; /* guarded by mutex */
};

void stream_limit_init(struct stream_limit *limit);
void stream_limit_done(struct stream_limit *limit);
/* False: the account has as many as it may. Any thread. */
bool stream_limit_take(struct stream_limit *limit, int64_t account_pk);
void stream_limit_give(struct stream_limit *limit, int64_t account_pk);

struct stream_hub;

struct stream_hub_options {
    struct loop *loop;
    const struct clock *clock;
    struct store_port *port;    /* this loop's */
    struct stream_limit *limit; /* borrowed: outlives us */
};

MUST_CHECK enum err stream_hub_new(const struct stream_hub_options *options,
    struct stream_hub **ret, struct error *reterr);
void stream_hub_free(struct stream_hub *hub); /* idle; NULL is fine */
/* Take no new ones and end those that there are. */
void stream_hub_drain(struct stream_hub *hub);
/* Without streams, and with nothing under way in the store. */
bool stream_hub_is_idle(const struct stream_hub *hub);

/* Do everything that is due and return the next moment there will be something to do. */
struct instant stream_hub_tick(struct stream_hub *hub, struct instant now);

#endif
