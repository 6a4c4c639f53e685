/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Absolute http and https URLs, as endpoints are given: strict (RFC 3986), no guessing.
 *
 * Refused: other schemes, white space and control bytes, backslash, fragments, non-ASCII (a host
 * comes as punycode), characters that must be percent-encoded, empty hosts or user info, ports
 * outside 1 to 65535, percent-encoded or odd hosts, scoped IPv6, and every spelling of an IPv4
 * address but four plain decimals (so 0x7f.1, 2130706433, 0177.0.0.1, 127.1, 127.0.0.1. are
 * refused). What was parsed, printed and parsed again is the same URL.
 */
#ifndef NET_URL_H
#define NET_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

struct url {
    bool is_tls;
    struct str host; /* lower case; IPv6 canonical, no brackets; one trailing dot dropped */
    bool is_host_ipv6;
    bool is_host_ipv4;
    uint16_t port; /* default filled in */
    bool is_port_default;
    struct str target;    /* path and query, at least "/" */
    struct str user_info; /* as written, "user:password"; absent when there is none */
};

/* Parts live in the arena. ERR_INVALID with a sentence that says what to change; ERR_NOMEM when
 * the arena is full. */
MUST_CHECK enum err url_parse(struct str text, struct arena *arena, struct url *ret,
    struct error *reterr);

/* "host", "host:8080" or "[::1]:8080": the Host field's value; port only where not the default. */
void url_append_authority(const struct url *url, struct buf *buf);
/* The URL again without its user info. */
void url_append_public(const struct url *url, struct buf *buf);
/* "Basic …" (RFC 7617) from the user info, percent-decoded; nothing when there is none. ERR_LIMIT
 * when the buffer is full. */
MUST_CHECK enum err url_append_basic(const struct url *url, struct buf *buf);

#endif
