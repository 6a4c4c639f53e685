/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/item.h"

#include <string.h>

#include "support/test.h"

static const uint8_t version_a[SHA256_BYTES] = {0xa};
static const uint8_t version_b[SHA256_BYTES] = {0xb};

static void
a_call_is_judged_by_the_latest_version_alone(void **state)
{
    static const struct {
        enum duplicate_policy policy;
        bool has_latest;
        int64_t known_sequence;
        int64_t sequence;
        bool is_same;
        enum arrival expected;
    } cases[] = {
        {DUPLICATE_LATEST, false, 0, 0, true, ARRIVAL_NEW},
        {DUPLICATE_ONCE, false, 0, 0, true, ARRIVAL_NEW},
        {DUPLICATE_EXACT, false, 0, 0, true, ARRIVAL_NEW},
        {DUPLICATE_NONE, false, 0, 9, true, ARRIVAL_NEW},
        {DUPLICATE_LATEST, true, 0, 0, true, ARRIVAL_DUPLICATE},
        {DUPLICATE_LATEST, true, 0, 0, false, ARRIVAL_UPDATE},
        {DUPLICATE_ONCE, true, 0, 0, false, ARRIVAL_DUPLICATE},
        {DUPLICATE_EXACT, true, 0, 0, true, ARRIVAL_UPDATE},
        {DUPLICATE_NONE, true, 0, 0, true, ARRIVAL_UPDATE},
        {DUPLICATE_LATEST, true, 7, 6, true, ARRIVAL_STALE},
        {DUPLICATE_LATEST, true, 7, 6, false, ARRIVAL_STALE},
        {DUPLICATE_NONE, true, 7, 6, false, ARRIVAL_STALE},
        {DUPLICATE_LATEST, true, 7, 7, true, ARRIVAL_DUPLICATE},
        {DUPLICATE_LATEST, true, 7, 7, false, ARRIVAL_UPDATE},
        {DUPLICATE_LATEST, true, 7, 8, false, ARRIVAL_UPDATE},
        /* One of the two has no number: nobody can tell which is older. */
        {DUPLICATE_LATEST, true, 7, 0, false, ARRIVAL_UPDATE},
        {DUPLICATE_LATEST, true, 0, 3, false, ARRIVAL_UPDATE},
        /* What is not there cannot make anything stale. */
        {DUPLICATE_LATEST, false, 7, 6, false, ARRIVAL_NEW},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct item_known known = {.has_latest = cases[i].has_latest,
            .sender_sequence = cases[i].known_sequence};
        enum arrival arrival;

        memcpy(known.version, version_a, SHA256_BYTES);
        arrival = item_judge(cases[i].policy, &known, cases[i].sequence,
            cases[i].is_same ? version_a : version_b);
        if (arrival != cases[i].expected)
            fail_msg("case %zu: %s, expected %s", i, arrival_name(arrival),
                arrival_name(cases[i].expected));
    }
    (void)state;
}

static void
moved_and_moved_back_are_two_updates(void **state)
{
    struct item_known known = {.has_latest = true};

    memcpy(known.version, version_a, SHA256_BYTES);
    assert_int_equal(item_judge(DUPLICATE_LATEST, &known, 0, version_b), ARRIVAL_UPDATE);
    memcpy(known.version, version_b, SHA256_BYTES);
    assert_int_equal(item_judge(DUPLICATE_LATEST, &known, 0, version_a), ARRIVAL_UPDATE);
    (void)state;
}

static void
policies_come_back_by_their_names(void **state)
{
    static const enum duplicate_policy policies[] = {DUPLICATE_LATEST, DUPLICATE_ONCE,
        DUPLICATE_EXACT, DUPLICATE_NONE};

    static const char *const bad[] = {"", "Latest", "latest ", "all", "latestx"};
    enum duplicate_policy back = DUPLICATE_NONE;

    assert_string_equal(duplicate_policy_name(DUPLICATE_LATEST), "latest");
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct str name = str_from(duplicate_policy_name(policies[i]));

        assert_int_equal(duplicate_policy_parse(name, &back), OK);
        assert_int_equal(back, policies[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(duplicate_policy_parse(str_from(bad[i]), &back), ERR_INVALID);
        assert_int_equal(back, DUPLICATE_NONE);
    }
    (void)state;
}

static void
arrivals_and_flags_have_names(void **state)
{
    assert_string_equal(arrival_name(ARRIVAL_NEW), "created");
    assert_string_equal(arrival_name(ARRIVAL_UPDATE), "updated");
    assert_string_equal(arrival_name(ARRIVAL_DUPLICATE), "duplicate");
    assert_string_equal(arrival_name(ARRIVAL_STALE), "stale");
    assert_string_equal(item_flag_name(ITEM_UNRECOGNISED), "unrecognised");
    assert_string_equal(item_flag_name(ITEM_CONTRADICTORY), "contradictory");
    assert_string_equal(item_flag_name(ITEM_STALE), "stale");
    assert_string_equal(item_flag_name(ITEM_RELEASED), "released");
    (void)state;
}

static void
flags_come_back_by_their_names(void **state)
{
    static const char *const bad[] = {"", "Stale", "stale ", "stal", "duplicate"};
    enum item_flag flag = ITEM_STALE;

    for (unsigned bit = ITEM_UNRECOGNISED; bit <= ITEM_RELEASED; bit <<= 1) {
        assert_int_equal(item_flag_parse(str_from(item_flag_name((enum item_flag)bit)), &flag), OK);
        assert_int_equal(flag, bit);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        flag = ITEM_STALE;
        if (item_flag_parse(str_from(bad[i]), &flag) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(flag, ITEM_STALE);
    }
    (void)state;
}

static void
an_item_and_a_refused_call_are_told_apart_by_their_ids(void **state)
{
    char text[ITEM_ID_BYTES];
    int64_t pk = 77;

    refused_id_format(INT64_C(1710000000000000), text);
    assert_string_equal(text, "re_0006133c6690e000");
    assert_int_equal(item_id_parse(str_from(text), &pk), ERR_INVALID);
    assert_true(pk == 77);
    assert_int_equal(refused_id_parse(str_from(text), &pk), OK);
    assert_true(pk == INT64_C(1710000000000000));
    assert_int_equal(refused_id_parse(STR("in_0006133c6690e000"), &pk), ERR_INVALID);
    (void)state;
}

static void
an_id_comes_back_as_it_went(void **state)
{
    static const struct {
        int64_t pk;
        const char *text;
    } cases[] = {
        {0, "in_0000000000000000"},
        {1, "in_0000000000000001"},
        {INT64_C(1710000000000000), "in_0006133c6690e000"},
        {INT64_MAX, "in_7fffffffffffffff"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[ITEM_ID_BYTES];
        int64_t back = -1;

        item_id_format(cases[i].pk, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(item_id_parse(str_from(text), &back), OK);
        assert_true(back == cases[i].pk);
    }
    (void)state;
}

static void
what_is_no_item_id_is_refused(void **state)
{
    static const char *const bad[] = {"", "in_", "in_1", "in_000000000000001",
        "in_00000000000000011", "in_8000000000000000", "in_ffffffffffffffff", "in_00061338FED8C000",
        "in_0006133 fed8c000", "IN_00061338fed8c000", "ev_00061338fed8c000", "in_-006133e0a0c8000",
        "in_0x06133e0a0c8000"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t pk = 77;

        if (item_id_parse(str_from(bad[i]), &pk) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_true(pk == 77);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_judged_by_the_latest_version_alone),
        cmocka_unit_test(moved_and_moved_back_are_two_updates),
        cmocka_unit_test(policies_come_back_by_their_names),
        cmocka_unit_test(arrivals_and_flags_have_names),
        cmocka_unit_test(flags_come_back_by_their_names),
        cmocka_unit_test(an_item_and_a_refused_call_are_told_apart_by_their_ids),
        cmocka_unit_test(an_id_comes_back_as_it_went),
        cmocka_unit_test(what_is_no_item_id_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
