/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: each loop's dispatch owns the lanes of its share of the hooks and keeps them moving.
 *
 * Everything that is due is done by dispatch_tick, which says when it wants to be called again, so
 * a test can jump from one due moment to the next. Over all lanes stands a budget of exchanges.
 * Progress is written by a flush, one at a time; when one fails nothing new starts until it has
 * gone through, since what cannot be recorded would be sent again after a crash.
 */
#ifndef SEND_DISPATCH_H
#define SEND_DISPATCH_H

#include "net/http_client.h"
#include "os/clock.h"
#include "os/zones.h"
#include "store/store.h"

struct dispatch;
struct dispatch_set; /* the dispatches of all loops: who owns which hook */

struct budget_set; /* send/budget.h */
struct schedule;   /* domain/schedule.h */

struct dispatch_options {
    struct dispatch_set *set;
    unsigned index; /* of the loop in the set */
    struct loop *loop;
    const struct clock *clock;
    struct store_port *port;    /* this loop's */
    struct http_client *client; /* this loop's */
    struct zones *zones;
    struct id_source *ids;
    struct budget_set *budgets; /* send/budget.h */
    const struct schedule *schedule;
    int64_t attempt_ms;       /* the whole exchange, the answer's last byte included */
    unsigned in_flight_max;   /* of this loop, over all lanes: those that are young */
    unsigned connections_max; /* of this loop: those that are not answered quickly, too */
    int64_t disable_after_us; /* of failing without a success; 0: never */
    const char *user_agent;
    uint64_t seed; /* of the jitter, for tests; 0: a random one */
};

MUST_CHECK enum err dispatch_set_new(unsigned count, int64_t last_chunk_pk,
    struct dispatch_set **ret, struct error *reterr);
void dispatch_set_free(struct dispatch_set *set);

MUST_CHECK enum err dispatch_new(const struct dispatch_options *options, struct dispatch **ret,
    struct error *reterr);
void dispatch_free(struct dispatch *dispatch); /* stopped, or never started */

/* These hooks have something new to send; any thread. */
void dispatch_wake(struct dispatch_set *set, const int64_t *hook_pks, size_t count);

/* A hook was edited, enabled, disabled or deleted: from when `done` is delivered no attempt starts
 * until the lane has read the hook anew. The change lies inside the caller's and is borrowed until
 * then. */
struct lane_change {
    struct letter letter;
    struct dispatch_set *set;
    int64_t hook_pk;
    struct mailbox *reply;
    void (*done)(struct lane_change *change);
};

void dispatch_hook_changed(struct dispatch_set *set, struct lane_change *change);

/* Somebody was erased: from when `done` is delivered nothing starts for them any more. It goes from
 * loop to loop, and is borrowed until then. */
struct erasure {
    struct letter letter;
    struct dispatch_set *set;
    unsigned index; /* of the loop that has it */
    int64_t attendee_pk;
    struct mailbox *reply;
    void (*done)(struct erasure *erasure);
};

void dispatch_erased(struct dispatch_set *set, struct erasure *erasure);

/* Do everything that is due and return the next moment there will be something to do. */
struct instant dispatch_tick(struct dispatch *dispatch, struct instant now);

/* Start nothing any more; stopped is called on the loop's thread once all that was in flight has
 * ended and been flushed. At the deadline it is broken off, to be sent after the next start. */
void dispatch_stop(struct dispatch *dispatch, struct instant deadline, void (*stopped)(void *arg),
    void *arg);

#endif
