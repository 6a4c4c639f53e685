/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/field_path.h"

#include "base/buf.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct asked {
    bool could; /* the condition was understood */
    bool holds;
};

static struct asked
ask(struct str path, const char *operator_and_value, struct str value, const struct json *body,
    struct arena *arena)
{
    CLEANUP(buf_done) struct buf text;
    struct field_condition *condition = NULL;
    struct error error = {0};
    struct asked asked = {false, false};

    buf_init(&text, 1 << 20);
    buf_append_str(&text, path);
    buf_append_str(&text, str_from(operator_and_value));
    buf_append_str(&text, value);
    switch (field_condition_parse(buf_str(&text), arena, &condition, &error)) {
    case OK:
        asked.could = true;
        asked.holds = field_condition_holds(condition, body);
        break;
    case ERR_INVALID: CHECK(condition == NULL && error.text[0] != '\0'); break;
    case ERR_NOMEM: CHECK(condition == NULL && arena_is_full(arena)); break;
    case ERR_DENIED:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_LIMIT:
    case ERR_BUSY:
    case ERR_DISK:
    case ERR_IO: CHECK(false);
    }
    return asked;
}

static bool
count_place(const struct json *place, void *arg)
{
    size_t *count = arg;

    CHECK(place != NULL);
    (*count)++;
    return true;
}

static bool
has_star(const struct field_path *path)
{
    for (size_t i = 0; i < path->step_count; i++) {
        if (path->steps[i].ptr == NULL)
            return true;
    }
    return false;
}

/* A path, a value, and a body behind it, a line each. What is equal is not different, nothing is
 * both below and above, and a path leads to something or to nothing. */
static void
check(struct str path_text, struct str value, const struct json *body, struct arena *arena)
{
    struct field_path path;
    size_t count = 0;
    struct asked is_there;

    if (field_path_parse(path_text, arena, &path, NULL) != OK)
        return;
    field_path_walk(&path, body, count_place, &count);
    CHECK(has_star(&path) || count <= 1);
    is_there = ask(path_text, " exists", STR(""), body, arena);
    /* A sign of an operator in the path ends it there; the rest is no condition or another one. */
    for (size_t i = 0; i < path_text.len; i++) {
        if (path_text.ptr[i] <= '>' && path_text.ptr[i] != '.' && path_text.ptr[i] != '*' &&
            !(path_text.ptr[i] >= '0' && path_text.ptr[i] <= '9'))
            return;
        if (path_text.ptr[i] == '^' || path_text.ptr[i] == '\\')
            return;
    }
    CHECK(is_there.could || arena_is_full(arena));
    CHECK(!is_there.could || is_there.holds == (count > 0));
    CHECK(ask(path_text, " absent", STR(""), body, arena).holds == (count == 0));
    if (!has_star(&path)) {
        struct asked equals = ask(path_text, " = ", value, body, arena);
        struct asked differs = ask(path_text, " != ", value, body, arena);
        struct asked below = ask(path_text, " < ", value, body, arena);
        struct asked above = ask(path_text, " > ", value, body, arena);

        CHECK(equals.could == differs.could && below.could == above.could);
        CHECK(!equals.could || equals.holds != differs.holds);
        CHECK(!(below.holds && above.holds));
        CHECK(!equals.holds || count == 1);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct str path;
    struct str value;
    struct json *body = NULL;
    struct arena arena;

    if (!str_split(&rest, '\n', &path) || !str_split(&rest, '\n', &value) || size > 65536)
        return 0;
    arena_init(&arena, 1 << 24);
    if (json_parse(rest, &arena, &body, NULL) == OK)
        check(path, value, body, &arena);
    arena_done(&arena);
    return 0;
}
