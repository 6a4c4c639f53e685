/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A setup at work on one loop: the keys of its sources held ready, and where their calls are
 * counted.
 *
 * Calls hold the judges by which they were begun; after a reload the old ones go with the last of
 * these. The loop's thread only.
 */
#ifndef RECEIVE_JUDGES_H
#define RECEIVE_JUDGES_H

#include "receive/counters.h"
#include "receive/setup.h"

struct judged_source {
    const struct source *source; /* NULL: of the names that are no source's */
    int64_t source_pk;
    struct source_judge *judge; /* owned */
    struct source_counts *counts;
};

struct judges {
    struct setup *setup;           /* held */
    struct judged_source *sources; /* owned; in the setup's order */
    struct judged_source unknown;
    int64_t body_bytes_max; /* the largest of any source */
    unsigned holds;
};

/* Held once; holds the setup, which has been registered. */
MUST_CHECK enum err judges_new(struct setup *setup, struct judges **ret, struct error *reterr);
struct judges *judges_hold(struct judges *judges);
void judges_drop(struct judges *judges); /* NULL is fine */
/* Of a name that is not there it is `unknown`: judged as long, and refused. */
const struct judged_source *judges_find(const struct judges *judges, struct str name);

#endif
