/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A circuit breaker: stops a line towards an endpoint that fails, and tries it gently again.
 *
 *              opens                       a probe is due
 *     closed ─────────▶ open ◀──────────────────────────▶ probing
 *        ▲                ▲        the probe has failed       │ has succeeded
 *        │                └──────────────┐                    ▼
 *        └──────────────────────────── closing ◀──────────────┘
 *          enough successes            a failure: open again
 *
 * It opens on consecutive failures, or when most of the last attempts failed. While it is open only
 * probes go out, one at a time, ever more rarely; one that says nothing is made again at the same
 * pace. What fails while it is not closed is the endpoint's failure and not the delivery's: such an
 * attempt does not count against the delivery. The rules are one table (breaker.c). One owner; time
 * and randomness are handed in.
 */
#ifndef QUEUE_BREAKER_H
#define QUEUE_BREAKER_H

#include <stdint.h>

#include "base/moment.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_PROBING, BREAKER_CLOSING };

/* NEUTRAL: says nothing of its health (cancelled by us, or 429: it is there and busy). */
enum breaker_verdict { BREAKER_SUCCESS, BREAKER_FAILURE, BREAKER_NEUTRAL };

enum breaker_change { BREAKER_SAME, BREAKER_HAS_OPENED, BREAKER_HAS_CLOSED };

struct breaker {
    enum breaker_state state;
    uint32_t recent; /* the last attempts, the newest lowest: on where it failed */
    unsigned recent_count;
    unsigned consecutive; /* failures */
    unsigned successes;   /* while closing */
    unsigned probes;      /* failed since it opened */
    struct instant probe_at;
};

void breaker_init(struct breaker *breaker);
/* Of an endpoint that was failing before our time: a probe is due at once. */
void breaker_init_open(struct breaker *breaker, struct instant now);
/* When the next attempt may start, with in_flight under way: now, or later; INSTANT_NEVER while
 * that hangs on an attempt that is under way: a probe is alone, so it waits for those that started
 * before the breaker opened. While it closes only the window limits how many are in flight. */
struct instant breaker_ready(const struct breaker *breaker, unsigned in_flight, struct instant now);
/* An attempt starts, for breaker_ready said now; where it is open that is a probe. Whatever becomes
 * of it must be told, or a probe is waited for for ever. */
void breaker_take(struct breaker *breaker, struct instant now);
/* An attempt has ended. random: 64 even bits. BREAKER_HAS_OPENED only when it was closed before:
 * an outage is one, however often it is tried; BREAKER_HAS_CLOSED ends it. Of attempts that started
 * before it opened a failure changes nothing, and a success is as good as a probe's. */
enum breaker_change breaker_tell(struct breaker *breaker, enum breaker_verdict verdict,
    struct instant now, uint64_t random);

#endif
