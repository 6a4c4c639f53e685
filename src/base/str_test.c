/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdio.h>

#include "support/test.h"

static const struct str absent = {NULL, 0};

static void
a_text_is_taken_from_a_c_string(void **state)
{
    (void)state;
    assert_true(str_equals(str_from("usher"), STR("usher")));
    assert_non_null(str_from("").ptr);
    assert_null(str_from(NULL).ptr);
    assert_int_equal(str_from(NULL).len, 0);
}

static void
texts_are_equal_by_their_bytes(void **state)
{
    (void)state;
    assert_true(str_equals(STR("a\0b"), STR("a\0b")));
    assert_false(str_equals(STR("a\0b"), STR("a\0c")));
    assert_false(str_equals(STR("a"), STR("ab")));
    assert_true(str_equals(absent, STR("")));
}

static void
letter_case_is_ignored_for_ascii_alone(void **state)
{
    (void)state;
    assert_true(str_equals_nocase(STR("Content-Type"), STR("cONTENT-tYPE")));
    assert_false(str_equals_nocase(STR("\xc3\x89"), STR("\xc3\xa9")));
    assert_false(str_equals_nocase(STR("@["), STR("`{")));
    assert_false(str_equals_nocase(STR("a"), STR("ab")));
}

static void
front_and_end_are_found(void **state)
{
    (void)state;
    assert_true(str_starts(STR("/api/v1"), STR("/api")));
    assert_false(str_starts(STR("/ap"), STR("/api")));
    assert_true(str_ends(STR("a.json"), STR(".json")));
    assert_false(str_ends(STR("json"), STR(".json")));
    assert_false(str_ends(STR("a.jsoN"), STR(".json")));
    assert_true(str_starts(absent, absent));
    assert_true(str_ends(absent, absent));
}

static void
order_is_by_bytes_and_a_prefix_comes_first(void **state)
{
    static const struct str ordered[] = {{"", 0}, {"a", 1}, {"a\0", 2}, {"aa", 2}, {"ab", 2},
        {"b", 1}, {"\xc3\xa9", 2}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ordered); i++) {
        for (size_t j = 0; j < COUNT_OF(ordered); j++) {
            int order = str_compare(ordered[i], ordered[j]);

            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void
white_space_is_trimmed_at_both_ends(void **state)
{
    (void)state;
    assert_true(str_equals(str_trim(STR(" \t\r\n\v\fa b\n")), STR("a b")));
    assert_int_equal(str_trim(STR(" \t ")).len, 0);
    assert_int_equal(str_trim(absent).len, 0);
}

static void
a_slice_stays_inside(void **state)
{
    (void)state;
    assert_true(str_equals(str_slice(STR("abcdef"), 1, 3), STR("bc")));
    assert_true(str_equals(str_slice(STR("abc"), 1, SIZE_MAX), STR("bc")));
    assert_int_equal(str_slice(STR("abc"), 7, 9).len, 0);
    assert_int_equal(str_slice(STR("abc"), 2, 1).len, 0);
    assert_null(str_slice(absent, 0, 3).ptr);
}

static void
a_byte_is_found_from_a_place_on(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("a,b,c"), ',', 0), 1);
    assert_int_equal(str_find(STR("a,b,c"), ',', 2), 3);
    assert_int_equal(str_find(STR("a,b,c"), ',', 4), SIZE_MAX);
    assert_int_equal(str_find(STR("a,b,c"), ',', 99), SIZE_MAX);
    assert_int_equal(str_find(absent, ',', 0), SIZE_MAX);
}

static void
a_list_is_split_at_each_separator(void **state)
{
    struct str rest = STR("a,,b");
    struct str piece;

    (void)state;
    assert_true(str_split(&rest, ',', &piece));
    assert_true(str_equals(piece, STR("a")));
    assert_true(str_split(&rest, ',', &piece));
    assert_int_equal(piece.len, 0);
    assert_true(str_split(&rest, ',', &piece));
    assert_true(str_equals(piece, STR("b")));
    assert_null(rest.ptr);
    assert_false(str_split(&rest, ',', &piece));
    assert_true(str_equals(piece, STR("b")));

    rest = STR(",");
    assert_true(str_split(&rest, ',', &piece));
    assert_true(str_split(&rest, ',', &piece));
    assert_int_equal(piece.len, 0);
    assert_false(str_split(&rest, ',', &piece));
}

static void
texts_are_put_one_behind_another(void **state)
{
    char text[6] = "......";
    char *at = str_put(text, STR("ab"));

    at = str_put(at, (struct str){NULL, 0});
    at = str_put(at, STR("cd"));
    assert_ptr_equal(at, text + 4);
    assert_memory_equal(text, "abcd..", sizeof(text));
    (void)state;
}

static void
whole_numbers_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"-0", 0},
        {"007", 7},
        {"42", 42},
        {"-42", -42},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value = 1234;

        assert_int_equal(str_to_int64(str_from(cases[i].text), &value), OK);
        assert_true(value == cases[i].value);
    }
}

static void
what_is_no_whole_number_is_refused(void **state)
{
    static const char *const refused[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "--1", "1e3",
        "9223372036854775808", "-9223372036854775809", "99999999999999999999999", "\xd9\xa1"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        int64_t value = 1234;

        assert_int_equal(str_to_int64(str_from(refused[i]), &value), ERR_INVALID);
        assert_true(value == 1234);
    }
}

static void
well_formed_utf8_is_known(void **state)
{
    static const char *const good[] = {"", "plain", "more than eight plain bytes", "\x7f",
        "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "eight by\xc3\xa9te boundary"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(str_is_utf8(str_from(good[i])));
    assert_true(str_is_utf8(absent));
    assert_true(str_is_utf8(STR("a\0b")));
}

static void
broken_utf8_is_known_wherever_it_stands(void **state)
{
    static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41",
        "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82\x41",
        "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "\xf8\x88\x80\x80\x80"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (int before = 0; before < 10; before++) {
            char text[32];
            int len = snprintf(text, sizeof(text), "%.*s%s", before, "0123456789", bad[i]);

            assert_true(len > before);
            assert_false(str_is_utf8(str_from(text)));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_taken_from_a_c_string),
        cmocka_unit_test(texts_are_equal_by_their_bytes),
        cmocka_unit_test(letter_case_is_ignored_for_ascii_alone),
        cmocka_unit_test(front_and_end_are_found),
        cmocka_unit_test(order_is_by_bytes_and_a_prefix_comes_first),
        cmocka_unit_test(white_space_is_trimmed_at_both_ends),
        cmocka_unit_test(a_slice_stays_inside),
        cmocka_unit_test(a_byte_is_found_from_a_place_on),
        cmocka_unit_test(a_list_is_split_at_each_separator),
        cmocka_unit_test(texts_are_put_one_behind_another),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(what_is_no_whole_number_is_refused),
        cmocka_unit_test(well_formed_utf8_is_known),
        cmocka_unit_test(broken_utf8_is_known_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
