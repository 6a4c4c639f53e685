/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlings that could not even be begun: told at the end of the turn, because a handler's done is
 * never called from inside its start.
 *
 * Needs no memory at that moment, of which there may be none.
 */
#ifndef RECEIVE_REFUSALS_H
#define RECEIVE_REFUSALS_H

#include "receive/handler.h"

struct refusals {
    struct timer timer;
    struct handling **handlings; /* owned */
    size_t count;
    size_t max;
};

/* max: how many handlings can be under way. */
MUST_CHECK enum err refusals_init(struct refusals *refusals, struct loop *loop, size_t max);
void refusals_done(struct refusals *refusals); /* all were told; all zero is fine */
/* why is static. */
void refusals_add(struct refusals *refusals, struct handling *handling, enum handling_result result,
    const char *why);

#endif
