/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/log.h"
#include "sim/rules.h"

/* More than ever happens at one moment. */
#define STEPS_HERE_MAX 2000000
/* By then whatever was owed is long over. */
#define SETTLE_US_MAX (40 * US_PER_DAY)

/* --- what is told --- */

static void
tell_line(const struct sim *sim, const char *line)
{
    (void)printf("%12.6f  %s\n", (double)sim_now(sim).us / (double)US_PER_S, line);
}

void
sim_tell(struct sim *sim, const char *fmt, ...)
{
    char line[LINE_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    tell_line(sim, line);
}

void
sim_note(struct sim *sim, uint64_t number)
{
    sim->digest = (sim->digest ^ number ^ (uint64_t)sim_now(sim).us) * UINT64_C(0x100000001b3);
    sim->digest ^= sim->digest >> 29;
}

void
sim_say(struct sim *sim, const char *fmt, ...)
{
    char *line = sim->lines[sim->line_count++ % LINES_MAX];
    int len = snprintf(line, LINE_BYTES, "%.6f ", (double)sim_now(sim).us / (double)US_PER_S);
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(line + len, LINE_BYTES - (size_t)len, fmt, args);
    va_end(args);
    for (const char *it = line; *it != '\0'; it++)
        sim_note(sim, (uint64_t)*it);
    if (sim->is_verbose)
        tell_line(sim, strchr(line, ' ') + 1);
}

void
sim_fail(struct sim *sim, const char *fmt, ...)
{
    uint64_t first = sim->line_count > LINES_MAX ? sim->line_count - LINES_MAX : 0;
    va_list args;

    for (uint64_t i = first; i < sim->line_count; i++)
        (void)printf("    %s\n", sim->lines[i % LINES_MAX]);
    (void)printf("seed %" PRIu64 ", step %" PRIu64 ", after %.6f s: ", sim->seed, sim->step,
        (double)sim_now(sim).us / (double)US_PER_S);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)printf("\n");
    exit(1);
}

/* --- playing --- */

enum player { PLAYER_STORE, PLAYER_NETWORK, PLAYER_ACTS, PLAYER_LOOPS };

#define PLAYERS_MAX (PLAYER_LOOPS + LOOPS_MAX)

static unsigned
ready_players(struct sim *sim, unsigned *ret)
{
    struct instant now = sim_now(sim);
    unsigned count = 0;

    if (workers_are_ready(&sim->store, now))
        ret[count++] = PLAYER_STORE;
    if (network_is_ready(sim, now))
        ret[count++] = PLAYER_NETWORK;
    if (!sim->is_settling && sim->act_next.us <= now.us)
        ret[count++] = PLAYER_ACTS;
    for (unsigned i = 0; sim->stage != STAGE_DOWN && i < sim->loop_count; i++)
        if (loop_is_ready(sim->process.loops[i], now))
            ret[count++] = PLAYER_LOOPS + i;
    return count;
}

static struct instant
next_moment(struct sim *sim)
{
    struct instant next = instant_earlier(workers_next(&sim->store), network_next(sim));

    if (!sim->is_settling)
        next = instant_earlier(next, sim->act_next);
    if (sim->stage == STAGE_DOWN)
        return sim->is_over ? INSTANT_NEVER : instant_earlier(next, sim->start_again);
    for (unsigned i = 0; i < sim->loop_count; i++)
        next = instant_earlier(next, loop_next(sim->process.loops[i]));
    return next;
}

static void
play(struct sim *sim, unsigned player)
{
    switch (player) {
    case PLAYER_STORE: workers_play(&sim->store, sim_now(sim)); break;
    case PLAYER_NETWORK: network_play(sim); break;
    case PLAYER_ACTS:
        if (sim_now(sim).us < sim->act_end.us) {
            acts_play(sim);
            break;
        }
        sim->act_next = instant_add_us(sim_now(sim), US_PER_S);
        if (sim_now(sim).us > sim->store.trouble_over.us)
            acts_settle(sim);
        break;
    default: loop_play(sim->process.loops[player - PLAYER_LOOPS], sim_now(sim)); break;
    }
}

/* One thing that happens, or the jump to when the next one does; false when nothing ever will. */
static bool
step(struct sim *sim)
{
    unsigned players[PLAYERS_MAX];
    unsigned count;
    struct instant next;

    process_look(sim);
    count = ready_players(sim, players);

    sim->step++;
    if (count > 0) {
        if (++sim->steps_here > STEPS_HERE_MAX)
            sim_fail(sim, "it does not stop doing something at one moment");
        play(sim, players[count == 1 ? 0 : (unsigned)random_between(&sim->order, 0, count - 1)]);
        return true;
    }
    rules_look(sim);
    next = next_moment(sim);
    if (next.us == INSTANT_NEVER.us)
        return false;
    if (next.us <= sim_now(sim).us)
        sim_fail(sim, "stage %d: something is due at %lld, and nobody does it", (int)sim->stage,
            (long long)next.us);
    clock_manual_advance(&sim->clock, next.us - sim_now(sim).us);
    sim->steps_here = 0;
    if (sim->is_settling && sim_now(sim).us - sim->settled_at.us > SETTLE_US_MAX)
        sim_fail(sim, "it does not come to an end");
    return true;
}

/* --- a seed --- */

static void
choose(struct sim *sim)
{
    static const unsigned in_flight[] = {4, 16, 64, 256};
    static const unsigned connections[] = {32, 256, 4096};

    sim->loop_count = (unsigned)random_between(&sim->random, 1, LOOPS_MAX);
    sim->in_flight_max = in_flight[random_between(&sim->random, 0, 3)];
    sim->connections_max = connections[random_between(&sim->random, 0, 2)];
    sim->account_in_flight_max = 1024;
    sim->attempt_ms = chance(&sim->random, 1, 4) ? 5000 : 30000;
    sim->disable_after_us = random_between(&sim->random, 0, 5) * US_PER_DAY;
    sim->schedule = schedule_standard((uint32_t)random_between(&sim->random, 3, 10));
}

static void
sim_init(struct sim *sim, const struct sim_options *options)
{
    static const uint8_t process[8] = {1};

    sim->seed = options->seed;
    sim->is_verbose = options->is_verbose;
    sim->zones = options->zones;
    random_seed(&sim->random, options->seed * 3);
    random_seed(&sim->order, options->seed * 3 + 1);
    random_seed(&sim->moods, options->seed * 3 + 2);
    id_source_init(&sim->ids, process);
    clock_manual_init(&sim->clock, (struct walltime){INT64_C(1710496800000000)});
    sim->clock.instant_now = (struct instant){US_PER_S};
    sim->act_end = instant_add_us(sim_now(sim), (int64_t)(options->days * (double)US_PER_DAY));
    list_init(&sim->flights);
    heap_init(&sim->answers);
    model_init(&sim->model, sim);
    choose(sim);
    workers_open(sim);
    process_start(sim);
    acts_prepare(sim);
}

static void
sim_done(struct sim *sim)
{
    sim->is_over = true;
    process_stop(sim, 0);
    while (sim->stage != STAGE_DOWN)
        if (!step(sim) && sim->stage != STAGE_DOWN)
            sim_fail(sim, "the process does not stop");
    workers_close(sim);
    model_done(&sim->model);
    heap_done(&sim->answers);
}

struct sim_report
sim_play(const struct sim_options *options)
{
    struct sim *sim = calloc(1, sizeof(*sim));
    struct sim_report report;

    CHECK(sim != NULL);
    sim_init(sim, options);
    while (step(sim))
        continue;
    rules_finish(sim);
    sim_done(sim);
    report = (struct sim_report){
        .digest = sim->digest,
        .steps = sim->step,
        .attempts = sim->model.attempts,
        .events = sim->model.news_count,
        .notices = sim->notices,
    };
    free(sim);
    return report;
}
