/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/schedule.h"

#include "base/compiler.h"
#include "support/test.h"

static const int64_t seconds[] = {0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};

/* The random number that moves a delay by nothing, to its earliest, and to its latest. */
static uint64_t
random_for(int64_t delay_us, int fifths)
{
    return (uint64_t)(delay_us / 5 * (fifths + 1));
}

static void
ten_attempts_follow_the_table(void **state)
{
    const struct schedule schedule = schedule_standard(SCHEDULE_ATTEMPTS_DEFAULT);

    for (uint32_t made = 0; made < COUNT_OF(seconds); made++) {
        int64_t table_us = seconds[made] * US_PER_S;
        int64_t delay_us = -1;

        assert_true(schedule_next(&schedule, made, random_for(table_us, 0), 0, &delay_us));
        assert_int_equal(delay_us, table_us);
    }
    (void)state;
}

static void
when_attempts_are_used_up_there_is_no_next(void **state)
{
    const struct schedule ten = schedule_standard(10);
    const struct schedule one = schedule_standard(1);
    int64_t delay_us = -1;

    assert_false(schedule_next(&ten, 10, 0, 0, &delay_us));
    assert_false(schedule_next(&ten, 11, 0, US_PER_S, &delay_us));
    assert_false(schedule_next(&ten, UINT32_MAX, 0, 0, &delay_us));
    assert_false(schedule_next(&one, 1, 0, 0, &delay_us));
    assert_int_equal(delay_us, -1);
    (void)state;
}

static void
more_attempts_than_the_table_has_repeat_its_last_delay(void **state)
{
    const struct schedule schedule = schedule_standard(100);
    int64_t delay_us = -1;

    assert_true(schedule_next(&schedule, 99, random_for(86400 * US_PER_S, 0), 0, &delay_us));
    assert_int_equal(delay_us, 86400 * US_PER_S);
    assert_int_equal(schedule_standard(UINT32_MAX).count, SCHEDULE_DELAYS_MAX);
    (void)state;
}

static void
jitter_moves_a_delay_by_at_most_a_fifth(void **state)
{
    const struct schedule schedule = schedule_standard(SCHEDULE_ATTEMPTS_DEFAULT);
    uint64_t random = 0x9e3779b97f4a7c15U;

    for (uint32_t made = 1; made < COUNT_OF(seconds); made++) {
        int64_t table_us = seconds[made] * US_PER_S;
        int64_t delay_us = -1;
        bool early = false;
        bool late = false;

        assert_true(schedule_next(&schedule, made, random_for(table_us, -1), 0, &delay_us));
        assert_int_equal(delay_us, table_us / 5 * 4);
        assert_true(schedule_next(&schedule, made, random_for(table_us, 1), 0, &delay_us));
        assert_int_equal(delay_us, table_us / 5 * 6);
        for (int i = 0; i < 1000; i++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            assert_true(schedule_next(&schedule, made, random >> 1, 0, &delay_us));
            assert_in_range(delay_us, table_us / 5 * 4, table_us / 5 * 6);
            early |= delay_us < table_us / 10 * 9;
            late |= delay_us > table_us / 10 * 11;
        }
        assert_true(early && late);
    }
    (void)state;
}

static void
what_the_endpoint_asks_only_ever_delays(void **state)
{
    const struct schedule schedule = schedule_standard(SCHEDULE_ATTEMPTS_DEFAULT);

    static const struct {
        uint32_t made;
        int64_t asked_s;
        int64_t delay_s;
    } cases[] = {{1, 1, 5}, {1, 5, 5}, {1, 6, 6}, {1, 3600, 3600}, {9, 3600, 86400},
        {2, 86400, 86400}, {2, 86401, 86400}, {2, INT64_MAX / US_PER_S, 86400}, {3, -5, 1800}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t random = random_for(seconds[cases[i].made] * US_PER_S, 0);
        int64_t delay_us = -1;

        assert_true(schedule_next(&schedule, cases[i].made, random, cases[i].asked_s * US_PER_S,
            &delay_us));
        assert_int_equal(delay_us, cases[i].delay_s * US_PER_S);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_attempts_follow_the_table),
        cmocka_unit_test(when_attempts_are_used_up_there_is_no_next),
        cmocka_unit_test(more_attempts_than_the_table_has_repeat_its_last_delay),
        cmocka_unit_test(jitter_moves_a_delay_by_at_most_a_fifth),
        cmocka_unit_test(what_the_endpoint_asks_only_ever_delays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
