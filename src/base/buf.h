/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growing bytes with a maximum of their own.
 *
 * A buffer that would pass its maximum, or for which there is no memory, drops the append, stays
 * as it was and is marked full: a builder may append freely and ask buf_is_full once at the end.
 * Always followed by a NUL that is not counted.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    char *ptr; /* owned */
    size_t len;
    size_t capacity;
    size_t max;
    bool full;
};

void buf_init(struct buf *buf, size_t max); /* allocates nothing yet */
void buf_done(struct buf *buf);             /* frees; the buffer may be used again as empty */
void buf_clear(struct buf *buf);            /* keeps the memory, forgets content and mark */

void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_str(struct buf *buf, struct str s);
void buf_append_char(struct buf *buf, char c);
void buf_append_int(struct buf *buf, int64_t value);
PRINTF(2, 3) void buf_printf(struct buf *buf, const char *fmt, ...);
#define buf_append_literal(buf, literal) buf_append((buf), ("" literal), sizeof(literal) - 1)

/* Room for len more bytes to be written by the caller, who then calls buf_added; NULL if full. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_added(struct buf *buf, size_t len);
void buf_consume(struct buf *buf, size_t len); /* drop bytes at the front */

bool buf_is_full(const struct buf *buf);
struct str buf_str(const struct buf *buf); /* borrowed until the next append */

#endif
