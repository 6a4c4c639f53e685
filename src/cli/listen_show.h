/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call that came in, as a block of lines for a person: what it is, of whom, when for each side,
 * and whether it is signed as it should be.
 *
 * Reads and verifies with the public library alone. Pure; what it prints is fit for a terminal.
 */
#ifndef CLI_LISTEN_SHOW_H
#define CLI_LISTEN_SHOW_H

#include "base/buf.h"
#include "base/moment.h"
#include "net/http_parse.h"

#define LISTEN_TOLERANCE_S 300

struct usher_verifier;

/* Borrowed. */
struct shown_call {
    int64_t number; /* of the calls since the start, from 1 */
    struct walltime at;
    const struct http_head *head;
    struct str body;
    bool shows_body; /* as it came, too */
};

/* verifier NULL: no secret was given, so nothing is said of a signature but that it is there. */
void call_show(const struct shown_call *call, struct usher_verifier *verifier, struct buf *say);

#endif
