/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent again because somebody asked for it, while its lane may have it in hand; and what is
 * told of those that were given up.
 */
#include <stdio.h>
#include <string.h>

#include "domain/delivery_id.h"
#include "send/dispatch.h"
#include "store/hooks.h"
#include "store/replay.h"
#include "support/sending.h"

static void
make_webinar(struct world *world)
{
    execute(world, "INSERT INTO webinar (webinar_pk, account_pk, id, kind, title, link, from_us,"
                   " to_us, timezone, group_pk, created_us, updated_us)"
                   " VALUES (77, 1, x'00', 'webinar', 't', 'l', 0, 0, 'UTC', 1000, 0, 0)");
}

/* The delivery that is asked for, by whoever performs. */
static struct delivery_id wanted;

static enum err
retry(struct act *act, struct engine *engine)
{
    struct delivery_found found;
    bool changed = false;
    enum err err = delivery_get(engine, 1, &wanted, &act->arena, &found, &act->call.error);

    if (err != OK)
        return err;
    err =
        delivery_retry(engine, &found, act->world->clock.walltime_now, &changed, &act->call.error);
    audience_done(&found.fanout.audience);
    act->pk = changed;
    return err;
}

static enum err
replay(struct act *act, struct engine *engine)
{
    struct event_row event;
    struct hook hook;
    enum err err = event_get(engine, 1, wanted.event, &event, &act->call.error);

    if (err == OK)
        err = hook_get_pk(engine, act->n, &act->arena, &hook, &act->call.error);
    if (err == OK)
        err = event_replay(engine, &event, &hook, act->world->clock.walltime_now, &act->call.error);
    return err;
}

static void
want(const struct world *world, size_t i)
{
    wanted = delivery_of(world->network.under_way[i]);
}

/* An event for so many, whose first one fails and waits for its retry. */
static int64_t
make_waiting(struct world *world, int64_t members)
{
    int64_t hook;

    make_webinar(world);
    hook = make_told(world, members);
    want(world, 0);
    answer_some(world, 1, 500);
    answer_all(world, 200);
    advance(world, US_PER_S / 4);
    assert_int_equal(number(world, "SELECT count(*) FROM chunk WHERE due_us > 1"), 1);
    return hook;
}

static void
assert_all_told_once(struct world *world, int64_t members, size_t started)
{
    pass(world, &(struct pass){.us = US_PER_DAY, .status = 200});
    assert_int_equal(world->network.started, started);
    assert_settled(world, members);
}

static void
a_manual_retry_takes_the_place_of_the_one_that_waits(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    assert_int_equal(perform(&world, retry, 0), 1);
    wake(&world, hook);
    assert_int_equal(world.network.count, 1);
    assert_int_equal(number_of(world.network.under_way[0], "x-usher-attempt"), 2);
    assert_true(id_equals(delivery_of(world.network.under_way[0]).attendee, wanted.attendee));
    assert_all_told_once(&world, 3, 3 + 1);
    world_close(&world);
}

static void
a_manual_retry_that_fails_leaves_one_to_wait(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    perform(&world, retry, 0);
    wake(&world, hook);
    answer_some(&world, 1, 500);
    advance(&world, US_PER_S / 4);
    assert_int_equal(number(&world, "SELECT count(*) FROM chunk"), 1);
    assert_int_equal(number(&world, "SELECT attempts = 2 AND is_manual = 0 FROM chunk"), 1);
    assert_all_told_once(&world, 3, 3 + 2);
    world_close(&world);
}

static void
a_manual_retry_of_what_is_in_hand_already_is_dropped(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    /* Its time has come, and the store does not know yet. */
    advance(&world, 10 * US_PER_S);
    assert_int_equal(world.network.count, 1);
    execute(&world, "UPDATE chunk SET due_us = 2");
    assert_int_equal(perform(&world, retry, 0), 1);
    wake(&world, hook);
    assert_int_equal(world.network.count, 1);
    assert_all_told_once(&world, 3, 3 + 1);
    world_close(&world);
}

/* While its chunk goes on, so that the store does not know of it before the next beat. */
static void
a_manual_retry_of_what_has_failed_just_now_is_made_in_its_place(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    make_webinar(&world);
    int64_t hook = make_told(&world, 3);
    answer_status(&world, 0, 500);
    answer_status(&world, 0, 500);
    pump(&world);
    answer_all(&world, 200);
    advance(&world, 10 * US_PER_S);
    assert_int_equal(number(&world, "SELECT count(*) FROM chunk"), 1);
    assert_int_equal(world.network.count, 2);
    want(&world, 0);
    execute(&world, "UPDATE chunk SET due_us = 2");
    assert_int_equal(perform(&world, retry, 0), 1);
    answer_some(&world, 1, 500);
    wake(&world, hook);
    assert_all_told_once(&world, 3, 3 + 2 + 1);
    world_close(&world);
}

/* Asked for while the store did not know yet that the scheduled one was taken up; that one was
 * delivered meanwhile, and the lane hears of the wish before the store hears of that, or after. */
static void
check_manual_behind_delivered(bool is_known)
{
    struct world world;
    struct gate gate;

    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    advance(&world, 10 * US_PER_S);
    assert_int_equal(world.network.count, 1);
    execute(&world, "UPDATE chunk SET due_us = 2");
    assert_int_equal(perform(&world, retry, 0), 1);
    if (!is_known)
        gate_hold(&world, &gate, true);
    answer_status(&world, 0, 200);
    if (is_known)
        pump(&world);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 20);
    assert_int_equal(world.network.count, 0);
    if (!is_known) {
        assert_true(flush_is_running(world.dispatch->flush));
        gate_release(&world, &gate);
    }
    assert_all_told_once(&world, 3, 3 + 1);
    world_close(&world);
}

static void
a_manual_retry_of_what_was_delivered_just_now_is_dropped(void **state)
{
    (void)state;
    check_manual_behind_delivered(true);
    check_manual_behind_delivered(false);
}

/* The row that it took the place of is gone by then. */
static void
a_manual_retry_that_was_taken_up_and_goes_back_is_still_owed(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    perform(&world, retry, 0);
    wake(&world, hook);
    advance(&world, US_PER_S / 4);
    assert_int_equal(number(&world, "SELECT count(*) FROM chunk"), 1);
    perform_change(&world, disable, hook);
    answer(&world, 0, &(struct http_result){.failure = HTTP_FAIL_CANCELLED});
    pump(&world);
    assert_int_equal(lane_of(&world, hook)->fanout_count, 0);
    perform_change(&world, enable, hook);
    pump(&world);
    assert_int_equal(world.network.count, 1);
    assert_int_equal(number_of(world.network.under_way[0], "x-usher-attempt"), 2);
    assert_all_told_once(&world, 3, 3 + 2);
    world_close(&world);
}

static void
a_manual_retry_and_a_scheduled_one_that_come_together_are_one(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    perform(&world, retry, 0);
    clock_manual_advance(&world.clock, 10 * US_PER_S);
    wake(&world, hook);
    assert_int_equal(world.network.count, 1);
    assert_all_told_once(&world, 3, 3 + 1);
    world_close(&world);
}

/* With or without its answer, before the store has heard that it was taken up. */
static void
check_due_behind_manual(bool is_answered)
{
    struct world world;
    struct gate gate;

    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    perform(&world, retry, 0);
    gate_hold(&world, &gate, true);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 20);
    assert_int_equal(world.network.count, 1);
    if (is_answered)
        answer_status(&world, 0, 200);
    clock_manual_advance(&world.clock, 10 * US_PER_S);
    look(&world, 20);
    assert_int_equal(world.network.count, is_answered ? 0 : 1);
    gate_release(&world, &gate);
    pump(&world);
    assert_all_told_once(&world, 3, 3 + 1);
    world_close(&world);
}

static void
a_scheduled_retry_that_comes_due_behind_a_manual_one_is_not_made(void **state)
{
    (void)state;
    check_due_behind_manual(false);
    check_due_behind_manual(true);
}

/* It can be read before the lane has heard that it was written. */
static void
what_came_of_a_manual_retry_is_not_taken_for_what_it_replaced(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    perform(&world, retry, 0);
    wake(&world, hook);
    assert_int_equal(world.network.count, 1);
    execute(&world, "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts,"
                    " due_us, todo) SELECT 1000, fanout_pk, hook_pk, base, count, attempts + 1, 1,"
                    " todo FROM chunk WHERE chunk_pk < 0");
    wake(&world, hook);
    assert_int_equal(world.network.count, 2);
    assert_int_equal(number_of(world.network.under_way[0], "x-usher-attempt"), 2);
    assert_int_equal(number_of(world.network.under_way[1], "x-usher-attempt"), 3);
    answer_all(&world, 200);
    world_close(&world);
}

static void
one_that_was_delivered_is_sent_again_when_it_is_wanted(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 40);
    pass(&world, &(struct pass){.us = US_PER_DAY, .status = 200});
    assert_int_equal(perform(&world, count_open, 0), 0);
    assert_int_equal(perform(&world, retry, 0), 1);
    assert_int_equal(perform(&world, count_open, 0), 1);
    wake(&world, hook);
    assert_int_equal(world.network.count, 1);
    assert_all_told_once(&world, 40, 40 + 2);
    world_close(&world);
}

/* --- replay --- */

static void
a_replayed_event_drops_what_is_in_hand_and_begins_anew(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    make_webinar(&world);
    int64_t hook = make_told(&world, 300);
    want(&world, 0);
    answer_some(&world, 5, 500);
    answer_some(&world, 50, 200);
    advance(&world, US_PER_S / 4);
    assert_true(perform(&world, count_chunks, 0) > 0);

    perform(&world, replay, hook);
    size_t old = world.network.count;
    size_t started = world.network.started;
    assert_true(old > 0);
    wake(&world, hook);
    /* Nothing of the old round starts any more; what was in flight ends, and counts for nothing. */
    assert_int_equal(world.network.started, started);
    while (old-- > 0)
        answer_status(&world, 0, 200);
    pump(&world);
    assert_int_equal(perform(&world, count_delivered, 0), 0);
    assert_true(world.network.started > started);
    assert_int_equal(lane_of(&world, hook)->fanout_count, 1);
    assert_all_told_once(&world, 300, started + 300);
    assert_int_equal(number(&world, "SELECT round FROM fanout"), 1);
    world_close(&world);
}

static void
a_retry_of_a_round_that_was_replayed_is_not_made(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_waiting(&world, 3);
    perform(&world, replay, hook);
    wake(&world, hook);
    assert_all_told_once(&world, 3, 3 + 3);
    world_close(&world);
}

/* --- the dead --- */

static void
those_that_are_given_up_are_told_by_name(void **state)
{
    char text[3][DELIVERY_ID_TEXT_BYTES] = {{0}};
    struct world world;

    (void)state;
    world_open(&world);
    world.event = EVENT_DELIVERY_DEAD;
    (void)perform(&world, make_hook, 2);
    world.event = NULL;
    world.schedule = schedule_standard(1);
    make_told(&world, 3);
    for (size_t i = 0; i < 3; i++) {
        want(&world, 0);
        (void)delivery_id_format(&wanted, text[i]);
        answer_some(&world, 1, 500);
    }
    for (int i = 0; world.network.count == 0 && i < 4; i++)
        advance(&world, US_PER_S / 4);
    for (size_t told = 0; told < 3;) {
        assert_true(world.network.count > 0);
        struct str body = world.network.under_way[0]->body;

        assert_memory_equal(body.ptr, "{\"type\":\"delivery.dead\"", 23);
        for (size_t i = 0; i < 3; i++)
            told += memmem(body.ptr, body.len, text[i], strlen(text[i])) != NULL;
        answer_some(&world, 1, 200);
    }
    assert_int_equal(number(&world, "SELECT sum(dead) FROM fanout"), 3);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manual_retry_takes_the_place_of_the_one_that_waits),
        cmocka_unit_test(a_manual_retry_that_fails_leaves_one_to_wait),
        cmocka_unit_test(a_manual_retry_of_what_is_in_hand_already_is_dropped),
        cmocka_unit_test(a_manual_retry_of_what_has_failed_just_now_is_made_in_its_place),
        cmocka_unit_test(a_manual_retry_of_what_was_delivered_just_now_is_dropped),
        cmocka_unit_test(a_manual_retry_that_was_taken_up_and_goes_back_is_still_owed),
        cmocka_unit_test(a_manual_retry_and_a_scheduled_one_that_come_together_are_one),
        cmocka_unit_test(a_scheduled_retry_that_comes_due_behind_a_manual_one_is_not_made),
        cmocka_unit_test(what_came_of_a_manual_retry_is_not_taken_for_what_it_replaced),
        cmocka_unit_test(one_that_was_delivered_is_sent_again_when_it_is_wanted),
        cmocka_unit_test(a_replayed_event_drops_what_is_in_hand_and_begins_anew),
        cmocka_unit_test(a_retry_of_a_round_that_was_replayed_is_not_made),
        cmocka_unit_test(those_that_are_given_up_are_told_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
