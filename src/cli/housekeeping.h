/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Housekeeping: what is too old, or belongs to nobody any more, is taken out of the store.
 *
 * Once a minute it looks, on one loop, and while there is something goes on step by step, one at a
 * time and with pauses, so that the writer hardly feels it. A store that is busy is left alone. One
 * that fails is tried with the smallest of writes every few seconds, for else nobody would notice
 * that its disk has room again: who asks /readyz before they write would never write.
 */
#ifndef CLI_HOUSEKEEPING_H
#define CLI_HOUSEKEEPING_H

#include "net/loop.h"
#include "store/retention.h"
#include "store/store.h"

struct dispatch_set;
struct housekeeping;

struct housekeeping_options {
    struct loop *loop;
    const struct clock *clock;
    struct store *store;
    struct store_port *port;       /* the loop's */
    struct dispatch_set *dispatch; /* lanes to be told that fan-outs have expired; NULL: none */
    struct retention keep;
};

MUST_CHECK enum err housekeeping_new(const struct housekeeping_options *options,
    struct housekeeping **ret, struct error *reterr);
void housekeeping_free(struct housekeeping *housekeeping); /* not busy; NULL is fine */

/* Do what is due and return the next moment at which something may be. By itself it is called by a
 * timer of the loop. */
struct instant housekeeping_tick(struct housekeeping *housekeeping, struct instant now);

/* Begin nothing any more. */
void housekeeping_stop(struct housekeeping *housekeeping);
/* Is a step under way? */
bool housekeeping_is_busy(const struct housekeeping *housekeeping);

#endif
