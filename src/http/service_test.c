/* SPDX-License-Identifier: Apache-2.0 */
#include "support/service.h"

#include "http/pages.h"

static bool reached; /* what may not be, before the key was checked */

static enum err
perform_echo(struct call *call, struct engine *engine)
{
    struct json_writer writer = call_answer(call, 200);

    (void)engine;
    json_object_open(&writer);
    json_field_int(&writer, STR("account"), call->account_pk);
    json_field_str(&writer, STR("param"), call->params[0]);
    json_field_str(&writer, STR("q"), call_query(call, STR("q")));
    if (call->body != NULL)
        json_field_int(&writer, STR("fields"), (int64_t)call->body->count);
    json_object_close(&writer);
    return OK;
}

static enum err
perform_conflict(struct call *call, struct engine *engine)
{
    (void)engine;
    return error_set(&call->store_call.error, ERR_CONFLICT, "in use by 65f4");
}

static enum err
perform_faults(struct call *call, struct engine *engine)
{
    (void)engine;
    fault_add(&call->faults, STR("/a"), "is wrong");
    fault_add(&call->faults, STR("/b"), "is missing");
    return call_refuse(call);
}

static enum err
perform_broken(struct call *call, struct engine *engine)
{
    (void)engine;
    return error_set(&call->store_call.error, ERR_IO, "disk on fire at sector 7");
}

static enum err
perform_disk_full(struct call *call, struct engine *engine)
{
    (void)engine;
    call_etag(call, (struct walltime){0xabc});
    return error_set(&call->store_call.error, ERR_DISK, "database: write: disk full");
}

static enum err
perform_changed(struct call *call, struct engine *engine)
{
    enum err err = call_if_match(call, (struct walltime){0xabc});

    return err == OK ? perform_echo(call, engine) : err;
}

static enum err
perform_nothing(struct call *call, struct engine *engine)
{
    (void)engine;
    (void)call_answer(call, 204);
    return OK;
}

static enum err
perform_not_found(struct call *call, struct engine *engine)
{
    struct id id;

    (void)engine;
    return call_id(call, 0, &id);
}

static void
prepare_reached(struct call *call)
{
    reached = true;
    call_prepared(call);
}

static void
serve_here(struct call *call)
{
    call_fail(call, 429, "slow down");
}

static void
stream_reached(struct call *call)
{
    reached = true;
    call_fail(call, 418, "reached");
}

static const struct route routes[] = {
    {.method = "GET", .path = "/open", .perform = perform_echo},
    {.method = "GET",
        .path = "/r/{id}",
        .scope = SCOPE_READ,
        .query = "q",
        .perform = perform_echo},
    {.method = "POST",
        .path = "/json",
        .scope = SCOPE_WRITE,
        .body = BODY_JSON,
        .perform = perform_echo},
    {.method = "POST",
        .path = "/maybe",
        .scope = SCOPE_WRITE,
        .body = BODY_OPTIONAL_JSON,
        .perform = perform_echo},
    {.method = "POST", .path = "/none", .scope = SCOPE_WRITE, .perform = perform_echo},
    {.method = "GET", .path = "/conflict", .scope = SCOPE_READ, .perform = perform_conflict},
    {.method = "GET", .path = "/faults", .scope = SCOPE_READ, .perform = perform_faults},
    {.method = "GET", .path = "/broken", .scope = SCOPE_READ, .perform = perform_broken},
    {.method = "GET", .path = "/disk", .scope = SCOPE_READ, .perform = perform_disk_full},
    {.method = "GET", .path = "/changed", .scope = SCOPE_READ, .perform = perform_changed},
    {.method = "DELETE", .path = "/r/{id}", .scope = SCOPE_WRITE, .perform = perform_nothing},
    {.method = "GET", .path = "/id/{id}", .scope = SCOPE_READ, .perform = perform_not_found},
    {.method = "POST",
        .path = "/held",
        .scope = SCOPE_WRITE,
        .body = BODY_JSON,
        .prepare = prepare_reached,
        .perform = perform_echo},
    {.method = "GET", .path = "/serve", .scope = SCOPE_READ, .serve = serve_here},
    {.method = "PUT",
        .path = "/count",
        .scope = SCOPE_WRITE,
        .body = BODY_STREAM,
        .stream = stream_reached},
};

static void
start_limited(struct test_service *ts, struct request_limit *limit)
{
    static struct route_table tables[2];
    struct service_options options = {.tables = tables,
        .table_count = COUNT_OF(tables),
        .request_limit = limit};

    tables[0] = page_routes;
    tables[1] = (struct route_table){routes, COUNT_OF(routes)};
    reached = false;
    test_service_start_with(ts, &options);
}

static void
start(struct test_service *ts)
{
    start_limited(ts, NULL);
}

/* --- who is asking --- */

static void
a_call_is_answered_for_the_account_of_its_key(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/r/a%20b?q=x%2By", NULL, NULL), 200);
    assert_string_equal(ts.body, "{\"account\":1,\"param\":\"a b\",\"q\":\"x+y\"}");
    assert_true(test_has(&ts, "\r\nContent-Type: application/json\r\n"));
    assert_true(test_has(&ts, "\r\nX-Request-Id: req_"));
    assert_true(test_has(&ts, "\r\nCache-Control: no-store\r\n"));
    test_service_stop(&ts);
}

static void
a_key_may_come_as_a_bearer_token(void **state)
{
    struct test_service ts;
    char fields[200];

    (void)state;
    start(&ts);
    (void)snprintf(fields, sizeof(fields), "Authorization: bearer  %s\r\n", ts.key_text);
    ts.key_text[0] = '\0';
    assert_int_equal(test_ask(&ts, "GET", "/r/x", fields, NULL), 200);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", "Authorization: Basic dTpw\r\n", NULL), 401);
    test_service_stop(&ts);
}

static void
missing_unknown_and_expired_keys_and_scopes_are_told_apart(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    ts.key_text[0] = '\0';
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 401);
    assert_true(test_has(&ts, "no API key was sent"));
    assert_true(test_has(&ts, "\r\nWWW-Authenticate: Bearer"));
    assert_int_equal(test_ask(&ts, "GET", "/open", NULL, NULL), 200);

    test_key_use(&ts, 99);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 401);
    assert_true(test_has(&ts, "not known here"));

    test_key_make(&ts, 2, "default", TEST_ALL_SCOPES, ts.clock.walltime_now.us + 1);
    test_key_use(&ts, 2);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 200);
    clock_manual_advance(&ts.clock, 1);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 401);
    assert_true(test_has(&ts, "has expired"));

    test_key_make(&ts, 3, "default", SCOPE_READ, 0);
    test_key_use(&ts, 3);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 200);
    assert_int_equal(test_ask(&ts, "POST", "/none", NULL, NULL), 403);
    assert_true(test_has(&ts, "lacks the scope \\\"write\\\""));

    test_key_make(&ts, 4, NULL, TEST_ALL_SCOPES | SCOPE_ADMIN, 0);
    test_key_use(&ts, 4);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 403);
    assert_true(test_has(&ts, "admin key"));
    test_service_stop(&ts);
}

static void
a_stranger_learns_nothing_but_401(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    test_key_use(&ts, 99);
    assert_int_equal(test_ask(&ts, "POST", "/json", NULL, "{"), 401);
    assert_int_equal(test_ask(&ts, "POST", "/json", "Content-Type: text/csv\r\n", "a"), 401);
    assert_int_equal(test_ask(&ts, "GET", "/r/x?unknown=1", NULL, NULL), 401);
    assert_int_equal(test_ask(&ts, "POST", "/held", NULL, "{}"), 401);
    assert_false(reached);
    assert_int_equal(test_ask(&ts, "PUT", "/count", NULL, "abc"), 401);
    assert_false(reached);
    test_key_use(&ts, 1);
    assert_int_equal(test_ask(&ts, "PUT", "/count", NULL, "abc"), 418);
    assert_true(reached);
    test_service_stop(&ts);
}

/* --- how often --- */

static struct request_limit limit;

static void
a_key_may_ask_only_so_often(void **state)
{
    struct test_service ts;

    (void)state;
    request_limit_init(&limit, 2);
    start_limited(&ts, &limit);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 200);
    assert_true(test_has(&ts, "\r\nRateLimit-Limit: 2\r\n"));
    assert_true(test_has(&ts, "\r\nRateLimit-Remaining: 1\r\n"));
    assert_true(test_has(&ts, "\r\nRateLimit-Reset: 5\r\n"));
    assert_int_equal(test_ask(&ts, "POST", "/json", NULL, "x"), 400);
    assert_true(test_has(&ts, "\r\nRateLimit-Remaining: 0\r\n"));
    assert_int_equal(test_ask(&ts, "POST", "/held", NULL, "{}"), 429);
    assert_false(reached);
    assert_true(test_has(&ts, "\r\nContent-Type: application/problem+json\r\n"));
    assert_true(test_has(&ts, "\r\nRetry-After: 5\r\n"));
    assert_true(test_has(&ts, "\r\nRateLimit-Remaining: 0\r\n"));
    assert_true(test_has(&ts, "try again in 5 s"));
    clock_manual_advance(&ts.clock, 5 * US_PER_S);
    assert_int_equal(test_ask(&ts, "POST", "/held", NULL, "{}"), 200);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 429);
    test_service_stop(&ts);
    request_limit_done(&limit);
}

static void
each_key_is_counted_by_itself_whatever_it_opens(void **state)
{
    struct test_service ts;

    (void)state;
    request_limit_init(&limit, 1);
    start_limited(&ts, &limit);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 200);
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 429);
    test_key_use(&ts, 99); /* nobody's */
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 401);
    assert_true(test_has(&ts, "\r\nRateLimit-Remaining: 0\r\n"));
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 429);
    test_key_use(&ts, 98);
    assert_int_equal(test_ask(&ts, "GET", "/nothing", NULL, NULL), 404);
    assert_int_equal(test_ask(&ts, "DELETE", "/json", NULL, NULL), 429);
    assert_false(test_has(&ts, "Allow"));
    test_service_stop(&ts);
    request_limit_done(&limit);
}

static void
what_asks_for_no_key_is_not_counted(void **state)
{
    struct test_service ts;

    (void)state;
    request_limit_init(&limit, 1);
    start_limited(&ts, &limit);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(test_ask(&ts, "GET", "/open", NULL, NULL), 200);
        assert_false(test_has(&ts, "RateLimit"));
        assert_int_equal(test_ask(&ts, "GET", "/metrics", NULL, NULL), 200);
    }
    assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 200);
    ts.key_text[0] = '\0';
    for (int i = 0; i < 3; i++)
        assert_int_equal(test_ask(&ts, "GET", "/r/x", NULL, NULL), 401);
    test_service_stop(&ts);
    request_limit_done(&limit);
}

/* --- what is asked --- */

static void
unknown_paths_and_other_methods_are_refused(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/nothing", NULL, NULL), 404);
    assert_true(test_has(&ts, "\r\nContent-Type: application/problem+json\r\n"));
    assert_true(test_has(&ts, "\r\nX-Request-Id: "));
    assert_true(test_has(&ts, "there is no /nothing here"));
    assert_int_equal(test_ask(&ts, "PATCH", "/r/x", NULL, "{}"), 405);
    assert_true(test_has(&ts, "\r\nAllow: GET, HEAD, DELETE\r\n"));
    assert_int_equal(test_ask(&ts, "GET", "/r/%zz", NULL, NULL), 404);
    assert_int_equal(test_ask(&ts, "GET", "/id/x", NULL, NULL), 404);
    test_service_stop(&ts);
}

static void
head_is_a_get_without_its_body(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "HEAD", "/r/x", NULL, NULL), 200);
    assert_string_equal(ts.body, "");
    assert_true(test_has(&ts, "Content-Length: "));
    assert_false(test_has(&ts, "Content-Length: 0\r\n"));
    test_service_stop(&ts);
}

static void
an_unknown_query_parameter_is_named(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/r/x?q=1&qq=2&q=3", NULL, NULL), 422);
    assert_true(
        test_has(&ts, "{\"parameter\":\"qq\",\"detail\":\"is not known here; known are: q\"}"));
    assert_true(test_has(&ts, "{\"parameter\":\"q\",\"detail\":\"is given twice\"}"));
    test_service_stop(&ts);
}

static void
a_body_must_be_the_json_that_it_says_it_is(void **state)
{
    static const struct {
        const char *path;
        const char *fields;
        const char *body;
        int status;
        const char *detail;
    } cases[] = {
        {"/json", NULL, "{\"a\":1,\"b\":2}", 200, "\"fields\":2"},
        {"/json", "Content-Type: application/json; charset=utf-8\r\n", "{}", 200, "\"fields\":0"},
        {"/json", "Content-Type: application/merge-patch+json\r\n", "{}", 200, "\"fields\":0"},
        {"/json", "Content-Encoding: identity\r\n", "{}", 200, "\"fields\":0"},
        {"/json", NULL, "", 400, "the body is empty"},
        {"/json", NULL, "{\"a\":1", 400, "the body is not taken"},
        {"/json", NULL, "{\"a\":1,\"a\":2}", 400, "the body is not taken"},
        {"/json", "Content-Type: application/x-www-form-urlencoded\r\n", "{}", 415,
            "send application/json"},
        {"/json", "Content-Type: text/plain\r\n", "{}", 415, "send application/json"},
        {"/json", "Content-Type: json\r\n", "{}", 415, "send application/json"},
        {"/json", "Content-Encoding: gzip\r\n", "x", 415, "without Content-Encoding"},
        {"/maybe", NULL, NULL, 200, "\"q\":null}"},
        {"/maybe", "Content-Type: text/plain\r\n", "", 200, "\"q\":null}"},
        {"/maybe", NULL, "{\"a\":1}", 200, "\"fields\":1"},
        {"/maybe", NULL, "x", 400, "the body is not taken"},
        {"/none", NULL, NULL, 200, "\"q\":null}"},
        {"/none", NULL, " {}\n", 200, "\"q\":null}"},
        {"/none", NULL, "{\"a\":1}", 400, "takes no body"},
    };
    struct test_service ts;

    (void)state;
    start(&ts);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int status = test_ask(&ts, "POST", cases[i].path, cases[i].fields, cases[i].body);

        if (status != cases[i].status || !test_has(&ts, cases[i].detail))
            fail_msg("%s %s %s: %s", cases[i].path, cases[i].fields, cases[i].body, ts.text);
    }
    test_service_stop(&ts);
}

static void
a_body_past_a_mebibyte_is_refused(void **state)
{
    struct test_service ts;
    char *body = malloc(HTTP_BODY_BYTES_MAX + 2);

    (void)state;
    start(&ts);
    assert_non_null(body);
    memset(body, ' ', HTTP_BODY_BYTES_MAX + 1);
    memcpy(body, "{}", 2);
    body[HTTP_BODY_BYTES_MAX + 1] = '\0';
    assert_int_equal(test_ask(&ts, "POST", "/json", NULL, body), 413);
    body[HTTP_BODY_BYTES_MAX] = '\0';
    assert_int_equal(test_ask(&ts, "POST", "/json", NULL, body), 200);
    free(body);
    test_service_stop(&ts);
}

static void
a_request_id_is_echoed_when_it_is_sane(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/open", "X-Request-Id: my-id/1:2\r\n", NULL), 200);
    assert_true(test_has(&ts, "\r\nX-Request-Id: my-id/1:2\r\n"));
    assert_int_equal(test_ask(&ts, "GET", "/open", "X-Request-Id: a b\r\n", NULL), 200);
    assert_true(test_has(&ts, "\r\nX-Request-Id: req_"));
    test_service_stop(&ts);
}

/* --- what comes back --- */

static void
refusals_carry_their_texts(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/conflict", NULL, NULL), 409);
    assert_true(test_has(&ts, "\"detail\":\"in use by 65f4\""));
    assert_int_equal(test_ask(&ts, "GET", "/faults", NULL, NULL), 422);
    assert_true(
        test_has(&ts, "\"detail\":\"2 faults, named in errors: mend them and send again\""));
    assert_true(test_has(&ts, "{\"pointer\":\"/b\",\"detail\":\"is missing\"}"));
    assert_int_equal(test_ask(&ts, "GET", "/serve", NULL, NULL), 429);
    test_service_stop(&ts);
}

static void
a_failure_of_ours_is_told_by_its_id_alone(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/broken", "X-Request-Id: abc\r\n", NULL), 500);
    assert_true(test_has(&ts, "request abc"));
    assert_false(test_has(&ts, "fire"));
    test_service_stop(&ts);
}

static void
a_full_disk_asks_to_come_again(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/disk", "X-Request-Id: abc\r\n", NULL), 503);
    assert_true(test_has(&ts, "\r\nRetry-After: 10\r\n"));
    assert_false(test_has(&ts, "\r\nRetry-After: 1\r\n"));
    assert_false(test_has(&ts, "ETag"));
    assert_true(test_has(&ts, "so this was not done"));
    assert_true(test_has(&ts, "request abc"));
    assert_false(test_has(&ts, "database"));
    test_service_stop(&ts);
}

static void
a_change_of_something_else_is_refused(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/changed", NULL, NULL), 200);
    assert_int_equal(test_ask(&ts, "GET", "/changed", "If-Match: \"abc\"\r\n", NULL), 200);
    assert_int_equal(test_ask(&ts, "GET", "/changed", "If-Match: \"x\", \"abc\"\r\n", NULL), 200);
    assert_int_equal(test_ask(&ts, "GET", "/changed", "If-Match: *\r\n", NULL), 200);
    assert_int_equal(test_ask(&ts, "GET", "/changed", "If-Match: \"abd\"\r\n", NULL), 412);
    assert_int_equal(test_ask(&ts, "GET", "/changed", "If-Match: W/\"abc\"\r\n", NULL), 412);
    assert_int_equal(test_ask(&ts, "GET", "/changed", "If-Match: \r\n", NULL), 412);
    test_service_stop(&ts);
}

static void
nothing_is_said_where_there_is_nothing(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "DELETE", "/r/x", NULL, NULL), 204);
    assert_string_equal(ts.body, "");
    assert_false(test_has(&ts, "Content-Type"));
    test_service_stop(&ts);
}

/* --- pages --- */

static void
the_process_says_how_it_is(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    ts.key_text[0] = '\0';
    assert_int_equal(test_ask(&ts, "GET", "/healthz", NULL, NULL), 200);
    assert_string_equal(ts.body, "{\"status\":\"ok\"}");
    assert_int_equal(test_ask(&ts, "GET", "/readyz", NULL, NULL), 200);
    assert_true(test_has(&ts, "\"checks\":{\"store\":{\"status\":\"ok\"}"));
    service_drain(ts.service);
    assert_int_equal(test_ask(&ts, "GET", "/readyz", NULL, NULL), 503);
    assert_true(test_has(&ts, "\"draining\":{\"status\":\"failing\""));
    assert_int_equal(test_ask(&ts, "GET", "/healthz", NULL, NULL), 200);
    test_service_stop(&ts);
}

static void
metrics_are_open_nearby_and_need_a_key_through_a_proxy(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts);
    assert_int_equal(test_ask(&ts, "GET", "/metrics", "X-Forwarded-For: 9.9.9.9\r\n", NULL), 200);
    ts.key_text[0] = '\0';
    assert_int_equal(test_ask(&ts, "GET", "/metrics", NULL, NULL), 200);
    assert_true(test_has(&ts, "usher_http_requests_total"));
    assert_true(test_has(&ts, "Content-Type: text/plain; version=0.0.4"));
    assert_int_equal(test_ask(&ts, "GET", "/metrics", "X-Forwarded-For: 9.9.9.9\r\n", NULL), 401);
    test_service_stop(&ts);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_answered_for_the_account_of_its_key),
        cmocka_unit_test(a_key_may_come_as_a_bearer_token),
        cmocka_unit_test(missing_unknown_and_expired_keys_and_scopes_are_told_apart),
        cmocka_unit_test(a_stranger_learns_nothing_but_401),
        cmocka_unit_test(a_key_may_ask_only_so_often),
        cmocka_unit_test(each_key_is_counted_by_itself_whatever_it_opens),
        cmocka_unit_test(what_asks_for_no_key_is_not_counted),
        cmocka_unit_test(unknown_paths_and_other_methods_are_refused),
        cmocka_unit_test(head_is_a_get_without_its_body),
        cmocka_unit_test(an_unknown_query_parameter_is_named),
        cmocka_unit_test(a_body_must_be_the_json_that_it_says_it_is),
        cmocka_unit_test(a_body_past_a_mebibyte_is_refused),
        cmocka_unit_test(a_request_id_is_echoed_when_it_is_sane),
        cmocka_unit_test(refusals_carry_their_texts),
        cmocka_unit_test(a_failure_of_ours_is_told_by_its_id_alone),
        cmocka_unit_test(a_full_disk_asks_to_come_again),
        cmocka_unit_test(a_change_of_something_else_is_refused),
        cmocka_unit_test(nothing_is_said_where_there_is_nothing),
        cmocka_unit_test(the_process_says_how_it_is),
        cmocka_unit_test(metrics_are_open_nearby_and_need_a_key_through_a_proxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
