/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retention: what is older than its time goes, piece by piece, so that the file stops growing.
 *
 * Every table is in the order of time by its key, so what a step takes away lies side by side, and
 * where nothing is old a step costs a look at each table's first row. A row from the future, which
 * a clock that was wrong has left, is passed over; it goes when its time has come.
 */
#ifndef STORE_RETENTION_H
#define STORE_RETENTION_H

#include <stdbool.h>

#include "store/engine.h"

/* How long it is kept. */
struct retention {
    int64_t events_us;      /* an event and all that came of it, whether it was sent or not */
    int64_t dead_us;        /* that a delivery was given up, and so that it can be retried */
    int64_t attempts_us;    /* what became of each attempt, and what endpoints said */
    int64_t idempotency_us; /* answers to POSTs that brought a key */
    int64_t inbox_us;       /* an item, what is known of it, and what handlers owe and said of it,
                               whether it was handled or not; 0: for ever */
    int64_t quarantine_us;  /* a call that was refused; 0: for ever */
};

/* A step looks at, or takes away, so many rows: the larger, the longer it holds the writer, and the
 * less it writes for each row (doc/decisions/0014-retention.md). */
#define SWEEP_ROWS_MIN 64
#define SWEEP_ROWS_MAX 4096
/* A step ends no more fan-outs than this that were still under way. */
#define SWEEP_WAKE_MAX 64

/* Zero, but for now and rows_max, is a sweep's start. A plain value: a step that is to be run again
 * begins from a copy. */
struct sweep {
    struct walltime now; /* the same in all steps */
    size_t rows_max;     /* may change from step to step */

    enum {
        SWEEP_ATTEMPTS,
        SWEEP_FAILURES,
        SWEEP_DEAD,
        SWEEP_IDEMPOTENCY,
        SWEEP_EVENTS,
        SWEEP_HANDLING_LOG,
        SWEEP_INBOX,
        SWEEP_QUARANTINE,
        SWEEP_OVER
    } stage;

    int64_t last_pk; /* what the stage has looked at */
    int64_t events;  /* taken away so far */
    int64_t rows;    /* the same, of all other tables */

    /* Of the last step: hooks with fan-outs that have expired while under way; wake their lanes. */
    int64_t wake[SWEEP_WAKE_MAX];
    size_t wake_count;
};

/* The next step, in a transaction of its own, until the stage is SWEEP_OVER. */
MUST_CHECK enum err retention_step(struct engine *engine, const struct retention *keep,
    struct sweep *inout, struct error *reterr);

/* What hangs on a fan-out and goes before it; with a deleted account, too (account_purge.c). */
#define FANOUT_PARTS 4

struct fanout_part {
    const char *take; /* at most ?2 rows of fan-out ?1 */
    bool is_long;     /* a row may fill a page or more */
};

extern const struct fanout_part fanout_parts[FANOUT_PARTS];

#endif
