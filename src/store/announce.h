/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the hooks: which change of a webinar, or of who is in its groups, makes which event for
 * which audience. Part of the transaction of the change.
 *
 * The whole audience of a webinar is its own registrations, then the members of its mangoes in
 * their order. Nobody is told of a webinar twice through two groups: a newcomer whom another group
 * of the webinar holds has heard of it. Only hooks that filter by the newcomer's mango have not.
 */
#ifndef STORE_ANNOUNCE_H
#define STORE_ANNOUNCE_H

#include "domain/audience.h"
#include "domain/event.h"
#include "os/zones.h"
#include "store/webinars.h"

/* Who announces: all borrowed for the transaction. */
struct announcer {
    struct engine *engine;
    struct zones *zones;
    struct id_source *ids;
    struct arena *arena; /* what is returned lives here */
    struct walltime now;
};

struct announcement {
    struct id event;  /* zero: there was nobody to be told */
    int64_t audience; /* people; -1 where several groups may overlap */
    size_t hook_count;
    int64_t *hook_pks; /* lanes to wake after the commit */
};

struct announcement_list {
    struct announcement *list;
    size_t count;
};

/* The webinar was created, updated or booked: tell its whole audience. */
MUST_CHECK enum err announce_webinar(const struct announcer *announcer,
    const struct webinar *webinar, enum event_reason reason, struct announcement *ret,
    struct error *reterr);

/* Members have come into a range of one of the webinar's groups: tell those of them whom no other
 * group of it holds. is_told of the range is ignored. */
MUST_CHECK enum err announce_newcomers(const struct announcer *announcer,
    const struct webinar *webinar, struct audience_range newcomers, struct announcement *ret,
    struct error *reterr);

/* Members have come into a range of the mango's group: the same for each of its webinars that has
 * not ended. */
MUST_CHECK enum err announce_joined(const struct announcer *announcer, const struct mango *mango,
    struct audience_range newcomers, struct announcement_list *ret, struct error *reterr);

/* Somebody came to a group. */
struct joining {
    bool is_new; /* false: they were in it already, and nothing is announced */
    struct announcement_list announced;
};

/* Put one attendee into the webinar's own group, or the mango's, and announce them where notify. */
MUST_CHECK enum err announce_register(const struct announcer *announcer,
    const struct webinar *webinar, int64_t attendee_pk, bool notify, struct joining *ret,
    struct error *reterr);
MUST_CHECK enum err announce_join(const struct announcer *announcer, const struct mango *mango,
    int64_t attendee_pk, bool notify, struct joining *ret, struct error *reterr);

#endif
