/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/encode.h"
#include "base/limits.h"

/* Up to here comparing each name with each is faster than sorting them. */
#define NAMES_COMPARED_MAX 16

/* Digits and exponent of any double fit twice. */
#define NUMBER_BYTES_MAX 64

/* An open array or object. */
struct level {
    struct json *value;
    struct json *last; /* newest child */
};

struct parser {
    struct arena *arena;
    jmp_buf arena_full;
    yajl_handle handle;
    struct str text;
    struct json *root;
    struct str name; /* of the next value, in an object */
    size_t depth;
    struct level levels[JSON_DEPTH_MAX];
    struct error error; /* why a callback stopped, if it did */
};

/* What yajl is given: its length in front, because realloc must know how much to copy. */
struct piece {
    size_t len;
    alignas(max_align_t) unsigned char bytes[];
};

/* yajl writes to what it gets without a look, so there is no NULL for it: when the arena is full
 * we leave it by longjmp. Nothing leaks, as all it holds is the arena's. */
static void *
take_memory(struct parser *parser, size_t len)
{
    struct piece *piece = NULL;

    if (len <= SIZE_MAX - sizeof(*piece))
        piece = arena_alloc(parser->arena, sizeof(*piece) + len);
    if (piece == NULL)
        longjmp(parser->arena_full, 1);
    piece->len = len;
    return piece->bytes;
}

static void *
on_malloc(void *arg, size_t len)
{
    return take_memory(arg, len);
}

static void *
on_realloc(void *arg, void *old, size_t len)
{
    void *bytes = take_memory(arg, len);

    if (old != NULL) {
        const struct piece *piece = CONTAINER_OF(old, struct piece, bytes);

        memcpy(bytes, old, piece->len < len ? piece->len : len);
    }
    return bytes;
}

static void
on_free(void *arg, void *old)
{
    (void)arg;
    (void)old;
}

/* A new value at its place in the tree. */
static struct json *
add_value(struct parser *parser, enum json_kind kind)
{
    struct json *value = ARENA_NEW(parser->arena, struct json);
    struct level *level;

    if (value == NULL)
        longjmp(parser->arena_full, 1);
    value->kind = kind;
    if (parser->depth == 0) {
        parser->root = value;
        return value;
    }

    level = &parser->levels[parser->depth - 1];
    value->name = parser->name;
    parser->name = (struct str){NULL, 0};
    if (level->last == NULL)
        level->value->first = value;
    else
        level->last->next = value;
    level->last = value;
    level->value->count++;
    return value;
}

static struct str
keep_text(struct parser *parser, const char *ptr, size_t len)
{
    struct str copy = arena_copy(parser->arena, len > 0 ? (struct str){ptr, len} : STR(""));

    if (copy.ptr == NULL)
        longjmp(parser->arena_full, 1);
    return copy;
}

static int
on_null(void *arg)
{
    (void)add_value(arg, JSON_NULL);
    return 1;
}

static int
on_boolean(void *arg, int boolean)
{
    add_value(arg, JSON_BOOL)->boolean = boolean != 0;
    return 1;
}

static int
on_number(void *arg, const char *ptr, size_t len)
{
    add_value(arg, JSON_NUMBER)->text = keep_text(arg, ptr, len);
    return 1;
}

static int
on_string(void *arg, const unsigned char *ptr, size_t len)
{
    add_value(arg, JSON_STRING)->text = keep_text(arg, (const char *)ptr, len);
    return 1;
}

static int
on_name(void *arg, const unsigned char *ptr, size_t len)
{
    struct parser *parser = arg;

    parser->name = keep_text(parser, (const char *)ptr, len);
    return 1;
}

static int
open_level(struct parser *parser, enum json_kind kind)
{
    struct json *value;

    if (parser->depth == JSON_DEPTH_MAX) {
        (void)error_set(&parser->error, ERR_INVALID, "nested more than %d deep", JSON_DEPTH_MAX);
        return 0;
    }
    value = add_value(parser, kind);
    parser->levels[parser->depth++] = (struct level){.value = value};
    return 1;
}

static int
on_array_open(void *arg)
{
    return open_level(arg, JSON_ARRAY);
}

static int
on_object_open(void *arg)
{
    return open_level(arg, JSON_OBJECT);
}

static int
on_array_close(void *arg)
{
    struct parser *parser = arg;

    parser->depth--;
    return 1;
}

static int
compare_names(const void *a, const void *b)
{
    const struct json *const *left = a;
    const struct json *const *right = b;

    return str_compare((*left)->name, (*right)->name);
}

/* Sorted, for many names: a hash could be fed names that collide. */
static const struct json *
find_doubled_among_many(struct parser *parser, const struct json *object)
{
    const struct json **children =
        arena_alloc_array(parser->arena, object->count, sizeof(const struct json *));
    size_t count = 0;

    if (children == NULL)
        longjmp(parser->arena_full, 1);
    for (const struct json *child = object->first; child != NULL; child = child->next)
        children[count++] = child;
    qsort(children, count, sizeof(const struct json *), compare_names);
    for (size_t i = 1; i < count; i++) {
        if (str_equals(children[i - 1]->name, children[i]->name))
            return children[i];
    }
    return NULL;
}

static const struct json *
find_doubled(struct parser *parser, const struct json *object)
{
    if (object->count > NAMES_COMPARED_MAX)
        return find_doubled_among_many(parser, object);
    for (const struct json *child = object->first; child != NULL; child = child->next) {
        for (const struct json *later = child->next; later != NULL; later = later->next) {
            if (str_equals(child->name, later->name))
                return later;
        }
    }
    return NULL;
}

static int
on_object_close(void *arg)
{
    struct parser *parser = arg;
    const struct json *doubled = find_doubled(parser, parser->levels[--parser->depth].value);

    if (doubled == NULL)
        return 1;
    (void)error_set(&parser->error, ERR_INVALID, "the name \"%.*s\" stands twice in one object",
        STR_FMT(doubled->name));
    return 0;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object_open,
    .yajl_map_key = on_name,
    .yajl_end_map = on_object_close,
    .yajl_start_array = on_array_open,
    .yajl_end_array = on_array_close,
};

static enum err
refuse(struct parser *parser, struct error *reterr)
{
    size_t at = yajl_get_bytes_consumed(parser->handle);
    const char *why = parser->error.text;
    size_t len;

    if (parser->error.code == OK)
        why = (const char *)yajl_get_error(parser->handle, 0, NULL, 0);
    len = strcspn(why, "\n");
    return error_set(reterr, ERR_INVALID, "JSON, near byte %zu: %.*s", at, (int)len, why);
}

static enum err
run(struct parser *parser, struct error *reterr)
{
    yajl_alloc_funcs memory = {.malloc = on_malloc,
        .realloc = on_realloc,
        .free = on_free,
        .ctx = parser};
    const unsigned char *bytes = (const unsigned char *)parser->text.ptr;

    if (setjmp(parser->arena_full) != 0)
        return error_set(reterr, ERR_LIMIT, "JSON: too much for the memory set aside for it");

    parser->handle = yajl_alloc(&callbacks, &memory, parser);
    if (yajl_parse(parser->handle, bytes, parser->text.len) != yajl_status_ok)
        return refuse(parser, reterr);
    /* A line end is refused inside a string: by itself yajl takes one that is still open behind a
     * whole value for nothing at all. */
    if (yajl_parse(parser->handle, (const unsigned char *)"\n", 1) == yajl_status_ok &&
        yajl_complete_parse(parser->handle) == yajl_status_ok && parser->root != NULL)
        return OK;
    if (parser->root != NULL && parser->depth == 0)
        return error_set(reterr, ERR_INVALID, "JSON, near byte %zu: more after the value's end",
            parser->text.len);
    return error_set(reterr, ERR_INVALID, "JSON: the text ends at byte %zu before the value does",
        parser->text.len);
}

/* The number of a \uXXXX escape at the front of s, or -1. */
static int
escaped_unit(struct str s)
{
    int unit = 0;

    if (s.len < 6 || s.ptr[0] != '\\' || s.ptr[1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        char c = s.ptr[i];

        if (c >= '0' && c <= '9')
            unit = unit * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            unit = unit * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            unit = unit * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return unit;
}

/* yajl turns half a surrogate pair into '?' or into bytes that are no text, silently. Outside of
 * strings there is no backslash in JSON, so all of them can be judged before yajl begins; one that
 * is broken in another way is left to it. SIZE_MAX when all are whole. */
static size_t
find_half_surrogate(struct str text)
{
    size_t at = str_find(text, '\\', 0);

    while (at != SIZE_MAX) {
        int unit = escaped_unit(str_slice(text, at, text.len));
        size_t len = unit < 0 ? 2 : 6;

        if (unit >= 0xd800 && unit <= 0xdbff) {
            int low = escaped_unit(str_slice(text, at + 6, text.len));

            if (low < 0xdc00 || low > 0xdfff)
                return at;
            len = 12;
        } else if (unit >= 0xdc00 && unit <= 0xdfff) {
            return at;
        }
        at = str_find(text, '\\', at + len);
    }
    return SIZE_MAX;
}

bool
json_is_well_formed(struct str text)
{
    yajl_handle handle;
    bool is_right;

    if (!str_is_utf8(text) || str_find(text, '\f', 0) != SIZE_MAX)
        return false;
    handle = yajl_alloc(NULL, NULL, NULL);
    if (handle == NULL)
        return false;
    is_right = yajl_parse(handle, (const unsigned char *)text.ptr, text.len) == yajl_status_ok &&
               yajl_parse(handle, (const unsigned char *)"\n", 1) == yajl_status_ok &&
               yajl_complete_parse(handle) == yajl_status_ok;
    yajl_free(handle);
    return is_right;
}

enum err
json_parse(struct str text, struct arena *arena, struct json **ret, struct error *reterr)
{
    struct parser parser = {.arena = arena, .text = text};
    size_t at;
    enum err err;

    if (text.len == 0)
        return error_set(reterr, ERR_INVALID, "JSON: there is no text");
    if (!str_is_utf8(text))
        return error_set(reterr, ERR_INVALID, "JSON: the text is not valid UTF-8");
    at = str_find(text, '\f', 0);
    if (at != SIZE_MAX)
        return error_set(reterr, ERR_INVALID, "JSON, near byte %zu: a form feed is not white space",
            at);
    at = find_half_surrogate(text);
    if (at != SIZE_MAX)
        return error_set(reterr, ERR_INVALID, "JSON, near byte %zu: half of a surrogate pair", at);

    err = run(&parser, reterr);
    if (err != OK)
        return err;
    *ret = parser.root;
    return OK;
}

const struct json *
json_find(const struct json *object, struct str name)
{
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *child = object->first; child != NULL; child = child->next) {
        if (str_equals(child->name, name))
            return child;
    }
    return NULL;
}

const char *
json_kind_name(enum json_kind kind)
{
    switch (kind) {
    case JSON_NULL: return "null";
    case JSON_BOOL: return "true or false";
    case JSON_NUMBER: return "a number";
    case JSON_STRING: return "a string";
    case JSON_ARRAY: return "an array";
    case JSON_OBJECT: return "an object";
    }
    UNREACHABLE;
}

enum err
json_to_int64(const struct json *number, int64_t *ret)
{
    if (number->kind != JSON_NUMBER)
        return ERR_INVALID;
    return str_to_int64(number->text, ret);
}

enum err
json_to_double(const struct json *number, double *ret)
{
    char text[NUMBER_BYTES_MAX + 1];
    locale_t plain;
    char *end;
    double value;

    if (number->kind != JSON_NUMBER || number->text.len == 0 || number->text.len > NUMBER_BYTES_MAX)
        return ERR_INVALID;
    memcpy(text, number->text.ptr, number->text.len);
    text[number->text.len] = '\0';

    /* A program that links us may have set a locale in which the point is a comma. */
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0)
        return ERR_NOMEM;
    value = strtod_l(text, &end, plain);
    freelocale(plain);
    if (*end != '\0' || !isfinite(value))
        return ERR_INVALID;
    *ret = value;
    return OK;
}

void
json_start(struct json_writer *writer, struct buf *buf)
{
    *writer = (struct json_writer){.buf = buf};
}

static void
begin_value(struct json_writer *writer)
{
    if (writer->needs_comma)
        buf_append_char(writer->buf, ',');
    writer->needs_comma = true;
}

static void
open_bracket(struct json_writer *writer, char bracket)
{
    begin_value(writer);
    buf_append_char(writer->buf, bracket);
    writer->needs_comma = false;
}

static void
close_bracket(struct json_writer *writer, char bracket)
{
    buf_append_char(writer->buf, bracket);
    writer->needs_comma = true;
}

void
json_object_open(struct json_writer *writer)
{
    open_bracket(writer, '{');
}

void
json_object_close(struct json_writer *writer)
{
    close_bracket(writer, '}');
}

void
json_array_open(struct json_writer *writer)
{
    open_bracket(writer, '[');
}

void
json_array_close(struct json_writer *writer)
{
    close_bracket(writer, ']');
}

void
json_name(struct json_writer *writer, struct str name)
{
    begin_value(writer);
    json_append_string(writer->buf, name);
    buf_append_char(writer->buf, ':');
    writer->needs_comma = false;
}

void
json_string(struct json_writer *writer, struct str text)
{
    begin_value(writer);
    json_append_string(writer->buf, text);
}

void
json_string_or_null(struct json_writer *writer, struct str text)
{
    if (text.ptr == NULL)
        json_null(writer);
    else
        json_string(writer, text);
}

void
json_int(struct json_writer *writer, int64_t value)
{
    begin_value(writer);
    buf_append_int(writer->buf, value);
}

void
json_bool(struct json_writer *writer, bool value)
{
    json_raw(writer, value ? STR("true") : STR("false"));
}

void
json_null(struct json_writer *writer)
{
    json_raw(writer, STR("null"));
}

void
json_raw(struct json_writer *writer, struct str json)
{
    begin_value(writer);
    buf_append_str(writer->buf, json);
}

/* The letter after the backslash where there is a short escape; 'u' where there is none. */
static char
escape_letter(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\': return (char)c;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 'u';
    }
}

void
json_append_string(struct buf *buf, struct str text)
{
    size_t done = 0;

    buf_append_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        char escape[2];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_append(buf, text.ptr + done, i - done);
        done = i + 1;
        escape[0] = '\\';
        escape[1] = escape_letter(c);
        buf_append(buf, escape, sizeof(escape));
        if (escape[1] == 'u') {
            buf_append_literal(buf, "00");
            hex_append(buf, &c, 1);
        }
    }
    if (text.len > done)
        buf_append(buf, text.ptr + done, text.len - done);
    buf_append_char(buf, '"');
}
