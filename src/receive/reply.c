/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/reply.h"

#include <inttypes.h>
#include <stdio.h>

#define REPLY_FIELDS_MAX  4
#define PROBLEM_BYTES_MAX 1024
#define WAIT_TEXT_BYTES   24
#define STORED_TEXT_BYTES 80
#define CONTENT_JSON      STR("application/json")
#define CONTENT_PROBLEM   STR("application/problem+json")

static void
reply(struct http_request *request, struct random *ids, int status, struct str type,
    const struct http_field *extra, struct str body)
{
    struct http_field fields[REPLY_FIELDS_MAX];
    struct http_answer answer = {.status = status, .fields = fields, .body = body};
    char id[HTTP_REQUEST_ID_BYTES];

    fields[answer.field_count++] =
        (struct http_field){STR("X-Request-Id"), http_request_id_format(random_next(ids), id)};
    if (type.len > 0)
        fields[answer.field_count++] = (struct http_field){STR("Content-Type"), type};
    if (extra != NULL)
        fields[answer.field_count++] = *extra;
    http_respond(request, &answer);
}

void
reply_stored(struct http_request *request, struct random *ids, const struct inbox_arrival *arrival)
{
    bool is_duplicate = arrival->arrival == ARRIVAL_DUPLICATE;
    char id[ITEM_ID_BYTES];
    char text[STORED_TEXT_BYTES];
    char *at = text;

    item_id_format(arrival->inbox_pk, id);
    at = str_put(at, STR("{\"status\":\""));
    at = str_put(at, is_duplicate ? STR("duplicate") : STR("accepted"));
    at = str_put(at, STR("\",\"id\":\""));
    at = str_put(at, (struct str){id, ITEM_ID_BYTES - 1});
    at = str_put(at, STR("\"}"));
    reply(request, ids, 200, CONTENT_JSON, NULL, (struct str){text, (size_t)(at - text)});
}

void
reply_json(struct http_request *request, struct random *ids, struct str json)
{
    reply(request, ids, 200, CONTENT_JSON, NULL, json);
}

void
reply_empty(struct http_request *request, struct random *ids)
{
    reply(request, ids, 200, STR(""), NULL, STR(""));
}

static void
problem(struct http_request *request, struct random *ids, int status, const char *detail,
    const struct http_field *extra)
{
    struct buf body;

    buf_init(&body, PROBLEM_BYTES_MAX);
    http_problem_append(&body, status, str_from(detail));
    reply(request, ids, status, CONTENT_PROBLEM, extra, buf_str(&body));
    buf_done(&body);
}

/* Some clients send the user and password of a URL only when they are asked for them so. */
void
reply_denied(struct http_request *request, struct random *ids)
{
    const struct http_field challenge = {STR("WWW-Authenticate"), STR("Basic realm=\"inbox\"")};

    problem(request, ids, 401,
        "The call was not accepted: the path, the credentials or the signature are not right.",
        &challenge);
}

void
reply_bad_method(struct http_request *request, struct random *ids)
{
    const struct http_field allow = {STR("Allow"), STR("POST, GET, HEAD")};

    problem(request, ids, 405, "Calls are sent here with POST.", &allow);
}

void
reply_problem(struct http_request *request, struct random *ids, int status, const char *detail)
{
    problem(request, ids, status, detail, NULL);
}

void
reply_wait(struct http_request *request, struct random *ids, int status, const char *detail,
    int64_t wait_s)
{
    char text[WAIT_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), "%" PRId64, wait_s);
    const struct http_field wait = {STR("Retry-After"), {text, (size_t)len}};

    problem(request, ids, status, detail, &wait);
}
