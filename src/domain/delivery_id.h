/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id of a delivery, which is also its webhook-id: the same in every attempt, replay and
 * restore.
 *
 * "msg_", base32 of event, hook and attendee, "_", the sequence in decimal. It holds all that is
 * needed to find the delivery, and no dot, which Standard Webhooks forbids.
 */
#ifndef DOMAIN_DELIVERY_ID_H
#define DOMAIN_DELIVERY_ID_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/str.h"

/* "msg_", 58 of base32, "_", up to 19 digits, and a NUL */
#define DELIVERY_ID_TEXT_BYTES (4 + 58 + 1 + 19 + 1)

struct delivery_id {
    struct id event;
    struct id hook;
    struct id attendee;
    int64_t sequence; /* the event's; never negative */
};

/* Returns the length, without the NUL that is also written. */
size_t delivery_id_format(const struct delivery_id *id, char ret_text[DELIVERY_ID_TEXT_BYTES]);

/* Only what delivery_id_format writes, byte for byte: one delivery has one id. */
MUST_CHECK enum err delivery_id_parse(struct str text, struct delivery_id *ret);

#endif
