/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/outcome.h"

#include "support/test.h"

static void
every_2xx_is_accepted_and_three_others_mean_something(void **state)
{
    for (int status = 0; status < 1000; status++) {
        enum outcome expected = OUTCOME_RETRY;

        if (status >= 200 && status < 300)
            expected = OUTCOME_ACCEPTED;
        else if (status == 410)
            expected = OUTCOME_GONE;
        else if (status == 429)
            expected = OUTCOME_BUSY;
        else if (status == 503)
            expected = OUTCOME_OVERWHELMED;
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
    assert_int_equal(outcome_of(false, 429), OUTCOME_RETRY);
    assert_int_equal(outcome_of(false, 503), OUTCOME_RETRY);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_2xx_is_accepted_and_three_others_mean_something),
        cmocka_unit_test(without_a_whole_answer_the_status_means_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
