/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handling_value.h"

#include <string.h>

#include "base/check.h"
#include "support/test.h"

static struct received_session sessions[2];
static struct received received;
static struct handling handling;

static int
start(void **state)
{
    (void)state;
    memset(sessions, 0, sizeof(sessions));
    sessions[0] = (struct received_session){
        .webinar = STR("Intro"),
        .has_from = true,
        .has_to = true,
        .from = {INT64_C(1710541800000000)}, /* 2024-03-15T22:30:00Z */
        .to = {INT64_C(1710545400000000)},
    };
    received = (struct received){
        .name = STR("Ann"),
        .email = STR(""),
        .sessions = sessions,
        .session_count = 2,
    };
    handling = (struct handling){
        .id = STR("in_1"),
        .sequence = 42,
        .revision = 3,
        .source = STR("shop"),
        .event = STR("webinar.created.single"),
        .received_at = {INT64_C(1710496800000000)},
        .body = STR("{}"),
        .received = &received,
    };
    return 0;
}

/* "-" where there is none. */
static void
expect(const char *name, size_t session, const char *expected)
{
    struct buf buf;
    bool is_there;

    buf_init(&buf, 4096);
    assert_true(handling_value_is_known(str_from(name)));
    is_there = handling_value(&handling, str_from(name), session, &buf);
    if (!is_there) {
        assert_int_equal(buf.len, 0);
        buf_append_char(&buf, '-');
    }
    assert_string_equal(buf.len > 0 ? buf.ptr : "", expected);
    buf_done(&buf);
}

static void
an_item_has_values_beside_its_body(void **state)
{
    (void)state;
    expect("id", 0, "in_1");
    expect("source", 0, "shop");
    expect("event", 0, "webinar.created.single");
    expect("change", 0, "created");
    expect("updated", 0, "-");
    expect("sequence", 0, "42");
    expect("revision", 0, "3");
    expect("received", 0, "2024-03-15T10:00:00.000Z");
    expect("person", 0, "-");
    expect("sender_id", 0, "-");
    expect("payload", 0, "{}");
    expect("name", 0, "Ann");
    expect("webinar", 0, "Intro");
    expect("webinar", 1, "-");
    expect("webinar", 2, "-");
    received.email = STR(" Ann@Example.com");
    expect("person", 0, "e:ann@example.com");
    handling.person = STR("n:ann");
    expect("person", 0, "n:ann");
    handling.is_update = true;
    expect("change", 0, "updated");
    expect("updated", 0, "updated");
}

static void
times_for_a_person_are_on_the_attendees_wall_else_the_creators(void **state)
{
    (void)state;
    expect("starts", 0, "Friday, 15 March 2024, 22:30 (UTC)");
    sessions[0].has_creator_offset = true;
    sessions[0].creator_offset_minutes = -300;
    expect("starts", 0, "Friday, 15 March 2024, 17:30 (UTC-05:00)");
    received.has_offset = true;
    received.offset_minutes = 330;
    expect("starts", 0, "Saturday, 16 March 2024, 04:00 (UTC+05:30)");
    expect("ends", 0, "Saturday, 16 March 2024, 05:00 (UTC+05:30)");
    expect("starts", 1, "-");
    expect("ends", 2, "-");
    received.offset_minutes = -60;
    sessions[0].from.us = 0;
    expect("starts", 0, "Wednesday, 31 December 1969, 23:00 (UTC-01:00)");
    sessions[0].has_to = false;
    expect("ends", 0, "-");
}

static void
all_names_are_known_and_no_others(void **state)
{
    struct buf buf;
    struct str rest;
    struct str name;
    size_t count = 0;

    (void)state;
    buf_init(&buf, 4096);
    handling_value_names(&buf);
    for (rest = buf_str(&buf); str_split(&rest, ',', &name); count++)
        assert_true(handling_value_is_known(str_trim(name)));
    assert_int_equal(count, 29);
    assert_false(handling_value_is_known(STR("")));
    assert_false(handling_value_is_known(STR("nickname")));
    assert_false(handling_value(&handling, STR("nickname"), 0, &buf));
    buf_done(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_item_has_values_beside_its_body, start),
        cmocka_unit_test_setup(times_for_a_person_are_on_the_attendees_wall_else_the_creators,
            start),
        cmocka_unit_test_setup(all_names_are_known_and_no_others, start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
