/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audience groups: numbered members, so that a range of numbers can stand for a whole audience.
 *
 * A mango is a group, a webinar's own registrations are one. An ord is given once and never again;
 * nobody is live in a group twice. What a group shows are its ranges: a bulk fills ords that no
 * range covers yet, and publishes them all at once.
 */
#ifndef STORE_AUDIENCE_H
#define STORE_AUDIENCE_H

#include "base/arena.h"
#include "domain/audience.h"
#include "store/engine.h"

MUST_CHECK enum err group_create(struct engine *engine, int64_t account_pk, int64_t *ret_group_pk,
    struct error *reterr);
/* With all members and ranges; events keep their ranges, whose members are then passed over. */
MUST_CHECK enum err group_delete(struct engine *engine, int64_t group_pk, struct error *reterr);

/* Number count ords for later; nothing shows yet. */
MUST_CHECK enum err group_reserve(struct engine *engine, int64_t group_pk, int64_t count,
    int64_t *ret_lo, struct error *reterr);
/* Put somebody on a reserved ord. *ret_added is false if they are a visible member already; whom
 * another bulk holds, unseen yet, moves here. */
MUST_CHECK enum err member_place(struct engine *engine, int64_t group_pk, int64_t ord,
    int64_t attendee_pk, bool *ret_added, struct error *reterr);
/* Show the reserved ords [lo, hi), joined with a neighbouring range where there is one. */
MUST_CHECK enum err group_publish(struct engine *engine, int64_t group_pk, int64_t lo, int64_t hi,
    struct error *reterr);

/* Reserve, place and publish one. Somebody whom an unfinished bulk holds moves here. */
MUST_CHECK enum err member_add(struct engine *engine, int64_t group_pk, int64_t attendee_pk,
    int64_t *ret_ord, bool *ret_added, struct error *reterr);
/* ERR_NOT_FOUND when not a visible member. Events up to sequence still cover them. */
MUST_CHECK enum err member_leave(struct engine *engine, int64_t group_pk, int64_t attendee_pk,
    int64_t sequence, struct error *reterr);
/* Take somebody out of every group, those they have left included, as if they had never been in:
 * for an erasure. */
MUST_CHECK enum err members_erase(struct engine *engine, int64_t attendee_pk, struct error *reterr);
MUST_CHECK enum err member_is_in(struct engine *engine, int64_t group_pk, int64_t attendee_pk,
    bool *ret, struct error *reterr);

MUST_CHECK enum err group_live(struct engine *engine, int64_t group_pk, int64_t *ret,
    struct error *reterr);
/* Append this group's visible ranges to audience, marked is_told or not. ERR_BUSY while uploads
 * under way leave it in too many pieces. */
MUST_CHECK enum err group_ranges(struct engine *engine, int64_t group_pk, bool is_told,
    struct audience *audience, struct error *reterr);

#endif
