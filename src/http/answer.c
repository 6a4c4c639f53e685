/* SPDX-License-Identifier: Apache-2.0 */
#include "http/answer.h"

#include <inttypes.h>

#include "base/check.h"
#include "http/problem.h"
#include "os/log.h"

/* A disk that is full takes somebody to look at it. */
#define DISK_RETRY_S "10"

/* --- what every answer has --- */

static void
field_add(struct http_answer *answer, struct http_field *fields, const char *name, struct str value)
{
    fields[answer->field_count++] = (struct http_field){str_from(name), value};
    answer->fields = fields;
}

static bool
has_field(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->field_count; i++) {
        if (str_equals_nocase(call->fields[i].name, str_from(name)))
            return true;
    }
    return false;
}

/* The names and meanings of draft-ietf-httpapi-ratelimit-headers-02, which most clients know. */
static void
add_quota(struct call *call, struct http_answer *answer, struct http_field *fields)
{
    const struct {
        const char *name;
        int64_t value;
    } parts[] = {
        {"RateLimit-Limit", call->request_quota.limit},
        {"RateLimit-Remaining", call->request_quota.remaining},
        {"RateLimit-Reset", call->request_quota.reset_s},
    };

    for (size_t i = 0; i < COUNT_OF(parts); i++)
        field_add(answer, fields, parts[i].name,
            arena_printf(&call->arena, "%" PRId64, parts[i].value));
}

void
answer_head(struct call *call, bool has_body, struct http_field fields[ANSWER_FIELDS_MAX],
    struct http_answer *ret)
{
    struct http_answer answer = {.status = call->status};

    for (size_t i = 0; i < call->field_count; i++)
        fields[answer.field_count++] = call->fields[i];
    if (has_body)
        field_add(&answer, fields, "Content-Type", str_from(call->content_type));
    field_add(&answer, fields, "X-Request-Id", call->request_id);
    field_add(&answer, fields, "Cache-Control", STR("no-store"));
    if (answer.status == 401)
        field_add(&answer, fields, "WWW-Authenticate", STR("Bearer realm=\"usher\""));
    else if (answer.status == 503 && !has_field(call, "Retry-After"))
        field_add(&answer, fields, "Retry-After", STR("1"));
    if (call->request_quota.limit > 0)
        add_quota(call, &answer, fields);
    *ret = answer;
}

/* --- what went wrong --- */

void
answer_set_problem(struct call *call, int status, struct str detail, const struct faults *faults)
{
    buf_clear(&call->answer);
    problem_write(&call->answer, status, detail, faults);
    call->status = status;
    call->content_type = "application/problem+json";
    if (buf_is_full(&call->answer)) {
        buf_clear(&call->answer); /* no memory: the status has to do */
        call->status = status >= 500 ? status : 503;
    }
}

/* What a peer may know of a fault of ours: that there was one, and under which id it is logged. */
static void
set_failure(struct call *call)
{
    struct str detail;

    log_error("request.failed", log_str("request", call->request_id),
        log_str("method", call->method), log_str("path", call->path),
        log_text("error", call->store_call.error.text));
    if (call->store_call.err != ERR_DISK) {
        detail = arena_printf(&call->arena,
            "something failed on our side; the log tells of request %.*s",
            STR_FMT(call->request_id));
        answer_set_problem(call, 500, detail, NULL);
        return;
    }
    detail = arena_printf(&call->arena,
        "the server's disk is full or fails, so this was not done: try again later; the log tells "
        "of request %.*s",
        STR_FMT(call->request_id));
    call->field_count = 0;
    call_field(call, "Retry-After", STR(DISK_RETRY_S));
    answer_set_problem(call, 503, detail, NULL);
}

static const char *
detail_default(int status)
{
    switch (status) {
    case 404: return "there is no such object here";
    case 409: return "it is there already, or was changed meanwhile";
    case 503: return "too busy just now: try again in a second";
    default: return problem_title(status);
    }
}

void
answer_set_error(struct call *call)
{
    enum err err = call->store_call.err;
    int status = call->status >= 400 ? call->status : problem_status(err);
    const char *text = call->store_call.error.text;

    if (status == 500 || err == ERR_DISK)
        set_failure(call);
    else
        answer_set_problem(call, status,
            text[0] != '\0' ? problem_detail(text) : str_from(detail_default(status)),
            &call->faults);
}
