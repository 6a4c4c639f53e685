/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused calls on their way to the quarantine: in bounded memory, and written beside the calls
 * that were accepted, never in front of them.
 *
 * A few at a time and not often, so that a flood of forged calls costs the store next to nothing.
 * What does not fit is dropped and counted, and no peer can fill more than its share. One per loop.
 */
#ifndef RECEIVE_QUARANTINE_LINE_H
#define RECEIVE_QUARANTINE_LINE_H

#include "net/address.h"
#include "net/http_parse.h"
#include "net/loop.h"
#include "store/quarantine.h"
#include "store/store.h"

struct quarantine_line;

struct quarantine_line_options {
    struct loop *loop;
    struct store_port *port;
    struct quarantine_bounds bounds; /* of what is kept; bytes_max 0: nothing is */
    int64_t bytes_max;               /* of what waits here */
};

/* A refused call; all is copied. */
struct refused_call {
    struct str source; /* as it was called */
    const struct address *peer;
    const char *reason;
    struct walltime received;
    struct str token; /* absent: none */
    const struct http_head *head;
    struct str body;
};

MUST_CHECK enum err quarantine_line_new(const struct quarantine_line_options *options,
    struct quarantine_line **ret, struct error *reterr);
/* Nothing is under way; what waits is lost. NULL is fine. */
void quarantine_line_free(struct quarantine_line *line);
void quarantine_line_add(struct quarantine_line *line, const struct refused_call *call);
/* Write what waits now, and then what comes at once: the loop will end. */
void quarantine_line_drain(struct quarantine_line *line);
/* Calls that are not written yet. */
size_t quarantine_line_busy(const struct quarantine_line *line);

#endif
