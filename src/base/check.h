/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions that stay on in every build: a bug stops the process before it can harm the store.
 *
 * For what the program itself must guarantee, never for what comes from outside.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/compiler.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

/* Print the condition and its place to standard error, then abort. */
NORETURN void check_failed(const char *condition, const char *file, int line);

#endif
