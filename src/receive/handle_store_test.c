/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handle.h"
#include "support/handling.h"

/* --- a crash --- */

/* What is on disk at this moment, as if the process had died now. */
static void
crash(struct world *world, struct world *ret_next, const char *sections)
{
    world_copy(world, "later.db");
    memset(ret_next, 0, sizeof(*ret_next));
    scratch_init(&ret_next->scratch);
    world_open_at(ret_next, scratch_path(&world->scratch, "later.db"));
    use_handlers(ret_next, sections);
}

static void
a_crash_loses_nothing_and_repeats_nothing_that_was_on_disk(void **state)
{
    struct world world;
    static struct world next;
    int64_t first;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 10; timeout = 3600; retry-delays = 100");
    first = arrive_many(&world, 30);
    /* The first two hang, one fails, 17 are done. */
    end(&world, 2, HANDLING_FAILED);
    for (int i = 0; i < 17; i++)
        end(&world, 2, HANDLING_DONE);
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 17);
    /* What ends now is not on disk yet. */
    end_with(&world, 2, HANDLING_DONE, NULL);
    crash(&world, &next, "h: concurrency = 100; timeout = 3600");
    assert_int_equal(next.script.count, 30 - 17 - 1);
    for (size_t i = 0; i < next.script.count; i++) {
        int64_t sequence = given(&next, i)->sequence;

        assert_true(sequence == first || sequence == first + 1 || sequence >= first + 20);
        assert_int_equal(given(&next, i)->attempt, 1);
    }
    (void)end_all(&next, HANDLING_DONE);
    pass(&next, 120 * US_PER_S);
    assert_int_equal(next.script.count, 1);
    assert_int_equal(given(&next, 0)->sequence, first + 2);
    assert_int_equal(given(&next, 0)->attempt, 2);
    end(&next, 0, HANDLING_DONE);
    assert_int_equal(number(&next, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(number(&next, "SELECT handled FROM handler"), 30);
    world_close(&next);
    world_close(&world);
}

static void
what_is_done_is_on_disk_within_a_fifth_of_a_second(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2; timeout = 3600");
    (void)arrive_many(&world, 4);
    end(&world, 1, HANDLING_DONE);
    end(&world, 1, HANDLING_DONE);
    /* One is under way, so there may be more to write soon. */
    advance(&world, US_PER_S / 5);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 2);
    /* None is. */
    (void)end_all(&world, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 4);
    world_close(&world);
}

static void
many_outcomes_are_written_at_once(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "slow: timeout = 3600 | h: concurrency = 400; retry-delays = 10");
    (void)arrive_many(&world, 300);
    assert_int_equal(world.script.count, 301);
    /* Written now, and the next beat is a fifth of a second away. */
    end(&world, find_given(&world, "h"), HANDLING_FAILED);
    for (int i = 0; i < 255; i++)
        end_with(&world, find_given(&world, "h"), HANDLING_FAILED, NULL);
    pump(&world);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE due_us > 0"), 1);
    end(&world, find_given(&world, "h"), HANDLING_FAILED);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE due_us > 0"), 257);
    world_close(&world);
}

static void
what_ends_while_others_are_written_is_written_next(void **state)
{
    struct world world;
    struct gate gate;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 3; timeout = 3600");
    (void)arrive_many(&world, 3);
    advance(&world, US_PER_S);
    gate_hold(&world, &gate, true);
    end_with(&world, 0, HANDLING_DONE, NULL);
    look(&world, 3);
    assert_true(handle_flush_is_running(world.handle->flush));
    end_with(&world, 0, HANDLING_FAILED, NULL);
    clock_manual_advance(&world.clock, US_PER_S);
    look(&world, 3);
    gate_release(&world, &gate);
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 1);
    assert_int_equal(number(&world, "SELECT failed FROM handler"), 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE due_us > 0"), 1);
    world_close(&world);
}

/* --- a store that fails --- */

static void
nothing_begins_while_outcomes_cannot_be_written(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2");
    (void)arrive_many(&world, 10);
    execute(&world, "CREATE TRIGGER full BEFORE UPDATE ON handler BEGIN"
                    " SELECT RAISE(ABORT, 'the disk is full'); END");
    log_catch(&world);
    end(&world, 0, HANDLING_DONE);
    advance(&world, US_PER_S);
    (void)end_all(&world, HANDLING_DONE);
    pass(&world, 60 * US_PER_S);
    assert_int_equal(log_count(&world, "flush.failed"), 1);
    assert_int_equal(world.script.count, 0);
    assert_true(world.script.started < 10);
    execute(&world, "DROP TRIGGER full");
    log_catch(&world);
    pass(&world, US_PER_S);
    assert_int_equal(log_count(&world, "flush.recovered"), 1);
    (void)end_all(&world, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 10);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(world.script.started, 10);
    world_close(&world);
}

static void
a_store_that_cannot_be_read_is_asked_again(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    execute(&world, "ALTER TABLE inbox_latest RENAME TO away");
    log_catch(&world);
    wake_all(&world);
    pass(&world, 3 * US_PER_S);
    assert_in_range(log_count(&world, "handler.unread"), 2, 4);
    execute(&world, "ALTER TABLE away RENAME TO inbox_latest");
    (void)put(&world, "web", "a", "{}");
    pass(&world, US_PER_S);
    assert_int_equal(world.script.count, 1);
    world_close(&world);
}

static enum err
nothing_run(struct store_call *call, struct engine *engine)
{
    (void)call;
    (void)engine;
    return OK;
}

static void
nothing_done(struct store_call *call)
{
    (void)call;
}

static void
a_store_that_is_too_busy_is_asked_again(void **state)
{
    struct world world;
    struct gate gate;
    static struct store_call calls[256];
    size_t count = 0;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)arrive_many(&world, 2);
    gate_hold(&world, &gate, true);
    do {
        calls[count] = (struct store_call){
            .run = nothing_run,
            .done = nothing_done,
            .reply = loop_mailbox(world.loop),
            .writes = true,
        };
        assert_true(count < COUNT_OF(calls));
    } while (store_submit(&world.own_port, &calls[count++]) == OK);
    store_port_flush(&world.own_port);
    log_catch(&world);
    advance(&world, US_PER_S);
    end_with(&world, 0, HANDLING_DONE, NULL);
    clock_manual_advance(&world.clock, US_PER_S);
    look(&world, 3);
    assert_true(handle_flush_is_stuck(world.handle->flush));
    gate_release(&world, &gate);
    pass(&world, US_PER_S);
    assert_int_equal(log_count(&world, "flush.recovered"), 1);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 1);
    assert_int_equal(end_all(&world, HANDLING_DONE), 1);
    world_close(&world);
}

/* --- a new setup --- */

static void
what_is_in_hand_ends_by_the_setup_under_which_it_began(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2; timeout = 3600");
    (void)arrive_many(&world, 10);
    use_handlers(&world, "h: concurrency = 5");
    /* What was only read is dropped. */
    assert_int_equal(world.script.count, 2);
    assert_int_equal(lane_of(&world, "h")->ahead_count, 0);
    assert_int_equal(world.script.opened, 1);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.count, 1);
    assert_int_equal(world.script.closed, 0);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.closed, 1);
    assert_int_equal(world.script.opened, 2);
    assert_int_equal(world.script.count, 5);
    assert_int_equal(end_all(&world, HANDLING_DONE), 8);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 10);
    world_close(&world);
}

static void
handlers_come_and_go_with_the_setup(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "stays: | goes: timeout = 3600");
    (void)arrive_many(&world, 3);
    use_handlers(&world, "stays: | comes:");
    assert_non_null(lane_of(&world, "comes"));
    assert_non_null(lane_of(&world, "goes"));
    (void)end_all(&world, HANDLING_DONE);
    assert_null(lane_of(&world, "goes"));
    assert_int_equal(world.script.opened - world.script.closed, 2);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'goes'"), 1);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'stays'"), 3);
    /* It comes back, and goes on where it was. */
    use_handlers(&world, "stays: | goes:");
    (void)end_all(&world, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'goes'"), 3);
    world_close(&world);
}

static void
a_handler_that_comes_back_before_it_has_gone_stays(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 3600");
    (void)arrive_many(&world, 3);
    use_handlers(&world, "other:");
    use_handlers(&world, "h: concurrency = 4");
    assert_int_equal(end_all(&world, HANDLING_DONE), 3);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'h'"), 3);
    world_close(&world);
}

static void
what_waited_for_another_version_is_not_lost_by_a_new_setup(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 4; timeout = 3600");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "b");
    assert_int_equal(world.script.count, 2);
    use_handlers(&world, "h: concurrency = 4");
    end(&world, 1, HANDLING_DONE);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.count, 1);
    assert_int_equal(given(&world, 0)->revision, 1);
    assert_int_equal(given(&world, 0)->attempt, 1);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
what_waited_for_another_version_is_judged_by_the_new_setup(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 3600; concurrency = 4");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "a");
    use_handlers(&world, "h: event = order.created");
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.started, 1);
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
who_cannot_be_opened_is_tried_again(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.script.is_unopenable = true;
    log_catch(&world);
    use_handlers(&world, "h:");
    (void)arrive_about(&world, "a");
    pass(&world, 29 * US_PER_S);
    assert_int_equal(log_count(&world, "handler.unopened"), 1);
    world.script.is_unopenable = false;
    pass(&world, US_PER_S);
    assert_int_equal(world.script.count, 1);
    world_close(&world);
}

/* --- stopping --- */

static void
a_stop_waits_for_what_is_under_way(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2");
    (void)arrive_many(&world, 10);
    world_stop(&world, instant_add_us(world.clock.instant_now, 5 * US_PER_S));
    pump(&world);
    assert_int_equal(lane_of(&world, "h")->ahead_count, 0);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.count, 1);
    assert_false(world.is_stopped);
    end(&world, 0, HANDLING_FAILED);
    assert_true(world.is_stopped);
    assert_int_equal(world.script.started, 2);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 1);
    /* It has failed by itself. */
    assert_int_equal(number(&world, "SELECT attempts FROM handling"), 1);
    world_drop(&world);
    world_close(&world);
}

static void
at_the_deadline_of_a_stop_it_is_broken_off_and_no_attempt(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2; timeout = 3600");
    (void)arrive_many(&world, 4);
    world_stop(&world, instant_add_us(world.clock.instant_now, 5 * US_PER_S));
    pass(&world, 5 * US_PER_S - 1);
    assert_false(world.is_stopped);
    pass(&world, 1);
    assert_true(world.is_stopped);
    assert_int_equal(world.script.cancelled, 2);
    assert_int_equal(number(&world, "SELECT sum(attempts) FROM handling WHERE due_us > 0"), 0);
    world_drop(&world);
    /* The next life goes on with all four. */
    world_start(&world);
    use_handlers(&world, "h: concurrency = 9");
    assert_int_equal(world.script.count, 4);
    world_close(&world);
}

static void
a_stop_does_not_wait_for_a_store_that_fails(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)arrive_about(&world, "a");
    execute(&world, "CREATE TRIGGER full BEFORE UPDATE ON handler BEGIN"
                    " SELECT RAISE(ABORT, 'the disk is full'); END");
    log_catch(&world);
    end(&world, 0, HANDLING_DONE);
    world_stop(&world, instant_add_us(world.clock.instant_now, 5 * US_PER_S));
    pass(&world, 4 * US_PER_S);
    assert_false(world.is_stopped);
    pass(&world, 2 * US_PER_S);
    assert_true(world.is_stopped);
    assert_int_equal(log_count(&world, "flush.failed"), 1);
    world_drop(&world);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_loses_nothing_and_repeats_nothing_that_was_on_disk),
        cmocka_unit_test(what_is_done_is_on_disk_within_a_fifth_of_a_second),
        cmocka_unit_test(many_outcomes_are_written_at_once),
        cmocka_unit_test(what_ends_while_others_are_written_is_written_next),
        cmocka_unit_test(nothing_begins_while_outcomes_cannot_be_written),
        cmocka_unit_test(a_store_that_cannot_be_read_is_asked_again),
        cmocka_unit_test(a_store_that_is_too_busy_is_asked_again),
        cmocka_unit_test(what_is_in_hand_ends_by_the_setup_under_which_it_began),
        cmocka_unit_test(handlers_come_and_go_with_the_setup),
        cmocka_unit_test(a_handler_that_comes_back_before_it_has_gone_stays),
        cmocka_unit_test(what_waited_for_another_version_is_not_lost_by_a_new_setup),
        cmocka_unit_test(what_waited_for_another_version_is_judged_by_the_new_setup),
        cmocka_unit_test(who_cannot_be_opened_is_tried_again),
        cmocka_unit_test(a_stop_waits_for_what_is_under_way),
        cmocka_unit_test(at_the_deadline_of_a_stop_it_is_broken_off_and_no_attempt),
        cmocka_unit_test(a_stop_does_not_wait_for_a_store_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
