/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that go on: what the peer reads, when it goes, and how much waits for it.
 */
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

#include "os/metrics.h"
#include "support/certificates.h"
#include "support/serving.h"
#include "support/test.h"

#define FEED "GET /feed HTTP/1.1\r\n" HOST "\r\n"

/* Long enough for what must not happen by then, short enough to wait for. */
#define SHORT_MS 60

static struct http_request *
begin(struct serving *serving, struct caller *caller)
{
    caller_send(caller, FEED);
    assert_true(text_has(caller_expect(caller, 200, NULL), "Transfer-Encoding: chunked\r\n\r\n"));
    assert_non_null(serving->fed);
    return serving->fed;
}

static void
check_pieces(struct serving *serving, struct caller *caller)
{
    struct http_request *request = begin(serving, caller);

    assert_true(http_respond_piece(request, STR("hello")));
    caller_expect_text(caller, "5\r\nhello\r\n");
    caller_expect_silence(caller);
    assert_true(http_respond_piece(request, STR("")));
    caller_expect_silence(caller);
    assert_true(http_respond_piece(request, STR("a\r\n")));
    assert_true(http_respond_piece(request, STR("b")));
    caller_expect_text(caller, "3\r\na\r\n\r\n1\r\nb\r\n");
    assert_int_equal(http_respond_waiting(request), 0);
    http_respond_end(request);
    caller_expect_text(caller, "0\r\n\r\n");
    assert_int_equal(serving->gone, 0);

    /* The connection serves the next request. */
    caller_send(caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(caller, 200, "GET /echo ");
}

static void
an_answer_comes_piece_by_piece(void **state)
{
    struct caller caller;

    caller_open(&caller, *state, 0);
    check_pieces(*state, &caller);
    caller_close(&caller);
}

static void
an_older_client_reads_to_the_close(void **state)
{
    struct serving *serving = *state;
    struct caller caller;

    caller_open(&caller, serving, 0);
    caller_send(&caller, "GET /feed HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(text_has(caller_expect(&caller, 200, NULL), "Connection: close\r\n\r\n"));
    assert_true(http_respond_piece(serving->fed, STR("one")));
    assert_true(http_respond_piece(serving->fed, STR("two")));
    caller_expect_text(&caller, "onetwo");
    http_respond_end(serving->fed);
    caller_expect_closed(&caller);
    caller_close(&caller);
}

static void
head_is_told_no_piece(void **state)
{
    struct serving *serving = *state;
    struct caller caller;

    caller_open(&caller, serving, 0);
    caller_send(&caller, "HEAD /feed HTTP/1.1\r\n" HOST "\r\n");
    assert_true(text_has(caller_expect_head(&caller, 200), "Transfer-Encoding: chunked\r\n\r\n"));
    assert_true(http_respond_piece(serving->fed, STR("hello")));
    http_respond_end(serving->fed);
    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, "GET /echo ");
    caller_close(&caller);
}

static void
what_is_asked_meanwhile_is_answered_after_it(void **state)
{
    struct serving *serving = *state;
    struct caller caller;

    caller_open(&caller, serving, 0);
    caller_send(&caller, FEED "GET /echo?a HTTP/1.1\r\n" HOST "\r\n");
    caller_expect(&caller, 200, NULL);
    caller_send(&caller, "GET /echo?b HTTP/1.1\r\n" HOST "\r\n");
    caller_expect_silence(&caller);
    assert_true(http_respond_piece(serving->fed, STR("x")));
    caller_expect_text(&caller, "1\r\nx\r\n");
    http_respond_end(serving->fed);
    caller_expect_text(&caller, "0\r\n\r\n");
    caller_expect(&caller, 200, "GET /echo?a ");
    caller_expect(&caller, 200, "GET /echo?b ");
    caller_close(&caller);
}

static void
a_peer_that_closes_is_gone_at_once(void **state)
{
    struct serving *serving = *state;
    struct caller caller;

    caller_open(&caller, serving, 0);
    begin(serving, &caller);
    caller_close(&caller);
    serving_wait_gone(serving, 1);
    assert_null(serving->fed);

    caller_open(&caller, serving, 0);
    begin(serving, &caller);
    caller_reset(&caller);
    serving_wait_gone(serving, 2);

    /* Also where a request of its own stands in the way: then a piece finds out. */
    caller_open(&caller, serving, 0);
    begin(serving, &caller);
    caller_send(&caller, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    caller_expect_silence(&caller);
    caller_reset(&caller);
    for (int i = 0; i < 1000 && serving->fed != NULL; i++) {
        if (!http_respond_piece(serving->fed, STR("x")))
            serving->fed = NULL;
        serving_turn(serving);
    }
    assert_null(serving->fed);
    assert_int_equal(serving->gone, 2);
    assert_int_equal(metric_get(METRIC_http_connections), 0);
}

static char piece_bytes[16 * 1024];

/* Until the socket and then our own patience are full; returns the most that waited. */
static size_t
feed_until_cut(struct serving *serving, struct http_request *request)
{
    struct str piece = {piece_bytes, sizeof(piece_bytes)};
    size_t most = 0;

    memset(piece_bytes, 'p', sizeof(piece_bytes));
    for (int i = 0; i < 10000; i++) {
        if (!http_respond_piece(request, piece))
            return most;
        if (http_respond_waiting(request) > most)
            most = http_respond_waiting(request);
        serving_turn(serving);
    }
    fail_msg("it takes everything");
    return 0;
}

static void
a_reader_that_is_too_slow_is_cut(void **state)
{
    struct serving *serving = *state;
    struct caller caller;
    size_t most;

    caller_open(&caller, serving, 4096);
    most = feed_until_cut(serving, begin(serving, &caller));
    assert_in_range(most, HTTP_PIECES_WAIT_BYTES_MAX / 2, HTTP_PIECES_WAIT_BYTES_MAX + 16);
    assert_int_equal(serving->gone, 0); /* it was the answer to our call */
    assert_int_equal(metric_get(METRIC_http_connections), 0);
    caller_close(&caller);
}

static void
a_reader_that_lags_and_catches_up_is_kept(void **state)
{
    struct serving *serving = *state;
    struct http_request *request;
    struct caller caller;
    struct str piece = {piece_bytes, sizeof(piece_bytes)};
    size_t sent = 0;

    caller_open(&caller, serving, 4096);
    request = begin(serving, &caller);
    memset(piece_bytes, 'p', sizeof(piece_bytes));
    /* Far more than may ever wait, and never wholly read. */
    while (sent < 64 * sizeof(piece_bytes)) {
        if (http_respond_waiting(request) < HTTP_PIECES_WAIT_BYTES_MAX / 2) {
            assert_true(http_respond_piece(request, piece));
            sent += sizeof(piece_bytes);
        } else {
            (void)caller_read(&caller);
        }
        serving_turn(serving);
    }
    while (http_respond_waiting(request) > 0) {
        (void)caller_read(&caller);
        serving_turn(serving);
    }
    http_respond_end(request);
    while (!text_has(buf_str(&caller.in), "0\r\n\r\n")) {
        serving_turn(serving);
        (void)caller_read(&caller);
    }
    assert_int_equal(caller.in.len, 64 * (strlen("4000\r\n\r\n") + 16384) + strlen("0\r\n\r\n"));
    caller_close(&caller);
}

static void
a_reader_that_stops_is_gone_after_a_while(void **state)
{
    struct serving serving;
    struct caller caller;
    struct http_request *request;

    (void)state;
    serving_start(&serving, (struct http_server_options){.body_ms = SHORT_MS});
    caller_open(&caller, &serving, 4096);
    request = begin(&serving, &caller);
    while (http_respond_waiting(request) == 0) {
        assert_true(http_respond_piece(request, (struct str){piece_bytes, sizeof(piece_bytes)}));
        serving_turn(&serving);
    }
    serving_wait_gone(&serving, 1);
    assert_null(serving.fed);
    caller_close(&caller);
    serving_stop(&serving);
}

static void
nothing_to_say_is_no_reason_to_close(void **state)
{
    struct serving serving;
    struct caller caller;
    struct instant end;

    (void)state;
    serving_start(&serving, (struct http_server_options){.head_ms = 1, .body_ms = 1, .idle_ms = 1});
    caller_open(&caller, &serving, 0);
    begin(&serving, &caller);
    end = instant_add_ms(clock_instant(&clock_system), SHORT_MS);
    while (clock_instant(&clock_system).us < end.us)
        serving_turn(&serving);
    assert_non_null(serving.fed);
    assert_true(http_respond_piece(serving.fed, STR("x")));
    caller_expect_text(&caller, "1\r\nx\r\n");
    caller_close(&caller);
    serving_stop(&serving);
}

static void
a_drain_waits_for_the_end(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){0});
    caller_open(&caller, &serving, 0);
    begin(&serving, &caller);
    http_server_drain(serving.server);
    assert_false(http_server_is_drained(serving.server));
    assert_true(http_respond_piece(serving.fed, STR("x")));
    http_respond_end(serving.fed);
    assert_true(http_server_is_drained(serving.server));
    caller_expect_text(&caller, "1\r\nx\r\n0\r\n\r\n");
    caller_expect_closed(&caller);
    caller_close(&caller);
    serving_stop(&serving);
}

static void
a_server_that_is_freed_tells_the_handler(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){0});
    caller_open(&caller, &serving, 0);
    begin(&serving, &caller);
    serving_stop(&serving);
    assert_int_equal(serving.gone, 1);
    caller_close(&caller);
}

static void
it_is_the_same_over_tls(void **state)
{
    struct certificates certificates;
    struct tls_server *tls;
    struct serving serving;
    struct caller caller;
    struct error error = {0};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    (void)state;
    certificates_make(&certificates);
    assert_non_null(ctx);
    if (tls_server_new(certificates.good, certificates.key, &tls, &error) != OK)
        fail_msg("%s", error.text);
    assert_int_equal(SSL_CTX_load_verify_file(ctx, certificates.ca), 1);
    serving_start(&serving, (struct http_server_options){.tls = tls});
    caller_open_tls(&caller, &serving, SSL_new(ctx));
    check_pieces(&serving, &caller);
    begin(&serving, &caller);
    caller_close(&caller);
    serving_wait_gone(&serving, 1);

    /* To the close: without a goodbye it would be cut off. */
    caller_open_tls(&caller, &serving, SSL_new(ctx));
    caller_send(&caller, "GET /feed HTTP/1.0\r\n\r\n");
    caller_expect(&caller, 200, NULL);
    assert_true(http_respond_piece(serving.fed, STR("all")));
    http_respond_end(serving.fed);
    caller_expect_text(&caller, "all");
    caller_expect_closed(&caller);
    assert_int_equal(SSL_get_shutdown(caller.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    caller_close(&caller);

    caller_open_tls(&caller, &serving, SSL_new(ctx));
    (void)feed_until_cut(&serving, begin(&serving, &caller));
    caller_close(&caller);
    serving_stop(&serving);
    SSL_CTX_free(ctx);
    tls_server_free(tls);
    certificates_remove(&certificates);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SERVING_TEST(an_answer_comes_piece_by_piece),
        SERVING_TEST(an_older_client_reads_to_the_close),
        SERVING_TEST(head_is_told_no_piece),
        SERVING_TEST(what_is_asked_meanwhile_is_answered_after_it),
        SERVING_TEST(a_peer_that_closes_is_gone_at_once),
        SERVING_TEST(a_reader_that_is_too_slow_is_cut),
        SERVING_TEST(a_reader_that_lags_and_catches_up_is_kept),
        cmocka_unit_test(a_reader_that_stops_is_gone_after_a_while),
        cmocka_unit_test(nothing_to_say_is_no_reason_to_close),
        cmocka_unit_test(a_drain_waits_for_the_end),
        cmocka_unit_test(a_server_that_is_freed_tells_the_handler),
        cmocka_unit_test(it_is_the_same_over_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
