/* SPDX-License-Identifier: Apache-2.0 */
#include "store/retention.h"

#include "base/check.h"
#include "store/inbox_inside.h"
#include "store/lanes.h"
#include "store/quarantine.h"

/* An event or a fan-out is several statements, and takes as long as so many rows of a range. */
#define LOOKUPS_COST 8

/* An item has a row in each of several tables. */
#define ITEM_COST 8

/* Tables whose rows go by their own age: how to look at the next ones, and take a range away, by a
 * statement or by who knows what else goes with them. */
static const struct aging {
    const char *look;
    const char *take;
    enum err (*take_range)(struct engine *engine, int64_t after_pk, int64_t last_pk,
        struct walltime before, struct error *reterr);
    int64_t cost; /* of a row; 0: 1 */
} aging[] = {
    [SWEEP_ATTEMPTS] = {"SELECT rowid, started_us FROM attempt_block WHERE rowid > ?1"
                        " ORDER BY rowid LIMIT ?2",
        "DELETE FROM attempt_block WHERE rowid > ?1 AND rowid <= ?2 AND started_us < ?3"},
    [SWEEP_FAILURES] = {"SELECT attempt_failure_pk, at_us FROM attempt_failure"
                        " WHERE attempt_failure_pk > ?1 ORDER BY attempt_failure_pk LIMIT ?2",
        "DELETE FROM attempt_failure WHERE attempt_failure_pk > ?1 AND attempt_failure_pk <= ?2"
        " AND at_us < ?3"},
    [SWEEP_DEAD] = {"SELECT dead_pk, at_us FROM dead WHERE dead_pk > ?1 ORDER BY dead_pk LIMIT ?2",
        "DELETE FROM dead WHERE dead_pk > ?1 AND dead_pk <= ?2 AND at_us < ?3"},
    [SWEEP_IDEMPOTENCY] = {"SELECT idempotency_pk, created_us FROM idempotency"
                           " WHERE idempotency_pk > ?1 ORDER BY idempotency_pk LIMIT ?2",
        "DELETE FROM idempotency WHERE idempotency_pk > ?1 AND idempotency_pk <= ?2"
        " AND created_us < ?3"},
    [SWEEP_HANDLING_LOG] = {"SELECT handling_log_pk, at_us FROM handling_log"
                            " WHERE handling_log_pk > ?1 ORDER BY handling_log_pk LIMIT ?2",
        "DELETE FROM handling_log WHERE handling_log_pk > ?1 AND handling_log_pk <= ?2"
        " AND at_us < ?3"},
    [SWEEP_INBOX] = {"SELECT inbox_pk, received_us FROM inbox WHERE inbox_pk > ?1"
                     " ORDER BY inbox_pk LIMIT ?2",
        .take_range = items_delete, .cost = ITEM_COST},
    [SWEEP_QUARANTINE] = {"SELECT quarantine_pk, received_us FROM quarantine"
                          " WHERE quarantine_pk > ?1 ORDER BY quarantine_pk LIMIT ?2",
        .take_range = quarantine_expire, .cost = ITEM_COST},
};

const struct fanout_part fanout_parts[FANOUT_PARTS] = {
    {"DELETE FROM attempt_block WHERE rowid IN"
     " (SELECT rowid FROM attempt_block WHERE fanout_pk = ?1 LIMIT ?2)",
        .is_long = true},
    {"DELETE FROM attempt_failure WHERE attempt_failure_pk IN"
     " (SELECT attempt_failure_pk FROM attempt_failure WHERE fanout_pk = ?1 LIMIT ?2)",
        .is_long = true},
    {"DELETE FROM chunk WHERE chunk_pk IN"
     " (SELECT chunk_pk FROM chunk WHERE fanout_pk = ?1 LIMIT ?2)"},
    {"DELETE FROM dead WHERE dead_pk IN"
     " (SELECT dead_pk FROM dead WHERE fanout_pk = ?1 LIMIT ?2)"},
};

/* A step under way: rows that it may still look at or take away. */
struct step {
    struct engine *engine;
    struct sweep *sweep;
    int64_t left;
    struct error *reterr;
};

static int64_t
age_kept(const struct retention *keep, const struct sweep *sweep)
{
    switch (sweep->stage) {
    case SWEEP_ATTEMPTS:
    case SWEEP_FAILURES: return keep->attempts_us;
    case SWEEP_DEAD: return keep->dead_us;
    case SWEEP_IDEMPOTENCY: return keep->idempotency_us;
    case SWEEP_EVENTS: return keep->events_us;
    case SWEEP_HANDLING_LOG:
    case SWEEP_INBOX: return keep->inbox_us;
    case SWEEP_QUARANTINE: return keep->quarantine_us;
    case SWEEP_OVER: break;
    }
    UNREACHABLE;
}

enum age { AGE_OLD, AGE_YOUNG, AGE_FUTURE };

static enum age
judge(const struct sweep *sweep, int64_t kept_us, int64_t at_us)
{
    if (at_us < sweep->now.us - kept_us)
        return AGE_OLD;
    return at_us <= sweep->now.us ? AGE_YOUNG : AGE_FUTURE;
}

static void
next_stage(struct sweep *sweep)
{
    sweep->stage++;
    sweep->last_pk = 0;
}

/* --- rows that go by their own age --- */

/* Those in (after_pk, last_pk] that are old. */
static enum err
take_range(struct step *step, int64_t after_pk, int64_t last_pk, int64_t kept_us)
{
    const struct aging *table = &aging[step->sweep->stage];
    struct walltime before = {step->sweep->now.us - kept_us};
    enum err err;

    if (table->take_range != NULL)
        err = table->take_range(step->engine, after_pk, last_pk, before, step->reterr);
    else
        err = engine_run(step->engine, step->reterr, table->take, v_int(after_pk), v_int(last_pk),
            v_time(before));
    if (err == OK)
        step->sweep->rows += engine_changes(step->engine);
    return err;
}

/* Take away the old ones of the next rows; the first young one ends the stage. */
static enum err
take_aged(struct step *step, int64_t kept_us)
{
    struct sweep *sweep = step->sweep;
    const struct aging *table = &aging[sweep->stage];
    int64_t cost = table->cost > 0 ? table->cost : 1;
    int64_t looks_max = (step->left + cost - 1) / cost;
    int64_t first = sweep->last_pk;
    int64_t looked = 0;
    bool has_old = false;
    bool has_young = false;

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(step->engine, &rows, table->look, v_int(first), v_int(looks_max));
        while (!has_young && rows_next(&rows)) {
            enum age age = judge(sweep, kept_us, rows_int(&rows, 1));

            looked++;
            has_old = has_old || age == AGE_OLD;
            has_young = age == AGE_YOUNG;
            if (!has_young)
                sweep->last_pk = rows_int(&rows, 0);
        }

        err = rows_end(&rows, step->reterr);
    }

    if (err == OK && has_old)
        err = take_range(step, first, sweep->last_pk, kept_us);
    if (has_young || looked < looks_max)
        next_stage(sweep);
    step->left -= looked * cost;
    return err;
}

/* --- events and all that came of them --- */

/* Nothing is to be sent of it any more: lanes see that at their next read. */
static enum err
end_fanouts(struct step *step, int64_t event_pk)
{
    struct sweep *sweep = step->sweep;
    size_t first = sweep->wake_count;

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(step->engine, &rows,
            "SELECT hook_pk FROM fanout WHERE event_pk = ?1 AND status = 'sending'"
            " ORDER BY hook_pk LIMIT ?2",
            v_int(event_pk), v_int((int64_t)(SWEEP_WAKE_MAX - first)));
        while (sweep->wake_count < SWEEP_WAKE_MAX && rows_next(&rows))
            sweep->wake[sweep->wake_count++] = rows_int(&rows, 0);
        err = rows_end(&rows, step->reterr);
    }

    for (size_t i = first; err == OK && i < sweep->wake_count; i++)
        err = engine_run(step->engine, step->reterr,
            "UPDATE fanout SET status = 'cancelled', finished_us = ?3"
            " WHERE event_pk = ?1 AND hook_pk = ?2",
            v_int(event_pk), v_int(sweep->wake[i]), v_time(sweep->now));
    step->left -= (int64_t)(sweep->wake_count - first);
    return err;
}

/* Any fan-out of the event; 0 when there is none. */
static enum err
next_fanout(struct step *step, int64_t event_pk, int64_t *ret)
{
    int64_t fanout_pk = 0;
    enum err err = engine_get_int(step->engine, &fanout_pk, step->reterr,
        "SELECT fanout_pk FROM fanout WHERE event_pk = ?1 LIMIT 1", v_int(event_pk));

    if (err == OK || err == ERR_NOT_FOUND)
        *ret = fanout_pk;
    return err == ERR_NOT_FOUND ? OK : err;
}

/* The fan-out goes last of all that is its own, so that what is left of it is found again. */
static enum err
take_fanout(struct step *step, int64_t fanout_pk)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && step->left > 0 && i < FANOUT_PARTS; i++) {
        err = engine_run(step->engine, step->reterr, fanout_parts[i].take, v_int(fanout_pk),
            v_int(step->left));
        if (err == OK) {
            step->left -= engine_changes(step->engine);
            step->sweep->rows += engine_changes(step->engine);
        }
    }
    if (err != OK || step->left <= 0)
        return err;
    step->left -= LOOKUPS_COST;
    step->sweep->rows++;
    return engine_run(step->engine, step->reterr, "DELETE FROM fanout WHERE fanout_pk = ?1",
        v_int(fanout_pk));
}

static enum err
take_event(struct step *step, int64_t event_pk)
{
    int64_t fanout_pk = 0;
    enum err err;

    /* All its fan-outs end before anything of it goes: none may be judged by what is left. */
    err = end_fanouts(step, event_pk);
    if (err != OK || step->sweep->wake_count == SWEEP_WAKE_MAX) {
        step->left = 0;
        return err;
    }
    while (err == OK && step->left > 0) {
        err = next_fanout(step, event_pk, &fanout_pk);
        if (err != OK || fanout_pk == 0)
            break;
        err = take_fanout(step, fanout_pk);
    }
    if (err != OK || step->left <= 0)
        return err;
    step->left -= LOOKUPS_COST;
    step->sweep->events++;
    return engine_run(step->engine, step->reterr, "DELETE FROM event WHERE event_pk = ?1",
        v_int(event_pk));
}

/* Take away the next event, or all of it that this step may. */
static enum err
take_next_event(struct step *step, int64_t kept_us)
{
    struct sweep *sweep = step->sweep;
    int64_t event_pk = 0;
    enum age age = AGE_FUTURE;

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(step->engine, &rows,
            "SELECT event_pk, created_us FROM event WHERE event_pk > ?1 ORDER BY event_pk LIMIT 1",
            v_int(sweep->last_pk));
        if (rows_next(&rows)) {
            event_pk = rows_int(&rows, 0);
            age = judge(sweep, kept_us, rows_int(&rows, 1));
        }

        err = rows_end(&rows, step->reterr);
    }

    if (err != OK)
        return err;
    step->left--;
    if (event_pk == 0 || age == AGE_YOUNG)
        next_stage(sweep);
    else if (age == AGE_FUTURE)
        sweep->last_pk = event_pk;
    else
        err = take_event(step, event_pk);
    return err;
}

enum err
retention_step(struct engine *engine, const struct retention *keep, struct sweep *inout,
    struct error *reterr)
{
    struct step step = {
        .engine = engine,
        .sweep = inout,
        .left = (int64_t)inout->rows_max,
        .reterr = reterr,
    };
    enum err err = OK;

    /* With fewer a step might end before it has taken anything away. */
    CHECK(inout->rows_max >= SWEEP_ROWS_MIN);
    inout->wake_count = 0;
    while (err == OK && step.left > 0 && inout->stage != SWEEP_OVER) {
        int64_t kept_us = age_kept(keep, inout);

        if (kept_us == 0)
            next_stage(inout);
        else if (inout->stage == SWEEP_EVENTS)
            err = take_next_event(&step, kept_us);
        else
            err = take_aged(&step, kept_us);
    }
    return err;
}
