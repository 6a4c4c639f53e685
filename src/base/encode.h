/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as text and back: hex, base64 (RFC 4648 §4 padded, §5 unpadded), base32 (lower case,
 * unpadded: a2-7).
 *
 * Decoders are strict: no white space, no missing or surplus padding, no stray bits; hex may be of
 * either case.
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/buf.h"

void hex_append(struct buf *buf, const void *bytes, size_t len); /* lower case */
void base64_append(struct buf *buf, const void *bytes, size_t len);
void base64url_append(struct buf *buf, const void *bytes, size_t len);
void base32_append(struct buf *buf, const void *bytes, size_t len);

/* Write at most capacity bytes to out; ERR_INVALID for bad text, ERR_LIMIT if it does not fit. */
MUST_CHECK enum err hex_decode(struct str text, void *out, size_t capacity, size_t *ret_len);
MUST_CHECK enum err base64_decode(struct str text, void *out, size_t capacity, size_t *ret_len);
MUST_CHECK enum err base64url_decode(struct str text, void *out, size_t capacity, size_t *ret_len);
MUST_CHECK enum err base32_decode(struct str text, void *out, size_t capacity, size_t *ret_len);

/* The same into a caller's array, without a NUL, for hot paths: base64 takes 4 * ((len + 2) / 3)
 * bytes, base32 (len * 8 + 4) / 5. They return the number of bytes written. */
size_t base64_encode(const void *bytes, size_t len, char *out);
size_t base32_encode(const void *bytes, size_t len, char *out);

/* "%41" to "A"; '+' stays. ERR_INVALID for a broken escape or a NUL, ERR_LIMIT when buf is full;
 * on failure buf keeps what it held. */
MUST_CHECK enum err percent_decode(struct str text, struct buf *buf);
void percent_append(struct buf *buf, struct str text); /* all but RFC 3986 unreserved characters */

#endif
