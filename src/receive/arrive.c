/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/arrive.h"

/* Not worth a place on disk: what proves the caller and must not be found there, and what says how
 * this one call travelled. */
static const struct str left_out[] = {
    {"authorization", 13},
    {"proxy-authorization", 19},
    {"cookie", 6},
    {"x-api-key", 9},
    {"host", 4},
    {"connection", 10},
    {"keep-alive", 10},
    {"content-length", 14},
    {"transfer-encoding", 17},
    {"te", 2},
    {"trailer", 7},
    {"upgrade", 7},
    {"expect", 6},
    {"accept", 6},
    {"accept-encoding", 15},
    {"accept-language", 15},
};

static bool
is_kept(const struct source *source, const struct http_field *field)
{
    for (size_t i = 0; i < COUNT_OF(left_out); i++) {
        if (str_equals_nocase(field->name, left_out[i]))
            return false;
    }
    if (source->header_name.len > 0 && str_equals_nocase(field->name, source->header_name))
        return false;
    /* A field may hold any bytes; what is shown and handed on is text. */
    return str_is_utf8(field->value);
}

/* Lines of "name: value". A full arena shows there. */
static struct str
headers_kept(const struct source *source, const struct http_head *head, struct arena *arena)
{
    size_t bytes_max = 0;
    char *text;
    char *at;

    for (size_t i = 0; i < head->field_count; i++)
        bytes_max += head->fields[i].name.len + head->fields[i].value.len + sizeof(": \n") - 1;
    text = arena_alloc(arena, bytes_max);
    if (text == NULL)
        return STR("");
    at = text;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];

        if (!is_kept(source, field))
            continue;
        at = str_put(at, field->name);
        at = str_put(at, STR(": "));
        at = str_put(at, field->value);
        at = str_put(at, STR("\n"));
    }
    return (struct str){text, (size_t)(at - text)};
}

/* What is the same by its bytes alone needs no other version than these. */
static enum err
tell_version(const struct source *source, const struct json *json, struct arena *arena,
    struct inbox_arrival *arrival)
{
    enum err err;

    if (arrival->sender_id.ptr != NULL || arrival->policy != DUPLICATE_EXACT)
        return version_of(json, &source->ignored, arena, arrival->version);
    err = sha256(arrival->body, arrival->version);
    if (err == OK)
        arrival->sender_id = sha256_text(arrival->version, arena);
    return err;
}

enum err
arrive_parsed(const struct source *source, int64_t source_pk, const struct source_call *call,
    const struct json *json, struct arena *arena, struct inbox_arrival *ret)
{
    struct inbox_arrival arrival = {.source_pk = source_pk};
    struct source_facts facts;
    struct received received;
    struct str event;
    enum err err = received_read(json, arena, &received);

    if (err != OK)
        return err;
    source_facts(source, call, json, arena, &facts);
    event = facts.event.len > 0 ? facts.event : received_event(&received);
    if (event.ptr == NULL)
        event = STR("");
    arrival.policy = source->has_policy ? source->policy : duplicate_policy_of(event);
    if (!identity_of(event, &received, &source->identity, call->now, arena, &arrival.identity)) {
        arrival.identity = (struct identity){event, STR(""), STR("")};
        if (arrival.policy != DUPLICATE_NONE)
            arrival.policy = DUPLICATE_EXACT;
    }
    arrival.sender_id = facts.sender_id;
    arrival.sender_sequence = facts.sender_sequence;
    arrival.flags = received.flags;
    arrival.received = call->now;
    arrival.headers = headers_kept(source, call->head, arena);
    arrival.body = call->body;
    err = tell_version(source, json, arena, &arrival);
    if (err == OK && arena_is_full(arena))
        err = ERR_NOMEM;
    if (err == OK)
        *ret = arrival;
    return err;
}

enum err
arrive(const struct source *source, int64_t source_pk, const struct source_call *call,
    struct arena *arena, struct inbox_arrival *ret, struct error *reterr)
{
    struct json *json = NULL;
    enum err err = received_parse(call->body, arena, &json, reterr);

    if (err != OK)
        return err;
    err = arrive_parsed(source, source_pk, call, json, arena, ret);
    if (err != OK)
        return error_set(reterr, err, "out of memory while a call was read");
    return OK;
}
