/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash table from a 64-bit key to a pointer that the caller owns.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots; /* owned */
    size_t count;
    size_t capacity; /* 0 or a power of two */
};

void map_init(struct map *map);
void map_done(struct map *map);
void *map_find(const struct map *map, uint64_t key);                     /* NULL when absent */
MUST_CHECK enum err map_set(struct map *map, uint64_t key, void *value); /* value not NULL */
void *map_remove(struct map *map, uint64_t key); /* what was there, or NULL */

/* Walk over all: start with *position 0; NULL at the end. No change to the map in between. */
void *map_next(const struct map *map, size_t *position);

#endif
