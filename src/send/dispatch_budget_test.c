/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What many hooks share: the places of a loop, its connections, the budget of their account; and
 * what one endpoint can take.
 */
#include "send/dispatch.h"
#include "send/lane_health.h"
#include "support/sending.h"

/* Hooks that hang and a healthy one in the same world. */
#define HANGING 200

static void
make_hooks(struct world *world, int64_t *hooks, int64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hooks[i] = perform(world, make_hook, first + (int64_t)i);
}

static bool
is_to(const struct http_exchange *exchange, int64_t n)
{
    return id_equals(delivery_of(exchange).hook, numbered(n));
}

/* Answer all that goes to the n-th hook. */
static size_t
answer_hook(struct world *world, int64_t n, int status)
{
    size_t answered = 0;

    for (size_t i = 0; i < world->network.count;) {
        if (!is_to(world->network.under_way[i], n)) {
            i++;
            continue;
        }
        answer_status(world, i, status);
        pump(world);
        answered++;
        i = 0;
    }
    return answered;
}

/* --- the places of a loop --- */

static void
two_hundred_hooks_that_hang_do_not_delay_a_healthy_one(void **state)
{
    int64_t hooks[HANGING];
    struct world world;

    (void)state;
    world_open(&world);
    world.dispatch->turns.young_max = 16;
    perform(&world, make_members, 1);
    int64_t healthy = perform(&world, make_hook, 1);
    tell_hook(&world, healthy, 70);
    assert_int_equal(answer_all(&world, 200), 1);
    make_hooks(&world, hooks, 1000, HANGING);
    /* All of them begin to hang at once. */
    perform(&world, disable, healthy);
    perform(&world, tell, 71);
    perform(&world, enable, healthy);
    wake_hooks(&world, hooks, HANGING);
    /* At that very moment the healthy one finds a place, */
    assert_int_equal(world.network.count, 8);
    tell_only(&world, healthy, 72);
    assert_int_equal(answer_hook(&world, 1, 200), 1);
    /* and at any later one. */
    for (int i = 0; i < 30; i++) {
        advance(&world, YOUNG_US);
        tell_only(&world, healthy, 100 + i);
        assert_int_equal(answer_hook(&world, 1, 200), 1);
    }
    /* They got their turns meanwhile, half of the places in each stretch. */
    assert_int_equal(world.network.count, HANGING);
    for (size_t i = 0; i < world.network.count; i++)
        assert_false(is_to(world.network.under_way[i], 1));
    answer_all(&world, 200);
    world_close(&world);
}

static void
the_places_of_the_young_are_free_again_without_an_answer(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    world.dispatch->turns.young_max = 4;
    make_told(&world, 200);
    assert_int_equal(world.network.count, 2);
    for (int i = 0; i < 10; i++)
        answer_some(&world, 1, 200);
    /* It is known to be good now, and its window is open. */
    assert_int_equal(world.network.count, 4);
    struct instant next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us <= world.clock.instant_now.us + YOUNG_US);
    advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, 8);
    advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, 12);
    answer_all(&world, 200);
    world_close(&world);
}

/* Two hooks that are known to be good, in a world of few places and connections. */
static void
open_two_known(struct world *world, int64_t *hooks)
{
    world_open(world);
    world->dispatch->turns.young_max = 4;
    world->dispatch->turns.connections_max = 20;
    perform(world, make_members, 100);
    make_hooks(world, hooks, 1, 2);
    perform(world, tell, 70);
    wake_hooks(world, hooks, 2);
    answer_all(world, 200);
}

static void
who_hangs_gets_no_more_connections_once_half_of_them_are_in_use(void **state)
{
    int64_t hooks[2];
    struct world world;

    (void)state;
    open_two_known(&world, hooks);
    /* The first one hangs. */
    tell_only(&world, hooks[0], 77);
    for (int i = 0; i < 20; i++)
        advance(&world, YOUNG_US);
    size_t hanging = world.network.count;
    assert_int_equal(hanging, 11);
    for (int i = 0; i < 100; i++)
        advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, hanging);
    tell_only(&world, hooks[1], 78);
    assert_int_equal(answer_hook(&world, 2, 200), 100);
    /* It gets an answer, and goes on. */
    answer_all(&world, 200);
    assert_int_equal(perform(&world, count_delivered, 0), 400);
    world_close(&world);
}

static void
who_was_held_goes_on_when_there_are_connections_again(void **state)
{
    int64_t hooks[2];
    struct world world;

    (void)state;
    open_two_known(&world, hooks);
    world.told = 6;
    tell_only(&world, hooks[0], 77);
    for (int i = 0; i < 5; i++)
        advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, 6);
    world.told = 0;
    tell_only(&world, hooks[1], 78);
    for (int i = 0; i < 20; i++)
        advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, 11);
    /* The first one has nothing more; what it leaves is the other one's. */
    assert_int_equal(answer_hook(&world, 1, 200), 6);
    for (int i = 0; i < 20; i++)
        advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, 11);
    answer_all(&world, 200);
    world_close(&world);
}

static void
with_all_connections_in_use_nothing_starts_until_one_is_free(void **state)
{
    int64_t hooks[12];
    struct world world;

    (void)state;
    world_open(&world);
    world.dispatch->turns.connections_max = 10;
    perform(&world, make_members, 1);
    make_hooks(&world, hooks, 1, COUNT_OF(hooks));
    perform(&world, tell, 77);
    wake_hooks(&world, hooks, COUNT_OF(hooks));
    assert_int_equal(world.network.count, 10);
    assert_true(turns_look(&world.dispatch->turns, world.clock.instant_now).us == INT64_MAX);
    for (int i = 0; i < 10; i++)
        advance(&world, YOUNG_US);
    assert_int_equal(world.network.count, 10);
    /* Nobody looks in vain. */
    advance(&world, US_PER_S);
    struct instant next = dispatch_tick(world.dispatch, world.clock.instant_now);
    assert_true(next.us > world.clock.instant_now.us + US_PER_S);
    answer_some(&world, 1, 200);
    assert_int_equal(world.network.count, 10);
    answer_all(&world, 200);
    assert_int_equal(perform(&world, count_delivered, 0), COUNT_OF(hooks));
    assert_int_equal(world.network.most, 10);
    world_close(&world);
}

/* --- the account --- */

static void
the_rate_of_an_account_holds_over_all_its_hooks(void **state)
{
    enum { RATE = 20, SECONDS = 5 };

    int64_t hooks[2];
    struct world world;

    (void)state;
    world_open(&world);
    make_hooks(&world, hooks, 1, 2);
    execute(&world, "UPDATE account SET rate_limit = 20");
    perform(&world, make_members, 500);
    perform(&world, tell, 77);
    wake_hooks(&world, hooks, 2);
    pass(&world, &(struct pass){.us = SECONDS * US_PER_S, .status = 200});
    assert_in_range(world.network.started, SECONDS * RATE - 1, SECONDS * RATE + 3);
    int64_t first = number(&world, "SELECT delivered FROM fanout WHERE hook_pk = 1");
    assert_in_range(first, SECONDS * RATE / 4, SECONDS * RATE * 3 / 4);
    world_close(&world);
}

static void
an_account_has_no_more_under_way_than_it_may(void **state)
{
    int64_t hooks[3];
    struct world world;

    (void)state;
    world_open(&world);
    world_halt(&world);
    world.account_in_flight_max = 5;
    world_start(&world);
    make_hooks(&world, hooks, 1, 3);
    execute(&world, "UPDATE account SET rate_limit = 10000");
    perform(&world, make_members, 100);
    perform(&world, tell, 77);
    wake_hooks(&world, hooks, 3);
    for (int i = 0; i < 50; i++) {
        answer_some(&world, 1, 200);
        advance(&world, US_PER_S / 50);
    }
    assert_int_equal(world.network.most, 5);
    assert_int_equal(world.network.count, 5);
    pass(&world, &(struct pass){.us = 60 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 300);
    assert_int_equal(world.network.most, 5);
    world_close(&world);
}

/* --- what an endpoint can take --- */

static int
at_most_twenty_a_second(const struct http_exchange *exchange, void *arg)
{
    static int64_t second;
    static int count;
    struct world *world = arg;
    int64_t now = world->clock.instant_now.us / US_PER_S;

    (void)exchange;
    if (now != second)
        count = 0;
    second = now;
    return ++count <= 20 ? 200 : 429;
}

static void
a_rate_that_was_learned_is_kept_over_a_restart(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    int64_t hook = make_told(&world, 3000);
    pass(&world,
        &(struct pass){.us = 20 * US_PER_S, .status_of = at_most_twenty_a_second, .arg = &world});
    double learned = lane_of(&world, hook)->throttle.rate;
    assert_true(learned > 5 && learned < 40);
    world_halt(&world);
    world_start(&world);
    wake(&world, hook);
    double known = lane_of(&world, hook)->throttle.rate;
    assert_true(known > learned * 0.8 && known < learned * 1.2);
    size_t before = world.network.started;
    pass(&world, &(struct pass){.us = 5 * US_PER_S, .status = 200});
    assert_in_range(world.network.started - before, 5 * 10, 5 * 60);
    world_close(&world);
}

static void
retry_after_of_a_busy_endpoint_pauses_its_lane_and_no_other(void **state)
{
    const struct http_result busy = {.status = 429, .retry_after = STR("30")};
    int64_t hooks[2];
    struct world world;

    (void)state;
    world_open(&world);
    make_hooks(&world, hooks, 1, 2);
    perform(&world, make_members, 50);
    perform(&world, tell, 77);
    wake_hooks(&world, hooks, 1);
    answer(&world, 0, &busy);
    answer_all(&world, 200);
    size_t started = world.network.started;
    for (int i = 0; i < 29; i++)
        advance(&world, US_PER_S);
    assert_int_equal(world.network.started, started);
    wake_hooks(&world, hooks + 1, 1);
    assert_int_equal(answer_all(&world, 200), 50);
    advance(&world, 2 * US_PER_S);
    assert_true(world.network.count > 0);
    pass(&world, &(struct pass){.us = 600 * US_PER_S, .status = 200});
    assert_int_equal(perform(&world, count_delivered, 0), 100);
    world_close(&world);
}

static void
the_young_are_at_most_half_of_the_connections(void **state)
{
    struct turns turns;

    (void)state;
    turns_init(&turns, 256, 120);
    assert_int_equal(turns.young_max, 60);
    turns_init(&turns, 256, 1);
    assert_int_equal(turns.young_max, 1);
    turns_init(&turns, 128, 4096);
    assert_int_equal(turns.young_max, 128);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_young_are_at_most_half_of_the_connections),
        cmocka_unit_test(two_hundred_hooks_that_hang_do_not_delay_a_healthy_one),
        cmocka_unit_test(the_places_of_the_young_are_free_again_without_an_answer),
        cmocka_unit_test(who_hangs_gets_no_more_connections_once_half_of_them_are_in_use),
        cmocka_unit_test(who_was_held_goes_on_when_there_are_connections_again),
        cmocka_unit_test(with_all_connections_in_use_nothing_starts_until_one_is_free),
        cmocka_unit_test(the_rate_of_an_account_holds_over_all_its_hooks),
        cmocka_unit_test(an_account_has_no_more_under_way_than_it_may),
        cmocka_unit_test(a_rate_that_was_learned_is_kept_over_a_restart),
        cmocka_unit_test(retry_after_of_a_busy_endpoint_pauses_its_lane_and_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
