/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Randomness: the kernel's for secrets, a small seeded generator for jitter and tests.
 */
#ifndef OS_RANDOM_H
#define OS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* getrandom(2); never fails on Linux once the system is up, so a failure is a CHECK. */
void random_bytes(void *out, size_t len);

/* xoshiro256**: not for secrets. One per thread; a test seeds it. */
struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* Evenly from [low, high], both included; low <= high. */
int64_t random_between(struct random *random, int64_t low, int64_t high);

#endif
