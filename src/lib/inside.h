/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of libusher share: our errors as the library's, and text from a caller.
 */
#ifndef LIB_INSIDE_H
#define LIB_INSIDE_H

#include "base/str.h"
#include "domain/timezone.h"
#include "usher/usher.h"

/* The years 0000 to 9999, which are all that can be written. */
#define TIME_US_MIN (INT64_C(-62167219200) * US_PER_S)
#define TIME_US_MAX (INT64_C(253402300800) * US_PER_S - 1)

struct usher_zone {
    struct zone *zone; /* owned */
};

enum usher_result result_of(enum err err);

#endif
