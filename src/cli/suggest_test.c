/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/suggest.h"

#include "support/test.h"

static void
distances_count_slips_of_the_finger(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},
        {"serve", "serve", 0},
        {"serv", "serve", 1},
        {"servee", "serve", 1},
        {"sevre", "serve", 1},
        {"sarve", "serve", 1},
        {"listen", "lisn", 2},
        {"", "abc", 3},
        {"kitten", "sitting", 3},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(suggest_distance(str_from(cases[i].a), str_from(cases[i].b)),
            cases[i].distance);
        assert_int_equal(suggest_distance(str_from(cases[i].b), str_from(cases[i].a)),
            cases[i].distance);
    }
    assert_int_equal(
        suggest_distance(STR("a word that is far too long for anybody to have meant it"), STR("a")),
        99);
}

static void
the_nearest_is_suggested_and_nothing_far(void **state)
{
    struct suggestion suggestion;

    (void)state;
    suggest_start(&suggestion, STR("lisen"));
    suggest_offer(&suggestion, "threads");
    suggest_offer(&suggestion, "listen");
    suggest_offer(&suggestion, "admin-listen");
    assert_string_equal(suggestion.best, "listen");
    suggest_start(&suggestion, STR("frobnicate"));
    suggest_offer(&suggestion, "listen");
    assert_string_equal(suggestion.best, "");
    suggest_start(&suggestion, STR("ab"));
    suggest_offer(&suggestion, "db");
    assert_string_equal(suggestion.best, "db");
    suggest_start(&suggestion, STR("xy"));
    suggest_offer(&suggestion, "db");
    assert_string_equal(suggestion.best, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances_count_slips_of_the_finger),
        cmocka_unit_test(the_nearest_is_suggested_and_nothing_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
