/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include <string.h>

#include "support/test.h"

static void
an_answer_says_why_in_its_own_words(void **state)
{
    static const struct {
        const char *body;
        const char *reason;
    } cases[] = {
        {"", ""},
        {" \r\n", ""},
        {"{\"status\":401,\"detail\":\"There is no such key.\"}", "There is no such key."},
        {"{\"detail\":\"Look.\",\"errors\":[{\"pointer\":\"/event\",\"detail\":\"is none\"},7,"
         "{\"detail\":\"too\"}]}",
            "Look.; /event is none; too"},
        {"{\"detail\":\"Look.\",\"errors\":{}}", "Look."},
        {"{\"message\":\"Invalid token\",\"success\":false}", "Invalid token"},
        {"{\"detail\":7}", "{\"detail\":7}"},
        {"[\"detail\"]", "[\"detail\"]"},
        {"<h1>Bad Gateway</h1>\n", "<h1>Bad Gateway</h1>"},
        {"a\x1b[0m", "a\xef\xbf\xbd[0m"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf buf;

        buf_init(&buf, 4096);
        buf_append_literal(&buf, ">");
        ask_reason_append(&buf, str_from(cases[i].body));
        assert_string_equal(buf.ptr + 1, cases[i].reason);
        buf_done(&buf);
    }
}

static void
of_a_long_answer_the_beginning_is_told(void **state)
{
    char body[2000];
    struct buf buf;

    (void)state;
    memset(body, 'x', sizeof(body));
    buf_init(&buf, 4096);
    ask_reason_append(&buf, (struct str){body, sizeof(body)});
    assert_int_equal(buf.len, 300);
    buf_done(&buf);
}

static void
a_field_stays_on_its_line(void **state)
{
    static const char *const good[] = {"", "a b\tc", "Zo\xc3\xab"};
    static const char *const bad[] = {"a\nb", "a\rb", "\x7f", "a\x01"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(ask_field_is_sane(str_from(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(ask_field_is_sane(str_from(bad[i])));
    assert_false(ask_field_is_sane(STR("a\0b")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_says_why_in_its_own_words),
        cmocka_unit_test(of_a_long_answer_the_beginning_is_told),
        cmocka_unit_test(a_field_stays_on_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
