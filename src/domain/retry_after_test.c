/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/retry_after.h"

#include "base/compiler.h"
#include "support/test.h"

static struct walltime
instant(const char *text)
{
    struct walltime at = {0};

    assert_int_equal(walltime_parse(str_from(text), &at), OK);
    return at;
}

static void
seconds_and_dates_are_understood(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"0", 0},
        {"120", 120 * US_PER_S},
        {" 120\t", 120 * US_PER_S},
        {"007", 7 * US_PER_S},
        {"1.5", 1500000},
        {"0.0000001", 0},
        {"0.000001", 1},
        {"1.12345678901234567890", 1123456},
        {"86400", US_PER_DAY},
        {"86400.1", US_PER_DAY},
        {"86401", US_PER_DAY},
        {"99999999999999999999999999999999999999", US_PER_DAY},
        /* now is Sun, 06 Nov 1994 08:49:37.250 */
        {"Sun, 06 Nov 1994 08:50:37 GMT", 59750000},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 59750000},
        {"Sun Nov  6 08:50:37 1994", 59750000},
        {"Sun Nov 06 08:50:37 1994", 59750000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sat, 05 Nov 1994 08:49:37 GMT", 0},
        {"Mon, 07 Nov 1994 08:49:38 GMT", US_PER_DAY},
        {"Thu, 29 Feb 2096 23:59:60 GMT", US_PER_DAY},
        {"Wed, 06 Nov 1994 08:50:37 GMT", 59750000},       /* the date counts, not its day's name */
        {"Wednesday, 06-Nov-44 08:50:37 GMT", US_PER_DAY}, /* 2044: 50 years ahead */
        {"Wednesday, 06-Nov-45 08:50:37 GMT", 0},          /* 1945: 51 would be too many */
        {"Wednesday, 06-Nov-93 08:50:37 GMT", 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t us = -1;

        assert_int_equal(
            retry_after_parse(str_from(cases[i].text), instant("1994-11-06T08:49:37.250Z"), &us),
            OK);
        if (us != cases[i].us)
            fail_msg("%s: %lld", cases[i].text, (long long)us);
    }
    (void)state;
}

static void
rubbish_is_refused(void **state)
{
    static const char *const cases[] = {"", " ", "-1", "+1", "1e3", "1,5", ".5", "1.", "1.5s",
        "0x10", "soon", "120, 240", "1 2", "Infinity", "Sun", "Sun,", ",", "1994-11-06T08:49:37Z",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC", "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Noo 1994 08:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Wed, 30 Feb 1994 08:49:37 GMT",
        "Tue, 29 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37", "Sun Nov 6 08:49:37 1994",
        "Sun Nov  0 08:49:37 1994", "Sun Nov  6 08:49:37 1994 GMT", "Sunday Nov  6 08:49:37 1994"};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t us = -7;

        if (retry_after_parse(str_from(cases[i]), instant("1994-11-06T08:49:37Z"), &us) !=
            ERR_INVALID)
            fail_msg("\"%s\" was accepted", cases[i]);
        assert_int_equal(us, -7);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_and_dates_are_understood),
        cmocka_unit_test(rubbish_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
