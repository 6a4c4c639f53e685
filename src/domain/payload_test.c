/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/payload.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "support/test.h"

static const struct payload_attendee john = {
    .name = {"John Doe", 8},
    .email = {"john@example.com", 16},
    .phone = {"+1 (234) 567-890", 16},
    .has_offset = true,
    .offset_minutes = 330,
};

static struct walltime
instant(const char *text)
{
    struct walltime at = {0};

    assert_int_equal(walltime_parse(str_from(text), &at), OK);
    return at;
}

static struct payload_session
session_new(const struct zone *zone, const char *from, const char *to)
{
    struct payload_session session = {
        .title = STR("Introduction to Digital Marketing"),
        .link = STR("https://meet.google.com/abc-defg-hij"),
        .from = instant(from),
        .to = instant(to),
        .creator_zone = zone,
    };

    assert_int_equal(id_parse(STR("634fc35ddaf58580e2418c40"), &session.webinar_id), OK);
    return session;
}

/* The example of the published page, but for its white space. */
static const char published[] =
    "{\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":1234567890,"
    "\"timezone\":\"+05:30\",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\","
    "\"webinarId\":\"634fc35ddaf58580e2418c40\","
    "\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\","
    "\"creatorTimezone\":\"+05:30\"}],\"mangoes\":\"mango1, mango2, mango3\"}";

static void
the_published_example_comes_out_byte_for_byte(void **state)
{
    const struct str mangoes[] = {STR("mango1"), STR("mango2"), STR("mango3")};
    CLEANUP(zone_freep) struct zone *zone = NULL;
    CLEANUP(buf_done) struct buf fixed;
    CLEANUP(buf_done) struct buf body;
    struct payload_session session;
    struct payload_attendee attendee = john;

    assert_int_equal(zone_new_fixed(330, &zone), OK);
    session = session_new(zone, "2024-03-15T10:00:00Z", "2024-03-15T11:00:00Z");
    attendee.has_offset = false;
    payload_attendee_zone(&attendee, zone, session.from);

    buf_init(&fixed, 65536);
    buf_init(&body, 65536);
    payload_fixed_build(&fixed, &session, 1, mangoes, 3);
    payload_render(&body, &attendee, PHONE_NUMBER, buf_str(&fixed));
    assert_false(buf_is_full(&body));
    assert_string_equal(body.ptr, published);
    (void)state;
}

static void
a_stored_snapshot_needs_nothing_of_what_it_was_made_from(void **state)
{
    const struct str mangoes[] = {STR("mango1"), STR("mango2"), STR("mango3")};
    struct zone *zone = NULL;
    CLEANUP(buf_done) struct buf fixed;
    CLEANUP(buf_done) struct buf body;
    char snapshot[512];
    size_t len;
    struct payload_session session;

    assert_int_equal(zone_new_fixed(330, &zone), OK);
    session = session_new(zone, "2024-03-15T10:00:00Z", "2024-03-15T11:00:00Z");
    buf_init(&fixed, 65536);
    payload_fixed_build(&fixed, &session, 1, mangoes, 3);
    len = fixed.len;
    assert_in_range(len, 1, sizeof(snapshot));
    memcpy(snapshot, fixed.ptr, len);
    buf_clear(&fixed);
    zone_free(zone);
    memset(&session, 0xee, sizeof(session));

    buf_init(&body, 65536);
    payload_render(&body, &john, PHONE_NUMBER, (struct str){snapshot, len});
    assert_string_equal(body.ptr, published);
    (void)state;
}

static void
phone_is(const char *stored, enum phone_format format, const char *expected)
{
    CLEANUP(buf_done) struct buf body;
    struct payload_attendee attendee = {.name = STR("n"),
        .email = STR("e"),
        .phone = str_from(stored)};
    char whole[256];

    buf_init(&body, 1024);
    payload_render(&body, &attendee, format, STR("!"));
    (void)snprintf(whole, sizeof(whole),
        "{\"name\":\"n\",\"email\":\"e\",\"phone\":%s,\"timezone\":null!", expected);
    assert_string_equal(body.ptr, whole);
}

static void
a_phone_is_a_number_where_a_number_can_carry_it(void **state)
{
    phone_is("+91 98765 43210", PHONE_NUMBER, "919876543210");
    phone_is("1234567890", PHONE_NUMBER, "1234567890");
    phone_is("(+44) 20-7946.0958", PHONE_NUMBER, "442079460958");
    phone_is("123456789012345", PHONE_NUMBER, "123456789012345");
    (void)state;
}

static void
a_phone_that_no_number_can_carry_is_sent_as_it_was_stored(void **state)
{
    phone_is("0123456789", PHONE_NUMBER, "\"0123456789\"");
    phone_is("0", PHONE_NUMBER, "\"0\"");
    phone_is("(0) 30", PHONE_NUMBER, "\"(0) 30\"");
    phone_is("1234567890123456", PHONE_NUMBER, "\"1234567890123456\"");
    phone_is("555-1234 ext. 7", PHONE_NUMBER, "\"555-1234 ext. 7\"");
    phone_is("++1234", PHONE_NUMBER, "\"++1234\"");
    phone_is("12+34", PHONE_NUMBER, "\"12+34\"");
    phone_is("+", PHONE_NUMBER, "\"+\"");
    phone_is("-", PHONE_NUMBER, "\"-\"");
    phone_is("12\t34", PHONE_NUMBER, "\"12\\t34\"");
    phone_is("\xd9\xa1\xd9\xa2", PHONE_NUMBER, "\"\xd9\xa1\xd9\xa2\"");
    (void)state;
}

static void
a_hook_may_have_phones_as_they_were_stored(void **state)
{
    phone_is("+91 98765 43210", PHONE_STRING, "\"+91 98765 43210\"");
    phone_is("1234567890", PHONE_STRING, "\"1234567890\"");
    (void)state;
}

static void
no_phone_is_null_in_both_formats(void **state)
{
    phone_is(NULL, PHONE_NUMBER, "null");
    phone_is("", PHONE_NUMBER, "null");
    phone_is(NULL, PHONE_STRING, "null");
    phone_is("", PHONE_STRING, "null");
    (void)state;
}

static void
an_attendee_without_a_zone_has_null(void **state)
{
    struct payload_attendee attendee = john;

    payload_attendee_zone(&attendee, NULL, instant("2024-03-15T10:00:00Z"));
    assert_false(attendee.has_offset);
    assert_int_equal(attendee.offset_minutes, 0);
    (void)state;
}

static void
many_sessions_are_many_items(void **state)
{
    CLEANUP(zone_freep) struct zone *zone = NULL;
    CLEANUP(buf_done) struct buf fixed;
    CLEANUP(buf_done) struct buf body;
    struct payload_session sessions[3];
    struct arena arena;
    struct json *json = NULL;

    assert_int_equal(zone_new_fixed(-210, &zone), OK);
    for (size_t i = 0; i < COUNT_OF(sessions); i++) {
        sessions[i] = session_new(zone, "2024-03-15T01:00:00Z", "2024-03-15T04:00:00Z");
        sessions[i].from.us += (int64_t)i * US_PER_DAY;
        sessions[i].to.us += (int64_t)i * US_PER_DAY;
    }
    buf_init(&fixed, 65536);
    buf_init(&body, 65536);
    payload_fixed_build(&fixed, sessions, COUNT_OF(sessions), NULL, 0);
    payload_render(&body, &john, PHONE_NUMBER, buf_str(&fixed));

    arena_init(&arena, 65536);
    assert_int_equal(json_parse(buf_str(&body), &arena, &json, NULL), OK);
    assert_int_equal(json_find(json, STR("callList"))->count, 3);
    assert_int_equal(json_find(json, STR("mangoes"))->text.len, 0);
    const struct json *first = json_find(json, STR("callList"))->first;
    assert_true(str_equals(json_find(first, STR("webinarFromTimeInCreatorTimezone"))->text,
        STR("2024-03-14T21:30:00.000Z")));
    assert_true(str_equals(json_find(first, STR("creatorTimezone"))->text, STR("-03:30")));
    arena_done(&arena);
    (void)state;
}

/* New York's rule, in the smallest zone file there is. */
static struct zone *
zone_with_rule(const char *rule)
{
    struct zone *zone = NULL;
    CLEANUP(buf_done) struct buf file;
    static const char header[] =
        "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "\0\0\0\1\0\0\0\4";

    buf_init(&file, 1024);
    for (int i = 0; i < 2; i++) {
        buf_append(&file, header, sizeof(header) - 1);
        buf_append(&file, "\0\0\0\0\0\0LMT\0", 10);
    }
    buf_printf(&file, "\n%s\n", rule);
    assert_int_equal(zone_new_tzif(STR("Test"), buf_str(&file), &zone, NULL), OK);
    return zone;
}

static void
each_end_of_a_session_has_its_own_true_local_time(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *local;
    } cases[] = {
        {"2024-11-03T05:30:00Z", "2024-11-03T06:30:00Z",
            "\"webinarFromTimeInCreatorTimezone\":\"2024-11-03T01:30:00.000Z\","
            "\"webinarToTimeInCreatorTimezone\":\"2024-11-03T01:30:00.000Z\","
            "\"creatorTimezone\":\"-04:00\"}"},
        {"2024-03-10T06:30:00Z", "2024-03-10T07:30:00Z",
            "\"webinarFromTimeInCreatorTimezone\":\"2024-03-10T01:30:00.000Z\","
            "\"webinarToTimeInCreatorTimezone\":\"2024-03-10T03:30:00.000Z\","
            "\"creatorTimezone\":\"-05:00\"}"},
    };
    CLEANUP(zone_freep) struct zone *zone = zone_with_rule("EST5EDT,M3.2.0,M11.1.0");

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct payload_session session = session_new(zone, cases[i].from, cases[i].to);
        CLEANUP(buf_done) struct buf fixed;

        buf_init(&fixed, 65536);
        payload_fixed_build(&fixed, &session, 1, NULL, 0);
        assert_non_null(strstr(fixed.ptr, cases[i].local));
    }
    (void)state;
}

static void
texts_are_escaped_and_nothing_else_is_touched(void **state)
{
    const struct str mangoes[] = {STR("a, \"b\""), STR("c\\d"), STR("")};
    struct payload_attendee attendee = {.name =
                                            STR("J\xc3\xb6rg \"the\n</script>\" \xf0\x9f\xa5\xad"),
        .email = STR("a/b@example.com")};
    CLEANUP(zone_freep) struct zone *zone = NULL;
    CLEANUP(buf_done) struct buf fixed;
    CLEANUP(buf_done) struct buf body;
    struct payload_session session;

    assert_int_equal(zone_new_fixed(0, &zone), OK);
    session = session_new(zone, "2024-03-15T10:00:00Z", "2024-03-15T11:00:00Z");
    session.title = STR("tab\there");
    session.link = STR("https://example.com/?a=1&b=\xe2\x82\xac");
    buf_init(&fixed, 65536);
    buf_init(&body, 65536);
    payload_fixed_build(&fixed, &session, 1, mangoes, 3);
    payload_render(&body, &attendee, PHONE_NUMBER, buf_str(&fixed));
    assert_non_null(strstr(body.ptr,
        "{\"name\":\"J\xc3\xb6rg \\\"the\\n</script>\\\" \xf0\x9f\xa5\xad\","
        "\"email\":\"a/b@example.com\",\"phone\":null,\"timezone\":null,\"callList\":[{"
        "\"webinar\":\"tab\\there\",\"webinarId\":"));
    assert_non_null(
        strstr(body.ptr, "\"webinarLink\":\"https://example.com/?a=1&b=\xe2\x82\xac\","));
    assert_non_null(strstr(body.ptr, "\"creatorTimezone\":\"+00:00\"}],"
                                     "\"mangoes\":\"a, \\\"b\\\", c\\\\d, \"}"));
    (void)state;
}

static void
a_buffer_that_is_too_small_says_so(void **state)
{
    const struct str mangoes[] = {STR("a mango with quite a long name"), STR("another")};
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct payload_session session;

    assert_int_equal(zone_new_fixed(330, &zone), OK);
    session = session_new(zone, "2024-03-15T10:00:00Z", "2024-03-15T11:00:00Z");
    for (size_t max = 0; max < 460; max++) {
        CLEANUP(buf_done) struct buf buf;

        buf_init(&buf, max);
        payload_fixed_build(&buf, &session, 1, mangoes, 2);
        if (!buf_is_full(&buf)) {
            assert_int_equal(buf.len, max);
            assert_string_equal(buf.ptr + max - 11, ", another\"}");
            return;
        }
    }
    fail_msg("it never fitted");
    (void)state;
}

static void
a_name_that_does_not_fit_is_never_left_out_in_silence(void **state)
{
    char long_name[900];
    const struct str mangoes[] = {{long_name, sizeof(long_name)}, STR("x")};
    CLEANUP(zone_freep) struct zone *zone = NULL;
    CLEANUP(buf_done) struct buf buf;
    struct payload_session session;

    memset(long_name, 'm', sizeof(long_name));
    assert_int_equal(zone_new_fixed(330, &zone), OK);
    session = session_new(zone, "2024-03-15T10:00:00Z", "2024-03-15T11:00:00Z");
    buf_init(&buf, 800);
    payload_fixed_build(&buf, &session, 1, mangoes, 2);
    assert_true(buf_is_full(&buf));
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_example_comes_out_byte_for_byte),
        cmocka_unit_test(a_stored_snapshot_needs_nothing_of_what_it_was_made_from),
        cmocka_unit_test(a_phone_is_a_number_where_a_number_can_carry_it),
        cmocka_unit_test(a_phone_that_no_number_can_carry_is_sent_as_it_was_stored),
        cmocka_unit_test(a_hook_may_have_phones_as_they_were_stored),
        cmocka_unit_test(no_phone_is_null_in_both_formats),
        cmocka_unit_test(an_attendee_without_a_zone_has_null),
        cmocka_unit_test(many_sessions_are_many_items),
        cmocka_unit_test(each_end_of_a_session_has_its_own_true_local_time),
        cmocka_unit_test(texts_are_escaped_and_nothing_else_is_touched),
        cmocka_unit_test(a_buffer_that_is_too_small_says_so),
        cmocka_unit_test(a_name_that_does_not_fit_is_never_left_out_in_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
