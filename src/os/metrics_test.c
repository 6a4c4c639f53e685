/* SPDX-License-Identifier: Apache-2.0 */
#include "os/metrics.h"

#include <pthread.h>
#include <string.h>

#include "support/test.h"

#define THREADS 4
#define ADDS    200000

/* All begin at once, or each is done before the next one runs. */
static void *
add_many(void *arg)
{
    (void)pthread_barrier_wait(arg);
    for (int i = 0; i < ADDS; i++)
        metric_add(METRIC_attempts_total, 1);
    return NULL;
}

static void
any_thread_may_add(void **state)
{
    pthread_barrier_t start;
    pthread_t threads[THREADS];
    int64_t before = metric_get(METRIC_attempts_total);

    (void)state;
    assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &start), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(pthread_barrier_destroy(&start), 0);
    assert_true(metric_get(METRIC_attempts_total) == before + (int64_t)THREADS * ADDS);
}

static void
the_page_names_each_metric_with_kind_help_and_value(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    size_t lines = 0;

    (void)state;
    buf_init(&buf, 1024 * 1024);
    metric_add(METRIC_lanes, 5);
    metric_add(METRIC_lanes, -7);
    metrics_format(&buf);
    assert_false(buf_is_full(&buf));
    assert_non_null(strstr(buf_str(&buf).ptr, "# HELP usher_lanes Hooks with something to send\n"
                                              "# TYPE usher_lanes gauge\n"
                                              "usher_lanes -2\n"));
    assert_non_null(strstr(buf_str(&buf).ptr, "# TYPE usher_events_total counter\n"
                                              "usher_events_total 0\n"));
    for (size_t i = 0; i < buf.len; i++)
        lines += buf.ptr[i] == '\n' ? 1 : 0;
    assert_int_equal(lines, 3 * METRICS_COUNT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_thread_may_add),
        cmocka_unit_test(the_page_names_each_metric_with_kind_help_and_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
