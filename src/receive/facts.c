/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/judge_inside.h"

/* A text or a number at a path of a scheme, "event.type"; else absent. */
static struct str
scheme_value(const struct json *body, struct str path)
{
    struct str step;

    while (body != NULL && str_split(&path, '.', &step))
        body = body->kind == JSON_OBJECT ? json_find(body, step) : NULL;
    if (body == NULL || (body->kind != JSON_STRING && body->kind != JSON_NUMBER))
        return (struct str){NULL, 0};
    return body->text;
}

static bool
take_value(const struct json *place, void *arg)
{
    struct str *value = arg;

    if (place->kind != JSON_STRING && place->kind != JSON_NUMBER)
        return true;
    *value = place->text;
    return false;
}

static bool
is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c < ' ' || c == 0x7f)
            return false;
    }
    return str_is_utf8(text);
}

static struct str
event_of(const struct source *source, const struct source_call *call, const struct json *body)
{
    struct str event = source->event;

    if (event.len == 0)
        event = http_head_field(call->head, STR("x-usher-event"));
    if (event.len == 0 && source->scheme != NULL && source->scheme->event_field.ptr != NULL)
        event = http_head_field(call->head, source->scheme->event_field);
    if (event.len == 0 && source->scheme != NULL && source->scheme->event_path.ptr != NULL)
        event = scheme_value(body, source->scheme->event_path);
    if (event.len == 0 || event.len > SOURCE_EVENT_BYTES_MAX || !is_plain(event))
        return (struct str){NULL, 0};
    return event;
}

static struct str
sender_id_of(const struct source *source, const struct source_call *call, const struct json *body)
{
    const struct scheme *scheme = source->scheme;
    struct str id = {NULL, 0};

    if (source->id_path.step_count > 0) {
        if (body != NULL)
            field_path_walk(&source->id_path, body, take_value, &id);
        return id;
    }
    if (source->id_field.len > 0)
        return http_head_field(call->head, source->id_field);
    if (scheme != NULL && scheme->id_field.ptr != NULL)
        return http_head_field(call->head, scheme->id_field);
    if (scheme != NULL && scheme->id_path.ptr != NULL)
        return scheme_value(body, scheme->id_path);
    id = standard_fields(call->head).id;
    if (id.ptr == NULL) /* of a caller who proved itself by what signs nothing */
        id = http_head_field(call->head, STR("webhook-id"));
    return id;
}

/* What is too long for a row, or no text, is known by its digest; a full arena shows there. */
static struct str
id_bounded(struct str id, struct arena *arena)
{
    uint8_t digest[SHA256_BYTES];

    if (id.len == 0)
        return (struct str){NULL, 0};
    if (id.len <= SOURCE_SENDER_ID_BYTES_MAX && is_plain(id))
        return id;
    if (sha256(id, digest) == OK)
        return sha256_text(digest, arena);
    arena->full = true;
    return (struct str){NULL, 0};
}

void
source_facts(const struct source *source, const struct source_call *call, const struct json *body,
    struct arena *arena, struct source_facts *ret)
{
    struct str sequence = http_head_field(call->head, STR("x-usher-sequence"));
    int64_t number = 0;

    *ret = (struct source_facts){
        .event = event_of(source, call, body),
        .sender_id = id_bounded(sender_id_of(source, call, body), arena),
    };
    /* Anybody's largest number would make all that really comes later stale. */
    if (!source->accepts_all && str_to_int64(sequence, &number) == OK && number > 0)
        ret->sender_sequence = number;
}
