/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process at a time serves a database file, by whatever name it is called: a lock on a file
 * beside it, which holds the pid.
 *
 * The kernel drops the lock with the process, however that ends; the file stays.
 */
#ifndef STORE_FILE_LOCK_H
#define STORE_FILE_LOCK_H

#include <stdint.h>

#include "base/err.h"

/* ERR_CONFLICT names the process that holds it. */
MUST_CHECK enum err file_lock_take(const char *db_path, int *ret_fd, struct error *reterr);
/* The process that holds it, to be sent a signal. ERR_NOT_FOUND: none does. ERR_BUSY: one that has
 * just begun, or ends, and has not said which it is. */
MUST_CHECK enum err file_lock_holder(const char *db_path, int64_t *ret_pid, struct error *reterr);
void file_lock_drop(int fd); /* below 0: nothing */

#endif
