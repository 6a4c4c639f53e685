/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handler_lane.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/log.h"
#include "receive/handle_inside.h"
#include "receive/handler_lane_read.h"

/* What was read so long ago is read again when there is news: a newer version may have come, or it
 * may have been erased. */
#define FRESH_US US_PER_S
/* A wait is looked at again by the wall clock after an hour, for that may have been set. */
#define DUE_LOOK_US US_PER_HOUR
/* A handler that cannot be opened, or for which there is no memory, is not there at once again. */
#define OPEN_AGAIN_US (30 * US_PER_S)
#define ASK_AGAIN_US  US_PER_S

/* --- items --- */

static void
list_let_go(struct list *items)
{
    for (struct link *link; (link = list_first(items)) != NULL;)
        lane_item_let_go(LIST_ENTRY(link, struct lane_item, link));
}

/* Those that are not begun and are older than what has come now. */
static void
supersede_in(const struct list *items, const struct lane_item *newer)
{
    LIST_FOREACH(items, it)
    {
        struct lane_item *item = LIST_ENTRY(it, struct lane_item, link);

        if (item->inbox_pk < newer->inbox_pk && lane_item_is_same(item, newer))
            item->verdict = VERDICT_SUPERSEDED;
    }
}

static void
on_done(struct handling *handling)
{
    struct lane_item *item = CONTAINER_OF(handling, struct lane_item, handling);
    struct handler_lane *lane = item->lane;
    struct lane_item *behind = lane_items_find_same(&lane->behind, item);

    CHECK(lane->under_way_count > 0 && !link_is_alone(&item->link));
    lane->under_way_count--;
    lane->handle->in_hand--;
    lane->handle->has_ended = true;
    counters_add_in_hand(lane->counts, -1);
    if (behind != NULL) {
        link_remove(&behind->link);
        list_append(&lane->ready, &behind->link);
    }
    lane_item_ended(item, handle_now(lane->handle));
    handle_soon(lane->handle);
}

/* --- taking up --- */

void
handler_lane_take_in(struct handler_lane *lane, struct list *items, int64_t read_pk)
{
    for (struct link *link; (link = list_first(items)) != NULL;) {
        struct lane_item *item = LIST_ENTRY(link, struct lane_item, link);
        bool was_waiting = item->was_waiting;

        /* It fell due again while its end was being written: it is found once more after that. */
        if (map_find(&lane->held, (uint64_t)item->inbox_pk) != NULL) {
            lane_item_free(item);
            continue;
        }
        if (map_set(&lane->held, (uint64_t)item->inbox_pk, item) != OK) {
            /* No memory: this and all after it are read again. */
            if (!was_waiting)
                read_pk = item->inbox_pk - 1;
            lane->has_news = true;
            lane->is_due = true;
            lane->ask_next = instant_add_us(handle_now(lane->handle), ASK_AGAIN_US);
            while ((link = list_first(items)) != NULL)
                lane_item_free(LIST_ENTRY(link, struct lane_item, link));
            if (was_waiting)
                return;
            break;
        }
        link_remove(&item->link);
        item->arrived_at = handle_now(lane->handle);
        supersede_in(&lane->due, item);
        supersede_in(&lane->next, item);
        supersede_in(&lane->behind, item);
        supersede_in(&lane->ready, item);
        list_append(was_waiting ? &lane->due : &lane->next, &item->link);
        lane->ahead_count++;
        lane->ahead_bytes += item->handling.body.len;
    }
    lane->is_dirty = lane->is_dirty || (read_pk > lane->read_pk && list_is_empty(&lane->next));
    lane->read_pk = read_pk;
}

/* Let go what was read and is not in hand. */
static void
lane_drop_ahead(struct handler_lane *lane)
{
    struct link *first = list_first(&lane->next);

    if (lane->ahead_count == 0)
        return;
    if (first != NULL)
        lane->read_pk = LIST_ENTRY(first, struct lane_item, link)->inbox_pk - 1;
    lane->has_news = true;
    lane->is_due = true;
    lane->drops++;
    list_let_go(&lane->next);
    list_let_go(&lane->due);
    lane->ahead_count = 0;
    lane->ahead_bytes = 0;
}

static void
lane_give_back(struct handler_lane *lane)
{
    for (struct link *link; (link = list_first(&lane->ready)) != NULL;)
        lane_item_give_back(LIST_ENTRY(link, struct lane_item, link));
    for (struct link *link; (link = list_first(&lane->behind)) != NULL;)
        lane_item_give_back(LIST_ENTRY(link, struct lane_item, link));
}

/* The one whose turn it is; it stays where it is. */
static struct lane_item *
lane_peek(const struct handler_lane *lane)
{
    struct link *link = list_first(&lane->ready);

    if (link == NULL && lane->takes_due)
        link = list_first(&lane->due);
    if (link == NULL)
        link = list_first(&lane->next);
    if (link == NULL)
        link = list_first(&lane->due);
    return link != NULL ? LIST_ENTRY(link, struct lane_item, link) : NULL;
}

/* Out of what was read ahead, and with it into our hand: from now on the cursor may pass it. */
static void
lane_take(struct handler_lane *lane, struct lane_item *item, bool is_ready)
{
    link_remove(&item->link);
    if (is_ready)
        return;
    CHECK(lane->ahead_count > 0);
    lane->ahead_count--;
    lane->ahead_bytes -= item->handling.body.len;
    lane->takes_due = !item->was_waiting;
    if (item->was_waiting) {
        lane->unmarked++;
        lane->is_dirty = true;
    }
}

/* JSON and model; false when it has ended by that. */
static bool
lane_prepare(struct handler_lane *lane, struct lane_item *item, struct instant now)
{
    struct json *body = NULL;
    struct error error;
    enum err err;

    if (item->is_prepared)
        return true;
    err = received_parse(item->handling.body, &item->arena, &body, &error);
    if (err == OK) {
        err = received_read(body, &item->arena, &item->received);
        if (err != OK)
            (void)error_set(&error, err, "out of memory for the model of the body");
    }
    if (err != OK) {
        lane_item_unread(item, &error, now);
        return false;
    }
    item->is_prepared = true;
    item->handling.received = &item->received;
    if (handler_wants(lane->handler, item->handling.source, item->handling.event, body))
        return true;
    item->verdict = VERDICT_UNWANTED;
    lane_item_pass_over(item, now);
    return false;
}

static void
lane_begin_item(struct handler_lane *lane, struct lane_item *item, struct instant now)
{
    struct handling *handling = &item->handling;

    pacing_take(&lane->pacing, now);
    item->started = now;
    handling->attempt = item->attempts + 1;
    handling->deadline = instant_add_ms(now, lane->handler->timeout_ms);
    handling->done = on_done;
    list_append(&lane->under_way, &item->link);
    lane->under_way_count++;
    lane->handle->in_hand++;
    counters_add_in_hand(lane->counts, 1);
    lane->handler->kind->start(lane->worker, handling);
}

/* Two versions of one thing are never under way at once: the older might end last. */
static bool
lane_must_wait(struct handler_lane *lane, struct lane_item *item)
{
    struct lane_item *older;

    if (lane_items_find_same(&lane->under_way, item) == NULL &&
        lane_items_find_same(&lane->cancelled, item) == NULL)
        return false;
    older = lane_items_find_same(&lane->behind, item);
    if (older != NULL && older->inbox_pk < item->inbox_pk) {
        link_remove(&older->link);
        older->verdict = VERDICT_SUPERSEDED;
        list_append(&lane->ready, &older->link);
    }
    list_append(&lane->behind, &item->link);
    return true;
}

/* When the next may begin: now or later; never: when something else has happened. */
static struct instant
lane_ready_at(const struct handler_lane *lane, struct instant now)
{
    unsigned most = lane->laters > 0 ? 1 : lane->handler->concurrency;
    struct instant at = pacing_ready(&lane->pacing, now);

    if (!handle_may_start(lane->handle) || lane->under_way_count >= most)
        return INSTANT_NEVER;
    return at.us > lane->pause_until.us ? at : lane->pause_until;
}

static bool
is_out_of_date(const struct handler_lane *lane, const struct lane_item *item, struct instant now)
{
    return lane->news != item->news && now.us - item->arrived_at.us > FRESH_US;
}

/* Begin what may begin; the next moment when more may. */
static struct instant
lane_begin(struct handler_lane *lane, struct instant now)
{
    struct handle *handle = lane->handle;

    for (; handle->looks_left > 0 && handle->starts_left > 0; handle->looks_left--) {
        struct lane_item *item = lane_peek(lane);
        bool is_ready = !list_is_empty(&lane->ready);
        struct instant at;

        if (item == NULL || handle->unflushed >= UNFLUSHED_MAX)
            return INSTANT_NEVER;
        if (item->verdict != VERDICT_WANTED) {
            lane_take(lane, item, is_ready);
            lane_item_pass_over(item, now);
            continue;
        }
        at = lane_ready_at(lane, now);
        if (at.us > now.us)
            return at;
        if (!is_ready && is_out_of_date(lane, item, now)) {
            lane_drop_ahead(lane);
            return INSTANT_NEVER;
        }
        lane_take(lane, item, is_ready);
        if (!lane_prepare(lane, item, now) || lane_must_wait(lane, item))
            continue;
        lane_begin_item(lane, item, now);
        handle->starts_left--;
    }
    return lane_peek(lane) != NULL ? now : INSTANT_NEVER;
}

/* --- deadlines --- */

static void
cancel_first(struct handler_lane *lane)
{
    struct lane_item *item = LIST_ENTRY(list_first(&lane->under_way), struct lane_item, link);

    /* It may be done within the call. */
    link_remove(&item->link);
    list_append(&lane->cancelled, &item->link);
    lane->handler->kind->cancel(lane->worker, &item->handling);
}

void
handler_lane_cancel_all(struct handler_lane *lane)
{
    for (struct link *link; (link = list_first(&lane->under_way)) != NULL;) {
        LIST_ENTRY(link, struct lane_item, link)->is_broken_off = true;
        cancel_first(lane);
    }
}

static struct instant
lane_watch(struct handler_lane *lane, struct instant now)
{
    for (struct link *link; (link = list_first(&lane->under_way)) != NULL;) {
        struct instant deadline = LIST_ENTRY(link, struct lane_item, link)->handling.deadline;

        if (deadline.us > now.us)
            return deadline;
        cancel_first(lane);
    }
    return INSTANT_NEVER;
}

/* --- reading --- */

void
handler_lane_set_due(struct handler_lane *lane, struct walltime due, struct instant now)
{
    int64_t wait_us = due.us - handle_walltime(lane->handle).us;

    if (wait_us <= 0) {
        lane->is_due = true;
        return;
    }
    lane->next_due = due;
    lane->due_look = instant_add_us(now, wait_us < DUE_LOOK_US ? wait_us : DUE_LOOK_US);
}

static void
lane_look_at_due(struct handler_lane *lane, struct instant now)
{
    struct walltime due = lane->next_due;

    if (due.us == 0 || now.us < lane->due_look.us)
        return;
    lane->next_due = (struct walltime){0};
    handler_lane_set_due(lane, due, now);
}

/* Rows of what we have taken would be found once more until they say that it is in hand. */
static bool
lane_may_read_due(const struct handler_lane *lane)
{
    return list_is_empty(&lane->due) && lane->unmarked == 0 && !lane->is_flushing;
}

static struct instant
lane_read(struct handler_lane *lane, struct instant now)
{
    struct handle *handle = lane->handle;
    bool takes_due = lane->is_due && lane_may_read_due(lane);
    struct instant at = lane->ask_next;
    enum err err;

    if (lane->read != NULL || !lane->has_cursor || !(lane->has_news || takes_due) ||
        lane->ahead_count > LANE_AHEAD_MAX / 2 || lane->ahead_bytes > LANE_AHEAD_BYTES_MAX / 2)
        return INSTANT_NEVER;
    /* While it is paused nothing of it would begin. */
    if (at.us < lane->pause_until.us)
        at = lane->pause_until;
    if (now.us < at.us)
        return at;
    /* A read that ends makes room for it. */
    if (!handle_may_ask(handle, now))
        return handle->ask_next.us > now.us ? handle->ask_next : INSTANT_NEVER;
    err = handler_lane_read_start(lane, takes_due);
    if (err == OK)
        return INSTANT_NEVER;
    if (err == ERR_BUSY) {
        handle_refused(handle, now);
        return handle->ask_next;
    }
    lane->ask_next = instant_add_us(now, ASK_AGAIN_US);
    return lane->ask_next;
}

/* --- life --- */

static uint64_t
source_bits(const struct setup *setup, const struct handler *handler)
{
    uint64_t bits = 0;

    if (handler->source_count == 0)
        return UINT64_MAX;
    for (size_t i = 0; i < setup->source_count; i++)
        for (size_t j = 0; j < handler->source_count; j++)
            if (str_equals(setup->sources[i].name, handler->sources[j]))
                bits |= UINT64_C(1) << ((uint64_t)setup->source_pks[i] % 64);
    return bits;
}

static void
lane_work_by(struct handler_lane *lane, struct setup *setup, const struct handler *handler)
{
    lane->setup = setup;
    lane->handler = handler;
    lane->sources = source_bits(setup, handler);
    pacing_set(&lane->pacing, handler->rate);
    lane->laters = 0;
    lane->pause_until = (struct instant){0};
    lane->open_next = (struct instant){0};
    lane->has_news = true;
    lane->is_due = true;
}

enum err
handler_lane_new(struct handle *handle, struct setup *setup, const struct handler *handler,
    struct handler_lane **ret)
{
    struct handler_lane *lane = calloc(1, sizeof(*lane));

    if (lane == NULL)
        return ERR_NOMEM;
    lane->handle = handle;
    lane->handler_pk = handler->handler_pk;
    lane->counts = counters_handler(handler->name);
    link_init(&lane->link);
    list_init(&lane->next);
    list_init(&lane->due);
    list_init(&lane->ready);
    list_init(&lane->behind);
    list_init(&lane->under_way);
    list_init(&lane->cancelled);
    list_init(&lane->ended);
    list_init(&lane->flushing);
    map_init(&lane->held);
    lane_work_by(lane, setup_hold(setup), handler);
    *ret = lane;
    return OK;
}

static void
lane_close(struct handler_lane *lane)
{
    if (lane->worker != NULL)
        lane->handler->kind->close(TAKE(lane->worker));
}

void
handler_lane_free(struct handler_lane *lane)
{
    CHECK(lane->under_way_count == 0 && lane->read == NULL);
    lane_close(lane);
    list_let_go(&lane->next);
    list_let_go(&lane->due);
    list_let_go(&lane->ready);
    list_let_go(&lane->behind);
    list_let_go(&lane->ended);
    list_let_go(&lane->flushing);
    map_done(&lane->held);
    link_remove(&lane->link);
    setup_drop(lane->next_setup);
    setup_drop(lane->setup);
    free(lane);
}

void
handler_lane_change(struct handler_lane *lane, struct setup *setup, const struct handler *handler)
{
    setup_drop(TAKE(lane->next_setup));
    lane->is_leaving = setup == NULL;
    lane->next_handler = handler;
    if (setup != NULL)
        lane->next_setup = setup_hold(setup);
}

void
handler_lane_begin(struct handler_lane *lane, int64_t read_pk)
{
    lane->has_cursor = true;
    lane->read_pk = read_pk;
}

void
handler_lane_wake(struct handler_lane *lane, uint64_t sources, bool all)
{
    if ((lane->sources & sources) == 0)
        return;
    lane->has_news = true;
    lane->is_due = lane->is_due || all;
    lane->news++;
}

int64_t
handler_lane_cursor(const struct handler_lane *lane)
{
    struct link *first = list_first(&lane->next);

    return first != NULL ? LIST_ENTRY(first, struct lane_item, link)->inbox_pk : lane->read_pk + 1;
}

void
handler_lane_flushed(struct handler_lane *lane, struct instant now)
{
    lane->is_flushing = false;
    for (struct link *link; (link = list_first(&lane->flushing)) != NULL;) {
        struct lane_item *item = LIST_ENTRY(link, struct lane_item, link);
        struct walltime at = item->change.at;

        if (item->has_change && item->change.what == HANDLING_WAITS &&
            (lane->next_due.us == 0 || at.us < lane->next_due.us))
            handler_lane_set_due(lane, at, now);
        lane_item_let_go(item);
    }
}

bool
handler_lane_is_over(const struct handler_lane *lane)
{
    return lane->is_leaving && lane->under_way_count == 0 && lane->read == NULL &&
           !lane->is_dirty && !lane->is_flushing;
}

/* What is in hand ends first, by the setup under which it began. */
static struct instant
lane_change_over(struct handler_lane *lane, struct instant now)
{
    struct setup *next;

    lane_drop_ahead(lane);
    lane_give_back(lane);
    if (lane->under_way_count > 0 || lane->read != NULL)
        return lane_watch(lane, now);
    lane_close(lane);
    if (lane->is_leaving)
        return INSTANT_NEVER;
    next = TAKE(lane->next_setup);
    setup_drop(lane->setup);
    lane_work_by(lane, next, TAKE(lane->next_handler));
    return now;
}

static struct instant
lane_open(struct handler_lane *lane, struct instant now)
{
    struct error error;

    if (now.us < lane->open_next.us)
        return lane->open_next;
    if (lane->handler->kind->open(lane->handler, &lane->handle->place, &lane->worker, &error) == OK)
        return now;
    lane->worker = NULL;
    log_error("handler.unopened", log_str("handler", lane->handler->name),
        log_text("error", error.text));
    lane->open_next = instant_add_us(now, OPEN_AGAIN_US);
    return lane->open_next;
}

struct instant
handler_lane_tick(struct handler_lane *lane, struct instant now)
{
    struct instant next;

    if (lane->next_setup != NULL || lane->is_leaving) {
        next = lane_change_over(lane, now);
        if (next.us != now.us)
            return next;
    }
    if (lane->worker == NULL) {
        next = lane_open(lane, now);
        if (next.us != now.us)
            return next;
    }
    lane_look_at_due(lane, now);
    next = lane_begin(lane, now);
    next = instant_earlier(next, lane_read(lane, now));
    next = instant_earlier(next, lane_watch(lane, now));
    if (lane->next_due.us != 0)
        next = instant_earlier(next, lane->due_look);
    return next;
}

struct instant
handler_lane_tick_stopping(struct handler_lane *lane, struct instant now)
{
    lane_drop_ahead(lane);
    lane_give_back(lane);
    return lane_watch(lane, now);
}
