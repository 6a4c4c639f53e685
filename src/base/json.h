/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON (RFC 8259), in and out.
 *
 * In: a tree in the caller's arena, strict: UTF-8 checked, doubled names, form feeds and depth
 * beyond JSON_DEPTH_MAX refused, numbers kept as the text they came as. A string may hold NUL.
 * Out: functions that append to a buffer; the caller sets commas through struct json_writer.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    bool boolean;       /* JSON_BOOL */
    struct str text;    /* JSON_STRING: decoded; JSON_NUMBER: as it was written */
    struct str name;    /* this value's name where its parent is an object */
    struct json *first; /* JSON_ARRAY, JSON_OBJECT: first child */
    struct json *next;  /* next sibling */
    size_t count;       /* children */
};

/* ERR_INVALID with what is wrong and at which byte; ERR_LIMIT when the arena is full. Nothing of
 * the tree points into text. */
MUST_CHECK enum err json_parse(struct str text, struct arena *arena, struct json **ret,
    struct error *reterr);

/* By the grammar alone: names may stand twice, half of a surrogate pair alone, and there is no
 * bound to the depth, so there may be no tree of it. False also without memory. */
bool json_is_well_formed(struct str text);

const struct json *json_find(const struct json *object, struct str name); /* NULL when absent */
const char *json_kind_name(enum json_kind kind);                          /* "a string", "null" */

/* An integer written without fraction or exponent that fits. */
MUST_CHECK enum err json_to_int64(const struct json *number, int64_t *ret);
/* Any number of a sane size: ERR_INVALID past 64 characters or when no finite double is near. */
MUST_CHECK enum err json_to_double(const struct json *number, double *ret);

struct json_writer {
    struct buf *buf; /* borrowed */
    bool needs_comma;
};

void json_start(struct json_writer *writer, struct buf *buf);
void json_object_open(struct json_writer *writer);
void json_object_close(struct json_writer *writer);
void json_array_open(struct json_writer *writer);
void json_array_close(struct json_writer *writer);
void json_name(struct json_writer *writer, struct str name); /* then exactly one value */
void json_string(struct json_writer *writer, struct str text);
void json_string_or_null(struct json_writer *writer, struct str text); /* absent: null */
void json_int(struct json_writer *writer, int64_t value);
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
void json_raw(struct json_writer *writer, struct str json); /* a finished value, as it is */

/* The text in quotes; only '"', '\' and control characters are escaped. Must be valid UTF-8. */
void json_append_string(struct buf *buf, struct str text);

#endif
