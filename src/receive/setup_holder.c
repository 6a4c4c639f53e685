/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/setup_holder.h"

#include "base/check.h"

void
setup_holder_init(struct setup_holder *holder)
{
    holder->setup = NULL;
    CHECK(pthread_mutex_init(&holder->mutex, NULL) == 0);
}

void
setup_holder_done(struct setup_holder *holder)
{
    setup_drop(TAKE(holder->setup));
    CHECK(pthread_mutex_destroy(&holder->mutex) == 0);
}

void
setup_holder_set(struct setup_holder *holder, struct setup *setup)
{
    struct setup *before;

    if (setup != NULL)
        (void)setup_hold(setup);
    CHECK(pthread_mutex_lock(&holder->mutex) == 0);
    before = holder->setup;
    holder->setup = setup;
    CHECK(pthread_mutex_unlock(&holder->mutex) == 0);
    setup_drop(before);
}

struct setup *
setup_holder_take(struct setup_holder *holder)
{
    struct setup *setup = NULL;

    if (holder == NULL)
        return NULL;
    CHECK(pthread_mutex_lock(&holder->mutex) == 0);
    if (holder->setup != NULL)
        setup = setup_hold(holder->setup);
    CHECK(pthread_mutex_unlock(&holder->mutex) == 0);
    return setup;
}
