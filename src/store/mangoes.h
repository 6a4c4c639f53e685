/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mangoes and their rows. An account sees nothing of another's: what is not its own is not found.
 */
#ifndef STORE_MANGOES_H
#define STORE_MANGOES_H

#include "domain/mango.h"
#include "store/engine.h"

struct mango_list {
    struct mango *list; /* in the arena */
    size_t count;
};

struct mango_query {
    int64_t account_pk;
    struct walltime after;  /* created then or later; 0: since ever */
    struct walltime before; /* created earlier; 0: until now */
    int64_t before_pk;
    int64_t limit;
};

/* Sets pk and group_pk. ERR_CONFLICT when the account has one of this id. */
MUST_CHECK enum err mango_insert(struct engine *engine, struct mango *mango, struct error *reterr);
MUST_CHECK enum err mango_get(struct engine *engine, int64_t account_pk, struct id id,
    struct arena *arena, struct mango *ret, struct error *reterr); /* ERR_NOT_FOUND */
/* The mango whose members the group is. */
MUST_CHECK enum err mango_get_group(struct engine *engine, int64_t group_pk, struct arena *arena,
    struct mango *ret, struct error *reterr); /* ERR_NOT_FOUND */
/* Newest first. */
MUST_CHECK enum err mango_list(struct engine *engine, const struct mango_query *query,
    struct arena *arena, struct mango_list *ret, struct error *reterr);
/* Those that the attendee is a visible member of, oldest membership first. */
MUST_CHECK enum err mango_list_of_attendee(struct engine *engine, int64_t attendee_pk,
    struct arena *arena, struct mango_list *ret, struct error *reterr);
/* Those that the webinar is offered to, in the order given. */
MUST_CHECK enum err mango_list_of_webinar(struct engine *engine, int64_t webinar_pk,
    struct arena *arena, struct mango_list *ret, struct error *reterr);

/* Name and updated. */
MUST_CHECK enum err mango_update(struct engine *engine, const struct mango *mango,
    struct error *reterr);
/* With its members. Webinars that have ended lose it; that none other has it is for the caller. */
MUST_CHECK enum err mango_delete(struct engine *engine, const struct mango *mango,
    struct error *reterr);

#endif
