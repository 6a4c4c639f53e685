/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with an input: every fault at once, each with a JSON pointer and a sentence that
 * says what to do.
 */
#ifndef DOMAIN_FAULT_H
#define DOMAIN_FAULT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/limits.h"

struct fault {
    struct str pointer; /* RFC 6901: "/hookUrl", "/mangoes/2"; "" for the whole */
    struct str detail;
};

struct faults {
    struct arena *arena; /* borrowed: the texts live here */
    struct fault list[FAULTS_MAX];
    size_t count;      /* of those kept */
    size_t count_seen; /* of all */
};

void faults_init(struct faults *faults, struct arena *arena);
PRINTF(3, 4) void fault_add(struct faults *faults, struct str pointer, const char *fmt, ...);

/* Reading an object's fields: a reader ticks off each name it is asked for, and what is left over
 * is named as unknown by field_reader_end. */
struct field_reader {
    const struct json *object; /* NULL: it is none, every field is absent */
    struct faults *faults;
    struct str at; /* pointer of the object itself; "" for the whole body */
    struct str names[48];
    size_t count;
};

/* A value that is not an object is a fault at "". */
void field_reader_start(struct field_reader *reader, const struct json *object,
    struct faults *faults);
/* The same for an object inside another: at is its pointer ("/attendee"), which outlives the
 * reader. */
void field_reader_start_at(struct field_reader *reader, const struct json *object, struct str at,
    struct faults *faults);
/* The field's value, or NULL when it is absent; a JSON null is returned as it is. */
const struct json *field_get(struct field_reader *reader, struct str name);
void field_reader_end(struct field_reader *reader);

/* The field's pointer, escaped, in the arena of the faults. */
struct str field_pointer(const struct field_reader *reader, struct str name);
PRINTF(3, 4)
void field_fault(const struct field_reader *reader, struct str name, const char *fmt, ...);

/* Typed fields. They leave *inout alone when the field is absent, and return whether it was there
 * and right; null, a wrong type or a text that is empty, too long or not one line is a fault. */
bool field_text(struct field_reader *reader, struct str name, size_t bytes_max, struct str *inout);
/* null makes it absent ({NULL, 0}). */
bool field_text_or_null(struct field_reader *reader, struct str name, size_t bytes_max,
    struct str *inout);
bool field_int(struct field_reader *reader, struct str name, int64_t min, int64_t max,
    int64_t *inout);
bool field_bool(struct field_reader *reader, struct str name, bool *inout);

/* "" and white space alone are no text, control characters are not one line: what is wrong with
 * the text as a field's detail, or NULL when it will do. For texts that come from elsewhere. */
const char *text_is_wrong(struct str text);

#endif
