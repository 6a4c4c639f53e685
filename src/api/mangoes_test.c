/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

#define WEBINAR                                                                                    \
    "\"title\":\"Intro\",\"link\":\"https://meet.example.com/a\","                                 \
    "\"from\":\"2024-03-16T10:00:00Z\",\"to\":\"2024-03-16T11:00:00Z\",\"timezone\":\"UTC\""

static void
a_mango_is_made_shown_renamed_and_deleted(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");

    must_have(f, "\"name\":\"Gold\",\"createdAt\":\"2024-03-15T10:00:00.000Z\","
                 "\"updatedAt\":\"2024-03-15T10:00:00.000Z\"}");
    must_have(f, "ETag: ");
    must_ask(f, 200, "GET", text_of("/mangoes/%s", id.text), NULL);
    must_have(f, "\"name\":\"Gold\"");

    clock_manual_advance(&f->ts.clock, 1000000);
    must_ask(f, 200, "PATCH", text_of("/mangoes/%s", id.text), "{\"name\":\"Gold\"}");
    must_have(f, "\"updatedAt\":\"2024-03-15T10:00:00.000Z\"");
    must_ask(f, 200, "PATCH", text_of("/mangoes/%s", id.text), "{\"name\":\"Silver\"}");
    must_have(f, "\"name\":\"Silver\"");
    must_have(f, "\"updatedAt\":\"2024-03-15T10:00:01.000Z\"");

    must_ask(f, 204, "DELETE", text_of("/mangoes/%s", id.text), NULL);
    must_ask(f, 404, "DELETE", text_of("/mangoes/%s", id.text), NULL);
    must_ask(f, 404, "GET", text_of("/mangoes/%s", id.text), NULL);
    must_ask(f, 404, "GET", "/mangoes/gold", NULL);
}

static void
an_id_may_be_brought_along_once(void **state)
{
    struct domain_api *f = *state;

    must_ask(f, 201, "POST", "/mangoes", "{\"id\":\"634fc35ddaf58580e2418c40\",\"name\":\"Gold\"}");
    must_have(f, "{\"id\":\"634fc35ddaf58580e2418c40\"");
    must_ask(f, 409, "POST", "/mangoes", "{\"id\":\"634fc35ddaf58580e2418c40\",\"name\":\"Gold\"}");
    must_ask(f, 422, "POST", "/mangoes", "{\"name\":\"\",\"colour\":1}");
    must_have(f, "\"pointer\":\"/name\"");
    must_have(f, "\"pointer\":\"/colour\"");
}

static void
mangoes_are_listed_page_by_page(void **state)
{
    struct domain_api *f = *state;
    char cursor[128] = "";
    const char *at;

    (void)must_make(f, "/mangoes", "{\"name\":\"A\"}");
    (void)must_make(f, "/mangoes", "{\"name\":\"B\"}");
    (void)must_make(f, "/mangoes", "{\"name\":\"C\"}");
    must_ask(f, 200, "GET", "/mangoes?limit=2", NULL);
    must_have(f, "\"name\":\"C\"");
    must_have(f, "\"name\":\"B\"");
    must_not_have(f, "\"name\":\"A\"");
    at = strstr(f->ts.body, "\"nextCursor\":\"");
    assert_non_null(at);
    memcpy(cursor, at + 14, strcspn(at + 14, "\""));
    must_ask(f, 200, "GET", text_of("/mangoes?limit=2&cursor=%s", cursor), NULL);
    must_have(f, "\"name\":\"A\"");
    must_have(f, "\"nextCursor\":null");
    must_ask(f, 200, "GET", "/mangoes?after=2024-03-15T10:00:00.001Z", NULL);
    must_have(f, "\"data\":[]");
    must_ask(f, 422, "GET", "/mangoes?limit=0&after=now", NULL);
    must_have(f, "\"after\"");
}

static void
another_accounts_mango_is_not_there(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");

    test_key_make(&f->ts, 9, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&f->ts, 9);
    must_ask(f, 404, "GET", text_of("/mangoes/%s", id.text), NULL);
    must_ask(f, 404, "PATCH", text_of("/mangoes/%s", id.text), "{}");
    must_ask(f, 200, "GET", "/mangoes", NULL);
    must_have(f, "\"data\":[]");
    must_ask(f, 422, "POST", "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", id.text));
    must_have(f, "\"pointer\":\"/mangoes/0\"");
}

static void
a_mango_in_use_is_not_deleted(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text webinar =
        must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));

    must_ask(f, 409, "DELETE", text_of("/mangoes/%s", mango.text), NULL);
    must_have(f, webinar.text);
    clock_manual_advance(&f->ts.clock, 2 * US_PER_DAY);
    must_ask(f, 204, "DELETE", text_of("/mangoes/%s", mango.text), NULL);
}

static void
joining_registers_for_the_mangos_webinars(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    const char *path = text_of("/mangoes/%s/attendees", mango.text);
    struct id_text attendee;

    (void)must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));
    (void)must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));
    attendee = must_make(f, path, "{\"name\":\"A\",\"email\":\"a@x\"}");
    must_have(f, "\"events\":[\"");
    must_have(f, text_of("\"mangoes\":[\"%s\"]", mango.text));
    assert_int_equal(events_of(f, "registered"), 2);
    must_ask(f, 200, "POST", path, text_of("{\"attendee\":\"%s\"}", attendee.text));
    must_have(f, "\"events\":[]");
    (void)must_make(f, path, "{\"name\":\"B\",\"email\":\"b@x\",\"notify\":false}");
    assert_int_equal(events_of(f, "registered"), 2);

    must_ask(f, 200, "GET", path, NULL);
    must_have(f, "\"email\":\"a@x\"");
    must_have(f, "\"email\":\"b@x\"");
    must_ask(f, 204, "DELETE", text_of("%s/%s", path, attendee.text), NULL);
    must_ask(f, 404, "DELETE", text_of("%s/%s", path, attendee.text), NULL);
    must_ask(f, 200, "GET", path, NULL);
    must_not_have(f, "\"email\":\"a@x\"");
    must_ask(f, 200, "GET", text_of("/attendees/%s", attendee.text), NULL);
    must_have(f, "\"mangoes\":[]");
    must_ask(f, 422, "POST", path, "{\"attendee\":\"634fc35ddaf58580e2418c40\"}");
    must_have(f, "\"pointer\":\"/attendee\"");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_API_TEST(a_mango_is_made_shown_renamed_and_deleted),
        DOMAIN_API_TEST(an_id_may_be_brought_along_once),
        DOMAIN_API_TEST(mangoes_are_listed_page_by_page),
        DOMAIN_API_TEST(another_accounts_mango_is_not_there),
        DOMAIN_API_TEST(a_mango_in_use_is_not_deleted),
        DOMAIN_API_TEST(joining_registers_for_the_mangos_webinars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
