/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that reads time.
 *
 * Code that decides is handed moments; code at the edge holds a `struct clock`, which tests and
 * the simulation replace by one they set.
 */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include "base/moment.h"

struct clock {
    struct instant (*instant)(const struct clock *clock);
    struct walltime (*walltime)(const struct clock *clock);
};

extern const struct clock clock_system; /* CLOCK_MONOTONIC and CLOCK_REALTIME; any thread */

static inline struct instant
clock_instant(const struct clock *clock)
{
    return clock->instant(clock);
}

static inline struct walltime
clock_walltime(const struct clock *clock)
{
    return clock->walltime(clock);
}

/* A clock that stands still until moved; for tests. */
struct clock_manual {
    struct clock base;
    struct instant instant_now;
    struct walltime walltime_now;
};

void clock_manual_init(struct clock_manual *clock, struct walltime start);
void clock_manual_advance(struct clock_manual *clock, int64_t us); /* both kinds of time */

#endif
