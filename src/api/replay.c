/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending again: what a hook has missed, one delivery, one event.
 */
#include "store/replay.h"

#include "api/api.h"
#include "api/objects.h"
#include "base/check.h"
#include "store/hooks.h"

#define HOOKS "/api/v1/integration/webhook/webhook"

/* A time with a fraction and an offset, and room for a mistake. */
#define SINCE_BYTES_MAX 64

/* What a hook's row takes at its longest, sealed and opened. */
#define STEP_BYTES_MAX (4 * 1024 * 1024)

/* --- what a hook has missed --- */

/* The recovery as of the last step that was committed, and of the one under way: by the parity of
 * call->step (http/call.h). */
struct recover_state {
    struct recovery steps[2];
};

/* How far back there is anything to be had. The limit moves on while its reader reads, so what is
 * named is an hour later. */
static void
check_since(struct call *call, struct field_reader *reader, struct walltime since)
{
    int64_t kept_us = call->api->retain_events_us;
    char first[WALLTIME_TEXT_BYTES];

    if (since.us > call->now.us) {
        field_fault(reader, STR("since"), "lies in the future");
        return;
    }
    if (kept_us == 0 || since.us >= call->now.us - kept_us)
        return;
    walltime_format((struct walltime){call->now.us - kept_us + 3600 * US_PER_S}, first);
    field_fault(reader, STR("since"),
        "lies before what is still kept: events are, for %lld days, so take %s or later",
        (long long)(kept_us / US_PER_DAY), first);
}

static enum err
read_since(struct call *call, struct walltime *ret)
{
    struct field_reader reader;
    struct str text = {NULL, 0};
    struct walltime since = {0};

    field_reader_start(&reader, call->body, &call->faults);
    if (field_text(&reader, STR("since"), SINCE_BYTES_MAX, &text)) {
        if (walltime_parse(text, &since) == OK)
            check_since(call, &reader, since);
        else
            field_fault(&reader, STR("since"), "must be a time such as 2024-03-15T10:00:00Z");
    }
    field_require(&reader, STR("since"), text);
    field_reader_end(&reader);
    if (call->faults.count > 0)
        return call_refuse(call);
    *ret = since;
    return OK;
}

static enum err
recover_start(struct call *call, const struct hook *hook)
{
    struct recover_state *state = call->prepared;
    struct recovery recovery = {.now = call->now};
    enum err err = call_if_match(call, hook->updated);

    if (err == OK)
        err = read_since(call, &recovery.since);
    if (err != OK)
        return err;
    if (state == NULL)
        state = ARENA_NEW(&call->arena, struct recover_state);
    if (state == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for a recovery");
    *state = (struct recover_state){.steps = {recovery}};
    call->prepared = state;
    return OK;
}

static void
answer_recovered(struct call *call, const struct recovery *recovery)
{
    struct json_writer writer = call_answer(call, 200);

    json_object_open(&writer);
    json_field_int(&writer, STR("events"), recovery->events);
    json_field_int(&writer, STR("deliveries"), recovery->deliveries);
    json_object_close(&writer);
}

static enum err
recover_step(struct call *call, struct engine *engine, const struct hook *hook)
{
    struct recover_state *state = call->prepared;
    struct recovery recovery = state->steps[call->step % 2];
    enum err err;

    if (hook->status != HOOK_ENABLED)
        return call_problem(call, 409, "the hook is disabled: enable it first, then recover");
    err = hook_recover_step(engine, hook, &recovery, &call->store_call.error);
    if (err != OK)
        return err;
    state->steps[(call->step + 1) % 2] = recovery;
    if (recovery.is_over)
        answer_recovered(call, &recovery);
    else
        call_again(call);
    /* Once is enough: the lane is told at the end, or when a later step fails. */
    if (call->wake_count == 0 && recovery.events + recovery.deliveries > 0)
        call_wake(call, &hook->pk, 1);
    return OK;
}

static enum err
recover_hook(struct call *call, struct engine *engine)
{
    CLEANUP(arena_done) struct arena arena; /* of a step: there may be thousands */
    struct hook hook = {0};
    enum err err;

    arena_init(&arena, STEP_BYTES_MAX);
    err = path_hook(call, engine, &arena, &hook);
    if (err == OK && call->step == 0)
        err = recover_start(call, &hook);
    return err == OK ? recover_step(call, engine, &hook) : err;
}

/* --- one delivery --- */

static enum err
refuse_delivery_of(struct call *call, struct engine *engine, int64_t hook_pk)
{
    struct hook hook;
    enum err err = hook_get_pk(engine, hook_pk, &call->arena, &hook, &call->store_call.error);

    if (err == ERR_NOT_FOUND)
        return call_problem(call, 409, "the delivery's hook was deleted: nothing is sent to it");
    if (err == OK && hook.status != HOOK_ENABLED)
        return call_problem(call, 409, "the delivery's hook is disabled: enable it first");
    return err;
}

static enum err
retry_delivery(struct call *call, struct engine *engine)
{
    struct delivery_found found;
    struct delivery_id id;
    bool changed = false;
    enum err err = path_delivery(call, engine, &found);

    if (err != OK)
        return err;
    id = found.delivery.id;
    err = refuse_delivery_of(call, engine, found.hook_pk);
    if (err == OK)
        err = delivery_retry(engine, &found, call->now, &changed, &call->store_call.error);
    audience_done(&found.fanout.audience);
    if (err == OK)
        err = delivery_get(engine, call->account_pk, &id, &call->arena, &found,
            &call->store_call.error);
    if (err != OK)
        return err;
    err = answer_delivery(call, engine, 202, &found);
    audience_done(&found.fanout.audience);
    if (err == OK && changed)
        call_wake(call, &found.hook_pk, 1);
    return err;
}

/* --- one event --- */

struct replay_wish {
    struct id hook; /* zero: all that were told of it */
    bool is_fresh;
};

/* The hooks that are to be told again. */
struct replay_hooks {
    struct id *ids;
    int64_t *pks;
    size_t count;
};

static enum err
read_replay(struct call *call, struct replay_wish *ret)
{
    struct replay_wish wish = {.is_fresh = false};
    struct field_reader reader;

    if (call->body != NULL) {
        field_reader_start(&reader, call->body, &call->faults);
        (void)field_id(&reader, STR("hook"), &wish.hook);
        (void)field_bool(&reader, STR("fresh"), &wish.is_fresh);
        field_reader_end(&reader);
    }
    if (call->faults.count > 0)
        return call_refuse(call);
    *ret = wish;
    return OK;
}

static bool
wants_event(const struct hook *hook, const struct event_row *event)
{
    return str_equals(hook->event, event->type) &&
           (id_is_zero(hook->webinar_id) || id_equals(hook->webinar_id, event->webinar_id));
}

/* ERR_CONFLICT: nobody of the event's audience is this hook's business, or the webinar is gone. */
static enum err
replay_to(struct call *call, struct engine *engine, const struct event_row *event,
    const struct replay_wish *wish, const struct hook *hook, struct replay_hooks *inout)
{
    enum err err = OK;

    if (!wish->is_fresh)
        err = event_replay(engine, event, hook, call->now, &call->store_call.error);
    if (err == OK) {
        inout->ids[inout->count] = hook->id;
        inout->pks[inout->count++] = hook->pk;
    }
    return err;
}

static enum err
make_room(struct call *call, size_t count, struct replay_hooks *ret)
{
    ret->ids = arena_alloc_array(&call->arena, count, sizeof(*ret->ids));
    ret->pks = arena_alloc_array(&call->arena, count, sizeof(*ret->pks));
    ret->count = 0;
    if (ret->ids == NULL || ret->pks == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for an event's hooks");
    return OK;
}

static enum err
refuse_hook(struct call *call, const char *detail)
{
    fault_add(&call->faults, STR("/hook"), "%s", detail);
    return call_refuse(call);
}

/* To the one that is named, also if it was never told of the event. */
static enum err
replay_to_named(struct call *call, struct engine *engine, const struct event_row *event,
    const struct replay_wish *wish, struct replay_hooks *ret)
{
    struct hook hook;
    enum err err = hook_get(engine, call->account_pk, wish->hook, &call->arena, &hook,
        &call->store_call.error);

    if (err == ERR_NOT_FOUND)
        return refuse_hook(call, "there is no such hook");
    if (err != OK)
        return err;
    if (!str_equals(hook.event, event->type))
        return refuse_hook(call, "is for another type of event than this one");
    if (!wants_event(&hook, event))
        return refuse_hook(call, "asks for another webinar than this event's");
    if (hook.status != HOOK_ENABLED)
        return call_problem(call, 409, "the hook is disabled: enable it first");
    err = make_room(call, 1, ret);
    return err == OK ? replay_to(call, engine, event, wish, &hook, ret) : err;
}

/* To each that was told and still is to be. One that the event is no business of any more is left
 * out; if all are, what was wrong with the last is told. */
static enum err
replay_to_all(struct call *call, struct engine *engine, const struct event_row *event,
    const struct replay_wish *wish, struct replay_hooks *ret)
{
    CLEANUP(arena_done) struct arena arena; /* of a hook: there may be many */
    struct error *error = &call->store_call.error;
    struct fanout_progress *told;
    size_t told_count = 0;
    enum err err = event_progress(engine, event->sequence, &call->arena, &told, &told_count, error);

    arena_init(&arena, STEP_BYTES_MAX);
    if (err == OK)
        err = make_room(call, told_count + 1, ret);
    for (size_t i = 0; err == OK && i < told_count; i++) {
        struct hook hook;

        arena_reset(&arena);
        err = hook_get(engine, call->account_pk, told[i].hook_id, &arena, &hook, error);
        if (err == OK && hook.status == HOOK_ENABLED && wants_event(&hook, event))
            err = replay_to(call, engine, event, wish, &hook, ret);
        if (err == ERR_NOT_FOUND || err == ERR_CONFLICT)
            err = OK;
    }
    if (err != OK || ret->count > 0)
        return err;
    if (error->code == ERR_CONFLICT)
        return ERR_CONFLICT;
    return call_problem(call, 409,
        "no hook that is enabled was told of this event: name one as \"hook\"");
}

static void
answer_replayed(struct call *call, struct id event, const struct replay_wish *wish,
    const struct replay_hooks *hooks)
{
    struct json_writer writer = call_answer(call, 202);

    json_object_open(&writer);
    json_field_id(&writer, STR("event"), event);
    json_name(&writer, STR("hooks"));
    json_array_open(&writer);
    for (size_t i = 0; i < hooks->count; i++)
        json_id(&writer, hooks->ids[i]);
    json_array_close(&writer);
    json_field_bool(&writer, STR("fresh"), wish->is_fresh);
    json_object_close(&writer);
}

/* A new event for these hooks; they become those that it goes to. */
static enum err
replay_fresh(struct call *call, struct engine *engine, const struct event_row *event,
    struct replay_hooks *inout, struct id *ret_event)
{
    const struct fresh_replay fresh = {
        .event = event,
        .account_pk = call->account_pk,
        .id = id_make(call->api->ids, call->now),
        .hook_pks = inout->pks,
        .hook_count = inout->count,
        .now = call->now,
    };
    struct error *error = &call->store_call.error;
    struct fanout_progress *told;
    int64_t sequence = 0;
    size_t count = 0;
    enum err err = event_replay_fresh(engine, &fresh, &sequence, error);

    if (err == OK)
        err = event_progress(engine, sequence, &call->arena, &told, &count, error);
    if (err != OK)
        return err;
    CHECK(count <= inout->count);
    for (size_t i = 0; i < count; i++)
        inout->ids[i] = told[i].hook_id;
    inout->count = count;
    *ret_event = fresh.id;
    return OK;
}

static enum err
replay_event(struct call *call, struct engine *engine)
{
    struct replay_hooks hooks = {0};
    struct replay_wish wish = {.is_fresh = false};
    struct event_row event;
    struct id id;
    enum err err = path_event(call, engine, &event);

    if (err == OK)
        err = read_replay(call, &wish);
    if (err != OK)
        return err;
    err = id_is_zero(wish.hook) ? replay_to_all(call, engine, &event, &wish, &hooks)
                                : replay_to_named(call, engine, &event, &wish, &hooks);
    if (err != OK)
        return err;
    call_wake(call, hooks.pks, hooks.count);
    id = event.id;
    if (wish.is_fresh)
        err = replay_fresh(call, engine, &event, &hooks, &id);
    if (err == OK)
        answer_replayed(call, id, &wish, &hooks);
    return err;
}

static const struct route routes[] = {
    {.method = "POST",
        .path = HOOKS "/{id}/recover",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = recover_hook},
    {.method = "POST",
        .path = "/api/v1/deliveries/{id}/retry",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = retry_delivery},
    {.method = "POST",
        .path = "/api/v1/events/{id}/replay",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_OPTIONAL_JSON,
        .perform = replay_event},
};

const struct route_table api_replay_routes = {routes, COUNT_OF(routes)};
