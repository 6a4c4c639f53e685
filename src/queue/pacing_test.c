/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/pacing.h"

#include "base/compiler.h"
#include "os/random.h"
#include "support/test.h"

static const struct instant begin = {1000 * US_PER_S};

/* Starts whenever it is allowed, by a timer that is up to late_us late, for that many seconds. In
 * no stretch of them may there be more than its rate and the burst allow; returns their number. */
static int64_t
starts_in(int seconds, double rate, int64_t late_us, struct random *random)
{
    struct pacing pacing = {0};
    double burst = 1 + rate * (double)PACING_LATE_US / (double)US_PER_S;
    double least = 0; /* of (starts before) - rate * (when), over all starts so far */
    int64_t starts = 0;

    pacing_set(&pacing, rate);
    for (int64_t us = 0; us < seconds * US_PER_S;) {
        struct instant now = {begin.us + us};
        double ahead = (double)starts - rate * (double)us / (double)US_PER_S;

        least = starts == 0 || ahead < least ? ahead : least;
        while (pacing_ready(&pacing, now).us <= now.us) {
            pacing_take(&pacing, now);
            starts++;
            ahead += 1;
        }
        assert_true(ahead - least <= burst + 1e-6);
        us = pacing_ready(&pacing, now).us - begin.us + random_between(random, 0, late_us);
        us += US_PER_MS - us % US_PER_MS;
    }
    return starts;
}

static void
a_rate_is_kept_within_two_percent_and_never_passed_by_more_than_the_burst(void **state)
{
    static const double rates[] = {0.1, 0.3, 1, 7, 19.3, 20.1, 100, 777.7, 1000, 6543.21, 9999,
        10000};
    static const int64_t late_us[] = {0, 3 * US_PER_MS, 45 * US_PER_MS};
    struct random random;

    (void)state;
    random_seed(&random, 1);
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        for (size_t k = 0; k < COUNT_OF(late_us); k++) {
            double starts = (double)starts_in(10, rates[i], late_us[k], &random);

            assert_true(starts >= rates[i] * 10 * 0.98 - 1);
            assert_true(starts <= rates[i] * 10 + 1);
        }
    }
}

static void
rates_at_random_are_kept(void **state)
{
    struct random random;

    (void)state;
    random_seed(&random, 2);
    for (int i = 0; i < 300; i++) {
        double rate = (double)random_between(&random, 100, 300000) / 1000;
        double starts = (double)starts_in(60, rate, random_between(&random, 0, 49000), &random);

        assert_true(starts >= rate * 60 * 0.98 - 1);
        assert_true(starts <= rate * 60 + 1);
    }
}

/* Now and then nobody asks for a while, and the rate changes. */
static void
the_burst_is_bounded_whoever_asks_whenever(void **state)
{
    struct pacing pacing = {0};
    struct instant now = begin;
    struct random random;

    (void)state;
    random_seed(&random, 3);
    for (int i = 0; i < 100000; i++) {
        double rate = (double)random_between(&random, 1, 100000) / 10;
        int at_once = 0;

        pacing_set(&pacing, rate);
        for (; pacing_ready(&pacing, now).us <= now.us; at_once++)
            pacing_take(&pacing, now);
        assert_true(at_once <= 1 + rate * (double)PACING_LATE_US / (double)US_PER_S);
        now = instant_add_us(now, random_between(&random, 0, i % 10 == 0 ? US_PER_S : 30000));
    }
}

static void
the_same_rate_again_changes_nothing(void **state)
{
    struct pacing pacing = {0};
    struct pacing before;

    (void)state;
    pacing_set(&pacing, 3);
    pacing_take(&pacing, begin);
    before = pacing;
    for (int i = 0; i < 10; i++)
        pacing_set(&pacing, 3);
    assert_memory_equal(&pacing, &before, sizeof(pacing));
}

static void
a_slot_that_was_missed_by_a_little_is_made_up_for(void **state)
{
    static const struct {
        int64_t late_us;
        int64_t wait_us; /* for the one after it */
    } cases[] = {
        {0, US_PER_S / 10},
        {PACING_LATE_US, US_PER_S / 10 - PACING_LATE_US},
        {PACING_LATE_US + 1, US_PER_S / 10},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pacing pacing = {0};
        struct instant now;

        pacing_set(&pacing, 10);
        pacing_take(&pacing, begin);
        now = instant_add_us(pacing_ready(&pacing, begin), cases[i].late_us);
        pacing_take(&pacing, now);
        assert_int_equal(pacing_ready(&pacing, now).us, now.us + cases[i].wait_us);
    }
}

static void
a_rate_next_to_nothing_is_one_in_a_thousand_seconds(void **state)
{
    static const double rates[] = {0.001, 1e-9, 1e-300};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        struct pacing pacing = {0};

        pacing_set(&pacing, rates[i]);
        pacing_take(&pacing, begin);
        assert_int_equal(pacing_ready(&pacing, begin).us, begin.us + 1000 * US_PER_S);
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
a_limit_that_is_set_counts_from_the_last_start_without_one(void **state)
{
    struct pacing pacing = {0};
    struct instant last = instant_add_ms(begin, 20);

    (void)state;
    pacing_take(&pacing, begin);
    pacing_take(&pacing, last);
    pacing_set(&pacing, 1);
    assert_int_equal(pacing_ready(&pacing, last).us, last.us + US_PER_S);
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
        cmocka_unit_test(rates_at_random_are_kept),
        cmocka_unit_test(the_burst_is_bounded_whoever_asks_whenever),
        cmocka_unit_test(the_same_rate_again_changes_nothing),
        cmocka_unit_test(a_slot_that_was_missed_by_a_little_is_made_up_for),
        cmocka_unit_test(a_rate_next_to_nothing_is_one_in_a_thousand_seconds),
        cmocka_unit_test(without_a_rate_nothing_waits),
        cmocka_unit_test(a_limit_that_is_set_counts_from_the_last_start_without_one),
        cmocka_unit_test(who_must_wait_is_told_the_slot),
        cmocka_unit_test(a_pause_does_not_save_up_starts),
        cmocka_unit_test(another_rate_holds_from_the_last_start_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
