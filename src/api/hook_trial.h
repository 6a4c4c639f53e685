/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call to a hook on its owner's wish, with the published example as its body, to see what it
 * answers: signed like a delivery, but outside queue, breaker and statistics, and also where the
 * hook is disabled.
 */
#ifndef API_HOOK_TRIAL_H
#define API_HOOK_TRIAL_H

#include <pthread.h>

#include "http/call.h"

/* Ten trials a minute and hook; whoever wants more wants a load test. */
#define TRIALS_MAX       10
#define TRIALS_PERIOD_US (60 * US_PER_S)
/* Hooks remembered; beyond, the one whose trials are the oldest is forgotten. */
#define TRIAL_HOOKS_MAX 256

struct trial_limit {
    pthread_mutex_t mutex;

    struct trial_hook {
        int64_t hook_pk;               /* 0: free */
        struct instant at[TRIALS_MAX]; /* a ring; next is the oldest */
        unsigned next;
    } hooks[TRIAL_HOOKS_MAX]; /* guarded by mutex */
};

void trial_limit_init(struct trial_limit *limit);
void trial_limit_done(struct trial_limit *limit);
/* ERR_LIMIT, and in how many seconds there will be room (1 to 60). Any thread. */
MUST_CHECK enum err trial_limit_take(struct trial_limit *limit, int64_t hook_pk, struct instant now,
    int64_t *ret_wait_s);

/* POST …/{id}/test: perform builds the request, after sends it. */
enum err hook_trial_build(struct call *call, struct engine *engine);
void hook_trial_send(struct call *call);

#endif
