/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One accepted connection of the server, from its first byte to its close. For http_server*.c only.
 *
 * Everything that a peer, a handler or a time-out does changes the state; what follows from the
 * state (events, time-out, close) is done in one place, connection_settle, when no callback of
 * this connection is under way. An idle connection holds no buffers.
 *
 *   HANDSHAKE ─▶ IDLE ─▶ HEAD ─▶ BODY ─▶ ANSWERING ─▶ IDLE …
 *                          │       │         └─ the answer goes on ─▶ FEEDING ─▶ IDLE …
 *                          │       └─ answered early ─▶ DISCARD ─▶ IDLE …
 *                          └─ any of these: CLOSING, or LINGER ─▶ LINGERING; then DEAD
 */
#ifndef NET_HTTP_SERVER_CONNECTION_H
#define NET_HTTP_SERVER_CONNECTION_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "net/http_server.h"
#include "net/stream.h"

/* One read; also what a connection holds of a peer that sends faster than it is served. */
#define READ_BYTES STREAM_READ_BYTES_MIN

enum connection_state {
    CONNECTION_HANDSHAKE,
    CONNECTION_IDLE,
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_ANSWERING, /* the request is whole, its answer is owed */
    CONNECTION_FEEDING,   /* its answer was begun and goes on */
    CONNECTION_DISCARD,   /* answered; the rest of the body is passed over */
    CONNECTION_CLOSING,   /* write what is left, then close */
    CONNECTION_LINGER,    /* write what is left, then give the peer time to read it */
    CONNECTION_LINGERING,
    CONNECTION_DEAD,
};

/* What a connection waits for, each with a time-out of its own: connections that wait for the same
 * stand in a list in the order in which they will have waited too long. */
enum connection_wait {
    WAIT_HEAD,
    WAIT_BODY,
    WAIT_IDLE,
    WAIT_WRITE,
    WAIT_LINGER,
    WAIT_KINDS,
    WAIT_NOTHING = WAIT_KINDS,
};

/* What a request needs while it lasts; kept by the server for the next one. */
struct http_slot {
    struct http_slot *next;
    struct http_parser parser;
    struct arena arena;
    struct http_field fields[HTTP_FIELDS_MAX];
    char bytes[HTTP_HEAD_BYTES_MAX];
};

struct http_request {
    bool is_open;                       /* with the handler: neither answered nor gone */
    const struct http_handler *handler; /* borrowed: outlives us */
    void *context;                      /* the handler's */
};

/* Who has many connections: known by their address, of IPv6 the first half of it. */
struct http_peer {
    uint64_t key;
    unsigned count;
    struct list connections;
};

struct connection {
    unsigned magic;
    enum connection_state state;
    struct http_server *server; /* borrowed: outlives us */
    struct stream stream;
    struct address peer;
    struct http_peer *counted; /* one of server->peers; NULL: not counted */
    struct link of_peer;       /* in counted->connections */
    struct event readable;
    struct event writable;
    struct link all;     /* in server->connections */
    struct link waiting; /* in server->waiting[wait] */
    enum connection_wait wait;
    struct instant due;
    struct http_slot *slot; /* owned; NULL between requests */
    struct http_request request;
    struct buf out;   /* what the socket did not take */
    size_t out_sent;  /* of out */
    struct buf stash; /* what was read too early */
    int64_t body_max;
    int64_t body_seen;
    struct instant rate_since; /* a body's speed is measured from here, */
    int64_t rate_seen;         /* where body_seen was this */
    size_t linger_left;
    bool is_running;  /* a callback of ours is under way: whoever runs it settles */
    bool is_read_on;  /* readable is added */
    bool is_write_on; /* writable is added */
    bool needs_write; /* go on when the socket is writable */
    bool needs_read;  /* TLS cannot write before it has read */
    bool is_paused;
    bool owes_continue; /* the peer waits for 100 before it sends the body */
    bool is_renewed;    /* the time-out starts again */
    bool is_last;       /* FEEDING: the connection closes after it */
};

/* Takes the fd. NULL when there is no memory. */
struct connection *connection_open(struct http_server *server, int fd, const struct address *peer);
void connection_free(struct connection *connection);   /* tells on_gone where an answer is owed */
void connection_expire(struct connection *connection); /* it has waited too long */
void connection_drain(struct connection *connection); /* close now if idle, else after the answer */

/* --- between http_server_connection.c and http_server_answer.c --- */

#define CONNECTION_MAGIC 0x636f6e6eU

struct connection *connection_of(const struct http_request *request); /* that is with the handler */
void request_abandon(struct connection *connection); /* it will have no answer of its handler's */
void connection_lost(struct connection *connection);
void connection_write(struct connection *connection, struct str bytes);
void connection_flush(struct connection *connection);
/* An answer of our own, and the end of the connection. */
void connection_refuse(struct connection *connection, int status, const char *detail);
/* Have follow what follows from the state; may free the connection. */
void connection_settle(struct connection *connection);

static inline size_t
out_left(const struct connection *connection)
{
    return connection->out.len - connection->out_sent;
}

static inline const struct http_head *
head_of(const struct connection *connection)
{
    return &connection->slot->parser.head;
}

struct http_server {
    struct loop *loop; /* borrowed: outlives us */
    struct http_server_options options;
    struct http_handler handler;
    struct address address;
    int listen_fd;          /* owned; -1 once drained */
    struct event *listener; /* owned */
    struct timer again;     /* accept again after running out of descriptors */
    struct timer tick;      /* somebody may have waited too long */
    struct instant tick_at;
    struct list connections;
    unsigned connection_count;
    struct map peers; /* key to struct http_peer, owned; those with a connection */
    struct list waiting[WAIT_KINDS];
    int64_t wait_ms[WAIT_KINDS];
    struct http_slot *slots; /* free ones, owned */
    unsigned slot_count;
    struct buf answer; /* where answers are put together */
    int64_t date_s;
    char date[HTTP_DATE_TEXT_BYTES];
    bool is_draining;
    unsigned running; /* handler's callbacks under way */
    char scratch[READ_BYTES];
};

struct str server_date(struct http_server *server);
struct str server_request_id(char ret_text[HTTP_REQUEST_ID_BYTES]); /* a fresh one */
/* Look after the time-outs not later than this. */
void server_tick_by(struct http_server *server, struct instant due);
struct http_slot *server_slot_take(struct http_server *server); /* NULL: no memory */
void server_slot_give(struct http_server *server, struct http_slot *slot);
/* It is gone; where it was not counted nothing happens. */
void server_peer_leave(struct connection *connection);

#endif
