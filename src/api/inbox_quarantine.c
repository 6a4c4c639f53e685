/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused calls: looked at, let in after the configuration was mended, or thrown away.
 */
#include "api/inbox.h"
#include "api/objects.h"
#include "receive/release.h"
#include "receive/setup_holder.h"

#define QUARANTINE "/api/v1/inbox/quarantine"

/* --- look ------------------------------------------------------------------------------------- */

static enum err
list_refused(struct call *call, struct engine *engine)
{
    struct quarantine_query query = {.source = call_query(call, STR("source"))};
    struct quarantined *calls;
    struct json_writer writer;
    struct page page;
    size_t count = 0;
    size_t shown;
    enum err err = inbox_account_check(call);

    if (err != OK)
        return err;
    if (call_page(call, &page) != OK)
        return call_refuse(call);
    query.before_pk = page.before_pk;
    query.limit = (size_t)page.limit + 1;
    err = quarantine_list(engine, &query, &call->arena, &calls, &count, &call->store_call.error);
    if (err != OK)
        return err;
    shown = page_shown(&page, count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < shown; i++) {
        json_object_open(&writer);
        write_refused_fields(&writer, &calls[i]);
        json_object_close(&writer);
    }
    page_close(call, &writer, count > shown, shown > 0 ? calls[shown - 1].quarantine_pk : 0);
    return OK;
}

static enum err
show_refused(struct call *call, struct engine *engine)
{
    CLEANUP(setup_dropp) struct setup *setup = NULL;
    CLEANUP(arena_done) struct arena arena;
    struct quarantined refused;
    struct json_writer writer;
    int64_t pk = 0;
    enum err err = inbox_account_check(call);

    arena_init(&arena, INBOX_ARENA_BYTES_MAX);
    if (err == OK && refused_id_parse(call->params[0], &pk) != OK)
        err = ERR_NOT_FOUND;
    if (err == OK)
        err = quarantine_get(engine, pk, &arena, &refused, &call->store_call.error);
    if (err != OK)
        return err;
    setup = setup_holder_take(call->api->setups);
    writer = call_answer(call, 200);
    err = write_refused(&writer, &arena, setup, &refused);
    if (err != OK)
        return error_set(&call->store_call.error, err, "out of memory for a refused call");
    return OK;
}

/* --- release ---------------------------------------------------------------------------------- */

/* By the parity of call->step (http/call.h). */
struct release_state {
    struct release_choice choice;

    struct {
        int64_t from_pk;
        struct release_tally tally;
    } at[2];
};

static enum err
release_start(struct call *call)
{
    struct release_state *state = ARENA_NEW(&call->arena, struct release_state);
    struct str id = {NULL, 0};
    struct field_reader reader;

    if (state == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory");
    if (call->body != NULL) {
        field_reader_start(&reader, call->body, &call->faults);
        (void)field_text(&reader, STR("source"), SOURCE_NAME_BYTES_MAX, &state->choice.source);
        if (field_text(&reader, STR("id"), ITEM_ID_BYTES - 1, &id) &&
            (refused_id_parse(id, &state->choice.only_pk) != OK || state->choice.only_pk == 0))
            field_fault(&reader, STR("id"), "is not the id of a refused call, re_0123456789abcdef");
        if (id.ptr != NULL && state->choice.source.ptr != NULL)
            field_fault(&reader, STR("source"), "does not go with id: take one of them");
        field_reader_end(&reader);
    }
    if (call->faults.count > 0)
        return call_refuse(call);
    call->prepared = state;
    return OK;
}

/* A name that nobody is set up by would let nothing in, whatever else is done. */
static enum err
check_source(struct call *call, const struct setup *setup, struct str source)
{
    if (source.ptr == NULL || setup_find_source(setup, source) != NULL)
        return OK;
    fault_add(&call->faults, STR("/source"), "there is no source \"%.*s\"", STR_FMT(source));
    return call_refuse(call);
}

static enum err
release_refused(struct call *call, struct engine *engine)
{
    CLEANUP(setup_dropp) struct setup *setup = setup_holder_take(call->api->setups);
    struct release_state *state;
    struct release_tally tally;
    struct json_writer writer;
    enum err err = inbox_account_check(call);
    int64_t from_pk;

    if (err == OK && setup == NULL)
        err = call_problem(call, 409,
            "this process receives nothing, so it cannot judge: ask the one that does");
    if (err == OK && call->step == 0)
        err = release_start(call);
    if (err != OK)
        return err;
    state = call->prepared;
    from_pk = state->at[call->step % 2].from_pk;
    tally = state->at[call->step % 2].tally;
    err = check_source(call, setup, state->choice.source);
    if (err == OK)
        err =
            release_step(engine, setup, &state->choice, &from_pk, &tally, &call->store_call.error);
    if (err != OK)
        return err;
    state->at[(call->step + 1) % 2].from_pk = from_pk;
    state->at[(call->step + 1) % 2].tally = tally;
    if (from_pk != INT64_MAX)
        call_again(call);
    if (tally.released > 0)
        call_wake_handlers(call);
    writer = call_answer(call, 200);
    json_object_open(&writer);
    json_field_int(&writer, STR("released"), tally.released);
    json_field_int(&writer, STR("duplicates"), tally.duplicates);
    json_field_int(&writer, STR("stillRefused"), tally.still_refused);
    json_object_close(&writer);
    return OK;
}

/* --- throw away ------------------------------------------------------------------------------- */

static enum err
clear_refused(struct call *call, struct engine *engine)
{
    struct json_writer writer;
    int64_t count = 0;
    enum err err = inbox_account_check(call);

    if (err == OK)
        err = quarantine_clear(engine, call_query(call, STR("source")), &count,
            &call->store_call.error);
    if (err != OK)
        return err;
    writer = call_answer(call, 200);
    json_object_open(&writer);
    json_field_int(&writer, STR("erased"), count);
    json_object_close(&writer);
    return OK;
}

static const struct route routes[] = {
    {.method = "GET",
        .path = QUARANTINE,
        .scope = SCOPE_INBOX,
        .query = "limit cursor source",
        .perform = list_refused},
    {.method = "DELETE",
        .path = QUARANTINE,
        .scope = SCOPE_INBOX,
        .writes = true,
        .query = "source",
        .perform = clear_refused},
    {.method = "POST",
        .path = QUARANTINE "/release",
        .scope = SCOPE_INBOX,
        .writes = true,
        .body = BODY_OPTIONAL_JSON,
        .perform = release_refused},
    {.method = "GET", .path = QUARANTINE "/{id}", .scope = SCOPE_INBOX, .perform = show_refused},
};

const struct route_table api_quarantine_routes = {routes, COUNT_OF(routes)};
