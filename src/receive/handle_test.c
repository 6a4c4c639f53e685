/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handle.h"

#include "os/metrics.h"
#include "support/handling.h"

/* --- what is handled, and in which order --- */

static void
an_item_is_handled_once_and_the_cursor_passes_it(void **state)
{
    struct world world;
    int64_t pk;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    pk = arrive_about(&world, "a");
    assert_int_equal(world.script.count, 1);
    end(&world, 0, HANDLING_DONE);
    wake_all(&world);
    assert_int_equal(world.script.started, 1);
    assert_int_equal(number(&world, "SELECT next_pk FROM handler"), pk + 1);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 1);
    /* What went well leaves nothing behind. */
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log"), 0);
    world_close(&world);
}

static void
a_handler_is_told_all_of_an_item(void **state)
{
    struct world world;
    const struct handling *handling;
    int64_t pk;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 7; concurrency = 2");
    (void)arrive_from(&world, "web", "a", "{\"name\":\"Ann\"}");
    end(&world, 0, HANDLING_DONE);
    pk = arrive_from(&world, "web", "a", "{\"name\":\"Anne\",\"email\":\"anne@example.com\"}");
    handling = given(&world, 0);
    assert_int_equal(handling->sequence, pk);
    assert_true(str_starts(handling->id, STR("in_")));
    assert_int_equal(handling->revision, 1);
    assert_true(handling->is_update);
    assert_int_equal(handling->attempt, 1);
    assert_true(str_equals(handling->source, STR("web")));
    assert_true(str_equals(handling->event, STR("webinar.created.single")));
    assert_true(str_equals(handling->object, STR("a")));
    assert_true(str_equals(handling->person, STR("e:ann@example.com")));
    assert_null(handling->sender_id.ptr);
    assert_int_equal(handling->received_at.us, world.clock.walltime_now.us);
    assert_true(str_equals(handling->headers, STR("content-type: application/json\n")));
    assert_true(
        str_equals(handling->body, STR("{\"name\":\"Anne\",\"email\":\"anne@example.com\"}")));
    assert_true(str_equals(handling->received->name, STR("Anne")));
    assert_int_equal(handling->deadline.us, world.clock.instant_now.us + 7 * US_PER_S);
    world_close(&world);
}

static void
items_are_handled_in_the_order_in_which_they_came(void **state)
{
    struct world world;
    int64_t last = 0;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)arrive_many(&world, 500);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(world.script.count, 1);
        assert_true(given(&world, 0)->sequence > last);
        last = given(&world, 0)->sequence;
        end(&world, 0, HANDLING_DONE);
    }
    assert_int_equal(world.script.count, 0);
    world_close(&world);
}

static void
no_more_are_under_way_than_the_handler_bears(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 5");
    (void)arrive_many(&world, 20);
    assert_int_equal(world.script.count, 5);
    assert_int_equal(end_all(&world, HANDLING_DONE), 20);
    assert_int_equal(world.script.most, 5);
    world_close(&world);
}

static void
few_begin_in_one_turn(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 100; rate = 1000");
    (void)arrive_many(&world, 50);
    assert_int_equal(world.script.started, 1);
    /* So long that forty more could begin at once. */
    clock_manual_advance(&world.clock, 40 * US_PER_MS);
    assert_int_equal(next_tick(&world).us, world.clock.instant_now.us);
    assert_in_range(world.script.started, 2, 16);
    pump(&world);
    assert_int_equal(world.script.started, 41);
    world_close(&world);
}

static void
starts_keep_to_the_rate(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: rate = 2; concurrency = 100");
    (void)arrive_many(&world, 20);
    assert_int_equal(world.script.started, 1);
    advance(&world, US_PER_S / 2 - 1);
    assert_int_equal(world.script.started, 1);
    advance(&world, 1);
    assert_int_equal(world.script.started, 2);
    pass(&world, 5 * US_PER_S);
    assert_int_equal(world.script.started, 12);
    world_close(&world);
}

static void
a_handler_gets_only_what_it_wants(void **state)
{
    struct world world;
    int64_t last;

    (void)state;
    world_open(&world);
    use_handlers(&world, "all: | some: source = web; event = webinar.*; where = plan = gold;"
                         "concurrency = 9 | none: event = order.created");
    (void)arrive_from(&world, "web", "a", "{\"plan\":\"gold\"}");
    (void)arrive_from(&world, "web", "b", "{\"plan\":\"tin\"}");
    last = arrive_from(&world, "raw", "c", "{\"plan\":\"gold\"}");
    assert_int_equal(end_all(&world, HANDLING_DONE), 4);
    wake_all(&world);
    advance(&world, US_PER_S / 5);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'all'"), 3);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'some'"), 1);
    assert_int_equal(number(&world, "SELECT passed_over FROM handler WHERE name = 'some'"), 1);
    assert_int_equal(number(&world, "SELECT passed_over FROM handler WHERE name = 'none'"), 3);
    assert_int_equal(number(&world, "SELECT next_pk FROM handler WHERE name = 'none'"), last + 1);
    assert_int_equal(number(&world, "SELECT next_pk FROM handler WHERE name = 'some'"), last + 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling_log"), 0);
    world_close(&world);
}

static void
a_new_handler_begins_now_or_with_everything(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    (void)put(&world, "web", "a", "{}");
    (void)put(&world, "web", "b", "{}");
    use_handlers(&world, "now: concurrency = 9 | all: concurrency = 9; start = all");
    assert_int_equal(world.script.count, 2);
    (void)arrive_about(&world, "c");
    assert_int_equal(world.script.count, 4);
    assert_int_equal(end_all(&world, HANDLING_DONE), 4);
    assert_int_equal(number(&world, "SELECT handled FROM handler WHERE name = 'now'"), 1);
    world_close(&world);
}

static void
a_stale_item_is_never_handled(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)put(&world, "web", "a", "{}");
    execute(&world, "UPDATE inbox SET flags = flags | 4");
    wake_all(&world);
    assert_int_equal(world.script.started, 0);
    world_close(&world);
}

/* --- one does not hold up another --- */

static void
a_slow_handling_does_not_stop_the_line(void **state)
{
    struct world world;
    int64_t first;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2; timeout = 3600");
    first = arrive_many(&world, 300);
    /* The first of them takes its time. */
    for (int i = 0; i < 299; i++) {
        assert_int_equal(given(&world, 0)->sequence, first);
        end(&world, 1, HANDLING_DONE);
    }
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT next_pk FROM handler"), first + 300);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 299);
    /* It alone has a row, which says that it is in hand. */
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 1);
    assert_int_equal(number(&world, "SELECT inbox_pk FROM handling WHERE due_us = 0"), first);
    /* Which is said once. */
    execute(&world, "CREATE TRIGGER again BEFORE UPDATE ON handling BEGIN"
                    " SELECT RAISE(ABORT, 'said already'); END");
    (void)arrive_about(&world, "a");
    end(&world, 1, HANDLING_DONE);
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 300);
    execute(&world, "DROP TRIGGER again");
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
a_handler_that_hangs_does_not_hold_up_another(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "slow: timeout = 3600 | quick: concurrency = 100");
    (void)arrive_many(&world, 50);
    assert_int_equal(world.script.count, 51);
    for (size_t i; (i = find_given(&world, "quick")) != SIZE_MAX;)
        end(&world, i, HANDLING_DONE);
    assert_int_equal(world.script.count, 1);
    advance(&world, US_PER_S / 5);
    assert_int_equal(number(&world, "SELECT sum(handled) FROM handler"), 50);
    world_close(&world);
}

static void
reading_ahead_is_bounded(void **state)
{
    struct world world;
    const struct handler_lane *lane;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 3600");
    (void)arrive_many(&world, 512);
    (void)arrive_many(&world, 512);
    lane = lane_of(&world, "h");
    assert_int_equal(lane->ahead_count, LANE_AHEAD_MAX);
    assert_int_equal(lane->held.count, LANE_AHEAD_MAX + 1);
    assert_int_equal(end_all(&world, HANDLING_DONE), 1024);
    assert_int_equal(lane->held.count, 0);
    assert_int_equal(lane->ahead_bytes, 0);
    world_close(&world);
}

static void
what_takes_too_long_is_cancelled(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 10; concurrency = 2; retry-delays = 100");
    (void)arrive_about(&world, "a");
    advance(&world, 9 * US_PER_S);
    (void)arrive_about(&world, "b");
    assert_int_equal(world.script.cancelled, 0);
    assert_int_equal(next_tick(&world).us, given(&world, 0)->deadline.us);
    advance(&world, US_PER_S);
    /* The other has nine seconds left. */
    assert_int_equal(world.script.cancelled, 1);
    assert_int_equal(world.script.count, 1);
    pump(&world);
    assert_int_equal(number(&world, "SELECT attempts FROM handling WHERE due_us > 0"), 1);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE detail = 'broken off'"), 1);
    world_close(&world);
}

static void
what_was_done_when_it_was_cancelled_stays_done(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 10; concurrency = 2");
    world.script.is_stubborn = true;
    (void)arrive_about(&world, "a");
    advance(&world, 10 * US_PER_S);
    assert_int_equal(world.script.cancelled, 1);
    assert_int_equal(world.script.count, 1);
    /* Told once. */
    advance(&world, 10 * US_PER_S);
    assert_int_equal(world.script.cancelled, 1);
    /* It is in hand all the while. */
    (void)arrive_about(&world, "b");
    end(&world, 1, HANDLING_DONE);
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE due_us = 0"), 1);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 2);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

/* --- versions --- */

static void
a_newer_version_overtakes_an_older_one_that_was_not_handled(void **state)
{
    struct world world;
    int64_t newest;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 3600");
    (void)arrive_about(&world, "first");
    /* Read already, and then read in one go. */
    (void)arrive_about(&world, "a");
    (void)put(&world, "web", "a", "{}");
    newest = arrive_about(&world, "a");
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(given(&world, 0)->sequence, newest);
    assert_int_equal(given(&world, 0)->revision, 2);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.started, 2);
    assert_int_equal(number(&world, "SELECT passed_over FROM handler"), 2);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'superseded'"), 2);
    world_close(&world);
}

static void
a_newer_version_overtakes_also_what_was_read_long_ago(void **state)
{
    struct world world;
    int64_t newest;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 3600");
    (void)arrive_about(&world, "first");
    (void)arrive_about(&world, "a");
    /* So much is read ahead that what comes now is not. */
    (void)arrive_many(&world, 400);
    newest = arrive_about(&world, "a");
    assert_int_equal(lane_of(&world, "h")->read_pk < newest, true);
    advance(&world, 2 * US_PER_S);
    end(&world, 0, HANDLING_DONE);
    assert_true(str_starts(given(&world, 0)->object, STR("o")));
    assert_int_equal(end_all(&world, HANDLING_DONE), 401);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'superseded'"), 1);
    world_close(&world);
}

static void
where_each_call_counts_none_is_overtaken(void **state)
{
    static const char *const sources[] = {"shop", "raw"};
    struct world world;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        world_open(&world);
        use_handlers(&world, "h:");
        (void)put(&world, sources[i], "a", "{}");
        (void)put(&world, sources[i], "a", "{}");
        (void)put(&world, sources[i], "a", "{}");
        wake_all(&world);
        assert_int_equal(end_all(&world, HANDLING_DONE), 3);
        world_close(&world);
    }
}

static void
what_is_about_nothing_is_not_overtaken(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h:");
    (void)put(&world, "web", NULL, "{}");
    (void)put(&world, "web", NULL, "{}");
    wake_all(&world);
    assert_int_equal(end_all(&world, HANDLING_DONE), 2);
    world_close(&world);
}

static void
two_versions_are_never_under_way_at_once(void **state)
{
    struct world world;
    int64_t newest;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 10; timeout = 3600");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "a");
    newest = arrive_about(&world, "a");
    (void)arrive_about(&world, "b");
    /* The others wait, and do not hold up what comes after them. */
    assert_int_equal(world.script.count, 2);
    assert_true(str_equals(given(&world, 1)->object, STR("b")));
    end(&world, 1, HANDLING_DONE);
    advance(&world, US_PER_S);
    /* The one under way, and the newest. */
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE due_us = 0"), 2);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.count, 1);
    assert_int_equal(given(&world, 0)->sequence, newest);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.started, 3);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'superseded'"), 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling"), 0);
    world_close(&world);
}

static void
who_waited_for_another_version_keeps_to_the_rate_and_stays_in_hand(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 4; rate = 1; timeout = 3600");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "b");
    advance(&world, US_PER_S);
    assert_true(str_equals(given(&world, 1)->object, STR("b")));
    end(&world, 0, HANDLING_DONE);
    advance(&world, US_PER_S / 2);
    assert_int_equal(world.script.count, 1);
    assert_int_equal(number(&world, "SELECT count(*) FROM handling WHERE due_us = 0"), 2);
    advance(&world, US_PER_S / 2);
    assert_int_equal(world.script.count, 2);
    world_close(&world);
}

static void
who_waited_for_another_version_is_overtaken_also_when_its_turn_has_come(void **state)
{
    struct world world;
    int64_t newest;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2; rate = 1; timeout = 3600");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "a");
    advance(&world, US_PER_S);
    (void)arrive_about(&world, "b");
    assert_int_equal(world.script.count, 2);
    /* Nothing is in its way any more but the rate. */
    end(&world, 0, HANDLING_DONE);
    newest = arrive_about(&world, "a");
    advance(&world, US_PER_S);
    assert_int_equal(world.script.count, 2);
    assert_int_equal(given(&world, 1)->sequence, newest);
    assert_int_equal(
        number(&world, "SELECT count(*) FROM handling_log WHERE outcome = 'superseded'"), 1);
    world_close(&world);
}

static void
who_waits_for_another_version_is_overtaken_by_a_newer_one(void **state)
{
    struct world world;
    int64_t newest;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 2; timeout = 3600");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "a");
    (void)arrive_about(&world, "b");
    /* There is no room to take it up, but it was read. */
    newest = arrive_about(&world, "a");
    assert_int_equal(world.script.count, 2);
    end(&world, 0, HANDLING_DONE);
    assert_int_equal(world.script.count, 2);
    assert_int_equal(given(&world, 1)->sequence, newest);
    world_close(&world);
}

static void
what_is_read_while_its_place_changes_is_read_again(void **state)
{
    struct world world;
    struct gate first;
    struct gate second;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: timeout = 3600");
    (void)arrive_many(&world, 3);
    gate_hold(&world, &first, false);
    gate_hold(&world, &second, false);
    (void)put(&world, "web", "a", "{}");
    handle_wake(world.set, NULL, 0);
    look(&world, 3);
    assert_int_equal(world.handle->reads, 1);
    /* What was read before is out of date now, and let go. */
    clock_manual_advance(&world.clock, 2 * US_PER_S);
    end_with(&world, 0, HANDLING_DONE, NULL);
    look(&world, 3);
    assert_int_equal(world.script.count, 0);
    assert_int_equal(lane_of(&world, "h")->ahead_count, 0);
    gate_release(&world, &first);
    gate_release(&world, &second);
    pump(&world);
    assert_int_equal(end_all(&world, HANDLING_DONE), 3);
    assert_int_equal(number(&world, "SELECT handled FROM handler"), 4);
    world_close(&world);
}

/* --- waking --- */

static void
who_has_nothing_to_do_does_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: | web: source = web");
    assert_int_equal(next_tick(&world).us, INSTANT_NEVER.us);
    (void)arrive_about(&world, "a");
    (void)end_all(&world, HANDLING_DONE);
    assert_int_equal(next_tick(&world).us, INSTANT_NEVER.us);
    assert_int_equal(world.handle->reads, 0);
    world_close(&world);
}

static void
a_handler_is_woken_by_its_own_sources_alone(void **state)
{
    struct world world;
    int64_t raw;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: source = web");
    (void)put(&world, "web", "a", "{}");
    raw = number(&world, "SELECT source_pk FROM source WHERE name = 'raw'");
    handle_wake(world.set, &raw, 1);
    pump(&world);
    assert_int_equal(world.script.started, 0);
    wake_all(&world);
    assert_int_equal(world.script.started, 1);
    world_close(&world);
}

static void
what_comes_while_it_is_read_is_not_missed(void **state)
{
    struct world world;
    struct gate first;
    struct gate second;
    int64_t reads;
    int64_t web;

    (void)state;
    world_open(&world);
    use_handlers(&world, "h: concurrency = 10");
    web = number(&world, "SELECT source_pk FROM source WHERE name = 'web'");
    /* Both readers are held up, so the read is under way when the next call comes. */
    gate_hold(&world, &first, false);
    gate_hold(&world, &second, false);
    (void)put(&world, "web", "a", "{}");
    handle_wake(world.set, &web, 1);
    look(&world, 3);
    assert_int_equal(world.handle->reads, 1);
    (void)put(&world, "web", "b", "{}");
    handle_wake(world.set, &web, 1);
    look(&world, 3);
    assert_int_equal(world.handle->reads, 1);
    assert_true(lane_of(&world, "h")->has_news);
    reads = metric_get(METRIC_store_reads_total);
    gate_release(&world, &first);
    gate_release(&world, &second);
    pump(&world);
    assert_int_equal(world.script.count, 2);
    /* Both gates, this read, and one for what it may have been too early for. */
    assert_int_equal(metric_get(METRIC_store_reads_total) - reads, 4);
    world_close(&world);
}

static void
each_loop_handles_its_share(void **state)
{
    struct world world;
    struct handle_set *both;
    struct handle *handle;
    struct handle_options options;

    (void)state;
    world_open(&world);
    use_handlers(&world, "a: | b: | c:");
    assert_int_equal(handle_set_new(2, &both, &world.error), OK);
    options = world.handle->options;
    options.set = both;
    options.index = 1;
    assert_int_equal(handle_new(&options, &handle, &world.error), OK);
    /* The other loop's is not there yet, and is left out. */
    handle_setup(both, world.setup);
    handle_wake(both, NULL, 0);
    for (int i = 0; i < 100; i++) {
        (void)handle_tick(handle, world.clock.instant_now);
        look(&world, 1);
    }
    LIST_FOREACH(&handle->lanes, it)
    {
        assert_int_equal(LIST_ENTRY(it, struct handler_lane, link)->handler_pk % 2, 1);
    }
    assert_false(list_is_empty(&handle->lanes));
    handle_free(handle);
    handle_set_free(both);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_handled_once_and_the_cursor_passes_it),
        cmocka_unit_test(a_handler_is_told_all_of_an_item),
        cmocka_unit_test(items_are_handled_in_the_order_in_which_they_came),
        cmocka_unit_test(no_more_are_under_way_than_the_handler_bears),
        cmocka_unit_test(few_begin_in_one_turn),
        cmocka_unit_test(starts_keep_to_the_rate),
        cmocka_unit_test(a_handler_gets_only_what_it_wants),
        cmocka_unit_test(a_new_handler_begins_now_or_with_everything),
        cmocka_unit_test(a_stale_item_is_never_handled),
        cmocka_unit_test(a_slow_handling_does_not_stop_the_line),
        cmocka_unit_test(a_handler_that_hangs_does_not_hold_up_another),
        cmocka_unit_test(reading_ahead_is_bounded),
        cmocka_unit_test(what_takes_too_long_is_cancelled),
        cmocka_unit_test(what_was_done_when_it_was_cancelled_stays_done),
        cmocka_unit_test(a_newer_version_overtakes_an_older_one_that_was_not_handled),
        cmocka_unit_test(a_newer_version_overtakes_also_what_was_read_long_ago),
        cmocka_unit_test(where_each_call_counts_none_is_overtaken),
        cmocka_unit_test(what_is_about_nothing_is_not_overtaken),
        cmocka_unit_test(two_versions_are_never_under_way_at_once),
        cmocka_unit_test(who_waited_for_another_version_keeps_to_the_rate_and_stays_in_hand),
        cmocka_unit_test(who_waited_for_another_version_is_overtaken_also_when_its_turn_has_come),
        cmocka_unit_test(who_waits_for_another_version_is_overtaken_by_a_newer_one),
        cmocka_unit_test(what_is_read_while_its_place_changes_is_read_again),
        cmocka_unit_test(who_has_nothing_to_do_does_nothing),
        cmocka_unit_test(a_handler_is_woken_by_its_own_sources_alone),
        cmocka_unit_test(what_comes_while_it_is_read_is_not_missed),
        cmocka_unit_test(each_loop_handles_its_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
