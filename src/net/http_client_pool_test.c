/* SPDX-License-Identifier: Apache-2.0 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_client.h"
#include "support/calls.h"
#include "support/test.h"

static void
a_connection_is_used_again(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(script_answer_three_times, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));

    for (int i = 0; i < 3; i++) {
        struct call call;

        call_post(calls, endpoint, &call);
        assert_call_answered(&call, 200, "ok");
    }
    assert_int_equal(peer_accepted(peer), 1);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
done_may_start_the_next_exchange(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(script_answer_three_times, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    struct call posts[3];

    for (size_t i = 0; i < COUNT_OF(posts); i++) {
        call_init(&posts[i], 10000);
        posts[i].next_call = i + 1 < COUNT_OF(posts) ? &posts[i + 1] : NULL;
        posts[i].next_endpoint = endpoint;
    }
    http_exchange_start(endpoint, &posts[0].exchange);
    call_wait(calls, &posts[2]);
    for (size_t i = 0; i < COUNT_OF(posts); i++)
        assert_call_answered(&posts[i], 200, "ok");
    assert_int_equal(peer_accepted(peer), 1);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

/* Close after the answer without having said so, then serve a second connection. */
static void
close_behind_the_back(struct peer *peer, void *arg)
{
    bool resets = *(bool *)arg;

    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
    peer_some_bytes(peer);
    if (resets)
        peer_reset(peer);
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
    peer_wait_close(peer);
}

static void
a_reused_connection_that_dies_is_replaced(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct calls *calls = *state;
        bool resets = i == 1;
        struct peer *peer = peer_start(close_behind_the_back, &resets);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
        struct call call;

        call_post(calls, endpoint, &call);
        call_post(calls, endpoint, &call);
        assert_call_answered(&call, 200, "ok");
        assert_int_equal(peer_accepted(peer), 2);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
}

/* The second connection dies as well. */
static void
die_twice(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
    peer_some_bytes(peer);
    peer_accept(peer);
    peer_some_bytes(peer);
}

static void
a_replacement_is_not_replaced(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(die_twice, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    struct call call;

    call_post(calls, endpoint, &call);
    call_post(calls, endpoint, &call);
    assert_call_failed(&call, HTTP_FAIL_RESET, "before the answer");
    assert_int_equal(call.status, 0);
    assert_int_equal(peer_accepted(peer), 2);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
begin_to_answer_then_die(struct peer *peer, void *arg)
{
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
    peer_request(peer);
    peer_send(peer, arg);
}

static void
an_answer_that_began_is_not_asked_for_again(void **state)
{
    static const struct {
        const char *answer;
        int status;
        const char *body;
    } cases[] = {
        {"H", 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Le", 0, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", 200, "part"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\npart", 200, "part"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct calls *calls = *state;
        char answer[128];
        (void)snprintf(answer, sizeof(answer), "%s", cases[i].answer);
        struct peer *peer = peer_start(begin_to_answer_then_die, answer);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
        struct call call;

        call_post(calls, endpoint, &call);
        call_post(calls, endpoint, &call);
        assert_call_failed(&call, HTTP_FAIL_RESET, "within the answer");
        assert_int_equal(call.status, cases[i].status);
        assert_string_equal(call.body, cases[i].body);
        assert_int_equal(call.is_body_cut, cases[i].status != 0);
        assert_int_equal(peer_accepted(peer), 1);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
}

static void
read_then_reset(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_some_bytes(peer);
    peer_reset(peer);
}

static void
a_fresh_connection_that_dies_is_a_failure(void **state)
{
    struct call call;

    call_post_to(*state, read_then_reset, NULL, &call);
    assert_call_failed(&call, HTTP_FAIL_RESET, "before the answer");
}

static void
what_waits_at_rest_goes_when_the_peer_goes(void **state)
{
    struct calls *calls = *state;
    char answer[] = OK_ANSWER;
    struct peer *peer = peer_start(script_answer_once, answer);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    struct event_base *base = loop_base(calls->loop);
    int before = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
    struct call call;

    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    /* What is left is the two timers that were set; the read event goes with the connection. */
    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > before + 2)
        calls_turn(calls);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
a_connection_is_not_kept_for_ever(void **state)
{
    struct calls *calls = *state;
    char answer[] = OK_ANSWER;
    struct peer *peer = peer_start(script_answer_and_stay, answer);
    const struct http_client_options options = {
        .loop = calls->loop,
        .resolver = calls->resolver,
        .tls = calls->tls,
        .guard = &calls->guard,
        .idle_ms = 20,
        .idle_max = 10,
    };
    struct event_base *base = loop_base(calls->loop);
    int before = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
    struct call call;

    http_client_free(calls->client);
    assert_int_equal(http_client_new(&options, &calls->client, NULL), OK);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    /* The deadline's timer is what is left when the connection is gone. */
    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > before + 1)
        calls_turn(calls);
    assert_true(peer_stop(peer)); /* which saw the close */
    http_endpoint_free(endpoint);
}

static void
connections_at_rest_are_bounded(void **state)
{
    struct calls *calls = *state;
    char answer[] = OK_ANSWER;
    struct peer *peers[3];
    struct http_endpoint *endpoints[3];
    const struct http_client_options options = {
        .loop = calls->loop,
        .resolver = calls->resolver,
        .tls = calls->tls,
        .guard = &calls->guard,
        .idle_ms = 60000,
        .idle_max = 2,
    };

    http_client_free(calls->client);
    assert_int_equal(http_client_new(&options, &calls->client, NULL), OK);
    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        struct call call;

        peers[i] = peer_start(script_answer_and_stay, answer);
        endpoints[i] = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peers[i]));
        call_post(calls, endpoints[i], &call);
        assert_call_answered(&call, 200, "ok");
    }
    /* The first one went for the third one's sake: its script has ended. */
    assert_true(peer_stop(peers[0]));
    for (size_t i = 0; i < COUNT_OF(peers); i++)
        http_endpoint_free(endpoints[i]);
    assert_true(peer_stop(peers[1]));
    assert_true(peer_stop(peers[2]));
}

static void
answer_and_go_on(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER OK_ANSWER);
    peer_wait_close(peer);
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
    peer_wait_close(peer);
}

static void
a_connection_with_surplus_bytes_is_closed(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(answer_and_go_on, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    struct call call;

    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    assert_int_equal(peer_accepted(peer), 2);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_used_again),
        TEST(done_may_start_the_next_exchange),
        TEST(a_reused_connection_that_dies_is_replaced),
        TEST(a_replacement_is_not_replaced),
        TEST(an_answer_that_began_is_not_asked_for_again),
        TEST(a_fresh_connection_that_dies_is_a_failure),
        TEST(what_waits_at_rest_goes_when_the_peer_goes),
        TEST(a_connection_is_not_kept_for_ever),
        TEST(connections_at_rest_are_bounded),
        TEST(a_connection_with_surplus_bytes_is_closed),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
