/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API as a handler of the HTTP server: carries each call from its head to its answer, across
 * the store and back. One per loop.
 *
 * What was committed stays committed when the peer has gone: its lanes are woken all the same.
 */
#ifndef HTTP_SERVICE_H
#define HTTP_SERVICE_H

#include "http/call.h"

struct service;

struct service_options {
    struct loop *loop;
    unsigned loop_index;
    struct api *api;
    const struct clock *clock;
    struct store_port *port;          /* this loop's */
    const struct route_table *tables; /* borrowed: outlive us; put page_routes among them */
    size_t table_count;
    struct request_limit *request_limit; /* borrowed, shared by all loops; NULL: none */
    int64_t idempotency_us;              /* how long answers are kept to be given again */
    const char *disk_path;               /* borrowed: of the database; NULL: it has no disk */
    int64_t disk_reserve_bytes;          /* with less room there /readyz says no */
    const struct cidr *proxies; /* borrowed: what comes from these is not asked from here */
    size_t proxy_count;
    /* After the commit and before the answer: wake the lanes in call->wake, and those of the
     * handlers where call->wakes_handlers; when hooks in
     * call->changed have been taken up by their lanes, service_answer must be called (at once when
     * there are none). Also called when the peer has gone. NULL: nobody is to be told. */
    void (*committed)(struct call *call);
    /* What /metrics says beside the table of os/metrics.h; any loop's thread. NULL: nothing. */
    void (*more_metrics)(struct buf *page);
};

MUST_CHECK enum err service_new(const struct service_options *options, struct service **ret,
    struct error *reterr);
/* After the servers that it handles for, when service_busy is 0. NULL is fine. */
void service_free(struct service *service);
/* To be given to http_server_new. The admin's is the same, and asks no key for is_open_nearby. */
const struct http_handler *service_handler(struct service *service);
const struct http_handler *service_admin_handler(struct service *service);
/* /readyz says so from now on; calls go on as before. */
void service_drain(struct service *service);
bool service_is_draining(const struct service *service);
/* The room on the database's disk, and what there should be; both 0 where it has none or cannot be
 * asked. */
void service_disk(const struct service *service, int64_t *ret_free, int64_t *ret_reserve);
/* Calls not answered yet; the loop stops when there are none. */
size_t service_busy(const struct service *service);
struct store *service_store(const struct service *service);
/* Append what options.more_metrics has to say. */
void service_more_metrics(const struct service *service, struct buf *page);

/* --- of a call, all on the loop's thread --- */

/* The call's prepare is done: go on to perform. */
void call_prepared(struct call *call);
/* End the call with a problem now. */
PRINTF(3, 4) void call_fail(struct call *call, int status, const char *fmt, ...);
/* Send call->answer and let the call go. */
void service_answer(struct call *call);

/* --- for streams --- */

/* Run a transaction of this call on a worker, then `stored` on the loop: it looks at
 * call->store_call.err and .error, and goes on, submits again, or ends the call. One at a time; the
 * body rests meanwhile. run starts anew each time it is called; what call.h says is set by the
 * worker is reset before, but wake and changed add up over the transactions of a call. ERR_BUSY:
 * nothing was done and stored will not be called (call_fail(call, 503, …) adds Retry-After). */
MUST_CHECK enum err call_submit(struct call *call,
    enum err (*run)(struct call *call, struct engine *engine), bool writes,
    void (*stored)(struct call *call));
/* End as a perform would: call->store_call.err decides between committed with call->answer and the
 * problem that it stands for. */
void call_finish(struct call *call);
/* Let the call go without an answer; only when the peer has gone. */
void call_drop(struct call *call);
bool call_is_gone(const struct call *call);

/* --- for answers that go on (http/feed.c), begun by a serve --- */

/* Begin with call->status, call->content_type and the call's fields. From then on the call is with
 * its feeder, until call_feed_end or call_drop. gone: the peer has gone while it was fed.
 * False: the peer is gone already, or reads too slowly: to be dropped, too. */
MUST_CHECK bool call_feed_start(struct call *call, void (*gone)(struct call *call));
MUST_CHECK bool call_feed(struct call *call, struct str piece);
/* The bytes that the peer has not taken yet. */
size_t call_feed_waiting(const struct call *call);
/* End the answer, and with it the call. */
void call_feed_end(struct call *call);

#endif
