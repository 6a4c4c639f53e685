/* SPDX-License-Identifier: Apache-2.0 */
#include "store/webinars.h"

#include <stdlib.h>

#include "api/objects.h"
#include "store/audience.h"
#include "store/events.h"

#define WEBINARS "/api/v1/webinars"

static void
write_webinar(struct call *call, struct json_writer *writer, const struct webinar *webinar,
    const struct mango_list *mangoes)
{
    write_webinar_fields(writer, call->api->zones, webinar);
    write_ids(writer, STR("mangoes"), mangoes);
    json_field_time(writer, STR("createdAt"), webinar->created);
    json_field_time(writer, STR("updatedAt"), webinar->updated);
}

/* announcement NULL: it was not a change. */
static void
answer_webinar(struct call *call, int status, const struct webinar *webinar,
    const struct mango_list *mangoes, const struct announcement *announcement)
{
    struct json_writer writer = call_answer(call, status);

    call_etag(call, webinar->updated);
    json_object_open(&writer);
    write_webinar(call, &writer, webinar, mangoes);
    if (announcement != NULL)
        write_announcement(&writer, announcement);
    json_object_close(&writer);
}

/* Everything that a body names, and its times by the clock of its zone. */
static enum err
refer_all(struct call *call, struct engine *engine, struct webinar *inout,
    const struct webinar_wish *wish, struct mango_list *ret_mangoes,
    struct attendee_list *ret_attendees)
{
    const struct zone *zone = NULL;
    enum err err = OK;

    if (inout->timezone.ptr != NULL)
        err = refer_zone(call, STR("/timezone"), inout->timezone, &zone);
    if (zone != NULL && inout->from.is_given && inout->to.is_given)
        webinar_resolve(inout, zone, &call->faults);
    if (err == OK)
        err = refer_mangoes(call, engine, STR("/mangoes"), &wish->mangoes, ret_mangoes);
    if (err == OK)
        err = refer_attendees(call, engine, STR("/attendees"), &wish->attendees, ret_attendees);
    return err == OK && call->faults.count > 0 ? call_refuse(call) : err;
}

static int
compare_pks(const void *a, const void *b)
{
    const struct attendee *left = a;
    const struct attendee *right = b;

    return left->pk < right->pk ? -1 : left->pk > right->pk;
}

/* All of them from the start, numbered in the order of their rows, so that a chunk of them lies
 * together. The group is new: nobody is in it. */
static enum err
register_all(struct call *call, struct engine *engine, const struct webinar *webinar,
    struct attendee_list *attendees)
{
    int64_t lo = 0;
    enum err err = group_reserve(engine, webinar->group_pk, (int64_t)attendees->count, &lo,
        &call->store_call.error);

    qsort(attendees->list, attendees->count, sizeof(*attendees->list), compare_pks);
    for (size_t i = 0; err == OK && i < attendees->count; i++) {
        bool added;

        err = member_place(engine, webinar->group_pk, lo + (int64_t)i, attendees->list[i].pk,
            &added, &call->store_call.error);
    }
    if (err == OK)
        err = group_publish(engine, webinar->group_pk, lo, lo + (int64_t)attendees->count,
            &call->store_call.error);
    return err;
}

static enum err
create_webinar(struct call *call, struct engine *engine)
{
    struct webinar webinar = {.account_pk = call->account_pk, .kind = WEBINAR_MANY};
    struct webinar_wish wish;
    struct mango_list mangoes = {0};
    struct attendee_list attendees = {0};
    struct announcement announcement = {0};
    enum err err;

    webinar_read(&webinar, &wish, call->body, false, &call->faults);
    err = refer_all(call, engine, &webinar, &wish, &mangoes, &attendees);
    if (err != OK)
        return err;
    if (id_is_zero(webinar.id))
        webinar.id = id_make(call->api->ids, call->now);
    webinar.created = webinar.updated = call->now;
    err = webinar_insert(engine, &webinar, &call->store_call.error);
    if (err == OK)
        err = webinar_mangoes_set(engine, webinar.pk, &mangoes, &call->store_call.error);
    if (err == OK)
        err = register_all(call, engine, &webinar, &attendees);
    if (err == OK && wish.notify)
        err = tell_audience(call, engine, &webinar, EVENT_CREATED, &announcement);
    if (err == OK)
        answer_webinar(call, 201, &webinar, &mangoes, &announcement);
    return err;
}

static enum err
get_webinar(struct call *call, struct engine *engine, struct webinar *ret,
    struct mango_list *ret_mangoes)
{
    enum err err = path_webinar(call, engine, WEBINAR_MANY, ret);

    if (err == OK)
        err = mango_list_of_webinar(engine, ret->pk, &call->arena, ret_mangoes,
            &call->store_call.error);
    return err;
}

static enum err
show_webinar(struct call *call, struct engine *engine)
{
    struct webinar webinar;
    struct mango_list mangoes;
    enum err err = get_webinar(call, engine, &webinar, &mangoes);

    if (err == OK)
        answer_webinar(call, 200, &webinar, &mangoes, NULL);
    return err;
}

static enum err
write_listed_webinar(struct call *call, struct engine *engine, struct json_writer *writer,
    const struct webinar *webinar)
{
    struct mango_list mangoes;
    enum err err =
        mango_list_of_webinar(engine, webinar->pk, &call->arena, &mangoes, &call->store_call.error);

    if (err == OK) {
        json_object_open(writer);
        write_webinar(call, writer, webinar, &mangoes);
        json_object_close(writer);
    }
    return err;
}

static enum err
list_webinars(struct call *call, struct engine *engine)
{
    return answer_webinars(call, engine, WEBINAR_MANY, write_listed_webinar);
}

static bool
is_same_list(const struct mango_list *a, const struct mango_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->list[i].pk != b->list[i].pk)
            return false;
    }
    return true;
}

/* Not a word goes out for a request that changes nothing. */
static enum err
save_change(struct call *call, struct engine *engine, struct webinar *webinar,
    const struct mango_list *mangoes, bool notify, struct announcement *inout)
{
    enum err err;

    webinar->updated = call_later(call, webinar->updated);
    err = webinar_update(engine, webinar, &call->store_call.error);
    if (err == OK)
        err = webinar_mangoes_set(engine, webinar->pk, mangoes, &call->store_call.error);
    if (err == OK && notify)
        err = tell_audience(call, engine, webinar, EVENT_UPDATED, inout);
    return err;
}

static enum err
change_webinar(struct call *call, struct engine *engine)
{
    struct webinar old;
    struct webinar webinar;
    struct webinar_wish wish;
    struct mango_list old_mangoes;
    struct mango_list mangoes = {0};
    struct attendee_list nobody = {0};
    struct announcement announcement = {0};
    enum err err = get_webinar(call, engine, &old, &old_mangoes);

    if (err == OK)
        err = call_if_match(call, old.updated);
    if (err != OK)
        return err;
    webinar = old;
    webinar_read(&webinar, &wish, call->body, true, &call->faults);
    err = refer_all(call, engine, &webinar, &wish, &mangoes, &nobody);
    if (err != OK)
        return err;
    if (!wish.mangoes.is_given)
        mangoes = old_mangoes;
    if (!webinar_is_same(&webinar, &old) || !is_same_list(&mangoes, &old_mangoes))
        err = save_change(call, engine, &webinar, &mangoes, wish.notify, &announcement);
    else
        webinar = old;
    if (err == OK)
        answer_webinar(call, 200, &webinar, &mangoes, &announcement);
    return err;
}

static enum err
delete_webinar(struct call *call, struct engine *engine)
{
    struct webinar webinar;
    enum err err = path_webinar(call, engine, WEBINAR_MANY, &webinar);

    return err == OK ? cancel_webinar(call, engine, &webinar) : err;
}

static enum err
list_registered(struct call *call, struct engine *engine)
{
    struct attendee_query query = {0};
    struct webinar webinar;
    enum err err = path_webinar(call, engine, WEBINAR_MANY, &webinar);

    if (err != OK)
        return err;
    query.group_pk = webinar.group_pk;
    return answer_attendees(call, engine, &query);
}

static enum err
register_attendee(struct call *call, struct engine *engine)
{
    struct announcer announcer = call_announcer(call, engine);
    struct newcomer_wish wish;
    struct joining arrival;
    struct webinar webinar;
    enum err err = path_webinar(call, engine, WEBINAR_MANY, &webinar);

    if (err == OK)
        err = read_newcomer(call, engine, &wish);
    if (err == OK)
        err = announce_register(&announcer, &webinar, wish.person.attendee.pk, wish.notify,
            &arrival, &call->store_call.error);
    if (err == OK)
        err = answer_newcomer(call, engine, &wish.person.attendee, &arrival, false);
    return err;
}

static enum err
unregister_attendee(struct call *call, struct engine *engine)
{
    struct webinar webinar;
    enum err err = path_webinar(call, engine, WEBINAR_MANY, &webinar);

    return err == OK ? leave_group(call, engine, webinar.group_pk) : err;
}

static const struct route routes[] = {
    {.method = "POST",
        .path = WEBINARS,
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = create_webinar},
    {.method = "GET",
        .path = WEBINARS,
        .scope = SCOPE_READ,
        .query = "limit cursor from to mango after before",
        .perform = list_webinars},
    {.method = "GET", .path = WEBINARS "/{id}", .scope = SCOPE_READ, .perform = show_webinar},
    {.method = "PATCH",
        .path = WEBINARS "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = change_webinar},
    {.method = "DELETE",
        .path = WEBINARS "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = delete_webinar},
    {.method = "GET",
        .path = WEBINARS "/{id}/attendees",
        .scope = SCOPE_READ,
        .query = "limit cursor after before",
        .perform = list_registered},
    {.method = "POST",
        .path = WEBINARS "/{id}/attendees",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = register_attendee},
    {.method = "DELETE",
        .path = WEBINARS "/{id}/attendees/{attendee}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = unregister_attendee},
};

const struct route_table api_webinar_routes = {routes, COUNT_OF(routes)};
