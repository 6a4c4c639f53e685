/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request_limit.h"

#include <string.h>

#include "base/check.h"

void
request_limit_init(struct request_limit *self, int64_t limit)
{
    CHECK(limit >= 0 && limit <= REQUEST_LIMIT_MAX);
    memset(self, 0, sizeof(*self));
    self->limit = limit;
    CHECK(pthread_mutex_init(&self->mutex, NULL) == 0);
}

void
request_limit_done(struct request_limit *self)
{
    CHECK(pthread_mutex_destroy(&self->mutex) == 0);
}

/* Microseconds until so much is refilled. */
static int64_t
refill_us(const struct request_limit *self, int64_t taken)
{
    return (taken + self->limit - 1) / self->limit;
}

static int64_t
whole_again_us(const struct request_limit *self, const struct request_bucket *bucket)
{
    return bucket->at.us + refill_us(self, bucket->taken);
}

/* Bring the bucket up to now. Past the period it is whole whatever was taken. */
static void
refill(const struct request_limit *self, struct request_bucket *bucket, struct instant now)
{
    int64_t passed_us = now.us - bucket->at.us;

    if (passed_us <= 0)
        return;
    if (passed_us > REQUEST_LIMIT_PERIOD_US)
        passed_us = REQUEST_LIMIT_PERIOD_US;
    bucket->taken -= passed_us * self->limit;
    if (bucket->taken < 0)
        bucket->taken = 0;
    bucket->at = now;
}

/* The key's own place, else that which will be whole again first, made new. */
static struct request_bucket *
place_of(struct request_limit *self, const uint8_t key[SHA256_BYTES], struct instant now)
{
    size_t row = ((size_t)key[0] << 8 | key[1]) % REQUEST_LIMIT_ROWS;
    struct request_bucket *places = self->rows[row];
    struct request_bucket *place = &places[0];

    for (size_t i = 0; i < REQUEST_LIMIT_PLACES; i++) {
        if (memcmp(places[i].key, key, SHA256_BYTES) == 0)
            return &places[i];
        if (whole_again_us(self, &places[i]) < whole_again_us(self, place))
            place = &places[i];
    }
    memcpy(place->key, key, SHA256_BYTES);
    place->at = now;
    place->taken = 0;
    return place;
}

static int64_t
seconds_up(int64_t us)
{
    return (us + US_PER_S - 1) / US_PER_S;
}

bool
request_limit_take(struct request_limit *self, const uint8_t key[SHA256_BYTES], struct instant now,
    struct request_quota *ret)
{
    int64_t whole = self->limit * REQUEST_LIMIT_PERIOD_US;
    struct request_bucket *bucket;
    struct request_quota quota = {.limit = self->limit};
    int64_t lacking;

    if (self->limit == 0) {
        *ret = quota;
        return true;
    }
    CHECK(pthread_mutex_lock(&self->mutex) == 0);
    bucket = place_of(self, key, now);
    refill(self, bucket, now);
    lacking = bucket->taken + REQUEST_LIMIT_PERIOD_US - whole;
    if (lacking <= 0)
        bucket->taken += REQUEST_LIMIT_PERIOD_US;
    quota.remaining = (whole - bucket->taken) / REQUEST_LIMIT_PERIOD_US;
    quota.reset_s = seconds_up(refill_us(self, bucket->taken));
    CHECK(pthread_mutex_unlock(&self->mutex) == 0);
    if (lacking > 0)
        quota.wait_s = seconds_up(refill_us(self, lacking));
    *ret = quota;
    return lacking <= 0;
}
