/* SPDX-License-Identifier: Apache-2.0 */
#include "support/serving.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "os/metrics.h"
#include "support/test.h"

/* A ceiling, not a wait. */
#define GIVE_UP_US (10 * US_PER_S)

static struct instant
now(void)
{
    return clock_instant(&clock_system);
}

bool
text_has(struct str text, const char *part)
{
    return text.len > 0 && memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* ---- the server's side ---- */

static void
respond(struct http_request *request, int status, struct str body)
{
    static const struct http_field fields[] = {{{"Content-Type", 12}, {"text/plain", 10}}};
    const struct http_answer answer = {.status = status,
        .fields = fields,
        .field_count = 1,
        .body = body};

    http_respond(request, &answer);
}

static bool
is_path(const struct http_request *request, const char *path)
{
    return str_equals(http_request_head(request)->path, str_from(path));
}

static void
on_head(struct http_request *request, int64_t *ret_body_max, void *arg)
{
    struct serving *serving = arg;

    serving->heads++;
    buf_clear(&serving->body);
    if (is_path(request, "/early"))
        respond(request, 401, STR("early"));
    else if (is_path(request, "/small"))
        *ret_body_max = 10;
    else if (is_path(request, "/pause")) {
        serving->paused = request;
        *ret_body_max = INT64_MAX;
        http_request_pause(request);
    } else if (is_path(request, "/pass")) {
        http_request_set(request, serving);
        http_request_pass(request, &serving->other, ret_body_max);
    }
}

static void
on_passed_head(struct http_request *request, int64_t *ret_body_max, void *arg)
{
    CHECK(http_request_get(request) == NULL);
    http_request_set(request, arg);
    *ret_body_max = 10;
}

static void
on_passed_body(struct http_request *request, struct str piece, void *arg)
{
    struct serving *serving = arg;

    CHECK(http_request_get(request) == serving);
    buf_append_str(&serving->body, piece);
}

static void
on_passed_end(struct http_request *request, void *arg)
{
    struct serving *serving = arg;

    respond(request, 200,
        arena_printf(http_request_arena(request), "passed %.*s", STR_FMT(buf_str(&serving->body))));
}

static void
on_passed_gone(struct http_request *request, void *arg)
{
    struct serving *serving = arg;

    (void)request;
    serving->passed_gone++;
}

static void
on_body(struct http_request *request, struct str piece, void *arg)
{
    struct serving *serving = arg;

    serving->body_bytes += piece.len;
    for (size_t i = 0; i < piece.len; i++)
        serving->body_sum += (unsigned char)piece.ptr[i];
    if (!is_path(request, "/pause"))
        buf_append_str(&serving->body, piece);
    if (is_path(request, "/early-in-body"))
        respond(request, 401, STR("in body"));
}

static void
on_end(struct http_request *request, void *arg)
{
    struct serving *serving = arg;
    const struct http_head *head = http_request_head(request);

    if (is_path(request, "/hold")) {
        CHECK(serving->held_count < SERVING_HELD_MAX);
        serving->held[serving->held_count++] = request;
        return;
    }
    if (is_path(request, "/feed")) {
        serving->fed =
            http_respond_start(request, &(struct http_answer){.status = 200}) ? request : NULL;
        return;
    }
    if (is_path(request, "/large")) {
        char *large = malloc(SERVING_LARGE_BYTES);
        CHECK(large != NULL);
        memset(large, 'L', SERVING_LARGE_BYTES);
        respond(request, 200, (struct str){large, SERVING_LARGE_BYTES});
        free(large);
        return;
    }
    if (is_path(request, "/none")) {
        respond(request, 204, STR(""));
        return;
    }
    respond(request, 200,
        arena_printf(http_request_arena(request), "%.*s %.*s %.*s", STR_FMT(head->method),
            STR_FMT(head->target), STR_FMT(buf_str(&serving->body))));
}

static void
on_gone(struct http_request *request, void *arg)
{
    struct serving *serving = arg;

    serving->gone++;
    if (serving->fed == request)
        serving->fed = NULL;
    for (size_t i = 0; i < serving->held_count; i++) {
        if (serving->held[i] == request) {
            serving->held[i] = serving->held[--serving->held_count];
            break;
        }
    }
}

void
serving_start(struct serving *serving, struct http_server_options options)
{
    const struct http_handler handler = {on_head, on_body, on_end, on_gone, serving};
    struct error error = {0};

    *serving = (struct serving){0};
    serving->other = (struct http_handler){on_passed_head, on_passed_body, on_passed_end,
        on_passed_gone, serving};
    buf_init(&serving->body, 1 << 20);
    if (options.listen.len == 0) {
        options.listen.as.v4.sin_family = AF_INET;
        options.listen.as.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        options.listen.len = sizeof(options.listen.as.v4);
    }
    options.head_ms = options.head_ms != 0 ? options.head_ms : 10000;
    options.body_ms = options.body_ms != 0 ? options.body_ms : 10000;
    options.idle_ms = options.idle_ms != 0 ? options.idle_ms : 10000;
    options.connections_max = options.connections_max != 0 ? options.connections_max : 1000;
    assert_int_equal(loop_new(0, &serving->loop, &error), OK);
    if (http_server_new(serving->loop, &options, &handler, &serving->server, &error) != OK)
        fail_msg("%s", error.text);
}

void
serving_stop(struct serving *serving)
{
    http_server_free(serving->server);
    loop_free(serving->loop);
    buf_done(&serving->body);
}

int
serving_setup(void **state)
{
    static struct serving serving;

    serving_start(&serving, (struct http_server_options){0});
    *state = &serving;
    return 0;
}

int
serving_teardown(void **state)
{
    serving_stop(*state);
    assert_int_equal(metric_get(METRIC_http_connections), 0);
    return 0;
}

void
serving_turn(struct serving *serving)
{
    loop_turn(serving->loop);
}

void
serving_wait_held(struct serving *serving, size_t count)
{
    struct instant end = instant_add_us(now(), GIVE_UP_US);

    while (serving->held_count < count && now().us < end.us)
        serving_turn(serving);
    assert_int_equal(serving->held_count, count);
}

void
serving_wait_gone(struct serving *serving, unsigned count)
{
    struct instant end = instant_add_us(now(), GIVE_UP_US);

    while (serving->gone < count && now().us < end.us)
        serving_turn(serving);
    assert_int_equal(serving->gone, count);
}

void
serving_release(struct serving *serving, const char *body)
{
    struct http_request *request = serving->held[0];

    assert_true(serving->held_count > 0);
    serving->held_count--;
    memmove(&serving->held[0], &serving->held[1], serving->held_count * sizeof(serving->held[0]));
    respond(request, 200, str_from(body));
}

/* ---- the callers' side ---- */

void
caller_connect(struct caller *caller, struct serving *serving, int fd)
{
    struct address address = http_server_address(serving->server);

    *caller = (struct caller){.serving = serving, .fd = fd};
    buf_init(&caller->in, 2 * SERVING_LARGE_BYTES);
    assert_int_equal(connect(fd, &address.as.any, address.len), 0);
}

void
caller_open(struct caller *caller, struct serving *serving, int rcvbuf)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (rcvbuf != 0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    caller_connect(caller, serving, fd);
}

void
caller_open_tls(struct caller *caller, struct serving *serving, SSL *ssl)
{
    struct instant end = instant_add_us(now(), GIVE_UP_US);
    struct timeval at_once = {0, 1};

    caller_open(caller, serving, 0);
    caller->ssl = ssl;
    /* OpenSSL knows no MSG_DONTWAIT. */
    assert_int_equal(setsockopt(caller->fd, SOL_SOCKET, SO_RCVTIMEO, &at_once, sizeof(at_once)), 0);
    assert_int_equal(SSL_set_fd(ssl, caller->fd), 1);
    while (SSL_connect(ssl) != 1) {
        if (now().us > end.us)
            fail_msg("no TLS handshake: %s", ERR_error_string(ERR_peek_error(), NULL));
        ERR_clear_error();
        serving_turn(serving);
    }
}

void
caller_close(struct caller *caller)
{
    /* OpenSSL resumes no session of a connection that was dropped without a goodbye. */
    if (caller->ssl != NULL)
        (void)SSL_shutdown(caller->ssl);
    SSL_free(caller->ssl);
    caller->ssl = NULL;
    if (caller->fd >= 0)
        (void)close(caller->fd);
    caller->fd = -1;
    buf_done(&caller->in);
}

void
caller_reset(struct caller *caller)
{
    struct linger linger = {1, 0};

    assert_int_equal(setsockopt(caller->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    caller_close(caller);
}

static ssize_t
receive(struct caller *caller, char *out, size_t capacity)
{
    size_t got = 0;

    if (caller->ssl == NULL)
        return recv(caller->fd, out, capacity, MSG_DONTWAIT);
    ERR_clear_error();
    int result = SSL_read_ex(caller->ssl, out, capacity, &got);
    if (result == 1)
        return (ssize_t)got;
    switch (SSL_get_error(caller->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_WANT_READ: errno = EAGAIN; return -1;
    default: errno = ECONNRESET; return -1;
    }
}

bool
caller_read(struct caller *caller)
{
    static char scratch[1 << 16];
    ssize_t got = receive(caller, scratch, sizeof(scratch));

    if (got < 0) {
        if (errno == EAGAIN)
            return false;
        caller->is_closed = true;
        return false;
    }
    caller->is_closed |= got == 0;
    buf_append(&caller->in, scratch, (size_t)got);
    assert_false(buf_is_full(&caller->in));
    return got > 0;
}

static void
caller_more(struct caller *caller, struct instant end)
{
    serving_turn(caller->serving);
    if (!caller_read(caller) && now().us > end.us)
        fail_msg("nothing more came after: %.*s",
            STR_FMT(str_slice(buf_str(&caller->in), 0, 2000)));
}

void
caller_send_bytes(struct caller *caller, struct str bytes)
{
    struct instant end = instant_add_us(now(), GIVE_UP_US);
    size_t at = 0;

    while (at < bytes.len) {
        ssize_t sent;

        if (caller->ssl != NULL)
            sent = SSL_write(caller->ssl, bytes.ptr + at, (int)(bytes.len - at));
        else
            sent = send(caller->fd, bytes.ptr + at, bytes.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (caller->ssl == NULL && errno != EAGAIN)
            return; /* closed: what came before tells */
        serving_turn(caller->serving);
        assert_true(now().us < end.us);
    }
}

void
caller_send(struct caller *caller, const char *text)
{
    caller_send_bytes(caller, str_from(text));
}

size_t
caller_send_until_blocked(struct caller *caller, struct str bytes)
{
    size_t at = 0;
    unsigned refused = 0;

    while (at < bytes.len && refused < 50) {
        ssize_t sent =
            send(caller->fd, bytes.ptr + at, bytes.len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

        refused = sent > 0 ? 0 : refused + 1;
        at += sent > 0 ? (size_t)sent : 0;
        serving_turn(caller->serving);
    }
    return at;
}

static struct str
expect(struct caller *caller, int status, const char *body_part, bool has_body)
{
    static char head[HTTP_HEAD_BYTES_MAX];
    struct instant end = instant_add_us(now(), GIVE_UP_US);
    char line[32];
    size_t head_len = 0;
    size_t body_len = 0;
    const char *length;

    for (;;) {
        const char *blank =
            caller->in.len == 0 ? NULL : memmem(caller->in.ptr, caller->in.len, "\r\n\r\n", 4);
        if (blank != NULL) {
            head_len = (size_t)(blank - caller->in.ptr) + 4;
            break;
        }
        if (caller->is_closed)
            fail_msg("closed instead of %d, after: %.*s", status, STR_FMT(buf_str(&caller->in)));
        caller_more(caller, end);
    }
    (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(caller->in.ptr, line, strlen(line)) != 0)
        fail_msg("not %d but %.*s", status, STR_FMT(buf_str(&caller->in)));
    assert_true(head_len < sizeof(head));
    memcpy(head, caller->in.ptr, head_len);
    head[head_len] = '\0';
    length = strstr(head, "\r\nContent-Length: ");
    if (length != NULL && has_body)
        body_len = strtoul(length + strlen("\r\nContent-Length: "), NULL, 10);
    while (caller->in.len < head_len + body_len) {
        assert_false(caller->is_closed);
        caller_more(caller, end);
    }
    if (body_part != NULL &&
        !text_has((struct str){caller->in.ptr + head_len, body_len}, body_part))
        fail_msg("%s is not in %.*s", body_part, STR_FMT(buf_str(&caller->in)));
    buf_consume(&caller->in, head_len + body_len);
    return (struct str){head, head_len};
}

struct str
caller_expect(struct caller *caller, int status, const char *body_part)
{
    return expect(caller, status, body_part, true);
}

struct str
caller_expect_head(struct caller *caller, int status)
{
    return expect(caller, status, NULL, false);
}

void
caller_expect_text(struct caller *caller, const char *text)
{
    struct instant end = instant_add_us(now(), GIVE_UP_US);

    while (caller->in.len < strlen(text))
        caller_more(caller, end);
    assert_memory_equal(caller->in.ptr, text, strlen(text));
    buf_consume(&caller->in, strlen(text));
}

void
caller_expect_closed(struct caller *caller)
{
    struct instant end = instant_add_us(now(), GIVE_UP_US);

    while (!caller->is_closed)
        caller_more(caller, end);
    if (caller->in.len > 0)
        fail_msg("before the close came: %.*s", STR_FMT(buf_str(&caller->in)));
}

void
caller_expect_silence(struct caller *caller)
{
    for (unsigned i = 0; i < 50; i++) {
        serving_turn(caller->serving);
        (void)caller_read(caller);
    }
    assert_int_equal(caller->in.len, 0);
    assert_false(caller->is_closed);
}
