/* SPDX-License-Identifier: Apache-2.0 */
#include "support/calls.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

struct certificates calls_certificates;

int
calls_setup(void **state)
{
    struct calls *calls = calloc(1, sizeof(*calls));

    assert_non_null(calls);
    assert_int_equal(loop_new(0, &calls->loop, NULL), OK);
    /* Nobody answers there: names in here are localhost, or meant to wait. */
    assert_int_equal(resolver_new(calls->loop, "127.0.0.1:1", &calls->resolver, NULL), OK);
    assert_int_equal(tls_client_new(calls_certificates.ca, &calls->tls, NULL), OK);
    calls->guard.allow_all = true;
    const struct http_client_options options = {
        .loop = calls->loop,
        .resolver = calls->resolver,
        .tls = calls->tls,
        .guard = &calls->guard,
        .idle_ms = 60000,
        .idle_max = 100,
    };
    assert_int_equal(http_client_new(&options, &calls->client, NULL), OK);
    *state = calls;
    return 0;
}

int
calls_teardown(void **state)
{
    struct calls *calls = *state;

    http_client_free(calls->client);
    tls_client_free(calls->tls);
    resolver_free(calls->resolver);
    loop_turn(calls->loop);
    loop_free(calls->loop);
    free(calls);
    return 0;
}

struct http_endpoint *
calls_endpoint(struct calls *calls, const char *scheme, const char *host, uint16_t port)
{
    struct http_endpoint *endpoint = NULL;
    struct arena arena;
    struct url url;
    char text[128];

    arena_init(&arena, 4096);
    (void)snprintf(text, sizeof(text), "%s://%s:%u/hook", scheme, host, (unsigned)port);
    assert_int_equal(url_parse(str_from(text), &arena, &url, NULL), OK);
    assert_int_equal(http_endpoint_new(calls->client, &url, 8, &endpoint), OK);
    arena_done(&arena);
    return endpoint;
}

static void
on_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct call *call = CONTAINER_OF(exchange, struct call, exchange);

    call->done_count++;
    call->failure = result->failure;
    call->status = result->status;
    call->body_len = result->body.len;
    assert_true(result->body.len < sizeof(call->body));
    if (result->body.len > 0)
        memcpy(call->body, result->body.ptr, result->body.len);
    call->body[result->body.len] = '\0';
    call->is_body_cut = result->is_body_cut;
    (void)snprintf(call->retry_after, sizeof(call->retry_after), "%.*s",
        STR_FMT(result->retry_after));
    (void)snprintf(call->detail, sizeof(call->detail), "%s",
        result->detail != NULL ? result->detail : "");
    call->latency_us = result->latency_us;
    if (call->next_call != NULL)
        http_exchange_start(call->next_endpoint, &call->next_call->exchange);
}

void
call_init_text(struct call *call, int64_t deadline_ms, struct str head_text, struct str body_text)
{
    *call = (struct call){
        .exchange =
            {
                .head = head_text,
                .body = body_text,
                .deadline = instant_add_ms(clock_instant(&clock_system), deadline_ms),
                .done = on_done,
            },
    };
}

void
call_init(struct call *call, int64_t deadline_ms)
{
    call_init_text(call, deadline_ms, STR(HEAD), STR(BODY));
}

void
calls_turn(struct calls *calls)
{
    assert_true(event_base_loop(loop_base(calls->loop), EVLOOP_ONCE) >= 0);
}

void
call_wait(struct calls *calls, struct call *call)
{
    while (call->done_count == 0)
        calls_turn(calls);
    assert_int_equal(call->done_count, 1);
}

void
call_post_until(struct calls *calls, struct http_endpoint *endpoint, struct call *call, int64_t ms)
{
    call_init(call, ms);
    http_exchange_start(endpoint, &call->exchange);
    assert_int_equal(call->done_count, 0);
    call_wait(calls, call);
}

void
call_post(struct calls *calls, struct http_endpoint *endpoint, struct call *call)
{
    call_post_until(calls, endpoint, call, 10000);
}

void
assert_call_failed(const struct call *call, enum http_failure failure, const char *detail)
{
    if (call->failure != failure)
        fail_msg("%s (%s), status %d", http_failure_name(call->failure), call->detail,
            call->status);
    if (strstr(call->detail, detail) == NULL)
        fail_msg("\"%s\" does not speak of \"%s\"", call->detail, detail);
}

void
assert_call_answered(const struct call *call, int status, const char *text)
{
    assert_call_failed(call, HTTP_OK, "");
    assert_int_equal(call->status, status);
    assert_string_equal(call->body, text);
}

void
call_post_to(struct calls *calls, void (*script)(struct peer *peer, void *arg), void *arg,
    struct call *call)
{
    struct peer *peer = peer_start(script, arg);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));

    call_post(calls, endpoint, call);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

void
script_answer_once(struct peer *peer, void *arg)
{
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, arg);
    peer_close(peer);
}

void
script_answer_and_stay(struct peer *peer, void *arg)
{
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, arg);
    peer_wait_close(peer);
}

void
script_accept_and_wait(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_wait_close(peer);
}

void
script_answer_three_times(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    for (int i = 0; i < 3; i++) {
        peer_request(peer);
        peer_send(peer, OK_ANSWER);
    }
    peer_wait_close(peer);
}

int
calls_setup_all(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    certificates_make(&calls_certificates);
    return 0;
}

int
calls_teardown_all(void **state)
{
    (void)state;
    certificates_remove(&calls_certificates);
    return 0;
}
