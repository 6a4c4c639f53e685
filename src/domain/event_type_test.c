/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/event_type.h"

#include "base/json.h"
#include "domain/event.h"
#include "domain/payload.h"
#include "support/test.h"

static void
render_sample(struct buf *buf, enum phone_format format)
{
    static const struct str mangoes[] = {{"mango1", 6}, {"mango2", 6}, {"mango3", 6}};
    struct zone *zone = NULL;
    struct payload_session session = {.title = STR("Introduction to Digital Marketing"),
        .link = STR("https://meet.google.com/abc-defg-hij")};
    struct payload_attendee attendee = {.name = STR("John Doe"),
        .email = STR("john@example.com"),
        .phone = STR("1234567890"),
        .has_offset = true,
        .offset_minutes = 330};
    struct buf fixed;

    assert_int_equal(zone_new_fixed(330, &zone), OK);
    session.creator_zone = zone;
    assert_int_equal(id_parse(STR("634fc35ddaf58580e2418c40"), &session.webinar_id), OK);
    assert_int_equal(walltime_parse(STR("2024-03-15T10:00:00Z"), &session.from), OK);
    assert_int_equal(walltime_parse(STR("2024-03-15T11:00:00Z"), &session.to), OK);
    buf_init(&fixed, 65536);
    payload_fixed_build(&fixed, &session, 1, mangoes, COUNT_OF(mangoes));
    payload_render(buf, &attendee, format, buf_str(&fixed));
    assert_false(buf_is_full(&fixed) || buf_is_full(buf));
    buf_done(&fixed);
    zone_free(zone);
}

static void
the_samples_are_what_would_be_sent(void **state)
{
    const struct event_type *type = event_type_find(STR(EVENT_WEBINAR_CREATED_SINGLE));
    struct buf buf;

    (void)state;
    assert_non_null(type);
    buf_init(&buf, 65536);
    render_sample(&buf, PHONE_NUMBER);
    assert_string_equal(buf.ptr, type->sample.ptr);
    buf_clear(&buf);
    render_sample(&buf, PHONE_STRING);
    assert_string_equal(buf.ptr, type->sample_phone_string.ptr);
    buf_done(&buf);
}

/* The keys of a body are those that its schema requires, no more, down to the last object. */
static void
assert_obeys(const struct json *body, const struct json *schema)
{
    const struct json *required = json_find(schema, STR("required"));
    const struct json *properties = json_find(schema, STR("properties"));

    assert_int_equal(body->kind, JSON_OBJECT);
    assert_non_null(required);
    assert_non_null(properties);
    assert_int_equal(required->count, body->count);
    assert_int_equal(properties->count, body->count);
    for (const struct json *key = required->first; key != NULL; key = key->next) {
        const struct json *value = json_find(body, key->text);
        const struct json *rule = json_find(properties, key->text);

        if (value == NULL || rule == NULL)
            fail_msg("%.*s is required and is not there", STR_FMT(key->text));
        if (value->kind == JSON_OBJECT)
            assert_obeys(value, rule);
        if (value->kind == JSON_ARRAY && value->first->kind == JSON_OBJECT)
            assert_obeys(value->first, json_find(rule, STR("items")));
    }
}

static void
every_sample_obeys_its_schema(void **state)
{
    (void)state;
    for (size_t i = 0; i < event_type_count; i++) {
        const struct event_type *type = &event_types[i];
        const struct str samples[] = {type->sample, type->sample_phone_string};
        struct json *schema = NULL;
        struct arena arena;

        arena_init(&arena, 1 << 20);
        assert_int_equal(json_parse(type->schema, &arena, &schema, NULL), OK);
        for (size_t j = 0; j < COUNT_OF(samples); j++) {
            struct json *sample = NULL;

            assert_int_equal(json_parse(samples[j], &arena, &sample, NULL), OK);
            assert_obeys(sample, schema);
        }
        arena_done(&arena);
    }
}

static void
every_type_is_found_and_its_schema_is_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < event_type_count; i++) {
        struct json *json = NULL;
        struct arena arena;

        arena_init(&arena, 1 << 20);
        assert_ptr_equal(event_type_find(event_types[i].name), &event_types[i]);
        assert_int_equal(json_parse(event_types[i].schema, &arena, &json, NULL), OK);
        arena_done(&arena);
    }
    assert_null(event_type_find(STR("webinar.created")));
    assert_null(event_type_find((struct str){NULL, 0}));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_samples_are_what_would_be_sent),
        cmocka_unit_test(every_sample_obeys_its_schema),
        cmocka_unit_test(every_type_is_found_and_its_schema_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
