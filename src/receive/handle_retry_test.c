/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handle.h"
#include "support/handling.h"

/* Up to a fifth more or less than what the schedule says. */
#define LATEST(us) ((us) + (us) / 5)

/* --- attempts --- */

static void
what_failed_is_tried_again_by_the_schedule(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10,100");
    (void)arrive_about(&world, "a");
    end_with(&world, 0, HANDLING_FAILED, "no luck");
    pump(&world);
    assert_int_equal(number(&world, "SELECT attempts FROM handling WHERE dead_us IS NULL"), 1);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'failed' AND attempt = 1"
                       " AND detail = 'no luck'"),
        1);
    advance(&world, 8 * US_PER_S - 1);
    assert_int_equal(world.script.count, 0);
    pass(&world, 4 * US_PER_S + 1);
    assert_int_equal(given(&world, 0)->attempt, 2);
    end(&world, 0, HANDLING_FAILED);
    advance(&world, 79 * US_PER_S);
    assert_int_equal(world.script.count, 0);
    pass(&world, 41 * US_PER_S);
    assert_int_equal(given(&world, 0)->attempt, 3);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 1);
    assert_int_equal(number(&world, "SELECT failed FROM handler"), 2);
    world_close(&world);
}

static void
others_go_on_while_one_waits(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 1000");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_FAILED);
    (void)arrive_many(&world, 10);
    assert_int_equal(end_all(&world, HANDLING_DONE), 10);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 10);
    world_close(&world);
}

static void
it_is_given_up_after_the_last_attempt(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10; attempts-max = 3");
    (void)arrive_about(&world, "a");
    log_catch(&world);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(given(&world, 0)->attempt, i + 1);
        end(&world, 0, HANDLING_FAILED);
        pass(&world, LATEST(10 * US_PER_S));
    }
    assert_int_equal(log_count(&world, "handling.abandoned"), 1);
    assert_int_equal(world.script.started, 3);
    assert_int_equal(number(&world, "SELECT attempts FROM handling WHERE dead_us IS NOT NULL"), 3);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log"), 3);
    assert_int_equal(atomic_load(&lane_of(&world, "h")->counts->handlings[HANDLED_DEAD]) > 0, true);
    pass(&world, US_PER_DAY);
    assert_int_equal(world.script.started, 3);
    world_close(&world);
}

static void
what_is_refused_is_given_up_at_once(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_REFUSED);
    assert_int_equal(number(&world, "SELECT attempts FROM handling WHERE dead_us IS NOT NULL"), 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'refused'"),
        1);
    world_close(&world);
}

static void
what_cannot_be_read_is_given_up_without_being_begun(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)arrive_from(&world, "web", "a", "{\"name\":");
    assert_int_equal(world.script.started, 0);
    assert_int_equal(number(&world, "SELECT attempts FROM handling WHERE dead_us IS NOT NULL"), 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log WHERE detail <> ''"), 1);
    world_close(&world);
}

static void
a_handler_may_ask_for_more_time(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10");
    (void)arrive_about(&world, "a");
    given(&world, 0)->retry_after_us = 600 * US_PER_S;
    end(&world, 0, HANDLING_FAILED);
    pass(&world, 599 * US_PER_S);
    assert_int_equal(world.script.count, 0);
    pass(&world, US_PER_S);
    assert_int_equal(world.script.count, 1);
    world_close(&world);
}

static void
what_a_handler_says_is_kept(void **state)
{
    struct world world;
    char output[HANDLER_OUTPUT_BYTES_MAX + 100];

    (void)state;
    memset(output, 'x', sizeof(output));
    world_open(&world);
    use_handlers(&world, "h:");
    (void)arrive_about(&world, "a");
    advance(&world, 5);
    given(&world, 0)->output = (struct str){output, sizeof(output)};
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT length(output) FROM handling_log"
                                    " WHERE outcome = 'done' AND took_us = 5"),
        HANDLER_OUTPUT_BYTES_MAX);
    world_close(&world);
}

/* --- later --- */

static void
later_is_no_attempt_and_pauses_the_handler(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 3; attempts-max = 1");
    (void)arrive_many(&world, 10);
    for (int i = 0; i < 3; i++)
        end_with(&world, 0, HANDLING_LATER, "the database is locked");
    pump(&world);
    assert_int_equal(world.script.count, 0);
    assert_int_equal(number(&world, "SELECT sum(attempts) FROM handling"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE dead_us IS NULL"), 3);
    advance(&world, US_PER_S - 1);
    assert_int_equal(world.script.count, 0);
    /* Then one alone, to see. */
    pass(&world, US_PER_S / 2);
    assert_int_equal(world.script.count, 1);
    end(&world, 0, HANDLING_LATER);
    advance(&world, 2 * US_PER_S - 1);
    assert_int_equal(world.script.count, 0);
    pass(&world, US_PER_S);
    assert_int_equal(world.script.count, 1);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.count, 3);
    pass(&world, 10 * US_PER_S);
    (void)end_all(&world, HANDLING_DONE);
    pass(&world, 10 * US_PER_S);
    (void)end_all(&world, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 10);
    assert_int_equal(number(&world, "SELECT failed FROM handler"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
a_pause_grows_to_five_minutes_and_no_further(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 86400");
    (void)arrive_about(&world, "a");
    for (int i = 0; i < 20; i++) {
        end(&world, 0, HANDLING_LATER);
        pass(&world, LATEST(300 * US_PER_S));
        assert_int_equal(world.script.count, 1);
    }
    end(&world, 0, HANDLING_LATER);
    pass(&world, 299 * US_PER_S);
    assert_int_equal(world.script.count, 0);
    world_close(&world);
}

static void
a_pause_lasts_as_long_as_is_asked_for(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)arrive_many(&world, 5);
    given(&world, 0)->retry_after_us = 1800 * US_PER_S;
    end(&world, 0, HANDLING_LATER);
    pass(&world, 1799 * US_PER_S);
    assert_int_equal(world.script.count, 0);
    pass(&world, US_PER_S);
    assert_int_equal(world.script.count, 1);
    world_close(&world);
}

/* --- what waits --- */

static void
what_waits_is_superseded_when_something_newer_came(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 100");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_FAILED);
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_DONE);
    pass(&world, LATEST(100 * US_PER_S));
    assert_int_equal(world.script.started, 2);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'superseded'"), 1);
    world_close(&world);
}

static void
what_is_due_and_not_begun_is_overtaken(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10; timeout = 3600");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_FAILED);
    (void)arrive_about(&world, "b");
    end(&world, 0, HANDLING_FAILED);
    advance(&world, LATEST(10 * US_PER_S));
    assert_int_equal(lane_of(&world, "h")->ahead_count, 1);
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "b");
    assert_int_equal(end_all(&world, HANDLING_DONE), 3);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'superseded'"), 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
a_failed_version_does_not_block_the_one_behind_it(void **state)
{
    struct world world;
    int64_t newer;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 100; concurrency = 4");
    (void)arrive_about(&world, "a");
    newer = arrive_about(&world, "a");
    assert_int_equal(world.script.count, 1);
    end(&world, 0, HANDLING_FAILED);
    assert_int_equal(given(&world, 0)->sequence, newer);
    world_close(&world);
}

static void
what_waited_and_what_is_new_take_turns(void **state)
{
    struct world world;
    size_t retries = 0;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10");
    (void)arrive_many(&world, 100);
    assert_int_equal(end_all(&world, HANDLING_FAILED), 100);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 100);
    advance(&world, LATEST(10 * US_PER_S));
    (void)arrive_many(&world, 100);
    for (int i = 0; i < 40; i++) {
        retries += given(&world, 0)->attempt == 2;
        end(&world, 0, HANDLING_DONE);
    }
    assert_in_range(retries, 19, 22);
    assert_int_equal(end_all(&world, HANDLING_DONE), 160);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(world.script.started, 300);
    world_close(&world);
}

static void
what_is_due_and_out_of_date_is_read_again(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10; timeout = 3600");
    (void)arrive_many(&world, 5);
    assert_int_equal(end_all(&world, HANDLING_FAILED), 5);
    advance(&world, LATEST(10 * US_PER_S));
    assert_int_equal(world.script.count, 1);
    assert_int_equal(lane_of(&world, "h")->ahead_count, 4);
    advance(&world, 2 * US_PER_S);
    (void)arrive_about(&world, "a");
    assert_int_equal(end_all(&world, HANDLING_DONE), 6);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
what_nobody_wants_any_more_is_settled(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_FAILED);
    use_handlers(&world, "h: event = order.created");
    pass(&world, LATEST(10 * US_PER_S));
    assert_int_equal(world.script.started, 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'unwanted'"),
        1);
    world_close(&world);
}

static void
a_wait_follows_the_wall_clock(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 86400");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_FAILED);
    /* The clock was wrong by a month, and is set. */
    world.clock.walltime_now.us += 30 * US_PER_DAY;
    pass(&world, US_PER_HOUR);
    assert_int_equal(world.script.count, 1);
    world_close(&world);
}

/* --- asked for by a person --- */

static enum err
retry_all(struct world *world, struct engine *engine)
{
    const struct inbox_retry_query query = {.only_dead = false};
    int64_t from = 0;
    int64_t count = 0;
    enum err err = OK;

    while (err == OK && from != INT64_MAX)
        err = inbox_retry_step(engine, &query, world->clock.walltime_now, &from, &count,
            &world->error);
    return err;
}

static void
a_dead_one_is_handled_again_when_a_person_asks(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: attempts-max = 1");
    (void)arrive_about(&world, "a");
    end(&world, 0, HANDLING_FAILED);
    run_in_store(&world, retry_all);
    pump(&world);
    assert_int_equal(world.script.count, 0);
    wake_all(&world);
    assert_int_equal(world.script.count, 1);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
a_replay_of_many_goes_through(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 10; timeout = 3600");
    (void)arrive_many(&world, 300);
    assert_int_equal(end_all(&world, HANDLING_DONE), 300);
    run_in_store(&world, retry_all);
    wake_all(&world);
    /* The first of them takes its time, and the others need not wait for the next beat. */
    for (int i = 0; i < 299; i++)
        end(&world, 1, HANDLING_DONE);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 600);
    world_close(&world);
}

static void
who_was_erased_meanwhile_leaves_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: retry-delays = 10");
    (void)arrive_about(&world, "a");
    execute(&world, "DELETE FROM inbox");
    execute(&world, "DELETE FROM inbox_latest");
    end_with(&world, 0, HANDLING_FAILED, "ann@example.com is not known");
    pump(&world);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log"), 0);
    pass(&world, US_PER_HOUR);
    assert_int_equal(world.script.started, 1);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_failed_is_tried_again_by_the_schedule),
        cmocka_unit_test(others_go_on_while_one_waits),
        cmocka_unit_test(it_is_given_up_after_the_last_attempt),
        cmocka_unit_test(what_is_refused_is_given_up_at_once),
        cmocka_unit_test(what_cannot_be_read_is_given_up_without_being_begun),
        cmocka_unit_test(a_handler_may_ask_for_more_time),
        cmocka_unit_test(what_a_handler_says_is_kept),
        cmocka_unit_test(later_is_no_attempt_and_pauses_the_handler),
        cmocka_unit_test(a_pause_grows_to_five_minutes_and_no_further),
        cmocka_unit_test(a_pause_lasts_as_long_as_is_asked_for),
        cmocka_unit_test(what_waits_is_superseded_when_something_newer_came),
        cmocka_unit_test(what_is_due_and_not_begun_is_overtaken),
        cmocka_unit_test(a_failed_version_does_not_block_the_one_behind_it),
        cmocka_unit_test(what_waited_and_what_is_new_take_turns),
        cmocka_unit_test(what_is_due_and_out_of_date_is_read_again),
        cmocka_unit_test(what_nobody_wants_any_more_is_settled),
        cmocka_unit_test(a_wait_follows_the_wall_clock),
        cmocka_unit_test(a_dead_one_is_handled_again_when_a_person_asks),
        cmocka_unit_test(a_replay_of_many_goes_through),
        cmocka_unit_test(who_was_erased_meanwhile_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
