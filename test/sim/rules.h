/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must never happen. Each rule ends the program with what was before it.
 */
#ifndef TEST_SIM_RULES_H
#define TEST_SIM_RULES_H

#include "sim/sim.h"

/* A new flight is in the air: limits of the hook and of the loop, and by which settings. */
void rules_start(struct sim *sim, struct flight *flight);
/* It has ended; and its lane has heard so. */
void rules_end(struct sim *sim, const struct flight *flight);
void rules_ended(struct sim *sim, struct hook_model *hook);
/* Does a failure count against the delivery? Not while the lane's breaker is open. */
bool rules_counts(struct sim *sim, const struct hook_model *hook);
/* Does 410 disable it? Not where it was changed since, or is disabled. */
bool rules_disables(struct sim *sim, const struct hook_model *hook);

/* Nothing more happens at this moment by itself: whatever could have started has. */
void rules_look(struct sim *sim);
/* Nothing more happens at all: everybody was told, or there is a reason. */
void rules_finish(struct sim *sim);

#endif
