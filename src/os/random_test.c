/* SPDX-License-Identifier: Apache-2.0 */
#include "os/random.h"

#include <string.h>

#include "base/compiler.h"
#include "support/test.h"

static void
the_kernel_gives_fresh_bytes(void **state)
{
    uint8_t a[300] = {0};
    uint8_t b[300] = {0};

    (void)state;
    random_bytes(a, 299);
    random_bytes(b, 299);
    assert_memory_not_equal(a, b, 299);
    assert_int_equal(a[299], 0);
    random_bytes(a, 0);
}

/* The first numbers of the authors' xoshiro256** from the state {1, 2, 3, 4}. */
static void
the_generator_is_xoshiro256(void **state)
{
    static const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240),
        UINT64_C(1216172134540287360), UINT64_C(607988272756665600)};
    struct random random = {{1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_true(random_next(&random) == expected[i]);
}

static void
a_seed_gives_the_same_numbers_again(void **state)
{
    struct random a;
    struct random b;
    struct random c;

    (void)state;
    random_seed(&a, 42);
    random_seed(&b, 42);
    random_seed(&c, 43);
    assert_memory_equal(&a, &b, sizeof(a));
    assert_true(random_next(&a) == random_next(&b));
    assert_true(random_next(&a) != random_next(&c));
}

static void
every_number_between_comes_and_no_other(void **state)
{
    struct random random;
    int counts[7] = {0};

    (void)state;
    random_seed(&random, 1);
    for (int i = 0; i < 70000; i++) {
        int64_t drawn = random_between(&random, -3, 3);

        assert_true(drawn >= -3 && drawn <= 3);
        counts[drawn + 3]++;
    }
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        assert_in_range(counts[i], 9500, 10500);
}

static void
the_ends_of_the_range_are_safe(void **state)
{
    struct random random;
    int below = 0;

    (void)state;
    random_seed(&random, 1);
    assert_true(random_between(&random, 5, 5) == 5);
    assert_true(random_between(&random, INT64_MAX, INT64_MAX) == INT64_MAX);
    for (int i = 0; i < 1000; i++) {
        below += random_between(&random, INT64_MIN, INT64_MAX) < 0 ? 1 : 0;
        assert_true(random_between(&random, INT64_MIN, 0) <= 0);
    }
    assert_in_range(below, 400, 600);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_gives_fresh_bytes),
        cmocka_unit_test(the_generator_is_xoshiro256),
        cmocka_unit_test(a_seed_gives_the_same_numbers_again),
        cmocka_unit_test(every_number_between_comes_and_no_other),
        cmocka_unit_test(the_ends_of_the_range_are_safe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
