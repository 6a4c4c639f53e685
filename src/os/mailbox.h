/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How threads hand things to one another: a list of letters under a mutex, with an eventfd that
 * is written only when the box goes from empty to not empty.
 *
 * A letter lies inside what it carries and is in one box at a time; the sender keeps off it until
 * it comes back. Posting never fails and never allocates: what bounds a box is the number of
 * letters that exist, and each kind of letter says who bounds it.
 */
#ifndef OS_MAILBOX_H
#define OS_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

struct letter {
    struct letter *next;
    void (*deliver)(struct letter *letter); /* runs in the receiving thread */
};

struct mailbox {
    pthread_mutex_t mutex;
    struct letter *first; /* guarded by mutex */
    struct letter **end;  /* guarded by mutex */
    int event_fd;         /* readable while the box may hold letters */
};

MUST_CHECK enum err mailbox_init(struct mailbox *mailbox, struct error *reterr);
void mailbox_done(struct mailbox *mailbox);

void mailbox_post(struct mailbox *mailbox, struct letter *letter); /* any thread */
/* A chain linked through next, in order, handed over under one lock. */
void mailbox_post_chain(struct mailbox *mailbox, struct letter *first, struct letter *last);

/* Receiving thread: clear the eventfd, take all letters, in the order they were posted; NULL when
 * there are none. */
struct letter *mailbox_take(struct mailbox *mailbox);
/* Take and deliver until empty; returns how many. */
size_t mailbox_drain(struct mailbox *mailbox);

#endif
