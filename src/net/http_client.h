/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 client on one loop, made for many small POSTs to the same few endpoints.
 *
 * An endpoint keeps its idle connections and its TLS session. One deadline covers the whole
 * exchange: name, connect, TLS, request, and the last byte of the answer. Every address of a name
 * is judged by the guard before the first connect, and one that is denied refuses them all; the
 * peer of the connected socket is judged again. Redirects are not followed, the environment is not
 * read, no proxy. A reused connection that dies before the first byte of the answer is replaced
 * once by a fresh one. The process must ignore SIGPIPE: OpenSSL writes with write(2).
 *
 * This is an interface: the simulation has another implementation. One loop's thread only.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/limits.h"
#include "base/list.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/resolver.h"
#include "net/tls.h"
#include "net/url.h"

struct http_client;
struct http_endpoint;

/* Why there is no whole answer; HTTP_OK when there is one, whatever its status. */
enum http_failure {
    HTTP_OK = 0,
    HTTP_FAIL_DNS,
    HTTP_FAIL_DENIED, /* the guard said no to every address */
    HTTP_FAIL_CONNECT,
    HTTP_FAIL_TLS,
    HTTP_FAIL_TIMEOUT,
    HTTP_FAIL_RESET, /* closed before the answer was whole */
    HTTP_FAIL_PROTOCOL,
    HTTP_FAIL_CANCELLED,
    HTTP_FAILURES_COUNT,
};

const char *http_failure_name(enum http_failure failure); /* "dns", "connect", … */

struct http_result {
    enum http_failure failure;
    int status;             /* 0 where no head arrived; given on failure too where one did */
    struct str body;        /* the first HTTP_ANSWER_BYTES_KEPT bytes; borrowed for the callback */
    bool is_body_cut;       /* there is, or may be, more of it: not kept, not read or not arrived */
    struct str retry_after; /* the field's value, or absent; borrowed for the callback */
    /* A short reason for a person, static, or NULL: "certificate has expired"; of a denied address
     * its kind, "private"; of a time-out what was waited for, "connecting". */
    const char *detail;
    int64_t latency_us;
};

/* Lies inside the caller's attempt; untouched between start and done. The bytes that head and body
 * point at stay where they are until then. */
struct http_exchange {
    struct str head; /* request line and fields, complete with Host, Content-Length, blank line */
    struct str body;
    struct instant deadline;
    void (*done)(struct http_exchange *exchange, const struct http_result *result);

    /* The client's own, set by start. */
    struct http_endpoint *endpoint;
    void *connection;
    struct link link;
    struct heap_node due;
    struct instant started;
    enum http_failure failure; /* known at once, told at the end of the turn */
    const char *detail;
};

struct http_client_ops {
    enum err (*endpoint_new)(struct http_client *client, const struct url *url,
        unsigned connections_max, struct http_endpoint **ret);
    void (*endpoint_free)(struct http_endpoint *endpoint);
    void (*start)(struct http_endpoint *endpoint, struct http_exchange *exchange);
    void (*cancel)(struct http_exchange *exchange);
    void (*free)(struct http_client *client);
};

struct http_client {
    const struct http_client_ops *ops;
};

struct http_endpoint {
    struct http_client *client; /* borrowed: outlives the endpoint */
};

struct http_client_options {
    struct loop *loop;                 /* borrowed */
    struct resolver *resolver;         /* borrowed */
    struct tls_client *tls;            /* borrowed */
    const struct address_guard *guard; /* borrowed */
    int64_t idle_ms;                   /* 60 s: how long an unused connection is kept */
    size_t idle_max; /* unused connections to all endpoints; the longest unused goes first */
};

MUST_CHECK enum err http_client_new(const struct http_client_options *options,
    struct http_client **ret, struct error *reterr);

static inline void
http_client_free(struct http_client *client)
{
    if (client != NULL)
        client->ops->free(client);
}

/* At most connections_max idle ones are kept; how many are in use is the caller's business. The
 * url's parts are copied. */
static inline MUST_CHECK enum err
http_endpoint_new(struct http_client *client, const struct url *url, unsigned connections_max,
    struct http_endpoint **ret)
{
    return client->ops->endpoint_new(client, url, connections_max, ret);
}

/* No exchange of it may be under way; a done may free the endpoint it came from. NULL is fine. */
static inline void
http_endpoint_free(struct http_endpoint *endpoint)
{
    if (endpoint != NULL)
        endpoint->client->ops->endpoint_free(endpoint);
}

/* Any method but HEAD. done is called exactly once, never from inside this call; from it on the
 * exchange is the caller's again, to be started anew or freed. */
static inline void
http_exchange_start(struct http_endpoint *endpoint, struct http_exchange *exchange)
{
    endpoint->client->ops->start(endpoint, exchange);
}

/* done is called with HTTP_FAIL_CANCELLED before this returns; the connection is closed. */
static inline void
http_exchange_cancel(struct http_endpoint *endpoint, struct http_exchange *exchange)
{
    endpoint->client->ops->cancel(exchange);
}

#endif
