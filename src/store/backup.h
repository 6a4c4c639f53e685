/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of the database, and back: for the command line, beside a server that may be running.
 *
 * A copy is of one moment, whatever is written meanwhile, and appears under its name whole or not
 * at all. The key that seals its secrets is not in it. Neither way anything is overwritten that
 * nobody asked to have overwritten: what a copy takes the place of is kept under another name.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include "os/disk.h"
#include "store/engine.h"

/* What is in a copy. */
struct backup {
    int64_t bytes;
    int64_t schema;
    int64_t events;
    int64_t fanouts_open;
    struct walltime until; /* of the newest event; 0: there is none */
};

struct backup_write_args {
    const char *db_path;
    const char *file;
    bool may_replace; /* a file that is there already */
};
/* ERR_CONFLICT: the file is there, or is the database itself. ERR_NOT_FOUND: there is no such
 * database. It takes as long as reading all of it, and the server's log grows by what is written
 * meanwhile. */
MUST_CHECK enum err backup_write(const struct backup_write_args *args, struct backup *ret,
    struct error *reterr);

struct backup_restore_args {
    const char *db_path;
    const char *file;
    const char *key_path; /* as for store_open */
    const char *key_hex;
    struct walltime now; /* for the name under which the present database is kept */
};

struct backup_restored {
    struct backup backup;
    char kept[DISK_PATH_BYTES]; /* where the database is that was there, with its log beside it if
                                 * it could not be read; "": there was none */
};
/* The file is copied and the copy tried: whole, of a schema that this program knows, its secrets
 * under this key. Only then it takes the place of the database, which no process may serve. */
MUST_CHECK enum err backup_restore(const struct backup_restore_args *args,
    struct backup_restored *ret, struct error *reterr);

/* A connection that may only read leaves SQLite's files beside a database that nobody serves; this
 * takes them away, where it may. It does nothing beside a server. */
void backup_tidy(const char *db_path);

#endif
