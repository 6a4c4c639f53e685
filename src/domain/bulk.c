/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/bulk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv_rows.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A line's JSON tree at its worst: a node for every second byte. */
#define LINE_ARENA_BYTES_MAX (4 * 1024 * 1024)

enum column { COLUMN_NAME, COLUMN_EMAIL, COLUMN_PHONE, COLUMN_TIMEZONE, COLUMNS_COUNT };

static const char *const column_names[] = {
    [COLUMN_NAME] = "name",
    [COLUMN_EMAIL] = "email",
    [COLUMN_PHONE] = "phone",
    [COLUMN_TIMEZONE] = "timezone",
};

struct bulk_reader {
    enum bulk_format format;
    struct bulk_reader_events events;
    struct arena arena;   /* of the line at hand */
    struct faults faults; /* of the line at hand */
    bool is_lost;

    /* NDJSON */
    struct buf line; /* the beginning of a line that the last piece cut through */
    bool is_line_too_long;
    int64_t line_number;

    /* CSV */
    struct csv_rows *rows; /* owned */
    bool has_header;
    enum column columns[COLUMNS_COUNT]; /* what each field is */
    size_t column_count;
};

static void on_row(const struct csv_row *row, void *arg);

enum err
bulk_reader_new(enum bulk_format format, const struct bulk_reader_events *events,
    struct bulk_reader **ret)
{
    CLEANUP(bulk_reader_freep) struct bulk_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL)
        return ERR_NOMEM;
    reader->format = format;
    reader->events = *events;
    reader->line_number = 1;
    arena_init(&reader->arena, LINE_ARENA_BYTES_MAX);
    buf_init(&reader->line, BULK_LINE_BYTES_MAX);
    if (format == BULK_CSV &&
        csv_rows_new(BULK_LINE_BYTES_MAX, on_row, reader, &reader->rows) != OK)
        return ERR_NOMEM;
    *ret = TAKE(reader);
    return OK;
}

void
bulk_reader_free(struct bulk_reader *reader)
{
    if (reader == NULL)
        return;
    csv_rows_free(reader->rows);
    buf_done(&reader->line);
    arena_done(&reader->arena);
    free(reader);
}

void
bulk_reader_freep(struct bulk_reader **reader)
{
    bulk_reader_free(*reader);
}

bool
bulk_reader_is_lost(const struct bulk_reader *reader)
{
    return reader->is_lost;
}

/* --- one line --- */

static struct str
line_start(struct bulk_reader *reader, int64_t number)
{
    arena_reset(&reader->arena);
    faults_init(&reader->faults, &reader->arena);
    return arena_printf(&reader->arena, "/lines/%" PRId64, number);
}

static void
report(struct bulk_reader *reader, const struct bulk_line *line)
{
    if (reader->faults.count_seen > 0)
        reader->events.on_bad_line(line->number, &reader->faults, reader->events.arg);
    else
        reader->events.on_line(line, reader->events.arg);
}

static void
read_object(struct bulk_reader *reader, int64_t number, struct str pointer,
    const struct json *object)
{
    struct field_reader fields;
    struct bulk_line line = {.number = number};

    field_reader_start_at(&fields, object, pointer, &reader->faults);
    attendee_read_details(&fields, &line.attendee);
    attendee_require(&fields, &line.attendee);
    field_reader_end(&fields);
    if (fields.object != NULL) {
        line.has_phone = json_find(object, STR("phone")) != NULL;
        line.has_timezone = json_find(object, STR("timezone")) != NULL;
    }
    if (arena_is_full(&reader->arena))
        fault_add(&reader->faults, pointer, "is too large");
    report(reader, &line);
}

/* --- NDJSON --- */

static void
read_json_line(struct bulk_reader *reader, int64_t number, struct str text)
{
    struct str pointer;
    struct json *object = NULL;
    struct error error;

    if (number == 1 && str_starts(text, STR(BYTE_ORDER_MARK)))
        text = str_slice(text, sizeof(BYTE_ORDER_MARK) - 1, text.len);
    if (str_trim(text).len == 0)
        return;
    pointer = line_start(reader, number);
    if (json_parse(text, &reader->arena, &object, &error) != OK) {
        fault_add(&reader->faults, pointer, "%s", error.text);
        report(reader, &(struct bulk_line){.number = number});
        return;
    }
    read_object(reader, number, pointer, object);
}

static void
line_finish(struct bulk_reader *reader, struct str rest)
{
    int64_t number = reader->line_number++;

    if (reader->is_line_too_long || reader->line.len + rest.len > BULK_LINE_BYTES_MAX) {
        struct str pointer = line_start(reader, number);

        fault_add(&reader->faults, pointer, "must be at most %d bytes long", BULK_LINE_BYTES_MAX);
        report(reader, &(struct bulk_line){.number = number});
    } else if (reader->line.len > 0) {
        buf_append_str(&reader->line, rest);
        if (!buf_is_full(&reader->line))
            read_json_line(reader, number, buf_str(&reader->line));
    } else {
        read_json_line(reader, number, rest);
    }
    reader->is_line_too_long = false;
}

static enum err
feed_json(struct bulk_reader *reader, struct str piece)
{
    size_t from = 0;

    for (size_t end = str_find(piece, '\n', 0); end != SIZE_MAX;
         end = str_find(piece, '\n', from)) {
        line_finish(reader, str_slice(piece, from, end));
        if (buf_is_full(&reader->line))
            return ERR_NOMEM;
        buf_clear(&reader->line);
        from = end + 1;
    }

    struct str rest = str_slice(piece, from, piece.len);
    if (reader->is_line_too_long || reader->line.len + rest.len > BULK_LINE_BYTES_MAX) {
        reader->is_line_too_long = true;
        buf_clear(&reader->line);
        return OK;
    }
    buf_append_str(&reader->line, rest);
    return buf_is_full(&reader->line) ? ERR_NOMEM : OK;
}

static enum err
end_json(struct bulk_reader *reader)
{
    if (reader->line.len > 0 || reader->is_line_too_long)
        line_finish(reader, STR(""));
    return buf_is_full(&reader->line) ? ERR_NOMEM : OK;
}

/* --- CSV --- */

static bool
column_find(struct str name, enum column *ret)
{
    for (unsigned i = 0; i < COLUMNS_COUNT; i++) {
        if (str_equals_nocase(str_trim(name), str_from(column_names[i]))) {
            *ret = (enum column)i;
            return true;
        }
    }
    return false;
}

static bool
has_column(const struct bulk_reader *reader, enum column column)
{
    for (size_t i = 0; i < reader->column_count; i++) {
        if (reader->columns[i] == column)
            return true;
    }
    return false;
}

static void
read_header(struct bulk_reader *reader, const struct csv_row *row, struct str pointer)
{
    struct faults *faults = &reader->faults;

    reader->has_header = true;
    for (size_t i = 0; i < row->count && i < CSV_FIELDS_MAX; i++) {
        struct str name = row->fields[i];
        enum column column;

        if (!str_is_utf8(name))
            fault_add(faults, pointer, "has a column whose name is not UTF-8");
        else if (!column_find(name, &column))
            fault_add(faults, pointer,
                "has a column besides name, email, phone and timezone: \"%.*s\"", STR_FMT(name));
        else if (has_column(reader, column))
            fault_add(faults, pointer, "has the column %s twice", column_names[column]);
        else
            reader->columns[reader->column_count++] = column;
    }
    if (row->count > CSV_FIELDS_MAX)
        fault_add(faults, pointer, "has %zu columns; known are name, email, phone and timezone",
            row->count);
    if (!has_column(reader, COLUMN_NAME))
        fault_add(faults, pointer, "must be a header with a column name");
    if (!has_column(reader, COLUMN_EMAIL))
        fault_add(faults, pointer, "must be a header with a column email");
    if (faults->count_seen > 0) {
        reader->is_lost = true;
        report(reader, &(struct bulk_line){.number = row->line});
    }
}

/* The object that the row stands for, so that there is one set of rules; NULL: it is not good. */
static struct json *
row_object(struct bulk_reader *reader, const struct csv_row *row, struct str pointer)
{
    struct json *object = ARENA_NEW(&reader->arena, struct json);
    struct json **end = object != NULL ? &object->first : NULL;

    if (object == NULL)
        return NULL;
    object->kind = JSON_OBJECT;
    if (row->count != reader->column_count) {
        fault_add(&reader->faults, pointer, "has %zu fields where the header has %zu", row->count,
            reader->column_count);
        return NULL;
    }
    for (size_t i = 0; i < row->count; i++) {
        struct json *cell;

        if (row->fields[i].len == 0)
            continue;
        cell = ARENA_NEW(&reader->arena, struct json);
        if (cell == NULL)
            return NULL;
        cell->kind = JSON_STRING;
        cell->name = str_from(column_names[reader->columns[i]]);
        cell->text = row->fields[i];
        *end = cell;
        end = &cell->next;
        object->count++;
        if (!str_is_utf8(cell->text)) {
            fault_add(&reader->faults, pointer, "is not UTF-8; save the file as UTF-8");
            return NULL;
        }
    }
    return object;
}

static void
on_row(const struct csv_row *row, void *arg)
{
    struct bulk_reader *reader = arg;
    struct str pointer;
    struct json *object;

    if (reader->is_lost)
        return;
    pointer = line_start(reader, row->line);
    if (row->wrong != NULL) {
        reader->is_lost = !reader->has_header;
        fault_add(&reader->faults, pointer, "%s", row->wrong);
        report(reader, &(struct bulk_line){.number = row->line});
    } else if (!reader->has_header) {
        read_header(reader, row, pointer);
    } else {
        object = row_object(reader, row, pointer);
        if (object == NULL && reader->faults.count_seen == 0)
            fault_add(&reader->faults, pointer, "is too large");
        if (object == NULL)
            report(reader, &(struct bulk_line){.number = row->line});
        else
            read_object(reader, row->line, pointer, object);
    }
}

/* --- both --- */

enum err
bulk_reader_feed(struct bulk_reader *reader, struct str piece)
{
    if (reader->is_lost)
        return OK;
    return reader->format == BULK_CSV ? csv_rows_feed(reader->rows, piece)
                                      : feed_json(reader, piece);
}

enum err
bulk_reader_end(struct bulk_reader *reader)
{
    const struct csv_row no_header = {.line = 1};
    enum err err;

    if (reader->is_lost)
        return OK;
    if (reader->format == BULK_NDJSON)
        return end_json(reader);
    err = csv_rows_end(reader->rows);
    if (err == OK && !reader->has_header && !reader->is_lost)
        read_header(reader, &no_header, line_start(reader, no_header.line));
    return err;
}
