/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

#define ADMIN   9 /* the key's number */
#define HOOKS   "/integration/webhook/webhook"
#define NOBODYS "634fc35ddaf58580e2418c40"

static int
setup(void **state)
{
    struct domain_api *f;
    int err = domain_api_setup(state);

    f = *state;
    f->api.account_rate = 1000;
    test_key_make(&f->ts, ADMIN, NULL, SCOPE_ADMIN, 0);
    test_key_use(&f->ts, ADMIN);
    return err;
}

/* Ask with another key, given as text. */
static void
use_key(struct domain_api *f, const char *text)
{
    assert_int_equal(strlen(text), KEY_TEXT_BYTES - 1);
    memcpy(f->ts.key_text, text, KEY_TEXT_BYTES);
}

static const char *
value_of(const struct domain_api *f, const char *name)
{
    const char *at = strstr(f->ts.body, text_of("\"%s\":\"", name));

    if (at == NULL) {
        fail_msg("no %s in %s", name, f->ts.body);
        return "";
    }
    at += strlen(name) + 4;
    return text_of("%.*s", (int)strcspn(at, "\""), at);
}

static void
an_account_is_made_read_and_changed(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/accounts", "{\"name\":\"acme\"}");
    const char *path = text_of("/accounts/%s", id.text);

    must_have(f, "\"name\":\"acme\",\"rateLimit\":1000,\"createdAt\":\"2024-03-15T10:00:00.000Z\"");
    must_have(f, "ETag: ");
    must_ask(f, 200, "GET", path, NULL);
    must_have(f, "\"rateLimit\":1000");
    must_ask(f, 200, "PATCH", path, "{\"rateLimit\":0.5}");
    must_have(f, "\"name\":\"acme\",\"rateLimit\":0.5");
    must_ask(f, 200, "PATCH", path, "{\"name\":\"ACME\",\"rateLimit\":null}");
    must_have(f, "\"name\":\"ACME\",\"rateLimit\":null");
    must_ask(f, 201, "POST", "/accounts", "{\"name\":\"b\",\"rateLimit\":null}");
    must_have(f, "\"rateLimit\":null");
    f->api.account_rate = 0;
    must_ask(f, 201, "POST", "/accounts", "{\"name\":\"c\",\"id\":\"634fc35ddaf58580e2418c41\"}");
    must_have(f, "\"id\":\"634fc35ddaf58580e2418c41\",\"name\":\"c\",\"rateLimit\":null");

    must_ask(f, 200, "GET", "/accounts?limit=2", NULL);
    must_have(f, "\"name\":\"c\"");
    must_have(f, "\"name\":\"b\"");
    must_not_have(f, "ACME");
    must_ask(f, 200, "GET", text_of("/accounts?limit=2&cursor=%s", value_of(f, "nextCursor")),
        NULL);
    must_have(f, "ACME");
    must_have(f, "\"name\":\"default\"");
    must_have(f, "\"nextCursor\":null");
}

static void
what_is_wrong_with_an_account_is_told(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/accounts", "{\"name\":\"acme\"}");
    const char *path = text_of("/accounts/%s", id.text);
    int64_t count = count_of(f, "SELECT count(*) FROM account");

    must_ask(f, 422, "POST", "/accounts", "{}");
    must_have(f, "\"/name\"");
    must_ask(f, 422, "POST", "/accounts", "{\"name\":\" a\",\"rateLimit\":0,\"ratelimit\":1}");
    must_have(f, "\"/name\"");
    must_have(f, "\"/rateLimit\"");
    must_have(f, "\"/ratelimit\"");
    must_ask(f, 422, "POST", "/accounts", "{\"name\":\"a\",\"rateLimit\":\"5\"}");
    must_ask(f, 422, "POST", "/accounts", "{\"name\":\"a\",\"rateLimit\":1000001}");
    must_ask(f, 409, "POST", "/accounts", "{\"name\":\"default\"}");
    must_have(f, "there is an account \\\"default\\\" already");
    must_ask(f, 409, "POST", "/accounts", text_of("{\"name\":\"a\",\"id\":\"%s\"}", id.text));
    must_ask(f, 409, "PATCH", path, "{\"name\":\"default\"}");
    must_ask(f, 422, "PATCH", path, text_of("{\"id\":\"%s\"}", id.text));
    assert_int_equal(test_ask(&f->ts, "PATCH", text_of("/api/v1%s", path), "If-Match: \"1\"\r\n",
                         "{\"name\":\"b\"}"),
        412);
    must_ask(f, 404, "GET", "/accounts/" NOBODYS, NULL);
    must_ask(f, 404, "GET", "/accounts/x", NULL);
    must_ask(f, 404, "POST", "/accounts/" NOBODYS "/keys", "{}");
    must_ask(f, 405, "PUT", path, "{}");
    assert_int_equal(count_of(f, "SELECT count(*) FROM account"), count);
    assert_int_equal(count_of(f, "SELECT count(*) FROM account WHERE name = 'acme'"), 1);
}

static void
a_key_opens_its_account_until_it_is_deleted(void **state)
{
    struct domain_api *f = *state;
    struct id_text account = must_make(f, "/accounts", "{\"name\":\"acme\"}");
    const char *keys = text_of("/accounts/%s/keys", account.text);
    struct id_text id = must_make(f, keys, NULL);
    const char *key = value_of(f, "key");
    const char *one = text_of("%s/%s", keys, id.text);

    must_have(f, "\"name\":\"API\",\"scopes\":[\"read\",\"write\",\"inbox\"]");
    must_have(f, text_of("\"keyHint\":\"%s\",\"expiresAt\":null", key + KEY_TEXT_BYTES - 5));
    use_key(f, key);
    must_ask(f, 200, "GET", "/mangoes", NULL);
    must_ask(f, 403, "GET", keys, NULL);

    test_key_use(&f->ts, ADMIN);
    must_ask(f, 200, "GET", keys, NULL);
    must_have(f, id.text);
    must_have(f, text_of("\"keyHint\":\"%s\"", key + KEY_TEXT_BYTES - 5));
    must_not_have(f, key);
    must_ask(f, 404, "DELETE", text_of("%s/" NOBODYS, keys), NULL);
    must_ask(f, 404, "DELETE",
        text_of("/accounts/%s/keys/%s", must_make(f, "/accounts", "{\"name\":\"other\"}").text,
            id.text),
        NULL);
    must_ask(f, 204, "DELETE", one, NULL);
    must_ask(f, 404, "DELETE", one, NULL);
    use_key(f, key);
    must_ask(f, 401, "GET", "/mangoes", NULL);
}

static void
a_key_is_made_with_a_name_scopes_and_an_end(void **state)
{
    struct domain_api *f = *state;
    struct id_text account = must_make(f, "/accounts", "{\"name\":\"acme\"}");
    const char *keys = text_of("/accounts/%s/keys", account.text);
    const char *key;

    must_ask(f, 201, "POST", keys,
        "{\"name\":\"reader\",\"scopes\":[\"read\"],\"expiresAt\":\"2024-03-15T11:00:00Z\"}");
    must_have(f, "\"name\":\"reader\",\"scopes\":[\"read\"]");
    must_have(f, "\"expiresAt\":\"2024-03-15T11:00:00.000Z\"");
    key = value_of(f, "key");

    must_ask(f, 422, "POST", keys,
        "{\"scopes\":[\"admin\"],\"expiresAt\":\"2024-03-15T10:00:00Z\"}");
    must_have(f, "\"/scopes\"");
    must_have(f, "\"/expiresAt\"");
    must_ask(f, 422, "POST", keys, "{\"scopes\":[]}");
    must_ask(f, 422, "POST", keys, "{\"scopes\":\"read\"}");
    must_ask(f, 422, "POST", keys, "{\"name\":\"\",\"key\":\"usk_\"}");
    must_have(f, "\"/name\"");
    must_have(f, "\"/key\"");
    assert_int_equal(count_of(f, "SELECT count(*) FROM api_key WHERE name = 'reader'"), 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM api_key"), 3);

    use_key(f, key);
    must_ask(f, 200, "GET", "/mangoes", NULL);
    must_ask(f, 403, "POST", "/mangoes", "{\"name\":\"m\"}");
    clock_manual_advance(&f->ts.clock, 3600 * US_PER_S);
    must_ask(f, 401, "GET", "/mangoes", NULL);
    must_have(f, "expired");
}

static void
accounts_are_for_admin_keys_and_all_else_is_not(void **state)
{
    struct domain_api *f = *state;

    must_ask(f, 403, "GET", "/mangoes", NULL);
    must_ask(f, 403, "POST", "/mangoes", "{\"name\":\"m\"}");
    test_key_use(&f->ts, 1);
    must_ask(f, 403, "GET", "/accounts", NULL);
    must_have(f, "admin");
    must_ask(f, 403, "POST", "/accounts", "{\"name\":\"m\"}");
    must_ask(f, 403, "DELETE", "/accounts/" NOBODYS, NULL);
    assert_int_equal(count_of(f, "SELECT count(*) FROM account"), 1);
}

static void
make_hooks(struct domain_api *f, int count)
{
    for (int i = 0; i < count; i++)
        must_ask(f, 201, "POST", HOOKS,
            text_of("{\"hookUrl\":\"http://127.0.0.1:9/%d\",\"event\":\"webinar.created.single\"}",
                i));
}

static void
a_changed_rate_limit_reaches_the_lanes(void **state)
{
    struct domain_api *f = *state;
    const char *path;

    must_ask(f, 200, "GET", "/accounts", NULL);
    path = text_of("/accounts/%s", value_of(f, "id"));
    test_key_use(&f->ts, 1);
    make_hooks(f, 3);
    test_key_use(&f->ts, ADMIN);
    f->changed = 0;
    must_ask(f, 200, "PATCH", path, "{\"name\":\"renamed\"}");
    assert_int_equal(f->changed, 0);
    must_ask(f, 200, "PATCH", path, "{\"rateLimit\":7}");
    assert_int_equal(f->changed, 3);
    must_ask(f, 200, "PATCH", path, "{\"rateLimit\":7}");
    assert_int_equal(f->changed, 3);
}

/* As the API would make them, but quickly. */
static void
many_hooks_are_told_too(void **state)
{
    struct domain_api *f = *state;
    const char *path;

    must_ask(f, 200, "GET", "/accounts", NULL);
    path = text_of("/accounts/%s", value_of(f, "id"));
    change_store(f, "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n"
                    " WHERE n < 3000) INSERT INTO hook (account_pk, id, url, event, description,"
                    " phone_format, signature, secret_sealed, max_in_flight, status, created_us,"
                    " updated_us) SELECT 1, CAST(n AS BLOB), '', '', '', '', '', x'', 1,"
                    " 'enabled', 0, 0 FROM n");
    f->changed = 0;
    must_ask(f, 200, "PATCH", path, "{\"rateLimit\":7}");
    assert_int_equal(f->changed, 3000);
    f->changed = 0;
    must_ask(f, 204, "DELETE", path, NULL);
    assert_int_equal(f->changed, 3000);
}

static void
a_deleted_account_has_no_keys_and_no_hooks(void **state)
{
    struct domain_api *f = *state;
    char path[64];

    must_ask(f, 200, "GET", "/accounts", NULL);
    (void)snprintf(path, sizeof(path), "/accounts/%s", value_of(f, "id"));
    test_key_use(&f->ts, 1);
    make_hooks(f, 70); /* more than one transaction takes */
    must_ask(f, 201, "POST", "/webinars",
        "{\"title\":\"t\",\"link\":\"https://a.example/\",\"timezone\":\"UTC\","
        "\"from\":\"2024-03-16T10:00:00Z\",\"to\":\"2024-03-16T11:00:00Z\"}");
    test_key_use(&f->ts, ADMIN);
    f->changed = 0;
    assert_int_equal(
        test_ask(&f->ts, "DELETE", text_of("/api/v1%s", path), "If-Match: \"1\"\r\n", NULL), 412);
    must_ask(f, 204, "DELETE", path, NULL);
    assert_int_equal(f->changed, 70);
    assert_int_equal(count_of(f, "SELECT count(*) FROM hook WHERE status <> 'deleted'"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM account WHERE deleted_us IS NOT NULL"), 1);
    must_ask(f, 404, "DELETE", path, NULL);
    must_ask(f, 404, "GET", path, NULL);
    must_ask(f, 404, "PATCH", path, "{\"name\":\"a\"}");
    must_ask(f, 200, "GET", "/accounts", NULL);
    must_have(f, "\"data\":[]");
    must_ask(f, 201, "POST", "/accounts", "{\"name\":\"default\"}");
    test_key_use(&f->ts, 1);
    must_ask(f, 401, "GET", "/mangoes", NULL);
}

#define ACCOUNT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, domain_api_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ACCOUNT_TEST(an_account_is_made_read_and_changed),
        ACCOUNT_TEST(what_is_wrong_with_an_account_is_told),
        ACCOUNT_TEST(a_key_opens_its_account_until_it_is_deleted),
        ACCOUNT_TEST(a_key_is_made_with_a_name_scopes_and_an_end),
        ACCOUNT_TEST(accounts_are_for_admin_keys_and_all_else_is_not),
        ACCOUNT_TEST(a_changed_rate_limit_reaches_the_lanes),
        ACCOUNT_TEST(many_hooks_are_told_too),
        ACCOUNT_TEST(a_deleted_account_has_no_keys_and_no_hooks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
