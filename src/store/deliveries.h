/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at deliveries one by one: each can be found by its id though most never had a row.
 *
 * What became of one is told by where its position lies: beyond the cursor, in a chunk, in dead,
 * or in an attempt's record. Records may be of an earlier round, so that they come last. Up to a
 * flush ago; reads only.
 */
#ifndef STORE_DELIVERIES_H
#define STORE_DELIVERIES_H

#include "base/arena.h"
#include "domain/delivery.h"
#include "domain/delivery_id.h"
#include "store/lanes.h"

struct delivery {
    struct delivery_id id;
    enum delivery_status status;
    unsigned attempts;
    unsigned result;      /* of the last attempt, as in a record; 0: none was made */
    struct walltime last; /* when that was; 0: never */
    struct walltime due;  /* of the next attempt while WAITING; else 0 */
    struct str email;     /* absent of a notice, whose attendee is zero */
};

struct delivery_attempt {
    unsigned attempt;
    struct walltime at;
    unsigned result;
    int64_t latency_ms;
    struct str detail; /* where a sample was kept; else absent */
    struct str answer;
};

/* ERR_NOT_FOUND also for another account's. ret_fanout's audience is the caller's to free; pos says
 * where in it the delivery lies. Attempts are in the order they were made. */
struct delivery_found {
    struct delivery delivery;
    int64_t hook_pk;
    bool is_cancelled;
    struct lane_fanout fanout;
    int64_t pos;
    struct delivery_attempt *attempts;
    size_t attempt_count;
};
MUST_CHECK enum err delivery_get(struct engine *engine, int64_t account_pk,
    const struct delivery_id *id, struct arena *arena, struct delivery_found *ret,
    struct error *reterr);

/* How the position of a fan-out stands. ERR_NOT_FOUND: the fan-out is not there any more. */
MUST_CHECK enum err delivery_status_get(struct engine *engine, int64_t fanout_pk, int64_t pos,
    enum delivery_status *ret, struct error *reterr);

/* Deliveries of an account, the newest fan-out first, and within it the last position first. */
struct delivery_query {
    int64_t account_pk;
    struct id hook;     /* zero: any */
    struct id event;    /* zero: any */
    struct id attendee; /* zero: any */
    bool has_status;
    enum delivery_status status;
    struct walltime after;  /* of the event; included; 0: no bound */
    struct walltime before; /* not included; 0: no bound */
    int64_t fanout_pk;      /* where to go on: INT64_MAX at the start */
    int64_t pos;            /* below this one in that fan-out */
};

/* It may hold fewer than there are, since no more than a bounded number of positions is looked at;
 * with has_more, the query says where to go on. */
struct delivery_page {
    struct delivery *found; /* room for max */
    size_t max;
    size_t count;
    bool has_more;
};

MUST_CHECK enum err deliveries_list(struct engine *engine, struct delivery_query *query,
    struct arena *arena, struct delivery_page *page, struct error *reterr);

#endif
