/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/delivery.h"

#include <string.h>

#include "base/check.h"

static const char *const status_names[] = {
    [DELIVERY_PENDING] = "pending",
    [DELIVERY_WAITING] = "waiting",
    [DELIVERY_DELIVERED] = "delivered",
    [DELIVERY_DEAD] = "dead",
    [DELIVERY_SKIPPED] = "skipped",
    [DELIVERY_SUPERSEDED] = "superseded",
    [DELIVERY_CANCELLED] = "cancelled",
    [DELIVERY_EXPIRED] = "expired",
};

const char *
delivery_status_name(enum delivery_status status)
{
    CHECK((unsigned)status < COUNT_OF(status_names));
    return status_names[status];
}

void
bitmap_fill(uint8_t *bitmap, size_t count)
{
    memset(bitmap, 0xff, BITMAP_BYTES(count));
    if (count % 8 != 0)
        bitmap[count / 8] = (uint8_t)((1U << (count % 8)) - 1U);
}

bool
bitmap_get(const uint8_t *bitmap, size_t i)
{
    return (bitmap[i / 8] >> (i % 8) & 1U) != 0;
}

void
bitmap_set(uint8_t *bitmap, size_t i)
{
    bitmap[i / 8] = (uint8_t)(bitmap[i / 8] | 1U << (i % 8));
}

void
bitmap_clear(uint8_t *bitmap, size_t i)
{
    bitmap[i / 8] = (uint8_t)(bitmap[i / 8] & ~(1U << (i % 8)));
}

size_t
bitmap_count(const uint8_t *bitmap, size_t count)
{
    size_t on = 0;

    for (size_t i = 0; i < BITMAP_BYTES(count); i++)
        on += (size_t)__builtin_popcount(bitmap[i]);
    return on;
}

size_t
bitmap_next(const uint8_t *bitmap, size_t count, size_t from)
{
    for (size_t i = from; i < count; i++) {
        if (i % 8 == 0 && bitmap[i / 8] == 0) {
            i += 7;
            continue;
        }
        if (bitmap_get(bitmap, i))
            return i;
    }
    return count;
}

static void
put_u16(uint8_t *out, unsigned value)
{
    out[0] = (uint8_t)value;
    out[1] = (uint8_t)(value >> 8);
}

static unsigned
get_u16(const uint8_t *in)
{
    return (unsigned)in[0] | (unsigned)in[1] << 8;
}

static unsigned
clamp_u16(int64_t value)
{
    if (value < 0)
        return 0;
    return value > UINT16_MAX ? UINT16_MAX : (unsigned)value;
}

void
record_encode(const struct attempt_record *record, uint8_t out[RECORD_BYTES])
{
    unsigned attempt =
        record->attempt > RECORD_ATTEMPTS_MAX ? RECORD_ATTEMPTS_MAX : record->attempt;

    CHECK(record->index < CHUNK_MEMBERS_MAX && record->result < 1024);
    put_u16(out, record->index);
    put_u16(out + 2, attempt << 10 | record->result);
    put_u16(out + 4, clamp_u16(record->latency_ms));
    put_u16(out + 6, clamp_u16(record->started_ms / 10));
}

struct attempt_record
record_decode(const uint8_t in[RECORD_BYTES])
{
    unsigned packed = get_u16(in + 2);

    return (struct attempt_record){
        .index = get_u16(in),
        .attempt = packed >> 10,
        .result = packed & 1023U,
        .latency_ms = get_u16(in + 4),
        .started_ms = (int64_t)get_u16(in + 6) * 10,
    };
}
