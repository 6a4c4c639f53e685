/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"
#include "support/service.h"

#define HOOKS   "/api/v1/integration/webhook/webhook"
#define MINIMUM "\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"webinar.created.single\""

struct fixture {
    struct test_service ts;
    struct api api;
    struct address_guard guard;
    struct id_source ids;
    struct resolver *resolver;
    char id[ID_TEXT_BYTES]; /* of the last hook that was made */
    char path[200];
};

static void
start(struct fixture *f)
{
    static const uint8_t random[8] = {1, 2, 3};

    memset(f, 0, sizeof(*f));
    id_source_init(&f->ids, random);
    assert_int_equal(cidr_parse(STR("127.0.0.0/8"), &f->guard.allowed[f->guard.count++], NULL), OK);
    f->api.ids = &f->ids;
    f->api.guard = &f->guard;
    f->api.resolvers = &f->resolver;
    test_service_start(&f->ts, &api_hook_routes, 1, &f->api);
    assert_int_equal(resolver_new(f->ts.loop, "127.0.0.1:9", &f->resolver, NULL), OK);
}

static void
stop(struct fixture *f)
{
    resolver_free(f->resolver);
    test_service_stop(&f->ts);
}

/* The text after a key of the answer, as far as its quote. */
static const char *
value_of(const struct fixture *f, const char *key)
{
    static char value[200];
    const char *at = strstr(f->ts.body, key);
    size_t len;

    if (at == NULL) {
        fail_msg("no %s in %s", key, f->ts.body);
        return "";
    }
    at += strlen(key);
    len = strcspn(at, "\"");
    assert_true(len < sizeof(value));
    memcpy(value, at, len);
    value[len] = '\0';
    return value;
}

static void
create(struct fixture *f, const char *body)
{
    if (test_ask(&f->ts, "POST", HOOKS, NULL, body) != 201)
        fail_msg("%s: %s", body, f->ts.text);
    (void)snprintf(f->id, sizeof(f->id), "%s", value_of(f, "\"id\":\""));
}

static const char *
path(struct fixture *f, const char *what)
{
    (void)snprintf(f->path, sizeof(f->path), HOOKS "/%s%s", f->id, what);
    return f->path;
}

static void
must_ask(struct fixture *f, int status, const char *method, const char *what, const char *body)
{
    if (test_ask(&f->ts, method, path(f, what), NULL, body) != status)
        fail_msg("%s %s: %s", method, f->path, f->ts.text);
}

static void
a_hook_is_made_and_its_secret_is_shown_once(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM ",\"webinar\":\"634fc35ddaf58580e2418c40\"}");
    assert_true(test_has(&f.ts, "\"hookUrl\":\"http://127.0.0.1:9/h\","
                                "\"event\":\"webinar.created.single\","
                                "\"webinar\":\"634fc35ddaf58580e2418c40\",\"mango\":null,"
                                "\"description\":\"\",\"headers\":{},\"phoneFormat\":\"number\","
                                "\"signature\":\"v1\",\"rateLimit\":null,\"effectiveRate\":null,"
                                "\"maxInFlight\":16,\"status\":\"enabled\","
                                "\"failingSince\":null,\"secret\":\"whsec_"));
    assert_true(test_has(&f.ts, "\"createdAt\":\"2024-03-15T10:00:00.000Z\","
                                "\"updatedAt\":\"2024-03-15T10:00:00.000Z\"}"));
    assert_true(test_has(&f.ts, "\r\nETag: \""));

    must_ask(&f, 200, "GET", "", NULL);
    assert_false(test_has(&f.ts, "\"secret\""));
    assert_true(test_has(&f.ts, "\"secretHint\":\"whsec_\xe2\x80\xa6"));
    must_ask(&f, 200, "HEAD", "", NULL);
    stop(&f);
}

static void
what_is_given_is_kept_and_secrets_are_not_shown(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f,
        "{\"hookUrl\":\"http://u:p@127.0.0.1:9/h\",\"event\":\"webinar.created.single\","
        "\"description\":\"d\",\"headers\":{\"x-token\":\"t0ken\"},\"phoneFormat\":\"string\","
        "\"rateLimit\":0.1,\"maxInFlight\":256,"
        "\"secret\":\"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}");
    assert_true(
        test_has(&f.ts, "\"secret\":\"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\""));
    assert_true(test_has(&f.ts, "\"hookUrl\":\"http://127.0.0.1:9/h\""));
    assert_true(test_has(&f.ts, "\"headers\":{\"x-token\":\"********\"}"));
    assert_true(test_has(&f.ts, "\"rateLimit\":0.1,\"effectiveRate\":0.1,"));
    assert_false(test_has(&f.ts, "t0ken"));
    assert_false(test_has(&f.ts, "u:p"));
    stop(&f);
}

static void
an_asymmetric_hook_shows_its_public_key(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM ",\"signature\":\"v1a\"}");
    assert_true(test_has(&f.ts, "\"secret\":\"whsk_"));
    assert_true(test_has(&f.ts, "\"publicKey\":\"whpk_"));
    must_ask(&f, 200, "GET", "", NULL);
    assert_true(test_has(&f.ts, "\"publicKey\":\"whpk_"));
    assert_false(test_has(&f.ts, "\"secret\":"));
    stop(&f);
}

static void
a_bad_hook_is_refused_with_every_fault(void **state)
{
    static const struct {
        const char *body;
        const char *says;
    } bad[] = {
        {"{\"hookUrl\":\"http://10.0.0.1/\",\"event\":\"webinar.created.single\"}",
            "{\"pointer\":\"/hookUrl\",\"detail\":\"is at 10.0.0.1, which is not called (private)"},
        {"{\"hookUrl\":\"http://[::1]/\",\"event\":\"webinar.created.single\"}",
            "--allow-hook-cidr ::1"},
        {"{\"hookUrl\":\"ftp://127.0.0.1/\",\"event\":\"webinar.created.single\"}",
            "\"pointer\":\"/hookUrl\""},
        {"{\"hookUrl\":\"https://exa mple/\",\"event\":\"webinar.created.single\"}",
            "\"pointer\":\"/hookUrl\""},
        {"{\"hookUrl\":\"http://10.0.0.1/\",\"event\":\"x\"}", "2 faults"},
        {"{" MINIMUM ",\"mango\":\"634fc35ddaf58580e2418c40\"}", "there is no such mango"},
        {"{" MINIMUM ",\"webinarID\":\"634fc35ddaf58580e2418c40\"}", "\"pointer\":\"/webinarID\""},
        {"{\"hookUrl\":\"http://u:p@127.0.0.1:9/\",\"event\":\"webinar.created.single\","
         "\"headers\":{\"Authorization\":\"x\"}}",
            "leave one of the two out"},
        {"[]", "the body must be an object, not an array"},
    };
    struct fixture f;

    (void)state;
    start(&f);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (test_ask(&f.ts, "POST", HOOKS, NULL, bad[i].body) != 422 ||
            !test_has(&f.ts, bad[i].says))
            fail_msg("%s: %s", bad[i].body, f.ts.text);
    }
    assert_int_equal(test_ask(&f.ts, "GET", HOOKS, NULL, NULL), 200);
    assert_string_equal(f.ts.body, "{\"data\":[],\"nextCursor\":null}");
    stop(&f);
}

static void
the_same_hook_twice_is_refused_naming_the_first(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM "}");
    assert_int_equal(test_ask(&f.ts, "POST", HOOKS, NULL, "{" MINIMUM "}"), 409);
    assert_true(test_has(&f.ts, f.id));
    create(&f, "{" MINIMUM ",\"webinar\":\"634fc35ddaf58580e2418c40\"}");
    must_ask(&f, 409, "PATCH", "", "{\"webinar\":null}");
    must_ask(&f, 200, "PATCH", "", "{\"webinar\":\"634fc35ddaf58580e2418c41\"}");
    must_ask(&f, 200, "PATCH", "", "{\"hookUrl\":\"http://127.0.0.1:9/h\"}");
    stop(&f);
}

static void
a_patch_changes_the_hook_and_its_etag(void **state)
{
    struct fixture f;
    char etag[60];
    char fields[100];

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM ",\"headers\":{\"x-a\":\"1\"}}");
    (void)snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(strstr(f.ts.text, "ETag: ") + 6, "\r"),
        strstr(f.ts.text, "ETag: ") + 6);
    (void)snprintf(fields, sizeof(fields), "If-Match: %s\r\n", etag);

    assert_int_equal(test_ask(&f.ts, "PATCH", path(&f, ""), fields,
                         "{\"description\":\"new\",\"headers\":{\"x-b\":\"2\"}}"),
        200);
    assert_true(test_has(&f.ts, "\"description\":\"new\""));
    assert_true(test_has(&f.ts, "\"headers\":{\"x-a\":\"********\",\"x-b\":\"********\"}"));
    assert_false(test_has(&f.ts, etag));
    assert_int_equal(test_ask(&f.ts, "PATCH", path(&f, ""), fields, "{\"description\":\"x\"}"),
        412);
    assert_int_equal(test_ask(&f.ts, "DELETE", path(&f, ""), fields, NULL), 412);

    must_ask(&f, 422, "PATCH", "", "{\"event\":\"webinar.created.single\"}");
    must_ask(&f, 422, "PATCH", "", "{\"hookUrl\":\"https://10.0.0.1/\"}");
    must_ask(&f, 422, "PATCH", "", "{\"mango\":\"634fc35ddaf58580e2418c40\"}");
    must_ask(&f, 200, "GET", "", NULL);
    assert_true(test_has(&f.ts, "\"description\":\"new\""));
    assert_true(test_has(&f.ts, "\"hookUrl\":\"http://127.0.0.1:9/h\""));
    stop(&f);
}

static void
a_deleted_hook_is_not_there_any_more(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM "}");
    must_ask(&f, 204, "DELETE", "", NULL);
    must_ask(&f, 404, "DELETE", "", NULL);
    must_ask(&f, 404, "GET", "", NULL);
    must_ask(&f, 404, "PATCH", "", "{}");
    must_ask(&f, 404, "POST", "/enable", NULL);
    create(&f, "{" MINIMUM "}");
    stop(&f);
}

static void
another_accounts_hook_is_not_there(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM "}");
    test_key_make(&f.ts, 2, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&f.ts, 2);
    must_ask(&f, 404, "GET", "", NULL);
    must_ask(&f, 404, "PATCH", "", "{}");
    must_ask(&f, 404, "DELETE", "", NULL);
    must_ask(&f, 404, "POST", "/disable", NULL);
    must_ask(&f, 404, "POST", "/rotate-secret", NULL);
    assert_int_equal(test_ask(&f.ts, "GET", HOOKS, NULL, NULL), 200);
    assert_string_equal(f.ts.body, "{\"data\":[],\"nextCursor\":null}");
    create(&f, "{" MINIMUM "}");
    stop(&f);
}

static void
a_hook_is_disabled_and_enabled_again(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM "}");
    must_ask(&f, 200, "POST", "/disable", NULL);
    assert_true(test_has(&f.ts, "\"status\":\"disabled\",\"disabledBy\":\"owner\""));
    must_ask(&f, 200, "POST", "/disable", "{}");
    must_ask(&f, 200, "POST", "/enable", NULL);
    assert_true(test_has(&f.ts, "\"status\":\"enabled\""));
    assert_false(test_has(&f.ts, "disabledBy"));
    stop(&f);
}

static enum err
run_sql(struct store_call *call, struct engine *engine)
{
    return engine_exec(engine,
        "UPDATE hook SET failing_us = 1710496700000000, first_failure_us = 1710496600000000,"
        " learned_rate = 2.5",
        &call->error);
}

/* As its lane says. */
static void
fail_hooks(struct fixture *f)
{
    struct store_call call = {.run = run_sql, .writes = true};

    assert_int_equal(store_run(f->ts.store, &call), OK);
}

static void
a_failing_hook_says_so_until_it_is_enabled(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM ",\"rateLimit\":10}");
    fail_hooks(&f);
    must_ask(&f, 200, "GET", "", NULL);
    assert_true(test_has(&f.ts, "\"rateLimit\":10,\"effectiveRate\":2.5,"));
    assert_true(test_has(&f.ts, "\"failingSince\":\"2024-03-15T09:58:20.000Z\""));
    must_ask(&f, 200, "PATCH", "", "{\"rateLimit\":2}");
    assert_true(test_has(&f.ts, "\"rateLimit\":2,\"effectiveRate\":2,"));
    must_ask(&f, 200, "PATCH", "", "{\"rateLimit\":null}");
    assert_true(test_has(&f.ts, "\"rateLimit\":null,\"effectiveRate\":2.5,"));
    must_ask(&f, 422, "PATCH", "", "{\"failingSince\":null,\"effectiveRate\":1}");
    assert_true(test_has(&f.ts, "\"pointer\":\"/failingSince\""));
    assert_true(test_has(&f.ts, "\"pointer\":\"/effectiveRate\""));

    must_ask(&f, 200, "POST", "/enable", NULL);
    assert_true(test_has(&f.ts, "\"failingSince\":null"));
    must_ask(&f, 200, "GET", "", NULL);
    assert_true(test_has(&f.ts, "\"failingSince\":null"));

    fail_hooks(&f);
    must_ask(&f, 200, "POST", "/disable", NULL);
    must_ask(&f, 200, "POST", "/enable", NULL);
    must_ask(&f, 200, "GET", "", NULL);
    assert_true(test_has(&f.ts, "\"failingSince\":null"));
    stop(&f);
}

static void
a_hook_may_ask_for_notices(void **state)
{
    static const char *const types[] = {"hook.failing", "hook.disabled", "hook.recovered",
        "delivery.dead"};
    struct fixture f;
    char body[300];

    (void)state;
    start(&f);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        (void)snprintf(body, sizeof(body),
            "{\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"%s\",\"webinar\":null,"
            "\"phoneFormat\":\"string\"}",
            types[i]);
        create(&f, body);
        assert_string_equal(value_of(&f, "\"event\":\""), types[i]);
        must_ask(&f, 422, "PATCH", "", "{\"webinar\":\"634fc35ddaf58580e2418c40\"}");
        assert_true(test_has(&f.ts, "does not apply to this event"));
    }
    assert_int_equal(
        test_ask(&f.ts, "POST", HOOKS, NULL,
            "{\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"hook.failing\","
            "\"webinar\":\"634fc35ddaf58580e2418c40\",\"mango\":\"634fc35ddaf58580e2418c40\"}"),
        422);
    assert_true(test_has(&f.ts, "{\"pointer\":\"/webinar\",\"detail\":\"does not apply"));
    assert_true(test_has(&f.ts, "{\"pointer\":\"/mango\",\"detail\":\"does not apply"));
    assert_int_equal(test_ask(&f.ts, "GET", HOOKS "?event=hook.failing", NULL, NULL), 200);
    assert_true(test_has(&f.ts, "\"event\":\"hook.failing\""));
    assert_false(test_has(&f.ts, "\"event\":\"hook.disabled\""));
    stop(&f);
}

static void
a_rotated_secret_is_new_and_the_old_one_stays_a_while(void **state)
{
    struct fixture f;
    char first[100];

    (void)state;
    start(&f);
    create(&f, "{" MINIMUM "}");
    (void)snprintf(first, sizeof(first), "%s", value_of(&f, "\"secret\":\""));
    must_ask(&f, 200, "POST", "/rotate-secret", NULL);
    assert_string_not_equal(value_of(&f, "\"secret\":\""), first);
    assert_string_equal(value_of(&f, "\"oldSecretUntil\":\""), "2024-03-16T10:00:00.000Z");
    must_ask(&f, 200, "POST", "/rotate-secret", "{\"overlapSeconds\":60}");
    assert_string_equal(value_of(&f, "\"oldSecretUntil\":\""), "2024-03-15T10:01:00.000Z");
    must_ask(&f, 200, "POST", "/rotate-secret",
        "{\"overlapSeconds\":0,\"secret\":\"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}");
    assert_true(test_has(&f.ts, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    assert_false(test_has(&f.ts, "oldSecretUntil"));

    must_ask(&f, 422, "POST", "/rotate-secret", "{\"overlapSeconds\":-1}");
    must_ask(&f, 422, "POST", "/rotate-secret", "{\"overlap\":1}");
    must_ask(&f, 422, "POST", "/rotate-secret", "{\"secret\":\"short\"}");
    must_ask(&f, 422, "POST", "/rotate-secret",
        "{\"secret\":\"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}");
    stop(&f);
}

static void
a_list_goes_on_with_its_cursor_and_no_other(void **state)
{
    struct fixture f;
    char request[300];
    char cursor[100];
    char ids[3][ID_TEXT_BYTES];

    (void)state;
    start(&f);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(request, sizeof(request),
            "{\"hookUrl\":\"http://127.0.0.1:9/%d\",\"event\":\"webinar.created.single\"}", i);
        create(&f, request);
        memcpy(ids[i], f.id, sizeof(f.id));
    }
    assert_int_equal(test_ask(&f.ts, "GET", HOOKS "?limit=2&status=enabled", NULL, NULL), 200);
    assert_true(test_has(&f.ts, ids[2]) && test_has(&f.ts, ids[1]) && !test_has(&f.ts, ids[0]));
    (void)snprintf(cursor, sizeof(cursor), "%s", value_of(&f, "\"nextCursor\":\""));

    (void)snprintf(request, sizeof(request), HOOKS "?cursor=%s&status=enabled&limit=2", cursor);
    assert_int_equal(test_ask(&f.ts, "GET", request, NULL, NULL), 200);
    assert_true(test_has(&f.ts, ids[0]) && !test_has(&f.ts, ids[1]));
    assert_true(test_has(&f.ts, "\"nextCursor\":null"));

    (void)snprintf(request, sizeof(request), HOOKS "?cursor=%s&limit=2", cursor);
    assert_int_equal(test_ask(&f.ts, "GET", request, NULL, NULL), 422);
    assert_true(test_has(&f.ts, "\"parameter\":\"cursor\""));
    (void)snprintf(request, sizeof(request), HOOKS "?cursor=%s&status=disabled", cursor);
    assert_int_equal(test_ask(&f.ts, "GET", request, NULL, NULL), 422);
    (void)snprintf(request, sizeof(request), HOOKS "?cursor=%sx&status=enabled", cursor);
    assert_int_equal(test_ask(&f.ts, "GET", request, NULL, NULL), 422);
    stop(&f);
}

static void
a_wrong_list_is_refused(void **state)
{
    static const char *const bad[] = {"?limit=0", "?limit=251", "?limit=x",
        "?limit=", "?cursor=", "?cursor=AAAA", "?status=deleted", "?event=x", "?webinar=1",
        "?after=yesterday", "?before=2024", "?page=1"};
    struct fixture f;
    char request[300];

    (void)state;
    start(&f);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        (void)snprintf(request, sizeof(request), HOOKS "%s", bad[i]);
        if (test_ask(&f.ts, "GET", request, NULL, NULL) != 422)
            fail_msg("%s: %s", bad[i], f.ts.text);
    }
    assert_int_equal(test_ask(&f.ts, "GET",
                         HOOKS "?limit=250&after=2024-01-01T00:00:00Z&before="
                               "2025-01-01T00:00:00%2B05:30",
                         NULL, NULL),
        200);
    stop(&f);
}

static void
event_types_are_told(void **state)
{
    struct fixture f;
    struct arena arena;
    struct json *json = NULL;

    (void)state;
    start(&f);
    assert_int_equal(test_ask(&f.ts, "GET", "/api/v1/event-types", NULL, NULL), 200);
    assert_true(test_has(&f.ts, "\"name\":\"webinar.created.single\""));
    assert_true(test_has(&f.ts, "\"filters\":[\"webinar\",\"mango\"]"));
    assert_true(test_has(&f.ts, "\"name\":\"delivery.dead\""));
    assert_true(test_has(&f.ts, "\"filters\":[],"));
    arena_init(&arena, 1 << 20);
    assert_int_equal(json_parse(str_from(f.ts.body), &arena, &json, NULL), OK);
    arena_done(&arena);
    stop(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_is_made_and_its_secret_is_shown_once),
        cmocka_unit_test(what_is_given_is_kept_and_secrets_are_not_shown),
        cmocka_unit_test(an_asymmetric_hook_shows_its_public_key),
        cmocka_unit_test(a_bad_hook_is_refused_with_every_fault),
        cmocka_unit_test(the_same_hook_twice_is_refused_naming_the_first),
        cmocka_unit_test(a_patch_changes_the_hook_and_its_etag),
        cmocka_unit_test(a_deleted_hook_is_not_there_any_more),
        cmocka_unit_test(another_accounts_hook_is_not_there),
        cmocka_unit_test(a_hook_is_disabled_and_enabled_again),
        cmocka_unit_test(a_failing_hook_says_so_until_it_is_enabled),
        cmocka_unit_test(a_hook_may_ask_for_notices),
        cmocka_unit_test(a_rotated_secret_is_new_and_the_old_one_stays_a_while),
        cmocka_unit_test(a_list_goes_on_with_its_cursor_and_no_other),
        cmocka_unit_test(a_wrong_list_is_refused),
        cmocka_unit_test(event_types_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
