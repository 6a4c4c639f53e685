/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bulk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "api/objects.h"
#include "base/check.h"
#include "http/service.h"

/* Lines are staged when there are this many: a transaction of some milliseconds. A piece is read in
 * slices until there are, so a batch is at most a slice of the shortest lines longer, and that is
 * all that an upload ever holds in memory. */
#define BATCH_LINES      500
#define SLICE_BYTES      4096
#define PIECE_BYTES_MAX  (1024 * 1024)
#define BATCH_BYTES_MAX  (8 * 1024 * 1024)
#define FAULTS_BYTES_MAX (1024 * 1024)

/* One upload, from its first byte to its answer:
 *
 *   begin ─▶ (read ─▶ stage)* ─▶ accept ─▶ apply* ─▶ sweep* ─▶ answer
 *              └───────────┴─▶ discard ─▶ sweep* ─▶ refuse, or drop when the peer has gone
 *
 * Loop and worker take turns with it. What a transaction finds out is kept apart until it is
 * committed, because it may be run again. */
struct upload {
    struct call *call; /* borrowed: releases us */
    bool is_webinar;
    bool skips_bad_lines;
    bool is_dry_run;
    struct bulk_target target;
    int64_t bulk_pk; /* 0: nothing is staged */

    struct bulk_reader *reader; /* owned */
    struct buf piece;           /* as it came in, read up to piece_at */
    size_t piece_at;
    bool is_ended; /* no piece comes any more */
    bool is_read;  /* nor any line */
    struct arena batch_arena;
    struct bulk_lines batch;
    size_t batch_capacity;
    bool is_out_of_memory;
    bool is_accepted; /* it will be applied, whether somebody waits for the answer or not */

    struct arena faults_arena;
    struct faults faults;
    int64_t skipped;
    struct bulk_counts counts; /* of a dry run, or of all steps */

    /* Of the transaction under way. */
    struct arena step_arena;
    struct bulk_lines good;
    struct faults step_faults;
    int64_t step_skipped;
    struct bulk_counts step_counts;
    struct bulk_progress progress;
    bool is_swept;

    enum err ending; /* why it is being discarded */
    struct error ending_error;
};

static struct upload *
upload_of(const struct call *call)
{
    return call->prepared;
}

static void discard(struct upload *upload, enum err err, const struct error *error);
static void go_on(struct upload *upload);
static void read_on(struct upload *upload);

/* --- reading --- */

static bool
batch_make_room(struct upload *upload)
{
    size_t capacity = upload->batch_capacity == 0 ? 256 : upload->batch_capacity * 2;
    struct bulk_line *list;

    if (upload->batch.count < upload->batch_capacity)
        return true;
    list = arena_alloc_array(&upload->batch_arena, capacity, sizeof(*list));
    if (list == NULL)
        return false;
    for (size_t i = 0; i < upload->batch.count; i++)
        list[i] = upload->batch.list[i];
    upload->batch.list = list;
    upload->batch_capacity = capacity;
    return true;
}

static struct str
keep(struct upload *upload, struct str text)
{
    return text.ptr != NULL ? arena_copy(&upload->batch_arena, text) : text;
}

static void
on_line(const struct bulk_line *line, void *arg)
{
    struct upload *upload = arg;
    struct bulk_line *kept;

    if (!batch_make_room(upload)) {
        upload->is_out_of_memory = true;
        return;
    }
    kept = &upload->batch.list[upload->batch.count++];
    *kept = *line;
    kept->attendee.name = keep(upload, line->attendee.name);
    kept->attendee.email = keep(upload, line->attendee.email);
    kept->attendee.phone = keep(upload, line->attendee.phone);
    kept->attendee.timezone = keep(upload, line->attendee.timezone);
    upload->is_out_of_memory |= arena_is_full(&upload->batch_arena);
}

static void
faults_take(struct faults *into, const struct faults *from)
{
    for (size_t i = 0; i < from->count; i++)
        fault_add(into, from->list[i].pointer, "%.*s", STR_FMT(from->list[i].detail));
    into->count_seen += from->count_seen - from->count;
}

static void
on_bad_line(int64_t number, const struct faults *faults, void *arg)
{
    struct upload *upload = arg;

    (void)number;
    faults_take(&upload->faults, faults);
    upload->skipped++;
}

static void
batch_clear(struct upload *upload)
{
    arena_reset(&upload->batch_arena);
    upload->batch = (struct bulk_lines){NULL, 0};
    upload->batch_capacity = 0;
}

/* Nothing can come of it any more: to look at the rest would only cost time. */
static bool
is_hopeless(const struct upload *upload)
{
    if (bulk_reader_is_lost(upload->reader))
        return true;
    return !upload->skips_bad_lines && upload->faults.count == FAULTS_MAX;
}

/* --- staging --- */

/* Zones are looked up here, on the worker, for the first look at one reads a file. */
static enum err
zones_check(struct upload *upload, struct error *reterr)
{
    struct zones *zones = upload->call->api->zones;
    struct str known = {NULL, 0};

    upload->good.count = 0;
    upload->good.list =
        arena_alloc_array(&upload->step_arena, upload->batch.count + 1, sizeof(*upload->good.list));
    if (upload->good.list == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an upload");
    for (size_t i = 0; i < upload->batch.count; i++) {
        const struct bulk_line *line = &upload->batch.list[i];
        struct str name = line->attendee.timezone;
        const struct zone *zone;
        struct error error;
        enum err err = OK;

        if (name.ptr != NULL && !str_equals(name, known))
            err = zones_get(zones, name, &zone, &error);
        if (err == OK) {
            known = name.ptr != NULL ? name : known;
            upload->good.list[upload->good.count++] = *line;
        } else if (err == ERR_NOT_FOUND) {
            fault_add(&upload->step_faults,
                arena_printf(&upload->step_arena, "/lines/%" PRId64 "/timezone", line->number),
                "%s", error.text);
            upload->step_skipped++;
        } else {
            return error_set(reterr, err, "%s", error.text);
        }
    }
    return OK;
}

static enum err
run_stage(struct call *call, struct engine *engine)
{
    struct upload *upload = upload_of(call);
    struct error *reterr = &call->store_call.error;
    bool is_good;
    enum err err;

    arena_reset(&upload->step_arena);
    faults_init(&upload->step_faults, &upload->step_arena);
    upload->step_skipped = 0;
    upload->step_counts = upload->counts;
    err = zones_check(upload, reterr);
    if (err != OK)
        return err;
    if (upload->is_dry_run)
        return bulk_compare(engine, &upload->target, &upload->good, &upload->step_arena,
            &upload->step_counts, reterr);
    /* What will be refused is checked to its end, so that all faults are named, but not stored. */
    is_good = upload->faults.count_seen + upload->step_faults.count_seen == 0;
    if (is_good || upload->skips_bad_lines)
        err = bulk_stage(engine, upload->bulk_pk, &upload->good, reterr);
    return err;
}

static void
on_staged(struct call *call)
{
    struct upload *upload = upload_of(call);

    if (call->store_call.err != OK) {
        discard(upload, call->store_call.err, &call->store_call.error);
        return;
    }
    faults_take(&upload->faults, &upload->step_faults);
    upload->skipped += upload->step_skipped;
    upload->counts = upload->step_counts;
    batch_clear(upload);
    read_on(upload);
}

/* The store is too full to take the next transaction. What was staged is thrown away at the next
 * start; what was accepted is finished then. */
static void
fail_busy(struct upload *upload)
{
    if (call_is_gone(upload->call))
        call_drop(upload->call);
    else if (upload->is_accepted)
        call_fail(upload->call, 503, "too busy to finish the upload: send it once more");
    else
        call_fail(upload->call, 503, "too busy just now: try again in a second");
}

static void
stage(struct upload *upload)
{
    if (call_submit(upload->call, run_stage, !upload->is_dry_run, on_staged) != OK)
        fail_busy(upload);
}

/* --- endings --- */

static void
refuse(struct upload *upload)
{
    struct call *call = upload->call;

    if (call_is_gone(call)) {
        call_drop(call);
        return;
    }
    if (upload->ending != OK) {
        call->store_call.error = upload->ending_error;
        call->store_call.err = upload->ending;
    } else {
        call->faults = upload->faults;
        call->store_call.err = call_refuse(call);
    }
    call_finish(call);
}

static void
answer(struct upload *upload)
{
    struct json_writer writer = call_answer(upload->call, 200);

    json_object_open(&writer);
    json_field_int(&writer, STR("created"), upload->counts.created);
    json_field_int(&writer, STR("updated"), upload->counts.updated);
    json_field_int(&writer, STR("unchanged"), upload->counts.unchanged);
    json_field_int(&writer, STR("skipped"), upload->skipped);
    write_announcements(&writer, &upload->progress.announced);
    json_object_close(&writer);
    call_finish(upload->call);
}

static enum err
run_sweep(struct call *call, struct engine *engine)
{
    struct upload *upload = upload_of(call);

    upload->is_swept = false;
    return bulk_sweep(engine, upload->bulk_pk, &upload->is_swept, &call->store_call.error);
}

static void
on_swept(struct call *call)
{
    struct upload *upload = upload_of(call);

    /* What cannot be swept now is swept at the next start. */
    if (call->store_call.err == OK && !upload->is_swept &&
        call_submit(call, run_sweep, true, on_swept) == OK)
        return;
    call->store_call.err = OK;
    if (upload->is_accepted)
        answer(upload);
    else
        refuse(upload);
}

static enum err
run_discard(struct call *call, struct engine *engine)
{
    struct upload *upload = upload_of(call);
    enum err err = bulk_discard(engine, upload->bulk_pk, &call->store_call.error);

    return err == OK ? run_sweep(call, engine) : err;
}

/* err OK: because of the faults, or because the peer has gone. */
static void
discard(struct upload *upload, enum err err, const struct error *error)
{
    upload->ending = err;
    if (error != NULL)
        upload->ending_error = *error;
    upload->is_accepted = false;
    if (upload->bulk_pk == 0)
        refuse(upload);
    else if (call_submit(upload->call, run_discard, true, on_swept) != OK)
        fail_busy(upload);
}

/* --- applying --- */

static enum err
run_apply(struct call *call, struct engine *engine)
{
    struct upload *upload = upload_of(call);
    struct announcer announcer = call_announcer(call, engine);
    enum err err;

    arena_reset(&upload->step_arena);
    announcer.arena = &upload->step_arena;
    err = bulk_apply(&announcer, upload->bulk_pk, BULK_STEP_LINES, &upload->progress,
        &call->store_call.error);
    if (err == OK)
        wake_for_all(call, &upload->progress.announced);
    return err;
}

static void
on_applied(struct call *call)
{
    struct upload *upload = upload_of(call);
    enum err err = call->store_call.err;

    if (err == ERR_NOT_FOUND) { /* deleted meanwhile */
        discard(upload, err, &call->store_call.error);
        return;
    }
    if (err != OK) {
        if (call_is_gone(call))
            call_drop(call);
        else
            call_finish(call);
        return;
    }
    upload->counts = upload->progress.counts;
    if (call_submit(call, upload->progress.is_done ? run_sweep : run_apply, true,
            upload->progress.is_done ? on_swept : on_applied) == OK)
        return;
    if (upload->progress.is_done)
        answer(upload);
    else
        fail_busy(upload);
}

static enum err
run_accept(struct call *call, struct engine *engine)
{
    return bulk_accept(engine, upload_of(call)->bulk_pk, &call->store_call.error);
}

static void
on_accepted(struct call *call)
{
    struct upload *upload = upload_of(call);

    if (call->store_call.err != OK) {
        discard(upload, call->store_call.err, &call->store_call.error);
        return;
    }
    upload->is_accepted = true;
    if (call_submit(call, run_apply, true, on_applied) != OK)
        fail_busy(upload);
}

/* What comes after a batch, when no more is to be read. */
static void
go_on(struct upload *upload)
{
    if (is_hopeless(upload) || (upload->faults.count_seen > 0 && !upload->skips_bad_lines)) {
        discard(upload, OK, NULL);
    } else if (upload->is_dry_run) {
        upload->call->store_call.err = OK;
        answer(upload);
    } else if (call_submit(upload->call, run_accept, true, on_accepted) != OK) {
        fail_busy(upload);
    }
}

/* --- the stream --- */

static enum err
read_slices(struct upload *upload)
{
    struct str piece = buf_str(&upload->piece);
    enum err err = OK;

    while (err == OK && upload->piece_at < piece.len && upload->batch.count < BATCH_LINES &&
           !is_hopeless(upload)) {
        size_t to = upload->piece_at + SLICE_BYTES;

        err = bulk_reader_feed(upload->reader, str_slice(piece, upload->piece_at, to));
        upload->piece_at = to;
    }
    if (err == OK && upload->is_ended && !upload->is_read && upload->piece_at >= piece.len) {
        err = bulk_reader_end(upload->reader);
        upload->is_read = true;
    }
    return err == OK && upload->is_out_of_memory ? ERR_NOMEM : err;
}

/* Read until there is a batch, or nothing left of what is here. */
static void
read_on(struct upload *upload)
{
    struct error error;
    enum err err = read_slices(upload);

    if (err != OK)
        discard(upload, error_set(&error, err, "out of memory for an upload"), &error);
    else if (is_hopeless(upload) || (upload->is_read && upload->batch.count == 0))
        go_on(upload);
    else if (upload->is_read || upload->batch.count >= BATCH_LINES)
        stage(upload);
}

static void
on_body(struct call *call, struct str piece)
{
    struct upload *upload = upload_of(call);

    CHECK(upload->piece_at >= upload->piece.len);
    buf_clear(&upload->piece);
    upload->piece_at = 0;
    buf_append_str(&upload->piece, piece);
    upload->is_out_of_memory |= buf_is_full(&upload->piece);
    read_on(upload);
}

static void
on_end(struct call *call)
{
    struct upload *upload = upload_of(call);

    upload->is_ended = true;
    read_on(upload);
}

static void
on_gone(struct call *call)
{
    discard(upload_of(call), OK, NULL);
}

static void
release(struct call *call)
{
    struct upload *upload = upload_of(call);

    bulk_reader_free(upload->reader);
    buf_done(&upload->piece);
    arena_done(&upload->batch_arena);
    arena_done(&upload->faults_arena);
    arena_done(&upload->step_arena);
    free(upload);
    call->prepared = NULL;
}

static const struct call_stream upload_stream = {
    .on_body = on_body,
    .on_end = on_end,
    .on_gone = on_gone,
    .release = release,
};

/* --- the beginning --- */

static enum err
run_begin(struct call *call, struct engine *engine)
{
    struct upload *upload = upload_of(call);
    struct mango mango = {0};
    struct webinar webinar = {0};
    enum err err;

    upload->target.account_pk = call->account_pk;
    if (upload->is_webinar) {
        err = path_webinar(call, engine, WEBINAR_MANY, &webinar);
        upload->target.group_pk = webinar.group_pk;
        upload->target.webinar_pk = webinar.pk;
    } else {
        err = path_mango(call, engine, &mango);
        upload->target.group_pk = mango.group_pk;
    }
    if (err == OK && !upload->is_dry_run)
        err = bulk_start(engine, &upload->target, call->now, &upload->bulk_pk,
            &call->store_call.error);
    return err;
}

static void
on_begun(struct call *call)
{
    struct upload *upload = upload_of(call);

    if (call->store_call.err == OK)
        return;
    upload->bulk_pk = 0;
    discard(upload, call->store_call.err, &call->store_call.error);
}

/* The media type without its parameters. */
static bool
format_find(struct str content_type, enum bulk_format *ret)
{
    static const struct {
        const char *name;
        enum bulk_format format;
    } known[] = {
        {"application/x-ndjson", BULK_NDJSON},
        {"application/ndjson", BULK_NDJSON},
        {"application/jsonl", BULK_NDJSON},
        {"text/csv", BULK_CSV},
    };
    struct str type = str_trim(str_slice(content_type, 0, str_find(content_type, ';', 0)));

    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (str_equals_nocase(type, str_from(known[i].name))) {
            *ret = known[i].format;
            return true;
        }
    }
    return false;
}

static void
read_query(struct call *call, struct upload *upload)
{
    struct str on_error = call_query(call, STR("onError"));

    upload->target.notify = true;
    call_query_bool(call, STR("dryRun"), &upload->is_dry_run);
    call_query_bool(call, STR("notify"), &upload->target.notify);
    if (on_error.ptr == NULL || str_equals(on_error, STR("refuse")))
        return;
    if (str_equals(on_error, STR("skip")))
        upload->skips_bad_lines = true;
    else
        fault_add(&call->faults, STR("?onError"), "must be skip, or refuse (as without it)");
}

static void
start_upload(struct call *call, bool is_webinar)
{
    struct upload *upload;
    struct bulk_reader_events events = {on_line, on_bad_line, NULL};
    enum bulk_format format;

    if (!format_find(call->content_type_sent, &format)) {
        call_fail(call, 415, "send the lines as application/x-ndjson or text/csv");
        return;
    }
    upload = calloc(1, sizeof(*upload));
    if (upload == NULL) {
        call_fail(call, 503, "out of memory: try again in a second");
        return;
    }
    upload->call = call;
    upload->is_webinar = is_webinar;
    buf_init(&upload->piece, PIECE_BYTES_MAX);
    arena_init(&upload->batch_arena, BATCH_BYTES_MAX);
    arena_init(&upload->step_arena, REQUEST_ARENA_BYTES_MAX);
    arena_init(&upload->faults_arena, FAULTS_BYTES_MAX);
    faults_init(&upload->faults, &upload->faults_arena);
    call->prepared = upload;
    call->stream = &upload_stream;
    events.arg = upload;
    faults_init(&call->faults, &call->arena);
    read_query(call, upload);
    if (call->faults.count > 0) {
        call->store_call.err = call_refuse(call);
        call_finish(call);
    } else if (bulk_reader_new(format, &events, &upload->reader) != OK) {
        call_fail(call, 503, "out of memory: try again in a second");
    } else if (call_submit(call, run_begin, !upload->is_dry_run, on_begun) != OK) {
        fail_busy(upload);
    }
}

static void
upload_members(struct call *call)
{
    start_upload(call, false);
}

static void
upload_registrations(struct call *call)
{
    start_upload(call, true);
}

static const struct route routes[] = {
    {.method = "PUT",
        .path = "/api/v1/mangoes/{id}/attendees",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_STREAM,
        .query = "onError dryRun notify",
        .stream = upload_members},
    {.method = "PUT",
        .path = "/api/v1/webinars/{id}/attendees",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_STREAM,
        .query = "onError dryRun notify",
        .stream = upload_registrations},
};

const struct route_table api_bulk_routes = {routes, COUNT_OF(routes)};
