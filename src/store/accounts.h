/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts, and the keys that open them. An account sees nothing of another's.
 *
 * A deleted account is not found any more, and its name is free. What belongs to it goes piece by
 * piece, to the byte, since it is about people: account_purge_step, until there is no more. Answers
 * that were kept for an Idempotency-Key name no account; they go by their own age.
 */
#ifndef STORE_ACCOUNTS_H
#define STORE_ACCOUNTS_H

#include "base/arena.h"
#include "domain/account.h"
#include "store/engine.h"

/* Of the account that was made first, whose the inbox is: no other one has it after that was
 * deleted. */
#define ACCOUNT_FIRST_PK 1

/* Its pk is set by the store. ERR_INVALID for a bad name; ERR_CONFLICT when there is one of that
 * name or id. */
MUST_CHECK enum err account_create(struct engine *engine, const struct account *account,
    int64_t *ret_pk, struct error *reterr);
/* Texts that come out lie in the arena. */
MUST_CHECK enum err account_find(struct engine *engine, struct str name, struct arena *arena,
    struct account *ret, struct error *reterr); /* ERR_NOT_FOUND */
MUST_CHECK enum err account_get(struct engine *engine, struct id id, struct arena *arena,
    struct account *ret, struct error *reterr); /* ERR_NOT_FOUND */
/* How many there ever were, as far as anything is left of them. */
MUST_CHECK enum err account_count(struct engine *engine, int64_t *ret, struct error *reterr);

struct account_list {
    struct account *list; /* in the arena, the newest first */
    size_t count;
};

MUST_CHECK enum err account_list(struct engine *engine, int64_t before_pk, int64_t limit,
    struct arena *arena, struct account_list *ret, struct error *reterr);
/* Name, rate limit and updated. ERR_CONFLICT when another has the name. */
MUST_CHECK enum err account_update(struct engine *engine, const struct account *account,
    struct error *reterr);

struct account_hooks {
    int64_t *pks; /* in the arena */
    size_t count;
};

/* Its hooks that are not deleted, at most limit of them. */
MUST_CHECK enum err account_hooks(struct engine *engine, int64_t account_pk, int64_t limit,
    struct arena *arena, struct account_hooks *ret, struct error *reterr);
/* When its hooks are deleted: it is not found any more. Its keys go, too. */
MUST_CHECK enum err account_delete(struct engine *engine, int64_t account_pk, struct walltime now,
    struct error *reterr);

/* Take away a piece of what is left of deleted accounts, in a transaction of its own that holds the
 * writer for some milliseconds; *ret_more: call again. */
MUST_CHECK enum err account_purge_step(struct engine *engine, bool *ret_more, struct error *reterr);

/* --- keys --- */

/* key: what is stored of it (account_pk 0 makes an admin key; pk and hint are the store's to set);
 * text: as it is presented. */
MUST_CHECK enum err key_create(struct engine *engine, const struct api_key *key, struct str text,
    struct error *reterr);
/* The key that is presented. ERR_NOT_FOUND: nobody's, or not shaped like one. An expired one is
 * found, too: key_is_expired. Its texts lie in the arena. */
MUST_CHECK enum err key_find(struct engine *engine, struct str text, struct arena *arena,
    struct api_key *ret, struct error *reterr);
/* The same by key_hash's digest. */
MUST_CHECK enum err key_find_hash(struct engine *engine, const uint8_t hash[SHA256_BYTES],
    struct arena *arena, struct api_key *ret, struct error *reterr);
MUST_CHECK enum err key_get(struct engine *engine, struct id id, struct arena *arena,
    struct api_key *ret, struct error *reterr); /* ERR_NOT_FOUND */

struct key_list {
    struct api_key *list; /* in the arena, the newest first */
    size_t count;
};

struct key_query {
    bool is_of_account; /* else all there are */
    int64_t account_pk; /* 0: admin keys */
    int64_t before_pk;
    int64_t limit;
};

MUST_CHECK enum err key_list(struct engine *engine, const struct key_query *query,
    struct arena *arena, struct key_list *ret, struct error *reterr);
/* It opens nothing from now on. */
MUST_CHECK enum err key_delete(struct engine *engine, int64_t key_pk, struct error *reterr);
/* All of the account. */
MUST_CHECK enum err keys_delete(struct engine *engine, int64_t account_pk, struct error *reterr);

#endif
