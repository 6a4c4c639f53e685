/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request_limit.h"

#include <string.h>

#include "os/clock.h"
#include "support/test.h"

static struct request_limit limit; /* too large for the stack */

/* Keys of the same row, told apart by their last bytes. */
struct key {
    uint8_t bytes[SHA256_BYTES];
};

static struct key
key_of(unsigned row, unsigned number)
{
    struct key key = {{(uint8_t)(row >> 8), (uint8_t)row}};

    key.bytes[30] = (uint8_t)(number >> 8);
    key.bytes[31] = (uint8_t)(number + 1);
    return key;
}

static bool
take(const struct clock_manual *clock, struct key key, struct request_quota *ret)
{
    return request_limit_take(&limit, key.bytes, clock->instant_now, ret);
}

static void
take_all(const struct clock_manual *clock, struct key key)
{
    struct request_quota quota = {0};

    while (take(clock, key, &quota))
        continue;
}

static void
the_whole_limit_may_come_at_once(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 120);
    for (int64_t left = 119; left >= 0; left--) {
        assert_true(take(&clock, key_of(1, 1), &quota));
        assert_int_equal(quota.limit, 120);
        assert_int_equal(quota.remaining, left);
        assert_int_equal(quota.wait_s, 0);
    }
    assert_int_equal(quota.reset_s, 10);
    assert_false(take(&clock, key_of(1, 1), &quota));
    assert_int_equal(quota.limit, 120);
    assert_int_equal(quota.remaining, 0);
    assert_int_equal(quota.reset_s, 10);
    assert_int_equal(quota.wait_s, 1);
    request_limit_done(&limit);
}

static void
it_comes_back_evenly(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 4); /* one each 2.5 s */
    take_all(&clock, key_of(1, 1));
    assert_false(take(&clock, key_of(1, 1), &quota));
    assert_int_equal(quota.wait_s, 3);
    clock_manual_advance(&clock, 2500 * US_PER_MS - 1);
    assert_false(take(&clock, key_of(1, 1), &quota));
    assert_int_equal(quota.wait_s, 1);
    clock_manual_advance(&clock, 1);
    assert_true(take(&clock, key_of(1, 1), &quota));
    assert_int_equal(quota.remaining, 0);
    assert_false(take(&clock, key_of(1, 1), &quota));
    clock_manual_advance(&clock, 10 * US_PER_S);
    assert_true(take(&clock, key_of(1, 1), &quota));
    assert_int_equal(quota.remaining, 3);
    assert_int_equal(quota.reset_s, 3);
    request_limit_done(&limit);
}

static void
nothing_is_saved_up(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 4);
    assert_true(take(&clock, key_of(1, 1), &quota));
    clock_manual_advance(&clock, US_PER_DAY);
    for (int64_t left = 3; left >= 0; left--) {
        assert_true(take(&clock, key_of(1, 1), &quota));
        assert_int_equal(quota.remaining, left);
    }
    assert_false(take(&clock, key_of(1, 1), &quota));
    request_limit_done(&limit);
}

/* What was refused has taken nothing: who goes on asking does not wait for longer. */
static void
who_keeps_to_the_limit_is_never_refused(void **state)
{
    static const int64_t limits[] = {1, 7, 120, 999, 333333, REQUEST_LIMIT_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct clock_manual clock;
        struct request_quota quota = {0};
        int64_t period_us = (REQUEST_LIMIT_PERIOD_US + limits[i] - 1) / limits[i];

        clock_manual_init(&clock, (struct walltime){0});
        request_limit_init(&limit, limits[i]);
        take_all(&clock, key_of(1, 1));
        for (int j = 0; j < 100; j++) {
            clock_manual_advance(&clock, period_us);
            assert_true(take(&clock, key_of(1, 1), &quota));
            assert_true(quota.remaining < limits[i]);
        }
        request_limit_done(&limit);
    }
}

/* In any time no more than the limit and what has come back. */
static void
no_more_than_the_limit_passes(void **state)
{
    static const int64_t limits[] = {1, 7, 120, 333333};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        struct clock_manual clock;
        struct request_quota quota = {0};
        int64_t passed = 0;

        clock_manual_init(&clock, (struct walltime){0});
        request_limit_init(&limit, limits[i]);
        for (int j = 0; j < 400; j++) { /* 20 s, more often than any of them allows */
            for (int64_t k = 0; k <= limits[i] / 10 + 1; k++)
                passed += take(&clock, key_of(1, 1), &quota);
            clock_manual_advance(&clock, 50 * US_PER_MS);
        }
        assert_in_range(passed, 3 * limits[i] - limits[i] / 10 - 1, 3 * limits[i]);
        request_limit_done(&limit);
    }
}

static void
each_key_has_its_own(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 2);
    take_all(&clock, key_of(1, 1));
    assert_true(take(&clock, key_of(1, 2), &quota));
    assert_true(take(&clock, key_of(2, 1), &quota));
    assert_int_equal(quota.remaining, 1);
    assert_false(take(&clock, key_of(1, 1), &quota));
    request_limit_done(&limit);
}

static void
a_stranger_pushes_nobody_out_who_asks_more_than_he(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 120);
    take_all(&clock, key_of(1, 0));
    for (unsigned guess = 1; guess < 10 * REQUEST_LIMIT_PLACES; guess++)
        assert_true(take(&clock, key_of(1, guess), &quota));
    assert_false(take(&clock, key_of(1, 0), &quota));
    request_limit_done(&limit);
}

static void
the_bucket_that_is_whole_again_first_is_forgotten(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 4);
    for (unsigned i = 0; i < REQUEST_LIMIT_PLACES; i++) {
        take_all(&clock, key_of(1, i));
        clock_manual_advance(&clock, 1);
    }
    assert_true(take(&clock, key_of(1, 100), &quota)); /* in the first one's place */
    for (unsigned i = 1; i < REQUEST_LIMIT_PLACES; i++)
        assert_false(take(&clock, key_of(1, i), &quota));
    assert_true(take(&clock, key_of(1, 0), &quota)); /* forgotten, so it begins anew */
    assert_int_equal(quota.remaining, 3);
    request_limit_done(&limit);
}

static void
moments_out_of_order_refill_nothing_twice(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {0};
    struct instant early;

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    early = clock.instant_now;
    clock_manual_advance(&clock, US_PER_S);
    request_limit_init(&limit, 10);
    take_all(&clock, key_of(1, 1));
    assert_false(request_limit_take(&limit, key_of(1, 1).bytes, early, &quota));
    assert_int_equal(quota.remaining, 0);
    assert_int_equal(quota.reset_s, 10);
    assert_false(take(&clock, key_of(1, 1), &quota));
    request_limit_done(&limit);
}

static void
no_limit_is_no_limit(void **state)
{
    struct clock_manual clock;
    struct request_quota quota = {.limit = 7};

    (void)state;
    clock_manual_init(&clock, (struct walltime){0});
    request_limit_init(&limit, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(take(&clock, key_of(1, 1), &quota));
    assert_int_equal(quota.limit, 0);
    request_limit_done(&limit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_limit_may_come_at_once),
        cmocka_unit_test(it_comes_back_evenly),
        cmocka_unit_test(nothing_is_saved_up),
        cmocka_unit_test(who_keeps_to_the_limit_is_never_refused),
        cmocka_unit_test(no_more_than_the_limit_passes),
        cmocka_unit_test(each_key_has_its_own),
        cmocka_unit_test(a_stranger_pushes_nobody_out_who_asks_more_than_he),
        cmocka_unit_test(the_bucket_that_is_whole_again_first_is_forgotten),
        cmocka_unit_test(moments_out_of_order_refill_nothing_twice),
        cmocka_unit_test(no_limit_is_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
