/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hook_trial.h"

#include "api/api.h"
#include "base/check.h"
#include "domain/event_type.h"
#include "domain/signature.h"
#include "support/peer.h"
#include "support/service.h"

#define HOOKS  "/api/v1/integration/webhook/webhook"
#define SECRET "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

struct fixture {
    struct test_service ts;
    struct api api;
    struct address_guard guard;
    struct id_source ids;
    struct resolver *resolver;
    struct tls_client *tls;
    struct http_client *client;
    struct trial_limit *limit;
    char path[200];
};

static void
start(struct fixture *f)
{
    static const uint8_t random[8] = {1, 2, 3};
    struct http_client_options options = {.idle_ms = 60000, .guard = &f->guard};
    struct error error = {OK, ""};

    memset(f, 0, sizeof(*f));
    options.guard = &f->guard;
    f->guard.allow_all = true;
    id_source_init(&f->ids, random);
    f->limit = malloc(sizeof(*f->limit));
    assert_non_null(f->limit);
    trial_limit_init(f->limit);
    f->api = (struct api){.clock = &clock_system,
        .ids = &f->ids,
        .guard = &f->guard,
        .resolvers = &f->resolver,
        .clients = &f->client,
        .trials = f->limit,
        .user_agent = "Usher/test"};
    test_service_start(&f->ts, &api_hook_routes, 1, &f->api);
    test_must(resolver_new(f->ts.loop, "127.0.0.1:9", &f->resolver, &error), &error);
    test_must(tls_client_new(NULL, &f->tls, &error), &error);
    options.loop = f->ts.loop;
    options.resolver = f->resolver;
    options.tls = f->tls;
    test_must(http_client_new(&options, &f->client, &error), &error);
}

static void
stop(struct fixture *f)
{
    while (service_busy(f->ts.service) > 0)
        loop_turn(f->ts.loop);
    http_client_free(f->client);
    tls_client_free(f->tls);
    resolver_free(f->resolver);
    test_service_stop(&f->ts);
    trial_limit_done(f->limit);
    free(f->limit);
}

/* A port of 127.0.0.1 on which nobody listens. */
static uint16_t
refused_port(void)
{
    struct address address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(address_parse(STR("127.0.0.1:0"), &address, NULL), OK);
    assert_int_equal(bind(fd, &address.as.any, address.len), 0);
    assert_int_equal(getsockname(fd, &address.as.any, &address.len), 0);
    (void)close(fd);
    return address_port(&address);
}

static void
create(struct fixture *f, uint16_t port, const char *more)
{
    const char *id;
    char body[500];

    (void)snprintf(body, sizeof(body),
        "{\"hookUrl\":\"http://u:p@127.0.0.1:%u/h?x=1\",\"event\":\"webinar.created.single\","
        "\"secret\":\"" SECRET "\"%s}",
        (unsigned)port, more);
    if (test_ask(&f->ts, "POST", HOOKS, NULL, body) != 201)
        fail_msg("%s", f->ts.text);
    id = f->ts.body != NULL ? strstr(f->ts.body, "\"id\":\"") : NULL;
    if (id != NULL)
        (void)snprintf(f->path, sizeof(f->path), HOOKS "/%.24s", id + strlen("\"id\":\""));
}

static void
try_it(struct fixture *f)
{
    char path[250];

    (void)snprintf(path, sizeof(path), "%s/test", f->path);
    if (test_ask(&f->ts, "POST", path, NULL, NULL) != 200)
        fail_msg("%s", f->ts.text);
}

static struct str
field_of(struct str text, const char *name)
{
    char line[100];
    const char *at;

    (void)snprintf(line, sizeof(line), "\r\n%s: ", name);
    at = memmem(text.ptr, text.len, line, strlen(line));
    if (at == NULL)
        return (struct str){NULL, 0};
    at += strlen(line);
    return (struct str){at, strcspn(at, "\r")};
}

/* Everything that a receiver looks at, the signature above all. */
static void
check_request(struct peer *peer, void *arg)
{
    struct walltime now = {INT64_C(1710496800000000)};
    const char *body = arg;
    struct verifier *verifier = NULL;
    struct secret secret;
    struct str text;

    peer_accept(peer);
    peer_request(peer);
    text = peer_request_text(peer);
    if (!str_starts(text, STR("POST /h?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")) ||
        !str_equals(field_of(text, "Authorization"), STR("Basic dTpw")) ||
        !str_equals(field_of(text, "x-mine"), STR("yes")) ||
        !str_equals(field_of(text, "User-Agent"), STR("Usher/test")) ||
        !str_equals(field_of(text, "Content-Type"), STR("application/json")) ||
        !str_equals(field_of(text, "x-usher-event"), STR("webinar.created.single")) ||
        !str_equals(field_of(text, "x-usher-reason"), STR("test")) ||
        !str_equals(field_of(text, "x-usher-attempt"), STR("1")) || !str_ends(text, str_from(body)))
        peer_fail(peer, "not what was to be sent");
    CHECK(secret_parse(STR(SECRET), &secret, NULL) == OK);
    CHECK(verifier_new(&secret, 1, SIGNATURE_TOLERANCE_S, &verifier) == OK);
    if (signature_verify(verifier,
            &(struct signature_fields){field_of(text, "webhook-id"),
                field_of(text, "webhook-timestamp"), field_of(text, "webhook-signature")},
            str_from(body), now, NULL) != OK)
        peer_fail(peer, "not signed");
    verifier_free(verifier);
    peer_send(peer, "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok");
    peer_wait_close(peer);
}

static void
a_hook_is_called_as_in_earnest(void **state)
{
    char number[1024];
    char string[1024];
    struct fixture f;
    struct peer *peer;

    (void)state;
    (void)snprintf(number, sizeof(number), "%.*s", STR_FMT(event_types[0].sample));
    (void)snprintf(string, sizeof(string), "%.*s", STR_FMT(event_types[0].sample_phone_string));
    start(&f);
    peer = peer_start(check_request, number);
    create(&f, peer_port(peer), ",\"headers\":{\"x-mine\":\"yes\"}");
    try_it(&f);
    assert_true(peer_stop(peer));
    assert_non_null(strstr(f.ts.body, "{\"delivered\":true,\"status\":202,\"error\":null,"));
    assert_non_null(strstr(f.ts.body, "\"body\":\"ok\"}"));

    peer = peer_start(check_request, string);
    create(&f, peer_port(peer), ",\"headers\":{\"x-mine\":\"yes\"},\"phoneFormat\":\"string\"");
    try_it(&f);
    assert_true(peer_stop(peer));
    assert_true(test_has(&f.ts, "\"delivered\":true"));
    stop(&f);
}

static void
answer_badly(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_send(peer, "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\na\xff\"");
    peer_wait_close(peer);
}

static void
whatever_the_hook_answers_is_told_also_of_a_disabled_one(void **state)
{
    char path[250];
    struct fixture f;
    struct peer *peer;

    (void)state;
    start(&f);
    peer = peer_start(answer_badly, NULL);
    create(&f, peer_port(peer), "");
    (void)snprintf(path, sizeof(path), "%s/disable", f.path);
    assert_int_equal(test_ask(&f.ts, "POST", path, NULL, NULL), 200);
    try_it(&f);
    assert_true(peer_stop(peer));
    assert_non_null(strstr(f.ts.body, "{\"delivered\":false,\"status\":500,\"error\":null,"));
    assert_non_null(strstr(f.ts.body, "\"body\":\"a?\\\"\"}"));

    create(&f, refused_port(), "");
    try_it(&f);
    assert_non_null(strstr(f.ts.body, "{\"delivered\":false,\"status\":null,\"error\":\"connect"));
    assert_non_null(strstr(f.ts.body, "\"body\":\"\"}"));
    stop(&f);
}

static void
a_hook_that_is_not_there_is_not_called(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    assert_int_equal(test_ask(&f.ts, "POST", HOOKS "/634fc35ddaf58580e2418c40/test", NULL, NULL),
        404);
    assert_int_equal(test_ask(&f.ts, "POST", HOOKS "/x/test", NULL, NULL), 404);
    stop(&f);
}

static void
the_eleventh_test_of_a_minute_waits(void **state)
{
    struct fixture f;
    char path[250];

    (void)state;
    start(&f);
    create(&f, refused_port(), "");
    for (int i = 0; i < TRIALS_MAX; i++)
        try_it(&f);
    (void)snprintf(path, sizeof(path), "%s/test", f.path);
    assert_int_equal(test_ask(&f.ts, "POST", path, NULL, NULL), 429);
    assert_true(test_has(&f.ts, "\r\nRetry-After: "));
    stop(&f);
}

static void
trials_are_counted_by_hook_over_a_minute_that_moves(void **state)
{
    struct trial_limit *limit = malloc(sizeof(*limit));
    struct instant now = {5 * US_PER_S};
    int64_t wait_s = -7;

    (void)state;
    assert_non_null(limit);
    trial_limit_init(limit);
    for (int i = 0; i < TRIALS_MAX; i++)
        assert_int_equal(trial_limit_take(limit, 1, instant_add_us(now, i * US_PER_S), &wait_s),
            OK);
    assert_int_equal(wait_s, -7);
    now = instant_add_us(now, 10 * US_PER_S);
    assert_int_equal(trial_limit_take(limit, 1, now, &wait_s), ERR_LIMIT);
    assert_int_equal(wait_s, 50);
    assert_int_equal(trial_limit_take(limit, 2, now, &wait_s), OK);
    now = instant_add_us(now, 50 * US_PER_S);
    assert_int_equal(trial_limit_take(limit, 1, now, &wait_s), OK);
    assert_int_equal(trial_limit_take(limit, 1, now, &wait_s), ERR_LIMIT);
    assert_int_equal(wait_s, 1);

    /* So many others push out whose trials are the oldest, not whose are the newest. */
    for (int64_t pk = 100; pk < 100 + TRIAL_HOOKS_MAX - 1; pk++)
        assert_int_equal(trial_limit_take(limit, pk, now, &wait_s), OK);
    assert_int_equal(trial_limit_take(limit, 1, now, &wait_s), ERR_LIMIT);
    trial_limit_done(limit);
    free(limit);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_is_called_as_in_earnest),
        cmocka_unit_test(whatever_the_hook_answers_is_told_also_of_a_disabled_one),
        cmocka_unit_test(a_hook_that_is_not_there_is_not_called),
        cmocka_unit_test(the_eleventh_test_of_a_minute_waits),
        cmocka_unit_test(trials_are_counted_by_hook_over_a_minute_that_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
