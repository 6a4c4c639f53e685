/* SPDX-License-Identifier: Apache-2.0 */
#include "store/webinars.h"

#include "store/audience.h"
#include "support/engine.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 1 << 22);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    engine_close(engine);
    arena_done(&arena);
    return 0;
}

static struct webinar
new_webinar(int64_t account, uint8_t number, int64_t from_us)
{
    struct webinar webinar = {.account_pk = account,
        .id = {{number}},
        .title = STR("Intro"),
        .link = STR("https://x/y"),
        .timezone = STR("Asia/Kolkata"),
        .from = {.is_wall = true, .wall = {from_us + 1}, .at = {from_us}},
        .to = {.at = {from_us + 1000}},
        .created = {5},
        .updated = {6}};

    assert_int_equal(webinar_insert(engine, &webinar, &error), OK);
    return webinar;
}

static struct mango
new_mango(uint8_t number)
{
    struct mango mango = {.account_pk = 1, .id = {{number}}, .name = STR("m")};

    assert_int_equal(mango_insert(engine, &mango, &error), OK);
    return mango;
}

static struct webinar_key
key_of(const struct webinar *webinar)
{
    return (struct webinar_key){webinar->account_pk, webinar->kind, webinar->id};
}

static void
what_was_given_comes_back(void **state)
{
    struct webinar webinar = new_webinar(1, 9, 7000);
    struct webinar got;

    (void)state;
    assert_int_equal(webinar_get(engine, key_of(&webinar), &arena, &got, &error), OK);
    assert_true(webinar_is_same(&webinar, &got));
    assert_true(got.from.is_wall && got.from.is_given);
    assert_int_equal(got.from.wall.us, 7001);
    assert_false(got.to.is_wall);
    assert_int_equal(got.group_pk, webinar.group_pk);
    assert_int_equal(got.created.us, 5);
    assert_int_equal(got.updated.us, 6);

    got.title = STR("Other");
    got.from.is_wall = false;
    got.updated.us = 8;
    assert_int_equal(webinar_update(engine, &got, &error), OK);
    assert_int_equal(webinar_get_pk(engine, webinar.pk, &arena, &webinar, &error), OK);
    assert_true(webinar_is_same(&webinar, &got));
    assert_false(webinar.from.is_wall);
    assert_int_equal(webinar.updated.us, 8);
}

static void
a_consultation_is_no_webinar_but_shares_its_ids(void **state)
{
    struct webinar webinar = new_webinar(1, 9, 7000);
    struct webinar_key key = key_of(&webinar);
    struct webinar got = {.pk = 42};

    (void)state;
    key.kind = WEBINAR_CONSULTATION;
    assert_int_equal(webinar_get(engine, key, &arena, &got, &error), ERR_NOT_FOUND);
    key.kind = WEBINAR_MANY;
    key.account_pk = 2;
    assert_int_equal(webinar_get(engine, key, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(got.pk, 42);

    got = webinar;
    got.pk = 0;
    got.kind = WEBINAR_CONSULTATION;
    assert_int_equal(webinar_insert(engine, &got, &error), ERR_CONFLICT);
    got.id.bytes[1] = 1;
    assert_int_equal(webinar_insert(engine, &got, &error), OK);
}

static void
mangoes_keep_the_order_they_were_given_in(void **state)
{
    struct webinar webinar = new_webinar(1, 9, 7000);
    struct mango mangoes[] = {new_mango(3), new_mango(1), new_mango(2)};
    struct mango_list list = {mangoes, COUNT_OF(mangoes)};

    (void)state;
    assert_int_equal(webinar_mangoes_set(engine, webinar.pk, &list, &error), OK);
    assert_int_equal(mango_list_of_webinar(engine, webinar.pk, &arena, &list, &error), OK);
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < list.count; i++)
        assert_int_equal(list.list[i].pk, mangoes[i].pk);
    list = (struct mango_list){&mangoes[2], 1};
    assert_int_equal(webinar_mangoes_set(engine, webinar.pk, &list, &error), OK);
    assert_int_equal(mango_list_of_webinar(engine, webinar.pk, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, mangoes[2].pk);
}

static void
lists_are_newest_first_and_filtered(void **state)
{
    struct webinar early = new_webinar(1, 1, 1000);
    struct webinar late = new_webinar(1, 2, 9000);
    struct webinar other = new_webinar(2, 3, 5000);
    struct webinar middle = new_webinar(1, 4, 5000);
    struct mango mango = new_mango(7);
    struct mango_list mangoes = {&mango, 1};
    struct webinar_query query = {.account_pk = 1, .before_pk = INT64_MAX, .limit = 10};
    struct webinar_list list;

    (void)state;
    (void)other;
    assert_int_equal(webinar_mangoes_set(engine, early.pk, &mangoes, &error), OK);
    assert_int_equal(webinar_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.list[0].pk, middle.pk);
    assert_int_equal(list.list[1].pk, late.pk);
    assert_int_equal(list.list[2].pk, early.pk);

    query.from.us = 1000;
    query.to.us = 9000;
    assert_int_equal(webinar_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 2);
    query.from.us = 1001;
    assert_int_equal(webinar_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, middle.pk);

    query = (struct webinar_query){.account_pk = 1,
        .before_pk = INT64_MAX,
        .limit = 10,
        .mango_id = mango.id};
    assert_int_equal(webinar_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, early.pk);
    query.kind = WEBINAR_CONSULTATION;
    assert_int_equal(webinar_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 0);
}

static void
a_mangos_webinars_are_those_that_have_not_ended(void **state)
{
    struct webinar ended = new_webinar(1, 1, 1000);
    struct webinar coming = new_webinar(1, 2, 9000);
    struct mango mango = new_mango(7);
    struct mango_list mangoes = {&mango, 1};
    struct webinar_list list;
    struct walltime now = {ended.to.at.us};

    (void)state;
    assert_int_equal(webinar_mangoes_set(engine, ended.pk, &mangoes, &error), OK);
    assert_int_equal(webinar_mangoes_set(engine, coming.pk, &mangoes, &error), OK);
    assert_int_equal(webinar_list_of_mango(engine, mango.pk, now, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, coming.pk);
    now.us--;
    assert_int_equal(webinar_list_of_mango(engine, mango.pk, now, &arena, &list, &error), OK);
    assert_int_equal(list.count, 2);
}

static void
a_deleted_webinar_takes_its_registrations_along(void **state)
{
    struct webinar webinar = new_webinar(1, 9, 7000);
    struct mango mango = new_mango(7);
    struct mango_list mangoes = {&mango, 1};
    int64_t ord;
    int64_t n = -1;
    bool added;

    (void)state;
    assert_int_equal(webinar_mangoes_set(engine, webinar.pk, &mangoes, &error), OK);
    assert_int_equal(member_add(engine, webinar.group_pk, 70, &ord, &added, &error), OK);
    assert_int_equal(member_add(engine, mango.group_pk, 70, &ord, &added, &error), OK);
    assert_int_equal(webinar_delete(engine, &webinar, &error), OK);
    assert_int_equal(webinar_get(engine, key_of(&webinar), &arena, &webinar, &error),
        ERR_NOT_FOUND);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM member"), OK);
    assert_int_equal(n, 1);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM webinar_mango"), OK);
    assert_int_equal(n, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_given_comes_back),
        TEST(a_consultation_is_no_webinar_but_shares_its_ids),
        TEST(mangoes_keep_the_order_they_were_given_in),
        TEST(lists_are_newest_first_and_filtered),
        TEST(a_mangos_webinars_are_those_that_have_not_ended),
        TEST(a_deleted_webinar_takes_its_registrations_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
