/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What usher send posts: samples of an event, each for another attendee, or what a file holds.
 *
 * A file is one body of JSON, or one on each line; its bodies are taken in turn, again from the
 * first behind the last, without the white space around them.
 */
#ifndef CLI_SEND_BODIES_H
#define CLI_SEND_BODIES_H

#include "base/buf.h"
#include "base/moment.h"

#define SEND_FILE_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct usher_zone;

struct send_bodies {
    const char *event; /* borrowed; of samples */
    struct walltime from;
    struct usher_zone *zone; /* owned: the creator's */
    struct buf file;
    struct str *bodies; /* owned; they lie in file */
    size_t count;       /* 0: samples */
};

/* ERR_INVALID: there is no such event, and what may be meant. */
MUST_CHECK enum err send_bodies_samples(struct send_bodies *bodies, const char *event,
    struct walltime now, struct error *reterr);
/* ERR_INVALID names the line. path: "-" is the standard input. */
MUST_CHECK enum err send_bodies_file(struct send_bodies *bodies, const char *path,
    struct error *reterr);
/* The same of a text; name: the file's, for the error. Takes what text holds. */
MUST_CHECK enum err send_bodies_text(struct send_bodies *bodies, const char *name, struct buf *text,
    struct error *reterr);
/* After any of these, also where it failed; zeroed is fine. */
void send_bodies_done(struct send_bodies *bodies);

/* Append that of the request with this index, from 0. */
MUST_CHECK enum err send_bodies_render(const struct send_bodies *bodies, int64_t index,
    struct buf *body);

#endif
