/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audience.h"

#include <string.h>

#include "support/test.h"

/* Group 7 holds ords 2 to 4, group 8 has been told, group 9 shows two ranges. */
static void
fill(struct audience *audience)
{
    audience_init(audience);
    assert_int_equal(audience_add(audience, 7, 2, 5, false), OK);
    assert_int_equal(audience_add(audience, 8, 0, 100, true), OK);
    assert_int_equal(audience_add(audience, 9, 10, 12, false), OK);
    assert_int_equal(audience_add(audience, 9, 20, 20, false), OK);
    assert_int_equal(audience_add(audience, 9, 30, 31, false), OK);
}

static void
positions_run_through_the_ranges_that_are_to_be_told(void **state)
{
    static const struct {
        int64_t filter;
        int64_t pos;
        size_t range;
        int64_t ord;
    } cases[] = {
        {0, 0, 0, 2},
        {0, 2, 0, 4},
        {0, 3, 2, 10},
        {0, 4, 2, 11},
        {0, 5, 3, 30},
        {9, 0, 2, 10},
        {9, 2, 3, 30},
        {7, 2, 0, 4},
    };
    struct audience audience;

    (void)state;
    fill(&audience);
    assert_int_equal(audience.count, 4);
    assert_int_equal(audience_positions(&audience, 0), 6);
    assert_int_equal(audience_positions(&audience, 9), 3);
    assert_int_equal(audience_positions(&audience, 8), 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t range = 99;
        int64_t ord = -1;

        assert_true(audience_at(&audience, cases[i].filter, cases[i].pos, &range, &ord));
        assert_int_equal(range, cases[i].range);
        assert_int_equal(ord, cases[i].ord);
        assert_int_equal(audience_position(&audience, cases[i].filter, range, ord), cases[i].pos);
    }
    audience_done(&audience);
}

static void
nothing_stands_beyond_the_end(void **state)
{
    struct audience audience;
    size_t range = 99;
    int64_t ord = -1;

    (void)state;
    fill(&audience);
    assert_false(audience_at(&audience, 0, 6, &range, &ord));
    assert_false(audience_at(&audience, 8, 0, &range, &ord));
    assert_int_equal(range, 99);
    assert_int_equal(ord, -1);
    audience_done(&audience);
}

static void
what_is_encoded_decodes_to_the_same(void **state)
{
    struct audience audience;
    struct audience again;
    struct buf first;
    struct buf second;

    (void)state;
    fill(&audience);
    buf_init(&first, 4096);
    buf_init(&second, 4096);
    audience_encode(&audience, &first);
    assert_int_equal(audience_decode(buf_str(&first), &again), OK);
    audience_encode(&again, &second);
    assert_true(str_equals(buf_str(&first), buf_str(&second)));
    audience_done(&audience);
    audience_done(&again);
    buf_done(&first);
    buf_done(&second);
}

static void
damaged_bytes_are_refused(void **state)
{
    struct audience audience;
    struct audience untouched = {.count = 42};
    struct buf buf;

    (void)state;
    fill(&audience);
    buf_init(&buf, 4096);
    audience_encode(&audience, &buf);

    assert_int_equal(audience_decode((struct str){NULL, 0}, &untouched), ERR_INVALID);
    assert_int_equal(audience_decode((struct str){buf.ptr, buf.len - 1}, &untouched), ERR_INVALID);
    buf.ptr[0] = 9;
    assert_int_equal(audience_decode(buf_str(&buf), &untouched), ERR_INVALID);
    buf.ptr[0] = 1;
    buf.ptr[1 + 24] = 2;
    assert_int_equal(audience_decode(buf_str(&buf), &untouched), ERR_INVALID);
    buf.ptr[1 + 24] = 0;
    memset(buf.ptr + 1 + 16, 0, 8); /* hi below lo */
    assert_int_equal(audience_decode(buf_str(&buf), &untouched), ERR_INVALID);
    assert_int_equal(untouched.count, 42);
    audience_done(&audience);
    buf_done(&buf);
}

static void
more_ranges_than_the_bound_are_refused(void **state)
{
    struct audience audience;

    (void)state;
    audience_init(&audience);
    for (int64_t i = 0; i < AUDIENCE_RANGES_MAX; i++)
        assert_int_equal(audience_add(&audience, i + 1, 0, 1, false), OK);
    assert_int_equal(audience_add(&audience, 5000, 0, 1, false), ERR_LIMIT);
    assert_int_equal(audience.count, AUDIENCE_RANGES_MAX);
    audience_done(&audience);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_run_through_the_ranges_that_are_to_be_told),
        cmocka_unit_test(nothing_stands_beyond_the_end),
        cmocka_unit_test(what_is_encoded_decodes_to_the_same),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(more_ranges_than_the_bound_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
