/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define PIECES_ARE_APART 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PIECES_ARE_APART 1
#endif
#endif
#ifndef PIECES_ARE_APART
#define PIECES_ARE_APART 0
#endif

/* The tree of a usual payload takes 4.2 kB: such a request is served from the first block alone. */
#define BLOCK_BYTES_FIRST 8192
/* Past this a block is no cheaper by the byte, only more is left over at its end. */
#define BLOCK_BYTES_MAX (256 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    alignas(max_align_t) unsigned char bytes[];
};

void
arena_init(struct arena *arena, size_t bytes_max)
{
    /* So far from the top that rounding up cannot overflow. */
    *arena = (struct arena){.max = bytes_max < SIZE_MAX / 4 ? bytes_max : SIZE_MAX / 4};
}

static void
free_blocks(struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *next = block->next;

        free(block);
        block = next;
    }
}

void
arena_done(struct arena *arena)
{
    free_blocks(arena->blocks);
    arena_init(arena, arena->max);
}

void
arena_reset(struct arena *arena)
{
    struct arena_block *kept = NULL;

    if (!PIECES_ARE_APART && arena->blocks != NULL) {
        kept = arena->blocks;
        free_blocks(kept->next);
        kept->next = NULL;
        kept->used = 0;
    } else {
        free_blocks(arena->blocks);
    }
    arena_init(arena, arena->max);
    arena->blocks = kept;
}

static struct arena_block *
new_block(size_t size)
{
    struct arena_block *block = malloc(sizeof(*block) + size);

    if (block == NULL)
        return NULL;
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

/* A block with room for bytes; it becomes the newest unless the newest has more left. */
static struct arena_block *
block_for(struct arena *arena, size_t bytes)
{
    struct arena_block *newest = arena->blocks;
    size_t size = BLOCK_BYTES_FIRST;
    struct arena_block *block;

    if (!PIECES_ARE_APART && newest != NULL && bytes <= newest->size - newest->used)
        return newest;

    if (newest != NULL && newest->size >= BLOCK_BYTES_FIRST / 2)
        size = newest->size < BLOCK_BYTES_MAX / 2 ? newest->size * 2 : BLOCK_BYTES_MAX;
    if (size > arena->max - arena->used)
        size = arena->max - arena->used;
    if (PIECES_ARE_APART || size < bytes)
        size = bytes;
    block = new_block(size);
    if (block == NULL)
        return NULL;

    if (newest != NULL && newest->size - newest->used > size - bytes) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block;
}

void *
arena_alloc(struct arena *arena, size_t bytes)
{
    const size_t unit = alignof(max_align_t);
    size_t rounded = bytes == 0 ? unit : bytes;
    struct arena_block *block = NULL;
    unsigned char *piece;

    if (rounded <= arena->max) {
        rounded = (rounded + unit - 1) / unit * unit;
        if (rounded <= arena->max - arena->used)
            block = block_for(arena, PIECES_ARE_APART ? bytes : rounded);
    }
    if (block == NULL) {
        arena->full = true;
        return NULL;
    }
    piece = block->bytes + block->used;
    block->used += PIECES_ARE_APART ? bytes : rounded;
    arena->used += rounded;
    memset(piece, 0, bytes);
    return piece;
}

void *
arena_alloc_array(struct arena *arena, size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total)) {
        arena->full = true;
        return NULL;
    }
    return arena_alloc(arena, total);
}

struct str
arena_copy(struct arena *arena, struct str s)
{
    char *copy;

    if (s.ptr == NULL)
        return s;
    copy = arena_alloc(arena, s.len + 1);
    if (copy == NULL)
        return (struct str){NULL, 0};
    memcpy(copy, s.ptr, s.len);
    return (struct str){copy, s.len};
}

struct str
arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list args;
    int len;
    char *text;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        arena->full = true;
        return (struct str){NULL, 0};
    }
    text = arena_alloc(arena, (size_t)len + 1);
    if (text == NULL)
        return (struct str){NULL, 0};
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return (struct str){text, (size_t)len};
}

bool
arena_is_full(const struct arena *arena)
{
    return arena->full;
}
