/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/http_client.h"
#include "support/calls.h"
#include "support/test.h"

static void
read_request_and_wait(struct peer *peer, void *arg)
{
    peer_accept(peer);
    peer_request(peer);
    if (arg != NULL)
        peer_send(peer, arg);
    peer_wait_close(peer);
}

static void
a_deadline_ends_whatever_is_under_way(void **state)
{
    static const struct {
        const char *answer;
        int status;
        const char *detail;
    } cases[] = {
        {"", 0, "waiting for the answer"},
        {"HTTP/1.1 200 O", 0, "reading the answer"},
        {"HTTP/1.1 100 Continue\r\n\r\n", 0, "reading the answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart", 200, "reading the answer"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct calls *calls = *state;
        char answer[128];
        (void)snprintf(answer, sizeof(answer), "%s", cases[i].answer);
        struct peer *peer = peer_start(read_request_and_wait, answer);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
        struct call call;

        call_post_until(calls, endpoint, &call, 60);
        assert_call_failed(&call, HTTP_FAIL_TIMEOUT, cases[i].detail);
        assert_int_equal(call.status, cases[i].status);
        assert_true(call.latency_us >= 60 * US_PER_MS);
        assert_true(call.latency_us < 2 * US_PER_S);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
}

/* A byte whenever one has been read, without an end: the peer of a patient attacker. */
static void
trickle(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
    for (int i = 0; i < 50; i++)
        peer_send(peer, "x");
    peer_wait_close(peer);
}

static void
a_trickling_answer_ends_at_the_deadline(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(trickle, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    struct call call;

    call_post_until(calls, endpoint, &call, 100);
    assert_call_failed(&call, HTTP_FAIL_TIMEOUT, "reading the answer");
    assert_int_equal(call.status, 200);
    assert_true(call.is_body_cut);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
a_deadline_that_has_passed_is_told_later(void **state)
{
    struct calls *calls = *state;
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", 1);
    struct call call;

    call_post_until(calls, endpoint, &call, 0);
    assert_call_failed(&call, HTTP_FAIL_TIMEOUT, "");
    http_endpoint_free(endpoint);
}

static void
the_earliest_deadline_comes_first(void **state)
{
    struct calls *calls = *state;
    struct peer *peers[3];
    struct http_endpoint *endpoints[3];
    struct call posts[3];
    const int64_t deadlines_ms[3] = {10000, 60, 120};

    for (size_t i = 0; i < 3; i++) {
        peers[i] = peer_start(script_accept_and_wait, NULL);
        endpoints[i] = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peers[i]));
        call_init(&posts[i], deadlines_ms[i]);
        http_exchange_start(endpoints[i], &posts[i].exchange);
    }
    call_wait(calls, &posts[1]);
    assert_int_equal(posts[2].done_count, 0);
    call_wait(calls, &posts[2]);
    assert_int_equal(posts[0].done_count, 0);
    http_exchange_cancel(endpoints[0], &posts[0].exchange);
    assert_call_failed(&posts[0], HTTP_FAIL_CANCELLED, "");
    for (size_t i = 0; i < 3; i++) {
        http_endpoint_free(endpoints[i]);
        assert_true(peer_stop(peers[i]));
    }
}

static void
a_name_that_nobody_answers_for_is_told(void **state)
{
    struct calls *calls = *state;
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "silent.example", 80);
    struct call call;

    call_post_until(calls, endpoint, &call, 50);
    assert_call_failed(&call, HTTP_FAIL_TIMEOUT, "looking up the name");
    http_endpoint_free(endpoint);
}

/* A peer that gets as far as it is told, says so, and waits. */
struct progress {
    enum { PROGRESS_ACCEPTED, PROGRESS_SOME_BYTES, PROGRESS_REQUEST, PROGRESS_PART } goal;

    atomic_bool is_reached;
};

static void
get_as_far(struct peer *peer, void *arg)
{
    struct progress *progress = arg;

    peer_accept(peer);
    if (progress->goal == PROGRESS_SOME_BYTES)
        peer_some_bytes(peer);
    if (progress->goal >= PROGRESS_REQUEST)
        peer_request(peer);
    if (progress->goal >= PROGRESS_PART)
        peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
    atomic_store(&progress->is_reached, true);
    peer_wait_close(peer);
}

static void
cancel_when_so_far(struct calls *calls, const char *scheme, struct progress *progress)
{
    struct peer *peer = peer_start(get_as_far, progress);
    struct http_endpoint *endpoint = calls_endpoint(calls, scheme, "127.0.0.1", peer_port(peer));
    struct call call;

    call_init(&call, 10000);
    http_exchange_start(endpoint, &call.exchange);
    while (!atomic_load(&progress->is_reached))
        loop_turn(calls->loop);
    loop_turn(calls->loop);
    loop_turn(calls->loop);
    assert_int_equal(call.done_count, 0);
    http_exchange_cancel(endpoint, &call.exchange);
    assert_int_equal(call.done_count, 1);
    assert_call_failed(&call, HTTP_FAIL_CANCELLED, "");
    assert_int_equal(call.status, progress->goal == PROGRESS_PART ? 200 : 0);
    assert_true(peer_stop(peer)); /* which saw the close */
    http_endpoint_free(endpoint);
}

static void
an_exchange_can_be_cancelled_in_every_phase(void **state)
{
    struct calls *calls = *state;
    struct progress cases[] = {{PROGRESS_ACCEPTED, false}, {PROGRESS_REQUEST, false},
        {PROGRESS_PART, false}};
    struct progress in_handshake = {PROGRESS_SOME_BYTES, false};
    struct call call;
    uint16_t port = 0;
    int fd = peer_refused_open(&port);

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        cancel_when_so_far(calls, "http", &cases[i]);
    cancel_when_so_far(calls, "https", &in_handshake);

    /* While the name is looked up, while connecting, and while a failure waits to be told. */
    static const struct {
        const char *host;
        int64_t deadline_ms;
        int turns;
    } early[] = {{"silent.example", 10000, 0}, {"silent.example", 10000, 3}, {"127.0.0.1", 0, 0},
        {"127.0.0.1", 10000, 0}, {"127.0.0.1", 10000, 1}};

    for (size_t i = 0; i < COUNT_OF(early); i++) {
        struct http_endpoint *endpoint = calls_endpoint(calls, "http", early[i].host, port);

        call_init(&call, early[i].deadline_ms);
        http_exchange_start(endpoint, &call.exchange);
        for (int j = 0; j < early[i].turns; j++)
            loop_turn(calls->loop);
        assert_int_equal(call.done_count, 0);
        http_exchange_cancel(endpoint, &call.exchange);
        assert_int_equal(call.done_count, 1);
        assert_call_failed(&call, HTTP_FAIL_CANCELLED, "");
        http_endpoint_free(endpoint);
        loop_turn(calls->loop);
        assert_int_equal(call.done_count, 1);
    }
    (void)close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_deadline_ends_whatever_is_under_way),
        TEST(a_trickling_answer_ends_at_the_deadline),
        TEST(a_deadline_that_has_passed_is_told_later),
        TEST(the_earliest_deadline_comes_first),
        TEST(a_name_that_nobody_answers_for_is_told),
        TEST(an_exchange_can_be_cancelled_in_every_phase),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
