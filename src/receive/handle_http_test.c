/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "domain/signature.h"
#include "receive/handler.h"
#include "support/calls.h"
#include "support/test.h"

#define LONG_MS     20000
#define CONCURRENCY 4
#define ITEM        "in_0000000000000007"
/* With a space: what is signed and sent are the bytes as they came. */
#define PAYLOAD     "{\"name\": \"Ann Lee\",\"email\":\"ann@example.com\"}"
#define SECRET_TEXT "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OLD_SECRET  "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

struct world {
    struct calls *calls;
    struct handler_place place;
    struct handler handler;
    struct arena arena;
    struct handler_worker *worker;
    struct received received;
    struct clock_manual clock;
    struct error error;
    unsigned awaited;
    bool is_starting;
};

/* A handling and what came of it. */
struct given {
    struct handling handling;
    unsigned done_count;
    char detail[256];
    char output[HANDLER_OUTPUT_BYTES_MAX + 1];
    size_t output_len;
};

static struct world *the_world;

static struct instant
system_instant(const struct clock *clock)
{
    (void)clock;
    return clock_instant(&clock_system);
}

static int
start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct json *body = NULL;
    void *calls = NULL;

    assert_non_null(world);
    the_world = world;
    assert_int_equal(calls_setup(&calls), 0);
    world->calls = calls;
    /* The date stands still; deadlines are the loop's. */
    clock_manual_init(&world->clock, (struct walltime){INT64_C(1710496800000000)});
    world->clock.base.instant = system_instant;
    world->place = (struct handler_place){.loop = world->calls->loop,
        .clock = &world->clock.base,
        .client = world->calls->client,
        .user_agent = "Usher/1"};
    arena_init(&world->arena, 1 << 22);
    world->handler = (struct handler){.name = STR("h"),
        .kind = &handler_http,
        .concurrency = CONCURRENCY,
        .timeout_ms = LONG_MS};
    assert_int_equal(json_parse(STR(PAYLOAD), &world->arena, &body, NULL), OK);
    assert_int_equal(received_read(body, &world->arena, &world->received), OK);
    *state = world;
    return 0;
}

static void
close_it(struct world *world)
{
    if (world->worker != NULL)
        handler_http.close(world->worker);
    world->worker = NULL;
}

static int
stop(void **state)
{
    struct world *world = *state;
    void *calls = world->calls;

    close_it(world);
    assert_int_equal(calls_teardown(&calls), 0);
    arena_done(&world->arena);
    free(world);
    return 0;
}

static enum err
set(struct world *world, const char *name, const char *value)
{
    return handler_http.set(&world->handler, &world->arena, str_from(name), str_from(value),
        &world->error);
}

static void
must_set(struct world *world, const char *name, const char *value)
{
    if (set(world, name, value) != OK)
        fail_msg("%s = %s: %s", name, value, world->error.text);
}

static void
open_port(struct world *world, const char *user_info, uint16_t port)
{
    char url[128];

    (void)snprintf(url, sizeof(url), "http://%s127.0.0.1:%u/in?x=1", user_info, (unsigned)port);
    must_set(world, "url", url);
    if (handler_http.check(&world->handler, &world->error) != OK ||
        handler_http.open(&world->handler, &world->place, &world->worker, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
on_done(struct handling *handling)
{
    struct given *given = CONTAINER_OF(handling, struct given, handling);

    CHECK(!the_world->is_starting);
    given->done_count++;
    (void)snprintf(given->detail, sizeof(given->detail), "%.*s", STR_FMT(handling->detail));
    CHECK(handling->output.len <= HANDLER_OUTPUT_BYTES_MAX);
    given->output_len = handling->output.len;
    if (handling->output.len > 0)
        memcpy(given->output, handling->output.ptr, handling->output.len);
    given->output[given->output_len] = '\0';
    if (--the_world->awaited == 0)
        loop_stop(the_world->calls->loop);
}

static void
given_init(struct world *world, struct given *given)
{
    *given = (struct given){
        .handling =
            {
                .id = STR(ITEM),
                .sequence = 7,
                .revision = 2,
                .attempt = 3,
                .source = STR("shop"),
                .event = STR("webinar.created.single"),
                .received_at = {INT64_C(1710496700000000)},
                .headers = STR(""),
                .body = STR(PAYLOAD),
                .received = &world->received,
                .deadline = instant_add_ms(clock_instant(&clock_system), LONG_MS),
                .done = on_done,
                .retry_after_us = 77,
            },
    };
}

static void
begin(struct world *world, struct given *given)
{
    world->awaited++;
    world->is_starting = true;
    handler_http.start(world->worker, &given->handling);
    world->is_starting = false;
    assert_int_equal(given->done_count, 0);
}

static void
wait_all(struct world *world)
{
    while (world->awaited > 0)
        loop_run(world->calls->loop);
}

static void
assert_done(const struct given *given, enum handling_result result, const char *detail)
{
    assert_int_equal(given->done_count, 1);
    if (given->handling.result != result || strstr(given->detail, detail) == NULL ||
        (detail[0] == '\0' && given->detail[0] != '\0'))
        fail_msg("result %d, detail \"%s\", output \"%s\"", (int)given->handling.result,
            given->detail, given->output);
}

/* ---- what is sent ---- */

struct heard {
    const char *answer;
    char text[65536];
};

static void
script_hear(struct peer *peer, void *arg)
{
    struct heard *heard = arg;

    peer_accept(peer);
    if (!peer_request(peer))
        return;
    (void)snprintf(heard->text, sizeof(heard->text), "%.*s", STR_FMT(peer_request_text(peer)));
    peer_send(peer, heard->answer);
    peer_wait_close(peer);
}

/* Open, send one, hear what came, close. */
static void
send_one(struct world *world, const char *user_info, struct given *given, struct heard *heard)
{
    struct peer *peer;

    if (heard->answer == NULL)
        heard->answer = OK_ANSWER;
    peer = peer_start(script_hear, heard);
    open_port(world, user_info, peer_port(peer));
    begin(world, given);
    wait_all(world);
    close_it(world);
    assert_true(peer_stop(peer));
}

static const char *
body_of(const struct heard *heard)
{
    const char *end = strstr(heard->text, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

/* Of the only field of that name; NULL: there is none. */
static const char *
field_of(const struct heard *heard, const char *name, char *value, size_t max)
{
    const char *found = NULL;
    const char *line = strstr(heard->text, "\r\n") + 2;

    for (; line < body_of(heard) - 2; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, name, strlen(name)) != 0 || line[strlen(name)] != ':')
            continue;
        if (found != NULL)
            fail_msg("%s is there twice in %s", name, heard->text);
        found = line + strlen(name) + 1;
    }
    if (found == NULL)
        return NULL;
    found += strspn(found, " ");
    (void)snprintf(value, max, "%.*s", (int)strcspn(found, "\r"), found);
    return value;
}

static void
assert_field(const struct heard *heard, const char *name, const char *expected)
{
    char value[4200];
    const char *found = field_of(heard, name, value, sizeof(value));

    if (expected == NULL ? found != NULL : found == NULL || strcmp(found, expected) != 0)
        fail_msg("%s is \"%s\" in %s", name, found != NULL ? found : "absent", heard->text);
}

#define CALLERS_HEADERS                                                                            \
    "Content-Type: application/json; charset=utf-8\nwebhook-id: msg_1\nwebhook-timestamp: 17\n"    \
    "webhook-signature: v1,xyz\nsvix-id: msg_2\nX-GitHub-Event: push\nx-usher-reason: created\n"   \
    "x-usher-sequence: 999\nUser-Agent: Sender/2\nX-Remote-User: root\nX-Forwarded-For: ::1\n"     \
    "Connection: close\nHost: elsewhere\nContent-Length: 3\nAuthorization: Basic eA==\n"           \
    "X-My-Signature: abc\nnonsense\nbad name: x\nX-GitHub-Control: \x01\ncontent-type: again\n"

static void
the_body_goes_on_as_it_came_with_what_its_sender_said_of_it(void **state)
{
    struct world *world = *state;
    struct heard *heard = calloc(1, sizeof(*heard));
    struct given given;
    char expected[64];

    assert_non_null(heard);
    must_set(world, "forward", "x-my-signature, x-absent");
    given_init(world, &given);
    given.handling.headers = STR(CALLERS_HEADERS);
    send_one(world, "", &given, heard);
    assert_done(&given, HANDLING_DONE, "");
    assert_string_equal(given.output, "ok");
    assert_int_equal(given.handling.retry_after_us, 0);
    assert_string_equal(body_of(heard), PAYLOAD);
    assert_int_equal(strncmp(heard->text, "POST /in?x=1 HTTP/1.1\r\n", 23), 0);
    (void)snprintf(expected, sizeof(expected), "%zu", strlen(PAYLOAD));
    assert_field(heard, "content-length", expected);
    assert_field(heard, "content-type", "application/json; charset=utf-8");
    assert_field(heard, "user-agent", "Usher/1");
    assert_field(heard, "webhook-id", "msg_1");
    assert_field(heard, "webhook-timestamp", "17");
    assert_field(heard, "webhook-signature", "v1,xyz");
    assert_field(heard, "svix-id", "msg_2");
    assert_field(heard, "x-github-event", "push");
    assert_field(heard, "x-usher-reason", "created");
    assert_field(heard, "x-my-signature", "abc");
    assert_field(heard, "x-usher-event", "webinar.created.single");
    assert_field(heard, "x-usher-sequence", "7");
    assert_field(heard, "x-usher-attempt", "3");
    assert_field(heard, "idempotency-key", ITEM "-2");
    assert_null(strstr(heard->text, "elsewhere"));
    assert_field(heard, "x-remote-user", NULL);
    assert_field(heard, "x-forwarded-for", NULL);
    assert_field(heard, "connection", NULL);
    assert_field(heard, "authorization", NULL);
    assert_field(heard, "x-github-control", NULL);
    assert_null(strstr(heard->text, "nonsense"));
    assert_null(strstr(heard->text, "bad name"));
    free(heard);
}

static void
what_the_caller_did_not_say_is_added(void **state)
{
    struct world *world = *state;
    struct heard *heard = calloc(1, sizeof(*heard));
    struct given given;

    assert_non_null(heard);
    given_init(world, &given);
    /* What comes out of a body is no header in any case. */
    given.handling.event = STR("a\r\nx-evil: 1");
    send_one(world, "ann:s%20t@", &given, heard);
    assert_done(&given, HANDLING_DONE, "");
    assert_field(heard, "webhook-id", ITEM);
    assert_field(heard, "webhook-signature", NULL);
    assert_field(heard, "content-type", "application/json");
    assert_field(heard, "authorization", "Basic YW5uOnMgdA==");
    assert_field(heard, "x-usher-event", NULL);
    assert_field(heard, "x-evil", NULL);
    free(heard);
}

static void
the_owners_headers_are_sent_and_stand_over_the_callers(void **state)
{
    struct world *world = *state;
    struct heard *heard = calloc(1, sizeof(*heard));
    struct given given;

    assert_non_null(heard);
    must_set(world, "header", "Content-Type:  text/json ");
    must_set(world, "header", "authorization: Bearer x:y");
    must_set(world, "header", "X-Empty:");
    given_init(world, &given);
    given.handling.headers = STR(CALLERS_HEADERS "WEBHOOK-ID: msg_3\n");
    send_one(world, "", &given, heard);
    assert_field(heard, "content-type", "text/json");
    assert_field(heard, "authorization", "Bearer x:y");
    assert_field(heard, "x-empty", "");
    assert_field(heard, "webhook-id", "msg_1");
    free(heard);
}

/* OK when this one secret verifies what was heard. */
static enum err
verify(const struct heard *heard, const char *secret_text, const char *id)
{
    char values[3][512];
    struct secret secret;
    struct verifier *verifier = NULL;
    struct error error;
    enum err err;
    const struct signature_fields fields = {
        .id = str_from(field_of(heard, "webhook-id", values[0], sizeof(values[0]))),
        .timestamp = str_from(field_of(heard, "webhook-timestamp", values[1], sizeof(values[1]))),
        .signature = str_from(field_of(heard, "webhook-signature", values[2], sizeof(values[2]))),
    };

    assert_true(str_equals(fields.id, str_from(id)));
    assert_int_equal(secret_parse(str_from(secret_text), &secret, &error), OK);
    assert_int_equal(verifier_new(&secret, 1, 1, &verifier), OK);
    err = signature_verify(verifier, &fields, str_from(body_of(heard)),
        the_world->clock.walltime_now, &error);
    verifier_free(verifier);
    return err;
}

static void
with_a_secret_it_is_signed_anew_by_both_of_a_rotation(void **state)
{
    struct world *world = *state;
    struct heard *heard = calloc(1, sizeof(*heard));
    struct given given;

    assert_non_null(heard);
    must_set(world, "secret", SECRET_TEXT);
    must_set(world, "secret", OLD_SECRET);
    given_init(world, &given);
    given.handling.headers = STR(CALLERS_HEADERS);
    send_one(world, "", &given, heard);
    assert_done(&given, HANDLING_DONE, "");
    assert_int_equal(verify(heard, SECRET_TEXT, ITEM), OK);
    assert_int_equal(verify(heard, OLD_SECRET, ITEM), OK);
    assert_field(heard, "svix-id", NULL);
    assert_field(heard, "x-github-event", "push");
    assert_string_equal(body_of(heard), PAYLOAD);
    free(heard);
}

static void
the_model_is_sent_with_none_of_the_callers_headers(void **state)
{
    struct world *world = *state;
    struct heard *heard = calloc(1, sizeof(*heard));
    const struct received_context context = {
        .id = STR(ITEM),
        .source = STR("shop"),
        .event = STR("webinar.created.single"),
        .change = "created",
        .sequence = 7,
        .revision = 2,
        .received = {INT64_C(1710496700000000)},
    };
    struct given given;
    struct buf expected;

    assert_non_null(heard);
    buf_init(&expected, 1 << 16);
    received_render(&expected, &world->received, &context, STR(PAYLOAD));
    must_set(world, "send", "model");
    must_set(world, "secret", SECRET_TEXT);
    must_set(world, "forward", "x-my-signature");
    must_set(world, "forward", "content-type");
    given_init(world, &given);
    given.handling.headers = STR(CALLERS_HEADERS);
    send_one(world, "", &given, heard);
    assert_done(&given, HANDLING_DONE, "");
    assert_string_equal(body_of(heard), expected.ptr);
    assert_int_equal(verify(heard, SECRET_TEXT, ITEM), OK);
    assert_field(heard, "content-type", "application/json");
    assert_field(heard, "x-github-event", NULL);
    assert_field(heard, "svix-id", NULL);
    assert_field(heard, "x-my-signature", "abc");
    buf_done(&expected);
    free(heard);
}

/* ---- how it went ---- */

#define ANSWER(status, fields) "HTTP/1.1 " status " X\r\n" fields "Content-Length: 4\r\n\r\nsaid"

static void
the_answer_says_how_it_went(void **state)
{
    static const struct {
        const char *answer;
        enum handling_result result;
        const char *detail;
        int64_t retry_after_us;
    } cases[] = {
        {ANSWER("200", "Retry-After: 5\r\n"), HANDLING_DONE, "", 0},
        {ANSWER("202", ""), HANDLING_DONE, "", 0},
        {ANSWER("299", ""), HANDLING_DONE, "", 0},
        {ANSWER("302", "Location: /\r\n"), HANDLING_FAILED, "status 302: redirects", 0},
        {ANSWER("400", ""), HANDLING_FAILED, "status 400", 0},
        {ANSWER("404", ""), HANDLING_FAILED, "status 404", 0},
        {ANSWER("410", ""), HANDLING_REFUSED, "status 410", 0},
        {ANSWER("429", "Retry-After: 30\r\n"), HANDLING_LATER, "status 429", 30 * US_PER_S},
        {ANSWER("429", "Retry-After: soon\r\n"), HANDLING_LATER, "status 429", 0},
        {ANSWER("500", "Retry-After: 2\r\n"), HANDLING_FAILED, "status 500", 2 * US_PER_S},
        {ANSWER("503", ""), HANDLING_LATER, "status 503", 0},
        {ANSWER("503", "Retry-After: Fri, 15 Mar 2024 10:01:00 GMT\r\n"), HANDLING_LATER,
            "status 503", 60 * US_PER_S},
        {ANSWER("504", ""), HANDLING_FAILED, "status 504", 0},
    };
    struct world *world = *state;
    struct heard *heard = calloc(1, sizeof(*heard));

    assert_non_null(heard);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct given given;

        world->handler.options = NULL;
        heard->answer = cases[i].answer;
        given_init(world, &given);
        send_one(world, "", &given, heard);
        assert_done(&given, cases[i].result, cases[i].detail);
        assert_int_equal(given.handling.retry_after_us, cases[i].retry_after_us);
        assert_string_equal(given.output, "said");
    }
    free(heard);
}

static void
script_close(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept(peer);
    peer_request(peer);
    peer_close(peer);
}

static void
without_an_answer_it_has_failed_with_the_reason(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_start(script_close, NULL);
    struct given given;
    uint16_t port = 0;
    int refused = peer_refused_open(&port);

    open_port(world, "", peer_port(peer));
    given_init(world, &given);
    begin(world, &given);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "reset");
    assert_int_equal(given.output_len, 0);
    assert_int_equal(given.handling.retry_after_us, 0);
    close_it(world);
    assert_true(peer_stop(peer));

    world->handler.options = NULL;
    open_port(world, "", port);
    given_init(world, &given);
    begin(world, &given);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "connect");
    (void)close(refused);
}

static void
at_its_deadline_it_has_failed(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_start(script_accept_and_wait, NULL);
    struct given given;

    open_port(world, "", peer_port(peer));
    given_init(world, &given);
    given.handling.deadline = instant_add_ms(clock_instant(&clock_system), 30);
    begin(world, &given);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "timeout");
    close_it(world);
    /* Where it never came to a connection, the peer still waits for one. */
    if (peer_accepted(peer) == 0)
        peer_fail(peer, "no connection");
    assert_true(peer_stop(peer));
}

static void
what_is_cancelled_is_soon_told_as_failed(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_start(script_accept_and_wait, NULL);
    struct given given;

    open_port(world, "", peer_port(peer));
    given_init(world, &given);
    begin(world, &given);
    while (peer_accepted(peer) == 0)
        loop_turn(world->calls->loop);
    handler_http.cancel(world->worker, &given.handling);
    handler_http.cancel(world->worker, &given.handling);
    assert_int_equal(given.done_count, 0);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "stopped by us");
    /* The lane looks at the clock as well, and may be first. */
    given_init(world, &given);
    begin(world, &given);
    given.handling.deadline = clock_instant(&clock_system);
    handler_http.cancel(world->worker, &given.handling);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "its time was over");
    close_it(world);
    assert_true(peer_stop(peer));
}

static void
one_connection_serves_one_after_another(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_start(script_answer_three_times, NULL);
    struct given given;

    open_port(world, "", peer_port(peer));
    for (int i = 0; i < 3; i++) {
        given_init(world, &given);
        begin(world, &given);
        wait_all(world);
        assert_done(&given, HANDLING_DONE, "");
    }
    assert_int_equal(peer_accepted(peer), 1);
    close_it(world);
    assert_true(peer_stop(peer));
}

static void
a_head_that_grows_too_large_is_told_afterwards(void **state)
{
    struct world *world = *state;
    size_t len = (size_t)160 * 1024;
    char *headers = malloc(len);
    struct given given[2];

    assert_non_null(headers);
    memset(headers, 'x', len);
    memcpy(headers, "x-github-a: ", 12);
    open_port(world, "", 1);
    for (size_t i = 0; i < 2; i++) {
        given_init(world, &given[i]);
        given[i].handling.headers = (struct str){headers, len};
        begin(world, &given[i]);
    }
    handler_http.cancel(world->worker, &given[1].handling);
    wait_all(world);
    for (size_t i = 0; i < 2; i++)
        assert_done(&given[i], HANDLING_FAILED, "the headers are too large");
    free(headers);
}

static void
what_is_too_large_counts_as_an_attempt(void **state)
{
    struct world *world = *state;
    size_t len = (size_t)5 * 1024 * 1024;
    char *body = malloc(len);
    struct given given;

    assert_non_null(body);
    memset(body, '1', len);
    must_set(world, "send", "model");
    open_port(world, "", 1);
    given_init(world, &given);
    given.handling.body = (struct str){body, len};
    begin(world, &given);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "larger than 4 MiB");
    close_it(world);

    world->handler.options = NULL;
    must_set(world, "secret", SECRET_TEXT);
    open_port(world, "", 1);
    given_init(world, &given);
    given.handling.body = (struct str){body, (size_t)1024 * 1024 + 1};
    begin(world, &given);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "no more is signed");
    free(body);
}

/* ---- settings ---- */

static void
a_wrong_setting_is_refused_with_what_to_do(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *says;
    } cases[] = {
        {"url", "", "url: "},
        {"url", "ftp://x/", "url: "},
        {"url", "localhost:80", "url: "},
        {"secret", "", "secret: "},
        {"secret", "whsec_x", "secret: "},
        {"secret", "whpk_aOn7qtLhP7oJZZSBgcPAHKFwmiwmImzsxTIwjSLrNBU=", "secret: "},
        {"send", "json", "neither payload nor model"},
        {"header", "", "write name: value"},
        {"header", "X-A", "write name: value"},
        {"header", "a b: x", "write name: value"},
        {"header", "Host: x", "set by us"},
        {"header", "content-length: 3", "set by us"},
        {"header", "transfer-encoding: chunked", "set by us"},
        {"header", "webhook-id: 3", "set by us"},
        {"header", "idempotency-key: 3", "set by us"},
        {"header", "X-A: a\r\nb: c", "control character"},
        {"header", "X-A: \x80", "control character"},
        {"header", "x-twice: 1", "x-twice is there twice"},
        {"forward", "", "no name"},
        {"forward", "a,,b", "no name"},
        {"forward", "authorization", "leave it out"},
        {"forward", "X-Forwarded-For", "leave it out"},
        {"forward", "webhook-id", "leave it out"},
    };
    struct world *world = *state;

    must_set(world, "header", "X-Twice: 0");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(set(world, cases[i].name, cases[i].value), ERR_INVALID);
        if (strstr(world->error.text, cases[i].says) == NULL)
            fail_msg("\"%s\" does not speak of \"%s\"", world->error.text, cases[i].says);
        assert_null(strstr(world->error.text, "aOn7"));
    }
    assert_int_equal(set(world, "command", "x"), ERR_NOT_FOUND);
    assert_int_equal(handler_http.check(&world->handler, &world->error), ERR_INVALID);
    assert_non_null(strstr(world->error.text, "url is missing"));
    must_set(world, "url", "https://a:b@example.com/");
    assert_int_equal(set(world, "url", "https://example.com/"), ERR_INVALID);
    must_set(world, "secret", SECRET_TEXT);
    must_set(world, "secret", OLD_SECRET);
    assert_int_equal(set(world, "secret", SECRET_TEXT), ERR_INVALID);
    assert_int_equal(handler_http.check(&world->handler, &world->error), OK);
    must_set(world, "header", "authorization: Bearer x");
    assert_int_equal(handler_http.check(&world->handler, &world->error), ERR_INVALID);
    assert_non_null(strstr(world->error.text, "authorization"));
}

static void
a_section_without_settings_has_no_url(void **state)
{
    struct world *world = *state;

    assert_int_equal(handler_http.check(&world->handler, &world->error), ERR_INVALID);
    assert_non_null(strstr(world->error.text, "url is missing"));
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_body_goes_on_as_it_came_with_what_its_sender_said_of_it),
        TEST(what_the_caller_did_not_say_is_added),
        TEST(the_owners_headers_are_sent_and_stand_over_the_callers),
        TEST(with_a_secret_it_is_signed_anew_by_both_of_a_rotation),
        TEST(the_model_is_sent_with_none_of_the_callers_headers),
        TEST(the_answer_says_how_it_went),
        TEST(without_an_answer_it_has_failed_with_the_reason),
        TEST(at_its_deadline_it_has_failed),
        TEST(what_is_cancelled_is_soon_told_as_failed),
        TEST(one_connection_serves_one_after_another),
        TEST(a_head_that_grows_too_large_is_told_afterwards),
        TEST(what_is_too_large_counts_as_an_attempt),
        TEST(a_wrong_setting_is_refused_with_what_to_do),
        TEST(a_section_without_settings_has_no_url),
    };

    return cmocka_run_group_tests(tests, calls_setup_all, calls_teardown_all);
}
