/* SPDX-License-Identifier: Apache-2.0 */
#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

void
random_bytes(void *out, size_t len)
{
    unsigned char *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0 && errno == EINTR)
            continue;
        CHECK(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

void
random_seed(struct random *random, uint64_t seed)
{
    /* splitmix64, as the authors of xoshiro advise: near seeds must not give near states. */
    for (size_t i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->state[i] = z ^ (z >> 31);
    }
}

static uint64_t
rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

uint64_t
random_next(struct random *random)
{
    uint64_t *state = random->state;
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;

    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

int64_t
random_between(struct random *random, int64_t low, int64_t high)
{
    uint64_t width = (uint64_t)high - (uint64_t)low; /* one less than there are values */
    uint64_t count = width + 1;
    uint64_t drawn = random_next(random);

    CHECK(low <= high);
    if (count != 0) {
        /* The first 2^64 mod count draws would make some values likelier than others. */
        uint64_t surplus = (0 - count) % count;

        while (drawn < surplus)
            drawn = random_next(random);
        drawn %= count;
    }
    return (int64_t)((uint64_t)low + drawn);
}
