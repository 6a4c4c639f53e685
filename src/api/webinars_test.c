/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

#define DETAILS                                                                                    \
    "\"title\":\"Intro\",\"link\":\"https://meet.example.com/a\",\"timezone\":\"Asia/Kolkata\""
#define TIMES   "\"from\":\"2024-03-16T10:00:00Z\",\"to\":\"2024-03-16T11:00:00Z\""
#define WEBINAR DETAILS "," TIMES

static void
new_hook(struct domain_api *f)
{
    (void)must_make(f, "/integration/webhook/webhook",
        "{\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"webinar.created.single\"}");
}

static void
a_webinar_is_made_with_its_audience_and_told(void **state)
{
    struct domain_api *f = *state;
    struct id_text a = must_make(f, "/attendees", "{\"name\":\"A\",\"email\":\"a@x\"}");
    struct id_text b = must_make(f, "/attendees", "{\"name\":\"B\",\"email\":\"b@x\"}");
    struct id_text id;

    new_hook(f);
    id = must_make(f, "/webinars",
        text_of("{" WEBINAR ",\"attendees\":[\"%s\",\"%s\"]}", b.text, a.text));
    must_have(f, "\"title\":\"Intro\",\"link\":\"https://meet.example.com/a\","
                 "\"from\":\"2024-03-16T10:00:00.000Z\",\"to\":\"2024-03-16T11:00:00.000Z\","
                 "\"timezone\":\"Asia/Kolkata\",\"fromLocal\":\"2024-03-16T15:30:00\","
                 "\"toLocal\":\"2024-03-16T16:30:00\",\"offset\":\"+05:30\",\"adjusted\":null,"
                 "\"mangoes\":[],\"createdAt\":");
    must_have(f, "\"hooks\":1,\"audience\":2}}");
    assert_int_equal(events_of(f, "created"), 1);
    assert_int_equal(f->woken, 1);
    must_ask(f, 200, "GET", text_of("/webinars/%s", id.text), NULL);
    must_not_have(f, "\"event\"");
    must_ask(f, 200, "GET", text_of("/webinars/%s/attendees", id.text), NULL);
    must_have(f, "\"email\":\"b@x\"");
    must_have(f, "\"email\":\"a@x\"");
}

static void
wall_clocks_are_read_in_the_webinars_zone(void **state)
{
    static const struct {
        const char *body;
        const char *shown;
    } cases[] = {
        {"\"from\":\"2024-03-15T15:30:00\",\"to\":\"2024-03-15T16:30\","
         "\"timezone\":\"Asia/Kolkata\"",
            "\"from\":\"2024-03-15T10:00:00.000Z\",\"to\":\"2024-03-15T11:00:00.000Z\""},
        {"\"from\":\"2024-03-10T02:30:00\",\"to\":\"2024-03-10T04:00:00\","
         "\"timezone\":\"America/New_York\"",
            "\"fromLocal\":\"2024-03-10T03:30:00\",\"toLocal\":\"2024-03-10T04:00:00\","
            "\"offset\":\"-04:00\",\"adjusted\":\"gap\""},
        {"\"from\":\"2024-11-03T01:30:00\",\"to\":\"2024-11-03T03:00:00\","
         "\"timezone\":\"America/New_York\"",
            "\"fromLocal\":\"2024-11-03T01:30:00\",\"toLocal\":\"2024-11-03T03:00:00\","
            "\"offset\":\"-04:00\",\"adjusted\":\"overlap\""},
        {"\"from\":\"2024-03-15T10:00:00.5+05:30\",\"to\":\"2024-03-15T10:00:00Z\","
         "\"timezone\":\"-09:30\"",
            "\"fromLocal\":\"2024-03-14T19:00:00.500\",\"toLocal\":\"2024-03-15T00:30:00\","
            "\"offset\":\"-09:30\",\"adjusted\":null"},
    };
    struct domain_api *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        must_ask(f, 201, "POST", "/webinars",
            text_of("{\"title\":\"t\",\"link\":\"https://x\",%s}", cases[i].body));
        must_have(f, cases[i].shown);
    }
}

static void
every_fault_is_named(void **state)
{
    struct domain_api *f = *state;

    must_ask(f, 422, "POST", "/webinars",
        "{\"title\":1,\"link\":\"x\",\"from\":\"2024-03-16T10:00:00Z\","
        "\"to\":\"2024-03-16T10:00:00Z\",\"timezone\":\"UTC\",\"webinarID\":1,"
        "\"mangoes\":[\"634fc35ddaf58580e2418c40\"],\"attendees\":[\"634fc35ddaf58580e2418c41\"]}");
    must_have(f, "\"pointer\":\"/title\"");
    must_have(f, "\"pointer\":\"/link\"");
    must_have(f, "\"pointer\":\"/to\"");
    must_have(f, "\"pointer\":\"/webinarID\"");
    must_have(f, "\"pointer\":\"/mangoes/0\"");
    must_have(f, "\"pointer\":\"/attendees/0\"");
    must_ask(f, 422, "POST", "/webinars", "{" DETAILS "}");
    must_ask(f, 422, "POST", "/webinars",
        "{\"title\":\"t\",\"link\":\"https://x\"," TIMES ",\"timezone\":\"Mars/Olympus\"}");
    must_have(f, "\"pointer\":\"/timezone\"");
    assert_int_equal(count_of(f, "SELECT count(*) FROM webinar"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM audience_group"), 0);
}

static void
a_change_is_told_and_no_change_is_not(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text id = must_make(f, "/webinars", "{" WEBINAR "}");
    const char *path = text_of("/webinars/%s", id.text);

    clock_manual_advance(&f->ts.clock, 1000000);
    must_ask(f, 200, "PATCH", path, "{}");
    must_have(f, "\"event\":null");
    must_ask(f, 200, "PATCH", path, "{\"title\":\"Intro\",\"from\":\"2024-03-16T15:30:00\"}");
    must_have(f, "\"event\":null");
    must_have(f, "\"updatedAt\":\"2024-03-15T10:00:00.000Z\"");
    assert_int_equal(events_of(f, "updated"), 0);

    must_ask(f, 200, "PATCH", path, "{\"title\":\"Other\"}");
    must_have(f, "\"audience\":0}");
    must_have(f, "\"updatedAt\":\"2024-03-15T10:00:01.000Z\"");
    must_ask(f, 200, "PATCH", path, text_of("{\"mangoes\":[\"%s\"]}", mango.text));
    must_have(f, "\"audience\":0}");
    must_have(f, text_of("\"mangoes\":[\"%s\"]", mango.text));
    assert_int_equal(events_of(f, "updated"), 2);
    must_ask(f, 200, "PATCH", path, text_of("{\"mangoes\":[\"%s\"]}", mango.text));
    must_ask(f, 200, "PATCH", path, "{\"mangoes\":[],\"notify\":false}");
    must_have(f, "\"event\":null");
    must_have(f, "\"mangoes\":[]");
    assert_int_equal(events_of(f, "updated"), 2);

    must_ask(f, 422, "PATCH", path, "{\"id\":\"634fc35ddaf58580e2418c40\",\"to\":null}");
    must_have(f, "\"pointer\":\"/id\"");
    must_have(f, "\"pointer\":\"/to\"");
}

static void
registering_tells_the_newcomer_alone(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/webinars", "{" WEBINAR "}");
    const char *path = text_of("/webinars/%s/attendees", id.text);
    struct id_text attendee;

    new_hook(f);
    attendee = must_make(f, path, "{\"name\":\"A\",\"email\":\"a@x\",\"phone\":\"1\"}");
    must_have(f, "\"event\":{\"id\":\"");
    must_have(f, "\"hooks\":1,\"audience\":1}");

    /* A known email updates that attendee, and what is not said stays. */
    must_ask(f, 200, "POST", path, "{\"email\":\"A@x\",\"timezone\":\"UTC\"}");
    must_have(f, "\"name\":\"A\",\"email\":\"A@x\",\"phone\":\"1\",\"timezone\":\"UTC\"");
    must_have(f, "\"event\":null");
    must_ask(f, 422, "POST", path,
        "{\"email\":\"A@x\",\"id\":\"634fc35ddaf58580e2418c40\",\"timezone\":\"Mars/Olympus\"}");
    must_have(f, "\"pointer\":\"/id\"");
    must_have(f, "\"pointer\":\"/timezone\"");
    must_ask(f, 422, "POST", path, "{\"email\":\"new@x\"}");
    must_have(f, "\"pointer\":\"/name\"");
    assert_int_equal(events_of(f, "registered"), 1);

    must_ask(f, 204, "DELETE", text_of("%s/%s", path, attendee.text), NULL);
    must_ask(f, 404, "DELETE", text_of("%s/%s", path, attendee.text), NULL);
    must_ask(f, 201, "POST", path, text_of("{\"attendee\":\"%s\"}", attendee.text));
    assert_int_equal(events_of(f, "registered"), 2);
    must_ask(f, 404, "POST", "/webinars/634fc35ddaf58580e2418c40/attendees", "{}");
}

static void
nobody_is_told_twice_through_two_groups(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text id =
        must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));

    must_ask(f, 201, "POST", text_of("/mangoes/%s/attendees", mango.text),
        "{\"name\":\"A\",\"email\":\"a@x\"}");
    must_ask(f, 201, "POST", text_of("/webinars/%s/attendees", id.text), "{\"email\":\"a@x\"}");
    must_have(f, "\"event\":null");
    assert_int_equal(events_of(f, "registered"), 1);
    must_ask(f, 200, "PATCH", text_of("/webinars/%s", id.text), "{\"title\":\"Other\"}");
    must_have(f, "\"audience\":null}");
}

static void
a_deleted_webinar_sends_nothing_more(void **state)
{
    struct domain_api *f = *state;
    struct id_text a = must_make(f, "/attendees", "{\"name\":\"A\",\"email\":\"a@x\"}");
    struct id_text id;

    new_hook(f);
    id = must_make(f, "/webinars", text_of("{" WEBINAR ",\"attendees\":[\"%s\"]}", a.text));
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"), 1);
    f->changed = 0;
    must_ask(f, 204, "DELETE", text_of("/webinars/%s", id.text), NULL);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"), 0);
    assert_int_equal(f->changed, 1);
    must_ask(f, 404, "DELETE", text_of("/webinars/%s", id.text), NULL);
}

static void
webinars_are_listed_by_time_and_mango(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text early =
        must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));
    struct id_text late = must_make(f, "/webinars",
        "{" DETAILS ",\"from\":\"2024-05-01T10:00:00Z\",\"to\":\"2024-05-01T11:00:00Z\"}");

    must_ask(f, 200, "GET", "/webinars", NULL);
    must_have(f, early.text);
    must_have(f, late.text);
    must_ask(f, 200, "GET", "/webinars?from=2024-03-16T10:00:00Z&to=2024-05-01T10:00:00Z", NULL);
    must_have(f, early.text);
    must_not_have(f, late.text);
    must_ask(f, 200, "GET", text_of("/webinars?mango=%s", mango.text), NULL);
    must_not_have(f, late.text);
    must_ask(f, 422, "GET", "/webinars?mango=x&title=y", NULL);
    must_have(f, "title");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_API_TEST(a_webinar_is_made_with_its_audience_and_told),
        DOMAIN_API_TEST(wall_clocks_are_read_in_the_webinars_zone),
        DOMAIN_API_TEST(every_fault_is_named),
        DOMAIN_API_TEST(a_change_is_told_and_no_change_is_not),
        DOMAIN_API_TEST(registering_tells_the_newcomer_alone),
        DOMAIN_API_TEST(nobody_is_told_twice_through_two_groups),
        DOMAIN_API_TEST(a_deleted_webinar_sends_nothing_more),
        DOMAIN_API_TEST(webinars_are_listed_by_time_and_mango),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
