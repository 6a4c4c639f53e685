/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number as it was written, compared by its exact value: 10, 10.0 and 1e1 are one number, and
 * 9007199254740993 is not the one before it, as it would be as a double.
 *
 * A view: the text must outlive it.
 */
#ifndef DOMAIN_DECIMAL_H
#define DOMAIN_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* 0.DIGITS times ten to the power. Zero has no digits, no sign and the power 0. */
struct decimal {
    bool is_negative;
    struct str digits; /* from the first to the last that is not 0; one point may be among them */
    int64_t power;
};

/* What decimal_write adds to the digits: the sign, 'e', a power. */
#define DECIMAL_EXTRA_BYTES 22

/* As JSON writes a number: ERR_INVALID for anything else, ERR_LIMIT when its exponent has more
 * than 15 digits. */
MUST_CHECK enum err decimal_parse(struct str text, struct decimal *ret);

/* Below, equal, above: -1, 0, 1. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

/* Equal numbers give equal texts, different ones different texts. At most digits.len +
 * DECIMAL_EXTRA_BYTES bytes without a NUL; returns how many. */
size_t decimal_write(const struct decimal *decimal, char *out);

#endif
