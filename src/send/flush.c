/* SPDX-License-Identifier: Apache-2.0 */
#include "send/flush.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/log.h"
#include "send/dispatch_inside.h"
#include "send/fanout.h"

/* Copies of bitmaps, records and notes; UNFLUSHED_MAX and FLUSH_NOTES_MAX bound them far below. */
#define FLUSH_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct flush {
    struct store_call call; /* first: found again from it */
    struct dispatch *dispatch;
    struct arena arena;
    struct arena woken_arena;
    struct flush_plan plan;
    struct flush_item *items; /* owned */
    size_t count;
    size_t room;
    struct list lanes; /* whose progress is in it */
    size_t records;
    struct walltime at;
    bool is_running;
    bool is_stuck;
};

struct flush *
flush_new(struct dispatch *dispatch)
{
    struct flush *flush = calloc(1, sizeof(*flush));

    if (flush != NULL) {
        flush->dispatch = dispatch;
        list_init(&flush->lanes);
        arena_init(&flush->arena, FLUSH_ARENA_BYTES_MAX);
        arena_init(&flush->woken_arena, FLUSH_ARENA_BYTES_MAX);
    }
    return flush;
}

void
flush_free(struct flush *flush)
{
    if (flush == NULL)
        return;
    arena_done(&flush->arena);
    arena_done(&flush->woken_arena);
    free(flush->items);
    free(flush);
}

bool
flush_is_running(const struct flush *flush)
{
    return flush->is_running;
}

bool
flush_is_stuck(const struct flush *flush)
{
    return flush->is_stuck;
}

/* --- gathering --- */

static void
flush_add(struct flush *flush, const struct flush_item *item)
{
    if (flush->count == flush->room) {
        size_t room = flush->room == 0 ? 64 : flush->room * 2;
        struct flush_item *items = reallocarray(flush->items, room, sizeof(*items));

        /* Nothing may be left out of a flush, and there is nobody to tell. */
        CHECK(items != NULL);
        flush->items = items;
        flush->room = room;
    }
    flush->items[flush->count++] = *item;
}

static struct str
flush_copy(struct flush *flush, const void *bytes, size_t len)
{
    struct str copy = arena_copy(&flush->arena, (struct str){bytes, len});

    CHECK(copy.ptr != NULL);
    return copy;
}

/* With the first row of it: from then on it alone stands for its member. */
static void
gather_clear(struct flush *flush, struct chunk *chunk, const struct flush_item *base)
{
    struct flush_item item = *base;

    if (!chunk->wants_clear)
        return;
    item.kind = FLUSH_CHUNK_CLEAR;
    item.chunk_pk = chunk->pk;
    flush_add(flush, &item);
    chunk->wants_clear = false;
}

/* Failed members leave the chunk as a row that waits. */
static void
gather_failed(struct flush *flush, struct chunk *chunk, const struct flush_item *base,
    struct failed_members *failed)
{
    struct flush_item item = *base;

    if (failed->count == 0)
        return;
    item.kind = FLUSH_CHUNK_SAVE;
    item.chunk_pk = dispatch_chunk_pk(flush->dispatch);
    item.attempts = chunk->attempts + 1;
    item.at = failed->due;
    item.bytes = flush_copy(flush, failed->todo, BITMAP_BYTES(chunk->count));
    flush_add(flush, &item);
    chunk->fanout->lane->has_waiting = true;
    *failed = (struct failed_members){.count = 0};
}

static void
gather_dead(struct flush *flush, struct chunk *chunk, const struct flush_item *base)
{
    struct flush_item item = *base;

    if (chunk->dead_count == 0)
        return;
    item.kind = FLUSH_DEAD;
    item.attempts = chunk->attempts + 1;
    item.at = flush->at;
    item.bytes = flush_copy(flush, chunk->dead, BITMAP_BYTES(chunk->count));
    if (chunk->dead_ids.len > 0)
        item.detail = flush_copy(flush, chunk->dead_ids.ptr, chunk->dead_ids.len);
    flush_add(flush, &item);
    buf_clear(&chunk->dead_ids);
    memset(chunk->dead, 0, sizeof(chunk->dead));
    chunk->dead_count = 0;
}

static void
gather_notes(struct flush *flush, struct chunk *chunk, const struct flush_item *base)
{
    while (chunk->notes != NULL) {
        struct failure_note *note = chunk->notes;
        struct flush_item item = *base;

        item.kind = FLUSH_FAILURE;
        item.base = note->pos;
        item.attempts = note->attempt;
        item.at = note->at;
        item.failure = str_from(note->failure);
        item.status = note->status;
        item.detail = flush_copy(flush, note->detail.ptr, note->detail.len);
        item.bytes = flush_copy(flush, note->answer.ptr, note->answer.len);
        flush_add(flush, &item);
        chunk->notes = note->next;
        free(note);
    }
}

static void
gather_records(struct flush *flush, struct chunk *chunk, const struct flush_item *base)
{
    struct flush_item item = *base;

    if (chunk->records.len == 0)
        return;
    item.kind = FLUSH_RECORDS;
    item.at = chunk->records_since;
    item.bytes = flush_copy(flush, chunk->records.ptr, chunk->records.len);
    flush_add(flush, &item);
    buf_clear(&chunk->records);
}

/* The row of what is still in hand; none is left when all is settled. */
static void
gather_rest(struct flush *flush, struct chunk *chunk, const struct flush_item *base)
{
    struct flush_item item = *base;

    item.chunk_pk = chunk->pk;
    if (chunk_is_settled(chunk)) {
        chunk->is_flushing = true;
        if (!chunk->is_stored)
            return;
        item.kind = FLUSH_CHUNK_DELETE;
    } else {
        item.kind = FLUSH_CHUNK_SAVE;
        item.attempts = chunk->attempts;
        item.at.us = chunk->is_given_back ? CHUNK_DUE_AT_ONCE_US : CHUNK_IN_HAND_US;
        item.bytes = flush_copy(flush, chunk->todo, BITMAP_BYTES(chunk->count));
        chunk->is_stored = true;
        chunk->is_flushing = chunk->is_given_back;
    }
    flush_add(flush, &item);
}

static void
gather_fanout(struct flush *flush, struct fanout *fanout)
{
    struct flush_item item = {
        .kind = FLUSH_FANOUT,
        .hook_pk = fanout->lane->hook_pk,
        .fanout_pk = fanout->row.pk,
        .round = fanout->row.round,
        /* What is being read is not in hand yet. */
        .base = fanout->next_pos,
        .delivered = fanout->delivered,
        .dead = fanout->dead,
        .skipped = fanout->skipped,
        .superseded = fanout->superseded,
        .is_drained = fanout->read == NULL && fanout->next_pos >= fanout->row.end_pos,
    };

    if (!fanout->is_dirty)
        return;
    if (fanout->read != NULL)
        item.base = fanout_read_base(fanout);
    LIST_FOREACH(&fanout->chunks, it)
    {
        struct chunk *chunk = LIST_ENTRY(it, struct chunk, link);
        const struct flush_item base = {
            .hook_pk = item.hook_pk,
            .fanout_pk = item.fanout_pk,
            .round = item.round,
            .base = chunk->base,
            .count = chunk->count,
        };

        if (!chunk->is_changed)
            continue;
        gather_clear(flush, chunk, &base);
        gather_failed(flush, chunk, &base, &chunk->failed);
        gather_failed(flush, chunk, &base, &chunk->asked);
        gather_dead(flush, chunk, &base);
        gather_notes(flush, chunk, &base);
        gather_records(flush, chunk, &base);
        gather_rest(flush, chunk, &base);
        chunk->is_changed = false;
        chunk->note_count = 0;
    }
    /* Last: whether the fan-out is done depends on the chunks. */
    flush_add(flush, &item);
    fanout->delivered = 0;
    fanout->dead = 0;
    fanout->skipped = 0;
    fanout->superseded = 0;
    fanout->is_dirty = false;
}

static void
gather_health(struct flush *flush, struct lane *lane)
{
    const struct flush_item item = {
        .kind = FLUSH_HOOK_HEALTH,
        .hook_pk = lane->hook_pk,
        .failure = str_from(lane->failure),
        .status = lane->status,
        .health = lane->health,
    };

    if (!lane->is_health_dirty)
        return;
    flush_add(flush, &item);
    lane->is_health_dirty = false;
}

static void
gather_disable(struct flush *flush, struct lane *lane)
{
    const struct flush_item item = {
        .kind = FLUSH_HOOK_DISABLE,
        .hook_pk = lane->hook_pk,
        .failure = str_from(lane->disabled_by),
        .detail = str_from(lane->failure),
        .status = lane->status,
        .health = lane->health,
    };

    if (lane->disabled_by == NULL)
        return;
    flush_add(flush, &item);
    lane->is_disabled_flushing = true;
}

static void
gather_lane(struct flush *flush, struct lane *lane)
{
    gather_health(flush, lane);
    gather_disable(flush, lane);
    lane->is_dirty = false;
    LIST_FOREACH(&lane->fanouts, it)
    {
        gather_fanout(flush, LIST_ENTRY(it, struct fanout, link));
    }
}

/* --- writing --- */

static enum err
flush_run(struct store_call *call, struct engine *engine)
{
    struct flush *flush = (struct flush *)call;

    arena_reset(&flush->woken_arena);
    flush->plan = (struct flush_plan){
        .items = flush->items,
        .count = flush->count,
        .now = flush->at,
        .ids = flush->dispatch->options.ids,
        .arena = &flush->woken_arena,
    };
    return lanes_flush(engine, &flush->plan, &call->error);
}

static void
drop_flushed(struct fanout *fanout)
{
    LIST_FOREACH(&fanout->chunks, it)
    {
        struct chunk *chunk = LIST_ENTRY(it, struct chunk, link);

        if (!chunk->is_flushing)
            continue;
        /* Where it came from there may be more that is due; where it went it may be due. */
        if (chunk->is_retry || chunk->is_given_back)
            fanout->lane->wants_read = true;
        chunk_free(chunk);
    }
}

/* All of it is on disk. */
static void
flush_over(struct flush *flush)
{
    flush->dispatch->unflushed -= flush->records;
    dispatch_wake(flush->dispatch->options.set, flush->plan.wake, flush->plan.wake_count);
    flush->plan.wake_count = 0;
    for (struct link *link; (link = list_take_first(&flush->lanes)) != NULL;) {
        struct lane *lane = LIST_ENTRY(link, struct lane, flush);

        /* What has come since is for the next one. */
        if (lane->is_dirty)
            list_append(&flush->dispatch->dirty, &lane->flush);
        LIST_FOREACH(&lane->fanouts, it)
        {
            drop_flushed(LIST_ENTRY(it, struct fanout, link));
        }
        lane_flushed(lane);
    }
    dispatch_soon(flush->dispatch);
}

static void
flush_done(struct store_call *call)
{
    struct flush *flush = (struct flush *)call;

    flush->is_running = false;
    if (call->err != OK) {
        if (!flush->is_stuck)
            log_error("flush.failed", log_text("error", call->error.text));
        flush->is_stuck = true;
        dispatch_soon(flush->dispatch);
        return;
    }
    if (flush->is_stuck)
        log_info("flush.recovered", log_int("items", (int64_t)flush->count));
    flush->is_stuck = false;
    flush_over(flush);
}

static void
flush_submit(struct flush *flush)
{
    flush->call = (struct store_call){
        .run = flush_run,
        .done = flush_done,
        .reply = loop_mailbox(flush->dispatch->options.loop),
        .writes = true,
    };
    flush->is_running = true;
    if (store_submit(flush->dispatch->options.port, &flush->call) != OK) {
        if (!flush->is_stuck)
            log_error("flush.failed", log_text("error", "the store's queue is full"));
        flush->is_running = false;
        flush->is_stuck = true;
    }
}

void
flush_start(struct flush *flush)
{
    struct dispatch *dispatch = flush->dispatch;

    CHECK(!flush->is_running && !flush->is_stuck);
    arena_reset(&flush->arena);
    flush->count = 0;
    flush->at = dispatch_walltime(flush->dispatch);
    flush->records = dispatch->unflushed;
    dispatch->notes = 0;
    for (struct link *link; (link = list_take_first(&dispatch->dirty)) != NULL;) {
        list_append(&flush->lanes, link);
        gather_lane(flush, LIST_ENTRY(link, struct lane, flush));
    }
    if (flush->count > 0)
        flush_submit(flush);
    else
        flush_over(flush);
}

void
flush_again(struct flush *flush)
{
    CHECK(flush->is_stuck && !flush->is_running);
    flush_submit(flush);
}
