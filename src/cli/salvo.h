/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the next of many requests may start: so many in all, so many at a time, at such a rate.
 *
 * Pure: time is handed in.
 */
#ifndef CLI_SALVO_H
#define CLI_SALVO_H

#include <stdbool.h>

#include "queue/pacing.h"

struct salvo {
    int64_t total;
    int64_t started;
    int64_t settled;
    int64_t concurrency; /* at least 1 */
    struct pacing pacing;
};

/* rate: starts a second; 0: no limit. */
void salvo_init(struct salvo *salvo, int64_t total, int64_t concurrency, double rate);
/* True: one starts now, and is counted. Else *ret_when is when to ask again, INSTANT_NEVER: when
 * one has settled, if any is to come. */
bool salvo_start(struct salvo *salvo, struct instant now, struct instant *ret_when);
void salvo_settle(struct salvo *salvo);
/* None is to start any more. */
void salvo_end(struct salvo *salvo);
/* All that are to start have settled. */
bool salvo_is_over(const struct salvo *salvo);

#endif
