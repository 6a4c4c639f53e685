/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audience.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* On disk: a version byte, then per range group, lo, hi as 8 bytes little-endian and a flag. */
#define ENCODED_VERSION     1
#define ENCODED_RANGE_BYTES 25

void
audience_init(struct audience *audience)
{
    *audience = (struct audience){0};
}

void
audience_done(struct audience *audience)
{
    free(audience->ranges);
    audience_init(audience);
}

enum err
audience_add(struct audience *audience, int64_t group_pk, int64_t lo, int64_t hi, bool is_told)
{
    CHECK(lo >= 0 && lo <= hi);
    if (lo == hi)
        return OK;
    if (audience->count == AUDIENCE_RANGES_MAX)
        return ERR_LIMIT;
    if (audience->count == audience->capacity) {
        size_t capacity = audience->capacity == 0 ? 8 : audience->capacity * 2;
        struct audience_range *ranges =
            reallocarray(audience->ranges, capacity, sizeof(*audience->ranges));

        if (ranges == NULL)
            return ERR_NOMEM;
        audience->ranges = ranges;
        audience->capacity = capacity;
    }
    audience->ranges[audience->count++] = (struct audience_range){group_pk, lo, hi, is_told};
    return OK;
}

static void
put_int64(char *out, int64_t value)
{
    uint64_t bits = (uint64_t)value;

    for (int i = 0; i < 8; i++)
        out[i] = (char)(bits >> (8 * i));
}

static int64_t
get_int64(const char *in)
{
    uint64_t bits = 0;

    for (int i = 0; i < 8; i++)
        bits |= (uint64_t)(uint8_t)in[i] << (8 * i);
    return (int64_t)bits;
}

void
audience_encode(const struct audience *audience, struct buf *buf)
{
    char encoded[ENCODED_RANGE_BYTES];

    buf_append_char(buf, ENCODED_VERSION);
    for (size_t i = 0; i < audience->count; i++) {
        put_int64(encoded, audience->ranges[i].group_pk);
        put_int64(encoded + 8, audience->ranges[i].lo);
        put_int64(encoded + 16, audience->ranges[i].hi);
        encoded[24] = audience->ranges[i].is_told ? 1 : 0;
        buf_append(buf, encoded, sizeof(encoded));
    }
}

enum err
audience_decode(struct str bytes, struct audience *ret)
{
    struct audience audience;
    int64_t total = 0;

    if (bytes.len < 1 || bytes.ptr[0] != ENCODED_VERSION ||
        (bytes.len - 1) % ENCODED_RANGE_BYTES != 0)
        return ERR_INVALID;

    audience_init(&audience);
    for (size_t at = 1; at < bytes.len; at += ENCODED_RANGE_BYTES) {
        const char *encoded = bytes.ptr + at;
        int64_t lo = get_int64(encoded + 8);
        int64_t hi = get_int64(encoded + 16);
        enum err err = ERR_INVALID;

        /* The sum bounds every position, so that none can overflow later. */
        if (lo >= 0 && lo < hi && !__builtin_add_overflow(total, hi - lo, &total) &&
            (uint8_t)encoded[24] <= 1)
            err = audience_add(&audience, get_int64(encoded), lo, hi, encoded[24] == 1);
        if (err != OK) {
            audience_done(&audience);
            return err;
        }
    }
    *ret = audience;
    return OK;
}

static bool
has_positions(const struct audience_range *range, int64_t filter_group)
{
    if (range->is_told)
        return false;
    return filter_group == 0 || range->group_pk == filter_group;
}

int64_t
audience_positions(const struct audience *audience, int64_t filter_group)
{
    int64_t positions = 0;

    for (size_t i = 0; i < audience->count; i++)
        if (has_positions(&audience->ranges[i], filter_group))
            positions += audience->ranges[i].hi - audience->ranges[i].lo;
    return positions;
}

bool
audience_at(const struct audience *audience, int64_t filter_group, int64_t pos, size_t *ret_range,
    int64_t *ret_ord)
{
    int64_t start = 0;

    for (size_t i = 0; i < audience->count; i++) {
        const struct audience_range *range = &audience->ranges[i];

        if (!has_positions(range, filter_group))
            continue;
        if (pos < start + (range->hi - range->lo)) {
            *ret_range = i;
            *ret_ord = range->lo + (pos - start);
            return pos >= start;
        }
        start += range->hi - range->lo;
    }
    return false;
}

int64_t
audience_position(const struct audience *audience, int64_t filter_group, size_t range_index,
    int64_t ord)
{
    int64_t start = 0;

    CHECK(range_index < audience->count);
    CHECK(has_positions(&audience->ranges[range_index], filter_group));
    for (size_t i = 0; i < range_index; i++)
        if (has_positions(&audience->ranges[i], filter_group))
            start += audience->ranges[i].hi - audience->ranges[i].lo;
    return start + (ord - audience->ranges[range_index].lo);
}
