/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv_rows.h"

#include "base/buf.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
print_row(const struct csv_row *row, void *arg)
{
    struct buf *buf = arg;

    buf_printf(buf, "%lld %zu %s", (long long)row->line, row->count,
        row->wrong != NULL ? row->wrong : "");
    for (size_t i = 0; i < row->count && i < CSV_FIELDS_MAX; i++) {
        buf_printf(buf, " %zu:", row->fields[i].len);
        buf_append_str(buf, row->fields[i]);
    }
    buf_append_char(buf, '\n');
}

static void
read_rows(struct str text, size_t step, struct buf *out)
{
    struct csv_rows *rows = NULL;

    buf_init(out, 64 << 20);
    CHECK(csv_rows_new(200, print_row, out, &rows) == OK);
    for (size_t at = 0; at < text.len; at += step)
        CHECK(csv_rows_feed(rows, str_slice(text, at, at + step)) == OK);
    CHECK(csv_rows_end(rows) == OK);
    csv_rows_free(rows);
}

/* The first byte says how long the pieces are; the rows do not depend on it. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole;
    struct buf cut;
    struct str text;

    if (size < 2)
        return 0;
    text = (struct str){(const char *)data + 1, size - 1};
    read_rows(text, text.len, &whole);
    read_rows(text, (size_t)data[0] + 1, &cut);
    CHECK(str_equals(buf_str(&whole), buf_str(&cut)));
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
