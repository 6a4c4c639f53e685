/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/salvo.h"

#include "support/test.h"

static const struct instant start = {INT64_C(1000) * US_PER_S};

static void
without_a_rate_only_the_number_at_a_time_counts(void **state)
{
    struct instant when = {7};
    struct salvo salvo;

    (void)state;
    salvo_init(&salvo, 3, 2, 0);
    assert_true(salvo_start(&salvo, start, &when));
    assert_true(salvo_start(&salvo, start, &when));
    assert_false(salvo_start(&salvo, start, &when));
    assert_int_equal(when.us, INSTANT_NEVER.us);
    salvo_settle(&salvo);
    assert_true(salvo_start(&salvo, start, &when));
    assert_false(salvo_start(&salvo, start, &when));
    salvo_settle(&salvo);
    assert_false(salvo_is_over(&salvo));
    assert_false(salvo_start(&salvo, start, &when));
    assert_int_equal(when.us, INSTANT_NEVER.us);
    salvo_settle(&salvo);
    assert_true(salvo_is_over(&salvo));
}

static void
a_rate_is_kept_from_the_first_to_the_last(void **state)
{
    struct instant now = start;
    struct instant when = {0};
    struct salvo salvo;
    int64_t count = 0;

    (void)state;
    salvo_init(&salvo, 101, 200, 50);
    /* From one due moment to the next, as the loop's timer does. */
    while (!salvo_is_over(&salvo)) {
        while (salvo_start(&salvo, now, &when)) {
            assert_true(count * US_PER_S / 50 <= now.us - start.us);
            count++;
            salvo_settle(&salvo);
        }
        if (when.us != INSTANT_NEVER.us)
            now = when;
    }
    assert_int_equal(count, 101);
    assert_int_equal(now.us - start.us, 2 * US_PER_S);
}

static void
answers_that_are_late_hold_up_the_rate_and_are_not_made_up_for(void **state)
{
    struct instant later = instant_add_us(start, 10 * US_PER_S);
    struct instant when = {0};
    struct salvo salvo;

    (void)state;
    salvo_init(&salvo, 100, 1, 10);
    assert_true(salvo_start(&salvo, start, &when));
    assert_false(salvo_start(&salvo, instant_add_us(start, US_PER_S), &when));
    assert_int_equal(when.us, INSTANT_NEVER.us);
    salvo_settle(&salvo);
    assert_true(salvo_start(&salvo, later, &when));
    salvo_settle(&salvo);
    assert_false(salvo_start(&salvo, later, &when));
    assert_int_equal(when.us, later.us + US_PER_S / 10);
}

static void
what_is_ended_waits_only_for_what_is_under_way(void **state)
{
    struct instant when = {0};
    struct salvo salvo;

    (void)state;
    salvo_init(&salvo, 10, 4, 0);
    assert_true(salvo_start(&salvo, start, &when));
    salvo_end(&salvo);
    assert_false(salvo_start(&salvo, start, &when));
    assert_false(salvo_is_over(&salvo));
    salvo_settle(&salvo);
    assert_true(salvo_is_over(&salvo));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_only_the_number_at_a_time_counts),
        cmocka_unit_test(a_rate_is_kept_from_the_first_to_the_last),
        cmocka_unit_test(answers_that_are_late_hold_up_the_rate_and_are_not_made_up_for),
        cmocka_unit_test(what_is_ended_waits_only_for_what_is_under_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
