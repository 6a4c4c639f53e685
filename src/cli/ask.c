/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "cli/printable.h"
#include "cli/version.h"

#define ASK_IDLE_MS           INT64_C(60000)
#define ASK_ARENA_BYTES_MAX   ((size_t)64 * 1024)
#define REASON_BYTES_MAX      300
#define REASON_FAULTS_MAX     5
#define ANSWER_JSON_BYTES_MAX ((size_t)256 * 1024)

/* --- the way there --- */

enum err
asker_init(struct asker *asker, struct loop *loop, const struct config *config, const char *url,
    unsigned connections_max, struct error *reterr)
{
    struct http_client_options options = {
        .loop = loop,
        .guard = &asker->guard,
        .idle_ms = ASK_IDLE_MS,
        .idle_max = connections_max,
    };
    enum err err;

    memset(asker, 0, sizeof(*asker));
    asker->loop = loop;
    asker->guard.allow_all = true;
    arena_init(&asker->arena, ASK_ARENA_BYTES_MAX);
    err = url_parse(str_from(url), &asker->arena, &asker->url, reterr);
    if (err == OK)
        err = resolver_new(loop, config->dns_server, &asker->resolver, reterr);
    if (err == OK)
        err = tls_client_new(config->tls_ca_file, &asker->tls, reterr);
    options.resolver = asker->resolver;
    options.tls = asker->tls;
    if (err == OK)
        err = http_client_new(&options, &asker->client, reterr);
    if (err == OK &&
        http_endpoint_new(asker->client, &asker->url, connections_max, &asker->endpoint) != OK)
        err = error_set(reterr, ERR_NOMEM, "out of memory");
    if (err != OK)
        asker_done(asker);
    return err;
}

void
asker_done(struct asker *asker)
{
    if (asker->loop == NULL)
        return;
    http_endpoint_free(asker->endpoint);
    http_client_free(asker->client);
    tls_client_free(asker->tls);
    resolver_free(asker->resolver);
    arena_done(&asker->arena);
    memset(asker, 0, sizeof(*asker));
}

/* --- the head --- */

void
ask_field(struct buf *head, struct str name, struct str value)
{
    buf_append_str(head, name);
    buf_append_literal(head, ": ");
    buf_append_str(head, value);
    buf_append_literal(head, "\r\n");
}

void
asker_request(const struct asker *asker, struct str target, struct buf *head)
{
    buf_append_literal(head, "POST ");
    buf_append_str(head, target);
    buf_append_literal(head, " HTTP/1.1\r\nHost: ");
    url_append_authority(&asker->url, head);
    buf_append_literal(head, "\r\n");
    if (asker->url.user_info.ptr == NULL)
        return;
    buf_append_literal(head, "Authorization: ");
    if (url_append_basic(&asker->url, head) != OK)
        head->full = true; /* looked at once, when all of it is there */
    buf_append_literal(head, "\r\n");
}

void
asker_head(const struct asker *asker, struct str target, struct buf *head)
{
    asker_request(asker, target, head);
    ask_field(head, STR("User-Agent"), STR("usher/" USHER_VERSION));
}

void
ask_head_end(struct buf *head, size_t body_len)
{
    buf_append_literal(head, "Content-Length: ");
    buf_append_int(head, (int64_t)body_len);
    buf_append_literal(head, "\r\n\r\n");
}

bool
ask_field_is_sane(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* --- one request, until it is answered --- */

struct question {
    struct http_exchange exchange;
    struct asker *asker;
    struct buf *answer; /* borrowed */
    struct error error;
    int status;
};

static void
on_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct question *question = CONTAINER_OF(exchange, struct question, exchange);
    struct buf reason;

    if (result->failure == HTTP_OK) {
        question->status = result->status;
        buf_append_str(question->answer, result->body);
    } else {
        buf_init(&reason, REASON_BYTES_MAX);
        ask_failure_append(&reason, result);
        (void)error_set(&question->error, ERR_IO, "no answer: %.*s", STR_FMT(buf_str(&reason)));
        buf_done(&reason);
    }
    loop_stop(question->asker->loop);
}

enum err
asker_ask(struct asker *asker, struct str head, struct str body, struct buf *answer,
    int *ret_status, struct error *reterr)
{
    struct question question = {.asker = asker, .answer = answer, .error = {.code = OK}};

    question.exchange.head = head;
    question.exchange.body = body;
    question.exchange.deadline = instant_add_ms(clock_instant(&clock_system), ASK_TIMEOUT_MS);
    question.exchange.done = on_done;
    http_exchange_start(asker->endpoint, &question.exchange);
    loop_run(asker->loop);
    if (question.error.code != OK)
        return error_set(reterr, question.error.code, "%s", question.error.text);
    *ret_status = question.status;
    return OK;
}

/* --- what came back, for a person --- */

void
ask_failure_append(struct buf *buf, const struct http_result *result)
{
    buf_append_str(buf, str_from(http_failure_name(result->failure)));
    if (result->detail != NULL) {
        buf_append_literal(buf, ": ");
        printable_append(buf, str_from(result->detail));
    }
}

static struct str
text_of(const struct json *object, struct str name)
{
    const struct json *member = json_find(object, name);

    return member != NULL && member->kind == JSON_STRING ? member->text : (struct str){NULL, 0};
}

static void
append_faults(struct buf *buf, const struct json *faults)
{
    size_t count = 0;

    if (faults == NULL || faults->kind != JSON_ARRAY)
        return;
    for (const struct json *fault = faults->first; fault != NULL; fault = fault->next) {
        struct str pointer;
        struct str detail;

        if (fault->kind != JSON_OBJECT || ++count > REASON_FAULTS_MAX)
            continue;
        pointer = text_of(fault, STR("pointer"));
        detail = text_of(fault, STR("detail"));
        buf_append_literal(buf, "; ");
        printable_append(buf, pointer);
        if (pointer.len > 0)
            buf_append_literal(buf, " ");
        printable_append(buf, detail);
    }
}

void
ask_reason_append(struct buf *buf, struct str body)
{
    struct str rest = str_trim(body);
    struct json *json = NULL;
    struct arena arena;

    arena_init(&arena, ANSWER_JSON_BYTES_MAX);
    if (json_parse(rest, &arena, &json, NULL) == OK && json->kind == JSON_OBJECT) {
        struct str detail = text_of(json, STR("detail"));
        struct str message = text_of(json, STR("message"));

        if (detail.len > 0) {
            printable_append(buf, detail);
            append_faults(buf, json_find(json, STR("errors")));
            rest = STR("");
        } else if (message.len > 0) {
            printable_append(buf, message);
            rest = STR("");
        }
    }
    arena_done(&arena);
    printable_append(buf, str_slice(rest, 0, REASON_BYTES_MAX));
}
