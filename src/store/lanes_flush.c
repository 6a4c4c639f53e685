/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flush: what a loop's lanes did since the last, written down in one transaction.
 *
 * A fan-out may have been replayed, cancelled or deleted since a lane took it up. So each item that
 * changes what is still to do names its round, and its statement looks whether that still goes on.
 */
#include "os/fault.h"
#include "store/bit_rows.h"
#include "store/events.h"
#include "store/lanes.h"
#include "store/notices.h"

/* ?1 is the fan-out, ?2 the round. */
#define IS_SENDING                                                                                 \
    " EXISTS (SELECT 1 FROM fanout WHERE fanout_pk = ?1 AND status = 'sending' AND round = ?2)"

struct flush_run {
    struct engine *engine;
    struct flush_plan *plan;
    int64_t changed; /* of every fan-out that is in it */
    struct error *reterr;
};

/* --- chunks --- */

static enum err
chunk_save(struct flush_run *run, const struct flush_item *item)
{
    return engine_run(run->engine, run->reterr,
        "INSERT INTO chunk"
        " (fanout_pk, chunk_pk, hook_pk, base, count, attempts, due_us, todo)"
        " SELECT ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE" IS_SENDING
        " ON CONFLICT (chunk_pk) DO UPDATE SET attempts = excluded.attempts,"
        " due_us = excluded.due_us, todo = excluded.todo, is_manual = 0",
        v_int(item->fanout_pk), v_int(item->round), v_int(item->chunk_pk), v_int(item->hook_pk),
        v_int(item->base), v_int((int64_t)item->count), v_int((int64_t)item->attempts),
        v_time(item->at), v_blob(item->bytes));
}

static enum err
chunk_delete(struct flush_run *run, const struct flush_item *item)
{
    return engine_run(run->engine, run->reterr,
        "DELETE FROM chunk WHERE chunk_pk = ?3 AND fanout_pk = ?1 AND" IS_SENDING,
        v_int(item->fanout_pk), v_int(item->round), v_int(item->chunk_pk));
}

/* A row in which a member waits. */
static enum err
find_waiting(struct flush_run *run, const struct flush_item *item, struct bit_row *ret)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(run->engine, &rows,
        "SELECT chunk_pk, base, count, attempts, todo FROM chunk WHERE fanout_pk = ?1"
        " AND base > ?3 AND base <= ?4 AND due_us > ?5 AND is_manual = 0 AND" IS_SENDING,
        v_int(item->fanout_pk), v_int(item->round), v_int(item->base - CHUNK_MEMBERS_MAX),
        v_int(item->base), v_int(CHUNK_IN_HAND_US));
    return bit_row_find(&rows, item->base, ret, run->reterr);
}

/* Those in hand are left alone: they are as their lane remembers them. */
static enum err
chunk_clear(struct flush_run *run, const struct flush_item *item)
{
    struct bit_row row = {.pk = 0};
    enum err err = find_waiting(run, item, &row);

    while (err == OK && row.pk != 0) {
        if (bit_row_is_empty(&row))
            err = engine_run(run->engine, run->reterr, "DELETE FROM chunk WHERE chunk_pk = ?1",
                v_int(row.pk));
        else
            err = engine_run(run->engine, run->reterr,
                "UPDATE chunk SET todo = ?2 WHERE chunk_pk = ?1", v_int(row.pk),
                bit_row_todo(&row));
        if (err == OK)
            err = find_waiting(run, item, &row);
    }
    return err;
}

/* --- what came of attempts --- */

static enum err
dead_add(struct flush_run *run, const struct flush_item *item)
{
    const struct dead_notice notice = {
        .hook_pk = item->hook_pk,
        .fanout_pk = item->fanout_pk,
        .attempts = item->attempts,
        .count = bitmap_count((const uint8_t *)item->bytes.ptr, item->count),
        .attendees = item->detail,
    };
    enum err err = engine_run(run->engine, run->reterr,
        "INSERT INTO dead (fanout_pk, hook_pk, base, count, attempts, at_us, todo)"
        " SELECT ?1, ?3, ?4, ?5, ?6, ?7, ?8 WHERE" IS_SENDING,
        v_int(item->fanout_pk), v_int(item->round), v_int(item->hook_pk), v_int(item->base),
        v_int((int64_t)item->count), v_int((int64_t)item->attempts), v_time(item->at),
        v_blob(item->bytes));

    if (err != OK || engine_changes(run->engine) == 0)
        return err;
    return notice_dead(run->engine, &notice, run->plan, run->reterr);
}

/* The log is kept of any round, as long as there is a fan-out that it is about. */
static enum err
records_add(struct flush_run *run, const struct flush_item *item)
{
    return engine_run(run->engine, run->reterr,
        "INSERT INTO attempt_block (fanout_pk, base, started_us, records)"
        " SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM fanout WHERE fanout_pk = ?1)",
        v_int(item->fanout_pk), v_int(item->base), v_time(item->at), v_blob(item->bytes));
}

static enum err
failure_add(struct flush_run *run, const struct flush_item *item)
{
    int64_t block = item->base - item->base % CHUNK_MEMBERS_MAX;

    return engine_run(run->engine, run->reterr,
        "INSERT INTO attempt_failure"
        " (fanout_pk, pos, attempt, at_us, failure, status, detail, answer)"
        " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8"
        " WHERE EXISTS (SELECT 1 FROM fanout WHERE fanout_pk = ?1)"
        " AND (SELECT count(*) FROM attempt_failure WHERE fanout_pk = ?1 AND pos >= ?9"
        " AND pos < ?10) < ?11",
        v_int(item->fanout_pk), v_int(item->base), v_int((int64_t)item->attempts), v_time(item->at),
        v_text(item->failure), v_int(item->status), v_text(item->detail), v_blob(item->bytes),
        v_int(block), v_int(block + CHUNK_MEMBERS_MAX), v_int(FAILURES_PER_BLOCK));
}

static enum err
fanout_move(struct flush_run *run, const struct flush_item *item)
{
    enum err err = engine_run(run->engine, run->reterr,
        "UPDATE fanout SET next_pos = max(next_pos, ?2), delivered = delivered + ?3,"
        " dead = dead + ?4, skipped = skipped + ?5, superseded = superseded + ?6,"
        " started_us = ifnull(started_us, ?7), changed = ?8"
        " WHERE fanout_pk = ?1 AND status = 'sending' AND round = ?9",
        v_int(item->fanout_pk), v_int(item->base), v_int(item->delivered), v_int(item->dead),
        v_int(item->skipped), v_int(item->superseded), v_time(run->plan->now), v_int(run->changed),
        v_int(item->round));

    if (err == OK && item->is_drained)
        err = engine_run(run->engine, run->reterr,
            "UPDATE fanout SET status = 'done', finished_us = ?2 WHERE fanout_pk = ?1"
            " AND status = 'sending' AND round = ?3 AND next_pos >= end_pos"
            " AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.fanout_pk = ?1)",
            v_int(item->fanout_pk), v_time(run->plan->now), v_int(item->round));
    return err;
}

/* --- hooks --- */

/* What the store knows of how an enabled hook does. */
struct stored_health {
    bool is_enabled;
    struct walltime first_failure;
    struct walltime failing;
};

static enum err
health_get(struct flush_run *run, int64_t hook_pk, struct stored_health *ret)
{
    CLEANUP(rows_done) struct rows rows;
    struct stored_health health = {.is_enabled = false};
    enum err err;

    engine_select(run->engine, &rows,
        "SELECT first_failure_us, failing_us FROM hook WHERE hook_pk = ?1 AND status = 'enabled'",
        v_int(hook_pk));
    if (rows_next(&rows))
        health = (struct stored_health){true, {rows_int(&rows, 0)}, {rows_int(&rows, 1)}};
    err = rows_end(&rows, run->reterr);
    if (err == OK)
        *ret = health;
    return err;
}

/* One that was disabled meanwhile keeps what is known of it until it is enabled. */
static enum err
hook_health(struct flush_run *run, const struct flush_item *item)
{
    const struct hook_health *health = &item->health;
    struct health_notice notice = {
        .hook_pk = item->hook_pk,
        .type = STR(EVENT_HOOK_FAILING),
        .since = health->failing,
        .failure = item->failure,
        .status = item->status,
    };
    struct stored_health was;
    enum err err = health_get(run, item->hook_pk, &was);

    if (err != OK || !was.is_enabled)
        return err;
    err = engine_run(run->engine, run->reterr,
        "UPDATE hook SET first_failure_us = ?2, failing_us = ?3, learned_rate = ?4"
        " WHERE hook_pk = ?1",
        v_int(item->hook_pk), v_time_or_null(health->first_failure),
        v_time_or_null(health->failing),
        health->learned_rate > 0 ? v_real(health->learned_rate) : v_null());
    if (err != OK || (was.failing.us == 0) == (health->failing.us == 0))
        return err;
    if (health->failing.us == 0) {
        notice.type = STR(EVENT_HOOK_RECOVERED);
        notice.since = was.failing;
    }
    return notice_health(run->engine, &notice, run->plan, run->reterr);
}

/* When the failing began, as far as somebody noted it. */
static struct walltime
failing_since(const struct stored_health *was, const struct hook_health *health)
{
    const struct walltime known[] = {was->failing, health->failing, was->first_failure,
        health->first_failure};

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].us != 0)
            return known[i];
    return (struct walltime){0};
}

static enum err
hook_disable(struct flush_run *run, const struct flush_item *item)
{
    bool is_gone = str_equals(item->failure, STR("gone"));
    struct stored_health was;
    enum err err = health_get(run, item->hook_pk, &was);

    if (err != OK || !was.is_enabled)
        return err;
    struct health_notice notice = {
        .hook_pk = item->hook_pk,
        .type = STR(EVENT_HOOK_FAILING),
        .since = failing_since(&was, &item->health),
        .failure = item->detail,
        .status = item->status,
    };
    if (is_gone && notice.failure.ptr == NULL) {
        notice.failure = STR("status");
        notice.status = 410;
    }
    if (!is_gone && was.failing.us == 0)
        err = notice_health(run->engine, &notice, run->plan, run->reterr);
    if (err == OK)
        err = engine_run(run->engine, run->reterr,
            "UPDATE hook SET status = 'disabled', disabled_by = ?3, disabled_us = ?2,"
            " updated_us = ?2, failing_us = ?4 WHERE hook_pk = ?1",
            v_int(item->hook_pk), v_time(run->plan->now), v_text(item->failure),
            v_time_or_null(is_gone ? was.failing : notice.since));
    notice.type = STR(EVENT_HOOK_DISABLED);
    notice.disabled_by = item->failure;
    if (err == OK)
        err = notice_health(run->engine, &notice, run->plan, run->reterr);
    return err;
}

/* --- all of it --- */

static enum err
flush_item(struct flush_run *run, const struct flush_item *item)
{
    switch (item->kind) {
    case FLUSH_CHUNK_SAVE: return chunk_save(run, item);
    case FLUSH_CHUNK_DELETE: return chunk_delete(run, item);
    case FLUSH_CHUNK_CLEAR: return OK; /* done already */
    case FLUSH_DEAD: return dead_add(run, item);
    case FLUSH_RECORDS: return records_add(run, item);
    case FLUSH_FAILURE: return failure_add(run, item);
    case FLUSH_FANOUT: return fanout_move(run, item);
    case FLUSH_HOOK_HEALTH: return hook_health(run, item);
    case FLUSH_HOOK_DISABLE: return hook_disable(run, item);
    }
    UNREACHABLE;
}

/* What must stand before the rest: a number for the changes; and who was taken up by hand no longer
 * waits, or a failure of that very attempt would be cleared as well. */
static enum err
flush_prepare(struct flush_run *run)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < run->plan->count; i++) {
        const struct flush_item *item = &run->plan->items[i];

        if (item->kind == FLUSH_CHUNK_CLEAR)
            err = chunk_clear(run, item);
        else if (item->kind == FLUSH_FANOUT && run->changed == 0)
            err = sequence_next(run->engine, run->plan->now, &run->changed, run->reterr);
    }
    return err;
}

enum err
lanes_flush(struct engine *engine, struct flush_plan *plan, struct error *reterr)
{
    struct flush_run run = {engine, plan, 0, reterr};
    enum err err;

    if (FAULT("lanes.flush"))
        return error_set(reterr, ERR_IO, "the flush was made to fail");
    plan->wake = NULL;
    plan->wake_count = 0;
    err = flush_prepare(&run);
    for (size_t i = 0; err == OK && i < plan->count; i++)
        err = flush_item(&run, &plan->items[i]);
    return err;
}
