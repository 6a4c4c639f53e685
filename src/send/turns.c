/* SPDX-License-Identifier: Apache-2.0 */
#include "send/turns.h"

#include "base/check.h"
#include "send/attempt.h"
#include "send/lane.h"

void
turns_init(struct turns *turns, unsigned young_max, unsigned connections_max)
{
    CHECK(young_max >= 1 && connections_max >= 1);
    /* Or all connections could go before one of them is known to hang. */
    if (young_max > connections_max / 2)
        young_max = connections_max > 1 ? connections_max / 2 : 1;
    *turns = (struct turns){.young_max = young_max, .connections_max = connections_max};
    list_init(&turns->proven);
    list_init(&turns->unproven);
    list_init(&turns->held);
    list_init(&turns->young);
    list_init(&turns->old);
}

/* --- the rule --- */

/* There is a place for a lane of this kind among the young, of which the unproven have half, and a
 * connection. */
static bool
turns_have_place(const struct turns *turns, bool is_proven)
{
    unsigned unproven_max = turns->young_max > 1 ? turns->young_max / 2 : 1;

    if (turns->young_count >= turns->young_max || turns->count >= turns->connections_max)
        return false;
    return is_proven || turns->young_unproven < unproven_max;
}

static bool
turns_are_short(const struct turns *turns)
{
    return turns->count > turns->connections_max / 2;
}

/* The last half of the connections is for those who do not hang. */
static bool
turns_hold(const struct turns *turns, const struct lane *lane)
{
    return lane->old_in_flight > 0 && turns_are_short(turns);
}

/* --- the line --- */

void
turns_line_up(struct turns *turns, struct lane *lane)
{
    struct list *line = lane->is_proven ? &turns->proven : &turns->unproven;

    if (turns_hold(turns, lane))
        line = &turns->held;
    if (!link_is_alone(&lane->ready) && lane->ready_in == line)
        return;
    link_remove(&lane->ready);
    list_append(line, &lane->ready);
    lane->ready_in = line;
}

void
turns_step_out(struct lane *lane)
{
    link_remove(&lane->ready);
}

static struct lane *
first_in(const struct list *line)
{
    struct link *link = list_first(line);

    return link != NULL ? LIST_ENTRY(link, struct lane, ready) : NULL;
}

/* The line whose first is to start, by turns where both may; NULL: neither. */
static const struct list *
turns_line(const struct turns *turns)
{
    bool proven = !list_is_empty(&turns->proven) && turns_have_place(turns, true);
    bool unproven = !list_is_empty(&turns->unproven) && turns_have_place(turns, false);

    if (proven && (!unproven || turns->was_unproven))
        return &turns->proven;
    return unproven ? &turns->unproven : NULL;
}

struct lane *
turns_next(struct turns *turns)
{
    struct lane *lane = first_in(&turns->held);
    const struct list *line;

    /* One of those that were held is back for each that starts, so no call takes long. */
    if (lane != NULL && !turns_hold(turns, lane))
        turns_line_up(turns, lane);
    while ((line = turns_line(turns)) != NULL) {
        lane = first_in(line);
        if (!turns_hold(turns, lane)) {
            turns->was_unproven = line == &turns->unproven;
            turns_step_out(lane);
            return lane;
        }
        /* It came to hang, or connections came to be short, while it stood in the line. */
        turns_line_up(turns, lane);
    }
    return NULL;
}

/* --- the places --- */

void
turns_start(struct turns *turns, struct attempt *attempt)
{
    attempt->is_old = false;
    attempt->is_unproven = !attempt->lane->is_proven;
    list_append(&turns->young, &attempt->link);
    turns->count++;
    turns->young_count++;
    turns->young_unproven += attempt->is_unproven;
}

static void
turns_leave_young(struct turns *turns, struct attempt *attempt)
{
    link_remove(&attempt->link);
    turns->young_count--;
    turns->young_unproven -= attempt->is_unproven;
}

void
turns_end(struct turns *turns, struct attempt *attempt)
{
    if (attempt->is_old) {
        link_remove(&attempt->link);
        attempt->lane->old_in_flight--;
    } else {
        turns_leave_young(turns, attempt);
    }
    turns->count--;
}

struct link *
turns_first(const struct turns *turns)
{
    struct link *link = list_first(&turns->old);

    return link != NULL ? link : list_first(&turns->young);
}

static struct instant
turns_next_age(const struct turns *turns)
{
    struct link *link = list_first(&turns->young);

    if (link == NULL)
        return INSTANT_NEVER;
    return instant_add_us(LIST_ENTRY(link, struct attempt, link)->started, YOUNG_US);
}

void
turns_age(struct turns *turns, struct instant now)
{
    while (turns_next_age(turns).us <= now.us) {
        struct attempt *attempt = LIST_ENTRY(list_first(&turns->young), struct attempt, link);

        turns_leave_young(turns, attempt);
        attempt->is_old = true;
        attempt->lane->old_in_flight++;
        list_append(&turns->old, &attempt->link);
    }
}

struct instant
turns_look(const struct turns *turns, struct instant now)
{
    bool is_back = !list_is_empty(&turns->held) && !turns_are_short(turns);

    /* Who waits for a connection waits for an end, which is heard of by itself. */
    if (turns->count >= turns->connections_max ||
        (!is_back && list_is_empty(&turns->proven) && list_is_empty(&turns->unproven)))
        return INSTANT_NEVER;
    if (turns_line(turns) != NULL || (is_back && turns->young_count < turns->young_max))
        return now;
    return turns_next_age(turns);
}
