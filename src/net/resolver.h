/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses without blocking a loop: /etc/hosts and the system's name servers, through
 * libevent's evdns; one resolver per loop.
 *
 * A name whose server is silent ends after its own time-out of 6 s and holds up nobody else. Names
 * are taken as whole: no search domains. localhost and what ends in .localhost is loopback
 * (RFC 6761). A change of /etc/hosts or /etc/resolv.conf is seen by the next question that is
 * asked while no other is under way. Nothing is cached: connections are.
 */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/address.h"
#include "net/loop.h"

#define RESOLVED_MAX 16

/* Questions under way at once, each of two packets: more than one loop ever has connections being
 * opened, and a bound for the day when every name server is silent. */
#define RESOLVER_QUESTIONS_MAX 1024

struct resolver;
struct resolving; /* a question under way */

struct resolved {
    enum err err; /* OK; ERR_NOT_FOUND: no such name or no address; ERR_IO: no answer */
    struct address addresses[RESOLVED_MAX];
    size_t count;
};

/* nameserver: "127.0.0.1:5353" instead of /etc/resolv.conf; else NULL. A system without name
 * servers is no failure: names are then asked of 127.0.0.1, as libc does. */
MUST_CHECK enum err resolver_new(struct loop *loop, const char *nameserver, struct resolver **ret,
    struct error *reterr);
/* Every question must have ended or been cancelled. What libevent still holds of a cancelled one
 * is given back when the loop turns again. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* done is called exactly once, never from inside this call, unless cancelled first. Literal
 * addresses are answered too. host may end in one dot. ERR_INVALID for what cannot be a name,
 * ERR_BUSY with RESOLVER_QUESTIONS_MAX under way. */
MUST_CHECK enum err resolver_ask(struct resolver *resolver, struct str host, uint16_t port,
    void (*done)(const struct resolved *resolved, void *arg), void *arg, struct resolving **ret);
/* Not from done on. */
void resolving_cancel(struct resolving *resolving);

#endif
