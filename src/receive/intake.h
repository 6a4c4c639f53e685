/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The intake: brings authentic calls to the store, many in one transaction.
 *
 * What has gathered goes when the loop's turn ends and the store has nothing of ours, or as soon as
 * it is many; no clock holds a call back. While a transaction is under way the rest gathers for the
 * next: the slower the disk, the larger the groups. When one call spoils a group, each is tried
 * alone, so that it takes no other down with it. One per loop.
 *
 *   add ─▶ gathered ─▶ in a group ─▶ done (once)
 *             └──── silent for too long ────▶ late; done comes all the same
 */
#ifndef RECEIVE_INTAKE_H
#define RECEIVE_INTAKE_H

#include "base/list.h"
#include "net/loop.h"
#include "receive/handle.h"
#include "store/inbox.h"
#include "store/store.h"

struct intake;

/* Lies inside what the caller keeps of a call; the intake's from add to done. */
struct intake_call {
    struct inbox_arrival arrival; /* the caller's before add and in done */
    struct link line;
    struct link waiting; /* all of them, in the order they came */
    struct instant since;
    bool is_gathered; /* not in a group */
    bool is_late;
    bool goes_alone; /* a group with it has failed */
};

struct intake_options {
    struct loop *loop;
    struct store_port *port;
    struct handle_set *handles; /* to be woken; NULL: nobody */
    int64_t silence_us;         /* so long may the store say nothing */
    /* OK: it is on disk, and arrival says what it was. */
    void (*done)(struct intake_call *call, enum err err);
    /* Nobody should wait for it any longer; whether it will be on disk is not known. */
    void (*late)(struct intake_call *call);
};

MUST_CHECK enum err intake_new(const struct intake_options *options, struct intake **ret,
    struct error *reterr);
void intake_free(struct intake *intake); /* nothing is under way; NULL is fine */
/* Neither done nor late is called inside. */
void intake_add(struct intake *intake, struct intake_call *call);
/* Calls that are not done. */
size_t intake_busy(const struct intake *intake);

#endif
