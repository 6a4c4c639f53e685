/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/refusals.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void
on_timer(void *arg)
{
    struct refusals *refusals = arg;

    /* Those that come while these are told wait for the next turn. With the last one's done all
     * this may be gone. */
    for (size_t left = refusals->count; left > 0; left--) {
        struct handling *handling = refusals->handlings[0];

        refusals->count--;
        memmove(refusals->handlings, refusals->handlings + 1,
            refusals->count * sizeof(struct handling *));
        handling->done(handling);
    }
}

enum err
refusals_init(struct refusals *refusals, struct loop *loop, size_t max)
{
    struct handling **handlings = calloc(max, sizeof(struct handling *));

    CHECK(max > 0);
    if (handlings == NULL)
        return ERR_NOMEM;
    *refusals = (struct refusals){.handlings = handlings, .max = max};
    if (timer_init(&refusals->timer, loop, LOOP_DELIVERY, on_timer, refusals) == OK)
        return OK;
    refusals_done(refusals);
    return ERR_NOMEM;
}

void
refusals_done(struct refusals *refusals)
{
    CHECK(refusals->count == 0);
    timer_done(&refusals->timer);
    free(refusals->handlings);
    refusals->handlings = NULL;
}

void
refusals_add(struct refusals *refusals, struct handling *handling, enum handling_result result,
    const char *why)
{
    CHECK(refusals->count < refusals->max);
    handling->result = result;
    handling->detail = str_from(why);
    handling->output = (struct str){0};
    handling->retry_after_us = 0;
    refusals->handlings[refusals->count++] = handling;
    timer_set(&refusals->timer, (struct instant){0});
}
