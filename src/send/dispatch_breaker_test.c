/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An endpoint that is down: what it is owed waits in the store, it is tried ever more rarely, and
 * when it is back everything comes to it once.
 */
#include <string.h>

#include "os/metrics.h"
#include "send/dispatch.h"
#include "store/hooks.h"
#include "store/lanes.h"
#include "support/sending.h"

/* More than ever open a breaker. */
#define FAILURES 40

/* A hook that is owed an event by so many, and whose breaker has opened. */
static int64_t
make_failing(struct world *world, int64_t members)
{
    int64_t hook = make_told(world, members);

    for (int i = 0; i < FAILURES && world->network.count > 0; i++)
        answer_some(world, 1, 500);
    assert_int_equal(world->network.count, 0);
    assert_int_equal(lane_of(world, hook)->breaker.state, BREAKER_OPEN);
    advance(world, US_PER_S / 4);
    return hook;
}

static void
an_outage_kills_no_delivery(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 200);
    /* Longer than all attempts of a delivery take together. */
    pass(&world, &(struct pass){.us = 6 * US_PER_HOUR, .status = 503});
    assert_int_equal(number(&world, "SELECT count(*) FROM dead"), 0);
    assert_non_null(lane_of(&world, hook));
    pass(&world, &(struct pass){.us = 6 * US_PER_HOUR, .status = 200});
    assert_settled(&world, 200);
    world_close(&world);
}

/* Who was told, by member. */
struct receiver {
    unsigned accepted[800];
    int64_t asked;
    int status;
};

static int
receive(const struct http_exchange *exchange, void *arg)
{
    struct receiver *receiver = arg;
    size_t member = member_of(exchange);

    assert_true(member < COUNT_OF(receiver->accepted));
    receiver->asked++;
    if (receiver->status == 200)
        receiver->accepted[member]++;
    return receiver->status;
}

#define ROWS                                                                                       \
    "SELECT (SELECT count(*) FROM chunk) + (SELECT count(*) FROM dead)"                            \
    " + (SELECT count(*) FROM attempt_block) + (SELECT count(*) FROM attempt_failure)"             \
    " + (SELECT count(*) FROM fanout) + (SELECT count(*) FROM event)"

static void
a_dead_endpoint_leaves_few_rows_and_hears_everything_once_when_it_is_back(void **state)
{
    static struct receiver receiver;
    struct world world;
    struct pass how = {.status_of = receive, .arg = &receiver};

    (void)state;
    world_open(&world);
    make_told(&world, COUNT_OF(receiver.accepted));
    receiver.status = 500;
    how.us = 12 * US_PER_HOUR;
    pass(&world, &how);
    /* One try in five minutes at the most, each with a record, and a chunk now and then. */
    assert_in_range(receiver.asked, 12 * 6, 12 * 12 + FAILURES);
    assert_true(number(&world, ROWS) < receiver.asked + 100);
    assert_true(number(&world, "SELECT count(*) FROM chunk") < 40);
    assert_int_equal(number(&world, "SELECT count(*) FROM dead"), 0);

    receiver.status = 200;
    how.us = 3600 * US_PER_S;
    pass(&world, &how);
    for (size_t i = 0; i < COUNT_OF(receiver.accepted); i++)
        assert_int_equal(receiver.accepted[i], 1);
    assert_int_equal(perform(&world, count_open, 0), 0);
    assert_int_equal(perform(&world, count_chunks, 0), 0);
    assert_int_equal(number(&world, "SELECT failing_us IS NULL FROM hook"), 1);
    world_close(&world);
}

static void
what_is_owed_to_a_failing_hook_waits_in_the_store_and_counts_no_attempt(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 300);
    struct lane *lane = lane_of(&world, hook);
    assert_int_equal(lane->fanout_count, 0);
    assert_int_equal(lane->window.size, 1);
    /* Ten attempts counted, those that opened it. */
    int64_t attempts = number(&world, "SELECT sum(attempts) FROM chunk");
    assert_in_range(attempts, 1, 10);
    assert_true(number(&world, "SELECT count(*) FROM chunk WHERE attempts = 0") > 0);
    /* One probe after the other fails: what is tried goes back as it was. */
    for (int i = 0; i < 10; i++) {
        await_start(&world);
        assert_int_equal(world.network.count, 1);
        assert_in_range(number_of(world.network.under_way[0], "x-usher-attempt"), 1, 2);
        answer_some(&world, 1, 500);
        advance(&world, US_PER_S / 4);
        assert_int_equal(lane->fanout_count, 0);
        assert_int_equal(number(&world, "SELECT sum(attempts) FROM chunk"), attempts);
    }
    pass(&world, &(struct pass){.us = 3600 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 300);
    world_close(&world);
}

static void
probes_come_one_at_a_time_and_ever_more_rarely(void **state)
{
    struct world world;
    int64_t before_us = 0;

    (void)state;
    world_open(&world);
    make_failing(&world, 100);
    world.network.most = 0;
    for (int i = 0; i < 8; i++) {
        struct instant since = world.clock.instant_now;

        await_start(&world);
        int64_t waited_us = world.clock.instant_now.us - since.us;
        assert_true(waited_us >= before_us || waited_us > 240 * US_PER_S);
        before_us = waited_us;
        /* However long it hangs, there is no other. */
        for (int j = 0; j < 10; j++)
            advance(&world, US_PER_S);
        assert_int_equal(world.network.count, 1);
        answer_some(&world, 1, 500);
    }
    assert_int_equal(world.network.most, 1);
    /* It answers: more and more are let through. */
    await_start(&world);
    answer_some(&world, 1, 200);
    assert_int_equal(world.network.count, 2);
    answer_all(&world, 200);
    assert_true(world.network.most > 8);
    world_close(&world);
}

static void
while_it_is_shut_a_lane_asks_the_store_for_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 100);
    int64_t reads = metric_get(METRIC_store_reads_total);
    for (int i = 0; i < 20; i++)
        tell_hook(&world, hook, 100 + i);
    assert_int_equal(metric_get(METRIC_store_reads_total), reads);
    assert_int_equal(world.network.count, 0);
    /* For a probe it takes little, whatever there is. */
    await_start(&world);
    assert_in_range(metric_get(METRIC_store_reads_total) - reads, 1, 3);
    assert_in_range(lane_of(&world, hook)->fanout_count, 1, 4);
    answer_some(&world, 1, 200);
    pass(&world, &(struct pass){.us = 3600 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_open, 0), 0);
    assert_int_equal(number(&world, "SELECT sum(delivered + superseded) = 21 * 100 FROM fanout"),
        1);
    world_close(&world);
}

static void
a_failing_endpoint_that_asks_to_be_left_alone_is_not_probed_before(void **state)
{
    const struct http_result busy = {.status = 503, .retry_after = STR("1800")};
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 100);
    await_start(&world);
    answer(&world, 0, &busy);
    for (int i = 0; i < 1799; i++) {
        advance(&world, US_PER_S);
        assert_int_equal(world.network.count, 0);
    }
    assert_int_equal(lane_of(&world, hook)->fanout_count, 0);
    advance(&world, 2 * US_PER_S);
    assert_int_equal(world.network.count, 1);
    pass(&world, &(struct pass){.us = 3600 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 100);
    world_close(&world);
}

/* The first one that is tried can never be taken, whatever becomes of the others. */
static int
all_but_the_first(const struct http_exchange *exchange, void *arg)
{
    int64_t *first = arg;
    int64_t member = (int64_t)member_of(exchange);

    if (*first < 0)
        *first = member;
    return *first == member ? 500 : 200;
}

static void
one_delivery_that_can_never_be_taken_does_not_keep_the_others_waiting(void **state)
{
    struct world world;
    int64_t first = -1;
    struct pass how = {.us = 3600 * US_PER_S, .status_of = all_but_the_first, .arg = &first};

    (void)state;
    world_open(&world);
    make_failing(&world, 50);
    pass(&world, &how);
    assert_int_equal(perform(&world, count_delivered, 0), 49);
    how.us = 4 * US_PER_DAY;
    pass(&world, &how);
    assert_int_equal(number(&world, "SELECT count(*) FROM dead"), 1);
    assert_int_equal(perform(&world, count_open, 0), 0);
    world_close(&world);
}

static void
too_many_requests_are_no_outage(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 60);
    pass(&world, &(struct pass){.us = 60 * US_PER_S, .status = 429});
    assert_int_equal(lane_of(&world, hook)->breaker.state, BREAKER_CLOSED);
    assert_int_equal(number(&world, "SELECT first_failure_us IS NOT NULL FROM hook"), 1);
    pass(&world, &(struct pass){.us = 3600 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 60);
    assert_int_equal(number(&world, "SELECT first_failure_us IS NULL FROM hook"), 1);
    world_close(&world);
}

/* --- the hook --- */

static enum err
forgive(struct act *act, struct engine *engine)
{
    return hook_forgive(engine, act->n, &act->call.error);
}

static void
a_failing_hook_that_is_enabled_is_tried_at_once(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 100);
    advance(&world, US_PER_S);
    assert_int_equal(world.network.count, 0);
    perform_change(&world, forgive, hook);
    pump(&world);
    assert_int_equal(world.network.count, 1);
    assert_int_equal(lane_of(&world, hook)->breaker.state, BREAKER_CLOSED);
    answer_all(&world, 200);
    pass(&world, &(struct pass){.us = 60 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 100);
    assert_int_equal(number(&world, "SELECT failing_us IS NULL FROM hook"), 1);
    world_close(&world);
}

/* Nobody but a handful is told while it is down, and it teaches no rate: so all of them at once. */
static void
check_back_after_an_outage(bool is_enabled_by_hand)
{
    struct world world;

    world_open(&world);
    int64_t hook = make_told(&world, 30);
    pass(&world, &(struct pass){.us = US_PER_S, .status = 503});
    struct lane *lane = lane_of(&world, hook);
    assert_int_equal(lane->breaker.state, BREAKER_OPEN);
    assert_in_range(world.network.started, 10, 12);
    assert_true(lane->throttle.rate == 0);
    pass(&world, &(struct pass){.us = 600 * US_PER_S, .status = 503});
    assert_true(lane->throttle.rate == 0);

    if (is_enabled_by_hand) {
        perform_change(&world, forgive, hook);
    } else {
        await_start(&world);
    }
    pass(&world, &(struct pass){.us = 3 * US_PER_S, .status = 200});
    assert_settled(&world, 30);
    assert_int_equal(lane->breaker.state, BREAKER_CLOSED);
    world_close(&world);
}

static void
an_endpoint_that_said_503_to_all_hears_everything_within_seconds_of_its_return(void **state)
{
    (void)state;
    check_back_after_an_outage(true);
    check_back_after_an_outage(false);
}

/* What it took before it went down is no measure either. */
static void
a_rate_that_was_learned_is_forgotten_in_an_outage(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 60);
    answer_some(&world, 3, 200);
    answer_some(&world, 1, 503);
    struct lane *lane = lane_of(&world, hook);
    assert_true(lane->throttle.rate > 0);
    pass(&world, &(struct pass){.us = 3 * US_PER_S, .status = 500});
    assert_int_equal(lane->breaker.state, BREAKER_OPEN);
    advance(&world, US_PER_S / 4);
    assert_true(lane->throttle.rate == 0);
    assert_int_equal(number(&world, "SELECT learned_rate IS NULL FROM hook"), 1);
    world_close(&world);
}

static void
an_edit_of_a_failing_hook_does_not_make_it_a_healthy_one(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 100);
    size_t started = world.network.started;
    execute(&world, "UPDATE hook SET max_in_flight = 4");
    tell_change(&world, hook);
    pump(&world);
    assert_int_equal(world.network.started, started);
    assert_int_equal(lane_of(&world, hook)->state, LANE_OPEN);
    assert_int_equal(lane_of(&world, hook)->breaker.state, BREAKER_OPEN);
    pass(&world, &(struct pass){.us = 60 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 100);
    world_close(&world);
}

static void
a_hook_that_was_failing_at_the_start_is_met_with_one_probe(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 100);
    for (int i = 0; i < 20; i++)
        tell_hook(&world, hook, 100 + i);
    world_halt(&world);
    world_start(&world);
    wake(&world, hook);
    assert_int_equal(world.network.count, 1);
    assert_int_equal(lane_of(&world, hook)->breaker.state, BREAKER_PROBING);
    assert_in_range(lane_of(&world, hook)->fanout_count, 1, 4);
    answer_some(&world, 1, 500);
    assert_int_equal(world.network.count, 0);
    assert_int_equal(number(&world, "SELECT failing_us IS NOT NULL FROM hook"), 1);
    pass(&world, &(struct pass){.us = 60 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 21 * 100);
    assert_int_equal(number(&world, "SELECT failing_us IS NULL FROM hook"), 1);
    world_close(&world);
}

static void
a_failing_lane_that_is_owed_nothing_is_let_go_and_its_state_is_kept(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_failing(&world, 100);
    execute(&world, "DELETE FROM attendee");
    pass(&world, &(struct pass){.us = 600 * US_PER_S, .status = 500});
    assert_null(lane_of(&world, hook));
    assert_int_equal(number(&world, "SELECT failing_us IS NOT NULL FROM hook"), 1);
    perform(&world, make_members, 100);
    tell_hook(&world, hook, 78);
    assert_int_equal(world.network.count, 1);
    answer_all(&world, 200);
    world_close(&world);
}

/* --- for too long --- */

static int64_t
count_told(struct world *world, const char *type)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE type = '%s'", type);
    return number(world, sql);
}

static void
after_too_long_a_time_of_failing_a_hook_is_disabled_and_that_is_told(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.dispatch->options.disable_after_us = 5 * US_PER_HOUR;
    int64_t hook = make_failing(&world, 100);
    world.event = EVENT_HOOK_DISABLED;
    int64_t listener = perform(&world, make_hook, 2);
    pass(&world, &(struct pass){.us = 4 * US_PER_HOUR, .status = 500});
    assert_int_equal(perform(&world, is_disabled, hook), 0);
    /* Until the last probe is due. */
    await_start(&world);
    clock_manual_advance(&world.clock, US_PER_HOUR);
    answer_some(&world, 1, 500);
    assert_int_equal(perform(&world, is_disabled, hook), 1);
    assert_int_equal(number(&world, "SELECT disabled_by = 'failing' FROM hook WHERE hook_pk = 1"),
        1);
    assert_int_equal(count_told(&world, EVENT_HOOK_DISABLED), 1);
    /* And the one that asked for it hears of it at once: its body is the notice alone. */
    assert_int_equal(world.network.count, 1);
    struct str body = world.network.under_way[0]->body;
    assert_memory_equal(body.ptr, "{\"type\":\"hook.disabled\"", 23);
    assert_non_null(strstr(body.ptr, "\"failing\""));
    answer_all(&world, 200);
    assert_int_equal(lane_of(&world, listener)->is_proven, true);

    /* Nothing was lost: the rest is sent when it is enabled. */
    pass(&world, &(struct pass){.us = US_PER_DAY, .status = 500});
    assert_null(lane_of(&world, hook));
    assert_int_equal(number(&world, "SELECT count(*) FROM dead"), 0);
    perform(&world, enable, hook);
    perform_change(&world, forgive, hook);
    pump(&world);
    answer_all(&world, 200);
    pass(&world, &(struct pass){.us = 3600 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 100 + 1);
    world_close(&world);
}

static void
a_success_in_between_starts_that_time_anew(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.dispatch->options.disable_after_us = 5 * US_PER_HOUR;
    int64_t hook = make_failing(&world, 2000);
    pass(&world, &(struct pass){.us = 4 * US_PER_HOUR, .status = 500});
    await_start(&world);
    answer_some(&world, 1, 200);
    assert_true(world.network.count > 0);
    pass(&world, &(struct pass){.us = 4 * US_PER_HOUR, .status = 500});
    assert_int_equal(perform(&world, is_disabled, hook), 0);
    pass(&world, &(struct pass){.us = 2 * US_PER_HOUR, .status = 500});
    assert_int_equal(perform(&world, is_disabled, hook), 1);
    world_close(&world);
}

static void
an_outage_is_told_once_and_so_is_its_end(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.event = EVENT_HOOK_FAILING;
    (void)perform(&world, make_hook, 2);
    world.event = EVENT_HOOK_RECOVERED;
    (void)perform(&world, make_hook, 3);
    world.event = NULL;
    int64_t hook = make_told(&world, 100);
    for (int i = 0; i < 3; i++)
        answer_some(&world, 1, 500);
    assert_int_equal(count_told(&world, EVENT_HOOK_FAILING), 0);
    while (lane_of(&world, hook)->breaker.state == BREAKER_CLOSED)
        answer_some(&world, 1, 500);
    advance(&world, US_PER_S / 4);
    assert_int_equal(count_told(&world, EVENT_HOOK_FAILING), 1);
    answer_all(&world, 200);
    /* A probe is answered well, what follows is not. */
    for (int i = 0; i < 5; i++) {
        await_start(&world);
        answer_some(&world, 1, 200);
        answer_all(&world, 500);
    }
    assert_int_equal(count_told(&world, EVENT_HOOK_FAILING), 1);
    assert_int_equal(count_told(&world, EVENT_HOOK_RECOVERED), 0);
    pass(&world, &(struct pass){.us = 3600 * US_PER_S, .status = 200});
    assert_int_equal(count_told(&world, EVENT_HOOK_FAILING), 1);
    assert_int_equal(count_told(&world, EVENT_HOOK_RECOVERED), 1);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outage_kills_no_delivery),
        cmocka_unit_test(a_dead_endpoint_leaves_few_rows_and_hears_everything_once_when_it_is_back),
        cmocka_unit_test(what_is_owed_to_a_failing_hook_waits_in_the_store_and_counts_no_attempt),
        cmocka_unit_test(probes_come_one_at_a_time_and_ever_more_rarely),
        cmocka_unit_test(while_it_is_shut_a_lane_asks_the_store_for_nothing),
        cmocka_unit_test(a_failing_endpoint_that_asks_to_be_left_alone_is_not_probed_before),
        cmocka_unit_test(one_delivery_that_can_never_be_taken_does_not_keep_the_others_waiting),
        cmocka_unit_test(too_many_requests_are_no_outage),
        cmocka_unit_test(a_failing_hook_that_is_enabled_is_tried_at_once),
        cmocka_unit_test(
            an_endpoint_that_said_503_to_all_hears_everything_within_seconds_of_its_return),
        cmocka_unit_test(a_rate_that_was_learned_is_forgotten_in_an_outage),
        cmocka_unit_test(an_edit_of_a_failing_hook_does_not_make_it_a_healthy_one),
        cmocka_unit_test(a_hook_that_was_failing_at_the_start_is_met_with_one_probe),
        cmocka_unit_test(a_failing_lane_that_is_owed_nothing_is_let_go_and_its_state_is_kept),
        cmocka_unit_test(after_too_long_a_time_of_failing_a_hook_is_disabled_and_that_is_told),
        cmocka_unit_test(a_success_in_between_starts_that_time_anew),
        cmocka_unit_test(an_outage_is_told_once_and_so_is_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
