/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include "support/test.h"

struct element {
    int number;
    struct link link;
};

static void
assert_numbers(const struct list *list, const int *numbers, size_t count)
{
    size_t at = 0;

    LIST_FOREACH(list, it)
    {
        assert_int_equal(LIST_ENTRY(it, struct element, link)->number,
            at < count ? numbers[at] : -1);
        at++;
    }
    assert_int_equal(at, count);
}

static void
elements_keep_their_order(void **state)
{
    struct element elements[3];
    struct list list;

    (void)state;
    list_init(&list);
    assert_true(list_is_empty(&list));
    assert_null(list_first(&list));
    assert_null(list_last(&list));
    for (int i = 0; i < 3; i++) {
        elements[i].number = i;
        link_init(&elements[i].link);
        assert_true(link_is_alone(&elements[i].link));
    }
    list_append(&list, &elements[1].link);
    list_append(&list, &elements[2].link);
    list_prepend(&list, &elements[0].link);
    assert_false(link_is_alone(&elements[0].link));
    assert_numbers(&list, (const int[]){0, 1, 2}, 3);
    assert_ptr_equal(list_first(&list), &elements[0].link);
    assert_ptr_equal(list_last(&list), &elements[2].link);

    assert_ptr_equal(list_take_first(&list), &elements[0].link);
    assert_true(link_is_alone(&elements[0].link));
    link_remove(&elements[2].link);
    link_remove(&elements[2].link);
    assert_numbers(&list, (const int[]){1}, 1);
    link_insert_after(&elements[2].link, &elements[1].link);
    link_insert_after(&elements[0].link, &elements[1].link);
    assert_numbers(&list, (const int[]){1, 0, 2}, 3);
    link_remove(&elements[0].link);
    link_remove(&elements[2].link);
    assert_ptr_equal(list_take_first(&list), &elements[1].link);
    assert_null(list_take_first(&list));
    assert_true(list_is_empty(&list));
}

static void
a_walk_may_remove_what_it_stands_on(void **state)
{
    struct element elements[6] = {{0}};
    struct list list;

    (void)state;
    list_init(&list);
    for (int i = 0; i < 6; i++) {
        elements[i].number = i;
        link_init(&elements[i].link);
        list_append(&list, &elements[i].link);
    }
    LIST_FOREACH(&list, it)
    {
        if (LIST_ENTRY(it, struct element, link)->number % 2 == 0)
            link_remove(it);
    }
    assert_numbers(&list, (const int[]){1, 3, 5}, 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_keep_their_order),
        cmocka_unit_test(a_walk_may_remove_what_it_stands_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
