/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <string.h>

#include "support/test.h"

static void
assert_holds(const struct buf *buf, const char *text)
{
    assert_int_equal(buf_str(buf).len, strlen(text));
    assert_string_equal(buf_str(buf).ptr, text);
}

static void
an_empty_buffer_is_an_empty_text(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    assert_holds(&buf, "");
    buf_append(&buf, NULL, 0);
    assert_holds(&buf, "");
    assert_false(buf_is_full(&buf));
    buf_done(&buf);
}

static void
appends_follow_one_another(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    buf_append_literal(&buf, "a");
    buf_append_str(&buf, STR("bc"));
    buf_append_char(&buf, 'd');
    buf_append_int(&buf, -12);
    buf_printf(&buf, "[%s]", "x");
    assert_holds(&buf, "abcd-12[x]");
}

static void
integers_of_any_size_are_written(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    buf_append_int(&buf, 0);
    buf_append_char(&buf, ' ');
    buf_append_int(&buf, INT64_MAX);
    buf_append_char(&buf, ' ');
    buf_append_int(&buf, INT64_MIN);
    assert_holds(&buf, "0 9223372036854775807 -9223372036854775808");
}

static void
the_maximum_can_be_reached_exactly(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    buf_append_literal(&buf, "123");
    buf_printf(&buf, "%d", 45);
    assert_holds(&buf, "12345");
    assert_false(buf_is_full(&buf));
    buf_append_literal(&buf, "");
    assert_false(buf_is_full(&buf));
}

static void
what_does_not_fit_is_dropped_and_marked(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    buf_append_literal(&buf, "1234");
    buf_append_literal(&buf, "56");
    assert_holds(&buf, "1234");
    assert_true(buf_is_full(&buf));
    buf_printf(&buf, "%s", "56");
    assert_holds(&buf, "1234");
    assert_null(buf_reserve(&buf, 2));
    assert_null(buf_reserve(&buf, SIZE_MAX));

    buf_clear(&buf);
    assert_false(buf_is_full(&buf));
    assert_holds(&buf, "");
    buf_append_literal(&buf, "56");
    assert_holds(&buf, "56");
}

static void
a_buffer_without_a_bound_still_refuses_what_no_memory_holds(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, SIZE_MAX);
    buf_append_literal(&buf, "x");
    assert_null(buf_reserve(&buf, SIZE_MAX - 1));
    assert_true(buf_is_full(&buf));
    assert_holds(&buf, "x");
}

static void
the_caller_may_write_into_reserved_room(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    char *room;

    (void)state;
    buf_init(&buf, 10000);
    room = buf_reserve(&buf, 4096);
    assert_non_null(room);
    memset(room, 'z', 4096);
    buf_added(&buf, 3);
    assert_holds(&buf, "zzz");
}

static void
bytes_are_consumed_at_the_front(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    buf_consume(&buf, 0);
    buf_append_literal(&buf, "headbody");
    buf_consume(&buf, 4);
    assert_holds(&buf, "body");
    buf_append_literal(&buf, "123456");
    assert_holds(&buf, "body123456");
    buf_consume(&buf, 10);
    assert_holds(&buf, "");
}

static void
a_buffer_grows_over_many_appends(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 100000);
    for (int i = 0; i < 100000; i++)
        buf_append_char(&buf, (char)('a' + i % 26));
    assert_int_equal(buf.len, 100000);
    assert_false(buf_is_full(&buf));
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buf.ptr[i], 'a' + i % 26);
    buf_append_char(&buf, 'x');
    assert_true(buf_is_full(&buf));
}

static void
a_buffer_that_is_done_may_be_used_again(void **state)
{
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 3);
    buf_append_literal(&buf, "abc");
    buf_done(&buf);
    assert_holds(&buf, "");
    buf_append_literal(&buf, "abcd");
    assert_true(buf_is_full(&buf));
    buf_append_literal(&buf, "xyz");
    assert_holds(&buf, "xyz");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(appends_follow_one_another),
        cmocka_unit_test(integers_of_any_size_are_written),
        cmocka_unit_test(the_maximum_can_be_reached_exactly),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_marked),
        cmocka_unit_test(a_buffer_without_a_bound_still_refuses_what_no_memory_holds),
        cmocka_unit_test(the_caller_may_write_into_reserved_room),
        cmocka_unit_test(bytes_are_consumed_at_the_front),
        cmocka_unit_test(a_buffer_grows_over_many_appends),
        cmocka_unit_test(a_buffer_that_is_done_may_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
