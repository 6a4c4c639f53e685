/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

#define HOOKS "/integration/webhook/webhook"
#define HOOK                                                                                       \
    "{\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"webinar.created.single\",\"webinar\":null}"
#define WEBINAR                                                                                    \
    "\"title\":\"Intro\",\"link\":\"https://meet.example.com/a\",\"timezone\":\"Asia/Kolkata\","   \
    "\"from\":\"2024-03-16T10:00:00Z\",\"to\":\"2024-03-16T11:00:00Z\""
#define SINCE   "{\"since\":\"2024-03-15T09:00:00Z\"}"
#define NOBODYS "634fc35ddaf58580e2418c40"

/* A webinar for one attendee, who is new. */
static struct id_text
new_webinar(struct domain_api *f, const char *name)
{
    struct id_text attendee = must_make(f, "/attendees",
        text_of("{\"name\":\"%s\",\"email\":\"%s@example.com\"}", name, name));

    return must_make(f, "/webinars",
        text_of("{" WEBINAR ",\"attendees\":[\"%s\"]}", attendee.text));
}

/* The value of a text field in the last answer, the first of that name. */
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

static const char *
newest(struct domain_api *f, const char *path)
{
    must_ask(f, 200, "GET", path, NULL);
    return value_of(f, "id");
}

/* What a lane does: all of each fan-out has been told, or has died. */
static void
settle(struct domain_api *f, bool is_dead)
{
    change_store(f, text_of("UPDATE fanout SET next_pos = end_pos, status = 'done', started_us = 1,"
                            " finished_us = 1, %s = end_pos WHERE status = 'sending'",
                        is_dead ? "dead" : "delivered"));
    if (is_dead)
        change_store(f,
            "INSERT INTO dead (fanout_pk, hook_pk, base, count, attempts, at_us, todo)"
            " SELECT fanout_pk, hook_pk, 0, 1, 10, 1710496800000000, x'01' FROM fanout");
}

/* --- recover --- */

static void
a_new_hook_is_told_of_what_was_before_it(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook;

    (void)new_webinar(f, "a");
    (void)new_webinar(f, "b");
    hook = must_make(f, HOOKS, HOOK);
    f->woken = 0;
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/recover", hook.text), SINCE);
    must_have(f, "{\"events\":2,\"deliveries\":0}");
    assert_int_equal(f->woken, 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"), 2);

    /* Again: nothing is missed any more. */
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/recover", hook.text), SINCE);
    must_have(f, "{\"events\":0,\"deliveries\":0}");
    assert_int_equal(f->woken, 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout"), 2);
}

static void
what_died_is_reopened(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook = must_make(f, HOOKS, HOOK);

    (void)new_webinar(f, "a");
    settle(f, true);
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/recover", hook.text), SINCE);
    must_have(f, "{\"events\":0,\"deliveries\":1}");
    assert_int_equal(count_of(f, "SELECT count(*) FROM dead"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM chunk"), 1);
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/recover", hook.text), SINCE);
    must_have(f, "{\"events\":0,\"deliveries\":0}");
}

/* More than one transaction takes. */
static void
a_long_time_is_recovered_in_steps(void **state)
{
    enum { EVENTS = 3000 };
    struct domain_api *f = *state;
    struct id_text hook;

    (void)new_webinar(f, "a");
    change_store(f, text_of("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                            " WHERE i < %d) INSERT INTO event (event_pk, account_pk, id, type,"
                            " reason, webinar_pk, webinar_id, starts_us, snapshot, audience,"
                            " created_us) SELECT event_pk + i, account_pk, randomblob(12), type,"
                            " reason, webinar_pk, webinar_id, starts_us, snapshot, audience,"
                            " created_us FROM event, n",
                        EVENTS - 1));
    hook = must_make(f, HOOKS, HOOK);
    f->woken = 0;
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/recover", hook.text), SINCE);
    must_have(f, text_of("{\"events\":%d,\"deliveries\":0}", EVENTS));
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout"), EVENTS);
    assert_int_equal(f->woken, 1);
}

static void
a_wrong_since_is_refused(void **state)
{
    static const struct {
        const char *body;
        const char *says;
    } bad[] = {
        {"{}", "{\"pointer\":\"/since\",\"detail\":\"is required\"}"},
        {"{\"since\":null}", "\"pointer\":\"/since\""},
        {"{\"since\":1710496800}", "\"pointer\":\"/since\""},
        {"{\"since\":\"yesterday\"}", "must be a time such as"},
        {"{\"since\":\"2024-03-15\"}", "must be a time such as"},
        {"{\"since\":\"2024-03-15T10:00:00.001Z\"}", "lies in the future"},
        {"{\"since\":\"2024-03-05T09:59:59Z\"}",
            "lies before what is still kept: events are, for 10 days, so take "
            "2024-03-05T11:00:00.000Z or later"},
        {"{\"since\":\"2024-03-15T09:00:00Z\",\"until\":\"2024-03-15T10:00:00Z\"}",
            "\"pointer\":\"/until\""},
        {"[]", "must be an object"},
    };
    struct domain_api *f = *state;
    struct id_text hook;
    const char *path;

    (void)new_webinar(f, "a");
    hook = must_make(f, HOOKS, HOOK);
    path = text_of(HOOKS "/%s/recover", hook.text);
    f->api.retain_events_us = 10 * US_PER_DAY;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        must_ask(f, 422, "POST", path, bad[i].body);
        must_have(f, bad[i].says);
    }
    must_ask(f, 400, "POST", path, NULL);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout"), 0);
    must_ask(f, 200, "POST", path, "{\"since\":\"2024-03-05T15:30:00+05:30\"}");
    must_have(f, "{\"events\":1,\"deliveries\":0}");
}

static void
only_an_enabled_hook_is_recovered(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook;
    const char *path;

    (void)new_webinar(f, "a");
    hook = must_make(f, HOOKS, HOOK);
    path = text_of(HOOKS "/%s/recover", hook.text);
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/disable", hook.text), NULL);
    must_ask(f, 409, "POST", path, SINCE);
    must_have(f, "enable it first");
    must_ask(f, 404, "POST", HOOKS "/" NOBODYS "/recover", SINCE);
    must_ask(f, 404, "POST", HOOKS "/x/recover", SINCE);
    test_key_make(&f->ts, 2, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&f->ts, 2);
    must_ask(f, 404, "POST", path, SINCE);
    test_key_use(&f->ts, 1);
    must_ask(f, 204, "DELETE", text_of(HOOKS "/%s", hook.text), NULL);
    must_ask(f, 404, "POST", path, SINCE);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout"), 0);
}

/* --- retry --- */

static void
a_dead_delivery_is_sent_again_under_its_id(void **state)
{
    struct domain_api *f = *state;
    const char *id;

    (void)must_make(f, HOOKS, HOOK);
    (void)new_webinar(f, "a");
    settle(f, true);
    id = newest(f, "/deliveries");
    must_have(f, "\"status\":\"dead\"");
    f->woken = 0;
    must_ask(f, 202, "POST", text_of("/deliveries/%s/retry", id), NULL);
    must_have(f, "\"status\":\"pending\"");
    must_have(f, text_of("\"id\":\"%s\"", id));
    must_have(f, "\"attempts\":[]");
    must_have(f, "\"body\":{\"name\":\"a\"");
    assert_int_equal(f->woken, 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM chunk WHERE is_manual = 1"), 1);

    /* On its way by now: that is what was asked for. */
    must_ask(f, 202, "POST", text_of("/deliveries/%s/retry", id), "{}");
    must_have(f, "\"status\":\"pending\"");
    assert_int_equal(f->woken, 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM chunk"), 1);
}

static void
what_cannot_be_sent_is_not_retried(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook = must_make(f, HOOKS, HOOK);
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text webinar;
    const char *path;

    must_ask(f, 201, "POST", text_of("/mangoes/%s/attendees", mango.text),
        "{\"name\":\"A\",\"email\":\"a@x\"}");
    webinar = must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));
    path = text_of("/deliveries/%s/retry", newest(f, "/deliveries"));
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/disable", hook.text), NULL);
    must_ask(f, 409, "POST", path, NULL);
    must_have(f, "enable it first");
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/enable", hook.text), NULL);
    must_ask(f, 202, "POST", path, NULL);
    must_ask(f, 204, "DELETE", text_of("/webinars/%s", webinar.text), NULL);
    must_ask(f, 409, "POST", path, NULL);
    must_ask(f, 204, "DELETE", text_of(HOOKS "/%s", hook.text), NULL);
    must_ask(f, 409, "POST", path, NULL);
    must_have(f, "was deleted");
    must_ask(f, 404, "POST", "/deliveries/msg_x/retry", NULL);
    test_key_make(&f->ts, 2, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&f->ts, 2);
    must_ask(f, 404, "POST", path, NULL);
}

static void
a_delivery_to_a_deleted_hook_is_still_shown(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook = must_make(f, HOOKS, HOOK);
    const char *id;

    (void)new_webinar(f, "a");
    id = newest(f, "/deliveries");
    must_ask(f, 204, "DELETE", text_of(HOOKS "/%s", hook.text), NULL);
    must_ask(f, 200, "GET", text_of("/deliveries/%s", id), NULL);
    must_have(f, "\"status\":\"cancelled\"");
    must_have(f, "\"body\":null");
}

/* --- replay --- */

static void
an_event_is_told_again_to_whom_it_was_told(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook = must_make(f, HOOKS, HOOK);
    struct id_text other = must_make(f, HOOKS,
        "{\"hookUrl\":\"http://127.0.0.1:9/o\",\"event\":\"webinar.created.single\"}");
    const char *event;
    const char *delivery;

    (void)new_webinar(f, "a");
    (void)must_make(f, HOOKS,
        "{\"hookUrl\":\"http://127.0.0.1:9/late\",\"event\":\"webinar.created.single\"}");
    settle(f, false);
    event = newest(f, "/events");
    delivery = newest(f, text_of("/deliveries?hook=%s", hook.text));
    f->woken = 0;
    must_ask(f, 202, "POST", text_of("/events/%s/replay", event), NULL);
    must_have(f, text_of("{\"event\":\"%s\",\"hooks\":[\"%s\",\"%s\"],\"fresh\":false}", event,
                     hook.text, other.text));
    assert_int_equal(f->woken, 2);
    assert_int_equal(count_of(f, "SELECT count(*) FROM event"), 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"
                                 " AND next_pos = 0 AND delivered = 0"),
        2);
    assert_string_equal(newest(f, text_of("/deliveries?hook=%s", hook.text)), delivery);

    /* Only the enabled ones; and one that is named alone. */
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/disable", hook.text), NULL);
    must_ask(f, 202, "POST", text_of("/events/%s/replay", event), "{\"fresh\":false}");
    must_have(f, text_of("\"hooks\":[\"%s\"]", other.text));
    must_ask(f, 409, "POST", text_of("/events/%s/replay", event),
        text_of("{\"hook\":\"%s\"}", hook.text));
    must_have(f, "enable it first");
    must_ask(f, 204, "DELETE", text_of(HOOKS "/%s", other.text), NULL);
    must_ask(f, 409, "POST", text_of("/events/%s/replay", event), NULL);
    must_have(f, "no hook that is enabled was told of this event");
    must_ask(f, 200, "POST", text_of(HOOKS "/%s/enable", hook.text), NULL);
    must_ask(f, 202, "POST", text_of("/events/%s/replay", event),
        text_of("{\"hook\":\"%s\"}", hook.text));
    must_have(f, text_of("\"hooks\":[\"%s\"]", hook.text));
}

static void
a_fresh_replay_is_a_new_event(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook = must_make(f, HOOKS, HOOK);
    const char *event;
    const char *fresh;

    (void)new_webinar(f, "a");
    settle(f, false);
    event = newest(f, "/events");
    f->woken = 0;
    must_ask(f, 202, "POST", text_of("/events/%s/replay", event), "{\"fresh\":true}");
    must_have(f, "\"fresh\":true}");
    must_have(f, text_of("\"hooks\":[\"%s\"]", hook.text));
    fresh = value_of(f, "event");
    assert_string_not_equal(fresh, event);
    assert_int_equal(f->woken, 1);
    must_ask(f, 200, "GET", text_of("/events/%s", fresh), NULL);
    must_have(f, "\"reason\":\"replay\"");
    must_have(f, "\"total\":1,\"delivered\":0");
    assert_int_equal(events_of(f, "created"), 1);
    must_ask(f, 200, "GET", text_of("/events/%s", event), NULL);
    must_have(f, "\"status\":\"done\"");
}

static void
a_hook_that_was_never_told_may_be_named(void **state)
{
    struct domain_api *f = *state;
    struct id_text webinar = new_webinar(f, "a");
    const char *event = newest(f, "/events");
    struct id_text hook;
    struct id_text failing;
    struct id_text elsewhere;
    const char *path = text_of("/events/%s/replay", event);

    must_ask(f, 409, "POST", path, NULL);
    hook = must_make(f, HOOKS, HOOK);
    must_ask(f, 202, "POST", path, text_of("{\"hook\":\"%s\"}", hook.text));
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"), 1);

    failing =
        must_make(f, HOOKS, "{\"hookUrl\":\"http://127.0.0.1:9/f\",\"event\":\"hook.failing\"}");
    must_ask(f, 422, "POST", path, text_of("{\"hook\":\"%s\"}", failing.text));
    must_have(f, "{\"pointer\":\"/hook\",\"detail\":\"is for another type of event");
    elsewhere = must_make(f, HOOKS,
        "{\"hookUrl\":\"http://127.0.0.1:9/e\",\"event\":\"webinar.created.single\","
        "\"webinar\":\"" NOBODYS "\"}");
    must_ask(f, 422, "POST", path, text_of("{\"hook\":\"%s\"}", elsewhere.text));
    must_have(f, "asks for another webinar");
    must_ask(f, 200, "PATCH", text_of(HOOKS "/%s", elsewhere.text),
        text_of("{\"webinar\":\"%s\"}", webinar.text));
    must_ask(f, 202, "POST", path, text_of("{\"hook\":\"%s\",\"fresh\":true}", elsewhere.text));
}

static void
a_wrong_replay_is_refused(void **state)
{
    struct domain_api *f = *state;
    struct id_text hook = must_make(f, HOOKS, HOOK);
    struct id_text gold = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");
    struct id_text of_gold = must_make(f, HOOKS,
        text_of("{\"hookUrl\":\"http://127.0.0.1:9/g\",\"event\":\"webinar.created.single\","
                "\"mango\":\"%s\"}",
            gold.text));
    struct id_text webinar = new_webinar(f, "a");
    const char *path = text_of("/events/%s/replay", newest(f, "/events"));

    must_ask(f, 422, "POST", path, "{\"hook\":\"" NOBODYS "\",\"fresh\":1,\"hooks\":[]}");
    must_have(f, "\"pointer\":\"/fresh\"");
    must_have(f, "\"pointer\":\"/hooks\"");
    must_ask(f, 422, "POST", path, "{\"hook\":\"" NOBODYS "\"}");
    must_have(f, "{\"pointer\":\"/hook\",\"detail\":\"there is no such hook\"}");
    must_ask(f, 422, "POST", path, "{\"hook\":\"x\"}");
    must_ask(f, 409, "POST", path, text_of("{\"hook\":\"%s\"}", of_gold.text));
    must_ask(f, 409, "POST", path, text_of("{\"hook\":\"%s\",\"fresh\":true}", of_gold.text));
    must_ask(f, 404, "POST", "/events/" NOBODYS "/replay", NULL);
    must_ask(f, 404, "POST", "/events/x/replay", NULL);
    test_key_make(&f->ts, 2, "other", TEST_ALL_SCOPES, 0);
    test_key_use(&f->ts, 2);
    must_ask(f, 404, "POST", path, NULL);
    test_key_use(&f->ts, 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM event"), 1);
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout"), 1);

    must_ask(f, 204, "DELETE", text_of("/webinars/%s", webinar.text), NULL);
    must_ask(f, 409, "POST", path, NULL);
    must_ask(f, 409, "POST", path, text_of("{\"hook\":\"%s\"}", hook.text));
    must_ask(f, 409, "POST", path, "{\"fresh\":true}");
    assert_int_equal(count_of(f, "SELECT count(*) FROM fanout WHERE status = 'sending'"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_API_TEST(a_new_hook_is_told_of_what_was_before_it),
        DOMAIN_API_TEST(what_died_is_reopened),
        DOMAIN_API_TEST(a_long_time_is_recovered_in_steps),
        DOMAIN_API_TEST(a_wrong_since_is_refused),
        DOMAIN_API_TEST(only_an_enabled_hook_is_recovered),
        DOMAIN_API_TEST(a_dead_delivery_is_sent_again_under_its_id),
        DOMAIN_API_TEST(what_cannot_be_sent_is_not_retried),
        DOMAIN_API_TEST(a_delivery_to_a_deleted_hook_is_still_shown),
        DOMAIN_API_TEST(an_event_is_told_again_to_whom_it_was_told),
        DOMAIN_API_TEST(a_fresh_replay_is_a_new_event),
        DOMAIN_API_TEST(a_hook_that_was_never_told_may_be_named),
        DOMAIN_API_TEST(a_wrong_replay_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
