/* SPDX-License-Identifier: Apache-2.0 */
#include "send/dispatch.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "os/metrics.h"
#include "store/events.h"
#include "store/hooks.h"
#include "support/sending.h"

static void
each_of_a_thousand_is_told_exactly_once(void **state)
{
    static char seen[1000][128];
    const struct http_result accepted = {.status = 200};
    struct world world;
    size_t told = 0;

    (void)state;
    world_open(&world);
    make_told(&world, 1000);
    while (world.network.count > 0) {
        struct str id = field_of(world.network.under_way[0], "webhook-id");

        assert_true(told < 1000 && id.len < sizeof(seen[0]));
        for (size_t i = 0; i < told; i++)
            assert_false(str_equals(id, str_from(seen[i])));
        memcpy(seen[told], id.ptr, id.len);
        seen[told++][id.len] = '\0';
        answer(&world, 0, &accepted);
        pump(&world);
    }
    assert_int_equal(told, 1000);
    assert_int_equal(world.network.most, 16);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
a_failure_is_tried_again_when_it_is_due_and_given_up_in_the_end(void **state)
{
    static const int64_t waits_s[] = {5, 300, 1800};
    struct world world;

    (void)state;
    world_open(&world);
    make_told(&world, 2);
    for (size_t i = 0; i < COUNT_OF(waits_s); i++) {
        assert_int_equal(number_of(world.network.under_way[0], "x-usher-attempt"), i + 1);
        assert_int_equal(answer_all(&world, 500), 2);
        advance(&world, waits_s[i] * US_PER_S * 7 / 10);
        assert_int_equal(world.network.count, 0);
        advance(&world, waits_s[i] * US_PER_S * 6 / 10);
        assert_true(world.network.count > 0);
    }
    assert_int_equal(answer_all(&world, 500), 2);
    advance(&world, 10 * US_PER_DAY);
    assert_int_equal(world.network.count, 0);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
retry_after_only_ever_delays(void **state)
{
    struct http_result busy = {.status = 503, .retry_after = STR("600")};
    struct world world;

    (void)state;
    world_open(&world);
    make_told(&world, 1);
    answer(&world, 0, &busy);
    pump(&world);
    advance(&world, 599 * US_PER_S);
    assert_int_equal(world.network.count, 0);
    advance(&world, 2 * US_PER_S);
    assert_int_equal(world.network.count, 1);

    busy.retry_after = STR("1");
    answer(&world, 0, &busy);
    pump(&world);
    advance(&world, 200 * US_PER_S);
    assert_int_equal(world.network.count, 0);
    advance(&world, 200 * US_PER_S);
    assert_int_equal(answer_all(&world, 200), 1);
    world_close(&world);
}

static void
who_is_asked_to_wait_keeps_nobody_else(void **state)
{
    const struct http_result tomorrow = {.status = 503, .retry_after = STR("86400")};
    struct world world;

    (void)state;
    world_open(&world);
    make_told(&world, 3);
    answer(&world, 0, &tomorrow);
    answer_status(&world, 0, 500);
    pump(&world);
    answer_some(&world, world.network.count, 500);
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT min(due_us) + 80000000000 < max(due_us) FROM chunk"),
        1);
    /* The lane waits with them, but for no more than an hour. */
    pass(&world, &(struct pass){.us = US_PER_HOUR + 10 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 2);
    pass(&world, &(struct pass){.us = US_PER_DAY, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 3);
    world_close(&world);
}

static void
the_newest_state_comes_last_and_an_older_one_never_after_it(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 2);
    int64_t first = tell_hook(&world, hook, 77);
    assert_int_equal(number_of(world.network.under_way[0], "x-usher-sequence"), first);

    /* While the first is in flight, news waits. */
    int64_t second = tell_hook(&world, hook, 77);
    assert_int_equal(world.network.count, 2);
    assert_int_equal(number_of(world.network.under_way[0], "x-usher-sequence"), first);
    assert_int_equal(number_of(world.network.under_way[1], "x-usher-sequence"), first);

    /* The first failed: from now on only the second is told, however long it takes. */
    answer_status(&world, 0, 500);
    answer_status(&world, 0, 500);
    pump(&world);
    assert_int_equal(world.network.count, 1);
    for (int i = 0; i < 3; i++) {
        for (size_t j = 0; j < world.network.count; j++)
            assert_int_equal(number_of(world.network.under_way[j], "x-usher-sequence"), second);
        assert_int_equal(answer_all(&world, i < 2 ? 500 : 200), 2);
        advance(&world, 3600 * US_PER_S);
    }
    assert_int_equal(world.network.count, 0);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
a_booking_does_not_wait_behind_a_large_audience(void **state)
{
    const struct http_result accepted = {.status = 200};
    struct world world;
    size_t answered = 0;
    bool is_told = false;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 2000);
    world.told = 1;
    int64_t booking = tell_hook(&world, hook, 1);
    while (!is_told) {
        answer(&world, 0, &accepted);
        answered++;
        pump(&world);
        for (size_t i = 0; i < world.network.count; i++)
            is_told =
                is_told || number_of(world.network.under_way[i], "x-usher-sequence") == booking;
    }
    assert_true(answered <= 4);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 2001);
    world_close(&world);
}

static void
gone_disables_the_hook_and_nothing_starts_after_it(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 100);
    size_t started = world.network.started;
    answer_some(&world, 1, 410);
    assert_int_equal(world.network.started, started);
    assert_int_equal(perform(&world, is_disabled, hook), 1);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, started);
    world_close(&world);
}

/* Before the first one is on disk, and after it. */
static void
what_is_gone_is_disabled_once_however_many_say_so(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.max_in_flight = 4;
    int64_t hook = make_told(&world, 100);
    answer_some(&world, 4, 200);
    log_catch(&world);
    answer_status(&world, 0, 410);
    answer_status(&world, 0, 410);
    pump(&world);
    int64_t is_on_disk = perform(&world, is_disabled, hook);
    size_t left = world.network.count;
    answer_some(&world, left, 410);
    assert_int_equal(log_count(&world, "hook.disabled"), 1);
    assert_int_equal(is_on_disk, 1);
    assert_int_equal(left, 2);
    assert_int_equal(number(&world, "SELECT sum(dead) FROM fanout"), 4);
    world_close(&world);
}

static void
what_is_gone_where_a_hook_pointed_before_does_not_disable_it(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 100);
    execute(&world, "UPDATE hook SET url = 'https://example.com/other'");
    tell_change(&world, hook);
    answer_some(&world, 1, 410);
    answer_all(&world, 200);
    assert_int_equal(perform(&world, is_disabled, hook), 0);
    assert_int_equal(perform(&world, count_delivered, 0), 99);
    world_close(&world);
}

static void
after_a_change_is_taken_up_a_disabled_hook_starts_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 100);
    perform_change(&world, disable, hook);
    size_t started = world.network.started;
    answer_all(&world, 200);
    pump(&world);
    assert_int_equal(world.network.started, started);
    world_close(&world);
}

static void
a_restart_goes_on_where_it_stopped(void **state)
{
    struct world world;
    bool is_stopped;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 300);
    answer_some(&world, 100, 200);
    /* A clean stop: nothing new starts, what is in flight ends, and all of it is flushed. */
    world_stop(&world, &is_stopped);
    answer_all(&world, 200);
    while (!is_stopped)
        pump_once(&world);
    size_t told = world.network.started;
    assert_in_range(told, 100, 100 + 16);
    world_drop(&world);

    world_start(&world);
    wake(&world, hook);
    answer_all(&world, 200);
    assert_int_equal(told + world.network.started, 300);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

/* --- the life of a hook --- */

static void
what_a_disabled_hook_is_owed_waits_in_the_store_until_it_is_enabled(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 100);
    perform_change(&world, disable, hook);
    size_t started = world.network.started;
    answer_all(&world, 200);
    pump(&world);
    assert_int_equal(world.network.started, started);
    /* Nothing of it is kept in memory for as long as it may take. */
    assert_int_equal(lane_of(&world, hook)->fanout_count, 0);
    assert_int_equal(perform(&world, count_open, 0), 1);
    advance(&world, 61 * US_PER_S);
    assert_null(lane_of(&world, hook));

    execute(&world, "DELETE FROM attendee WHERE attendee_pk = 100;"
                    "UPDATE attendee SET name = 'renamed'");
    perform_change(&world, enable, hook);
    pump(&world);
    while (world.network.count > 0) {
        assert_non_null(strstr(world.network.under_way[0]->body.ptr, "renamed"));
        answer_some(&world, 1, 200);
    }
    assert_int_equal(world.network.started, 99);
    assert_settled(&world, 99);
    world_close(&world);
}

static void
a_hook_may_be_enabled_while_what_it_is_owed_goes_back(void **state)
{
    struct world world;
    struct gate gate;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 100);
    answer_some(&world, 5, 500);
    answer_all(&world, 200);
    tell_hook(&world, hook, 78);
    perform_change(&world, disable, hook);
    while (world.network.count > 0)
        answer_status(&world, 0, 200);
    /* Enabled on disk, but not read yet; then the flush that gives back is held up. */
    perform(&world, enable, hook);
    gate_hold(&world, &gate, true);
    look(&world, 20);
    tell_change(&world, hook);
    look(&world, 20);
    gate_release(&world, &gate);
    pump(&world);
    advance(&world, 10 * US_PER_S);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 200 + 5);
    assert_settled(&world, 200);
    world_close(&world);
}

/* The hook is read, then changed, and only then is what was read handed over. */
static void
a_change_during_the_reading_of_the_hook_is_not_lost(void **state)
{
    struct world world;
    struct gate before;
    struct gate behind;

    (void)state;
    world_open_with(&world, 1);
    int64_t hook = make_audience(&world, 100);
    gate_hold(&world, &before, false);
    perform(&world, tell, 77);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 4);
    assert_int_equal(world.dispatch->reads, 1);
    gate_submit(&world, &behind, false);
    gate_open(&before);
    gate_reach(&behind);
    perform_change(&world, disable, hook);
    gate_open(&behind);
    gate_end(&world, &before);
    gate_end(&world, &behind);
    pump(&world);
    assert_int_equal(world.network.started, 0);
    world_close(&world);
}

static void
a_change_while_gone_is_being_written_does_not_open_the_lane(void **state)
{
    struct world world;
    struct gate gate;

    (void)state;
    world_open(&world);
    world.max_in_flight = 1;
    int64_t hook = make_told(&world, 100);
    gate_hold(&world, &gate, true);
    answer_status(&world, 0, 410);
    tell_change(&world, hook);
    look(&world, 20);
    assert_int_equal(world.network.started, 1);
    gate_release(&world, &gate);
    pump(&world);
    assert_int_equal(perform(&world, is_disabled, hook), 1);
    assert_int_equal(world.network.started, 1);

    /* Its owner may think otherwise. */
    perform_change(&world, enable, hook);
    pump(&world);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 100);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static enum err
delete_hook(struct act *act, struct engine *engine)
{
    return hook_delete(engine, act->n, act->world->clock.walltime_now, &act->call.error);
}

static void
a_deleted_hook_leaves_nothing_behind(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 100);
    answer_some(&world, 1, 500);
    perform_change(&world, delete_hook, hook);
    size_t started = world.network.started;
    answer_all(&world, 500);
    pump(&world);
    assert_int_equal(world.network.started, started);
    assert_int_equal(lane_of(&world, hook)->fanout_count, 0);
    assert_int_equal(perform(&world, count_open, 0), 0);
    assert_int_equal(perform(&world, count_chunks, 0), 0);
    advance(&world, 61 * US_PER_S);
    assert_null(lane_of(&world, hook));
    world_close(&world);
}

static void
on_erasure_heard(struct erasure *erasure)
{
    erasure->attendee_pk = -1;
}

static void
erase(struct world *world, struct erasure *erasure, int64_t attendee_pk)
{
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "DELETE FROM attendee WHERE attendee_pk = %d",
        (int)attendee_pk);
    execute(world, sql);
    *erasure = (struct erasure){
        .attendee_pk = attendee_pk,
        .reply = loop_mailbox(world->loop),
        .done = on_erasure_heard,
    };
    dispatch_erased(world->set, erasure);
    look(world, 4);
    assert_int_equal(erasure->attendee_pk, -1);
}

static void
who_is_erased_is_not_told_any_more_though_they_are_in_hand(void **state)
{
    struct world world;
    struct gate before;
    struct gate behind;
    struct erasure erasure;

    (void)state;
    world_open_with(&world, 1);
    world.max_in_flight = 2;
    int64_t hook = make_told(&world, 10);
    erase(&world, &erasure, 10);
    assert_int_equal(answer_all(&world, 200), 9);

    /* The lane's news lie in the mailbox; then the members are read, but not handed over. */
    perform(&world, tell, 78);
    int64_t reads = metric_get(METRIC_store_reads_total);
    dispatch_wake(world.set, &hook, 1);
    while (metric_get(METRIC_store_reads_total) == reads && world.dispatch->reads == 0)
        look(&world, 1);
    while (metric_get(METRIC_store_reads_total) == reads)
        (void)sched_yield();
    gate_hold(&world, &before, false);
    look(&world, 4);
    assert_int_equal(world.dispatch->reads, 1);
    gate_submit(&world, &behind, false);
    gate_open(&before);
    gate_reach(&behind);
    erase(&world, &erasure, 9);
    assert_int_equal(world.dispatch->reads, 1);
    gate_open(&behind);
    gate_end(&world, &before);
    gate_end(&world, &behind);
    pump(&world);
    assert_int_equal(answer_all(&world, 200), 8);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static enum err
cancel_webinar(struct act *act, struct engine *engine)
{
    struct event_receipt receipt;

    return event_cancel_webinar(engine, act->n, act->world->clock.walltime_now, &act->arena,
        &receipt, &act->call.error);
}

static void
what_an_endpoint_said_is_kept_without_whom_it_was_told_of(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 1);
    execute(&world, "UPDATE attendee SET email = 'Ann@example.com', phone = '+919876543210'");
    tell_hook(&world, hook, 77);
    answer(&world, 0,
        &(struct http_result){.status = 500,
            .body = STR("no room for ann@example.com, 919876543210, in ours")});
    advance(&world, US_PER_S);
    assert_int_equal(number(&world, "SELECT answer = CAST('no room for ***************, "
                                    "************, in ours' AS BLOB) FROM attempt_failure"),
        1);
    answer_all(&world, 200);
    world_close(&world);
}

static void
a_cancelled_webinar_is_let_go_in_mid_flight_and_the_others_go_on(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.max_in_flight = 4;
    int64_t hook = make_told(&world, 100);
    answer_some(&world, 1, 500);
    perform(&world, cancel_webinar, 77);
    wake(&world, hook);
    size_t started = world.network.started;
    answer_all(&world, 500);
    assert_int_equal(world.network.started, started);
    assert_int_equal(lane_of(&world, hook)->fanout_count, 0);
    assert_int_equal(perform(&world, count_chunks, 0), 0);

    /* Chunks that were being tried again do not keep their places either. */
    tell_hook(&world, hook, 78);
    answer_some(&world, 5, 500);
    answer_all(&world, 200);
    advance(&world, 10 * US_PER_S);
    assert_true(world.network.count > 0);
    perform(&world, cancel_webinar, 78);
    wake(&world, hook);
    answer_all(&world, 500);
    assert_int_equal(lane_of(&world, hook)->fanout_count, 0);
    started = world.network.started;
    tell_hook(&world, hook, 79);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, started + 100);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_a_thousand_is_told_exactly_once),
        cmocka_unit_test(a_failure_is_tried_again_when_it_is_due_and_given_up_in_the_end),
        cmocka_unit_test(retry_after_only_ever_delays),
        cmocka_unit_test(who_is_asked_to_wait_keeps_nobody_else),
        cmocka_unit_test(the_newest_state_comes_last_and_an_older_one_never_after_it),
        cmocka_unit_test(a_booking_does_not_wait_behind_a_large_audience),
        cmocka_unit_test(gone_disables_the_hook_and_nothing_starts_after_it),
        cmocka_unit_test(what_is_gone_is_disabled_once_however_many_say_so),
        cmocka_unit_test(what_is_gone_where_a_hook_pointed_before_does_not_disable_it),
        cmocka_unit_test(after_a_change_is_taken_up_a_disabled_hook_starts_nothing),
        cmocka_unit_test(a_restart_goes_on_where_it_stopped),
        cmocka_unit_test(what_a_disabled_hook_is_owed_waits_in_the_store_until_it_is_enabled),
        cmocka_unit_test(a_hook_may_be_enabled_while_what_it_is_owed_goes_back),
        cmocka_unit_test(a_change_during_the_reading_of_the_hook_is_not_lost),
        cmocka_unit_test(a_change_while_gone_is_being_written_does_not_open_the_lane),
        cmocka_unit_test(a_deleted_hook_leaves_nothing_behind),
        cmocka_unit_test(who_is_erased_is_not_told_any_more_though_they_are_in_hand),
        cmocka_unit_test(what_an_endpoint_said_is_kept_without_whom_it_was_told_of),
        cmocka_unit_test(a_cancelled_webinar_is_let_go_in_mid_flight_and_the_others_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
