/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the HTTP client: a connected socket, plain or TLS, that carries one exchange
 * after the other. For http_client.c only, which decides what connections are for.
 *
 *   open ─▶ send ─▶ ended(HTTP_OK) ─▶ rest ─▶ send …        close at any time
 *                     └─▶ ended(failure): only close is left
 *           at rest ─▶ ended(HTTP_FAIL_RESET): the peer has closed or talks out of turn
 */
#ifndef NET_CLIENT_CONNECTION_H
#define NET_CLIENT_CONNECTION_H

#include <stdbool.h>

#include "net/http_client.h"
#include "net/http_parse.h"

struct event;
struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

/* An answer on its way in. There are as many as answers have begun and not ended: mostly one. */
struct client_answer {
    struct client_answer *next; /* in the pool */
    struct http_parser parser;
    bool has_head;
    bool is_whole;
    size_t wire_bytes; /* behind the head, framing included */
    size_t body_bytes;
    size_t kept_bytes;
    char kept[HTTP_ANSWER_BYTES_KEPT];
    struct http_field fields[HTTP_FIELDS_MAX];
    char head[HTTP_HEAD_BYTES_MAX];
};

/* What all connections of one loop use in turn. */
struct client_commons {
    struct loop *loop;             /* borrowed */
    char *in;                      /* owned: where bytes are read to */
    char *out;                     /* owned: where a TLS record is put together */
    struct client_answer *answers; /* owned: the pool */
    size_t answer_count;           /* in the pool */
};

MUST_CHECK enum err client_commons_init(struct client_commons *commons, struct loop *loop);
void client_commons_done(struct client_commons *commons);
/* Back to the pool; NULL is fine. */
void client_answer_free(struct client_commons *commons, struct client_answer *answer);

struct client_connection {
    unsigned magic;
    struct client_commons *commons; /* borrowed */

    enum {
        CLIENT_CONNECTION_CLOSED,
        CLIENT_CONNECTION_HANDSHAKE,
        CLIENT_CONNECTION_SENDING,
        CLIENT_CONNECTION_SENT,
        CLIENT_CONNECTION_RESTING,
    } state;

    int fd;
    struct ssl_st *ssl;     /* owned; NULL: plain */
    struct event *readable; /* owned */
    struct event *writable; /* owned */
    struct str head;
    struct str body;
    size_t sent;
    bool is_broken;               /* only what was already on its way can still come */
    struct client_answer *answer; /* owned; NULL until its first byte */
    /* The exchange is over, one way or the other; the connection may be closed from inside. */
    void (*ended)(struct client_connection *connection, enum http_failure failure,
        const char *detail);
};

struct client_connection_tls {
    struct ssl_ctx_st *ctx;         /* borrowed; NULL: plain */
    char *host;                     /* borrowed: to be found in the certificate */
    bool is_host_ip;                /* an address is never sent as SNI (RFC 6066 §3) */
    struct ssl_session_st *session; /* borrowed: to resume, or NULL */
};

/* A closed one, for which close is a no-op. */
void client_connection_init(struct client_connection *connection, struct client_commons *commons,
    void (*ended)(struct client_connection *connection, enum http_failure failure,
        const char *detail));
/* Takes fd, also on failure (ERR_NOMEM). The handshake begins with the first send. */
MUST_CHECK enum err client_connection_open(struct client_connection *connection, int fd,
    const struct client_connection_tls *tls);
void client_connection_close(struct client_connection *connection);

/* Never calls ended from inside. */
void client_connection_send(struct client_connection *connection, struct str head, struct str body);
/* May it carry another exchange, now that one has ended with HTTP_OK? */
bool client_connection_may_rest(struct client_connection *connection);
/* The answer has been taken out. */
void client_connection_rest(struct client_connection *connection);

/* What an exchange that times out now was waiting for. */
const char *client_connection_phase(const struct client_connection *connection);
/* The session to resume next time, the caller's; NULL when there is none. */
struct ssl_session_st *client_connection_session(struct client_connection *connection);

#endif
