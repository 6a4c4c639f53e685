/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an act is in the store, through the same functions as the API's, and in the model.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "sim/acts.h"
#include "store/attendees.h"
#include "store/audience.h"
#include "store/events.h"
#include "store/hooks.h"

const char *
act_name(enum act_kind kind)
{
    static const char *const names[] = {"update", "create", "book", "register", "join", "leave",
        "erase", "drop", "retry", "replay", "recover", "new hook", "edit hook", "disable hook",
        "enable hook", "delete hook", "set the clock", "stop", "kill", "trouble"};

    _Static_assert(COUNT_OF(names) == ACTS_COUNT, "each act has a name");
    return names[kind];
}

struct id
sim_id(enum act_kind kind, int64_t number)
{
    struct id id = {{(uint8_t)(kind + 1)}};

    for (int i = 0; i < 8; i++)
        id.bytes[ID_BYTES - 1 - i] = (uint8_t)(number >> (8 * i));
    return id;
}

static struct announcer
announcer_of(struct act *act, struct engine *engine)
{
    return (struct announcer){
        .engine = engine,
        .zones = act->sim->zones,
        .ids = &act->sim->ids,
        .arena = &act->arena,
        .now = sim_wall(act->sim),
    };
}

static int
webinar_by_id(const struct model *model, struct id id)
{
    for (int i = 0; i < model->webinar_count; i++)
        if (id_equals(model->webinars[i].id, id))
            return i;
    /* The one that is being made. */
    return model->webinar_count;
}

static enum err
note_news(struct act *act, struct engine *engine, int account,
    const struct announcement *announcement)
{
    struct event_row row;
    enum err err;

    if (id_is_zero(announcement->event))
        return OK;
    CHECK(act->news_count < ACT_NEWS_MAX);
    err = event_get(engine, account + 1, announcement->event, &row, &act->call.error);
    if (err != OK)
        return err;
    act->news[act->news_count++] = (struct act_news){
        .sequence = row.sequence,
        .id = row.id,
        .webinar = webinar_by_id(&act->sim->model, row.webinar_id),
    };
    for (size_t i = 0; i < announcement->hook_count; i++) {
        CHECK(act->wake_count < ACT_HOOKS_MAX);
        act->wake[act->wake_count++] = announcement->hook_pks[i];
    }
    return OK;
}

static enum err
announce(struct act *act, struct engine *engine, const struct webinar *webinar,
    enum event_reason reason)
{
    struct announcer announcer = announcer_of(act, engine);
    struct announcement announcement = {0};
    enum err err = announce_webinar(&announcer, webinar, reason, &announcement, &act->call.error);

    act->reason = reason;
    if (err == OK)
        err = note_news(act, engine, (int)webinar->account_pk - 1, &announcement);
    return err;
}

/* --- webinars --- */

static enum err
offer(struct act *act, struct engine *engine, const struct webinar *webinar)
{
    struct mango mangoes[OFFERED_MAX] = {0};
    struct mango_list list = {mangoes, (size_t)act->mango_count};

    for (int i = 0; i < act->mango_count; i++)
        mangoes[i].pk = act->sim->model.mangoes[act->mangoes[i]].pk;
    return webinar_mangoes_set(engine, webinar->pk, &list, &act->call.error);
}

static enum err
run_update(struct act *act, struct engine *engine)
{
    const struct webinar_model *model = &act->sim->model.webinars[act->webinar];
    struct webinar webinar;
    enum err err;

    act->is_void = model->is_deleted;
    if (act->is_void)
        return OK;
    err = webinar_get_pk(engine, model->pk, &act->arena, &webinar, &act->call.error);
    if (err == OK && act->is_offered)
        err = offer(act, engine, &webinar);
    if (err == OK)
        err = announce(act, engine, &webinar, EVENT_UPDATED);
    return err;
}

static struct webinar
webinar_of(const struct act *act, enum webinar_kind kind)
{
    struct walltime now = sim_wall(act->sim);

    return (struct webinar){
        .account_pk = act->sim->model.mangoes[act->mangoes[0]].account + 1,
        .id = sim_id(ACT_CREATE, act->sim->model.webinar_count),
        .kind = kind,
        .title = STR("A webinar"),
        .link = STR("https://example.com/"),
        .timezone = STR("Europe/Berlin"),
        .from = {.is_given = true, .at = {now.us + 60 * US_PER_DAY}},
        .to = {.is_given = true, .at = {now.us + 61 * US_PER_DAY}},
        .created = now,
        .updated = now,
    };
}

static enum err
run_create(struct act *act, struct engine *engine)
{
    struct webinar webinar = webinar_of(act, WEBINAR_MANY);
    enum err err;

    act->is_void = act->sim->model.webinar_count == WEBINARS_MAX;
    if (act->is_void)
        return OK;
    err = webinar_insert(engine, &webinar, &act->call.error);
    if (err == OK)
        err = offer(act, engine, &webinar);
    if (err == OK)
        err = announce(act, engine, &webinar, EVENT_CREATED);
    act->pk = webinar.pk;
    act->group_pk = webinar.group_pk;
    return err;
}

static enum err
run_book(struct act *act, struct engine *engine)
{
    const struct person *person = &act->sim->model.people[act->person];
    struct webinar webinar = webinar_of(act, WEBINAR_CONSULTATION);
    bool is_added;
    enum err err;

    act->is_void = act->sim->model.webinar_count == WEBINARS_MAX || person->is_erased;
    if (act->is_void)
        return OK;
    webinar.account_pk = person->account + 1;
    err = webinar_insert(engine, &webinar, &act->call.error);
    if (err == OK)
        err = member_add(engine, webinar.group_pk, person->pk, &act->ord, &is_added,
            &act->call.error);
    if (err == OK)
        err = announce(act, engine, &webinar, EVENT_BOOKED);
    act->pk = webinar.pk;
    act->group_pk = webinar.group_pk;
    return err;
}

static enum err
run_drop(struct act *act, struct engine *engine)
{
    const struct webinar_model *model = &act->sim->model.webinars[act->webinar];
    struct event_receipt receipt = {0};
    struct webinar webinar;
    enum err err;

    act->is_void = model->is_deleted;
    if (act->is_void)
        return OK;
    err = webinar_get_pk(engine, model->pk, &act->arena, &webinar, &act->call.error);
    if (err == OK)
        err = event_cancel_webinar(engine, model->pk, sim_wall(act->sim), &act->arena, &receipt,
            &act->call.error);
    if (err == OK)
        err = webinar_delete(engine, &webinar, &act->call.error);
    for (size_t i = 0; err == OK && i < receipt.hook_count; i++)
        act->changed[act->changed_count++] = receipt.hook_pks[i];
    return err;
}

/* --- people --- */

static enum err
run_register(struct act *act, struct engine *engine)
{
    const struct model *model = &act->sim->model;
    const struct webinar_model *to = &model->webinars[act->webinar];
    struct announcer announcer = announcer_of(act, engine);
    struct joining arrival = {0};
    struct webinar webinar;
    enum err err;

    act->is_void = to->is_deleted || model->people[act->person].is_erased ||
                   model_is_in(model, to->group, act->person);
    if (act->is_void)
        return OK;
    act->ord = (int64_t)model->groups[to->group].count;
    act->reason = EVENT_REGISTERED;
    err = webinar_get_pk(engine, to->pk, &act->arena, &webinar, &act->call.error);
    if (err == OK)
        err = announce_register(&announcer, &webinar, model->people[act->person].pk, true, &arrival,
            &act->call.error);
    for (size_t i = 0; err == OK && i < arrival.announced.count; i++)
        err = note_news(act, engine, to->account, &arrival.announced.list[i]);
    return err;
}

static enum err
run_join(struct act *act, struct engine *engine)
{
    const struct model *model = &act->sim->model;
    const struct mango_model *to = &model->mangoes[act->mango];
    struct announcer announcer = announcer_of(act, engine);
    struct joining arrival = {0};
    struct mango mango;
    enum err err;

    act->is_void =
        model->people[act->person].is_erased || model_is_in(model, to->group, act->person);
    if (act->is_void)
        return OK;
    act->ord = (int64_t)model->groups[to->group].count;
    act->reason = EVENT_REGISTERED;
    err = mango_get(engine, to->account + 1, to->id, &act->arena, &mango, &act->call.error);
    if (err == OK)
        err = announce_join(&announcer, &mango, model->people[act->person].pk, true, &arrival,
            &act->call.error);
    for (size_t i = 0; err == OK && i < arrival.announced.count; i++)
        err = note_news(act, engine, to->account, &arrival.announced.list[i]);
    return err;
}

static int
group_of(const struct act *act)
{
    const struct model *model = &act->sim->model;

    return act->mango >= 0 ? model->mangoes[act->mango].group : model->webinars[act->webinar].group;
}

static enum err
run_leave(struct act *act, struct engine *engine)
{
    const struct model *model = &act->sim->model;
    int group = group_of(act);
    enum err err;

    act->is_void = model->people[act->person].is_erased ||
                   (act->mango < 0 && model->webinars[act->webinar].is_deleted) ||
                   !model_is_in(model, group, act->person);
    if (act->is_void)
        return OK;
    err = sequence_next(engine, sim_wall(act->sim), &act->sequence, &act->call.error);
    if (err == OK)
        err = member_leave(engine, model->groups[group].pk, model->people[act->person].pk,
            act->sequence, &act->call.error);
    return err;
}

static enum err
run_erase(struct act *act, struct engine *engine)
{
    const struct person *person = &act->sim->model.people[act->person];
    struct attendee attendee = {.pk = person->pk, .account_pk = person->account + 1};

    act->is_void = person->is_erased;
    return act->is_void ? OK : attendee_erase(engine, &attendee, &act->call.error);
}

/* --- hooks --- */

static void
hook_set(struct act *act, struct hook *hook)
{
    char url[64];
    int len =
        snprintf(url, sizeof(url), "https://hook.test/%d/%u", act->hook, act->settings.version);

    hook->url = arena_copy(&act->arena, (struct str){url, (size_t)len});
    hook->rate_limit = act->settings.rate;
    hook->max_in_flight = act->settings.in_flight_max;
    hook->updated = sim_wall(act->sim);
}

static enum err
run_hook_new(struct act *act, struct engine *engine)
{
    const struct model *model = &act->sim->model;
    const struct hook_model *it = &model->hooks[act->hook];
    struct hook hook = hook_defaults();

    hook.account_pk = it->account + 1;
    hook.id = it->id;
    hook.event = it->notice != NULL ? str_from(it->notice) : STR(EVENT_WEBINAR_CREATED_SINGLE);
    hook.secret = STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    if (it->webinar >= 0)
        hook.webinar_id = model->webinars[it->webinar].id;
    if (it->mango >= 0)
        hook.mango_id = model->mangoes[it->mango].id;
    hook.created = sim_wall(act->sim);
    hook_set(act, &hook);
    return hook_insert(engine, &hook, &act->arena, &act->pk, &act->call.error);
}

static enum err
run_hook_change(struct act *act, struct engine *engine)
{
    const struct hook_model *it = &act->sim->model.hooks[act->hook];
    enum hook_status next = act->kind == ACT_HOOK_ENABLE ? HOOK_ENABLED : HOOK_DISABLED;
    struct hook hook;
    enum err err;

    act->is_void = it->state == HOOK_IS_DELETED;
    if (act->is_void)
        return OK;
    err = hook_get_pk(engine, it->pk, &act->arena, &hook, &act->call.error);
    if (err != OK)
        return err;
    if (act->kind == ACT_HOOK_EDIT) {
        hook_set(act, &hook);
    } else if (hook.status != next) {
        hook_move(&hook, next);
        hook.disabled_by = next == HOOK_DISABLED ? STR("owner") : (struct str){NULL, 0};
    } else if (next == HOOK_ENABLED) {
        err = hook_forgive(engine, it->pk, &act->call.error);
    }
    act->changed[act->changed_count++] = it->pk;
    if (err == OK)
        err = engine_get_int(engine, &act->sequence, &act->call.error,
            "SELECT value FROM meta WHERE name = 'sequence' AND value > ?1", v_int(0));
    if (err == OK)
        err = hook_update(engine, &hook, &act->arena, &act->call.error);
    return err;
}

static enum err
run_hook_delete(struct act *act, struct engine *engine)
{
    const struct hook_model *it = &act->sim->model.hooks[act->hook];

    act->is_void = it->state == HOOK_IS_DELETED;
    if (act->is_void)
        return OK;
    act->changed[act->changed_count++] = it->pk;
    return hook_delete(engine, it->pk, sim_wall(act->sim), &act->call.error);
}

enum err
act_run(struct store_call *call, struct engine *engine)
{
    static enum err (*const runs[])(struct act * act, struct engine * engine) = {
        [ACT_UPDATE] = run_update,
        [ACT_CREATE] = run_create,
        [ACT_BOOK] = run_book,
        [ACT_REGISTER] = run_register,
        [ACT_JOIN] = run_join,
        [ACT_LEAVE] = run_leave,
        [ACT_ERASE] = run_erase,
        [ACT_DROP] = run_drop,
        [ACT_RETRY] = act_run_again,
        [ACT_REPLAY] = act_run_again,
        [ACT_RECOVER] = act_run_again,
        [ACT_HOOK_NEW] = run_hook_new,
        [ACT_HOOK_EDIT] = run_hook_change,
        [ACT_HOOK_DISABLE] = run_hook_change,
        [ACT_HOOK_ENABLE] = run_hook_change,
        [ACT_HOOK_DELETE] = run_hook_delete,
    };
    struct act *act = CONTAINER_OF(call, struct act, call);

    arena_reset(&act->arena);
    act->is_void = false;
    act->news_count = 0;
    act->wake_count = 0;
    act->changed_count = 0;
    return runs[act->kind](act, engine);
}

/* --- the same in the model --- */

static void
range_add(struct model *model, struct news *news, int group, bool is_told)
{
    int64_t hi = (int64_t)model->groups[group].count;

    if (hi > 0)
        news->ranges[news->range_count++] = (struct news_range){group, 0, hi, is_told};
}

/* The whole audience; or one who came to a group, where the others have told theirs. */
static void
news_fill(struct model *model, struct news *news, int group, int64_t ord)
{
    const struct webinar_model *webinar = &model->webinars[news->webinar];

    if (group >= 0)
        news->ranges[news->range_count++] = (struct news_range){group, ord, ord + 1, false};
    if (webinar->group != group)
        range_add(model, news, webinar->group, group >= 0);
    for (int i = 0; !webinar->is_consultation && i < webinar->mango_count; i++)
        if (model->mangoes[webinar->mangoes[i]].group != group)
            range_add(model, news, model->mangoes[webinar->mangoes[i]].group, group >= 0);
}

static void
apply_news(struct act *act, int group, int64_t ord)
{
    for (size_t i = 0; i < act->news_count; i++) {
        struct news *news = calloc(1, sizeof(*news));

        CHECK(news != NULL);
        news->sequence = act->news[i].sequence;
        news->id = act->news[i].id;
        news->webinar = act->news[i].webinar;
        news->reason = act->reason;
        news->at = sim_wall(act->sim);
        news_fill(&act->sim->model, news, group, ord);
        model_tell(&act->sim->model, news);
    }
}

static void
offer_in_model(const struct act *act, struct webinar_model *webinar)
{
    webinar->mango_count = webinar->is_consultation ? 0 : act->mango_count;
    for (int i = 0; i < webinar->mango_count; i++)
        webinar->mangoes[i] = act->mangoes[i];
}

static void
apply_webinar(struct act *act)
{
    struct model *model = &act->sim->model;
    struct webinar_model *webinar = &model->webinars[model->webinar_count];
    bool is_consultation = act->kind == ACT_BOOK;

    *webinar = (struct webinar_model){
        .id = sim_id(ACT_CREATE, model->webinar_count),
        .pk = act->pk,
        .account = is_consultation ? model->people[act->person].account
                                   : model->mangoes[act->mangoes[0]].account,
        .group = model_group(model, act->group_pk),
        .is_consultation = is_consultation,
    };
    offer_in_model(act, webinar);
    model->webinar_count++;
    if (is_consultation)
        model_seat(model, webinar->group, act->person, act->ord);
    apply_news(act, -1, 0);
}

static void
apply_hook(struct act *act, struct hook_model *hook)
{
    if (act->kind == ACT_HOOK_NEW || act->kind == ACT_HOOK_EDIT)
        hook->now = act->settings;
    if (act->kind == ACT_HOOK_NEW) {
        hook->pk = act->pk;
        hook->state = HOOK_IS_ENABLED;
        hook->heard = hook->now;
        hook->is_closed = false;
    } else if (act->kind == ACT_HOOK_DISABLE) {
        hook->state = HOOK_IS_DISABLED;
    } else if (act->kind == ACT_HOOK_ENABLE) {
        hook->state = HOOK_IS_ENABLED;
        hook->is_closed = false;
        CHECK(act->sim->model.enabling_count < ENABLINGS_MAX);
        act->sim->model.enablings[act->sim->model.enabling_count++] =
            (struct enabling){hook->index, act->sequence};
    } else if (act->kind == ACT_HOOK_DELETE) {
        model_delete_hook(&act->sim->model, hook);
    }
    hook->changes_open += (unsigned)act->changed_count;
}

void
act_apply(struct act *act)
{
    struct model *model = &act->sim->model;

    switch (act->kind) {
    case ACT_UPDATE:
        if (act->is_offered)
            offer_in_model(act, &model->webinars[act->webinar]);
        apply_news(act, -1, 0);
        return;
    case ACT_CREATE:
    case ACT_BOOK: apply_webinar(act); return;
    case ACT_REGISTER:
        model_seat(model, model->webinars[act->webinar].group, act->person, act->ord);
        apply_news(act, model->webinars[act->webinar].group, act->ord);
        return;
    case ACT_JOIN:
        model_seat(model, model->mangoes[act->mango].group, act->person, act->ord);
        apply_news(act, model->mangoes[act->mango].group, act->ord);
        return;
    case ACT_LEAVE: model_leave(model, group_of(act), act->person, act->sequence); return;
    case ACT_ERASE: model_erase(model, act->person); return;
    case ACT_DROP:
        model_cancel_webinar(model, act->webinar);
        for (size_t i = 0; i < act->changed_count; i++)
            for (int hook = 0; hook < model->hook_count; hook++)
                model->hooks[hook].changes_open += model->hooks[hook].pk == act->changed[i];
        return;
    case ACT_RETRY:
    case ACT_REPLAY:
    case ACT_RECOVER: act_apply_again(act); return;
    case ACT_HOOK_NEW:
    case ACT_HOOK_EDIT:
    case ACT_HOOK_DISABLE:
    case ACT_HOOK_ENABLE:
    case ACT_HOOK_DELETE: apply_hook(act, &model->hooks[act->hook]); return;
    case ACT_CLOCK:
    case ACT_STOP:
    case ACT_KILL:
    case ACT_TROUBLE:
    case ACTS_COUNT: break;
    }
    UNREACHABLE;
}

/* --- the first rows --- */

struct first_rows {
    struct store_call call;
    struct sim *sim;
    int people;
};

static enum err
person_insert(struct sim *sim, struct engine *engine, int number, struct error *reterr)
{
    struct person *person = &sim->model.people[number];
    char email[32];
    int len = snprintf(email, sizeof(email), "p%d@example.com", number);
    struct attendee attendee = {
        .account_pk = number % ACCOUNTS_MAX + 1,
        .id = sim_id(ACT_REGISTER, number),
        .name = STR("Somebody"),
        .email = {email, (size_t)len},
    };
    enum err err = attendee_insert(engine, &attendee, reterr);

    *person = (struct person){
        .id = attendee.id,
        .pk = attendee.pk,
        .account = number % ACCOUNTS_MAX,
    };
    sim->model.person_count = number + 1;
    return err;
}

static enum err
mango_first(struct sim *sim, struct engine *engine, int number, struct error *reterr)
{
    struct model *model = &sim->model;
    int account = number % ACCOUNTS_MAX;
    struct mango mango = {
        .account_pk = account + 1,
        .id = sim_id(ACT_JOIN, number),
        .name = STR("A mango"),
    };
    int64_t share = random_between(&sim->random, 1, 4);
    enum err err = mango_insert(engine, &mango, reterr);

    model->mangoes[number] = (struct mango_model){
        .id = mango.id,
        .pk = mango.pk,
        .account = account,
        .group = model_group(model, mango.group_pk),
    };
    model->mango_count = number + 1;
    for (int i = 0; err == OK && i < model->person_count; i++) {
        int64_t ord;
        bool is_added;

        if (model->people[i].account != account || !chance(&sim->random, share, 4))
            continue;
        err = member_add(engine, mango.group_pk, model->people[i].pk, &ord, &is_added, reterr);
        if (err == OK)
            model_seat(model, model->mangoes[number].group, i, ord);
    }
    return err;
}

static enum err
first_rows_run(struct store_call *call, struct engine *engine)
{
    struct first_rows *self = CONTAINER_OF(call, struct first_rows, call);
    enum err err = OK;

    for (int i = 0; err == OK && i < ACCOUNTS_MAX; i++) {
        struct id id = sim_id(ACT_ERASE, i);

        err = engine_run(engine, &call->error,
            "INSERT INTO account (account_pk, id, name, created_us) VALUES (?1, ?2, 'a' || ?1, 0)",
            v_int(i + 1), v_id(&id));
    }
    for (int i = 0; err == OK && i < self->people; i++)
        err = person_insert(self->sim, engine, i, &call->error);
    for (int i = 0; err == OK && i < MANGOES_MAX / 2 + (int)(self->sim->seed % 3); i++)
        err = mango_first(self->sim, engine, i, &call->error);
    return err;
}

void
rows_prepare(struct sim *sim, int people)
{
    struct first_rows first = {.call = {.run = first_rows_run, .writes = true},
        .sim = sim,
        .people = people};

    workers_run(&sim->store, &first.call);
}
