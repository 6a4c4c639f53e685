/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one account may do towards the outside, over all loops: a rate and a number of deliveries
 * under way. So nobody can be flooded by a stranger's hooks, however many those are.
 *
 * An account without limits costs nothing: its lanes hold no budget. Lanes that want more than
 * there is take turns: who is refused is told a slot of its own. Shared by all loops.
 */
#ifndef SEND_BUDGET_H
#define SEND_BUDGET_H

#include <stdbool.h>

#include "base/err.h"
#include "base/moment.h"

struct budget_set; /* of all accounts that have lanes and limits */
struct budget;     /* one account's */

MUST_CHECK enum err budget_set_new(unsigned in_flight_max, struct budget_set **ret);
void budget_set_free(struct budget_set *set); /* no budget is held any more; NULL is fine */

/* rate: deliveries a second, 0 for no limit; an account's newest word holds, and the same one again
 * changes nothing. Any thread. */
MUST_CHECK enum err budget_hold(struct budget_set *set, int64_t account_pk, double rate,
    struct budget **ret);
/* With the last holder its account's places and starts are forgotten. NULL is fine. */
void budget_let_go(struct budget_set *set, struct budget *budget);

/* Take a place for an attempt that starts now; false: *ret_at is when to ask again. Any thread. */
bool budget_take(struct budget *budget, struct instant now, struct instant *ret_at);
void budget_give(struct budget *budget);

#endif
