/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/account.h"

#include <stdio.h>
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

/* --- what a request says --- */

static struct arena arena;
static struct faults faults;

static struct json *
parse(const char *text)
{
    struct json *object = NULL;
    struct error error = {0};

    arena_init(&arena, 1 << 20);
    faults_init(&faults, &arena);
    if (json_parse(str_from(text), &arena, &object, &error) != OK)
        fail_msg("%s: %s", text, error.text);
    return object;
}

/* The pointers of all faults, with a space between. */
static const char *
faulty(void)
{
    static char text[256];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < faults.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i > 0 ? " " : "",
            STR_FMT(faults.list[i].pointer));
    return text;
}

static void
scopes_have_names(void **state)
{
    static const enum scope of_accounts[] = {SCOPE_READ, SCOPE_WRITE, SCOPE_INBOX};
    enum scope scope = SCOPE_READ;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(of_accounts); i++) {
        assert_int_equal(scope_parse(str_from(scope_name(of_accounts[i])), &scope), OK);
        assert_int_equal(scope, of_accounts[i]);
    }
    assert_string_equal(scope_name(SCOPE_ADMIN), "admin");
    assert_int_equal(scope_parse(STR("admin"), &scope), ERR_INVALID);
    assert_int_equal(scope_parse(STR("none"), &scope), ERR_INVALID);
    assert_int_equal(scope_parse(STR(""), &scope), ERR_INVALID);
    assert_int_equal(scope, SCOPE_INBOX);
}

static void
an_account_is_read_from_what_is_given(void **state)
{
    static const struct {
        const char *text;
        bool is_patch;
        const char *name;
        double rate;
    } good[] = {
        {"{\"name\":\"a\"}", false, "a", 9},
        {"{\"name\":\"a\",\"rateLimit\":0.1}", false, "a", 0.1},
        {"{\"name\":\"a\",\"rateLimit\":1000000}", false, "a", 1000000},
        {"{\"name\":\"a\",\"rateLimit\":null}", false, "a", 0},
        {"{}", true, "old", 9},
        {"{\"rateLimit\":null}", true, "old", 0},
        {"{\"name\":\"new\"}", true, "new", 9},
    };

    static const struct {
        const char *text;
        bool is_patch;
        const char *pointers;
    } bad[] = {
        {"{}", false, "/name"},
        {"[]", false, ""},
        {"{\"name\":null}", true, "/name"},
        {"{\"name\":\" a\"}", true, "/name"},
        {"{\"name\":7,\"rateLimit\":\"7\"}", true, "/name /rateLimit"},
        {"{\"rateLimit\":0}", true, "/rateLimit"},
        {"{\"rateLimit\":0.09}", true, "/rateLimit"},
        {"{\"rateLimit\":1000000.5}", true, "/rateLimit"},
        {"{\"rateLimit\":true}", true, "/rateLimit"},
        {"{\"id\":\"634fc35ddaf58580e2418c40\",\"createdAt\":1}", true, "/id /createdAt"},
        {"{\"ratelimit\":1}", true, "/ratelimit"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct account account = {.rate_limit = 9};

        if (good[i].is_patch)
            account.name = STR("old");
        account_read(&account, parse(good[i].text), good[i].is_patch, &faults);
        assert_string_equal(faulty(), "");
        assert_true(str_equals(account.name, str_from(good[i].name)));
        assert_true(account.rate_limit == good[i].rate);
        arena_done(&arena);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct account account = {.rate_limit = 9};

        if (bad[i].is_patch)
            account.name = STR("old");
        account_read(&account, parse(bad[i].text), bad[i].is_patch, &faults);
        assert_string_equal(faulty(), bad[i].pointers);
        assert_true(account.rate_limit == 9);
        assert_true(!bad[i].is_patch || str_equals(account.name, STR("old")));
        arena_done(&arena);
    }
}

static void
a_new_key_is_read_from_what_is_given(void **state)
{
    static const struct walltime now = {INT64_C(1710496800000000)}; /* 2024-03-15T10:00:00Z */

    static const struct {
        const char *text;
        const char *pointers;
    } bad[] = {
        {"[]", ""},
        {"{\"name\":\"\"}", "/name"},
        {"{\"name\":\"a \"}", "/name"},
        {"{\"scopes\":[]}", "/scopes"},
        {"{\"scopes\":null}", "/scopes"},
        {"{\"scopes\":\"read\"}", "/scopes"},
        {"{\"scopes\":[\"read\",\"admin\"]}", "/scopes"},
        {"{\"scopes\":[\"read\",1]}", "/scopes"},
        {"{\"expiresAt\":\"2024-03-15T10:00:00Z\"}", "/expiresAt"},
        {"{\"expiresAt\":\"tomorrow\"}", "/expiresAt"},
        {"{\"expiresAt\":1}", "/expiresAt"},
        {"{\"admin\":true}", "/admin"},
    };
    struct api_key key = {.name = STR("API"), .scopes = SCOPES_OF_ACCOUNT};

    (void)state;
    key_read(&key, NULL, now, &faults);
    key_read(&key, parse("{}"), now, &faults);
    assert_string_equal(faulty(), "");
    assert_true(str_equals(key.name, STR("API")));
    assert_int_equal(key.scopes, SCOPES_OF_ACCOUNT);
    assert_true(key.expires.us == 0);
    arena_done(&arena);
    key_read(&key,
        parse("{\"name\":\"k\",\"scopes\":[\"inbox\",\"read\"],"
              "\"expiresAt\":\"2024-03-15T10:00:01Z\"}"),
        now, &faults);
    assert_string_equal(faulty(), "");
    assert_true(str_equals(key.name, STR("k")));
    assert_int_equal(key.scopes, SCOPE_READ | SCOPE_INBOX);
    assert_true(key.expires.us == now.us + US_PER_S);
    arena_done(&arena);

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct api_key left = {.name = STR("API"), .scopes = SCOPES_OF_ACCOUNT};

        key_read(&left, parse(bad[i].text), now, &faults);
        assert_string_equal(faulty(), bad[i].pointers);
        assert_true(faults.count == 1);
        assert_true(str_equals(left.name, STR("API")));
        assert_int_equal(left.scopes, SCOPES_OF_ACCOUNT);
        assert_true(left.expires.us == 0);
        arena_done(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_says_what_it_is_and_carries_all_its_randomness),
        cmocka_unit_test(what_is_not_shaped_like_a_key_is_refused),
        cmocka_unit_test(a_key_expires_at_its_moment),
        cmocka_unit_test(names_are_texts_a_person_can_read),
        cmocka_unit_test(scopes_have_names),
        cmocka_unit_test(an_account_is_read_from_what_is_given),
        cmocka_unit_test(a_new_key_is_read_from_what_is_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
