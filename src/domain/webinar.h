/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webinars: when a creator meets many people, or one (domain/consultation.h).
 *
 * An end of a webinar is given as an instant, which stays what it is, or as a wall clock in the
 * webinar's zone, which is then the truth: in another zone it is another instant.
 */
#ifndef DOMAIN_WEBINAR_H
#define DOMAIN_WEBINAR_H

#include "domain/object.h"
#include "domain/timezone.h"

enum webinar_kind { WEBINAR_MANY, WEBINAR_CONSULTATION };

struct webinar_time {
    bool is_given;
    bool is_wall;
    struct civil wall;           /* where is_wall */
    struct walltime at;          /* whole milliseconds: what is shown is what is kept */
    enum zone_adjusted adjusted; /* where is_wall: what resolving did to it */
};

struct webinar {
    int64_t pk;
    int64_t account_pk;
    struct id id; /* zero in a creation that brings none */
    enum webinar_kind kind;
    struct str title;
    struct str link;
    struct webinar_time from;
    struct webinar_time to;
    struct str timezone;
    int64_t group_pk; /* its own registrations */
    struct walltime created;
    struct walltime updated;
};

/* What a request says beside the webinar's own details. */
struct webinar_wish {
    struct id_list mangoes;   /* which it is offered to, in this order */
    struct id_list attendees; /* registered from the start; in a creation only */
    bool notify;
};

const char *webinar_kind_name(enum webinar_kind kind);
MUST_CHECK enum err webinar_kind_parse(struct str name, enum webinar_kind *ret);

/* A creation onto an empty webinar, a PATCH onto what is stored; webinar_resolve comes next. Texts
 * stay in the JSON tree. */
void webinar_read(struct webinar *inout, struct webinar_wish *ret_wish, const struct json *object,
    bool is_patch, struct faults *faults);

/* The details that webinars and consultations share, off an open reader. */
void webinar_read_details(struct field_reader *reader, struct webinar *inout);

/* Turn wall clocks into instants by the zone's rules, then see that the webinar ends after it
 * starts, within WEBINAR_DAYS_MAX, in the years 1972 to 9998. */
void webinar_resolve(struct webinar *inout, const struct zone *zone, struct faults *faults);

/* Is nothing different that is shown? The same moment given in another form is the same. Own
 * details only, not its mangoes. */
bool webinar_is_same(const struct webinar *a, const struct webinar *b);

#endif
