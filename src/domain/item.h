/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inbox item: one call that was accepted, and what it is to those that came before.
 *
 *                      sender's id known ───────────────▶ ARRIVAL_DUPLICATE
 *                      older than what its sender sent ─▶ ARRIVAL_STALE: kept, never handled
 *     a call ──judge──▶ nothing known of its identity ──▶ ARRIVAL_NEW
 *                      says the same as the latest ─────▶ ARRIVAL_DUPLICATE
 *                      says something else ─────────────▶ ARRIVAL_UPDATE
 *
 * Only the latest version counts and not all that ever were, so moved and moved back are two
 * updates. Pure: the store asks in the transaction that inserts, so two calls at once cannot both
 * be new.
 */
#ifndef DOMAIN_ITEM_H
#define DOMAIN_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/moment.h"
#include "base/str.h"

/* "in_", 16 hex digits and a NUL */
#define ITEM_ID_BYTES 20

enum duplicate_policy {
    DUPLICATE_LATEST, /* of what has a state: the latest version decides; newer overtakes older */
    DUPLICATE_ONCE,   /* of what happens once: the identity alone decides */
    DUPLICATE_EXACT,  /* the same bytes, whenever they came */
    DUPLICATE_NONE,   /* nothing is a duplicate, but for the sender's own id */
};

enum item_flag {
    ITEM_UNRECOGNISED = 1 << 0,  /* JSON whose shape or fields cannot be read: as it is */
    ITEM_CONTRADICTORY = 1 << 1, /* local time less offset is not the instant */
    ITEM_STALE = 1 << 2,         /* its sender has sent something newer before */
    ITEM_RELEASED = 1 << 3,      /* was refused, and taken in once the configuration was mended */
};

enum arrival { ARRIVAL_NEW, ARRIVAL_UPDATE, ARRIVAL_DUPLICATE, ARRIVAL_STALE };

/* What is known of the identity. */
struct item_known {
    bool has_latest;
    int64_t sender_sequence; /* of the latest; 0: it had none */
    uint8_t version[SHA256_BYTES];
};

/* sender_sequence: of the call; 0: it has none. Of a sender that numbers its calls an equal number
 * is told by the version. That the sender's id is unknown was seen before. */
enum arrival item_judge(enum duplicate_policy policy, const struct item_known *known,
    int64_t sender_sequence, const uint8_t version[SHA256_BYTES]);

const char *duplicate_policy_name(enum duplicate_policy policy); /* "latest" */
MUST_CHECK enum err duplicate_policy_parse(struct str text, enum duplicate_policy *ret);
const char *arrival_name(enum arrival arrival); /* "created", "updated", "duplicate", "stale" */
/* "unrecognised", … of one flag. */
const char *item_flag_name(enum item_flag flag);
MUST_CHECK enum err item_flag_parse(struct str text, enum item_flag *ret);

void item_id_format(int64_t inbox_pk, char ret[ITEM_ID_BYTES]);
MUST_CHECK enum err item_id_parse(struct str text, int64_t *ret);

/* The same for a refused call (store/quarantine.h): "re_". */
void refused_id_format(int64_t quarantine_pk, char ret[ITEM_ID_BYTES]);
MUST_CHECK enum err refused_id_parse(struct str text, int64_t *ret);

#endif
