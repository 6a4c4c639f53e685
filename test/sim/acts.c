/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/acts.h"

#include <stdlib.h>

#include "base/check.h"

/* How often each happens, of their sum; of some more where a seed is fond of them. */
static const unsigned weights[ACTS_COUNT] = {
    [ACT_UPDATE] = 60,
    [ACT_CREATE] = 10,
    [ACT_BOOK] = 16,
    [ACT_REGISTER] = 12,
    [ACT_JOIN] = 12,
    [ACT_LEAVE] = 8,
    [ACT_ERASE] = 3,
    [ACT_DROP] = 3,
    [ACT_RETRY] = 5,
    [ACT_REPLAY] = 3,
    [ACT_RECOVER] = 3,
    [ACT_HOOK_NEW] = 1,
    [ACT_HOOK_EDIT] = 8,
    [ACT_HOOK_DISABLE] = 4,
    [ACT_HOOK_ENABLE] = 8,
    [ACT_HOOK_DELETE] = 1,
    [ACT_CLOCK] = 3,
    [ACT_STOP] = 3,
    [ACT_KILL] = 5,
    [ACT_TROUBLE] = 5,
};

/* --- calling --- */

bool
act_is(const struct store_call *call)
{
    return call->run == act_run;
}

void
act_committed(struct store_call *call)
{
    struct act *act = CONTAINER_OF(call, struct act, call);

    sim_say(act->sim, "%s committed%s: webinar %d, mango %d, person %d, hook %d, %zu events",
        act_name(act->kind), act->is_void ? " (nothing left of it)" : "", act->webinar, act->mango,
        act->person, act->hook, act->news_count);
    if (!act->is_void)
        act_apply(act);
}

/* What the lanes have heard of. */
static void
acknowledge_change(struct sim *sim, struct act *act, int64_t hook_pk)
{
    for (int i = 0; i < sim->model.hook_count; i++) {
        struct hook_model *hook = &sim->model.hooks[i];

        if (hook->pk != hook_pk)
            continue;
        if (hook->changes_open > 0)
            hook->changes_open--;
        if (act->kind == ACT_HOOK_EDIT && hook->heard.version < act->settings.version)
            hook->heard = act->settings;
        hook->is_closed = hook->is_closed || hook->state != HOOK_IS_ENABLED;
        /* What it had in hand goes back. */
        if (hook->is_closed)
            model_return(&sim->model, hook);
        hook->is_draining = hook->in_flight > 0;
        if (act->kind != ACT_HOOK_EDIT)
            continue;
        hook->rate_next_us = 0;
        hook->rate_free_us = sim_now(sim).us;
        if (act->settings.rate > 0)
            hook->rate_free_us += (int64_t)((double)US_PER_S / act->settings.rate) + 1;
    }
}

static void
act_over(struct act *act)
{
    struct sim *sim = act->sim;

    if (act->kind == ACT_ERASE && !act->is_void)
        sim->model.people[act->person].is_forgotten = true;
    if (act->kind == ACT_DROP && !act->is_void)
        sim->model.webinars[act->webinar].is_dropped = true;
    sim->acts_open--;
    arena_done(&act->arena);
    free(act);
}

static void
on_erased(struct erasure *erasure)
{
    act_over(CONTAINER_OF(erasure, struct act, erasure));
}

static void on_changed(struct lane_change *change);

static void
tell_next(struct act *act)
{
    struct sim *sim = act->sim;

    if (act->next < act->changed_count) {
        act->change = (struct lane_change){.hook_pk = act->changed[act->next++],
            .reply = act->call.reply,
            .done = on_changed};
        dispatch_hook_changed(sim->process.set, &act->change);
        return;
    }
    if (act->kind != ACT_ERASE || act->is_void) {
        act_over(act);
        return;
    }
    act->erasure = (struct erasure){
        .attendee_pk = sim->model.people[act->person].pk,
        .reply = act->call.reply,
        .done = on_erased,
    };
    dispatch_erased(sim->process.set, &act->erasure);
}

static void
on_changed(struct lane_change *change)
{
    struct act *act = CONTAINER_OF(change, struct act, change);

    acknowledge_change(act->sim, act, change->hook_pk);
    tell_next(act);
}

static void
on_stored(struct store_call *call)
{
    struct act *act = CONTAINER_OF(call, struct act, call);

    if (call->err != OK) {
        act->is_void = true;
        act_over(act);
        return;
    }
    dispatch_wake(act->sim->process.set, act->wake, act->wake_count);
    tell_next(act);
}

static void
act_submit(struct act *act)
{
    struct sim *sim = act->sim;
    unsigned loop = (unsigned)random_between(&sim->order, 0, sim->loop_count - 1);

    arena_init(&act->arena, 1 << 22);
    act->call = (struct store_call){
        .run = act_run,
        .done = on_stored,
        .reply = loop_mailbox(sim->process.loops[loop]),
        .writes = true,
    };
    sim->acts_open++;
    if (store_submit(&sim->process.ports[loop], &act->call) == OK)
        return;
    act->is_void = true;
    act_over(act);
}

/* --- choosing --- */

static int
pick(struct sim *sim, int count)
{
    return count > 0 ? (int)random_between(&sim->random, 0, count - 1) : -1;
}

static void
pick_mangoes(struct act *act)
{
    struct sim *sim = act->sim;
    int first = pick(sim, sim->model.mango_count);
    int wanted = (int)random_between(&sim->random, 1, OFFERED_MAX);

    for (int i = first; i < sim->model.mango_count && act->mango_count < wanted; i++)
        if (sim->model.mangoes[i].account == sim->model.mangoes[first].account)
            act->mangoes[act->mango_count++] = i;
}

/* A webinar that is there; mostly one of the few that are talked about. -1: none. */
static int
pick_webinar(struct sim *sim)
{
    for (int tries = 0; tries < 8; tries++) {
        int count = sim->model.webinar_count;
        int at = pick(sim, chance(&sim->random, 3, 4) && count > 4 ? 4 : count);

        if (at >= 0 && !sim->model.webinars[at].is_deleted)
            return at;
    }
    return -1;
}

static struct hook_settings
pick_settings(struct sim *sim, struct hook_model *hook)
{
    static const double rates[] = {0, 0, 0, 0.5, 2, 10, 50, 400};
    static const unsigned in_flight[] = {1, 2, 4, 16, 16, 64};

    return (struct hook_settings){
        .version = ++hook->version_next,
        .rate = rates[pick(sim, COUNT_OF(rates))],
        .in_flight_max = in_flight[pick(sim, COUNT_OF(in_flight))],
    };
}

static bool
pick_new_hook(struct act *act)
{
    static const char *const notices[] = {EVENT_HOOK_FAILING, EVENT_HOOK_DISABLED,
        EVENT_HOOK_RECOVERED, EVENT_DELIVERY_DEAD};
    struct sim *sim = act->sim;
    struct model *model = &sim->model;
    struct hook_model *hook = &model->hooks[model->hook_count];
    enum nature nature = chance(&sim->random, 1, 3)
                             ? NATURE_HEALTHY
                             : (enum nature)random_between(&sim->random, 0, NATURES_COUNT - 1);

    if (model->hook_count == HOOKS_MAX)
        return false;
    /* The first four, in every third seed. */
    if (sim->seed % 3 == 0 && model->hook_count < (int)COUNT_OF(notices))
        nature = chance(&sim->random, 1, 2) ? NATURE_HEALTHY : NATURE_FLAPPING;
    *hook = (struct hook_model){
        .index = model->hook_count,
        .id = sim_id(ACT_HOOK_NEW, model->hook_count),
        .account = pick(sim, ACCOUNTS_MAX),
        .webinar = -1,
        .mango = -1,
        .state = HOOK_IS_DELETED, /* until it is committed */
        .is_closed = true,
    };
    list_init(&hook->open);
    if (sim->seed % 3 == 0 && hook->index < (int)COUNT_OF(notices)) {
        hook->notice = notices[hook->index];
        hook->account = NOTICED_ACCOUNT;
    }
    if (hook->notice == NULL && chance(&sim->random, 1, 6))
        hook->webinar = pick_webinar(sim);
    if (hook->notice == NULL && chance(&sim->random, 1, 4))
        hook->mango = pick(sim, model->mango_count);
    if (hook->mango >= 0)
        hook->account = model->mangoes[hook->mango].account;
    else if (hook->webinar >= 0)
        hook->account = model->webinars[hook->webinar].account;
    if (hook->webinar >= 0 && model->webinars[hook->webinar].account != hook->account)
        hook->webinar = -1;
    endpoint_init(&sim->endpoints[hook->index], nature, &sim->moods, sim_now(sim));
    act->hook = hook->index;
    act->settings = pick_settings(sim, hook);
    model->hook_count++;
    sim_say(sim, "hook %d: nature %d, account %d, webinar %d, mango %d, rate %.1f, in flight %u",
        hook->index, (int)nature, hook->account, hook->webinar, hook->mango, act->settings.rate,
        act->settings.in_flight_max);
    return true;
}

static bool
is_same_account(const struct act *act)
{
    const struct model *model = &act->sim->model;
    int account = act->mango >= 0 ? model->mangoes[act->mango].account
                                  : model->webinars[act->webinar].account;

    return model->people[act->person].account == account;
}

static bool
pick_again(struct act *act)
{
    struct sim *sim = act->sim;
    struct model *model = &sim->model;
    int back = pick(sim, model->news_count > 30 ? 30 : (int)model->news_count);
    struct told *told;

    if (back < 0 || model->hooks[act->hook].pk == 0 || model->hooks[act->hook].notice != NULL)
        return false;
    act->told = model->news[model->news_count - 1 - (size_t)back];
    act->since.us = sim_wall(sim).us - random_between(&sim->random, 0, 3 * US_PER_DAY);
    told = act->told->told[act->hook];
    if (act->kind != ACT_RETRY)
        return true;
    if (told == NULL)
        return false;
    act->claim = (struct claim){.told = told, .pos = (size_t)pick(sim, (int)told->count)};
    return claim_cell(&act->claim)->person >= 0;
}

/* What it is about; false: there is nothing of that kind. */
static bool
act_pick(struct act *act)
{
    struct sim *sim = act->sim;
    struct model *model = &sim->model;

    act->person = pick(sim, model->person_count);
    act->webinar = pick_webinar(sim);
    act->mango = pick(sim, model->mango_count);
    act->hook = pick(sim, model->hook_count);
    pick_mangoes(act);
    switch (act->kind) {
    case ACT_UPDATE:
        act->is_offered =
            act->webinar >= 0 && chance(&sim->random, 1, 4) &&
            !model->webinars[act->webinar].is_consultation &&
            model->mangoes[act->mangoes[0]].account == model->webinars[act->webinar].account;
        return act->webinar >= 0;
    case ACT_DROP: return act->webinar >= 0;
    case ACT_REGISTER:
        act->mango = -1;
        return act->webinar >= 0 && !model->webinars[act->webinar].is_consultation &&
               is_same_account(act);
    case ACT_LEAVE:
        if (act->webinar >= 0 && chance(&sim->random, 1, 2))
            act->mango = -1;
        return is_same_account(act);
    case ACT_JOIN: return is_same_account(act);
    case ACT_RETRY:
    case ACT_REPLAY:
    case ACT_RECOVER: return pick_again(act);
    case ACT_HOOK_NEW: return pick_new_hook(act);
    case ACT_HOOK_EDIT:
        act->settings = pick_settings(sim, &model->hooks[act->hook]);
        return model->hooks[act->hook].pk != 0;
    case ACT_HOOK_DISABLE:
    case ACT_HOOK_ENABLE:
    case ACT_HOOK_DELETE:
        return model->hooks[act->hook].pk != 0 && model->hooks[act->hook].notice == NULL;
    case ACT_CREATE:
    case ACT_BOOK:
    case ACT_ERASE: return true;
    case ACT_CLOCK:
    case ACT_STOP:
    case ACT_KILL:
    case ACT_TROUBLE:
    case ACTS_COUNT: break;
    }
    UNREACHABLE;
}

static bool
act_do(struct sim *sim, enum act_kind kind)
{
    struct act *act = calloc(1, sizeof(*act));

    CHECK(act != NULL);
    act->sim = sim;
    act->kind = kind;
    if (sim->model.news_count + ACT_NEWS_MAX + 64 < EVENTS_MAX && act_pick(act)) {
        act_submit(act);
        return true;
    }
    free(act);
    return false;
}

/* --- accidents --- */

static void
set_clock(struct sim *sim)
{
    int64_t us = random_between(&sim->random, -US_PER_DAY, US_PER_DAY);

    if (chance(&sim->random, 1, 2))
        us /= 1000;
    model_clock_set(&sim->model);
    sim->clock.walltime_now.us += us;
    sim->wall_set = sim_now(sim);
    sim_say(sim, "the wall clock is set by %lld s", (long long)(us / US_PER_S));
}

static void
make_trouble(struct sim *sim)
{
    struct store *store = &sim->store;
    int64_t us = random_between(&sim->random, 0, 20 * US_PER_S);
    struct instant until = instant_add_us(sim_now(sim), us);
    int kind = pick(sim, 4);

    switch (kind) {
    case 0: store->write_fail = until; break;
    case 1: store->read_fail = until; break;
    case 2: store->full = until; break;
    case 3:
        store->slowest_us =
            store->slowest_us > 0 ? 0 : random_between(&sim->random, 1, 300) * US_PER_MS;
        break;
    }
    if (kind < 3 && store->trouble_over.us < until.us)
        store->trouble_over = until;
    sim_say(sim, "the store: %s",
        kind == 0   ? "writes fail"
        : kind == 1 ? "reads fail"
        : kind == 2 ? "it is full"
                    : "it is slow, or quick again");
}

static enum act_kind
pick_kind(struct sim *sim)
{
    int64_t sum = 0;
    int64_t at;
    int kind = 0;

    for (int i = 0; i < ACTS_COUNT; i++)
        sum += weights[i];
    at = random_between(&sim->random, 0, sum - 1);
    while (at >= weights[kind])
        at -= weights[kind++];
    return (enum act_kind)kind;
}

static void
act_any(struct sim *sim)
{
    enum act_kind kind = pick_kind(sim);

    if (kind == ACT_CLOCK) {
        set_clock(sim);
    } else if (kind == ACT_TROUBLE) {
        make_trouble(sim);
    } else if (kind == ACT_STOP) {
        sim_say(sim, "stop");
        process_stop(sim, random_between(&sim->random, 0, 20) * US_PER_S);
    } else if (kind == ACT_KILL) {
        sim_say(sim, "kill");
        process_kill(sim);
    } else {
        (void)act_do(sim, kind);
    }
}

/* --- when --- */

void
acts_play(struct sim *sim)
{
    int64_t gap_us = random_between(&sim->random, 0, 2 * sim->act_gap_us);

    sim->acts++;
    if (sim->burst > 0) {
        sim->burst--;
        gap_us = random_between(&sim->random, 0, 50 * US_PER_MS);
    } else if (chance(&sim->random, 1, 12)) {
        sim->burst = (unsigned)random_between(&sim->random, 3, 20);
    }
    sim->act_next = instant_add_us(sim_now(sim), gap_us);
    /* A process that goes down may be killed; else it does nothing new until it is back. */
    if (sim->stage == STAGE_SERVING)
        act_any(sim);
    else if (sim->stage != STAGE_DOWN && chance(&sim->random, 1, 4))
        process_kill(sim);
}

void
acts_prepare(struct sim *sim)
{
    int people = (int)random_between(&sim->random, 8, 60);

    if (chance(&sim->random, 1, 8))
        people = 300;
    if (chance(&sim->random, 1, 30))
        people = 1500;
    rows_prepare(sim, people);
    for (int i = 0; i < 4; i++)
        (void)act_do(sim, ACT_CREATE);
    for (int64_t i = random_between(&sim->random, 4, 10); i > 0; i--)
        (void)act_do(sim, ACT_HOOK_NEW);
    sim->act_gap_us = (sim->act_end.us - sim_now(sim).us) / random_between(&sim->random, 40, 200);
    sim->act_next = instant_add_us(sim_now(sim), US_PER_S);
}

void
acts_settle(struct sim *sim)
{
    if (sim->stage != STAGE_SERVING || sim->acts_open > 0)
        return;
    sim->is_settling = true;
    sim->settled_at = sim_now(sim);
    sim->store.slowest_us = 0;
    sim_say(sim, "all gets well");
    for (int i = 0; i < sim->model.hook_count; i++) {
        struct act *act = calloc(1, sizeof(*act));

        CHECK(act != NULL);
        act->sim = sim;
        act->kind = ACT_HOOK_ENABLE;
        act->hook = i;
        if (sim->model.hooks[i].pk != 0)
            act_submit(act);
        else
            free(act);
    }
}
