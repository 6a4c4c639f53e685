/* SPDX-License-Identifier: Apache-2.0 */
#include "store/secrets.h"

#include <sys/stat.h>

#include "support/engine.h"
#include "support/scratch.h"
#include "support/test.h"

static const char hex_a[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char hex_b[] = "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static const struct secret_place place = {"hook", "secret", {{1, 2, 3}}};

static void
a_secret_opens_where_it_was_sealed(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct arena arena;
    struct str sealed = {0};
    struct str again = {0};
    struct str plain = {0};

    (void)state;
    arena_init(&arena, 4096);
    assert_int_equal(secret_seal(engine, &place, STR("whsec_x"), &arena, &sealed, &error), OK);
    assert_int_equal(sealed.len, 7 + SEAL_OVERHEAD_BYTES);
    assert_null(memmem(sealed.ptr, sealed.len, "whsec", 5));
    assert_int_equal(secret_open(engine, &place, sealed, &arena, &plain, &error), OK);
    assert_true(str_equals(plain, STR("whsec_x")));
    assert_int_equal(secret_seal(engine, &place, STR("whsec_x"), &arena, &again, &error), OK);
    assert_false(str_equals(sealed, again));

    assert_int_equal(secret_seal(engine, &place, STR(""), &arena, &sealed, &error), OK);
    assert_int_equal(secret_open(engine, &place, sealed, &arena, &plain, &error), OK);
    assert_non_null(plain.ptr);
    assert_int_equal(plain.len, 0);
    arena_done(&arena);
    engine_close(engine);
}

static void
an_absent_secret_stays_absent(void **state)
{
    struct engine *engine = test_engine_open();
    struct str absent = {NULL, 0};
    struct str ret = STR("before");
    struct arena arena;

    (void)state;
    arena_init(&arena, 4096);
    assert_int_equal(secret_seal(engine, &place, absent, &arena, &ret, NULL), OK);
    assert_null(ret.ptr);
    ret = STR("before");
    assert_int_equal(secret_open(engine, &place, absent, &arena, &ret, NULL), OK);
    assert_null(ret.ptr);
    arena_done(&arena);
    engine_close(engine);
}

static void
a_secret_does_not_open_elsewhere(void **state)
{
    static const struct secret_place places[] = {
        {"hook", "secret", {{1, 2, 4}}},
        {"hook", "old_secret", {{1, 2, 3}}},
        {"hook", "shadow", {{1, 2, 3}}},
        {"book", "secret", {{1, 2, 3}}},
        {"hooks", "secret", {{1, 2, 3}}},
    };
    static const uint8_t other_key[SEAL_KEY_BYTES] = {9};
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct str sealed = {0};
    struct str plain = STR("before");
    struct arena arena;

    (void)state;
    arena_init(&arena, 4096);
    assert_int_equal(secret_seal(engine, &place, STR("whsec_x"), &arena, &sealed, &error), OK);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        assert_int_equal(secret_open(engine, &places[i], sealed, &arena, &plain, &error),
            ERR_DENIED);
        assert_true(str_equals(plain, STR("before")));
    }
    assert_int_equal(secret_open(engine, &place, str_slice(sealed, 0, 20), &arena, &plain, &error),
        ERR_DENIED);
    engine_set_seal_key(engine, other_key);
    assert_int_equal(secret_open(engine, &place, sealed, &arena, &plain, &error), ERR_DENIED);
    assert_true(str_equals(plain, STR("before")));
    arena_done(&arena);
    engine_close(engine);
}

static void
the_first_start_makes_a_private_key_and_the_next_reads_it(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};
    struct scratch scratch;
    struct stat status;
    uint8_t key[SEAL_KEY_BYTES];

    (void)state;
    scratch_init(&scratch);
    const char *path = scratch_path(&scratch, "usher.db.key");
    assert_int_equal(secrets_open(engine, path, NULL, &error), OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    memcpy(key, engine_seal_key(engine), sizeof(key));
    engine_set_seal_key(engine, NULL);
    assert_int_equal(secrets_open(engine, path, NULL, &error), OK);
    assert_memory_equal(key, engine_seal_key(engine), sizeof(key));

    /* Readable by others: as good as lost. */
    engine_set_seal_key(engine, NULL);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(secrets_open(engine, path, NULL, &error), ERR_DENIED);
    assert_null(engine_seal_key(engine));

    /* Gone: not simply made anew, for nothing sealed would open. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(secrets_open(engine, path, NULL, &error), ERR_DENIED);
    assert_non_null(strstr(error.text, "USHER_SECRET_KEY"));
    assert_null(engine_seal_key(engine));
    assert_int_equal(scratch_count(&scratch, "usher"), 0);
    scratch_done(&scratch);
    engine_close(engine);
}

static void
another_key_is_refused(void **state)
{
    struct engine *engine = test_engine_open();
    struct error error = {0};

    (void)state;
    assert_int_equal(secrets_open(engine, "/nowhere/key", hex_a, &error), OK);
    assert_int_equal(secrets_open(engine, "/nowhere/key", hex_a, &error), OK);
    assert_int_equal(secrets_open(engine, "/nowhere/key", hex_b, &error), ERR_DENIED);
    assert_non_null(strstr(error.text, "USHER_SECRET_KEY"));
    assert_null(engine_seal_key(engine));
    engine_close(engine);
}

static void
what_is_not_a_key_is_refused(void **state)
{
    static const char *const texts[] = {"", "0123", "xyz",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00"};
    struct engine *engine = test_engine_open();
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(secrets_open(engine, "/nowhere/key", texts[i], &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "64 hex digits"));
    assert_null(strstr(error.text, "0123"));
    engine_close(engine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_opens_where_it_was_sealed),
        cmocka_unit_test(an_absent_secret_stays_absent),
        cmocka_unit_test(a_secret_does_not_open_elsewhere),
        cmocka_unit_test(the_first_start_makes_a_private_key_and_the_next_reads_it),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(what_is_not_a_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
