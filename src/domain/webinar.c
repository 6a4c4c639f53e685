/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/webinar.h"

#include "base/check.h"

/* The first and last moments whose local time has a year of four digits and a known offset. */
#define EARLIEST_US (INT64_C(63072000) * US_PER_S)     /* 1972-01-01T00:00:00Z */
#define LATEST_US   (INT64_C(253370764800) * US_PER_S) /* 9999-01-01T00:00:00Z */

static const char *const kind_names[] = {
    [WEBINAR_MANY] = "webinar",
    [WEBINAR_CONSULTATION] = "consultation",
};

const char *
webinar_kind_name(enum webinar_kind kind)
{
    CHECK((unsigned)kind < COUNT_OF(kind_names));
    return kind_names[kind];
}

enum err
webinar_kind_parse(struct str name, enum webinar_kind *ret)
{
    for (unsigned i = 0; i < COUNT_OF(kind_names); i++) {
        if (str_equals(name, str_from(kind_names[i]))) {
            *ret = (enum webinar_kind)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

/* Parsers keep microseconds; answers and bodies show milliseconds. */
static int64_t
whole_ms(int64_t us)
{
    int64_t rest = us % US_PER_MS;

    return us - (rest < 0 ? rest + US_PER_MS : rest);
}

static void
read_time(struct field_reader *reader, struct str name, struct webinar_time *inout)
{
    const struct json *value = field_get(reader, name);
    struct webinar_time time = {.is_given = true};

    if (value == NULL)
        return;
    if (value->kind == JSON_STRING && walltime_parse(value->text, &time.at) == OK) {
        time.at.us = whole_ms(time.at.us);
        *inout = time;
    } else if (value->kind == JSON_STRING && civil_parse(value->text, &time.wall) == OK) {
        time.is_wall = true;
        time.wall.us = whole_ms(time.wall.us);
        *inout = time;
    } else {
        field_fault(reader, name,
            "must be an instant such as \"2024-03-15T10:00:00Z\", or a time on the clock of its"
            " timezone such as \"2024-03-15T15:30:00\"");
    }
}

static void
require_time(const struct field_reader *reader, struct str name, const struct webinar_time *time)
{
    field_require(reader, name, time->is_given ? STR("given") : (struct str){NULL, 0});
}

void
webinar_read_details(struct field_reader *reader, struct webinar *inout)
{
    struct str text = {NULL, 0};
    const char *wrong;

    (void)field_text(reader, STR("title"), TITLE_BYTES_MAX, &inout->title);
    if (field_text(reader, STR("link"), LINK_BYTES_MAX, &text)) {
        wrong = link_is_wrong(text);
        if (wrong != NULL)
            field_fault(reader, STR("link"), "%s", wrong);
        else
            inout->link = text;
    }
    read_time(reader, STR("from"), &inout->from);
    read_time(reader, STR("to"), &inout->to);
    if (field_text(reader, STR("timezone"), ZONE_BYTES_MAX, &text)) {
        wrong = zone_is_wrong(text);
        if (wrong != NULL)
            field_fault(reader, STR("timezone"), "%s", wrong);
        else
            inout->timezone = text;
    }
    field_require(reader, STR("title"), inout->title);
    field_require(reader, STR("link"), inout->link);
    require_time(reader, STR("from"), &inout->from);
    require_time(reader, STR("to"), &inout->to);
    field_require(reader, STR("timezone"), inout->timezone);
}

void
webinar_read(struct webinar *inout, struct webinar_wish *ret_wish, const struct json *object,
    bool is_patch, struct faults *faults)
{
    struct field_reader reader;
    struct webinar_wish wish = {.notify = true};

    field_reader_start(&reader, object, faults);
    object_read_own(&reader, is_patch, &inout->id);
    webinar_read_details(&reader, inout);
    (void)field_ids(&reader, STR("mangoes"), WEBINAR_MANGOES_MAX, &wish.mangoes);
    if (!is_patch)
        (void)field_ids(&reader, STR("attendees"), WEBINAR_ATTENDEES_MAX, &wish.attendees);
    else if (field_get(&reader, STR("attendees")) != NULL)
        field_fault(&reader, STR("attendees"),
            "are registered with POST, or in bulk with PUT, to the webinar's own /attendees");
    wish.notify = field_notify(&reader);
    field_reader_end(&reader);
    *ret_wish = wish;
}

static void
resolve(struct webinar_time *inout, const struct zone *zone)
{
    struct zone_resolved resolved;

    if (!inout->is_wall)
        return;
    resolved = zone_resolve(zone, inout->wall);
    inout->at = resolved.at;
    inout->adjusted = resolved.adjusted;
}

static bool
is_in_range(const struct webinar_time *time, struct str pointer, struct faults *faults)
{
    if (time->at.us >= EARLIEST_US && time->at.us < LATEST_US)
        return true;
    fault_add(faults, pointer, "must be in the years 1972 to 9998");
    return false;
}

void
webinar_resolve(struct webinar *inout, const struct zone *zone, struct faults *faults)
{
    bool in_range;

    resolve(&inout->from, zone);
    resolve(&inout->to, zone);
    in_range = is_in_range(&inout->from, STR("/from"), faults);
    in_range = is_in_range(&inout->to, STR("/to"), faults) && in_range;
    if (!in_range)
        return;
    if (inout->to.at.us <= inout->from.at.us)
        fault_add(faults, STR("/to"), "must be after from");
    else if (inout->to.at.us - inout->from.at.us > WEBINAR_DAYS_MAX * US_PER_DAY)
        fault_add(faults, STR("/to"), "must be at most %d days after from", WEBINAR_DAYS_MAX);
}

bool
webinar_is_same(const struct webinar *a, const struct webinar *b)
{
    return str_equals(a->title, b->title) && str_equals(a->link, b->link) &&
           str_equals(a->timezone, b->timezone) && a->from.at.us == b->from.at.us &&
           a->to.at.us == b->to.at.us;
}
