/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/received.h"

#include <string.h>

#include "base/check.h"
#include "domain/decimal.h"
#include "domain/item.h"

/* Longer numbers are nobody's phone. */
#define PHONE_DIGITS_MAX 20

/* A daily series of some years. What a body lists beyond that is kept and not read, since it would
 * take a hundred times its own room. */
#define SESSIONS_MAX 2000

/* A local time may lack the seconds that its instant has. */
#define LOCAL_TIME_TOLERANCE_US (INT64_C(60) * US_PER_S)

const char *const received_value_names[] = {"name", "email", "phone", "timezone", "mangoes",
    "webinar", "webinar_id", "link", "from", "to", "from_creator", "to_creator", "creator_timezone",
    "from_attendee", "to_attendee", NULL};

/* In the order of their names. */
enum value {
    VALUE_NAME,
    VALUE_EMAIL,
    VALUE_PHONE,
    VALUE_TIMEZONE,
    VALUE_MANGOES,
    VALUE_WEBINAR,
    VALUE_WEBINAR_ID,
    VALUE_LINK,
    VALUE_FROM,
    VALUE_TO,
    VALUE_FROM_CREATOR,
    VALUE_TO_CREATOR,
    VALUE_CREATOR_TIMEZONE,
    VALUE_FROM_ATTENDEE,
    VALUE_TO_ATTENDEE,
};

static struct str
absent(void)
{
    return (struct str){NULL, 0};
}

static void
mark_unreadable(struct received *received)
{
    received->flags |= ITEM_UNRECOGNISED;
}

static void
mark_contradiction(struct received *received)
{
    received->flags |= ITEM_CONTRADICTORY;
}

/* A text, or a number as it was written: ids are both, by their sender's taste. */
static struct str
read_text(struct received *received, const struct json *object, struct str name)
{
    const struct json *member = json_find(object, name);

    if (member == NULL)
        return absent();
    switch (member->kind) {
    case JSON_STRING:
    case JSON_NUMBER: return member->text;
    case JSON_NULL: return absent();
    case JSON_BOOL:
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    mark_unreadable(received);
    return absent();
}

/* The first of these names that has a text. */
static struct str
read_first_text(struct received *received, const struct json *object, const struct str *names,
    size_t count)
{
    struct str text = absent();

    for (size_t i = 0; text.ptr == NULL && i < count; i++)
        text = read_text(received, object, names[i]);
    return text;
}

/* A text that is written in a form of its own: a number will not do, and "" is as good as none. */
static struct str
read_form(struct received *received, const struct json *object, struct str name)
{
    const struct json *member = json_find(object, name);

    if (member == NULL || member->kind == JSON_NULL)
        return absent();
    if (member->kind != JSON_STRING) {
        mark_unreadable(received);
        return absent();
    }
    return str_trim(member->text);
}

static bool
read_offset(struct received *received, const struct json *object, struct str name,
    int32_t *ret_minutes)
{
    struct str text = read_form(received, object, name);

    if (text.len == 0)
        return false;
    if (utc_offset_parse(text, ret_minutes) == OK)
        return true;
    mark_unreadable(received);
    return false;
}

static bool
read_time(struct received *received, const struct json *object, struct str name,
    struct walltime *ret)
{
    struct str text = read_form(received, object, name);

    if (text.len == 0)
        return false;
    if (walltime_parse(text, ret) == OK)
        return true;
    mark_unreadable(received);
    return false;
}

/* What a clock on the creator's wall shows. The Z at its end is not meant: it is published so. */
static bool
read_local_time(struct received *received, const struct json *object, struct str name,
    struct civil *ret)
{
    struct str text = read_form(received, object, name);
    size_t offset_bytes = UTC_OFFSET_TEXT_BYTES - 1;
    int32_t offset;

    if (text.len == 0)
        return false;
    if (str_ends(text, STR("Z")) || str_ends(text, STR("z")))
        text.len--;
    else if (text.len > offset_bytes &&
             utc_offset_parse(str_slice(text, text.len - offset_bytes, text.len), &offset) == OK)
        text.len -= offset_bytes;
    if (civil_parse(text, ret) == OK)
        return true;
    mark_unreadable(received);
    return false;
}

/* 9.19876543210E11, as some write a phone that went through a double; absent: it is no such. */
static struct str
spell_out(struct str number, struct arena *arena)
{
    char digits[PHONE_DIGITS_MAX + 1 + DECIMAL_EXTRA_BYTES];
    struct decimal decimal;
    char *text;
    size_t count;

    if (decimal_parse(number, &decimal) != OK || decimal.is_negative || decimal.digits.len == 0 ||
        decimal.digits.len > PHONE_DIGITS_MAX + 1 || decimal.power > PHONE_DIGITS_MAX)
        return absent();
    count = str_find((struct str){digits, decimal_write(&decimal, digits)}, 'e', 0);
    if (decimal.power < (int64_t)count)
        return absent();
    text = arena_alloc(arena, (size_t)decimal.power);
    if (text == NULL)
        return absent();
    memset(text, '0', (size_t)decimal.power);
    memcpy(text, digits, count);
    return (struct str){text, (size_t)decimal.power};
}

static bool
is_all_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return true;
}

static struct str
read_phone(struct received *received, const struct json *body, struct arena *arena)
{
    const struct json *member = json_find(body, STR("phone"));
    struct str text = read_text(received, body, STR("phone"));

    if (text.ptr != NULL && member->kind == JSON_NUMBER && !is_all_digits(text)) {
        struct str digits = spell_out(text, arena);

        if (digits.ptr != NULL)
            return digits;
    }
    return text;
}

/* Is the instant the local time less the offset? */
static bool
agrees(const struct received_session *session, struct walltime at, struct civil local)
{
    int64_t us = local.us - session->creator_offset_minutes * INT64_C(60) * US_PER_S - at.us;

    return us > -LOCAL_TIME_TOLERANCE_US && us < LOCAL_TIME_TOLERANCE_US;
}

static void
check_session(struct received *received, const struct received_session *session)
{
    if (session->has_creator_offset && session->has_from && session->has_from_local &&
        !agrees(session, session->from, session->from_local))
        mark_contradiction(received);
    if (session->has_creator_offset && session->has_to && session->has_to_local &&
        !agrees(session, session->to, session->to_local))
        mark_contradiction(received);
    if (session->has_from && session->has_to && session->to.us < session->from.us)
        mark_contradiction(received);
}

static void
read_session(struct received *received, const struct json *object, struct received_session *session)
{
    session->webinar = read_text(received, object, STR("webinar"));
    session->webinar_id = read_text(received, object, STR("webinarId"));
    session->link = read_text(received, object, STR("webinarLink"));
    session->has_from = read_time(received, object, STR("webinarFromTime"), &session->from);
    session->has_to = read_time(received, object, STR("webinarToTime"), &session->to);
    session->has_from_local = read_local_time(received, object,
        STR("webinarFromTimeInCreatorTimezone"), &session->from_local);
    session->has_to_local = read_local_time(received, object, STR("webinarToTimeInCreatorTimezone"),
        &session->to_local);
    session->has_creator_offset =
        read_offset(received, object, STR("creatorTimezone"), &session->creator_offset_minutes);
    check_session(received, session);
}

static enum err
read_call_list(struct received *received, const struct json *list, struct arena *arena)
{
    size_t most = list->count < SESSIONS_MAX ? list->count : SESSIONS_MAX;

    if (most == 0)
        return OK;
    received->sessions = arena_alloc_array(arena, most, sizeof(*received->sessions));
    if (received->sessions == NULL)
        return ERR_NOMEM;
    for (const struct json *item = list->first; item != NULL; item = item->next) {
        if (item->kind == JSON_OBJECT && received->session_count < most)
            read_session(received, item, &received->sessions[received->session_count++]);
        else
            mark_unreadable(received);
    }
    return OK;
}

static enum err
read_flat_session(struct received *received, struct arena *arena)
{
    received->sessions = ARENA_NEW(arena, struct received_session);
    if (received->sessions == NULL)
        return ERR_NOMEM;
    received->session_count = 1;
    read_session(received, received->body, received->sessions);
    return OK;
}

static bool
has(const struct json *body, struct str name)
{
    const struct json *member = json_find(body, name);

    return member != NULL && member->kind != JSON_NULL;
}

/* An order may hold any names: what its buyer filled in is spread over its top level. So it is
 * asked for before what is told by common words. */
static enum received_shape
shape_of(const struct json *body)
{
    const struct json *list = json_find(body, STR("callList"));

    if (list != NULL && list->kind == JSON_ARRAY)
        return RECEIVED_CALL_LIST;
    if (has(body, STR("orderId")) || has(body, STR("orderTime")))
        return RECEIVED_ORDER;
    if (has(body, STR("webinarId")))
        return has(body, STR("webinarFromTime")) ? RECEIVED_REMINDER : RECEIVED_COMPLETED;
    if (has(body, STR("courseId")))
        return RECEIVED_COURSE;
    if (has(body, STR("mangoLink")) || has(body, STR("lastPurchaseDate")))
        return RECEIVED_SUBSCRIPTION;
    if (has(body, STR("_id")) && json_find(body, STR("profilePicUrl")) != NULL)
        return RECEIVED_USER;
    return RECEIVED_UNKNOWN;
}

/* What is one shape's own. */
static enum err
read_subject(struct received *received, struct arena *arena)
{
    static const struct str order_ids[] = {{"orderId", 7}, {"id", 2}};
    const struct json *body = received->body;

    switch (received->shape) {
    case RECEIVED_UNKNOWN: mark_unreadable(received); break;
    case RECEIVED_CALL_LIST:
        return read_call_list(received, json_find(body, STR("callList")), arena);
    case RECEIVED_REMINDER:
    case RECEIVED_COMPLETED: return read_flat_session(received, arena);
    case RECEIVED_ORDER:
        received->object_id = read_first_text(received, body, order_ids, COUNT_OF(order_ids));
        received->status = read_text(received, body, STR("status"));
        received->occurred = read_text(received, body, STR("orderTime"));
        break;
    case RECEIVED_SUBSCRIPTION:
        received->object_id = read_text(received, body, STR("mangoLink"));
        received->occurred = read_text(received, body, STR("lastPurchaseDate"));
        break;
    case RECEIVED_COURSE:
        received->object_id = read_text(received, body, STR("courseId"));
        received->occurred = read_text(received, body, STR("lastProgressOn"));
        break;
    case RECEIVED_USER: received->object_id = read_text(received, body, STR("_id")); break;
    }
    return OK;
}

enum err
received_parse(struct str body, struct arena *arena, struct json **ret, struct error *reterr)
{
    struct json *nothing;
    enum err err = json_parse(body, arena, ret, reterr);

    if (err != ERR_INVALID || !json_is_well_formed(body))
        return err;
    nothing = ARENA_NEW(arena, struct json);
    if (nothing == NULL)
        return error_set(reterr, ERR_LIMIT, "JSON: too much for the memory set aside for it");
    nothing->kind = JSON_NULL;
    *ret = nothing;
    return OK;
}

enum err
received_read(const struct json *body, struct arena *arena, struct received *ret)
{
    static const struct str mango_names[] = {{"mangoes", 7}, {"mangoName", 9}, {"mangoTitle", 10}};
    struct received received = {.body = body};
    enum err err = OK;

    if (body->kind == JSON_OBJECT) {
        received.shape = shape_of(body);
        received.name = read_text(&received, body, STR("name"));
        received.email = read_text(&received, body, STR("email"));
        received.phone = read_phone(&received, body, arena);
        received.has_offset =
            read_offset(&received, body, STR("timezone"), &received.offset_minutes);
        received.mangoes = read_first_text(&received, body, mango_names, COUNT_OF(mango_names));
        err = read_subject(&received, arena);
    } else {
        mark_unreadable(&received);
    }
    if (err == OK && arena_is_full(arena))
        err = ERR_NOMEM;
    if (err == OK)
        *ret = received;
    return err;
}

struct str
received_event(const struct received *received)
{
    switch (received->shape) {
    case RECEIVED_CALL_LIST:
        return received->session_count > 1 ? STR("webinar.created.recurring")
                                           : STR("webinar.created.single");
    case RECEIVED_REMINDER: return STR("webinar.reminder.all");
    case RECEIVED_COMPLETED: return STR("webinar.completed.all");
    case RECEIVED_ORDER:
        if (str_equals(received->status, STR("completed")))
            return STR("order.created.completed");
        if (str_equals(received->status, STR("failed")))
            return STR("order.created.failed");
        if (str_equals(received->status, STR("initiated")))
            return STR("order.created.initiated");
        break;
    case RECEIVED_SUBSCRIPTION: return STR("subscription.expired");
    case RECEIVED_COURSE: return STR("course.completed.all");
    case RECEIVED_USER: return STR("user.deleted");
    case RECEIVED_UNKNOWN: break;
    }
    return absent();
}

void
local_time_format(struct walltime at, int32_t offset_minutes, char ret_text[LOCAL_TIME_TEXT_BYTES])
{
    const size_t seconds_end = sizeof("2024-03-15T15:30:00") - 1;
    char local[WALLTIME_TEXT_BYTES];

    civil_format(civil_at(at, offset_minutes), local);
    memcpy(ret_text, local, seconds_end);
    if (offset_minutes == 0)
        memcpy(ret_text + seconds_end, "Z", 2);
    else
        utc_offset_format(offset_minutes, ret_text + seconds_end);
}

/* An instant on the creator's wall; where it was not sent, what the wall shows tells it. */
static bool
on_creators_wall(const struct received_session *session, enum value value, struct walltime *ret)
{
    bool is_from = value == VALUE_FROM_CREATOR;
    struct civil local = is_from ? session->from_local : session->to_local;

    if (!session->has_creator_offset)
        return false;
    if (is_from ? session->has_from : session->has_to) {
        *ret = is_from ? session->from : session->to;
        return true;
    }
    if (is_from ? !session->has_from_local : !session->has_to_local)
        return false;
    ret->us = local.us - session->creator_offset_minutes * INT64_C(60) * US_PER_S;
    return true;
}

/* One of the six times of a session. */
static bool
session_time(const struct received *received, const struct received_session *session,
    enum value value, char ret_text[LOCAL_TIME_TEXT_BYTES])
{
    bool is_from = value == VALUE_FROM || value == VALUE_FROM_ATTENDEE;
    struct walltime at = is_from ? session->from : session->to;
    bool is_there = is_from ? session->has_from : session->has_to;
    int32_t offset = 0;

    if (value == VALUE_FROM_CREATOR || value == VALUE_TO_CREATOR) {
        is_there = on_creators_wall(session, value, &at);
        offset = session->creator_offset_minutes;
    } else if (value == VALUE_FROM_ATTENDEE || value == VALUE_TO_ATTENDEE) {
        is_there = is_there && received->has_offset;
        offset = received->offset_minutes;
    }
    if (is_there)
        local_time_format(at, offset, ret_text);
    return is_there;
}

static bool
append_text(struct buf *buf, struct str text)
{
    buf_append_str(buf, text);
    return text.ptr != NULL;
}

static bool
append_offset(struct buf *buf, bool is_there, int32_t minutes)
{
    char text[UTC_OFFSET_TEXT_BYTES];

    if (is_there) {
        utc_offset_format(minutes, text);
        buf_append(buf, text, sizeof(text) - 1);
    }
    return is_there;
}

static bool
append_session_value(struct buf *buf, const struct received *received,
    const struct received_session *session, enum value value)
{
    char text[LOCAL_TIME_TEXT_BYTES];

    switch (value) {
    case VALUE_WEBINAR: return append_text(buf, session->webinar);
    case VALUE_WEBINAR_ID: return append_text(buf, session->webinar_id);
    case VALUE_LINK: return append_text(buf, session->link);
    case VALUE_CREATOR_TIMEZONE:
        return append_offset(buf, session->has_creator_offset, session->creator_offset_minutes);
    case VALUE_FROM:
    case VALUE_TO:
    case VALUE_FROM_CREATOR:
    case VALUE_TO_CREATOR:
    case VALUE_FROM_ATTENDEE:
    case VALUE_TO_ATTENDEE:
        return session_time(received, session, value, text) && append_text(buf, str_from(text));
    case VALUE_NAME:
    case VALUE_EMAIL:
    case VALUE_PHONE:
    case VALUE_TIMEZONE:
    case VALUE_MANGOES: break;
    }
    UNREACHABLE;
}

static bool
append_value(struct buf *buf, const struct received *received, enum value value, size_t session)
{
    switch (value) {
    case VALUE_NAME: return append_text(buf, received->name);
    case VALUE_EMAIL: return append_text(buf, received->email);
    case VALUE_PHONE: return append_text(buf, received->phone);
    case VALUE_TIMEZONE: return append_offset(buf, received->has_offset, received->offset_minutes);
    case VALUE_MANGOES: return append_text(buf, received->mangoes);
    case VALUE_WEBINAR:
    case VALUE_WEBINAR_ID:
    case VALUE_LINK:
    case VALUE_FROM:
    case VALUE_TO:
    case VALUE_FROM_CREATOR:
    case VALUE_TO_CREATOR:
    case VALUE_CREATOR_TIMEZONE:
    case VALUE_FROM_ATTENDEE:
    case VALUE_TO_ATTENDEE:
        return session < received->session_count &&
               append_session_value(buf, received, &received->sessions[session], value);
    }
    UNREACHABLE;
}

bool
received_value(const struct received *received, struct str name, size_t session, struct buf *buf)
{
    for (size_t i = 0; received_value_names[i] != NULL; i++) {
        if (str_equals(name, str_from(received_value_names[i])))
            return append_value(buf, received, (enum value)i, session);
    }
    return false;
}

static void
render_text(struct json_writer *writer, struct str name, struct str text)
{
    json_name(writer, name);
    json_string_or_null(writer, text);
}

static void
render_offset(struct json_writer *writer, struct str name, bool is_there, int32_t minutes)
{
    char text[UTC_OFFSET_TEXT_BYTES];

    if (is_there)
        utc_offset_format(minutes, text);
    render_text(writer, name, is_there ? str_from(text) : absent());
}

static void
render_flags(struct json_writer *writer, unsigned flags)
{
    static const enum item_flag all[] = {ITEM_UNRECOGNISED, ITEM_CONTRADICTORY, ITEM_STALE,
        ITEM_RELEASED};

    json_name(writer, STR("flags"));
    json_array_open(writer);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if ((flags & all[i]) != 0)
            json_string(writer, str_from(item_flag_name(all[i])));
    }
    json_array_close(writer);
}

static void
render_session(struct json_writer *writer, const struct received *received,
    const struct received_session *session)
{
    static const struct {
        struct str name;
        enum value value;
    } times[] = {{{"from", 4}, VALUE_FROM}, {{"to", 2}, VALUE_TO},
        {{"fromCreator", 11}, VALUE_FROM_CREATOR}, {{"toCreator", 9}, VALUE_TO_CREATOR},
        {{"fromAttendee", 12}, VALUE_FROM_ATTENDEE}, {{"toAttendee", 10}, VALUE_TO_ATTENDEE}};

    json_object_open(writer);
    render_text(writer, STR("webinar"), session->webinar);
    render_text(writer, STR("webinarId"), session->webinar_id);
    render_text(writer, STR("link"), session->link);
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        char text[LOCAL_TIME_TEXT_BYTES];
        bool is_there = session_time(received, session, times[i].value, text);

        render_text(writer, times[i].name, is_there ? str_from(text) : absent());
    }
    render_offset(writer, STR("creatorTimezone"), session->has_creator_offset,
        session->creator_offset_minutes);
    json_object_close(writer);
}

static void
render_context(struct json_writer *writer, const struct received *received,
    const struct received_context *context)
{
    char text[WALLTIME_TEXT_BYTES];

    render_text(writer, STR("id"), context->id);
    render_text(writer, STR("source"), context->source);
    render_text(writer, STR("event"), context->event);
    render_text(writer, STR("change"), str_from(context->change));
    json_name(writer, STR("sequence"));
    json_int(writer, context->sequence);
    json_name(writer, STR("revision"));
    json_int(writer, context->revision);
    render_flags(writer, context->flags | received->flags);
    walltime_format(context->received, text);
    render_text(writer, STR("received"), str_from(text));
}

void
received_render(struct buf *buf, const struct received *received,
    const struct received_context *context, struct str body)
{
    struct json_writer writer;

    json_start(&writer, buf);
    json_object_open(&writer);
    render_context(&writer, received, context);
    render_text(&writer, STR("name"), received->name);
    render_text(&writer, STR("email"), received->email);
    render_text(&writer, STR("phone"), received->phone);
    render_offset(&writer, STR("timezone"), received->has_offset, received->offset_minutes);
    render_text(&writer, STR("mangoes"), received->mangoes);
    render_text(&writer, STR("objectId"), received->object_id);
    render_text(&writer, STR("status"), received->status);
    render_text(&writer, STR("occurred"), received->occurred);
    json_name(&writer, STR("sessions"));
    json_array_open(&writer);
    for (size_t i = 0; i < received->session_count; i++)
        render_session(&writer, received, &received->sessions[i]);
    json_array_close(&writer);
    json_name(&writer, STR("payload"));
    json_raw(&writer, body);
    json_object_close(&writer);
}
