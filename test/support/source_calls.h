/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources written as they stand in the configuration, and calls to them.
 */
#ifndef TEST_SUPPORT_SOURCE_CALLS_H
#define TEST_SUPPORT_SOURCE_CALLS_H

#include <string.h>

#include "receive/source.h"
#include "support/test.h"

/* A source with its judge, which end with source_case_done. */
struct source_case {
    struct arena arena;
    struct source source;
    struct source_judge *judge;
};

/* Set what the lines "name = value" say, until one is refused. */
static inline enum err
source_case_read(struct source_case *self, const char *lines, struct error *reterr)
{
    struct str rest = str_from(lines);
    struct str line;

    arena_init(&self->arena, (size_t)1024 * 1024);
    self->judge = NULL;
    source_init(&self->source, STR("shop"));
    while (str_split(&rest, '\n', &line)) {
        size_t equals = str_find(line, '=', 0);
        enum err err;

        if (line.len == 0)
            continue;
        assert_int_not_equal(equals, SIZE_MAX);
        err = source_set(&self->source, &self->arena, str_trim(str_slice(line, 0, equals)),
            str_slice(line, equals + 1, line.len), reterr);
        if (err != OK)
            return err;
    }
    return source_check(&self->source, reterr);
}

static inline void
source_case_done(struct source_case *self)
{
    source_judge_free(self->judge);
    source_wipe(&self->source);
    arena_done(&self->arena);
}

static inline void
source_case_start(struct source_case *self, const char *lines)
{
    struct error error = {0};

    if (source_case_read(self, lines, &error) != OK)
        fail_msg("%s\n%s", lines, error.text);
    if (source_judge_new(&self->source, &self->judge, &error) != OK)
        fail_msg("%s\n%s", lines, error.text);
}

#define CALL_FIELDS_MAX 20

/* A call whose parts can be set before it is judged. */
struct call_case {
    struct http_field fields[CALL_FIELDS_MAX];
    struct http_head head;
    struct source_call call;
};

static inline void
call_case_init(struct call_case *self, const char *token, const char *body, int64_t now_s)
{
    *self = (struct call_case){.head = {.method = STR("POST"), .fields = self->fields}};
    self->call = (struct source_call){
        .head = &self->head,
        .token = str_from(token),
        .body = str_from(body),
        .now = {now_s * US_PER_S},
    };
    assert_int_equal(address_parse(STR("192.0.2.7"), &self->call.peer, NULL), OK);
}

static inline void
call_case_add(struct call_case *self, const char *name, const char *value)
{
    assert_true(self->head.field_count < CALL_FIELDS_MAX);
    self->fields[self->head.field_count++] = (struct http_field){str_from(name), str_from(value)};
}

#endif
