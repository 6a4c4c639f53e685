/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event's audience: ordered ranges of members of groups, as of the event.
 *
 * Positions 0, 1, 2 … run through the ranges that are to be told, in order; a fan-out is a cursor
 * over them. A person in several ranges belongs to the first that held them. A range that is_told
 * takes no positions: its people have heard of the webinar before, and are passed over.
 */
#ifndef DOMAIN_AUDIENCE_H
#define DOMAIN_AUDIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* A webinar has at most 100 mangoes, and a group few ranges, for neighbours are merged. */
#define AUDIENCE_RANGES_MAX 1024

struct audience_range {
    int64_t group_pk;
    int64_t lo;
    int64_t hi; /* not included */
    bool is_told;
};

struct audience {
    struct audience_range *ranges; /* owned */
    size_t count;
    size_t capacity;
};

void audience_init(struct audience *audience);
void audience_done(struct audience *audience);
/* An empty range is dropped. ERR_LIMIT beyond AUDIENCE_RANGES_MAX. */
MUST_CHECK enum err audience_add(struct audience *audience, int64_t group_pk, int64_t lo,
    int64_t hi, bool is_told);

/* As stored with the event; decode refuses (ERR_INVALID) what encode cannot have written. */
void audience_encode(const struct audience *audience, struct buf *buf);
MUST_CHECK enum err audience_decode(struct str bytes, struct audience *ret);

/* filter_group 0: every range that is to be told; else only that group's, told ranges ignored. */
int64_t audience_positions(const struct audience *audience, int64_t filter_group);
/* Which range and ord position pos is; false beyond the end. */
bool audience_at(const struct audience *audience, int64_t filter_group, int64_t pos,
    size_t *ret_range, int64_t *ret_ord);
/* The position of an ord in range number `range`. */
int64_t audience_position(const struct audience *audience, int64_t filter_group, size_t range,
    int64_t ord);

#endif
