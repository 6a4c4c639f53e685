/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests a key may make: a token bucket for each, in a table that all loops share.
 *
 * A key is known by its SHA-256 alone, before anybody has looked whether it opens anything: a guess
 * has a bucket of its own, and so the answer tells a stranger nothing. The table has a fixed number
 * of places. When all that a key can have are taken, the bucket that will be whole again first
 * goes, and begins anew when its key comes back: to forget is only ever to allow more. To push a
 * used-up bucket out takes as many others that are as used up, so nobody gains by making keys up.
 */
#ifndef HTTP_REQUEST_LIMIT_H
#define HTTP_REQUEST_LIMIT_H

#include <pthread.h>
#include <stdbool.h>

#include "base/digest.h"
#include "base/moment.h"

/* The limit is so many requests in this time: all at once, or spread. */
#define REQUEST_LIMIT_PERIOD_US (10 * US_PER_S)
#define REQUEST_LIMIT_MAX       1000000

/* Keys in use within the same seconds are fewer; 200 KB. A key has one of the places of its row. */
#define REQUEST_LIMIT_ROWS   512
#define REQUEST_LIMIT_PLACES 8

struct request_limit {
    pthread_mutex_t mutex;
    int64_t limit; /* 0: none */

    struct request_bucket {
        uint8_t key[SHA256_BYTES];
        struct instant at; /* when it was last looked at */
        /* What had been taken by then and not refilled yet, in requests times the period, so that
         * limit of these come back each microsecond, without a fraction. */
        int64_t taken;
    } rows[REQUEST_LIMIT_ROWS][REQUEST_LIMIT_PLACES]; /* guarded by mutex */
};

/* What an answer tells of a key's bucket. */
struct request_quota {
    int64_t limit; /* 0: there is none, and the rest means nothing */
    int64_t remaining;
    int64_t reset_s; /* until all of it is there again */
    int64_t wait_s;  /* refused: until there is one (1 or more) */
};

/* limit: 0 (none) to REQUEST_LIMIT_MAX. */
void request_limit_init(struct request_limit *self, int64_t limit);
void request_limit_done(struct request_limit *self);
/* May this key make a request now? A refused one takes nothing. *ret is always set. Any thread;
 * moments may come a little out of order. */
bool request_limit_take(struct request_limit *self, const uint8_t key[SHA256_BYTES],
    struct instant now, struct request_quota *ret);

#endif
