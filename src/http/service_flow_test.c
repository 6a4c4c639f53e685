/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call meets on its way: the store, peers that go, what prepares it, bodies without end.
 */
#include <stdatomic.h>

#include "base/check.h"
#include "support/service.h"

static atomic_bool gate_is_shut; /* transactions wait */
static atomic_int performed;
static struct call *held; /* by a prepare or a committed that does not go on by itself */
static bool holds_committed;
static int64_t woken;

static void
wait_at_gate(void)
{
    while (atomic_load(&gate_is_shut))
        continue;
}

static enum err
perform_gate(struct call *call, struct engine *engine)
{
    struct json_writer writer = call_answer(call, 200);

    (void)engine;
    wait_at_gate();
    atomic_fetch_add(&performed, 1);
    json_object_open(&writer);
    json_object_close(&writer);
    return OK;
}

static enum err
perform_wake(struct call *call, struct engine *engine)
{
    static const int64_t pks[] = {7, 8};

    call_wake(call, pks, COUNT_OF(pks));
    call_changed(call, 9);
    call_etag(call, (struct walltime){0xabc});
    return perform_gate(call, engine);
}

/* Four transactions, each of which wakes a lane, unless one fails. */
static unsigned step_that_fails;

static enum err
perform_steps(struct call *call, struct engine *engine)
{
    int *sums = call->prepared;
    const int64_t pk = 1 + (int64_t)call->step;
    struct json_writer writer;

    (void)engine;
    wait_at_gate();
    atomic_fetch_add(&performed, 1);
    if (sums == NULL)
        call->prepared = sums = arena_alloc_array(&call->arena, 2, sizeof(*sums));
    if (sums == NULL)
        return ERR_NOMEM;
    call_wake(call, &pk, 1);
    sums[(call->step + 1) % 2] = sums[call->step % 2] + 10;
    if (call->step == step_that_fails)
        return call_problem(call, 409, "changed meanwhile");
    if (call->step < 3) {
        call_again(call);
        return OK;
    }
    writer = call_answer(call, 200);
    json_int(&writer, sums[(call->step + 1) % 2]);
    return OK;
}

static void
prepare_held(struct call *call)
{
    held = call;
}

/* A stream that counts bytes, one transaction for each piece, and fails at a '!'. */
struct count {
    int64_t bytes;
    int64_t pieces;
    bool is_released;
};

static struct count last_count;
static int cleaned_up;

static enum err
run_piece(struct call *call, struct engine *engine)
{
    static const int64_t pk = 5;
    struct count *count = call->prepared;

    (void)engine;
    wait_at_gate();
    count->pieces++;
    call_wake(call, &pk, 1);
    return OK;
}

static void
on_piece_stored(struct call *call)
{
    CHECK(call->store_call.err == OK);
}

static void
count_body(struct call *call, struct str piece)
{
    struct count *count = call->prepared;

    if (str_find(piece, '!', 0) != SIZE_MAX) {
        call_fail(call, 422, "line 1 has a !");
        return;
    }
    count->bytes += (int64_t)piece.len;
    if (call_submit(call, run_piece, true, on_piece_stored) != OK)
        call_fail(call, 503, "busy");
}

static enum err
run_end(struct call *call, struct engine *engine)
{
    struct count *count = call->prepared;
    struct json_writer writer = call_answer(call, 200);

    (void)engine;
    json_object_open(&writer);
    json_field_int(&writer, STR("bytes"), count->bytes);
    json_object_close(&writer);
    return OK;
}

static void
count_end(struct call *call)
{
    if (call_submit(call, run_end, true, call_finish) != OK)
        call_fail(call, 503, "busy");
}

static enum err
run_clean_up(struct call *call, struct engine *engine)
{
    (void)call;
    (void)engine;
    return OK;
}

static void
on_cleaned_up(struct call *call)
{
    cleaned_up++;
    call_drop(call);
}

static void
count_gone(struct call *call)
{
    if (call_submit(call, run_clean_up, true, on_cleaned_up) != OK)
        call_drop(call);
}

static void
count_release(struct call *call)
{
    last_count = *(struct count *)call->prepared;
    last_count.is_released = true;
}

static const struct call_stream counting = {count_body, count_end, count_gone, count_release};

static void
stream_count(struct call *call)
{
    struct count *count = ARENA_NEW(&call->arena, struct count);

    CHECK(count != NULL);
    call->prepared = count;
    call->stream = &counting;
}

static void
stream_refused(struct call *call)
{
    call_fail(call, 415, "send CSV");
}

static const struct route routes[] = {
    {.method = "GET", .path = "/gate", .scope = SCOPE_READ, .perform = perform_gate},
    {.method = "POST",
        .path = "/wake",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = perform_wake},
    {.method = "POST",
        .path = "/steps",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = perform_steps},
    {.method = "POST",
        .path = "/held",
        .scope = SCOPE_WRITE,
        .body = BODY_JSON,
        .prepare = prepare_held,
        .perform = perform_gate},
    {.method = "PUT",
        .path = "/count",
        .scope = SCOPE_WRITE,
        .body = BODY_STREAM,
        .stream = stream_count},
    {.method = "PUT",
        .path = "/refused",
        .scope = SCOPE_WRITE,
        .body = BODY_STREAM,
        .stream = stream_refused},
};

static const struct route_table tables[] = {{routes, COUNT_OF(routes)}};

static void
on_committed(struct call *call)
{
    for (size_t i = 0; i < call->wake_count; i++)
        woken += call->wake[i];
    for (size_t i = 0; i < call->changed_count; i++)
        woken += 100 * call->changed[i];
    if (holds_committed)
        held = call;
    else
        service_answer(call);
}

static void
start(struct test_service *ts)
{
    struct service_options options = {.tables = tables,
        .table_count = COUNT_OF(tables),
        .committed = on_committed};

    atomic_store(&gate_is_shut, false);
    atomic_store(&performed, 0);
    held = NULL;
    holds_committed = false;
    woken = 0;
    step_that_fails = 99;
    cleaned_up = 0;
    last_count = (struct count){0};
    test_service_start_with(ts, &options);
}

static void
lanes_are_told_after_the_commit_and_before_the_answer(void **state)
{
    struct test_service ts;
    int fd;
    char request[300];

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "POST", "/wake", NULL, NULL), 200);
    assert_int_equal(woken, 7 + 8 + 900);
    assert_true(test_has(&ts, "\r\nETag: \"abc\"\r\n"));

    holds_committed = true;
    fd = test_connect(&ts);
    (void)snprintf(request, sizeof(request),
        "POST /wake HTTP/1.1\r\nHost: t\r\nConnection: close\r\nx-api-key: %s\r\n\r\n",
        ts.key_text);
    test_send(&ts, fd, request, strlen(request));
    while (held == NULL)
        loop_turn(ts.loop);
    assert_true(recv(fd, request, sizeof(request), 0) < 0);
    service_answer(held);
    test_receive(&ts, fd);
    assert_int_equal(ts.status, 200);
    test_service_stop(&ts);
}

static void
what_was_committed_is_told_though_the_peer_has_gone(void **state)
{
    struct test_service ts;
    char request[300];
    int fd;

    (void)state;
    start(&ts);
    atomic_store(&gate_is_shut, true);
    (void)snprintf(request, sizeof(request),
        "POST /wake HTTP/1.1\r\nHost: t\r\nx-api-key: %s\r\n\r\n", ts.key_text);
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    while (service_busy(ts.service) == 0)
        loop_turn(ts.loop);
    (void)close(fd);
    for (int i = 0; i < 10; i++)
        loop_turn(ts.loop);
    atomic_store(&gate_is_shut, false);
    while (service_busy(ts.service) > 0)
        loop_turn(ts.loop);
    assert_int_equal(woken, 7 + 8 + 900);
    test_service_stop(&ts);
}

static void
a_call_may_take_several_transactions(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "POST", "/steps", NULL, NULL), 200);
    assert_string_equal(ts.body, "40");
    assert_int_equal(atomic_load(&performed), 4);
    assert_int_equal(woken, 1 + 2 + 3 + 4);
    test_service_stop(&ts);
}

static void
what_was_committed_before_a_failure_is_told(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    step_that_fails = 2;
    assert_int_equal(test_ask(&ts, "POST", "/steps", NULL, NULL), 409);
    assert_int_equal(woken, 1 + 2);
    step_that_fails = 0;
    woken = 0;
    assert_int_equal(test_ask(&ts, "POST", "/steps", NULL, NULL), 409);
    assert_int_equal(woken, 0);
    test_service_stop(&ts);
}

/* A client that loses patience has asked all the same; a process that ends does not wait for it. */
static void
steps_go_on_for_who_has_gone_unless_the_server_drains(void **state)
{
    struct test_service ts;
    char request[300];

    (void)state;
    for (int drains = 0; drains < 2; drains++) {
        int fd;

        start(&ts);
        atomic_store(&gate_is_shut, true);
        (void)snprintf(request, sizeof(request),
            "POST /steps HTTP/1.1\r\nHost: t\r\nx-api-key: %s\r\n\r\n", ts.key_text);
        fd = test_connect(&ts);
        test_send(&ts, fd, request, strlen(request));
        while (service_busy(ts.service) == 0)
            loop_turn(ts.loop);
        http_server_free(ts.server); /* tells on_gone */
        ts.server = NULL;
        if (drains)
            service_drain(ts.service);
        atomic_store(&gate_is_shut, false);
        while (service_busy(ts.service) > 0)
            loop_turn(ts.loop);
        assert_int_equal(atomic_load(&performed), drains ? 1 : 4);
        assert_int_equal(woken, drains ? 1 : 1 + 2 + 3 + 4);
        (void)close(fd);
        test_service_stop(&ts);
    }
}

static void
a_server_that_goes_before_the_answer_leaves_the_call_to_end(void **state)
{
    struct test_service ts;
    char request[300];
    int fd;

    (void)state;
    start(&ts);
    atomic_store(&gate_is_shut, true);
    (void)snprintf(request, sizeof(request),
        "POST /wake HTTP/1.1\r\nHost: t\r\nx-api-key: %s\r\n\r\n", ts.key_text);
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    while (service_busy(ts.service) == 0)
        loop_turn(ts.loop);
    http_server_free(ts.server); /* tells on_gone */
    ts.server = NULL;
    assert_int_equal(service_busy(ts.service), 1);
    atomic_store(&gate_is_shut, false);
    while (service_busy(ts.service) > 0)
        loop_turn(ts.loop);
    assert_int_equal(woken, 7 + 8 + 900);
    (void)close(fd);
    test_service_stop(&ts);
}

static void
a_full_store_is_503_with_retry_after(void **state)
{
    enum { CALLS = 90 };
    struct test_service ts;
    char request[300];
    int fds[CALLS];
    int busy = 0;

    (void)state;
    start(&ts);
    (void)snprintf(request, sizeof(request),
        "GET /gate HTTP/1.1\r\nHost: t\r\nConnection: close\r\nx-api-key: %s\r\n\r\n", ts.key_text);
    atomic_store(&gate_is_shut, true);
    for (int i = 0; i < CALLS; i++) {
        fds[i] = test_connect(&ts);
        test_send(&ts, fds[i], request, strlen(request));
    }
    /* Those that found no room were answered; the others wait at the gate. */
    while (service_busy(ts.service) == 0 || service_busy(ts.service) >= CALLS)
        loop_turn(ts.loop);
    atomic_store(&gate_is_shut, false);
    for (int i = 0; i < CALLS; i++) {
        test_receive(&ts, fds[i]);
        if (ts.status == 503) {
            busy++;
            assert_true(test_has(&ts, "\r\nRetry-After: 1\r\n"));
        } else {
            assert_int_equal(ts.status, 200);
        }
    }
    assert_true(busy > 0 && busy < CALLS);
    test_service_stop(&ts);
}

static void
a_prepare_may_wait_before_perform(void **state)
{
    struct test_service ts;
    char request[300];
    int fd;

    (void)state;
    start(&ts);
    (void)snprintf(request, sizeof(request),
        "POST /held HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 2\r\n"
        "x-api-key: %s\r\n\r\n{}",
        ts.key_text);
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    while (held == NULL)
        loop_turn(ts.loop);
    assert_int_equal(atomic_load(&performed), 0);
    call_prepared(held);
    test_receive(&ts, fd);
    assert_int_equal(ts.status, 200);
    assert_int_equal(atomic_load(&performed), 1);

    held = NULL;
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    while (held == NULL)
        loop_turn(ts.loop);
    call_fail(held, 422, "no such %s", "host");
    test_receive(&ts, fd);
    assert_int_equal(ts.status, 422);
    assert_true(test_has(&ts, "no such host"));
    test_service_stop(&ts);
}

static void
nothing_is_performed_for_a_peer_that_went_while_preparing(void **state)
{
    struct test_service ts;
    char request[300];
    int fd;

    (void)state;
    start(&ts);
    (void)snprintf(request, sizeof(request),
        "POST /held HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nx-api-key: %s\r\n\r\n{}",
        ts.key_text);
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    while (held == NULL)
        loop_turn(ts.loop);
    http_server_free(ts.server);
    ts.server = NULL;
    call_prepared(held);
    assert_int_equal(service_busy(ts.service), 0);
    assert_int_equal(atomic_load(&performed), 0);
    (void)close(fd);
    test_service_stop(&ts);
}

static void
a_stream_takes_a_body_of_any_length(void **state)
{
    enum { BYTES = 3 * HTTP_BODY_BYTES_MAX };
    struct test_service ts;
    char *body = malloc(BYTES + 1);

    (void)state;
    start(&ts);
    assert_non_null(body);
    memset(body, 'x', BYTES);
    body[BYTES] = '\0';
    assert_int_equal(test_ask(&ts, "PUT", "/count", NULL, body), 200);
    assert_string_equal(ts.body, "{\"bytes\":3145728}");
    assert_true(last_count.is_released);
    assert_true(last_count.pieces > 1);
    assert_int_equal(woken, 5 * last_count.pieces);

    assert_int_equal(test_ask(&ts, "PUT", "/count", NULL, ""), 200);
    assert_string_equal(ts.body, "{\"bytes\":0}");
    free(body);
    test_service_stop(&ts);
}

static void
a_stream_may_refuse_at_once_or_in_the_middle(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "PUT", "/refused", NULL, "abc"), 415);
    assert_int_equal(test_ask(&ts, "PUT", "/count", NULL, "a!c"), 422);
    assert_true(test_has(&ts, "line 1 has a !"));
    assert_true(last_count.is_released);
    assert_int_equal(cleaned_up, 0);
    test_service_stop(&ts);
}

static void
a_stream_whose_peer_goes_cleans_up(void **state)
{
    struct test_service ts;
    char request[300];
    int fd;

    (void)state;
    start(&ts);
    (void)snprintf(request, sizeof(request),
        "PUT /count HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\nx-api-key: %s\r\n\r\nabc",
        ts.key_text);

    /* Between two pieces. */
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    (void)close(fd);
    while (cleaned_up == 0)
        loop_turn(ts.loop);
    assert_int_equal(service_busy(ts.service), 0);
    assert_int_equal(last_count.bytes, 3);
    assert_true(last_count.is_released);

    /* While a piece is stored. */
    atomic_store(&gate_is_shut, true);
    fd = test_connect(&ts);
    test_send(&ts, fd, request, strlen(request));
    while (service_busy(ts.service) == 0)
        loop_turn(ts.loop);
    for (int i = 0; i < 1000; i++)
        loop_turn(ts.loop);
    http_server_free(ts.server);
    ts.server = NULL;
    atomic_store(&gate_is_shut, false);
    while (service_busy(ts.service) > 0)
        loop_turn(ts.loop);
    (void)close(fd);
    test_service_stop(&ts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_are_told_after_the_commit_and_before_the_answer),
        cmocka_unit_test(what_was_committed_is_told_though_the_peer_has_gone),
        cmocka_unit_test(a_call_may_take_several_transactions),
        cmocka_unit_test(what_was_committed_before_a_failure_is_told),
        cmocka_unit_test(steps_go_on_for_who_has_gone_unless_the_server_drains),
        cmocka_unit_test(a_server_that_goes_before_the_answer_leaves_the_call_to_end),
        cmocka_unit_test(a_full_store_is_503_with_retry_after),
        cmocka_unit_test(a_prepare_may_wait_before_perform),
        cmocka_unit_test(nothing_is_performed_for_a_peer_that_went_while_preparing),
        cmocka_unit_test(a_stream_takes_a_body_of_any_length),
        cmocka_unit_test(a_stream_may_refuse_at_once_or_in_the_middle),
        cmocka_unit_test(a_stream_whose_peer_goes_cleans_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
