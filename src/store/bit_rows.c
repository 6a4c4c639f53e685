/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bit_rows.h"

#include <string.h>

enum err
bit_row_find(struct rows *rows, int64_t pos, struct bit_row *ret, struct error *reterr)
{
    struct bit_row row = {.pk = 0};
    enum err err;

    while (row.pk == 0 && rows_next(rows)) {
        size_t index = (size_t)(pos - rows_int(rows, 1));
        size_t count = (size_t)rows_int(rows, 2);
        struct str todo = rows_str(rows, 4);

        /* A row that is damaged holds nobody. */
        if (count > CHUNK_MEMBERS_MAX || todo.len != BITMAP_BYTES(count) || index >= count ||
            !bitmap_get((const uint8_t *)todo.ptr, index))
            continue;
        row.pk = rows_int(rows, 0);
        row.attempts = (unsigned)rows_int(rows, 3);
        row.count = count;
        memcpy(row.todo, todo.ptr, todo.len);
        bitmap_clear(row.todo, index);
    }
    err = rows_end(rows, reterr);
    if (err == OK)
        *ret = row;
    return err;
}

bool
bit_row_is_empty(const struct bit_row *row)
{
    return bitmap_count(row->todo, row->count) == 0;
}

struct value
bit_row_todo(const struct bit_row *row)
{
    return v_blob((struct str){(const char *)row->todo, BITMAP_BYTES(row->count)});
}
