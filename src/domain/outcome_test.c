/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/outcome.h"

#include "support/test.h"

static void
every_2xx_is_accepted_and_410_is_gone(void **state)
{
    for (int status = 0; status < 1000; status++) {
        enum outcome expected = OUTCOME_RETRY;

        if (status >= 200 && status < 300)
            expected = OUTCOME_ACCEPTED;
        else if (status == 410)
            expected = OUTCOME_GONE;
        assert_int_equal(outcome_of(true, status), expected);
    }
    (void)state;
}

static void
without_a_whole_answer_the_status_means_nothing(void **state)
{
    assert_int_equal(outcome_of(false, 0), OUTCOME_RETRY);
    assert_int_equal(outcome_of(false, 200), OUTCOME_RETRY);
    assert_int_equal(outcome_of(false, 410), OUTCOME_RETRY);
    assert_false(outcome_slows(false, 429));
    (void)state;
}

static void
only_429_and_503_ask_for_a_slower_pace(void **state)
{
    for (int status = 0; status < 1000; status++)
        assert_int_equal(outcome_slows(true, status), status == 429 || status == 503);
    (void)state;
}

static void
names_are_stored_and_read_back(void **state)
{
    static const char *const bad[] = {"", "Accepted", "accepted ", "refused", "gon"};
    enum outcome outcome = OUTCOME_GONE;

    for (int i = OUTCOME_ACCEPTED; i <= OUTCOME_GONE; i++) {
        assert_int_equal(outcome_parse(str_from(outcome_name((enum outcome)i)), &outcome), OK);
        assert_int_equal(outcome, i);
    }
    assert_string_equal(outcome_name(OUTCOME_ACCEPTED), "accepted");
    outcome = OUTCOME_GONE;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(outcome_parse(str_from(bad[i]), &outcome), ERR_INVALID);
        assert_int_equal(outcome, OUTCOME_GONE);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_2xx_is_accepted_and_410_is_gone),
        cmocka_unit_test(without_a_whole_answer_the_status_means_nothing),
        cmocka_unit_test(only_429_and_503_ask_for_a_slower_pace),
        cmocka_unit_test(names_are_stored_and_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
