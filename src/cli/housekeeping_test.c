/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/housekeeping.h"

#include <string.h>

#include "base/check.h"
#include "os/fault.h"
#include "support/sending.h"

#define DAY US_PER_DAY

struct house {
    struct world world;
    struct housekeeping *housekeeping;
    int64_t hook;
};

static void
house_open(struct house *house)
{
    struct world *world = &house->world;
    struct housekeeping_options options = {
        .clock = &world->clock.base,
        .port = &world->own_port,
        .keep = {.events_us = 90 * DAY,
            .dead_us = 90 * DAY,
            .attempts_us = 30 * DAY,
            .idempotency_us = DAY},
    };

    world_open(world);
    options.loop = world->loop;
    options.store = world->store;
    options.dispatch = world->set;
    assert_int_equal(housekeeping_new(&options, &house->housekeeping, &world->error), OK);
    house->hook = perform(world, make_hook, 5);
    (void)perform(world, make_members, 3);
}

/* Let all be done that is due until the moment has come. */
static void
keep_house(struct house *house, int64_t us)
{
    struct world *world = &house->world;
    struct instant until = instant_add_us(world->clock.instant_now, us);

    while (world->clock.instant_now.us < until.us) {
        struct instant next = housekeeping_tick(house->housekeeping, world->clock.instant_now);

        if (housekeeping_is_busy(house->housekeeping)) {
            pump(world);
            look(world, 1);
        } else {
            next = instant_earlier(next, until);
            if (next.us > world->clock.instant_now.us)
                clock_manual_advance(&world->clock, next.us - world->clock.instant_now.us);
        }
    }
}

static void
house_close(struct house *house)
{
    housekeeping_stop(house->housekeeping);
    while (housekeeping_is_busy(house->housekeeping))
        look(&house->world, 1);
    assert_int_equal(housekeeping_tick(house->housekeeping, house->world.clock.instant_now).us,
        INSTANT_NEVER.us);
    assert_false(housekeeping_is_busy(house->housekeeping));
    housekeeping_free(house->housekeeping);
    world_close(&house->world);
}

static enum err
count_events(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT count(*) FROM event WHERE event_pk > ?1", v_int(0));
}

static enum err
count_blocks(struct act *act, struct engine *engine)
{
    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT count(*) FROM attempt_block WHERE rowid > ?1", v_int(0));
}

static void
each_goes_when_its_time_has_come(void **state)
{
    struct house house;
    struct world *world = &house.world;

    (void)state;
    house_open(&house);
    (void)tell_hook(world, house.hook, 1);
    pump(world);
    (void)answer_all(world, 200);
    advance(world, US_PER_S);
    assert_true(perform(world, count_blocks, 0) > 0);

    clock_manual_advance(&world->clock, 29 * DAY);
    keep_house(&house, DAY / 24);
    assert_true(perform(world, count_blocks, 0) > 0);
    clock_manual_advance(&world->clock, DAY);
    keep_house(&house, 2 * 60 * US_PER_S);
    assert_int_equal(perform(world, count_blocks, 0), 0);
    assert_int_equal(perform(world, count_events, 0), 1);
    clock_manual_advance(&world->clock, 60 * DAY);
    keep_house(&house, 2 * 60 * US_PER_S);
    assert_int_equal(perform(world, count_events, 0), 0);
    house_close(&house);
}

/* An event that a hook could not be told of for so long is not told any more. */
static void
a_lane_drops_what_has_expired(void **state)
{
    struct house house;
    struct world *world = &house.world;

    (void)state;
    house_open(&house);
    (void)tell_hook(world, house.hook, 1);
    pump(world);
    assert_int_equal(answer_all(world, 500), 3); /* they wait for the second attempt */
    (void)perform(world, disable, house.hook);
    tell_change(world, house.hook);
    advance(world, US_PER_S);
    assert_int_equal(perform(world, count_chunks, 0), 1);
    clock_manual_advance(&world->clock, 91 * DAY);
    keep_house(&house, 2 * 60 * US_PER_S);
    assert_int_equal(perform(world, count_events, 0), 0);
    assert_int_equal(perform(world, count_chunks, 0), 0);
    (void)perform(world, enable, house.hook);
    tell_change(world, house.hook);
    advance(world, US_PER_S);
    assert_int_equal(world->network.count, 0);
    house_close(&house);
}

/* What it has in hand of it is not sent any more either. */
static void
a_lane_at_work_is_told_what_has_expired(void **state)
{
    struct house house;
    struct world *world = &house.world;

    (void)state;
    house_open(&house);
    world->max_in_flight = 1;
    house.hook = perform(world, make_hook, 6);
    (void)tell_hook(world, house.hook, 1);
    pump(world);
    assert_int_equal(world->network.count, 1);
    clock_manual_advance(&world->clock, 91 * DAY);
    keep_house(&house, 2 * 60 * US_PER_S);
    assert_int_equal(perform(world, count_events, 0), 0);
    answer_status(world, 0, 200);
    advance(world, US_PER_S);
    assert_int_equal(world->network.count, 0);
    house_close(&house);
}

/* More than one step takes, with other things between the steps. */
static void
it_goes_on_step_by_step(void **state)
{
    struct house house;
    struct world *world = &house.world;
    int64_t left = 0;
    bool was_half = false;
    int times = 0;

    (void)state;
    house_open(&house);
    execute(world,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO attempt_block (fanout_pk, base, started_us, records)"
        " SELECT 1, i, i, x'' FROM n");
    while ((left = perform(world, count_blocks, 0)) > 0) {
        was_half = was_half || left < 20000;
        assert_true(++times < 1100); /* a minute to begin with */
        keep_house(&house, 60 * US_PER_MS);
    }
    assert_true(was_half);
    house_close(&house);
}

/* Nobody else writes; and yet the store is found to be well again. */
static void
a_store_that_failed_is_tried_until_it_is_well(void **state)
{
#ifdef USHER_FAULTS
    struct house house;
    struct world *world = &house.world;
    struct gate gate;

    (void)state;
    house_open(&house);
    keep_house(&house, 4 * US_PER_S);
    fault_arm("store.commit", 1);
    gate_submit(world, &gate, true);
    gate_open(&gate);
    gate_end(world, &gate);
    assert_true(fault_fired());
    assert_int_not_equal(store_health(world->store, NULL), OK);
    keep_house(&house, 6 * US_PER_S);
    assert_int_equal(store_health(world->store, NULL), OK);
    house_close(&house);
#else
    (void)state;
    skip();
#endif
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_goes_when_its_time_has_come),
        cmocka_unit_test(a_lane_drops_what_has_expired),
        cmocka_unit_test(a_lane_at_work_is_told_what_has_expired),
        cmocka_unit_test(it_goes_on_step_by_step),
        cmocka_unit_test(a_store_that_failed_is_tried_until_it_is_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
