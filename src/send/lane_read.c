/* SPDX-License-Identifier: Apache-2.0 */
#include "send/lane_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "domain/schedule.h"
#include "send/dispatch_inside.h"
#include "send/fanout.h"
#include "store/hooks.h"

#define READ_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define HOOK_ARENA_BYTES_MAX ((size_t)1024 * 1024)

/* For a probe, and how often it is to be of a fan-out: each such leaves a row. */
#define PROBE_FANOUTS      1
#define PROBE_RETRIES      4
#define PROBE_FANOUT_EVERY 16

/* What was read and not taken. */
static void
drop_results(struct lane_read *read)
{
    for (size_t i = 0; i < read->fanout_count; i++)
        audience_done(&read->fanouts[i].audience);
    for (size_t i = 0; i < read->retry_count; i++) {
        audience_done(&read->retry_fanouts[i].audience);
        if (read->retries[i] != NULL)
            chunk_free(read->retries[i]);
    }
    /* Those that were held before stand in front. */
    read->retries_held_count -= read->retry_count;
    read->fanout_count = 0;
    read->retry_count = 0;
    read->cancelled_count = 0;
    arena_reset(&read->arena);
    arena_reset(&read->hook_arena);
}

void
lane_read_free(struct lane_read *read)
{
    drop_results(read);
    arena_done(&read->arena);
    arena_done(&read->hook_arena);
    free(read);
}

static bool
holds(const int64_t *pks, size_t count, int64_t pk)
{
    for (size_t i = 0; i < count; i++)
        if (pks[i] == pk)
            return true;
    return false;
}

static enum err
read_cancelled(struct lane_read *read, struct engine *engine)
{
    for (size_t i = 0; i < read->fanouts_held_count; i++) {
        bool is_sending;
        enum err err = fanout_is_sending(engine, read->fanouts_held[i], read->rounds_held[i],
            &is_sending, &read->call.error);

        if (err != OK)
            return err;
        if (!is_sending)
            read->cancelled[read->cancelled_count++] = read->fanouts_held[i];
    }
    return OK;
}

/* Ask for as many more as are held already, since the held ones come back too. */
static enum err
read_fanouts(struct lane_read *read, struct engine *engine)
{
    struct lane_fanout found[2 * LANE_FANOUTS_MAX + LANE_RETRIES_MAX];
    size_t count = read->fanouts_wanted + read->fanouts_held_count;
    size_t bulks = read->bulks_wanted;
    enum err err;

    if (read->fanouts_wanted == 0)
        return OK;
    err = fanouts_startable(engine, read->lane->hook_pk, &read->arena, found, &count,
        &read->call.error);
    if (err != OK)
        return err;
    for (size_t i = 0; i < count; i++) {
        bool is_bulk = found[i].end_pos - found[i].next_pos > CHUNK_MEMBERS_FIRST;

        if (holds(read->fanouts_held, read->fanouts_held_count, found[i].pk) ||
            read->fanout_count == read->fanouts_wanted || (is_bulk && bulks == 0)) {
            audience_done(&found[i].audience);
            continue;
        }
        bulks -= is_bulk;
        read->fanouts[read->fanout_count++] = found[i];
    }
    return OK;
}

static enum err
read_retry(struct lane_read *read, struct engine *engine, const struct lane_chunk *due)
{
    struct lane_fanout *fanout = &read->retry_fanouts[read->retry_count];
    struct chunk *chunk;
    bool is_wanted = true;
    enum err err = OK;

    if (due->is_manual)
        err = chunk_is_wanted(engine, due, &is_wanted, &read->call.error);
    if (err == OK)
        err = fanout_get(engine, due->fanout_pk, &read->arena, fanout, &read->call.error);
    if (err != OK)
        return err;
    chunk = chunk_new(due->pk, due->base, due->count);
    read->retries[read->retry_count++] = chunk;
    read->retries_held[read->retries_held_count++] = due->pk;
    if (chunk == NULL)
        return error_set(&read->call.error, ERR_NOMEM, "out of memory for a chunk");
    memcpy(chunk->todo, due->todo, sizeof(chunk->todo));
    chunk->todo_count = bitmap_count(chunk->todo, chunk->count);
    chunk->attempts = due->attempts;
    chunk->is_retry = true;
    chunk->is_manual = due->is_manual;
    chunk->wants_clear = due->is_manual;
    chunk->is_stored = true;
    /* It is taken up all the same, so that the flush takes out its row. */
    if (!is_wanted)
        chunk_drop_manual(chunk);
    return chunk_read_members(chunk, read->lane, fanout, engine, &read->call.error);
}

static enum err
read_retries(struct lane_read *read, struct engine *engine)
{
    while (read->retry_count < read->retries_wanted) {
        const struct chunk_query query = {
            .hook_pk = read->lane->hook_pk,
            .now = read->now,
            .latest = read->latest,
            .skip = read->retries_held,
            .skip_count = read->retries_held_count,
        };
        struct lane_chunk due;
        enum err err = chunk_due(engine, &query, &due, &read->next_due, &read->call.error);

        if (err == ERR_NOT_FOUND)
            return OK;
        if (err == OK)
            err = read_retry(read, engine, &due);
        if (err != OK)
            return err;
    }
    /* More may be due: those taken up now bring the lane back here when they are through. */
    return OK;
}

/* For a probe: rather a chunk that waits already, since what is taken off a fan-out is one chunk
 * more that waits when the probe fails. But now and then something else, in case it is not the
 * endpoint that is broken but what it is sent. */
static enum err
read_little(struct lane_read *read, struct engine *engine)
{
    enum err err = OK;

    if (read->fanouts_wanted > PROBE_FANOUTS)
        read->fanouts_wanted = PROBE_FANOUTS;
    if (read->retries_wanted > PROBE_RETRIES)
        read->retries_wanted = PROBE_RETRIES;
    if (read->is_fanout_first)
        err = read_fanouts(read, engine);
    if (err == OK && read->fanout_count == 0)
        err = read_retries(read, engine);
    if (err == OK && read->retry_count == 0 && !read->is_fanout_first)
        err = read_fanouts(read, engine);
    return err;
}

static enum err
read_news(struct lane_read *read, struct engine *engine)
{
    enum err err;

    switch (read->appetite) {
    case LANE_TAKES_NOTHING: return OK;
    case LANE_TAKES_LITTLE: return read_little(read, engine);
    case LANE_TAKES_ALL:
        err = read_fanouts(read, engine);
        return err == OK ? read_retries(read, engine) : err;
    }
    UNREACHABLE;
}

static enum err
lane_read_run(struct store_call *call, struct engine *engine)
{
    struct lane_read *read = (struct lane_read *)call;
    enum err err = OK;

    drop_results(read); /* of an earlier run */
    read->next_due = (struct walltime){INT64_MAX};
    if (read->wants_hook) {
        err =
            hook_get_pk(engine, read->lane->hook_pk, &read->hook_arena, &read->hook, &call->error);
        read->has_hook = err == OK;
        if (err == ERR_NOT_FOUND)
            return OK;
        /* It was failing before our time, and its lane begins with a probe. */
        if (err == OK && read->is_first && read->hook.failing.us != 0)
            read->appetite = LANE_TAKES_LITTLE;
    }
    if (err == OK)
        err = read_cancelled(read, engine);
    if (err == OK)
        err = read_news(read, engine);
    return err;
}

static void
note_fanout(struct lane_read *read, const struct fanout *fanout, size_t *inout_bulks)
{
    CHECK(read->fanouts_held_count < COUNT_OF(read->fanouts_held));
    read->rounds_held[read->fanouts_held_count] = fanout->row.round;
    read->fanouts_held[read->fanouts_held_count++] = fanout->row.pk;
    *inout_bulks += fanout_left(fanout) > CHUNK_MEMBERS_FIRST;
    LIST_FOREACH(&fanout->chunks, it)
    {
        const struct chunk *chunk = LIST_ENTRY(it, struct chunk, link);

        /* The row of one that is going back may be there already, and due. */
        if (chunk->is_given_back)
            read->retries_wanted = 0;
        if (!chunk->is_retry)
            continue;
        CHECK(read->retries_held_count < LANE_RETRIES_MAX);
        read->retries_held[read->retries_held_count++] = chunk->pk;
    }
}

static void
note_held(struct lane *lane, struct lane_read *read)
{
    size_t bulks = 0;
    size_t room;

    read->retries_wanted = LANE_RETRIES_MAX;
    LIST_FOREACH(&lane->fanouts, it)
    {
        note_fanout(read, LIST_ENTRY(it, struct fanout, link), &bulks);
    }
    if (lane->fanout_count < LANE_FANOUTS_MAX)
        read->fanouts_wanted = LANE_FANOUTS_MAX - lane->fanout_count;
    if (read->retries_wanted > 0)
        read->retries_wanted -= read->retries_held_count;
    /* Each may bring a fan-out along, and the next read must be able to name them all. */
    room = COUNT_OF(read->fanouts_held) - lane->fanout_count - read->fanouts_wanted;
    if (read->retries_wanted > room)
        read->retries_wanted = room;
    if (bulks < LANE_BULKS_MAX)
        read->bulks_wanted = LANE_BULKS_MAX - bulks;
}

/* No attempt made by now is put off for longer than the longest delay and its jitter. */
static struct walltime
latest_due(const struct schedule *schedule, struct walltime now)
{
    int64_t longest_us = RETRY_AFTER_US_MAX;

    for (size_t i = 0; i < schedule->count; i++)
        if (longest_us < schedule->delays_us[i])
            longest_us = schedule->delays_us[i];
    return (struct walltime){now.us + longest_us + longest_us / 5 + US_PER_S};
}

enum err
lane_read_start(struct lane *lane, bool wants_hook, void (*done)(struct store_call *call))
{
    struct dispatch *dispatch = lane->dispatch;
    struct lane_read *read = calloc(1, sizeof(*read));
    enum err err;

    if (read == NULL)
        return ERR_NOMEM;
    read->call.run = lane_read_run;
    read->call.done = done;
    read->call.reply = loop_mailbox(dispatch->options.loop);
    read->lane = lane;
    read->flushes = lane->flushes;
    read->changes = lane->changes;
    read->now = dispatch_walltime(dispatch);
    read->latest = latest_due(dispatch->options.schedule, read->now);
    read->wants_hook = wants_hook;
    read->is_first = lane->endpoint == NULL;
    read->appetite = lane_appetite(lane, dispatch_now(dispatch));
    read->is_fanout_first = lane->breaker.probes % PROBE_FANOUT_EVERY == PROBE_FANOUT_EVERY - 1;
    arena_init(&read->arena, READ_ARENA_BYTES_MAX);
    arena_init(&read->hook_arena, HOOK_ARENA_BYTES_MAX);
    note_held(lane, read);
    err = store_submit(dispatch->options.port, &read->call);
    if (err != OK) {
        lane_read_free(read);
        return err;
    }
    lane->read = read;
    dispatch->reads++;
    return OK;
}
