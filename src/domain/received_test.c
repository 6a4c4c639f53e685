/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/received.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/item.h"
#include "support/test.h"

/* The published bodies. */
#define SESSION(id, extra)                                                                         \
    "{\"webinar\":\"Introduction to Digital Marketing\",\"webinarId\":\"" id "\","                 \
    "\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","                                    \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","                                            \
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","                                              \
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","                           \
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\","                             \
    "\"creatorTimezone\":\"+05:30\"" extra "}"
#define PERSON "\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":919876543210"
#define CREATED                                                                                    \
    "{" PERSON ",\"timezone\":\"+01:00\",\"callList\":[" SESSION("634fc35ddaf58580e2418c40",       \
        "") "],\"mangoes\":\"mango1, mango2, mango3\"}"
#define REMINDER                                                                                   \
    "{\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":\"919876543210\","            \
    "\"timezone\":null,\"webinar\":\"Intro\",\"webinarId\":\"634fc35ddaf58580e2418c40\","          \
    "\"webinarLink\":\"https://meet.google.com/abc\","                                             \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","                                            \
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","                           \
    "\"creatorTimezone\":\"+05:30\",\"mangoes\":\"mango1\"}"
#define COMPLETED                                                                                  \
    "{\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":\"+1234567890\","             \
    "\"webinar\":\"Intro\",\"webinarId\":\"634fc35ddaf58580e2418c40\","                            \
    "\"webinarLink\":\"https://example.com/replay\"}"
#define ORDER                                                                                      \
    "{\"id\":\"1\"," PERSON ",\"orderTime\":\"2023-11-20T18:30Z\",\"orderId\":\"ord_1\","          \
    "\"amount\":100,\"gst\":18,\"discount\":20,\"coupon\":\"X\",\"country\":\"IN\","               \
    "\"amountPayable\":90,\"mangoName\":\"Course A\",\"status\":\"completed\","                    \
    "\"customFields\":[]}"

static int
set_up(void **state)
{
    static struct arena arena;

    arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int
tear_down(void **state)
{
    arena_done(*state);
    return 0;
}

static struct received
read_body(struct arena *arena, const char *text)
{
    struct received received = {.flags = 77};
    struct json *json = NULL;

    assert_int_equal(json_parse(str_from(text), arena, &json, NULL), OK);
    assert_int_equal(received_read(json, arena, &received), OK);
    assert_ptr_equal(received.body, json);
    return received;
}

static void
assert_text(struct str text, const char *expected)
{
    if (expected == NULL && text.ptr != NULL)
        fail_msg("\"%.*s\" instead of nothing", STR_FMT(text));
    if (expected != NULL && (text.ptr == NULL || !str_equals(text, str_from(expected))))
        fail_msg("\"%.*s\" instead of \"%s\"", STR_FMT(text), expected);
}

/* "-" when there is no such value. */
static void
assert_value(const struct received *received, const char *name, size_t session,
    const char *expected)
{
    CLEANUP(buf_done) struct buf buf;

    buf_init(&buf, 1 << 16);
    buf_append_literal(&buf, "<");
    if (!received_value(received, str_from(name), session, &buf))
        buf_append_literal(&buf, "-");
    if (!str_equals(str_slice(buf_str(&buf), 1, SIZE_MAX), str_from(expected)))
        fail_msg("%s is \"%s\" and not \"%s\"", name, buf.ptr + 1, expected);
}

static void
the_published_body_is_read(void **state)
{
    struct received received = read_body(*state, CREATED);

    assert_int_equal(received.shape, RECEIVED_CALL_LIST);
    assert_int_equal(received.flags, 0);
    assert_int_equal(received.session_count, 1);
    assert_value(&received, "name", 0, "John Doe");
    assert_value(&received, "email", 0, "john@example.com");
    assert_value(&received, "phone", 0, "919876543210");
    assert_value(&received, "timezone", 0, "+01:00");
    assert_value(&received, "mangoes", 0, "mango1, mango2, mango3");
    assert_value(&received, "webinar", 0, "Introduction to Digital Marketing");
    assert_value(&received, "webinar_id", 0, "634fc35ddaf58580e2418c40");
    assert_value(&received, "link", 0, "https://meet.google.com/abc-defg-hij");
    assert_value(&received, "from", 0, "2024-03-15T10:00:00Z");
    assert_value(&received, "to", 0, "2024-03-15T11:00:00Z");
    assert_value(&received, "from_creator", 0, "2024-03-15T15:30:00+05:30");
    assert_value(&received, "to_creator", 0, "2024-03-15T16:30:00+05:30");
    assert_value(&received, "creator_timezone", 0, "+05:30");
    assert_value(&received, "from_attendee", 0, "2024-03-15T11:00:00+01:00");
    assert_value(&received, "to_attendee", 0, "2024-03-15T12:00:00+01:00");
    assert_value(&received, "webinar", 1, "-");
    assert_value(&received, "from", 1, "-");
    assert_value(&received, "sequence", 0, "-");
    assert_value(&received, "", 0, "-");
}

static void
every_shape_is_told_and_gives_its_event(void **state)
{
    static const struct {
        const char *body;
        enum received_shape shape;
        const char *event;
        const char *object_id;
        const char *occurred;
    } cases[] = {
        {CREATED, RECEIVED_CALL_LIST, "webinar.created.single", NULL, NULL},
        {"{" PERSON ",\"callList\":[" SESSION("a", "") "," SESSION("b", "") "]}",
            RECEIVED_CALL_LIST, "webinar.created.recurring", NULL, NULL},
        {"{" PERSON ",\"callList\":[]}", RECEIVED_CALL_LIST, "webinar.created.single", NULL, NULL},
        {REMINDER, RECEIVED_REMINDER, "webinar.reminder.all", NULL, NULL},
        {COMPLETED, RECEIVED_COMPLETED, "webinar.completed.all", NULL, NULL},
        {ORDER, RECEIVED_ORDER, "order.created.completed", "ord_1", "2023-11-20T18:30Z"},
        {"{\"orderId\":7,\"status\":\"failed\"}", RECEIVED_ORDER, "order.created.failed", "7",
            NULL},
        {"{\"orderId\":\"o\",\"status\":\"initiated\"}", RECEIVED_ORDER, "order.created.initiated",
            "o", NULL},
        {"{\"orderId\":\"o\",\"status\":\"?\"}", RECEIVED_ORDER, NULL, "o", NULL},
        {"{\"id\":\"5\",\"orderTime\":\"2023-11-20T18:30Z\"}", RECEIVED_ORDER, NULL, "5",
            "2023-11-20T18:30Z"},
        /* What the buyer filled in stands at the top, whatever its name. */
        {"{\"orderId\":\"o\",\"status\":\"completed\",\"webinarId\":\"w\",\"courseId\":\"c\"}",
            RECEIVED_ORDER, "order.created.completed", "o", NULL},
        {"{" PERSON ",\"mangoRecurringType\":\"monthly\",\"mangoTitle\":\"M\","
         "\"mangoLink\":\"https://x.example/m\",\"lastPurchaseDate\":\"14 Jul 2025\"}",
            RECEIVED_SUBSCRIPTION, "subscription.expired", "https://x.example/m", "14 Jul 2025"},
        {"{" PERSON ",\"course\":\"C\",\"courseId\":\"c1\","
         "\"lastProgressOn\":\"2023-11-20T18:30Z\"}",
            RECEIVED_COURSE, "course.completed.all", "c1", "2023-11-20T18:30Z"},
        {"{\"_id\":\"u1\"," PERSON ",\"country\":\"IN\",\"host\":\"h\",\"profilePicUrl\":\"\"}",
            RECEIVED_USER, "user.deleted", "u1", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct received received = read_body(*state, cases[i].body);

        if (received.shape != cases[i].shape || received.flags != 0)
            fail_msg("%s: shape %d, flags %u", cases[i].body, received.shape, received.flags);
        assert_text(received_event(&received), cases[i].event);
        assert_text(received.object_id, cases[i].object_id);
        assert_text(received.occurred, cases[i].occurred);
    }
}

static void
a_reminder_is_a_session_without_an_end(void **state)
{
    struct received received = read_body(*state, REMINDER);

    assert_int_equal(received.flags, 0);
    assert_value(&received, "from", 0, "2024-03-15T10:00:00Z");
    assert_value(&received, "from_creator", 0, "2024-03-15T15:30:00+05:30");
    assert_value(&received, "to", 0, "-");
    assert_value(&received, "to_creator", 0, "-");
    /* A zone that is null is none, and never the creator's. */
    assert_value(&received, "timezone", 0, "-");
    assert_value(&received, "from_attendee", 0, "-");
}

static void
a_completion_has_no_times(void **state)
{
    struct received received = read_body(*state, COMPLETED);

    assert_int_equal(received.flags, 0);
    assert_value(&received, "phone", 0, "+1234567890");
    assert_value(&received, "link", 0, "https://example.com/replay");
    assert_value(&received, "from", 0, "-");
    assert_value(&received, "creator_timezone", 0, "-");
    assert_value(&received, "mangoes", 0, "-");
}

static void
a_phone_is_a_number_a_text_or_null(void **state)
{
    static const struct {
        const char *json;
        const char *phone;
        unsigned flags;
    } cases[] = {
        {"919876543210", "919876543210", 0},
        {"\"919876543210\"", "919876543210", 0},
        {"\"+91 98765-43210\"", "+91 98765-43210", 0},
        {"\"\"", "", 0},
        {"null", NULL, 0},
        {"9007199254740993", "9007199254740993", 0},
        {"123456789012345678901234567890", "123456789012345678901234567890", 0},
        {"9.19876543210E11", "919876543210", 0},
        {"919876543210.0", "919876543210", 0},
        {"9198765432100e-1", "919876543210", 0},
        {"1e19", "10000000000000000000", 0},
        {"1e20", "1e20", 0},
        {"1.5", "1.5", 0},
        {"-5.0", "-5.0", 0},
        {"0", "0", 0},
        {"true", NULL, ITEM_UNRECOGNISED},
        {"[919876543210]", NULL, ITEM_UNRECOGNISED},
        {"{\"n\":1}", NULL, ITEM_UNRECOGNISED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char body[256];
        struct received received;

        (void)snprintf(body, sizeof(body), "{\"webinarId\":\"a\",\"webinar\":\"T\",\"phone\":%s}",
            cases[i].json);
        received = read_body(*state, body);
        assert_text(received.phone, cases[i].phone);
        assert_int_equal(received.flags, cases[i].flags);
    }
    assert_text(read_body(*state, "{\"webinarId\":\"a\"}").phone, NULL);
}

static void
times_come_in_several_forms(void **state)
{
    static const struct {
        const char *json;
        const char *from;
        unsigned flags;
    } cases[] = {
        {"\"2024-03-15T10:00:00.000Z\"", "2024-03-15T10:00:00Z", 0},
        {"\"2023-11-20T18:30Z\"", "2023-11-20T18:30:00Z", 0},
        {"\"2024-03-15T15:30:00+05:30\"", "2024-03-15T10:00:00Z", 0},
        {"\" 2024-03-15T10:00:00Z \"", "2024-03-15T10:00:00Z", 0},
        {"null", "-", 0},
        {"\"\"", "-", 0},
        {"\"14 Jul 2025\"", "-", ITEM_UNRECOGNISED},
        {"\"2024-03-15T10:00:00\"", "-", ITEM_UNRECOGNISED},
        {"\"2024-02-30T10:00:00Z\"", "-", ITEM_UNRECOGNISED},
        {"1710496800000", "-", ITEM_UNRECOGNISED},
        {"{}", "-", ITEM_UNRECOGNISED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char body[256];
        struct received received;

        (void)snprintf(body, sizeof(body),
            "{\"callList\":[{\"webinarId\":\"a\",\"webinarFromTime\":%s}]}", cases[i].json);
        received = read_body(*state, body);
        assert_value(&received, "from", 0, cases[i].from);
        assert_int_equal(received.flags, cases[i].flags);
    }
}

static void
a_local_time_is_wall_clock_whatever_it_ends_in(void **state)
{
    static const char *const texts[] = {"2024-03-15T15:30:00.000Z", "2024-03-15T15:30:00",
        "2024-03-15T15:30Z", "2024-03-15T15:30", "2024-03-15T15:30:00+05:30"};
    struct received received;

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char body[256];

        (void)snprintf(body, sizeof(body),
            "{\"callList\":[{\"webinarFromTimeInCreatorTimezone\":\"%s\","
            "\"creatorTimezone\":\"+05:30\"}]}",
            texts[i]);
        received = read_body(*state, body);
        assert_int_equal(received.flags, 0);
        assert_true(received.sessions[0].has_from_local);
        /* Where the instant is not there, it is told by the wall. */
        assert_value(&received, "from_creator", 0, "2024-03-15T15:30:00+05:30");
        assert_value(&received, "from", 0, "-");
    }
    received = read_body(*state, "{\"callList\":[{\"webinarToTimeInCreatorTimezone\":"
                                 "\"2024-03-15T15:30Z\",\"creatorTimezone\":null}]}");
    assert_int_equal(received.flags, 0);
    assert_value(&received, "to_creator", 0, "-");
    received = read_body(*state,
        "{\"callList\":[{\"webinarFromTimeInCreatorTimezone\":\"half past three\"}]}");
    assert_int_equal(received.flags, ITEM_UNRECOGNISED);
}

static void
what_contradicts_itself_is_taken_and_marked(void **state)
{
    static const struct {
        const char *session;
        bool is_marked;
    } cases[] = {
        {"\"webinarFromTime\":\"2024-03-15T10:00Z\","
         "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30Z\",\"creatorTimezone\":\"+05:"
         "30\"",
            false},
        {"\"webinarFromTime\":\"2024-03-15T10:00:30Z\","
         "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30Z\",\"creatorTimezone\":\"+05:"
         "30\"",
            false},
        {"\"webinarFromTime\":\"2024-03-15T10:00Z\","
         "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T10:00Z\",\"creatorTimezone\":\"+05:"
         "30\"",
            true},
        {"\"webinarFromTime\":\"2024-03-15T10:00Z\","
         "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30Z\",\"creatorTimezone\":\"-05:"
         "30\"",
            true},
        {"\"webinarFromTime\":\"2024-03-15T10:00Z\","
         "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30Z\",\"creatorTimezone\":null",
            false},
        {"\"webinarToTime\":\"2024-11-03T06:30Z\","
         "\"webinarToTimeInCreatorTimezone\":\"2024-11-03T01:30Z\",\"creatorTimezone\":\"-04:00\"",
            true},
        {"\"webinarFromTime\":\"2024-03-15T10:00Z\",\"webinarToTime\":\"2024-03-15T09:00Z\"", true},
        {"\"webinarFromTime\":\"2024-03-15T10:00Z\",\"webinarToTime\":\"2024-03-15T10:00Z\"",
            false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char body[512];
        struct received received;

        (void)snprintf(body, sizeof(body), "{\"callList\":[{%s}]}", cases[i].session);
        received = read_body(*state, body);
        assert_int_equal(received.session_count, 1);
        if (received.flags != (cases[i].is_marked ? (unsigned)ITEM_CONTRADICTORY : 0U))
            fail_msg("%s: flags %u", cases[i].session, received.flags);
    }
}

static void
zones_are_offsets_or_none(void **state)
{
    static const struct {
        const char *json;
        const char *zone;
        unsigned flags;
    } cases[] = {
        {"\"+05:30\"", "+05:30", 0},
        {"\"-00:30\"", "-00:30", 0},
        {"\"+00:00\"", "+00:00", 0},
        {"null", "-", 0},
        {"\"\"", "-", 0},
        {"\"-00:00\"", "-", ITEM_UNRECOGNISED},
        {"\"Asia/Kolkata\"", "-", ITEM_UNRECOGNISED},
        {"330", "-", ITEM_UNRECOGNISED},
        {"\"+19:00\"", "-", ITEM_UNRECOGNISED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char body[256];
        struct received received;

        (void)snprintf(body, sizeof(body), "{\"webinarId\":\"a\",\"timezone\":%s}", cases[i].json);
        received = read_body(*state, body);
        assert_value(&received, "timezone", 0, cases[i].zone);
        assert_int_equal(received.flags, cases[i].flags);
    }
}

static void
what_is_not_known_is_kept_and_marked(void **state)
{
    static const char *const bodies[] = {"{}", "[]", "null", "5", "\"x\"", "[{\"callList\":[]}]",
        "{\"callList\":null}", "{\"callList\":{}}", "{\"orderId\":null}",
        "{\"webinarKey\":9007199254740993,\"email\":\"a@b.c\"}", "{\"_id\":\"x\"}"};

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct received received = read_body(*state, bodies[i]);

        assert_int_equal(received.shape, RECEIVED_UNKNOWN);
        assert_int_equal(received.flags, ITEM_UNRECOGNISED);
        assert_text(received_event(&received), NULL);
    }
    assert_text(read_body(*state, "{\"email\":\"a@b.c\"}").email, "a@b.c");
}

static void
a_session_that_is_none_is_passed_over(void **state)
{
    struct received received = read_body(*state,
        "{\"callList\":[1,null,{\"webinarId\":\"a\"},[],{\"webinarId\":12345678901234567890}]}");

    assert_int_equal(received.session_count, 2);
    assert_int_equal(received.flags, ITEM_UNRECOGNISED);
    assert_value(&received, "webinar_id", 0, "a");
    assert_value(&received, "webinar_id", 1, "12345678901234567890");
}

static void
what_has_no_one_meaning_is_taken_for_nothing_and_what_is_no_json_is_refused(void **state)
{
    static const char *const taken[] = {"{\"a\":1,\"a\":2}", "[\"\\ud83d\"]"};
    static const char *const refused[] = {"", "{\"a\":1,\"a\":2", "\"\xff\"", "[\f]", "\"\"\""};
    struct received received;
    struct json *json = NULL;

    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        assert_int_equal(received_parse(str_from(taken[i]), *state, &json, NULL), OK);
        assert_int_equal(json->kind, JSON_NULL);
        assert_int_equal(received_read(json, *state, &received), OK);
        assert_int_equal(received.flags, ITEM_UNRECOGNISED);
    }
    json = NULL;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_int_equal(received_parse(str_from(refused[i]), *state, &json, NULL), ERR_INVALID);
    assert_null(json);
}

static void
what_is_listed_beyond_any_series_is_not_read(void **state)
{
    char *text = calloc(1, 3 * 2001 + 20);
    struct received received;
    size_t len;

    assert_non_null(text);
    len = (size_t)snprintf(text, 20, "{\"callList\":[");
    for (size_t i = 0; i < 2001; i++)
        len += (size_t)snprintf(text + len, 4, "%s{}", i > 0 ? "," : "");
    (void)snprintf(text + len, 3, "]}");
    received = read_body(*state, text);
    assert_int_equal(received.session_count, 2000);
    assert_int_equal(received.flags, ITEM_UNRECOGNISED);
    free(text);
}

static void
products_have_three_names(void **state)
{
    assert_text(read_body(*state, "{\"orderId\":\"o\",\"mangoName\":\"A\"}").mangoes, "A");
    assert_text(read_body(*state, "{\"mangoLink\":\"l\",\"mangoTitle\":\"B\"}").mangoes, "B");
    assert_text(read_body(*state, "{\"mangoes\":\"C\",\"mangoName\":\"A\"}").mangoes, "C");
    assert_text(read_body(*state, "{\"mangoes\":null,\"mangoName\":\"A\"}").mangoes, "A");
}

static void
custom_fields_change_nothing(void **state)
{
    static const char *const bodies[] = {
        "{\"orderId\":\"o\",\"status\":\"completed\",\"customFields\":[]}",
        "{\"orderId\":\"o\",\"status\":\"completed\",\"customFields\":null}",
        "{\"orderId\":\"o\",\"status\":\"completed\",\"customFields\":{\"a\":{\"b\":[1]}}}",
        "{\"orderId\":\"o\",\"status\":\"completed\",\"T-shirt size\":\"L\",\"\":{}}",
    };

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct received received = read_body(*state, bodies[i]);

        assert_int_equal(received.shape, RECEIVED_ORDER);
        assert_int_equal(received.flags, 0);
        assert_text(received.status, "completed");
    }
}

static void
no_room_is_told_and_leaves_the_model_alone(void **state)
{
    struct received received = {.flags = 77};
    struct json *json = NULL;
    struct arena small;

    assert_int_equal(json_parse(str_from(CREATED), *state, &json, NULL), OK);
    arena_init(&small, 32);
    assert_int_equal(received_read(json, &small, &received), ERR_NOMEM);
    assert_int_equal(received.flags, 77);
    arena_done(&small);
    arena_init(&small, 4);
    assert_int_equal(json_parse(STR("{\"phone\":1e9}"), *state, &json, NULL), OK);
    assert_int_equal(received_read(json, &small, &received), ERR_NOMEM);
    assert_int_equal(received.flags, 77);
    arena_done(&small);
}

static void
a_local_time_bears_its_offset(void **state)
{
    static const struct {
        int64_t s;
        int32_t minutes;
        const char *text;
    } cases[] = {
        {1710496800, 330, "2024-03-15T15:30:00+05:30"},
        {1710496800, 0, "2024-03-15T10:00:00Z"},
        {1710496800, -30, "2024-03-15T09:30:00-00:30"},
        {-1, -210, "1969-12-31T20:29:59-03:30"},
        {1710536400, 345, "2024-03-16T02:45:00+05:45"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[LOCAL_TIME_TEXT_BYTES];

        local_time_format((struct walltime){cases[i].s * US_PER_S}, cases[i].minutes, text);
        assert_string_equal(text, cases[i].text);
    }
    (void)state;
}

static void
the_model_is_one_object_with_the_body_inside(void **state)
{
    struct received received = read_body(*state, REMINDER);
    struct received_context context = {.id = STR("in_1"),
        .source = STR("tagmango"),
        .event = STR("webinar.reminder.all"),
        .change = "created",
        .sequence = 1710000000000000,
        .revision = 2,
        .flags = ITEM_STALE | ITEM_CONTRADICTORY,
        .received = {INT64_C(1710495900123456)}};
    CLEANUP(buf_done) struct buf buf;

    buf_init(&buf, 1 << 16);
    received_render(&buf, &received, &context, STR(REMINDER));
    assert_string_equal(buf.ptr,
        "{\"id\":\"in_1\",\"source\":\"tagmango\",\"event\":\"webinar.reminder.all\","
        "\"change\":\"created\",\"sequence\":1710000000000000,\"revision\":2,"
        "\"flags\":[\"contradictory\",\"stale\"],\"received\":\"2024-03-15T09:45:00.123Z\","
        "\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":\"919876543210\","
        "\"timezone\":null,\"mangoes\":\"mango1\",\"objectId\":null,\"status\":null,"
        "\"occurred\":null,\"sessions\":[{\"webinar\":\"Intro\","
        "\"webinarId\":\"634fc35ddaf58580e2418c40\",\"link\":\"https://meet.google.com/abc\","
        "\"from\":\"2024-03-15T10:00:00Z\",\"to\":null,"
        "\"fromCreator\":\"2024-03-15T15:30:00+05:30\",\"toCreator\":null,"
        "\"fromAttendee\":null,\"toAttendee\":null,\"creatorTimezone\":\"+05:30\"}],"
        "\"payload\":" REMINDER "}");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_published_body_is_read),
        TEST(every_shape_is_told_and_gives_its_event),
        TEST(a_reminder_is_a_session_without_an_end),
        TEST(a_completion_has_no_times),
        TEST(a_phone_is_a_number_a_text_or_null),
        TEST(times_come_in_several_forms),
        TEST(a_local_time_is_wall_clock_whatever_it_ends_in),
        TEST(what_contradicts_itself_is_taken_and_marked),
        TEST(zones_are_offsets_or_none),
        TEST(what_is_not_known_is_kept_and_marked),
        TEST(a_session_that_is_none_is_passed_over),
        TEST(what_is_listed_beyond_any_series_is_not_read),
        TEST(what_has_no_one_meaning_is_taken_for_nothing_and_what_is_no_json_is_refused),
        TEST(products_have_three_names),
        TEST(custom_fields_change_nothing),
        TEST(no_room_is_told_and_leaves_the_model_alone),
        cmocka_unit_test(a_local_time_bears_its_offset),
        TEST(the_model_is_one_object_with_the_body_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
