/* SPDX-License-Identifier: Apache-2.0 */
#include "support/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

#define STEP_S            10
#define REQUEST_BYTES_MAX (16 * 1024 * 1024)

struct peer {
    void (*script)(struct peer *peer, void *arg);
    void *arg;
    pthread_t thread;
    int listener;
    uint16_t port;
    SSL_CTX *ctx; /* NULL: plain */
    atomic_uint accepted;
    atomic_uint resumed;
    atomic_bool has_failed;

    /* The script's thread only. */
    int fd;
    SSL *ssl;
    char *request;
    size_t request_len;
};

static int
listener_open(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)&address, len) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int
peer_refused_open(uint16_t *ret_port)
{
    return listener_open(ret_port);
}

static void
set_time_limits(int fd)
{
    const struct timeval limit = {.tv_sec = STEP_S, .tv_usec = 0};

    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0);
}

static void *
run(void *arg)
{
    struct peer *peer = arg;

    peer->script(peer, peer->arg);
    peer_close(peer);
    return NULL;
}

static struct peer *
start(SSL_CTX *ctx, void (*script)(struct peer *peer, void *arg), void *arg)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    CHECK(peer != NULL);
    peer->script = script;
    peer->arg = arg;
    peer->ctx = ctx;
    peer->fd = -1;
    peer->request = malloc(REQUEST_BYTES_MAX);
    CHECK(peer->request != NULL);
    atomic_init(&peer->accepted, 0);
    atomic_init(&peer->resumed, 0);
    atomic_init(&peer->has_failed, false);
    peer->listener = listener_open(&peer->port);
    CHECK(listen(peer->listener, 128) == 0);
    set_time_limits(peer->listener);
    CHECK(pthread_create(&peer->thread, NULL, run, peer) == 0);
    return peer;
}

struct peer *
peer_start(void (*script)(struct peer *peer, void *arg), void *arg)
{
    return start(NULL, script, arg);
}

struct peer *
peer_start_tls(const char *certificate_path, const char *key_path,
    void (*script)(struct peer *peer, void *arg), void *arg)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    CHECK(ctx != NULL);
    CHECK(SSL_CTX_use_certificate_chain_file(ctx, certificate_path) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) == 1);
    CHECK(SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"peer", 4) == 1);
    return start(ctx, script, arg);
}

uint16_t
peer_port(const struct peer *peer)
{
    return peer->port;
}

unsigned
peer_accepted(const struct peer *peer)
{
    return atomic_load(&peer->accepted);
}

unsigned
peer_resumed(const struct peer *peer)
{
    return atomic_load(&peer->resumed);
}

bool
peer_stop(struct peer *peer)
{
    bool is_good;

    CHECK(pthread_join(peer->thread, NULL) == 0);
    is_good = !atomic_load(&peer->has_failed);
    (void)close(peer->listener);
    SSL_CTX_free(peer->ctx);
    free(peer->request);
    free(peer);
    return is_good;
}

void
peer_fail(struct peer *peer, const char *text)
{
    if (!atomic_exchange(&peer->has_failed, true))
        (void)fprintf(stderr, "peer: %s (connection %u)\n", text, peer_accepted(peer));
}

static bool
has_failed(const struct peer *peer)
{
    return atomic_load(&peer->has_failed);
}

static bool
accept_only(struct peer *peer)
{
    peer_close(peer);
    if (has_failed(peer))
        return false;
    peer->fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    if (peer->fd < 0) {
        peer_fail(peer, "nobody came");
        return false;
    }
    int one = 1;
    CHECK(setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
    set_time_limits(peer->fd);
    (void)atomic_fetch_add(&peer->accepted, 1);
    if (peer->ctx != NULL) {
        peer->ssl = SSL_new(peer->ctx);
        CHECK(peer->ssl != NULL && SSL_set_fd(peer->ssl, peer->fd) == 1);
    }
    return true;
}

bool
peer_accept(struct peer *peer)
{
    if (!accept_only(peer))
        return false;
    if (peer->ssl == NULL)
        return true;
    if (SSL_accept(peer->ssl) != 1) {
        peer_fail(peer, "the TLS handshake failed");
        return false;
    }
    if (SSL_session_reused(peer->ssl))
        (void)atomic_fetch_add(&peer->resumed, 1);
    return true;
}

void
peer_accept_refused(struct peer *peer)
{
    char byte;

    /* With TLS 1.3 the server is done before the client has judged its certificate. */
    if (accept_only(peer) && SSL_accept(peer->ssl) == 1 && SSL_read(peer->ssl, &byte, 1) > 0)
        peer_fail(peer, "the TLS handshake was meant to fail");
    ERR_clear_error();
}

/* Bytes, at least one; 0 at the end; -1 on trouble. */
static ssize_t
receive(struct peer *peer, char *bytes, size_t len)
{
    if (peer->ssl != NULL) {
        int count = SSL_read(peer->ssl, bytes, (int)len);

        if (count > 0)
            return count;
        return SSL_get_error(peer->ssl, count) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }
    return recv(peer->fd, bytes, len, 0);
}

static bool
read_more(struct peer *peer)
{
    ssize_t count;

    if (has_failed(peer))
        return false;
    if (peer->request_len == REQUEST_BYTES_MAX) {
        peer_fail(peer, "the request is too long");
        return false;
    }
    count = receive(peer, peer->request + peer->request_len, REQUEST_BYTES_MAX - peer->request_len);
    if (count <= 0) {
        peer_fail(peer, count == 0 ? "closed within a request" : "no request came");
        return false;
    }
    peer->request_len += (size_t)count;
    return true;
}

bool
peer_some_bytes(struct peer *peer)
{
    peer->request_len = 0;
    return read_more(peer);
}

/* Where the request ends, or 0 while nobody knows. */
static size_t
request_end(const struct peer *peer)
{
    static const char name[] = "\r\ncontent-length:";
    const char *end = memmem(peer->request, peer->request_len, "\r\n\r\n", 4);
    size_t head_len;

    if (end == NULL)
        return 0;
    head_len = (size_t)(end - peer->request) + 4;
    for (size_t i = 0; i + sizeof(name) < head_len; i++)
        if (strncasecmp(peer->request + i, name, sizeof(name) - 1) == 0)
            return head_len + strtoul(peer->request + i + sizeof(name) - 1, NULL, 10);
    return head_len;
}

bool
peer_request(struct peer *peer)
{
    size_t end;

    peer->request_len = 0;
    do {
        if (!read_more(peer))
            return false;
        end = request_end(peer);
    } while (end == 0 || peer->request_len < end);
    if (peer->request_len > end) {
        peer_fail(peer, "bytes followed the request");
        return false;
    }
    return true;
}

bool
peer_read_until(struct peer *peer, const char *end)
{
    peer->request_len = 0;
    do {
        if (!read_more(peer))
            return false;
    } while (!str_ends(peer_request_text(peer), str_from(end)));
    return true;
}

struct str
peer_request_text(const struct peer *peer)
{
    return (struct str){peer->request, peer->request_len};
}

static bool
send_all(struct peer *peer, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t count = peer->ssl != NULL ? SSL_write(peer->ssl, bytes.ptr, (int)bytes.len)
                                          : send(peer->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);

        if (count <= 0)
            return false;
        bytes = str_slice(bytes, (size_t)count, SIZE_MAX);
    }
    return true;
}

void
peer_send_bytes(struct peer *peer, struct str bytes)
{
    if (!has_failed(peer) && !send_all(peer, bytes))
        peer_fail(peer, "nobody takes the answer");
}

void
peer_send(struct peer *peer, const char *text)
{
    peer_send_bytes(peer, str_from(text));
}

void
peer_send_until_closed(struct peer *peer, const char *text, unsigned times)
{
    for (unsigned i = 0; i < times && !has_failed(peer); i++)
        if (!send_all(peer, str_from(text)))
            return;
}

static void
set_cork(const struct peer *peer, int value)
{
    if (!has_failed(peer))
        CHECK(setsockopt(peer->fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value)) == 0);
}

void
peer_hold(struct peer *peer)
{
    set_cork(peer, 1);
}

void
peer_release(struct peer *peer)
{
    set_cork(peer, 0);
}

void
peer_close(struct peer *peer)
{
    if (peer->fd < 0)
        return;
    if (peer->ssl != NULL) {
        (void)SSL_shutdown(peer->ssl);
        SSL_free(peer->ssl);
        ERR_clear_error();
    }
    (void)close(peer->fd);
    peer->ssl = NULL;
    peer->fd = -1;
}

void
peer_reset(struct peer *peer)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (peer->fd < 0)
        return;
    CHECK(setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    SSL_free(peer->ssl);
    (void)close(peer->fd);
    peer->ssl = NULL;
    peer->fd = -1;
}

bool
peer_wait_close(struct peer *peer)
{
    char bytes[4096];
    ssize_t count;

    if (has_failed(peer))
        return false;
    do
        count = receive(peer, bytes, sizeof(bytes));
    while (count > 0);
    if (count < 0 && errno == EAGAIN) {
        peer_fail(peer, "the connection stayed open");
        return false;
    }
    ERR_clear_error();
    return true;
}
