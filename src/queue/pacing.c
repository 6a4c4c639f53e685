/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/pacing.h"

/* Starts may bunch within a twentieth of a second: timers are not finer than a few of these
 * slots at high rates, and what a late timer missed must be caught up. */
#define BURST_US (US_PER_S / 20)

void
pacing_set(struct pacing *pacing, double rate)
{
    int64_t before_us = pacing->interval_us;

    pacing->interval_us = rate > 0 ? (int64_t)((double)US_PER_S / rate) : 0;
    /* The next start was one old interval after the last one: now it is a new one after it. */
    if (pacing->next_us != 0)
        pacing->next_us += pacing->interval_us - before_us;
    pacing->tolerance_us = BURST_US > pacing->interval_us ? BURST_US - pacing->interval_us : 0;
}

struct instant
pacing_ready(const struct pacing *pacing, struct instant now)
{
    int64_t ready_us = pacing->next_us - pacing->tolerance_us;

    if (pacing->interval_us == 0 || ready_us < now.us)
        return now;
    return (struct instant){ready_us};
}

void
pacing_take(struct pacing *pacing, struct instant now)
{
    int64_t from_us = pacing->next_us > now.us ? pacing->next_us : now.us;

    pacing->next_us = from_us + pacing->interval_us;
}
