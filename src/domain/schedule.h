/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to try again: about three days of attempts, first close together, then far apart.
 *
 * Pure: the randomness and the time are handed in. Endpoints that went down together must not be
 * called back together, so each delay is moved by up to a fifth either way. What the endpoint asks
 * for (Retry-After) only ever delays.
 */
#ifndef DOMAIN_SCHEDULE_H
#define DOMAIN_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/retry_after.h"

#define SCHEDULE_ATTEMPTS_DEFAULT 10
#define SCHEDULE_DELAYS_MAX       99 /* a hundred attempts */

/* The delay before the second attempt, the third, … There is one attempt more than delays. */
struct schedule {
    int64_t delays_us[SCHEDULE_DELAYS_MAX];
    size_t count;
};

/* The published one, for 1 to 100 attempts; beyond its table the last delay is repeated. */
struct schedule schedule_standard(uint32_t attempts_max);

/* From the last attempt to the next one; false when all have been made, and then ret_delay_us is
 * left alone. With attempts_made 0 the answer is "at once". random: 64 even bits. retry_after_us:
 * 0 where nothing was asked. */
bool schedule_next(const struct schedule *schedule, uint32_t attempts_made, uint64_t random,
    int64_t retry_after_us, int64_t *ret_delay_us);

#endif
