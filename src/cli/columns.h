/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for a person at a terminal: rows in aligned columns, and what strangers sent made harmless.
 *
 * A control character, which could steer the terminal or make one text look like another, is shown
 * as "?". Pure.
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include "base/arena.h"
#include "base/buf.h"

#define COLUMNS_MAX 8

struct columns_row;

struct columns {
    struct arena *arena; /* borrowed */
    const char *const *titles;
    size_t count;
    size_t widths[COLUMNS_MAX];
    struct columns_row *first;
    struct columns_row **end;
    size_t filled; /* cells of the last row */
};

/* titles: static. At most COLUMNS_MAX. */
void columns_init(struct columns *columns, struct arena *arena, const char *const *titles,
    size_t count);
/* The next cell, from left to right; copied. Absent or empty: "-". A full arena shows there. */
void columns_add(struct columns *columns, struct str text);
PRINTF(2, 3) void columns_printf(struct columns *columns, const char *fmt, ...);
/* A line of titles, then a line for each row; nothing where there is none. */
void columns_print(const struct columns *columns, struct buf *buf);

/* One line of it. */
void plain_append(struct buf *buf, struct str text);
/* Several lines, each behind `before`; the last ends, too. */
void plain_append_block(struct buf *buf, const char *before, struct str text);

#endif
