/* SPDX-License-Identifier: Apache-2.0 */
#include "api/objects.h"

#include <string.h>

#include "store/audience.h"
#include "store/hooks.h"

/* --- out --- */

struct str
safe_text(struct arena *arena, struct str bytes)
{
    size_t len = 0;
    char *text;

    if (str_is_utf8(bytes))
        return bytes;
    text = arena_alloc_array(arena, bytes.len, 3);
    if (text == NULL)
        return (struct str){NULL, 0};
    for (size_t i = 0; i < bytes.len; i++) {
        if ((unsigned char)bytes.ptr[i] < 0x80) {
            text[len++] = bytes.ptr[i];
        } else {
            memcpy(text + len, "\xef\xbf\xbd", 3);
            len += 3;
        }
    }
    return (struct str){text, len};
}

void
write_mango(struct json_writer *writer, const struct mango *mango)
{
    json_object_open(writer);
    json_field_id(writer, STR("id"), mango->id);
    json_field_str(writer, STR("name"), mango->name);
    json_field_time(writer, STR("createdAt"), mango->created);
    json_field_time(writer, STR("updatedAt"), mango->updated);
    json_object_close(writer);
}

void
write_ids(struct json_writer *writer, struct str name, const struct mango_list *mangoes)
{
    json_name(writer, name);
    json_array_open(writer);
    for (size_t i = 0; i < mangoes->count; i++)
        json_id(writer, mangoes->list[i].id);
    json_array_close(writer);
}

void
write_attendee_fields(struct json_writer *writer, const struct attendee *attendee,
    const struct mango_list *mangoes)
{
    json_field_id(writer, STR("id"), attendee->id);
    json_field_str(writer, STR("name"), attendee->name);
    json_field_str(writer, STR("email"), attendee->email);
    json_field_str(writer, STR("phone"), attendee->phone);
    json_field_str(writer, STR("timezone"), attendee->timezone);
    if (mangoes != NULL)
        write_ids(writer, STR("mangoes"), mangoes);
    json_field_time(writer, STR("createdAt"), attendee->created);
    json_field_time(writer, STR("updatedAt"), attendee->updated);
}

/* "2024-03-15T15:30:00", with milliseconds where there are any. */
static void
write_local(struct json_writer *writer, struct str name, struct walltime at,
    const struct zone *zone)
{
    char text[WALLTIME_TEXT_BYTES];
    struct str local;

    civil_format(civil_at(at, zone_offset_minutes_at(zone, at)), text);
    local = str_slice(str_from(text), 0, WALLTIME_TEXT_BYTES - 2); /* without its Z */
    if (str_ends(local, STR(".000")))
        local.len -= 4;
    json_field_str(writer, name, local);
}

static void
write_local_times(struct json_writer *writer, const struct webinar *webinar,
    const struct zone *zone)
{
    char offset[UTC_OFFSET_TEXT_BYTES];
    enum zone_adjusted adjusted = ZONE_ADJUSTED_NONE;

    if (webinar->to.is_wall)
        adjusted = zone_resolve(zone, webinar->to.wall).adjusted;
    if (webinar->from.is_wall && zone_resolve(zone, webinar->from.wall).adjusted != 0)
        adjusted = zone_resolve(zone, webinar->from.wall).adjusted;
    utc_offset_format(zone_offset_minutes_at(zone, webinar->from.at), offset);
    write_local(writer, STR("fromLocal"), webinar->from.at, zone);
    write_local(writer, STR("toLocal"), webinar->to.at, zone);
    json_field_str(writer, STR("offset"), str_from(offset));
    json_field_str(writer, STR("adjusted"), str_from(zone_adjusted_name(adjusted)));
}

void
write_webinar_fields(struct json_writer *writer, struct zones *zones, const struct webinar *webinar)
{
    static const struct str local_names[] = {{"fromLocal", 9}, {"toLocal", 7}, {"offset", 6},
        {"adjusted", 8}};
    const struct zone *zone = NULL;

    json_field_id(writer, STR("id"), webinar->id);
    json_field_str(writer, STR("title"), webinar->title);
    json_field_str(writer, STR("link"), webinar->link);
    json_field_time(writer, STR("from"), webinar->from.at);
    json_field_time(writer, STR("to"), webinar->to.at);
    json_field_str(writer, STR("timezone"), webinar->timezone);
    if (zones_get(zones, webinar->timezone, &zone, NULL) == OK) {
        write_local_times(writer, webinar, zone);
        return;
    }
    /* The time zone database has lost a name that it had. */
    for (size_t i = 0; i < COUNT_OF(local_names); i++) {
        json_name(writer, local_names[i]);
        json_null(writer);
    }
}

void
write_announcement(struct json_writer *writer, const struct announcement *announcement)
{
    json_name(writer, STR("event"));
    if (announcement == NULL || id_is_zero(announcement->event)) {
        json_null(writer);
        return;
    }
    json_object_open(writer);
    json_field_id(writer, STR("id"), announcement->event);
    json_field_int(writer, STR("hooks"), (int64_t)announcement->hook_count);
    json_name(writer, STR("audience"));
    if (announcement->audience >= 0)
        json_int(writer, announcement->audience);
    else
        json_null(writer);
    json_object_close(writer);
}

void
write_announcements(struct json_writer *writer, const struct announcement_list *list)
{
    json_name(writer, STR("events"));
    json_array_open(writer);
    for (size_t i = 0; i < list->count; i++)
        json_id(writer, list->list[i].event);
    json_array_close(writer);
}

/* --- in --- */

enum err
refer_zone(struct call *call, struct str pointer, struct str name, const struct zone **ret)
{
    struct error error = {.code = OK};
    const struct zone *zone = NULL;
    enum err err = zones_get(call->api->zones, name, &zone, &error);

    if (err != OK && err != ERR_NOT_FOUND) {
        call->store_call.error = error;
        return err;
    }
    if (err == ERR_NOT_FOUND)
        fault_add(&call->faults, pointer, "%s", error.text);
    *ret = zone;
    return OK;
}

enum err
refer_mango(struct call *call, struct engine *engine, struct str pointer, struct id id,
    struct mango *ret)
{
    enum err err =
        mango_get(engine, call->account_pk, id, &call->arena, ret, &call->store_call.error);

    if (err != ERR_NOT_FOUND)
        return err;
    fault_add(&call->faults, pointer, "there is no mango with this id: make it first");
    return OK;
}

static struct str
item_pointer(struct call *call, struct str pointer, size_t index)
{
    return arena_printf(&call->arena, "%.*s/%zu", STR_FMT(pointer), index);
}

enum err
refer_mangoes(struct call *call, struct engine *engine, struct str pointer,
    const struct id_list *ids, struct mango_list *ret)
{
    struct mango_list list = {
        .list = arena_alloc_array(&call->arena, ids->count + 1, sizeof(*list.list)),
        .count = ids->count};

    if (list.list == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for mangoes");
    for (size_t i = 0; i < ids->count; i++) {
        enum err err =
            refer_mango(call, engine, item_pointer(call, pointer, i), ids->ids[i], &list.list[i]);

        if (err != OK)
            return err;
    }
    *ret = list;
    return OK;
}

enum err
refer_attendees(struct call *call, struct engine *engine, struct str pointer,
    const struct id_list *ids, struct attendee_list *ret)
{
    struct attendee_list list = {
        .list = arena_alloc_array(&call->arena, ids->count + 1, sizeof(*list.list)),
        .count = ids->count};

    if (list.list == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory for attendees");
    for (size_t i = 0; i < ids->count; i++) {
        enum err err = attendee_get(engine, call->account_pk, ids->ids[i], &call->arena,
            &list.list[i], &call->store_call.error);

        if (err == ERR_NOT_FOUND)
            fault_add(&call->faults, item_pointer(call, pointer, i),
                "there is no attendee with this id: make it first");
        else if (err != OK)
            return err;
    }
    *ret = list;
    return OK;
}

/* The details once more, now over what is known of the one whose email it is. */
static void
person_overlay(struct call *call, struct person *person, const struct attendee *known)
{
    struct field_reader again;
    struct faults seen; /* they were all found the first time */
    struct attendee attendee = *known;

    faults_init(&seen, &call->arena);
    field_reader_start_at(&again, person->object, person->at, &seen);
    attendee_read_details(&again, &attendee);
    person->is_known = true;
    person->is_changed = !attendee_is_same(&attendee, known);
    person->attendee = attendee;
}

enum err
person_read(struct call *call, struct engine *engine, struct field_reader *reader,
    struct person *ret)
{
    struct person person = {.object = reader->object, .at = reader->at};
    struct attendee known = {0};
    struct id own = {{0}};
    const struct zone *zone;
    enum err err = ERR_NOT_FOUND;

    object_read_own(reader, false, &own);
    attendee_read_details(reader, &person.attendee);
    if (person.attendee.timezone.ptr != NULL) {
        err = refer_zone(call, field_pointer(reader, STR("timezone")), person.attendee.timezone,
            &zone);
        if (err != OK)
            return err;
    }
    err = ERR_NOT_FOUND;
    if (person.attendee.email.ptr != NULL)
        err = attendee_find_email(engine, call->account_pk, person.attendee.email, &call->arena,
            &known, &call->store_call.error);
    if (err == OK) {
        person_overlay(call, &person, &known);
        if (!id_is_zero(own) && !id_equals(own, known.id))
            field_fault(reader, STR("id"), "is not the id of the attendee who has this email");
    } else if (err == ERR_NOT_FOUND) {
        attendee_require(reader, &person.attendee);
        person.attendee.id = own;
    } else {
        return err;
    }
    *ret = person;
    return OK;
}

enum err
person_save(struct call *call, struct engine *engine, struct person *person)
{
    struct attendee *attendee = &person->attendee;

    if (person->is_known && !person->is_changed)
        return OK;
    if (person->is_known) {
        attendee->updated = call_later(call, attendee->updated);
        return attendee_update(engine, attendee, &call->store_call.error);
    }
    attendee->account_pk = call->account_pk;
    attendee->created = attendee->updated = call->now;
    if (id_is_zero(attendee->id))
        attendee->id = id_make(call->api->ids, call->now);
    return attendee_insert(engine, attendee, &call->store_call.error);
}

/* --- both --- */

struct announcer
call_announcer(struct call *call, struct engine *engine)
{
    return (struct announcer){engine, call->api->zones, call->api->ids, &call->arena, call->now};
}

void
wake_for(struct call *call, const struct announcement *announcement)
{
    call_wake(call, announcement->hook_pks, announcement->hook_count);
}

void
wake_for_all(struct call *call, const struct announcement_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        wake_for(call, &list->list[i]);
}

enum err
tell_audience(struct call *call, struct engine *engine, const struct webinar *webinar,
    enum event_reason reason, struct announcement *ret)
{
    struct announcer announcer = call_announcer(call, engine);
    enum err err = announce_webinar(&announcer, webinar, reason, ret, &call->store_call.error);

    if (err == OK)
        wake_for(call, ret);
    return err;
}

enum err
answer_attendees(struct call *call, struct engine *engine, struct attendee_query *query)
{
    struct attendee_list list;
    struct json_writer writer;
    struct page page;
    size_t shown;
    enum err err;

    call_query_time(call, STR("after"), &query->after);
    call_query_time(call, STR("before"), &query->before);
    if (call_page(call, &page) != OK || call->faults.count > 0)
        return call_refuse(call);
    query->account_pk = call->account_pk;
    query->before_pk = page.before_pk;
    query->limit = page.limit + 1;
    err = attendee_list(engine, query, &call->arena, &list, &call->store_call.error);
    if (err != OK)
        return err;

    shown = page_shown(&page, list.count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < shown; i++) {
        struct mango_list mangoes;

        err = mango_list_of_attendee(engine, list.list[i].pk, &call->arena, &mangoes,
            &call->store_call.error);
        if (err != OK)
            return err;
        json_object_open(&writer);
        write_attendee_fields(&writer, &list.list[i], &mangoes);
        json_object_close(&writer);
    }
    page_close(call, &writer, list.count > shown, shown > 0 ? list.positions[shown - 1] : 0);
    return OK;
}

enum err
answer_webinars(struct call *call, struct engine *engine, enum webinar_kind kind,
    enum err (*write_row)(struct call *call, struct engine *engine, struct json_writer *writer,
        const struct webinar *webinar))
{
    struct webinar_query query = {.account_pk = call->account_pk, .kind = kind};
    struct webinar_list list;
    struct json_writer writer;
    struct page page;
    size_t shown;
    bool is_page_right = call_page(call, &page) == OK;
    enum err err;

    call_query_time(call, STR("from"), &query.from);
    call_query_time(call, STR("to"), &query.to);
    call_query_time(call, STR("after"), &query.created_after);
    call_query_time(call, STR("before"), &query.created_before);
    call_query_id(call, STR("mango"), &query.mango_id);
    if (!is_page_right || call->faults.count > 0)
        return call_refuse(call);
    query.before_pk = page.before_pk;
    query.limit = page.limit + 1;
    err = webinar_list(engine, &query, &call->arena, &list, &call->store_call.error);
    if (err != OK)
        return err;

    shown = page_shown(&page, list.count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; err == OK && i < shown; i++)
        err = write_row(call, engine, &writer, &list.list[i]);
    page_close(call, &writer, list.count > shown, shown > 0 ? list.list[shown - 1].pk : 0);
    return err;
}

enum err
path_mango(struct call *call, struct engine *engine, struct mango *ret)
{
    struct id id;

    if (call_id(call, 0, &id) != OK)
        return call_problem(call, 404, "there is no mango with this id");
    return mango_get(engine, call->account_pk, id, &call->arena, ret, &call->store_call.error);
}

enum err
path_attendee(struct call *call, struct engine *engine, size_t param, struct attendee *ret)
{
    struct id id;

    if (call_id(call, param, &id) != OK)
        return call_problem(call, 404, "there is no attendee with this id");
    return attendee_get(engine, call->account_pk, id, &call->arena, ret, &call->store_call.error);
}

enum err
path_webinar(struct call *call, struct engine *engine, enum webinar_kind kind, struct webinar *ret)
{
    struct webinar_key key = {.account_pk = call->account_pk, .kind = kind};
    enum err err;

    err = call_id(call, 0, &key.id);
    if (err == OK)
        err = webinar_get(engine, key, &call->arena, ret, &call->store_call.error);
    if (err == ERR_NOT_FOUND)
        return call_problem(call, 404, "there is no %s with this id", webinar_kind_name(kind));
    return err;
}

enum err
path_hook(struct call *call, struct engine *engine, struct arena *arena, struct hook *ret)
{
    struct id id;

    if (call_id(call, 0, &id) != OK)
        return call_problem(call, 404, "there is no such hook");
    return hook_get(engine, call->account_pk, id, arena, ret, &call->store_call.error);
}

enum err
path_event(struct call *call, struct engine *engine, struct event_row *ret)
{
    struct id id;

    if (call_id(call, 0, &id) != OK)
        return call_problem(call, 404, "there is no such event");
    return event_get(engine, call->account_pk, id, ret, &call->store_call.error);
}

enum err
path_delivery(struct call *call, struct engine *engine, struct delivery_found *ret)
{
    struct delivery_id id;

    if (delivery_id_parse(call->params[0], &id) != OK)
        return call_problem(call, 404, "there is no such delivery");
    return delivery_get(engine, call->account_pk, &id, &call->arena, ret, &call->store_call.error);
}

/* {"attendee":"…"}: then nothing else says who it is. */
static enum err
read_named(struct call *call, struct engine *engine, struct field_reader *reader,
    struct person *ret)
{
    struct id id;
    enum err err;

    if (!field_id(reader, STR("attendee"), &id))
        return OK;
    err = attendee_get(engine, call->account_pk, id, &call->arena, &ret->attendee,
        &call->store_call.error);
    ret->is_known = true;
    if (err != ERR_NOT_FOUND)
        return err;
    field_fault(reader, STR("attendee"),
        "there is no attendee with this id: give their name"
        " and email instead");
    return OK;
}

enum err
read_newcomer(struct call *call, struct engine *engine, struct newcomer_wish *ret)
{
    struct newcomer_wish wish = {.notify = true};
    struct field_reader reader;
    enum err err;

    field_reader_start(&reader, call->body, &call->faults);
    if (reader.object != NULL && json_find(reader.object, STR("attendee")) != NULL)
        err = read_named(call, engine, &reader, &wish.person);
    else
        err = person_read(call, engine, &reader, &wish.person);
    wish.notify = field_notify(&reader);
    field_reader_end(&reader);
    if (err == OK && call->faults.count > 0)
        err = call_refuse(call);
    if (err == OK)
        err = person_save(call, engine, &wish.person);
    if (err == OK)
        *ret = wish;
    return err;
}

enum err
answer_newcomer(struct call *call, struct engine *engine, const struct attendee *attendee,
    const struct joining *arrival, bool is_mango)
{
    struct json_writer writer;
    struct mango_list mangoes;
    enum err err = mango_list_of_attendee(engine, attendee->pk, &call->arena, &mangoes,
        &call->store_call.error);

    if (err != OK)
        return err;
    wake_for_all(call, &arrival->announced);
    writer = call_answer(call, arrival->is_new ? 201 : 200);
    call_etag(call, attendee->updated);
    json_object_open(&writer);
    write_attendee_fields(&writer, attendee, &mangoes);
    if (is_mango)
        write_announcements(&writer, &arrival->announced);
    else
        write_announcement(&writer,
            arrival->announced.count > 0 ? &arrival->announced.list[0] : NULL);
    json_object_close(&writer);
    return OK;
}

enum err
leave_group(struct call *call, struct engine *engine, int64_t group_pk)
{
    struct attendee attendee = {0};
    int64_t sequence = 0;
    enum err err = path_attendee(call, engine, 1, &attendee);

    if (err == OK)
        err = call_if_match(call, attendee.updated);
    if (err == OK)
        err = sequence_next(engine, call->now, &sequence, &call->store_call.error);
    if (err == OK)
        err = member_leave(engine, group_pk, attendee.pk, sequence, &call->store_call.error);
    if (err == OK)
        (void)call_answer(call, 204);
    return err;
}

enum err
cancel_webinar(struct call *call, struct engine *engine, const struct webinar *webinar)
{
    struct event_receipt receipt = {0};
    enum err err = call_if_match(call, webinar->updated);

    if (err == OK)
        err = event_cancel_webinar(engine, webinar->pk, call->now, &call->arena, &receipt,
            &call->store_call.error);
    if (err == OK)
        err = webinar_delete(engine, webinar, &call->store_call.error);
    if (err != OK)
        return err;
    /* Their lanes read anew before the answer goes out, so that nothing starts after it. */
    for (size_t i = 0; i < receipt.hook_count; i++)
        call_changed(call, receipt.hook_pks[i]);
    (void)call_answer(call, 204);
    return OK;
}
