/* SPDX-License-Identifier: Apache-2.0 */
#include "http/idempotency.h"

#include <stdatomic.h>

#include "os/fault.h"
#include "support/service.h"

#define KEY "Idempotency-Key: k1\r\n"

static atomic_int performed;
static int64_t woken;
static atomic_bool is_refusing;
static atomic_bool is_host_gone;

static enum err
insert_thing(struct call *call, struct engine *engine)
{
    static atomic_int number;
    struct str name = arena_printf(&call->arena, "thing %d", atomic_fetch_add(&number, 1));

    return engine_run(engine, &call->store_call.error,
        "INSERT INTO meta (name, value) VALUES (?1, 1)", v_text(name));
}

static void
answer_performed(struct call *call)
{
    static const int64_t pk = 7;
    struct json_writer writer = call_answer(call, 201);

    call_wake(call, &pk, 1);
    call_etag(call, (struct walltime){0xabc});
    json_object_open(&writer);
    json_field_int(&writer, STR("performed"), atomic_load(&performed));
    json_object_close(&writer);
}

static enum err
perform_thing(struct call *call, struct engine *engine)
{
    enum err err;

    atomic_fetch_add(&performed, 1);
    if (call->prepared != NULL)
        return call_problem(call, 422, "the host is gone");
    err = insert_thing(call, engine);
    if (err == OK && atomic_load(&is_refusing))
        return call_problem(call, 409, "not now");
    if (err == OK)
        answer_performed(call);
    return err;
}

static enum err
perform_nothing(struct call *call, struct engine *engine)
{
    (void)engine;
    atomic_fetch_add(&performed, 1);
    answer_performed(call);
    return OK;
}

static enum err
perform_silently(struct call *call, struct engine *engine)
{
    enum err err = insert_thing(call, engine);

    atomic_fetch_add(&performed, 1);
    if (err == OK)
        (void)call_answer(call, 204);
    return err;
}

/* Only the first of two transactions changes anything. */
static enum err
perform_steps(struct call *call, struct engine *engine)
{
    atomic_fetch_add(&performed, 1);
    answer_performed(call);
    if (call->step > 0)
        return OK;
    call_again(call);
    return insert_thing(call, engine);
}

static void
prepare_host(struct call *call)
{
    call->prepared = atomic_load(&is_host_gone) ? call : NULL;
    call_prepared(call);
}

#define WRITING .scope = SCOPE_WRITE, .writes = true, .body = BODY_OPTIONAL_JSON

static const struct route routes[] = {
    {.method = "POST", .path = "/things", WRITING, .perform = perform_thing},
    {.method = "POST", .path = "/others", WRITING, .perform = perform_thing},
    {.method = "PATCH", .path = "/things", WRITING, .perform = perform_thing},
    {.method = "POST",
        .path = "/hosts",
        WRITING,
        .prepare = prepare_host,
        .perform = perform_thing},
    {.method = "POST", .path = "/nothing", WRITING, .perform = perform_nothing},
    {.method = "POST", .path = "/silence", WRITING, .perform = perform_silently},
    {.method = "POST", .path = "/steps", WRITING, .perform = perform_steps},
    {.method = "POST", .path = "/reads", .scope = SCOPE_READ, .perform = perform_nothing},
};

static const struct route_table tables[] = {{routes, COUNT_OF(routes)}};

static void
on_committed(struct call *call)
{
    woken += (int64_t)call->wake_count;
    service_answer(call);
}

static void
start(struct test_service *ts)
{
    struct service_options options = {
        .tables = tables,
        .table_count = COUNT_OF(tables),
        .committed = on_committed,
        .idempotency_us = 24 * US_PER_HOUR,
    };

    atomic_store(&performed, 0);
    atomic_store(&is_refusing, false);
    atomic_store(&is_host_gone, false);
    woken = 0;
    test_service_start_with(ts, &options);
}

struct count_call {
    struct store_call call;
    int64_t count;
};

static enum err
count_run(struct store_call *call, struct engine *engine)
{
    struct count_call *self = (struct count_call *)call;

    return engine_get_int(engine, &self->count, &call->error,
        "SELECT count(*) FROM meta WHERE name LIKE 'thing %'");
}

static int64_t
things(struct test_service *ts)
{
    struct count_call call = {.call = {.run = count_run}};

    test_must(store_run(ts->store, &call.call), &call.call.error);
    return call.count;
}

static void
must_post(struct test_service *ts, const char *path, const char *body, int status, bool is_replayed)
{
    if (test_ask(ts, "POST", path, KEY, body) != status ||
        test_has(ts, "\r\nIdempotency-Replayed: true\r\n") != is_replayed)
        fail_msg("%s %s: %s", path, body != NULL ? body : "", ts->text);
}

/* --- again --- */

static void
a_repeated_request_gets_its_first_answer(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/things", "{\"a\":1}", 201, false);
    for (int i = 0; i < 2; i++) {
        must_post(&ts, "/things", "{\"a\":1}", 201, true);
        assert_string_equal(ts.body, "{\"performed\":1}");
        assert_true(test_has(&ts, "\r\nETag: \"abc\"\r\n"));
        assert_true(test_has(&ts, "\r\nContent-Type: application/json\r\n"));
    }
    assert_int_equal(atomic_load(&performed), 1);
    assert_int_equal(things(&ts), 1);
    assert_int_equal(woken, 1);
    test_service_stop(&ts);
}

static void
an_answer_without_a_body_is_one(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/silence", NULL, 204, false);
    must_post(&ts, "/silence", NULL, 204, true);
    assert_string_equal(ts.body, "");
    assert_int_equal(atomic_load(&performed), 1);
    test_service_stop(&ts);
}

static void
another_body_under_the_same_key_is_refused(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/things", "{\"a\":1}", 201, false);
    must_post(&ts, "/things", "{\"a\":2}", 422, false);
    assert_true(test_has(&ts, "use a new key"));
    must_post(&ts, "/things", "{\"a\": 1}", 422, false);
    must_post(&ts, "/things", NULL, 422, false);
    assert_int_equal(things(&ts), 1);
    test_service_stop(&ts);
}

static void
a_request_in_steps_is_answered_again(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/steps", NULL, 201, false);
    must_post(&ts, "/steps", NULL, 201, true);
    assert_string_equal(ts.body, "{\"performed\":2}");
    assert_int_equal(things(&ts), 1);
    test_service_stop(&ts);
}

static void
what_prepare_finds_later_does_not_matter(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/hosts", NULL, 201, false);
    atomic_store(&is_host_gone, true);
    must_post(&ts, "/hosts", NULL, 201, true);
    test_service_stop(&ts);
}

/* What became of requests that were on their way together. */
struct outcomes {
    int made;
    int replayed;
    int failed;
};

#define TWINS 3

static struct outcomes
ask_together(struct test_service *ts, int round)
{
    struct outcomes outcomes = {0};
    char request[400];
    int fds[TWINS];
    int len = snprintf(request, sizeof(request),
        "POST /things HTTP/1.1\r\nHost: t\r\nConnection: close\r\nx-api-key: %s\r\n"
        "Idempotency-Key: round %d\r\nContent-Length: 2\r\n\r\n{}",
        ts->key_text, round);

    for (size_t i = 0; i < TWINS; i++)
        fds[i] = test_connect(ts);
    for (size_t i = 0; i < TWINS; i++)
        assert_int_equal(send(fds[i], request, (size_t)len, MSG_NOSIGNAL), len);
    for (size_t i = 0; i < TWINS; i++) {
        test_receive(ts, fds[i]);
        if (ts->status != 201)
            outcomes.failed++;
        else if (test_has(ts, "Idempotency-Replayed: true"))
            outcomes.replayed++;
        else
            outcomes.made++;
    }
    return outcomes;
}

static void
twins_at_the_same_time_make_one_thing(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    for (int round = 1; round <= 100; round++) {
        struct outcomes outcomes = ask_together(&ts, round);

        assert_int_equal(outcomes.made, 1);
        assert_int_equal(outcomes.replayed, TWINS - 1);
        assert_int_equal(things(&ts), round);
    }
    assert_int_equal(woken, 100);
    test_service_stop(&ts);
}

/* The group that they share is undone, and each runs again by itself; or the first was alone. */
static void
twins_make_one_thing_though_a_commit_fails(void **state)
{
    (void)state;
#ifdef USHER_FAULTS
    struct test_service ts;

    start(&ts);
    for (int round = 1; round <= 20; round++) {
        struct outcomes outcomes;

        fault_arm("store.commit", 1);
        outcomes = ask_together(&ts, round);
        assert_true(fault_fired());
        assert_int_equal(outcomes.made, 1);
        assert_int_equal(outcomes.replayed + outcomes.failed, TWINS - 1);
        assert_true(outcomes.failed <= 1);
        assert_int_equal(things(&ts), round);
    }
    test_service_stop(&ts);
#else
    skip();
#endif
}

/* --- not again --- */

static void
another_key_path_or_account_is_another_request(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/things", NULL, 201, false);
    must_post(&ts, "/others", NULL, 201, false);
    assert_int_equal(test_ask(&ts, "POST", "/things", "Idempotency-Key: k2\r\n", NULL), 201);
    assert_false(test_has(&ts, "Idempotency-Replayed"));
    test_key_make(&ts, 2, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&ts, 2);
    must_post(&ts, "/things", NULL, 201, false);
    assert_int_equal(things(&ts), 4);
    /* A second API key of the account is still the account. */
    test_key_make(&ts, 3, "default", TEST_ALL_SCOPES, 0);
    test_key_use(&ts, 3);
    must_post(&ts, "/things", NULL, 201, true);
    test_service_stop(&ts);
}

static void
an_answer_is_for_who_may_ask(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/things", NULL, 201, false);
    test_key_make(&ts, 2, "default", SCOPE_READ, 0);
    test_key_use(&ts, 2);
    must_post(&ts, "/things", NULL, 403, false);
    test_key_use(&ts, 99);
    must_post(&ts, "/things", NULL, 401, false);
    test_service_stop(&ts);
}

static void
a_refusal_is_not_kept(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    atomic_store(&is_refusing, true);
    must_post(&ts, "/things", "{\"a\":1}", 409, false);
    atomic_store(&is_refusing, false);
    must_post(&ts, "/things", "{\"a\":2}", 201, false);
    must_post(&ts, "/things", "{\"a\":2}", 201, true);
    assert_int_equal(things(&ts), 1);
    test_service_stop(&ts);
}

static void
what_changed_nothing_is_not_kept(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/nothing", NULL, 201, false);
    must_post(&ts, "/nothing", NULL, 201, false);
    assert_string_equal(ts.body, "{\"performed\":2}");
    test_service_stop(&ts);
}

static void
an_answer_is_forgotten_after_its_time(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    must_post(&ts, "/things", "{\"a\":1}", 201, false);
    clock_manual_advance(&ts.clock, 24 * US_PER_HOUR - 1);
    must_post(&ts, "/things", "{\"a\":1}", 201, true);
    clock_manual_advance(&ts.clock, 1);
    must_post(&ts, "/things", "{\"a\":2}", 201, false);
    must_post(&ts, "/things", "{\"a\":2}", 201, true);
    assert_int_equal(things(&ts), 2);
    test_service_stop(&ts);
}

static void
where_a_key_means_nothing_it_is_passed_over(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(test_ask(&ts, "PATCH", "/things", KEY, NULL), 201);
        assert_false(test_has(&ts, "Idempotency-Replayed"));
    }
    assert_int_equal(things(&ts), 2);
    must_post(&ts, "/reads", NULL, 201, false);
    must_post(&ts, "/reads", NULL, 201, false);
    assert_int_equal(test_ask(&ts, "POST", "/reads", "Idempotency-Key:\r\n", NULL), 201);
    test_service_stop(&ts);
}

static void
without_a_key_every_request_counts(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    for (int i = 0; i < 2; i++)
        assert_int_equal(test_ask(&ts, "POST", "/things", NULL, "{}"), 201);
    assert_int_equal(things(&ts), 2);
    test_service_stop(&ts);
}

static void
change_and_answer_fail_together(void **state)
{
    (void)state;
#ifdef USHER_FAULTS
    struct test_service ts;

    start(&ts);
    fault_arm("store.commit", 1);
    must_post(&ts, "/things", NULL, 503, false);
    assert_true(fault_fired());
    assert_int_equal(things(&ts), 0);
    must_post(&ts, "/things", NULL, 201, false);
    must_post(&ts, "/things", NULL, 201, true);
    assert_int_equal(things(&ts), 1);
    test_service_stop(&ts);
#else
    skip();
#endif
}

/* --- the key itself --- */

static void
a_key_is_one_line_of_printable_characters(void **state)
{
    char longest[IDEMPOTENCY_KEY_BYTES_MAX + 2];

    (void)state;
    memset(longest, '~', sizeof(longest));
    assert_true(idempotency_key_is_valid((struct str){longest, IDEMPOTENCY_KEY_BYTES_MAX}));
    assert_false(idempotency_key_is_valid((struct str){longest, IDEMPOTENCY_KEY_BYTES_MAX + 1}));
    assert_true(idempotency_key_is_valid(STR("a")));
    assert_true(idempotency_key_is_valid(STR("\"8e03978e-40d5\" 2")));
    assert_false(idempotency_key_is_valid(STR("")));
    assert_false(idempotency_key_is_valid(STR("a\tb")));
    assert_false(idempotency_key_is_valid(STR("a\x7f")));
    assert_false(idempotency_key_is_valid(STR("caf\xc3\xa9")));
}

static void
a_bad_key_is_refused(void **state)
{
    static const char *const bad[] = {
        "Idempotency-Key:\r\n",
        "Idempotency-Key: caf\xc3\xa9\r\n",
        "Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
    };
    struct test_service ts;

    (void)state;
    start(&ts);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(test_ask(&ts, "POST", "/things", bad[i], "{}"), 400);
        assert_true(test_has(&ts, "1 to 255 printable ASCII characters"));
    }
    test_key_use(&ts, 99);
    assert_int_equal(test_ask(&ts, "POST", "/things", bad[0], "{}"), 401);
    assert_int_equal(things(&ts), 0);
    test_service_stop(&ts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_request_gets_its_first_answer),
        cmocka_unit_test(an_answer_without_a_body_is_one),
        cmocka_unit_test(another_body_under_the_same_key_is_refused),
        cmocka_unit_test(a_request_in_steps_is_answered_again),
        cmocka_unit_test(what_prepare_finds_later_does_not_matter),
        cmocka_unit_test(twins_at_the_same_time_make_one_thing),
        cmocka_unit_test(twins_make_one_thing_though_a_commit_fails),
        cmocka_unit_test(another_key_path_or_account_is_another_request),
        cmocka_unit_test(an_answer_is_for_who_may_ask),
        cmocka_unit_test(a_refusal_is_not_kept),
        cmocka_unit_test(what_changed_nothing_is_not_kept),
        cmocka_unit_test(an_answer_is_forgotten_after_its_time),
        cmocka_unit_test(where_a_key_means_nothing_it_is_passed_over),
        cmocka_unit_test(without_a_key_every_request_counts),
        cmocka_unit_test(change_and_answer_fail_together),
        cmocka_unit_test(a_key_is_one_line_of_printable_characters),
        cmocka_unit_test(a_bad_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
