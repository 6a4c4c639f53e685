/* SPDX-License-Identifier: Apache-2.0 */
#include "store/handlers.h"
#include "support/engine.h"
#include "support/inbox.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;
static int64_t tagmango;
static int64_t stripe;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 1 << 24);
    tagmango = test_source(engine, "tagmango");
    stripe = test_source(engine, "stripe");
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

/* All pages together: their numbers, newest first, and how many pages there were. */
struct listed {
    int64_t pks[64];
    size_t count;
    size_t pages;
};

static struct listed
list(struct inbox_query query)
{
    struct listed listed = {.count = 0};

    do {
        struct inbox_page page;

        if (inbox_list(engine, &query, &arena, &page, &error) != OK)
            fail_msg("%s", error.text);
        assert_true(page.count <= query.limit);
        query.before_pk = page.next_pk;
        for (size_t i = 0; i < page.count; i++) {
            assert_true(listed.count < COUNT_OF(listed.pks));
            assert_null(page.items[i].body.ptr);
            assert_null(page.items[i].headers.ptr);
            listed.pks[listed.count++] = page.items[i].inbox_pk;
        }
        listed.pages++;
    } while (query.before_pk != 0);
    return listed;
}

static void
must_be(struct listed listed, const int64_t *pks, size_t count)
{
    assert_int_equal(listed.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(listed.pks[i], pks[i]);
}

#define MUST_LIST(query, ...)                                                                      \
    must_be(list(query), (const int64_t[]){__VA_ARGS__}, COUNT_OF(((const int64_t[]){__VA_ARGS__})))

static void
the_newest_come_first_page_by_page(void **state)
{
    struct listed listed;
    struct inbox_query query = {.limit = 2};
    struct inbox_page page;

    (void)state;
    assert_int_equal(list(query).count, 0);
    for (int i = 0; i < 5; i++)
        (void)test_item(engine, tagmango, "w1", "e:a@x.com", i % 2 == 0 ? "ten" : "eleven");
    listed = list(query);
    assert_int_equal(listed.count, 5);
    assert_int_equal(listed.pages, 3);
    for (size_t i = 0; i < listed.count; i++)
        assert_int_equal(listed.pks[i], 1004 - (int64_t)i);

    /* What comes meanwhile moves nothing. */
    assert_int_equal(inbox_list(engine, &query, &arena, &page, &error), OK);
    assert_true(page.items[0].is_latest);
    assert_false(page.items[1].is_latest);
    (void)test_item(engine, tagmango, "w2", "e:a@x.com", "new");
    query.before_pk = page.next_pk;
    MUST_LIST(query, 1002, 1001, 1000);
}

static void
a_query_tells_source_person_flags_and_time(void **state)
{
    struct inbox_arrival late = test_arrival(tagmango, "w1", "e:late@x.com", "1");
    struct inbox_arrival odd = test_arrival(stripe, "w1", "e:odd@x.com", "1");
    int64_t john = test_item(engine, tagmango, "w1", "e:john@x.com", "1");
    int64_t other = test_item(engine, stripe, "w1", "e:john@x.com", "1");

    (void)state;
    odd.flags = ITEM_UNRECOGNISED | ITEM_RELEASED;
    (void)test_take(engine, &odd);
    late.received.us = 9000;
    (void)test_take(engine, &late);
    assert_int_equal(late.inbox_pk, 9000);

    MUST_LIST(((struct inbox_query){.limit = 9, .source = STR("stripe")}), odd.inbox_pk, other);
    MUST_LIST(((struct inbox_query){.limit = 9, .email = STR(" John@X.com")}), other, john);
    MUST_LIST(
        ((struct inbox_query){.limit = 9, .email = STR("john@x.com"), .source = STR("tagmango")}),
        john);
    MUST_LIST(((struct inbox_query){.limit = 9, .flags = ITEM_RELEASED}), odd.inbox_pk);
    MUST_LIST(((struct inbox_query){.limit = 9, .flags = ITEM_RELEASED | ITEM_UNRECOGNISED}),
        odd.inbox_pk);
    MUST_LIST(((struct inbox_query){.limit = 9, .after = {9000}}), late.inbox_pk);
    /* The second has the number 1001, and came at 1000. */
    MUST_LIST(((struct inbox_query){.limit = 9, .after = {1001}}), late.inbox_pk);
    MUST_LIST(((struct inbox_query){.limit = 9, .before = {9000}}), odd.inbox_pk, other, john);
    assert_int_equal(list((struct inbox_query){.limit = 9, .after = {9001}}).count, 0);
    assert_int_equal(list((struct inbox_query){.limit = 9, .source = STR("nobody")}).count, 0);
    assert_int_equal(
        list((struct inbox_query){.limit = 9, .flags = ITEM_RELEASED | ITEM_STALE}).count, 0);
}

static void
flush(int64_t handler, int64_t next_pk, const struct handling_change *changes, size_t count)
{
    struct handler_flush write = {
        .handler_pk = handler,
        .next_pk = next_pk,
        .changes = changes,
        .change_count = count,
    };

    if (handlers_flush(engine, &write, 1, &error) != OK)
        fail_msg("%s", error.text);
}

static void
a_status_is_that_of_all_handlers_together(void **state)
{
    struct inbox_arrival stale = test_arrival(tagmango, "w5", "e:a@x.com", "old");
    struct handling_change changes[] = {
        {.what = HANDLING_DEAD, .attempts = 3, .at = {9}},
        {.what = HANDLING_WAITS, .attempts = 1, .at = {9}},
    };
    struct inbox_query waiting = {.limit = 1, .status = INBOX_WAITING};
    struct inbox_query dead = {.limit = 1, .status = INBOX_DEAD};
    struct inbox_query settled = {.limit = 1, .status = INBOX_SETTLED};
    int64_t handlers[2];
    int64_t pks[5];

    (void)state;
    assert_int_equal(handler_register(engine, STR("a"), true, &handlers[0], &error), OK);
    assert_int_equal(handler_register(engine, STR("b"), true, &handlers[1], &error), OK);
    for (size_t i = 0; i < COUNT_OF(pks); i++) {
        static const char *const objects[] = {"w1", "w2", "w3", "w4", "w5"};
        struct inbox_arrival arrival = test_arrival(tagmango, objects[i], "e:a@x.com", "new");

        arrival.sender_sequence = 9;
        (void)test_take(engine, &arrival);
        pks[i] = arrival.inbox_pk;
    }
    stale.sender_sequence = 8;
    assert_int_equal(test_take(engine, &stale), ARRIVAL_STALE);

    /* Nothing was handled; what is stale is settled by itself. */
    MUST_LIST(waiting, pks[4], pks[3], pks[2], pks[1], pks[0]);
    MUST_LIST(settled, stale.inbox_pk);
    assert_int_equal(list(dead).count, 0);

    /* The first has done with the first four but for the second and the third; the other with all
     * but for the third. */
    changes[0].inbox_pk = pks[1];
    changes[1].inbox_pk = pks[2];
    flush(handlers[0], pks[4], changes, 2);
    MUST_LIST(dead, pks[1]);
    changes[0].inbox_pk = pks[2];
    flush(handlers[1], stale.inbox_pk + 1, changes, 1);
    MUST_LIST(waiting, pks[4], pks[2]);
    MUST_LIST(dead, pks[2], pks[1]);
    MUST_LIST(settled, stale.inbox_pk, pks[3], pks[0]);
    waiting.source = STR("stripe");
    assert_int_equal(list(waiting).count, 0);

    /* What has left the configuration owes nothing. */
    assert_int_equal(handlers_retire(engine, &error), OK);
    waiting.source = (struct str){NULL, 0};
    assert_int_equal(list(waiting).count, 0);
    MUST_LIST(settled, stale.inbox_pk, pks[4], pks[3], pks[0]);
    assert_int_equal(handler_register(engine, STR("b"), true, &handlers[1], &error), OK);
    assert_int_equal(list(waiting).count, 0);
}

/* 12,000 rows, the one that is asked for is the oldest. */
static void
a_page_that_had_to_look_at_much_is_short_and_goes_on(void **state)
{
    struct inbox_query query = {.limit = 10, .email = STR("rare@x.com")};
    struct listed listed;
    int64_t rare = test_item(engine, tagmango, "w1", "e:rare@x.com", "1");

    (void)state;
    assert_int_equal(engine_exec(engine,
                         "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                         " WHERE i < 12000) INSERT INTO inbox (inbox_pk, source_pk, event, object,"
                         " person, flags, revision, received_us, headers, body)"
                         " SELECT 1000 + i, 1, 'e', 'o', 'e:other@x.com', 0, 0, 1000, '', x'7b7d'"
                         " FROM n",
                         &error),
        OK);
    listed = list(query);
    assert_int_equal(listed.count, 1);
    assert_int_equal(listed.pks[0], rare);
    assert_int_equal(listed.pages, 2);
}

static void
a_query_that_cannot_be_is_refused(void **state)
{
    char address[400];
    struct inbox_query query = {.limit = 1, .email = {address, sizeof(address)}};
    struct inbox_page page = {.next_pk = 42};

    (void)state;
    memset(address, 'a', sizeof(address));
    assert_int_equal(inbox_list(engine, &query, &arena, &page, &error), ERR_INVALID);
    assert_int_equal(page.next_pk, 42);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_come_first_page_by_page),
        TEST(a_query_tells_source_person_flags_and_time),
        TEST(a_status_is_that_of_all_handlers_together),
        TEST(a_page_that_had_to_look_at_much_is_short_and_goes_on),
        TEST(a_query_that_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
