/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: one hook's line, owned by one loop, so that its limits need no locks.
 *
 *     loading ──▶ open ◀──▶ stale ◀──▶ closed
 *
 * Stale: edited, so the hook is read again before anything starts. Closed: disabled or deleted, so
 * nothing starts and nothing is held; an open one closes of itself when its endpoint is gone or has
 * failed for too long.
 *
 * Inside a lane the fan-outs take turns, few-left before bulk, so a 1-1 booking does not wait
 * behind a hundred thousand. Events of one webinar go first in, first out: a fan-out starts when
 * nothing of an older one is in hand any more.
 *
 * While its endpoint fails (lane_health.h) an open lane holds nothing either, but for a probe now
 * and then.
 */
#ifndef SEND_LANE_H
#define SEND_LANE_H

#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"
#include "domain/hook.h"
#include "domain/signature.h"
#include "net/http_client.h"
#include "queue/breaker.h"
#include "queue/pacing.h"
#include "queue/throttle.h"
#include "queue/window.h"
#include "store/lanes.h"
#include "store/store.h"

struct budget;
struct dispatch;
struct lane_read;

/* Fan-outs of one lane in memory; beside them there may be one for each waiting chunk taken up. */
#define LANE_FANOUTS_MAX 16
/* Half of the places are for those with no more than a first chunk left: however many bulks are
 * under way, a booking finds one. */
#define LANE_BULKS_MAX 8
/* Waiting chunks taken up together. */
#define LANE_RETRIES_MAX 8

enum lane_state { LANE_LOADING, LANE_OPEN, LANE_STALE, LANE_CLOSED };

struct lane {
    struct link ready;         /* in dispatch->turns while something may start */
    struct list *ready_in;     /* which of its lines; borrowed, meaningful while ready is in it */
    struct link asking;        /* in dispatch->asking while it wants something of the store */
    struct link flush;         /* in dispatch->dirty, or among those of the flush under way */
    struct heap_node due;      /* in dispatch->due: when to look again */
    struct dispatch *dispatch; /* borrowed */
    int64_t hook_pk;
    enum lane_state state;

    /* What the hook says; read anew when it is edited. */
    struct arena hook_arena;
    struct id hook_id;
    struct http_endpoint *endpoint; /* owned */
    struct signer *signer;          /* owned */
    struct walltime signer_until;   /* when an old secret runs out; 0: never */
    enum phone_format phone_format;
    struct buf head;       /* of each request, as far as it is always the same */
    double rate_limit;     /* its own word; 0: none */
    struct budget *budget; /* held; NULL: its account has no limit */

    /* Its endpoint, see lane_health.h. */
    struct breaker breaker;
    struct throttle throttle;
    struct pacing pacing; /* by the smaller of the hook's own rate and the learned one */
    struct window window;
    struct hook_health health; /* as it is to be on disk */
    struct instant learn_next; /* not before: a learned rate goes to disk now and then */
    const char *failure;       /* class of the last one; static, NULL: none yet */
    const char *disabled_by;   /* "gone", "failing", until that is on disk; static */
    int status;                /* of the last failure */
    bool is_health_dirty;      /* health differs from what was flushed */
    bool is_disabled_flushing; /* disabled_by is on its way to disk */
    bool is_proven;            /* the last outcome was a success */
    unsigned old_in_flight;    /* that are not answered quickly */

    struct list fanouts; /* struct fanout, by sequence */
    size_t fanout_count;
    struct lane_read *read;    /* under way, or NULL */
    bool wants_read;           /* there is news in the store */
    bool is_dirty;             /* there is news for the store */
    bool has_waiting;          /* a flush under way carries members that wait */
    bool takes_shortest;       /* whose turn it is */
    uint64_t flushes;          /* ended so far: tells a read that it is out of date */
    uint64_t changes;          /* of the hook so far: the same */
    struct walltime next_due;  /* of the chunks that wait in the store */
    struct instant due_look;   /* when to see whether that has come */
    struct instant ask_next;   /* not before: the store failed */
    struct instant start_next; /* not before: no place in the budget, or it could not be made */
    struct instant over;       /* idle since a while by then: let go; 0: not idle */
};

struct lane *lane_new(struct dispatch *dispatch, int64_t hook_pk);
/* Nothing of it may be in flight, in hand or being read. */
void lane_free(struct lane *lane);
/* Idle for so long that its connections need not be kept. */
bool lane_is_over(const struct lane *lane, struct instant now);

/* There is news: read it as soon as possible. */
void lane_wake(struct lane *lane);
/* The hook was changed: start nothing before it was read again. */
void lane_change(struct lane *lane);
/* Its due moment has come. */
void lane_due(struct lane *lane, struct instant now);

/* Put the lane into the lists where it belongs now, and set when to look again. */
void lane_update(struct lane *lane, struct instant now);
/* Its turn to submit the reads that it wants. */
void lane_ask(struct lane *lane, struct instant now);
/* The store failed: ask it nothing for a while. */
void lane_hold_off(struct lane *lane);
/* It has something to be flushed; at_once: not only at the next beat. */
void lane_dirty(struct lane *lane, bool at_once);
/* Start one attempt; false when nothing may start now. */
bool lane_start(struct lane *lane, struct instant now);

/* Somebody was erased. */
void lane_forget(struct lane *lane, int64_t attendee_pk);
/* The endpoint wants no more, or has failed for too long. by: "gone" or "failing". */
void lane_disable(struct lane *lane, const char *by);
/* A flush with this lane's progress is on disk. */
void lane_flushed(struct lane *lane);

#endif
