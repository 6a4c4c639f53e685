/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/columns.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

/* What one cell takes at most: more would push the others off the screen. */
#define CELL_BYTES_MAX 512

/* Between columns. */
#define GAP 2

struct columns_row {
    struct columns_row *next;
    struct str cells[COLUMNS_MAX];
};

/* --- harmless text ---------------------------------------------------------------------------- */

/* Bytes of the character at the start of text; 0: there is none. */
static size_t
character_len(struct str text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (str_is_utf8(str_slice(text, 0, len)))
            return len;
    }
    return 0;
}

/* C0, DEL, C1, and those that turn the direction of what follows. */
static bool
is_steering(struct str character)
{
    const unsigned char *bytes = (const unsigned char *)character.ptr;

    switch (character.len) {
    case 1: return bytes[0] < ' ' || bytes[0] == 0x7f;
    case 2: return bytes[0] == 0xc2 && bytes[1] < 0xa0;
    case 3:
        return bytes[0] == 0xe2 && ((bytes[1] == 0x80 && bytes[2] >= 0xaa && bytes[2] <= 0xae) ||
                                       (bytes[1] == 0x81 && bytes[2] >= 0xa6 && bytes[2] <= 0xa9));
    default: return false;
    }
}

void
plain_append(struct buf *buf, struct str text)
{
    while (text.len > 0) {
        size_t len = character_len(text);
        struct str character = str_slice(text, 0, len);

        if (len == 0 || is_steering(character))
            buf_append_char(buf, '?');
        else
            buf_append_str(buf, character);
        text = str_slice(text, len > 0 ? len : 1, text.len);
    }
}

void
plain_append_block(struct buf *buf, const char *before, struct str text)
{
    struct str line;

    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    while (str_split(&text, '\n', &line)) {
        if (str_ends(line, STR("\r")))
            line.len--;
        buf_append_str(buf, str_from(before));
        plain_append(buf, line);
        buf_append_char(buf, '\n');
    }
}

/* --- columns ---------------------------------------------------------------------------------- */

/* In characters: those that take two places, or none, are rare enough. */
static size_t
width_of(struct str text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return width;
}

void
columns_init(struct columns *columns, struct arena *arena, const char *const *titles, size_t count)
{
    CHECK(count > 0 && count <= COLUMNS_MAX);
    *columns = (struct columns){
        .arena = arena,
        .titles = titles,
        .count = count,
        .end = &columns->first,
        .filled = count,
    };
    for (size_t i = 0; i < count; i++)
        columns->widths[i] = width_of(str_from(titles[i]));
}

/* The row that has room for a cell; NULL: out of memory. */
static struct columns_row *
row_open(struct columns *columns)
{
    struct columns_row *row;

    if (columns->filled < columns->count)
        return CONTAINER_OF(columns->end, struct columns_row, next);
    row = ARENA_NEW(columns->arena, struct columns_row);
    if (row == NULL)
        return NULL;
    *columns->end = row;
    columns->end = &row->next;
    columns->filled = 0;
    return row;
}

/* Cut between characters. */
static struct str
cut(struct str text)
{
    text = str_slice(text, 0, CELL_BYTES_MAX);
    while (text.len > 0 && !str_is_utf8(text))
        text.len--;
    return text;
}

void
columns_add(struct columns *columns, struct str text)
{
    struct columns_row *row = row_open(columns);
    struct str cell;
    struct buf plain;
    size_t width;

    if (row == NULL)
        return;
    buf_init(&plain, CELL_BYTES_MAX);
    plain_append(&plain, str_slice(text, 0, CELL_BYTES_MAX));
    cell = arena_copy(columns->arena, plain.len > 0 ? cut(buf_str(&plain)) : STR("-"));
    buf_done(&plain);
    width = width_of(cell);
    if (width > columns->widths[columns->filled])
        columns->widths[columns->filled] = width;
    row->cells[columns->filled++] = cell;
}

void
columns_printf(struct columns *columns, const char *fmt, ...)
{
    char text[CELL_BYTES_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    columns_add(columns, str_from(text));
}

/* No blanks stand at a line's end. */
static void
print_cell(const struct columns *columns, size_t i, struct str cell, struct buf *buf)
{
    size_t blanks = columns->widths[i] + GAP - width_of(cell);

    buf_append_str(buf, cell);
    if (i + 1 == columns->count)
        buf_append_char(buf, '\n');
    for (size_t j = 0; i + 1 < columns->count && j < blanks; j++)
        buf_append_char(buf, ' ');
}

void
columns_print(const struct columns *columns, struct buf *buf)
{
    if (columns->first == NULL)
        return;
    for (size_t i = 0; i < columns->count; i++)
        print_cell(columns, i, str_from(columns->titles[i]), buf);
    for (const struct columns_row *row = columns->first; row != NULL; row = row->next) {
        for (size_t i = 0; i < columns->count; i++)
            print_cell(columns, i, row->cells[i], buf);
    }
}
