/* SPDX-License-Identifier: Apache-2.0 */
#include "send/fanout.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "domain/contact.h"
#include "os/log.h"
#include "os/metrics.h"
#include "send/dispatch_inside.h"

/* Names, addresses and phones of a chunk; the longest allowed of each for every member. */
#define CHUNK_ARENA_BYTES_MAX                                                                      \
    ((size_t)CHUNK_MEMBERS_MAX *                                                                   \
        (sizeof(struct lane_member) + NAME_BYTES_MAX + EMAIL_BYTES_MAX + PHONE_BYTES_MAX + 64))
#define SNAPSHOT_BYTES_MAX ((size_t)1024 * 1024 + 64)

/* A chunk should be worth about two seconds of its hook's own speed. */
#define CHUNK_QUICK_US (2 * US_PER_S)

struct members_read {
    struct store_call call; /* first: found again from it */
    struct fanout *fanout;
    struct chunk *chunk; /* owned until it is read */
};

struct fanout *
fanout_new(struct lane *lane, struct lane_fanout *row)
{
    struct fanout *fanout = calloc(1, sizeof(*fanout));

    if (fanout == NULL)
        return NULL;
    link_init(&fanout->link);
    list_init(&fanout->chunks);
    arena_init(&fanout->arena, SNAPSHOT_BYTES_MAX);
    fanout->lane = lane;
    fanout->row = *row;
    fanout->row.snapshot = arena_copy(&fanout->arena, row->snapshot);
    if (fanout->row.snapshot.ptr == NULL) {
        arena_done(&fanout->arena);
        free(fanout);
        return NULL;
    }
    audience_init(&row->audience);
    fanout->next_pos = row->next_pos;
    fanout->chunk_members = CHUNK_MEMBERS_FIRST;
    return fanout;
}

void
fanout_free(struct fanout *fanout)
{
    CHECK(fanout->read == NULL && fanout->in_flight == 0);
    for (struct link *link; (link = list_first(&fanout->chunks)) != NULL;)
        chunk_free(LIST_ENTRY(link, struct chunk, link));
    link_remove(&fanout->link);
    audience_done(&fanout->row.audience);
    arena_done(&fanout->arena);
    free(fanout);
}

int64_t
fanout_left(const struct fanout *fanout)
{
    return fanout->row.end_pos - fanout->next_pos + (int64_t)fanout->members_ready;
}

bool
fanout_is_done(const struct fanout *fanout)
{
    return fanout->next_pos >= fanout->row.end_pos && fanout->read == NULL &&
           list_is_empty(&fanout->chunks) && !fanout->is_dirty;
}

struct chunk *
chunk_new(int64_t pk, int64_t base, size_t count)
{
    struct chunk *chunk = calloc(1, sizeof(*chunk));

    if (chunk == NULL)
        return NULL;
    link_init(&chunk->link);
    arena_init(&chunk->arena, CHUNK_ARENA_BYTES_MAX);
    buf_init(&chunk->records, (size_t)CHUNK_MEMBERS_MAX * RECORD_BYTES);
    buf_init(&chunk->dead_ids, (size_t)DEAD_NAMED_MAX * ID_BYTES);
    chunk->pk = pk;
    chunk->base = base;
    chunk->count = count;
    chunk->members = arena_alloc_array(&chunk->arena, count, sizeof(*chunk->members));
    /* What becomes of each is to be recorded, whatever memory there is by then. */
    if (chunk->members == NULL || buf_reserve(&chunk->records, count * RECORD_BYTES) == NULL) {
        chunk_free(chunk);
        return NULL;
    }
    return chunk;
}

void
chunk_free(struct chunk *chunk)
{
    CHECK(chunk->in_flight == 0);
    link_remove(&chunk->link);
    for (struct failure_note *note = chunk->notes; note != NULL;) {
        struct failure_note *next = note->next;

        free(note);
        note = next;
    }
    buf_done(&chunk->records);
    buf_done(&chunk->dead_ids);
    arena_done(&chunk->arena);
    free(chunk);
}

/* --- reading members --- */

enum err
chunk_read_members(struct chunk *chunk, const struct lane *lane, const struct lane_fanout *row,
    struct engine *engine, struct error *reterr)
{
    const struct chunk_members_args args = {
        .fanout = row,
        .hook_pk = lane->hook_pk,
        .base = chunk->base,
        .count = chunk->count,
        .todo = chunk->todo,
        .is_retry = chunk->is_retry,
        .zones = lane->dispatch->options.zones,
        .arena = &chunk->arena,
        .ret_members = chunk->members,
    };

    return chunk_members(engine, &args, reterr);
}

static enum err
members_run(struct store_call *call, struct engine *engine)
{
    struct members_read *read = (struct members_read *)call;

    return chunk_read_members(read->chunk, read->fanout->lane, &read->fanout->row, engine,
        &call->error);
}

/* Only its records wait for the flush; their members' texts are a hundred times as long. */
static void
chunk_let_go_of_members(struct chunk *chunk)
{
    if (!chunk_is_settled(chunk))
        return;
    arena_done(&chunk->arena);
    chunk->members = NULL;
}

void
chunk_drop_manual(struct chunk *chunk)
{
    bitmap_clear(chunk->todo, 0);
    chunk->todo_count = 0;
    chunk->wants_clear = false;
}

/* Who was erased while the members were being read is not a member any more. */
static void
chunk_pass_over_erased(struct chunk *chunk)
{
    const struct dispatch *dispatch = chunk->fanout->lane->dispatch;

    for (size_t i = 0; dispatch->erased_count > 0 && i < chunk->count; i++)
        if (dispatch_is_erased(dispatch, chunk->members[i].attendee_pk))
            chunk->members[i].fate = MEMBER_SKIPPED;
}

/* One that is not to be sent after all is settled, with a record that says why. */
static void
chunk_pass_over(struct chunk *chunk, size_t index, struct walltime now)
{
    bool is_superseded = chunk->members[index].fate == MEMBER_SUPERSEDED;

    bitmap_clear(chunk->todo, index);
    chunk->todo_count--;
    bitmap_set(chunk->over, index);
    if (is_superseded)
        chunk->fanout->superseded++;
    else
        chunk->fanout->skipped++;
    metric_add(is_superseded ? METRIC_deliveries_superseded_total : METRIC_deliveries_skipped_total,
        1);
    chunk_record(chunk,
        &(struct attempt_record){
            .index = (unsigned)index,
            .result = is_superseded ? RECORD_SUPERSEDED : RECORD_SKIPPED,
        },
        now);
}

static void
chunk_settle_passed_over(struct chunk *chunk, struct walltime now)
{
    for (size_t i = bitmap_next(chunk->todo, chunk->count, 0); i < chunk->count;
         i = bitmap_next(chunk->todo, chunk->count, i + 1))
        if (chunk->members[i].fate != MEMBER_DUE)
            chunk_pass_over(chunk, i, now);
}

void
fanout_attach(struct fanout *fanout, struct chunk *chunk)
{
    struct dispatch *dispatch = fanout->lane->dispatch;

    chunk->fanout = fanout;
    chunk->is_changed = true;
    list_append(&fanout->chunks, &chunk->link);
    chunk_pass_over_erased(chunk);
    chunk_settle_passed_over(chunk, dispatch_walltime(dispatch));
    memcpy(chunk->ready, chunk->todo, sizeof(chunk->ready));
    fanout->members_ready += chunk->todo_count;
    fanout->is_dirty = true;
    chunk_let_go_of_members(chunk);
    lane_dirty(fanout->lane, chunk->todo_count == 0);
}

static void
failed_take_out(struct failed_members *failed, size_t index)
{
    if (!bitmap_get(failed->todo, index))
        return;
    bitmap_clear(failed->todo, index);
    if (--failed->count == 0)
        failed->due = (struct walltime){0};
}

/* It was asked for while the member waited, and the other one took it up just then; the store hears
 * only now what came of that. A reopened one has no attempts behind it. */
static bool
chunk_is_outrun(const struct chunk *chunk, const struct chunk *other, size_t index)
{
    return chunk->attempts > 0 && chunk->attempts == other->attempts &&
           bitmap_get(other->over, index);
}

/* What somebody asked for, where the other one has the member: in hand or through with it, then
 * there is nothing to do; or as one that is about to wait, then this takes its place. */
static void
chunk_yield_manual(struct chunk *chunk, struct chunk *other)
{
    int64_t at = chunk->base - other->base;

    if (at < 0 || at >= (int64_t)other->count)
        return;
    if (bitmap_get(other->todo, (size_t)at) || chunk_is_outrun(chunk, other, (size_t)at))
        chunk_drop_manual(chunk);
    failed_take_out(&other->failed, (size_t)at);
    failed_take_out(&other->asked, (size_t)at);
}

/* What is due by itself, where somebody asked for the member: the store does not know yet that it
 * waits no more. A row of more attempts is what came of that one. */
static void
chunk_yield(struct chunk *chunk, const struct chunk *other)
{
    int64_t at = other->base - chunk->base;

    if (!other->is_manual || chunk->attempts > other->attempts || at < 0 ||
        at >= (int64_t)chunk->count || !bitmap_get(chunk->todo, (size_t)at))
        return;
    bitmap_clear(chunk->todo, (size_t)at);
    chunk->todo_count--;
}

void
fanout_attach_waiting(struct fanout *fanout, struct chunk *chunk)
{
    LIST_FOREACH(&fanout->chunks, it)
    {
        struct chunk *other = LIST_ENTRY(it, struct chunk, link);

        if (chunk->is_manual)
            chunk_yield_manual(chunk, other);
        else
            chunk_yield(chunk, other);
    }
    fanout_attach(fanout, chunk);
}

static void
members_done(struct store_call *call)
{
    struct members_read *read = (struct members_read *)call;
    struct fanout *fanout = read->fanout;
    struct lane *lane = fanout->lane;
    struct chunk *chunk = read->chunk;

    fanout->read = NULL;
    if (call->err != OK)
        log_warning("chunk.unread", log_int("hook", lane->hook_pk),
            log_text("error", call->error.text));
    if (fanout->is_cut) {
        /* With the next flush it may be dropped. */
        chunk_free(chunk);
        fanout->is_dirty = true;
        lane_dirty(lane, true);
    } else if (call->err != OK) {
        fanout->next_pos = chunk->base;
        chunk_free(chunk);
        lane_hold_off(lane);
    } else {
        fanout_attach(fanout, chunk);
    }
    free(read);
    dispatch_read_done(lane->dispatch);
    lane_update(lane, dispatch_now(lane->dispatch));
}

static enum err
members_submit(struct fanout *fanout, struct chunk *chunk)
{
    struct dispatch *dispatch = fanout->lane->dispatch;
    struct members_read *read = calloc(1, sizeof(*read));
    enum err err;

    if (read == NULL)
        return ERR_NOMEM;
    *read = (struct members_read){
        .call = {.run = members_run,
            .done = members_done,
            .reply = loop_mailbox(dispatch->options.loop)},
        .fanout = fanout,
        .chunk = chunk,
    };
    err = store_submit(dispatch->options.port, &read->call);
    if (err != OK) {
        free(read);
        return err;
    }
    fanout->read = read;
    dispatch->reads++;
    return OK;
}

int64_t
fanout_read_base(const struct fanout *fanout)
{
    CHECK(fanout->read != NULL);
    return fanout->read->chunk->base;
}

/* Quickly through the last chunk: a larger one; slowly: a smaller. */
static size_t
chunk_members_adapted(const struct fanout *fanout, struct instant now)
{
    int64_t took_us = now.us - fanout->chunk_taken.us;
    size_t members = fanout->chunk_members;

    if (fanout->chunk_taken.us != 0) {
        if (took_us < CHUNK_QUICK_US / 2)
            members *= 2;
        else if (took_us > CHUNK_QUICK_US * 2)
            members /= 2;
    }
    if (members < CHUNK_MEMBERS_MIN)
        return CHUNK_MEMBERS_MIN;
    return members < CHUNK_MEMBERS_MAX ? members : CHUNK_MEMBERS_MAX;
}

bool
fanout_wants_members(const struct fanout *fanout)
{
    return fanout->read == NULL && fanout->next_pos < fanout->row.end_pos &&
           fanout->members_ready < FANOUT_AHEAD &&
           fanout->members_ready <= fanout->chunk_members / 2;
}

enum err
fanout_read_members(struct fanout *fanout)
{
    struct dispatch *dispatch = fanout->lane->dispatch;
    struct instant now = dispatch_now(dispatch);
    size_t members = chunk_members_adapted(fanout, now);
    int64_t left = fanout->row.end_pos - fanout->next_pos;
    size_t count = left < (int64_t)members ? (size_t)left : members;
    struct chunk *chunk = chunk_new(dispatch_chunk_pk(dispatch), fanout->next_pos, count);
    enum err err;

    CHECK(fanout->read == NULL && left > 0);
    if (chunk == NULL)
        return ERR_NOMEM;
    bitmap_fill(chunk->todo, count);
    chunk->todo_count = count;
    err = members_submit(fanout, chunk);
    if (err != OK) {
        chunk_free(chunk);
        return err;
    }
    fanout->chunk_members = members;
    fanout->chunk_taken = now;
    fanout->next_pos += (int64_t)count;
    return OK;
}

/* What is being read is not taken, and the cursor stands before it. */
static void
fanout_cut(struct fanout *fanout)
{
    if (fanout->read != NULL)
        fanout->next_pos = fanout_read_base(fanout);
    fanout->row.end_pos = fanout->next_pos;
    fanout->members_ready = 0;
    fanout->is_cut = true;
    fanout->is_dirty = true;
}

void
fanout_give_back(struct fanout *fanout)
{
    CHECK(fanout->in_flight == 0);
    if (fanout->is_cut)
        return;
    fanout_cut(fanout);
    LIST_FOREACH(&fanout->chunks, it)
    {
        struct chunk *chunk = LIST_ENTRY(it, struct chunk, link);

        if (chunk_is_settled(chunk))
            continue;
        memset(chunk->ready, 0, sizeof(chunk->ready));
        chunk->is_given_back = true;
        chunk->is_changed = true;
    }
}

void
fanout_forget(struct fanout *fanout, int64_t attendee_pk)
{
    struct dispatch *dispatch = fanout->lane->dispatch;

    LIST_FOREACH(&fanout->chunks, it)
    {
        struct chunk *chunk = LIST_ENTRY(it, struct chunk, link);

        for (size_t i = bitmap_next(chunk->ready, chunk->count, 0); i < chunk->count;
             i = bitmap_next(chunk->ready, chunk->count, i + 1)) {
            if (chunk->members[i].attendee_pk != attendee_pk)
                continue;
            bitmap_clear(chunk->ready, i);
            fanout->members_ready--;
            chunk->members[i].fate = MEMBER_SKIPPED;
            chunk->is_changed = true;
            fanout->is_dirty = true;
            chunk_pass_over(chunk, i, dispatch_walltime(dispatch));
            lane_dirty(fanout->lane, chunk_is_settled(chunk));
            break;
        }
    }
}

void
fanout_cancel(struct fanout *fanout)
{
    if (fanout->is_cancelled)
        return;
    fanout_cut(fanout);
    fanout->is_cancelled = true;
    LIST_FOREACH(&fanout->chunks, it)
    {
        struct chunk *chunk = LIST_ENTRY(it, struct chunk, link);

        /* Its row went with the fan-out. */
        if (chunk->is_flushing)
            continue;
        for (size_t i = bitmap_next(chunk->ready, chunk->count, 0); i < chunk->count;
             i = bitmap_next(chunk->ready, chunk->count, i + 1)) {
            bitmap_clear(chunk->ready, i);
            bitmap_clear(chunk->todo, i);
            chunk->todo_count--;
        }
        chunk->is_changed = true;
        chunk_let_go_of_members(chunk);
    }
}

/* --- members one by one --- */

static void
chunk_take(struct chunk *chunk, size_t index)
{
    bitmap_clear(chunk->ready, index);
    chunk->in_flight++;
    chunk->fanout->in_flight++;
    chunk->fanout->members_ready--;
}

bool
fanout_take(struct fanout *fanout, struct chunk **ret_chunk, size_t *ret_index)
{
    if (fanout->members_ready == 0)
        return false;
    LIST_FOREACH(&fanout->chunks, link)
    {
        struct chunk *chunk = LIST_ENTRY(link, struct chunk, link);
        size_t index = bitmap_next(chunk->ready, chunk->count, chunk->next);

        chunk->next = index;
        if (index == chunk->count)
            continue;
        chunk_take(chunk, index);
        chunk->next = index + 1;
        *ret_chunk = chunk;
        *ret_index = index;
        return true;
    }
    /* Members that are ready are in a chunk. */
    CHECK(fanout->members_ready == 0);
    return false;
}

bool
fanout_take_any(struct fanout *fanout, uint64_t random, struct chunk **ret_chunk, size_t *ret_index)
{
    size_t nth = fanout->members_ready > 0 ? (size_t)(random % fanout->members_ready) : 0;

    LIST_FOREACH(&fanout->chunks, link)
    {
        struct chunk *chunk = LIST_ENTRY(link, struct chunk, link);

        for (size_t i = bitmap_next(chunk->ready, chunk->count, 0); i < chunk->count;
             i = bitmap_next(chunk->ready, chunk->count, i + 1)) {
            if (nth-- > 0)
                continue;
            chunk_take(chunk, i);
            *ret_chunk = chunk;
            *ret_index = i;
            return true;
        }
    }
    CHECK(fanout->members_ready == 0);
    return false;
}

static void
chunk_land(struct chunk *chunk, size_t index)
{
    CHECK(chunk->in_flight > 0 && bitmap_get(chunk->todo, index));
    chunk->in_flight--;
    chunk->is_changed = true;
    chunk->fanout->in_flight--;
    chunk->fanout->is_dirty = true;
    lane_dirty(chunk->fanout->lane, false);
}

static void
chunk_settle(struct chunk *chunk, size_t index)
{
    chunk_land(chunk, index);
    bitmap_clear(chunk->todo, index);
    chunk->todo_count--;
    chunk_let_go_of_members(chunk);
}

void
chunk_delivered(struct chunk *chunk, size_t index)
{
    chunk_settle(chunk, index);
    bitmap_set(chunk->over, index);
    chunk->fanout->delivered++;
}

void
chunk_failed(struct chunk *chunk, size_t index, struct walltime due, bool was_asked)
{
    struct failed_members *failed = was_asked ? &chunk->asked : &chunk->failed;

    chunk_settle(chunk, index);
    bitmap_set(failed->todo, index);
    failed->count++;
    if (failed->due.us < due.us)
        failed->due = due;
}

void
chunk_dead(struct chunk *chunk, size_t index)
{
    const struct lane_member *member = &chunk->members[index];

    /* Its texts may be gone by the flush. Those that find no room are only counted. */
    if (!member->is_nobody && chunk->dead_count < DEAD_NAMED_MAX)
        buf_append(&chunk->dead_ids, member->id.bytes, ID_BYTES);
    chunk_settle(chunk, index);
    bitmap_set(chunk->over, index);
    bitmap_set(chunk->dead, index);
    chunk->dead_count++;
    chunk->fanout->dead++;
}

void
chunk_returned(struct chunk *chunk, size_t index)
{
    chunk_land(chunk, index);
    if (chunk->fanout->is_cancelled) {
        bitmap_clear(chunk->todo, index);
        chunk->todo_count--;
        chunk_let_go_of_members(chunk);
        return;
    }
    bitmap_set(chunk->ready, index);
    if (index < chunk->next)
        chunk->next = index;
    chunk->fanout->members_ready++;
}

bool
chunk_may_record(struct chunk *chunk)
{
    return buf_reserve(&chunk->records, chunk->todo_count * RECORD_BYTES) != NULL;
}

void
chunk_record(struct chunk *chunk, const struct attempt_record *record, struct walltime at)
{
    struct attempt_record timed = *record;
    uint8_t bytes[RECORD_BYTES];

    if (chunk->records.len == 0)
        chunk->records_since = at;
    chunk->fanout->lane->dispatch->unflushed++;
    timed.started_ms = (at.us - chunk->records_since.us) / US_PER_MS;
    record_encode(&timed, bytes);
    buf_append(&chunk->records, bytes, sizeof(bytes));
}

void
chunk_note(struct chunk *chunk, const struct failure_note *note)
{
    struct dispatch *dispatch = chunk->fanout->lane->dispatch;
    const struct lane_member *member = &chunk->members[note->pos - chunk->base];
    struct failure_note *kept;

    if (chunk->note_count >= FAILURE_NOTES_MAX || dispatch->notes >= FLUSH_NOTES_MAX)
        return;
    kept = malloc(sizeof(*kept) + note->detail.len + note->answer.len + 2);
    if (kept == NULL)
        return;
    char *text = (char *)(kept + 1);

    *kept = *note;
    kept->detail = (struct str){text, note->detail.len};
    if (note->detail.len > 0)
        memcpy(text, note->detail.ptr, note->detail.len);
    text += note->detail.len;
    kept->answer = (struct str){text, note->answer.len};
    if (note->answer.len > 0)
        memcpy(text, note->answer.ptr, note->answer.len);
    contact_blank(text, note->answer.len, member->email, member->phone);
    kept->next = chunk->notes;
    chunk->notes = kept;
    chunk->note_count++;
    dispatch->notes++;
}

bool
chunk_is_settled(const struct chunk *chunk)
{
    return chunk->todo_count == 0 && chunk->in_flight == 0;
}
