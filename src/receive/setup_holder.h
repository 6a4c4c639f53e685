/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The setup in force, for those who are not told of each new one: calls of the API, on their
 * worker's thread. Any thread.
 */
#ifndef RECEIVE_SETUP_HOLDER_H
#define RECEIVE_SETUP_HOLDER_H

#include <pthread.h>

#include "receive/setup.h"

struct setup_holder {
    pthread_mutex_t mutex;
    struct setup *setup; /* guarded by mutex; held; NULL: none yet */
};

void setup_holder_init(struct setup_holder *holder);
void setup_holder_done(struct setup_holder *holder);
/* It has been registered, and is held until another one takes its place; NULL: none. */
void setup_holder_set(struct setup_holder *holder, struct setup *setup);
/* Held for the caller, who drops it; NULL: none yet, or holder is NULL. */
struct setup *setup_holder_take(struct setup_holder *holder);

#endif
