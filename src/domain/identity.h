/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call is about, for senders that give their calls no id: event, object and person.
 *
 * Two calls with the same identity are versions of one thing; whether the second says anything new
 * is told by the version, a digest of the body's meaning: names sorted, numbers exact, callList as
 * a set, absent, null and "" three different things. The times in the creator's zone are derived,
 * and stay out of the identity.
 */
#ifndef DOMAIN_IDENTITY_H
#define DOMAIN_IDENTITY_H

#include "domain/field_path.h"
#include "domain/item.h"
#include "domain/received.h"

#define IDENTITY_FIELDS_MAX 8

struct identity {
    struct str event;
    struct str object; /* webinar, order, course …; of a reminder with its time and slot */
    struct str person; /* "e:" and the e-mail trimmed and lower-cased, else "p:" and the digits of
                          the phone, else "n:" and the name, likewise */
};

/* Fields that make up an identity where the source names them; count 0: by the event. */
struct identity_fields {
    struct field_path paths[IDENTITY_FIELDS_MAX];
    size_t count;
};

/* received_at tells the slot of webinar.reminder.all: nearest of a day, 30 and 15 minutes before
 * the start. False, and ret left alone, when its object is not there, or its person where others
 * share the object: then the bytes alone say what is the same (DUPLICATE_EXACT). Fields that the
 * source names are the whole object, and there when one of them is more than null or ""; the
 * person is part of it where `email` is among them. Parts are joined so that no two lists of parts
 * give the same text; one alone without a colon stands as it is. Texts are the arena's or the
 * body's; a full arena shows there. */
bool identity_of(struct str event, const struct received *received,
    const struct identity_fields *fields, struct walltime received_at, struct arena *arena,
    struct identity *ret);

/* Digest of the body's meaning, without what lies at the ignored paths (NULL: none). ERR_NOMEM. */
MUST_CHECK enum err version_of(const struct json *body, const struct identity_fields *ignored,
    struct arena *arena, uint8_t ret[SHA256_BYTES]);

/* How duplicates of an event are told where its source does not say: reminders, completions and
 * orders happen once, all else has a state. */
enum duplicate_policy duplicate_policy_of(struct str event);

#endif
