/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/notice.h"

#include "base/json.h"
#include "domain/event.h"

static void
write_id(struct json_writer *writer, struct str name, struct id id)
{
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    json_name(writer, name);
    json_string_or_null(writer, id_is_zero(id) ? (struct str){NULL, 0} : str_from(text));
}

static void
write_time(struct json_writer *writer, struct str name, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    walltime_format(at, text);
    json_name(writer, name);
    json_string_or_null(writer, at.us == 0 ? (struct str){NULL, 0} : str_from(text));
}

static void
write_str(struct json_writer *writer, struct str name, struct str text)
{
    json_name(writer, name);
    json_string_or_null(writer, text);
}

static void
notice_open(struct json_writer *writer, struct buf *buf, struct str type, struct walltime at)
{
    json_start(writer, buf);
    json_object_open(writer);
    write_str(writer, STR("type"), type);
    write_time(writer, STR("timestamp"), at);
    json_name(writer, STR("data"));
    json_object_open(writer);
}

static void
write_hook(struct json_writer *writer, const struct notice_hook *hook)
{
    write_id(writer, STR("hook"), hook->id);
    write_str(writer, STR("hookUrl"), hook->url);
    write_str(writer, STR("event"), hook->event);
}

static void
notice_close(struct json_writer *writer)
{
    json_object_close(writer);
    json_object_close(writer);
}

void
notice_health_render(struct buf *buf, const struct notice_health *notice)
{
    struct json_writer writer;

    notice_open(&writer, buf, notice->type, notice->at);
    write_hook(&writer, &notice->hook);
    write_time(&writer, STR("failingSince"), notice->since);
    if (str_equals(notice->type, STR(EVENT_HOOK_RECOVERED))) {
        write_time(&writer, STR("recoveredAt"), notice->at);
    } else {
        write_str(&writer, STR("lastResult"), notice->result);
        json_name(&writer, STR("lastStatus"));
        if (notice->status != 0)
            json_int(&writer, notice->status);
        else
            json_null(&writer);
    }
    if (str_equals(notice->type, STR(EVENT_HOOK_DISABLED)))
        write_str(&writer, STR("disabledBy"), notice->disabled_by);
    notice_close(&writer);
}

void
notice_dead_render(struct buf *buf, const struct notice_dead *notice)
{
    struct json_writer writer;

    notice_open(&writer, buf, STR(EVENT_DELIVERY_DEAD), notice->at);
    write_hook(&writer, &notice->hook);
    write_id(&writer, STR("eventId"), notice->event);
    write_id(&writer, STR("webinar"), notice->webinar);
    json_name(&writer, STR("count"));
    json_int(&writer, (int64_t)notice->count);
    json_name(&writer, STR("attempts"));
    json_int(&writer, (int64_t)notice->attempts);
    json_name(&writer, STR("deliveries"));
    json_array_open(&writer);
    for (size_t i = 0; i < notice->attendee_count; i++) {
        const struct delivery_id id = {
            .event = notice->event,
            .hook = notice->hook.id,
            .attendee = notice->attendees[i],
            .sequence = notice->sequence,
        };
        char text[DELIVERY_ID_TEXT_BYTES];

        json_string(&writer, (struct str){text, delivery_id_format(&id, text)});
    }
    json_array_close(&writer);
    notice_close(&writer);
}
