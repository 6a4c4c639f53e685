/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mangoes: the products of a creator, which people belong to and webinars are offered to.
 *
 * Its members are an audience group (store/audience.h).
 */
#ifndef DOMAIN_MANGO_H
#define DOMAIN_MANGO_H

#include "base/id.h"
#include "domain/fault.h"

struct mango {
    int64_t pk;
    int64_t account_pk;
    struct id id; /* zero in a creation that brings none */
    struct str name;
    int64_t group_pk;
    struct walltime created;
    struct walltime updated;
};

/* Lay the object's fields over the mango: a creation onto an empty one, a PATCH onto what is
 * stored. Texts stay in the JSON tree. */
void mango_read(struct mango *inout, const struct json *object, bool is_patch,
    struct faults *faults);

#endif
