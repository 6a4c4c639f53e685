/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refusals as application/problem+json (RFC 9457), and the only map from err to HTTP status.
 */
#ifndef HTTP_PROBLEM_H
#define HTTP_PROBLEM_H

#include "base/buf.h"
#include "domain/fault.h"

/* ERR_INVALID 422, ERR_DENIED 401, ERR_NOT_FOUND 404, ERR_CONFLICT 409, ERR_LIMIT 413,
 * ERR_BUSY, ERR_DISK and ERR_NOMEM 503, ERR_IO 500. */
int problem_status(enum err err);
const char *problem_title(int status);

/* A text that was perhaps cut to fit, up to its last whole character. */
struct str problem_detail(const char *text);

/* faults may be NULL or empty. detail is UTF-8. */
void problem_write(struct buf *buf, int status, struct str detail, const struct faults *faults);

#endif
