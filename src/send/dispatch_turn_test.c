/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is: order within a webinar, fairness between fan-outs, rates and limits, and the
 * wall clock.
 */
#include <string.h>

#include "send/attempt.h"
#include "send/dispatch.h"
#include "support/sending.h"

static void
a_hundred_events_of_one_webinar_arrive_in_order(void **state)
{
    int64_t newest[3] = {0};
    struct world world;
    size_t told = 0;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 3);
    for (int i = 0; i < 100; i++) {
        perform(&world, tell, 77);
        if (i % 3 == 0)
            dispatch_wake(world.set, &hook, 1);
    }
    wake(&world, hook);
    while (world.network.count > 0) {
        size_t i = world.network.count - 1;
        size_t member = member_of(world.network.under_way[i]);
        int64_t sequence = delivery_of(world.network.under_way[i]).sequence;

        assert_true(member < 3 && newest[member] < sequence);
        newest[member] = sequence;
        told++;
        answer_status(&world, i, 200);
        pump(&world);
    }
    assert_int_equal(told, 300);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
forty_open_fanouts_all_get_through(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 150);
    for (int i = 0; i < 40; i++) {
        world.told = i % 2 == 0 ? 0 : 3;
        perform(&world, tell, 100 + i);
    }
    wake(&world, hook);
    while (world.network.count > 0) {
        assert_true(lane_of(&world, hook)->fanout_count <= LANE_FANOUTS_MAX);
        answer_some(&world, 1, world.network.started % 50 == 0 ? 500 : 200);
    }
    advance(&world, 10 * US_PER_S);
    answer_all(&world, 200);
    assert_settled(&world, 20 * 150 + 20 * 3);
    world_close(&world);
}

static void
a_booking_does_not_wait_behind_any_number_of_bulks(void **state)
{
    struct world world;
    size_t answered = 0;
    bool is_told = false;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 500);
    for (int i = 0; i < 20; i++)
        perform(&world, tell, 100 + i);
    wake(&world, hook);
    world.told = 1;
    int64_t booking = tell_hook(&world, hook, 5);
    while (!is_told) {
        answer_status(&world, 0, 200);
        assert_true(++answered <= 4);
        pump(&world);
        for (size_t i = 0; i < world.network.count; i++)
            is_told =
                is_told || number_of(world.network.under_way[i], "x-usher-sequence") == booking;
    }
    /* And the bulks get on beside a stream of bookings. */
    for (int i = 0; i < 30; i++) {
        tell_hook(&world, hook, 1000 + i);
        answer_some(&world, 4, 200);
    }
    answer_all(&world, 200);
    assert_settled(&world, 20 * 500 + 31);
    world_close(&world);
}

static void
a_thousand_waiting_chunks_get_through(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 1000);
    answer_all(&world, 200);
    /* As if each of them had failed at a moment of its own. */
    execute(&world, "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
                    " INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts,"
                    " due_us, todo) SELECT 100000 + i, 1, 1, i, 1, 1, 1000 + i, x'01' FROM n;"
                    "UPDATE fanout SET status = 'sending', delivered = 0");
    size_t before = world.network.started;
    wake(&world, hook);
    answer_all(&world, 200);
    assert_int_equal(world.network.started - before, 1000);
    assert_settled(&world, 1000);
    world_close(&world);
}

static void
answer_all_but_the_last_of_each_chunk(struct world *world)
{
    for (bool is_over = false; !is_over;) {
        is_over = true;
        for (size_t i = world->network.count; i > 0; i--) {
            struct attempt *attempt = (struct attempt *)world->network.under_way[i - 1];
            bool is_booking = attempt->chunk->fanout->row.webinar_pk == 500;

            if (!is_booking && attempt->chunk->todo_count == 1)
                continue;
            is_over = false;
            answer_status(world, i - 1, is_booking ? 500 : 200);
        }
        pump(world);
    }
}

/* The store would still give it out, for only the next flush says that it is in hand. */
static void
a_chunk_that_is_tried_again_is_never_taken_up_twice(void **state)
{
    enum { FANOUTS = 14 };

    struct world world;
    struct gate gate;

    (void)state;
    world_open(&world);
    world.max_in_flight = 256;
    world.dispatch->turns.young_max = 256;
    int64_t hook = make_audience(&world, 1000);
    world.told = 1000;
    for (int i = 0; i < FANOUTS; i++)
        perform(&world, tell, 100 + i);
    world.told = 1;
    perform(&world, tell, 500);
    wake(&world, hook);
    for (int i = 0; i < 4; i++) {
        answer_all_but_the_last_of_each_chunk(&world);
        wake(&world, hook);
    }
    advance(&world, US_PER_S);
    size_t in_hand = world.network.count;
    assert_true(in_hand > 56);
    /* The booking comes back, and while that is being flushed there is news. */
    gate_hold(&world, &gate, true);
    clock_manual_advance(&world.clock, 10 * US_PER_S);
    look(&world, 10);
    assert_int_equal(world.network.count, in_hand + 1);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 10);
    assert_int_equal(world.network.count, in_hand + 1);
    gate_release(&world, &gate);
    pump(&world);
    answer_all(&world, 200);
    assert_int_equal(perform(&world, count_delivered, 0), FANOUTS * 1000 + 1);
    world_close(&world);
}

/* --- rates and limits --- */

static void
a_rate_limit_is_kept_and_used_up(void **state)
{
    enum { RATE = 10, MEMBERS = 100 };

    int64_t starts_us[MEMBERS];
    struct world world;
    size_t told = 0;
    int64_t began_us;

    (void)state;
    world_open(&world);
    world.rate_limit = RATE;
    int64_t hook = make_audience(&world, MEMBERS);
    began_us = world.clock.instant_now.us;
    tell_hook(&world, hook, 77);
    for (int turns = 0; told < MEMBERS; turns++) {
        struct instant next;

        assert_true(turns < 10000);
        while (world.network.count > 0) {
            starts_us[told++] = world.clock.instant_now.us;
            answer_status(&world, 0, 200);
        }
        pump(&world);
        next = dispatch_tick(world.dispatch, world.clock.instant_now);
        if (world.network.count > 0 || next.us == INSTANT_NEVER.us)
            continue;
        assert_true(next.us > world.clock.instant_now.us);
        clock_manual_advance(&world.clock, next.us - world.clock.instant_now.us);
    }
    for (size_t i = RATE + 1; i < MEMBERS; i++)
        assert_true(starts_us[i] - starts_us[i - RATE - 1] >= US_PER_S - US_PER_S / 20);
    assert_in_range(starts_us[MEMBERS - 1] - began_us, (MEMBERS - 2) * US_PER_S / RATE,
        (MEMBERS + 2) * US_PER_S / RATE);
    pump(&world);
    assert_int_equal(perform(&world, count_delivered, 0), MEMBERS);
    world_close(&world);
}

static void
a_higher_rate_holds_from_the_edit_on(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.rate_limit = 0.1;
    int64_t hook = make_told(&world, 20);
    assert_int_equal(world.network.started, 1);
    answer_status(&world, 0, 200);
    advance(&world, US_PER_S);
    assert_int_equal(world.network.started, 1);
    execute(&world, "UPDATE hook SET rate_limit = 100");
    tell_change(&world, hook);
    pump(&world);
    assert_true(world.network.started > 1);
    for (int i = 0; i < 30; i++) {
        answer_all(&world, 200);
        advance(&world, US_PER_S / 50);
    }
    assert_int_equal(world.network.started, 20);
    world_close(&world);
}

static size_t
count_of_hook(const struct world *world, int64_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < world->network.count; i++)
        count += id_equals(delivery_of(world->network.under_way[i]).hook, numbered(n));
    return count;
}

static void
limits_in_flight_are_never_exceeded(void **state)
{
    int64_t hooks[3];
    struct random random;
    struct world world;
    size_t most = 0;

    (void)state;
    random_seed(&random, 42);
    world_open(&world);
    world.dispatch->turns.young_max = 12;
    world.max_in_flight = 5;
    for (int i = 0; i < 3; i++)
        hooks[i] = perform(&world, make_hook, 1 + i);
    perform(&world, make_members, 200);
    perform(&world, tell, 77);
    perform(&world, tell, 78);
    wake_hooks(&world, hooks, 3);
    while (world.network.count > 0) {
        assert_in_range(world.network.count, 1, 12);
        for (int i = 0; i < 3; i++) {
            size_t count = count_of_hook(&world, 1 + i);

            assert_true(count <= 5);
            most = count > most ? count : most;
        }
        answer_status(&world, random_next(&random) % world.network.count,
            random_next(&random) % 20 == 0 ? 500 : 200);
        pump(&world);
    }
    assert_int_equal(most, 5);
    assert_int_equal(world.network.most, 12);
    world_close(&world);
}

/* --- the wall clock --- */

static void
who_failed_while_the_clock_was_wrong_is_not_kept_waiting_for_years(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 3);
    world.clock.walltime_now.us += 3650 * US_PER_DAY;
    tell_hook(&world, hook, 77);
    answer_all(&world, 500);
    advance(&world, US_PER_S);
    world.clock.walltime_now.us -= 3650 * US_PER_DAY;
    for (int i = 0; i < 3; i++)
        advance(&world, 61 * US_PER_S);
    wake(&world, hook);
    assert_int_equal(answer_all(&world, 200), 3);
    assert_int_equal(perform(&world, count_open, 0), 0);

    /* Set forward, what waits is due. */
    tell_hook(&world, hook, 78);
    answer_all(&world, 500);
    world.clock.walltime_now.us += US_PER_DAY;
    advance(&world, 61 * US_PER_S);
    assert_int_equal(answer_all(&world, 200), 3);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_events_of_one_webinar_arrive_in_order),
        cmocka_unit_test(forty_open_fanouts_all_get_through),
        cmocka_unit_test(a_booking_does_not_wait_behind_any_number_of_bulks),
        cmocka_unit_test(a_thousand_waiting_chunks_get_through),
        cmocka_unit_test(a_chunk_that_is_tried_again_is_never_taken_up_twice),
        cmocka_unit_test(a_rate_limit_is_kept_and_used_up),
        cmocka_unit_test(a_higher_rate_holds_from_the_edit_on),
        cmocka_unit_test(limits_in_flight_are_never_exceeded),
        cmocka_unit_test(who_failed_while_the_clock_was_wrong_is_not_kept_waiting_for_years),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
