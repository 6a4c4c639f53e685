/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handling_value.h"

static const char *const weekdays[] = {"Thursday", "Friday", "Saturday", "Sunday", "Monday",
    "Tuesday", "Wednesday"}; /* 1970-01-01 was the first of them */

static const char *const months[] = {"January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December"};

/* --- times for a person ----------------------------------------------------------------------- */

static void
append_for_person(struct buf *buf, struct walltime at, int32_t offset_minutes)
{
    const struct civil local = civil_at(at, offset_minutes);
    int64_t days = local.us / US_PER_DAY;
    int64_t minutes;
    int64_t year;
    int month;
    int day;
    char offset[UTC_OFFSET_TEXT_BYTES];

    if (local.us % US_PER_DAY < 0)
        days--;
    minutes = (local.us - days * US_PER_DAY) / (60 * US_PER_S);
    civil_from_days(days, &year, &month, &day);
    buf_printf(buf, "%s, %d %s %lld, %02d:%02d (UTC", weekdays[(days % 7 + 7) % 7], day,
        months[month - 1], (long long)year, (int)(minutes / 60), (int)(minutes % 60));
    utc_offset_format(offset_minutes, offset);
    if (offset_minutes != 0)
        buf_append_str(buf, str_from(offset));
    buf_append_char(buf, ')');
}

static bool
append_time(const struct received *received, size_t index, bool is_end, struct buf *buf)
{
    const struct received_session *session;
    int32_t offset_minutes = 0;

    if (index >= received->session_count)
        return false;
    session = &received->sessions[index];
    if (is_end ? !session->has_to : !session->has_from)
        return false;
    if (received->has_offset)
        offset_minutes = received->offset_minutes;
    else if (session->has_creator_offset)
        offset_minutes = session->creator_offset_minutes;
    append_for_person(buf, is_end ? session->to : session->from, offset_minutes);
    return true;
}

/* --- the item --------------------------------------------------------------------------------- */

enum own_value {
    OWN_ID,
    OWN_SOURCE,
    OWN_EVENT,
    OWN_CHANGE,
    OWN_UPDATED,
    OWN_SEQUENCE,
    OWN_REVISION,
    OWN_RECEIVED,
    OWN_PERSON,
    OWN_OBJECT,
    OWN_SENDER_ID,
    OWN_PAYLOAD,
    OWN_STARTS,
    OWN_ENDS,
    OWN_NONE,
};

/* In the order of the list above. */
static const char *const own_names[] = {"id", "source", "event", "change", "updated", "sequence",
    "revision", "received", "person", "object", "sender_id", "payload", "starts", "ends"};

static enum own_value
own_find(struct str name)
{
    size_t i = 0;

    _Static_assert(COUNT_OF(own_names) == OWN_NONE, "a name for each");
    while (i < OWN_NONE && !str_equals(name, str_from(own_names[i])))
        i++;
    return (enum own_value)i;
}

static bool
append_there(struct buf *buf, struct str text)
{
    buf_append_str(buf, text);
    return text.len > 0;
}

static bool
append_number(struct buf *buf, int64_t number)
{
    buf_append_int(buf, number);
    return true;
}

/* As domain/identity.h writes it; also where the source says that a person is no part of what its
 * calls are about. */
static bool
append_person(struct buf *buf, const struct handling *handling)
{
    struct str email = str_trim(handling->received->email);

    if (handling->person.len > 0)
        return append_there(buf, handling->person);
    if (email.len == 0)
        return false;
    buf_append_literal(buf, "e:");
    for (size_t i = 0; i < email.len; i++) {
        char c = email.ptr[i];

        buf_append_char(buf, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
    return true;
}

static bool
append_own(struct buf *buf, const struct handling *handling, enum own_value value, size_t session)
{
    char text[WALLTIME_TEXT_BYTES];

    switch (value) {
    case OWN_ID: return append_there(buf, handling->id);
    case OWN_SOURCE: return append_there(buf, handling->source);
    case OWN_EVENT: return append_there(buf, handling->event);
    case OWN_CHANGE:
        return append_there(buf, handling->is_update ? STR("updated") : STR("created"));
    case OWN_UPDATED: return append_there(buf, handling->is_update ? STR("updated") : STR(""));
    case OWN_SEQUENCE: return append_number(buf, handling->sequence);
    case OWN_REVISION: return append_number(buf, handling->revision);
    case OWN_RECEIVED:
        walltime_format(handling->received_at, text);
        return append_there(buf, str_from(text));
    case OWN_PERSON: return append_person(buf, handling);
    case OWN_OBJECT: return append_there(buf, handling->object);
    case OWN_SENDER_ID: return append_there(buf, handling->sender_id);
    case OWN_PAYLOAD: return append_there(buf, handling->body);
    case OWN_STARTS: return append_time(handling->received, session, false, buf);
    case OWN_ENDS: return append_time(handling->received, session, true, buf);
    case OWN_NONE: return false;
    }
    UNREACHABLE;
}

bool
handling_value_is_known(struct str name)
{
    for (const char *const *known = received_value_names; *known != NULL; known++)
        if (str_equals(name, str_from(*known)))
            return true;
    return own_find(name) != OWN_NONE;
}

bool
handling_value(const struct handling *handling, struct str name, size_t session, struct buf *buf)
{
    enum own_value value = own_find(name);

    return value != OWN_NONE ? append_own(buf, handling, value, session)
                             : received_value(handling->received, name, session, buf);
}

void
handling_value_names(struct buf *buf)
{
    for (const char *const *known = received_value_names; *known != NULL; known++)
        buf_printf(buf, "%s, ", *known);
    for (size_t i = 0; i < COUNT_OF(own_names); i++)
        buf_printf(buf, "%s%s", i > 0 ? ", " : "", own_names[i]);
}
