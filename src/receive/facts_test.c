/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "support/source_calls.h"

#define BODY                                                                                       \
    "{\"id\":\"evt_1\",\"type\":\"charge.paid\",\"number\":7,\"deep\":{\"er\":[{\"id\":\"d\"}]}}"

/* What a call with these two fields is, for a source of this section; NULL: absent. */
static void
assert_facts(const char *section, const char *const fields[][2], size_t count, const char *event,
    const char *sender_id)
{
    struct source_case source;
    struct call_case call;
    struct json *json = NULL;
    struct source_facts facts;

    source_case_start(&source, section);
    call_case_init(&call, NULL, BODY, 1000);
    for (size_t i = 0; i < count; i++)
        call_case_add(&call, fields[i][0], fields[i][1]);
    assert_int_equal(json_parse(STR(BODY), &source.arena, &json, NULL), OK);
    source_facts(&source.source, &call.call, json, &source.arena, &facts);
    if (!str_equals(facts.event, str_from(event)))
        fail_msg("%s: the event is \"%.*s\"", section, STR_FMT(facts.event));
    if (!str_equals(facts.sender_id, str_from(sender_id)))
        fail_msg("%s: the id is \"%.*s\"", section, STR_FMT(facts.sender_id));
    assert_int_equal(facts.event.ptr == NULL, event == NULL);
    assert_int_equal(facts.sender_id.ptr == NULL, sender_id == NULL);
    source_case_done(&source);
}

#define STANDARD                                                                                   \
    "accept = signature\nsignature = svix\nsecret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
#define WITH(scheme) "accept = signature\nsecret = a\nsignature = " scheme "\n"

static void
a_call_says_what_it_is(void **state)
{
    static const char *const usher[][2] = {{"X-Usher-Event", "order.paid"},
        {"Webhook-Id", "msg_1"}};
    static const char *const empty[][2] = {{"X-Usher-Event", ""}, {"Webhook-Id", ""}};
    static const char *const svix[][2] = {{"svix-id", "msg_2"}, {"svix-signature", "v1,"},
        {"webhook-id", "forged"}};
    static const char *const github[][2] = {{"X-GitHub-Delivery", "g-1"},
        {"X-GitHub-Event", "push"}, {"webhook-id", "forged"}};
    static const char *const shopify[][2] = {{"X-Shopify-Event-Id", "s-1"},
        {"X-Shopify-Topic", "orders/paid"}};
    static const char *const own[][2] = {{"X-Id", "o-1"}, {"X-Event", "made"},
        {"webhook-id", "msg_1"}};

    assert_facts("accept = none", NULL, 0, NULL, NULL);
    assert_facts("accept = none", usher, 2, "order.paid", "msg_1");
    assert_facts("accept = none", empty, 2, NULL, NULL);
    assert_facts("accept = none\nevent = mine", usher, 2, "mine", "msg_1");
    assert_facts("accept = none", svix, 1, NULL, "msg_2");
    assert_facts(STANDARD, svix, 3, NULL, "msg_2");
    assert_facts(WITH("github"), github, 3, "push", "g-1");
    assert_facts(WITH("github"), usher, 2, "order.paid", NULL);
    assert_facts(WITH("shopify"), shopify, 2, "orders/paid", "s-1");
    assert_facts(WITH("stripe"), usher, 0, "charge.paid", "evt_1");
    assert_facts(WITH("slack"), usher, 0, NULL, NULL);
    assert_facts(WITH("zoom"), usher, 0, NULL, NULL);
    assert_facts(WITH("hmac") "hmac-header = X\nhmac-id-header = X-Id\nhmac-event-header = X-Event",
        own, 3, "made", "o-1");
    assert_facts(WITH("hmac") "hmac-header = X", own, 3, NULL, "msg_1");
    (void)state;
}

static void
the_source_may_say_where_the_id_is(void **state)
{
    static const char *const fields[][2] = {{"X-Id", "h-1"}, {"webhook-id", "msg_1"}};

    assert_facts("accept = none\nid = x-id", fields, 2, NULL, "h-1");
    assert_facts("accept = none\nid = X-Other", fields, 2, NULL, NULL);
    assert_facts("accept = none\nid = body.id", fields, 2, NULL, "evt_1");
    assert_facts("accept = none\nid = body.number", fields, 2, NULL, "7");
    assert_facts("accept = none\nid = body.deep.er.*.id", fields, 2, NULL, "d");
    assert_facts("accept = none\nid = body.deep", fields, 2, NULL, NULL);
    assert_facts("accept = none\nid = body.nothing", fields, 2, NULL, NULL);
    assert_facts(WITH("stripe") "id = X-Id", fields, 2, "charge.paid", "h-1");
    (void)state;
}

/* 300 times 'x' */
#define LONG_DIGEST "sha256:0d4e2ca9e9cbced7a7a5380eb29e1a3783b9b6d0db72de36a1051038e1c1fbc7"

static void
what_is_too_long_is_bounded(void **state)
{
    static char long_text[301];
    const char *const fields[][2] = {{"webhook-id", long_text}, {"x-usher-event", long_text}};

    memset(long_text, 'x', 300);
    assert_facts("accept = none", fields, 2, NULL, LONG_DIGEST);
    (void)state;
}

static void
what_is_no_text_is_known_by_its_digest(void **state)
{
    struct source_case source;
    struct call_case call;
    struct json *json = NULL;
    struct source_facts facts;

    source_case_start(&source, "accept = none\nid = body.id");
    call_case_init(&call, NULL, "", 0);
    assert_int_equal(json_parse(STR("{\"id\":\"a\\u0000b\"}"), &source.arena, &json, NULL), OK);
    source_facts(&source.source, &call.call, json, &source.arena, &facts);
    assert_true(str_starts(facts.sender_id, STR("sha256:")));
    assert_int_equal(facts.sender_id.len, 71);
    source_case_done(&source);
    (void)state;
}

static void
a_body_of_any_shape_is_read(void **state)
{
    static const char *const bodies[] = {"null", "[]", "1", "\"id\"", "{\"id\":null,\"type\":[]}",
        "{\"event\":{\"type\":\"\"}}"};
    static const char *const sections[] = {WITH("stripe"), WITH("slack"),
        "accept = none\nid = body.id"};

    for (size_t i = 0; i < COUNT_OF(bodies) * COUNT_OF(sections); i++) {
        struct source_case source;
        struct call_case call;
        struct json *json = NULL;
        struct source_facts facts;

        source_case_start(&source, sections[i % COUNT_OF(sections)]);
        call_case_init(&call, NULL, "", 0);
        assert_int_equal(
            json_parse(str_from(bodies[i / COUNT_OF(sections)]), &source.arena, &json, NULL), OK);
        source_facts(&source.source, &call.call, json, &source.arena, &facts);
        assert_null(facts.event.ptr);
        assert_null(facts.sender_id.ptr);
        source_facts(&source.source, &call.call, NULL, &source.arena, &facts);
        assert_null(facts.sender_id.ptr);
        source_case_done(&source);
    }
    (void)state;
}

static int64_t
sequence_of(const char *section, const char *value)
{
    struct source_case source;
    struct call_case call;
    struct source_facts facts;

    source_case_start(&source, section);
    call_case_init(&call, NULL, "", 0);
    call_case_add(&call, "x-usher-sequence", value);
    source_facts(&source.source, &call.call, NULL, &source.arena, &facts);
    source_case_done(&source);
    return facts.sender_sequence;
}

static void
a_sequence_is_believed_of_who_is_known(void **state)
{
    assert_int_equal(sequence_of(WITH("github"), "42"), 42);
    assert_int_equal(sequence_of(WITH("github"), "9223372036854775807"), INT64_MAX);
    assert_int_equal(sequence_of(WITH("github"), "9223372036854775808"), 0);
    assert_int_equal(sequence_of(WITH("github"), "-1"), 0);
    assert_int_equal(sequence_of(WITH("github"), "1.5"), 0);
    assert_int_equal(sequence_of(WITH("github"), ""), 0);
    assert_int_equal(sequence_of("accept = none", "42"), 0);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_says_what_it_is),
        cmocka_unit_test(the_source_may_say_where_the_id_is),
        cmocka_unit_test(what_is_too_long_is_bounded),
        cmocka_unit_test(what_is_no_text_is_known_by_its_digest),
        cmocka_unit_test(a_body_of_any_shape_is_read),
        cmocka_unit_test(a_sequence_is_believed_of_who_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
