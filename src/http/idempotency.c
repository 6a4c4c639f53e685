/* SPDX-License-Identifier: Apache-2.0 */
#include "http/idempotency.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "store/idempotency.h"

#define CONTENT_TYPE "Content-Type"

bool
idempotency_is_heeded(const struct route *route)
{
    return strcmp(route->method, "POST") == 0 && route->writes && route->perform != NULL;
}

bool
idempotency_key_is_valid(struct str key)
{
    if (key.len == 0 || key.len > IDEMPOTENCY_KEY_BYTES_MAX)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] < 0x20 || key.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

/* A method and a path have no line feed, so none of them runs into the next. */
static enum err
key_make(struct call *call, struct idempotency_key *ret)
{
    struct str text = arena_printf(&call->arena, "%" PRId64 "\n%.*s\n%.*s\n%.*s", call->account_pk,
        STR_FMT(call->method), STR_FMT(call->path), STR_FMT(call->idempotency_key));
    enum err err = text.ptr != NULL ? sha256(text, ret->request) : ERR_NOMEM;

    memcpy(ret->body, call->body_digest, sizeof(ret->body));
    if (err != OK)
        return error_set(&call->store_call.error, err, "out of memory for an Idempotency-Key");
    return OK;
}

/* A line of the fields as they were kept; its content type stands apart in a call. */
static void
field_restore(struct call *call, struct str line)
{
    size_t colon = str_find(line, ':', 0);
    struct str name = arena_copy(&call->arena, str_slice(line, 0, colon));
    struct str value = arena_copy(&call->arena, str_slice(line, colon + 2, line.len));

    if (name.ptr == NULL || value.ptr == NULL)
        return; /* the arena is full, which fails the call */
    if (str_equals(name, STR(CONTENT_TYPE)))
        call->content_type = value.ptr;
    else
        call_field(call, name.ptr, value);
}

static enum err
answer_again(struct call *call, const struct kept_answer *kept)
{
    struct str rest = kept->fields;
    struct str line;

    buf_clear(&call->answer);
    buf_append_str(&call->answer, kept->body);
    call->status = kept->status;
    while (str_split(&rest, '\n', &line)) {
        if (line.len > 0)
            field_restore(call, line);
    }
    call_field(call, "Idempotency-Replayed", STR("true"));
    return OK;
}

static void
field_append(struct call *call, struct str *inout, struct str name, struct str value)
{
    CHECK(str_find(value, '\n', 0) == SIZE_MAX);
    *inout = arena_printf(&call->arena, "%.*s%.*s: %.*s\n", STR_FMT(*inout), STR_FMT(name),
        STR_FMT(value));
}

static enum err
keep(struct call *call, struct engine *engine, const struct idempotency_key *key)
{
    struct kept_answer answer = {.status = call->status, .body = buf_str(&call->answer)};

    field_append(call, &answer.fields, STR(CONTENT_TYPE), str_from(call->content_type));
    for (size_t i = 0; i < call->field_count; i++)
        field_append(call, &answer.fields, call->fields[i].name, call->fields[i].value);
    return idempotency_keep(engine, key, call->now, &answer, &call->arena, &call->store_call.error);
}

enum err
idempotency_perform(struct call *call, struct engine *engine)
{
    struct error *error = &call->store_call.error;
    struct idempotency_key key;
    struct kept_answer kept;
    int64_t changes;
    enum err err;

    if (call->idempotency_key.ptr == NULL)
        return call->route->perform(call, engine);
    err = key_make(call, &key);
    if (err == OK)
        err = idempotency_find(engine, &key, call->idempotency_since, &call->arena, &kept, error);
    if (err == OK)
        return answer_again(call, &kept);
    if (err == ERR_CONFLICT)
        return call_problem(call, 422,
            "this Idempotency-Key came with another body before: send the same body again to have "
            "its answer, or use a new key for a new request");
    if (err != ERR_NOT_FOUND)
        return err;

    *error = (struct error){.code = OK};
    changes = engine_changes_total(engine);
    err = call->route->perform(call, engine);
    if (err != OK || call->is_unfinished || call->status < 200 || call->status > 299)
        return err;
    /* The last of several transactions may have had nothing left to do. */
    if (call->step == 0 && engine_changes_total(engine) == changes)
        return OK;
    return keep(call, engine, &key);
}
