/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/calls.h"
#include "support/test.h"

static void
nobody_listening_is_told(void **state)
{
    struct calls *calls = *state;
    uint16_t port = 0;
    int fd = peer_refused_open(&port);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "127.0.0.1", port);
    struct call call;

    call_post(calls, endpoint, &call);
    assert_call_failed(&call, HTTP_FAIL_CONNECT, "refused");
    http_endpoint_free(endpoint);
    (void)close(fd);
}

static void
the_guard_judges_addresses_and_names(void **state)
{
    struct calls *calls = *state;

    static const struct {
        const char *host;
        const char *opened; /* a range, or NULL */
        const char *detail;
    } cases[] = {
        {"127.0.0.1", NULL, "loopback"},
        {"[::ffff:127.0.0.1]", NULL, "loopback"},
        {"169.254.169.254", NULL, "metadata"},
        {"localhost", NULL, "loopback"},
        /* One good address does not make up for a bad one. */
        {"localhost", "127.0.0.0/8", "loopback"},
        {"localhost", "::1", "loopback"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_endpoint *endpoint = calls_endpoint(calls, "http", cases[i].host, 1);
        struct call call;

        calls->guard = (struct address_guard){.count = 0};
        if (cases[i].opened != NULL) {
            assert_int_equal(cidr_parse(str_from(cases[i].opened), &calls->guard.allowed[0], NULL),
                OK);
            calls->guard.count = 1;
        }
        call_post(calls, endpoint, &call);
        assert_call_failed(&call, HTTP_FAIL_DENIED, cases[i].detail);
        http_endpoint_free(endpoint);
    }
}

static void
an_opened_address_is_called(void **state)
{
    struct calls *calls = *state;
    char answer[] = OK_ANSWER;
    struct call call;

    calls->guard = (struct address_guard){.count = 1};
    assert_int_equal(cidr_parse(STR("127.0.0.1"), &calls->guard.allowed[0], NULL), OK);
    call_post_to(calls, script_answer_once, answer, &call);
    assert_call_answered(&call, 200, "ok");
}

/* localhost is ::1 and 127.0.0.1, and the peer listens on the latter only. */
static void
the_next_address_is_tried_when_one_fails(void **state)
{
    struct calls *calls = *state;
    char answer[] = OK_ANSWER;
    struct peer *peer = peer_start(script_answer_once, answer);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "localhost", peer_port(peer));
    struct call call;

    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
}

/* A listener whose queue is full lets nobody in and says nothing. */
static bool
silent_listener_open(uint16_t port, int ret_fds[2])
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
        .sin6_addr = IN6ADDR_LOOPBACK_INIT,
        .sin6_port = htons(port)};

    ret_fds[0] = socket(AF_INET6, SOCK_STREAM, 0);
    ret_fds[1] = socket(AF_INET6, SOCK_STREAM, 0);
    if (ret_fds[0] < 0 || bind(ret_fds[0], (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(ret_fds[0], 0) != 0 ||
        connect(ret_fds[1], (struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(ret_fds[0]);
        (void)close(ret_fds[1]);
        return false;
    }
    return true;
}

static void
a_silent_address_costs_only_its_head_start(void **state)
{
    struct calls *calls = *state;
    char answer[] = OK_ANSWER;
    struct peer *peer = peer_start(script_answer_once, answer);
    struct http_endpoint *endpoint = calls_endpoint(calls, "http", "localhost", peer_port(peer));
    struct call call;
    int fds[2];
    bool is_silent = silent_listener_open(peer_port(peer), fds);

    call_post(calls, endpoint, &call);
    assert_call_answered(&call, 200, "ok");
    assert_true(call.latency_us < 900 * US_PER_MS);
    http_endpoint_free(endpoint);
    assert_true(peer_stop(peer));
    if (!is_silent)
        skip(); /* no IPv6 here */
    assert_true(call.latency_us >= 200 * US_PER_MS);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_listening_is_told),
        TEST(the_guard_judges_addresses_and_names),
        TEST(an_opened_address_is_called),
        TEST(the_next_address_is_tried_when_one_fails),
        TEST(a_silent_address_costs_only_its_head_start),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
