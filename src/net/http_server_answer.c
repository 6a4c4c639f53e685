/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection writes: answers, whole ones and those that go on, and refusals.
 */
#include "base/check.h"
#include "net/http_server_connection.h"
#include "os/metrics.h"

/* An answer given before the body came: reading up to this much of it is cheaper for both sides
 * than a new connection. */
#define DISCARD_BYTES_MAX (64 * 1024)

struct connection *
connection_of(const struct http_request *request)
{
    struct connection *connection = CONTAINER_OF((uintptr_t)request, struct connection, request);

    CHECK(connection->magic == CONNECTION_MAGIC);
    CHECK(request->is_open);
    return connection;
}

/* The request will have no answer from its handler. */
void
request_abandon(struct connection *connection)
{
    const struct http_handler *handler = connection->request.handler;

    if (!connection->request.is_open)
        return;
    connection->request.is_open = false;
    connection->server->running++;
    handler->on_gone(&connection->request, handler->arg);
    connection->server->running--;
}

void
connection_lost(struct connection *connection)
{
    connection->state = CONNECTION_DEAD;
    request_abandon(connection);
}

/* ---- writing ---- */

/* Write as much as the socket takes; returns how much. */
static size_t
write_some(struct connection *connection, struct str bytes)
{
    size_t at = 0;

    while (at < bytes.len) {
        size_t sent = 0;

        switch (stream_write(&connection->stream, bytes.ptr + at, bytes.len - at, &sent)) {
        case STREAM_DONE: at += sent; break;
        case STREAM_WANTS_READ: connection->needs_read = true; return at;
        case STREAM_WANTS_WRITE: connection->needs_write = true; return at;
        case STREAM_CLOSED:
        case STREAM_BROKEN: connection_lost(connection); return at;
        }
    }
    return at;
}

void
connection_write(struct connection *connection, struct str bytes)
{
    size_t sent = out_left(connection) == 0 ? write_some(connection, bytes) : 0;

    if (connection->state == CONNECTION_DEAD || sent == bytes.len)
        return;
    buf_append_str(&connection->out, str_slice(bytes, sent, bytes.len));
    if (buf_is_full(&connection->out))
        connection_lost(connection);
}

void
connection_flush(struct connection *connection)
{
    struct str left =
        str_slice(buf_str(&connection->out), connection->out_sent, connection->out.len);
    size_t sent = write_some(connection, left);

    connection->out_sent += sent;
    connection->is_renewed |= sent > 0;
    /* An answer that goes on may never be read to its end. */
    if (connection->state == CONNECTION_FEEDING) {
        buf_consume(&connection->out, connection->out_sent);
        connection->out_sent = 0;
    }
    if (out_left(connection) == 0) {
        buf_done(&connection->out);
        connection->out_sent = 0;
    }
}

static void
answer_write(struct connection *connection, const struct http_answer *answer)
{
    struct http_server *server = connection->server;
    struct http_answer_frame frame = {.date = server_date(server),
        .goes_on = connection->state == CONNECTION_FEEDING};

    if (connection->slot != NULL && head_of(connection)->method.ptr != NULL) {
        frame.is_head_method = str_equals(head_of(connection)->method, STR("HEAD"));
        frame.is_minor_0 = head_of(connection)->minor == 0;
    }
    buf_clear(&server->answer);
    http_answer_append(&server->answer, answer, &frame);
    if (buf_is_full(&server->answer))
        connection_lost(connection);
    else
        connection_write(connection, buf_str(&server->answer));
    /* One long list must not hold its memory until the next. */
    if (server->answer.capacity > 4 * READ_BYTES)
        buf_done(&server->answer);
}

/* ---- answers ---- */

void
connection_refuse(struct connection *connection, int status, const char *detail)
{
    char id[HTTP_REQUEST_ID_BYTES];
    const struct http_field fields[] = {
        {STR("Content-Type"), STR("application/problem+json")},
        {STR("X-Request-Id"), server_request_id(id)},
    };
    struct http_answer answer = {.status = status,
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .close = true};
    struct buf body;

    request_abandon(connection);
    metric_add(METRIC_http_refused_total, 1);
    buf_init(&body, 1024);
    http_problem_append(&body, status, str_from(detail));
    answer.body = buf_str(&body);
    connection->state = CONNECTION_LINGER;
    answer_write(connection, &answer);
    buf_done(&body);
}

/* What becomes of the connection after this answer. */
static enum connection_state
state_after(const struct connection *connection, bool is_close)
{
    const struct http_head *head = head_of(connection);

    if (connection->state == CONNECTION_ANSWERING) {
        if (!is_close)
            return CONNECTION_IDLE;
        /* Where the peer did not know that this was the last, more may be on its way, and closing
         * on unread bytes would take the answer back. */
        return head->is_keep_alive ? CONNECTION_LINGER : CONNECTION_CLOSING;
    }
    /* A peer that still waits for 100 will perhaps send the body and perhaps not. */
    if (is_close || connection->owes_continue || head->body_bytes < 0 ||
        head->body_bytes - connection->body_seen > DISCARD_BYTES_MAX)
        return CONNECTION_LINGER;
    return CONNECTION_DISCARD;
}

void
http_respond(struct http_request *request, const struct http_answer *answer)
{
    struct connection *connection = connection_of(request);
    struct http_answer sent = *answer;
    enum connection_state next;

    CHECK(connection->state == CONNECTION_BODY || connection->state == CONNECTION_ANSWERING);
    sent.close |= !head_of(connection)->is_keep_alive || connection->server->is_draining;
    next = state_after(connection, sent.close);
    sent.close |= next == CONNECTION_LINGER;
    metric_add(METRIC_http_requests_total, 1);
    request->is_open = false;
    connection->state = next;
    connection->is_renewed = true;
    answer_write(connection, &sent);
    if (!connection->is_running)
        connection_settle(connection);
}

/* Back to the handler, or not: a failure is its call's result, and no callback. */
static bool
feeding_settle(struct connection *connection)
{
    bool is_alive = connection->state == CONNECTION_FEEDING;

    connection->request.is_open = is_alive;
    if (!connection->is_running)
        connection_settle(connection);
    return is_alive;
}

bool
http_respond_start(struct http_request *request, const struct http_answer *answer)
{
    struct connection *connection = connection_of(request);
    const struct http_head *head = head_of(connection);
    struct http_answer sent = *answer;

    CHECK(connection->state == CONNECTION_ANSWERING);
    sent.close |= !head->is_keep_alive || connection->server->is_draining || head->minor == 0;
    metric_add(METRIC_http_requests_total, 1);
    request->is_open = false;
    connection->is_last = sent.close;
    connection->state = CONNECTION_FEEDING;
    connection->is_renewed = true;
    answer_write(connection, &sent);
    return feeding_settle(connection);
}

/* HEAD has no body, and a chunk of nothing would be the last. */
static void
feeding_write(struct connection *connection, struct str piece, bool is_last)
{
    struct buf *text = &connection->server->answer;

    if (str_equals(head_of(connection)->method, STR("HEAD")))
        return;
    buf_clear(text);
    if (head_of(connection)->minor == 0)
        buf_append_str(text, piece);
    else
        http_chunk_append(text, piece);
    if (is_last && head_of(connection)->minor != 0)
        http_chunk_append_end(text);
    if (buf_is_full(text))
        connection_lost(connection);
    else
        connection_write(connection, buf_str(text));
}

bool
http_respond_piece(struct http_request *request, struct str piece)
{
    struct connection *connection = connection_of(request);

    CHECK(connection->state == CONNECTION_FEEDING);
    request->is_open = false;
    if (out_left(connection) + piece.len > HTTP_PIECES_WAIT_BYTES_MAX)
        connection_lost(connection);
    else
        feeding_write(connection, piece, false);
    return feeding_settle(connection);
}

size_t
http_respond_waiting(const struct http_request *request)
{
    return out_left(connection_of(request));
}

void
http_respond_end(struct http_request *request)
{
    struct connection *connection = connection_of(request);

    CHECK(connection->state == CONNECTION_FEEDING);
    request->is_open = false;
    feeding_write(connection, STR(""), true);
    /* What ends with the connection ends with a goodbye, or it would be taken for cut off. */
    if (connection->state == CONNECTION_FEEDING)
        connection->state = connection->is_last ? CONNECTION_LINGER : CONNECTION_IDLE;
    connection->is_renewed = true;
    if (!connection->is_running)
        connection_settle(connection);
}
