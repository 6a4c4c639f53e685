/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items of the inbox and refused calls, as they look in an answer and on the command line, and who
 * may ask for them.
 *
 * What proves a caller is told by its length and a piece of its digest, which is enough to know it
 * again.
 */
#ifndef API_INBOX_H
#define API_INBOX_H

#include "base/json.h"
#include "http/call.h"
#include "receive/setup.h"
#include "store/handlers.h"
#include "store/quarantine.h"

/* The inbox belongs to the store's first account; to others it is not there (404). */
MUST_CHECK enum err inbox_account_check(struct call *call);

/* --- items --- */

/* An item, and how it stands with each handler. */
struct inbox_row {
    struct inbox_item item;
    struct handling_state *handlings;
    size_t handling_count;
};

struct inbox_rows {
    struct inbox_row *list;
    size_t count;
    int64_t next_pk; /* before_pk of the next page; 0: this was all */
};

/* inbox_list, with the handlings. */
MUST_CHECK enum err inbox_rows_read(struct engine *engine, const struct inbox_query *query,
    struct arena *arena, struct inbox_rows *ret, struct error *reterr);
/* "waiting", "dead" or "settled". */
MUST_CHECK enum err inbox_status_parse(struct str text, enum inbox_status *ret);
void write_inbox_row(struct json_writer *writer, const struct inbox_row *row);

/* The person that an item is about, as it came: without the letter that says what it is told by.
 * Absent: nobody. */
struct str inbox_person(const struct inbox_item *item);

/* Of an item's log so many lines are shown, the newest. */
#define INBOX_LOG_SHOWN 100

/* Memory for an item with all that is known of it: a body of 1 MiB may have a tree of 100. */
#define INBOX_ARENA_BYTES_MAX ((size_t)128 * 1024 * 1024)

struct inbox_whole {
    struct inbox_row row;
    struct handling_logged *log;
    size_t log_count;
    struct str model; /* JSON (domain/received.h); absent: its body cannot be read */
};

/* ERR_NOT_FOUND. */
MUST_CHECK enum err inbox_whole_read(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct inbox_whole *ret, struct error *reterr);
/* ERR_NOMEM: the arena is full. */
MUST_CHECK enum err write_inbox_whole(struct json_writer *writer, struct arena *arena,
    const struct inbox_whole *whole);

/* --- refused calls --- */

/* The fields that a list has, inside an object that is open. */
void write_refused_fields(struct json_writer *writer, const struct quarantined *call);
/* The whole object. setup: to know what proves a caller; NULL: by words that are known alone.
 * ERR_NOMEM: the arena is full. */
MUST_CHECK enum err write_refused(struct json_writer *writer, struct arena *arena,
    const struct setup *setup, const struct quarantined *call);

/* The next line of "name: value"; false: there is none. */
bool next_header(struct str *rest, struct str *ret_name, struct str *ret_value);
/* A header's value or, where it may prove a caller, what is told of it; in the arena. */
struct str refused_value(struct arena *arena, const struct source *source, struct str name,
    struct str value);
/* "43 bytes, sha256 1a2b", in the arena; absent when that is full, or value is. */
struct str refused_hint(struct arena *arena, struct str value);

#endif
