/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/template.h"

#include <string.h>

#include "support/test.h"

static bool
is_known(struct str name)
{
    return str_equals(name, STR("name")) || str_equals(name, STR("link")) ||
           str_equals(name, STR("webinar")) || str_equals(name, STR("empty"));
}

/* A name, two webinars of which the second has a link, and an empty text. */
static bool
append(void *arg, struct str name, size_t session, struct buf *buf)
{
    (void)arg;
    if (str_equals(name, STR("name")))
        buf_append_literal(buf, "Ann {{link}}\r\nX: y");
    else if (str_equals(name, STR("webinar")))
        buf_printf(buf, "Part %zu", session + 1);
    else if (str_equals(name, STR("link")) && session == 1)
        buf_append_literal(buf, "https://example.com/");
    else
        return str_equals(name, STR("empty"));
    return true;
}

static void
expect(const char *text, size_t sessions, const char *expected)
{
    const struct template_values values = {.append = append, .session_count = sessions};
    struct template *template = NULL;
    struct error error = {.code = OK};
    struct arena arena;
    struct buf buf;

    arena_init(&arena, 1 << 20);
    buf_init(&buf, 1 << 16);
    if (template_parse(str_from(text), is_known, &arena, &template, &error) != OK)
        fail_msg("%s: %s", text, error.text);
    template_render(template, &values, &buf);
    assert_false(buf_is_full(&buf));
    assert_string_equal(buf.len > 0 ? buf.ptr : "", expected);
    buf_done(&buf);
    arena_done(&arena);
}

static void
values_stand_where_their_names_stood(void **state)
{
    (void)state;
    expect("", 2, "");
    expect("as it is } { }}", 2, "as it is } { }}");
    expect("[{{webinar}}]", 2, "[Part 1]");
    expect("[{{ webinar }}]", 2, "[Part 1]");
    expect("[{{link}}]", 2, "[]");
    expect("{{webinar}}{{webinar}}", 1, "Part 1Part 1");
}

static void
a_value_is_put_in_as_it_is_and_not_read_again(void **state)
{
    (void)state;
    expect("<{{name}}>", 2, "<Ann {{link}}\r\nX: y>");
}

static void
a_section_is_shown_only_where_there_is_a_value(void **state)
{
    (void)state;
    expect("a{{#webinar}}b{{/webinar}}c", 1, "abc");
    expect("a{{#link}}b{{/link}}c", 1, "ac");
    expect("a{{#empty}}b{{/empty}}c", 1, "ac");
    expect("a{{^link}}b{{/link}}c", 1, "abc");
    expect("a{{^webinar}}b{{/webinar}}c", 1, "ac");
    expect("{{#webinar}}{{^link}}x{{/link}}{{#link}}y{{/link}}{{/webinar}}", 1, "x");
}

static void
sessions_are_repeated(void **state)
{
    (void)state;
    expect("{{#sessions}}{{webinar}};{{/sessions}}{{webinar}}", 2, "Part 1;Part 2;Part 1");
    expect("{{#sessions}}{{#link}}{{webinar}}{{/link}}{{/sessions}}", 2, "Part 2");
    expect("none{{#sessions}}{{webinar}}{{/sessions}}", 0, "none");
}

static void
a_section_tag_alone_on_its_line_takes_the_line_with_it(void **state)
{
    (void)state;
    expect("a\n{{#webinar}}\nb\n{{/webinar}}\nc\n", 1, "a\nb\nc\n");
    expect("a\r\n  {{#webinar}}  \r\nb\r\n{{/webinar}}\r\nc", 1, "a\r\nb\r\nc");
    expect("a\n{{#webinar}} b\n{{/webinar}}", 1, "a\n b\n");
    expect("a\n{{webinar}}\nb", 1, "a\nPart 1\nb");
}

static void
refuse(const char *text, const char *part)
{
    struct template *template = NULL;
    struct error error = {.code = OK};
    struct arena arena;

    arena_init(&arena, 1 << 20);
    assert_int_equal(template_parse(str_from(text), is_known, &arena, &template, &error),
        ERR_INVALID);
    assert_null(template);
    if (strstr(error.text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, part);
    arena_done(&arena);
}

static void
a_mistake_is_told_with_its_line(void **state)
{
    (void)state;
    refuse("a\nb {{nickname}}", "line 2: there is no value \"nickname\"");
    refuse("{{}}", "line 1: there is no value \"\"");
    refuse("{{#nickname}}{{/nickname}}", "there is no value \"nickname\"");
    refuse("{{^sessions}}{{/sessions}}", "there is no value \"sessions\"");
    refuse("{{sessions}}", "there is no value \"sessions\"");
    refuse("a {{name", "{{ is not closed by }}");
    refuse("\n\n{{#name}}", "{{#name}} is not closed");
    refuse("{{/name}}", "{{/name}} closes what is not open there");
    refuse("{{#name}}{{#link}}{{/name}}{{/link}}", "{{/name}} closes");
    refuse("{{#sessions}}{{#sessions}}{{/sessions}}{{/sessions}}", "inside of itself");
    refuse("{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}{{#name}}",
        "too many sections");
    refuse("\xff", "UTF-8");
}

static void
a_text_that_is_too_long_is_refused(void **state)
{
    static char text[TEMPLATE_BYTES_MAX + 2];

    (void)state;
    memset(text, 'a', TEMPLATE_BYTES_MAX + 1);
    refuse(text, "at most 65536 bytes");
    memset(text, ' ', TEMPLATE_BYTES_MAX);
    for (size_t i = 0; i + 9 <= TEMPLATE_BYTES_MAX; i += 9)
        memcpy(text + i, "{{empty}}", 9);
    text[TEMPLATE_BYTES_MAX] = '\0';
    refuse(text, "more than 4096");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_where_their_names_stood),
        cmocka_unit_test(a_value_is_put_in_as_it_is_and_not_read_again),
        cmocka_unit_test(a_section_is_shown_only_where_there_is_a_value),
        cmocka_unit_test(sessions_are_repeated),
        cmocka_unit_test(a_section_tag_alone_on_its_line_takes_the_line_with_it),
        cmocka_unit_test(a_mistake_is_told_with_its_line),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
