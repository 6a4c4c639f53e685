/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object ids: 24 hex digits, 12 bytes (4 of seconds, 5 random per process, 3 of a counter).
 *
 * The form is the one that creators' other systems already hold (ObjectId), so an object may bring
 * its own. Ids made by one source sort by their time of making.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/moment.h"
#include "base/str.h"

#define ID_BYTES      12
#define ID_TEXT_BYTES 25 /* 24 hex digits and a NUL */

struct id {
    uint8_t bytes[ID_BYTES];
};

struct id_source {
    uint8_t process[5];
    atomic_uint counter; /* any thread */
};

/* random: 8 bytes from os/random, fresh for each process. */
void id_source_init(struct id_source *source, const uint8_t random[8]);
struct id id_make(struct id_source *source, struct walltime now);

/* Exactly 24 hex digits of either case. */
MUST_CHECK enum err id_parse(struct str text, struct id *ret);
void id_format(struct id id, char ret_text[ID_TEXT_BYTES]);
bool id_equals(struct id a, struct id b);
bool id_is_zero(struct id id);

#endif
