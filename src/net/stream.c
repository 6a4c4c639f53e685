/* SPDX-License-Identifier: Apache-2.0 */
#include "net/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

static bool
is_retry(int number)
{
    return number == EAGAIN || number == EINTR;
}

/* What a TLS call that did not succeed came to. */
static enum stream_state
ssl_state(struct stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ: return STREAM_WANTS_READ;
    case SSL_ERROR_WANT_WRITE: return STREAM_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN: return STREAM_CLOSED;
    default: return STREAM_BROKEN;
    }
}

enum err
stream_init(struct stream *stream, int fd, struct tls_server *tls)
{
    SSL_CTX *ctx;

    *stream = (struct stream){.fd = fd};
    if (tls == NULL)
        return OK;
    ctx = tls_server_ctx(tls);
    stream->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, fd) != 1) {
        ERR_clear_error();
        stream_done(stream);
        return ERR_NOMEM;
    }
    SSL_set_accept_state(stream->ssl);
    return OK;
}

void
stream_done(struct stream *stream)
{
    SSL_free(stream->ssl);
    if (stream->fd >= 0)
        (void)close(stream->fd);
    *stream = (struct stream){.fd = -1};
}

enum stream_state
stream_handshake(struct stream *stream)
{
    int result;

    if (stream->ssl == NULL)
        return STREAM_DONE;
    ERR_clear_error();
    result = SSL_do_handshake(stream->ssl);
    return result == 1 ? STREAM_DONE : ssl_state(stream, result);
}

enum stream_state
stream_read(struct stream *stream, char *out, size_t capacity, size_t *ret_len)
{
    ssize_t got;

    CHECK(capacity >= STREAM_READ_BYTES_MIN);
    if (stream->ssl != NULL) {
        int result;
        ERR_clear_error();
        result = SSL_read_ex(stream->ssl, out, capacity, ret_len);
        return result == 1 ? STREAM_DONE : ssl_state(stream, result);
    }
    got = recv(stream->fd, out, capacity, 0);
    if (got < 0)
        return is_retry(errno) ? STREAM_WANTS_READ : STREAM_BROKEN;
    if (got == 0)
        return STREAM_CLOSED;
    *ret_len = (size_t)got;
    return STREAM_DONE;
}

enum stream_state
stream_write(struct stream *stream, const char *bytes, size_t len, size_t *ret_len)
{
    ssize_t sent;

    if (stream->ssl != NULL) {
        int result;
        ERR_clear_error();
        result = SSL_write_ex(stream->ssl, bytes, len, ret_len);
        return result == 1 ? STREAM_DONE : ssl_state(stream, result);
    }
    sent = send(stream->fd, bytes, len, MSG_NOSIGNAL);
    if (sent < 0)
        return is_retry(errno) ? STREAM_WANTS_WRITE : STREAM_BROKEN;
    *ret_len = (size_t)sent;
    return STREAM_DONE;
}

void
stream_shutdown(struct stream *stream)
{
    if (stream->ssl != NULL && SSL_is_init_finished(stream->ssl)) {
        ERR_clear_error();
        (void)SSL_shutdown(stream->ssl);
    }
    (void)shutdown(stream->fd, SHUT_WR);
}

enum stream_state
stream_discard(struct stream *stream, char *scratch, size_t capacity, size_t *ret_len)
{
    ssize_t got = recv(stream->fd, scratch, capacity, 0);

    if (got < 0)
        return is_retry(errno) ? STREAM_WANTS_READ : STREAM_BROKEN;
    if (got == 0)
        return STREAM_CLOSED;
    *ret_len = (size_t)got;
    return STREAM_DONE;
}

enum stream_state
stream_peek(const struct stream *stream)
{
    char byte;
    ssize_t got = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0)
        return is_retry(errno) ? STREAM_WANTS_READ : STREAM_BROKEN;
    return got == 0 ? STREAM_CLOSED : STREAM_DONE;
}
