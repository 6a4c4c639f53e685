/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

static void
an_attendee_is_made_and_edited_without_a_word_to_hooks(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/attendees",
        "{\"name\":\"John Doe\",\"email\":\"John@Example.com\",\"phone\":1234567890,"
        "\"timezone\":\"+05:30\"}");

    must_have(f, "\"name\":\"John Doe\",\"email\":\"John@Example.com\",\"phone\":\"1234567890\","
                 "\"timezone\":\"+05:30\",\"mangoes\":[],\"createdAt\":");
    must_have(f, "\"events\":[]");
    must_ask(f, 200, "PATCH", text_of("/attendees/%s", id.text),
        "{\"phone\":null,\"timezone\":\"Asia/Kolkata\",\"email\":\"john@example.com\"}");
    must_have(f, "\"email\":\"john@example.com\",\"phone\":null,\"timezone\":\"Asia/Kolkata\"");
    must_ask(f, 200, "GET", text_of("/attendees/%s", id.text), NULL);
    must_have(f, "\"phone\":null");
    assert_int_equal(count_of(f, "SELECT count(*) FROM event"), 0);
}

static void
every_fault_is_named(void **state)
{
    struct domain_api *f = *state;

    must_ask(f, 422, "POST", "/attendees",
        "{\"email\":\"nobody\",\"timezone\":\"Mars/Olympus\",\"size\":1,"
        "\"mangoes\":[\"634fc35ddaf58580e2418c40\"]}");
    must_have(f, "\"pointer\":\"/email\"");
    must_have(f, "\"pointer\":\"/timezone\"");
    must_have(f, "\"pointer\":\"/name\"");
    must_have(f, "\"pointer\":\"/size\"");
    must_have(f, "\"pointer\":\"/mangoes/0\"");
    assert_int_equal(count_of(f, "SELECT count(*) FROM attendee"), 0);
}

static void
a_known_email_is_refused_and_its_holder_named(void **state)
{
    struct domain_api *f = *state;
    struct id_text a = must_make(f, "/attendees", "{\"name\":\"A\",\"email\":\"a@x\"}");
    struct id_text b = must_make(f, "/attendees", "{\"name\":\"B\",\"email\":\"b@x\"}");

    must_ask(f, 409, "POST", "/attendees", "{\"name\":\"C\",\"email\":\" A@X \"}");
    must_have(f, a.text);
    must_ask(f, 409, "PATCH", text_of("/attendees/%s", b.text), "{\"email\":\"a@X\"}");
    must_have(f, a.text);
    must_ask(f, 200, "GET", "/attendees?email=B%40X", NULL);
    must_have(f, b.text);
    must_not_have(f, a.text);
    must_ask(f, 422, "GET", "/attendees?email=b", NULL);
}

static void
mangoes_of_an_attendee_are_joined_and_left(void **state)
{
    struct domain_api *f = *state;
    struct id_text gold = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text silver = must_make(f, "/mangoes", "{\"name\":\"Silver\"}");
    struct id_text attendee;

    (void)must_make(f, "/webinars",
        text_of("{\"title\":\"t\",\"link\":\"https://x\",\"from\":\"2024-03-16T10:00:00Z\","
                "\"to\":\"2024-03-16T11:00:00Z\",\"timezone\":\"UTC\",\"mangoes\":[\"%s\"]}",
            gold.text));
    attendee = must_make(f, "/attendees",
        text_of("{\"name\":\"A\",\"email\":\"a@x\",\"mangoes\":[\"%s\"]}", gold.text));
    must_have(f, text_of("\"mangoes\":[\"%s\"]", gold.text));
    assert_int_equal(events_of(f, "registered"), 1);
    must_ask(f, 200, "PATCH", text_of("/attendees/%s", attendee.text),
        text_of("{\"mangoes\":[\"%s\"]}", silver.text));
    must_have(f, text_of("\"mangoes\":[\"%s\"]", silver.text));
    assert_int_equal(events_of(f, "registered"), 1);
    must_ask(f, 200, "PATCH", text_of("/attendees/%s", attendee.text),
        text_of("{\"mangoes\":[\"%s\",\"%s\"],\"notify\":false}", silver.text, gold.text));
    assert_int_equal(events_of(f, "registered"), 1);
    must_ask(f, 200, "PATCH", text_of("/attendees/%s", attendee.text), "{\"mangoes\":null}");
    must_have(f, "\"mangoes\":[]");
}

static void
an_erased_attendee_is_gone(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/attendees", "{\"name\":\"A\",\"email\":\"a@x\"}");

    must_ask(f, 204, "DELETE", text_of("/attendees/%s", id.text), NULL);
    must_ask(f, 404, "DELETE", text_of("/attendees/%s", id.text), NULL);
    must_ask(f, 404, "GET", text_of("/attendees/%s", id.text), NULL);
    (void)must_make(f, "/attendees", "{\"name\":\"A\",\"email\":\"a@x\"}");
}

static void
a_change_may_ask_that_nobody_else_was_there(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/attendees", "{\"name\":\"A\",\"email\":\"a@x\"}");
    const char *path = text_of("/api/v1/attendees/%s", id.text);

    assert_int_equal(test_ask(&f->ts, "PATCH", path, "If-Match: \"0\"\r\n", "{\"name\":\"B\"}"),
        412);
    assert_int_equal(test_ask(&f->ts, "PATCH", path, "If-Match: *\r\n", "{\"name\":\"B\"}"), 200);
    assert_int_equal(test_ask(&f->ts, "DELETE", path, "If-Match: \"0\"\r\n", NULL), 412);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_API_TEST(an_attendee_is_made_and_edited_without_a_word_to_hooks),
        DOMAIN_API_TEST(every_fault_is_named),
        DOMAIN_API_TEST(a_known_email_is_refused_and_its_holder_named),
        DOMAIN_API_TEST(mangoes_of_an_attendee_are_joined_and_left),
        DOMAIN_API_TEST(an_erased_attendee_is_gone),
        DOMAIN_API_TEST(a_change_may_ask_that_nobody_else_was_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
