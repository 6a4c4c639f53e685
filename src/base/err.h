/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a function says that it failed: a code for the program and a sentence for a person.
 *
 * The text is written once, by who saw the failure; callers pass it up unchanged or prefix what
 * they were doing. Bugs are not errors: they are CHECKs.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/compiler.h"

enum err {
    OK = 0,
    ERR_INVALID,   /* the input breaks a documented rule */
    ERR_DENIED,    /* not proven who is asking, or not allowed */
    ERR_NOT_FOUND, /* no such row or route */
    ERR_CONFLICT,  /* already there, or changed under us */
    ERR_LIMIT,     /* a bound in base/limits.h was reached */
    ERR_BUSY,      /* try again later; nothing was done */
    ERR_DISK,      /* the disk is full or fails; nothing was done */
    ERR_IO,        /* file, socket or database refused */
    ERR_NOMEM,
};

struct error {
    enum err code;
    char text[240];
};

/* Fill reterr, which may be NULL, and return code: `return error_set(reterr, ERR_IO, ...)`. A text
 * that is too long is cut between characters; the arguments may point into reterr. */
PRINTF(3, 4) enum err error_set(struct error *reterr, enum err code, const char *fmt, ...);

/* Put "what: " before the text already in reterr and return its code. reterr may be NULL; the code
 * is unknown then and ERR_IO is returned, so who needs it keeps the one that came back. */
PRINTF(2, 3) enum err error_prefix(struct error *reterr, const char *fmt, ...);

#endif
