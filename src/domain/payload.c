/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/payload.h"

#include "base/check.h"
#include "base/json.h"

/* A double carries every integer of 15 digits; with 16 some readers change the last. */
#define PHONE_DIGITS_MAX 15

static void
append_time(struct buf *buf, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    walltime_format(at, text);
    buf_append(buf, text, sizeof(text) - 1);
}

static void
append_local_time(struct buf *buf, const struct zone *zone, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    civil_format(civil_at(at, zone_offset_minutes_at(zone, at)), text);
    buf_append(buf, text, sizeof(text) - 1);
}

static void
append_offset(struct buf *buf, int32_t minutes)
{
    char text[UTC_OFFSET_TEXT_BYTES];

    utc_offset_format(minutes, text);
    buf_append(buf, text, sizeof(text) - 1);
}

static void
append_session(struct buf *buf, const struct payload_session *session)
{
    char id[ID_TEXT_BYTES];

    id_format(session->webinar_id, id);
    buf_append_literal(buf, "{\"webinar\":");
    json_append_string(buf, session->title);
    buf_append_literal(buf, ",\"webinarId\":\"");
    buf_append(buf, id, sizeof(id) - 1);
    buf_append_literal(buf, "\",\"webinarLink\":");
    json_append_string(buf, session->link);
    buf_append_literal(buf, ",\"webinarFromTime\":\"");
    append_time(buf, session->from);
    buf_append_literal(buf, "\",\"webinarToTime\":\"");
    append_time(buf, session->to);
    buf_append_literal(buf, "\",\"webinarFromTimeInCreatorTimezone\":\"");
    append_local_time(buf, session->creator_zone, session->from);
    buf_append_literal(buf, "\",\"webinarToTimeInCreatorTimezone\":\"");
    append_local_time(buf, session->creator_zone, session->to);
    buf_append_literal(buf, "\",\"creatorTimezone\":\"");
    append_offset(buf, zone_offset_minutes_at(session->creator_zone, session->from));
    buf_append_literal(buf, "\"}");
}

/* The names joined as one text, as the names' escapes then are those of any other. */
static void
append_mangoes(struct buf *buf, const struct str *mangoes, size_t count)
{
    CLEANUP(buf_done) struct buf joined;

    buf_init(&joined, buf->max);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_literal(&joined, ", ");
        buf_append_str(&joined, mangoes[i]);
    }
    json_append_string(buf, buf_str(&joined));
    if (buf_is_full(&joined))
        buf->full = true;
}

void
payload_fixed_build(struct buf *buf, const struct payload_session *sessions, size_t session_count,
    const struct str *mangoes, size_t mango_count)
{
    CHECK(session_count > 0);

    buf_append_literal(buf, ",\"callList\":[");
    for (size_t i = 0; i < session_count; i++) {
        if (i > 0)
            buf_append_char(buf, ',');
        append_session(buf, &sessions[i]);
    }
    buf_append_literal(buf, "],\"mangoes\":");
    append_mangoes(buf, mangoes, mango_count);
    buf_append_char(buf, '}');
}

void
payload_attendee_zone(struct payload_attendee *attendee, const struct zone *zone,
    struct walltime session_from)
{
    attendee->has_offset = zone != NULL;
    attendee->offset_minutes = zone != NULL ? zone_offset_minutes_at(zone, session_from) : 0;
}

static bool
is_separator(char c)
{
    return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')';
}

/* The digits of a phone that a JSON number can carry unchanged; else false. */
static bool
phone_digits(struct str phone, char ret_digits[PHONE_DIGITS_MAX], size_t *ret_count)
{
    size_t count = 0;
    bool has_plus = false;

    for (size_t i = 0; i < phone.len; i++) {
        char c = phone.ptr[i];

        if (c >= '0' && c <= '9') {
            if (count == PHONE_DIGITS_MAX)
                return false;
            ret_digits[count++] = c;
        } else if (c == '+' && !has_plus && count == 0) {
            has_plus = true;
        } else if (!is_separator(c)) {
            return false;
        }
    }
    if (count == 0 || ret_digits[0] == '0')
        return false;
    *ret_count = count;
    return true;
}

static void
append_phone(struct buf *buf, struct str phone, enum phone_format format)
{
    char digits[PHONE_DIGITS_MAX];
    size_t count = 0;

    if (phone.len == 0)
        buf_append_literal(buf, "null");
    else if (format == PHONE_NUMBER && phone_digits(phone, digits, &count))
        buf_append(buf, digits, count);
    else
        json_append_string(buf, phone);
}

void
payload_render(struct buf *buf, const struct payload_attendee *attendee, enum phone_format format,
    struct str fixed)
{
    buf_append_literal(buf, "{\"name\":");
    json_append_string(buf, attendee->name);
    buf_append_literal(buf, ",\"email\":");
    json_append_string(buf, attendee->email);
    buf_append_literal(buf, ",\"phone\":");
    append_phone(buf, attendee->phone, format);
    if (attendee->has_offset) {
        buf_append_literal(buf, ",\"timezone\":\"");
        append_offset(buf, attendee->offset_minutes);
        buf_append_char(buf, '"');
    } else {
        buf_append_literal(buf, ",\"timezone\":null");
    }
    buf_append_str(buf, fixed);
}
