/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <stdlib.h>

#include "support/test.h"

#define NODES 500

static uint32_t
next_number(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 8;
}

static void
the_smallest_key_is_first(void **state)
{
    CLEANUP(heap_done) struct heap heap;
    struct heap_node nodes[3];

    (void)state;
    heap_init(&heap);
    assert_null(heap_first(&heap));
    for (size_t i = 0; i < 3; i++)
        heap_node_init(&nodes[i]);
    assert_false(heap_node_is_in(&nodes[0]));
    assert_int_equal(heap_set(&heap, &nodes[0], 5), OK);
    assert_int_equal(heap_set(&heap, &nodes[1], INT64_MIN), OK);
    assert_int_equal(heap_set(&heap, &nodes[2], INT64_MAX), OK);
    assert_true(heap_node_is_in(&nodes[0]));
    assert_ptr_equal(heap_first(&heap), &nodes[1]);
    assert_int_equal(heap_set(&heap, &nodes[1], 6), OK);
    assert_int_equal(heap.count, 3);
    assert_ptr_equal(heap_first(&heap), &nodes[0]);
    heap_remove(&heap, &nodes[0]);
    heap_remove(&heap, &nodes[0]);
    assert_false(heap_node_is_in(&nodes[0]));
    assert_ptr_equal(heap_first(&heap), &nodes[1]);
}

static void
any_mixture_of_moves_and_removals_keeps_the_order(void **state)
{
    CLEANUP(heap_done) struct heap heap;
    static struct heap_node nodes[NODES];
    uint32_t seed = 7;

    (void)state;
    heap_init(&heap);
    for (size_t i = 0; i < NODES; i++)
        heap_node_init(&nodes[i]);
    for (int step = 0; step < 20000; step++) {
        struct heap_node *node = &nodes[next_number(&seed) % NODES];

        if (next_number(&seed) % 3 == 0)
            heap_remove(&heap, node);
        else
            assert_int_equal(heap_set(&heap, node, next_number(&seed) % 1000), OK);
        for (size_t i = 1; i < heap.count && step % 100 == 0; i++) {
            assert_true(heap.nodes[(i - 1) / 2]->key <= heap.nodes[i]->key);
            assert_int_equal(heap.nodes[i]->position, i);
        }
    }

    for (int64_t last = INT64_MIN; heap.count > 0;) {
        struct heap_node *first = heap_first(&heap);

        assert_true(first->key >= last);
        last = first->key;
        heap_remove(&heap, first);
    }
    for (size_t i = 0; i < NODES; i++)
        assert_false(heap_node_is_in(&nodes[i]));
}

static void
a_heap_may_outlive_its_nodes(void **state)
{
    struct heap heap;
    struct heap_node *node = malloc(sizeof(*node));

    (void)state;
    assert_non_null(node);
    heap_init(&heap);
    heap_node_init(node);
    assert_int_equal(heap_set(&heap, node, 1), OK);
    free(node);
    heap_done(&heap);
    assert_null(heap_first(&heap));
}

static void
what_was_reserved_needs_no_more_memory(void **state)
{
    static struct heap_node nodes[100];
    struct heap heap;
    struct heap_node **place;

    (void)state;
    heap_init(&heap);
    assert_int_equal(heap_reserve(&heap, COUNT_OF(nodes)), OK);
    assert_int_equal(heap.count, 0);
    place = heap.nodes;
    for (size_t i = 0; i < COUNT_OF(nodes); i++) {
        heap_node_init(&nodes[i]);
        assert_int_equal(heap_set(&heap, &nodes[i], (int64_t)i), OK);
    }
    assert_ptr_equal(heap.nodes, place);
    assert_int_equal(heap_reserve(&heap, 1), OK);
    assert_ptr_equal(heap.nodes, place);
    heap_done(&heap);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_key_is_first),
        cmocka_unit_test(any_mixture_of_moves_and_removals_keeps_the_order),
        cmocka_unit_test(a_heap_may_outlive_its_nodes),
        cmocka_unit_test(what_was_reserved_needs_no_more_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
