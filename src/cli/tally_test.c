/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tally.h"

#include <stdlib.h>
#include <string.h>

#include "support/test.h"

static int
setup(void **state)
{
    struct tally *tally = malloc(sizeof(*tally));

    assert_non_null(tally);
    tally_init(tally);
    *state = tally;
    return 0;
}

static int
teardown(void **state)
{
    free(*state);
    return 0;
}

static void
add(struct tally *tally, int status, int64_t latency_us, const char *body)
{
    const struct http_result result = {.status = status,
        .latency_us = latency_us,
        .body = str_from(body)};

    tally_add(tally, &result);
}

static void
assert_told(const struct tally *tally, int64_t asked, int64_t elapsed_us, const char *expected)
{
    struct buf buf;

    buf_init(&buf, 16384);
    tally_write(tally, asked, elapsed_us, &buf);
    assert_string_equal(buf.ptr, expected);
    buf_done(&buf);
}

static void
latencies_are_never_told_too_small_and_three_per_cent_too_large_at_most(void **state)
{
    struct tally *tally = *state;

    for (int64_t us = 1; us < INT64_C(1) << 36; us = us * 5 / 4 + 1) {
        tally_init(tally);
        add(tally, 200, us, NULL);
        add(tally, 200, (INT64_C(1) << 36) - 1, NULL);
        assert_in_range(tally_latency_us(tally, 50), us, us + us / 32);
    }
    tally_init(tally);
    assert_int_equal(tally_latency_us(tally, 99), 0);
    add(tally, 200, INT64_C(1) << 50, NULL);
    assert_in_range(tally_latency_us(tally, 99), 1, INT64_C(1) << 50);
    add(tally, 200, 0, NULL);
    assert_int_equal(tally_latency_us(tally, 1), 0);
}

static void
ranks_are_those_of_the_answers(void **state)
{
    struct tally *tally = *state;

    for (int64_t us = 1; us <= 20; us++)
        add(tally, 200, us, NULL);
    assert_int_equal(tally_latency_us(tally, 50), 10);
    assert_int_equal(tally_latency_us(tally, 95), 19);
    assert_int_equal(tally_latency_us(tally, 99), 20);
    assert_int_equal(tally_latency_us(tally, 100), 20);
}

static void
a_run_without_faults_is_told_shortly(void **state)
{
    struct tally *tally = *state;

    for (int i = 0; i < 10; i++)
        add(tally, 200, 1230, "{\"detail\":\"not told\"}");
    assert_true(tally_is_good(tally));
    assert_told(tally, 10, 2 * US_PER_S,
        "10 requests in 2.00 s, 5 a second\n"
        "  10 answered 200\n"
        "  latency: p50 1.23 ms, p99 1.23 ms, longest 1.23 ms\n");
}

static void
what_failed_is_told_by_its_kind_with_the_first_reason(void **state)
{
    static const struct http_result refused = {.failure = HTTP_FAIL_CONNECT,
        .detail = "connection refused"};
    struct tally *tally = *state;

    add(tally, 202, 250000, NULL);
    add(tally, 401, 100, "{\"detail\":\"who is it?\",\"status\":401}");
    add(tally, 503, 100, "busy");
    tally_add(tally, &refused);
    tally_add(tally, &refused);
    assert_false(tally_is_good(tally));
    assert_told(tally, 7, 0,
        "5 of 7 requests in 0.00 s\n"
        "  1 answered 202\n"
        "  1 answered 401\n"
        "  1 answered 503\n"
        "  2 without an answer: connect\n"
        "  the first of those that failed: who is it?\n"
        "  latency: p50 0.10 ms, p99 250 ms, longest 250 ms\n");
}

static void
a_failure_alone_has_no_latency(void **state)
{
    static const struct http_result refused = {.failure = HTTP_FAIL_CONNECT,
        .detail = "connection refused"};
    struct tally *tally = *state;

    tally_add(tally, &refused);
    assert_told(tally, 1, US_PER_S,
        "1 request in 1.00 s\n"
        "  1 without an answer: connect\n"
        "  the first of those that failed: connect: connection refused\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            latencies_are_never_told_too_small_and_three_per_cent_too_large_at_most, setup,
            teardown),
        cmocka_unit_test_setup_teardown(ranks_are_those_of_the_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(a_run_without_faults_is_told_shortly, setup, teardown),
        cmocka_unit_test_setup_teardown(what_failed_is_told_by_its_kind_with_the_first_reason,
            setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_alone_has_no_latency, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
