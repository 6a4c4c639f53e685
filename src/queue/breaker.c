/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/breaker.h"

#include <stdbool.h>

#include "base/check.h"

#define RECENT_MAX 32U /* the bits of breaker.recent */

static const struct {
    unsigned consecutive; /* failures that open it */
    unsigned recent_min;  /* attempts to be seen before their share is judged */
    unsigned recent_percent;
    unsigned successes; /* in a row, the probe's included, that close it */
    int64_t probe_us_first;
    int64_t probe_us_max;
    int64_t probe_later_percent; /* at most */
} rules = {
    /* A restart of an endpoint costs a few attempts; ten in a row are no accident. */
    .consecutive = 10,
    /* Three of four: with half of its answers good an endpoint is worth the attempts. Below twenty
     * the share is a matter of luck. */
    .recent_min = 20,
    .recent_percent = 75,
    /* The first one may come from whatever part of the endpoint is up already. */
    .successes = 5,
    /* A restart is over within seconds; an endpoint that was down for a day is back in use within
     * minutes of its return, at the cost of 288 probes. */
    .probe_us_first = 5 * US_PER_S,
    .probe_us_max = 300 * US_PER_S,
    /* Hooks of one endpoint fail together and must not be probed together. */
    .probe_later_percent = 20,
};

void
breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED};
}

void
breaker_init_open(struct breaker *breaker, struct instant now)
{
    *breaker = (struct breaker){.state = BREAKER_OPEN, .probe_at = now};
}

struct instant
breaker_ready(const struct breaker *breaker, unsigned in_flight, struct instant now)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
    case BREAKER_CLOSING: return now;
    case BREAKER_PROBING: return INSTANT_NEVER;
    case BREAKER_OPEN:
        /* With others under way nobody could tell which outcome is the probe's. */
        if (in_flight > 0)
            return INSTANT_NEVER;
        return breaker->probe_at.us > now.us ? breaker->probe_at : now;
    }
    UNREACHABLE;
}

void
breaker_take(struct breaker *breaker, struct instant now)
{
    CHECK(breaker->state != BREAKER_PROBING);
    if (breaker->state != BREAKER_OPEN)
        return;
    CHECK(breaker->probe_at.us <= now.us);
    breaker->state = BREAKER_PROBING;
}

/* The delay of the probe to come, doubled with each that has failed, and a random bit more. */
static int64_t
probe_delay_us(const struct breaker *breaker, uint64_t random)
{
    int64_t delay_us = rules.probe_us_first;
    int64_t later_us;

    for (unsigned i = 0; i < breaker->probes && delay_us < rules.probe_us_max; i++)
        delay_us *= 2;
    if (delay_us > rules.probe_us_max)
        delay_us = rules.probe_us_max;
    later_us = delay_us * rules.probe_later_percent / 100;
    return delay_us + (int64_t)(random % (uint64_t)(later_us + 1));
}

static void
breaker_open(struct breaker *breaker, struct instant now, uint64_t random)
{
    breaker->state = BREAKER_OPEN;
    breaker->probe_at = instant_add_us(now, probe_delay_us(breaker, random));
}

/* A success that came while it was not closed; true when it was the last one needed. */
static bool
breaker_recovers(struct breaker *breaker)
{
    if (breaker->state != BREAKER_CLOSING) {
        breaker->state = BREAKER_CLOSING;
        breaker->successes = 0;
    }
    if (++breaker->successes < rules.successes)
        return false;
    breaker_init(breaker);
    return true;
}

static void
breaker_note(struct breaker *breaker, bool is_failure)
{
    breaker->recent = breaker->recent << 1 | (is_failure ? 1U : 0U);
    if (breaker->recent_count < RECENT_MAX)
        breaker->recent_count++;
    breaker->consecutive = is_failure ? breaker->consecutive + 1 : 0;
}

static bool
breaker_has_enough(const struct breaker *breaker)
{
    unsigned failed = (unsigned)__builtin_popcount(breaker->recent);

    return breaker->consecutive >= rules.consecutive ||
           (breaker->recent_count >= rules.recent_min &&
               failed * 100 >= breaker->recent_count * rules.recent_percent);
}

static enum breaker_change
breaker_succeeds(struct breaker *breaker)
{
    if (breaker->state != BREAKER_CLOSED)
        return breaker_recovers(breaker) ? BREAKER_HAS_CLOSED : BREAKER_SAME;
    breaker_note(breaker, false);
    return BREAKER_SAME;
}

static enum breaker_change
breaker_fails(struct breaker *breaker, struct instant now, uint64_t random)
{
    switch (breaker->state) {
    case BREAKER_CLOSED:
        breaker_note(breaker, true);
        if (!breaker_has_enough(breaker))
            return BREAKER_SAME;
        breaker_open(breaker, now, random);
        return BREAKER_HAS_OPENED;
    case BREAKER_OPEN: return BREAKER_SAME; /* it started before */
    case BREAKER_PROBING:
    case BREAKER_CLOSING:
        breaker->probes++;
        breaker_open(breaker, now, random);
        return BREAKER_SAME;
    }
    UNREACHABLE;
}

enum breaker_change
breaker_tell(struct breaker *breaker, enum breaker_verdict verdict, struct instant now,
    uint64_t random)
{
    switch (verdict) {
    case BREAKER_SUCCESS: return breaker_succeeds(breaker);
    case BREAKER_FAILURE: return breaker_fails(breaker, now, random);
    case BREAKER_NEUTRAL:
        if (breaker->state == BREAKER_PROBING)
            breaker_open(breaker, now, random);
        return BREAKER_SAME;
    }
    UNREACHABLE;
}
