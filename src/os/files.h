/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files that are read whole, and files that only their owner may read.
 */
#ifndef OS_FILES_H
#define OS_FILES_H

#include "base/buf.h"

/* Append what it holds. ERR_NOT_FOUND, ERR_LIMIT when that is more than the buffer's maximum, or
 * ERR_IO; a failure leaves in the buffer what was there before. */
MUST_CHECK enum err file_read(const char *path, struct buf *buf, struct error *reterr);

/* The same, and refuse (ERR_DENIED) a file that group or others may read or write. */
MUST_CHECK enum err file_read_secret(const char *path, struct buf *buf, struct error *reterr);

/* Create with mode 0600, never over an existing file (ERR_CONFLICT); whole and on disk when it
 * returns, and nobody ever sees half of it. */
MUST_CHECK enum err file_create_secret(const char *path, struct str content, struct error *reterr);

#endif
