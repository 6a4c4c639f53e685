/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handle_flush.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/log.h"
#include "receive/handle_inside.h"

struct handle_flush {
    struct store_call call; /* first: found again from it */
    struct handle *handle;
    struct handler_flush *lanes; /* owned; what each lane has to say */
    size_t lane_count;
    size_t lane_room;
    struct handling_change *changes; /* owned */
    size_t change_count;
    size_t change_room;
    struct handling_record *records; /* owned; texts are the items' */
    size_t record_count;
    size_t record_room;
    size_t outcomes;
    bool is_running;
    bool is_stuck;
};

struct handle_flush *
handle_flush_new(struct handle *handle)
{
    struct handle_flush *flush = calloc(1, sizeof(*flush));

    if (flush != NULL)
        flush->handle = handle;
    return flush;
}

void
handle_flush_free(struct handle_flush *flush)
{
    if (flush == NULL)
        return;
    CHECK(!flush->is_running);
    free(flush->lanes);
    free(flush->changes);
    free(flush->records);
    free(flush);
}

bool
handle_flush_is_running(const struct handle_flush *flush)
{
    return flush->is_running;
}

bool
handle_flush_is_stuck(const struct handle_flush *flush)
{
    return flush->is_stuck;
}

/* --- gathering --- */

/* The array with room for so many, or NULL and as it was. */
static void *
grown(void *array, size_t *inout_room, size_t count, size_t bytes)
{
    void *more;

    if (array != NULL && count <= *inout_room)
        return array;
    more = reallocarray(array, count + 1, bytes);
    if (more != NULL)
        *inout_room = count + 1;
    return more;
}

/* Room for all first, so that gathering itself cannot fail by halves. */
static bool
flush_make_room(struct handle_flush *flush)
{
    struct handler_flush *said;
    struct handling_change *changes;
    struct handling_record *records;
    size_t lanes = 0;
    size_t items = 0;

    LIST_FOREACH(&flush->handle->lanes, it)
    {
        const struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        lanes += lane->is_dirty;
        /* What was read ahead counts as well. */
        items += lane->is_dirty ? lane->held.count : 0;
    }
    said = grown(flush->lanes, &flush->lane_room, lanes, sizeof(*said));
    if (said == NULL)
        return false;
    flush->lanes = said;
    changes = grown(flush->changes, &flush->change_room, items, sizeof(*changes));
    if (changes == NULL)
        return false;
    flush->changes = changes;
    records = grown(flush->records, &flush->record_room, items, sizeof(*records));
    if (records == NULL)
        return false;
    flush->records = records;
    return true;
}

static void
gather_in_hand(struct handle_flush *flush, const struct list *items)
{
    LIST_FOREACH(items, it)
    {
        struct lane_item *item = LIST_ENTRY(it, struct lane_item, link);

        if (item->is_marked)
            continue;
        CHECK(flush->change_count < flush->change_room);
        flush->changes[flush->change_count++] = (struct handling_change){
            .what = HANDLING_IN_HAND,
            .inbox_pk = item->inbox_pk,
            .has_row = item->has_row,
            .attempts = item->attempts,
        };
        item->has_row = true;
        item->is_marked = true;
    }
}

static void
gather_ended(struct handle_flush *flush, struct handler_lane *lane)
{
    for (struct link *link; (link = list_take_first(&lane->ended)) != NULL;) {
        const struct lane_item *item = LIST_ENTRY(link, struct lane_item, link);

        if (item->has_change)
            flush->changes[flush->change_count++] = item->change;
        if (item->has_record)
            flush->records[flush->record_count++] = item->record;
        list_append(&lane->flushing, link);
        flush->outcomes++;
    }
}

static void
gather_lane(struct handle_flush *flush, struct handler_lane *lane)
{
    struct handler_flush *said = &flush->lanes[flush->lane_count++];
    size_t changes = flush->change_count;
    size_t records = flush->record_count;

    gather_in_hand(flush, &lane->under_way);
    gather_in_hand(flush, &lane->cancelled);
    gather_in_hand(flush, &lane->behind);
    gather_in_hand(flush, &lane->ready);
    gather_ended(flush, lane);
    *said = (struct handler_flush){
        .handler_pk = lane->handler_pk,
        .next_pk = handler_lane_cursor(lane),
        .changes = flush->changes + changes,
        .change_count = flush->change_count - changes,
        .records = flush->records + records,
        .record_count = flush->record_count - records,
        .handled = lane->handled,
        .failed = lane->failed,
        .passed_over = lane->passed_over,
    };
    lane->handled = 0;
    lane->failed = 0;
    lane->passed_over = 0;
    lane->unmarked = 0;
    lane->is_dirty = false;
    lane->is_flushing = true;
}

/* --- writing --- */

static enum err
flush_run(struct store_call *call, struct engine *engine)
{
    struct handle_flush *flush = (struct handle_flush *)call;

    return handlers_flush(engine, flush->lanes, flush->lane_count, &call->error);
}

static void
flush_done(struct store_call *call)
{
    struct handle_flush *flush = (struct handle_flush *)call;
    struct handle *handle = flush->handle;

    flush->is_running = false;
    handle_soon(handle);
    if (call->err != OK) {
        if (!flush->is_stuck)
            log_error("flush.failed", log_text("error", call->error.text));
        flush->is_stuck = true;
        return;
    }
    if (flush->is_stuck)
        log_info("flush.recovered", log_int("items", (int64_t)flush->outcomes));
    flush->is_stuck = false;
    handle->unflushed -= flush->outcomes;
    LIST_FOREACH(&handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (lane->is_flushing)
            handler_lane_flushed(lane, handle_now(handle));
    }
}

static void
flush_submit(struct handle_flush *flush)
{
    flush->call = (struct store_call){
        .run = flush_run,
        .done = flush_done,
        .reply = loop_mailbox(flush->handle->options.loop),
        .writes = true,
    };
    flush->is_running = true;
    if (store_submit(flush->handle->options.port, &flush->call) != OK) {
        if (!flush->is_stuck)
            log_error("flush.failed", log_text("error", "the store's queue is full"));
        flush->is_running = false;
        flush->is_stuck = true;
    }
}

void
handle_flush_start(struct handle_flush *flush)
{
    CHECK(!flush->is_running && !flush->is_stuck);
    /* Tried again at the next beat; nothing was taken from the lanes. */
    if (!flush_make_room(flush))
        return;
    flush->lane_count = 0;
    flush->change_count = 0;
    flush->record_count = 0;
    flush->outcomes = 0;
    LIST_FOREACH(&flush->handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (lane->is_dirty)
            gather_lane(flush, lane);
    }
    if (flush->lane_count > 0)
        flush_submit(flush);
}

void
handle_flush_again(struct handle_flush *flush)
{
    CHECK(flush->is_stuck && !flush->is_running);
    flush_submit(flush);
}
