/* SPDX-License-Identifier: Apache-2.0 */
#include "send/budget.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "queue/pacing.h"

struct budget {
    int64_t account_pk;
    unsigned holders; /* guarded by the set's mutex */
    unsigned in_flight_max;
    pthread_mutex_t mutex;
    unsigned in_flight;      /* guarded by mutex */
    struct pacing pacing;    /* the same */
    struct instant promised; /* the same: the next slot that nobody was told of */
};

struct budget_set {
    unsigned in_flight_max;
    pthread_mutex_t mutex;
    struct map budgets; /* by account_pk, owned; guarded by mutex */
};

/* A place is given back by some loop within this time or soon after. */
#define ASK_AGAIN_US (US_PER_S / 100)
/* Who was promised a slot may have lost interest; nobody waits longer than this for such slots. */
#define PROMISE_US_MAX (10 * US_PER_S)

enum err
budget_set_new(unsigned in_flight_max, struct budget_set **ret)
{
    struct budget_set *set = calloc(1, sizeof(*set));

    if (set == NULL)
        return ERR_NOMEM;
    set->in_flight_max = in_flight_max;
    pthread_mutex_init(&set->mutex, NULL);
    map_init(&set->budgets);
    *ret = set;
    return OK;
}

void
budget_set_free(struct budget_set *set)
{
    if (set == NULL)
        return;
    CHECK(set->budgets.count == 0);
    map_done(&set->budgets);
    pthread_mutex_destroy(&set->mutex);
    free(set);
}

static struct budget *
budget_find(struct budget_set *set, int64_t account_pk)
{
    struct budget *budget = map_find(&set->budgets, (uint64_t)account_pk);

    if (budget != NULL)
        return budget;
    budget = calloc(1, sizeof(*budget));
    if (budget == NULL || map_set(&set->budgets, (uint64_t)account_pk, budget) != OK) {
        free(budget);
        return NULL;
    }
    budget->account_pk = account_pk;
    budget->in_flight_max = set->in_flight_max;
    pthread_mutex_init(&budget->mutex, NULL);
    return budget;
}

static void
budget_set_rate(struct budget *budget, double rate)
{
    int64_t before_ns;

    pthread_mutex_lock(&budget->mutex);
    before_ns = budget->pacing.interval_ns;
    pacing_set(&budget->pacing, rate);
    /* Slots of another rate are none. */
    if (budget->pacing.interval_ns != before_ns)
        budget->promised = (struct instant){0};
    pthread_mutex_unlock(&budget->mutex);
}

enum err
budget_hold(struct budget_set *set, int64_t account_pk, double rate, struct budget **ret)
{
    struct budget *budget;

    pthread_mutex_lock(&set->mutex);
    budget = budget_find(set, account_pk);
    if (budget != NULL) {
        budget->holders++;
        budget_set_rate(budget, rate);
        *ret = budget;
    }
    pthread_mutex_unlock(&set->mutex);
    return budget != NULL ? OK : ERR_NOMEM;
}

void
budget_let_go(struct budget_set *set, struct budget *budget)
{
    if (budget == NULL)
        return;
    pthread_mutex_lock(&set->mutex);
    if (--budget->holders == 0) {
        CHECK(budget->in_flight == 0);
        map_remove(&set->budgets, (uint64_t)budget->account_pk);
        pthread_mutex_destroy(&budget->mutex);
        free(budget);
    }
    pthread_mutex_unlock(&set->mutex);
}

/* A slot of one's own. Told of the same slot, all would come for it, and the same one might be the
 * first every time. */
static struct instant
budget_promise(struct budget *budget, struct instant slot, struct instant now)
{
    struct instant last = instant_add_us(now, PROMISE_US_MAX);
    struct instant at = instant_earlier(budget->promised, last);

    if (at.us < slot.us)
        at = slot;
    budget->promised = instant_add_us(at, pacing_interval_us(&budget->pacing));
    return at;
}

bool
budget_take(struct budget *budget, struct instant now, struct instant *ret_at)
{
    struct instant slot;
    bool may;

    pthread_mutex_lock(&budget->mutex);
    slot = pacing_ready(&budget->pacing, now);
    may = slot.us <= now.us && budget->in_flight < budget->in_flight_max;
    if (may) {
        budget->in_flight++;
        pacing_take(&budget->pacing, now);
    } else if (slot.us > now.us) {
        *ret_at = budget_promise(budget, slot, now);
    } else {
        *ret_at = instant_add_us(now, ASK_AGAIN_US);
    }
    pthread_mutex_unlock(&budget->mutex);
    return may;
}

void
budget_give(struct budget *budget)
{
    pthread_mutex_lock(&budget->mutex);
    CHECK(budget->in_flight > 0);
    budget->in_flight--;
    pthread_mutex_unlock(&budget->mutex);
}
