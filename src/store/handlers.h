/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers owe: cursors over the inbox, handlings that wait, and the log of what became of
 * them. One writer of a handler's rows while the program runs: its lane (receive/handle.h), through
 * handlers_flush; and whoever asks for a retry.
 */
#ifndef STORE_HANDLERS_H
#define STORE_HANDLERS_H

#include "store/inbox.h"

/* Before the handlers of a setup are registered: from now on only those are configured that are
 * registered again. The others owe nothing; when they come back they go on where they stood. */
MUST_CHECK enum err handlers_retire(struct engine *engine, struct error *reterr);

/* Finds the handler's number, or makes one that begins with what comes next; starts_with_all: with
 * everything that is there. Either way it is configured. */
MUST_CHECK enum err handler_register(struct engine *engine, struct str name, bool starts_with_all,
    int64_t *ret_pk, struct error *reterr);

/* At the start, before any lane: what was in hand when the last process ended is due at once. */
MUST_CHECK enum err handlers_recover(struct engine *engine, struct error *reterr);

/* An item as a lane takes it. */
struct handling_row {
    struct inbox_item item; /* whole */
    uint32_t attempts;      /* made so far */
    bool is_waiting;        /* it has a row of its own: an attempt failed, or somebody asked */
};

struct handler_reading {
    int64_t handler_pk;
    struct str sources[32]; /* names it wants; count 0: all */
    size_t source_count;
    int64_t after_pk; /* next in order: those with a larger number; the lane's own cursor */
    size_t limit;     /* rows; a reading ends earlier after a MiB of bodies */
    struct walltime now;
};

/* First the waiting ones that are due, whatever their source: one that nobody wants any more is the
 * lane's to settle. As long as no flush has said that they are in hand they are given again. Then
 * what comes next in order; of these, stale ones, those of other sources and those that have a row
 * are not given at all. One that is not the newest of its identity comes with is_latest false:
 * under `latest` the lane passes it over. read_pk: everything up to there was looked at. next_due:
 * when the next waiting one is due (0: none), and now itself where not all that are due were given.
 * has_more: there may be more at once. */
struct handler_batch {
    struct handling_row *rows;
    size_t count;
    int64_t read_pk;
    struct walltime next_due;
    bool has_more;
};
MUST_CHECK enum err handler_read(struct engine *engine, const struct handler_reading *reading,
    struct arena *arena, struct handler_batch *ret, struct error *reterr);

/* What a lane has to say of one item. */
struct handling_change {
    enum handling_move {
        HANDLING_IN_HAND, /* taken and not done: has a row with due_us 0, so that the cursor may
                             pass it */
        HANDLING_SETTLED, /* done or passed over: its row goes */
        HANDLING_WAITS,
        HANDLING_DEAD,
    } what;

    int64_t inbox_pk;
    bool has_row; /* for SETTLED: whether there is one to be deleted */
    uint32_t attempts;
    struct walltime at; /* WAITS: when the next attempt is due; DEAD: when it was given up */
};

struct handling_record {
    int64_t inbox_pk;
    uint32_t attempt;
    struct walltime at;
    int64_t took_us;
    const char *outcome; /* "done", "later", "failed", "refused", "superseded" */
    struct str detail;
    struct str output;
};

struct handler_flush {
    int64_t handler_pk;
    int64_t next_pk; /* the cursor: all below it is settled or has a row; 0: unchanged */
    const struct handling_change *changes;
    size_t change_count;
    const struct handling_record *records;
    size_t record_count;
    int64_t handled; /* to be added to the handler's counters */
    int64_t failed;
    int64_t passed_over;
};

/* An item that was erased meanwhile is passed over. */
MUST_CHECK enum err handlers_flush(struct engine *engine, const struct handler_flush *flushes,
    size_t count, struct error *reterr);

/* Handle again, now and with a whole schedule of attempts: the item by one handler (name absent: by
 * all that ever had it, dead or done). *ret_count: handlings that are due now; not among them are
 * those in hand, those that their handler has not come to yet, and stale items. ERR_NOT_FOUND: no
 * such item, no such handler. */
MUST_CHECK enum err inbox_retry(struct engine *engine, int64_t inbox_pk, struct str handler,
    struct walltime now, int64_t *ret_count, struct error *reterr);

/* All that match, in bounded steps, from *inout (0 at the start) on, which is INT64_MAX when all
 * was looked at: dead ones, or (replay) everything received since. *ret_count is added to.
 * ERR_NOT_FOUND: no such handler, no such source. */
struct inbox_retry_query {
    struct str handler; /* absent: all */
    struct str source;  /* absent: all */
    bool only_dead;
    struct walltime since;
};
MUST_CHECK enum err inbox_retry_step(struct engine *engine, const struct inbox_retry_query *query,
    struct walltime now, int64_t *inout, int64_t *ret_count, struct error *reterr);

/* How an item stands with each handler, for a person. */
struct handling_state {
    struct str handler;
    const char *status; /* "waiting", "retrying", "dead", "settled" */
    uint32_t attempts;
    struct walltime due; /* 0: none, or in hand */
};
/* None of an item that does not exist, or is stale. */
MUST_CHECK enum err inbox_handlings(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct handling_state **ret, size_t *ret_count, struct error *reterr);

struct handling_logged {
    struct handling_record record;
    struct str handler;
};
/* The newest 500, in the order in which they were written. */
MUST_CHECK enum err inbox_log(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct handling_logged **ret, size_t *ret_count, struct error *reterr);

/* What is counted is counted up to here. */
#define HANDLER_BEHIND_MAX 10000

/* Of each handler, in the order of their names: how it does. */
struct handler_state {
    int64_t handler_pk;
    struct str name;
    bool is_configured;
    int64_t next_pk;
    int64_t handled;
    int64_t failed;
    int64_t passed_over;
    int64_t waiting; /* rows, counted up to HANDLER_BEHIND_MAX, as are the next two */
    int64_t dead;
    int64_t behind; /* items from its cursor on */
};
MUST_CHECK enum err handlers_list(struct engine *engine, struct arena *arena,
    struct handler_state **ret, size_t *ret_count, struct error *reterr);

#endif
