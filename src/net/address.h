/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses may be called: nobody's own network, unless the operator opens it.
 *
 * Denied are loopback, private, link-local, shared, reserved, documentation, multicast and
 * metadata ranges (IANA special registries), all of IPv6 that is not global unicast, and
 * everything that leads to IPv4 in another dress: IPv4-compatible, NAT64, 6to4, Teredo, and
 * ISATAP around a denied address. IPv4-mapped addresses are judged as the IPv4 they are. Judged
 * again on the socket really connected.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } as;

    socklen_t len;
};

#define ADDRESS_TEXT_BYTES 72 /* "[…]:65535" with room */
#define CIDR_MAX           64

struct cidr {
    struct in6_addr network; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;           /* of 128 */
};

/* What an operator has opened. Read-only once the loops run. Opening a range of IPv6 that carries
 * IPv4 (64:ff9b::/96 on a network with NAT64) opens only those whose IPv4 may be called too; that
 * of NAT64 is looked for in the last four bytes, as under a prefix of 96 bits. */
struct address_guard {
    struct cidr allowed[CIDR_MAX];
    size_t count;
    bool allow_all;
};

/* "10.0.0.0/8", "::1", "fd00::/8"; host bits must be zero. */
MUST_CHECK enum err cidr_parse(struct str text, struct cidr *ret, struct error *reterr);
/* A range of fewer than 96 bits holds no IPv4: ::/0 is all of IPv6, 0.0.0.0/0 all of IPv4. */
bool cidr_holds(const struct cidr *cidr, const struct address *address);

/* NULL when the address may be called, else why not: "loopback", "private", "link-local"… */
const char *address_denied(const struct address_guard *guard, const struct address *address);

/* "127.0.0.1", "127.0.0.1:80", "[::1]:80", "::1"; port 0 when none is given. No names. */
MUST_CHECK enum err address_parse(struct str text, struct address *ret, struct error *reterr);
void address_format(const struct address *address, char ret_text[ADDRESS_TEXT_BYTES]);
uint16_t address_port(const struct address *address);
void address_set_port(struct address *address, uint16_t port);

#endif
