/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/window.h"

#include "base/check.h"

/* Each success makes room for one more, so it doubles with every round trip: an endpoint that
 * answers is at its maximum within a few, and one that does not was asked little. */
#define WINDOW_START 2

void
window_init(struct window *window, unsigned max)
{
    CHECK(max >= 1);
    *window = (struct window){.size = max < WINDOW_START ? max : WINDOW_START, .max = max};
}

void
window_set_max(struct window *window, unsigned max)
{
    CHECK(max >= 1);
    window->max = max;
    if (window->size > max)
        window->size = max;
}

bool
window_has_room(const struct window *window)
{
    return window->used < window->size;
}

void
window_take(struct window *window)
{
    window->used++;
}

void
window_give(struct window *window, bool is_success)
{
    CHECK(window->used > 0);
    window->used--;
    if (!is_success)
        window->size = window->size > 1 ? window->size / 2 : 1;
    else if (window->size < window->max)
        window->size++;
}

void
window_shrink(struct window *window)
{
    window->size = 1;
}
