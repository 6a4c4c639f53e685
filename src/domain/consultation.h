/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consultations: a creator meets one person. To hooks it is a webinar with one attendee.
 */
#ifndef DOMAIN_CONSULTATION_H
#define DOMAIN_CONSULTATION_H

#include "domain/attendee.h"
#include "domain/webinar.h"

/* What a request says beside the consultation's own details. */
struct consultation_wish {
    struct id_list mango;        /* none or one: only its name is told */
    struct id attendee_id;       /* zero: none was named by id */
    const struct json *attendee; /* their details as an object; NULL: not given so */
    bool notify;
};

/* A creation onto an empty webinar, a PATCH onto what is stored; webinar_resolve comes next. */
void consultation_read(struct webinar *inout, struct consultation_wish *ret_wish,
    const struct json *object, bool is_patch, struct faults *faults);

#endif
