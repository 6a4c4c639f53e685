/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that were given to requests with an Idempotency-Key, to be given again.
 *
 * A row is written in the transaction of the change that it answers, so that one is there exactly
 * when the other is. Bodies are sealed, for an answer may hold a new secret. A row that is replaced
 * gets a new number: numbers grow with created_us, as retention expects.
 */
#ifndef STORE_IDEMPOTENCY_H
#define STORE_IDEMPOTENCY_H

#include "base/arena.h"
#include "store/engine.h"

struct idempotency_key {
    uint8_t request[SHA256_BYTES]; /* of account, method, path and key */
    uint8_t body[SHA256_BYTES];    /* of what was sent with it */
};

struct kept_answer {
    int status;
    struct str fields; /* lines of "name: value", each with its line feed */
    struct str body;   /* may be empty */
};

/* The answer kept under this key later than since, in the arena. ERR_NOT_FOUND: there is none;
 * ERR_CONFLICT: it was given to another body. */
MUST_CHECK enum err idempotency_find(struct engine *engine, const struct idempotency_key *key,
    struct walltime since, struct arena *arena, struct kept_answer *ret, struct error *reterr);
/* Keep it, in the place of one that is there. The arena is used for what is written. */
MUST_CHECK enum err idempotency_keep(struct engine *engine, const struct idempotency_key *key,
    struct walltime now, const struct kept_answer *answer, struct arena *arena,
    struct error *reterr);

#endif
