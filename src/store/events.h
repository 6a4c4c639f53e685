/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events and their fan-outs: one event row with its audience as ranges, one fan-out row for each
 * matching hook, in the transaction of the change that made them.
 *
 * The sequence grows over the whole store and follows the clock (microseconds), so that it goes on
 * growing even after yesterday's backup was restored. It also numbers changes of fan-outs.
 */
#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "base/arena.h"
#include "domain/audience.h"
#include "domain/event.h"
#include "store/engine.h"

struct event_draft {
    struct id id; /* fresh */
    int64_t account_pk;
    struct str type; /* of event_types */
    enum event_reason reason;
    int64_t webinar_pk;
    struct id webinar_id;
    struct walltime starts; /* the session's start, for the attendee's offset */
    struct str snapshot;    /* payload_fixed_build's */
    const struct audience *audience;
    struct walltime now;
};

struct event_receipt {
    int64_t sequence;
    size_t hook_count;
    int64_t *hook_pks; /* in the arena: the lanes to wake after the commit */
};

/* A fresh sequence: larger than any before. */
MUST_CHECK enum err sequence_next(struct engine *engine, struct walltime now, int64_t *ret,
    struct error *reterr);

/* The event is written even if no hook wants it. A hook that filters by a mango hears only of that
 * mango's members. */
MUST_CHECK enum err event_append(struct engine *engine, const struct event_draft *draft,
    struct arena *arena, struct event_receipt *ret, struct error *reterr);

/* What decides whether a hook wants an event, and the fan-out it then gets. */
struct fanout_draft {
    int64_t sequence; /* the event's */
    int64_t account_pk;
    struct str type;
    int64_t webinar_pk;
    struct id webinar_id;
    const struct audience *audience;
    int64_t late_from; /* store/lanes.h */
    int64_t changed;   /* a fresh sequence */
    struct walltime now;
};

/* To one hook, enabled or not. *ret_added is false where the hook was told of the event before, was
 * deleted, or by its type and filters does not want it. */
MUST_CHECK enum err fanout_add(struct engine *engine, const struct fanout_draft *draft,
    int64_t hook_pk, bool *ret_added, struct error *reterr);

struct event_row {
    int64_t sequence;
    struct id id;
    struct str type; /* static */
    enum event_reason reason;
    struct id webinar_id; /* zero: of a notice */
    struct id about;      /* the hook that a notice is about; else zero */
    struct walltime created;
};

/* The audience of an event as its row has it; the caller's to free. */
MUST_CHECK enum err event_audience_read(struct str encoded, int64_t sequence, struct audience *ret,
    struct error *reterr);

struct event_query {
    int64_t account_pk;
    struct id webinar;     /* zero: any */
    struct str type;       /* absent: any */
    struct walltime after; /* created then or later; 0: since ever */
    struct walltime until; /* created earlier; 0: until now */
    int64_t before;        /* only smaller sequences */
    size_t max;
};

/* Newest first; ret has room for max. */
MUST_CHECK enum err events_list(struct engine *engine, const struct event_query *query,
    struct event_row *ret, size_t *ret_count, struct error *reterr);
MUST_CHECK enum err event_get(struct engine *engine, int64_t account_pk, struct id id,
    struct event_row *ret, struct error *reterr);

/* How far an event has come to a hook; up to a flush ago. */
struct fanout_progress {
    struct id hook_id;
    struct str status; /* "sending", "done", "cancelled"; in the arena */
    int64_t total;     /* positions of the audience: the sum of all below, and what is to come */
    int64_t delivered;
    int64_t failing; /* will be tried again */
    int64_t dead;
    int64_t skipped;
    int64_t superseded;
    struct walltime started;  /* 0: not yet */
    struct walltime finished; /* 0: not yet */
};

/* Members of a fan-out that wait for another attempt. */
MUST_CHECK enum err fanout_failing(struct engine *engine, int64_t fanout_pk, int64_t *ret,
    struct error *reterr);
/* Of all of the event's hooks, those deleted since included; in the arena. */
MUST_CHECK enum err event_progress(struct engine *engine, int64_t sequence, struct arena *arena,
    struct fanout_progress **ret, size_t *ret_count, struct error *reterr);

/* Cancel all that is unsent of a webinar's events: its fan-outs end, chunks go. */
MUST_CHECK enum err event_cancel_webinar(struct engine *engine, int64_t webinar_pk,
    struct walltime now, struct arena *arena, struct event_receipt *ret, struct error *reterr);

#endif
