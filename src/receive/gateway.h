/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway: takes calls to /in/…, and answers 200 when they are on disk.
 *
 *   head ──▶ body ──▶ authentic? ──▶ JSON? ──▶ read, identity ──▶ intake: decided and inserted in
 *             413        401           400                         one group, committed ──▶ 200
 *             408     quarantine    quarantine                                    503 + Retry-After
 *
 * 401 is one answer for every failure, an unknown source included. What is authentic and
 * well-formed is never refused for its shape, nor for load, but where its source asks for it.
 * One per loop.
 */
#ifndef RECEIVE_GATEWAY_H
#define RECEIVE_GATEWAY_H

#include "net/http_server.h"
#include "receive/handle.h"
#include "receive/setup.h"
#include "store/store.h"

struct gateway;

struct gateway_options {
    struct loop *loop;
    const struct clock *clock;
    struct store_port *port;
    struct handle_set *handles;       /* to be woken; NULL: nobody */
    const struct http_handler *other; /* for what is not under /in/: borrowed, outlives us */
    int64_t memory_bytes_max;         /* of calls that wait for the disk; beyond: 503. Bodies that
                                         come in pieces may take a quarter of it meanwhile. */
    int64_t quarantine_bytes_max;     /* of the whole ring; 0: nothing is kept */
    int64_t quarantine_us;
    int64_t silence_us; /* answer 503 when the store has said nothing for so long; 0: 20 s */
};

MUST_CHECK enum err gateway_new(const struct gateway_options *options, struct gateway **ret,
    struct error *reterr);
void gateway_free(struct gateway *gateway); /* not busy; NULL is fine */
/* To be given to http_server_new; passes on to options.other what is not ours. */
const struct http_handler *gateway_handler(struct gateway *gateway);
/* From the loop's thread: calls whose head comes from now on are judged by this setup, which must
 * have been registered. Held as long as it is used. */
void gateway_setup(struct gateway *gateway, struct setup *setup);
/* The loop will end: what was refused goes to the quarantine at once. */
void gateway_drain(struct gateway *gateway);
/* Calls that are not answered yet or still with the store, and refused ones on their way to the
 * quarantine. */
size_t gateway_busy(const struct gateway *gateway);

/* Of all gateways: what /metrics says of each source and handler, with labels. Any thread. */
void gateway_metrics(struct buf *page);

#endif
