/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/sample.h"

#include <stdio.h>

#include "base/check.h"
#include "base/json.h"
#include "domain/event.h"
#include "domain/payload.h"

#define SERIES_SESSIONS  3
#define FIXED_BYTES_MAX  8192
#define SHORT_TEXT_BYTES 32

#define TEXT(literal)                                                                              \
    {                                                                                              \
        ("" literal), sizeof(literal) - 1                                                          \
    }

struct sample {
    struct str event;
    int64_t number;
    struct walltime from;
    struct sample_person person;
};

const struct str sample_events[] = {
    TEXT(EVENT_WEBINAR_CREATED_SINGLE),
    TEXT("webinar.created.recurring"),
    TEXT("webinar.reminder.all"),
    TEXT("webinar.reminder.15min"),
    TEXT("webinar.reminder.30min"),
    TEXT("webinar.reminder.1day"),
    TEXT("webinar.completed.all"),
    TEXT("order.created.completed"),
    TEXT("order.created.initiated"),
    TEXT("order.created.failed"),
    TEXT("order.recurring.created"),
    TEXT("subscription.expired"),
    TEXT("course.completed.all"),
    TEXT("course.completed.10"),
    TEXT("course.completed.50"),
    TEXT("course.completed.100"),
    TEXT("course.completed"),
    TEXT("user.deleted"),
};
const size_t sample_event_count = COUNT_OF(sample_events);

void
sample_person(int64_t number, struct sample_person *ret)
{
    /* Both sides of the date line and of UTC, and one that is no whole hour. */
    static const int32_t offsets[] = {330, 0, -300, 60, 345, 780};

    CHECK(number >= 1 && number <= SAMPLE_NUMBER_MAX);
    (void)snprintf(ret->name, sizeof(ret->name), "Attendee %lld", (long long)number);
    (void)snprintf(ret->email, sizeof(ret->email), "attendee%lld@example.com", (long long)number);
    (void)snprintf(ret->phone, sizeof(ret->phone), "+9198765%05lld", (long long)number);
    ret->offset_minutes = offsets[(size_t)(number - 1) % COUNT_OF(offsets)];
}

struct walltime
sample_from(struct walltime now)
{
    int64_t day = now.us / US_PER_DAY;

    return (struct walltime){(day + 1) * US_PER_DAY + 10 * US_PER_HOUR};
}

static void
text(struct json_writer *writer, const char *name, const char *value)
{
    json_name(writer, str_from(name));
    json_string(writer, str_from(value));
}

static void
number(struct json_writer *writer, const char *name, int64_t value)
{
    json_name(writer, str_from(name));
    json_int(writer, value);
}

static void
person(struct json_writer *writer, const struct sample_person *person)
{
    text(writer, "name", person->name);
    text(writer, "email", person->email);
}

static void
person_with_number(struct json_writer *writer, const struct sample_person *told)
{
    person(writer, told);
    json_name(writer, STR("phone"));
    json_raw(writer, str_from(told->phone + 1)); /* without its plus it is a number */
}

/* "2024-03-15T10:00Z": orders and courses leave the seconds out. */
static void
minute(struct json_writer *writer, const char *name, struct walltime at)
{
    char time[WALLTIME_TEXT_BYTES];
    char shown[SHORT_TEXT_BYTES];

    walltime_format(at, time);
    (void)snprintf(shown, sizeof(shown), "%.16sZ", time);
    text(writer, name, shown);
}

static enum err
build_series(struct buf *buf, const struct sample *sample)
{
    CLEANUP(zone_freep) struct zone *zone = NULL;
    static const struct str mangoes[] = {TEXT(SAMPLE_MANGO)};
    struct payload_session sessions[SERIES_SESSIONS] = {0};
    const struct payload_attendee attendee = {
        .name = str_from(sample->person.name),
        .email = str_from(sample->person.email),
        .phone = str_from(sample->person.phone),
        .has_offset = true,
        .offset_minutes = sample->person.offset_minutes,
    };
    enum err err = zone_new_fixed(SAMPLE_CREATOR_OFFSET_MINUTES, &zone);
    struct buf fixed;

    for (size_t i = 0; err == OK && i < SERIES_SESSIONS; i++) {
        int64_t later_us = (int64_t)i * 7 * US_PER_DAY;

        sessions[i].title = STR(SAMPLE_TITLE);
        err = id_parse(STR(SAMPLE_WEBINAR_ID), &sessions[i].webinar_id);
        sessions[i].webinar_id.bytes[ID_BYTES - 1] =
            (uint8_t)(sessions[i].webinar_id.bytes[ID_BYTES - 1] + i);
        sessions[i].link = STR(SAMPLE_LINK);
        sessions[i].from.us = sample->from.us + later_us;
        sessions[i].to.us = sample->from.us + later_us + SAMPLE_SESSION_US;
        sessions[i].creator_zone = zone;
    }
    if (err != OK)
        return err;
    buf_init(&fixed, FIXED_BYTES_MAX);
    payload_fixed_build(&fixed, sessions, SERIES_SESSIONS, mangoes, COUNT_OF(mangoes));
    payload_render(buf, &attendee, PHONE_NUMBER, buf_str(&fixed));
    err = buf_is_full(&fixed) ? ERR_LIMIT : OK;
    buf_done(&fixed);
    return err;
}

static enum err
build_reminder(struct buf *buf, const struct sample *sample)
{
    struct json_writer writer;
    char time[WALLTIME_TEXT_BYTES];
    char offset[UTC_OFFSET_TEXT_BYTES];

    json_start(&writer, buf);
    json_object_open(&writer);
    person(&writer, &sample->person);
    text(&writer, "phone", sample->person.phone);
    utc_offset_format(sample->person.offset_minutes, offset);
    text(&writer, "timezone", offset);
    text(&writer, "webinar", SAMPLE_TITLE);
    text(&writer, "webinarId", SAMPLE_WEBINAR_ID);
    text(&writer, "webinarLink", SAMPLE_LINK);
    walltime_format(sample->from, time);
    text(&writer, "webinarFromTime", time);
    walltime_format((struct walltime){sample->from.us + SAMPLE_SESSION_US}, time);
    text(&writer, "webinarToTime", time);
    civil_format(civil_at(sample->from, SAMPLE_CREATOR_OFFSET_MINUTES), time);
    text(&writer, "webinarFromTimeInCreatorTimezone", time);
    utc_offset_format(SAMPLE_CREATOR_OFFSET_MINUTES, offset);
    text(&writer, "creatorTimezone", offset);
    text(&writer, "mangoes", SAMPLE_MANGO);
    json_object_close(&writer);
    return OK;
}

static enum err
build_completed(struct buf *buf, const struct sample *sample)
{
    struct json_writer writer;

    json_start(&writer, buf);
    json_object_open(&writer);
    person(&writer, &sample->person);
    text(&writer, "phone", sample->person.phone);
    text(&writer, "webinar", SAMPLE_TITLE);
    text(&writer, "webinarId", SAMPLE_WEBINAR_ID);
    text(&writer, "webinarLink", "https://videos.example.com/recording");
    json_object_close(&writer);
    return OK;
}

/* The last word of the event is the order's status; a renewal is paid. */
static enum err
build_order(struct buf *buf, const struct sample *sample)
{
    bool is_renewal = str_starts(sample->event, STR("order.recurring."));
    struct str status = str_slice(sample->event, sizeof("order.created.") - 1, sample->event.len);
    char id[SHORT_TEXT_BYTES];
    struct json_writer writer;

    json_start(&writer, buf);
    json_object_open(&writer);
    (void)snprintf(id, sizeof(id), "subscriber_%lld", (long long)sample->number);
    text(&writer, "subscriberId", id);
    person_with_number(&writer, &sample->person);
    text(&writer, "country", "IN");
    text(&writer, "dialCode", "+91");
    (void)snprintf(id, sizeof(id), "order_%lld", (long long)sample->number);
    text(&writer, "orderId", id);
    minute(&writer, "orderTime", (struct walltime){sample->from.us - US_PER_DAY});
    number(&writer, "amount", 100);
    number(&writer, "gst", 18);
    number(&writer, "discount", 20);
    text(&writer, "coupon", "WELCOME");
    number(&writer, "amountPayable", 98);
    text(&writer, "mangoName", SAMPLE_MANGO);
    json_name(&writer, STR("status"));
    json_string(&writer, is_renewal ? STR("completed") : status);
    text(&writer, "recurringType", is_renewal ? "monthly" : "onetime");
    text(&writer, "currency", "INR");
    number(&writer, "quantity", 1);
    json_name(&writer, STR("customFields"));
    json_array_open(&writer);
    json_array_close(&writer);
    json_object_close(&writer);
    return OK;
}

static enum err
build_subscription(struct buf *buf, const struct sample *sample)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
        "Sep", "Oct", "Nov", "Dec"};
    char date[SHORT_TEXT_BYTES];
    struct json_writer writer;
    int64_t year;
    int month;
    int day;

    json_start(&writer, buf);
    json_object_open(&writer);
    person_with_number(&writer, &sample->person);
    text(&writer, "mangoRecurringType", "monthly");
    text(&writer, "mangoTitle", SAMPLE_MANGO);
    text(&writer, "mangoLink", "https://shop.example.com/digital-marketing");
    civil_from_days(sample->from.us / US_PER_DAY - 31, &year, &month, &day);
    (void)snprintf(date, sizeof(date), "%02d %s %lld", day, months[month - 1], (long long)year);
    text(&writer, "lastPurchaseDate", date);
    json_object_close(&writer);
    return OK;
}

static enum err
build_course(struct buf *buf, const struct sample *sample)
{
    struct json_writer writer;

    json_start(&writer, buf);
    json_object_open(&writer);
    person_with_number(&writer, &sample->person);
    text(&writer, "course", SAMPLE_MANGO);
    text(&writer, "courseId", "634fc35ddaf58580e2418c50");
    minute(&writer, "lastProgressOn", (struct walltime){sample->from.us - US_PER_DAY});
    json_object_close(&writer);
    return OK;
}

static enum err
build_user(struct buf *buf, const struct sample *sample)
{
    char id[SHORT_TEXT_BYTES];
    struct json_writer writer;

    json_start(&writer, buf);
    json_object_open(&writer);
    (void)snprintf(id, sizeof(id), "634fc35ddaf58580%08llx", (unsigned long long)sample->number);
    text(&writer, "_id", id);
    person_with_number(&writer, &sample->person);
    text(&writer, "country", "IN");
    text(&writer, "host", "shop.example.com");
    text(&writer, "profilePicUrl", "https://shop.example.com/picture.png");
    json_object_close(&writer);
    return OK;
}

/* What an event begins with tells its shape. */
static const struct shape {
    struct str prefix;
    enum err (*build)(struct buf *buf, const struct sample *sample);
} shapes[] = {
    {TEXT("webinar.created.recurring"), build_series},
    {TEXT("webinar.reminder."), build_reminder},
    {TEXT("webinar.completed."), build_completed},
    {TEXT("order."), build_order},
    {TEXT("subscription."), build_subscription},
    {TEXT("course."), build_course},
    {TEXT("user."), build_user},
};

enum err
sample_build(struct buf *buf, struct str event, int64_t attendee, struct walltime from)
{
    struct sample sample = {.event = event, .number = attendee, .from = from};
    bool is_known = false;

    for (size_t i = 0; i < sample_event_count; i++)
        is_known = is_known || str_equals(sample_events[i], event);
    for (size_t i = 0; is_known && i < COUNT_OF(shapes); i++) {
        enum err err;

        if (!str_starts(event, shapes[i].prefix))
            continue;
        sample_person(attendee, &sample.person);
        err = shapes[i].build(buf, &sample);
        return err == OK && buf_is_full(buf) ? ERR_LIMIT : err;
    }
    return ERR_NOT_FOUND;
}
