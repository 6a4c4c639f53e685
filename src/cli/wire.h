/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the whole server from its settings, in order, and takes it down in reverse: the best file
 * to read first.
 *
 *   building ──▶ serving ──wire_drain──▶ finishing calls ──▶ stopping lanes ──▶ stopped
 *
 * All functions are for the main thread, which waits on wire_mailbox and delivers what comes.
 */
#ifndef CLI_WIRE_H
#define CLI_WIRE_H

#include "cli/config.h"
#include "net/address.h"
#include "os/mailbox.h"

struct setup;
struct wire;

/* What there is to be of it. */
struct wire_parts {
    bool platform;       /* the API of creators, and sending to their hooks */
    struct setup *inbox; /* held by the wire, too: /in/, and handlers for what comes; NULL: none */
};

/* When it returns, requests are taken. config is borrowed for the call. */
MUST_CHECK enum err wire_open(const struct config *config, const struct wire_parts *parts,
    struct wire **ret, struct error *reterr);
/* The address that the API is at, and whether with TLS. */
struct address wire_address(const struct wire *wire);
bool wire_is_tls(const struct wire *wire);

/* Take no more requests, finish those that are here, let what is under way to hooks end, flush. */
void wire_drain(struct wire *wire);
bool wire_is_stopped(const struct wire *wire);
struct mailbox *wire_mailbox(struct wire *wire);
/* Read the certificate again, and take up these sources and handlers (NULL where there are none);
 * what fails stays as it was. */
MUST_CHECK enum err wire_reload(struct wire *wire, struct setup *inbox, struct error *reterr);
/* Somebody else has written to the store: have all handlers look. */
void wire_wake(struct wire *wire);
/* What is received; NULL: nothing. Until the next reload. */
const struct setup *wire_setup(const struct wire *wire);

void wire_close(struct wire *wire); /* stopped, or never opened: NULL */

#endif
