/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a flush writes, and what it leaves alone. Its notices are in notices_test.c.
 */
#include <stdio.h>

#include "support/told.h"

/* A hook, an event for three people, and its fan-out, number 1. */
static int64_t
told_open(struct world *world)
{
    int64_t hook;

    world_open(world);
    hook = add_hook(world, 1, NULL, NULL);
    add_member(world, world->webinar_group, add_attendee(world, "ann"));
    add_member(world, world->webinar_group, add_attendee(world, "bob"));
    add_member(world, world->webinar_group, add_attendee(world, "cem"));
    (void)tell_all(world);
    return hook;
}

static struct str
byte(const char *bits)
{
    return (struct str){bits, 1};
}

/* One of each kind that names a fan-out, in its round 0. */
static const struct flush_item progress[] = {
    {.kind = FLUSH_CHUNK_SAVE,
        .hook_pk = 1,
        .fanout_pk = 1,
        .chunk_pk = 5,
        .count = 3,
        .attempts = 1,
        .at = {1710496800000005},
        .bytes = {"\x1", 1}},
    {.kind = FLUSH_DEAD, .hook_pk = 1, .fanout_pk = 1, .count = 3, .bytes = {"\x2", 1}},
    {.kind = FLUSH_RECORDS, .hook_pk = 1, .fanout_pk = 1, .bytes = {"12345678", 8}},
    {.kind = FLUSH_FANOUT,
        .hook_pk = 1,
        .fanout_pk = 1,
        .base = 3,
        .delivered = 1,
        .dead = 1,
        .is_drained = true},
};

static void
assert_counts(struct world *world, int64_t chunks, int64_t dead, int64_t blocks, int64_t delivered)
{
    assert_int_equal(number(world, "SELECT count(*) FROM chunk"), chunks);
    assert_int_equal(number(world, "SELECT count(*) FROM dead"), dead);
    assert_int_equal(number(world, "SELECT count(*) FROM attempt_block"), blocks);
    assert_int_equal(number(world, "SELECT delivered FROM fanout"), delivered);
}

static void
progress_is_written_with_a_fresh_number(void **state)
{
    struct world world;

    (void)state;
    (void)told_open(&world);
    int64_t before = number(&world, "SELECT changed FROM fanout");

    flush_items(&world, progress, COUNT_OF(progress));
    assert_counts(&world, 1, 1, 1, 1);
    assert_int_equal(number(&world, "SELECT next_pos FROM fanout"), 3);
    assert_true(number(&world, "SELECT changed FROM fanout") > before);
    assert_int_equal(number(&world, "SELECT changed FROM fanout"),
        number(&world, "SELECT value FROM meta WHERE name = 'sequence'"));
    world_close(&world);
}

static void
a_flush_that_moves_no_fanout_takes_no_number(void **state)
{
    struct world world;

    (void)state;
    (void)told_open(&world);
    int64_t before = number(&world, "SELECT value FROM meta WHERE name = 'sequence'");

    flush_items(&world, progress, 3);
    assert_int_equal(number(&world, "SELECT value FROM meta WHERE name = 'sequence'"), before);
    world_close(&world);
}

static void
what_belongs_to_an_earlier_round_changes_nothing_but_the_log(void **state)
{
    struct world world;
    struct flush_item gone = {.kind = FLUSH_CHUNK_DELETE, .fanout_pk = 1, .chunk_pk = 9};
    struct flush_item clear = {.kind = FLUSH_CHUNK_CLEAR, .fanout_pk = 1, .base = 0};

    (void)state;
    (void)told_open(&world);
    execute(&world, "UPDATE fanout SET round = 1, changed = 1;"
                    "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts,"
                    " due_us, todo) VALUES (9, 1, 1, 0, 3, 1, 70, x'01')");
    flush_items(&world, progress, COUNT_OF(progress));
    flush_one(&world, &gone);
    flush_one(&world, &clear);
    assert_counts(&world, 1, 0, 1, 0);
    assert_int_equal(number(&world, "SELECT next_pos FROM fanout"), 0);
    assert_int_equal(number(&world, "SELECT changed FROM fanout"), 1);

    /* And with the right round it does. */
    clear.round = 1;
    flush_one(&world, &clear);
    assert_counts(&world, 0, 0, 1, 0);
    world_close(&world);
}

static void
what_belongs_to_a_cancelled_fanout_changes_nothing_but_the_log(void **state)
{
    struct world world;

    (void)state;
    (void)told_open(&world);
    execute(&world, "UPDATE fanout SET status = 'cancelled'");
    flush_items(&world, progress, COUNT_OF(progress));
    assert_counts(&world, 0, 0, 1, 0);
    world_close(&world);
}

static void
of_a_fanout_that_has_expired_nothing_is_written(void **state)
{
    struct world world;
    struct flush_item failure = {.kind = FLUSH_FAILURE,
        .fanout_pk = 1,
        .failure = STR("status"),
        .detail = STR(""),
        .bytes = STR("")};

    (void)state;
    (void)told_open(&world);
    execute(&world, "DELETE FROM fanout");
    flush_items(&world, progress, COUNT_OF(progress));
    flush_one(&world, &failure);
    assert_int_equal(number(&world, "SELECT count(*) FROM chunk"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM dead"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM attempt_block"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM attempt_failure"), 0);
    world_close(&world);
}

static void
a_fanout_is_not_done_while_a_chunk_of_it_waits(void **state)
{
    struct world world;

    (void)state;
    (void)told_open(&world);
    flush_items(&world, progress, COUNT_OF(progress));
    assert_int_equal(number(&world, "SELECT status = 'sending' FROM fanout"), 1);
    flush_items(&world,
        (const struct flush_item[]){
            {.kind = FLUSH_CHUNK_DELETE, .fanout_pk = 1, .chunk_pk = 5},
            {.kind = FLUSH_FANOUT, .fanout_pk = 1, .base = 3, .is_drained = true},
        },
        2);
    assert_int_equal(number(&world, "SELECT status = 'done' FROM fanout"), 1);
    assert_int_equal(number(&world, "SELECT finished_us FROM fanout"), start.us);
    world_close(&world);
}

/* Ann waits with bob in one row, alone in another, and is in hand in a third. */
static void
who_is_taken_up_by_hand_waits_no_longer(void **state)
{
    struct world world;

    (void)state;
    (void)told_open(&world);
    execute(&world, "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts,"
                    " due_us, todo, is_manual) VALUES (1, 1, 1, 0, 3, 1, 70, x'03', 0),"
                    " (2, 1, 1, 0, 1, 1, 1, x'01', 0), (3, 1, 1, 0, 3, 1, 0, x'05', 0),"
                    " (4, 1, 1, 0, 1, 1, 1, x'01', 1), (5, 1, 1, 1, 2, 1, 70, x'01', 0)");
    flush_one(&world, &(struct flush_item){.kind = FLUSH_CHUNK_CLEAR, .fanout_pk = 1, .base = 0});
    assert_int_equal(number(&world, "SELECT count(*) FROM chunk"), 4);
    assert_int_equal(number(&world,
                         "SELECT count(*) FROM chunk WHERE (chunk_pk = 1 AND todo = x'02')"
                         " OR (chunk_pk = 3 AND todo = x'05') OR (chunk_pk = 4 AND todo = x'01')"
                         " OR (chunk_pk = 5 AND todo = x'01')"),
        4);
    world_close(&world);
}

static void
who_fails_again_in_the_flush_that_takes_them_up_waits(void **state)
{
    struct world world;
    const struct flush_item items[] = {
        {.kind = FLUSH_CHUNK_SAVE,
            .hook_pk = 1,
            .fanout_pk = 1,
            .chunk_pk = 8,
            .count = 1,
            .attempts = 2,
            .at = {90},
            .bytes = byte("\x1")},
        {.kind = FLUSH_CHUNK_CLEAR, .fanout_pk = 1, .base = 0},
    };

    (void)state;
    (void)told_open(&world);
    execute(&world, "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts,"
                    " due_us, todo) VALUES (1, 1, 1, 0, 1, 1, 70, x'01')");
    flush_items(&world, items, COUNT_OF(items));
    assert_int_equal(number(&world, "SELECT count(*) FROM chunk"), 1);
    assert_int_equal(number(&world, "SELECT chunk_pk FROM chunk"), 8);
    world_close(&world);
}

static void
a_manual_chunk_is_due_before_all_else_and_says_so(void **state)
{
    struct world world;
    struct lane_chunk chunk = {0};
    struct walltime next = {0};
    int64_t last = 0;

    (void)state;
    int64_t hook = told_open(&world);
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
        "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us, todo,"
        " is_manual) VALUES (1, 1, 1, 0, 1, 1, 1, x'01', 0), (%lld + 3, 1, 1, 1, 1, 0, 1, x'01', "
        "0),"
        " (-9223372036854775807 + 5, 1, 1, 2, 1, 4, 1, x'01', 1)",
        (long long)CHUNK_PK_REOPENED);
    execute(&world, sql);
    const struct chunk_query query = {.hook_pk = hook, .now = world.now};
    assert_int_equal(chunk_due(world.engine, &query, &chunk, &next, &world.error), OK);
    assert_true(chunk.is_manual);
    assert_int_equal(chunk.base, 2);
    assert_int_equal(chunk.attempts, 4);

    const struct chunk_query second = {.hook_pk = hook,
        .now = world.now,
        .skip = &(int64_t){chunk.pk},
        .skip_count = 1};
    assert_int_equal(chunk_due(world.engine, &second, &chunk, &next, &world.error), OK);
    assert_false(chunk.is_manual);
    assert_int_equal(chunk.pk, 1);
    /* The lanes go on counting where they were. */
    assert_int_equal(lanes_recover(world.engine, &last, &world.error), OK);
    assert_int_equal(last, 1);

    /* Asked for while its member waited, who does so no more; or still. */
    bool is_wanted = true;
    struct lane_chunk asked = {.fanout_pk = 1, .base = 2, .attempts = 4};
    assert_int_equal(chunk_is_wanted(world.engine, &asked, &is_wanted, &world.error), OK);
    assert_false(is_wanted);
    asked.base = 1;
    assert_int_equal(chunk_is_wanted(world.engine, &asked, &is_wanted, &world.error), OK);
    assert_true(is_wanted);
    /* What was reopened waited nowhere. */
    asked.base = 2;
    asked.attempts = 0;
    assert_int_equal(chunk_is_wanted(world.engine, &asked, &is_wanted, &world.error), OK);
    assert_true(is_wanted);

    /* Once it was taken up it is one like any other. */
    execute(&world,
        "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us,"
        " todo, is_manual) VALUES (70, 1, 1, 2, 1, 4, 1, x'01', 1)");
    flush_one(&world, &(struct flush_item){.kind = FLUSH_CHUNK_SAVE,
                          .hook_pk = hook,
                          .fanout_pk = 1,
                          .chunk_pk = 70,
                          .count = 1,
                          .bytes = byte("\x1")});
    assert_int_equal(number(&world, "SELECT is_manual FROM chunk WHERE chunk_pk = 70"), 0);
    world_close(&world);
}

static void
failures_are_kept_up_to_a_number_for_each_block_of_members(void **state)
{
    struct world world;
    struct flush_item item = {.kind = FLUSH_FAILURE,
        .fanout_pk = 1,
        .attempts = 1,
        .failure = STR("status"),
        .status = 503,
        .detail = STR(""),
        .bytes = STR("")};

    (void)state;
    (void)told_open(&world);
    for (int i = 0; i < FAILURES_PER_BLOCK + 5; i++) {
        item.base = i;
        flush_one(&world, &item);
        item.base = CHUNK_MEMBERS_MAX + i % 2;
        flush_one(&world, &item);
    }
    assert_int_equal(number(&world, "SELECT count(*) FROM attempt_failure WHERE pos < 1024"),
        FAILURES_PER_BLOCK);
    assert_int_equal(number(&world, "SELECT max(pos) FROM attempt_failure WHERE pos < 1024"),
        FAILURES_PER_BLOCK - 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM attempt_failure WHERE pos >= 1024"),
        FAILURES_PER_BLOCK);
    world_close(&world);
}

static void
the_health_of_a_hook_is_kept_while_it_is_enabled(void **state)
{
    struct world world;
    struct flush_item item = {
        .kind = FLUSH_HOOK_HEALTH,
        .health = {.first_failure = {5}, .failing = {6}, .learned_rate = 1.5},
    };

    (void)state;
    item.hook_pk = told_open(&world);
    flush_one(&world, &item);
    assert_int_equal(number(&world, "SELECT count(*) FROM hook WHERE first_failure_us = 5"
                                    " AND failing_us = 6 AND learned_rate = 1.5"),
        1);
    item.health = (struct hook_health){{0}, {0}, 0};
    flush_one(&world, &item);
    assert_int_equal(number(&world, "SELECT count(*) FROM hook WHERE first_failure_us IS NULL"
                                    " AND failing_us IS NULL AND learned_rate IS NULL"),
        1);
    execute(&world, "UPDATE hook SET status = 'disabled'");
    item.health.failing.us = 9;
    flush_one(&world, &item);
    assert_int_equal(number(&world, "SELECT failing_us IS NULL FROM hook"), 1);
    world_close(&world);
}

static void
a_hook_is_disabled_once_and_by_whom_is_noted(void **state)
{
    struct world world;
    struct flush_item item = {.kind = FLUSH_HOOK_DISABLE, .failure = STR("gone")};

    (void)state;
    item.hook_pk = told_open(&world);
    flush_one(&world, &item);
    item.failure = STR("failing");
    world.now.us++;
    flush_one(&world, &item);
    assert_int_equal(number(&world, "SELECT disabled_by = 'gone' FROM hook"), 1);
    assert_int_equal(number(&world, "SELECT status = 'disabled' FROM hook"), 1);
    assert_int_equal(number(&world, "SELECT disabled_us FROM hook"), start.us);

    /* Disabled by its owner it stays so. */
    execute(&world, "UPDATE hook SET disabled_by = 'owner'");
    flush_one(&world, &item);
    assert_int_equal(number(&world, "SELECT disabled_by = 'owner' FROM hook"), 1);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_is_written_with_a_fresh_number),
        cmocka_unit_test(a_flush_that_moves_no_fanout_takes_no_number),
        cmocka_unit_test(what_belongs_to_an_earlier_round_changes_nothing_but_the_log),
        cmocka_unit_test(what_belongs_to_a_cancelled_fanout_changes_nothing_but_the_log),
        cmocka_unit_test(of_a_fanout_that_has_expired_nothing_is_written),
        cmocka_unit_test(a_fanout_is_not_done_while_a_chunk_of_it_waits),
        cmocka_unit_test(who_is_taken_up_by_hand_waits_no_longer),
        cmocka_unit_test(who_fails_again_in_the_flush_that_takes_them_up_waits),
        cmocka_unit_test(a_manual_chunk_is_due_before_all_else_and_says_so),
        cmocka_unit_test(failures_are_kept_up_to_a_number_for_each_block_of_members),
        cmocka_unit_test(the_health_of_a_hook_is_kept_while_it_is_enabled),
        cmocka_unit_test(a_hook_is_disabled_once_and_by_whom_is_noted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
