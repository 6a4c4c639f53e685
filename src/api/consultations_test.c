/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

#define BOOKING                                                                                    \
    "\"title\":\"1-1\",\"link\":\"tel:+911\",\"from\":\"2024-03-16T10:00:00Z\","                   \
    "\"to\":\"2024-03-16T10:30:00Z\",\"timezone\":\"Asia/Kolkata\""
#define SOMEBODY "\"attendee\":{\"name\":\"A\",\"email\":\"a@x\"}"

static void
booking_and_changing_are_told_and_deleting_is_not(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text id;

    (void)must_make(f, "/integration/webhook/webhook",
        "{\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"webinar.created.single\"}");
    must_ask(f, 201, "POST", text_of("/mangoes/%s/attendees", mango.text),
        "{\"name\":\"M\",\"email\":\"m@x\"}");
    id = must_make(f, "/consultations",
        text_of("{" BOOKING "," SOMEBODY ",\"mango\":\"%s\"}", mango.text));
    must_have(f, text_of("\"mango\":\"%s\",\"attendee\":{\"id\":\"", mango.text));
    must_have(f, "\"email\":\"a@x\"");
    must_have(f, "\"hooks\":1,\"audience\":1}");
    assert_int_equal(events_of(f, "booked"), 1);
    assert_int_equal(count_of(f, "SELECT instr(snapshot, '\"mangoes\":\"Gold\"') > 0 FROM event"),
        1);

    must_ask(f, 200, "PATCH", text_of("/consultations/%s", id.text), "{\"title\":\"1-1\"}");
    must_have(f, "\"event\":null");
    must_ask(f, 200, "PATCH", text_of("/consultations/%s", id.text), "{\"mango\":null}");
    must_have(f, "\"mango\":null");
    must_have(f, "\"audience\":1}");
    assert_int_equal(events_of(f, "updated"), 1);

    must_ask(f, 404, "GET", text_of("/webinars/%s", id.text), NULL);
    must_ask(f, 204, "DELETE", text_of("/consultations/%s", id.text), NULL);
    must_ask(f, 404, "GET", text_of("/consultations/%s", id.text), NULL);
    assert_int_equal(count_of(f, "SELECT count(*) FROM event"), 2);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"), 0);
}

static void
a_mangos_members_do_not_hear_of_a_consultation(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");

    (void)must_make(f, "/consultations",
        text_of("{" BOOKING "," SOMEBODY ",\"mango\":\"%s\"}", mango.text));
    must_ask(f, 201, "POST", text_of("/mangoes/%s/attendees", mango.text),
        "{\"name\":\"M\",\"email\":\"m@x\"}");
    must_have(f, "\"events\":[]");
    assert_int_equal(events_of(f, "registered"), 0);
}

static void
somebody_else_may_come_instead(void **state)
{
    struct domain_api *f = *state;
    struct id_text b = must_make(f, "/attendees", "{\"name\":\"B\",\"email\":\"b@x\"}");
    struct id_text id = must_make(f, "/consultations", "{" BOOKING "," SOMEBODY "}");
    const char *path = text_of("/consultations/%s", id.text);

    must_ask(f, 200, "PATCH", path, text_of("{\"attendee\":\"%s\"}", b.text));
    must_have(f, "\"email\":\"b@x\"");
    must_have(f, "\"audience\":1}");
    must_ask(f, 200, "GET", path, NULL);
    must_have(f, "\"email\":\"b@x\"");
    must_not_have(f, "\"email\":\"a@x\"");
    must_ask(f, 200, "PATCH", path, text_of("{\"attendee\":\"%s\"}", b.text));
    must_have(f, "\"event\":null");
    must_ask(f, 204, "DELETE", text_of("/attendees/%s", b.text), NULL);
    must_ask(f, 200, "GET", path, NULL);
    must_have(f, "\"attendee\":null");
}

static void
every_fault_is_named(void **state)
{
    struct domain_api *f = *state;

    must_ask(f, 422, "POST", "/consultations",
        "{\"mango\":\"634fc35ddaf58580e2418c40\",\"attendee\":{\"email\":\"x\",\"size\":1}}");
    must_have(f, "\"pointer\":\"/title\"");
    must_have(f, "\"pointer\":\"/mango\"");
    must_have(f, "\"pointer\":\"/attendee/email\"");
    must_have(f, "\"pointer\":\"/attendee/size\"");
    must_have(f, "\"pointer\":\"/attendee/name\"");
    must_ask(f, 422, "POST", "/consultations",
        "{" BOOKING ",\"attendee\":\"634fc35ddaf58580e2418c40\"}");
    must_have(f, "\"pointer\":\"/attendee\"");
    assert_int_equal(count_of(f, "SELECT count(*) FROM webinar"), 0);
}

static void
consultations_are_listed_apart_from_webinars(void **state)
{
    struct domain_api *f = *state;
    struct id_text id = must_make(f, "/consultations", "{" BOOKING "," SOMEBODY "}");

    must_ask(f, 200, "GET", "/consultations", NULL);
    must_have(f, id.text);
    must_have(f, "\"email\":\"a@x\"");
    must_ask(f, 200, "GET", "/webinars", NULL);
    must_have(f, "\"data\":[]");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_API_TEST(booking_and_changing_are_told_and_deleting_is_not),
        DOMAIN_API_TEST(a_mangos_members_do_not_hear_of_a_consultation),
        DOMAIN_API_TEST(somebody_else_may_come_instead),
        DOMAIN_API_TEST(every_fault_is_named),
        DOMAIN_API_TEST(consultations_are_listed_apart_from_webinars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
