/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acts that have something sent again: retries, replays and recoveries.
 */
#include "base/check.h"
#include "send/fanout.h"
#include "sim/acts.h"
#include "store/deliveries.h"
#include "store/hooks.h"
#include "store/replay.h"

/* A refusal is an answer here, and no failure. */
static enum err
refused(struct act *act, enum err err)
{
    if (err != ERR_CONFLICT && err != ERR_NOT_FOUND)
        return err;
    act->is_void = true;
    return OK;
}

static enum err
find_delivery(struct act *act, struct engine *engine, const struct claim *claim,
    struct delivery_found *ret)
{
    const struct model *model = &act->sim->model;
    const struct delivery_id id = {
        .event = claim->told->news->id,
        .hook = claim->told->hook->id,
        .attendee = model->people[claim_cell(claim)->person].id,
        .sequence = claim->told->news->sequence,
    };

    return delivery_get(engine, claim->told->hook->account + 1, &id, &act->arena, ret,
        &act->call.error);
}

static enum err
run_retry(struct act *act, struct engine *engine)
{
    struct delivery_found found;
    bool is_changed = false;
    enum err err = find_delivery(act, engine, &act->claim, &found);

    if (err != OK)
        return refused(act, err);
    err = delivery_retry(engine, &found, sim_wall(act->sim), &is_changed, &act->call.error);
    audience_done(&found.fanout.audience);
    act->is_void = !is_changed;
    return refused(act, err);
}

static enum err
run_replay(struct act *act, struct engine *engine, const struct hook *hook)
{
    struct event_row row;
    enum err err = event_get(engine, hook->account_pk, act->told->id, &row, &act->call.error);

    if (err == OK)
        err = event_replay(engine, &row, hook, sim_wall(act->sim), &act->call.error);
    return refused(act, err);
}

/* --- recoveries: what they did is asked for afterwards --- */

static enum err
note_late(struct act *act, struct engine *engine, struct news *news)
{
    struct model *model = &act->sim->model;
    struct hook_model *hook = &model->hooks[act->hook];
    int64_t is_there;
    enum err err;

    if (news->told[act->hook] != NULL)
        return OK;
    err = engine_get_int(engine, &is_there, &act->call.error,
        "SELECT count(*) FROM fanout WHERE event_pk = ?1 AND hook_pk = ?2", v_int(news->sequence),
        v_int(hook->pk));
    if (err == OK && is_there)
        act->late[act->late_count++] = news;
    return err;
}

static enum err
note_reopened(struct act *act, struct engine *engine, struct told *told)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && told != NULL && i < told->count; i++) {
        struct claim claim = {.told = told, .pos = i};
        struct delivery_found found;

        if (told->cells[i].kept_state != CELL_DEAD ||
            act->sim->model.people[told->cells[i].person].is_erased)
            continue;
        err = find_delivery(act, engine, &claim, &found);
        /* Its webinar was deleted. */
        if (err == ERR_NOT_FOUND) {
            err = OK;
            continue;
        }
        if (err != OK)
            return err;
        audience_done(&found.fanout.audience);
        if (found.delivery.status != DELIVERY_DEAD && act->reopened_count < EVENTS_MAX)
            act->reopened[act->reopened_count++] = claim;
    }
    return err;
}

static enum err
run_recover(struct act *act, struct engine *engine, const struct hook *hook)
{
    struct model *model = &act->sim->model;
    struct recovery recovery = {.since = act->since, .now = sim_wall(act->sim)};
    enum err err = OK;

    while (err == OK && !recovery.is_over)
        err = hook_recover_step(engine, hook, &recovery, &act->call.error);
    act->late = arena_alloc_array(&act->arena, EVENTS_MAX, sizeof(struct news *));
    act->reopened = arena_alloc_array(&act->arena, EVENTS_MAX, sizeof(*act->reopened));
    CHECK(act->late != NULL && act->reopened != NULL);
    for (size_t i = 0; err == OK && i < model->news_count; i++) {
        err = note_late(act, engine, model->news[i]);
        if (err == OK)
            err = note_reopened(act, engine, model->news[i]->told[act->hook]);
    }
    return err;
}

enum err
act_run_again(struct act *act, struct engine *engine)
{
    const struct hook_model *it = &act->sim->model.hooks[act->hook];
    struct hook hook;
    enum err err;

    act->late_count = 0;
    act->reopened_count = 0;
    act->is_void = it->state != HOOK_IS_ENABLED;
    if (act->is_void)
        return OK;
    act->wake[act->wake_count++] = it->pk;
    err = hook_get_pk(engine, it->pk, &act->arena, &hook, &act->call.error);
    if (err != OK)
        return err;
    if (act->kind == ACT_RETRY)
        return run_retry(act, engine);
    return act->kind == ACT_REPLAY ? run_replay(act, engine, &hook)
                                   : run_recover(act, engine, &hook);
}

/* --- the same in the model --- */

/* Nothing that it ought to have found is missing. */
static void
check_recovered(struct act *act, struct hook_model *hook)
{
    struct model *model = &act->sim->model;

    for (size_t i = 0; i < model->news_count; i++) {
        struct news *news = model->news[i];

        if (news->told[hook->index] != NULL || news->at.us < act->since.us ||
            model->webinars[news->webinar].is_deleted || !hook_wants(model, hook, news))
            continue;
        if (told_add(model, news, hook) != NULL)
            sim_fail(act->sim, "hook %d was recovered and still not told of event %lld",
                hook->index, (long long)news->sequence);
    }
}

/* The lane has it, or may be reading it just now, as it was before. */
static bool
is_in_hand(const struct act *act, const struct hook_model *hook)
{
    struct lane *lane = process_lane(act->sim, hook);

    if (lane == NULL)
        return false;
    LIST_FOREACH(&lane->fanouts, it)
    {
        if (LIST_ENTRY(it, struct fanout, link)->row.sequence == act->told->sequence)
            return true;
    }
    return lane->read != NULL;
}

/* Who died and was erased since cannot be asked for: they may have been reopened, to be skipped. */
static void
doubt_erased(const struct model *model, struct told *told)
{
    for (size_t i = 0; i < told->count; i++)
        if (told->cells[i].state == CELL_DEAD && model->people[told->cells[i].person].is_erased)
            told->is_murky = true;
}

void
act_apply_again(struct act *act)
{
    struct model *model = &act->sim->model;
    struct hook_model *hook = &model->hooks[act->hook];

    if (act->kind == ACT_RETRY) {
        model_retry(model, &act->claim);
        return;
    }
    if (act->kind == ACT_REPLAY) {
        model_replay(model, act->told, hook, is_in_hand(act, hook));
        return;
    }
    for (size_t i = act->late_count; i > 0; i--)
        model_tell_late(model, act->late[i - 1], hook);
    for (size_t i = 0; i < act->reopened_count; i++)
        model_reopen(model, &act->reopened[i]);
    for (size_t i = 0; i < model->news_count; i++)
        if (model->news[i]->told[hook->index] != NULL)
            doubt_erased(model, model->news[i]->told[hook->index]);
    check_recovered(act, hook);
}
