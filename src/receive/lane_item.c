/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/lane_item.h"

#include <stdlib.h>
#include <string.h>

#include "os/log.h"
#include "receive/handle_inside.h"

/* Of a handler that says "later": doubled each time it says so again. */
#define PAUSE_US_FIRST US_PER_S
#define PAUSE_US_MAX   (300 * US_PER_S)
/* Of what a handler says in short. */
#define DETAIL_BYTES_MAX 240

void
lane_item_free(struct lane_item *item)
{
    link_remove(&item->link);
    arena_done(&item->arena);
    free(item->said);
    free(item);
}

void
lane_item_let_go(struct lane_item *item)
{
    (void)map_remove(&item->lane->held, (uint64_t)item->inbox_pk);
    lane_item_free(item);
}

bool
lane_item_is_same(const struct lane_item *a, const struct lane_item *b)
{
    return a->has_identity && b->has_identity &&
           str_equals(a->handling.person, b->handling.person) &&
           str_equals(a->handling.object, b->handling.object) &&
           str_equals(a->handling.event, b->handling.event) &&
           str_equals(a->handling.source, b->handling.source);
}

struct lane_item *
lane_items_find_same(const struct list *items, const struct lane_item *item)
{
    LIST_FOREACH(items, it)
    {
        struct lane_item *other = LIST_ENTRY(it, struct lane_item, link);

        if (lane_item_is_same(other, item))
            return other;
    }
    return NULL;
}

/* --- what became of an item --- */

static struct str
clip(struct str text, size_t max)
{
    size_t len = text.len;

    if (len <= max)
        return text;
    len = max;
    /* Not in the middle of a character. */
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return (struct str){text.ptr, len};
}

static void
item_record(struct lane_item *item, const char *outcome, struct instant now)
{
    struct str detail = clip(item->handling.detail, DETAIL_BYTES_MAX);
    struct str output = item->handling.output;

    if (output.len > HANDLER_OUTPUT_BYTES_MAX)
        output.len = HANDLER_OUTPUT_BYTES_MAX;
    item->has_record = true;
    item->record = (struct handling_record){
        .inbox_pk = item->inbox_pk,
        .attempt = item->started.us != 0 ? item->attempts + 1 : item->attempts,
        .at = handle_walltime(item->lane->handle),
        .took_us = item->started.us != 0 ? now.us - item->started.us : 0,
        .outcome = outcome,
    };
    /* Rather the record without its texts than none. */
    item->said = malloc(detail.len + output.len + 1);
    if (item->said == NULL)
        return;
    if (detail.len > 0)
        memcpy(item->said, detail.ptr, detail.len);
    if (output.len > 0)
        memcpy(item->said + detail.len, output.ptr, output.len);
    item->record.detail = (struct str){item->said, detail.len};
    item->record.output = (struct str){item->said + detail.len, output.len};
}

static void
item_settled(struct lane_item *item)
{
    item->change.what = HANDLING_SETTLED;
    item->has_change = item->has_row;
}

static void
item_waits(struct lane_item *item, int64_t delay_us)
{
    item->change.what = HANDLING_WAITS;
    item->change.at.us = handle_walltime(item->lane->handle).us + delay_us;
    item->has_change = true;
}

/* It has come to an end, whatever list it was in: keep what has to be written. */
static void
item_end(struct lane_item *item)
{
    struct handler_lane *lane = item->lane;

    lane->is_dirty = true;
    if (!item->has_change && !item->has_record) {
        lane_item_let_go(item);
        return;
    }
    item->change.inbox_pk = item->inbox_pk;
    item->change.has_row = item->has_row;
    item->change.attempts = item->attempts;
    link_remove(&item->link);
    list_append(&lane->ended, &item->link);
    lane->ended_count++;
    lane->handle->unflushed++;
    arena_done(&item->arena);
}

void
lane_item_give_back(struct lane_item *item)
{
    item_waits(item, 0);
    item_end(item);
}

/* --- later --- */

static void
lane_resume(struct handler_lane *lane)
{
    if (lane->laters == 0)
        return;
    lane->laters = 0;
    lane->pause_until = (struct instant){0};
    log_info("handler.resumed", log_str("handler", lane->handler->name));
}

static int64_t
later_delay(struct handler_lane *lane)
{
    int64_t delay_us = PAUSE_US_FIRST;

    for (unsigned i = 1; i < lane->laters && delay_us < PAUSE_US_MAX; i++)
        delay_us *= 2;
    if (delay_us > PAUSE_US_MAX)
        delay_us = PAUSE_US_MAX;
    return delay_us + random_between(&lane->handle->random, 0, delay_us / 5);
}

/* What it works with is not there: rather than try item after item, wait and then try one. */
static int64_t
lane_pause(struct handler_lane *lane, const struct lane_item *item, struct instant now)
{
    int64_t asked_us = item->handling.retry_after_us;
    int64_t pause_us;

    if (asked_us > RETRY_AFTER_US_MAX)
        asked_us = RETRY_AFTER_US_MAX;
    /* Those that were begun before the pause say nothing new. */
    if (lane->laters == 0 || item->started.us >= lane->pause_until.us) {
        if (lane->laters == 0)
            log_info("handler.paused", log_str("handler", lane->handler->name),
                log_str("error", item->handling.detail));
        lane->laters++;
        pause_us = later_delay(lane);
        if (pause_us < asked_us)
            pause_us = asked_us < US_PER_HOUR ? asked_us : US_PER_HOUR;
        lane->pause_until = instant_add_us(now, pause_us);
    }
    pause_us = lane->pause_until.us - now.us;
    return pause_us > asked_us ? pause_us : asked_us;
}

/* --- the end of an attempt --- */

static void
end_done(struct lane_item *item, struct instant now)
{
    struct handler_lane *lane = item->lane;

    lane->handled++;
    counters_add_handlings(lane->counts, HANDLED_DONE, 1);
    if (item->handling.detail.len > 0 || item->handling.output.len > 0)
        item_record(item, "done", now);
    item_settled(item);
}

static void
end_later(struct lane_item *item, struct instant now)
{
    struct handler_lane *lane = item->lane;

    counters_add_handlings(lane->counts, HANDLED_LATER, 1);
    item_record(item, "later", now);
    item_waits(item, lane_pause(lane, item, now));
}

static void
end_failed(struct lane_item *item, struct instant now, bool is_refused)
{
    struct handler_lane *lane = item->lane;
    int64_t delay_us = 0;

    item_record(item, is_refused ? "refused" : "failed", now);
    item->attempts++;
    lane->failed++;
    if (!is_refused &&
        schedule_next(&lane->handler->schedule, item->attempts, random_next(&lane->handle->random),
            item->handling.retry_after_us, &delay_us)) {
        counters_add_handlings(lane->counts, HANDLED_FAILED, 1);
        item_waits(item, delay_us);
        return;
    }
    item->change.what = HANDLING_DEAD;
    item->change.at = handle_walltime(lane->handle);
    item->has_change = true;
    counters_add_handlings(lane->counts, HANDLED_DEAD, 1);
    log_error("handling.abandoned", log_str("handler", lane->handler->name),
        log_text("item", item->id), log_int("attempts", item->attempts),
        log_str("error", item->handling.detail));
}

static void
judge_end(struct lane_item *item, struct instant now)
{
    /* It was not its fault, and the next life begins it anew. */
    if (item->is_broken_off && item->handling.result == HANDLING_FAILED) {
        item_waits(item, 0);
        return;
    }
    if (item->handling.result != HANDLING_LATER)
        lane_resume(item->lane);
    switch (item->handling.result) {
    case HANDLING_DONE: end_done(item, now); return;
    case HANDLING_LATER: end_later(item, now); return;
    case HANDLING_FAILED: end_failed(item, now, false); return;
    case HANDLING_REFUSED: end_failed(item, now, true); return;
    }
    UNREACHABLE;
}

void
lane_item_ended(struct lane_item *item, struct instant now)
{
    judge_end(item, now);
    item_end(item);
}

void
lane_item_unread(struct lane_item *item, const struct error *error, struct instant now)
{
    item->handling.detail = str_from(error->text);
    item->started = now;
    end_failed(item, now, error->code == ERR_INVALID);
    item_end(item);
}

void
lane_item_pass_over(struct lane_item *item, struct instant now)
{
    struct handler_lane *lane = item->lane;

    lane->passed_over++;
    if (item->verdict == VERDICT_SUPERSEDED) {
        counters_add_handlings(lane->counts, HANDLED_SUPERSEDED, 1);
        item_record(item, "superseded", now);
    } else {
        counters_add_handlings(lane->counts, HANDLED_PASSED_OVER, 1);
        /* It was for this handler once, or somebody asked for it. */
        if (item->was_waiting)
            item_record(item, "unwanted", now);
    }
    item_settled(item);
    item_end(item);
}
