/* SPDX-License-Identifier: Apache-2.0 */
#include "net/client_connection.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"

#define CONNECTION_MAGIC 0xc0ec710eU

/* A TLS record holds as much; an answer is mostly one read. */
#define IN_BYTES  16384
#define OUT_BYTES 16384

/* Chunks of one byte are six on the wire: a peer that sends those gets no more of our time than
 * one that sends plain bytes. */
#define WIRE_BYTES_MAX ((size_t)2 * HTTP_ANSWER_BYTES_MAX)

/* Free answers kept; more were in use at once only while answers came in pieces. */
#define ANSWERS_KEPT 16

enum err
client_commons_init(struct client_commons *commons, struct loop *loop)
{
    *commons = (struct client_commons){.loop = loop};
    commons->in = malloc(IN_BYTES);
    commons->out = malloc(OUT_BYTES);
    if (commons->in != NULL && commons->out != NULL)
        return OK;
    client_commons_done(commons);
    return ERR_NOMEM;
}

void
client_commons_done(struct client_commons *commons)
{
    while (commons->answers != NULL) {
        struct client_answer *next = commons->answers->next;
        free(commons->answers);
        commons->answers = next;
    }
    free(commons->in);
    free(commons->out);
    *commons = (struct client_commons){.loop = NULL};
}

static struct client_answer *
answer_new(struct client_commons *commons)
{
    struct client_answer *answer = commons->answers;

    if (answer != NULL) {
        commons->answers = answer->next;
        commons->answer_count--;
    } else {
        answer = malloc(sizeof(*answer));
        if (answer == NULL)
            return NULL;
    }
    answer->next = NULL;
    answer->has_head = false;
    answer->is_whole = false;
    answer->wire_bytes = 0;
    answer->body_bytes = 0;
    answer->kept_bytes = 0;
    const struct http_room room = {
        .bytes = answer->head,
        .bytes_max = sizeof(answer->head),
        .fields = answer->fields,
        .fields_max = COUNT_OF(answer->fields),
    };
    http_parser_start_answer(&answer->parser, &room, false);
    return answer;
}

void
client_answer_free(struct client_commons *commons, struct client_answer *answer)
{
    if (answer == NULL)
        return;
    if (commons->answer_count == ANSWERS_KEPT) {
        free(answer);
        return;
    }
    answer->next = commons->answers;
    commons->answers = answer;
    commons->answer_count++;
}

void
client_connection_init(struct client_connection *connection, struct client_commons *commons,
    void (*ended)(struct client_connection *connection, enum http_failure failure,
        const char *detail))
{
    *connection = (struct client_connection){
        .magic = CONNECTION_MAGIC,
        .commons = commons,
        .state = CLIENT_CONNECTION_CLOSED,
        .fd = -1,
        .ended = ended,
    };
}

static void
tls_close(struct client_connection *connection)
{
    /* Say goodbye where nothing is under way. In any case the session must look shut down, or
     * OpenSSL takes it for one that an attacker cut and refuses to resume it. */
    if (connection->state == CLIENT_CONNECTION_RESTING && !connection->is_broken)
        (void)SSL_shutdown(connection->ssl);
    SSL_set_shutdown(connection->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    ERR_clear_error();
}

void
client_connection_close(struct client_connection *connection)
{
    CHECK(connection->magic == CONNECTION_MAGIC);
    if (connection->state == CLIENT_CONNECTION_CLOSED)
        return;
    if (connection->ssl != NULL)
        tls_close(connection);
    if (connection->readable != NULL)
        event_free(connection->readable);
    if (connection->writable != NULL)
        event_free(connection->writable);
    connection->readable = NULL;
    connection->writable = NULL;
    (void)close(connection->fd);
    connection->fd = -1;
    client_answer_free(connection->commons, connection->answer);
    connection->answer = NULL;
    connection->state = CLIENT_CONNECTION_CLOSED;
}

/* The exchange is over and this connection is possibly gone: return at once. */
static void
end(struct client_connection *connection, enum http_failure failure, const char *detail)
{
    connection->ended(connection, failure, detail);
}

/* What reading and writing come to where they do not come to bytes. */
enum { IO_AGAIN = -1, IO_CLOSED = -2, IO_FAILED = -3 };

static void
want_write(struct client_connection *connection)
{
    CHECK(event_add(connection->writable, NULL) == 0);
}

static ssize_t
tls_trouble(struct client_connection *connection, int result)
{
    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ: return IO_AGAIN; /* the read event is always on */
    case SSL_ERROR_WANT_WRITE: want_write(connection); return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return IO_CLOSED;
    case SSL_ERROR_SSL:
        /* Closed without a word: common, and all it can hide is the end of a text that we keep
         * for people to read. The framing tells where more than that is missing. */
        if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return IO_CLOSED;
        return IO_FAILED;
    default: return IO_FAILED;
    }
}

/* Bytes read into the commons, at least one, or IO_. */
static ssize_t
receive(struct client_connection *connection)
{
    char *in = connection->commons->in;
    ssize_t count;

    if (connection->ssl != NULL) {
        ERR_clear_error();
        int result = SSL_read(connection->ssl, in, IN_BYTES);
        return result > 0 ? result : tls_trouble(connection, result);
    }
    do
        count = recv(connection->fd, in, IN_BYTES, 0);
    while (count < 0 && errno == EINTR);
    if (count > 0)
        return count;
    if (count == 0)
        return IO_CLOSED;
    return errno == EAGAIN ? IO_AGAIN : IO_FAILED;
}

static struct iovec
iovec_from(struct str s, size_t skipped)
{
    union {
        const char *from;
        void *to;
    } ptr = {.from = s.ptr + skipped};

    return (struct iovec){.iov_base = ptr.to, .iov_len = s.len - skipped};
}

static ssize_t
send_plain(struct client_connection *connection)
{
    struct iovec parts[2];
    struct msghdr message = {.msg_iov = parts};
    size_t head_sent =
        connection->sent < connection->head.len ? connection->sent : connection->head.len;
    size_t body_sent = connection->sent - head_sent;
    ssize_t count;

    if (head_sent < connection->head.len)
        parts[message.msg_iovlen++] = iovec_from(connection->head, head_sent);
    if (body_sent < connection->body.len)
        parts[message.msg_iovlen++] = iovec_from(connection->body, body_sent);
    do
        count = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    if (count >= 0)
        return count;
    if (errno != EAGAIN)
        return IO_FAILED;
    want_write(connection);
    return IO_AGAIN;
}

/* One record at a time, put together from head and body: two records would be two packets. A
 * repeated call must offer the same bytes again, and does. */
static ssize_t
send_tls(struct client_connection *connection)
{
    const struct str parts[2] = {connection->head, connection->body};
    char *out = connection->commons->out;
    size_t skip = connection->sent;
    size_t len = 0;

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t from = skip < parts[i].len ? skip : parts[i].len;
        size_t count = parts[i].len - from;

        skip -= from;
        if (count > OUT_BYTES - len)
            count = OUT_BYTES - len;
        if (count > 0)
            memcpy(out + len, parts[i].ptr + from, count);
        len += count;
    }
    ERR_clear_error();
    int result = SSL_write(connection->ssl, out, (int)len);
    return result > 0 ? result : tls_trouble(connection, result);
}

/* Send what is left. Trouble is not told here but by the read that follows: the answer that
 * explains it (413 and a close) may be waiting there. */
static void
send_rest(struct client_connection *connection)
{
    size_t total = connection->head.len + connection->body.len;

    while (connection->sent < total) {
        ssize_t count = connection->ssl != NULL ? send_tls(connection) : send_plain(connection);

        if (count == IO_AGAIN)
            return;
        if (count < 0) {
            connection->is_broken = true;
            event_active(connection->readable, EV_READ, 0);
            return;
        }
        connection->sent += (size_t)count;
    }
    connection->state = CLIENT_CONNECTION_SENT;
}

static void
keep_body(struct client_answer *answer, struct str piece)
{
    size_t room = sizeof(answer->kept) - answer->kept_bytes;
    size_t count = piece.len < room ? piece.len : room;

    memcpy(answer->kept + answer->kept_bytes, piece.ptr, count);
    answer->kept_bytes += count;
    answer->body_bytes += piece.len;
}

/* MORE, END or REFUSED. END also where we have read enough: then is_whole stays false. */
static enum http_verdict
answer_feed(struct client_answer *answer, struct str input, bool *ret_has_surplus)
{
    for (;;) {
        size_t left = input.len;
        bool had_head = answer->has_head;
        struct str piece = {NULL, 0};
        enum http_verdict verdict = http_parser_feed(&answer->parser, &input, &piece);

        if (had_head)
            answer->wire_bytes += left - input.len;
        switch (verdict) {
        case HTTP_PARSE_HEAD: answer->has_head = true; break;
        case HTTP_PARSE_BODY: keep_body(answer, piece); break;
        case HTTP_PARSE_END:
            answer->is_whole = true;
            *ret_has_surplus = input.len > 0;
            return HTTP_PARSE_END;
        case HTTP_PARSE_MORE:
            return answer->wire_bytes > WIRE_BYTES_MAX ? HTTP_PARSE_END : HTTP_PARSE_MORE;
        case HTTP_PARSE_REFUSED: return HTTP_PARSE_REFUSED;
        }
        if (answer->body_bytes > HTTP_ANSWER_BYTES_MAX)
            return HTTP_PARSE_END;
    }
}

/* The peer has closed, or the socket failed. */
static void
on_closed(struct client_connection *connection, ssize_t why)
{
    struct client_answer *answer = connection->answer;

    connection->is_broken = true;
    if (answer != NULL && why == IO_CLOSED &&
        http_parser_finish(&answer->parser) == HTTP_PARSE_END) {
        answer->is_whole = true;
        end(connection, HTTP_OK, NULL);
        return;
    }
    end(connection, HTTP_FAIL_RESET,
        answer == NULL ? "closed before the answer" : "closed within the answer");
}

/* Whatever is to be read now. */
static void
read_answer(struct client_connection *connection)
{
    for (;;) {
        ssize_t count = receive(connection);
        bool has_surplus = false;

        if (count == IO_AGAIN)
            return;
        if (count < 0) {
            on_closed(connection, count);
            return;
        }
        if (connection->answer == NULL)
            connection->answer = answer_new(connection->commons);
        if (connection->answer == NULL) {
            end(connection, HTTP_FAIL_RESET, "out of memory");
            return;
        }
        struct str input = {connection->commons->in, (size_t)count};
        switch (answer_feed(connection->answer, input, &has_surplus)) {
        case HTTP_PARSE_END:
            if (has_surplus)
                connection->is_broken = true;
            end(connection, HTTP_OK, NULL);
            return;
        case HTTP_PARSE_REFUSED:
            end(connection, HTTP_FAIL_PROTOCOL, connection->answer->parser.refusal.detail);
            return;
        case HTTP_PARSE_MORE:
        case HTTP_PARSE_HEAD:
        case HTTP_PARSE_BODY: break;
        }
        /* TLS may hold bytes that no event will tell of; a socket tells again. */
        if (connection->ssl == NULL)
            return;
    }
}

static const char *
handshake_detail(struct client_connection *connection)
{
    long verified = SSL_get_verify_result(connection->ssl);
    unsigned long number = ERR_peek_last_error();
    const char *reason = number != 0 ? ERR_reason_error_string(number) : NULL;

    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    return reason != NULL ? reason : "closed within the TLS handshake";
}

static void
shake_hands(struct client_connection *connection)
{
    ERR_clear_error();
    int result = SSL_do_handshake(connection->ssl);

    if (result == 1) {
        connection->state = CLIENT_CONNECTION_SENDING;
        send_rest(connection);
        return;
    }
    int error = SSL_get_error(connection->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return;
    if (error == SSL_ERROR_WANT_WRITE) {
        want_write(connection);
        return;
    }
    connection->is_broken = true;
    end(connection, HTTP_FAIL_TLS, handshake_detail(connection));
}

static bool
tls_open(struct client_connection *connection, const struct client_connection_tls *tls)
{
    SSL *ssl = SSL_new(tls->ctx);

    connection->ssl = ssl;
    if (ssl == NULL || SSL_set_fd(ssl, connection->fd) != 1)
        return false;
    SSL_set_connect_state(ssl);
    SSL_set_read_ahead(ssl, 1); /* a record is one read, not two */
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM *verify = SSL_get0_param(ssl);
    if (tls->is_host_ip) {
        if (X509_VERIFY_PARAM_set1_ip_asc(verify, tls->host) != 1)
            return false;
    } else {
        X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (X509_VERIFY_PARAM_set1_host(verify, tls->host, 0) != 1 ||
            SSL_set_tlsext_host_name(ssl, tls->host) != 1)
            return false;
    }
    return tls->session == NULL || SSL_set_session(ssl, tls->session) == 1;
}

struct ssl_session_st *
client_connection_session(struct client_connection *connection)
{
    SSL_SESSION *session = connection->ssl != NULL ? SSL_get1_session(connection->ssl) : NULL;

    if (session == NULL || SSL_SESSION_is_resumable(session))
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

/* At rest nothing is to be read but what TLS says among itself (a new ticket). */
static bool
is_quiet(struct client_connection *connection)
{
    char byte;

    if (connection->ssl != NULL)
        return receive(connection) == IO_AGAIN;
    return recv(connection->fd, &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
    struct client_connection *connection = arg;

    (void)fd;
    CHECK(connection->magic == CONNECTION_MAGIC);
    switch (connection->state) {
    case CLIENT_CONNECTION_HANDSHAKE: shake_hands(connection); return;
    case CLIENT_CONNECTION_SENDING:
        /* TLS may wait for a read before it can go on writing. */
        if (!connection->is_broken && ((what & EV_WRITE) || connection->ssl != NULL))
            send_rest(connection);
        read_answer(connection);
        return;
    case CLIENT_CONNECTION_SENT: read_answer(connection); return;
    case CLIENT_CONNECTION_RESTING:
        if (is_quiet(connection))
            return;
        connection->is_broken = true;
        end(connection, HTTP_FAIL_RESET, NULL);
        return;
    case CLIENT_CONNECTION_CLOSED: return;
    }
}

enum err
client_connection_open(struct client_connection *connection, int fd,
    const struct client_connection_tls *tls)
{
    struct event_base *base = loop_base(connection->commons->loop);

    CHECK(connection->state == CLIENT_CONNECTION_CLOSED);
    connection->fd = fd;
    connection->is_broken = false;
    connection->state = CLIENT_CONNECTION_RESTING;
    connection->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_event, connection);
    connection->writable = event_new(base, fd, EV_WRITE, on_event, connection);
    if (connection->readable == NULL || connection->writable == NULL ||
        event_priority_set(connection->readable, LOOP_DELIVERY) != 0 ||
        event_priority_set(connection->writable, LOOP_DELIVERY) != 0 ||
        event_add(connection->readable, NULL) != 0 ||
        (tls->ctx != NULL && !tls_open(connection, tls))) {
        connection->is_broken = true;
        client_connection_close(connection);
        return ERR_NOMEM;
    }
    return OK;
}

void
client_connection_send(struct client_connection *connection, struct str head, struct str body)
{
    CHECK(connection->state == CLIENT_CONNECTION_RESTING);
    connection->head = head;
    connection->body = body;
    connection->sent = 0;
    if (connection->ssl != NULL && !SSL_is_init_finished(connection->ssl)) {
        connection->state = CLIENT_CONNECTION_HANDSHAKE;
        want_write(connection); /* a handshake that fails at once must not end in here */
        return;
    }
    connection->state = CLIENT_CONNECTION_SENDING;
    send_rest(connection);
}

bool
client_connection_may_rest(struct client_connection *connection)
{
    const struct client_answer *answer = connection->answer;

    if (connection->is_broken || connection->state != CLIENT_CONNECTION_SENT || answer == NULL ||
        !answer->is_whole || !answer->parser.head.is_keep_alive)
        return false;
    /* Bytes that TLS has read ahead would be taken for the next answer. */
    return connection->ssl == NULL || !SSL_has_pending(connection->ssl) || is_quiet(connection);
}

void
client_connection_rest(struct client_connection *connection)
{
    CHECK(connection->answer == NULL);
    connection->state = CLIENT_CONNECTION_RESTING;
    connection->head = (struct str){NULL, 0};
    connection->body = (struct str){NULL, 0};
}

const char *
client_connection_phase(const struct client_connection *connection)
{
    switch (connection->state) {
    case CLIENT_CONNECTION_HANDSHAKE: return "in the TLS handshake";
    case CLIENT_CONNECTION_SENDING: return "sending the request";
    case CLIENT_CONNECTION_SENT:
        return connection->answer == NULL ? "waiting for the answer" : "reading the answer";
    case CLIENT_CONNECTION_RESTING:
    case CLIENT_CONNECTION_CLOSED: return "connecting";
    }
    UNREACHABLE;
}
