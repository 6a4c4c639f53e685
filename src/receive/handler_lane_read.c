/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handler_lane_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/log.h"
#include "receive/handle_inside.h"

/* A MiB of bodies and one more, and headers of as many as there may be. */
#define READ_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* The gateway read it in less: whatever it takes, it is not for want of room. */
#define ITEM_ARENA_BYTES_MAX ((size_t)4 * REQUEST_ARENA_BYTES_MAX)
/* A store that fails is not asked more often. */
#define READ_AGAIN_US US_PER_S

struct lane_read {
    struct store_call call; /* first: found again from it */
    struct handler_lane *lane;
    struct handler_reading reading;
    bool takes_due;
    unsigned drops; /* of the lane, when it was submitted */
    unsigned news;  /* likewise */
    struct walltime walltime;
    struct arena arena;

    /* What was found. */
    struct list items;
    int64_t read_pk;
    struct walltime next_due;
    bool has_more;
};

static void
read_drop(struct lane_read *read)
{
    for (struct link *link; (link = list_first(&read->items)) != NULL;)
        lane_item_free(LIST_ENTRY(link, struct lane_item, link));
    arena_reset(&read->arena);
}

static void
read_free(struct lane_read *read)
{
    read_drop(read);
    arena_done(&read->arena);
    free(read);
}

/* --- on a thread of the store --- */

/* Do versions of it follow one another, so that only the newest counts? */
static bool
has_versions(const struct setup *setup, const struct inbox_item *item)
{
    const struct source *source = setup_find_source(setup, item->source);

    if (item->object.len == 0 && item->person.len == 0)
        return false;
    if (source != NULL && source->has_policy)
        return source->policy == DUPLICATE_LATEST;
    return duplicate_policy_of(item->event) == DUPLICATE_LATEST;
}

static struct lane_item *
item_new(struct handler_lane *lane, const struct handling_row *row)
{
    const struct inbox_item *from = &row->item;
    struct lane_item *item = calloc(1, sizeof(*item));
    struct handling *handling;

    if (item == NULL)
        return NULL;
    handling = &item->handling;
    item->lane = lane;
    link_init(&item->link);
    arena_init(&item->arena, ITEM_ARENA_BYTES_MAX);
    item->inbox_pk = from->inbox_pk;
    item->attempts = row->attempts;
    item->was_waiting = row->is_waiting;
    item->has_row = row->is_waiting;
    item_id_format(from->inbox_pk, item->id);
    handling->id = str_from(item->id);
    handling->sequence = from->inbox_pk;
    handling->revision = from->revision;
    handling->flags = from->flags;
    handling->is_update = from->revision > 0;
    handling->received_at = from->received;
    handling->source = arena_copy(&item->arena, from->source);
    handling->event = arena_copy(&item->arena, from->event);
    handling->object = arena_copy(&item->arena, from->object);
    handling->person = arena_copy(&item->arena, from->person);
    if (from->sender_id.ptr != NULL)
        handling->sender_id = arena_copy(&item->arena, from->sender_id);
    handling->headers = arena_copy(&item->arena, from->headers);
    handling->body = arena_copy(&item->arena, from->body);
    if (arena_is_full(&item->arena)) {
        lane_item_free(item);
        return NULL;
    }
    return item;
}

static enum lane_verdict
judge_row(const struct handler_lane *lane, const struct lane_item *item, bool is_latest)
{
    /* Conditions need the body as JSON, which is made only when the item's turn comes. */
    if (!handler_wants_named(lane->handler, item->handling.source, item->handling.event))
        return VERDICT_UNWANTED;
    return item->has_identity && !is_latest ? VERDICT_SUPERSEDED : VERDICT_WANTED;
}

static enum err
read_make_items(struct lane_read *read, const struct handler_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct handling_row *row = &batch->rows[i];
        struct lane_item *item;

        item = item_new(read->lane, row);
        if (item == NULL)
            return error_set(&read->call.error, ERR_NOMEM, "out of memory for an item");
        item->has_identity = has_versions(read->lane->setup, &row->item);
        item->verdict = judge_row(read->lane, item, row->item.is_latest);
        item->news = read->news;
        list_append(&read->items, &item->link);
    }
    return OK;
}

static enum err
read_run(struct store_call *call, struct engine *engine)
{
    struct lane_read *read = (struct lane_read *)call;
    struct handler_batch batch;
    enum err err;

    read_drop(read); /* of an earlier run */
    err = handler_read(engine, &read->reading, &read->arena, &batch, &call->error);
    if (err == OK)
        err = read_make_items(read, &batch);
    if (err != OK)
        return err;
    read->next_due = batch.next_due;
    read->read_pk = batch.read_pk;
    read->has_more = batch.has_more;
    return OK;
}

/* --- on the loop's thread --- */

static void
read_failed(struct handler_lane *lane, const struct lane_read *read)
{
    lane->has_news = true;
    lane->is_due = lane->is_due || read->takes_due;
    if (read->call.err == OK)
        return;
    log_warning("handler.unread", log_str("handler", lane->handler->name),
        log_text("error", read->call.error.text));
    lane->ask_next = instant_add_us(handle_now(lane->handle), READ_AGAIN_US);
}

/* What was written since it was read may be due earlier than what it found. */
static void
read_note_due(struct handler_lane *lane, const struct lane_read *read)
{
    struct walltime due = read->next_due;

    if (!read->takes_due)
        return;
    if (lane->next_due.us > read->walltime.us && (due.us == 0 || lane->next_due.us < due.us))
        due = lane->next_due;
    lane->next_due = (struct walltime){0};
    if (due.us != 0)
        handler_lane_set_due(lane, due, handle_now(lane->handle));
}

static void
read_done(struct store_call *call)
{
    struct lane_read *read = (struct lane_read *)call;
    struct handler_lane *lane = read->lane;

    lane->read = NULL;
    lane->handle->reads--;
    /* What is dropped here is read again: from the new place, by the new setup, in the next life.
     */
    if (call->err != OK || read->drops != lane->drops || lane->next_setup != NULL ||
        lane->is_leaving || lane->handle->is_stopping) {
        read_failed(lane, read);
    } else {
        lane->has_news = lane->has_news || read->has_more;
        read_note_due(lane, read);
        handler_lane_take_in(lane, &read->items, read->read_pk);
    }
    read_free(read);
    handle_soon(lane->handle);
}

enum err
handler_lane_read_start(struct handler_lane *lane, bool takes_due)
{
    struct handle *handle = lane->handle;
    const struct handler *handler = lane->handler;
    struct lane_read *read = calloc(1, sizeof(*read));
    enum err err;

    CHECK(lane->read == NULL && lane->has_cursor && lane->ahead_count < LANE_AHEAD_MAX);
    if (read == NULL)
        return ERR_NOMEM;
    read->call = (struct store_call){
        .run = read_run,
        .done = read_done,
        .reply = loop_mailbox(handle->options.loop),
    };
    read->lane = lane;
    read->takes_due = takes_due;
    read->drops = lane->drops;
    read->news = lane->news;
    read->walltime = handle_walltime(handle);
    read->reading = (struct handler_reading){
        .handler_pk = lane->handler_pk,
        .source_count = handler->source_count,
        .after_pk = lane->read_pk,
        /* Where so many are due that none of the others are given, these are read next. */
        .limit = takes_due ? LANE_DUE_MAX : LANE_AHEAD_MAX - lane->ahead_count,
        /* As of the beginning of time nothing is due. */
        .now = takes_due ? read->walltime : (struct walltime){0},
    };
    memcpy(read->reading.sources, handler->sources, sizeof(handler->sources));
    list_init(&read->items);
    arena_init(&read->arena, READ_ARENA_BYTES_MAX);
    err = store_submit(handle->options.port, &read->call);
    if (err != OK) {
        read_free(read);
        return err;
    }
    lane->read = read;
    lane->has_news = false;
    if (takes_due)
        lane->is_due = false;
    handle->reads++;
    return OK;
}
