/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ARENA_BYTES (4 * 1024 * 1024)

static void
write_value(struct json_writer *writer, const struct json *value)
{
    switch (value->kind) {
    case JSON_NULL: json_null(writer); return;
    case JSON_BOOL: json_bool(writer, value->boolean); return;
    case JSON_NUMBER: json_raw(writer, value->text); return;
    case JSON_STRING: json_string(writer, value->text); return;
    case JSON_ARRAY:
        json_array_open(writer);
        for (const struct json *child = value->first; child != NULL; child = child->next)
            write_value(writer, child);
        json_array_close(writer);
        return;
    case JSON_OBJECT:
        json_object_open(writer);
        for (const struct json *child = value->first; child != NULL; child = child->next) {
            json_name(writer, child->name);
            write_value(writer, child);
        }
        json_object_close(writer);
        return;
    }
    UNREACHABLE;
}

static void
check_equal(const struct json *a, const struct json *b)
{
    const struct json *x = a->first;
    const struct json *y = b->first;
    size_t count = 0;

    CHECK(a->kind == b->kind && a->boolean == b->boolean && a->count == b->count);
    CHECK(str_equals(a->text, b->text) && str_equals(a->name, b->name));
    CHECK(str_is_utf8(a->text) && str_is_utf8(a->name));
    for (; x != NULL && y != NULL; x = x->next, y = y->next, count++)
        check_equal(x, y);
    CHECK(x == NULL && y == NULL && count == a->count);
}

/* What parses, written again, parses to the same tree; what does not gives a reason in UTF-8. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_done) struct arena arena;
    CLEANUP(buf_done) struct buf buf;
    struct json_writer writer;
    struct json *tree = NULL;
    struct json *again = NULL;
    struct error error = {.text = ""};

    arena_init(&arena, ARENA_BYTES);
    buf_init(&buf, ARENA_BYTES);
    if (json_parse((struct str){(const char *)data, size}, &arena, &tree, &error) != OK) {
        CHECK(tree == NULL);
        CHECK(error.text[0] != '\0' && str_is_utf8(str_from(error.text)));
        return 0;
    }
    CHECK(json_is_well_formed((struct str){(const char *)data, size}));
    json_start(&writer, &buf);
    write_value(&writer, tree);
    CHECK(!buf_is_full(&buf));
    if (json_parse(buf_str(&buf), &arena, &again, &error) == ERR_LIMIT)
        return 0;
    CHECK(again != NULL);
    check_equal(tree, again);
    return 0;
}
