/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first start on an empty database: the account "default" and a key for it.
 */
#ifndef CLI_FIRST_START_H
#define CLI_FIRST_START_H

#include "base/id.h"
#include "store/store.h"

#define FIRST_ACCOUNT "default"

/* Nothing where there is an account already. The key is printed when standard error is a terminal,
 * else written to a file beside the database that only its owner may read, whose path is logged. */
MUST_CHECK enum err first_start(struct store *store, struct id_source *ids,
    const struct clock *clock, const char *db_path, struct error *reterr);

#endif
