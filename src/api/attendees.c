/* SPDX-License-Identifier: Apache-2.0 */
#include "store/attendees.h"

#include "api/objects.h"
#include "store/audience.h"
#include "store/events.h"

#define ATTENDEES "/api/v1/attendees"

/* announced NULL: nothing can have been. */
static enum err
answer_attendee(struct call *call, struct engine *engine, int status,
    const struct attendee *attendee, const struct announcement_list *announced)
{
    struct json_writer writer;
    struct mango_list mangoes;
    enum err err = mango_list_of_attendee(engine, attendee->pk, &call->arena, &mangoes,
        &call->store_call.error);

    if (err != OK)
        return err;
    call_etag(call, attendee->updated);
    writer = call_answer(call, status);
    json_object_open(&writer);
    write_attendee_fields(&writer, attendee, &mangoes);
    if (announced != NULL)
        write_announcements(&writer, announced);
    json_object_close(&writer);
    return OK;
}

/* Read the body over the attendee and find what it names. */
static enum err
read_body(struct call *call, struct engine *engine, bool is_patch, struct attendee *inout,
    struct attendee_wish *ret_wish, struct mango_list *ret_mangoes)
{
    struct str old_zone = inout->timezone;
    const struct zone *zone;
    enum err err = OK;

    attendee_read(inout, ret_wish, call->body, is_patch, &call->faults);
    if (inout->timezone.ptr != NULL && !str_equals(inout->timezone, old_zone))
        err = refer_zone(call, STR("/timezone"), inout->timezone, &zone);
    if (err == OK)
        err = refer_mangoes(call, engine, STR("/mangoes"), &ret_wish->mangoes, ret_mangoes);
    return err == OK && call->faults.count > 0 ? call_refuse(call) : err;
}

static bool
is_in_list(const struct mango_list *list, int64_t mango_pk)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->list[i].pk == mango_pk)
            return true;
    }
    return false;
}

static enum err
announced_add(struct call *call, struct announcement_list *inout,
    const struct announcement_list *more)
{
    struct announcement *list =
        arena_alloc_array(&call->arena, inout->count + more->count + 1, sizeof(*list));

    if (list == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for events");
    for (size_t i = 0; i < inout->count; i++)
        list[i] = inout->list[i];
    for (size_t i = 0; i < more->count; i++)
        list[inout->count + i] = more->list[i];
    inout->list = list;
    inout->count += more->count;
    return OK;
}

/* Join those that they are not a member of yet. */
static enum err
join_mangoes(struct call *call, struct engine *engine, const struct attendee *attendee,
    const struct mango_list *mangoes, bool notify, struct announcement_list *ret)
{
    struct announcer announcer = call_announcer(call, engine);
    struct announcement_list announced = {0};
    enum err err = OK;

    for (size_t i = 0; err == OK && i < mangoes->count; i++) {
        struct joining arrival;

        err = announce_join(&announcer, &mangoes->list[i], attendee->pk, notify, &arrival,
            &call->store_call.error);
        if (err == OK)
            err = announced_add(call, &announced, &arrival.announced);
    }
    if (err != OK)
        return err;
    wake_for_all(call, &announced);
    *ret = announced;
    return OK;
}

/* Leave those that are not in the list. */
static enum err
leave_mangoes(struct call *call, struct engine *engine, const struct attendee *attendee,
    const struct mango_list *old, const struct mango_list *kept)
{
    int64_t sequence = 0;
    enum err err = OK;

    for (size_t i = 0; err == OK && i < old->count; i++) {
        if (is_in_list(kept, old->list[i].pk))
            continue;
        if (sequence == 0)
            err = sequence_next(engine, call->now, &sequence, &call->store_call.error);
        if (err == OK)
            err = member_leave(engine, old->list[i].group_pk, attendee->pk, sequence,
                &call->store_call.error);
    }
    return err;
}

static enum err
create_attendee(struct call *call, struct engine *engine)
{
    struct attendee attendee = {.account_pk = call->account_pk};
    struct attendee_wish wish;
    struct mango_list mangoes = {0};
    struct announcement_list announced;
    enum err err = read_body(call, engine, false, &attendee, &wish, &mangoes);

    if (err != OK)
        return err;
    if (id_is_zero(attendee.id))
        attendee.id = id_make(call->api->ids, call->now);
    attendee.created = attendee.updated = call->now;
    err = attendee_insert(engine, &attendee, &call->store_call.error);
    if (err == OK)
        err = join_mangoes(call, engine, &attendee, &mangoes, wish.notify, &announced);
    if (err == OK)
        err = answer_attendee(call, engine, 201, &attendee, &announced);
    return err;
}

static enum err
show_attendee(struct call *call, struct engine *engine)
{
    struct attendee attendee;
    enum err err = path_attendee(call, engine, 0, &attendee);

    return err == OK ? answer_attendee(call, engine, 200, &attendee, NULL) : err;
}

static enum err
list_attendees(struct call *call, struct engine *engine)
{
    struct attendee_query query = {.email = call_query(call, STR("email"))};

    if (query.email.ptr != NULL) {
        const char *wrong = email_is_wrong(query.email);

        if (wrong != NULL)
            fault_add(&call->faults, STR("?email"), "%s", wrong);
    }
    return answer_attendees(call, engine, &query);
}

/* Its mangoes are part of it: another list is a change, for which a newer ETag stands. */
static enum err
save_attendee(struct call *call, struct engine *engine, const struct attendee *old,
    bool has_other_mangoes, struct attendee *inout)
{
    if (attendee_is_same(inout, old) && !has_other_mangoes)
        return OK;
    inout->updated = call_later(call, old->updated);
    return attendee_update(engine, inout, &call->store_call.error);
}

static bool
has_same_mangoes(const struct mango_list *a, const struct mango_list *b)
{
    bool is_same = a->count == b->count;

    for (size_t i = 0; is_same && i < a->count; i++)
        is_same = is_in_list(b, a->list[i].pk);
    return is_same;
}

static enum err
change_attendee(struct call *call, struct engine *engine)
{
    struct attendee old;
    struct attendee attendee;
    struct attendee_wish wish;
    struct mango_list old_mangoes = {0};
    struct mango_list mangoes = {0};
    struct announcement_list announced = {0};
    enum err err = path_attendee(call, engine, 0, &old);

    if (err == OK)
        err = call_if_match(call, old.updated);
    if (err != OK)
        return err;
    attendee = old;
    err = read_body(call, engine, true, &attendee, &wish, &mangoes);
    if (err == OK && wish.mangoes.is_given)
        err = mango_list_of_attendee(engine, attendee.pk, &call->arena, &old_mangoes,
            &call->store_call.error);
    if (err == OK)
        err =
            save_attendee(call, engine, &old, !has_same_mangoes(&mangoes, &old_mangoes), &attendee);
    if (err == OK && wish.mangoes.is_given) {
        err = leave_mangoes(call, engine, &attendee, &old_mangoes, &mangoes);
        if (err == OK)
            err = join_mangoes(call, engine, &attendee, &mangoes, wish.notify, &announced);
    }
    return err == OK ? answer_attendee(call, engine, 200, &attendee, &announced) : err;
}

static enum err
erase_attendee(struct call *call, struct engine *engine)
{
    struct attendee attendee;
    enum err err = path_attendee(call, engine, 0, &attendee);

    if (err == OK)
        err = call_if_match(call, attendee.updated);
    if (err == OK)
        err = attendee_erase(engine, &attendee, &call->store_call.error);
    if (err == OK) {
        call->erased = attendee.pk;
        (void)call_answer(call, 204);
    }
    return err;
}

static const struct route routes[] = {
    {.method = "POST",
        .path = ATTENDEES,
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = create_attendee},
    {.method = "GET",
        .path = ATTENDEES,
        .scope = SCOPE_READ,
        .query = "limit cursor email after before",
        .perform = list_attendees},
    {.method = "GET", .path = ATTENDEES "/{id}", .scope = SCOPE_READ, .perform = show_attendee},
    {.method = "PATCH",
        .path = ATTENDEES "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = change_attendee},
    {.method = "DELETE",
        .path = ATTENDEES "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = erase_attendee},
};

const struct route_table api_attendee_routes = {routes, COUNT_OF(routes)};
