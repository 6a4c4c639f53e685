/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the objects of the API have in common: an id that may be brought along, fields that are
 * ours to set, lists of other objects' ids, and the rules for the texts that several of them hold.
 *
 * Whether an id names something is for the store to say; here it only has the right form.
 */
#ifndef DOMAIN_OBJECT_H
#define DOMAIN_OBJECT_H

#include "base/id.h"
#include "domain/fault.h"

struct id_list {
    struct id *ids; /* in the arena of the faults */
    size_t count;
    bool is_given; /* an empty list that was given is not an absent one */
};

/* "id" may be given at creation; in a change it is a fault, as createdAt and updatedAt always
 * are. */
void object_read_own(struct field_reader *reader, bool is_patch, struct id *inout_id);

/* 24 hex digits. Leaves *inout alone when absent; true when it was there and right. */
bool field_id(struct field_reader *reader, struct str name, struct id *inout);
/* A list of ids, each at most once; null is the empty list. */
bool field_ids(struct field_reader *reader, struct str name, size_t count_max,
    struct id_list *inout);

/* Is there anything to tell hooks of? "notify" is no field of any object, only of requests. */
bool field_notify(struct field_reader *reader);

/* A fault when a creation lacks the field. */
void field_require(const struct field_reader *reader, struct str name, struct str value);

/* What is wrong with the text, as a detail for a fault; NULL when it will do. */
const char *email_is_wrong(struct str email); /* one "@" with something on both sides, no spaces */
const char *zone_is_wrong(struct str name);   /* an IANA name by its shape, or "+05:30" */
/* An absolute URI: https with a host as a rule, but a consultation may be a "tel:", too. Not what
 * a browser would run ("javascript:"), for receivers make buttons of it. */
const char *link_is_wrong(struct str link);

#endif
