/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/schedule.h"

#include "base/compiler.h"

#define S(seconds) ((seconds)*US_PER_S)
#define MIN(n)     S((n)*INT64_C(60))
#define HOURS(n)   S((n)*INT64_C(3600))

/* Standard Webhooks suggests these: a restart is over in seconds, a deployment in minutes, a night
 * or a weekend's outage in two or three days. */
static const int64_t standard_us[] = {S(5), MIN(5), MIN(30), HOURS(2), HOURS(5), HOURS(10),
    HOURS(14), HOURS(20), HOURS(24)};

struct schedule
schedule_standard(uint32_t attempts_max)
{
    struct schedule schedule = {.count = attempts_max > 0 ? attempts_max - 1 : 0};

    if (schedule.count > SCHEDULE_DELAYS_MAX)
        schedule.count = SCHEDULE_DELAYS_MAX;
    for (size_t i = 0; i < schedule.count; i++)
        schedule.delays_us[i] =
            standard_us[i < COUNT_OF(standard_us) ? i : COUNT_OF(standard_us) - 1];
    return schedule;
}

/* From delay - 20 % to delay + 20 %. */
static int64_t
jitter(int64_t delay_us, uint64_t random)
{
    uint64_t width = (uint64_t)(delay_us / 5) * 2 + 1;

    return delay_us - delay_us / 5 + (int64_t)(random % width);
}

bool
schedule_next(const struct schedule *schedule, uint32_t attempts_made, uint64_t random,
    int64_t retry_after_us, int64_t *ret_delay_us)
{
    int64_t delay_us;

    if (attempts_made > schedule->count)
        return false;
    if (attempts_made == 0) {
        *ret_delay_us = 0;
        return true;
    }
    delay_us = jitter(schedule->delays_us[attempts_made - 1], random);
    if (retry_after_us > RETRY_AFTER_US_MAX)
        retry_after_us = RETRY_AFTER_US_MAX;
    *ret_delay_us = retry_after_us > delay_us ? retry_after_us : delay_us;
    return true;
}
