/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv_rows.h"

#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

#define TOO_LONG    "is too long for a row; perhaps a quote is not closed"
#define STRAY_QUOTE "has a stray quote; put a field with quotes in quotes, and double those inside"
#define OPEN_QUOTE  "has a quote that is never closed"

struct csv_rows {
    struct csv_parser parser; /* is given one whole line at a time */
    bool has_parser;
    bool has_separator;
    unsigned char separator;
    struct buf line; /* the beginning of a line that the last piece cut through */
    bool is_line_too_long;
    bool was_return; /* the last line ended in "\r": a "\n" right behind belongs to it */
    int64_t line_number;
    bool is_in_row; /* quoted over the end of a line */
    size_t row_bytes;
    size_t row_bytes_max;
    struct csv_row row;
    struct buf text;               /* the fields of the row, one behind the other */
    size_t starts[CSV_FIELDS_MAX]; /* of each, in text */
    size_t lens[CSV_FIELDS_MAX];
    bool was_row; /* the line that the parser was given last ended a row */
    void (*on_row)(const struct csv_row *row, void *arg);
    void *arg;
};

/* Also after a row that broke its state. */
static enum err
parser_start(struct csv_rows *rows)
{
    if (rows->has_parser)
        csv_free(&rows->parser);
    rows->has_parser = csv_init(&rows->parser, CSV_STRICT | CSV_STRICT_FINI) == 0;
    if (!rows->has_parser)
        return ERR_NOMEM;
    csv_set_delim(&rows->parser, rows->separator);
    return OK;
}

enum err
csv_rows_new(size_t row_bytes_max, void (*on_row)(const struct csv_row *row, void *arg), void *arg,
    struct csv_rows **ret)
{
    CLEANUP(csv_rows_freep) struct csv_rows *rows = calloc(1, sizeof(*rows));

    if (rows == NULL)
        return ERR_NOMEM;
    rows->separator = ',';
    rows->line_number = 1;
    rows->row_bytes_max = row_bytes_max;
    rows->on_row = on_row;
    rows->arg = arg;
    buf_init(&rows->line, row_bytes_max);
    buf_init(&rows->text, row_bytes_max);
    if (parser_start(rows) != OK)
        return ERR_NOMEM;
    *ret = TAKE(rows);
    return OK;
}

void
csv_rows_free(struct csv_rows *rows)
{
    if (rows == NULL)
        return;
    if (rows->has_parser)
        csv_free(&rows->parser);
    buf_done(&rows->line);
    buf_done(&rows->text);
    free(rows);
}

void
csv_rows_freep(struct csv_rows **rows)
{
    csv_rows_free(*rows);
}

static void
on_field(void *bytes, size_t len, void *arg)
{
    struct csv_rows *rows = arg;
    size_t index = rows->row.count++;

    if (index >= CSV_FIELDS_MAX)
        return;
    rows->starts[index] = rows->text.len;
    rows->lens[index] = len;
    if (len > 0)
        buf_append(&rows->text, bytes, len);
}

static void
row_reset(struct csv_rows *rows)
{
    rows->is_in_row = false;
    rows->row_bytes = 0;
    rows->row.count = 0;
    rows->row.wrong = NULL;
    buf_clear(&rows->text);
}

static void
on_row_end(int terminator, void *arg)
{
    struct csv_rows *rows = arg;
    struct str text = buf_str(&rows->text);

    (void)terminator;
    for (size_t i = 0; i < rows->row.count && i < CSV_FIELDS_MAX; i++)
        rows->row.fields[i] = str_slice(text, rows->starts[i], rows->starts[i] + rows->lens[i]);
    if (!buf_is_full(&rows->text))
        rows->on_row(&rows->row, rows->arg);
    rows->was_row = true;
}

static enum err
row_fail(struct csv_rows *rows, const char *wrong)
{
    row_reset(rows);
    rows->row.wrong = wrong;
    rows->on_row(&rows->row, rows->arg);
    rows->row.wrong = NULL;
    return parser_start(rows);
}

static bool
is_blank(struct str line)
{
    return str_trim(line).len == 0;
}

/* The header row says how fields are separated: names hold neither character. */
static void
separator_find(struct csv_rows *rows, struct str line)
{
    size_t commas = 0;
    size_t semicolons = 0;

    for (size_t i = 0; i < line.len; i++) {
        commas += line.ptr[i] == ',';
        semicolons += line.ptr[i] == ';';
    }
    rows->separator = semicolons > commas ? ';' : ',';
    rows->has_separator = true;
    csv_set_delim(&rows->parser, rows->separator);
}

/* One line with its end, or the last one without. */
static enum err
line_take(struct csv_rows *rows, struct str line)
{
    size_t used;

    if (rows->line_number == 1 && str_starts(line, STR(BYTE_ORDER_MARK)))
        line = str_slice(line, sizeof(BYTE_ORDER_MARK) - 1, line.len);
    if (!rows->is_in_row) {
        rows->row.line = rows->line_number;
        if (is_blank(line))
            return OK;
        if (!rows->has_separator)
            separator_find(rows, line);
    }
    rows->row_bytes += line.len;
    if (rows->row_bytes > rows->row_bytes_max)
        return row_fail(rows, TOO_LONG);

    rows->was_row = false;
    used = csv_parse(&rows->parser, line.ptr, line.len, on_field, on_row_end, rows);
    if (buf_is_full(&rows->text))
        return ERR_NOMEM;
    if (used < line.len && csv_error(&rows->parser) == CSV_EPARSE)
        return row_fail(rows, STRAY_QUOTE);
    if (used < line.len)
        return ERR_NOMEM;
    if (rows->was_row)
        row_reset(rows);
    else
        rows->is_in_row = true;
    return OK;
}

/* The end of the line that starts at `from`, its terminator included; SIZE_MAX if it is cut. */
static size_t
line_end(struct str piece, size_t from)
{
    for (size_t i = from; i < piece.len; i++) {
        if (piece.ptr[i] == '\n' || piece.ptr[i] == '\r')
            return i + 1;
    }
    return SIZE_MAX;
}

static enum err
line_finish(struct csv_rows *rows, struct str rest)
{
    bool is_return = rest.len > 0 && rest.ptr[rest.len - 1] == '\r';
    enum err err;

    if (rows->is_line_too_long || rows->line.len + rest.len > rows->row_bytes_max) {
        if (!rows->is_in_row)
            rows->row.line = rows->line_number;
        err = row_fail(rows, TOO_LONG);
    } else if (rows->line.len > 0) {
        buf_append_str(&rows->line, rest);
        err = buf_is_full(&rows->line) ? ERR_NOMEM : line_take(rows, buf_str(&rows->line));
    } else {
        err = line_take(rows, rest);
    }
    rows->is_line_too_long = false;
    buf_clear(&rows->line);
    rows->line_number++;
    rows->was_return = is_return;
    return err;
}

/* Keep a line that is not whole yet, unless it cannot become one. */
static enum err
line_keep(struct csv_rows *rows, struct str rest)
{
    if (rows->is_line_too_long || rows->line.len + rest.len > rows->row_bytes_max) {
        rows->is_line_too_long = true;
        buf_clear(&rows->line);
        return OK;
    }
    buf_append_str(&rows->line, rest);
    return buf_is_full(&rows->line) ? ERR_NOMEM : OK;
}

enum err
csv_rows_feed(struct csv_rows *rows, struct str piece)
{
    size_t from = 0;

    while (from < piece.len) {
        size_t end = line_end(piece, from);
        enum err err;

        if (rows->was_return && rows->line.len == 0 && piece.ptr[from] == '\n') {
            rows->was_return = false;
            from++;
            continue;
        }
        rows->was_return = false;
        if (end == SIZE_MAX)
            return line_keep(rows, str_slice(piece, from, piece.len));
        err = line_finish(rows, str_slice(piece, from, end));
        if (err != OK)
            return err;
        from = end;
    }
    return OK;
}

enum err
csv_rows_end(struct csv_rows *rows)
{
    enum err err = OK;

    if (rows->line.len > 0 || rows->is_line_too_long)
        err = line_finish(rows, STR(""));
    if (err != OK)
        return err;
    if (csv_fini(&rows->parser, on_field, on_row_end, rows) == 0)
        return buf_is_full(&rows->text) ? ERR_NOMEM : OK;
    if (csv_error(&rows->parser) == CSV_EPARSE)
        return row_fail(rows, OPEN_QUOTE);
    return ERR_NOMEM;
}
