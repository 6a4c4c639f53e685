/* SPDX-License-Identifier: Apache-2.0 */
#include "api/objects.h"
#include "domain/consultation.h"
#include "store/audience.h"
#include "store/events.h"

#define CONSULTATIONS "/api/v1/consultations"

/* A consultation with who it is for and what it is part of. */
struct booking {
    struct webinar webinar;
    struct mango_list mango;  /* none or one */
    struct attendee attendee; /* pk 0: erased since */
};

static void
write_booking(struct call *call, struct json_writer *writer, const struct booking *booking)
{
    struct id no_mango = {{0}};

    write_webinar_fields(writer, call->api->zones, &booking->webinar);
    json_field_id(writer, STR("mango"),
        booking->mango.count > 0 ? booking->mango.list[0].id : no_mango);
    json_name(writer, STR("attendee"));
    if (booking->attendee.pk != 0) {
        json_object_open(writer);
        write_attendee_fields(writer, &booking->attendee, NULL);
        json_object_close(writer);
    } else {
        json_null(writer);
    }
    json_field_time(writer, STR("createdAt"), booking->webinar.created);
    json_field_time(writer, STR("updatedAt"), booking->webinar.updated);
}

/* announcement NULL: it was not a change. */
static void
answer_booking(struct call *call, int status, const struct booking *booking,
    const struct announcement *announcement)
{
    struct json_writer writer = call_answer(call, status);

    call_etag(call, booking->webinar.updated);
    json_object_open(&writer);
    write_booking(call, &writer, booking);
    if (announcement != NULL)
        write_announcement(&writer, announcement);
    json_object_close(&writer);
}

/* What belongs to the webinar that is there already. */
static enum err
booking_fill(struct call *call, struct engine *engine, struct booking *inout)
{
    struct attendee_query query = {.account_pk = call->account_pk,
        .group_pk = inout->webinar.group_pk,
        .before_pk = INT64_MAX,
        .limit = 1};
    struct attendee_list list;
    enum err err = mango_list_of_webinar(engine, inout->webinar.pk, &call->arena, &inout->mango,
        &call->store_call.error);

    if (err == OK)
        err = attendee_list(engine, &query, &call->arena, &list, &call->store_call.error);
    if (err == OK && list.count > 0)
        inout->attendee = list.list[0];
    return err;
}

static enum err
get_booking(struct call *call, struct engine *engine, struct booking *ret)
{
    struct booking booking = {0};
    enum err err = path_webinar(call, engine, WEBINAR_CONSULTATION, &booking.webinar);

    if (err == OK)
        err = booking_fill(call, engine, &booking);
    if (err == OK)
        *ret = booking;
    return err;
}

/* Who is to be met: named by id, or described. */
static enum err
refer_attendee(struct call *call, struct engine *engine, const struct consultation_wish *wish,
    struct person *ret)
{
    struct field_reader reader;
    enum err err = OK;

    if (wish->attendee != NULL) {
        field_reader_start_at(&reader, wish->attendee, STR("/attendee"), &call->faults);
        err = person_read(call, engine, &reader, ret);
        field_reader_end(&reader);
    } else if (!id_is_zero(wish->attendee_id)) {
        err = attendee_get(engine, call->account_pk, wish->attendee_id, &call->arena,
            &ret->attendee, &call->store_call.error);
        ret->is_known = true;
        if (err == ERR_NOT_FOUND) {
            fault_add(&call->faults, STR("/attendee"),
                "there is no attendee with this id: give their name and email instead");
            err = OK;
        }
    }
    return err;
}

static enum err
refer_all(struct call *call, struct engine *engine, struct booking *inout,
    const struct consultation_wish *wish, struct person *ret_person)
{
    struct webinar *webinar = &inout->webinar;
    const struct zone *zone = NULL;
    enum err err = OK;

    if (webinar->timezone.ptr != NULL)
        err = refer_zone(call, STR("/timezone"), webinar->timezone, &zone);
    if (zone != NULL && webinar->from.is_given && webinar->to.is_given)
        webinar_resolve(webinar, zone, &call->faults);
    if (err == OK && wish->mango.is_given)
        inout->mango =
            (struct mango_list){ARENA_NEW(&call->arena, struct mango), wish->mango.count};
    if (err == OK && wish->mango.count > 0 && inout->mango.list != NULL)
        err = refer_mango(call, engine, STR("/mango"), wish->mango.ids[0], &inout->mango.list[0]);
    if (err == OK)
        err = refer_attendee(call, engine, wish, ret_person);
    return err == OK && call->faults.count > 0 ? call_refuse(call) : err;
}

static enum err
meet(struct call *call, struct engine *engine, struct booking *booking, struct person *person)
{
    int64_t ord;
    bool added;
    enum err err = person_save(call, engine, person);

    if (err == OK)
        err = member_add(engine, booking->webinar.group_pk, person->attendee.pk, &ord, &added,
            &call->store_call.error);
    if (err == OK)
        booking->attendee = person->attendee;
    return err;
}

static enum err
create_consultation(struct call *call, struct engine *engine)
{
    struct booking booking = {
        .webinar = {.account_pk = call->account_pk, .kind = WEBINAR_CONSULTATION}};
    struct webinar *webinar = &booking.webinar;
    struct consultation_wish wish;
    struct person person = {0};
    struct announcement announcement = {0};
    enum err err;

    consultation_read(webinar, &wish, call->body, false, &call->faults);
    err = refer_all(call, engine, &booking, &wish, &person);
    if (err != OK)
        return err;
    if (id_is_zero(webinar->id))
        webinar->id = id_make(call->api->ids, call->now);
    webinar->created = webinar->updated = call->now;
    err = webinar_insert(engine, webinar, &call->store_call.error);
    if (err == OK)
        err = webinar_mangoes_set(engine, webinar->pk, &booking.mango, &call->store_call.error);
    if (err == OK)
        err = meet(call, engine, &booking, &person);
    if (err == OK && wish.notify)
        err = tell_audience(call, engine, webinar, EVENT_BOOKED, &announcement);
    if (err == OK)
        answer_booking(call, 201, &booking, &announcement);
    return err;
}

static enum err
show_consultation(struct call *call, struct engine *engine)
{
    struct booking booking;
    enum err err = get_booking(call, engine, &booking);

    if (err == OK)
        answer_booking(call, 200, &booking, NULL);
    return err;
}

static enum err
write_listed_booking(struct call *call, struct engine *engine, struct json_writer *writer,
    const struct webinar *webinar)
{
    struct booking booking = {.webinar = *webinar};
    enum err err = booking_fill(call, engine, &booking);

    if (err == OK) {
        json_object_open(writer);
        write_booking(call, writer, &booking);
        json_object_close(writer);
    }
    return err;
}

static enum err
list_consultations(struct call *call, struct engine *engine)
{
    return answer_webinars(call, engine, WEBINAR_CONSULTATION, write_listed_booking);
}

static bool
is_same_booking(const struct booking *a, const struct booking *b, const struct person *person)
{
    if (person->attendee.pk != 0 && person->attendee.pk != a->attendee.pk)
        return false;
    if (a->mango.count != b->mango.count ||
        (a->mango.count > 0 && a->mango.list[0].pk != b->mango.list[0].pk))
        return false;
    return webinar_is_same(&a->webinar, &b->webinar);
}

/* Somebody else comes instead. */
static enum err
replace_attendee(struct call *call, struct engine *engine, struct booking *booking,
    struct person *person)
{
    int64_t sequence = 0;
    enum err err = OK;

    if (person->attendee.pk == 0 || person->attendee.pk == booking->attendee.pk)
        return OK;
    if (booking->attendee.pk != 0) {
        err = sequence_next(engine, call->now, &sequence, &call->store_call.error);
        if (err == OK)
            err = member_leave(engine, booking->webinar.group_pk, booking->attendee.pk, sequence,
                &call->store_call.error);
    }
    return err == OK ? meet(call, engine, booking, person) : err;
}

static enum err
change_consultation(struct call *call, struct engine *engine)
{
    struct booking old;
    struct booking booking;
    struct consultation_wish wish;
    struct person person = {0};
    struct announcement announcement = {0};
    enum err err = get_booking(call, engine, &old);

    if (err == OK)
        err = call_if_match(call, old.webinar.updated);
    if (err != OK)
        return err;
    booking = old;
    consultation_read(&booking.webinar, &wish, call->body, true, &call->faults);
    err = refer_all(call, engine, &booking, &wish, &person);
    if (err != OK)
        return err;
    if (is_same_booking(&old, &booking, &person)) {
        answer_booking(call, 200, &old, &announcement);
        return OK;
    }
    booking.webinar.updated = call_later(call, old.webinar.updated);
    err = webinar_update(engine, &booking.webinar, &call->store_call.error);
    if (err == OK)
        err = webinar_mangoes_set(engine, booking.webinar.pk, &booking.mango,
            &call->store_call.error);
    if (err == OK)
        err = replace_attendee(call, engine, &booking, &person);
    if (err == OK && wish.notify)
        err = tell_audience(call, engine, &booking.webinar, EVENT_UPDATED, &announcement);
    if (err == OK)
        answer_booking(call, 200, &booking, &announcement);
    return err;
}

static enum err
delete_consultation(struct call *call, struct engine *engine)
{
    struct webinar webinar;
    enum err err = path_webinar(call, engine, WEBINAR_CONSULTATION, &webinar);

    return err == OK ? cancel_webinar(call, engine, &webinar) : err;
}

static const struct route routes[] = {
    {.method = "POST",
        .path = CONSULTATIONS,
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = create_consultation},
    {.method = "GET",
        .path = CONSULTATIONS,
        .scope = SCOPE_READ,
        .query = "limit cursor from to mango after before",
        .perform = list_consultations},
    {.method = "GET",
        .path = CONSULTATIONS "/{id}",
        .scope = SCOPE_READ,
        .perform = show_consultation},
    {.method = "PATCH",
        .path = CONSULTATIONS "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .perform = change_consultation},
    {.method = "DELETE",
        .path = CONSULTATIONS "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = delete_consultation},
};

const struct route_table api_consultation_routes = {routes, COUNT_OF(routes)};
