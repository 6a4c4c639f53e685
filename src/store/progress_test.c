/* SPDX-License-Identifier: Apache-2.0 */
#include "store/progress.h"

#include <string.h>

#include "support/engine.h"
#include "support/test.h"

/* Two accounts with a hook and an event each; fan-outs are made by the test. */
struct world {
    struct engine *engine;
    struct arena arena;
    struct error error;
    struct progress_page page;
};

static void
run(struct world *world, const char *sql)
{
    if (engine_exec(world->engine, sql, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
world_open(struct world *world)
{
    *world = (struct world){.engine = test_engine_open()};
    arena_init(&world->arena, 1 << 20);
    run(world, "INSERT INTO account (account_pk, id, name, created_us)"
               " VALUES (1, x'01', 'one', 0), (2, x'02', 'two', 0)");
    run(world,
        "INSERT INTO hook (hook_pk, account_pk, id, url, event, description, phone_format,"
        " signature, secret_sealed, max_in_flight, status, created_us, updated_us)"
        " VALUES (1, 1, x'100000000000000000000000', '', '', '', '', '', x'', 1, 'enabled', 0, 0),"
        " (2, 2, x'200000000000000000000000', '', '', '', '', '', x'', 1, 'enabled', 0, 0)");
    run(world,
        "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 20)"
        " INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk, webinar_id,"
        " starts_us, snapshot, audience, created_us)"
        " SELECT n, 1 + n / 11, CAST(printf('%012d', n) AS BLOB), 't', 'created', 1, x'', 0, x'',"
        " x'', 0 FROM n");
}

static void
world_close(struct world *world)
{
    arena_done(&world->arena);
    engine_close(world->engine);
}

/* One for each event: 1 to 10 of the first account, the others of the second. */
static void
make(struct world *world, int64_t pk, int64_t changed, const char *status)
{
    if (engine_run(world->engine, &world->error,
            "INSERT INTO fanout (fanout_pk, event_pk, hook_pk, webinar_pk, filter_group, end_pos,"
            " status, changed, delivered, dead, skipped, superseded, created_us, started_us)"
            " VALUES (?1, ?1, 1 + ?1 / 11, 1, 0, 100, ?3, ?2, 1, 2, 3, 4, 0, 5)",
            v_int(pk), v_int(changed), v_text(str_from(status))) != OK)
        fail_msg("%s", world->error.text);
}

static void
change(struct world *world, struct progress_cursor after, int64_t account_pk, int64_t max)
{
    const struct progress_query query = {.after = after,
        .account_pks = &account_pk,
        .account_count = 1,
        .max = max};

    if (progress_changed(world->engine, &query, &world->arena, &world->page, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
check_rows(const struct world *world, const int64_t *pks, size_t count)
{
    assert_int_equal(world->page.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(world->page.rows[i].at.fanout_pk, pks[i]);
}

#define CHECK_ROWS(world, ...)                                                                     \
    check_rows((world), (const int64_t[]){__VA_ARGS__}, COUNT_OF(((const int64_t[]){__VA_ARGS__})))

static void
a_cursor_is_read_back_as_it_was_written(void **state)
{
    static const struct progress_cursor cursors[] = {{0, 0}, {1, 2}, {INT64_MAX, INT64_MAX},
        {INT64_C(1710496800000000), 42}};
    static const char *const bad[] = {"", "-", "1", "1-", "-1", "1--1", "-1-1", "1-2-3", "a-1",
        "1-1 ", "9223372036854775808-1"};
    struct progress_cursor cursor;
    char text[PROGRESS_CURSOR_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cursors); i++) {
        progress_cursor_format(cursors[i], text);
        assert_int_equal(progress_cursor_parse(str_from(text), &cursor), OK);
        assert_memory_equal(&cursor, &cursors[i], sizeof(cursor));
    }
    cursor.changed = 42;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(progress_cursor_parse(str_from(bad[i]), &cursor), ERR_INVALID);
    assert_int_equal(cursor.changed, 42);

    assert_true(progress_cursor_is_before(cursors[0], cursors[1]));
    assert_true(progress_cursor_is_before((struct progress_cursor){1, 1}, cursors[1]));
    assert_false(progress_cursor_is_before(cursors[1], cursors[1]));
    assert_false(progress_cursor_is_before((struct progress_cursor){2, 1}, cursors[1]));
}

static void
changes_come_in_their_order_and_once(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    make(&world, 1, 30, "sending");
    make(&world, 2, 10, "done");
    make(&world, 3, 20, "sending");
    make(&world, 4, 20, "cancelled");
    make(&world, 12, 20, "sending");
    make(&world, 13, 40, "sending");
    change(&world, (struct progress_cursor){0, 0}, 1, 100);
    CHECK_ROWS(&world, 2, 3, 4, 1);
    assert_true(world.page.is_last);
    assert_int_equal(world.page.next.changed, 40); /* the other account's */
    assert_int_equal(world.page.next.fanout_pk, 13);
    assert_true(str_equals(world.page.rows[2].progress.status, STR("cancelled")));
    assert_int_equal(world.page.rows[2].event_id.bytes[11], '4');
    assert_int_equal(world.page.rows[2].progress.hook_id.bytes[0], 0x10);
    assert_int_equal(world.page.rows[2].progress.total, 100);
    assert_int_equal(world.page.rows[2].progress.superseded, 4);

    change(&world, world.page.next, 1, 100);
    check_rows(&world, NULL, 0);
    assert_int_equal(world.page.next.fanout_pk, 13);
    run(&world, "UPDATE fanout SET changed = 50 WHERE fanout_pk IN (2, 4)");
    change(&world, world.page.next, 1, 100);
    CHECK_ROWS(&world, 2, 4);

    /* In pages, also between two of one number. */
    change(&world, (struct progress_cursor){0, 0}, 1, 1);
    CHECK_ROWS(&world, 3);
    assert_false(world.page.is_last);
    change(&world, world.page.next, 1, 1);
    check_rows(&world, NULL, 0);
    assert_false(world.page.is_last);
    assert_int_equal(world.page.next.fanout_pk, 12);
    change(&world, world.page.next, 1, 3);
    CHECK_ROWS(&world, 1, 2);
    change(&world, world.page.next, 1, 2);
    CHECK_ROWS(&world, 4);
    assert_true(world.page.is_last);
    world_close(&world);
}

static void
those_who_will_be_tried_again_are_counted(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    make(&world, 1, 30, "sending");
    run(&world, "INSERT INTO chunk (fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
                " VALUES (1, 1, 0, 8, 1, 1000, x'0f'), (1, 1, 8, 8, 0, 0, x'ff')");
    change(&world, (struct progress_cursor){0, 0}, 1, 100);
    assert_int_equal(world.page.rows[0].progress.failing, 4);
    world_close(&world);
}

static void
open_up(struct world *world, int64_t max)
{
    if (progress_open(world->engine, 1, max, &world->arena, &world->page, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
what_is_open_is_shown_up_to_now(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    open_up(&world, 10);
    check_rows(&world, NULL, 0);
    assert_int_equal(world.page.next.changed, 0);
    make(&world, 1, 30, "sending");
    make(&world, 2, 10, "sending");
    make(&world, 3, 50, "done");
    make(&world, 4, 40, "sending");
    make(&world, 12, 45, "sending");
    open_up(&world, 10);
    CHECK_ROWS(&world, 2, 1, 4);
    assert_int_equal(world.page.next.changed, 50);
    assert_int_equal(world.page.next.fanout_pk, 3);
    assert_true(world.page.is_last);
    open_up(&world, 2); /* those that changed last */
    CHECK_ROWS(&world, 1, 4);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_is_read_back_as_it_was_written),
        cmocka_unit_test(changes_come_in_their_order_and_once),
        cmocka_unit_test(those_who_will_be_tried_again_are_counted),
        cmocka_unit_test(what_is_open_is_shown_up_to_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
