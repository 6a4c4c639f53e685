/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>

#include "base/check.h"

#define CAPACITY_FIRST 16

void
map_init(struct map *map)
{
    *map = (struct map){0};
}

void
map_done(struct map *map)
{
    free(map->slots);
    map_init(map);
}

/* The finaliser of splitmix64: keys that differ in few bits, as counters do, land far apart. */
static size_t
home_of(const struct map *map, uint64_t key)
{
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(key ^ (key >> 31)) & (map->capacity - 1);
}

/* The slot that holds key, or the free one where it belongs. */
static struct map_slot *
slot_for(const struct map *map, uint64_t key)
{
    size_t at = home_of(map, key);

    while (map->slots[at].value != NULL && map->slots[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return &map->slots[at];
}

void *
map_find(const struct map *map, uint64_t key)
{
    return map->count > 0 ? slot_for(map, key)->value : NULL;
}

static enum err
grow(struct map *map)
{
    struct map bigger = {.capacity = map->capacity > 0 ? map->capacity * 2 : CAPACITY_FIRST};

    bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value != NULL)
            *slot_for(&bigger, map->slots[i].key) = map->slots[i];
    }
    bigger.count = map->count;
    free(map->slots);
    *map = bigger;
    return OK;
}

enum err
map_set(struct map *map, uint64_t key, void *value)
{
    struct map_slot *slot;

    CHECK(value != NULL);
    /* At most three quarters taken, or runs of taken slots grow long. */
    if (map->count >= map->capacity / 4 * 3 && map_find(map, key) == NULL && grow(map) != OK)
        return ERR_NOMEM;
    slot = slot_for(map, key);
    if (slot->value == NULL)
        map->count++;
    *slot = (struct map_slot){key, value};
    return OK;
}

void *
map_remove(struct map *map, uint64_t key)
{
    size_t mask = map->capacity - 1;
    struct map_slot *slot;
    void *value;
    size_t hole;

    if (map->count == 0)
        return NULL;
    slot = slot_for(map, key);
    value = slot->value;
    if (value == NULL)
        return NULL;

    /* Close the hole: pull back each later one of the run that would not be found past it. */
    hole = (size_t)(slot - map->slots);
    for (size_t at = (hole + 1) & mask; map->slots[at].value != NULL; at = (at + 1) & mask) {
        size_t home = home_of(map, map->slots[at].key);

        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct map_slot){0, NULL};
    map->count--;
    return value;
}

void *
map_next(const struct map *map, size_t *position)
{
    while (*position < map->capacity) {
        void *value = map->slots[(*position)++].value;

        if (value != NULL)
            return value;
    }
    return NULL;
}
