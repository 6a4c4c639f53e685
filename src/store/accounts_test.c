/* SPDX-License-Identifier: Apache-2.0 */
#include "store/accounts.h"

#include <string.h>

#include "support/engine.h"
#include "support/test.h"

static const struct walltime now = {INT64_C(1710496800000000)};

/* A store and what every call needs. */
struct world {
    struct engine *engine;
    struct arena arena;
    struct error error;
};

static struct world
world_open(void)
{
    struct world world = {.engine = test_engine_open()};

    arena_init(&world.arena, 1 << 20);
    return world;
}

static void
world_close(struct world *world)
{
    arena_done(&world->arena);
    engine_close(world->engine);
}

static enum err
create(struct world *world, uint8_t number, const char *name, int64_t *ret_pk)
{
    const struct account account = {.id = {{number}},
        .name = str_from(name),
        .rate_limit = number,
        .created = now,
        .updated = now};

    return account_create(world->engine, &account, ret_pk, &world->error);
}

static int64_t
make(struct world *world, uint8_t number, const char *name)
{
    int64_t pk = 0;

    if (create(world, number, name, &pk) != OK)
        fail_msg("%s", world->error.text);
    return pk;
}

static enum err
find(struct world *world, const char *name, struct account *ret)
{
    return account_find(world->engine, str_from(name), &world->arena, ret, &world->error);
}

static void
key_text(uint8_t number, char text[KEY_TEXT_BYTES])
{
    uint8_t random[32] = {number};

    key_format(random, text);
}

static void
make_key(struct world *world, uint8_t number, int64_t account_pk)
{
    struct api_key key = {.id = {{number}},
        .account_pk = account_pk,
        .name = STR("a key"),
        .scopes = account_pk != 0 ? SCOPES_OF_ACCOUNT : SCOPE_ADMIN,
        .created = now};
    char text[KEY_TEXT_BYTES];

    key_text(number, text);
    if (key_create(world->engine, &key, str_from(text), &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
an_account_is_found_by_its_name_and_its_id(void **state)
{
    struct world world = world_open();
    struct account account = {0};
    struct id id = {{1}};
    int64_t pk;
    int64_t n = -1;

    (void)state;
    assert_int_equal(account_count(world.engine, &n, &world.error), OK);
    assert_int_equal(n, 0);
    pk = make(&world, 1, "default");
    assert_int_equal(find(&world, "default", &account), OK);
    assert_int_equal(account.pk, pk);
    assert_true(id_equals(account.id, id));
    assert_true(str_equals(account.name, STR("default")));
    assert_true(account.rate_limit == 1);
    assert_true(account.created.us == now.us && account.updated.us == now.us);
    assert_int_equal(account_count(world.engine, &n, &world.error), OK);
    assert_int_equal(n, 1);
    account = (struct account){0};
    assert_int_equal(account_get(world.engine, id, &world.arena, &account, &world.error), OK);
    assert_int_equal(account.pk, pk);

    account.pk = 42;
    id.bytes[0] = 2;
    assert_int_equal(find(&world, "Default", &account), ERR_NOT_FOUND);
    assert_non_null(strstr(world.error.text, "\"Default\""));
    assert_int_equal(account_get(world.engine, id, &world.arena, &account, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(account.pk, 42);
    world_close(&world);
}

static void
a_second_account_of_that_name_or_id_or_a_bad_name_is_refused(void **state)
{
    struct world world = world_open();
    int64_t pk = 42;

    (void)state;
    make(&world, 1, "default");
    assert_int_equal(create(&world, 2, "default", &pk), ERR_CONFLICT);
    assert_non_null(strstr(world.error.text, "\"default\""));
    assert_int_equal(create(&world, 1, "other", &pk), ERR_CONFLICT);
    assert_non_null(strstr(world.error.text, "id"));
    assert_int_equal(create(&world, 2, "", &pk), ERR_INVALID);
    assert_int_equal(create(&world, 2, "a\nb", &pk), ERR_INVALID);
    assert_int_equal(pk, 42);
    world_close(&world);
}

static void
an_account_is_changed_unless_another_has_the_name(void **state)
{
    struct world world = world_open();
    struct account account;

    (void)state;
    make(&world, 1, "one");
    make(&world, 2, "two");
    assert_int_equal(find(&world, "one", &account), OK);
    account.rate_limit = 0;
    account.name = STR("uno");
    account.updated.us++;
    assert_int_equal(account_update(world.engine, &account, &world.error), OK);
    assert_int_equal(find(&world, "uno", &account), OK);
    assert_true(account.rate_limit == 0);
    assert_true(account.updated.us == now.us + 1);
    account.name = STR("two");
    assert_int_equal(account_update(world.engine, &account, &world.error), ERR_CONFLICT);
    assert_non_null(strstr(world.error.text, "\"two\""));
    account.name = STR(" two");
    assert_int_equal(account_update(world.engine, &account, &world.error), ERR_INVALID);
    assert_int_equal(find(&world, "uno", &account), OK);
    world_close(&world);
}

static void
accounts_are_listed_the_newest_first(void **state)
{
    struct world world = world_open();
    struct account_list list;

    (void)state;
    for (uint8_t i = 1; i <= 5; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        assert_int_equal(make(&world, i, name), i);
    }
    assert_int_equal(account_delete(world.engine, 4, now, &world.error), OK);
    assert_int_equal(account_list(world.engine, INT64_MAX, 2, &world.arena, &list, &world.error),
        OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.list[0].pk, 5);
    assert_int_equal(list.list[1].pk, 3);
    assert_int_equal(account_list(world.engine, 3, 5, &world.arena, &list, &world.error), OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.list[0].pk, 2);
    world_close(&world);
}

static void
a_deleted_account_is_not_found_and_its_name_is_free(void **state)
{
    struct world world = world_open();
    struct account account;
    struct api_key key;
    struct id id = {{1}};
    char text[KEY_TEXT_BYTES];
    int64_t pk = make(&world, 1, "default");

    (void)state;
    make_key(&world, 7, pk);
    key_text(7, text);
    assert_int_equal(account_delete(world.engine, pk, now, &world.error), OK);
    assert_int_equal(account_delete(world.engine, pk, now, &world.error), ERR_NOT_FOUND);
    assert_int_equal(find(&world, "default", &account), ERR_NOT_FOUND);
    assert_int_equal(account_get(world.engine, id, &world.arena, &account, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(key_find(world.engine, str_from(text), &world.arena, &key, &world.error),
        ERR_NOT_FOUND);
    assert_true(make(&world, 2, "default") > pk);
    world_close(&world);
}

static void
the_hooks_of_an_account_are_those_that_are_not_deleted(void **state)
{
    struct world world = world_open();
    struct account_hooks hooks;

    (void)state;
    assert_int_equal(engine_exec(world.engine,
                         "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n"
                         " WHERE n < 6) INSERT INTO hook (account_pk, id, url, event, description,"
                         " phone_format, signature, secret_sealed, max_in_flight, status,"
                         " created_us, updated_us) SELECT n % 2, CAST(n AS BLOB), '', '', '', '',"
                         " '', x'', 1, CASE n WHEN 3 THEN 'deleted' WHEN 5 THEN 'disabled'"
                         " ELSE 'enabled' END, 0, 0 FROM n",
                         &world.error),
        OK);
    assert_int_equal(account_hooks(world.engine, 1, 10, &world.arena, &hooks, &world.error), OK);
    assert_int_equal(hooks.count, 2);
    assert_int_equal(hooks.pks[0] + hooks.pks[1], 1 + 5);
    assert_int_equal(account_hooks(world.engine, 1, 1, &world.arena, &hooks, &world.error), OK);
    assert_int_equal(hooks.count, 1);
    world_close(&world);
}

static void
a_key_is_found_by_its_text_and_only_its_digest_is_kept(void **state)
{
    struct world world = world_open();
    char text[KEY_TEXT_BYTES];
    char other[KEY_TEXT_BYTES];
    uint8_t hash[SHA256_BYTES];
    int64_t n = -1;
    struct api_key key = {
        .id = {{5}},
        .account_pk = make(&world, 1, "default"),
        .name = STR("first"),
        .scopes = SCOPE_READ | SCOPE_WRITE,
        .created = now,
        .expires = {now.us + 10},
    };
    struct api_key found = {0};

    (void)state;
    key_text(1, text);
    key_text(2, other);
    assert_int_equal(key_create(world.engine, &key, str_from(text), &world.error), OK);
    assert_int_equal(key_find(world.engine, str_from(text), &world.arena, &found, &world.error),
        OK);
    assert_true(id_equals(found.id, key.id));
    assert_int_equal(found.account_pk, key.account_pk);
    assert_true(str_equals(found.name, STR("first")));
    assert_true(str_equals(found.hint, str_from(text + KEY_TEXT_BYTES - 5)));
    assert_int_equal(found.scopes, SCOPE_READ | SCOPE_WRITE);
    assert_true(found.created.us == now.us);
    assert_true(found.expires.us == now.us + 10);
    assert_int_equal(key_hash(str_from(text), hash), OK);
    found.pk = 0;
    assert_int_equal(key_find_hash(world.engine, hash, &world.arena, &found, &world.error), OK);
    assert_int_not_equal(found.pk, 0);

    found.account_pk = 42;
    assert_int_equal(key_find(world.engine, str_from(other), &world.arena, &found, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(key_find(world.engine, STR("usk_"), &world.arena, &found, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(found.account_pk, 42);
    assert_int_equal(engine_get_int(world.engine, &n, &world.error,
                         "SELECT count(*) FROM api_key WHERE length(key_hash) = 32 AND "
                         "instr(CAST(name AS BLOB), ?1) = 0 AND key_hash <> ?1",
                         v_blob(str_from(text))),
        OK);
    assert_int_equal(n, 1);
    world_close(&world);
}

static void
an_admin_key_has_no_account_and_may_never_expire(void **state)
{
    struct world world = world_open();
    struct api_key key = {.id = {{5}}, .name = STR("root"), .scopes = SCOPE_ADMIN, .created = now};
    struct api_key found = {.account_pk = 42};
    char text[KEY_TEXT_BYTES];

    (void)state;
    key_text(1, text);
    assert_int_equal(key_create(world.engine, &key, str_from(text), &world.error), OK);
    assert_int_equal(key_find(world.engine, str_from(text), &world.arena, &found, &world.error),
        OK);
    assert_int_equal(found.account_pk, 0);
    assert_true(found.expires.us == 0);
    assert_int_equal(key_create(world.engine, &key, str_from(text), &world.error), ERR_CONFLICT);
    key.account_pk = 99;
    key.id.bytes[0] = 6;
    key_text(2, text);
    assert_int_equal(key_create(world.engine, &key, str_from(text), &world.error), ERR_CONFLICT);
    assert_int_equal(key_create(world.engine, &key, STR("usk_short"), &world.error), ERR_INVALID);
    world_close(&world);
}

static size_t
count_keys(struct world *world, struct key_query query)
{
    struct key_list list;

    query.before_pk = query.before_pk != 0 ? query.before_pk : INT64_MAX;
    query.limit = 10;
    if (key_list(world->engine, &query, &world->arena, &list, &world->error) != OK)
        fail_msg("%s", world->error.text);
    for (size_t i = 1; i < list.count; i++)
        assert_true(list.list[i].pk < list.list[i - 1].pk);
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.list[i].account_name.ptr != NULL, list.list[i].account_pk != 0);
    return list.count;
}

static void
keys_are_listed_and_deleted_one_by_one(void **state)
{
    struct world world = world_open();
    int64_t one = make(&world, 1, "one");
    int64_t two = make(&world, 2, "two");
    struct key_query of_one = {.is_of_account = true, .account_pk = one};
    struct api_key key;
    struct id id = {{3}};

    (void)state;
    for (uint8_t i = 1; i <= 6; i++)
        make_key(&world, i, i <= 3 ? one : i <= 5 ? two : 0);
    assert_int_equal(count_keys(&world, (struct key_query){0}), 6);
    assert_int_equal(count_keys(&world, of_one), 3);
    assert_int_equal(count_keys(&world, (struct key_query){.is_of_account = true}), 1);

    assert_int_equal(key_get(world.engine, id, &world.arena, &key, &world.error), OK);
    assert_int_equal(key.account_pk, one);
    assert_int_equal(key_delete(world.engine, key.pk, &world.error), OK);
    assert_int_equal(key_delete(world.engine, key.pk, &world.error), ERR_NOT_FOUND);
    assert_int_equal(key_get(world.engine, id, &world.arena, &key, &world.error), ERR_NOT_FOUND);
    assert_int_equal(count_keys(&world, of_one), 2);
    of_one.before_pk = key.pk - 1;
    assert_int_equal(count_keys(&world, of_one), 1);

    assert_int_equal(keys_delete(world.engine, two, &world.error), OK);
    assert_int_equal(count_keys(&world, (struct key_query){0}), 3);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_is_found_by_its_name_and_its_id),
        cmocka_unit_test(a_second_account_of_that_name_or_id_or_a_bad_name_is_refused),
        cmocka_unit_test(an_account_is_changed_unless_another_has_the_name),
        cmocka_unit_test(accounts_are_listed_the_newest_first),
        cmocka_unit_test(a_deleted_account_is_not_found_and_its_name_is_free),
        cmocka_unit_test(the_hooks_of_an_account_are_those_that_are_not_deleted),
        cmocka_unit_test(a_key_is_found_by_its_text_and_only_its_digest_is_kept),
        cmocka_unit_test(an_admin_key_has_no_account_and_may_never_expire),
        cmocka_unit_test(keys_are_listed_and_deleted_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
