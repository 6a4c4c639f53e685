/* SPDX-License-Identifier: Apache-2.0 */
#include "os/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/moment.h"
#include "support/test.h"

static char line[65536];

/* One line goes to a pipe in place of standard error; what came, without its time. */
static const char *
write_and_read(enum log_level level, const char *event, const struct log_field *fields,
    size_t count)
{
    int ends[2];
    int kept = dup(STDERR_FILENO);
    ssize_t len;

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    assert_true(kept >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    log_write(level, event, fields, count);
    (void)dup2(kept, STDERR_FILENO);
    len = read(ends[0], line, sizeof(line) - 1);
    (void)close(kept);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_true(len > 0);
    line[len] = '\0';
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    line[len - 1] = '\0';
    return line;
}

static const char *
write_value(struct str value)
{
    const struct log_field field = log_str("value", value);

    return strstr(write_and_read(LOG_INFO, "test.done", &field, 1), "value=") + strlen("value=");
}

static void
a_line_has_time_level_event_and_fields(void **state)
{
    const struct log_field fields[] = {log_text("outcome", "accepted"), log_int("attempt", -3),
        log_str("hook", STR("634f"))};
    const char *text;
    struct walltime at;

    (void)state;
    log_setup(LOG_INFO, false);
    text = write_and_read(LOG_WARNING, "delivery.settled", fields, 3);
    assert_int_equal(walltime_parse((struct str){text, 24}, &at), OK);
    assert_string_equal(text + 24,
        " warning delivery.settled outcome=accepted attempt=-3 hook=634f");
    assert_string_equal(write_and_read(LOG_ERROR, "store.failed", NULL, 0) + 24,
        " error store.failed");
}

static void
a_value_is_quoted_when_it_must_be(void **state)
{
    static const struct {
        struct str value;
        const char *text;
    } cases[] = {
        {{"https://example.com/hook?a", 26}, "https://example.com/hook?a"},
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"two words", 9}, "\"two words\""},
        {{"a=b", 3}, "\"a=b\""},
        {{"say \"\\\"", 7}, "\"say \\\"\\\\\\\"\""},
        {{"Caf\xc3\xa9", 5}, "\"Caf\xc3\xa9\""},
        {{"\xf0\x9f\x98\x80", 4}, "\"\xf0\x9f\x98\x80\""},
        {{"a\nb\r\x1b[31m\x7f", 10}, "\"a\\u000ab\\u000d\\u001b[31m\\u007f\""},
        {{"\xc2\x85", 2}, "\"\\u0085\""},
        {{"\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6", 9}, "\"\\u2028\\u202e\\u2066\""},
        {{"a\0b", 3}, "\"a\\u0000b\""},
        {{"\xff\xc3 \xe2\x82", 5}, "\"\\xff\\xc3 \\xe2\\x82\""},
    };

    (void)state;
    log_setup(LOG_INFO, false);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_string_equal(write_value(cases[i].value), cases[i].text);
}

static void
nothing_forges_a_line_or_a_field(void **state)
{
    const struct log_field field =
        log_str("name", STR("x\n2024-03-15T10:00:00.000Z error store.failed admin=\"yes\""));
    const char *text;

    (void)state;
    log_setup(LOG_INFO, false);
    text = write_and_read(LOG_INFO, "hook.created", &field, 1);
    assert_null(strchr(text, '\n'));
    assert_non_null(strstr(text, "name=\"x\\u000a2024"));
    assert_non_null(strstr(text, "admin=\\\"yes\\\"\""));
}

static void
the_json_form_is_json(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    const struct log_field fields[] = {
        log_str("text", STR("q\" \\ \n \x1b \xff \xc3\xa9 \xe2\x80\xae")), log_int("n", INT64_MIN),
        log_text("none", NULL), log_text("empty", "")};
    const char *text;
    struct json *tree;
    struct error error = {.text = ""};
    int64_t number = 0;

    (void)state;
    log_setup(LOG_INFO, true);
    text = write_and_read(LOG_INFO, "hook.created", fields, COUNT_OF(fields));
    arena_init(&arena, 100000);
    if (json_parse(str_from(text), &arena, &tree, &error) != OK)
        fail_msg("%s: %s", text, error.text);
    assert_true(str_equals(json_find(tree, STR("event"))->text, STR("hook.created")));
    assert_true(str_equals(json_find(tree, STR("level"))->text, STR("info")));
    assert_true(str_equals(json_find(tree, STR("text"))->text,
        STR("q\" \\ \n \x1b \xef\xbf\xbd \xc3\xa9 \xe2\x80\xae")));
    assert_int_equal(json_to_int64(json_find(tree, STR("n")), &number), OK);
    assert_true(number == INT64_MIN);
    assert_int_equal(json_find(tree, STR("none"))->kind, JSON_NULL);
    assert_int_equal(json_find(tree, STR("empty"))->kind, JSON_STRING);
    assert_null(strstr(text, "\xe2\x80\xae"));
}

static void
a_long_value_is_cut_at_a_whole_character(void **state)
{
    char value[3000];

    (void)state;
    log_setup(LOG_INFO, false);
    for (size_t i = 0; i < sizeof(value); i += 3)
        memcpy(value + i, "\xe2\x82\xac", 3);
    for (size_t shift = 0; shift < 3; shift++) {
        const char *text = write_value((struct str){value + 3, sizeof(value) - 3 - shift});

        assert_int_equal(strlen(text), 1023 + 2);
        assert_true(str_is_utf8(str_from(text)));
    }
}

static void
a_long_line_says_that_fields_were_cut(void **state)
{
    char value[1024];
    struct log_field fields[12];

    (void)state;
    memset(value, '\n', sizeof(value));
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        fields[i] = log_str("value", ((struct str){value, sizeof(value)}));
    for (int form = 0; form < 2; form++) {
        CLEANUP(arena_done) struct arena arena;
        struct str text;
        struct json *tree = NULL;

        log_setup(LOG_INFO, form == 1);
        arena_init(&arena, 1000000);
        text = str_from(write_and_read(LOG_INFO, "test.done", fields, COUNT_OF(fields)));
        assert_in_range(text.len, 6144, 8192);
        if (form == 0)
            assert_true(str_ends(text, STR("\\u000a\" fields_cut=1")));
        else
            assert_int_equal(json_parse(text, &arena, &tree, NULL), OK);
    }
}

static void
the_lowest_level_decides_what_is_written(void **state)
{
    (void)state;
    log_setup(LOG_WARNING, false);
    assert_false(log_is_on(LOG_DEBUG));
    assert_false(log_is_on(LOG_INFO));
    assert_true(log_is_on(LOG_WARNING));
    assert_true(log_is_on(LOG_ERROR));
    log_setup(LOG_DEBUG, false);
    assert_true(log_is_on(LOG_DEBUG));
}

static void
fields_of_a_silent_line_are_not_evaluated(void **state)
{
    int evaluated = 0;

    (void)state;
    log_setup(LOG_ERROR, false);
    log_info("test.done", log_int("n", ++evaluated));
    assert_int_equal(evaluated, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_fields),
        cmocka_unit_test(a_value_is_quoted_when_it_must_be),
        cmocka_unit_test(nothing_forges_a_line_or_a_field),
        cmocka_unit_test(the_json_form_is_json),
        cmocka_unit_test(a_long_value_is_cut_at_a_whole_character),
        cmocka_unit_test(a_long_line_says_that_fields_were_cut),
        cmocka_unit_test(the_lowest_level_decides_what_is_written),
        cmocka_unit_test(fields_of_a_silent_line_are_not_evaluated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
