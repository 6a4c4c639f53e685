/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all loops count of each source and each handler, for /metrics with their names as labels.
 *
 * A name keeps its counts until the process ends, also over a reload that drops it and one that
 * brings it back: what a scraper sees never goes backwards. There is room for so many names; what
 * comes after them is counted together. Any thread; adding is one atomic step.
 */
#ifndef RECEIVE_COUNTERS_H
#define RECEIVE_COUNTERS_H

#include "base/buf.h"
#include "receive/source_rate.h"

/* Twice as many as a setup may hold, for the reloads. */
#define COUNTERS_NAMES_MAX 512

/* What became of a call. */
enum call_result {
    CALL_ACCEPTED,   /* stored: new, or an update */
    CALL_DUPLICATE,  /* says what is known already */
    CALL_STALE,      /* stored, and never handled: its sender has sent something newer */
    CALL_CHALLENGED, /* its sender asked whether we are there, and was told */
    CALL_REFUSED,    /* 401 */
    CALL_INVALID,    /* no JSON, or too large */
    CALL_BUSY,       /* 503: nothing was stored that we know of */
    CALL_LIMITED,    /* 429 */
    CALL_RESULTS,
};

/* What became of an attempt to handle an item, or of the item without one. */
enum handling_outcome {
    HANDLED_DONE,
    HANDLED_LATER,
    HANDLED_FAILED,      /* will be tried again */
    HANDLED_DEAD,        /* given up: refused, or out of attempts */
    HANDLED_SUPERSEDED,  /* a newer version has overtaken it */
    HANDLED_PASSED_OVER, /* not for this handler */
    HANDLING_OUTCOMES,
};

/* Where all loops meet over a source. Never freed. */
struct source_counts {
    _Atomic int64_t calls[CALL_RESULTS];
    struct source_rate rate;     /* of the source, where it has one */
    struct source_rate refusals; /* that are told in the log */
    struct source_rate observed; /* likewise */
};

struct handler_counts {
    _Atomic int64_t handlings[HANDLING_OUTCOMES];
    _Atomic int64_t in_hand; /* under way now: added and taken off by the lane */
};

/* Those of this name; the same each time, never NULL. Not for a hot path: looks the name up. */
struct source_counts *counters_source(struct str name);
struct handler_counts *counters_handler(struct str name);
/* Calls to names that are no source's. */
struct source_counts *counters_unknown_source(void);

void counters_add_call(struct source_counts *counts, enum call_result result);
void counters_add_handlings(struct handler_counts *counts, enum handling_outcome outcome,
    int64_t n);
void counters_add_in_hand(struct handler_counts *counts, int64_t n);

/* In Prometheus' text format, each metric with its help. */
void counters_format(struct buf *page);

#endif
