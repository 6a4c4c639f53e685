/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something may happen, over all loops: a token bucket in one atomic number.
 *
 * All zeroes is a full bucket. The number is the moment from which the bucket is full again; each
 * take moves it on. Any thread.
 */
#ifndef RECEIVE_SOURCE_RATE_H
#define RECEIVE_SOURCE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/moment.h"

struct source_rate {
    _Atomic int64_t full_ns; /* of an instant */
};

/* May it happen now, at this many a second with so many at once? If not, nothing is taken and
 * *ret_wait_us says how long to wait. rate is above 0, burst at least 1. */
bool source_rate_take(struct source_rate *self, double rate, unsigned burst, struct instant now,
    int64_t *ret_wait_us);

#endif
