/* SPDX-License-Identifier: Apache-2.0 */
#include "support/inbox_api.h"

#define NOBODYS "in_0006133c6690e000"

#define BODY                                                                                       \
    "{\"name\":\"Ann\",\"email\":\"Ann@example.com\",\"phone\":1234567890,\"timezone\":"           \
    "\"+05:30\",\"callList\":[{\"webinar\":\"Intro\",\"webinarId\":\"w1\","                        \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\",\"creatorTimezone\":\"+05:30\"}],"           \
    "\"mangoes\":\"m\"}"

static const struct str silence = {NULL, 0};

static size_t
times(const char *text, const char *part)
{
    size_t count = 0;

    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

/* The list has this one alone. */
static void
must_list_only(struct domain_api *f, const char *query, int64_t inbox_pk)
{
    must_ask(f, 200, "GET", text_of("/inbox?%s", query), NULL);
    must_have(f, text_of("\"id\":\"%s\"", item_id(inbox_pk)));
    if (times(f->ts.body, "\"id\":") != 1)
        fail_msg("%s lists others, too: %s", query, f->ts.body);
}

static void
must_list(struct domain_api *f, const char *query, size_t count)
{
    must_ask(f, 200, "GET", text_of("/inbox?%s", query), NULL);
    if (times(f->ts.body, "\"id\":") != count)
        fail_msg("%s does not list %zu: %s", query, count, f->ts.body);
}

/* --- lists --- */

static void
items_are_listed_the_newest_first_with_how_they_stand(void **state)
{
    struct domain_api *f = *state;
    int64_t first = must_take(f, "w1", "e:ann@example.com", "{\"a\":1}", 0);
    int64_t second = must_take(f, "w1", "e:ann@example.com", "{\"a\":2}", 1);

    (void)must_take(f, "w1", "e:ann@example.com", "{\"a\":2}", 2);
    must_handle(f, test_mail_pk, first, HANDLING_DEAD, silence);
    must_ask(f, 200, "GET", "/inbox", NULL);
    must_have(f,
        text_of(
            "{\"data\":[{\"id\":\"%s\",\"source\":\"open\",\"event\":\"webinar.created.single\","
            "\"object\":\"w1\",\"person\":\"ann@example.com\",\"senderId\":null,"
            "\"senderSequence\":null,\"flags\":[],\"revision\":1,\"latest\":true,"
            "\"previous\":\"%s\",\"duplicates\":1,\"receivedAt\":\"2024-03-15T10:00:01.000Z\","
            "\"handlings\":[{\"handler\":\"mail\",\"status\":\"waiting\",\"attempts\":0,"
            "\"dueAt\":null},{\"handler\":\"table\",\"status\":\"waiting\",\"attempts\":0,"
            "\"dueAt\":null}]},",
            item_id(second), item_id(first)));
    must_have(f, "\"latest\":false,\"previous\":null,\"duplicates\":0");
    must_have(f, "{\"handler\":\"mail\",\"status\":\"dead\",\"attempts\":3,\"dueAt\":null}");
    must_have(f, "\"nextCursor\":null}");
}

static void
a_list_is_narrowed_by_its_filters(void **state)
{
    struct domain_api *f = *state;
    int64_t ann = must_take(f, "w1", "e:ann@example.com", "{\"a\":1}", 0);
    int64_t bob = must_take(f, "w1", "e:bob@example.com", "{\"a\":1}", 60);
    int64_t eve = must_take(f, "w1", "e:eve+x@example.com", "{\"a\":1}", 120);

    change_store(f, text_of("UPDATE inbox SET flags = 1 WHERE inbox_pk = %lld", (long long)bob));
    must_handle(f, test_mail_pk, ann, HANDLING_DEAD, silence);
    must_handle(f, test_table_pk, ann, HANDLING_SETTLED, silence);
    must_handle(f, test_mail_pk, bob, HANDLING_SETTLED, silence);
    must_handle(f, test_table_pk, bob, HANDLING_SETTLED, silence);
    must_list_only(f, "email=%20ANN@example.com", ann);
    must_list_only(f, "email=eve+x@example.com", eve);
    must_list_only(f, "status=dead", ann);
    must_list_only(f, "status=settled", bob);
    must_list_only(f, "status=waiting", eve);
    must_list_only(f, "flag=unrecognised", bob);
    must_list_only(f, "before=2024-03-15T10:01:00Z", ann);
    must_list_only(f, "after=2024-03-15T10:02:00Z", eve);
    must_list_only(f, "after=2024-03-15T10:01:00Z&before=2024-03-15T10:02:00Z", bob);
    must_list(f, "source=open", 3);
    must_list(f, "source=locked", 0);
    must_list(f, "source=nobody", 0);
    must_list(f, "email=ann@example.com&status=settled", 0);
}

static void
a_cursor_goes_on_where_the_page_ended(void **state)
{
    struct domain_api *f = *state;
    int64_t pks[3];
    const char *cursor;

    for (int i = 0; i < 3; i++)
        pks[i] = must_take(f, "w1", text_of("n:%d", i), "{\"a\":1}", i);
    must_ask(f, 200, "GET", "/inbox?limit=2", NULL);
    must_have(f, item_id(pks[2]));
    must_have(f, item_id(pks[1]));
    must_not_have(f, item_id(pks[0]));
    cursor = strstr(f->ts.body, "\"nextCursor\":\"");
    assert_non_null(cursor);
    cursor = text_of("limit=2&cursor=%.22s", cursor + strlen("\"nextCursor\":\""));
    must_list_only(f, cursor, pks[0]);
    must_have(f, "\"nextCursor\":null");
    must_ask(f, 422, "GET", text_of("/inbox?source=open&%s", cursor), NULL);
}

static void
a_wrong_filter_is_refused(void **state)
{
    static const struct {
        const char *query;
        const char *says;
    } bad[] = {
        {"status=pending", "\"parameter\":\"status\""},
        {"status=", "\"parameter\":\"status\""},
        {"flag=new", "\"parameter\":\"flag\""},
        {"email=ann", "\"parameter\":\"email\""},
        {"after=yesterday", "\"parameter\":\"after\""},
        {"before=2024-03-15", "\"parameter\":\"before\""},
        {"limit=0", "\"parameter\":\"limit\""},
        {"cursor=x", "\"parameter\":\"cursor\""},
        {"handler=mail", "\"parameter\":\"handler\""},
    };
    struct domain_api *f = *state;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        must_ask(f, 422, "GET", text_of("/inbox?%s", bad[i].query), NULL);
        must_have(f, bad[i].says);
    }
}

/* --- one --- */

static void
an_item_is_shown_with_all_that_is_known_of_it(void **state)
{
    struct domain_api *f = *state;
    int64_t pk = must_take(f, "w1", "e:ann@example.com", BODY, 0);

    must_handle(f, test_mail_pk, pk, HANDLING_WAITS, STR("no \"route\" \xff\x01"));
    must_ask(f, 200, "GET", text_of("/inbox/%s", item_id(pk)), NULL);
    must_have(f, "{\"handler\":\"mail\",\"status\":\"retrying\",\"attempts\":3,"
                 "\"dueAt\":\"2024-03-15T10:10:00.000Z\"}");
    must_have(f, "\"log\":[{\"handler\":\"mail\",\"attempt\":3,\"at\":\"2024-03-15T10:00:00.000Z\","
                 "\"tookMs\":41,\"outcome\":\"failed\",\"detail\":\"exit code 1\","
                 "\"output\":\"no \\\"route\\\" \xef\xbf\xbd\\u0001\"}]");
    must_have(f, "\"headers\":[{\"name\":\"content-type\",\"value\":\"application/json\"}]");
    must_have(f, "\"body\":\"{\\\"name\\\":\\\"Ann\\\",");
    must_have(f, text_of("\"model\":{\"id\":\"%s\"", item_id(pk)));
    must_have(f, "\"phone\":\"1234567890\"");
    must_have(f, "2024-03-15T15:30:00+05:30");
    must_have(f, "\"payload\":" BODY "}}");
}

static void
what_cannot_be_read_has_no_model(void **state)
{
    struct domain_api *f = *state;
    int64_t pk = must_take(f, "w1", "e:ann@example.com", "{\"a\":", 0);

    must_ask(f, 200, "GET", text_of("/inbox/%s", item_id(pk)), NULL);
    must_have(f, "\"body\":\"{\\\"a\\\":\",\"model\":null}");
}

static void
the_newest_lines_of_a_long_log_are_shown(void **state)
{
    struct domain_api *f = *state;
    int64_t pk = must_take(f, "w1", "e:ann@example.com", BODY, 0);

    for (int i = 0; i < 102; i++)
        must_handle(f, test_mail_pk, pk, HANDLING_WAITS, str_from(text_of("said %d.", i)));
    must_ask(f, 200, "GET", text_of("/inbox/%s", item_id(pk)), NULL);
    must_not_have(f, "said 1.");
    must_have(f, "\"log\":[{");
    must_have(f, "said 2.");
    must_have(f, "said 101.");
}

static void
what_is_no_item_is_not_found(void **state)
{
    static const char *const bad[] = {"/inbox/in_0006133c6690e000", "/inbox/x",
        "/inbox/re_0006133c6690e000", "/inbox/634fc35ddaf58580e2418c40"};
    struct domain_api *f = *state;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        must_ask(f, 404, "GET", bad[i], NULL);
    must_ask(f, 404, "POST", "/inbox/" NOBODYS "/retry", NULL);
    must_ask(f, 404, "POST", "/inbox/x/retry", NULL);
    assert_int_equal(f->handlers_woken, 0);
}

/* --- handle again --- */

static void
an_item_is_handled_again_by_one_or_by_all(void **state)
{
    struct domain_api *f = *state;
    int64_t pk = must_take(f, "w1", "e:ann@example.com", BODY, 0);
    const char *path = text_of("/inbox/%s/retry", item_id(pk));

    must_handle(f, test_mail_pk, pk, HANDLING_DEAD, silence);
    must_handle(f, test_table_pk, pk, HANDLING_SETTLED, silence);
    must_ask(f, 202, "POST", path, "{\"handler\":\"mail\"}");
    must_have(f, "{\"handlings\":1}");
    assert_int_equal(f->handlers_woken, 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM handling WHERE dead_us IS NULL"
                                 " AND attempts = 0 AND due_us = 1710496800000000"),
        1);
    must_ask(f, 202, "POST", path, NULL);
    must_have(f, "{\"handlings\":2}");
    assert_int_equal(count_of(f, "SELECT count(*) FROM handling"), 2);

    must_ask(f, 422, "POST", path, "{\"handler\":\"nobody\"}");
    must_have(f, "{\"pointer\":\"/handler\",\"detail\":\"there is no handler \\\"nobody\\\"\"}");
    must_ask(f, 422, "POST", path, "{\"source\":\"open\"}");
    must_have(f, "\"pointer\":\"/source\"");
    must_ask(f, 422, "POST", path, "{\"handler\":null}");
    must_ask(f, 400, "POST", path, "{");
    assert_int_equal(f->handlers_woken, 2);
}

/* More than one transaction takes. */
static void
all_that_was_given_up_is_handled_again_in_steps(void **state)
{
    enum { ITEMS = 1200 };
    struct domain_api *f = *state;
    int64_t pk = must_take(f, "w1", "e:ann@example.com", BODY, 0);

    change_store(f,
        text_of("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                " INSERT INTO inbox (inbox_pk, source_pk, event, object, person, flags, revision,"
                " received_us, headers, body) SELECT inbox_pk + i, source_pk, event, object,"
                " 'n:' || i, 0, 0, received_us, headers, body FROM inbox, n",
            ITEMS - 1));
    change_store(f, text_of("INSERT INTO handling (handler_pk, inbox_pk, attempts, due_us, dead_us)"
                            " SELECT %lld, inbox_pk, 5, 1, 2 FROM inbox",
                        (long long)test_mail_pk));
    change_store(f, "UPDATE handler SET next_pk = 9000000000000000");
    must_ask(f, 202, "POST", "/inbox/retry", "{\"source\":\"locked\"}");
    must_have(f, "{\"handlings\":0}");
    must_ask(f, 202, "POST", "/inbox/retry", "{\"handler\":\"table\"}");
    must_have(f, "{\"handlings\":0}");
    must_ask(f, 202, "POST", "/inbox/retry", "{\"since\":\"2024-03-15T10:00:01Z\"}");
    must_have(f, "{\"handlings\":0}");
    must_ask(f, 202, "POST", "/inbox/retry", NULL);
    must_have(f, text_of("{\"handlings\":%d}", ITEMS));
    assert_int_equal(count_of(f, "SELECT count(*) FROM handling WHERE dead_us IS NULL"), ITEMS);
    must_ask(f, 202, "POST", "/inbox/retry", "{\"handler\":\"mail\",\"source\":\"open\"}");
    must_have(f, "{\"handlings\":0}");

    /* And what was done, where asked. */
    must_ask(f, 202, "POST", "/inbox/retry",
        "{\"handler\":\"table\",\"onlyDead\":false,\"since\":\"2024-03-15T10:00:00Z\"}");
    must_have(f, text_of("{\"handlings\":%d}", ITEMS));
    assert_int_equal(count_of(f, "SELECT count(*) FROM handling"), 2 * ITEMS);
    assert_true(f->handlers_woken >= 2);
    (void)pk;
}

static void
a_wrong_wish_to_handle_again_is_refused(void **state)
{
    static const struct {
        const char *body;
        const char *says;
    } bad[] = {
        {"{\"handler\":\"nobody\",\"source\":\"no\"}",
            "[{\"pointer\":\"/handler\",\"detail\":\"there is no handler \\\"nobody\\\"\"},"
            "{\"pointer\":\"/source\",\"detail\":\"there is no source \\\"no\\\"\"}]"},
        {"{\"onlyDead\":false}", "{\"pointer\":\"/since\",\"detail\":\"is required where onlyDead"},
        {"{\"onlyDead\":1}", "\"pointer\":\"/onlyDead\""},
        {"{\"since\":\"yesterday\"}", "must be a time such as"},
        {"{\"since\":null,\"onlyDead\":false}", "\"pointer\":\"/since\""},
        {"{\"email\":\"ann@example.com\"}", "\"pointer\":\"/email\""},
        {"[]", "must be an object"},
    };
    struct domain_api *f = *state;

    (void)must_take(f, "w1", "e:ann@example.com", BODY, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        must_ask(f, 422, "POST", "/inbox/retry", bad[i].body);
        must_have(f, bad[i].says);
    }
    assert_int_equal(f->handlers_woken, 0);
}

/* --- delete --- */

static void
a_person_is_erased_wherever_the_address_stands(void **state)
{
    struct domain_api *f = *state;
    int64_t kept = must_take(f, "w1", "e:joann@example.com", "{\"a\":\"joann@example.com\"}", 0);

    (void)must_take(f, "w1", "e:ann@example.com", "{\"a\":1}", 1);
    (void)must_take(f, "w2", "n:ann", "{\"a\":[\"Ann <ANN@example.com>\"]}", 2);
    must_refuse(f, "locked", "x", STR("{\"email\":\"ann@example.com\"}"), 3);
    must_refuse(f, "locked", "x", STR("{\"email\":\"bob@example.com\"}"), 4);
    must_ask(f, 200, "DELETE", "/inbox?email=Ann@Example.com", NULL);
    must_have(f, "{\"erased\":3}");
    must_list_only(f, "", kept);
    assert_int_equal(count_of(f, "SELECT count(*) FROM quarantine"), 1);
    must_ask(f, 200, "DELETE", "/inbox?email=Ann@Example.com", NULL);
    must_have(f, "{\"erased\":0}");
}

static void
many_are_erased_in_steps(void **state)
{
    enum { ITEMS = 1300 };
    struct domain_api *f = *state;

    (void)must_take(f, "w1", "e:ann@example.com", BODY, 0);
    change_store(f,
        text_of("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                " INSERT INTO inbox (inbox_pk, source_pk, event, object, person, flags, revision,"
                " received_us, headers, body) SELECT inbox_pk + i, source_pk, event, 'w' || i,"
                " person, 0, 0, received_us, headers, body FROM inbox, n",
            ITEMS - 1));
    must_ask(f, 200, "DELETE", "/inbox?email=ann@example.com", NULL);
    must_have(f, text_of("{\"erased\":%d}", ITEMS));
    assert_int_equal(count_of(f, "SELECT count(*) FROM inbox"), 0);
}

static void
what_is_old_goes_unless_it_waits(void **state)
{
    struct domain_api *f = *state;
    int64_t done = must_take(f, "w1", "e:ann@example.com", BODY, 0);
    int64_t waits = must_take(f, "w2", "e:ann@example.com", BODY, 1);
    int64_t late = must_take(f, "w3", "e:ann@example.com", BODY, 60);

    must_handle(f, test_mail_pk, done, HANDLING_SETTLED, silence);
    must_handle(f, test_table_pk, done, HANDLING_SETTLED, silence);
    must_ask(f, 200, "DELETE", "/inbox?before=2024-03-15T10:01:00Z", NULL);
    must_have(f, "{\"erased\":1}");
    must_ask(f, 404, "GET", text_of("/inbox/%s", item_id(done)), NULL);
    must_ask(f, 200, "GET", text_of("/inbox/%s", item_id(waits)), NULL);
    must_ask(f, 200, "DELETE", "/inbox?before=2024-03-15T10:01:00Z&alsoWaiting=true", NULL);
    must_have(f, "{\"erased\":1}");
    must_list_only(f, "", late);
}

static void
a_wrong_wish_to_delete_is_refused(void **state)
{
    static const struct {
        const char *query;
        const char *says;
    } bad[] = {
        {"", "\"parameter\":\"email\",\"detail\":\"is required"},
        {"?email=ann", "\"parameter\":\"email\""},
        {"?email=", "\"parameter\":\"email\""},
        {"?before=now", "\"parameter\":\"before\""},
        {"?email=ann@example.com&before=2024-03-15T10:01:00Z", "\"parameter\":\"before\""},
        {"?email=ann@example.com&alsoWaiting=true", "\"parameter\":\"alsoWaiting\""},
        {"?before=2024-03-15T10:01:00Z&alsoWaiting=yes", "\"parameter\":\"alsoWaiting\""},
        {"?source=open", "\"parameter\":\"source\""},
    };
    struct domain_api *f = *state;

    (void)must_take(f, "w1", "e:ann@example.com", BODY, 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        must_ask(f, 422, "DELETE", text_of("/inbox%s", bad[i].query), NULL);
        must_have(f, bad[i].says);
    }
    assert_int_equal(count_of(f, "SELECT count(*) FROM inbox"), 1);
}

/* --- the setup --- */

static void
sources_are_listed_as_they_are_set_up(void **state)
{
    struct domain_api *f = *state;

    must_ask(f, 200, "GET", "/inbox/sources", NULL);
    must_have(f, "{\"name\":\"open\",\"path\":\"/in/open\",\"event\":null,\"accept\":[],"
                 "\"duplicates\":null,\"observe\":false,\"quarantine\":true,\"calls\":{"
                 "\"accepted\":0,");
    must_have(f, "{\"name\":\"locked\",\"path\":\"/in/locked\",\"event\":"
                 "\"webinar.created.single\",\"accept\":[\"token\"],");
    must_not_have(f, SESAME_HASH);
    setup_holder_set(&test_setups, NULL);
    must_ask(f, 200, "GET", "/inbox/sources", NULL);
    must_have(f, "{\"data\":[],\"nextCursor\":null}");
}

static void
handlers_are_listed_with_how_they_do(void **state)
{
    struct domain_api *f = *state;
    int64_t pk = must_take(f, "w1", "e:ann@example.com", BODY, 0);

    (void)must_take(f, "w2", "e:ann@example.com", BODY, 1);
    must_handle(f, test_mail_pk, pk, HANDLING_DEAD, silence);
    change_store(f, "UPDATE handler SET handled = 7, failed = 3, passed_over = 2"
                    " WHERE name = 'mail'");
    change_store(f, "UPDATE handler SET is_configured = 0 WHERE name = 'table'");
    must_ask(f, 200, "GET", "/inbox/handlers", NULL);
    must_have(f, "{\"name\":\"mail\",\"configured\":true,\"type\":null,\"sources\":[],"
                 "\"events\":[],\"behind\":1,\"waiting\":0,\"dead\":1,\"handled\":7,\"failed\":3,"
                 "\"passedOver\":2}");
    must_have(f, "{\"name\":\"table\",\"configured\":false,");
}

/* --- who may --- */

static const struct {
    const char *method;
    const char *path;
} asked[] = {
    {"GET", "/inbox"},
    {"GET", "/inbox?status=nonsense"},
    {"DELETE", "/inbox?email=ann@example.com"},
    {"GET", "/inbox/sources"},
    {"GET", "/inbox/handlers"},
    {"GET", "/inbox/" NOBODYS},
    {"POST", "/inbox/" NOBODYS "/retry"},
    {"POST", "/inbox/retry"},
    {"GET", "/inbox/quarantine"},
    {"GET", "/inbox/quarantine/re_0006133c6690e000"},
    {"POST", "/inbox/quarantine/release"},
    {"DELETE", "/inbox/quarantine"},
};

static void
to_another_account_there_is_no_inbox(void **state)
{
    struct domain_api *f = *state;

    (void)must_take(f, "w1", "e:ann@example.com", BODY, 0);
    must_refuse(f, "locked", "x", STR("{}"), 0);
    test_key_make(&f->ts, 2, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&f->ts, 2);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        must_ask(f, 404, asked[i].method, asked[i].path, NULL);
        must_have(f, text_of("there is no /api/v1%.*s here", (int)strcspn(asked[i].path, "?"),
                         asked[i].path));
    }
    assert_int_equal(count_of(f, "SELECT count(*) FROM inbox"), 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM quarantine"), 1);
    assert_int_equal(f->handlers_woken, 0);
}

static void
without_the_scope_nothing_is_told(void **state)
{
    struct domain_api *f = *state;

    test_key_make(&f->ts, 2, "default", (unsigned)(SCOPE_READ | SCOPE_WRITE), 0);
    test_key_use(&f->ts, 2);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        must_ask(f, 403, asked[i].method, asked[i].path, NULL);
        must_have(f, "lacks the scope \\\"inbox\\\"");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        INBOX_API_TEST(items_are_listed_the_newest_first_with_how_they_stand),
        INBOX_API_TEST(a_list_is_narrowed_by_its_filters),
        INBOX_API_TEST(a_cursor_goes_on_where_the_page_ended),
        INBOX_API_TEST(a_wrong_filter_is_refused),
        INBOX_API_TEST(an_item_is_shown_with_all_that_is_known_of_it),
        INBOX_API_TEST(what_cannot_be_read_has_no_model),
        INBOX_API_TEST(the_newest_lines_of_a_long_log_are_shown),
        INBOX_API_TEST(what_is_no_item_is_not_found),
        INBOX_API_TEST(an_item_is_handled_again_by_one_or_by_all),
        INBOX_API_TEST(all_that_was_given_up_is_handled_again_in_steps),
        INBOX_API_TEST(a_wrong_wish_to_handle_again_is_refused),
        INBOX_API_TEST(a_person_is_erased_wherever_the_address_stands),
        INBOX_API_TEST(many_are_erased_in_steps),
        INBOX_API_TEST(what_is_old_goes_unless_it_waits),
        INBOX_API_TEST(a_wrong_wish_to_delete_is_refused),
        INBOX_API_TEST(sources_are_listed_as_they_are_set_up),
        INBOX_API_TEST(handlers_are_listed_with_how_they_do),
        INBOX_API_TEST(to_another_account_there_is_no_inbox),
        INBOX_API_TEST(without_the_scope_nothing_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
