/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audience.h"

#include "support/engine.h"
#include "support/test.h"

static struct engine *engine;
static struct error error;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    engine_close(engine);
    return 0;
}

static int64_t
new_group(void)
{
    int64_t group = 0;

    assert_int_equal(group_create(engine, 1, &group, &error), OK);
    return group;
}

static int64_t
live(int64_t group)
{
    int64_t n = -1;

    assert_int_equal(group_live(engine, group, &n, &error), OK);
    return n;
}

static bool
is_in(int64_t group, int64_t attendee)
{
    bool in = false;

    assert_int_equal(member_is_in(engine, group, attendee, &in, &error), OK);
    return in;
}

static bool
add(int64_t group, int64_t attendee, int64_t *ret_ord)
{
    bool added = false;

    assert_int_equal(member_add(engine, group, attendee, ret_ord, &added, &error), OK);
    return added;
}

static bool
place(int64_t group, int64_t ord, int64_t attendee)
{
    bool added = false;

    assert_int_equal(member_place(engine, group, ord, attendee, &added, &error), OK);
    return added;
}

static int64_t
reserve(int64_t group, int64_t count)
{
    int64_t lo = -1;

    assert_int_equal(group_reserve(engine, group, count, &lo, &error), OK);
    return lo;
}

static void
publish(int64_t group, int64_t lo, int64_t hi)
{
    assert_int_equal(group_publish(engine, group, lo, hi, &error), OK);
}

/* "0-3 5-6" */
static void
assert_ranges(int64_t group, const char *expected)
{
    struct audience audience;
    struct buf buf;

    audience_init(&audience);
    buf_init(&buf, 1024);
    assert_int_equal(group_ranges(engine, group, false, &audience, &error), OK);
    for (size_t i = 0; i < audience.count; i++)
        buf_printf(&buf, "%s%lld-%lld", i > 0 ? " " : "", (long long)audience.ranges[i].lo,
            (long long)audience.ranges[i].hi);
    buf_append(&buf, "", 1);
    assert_string_equal(buf.ptr, expected);
    buf_done(&buf);
    audience_done(&audience);
}

static void
members_are_numbered_in_the_order_they_come(void **state)
{
    int64_t group = new_group();
    int64_t ord = -1;

    (void)state;
    assert_int_equal(live(group), 0);
    assert_ranges(group, "");
    assert_true(add(group, 70, &ord));
    assert_int_equal(ord, 0);
    assert_true(add(group, 71, &ord));
    assert_int_equal(ord, 1);
    assert_ranges(group, "0-2");
    assert_int_equal(live(group), 2);
    assert_true(is_in(group, 70));
    assert_false(is_in(group, 72));
}

static void
nobody_is_in_a_group_twice(void **state)
{
    int64_t group = new_group();
    int64_t ord = -1;

    (void)state;
    assert_true(add(group, 70, &ord));
    assert_false(add(group, 70, &ord));
    assert_int_equal(ord, 0);
    assert_false(place(group, reserve(group, 1), 70));
    assert_int_equal(live(group), 1);
}

static void
who_left_may_come_again_under_a_new_number(void **state)
{
    int64_t group = new_group();
    int64_t ord = -1;

    (void)state;
    assert_true(add(group, 70, &ord));
    assert_int_equal(member_leave(engine, group, 70, 1000, &error), OK);
    assert_false(is_in(group, 70));
    assert_int_equal(live(group), 0);
    assert_int_equal(member_leave(engine, group, 70, 1001, &error), ERR_NOT_FOUND);
    assert_true(add(group, 70, &ord));
    assert_int_equal(ord, 1);
    assert_true(is_in(group, 70));
    assert_int_equal(live(group), 1);
    assert_ranges(group, "0-2");
}

static void
a_bulk_shows_all_at_once(void **state)
{
    int64_t group = new_group();
    int64_t lo = reserve(group, 3);

    (void)state;
    for (int64_t i = 0; i < 3; i++)
        assert_true(place(group, lo + i, 70 + i));
    assert_int_equal(live(group), 0);
    assert_false(is_in(group, 71));
    assert_int_equal(member_leave(engine, group, 71, 1000, &error), ERR_NOT_FOUND);
    assert_ranges(group, "");
    publish(group, lo, lo + 3);
    assert_int_equal(live(group), 3);
    assert_true(is_in(group, 71));
    assert_ranges(group, "0-3");
    publish(group, lo + 3, lo + 3);
    assert_ranges(group, "0-3");
}

static void
who_comes_during_a_bulk_is_seen_at_once_and_counted_once(void **state)
{
    int64_t group = new_group();
    int64_t lo = reserve(group, 2);
    int64_t ord = -1;

    (void)state;
    assert_true(place(group, lo, 70));
    assert_true(place(group, lo + 1, 71));
    assert_true(add(group, 70, &ord));
    assert_int_equal(ord, 2);
    assert_true(is_in(group, 70));
    assert_int_equal(live(group), 1);
    assert_ranges(group, "2-3");
    publish(group, lo, lo + 2);
    assert_int_equal(live(group), 2);
    assert_ranges(group, "0-3");
}

static void
two_bulks_may_hold_the_same_person(void **state)
{
    int64_t group = new_group();
    int64_t first = reserve(group, 2);
    int64_t second = reserve(group, 1);

    (void)state;
    assert_true(place(group, first, 70));
    assert_true(place(group, first + 1, 71));
    assert_true(place(group, second, 70));
    publish(group, second, second + 1);
    assert_int_equal(live(group), 1);
    assert_true(is_in(group, 70));
    publish(group, first, first + 2);
    assert_int_equal(live(group), 2);
    assert_ranges(group, "0-3");
}

static void
neighbouring_ranges_become_one(void **state)
{
    int64_t group = new_group();
    int64_t a = reserve(group, 2);
    int64_t b = reserve(group, 2);
    int64_t c = reserve(group, 2);
    int64_t d = reserve(group, 2);

    (void)state;
    publish(group, a, a + 2);
    publish(group, c, c + 2);
    assert_ranges(group, "0-2 4-6");
    publish(group, b, b + 2);
    assert_ranges(group, "0-6");
    publish(group, d, d + 2);
    assert_ranges(group, "0-8");
}

static void
an_erased_person_was_never_there(void **state)
{
    int64_t one = new_group();
    int64_t two = new_group();
    int64_t three = new_group();
    int64_t ord = -1;
    int64_t lo;
    int64_t rows = -1;

    (void)state;
    assert_true(add(one, 70, &ord));
    assert_true(add(one, 71, &ord));
    assert_true(add(two, 70, &ord));
    assert_int_equal(member_leave(engine, two, 70, 1000, &error), OK);
    lo = reserve(three, 2);
    assert_true(place(three, lo, 70));
    assert_true(place(three, lo + 1, 72));
    assert_int_equal(members_erase(engine, 70, &error), OK);
    assert_int_equal(live(one), 1);
    assert_int_equal(live(two), 0);
    publish(three, lo, lo + 2);
    assert_int_equal(live(three), 1);
    assert_int_equal(engine_get_int(engine, &rows, &error,
                         "SELECT count(*) FROM member WHERE attendee_pk = ?1", v_int(70)),
        OK);
    assert_int_equal(rows, 0);
}

static void
a_deleted_group_leaves_no_rows(void **state)
{
    int64_t group = new_group();
    int64_t other = new_group();
    int64_t ord = -1;
    int64_t n = -7;

    (void)state;
    assert_true(add(group, 70, &ord));
    assert_true(add(other, 70, &ord));
    assert_int_equal(group_delete(engine, group, &error), OK);
    assert_int_equal(group_live(engine, group, &n, &error), ERR_NOT_FOUND);
    assert_int_equal(n, -7);
    assert_false(is_in(group, 70));
    assert_true(is_in(other, 70));
    assert_int_equal(group_reserve(engine, group, 1, &n, &error), ERR_NOT_FOUND);
    assert_int_equal(n, -7);
}

static void
a_group_in_too_many_pieces_is_refused(void **state)
{
    int64_t group = new_group();
    struct audience audience;

    (void)state;
    for (int i = 0; i <= AUDIENCE_RANGES_MAX; i++) {
        int64_t lo = reserve(group, 2);

        publish(group, lo, lo + 1);
    }
    audience_init(&audience);
    assert_int_equal(group_ranges(engine, group, false, &audience, &error), ERR_BUSY);
    audience_done(&audience);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(members_are_numbered_in_the_order_they_come),
        TEST(nobody_is_in_a_group_twice),
        TEST(who_left_may_come_again_under_a_new_number),
        TEST(a_bulk_shows_all_at_once),
        TEST(who_comes_during_a_bulk_is_seen_at_once_and_counted_once),
        TEST(two_bulks_may_hold_the_same_person),
        TEST(neighbouring_ranges_become_one),
        TEST(an_erased_person_was_never_there),
        TEST(a_deleted_group_leaves_no_rows),
        TEST(a_group_in_too_many_pieces_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
