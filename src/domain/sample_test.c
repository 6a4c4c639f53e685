/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/sample.h"

#include <string.h>

#include "base/json.h"
#include "domain/received.h"
#include "support/test.h"

#define BYTES_MAX (64 * 1024)
#define NOW_US    INT64_C(1710496800000000) /* 2024-03-15T10:00:00Z */

static struct walltime
from(void)
{
    return sample_from((struct walltime){NOW_US});
}

static void
build(const char *event, int64_t number, struct buf *buf)
{
    buf_init(buf, BYTES_MAX);
    assert_int_equal(sample_build(buf, str_from(event), number, from()), OK);
}

static void
assert_body(const char *event, const char *expected)
{
    struct buf buf;

    build(event, 7, &buf);
    assert_string_equal(buf.ptr, expected);
    buf_done(&buf);
}

static void
each_event_is_read_as_what_it_is(void **state)
{
    static const enum received_shape shapes[] = {RECEIVED_CALL_LIST, RECEIVED_CALL_LIST,
        RECEIVED_REMINDER, RECEIVED_REMINDER, RECEIVED_REMINDER, RECEIVED_REMINDER,
        RECEIVED_COMPLETED, RECEIVED_ORDER, RECEIVED_ORDER, RECEIVED_ORDER, RECEIVED_ORDER,
        RECEIVED_SUBSCRIPTION, RECEIVED_COURSE, RECEIVED_COURSE, RECEIVED_COURSE, RECEIVED_COURSE,
        RECEIVED_COURSE, RECEIVED_USER};

    (void)state;
    assert_int_equal(sample_event_count, COUNT_OF(shapes));
    for (size_t i = 1; i < sample_event_count; i++) {
        struct received received;
        struct arena arena;
        struct json *json = NULL;
        struct buf buf;

        build(sample_events[i].ptr, 7, &buf);
        arena_init(&arena, BYTES_MAX);
        assert_int_equal(json_parse(buf_str(&buf), &arena, &json, NULL), OK);
        assert_int_equal(received_read(json, &arena, &received), OK);
        assert_int_equal(received.shape, shapes[i]);
        assert_int_equal(received.flags, 0);
        assert_true(str_equals(received.email, STR("attendee7@example.com")));
        arena_done(&arena);
        buf_done(&buf);
    }
}

static void
members_are_those_that_are_published(void **state)
{
    (void)state;
    assert_body("webinar.reminder.15min",
        "{\"name\":\"Attendee 7\",\"email\":\"attendee7@example.com\",\"phone\":\"+919876500007\","
        "\"timezone\":\"+05:30\",\"webinar\":\"Introduction to Digital Marketing\",\"webinarId\":"
        "\"634fc35ddaf58580e2418c40\",\"webinarLink\":\"https://meet.example.com/abc-defg-hij\","
        "\"webinarFromTime\":\"2024-03-16T10:00:00.000Z\",\"webinarToTime\":"
        "\"2024-03-16T11:00:00.000Z\",\"webinarFromTimeInCreatorTimezone\":"
        "\"2024-03-16T15:30:00.000Z\",\"creatorTimezone\":\"+05:30\",\"mangoes\":"
        "\"Digital Marketing\"}");
    assert_body("webinar.completed.all",
        "{\"name\":\"Attendee 7\",\"email\":\"attendee7@example.com\",\"phone\":\"+919876500007\","
        "\"webinar\":\"Introduction to Digital Marketing\",\"webinarId\":"
        "\"634fc35ddaf58580e2418c40\",\"webinarLink\":\"https://videos.example.com/recording\"}");
    assert_body("order.created.failed",
        "{\"subscriberId\":\"subscriber_7\",\"name\":\"Attendee 7\",\"email\":"
        "\"attendee7@example.com\",\"phone\":919876500007,\"country\":\"IN\",\"dialCode\":\"+91\","
        "\"orderId\":\"order_7\",\"orderTime\":\"2024-03-15T10:00Z\",\"amount\":100,\"gst\":18,"
        "\"discount\":20,\"coupon\":\"WELCOME\",\"amountPayable\":98,\"mangoName\":"
        "\"Digital Marketing\",\"status\":\"failed\",\"recurringType\":\"onetime\",\"currency\":"
        "\"INR\",\"quantity\":1,\"customFields\":[]}");
    assert_body("subscription.expired",
        "{\"name\":\"Attendee 7\",\"email\":\"attendee7@example.com\",\"phone\":919876500007,"
        "\"mangoRecurringType\":\"monthly\",\"mangoTitle\":\"Digital Marketing\",\"mangoLink\":"
        "\"https://shop.example.com/digital-marketing\",\"lastPurchaseDate\":\"14 Feb 2024\"}");
    assert_body("course.completed.50",
        "{\"name\":\"Attendee 7\",\"email\":\"attendee7@example.com\",\"phone\":919876500007,"
        "\"course\":\"Digital Marketing\",\"courseId\":\"634fc35ddaf58580e2418c50\","
        "\"lastProgressOn\":\"2024-03-15T10:00Z\"}");
    assert_body("user.deleted",
        "{\"_id\":\"634fc35ddaf5858000000007\",\"name\":\"Attendee 7\",\"email\":"
        "\"attendee7@example.com\",\"phone\":919876500007,\"country\":\"IN\",\"host\":"
        "\"shop.example.com\",\"profilePicUrl\":\"https://shop.example.com/picture.png\"}");
}

static void
a_series_has_its_sessions_a_week_apart(void **state)
{
    struct received received;
    struct arena arena;
    struct json *json = NULL;
    struct buf buf;

    (void)state;
    build("webinar.created.recurring", 1, &buf);
    arena_init(&arena, BYTES_MAX);
    assert_int_equal(json_parse(buf_str(&buf), &arena, &json, NULL), OK);
    assert_int_equal(received_read(json, &arena, &received), OK);
    assert_int_equal(received.session_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(received.sessions[i].from.us, from().us + (int64_t)i * 7 * US_PER_DAY);
    assert_false(str_equals(received.sessions[0].webinar_id, received.sessions[2].webinar_id));
    arena_done(&arena);
    buf_done(&buf);
}

static void
each_number_is_another_person(void **state)
{
    struct sample_person one;
    struct sample_person other;

    (void)state;
    sample_person(1, &one);
    sample_person(SAMPLE_NUMBER_MAX, &other);
    assert_string_equal(one.email, "attendee1@example.com");
    assert_string_equal(other.email, "attendee99999999@example.com");
    assert_string_equal(other.name, "Attendee 99999999");
    /* Fifteen digits: all that a number of JSON carries without loss. */
    assert_int_equal(strlen(other.phone), 1 + 15);
}

static void
a_day_has_one_session(void **state)
{
    int64_t midnight_us = NOW_US / US_PER_DAY * US_PER_DAY;

    (void)state;
    assert_int_equal(sample_from((struct walltime){midnight_us}).us, from().us);
    assert_int_equal(sample_from((struct walltime){midnight_us + US_PER_DAY - 1}).us, from().us);
    assert_int_equal(sample_from((struct walltime){midnight_us + US_PER_DAY}).us,
        from().us + US_PER_DAY);
}

static void
what_is_not_made_here_is_refused(void **state)
{
    static const char *const events[] = {"webinar.created.single", "webinar.reminder.2days",
        "order.created.", "order", "", "user.deleted "};
    struct buf buf;

    (void)state;
    buf_init(&buf, BYTES_MAX);
    for (size_t i = 0; i < COUNT_OF(events); i++)
        assert_int_equal(sample_build(&buf, str_from(events[i]), 1, from()), ERR_NOT_FOUND);
    assert_int_equal(buf.len, 0);
    buf_done(&buf);

    buf_init(&buf, 16);
    assert_int_equal(sample_build(&buf, STR("user.deleted"), 1, from()), ERR_LIMIT);
    buf_done(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_is_read_as_what_it_is),
        cmocka_unit_test(members_are_those_that_are_published),
        cmocka_unit_test(a_series_has_its_sessions_a_week_apart),
        cmocka_unit_test(each_number_is_another_person),
        cmocka_unit_test(a_day_has_one_session),
        cmocka_unit_test(what_is_not_made_here_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
