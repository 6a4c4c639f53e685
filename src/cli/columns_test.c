/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/columns.h"

#include <string.h>

#include "support/test.h"

static struct arena arena;
static struct buf buf;

static int
setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    buf_init(&buf, 1 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    buf_done(&buf);
    return 0;
}

static void
must_be(const char *text)
{
    buf_append_char(&buf, '\0');
    assert_false(buf_is_full(&buf));
    assert_string_equal(buf.ptr, text);
    buf_clear(&buf);
}

static const char *const titles[] = {"NAME", "N", "NOTE"};

static void
columns_are_as_wide_as_their_widest_cell(void **state)
{
    struct columns columns;

    (void)state;
    columns_init(&columns, &arena, titles, COUNT_OF(titles));
    columns_add(&columns, STR("a"));
    columns_printf(&columns, "%d", 1000);
    columns_add(&columns, STR("first"));
    columns_add(&columns, STR("J\xc3\xb6rg M"));
    columns_printf(&columns, "%d", 7);
    columns_add(&columns, (struct str){NULL, 0});
    columns_print(&columns, &buf);
    must_be("NAME    N     NOTE\n"
            "a       1000  first\n"
            "J\xc3\xb6rg M  7     -\n");
}

static void
without_a_row_there_is_no_title(void **state)
{
    struct columns columns;

    (void)state;
    columns_init(&columns, &arena, titles, COUNT_OF(titles));
    columns_print(&columns, &buf);
    must_be("");
}

static void
what_could_steer_a_terminal_is_shown_as_a_question_mark(void **state)
{
    static const struct {
        const char *text;
        const char *plain;
    } cases[] = {
        {"plain", "plain"},
        {"J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80", "J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\x1b[31mred", "?[31mred"},
        {"a\nb\tc\rd\x7f", "a?b?c?d?"},
        {"\xc2\x9b"
         "31m",
            "?31m"},
        {"\xc2\xa0", "\xc2\xa0"},
        {"a\xe2\x80\xae"
         "b\xe2\x81\xa6"
         "c",
            "a?b?c"},
        {"\xff\xc3", "??"},
        {"\xed\xa0\x80", "???"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        plain_append(&buf, str_from(cases[i].text));
        must_be(cases[i].plain);
    }
}

static void
a_block_keeps_its_lines(void **state)
{
    (void)state;
    plain_append_block(&buf, "  ", STR("one\r\ntwo\x1b\n\nthree"));
    must_be("  one\n  two?\n  \n  three\n");
    plain_append_block(&buf, "", STR("one\n"));
    must_be("one\n");
    plain_append_block(&buf, "> ", (struct str){NULL, 0});
    must_be("");
}

static void
a_long_cell_is_cut_between_characters(void **state)
{
    struct columns columns;
    char text[1200];
    struct str row;

    (void)state;
    columns_init(&columns, &arena, titles, 1);
    text[0] = 'a';
    for (size_t i = 1; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xb6", 2);
    columns_add(&columns, (struct str){text, 1199});
    columns_print(&columns, &buf);
    row = str_slice(buf_str(&buf), strlen("NAME\n"), buf.len);
    assert_true(str_is_utf8(row));
    assert_true(row.len <= 513 && row.len > 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(columns_are_as_wide_as_their_widest_cell),
        TEST(without_a_row_there_is_no_title),
        TEST(what_could_steer_a_terminal_is_shown_as_a_question_mark),
        TEST(a_block_keeps_its_lines),
        TEST(a_long_cell_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
