/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server_connection.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "os/metrics.h"
#include "support/serving.h"
#include "support/test.h"

static void
a_connection_serves_one_request_after_the_other(void **state)
{
    struct caller caller;
    struct str head;
    int64_t before = metric_get(METRIC_http_requests_total);

    caller_open(&caller, *state, 0);
    caller_send(&caller, "GET /echo?a=b HTTP/1.1\r\n" HOST "\r\n");
    head = caller_expect(&caller, 200, "GET /echo?a=b ");
    assert_true(text_has(head, "HTTP/1.1 200 OK\r\nDate: "));
    assert_true(text_has(head, " GMT\r\nContent-Length: 14\r\nContent-Type: text/plain\r\n\r\n"));
    assert_false(text_has(head, "Connection"));
    assert_int_equal(metric_get(METRIC_http_connections), 1);

    caller_send(&caller, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    caller_expect(&caller, 200, "POST /echo hello");
    caller_send(&caller, "DELETE /none HTTP/1.1\r\n" HOST "\r\n");
    assert_false(text_has(caller_expect(&caller, 204, NULL), "Content-Length"));
    caller_send(&caller, "PUT /ec");
    caller_expect_silence(&caller);
    caller_send(&caller, "ho HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab");
    caller_expect_silence(&caller);
    caller_send(&caller, "cd");
    caller_expect(&caller, 200, "PUT /echo abcd");
    assert_int_equal(metric_get(METRIC_http_requests_total), before + 4);

    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_true(text_has(caller_expect(&caller, 200, NULL), "Connection: close\r\n"));
    caller_expect_closed(&caller);
    caller_close(&caller);
}

static void
an_older_client_gets_a_close_unless_it_asks_to_keep_the_connection(void **state)
{
    struct caller caller;

    caller_open(&caller, *state, 0);
    caller_send(&caller, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(text_has(caller_expect(&caller, 200, "GET /echo"), "Connection: keep-alive\r\n"));
    caller_send(&caller, "GET /echo HTTP/1.0\r\n\r\n");
    assert_true(text_has(caller_expect(&caller, 200, "GET /echo"), "Connection: close\r\n"));
    caller_expect_closed(&caller);
    caller_close(&caller);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
    struct serving *serving = *state;
    struct caller caller;
    struct buf text;
    char expected[32];

    buf_init(&text, 1 << 20);
    for (int i = 0; i < 200; i++)
        buf_printf(&text, "POST /echo?%d HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", i);
    caller_open(&caller, serving, 0);
    caller_send_bytes(&caller, buf_str(&text));
    for (int i = 0; i < 200; i++) {
        (void)snprintf(expected, sizeof(expected), "POST /echo?%d abc", i);
        caller_expect(&caller, 200, expected);
    }
    buf_done(&text);

    /* The one in hand holds the next ones back. */
    caller_send(&caller, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /echo?next HTTP/1.1\r\n" HOST
                         "\r\nGET /hold HTTP/1.1\r\n" HOST "\r\n");
    serving_wait_held(serving, 1);
    caller_expect_silence(&caller);
    serving_release(serving, "first");
    caller_expect(&caller, 200, "first");
    caller_expect(&caller, 200, "GET /echo?next");
    serving_wait_held(serving, 1);
    serving_release(serving, "third");
    caller_expect(&caller, 200, "third");
    caller_close(&caller);
}

static void
check_refused(struct serving *serving, const char *text, int status)
{
    struct caller caller;
    struct str head;
    char field[32];
    int64_t before = metric_get(METRIC_http_refused_total);
    unsigned gone = serving->gone;

    caller_open(&caller, serving, 0);
    caller_send(&caller, text);
    (void)snprintf(field, sizeof(field), "\"status\":%d,", status);
    head = caller_expect(&caller, status, field);
    assert_true(text_has(head, "Content-Type: application/problem+json\r\n"));
    assert_true(text_has(head, "Connection: close\r\n"));
    caller_expect_closed(&caller);
    caller_close(&caller);
    assert_int_equal(metric_get(METRIC_http_refused_total), before + 1);
    assert_in_range(serving->gone, gone, gone + 1);
}

static void
whatever_leaves_a_doubt_is_refused_and_the_connection_closed(void **state)
{
    static const struct {
        const char *text;
        int status;
    } refusals[] = {
        {"GET / HTTP/1.1\n" HOST "\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
        {"GET http://a.example/ HTTP/1.1\r\n" HOST "\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n" HOST "X:\rNext: v\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400},
        {"POST /echo HTTP/1.1\r\n" HOST
         "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400},
        {"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab", 400},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501},
        {"CONNECT a.example:443 HTTP/1.1\r\n" HOST "\r\n", 501},
        {"POST /echo HTTP/1.1\r\n" HOST "Expect: a miracle\r\n\r\n", 417},
        {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413},
        {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n01234567890", 413},
        {"POST /small HTTP/1.1\r\n" HOST
         "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n",
            413},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413},
    };
    struct serving *serving = *state;
    struct buf text;

    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        check_refused(serving, refusals[i].text, refusals[i].status);

    buf_init(&text, 1 << 20);
    buf_append_literal(&text, "GET /");
    for (int i = 0; i < 9000; i++)
        buf_append_char(&text, 'a');
    check_refused(serving, text.ptr, 414);
    buf_clear(&text);
    buf_append_literal(&text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 101; i++)
        buf_append_literal(&text, "X: a\r\n");
    check_refused(serving, text.ptr, 431);
    buf_done(&text);

    /* A refusal comes after the answers to what came before it. */
    struct caller caller;
    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\nGET / HTTP/3.0\r\n\r\n");
    caller_expect(&caller, 200, NULL);
    caller_expect(&caller, 505, "HTTP/1.1");
    caller_expect_closed(&caller);
    caller_close(&caller);
}

static void
a_body_of_exactly_the_limit_is_taken(void **state)
{
    struct caller caller;

    caller_open(&caller, *state, 0);
    caller_send(&caller, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789");
    caller_expect(&caller, 200, "0123456789");
    caller_send(&caller, "POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "A\r\n0123456789\r\n0\r\n\r\n");
    caller_expect(&caller, 200, "0123456789");
    caller_close(&caller);
}

static void
a_chunked_body_may_come_in_any_pieces(void **state)
{
    static const char text[] = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                               "5;a=b\r\nhello\r\n1\r\n \r\n05\r\nthere\r\n0\r\nX-Sum: 1\r\n\r\n";
    struct caller caller;

    caller_open(&caller, *state, 0);
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        caller_send_bytes(&caller, (struct str){text + i, 1});
    caller_expect(&caller, 200, "POST /echo hello there");
    caller_send(&caller, text);
    caller_expect(&caller, 200, "POST /echo hello there");
    caller_close(&caller);
}

static void
who_expects_100_is_told_to_go_on(void **state)
{
    struct serving *serving = *state;
    struct caller caller;
    unsigned gone = serving->gone;

    caller_open(&caller, serving, 0);
    caller_send(&caller,
        "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    caller_expect_text(&caller, "HTTP/1.1 100 Continue\r\n\r\n");
    caller_expect_silence(&caller);
    caller_send(&caller, "ab");
    caller_expect(&caller, 200, "POST /echo ab");
    /* Whose body is there already, or empty, needs no telling. */
    caller_send(&caller,
        "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\ncd");
    caller_expect(&caller, 200, "POST /echo cd");
    caller_send(&caller,
        "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    caller_expect(&caller, 200, "POST /echo ");
    /* Whom we refuse is not told to go on first. */
    caller_send(&caller,
        "POST /early HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_true(text_has(caller_expect(&caller, 401, "early"), "Connection: close\r\n"));
    caller_expect_closed(&caller);
    caller_close(&caller);

    caller_open(&caller, serving, 0);
    caller_send(&caller,
        "POST /small HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    caller_expect(&caller, 413, NULL);
    caller_expect_closed(&caller);
    caller_close(&caller);
    assert_int_equal(serving->gone, gone + 1);
}

static void
a_head_request_gets_the_length_and_no_body(void **state)
{
    struct caller caller;

    caller_open(&caller, *state, 0);
    caller_send(&caller, "HEAD /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_true(text_has(caller_expect_head(&caller, 200), "Content-Length: 11\r\n"));
    caller_expect_silence(&caller);
    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, "GET /echo ");
    caller_close(&caller);
}

static void
an_early_answer_keeps_the_connection_only_if_little_is_left(void **state)
{
    struct serving *serving = *state;
    struct caller caller;
    struct buf large;
    size_t before = serving->body_bytes;

    caller_open(&caller, serving, 0);
    caller_send(&caller, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    assert_false(text_has(caller_expect(&caller, 401, "early"), "Connection"));
    caller_send(&caller, "helloGET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, "GET /echo");
    caller_send(&caller, "GET /early HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 401, "early");
    caller_send(&caller, "POST /early-in-body HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab");
    caller_expect(&caller, 401, "in body");
    caller_send(&caller, "cdGET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, "GET /echo");
    assert_int_equal(serving->body_bytes, before + 2);
    caller_send(&caller, "POST /early HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    assert_true(text_has(caller_expect(&caller, 401, "early"), "Connection: close\r\n"));
    caller_expect_closed(&caller);
    caller_close(&caller);

    /* The answer can be read although much more was sent than anybody wants. */
    buf_init(&large, 1 << 20);
    buf_append_literal(&large, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 600000\r\n\r\n");
    while (large.len < 600000)
        buf_append_char(&large, 'x');
    caller_open(&caller, serving, 0);
    caller_send_bytes(&caller, buf_str(&large));
    assert_true(text_has(caller_expect(&caller, 401, "early"), "Connection: close\r\n"));
    caller_expect_closed(&caller);
    caller_close(&caller);
    assert_int_equal(serving->body_bytes, before + 2);
    buf_done(&large);
}

static void
a_peer_that_goes_away_is_told_to_the_handler_once(void **state)
{
    struct serving *serving = *state;
    struct caller caller;
    unsigned gone = serving->gone;

    /* in the middle of the body */
    caller_open(&caller, serving, 0);
    caller_send(&caller, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    caller_close(&caller);
    serving_wait_gone(serving, gone + 1);
    /* by a reset while its answer is being made */
    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    serving_wait_held(serving, 1);
    caller_reset(&caller);
    serving_wait_gone(serving, gone + 2);
    assert_int_equal(serving->held_count, 0);
    /* in the middle of the head nobody has heard of it */
    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /hold HTTP/1.1\r\n");
    caller_close(&caller);
    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, NULL);
    caller_close(&caller);
    assert_int_equal(serving->gone, gone + 2);
}

static void
who_closes_only_its_sending_side_still_gets_the_answer(void **state)
{
    struct serving *serving = *state;
    struct caller caller;

    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(shutdown(caller.fd, SHUT_WR), 0);
    serving_wait_held(serving, 1);
    caller_expect_silence(&caller);
    serving_release(serving, "here");
    caller_expect(&caller, 200, "here");
    caller_expect_closed(&caller);
    caller_close(&caller);
}

static void
a_paused_request_holds_its_sender_back(void **state)
{
    /* More than the kernel's buffers on both sides take. */
    const size_t body_bytes = 16 << 20;
    struct serving *serving = *state;
    struct caller caller;
    char *body = malloc(body_bytes);
    size_t sent;
    uint32_t sum = 0;

    assert_non_null(body);
    for (size_t i = 0; i < body_bytes; i++) {
        body[i] = (char)(i * 2654435761U >> 13);
        sum += (unsigned char)body[i];
    }
    serving->body_bytes = 0;
    serving->body_sum = 0;
    caller_open(&caller, serving, 0);
    caller_send(&caller, "POST /pause HTTP/1.1\r\n" HOST "Content-Length: 16777216\r\n\r\n");
    sent = caller_send_until_blocked(&caller, (struct str){body, body_bytes});
    assert_true(sent < body_bytes);
    assert_int_equal(serving->body_bytes, 0);

    http_request_resume(serving->paused);
    assert_int_equal(serving->body_bytes, 0);
    caller_send_bytes(&caller, (struct str){body + sent, 1000000});
    sent += 1000000;
    http_request_pause(serving->paused);
    size_t seen = serving->body_bytes;
    assert_true(seen > 0);
    sent += caller_send_until_blocked(&caller, (struct str){body + sent, body_bytes - sent});
    assert_true(sent < body_bytes);
    assert_int_equal(serving->body_bytes, seen);

    http_request_resume(serving->paused);
    caller_send_bytes(&caller, (struct str){body + sent, body_bytes - sent});
    caller_expect(&caller, 200, "POST /pause");
    assert_int_equal(serving->body_bytes, body_bytes);
    assert_int_equal(serving->body_sum, sum);

    /* All that is left may be the end. */
    caller_send(&caller, "POST /pause HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    caller_expect_silence(&caller);
    http_request_resume(serving->paused);
    caller_expect(&caller, 200, "POST /pause");
    caller_close(&caller);
    free(body);
}

static void
a_slow_reader_gets_a_large_answer_whole(void **state)
{
    struct serving *serving = *state;
    struct caller caller;
    size_t len;

    unsigned heads = serving->heads;
    caller_open(&caller, serving, 4096);
    caller_send(&caller, "GET /large HTTP/1.1\r\n" HOST "\r\nGET /echo HTTP/1.1\r\n" HOST "\r\n");
    for (unsigned i = 0; i < 200; i++)
        serving_turn(serving);
    /* While it does not read, its next request is not begun. */
    assert_int_equal(serving->heads, heads + 1);
    len = caller_expect(&caller, 200, "LLL").len;
    assert_true(len > 0);
    caller_expect(&caller, 200, "GET /echo");
    caller_close(&caller);

    /* Gone in the middle of its answer. */
    caller_open(&caller, serving, 4096);
    caller_send(&caller, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    caller_reset(&caller);
    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, "GET /echo");
    caller_close(&caller);
}

static void
requests_without_an_answer_are_told_when_the_server_is_freed(void **state)
{
    struct serving serving;
    struct caller one;
    struct caller two;

    (void)state;
    serving_start(&serving, (struct http_server_options){0});
    caller_open(&one, &serving, 0);
    caller_send(&one, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    caller_open(&two, &serving, 0);
    caller_send(&two, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    serving_wait_held(&serving, 2);
    http_server_free(serving.server);
    serving.server = NULL;
    assert_int_equal(serving.gone, 2);
    serving_stop(&serving);
    caller_close(&one);
    caller_close(&two);
}

static void
a_request_that_was_passed_on_is_the_other_handlers(void **state)
{
    struct serving *serving = *state;
    struct caller caller;

    caller_open(&caller, serving, 0);
    caller_send(&caller, "POST /pass HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
    caller_send(&caller, "llo");
    caller_expect(&caller, 200, "passed hello");
    caller_send(&caller, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
    caller_expect(&caller, 200, "POST /echo hi"); /* the next is the first's again */
    assert_int_equal(serving->body_bytes, 2);

    caller_send(&caller, "POST /pass HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n");
    caller_expect(&caller, 413, NULL);
    assert_int_equal(serving->passed_gone, 1);
    assert_int_equal(serving->gone, 0);
    caller_close(&caller);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SERVING_TEST(a_connection_serves_one_request_after_the_other),
        SERVING_TEST(an_older_client_gets_a_close_unless_it_asks_to_keep_the_connection),
        SERVING_TEST(pipelined_requests_are_answered_in_order),
        SERVING_TEST(whatever_leaves_a_doubt_is_refused_and_the_connection_closed),
        SERVING_TEST(a_body_of_exactly_the_limit_is_taken),
        SERVING_TEST(a_chunked_body_may_come_in_any_pieces),
        SERVING_TEST(who_expects_100_is_told_to_go_on),
        SERVING_TEST(a_head_request_gets_the_length_and_no_body),
        SERVING_TEST(an_early_answer_keeps_the_connection_only_if_little_is_left),
        SERVING_TEST(a_peer_that_goes_away_is_told_to_the_handler_once),
        SERVING_TEST(who_closes_only_its_sending_side_still_gets_the_answer),
        SERVING_TEST(a_paused_request_holds_its_sender_back),
        SERVING_TEST(a_slow_reader_gets_a_large_answer_whole),
        SERVING_TEST(a_request_that_was_passed_on_is_the_other_handlers),
        cmocka_unit_test(requests_without_an_answer_are_told_when_the_server_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
