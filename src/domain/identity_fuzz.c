/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_other_way(struct buf *buf, const struct json *json, size_t depth);

/* With blanks between them. */
static void
write_children(struct buf *buf, const struct json *parent, bool is_backwards, size_t depth)
{
    const struct json **children = calloc(parent->count + 1, sizeof(const struct json *));
    size_t count = 0;

    CHECK(children != NULL);
    for (const struct json *child = parent->first; child != NULL; child = child->next)
        children[count++] = child;
    for (size_t i = 0; i < count; i++) {
        const struct json *child = children[is_backwards ? count - 1 - i : i];

        buf_append_str(buf, i > 0 ? STR(" ,\n") : STR("\t"));
        if (parent->kind == JSON_OBJECT) {
            json_append_string(buf, child->name);
            buf_append_literal(buf, " : ");
        }
        write_other_way(buf, child, depth + 1);
    }
    free(children);
}

/* Every byte below 0x80 as an escape. */
static void
write_escaped(struct buf *buf, struct str text)
{
    buf_append_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < 0x80)
            buf_printf(buf, "\\u%04X", c);
        else
            buf_append_char(buf, (char)c);
    }
    buf_append_char(buf, '"');
}

/* The same meaning in other words. */
static void
write_other_way(struct buf *buf, const struct json *json, size_t depth)
{
    switch (json->kind) {
    case JSON_NULL: buf_append_literal(buf, "null"); break;
    case JSON_BOOL: buf_append_str(buf, json->boolean ? STR("true") : STR("false")); break;
    case JSON_NUMBER:
        buf_append_str(buf, json->text);
        if (str_find(json->text, 'e', 0) == SIZE_MAX && str_find(json->text, 'E', 0) == SIZE_MAX)
            buf_append_literal(buf, "E+00");
        break;
    case JSON_STRING: write_escaped(buf, json->text); break;
    case JSON_ARRAY:
        buf_append_char(buf, '[');
        /* The sessions may come in any order, no other list may. */
        write_children(buf, json, depth == 1 && str_equals(json->name, STR("callList")), depth);
        buf_append_char(buf, ']');
        break;
    case JSON_OBJECT:
        buf_append_char(buf, '{');
        write_children(buf, json, true, depth);
        buf_append_char(buf, '}');
        break;
    }
}

static void
version(const struct json *json, const struct identity_fields *ignored, struct arena *arena,
    uint8_t ret[SHA256_BYTES])
{
    CHECK(version_of(json, ignored, arena, ret) == OK);
}

/* However it is written a body has one version; with one member more it has another, but where that
 * is ignored. */
static void
check_version(struct str text, const struct json *json, struct arena *arena)
{
    CLEANUP(buf_done) struct buf other;
    CLEANUP(buf_done) struct buf more;
    struct json *again = NULL;
    struct identity_fields ignored = {.count = 1};
    uint8_t first[SHA256_BYTES];
    uint8_t second[SHA256_BYTES];

    buf_init(&other, 1 << 24);
    buf_init(&more, 1 << 24);
    version(json, NULL, arena, first);
    write_other_way(&other, json, 0);
    CHECK(json_parse(buf_str(&other), arena, &again, NULL) == OK);
    version(again, NULL, arena, second);
    CHECK(memcmp(first, second, SHA256_BYTES) == 0);

    if (json->kind != JSON_OBJECT || json_find(json, STR("more")) != NULL)
        return;
    text = str_trim(text);
    buf_append(&more, text.ptr, text.len - 1);
    buf_append_str(&more, json->count > 0 ? STR(",\"more\":[{}]}") : STR("\"more\":[{}]}"));
    CHECK(json_parse(buf_str(&more), arena, &again, NULL) == OK);
    version(again, NULL, arena, second);
    CHECK(memcmp(first, second, SHA256_BYTES) != 0);
    CHECK(field_path_parse(STR("more"), arena, &ignored.paths[0], NULL) == OK);
    version(again, &ignored, arena, second);
    CHECK(memcmp(first, second, SHA256_BYTES) == 0);
}

/* A body of an order whose three parts are these; a part that is not there is null. */
static struct identity
order(const struct str parts[3], struct arena *arena)
{
    static const struct str names[] = {{"orderId", 7}, {"status", 6}, {"orderTime", 9}};
    CLEANUP(buf_done) struct buf text;
    struct json_writer writer;
    struct json *json = NULL;
    struct received received;
    struct identity identity = {.object = STR("")};

    buf_init(&text, 1 << 24);
    json_start(&writer, &text);
    json_object_open(&writer);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        json_name(&writer, names[i]);
        json_string_or_null(&writer, parts[i]);
    }
    json_object_close(&writer);
    CHECK(json_parse(buf_str(&text), arena, &json, NULL) == OK);
    CHECK(received_read(json, arena, &received) == OK);
    CHECK(identity_of(STR("order.x"), &received, NULL, (struct walltime){0}, arena, &identity) ==
          (parts[0].len > 0));
    return identity;
}

static bool
is_same_part(struct str a, struct str b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && str_equals(a, b);
}

/* Six pieces are two orders: the same object just when all parts are the same. */
static void
check_join(struct str text, struct arena *arena)
{
    struct str parts[6] = {{NULL, 0}};
    struct identity first;
    struct identity second;
    bool is_same = true;

    if (!str_is_utf8(text))
        return;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!str_split(&text, '|', &parts[i]))
            break;
    }
    for (size_t i = 0; i < 3; i++)
        is_same &= is_same_part(parts[i], parts[3 + i]);
    first = order(parts, arena);
    second = order(parts + 3, arena);
    if (parts[0].len > 0 && parts[3].len > 0)
        CHECK(str_equals(first.object, second.object) == is_same);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct json *json = NULL;
    struct received received;
    struct identity identity;
    struct arena arena;

    if (size > 16384)
        return 0;
    arena_init(&arena, 1 << 26);
    check_join(text, &arena);
    if (json_parse(text, &arena, &json, NULL) == OK) {
        check_version(text, json, &arena);
        CHECK(received_read(json, &arena, &received) == OK);
        if (identity_of(STR("e"), &received, NULL, (struct walltime){0}, &arena, &identity))
            CHECK(identity.object.len > 0 && identity.object.len <= 512 &&
                  identity.person.len <= 512);
    }
    CHECK(!arena_is_full(&arena));
    arena_done(&arena);
    return 0;
}
