/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Did you mean …": the word that was probably meant.
 */
#ifndef CLI_SUGGEST_H
#define CLI_SUGGEST_H

#include "base/str.h"

/* How many letters to insert, remove, replace or swap with a neighbour; 99 for long words. */
unsigned suggest_distance(struct str a, struct str b);

struct suggestion {
    struct str word; /* what was typed */
    char best[64];   /* empty: nothing is near */
    unsigned distance;
};

void suggest_start(struct suggestion *suggestion, struct str word);
void suggest_offer(struct suggestion *suggestion, const char *candidate);

#endif
