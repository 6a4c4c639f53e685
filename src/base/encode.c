/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

void
hex_append(struct buf *buf, const void *bytes, size_t len)
{
    const unsigned char *in = bytes;
    char *out = len <= SIZE_MAX / 2 ? buf_reserve(buf, 2 * len) : NULL;

    if (out == NULL)
        return;
    for (size_t i = 0; i < len; i++) {
        *out++ = hex_digits[in[i] >> 4];
        *out++ = hex_digits[in[i] & 15];
    }
    buf_added(buf, 2 * len);
}

/* Both forms of base64 without their padding; returns the digits written. */
static size_t
encode64(const char digits[64], const unsigned char *in, size_t len, char *out)
{
    char *at = out;

    for (; len >= 3; len -= 3, in += 3) {
        *at++ = digits[in[0] >> 2];
        *at++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
        *at++ = digits[(in[1] & 15) << 2 | in[2] >> 6];
        *at++ = digits[in[2] & 63];
    }
    if (len > 0) {
        unsigned char second = len == 2 ? in[1] : 0;

        *at++ = digits[in[0] >> 2];
        *at++ = digits[(in[0] & 3) << 4 | second >> 4];
        if (len == 2)
            *at++ = digits[(second & 15) << 2];
    }
    return (size_t)(at - out);
}

size_t
base64_encode(const void *bytes, size_t len, char *out)
{
    size_t written = encode64(base64_digits, bytes, len, out);

    while (written % 4 != 0)
        out[written++] = '=';
    return written;
}

void
base64_append(struct buf *buf, const void *bytes, size_t len)
{
    char *out = buf_reserve(buf, len / 3 * 4 + (len % 3 > 0 ? 4 : 0));

    if (out != NULL)
        buf_added(buf, base64_encode(bytes, len, out));
}

void
base64url_append(struct buf *buf, const void *bytes, size_t len)
{
    char *out = buf_reserve(buf, len / 3 * 4 + (len % 3 > 0 ? len % 3 + 1 : 0));

    if (out != NULL)
        buf_added(buf, encode64(base64url_digits, bytes, len, out));
}

size_t
base32_encode(const void *bytes, size_t len, char *out)
{
    const unsigned char *in = bytes;
    unsigned held = 0;
    unsigned bits = 0;
    char *at = out;

    for (size_t i = 0; i < len; i++) {
        held = (held & 31) << 8 | in[i];
        bits += 8;
        while (bits >= 5) {
            bits -= 5;
            *at++ = base32_digits[held >> bits & 31];
        }
    }
    if (bits > 0)
        *at++ = base32_digits[held << (5 - bits) & 31];
    return (size_t)(at - out);
}

void
base32_append(struct buf *buf, const void *bytes, size_t len)
{
    static const unsigned char tail[] = {0, 2, 4, 5, 7};
    char *out = buf_reserve(buf, len / 5 * 8 + tail[len % 5]);

    if (out != NULL)
        buf_added(buf, base32_encode(bytes, len, out));
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err
hex_decode(struct str text, void *out, size_t capacity, size_t *ret_len)
{
    unsigned char *at = out;

    if (text.len % 2 != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        if (hex_value(text.ptr[i]) < 0)
            return ERR_INVALID;
    }
    if (text.len / 2 > capacity)
        return ERR_LIMIT;
    for (size_t i = 0; i < text.len; i += 2)
        *at++ = (unsigned char)(hex_value(text.ptr[i]) << 4 | hex_value(text.ptr[i + 1]));
    *ret_len = text.len / 2;
    return OK;
}

static int
base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int
base64url_value(char c)
{
    if (c == '+' || c == '/')
        return -1;
    return base64_value(c == '-' ? '+' : c == '_' ? '/' : c);
}

static int
base32_value(char c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

struct alphabet {
    int (*value)(char c);
    unsigned bits; /* of one digit */
};

/* What base64 and base32 have in common: digits of some bits, without padding. */
static enum err
decode(struct alphabet alphabet, struct str text, void *out, size_t capacity, size_t *ret_len)
{
    size_t len = text.len / 8 * alphabet.bits + text.len % 8 * alphabet.bits / 8;
    unsigned left = (unsigned)(text.len % 8 * alphabet.bits % 8);
    unsigned char *at = out;
    unsigned held = 0;
    unsigned bits = 0;

    /* A whole digit that carries nothing but padding bits. */
    if (left >= alphabet.bits)
        return ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        if (alphabet.value(text.ptr[i]) < 0)
            return ERR_INVALID;
    }
    if (left > 0 && ((unsigned)alphabet.value(text.ptr[text.len - 1]) & (BIT(left) - 1)) != 0)
        return ERR_INVALID;
    if (len > capacity)
        return ERR_LIMIT;

    for (size_t i = 0; i < text.len; i++) {
        held = (held & 0xff) << alphabet.bits | (unsigned)alphabet.value(text.ptr[i]);
        bits += alphabet.bits;
        if (bits >= 8) {
            bits -= 8;
            *at++ = (unsigned char)(held >> bits);
        }
    }
    *ret_len = len;
    return OK;
}

enum err
base64_decode(struct str text, void *out, size_t capacity, size_t *ret_len)
{
    size_t padding = 0;

    if (text.len % 4 != 0)
        return ERR_INVALID;
    while (padding < 2 && text.len > padding && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    return decode((struct alphabet){base64_value, 6}, str_slice(text, 0, text.len - padding), out,
        capacity, ret_len);
}

enum err
base64url_decode(struct str text, void *out, size_t capacity, size_t *ret_len)
{
    return decode((struct alphabet){base64url_value, 6}, text, out, capacity, ret_len);
}

enum err
base32_decode(struct str text, void *out, size_t capacity, size_t *ret_len)
{
    return decode((struct alphabet){base32_value, 5}, text, out, capacity, ret_len);
}

static enum err
percent_decode_each(struct str text, struct buf *buf)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '%') {
            if (text.len - i < 3 || hex_value(text.ptr[i + 1]) < 0 ||
                hex_value(text.ptr[i + 2]) < 0)
                return ERR_INVALID;
            c = (char)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
            i += 2;
        }
        if (c == '\0')
            return ERR_INVALID;
        if (buf_reserve(buf, 1) == NULL)
            return ERR_LIMIT;
        buf_append_char(buf, c);
    }
    return OK;
}

enum err
percent_decode(struct str text, struct buf *buf)
{
    size_t before = buf->len;
    enum err err = percent_decode_each(text, buf);

    if (err != OK && buf->ptr != NULL) {
        buf->len = before;
        buf->ptr[before] = '\0';
    }
    return err;
}

static bool
is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void
percent_append(struct buf *buf, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (is_unreserved(text.ptr[i])) {
            buf_append_char(buf, text.ptr[i]);
        } else {
            char escape[3] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};

            buf_append(buf, escape, sizeof(escape));
        }
    }
}
