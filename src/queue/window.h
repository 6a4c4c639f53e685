/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many may be in flight at once: starts small, grows with each success up to the maximum, and
 * is halved by a failure, never below one.
 *
 * So a new or a failing endpoint is met gently, and a hanging one holds few connections. One owner.
 */
#ifndef QUEUE_WINDOW_H
#define QUEUE_WINDOW_H

#include <stdbool.h>

struct window {
    unsigned size;
    unsigned max;
    unsigned used;
};

void window_init(struct window *window, unsigned max);
/* A new maximum; what is in flight above it ends by itself. */
void window_set_max(struct window *window, unsigned max);
bool window_has_room(const struct window *window);
void window_take(struct window *window);
void window_give(struct window *window, bool is_success);
/* To one, from where it grows again. */
void window_shrink(struct window *window);

#endif
