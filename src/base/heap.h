/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A priority queue of elements that lie elsewhere: the smallest key first.
 *
 * Each element holds its own position, so moving or removing one from the middle is O(log n).
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct heap_node {
    int64_t key;
    size_t position; /* SIZE_MAX while in no heap */
};

struct heap {
    struct heap_node **nodes; /* array owned, elements borrowed */
    size_t count;
    size_t capacity;
};

void heap_init(struct heap *heap);
void heap_done(struct heap *heap); /* the nodes are not touched: they may be gone already */
void heap_node_init(struct heap_node *node);
bool heap_node_is_in(const struct heap_node *node);

/* Room for so many: up to there heap_set does not fail. */
MUST_CHECK enum err heap_reserve(struct heap *heap, size_t count);
/* Put node in under key, or move it if it is in already. ERR_NOMEM leaves it as it was. */
MUST_CHECK enum err heap_set(struct heap *heap, struct heap_node *node, int64_t key);
void heap_remove(struct heap *heap, struct heap_node *node); /* no-op when not in */
struct heap_node *heap_first(const struct heap *heap);       /* NULL when empty */

#endif
