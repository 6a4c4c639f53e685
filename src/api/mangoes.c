/* SPDX-License-Identifier: Apache-2.0 */
#include "store/mangoes.h"

#include "api/objects.h"

#define MANGOES "/api/v1/mangoes"

/* How many of the webinars that stand in the way of a deletion are named. */
#define NAMED_WEBINARS_MAX 8

static void
answer_mango(struct call *call, int status, const struct mango *mango)
{
    struct json_writer writer = call_answer(call, status);

    call_etag(call, mango->updated);
    write_mango(&writer, mango);
}

static enum err
create_mango(struct call *call, struct engine *engine)
{
    struct mango mango = {.account_pk = call->account_pk};
    enum err err;

    mango_read(&mango, call->body, false, &call->faults);
    if (call->faults.count > 0)
        return call_refuse(call);
    if (id_is_zero(mango.id))
        mango.id = id_make(call->api->ids, call->now);
    mango.created = mango.updated = call->now;
    err = mango_insert(engine, &mango, &call->store_call.error);
    if (err == OK)
        answer_mango(call, 201, &mango);
    return err;
}

static enum err
show_mango(struct call *call, struct engine *engine)
{
    struct mango mango;
    enum err err = path_mango(call, engine, &mango);

    if (err == OK)
        answer_mango(call, 200, &mango);
    return err;
}

static enum err
list_mangoes(struct call *call, struct engine *engine)
{
    struct mango_query query = {.account_pk = call->account_pk};
    struct mango_list list;
    struct json_writer writer;
    struct page page;
    size_t shown;
    bool is_page_right = call_page(call, &page) == OK;
    enum err err;

    call_query_time(call, STR("after"), &query.after);
    call_query_time(call, STR("before"), &query.before);
    if (!is_page_right || call->faults.count > 0)
        return call_refuse(call);
    query.before_pk = page.before_pk;
    query.limit = page.limit + 1;
    err = mango_list(engine, &query, &call->arena, &list, &call->store_call.error);
    if (err != OK)
        return err;

    shown = page_shown(&page, list.count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < shown; i++)
        write_mango(&writer, &list.list[i]);
    page_close(call, &writer, list.count > shown, shown > 0 ? list.list[shown - 1].pk : 0);
    return OK;
}

static enum err
change_mango(struct call *call, struct engine *engine)
{
    struct mango mango;
    struct str old_name;
    enum err err = path_mango(call, engine, &mango);

    if (err == OK)
        err = call_if_match(call, mango.updated);
    if (err != OK)
        return err;
    old_name = mango.name;
    mango_read(&mango, call->body, true, &call->faults);
    if (call->faults.count > 0)
        return call_refuse(call);
    if (!str_equals(old_name, mango.name)) {
        mango.updated = call_later(call, mango.updated);
        err = mango_update(engine, &mango, &call->store_call.error);
    }
    if (err == OK)
        answer_mango(call, 200, &mango);
    return err;
}

static enum err
refuse_in_use(struct call *call, const struct webinar_list *webinars)
{
    struct str ids = STR("");
    char text[ID_TEXT_BYTES];

    for (size_t i = 0; i < webinars->count && i < NAMED_WEBINARS_MAX; i++) {
        id_format(webinars->list[i].id, text);
        ids = arena_printf(&call->arena, "%.*s%s%s", STR_FMT(ids), i > 0 ? ", " : "", text);
    }
    if (webinars->count > NAMED_WEBINARS_MAX)
        return call_problem(call, 409,
            "in use by %zu webinars and consultations that have not ended: take it off them first; "
            "the first of them are %.*s",
            webinars->count, STR_FMT(ids));
    return call_problem(call, 409,
        "in use by what has not ended: take it off these webinars and consultations first: %.*s",
        STR_FMT(ids));
}

static enum err
delete_mango(struct call *call, struct engine *engine)
{
    struct mango mango;
    struct webinar_list webinars;
    enum err err = path_mango(call, engine, &mango);

    if (err == OK)
        err = call_if_match(call, mango.updated);
    if (err == OK)
        err = webinar_list_of_mango(engine, mango.pk, call->now, &call->arena, &webinars,
            &call->store_call.error);
    if (err != OK)
        return err;
    if (webinars.count > 0)
        return refuse_in_use(call, &webinars);
    err = mango_delete(engine, &mango, &call->store_call.error);
    if (err == OK)
        (void)call_answer(call, 204);
    return err;
}

static enum err
list_members(struct call *call, struct engine *engine)
{
    struct attendee_query query = {0};
    struct mango mango;
    enum err err = path_mango(call, engine, &mango);

    if (err != OK)
        return err;
    query.group_pk = mango.group_pk;
    return answer_attendees(call, engine, &query);
}

static enum err
add_member(struct call *call, struct engine *engine)
{
    struct announcer announcer = call_announcer(call, engine);
    struct newcomer_wish wish;
    struct joining arrival;
    struct mango mango;
    enum err err = path_mango(call, engine, &mango);

    if (err == OK)
        err = read_newcomer(call, engine, &wish);
    if (err == OK)
        err = announce_join(&announcer, &mango, wish.person.attendee.pk, wish.notify, &arrival,
            &call->store_call.error);
    if (err == OK)
        err = answer_newcomer(call, engine, &wish.person.attendee, &arrival, true);
    return err;
}

static enum err
remove_member(struct call *call, struct engine *engine)
{
    struct mango mango;
    enum err err = path_mango(call, engine, &mango);

    return err == OK ? leave_group(call, engine, mango.group_pk) : err;
}

static const struct route routes[] = {
    {.method = "POST",
        .path = MANGOES,
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = create_mango},
    {.method = "GET",
        .path = MANGOES,
        .scope = SCOPE_READ,
        .query = "limit cursor after before",
        .perform = list_mangoes},
    {.method = "GET", .path = MANGOES "/{id}", .scope = SCOPE_READ, .perform = show_mango},
    {.method = "PATCH",
        .path = MANGOES "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = change_mango},
    {.method = "DELETE",
        .path = MANGOES "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = delete_mango},
    {.method = "GET",
        .path = MANGOES "/{id}/attendees",
        .scope = SCOPE_READ,
        .query = "limit cursor after before",
        .perform = list_members},
    {.method = "POST",
        .path = MANGOES "/{id}/attendees",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = add_member},
    {.method = "DELETE",
        .path = MANGOES "/{id}/attendees/{attendee}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = remove_member},
};

const struct route_table api_mango_routes = {routes, COUNT_OF(routes)};
