/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attendees and their rows. An account sees nothing of another's, and has an address only once.
 */
#ifndef STORE_ATTENDEES_H
#define STORE_ATTENDEES_H

#include "domain/attendee.h"
#include "store/engine.h"

struct attendee_list {
    struct attendee *list; /* in the arena */
    int64_t *positions;    /* of each: what before_pk is to be for the next page */
    size_t count;
};

struct attendee_query {
    int64_t account_pk;
    int64_t group_pk;      /* only visible members of this group, newest membership first; 0: all */
    struct str email;      /* with group_pk 0: only whose address compares equal; absent: all */
    struct walltime after; /* created then or later; 0: since ever */
    struct walltime before; /* created earlier; 0: until now */
    int64_t before_pk;
    int64_t limit;
};

/* Sets pk. ERR_CONFLICT when the account has somebody of this email, who is named, or this id. */
MUST_CHECK enum err attendee_insert(struct engine *engine, struct attendee *attendee,
    struct error *reterr);
MUST_CHECK enum err attendee_get(struct engine *engine, int64_t account_pk, struct id id,
    struct arena *arena, struct attendee *ret, struct error *reterr); /* ERR_NOT_FOUND */
MUST_CHECK enum err attendee_find_email(struct engine *engine, int64_t account_pk, struct str email,
    struct arena *arena, struct attendee *ret, struct error *reterr); /* ERR_NOT_FOUND */
/* Newest first. */
MUST_CHECK enum err attendee_list(struct engine *engine, const struct attendee_query *query,
    struct arena *arena, struct attendee_list *ret, struct error *reterr);

/* Name, email, phone, timezone and updated. ERR_CONFLICT when another has the email. */
MUST_CHECK enum err attendee_update(struct engine *engine, const struct attendee *attendee,
    struct error *reterr);
/* Gone from every group and, to the byte, from the database file once it is checkpointed. */
MUST_CHECK enum err attendee_erase(struct engine *engine, const struct attendee *attendee,
    struct error *reterr);

#endif
