/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/webinar.h"

#include "support/test.h"

struct fixture {
    struct arena arena;
    struct faults faults;
    struct webinar_wish wish;
    struct zone *zone;
};

static int
setup(void **state)
{
    static struct fixture fixture;

    arena_init(&fixture.arena, 1 << 20);
    assert_int_equal(zone_new_fixed(330, &fixture.zone), OK);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;

    zone_free(fixture->zone);
    arena_done(&fixture->arena);
    return 0;
}

static void
read_text(struct fixture *fixture, const char *text, bool is_patch, struct webinar *inout)
{
    struct json *json = NULL;

    faults_init(&fixture->faults, &fixture->arena);
    assert_int_equal(json_parse(str_from(text), &fixture->arena, &json, NULL), OK);
    webinar_read(inout, &fixture->wish, json, is_patch, &fixture->faults);
}

static struct webinar
webinar_at(struct fixture *fixture, const char *from, const char *to)
{
    struct webinar webinar = {0};
    struct str text = arena_printf(&fixture->arena,
        "{\"title\":\"t\",\"link\":\"https://"
        "x\",\"from\":\"%s\",\"to\":\"%s\",\"timezone\":\"+05:30\"}",
        from, to);

    read_text(fixture, text.ptr, false, &webinar);
    return webinar;
}

static void
assert_text(struct str text, const char *expected)
{
    assert_true(str_equals(text, str_from(expected)));
}

static void
assert_moment(struct walltime at, const char *expected)
{
    char text[WALLTIME_TEXT_BYTES];

    walltime_format(at, text);
    assert_string_equal(text, expected);
}

static void
instants_and_wall_clocks_become_the_same_moment(void **state)
{
    static const char *const froms[] = {"2024-03-15T10:00:00Z", "2024-03-15T10:00:00.000999Z",
        "2024-03-15T15:30:00+05:30", "2024-03-15T15:30:00", "2024-03-15T15:30"};
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(froms); i++) {
        struct webinar webinar = webinar_at(f, froms[i], "2024-03-15T16:30:00");

        assert_int_equal(f->faults.count, 0);
        webinar_resolve(&webinar, f->zone, &f->faults);
        assert_int_equal(f->faults.count, 0);
        assert_moment(webinar.from.at, "2024-03-15T10:00:00.000Z");
        assert_moment(webinar.to.at, "2024-03-15T11:00:00.000Z");
        assert_int_equal(webinar.from.is_wall, i >= 3);
        assert_int_equal(webinar.from.at.us % 1000, 0);
    }
}

static void
a_webinar_ends_after_it_starts_and_within_a_month(void **state)
{
    static const struct {
        const char *from;
        const char *to;
        const char *fault; /* NULL: none */
    } cases[] = {
        {"2024-03-15T10:00:00Z", "2024-03-15T10:00:00.001Z", NULL},
        {"2024-03-15T10:00:00Z", "2024-04-15T10:00:00Z", NULL},
        {"1972-01-01T00:00:00Z", "1972-01-01T01:00:00Z", NULL},
        {"2024-03-15T10:00:00Z", "2024-03-15T10:00:00Z", "/to"},
        {"2024-03-15T10:00:00Z", "2024-03-15T15:29:59", "/to"},
        {"2024-03-15T10:00:00Z", "2024-04-15T10:00:01Z", "/to"},
        {"1971-12-31T23:59:59Z", "1972-01-01T01:00:00Z", "/from"},
        {"9998-12-31T23:00:00Z", "9999-01-01T00:00:00Z", "/to"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct webinar webinar = webinar_at(f, cases[i].from, cases[i].to);

        assert_int_equal(f->faults.count, 0);
        webinar_resolve(&webinar, f->zone, &f->faults);
        assert_int_equal(f->faults.count, cases[i].fault != NULL ? 1 : 0);
        if (cases[i].fault != NULL)
            assert_text(f->faults.list[0].pointer, cases[i].fault);
    }
}

static void
another_zone_moves_a_wall_clock_and_not_an_instant(void **state)
{
    struct fixture *f = *state;
    struct zone *other = NULL;
    struct webinar webinar = webinar_at(f, "2024-03-15T15:30:00", "2024-03-15T15:00:00Z");

    webinar_resolve(&webinar, f->zone, &f->faults);
    assert_int_equal(zone_new_fixed(120, &other), OK);
    read_text(f, "{\"timezone\":\"+02:00\"}", true, &webinar);
    webinar_resolve(&webinar, other, &f->faults);
    assert_int_equal(f->faults.count, 0);
    assert_moment(webinar.from.at, "2024-03-15T13:30:00.000Z");
    assert_moment(webinar.to.at, "2024-03-15T15:00:00.000Z");
    zone_free(other);
}

static void
a_whole_webinar_is_read(void **state)
{
    struct fixture *f = *state;
    struct webinar webinar = {0};

    read_text(f,
        "{\"id\":\"634fc35ddaf58580e2418c40\",\"title\":\"Intro\",\"link\":\"https://x/y\","
        "\"from\":\"2024-03-15T10:00:00Z\",\"to\":\"2024-03-15T11:00:00Z\","
        "\"timezone\":\"Asia/Kolkata\",\"mangoes\":[\"634fc35ddaf58580e2418c41\"],"
        "\"attendees\":[\"634fc35ddaf58580e2418c42\"],\"notify\":false}",
        false, &webinar);
    assert_int_equal(f->faults.count, 0);
    assert_text(webinar.title, "Intro");
    assert_text(webinar.link, "https://x/y");
    assert_text(webinar.timezone, "Asia/Kolkata");
    assert_int_equal(f->wish.mangoes.count, 1);
    assert_int_equal(f->wish.attendees.count, 1);
    assert_false(f->wish.notify);
}

static void
every_fault_is_named_at_once(void **state)
{
    static const char *const pointers[] = {"/title", "/link", "/from", "/to", "/timezone",
        "/mangoes", "/webinarID"};
    struct fixture *f = *state;
    struct webinar webinar = {0};

    read_text(f,
        "{\"title\":\"\",\"link\":\"x\",\"from\":5,\"to\":\"tomorrow\",\"mangoes\":1,"
        "\"webinarID\":2,\"timezone\":\"UTC+5\"}",
        false, &webinar);
    assert_int_equal(f->faults.count, COUNT_OF(pointers));
    for (size_t i = 0; i < COUNT_OF(pointers); i++)
        assert_text(f->faults.list[i].pointer, pointers[i]);

    read_text(f, "{}", false, &webinar);
    assert_int_equal(f->faults.count, 5);
}

static void
a_patch_that_says_the_same_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct webinar stored = webinar_at(f, "2024-03-15T15:30:00", "2024-03-15T16:30:00");
    struct webinar patched;

    webinar_resolve(&stored, f->zone, &f->faults);
    patched = stored;
    read_text(f, "{\"title\":\"t\",\"from\":\"2024-03-15T10:00:00Z\"}", true, &patched);
    webinar_resolve(&patched, f->zone, &f->faults);
    assert_int_equal(f->faults.count, 0);
    assert_true(webinar_is_same(&stored, &patched));

    read_text(f, "{\"from\":\"2024-03-15T10:00:01Z\"}", true, &patched);
    webinar_resolve(&patched, f->zone, &f->faults);
    assert_false(webinar_is_same(&stored, &patched));
}

static void
a_patch_registers_nobody(void **state)
{
    struct fixture *f = *state;
    struct webinar webinar = webinar_at(f, "2024-03-15T15:30:00", "2024-03-15T16:30:00");

    read_text(f, "{\"attendees\":[],\"title\":null}", true, &webinar);
    assert_int_equal(f->faults.count, 2);
    assert_text(f->faults.list[0].pointer, "/title");
    assert_text(f->faults.list[1].pointer, "/attendees");
    assert_text(webinar.title, "t");
}

static void
kinds_have_names(void **state)
{
    enum webinar_kind kind = WEBINAR_MANY;

    (void)state;
    assert_string_equal(webinar_kind_name(WEBINAR_MANY), "webinar");
    assert_int_equal(webinar_kind_parse(STR("consultation"), &kind), OK);
    assert_int_equal(kind, WEBINAR_CONSULTATION);
    assert_int_equal(webinar_kind_parse(STR("series"), &kind), ERR_INVALID);
    assert_int_equal(kind, WEBINAR_CONSULTATION);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(instants_and_wall_clocks_become_the_same_moment, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_webinar_ends_after_it_starts_and_within_a_month, setup,
            teardown),
        cmocka_unit_test_setup_teardown(another_zone_moves_a_wall_clock_and_not_an_instant, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_whole_webinar_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(every_fault_is_named_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_that_says_the_same_changes_nothing, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_patch_registers_nobody, setup, teardown),
        cmocka_unit_test(kinds_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
