/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdbool.h>

#include "support/test.h"

#define KEYS 2000

static void
what_was_set_is_found_until_it_is_removed(void **state)
{
    CLEANUP(map_done) struct map map;
    int a = 0;
    int b = 0;

    (void)state;
    map_init(&map);
    assert_null(map_find(&map, 0));
    assert_null(map_remove(&map, 0));
    assert_int_equal(map_set(&map, 0, &a), OK);
    assert_int_equal(map_set(&map, UINT64_MAX, &b), OK);
    assert_ptr_equal(map_find(&map, 0), &a);
    assert_ptr_equal(map_find(&map, UINT64_MAX), &b);
    assert_null(map_find(&map, 1));
    assert_int_equal(map_set(&map, 0, &b), OK);
    assert_int_equal(map.count, 2);
    assert_ptr_equal(map_remove(&map, 0), &b);
    assert_null(map_find(&map, 0));
    assert_null(map_remove(&map, 0));
    assert_int_equal(map.count, 1);
}

/* Against the plainest map there is: an array. */
static void
any_mixture_of_sets_and_removals_is_kept(void **state)
{
    CLEANUP(map_done) struct map map;
    static bool is_in[KEYS];
    static char values[KEYS];
    size_t count = 0;
    uint32_t seed = 3;

    (void)state;
    map_init(&map);
    for (int step = 0; step < 50000; step++) {
        size_t key;
        bool removes;

        seed = seed * 1664525U + 1013904223U;
        key = (seed >> 8) % KEYS;
        removes = (seed >> 29) < (step / 10000 % 2 == 0 ? 3 : 5);
        if (removes) {
            assert_ptr_equal(map_remove(&map, key), is_in[key] ? &values[key] : NULL);
            count -= is_in[key] ? 1 : 0;
        } else {
            assert_int_equal(map_set(&map, key, &values[key]), OK);
            count += is_in[key] ? 0 : 1;
        }
        is_in[key] = !removes;
        assert_int_equal(map.count, count);
    }
    for (size_t key = 0; key < KEYS; key++)
        assert_ptr_equal(map_find(&map, key), is_in[key] ? &values[key] : NULL);
}

static void
a_walk_meets_each_value_once(void **state)
{
    CLEANUP(map_done) struct map map;
    static char values[100];
    int met = 0;
    size_t position = 0;

    (void)state;
    map_init(&map);
    assert_null(map_next(&map, &position));
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_int_equal(map_set(&map, i * UINT64_C(0x100000000), &values[i]), OK);
    for (char *value; (value = map_next(&map, &position)) != NULL; met++)
        (*value)++;
    assert_int_equal(met, COUNT_OF(values));
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_int_equal(values[i], 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_set_is_found_until_it_is_removed),
        cmocka_unit_test(any_mixture_of_sets_and_removals_is_kept),
        cmocka_unit_test(a_walk_meets_each_value_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
