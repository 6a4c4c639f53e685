/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /events: what happened, and how far the news of it has come.
 */
#include "store/events.h"

#include "api/objects.h"
#include "domain/event_type.h"

/* Per second since the start; what is left takes as long as it did so far. */
static void
write_pace(struct json_writer *writer, const struct fanout_progress *progress, struct walltime now)
{
    struct walltime end = progress->finished.us != 0 ? progress->finished : now;
    int64_t took_us = end.us - progress->started.us;
    int64_t settled =
        progress->delivered + progress->dead + progress->skipped + progress->superseded;
    int64_t left = progress->total - settled;
    bool has_pace = progress->started.us != 0 && took_us > 0 && settled > 0;

    if (has_pace)
        json_field_int(writer, STR("rate"), settled * US_PER_S / took_us);
    else
        json_field_str(writer, STR("rate"), (struct str){NULL, 0});
    if (progress->finished.us != 0)
        json_field_int(writer, STR("secondsLeft"), 0);
    else if (has_pace)
        json_field_int(writer, STR("secondsLeft"),
            (int64_t)((double)left * (double)took_us / (double)settled / (double)US_PER_S) + 1);
    else
        json_field_str(writer, STR("secondsLeft"), (struct str){NULL, 0});
}

void
write_progress_fields(struct json_writer *writer, const struct fanout_progress *progress,
    struct walltime now)
{
    json_field_id(writer, STR("hook"), progress->hook_id);
    json_field_str(writer, STR("status"), progress->status);
    json_field_int(writer, STR("total"), progress->total);
    json_field_int(writer, STR("delivered"), progress->delivered);
    json_field_int(writer, STR("failing"), progress->failing);
    json_field_int(writer, STR("dead"), progress->dead);
    json_field_int(writer, STR("skipped"), progress->skipped);
    json_field_int(writer, STR("superseded"), progress->superseded);
    write_pace(writer, progress, now);
    json_field_time(writer, STR("startedAt"), progress->started);
    json_field_time(writer, STR("finishedAt"), progress->finished);
}

static enum err
write_event(struct call *call, struct engine *engine, struct json_writer *writer,
    const struct event_row *event)
{
    struct fanout_progress *progress;
    size_t count;
    enum err err = event_progress(engine, event->sequence, &call->arena, &progress, &count,
        &call->store_call.error);

    if (err != OK)
        return err;
    json_object_open(writer);
    json_field_id(writer, STR("id"), event->id);
    json_field_str(writer, STR("type"), event->type);
    json_field_str(writer, STR("reason"), str_from(event_reason_name(event->reason)));
    json_field_id(writer, STR("webinar"), event->webinar_id);
    if (event_type_find(event->type)->is_notice)
        json_field_id(writer, STR("about"), event->about);
    json_field_int(writer, STR("sequence"), event->sequence);
    json_field_time(writer, STR("createdAt"), event->created);
    json_name(writer, STR("hooks"));
    json_array_open(writer);
    for (size_t i = 0; i < count; i++) {
        json_object_open(writer);
        write_progress_fields(writer, &progress[i], call->now);
        json_object_close(writer);
    }
    json_array_close(writer);
    json_object_close(writer);
    return OK;
}

static enum err
list_events(struct call *call, struct engine *engine)
{
    struct event_row *events;
    struct json_writer writer;
    struct event_query query = {.account_pk = call->account_pk};
    struct page page;
    size_t count;
    size_t shown;
    enum err err;

    call_query_id(call, STR("webinar"), &query.webinar);
    call_query_time(call, STR("after"), &query.after);
    call_query_time(call, STR("before"), &query.until);
    query.type = call_query(call, STR("type"));
    if (query.type.ptr != NULL && event_type_find(query.type) == NULL)
        fault_add(&call->faults, STR("?type"), "is not an event that there is");
    if (call_page(call, &page) != OK || call->faults.count > 0)
        return call_refuse(call);
    query.before = page.before_pk;
    query.max = (size_t)page.limit + 1;
    events = arena_alloc_array(&call->arena, query.max, sizeof(*events));
    if (events == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for a list");
    err = events_list(engine, &query, events, &count, &call->store_call.error);
    if (err != OK)
        return err;
    shown = page_shown(&page, count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; err == OK && i < shown; i++)
        err = write_event(call, engine, &writer, &events[i]);
    page_close(call, &writer, count > shown, shown > 0 ? events[shown - 1].sequence : 0);
    return err;
}

static enum err
get_event(struct call *call, struct engine *engine)
{
    struct json_writer writer;
    struct event_row event;
    enum err err = path_event(call, engine, &event);

    if (err != OK)
        return err;
    writer = call_answer(call, 200);
    err = write_event(call, engine, &writer, &event);
    if (err == OK)
        call_etag_answer(call);
    return err;
}

static const struct route routes[] = {
    {"GET", "/api/v1/events", SCOPE_READ, .query = "webinar type after before limit cursor",
        .perform = list_events},
    {"GET", "/api/v1/events/{id}", SCOPE_READ, .perform = get_event},
};

const struct route_table api_event_routes = {routes, COUNT_OF(routes)};
