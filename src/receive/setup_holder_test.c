/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/setup_holder.h"

#include "support/test.h"

static struct setup *
new_setup(void)
{
    struct setup *setup = NULL;

    assert_int_equal(setup_new(&setup, NULL), OK);
    return setup;
}

static unsigned
holds(const struct setup *setup)
{
    return atomic_load(&setup->holds);
}

static void
what_was_set_last_is_taken_and_held(void **state)
{
    struct setup_holder holder;
    struct setup *first = new_setup();
    struct setup *second = new_setup();
    struct setup *taken;

    (void)state;
    setup_holder_init(&holder);
    setup_holder_set(&holder, first);
    assert_int_equal(holds(first), 2);
    taken = setup_holder_take(&holder);
    assert_ptr_equal(taken, first);
    assert_int_equal(holds(first), 3);

    setup_holder_set(&holder, second);
    assert_int_equal(holds(first), 2); /* who has taken it keeps it */
    setup_drop(taken);
    taken = setup_holder_take(&holder);
    assert_ptr_equal(taken, second);
    setup_drop(taken);
    assert_int_equal(holds(second), 2);

    setup_holder_done(&holder);
    assert_int_equal(holds(first), 1);
    assert_int_equal(holds(second), 1);
    setup_drop(first);
    setup_drop(second);
}

static void
without_a_setup_nothing_is_taken(void **state)
{
    struct setup_holder holder;
    struct setup *setup = new_setup();

    (void)state;
    setup_holder_init(&holder);
    assert_null(setup_holder_take(&holder));
    assert_null(setup_holder_take(NULL));
    setup_holder_set(&holder, setup);
    setup_holder_set(&holder, NULL);
    assert_null(setup_holder_take(&holder));
    assert_int_equal(holds(setup), 1);
    setup_holder_done(&holder);
    setup_drop(setup);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_set_last_is_taken_and_held),
        cmocka_unit_test(without_a_setup_nothing_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
