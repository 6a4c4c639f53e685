/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a host and a port to a connected socket: look the name up, judge every address, race IPv6
 * and IPv4 (RFC 8305: IPv6 first, the next address 250 ms later or as soon as one fails).
 *
 * One denied address refuses the whole answer: a name that mixes public and private addresses is
 * an attempt, not an accident. The peer of the winning socket is judged once more. Where there is
 * no descriptor or memory for a socket it waits, for that is not the peer's fault. No time-out of
 * its own: who dials cancels.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "net/address.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/resolver.h"

struct dial;

struct dialed {
    enum http_failure failure; /* HTTP_OK, or HTTP_FAIL_DNS, _DENIED, _CONNECT */
    const char *detail;        /* static; NULL when all is well */
    int fd;                    /* non-blocking, without delay; the receiver's; -1 on failure */
};

struct dial_options {
    struct loop *loop;                 /* borrowed */
    struct resolver *resolver;         /* borrowed */
    const struct address_guard *guard; /* borrowed */
    /* There is no descriptor or memory for a socket: give back what can be spared; false when there
     * is nothing. May be NULL. */
    bool (*make_room)(void *room_arg);
    void *room_arg;
};

/* done is called exactly once, never from inside this call, unless cancelled first; the dial is
 * gone by then. ERR_BUSY when too many names are being looked up. */
MUST_CHECK enum err dial_start(const struct dial_options *options, struct str host, uint16_t port,
    void (*done)(const struct dialed *dialed, void *arg), void *arg, struct dial **ret);
void dial_cancel(struct dial *dial);
/* What it is waiting for: "looking up the name" or "connecting". */
const char *dial_phase(const struct dial *dial);

#endif
