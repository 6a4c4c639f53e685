/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that say with a bitmap which of some members they are about: chunk and dead.
 *
 * A member is a position of a fan-out; a row holds [base, base + count), no more than
 * CHUNK_MEMBERS_MAX of them, so that those with base in (pos - CHUNK_MEMBERS_MAX, pos] are all that
 * may hold a position.
 */
#ifndef STORE_BIT_ROWS_H
#define STORE_BIT_ROWS_H

#include "domain/delivery.h"
#include "store/engine.h"

struct bit_row {
    int64_t pk; /* 0: there is none */
    unsigned attempts;
    size_t count;
    uint8_t todo[BITMAP_BYTES_MAX]; /* the position's bit is off here */
};

/* The first of the selected rows (pk, base, count, attempts, todo) whose bit for pos is on. Ends
 * the rows. */
MUST_CHECK enum err bit_row_find(struct rows *rows, int64_t pos, struct bit_row *ret,
    struct error *reterr);
bool bit_row_is_empty(const struct bit_row *row);
struct value bit_row_todo(const struct bit_row *row); /* borrows */

#endif
