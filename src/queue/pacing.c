/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/pacing.h"

#include <stdbool.h>

#define NS_PER_US       INT64_C(1000)
#define NS_PER_S        (US_PER_S * NS_PER_US)
#define LATE_NS         (PACING_LATE_US * NS_PER_US)
#define INTERVAL_NS_MAX (1000 * NS_PER_S)

static int64_t
us_of(int64_t ns)
{
    return (ns + NS_PER_US - 1) / NS_PER_US;
}

static int64_t
interval_of(double rate)
{
    double exact_ns;
    int64_t ns;

    if (rate <= 0)
        return 0;
    exact_ns = (double)NS_PER_S / rate;
    if (exact_ns >= (double)INTERVAL_NS_MAX)
        return INTERVAL_NS_MAX;
    /* Rounded up, or the rate would be passed. */
    ns = (int64_t)exact_ns;
    return (double)ns < exact_ns ? ns + 1 : ns;
}

void
pacing_set(struct pacing *pacing, double rate)
{
    int64_t before_ns = pacing->interval_ns;

    pacing->interval_ns = interval_of(rate);
    /* The next start was one old interval after the last one: now it is a new one after it. */
    if (pacing->next_ns != 0)
        pacing->next_ns += pacing->interval_ns - before_ns;
}

struct instant
pacing_ready(const struct pacing *pacing, struct instant now)
{
    int64_t ready_us = us_of(pacing->next_ns);

    if (pacing->interval_ns == 0 || ready_us < now.us)
        return now;
    return (struct instant){ready_us};
}

void
pacing_take(struct pacing *pacing, struct instant now)
{
    int64_t now_ns = now.us * NS_PER_US;
    int64_t late_ns = now_ns - pacing->next_ns;
    /* Who comes a little late for a slot has had that slot, so nothing is lost to timers. */
    bool has_slot = pacing->interval_ns > 0 && late_ns <= LATE_NS;

    pacing->next_ns = (has_slot ? pacing->next_ns : now_ns) + pacing->interval_ns;
}

int64_t
pacing_interval_us(const struct pacing *pacing)
{
    return us_of(pacing->interval_ns);
}
