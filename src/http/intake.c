/* SPDX-License-Identifier: Apache-2.0 */
#include "http/intake.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "http/auth.h"
#include "http/idempotency.h"
#include "http/problem.h"

#define REQUEST_ID_BYTES_MAX 128

PRINTF(3, 4)
static void refuse(struct call *call, int status, const char *fmt, ...);

static void
refuse(struct call *call, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    call->refusal_detail = arena_copy(&call->arena, problem_detail(text));
    call->refusal_status = status;
}

/* "application/json; charset=utf-8", "application/merge-patch+json". */
static bool
is_json_type(struct str content_type)
{
    struct str type = str_trim(str_slice(content_type, 0, str_find(content_type, ';', 0)));

    if (str_equals_nocase(type, STR("application/json")))
        return true;
    return type.len > 5 && str_equals_nocase(str_slice(type, type.len - 5, type.len), STR("+json"));
}

static bool
is_identity(struct str encoding)
{
    return encoding.len == 0 || str_equals_nocase(encoding, STR("identity"));
}

static void
read_json(struct call *call)
{
    enum route_body takes = call->route->body;
    struct str body = buf_str(&call->body_bytes);
    struct error error = {OK, ""};
    enum err err;

    if (str_trim(body).len == 0) {
        if (takes == BODY_JSON)
            refuse(call, 400, "the body is empty: this route needs a JSON object");
        return;
    }
    if (takes == BODY_NONE) {
        if (!str_equals(str_trim(body), STR("{}")))
            refuse(call, 400, "this route takes no body");
        return;
    }
    if (call->content_type_sent.ptr != NULL && !is_json_type(call->content_type_sent)) {
        refuse(call, 415, "the body's content type is %.*s: send application/json",
            STR_FMT(str_slice(call->content_type_sent, 0, 100)));
        return;
    }
    err = json_parse(body, &call->arena, &call->body, &error);
    if (err != OK)
        refuse(call, err == ERR_INVALID ? 400 : 413, "the body is not taken: %s", error.text);
}

void
intake_body(struct call *call)
{
    if (call->route->body == BODY_STREAM)
        return;
    if (buf_is_full(&call->body_bytes) ||
        (call->idempotency_key.ptr != NULL &&
            sha256(buf_str(&call->body_bytes), call->body_digest) != OK)) {
        refuse(call, 503, "no memory for the body just now: try again in a second");
        return;
    }
    read_json(call);
}

/* A caller's own id is kept if it is one plain word, so that no log line is made up with it. */
static bool
is_sane_id(struct str id)
{
    if (id.len == 0 || id.len > REQUEST_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            strchr("-_.~:/+=@", c) == NULL)
            return false;
    }
    return true;
}

static struct str
request_id(struct arena *arena, struct str given, uint64_t number)
{
    char text[HTTP_REQUEST_ID_BYTES];

    return arena_copy(arena, is_sane_id(given) ? given : http_request_id_format(number, text));
}

static bool
is_loopback(const struct address *address)
{
    static const struct address_guard nothing_open = {.count = 0};
    const char *denied = address_denied(&nothing_open, address);

    return denied != NULL && strcmp(denied, "loopback") == 0;
}

/* A proxy on this machine passes strangers on; it says so in a field. */
static bool
is_nearby(const struct http_request *request)
{
    const struct http_head *head = http_request_head(request);
    struct address peer = http_request_peer(request);

    return is_loopback(&peer) && http_head_field(head, STR("forwarded")).ptr == NULL &&
           http_head_field(head, STR("x-forwarded-for")).ptr == NULL &&
           http_head_field(head, STR("x-real-ip")).ptr == NULL &&
           http_head_field(head, STR("via")).ptr == NULL;
}

static struct str
copy_field(struct call *call, const char *name)
{
    return arena_copy(&call->arena,
        http_head_field(http_request_head(call->request), str_from(name)));
}

static void
copy_key(struct call *call, struct str text)
{
    if (text.ptr == NULL)
        return;
    call->key_bytes = arena_alloc(&call->arena, text.len + 1);
    if (call->key_bytes == NULL)
        return;
    memcpy(call->key_bytes, text.ptr, text.len);
    call->key_text = (struct str){call->key_bytes, text.len};
}

void
intake_copy_head(struct call *call, bool is_admin, uint64_t number)
{
    const struct http_head *head = http_request_head(call->request);
    struct arena *arena = &call->arena;

    call->is_nearby = is_admin || is_nearby(call->request);
    call->request_id = request_id(arena, http_head_field(head, STR("x-request-id")), number);
    call->method = arena_copy(arena, head->method);
    call->path = arena_copy(arena, head->path);
    copy_key(call, auth_key_text(head));
    call->if_match = copy_field(call, "if-match");
    call->content_type_sent = copy_field(call, "content-type");
    call->content_encoding = copy_field(call, "content-encoding");
}

static bool
decode_params(struct call *call)
{
    for (size_t i = 0; i < CALL_PARAMS_MAX && call->params[i].ptr != NULL; i++) {
        struct buf buf;
        bool is_right;

        buf_init(&buf, call->params[i].len);
        is_right = percent_decode(call->params[i], &buf) == OK && !buf_is_full(&buf) &&
                   str_is_utf8(buf_str(&buf));
        if (is_right)
            call->params[i] = arena_copy(&call->arena, buf_str(&buf));
        buf_done(&buf);
        if (!is_right)
            return false;
    }
    return true;
}

bool
intake_route(struct call *call, const struct route_table *tables, size_t table_count)
{
    const struct route_question ask = {call->method, call->path};
    char allow[ROUTE_ALLOW_BYTES];

    switch (route_find(tables, table_count, &ask, &call->route, call->params, allow)) {
    case ROUTE_FOUND: break;
    case ROUTE_UNKNOWN:
        refuse(call, 404, "there is no %.*s here", STR_FMT(str_slice(call->path, 0, 200)));
        return false;
    case ROUTE_OTHER_METHOD:
        call_field(call, "Allow", arena_copy(&call->arena, str_from(allow)));
        refuse(call, 405, "this path takes %s, not %.*s", allow,
            STR_FMT(str_slice(call->method, 0, 20)));
        return false;
    }
    if (!decode_params(call)) {
        refuse(call, 404, "the path is not percent-encoded UTF-8");
        return false;
    }
    return true;
}

static void
take_idempotency_key(struct call *call)
{
    const struct http_head *head = http_request_head(call->request);
    struct str name = STR("idempotency-key");
    struct str key = http_head_field(head, name);
    size_t count = 0;

    for (size_t i = 0; i < head->field_count; i++)
        count += str_equals_nocase(head->fields[i].name, name);
    if (count > 1 || (count == 1 && !idempotency_key_is_valid(key)))
        refuse(call, 400,
            "Idempotency-Key must be one key of 1 to %d printable ASCII characters: a UUID will do",
            IDEMPOTENCY_KEY_BYTES_MAX);
    else if (count == 1)
        call->idempotency_key = arena_copy(&call->arena, key);
}

void
intake_head(struct call *call)
{
    const struct http_head *head = http_request_head(call->request);

    query_parse(head->query, call->route->query, &call->refusal_faults, &call->query);
    if (call->refusal_faults.count > 0)
        refuse(call, 422, "the query has parameters that are not right, named in errors");
    else if (!is_identity(call->content_encoding))
        refuse(call, 415, "send the body as it is, without Content-Encoding");
    else if (idempotency_is_heeded(call->route))
        take_idempotency_key(call);
}
