/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lane knows of its endpoint: whether it may be called (breaker), how fast (the hook's own
 * rate, the learned one, the account's budget), how many at once (window), and how it does, for the
 * store.
 *
 * A failure while the breaker is not closed is the endpoint's and not the delivery's. A lane whose
 * breaker is open holds nothing; for a probe it takes a little in hand.
 */
#ifndef SEND_LANE_HEALTH_H
#define SEND_LANE_HEALTH_H

#include "domain/outcome.h"
#include "send/lane.h"

/* The hook was read; nothing is in flight. At first all comes from there. Later the lane knows
 * better, but for one thing: a hook that does not fail in the store was enabled, and is tried. */
MUST_CHECK enum err lane_health_load(struct lane *lane, const struct hook *hook,
    struct instant now);
void lane_health_done(struct lane *lane);

/* Of what it is owed, how much may be taken in hand. */
enum lane_appetite {
    LANE_TAKES_NOTHING,
    LANE_TAKES_LITTLE, /* enough for a probe */
    LANE_TAKES_ALL,
};
enum lane_appetite lane_appetite(const struct lane *lane, struct instant now);
/* The breaker is open and no probe is due. */
bool lane_is_shut(const struct lane *lane, struct instant now);
/* When the next probe is due, where there is one to wait for; else INSTANT_NEVER. */
struct instant lane_probe_at(const struct lane *lane, struct instant now);

/* When the endpoint may be called; not later than now: at once. INSTANT_NEVER while that hangs on
 * an attempt under way. */
struct instant lane_ready_at(struct lane *lane, struct instant now);
/* Take a place of the account's for an attempt; false: none is free, and lane_ready_at says when to
 * try again. An attempt that does not start after all gives it back, as does its end. */
bool lane_take_place(struct lane *lane, struct instant now);
void lane_give_place(struct lane *lane);
/* An attempt has started. */
void lane_note_start(struct lane *lane, struct instant now);

struct lane_outcome {
    enum outcome outcome;
    const char *failure; /* its class; static */
    int status;
    struct instant started;
    int64_t asked_us; /* Retry-After; 0: none */
};

/* An attempt has come to this. False: that it failed does not count against the delivery. */
bool lane_note_outcome(struct lane *lane, const struct lane_outcome *outcome);
/* It was broken off, which says nothing. */
void lane_note_cancelled(struct lane *lane);

#endif
