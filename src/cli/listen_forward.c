/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_forward.h"

#include <stdlib.h>

#include "base/list.h"

#define FORWARD_IDLE_MAX 8
#define SAY_BYTES_MAX    4096

struct forwarder {
    struct forwarder_options options;
    struct asker asker;
    struct list under_way;
    size_t count;
};

struct forward {
    struct http_exchange exchange;
    struct forwarder *forwarder;
    struct link link;
    int64_t number;
    struct buf head;
    struct buf body;
};

bool
forwarder_passes(struct str name)
{
    /* RFC 9110 §7.6.1, and what the way there says of itself. The caller's words on who is calling
     * stay: this is a person's own machine, and the receiver behind it is what is tried. */
    static const char *const kept[] = {"connection", "keep-alive", "proxy-connection",
        "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "http2-settings", "host", "content-length", "expect"};

    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        if (str_equals_nocase(name, str_from(kept[i])))
            return false;
    }
    return true;
}

enum err
forwarder_new(const struct forwarder_options *options, struct forwarder **ret, struct error *reterr)
{
    struct forwarder *forwarder = calloc(1, sizeof(*forwarder));
    enum err err;

    if (forwarder == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    forwarder->options = *options;
    list_init(&forwarder->under_way);
    err = asker_init(&forwarder->asker, options->loop, options->config, options->url,
        FORWARD_IDLE_MAX, reterr);
    if (err == OK)
        *ret = forwarder;
    else
        free(forwarder);
    return err;
}

void
forwarder_free(struct forwarder *forwarder)
{
    if (forwarder == NULL)
        return;
    while (!list_is_empty(&forwarder->under_way)) {
        struct forward *forward =
            LIST_ENTRY(list_first(&forwarder->under_way), struct forward, link);

        http_exchange_cancel(forwarder->asker.endpoint, &forward->exchange);
    }
    asker_done(&forwarder->asker);
    free(forwarder);
}

static void
say(struct forwarder *forwarder, int64_t number, struct str what)
{
    struct buf line;

    buf_init(&line, SAY_BYTES_MAX);
    buf_printf(&line, "#%lld  forwarded to ", (long long)number);
    url_append_public(&forwarder->asker.url, &line);
    buf_append_literal(&line, ": ");
    buf_append_str(&line, what);
    buf_append_literal(&line, "\n");
    forwarder->options.say(forwarder->options.arg, buf_str(&line));
    buf_done(&line);
}

static void
forward_free(struct forward *forward)
{
    buf_done(&forward->head);
    buf_done(&forward->body);
    free(forward);
}

static void
on_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct forward *forward = CONTAINER_OF(exchange, struct forward, exchange);
    struct forwarder *forwarder = forward->forwarder;
    struct buf what;

    buf_init(&what, SAY_BYTES_MAX);
    if (result->failure == HTTP_OK) {
        buf_printf(&what, "%d in %lld ms", result->status,
            (long long)(result->latency_us / US_PER_MS));
        if (result->status < 200 || result->status >= 300) {
            buf_append_literal(&what, ": ");
            ask_reason_append(&what, result->body);
        }
    } else {
        buf_append_literal(&what, "no answer: ");
        ask_failure_append(&what, result);
    }
    say(forwarder, forward->number, buf_str(&what));
    buf_done(&what);
    link_remove(&forward->link);
    forwarder->count--;
    forward_free(forward);
}

static void
append_head(struct forward *forward, const struct http_head *head)
{
    const struct asker *asker = &forward->forwarder->asker;
    bool has_own = asker->url.user_info.ptr != NULL;
    struct buf *out = &forward->head;

    asker_request(asker, asker->url.target, out);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_field *field = &head->fields[i];

        /* A user:password in the address stands in the place of the caller's. */
        if (forwarder_passes(field->name) &&
            !(has_own && str_equals_nocase(field->name, STR("authorization"))))
            ask_field(out, field->name, field->value);
    }
    ask_head_end(out, forward->body.len);
}

void
forwarder_pass(struct forwarder *forwarder, int64_t number, const struct http_head *head,
    struct str body)
{
    struct forward *forward;

    if (forwarder->count == FORWARDS_MAX) {
        say(forwarder, number, STR("not sent: as many as may be are still without an answer"));
        return;
    }
    forward = calloc(1, sizeof(*forward));
    if (forward == NULL) {
        say(forwarder, number, STR("not sent: out of memory"));
        return;
    }
    forward->forwarder = forwarder;
    forward->number = number;
    link_init(&forward->link);
    buf_init(&forward->head, ASK_HEAD_BYTES_MAX);
    buf_init(&forward->body, HTTP_BODY_BYTES_MAX);
    buf_append_str(&forward->body, body);
    append_head(forward, head);
    if (buf_is_full(&forward->head) || buf_is_full(&forward->body)) {
        say(forwarder, number, STR("not sent: out of memory"));
        forward_free(forward);
        return;
    }
    forward->exchange.head = buf_str(&forward->head);
    forward->exchange.body = buf_str(&forward->body);
    forward->exchange.deadline = instant_add_ms(clock_instant(&clock_system), ASK_TIMEOUT_MS);
    forward->exchange.done = on_done;
    list_append(&forwarder->under_way, &forward->link);
    forwarder->count++;
    http_exchange_start(forwarder->asker.endpoint, &forward->exchange);
}
