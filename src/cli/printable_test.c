/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/printable.h"

#include <string.h>

#include "support/test.h"

#define BAD "\xef\xbf\xbd"

struct example {
    const char *text;
    const char *line;
    const char *lines; /* NULL: the same */
};

static void
only_what_does_harm_is_replaced(void **state)
{
    static const struct example examples[] = {
        {"", "", NULL},
        {"John Doe <john@example.com>", "John Doe <john@example.com>", NULL},
        {"Zo\xc3\xab \xe2\x82\xb9 \xf0\x9f\x8e\x93", "Zo\xc3\xab \xe2\x82\xb9 \xf0\x9f\x8e\x93",
            NULL},
        {"a\xc2\xa0z", "a\xc2\xa0z", NULL},
        {"\x1b[2J", BAD "[2J", NULL},
        {"a\x7fz", "a" BAD "z", NULL},
        {"a\xc2\x9bz", "a" BAD "z", NULL},
        {"\xe2\x80\x8d", "\xe2\x80\x8d", NULL}, /* joins the parts of one picture */
        {"\xe2\x80\xae", BAD, NULL},
        {"\xe2\x80\xa8", BAD, NULL},
        {"\xe2\x81\xa6", BAD, NULL},
        {"\xe2\x81\xaa", "\xe2\x81\xaa", NULL},
        {"a\nb\tc", "a" BAD "b" BAD "c", "a\nb\tc"},
        {"a\r\nb\rc", "a" BAD BAD "b" BAD "c", "a\nb" BAD "c"},
        {"\xff\xc3", BAD BAD, NULL},
        {"\xed\xa0\x80", BAD BAD BAD, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        const struct example *example = &examples[i];
        struct buf buf;

        buf_init(&buf, 256);
        buf_append_literal(&buf, ">");
        printable_append(&buf, str_from(example->text));
        assert_string_equal(buf.ptr + 1, example->line);
        buf_clear(&buf);
        buf_append_literal(&buf, ">");
        printable_append_lines(&buf, str_from(example->text));
        assert_string_equal(buf.ptr + 1, example->lines != NULL ? example->lines : example->line);
        buf_done(&buf);
    }
}

static void
a_nul_is_replaced_and_does_not_end_it(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 64);
    printable_append(&buf, STR("a\0z"));
    assert_string_equal(buf.ptr, "a" BAD "z");
    buf_done(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_does_harm_is_replaced),
        cmocka_unit_test(a_nul_is_replaced_and_does_not_end_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
