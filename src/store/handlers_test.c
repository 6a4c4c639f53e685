/* SPDX-License-Identifier: Apache-2.0 */
#include "store/handlers.h"

#include <stdio.h>

#include "support/engine.h"
#include "support/inbox.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;
static int64_t tagmango;
static int64_t stripe;
static int64_t handler;

static int64_t
registered(const char *name, bool starts_with_all)
{
    int64_t pk = 0;

    if (handler_register(engine, str_from(name), starts_with_all, &pk, &error) != OK)
        fail_msg("%s", error.text);
    return pk;
}

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 64 << 20);
    tagmango = test_source(engine, "tagmango");
    stripe = test_source(engine, "stripe");
    handler = registered("crm", true);
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

/* Items 1000, 1001, … of as many things. */
static void
items(int count)
{
    for (int i = 0; i < count; i++) {
        char object[16];

        (void)snprintf(object, sizeof(object), "w%d", i);
        (void)test_item(engine, tagmango, object, "e:a@x.com", "{}");
    }
}

static struct handler_batch
read_all(struct handler_reading reading)
{
    struct handler_batch batch;

    reading.handler_pk = handler;
    if (reading.limit == 0)
        reading.limit = 100;
    if (handler_read(engine, &reading, &arena, &batch, &error) != OK)
        fail_msg("%s", error.text);
    return batch;
}

static void
must_give(const struct handler_batch *batch, const int64_t *pks, size_t count)
{
    assert_int_equal(batch->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(batch->rows[i].item.inbox_pk, pks[i]);
}

#define MUST_GIVE(batch, ...)                                                                      \
    must_give((batch), (const int64_t[]){__VA_ARGS__}, COUNT_OF(((const int64_t[]){__VA_ARGS__})))

static void
flush(struct handler_flush write)
{
    write.handler_pk = handler;
    if (handlers_flush(engine, &write, 1, &error) != OK)
        fail_msg("%s", error.text);
}

static void
change(enum handling_move what, int64_t inbox_pk, uint32_t attempts, int64_t at_us)
{
    struct handling_change one = {
        .what = what,
        .inbox_pk = inbox_pk,
        .has_row = true,
        .attempts = attempts,
        .at = {at_us},
    };

    flush((struct handler_flush){.changes = &one, .change_count = 1});
}

static struct handler_state
state_of(const char *name)
{
    struct handler_state *states = NULL;
    size_t count = 0;

    assert_int_equal(handlers_list(engine, &arena, &states, &count, &error), OK);
    for (size_t i = 0; i < count; i++) {
        if (str_equals(states[i].name, str_from(name)))
            return states[i];
    }
    fail_msg("no handler %s", name);
    return states[0];
}

/* --- which handlers there are --- */

static void
a_new_handler_begins_with_what_comes_or_with_all(void **state)
{
    (void)state;
    items(3);
    (void)registered("new", false);
    (void)registered("all", true);
    assert_int_equal(state_of("new").next_pk, 1003);
    assert_int_equal(state_of("new").behind, 0);
    assert_int_equal(state_of("all").next_pk, 0);
    assert_int_equal(state_of("all").behind, 3);
    items(1);
    assert_int_equal(registered("crm", false), handler);
    assert_int_equal(state_of("crm").next_pk, 0);
}

static void
a_handler_that_left_goes_on_where_it_stood(void **state)
{
    (void)state;
    items(2);
    flush((struct handler_flush){.next_pk = 1001, .handled = 1});
    assert_int_equal(handlers_retire(engine, &error), OK);
    assert_false(state_of("crm").is_configured);
    assert_int_equal(registered("crm", false), handler);
    assert_true(state_of("crm").is_configured);
    assert_int_equal(state_of("crm").next_pk, 1001);
    assert_int_equal(state_of("crm").handled, 1);
}

/* --- reading --- */

static void
items_come_in_order_and_whole(void **state)
{
    struct handler_batch batch;

    (void)state;
    items(3);
    batch = read_all((struct handler_reading){.after_pk = 1000});
    MUST_GIVE(&batch, 1001, 1002);
    assert_int_equal(batch.read_pk, 1002);
    assert_false(batch.has_more);
    assert_int_equal(batch.next_due.us, 0);
    assert_true(str_equals(batch.rows[0].item.body, STR("{}")));
    assert_true(str_equals(batch.rows[0].item.headers, STR("content-type: application/json")));
    assert_true(str_equals(batch.rows[0].item.source, STR("tagmango")));
    assert_int_equal(batch.rows[0].attempts, 0);
    assert_false(batch.rows[0].is_waiting);

    batch = read_all((struct handler_reading){.after_pk = 1002});
    assert_int_equal(batch.count, 0);
    assert_int_equal(batch.read_pk, 1002);
}

static void
a_reading_gives_no_more_than_its_limit(void **state)
{
    struct handler_batch batch;

    (void)state;
    items(3);
    batch = read_all((struct handler_reading){.limit = 2});
    MUST_GIVE(&batch, 1000, 1001);
    assert_int_equal(batch.read_pk, 1001);
    assert_true(batch.has_more);
    batch = read_all((struct handler_reading){.limit = 3});
    assert_false(batch.has_more);
}

static void
a_reading_ends_after_a_mebibyte_of_bodies(void **state)
{
    static char body[400 * 1024];
    struct handler_batch batch;

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct inbox_arrival arrival = test_arrival(tagmango, "w1", "e:a@x.com", "");

        arrival.body = (struct str){body, sizeof(body)};
        arrival.version[0] = (uint8_t)i;
        (void)test_take(engine, &arrival);
    }
    batch = read_all((struct handler_reading){.limit = 100});
    MUST_GIVE(&batch, 1000, 1001, 1002);
    assert_int_equal(batch.read_pk, 1002);
    assert_true(batch.has_more);
}

static void
stale_ones_and_those_of_other_sources_are_not_given(void **state)
{
    struct inbox_arrival newer = test_arrival(tagmango, "w1", "e:a@x.com", "new");
    struct inbox_arrival stale = test_arrival(tagmango, "w1", "e:a@x.com", "old");
    struct handler_batch batch;

    (void)state;
    newer.sender_sequence = 2;
    stale.sender_sequence = 1;
    (void)test_take(engine, &newer);
    assert_int_equal(test_take(engine, &stale), ARRIVAL_STALE);
    (void)test_item(engine, stripe, "w1", "e:a@x.com", "{}");
    batch = read_all((struct handler_reading){.after_pk = 0});
    MUST_GIVE(&batch, 1000, 1002);
    batch = read_all(
        (struct handler_reading){.sources = {STR("nobody"), STR("tagmango")}, .source_count = 2});
    MUST_GIVE(&batch, 1000);
    assert_int_equal(batch.read_pk, 1002);
}

static void
an_overtaken_version_is_given_as_such(void **state)
{
    struct handler_batch batch;

    (void)state;
    (void)test_item(engine, tagmango, "w1", "e:a@x.com", "ten");
    (void)test_item(engine, tagmango, "w1", "e:a@x.com", "eleven");
    batch = read_all((struct handler_reading){.after_pk = 0});
    MUST_GIVE(&batch, 1000, 1001);
    assert_false(batch.rows[0].item.is_latest);
    assert_true(batch.rows[1].item.is_latest);
    assert_int_equal(batch.rows[1].item.revision, 1);
}

/* 9,000 stale ones in front of one that is to be handled. */
static void
a_reading_that_had_to_look_at_much_goes_on(void **state)
{
    struct handler_reading reading = {.limit = 10};
    struct handler_batch batch;
    int readings = 0;

    (void)state;
    assert_int_equal(engine_exec(engine,
                         "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                         " WHERE i < 9000) INSERT INTO inbox (inbox_pk, source_pk, event, object,"
                         " person, flags, revision, received_us, headers, body)"
                         " SELECT i, 1, 'e', 'o', 'p', 4, 0, 0, '', x'7b7d' FROM n;"
                         "UPDATE meta SET value = 9000 WHERE name = 'inbox_sequence'",
                         &error),
        OK);
    (void)test_item(engine, tagmango, "w1", "e:a@x.com", "{}");
    do {
        batch = read_all(reading);
        reading.after_pk = batch.read_pk;
        readings++;
    } while (batch.has_more);
    assert_int_equal(readings, 3);
    MUST_GIVE(&batch, 9001);
}

/* --- what waits --- */

static void
what_waits_comes_first_when_it_is_due(void **state)
{
    struct handler_batch batch;

    (void)state;
    items(6);
    change(HANDLING_WAITS, 1001, 2, 300);
    change(HANDLING_WAITS, 1002, 1, 200);
    change(HANDLING_WAITS, 1003, 1, 900);
    change(HANDLING_IN_HAND, 1004, 0, 0);
    change(HANDLING_DEAD, 1005, 9, 800);
    batch = read_all((struct handler_reading){.now = {300}});
    MUST_GIVE(&batch, 1002, 1001, 1000);
    assert_true(batch.rows[0].is_waiting);
    assert_int_equal(batch.rows[0].attempts, 1);
    assert_int_equal(batch.rows[1].attempts, 2);
    assert_false(batch.rows[2].is_waiting);
    assert_int_equal(batch.next_due.us, 900);
    assert_int_equal(batch.read_pk, 1005);
    assert_false(batch.has_more);

    /* Where not all are given, the next one is due now. */
    batch = read_all((struct handler_reading){.now = {300}, .limit = 1});
    MUST_GIVE(&batch, 1002);
    assert_true(batch.has_more);
    assert_int_equal(batch.next_due.us, 300);
    assert_int_equal(batch.read_pk, 0);
    batch = read_all((struct handler_reading){.now = {100}, .after_pk = 1005});
    assert_int_equal(batch.count, 0);
    assert_int_equal(batch.next_due.us, 200);
}

static void
what_waits_is_given_even_when_nobody_wants_its_source_any_more(void **state)
{
    struct handler_batch batch;

    (void)state;
    items(2);
    change(HANDLING_WAITS, 1000, 1, 100);
    batch = read_all(
        (struct handler_reading){.sources = {STR("stripe")}, .source_count = 1, .now = {100}});
    MUST_GIVE(&batch, 1000);
}

static void
what_was_in_hand_is_due_at_once_after_a_restart(void **state)
{
    struct handler_batch batch;

    (void)state;
    items(3);
    change(HANDLING_IN_HAND, 1000, 2, 0);
    change(HANDLING_DEAD, 1001, 9, 0);
    flush((struct handler_flush){.next_pk = 1002});
    batch = read_all((struct handler_reading){.after_pk = 1001, .now = {50}});
    MUST_GIVE(&batch, 1002);
    assert_int_equal(handlers_recover(engine, &error), OK);
    batch = read_all((struct handler_reading){.after_pk = 1001, .now = {50}});
    MUST_GIVE(&batch, 1000, 1002);
    assert_int_equal(batch.rows[0].attempts, 2);
}

/* --- flushing --- */

static void
a_flush_moves_the_cursor_only_on_and_counts(void **state)
{
    struct handling_change settled = {.what = HANDLING_SETTLED, .inbox_pk = 1001, .has_row = true};
    struct handling_change dead = {.what = HANDLING_DEAD, .inbox_pk = 1002, .at = {7}};
    struct handler_state got;

    (void)state;
    items(4);
    change(HANDLING_WAITS, 1000, 1, 100);
    change(HANDLING_WAITS, 1001, 1, 100);
    flush((struct handler_flush){.next_pk = 1003,
        .changes = (const struct handling_change[]){settled, dead},
        .change_count = 2,
        .handled = 3,
        .failed = 2,
        .passed_over = 1});
    flush((struct handler_flush){.next_pk = 0, .handled = 1});
    flush((struct handler_flush){.next_pk = 1001});
    got = state_of("crm");
    assert_int_equal(got.handler_pk, handler);
    assert_int_equal(got.next_pk, 1003);
    assert_int_equal(got.handled, 4);
    assert_int_equal(got.failed, 2);
    assert_int_equal(got.passed_over, 1);
    assert_int_equal(got.waiting, 1);
    assert_int_equal(got.dead, 1);
    assert_int_equal(got.behind, 1);
}

static void
a_row_passes_from_state_to_state(void **state)
{
    (void)state;
    items(1);
    change(HANDLING_IN_HAND, 1000, 0, 55);
    assert_int_equal(test_count(engine, "SELECT due_us FROM handling"), 0);
    change(HANDLING_WAITS, 1000, 1, 0); /* a clock before 1970 must not look like in hand */
    assert_int_equal(test_count(engine, "SELECT due_us FROM handling"), 1);
    change(HANDLING_DEAD, 1000, 2, 77);
    assert_int_equal(test_count(engine, "SELECT dead_us FROM handling"), 77);
    change(HANDLING_IN_HAND, 1000, 0, 0);
    assert_int_equal(test_count(engine, "SELECT dead_us IS NULL AND due_us = 0 FROM handling"), 1);
    change(HANDLING_SETTLED, 1000, 0, 0);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling"), 0);
}

static void
what_was_erased_meanwhile_is_passed_over(void **state)
{
    struct handling_record record = {.inbox_pk = 4711, .outcome = "done", .at = {5}};

    (void)state;
    change(HANDLING_WAITS, 4711, 1, 100);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling"), 0);
    change(HANDLING_SETTLED, 4711, 1, 100);
    flush((struct handler_flush){.records = &record, .record_count = 1});
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling_log"), 0);
}

/* A backlog is counted up to a bound. */
static void
a_backlog_is_counted_so_far_and_no_further(void **state)
{
    (void)state;
    assert_int_equal(engine_exec(engine,
                         "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                         " WHERE i < 10005) INSERT INTO inbox (inbox_pk, source_pk, event, object,"
                         " person, flags, revision, received_us, headers, body)"
                         " SELECT i, 1, '', '', '', 0, 0, 0, '', x'' FROM n;"
                         "INSERT INTO handling (handler_pk, inbox_pk, attempts, due_us, dead_us)"
                         " SELECT 1, inbox_pk, 1, 9, CASE WHEN inbox_pk > 10002 THEN 9 END"
                         " FROM inbox",
                         &error),
        OK);
    assert_int_equal(state_of("crm").behind, HANDLER_BEHIND_MAX);
    assert_int_equal(state_of("crm").waiting, HANDLER_BEHIND_MAX);
    assert_int_equal(state_of("crm").dead, 3);
}

static void
a_full_arena_is_told(void **state)
{
    struct handler_reading reading = {.handler_pk = handler, .limit = 4};
    struct handler_batch batch = {.read_pk = 42};
    struct handler_state *states = NULL;
    struct arena small;
    size_t count = 42;

    (void)state;
    items(4);
    arena_init(&small, 4 * sizeof(struct handling_row) + 64);
    assert_int_equal(handler_read(engine, &reading, &small, &batch, &error), ERR_NOMEM);
    assert_int_equal(batch.read_pk, 42);
    arena_done(&small);
    arena_init(&small, 64);
    assert_int_equal(handlers_list(engine, &small, &states, &count, &error), ERR_NOMEM);
    assert_null(states);
    assert_int_equal(count, 42);
    arena_done(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_handler_begins_with_what_comes_or_with_all),
        TEST(a_handler_that_left_goes_on_where_it_stood),
        TEST(items_come_in_order_and_whole),
        TEST(a_reading_gives_no_more_than_its_limit),
        TEST(a_reading_ends_after_a_mebibyte_of_bodies),
        TEST(stale_ones_and_those_of_other_sources_are_not_given),
        TEST(an_overtaken_version_is_given_as_such),
        TEST(a_reading_that_had_to_look_at_much_goes_on),
        TEST(what_waits_comes_first_when_it_is_due),
        TEST(what_waits_is_given_even_when_nobody_wants_its_source_any_more),
        TEST(what_was_in_hand_is_due_at_once_after_a_restart),
        TEST(a_flush_moves_the_cursor_only_on_and_counts),
        TEST(a_row_passes_from_state_to_state),
        TEST(what_was_erased_meanwhile_is_passed_over),
        TEST(a_backlog_is_counted_so_far_and_no_further),
        TEST(a_full_arena_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
