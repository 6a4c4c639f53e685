/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/received.h"

#include "base/check.h"
#include "base/limits.h"
#include "domain/item.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each value that there is, is text. */
static void
check_values(const struct received *received)
{
    for (size_t i = 0; received_value_names[i] != NULL; i++) {
        for (size_t session = 0; session <= received->session_count && session < 4; session++) {
            CLEANUP(buf_done) struct buf buf;
            bool is_there;

            buf_init(&buf, 1 << 20);
            is_there = received_value(received, str_from(received_value_names[i]), session, &buf);
            CHECK(!buf_is_full(&buf));
            CHECK(is_there || buf.len == 0);
            CHECK(str_is_utf8(buf_str(&buf)));
        }
    }
}

static bool
is_same(const struct json *a, const struct json *b)
{
    const struct json *left = a->first;
    const struct json *right = b->first;

    if (a->kind != b->kind || a->boolean != b->boolean || !str_equals(a->text, b->text) ||
        !str_equals(a->name, b->name) || a->count != b->count)
        return false;
    for (; left != NULL; left = left->next, right = right->next) {
        if (!is_same(left, right))
            return false;
    }
    return true;
}

/* The model is an object that a strict reader takes, with the body unchanged in it. */
static void
check_model(const struct received *received, struct str body, struct arena *arena)
{
    CLEANUP(buf_done) struct buf buf;
    struct received_context context = {.id = STR("in_0"), .change = "created"};
    struct json *model = NULL;
    const struct json *payload;
    const struct json *sessions;

    buf_init(&buf, 1 << 24);
    received_render(&buf, received, &context, body);
    CHECK(!buf_is_full(&buf));
    CHECK(json_parse(buf_str(&buf), arena, &model, NULL) == OK);
    CHECK(model->kind == JSON_OBJECT);
    sessions = json_find(model, STR("sessions"));
    CHECK(sessions != NULL && sessions->count == received->session_count);
    payload = json_find(model, STR("payload"));
    CHECK(payload != NULL && payload->kind == received->body->kind);
    for (const struct json *a = payload->first, *b = received->body->first; a != NULL || b != NULL;
         a = a->next, b = b->next)
        CHECK(a != NULL && b != NULL && is_same(a, b));
}

static size_t
depth_of(const struct json *json)
{
    size_t deepest = 0;

    for (const struct json *child = json->first; child != NULL; child = child->next) {
        size_t depth = depth_of(child);

        if (depth > deepest)
            deepest = depth;
    }
    return deepest + 1;
}

/* Nothing that is JSON is refused. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct received received;
    struct json *json = NULL;
    struct arena arena;

    if (size > 65536)
        return 0;
    arena_init(&arena, 1 << 26);
    if (json_parse(text, &arena, &json, NULL) == OK) {
        CHECK(received_read(json, &arena, &received) == OK);
        CHECK((received.flags & ~(unsigned)(ITEM_UNRECOGNISED | ITEM_CONTRADICTORY)) == 0);
        CHECK(received.shape != RECEIVED_UNKNOWN || (received.flags & ITEM_UNRECOGNISED) != 0);
        check_values(&received);
        /* The body is one level deeper in the model. */
        if (depth_of(json) < JSON_DEPTH_MAX)
            check_model(&received, text, &arena);
    }
    arena_done(&arena);
    return 0;
}
