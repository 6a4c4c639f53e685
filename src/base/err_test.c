/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <string.h>

#include "base/str.h"
#include "support/test.h"

static void
an_error_carries_code_and_text(void **state)
{
    struct error error;

    (void)state;
    assert_int_equal(error_set(&error, ERR_CONFLICT, "hook %d: %s", 7, "there"), ERR_CONFLICT);
    assert_int_equal(error.code, ERR_CONFLICT);
    assert_string_equal(error.text, "hook 7: there");
}

static void
nobody_has_to_want_the_text(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, ERR_LIMIT, "unheard"), ERR_LIMIT);
    assert_int_equal(error_prefix(NULL, "unheard"), ERR_IO);
}

static void
a_prefix_stands_before_the_text_and_keeps_the_code(void **state)
{
    struct error error;

    (void)state;
    (void)error_set(&error, ERR_NOT_FOUND, "no such file");
    assert_int_equal(error_prefix(&error, "read %s", "usher.conf"), ERR_NOT_FOUND);
    assert_string_equal(error.text, "read usher.conf: no such file");
}

static void
an_error_may_be_built_from_its_own_text(void **state)
{
    struct error error;

    (void)state;
    (void)error_set(&error, ERR_IO, "inner");
    (void)error_set(&error, ERR_IO, "outer (%s)", error.text);
    assert_string_equal(error.text, "outer (inner)");
}

static void
a_long_text_is_cut_between_characters(void **state)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(characters); i++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char text[600] = "xxxx";
            struct error error;
            size_t bytes = strlen(characters[i]);

            for (size_t at = shift; at + bytes < sizeof(text); at += bytes)
                memcpy(text + at, characters[i], bytes + 1);
            (void)error_set(&error, ERR_INVALID, "%s", text);
            assert_true(str_is_utf8(str_from(error.text)));
            assert_true(strlen(error.text) > sizeof(error.text) - 1 - bytes);
            (void)error_prefix(&error, "%s", text);
            assert_true(str_is_utf8(str_from(error.text)));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_carries_code_and_text),
        cmocka_unit_test(nobody_has_to_want_the_text),
        cmocka_unit_test(a_prefix_stands_before_the_text_and_keeps_the_code),
        cmocka_unit_test(an_error_may_be_built_from_its_own_text),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
