/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/fault.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

PRINTF(2, 0) static struct str format_detail(struct arena *arena, const char *fmt, va_list args);
PRINTF(3, 0)
static void fault_add_args(struct faults *faults, struct str pointer, const char *fmt,
    va_list args);

void
faults_init(struct faults *faults, struct arena *arena)
{
    faults->arena = arena;
    faults->count = 0;
    faults->count_seen = 0;
}

static struct str
format_detail(struct arena *arena, const char *fmt, va_list args)
{
    char text[512];
    struct str detail;
    int len = vsnprintf(text, sizeof(text), fmt, args);

    if (len < 0)
        len = 0;
    if ((size_t)len >= sizeof(text)) {
        len = sizeof(text) - 1;
        /* Never through the middle of a character: the detail must stay UTF-8. */
        while (len > 0 && !str_is_utf8((struct str){text, (size_t)len}))
            len--;
    }
    detail = arena_copy(arena, (struct str){text, (size_t)len});
    return detail.ptr != NULL ? detail : STR("is not right");
}

static void
fault_add_args(struct faults *faults, struct str pointer, const char *fmt, va_list args)
{
    struct fault *fault;

    faults->count_seen++;
    if (faults->count == COUNT_OF(faults->list))
        return;

    fault = &faults->list[faults->count++];
    fault->pointer = arena_copy(faults->arena, pointer);
    if (fault->pointer.ptr == NULL)
        fault->pointer = STR("");
    fault->detail = format_detail(faults->arena, fmt, args);
}

void
fault_add(struct faults *faults, struct str pointer, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fault_add_args(faults, pointer, fmt, args);
    va_end(args);
}

void
field_reader_start(struct field_reader *reader, const struct json *object, struct faults *faults)
{
    field_reader_start_at(reader, object, STR(""), faults);
}

void
field_reader_start_at(struct field_reader *reader, const struct json *object, struct str at,
    struct faults *faults)
{
    reader->object = NULL;
    reader->faults = faults;
    reader->at = at;
    reader->count = 0;

    if (object == NULL)
        fault_add(faults, at, "must be an object");
    else if (object->kind != JSON_OBJECT)
        fault_add(faults, at, "must be an object, not %s", json_kind_name(object->kind));
    else
        reader->object = object;
}

struct str
field_pointer(const struct field_reader *reader, struct str name)
{
    struct arena *arena = reader->faults->arena;
    size_t escapes = 0;
    size_t len = reader->at.len;
    char *out;

    for (size_t i = 0; i < name.len; i++)
        escapes += name.ptr[i] == '~' || name.ptr[i] == '/';
    out = arena_alloc(arena, reader->at.len + 1 + name.len + escapes + 1);
    if (out == NULL)
        return STR("");

    for (size_t i = 0; i < reader->at.len; i++)
        out[i] = reader->at.ptr[i];
    out[len++] = '/';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (c == '~' || c == '/') {
            out[len++] = '~';
            c = c == '~' ? '0' : '1';
        }
        out[len++] = c;
    }
    return (struct str){out, len};
}

void
field_fault(const struct field_reader *reader, struct str name, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fault_add_args(reader->faults, field_pointer(reader, name), fmt, args);
    va_end(args);
}

const struct json *
field_get(struct field_reader *reader, struct str name)
{
    CHECK(reader->count < COUNT_OF(reader->names));
    reader->names[reader->count++] = name;
    return reader->object != NULL ? json_find(reader->object, name) : NULL;
}

static bool
is_known(const struct field_reader *reader, struct str name)
{
    for (size_t i = 0; i < reader->count; i++) {
        if (str_equals(reader->names[i], name))
            return true;
    }
    return false;
}

/* "a, b, c" of the names that are read here. */
static struct str
known_names(const struct field_reader *reader)
{
    struct str known = {NULL, 0};

    for (size_t i = 0; i < reader->count; i++)
        known = arena_printf(reader->faults->arena, "%.*s%s%.*s", STR_FMT(known), i > 0 ? ", " : "",
            STR_FMT(reader->names[i]));
    return known;
}

void
field_reader_end(struct field_reader *reader)
{
    struct str known = {NULL, 0};

    if (reader->object == NULL)
        return;
    for (const struct json *field = reader->object->first; field != NULL; field = field->next) {
        if (is_known(reader, field->name))
            continue;
        if (known.ptr == NULL)
            known = known_names(reader);
        field_fault(reader, field->name, "is not known here; known are %.*s", STR_FMT(known));
    }
}

const char *
text_is_wrong(struct str text)
{
    if (str_trim(text).len == 0)
        return "must not be empty";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x20 || c == 0x7f)
            return "must be one line of text, without control characters";
    }
    return NULL;
}

static bool
take_text(struct field_reader *reader, struct str name, const struct json *value, size_t bytes_max,
    struct str *inout)
{
    const char *wrong;

    if (value->kind != JSON_STRING) {
        field_fault(reader, name, "must be a string, not %s", json_kind_name(value->kind));
        return false;
    }
    wrong = text_is_wrong(value->text);
    if (wrong != NULL) {
        field_fault(reader, name, "%s", wrong);
        return false;
    }
    if (value->text.len > bytes_max) {
        field_fault(reader, name, "must be at most %zu bytes of UTF-8, not %zu", bytes_max,
            value->text.len);
        return false;
    }
    *inout = value->text;
    return true;
}

bool
field_text(struct field_reader *reader, struct str name, size_t bytes_max, struct str *inout)
{
    const struct json *value = field_get(reader, name);

    return value != NULL && take_text(reader, name, value, bytes_max, inout);
}

bool
field_text_or_null(struct field_reader *reader, struct str name, size_t bytes_max,
    struct str *inout)
{
    const struct json *value = field_get(reader, name);

    if (value == NULL)
        return false;
    if (value->kind == JSON_NULL) {
        *inout = (struct str){NULL, 0};
        return true;
    }
    return take_text(reader, name, value, bytes_max, inout);
}

bool
field_int(struct field_reader *reader, struct str name, int64_t min, int64_t max, int64_t *inout)
{
    const struct json *value = field_get(reader, name);
    int64_t number;

    if (value == NULL)
        return false;
    if (value->kind != JSON_NUMBER) {
        field_fault(reader, name, "must be a number, not %s", json_kind_name(value->kind));
        return false;
    }
    if (json_to_int64(value, &number) != OK || number < min || number > max) {
        field_fault(reader, name, "must be a whole number from %" PRId64 " to %" PRId64, min, max);
        return false;
    }
    *inout = number;
    return true;
}

bool
field_bool(struct field_reader *reader, struct str name, bool *inout)
{
    const struct json *value = field_get(reader, name);

    if (value == NULL)
        return false;
    if (value->kind != JSON_BOOL) {
        field_fault(reader, name, "must be true or false, not %s", json_kind_name(value->kind));
        return false;
    }
    *inout = value->boolean;
    return true;
}
