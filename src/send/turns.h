/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is to start an attempt, among the lanes of a loop: who is ready, and how many
 * places there are.
 *
 * A young exchange costs attention, and few may be so; one that was not answered quickly costs only
 * a connection, of which there are many. So endpoints that hang hold up nobody: they soon leave the
 * places of the young, those of whom nothing good is known have half of these at most, and when
 * connections run short who hangs already gets no more of them. The rule is turns_have_place and
 * turns_hold.
 */
#ifndef SEND_TURNS_H
#define SEND_TURNS_H

#include <stdbool.h>

#include "base/list.h"
#include "base/moment.h"

struct attempt;
struct lane;

/* A healthy endpoint nearby answers within this. */
#define YOUNG_US (20 * US_PER_MS)

struct turns {
    unsigned young_max;
    unsigned connections_max;

    /* Lanes that may start something, in turn: each is in one of these, or in none. */
    struct list proven;   /* their last outcome was a success */
    struct list unproven; /* it was not, or there is none yet */
    struct list held;     /* they hang while connections are short */
    bool was_unproven;    /* whose turn the last one was */

    /* Attempts under way, in the order in which they started. */
    struct list young;
    struct list old;
    unsigned young_count;
    unsigned young_unproven; /* of these, from lanes that were unproven */
    unsigned count;          /* of both */
};

/* The young are at most half of the connections. */
void turns_init(struct turns *turns, unsigned young_max, unsigned connections_max);

/* The lane may start something, as far as it is its own matter. It keeps its place in the line. */
void turns_line_up(struct turns *turns, struct lane *lane);
void turns_step_out(struct lane *lane);
/* The lane whose turn it is, out of the line now; NULL when none may start. */
struct lane *turns_next(struct turns *turns);

void turns_start(struct turns *turns, struct attempt *attempt);
void turns_end(struct turns *turns, struct attempt *attempt);
struct link *turns_first(const struct turns *turns); /* of those under way; NULL: none is */

/* Who has been under way for long is not young any more. */
void turns_age(struct turns *turns, struct instant now);
/* When somebody in the line may start: now, or when the oldest of the young has aged;
 * INSTANT_NEVER where nobody waits, or that hangs on the end of an attempt. */
struct instant turns_look(const struct turns *turns, struct instant now);

#endif
