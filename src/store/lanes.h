/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a lane reads and writes: the fan-outs that may start, the members of a chunk, the chunks
 * that are due again, and the flush.
 *
 * The lane's memory is ahead of the store by what was done since the last flush; after a crash
 * that much is done again, under the same ids. Reads run on a reader, the flush on the writer.
 */
#ifndef STORE_LANES_H
#define STORE_LANES_H

#include "base/arena.h"
#include "domain/audience.h"
#include "domain/delivery.h"
#include "domain/event.h"
#include "domain/hook.h"
#include "os/zones.h"
#include "store/engine.h"

/* A fan-out as it stands in the store. Texts and the audience live in an arena of the caller. */
struct lane_fanout {
    int64_t pk;
    int64_t sequence; /* the event's */
    struct id event_id;
    enum event_reason reason;
    int64_t webinar_pk;
    struct walltime starts;
    struct str snapshot;
    struct audience audience;
    int64_t filter_group;
    int64_t next_pos;
    int64_t end_pos;
};

/* The hooks that have anything open, at the start; in the arena. */
MUST_CHECK enum err lanes_open(struct engine *engine, struct arena *arena, int64_t **ret_hook_pks,
    size_t *ret_count, struct error *reterr);
/* Chunks that were in hand when the process ended are due at once. On the writer, at the start. */
MUST_CHECK enum err lanes_recover(struct engine *engine, int64_t *ret_last_chunk_pk,
    struct error *reterr);

/*
 * Fan-outs of the hook that may start: those with members left whose webinar has no older fan-out
 * with members left, the oldest first and those with the fewest left first, half of each. At most
 * count; ret_fanouts[i].audience is the caller's to free.
 */
MUST_CHECK enum err fanouts_startable(struct engine *engine, int64_t hook_pk, struct arena *arena,
    struct lane_fanout *ret_fanouts, size_t *inout_count, struct error *reterr);
MUST_CHECK enum err fanout_get(struct engine *engine, int64_t fanout_pk, struct arena *arena,
    struct lane_fanout *ret, struct error *reterr);

/* False once it is done, or was cancelled with its webinar or its hook. */
MUST_CHECK enum err fanout_is_sending(struct engine *engine, int64_t fanout_pk, bool *ret,
    struct error *reterr);

/* A chunk's due_us where it is no moment: its lane works on it; or it is due whatever the clock
 * says, having come back from a lane unfinished. */
#define CHUNK_IN_HAND_US     0
#define CHUNK_DUE_AT_ONCE_US 1

struct lane_chunk {
    int64_t pk;
    int64_t fanout_pk;
    int64_t base;
    size_t count;
    unsigned attempts; /* made so far */
    uint8_t todo[BITMAP_BYTES_MAX];
};

struct chunk_query {
    int64_t hook_pk;
    struct walltime now;
    struct walltime latest; /* due after it: written while the clock was wrong; 0: no bound */
    const int64_t *skip;    /* chunks in hand already */
    size_t skip_count;
};

/* The hook's next chunk that waits and is due, or due after latest; ERR_NOT_FOUND when there is
 * none, and then *ret_next is when the next one will be (INT64_MAX: none waits). */
MUST_CHECK enum err chunk_due(struct engine *engine, const struct chunk_query *query,
    struct lane_chunk *ret, struct walltime *ret_next, struct error *reterr);

enum member_fate { MEMBER_DUE, MEMBER_SKIPPED, MEMBER_SUPERSEDED };

struct lane_member {
    enum member_fate fate;
    int64_t attendee_pk;
    struct id id;
    struct str name;
    struct str email;
    struct str phone;
    bool has_offset;
    int32_t offset_minutes; /* at the session's start */
};

/*
 * The members at positions [base, base + count) whose bit in todo is on, to ret_members[count],
 * texts in the arena. Skipped: no such member any more, left before the event, or another range
 * of the audience held them first. With is_retry, superseded: a newer event of the webinar that
 * goes to the same hook covers the person.
 */
struct chunk_members_args {
    const struct lane_fanout *fanout;
    int64_t hook_pk;
    int64_t base;
    size_t count;
    const uint8_t *todo;
    bool is_retry;
    struct zones *zones;
    struct arena *arena;
    struct lane_member *ret_members;
};
MUST_CHECK enum err chunk_members(struct engine *engine, const struct chunk_members_args *args,
    struct error *reterr);

/* One transaction for all that a loop's lanes did since the last. */
enum flush_kind {
    FLUSH_CHUNK_SAVE, /* write or overwrite the row of a chunk, in hand (due 0) or waiting */
    FLUSH_CHUNK_DELETE,
    FLUSH_DEAD,      /* give the members up */
    FLUSH_RECORDS,   /* append an attempt block */
    FLUSH_FAILURE,   /* a sample of what an endpoint said */
    FLUSH_FANOUT,    /* cursor and counters, which are added */
    FLUSH_HOOK_GONE, /* 410: disable the hook */
};

struct flush_item {
    enum flush_kind kind;
    int64_t hook_pk;
    int64_t fanout_pk;
    int64_t chunk_pk;
    int64_t base; /* FLUSH_FANOUT: next_pos; FLUSH_FAILURE: the position */
    size_t count;
    unsigned attempts;
    struct walltime at; /* due, died, started, failed */
    struct str bytes;   /* todo bitmap, records, or the answer */
    struct str failure;
    struct str detail;
    int status;
    int64_t delivered;
    int64_t dead;
    int64_t skipped;
    int64_t superseded;
    bool is_drained; /* FLUSH_FANOUT: no members left to take and none in hand */
};

MUST_CHECK enum err lanes_flush(struct engine *engine, const struct flush_item *items, size_t count,
    struct walltime now, struct error *reterr);

#endif
