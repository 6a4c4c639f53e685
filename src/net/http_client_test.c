/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/calls.h"
#include "support/test.h"

static void
check_request(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    if (!str_equals(peer_request_text(peer), STR(HEAD BODY)))
        peer_fail(peer, "not what was to be sent");
    peer_send(peer, OK_ANSWER);
}

static void
the_bytes_given_are_the_bytes_sent(void **state)
{
    struct call call;

    call_post_to(*state, check_request, NULL, &call);
    assert_call_answered(&call, 200, "ok");
    assert_false(call.is_body_cut);
    assert_string_equal(call.retry_after, "");
    assert_string_equal(call.detail, "");
    assert_true(call.latency_us > 0);
}

static void
answers_of_every_framing_are_understood(void **state)
{
    static const struct {
        const char *answer;
        const char *body;
        int status;
        bool closes;
    } cases[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", "", 204, false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 200, false},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", 304, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
            "abcd", 200, false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n", "", 200,
            false},
        {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 200, true},
        {"HTTP/1.0 200 OK\r\n\r\nold", "old", 200, true},
        {"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", "old", 200, true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200,
            false},
        {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 A\r\nContent-Length: 1\r\n\r\na",
            "a", 202, false},
        {"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "",
            301, false},
        {"HTTP/1.1 410 Gone\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngone", "gone", 410,
            true},
        {"HTTP/1.1 500 \xff\xfe\r\nContent-Length: 2\r\n\r\n\xff\xfe", "\xff\xfe", 500, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct call call;
        char answer[256];

        (void)snprintf(answer, sizeof(answer), "%s", cases[i].answer);
        call_post_to(*state, cases[i].closes ? script_answer_once : script_answer_and_stay, answer,
            &call);
        assert_call_answered(&call, cases[i].status, cases[i].body);
        assert_false(call.is_body_cut);
    }
}

static void
retry_after_is_handed_on(void **state)
{
    struct call call;
    char answer[] = "HTTP/1.1 503 Busy\r\nRetry-After:  120 \r\nContent-Length: 4\r\n\r\nbusy";

    call_post_to(*state, script_answer_once, answer, &call);
    assert_call_answered(&call, 503, "busy");
    assert_string_equal(call.retry_after, "120");
}

static const char split_answer[] =
    "HTTP/1.1 200 OK\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

/* The answer in two pieces; the second one leaves only when the first has been read. */
static void
answer_split(struct peer *peer, void *arg)
{
    size_t at = *(size_t *)arg;

    peer_accept(peer);
    peer_request(peer);
    peer_send_bytes(peer, (struct str){split_answer, at});
    peer_send_bytes(peer, (struct str){split_answer + at, sizeof(split_answer) - 1 - at});
    peer_close(peer);
}

static void
an_answer_may_come_in_any_two_pieces(void **state)
{
    for (size_t at = 1; at < sizeof(split_answer) - 1; at++) {
        struct call call;

        call_post_to(*state, answer_split, &at, &call);
        assert_call_answered(&call, 200, "abcde");
        assert_string_equal(call.retry_after, "7");
    }
}

static void
answer_bytewise(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    for (size_t i = 0; i < sizeof(split_answer) - 1; i++)
        peer_send_bytes(peer, (struct str){split_answer + i, 1});
    peer_wait_close(peer);
}

static void
an_answer_may_come_byte_by_byte(void **state)
{
    struct call call;

    call_post_to(*state, answer_bytewise, NULL, &call);
    assert_call_answered(&call, 200, "abcde");
}

static void
answer_many_bytes(struct peer *peer, void *arg)
{
    static char piece[8193];

    memset(piece, 'x', sizeof(piece) - 1);
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, arg);
    /* A little more than is read, and never the end. */
    peer_send_until_closed(peer, piece, HTTP_ANSWER_BYTES_MAX / (sizeof(piece) - 1) + 1);
    peer_wait_close(peer);
}

static void
a_long_body_counts_as_its_status(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 8192000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0000\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct call call;
        char answer[128];

        (void)snprintf(answer, sizeof(answer), "%s", answers[i]);
        call_post_to(*state, answer_many_bytes, answer, &call);
        assert_call_failed(&call, HTTP_OK, "");
        assert_int_equal(call.status, 200);
        assert_int_equal(call.body_len, HTTP_ANSWER_BYTES_KEPT);
        assert_true(call.is_body_cut);
    }
}

static void
answer_tiny_chunks(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer_send_until_closed(peer, "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n",
        10000);
    peer_wait_close(peer);
}

static void
tiny_chunks_are_not_read_for_ever(void **state)
{
    struct call call;

    call_post_to(*state, answer_tiny_chunks, NULL, &call);
    assert_call_failed(&call, HTTP_OK, "");
    assert_int_equal(call.status, 200);
    assert_true(call.is_body_cut);
    assert_true(call.body_len < HTTP_ANSWER_BYTES_KEPT);
}

/* 10,000 bytes, then one more request on the same connection. */
static void
answer_ten_kilobytes(struct peer *peer, void *arg)
{
    static char text[10001];

    (void)arg;
    memset(text, 'y', sizeof(text) - 1);
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
    peer_send(peer, text);
    peer_request(peer);
    peer_send(peer, OK_ANSWER);
    peer_wait_close(peer);
}

static void
a_body_beyond_what_is_kept_is_read_to_its_end(void **state)
{
    struct calls *calls = *state;
    struct peer *peer = peer_start(answer_ten_kilobytes, NULL);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", peer_port(peer));
    struct call call;

    call_post(calls, endpoint, &call);
    assert_call_failed(&call, HTTP_OK, "");
    assert_int_equal(call.body_len, HTTP_ANSWER_BYTES_KEPT);
    assert_true(call.is_body_cut);
    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    assert_int_equal(peer_accepted(peer), 1);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

static void
what_is_no_http_is_refused(void **state)
{
    static const char *const answers[] = {
        "SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct call call;
        char answer[128];

        (void)snprintf(answer, sizeof(answer), "%s", answers[i]);
        call_post_to(*state, script_answer_and_stay, answer, &call);
        assert_call_failed(&call, HTTP_FAIL_PROTOCOL, "");
        assert_true(call.detail[0] != '\0');
    }
}

static void
every_failure_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HTTP_FAILURES_COUNT; i++)
        assert_non_null(http_failure_name((enum http_failure)i));
    assert_string_equal(http_failure_name(HTTP_FAIL_DNS), "dns");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_bytes_given_are_the_bytes_sent),
        TEST(answers_of_every_framing_are_understood),
        TEST(retry_after_is_handed_on),
        TEST(an_answer_may_come_in_any_two_pieces),
        TEST(an_answer_may_come_byte_by_byte),
        TEST(a_long_body_counts_as_its_status),
        TEST(tiny_chunks_are_not_read_for_ever),
        TEST(a_body_beyond_what_is_kept_is_read_to_its_end),
        TEST(what_is_no_http_is_refused),
        TEST(every_failure_has_a_name),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
