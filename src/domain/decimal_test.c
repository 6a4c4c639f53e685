/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/decimal.h"

#include "support/test.h"

static struct decimal
number(const char *text)
{
    struct decimal decimal = {0};

    if (decimal_parse(str_from(text), &decimal) != OK)
        fail_msg("\"%s\" was refused", text);
    return decimal;
}

static void
one_number_has_many_spellings(void **state)
{
    static const struct {
        const char *text;
        const char *written;
    } cases[] = {
        {"0", "e0"},
        {"-0", "e0"},
        {"0.000", "e0"},
        {"0e99", "e0"},
        {"1", "1e1"},
        {"1.0", "1e1"},
        {"10e-1", "1e1"},
        {"0.1e1", "1e1"},
        {"-1", "-1e1"},
        {"100", "1e3"},
        {"1E2", "1e3"},
        {"1e+2", "1e3"},
        {"1e002", "1e3"},
        {"0.001", "1e-2"},
        {"1e-3", "1e-2"},
        {"0.5", "5e0"},
        {"12.340", "1234e2"},
        {"1000.0001", "10000001e4"},
        {"919876543210", "91987654321e12"},
        {"9.19876543210E11", "91987654321e12"},
        {"9007199254740993", "9007199254740993e16"},
        {"-1e-999999999999999", "-1e-999999999999998"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct decimal decimal = number(cases[i].text);
        char written[64];
        size_t len = decimal_write(&decimal, written);

        assert_true(len <= decimal.digits.len + DECIMAL_EXTRA_BYTES);
        if (!str_equals((struct str){written, len}, str_from(cases[i].written)))
            fail_msg("%s was written %.*s", cases[i].text, (int)len, written);
    }
    (void)state;
}

static void
numbers_are_in_order(void **state)
{
    static const char *const rising[] = {"-1e20", "-10.5", "-10.49", "-10", "-9.99", "-0.02",
        "-0.01", "0", "1e-20", "0.01", "0.011", "0.1", "0.11", "1", "9", "10", "10.01", "99",
        "9007199254740992", "9007199254740993", "1e16", "1e300", "1e301"};

    for (size_t i = 0; i < COUNT_OF(rising); i++) {
        for (size_t j = 0; j < COUNT_OF(rising); j++) {
            struct decimal a = number(rising[i]);
            struct decimal b = number(rising[j]);
            int expected = (i > j) - (i < j);

            if (decimal_compare(&a, &b) != expected)
                fail_msg("%s and %s: expected %d", rising[i], rising[j], expected);
        }
    }
    (void)state;
}

static void
what_json_does_not_call_a_number_is_refused(void **state)
{
    static const char *const bad[] = {"", "-", "+1", ".5", "1.", "01", "-01", "1e", "1e+", "1e-",
        "1 ", " 1", "1.2.3", "1e1.5", "0x10", "1,000", "NaN", "Infinity", "--1", "1e1e1", "1-"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct decimal decimal = {.power = 77};

        if (decimal_parse(str_from(bad[i]), &decimal) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(decimal.power, 77);
    }
    (void)state;
}

static void
an_absurd_exponent_is_beyond_us(void **state)
{
    struct decimal decimal = {.power = 77};

    assert_int_equal(decimal_parse(STR("1e1000000000000000"), &decimal), ERR_LIMIT);
    assert_int_equal(decimal_parse(STR("1e-1000000000000000"), &decimal), ERR_LIMIT);
    assert_int_equal(decimal.power, 77);
    assert_int_equal(decimal_parse(STR("1e0000000000000000000001"), &decimal), OK);
    assert_int_equal(decimal.power, 2);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_number_has_many_spellings),
        cmocka_unit_test(numbers_are_in_order),
        cmocka_unit_test(what_json_does_not_call_a_number_is_refused),
        cmocka_unit_test(an_absurd_exponent_is_beyond_us),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
