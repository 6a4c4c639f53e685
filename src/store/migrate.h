/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema's steps: numbered files, compiled into the program, applied in order, each in a
 * transaction of its own.
 *
 * A database that holds something is copied beside itself first. One from a newer program is
 * refused, and so is a file that is not ours. A step is never edited once it was released.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/engine.h"

struct migration {
    const char *name;
    const char *sql;
};

/* Bring the database at path to this program's schema; nothing to do is OK. ERR_CONFLICT: it is of
 * a newer program, or not ours. */
MUST_CHECK enum err migrate(struct engine *engine, const char *path, struct error *reterr);

/* The same with other steps; for tests. */
MUST_CHECK enum err migrate_by(struct engine *engine, const char *path,
    const struct migration *steps, size_t count, struct error *reterr);

int64_t migrate_newest(void); /* this program's schema */
/* The schema that the database has; 0 for an empty one. */
MUST_CHECK enum err migrate_version(struct engine *engine, int64_t *ret, struct error *reterr);

#endif
