/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bulk.h"

#include "base/check.h"
#include "store/attendees.h"
#include "store/audience.h"

/* A sweep touches neighbouring rows only, so it takes more of them at a time. */
#define SWEEP_LINES 5000

struct bulk {
    int64_t pk;
    struct bulk_target target;
    int64_t next_line;
    int64_t newcomers;
    bool is_placing; /* every line is an attendee; lo, hi and next_ord are set */
    int64_t lo;
    int64_t hi;
    int64_t next_ord;
    int64_t last_attendee;
    struct bulk_counts counts;
};

enum err
bulk_start(struct engine *engine, const struct bulk_target *target, struct walltime now,
    int64_t *ret_pk, struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "INSERT INTO bulk (account_pk, group_pk, webinar_pk, status, notify, created_us)"
        " VALUES (?1, ?2, ?3, 'reading', ?4, ?5)",
        v_int(target->account_pk), v_int(target->group_pk), v_pk_or_null(target->webinar_pk),
        v_int(target->notify), v_time(now));

    if (err == OK)
        *ret_pk = engine_last_pk(engine);
    return err;
}

/* NULL where the line does not say, "" where it says that there is none. */
static struct value
v_said(bool is_said, struct str text)
{
    if (!is_said)
        return v_null();
    return v_text(text.ptr != NULL ? text : STR(""));
}

enum err
bulk_stage(struct engine *engine, int64_t bulk_pk, const struct bulk_lines *lines,
    struct error *reterr)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < lines->count; i++) {
        const struct bulk_line *line = &lines->list[i];

        err = engine_run(engine, reterr,
            "INSERT INTO bulk_line (bulk_pk, line, name, email, phone, timezone)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            v_int(bulk_pk), v_int(line->number), v_text(line->attendee.name),
            v_text(line->attendee.email), v_said(line->has_phone, line->attendee.phone),
            v_said(line->has_timezone, line->attendee.timezone));
    }
    return err;
}

/* --- one line --- */

/* What the line makes of somebody. */
static void
overlay(struct attendee *inout, const struct bulk_line *line)
{
    inout->name = line->attendee.name;
    inout->email = line->attendee.email;
    if (line->has_phone)
        inout->phone = line->attendee.phone;
    if (line->has_timezone)
        inout->timezone = line->attendee.timezone;
}

static enum err
line_compare(struct engine *engine, const struct bulk_target *target, const struct bulk_line *line,
    struct arena *arena, struct bulk_counts *inout, struct error *reterr)
{
    struct attendee old;
    struct attendee new;
    bool is_in = false;
    enum err err =
        attendee_find_email(engine, target->account_pk, line->attendee.email, arena, &old, reterr);

    if (err == ERR_NOT_FOUND) {
        inout->created++;
        return OK;
    }
    if (err == OK)
        err = member_is_in(engine, target->group_pk, old.pk, &is_in, reterr);
    if (err != OK)
        return err;
    new = old;
    overlay(&new, line);
    if (is_in && attendee_is_same(&old, &new))
        inout->unchanged++;
    else
        inout->updated++;
    return OK;
}

enum err
bulk_compare(struct engine *engine, const struct bulk_target *target,
    const struct bulk_lines *lines, struct arena *arena, struct bulk_counts *inout,
    struct error *reterr)
{
    struct bulk_counts counts = *inout;
    enum err err = OK;

    for (size_t i = 0; err == OK && i < lines->count; i++)
        err = line_compare(engine, target, &lines->list[i], arena, &counts, reterr);
    if (err == OK)
        *inout = counts;
    return err;
}

static enum err
newcomer_note(const struct announcer *announcer, struct bulk *bulk, int64_t attendee_pk,
    bool *ret_is_new, struct error *reterr)
{
    bool is_in = false;
    enum err err =
        member_is_in(announcer->engine, bulk->target.group_pk, attendee_pk, &is_in, reterr);

    if (err == OK && !is_in) {
        err = engine_run(announcer->engine, reterr,
            "INSERT INTO bulk_newcomer (bulk_pk, attendee_pk) VALUES (?1, ?2)"
            " ON CONFLICT (bulk_pk, attendee_pk) DO NOTHING",
            v_int(bulk->pk), v_int(attendee_pk));
        if (err == OK && engine_changes(announcer->engine) > 0) {
            bulk->newcomers++;
            *ret_is_new = true;
        }
    }
    return err;
}

static enum err
line_apply(const struct announcer *announcer, struct bulk *bulk, const struct bulk_line *line,
    struct error *reterr)
{
    struct attendee old = {0};
    struct attendee new;
    bool is_known;
    bool is_new_in_group = false;
    enum err err = attendee_find_email(announcer->engine, bulk->target.account_pk,
        line->attendee.email, announcer->arena, &old, reterr);

    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    is_known = err == OK;
    new = old;
    overlay(&new, line);
    err = OK;
    if (!is_known) {
        new.account_pk = bulk->target.account_pk;
        new.id = id_make(announcer->ids, announcer->now);
        new.created = new.updated = announcer->now;
        err = attendee_insert(announcer->engine, &new, reterr);
    } else if (!attendee_is_same(&old, &new)) {
        new.updated.us =
            announcer->now.us > old.updated.us ? announcer->now.us : old.updated.us + 1;
        err = attendee_update(announcer->engine, &new, reterr);
    }
    if (err == OK)
        err = newcomer_note(announcer, bulk, new.pk, &is_new_in_group, reterr);
    if (err != OK)
        return err;
    if (!is_known)
        bulk->counts.created++;
    else if (is_new_in_group || !attendee_is_same(&old, &new))
        bulk->counts.updated++;
    else
        bulk->counts.unchanged++;
    bulk->next_line = line->number + 1;
    return OK;
}

/* --- steps --- */

static enum err
bulk_read(struct engine *engine, int64_t bulk_pk, struct bulk *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct bulk bulk = {0};
    enum err err;

    engine_select(engine, &rows,
        "SELECT bulk_pk, account_pk, group_pk, webinar_pk, notify, next_line, newcomers, lo, hi,"
        " next_ord, last_attendee, created, updated, unchanged FROM bulk"
        " WHERE bulk_pk = ?1 AND status = 'applying' AND EXISTS (SELECT 1 FROM audience_group"
        " WHERE audience_group.group_pk = bulk.group_pk)",
        v_int(bulk_pk));
    if (rows_next(&rows))
        bulk = (struct bulk){
            .pk = rows_int(&rows, 0),
            .target = {rows_int(&rows, 1), rows_int(&rows, 2), rows_int(&rows, 3),
                rows_int(&rows, 4) != 0},
            .next_line = rows_int(&rows, 5),
            .newcomers = rows_int(&rows, 6),
            .is_placing = !rows_is_null(&rows, 7),
            .lo = rows_int(&rows, 7),
            .hi = rows_int(&rows, 8),
            .next_ord = rows_int(&rows, 9),
            .last_attendee = rows_int(&rows, 10),
            .counts = {rows_int(&rows, 11), rows_int(&rows, 12), rows_int(&rows, 13)},
        };
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (bulk.pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "it was deleted while the upload was applied");
    *ret = bulk;
    return OK;
}

static enum err
bulk_write(struct engine *engine, const struct bulk *bulk, struct error *reterr)
{
    return engine_run(engine, reterr,
        "UPDATE bulk SET next_line = ?2, newcomers = ?3, lo = ?4, hi = ?5, next_ord = ?6,"
        " last_attendee = ?7, created = ?8, updated = ?9, unchanged = ?10 WHERE bulk_pk = ?1",
        v_int(bulk->pk), v_int(bulk->next_line), v_int(bulk->newcomers),
        bulk->is_placing ? v_int(bulk->lo) : v_null(),
        bulk->is_placing ? v_int(bulk->hi) : v_null(),
        bulk->is_placing ? v_int(bulk->next_ord) : v_null(), v_int(bulk->last_attendee),
        v_int(bulk->counts.created), v_int(bulk->counts.updated), v_int(bulk->counts.unchanged));
}

static struct str
copy_said(struct arena *arena, struct rows *rows, int column, bool *ret_is_said)
{
    struct str text = rows_str(rows, column);

    *ret_is_said = !rows_is_null(rows, column);
    return text.len > 0 ? arena_copy(arena, text) : (struct str){NULL, 0};
}

static enum err
lines_read(const struct announcer *announcer, const struct bulk *bulk, int64_t limit,
    struct bulk_line *lines, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct arena *arena = announcer->arena;
    size_t count = 0;
    enum err err;

    engine_select(announcer->engine, &rows,
        "SELECT line, name, email, phone, timezone FROM bulk_line"
        " WHERE bulk_pk = ?1 AND line >= ?2 ORDER BY line LIMIT ?3",
        v_int(bulk->pk), v_int(bulk->next_line), v_int(limit));
    while (count < (size_t)limit && rows_next(&rows)) {
        struct bulk_line *line = &lines[count++];

        line->number = rows_int(&rows, 0);
        line->attendee.name = arena_copy(arena, rows_str(&rows, 1));
        line->attendee.email = arena_copy(arena, rows_str(&rows, 2));
        line->attendee.phone = copy_said(arena, &rows, 3, &line->has_phone);
        line->attendee.timezone = copy_said(arena, &rows, 4, &line->has_timezone);
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a step of an upload");
    *ret_count = count;
    return OK;
}

/* Lines become attendees; when none is left, the newcomers get room in the group. */
static enum err
lines_apply(const struct announcer *announcer, struct bulk *bulk, int64_t limit,
    struct error *reterr)
{
    struct bulk_line *lines = arena_alloc_array(announcer->arena, (size_t)limit, sizeof(*lines));
    size_t count = 0;
    enum err err;

    if (lines == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a step of an upload");
    err = lines_read(announcer, bulk, limit, lines, &count, reterr);
    for (size_t i = 0; err == OK && i < count; i++)
        err = line_apply(announcer, bulk, &lines[i], reterr);
    if (err != OK || count == (size_t)limit)
        return err;

    bulk->is_placing = true;
    err =
        group_reserve(announcer->engine, bulk->target.group_pk, bulk->newcomers, &bulk->lo, reterr);
    bulk->hi = bulk->lo + bulk->newcomers;
    bulk->next_ord = bulk->lo;
    return err;
}

/* Newcomers get their numbers in the order of their rows, so that a chunk of them lies together.
 * Who was erased or came in meanwhile leaves no hole: the room that is over lies at the end. */
static enum err
newcomers_place(const struct announcer *announcer, struct bulk *bulk, int64_t limit, bool *ret_done,
    struct error *reterr)
{
    int64_t *pks = arena_alloc_array(announcer->arena, (size_t)limit, sizeof(*pks));
    size_t count = 0;
    enum err err;

    if (pks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a step of an upload");
    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(announcer->engine, &rows,
            "SELECT attendee.attendee_pk FROM bulk_newcomer JOIN attendee"
            " ON attendee.attendee_pk = bulk_newcomer.attendee_pk"
            " WHERE bulk_newcomer.bulk_pk = ?1 AND bulk_newcomer.attendee_pk > ?2"
            " ORDER BY bulk_newcomer.attendee_pk LIMIT ?3",
            v_int(bulk->pk), v_int(bulk->last_attendee), v_int(limit));
        while (count < (size_t)limit && rows_next(&rows))
            pks[count++] = rows_int(&rows, 0);
        err = rows_end(&rows, reterr);
    }
    for (size_t i = 0; err == OK && i < count; i++) {
        bool added = false;

        CHECK(bulk->next_ord < bulk->hi);
        err = member_place(announcer->engine, bulk->target.group_pk, bulk->next_ord, pks[i], &added,
            reterr);
        bulk->next_ord += added;
        bulk->last_attendee = pks[i];
    }
    if (err == OK)
        *ret_done = count < (size_t)limit;
    return err;
}

static enum err
newcomers_announce(const struct announcer *announcer, const struct bulk *bulk,
    struct announcement_list *ret, struct error *reterr)
{
    struct audience_range range = {.group_pk = bulk->target.group_pk,
        .lo = bulk->lo,
        .hi = bulk->next_ord};
    struct announcement_list list = {ARENA_NEW(announcer->arena, struct announcement), 1};
    struct webinar webinar;
    struct mango mango;
    enum err err;

    if (bulk->target.webinar_pk == 0) {
        err = mango_get_group(announcer->engine, bulk->target.group_pk, announcer->arena, &mango,
            reterr);
        if (err == OK)
            err = announce_joined(announcer, &mango, range, ret, reterr);
        return err;
    }
    if (list.list == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an event");
    err = webinar_get_pk(announcer->engine, bulk->target.webinar_pk, announcer->arena, &webinar,
        reterr);
    if (err == OK)
        err = announce_newcomers(announcer, &webinar, range, &list.list[0], reterr);
    if (err == OK)
        *ret = list;
    return err;
}

static enum err
bulk_finish(const struct announcer *announcer, const struct bulk *bulk,
    struct announcement_list *ret, struct error *reterr)
{
    struct announcement_list list = {0};
    enum err err =
        group_publish(announcer->engine, bulk->target.group_pk, bulk->lo, bulk->hi, reterr);

    if (err == OK && bulk->target.notify && bulk->next_ord > bulk->lo)
        err = newcomers_announce(announcer, bulk, &list, reterr);
    if (err == OK)
        err = bulk_discard(announcer->engine, bulk->pk, reterr);
    if (err == OK)
        *ret = list;
    return err;
}

enum err
bulk_apply(const struct announcer *announcer, int64_t bulk_pk, int64_t limit,
    struct bulk_progress *ret, struct error *reterr)
{
    struct bulk_progress progress = {0};
    struct bulk bulk = {0};
    enum err err = bulk_read(announcer->engine, bulk_pk, &bulk, reterr);

    if (err != OK)
        return err;
    if (!bulk.is_placing)
        err = lines_apply(announcer, &bulk, limit, reterr);
    else
        err = newcomers_place(announcer, &bulk, limit, &progress.is_done, reterr);
    if (err == OK && progress.is_done)
        err = bulk_finish(announcer, &bulk, &progress.announced, reterr);
    else if (err == OK)
        err = bulk_write(announcer->engine, &bulk, reterr);
    if (err != OK)
        return err;
    progress.counts = bulk.counts;
    *ret = progress;
    return OK;
}

enum err
bulk_accept(struct engine *engine, int64_t bulk_pk, struct error *reterr)
{
    return engine_run(engine, reterr, "UPDATE bulk SET status = 'applying' WHERE bulk_pk = ?1",
        v_int(bulk_pk));
}

enum err
bulk_discard(struct engine *engine, int64_t bulk_pk, struct error *reterr)
{
    return engine_run(engine, reterr, "DELETE FROM bulk WHERE bulk_pk = ?1", v_int(bulk_pk));
}

static enum err
lines_erase(struct engine *engine, int64_t bulk_pk, int64_t *ret_count, struct error *reterr)
{
    struct error off_error;
    enum err err = engine_secure_delete(engine, true, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "DELETE FROM bulk_line WHERE bulk_pk = ?1 AND line IN"
        " (SELECT line FROM bulk_line WHERE bulk_pk = ?1 ORDER BY line LIMIT ?2)",
        v_int(bulk_pk), v_int(SWEEP_LINES));
    if (err == OK)
        *ret_count = engine_changes(engine);
    /* Left on it would only be slower. */
    (void)!engine_secure_delete(engine, false, &off_error);
    return err;
}

enum err
bulk_sweep(struct engine *engine, int64_t bulk_pk, bool *ret_done, struct error *reterr)
{
    int64_t lines = 0;
    enum err err = lines_erase(engine, bulk_pk, &lines, reterr);

    if (err == OK)
        err = engine_run(engine, reterr,
            "DELETE FROM bulk_newcomer WHERE bulk_pk = ?1 AND attendee_pk IN"
            " (SELECT attendee_pk FROM bulk_newcomer WHERE bulk_pk = ?1"
            " ORDER BY attendee_pk LIMIT ?2)",
            v_int(bulk_pk), v_int(SWEEP_LINES));
    if (err == OK)
        *ret_done = lines < SWEEP_LINES && engine_changes(engine) < SWEEP_LINES;
    return err;
}

/* --- after a restart --- */

struct resume {
    struct store_call call;
    struct zones *zones;
    struct id_source *ids;
    struct walltime now;
    struct arena arena;

    struct {
        int64_t applied_pk; /* bulks up to this one were applied as far as they could be */
        int64_t swept_pk;   /* and of those up to this one nothing is left that should not be */
        bool is_done;
    } was, is; /* before and after the step, which may be run again */
};

static enum err
resume_apply(struct resume *resume, struct engine *engine, int64_t pk)
{
    struct announcer announcer = {engine, resume->zones, resume->ids, &resume->arena, resume->now};
    struct bulk_progress progress;
    enum err err;

    arena_reset(&resume->arena);
    err = bulk_apply(&announcer, pk, BULK_STEP_LINES, &progress, &resume->call.error);
    if (err == ERR_NOT_FOUND)
        err = bulk_discard(engine, pk, &resume->call.error);
    return err;
}

/* The next bulk of which something is left; done when there is none. */
static enum err
resume_sweep(struct resume *resume, struct engine *engine)
{
    struct error *reterr = &resume->call.error;
    int64_t pk = 0;
    int64_t is_alive = 0;
    bool is_swept = false;
    enum err err = engine_get_int(engine, &pk, reterr,
        "SELECT ifnull(min(bulk_pk), 0) FROM"
        " (SELECT min(bulk_pk) AS bulk_pk FROM bulk_line WHERE bulk_pk > ?1"
        " UNION ALL SELECT min(bulk_pk) FROM bulk_newcomer WHERE bulk_pk > ?1)",
        v_int(resume->was.swept_pk));

    if (err != OK)
        return err;
    if (pk == 0) {
        resume->is.is_done = true;
        return OK;
    }
    err = engine_get_int(engine, &is_alive, reterr,
        "SELECT EXISTS (SELECT 1 FROM bulk WHERE bulk_pk = ?1)", v_int(pk));
    if (err == OK && !is_alive)
        err = bulk_sweep(engine, pk, &is_swept, reterr);
    if (err == OK && (is_alive || is_swept))
        resume->is.swept_pk = pk;
    return err;
}

/* One that was only being read is not to be applied, which bulk_apply says as of a deleted one. */
static enum err
run_resume(struct store_call *call, struct engine *engine)
{
    struct resume *resume = CONTAINER_OF(call, struct resume, call);
    int64_t pk = 0;
    enum err err;

    resume->is = resume->was;
    err = engine_get_int(engine, &pk, &call->error,
        "SELECT ifnull(min(bulk_pk), 0) FROM bulk WHERE bulk_pk > ?1",
        v_int(resume->was.applied_pk));
    if (err != OK)
        return err;
    if (pk == 0)
        return resume_sweep(resume, engine);
    err = resume_apply(resume, engine, pk);
    if (err != OK)
        resume->is.applied_pk = pk;
    return err;
}

enum err
bulk_resume(struct store *store, struct zones *zones, struct id_source *ids,
    const struct clock *clock, struct error *reterr)
{
    struct resume resume = {.call = {.run = run_resume, .writes = true},
        .zones = zones,
        .ids = ids};
    struct error first = {.code = OK};

    arena_init(&resume.arena, REQUEST_ARENA_BYTES_MAX);
    while (!resume.is.is_done) {
        enum err err;

        resume.now = clock_walltime(clock);
        err = store_run(store, &resume.call);
        if (err != OK && first.code == OK)
            first = resume.call.error;
        if (err != OK && resume.is.applied_pk == resume.was.applied_pk)
            break; /* not one bulk's trouble but the store's */
        resume.was = resume.is;
    }
    arena_done(&resume.arena);
    if (first.code == OK)
        return OK;
    return error_set(reterr, first.code, "an upload that was interrupted: %s", first.text);
}
