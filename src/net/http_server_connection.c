/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server_connection.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/metrics.h"

/* A peer that is still sending while we refuse it must get to the end of its send buffer before it
 * reads; beyond this it is not listening. */
#define LINGER_BYTES_MAX (1024 * 1024)

/* The slowest a body may come, averaged, after the time-out's worth of grace: a byte now and then
 * would hold a connection for ever. */
#define BODY_BYTES_PER_S_MIN 1024

/* The largest answer is as large as the arena that it was made in. */
#define OUT_BYTES_MAX (REQUEST_ARENA_BYTES_MAX + HTTP_HEAD_BYTES_MAX)

static bool
wants_input(const struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_IDLE:
    case CONNECTION_HEAD:
    case CONNECTION_DISCARD: return out_left(connection) == 0;
    case CONNECTION_BODY: return out_left(connection) == 0 && !connection->is_paused;
    case CONNECTION_HANDSHAKE:
    case CONNECTION_ANSWERING:
    case CONNECTION_FEEDING:
    case CONNECTION_CLOSING:
    case CONNECTION_LINGER:
    case CONNECTION_LINGERING:
    case CONNECTION_DEAD: break;
    }
    return false;
}

/* Of a peer that only reads nothing but its close is to be heard; a request that it sends early is
 * kept, and from then on only writing tells. */
static bool
is_listening(const struct connection *connection)
{
    return connection->state == CONNECTION_FEEDING && connection->stash.len == 0;
}

/* ---- reading ---- */

static void
request_release(struct connection *connection)
{
    if (connection->slot == NULL)
        return;
    server_slot_give(connection->server, connection->slot);
    connection->slot = NULL;
}

static void
request_begin(struct connection *connection)
{
    struct http_slot *slot = server_slot_take(connection->server);

    if (slot == NULL) {
        connection->state = CONNECTION_DEAD;
        return;
    }
    connection->slot = slot;
    connection->state = CONNECTION_HEAD;
    http_parser_start_request(&slot->parser,
        &(struct http_room){slot->bytes, sizeof(slot->bytes), slot->fields, HTTP_FIELDS_MAX});
}

static void
request_on_head(struct connection *connection)
{
    const struct http_handler *handler = &connection->server->handler;
    const struct http_head *head = head_of(connection);

    connection->state = CONNECTION_BODY;
    connection->request = (struct http_request){.is_open = true, .handler = handler};
    connection->body_max = HTTP_BODY_BYTES_MAX;
    connection->body_seen = 0;
    connection->rate_seen = 0;
    connection->rate_since = INSTANT_NEVER;
    connection->is_paused = false;
    connection->is_renewed = true;
    connection->owes_continue = head->is_continue_expected && head->body_bytes != 0;
    connection->server->running++;
    handler->on_head(&connection->request, &connection->body_max, handler->arg);
    connection->server->running--;
    if (connection->request.is_open && head->body_bytes > connection->body_max)
        connection_refuse(connection, 413, "The body is larger than is accepted here.");
}

/* The first piece mostly comes with the head; the clock is read only for those that come later. */
static bool
is_body_too_slow(struct connection *connection)
{
    struct instant now = clock_instant(&clock_system);
    int64_t grace_ms = connection->server->options.body_ms;
    int64_t bytes = connection->body_seen - connection->rate_seen;

    if (connection->rate_since.us == INSTANT_NEVER.us)
        connection->rate_since = now;
    return now.us - connection->rate_since.us >
           grace_ms * US_PER_MS + bytes * US_PER_S / BODY_BYTES_PER_S_MIN;
}

static void
request_on_body(struct connection *connection, struct str piece)
{
    const struct http_handler *handler = connection->request.handler;

    connection->body_seen += (int64_t)piece.len;
    connection->is_renewed = true;
    if (connection->state == CONNECTION_DISCARD)
        return;
    if (connection->body_seen > connection->body_max) {
        connection_refuse(connection, 413, "The body is larger than is accepted here.");
        return;
    }
    if (head_of(connection)->body_bytes != (int64_t)piece.len && is_body_too_slow(connection)) {
        connection_refuse(connection, 408, "The body comes too slowly; send it at once.");
        return;
    }
    connection->server->running++;
    handler->on_body(&connection->request, piece, handler->arg);
    connection->server->running--;
}

static void
request_on_end(struct connection *connection)
{
    const struct http_handler *handler = connection->request.handler;

    if (connection->state == CONNECTION_DISCARD) {
        connection->state = CONNECTION_IDLE;
        connection->is_renewed = true;
        return;
    }
    connection->state = CONNECTION_ANSWERING;
    connection->server->running++;
    handler->on_end(&connection->request, handler->arg);
    connection->server->running--;
}

/* Take input as long as it is wanted; what is left stays in *input. */
static void
connection_eat(struct connection *connection, struct str *input)
{
    while (wants_input(connection)) {
        struct str piece = {NULL, 0};

        if (connection->state == CONNECTION_IDLE) {
            request_release(connection);
            if (input->len == 0)
                return;
            request_begin(connection);
            continue;
        }
        if (connection->owes_continue && connection->state == CONNECTION_BODY) {
            connection->owes_continue = false;
            if (input->len == 0) {
                connection_write(connection, STR("HTTP/1.1 100 Continue\r\n\r\n"));
                return;
            }
        }
        switch (http_parser_feed(&connection->slot->parser, input, &piece)) {
        case HTTP_PARSE_MORE: return;
        case HTTP_PARSE_HEAD: request_on_head(connection); break;
        case HTTP_PARSE_BODY: request_on_body(connection, piece); break;
        case HTTP_PARSE_END: request_on_end(connection); break;
        case HTTP_PARSE_REFUSED: {
            struct http_refusal refusal = connection->slot->parser.refusal;
            if (connection->state == CONNECTION_DISCARD)
                connection_lost(connection);
            else
                connection_refuse(connection, refusal.status, refusal.detail);
            break;
        }
        }
    }
}

/* Eat, and keep what was read too early; what follows the last request nobody wants. */
static void
connection_eat_fresh(struct connection *connection, struct str input)
{
    connection_eat(connection, &input);
    if (input.len == 0 || connection->state >= CONNECTION_CLOSING)
        return;
    buf_append_str(&connection->stash, input);
    if (buf_is_full(&connection->stash))
        connection_lost(connection);
}

static void
connection_take(struct connection *connection)
{
    struct http_server *server = connection->server;
    size_t len = 0;

    /* Also with nothing in hand: a request that was paused in its last piece still has to end. */
    if (connection->slot != NULL || connection->stash.len > 0) {
        struct str input = buf_str(&connection->stash);
        connection_eat(connection, &input);
        buf_consume(&connection->stash, connection->stash.len - input.len);
        if (connection->stash.len == 0)
            buf_done(&connection->stash);
    }
    if (!wants_input(connection))
        return;
    /* One read: the socket reports again what it still holds, and others have their turn. */
    switch (stream_read(&connection->stream, server->scratch, READ_BYTES, &len)) {
    case STREAM_DONE: connection_eat_fresh(connection, (struct str){server->scratch, len}); break;
    case STREAM_WANTS_READ: break;
    case STREAM_WANTS_WRITE: connection->needs_write = true; break;
    case STREAM_CLOSED:
    case STREAM_BROKEN: connection_lost(connection); break;
    }
}

static void
connection_shake(struct connection *connection)
{
    switch (stream_handshake(&connection->stream)) {
    case STREAM_DONE:
        connection->state = CONNECTION_IDLE;
        connection_take(connection);
        break;
    case STREAM_WANTS_READ: break;
    case STREAM_WANTS_WRITE: connection->needs_write = true; break;
    case STREAM_CLOSED:
    case STREAM_BROKEN: connection->state = CONNECTION_DEAD; break;
    }
}

static void
connection_linger(struct connection *connection)
{
    struct http_server *server = connection->server;
    size_t len = 0;

    switch (stream_discard(&connection->stream, server->scratch, READ_BYTES, &len)) {
    case STREAM_DONE:
        if (len >= connection->linger_left)
            connection->state = CONNECTION_DEAD;
        else
            connection->linger_left -= len;
        break;
    case STREAM_WANTS_READ:
    case STREAM_WANTS_WRITE: break;
    case STREAM_CLOSED:
    case STREAM_BROKEN: connection->state = CONNECTION_DEAD; break;
    }
}

static void
connection_listen(struct connection *connection)
{
    struct http_server *server = connection->server;
    size_t len = 0;

    switch (stream_read(&connection->stream, server->scratch, READ_BYTES, &len)) {
    case STREAM_DONE:
        buf_append(&connection->stash, server->scratch, len);
        if (buf_is_full(&connection->stash))
            connection_lost(connection);
        break;
    case STREAM_WANTS_READ: break;
    case STREAM_WANTS_WRITE: connection->needs_write = true; break;
    case STREAM_CLOSED:
    case STREAM_BROKEN: connection_lost(connection); break;
    }
}

/* Readable while nothing is to be read: early input, a half close, or the end. */
static void
connection_look(struct connection *connection)
{
    switch (stream_peek(&connection->stream)) {
    case STREAM_WANTS_READ: break;
    case STREAM_DONE:
    case STREAM_CLOSED:
    case STREAM_WANTS_WRITE:
        (void)event_del(&connection->readable);
        connection->is_read_on = false;
        break;
    case STREAM_BROKEN: connection_lost(connection); break;
    }
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct connection *connection = arg;

    (void)fd;
    CHECK(connection->magic == CONNECTION_MAGIC);
    CHECK(!connection->is_running);
    connection->is_running = true;
    if ((what & EV_WRITE) != 0)
        connection->is_write_on = false;
    connection->needs_write = false;
    connection->needs_read = false;
    if (out_left(connection) > 0)
        connection_flush(connection);

    if (connection->state == CONNECTION_HANDSHAKE)
        connection_shake(connection);
    else if (connection->state == CONNECTION_LINGERING)
        connection_linger(connection);
    else if (wants_input(connection))
        connection_take(connection);
    else if (is_listening(connection))
        connection_listen(connection);
    else if ((what & EV_READ) != 0 && connection->state != CONNECTION_DEAD)
        connection_look(connection);
    connection->is_running = false;
    connection_settle(connection);
}

/* ---- what follows from the state ---- */

static enum connection_wait
wait_of(const struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_HANDSHAKE:
    case CONNECTION_HEAD: return WAIT_HEAD;
    case CONNECTION_IDLE: return out_left(connection) > 0 ? WAIT_WRITE : WAIT_IDLE;
    case CONNECTION_BODY:
        if (connection->is_paused)
            return WAIT_NOTHING;
        return out_left(connection) > 0 ? WAIT_WRITE : WAIT_BODY;
    case CONNECTION_DISCARD: return out_left(connection) > 0 ? WAIT_WRITE : WAIT_BODY;
    case CONNECTION_FEEDING: return out_left(connection) > 0 ? WAIT_WRITE : WAIT_NOTHING;
    case CONNECTION_CLOSING:
    case CONNECTION_LINGER: return WAIT_WRITE;
    case CONNECTION_LINGERING: return WAIT_LINGER;
    case CONNECTION_ANSWERING:
    case CONNECTION_DEAD: break;
    }
    return WAIT_NOTHING;
}

static void
wait_settle(struct connection *connection)
{
    struct http_server *server = connection->server;
    enum connection_wait wait = wait_of(connection);

    if (wait == connection->wait && !connection->is_renewed)
        return;
    connection->wait = wait;
    connection->is_renewed = false;
    link_remove(&connection->waiting);
    if (wait == WAIT_NOTHING)
        return;
    connection->due = instant_add_ms(clock_instant(&clock_system), server->wait_ms[wait]);
    list_append(&server->waiting[wait], &connection->waiting);
    server_tick_by(server, connection->due);
}

static void
events_settle(struct connection *connection)
{
    bool needs_read = wants_input(connection) || is_listening(connection) ||
                      connection->needs_read || connection->state == CONNECTION_HANDSHAKE ||
                      connection->state == CONNECTION_LINGERING;

    /* Both succeed: the descriptors are registered already or epoll has no say in it. */
    if (needs_read && !connection->is_read_on) {
        CHECK(event_add(&connection->readable, NULL) == 0);
        connection->is_read_on = true;
    }
    if (connection->needs_write && !connection->is_write_on) {
        CHECK(event_add(&connection->writable, NULL) == 0);
        connection->is_write_on = true;
    }
    /* No socket reports what we hold already. */
    if (wants_input(connection) && connection->stash.len > 0)
        event_active(&connection->readable, EV_READ, 0);
}

void
connection_settle(struct connection *connection)
{
    bool is_flushed = out_left(connection) == 0;

    if (connection->state == CONNECTION_CLOSING && is_flushed)
        connection->state = CONNECTION_DEAD;
    if (connection->state == CONNECTION_LINGER && is_flushed) {
        stream_shutdown(&connection->stream);
        connection->linger_left = LINGER_BYTES_MAX;
        connection->state = CONNECTION_LINGERING;
    }
    if (connection->state == CONNECTION_IDLE && is_flushed && connection->stash.len == 0 &&
        connection->server->is_draining)
        connection->state = CONNECTION_DEAD;
    if (connection->state == CONNECTION_DEAD) {
        connection_free(connection);
        return;
    }

    if (connection->state == CONNECTION_IDLE || connection->state >= CONNECTION_CLOSING)
        request_release(connection);
    if (connection->state >= CONNECTION_CLOSING)
        buf_done(&connection->stash);
    wait_settle(connection);
    events_settle(connection);
}

/* ---- for the server ---- */

struct connection *
connection_open(struct http_server *server, int fd, const struct address *peer)
{
    struct event_base *base = loop_base(server->loop);
    struct connection *connection = calloc(1, sizeof(*connection));
    struct stream stream;

    if (stream_init(&stream, fd, server->options.tls) != OK) {
        free(connection);
        return NULL;
    }
    if (connection == NULL) {
        stream_done(&stream);
        return NULL;
    }
    *connection = (struct connection){
        .magic = CONNECTION_MAGIC,
        .state = server->options.tls != NULL ? CONNECTION_HANDSHAKE : CONNECTION_IDLE,
        .server = server,
        .stream = stream,
        .peer = *peer,
        .wait = WAIT_NOTHING,
    };
    buf_init(&connection->out, OUT_BYTES_MAX);
    buf_init(&connection->stash, READ_BYTES);
    link_init(&connection->all);
    link_init(&connection->waiting);
    link_init(&connection->of_peer);
    CHECK(event_assign(&connection->readable, base, fd, EV_READ | EV_PERSIST, on_socket,
              connection) == 0);
    CHECK(event_assign(&connection->writable, base, fd, EV_WRITE, on_socket, connection) == 0);
    CHECK(event_priority_set(&connection->readable, LOOP_SERVER) == 0);
    CHECK(event_priority_set(&connection->writable, LOOP_SERVER) == 0);
    list_append(&server->connections, &connection->all);
    server->connection_count++;
    metric_add(METRIC_http_connections, 1);
    connection_settle(connection);
    return connection;
}

void
connection_free(struct connection *connection)
{
    CHECK(!connection->is_running);
    connection->state = CONNECTION_DEAD;
    request_abandon(connection);
    (void)event_del(&connection->readable);
    (void)event_del(&connection->writable);
    link_remove(&connection->waiting);
    link_remove(&connection->all);
    connection->server->connection_count--;
    server_peer_leave(connection);
    metric_add(METRIC_http_connections, -1);
    request_release(connection);
    buf_done(&connection->out);
    buf_done(&connection->stash);
    stream_done(&connection->stream);
    connection->magic = 0;
    free(connection);
}

void
connection_expire(struct connection *connection)
{
    CHECK(!connection->is_running);
    connection->is_running = true;
    if (connection->state == CONNECTION_HEAD)
        connection_refuse(connection, 408,
            "The head of the request did not arrive in time; send it at once.");
    else if (connection->state == CONNECTION_BODY && connection->wait == WAIT_BODY)
        connection_refuse(connection, 408,
            "The body of the request did not arrive in time; send it at once.");
    else
        connection_lost(connection);
    connection->is_running = false;
    connection_settle(connection);
}

void
connection_drain(struct connection *connection)
{
    /* Closing on bytes that wait to be read would reset a request that was sent in good faith. */
    if (connection->state == CONNECTION_IDLE && connection->stash.len == 0 &&
        stream_peek(&connection->stream) != STREAM_DONE)
        connection_settle(connection);
}

/* ---- for the handler ---- */

const struct http_head *
http_request_head(const struct http_request *request)
{
    return head_of(connection_of(request));
}

struct address
http_request_peer(const struct http_request *request)
{
    return connection_of(request)->peer;
}

struct arena *
http_request_arena(struct http_request *request)
{
    return &connection_of(request)->slot->arena;
}

void
http_request_set(struct http_request *request, void *context)
{
    request->context = context;
}

void *
http_request_get(const struct http_request *request)
{
    return request->context;
}

void
http_request_pass(struct http_request *request, const struct http_handler *handler,
    int64_t *ret_body_max)
{
    struct connection *connection = connection_of(request);

    CHECK(connection->state == CONNECTION_BODY && connection->body_seen == 0);
    request->handler = handler;
    request->context = NULL;
    handler->on_head(request, ret_body_max, handler->arg);
}

void
http_request_pause(struct http_request *request)
{
    struct connection *connection = connection_of(request);

    connection->is_paused = true;
    if (!connection->is_running)
        connection_settle(connection);
}

void
http_request_resume(struct http_request *request)
{
    struct connection *connection = connection_of(request);

    connection->is_paused = false;
    connection->is_renewed = true;
    connection->rate_since = INSTANT_NEVER;
    connection->rate_seen = connection->body_seen;
    if (connection->is_running)
        return;
    connection_settle(connection);
    /* What was held back, or the end alone, is handed over from the loop, not from in here. */
    event_active(&connection->readable, EV_READ, 0);
}
