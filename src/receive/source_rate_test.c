/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/source_rate.h"

#include "support/test.h"

static const struct instant start = {INT64_C(5000000)};

static unsigned
take_all(struct source_rate *rate, double per_s, unsigned burst, struct instant now)
{
    unsigned taken = 0;
    int64_t wait_us = 0;

    while (source_rate_take(rate, per_s, burst, now, &wait_us))
        taken++;
    return taken;
}

static void
a_full_bucket_gives_its_burst_at_once(void **state)
{
    struct source_rate rate = {0};

    (void)state;
    assert_int_equal(take_all(&rate, 10, 10, start), 10);
    assert_int_equal(take_all(&rate, 10, 10, start), 0);
}

static void
what_comes_back_is_the_rate(void **state)
{
    struct source_rate rate = {0};
    struct instant now = start;
    unsigned taken = 0;

    (void)state;
    (void)take_all(&rate, 300000, 1, now);
    for (int i = 0; i < 1000; i++) {
        now.us += 100;
        taken += take_all(&rate, 300000, 30, now);
    }
    assert_in_range(taken, 29990, 30030);
}

static void
a_refusal_says_how_long_and_takes_nothing(void **state)
{
    struct source_rate rate = {0};
    int64_t wait_us = -1;

    (void)state;
    assert_true(source_rate_take(&rate, 0.5, 1, start, &wait_us));
    assert_int_equal(wait_us, -1);
    for (int i = 0; i < 3; i++) {
        assert_false(source_rate_take(&rate, 0.5, 1, start, &wait_us));
        assert_int_equal(wait_us, 2000000);
    }
    assert_false(source_rate_take(&rate, 0.5, 1, instant_add_us(start, 1999999), &wait_us));
    assert_int_equal(wait_us, 1);
    assert_true(source_rate_take(&rate, 0.5, 1, instant_add_us(start, 2000000), &wait_us));
}

static void
a_rate_without_measure_overflows_nothing(void **state)
{
    struct source_rate rate = {0};
    struct source_rate fast = {0};
    int64_t wait_us = 0;

    (void)state;
    assert_true(source_rate_take(&rate, 1e-300, 1, start, &wait_us));
    assert_false(source_rate_take(&rate, 1e-300, 1, start, &wait_us));
    assert_true(wait_us > 0);
    for (int i = 0; i < 1000; i++)
        assert_true(source_rate_take(&fast, 1e300, UINT32_MAX, start, &wait_us));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_burst_at_once),
        cmocka_unit_test(what_comes_back_is_the_rate),
        cmocka_unit_test(a_refusal_says_how_long_and_takes_nothing),
        cmocka_unit_test(a_rate_without_measure_overflows_nothing),
    };

    return cmocka_run_group_tests_name("source_rate", tests, NULL, NULL);
}
