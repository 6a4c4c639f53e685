/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a test does to the store of its world: transactions, and news that the lanes then hear of.
 */
#include "store/audience.h"
#include "store/events.h"
#include "store/hooks.h"
#include "store/lanes.h"
#include "support/sending.h"

/* The number of the first member's id. */
#define FIRST_MEMBER 10000

static enum err
act_run(struct store_call *call, struct engine *engine)
{
    struct act *act = CONTAINER_OF(call, struct act, call);

    return act->fn(act, engine);
}

int64_t
perform(struct world *world, enum err (*fn)(struct act *act, struct engine *engine), int64_t n)
{
    struct act act = {.call = {.run = act_run, .writes = true}, .world = world, .fn = fn, .n = n};

    arena_init(&act.arena, 1 << 20);
    if (store_run(world->store, &act.call) != OK)
        fail_msg("%s", act.call.error.text);
    arena_done(&act.arena);
    return act.pk;
}

enum err
make_hook(struct act *act, struct engine *engine)
{
    struct hook hook = hook_defaults();
    struct id account = numbered(1);
    enum err err = engine_run(engine, &act->call.error,
        "INSERT INTO account (account_pk, id, name, created_us) VALUES (1, ?1, 'a', 0)"
        " ON CONFLICT DO NOTHING",
        v_id(&account));

    hook.account_pk = 1;
    hook.id = numbered(act->n);
    hook.url = STR("https://example.com/hook");
    hook.event = str_from(act->world->event);
    if (hook.event.ptr == NULL)
        hook.event = STR(EVENT_WEBINAR_CREATED_SINGLE);
    hook.secret = STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    hook.max_in_flight = act->world->max_in_flight;
    hook.rate_limit = act->world->rate_limit;
    hook.status = HOOK_ENABLED;
    if (err == OK)
        err = hook_insert(engine, &hook, &act->arena, &act->pk, &act->call.error);
    return err;
}

enum err
make_members(struct act *act, struct engine *engine)
{
    enum err err =
        act->world->group != 0 ? OK : group_create(engine, 1, &act->world->group, &act->call.error);

    for (int64_t i = 0; err == OK && i < act->n; i++) {
        struct id id = numbered(FIRST_MEMBER + act->world->next_id++);
        char email[ID_TEXT_BYTES];
        int64_t ord;
        bool added;

        id_format(id, email);
        err = engine_run(engine, &act->call.error,
            "INSERT INTO attendee (account_pk, id, name, email, email_key, created_us,"
            " updated_us) VALUES (1, ?1, 'name', ?2, ?2, 0, 0)",
            v_id(&id), v_text(str_from(email)));
        if (err == OK)
            err = member_add(engine, act->world->group, engine_last_pk(engine), &ord, &added,
                &act->call.error);
    }
    return err;
}

size_t
member_of(const struct http_exchange *exchange)
{
    struct id attendee = delivery_of(exchange).attendee;

    return (size_t)attendee.bytes[10] * 256 + attendee.bytes[11] - FIRST_MEMBER;
}

enum err
tell(struct act *act, struct engine *engine)
{
    struct world *world = act->world;
    struct audience audience;
    struct event_receipt receipt = {0};
    enum err err;

    audience_init(&audience);
    if (world->told > 0)
        err = audience_add(&audience, world->group, 0, world->told, false);
    else
        err = group_ranges(engine, world->group, false, &audience, &act->call.error);
    const struct event_draft draft = {
        .id = numbered(500000 + world->next_id++),
        .account_pk = 1,
        .type = STR(EVENT_WEBINAR_CREATED_SINGLE),
        .reason = EVENT_UPDATED,
        .webinar_pk = act->n,
        .webinar_id = numbered(act->n),
        .starts = world->clock.walltime_now,
        .snapshot = STR(",\"callList\":[],\"mangoes\":\"\"}"),
        .audience = &audience,
        .now = world->clock.walltime_now,
    };
    if (err == OK)
        err = event_append(engine, &draft, &act->arena, &receipt, &act->call.error);
    audience_done(&audience);
    act->pk = receipt.sequence;
    return err;
}

enum err
count_open(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT count(*) FROM fanout WHERE status = 'sending' AND fanout_pk > ?1", v_int(0));
}

enum err
count_chunks(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT count(*) FROM chunk WHERE hook_pk > ?1", v_int(0));
}

enum err
count_delivered(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT sum(delivered) FROM fanout WHERE fanout_pk > ?1", v_int(0));
}

enum err
enable(struct act *act, struct engine *engine)
{
    return engine_run(engine, &act->call.error,
        "UPDATE hook SET status = 'enabled' WHERE hook_pk = ?1", v_int(act->n));
}

enum err
disable(struct act *act, struct engine *engine)
{
    return engine_run(engine, &act->call.error,
        "UPDATE hook SET status = 'disabled' WHERE hook_pk = ?1", v_int(act->n));
}

enum err
is_disabled(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT status = 'disabled' FROM hook WHERE hook_pk = ?1", v_int(act->n));
}

enum err
recover(struct act *act, struct engine *engine)
{
    return lanes_recover(engine, &act->pk, &act->call.error);
}

void
assert_settled(struct world *world, int64_t delivered)
{
    assert_int_equal(perform(world, count_delivered, 0), delivered);
    assert_int_equal(perform(world, count_open, 0), 0);
    assert_int_equal(perform(world, count_chunks, 0), 0);
}

struct statement {
    struct store_call call;
    const char *sql;
    int64_t number;
};

static enum err
statement_run(struct store_call *call, struct engine *engine)
{
    struct statement *statement = CONTAINER_OF(call, struct statement, call);

    return engine_exec(engine, statement->sql, &call->error);
}

static enum err
number_run(struct store_call *call, struct engine *engine)
{
    struct statement *statement = CONTAINER_OF(call, struct statement, call);

    return engine_get_int_values(engine, statement->sql, NULL, 0, &statement->number, &call->error);
}

int64_t
number(struct world *world, const char *sql)
{
    struct statement statement = {.call = {.run = number_run, .writes = true}, .sql = sql};

    if (store_run(world->store, &statement.call) != OK)
        fail_msg("%s", statement.call.error.text);
    return statement.number;
}

void
execute(struct world *world, const char *sql)
{
    struct statement statement = {.call = {.run = statement_run, .writes = true}, .sql = sql};

    if (store_run(world->store, &statement.call) != OK)
        fail_msg("%s", statement.call.error.text);
}

void
wake(struct world *world, int64_t hook)
{
    wake_hooks(world, &hook, 1);
}

void
wake_hooks(struct world *world, const int64_t *hooks, size_t count)
{
    dispatch_wake(world->set, hooks, count);
    pump(world);
}

int64_t
tell_hook(struct world *world, int64_t hook, int64_t webinar)
{
    int64_t sequence = perform(world, tell, webinar);

    wake(world, hook);
    return sequence;
}

int64_t
make_audience(struct world *world, int64_t members)
{
    int64_t hook = perform(world, make_hook, 1);

    perform(world, make_members, members);
    return hook;
}

int64_t
make_told(struct world *world, int64_t members)
{
    int64_t hook = make_audience(world, members);

    tell_hook(world, hook, 77);
    return hook;
}

int64_t
tell_only(struct world *world, int64_t hook, int64_t webinar)
{
    int64_t sequence;

    execute(world, "CREATE TEMP TABLE awake AS SELECT hook_pk FROM hook WHERE status = 'enabled'");
    execute(world, "UPDATE hook SET status = 'disabled'");
    perform(world, enable, hook);
    sequence = perform(world, tell, webinar);
    execute(world,
        "UPDATE hook SET status = 'enabled' WHERE hook_pk IN (SELECT hook_pk FROM awake)");
    execute(world, "DROP TABLE awake");
    wake(world, hook);
    return sequence;
}

void
perform_change(struct world *world, enum err (*fn)(struct act *act, struct engine *engine),
    int64_t hook)
{
    perform(world, fn, hook);
    tell_change(world, hook);
}
