/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An item as a handler's lane has it, from when it was read until what became of it is on disk.
 *
 * Here an end is judged: settled, to be tried again, given up, or no attempt at all, which pauses
 * the lane. Nothing here begins anything.
 */
#ifndef RECEIVE_LANE_ITEM_H
#define RECEIVE_LANE_ITEM_H

#include "base/arena.h"
#include "base/list.h"
#include "receive/handler.h"
#include "store/handlers.h"

struct handler_lane;

enum lane_verdict {
    VERDICT_WANTED,
    VERDICT_UNWANTED,   /* not for this handler */
    VERDICT_SUPERSEDED, /* a newer version is there */
};

/* An item as a lane has it. */
struct lane_item {
    struct handling handling;
    struct handler_lane *lane;
    struct link link; /* in one of the lane's lists */
    char id[ITEM_ID_BYTES];
    int64_t inbox_pk;
    uint32_t attempts; /* made so far */
    enum lane_verdict verdict;
    bool has_identity;  /* of its versions only the newest counts */
    bool was_waiting;   /* it was read from a row of its own */
    bool has_row;       /* there is one, or a flush under way writes it */
    bool is_marked;     /* and it says that it is in hand */
    bool is_prepared;   /* the model is made */
    bool is_broken_off; /* by us, because we stop */
    unsigned news;      /* of its lane, when it was read */
    struct instant arrived_at;
    struct arena arena; /* texts, JSON and model, until it has ended */
    struct received received;
    struct instant started;

    /* How it ended, until that is on disk. */
    bool has_change;
    bool has_record;
    struct handling_change change;
    struct handling_record record;
    char *said; /* owned: the record's texts */
};

void lane_item_free(struct lane_item *item); /* one that its lane does not hold */
/* One that it holds. */
void lane_item_let_go(struct lane_item *item);

/* Are they versions of one thing, of which only the newest counts? */
bool lane_item_is_same(const struct lane_item *a, const struct lane_item *b);
/* The first in the list; NULL: there is none. */
struct lane_item *lane_items_find_same(const struct list *items, const struct lane_item *item);

/* Its handler has said how it went. */
void lane_item_ended(struct lane_item *item, struct instant now);
/* Its body could not be made a model of, so it was not begun: an attempt that failed, and where the
 * error is ERR_INVALID the last one. */
void lane_item_unread(struct lane_item *item, const struct error *error, struct instant now);
/* By its verdict. */
void lane_item_pass_over(struct lane_item *item, struct instant now);
/* Taken, and never begun: it is due at once. */
void lane_item_give_back(struct lane_item *item);

#endif
