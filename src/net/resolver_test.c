/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolver.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/test.h"

/* A name server on the same loop that knows a handful of names. */
struct fixture {
    struct loop *loop;
    struct resolver *resolver;
    struct evdns_server_port *server;
    int fd;
    unsigned question_count;
};

struct answer {
    bool is_done;
    struct resolved resolved;
};

static void
add_a(struct evdns_server_request *request, const char *name, const char *text)
{
    struct in_addr ip;

    assert_int_equal(inet_pton(AF_INET, text, &ip), 1);
    assert_int_equal(evdns_server_request_add_a_reply(request, name, 1, &ip, 0), 0);
}

static void
add_aaaa(struct evdns_server_request *request, const char *name, const char *text)
{
    struct in6_addr ip;

    assert_int_equal(inet_pton(AF_INET6, text, &ip), 1);
    assert_int_equal(evdns_server_request_add_aaaa_reply(request, name, 1, &ip, 0), 0);
}

static void
on_question(struct evdns_server_request *request, void *arg)
{
    struct fixture *fixture = arg;
    const char *name = request->questions[0]->name;
    bool is_a = request->questions[0]->type == EVDNS_TYPE_A;
    int error = 0;

    fixture->question_count++;
    if (strcasecmp(name, "both.example") == 0) {
        if (is_a)
            add_a(request, name, "192.0.2.1");
        else
            add_aaaa(request, name, "2001:db8::1");
    } else if (strcasecmp(name, "four.example") == 0) {
        if (is_a) {
            add_a(request, name, "192.0.2.1");
            add_a(request, name, "192.0.2.2");
        }
    } else if (strcasecmp(name, "chain.example") == 0) {
        assert_int_equal(evdns_server_request_add_cname_reply(request, name, "far.example", 0), 0);
        if (is_a)
            add_a(request, "far.example", "192.0.2.9");
    } else if (strcasecmp(name, "many.example") == 0) {
        for (int i = 0; is_a && i < 20; i++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "192.0.2.%d", i);
            add_a(request, name, text);
        }
    } else if (strcasecmp(name, "slow6.example") == 0 && is_a) {
        add_a(request, name, "192.0.2.6");
    } else if (strcasecmp(name, "slow6.example") == 0 || strncasecmp(name, "silent", 6) == 0) {
        assert_int_equal(evdns_server_request_drop(request), 0);
        return;
    } else if (strcasecmp(name, "broken.example") == 0) {
        error = 2;
    } else if (strcasecmp(name, "empty.example") != 0) {
        error = 3;
    }
    assert_int_equal(evdns_server_request_respond(request, error), 0);
}

static int
setup(void **state)
{
    static struct fixture fixture;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    char text[ADDRESS_TEXT_BYTES];

    fixture = (struct fixture){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
    assert_true(fixture.fd >= 0);
    assert_int_equal(bind(fixture.fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fixture.fd, (struct sockaddr *)&address, &len), 0);
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    assert_int_equal(loop_new(0, &fixture.loop, NULL), OK);
    fixture.server = evdns_add_server_port_with_base(loop_base(fixture.loop), fixture.fd, 0,
        on_question, &fixture);
    assert_non_null(fixture.server);
    assert_int_equal(resolver_new(fixture.loop, text, &fixture.resolver, NULL), OK);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;

    resolver_free(fixture->resolver);
    loop_turn(fixture->loop); /* what libevent still holds of cancelled questions */
    evdns_close_server_port(fixture->server);
    loop_free(fixture->loop);
    return 0;
}

static void
on_resolved(const struct resolved *resolved, void *arg)
{
    struct answer *answer = arg;

    assert_false(answer->is_done);
    answer->is_done = true;
    answer->resolved = *resolved;
}

static void
wait_for(struct fixture *fixture, const struct answer *answer)
{
    while (!answer->is_done)
        assert_true(event_base_loop(loop_base(fixture->loop), EVLOOP_ONCE) >= 0);
}

static void
ask(struct fixture *fixture, const char *host, struct answer *answer)
{
    struct resolving *resolving = NULL;

    *answer = (struct answer){.is_done = false};
    assert_int_equal(
        resolver_ask(fixture->resolver, str_from(host), 80, on_resolved, answer, &resolving), OK);
    assert_non_null(resolving);
    assert_false(answer->is_done);
    wait_for(fixture, answer);
}

/* The addresses in any order, joined by blanks after sorting by the order given. */
static void
assert_addresses(const struct answer *answer, const char *const *texts, size_t count)
{
    assert_int_equal(answer->resolved.err, OK);
    assert_int_equal(answer->resolved.count, count);
    for (size_t i = 0; i < count; i++) {
        bool is_there = false;

        for (size_t j = 0; j < count; j++) {
            char text[ADDRESS_TEXT_BYTES];
            address_format(&answer->resolved.addresses[j], text);
            is_there = is_there || strcmp(text, texts[i]) == 0;
        }
        if (!is_there)
            fail_msg("%s is missing", texts[i]);
    }
}

static void
a_name_has_addresses_of_both_families(void **state)
{
    struct answer answer;

    ask(*state, "both.example", &answer);
    assert_addresses(&answer, (const char *const[]){"192.0.2.1:80", "[2001:db8::1]:80"}, 2);
    ask(*state, "BOTH.Example.", &answer);
    assert_addresses(&answer, (const char *const[]){"192.0.2.1:80", "[2001:db8::1]:80"}, 2);
}

static void
one_family_is_enough(void **state)
{
    struct answer answer;

    ask(*state, "four.example", &answer);
    assert_addresses(&answer, (const char *const[]){"192.0.2.1:80", "192.0.2.2:80"}, 2);
    ask(*state, "chain.example", &answer);
    assert_addresses(&answer, (const char *const[]){"192.0.2.9:80"}, 1);
}

static void
a_silent_second_family_is_not_waited_for_long(void **state)
{
    struct answer answer;
    struct instant start = clock_instant(&clock_system);

    ask(*state, "slow6.example", &answer);
    assert_addresses(&answer, (const char *const[]){"192.0.2.6:80"}, 1);
    assert_true(clock_instant(&clock_system).us - start.us < 1500 * US_PER_MS);
}

static void
one_family_leaves_room_for_the_other(void **state)
{
    struct answer answer;

    ask(*state, "many.example", &answer);
    assert_int_equal(answer.resolved.err, OK);
    assert_int_equal(answer.resolved.count, RESOLVED_MAX / 2);
}

static void
what_is_not_there_is_told_from_what_is_not_answered(void **state)
{
    struct answer answer;

    ask(*state, "nowhere.example", &answer);
    assert_int_equal(answer.resolved.err, ERR_NOT_FOUND);
    assert_int_equal(answer.resolved.count, 0);
    ask(*state, "empty.example", &answer);
    assert_int_equal(answer.resolved.err, ERR_NOT_FOUND);
    ask(*state, "broken.example", &answer);
    assert_int_equal(answer.resolved.err, ERR_IO);
    assert_int_equal(answer.resolved.count, 0);
}

static void
literals_and_loopback_need_no_name_server(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"localhost", "LocalHost.", "a.b.localhost"};
    struct answer answer;

    ask(fixture, "192.0.2.7", &answer);
    assert_addresses(&answer, (const char *const[]){"192.0.2.7:80"}, 1);
    ask(fixture, "2001:db8::7", &answer);
    assert_addresses(&answer, (const char *const[]){"[2001:db8::7]:80"}, 1);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        ask(fixture, names[i], &answer);
        assert_addresses(&answer, (const char *const[]){"[::1]:80", "127.0.0.1:80"}, 2);
    }
    assert_int_equal(fixture->question_count, 0);
    ask(fixture, "notlocalhost", &answer);
    assert_int_equal(answer.resolved.err, ERR_NOT_FOUND);
    assert_int_equal(fixture->question_count, 2);
}

static void
silent_names_hold_up_nobody_else(void **state)
{
    enum { SILENT = 100 }; /* more would not fit into our server's socket at once */
    static struct answer answers[SILENT];
    struct resolving *resolving[SILENT];
    struct fixture *fixture = *state;
    struct answer answer;
    struct instant start = clock_instant(&clock_system);

    for (size_t i = 0; i < SILENT; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "silent%zu.example", i);
        answers[i] = (struct answer){.is_done = false};
        assert_int_equal(resolver_ask(fixture->resolver, str_from(name), 80, on_resolved,
                             &answers[i], &resolving[i]),
            OK);
    }
    ask(fixture, "both.example", &answer);
    assert_int_equal(answer.resolved.err, OK);
    assert_true(clock_instant(&clock_system).us - start.us < 1500 * US_PER_MS);
    for (size_t i = 0; i < SILENT; i++) {
        resolving_cancel(resolving[i]);
        assert_false(answers[i].is_done);
    }
}

static void
questions_under_way_are_bounded(void **state)
{
    static struct resolving *resolving[RESOLVER_QUESTIONS_MAX];
    struct fixture *fixture = *state;
    struct resolving *refused = NULL;
    struct answer answer;

    for (size_t i = 0; i < RESOLVER_QUESTIONS_MAX; i++)
        assert_int_equal(resolver_ask(fixture->resolver, STR("192.0.2.1"), 80, on_resolved, &answer,
                             &resolving[i]),
            OK);
    assert_int_equal(
        resolver_ask(fixture->resolver, STR("192.0.2.1"), 80, on_resolved, &answer, &refused),
        ERR_BUSY);
    assert_null(refused);
    for (size_t i = 0; i < RESOLVER_QUESTIONS_MAX; i++)
        resolving_cancel(resolving[i]);
    ask(fixture, "192.0.2.1", &answer);
}

static void
a_cancelled_question_is_not_answered(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"both.example", "192.0.2.1", "localhost"};
    struct answer answer;

    /* Cancelled at once, and when the answer may already lie there. */
    for (size_t i = 0; i < 2 * COUNT_OF(names); i++) {
        struct answer cancelled = {.is_done = false};
        struct resolving *resolving = NULL;

        assert_int_equal(resolver_ask(fixture->resolver, str_from(names[i / 2]), 80, on_resolved,
                             &cancelled, &resolving),
            OK);
        for (size_t turns = 0; i % 2 == 1 && turns < 1 && !cancelled.is_done; turns++)
            loop_turn(fixture->loop);
        if (!cancelled.is_done)
            resolving_cancel(resolving);
        cancelled.is_done = true;
        ask(fixture, "both.example", &answer);
    }
}

static void
ask_again_from_inside(const struct resolved *resolved, void *arg)
{
    struct fixture *fixture = arg;
    static struct answer answer;
    struct resolving *resolving = NULL;

    (void)resolved;
    answer = (struct answer){.is_done = false};
    assert_int_equal(
        resolver_ask(fixture->resolver, STR("both.example"), 80, on_resolved, &answer, &resolving),
        OK);
    fixture->question_count = 0;
}

static void
an_answer_may_ask_the_next_question(void **state)
{
    struct fixture *fixture = *state;
    struct resolving *resolving = NULL;
    struct answer answer;

    assert_int_equal(resolver_ask(fixture->resolver, STR("four.example"), 80, ask_again_from_inside,
                         fixture, &resolving),
        OK);
    fixture->question_count = 2;
    while (fixture->question_count != 0)
        assert_true(event_base_loop(loop_base(fixture->loop), EVLOOP_ONCE) >= 0);
    ask(fixture, "four.example", &answer);
    while (fixture->question_count < 4)
        assert_true(event_base_loop(loop_base(fixture->loop), EVLOOP_ONCE) >= 0);
    loop_turn(fixture->loop);
}

static void
an_idle_resolver_holds_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    int before = event_base_get_num_events(loop_base(fixture->loop), EVENT_BASE_COUNT_ADDED);

    ask(fixture, "both.example", &answer);
    ask(fixture, "broken.example", &answer);
    loop_turn(fixture->loop);
    assert_int_equal(event_base_get_num_events(loop_base(fixture->loop), EVENT_BASE_COUNT_ADDED),
        before);
}

static void
what_is_no_name_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char text[256];
    struct resolving *resolving = NULL;
    struct str cases[] = {STR(""), {"a\0b", 3}, {text, 254}, {text, 255}, {text, 64}, STR("a..b")};

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(
            resolver_ask(fixture->resolver, cases[i], 80, on_resolved, NULL, &resolving),
            ERR_INVALID);
    assert_null(resolving);
}

static void
a_name_server_is_an_address(void **state)
{
    struct fixture *fixture = *state;
    struct resolver *resolver = NULL;
    struct error error;

    assert_int_equal(resolver_new(fixture->loop, "dns.example", &resolver, &error), ERR_INVALID);
    assert_null(resolver);
    assert_non_null(strstr(error.text, "name server"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_has_addresses_of_both_families, setup, teardown),
        cmocka_unit_test_setup_teardown(one_family_is_enough, setup, teardown),
        cmocka_unit_test_setup_teardown(a_silent_second_family_is_not_waited_for_long, setup,
            teardown),
        cmocka_unit_test_setup_teardown(one_family_leaves_room_for_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_told_from_what_is_not_answered, setup,
            teardown),
        cmocka_unit_test_setup_teardown(literals_and_loopback_need_no_name_server, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_names_hold_up_nobody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(questions_under_way_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_question_is_not_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_may_ask_the_next_question, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_resolver_holds_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_name_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_server_is_an_address, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
