/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/send_bodies.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "domain/sample.h"
#include "support/test.h"

static const struct walltime now = {INT64_C(1710496800000000)}; /* 2024-03-15T10:00:00Z */

static enum err
read_text(struct send_bodies *bodies, struct str text, struct error *reterr)
{
    struct buf buf;
    enum err err;

    buf_init(&buf, SEND_FILE_BYTES_MAX);
    buf_append_str(&buf, text);
    err = send_bodies_text(bodies, "a.json", &buf, reterr);
    assert_null(buf.ptr);
    return err;
}

static void
assert_rendered(const struct send_bodies *bodies, int64_t index, const char *expected)
{
    struct buf body;

    buf_init(&body, HTTP_BODY_BYTES_MAX);
    assert_int_equal(send_bodies_render(bodies, index, &body), OK);
    assert_string_equal(body.ptr, expected);
    buf_done(&body);
}

static void
the_first_event_is_the_published_body(void **state)
{
    struct send_bodies bodies;

    (void)state;
    assert_int_equal(send_bodies_samples(&bodies, "webinar.created.single", now, NULL), OK);
    assert_rendered(&bodies, 0,
        "{\"name\":\"Attendee 1\",\"email\":\"attendee1@example.com\",\"phone\":919876500001,"
        "\"timezone\":\"+05:30\",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\","
        "\"webinarId\":\"634fc35ddaf58580e2418c40\",\"webinarLink\":"
        "\"https://meet.example.com/abc-defg-hij\",\"webinarFromTime\":"
        "\"2024-03-16T10:00:00.000Z\",\"webinarToTime\":\"2024-03-16T11:00:00.000Z\","
        "\"webinarFromTimeInCreatorTimezone\":\"2024-03-16T15:30:00.000Z\","
        "\"webinarToTimeInCreatorTimezone\":\"2024-03-16T16:30:00.000Z\",\"creatorTimezone\":"
        "\"+05:30\"}],\"mangoes\":\"Digital Marketing\"}");
    send_bodies_done(&bodies);
}

static void
each_event_has_a_sample_for_each_attendee(void **state)
{
    (void)state;
    for (size_t i = 0; i < sample_event_count; i++) {
        struct send_bodies bodies;
        struct buf body;

        assert_int_equal(send_bodies_samples(&bodies, sample_events[i].ptr, now, NULL), OK);
        buf_init(&body, HTTP_BODY_BYTES_MAX);
        assert_int_equal(send_bodies_render(&bodies, 41, &body), OK);
        assert_non_null(strstr(body.ptr, "\"attendee42@example.com\""));
        buf_done(&body);
        send_bodies_done(&bodies);
    }
}

static void
a_mistyped_event_is_told(void **state)
{
    struct send_bodies bodies;
    struct error error;

    (void)state;
    assert_int_equal(send_bodies_samples(&bodies, "order.created.complete", now, &error),
        ERR_INVALID);
    assert_non_null(strstr(error.text, "did you mean order.created.completed?"));
    send_bodies_done(&bodies);
    assert_int_equal(send_bodies_samples(&bodies, "something.else", now, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "--file"));
    send_bodies_done(&bodies);
}

static void
a_file_is_one_body_or_one_on_each_line(void **state)
{
    struct send_bodies bodies;

    (void)state;
    assert_int_equal(read_text(&bodies, STR(" {\"a\":\n 1}\r\n"), NULL), OK);
    assert_int_equal(bodies.count, 1);
    assert_rendered(&bodies, 0, "{\"a\":\n 1}");
    assert_rendered(&bodies, 1, "{\"a\":\n 1}");
    send_bodies_done(&bodies);

    assert_int_equal(read_text(&bodies, STR("{\"a\":1}\r\n\n  {\"a\":2}\n{\"a\":3}"), NULL), OK);
    assert_int_equal(bodies.count, 3);
    assert_rendered(&bodies, 0, "{\"a\":1}");
    assert_rendered(&bodies, 1, "{\"a\":2}");
    assert_rendered(&bodies, 2, "{\"a\":3}");
    assert_rendered(&bodies, 3, "{\"a\":1}");
    send_bodies_done(&bodies);
}

static void
many_lines_are_all_there(void **state)
{
    struct send_bodies bodies;
    struct buf text;

    (void)state;
    buf_init(&text, SEND_FILE_BYTES_MAX);
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "{\"n\":%d}\n", i);
    assert_int_equal(send_bodies_text(&bodies, "a.ndjson", &text, NULL), OK);
    assert_int_equal(bodies.count, 1000);
    assert_rendered(&bodies, 999, "{\"n\":999}");
    send_bodies_done(&bodies);
}

static void
what_is_no_json_is_named_by_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"", "a.json: there is nothing in it"},
        {" \n \n", "a.json: there is nothing in it"},
        {"{\"a\":\n 1,}", "a.json: neither one body of JSON, nor one on each line: "},
        {"name,email\na,b\n", "a.json: neither"},
        {"{\"a\":1}\n\n{\"a\":2\n{\"a\":3}\n", "a.json:3: "},
    };
    struct send_bodies bodies;
    struct error error;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(read_text(&bodies, str_from(cases[i].text), &error), ERR_INVALID);
        if (strstr(error.text, cases[i].words) == NULL)
            fail_msg("\"%s\" does not have \"%s\"", error.text, cases[i].words);
        send_bodies_done(&bodies);
    }
}

static void
a_body_that_is_too_large_is_refused(void **state)
{
    size_t len = HTTP_BODY_BYTES_MAX + 1;
    char *text = malloc(len);
    struct send_bodies bodies;
    struct error error;

    (void)state;
    assert_non_null(text);
    memset(text, '1', len);
    text[0] = text[len - 1] = '"';
    assert_int_equal(read_text(&bodies, (struct str){text, len}, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "1048576 bytes"));
    send_bodies_done(&bodies);
    text[len - 2] = '"';
    assert_int_equal(read_text(&bodies, (struct str){text, len - 1}, NULL), OK);
    send_bodies_done(&bodies);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_event_is_the_published_body),
        cmocka_unit_test(each_event_has_a_sample_for_each_attendee),
        cmocka_unit_test(a_mistyped_event_is_told),
        cmocka_unit_test(a_file_is_one_body_or_one_on_each_line),
        cmocka_unit_test(many_lines_are_all_there),
        cmocka_unit_test(what_is_no_json_is_named_by_its_line),
        cmocka_unit_test(a_body_that_is_too_large_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
