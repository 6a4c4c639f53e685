/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "domain/delivery_id.h"
#include "store/audience.h"
#include "store/events.h"
#include "store/hooks.h"
#include "store/lanes.h"
#include "store/replay.h"
#include "torture/scene_inside.h"

/* However long a fault lasts, it is over by then. */
#define TRIES_MAX 200

#define ACCOUNT      1
#define ATTENDEE_IDS 10000
#define EVENT_IDS    500000

int64_t
webinar_of(size_t event)
{
    static const int64_t webinars[SCENE_EVENTS] = {77, 77, 78, 78, 77};

    return webinars[event];
}

struct id
event_id(size_t event)
{
    return numbered(EVENT_IDS + (int64_t)event);
}

/* --- asking --- */

static enum err
act_run(struct store_call *call, struct engine *engine)
{
    struct act *act = CONTAINER_OF(call, struct act, call);

    arena_reset(&act->arena);
    return act->fn(act, engine);
}

enum err
ask_once(struct scene *scene, enum err (*fn)(struct act *act, struct engine *engine), int64_t n,
    int64_t *ret_pk)
{
    struct act act = {
        .call = {.run = act_run, .writes = true},
        .world = &scene->world,
        .fn = fn,
        .n = n,
    };
    enum err err;

    arena_init(&act.arena, 1 << 20);
    err = store_run(scene->world.store, &act.call);
    arena_done(&act.arena);
    if (err == OK) {
        if (ret_pk != NULL)
            *ret_pk = act.pk;
        return OK;
    }
    scene->ledger->refusals++;
    print_message("refused: %s\n", act.call.error.text);
    assert_int_equal(act.call.error.code, err);
    assert_true(act.call.error.text[0] != '\0');
    return err;
}

enum err
ask(struct scene *scene, enum err (*fn)(struct act *act, struct engine *engine), int64_t n,
    int64_t *ret_pk)
{
    enum err err = ask_once(scene, fn, n, ret_pk);

    for (int i = 0; err != OK && err != ERR_CONFLICT; i++) {
        assert_true(i < TRIES_MAX);
        let(scene, US_PER_S / 5);
        err = ask_once(scene, fn, n, ret_pk);
    }
    return err;
}

/* --- setting up --- */

static enum err
hook_pk_of(struct act *act, struct engine *engine, struct id id)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT hook_pk FROM hook WHERE id = ?1", v_id(&id));
}

enum err
scene_add_hook(struct act *act, struct engine *engine)
{
    enum err err = hook_pk_of(act, engine, numbered(act->n));

    if (err != ERR_NOT_FOUND)
        return err;
    act->world->event = act->n == HOOK_WATCH ? EVENT_HOOK_FAILING : NULL;
    act->world->max_in_flight = act->n == HOOK_FLAKY ? 4 : 16;
    return make_hook(act, engine);
}

enum err
scene_add_members(struct act *act, struct engine *engine)
{
    int64_t there = 0;
    enum err err = engine_get_int(engine, &there, &act->call.error,
        "SELECT count(*) FROM attendee WHERE account_pk = ?1", v_int(ACCOUNT));

    /* Of an earlier run nothing is left. */
    act->world->group = 0;
    act->world->next_id = 0;
    if (err == OK && there == 0)
        err = make_members(act, engine);
    if (err == OK && act->world->group == 0)
        err = engine_get_int(engine, &act->world->group, &act->call.error,
            "SELECT min(group_pk) FROM audience_group WHERE live = ?1", v_int(act->n));
    act->pk = act->world->group;
    return err;
}

enum err
scene_add_webinar(struct act *act, struct engine *engine)
{
    struct id id = numbered(act->n);
    int64_t group = 0;
    enum err err = group_create(engine, ACCOUNT, &group, &act->call.error);

    if (err == OK)
        err = engine_run(engine, &act->call.error,
            "INSERT INTO webinar (webinar_pk, account_pk, id, kind, title, link, from_us, to_us,"
            " timezone, group_pk, created_us, updated_us)"
            " VALUES (?1, ?2, ?3, 'webinar', 't', 'l', 0, 0, 'UTC', ?4, 0, 0)",
            v_int(act->n), v_int(ACCOUNT), v_id(&id), v_int(group));
    return err;
}

/* --- events --- */

enum err
scene_count_event(struct act *act, struct engine *engine)
{
    struct id id = event_id((size_t)act->n);

    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT count(*) FROM event WHERE id = ?1", v_id(&id));
}

static enum err
event_sequence(struct act *act, struct engine *engine)
{
    struct id id = event_id((size_t)act->n);

    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT event_pk FROM event WHERE id = ?1", v_id(&id));
}

enum err
scene_tell(struct act *act, struct engine *engine)
{
    struct world *world = act->world;
    CLEANUP(audience_done) struct audience audience;
    struct event_receipt receipt = {0};
    enum err err = event_sequence(act, engine);

    audience_init(&audience);
    if (err != ERR_NOT_FOUND)
        return err;
    err = group_ranges(engine, world->group, false, &audience, &act->call.error);
    const struct event_draft draft = {
        .id = event_id((size_t)act->n),
        .account_pk = ACCOUNT,
        .type = STR(EVENT_WEBINAR_CREATED_SINGLE),
        .reason = EVENT_UPDATED,
        .webinar_pk = webinar_of((size_t)act->n),
        .webinar_id = numbered(webinar_of((size_t)act->n)),
        .starts = world->clock.walltime_now,
        .snapshot = STR(",\"callList\":[],\"mangoes\":\"\"}"),
        .audience = &audience,
        .now = world->clock.walltime_now,
    };
    if (err == OK)
        err = event_append(engine, &draft, &act->arena, &receipt, &act->call.error);
    act->pk = receipt.sequence;
    return err;
}

/* --- hooks --- */

static enum err
change_hook(struct act *act, struct engine *engine, enum hook_status status, struct str url)
{
    struct hook hook;
    enum err err = hook_get_pk(engine, act->n, &act->arena, &hook, &act->call.error);

    if (err != OK)
        return err;
    if (hook.status != status)
        hook_move(&hook, status);
    hook.disabled_by = status == HOOK_DISABLED ? STR("owner") : (struct str){NULL, 0};
    if (url.ptr != NULL)
        hook.url = url;
    return hook_update(engine, &hook, &act->arena, &act->call.error);
}

enum err
scene_edit(struct act *act, struct engine *engine)
{
    return change_hook(act, engine, HOOK_ENABLED, STR("https://example.com/moved"));
}

enum err
scene_disable(struct act *act, struct engine *engine)
{
    return change_hook(act, engine, HOOK_DISABLED, (struct str){NULL, 0});
}

enum err
scene_enable(struct act *act, struct engine *engine)
{
    return change_hook(act, engine, HOOK_ENABLED, (struct str){NULL, 0});
}

/* --- once more --- */

enum err
scene_retry(struct act *act, struct engine *engine)
{
    struct delivery_found found;
    const struct delivery_id id = {
        .event = event_id(0),
        .hook = numbered(HOOK_FLAKY),
        .attendee = numbered(ATTENDEE_IDS + 5),
        .sequence = act->n,
    };
    bool changed = false;
    enum err err = delivery_get(engine, ACCOUNT, &id, &act->arena, &found, &act->call.error);

    if (err != OK)
        return err;
    err =
        delivery_retry(engine, &found, act->world->clock.walltime_now, &changed, &act->call.error);
    audience_done(&found.fanout.audience);
    act->pk = changed;
    return err;
}

enum err
scene_replay(struct act *act, struct engine *engine)
{
    struct event_row event;
    struct hook hook;
    enum err err = event_get(engine, ACCOUNT, event_id(2), &event, &act->call.error);

    if (err == OK)
        err = hook_get_pk(engine, act->n, &act->arena, &hook, &act->call.error);
    if (err == OK)
        err = event_replay(engine, &event, &hook, act->world->clock.walltime_now, &act->call.error);
    return err;
}

enum err
scene_recover(struct act *act, struct engine *engine)
{
    struct recovery recovery = {.now = act->world->clock.walltime_now};
    struct hook hook;
    enum err err = hook_get_pk(engine, act->n, &act->arena, &hook, &act->call.error);

    /* All its steps in one: there are few things to recover here. */
    while (err == OK && !recovery.is_over)
        err = hook_recover_step(engine, &hook, &recovery, &act->call.error);
    return err;
}

/* --- looking --- */

enum err
scene_count_owed(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT (SELECT count(*) FROM fanout WHERE status = 'sending') + (SELECT count(*) FROM"
        " chunk) + ?1",
        v_int(0));
}

enum err
scene_open_hooks(struct act *act, struct engine *engine)
{
    int64_t *pks;
    size_t count;
    enum err err = lanes_open(engine, &act->arena, &pks, &count, &act->call.error);

    if (err == OK)
        dispatch_wake(act->world->set, pks, count);
    return err;
}
