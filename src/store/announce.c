/* SPDX-License-Identifier: Apache-2.0 */
#include "store/announce.h"

#include "domain/payload.h"
#include "store/audience.h"
#include "store/events.h"

/* A hundred mangoes' names at their longest, every character of them escaped. */
#define SNAPSHOT_BYTES_MAX (1024 * 1024)

static enum err
snapshot_build(const struct announcer *announcer, const struct webinar *webinar,
    const struct mango_list *mangoes, struct buf *snapshot, struct error *reterr)
{
    struct str *names = arena_alloc_array(announcer->arena, mangoes->count + 1, sizeof(*names));
    struct payload_session session = {
        .title = webinar->title,
        .webinar_id = webinar->id,
        .link = webinar->link,
        .from = webinar->from.at,
        .to = webinar->to.at,
    };
    enum err err;

    if (names == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for an event");
    for (size_t i = 0; i < mangoes->count; i++)
        names[i] = mangoes->list[i].name;
    err = zones_get(announcer->zones, webinar->timezone, &session.creator_zone, reterr);
    if (err == ERR_NOT_FOUND) /* it was there when the webinar was made */
        return error_set(reterr, ERR_IO, "the time zone database has lost \"%.*s\"",
            STR_FMT(webinar->timezone));
    if (err != OK)
        return err;
    payload_fixed_build(snapshot, &session, 1, names, mangoes->count);
    if (buf_is_full(snapshot))
        return error_set(reterr, ERR_NOMEM, "out of memory for an event");
    return OK;
}

/* What is to be said of a webinar, and to whom. */
struct notice {
    enum event_reason reason;
    const struct mango_list *mangoes;
    const struct audience *audience;
};

static enum err
append(const struct announcer *announcer, const struct webinar *webinar,
    const struct notice *notice, struct announcement *inout, struct error *reterr)
{
    struct event_draft draft = {
        .id = id_make(announcer->ids, announcer->now),
        .account_pk = webinar->account_pk,
        .type = STR(EVENT_WEBINAR_CREATED_SINGLE),
        .reason = notice->reason,
        .webinar_pk = webinar->pk,
        .webinar_id = webinar->id,
        .starts = webinar->from.at,
        .audience = notice->audience,
        .now = announcer->now,
    };
    struct event_receipt receipt;
    CLEANUP(buf_done) struct buf snapshot;
    enum err err;

    buf_init(&snapshot, SNAPSHOT_BYTES_MAX);
    err = snapshot_build(announcer, webinar, notice->mangoes, &snapshot, reterr);
    if (err != OK)
        return err;
    draft.snapshot = buf_str(&snapshot);
    err = event_append(announcer->engine, &draft, announcer->arena, &receipt, reterr);
    if (err != OK)
        return err;
    inout->event = draft.id;
    inout->hook_count = receipt.hook_count;
    inout->hook_pks = receipt.hook_pks;
    return OK;
}

/* Consultations tell their mango's name and nothing to its members. */
static bool
tells_mangoes(const struct webinar *webinar)
{
    return webinar->kind == WEBINAR_MANY;
}

static enum err
whole_audience(const struct announcer *announcer, const struct webinar *webinar,
    const struct mango_list *mangoes, struct audience *audience, int64_t *ret_people,
    struct error *reterr)
{
    size_t groups = tells_mangoes(webinar) ? mangoes->count + 1 : 1;
    size_t peopled = 0;
    int64_t people = 0;

    for (size_t i = 0; i < groups; i++) {
        int64_t group_pk = i == 0 ? webinar->group_pk : mangoes->list[i - 1].group_pk;
        int64_t live = 0;
        enum err err = group_ranges(announcer->engine, group_pk, false, audience, reterr);

        if (err == OK)
            err = group_live(announcer->engine, group_pk, &live, reterr);
        if (err != OK)
            return err;
        people += live;
        peopled += live > 0;
    }
    *ret_people = peopled > 1 ? -1 : people;
    return OK;
}

enum err
announce_webinar(const struct announcer *announcer, const struct webinar *webinar,
    enum event_reason reason, struct announcement *ret, struct error *reterr)
{
    struct announcement announcement = {0};
    struct mango_list mangoes;
    CLEANUP(audience_done) struct audience audience;
    struct notice notice = {reason, &mangoes, &audience};
    enum err err;

    audience_init(&audience);
    err = mango_list_of_webinar(announcer->engine, webinar->pk, announcer->arena, &mangoes, reterr);
    if (err == OK)
        err =
            whole_audience(announcer, webinar, &mangoes, &audience, &announcement.audience, reterr);
    if (err == OK)
        err = append(announcer, webinar, &notice, &announcement, reterr);
    if (err == OK)
        *ret = announcement;
    return err;
}

/* The groups of the webinar beside the one that the newcomers came to. */
static enum err
other_groups(const struct announcer *announcer, const struct webinar *webinar,
    const struct mango_list *mangoes, int64_t group_pk, struct audience *audience,
    struct error *reterr)
{
    enum err err = OK;

    if (webinar->group_pk != group_pk)
        err = group_ranges(announcer->engine, webinar->group_pk, true, audience, reterr);
    for (size_t i = 0; err == OK && i < mangoes->count; i++) {
        if (mangoes->list[i].group_pk != group_pk)
            err =
                group_ranges(announcer->engine, mangoes->list[i].group_pk, true, audience, reterr);
    }
    return err;
}

enum err
announce_newcomers(const struct announcer *announcer, const struct webinar *webinar,
    struct audience_range newcomers, struct announcement *ret, struct error *reterr)
{
    struct announcement announcement = {0};
    struct mango_list mangoes;
    CLEANUP(audience_done) struct audience audience;
    struct notice notice = {EVENT_REGISTERED, &mangoes, &audience};
    enum err err;

    audience_init(&audience);
    err = mango_list_of_webinar(announcer->engine, webinar->pk, announcer->arena, &mangoes, reterr);
    if (err != OK)
        return err;
    if (audience_add(&audience, newcomers.group_pk, newcomers.lo, newcomers.hi, false) != OK)
        return error_set(reterr, ERR_NOMEM, "out of memory for an audience");
    err = other_groups(announcer, webinar, &mangoes, newcomers.group_pk, &audience, reterr);
    if (err != OK)
        return err;
    announcement.audience = audience.count > 1 ? -1 : newcomers.hi - newcomers.lo;
    err = append(announcer, webinar, &notice, &announcement, reterr);
    if (err == OK)
        *ret = announcement;
    return err;
}

static enum err
list_webinars(const struct announcer *announcer, const struct mango *mango,
    struct webinar_list *ret_webinars, struct announcement_list *ret, struct error *reterr)
{
    enum err err = webinar_list_of_mango(announcer->engine, mango->pk, announcer->now,
        announcer->arena, ret_webinars, reterr);

    if (err != OK)
        return err;
    ret->count = 0;
    ret->list = arena_alloc_array(announcer->arena, ret_webinars->count + 1, sizeof(*ret->list));
    if (ret->list == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a mango's webinars");
    return OK;
}

enum err
announce_joined(const struct announcer *announcer, const struct mango *mango,
    struct audience_range newcomers, struct announcement_list *ret, struct error *reterr)
{
    struct announcement_list list;
    struct webinar_list webinars;
    enum err err = list_webinars(announcer, mango, &webinars, &list, reterr);

    for (size_t i = 0; err == OK && i < webinars.count; i++) {
        if (tells_mangoes(&webinars.list[i]))
            err = announce_newcomers(announcer, &webinars.list[i], newcomers,
                &list.list[list.count++], reterr);
    }
    if (err == OK)
        *ret = list;
    return err;
}

/* Is the attendee in a group of the webinar other than this one? */
static enum err
is_held_elsewhere(const struct announcer *announcer, const struct webinar *webinar,
    int64_t group_pk, int64_t attendee_pk, bool *ret, struct error *reterr)
{
    struct mango_list mangoes;
    bool held = false;
    enum err err =
        mango_list_of_webinar(announcer->engine, webinar->pk, announcer->arena, &mangoes, reterr);

    if (err == OK && webinar->group_pk != group_pk)
        err = member_is_in(announcer->engine, webinar->group_pk, attendee_pk, &held, reterr);
    for (size_t i = 0; err == OK && !held && i < mangoes.count; i++) {
        if (mangoes.list[i].group_pk != group_pk)
            err = member_is_in(announcer->engine, mangoes.list[i].group_pk, attendee_pk, &held,
                reterr);
    }
    if (err == OK)
        *ret = held;
    return err;
}

enum err
announce_register(const struct announcer *announcer, const struct webinar *webinar,
    int64_t attendee_pk, bool notify, struct joining *ret, struct error *reterr)
{
    struct joining arrival = {0};
    struct audience_range newcomer = {.group_pk = webinar->group_pk};
    bool held = false;
    enum err err = member_add(announcer->engine, webinar->group_pk, attendee_pk, &newcomer.lo,
        &arrival.is_new, reterr);

    if (err == OK && arrival.is_new && notify)
        err = is_held_elsewhere(announcer, webinar, webinar->group_pk, attendee_pk, &held, reterr);
    if (err != OK)
        return err;
    if (arrival.is_new && notify && !held) {
        newcomer.hi = newcomer.lo + 1;
        arrival.announced.list = ARENA_NEW(announcer->arena, struct announcement);
        if (arrival.announced.list == NULL)
            return error_set(reterr, ERR_NOMEM, "out of memory for an event");
        err = announce_newcomers(announcer, webinar, newcomer, &arrival.announced.list[0], reterr);
        if (err != OK)
            return err;
        /* Nobody else can hold them: it is this one, whatever the other groups show. */
        arrival.announced.list[0].audience = 1;
        arrival.announced.count = 1;
    }
    *ret = arrival;
    return OK;
}

/* Does a hook ask for this mango's members alone? */
static enum err
mango_has_hooks(const struct announcer *announcer, const struct mango *mango, bool *ret,
    struct error *reterr)
{
    int64_t found = 0;
    enum err err = engine_get_int(announcer->engine, &found, reterr,
        "SELECT EXISTS (SELECT 1 FROM hook WHERE account_pk = ?1 AND status = 'enabled'"
        " AND mango_id = ?2)",
        v_int(mango->account_pk), v_id(&mango->id));

    if (err == OK)
        *ret = found != 0;
    return err;
}

static enum err
announce_one_joined(const struct announcer *announcer, const struct mango *mango,
    struct audience_range newcomer, int64_t attendee_pk, struct announcement_list *ret,
    struct error *reterr)
{
    struct announcement_list list;
    struct webinar_list webinars;
    bool has_hooks = false;
    enum err err = list_webinars(announcer, mango, &webinars, &list, reterr);

    if (err == OK)
        err = mango_has_hooks(announcer, mango, &has_hooks, reterr);
    for (size_t i = 0; err == OK && i < webinars.count; i++) {
        const struct webinar *webinar = &webinars.list[i];
        bool held = false;

        if (!tells_mangoes(webinar))
            continue;
        err = is_held_elsewhere(announcer, webinar, mango->group_pk, attendee_pk, &held, reterr);
        if (err != OK || (held && !has_hooks))
            continue;
        err = announce_newcomers(announcer, webinar, newcomer, &list.list[list.count], reterr);
        list.list[list.count++].audience = held ? -1 : 1;
    }
    if (err == OK)
        *ret = list;
    return err;
}

enum err
announce_join(const struct announcer *announcer, const struct mango *mango, int64_t attendee_pk,
    bool notify, struct joining *ret, struct error *reterr)
{
    struct joining arrival = {0};
    struct audience_range newcomer = {.group_pk = mango->group_pk};
    enum err err = member_add(announcer->engine, mango->group_pk, attendee_pk, &newcomer.lo,
        &arrival.is_new, reterr);

    if (err == OK && arrival.is_new && notify) {
        newcomer.hi = newcomer.lo + 1;
        err = announce_one_joined(announcer, mango, newcomer, attendee_pk, &arrival.announced,
            reterr);
    }
    if (err == OK)
        *ret = arrival;
    return err;
}
