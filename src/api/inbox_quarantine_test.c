/* SPDX-License-Identifier: Apache-2.0 */
#include "support/inbox_api.h"

#define QUARANTINE "/inbox/quarantine"
#define RELEASE    QUARANTINE "/release"
#define NOBODYS    "re_0006133c6690e000"

/* The id of the first refused call in the last answer. */
static const char *
first_id(const struct domain_api *f)
{
    const char *at = strstr(f->ts.body, "\"id\":\"re_");

    assert_non_null(at);
    return text_of("%.*s", ITEM_ID_BYTES - 1, at + strlen("\"id\":\""));
}

static int64_t
kept(struct domain_api *f)
{
    return count_of(f, "SELECT count(*) FROM quarantine");
}

static void
refused_calls_are_listed_without_what_they_said(void **state)
{
    struct domain_api *f = *state;

    must_refuse(f, "locked", "wrong", STR("{\"a\":1}"), 0);
    must_refuse(f, "open", NULL, STR("{"), 1);
    must_ask(f, 200, "GET", QUARANTINE, NULL);
    must_have(f, "\"source\":\"open\",\"peer\":\"192.0.2.7:50112\",\"reason\":"
                 "\"the token is another one\",\"receivedAt\":\"2024-03-15T10:00:01.000Z\"},"
                 "{\"id\":\"re_");
    must_not_have(f, "c2VjcmV0");
    must_ask(f, 200, "GET", QUARANTINE "?source=locked", NULL);
    must_have(f, "\"source\":\"locked\"");
    must_not_have(f, "\"source\":\"open\"");
    must_ask(f, 200, "GET", QUARANTINE "?source=other", NULL);
    must_have(f, "{\"data\":[],\"nextCursor\":null}");
    must_ask(f, 422, "GET", QUARANTINE "?limit=1000", NULL);
    must_ask(f, 422, "GET", QUARANTINE "?peer=x", NULL);
}

static void
a_cursor_goes_on_where_the_page_ended(void **state)
{
    struct domain_api *f = *state;
    const char *cursor;
    const char *oldest;

    for (int i = 0; i < 3; i++)
        must_refuse(f, "locked", "wrong", STR("{}"), i);
    must_ask(f, 200, "GET", QUARANTINE "?limit=2", NULL);
    cursor = strstr(f->ts.body, "\"nextCursor\":\"");
    assert_non_null(cursor);
    must_ask(f, 200, "GET",
        text_of(QUARANTINE "?limit=2&cursor=%.22s", cursor + strlen("\"nextCursor\":\"")), NULL);
    oldest = first_id(f);
    must_have(f, "\"receivedAt\":\"2024-03-15T10:00:00.000Z\"}],\"nextCursor\":null}");
    must_ask(f, 200, "GET", text_of(QUARANTINE "/%s", oldest), NULL);
}

static void
what_proves_a_caller_is_told_by_its_digest(void **state)
{
    struct domain_api *f = *state;

    must_refuse(f, "locked", "wrong", STR("{\"a\":\"\xc3\xb6\"}"), 0);
    must_ask(f, 200, "GET", QUARANTINE, NULL);
    must_ask(f, 200, "GET", text_of(QUARANTINE "/%s", first_id(f)), NULL);
    must_have(f, "\"token\":\"5 bytes, sha256 8810\"");
    must_have(f, "\"headers\":[{\"name\":\"content-type\",\"value\":\"application/json\"},"
                 "{\"name\":\"authorization\",\"value\":\"14 bytes, sha256 ");
    must_have(f, "{\"name\":\"webhook-id\",\"value\":\"msg_0\"}]");
    must_have(f, "\"body\":\"{\\\"a\\\":\\\"\xc3\xb6\\\"}\",\"bodyBase64\":null}");
    must_not_have(f, "c2VjcmV0");
    must_not_have(f, "wrong");
}

static void
a_body_that_is_no_text_is_told_in_base64(void **state)
{
    struct domain_api *f = *state;

    must_refuse(f, "locked", NULL, STR("\xff\x00\x01"), 0);
    must_ask(f, 200, "GET", QUARANTINE, NULL);
    must_ask(f, 200, "GET", text_of(QUARANTINE "/%s", first_id(f)), NULL);
    must_have(f, "\"token\":null");
    must_have(f, "\"body\":null,\"bodyBase64\":\"/wAB\"}");
}

static void
what_is_no_refused_call_is_not_found(void **state)
{
    static const char *const bad[] = {NOBODYS, "x", "in_0006133c6690e000", "17"};
    struct domain_api *f = *state;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        must_ask(f, 404, "GET", text_of(QUARANTINE "/%s", bad[i]), NULL);
    must_ask(f, 404, "POST", RELEASE, "{\"id\":\"" NOBODYS "\"}");
}

static void
what_passes_now_is_let_in(void **state)
{
    struct domain_api *f = *state;

    must_refuse(f, "locked", "sesame", STR("{\"a\":1}"), 0);
    must_refuse(f, "locked", "sesame", STR("{\"a\":1}"), 0);
    must_refuse(f, "locked", "wrong", STR("{\"a\":3}"), 2);
    must_refuse(f, "open", NULL, STR("{\"a\":2}"), 3);
    must_ask(f, 200, "POST", RELEASE, "{\"source\":\"locked\"}");
    must_have(f, "{\"released\":1,\"duplicates\":1,\"stillRefused\":1}");
    assert_int_equal(f->handlers_woken, 1);
    assert_int_equal(kept(f), 2);
    must_ask(f, 200, "GET", "/inbox", NULL);
    must_have(f, "\"source\":\"locked\"");
    must_have(f, "\"flags\":[\"unrecognised\",\"released\"]");

    must_ask(f, 200, "POST", RELEASE, NULL);
    must_have(f, "{\"released\":1,\"duplicates\":0,\"stillRefused\":1}");
    assert_int_equal(kept(f), 1);
    f->handlers_woken = 0;
    must_ask(f, 200, "POST", RELEASE, NULL);
    must_have(f, "{\"released\":0,\"duplicates\":0,\"stillRefused\":1}");
    assert_int_equal(f->handlers_woken, 0);
}

static void
one_alone_is_let_in(void **state)
{
    struct domain_api *f = *state;
    const char *wish;

    must_refuse(f, "open", NULL, STR("{\"a\":1}"), 0);
    must_refuse(f, "open", NULL, STR("{\"a\":2}"), 1);
    must_ask(f, 200, "GET", QUARANTINE, NULL);
    wish = text_of("{\"id\":\"%s\"}", first_id(f));
    must_ask(f, 200, "POST", RELEASE, wish);
    must_have(f, "{\"released\":1,\"duplicates\":0,\"stillRefused\":0}");
    assert_int_equal(kept(f), 1);
    must_ask(f, 404, "POST", RELEASE, wish);
}

/* More than one transaction takes. */
static void
many_are_let_in_in_steps(void **state)
{
    enum { CALLS = 130 };
    struct domain_api *f = *state;

    for (int i = 0; i < CALLS; i++)
        must_refuse(f, "open", NULL, str_from(text_of("{\"a\":%d}", i)), i);
    must_ask(f, 200, "POST", RELEASE, NULL);
    must_have(f, text_of("{\"released\":%d,\"duplicates\":0,\"stillRefused\":0}", CALLS));
    assert_int_equal(count_of(f, "SELECT count(*) FROM inbox"), CALLS);
    assert_int_equal(kept(f), 0);
    assert_int_equal(f->handlers_woken, 1);
}

static void
a_wrong_wish_to_release_is_refused(void **state)
{
    static const struct {
        const char *body;
        const char *says;
    } bad[] = {
        {"{\"source\":\"nobody\"}", "{\"pointer\":\"/source\",\"detail\":\"there is no source"},
        {"{\"source\":\"open\",\"id\":\"" NOBODYS "\"}", "does not go with id"},
        {"{\"id\":\"in_0006133c6690e000\"}", "is not the id of a refused call"},
        {"{\"id\":\"re_0000000000000000\"}", "is not the id of a refused call"},
        {"{\"id\":17}", "\"pointer\":\"/id\""},
        {"{\"sources\":\"open\"}", "\"pointer\":\"/sources\""},
        {"[]", "must be an object"},
    };
    struct domain_api *f = *state;

    must_refuse(f, "open", NULL, STR("{\"a\":1}"), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        must_ask(f, 422, "POST", RELEASE, bad[i].body);
        must_have(f, bad[i].says);
    }
    assert_int_equal(kept(f), 1);
    assert_int_equal(f->handlers_woken, 0);
}

static void
who_receives_nothing_cannot_judge(void **state)
{
    struct domain_api *f = *state;

    must_refuse(f, "open", NULL, STR("{\"a\":1}"), 0);
    setup_holder_set(&test_setups, NULL);
    must_ask(f, 409, "POST", RELEASE, NULL);
    must_ask(f, 200, "GET", QUARANTINE, NULL);
    must_ask(f, 200, "GET", text_of(QUARANTINE "/%s", first_id(f)), NULL);
    f->api.setups = NULL;
    must_ask(f, 409, "POST", RELEASE, NULL);
    assert_int_equal(kept(f), 1);
}

static void
refused_calls_are_thrown_away(void **state)
{
    struct domain_api *f = *state;

    must_refuse(f, "open", NULL, STR("{}"), 0);
    must_refuse(f, "locked", NULL, STR("{}"), 1);
    must_refuse(f, "locked", NULL, STR("{}"), 2);
    must_ask(f, 422, "DELETE", QUARANTINE "?sources=open", NULL);
    must_ask(f, 200, "DELETE", QUARANTINE "?source=nobody", NULL);
    must_have(f, "{\"erased\":0}");
    must_ask(f, 200, "DELETE", QUARANTINE "?source=open", NULL);
    must_have(f, "{\"erased\":1}");
    must_ask(f, 200, "DELETE", QUARANTINE, NULL);
    must_have(f, "{\"erased\":2}");
    assert_int_equal(kept(f), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        INBOX_API_TEST(refused_calls_are_listed_without_what_they_said),
        INBOX_API_TEST(a_cursor_goes_on_where_the_page_ended),
        INBOX_API_TEST(what_proves_a_caller_is_told_by_its_digest),
        INBOX_API_TEST(a_body_that_is_no_text_is_told_in_base64),
        INBOX_API_TEST(what_is_no_refused_call_is_not_found),
        INBOX_API_TEST(what_passes_now_is_let_in),
        INBOX_API_TEST(one_alone_is_let_in),
        INBOX_API_TEST(many_are_let_in_in_steps),
        INBOX_API_TEST(a_wrong_wish_to_release_is_refused),
        INBOX_API_TEST(who_receives_nothing_cannot_judge),
        INBOX_API_TEST(refused_calls_are_thrown_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
