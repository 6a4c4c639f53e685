/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fan-out in hand: an event on its way to a hook, with the chunks of its members that are being
 * worked on.
 *
 * The cursor moves when a chunk is taken; what a chunk has left is in its bitmap. Failed members
 * leave at the flush as rows of their own, to come back as chunks when they are due.
 */
#ifndef SEND_FANOUT_H
#define SEND_FANOUT_H

#include "base/arena.h"
#include "base/list.h"
#include "store/lanes.h"
#include "store/store.h"

struct lane;
struct members_read;

/* Members ready to be sent below which the next chunk is fetched. */
#define FANOUT_AHEAD 512
/* A new fan-out begins with few members, and doubles its chunks while they are quickly through. */
#define CHUNK_MEMBERS_MIN   16
#define CHUNK_MEMBERS_FIRST 64

/* A sample of what an endpoint said, until the flush. */
struct failure_note {
    struct failure_note *next;
    int64_t pos;
    unsigned attempt;
    struct walltime at;
    const char *failure; /* static */
    int status;
    struct str detail;
    struct str answer; /* both behind this struct */
};

#define FAILURE_NOTES_MAX 3

/* Members that leave their chunk together, due when the last of them is. */
struct failed_members {
    uint8_t todo[BITMAP_BYTES_MAX];
    size_t count;
    struct walltime due;
};

struct chunk {
    struct link link; /* in fanout->chunks */
    struct fanout *fanout;
    struct arena arena;          /* the members' texts */
    struct lane_member *members; /* count, in the arena; NULL once it is settled */
    int64_t pk;
    int64_t base;
    size_t count;
    unsigned attempts;  /* that were made before, by each of its members */
    bool is_retry;      /* it waited in the store, and was due */
    bool is_manual;     /* one member, whom somebody wants told now */
    bool wants_clear;   /* and the store is to know that the member waits in no other */
    bool is_given_back; /* nothing may start for long: the rest goes back to the store */
    bool is_stored;     /* a row of this pk exists */
    bool is_changed;    /* since that row was written */
    bool is_flushing;   /* settled or given back, and that is on its way to disk */
    uint8_t ready[BITMAP_BYTES_MAX]; /* may be started */
    size_t next;                     /* no ready member before this one */
    size_t in_flight;
    uint8_t todo[BITMAP_BYTES_MAX]; /* ready or in flight: what is lost in a crash */
    size_t todo_count;
    uint8_t over[BITMAP_BYTES_MAX]; /* settled for good */

    /* Since the last flush: */
    struct failed_members failed; /* they come back by the schedule */
    struct failed_members
        asked; /* these were asked to wait, which the others do not do with them */
    uint8_t dead[BITMAP_BYTES_MAX];
    size_t dead_count;
    struct buf dead_ids; /* of some of the dead: their attendees' */
    struct buf records;
    struct walltime records_since;
    struct failure_note *notes;
    unsigned note_count;
};

struct fanout {
    struct link link; /* in lane->fanouts */
    struct lane *lane;
    struct arena arena; /* the snapshot */
    struct lane_fanout row;
    int64_t next_pos; /* the cursor, ahead of row.next_pos by what is in hand */
    struct list chunks;
    size_t members_ready;
    size_t in_flight;
    size_t chunk_members; /* the size of the next chunk */
    struct instant chunk_taken;
    struct members_read *read; /* under way, or NULL */
    bool is_cut;               /* no more members are taken */
    bool is_cancelled;         /* and none is sent that was */

    /* Since the last flush: */
    bool is_dirty;
    int64_t delivered;
    int64_t dead;
    int64_t skipped;
    int64_t superseded;
};

/* Takes the row's audience; its texts are copied. NULL: out of memory. */
struct fanout *fanout_new(struct lane *lane, struct lane_fanout *row);
/* No read of it under way and nothing in flight. */
void fanout_free(struct fanout *fanout);

/* Members left to take or to send, those that wait in the store not counted. */
int64_t fanout_left(const struct fanout *fanout);
bool fanout_is_done(const struct fanout *fanout); /* nothing left, in hand, or unflushed */

/* Few members are ready, and there are more. */
bool fanout_wants_members(const struct fanout *fanout);
/* Fetch the next chunk. ERR_BUSY: the store's queue is full; ask again later. */
MUST_CHECK enum err fanout_read_members(struct fanout *fanout);

/* Where the chunk starts whose members are being read: all before it is in hand or settled. */
int64_t fanout_read_base(const struct fanout *fanout);

/* A chunk of count members that belongs to no fan-out yet; NULL: out of memory. Any thread. */
struct chunk *chunk_new(int64_t pk, int64_t base, size_t count);
/* Who its members are; on a store worker. row: the fan-out it is to belong to. */
MUST_CHECK enum err chunk_read_members(struct chunk *chunk, const struct lane *lane,
    const struct lane_fanout *row, struct engine *engine, struct error *reterr);
/* Nobody needs what was asked for any more. */
void chunk_drop_manual(struct chunk *chunk);
/* Its members have been read: from now on they are the fan-out's. */
void fanout_attach(struct fanout *fanout, struct chunk *chunk);
/* The same for one that waited in the store, but for those in it who are in hand already, or were
 * until just now. */
void fanout_attach_waiting(struct fanout *fanout, struct chunk *chunk);
/* Somebody was erased: they are passed over, unless their attempt is in flight. */
void fanout_forget(struct fanout *fanout, int64_t attendee_pk);
/* Nothing more of it is wanted; what is in flight ends by itself. */
void fanout_cancel(struct fanout *fanout);
/* Nothing may start for long: what is in hand is to wait in the store. Nothing is in flight. */
void fanout_give_back(struct fanout *fanout);

/* The next member to be sent: its chunk and index; false when none is ready. It is in flight. */
bool fanout_take(struct fanout *fanout, struct chunk **ret_chunk, size_t *ret_index);
/* Any of those that are ready. random: 64 even bits. */
bool fanout_take_any(struct fanout *fanout, uint64_t random, struct chunk **ret_chunk,
    size_t *ret_index);

/* What became of a member that was in flight. The caller keeps a record and moves its lane on. */
void chunk_delivered(struct chunk *chunk, size_t index);
/* was_asked: the endpoint said when to come back. */
void chunk_failed(struct chunk *chunk, size_t index, struct walltime due, bool was_asked);
void chunk_dead(struct chunk *chunk, size_t index);
/* It was not sent after all, or that it failed does not count: back to what is to do. */
void chunk_returned(struct chunk *chunk, size_t index);
/* Is there room for a record of all that are to do yet? It stays there. */
bool chunk_may_record(struct chunk *chunk);
void chunk_record(struct chunk *chunk, const struct attempt_record *record, struct walltime at);
/* Keep a sample of a member in flight, if there are not enough, without their email and phone. */
void chunk_note(struct chunk *chunk, const struct failure_note *note);
bool chunk_is_settled(const struct chunk *chunk);
void chunk_free(struct chunk *chunk);

#endif
