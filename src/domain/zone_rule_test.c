/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/zone_rule.h"

#include "base/compiler.h"
#include "base/moment.h"
#include "support/test.h"

static int64_t
utc(const char *text)
{
    struct walltime at = {0};

    assert_int_equal(walltime_parse(str_from(text), &at), OK);
    return at.us / US_PER_S;
}

static void
a_rule_says_when_the_clocks_move(void **state)
{
    static const struct {
        const char *rule;
        const char *at;
        int32_t offset_s;
    } cases[] = {
        {"<-03>3", "2050-07-01T00:00:00Z", -10800},
        {"IST-5:30", "2050-07-01T00:00:00Z", 19800},
        {"LMT0:44:30", "2050-07-01T00:00:00Z", -2670},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2050-03-27T00:59:59Z", 3600},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2050-03-27T01:00:00Z", 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2050-10-30T00:59:59Z", 7200},
        {"CET-1CEST,M3.5.0,M10.5.0/3", "2050-10-30T01:00:00Z", 3600},
        /* South of the equator the year begins in summer time. */
        {"<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2050-01-01T00:00:00Z", 49500},
        {"<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2050-06-01T00:00:00Z", 45900},
        {"<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", "2050-12-31T23:59:59Z", 49500},
        /* Dublin: the "daylight saving" is winter, and an hour behind. */
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2050-01-15T00:00:00Z", 0},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2050-07-15T00:00:00Z", 3600},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2050-03-27T00:59:59Z", 0},
        {"IST-1GMT0,M10.5.0,M3.5.0/1", "2050-03-27T01:00:00Z", 3600},
        /* Hours before the day and beyond it: Nuuk's Saturday, Gaza's Saturday after a Thursday. */
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-03-27T00:59:59Z", -7200},
        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-03-27T01:00:00Z", -3600},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-03-25T23:59:59Z", 7200},
        {"EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-03-26T00:00:00Z", 10800},
        /* The three ways to name a day: only J skips 29 February. */
        {"AAA0BBB,J60/0,J300/0", "2048-02-29T12:00:00Z", 0},
        {"AAA0BBB,J60/0,J300/0", "2048-03-01T00:00:00Z", 3600},
        {"AAA0BBB,59/0,300/0", "2048-02-29T00:00:00Z", 3600},
        {"AAA0BBB,59/0,300/0", "2049-02-28T23:59:59Z", 0},
        {"AAA0BBB,59/0,300/0", "2049-03-01T00:00:00Z", 3600},
        /* Daylight saving all year, as RFC 9636 writes it: never a moment of the other. */
        {"XXX3EDT4,0/0,J365/23", "2050-01-01T02:59:59Z", -14400},
        {"XXX3EDT4,0/0,J365/23", "2050-01-01T03:00:00Z", -14400},
        {"XXX3EDT4,0/0,J365/23", "2050-07-01T00:00:00Z", -14400},
        /* A week before its own year, and a week after it. */
        {"AAA0BBB,0/-167,100/0", "2049-12-25T00:59:59Z", 0},
        {"AAA0BBB,0/-167,100/0", "2049-12-25T01:00:00Z", 3600},
        {"AAA0BBB,200/0,J365/167", "2051-01-06T21:59:59Z", 3600},
        {"AAA0BBB,200/0,J365/167", "2051-01-06T22:00:00Z", 0},
        {"AAA0BBB,J365/167,J364/167", "2051-01-02T00:00:00Z", 3600},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct zone_rule rule = {0};

        assert_int_equal(zone_rule_parse(str_from(cases[i].rule), &rule, NULL), OK);
        if (zone_rule_offset_at(&rule, utc(cases[i].at)) != cases[i].offset_s)
            fail_msg("%s at %s: %d", cases[i].rule, cases[i].at,
                zone_rule_offset_at(&rule, utc(cases[i].at)));
    }
    (void)state;
}

static void
what_is_no_rule_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "E",
        "ES5",
        "EST",
        "EST5EDT",
        "EST5EDT,M3.2.0",
        "EST5EDT,M3.2.0,M11.1.0,",
        "EST5EDT,M3.2.0,M11.1.0 ",
        ":EST5",
        "EST5EDT,M13.2.0,M11.1.0",
        "EST5EDT,M0.2.0,M11.1.0",
        "EST5EDT,M3.6.0,M11.1.0",
        "EST5EDT,M3.0.0,M11.1.0",
        "EST5EDT,M3.2.7,M11.1.0",
        "EST5EDT,J0,M11.1.0",
        "EST5EDT,J366,M11.1.0",
        "EST5EDT,366,M11.1.0",
        "EST5EDT,M3.2.0/168,M11.1.0",
        "EST5EDT,M3.2.0/1:60,M11.1.0",
        "EST19",
        "EST18:00:01",
        "EST-18:00:01",
        "EST-18EDT,M3.2.0,M11.1.0",
        "EST5:60",
        "<E>5",
        "<EST5",
        "<E!T>5",
        "EST5EDTEDT",
        "E1T5",
        "EST0000005",
        "EST5EDT,M3.2.0/,M11.1.0",
        "EST--5",
        "EST+-5",
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct zone_rule rule = {.standard_s = 7};
        struct error error = {0};

        if (zone_rule_parse(str_from(cases[i]), &rule, &error) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", cases[i]);
        assert_int_equal(rule.standard_s, 7);
        assert_int_equal(error.code, ERR_INVALID);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_says_when_the_clocks_move),
        cmocka_unit_test(what_is_no_rule_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
