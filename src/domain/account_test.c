/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/account.h"

#include <string.h>

#include "support/test.h"

static void
a_key_says_what_it_is_and_carries_all_its_randomness(void **state)
{
    uint8_t random[32];
    char text[KEY_TEXT_BYTES];
    uint8_t hash[SHA256_BYTES];
    uint8_t expected[SHA256_BYTES];

    (void)state;
    memset(random, 0xff, sizeof(random));
    key_format(random, text);
    assert_string_equal(text, "usk_"
                              "__________________________________________8");
    assert_int_equal(key_hash(str_from(text), hash), OK);
    assert_int_equal(sha256(str_from(text), expected), OK);
    assert_memory_equal(hash, expected, sizeof(hash));
}

static void
what_is_not_shaped_like_a_key_is_refused(void **state)
{
    static const char *const texts[] = {"", "usk_", "usk_AAAA",
        "usk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* one short */
        "usk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* one long */
        "USK_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "usk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
        "usk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "usk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB"}; /* stray bits */
    uint8_t hash[SHA256_BYTES] = {42};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(key_hash(str_from(texts[i]), hash), ERR_INVALID);
    assert_int_equal(hash[0], 42);
}

static void
a_key_expires_at_its_moment(void **state)
{
    struct api_key key = {.expires = {100}};

    (void)state;
    assert_false(key_is_expired(&key, (struct walltime){99}));
    assert_true(key_is_expired(&key, (struct walltime){100}));
    key.expires.us = 0;
    assert_false(key_is_expired(&key, (struct walltime){INT64_MAX}));
}

static void
names_are_texts_a_person_can_read(void **state)
{
    static const char *const good[] = {"a", "default", "Café & Söhne", "two words"};
    static const char *const bad[] = {"", " a", "a ", "a\tb", "a\nb", "\x7f", "a\xc2\x85z", "\xff",
        "a\xc2"};
    char long_name[102];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(account_name_is_valid(str_from(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(account_name_is_valid(str_from(bad[i])));
    memset(long_name, 'x', sizeof(long_name));
    assert_true(account_name_is_valid((struct str){long_name, 100}));
    assert_false(account_name_is_valid((struct str){long_name, 101}));
    assert_false(account_name_is_valid(STR("a\0b")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_says_what_it_is_and_carries_all_its_randomness),
        cmocka_unit_test(what_is_not_shaped_like_a_key_is_refused),
        cmocka_unit_test(a_key_expires_at_its_moment),
        cmocka_unit_test(names_are_texts_a_person_can_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
