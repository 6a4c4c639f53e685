/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives as long as one request or one attempt and is given back at once.
 *
 * Bounded and zeroed. What does not fit gives NULL and leaves a mark, so a builder may check once
 * at the end with arena_is_full. In address-sanitizer builds every piece is a malloc of its own,
 * so that an overrun shows.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned, newest first */
    size_t used;
    size_t max;
    bool full;
};

void arena_init(struct arena *arena, size_t bytes_max); /* allocates nothing yet */
void arena_done(struct arena *arena);
void arena_reset(struct arena *arena); /* empty again, keeping one block for reuse */

void *arena_alloc(struct arena *arena, size_t bytes); /* aligned for any type, zeroed, or NULL */
void *arena_alloc_array(struct arena *arena, size_t count, size_t bytes); /* overflow: NULL */
struct str arena_copy(struct arena *arena, struct str s); /* NUL-ended copy; absent if full */
PRINTF(2, 3) struct str arena_printf(struct arena *arena, const char *fmt, ...);
bool arena_is_full(const struct arena *arena);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

#endif
