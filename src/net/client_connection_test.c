/* SPDX-License-Identifier: Apache-2.0 */
#include "net/client_connection.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/calls.h"
#include "support/test.h"

/* A request longer than any socket takes at once, each byte telling its place. */
static char *
long_request(size_t body_len, struct str *ret_head, struct str *ret_body)
{
    static char text[128];
    char *bytes = malloc(body_len);

    assert_non_null(bytes);
    for (size_t i = 0; i < body_len; i++)
        bytes[i] = (char)('!' + i % 89);
    (void)snprintf(text, sizeof(text),
        "POST /hook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: %zu\r\n\r\n", body_len);
    *ret_head = str_from(text);
    *ret_body = (struct str){bytes, body_len};
    return bytes;
}

static struct peer *
start_peer(bool is_tls, void (*script)(struct peer *peer, void *arg), void *arg)
{
    return is_tls ? peer_start_tls(calls_certificates.good, calls_certificates.key, script, arg)
                  : peer_start(script, arg);
}

struct early {
    bool hangs_up;
    sem_t is_told; /* the test has the answer */
};

/* The answer comes while the request is still being sent, for nobody reads the rest of it; then a
 * second connection is served. */
static void
answer_early(struct peer *peer, void *arg)
{
    struct early *early = arg;

    peer_accept(peer);
    peer_some_bytes(peer);
    peer_send(peer, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    if (!early->hangs_up) {
        (void)sem_wait(&early->is_told);
        peer_wait_close(peer);
    }
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
}

static void
an_answer_may_come_before_the_request_is_sent(void **state)
{
    struct calls *calls = *state;
    struct str head;
    struct str body;
    char *bytes = long_request(32 * 1024 * 1024, &head, &body);

    for (unsigned i = 0; i < 4; i++) {
        struct early early = {.hangs_up = i % 2 == 1};
        bool is_tls = i / 2 == 1;
        assert_int_equal(sem_init(&early.is_told, 0, 0), 0);
        struct peer *peer = start_peer(is_tls, answer_early, &early);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, is_tls ? "https" : "http", "127.0.0.1", peer_port(peer));
        struct call call;

        call_init_text(&call, 10000, head, body);
        http_exchange_start(endpoint, &call.exchange);
        call_wait(calls, &call);
        (void)sem_post(&early.is_told);
        assert_call_answered(&call, 413, "");
        /* The connection is of no more use, whatever the answer said. */
        call_post(calls, endpoint, &call);
        assert_call_answered(&call, 200, "ok");
        assert_int_equal(peer_accepted(peer), 2);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
    free(bytes);
}

static void
check_long_request(struct peer *peer, void *arg)
{
    struct str *expected = arg;

    peer_accept(peer);
    peer_request(peer);
    if (!str_ends(peer_request_text(peer), *expected))
        peer_fail(peer, "not the bytes that were to be sent");
    peer_send(peer, OK_ANSWER);
    peer_wait_close(peer);
}

static void
a_long_request_is_sent_in_pieces(void **state)
{
    struct calls *calls = *state;
    struct str head;
    struct str body;
    char *bytes = long_request(8 * 1024 * 1024, &head, &body);

    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = start_peer(i == 1, check_long_request, &body);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, i == 1 ? "https" : "http", "127.0.0.1", peer_port(peer));
        struct call call;

        call_init_text(&call, 10000, head, body);
        http_exchange_start(endpoint, &call.exchange);
        call_wait(calls, &call);
        assert_call_answered(&call, 200, "ok");
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
    free(bytes);
}

/* Several TLS records in one packet: only the first is told of by the socket. */
static void
answer_in_records(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    for (int i = 0; i < 2; i++) {
        peer_request(peer);
        peer_hold(peer);
        peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Le");
        peer_send(peer, "ngth: 4\r\n\r\n");
        peer_send(peer, "ab");
        peer_send(peer, "cd");
        peer_release(peer);
    }
    peer_wait_close(peer);
}

static void
an_answer_may_come_in_several_tls_records(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = start_peer(true, answer_in_records, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "https", "127.0.0.1", peer_port(peer));

    for (int i = 0; i < 2; i++) {
        struct call call;

        call_post_until(calls, endpoint, &call, 3000);
        assert_call_answered(&call, 200, "abcd");
    }
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

/* A record behind the answer, in the same packet, is not the next answer. */
static void
answer_with_a_record_too_many(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_hold(peer);
    peer_send(peer, OK_ANSWER);
    peer_send(peer, "HTTP/1.1 204 No Content\r\n\r\n");
    peer_release(peer);
    peer_wait_close(peer);
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
}

static void
a_tls_connection_with_surplus_records_is_closed(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = start_peer(true, answer_with_a_record_too_many, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "https", "127.0.0.1", peer_port(peer));

    for (int i = 0; i < 2; i++) {
        struct call call;

        call_post(calls, endpoint, &call);
        assert_call_answered(&call, 200, "ok");
    }
    assert_int_equal(peer_accepted(peer), 2);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
tls_is_spoken_and_connections_are_used_again(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};

    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct calls *calls = *state;
        struct peer *peer = peer_start_tls(calls_certificates.good, calls_certificates.key,
            script_answer_three_times, NULL);
        struct http_endpoint *endpoint = calls_endpoint(calls, "https", hosts[i], peer_port(peer));

        for (int j = 0; j < 3; j++) {
            struct call call;

            call_post(calls, endpoint, &call);
            assert_call_answered(&call, 200, "ok");
        }
        assert_int_equal(peer_accepted(peer), 1);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
}

static void
answer_on_three_connections(struct peer *peer, void *arg)
{
    for (int i = 0; i < 3; i++) {
        peer_accept(peer);
        peer_request(peer);
        peer_send(peer, arg);
    }
}

static void
a_tls_session_is_resumed(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\n\r\nok",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct calls *calls = *state;
        char answer[128];
        (void)snprintf(answer, sizeof(answer), "%s", answers[i]);
        struct peer *peer = peer_start_tls(calls_certificates.good, calls_certificates.key,
            answer_on_three_connections, answer);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, "https", "localhost", peer_port(peer));

        for (int j = 0; j < 3; j++) {
            struct call call;

            call_post(calls, endpoint, &call);
            assert_call_answered(&call, 200, "ok");
        }
        assert_int_equal(peer_accepted(peer), 3);
        assert_int_equal(peer_resumed(peer), 2);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
}

static void
refuse_to_shake_hands(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept_refused(peer);
}

static void
a_bad_certificate_is_refused_with_its_reason(void **state)
{
    struct calls *calls = *state;

    const struct {
        const char *certificate;
        const char *host;
        const char *detail;
    } cases[] = {
        {calls_certificates.self_signed, "localhost", "self-signed certificate"},
        {calls_certificates.expired, "localhost", "certificate has expired"},
        {calls_certificates.other_host, "localhost", "hostname mismatch"},
        {calls_certificates.other_host, "127.0.0.1", "IP address mismatch"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct peer *peer = peer_start_tls(cases[i].certificate, calls_certificates.key,
            refuse_to_shake_hands, NULL);
        struct http_endpoint *endpoint =
            calls_endpoint(calls, "https", cases[i].host, peer_port(peer));
        struct call call;

        call_post(calls, endpoint, &call);
        assert_call_failed(&call, HTTP_FAIL_TLS, cases[i].detail);
        assert_int_equal(call.status, 0);
        http_endpoint_free(endpoint);
        assert_true(peer_stop(peer));
    }
}

static void
a_peer_silent_in_the_handshake_is_told(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(script_accept_and_wait, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "https", "localhost", peer_port(peer));
    struct call call;

    call_post_until(calls, endpoint, &call, 60);
    assert_call_failed(&call, HTTP_FAIL_TIMEOUT, "in the TLS handshake");
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
greet(struct peer *peer, void *arg)
{
    peer_accept(peer);
    peer_some_bytes(peer);
    peer_send(peer, arg);
}

static void
a_peer_that_answers_tls_with_text_is_told(void **state)
{
    struct calls *calls = *state;
    char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct peer *peer = peer_start(greet, answer);
    struct http_endpoint *endpoint = calls_endpoint(calls, "https", "localhost", peer_port(peer));
    struct call call;

    call_post(calls, endpoint, &call);
    assert_call_failed(&call, HTTP_FAIL_TLS, "wrong version number");
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_may_come_before_the_request_is_sent),
        TEST(a_long_request_is_sent_in_pieces),
        TEST(an_answer_may_come_in_several_tls_records),
        TEST(a_tls_connection_with_surplus_records_is_closed),
        TEST(tls_is_spoken_and_connections_are_used_again),
        TEST(a_tls_session_is_resumed),
        TEST(a_bad_certificate_is_refused_with_its_reason),
        TEST(a_peer_silent_in_the_handshake_is_told),
        TEST(a_peer_that_answers_tls_with_text_is_told),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
