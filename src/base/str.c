/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <string.h>

struct str
str_from(const char *cstr)
{
    if (cstr == NULL)
        return (struct str){NULL, 0};
    return (struct str){cstr, strlen(cstr)};
}

bool
str_equals(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
str_equals_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool
str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_equals((struct str){s.ptr, prefix.len}, prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
    if (s.len < suffix.len)
        return false;
    return suffix.len == 0 ||
           str_equals((struct str){s.ptr + (s.len - suffix.len), suffix.len}, suffix);
}

int
str_compare(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static bool
is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str
str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

struct str
str_slice(struct str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    if (s.ptr == NULL)
        return s;
    return (struct str){s.ptr + from, to - from};
}

char *
str_put(char *at, struct str s)
{
    if (s.len > 0)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

size_t
str_find(struct str s, char c, size_t from)
{
    const char *found;

    if (from >= s.len)
        return SIZE_MAX;
    found = memchr(s.ptr + from, c, s.len - from);
    return found == NULL ? SIZE_MAX : (size_t)(found - s.ptr);
}

bool
str_split(struct str *rest, char separator, struct str *ret)
{
    size_t at;

    if (rest->ptr == NULL)
        return false;
    at = str_find(*rest, separator, 0);
    if (at == SIZE_MAX) {
        *ret = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *ret = (struct str){rest->ptr, at};
    *rest = (struct str){rest->ptr + at + 1, rest->len - at - 1};
    return true;
}

enum err
str_to_int64(struct str s, int64_t *ret)
{
    bool negative = s.len > 0 && s.ptr[0] == '-';
    int64_t value = 0;

    if (s.len == (negative ? 1U : 0U))
        return ERR_INVALID;
    for (size_t i = negative ? 1 : 0; i < s.len; i++) {
        int digit = s.ptr[i] - '0';

        if (digit < 0 || digit > 9)
            return ERR_INVALID;
        /* Downwards from zero for '-': the smallest number has no positive twin. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return ERR_INVALID;
    }
    *ret = value;
    return OK;
}

/* Bytes of the character that starts at bytes, or 0 when it is broken. */
static size_t
utf8_character_len(const unsigned char *bytes, size_t len)
{
    unsigned char lead = bytes[0];
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t wanted;

    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    wanted = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    /* The second byte alone tells overlong forms, surrogates and what is past U+10FFFF. */
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (len < wanted || bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < wanted; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    return wanted;
}

bool
str_is_utf8(struct str s)
{
    const unsigned char *bytes = (const unsigned char *)s.ptr;
    size_t at = 0;

    while (at < s.len) {
        uint64_t eight;
        size_t len;

        /* Nearly all text is ASCII: eight bytes at a time where it is. */
        if (s.len - at >= sizeof(eight)) {
            memcpy(&eight, bytes + at, sizeof(eight));
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(eight);
                continue;
            }
        }
        len = utf8_character_len(bytes + at, s.len - at);
        if (len == 0)
            return false;
        at += len;
    }
    return true;
}
