/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk uploads on their way into a group: staged while they stream in, then applied in steps that
 * each hold the writer for a moment only, and seen all at once.
 *
 *   bulk_start ─▶ bulk_stage* ─▶ bulk_accept ─▶ bulk_apply* ─▶ bulk_sweep*
 *        └──────────────┴─▶ bulk_discard ────────────────────────▲
 *
 * Every call is a transaction of its own and goes on where the store says that the last one ended,
 * so whoever comes first may take the next step: the request, or after a crash the next start.
 * Lines count in their order: one with the address of an earlier line updates that person.
 */
#ifndef STORE_BULK_H
#define STORE_BULK_H

#include "domain/bulk.h"
#include "os/clock.h"
#include "store/announce.h"
#include "store/store.h"

/* Where the people are to go. */
struct bulk_target {
    int64_t account_pk;
    int64_t group_pk;
    int64_t webinar_pk; /* whose own group it is; 0: it is a mango's */
    bool notify;
};

struct bulk_lines {
    struct bulk_line *list;
    size_t count;
};

struct bulk_counts {
    int64_t created;   /* attendees that the account did not have */
    int64_t updated;   /* who have other details now, or are new in the group */
    int64_t unchanged; /* nothing of all this */
};

struct bulk_progress {
    bool is_done;
    struct bulk_counts counts;
    struct announcement_list announced; /* when done */
};

MUST_CHECK enum err bulk_start(struct engine *engine, const struct bulk_target *target,
    struct walltime now, int64_t *ret_pk, struct error *reterr);
/* Lines in the order of their numbers; zones are known to exist. */
MUST_CHECK enum err bulk_stage(struct engine *engine, int64_t bulk_pk,
    const struct bulk_lines *lines, struct error *reterr);
/* Without storing anything: what would each line do now? Adds to *inout. A new address counts as
 * often as it comes. */
MUST_CHECK enum err bulk_compare(struct engine *engine, const struct bulk_target *target,
    const struct bulk_lines *lines, struct arena *arena, struct bulk_counts *inout,
    struct error *reterr);

/* All has been read and is good: from here on it will be applied, come what may. */
MUST_CHECK enum err bulk_accept(struct engine *engine, int64_t bulk_pk, struct error *reterr);
/* One step, of about limit lines. ERR_NOT_FOUND: the mango or webinar was deleted meanwhile. The
 * last step shows the newcomers, appends their events and removes the bulk. */
MUST_CHECK enum err bulk_apply(const struct announcer *announcer, int64_t bulk_pk, int64_t limit,
    struct bulk_progress *ret, struct error *reterr);

/* It is not to be applied; bulk_sweep comes next. */
MUST_CHECK enum err bulk_discard(struct engine *engine, int64_t bulk_pk, struct error *reterr);
/* Erase a piece of the lines that are left of a bulk which is no more. */
MUST_CHECK enum err bulk_sweep(struct engine *engine, int64_t bulk_pk, bool *ret_done,
    struct error *reterr);

/* At the start, before anything is served: throw away what was only read, finish what was being
 * applied. One that cannot be finished stays for the next start; the others are. */
MUST_CHECK enum err bulk_resume(struct store *store, struct zones *zones, struct id_source *ids,
    const struct clock *clock, struct error *reterr);

#endif
