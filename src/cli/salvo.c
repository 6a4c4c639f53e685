/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/salvo.h"

#include "base/check.h"

void
salvo_init(struct salvo *salvo, int64_t total, int64_t concurrency, double rate)
{
    CHECK(concurrency >= 1);
    *salvo = (struct salvo){.total = total, .concurrency = concurrency};
    pacing_set(&salvo->pacing, rate);
}

bool
salvo_start(struct salvo *salvo, struct instant now, struct instant *ret_when)
{
    struct instant ready = pacing_ready(&salvo->pacing, now);

    *ret_when = INSTANT_NEVER;
    if (salvo->started == salvo->total || salvo->started - salvo->settled == salvo->concurrency)
        return false;
    if (ready.us > now.us) {
        *ret_when = ready;
        return false;
    }
    pacing_take(&salvo->pacing, now);
    salvo->started++;
    return true;
}

void
salvo_settle(struct salvo *salvo)
{
    CHECK(salvo->settled < salvo->started);
    salvo->settled++;
}

void
salvo_end(struct salvo *salvo)
{
    salvo->total = salvo->started;
}

bool
salvo_is_over(const struct salvo *salvo)
{
    return salvo->settled == salvo->total;
}
