/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/counters.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

static const char *
page_text(struct buf *page)
{
    buf_init(page, 1 << 20);
    counters_format(page);
    assert_false(buf_is_full(page));
    return page->ptr;
}

static void
a_name_has_the_same_counts_each_time(void **state)
{
    (void)state;
    assert_ptr_equal(counters_source(STR("one")), counters_source(STR("one")));
    assert_ptr_not_equal(counters_source(STR("one")), counters_source(STR("two")));
    assert_ptr_not_equal(counters_source(STR("on")), counters_source(STR("one")));
    assert_ptr_equal(counters_handler(STR("one")), counters_handler(STR("one")));
    assert_ptr_equal(counters_unknown_source(), counters_unknown_source());
}

static void
the_page_tells_each_count_with_its_labels(void **state)
{
    struct buf page;
    const char *text;

    (void)state;
    counters_add_call(counters_source(STR("crm")), CALL_ACCEPTED);
    counters_add_call(counters_source(STR("crm")), CALL_ACCEPTED);
    counters_add_call(counters_source(STR("crm")), CALL_STALE);
    counters_add_call(counters_unknown_source(), CALL_REFUSED);
    counters_add_handlings(counters_handler(STR("mail")), HANDLED_PASSED_OVER, 7);
    counters_add_in_hand(counters_handler(STR("mail")), 3);
    counters_add_in_hand(counters_handler(STR("mail")), -1);
    text = page_text(&page);
    assert_non_null(strstr(text, "# TYPE usher_source_calls_total counter\n"));
    assert_non_null(
        strstr(text, "\nusher_source_calls_total{source=\"crm\",result=\"accepted\"} 2\n"));
    assert_non_null(
        strstr(text, "\nusher_source_calls_total{source=\"crm\",result=\"stale\"} 1\n"));
    assert_non_null(
        strstr(text, "\nusher_source_calls_total{source=\"(unknown)\",result=\"refused\"} 1\n"));
    assert_non_null(
        strstr(text, "\nusher_handlings_total{handler=\"mail\",outcome=\"passed_over\"} 7\n"));
    assert_non_null(strstr(text, "\nusher_handlings_in_hand{handler=\"mail\"} 2\n"));
    assert_null(strstr(text, "(others)"));
    buf_done(&page);
}

static void
a_name_cannot_break_out_of_its_label(void **state)
{
    struct buf page;

    (void)state;
    counters_add_handlings(counters_handler(STR("a\"b\\c\nd")), HANDLED_DONE, 1);
    assert_non_null(strstr(page_text(&page), "{handler=\"a\\\"b\\\\c\\nd\",outcome=\"done\"} 1\n"));
    buf_done(&page);
}

static void
names_that_come_too_late_are_counted_together(void **state)
{
    char long_name[200];
    struct source_counts *late;
    struct buf page;

    (void)state;
    memset(long_name, 'x', sizeof(long_name));
    for (int i = 0; i < COUNTERS_NAMES_MAX; i++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "source-%d", i);

        (void)counters_source((struct str){name, (size_t)len});
    }
    late = counters_source(STR("late"));
    assert_ptr_equal(late, counters_source(STR("later")));
    assert_ptr_equal(late, counters_source((struct str){long_name, sizeof(long_name)}));
    assert_ptr_not_equal(late, counters_source(STR("crm")));
    counters_add_call(late, CALL_BUSY);
    assert_non_null(strstr(page_text(&page),
        "\nusher_source_calls_total{source=\"(others)\",result=\"busy\"} 1\n"));
    buf_done(&page);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_the_same_counts_each_time),
        cmocka_unit_test(the_page_tells_each_count_with_its_labels),
        cmocka_unit_test(a_name_cannot_break_out_of_its_label),
        cmocka_unit_test(names_that_come_too_late_are_counted_together),
    };

    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
