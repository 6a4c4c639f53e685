/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quarantine: calls that were refused, kept for a while in bounded room, so that a mistyped
 * secret does not cost a webinar. Nothing here is handled before it was judged again and let in.
 * What proves a caller is in it, so a call is sealed under the store's key.
 */
#ifndef STORE_QUARANTINE_H
#define STORE_QUARANTINE_H

#include "base/arena.h"
#include "store/engine.h"

struct quarantined {
    int64_t quarantine_pk;
    struct str source; /* as it was called */
    struct str peer;
    struct str reason;
    struct walltime received;
    struct str token;   /* as it stood in the path; absent: none */
    struct str headers; /* all of them, lines of "name: value" */
    struct str body;
};

struct quarantine_bounds {
    int64_t bytes_max;
    int64_t keep_us;
    int64_t peer_share; /* of one caller: at most bytes_max / this */
};

/* The oldest go where there is no room, first the same caller's, and those that are too old. What
 * is more than one caller's share by itself is not kept. The engine has the sealing key. */
MUST_CHECK enum err quarantine_put(struct engine *engine, const struct quarantined *calls,
    size_t count, const struct quarantine_bounds *bounds, struct error *reterr);

struct quarantine_query {
    struct str source; /* absent: all */
    int64_t before_pk; /* 0: from the newest */
    size_t limit;
};

/* Newest first, without headers, token and body. */
MUST_CHECK enum err quarantine_list(struct engine *engine, const struct quarantine_query *query,
    struct arena *arena, struct quarantined **ret, size_t *ret_count, struct error *reterr);
MUST_CHECK enum err quarantine_get(struct engine *engine, int64_t quarantine_pk,
    struct arena *arena, struct quarantined *ret, struct error *reterr);
/* Oldest first and whole, after after_pk: to be judged again. */
MUST_CHECK enum err quarantine_next(struct engine *engine, struct str source, int64_t after_pk,
    struct arena *arena, struct quarantined *ret, struct error *reterr);
MUST_CHECK enum err quarantine_delete(struct engine *engine, int64_t quarantine_pk,
    struct error *reterr);
/* All of a source (absent: all of all); *ret_count of them. */
MUST_CHECK enum err quarantine_clear(struct engine *engine, struct str source, int64_t *ret_count,
    struct error *reterr);

/* Those with numbers in (after_pk, last_pk] that came before `before`. */
MUST_CHECK enum err quarantine_expire(struct engine *engine, int64_t after_pk, int64_t last_pk,
    struct walltime before, struct error *reterr);

/* Calls in which this e-mail address stands go; a bounded step, from *inout (0 at the start) on,
 * which is INT64_MAX when all were looked at. ERR_DENIED: there are calls, and no key to read them
 * with. */
MUST_CHECK enum err quarantine_erase_step(struct engine *engine, struct str email, int64_t *inout,
    int64_t *ret_erased, struct error *reterr);

#endif
