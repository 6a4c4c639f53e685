/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large files as wholes: how much room their disk has, drafts that become files, copies.
 *
 * A file appears under its name whole and on disk, or not at all. Nothing here reads what is in it.
 */
#ifndef OS_DISK_H
#define OS_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define DISK_PATH_BYTES 4096

/* Room for files of ours on the disk that holds path. */
MUST_CHECK enum err disk_free(const char *path, int64_t *ret_bytes, struct error *reterr);

/* Is there a file of this name, and how long is it? ERR_INVALID: it is a folder, or no file. */
MUST_CHECK enum err disk_look(const char *path, bool *ret_exists, int64_t *ret_bytes,
    struct error *reterr);
/* Do both names lead to one file? */
bool disk_is_same(const char *one, const char *other);
/* The file's own name where path is a link to it; path as it is where there is no file. */
MUST_CHECK enum err disk_resolve(const char *path, char ret[DISK_PATH_BYTES], struct error *reterr);

/* An empty file that only its owner may read, of a new name beside path: path.XXXXXX. The caller
 * removes it, or makes it something with disk_put. */
MUST_CHECK enum err disk_draft(const char *path, char ret[DISK_PATH_BYTES], struct error *reterr);
/* Into a file that is there, from its start. */
MUST_CHECK enum err disk_copy(const char *from, const char *to, struct error *reterr);
/* The draft becomes path, on disk when this returns. ERR_CONFLICT: path is there and may not be
 * replaced; then, and at any failure, the draft stays a draft. */
MUST_CHECK enum err disk_put(const char *draft, const char *path, bool may_replace,
    struct error *reterr);
/* The file is found under name, too, which must not be taken (ERR_CONFLICT); where a file system
 * has no links, under name alone. ERR_NOT_FOUND: there is no such file. */
MUST_CHECK enum err disk_keep(const char *path, const char *name, struct error *reterr);

/* Let the file belong to whom model belongs to, a file or a folder: who restores is often root, and
 * who serves is not. Others may not give files away, and then nothing changes. */
MUST_CHECK enum err disk_give(const char *path, const char *model, struct error *reterr);
/* "./" where path names no folder. */
MUST_CHECK enum err disk_folder(const char *path, char ret[DISK_PATH_BYTES], struct error *reterr);

#endif
