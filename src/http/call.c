/* SPDX-License-Identifier: Apache-2.0 */
#include "http/call.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/encode.h"

#define PAGE_LIMIT_DEFAULT 50
#define PAGE_LIMIT_MAX     250
#define CURSOR_BYTES       16 /* the row's number and the digest, eight bytes each */

enum err
call_id(const struct call *call, size_t param, struct id *ret)
{
    CHECK(param < CALL_PARAMS_MAX);
    return id_parse(call->params[param], ret) == OK ? OK : ERR_NOT_FOUND;
}

struct str
call_query(const struct call *call, struct str name)
{
    return query_find(&call->query, name);
}

void
call_query_id(struct call *call, struct str name, struct id *inout)
{
    struct str text = call_query(call, name);

    if (text.ptr != NULL && id_parse(text, inout) != OK)
        fault_add(&call->faults, query_pointer(&call->arena, name), "must be 24 hex digits");
}

void
call_query_time(struct call *call, struct str name, struct walltime *inout)
{
    struct str text = call_query(call, name);

    if (text.ptr != NULL && walltime_parse(text, inout) != OK)
        fault_add(&call->faults, query_pointer(&call->arena, name),
            "must be a time such as 2024-03-15T10:00:00Z");
}

void
call_query_bool(struct call *call, struct str name, bool *inout)
{
    struct str text = call_query(call, name);

    if (text.ptr == NULL)
        return;
    if (str_equals(text, STR("true")) || str_equals(text, STR("false")))
        *inout = text.ptr[0] == 't';
    else
        fault_add(&call->faults, query_pointer(&call->arena, name), "must be true or false");
}

enum err
call_refuse(struct call *call)
{
    const struct faults *faults = &call->faults;

    CHECK(faults->count > 0);
    call->status = 422;
    if (faults->count_seen > faults->count)
        return error_set(&call->store_call.error, ERR_INVALID,
            "%zu faults, of which the first %zu are named in errors: mend them and send again",
            faults->count_seen, faults->count);
    if (faults->count > 1)
        return error_set(&call->store_call.error, ERR_INVALID,
            "%zu faults, named in errors: mend them and send again", faults->count);
    if (faults->list[0].pointer.len == 0)
        return error_set(&call->store_call.error, ERR_INVALID, "the body %.*s",
            STR_FMT(faults->list[0].detail));
    return error_set(&call->store_call.error, ERR_INVALID, "%.*s: %.*s",
        STR_FMT(str_slice(faults->list[0].pointer, 1, faults->list[0].pointer.len)),
        STR_FMT(faults->list[0].detail));
}

static enum err
status_err(int status)
{
    switch (status) {
    case 401:
    case 403: return ERR_DENIED;
    case 404: return ERR_NOT_FOUND;
    case 409:
    case 412: return ERR_CONFLICT;
    case 413:
    case 429: return ERR_LIMIT;
    case 503: return ERR_BUSY;
    default: return status < 500 ? ERR_INVALID : ERR_IO;
    }
}

enum err
call_problem(struct call *call, int status, const char *fmt, ...)
{
    struct error *error = &call->store_call.error;
    va_list args;

    CHECK(status >= 400);
    call->status = status;
    error->code = status_err(status);
    va_start(args, fmt);
    (void)vsnprintf(error->text, sizeof(error->text), fmt, args);
    va_end(args);
    return error->code;
}

void
call_again(struct call *call)
{
    call->is_unfinished = true;
}

void
call_field(struct call *call, const char *name, struct str value)
{
    CHECK(call->field_count < CALL_FIELDS_MAX);
    call->fields[call->field_count++] = (struct http_field){str_from(name), value};
}

/* A list has room for at least the next power of two: an account may have very many hooks. */
static size_t
pks_room(size_t count)
{
    size_t room = 16;

    while (room < count)
        room *= 2;
    return count > 0 ? room : 0;
}

/* A list that cannot grow leaves the arena full, which fails the transaction. */
static void
pks_add(struct arena *arena, int64_t **pks, size_t *inout_count, const int64_t *more, size_t count)
{
    size_t whole = *inout_count + count;

    if (count == 0)
        return;
    if (whole > pks_room(*inout_count)) {
        int64_t *grown = arena_alloc_array(arena, pks_room(whole), sizeof(*grown));

        if (grown == NULL)
            return;
        if (*inout_count > 0)
            memcpy(grown, *pks, *inout_count * sizeof(*grown));
        *pks = grown;
    }
    memcpy(*pks + *inout_count, more, count * sizeof(**pks));
    *inout_count = whole;
}

void
call_wake(struct call *call, const int64_t *hook_pks, size_t count)
{
    pks_add(&call->arena, &call->wake, &call->wake_count, hook_pks, count);
}

void
call_changed(struct call *call, int64_t hook_pk)
{
    pks_add(&call->arena, &call->changed, &call->changed_count, &hook_pk, 1);
}

/* Stays also where this transaction fails: to be woken for nothing costs next to nothing. */
void
call_wake_handlers(struct call *call)
{
    call->wakes_handlers = true;
}

static struct str
etag(struct call *call, struct walltime updated)
{
    return arena_printf(&call->arena, "\"%" PRIx64 "\"", (uint64_t)updated.us);
}

void
call_etag(struct call *call, struct walltime updated)
{
    call_field(call, "ETag", etag(call, updated));
}

enum err
call_if_match(struct call *call, struct walltime updated)
{
    struct str rest = call->if_match;
    struct str wanted;
    struct str is = etag(call, updated);

    if (rest.ptr == NULL)
        return OK;
    while (str_split(&rest, ',', &wanted)) {
        wanted = str_trim(wanted);
        if (str_equals(wanted, STR("*")) || str_equals(wanted, is))
            return OK;
    }
    return call_problem(call, 412,
        "changed since you read it: its ETag is %.*s now; read it again, then change it",
        STR_FMT(is));
}

struct walltime
call_later(const struct call *call, struct walltime updated)
{
    return call->now.us > updated.us ? call->now : (struct walltime){updated.us + 1};
}

struct json_writer
call_answer(struct call *call, int status)
{
    struct json_writer writer;

    buf_clear(&call->answer);
    call->status = status;
    call->content_type = "application/json";
    json_start(&writer, &call->answer);
    return writer;
}

static uint64_t
fnv1a(uint64_t hash, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return (hash ^ 0xff) * UINT64_C(0x100000001b3); /* "a", "bc" is not "ab", "c" */
}

/* What a cursor is good for: this list with these filters. No secret, so no need for a strong
 * digest: whoever forges a cursor sees another page of what is theirs. */
static uint64_t
list_digest(const struct call *call)
{
    uint64_t hash = fnv1a(UINT64_C(0xcbf29ce484222325), call->path);
    struct str rest = str_from(call->route->query);
    struct str name;

    while (str_split(&rest, ' ', &name)) {
        struct str value = call_query(call, name);

        if (value.ptr == NULL || str_equals(name, STR("limit")) || str_equals(name, STR("cursor")))
            continue;
        hash = fnv1a(fnv1a(hash, name), value);
    }
    return hash;
}

void
call_etag_answer(struct call *call)
{
    uint64_t hash = fnv1a(UINT64_C(0xcbf29ce484222325), buf_str(&call->answer));

    call_field(call, "ETag", arena_printf(&call->arena, "\"%" PRIx64 "\"", hash));
}

static void
put_u64(uint8_t out[8], uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t
get_u64(const uint8_t bytes[8])
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool
cursor_parse(const struct call *call, struct str text, int64_t *ret)
{
    uint8_t bytes[CURSOR_BYTES];
    size_t len = 0;
    uint64_t pk;

    if (base64url_decode(text, bytes, sizeof(bytes), &len) != OK || len != sizeof(bytes))
        return false;
    pk = get_u64(bytes);
    if (get_u64(bytes + 8) != call->page_digest || pk == 0 || pk > INT64_MAX)
        return false;
    *ret = (int64_t)pk;
    return true;
}

enum err
call_page(struct call *call, struct page *ret)
{
    struct str limit = call_query(call, STR("limit"));
    struct str cursor = call_query(call, STR("cursor"));
    struct page page = {PAGE_LIMIT_DEFAULT, INT64_MAX};
    bool is_right = true;

    call->page_digest = list_digest(call);
    if (limit.ptr != NULL &&
        (str_to_int64(limit, &page.limit) != OK || page.limit < 1 || page.limit > PAGE_LIMIT_MAX)) {
        fault_add(&call->faults, query_pointer(&call->arena, STR("limit")),
            "must be a whole number from 1 to %d", PAGE_LIMIT_MAX);
        is_right = false;
    }
    if (cursor.ptr != NULL && !cursor_parse(call, cursor, &page.before_pk)) {
        fault_add(&call->faults, query_pointer(&call->arena, STR("cursor")),
            "is not a nextCursor of this list with these filters: start again without it");
        is_right = false;
    }
    if (!is_right)
        return ERR_INVALID;
    *ret = page;
    return OK;
}

size_t
page_shown(const struct page *page, size_t count)
{
    return count > (size_t)page->limit ? (size_t)page->limit : count;
}

void
page_open(struct json_writer *writer)
{
    json_object_open(writer);
    json_name(writer, STR("data"));
    json_array_open(writer);
}

void
page_close(struct call *call, struct json_writer *writer, bool has_more, int64_t last_pk)
{
    uint8_t bytes[CURSOR_BYTES];
    struct buf text;

    json_array_close(writer);
    json_name(writer, STR("nextCursor"));
    if (has_more) {
        put_u64(bytes, (uint64_t)last_pk);
        put_u64(bytes + 8, call->page_digest);
        buf_init(&text, 32);
        base64url_append(&text, bytes, sizeof(bytes));
        /* A cursor that is missing would end the list early. */
        if (buf_is_full(&text))
            call->answer.full = true;
        json_string(writer, buf_str(&text));
        buf_done(&text);
    } else {
        json_null(writer);
    }
    json_object_close(writer);
}

void
json_id(struct json_writer *writer, struct id id)
{
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    json_string(writer, str_from(text));
}

void
json_field_id(struct json_writer *writer, struct str name, struct id id)
{
    json_name(writer, name);
    if (id_is_zero(id))
        json_null(writer);
    else
        json_id(writer, id);
}

void
json_field_time(struct json_writer *writer, struct str name, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    json_name(writer, name);
    if (at.us == 0) {
        json_null(writer);
        return;
    }
    walltime_format(at, text);
    json_string(writer, str_from(text));
}

void
json_field_str(struct json_writer *writer, struct str name, struct str text)
{
    json_name(writer, name);
    json_string_or_null(writer, text);
}

void
json_field_int(struct json_writer *writer, struct str name, int64_t value)
{
    json_name(writer, name);
    json_int(writer, value);
}

void
json_field_bool(struct json_writer *writer, struct str name, bool value)
{
    json_name(writer, name);
    json_bool(writer, value);
}
