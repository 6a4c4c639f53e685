/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inbox's table: what came in, and what is known of what calls are about.
 *
 * The decision whether a call is new and its insert are one step in one transaction, so of two
 * equal calls in flight one is the other's duplicate. A sequence once given grows for ever, also
 * over a restored copy.
 */
#ifndef STORE_INBOX_H
#define STORE_INBOX_H

#include "base/arena.h"
#include "domain/identity.h"
#include "domain/item.h"
#include "store/engine.h"

/* Finds the source's number, or gives it one. */
MUST_CHECK enum err source_register(struct engine *engine, struct str name, int64_t *ret_pk,
    struct error *reterr);

/* A call that is to be stored. Texts are borrowed. */
struct inbox_arrival {
    int64_t source_pk;
    struct identity identity;
    struct str sender_id; /* absent: none; with DUPLICATE_EXACT the digest of the bytes */
    int64_t sender_sequence;
    uint8_t version[SHA256_BYTES];
    enum duplicate_policy policy;
    unsigned flags; /* enum item_flag */
    struct walltime received;
    struct str headers;
    struct str body;

    /* Set by inbox_take. */
    enum arrival arrival;
    int64_t inbox_pk; /* its own; of a duplicate, that of the item which it repeats */
};

/* In order, in the caller's transaction: all or nothing of them. Duplicates are counted at the item
 * which they repeat. Where there is a sender's id it alone tells duplicates, whatever the policy;
 * what has neither object nor person is no version of anything. */
MUST_CHECK enum err inbox_take(struct engine *engine, struct inbox_arrival *const *arrivals,
    size_t count, struct error *reterr);

struct inbox_item {
    int64_t inbox_pk;
    int64_t source_pk;
    struct str source; /* name */
    struct str event;
    struct str object;
    struct str person;
    struct str sender_id;
    int64_t sender_sequence;
    unsigned flags;
    int64_t revision;
    int64_t previous_pk; /* 0: none */
    int64_t duplicates;
    struct walltime received;
    struct str headers;
    struct str body;
    bool is_latest; /* no newer version of its identity is there; false of a stale one */
};

/* Texts are the arena's. ERR_NOT_FOUND. */
MUST_CHECK enum err inbox_get(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct inbox_item *ret, struct error *reterr);

/* What an item's handlers made of it, all together. */
enum inbox_status { INBOX_ANY, INBOX_WAITING, INBOX_DEAD, INBOX_SETTLED };

struct inbox_query {
    struct str source;        /* name; absent: all */
    enum inbox_status status; /* waiting: a handler still owes it; dead: one gave it up */
    struct str email;         /* whose person it is; absent: any */
    unsigned flags;           /* all of these; 0: any */
    int64_t before_pk;        /* 0: from the newest */
    struct walltime after;    /* received then or later; 0: any */
    struct walltime before;   /* received earlier; 0: any */
    size_t limit;
};

struct inbox_page {
    struct inbox_item *items; /* without headers and body */
    size_t count;
    int64_t next_pk; /* before_pk of the next page; 0: this was all */
};

/* Newest first. A page may be short, even empty, when it had to look at many rows: then next_pk
 * goes on. ERR_INVALID: an address that is too long. */
MUST_CHECK enum err inbox_list(struct engine *engine, const struct inbox_query *query,
    struct arena *arena, struct inbox_page *ret, struct error *reterr);

/* Erase whom this address belongs to: items whose person it is, and items whose body or headers
 * hold it (not as a piece of another address), with all that handlers said of them and what the
 * quarantine holds. One bounded step: from *inout (0 at the start, below zero in the quarantine)
 * on, which is INT64_MAX when all was looked at; *ret_erased is added to. ERR_INVALID: no address.
 * ERR_DENIED: there is a quarantine, and the engine has no key to read it with. */
MUST_CHECK enum err inbox_erase_step(struct engine *engine, struct str email, int64_t *inout,
    int64_t *ret_erased, struct error *reterr);

/* Items received before `before`, in bounded steps as above; only where asked those that wait, and
 * newer versions of these, which tell that they are overtaken. */
MUST_CHECK enum err inbox_purge_step(struct engine *engine, struct walltime before,
    bool also_waiting, int64_t *inout, int64_t *ret_purged, struct error *reterr);

#endif
