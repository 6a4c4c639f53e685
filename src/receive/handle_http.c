/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One POST to an address of the owner's for each item.
 *
 * Sent is the body as it came, with what of its headers is the sender's own word on it, so that
 * their signatures can be verified again behind us; or, with a secret, signed anew; or the model.
 * 2xx is done, 410 refused, 429 and 503 are not now, all else failed; redirects are not followed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/list.h"
#include "domain/retry_after.h"
#include "domain/signature.h"
#include "receive/handler.h"
#include "receive/header_name.h"
#include "receive/refusals.h"
#include "receive/source.h"

#define HEADERS_MAX            20
#define HEADER_VALUE_BYTES_MAX 4096
#define FORWARDED_MAX          32
/* 20 headers of ours and all that a call may bring. */
#define HEAD_BYTES_MAX ((size_t)128 * 1024)
/* The body, once more inside the model, and the model's own texts. */
#define BODY_BYTES_MAX   ((size_t)4 * HTTP_BODY_BYTES_MAX)
#define WORKER_BYTES_MAX ((size_t)64 * 1024)
#define SPARE_MAX        64
/* Memory that a post took for a large item is not kept for small ones. */
#define KEPT_BYTES_MAX ((size_t)64 * 1024)
/* A value that comes from a body and cannot be that of a header is left out. */
#define VALUE_BYTES_MAX 1024

struct header {
    struct str name;
    struct str value;
};

struct http_options {
    struct str url; /* absent: not said yet */
    struct secret secrets[SIGNATURE_SECRETS_MAX];
    size_t secret_count;
    bool sends_model;
    struct header headers[HEADERS_MAX];
    size_t header_count;
    struct str forwarded[FORWARDED_MAX]; /* names of the caller's headers, beside the usual ones */
    size_t forwarded_count;
};

struct handler_worker {
    const struct handler *handler;
    const struct handler_place *place;
    struct arena arena;
    struct url url;
    struct http_endpoint *endpoint;
    struct signer *signer; /* NULL: nothing is signed anew */
    struct buf head;       /* what all requests have in common */
    struct refusals refusals;
    size_t under_way;
    struct list spare;
    size_t spare_count;
};

struct post {
    struct http_exchange exchange;
    struct handler_worker *worker;
    struct handling *handling;
    struct link link; /* alone while it is under way, else in the worker's spare ones */
    struct timer cancel;
    struct buf head;
    struct buf body;
};

/* --- settings --- */

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a handler");
}

static bool
is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static enum err
set_url(struct http_options *options, struct arena *arena, struct str value, struct error *reterr)
{
    struct error error = {0};
    struct url url;
    enum err err;

    if (options->url.ptr != NULL)
        return error_set(reterr, ERR_INVALID, "url: there is one already");
    err = url_parse(value, arena, &url, &error);
    if (err != OK)
        return error_set(reterr, err, "url: %s", error.text);
    options->url = arena_copy(arena, value);
    return options->url.ptr != NULL ? OK : no_memory(reterr);
}

static enum err
add_secret(struct http_options *options, struct str value, struct error *reterr)
{
    struct secret secret = {0};
    struct error error = {0};
    enum err err;

    if (options->secret_count == SIGNATURE_SECRETS_MAX)
        return error_set(reterr, ERR_INVALID, "secret: more than %d, the old and the new one",
            SIGNATURE_SECRETS_MAX);
    err = secret_parse(value, &secret, &error);
    if (err == OK && secret.kind == SECRET_V1A_PUBLIC)
        err = error_set(&error, ERR_INVALID, "whpk_ can only verify: give the whsk_ it belongs to");
    if (err == OK)
        options->secrets[options->secret_count++] = secret;
    else
        (void)error_set(reterr, err, "secret: %s", error.text);
    secret_wipe(&secret);
    return err;
}

static enum err
set_send(struct http_options *options, struct str value, struct error *reterr)
{
    bool is_model = str_equals(value, STR("model"));

    if (!is_model && !str_equals(value, STR("payload")))
        return error_set(reterr, ERR_INVALID, "send: \"%.*s\" is neither payload nor model",
            STR_FMT(value));
    options->sends_model = is_model;
    return OK;
}

static const struct header *
find_header(const struct http_options *options, struct str name)
{
    for (size_t i = 0; i < options->header_count; i++) {
        if (str_equals_nocase(options->headers[i].name, name))
            return &options->headers[i];
    }
    return NULL;
}

static enum err
add_header(struct http_options *options, struct arena *arena, struct str line, struct error *reterr)
{
    struct str name = str_slice(line, 0, str_find(line, ':', 0));
    struct str value = str_trim(str_slice(line, name.len + 1, line.len));

    if (name.len == line.len || !header_name_is_token(name))
        return error_set(reterr, ERR_INVALID,
            "header: \"%.*s\" is no name of a header: write name: value", STR_FMT(name));
    if (header_name_is_ours(name))
        return error_set(reterr, ERR_INVALID, "header: %.*s is set by us: leave it out",
            STR_FMT(name));
    if (find_header(options, name) != NULL || options->header_count == HEADERS_MAX)
        return error_set(reterr, ERR_INVALID, "header: %.*s is there twice, or one of more than %d",
            STR_FMT(name), HEADERS_MAX);
    if (value.len > HEADER_VALUE_BYTES_MAX || !is_visible(value) || !str_is_utf8(value))
        return error_set(reterr, ERR_INVALID,
            "header: the value of %.*s has a control character, or more than %d bytes",
            STR_FMT(name), HEADER_VALUE_BYTES_MAX);
    name = arena_copy(arena, name);
    value = arena_copy(arena, value);
    if (name.ptr == NULL || value.ptr == NULL)
        return no_memory(reterr);
    options->headers[options->header_count++] = (struct header){name, value};
    return OK;
}

static enum err
add_forwarded(struct http_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    struct str rest = value;
    struct str name;

    while (str_split(&rest, ',', &name)) {
        name = str_trim(name);
        if (!header_name_is_token(name))
            return error_set(reterr, ERR_INVALID, "forward: \"%.*s\" is no name of a header",
                STR_FMT(name));
        if (header_name_is_ours(name) || header_name_is_hop(name))
            return error_set(reterr, ERR_INVALID,
                "forward: %.*s is between the caller and us, or set by us: leave it out",
                STR_FMT(name));
        if (options->forwarded_count == FORWARDED_MAX)
            return error_set(reterr, ERR_INVALID, "forward: more than %d names", FORWARDED_MAX);
        name = arena_copy(arena, name);
        if (name.ptr == NULL)
            return no_memory(reterr);
        options->forwarded[options->forwarded_count++] = name;
    }
    return OK;
}

static enum err
http_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    struct http_options *options = handler->options;

    if (options == NULL) {
        options = ARENA_NEW(arena, struct http_options);
        if (options == NULL)
            return no_memory(reterr);
        handler->options = options;
    }
    if (str_equals(name, STR("url")))
        return set_url(options, arena, value, reterr);
    if (str_equals(name, STR("secret")))
        return add_secret(options, value, reterr);
    if (str_equals(name, STR("send")))
        return set_send(options, value, reterr);
    if (str_equals(name, STR("header")))
        return add_header(options, arena, value, reterr);
    if (str_equals(name, STR("forward")))
        return add_forwarded(options, arena, value, reterr);
    return ERR_NOT_FOUND;
}

static enum err
http_check(const struct handler *handler, struct error *reterr)
{
    const struct http_options *options = handler->options;
    struct arena arena;
    struct url url;
    enum err err;

    if (options == NULL || options->url.ptr == NULL)
        return error_set(reterr, ERR_INVALID,
            "url is missing: where to send it, such as http://127.0.0.1:3000/hook");
    arena_init(&arena, WORKER_BYTES_MAX);
    err = url_parse(options->url, &arena, &url, reterr);
    if (err == OK && url.user_info.ptr != NULL &&
        find_header(options, STR("authorization")) != NULL)
        err = error_set(reterr, ERR_INVALID,
            "header: authorization is made from user:password in the url already: leave out one");
    arena_done(&arena);
    return err;
}

/* --- opening --- */

static void
append_field(struct buf *head, struct str name, struct str value)
{
    buf_append_str(head, name);
    buf_append_literal(head, ": ");
    buf_append_str(head, value);
    buf_append_literal(head, "\r\n");
}

static enum err
prepare_head(struct handler_worker *worker)
{
    const struct http_options *options = worker->handler->options;
    struct buf *head = &worker->head;
    enum err err = OK;

    buf_append_literal(head, "POST ");
    buf_append_str(head, worker->url.target);
    buf_append_literal(head, " HTTP/1.1\r\nHost: ");
    url_append_authority(&worker->url, head);
    buf_append_literal(head, "\r\n");
    append_field(head, STR("User-Agent"), str_from(worker->place->user_agent));
    if (worker->url.user_info.ptr != NULL) {
        buf_append_literal(head, "Authorization: ");
        err = url_append_basic(&worker->url, head);
        buf_append_literal(head, "\r\n");
    }
    for (size_t i = 0; i < options->header_count; i++)
        append_field(head, options->headers[i].name, options->headers[i].value);
    return err == OK && buf_is_full(head) ? ERR_NOMEM : err;
}

static void
post_free(struct post *post)
{
    link_remove(&post->link);
    timer_done(&post->cancel);
    buf_done(&post->head);
    buf_done(&post->body);
    free(post);
}

static void
http_close(struct handler_worker *worker)
{
    if (worker == NULL)
        return;
    CHECK(worker->under_way == 0);
    while (!list_is_empty(&worker->spare))
        post_free(LIST_ENTRY(list_first(&worker->spare), struct post, link));
    http_endpoint_free(worker->endpoint);
    signer_free(worker->signer);
    refusals_done(&worker->refusals);
    buf_done(&worker->head);
    arena_done(&worker->arena);
    free(worker);
}

static void
http_closep(struct handler_worker **worker)
{
    http_close(*worker);
}

static enum err
http_open(const struct handler *handler, const struct handler_place *place,
    struct handler_worker **ret, struct error *reterr)
{
    CLEANUP(http_closep) struct handler_worker *worker = calloc(1, sizeof(*worker));
    const struct http_options *options = handler->options;
    enum err err;

    if (worker == NULL)
        return no_memory(reterr);
    worker->handler = handler;
    worker->place = place;
    arena_init(&worker->arena, WORKER_BYTES_MAX);
    buf_init(&worker->head, HEAD_BYTES_MAX);
    list_init(&worker->spare);
    err = url_parse(options->url, &worker->arena, &worker->url, reterr);
    if (err != OK)
        return err;
    if (refusals_init(&worker->refusals, place->loop, handler->concurrency) != OK ||
        prepare_head(worker) != OK)
        return no_memory(reterr);
    if (options->secret_count > 0 &&
        signer_new(options->secrets, options->secret_count, &worker->signer) != OK)
        return no_memory(reterr);
    if (http_endpoint_new(place->client, &worker->url, handler->concurrency, &worker->endpoint) !=
        OK)
        return no_memory(reterr);
    *ret = TAKE(worker);
    return OK;
}

/* --- the head of one post --- */

/* What the caller said with it: false when it is not to be passed on. */
static bool
is_passed_on(const struct handler_worker *worker, struct str name)
{
    const struct http_options *options = worker->handler->options;
    bool is_named = false;

    for (size_t i = 0; i < options->forwarded_count && !is_named; i++)
        is_named = str_equals_nocase(options->forwarded[i], name);
    if (find_header(options, name) != NULL)
        return false;
    /* A model is not what was signed, nor of the caller's type. */
    if (options->sends_model)
        return is_named && !str_equals_nocase(name, STR("content-type"));
    /* Where we sign, the caller's signature of the same scheme would only be mistaken for ours. */
    if (header_name_is_standard(name))
        return worker->signer == NULL;
    return is_named || header_name_is_of_sender(name);
}

struct passed {
    bool has_type;
    bool has_id;
};

static struct passed
append_passed(struct post *post)
{
    struct str rest = post->handling->headers;
    struct passed passed = {0};
    struct str line;

    while (str_split(&rest, '\n', &line)) {
        struct str name = str_slice(line, 0, str_find(line, ':', 0));
        struct str value = str_trim(str_slice(line, name.len + 1, line.len));

        bool is_type = str_equals_nocase(name, STR("content-type"));
        bool is_id = str_equals_nocase(name, STR("webhook-id"));

        if (!header_name_is_token(name) || !is_visible(value) ||
            !is_passed_on(post->worker, name) || (is_type && passed.has_type) ||
            (is_id && (passed.has_id || value.len == 0)))
            continue;
        append_field(&post->head, name, value);
        passed.has_type = passed.has_type || is_type;
        passed.has_id = passed.has_id || is_id;
    }
    return passed;
}

static enum err
append_identity(struct post *post, bool has_id)
{
    struct handler_worker *worker = post->worker;
    const struct handling *handling = post->handling;
    int64_t now_s = clock_walltime(worker->place->clock).us / US_PER_S;
    struct buf *head = &post->head;
    enum err err = OK;

    if (!has_id)
        append_field(head, STR("webhook-id"), handling->id);
    if (worker->signer != NULL) {
        buf_append_literal(head, "webhook-timestamp: ");
        buf_append_int(head, now_s);
        buf_append_literal(head, "\r\nwebhook-signature: ");
        err = signer_sign(worker->signer, handling->id, now_s, post->exchange.body, head);
        buf_append_literal(head, "\r\n");
    }
    buf_append_literal(head, "idempotency-key: ");
    buf_append_str(head, handling->id);
    buf_append_char(head, '-');
    buf_append_int(head, handling->revision);
    buf_append_literal(head, "\r\n");
    return err;
}

static enum err
append_head(struct post *post)
{
    const struct http_options *options = post->worker->handler->options;
    const struct handling *handling = post->handling;
    struct buf *head = &post->head;
    struct passed passed;
    enum err err;

    buf_append_str(head, buf_str(&post->worker->head));
    passed = append_passed(post);
    if (!passed.has_type && find_header(options, STR("content-type")) == NULL)
        append_field(head, STR("content-type"), STR("application/json"));
    err = append_identity(post, passed.has_id);
    if (handling->event.len > 0 && handling->event.len <= VALUE_BYTES_MAX &&
        is_visible(handling->event))
        append_field(head, STR("x-usher-event"), handling->event);
    buf_append_literal(head, "x-usher-sequence: ");
    buf_append_int(head, handling->sequence);
    buf_append_literal(head, "\r\nx-usher-attempt: ");
    buf_append_int(head, handling->attempt);
    buf_append_literal(head, "\r\nContent-Length: ");
    buf_append_int(head, (int64_t)post->exchange.body.len);
    buf_append_literal(head, "\r\n\r\n");
    return err == OK && buf_is_full(head) ? ERR_NOMEM : err;
}

/* --- posts --- */

static void
on_cancel(void *arg)
{
    struct post *post = arg;

    http_exchange_cancel(post->worker->endpoint, &post->exchange);
}

static struct post *
post_take(struct handler_worker *worker)
{
    struct link *link = list_take_first(&worker->spare);
    struct post *post;

    if (link != NULL) {
        worker->spare_count--;
        post = LIST_ENTRY(link, struct post, link);
        buf_clear(&post->head);
        buf_clear(&post->body);
        return post;
    }
    post = calloc(1, sizeof(*post));
    if (post == NULL)
        return NULL;
    link_init(&post->link);
    buf_init(&post->head, HEAD_BYTES_MAX);
    buf_init(&post->body, BODY_BYTES_MAX);
    if (timer_init(&post->cancel, worker->place->loop, LOOP_DELIVERY, on_cancel, post) == OK)
        return post;
    post_free(post);
    return NULL;
}

static void
post_put_back(struct post *post)
{
    struct handler_worker *worker = post->worker;

    if (worker->spare_count >= SPARE_MAX) {
        post_free(post);
        return;
    }
    if (post->head.capacity > KEPT_BYTES_MAX)
        buf_done(&post->head);
    if (post->body.capacity > KEPT_BYTES_MAX)
        buf_done(&post->body);
    list_prepend(&worker->spare, &post->link);
    worker->spare_count++;
}

static enum handling_result
judge(const struct http_result *result)
{
    if (result->failure != HTTP_OK)
        return HANDLING_FAILED;
    if (result->status >= 200 && result->status < 300)
        return HANDLING_DONE;
    if (result->status == 410)
        return HANDLING_REFUSED;
    if (result->status == 429 || result->status == 503)
        return HANDLING_LATER;
    return HANDLING_FAILED;
}

static void
describe(const struct post *post, const struct http_result *result, char *text, size_t max)
{
    text[0] = '\0';
    if (result->failure == HTTP_FAIL_CANCELLED) {
        bool is_over = clock_instant(post->worker->place->clock).us >= post->handling->deadline.us;

        (void)snprintf(text, max, "%s", is_over ? "its time was over" : "stopped by us");
    } else if (result->failure != HTTP_OK) {
        (void)snprintf(text, max, "%s%s%s", http_failure_name(result->failure),
            result->detail != NULL ? ": " : "", result->detail != NULL ? result->detail : "");
    } else if (result->status >= 300 && result->status < 400) {
        (void)snprintf(text, max, "status %d: redirects are not followed, mend the url",
            result->status);
    } else if (result->status >= 400 || result->status < 200) {
        (void)snprintf(text, max, "status %d", result->status);
    }
}

static void
post_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct post *post = CONTAINER_OF(exchange, struct post, exchange);
    struct handler_worker *worker = post->worker;
    struct handling *handling = post->handling;
    char detail[160];

    describe(post, result, detail, sizeof(detail));
    handling->result = judge(result);
    handling->detail = str_from(detail[0] != '\0' ? detail : NULL);
    handling->output = str_slice(result->body, 0, HANDLER_OUTPUT_BYTES_MAX);
    handling->own = NULL;
    if (result->retry_after.ptr == NULL || handling->result == HANDLING_DONE ||
        retry_after_parse(result->retry_after, clock_walltime(worker->place->clock),
            &handling->retry_after_us) != OK)
        handling->retry_after_us = 0;
    timer_clear(&post->cancel);
    post->handling = NULL;
    worker->under_way--;
    post_put_back(post);
    /* From here on all may be gone. */
    handling->done(handling);
}

static void
render_model(struct post *post)
{
    const struct handling *handling = post->handling;
    const struct received_context context = {
        .id = handling->id,
        .source = handling->source,
        .event = handling->event,
        .change = arrival_name(handling->is_update ? ARRIVAL_UPDATE : ARRIVAL_NEW),
        .sequence = handling->sequence,
        .revision = handling->revision,
        .flags = handling->flags,
        .received = handling->received_at,
    };

    received_render(&post->body, handling->received, &context, handling->body);
}

/* NULL, or why it cannot be sent. */
static const char *
post_build(struct handler_worker *worker, struct post *post, struct handling *handling)
{
    const struct http_options *options = worker->handler->options;

    post->handling = handling;
    post->exchange = (struct http_exchange){
        .body = handling->body,
        .deadline = handling->deadline,
        .done = post_done,
    };
    post->worker = worker;
    if (options->sends_model) {
        render_model(post);
        if (buf_is_full(&post->body))
            return "the model of this item is larger than 4 MiB, or there is no memory for it";
        post->exchange.body = buf_str(&post->body);
    }
    if (worker->signer != NULL && post->exchange.body.len > HTTP_BODY_BYTES_MAX)
        return "it is larger than 1 MiB, and no more is signed";
    if (append_head(post) != OK)
        return "the headers are too large, or there is no memory for them";
    post->exchange.head = buf_str(&post->head);
    return NULL;
}

static void
http_start(struct handler_worker *worker, struct handling *handling)
{
    struct post *post = post_take(worker);
    const char *why;

    handling->own = NULL;
    if (post == NULL) {
        refusals_add(&worker->refusals, handling, HANDLING_LATER, "out of memory");
        return;
    }
    why = post_build(worker, post, handling);
    if (why == NULL) {
        handling->own = post;
        worker->under_way++;
        http_exchange_start(worker->endpoint, &post->exchange);
        return;
    }
    /* It counts: what lies in the item would otherwise be tried for ever, before all others. */
    post_put_back(post);
    refusals_add(&worker->refusals, handling, HANDLING_FAILED, why);
}

/* The client tells at once, and a handler must not. */
static void
http_cancel(struct handler_worker *worker, struct handling *handling)
{
    struct post *post = handling->own;

    (void)worker;
    if (post != NULL)
        timer_set(&post->cancel, (struct instant){0});
}

static const struct source_setting http_settings[] = {
    {"url", "URL",
        "Where each item is sent with a POST, http or https; user:password@ is sent as Basic. 2xx "
        "is done, 410 is given up, 429 and 503 are not now (Retry-After is heeded), others failed"},
    {"secret", "whsec_…",
        "Sign anew with this (Standard Webhooks; the id is the item's); two while one replaces the "
        "other; without it the caller's own signature is passed on"},
    {"send", "payload|model", "The body as it came, or what we read in it; payload without it"},
    {"header", "NAME: VALUE", "A header to be sent along, one a line"},
    {"forward", "NAMES",
        "Headers of the caller to pass on, beside content-type and those of known senders"},
};

const struct handler_kind handler_http = {
    .name = "http",
    .set = http_set,
    .check = http_check,
    .open = http_open,
    .start = http_start,
    .cancel = http_cancel,
    .close = http_close,
    .settings = http_settings,
    .setting_count = COUNT_OF(http_settings),
};
