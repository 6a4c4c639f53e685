/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/notice.h"

#include <string.h>

#include "domain/event.h"
#include "domain/event_type.h"
#include "support/test.h"

static struct walltime
at(const char *text)
{
    struct walltime ret;

    assert_int_equal(walltime_parse(str_from(text), &ret), OK);
    return ret;
}

static struct id
id_of(const char *text)
{
    struct id id;

    assert_int_equal(id_parse(str_from(text), &id), OK);
    return id;
}

static struct notice_hook
sample_hook(void)
{
    return (struct notice_hook){
        .id = id_of("65f4134d3f8a2c0e5b000001"),
        .url = STR("https://example.com/hook"),
        .event = STR(EVENT_WEBINAR_CREATED_SINGLE),
    };
}

/* One that fits all of health's samples. */
static struct notice_health
sample_health(const char *type)
{
    return (struct notice_health){
        .type = str_from(type),
        .at = at("2024-03-15T10:00:00Z"),
        .hook = sample_hook(),
        .since = at("2024-03-15T09:45:00Z"),
        .result = STR("status"),
        .status = 503,
        .disabled_by = STR("failing"),
    };
}

static void
the_samples_are_what_would_be_sent(void **state)
{
    static const char *const types[] = {EVENT_HOOK_FAILING, EVENT_HOOK_DISABLED,
        EVENT_HOOK_RECOVERED};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const struct event_type *type = event_type_find(str_from(types[i]));
        struct notice_health notice = sample_health(types[i]);
        CLEANUP(buf_done) struct buf buf;

        assert_non_null(type);
        assert_true(type->is_notice);
        buf_init(&buf, 4096);
        notice_health_render(&buf, &notice);
        assert_string_equal(buf.ptr, type->sample.ptr);
        assert_string_equal(buf.ptr, type->sample_phone_string.ptr);
    }
}

static void
the_sample_of_a_death_is_what_would_be_sent(void **state)
{
    const struct id attendee = id_of("65f412003f8a2c0e5b000003");
    const struct notice_dead notice = {
        .at = at("2024-03-15T10:00:00Z"),
        .hook = sample_hook(),
        .event = id_of("65f413cf3f8a2c0e5b000002"),
        .webinar = id_of("634fc35ddaf58580e2418c40"),
        .sequence = INT64_C(1710491599000000),
        .count = 1,
        .attempts = 10,
        .attendees = &attendee,
        .attendee_count = 1,
    };
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 4096);
    notice_dead_render(&buf, &notice);
    assert_string_equal(buf.ptr, event_type_find(STR(EVENT_DELIVERY_DEAD))->sample.ptr);
}

static void
what_is_not_known_is_null(void **state)
{
    struct notice_health notice = sample_health(EVENT_HOOK_DISABLED);
    const struct notice_dead dead = {.at = notice.at, .hook = notice.hook, .count = 7};
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 4096);
    notice.since.us = 0;
    notice.result = STR("timeout");
    notice.status = 0;
    notice_health_render(&buf, &notice);
    assert_non_null(
        strstr(buf.ptr, "\"failingSince\":null,\"lastResult\":\"timeout\",\"lastStatus\":null"));
    buf_clear(&buf);
    notice.result = (struct str){NULL, 0};
    notice_health_render(&buf, &notice);
    assert_non_null(strstr(buf.ptr, "\"lastResult\":null"));
    buf_clear(&buf);
    notice_dead_render(&buf, &dead);
    assert_non_null(strstr(buf.ptr, "\"webinar\":null,\"count\":7"));
    assert_non_null(strstr(buf.ptr, "\"deliveries\":[]"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_samples_are_what_would_be_sent),
        cmocka_unit_test(the_sample_of_a_death_is_what_would_be_sent),
        cmocka_unit_test(what_is_not_known_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
