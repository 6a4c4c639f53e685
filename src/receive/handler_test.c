/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handler.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

/* --- a kind of its own, in place of the program's --- */

static enum err
own_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    (void)arena;
    if (!str_equals(name, STR("depth")))
        return ERR_NOT_FOUND;
    if (value.len == 0)
        return error_set(reterr, ERR_INVALID, "depth: how deep?");
    handler->options = handler;
    return OK;
}

static enum err
own_check(const struct handler *handler, struct error *reterr)
{
    if (handler->options == NULL)
        return error_set(reterr, ERR_INVALID, "depth is missing");
    return OK;
}

static const struct source_setting own_settings[] = {{"depth", "N", "How deep"}};

static const struct handler_kind own = {
    .name = "own",
    .set = own_set,
    .check = own_check,
    .settings = own_settings,
    .setting_count = COUNT_OF(own_settings),
};

static const struct handler_kind other = {.name = "other",
    .concurrency = 64,
    .set = own_set,
    .check = own_check};

const struct handler_kind *const handler_kinds[] = {&own, &other};
const size_t handler_kind_count = COUNT_OF(handler_kinds);

/* --- help --- */

struct section {
    struct arena arena;
    struct handler handler;
    struct error error;
};

static void
section_init(struct section *section)
{
    memset(section, 0, sizeof(*section));
    arena_init(&section->arena, 1 << 20);
    handler_init(&section->handler, STR("h"));
}

static void
section_done(struct section *section)
{
    arena_done(&section->arena);
}

static enum err
set(struct section *section, const char *name, const char *value)
{
    section->error.text[0] = '\0';
    return handler_set(&section->handler, &section->arena, str_from(name), str_from(value),
        &section->error);
}

/* --- settings --- */

static void
how_many_are_under_way_is_the_kinds_word_unless_the_owner_says(void **state)
{
    static const struct {
        const char *said;
        const char *type;
        unsigned concurrency;
    } cases[] = {{NULL, "own", 1}, {NULL, "other", 64}, {"7", "other", 7}};
    struct section section;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        section_init(&section);
        if (cases[i].said != NULL)
            assert_int_equal(set(&section, "concurrency", cases[i].said), OK);
        assert_int_equal(set(&section, "type", cases[i].type), OK);
        assert_int_equal(section.handler.concurrency, cases[i].concurrency);
        section_done(&section);
    }
}

static void
a_handler_has_sensible_settings_from_the_start(void **state)
{
    struct handler handler;

    (void)state;
    handler_init(&handler, STR("h"));
    assert_true(str_equals(handler.name, STR("h")));
    assert_int_equal(handler.concurrency, 0); /* its kind's */
    assert_int_equal(handler.timeout_ms, 30000);
    assert_true(handler.rate == 0);
    assert_false(handler.starts_with_all);
    assert_int_equal(handler.schedule.count, SCHEDULE_ATTEMPTS_DEFAULT - 1);
    assert_true(handler_wants(&handler, STR("any"), STR("any"), NULL));
}

static void
what_is_set_is_there(void **state)
{
    struct section section;
    const struct handler *handler = &section.handler;

    (void)state;
    section_init(&section);
    assert_int_equal(set(&section, "type", "own"), OK);
    assert_int_equal(set(&section, "depth", "3"), OK);
    assert_int_equal(set(&section, "source", "web, shop"), OK);
    assert_int_equal(set(&section, "source", "raw,web"), OK);
    assert_int_equal(set(&section, "event", "webinar.*"), OK);
    assert_int_equal(set(&section, "where", "plan = gold"), OK);
    assert_int_equal(set(&section, "rate", "0.5"), OK);
    assert_int_equal(set(&section, "concurrency", "1000"), OK);
    assert_int_equal(set(&section, "timeout", "86400"), OK);
    assert_int_equal(set(&section, "start", "all"), OK);
    assert_ptr_equal(handler->kind, &own);
    assert_int_equal(handler->source_count, 3);
    assert_true(str_equals(handler->sources[2], STR("raw")));
    assert_int_equal(handler->event_count, 1);
    assert_int_equal(handler->condition_count, 1);
    assert_true(handler->rate > 0.49 && handler->rate < 0.51);
    assert_int_equal(handler->concurrency, 1000);
    assert_int_equal(handler->timeout_ms, 86400000);
    assert_true(handler->starts_with_all);
    assert_int_equal(set(&section, "start", "now"), OK);
    assert_false(handler->starts_with_all);
    assert_int_equal(handler_check(handler, &section.error), OK);
    section_done(&section);
}

static void
the_schedule_is_made_of_delays_and_attempts_in_either_order(void **state)
{
    static const struct {
        const char *first;
        const char *first_value;
        const char *second;
        const char *second_value;
        size_t count;
        int64_t last_s;
    } cases[] = {
        {"attempts-max", "3", NULL, NULL, 2, 300},
        {"attempts-max", "1", NULL, NULL, 0, 0},
        {"retry-delays", "1, 2,3", NULL, NULL, 3, 3},
        {"retry-delays", "1,2,3", "attempts-max", "3", 2, 2},
        {"attempts-max", "3", "retry-delays", "1,2,3", 2, 2},
        {"retry-delays", "7", "attempts-max", "100", 99, 7},
        {"attempts-max", "100", "retry-delays", "7", 99, 7},
        {"retry-delays", "0", NULL, NULL, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct section section;
        const struct schedule *schedule = &section.handler.schedule;

        section_init(&section);
        assert_int_equal(set(&section, cases[i].first, cases[i].first_value), OK);
        if (cases[i].second != NULL)
            assert_int_equal(set(&section, cases[i].second, cases[i].second_value), OK);
        assert_int_equal(schedule->count, cases[i].count);
        if (schedule->count > 0)
            assert_int_equal(schedule->delays_us[schedule->count - 1], cases[i].last_s * US_PER_S);
        section_done(&section);
    }
}

static void
what_makes_no_sense_is_refused_and_changes_nothing(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *text;
    } cases[] = {
        {"type", "shell", "own, other"},
        {"type", "", "own, other"},
        {"source", "", "1 to 64"},
        {"source", ",b", "1 to 64"},
        {"event", "", "1 to 256"},
        {"rate", "fast", "0.001"},
        {"rate", "-1", "0.001"},
        {"rate", "0.0001", "0.001"},
        {"rate", "1e3", "0.001"},
        {"rate", "1.", "0.001"},
        {"rate", ".5", "0.001"},
        {"rate", "1.2.3", "0.001"},
        {"rate", "1000001", "0.001"},
        {"rate", "", "0.001"},
        {"concurrency", "0", "1 to 1000"},
        {"concurrency", "1001", "1 to 1000"},
        {"concurrency", "2.5", "1 to 1000"},
        {"timeout", "0", "1 to 86400"},
        {"timeout", "30s", "1 to 86400"},
        {"retry-delays", "", "number of seconds"},
        {"retry-delays", "1,,2", "number of seconds"},
        {"retry-delays", "604801", "number of seconds"},
        {"attempts-max", "0", "1 to 100"},
        {"attempts-max", "101", "1 to 100"},
        {"start", "later", "neither now nor all"},
        {"depth", "1", "type"},
    };
    struct section section;
    struct handler before;

    (void)state;
    section_init(&section);
    before = section.handler;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(set(&section, cases[i].name, cases[i].value), ERR_INVALID);
        if (strstr(section.error.text, cases[i].text) == NULL)
            fail_msg("%s = %s: %s", cases[i].name, cases[i].value, section.error.text);
        assert_memory_equal(&section.handler, &before, sizeof(before));
    }
    section_done(&section);
}

static void
a_condition_that_cannot_be_read_is_refused(void **state)
{
    struct section section;

    (void)state;
    section_init(&section);
    assert_int_equal(set(&section, "where", "plan"), ERR_INVALID);
    assert_true(strncmp(section.error.text, "where: ", 7) == 0);
    assert_int_equal(section.handler.condition_count, 0);
    for (int i = 0; i < HANDLER_CONDITIONS_MAX; i++)
        assert_int_equal(set(&section, "where", "plan exists"), OK);
    assert_int_equal(set(&section, "where", "plan exists"), ERR_INVALID);
    section_done(&section);
}

static void
no_more_names_than_there_is_room_for(void **state)
{
    struct section section;
    char name[80];

    (void)state;
    section_init(&section);
    for (int i = 0; i < HANDLER_SOURCES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "s%d", i);
        assert_int_equal(set(&section, "source", name), OK);
        assert_int_equal(set(&section, "event", name), OK);
    }
    /* One that is there already takes no room. */
    assert_int_equal(set(&section, "source", "s0"), OK);
    assert_int_equal(set(&section, "source", "more"), ERR_INVALID);
    assert_int_equal(set(&section, "event", "more"), ERR_INVALID);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(section.handler.source_count, HANDLER_SOURCES_MAX);
    section_done(&section);
    section_init(&section);
    assert_int_equal(set(&section, "source", name), ERR_INVALID);
    assert_int_equal(section.handler.source_count, 0);
    section_done(&section);
}

static void
an_unknown_setting_is_told_with_those_that_there_are(void **state)
{
    struct section section;

    (void)state;
    section_init(&section);
    assert_int_equal(set(&section, "type", "own"), OK);
    assert_int_equal(set(&section, "colour", "red"), ERR_INVALID);
    assert_non_null(strstr(section.error.text, "depth"));
    assert_non_null(strstr(section.error.text, "concurrency"));
    /* What its kind says of its own is passed on. */
    assert_int_equal(set(&section, "depth", ""), ERR_INVALID);
    assert_string_equal(section.error.text, "depth: how deep?");
    assert_int_equal(set(&section, "type", "other"), ERR_INVALID);
    assert_ptr_equal(section.handler.kind, &own);
    section_done(&section);
}

static void
a_section_must_be_whole(void **state)
{
    struct section section;

    (void)state;
    section_init(&section);
    assert_int_equal(handler_check(&section.handler, &section.error), ERR_INVALID);
    assert_non_null(strstr(section.error.text, "type is missing"));
    assert_int_equal(set(&section, "type", "own"), OK);
    assert_int_equal(handler_check(&section.handler, &section.error), ERR_INVALID);
    assert_string_equal(section.error.text, "depth is missing");
    section_done(&section);
}

static void
every_setting_has_help_and_is_known(void **state)
{
    struct section section;

    (void)state;
    for (size_t i = 0; i < handler_setting_count; i++) {
        section_init(&section);
        assert_true(strlen(handler_settings[i].help) > 10);
        (void)set(&section, handler_settings[i].name, "?");
        assert_null(strstr(section.error.text, "no setting"));
        section_done(&section);
    }
}

/* --- what it wants --- */

static void
a_handler_wants_what_its_section_says(void **state)
{
    static const struct {
        const char *source;
        const char *event;
        const char *body;
        bool is_wanted;
    } cases[] = {
        {"web", "webinar.created.single", "{\"plan\":\"gold\"}", true},
        {"web", "webinar.", "{\"plan\":\"gold\"}", true},
        {"web", "order.created", "{\"plan\":\"gold\"}", true},
        {"web", "order.created.x", "{\"plan\":\"gold\"}", false},
        {"web", "webinar", "{\"plan\":\"gold\"}", false},
        {"web", "", "{\"plan\":\"gold\"}", false},
        {"shop", "webinar.created.single", "{\"plan\":\"gold\"}", false},
        {"webs", "webinar.created.single", "{\"plan\":\"gold\"}", false},
        {"web", "webinar.created.single", "{\"plan\":\"tin\"}", false},
        {"web", "webinar.created.single", "{}", false},
        {"web", "webinar.created.single", NULL, false},
    };
    struct section section;

    (void)state;
    section_init(&section);
    assert_int_equal(set(&section, "source", "web"), OK);
    assert_int_equal(set(&section, "event", "webinar.*,order.created"), OK);
    assert_int_equal(set(&section, "where", "plan = gold"), OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json *body = NULL;

        if (cases[i].body != NULL)
            assert_int_equal(
                json_parse(str_from(cases[i].body), &section.arena, &body, &section.error), OK);
        assert_int_equal(handler_wants(&section.handler, str_from(cases[i].source),
                             str_from(cases[i].event), body),
            cases[i].is_wanted);
    }
    assert_true(handler_wants_named(&section.handler, STR("web"), STR("order.created")));
    assert_false(handler_wants_named(&section.handler, STR("shop"), STR("order.created")));
    section_done(&section);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_has_sensible_settings_from_the_start),
        cmocka_unit_test(how_many_are_under_way_is_the_kinds_word_unless_the_owner_says),
        cmocka_unit_test(what_is_set_is_there),
        cmocka_unit_test(the_schedule_is_made_of_delays_and_attempts_in_either_order),
        cmocka_unit_test(what_makes_no_sense_is_refused_and_changes_nothing),
        cmocka_unit_test(a_condition_that_cannot_be_read_is_refused),
        cmocka_unit_test(no_more_names_than_there_is_room_for),
        cmocka_unit_test(an_unknown_setting_is_told_with_those_that_there_are),
        cmocka_unit_test(a_section_must_be_whole),
        cmocka_unit_test(every_setting_has_help_and_is_known),
        cmocka_unit_test(a_handler_wants_what_its_section_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
