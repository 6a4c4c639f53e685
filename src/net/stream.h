/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An accepted connection as a stream of bytes, plain or TLS, that never blocks.
 *
 * After a read nothing is left in TLS's own buffers, so the socket tells whether there is more.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stddef.h>

#include "base/compiler.h"
#include "net/tls.h"

/* A whole TLS record: of less than that, OpenSSL would keep the rest. */
#define STREAM_READ_BYTES_MIN 16384

struct ssl_st;

struct stream {
    int fd;             /* owned */
    struct ssl_st *ssl; /* owned; NULL: plain */
};

enum stream_state {
    STREAM_DONE,
    STREAM_WANTS_READ,  /* go on when the socket is readable */
    STREAM_WANTS_WRITE, /* go on when the socket is writable */
    STREAM_CLOSED,      /* the peer has ended its side */
    STREAM_BROKEN,      /* of no more use */
};

/* Takes the fd also when it fails. tls NULL: plain. */
MUST_CHECK enum err stream_init(struct stream *stream, int fd, struct tls_server *tls);
void stream_done(struct stream *stream); /* closes */

MUST_CHECK enum stream_state stream_handshake(struct stream *stream);
/* STREAM_DONE: at least one byte. capacity is at least STREAM_READ_BYTES_MIN. */
MUST_CHECK enum stream_state stream_read(struct stream *stream, char *out, size_t capacity,
    size_t *ret_len);
MUST_CHECK enum stream_state stream_write(struct stream *stream, const char *bytes, size_t len,
    size_t *ret_len);

/* No more is written; the peer may read what was. */
void stream_shutdown(struct stream *stream);
/* Take bytes off the socket, below TLS, and forget them; STREAM_DONE: there were some. */
MUST_CHECK enum stream_state stream_discard(struct stream *stream, char *scratch, size_t capacity,
    size_t *ret_len);
/* Look without taking: DONE: bytes wait, WANTS_READ: none, CLOSED, BROKEN. */
MUST_CHECK enum stream_state stream_peek(const struct stream *stream);

#endif
