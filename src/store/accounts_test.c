/* SPDX-License-Identifier: Apache-2.0 */
#include "store/accounts.h"

#include <string.h>

#include "support/engine.h"
#include "support/test.h"

static const struct walltime now = {INT64_C(1710496800000000)};
static const uint8_t random_a[32] = {1};
static const uint8_t random_b[32] = {2};

static void
an_account_is_found_by_its_name(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct id id = {{1}};
    struct account account = {0};
    struct arena arena;
    int64_t pk = 0;
    int64_t n = -1;

    (void)state;
    arena_init(&arena, 4096);
    assert_int_equal(account_count(engine, &n, &error), OK);
    assert_int_equal(n, 0);
    assert_int_equal(account_create(engine, id, STR("default"), now, &pk, &error), OK);
    assert_int_equal(account_find(engine, STR("default"), &arena, &account, &error), OK);
    assert_int_equal(account.pk, pk);
    assert_true(id_equals(account.id, id));
    assert_true(str_equals(account.name, STR("default")));
    assert_true(account.created.us == now.us);
    assert_int_equal(account_count(engine, &n, &error), OK);
    assert_int_equal(n, 1);

    account.pk = 42;
    assert_int_equal(account_find(engine, STR("Default"), &arena, &account, &error), ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "\"Default\""));
    assert_int_equal(account.pk, 42);
    arena_done(&arena);
    engine_close(engine);
}

static void
a_second_account_of_that_name_or_a_bad_name_is_refused(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct id one = {{1}};
    struct id two = {{2}};
    int64_t pk = 0;

    (void)state;
    assert_int_equal(account_create(engine, one, STR("default"), now, &pk, &error), OK);
    pk = 42;
    assert_int_equal(account_create(engine, two, STR("default"), now, &pk, &error), ERR_CONFLICT);
    assert_int_equal(account_create(engine, two, STR(""), now, &pk, &error), ERR_INVALID);
    assert_int_equal(account_create(engine, two, STR("a\nb"), now, &pk, &error), ERR_INVALID);
    assert_int_equal(pk, 42);
    engine_close(engine);
}

static void
a_key_is_found_by_its_text_and_only_its_digest_is_kept(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct id id = {{1}};
    struct arena arena;
    char text[KEY_TEXT_BYTES];
    char other[KEY_TEXT_BYTES];
    int64_t pk = 0;
    int64_t n = -1;

    (void)state;
    arena_init(&arena, 4096);
    key_format(random_a, text);
    key_format(random_b, other);
    assert_int_equal(account_create(engine, id, STR("default"), now, &pk, &error), OK);
    struct api_key key = {
        .id = {{5}},
        .account_pk = pk,
        .name = STR("first"),
        .scopes = SCOPE_READ | SCOPE_WRITE,
        .created = now,
        .expires = {now.us + 10},
    };
    struct api_key found = {0};
    assert_int_equal(key_create(engine, &key, str_from(text), &error), OK);
    assert_int_equal(key_find(engine, str_from(text), &arena, &found, &error), OK);
    assert_true(id_equals(found.id, key.id));
    assert_int_equal(found.account_pk, pk);
    assert_true(str_equals(found.name, STR("first")));
    assert_int_equal(found.scopes, SCOPE_READ | SCOPE_WRITE);
    assert_true(found.created.us == now.us);
    assert_true(found.expires.us == now.us + 10);

    found.account_pk = 42;
    assert_int_equal(key_find(engine, str_from(other), &arena, &found, &error), ERR_NOT_FOUND);
    assert_int_equal(key_find(engine, STR("usk_"), &arena, &found, &error), ERR_NOT_FOUND);
    assert_int_equal(found.account_pk, 42);
    assert_int_equal(engine_get_int(engine, &n, &error,
                         "SELECT count(*) FROM api_key WHERE length(key_hash) = 32 AND "
                         "instr(CAST(name AS BLOB), ?1) = 0 AND key_hash <> ?1",
                         v_blob(str_from(text))),
        OK);
    assert_int_equal(n, 1);
    arena_done(&arena);
    engine_close(engine);
}

static void
an_admin_key_has_no_account_and_may_never_expire(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct api_key key = {.id = {{5}}, .name = STR("root"), .scopes = SCOPE_ADMIN, .created = now};
    struct api_key found = {.account_pk = 42};
    struct arena arena;
    char text[KEY_TEXT_BYTES];

    (void)state;
    arena_init(&arena, 4096);
    key_format(random_a, text);
    assert_int_equal(key_create(engine, &key, str_from(text), &error), OK);
    assert_int_equal(key_find(engine, str_from(text), &arena, &found, &error), OK);
    assert_int_equal(found.account_pk, 0);
    assert_true(found.expires.us == 0);
    assert_int_equal(key_create(engine, &key, str_from(text), &error), ERR_CONFLICT);
    key.account_pk = 99;
    key.id.bytes[0] = 6;
    key_format(random_b, text);
    assert_int_equal(key_create(engine, &key, str_from(text), &error), ERR_CONFLICT);
    assert_int_equal(key_create(engine, &key, STR("usk_short"), &error), ERR_INVALID);
    arena_done(&arena);
    engine_close(engine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_is_found_by_its_name),
        cmocka_unit_test(a_second_account_of_that_name_or_a_bad_name_is_refused),
        cmocka_unit_test(a_key_is_found_by_its_text_and_only_its_digest_is_kept),
        cmocka_unit_test(an_admin_key_has_no_account_and_may_never_expire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
