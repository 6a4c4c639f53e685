/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/field_path.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

#define BODY                                                                                       \
    "{\"name\":\"John Doe\",\"phone\":919876543210,\"timezone\":null,\"note\":\"\","               \
    "\"callList\":[{\"webinarId\":\"a1\",\"n\":1},{\"webinarId\":\"b2\",\"n\":2,\"x\":true}],"     \
    "\"utm.source\":\"mail\",\"*\":\"star\",\"a=b\":\"c\",\"key\":9007199254740993,"               \
    "\"amount\":\"499.00\",\"at\":\"2023-11-20T18:30Z\",\"paid\":true,\"free\":false,"             \
    "\"deep\":{\"1\":{\"x\":[10,20,30]}}}"

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

static const struct json *
body_of(struct arena *arena, const char *text)
{
    struct json *json = NULL;

    assert_int_equal(json_parse(str_from(text), arena, &json, NULL), OK);
    return json;
}

struct places {
    char text[256];
    size_t stop_after;
};

static bool
note_place(const struct json *place, void *arg)
{
    struct places *places = arg;
    size_t len = strlen(places->text);

    (void)snprintf(places->text + len, sizeof(places->text) - len, "%.*s,", STR_FMT(place->text));
    return --places->stop_after > 0;
}

static const char *
places_of(struct arena *arena, const char *path, size_t stop_after)
{
    static struct places places;
    struct field_path parsed;

    places = (struct places){.stop_after = stop_after};
    if (field_path_parse(str_from(path), arena, &parsed, NULL) != OK)
        fail_msg("%s was refused", path);
    field_path_walk(&parsed, body_of(arena, BODY), note_place, &places);
    return places.text;
}

static void
a_path_leads_to_its_places_in_order(void **state)
{
    static const struct {
        const char *path;
        const char *places;
    } cases[] = {
        {"name", "John Doe,"},
        {"phone", "919876543210,"},
        {"callList.0.webinarId", "a1,"},
        {"callList.1.webinarId", "b2,"},
        {"callList.*.webinarId", "a1,b2,"},
        {"callList.*.*", "a1,1,b2,2,,"},
        {"callList.*.x", ","},
        {"callList.2.webinarId", ""},
        {"callList.00.webinarId", ""},
        {"callList.webinarId", ""},
        {"callList.0.webinarId.x", ""},
        {"deep.1.x.2", "30,"},
        {"deep.*.x.*", "10,20,30,"},
        {"utm\\.source", "mail,"},
        {"utm.source", ""},
        {"\\*", "star,"},
        {"a\\=b", "c,"},
        {"timezone", ","},
        {"Name", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *places = places_of(*state, cases[i].path, SIZE_MAX);

        if (strcmp(places, cases[i].places) != 0)
            fail_msg("%s led to \"%s\"", cases[i].path, places);
    }
}

static void
a_walk_ends_when_it_is_told_to(void **state)
{
    assert_string_equal(places_of(*state, "callList.*.webinarId", 1), "a1,");
    assert_string_equal(places_of(*state, "deep.*.x.*", 2), "10,20,");
}

static void
a_path_with_an_empty_step_is_refused(void **state)
{
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a\\", "a.b\\",
        "1.2.3.4.5.6.7.8.9"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct field_path path = {.step_count = 77};
        struct error error = {0};

        if (field_path_parse(str_from(bad[i]), *state, &path, &error) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(path.step_count, 77);
        assert_true(error.text[0] != '\0');
    }
}

static void
a_path_needs_room(void **state)
{
    struct field_path path = {.step_count = 77};
    struct field_condition *condition = NULL;
    struct arena arena;

    arena_init(&arena, 16);
    assert_int_equal(field_path_parse(STR("callList.0.webinarId"), &arena, &path, NULL), ERR_NOMEM);
    assert_int_equal(path.step_count, 77);
    assert_int_equal(field_condition_parse(STR("a exists"), &arena, &condition, NULL), ERR_NOMEM);
    assert_null(condition);
    arena_done(&arena);
    (void)state;
}

static const struct {
    const char *condition;
    bool holds;
} conditions[] = {
    {"name = John Doe", true},
    {"name = \"John Doe\"", true},
    {"name = 'John Doe'", true},
    {"name=John Doe", true},
    {"  name  =  John Doe  ", true},
    {"name = john doe", false},
    {"name != John Doe", false},
    {"name != Jane", true},
    {"name ^= John", true},
    {"name ^= Doe", false},
    {"name *= hn D", true},
    {"name*=hn D", true},
    {"name *= \"\"", true},
    {"name *= x", false},
    /* Absent, null and "" are three different things. */
    {"name exists", true},
    {"name absent", false},
    {"timezone exists", true},
    {"timezone = null", true},
    {"timezone = \"null\"", false},
    {"timezone = \"\"", false},
    {"note = \"\"", true},
    {"note = null", false},
    {"nothing exists", false},
    {"nothing absent", true},
    {"nothing = x", false},
    {"nothing != x", true},
    {"nothing = null", false},
    {"nothing < 1", false},
    {"nothing *= \"\"", false},
    /* Numbers by their exact value. */
    {"phone = 919876543210", true},
    {"phone = 9.1987654321e11", true},
    {"phone = \"919876543210\"", false},
    {"phone ^= 91", true},
    {"key = 9007199254740993", true},
    {"key = 9007199254740992", false},
    {"key > 9007199254740992", true},
    {"key > 9007199254740993", false},
    {"key < 9007199254740994", true},
    {"amount = 499.00", true},
    {"amount = 499", false},
    {"amount > 498.99", true},
    {"amount < 500", true},
    {"amount > 499", false},
    {"amount < 499", false},
    {"name > 5", false},
    {"name < 5", false},
    {"paid = true", true},
    {"paid = false", false},
    {"paid = \"true\"", false},
    {"paid != true", false},
    {"free = false", true},
    {"paid *= true", false},
    /* Times by their instant. */
    {"at < 2023-11-20T18:31Z", true},
    {"at > 2023-11-20T18:29:59.999Z", true},
    {"at > 2023-11-21T00:00:00+05:30", false},
    {"at > \"2023-11-20T23:59:00+05:30\"", true},
    {"name < 2023-11-20T18:31Z", false},
    {"phone < 2023-11-20T18:31Z", false},
    /* Any of the places does. */
    {"callList.*.webinarId = b2", true},
    {"callList.*.webinarId=b2", true},
    {"callList.*.webinarId = c3", false},
    {"callList.*.webinarId != a1", true},
    {"callList.*.n > 1", true},
    {"callList.*.n > 2", false},
    {"callList.*.x exists", true},
    {"callList.*.y absent", true},
    {"callList.*.x absent", false},
    {"deep.1.x.*=20", true},
    {"deep.1.x.**=2", true},
    {"utm\\.source = mail", true},
    {"a\\=b = c", true},
    {"name = exists", false},
};

static void
a_condition_holds_or_does_not(void **state)
{
    for (size_t i = 0; i < COUNT_OF(conditions); i++) {
        struct field_condition *condition = NULL;
        struct error error = {0};

        if (field_condition_parse(str_from(conditions[i].condition), *state, &condition, &error) !=
            OK)
            fail_msg("%s: %s", conditions[i].condition, error.text);
        if (field_condition_holds(condition, body_of(*state, BODY)) != conditions[i].holds)
            fail_msg("%s: expected %d", conditions[i].condition, conditions[i].holds);
    }
}

static void
a_body_need_not_be_an_object(void **state)
{
    static const char *const bodies[] = {"null", "5", "\"x\"", "[]", "[1]", "true"};

    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct field_condition *condition = NULL;

        assert_int_equal(field_condition_parse(STR("a.b absent"), *state, &condition, NULL), OK);
        assert_true(field_condition_holds(condition, body_of(*state, bodies[i])));
    }
}

static void
a_condition_that_cannot_be_read_is_refused(void **state)
{
    static const char *const bad[] = {"", "name", "name John", "name == x", "name =", "name = \"x",
        "name = 'x", "= x", "name > x", "name < \"\"", "name > true", "name > 2024-03-15",
        "name exists x", "name exist", "name absent = 1", "a..b = x", "name !x", "name ~ x",
        "name > '"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct field_condition *condition = NULL;
        struct error error = {0};
        enum err err = field_condition_parse(str_from(bad[i]), *state, &condition, &error);

        if (err != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_null(condition);
        assert_true(error.text[0] != '\0');
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_path_leads_to_its_places_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_walk_ends_when_it_is_told_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_path_with_an_empty_step_is_refused, set_up, tear_down),
        cmocka_unit_test(a_path_needs_room),
        cmocka_unit_test_setup_teardown(a_condition_holds_or_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_need_not_be_an_object, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_condition_that_cannot_be_read_is_refused, set_up,
            tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
