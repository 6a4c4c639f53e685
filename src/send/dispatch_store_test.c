/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store may do to a dispatch: be busy, fail, be slow, answer late; and end with the
 * process at any moment.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "os/fault.h"
#include "os/metrics.h"
#include "send/dispatch.h"
#include "store/store.h"
#include "support/sending.h"

/* --- busy --- */

/* Short calls that only take up the queue. */
struct crowd_call {
    struct store_call call;
    bool is_over;
};

struct crowd {
    struct crowd_call calls[128];
    size_t count;
};

static void
crowd_done(struct store_call *call)
{
    CONTAINER_OF(call, struct crowd_call, call)->is_over = true;
}

static enum err
idle_run(struct store_call *call, struct engine *engine)
{
    (void)call;
    (void)engine;
    return OK;
}

static void
crowd_in(struct world *world, struct crowd *crowd, bool writes)
{
    crowd->count = 0;
    do {
        assert_true(crowd->count < COUNT_OF(crowd->calls));
        crowd->calls[crowd->count] = (struct crowd_call){
            .call = {.run = idle_run,
                .done = crowd_done,
                .reply = loop_mailbox(world->loop),
                .writes = writes},
        };
    } while (store_submit(&world->own_port, &crowd->calls[crowd->count++].call) == OK);
    crowd->count--;
}

/* Until all of it has been answered. */
static void
crowd_out(struct world *world, struct crowd *crowd)
{
    struct pollfd pollfd = {.fd = loop_mailbox(world->loop)->event_fd, .events = POLLIN};

    while (crowd->count > 0) {
        if (crowd->calls[crowd->count - 1].is_over) {
            crowd->count--;
            continue;
        }
        (void)poll(&pollfd, 1, 10);
        loop_turn(world->loop);
    }
}

static void
a_queue_that_is_full_only_delays(void **state)
{
    static struct crowd crowd;
    struct world world;
    struct gate before;
    struct gate behind;

    (void)state;
    world_open_with(&world, 1);
    int64_t hook = make_audience(&world, 100);
    perform(&world, tell, 77);
    /* The lane's news are read, and lie in the mailbox when the queue fills. */
    int64_t reads = metric_get(METRIC_store_reads_total);
    gate_hold(&world, &before, false);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 4);
    gate_open(&before);
    while (metric_get(METRIC_store_reads_total) < reads + 2)
        (void)sched_yield();
    gate_hold(&world, &behind, false);
    crowd_in(&world, &crowd, false);
    look(&world, 4);
    gate_open(&behind);
    gate_end(&world, &before);
    gate_end(&world, &behind);
    crowd_out(&world, &crowd);
    pump(&world);
    assert_int_equal(world.network.count, 0);
    advance(&world, US_PER_S / 10);
    assert_true(world.network.count > 0);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 100);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
lanes_line_up_and_leave_room_in_the_queue(void **state)
{
    enum { HOOKS = 200 };

    int64_t hooks[HOOKS];
    struct world world;
    struct gate gate;

    (void)state;
    world_open_with(&world, 1);
    for (int i = 0; i < HOOKS; i++)
        hooks[i] = perform(&world, make_hook, 1 + i);
    perform(&world, make_members, 2);
    perform(&world, tell, 77);
    gate_hold(&world, &gate, false);
    dispatch_wake(world.set, hooks, HOOKS);
    for (int i = 0; i < 4; i++) {
        (void)dispatch_tick(world.dispatch, world.clock.instant_now);
        loop_turn(world.loop);
        assert_true(world.dispatch->reads <= READS_MAX);
    }
    gate_release(&world, &gate);
    pump(&world);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 2 * HOOKS);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

/* --- failing --- */

static void
members_that_cannot_be_read_are_asked_for_again_without_haste(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 100);
    execute(&world, "ALTER TABLE member RENAME TO mislaid");
    int64_t sequence = perform(&world, tell, 77);
    assert_true(sequence > 0);
    int64_t reads = metric_get(METRIC_store_reads_total);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 100);
    assert_in_range(metric_get(METRIC_store_reads_total) - reads, 2, 4);
    execute(&world, "ALTER TABLE mislaid RENAME TO member");
    advance(&world, 2 * US_PER_S);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 100);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
news_that_cannot_be_read_are_asked_for_again_and_hold_up_nothing_else(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.rate_limit = 10;
    int64_t hook = make_told(&world, 100);
    while (world.network.count > 0)
        answer_status(&world, 0, 200);
    pump(&world);
    execute(&world, "ALTER TABLE event RENAME TO mislaid");
    int64_t reads = metric_get(METRIC_store_reads_total);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 100);
    assert_in_range(metric_get(METRIC_store_reads_total) - reads, 1, 2);
    /* What is in hand goes on at its own pace. */
    size_t started = world.network.started;
    for (int i = 0; i < 5; i++) {
        advance(&world, US_PER_S / 10);
        while (world.network.count > 0)
            answer_status(&world, 0, 200);
    }
    assert_true(world.network.started >= started + 5);
    execute(&world, "ALTER TABLE mislaid RENAME TO event");
    tell_hook(&world, hook, 78);
    for (int i = 0; i < 300; i++) {
        advance(&world, US_PER_S / 10);
        answer_all(&world, 200);
    }
    assert_int_equal(world.network.started, 200);
    world_close(&world);
}

static void
a_read_that_fails_while_stopping_does_not_hold_up_the_stop(void **state)
{
    struct world world;
    struct gate gate;
    bool is_stopped;

    (void)state;
    world_open_with(&world, 1);
    struct pollfd pollfd = {.fd = loop_mailbox(world.loop)->event_fd, .events = POLLIN};
    int64_t hook = make_audience(&world, 10);
    perform(&world, tell, 77);
    execute(&world, "ALTER TABLE event RENAME TO mislaid");
    gate_hold(&world, &gate, false);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 4);
    assert_int_equal(world.dispatch->reads, 1);
    world_stop(&world, &is_stopped);
    gate_release(&world, &gate);
    /* Only what the loop does by itself: nobody else looks. */
    for (int i = 0; i < 100 && !is_stopped; i++) {
        (void)poll(&pollfd, 1, 10);
        loop_turn(world.loop);
    }
    assert_true(is_stopped);
    world_drop(&world);
    execute(&world, "ALTER TABLE mislaid RENAME TO event");
    world_start(&world);
    world_close(&world);
}

static void
while_a_flush_fails_nothing_starts_and_then_all_is_as_if_nothing_had_been(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 300);
    execute(&world, "CREATE TRIGGER full BEFORE UPDATE ON fanout BEGIN"
                    " SELECT RAISE(ABORT, 'the disk is full'); END");
    tell_hook(&world, hook, 77);
    advance(&world, US_PER_S);
    assert_true(flush_is_stuck(world.dispatch->flush));
    size_t started = world.network.started;
    for (size_t i = 0; i < started; i++)
        answer_status(&world, 0, i % 2 == 0 ? 200 : 500);
    for (int i = 0; i < 10; i++)
        advance(&world, US_PER_S);
    assert_int_equal(world.network.started, started);
    /* It asks no more often than it must. */
    int64_t failures = metric_get(METRIC_store_writes_total);
    look(&world, 50);
    assert_int_equal(metric_get(METRIC_store_writes_total), failures);

    execute(&world, "DROP TRIGGER full");
    advance(&world, US_PER_S);
    assert_false(flush_is_stuck(world.dispatch->flush));
    answer_all(&world, 200);
    advance(&world, 20 * US_PER_S);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 300 + started / 2);
    assert_settled(&world, 300);
    world_close(&world);
}

static void
each_flush_in_turn_may_fail(void **state)
{
#ifdef USHER_FAULTS
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct world world;

        world_open(&world);
        int64_t hook = make_audience(&world, 40);
        fault_arm("lanes.flush", nth);
        tell_hook(&world, hook, 77);
        for (int i = 0; i < 60; i++) {
            while (world.network.count > 0)
                answer_status(&world, 0, i == 0 ? 500 : 200);
            advance(&world, US_PER_S / 4);
        }
        assert_int_equal(world.network.started, 40 + 2);
        assert_settled(&world, 40);
        world_close(&world);
        if (!fault_fired())
            break;
    }
#else
    (void)state;
    skip();
#endif
}

static void
a_full_queue_is_a_flush_that_waits(void **state)
{
    static struct crowd crowd;
    struct world world;
    struct gate gate;

    (void)state;
    world_open(&world);
    make_told(&world, 50);
    gate_hold(&world, &gate, true);
    crowd_in(&world, &crowd, true);
    answer_status(&world, 0, 200);
    clock_manual_advance(&world.clock, US_PER_S);
    /* Whoever calls must hear when it is to be tried again. */
    struct instant next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us != INSTANT_NEVER.us);
    assert_true(next.us > world.clock.instant_now.us);
    assert_true(flush_is_stuck(world.dispatch->flush));
    gate_release(&world, &gate);
    crowd_out(&world, &crowd);
    world.clock.instant_now = next;
    pump(&world);
    assert_false(flush_is_stuck(world.dispatch->flush));
    answer_all(&world, 200);
    assert_int_equal(perform(&world, count_delivered, 0), 50);
    world_close(&world);
}

/* --- slow and late --- */

static void
a_flush_of_one_lane_does_not_make_the_reads_of_another_old(void **state)
{
    struct world world;
    struct gate before;
    struct gate behind;

    (void)state;
    world_open_with(&world, 1);
    int64_t busy = perform(&world, make_hook, 1);
    perform(&world, make_members, 4);
    tell_hook(&world, busy, 77);
    int64_t quiet = perform(&world, make_hook, 2);
    gate_hold(&world, &before, false);
    dispatch_wake(world.set, &quiet, 1);
    look(&world, 4);
    gate_submit(&world, &behind, false);
    int64_t reads = metric_get(METRIC_store_reads_total);
    gate_open(&before);
    gate_reach(&behind);
    /* The read has been made and is not handed over yet, while a flush comes and goes. */
    answer_status(&world, 0, 500);
    clock_manual_advance(&world.clock, US_PER_S);
    do {
        (void)dispatch_tick(world.dispatch, world.clock.instant_now);
        loop_turn(world.loop);
    } while (flush_is_running(world.dispatch->flush));
    gate_open(&behind);
    gate_end(&world, &before);
    gate_end(&world, &behind);
    look(&world, 50);
    assert_int_equal(lane_of(&world, quiet)->state, LANE_OPEN);
    /* The gates, the quiet lane's read, and one for the waiting member of the busy one. */
    assert_int_equal(metric_get(METRIC_store_reads_total) - reads, 4);
    answer_all(&world, 200);
    world_close(&world);
}

static void
what_is_not_on_disk_is_bounded(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    make_told(&world, 100);
    world.dispatch->unflushed += UNFLUSHED_MAX;
    size_t started = world.network.started;
    while (world.network.count > 0)
        answer_status(&world, 0, 200);
    (void)dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_int_equal(world.network.started, started);
    assert_true(flush_is_running(world.dispatch->flush));
    pump(&world);
    assert_true(world.network.count > 0);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 100);
    world_close(&world);
}

/* A call that takes its whole transaction with it: the others of its group are run again. */
static enum err
rollback_run(struct store_call *call, struct engine *engine)
{
    return engine_exec(engine, "ROLLBACK", &call->error);
}

static void
a_read_that_is_run_again_reads_the_same_once(void **state)
{
    struct store_call rollback = {.run = rollback_run};
    struct world world;
    struct gate gate;

    (void)state;
    world_open_with(&world, 0);
    int64_t hook = make_audience(&world, 20);
    perform(&world, tell, 77);
    gate_hold(&world, &gate, true);
    dispatch_wake(world.set, &hook, 1);
    look(&world, 4);
    rollback.reply = loop_mailbox(world.loop);
    assert_int_equal(store_submit(&world.own_port, &rollback), OK);
    gate_release(&world, &gate);
    pump(&world);
    answer_all(&world, 200);
    assert_int_equal(world.network.started, 20);
    assert_int_equal(perform(&world, count_delivered, 0), 20);
    world_close(&world);
}

static void
a_body_that_cannot_be_built_holds_up_its_own_lane_only(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t first = perform(&world, make_hook, 1);
    perform(&world, make_members, 3);
    execute(&world, "UPDATE attendee SET name ="
                    " replace(hex(zeroblob(150000)), '00', char(1) || char(1))");
    tell_hook(&world, first, 77);
    /* It comes back from the tick at all. */
    assert_int_equal(world.network.started, 0);
    struct instant next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us > world.clock.instant_now.us);
    execute(&world, "UPDATE attendee SET name = 'short'");
    int64_t second = perform(&world, make_hook, 2);
    tell_hook(&world, second, 78);
    assert_int_equal(world.network.count, 2);
    answer_all(&world, 200);
    world_close(&world);
}

/* --- nothing to do --- */

static void
a_lane_without_memory_for_its_endpoint_says_so_and_tries_again(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_audience(&world, 3);
    world.network.is_short = true;
    log_catch(&world);
    tell_hook(&world, hook, 77);
    assert_int_equal(log_count(&world, "out of memory for its endpoint"), 1);
    assert_int_equal(world.network.started, 0);
    world.network.is_short = false;
    advance(&world, US_PER_S);
    assert_int_equal(answer_all(&world, 200), 3);
    world_close(&world);
}

static void
an_idle_world_makes_no_ticks(void **state)
{
    struct world world;
    struct instant next;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 4);
    answer_all(&world, 200);
    advance(&world, US_PER_S);
    next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us > world.clock.instant_now.us + 50 * US_PER_S);
    world.clock.instant_now = next;
    pump(&world);
    assert_int_equal(world.dispatch->lanes.count, 0);
    next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us == INSTANT_NEVER.us);

    /* While somebody waits for another attempt it looks now and then, for the clock may be set. */
    tell_hook(&world, hook, 78);
    answer_all(&world, 500);
    advance(&world, 10 * US_PER_S);
    answer_all(&world, 500);
    advance(&world, US_PER_S);
    next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us > world.clock.instant_now.us + 50 * US_PER_S);
    world_close(&world);
}

/* --- a process that is killed --- */

#define CRASH_MEMBERS 16

/* What the receiver has seen, in memory that outlives the sender. */
struct witness {
    long steps;
    int64_t hook;
    int64_t group;
    int64_t next_id;
    int64_t sequences[2];
    unsigned accepted[2][CRASH_MEMBERS]; /* by event and member */
    int64_t newest[CRASH_MEMBERS];       /* sequence of the last that was accepted */
    bool is_disordered;
};

static void
step(struct witness *witness, long last)
{
    if (++witness->steps == last)
        (void)raise(SIGKILL);
}

static void
witness_answer(struct world *world, struct witness *witness, long last)
{
    struct http_exchange *exchange = world->network.under_way[0];
    size_t member = member_of(exchange);
    int64_t sequence = delivery_of(exchange).sequence;
    size_t event = sequence == witness->sequences[0] ? 0 : 1;
    int status = 200;

    assert_true(member < CRASH_MEMBERS);
    assert_int_equal(sequence, witness->sequences[event]);
    if (number_of(exchange, "x-usher-attempt") == 1 && member % 3 == 0)
        status = 500;
    if (status == 200) {
        witness->accepted[event][member]++;
        if (sequence < witness->newest[member])
            witness->is_disordered = true;
        else
            witness->newest[member] = sequence;
    }
    step(witness, last);
    answer_status(world, 0, status);
}

/* Send until nothing is owed any more, or until the step at which the process ends. */
static void
witness_run(struct world *world, struct witness *witness, long last)
{
    dispatch_wake(world->set, &witness->hook, 1);
    for (int round = 0; round < 20; round++) {
        for (int quiet = 0; quiet < 4; quiet++) {
            step(witness, last);
            pump_once(world);
            if (world->network.count > 0)
                witness_answer(world, witness, last);
            if (world->dispatch->reads > 0 || flush_is_running(world->dispatch->flush) ||
                world->network.count > 0)
                quiet = 0;
        }
        if (round == 0) {
            world->told = CRASH_MEMBERS / 2;
            if (witness->sequences[1] == 0)
                witness->sequences[1] = perform(world, tell, 77);
            dispatch_wake(world->set, &witness->hook, 1);
        }
        clock_manual_advance(&world->clock, US_PER_S);
    }
}

static int
in_child(const char *path, struct witness *witness, long last)
{
    int status = 0;
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct world world = {.group = witness->group, .next_id = witness->next_id};

        (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
        world_open_at(&world, path, 2);
        witness_run(&world, witness, last);
        assert_int_equal(perform(&world, count_open, 0), 0);
        assert_int_equal(perform(&world, count_chunks, 0), 0);
        execute(&world, "CREATE TABLE settled AS SELECT fanout_pk FROM fanout WHERE"
                        " delivered + dead + skipped + superseded <> end_pos");
        execute(&world, "CREATE TABLE judge (n CHECK (n = 0));"
                        "INSERT INTO judge SELECT count(*) FROM settled");
        world_halt(&world);
        store_close(world.store);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void
kill_9_at_any_step_loses_nothing_and_repeats_under_the_same_id(void **state)
{
    struct witness *witness =
        mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool is_whole = false;

    (void)state;
    assert_true(witness != MAP_FAILED);
    for (long last = 1; !is_whole; last += 11) {
        struct world world;
        char path[sizeof(world.scratch.path)];

        world_open(&world);
        (void)snprintf(path, sizeof(path), "%s", scratch_path(&world.scratch, "usher.db"));
        memset(witness, 0, sizeof(*witness));
        world.max_in_flight = 4;
        witness->hook = perform(&world, make_hook, 1);
        perform(&world, make_members, CRASH_MEMBERS);
        witness->sequences[0] = perform(&world, tell, 77);
        witness->group = world.group;
        witness->next_id = world.next_id;
        world_halt(&world);
        store_close(world.store);

        int status = in_child(path, witness, last);
        is_whole = WIFEXITED(status);
        if (!is_whole) {
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
            status = in_child(path, witness, 0);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_false(witness->is_disordered);
        for (size_t i = 0; i < CRASH_MEMBERS; i++) {
            bool has_newer = i < CRASH_MEMBERS / 2;

            if (has_newer)
                assert_in_range(witness->accepted[1][i], 1, 2);
            else
                assert_in_range(witness->accepted[0][i], 1, 2);
            assert_true(witness->accepted[0][i] + witness->accepted[1][i] <=
                        (is_whole ? 1U : 2U) + (has_newer ? 1U : 0U));
        }
        zones_free(world.zones);
        scratch_done(&world.scratch);
    }
    (void)munmap(witness, sizeof(*witness));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_that_is_full_only_delays),
        cmocka_unit_test(lanes_line_up_and_leave_room_in_the_queue),
        cmocka_unit_test(members_that_cannot_be_read_are_asked_for_again_without_haste),
        cmocka_unit_test(news_that_cannot_be_read_are_asked_for_again_and_hold_up_nothing_else),
        cmocka_unit_test(a_read_that_fails_while_stopping_does_not_hold_up_the_stop),
        cmocka_unit_test(while_a_flush_fails_nothing_starts_and_then_all_is_as_if_nothing_had_been),
        cmocka_unit_test(each_flush_in_turn_may_fail),
        cmocka_unit_test(a_full_queue_is_a_flush_that_waits),
        cmocka_unit_test(a_flush_of_one_lane_does_not_make_the_reads_of_another_old),
        cmocka_unit_test(what_is_not_on_disk_is_bounded),
        cmocka_unit_test(a_read_that_is_run_again_reads_the_same_once),
        cmocka_unit_test(a_body_that_cannot_be_built_holds_up_its_own_lane_only),
        cmocka_unit_test(a_lane_without_memory_for_its_endpoint_says_so_and_tries_again),
        cmocka_unit_test(an_idle_world_makes_no_ticks),
        cmocka_unit_test(kill_9_at_any_step_loses_nothing_and_repeats_under_the_same_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
