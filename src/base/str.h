/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A borrowed piece of text: a pointer and a length, never assumed to end in NUL.
 *
 * {NULL, 0} is the empty text and also "absent" where a contract says so.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
/* For printf: "%.*s", STR_FMT(s) */
#define STR_FMT(s) (int)(s).len, ((s).ptr != NULL ? (s).ptr : "")

struct str str_from(const char *cstr); /* NULL gives the absent text */
bool str_equals(struct str a, struct str b);
bool str_equals_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
int str_compare(struct str a, struct str b);                /* by bytes, shorter first */
struct str str_trim(struct str s);                          /* ASCII white space at both ends */
struct str str_slice(struct str s, size_t from, size_t to); /* bounds clamped to s */

/* Copy s to at, where there is room for it, and say where it ends. */
char *str_put(char *at, struct str s);

/* Position of the first c at or after from, or SIZE_MAX. */
size_t str_find(struct str s, char c, size_t from);

/* Take the text up to the next separator off *rest; false when *rest was absent (ptr NULL).
 * "a,,b" gives "a", "", "b"; the last piece leaves *rest absent. */
bool str_split(struct str *rest, char separator, struct str *ret);

/* Decimal digits only, whole text, no sign but '-', no overflow. */
MUST_CHECK enum err str_to_int64(struct str s, int64_t *ret);

bool str_is_utf8(struct str s); /* RFC 3629: no surrogates, no overlong forms */

#endif
