/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webinars and consultations and their rows. An account sees nothing of another's.
 */
#ifndef STORE_WEBINARS_H
#define STORE_WEBINARS_H

#include "domain/webinar.h"
#include "store/engine.h"
#include "store/mangoes.h"

struct webinar_key {
    int64_t account_pk;
    enum webinar_kind kind;
    struct id id;
};

struct webinar_list {
    struct webinar *list; /* in the arena */
    size_t count;
};

struct webinar_query {
    int64_t account_pk;
    enum webinar_kind kind;
    struct walltime from;           /* that start at or after this; 0: from the beginning */
    struct walltime to;             /* and before this; 0: without end */
    struct id mango_id;             /* offered to this mango; zero: any */
    struct walltime created_after;  /* created then or later; 0: since ever */
    struct walltime created_before; /* created earlier; 0: until now */
    int64_t before_pk;
    int64_t limit;
};

/* Sets pk and group_pk. ERR_CONFLICT when the account has a webinar or consultation of this id. */
MUST_CHECK enum err webinar_insert(struct engine *engine, struct webinar *webinar,
    struct error *reterr);
MUST_CHECK enum err webinar_get(struct engine *engine, struct webinar_key key, struct arena *arena,
    struct webinar *ret, struct error *reterr); /* ERR_NOT_FOUND */
MUST_CHECK enum err webinar_get_pk(struct engine *engine, int64_t webinar_pk, struct arena *arena,
    struct webinar *ret, struct error *reterr); /* ERR_NOT_FOUND */
/* Newest first. */
MUST_CHECK enum err webinar_list(struct engine *engine, const struct webinar_query *query,
    struct arena *arena, struct webinar_list *ret, struct error *reterr);
/* Webinars and consultations of the mango that have not ended at now, oldest first. */
MUST_CHECK enum err webinar_list_of_mango(struct engine *engine, int64_t mango_pk,
    struct walltime now, struct arena *arena, struct webinar_list *ret, struct error *reterr);

/* All details and updated. */
MUST_CHECK enum err webinar_update(struct engine *engine, const struct webinar *webinar,
    struct error *reterr);
/* With its registrations. What is unsent of it is event_cancel_webinar's. */
MUST_CHECK enum err webinar_delete(struct engine *engine, const struct webinar *webinar,
    struct error *reterr);

/* Offer it to exactly these, in this order. */
MUST_CHECK enum err webinar_mangoes_set(struct engine *engine, int64_t webinar_pk,
    const struct mango_list *mangoes, struct error *reterr);

#endif
