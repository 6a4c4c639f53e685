/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices: what happens to hooks and deliveries, told to hooks that ask for it (hook.failing,
 * hook.disabled, hook.recovered, delivery.dead).
 *
 * A notice is an event like any other, but about a hook: its audience is one position that stands
 * for nobody, its body is its snapshot: {"type":…,"timestamp":…,"data":{…}}. It goes to the hooks
 * of the same account that subscribe to its type; where there is none, nothing is written. What
 * happens to those hooks is told to nobody, or a dead endpoint would be told of its own death for
 * ever.
 */
#ifndef STORE_NOTICES_H
#define STORE_NOTICES_H

#include "store/lanes.h"

/* Part of the transaction of what they tell. Hooks to wake are added to the plan's. */

/* since: when the failing began. failure, status: of the last attempt; "status" and 503, "timeout"
 * and 0. */
struct health_notice {
    int64_t hook_pk;
    struct str type; /* EVENT_HOOK_FAILING … */
    struct walltime since;
    struct str failure;
    int status;
    struct str disabled_by; /* absent but for hook.disabled */
};
MUST_CHECK enum err notice_health(struct engine *engine, const struct health_notice *notice,
    struct flush_plan *plan, struct error *reterr);

/* Members of a fan-out were given up. */
struct dead_notice {
    int64_t hook_pk;
    int64_t fanout_pk;
    unsigned attempts;
    size_t count;
    struct str attendees; /* ids of some of them, ID_BYTES each */
};
MUST_CHECK enum err notice_dead(struct engine *engine, const struct dead_notice *notice,
    struct flush_plan *plan, struct error *reterr);

#endif
