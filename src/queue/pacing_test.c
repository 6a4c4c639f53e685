/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/pacing.h"

#include "base/compiler.h"
#include "support/test.h"

/* Start whenever it is allowed, looking every step_us, for ten seconds; returns the starts. */
static int64_t
starts_in_ten_seconds(double rate, int64_t step_us)
{
    struct pacing pacing = {0};
    int64_t starts = 0;

    pacing_set(&pacing, rate);
    for (int64_t us = 1000; us < 1000 + 10 * US_PER_S; us += step_us) {
        struct instant now = {us};

        while (pacing_ready(&pacing, now).us <= now.us) {
            pacing_take(&pacing, now);
            starts++;
        }
    }
    return starts;
}

static void
a_rate_is_kept_within_two_percent_and_never_passed_by_more_than_the_burst(void **state)
{
    static const double rates[] = {0.1, 1, 7, 100, 1000, 10000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        double whole = rates[i] * 10;
        int64_t starts = starts_in_ten_seconds(rates[i], 3000);

        assert_true((double)starts >= whole * 0.98);
        assert_true((double)starts <= whole + rates[i] / 20 + 1);
    }
}

static void
without_a_rate_nothing_waits(void **state)
{
    struct pacing pacing = {0};
    struct instant now = {5};

    (void)state;
    pacing_set(&pacing, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pacing_ready(&pacing, now).us, now.us);
        pacing_take(&pacing, now);
    }
}

static void
who_must_wait_is_told_the_slot(void **state)
{
    struct pacing pacing = {0};
    struct instant now = {10 * US_PER_S};

    (void)state;
    pacing_set(&pacing, 2);
    pacing_take(&pacing, now);
    assert_int_equal(pacing_ready(&pacing, now).us, now.us + US_PER_S / 2);
}

static void
a_pause_does_not_save_up_starts(void **state)
{
    struct pacing pacing = {0};
    struct instant later = {100 * US_PER_S};

    (void)state;
    pacing_set(&pacing, 10);
    pacing_take(&pacing, (struct instant){US_PER_S});
    pacing_take(&pacing, later);
    assert_true(pacing_ready(&pacing, later).us > later.us);
}

static void
another_rate_holds_from_the_last_start_on(void **state)
{
    static const struct {
        double before;
        double after;
        int64_t wait_us; /* after the last start */
    } cases[] = {
        {0.1, 10, US_PER_S / 10},
        {10, 0.1, 10 * US_PER_S},
        {0, 2, US_PER_S / 2},
        {2, 0, 0},
        {5, 5, US_PER_S / 5},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pacing pacing = {0};
        struct instant now = {100 * US_PER_S};

        pacing_set(&pacing, cases[i].before);
        pacing_take(&pacing, now);
        pacing_set(&pacing, cases[i].after);
        assert_int_equal(pacing_ready(&pacing, now).us, now.us + cases[i].wait_us);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_kept_within_two_percent_and_never_passed_by_more_than_the_burst),
        cmocka_unit_test(without_a_rate_nothing_waits),
        cmocka_unit_test(who_must_wait_is_told_the_slot),
        cmocka_unit_test(a_pause_does_not_save_up_starts),
        cmocka_unit_test(another_rate_holds_from_the_last_start_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
