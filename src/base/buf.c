/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define CAPACITY_FIRST 256

void
buf_init(struct buf *buf, size_t max)
{
    /* One byte stays free for the NUL, whatever maximum is asked for. */
    *buf = (struct buf){.max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4};
}

void
buf_done(struct buf *buf)
{
    free(buf->ptr);
    buf_init(buf, buf->max);
}

void
buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->full = false;
    if (buf->ptr != NULL)
        buf->ptr[0] = '\0';
}

char *
buf_reserve(struct buf *buf, size_t len)
{
    size_t capacity = buf->capacity > 0 ? buf->capacity : CAPACITY_FIRST;
    char *ptr;

    if (len > buf->max - buf->len) {
        buf->full = true;
        return NULL;
    }
    if (buf->ptr != NULL && len <= buf->capacity - buf->len)
        return buf->ptr + buf->len;

    while (capacity < buf->len + len)
        capacity *= 2;
    if (capacity > buf->max)
        capacity = buf->max;
    ptr = realloc(buf->ptr, capacity + 1);
    if (ptr == NULL) {
        buf->full = true;
        return NULL;
    }
    buf->ptr = ptr;
    buf->capacity = capacity;
    buf->ptr[buf->len] = '\0';
    return buf->ptr + buf->len;
}

void
buf_added(struct buf *buf, size_t len)
{
    CHECK(len <= buf->capacity - buf->len);
    buf->len += len;
    if (buf->ptr != NULL)
        buf->ptr[buf->len] = '\0';
}

void
buf_append(struct buf *buf, const void *bytes, size_t len)
{
    char *place;

    if (len == 0)
        return;
    place = buf_reserve(buf, len);
    if (place == NULL)
        return;
    memcpy(place, bytes, len);
    buf_added(buf, len);
}

void
buf_append_str(struct buf *buf, struct str s)
{
    buf_append(buf, s.ptr, s.len);
}

void
buf_append_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void
buf_append_int(struct buf *buf, int64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    buf_append(buf, digits + at, sizeof(digits) - at);
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    int len;
    char *place;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        buf->full = true;
        return;
    }
    place = buf_reserve(buf, (size_t)len);
    if (place == NULL)
        return;
    va_start(args, fmt);
    (void)vsnprintf(place, (size_t)len + 1, fmt, args);
    va_end(args);
    buf_added(buf, (size_t)len);
}

void
buf_consume(struct buf *buf, size_t len)
{
    CHECK(len <= buf->len);
    if (len == 0)
        return;
    buf->len -= len;
    memmove(buf->ptr, buf->ptr + len, buf->len + 1);
}

bool
buf_is_full(const struct buf *buf)
{
    return buf->full;
}

struct str
buf_str(const struct buf *buf)
{
    if (buf->ptr == NULL)
        return STR("");
    return (struct str){buf->ptr, buf->len};
}
