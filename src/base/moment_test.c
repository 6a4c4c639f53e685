/* SPDX-License-Identifier: Apache-2.0 */
#include "base/moment.h"

#include "support/test.h"

static void
moments_are_written_with_milliseconds(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {INT64_C(1710496800000000), "2024-03-15T10:00:00.000Z"},
        {INT64_C(1709210096789999), "2024-02-29T12:34:56.789Z"},
        {INT64_C(-62167219200000000), "0000-01-01T00:00:00.000Z"},
        {INT64_C(-62167219200000001), "0000-01-01T00:00:00.000Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[WALLTIME_TEXT_BYTES];

        walltime_format((struct walltime){cases[i].us}, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void
rfc_3339_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"2024-03-15T10:00:00.000Z", INT64_C(1710496800000000)},
        {"2024-03-15T15:30:00+05:30", INT64_C(1710496800000000)},
        {"2024-03-15T15:30+05:30", INT64_C(1710496800000000)},
        {"2024-03-15T10:00Z", INT64_C(1710496800000000)},
        {"2024-03-15T04:30:00-05:30", INT64_C(1710496800000000)},
        {"2024-03-15T10:00:00-00:00", INT64_C(1710496800000000)},
        {"2024-03-15T10:00:00.1Z", INT64_C(1710496800100000)},
        {"2024-03-15T10:00:00.123456789Z", INT64_C(1710496800123456)},
        {"1969-12-31T23:59:59.999999Z", -1},
        {"2016-12-31T23:59:60Z", INT64_C(1483228800000000)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
        {"0000-01-01T00:00:00Z", INT64_C(-62167219200000000)},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct walltime at = {12345};

        assert_int_equal(walltime_parse(str_from(cases[i].text), &at), OK);
        assert_true(at.us == cases[i].us);
    }
}

static void
what_is_no_moment_is_refused(void **state)
{
    static const char *const refused[] = {"", "2024-03-15", "2024-03-15T10:00:00",
        "2024-03-15 10:00:00Z", "2024-03-15T10Z", "2024-3-15T10:00:00Z", "24-03-15T10:00:00Z",
        "2024-00-15T10:00:00Z", "2024-13-15T10:00:00Z", "2024-03-00T10:00:00Z",
        "2024-03-32T10:00:00Z", "2024-04-31T10:00:00Z", "2023-02-29T10:00:00Z",
        "1900-02-29T10:00:00Z", "2024-03-15T24:00:00Z", "2024-03-15T10:60:00Z",
        "2024-03-15T10:00:61Z", "2024-03-15T10:00:00.Z", "2024-03-15T10:00.5Z",
        "2024-03-15T10:00:00,5Z", "2024-03-15T10:00:00+0530", "2024-03-15T10:00:00+05",
        "2024-03-15T10:00:00+24:00", "2024-03-15T10:00:00+05:60", "2024-03-15T10:00:00ZZ",
        "2024-03-15T10:00:00Z ", " 2024-03-15T10:00:00Z", "+2024-03-15T10:00:00Z",
        "-024-03-15T10:00:00Z", "2024-03-15T10:00:00 Z", "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-00:01", "2024-03-15T10:00:00.1234567890x"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct walltime at = {12345};

        assert_int_equal(walltime_parse(str_from(refused[i]), &at), ERR_INVALID);
        assert_true(at.us == 12345);
    }
    assert_int_equal(walltime_parse((struct str){NULL, 0}, &(struct walltime){0}), ERR_INVALID);
}

/* Day by day over all the years that can be written, against a calendar that counts. */
static void
every_day_of_the_calendar_is_right(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year = 0;
    int month = 1;
    int day = 1;

    (void)state;
    for (int64_t days = -719528; year <= 9999; days++) {
        bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
        int64_t year_again;
        int month_again;
        int day_again;

        civil_from_days(days, &year_again, &month_again, &day_again);
        if (days_from_civil(year, month, day) != days || year_again != year ||
            month_again != month || day_again != day)
            fail_msg("%d-%d-%d is wrong", (int)year, month, day);

        day++;
        if (day > lengths[month - 1] + (leap && month == 2 ? 1 : 0)) {
            day = 1;
            month = month % 12 + 1;
            year += month == 1 ? 1 : 0;
        }
    }
    assert_true(days_from_civil(1970, 1, 1) == 0);
    assert_true(days_from_civil(-1, 12, 31) == -719529);
}

static void
an_instant_never_wraps(void **state)
{
    (void)state;
    assert_true(instant_add_ms((struct instant){5}, 3).us == 3005);
    assert_true(instant_add_us(INSTANT_NEVER, 1).us == INT64_MAX);
    assert_true(instant_earlier((struct instant){5}, INSTANT_NEVER).us == 5);
    assert_true(instant_earlier(INSTANT_NEVER, (struct instant){5}).us == 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_written_with_milliseconds),
        cmocka_unit_test(rfc_3339_is_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(every_day_of_the_calendar_is_right),
        cmocka_unit_test(an_instant_never_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
