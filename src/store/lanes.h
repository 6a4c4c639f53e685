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
    int64_t round;     /* how often it was replayed */
    int64_t late_from; /* newer events than this supersede it at each member; 0: it is in time */
};

/* The one range of a notice's audience is of this group: a position that stands for nobody. */
#define GROUP_NOBODY 0
bool fanout_is_notice(const struct lane_fanout *fanout);

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

/* False once it is done, was cancelled with its webinar or its hook, has expired, or was replayed
 * since this round of it. */
MUST_CHECK enum err fanout_is_sending(struct engine *engine, int64_t fanout_pk, int64_t round,
    bool *ret, struct error *reterr);

/* A chunk's due_us where it is no moment: its lane works on it; or it is due whatever the clock
 * says, having come back from a lane unfinished. */
#define CHUNK_IN_HAND_US     0
#define CHUNK_DUE_AT_ONCE_US 1

/* Lanes number their chunks from 1. The pks of those that store/replay.c makes are one of these and
 * a fresh sequence, out of the lanes' way: of all that is due at once the manual ones come first,
 * and what was reopened last. */
#define CHUNK_PK_MANUAL   INT64_MIN
#define CHUNK_PK_REOPENED (INT64_C(1) << 62)

struct lane_chunk {
    int64_t pk;
    int64_t fanout_pk;
    int64_t base;
    size_t count;
    unsigned attempts; /* made so far */
    bool is_manual;    /* one member, whom somebody wants told now */
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

/* Of a manual one: false when it was asked for while the member waited and that one was settled
 * meanwhile, so that there is nothing left to do. */
MUST_CHECK enum err chunk_is_wanted(struct engine *engine, const struct lane_chunk *chunk,
    bool *ret, struct error *reterr);

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
    bool is_nobody;         /* of a notice: its body is the snapshot alone */
};

/*
 * The members at positions [base, base + count) whose bit in todo is on, to ret_members[count],
 * texts in the arena. Skipped: no such member any more, left before the event, or another range of
 * the audience held them first. With is_retry, or where the fan-out is late, superseded: an event
 * of the webinar with newer news that goes to the same hook covers the person. The news of one that
 * is late are as old as its late_from. A notice's one position is nobody, and always due.
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

/* One transaction for all that a loop's lanes did since the last. What belongs to an earlier round
 * of a fan-out, or to one that has ended, changes nothing but the attempt log. */
enum flush_kind {
    FLUSH_CHUNK_SAVE, /* write or overwrite the row of a chunk, in hand (due 0) or waiting; one that
                       * was manual is from now on like any other */
    FLUSH_CHUNK_DELETE,
    FLUSH_CHUNK_CLEAR, /* a manual retry was taken up: the member waits in no other chunk; these go
                        * before all else of a flush */
    FLUSH_DEAD,        /* give the members up; tells delivery.dead */
    FLUSH_RECORDS,     /* append an attempt block */
    FLUSH_FAILURE,     /* a sample of what an endpoint said, unless its block has enough */
    FLUSH_FANOUT,      /* cursor and counters, which are added */
    FLUSH_HOOK_HEALTH, /* what its lane knows of the endpoint; tells hook.failing, hook.recovered */
    FLUSH_HOOK_DISABLE, /* for good: "gone" or "failing"; tells hook.disabled */
};

/* How an endpoint does; of a lane, and on disk for the next start. */
struct hook_health {
    struct walltime first_failure; /* since the last success; 0: none */
    struct walltime failing;       /* since when its breaker is open; 0: it is not */
    double learned_rate;           /* 0: none */
};

struct flush_item {
    enum flush_kind kind;
    int64_t hook_pk;
    int64_t fanout_pk;
    int64_t round; /* of the fan-out */
    int64_t chunk_pk;
    int64_t base; /* FLUSH_FANOUT: next_pos; FLUSH_FAILURE, FLUSH_CHUNK_CLEAR: the position */
    size_t count;
    unsigned attempts;
    struct walltime at; /* due, died, started, failed */
    struct str bytes;   /* todo bitmap, records, or the answer */
    struct str failure; /* FLUSH_FAILURE: its class; FLUSH_HOOK_DISABLE: by whom;
                         * FLUSH_HOOK_HEALTH: class of the last failure, for the notice */
    struct str detail;  /* FLUSH_DEAD: attendee ids of some of them, ID_BYTES each;
                         * FLUSH_HOOK_DISABLE: class of the last failure, or absent */
    int status;
    int64_t delivered;
    int64_t dead;
    int64_t skipped;
    int64_t superseded;
    bool is_drained; /* FLUSH_FANOUT: no members left to take and none in hand */
    struct hook_health health;
};

/* FLUSH_FAILURE: all where there are few, the first ones of a block of CHUNK_MEMBERS_MAX positions
 * where there are many. */
#define FAILURES_PER_BLOCK 32
/* FLUSH_DEAD: so many are named by id; all are counted. */
#define DEAD_NAMED_MAX 100

struct flush_plan {
    const struct flush_item *items;
    size_t count;
    struct walltime now;
    struct id_source *ids; /* for notices */
    struct arena *arena;   /* reset by the caller before each run */
    int64_t *wake;         /* out: hooks that have notices to send; in the arena */
    size_t wake_count;
};

MUST_CHECK enum err lanes_flush(struct engine *engine, struct flush_plan *plan,
    struct error *reterr);

#endif
