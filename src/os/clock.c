/* SPDX-License-Identifier: Apache-2.0 */
#include "os/clock.h"

#include <stddef.h>
#include <time.h>

#include "base/check.h"

static int64_t
read_us(clockid_t id)
{
    struct timespec now;

    CHECK(clock_gettime(id, &now) == 0);
    return now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static struct instant
system_instant(const struct clock *clock)
{
    (void)clock;
    return (struct instant){read_us(CLOCK_MONOTONIC)};
}

static struct walltime
system_walltime(const struct clock *clock)
{
    (void)clock;
    return (struct walltime){read_us(CLOCK_REALTIME)};
}

const struct clock clock_system = {system_instant, system_walltime};

static const struct clock_manual *
manual(const struct clock *clock)
{
    return (const struct clock_manual *)(const void *)clock;
}

static struct instant
manual_instant(const struct clock *clock)
{
    return manual(clock)->instant_now;
}

static struct walltime
manual_walltime(const struct clock *clock)
{
    return manual(clock)->walltime_now;
}

void
clock_manual_init(struct clock_manual *clock, struct walltime start)
{
    /* Not zero, or code that takes zero for "never" would pass its tests. */
    *clock = (struct clock_manual){
        .base = {manual_instant, manual_walltime},
        .instant_now = {US_PER_S},
        .walltime_now = start,
    };
}

void
clock_manual_advance(struct clock_manual *clock, int64_t us)
{
    CHECK(us >= 0);
    clock->instant_now.us += us;
    clock->walltime_now.us += us;
}
