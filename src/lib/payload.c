/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/payload.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "domain/identity.h"
#include "domain/item.h"
#include "domain/received.h"
#include "lib/inside.h"

/* A body of a mebibyte, its tree, and texts of its sessions. */
#define PAYLOAD_ARENA_BYTES_MAX (64 * 1024 * 1024)
#define MANGOES_MAX             1000

struct usher_payload {
    struct arena arena; /* owned: all texts */
    struct received received;
    const char *name;
    const char *email;
    const char *phone;
    const char *mangoes;
    const char *timezone;
    struct usher_session *sessions;
};

/* --- read --- */

static const char *
text_copy(struct arena *arena, struct str text)
{
    return text.ptr != NULL ? arena_copy(arena, text).ptr : NULL;
}

/* A value that is made from several fields; NULL when it is not there. */
static const char *
value_copy(struct usher_payload *payload, const char *name, size_t session)
{
    const char *copy = NULL;
    struct buf buf;

    buf_init(&buf, LOCAL_TIME_TEXT_BYTES);
    if (received_value(&payload->received, str_from(name), session, &buf))
        copy = text_copy(&payload->arena, buf_str(&buf));
    if (buf_is_full(&buf))
        payload->arena.full = true;
    buf_done(&buf);
    return copy;
}

static void
session_read(struct usher_payload *payload, size_t index)
{
    const struct received_session *from = &payload->received.sessions[index];

    payload->sessions[index] = (struct usher_session){
        .webinar = text_copy(&payload->arena, from->webinar),
        .webinar_id = text_copy(&payload->arena, from->webinar_id),
        .link = text_copy(&payload->arena, from->link),
        .from_us = from->has_from ? from->from.us : USHER_NO_TIME,
        .to_us = from->has_to ? from->to.us : USHER_NO_TIME,
        .from_creator = value_copy(payload, "from_creator", index),
        .to_creator = value_copy(payload, "to_creator", index),
        .from_attendee = value_copy(payload, "from_attendee", index),
        .to_attendee = value_copy(payload, "to_attendee", index),
        .creator_timezone = value_copy(payload, "creator_timezone", index),
    };
}

static enum err
payload_read(struct usher_payload *payload, struct str body)
{
    struct received *received = &payload->received;
    struct arena *arena = &payload->arena;
    struct json *json = NULL;
    enum err err = received_parse(body, arena, &json, NULL);

    if (err == OK)
        err = received_read(json, arena, received);
    if (err != OK)
        return err;
    payload->name = text_copy(arena, received->name);
    payload->email = text_copy(arena, received->email);
    payload->phone = text_copy(arena, received->phone);
    payload->mangoes = text_copy(arena, received->mangoes);
    payload->timezone = value_copy(payload, "timezone", 0);
    payload->sessions =
        arena_alloc_array(arena, received->session_count, sizeof(*payload->sessions));
    for (size_t i = 0; payload->sessions != NULL && i < received->session_count; i++)
        session_read(payload, i);
    return arena_is_full(arena) ? ERR_NOMEM : OK;
}

enum usher_result
usher_payload_parse(const void *body, size_t body_len, struct usher_payload **ret_payload)
{
    struct usher_payload *payload;
    enum err err;

    if (body == NULL)
        return USHER_INVALID;
    if (body_len > HTTP_BODY_BYTES_MAX)
        return USHER_LIMIT;
    payload = calloc(1, sizeof(*payload));
    if (payload == NULL)
        return USHER_NOMEM;
    arena_init(&payload->arena, PAYLOAD_ARENA_BYTES_MAX);
    err = payload_read(payload, (struct str){body, body_len});
    if (err == OK)
        *ret_payload = payload;
    else
        usher_payload_free(payload);
    return result_of(err);
}

void
usher_payload_free(struct usher_payload *payload)
{
    if (payload == NULL)
        return;
    arena_done(&payload->arena);
    free(payload);
}

const char *
usher_payload_name(const struct usher_payload *payload)
{
    return payload->name;
}

const char *
usher_payload_email(const struct usher_payload *payload)
{
    return payload->email;
}

const char *
usher_payload_phone(const struct usher_payload *payload)
{
    return payload->phone;
}

const char *
usher_payload_mangoes(const struct usher_payload *payload)
{
    return payload->mangoes;
}

const char *
usher_payload_timezone(const struct usher_payload *payload)
{
    return payload->timezone;
}

int
usher_payload_is_recognised(const struct usher_payload *payload)
{
    return (payload->received.flags & ITEM_UNRECOGNISED) == 0;
}

int
usher_payload_is_contradictory(const struct usher_payload *payload)
{
    return (payload->received.flags & ITEM_CONTRADICTORY) != 0;
}

size_t
usher_payload_session_count(const struct usher_payload *payload)
{
    return payload->received.session_count;
}

enum usher_result
usher_payload_session(const struct usher_payload *payload, size_t index,
    struct usher_session *ret_session)
{
    if (index >= payload->received.session_count)
        return USHER_INVALID;
    *ret_session = payload->sessions[index];
    return USHER_OK;
}

enum usher_result
usher_payload_version(const struct usher_payload *payload, unsigned char ret_digest[32])
{
    static const struct identity_fields nothing = {.count = 0};
    struct arena arena;
    enum err err;

    arena_init(&arena, PAYLOAD_ARENA_BYTES_MAX);
    err = version_of(payload->received.body, &nothing, &arena, ret_digest);
    arena_done(&arena);
    return result_of(err);
}

/* --- build --- */

static bool
is_text(const char *text)
{
    return text != NULL && str_is_utf8(str_from(text));
}

static bool
is_time(int64_t us)
{
    return us >= TIME_US_MIN && us <= TIME_US_MAX;
}

static bool
is_webinar(const struct usher_webinar *webinar)
{
    if (!is_text(webinar->title) || !is_text(webinar->link) || webinar->id == NULL ||
        webinar->zone == NULL || webinar->mango_count > MANGOES_MAX)
        return false;
    for (size_t i = 0; i < webinar->mango_count; i++) {
        if (!is_text(webinar->mangoes[i]))
            return false;
    }
    return is_time(webinar->from_us) && is_time(webinar->to_us);
}

static bool
is_attendee(const struct usher_attendee *attendee)
{
    return is_text(attendee->name) && is_text(attendee->email) &&
           (attendee->phone == NULL || is_text(attendee->phone));
}

static void
body_build(struct buf *body, const struct usher_attendee *attendee,
    const struct payload_session *session, const struct str *mangoes, size_t mango_count)
{
    struct payload_attendee told = {
        .name = str_from(attendee->name),
        .email = str_from(attendee->email),
        .phone = str_from(attendee->phone),
    };
    struct buf fixed;

    payload_attendee_zone(&told, attendee->zone != NULL ? attendee->zone->zone : NULL,
        session->from);
    buf_init(&fixed, HTTP_BODY_BYTES_MAX);
    payload_fixed_build(&fixed, session, 1, mangoes, mango_count);
    payload_render(body, &told, PHONE_NUMBER, buf_str(&fixed));
    if (buf_is_full(&fixed))
        body->full = true;
    buf_done(&fixed);
}

enum usher_result
usher_payload_build(const struct usher_attendee *attendee, const struct usher_webinar *webinar,
    char **ret_body, size_t *ret_len)
{
    struct payload_session session = {0};
    struct str *mangoes;
    struct buf body;

    if (!is_attendee(attendee) || !is_webinar(webinar) ||
        id_parse(str_from(webinar->id), &session.webinar_id) != OK)
        return USHER_INVALID;
    mangoes = calloc(webinar->mango_count + 1, sizeof(*mangoes));
    if (mangoes == NULL)
        return USHER_NOMEM;
    for (size_t i = 0; i < webinar->mango_count; i++)
        mangoes[i] = str_from(webinar->mangoes[i]);
    session.title = str_from(webinar->title);
    session.link = str_from(webinar->link);
    session.from.us = webinar->from_us;
    session.to.us = webinar->to_us;
    session.creator_zone = webinar->zone->zone;

    buf_init(&body, HTTP_BODY_BYTES_MAX);
    body_build(&body, attendee, &session, mangoes, webinar->mango_count);
    free(mangoes);
    buf_append_char(&body, '\0');
    if (buf_is_full(&body)) {
        buf_done(&body);
        return USHER_LIMIT;
    }
    *ret_len = body.len - 1;
    *ret_body = body.ptr;
    return USHER_OK;
}

void
usher_text_free(char *text)
{
    free(text);
}
