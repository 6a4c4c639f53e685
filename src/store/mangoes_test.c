/* SPDX-License-Identifier: Apache-2.0 */
#include "store/mangoes.h"

#include "store/attendees.h"
#include "store/audience.h"
#include "store/webinars.h"
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

static struct mango
new_mango(int64_t account, uint8_t number)
{
    struct mango mango = {.account_pk = account,
        .id = {{number}},
        .name = STR("Gold"),
        .created = {1000},
        .updated = {1000}};

    assert_int_equal(mango_insert(engine, &mango, &error), OK);
    return mango;
}

static struct webinar
new_webinar(int64_t account, uint8_t number, int64_t to_us)
{
    struct webinar webinar = {.account_pk = account,
        .id = {{number}},
        .title = STR("t"),
        .link = STR("https://x"),
        .timezone = STR("UTC"),
        .from = {.at = {to_us - 1}},
        .to = {.at = {to_us}}};

    assert_int_equal(webinar_insert(engine, &webinar, &error), OK);
    return webinar;
}

static void
a_mango_is_seen_by_its_account_alone(void **state)
{
    struct mango mango = new_mango(1, 7);
    struct mango got = {.pk = 42};

    (void)state;
    assert_int_equal(mango_get(engine, 1, mango.id, &arena, &got, &error), OK);
    assert_int_equal(got.pk, mango.pk);
    assert_int_equal(got.group_pk, mango.group_pk);
    assert_true(str_equals(got.name, STR("Gold")));
    assert_int_equal(got.created.us, 1000);
    got.pk = 42;
    assert_int_equal(mango_get(engine, 2, mango.id, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(got.pk, 42);
}

static void
an_id_is_taken_once_in_an_account(void **state)
{
    struct mango twin = {.account_pk = 1, .id = {{7}}, .name = STR("Twin")};

    (void)state;
    (void)new_mango(1, 7);
    (void)new_mango(2, 7);
    assert_int_equal(mango_insert(engine, &twin, &error), ERR_CONFLICT);
    assert_int_equal(twin.pk, 0);
}

static void
a_list_is_newest_first_and_goes_on_from_its_last(void **state)
{
    struct mango a = new_mango(1, 1);
    struct mango other = new_mango(2, 2);
    struct mango b = new_mango(1, 3);
    struct mango c = new_mango(1, 4);
    struct mango_query query = {.account_pk = 1, .before_pk = INT64_MAX, .limit = 2};
    struct mango_list list;

    (void)state;
    (void)other;
    assert_int_equal(mango_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.list[0].pk, c.pk);
    assert_int_equal(list.list[1].pk, b.pk);
    query.before_pk = b.pk;
    assert_int_equal(mango_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, a.pk);
}

static void
a_mango_is_renamed(void **state)
{
    struct mango mango = new_mango(1, 7);
    struct mango got;

    (void)state;
    mango.name = STR("Silver");
    mango.updated.us = 2000;
    assert_int_equal(mango_update(engine, &mango, &error), OK);
    assert_int_equal(mango_get(engine, 1, mango.id, &arena, &got, &error), OK);
    assert_true(str_equals(got.name, STR("Silver")));
    assert_int_equal(got.updated.us, 2000);
    assert_int_equal(got.created.us, 1000);
}

static void
a_deleted_mango_leaves_webinars_and_members(void **state)
{
    struct mango mango = new_mango(1, 7);
    struct webinar webinar = new_webinar(1, 8, 5000000);
    struct mango_list list = {&mango, 1};
    int64_t n = -1;
    int64_t ord;
    bool added;

    (void)state;
    assert_int_equal(webinar_mangoes_set(engine, webinar.pk, &list, &error), OK);
    assert_int_equal(member_add(engine, mango.group_pk, 70, &ord, &added, &error), OK);
    assert_int_equal(mango_delete(engine, &mango, &error), OK);
    assert_int_equal(mango_get(engine, 1, mango.id, &arena, &mango, &error), ERR_NOT_FOUND);
    assert_int_equal(mango_list_of_webinar(engine, webinar.pk, &arena, &list, &error), OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM member"), OK);
    assert_int_equal(n, 0);
}

static void
an_attendee_has_the_mangoes_that_show_them(void **state)
{
    struct mango a = new_mango(1, 1);
    struct mango b = new_mango(1, 2);
    struct mango c = new_mango(1, 3);
    struct mango_list list;
    int64_t ord;
    bool added;

    (void)state;
    assert_int_equal(member_add(engine, b.group_pk, 70, &ord, &added, &error), OK);
    assert_int_equal(member_add(engine, a.group_pk, 70, &ord, &added, &error), OK);
    assert_int_equal(group_reserve(engine, c.group_pk, 1, &ord, &error), OK);
    assert_int_equal(member_place(engine, c.group_pk, ord, 70, &added, &error), OK);
    assert_int_equal(mango_list_of_attendee(engine, 70, &arena, &list, &error), OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.list[0].pk, a.pk);
    assert_int_equal(list.list[1].pk, b.pk);
    assert_int_equal(member_leave(engine, a.group_pk, 70, 9, &error), OK);
    assert_int_equal(mango_list_of_attendee(engine, 70, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_mango_is_seen_by_its_account_alone),
        TEST(an_id_is_taken_once_in_an_account),
        TEST(a_list_is_newest_first_and_goes_on_from_its_last),
        TEST(a_mango_is_renamed),
        TEST(a_deleted_mango_leaves_webinars_and_members),
        TEST(an_attendee_has_the_mangoes_that_show_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
