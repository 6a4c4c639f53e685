/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks at rest. Secrets, header values and user info are sealed (store/secrets.h).
 *
 * A deleted hook is not found any more; its row stays for the deliveries that name it, without its
 * secrets. Texts that come out lie in the arena.
 */
#ifndef STORE_HOOKS_H
#define STORE_HOOKS_H

#include "base/arena.h"
#include "domain/hook.h"
#include "store/engine.h"

/* Id, account, secret and times are set by the caller. */
MUST_CHECK enum err hook_insert(struct engine *engine, const struct hook *hook, struct arena *arena,
    int64_t *ret_pk, struct error *reterr);
/* All that may change: everything but id, account, event, created, and what is its lane's. Where it
 * was disabled and is enabled now, its failures are forgotten. */
MUST_CHECK enum err hook_update(struct engine *engine, const struct hook *hook, struct arena *arena,
    struct error *reterr);

/* ERR_NOT_FOUND for another account's and for a deleted one. */
MUST_CHECK enum err hook_get(struct engine *engine, int64_t account_pk, struct id id,
    struct arena *arena, struct hook *ret, struct error *reterr);
/* For its lane. */
MUST_CHECK enum err hook_get_pk(struct engine *engine, int64_t pk, struct arena *arena,
    struct hook *ret, struct error *reterr);

struct hook_query {
    int64_t account_pk;
    struct str event;     /* absent: any */
    struct str status;    /* "enabled", "disabled"; absent: any */
    struct id webinar_id; /* zero: any */
    struct id mango_id;
    struct walltime after; /* created then or later */
    struct walltime before;
    int64_t before_pk; /* with a smaller pk */
    int64_t limit;
};

/* The newest first, an array in the arena. */
MUST_CHECK enum err hook_list(struct engine *engine, const struct hook_query *query,
    struct arena *arena, struct hook **ret, size_t *ret_count, struct error *reterr);

/* Another hook of the account with the same URL, user info, event and filters: the first one's id;
 * ERR_NOT_FOUND when there is none. */
MUST_CHECK enum err hook_find_same(struct engine *engine, const struct hook *hook,
    struct arena *arena, struct id *ret, struct error *reterr);
/* Does the account have that mango? */
MUST_CHECK enum err hook_mango_exists(struct engine *engine, int64_t account_pk, struct id mango,
    bool *ret, struct error *reterr);

/* Forget that it failed: its owner wants it tried at once. */
MUST_CHECK enum err hook_forgive(struct engine *engine, int64_t pk, struct error *reterr);

/* Deleted, with all that was to be sent: its fan-outs end as cancelled, its chunks go. */
MUST_CHECK enum err hook_delete(struct engine *engine, int64_t pk, struct walltime now,
    struct error *reterr);

#endif
