/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/payload.h"

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next piece of the input, or the empty text after its end. */
static struct str
take(struct str *rest)
{
    struct str piece;

    return str_split(rest, '|', &piece) ? piece : STR("");
}

static void
check_member(const struct json *object, struct str name, struct str expected)
{
    const struct json *member = json_find(object, name);

    CHECK(member != NULL && member->kind == JSON_STRING && str_equals(member->text, expected));
}

static void
check_phone(const struct json *member, struct str stored, enum phone_format format)
{
    size_t at = 0;

    if (stored.len == 0) {
        CHECK(member->kind == JSON_NULL);
        return;
    }
    if (member->kind == JSON_STRING) {
        CHECK(str_equals(member->text, stored));
        return;
    }
    /* A number has the stored digits in their order, and they fit. */
    CHECK(member->kind == JSON_NUMBER && format == PHONE_NUMBER && member->text.len <= 15);
    for (size_t i = 0; i < stored.len; i++) {
        if (stored.ptr[i] >= '0' && stored.ptr[i] <= '9')
            CHECK(at < member->text.len && member->text.ptr[at++] == stored.ptr[i]);
    }
    CHECK(at == member->text.len);
}

static void
check_body(struct str body, const struct payload_attendee *attendee,
    const struct payload_session *session, enum phone_format format)
{
    struct arena arena;
    struct json *json = NULL;
    const struct json *item;

    arena_init(&arena, 1 << 24);
    CHECK(json_parse(body, &arena, &json, NULL) == OK);
    CHECK(json->kind == JSON_OBJECT && json->count == 6);
    check_member(json, STR("name"), attendee->name);
    check_member(json, STR("email"), attendee->email);
    check_phone(json_find(json, STR("phone")), attendee->phone, format);
    item = json_find(json, STR("callList"))->first;
    CHECK(item != NULL && item->next == NULL && item->count == 8);
    check_member(item, STR("webinar"), session->title);
    check_member(item, STR("webinarLink"), session->link);
    arena_done(&arena);
}

/* Any texts that are UTF-8 make a body that a strict reader takes, in which they are unchanged. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    struct zone *zone = NULL;
    struct payload_attendee attendee = {0};
    struct payload_session session = {0};
    struct str mangoes[2];
    enum phone_format format = size % 2 == 0 ? PHONE_NUMBER : PHONE_STRING;

    if (!str_is_utf8(rest) || size > 65536)
        return 0;
    CLEANUP(buf_done) struct buf fixed;
    CLEANUP(buf_done) struct buf body;
    buf_init(&fixed, 1 << 20);
    buf_init(&body, 1 << 20);
    CHECK(zone_new_fixed((int32_t)(size % 2160) - 1080, &zone) == OK);
    attendee.name = take(&rest);
    attendee.email = take(&rest);
    attendee.phone = take(&rest);
    session.title = take(&rest);
    session.link = take(&rest);
    session.creator_zone = zone;
    session.from.us = (int64_t)size * US_PER_DAY;
    session.to.us = session.from.us + US_PER_S;
    mangoes[0] = take(&rest);
    mangoes[1] = take(&rest);
    payload_attendee_zone(&attendee, size % 3 == 0 ? NULL : zone, session.from);

    payload_fixed_build(&fixed, &session, 1, mangoes, 2);
    payload_render(&body, &attendee, format, buf_str(&fixed));
    CHECK(!buf_is_full(&body) && !buf_is_full(&fixed));
    check_body(buf_str(&body), &attendee, &session, format);
    zone_free(zone);
    return 0;
}
