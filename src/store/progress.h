/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which fan-outs have changed, for those who watch them (GET /stream).
 *
 * Each change gives a fan-out a number that grows over the whole store; those that change in one
 * transaction share it. So a cursor is that number and the fan-out: read on from it, and nothing is
 * missed, and nothing older comes again. Of several changes of one fan-out only the last is seen.
 */
#ifndef STORE_PROGRESS_H
#define STORE_PROGRESS_H

#include "base/arena.h"
#include "store/events.h"

struct progress_cursor {
    int64_t changed;
    int64_t fanout_pk;
};

/* "1710496800000000-42" and its NUL, with the largest numbers. */
#define PROGRESS_CURSOR_TEXT_BYTES 41

void progress_cursor_format(struct progress_cursor cursor,
    char ret_text[PROGRESS_CURSOR_TEXT_BYTES]);
MUST_CHECK enum err progress_cursor_parse(struct str text, struct progress_cursor *ret);
/* Is a's change older than b's? */
bool progress_cursor_is_before(struct progress_cursor a, struct progress_cursor b);

struct progress_row {
    struct progress_cursor at;
    int64_t account_pk;
    struct id event_id;
    struct fanout_progress progress;
};

struct progress_page {
    struct progress_row *rows; /* in the arena, the oldest change first */
    size_t count;
    struct progress_cursor next; /* read on from here */
    bool is_last;                /* nothing has changed since next */
};

struct progress_query {
    struct progress_cursor after;
    const int64_t *account_pks; /* whose changes are wanted */
    size_t account_count;
    int64_t max; /* changes to look at, those of other accounts included */
};

MUST_CHECK enum err progress_changed(struct engine *engine, const struct progress_query *query,
    struct arena *arena, struct progress_page *ret, struct error *reterr);

/* What the account has open now: those that changed last, at most max. What is finished or changes
 * from now on comes after next. */
MUST_CHECK enum err progress_open(struct engine *engine, int64_t account_pk, int64_t max,
    struct arena *arena, struct progress_page *ret, struct error *reterr);

#endif
