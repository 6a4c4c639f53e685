/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attendees: the people of an account, each with one address.
 *
 * An address is compared trimmed and in lower case (ASCII letters), and kept as it was given.
 */
#ifndef DOMAIN_ATTENDEE_H
#define DOMAIN_ATTENDEE_H

#include "domain/object.h"

struct attendee {
    int64_t pk;
    int64_t account_pk;
    struct id id; /* zero in a creation that brings none */
    struct str name;
    struct str email;
    struct str phone;    /* as given; absent when there is none */
    struct str timezone; /* as given; absent when it is not known */
    struct walltime created;
    struct walltime updated;
};

/* What a request says beside the attendee's own details. */
struct attendee_wish {
    struct id_list mangoes;
    bool notify;
};

/* The email as it is compared, in buffer. Only of an email that email_is_wrong lets pass. */
struct str email_key(struct str email, char buffer[EMAIL_BYTES_MAX]);

/* A creation onto an empty attendee, a PATCH onto what is stored. Texts stay in the JSON tree. */
void attendee_read(struct attendee *inout, struct attendee_wish *ret_wish,
    const struct json *object, bool is_patch, struct faults *faults);

/* Details inside another request: name, email, phone and timezone off an open reader. */
void attendee_read_details(struct field_reader *reader, struct attendee *inout);
/* The same once more for somebody new, who must have a name and an email. */
void attendee_require(const struct field_reader *reader, const struct attendee *attendee);

/* Do both have the same name, email (to the letter), phone and zone? */
bool attendee_is_same(const struct attendee *a, const struct attendee *b);

#endif
