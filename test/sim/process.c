/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a process: what cli/wire.c builds, takes down, and does not take down in a crash.
 */
#include <stdlib.h>

#include "base/check.h"
#include "sim/sim.h"
#include "store/lanes.h"

/* --- starting --- */

struct recovered {
    struct store_call call;
    struct arena arena;
    int64_t last_chunk_pk;
    int64_t *hook_pks;
    size_t hook_count;
};

static enum err
recovered_run(struct store_call *call, struct engine *engine)
{
    struct recovered *self = CONTAINER_OF(call, struct recovered, call);
    enum err err = lanes_recover(engine, &self->last_chunk_pk, &call->error);

    if (err == OK)
        err = lanes_open(engine, &self->arena, &self->hook_pks, &self->hook_count, &call->error);
    return err;
}

static void
ask_hand_over(void *arg)
{
    turn_end_ask(arg);
}

static void
on_hand_over(void *arg)
{
    store_port_flush(arg);
}

static void
node_start(struct sim *sim, unsigned i)
{
    struct process *process = &sim->process;
    struct error error = {.code = OK};
    struct dispatch_options options = {
        .set = process->set,
        .index = i,
        .clock = &sim->clock.base,
        .port = &process->ports[i],
        .client = &process->networks[i].base,
        .zones = sim->zones,
        .ids = &sim->ids,
        .budgets = process->budgets,
        .schedule = &sim->schedule,
        .attempt_ms = sim->attempt_ms,
        .in_flight_max = sim->in_flight_max,
        .connections_max = sim->connections_max,
        .disable_after_us = sim->disable_after_us,
        .user_agent = "sim",
        .seed = sim->seed * 1000 + sim->lives * LOOPS_MAX + i + 1,
    };

    CHECK(loop_new(i, &process->loops[i], &error) == OK);
    options.loop = process->loops[i];
    CHECK(turn_end_init(&process->hand_overs[i], process->loops[i], LOOP_TIMERS, on_hand_over,
              &process->ports[i]) == OK);
    store_port_init(&process->ports[i], &sim->store, ask_hand_over, &process->hand_overs[i]);
    network_init(&process->networks[i], sim, i);
    CHECK(dispatch_new(&options, &process->dispatches[i], &error) == OK);
}

void
process_start(struct sim *sim)
{
    struct process *process = &sim->process;
    struct recovered recovered = {.call = {.run = recovered_run, .writes = true}};
    struct error error = {.code = OK};

    *process = (struct process){.stopped = 0};
    sim->store.is_dead = false;
    sim->lives++;
    arena_init(&recovered.arena, 1 << 20);
    workers_run(&sim->store, &recovered.call);
    CHECK(budget_set_new(sim->account_in_flight_max, &process->budgets) == OK);
    CHECK(dispatch_set_new(sim->loop_count, recovered.last_chunk_pk, &process->set, &error) == OK);
    for (unsigned i = 0; i < sim->loop_count; i++)
        node_start(sim, i);
    dispatch_wake(process->set, recovered.hook_pks, recovered.hook_count);
    arena_done(&recovered.arena);
    sim->stage = STAGE_SERVING;
}

/* --- ending --- */

static void
process_free(struct sim *sim)
{
    struct process *process = &sim->process;

    for (unsigned i = 0; i < sim->loop_count; i++) {
        dispatch_free(process->dispatches[i]);
        turn_end_done(&process->hand_overs[i]);
        loop_free(process->loops[i]);
    }
    dispatch_set_free(process->set);
    budget_set_free(process->budgets);
    model_life_ends(&sim->model);
    sim->stage = STAGE_DOWN;
    sim->start_again = instant_add_us(sim_now(sim),
        chance(&sim->random, 1, 2) ? 0 : random_between(&sim->random, 0, 60) * US_PER_S);
}

static void
on_stopped(void *arg)
{
    struct sim *sim = arg;

    sim->process.stopped++;
}

static void
stop_all(struct sim *sim)
{
    sim->stage = STAGE_STOPPING;
    for (unsigned i = 0; i < sim->loop_count; i++)
        dispatch_stop(sim->process.dispatches[i], sim->stop_deadline, on_stopped, sim);
}

void
process_stop(struct sim *sim, int64_t patience_us)
{
    sim->stage = STAGE_FINISHING;
    sim->stop_deadline = instant_add_us(sim_now(sim), patience_us);
}

/* One stage further, where that may be. */
static void
process_go_on(struct sim *sim)
{
    switch (sim->stage) {
    case STAGE_SERVING: return;
    case STAGE_FINISHING:
        /* The lanes stop when all calls are answered. */
        if (sim->acts_open == 0)
            stop_all(sim);
        return;
    case STAGE_STOPPING:
        if (sim->process.stopped == sim->loop_count && workers_are_idle(&sim->store))
            process_free(sim);
        return;
    case STAGE_DOWN:
        if (!sim->is_over && sim->start_again.us <= sim_now(sim).us)
            process_start(sim);
        return;
    }
}

void
process_look(struct sim *sim)
{
    enum stage before;

    do {
        before = sim->stage;
        process_go_on(sim);
    } while (sim->stage != before);
}

/* All that is in memory is gone at once. It is taken down as in a stop, but nothing reaches the
 * disk any more, and what the endpoints have they may go on with unseen. */
void
process_kill(struct sim *sim)
{
    sim->is_killing = true;
    sim->stop_deadline = sim_now(sim);
    for (unsigned i = 0; i < sim->loop_count; i++)
        store_port_flush(&sim->process.ports[i]);
    workers_kill(&sim->store);
    if (sim->stage != STAGE_STOPPING)
        stop_all(sim);
    for (unsigned i = 0; i < sim->loop_count; i++)
        sim->process.dispatches[i]->stop_deadline = sim_now(sim);
    for (int turn = 0; turn < 1000; turn++)
        for (unsigned i = 0; i < sim->loop_count; i++) {
            turn_end_ask(&sim->process.dispatches[i]->turn_end);
            loop_play(sim->process.loops[i], sim_now(sim));
        }
    CHECK(sim->process.stopped == sim->loop_count && sim->store.count == 0);
    CHECK(list_is_empty(&sim->flights));
    process_free(sim);
    sim->is_killing = false;
}

struct lane *
process_lane(struct sim *sim, const struct hook_model *hook)
{
    struct dispatch *dispatch;

    if (sim->stage == STAGE_DOWN)
        return NULL;
    dispatch = sim->process.dispatches[(uint64_t)hook->pk % sim->loop_count];
    return map_find(&dispatch->lanes, (uint64_t)hook->pk);
}
