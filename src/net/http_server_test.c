/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/metrics.h"
#include "support/certificates.h"
#include "support/serving.h"
#include "support/test.h"

#define GET  "GET /echo HTTP/1.1\r\n" HOST "\r\n"
#define HOLD "GET /hold HTTP/1.1\r\n" HOST "\r\n"

/* Small enough not to be waited for, large enough for a turn of the loop. */
#define SHORT_MS 30

/* Where somebody must be in time again and again, also on a machine that is busy otherwise. */
#define STEADY_MS 160

static void
a_head_that_does_not_arrive_in_time_is_refused(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){.head_ms = SHORT_MS});
    caller_open(&caller, &serving, 0);
    caller_send(&caller, "GET /echo HTTP/1.1\r\nHost:");
    caller_expect(&caller, 408, "in time");
    caller_expect_closed(&caller);
    caller_close(&caller);

    /* The second request of a connection has its own time. */
    caller_open(&caller, &serving, 0);
    caller_send(&caller, GET "G");
    caller_expect(&caller, 200, NULL);
    caller_expect(&caller, 408, "in time");
    caller_expect_closed(&caller);
    caller_close(&caller);
    assert_int_equal(serving.gone, 0);
    serving_stop(&serving);
}

static void
a_body_that_stops_is_refused_and_the_handler_told(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){.body_ms = SHORT_MS});
    caller_open(&caller, &serving, 0);
    caller_send(&caller, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel");
    caller_expect(&caller, 408, "in time");
    caller_expect_closed(&caller);
    caller_close(&caller);
    assert_int_equal(serving.gone, 1);

    /* Not while it is we who do not read. */
    caller_open(&caller, &serving, 0);
    caller_send(&caller, "POST /pause HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    while (serving.paused == NULL)
        serving_turn(&serving);
    struct instant end = instant_add_ms(clock_instant(&clock_system), 2L * SHORT_MS);
    while (clock_instant(&clock_system).us < end.us)
        serving_turn(&serving);
    caller_expect_silence(&caller);
    http_request_resume(serving.paused);
    caller_send(&caller, "hello");
    caller_expect(&caller, 200, "POST /pause");
    caller_close(&caller);
    serving_stop(&serving);
}

static void
a_body_that_trickles_is_refused(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){.body_ms = STEADY_MS});
    caller_open(&caller, &serving, 0);
    caller_send(&caller, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n");
    struct instant give_up = instant_add_ms(clock_instant(&clock_system), 10000);
    while (
        caller.in.len == 0 && !caller.is_closed && clock_instant(&clock_system).us < give_up.us) {
        /* A byte in time, again and again. */
        struct instant end = instant_add_ms(clock_instant(&clock_system), STEADY_MS / 8);
        caller_send(&caller, "x");
        while (clock_instant(&clock_system).us < end.us)
            serving_turn(&serving);
        (void)caller_read(&caller);
    }
    caller_expect(&caller, 408, "slowly");
    caller_close(&caller);
    assert_int_equal(serving.gone, 1);
    serving_stop(&serving);
}

static void
an_idle_connection_is_closed_without_a_word(void **state)
{
    struct serving serving;
    struct caller fresh;
    struct caller used;
    int64_t refused = metric_get(METRIC_http_refused_total);

    (void)state;
    serving_start(&serving, (struct http_server_options){.idle_ms = SHORT_MS});
    caller_open(&fresh, &serving, 0);
    caller_open(&used, &serving, 0);
    caller_send(&used, GET);
    caller_expect(&used, 200, NULL);
    caller_expect_closed(&fresh);
    caller_expect_closed(&used);
    caller_close(&fresh);
    caller_close(&used);
    assert_int_equal(metric_get(METRIC_http_refused_total), refused);
    assert_int_equal(metric_get(METRIC_http_connections), 0);
    serving_stop(&serving);
}

static void
a_reader_that_stops_loses_the_connection(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){.body_ms = SHORT_MS});
    caller_open(&caller, &serving, 4096);
    caller_send(&caller, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    while (metric_get(METRIC_http_connections) == 0)
        serving_turn(&serving);
    while (metric_get(METRIC_http_connections) > 0)
        serving_turn(&serving);
    caller_close(&caller);
    serving_stop(&serving);
}

static void
a_reader_that_is_slow_but_reads_keeps_it(void **state)
{
    struct serving serving;
    struct caller caller;

    (void)state;
    serving_start(&serving, (struct http_server_options){.body_ms = STEADY_MS});
    caller_open(&caller, &serving, 4096);
    caller_send(&caller, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    /* More than twice as long as it may stand still. */
    for (int i = 0; i < 20; i++) {
        struct instant end = instant_add_ms(clock_instant(&clock_system), STEADY_MS / 8);
        while (clock_instant(&clock_system).us < end.us) {
            serving_turn(&serving);
            if (caller.in.len < (size_t)(i + 1) * SERVING_LARGE_BYTES / 22)
                (void)caller_read(&caller);
        }
    }
    caller_expect(&caller, 200, "LLL");
    caller_close(&caller);
    serving_stop(&serving);
}

static void
a_refused_peer_can_read_why_although_it_goes_on_sending(void **state)
{
    static char rubbish[512 * 1024];
    struct serving serving;
    struct caller caller;

    (void)state;
    memset(rubbish, 'x', sizeof(rubbish));
    serving_start(&serving, (struct http_server_options){0});
    caller_open(&caller, &serving, 0);
    caller_send(&caller, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 100000000\r\n\r\n");
    assert_int_equal(caller_send_until_blocked(&caller, (struct str){rubbish, sizeof(rubbish)}),
        sizeof(rubbish));
    caller_expect(&caller, 413, "larger");
    caller_expect_closed(&caller);
    assert_int_equal(metric_get(METRIC_http_connections), 1);
    /* But not for ever. */
    for (int i = 0; i < 4; i++)
        (void)caller_send_until_blocked(&caller, (struct str){rubbish, sizeof(rubbish)});
    while (metric_get(METRIC_http_connections) > 0)
        serving_turn(&serving);
    caller_close(&caller);
    serving_stop(&serving);
}

static void
beyond_the_limit_the_oldest_idle_connection_gives_way(void **state)
{
    struct serving serving;
    struct caller old;
    struct caller young;
    struct caller third;
    struct caller fourth;

    (void)state;
    serving_start(&serving, (struct http_server_options){.connections_max = 2});
    caller_open(&old, &serving, 0);
    caller_send(&old, GET);
    caller_expect(&old, 200, NULL);
    caller_open(&young, &serving, 0);
    caller_send(&young, GET);
    caller_expect(&young, 200, NULL);
    caller_open(&third, &serving, 0);
    caller_send(&third, HOLD);
    serving_wait_held(&serving, 1);
    caller_expect_closed(&old);
    caller_expect_silence(&young);

    /* With nobody idle it is the new one who is turned away. */
    caller_send(&young, HOLD);
    serving_wait_held(&serving, 2);
    caller_open(&fourth, &serving, 0);
    assert_true(text_has(caller_expect(&fourth, 503, "try again"), "Retry-After: 1\r\n"));
    caller_expect_closed(&fourth);
    serving_release(&serving, "a");
    serving_release(&serving, "b");
    caller_expect(&third, 200, "a");
    caller_expect(&young, 200, "b");
    caller_close(&old);
    caller_close(&young);
    caller_close(&third);
    caller_close(&fourth);
    serving_stop(&serving);
}

/* From another address of this machine. */
static void
caller_open_from(struct caller *caller, struct serving *serving, const char *text)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct address address;

    assert_true(fd >= 0);
    assert_int_equal(address_parse(str_from(text), &address, NULL), OK);
    assert_int_equal(bind(fd, &address.as.any, address.len), 0);
    caller_connect(caller, serving, fd);
}

static void
one_address_cannot_take_all_connections(void **state)
{
    struct serving serving;
    struct caller old;
    struct caller young;
    struct caller third;
    struct caller other;

    (void)state;
    serving_start(&serving, (struct http_server_options){.peer_connections_max = 2});
    caller_open(&old, &serving, 0);
    caller_send(&old, GET);
    caller_expect(&old, 200, NULL);
    caller_open_from(&other, &serving, "127.0.0.2");
    caller_send(&other, GET);
    caller_expect(&other, 200, NULL);
    caller_open(&young, &serving, 0);
    caller_send(&young, HOLD);
    serving_wait_held(&serving, 1);
    caller_open(&third, &serving, 0);
    caller_send(&third, HOLD);
    serving_wait_held(&serving, 2);
    caller_expect_closed(&old); /* its own oldest idle one, not the other's */
    caller_close(&old);
    caller_open(&old, &serving, 0);
    caller_expect(&old, 503, "from your address");
    caller_expect_closed(&old);
    caller_close(&old);
    caller_send(&other, GET);
    caller_expect(&other, 200, NULL);

    /* Who has gone makes room. */
    caller_reset(&young);
    serving_wait_gone(&serving, 1);
    caller_open(&old, &serving, 0);
    caller_send(&old, GET);
    caller_expect(&old, 200, NULL);
    caller_close(&old);
    caller_close(&third);
    caller_close(&other);
    serving_stop(&serving);
}

static void
many_may_stand_behind_a_proxy(void **state)
{
    struct serving serving;
    struct caller callers[3];
    struct cidr proxy;

    (void)state;
    assert_int_equal(cidr_parse(STR("127.0.0.1"), &proxy, NULL), OK);
    serving_start(&serving, (struct http_server_options){.peer_connections_max = 1,
                                .proxies = &proxy,
                                .proxy_count = 1});
    for (size_t i = 0; i < COUNT_OF(callers); i++) {
        caller_open(&callers[i], &serving, 0);
        caller_send(&callers[i], HOLD);
        serving_wait_held(&serving, i + 1);
    }
    for (size_t i = 0; i < COUNT_OF(callers); i++)
        caller_close(&callers[i]);
    serving_stop(&serving);
}

static void
addresses_of_one_ipv6_network_count_together(void **state)
{
    struct serving serving;
    struct http_server_options options = {.peer_connections_max = 1};
    struct caller first;
    struct caller second;

    (void)state;
    assert_int_equal(address_parse(STR("[::1]:0"), &options.listen, NULL), OK);
    serving_start(&serving, options);
    caller_connect(&first, &serving, socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    caller_send(&first, HOLD);
    serving_wait_held(&serving, 1);
    caller_connect(&second, &serving, socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    caller_expect(&second, 503, "from your address");
    caller_close(&first);
    caller_close(&second);
    serving_stop(&serving);
}

static void
without_descriptors_the_server_waits_and_does_not_spin(void **state)
{
    struct serving serving;
    struct caller busy;
    struct caller late;
    struct rlimit limit;
    struct rlimit lower;
    int fd;

    (void)state;
    serving_start(&serving, (struct http_server_options){0});
    caller_open(&busy, &serving, 0);
    caller_send(&busy, HOLD);
    serving_wait_held(&serving, 1);

    /* The last descriptor goes to the caller's end of the connection. */
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    lower = limit;
    lower.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    caller_connect(&late, &serving, fd);
    caller_send(&late, GET);
    caller_expect_silence(&late);
    assert_int_equal(metric_get(METRIC_http_connections), 1);

    /* An idle connection is worth less than a new one. */
    serving_release(&serving, "now");
    caller_expect(&busy, 200, "now");
    caller_expect(&late, 200, "GET /echo");
    caller_expect_closed(&busy);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    caller_close(&busy);
    caller_close(&late);
    serving_stop(&serving);
}

static void
a_draining_server_finishes_what_it_has_begun(void **state)
{
    struct serving serving;
    struct caller idle;
    struct caller busy;
    struct caller sent;
    struct caller queued;
    struct caller refused;
    struct address address;

    (void)state;
    serving_start(&serving, (struct http_server_options){0});
    address = http_server_address(serving.server);
    caller_open(&idle, &serving, 0);
    caller_send(&idle, GET);
    caller_expect(&idle, 200, NULL);
    caller_open(&busy, &serving, 0);
    caller_send(&busy, HOLD GET);
    serving_wait_held(&serving, 1);
    caller_open(&sent, &serving, 0);
    caller_send(&sent, GET);
    caller_expect(&sent, 200, NULL);
    /* These two are in the kernel's hands when draining begins. */
    assert_int_equal(send(sent.fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
    caller_open(&queued, &serving, 0);
    assert_int_equal(send(queued.fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);

    http_server_drain(serving.server);
    assert_false(http_server_is_drained(serving.server));
    caller_expect_closed(&idle);
    assert_true(text_has(caller_expect(&sent, 200, NULL), "Connection: close\r\n"));
    caller_expect_closed(&sent);
    assert_true(text_has(caller_expect(&queued, 200, NULL), "Connection: close\r\n"));
    caller_expect_closed(&queued);
    refused.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(refused.fd, &address.as.any, address.len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_int_equal(close(refused.fd), 0);

    assert_false(http_server_is_drained(serving.server));
    serving_release(&serving, "last");
    assert_true(text_has(caller_expect(&busy, 200, "last"), "Connection: close\r\n"));
    caller_expect_closed(&busy);
    caller_close(&idle);
    caller_close(&busy);
    caller_close(&sent);
    caller_close(&queued);
    while (!http_server_is_drained(serving.server))
        serving_turn(&serving);
    serving_stop(&serving);
}

static void
a_second_server_may_share_the_port_and_a_foreign_one_may_not(void **state)
{
    struct serving first;
    struct serving second;
    struct http_server_options options = {0};
    const struct http_handler handler = {0};
    struct http_server *server = NULL;
    struct error error = {0};
    int on = 1;

    (void)state;
    serving_start(&first, (struct http_server_options){0});
    options.listen = http_server_address(first.server);
    assert_true(address_port(&options.listen) != 0);
    serving_start(&second, options);
    serving_stop(&second);
    serving_stop(&first);

    /* Somebody who does not share. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, &options.listen.as.any, options.listen.len), 0);
    assert_int_equal(listen(fd, 1), 0);
    struct loop *loop = NULL;
    assert_int_equal(loop_new(0, &loop, &error), OK);
    assert_int_equal(http_server_new(loop, &options, &handler, &server, &error), ERR_IO);
    assert_null(server);
    assert_non_null(strstr(error.text, "cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(error.text, "Address already in use"));
    loop_free(loop);
    assert_int_equal(close(fd), 0);
}

/* ---- TLS ---- */

struct tls_serving {
    struct certificates certificates;
    struct tls_server *tls;
    SSL_CTX *ctx; /* the callers' */
    struct serving serving;
};

static void
tls_serving_start(struct tls_serving *tls)
{
    struct error error = {0};

    certificates_make(&tls->certificates);
    if (tls_server_new(tls->certificates.good, tls->certificates.key, &tls->tls, &error) != OK)
        fail_msg("%s", error.text);
    tls->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(tls->ctx);
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    assert_int_equal(SSL_CTX_load_verify_file(tls->ctx, tls->certificates.ca), 1);
    serving_start(&tls->serving, (struct http_server_options){.tls = tls->tls});
}

static void
tls_serving_stop(struct tls_serving *tls)
{
    serving_stop(&tls->serving);
    SSL_CTX_free(tls->ctx);
    tls_server_free(tls->tls);
    certificates_remove(&tls->certificates);
}

static bool
is_certificate_of(const struct caller *caller, const char *host)
{
    X509 *certificate = SSL_get1_peer_certificate(caller->ssl);
    bool is_so = X509_check_host(certificate, host, 0, 0, NULL) == 1;

    X509_free(certificate);
    return is_so;
}

static void
requests_are_served_over_tls_and_sessions_resumed(void **state)
{
    struct tls_serving tls;
    struct caller caller;
    SSL_SESSION *session;
    SSL *ssl;

    (void)state;
    tls_serving_start(&tls);
    caller_open_tls(&caller, &tls.serving, SSL_new(tls.ctx));
    assert_true(is_certificate_of(&caller, "localhost"));
    caller_send(&caller, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" GET);
    caller_expect(&caller, 200, "POST /echo hello");
    caller_expect(&caller, 200, "GET /echo");
    caller_send(&caller, "GET /large HTTP/1.1\r\n" HOST "\r\n" HOLD);
    caller_expect(&caller, 200, "LLL");
    serving_wait_held(&tls.serving, 1);
    serving_release(&tls.serving, "held");
    caller_expect(&caller, 200, "held");
    session = SSL_get1_session(caller.ssl);
    assert_true(SSL_SESSION_is_resumable(session));
    caller_close(&caller);

    ssl = SSL_new(tls.ctx);
    assert_int_equal(SSL_set_session(ssl, session), 1);
    SSL_SESSION_free(session);
    caller_open_tls(&caller, &tls.serving, ssl);
    assert_true(SSL_session_reused(caller.ssl));
    caller_send(&caller, "GET / HTTP/1.1\r\n\r\n");
    caller_expect(&caller, 400, "Host");
    caller_expect_closed(&caller);
    caller_close(&caller);
    tls_serving_stop(&tls);
}

static void
bytes_that_tls_holds_are_not_forgotten_by_a_pause(void **state)
{
    static char body[15000];
    struct tls_serving tls;
    struct caller caller;

    (void)state;
    memset(body, 'b', sizeof(body));
    tls_serving_start(&tls);
    caller_open_tls(&caller, &tls.serving, SSL_new(tls.ctx));
    caller_send(&caller, "POST /pause HTTP/1.1\r\n" HOST "Content-Length: 45000\r\n\r\n");
    for (int i = 0; i < 3; i++)
        caller_send_bytes(&caller, (struct str){body, sizeof(body)});
    caller_expect_silence(&caller);
    assert_int_equal(tls.serving.body_bytes, 0);
    http_request_resume(tls.serving.paused);
    caller_expect(&caller, 200, "POST /pause");
    assert_int_equal(tls.serving.body_bytes, 45000);
    caller_close(&caller);
    tls_serving_stop(&tls);
}

static void
a_reloaded_certificate_is_for_new_connections(void **state)
{
    struct tls_serving tls;
    struct caller before;
    struct caller after;
    struct error error = {0};

    (void)state;
    tls_serving_start(&tls);
    caller_open_tls(&before, &tls.serving, SSL_new(tls.ctx));
    assert_int_equal(rename(tls.certificates.other_host, tls.certificates.good), 0);
    assert_int_equal(tls_server_reload(tls.tls, &error), OK);
    caller_open_tls(&after, &tls.serving, SSL_new(tls.ctx));
    assert_true(is_certificate_of(&before, "localhost"));
    assert_true(is_certificate_of(&after, "other.example"));
    caller_send(&before, GET);
    caller_expect(&before, 200, NULL);
    caller_send(&after, GET);
    caller_expect(&after, 200, NULL);
    caller_close(&before);
    caller_close(&after);
    tls_serving_stop(&tls);
}

static void
who_does_not_speak_tls_is_hung_up_on(void **state)
{
    struct tls_serving tls;
    struct caller caller;

    (void)state;
    tls_serving_start(&tls);
    caller_open(&caller, &tls.serving, 0);
    caller_send(&caller, GET);
    while (!caller.is_closed) {
        serving_turn(&tls.serving);
        (void)caller_read(&caller);
    }
    assert_false(text_has(buf_str(&caller.in), "HTTP/1.1"));
    caller_close(&caller);
    assert_int_equal(tls.serving.heads, 0);
    tls_serving_stop(&tls);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_does_not_arrive_in_time_is_refused),
        cmocka_unit_test(a_body_that_stops_is_refused_and_the_handler_told),
        cmocka_unit_test(a_body_that_trickles_is_refused),
        cmocka_unit_test(an_idle_connection_is_closed_without_a_word),
        cmocka_unit_test(a_reader_that_stops_loses_the_connection),
        cmocka_unit_test(a_reader_that_is_slow_but_reads_keeps_it),
        cmocka_unit_test(a_refused_peer_can_read_why_although_it_goes_on_sending),
        cmocka_unit_test(beyond_the_limit_the_oldest_idle_connection_gives_way),
        cmocka_unit_test(one_address_cannot_take_all_connections),
        cmocka_unit_test(many_may_stand_behind_a_proxy),
        cmocka_unit_test(addresses_of_one_ipv6_network_count_together),
        cmocka_unit_test(without_descriptors_the_server_waits_and_does_not_spin),
        cmocka_unit_test(a_draining_server_finishes_what_it_has_begun),
        cmocka_unit_test(a_second_server_may_share_the_port_and_a_foreign_one_may_not),
        cmocka_unit_test(requests_are_served_over_tls_and_sessions_resumed),
        cmocka_unit_test(bytes_that_tls_holds_are_not_forgotten_by_a_pause),
        cmocka_unit_test(a_reloaded_certificate_is_for_new_connections),
        cmocka_unit_test(who_does_not_speak_tls_is_hung_up_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
