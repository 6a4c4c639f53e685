/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `usher receive --init`: a file to begin with, and what to tell the sender.
 */
#ifndef CLI_RECEIVE_INIT_H
#define CLI_RECEIVE_INIT_H

#include "cli/config.h"

#define RECEIVE_LISTEN "127.0.0.1:8090"
#define RECEIVE_FILE   "usher.conf"

/* Write the file that config names, which only its owner may read and which must not be there yet
 * (ERR_CONFLICT); append what a person is to do with it. The token is in that text alone, the file
 * has its digest. ERR_INVALID: there is no public-url. */
MUST_CHECK enum err receive_init(const struct config *config, struct buf *say,
    struct error *reterr);

#endif
