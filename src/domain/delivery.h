/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deliveries in bulk: the bitmap of a chunk, and 8 bytes for what became of each attempt.
 *
 * A delivery is one event owed to one hook for one attendee. It never has a row while all is well:
 *
 *   pending ──▶ in hand ──▶ delivered
 *                │  ▲  └──▶ skipped | superseded
 *                ▼  │
 *               waiting ──▶ dead          (waiting and dead are bits of rows, by the chunk)
 */
#ifndef DOMAIN_DELIVERY_H
#define DOMAIN_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

enum delivery_status {
    DELIVERY_PENDING,
    DELIVERY_WAITING, /* failed, and will be tried again */
    DELIVERY_DELIVERED,
    DELIVERY_DEAD,
    DELIVERY_SKIPPED,    /* had left, was erased, or was told through another group */
    DELIVERY_SUPERSEDED, /* newer news about the webinar covers the person */
    DELIVERY_CANCELLED,  /* the hook or the webinar was deleted first */
    DELIVERY_EXPIRED,    /* settled, but the log that says how is not kept any more */
};

const char *delivery_status_name(enum delivery_status status);

/* A bit for each member of a chunk; bit i of byte i / 8, the lowest first. */
#define BITMAP_BYTES(count) (((size_t)(count) + 7) / 8)
#define BITMAP_BYTES_MAX    BITMAP_BYTES(CHUNK_MEMBERS_MAX)

/* The first count bits on, the rest of the last byte off. */
void bitmap_fill(uint8_t *bitmap, size_t count);
bool bitmap_get(const uint8_t *bitmap, size_t i);
void bitmap_set(uint8_t *bitmap, size_t i);
void bitmap_clear(uint8_t *bitmap, size_t i);
size_t bitmap_count(const uint8_t *bitmap, size_t count);
/* The first bit that is on at or after from; count when there is none. */
size_t bitmap_next(const uint8_t *bitmap, size_t count, size_t from);

/* What became of an attempt: an HTTP status, or one of these. */
#define RECORD_SKIPPED      1
#define RECORD_SUPERSEDED   2
#define RECORD_FAILURE_BASE 10 /* + enum http_failure, where there was no whole answer */

#define RECORD_BYTES        8
#define RECORD_ATTEMPTS_MAX 63 /* a larger number is kept as this */

struct attempt_record {
    unsigned index;   /* position minus the block's base */
    unsigned attempt; /* from 1; 0 where nothing was sent */
    unsigned result;  /* below 1024 */
    int64_t latency_ms;
    int64_t started_ms; /* since the block's start */
};

/* Times that do not fit are kept as the largest that does: 65 s of latency, 655 s of start. */
void record_encode(const struct attempt_record *record, uint8_t out[RECORD_BYTES]);
struct attempt_record record_decode(const uint8_t in[RECORD_BYTES]);

#endif
