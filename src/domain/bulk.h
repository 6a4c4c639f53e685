/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bulk upload as it streams in: lines of NDJSON, or rows of CSV, each an attendee or what is
 * wrong with it.
 *
 * Memory does not grow with the upload. However its bytes are cut into pieces, the lines are the
 * same. CSV starts with a header row that names the columns, in any order; without a good one no
 * row can be read. In CSV an empty cell says nothing; in JSON null says that there is none.
 */
#ifndef DOMAIN_BULK_H
#define DOMAIN_BULK_H

#include "domain/attendee.h"

enum bulk_format { BULK_NDJSON, BULK_CSV };

struct bulk_line {
    int64_t number; /* from 1, as an editor counts; the header row is one, too */
    struct attendee attendee;
    bool has_phone; /* false: the line does not say; else absent means that there is none */
    bool has_timezone;
};

struct bulk_reader;

struct bulk_reader_events {
    /* Borrowed for the call. Names and emails are there; whether the zone exists is not known. */
    void (*on_line)(const struct bulk_line *line, void *arg);
    /* Faults are at "/lines/NUMBER/email" and the like. */
    void (*on_bad_line)(int64_t number, const struct faults *faults, void *arg);
    void *arg;
};

MUST_CHECK enum err bulk_reader_new(enum bulk_format format,
    const struct bulk_reader_events *events, struct bulk_reader **ret);
void bulk_reader_free(struct bulk_reader *reader);
void bulk_reader_freep(struct bulk_reader **reader);

/* ERR_NOMEM is the end: nothing may be fed any more. */
MUST_CHECK enum err bulk_reader_feed(struct bulk_reader *reader, struct str piece);
/* The last line may lack its end. */
MUST_CHECK enum err bulk_reader_end(struct bulk_reader *reader);
/* The header row is not good (it was reported as a bad line): what follows is not looked at. */
bool bulk_reader_is_lost(const struct bulk_reader *reader);

#endif
