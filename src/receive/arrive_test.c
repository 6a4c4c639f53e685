/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/arrive.h"

#include <string.h>

#include "support/source_calls.h"

#define NOW_S   INT64_C(1710495900)
#define CREATED "{\"email\":\"J@x.de\",\"callList\":[{\"webinarId\":\"w1\"}]}"
#define REMINDER                                                                                   \
    "{\"email\":\"J@x.de\",\"webinarId\":\"w1\",\"webinarFromTime\":\"2024-03-15T10:00Z\"}"
/* Of the bytes {"a":1} */
#define A_DIGEST "sha256:015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"

struct arrived {
    struct source_case source;
    struct call_case call;
    struct inbox_arrival arrival;
    struct error error;
};

static enum err
arrive_with(struct arrived *self, const char *section, const char *const fields[][2], size_t count,
    const char *body)
{
    memset(self, 0, sizeof(*self));
    self->arrival.flags = 77;
    source_case_start(&self->source, section);
    call_case_init(&self->call, NULL, body, NOW_S);
    for (size_t i = 0; i < count; i++)
        call_case_add(&self->call, fields[i][0], fields[i][1]);
    return arrive(&self->source.source, 5, &self->call.call, &self->source.arena, &self->arrival,
        &self->error);
}

static void
assert_is(struct str text, const char *expected)
{
    if (!str_equals(text, str_from(expected)) || (text.ptr == NULL) != (expected == NULL))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_FMT(text), expected);
}

static void
a_call_becomes_what_is_stored_of_it(void **state)
{
    static const struct {
        const char *section;
        const char *body;
        const char *event;
        const char *object;
        const char *person;
        const char *sender_id;
        enum duplicate_policy policy;
        unsigned flags;
    } cases[] = {
        /* The shape tells the event, and the event how duplicates are told. */
        {"accept = none", CREATED, "webinar.created.single", "w1", "e:j@x.de", NULL,
            DUPLICATE_LATEST, 0},
        {"accept = none", REMINDER, "webinar.reminder.all", "2:w120:2024-03-15T10:00:00Z5:15min",
            "e:j@x.de", NULL, DUPLICATE_ONCE, 0},
        /* The source says more than the shape. */
        {"accept = none\nevent = webinar.reminder.15min", REMINDER, "webinar.reminder.15min",
            "2:w120:2024-03-15T10:00:00Z", "e:j@x.de", NULL, DUPLICATE_ONCE, 0},
        {"accept = none\nduplicates = none", CREATED, "webinar.created.single", "w1", "e:j@x.de",
            NULL, DUPLICATE_NONE, 0},
        {"accept = none\nduplicates = exact", "{\"a\":1}", "", "", "", A_DIGEST, DUPLICATE_EXACT,
            ITEM_UNRECOGNISED},
        {"accept = none\nidentity = a\nevent = made", "{\"a\":1}", "made", "1", "", NULL,
            DUPLICATE_LATEST, ITEM_UNRECOGNISED},
        {"accept = none\nid = body.a", "{\"a\":1}", "", "", "", "1", DUPLICATE_EXACT,
            ITEM_UNRECOGNISED},
        /* Of what is not known the bytes decide, or nothing where the owner wants it so. */
        {"accept = none", "{\"a\":1}", "", "", "", A_DIGEST, DUPLICATE_EXACT, ITEM_UNRECOGNISED},
        {"accept = none\nevent = push\nduplicates = latest", "{\"a\":1}", "push", "", "", A_DIGEST,
            DUPLICATE_EXACT, ITEM_UNRECOGNISED},
        {"accept = none\nduplicates = none", "{\"a\":1}", "", "", "", NULL, DUPLICATE_NONE,
            ITEM_UNRECOGNISED},
        {"accept = none\nduplicates = once\nidentity = b", "{\"a\":1}", "", "", "", A_DIGEST,
            DUPLICATE_EXACT, ITEM_UNRECOGNISED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arrived arrived;
        const struct inbox_arrival *arrival = &arrived.arrival;

        if (arrive_with(&arrived, cases[i].section, NULL, 0, cases[i].body) != OK)
            fail_msg("%s: %s", cases[i].body, arrived.error.text);
        if (arrival->policy != cases[i].policy || arrival->flags != cases[i].flags)
            fail_msg("case %zu: policy %s, flags %u", i, duplicate_policy_name(arrival->policy),
                arrival->flags);
        assert_is(arrival->identity.event, cases[i].event);
        assert_is(arrival->identity.object, cases[i].object);
        assert_is(arrival->identity.person, cases[i].person);
        assert_is(arrival->sender_id, cases[i].sender_id);
        assert_is(arrival->body, cases[i].body);
        assert_int_equal(arrival->source_pk, 5);
        assert_true(arrival->received.us == NOW_S * US_PER_S);
        source_case_done(&arrived.source);
    }
    (void)state;
}

static void
what_the_sender_says_of_a_call_is_kept(void **state)
{
    static const char *const fields[][2] = {{"Webhook-Id", "msg_1"}, {"X-Usher-Sequence", "9"},
        {"X-Usher-Event", "webinar.created.recurring"}};
    struct arrived arrived;

    assert_int_equal(arrive_with(&arrived, "accept = header\nheader = x-me\nheader-value = abc",
                         fields, COUNT_OF(fields), CREATED),
        OK);
    assert_is(arrived.arrival.identity.event, "webinar.created.recurring");
    assert_is(arrived.arrival.sender_id, "msg_1");
    assert_int_equal(arrived.arrival.sender_sequence, 9);
    assert_is(arrived.arrival.identity.object, "w1");
    source_case_done(&arrived.source);
    (void)state;
}

static void
what_proves_the_caller_is_not_kept(void **state)
{
    static const char *const fields[][2] = {{"Host", "example.com"}, {"User-Agent", "axios/1"},
        {"Authorization", "Basic c2VjcmV0"}, {"authorization", "Bearer secret"},
        {"COOKIE", "secret"}, {"Proxy-Authorization", "secret"}, {"X-Api-Key", "secret"},
        {"X-Own-Secret", "secret"}, {"Webhook-Signature", "v1,abc"}, {"Content-Length", "9"},
        {"Connection", "close"}, {"x-bytes", "\377\376"}, {"X-Empty", ""},
        {"Content-Type", "application/json"}};
    struct arrived arrived;

    assert_int_equal(arrive_with(&arrived,
                         "accept = header\nheader = x-own-secret\nheader-value = secret", fields,
                         COUNT_OF(fields), CREATED),
        OK);
    assert_is(arrived.arrival.headers, "User-Agent: axios/1\nWebhook-Signature: v1,abc\n"
                                       "X-Empty: \nContent-Type: application/json\n");
    source_case_done(&arrived.source);
    assert_int_equal(arrive_with(&arrived, "accept = none", NULL, 0, CREATED), OK);
    assert_is(arrived.arrival.headers, "");
    source_case_done(&arrived.source);
    (void)state;
}

static void
versions_are_told_by_meaning_and_without_what_is_ignored(void **state)
{
    static const char *const bodies[] = {
        "{\"email\":\"j@x.de\",\"callList\":[{\"webinarId\":\"w\"}],\"sentAt\":1}",
        "{\"sentAt\":2, \"callList\":[{\"webinarId\":\"w\"}], \"email\":\"j@x.de\"}",
        "{\"email\":\"j@x.de\",\"callList\":[{\"webinarId\":\"w\",\"webinar\":\"T\"}]}",
    };
    struct arrived arrived[COUNT_OF(bodies)];

    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_int_equal(
            arrive_with(&arrived[i], "accept = none\nignore = sentAt", NULL, 0, bodies[i]), OK);
    assert_memory_equal(arrived[0].arrival.version, arrived[1].arrival.version, SHA256_BYTES);
    assert_memory_not_equal(arrived[0].arrival.version, arrived[2].arrival.version, SHA256_BYTES);
    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        source_case_done(&arrived[i].source);
    (void)state;
}

static void
what_is_no_json_is_refused(void **state)
{
    static const char *const bodies[] = {"", " ", "{", "{\"a\":1,}", "hello", "\"\377\"", "{} {}"};

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct arrived arrived;

        if (arrive_with(&arrived, "accept = none", NULL, 0, bodies[i]) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bodies[i]);
        assert_true(arrived.error.text[0] != '\0');
        assert_int_equal(arrived.arrival.flags, 77);
        source_case_done(&arrived.source);
    }
    (void)state;
}

static void
what_has_no_one_meaning_is_the_same_by_its_bytes_alone(void **state)
{
    struct arrived arrived;

    (void)state;
    assert_int_equal(arrive_with(&arrived, "accept = none", NULL, 0, "{\"a\":1,\"a\":2}"), OK);
    assert_int_equal(arrived.arrival.flags, ITEM_UNRECOGNISED);
    assert_int_equal(arrived.arrival.policy, DUPLICATE_EXACT);
    assert_true(str_starts(arrived.arrival.sender_id, STR("sha256:")));
    source_case_done(&arrived.source);
}

/* With ever more room, until it is enough. */
static void
assert_told_until_it_fits(const char *body)
{
    static const char *const fields[][2] = {{"User-Agent", "axios/1"}};
    size_t refusals = 0;
    enum err err = ERR_NOMEM;

    for (size_t bytes = 64; err != OK; bytes += 16) {
        struct inbox_arrival arrival = {.flags = 77};
        struct arrived arrived;
        struct arena small;

        assert_int_equal(arrive_with(&arrived, "accept = none", fields, 1, body), OK);
        arena_init(&small, bytes);
        err =
            arrive(&arrived.source.source, 5, &arrived.call.call, &small, &arrival, &arrived.error);
        if (err != OK) {
            assert_true(err == ERR_LIMIT || err == ERR_NOMEM);
            assert_int_equal(arrived.error.code, err);
            assert_int_equal(arrival.flags, 77);
            refusals += err == ERR_NOMEM ? 1 : 0;
        } else {
            assert_true(str_equals(arrival.sender_id, arrived.arrival.sender_id));
        }
        arena_done(&small);
        source_case_done(&arrived.source);
    }
    assert_true(refusals > 0);
}

static void
too_little_room_is_told(void **state)
{
    assert_told_until_it_fits(CREATED);
    assert_told_until_it_fits("{\"a\":1}");
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_becomes_what_is_stored_of_it),
        cmocka_unit_test(what_the_sender_says_of_a_call_is_kept),
        cmocka_unit_test(what_proves_the_caller_is_not_kept),
        cmocka_unit_test(versions_are_told_by_meaning_and_without_what_is_ignored),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(what_has_no_one_meaning_is_the_same_by_its_bytes_alone),
        cmocka_unit_test(too_little_room_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
