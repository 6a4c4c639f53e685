/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/identity.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

#define WHO "\"name\":\"John Doe\",\"email\":\" John@Example.com \""

/* 2024-03-15T10:00:00Z */
#define START_S INT64_C(1710496800)

static int
set_up(void **state)
{
    static struct arena arena;

    arena_init(&arena, 1 << 22);
    *state = &arena;
    return 0;
}

static int
tear_down(void **state)
{
    arena_done(*state);
    return 0;
}

static const struct json *
json_of(struct arena *arena, const char *text)
{
    struct json *json = NULL;
    struct error error = {0};

    if (json_parse(str_from(text), arena, &json, &error) != OK)
        fail_msg("%s: %s", text, error.text);
    return json;
}

static bool
identify_at(struct arena *arena, const char *event, const char *body, int64_t received_s,
    struct identity *ret)
{
    struct received received;

    assert_int_equal(received_read(json_of(arena, body), arena, &received), OK);
    return identity_of(str_from(event), &received, NULL, (struct walltime){received_s * US_PER_S},
        arena, ret);
}

static struct identity
identify(struct arena *arena, const char *event, const char *body)
{
    struct identity identity;

    if (!identify_at(arena, event, body, START_S - 900, &identity))
        fail_msg("%s has no identity", body);
    return identity;
}

static void
assert_is(struct str text, const char *expected)
{
    if (!str_equals(text, str_from(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_FMT(text), expected);
}

static void
every_event_has_its_natural_key(void **state)
{
    static const struct {
        const char *event;
        const char *body;
        const char *object;
        const char *person;
    } cases[] = {
        {"webinar.created.single", "{" WHO ",\"callList\":[{\"webinarId\":\"w1\"}]}", "w1",
            "e:john@example.com"},
        {"webinar.created.recurring",
            "{" WHO ",\"callList\":[{\"webinarId\":\"w2\"},{\"webinarId\":\"w1\"}]}", "w1",
            "e:john@example.com"},
        {"webinar.created.single", "{" WHO ",\"callList\":[{\"webinarId\":9007199254740993}]}",
            "9007199254740993", "e:john@example.com"},
        {"webinar.created.single", "{" WHO ",\"callList\":[{\"webinar\":\"Intro\"}]}", "-5:Intro",
            "e:john@example.com"},
        {"webinar.reminder.15min",
            "{" WHO ",\"webinarId\":\"w1\",\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\"}",
            "2:w120:2024-03-15T10:00:00Z", "e:john@example.com"},
        {"webinar.reminder.all",
            "{" WHO ",\"webinarId\":\"w1\",\"webinarFromTime\":\"2024-03-15T15:30+05:30\"}",
            "2:w120:2024-03-15T10:00:00Z5:15min", "e:john@example.com"},
        {"webinar.completed.all", "{" WHO ",\"webinarId\":\"w1\"}", "w1", "e:john@example.com"},
        {"order.created.completed",
            "{\"orderId\":\"o1\",\"status\":\"completed\",\"orderTime\":\"2023-11-20T18:30Z\"}",
            "2:o19:completed17:2023-11-20T18:30Z", ""},
        {"order.created.failed", "{" WHO ",\"orderId\":1}", "1:1--", "e:john@example.com"},
        {"course.completed.50",
            "{" WHO ",\"courseId\":\"c1\",\"lastProgressOn\":\"2023-11-20T18:30Z\"}", "c1",
            "e:john@example.com"},
        {"course.completed.all",
            "{" WHO ",\"courseId\":\"c1\",\"lastProgressOn\":\"2023-11-20T18:30Z\"}",
            "2:c117:2023-11-20T18:30Z", "e:john@example.com"},
        {"subscription.expired",
            "{" WHO ",\"mangoLink\":\"https://x\",\"lastPurchaseDate\":\"14 Jul 2025\"}",
            "9:https://x11:14 Jul 2025", "e:john@example.com"},
        {"user.deleted", "{\"_id\":\"u1\",\"profilePicUrl\":null,\"phone\":919876543210}", "u1",
            "p:919876543210"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct identity identity = identify(*state, cases[i].event, cases[i].body);

        assert_is(identity.event, cases[i].event);
        assert_is(identity.object, cases[i].object);
        assert_is(identity.person, cases[i].person);
    }
}

static void
a_person_is_an_email_else_a_phone_else_a_name(void **state)
{
    static const struct {
        const char *members;
        const char *person;
    } cases[] = {
        {"\"email\":\"A@B.C\",\"phone\":1,\"name\":\"N\"", "e:a@b.c"},
        {"\"email\":\" \",\"phone\":919876543210,\"name\":\"N\"", "p:919876543210"},
        {"\"email\":null,\"phone\":\"+91 98765-43210\"", "p:919876543210"},
        {"\"phone\":\"none\",\"name\":\" John Doe \"", "n:john doe"},
        {"\"email\":\"\",\"phone\":null,\"name\":\"N\\u0000x\"", "n:n"},
        {"\"email\":\"J\\u00d6@x.de\"", "e:j\303\226@x.de"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char body[256];
        struct identity identity;

        (void)snprintf(body, sizeof(body), "{\"webinarId\":\"w\",%s}", cases[i].members);
        identity = identify(*state, "webinar.completed.all", body);
        if (strstr(cases[i].members, "u0000") != NULL) {
            assert_int_equal(identity.person.len, 5);
            assert_memory_equal(identity.person.ptr, "n:n\0x", 5);
        } else {
            assert_is(identity.person, cases[i].person);
        }
    }
}

static void
a_reminder_of_all_slots_is_told_by_when_it_came(void **state)
{
    static const struct {
        int64_t before_s;
        const char *slot;
    } cases[] = {
        {90000, "4:1day"},
        {86400, "4:1day"},
        {86400 - 3600, "4:1day"},
        {45000, "4:1day"},
        {43000, "5:30min"},
        {3600, "5:30min"},
        {1800, "5:30min"},
        {1800 - 300, "5:30min"},
        {1200, "5:15min"},
        {900, "5:15min"},
        {0, "5:15min"},
        {-3600, "5:15min"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char object[64];
        struct identity identity;

        (void)snprintf(object, sizeof(object), "1:w20:2024-03-15T10:00:00Z%s", cases[i].slot);
        assert_true(identify_at(*state, "webinar.reminder.all",
            "{" WHO ",\"webinarId\":\"w\",\"webinarFromTime\":\"2024-03-15T10:00Z\"}",
            START_S - cases[i].before_s, &identity));
        assert_is(identity.object, object);
    }
}

static void
what_names_nothing_or_nobody_has_no_identity(void **state)
{
    static const char *const bodies[] = {"{}", "[]", "null", "{" WHO "}",
        "{" WHO ",\"callList\":[]}", "{" WHO ",\"callList\":[{}]}",
        "{" WHO ",\"callList\":[{\"webinarId\":\"\"}]}", "{\"callList\":[{\"webinarId\":\"w\"}]}",
        "{\"webinarId\":\"w\"}", "{" WHO ",\"webinarId\":\"w\",\"webinarFromTime\":\"soon\"}",
        "{" WHO ",\"orderTime\":\"2023-11-20T18:30Z\"}", "{\"courseId\":\"c\"}",
        "{\"mangoLink\":\"l\"}", "{" WHO ",\"lastPurchaseDate\":\"14 Jul 2025\"}",
        "{\"webinarId\":\"w\",\"email\":\"\",\"phone\":\"-\",\"name\":\"  \"}"};

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct identity identity = {.event = STR("before")};

        if (identify_at(*state, "x", bodies[i], START_S, &identity))
            fail_msg("%s is \"%.*s\"", bodies[i], STR_FMT(identity.object));
        assert_is(identity.event, "before");
    }
}

static void
a_series_that_grows_or_is_sent_in_another_order_stays_itself(void **state)
{
    static const char *const bodies[] = {
        "{" WHO ",\"callList\":[{\"webinarId\":\"w1\"},{\"webinarId\":\"w2\"}]}",
        "{" WHO ",\"callList\":[{\"webinarId\":\"w2\"},{\"webinarId\":\"w1\"}]}",
        "{" WHO ",\"callList\":[{\"webinarId\":\"w3\"},{\"webinarId\":\"w1\"},"
        "{\"webinarId\":\"w2\"}]}",
    };

    for (size_t i = 0; i < COUNT_OF(bodies); i++)
        assert_is(identify(*state, "webinar.created.recurring", bodies[i]).object, "w1");
}

static void
fields_read(struct arena *arena, const char *const *paths, size_t count,
    struct identity_fields *ret)
{
    *ret = (struct identity_fields){.count = count};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(field_path_parse(str_from(paths[i]), arena, &ret->paths[i], NULL), OK);
}

static bool
identify_by(struct arena *arena, const char *first, const char *second, const char *body,
    struct identity *ret)
{
    const char *const paths[] = {first, second};
    struct identity_fields fields;
    struct received received;

    fields_read(arena, paths, second != NULL ? 2 : 1, &fields);
    assert_int_equal(received_read(json_of(arena, body), arena, &received), OK);
    return identity_of(STR("e"), &received, &fields, (struct walltime){0}, arena, ret);
}

static void
the_source_names_what_makes_an_identity(void **state)
{
    static const struct {
        const char *paths[2];
        const char *body;
        const char *object; /* NULL: none */
        const char *person;
    } cases[] = {
        {{"a", NULL}, "{\"a\":\"x\"}", "x", ""},
        {{"a", NULL}, "{\"a\":5}", "5", ""},
        {{"a", NULL}, "{\"a\":\"x:y\"}", "3:x:y", ""},
        {{"a", NULL}, "{\"a\":null}", NULL, NULL},
        {{"a", NULL}, "{\"a\":\"\"}", NULL, NULL},
        {{"a", NULL}, "{\"b\":1}", NULL, NULL},
        {{"a", NULL}, "{\"a\":false}", "f", ""},
        {{"a", "b"}, "{\"a\":\"x\",\"b\":\"y\"}", "1:x/1:y", ""},
        {{"a", "b"}, "{\"a\":\"x\"}", "1:x/", ""},
        {{"a", "b"}, "{\"b\":\"x\"}", "/1:x", ""},
        {{"a", "b"}, "{\"a\":null,\"b\":\"x\"}", "n/1:x", ""},
        {{"a", "b"}, "{\"a\":\"\",\"b\":\"x\"}", "0:/1:x", ""},
        {{"a", "email"}, "{\"a\":\"x\",\"email\":\"J@x.de\"}", "x", "e:j@x.de"},
        {{"email", NULL}, "{\"a\":\"x\",\"email\":\"J@x.de\"}", "", "e:j@x.de"},
        {{"email", NULL}, "{\"a\":\"x\",\"email\":\"\"}", NULL, NULL},
        {{"a.*", "b"}, "{\"a\":[\"x\",\"y\"],\"b\":\"z\"}", "1:x1:y/1:z", ""},
        {{"a.*", "b.*"}, "{\"a\":[\"x\"],\"b\":[\"y\",\"z\"]}", "1:x/1:y1:z", ""},
        {{"a", NULL}, "{\"a\":{\"c\":1.0,\"b\":[true]}}", "{1:b[t]1:cd1e1;}", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct identity identity = {.event = STR("before")};
        bool is_there =
            identify_by(*state, cases[i].paths[0], cases[i].paths[1], cases[i].body, &identity);

        if (is_there != (cases[i].object != NULL))
            fail_msg("%s: %d", cases[i].body, is_there);
        assert_is(identity.event, is_there ? "e" : "before");
        if (is_there) {
            assert_is(identity.object, cases[i].object);
            assert_is(identity.person, cases[i].person);
        }
    }
}

static void
a_very_long_key_is_known_by_its_digest(void **state)
{
    char body[2048];
    char id[601];
    struct identity first;
    struct identity second;

    memset(id, 'x', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    (void)snprintf(body, sizeof(body), "{\"webinarId\":\"%s\",\"email\":\"%s\"}", id, id);
    first = identify(*state, "webinar.completed.all", body);
    assert_int_equal(first.object.len, 71);
    assert_int_equal(first.person.len, 71);
    assert_true(str_starts(first.object, STR("sha256:")));
    id[599] = 'y';
    (void)snprintf(body, sizeof(body), "{\"webinarId\":\"%s\",\"name\":\"n\"}", id);
    second = identify(*state, "webinar.completed.all", body);
    assert_false(str_equals(first.object, second.object));
    id[512] = '\0';
    (void)snprintf(body, sizeof(body), "{\"webinarId\":\"%s\",\"name\":\"n\"}", id);
    assert_int_equal(identify(*state, "webinar.completed.all", body).object.len, 512);
}

static void
version(struct arena *arena, const char *body, const struct identity_fields *ignored,
    uint8_t ret[SHA256_BYTES])
{
    assert_int_equal(version_of(json_of(arena, body), ignored, arena, ret), OK);
}

static bool
is_same_version(struct arena *arena, const char *a, const char *b,
    const struct identity_fields *ignored)
{
    uint8_t left[SHA256_BYTES];
    uint8_t right[SHA256_BYTES];

    version(arena, a, ignored, left);
    version(arena, b, ignored, right);
    return memcmp(left, right, SHA256_BYTES) == 0;
}

static void
a_version_is_what_a_body_means(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool is_same;
    } cases[] = {
        {"{\"a\":1,\"b\":2}", " { \"b\" : 2 , \"a\" : 1 } ", true},
        {"{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":1}}", true},
        {"{\"a\":\"\\u0041\"}", "{\"a\":\"A\"}", true},
        {"{\"a\":1.0}", "{\"a\":1}", true},
        {"{\"a\":1e2}", "{\"a\":100}", true},
        {"{\"a\":-0}", "{\"a\":0}", true},
        {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}", false},
        {"{\"a\":1e999999999999999999}", "{\"a\":1e999999999999999998}", false},
        {"{\"a\":1}", "{\"a\":\"1\"}", false},
        /* Absent, null and "" are three. */
        {"{}", "{\"a\":null}", false},
        {"{\"a\":null}", "{\"a\":\"\"}", false},
        {"{}", "{\"a\":\"\"}", false},
        {"{\"a\":[]}", "{\"a\":null}", false},
        {"{\"a\":[]}", "{\"a\":{}}", false},
        {"{\"a\":false}", "{\"a\":null}", false},
        {"{\"a\":true}", "{\"a\":false}", false},
        {"{\"a\":\"b\",\"c\":\"d\"}", "{\"a\":\"d\",\"c\":\"b\"}", false},
        {"{\"a\":\"bc\"}", "{\"ab\":\"c\"}", false},
        {"[1,2]", "[2,1]", false},
        {"[[1],2]", "[[1,2]]", false},
        /* Composed and decomposed letters are two texts. */
        {"\"\\u00e9\"", "\"e\\u0301\"", false},
        {"\"a\\u0000b\"", "\"a\"", false},
        /* The sessions are a set, and only they. */
        {"{\"callList\":[{\"i\":1},{\"i\":2},{\"i\":3}]}",
            "{\"callList\":[{\"i\":3},{\"i\":1},{\"i\":2}]}", true},
        {"{\"callList\":[{\"i\":1},{\"i\":1}]}", "{\"callList\":[{\"i\":1}]}", true},
        {"{\"callList\":[{\"i\":1},{\"i\":2}]}", "{\"callList\":[{\"i\":1}]}", false},
        {"{\"callList\":[1]}", "{\"callList\":1}", false},
        {"{\"list\":[1,2]}", "{\"list\":[2,1]}", false},
        {"{\"x\":{\"callList\":[1,2]}}", "{\"x\":{\"callList\":[2,1]}}", false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (is_same_version(*state, cases[i].a, cases[i].b, NULL) != cases[i].is_same)
            fail_msg("%s and %s: expected %d", cases[i].a, cases[i].b, cases[i].is_same);
    }
}

static void
what_is_ignored_is_no_part_of_the_version(void **state)
{
    static const char *const paths[] = {"sentAt", "callList.*.viewers", "list.1", "deep.a.b"};

    static const struct {
        const char *a;
        const char *b;
        bool is_same;
    } cases[] = {
        {"{\"a\":1,\"sentAt\":5}", "{\"a\":1}", true},
        {"{\"a\":1,\"sentAt\":5}", "{\"a\":2,\"sentAt\":5}", false},
        {"{\"x\":{\"sentAt\":5}}", "{\"x\":{\"sentAt\":6}}", false},
        {"{\"callList\":[{\"i\":1,\"viewers\":7},{\"i\":2,\"viewers\":8}]}",
            "{\"callList\":[{\"i\":2},{\"viewers\":null,\"i\":1}]}", true},
        {"{\"list\":[1,2,3]}", "{\"list\":[1,9,3]}", true},
        {"{\"list\":[1,2,3]}", "{\"list\":[1,2,4]}", false},
        {"{\"deep\":{\"a\":{\"b\":[1]}}}", "{\"deep\":{\"a\":{}}}", true},
        {"{\"deep\":{\"a\":{\"c\":1}}}", "{\"deep\":{\"a\":{}}}", false},
        {"{\"deep\":{\"b\":1}}", "{\"deep\":{}}", false},
    };
    struct identity_fields ignored;

    fields_read(*state, paths, COUNT_OF(paths), &ignored);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (is_same_version(*state, cases[i].a, cases[i].b, &ignored) != cases[i].is_same)
            fail_msg("%s and %s: expected %d", cases[i].a, cases[i].b, cases[i].is_same);
    }
}

static void
names_without_number_are_sorted_as_well(void **state)
{
    CLEANUP(buf_done) struct buf up;
    CLEANUP(buf_done) struct buf down;

    buf_init(&up, 1 << 16);
    buf_init(&down, 1 << 16);
    for (int i = 0; i < 100; i++) {
        buf_printf(&up, "%c\"n%d\":%d", i == 0 ? '{' : ',', i, i);
        buf_printf(&down, "%c\"n%d\":%d", i == 0 ? '{' : ',', 99 - i, 99 - i);
    }
    buf_append_char(&up, '}');
    buf_append_char(&down, '}');
    assert_true(is_same_version(*state, up.ptr, down.ptr, NULL));
}

static void
no_room_is_told(void **state)
{
    uint8_t digest[SHA256_BYTES] = {77};
    const struct json *json = json_of(*state, "{\"callList\":[{\"a\":1},{\"b\":2}]}");
    struct arena small;

    for (size_t bytes = 0; bytes <= 1024; bytes += 512) {
        arena_init(&small, bytes);
        assert_int_equal(version_of(json, NULL, &small, digest), ERR_NOMEM);
        assert_int_equal(digest[0], 77);
        arena_done(&small);
    }
}

static void
what_happens_once_is_told_by_its_name(void **state)
{
    static const char *const once[] = {"webinar.reminder.all", "webinar.reminder.15min",
        "webinar.completed.all", "course.completed", "course.completed.50",
        "order.created.completed", "order.recurring.created"};
    static const char *const latest[] = {"", "webinar.created.single", "webinar.created.recurring",
        "subscription.expired", "user.deleted", "push", "orders", "webinar.reminder"};

    for (size_t i = 0; i < COUNT_OF(once); i++)
        assert_int_equal(duplicate_policy_of(str_from(once[i])), DUPLICATE_ONCE);
    for (size_t i = 0; i < COUNT_OF(latest); i++)
        assert_int_equal(duplicate_policy_of(str_from(latest[i])), DUPLICATE_LATEST);
    assert_int_equal(duplicate_policy_of((struct str){NULL, 0}), DUPLICATE_LATEST);
    (void)state;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_event_has_its_natural_key),
        TEST(a_person_is_an_email_else_a_phone_else_a_name),
        TEST(a_reminder_of_all_slots_is_told_by_when_it_came),
        TEST(what_names_nothing_or_nobody_has_no_identity),
        TEST(a_series_that_grows_or_is_sent_in_another_order_stays_itself),
        TEST(the_source_names_what_makes_an_identity),
        TEST(a_very_long_key_is_known_by_its_digest),
        TEST(a_version_is_what_a_body_means),
        TEST(what_is_ignored_is_no_part_of_the_version),
        TEST(names_without_number_are_sorted_as_well),
        TEST(no_room_is_told),
        cmocka_unit_test(what_happens_once_is_told_by_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
