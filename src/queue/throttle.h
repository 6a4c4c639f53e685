/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate that an endpoint teaches by 429 and 503: what it took in the last seconds, and a little
 * less; then upwards again by 5 % a second, until it says no again or the limit has no effect.
 *
 * A first cut goes to what was measured, and where that was next to nothing it is a guess that
 * doubles every second; a further cut at most halves the rate that was learned. Attempts that were
 * under way when it said no teach nothing new. The caller keeps to the rate (with queue/pacing.h)
 * and to the pause. One owner; time is handed in.
 */
#ifndef QUEUE_THROTTLE_H
#define QUEUE_THROTTLE_H

#include <stdbool.h>

#include "base/moment.h"

/* Never slower than this, or nothing would be learned any more. */
#define THROTTLE_RATE_MIN 0.1

struct throttle {
    double rate;            /* starts a second; 0: none learned */
    bool is_guess;          /* learned from next to nothing */
    struct instant second;  /* the running second's start */
    unsigned accepted;      /* in it */
    unsigned accepted_last; /* in the one before */
    struct instant cut;     /* of the last cut: what started before it is not news */
    struct instant raised;  /* of the last step upwards */
    struct instant pause;   /* nothing starts before: Retry-After of a 429 or 503 */
};

/* rate: as learned in an earlier life; 0: none. What started before now is not news. */
void throttle_init(struct throttle *throttle, double rate, struct instant now);
void throttle_accepted(struct throttle *throttle, struct instant now);
/* Was anything accepted in this second, or in the one before? Where nothing was there is no rate to
 * be learned. */
bool throttle_is_accepting(struct throttle *throttle, struct instant now);
/* started: when the refused attempt was. */
void throttle_refused(struct throttle *throttle, struct instant started, struct instant now);
/* What a refusal asks for: at most an hour is kept, and the longest of those asked for holds. */
void throttle_pause(struct throttle *throttle, int64_t pause_us, struct instant now);
/* An outage says nothing of the rate before it. A pause that was asked for stays. */
void throttle_forget(struct throttle *throttle);
/* The rate now, after steps upwards that were due; 0: no limit. */
double throttle_rate(struct throttle *throttle, struct instant now);

#endif
