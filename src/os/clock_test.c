/* SPDX-License-Identifier: Apache-2.0 */
#include "os/clock.h"

#include "support/test.h"

static void
the_system_clock_runs_forwards(void **state)
{
    struct instant before = clock_instant(&clock_system);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct instant now = clock_instant(&clock_system);

        assert_true(now.us >= before.us);
        before = now;
    }
    assert_true(before.us > 0);
}

static void
the_system_clock_knows_the_year(void **state)
{
    struct walltime now = clock_walltime(&clock_system);

    (void)state;
    assert_true(now.us > days_from_civil(2024, 1, 1) * US_PER_DAY);
    assert_true(now.us < days_from_civil(2200, 1, 1) * US_PER_DAY);
}

static void
a_manual_clock_stands_until_it_is_moved(void **state)
{
    struct clock_manual manual;
    const struct clock *clock = &manual.base;
    struct instant start;

    (void)state;
    clock_manual_init(&manual, (struct walltime){1000});
    start = clock_instant(clock);
    assert_true(start.us > 0);
    assert_true(clock_instant(clock).us == start.us);
    assert_true(clock_walltime(clock).us == 1000);
    clock_manual_advance(&manual, 5 * US_PER_S);
    assert_true(clock_instant(clock).us == start.us + 5 * US_PER_S);
    assert_true(clock_walltime(clock).us == 1000 + 5 * US_PER_S);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clock_runs_forwards),
        cmocka_unit_test(the_system_clock_knows_the_year),
        cmocka_unit_test(a_manual_clock_stands_until_it_is_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
