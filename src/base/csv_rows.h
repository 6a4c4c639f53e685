/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of CSV (RFC 4180) as they stream in, on libcsv: the one place that knows it.
 *
 * Comma or semicolon, whichever the first row has more of; a byte order mark, any line ends, blank
 * lines and spaces around unquoted fields are passed over. Strict about quotes: a row with a stray
 * one is wrong, and reading goes on with the next line. However the bytes are cut into pieces, the
 * rows are the same.
 */
#ifndef BASE_CSV_ROWS_H
#define BASE_CSV_ROWS_H

#include "base/str.h"

#define CSV_FIELDS_MAX 16

struct csv_rows;

struct csv_row {
    int64_t line;                      /* where it starts, from 1, as an editor counts */
    struct str fields[CSV_FIELDS_MAX]; /* any bytes */
    size_t count;      /* of all its fields; those beyond the maximum are not kept */
    const char *wrong; /* what is wrong with it, and then it has no fields; NULL: nothing */
};

/* on_row is called for each row, which is borrowed. A row longer than row_bytes_max is wrong. */
MUST_CHECK enum err csv_rows_new(size_t row_bytes_max,
    void (*on_row)(const struct csv_row *row, void *arg), void *arg, struct csv_rows **ret);
void csv_rows_free(struct csv_rows *rows);
void csv_rows_freep(struct csv_rows **rows);

/* ERR_NOMEM is the end: nothing may be fed any more. */
MUST_CHECK enum err csv_rows_feed(struct csv_rows *rows, struct str piece);
MUST_CHECK enum err csv_rows_end(struct csv_rows *rows);

#endif
