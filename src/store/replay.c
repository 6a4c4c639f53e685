/* SPDX-License-Identifier: Apache-2.0 */
#include "store/replay.h"

#include "os/metrics.h"
#include "store/bit_rows.h"

/* What a step of a recovery looks at: the writer is held for 5 ms at most. */
#define STEP_EVENTS 200
#define STEP_DEAD   64

/* In a recovery's next_sequence. */
#define ALL_EVENTS_SEEN (-1)

/* What is left of a webinar that was deleted is its events; a notice has none. */
#define WEBINAR_IS_THERE(webinar_pk)                                                               \
    "(" webinar_pk " < 0 OR EXISTS (SELECT 1 FROM webinar WHERE webinar.webinar_pk = " webinar_pk  \
    "))"
#define EVENTS_WEBINAR_IS_THERE  WEBINAR_IS_THERE("event.webinar_pk")
#define FANOUTS_WEBINAR_IS_THERE WEBINAR_IS_THERE("fanout.webinar_pk")

/* --- opening fan-outs again --- */

/* What is counted there goes back to what is still to come. */
struct reopening {
    int64_t fanout_pk;
    int64_t delivered;
    int64_t dead;
    int64_t changed;
};

static enum err
fanout_reopen(struct engine *engine, const struct reopening *reopening, struct error *reterr)
{
    return engine_run(engine, reterr,
        "UPDATE fanout SET status = 'sending', finished_us = NULL, delivered = delivered - ?2,"
        " dead = dead - ?3, changed = ?4 WHERE fanout_pk = ?1",
        v_int(reopening->fanout_pk), v_int(reopening->delivered), v_int(reopening->dead),
        v_int(reopening->changed));
}

/* --- one delivery --- */

/* The waiting row that holds the position. */
static enum err
find_waiting(struct engine *engine, const struct delivery_found *found, struct bit_row *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT chunk_pk, base, count, attempts, todo FROM chunk WHERE fanout_pk = ?1"
        " AND base > ?2 AND base <= ?3 AND due_us > ?4",
        v_int(found->fanout.pk), v_int(found->pos - CHUNK_MEMBERS_MAX), v_int(found->pos),
        v_int(CHUNK_DUE_AT_ONCE_US));
    return bit_row_find(&rows, found->pos, ret, reterr);
}

static enum err
dead_take(struct engine *engine, const struct delivery_found *found, struct error *reterr)
{
    struct bit_row row = {.pk = 0};

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(engine, &rows,
            "SELECT dead_pk, base, count, attempts, todo FROM dead WHERE fanout_pk = ?1"
            " AND base > ?2 AND base <= ?3",
            v_int(found->fanout.pk), v_int(found->pos - CHUNK_MEMBERS_MAX), v_int(found->pos));
        err = bit_row_find(&rows, found->pos, &row, reterr);
    }

    if (err == OK && bit_row_is_empty(&row))
        err = engine_run(engine, reterr, "DELETE FROM dead WHERE dead_pk = ?1", v_int(row.pk));
    else if (err == OK)
        err = engine_run(engine, reterr, "UPDATE dead SET todo = ?2 WHERE dead_pk = ?1",
            v_int(row.pk), bit_row_todo(&row));
    return err;
}

/* Ask for it: its state is gone from wherever it stood, but for a waiting row, which its lane
 * clears when it takes this one up. */
static enum err
manual_add(struct engine *engine, const struct delivery_found *found, unsigned attempts,
    struct reopening *reopening, struct error *reterr)
{
    static const uint8_t todo = 1;
    enum err err = fanout_reopen(engine, reopening, reterr);

    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us,"
        " is_manual, todo) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, 1, ?7)",
        v_int(CHUNK_PK_MANUAL + reopening->changed), v_int(found->fanout.pk), v_int(found->hook_pk),
        v_int(found->pos), v_int((int64_t)attempts), v_int(CHUNK_DUE_AT_ONCE_US),
        v_blob((struct str){(const char *)&todo, 1}));
}

static enum err
webinar_of_fanout_is_there(struct engine *engine, int64_t fanout_pk, struct error *reterr)
{
    int64_t is_there = 0;
    enum err err = engine_get_int(engine, &is_there, reterr,
        "SELECT " FANOUTS_WEBINAR_IS_THERE " FROM fanout WHERE fanout_pk = ?1", v_int(fanout_pk));

    if (err == OK && !is_there)
        err = error_set(reterr, ERR_CONFLICT, "the webinar of this delivery was deleted");
    return err;
}

enum err
delivery_retry(struct engine *engine, const struct delivery_found *found, struct walltime now,
    bool *ret_changed, struct error *reterr)
{
    struct reopening reopening = {.fanout_pk = found->fanout.pk};
    struct bit_row waiting = {.pk = 0};
    enum delivery_status status;
    enum err err = delivery_status_get(engine, found->fanout.pk, found->pos, &status, reterr);

    if (err == OK)
        err = webinar_of_fanout_is_there(engine, found->fanout.pk, reterr);
    if (err != OK)
        return err;
    switch (status) {
    case DELIVERY_PENDING: *ret_changed = false; return OK;
    case DELIVERY_WAITING: err = find_waiting(engine, found, &waiting, reterr); break;
    case DELIVERY_DELIVERED: reopening.delivered = 1; break;
    case DELIVERY_DEAD:
        reopening.dead = 1;
        err = dead_take(engine, found, reterr);
        break;
    case DELIVERY_SKIPPED:
        return error_set(reterr, ERR_CONFLICT,
            "this delivery was skipped: the attendee had left, or is told through another group");
    case DELIVERY_SUPERSEDED:
        return error_set(reterr, ERR_CONFLICT,
            "this delivery was superseded: a newer event of the webinar covers the attendee");
    case DELIVERY_CANCELLED:
        return error_set(reterr, ERR_CONFLICT,
            "this delivery was cancelled with its hook or its webinar");
    case DELIVERY_EXPIRED:
        return error_set(reterr, ERR_CONFLICT,
            "what became of this delivery is not kept any more: replay its event instead");
    }
    if (err == OK)
        err = sequence_next(engine, now, &reopening.changed, reterr);
    if (err == OK)
        err = manual_add(engine, found, waiting.attempts, &reopening, reterr);
    if (err == OK)
        *ret_changed = true;
    return err;
}

/* --- an event --- */

/* What the event's fan-outs would be made of, all but `changed`. */
static enum err
draft_read(struct engine *engine, const struct event_row *event, struct walltime now,
    struct audience *ret_audience, struct fanout_draft *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct fanout_draft draft = {
        .sequence = event->sequence,
        .type = event->type,
        .webinar_id = event->webinar_id,
        .audience = ret_audience,
        .now = now,
    };

    /* The news of a fresh replay are as old as those that it repeats. */
    engine_select(engine, &rows,
        "SELECT account_pk, webinar_pk, audience, " EVENTS_WEBINAR_IS_THERE
        ", (SELECT max(late_from) FROM fanout WHERE fanout.event_pk = event.event_pk)"
        " FROM event WHERE event_pk = ?1",
        v_int(event->sequence));
    if (!rows_next(&rows)) {
        enum err err = rows_end(&rows, reterr);

        return err != OK ? err : error_set(reterr, ERR_NOT_FOUND, "there is no such event");
    }
    if (rows_int(&rows, 3) == 0)
        return error_set(reterr, ERR_CONFLICT, "the webinar of this event was deleted");
    draft.account_pk = rows_int(&rows, 0);
    draft.webinar_pk = rows_int(&rows, 1);
    draft.late_from = rows_int(&rows, 4) != 0 ? rows_int(&rows, 4) : event->sequence;
    enum err err = event_audience_read(rows_str(&rows, 2), event->sequence, ret_audience, reterr);

    if (err == OK)
        *ret = draft;
    return err;
}

static enum err
fanout_restart(struct engine *engine, int64_t fanout_pk, int64_t changed, struct error *reterr)
{
    enum err err =
        engine_run(engine, reterr, "DELETE FROM chunk WHERE fanout_pk = ?1", v_int(fanout_pk));

    if (err == OK)
        err = engine_run(engine, reterr, "DELETE FROM dead WHERE fanout_pk = ?1", v_int(fanout_pk));
    if (err == OK)
        err = engine_run(engine, reterr,
            "UPDATE fanout SET round = round + 1, next_pos = 0, status = 'sending',"
            " delivered = 0, dead = 0, skipped = 0, superseded = 0, started_us = NULL,"
            " finished_us = NULL, changed = ?2,"
            " late_from = CASE WHEN late_from = 0 THEN event_pk ELSE late_from END"
            " WHERE fanout_pk = ?1",
            v_int(fanout_pk), v_int(changed));
    return err;
}

enum err
event_replay(struct engine *engine, const struct event_row *event, const struct hook *hook,
    struct walltime now, struct error *reterr)
{
    CLEANUP(audience_done) struct audience audience;
    struct fanout_draft draft;
    int64_t fanout_pk = 0;
    bool is_added = false;
    enum err err;

    audience_init(&audience);
    err = draft_read(engine, event, now, &audience, &draft, reterr);
    if (err == OK)
        err = sequence_next(engine, now, &draft.changed, reterr);
    if (err == OK)
        err = engine_get_int(engine, &fanout_pk, reterr,
            "SELECT ifnull(max(fanout_pk), 0) FROM fanout WHERE event_pk = ?1 AND hook_pk = ?2",
            v_int(event->sequence), v_int(hook->pk));
    if (err == OK && fanout_pk != 0)
        return fanout_restart(engine, fanout_pk, draft.changed, reterr);
    if (err == OK)
        err = fanout_add(engine, &draft, hook->pk, &is_added, reterr);
    if (err == OK && !is_added)
        err = error_set(reterr, ERR_CONFLICT,
            "the hook is not for this event, or for nobody of its audience");
    return err;
}

/* The row of the new event. */
static enum err
event_repeat(struct engine *engine, const struct fresh_replay *replay, int64_t sequence,
    struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk, webinar_id,"
        " starts_us, snapshot, audience, created_us)"
        " SELECT ?2, account_pk, ?3, type, ?4, webinar_pk, webinar_id, starts_us, snapshot,"
        " audience, ?5 FROM event WHERE event_pk = ?1 AND account_pk = ?6",
        v_int(replay->event->sequence), v_int(sequence), v_id(&replay->id),
        v_text(str_from(event_reason_name(EVENT_REPLAY))), v_time(replay->now),
        v_int(replay->account_pk));

    if (err == OK && engine_changes(engine) == 0)
        err = error_set(reterr, ERR_NOT_FOUND, "there is no such event");
    if (err == OK)
        metric_add(METRIC_events_total, 1);
    return err;
}

enum err
event_replay_fresh(struct engine *engine, const struct fresh_replay *replay, int64_t *ret_sequence,
    struct error *reterr)
{
    CLEANUP(audience_done) struct audience audience;
    struct fanout_draft draft;
    int64_t sequence = 0;
    size_t added = 0;
    enum err err;

    audience_init(&audience);
    err = draft_read(engine, replay->event, replay->now, &audience, &draft, reterr);
    if (err == OK)
        err = sequence_next(engine, replay->now, &sequence, reterr);
    if (err == OK)
        err = event_repeat(engine, replay, sequence, reterr);
    if (err != OK)
        return err;
    draft.sequence = sequence;
    draft.changed = sequence;
    for (size_t i = 0; err == OK && i < replay->hook_count; i++) {
        bool is_added = false;

        err = fanout_add(engine, &draft, replay->hook_pks[i], &is_added, reterr);
        added += is_added;
    }
    if (err == OK && added == 0)
        err = error_set(reterr, ERR_CONFLICT,
            "none of the hooks is for this event, or for nobody of its audience");
    if (err == OK)
        *ret_sequence = sequence;
    return err;
}

/* --- all that a hook missed --- */

struct recovering {
    struct engine *engine;
    const struct hook *hook;
    struct recovery *recovery;
    struct error *reterr;
};

/* The event of the row, if the hook wants it and was never told. */
static enum err
recover_event(const struct recovering *self, struct rows *rows, int64_t changed)
{
    CLEANUP(audience_done) struct audience audience;
    const struct fanout_draft draft = {
        .sequence = rows_int(rows, 0),
        .account_pk = self->hook->account_pk,
        .type = self->hook->event,
        .webinar_pk = rows_int(rows, 1),
        .webinar_id = rows_id(rows, 2),
        .audience = &audience,
        .late_from = rows_int(rows, 0),
        .changed = changed,
        .now = self->recovery->now,
    };
    bool is_added = false;
    enum err err;

    audience_init(&audience);
    err = event_audience_read(rows_str(rows, 3), draft.sequence, &audience, self->reterr);
    if (err == OK)
        err = fanout_add(self->engine, &draft, self->hook->pk, &is_added, self->reterr);
    self->recovery->events += is_added;
    return err;
}

/* The newest first: the lane may send meanwhile, and whoever is covered by a newer event that was
 * missed, too, is superseded only if that one has its fan-out by then. A sequence is never less
 * than the time of its event, so those before since are passed over. */
static enum err
recover_events(const struct recovering *self)
{
    CLEANUP(rows_done) struct rows rows;
    struct recovery *recovery = self->recovery;
    int64_t before = recovery->next_sequence != 0 ? recovery->next_sequence : INT64_MAX;
    int64_t changed = 0;
    size_t seen = 0;
    enum err err = sequence_next(self->engine, recovery->now, &changed, self->reterr);

    engine_select(self->engine, &rows,
        "SELECT event_pk, webinar_pk, webinar_id, audience, type = ?3 AND reason <> ?4"
        " AND created_us >= ?5 AND " EVENTS_WEBINAR_IS_THERE
        " FROM event WHERE account_pk = ?1 AND event_pk < ?2 AND event_pk >= ?5"
        " ORDER BY event_pk DESC LIMIT ?6",
        v_int(self->hook->account_pk), v_int(before), v_text(self->hook->event),
        v_text(str_from(event_reason_name(EVENT_REPLAY))), v_time(recovery->since),
        v_int(STEP_EVENTS));
    while (err == OK && rows_next(&rows)) {
        seen++;
        recovery->next_sequence = rows_int(&rows, 0);
        if (rows_int(&rows, 4) != 0)
            err = recover_event(self, &rows, changed);
    }
    if (err == OK)
        err = rows_end(&rows, self->reterr);
    if (err == OK && seen < STEP_EVENTS) {
        recovery->next_sequence = ALL_EVENTS_SEEN;
        recovery->next_died = recovery->since;
    }
    return err;
}

struct dead_row {
    int64_t pk;
    int64_t fanout_pk;
    int64_t count; /* bits that are on */
    bool is_wanted;
};

static enum err
recover_dead(const struct recovering *self, const struct dead_row *row)
{
    struct reopening reopening = {.fanout_pk = row->fanout_pk, .dead = row->count};
    enum err err =
        sequence_next(self->engine, self->recovery->now, &reopening.changed, self->reterr);

    if (err == OK)
        err = engine_run(self->engine, self->reterr,
            "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
            " SELECT ?2, fanout_pk, hook_pk, base, count, 0, ?3, todo FROM dead"
            " WHERE dead_pk = ?1",
            v_int(row->pk), v_int(CHUNK_PK_REOPENED + reopening.changed),
            v_int(CHUNK_DUE_AT_ONCE_US));
    if (err == OK)
        err = engine_run(self->engine, self->reterr, "DELETE FROM dead WHERE dead_pk = ?1",
            v_int(row->pk));
    if (err == OK)
        err = fanout_reopen(self->engine, &reopening, self->reterr);
    self->recovery->deliveries += row->count;
    return err;
}

/* The next rows, which are not changed while they are read. Who dies again while this goes on has
 * been recovered. */
static enum err
dead_read(const struct recovering *self, struct dead_row dead[STEP_DEAD], size_t *ret_count)
{
    CLEANUP(rows_done) struct rows rows;
    struct recovery *recovery = self->recovery;
    size_t count = 0;

    engine_select(self->engine, &rows,
        "SELECT dead_pk, at_us, dead.fanout_pk, dead.count, todo,"
        " fanout.status <> 'cancelled' AND " FANOUTS_WEBINAR_IS_THERE
        " FROM dead JOIN fanout ON fanout.fanout_pk = dead.fanout_pk"
        " WHERE dead.hook_pk = ?1 AND at_us >= ?2 AND at_us <= ?4 AND (at_us > ?2 OR dead_pk > ?3)"
        " ORDER BY at_us, dead_pk LIMIT ?5",
        v_int(self->hook->pk), v_time(recovery->next_died), v_int(recovery->next_dead),
        v_time(recovery->now), v_int(STEP_DEAD));
    while (count < STEP_DEAD && rows_next(&rows)) {
        struct str todo = rows_str(&rows, 4);
        size_t members = (size_t)rows_int(&rows, 3);
        bool is_whole = members <= CHUNK_MEMBERS_MAX && todo.len == BITMAP_BYTES(members);

        recovery->next_died = (struct walltime){rows_int(&rows, 1)};
        recovery->next_dead = rows_int(&rows, 0);
        dead[count] = (struct dead_row){
            .pk = rows_int(&rows, 0),
            .fanout_pk = rows_int(&rows, 2),
            .count = is_whole ? (int64_t)bitmap_count((const uint8_t *)todo.ptr, members) : 0,
            .is_wanted = is_whole && rows_int(&rows, 5) != 0,
        };
        count++;
    }
    enum err err = rows_end(&rows, self->reterr);

    if (err == OK)
        *ret_count = count;
    return err;
}

static enum err
recover_deaths(const struct recovering *self)
{
    struct dead_row dead[STEP_DEAD];
    size_t count = 0;
    enum err err = dead_read(self, dead, &count);

    for (size_t i = 0; err == OK && i < count; i++)
        if (dead[i].is_wanted)
            err = recover_dead(self, &dead[i]);
    if (err == OK && count < STEP_DEAD)
        self->recovery->is_over = true;
    return err;
}

enum err
hook_recover_step(struct engine *engine, const struct hook *hook, struct recovery *inout,
    struct error *reterr)
{
    struct recovery recovery = *inout;
    const struct recovering self = {engine, hook, &recovery, reterr};
    enum err err =
        recovery.next_sequence == ALL_EVENTS_SEEN ? recover_deaths(&self) : recover_events(&self);

    if (err == OK)
        *inout = recovery;
    return err;
}
