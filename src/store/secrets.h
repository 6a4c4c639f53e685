/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets at rest: sealed under one key that does not lie in the database.
 *
 * A secret is bound to its place, so that one copied to another row or column does not open. The
 * database holds a check value, so that a missing or wrong key is noticed at the start and not at
 * the first delivery.
 */
#ifndef STORE_SECRETS_H
#define STORE_SECRETS_H

#include "base/arena.h"
#include "store/engine.h"

struct secret_place {
    const char *table;
    const char *column;
    struct id row;
};

/* Read the key from key_hex, or where that is NULL from the file at key_path, check it against the
 * database and give it to the engine. The file is made only for a database that has never had a
 * key. ERR_DENIED: it is missing, readable by others, or another database's; the text says what
 * to do. */
MUST_CHECK enum err secrets_open(struct engine *engine, const char *key_path, const char *key_hex,
    struct error *reterr);

/* Both give an absent text for an absent one. */
MUST_CHECK enum err secret_seal(struct engine *engine, const struct secret_place *place,
    struct str plain, struct arena *arena, struct str *ret, struct error *reterr);
/* ERR_DENIED when it was not sealed for this place under this key. */
MUST_CHECK enum err secret_open(struct engine *engine, const struct secret_place *place,
    struct str sealed, struct arena *arena, struct str *ret, struct error *reterr);

#endif
