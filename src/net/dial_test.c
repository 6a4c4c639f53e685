/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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

struct dial_end {
    bool is_done;
    struct dialed dialed;
};

static void
on_dialed(const struct dialed *dialed, void *arg)
{
    struct dial_end *end = arg;

    end->is_done = true;
    end->dialed = *dialed;
}

/* Whatever has happened between the judgement of an address and the connection that was made, it
 * is the socket's own peer that counts. */
static void
the_peer_of_the_connected_socket_is_judged_again(void **state)
{
    struct calls *calls = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    const struct dial_options options = {calls->loop, calls->resolver, &calls->guard};
    struct dial_end end = {.is_done = false};
    struct dial *dial = NULL;
    char byte = 0;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(
        dial_start(&options, STR("127.0.0.1"), ntohs(address.sin_port), on_dialed, &end, &dial),
        OK);
    while (strcmp(dial_phase(dial), "connecting") != 0) {
        calls_turn(calls);
        assert_false(end.is_done);
    }
    calls->guard.allow_all = false;
    while (!end.is_done)
        calls_turn(calls);
    assert_int_equal(end.dialed.failure, HTTP_FAIL_DENIED);
    assert_string_equal(end.dialed.detail, "loopback");
    assert_int_equal(end.dialed.fd, -1);

    /* It was hung up on without a byte. */
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
    (void)close(listener);
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

/* More turns of the loop than it takes to begin. */
static void
assert_not_done(struct calls *calls, const struct dial_end *end)
{
    for (int i = 0; i < 3; i++)
        calls_turn(calls);
    assert_false(end->is_done);
}

static int
listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return listener;
}

/* Nobody can have a descriptor until some are given back. */
struct shortage {
    struct rlimit limit; /* as it was */
    bool can_spare;
    unsigned asked;
};

static struct shortage
shortage_begin(bool can_spare)
{
    struct shortage shortage = {.can_spare = can_spare};
    struct rlimit lower;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &shortage.limit), 0);
    lower = shortage.limit;
    lower.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    return shortage;
}

static void
shortage_end(const struct shortage *shortage)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &shortage->limit), 0);
}

static bool
make_room(void *arg)
{
    struct shortage *shortage = arg;

    shortage->asked++;
    if (shortage->can_spare)
        shortage_end(shortage);
    return shortage->can_spare;
}

static void
without_descriptors_it_waits_for_one(void **state)
{
    struct calls *calls = *state;
    struct dial_options options = {calls->loop, calls->resolver, &calls->guard, make_room, NULL};
    struct dial_end end = {.is_done = false};
    struct dial *dial = NULL;
    uint16_t port;
    int listener = listen_somewhere(&port);
    struct shortage shortage = shortage_begin(false);

    options.room_arg = &shortage;
    assert_int_equal(dial_start(&options, STR("127.0.0.1"), port, on_dialed, &end, &dial), OK);
    assert_not_done(calls, &end);
    assert_string_equal(dial_phase(dial), "connecting");
    shortage_end(&shortage);
    while (!end.is_done)
        calls_turn(calls);
    assert_int_equal(end.dialed.failure, HTTP_OK);
    (void)close(end.dialed.fd);
    (void)close(listener);
}

static void
without_descriptors_it_takes_one_that_can_be_spared(void **state)
{
    struct calls *calls = *state;
    struct dial_options options = {calls->loop, calls->resolver, &calls->guard, make_room, NULL};
    struct dial_end end = {.is_done = false};
    struct dial *dial = NULL;
    uint16_t port;
    int listener = listen_somewhere(&port);
    struct shortage shortage = shortage_begin(true);

    options.room_arg = &shortage;
    assert_int_equal(dial_start(&options, STR("127.0.0.1"), port, on_dialed, &end, &dial), OK);
    while (!end.is_done)
        calls_turn(calls);
    assert_int_equal(end.dialed.failure, HTTP_OK);
    assert_int_equal(shortage.asked, 1);
    (void)close(end.dialed.fd);
    (void)close(listener);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_listening_is_told),
        TEST(the_guard_judges_addresses_and_names),
        TEST(the_peer_of_the_connected_socket_is_judged_again),
        TEST(an_opened_address_is_called),
        TEST(the_next_address_is_tried_when_one_fails),
        TEST(a_silent_address_costs_only_its_head_start),
        TEST(without_descriptors_it_waits_for_one),
        TEST(without_descriptors_it_takes_one_that_can_be_spared),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
