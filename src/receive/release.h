/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Letting refused calls in after the configuration was mended: each is judged again, as of the time
 * it came, and where it passes it becomes an item, received then. For a store worker or the command
 * line; the transaction is the caller's.
 */
#ifndef RECEIVE_RELEASE_H
#define RECEIVE_RELEASE_H

#include "receive/setup.h"
#include "store/engine.h"

struct release_tally {
    int64_t released;
    int64_t duplicates;
    int64_t still_refused;
};

struct release_choice {
    struct str source; /* name; absent: of all */
    int64_t only_pk;   /* this call alone; 0: all of them */
};

/* One bounded step over the chosen calls, from *inout (0 at the start) on, which is INT64_MAX when
 * all were judged. The setup is registered. ERR_NOT_FOUND: there is no call only_pk. */
MUST_CHECK enum err release_step(struct engine *engine, struct setup *setup,
    const struct release_choice *choice, int64_t *inout, struct release_tally *inout_tally,
    struct error *reterr);

#endif
