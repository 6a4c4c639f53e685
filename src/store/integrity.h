/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the database hold together? SQLite's own check, and what must be so between our rows.
 *
 * It reads all there is, in one transaction, and changes nothing; a server may write meanwhile.
 */
#ifndef STORE_INTEGRITY_H
#define STORE_INTEGRITY_H

#include "store/engine.h"

struct integrity {
    /* A sentence for a person, once for each kind of fault: what is wrong, how often, and where to
     * look first. */
    void (*found)(void *arg, struct str sentence);
    void *arg;
    int64_t faults; /* kinds that were found */
};

/* OK when all could be read, whatever was found. ERR_CONFLICT: not of this program's schema. */
MUST_CHECK enum err integrity_check(struct engine *engine, struct integrity *inout,
    struct error *reterr);

#endif
