/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending again what was sent, given up or missed: one delivery, one event, everything since a
 * time.
 *
 * All of it keeps the webhook-id, so that a receiver that has handled a delivery drops it; only a
 * fresh replay makes new ones. And none of it puts back an old time: who is covered by a newer
 * event that goes to the same hook is superseded (store/lanes.h, late_from). The doc/lifecycle.md
 * table says what each does to fan-outs and chunks. On the writer; the caller wakes the lanes after
 * it.
 */
#ifndef STORE_REPLAY_H
#define STORE_REPLAY_H

#include "domain/hook.h"
#include "store/deliveries.h"
#include "store/events.h"

/*
 * Have one delivery sent as soon as possible: a manual chunk of its own, due at once, which takes
 * the place of the attempt that waits. A dead or delivered one is open again, and counts as such in
 * its fan-out, and its attempts are counted from none; of one that waits they go on. *ret_changed
 * is false where it is pending, in hand or asked for already: then it is on its way by itself.
 * ERR_CONFLICT with a text for a person: cancelled, skipped, superseded, or the webinar was
 * deleted.
 */
MUST_CHECK enum err delivery_retry(struct engine *engine, const struct delivery_found *found,
    struct walltime now, bool *ret_changed, struct error *reterr);

/* The event's fan-out to the hook from the start, in a new round: what waits of it and what died
 * goes. A hook that was never told of it gets a fan-out. ERR_CONFLICT: the webinar was deleted, or
 * nobody of its audience is the hook's business. */
MUST_CHECK enum err event_replay(struct engine *engine, const struct event_row *event,
    const struct hook *hook, struct walltime now, struct error *reterr);

/* The same news as a new event with the reason "replay", to these hooks alone; those among them
 * that do not want it by their type and filters are passed over. ERR_CONFLICT: none does, or the
 * webinar was deleted. */
struct fresh_replay {
    const struct event_row *event; /* what is repeated */
    int64_t account_pk;
    struct id id; /* the new event's */
    const int64_t *hook_pks;
    size_t hook_count;
    struct walltime now;
};
MUST_CHECK enum err event_replay_fresh(struct engine *engine, const struct fresh_replay *replay,
    int64_t *ret_sequence, struct error *reterr);

/* A hook's recovery goes in steps of bounded length, each a transaction; run again from the start
 * it changes nothing twice. */
struct recovery {
    struct walltime since;
    struct walltime now;
    /* Where to go on; all 0 at the start. */
    int64_t next_sequence;
    struct walltime next_died;
    int64_t next_dead;
    int64_t events;     /* so far: fan-outs that were added */
    int64_t deliveries; /* so far: given up ones that were reopened */
    bool is_over;
};
/* First the events since then, the newest first, that the hook's filters want and it was never told
 * of, also from before it was created, but no fresh replays for others; then what died since.
 * Nothing of webinars that were deleted. A call that may run again steps with a copy of its own. */
MUST_CHECK enum err hook_recover_step(struct engine *engine, const struct hook *hook,
    struct recovery *inout, struct error *reterr);

#endif
