/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "store/handlers.h"
#include "support/engine.h"
#include "support/inbox.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;
static int64_t source;
static int64_t crm;
static int64_t mail;

static const struct walltime now = {5000};

/*
 * Items 1000 to 1005, of which the last is stale. crm has handled them up to 1003: 1000 is settled,
 * 1001 dead, 1002 waits, 1003 is in hand. mail began with 1002 and is done with it.
 */
static int
setup(void **state)
{
    struct handling_change changes[] = {
        {.what = HANDLING_DEAD, .inbox_pk = 1001, .attempts = 9, .at = {70}},
        {.what = HANDLING_WAITS, .inbox_pk = 1002, .attempts = 2, .at = {9000}},
        {.what = HANDLING_IN_HAND, .inbox_pk = 1003},
    };
    struct handler_flush flushes[2] = {
        {.next_pk = 1004, .changes = changes, .change_count = 3},
        {.next_pk = 1003},
    };
    struct inbox_arrival arrival = test_arrival(0, NULL, "e:a@x.com", "{}");

    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 16 << 20);
    arrival.source_pk = source = test_source(engine, "tagmango");
    arrival.sender_sequence = 9;
    assert_int_equal(handler_register(engine, STR("crm"), false, &crm, &error), OK);
    for (int i = 0; i < 6; i++) {
        static const char *const objects[] = {"w0", "w1", "w2", "w3", "w4", "w4"};

        if (i == 2)
            assert_int_equal(handler_register(engine, STR("mail"), false, &mail, &error), OK);
        arrival.identity.object = str_from(objects[i]);
        arrival.sender_sequence -= i == 5;
        (void)test_take(engine, &arrival);
    }
    assert_int_equal(arrival.arrival, ARRIVAL_STALE);
    assert_int_equal(arrival.inbox_pk, 1005);
    flushes[0].handler_pk = crm;
    flushes[1].handler_pk = mail;
    assert_int_equal(handlers_flush(engine, flushes, 2, &error), OK);
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

static int64_t
retry(int64_t inbox_pk, const char *handler)
{
    int64_t count = -1;

    if (inbox_retry(engine, inbox_pk, str_from(handler), now, &count, &error) != OK)
        fail_msg("%s", error.text);
    return count;
}

/* The row as text: attempts, due_us, dead_us. */
static void
must_have_row(int64_t handler, int64_t inbox_pk, int64_t attempts, int64_t due_us, bool is_dead)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT attempts, due_us, dead_us IS NOT NULL FROM handling WHERE handler_pk = ?1"
        " AND inbox_pk = ?2",
        v_int(handler), v_int(inbox_pk));
    assert_true(rows_next(&rows));
    assert_int_equal(rows_int(&rows, 0), attempts);
    assert_int_equal(rows_int(&rows, 1), due_us);
    assert_int_equal(rows_int(&rows, 2), is_dead);
}

static void
what_is_dead_settled_or_waits_is_due_now(void **state)
{
    (void)state;
    assert_int_equal(retry(1001, "crm"), 1);
    must_have_row(crm, 1001, 0, 5000, false);
    assert_int_equal(retry(1000, "crm"), 1);
    must_have_row(crm, 1000, 0, 5000, false);
    assert_int_equal(retry(1002, "crm"), 1);
    must_have_row(crm, 1002, 0, 5000, false);
}

static void
what_is_in_hand_to_come_or_stale_is_left_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(retry(1003, "crm"), 0);
    must_have_row(crm, 1003, 0, 0, false);
    assert_int_equal(retry(1004, "crm"), 0);
    assert_int_equal(retry(1005, "crm"), 0);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling"), 3);
}

static void
without_a_name_all_handle_it_again_that_ever_had_it(void **state)
{
    (void)state;
    assert_int_equal(retry(1000, NULL), 1); /* mail began later */
    assert_int_equal(retry(1002, NULL), 2);
    must_have_row(mail, 1002, 0, 5000, false);
    must_have_row(crm, 1002, 0, 5000, false);
    assert_int_equal(retry(1000, "mail"), 1); /* unless it is asked for by name */
    must_have_row(mail, 1000, 0, 5000, false);

    assert_int_equal(handlers_retire(engine, &error), OK);
    assert_int_equal(handler_register(engine, STR("crm"), false, &crm, &error), OK);
    assert_int_equal(retry(1002, NULL), 1);
}

static void
what_is_not_there_cannot_be_retried(void **state)
{
    struct inbox_retry_query query = {.only_dead = true, .handler = STR("nobody")};
    int64_t count = 42;
    int64_t at = 7;

    (void)state;
    assert_int_equal(inbox_retry(engine, 4711, STR("crm"), now, &count, &error), ERR_NOT_FOUND);
    assert_string_equal(error.text, "there is no such item");
    assert_int_equal(inbox_retry(engine, 1001, STR("nobody"), now, &count, &error), ERR_NOT_FOUND);
    assert_string_equal(error.text, "there is no handler \"nobody\"");
    assert_int_equal(inbox_retry_step(engine, &query, now, &at, &count, &error), ERR_NOT_FOUND);
    query = (struct inbox_retry_query){.source = STR("nowhere")};
    assert_int_equal(inbox_retry_step(engine, &query, now, &at, &count, &error), ERR_NOT_FOUND);
    assert_string_equal(error.text, "there is no source \"nowhere\"");
    assert_int_equal(handlers_retire(engine, &error), OK);
    assert_int_equal(inbox_retry(engine, 1001, STR("crm"), now, &count, &error), ERR_NOT_FOUND);
    assert_int_equal(count, 42);
    assert_int_equal(at, 7);
}

/* --- many at once --- */

static int64_t
retry_all(struct inbox_retry_query query, int *ret_steps)
{
    int64_t at = 0;
    int64_t count = 0;

    for (*ret_steps = 0; at != INT64_MAX; ++*ret_steps) {
        assert_true(*ret_steps < 1000);
        if (inbox_retry_step(engine, &query, now, &at, &count, &error) != OK)
            fail_msg("%s", error.text);
    }
    return count;
}

static void
only_the_dead_of_a_query_live_again(void **state)
{
    struct handling_change dead = {.what = HANDLING_DEAD, .inbox_pk = 1002, .at = {71}};
    struct handler_flush flush = {.handler_pk = mail, .changes = &dead, .change_count = 1};
    int steps;

    (void)state;
    assert_int_equal(handlers_flush(engine, &flush, 1, &error), OK);
    assert_int_equal(
        retry_all((struct inbox_retry_query){.only_dead = true, .since = {1001}}, &steps), 0);
    assert_int_equal(
        retry_all((struct inbox_retry_query){.only_dead = true, .handler = STR("mail")}, &steps),
        1);
    must_have_row(mail, 1002, 0, 5000, false);
    must_have_row(crm, 1001, 9, 70, true);
    (void)test_source(engine, "stripe");
    assert_int_equal(
        retry_all((struct inbox_retry_query){.only_dead = true, .source = STR("stripe")}, &steps),
        0);
    assert_int_equal(
        retry_all((struct inbox_retry_query){.only_dead = true, .source = STR("tagmango")}, &steps),
        1);
    must_have_row(crm, 1001, 0, 5000, false);
    assert_int_equal(retry_all((struct inbox_retry_query){.only_dead = true}, &steps), 0);
    assert_int_equal(steps, 1);
}

static void
a_replay_is_of_all_that_was_received_since(void **state)
{
    struct inbox_arrival late = test_arrival(source, "w9", "e:a@x.com", "{}");
    struct handler_flush flush = {.handler_pk = mail, .next_pk = 3000};
    int steps;

    (void)state;
    late.received.us = 2000;
    (void)test_take(engine, &late);
    assert_int_equal(handlers_flush(engine, &flush, 1, &error), OK);
    assert_int_equal(
        retry_all((struct inbox_retry_query){.since = {2000}, .handler = STR("mail")}, &steps), 1);
    must_have_row(mail, 2000, 0, 5000, false);
    /* crm: 1000 to 1002, without what is in hand; mail: 1000 to 1004 by name, and 2000 once more */
    assert_int_equal(retry_all((struct inbox_retry_query){.handler = STR("crm")}, &steps), 3);
    assert_int_equal(retry_all((struct inbox_retry_query){.handler = STR("mail")}, &steps), 6);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling WHERE inbox_pk = 1005"), 0);
}

/* 3,000 items in two rows each; the last step finds that there are no more. */
static void
a_large_replay_goes_in_steps_and_misses_none(void **state)
{
    struct handler_flush flushes[2] = {{.handler_pk = crm, .next_pk = 9000},
        {.handler_pk = mail, .next_pk = 9000}};
    int steps;

    (void)state;
    assert_int_equal(engine_exec(engine,
                         "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                         " WHERE i < 3000) INSERT INTO inbox (inbox_pk, source_pk, event, object,"
                         " person, flags, revision, received_us, headers, body)"
                         " SELECT 2000 + i, 1, '', '', '', 0, 0, 2000, '', x'7b7d' FROM n;",
                         &error),
        OK);
    assert_int_equal(handlers_flush(engine, flushes, 2, &error), OK);
    assert_int_equal(retry_all((struct inbox_retry_query){.since = {2000}}, &steps), 6000);
    assert_int_equal(steps, 7);
    assert_int_equal(engine_exec(engine, "UPDATE handling SET dead_us = 1", &error), OK);
    assert_int_equal(
        retry_all((struct inbox_retry_query){.only_dead = true, .since = {2000}}, &steps), 6000);
    assert_true(steps > 10 && steps < 14);
}

/* --- how an item stands --- */

static void
must_stand(int64_t inbox_pk, const char *wanted)
{
    struct handling_state *list = NULL;
    char text[256] = "";
    size_t count = 0;
    size_t len = 0;

    assert_int_equal(inbox_handlings(engine, inbox_pk, &arena, &list, &count, &error), OK);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s %s %u %lld;",
            STR_FMT(list[i].handler), list[i].status, list[i].attempts, (long long)list[i].due.us);
    assert_string_equal(text, wanted);
}

static void
each_handlers_view_of_an_item_is_told(void **state)
{
    (void)state;
    must_stand(1000, "crm settled 0 0;");
    must_stand(1001, "crm dead 9 0;");
    must_stand(1002, "crm retrying 2 9000;mail settled 0 0;");
    must_stand(1003, "crm waiting 0 0;mail waiting 0 0;");
    must_stand(1004, "crm waiting 0 0;mail waiting 0 0;");
    must_stand(1005, "");
    must_stand(4711, "");
    (void)retry(1000, "mail");
    must_stand(1000, "crm settled 0 0;mail waiting 0 5000;");
    assert_int_equal(handlers_retire(engine, &error), OK);
    must_stand(1004, "");
    must_stand(1001, "crm dead 9 0;");
}

static void
the_log_of_an_item_is_in_order_and_bounded(void **state)
{
    struct handling_record records[] = {
        {.inbox_pk = 1001,
            .attempt = 1,
            .at = {10},
            .took_us = 3,
            .outcome = "failed",
            .detail = STR("status 500"),
            .output = STR("oh")},
        {.inbox_pk = 1002, .attempt = 1, .at = {11}, .outcome = "done"},
        {.inbox_pk = 1001, .attempt = 2, .at = {12}, .outcome = "refused"},
    };
    struct handler_flush flush = {.handler_pk = crm, .records = records, .record_count = 3};
    struct handling_logged *lines = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(handlers_flush(engine, &flush, 1, &error), OK);
    assert_int_equal(inbox_log(engine, 1001, &arena, &lines, &count, &error), OK);
    assert_int_equal(count, 2);
    assert_true(str_equals(lines[0].handler, STR("crm")));
    assert_int_equal(lines[0].record.attempt, 1);
    assert_int_equal(lines[0].record.at.us, 10);
    assert_int_equal(lines[0].record.took_us, 3);
    assert_string_equal(lines[0].record.outcome, "failed");
    assert_true(str_equals(lines[0].record.detail, STR("status 500")));
    assert_true(str_equals(lines[0].record.output, STR("oh")));
    assert_string_equal(lines[1].record.outcome, "refused");
    assert_int_equal(lines[1].record.output.len, 0);

    flush.records = &records[2];
    flush.record_count = 1;
    for (int i = 0; i < 600; i++) {
        records[2].attempt++;
        assert_int_equal(handlers_flush(engine, &flush, 1, &error), OK);
    }
    assert_int_equal(inbox_log(engine, 1001, &arena, &lines, &count, &error), OK);
    assert_int_equal(count, 500);
    assert_int_equal(lines[0].record.attempt, 103);
    assert_int_equal(lines[499].record.attempt, 602);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_dead_settled_or_waits_is_due_now),
        TEST(what_is_in_hand_to_come_or_stale_is_left_as_it_is),
        TEST(without_a_name_all_handle_it_again_that_ever_had_it),
        TEST(what_is_not_there_cannot_be_retried),
        TEST(only_the_dead_of_a_query_live_again),
        TEST(a_replay_is_of_all_that_was_received_since),
        TEST(a_large_replay_goes_in_steps_and_misses_none),
        TEST(each_handlers_view_of_an_item_is_told),
        TEST(the_log_of_an_item_is_in_order_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
