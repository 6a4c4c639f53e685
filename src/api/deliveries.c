/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /deliveries: what became of each single one.
 */
#include "store/deliveries.h"

#include <string.h>

#include "api/objects.h"
#include "net/http_client.h"
#include "send/request.h"
#include "store/hooks.h"

/* A cursor is a fan-out and a position in it; audiences stay far below 2^31. */
#define POSITION_BITS 31
#define POSITION_END  ((INT64_C(1) << POSITION_BITS) - 1)

/* "delivered", an HTTP status that is not 2xx as "status", or why there was no whole answer. */
static const char *
result_name(unsigned result)
{
    if (result >= RECORD_FAILURE_BASE && result < RECORD_FAILURE_BASE + HTTP_FAILURES_COUNT)
        return http_failure_name((enum http_failure)(result - RECORD_FAILURE_BASE));
    return result >= 200 && result < 300 ? "delivered" : "status";
}

static void
write_result(struct json_writer *writer, unsigned result)
{
    if (result < 100) {
        json_name(writer, STR("status"));
        json_null(writer);
    } else {
        json_field_int(writer, STR("status"), result);
    }
    json_field_str(writer, STR("result"), str_from(result_name(result)));
}

static void
write_delivery_fields(struct json_writer *writer, const struct delivery *delivery)
{
    char text[DELIVERY_ID_TEXT_BYTES];
    bool was_sent = delivery->attempts > 0;

    json_field_str(writer, STR("id"), (struct str){text, delivery_id_format(&delivery->id, text)});
    json_field_id(writer, STR("event"), delivery->id.event);
    json_field_id(writer, STR("hook"), delivery->id.hook);
    json_field_id(writer, STR("attendee"), delivery->id.attendee);
    json_field_str(writer, STR("email"), delivery->email);
    json_field_int(writer, STR("sequence"), delivery->id.sequence);
    json_field_str(writer, STR("status"), str_from(delivery_status_name(delivery->status)));
    json_field_int(writer, STR("attemptCount"), delivery->attempts);
    json_field_str(writer, STR("lastResult"),
        was_sent ? str_from(result_name(delivery->result)) : (struct str){NULL, 0});
    json_field_time(writer, STR("lastAttemptAt"), was_sent ? delivery->last : (struct walltime){0});
    json_field_time(writer, STR("nextAttemptAt"), delivery->due);
}

/* --- the list --- */

static void
read_status(struct call *call, struct delivery_query *query)
{
    struct str text = call_query(call, STR("status"));

    if (text.ptr == NULL)
        return;
    for (int i = DELIVERY_PENDING; i <= DELIVERY_EXPIRED; i++) {
        if (str_equals(text, str_from(delivery_status_name((enum delivery_status)i)))) {
            query->has_status = true;
            query->status = (enum delivery_status)i;
            return;
        }
    }
    fault_add(&call->faults, query_pointer(&call->arena, STR("status")),
        "must be one of pending, waiting, delivered, dead, skipped, superseded, cancelled, "
        "expired");
}

/* ?email= names an attendee of the account; nobody by that address: nothing is found. */
static enum err
read_email(struct call *call, struct engine *engine, struct delivery_query *query, bool *ret_none)
{
    struct str text = call_query(call, STR("email"));
    struct attendee attendee;
    enum err err;

    if (text.ptr == NULL)
        return OK;
    err = attendee_find_email(engine, call->account_pk, text, &call->arena, &attendee,
        &call->store_call.error);
    if (err == OK)
        query->attendee = attendee.id;
    *ret_none = err == ERR_NOT_FOUND;
    return *ret_none ? OK : err;
}

static void
write_page(struct call *call, const struct delivery_query *query, const struct delivery_page *page)
{
    struct json_writer writer = call_answer(call, 200);
    int64_t pos = query->pos > POSITION_END ? POSITION_END : query->pos;

    page_open(&writer);
    for (size_t i = 0; i < page->count; i++) {
        json_object_open(&writer);
        write_delivery_fields(&writer, &page->found[i]);
        json_object_close(&writer);
    }
    page_close(call, &writer, page->has_more, query->fanout_pk << POSITION_BITS | pos);
}

static enum err
list_deliveries(struct call *call, struct engine *engine)
{
    struct delivery_query query = {.account_pk = call->account_pk};
    struct delivery_page found = {0};
    struct page page = {0};
    bool is_none = false;
    enum err err;

    call_query_id(call, STR("hook"), &query.hook);
    call_query_id(call, STR("event"), &query.event);
    call_query_id(call, STR("attendee"), &query.attendee);
    call_query_time(call, STR("after"), &query.after);
    call_query_time(call, STR("before"), &query.before);
    read_status(call, &query);
    if (call_page(call, &page) != OK || call->faults.count > 0)
        return call_refuse(call);
    err = read_email(call, engine, &query, &is_none);
    if (err != OK)
        return err;

    query.fanout_pk = page.before_pk >> POSITION_BITS;
    query.pos = page.before_pk & POSITION_END;
    if (query.pos == POSITION_END)
        query.pos = INT64_MAX;
    found.max = (size_t)page.limit;
    found.found = arena_alloc_array(&call->arena, found.max, sizeof(*found.found));
    if (found.found == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for a list");
    if (!is_none)
        err = deliveries_list(engine, &query, &call->arena, &found, &call->store_call.error);
    if (err == OK)
        write_page(call, &query, &found);
    return err;
}

/* --- one --- */

static void
write_attempts(struct arena *arena, struct json_writer *writer, const struct delivery_found *found)
{
    json_name(writer, STR("attempts"));
    json_array_open(writer);
    for (size_t i = 0; i < found->attempt_count; i++) {
        const struct delivery_attempt *attempt = &found->attempts[i];

        json_object_open(writer);
        json_field_int(writer, STR("attempt"), attempt->attempt);
        json_field_time(writer, STR("at"), attempt->at);
        write_result(writer, attempt->result);
        json_field_int(writer, STR("latencyMs"), attempt->latency_ms);
        json_field_str(writer, STR("detail"), safe_text(arena, attempt->detail));
        json_field_str(writer, STR("answer"), safe_text(arena, attempt->answer));
        json_object_close(writer);
    }
    json_array_close(writer);
}

static enum err
render_body(struct call *call, struct json_writer *writer, const struct lane_member *member,
    enum phone_format phone_format, struct str snapshot)
{
    CLEANUP(buf_done) struct buf body;

    buf_init(&body, CALL_ANSWER_BYTES_MAX);
    request_body(member, phone_format, snapshot, &body);
    json_raw(writer, buf_str(&body));
    if (buf_is_full(&body))
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for a body");
    return OK;
}

/* The body as it would be sent now, from the event's snapshot and the attendee's present row; null
 * for somebody who would be passed over, and where the hook was deleted. */
static enum err
write_body(struct call *call, struct engine *engine, struct json_writer *writer,
    const struct delivery_found *found)
{
    struct lane_member member;
    uint8_t todo = 1;
    struct hook hook;
    const struct chunk_members_args args = {
        .fanout = &found->fanout,
        .hook_pk = found->hook_pk,
        .base = found->pos,
        .count = 1,
        .todo = &todo,
        .zones = call->api->zones,
        .arena = &call->arena,
        .ret_members = &member,
    };
    enum err err = chunk_members(engine, &args, &call->store_call.error);

    if (err == OK)
        err = hook_get_pk(engine, found->hook_pk, &call->arena, &hook, &call->store_call.error);
    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    json_name(writer, STR("body"));
    if (err == OK && member.fate == MEMBER_DUE)
        return render_body(call, writer, &member, hook.phone_format, found->fanout.snapshot);
    json_null(writer);
    return OK;
}

enum err
answer_delivery(struct call *call, struct engine *engine, int status,
    const struct delivery_found *found)
{
    struct json_writer writer = call_answer(call, status);
    enum err err;

    json_object_open(&writer);
    write_delivery_fields(&writer, &found->delivery);
    write_attempts(&call->arena, &writer, found);
    err = write_body(call, engine, &writer, found);
    json_object_close(&writer);
    if (err == OK)
        call_etag_answer(call);
    return err;
}

static enum err
get_delivery(struct call *call, struct engine *engine)
{
    struct delivery_found found;
    enum err err = path_delivery(call, engine, &found);

    if (err != OK)
        return err;
    err = answer_delivery(call, engine, 200, &found);
    audience_done(&found.fanout.audience);
    return err;
}

static const struct route routes[] = {
    {"GET", "/api/v1/deliveries", SCOPE_READ,
        .query = "hook event attendee email status after before limit cursor",
        .perform = list_deliveries},
    {"GET", "/api/v1/deliveries/{id}", SCOPE_READ, .perform = get_delivery},
};

const struct route_table api_delivery_routes = {routes, COUNT_OF(routes)};
