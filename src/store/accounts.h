/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts, and the keys that open them. An account sees nothing of another's.
 */
#ifndef STORE_ACCOUNTS_H
#define STORE_ACCOUNTS_H

#include "base/arena.h"
#include "domain/account.h"
#include "store/engine.h"

struct account {
    int64_t pk;
    struct id id;
    struct str name; /* in the arena */
    struct walltime created;
};

/* ERR_INVALID for a bad name; ERR_CONFLICT when there is one of that name. */
MUST_CHECK enum err account_create(struct engine *engine, struct id id, struct str name,
    struct walltime now, int64_t *ret_pk, struct error *reterr);
MUST_CHECK enum err account_find(struct engine *engine, struct str name, struct arena *arena,
    struct account *ret, struct error *reterr); /* ERR_NOT_FOUND */
MUST_CHECK enum err account_count(struct engine *engine, int64_t *ret, struct error *reterr);

/* key: what is stored of it (account_pk 0 makes an admin key); text: as it is presented. */
MUST_CHECK enum err key_create(struct engine *engine, const struct api_key *key, struct str text,
    struct error *reterr);
/* The key that is presented. ERR_NOT_FOUND: nobody's, or not shaped like one. An expired one is
 * found, too: key_is_expired. Its name lies in the arena. */
MUST_CHECK enum err key_find(struct engine *engine, struct str text, struct arena *arena,
    struct api_key *ret, struct error *reterr);

#endif
