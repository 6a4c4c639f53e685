/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may send to the inbox, and who handles what came: as they are set up in this process now.
 */
#include "api/api.h"
#include "api/inbox.h"
#include "receive/counters.h"
#include "receive/setup_holder.h"

/* --- sources ---------------------------------------------------------------------------------- */

/* "token and address", one for each alternative; none where everybody may call. */
static void
write_proofs(struct json_writer *writer, const struct source *source)
{
    json_name(writer, STR("accept"));
    json_array_open(writer);
    for (size_t i = 0; i < source->alternative_count; i++) {
        CLEANUP(buf_done) struct buf text;

        buf_init(&text, 128);
        for (unsigned proof = PROOF_TOKEN; proof <= PROOF_ADDRESS; proof <<= 1) {
            if ((source->alternatives[i] & proof) != 0)
                buf_printf(&text, "%s%s", text.len > 0 ? " and " : "",
                    proof_name((enum proof)proof));
        }
        json_string(writer, buf_str(&text));
    }
    json_array_close(writer);
}

static int64_t
calls_of(struct source_counts *counts, enum call_result result)
{
    return atomic_load_explicit(&counts->calls[result], memory_order_relaxed);
}

/* Since the process began. */
static void
write_calls(struct json_writer *writer, struct source_counts *counts)
{
    json_name(writer, STR("calls"));
    json_object_open(writer);
    json_field_int(writer, STR("accepted"), calls_of(counts, CALL_ACCEPTED));
    json_field_int(writer, STR("duplicate"), calls_of(counts, CALL_DUPLICATE));
    json_field_int(writer, STR("stale"), calls_of(counts, CALL_STALE));
    json_field_int(writer, STR("challenged"), calls_of(counts, CALL_CHALLENGED));
    json_field_int(writer, STR("refused"), calls_of(counts, CALL_REFUSED));
    json_field_int(writer, STR("invalid"), calls_of(counts, CALL_INVALID));
    json_field_int(writer, STR("busy"), calls_of(counts, CALL_BUSY));
    json_field_int(writer, STR("limited"), calls_of(counts, CALL_LIMITED));
    json_object_close(writer);
}

static void
write_source(struct call *call, struct json_writer *writer, const struct source *source)
{
    const char *policy = source->has_policy ? duplicate_policy_name(source->policy) : NULL;

    json_object_open(writer);
    json_field_str(writer, STR("name"), source->name);
    json_field_str(writer, STR("path"),
        arena_printf(&call->arena, "/in/%.*s", STR_FMT(source->name)));
    json_field_str(writer, STR("event"), source->event);
    write_proofs(writer, source);
    json_field_str(writer, STR("duplicates"), str_from(policy));
    json_field_bool(writer, STR("observe"), source->is_observed);
    json_field_bool(writer, STR("quarantine"), source->is_quarantined);
    write_calls(writer, counters_source(source->name));
    json_object_close(writer);
}

static enum err
list_sources(struct call *call, struct engine *engine)
{
    CLEANUP(setup_dropp) struct setup *setup = NULL;
    struct json_writer writer;
    enum err err = inbox_account_check(call);

    (void)engine;
    if (err != OK)
        return err;
    setup = setup_holder_take(call->api->setups);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; setup != NULL && i < setup->source_count; i++)
        write_source(call, &writer, &setup->sources[i]);
    page_close(call, &writer, false, 0);
    return OK;
}

/* --- handlers --------------------------------------------------------------------------------- */

static const struct handler *
find_handler(const struct setup *setup, struct str name)
{
    for (size_t i = 0; setup != NULL && i < setup->handler_count; i++) {
        if (str_equals(setup->handlers[i].name, name))
            return &setup->handlers[i];
    }
    return NULL;
}

/* What it is set up to do; of one that is not, nothing is known but what it did. */
static void
write_setting(struct json_writer *writer, const struct handler *handler)
{
    json_field_str(writer, STR("type"), str_from(handler != NULL ? handler->kind->name : NULL));
    json_name(writer, STR("sources"));
    json_array_open(writer);
    for (size_t i = 0; handler != NULL && i < handler->source_count; i++)
        json_string(writer, handler->sources[i]);
    json_array_close(writer);
    json_name(writer, STR("events"));
    json_array_open(writer);
    for (size_t i = 0; handler != NULL && i < handler->event_count; i++)
        json_string(writer, handler->events[i]);
    json_array_close(writer);
}

static void
write_handler(struct json_writer *writer, const struct handler_state *state,
    const struct handler *handler)
{
    json_object_open(writer);
    json_field_str(writer, STR("name"), state->name);
    json_field_bool(writer, STR("configured"), state->is_configured);
    write_setting(writer, handler);
    json_field_int(writer, STR("behind"), state->behind);
    json_field_int(writer, STR("waiting"), state->waiting);
    json_field_int(writer, STR("dead"), state->dead);
    json_field_int(writer, STR("handled"), state->handled);
    json_field_int(writer, STR("failed"), state->failed);
    json_field_int(writer, STR("passedOver"), state->passed_over);
    json_object_close(writer);
}

static enum err
list_handlers(struct call *call, struct engine *engine)
{
    CLEANUP(setup_dropp) struct setup *setup = NULL;
    struct handler_state *states;
    struct json_writer writer;
    size_t count = 0;
    enum err err = inbox_account_check(call);

    if (err == OK)
        err = handlers_list(engine, &call->arena, &states, &count, &call->store_call.error);
    if (err != OK)
        return err;
    setup = setup_holder_take(call->api->setups);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < count; i++)
        write_handler(&writer, &states[i], find_handler(setup, states[i].name));
    page_close(call, &writer, false, 0);
    return OK;
}

static const struct route routes[] = {
    {.method = "GET",
        .path = "/api/v1/inbox/sources",
        .scope = SCOPE_INBOX,
        .perform = list_sources},
    {.method = "GET",
        .path = "/api/v1/inbox/handlers",
        .scope = SCOPE_INBOX,
        .perform = list_handlers},
};

const struct route_table api_inbox_setup_routes = {routes, COUNT_OF(routes)};
