/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/window.h"

#include "support/test.h"

static void
a_window_opens_with_success_up_to_its_maximum(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 20);
    assert_true(window.size < 20);
    for (int i = 0; i < 100; i++) {
        assert_true(window_has_room(&window));
        window_take(&window);
        window_give(&window, true);
    }
    assert_int_equal(window.size, 20);
}

static void
it_starts_small_and_doubles_with_each_round_trip(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 100);
    for (unsigned size = 2; size <= 64; size *= 2) {
        for (unsigned i = 0; i < size; i++)
            window_take(&window);
        assert_false(window_has_room(&window));
        for (unsigned i = 0; i < size; i++)
            window_give(&window, true);
    }
    window_init(&window, 1);
    window_take(&window);
    assert_false(window_has_room(&window));
}

static void
a_failure_halves_it_but_never_shuts_it(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 8);
    for (int i = 0; i < 10; i++) {
        window_take(&window);
        window_give(&window, false);
    }
    assert_int_equal(window.size, 1);
    assert_true(window_has_room(&window));
}

static void
no_more_are_in_flight_than_it_allows(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 3);
    window_take(&window);
    window_give(&window, true);
    for (int i = 0; i < 3; i++) {
        assert_true(window_has_room(&window));
        window_take(&window);
    }
    assert_false(window_has_room(&window));
    window_set_max(&window, 1);
    window_give(&window, true);
    assert_false(window_has_room(&window));
}

static void
shrunk_to_one_it_grows_again(void **state)
{
    struct window window;

    (void)state;
    window_init(&window, 8);
    for (int i = 0; i < 6; i++) {
        window_take(&window);
        window_give(&window, true);
    }
    window_take(&window);
    window_take(&window);
    window_shrink(&window);
    window_give(&window, false);
    assert_false(window_has_room(&window));
    window_give(&window, true);
    assert_int_equal(window.size, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_opens_with_success_up_to_its_maximum),
        cmocka_unit_test(it_starts_small_and_doubles_with_each_round_trip),
        cmocka_unit_test(a_failure_halves_it_but_never_shuts_it),
        cmocka_unit_test(no_more_are_in_flight_than_it_allows),
        cmocka_unit_test(shrunk_to_one_it_grows_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
