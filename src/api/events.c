/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /events: what happened, and how far the news of it has come.
 */
#include "store/events.h"

#include "api/api.h"
#include "http/call.h"

#define PAGE_ROWS_MAX 250

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

static void
write_progress(struct json_writer *writer, const struct fanout_progress *progress,
    struct walltime now)
{
    json_object_open(writer);
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
    json_object_close(writer);
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
    json_field_str(writer, STR("type"), STR(EVENT_WEBINAR_CREATED_SINGLE));
    json_field_str(writer, STR("reason"), str_from(event_reason_name(event->reason)));
    json_field_id(writer, STR("webinar"), event->webinar_id);
    json_field_int(writer, STR("sequence"), event->sequence);
    json_field_time(writer, STR("createdAt"), event->created);
    json_name(writer, STR("hooks"));
    json_array_open(writer);
    for (size_t i = 0; i < count; i++)
        write_progress(writer, &progress[i], call->now);
    json_array_close(writer);
    json_object_close(writer);
    return OK;
}

static enum err
list_events(struct call *call, struct engine *engine)
{
    struct event_row events[PAGE_ROWS_MAX + 1];
    struct json_writer writer;
    struct event_query query = {.account_pk = call->account_pk};
    struct page page;
    size_t count;
    size_t shown;
    enum err err;

    call_query_id(call, STR("webinar"), &query.webinar);
    if (call_page(call, &page) != OK || call->faults.count > 0)
        return call_refuse(call);
    query.before = page.before_pk;
    query.max = (size_t)page.limit + 1;
    err = events_list(engine, &query, events, &count, &call->store_call.error);
    if (err != OK)
        return err;
    shown = count > (size_t)page.limit ? (size_t)page.limit : count;
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
    struct id id;
    enum err err = call_id(call, 0, &id);

    if (err == OK)
        err = event_get(engine, call->account_pk, id, &event, &call->store_call.error);
    if (err != OK)
        return err;
    writer = call_answer(call, 200);
    return write_event(call, engine, &writer, &event);
}

static const struct route routes[] = {
    {"GET", "/api/v1/events", SCOPE_READ, .query = "webinar limit cursor", .perform = list_events},
    {"GET", "/api/v1/events/{id}", SCOPE_READ, .perform = get_event},
};

const struct route_table api_event_routes = {routes, COUNT_OF(routes)};
