/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/source_rate.h"

#include <stdatomic.h>

#define NS_PER_US 1000
#define NS_PER_S  1e9

/* No rate is so low, and far enough from the end of the numbers. */
#define SPAN_NS_MAX 1e15

static int64_t
span_ns(double ns)
{
    return ns < SPAN_NS_MAX ? (int64_t)ns : (int64_t)SPAN_NS_MAX;
}

bool
source_rate_take(struct source_rate *self, double rate, unsigned burst, struct instant now,
    int64_t *ret_wait_us)
{
    int64_t now_ns = now.us * NS_PER_US;
    int64_t each_ns = span_ns(NS_PER_S / rate);
    int64_t depth_ns = span_ns(NS_PER_S / rate * burst);
    int64_t full_ns = atomic_load_explicit(&self->full_ns, memory_order_relaxed);
    int64_t next_ns;

    do {
        next_ns = (full_ns > now_ns ? full_ns : now_ns) + each_ns;
        if (next_ns - now_ns > depth_ns) {
            *ret_wait_us = (next_ns - now_ns - depth_ns + NS_PER_US - 1) / NS_PER_US;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&self->full_ns, &full_ns, next_ns,
        memory_order_relaxed, memory_order_relaxed));
    return true;
}
