/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/check.h"

#define CAPACITY_FIRST 16

void
heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void
heap_done(struct heap *heap)
{
    free(heap->nodes);
    heap_init(heap);
}

void
heap_node_init(struct heap_node *node)
{
    *node = (struct heap_node){.position = SIZE_MAX};
}

bool
heap_node_is_in(const struct heap_node *node)
{
    return node->position != SIZE_MAX;
}

static void
place(struct heap *heap, size_t position, struct heap_node *node)
{
    heap->nodes[position] = node;
    node->position = position;
}

static void
sift_up(struct heap *heap, struct heap_node *node)
{
    size_t position = node->position;

    while (position > 0) {
        size_t parent = (position - 1) / 2;

        if (heap->nodes[parent]->key <= node->key)
            break;
        place(heap, position, heap->nodes[parent]);
        position = parent;
    }
    place(heap, position, node);
}

static void
sift_down(struct heap *heap, struct heap_node *node)
{
    size_t position = node->position;

    for (;;) {
        size_t child = 2 * position + 1;

        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (node->key <= heap->nodes[child]->key)
            break;
        place(heap, position, heap->nodes[child]);
        position = child;
    }
    place(heap, position, node);
}

enum err
heap_reserve(struct heap *heap, size_t count)
{
    size_t capacity = heap->capacity > 0 ? heap->capacity : CAPACITY_FIRST;
    struct heap_node **nodes;

    if (count <= heap->capacity)
        return OK;
    while (capacity < count)
        capacity *= 2;
    nodes = reallocarray(heap->nodes, capacity, sizeof(struct heap_node *));
    if (nodes == NULL)
        return ERR_NOMEM;
    heap->nodes = nodes;
    heap->capacity = capacity;
    return OK;
}

enum err
heap_set(struct heap *heap, struct heap_node *node, int64_t key)
{
    if (!heap_node_is_in(node)) {
        if (heap_reserve(heap, heap->count + 1) != OK)
            return ERR_NOMEM;
        place(heap, heap->count++, node);
    }
    CHECK(node->position < heap->count && heap->nodes[node->position] == node);
    node->key = key;
    sift_up(heap, node);
    sift_down(heap, node);
    return OK;
}

void
heap_remove(struct heap *heap, struct heap_node *node)
{
    size_t position = node->position;
    struct heap_node *last;

    if (!heap_node_is_in(node))
        return;
    CHECK(position < heap->count && heap->nodes[position] == node);
    last = heap->nodes[--heap->count];
    if (last != node) {
        place(heap, position, last);
        sift_up(heap, last);
        sift_down(heap, last);
    }
    node->position = SIZE_MAX;
}

struct heap_node *
heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}
