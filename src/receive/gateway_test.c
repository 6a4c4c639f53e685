/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing, judging, limits and answers. What the store makes of calls is in gateway_store_test.c.
 */
#include "receive/gateway.h"

#include "base/encode.h"
#include "receive/counters.h"
#include "support/gateway.h"

/* SHA-256 of "sesame" */
#define SESAME_HASH "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"

#define SECRET "zoom-secret"

static const struct source_line lines[] = {
    {"open", "accept", "none"},
    {"token", "accept", "token"},
    {"token", "token-sha256", SESAME_HASH},
    {"small", "accept", "token"},
    {"small", "token-sha256", SESAME_HASH},
    {"small", "body-max-kib", "1"},
    {"slow", "accept", "token"},
    {"slow", "token-sha256", SESAME_HASH},
    {"slow", "rate", "0.1"},
    {"near", "accept", "address"},
    {"near", "address", "203.0.113.0/24"},
    {"zoom", "accept", "signature"},
    {"zoom", "signature", "zoom"},
    {"zoom", "secret", SECRET},
    {"seen", "accept", "token"},
    {"seen", "token-sha256", SESAME_HASH},
    {"seen", "observe", "yes"},
};

static int
start(void **state)
{
    static struct test_gateway tg;

    gateway_start(&tg, (struct gateway_options){0});
    gateway_use(&tg, lines, COUNT_OF(lines), "127.0.0.1");
    *state = &tg;
    return 0;
}

static int
stop(void **state)
{
    gateway_stop(*state);
    return 0;
}

static int64_t
counted(const char *source, enum call_result result)
{
    return counters_source(str_from(source))->calls[result];
}

static void
an_authentic_call_is_accepted_with_its_id(void **state)
{
    struct str head = gateway_ask(*state, "/in/token/sesame", "", "{\"a\":1}", 200,
        "{\"status\":\"accepted\",\"id\":\"in_");

    assert_true(text_has(head, "\r\nContent-Type: application/json\r\n"));
    assert_true(text_has(head, "\r\nX-Request-Id: req_"));
    assert_int_equal(gateway_number(*state, "SELECT count(*) FROM inbox"), 1);
    /* Also in another spelling of the same path, and with an encoding that is none. */
    gateway_ask(*state, "/in/%74oken/sesam%65?x=y", "", "{\"a\":2}", 200, "accepted");
    gateway_ask(*state, "/in/open", "Content-Encoding: identity\r\n", "{\"a\":1}", 200, "accepted");
    gateway_ask(*state, "/in/open/", "", "{\"a\":2}", 200, "accepted");
    assert_int_equal(gateway_number(*state, "SELECT count(*) FROM inbox"), 4);
}

static void
a_body_may_come_in_pieces(void **state)
{
    struct test_gateway *tg = *state;
    struct caller caller;

    caller_open(&caller, &tg->serving, 0);
    caller_send(&caller, "POST /in/open HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n{\"a\"");
    caller_expect_silence(&caller);
    caller_send(&caller, ":123}");
    caller_expect(&caller, 200, "accepted");
    caller_send(&caller, "POST /in/open HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                         "4\r\n{\"a\"\r\n");
    caller_expect_silence(&caller);
    caller_send(&caller, "5\r\n:123}\r\n0\r\n\r\n");
    caller_expect(&caller, 200, "duplicate");
    caller_close(&caller);
}

/* All of the answer, with what differs each time covered. */
static void
read_masked(struct test_gateway *tg, const char *path, const char *fields, struct buf *text)
{
    static const char *const covered[] = {"Date: ", "X-Request-Id: "};
    struct caller caller;

    buf_clear(text);
    caller_open(&caller, &tg->serving, 0);
    gateway_send(&caller, "POST", path, fields, "{}");
    buf_append_str(text, caller_expect(&caller, 401, "not right"));
    caller_close(&caller);
    for (size_t i = 0; i < COUNT_OF(covered); i++) {
        char *at = strstr(text->ptr, covered[i]);

        assert_non_null(at);
        for (at += strlen(covered[i]); *at != '\r'; at++)
            *at = 'x';
    }
}

static void
whatever_was_wrong_the_answer_is_the_same(void **state)
{
    static const struct {
        const char *path;
        const char *fields;
    } rows[] = {
        {"/in/token", ""},
        {"/in/token/wrong", ""},
        {"/in/token/sesame/more", ""},
        {"/in/token/", ""},
        {"/in/tokens/sesame", ""},
        {"/in/", ""},
        {"/in//sesame", ""},
        {"/in/small/wrong", ""},
        {"/in/slow/wrong", ""},
        {"/in/near", ""},
        {"/in/zoom", ""},
        {"/in/zoom", "x-zm-signature: v0=00\r\nx-zm-request-timestamp: 1\r\n"},
        {"/in/token", "Authorization: Basic eDp5\r\n"},
        {"/in/%00", ""},
        {"/in/%zz/%zz", ""},
    };

    int64_t refused = counted("token", CALL_REFUSED);
    struct buf first;
    struct buf other;

    buf_init(&first, 1 << 16);
    buf_init(&other, 1 << 16);
    read_masked(*state, "/in/nobody/sesame", "", &first);
    assert_true(text_has(buf_str(&first), "\r\nWWW-Authenticate: Basic realm="));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        read_masked(*state, rows[i].path, rows[i].fields, &other);
        assert_string_equal(first.ptr, other.ptr);
    }
    assert_int_equal(counted("token", CALL_REFUSED), refused + 5);
    assert_int_equal(gateway_number(*state, "SELECT count(*) FROM inbox"), 0);
    buf_done(&first);
    buf_done(&other);
}

static void
what_is_too_large_is_told_alike_for_all_names(void **state)
{
    static const char *const paths[] = {"/in/open", "/in/small", "/in/nobody"};
    struct test_gateway *tg = *state;
    struct caller caller;

    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        char text[200];

        (void)snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
            paths[i], HTTP_BODY_BYTES_MAX + 1);
        caller_open(&caller, &tg->serving, 0);
        caller_send(&caller, text);
        caller_expect(&caller, 413, NULL);
        caller_close(&caller);
    }
}

static void
a_source_has_a_bound_of_its_own_for_those_it_knows(void **state)
{
    char body[1100];
    int64_t invalid = counted("small", CALL_INVALID);

    memset(body, ' ', sizeof(body));
    memcpy(body, "{}", 2);
    body[1025] = '\0';
    gateway_ask(*state, "/in/small/sesame", "", body, 413, "larger");
    gateway_ask(*state, "/in/small/wrong", "", body, 401, NULL);
    assert_int_equal(counted("small", CALL_INVALID), invalid + 1);
    body[1024] = '\0';
    gateway_ask(*state, "/in/small/sesame", "", body, 200, "accepted");
}

static void
only_post_brings_a_call(void **state)
{
    struct test_gateway *tg = *state;
    struct caller caller;

    caller_open(&caller, &tg->serving, 0);
    caller_send(&caller, "GET /in/nobody HTTP/1.1\r\n" HOST "\r\n");
    assert_true(text_has(caller_expect(&caller, 200, NULL), "\r\nContent-Length: 0\r\n"));
    caller_send(&caller, "HEAD /in/token HTTP/1.1\r\n" HOST "\r\n");
    caller_expect_head(&caller, 200);
    gateway_send(&caller, "PUT", "/in/open", "", "{}");
    assert_true(text_has(caller_expect(&caller, 405, "POST"), "\r\nAllow: POST, GET, HEAD\r\n"));
    gateway_send(&caller, "POST", "/in/open", "Content-Encoding: gzip\r\n", "{}");
    caller_expect(&caller, 415, "Content-Encoding");
    gateway_send(&caller, "POST", "/elsewhere", "", "{}");
    caller_expect(&caller, 404, NULL);
    gateway_send(&caller, "POST", "/in", "", "{}");
    caller_expect(&caller, 404, NULL);
    caller_close(&caller);
    assert_int_equal(gateway_number(*state, "SELECT count(*) FROM inbox"), 0);
}

static void
what_is_no_json_is_refused_with_the_reason_and_kept(void **state)
{
    struct test_gateway *tg = *state;
    int64_t invalid = counted("open", CALL_INVALID);

    gateway_ask(tg, "/in/open", "", "{\"a\":}", 400, "detail");
    gateway_ask(tg, "/in/open", "", "", 400, NULL);
    gateway_ask(tg, "/in/token", "", "{\"a\":}", 401, NULL); /* nothing is read before */
    assert_int_equal(counted("open", CALL_INVALID), invalid + 2);
    gateway_settle(tg);
    assert_int_equal(gateway_number(tg, "SELECT count(*) FROM quarantine"), 3);
}

static void
a_source_that_asks_for_a_rate_gets_it(void **state)
{
    struct test_gateway *tg = *state;
    int64_t limited = counted("slow", CALL_LIMITED);

    gateway_ask(tg, "/in/slow/sesame", "", "{\"a\":1}", 200, "accepted");
    assert_true(text_has(gateway_ask(tg, "/in/slow/sesame", "", "{\"a\":2}", 429, NULL),
        "\r\nRetry-After: 10\r\n"));
    gateway_ask(tg, "/in/slow/wrong", "", "{\"a\":2}", 401, NULL);
    assert_int_equal(counted("slow", CALL_LIMITED), limited + 1);
    clock_manual_advance(&tg->clock, 10 * US_PER_S);
    gateway_ask(tg, "/in/slow/sesame", "", "{\"a\":2}", 200, "accepted");
}

static void
behind_a_proxy_it_counts_who_the_proxy_saw(void **state)
{
    gateway_ask(*state, "/in/near", "X-Forwarded-For: 203.0.113.9\r\n", "{}", 200, "accepted");
    gateway_ask(*state, "/in/near", "X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n", "{}", 401,
        NULL);
    gateway_ask(*state, "/in/near", "Forwarded: for=\"203.0.113.9:4711\"\r\n", "{}", 200,
        "duplicate");
}

static void
who_is_not_behind_a_proxy_cannot_claim_an_address(void **state)
{
    struct test_gateway *tg = *state;

    gateway_use(tg, lines, COUNT_OF(lines), "192.0.2.1");
    gateway_ask(tg, "/in/near", "X-Forwarded-For: 203.0.113.9\r\n", "{}", 401, NULL);
}

/* The fields with which Zoom signs this body now; valid until the next. */
static const char *
zoom_fields(struct test_gateway *tg, const char *body)
{
    static char fields[256];
    uint8_t digest[SHA256_BYTES];
    struct hmac *hmac = NULL;
    struct buf text;
    struct buf hex;
    int64_t now_s = tg->clock.walltime_now.us / US_PER_S;

    buf_init(&text, 4096);
    buf_init(&hex, 4096);
    buf_printf(&text, "v0:%lld:%s", (long long)now_s, body);
    assert_int_equal(hmac_new(SECRET, strlen(SECRET), &hmac), OK);
    assert_int_equal(hmac_sign(hmac, buf_str(&text), digest), OK);
    hex_append(&hex, digest, sizeof(digest));
    (void)snprintf(fields, sizeof(fields),
        "x-zm-request-timestamp: %lld\r\nx-zm-signature: v0=%s\r\n", (long long)now_s, hex.ptr);
    hmac_free(hmac);
    buf_done(&text);
    buf_done(&hex);
    return fields;
}

static void
a_sender_that_asks_whether_it_is_us_is_told(void **state)
{
    static const char question[] = "{\"event\":\"endpoint.url_validation\","
                                   "\"payload\":{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\"}}";
    static const char event[] = "{\"event\":\"meeting.started\",\"payload\":{}}";
    int64_t challenged = counted("zoom", CALL_CHALLENGED);

    gateway_ask(*state, "/in/zoom", zoom_fields(*state, question), question, 200,
        "{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":\"");
    gateway_ask(*state, "/in/zoom", "", question, 401, NULL);
    assert_int_equal(counted("zoom", CALL_CHALLENGED), challenged + 1);
    assert_int_equal(gateway_number(*state, "SELECT count(*) FROM inbox"), 0);
    gateway_ask(*state, "/in/zoom", zoom_fields(*state, event), event, 200, "accepted");
}

static void
an_observed_source_answers_as_ever(void **state)
{
    gateway_ask(*state, "/in/seen", "Authorization: Bearer x\r\n", "{}", 401, NULL);
    gateway_ask(*state, "/in/seen/sesame", "X-Signature: x\r\n", "{}", 200, "accepted");
}

static void
a_call_is_judged_by_the_setup_it_began_under(void **state)
{
    struct test_gateway *tg = *state;
    struct caller caller;

    caller_open(&caller, &tg->serving, 0);
    caller_send(&caller, "POST /in/open HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n{\"a\"");
    caller_expect_silence(&caller);
    gateway_use(tg, lines + 1, COUNT_OF(lines) - 1, NULL);
    caller_send(&caller, ":123}");
    caller_expect(&caller, 200, "accepted");
    gateway_send(&caller, "POST", "/in/open", "", "{\"a\":123}");
    caller_expect(&caller, 401, NULL);
    caller_close(&caller);
}

static void
without_a_setup_callers_are_told_to_come_back(void **state)
{
    struct test_gateway tg;

    (void)state;
    gateway_start(&tg, (struct gateway_options){0});
    assert_true(
        text_has(gateway_ask(&tg, "/in/open", "", "{}", 503, NULL), "\r\nRetry-After: 1\r\n"));
    gateway_stop(&tg);
}

static void
what_is_not_under_in_is_anothers(void **state)
{
    static struct test_gateway tg;
    struct serving *other = calloc(1, sizeof(*other));
    struct http_handler handler;

    (void)state;
    assert_non_null(other);
    serving_start(other, (struct http_server_options){0});
    handler = other->other;
    gateway_start(&tg, (struct gateway_options){.other = &handler});
    gateway_use(&tg, lines, COUNT_OF(lines), NULL);
    gateway_ask(&tg, "/api/things", "", "0123456789", 200, "passed 0123456789");
    gateway_ask(&tg, "/api/things", "", "0123456789a", 413, NULL);
    buf_clear(&other->body);
    gateway_ask(&tg, "/in/open", "", "{\"long\":\"enough\"}", 200, "accepted");
    assert_int_equal(other->body.len, 0);
    gateway_stop(&tg);
    serving_stop(other);
    free(other);
}

static void
each_source_is_told_apart_on_the_page(void **state)
{
    struct buf page;

    gateway_ask(*state, "/in/near", "", "{}", 401, NULL);
    buf_init(&page, 1 << 20);
    gateway_metrics(&page);
    assert_true(text_has(buf_str(&page),
        "\nusher_source_calls_total{source=\"near\",result=\"refused\"} "));
    assert_false(text_has(buf_str(&page), "{source=\"nobody\""));
    assert_true(text_has(buf_str(&page),
        "\nusher_source_calls_total{source=\"(unknown)\",result=\"refused\"} "));
    buf_done(&page);
}

#define GATEWAY_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        GATEWAY_TEST(an_authentic_call_is_accepted_with_its_id),
        GATEWAY_TEST(a_body_may_come_in_pieces),
        GATEWAY_TEST(whatever_was_wrong_the_answer_is_the_same),
        GATEWAY_TEST(what_is_too_large_is_told_alike_for_all_names),
        GATEWAY_TEST(a_source_has_a_bound_of_its_own_for_those_it_knows),
        GATEWAY_TEST(only_post_brings_a_call),
        GATEWAY_TEST(what_is_no_json_is_refused_with_the_reason_and_kept),
        GATEWAY_TEST(a_source_that_asks_for_a_rate_gets_it),
        GATEWAY_TEST(behind_a_proxy_it_counts_who_the_proxy_saw),
        GATEWAY_TEST(who_is_not_behind_a_proxy_cannot_claim_an_address),
        GATEWAY_TEST(a_sender_that_asks_whether_it_is_us_is_told),
        GATEWAY_TEST(an_observed_source_answers_as_ever),
        GATEWAY_TEST(a_call_is_judged_by_the_setup_it_began_under),
        cmocka_unit_test(without_a_setup_callers_are_told_to_come_back),
        cmocka_unit_test(what_is_not_under_in_is_anothers),
        GATEWAY_TEST(each_source_is_told_apart_on_the_page),
    };

    return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
