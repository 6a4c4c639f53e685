/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that does exactly what a test tells it, byte by byte: a script that runs in a thread of
 * its own on blocking sockets of 127.0.0.1, plain or TLS.
 *
 *     static void
 *     script(struct peer *peer, void *arg)
 *     {
 *         peer_accept(peer);
 *         peer_request(peer);
 *         peer_send(peer, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
 *         peer_wait_close(peer);
 *     }
 *
 * Every step gives up after 10 s, so that a broken test ends; what went wrong first is printed, the
 * steps after it do nothing, and peer_stop tells. Nothing sleeps: each step waits for the other
 * side. The calls up to peer_stop are the test's, those after it the script's.
 */
#ifndef TEST_SUPPORT_PEER_H
#define TEST_SUPPORT_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct peer;

/* Listening when it returns; aborts where even that fails. */
struct peer *peer_start(void (*script)(struct peer *peer, void *arg), void *arg);
/* With TLS: peer_accept also shakes hands. Both are PEM files. */
struct peer *peer_start_tls(const char *certificate_path, const char *key_path,
    void (*script)(struct peer *peer, void *arg), void *arg);
uint16_t peer_port(const struct peer *peer);
/* Connections accepted so far. */
unsigned peer_accepted(const struct peer *peer);
/* Those of them whose TLS session was resumed. */
unsigned peer_resumed(const struct peer *peer);
/* Wait for the script's end, then free. False when a step went wrong. */
bool peer_stop(struct peer *peer);

/* A port of 127.0.0.1 on which nobody listens, nor can while the socket returned is open: close it
 * in the end. */
int peer_refused_open(uint16_t *ret_port);

/* The next connection; the one before is closed. */
bool peer_accept(struct peer *peer);
/* Like it, where the handshake is meant to fail. */
void peer_accept_refused(struct peer *peer);
/* Read one whole request: head and Content-Length bytes of body. */
bool peer_request(struct peer *peer);
/* The request last read; valid until the next one. */
struct str peer_request_text(const struct peer *peer);
/* Read until the first bytes of a request are there. */
bool peer_some_bytes(struct peer *peer);
/* Read until what came since the last such step ends in this text: for what is no HTTP. It is what
 * peer_request_text then gives. */
bool peer_read_until(struct peer *peer, const char *end);
void peer_send(struct peer *peer, const char *text);
void peer_send_bytes(struct peer *peer, struct str bytes);
/* Send, whether or not the other side still takes it: where it is meant to hang up. */
void peer_send_until_closed(struct peer *peer, const char *text, unsigned times);
/* What is sent between the two leaves in as few packets as can be. */
void peer_hold(struct peer *peer);
void peer_release(struct peer *peer);
void peer_close(struct peer *peer); /* in good order: FIN, with TLS close_notify before it */
void peer_reset(struct peer *peer); /* RST */
/* Wait until the other side has closed. */
bool peer_wait_close(struct peer *peer);
/* Say what went wrong; the first one counts. */
void peer_fail(struct peer *peer, const char *text);

#endif
