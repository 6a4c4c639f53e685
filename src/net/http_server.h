/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict, streaming HTTP/1.1 server on one loop.
 *
 * It frames, limits and times: every doubt about framing is refused with its proper answer (400,
 * 408, 413, 414, 417, 431, 501, 505) and the connection closed. Keep-alive and pipelining are
 * served in order, one request at a time per connection.
 *
 *   on_head ─▶ on_body* ─▶ on_end ─▶ http_respond      (the answer may also come earlier)
 *      │
 *      └─ cut, reset, too slow or too long before the answer: on_gone, and the request must not be
 *         touched again; after http_respond it belongs to the server, and no callback follows
 *
 * An answer may also go on: http_respond_start ─▶ http_respond_piece* ─▶ http_respond_end.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"
#include "net/address.h"
#include "net/http_answer.h"
#include "net/http_parse.h"
#include "net/loop.h"
#include "net/tls.h"

struct http_server;
struct http_request;

struct http_handler {
    /* The head is whole. *ret_body_max is what the body may hold before the server answers 413:
     * HTTP_BODY_BYTES_MAX unless set here (INT64_MAX: no limit). May respond at once. */
    void (*on_head)(struct http_request *request, int64_t *ret_body_max, void *arg);
    /* A piece of the body, in order; borrowed for the call. */
    void (*on_body)(struct http_request *request, struct str piece, void *arg);
    void (*on_end)(struct http_request *request, void *arg);
    /* A peer that closes only its sending side after a whole request still gets its answer. */
    void (*on_gone)(struct http_request *request, void *arg);
    void *arg;
};

struct http_server_options {
    struct address listen;
    struct tls_server *tls;   /* borrowed; NULL: plain */
    int64_t head_ms;          /* 10 s: first byte of a request to the end of its head */
    int64_t body_ms;          /* 30 s without a byte of the body */
    int64_t idle_ms;          /* 60 s: between requests */
    unsigned connections_max; /* of this loop; beyond: the oldest idle one goes, else refused */
    /* Of these from one address (IPv6: from one /64); beyond: its oldest idle one goes, else it is
     * refused; 0: no bound of its own. */
    unsigned peer_connections_max;
    const struct cidr *proxies; /* borrowed, outlive us: many peers behind one address, no bound */
    size_t proxy_count;
};

/* Binds with SO_REUSEPORT, so that each loop has a listener of its own. */
MUST_CHECK enum err http_server_new(struct loop *loop, const struct http_server_options *options,
    const struct http_handler *handler, struct http_server **ret, struct error *reterr);
/* Stop accepting; idle connections close now, busy ones after their answer. Not from inside a
 * callback. */
void http_server_drain(struct http_server *server);
bool http_server_is_drained(const struct http_server *server);
/* Closes what is open; requests without an answer are told on_gone. Not from inside a callback. */
void http_server_free(struct http_server *server);
/* The address really bound: port 0 becomes the port that was free. */
struct address http_server_address(const struct http_server *server);

const struct http_head *http_request_head(const struct http_request *request);
struct address http_request_peer(const struct http_request *request);
struct arena *http_request_arena(struct http_request *request);     /* freed with the request */
void http_request_set(struct http_request *request, void *context); /* the handler's own */
void *http_request_get(const struct http_request *request);

/* From inside on_head, which then has no more to do with it: the request is that handler's from its
 * head on. handler is borrowed and outlives the server. */
void http_request_pass(struct http_request *request, const struct http_handler *handler,
    int64_t *ret_body_max);

/* Stop and go on reading the body: back-pressure towards the peer, of whom at most 16 KiB are
 * held. No time-out runs meanwhile, and resume calls nothing back by itself. */
void http_request_pause(struct http_request *request);
void http_request_resume(struct http_request *request);

/* Exactly once per request, on the loop's thread. HEAD and 204 send no body. No callback of another
 * request runs inside. */
void http_respond(struct http_request *request, const struct http_answer *answer);

/* An answer whose body comes piece by piece, for as long as the handler likes: chunked, or to
 * HTTP/1.0 until the close; HEAD gets the head alone. Only after on_end, instead of http_respond,
 * and with no body. The request stays the handler's until the end; meanwhile on_gone says that the
 * peer has closed its side, or has read nothing for options.body_ms. A drain waits for the end.
 *
 * False: the peer is gone, or reads too slowly and was cut. The request must not be touched again,
 * and no callback follows. */
MUST_CHECK bool http_respond_start(struct http_request *request, const struct http_answer *answer);
MUST_CHECK bool http_respond_piece(struct http_request *request, struct str piece);
/* The bytes that wait for the peer; past HTTP_PIECES_WAIT_BYTES_MAX it is cut. */
size_t http_respond_waiting(const struct http_request *request);
void http_respond_end(struct http_request *request);

#endif
