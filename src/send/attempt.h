/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt: build the request, sign it, POST it, judge the answer, record it.
 */
#ifndef SEND_ATTEMPT_H
#define SEND_ATTEMPT_H

#include "base/list.h"
#include "net/http_client.h"
#include "send/fanout.h"
#include "send/lane.h"

struct attempt {
    struct http_exchange exchange; /* first: found again from it */
    struct link link;              /* in dispatch->turns or dispatch->spare */
    struct lane *lane;
    struct chunk *chunk;
    size_t index;
    struct buf head;
    struct buf body;
    struct instant started;
    struct walltime started_at;
    bool is_old;      /* send/turns.h */
    bool is_unproven; /* its lane was when it started */
};

/* The member is in flight already (fanout_take). On failure it is returned to its chunk. */
MUST_CHECK enum err attempt_start(struct lane *lane, struct chunk *chunk, size_t index,
    struct instant now);
void attempt_free(struct attempt *attempt);

#endif
