/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/rules.h"

#include <stdlib.h>

#include "base/check.h"
#include "queue/pacing.h"
#include "send/fanout.h"
#include "sim/acts.h"
#include "store/deliveries.h"

/* As send/dispatch.h has it: what is not answered by then costs a connection and no attention. */
#define YOUNG_US (20 * US_PER_MS)

/* What is due by the wall clock is looked for so often, and no failure of the store is forgotten
 * sooner. */
#define LOOK_US  (62 * US_PER_S)
#define AGAIN_US (2 * US_PER_S)

/* --- starts --- */

static void
check_settings(struct sim *sim, const struct flight *flight)
{
    struct hook_model *hook = flight->hook;

    if (flight->version < hook->heard.version)
        sim_fail(sim, "hook %d: an attempt starts by settings %u, after %u were acknowledged",
            hook->index, flight->version, hook->heard.version);
    if (flight->version != hook->version_seen && hook->in_flight > 1)
        sim_fail(sim, "hook %d: an attempt starts by settings %u while some by %u are in flight",
            hook->index, flight->version, hook->version_seen);
    hook->version_seen = flight->version;
}

/* No more than rate x time and what a late timer may catch up. */
static void
check_rate(struct sim *sim, struct hook_model *hook, bool is_known)
{
    int64_t now_us = sim_now(sim).us;
    int64_t from_us = hook->rate_next_us > now_us ? hook->rate_next_us : now_us;

    if (hook->now.rate <= 0)
        return;
    if (is_known && now_us < hook->rate_next_us - PACING_LATE_US)
        sim_fail(sim, "hook %d: an attempt starts %lld us too early for its rate of %.1f",
            hook->index, (long long)(hook->rate_next_us - now_us), hook->now.rate);
    hook->rate_next_us = from_us + (int64_t)((double)US_PER_S / hook->now.rate);
}

static unsigned
count_young(struct sim *sim, unsigned loop)
{
    unsigned count = 0;

    for (struct link *it = sim->flights.head.prev; it != &sim->flights.head; it = it->prev) {
        const struct flight *flight = LIST_ENTRY(it, struct flight, link);

        if (sim_now(sim).us - flight->started.us >= YOUNG_US)
            break;
        count += flight->network->loop == loop;
    }
    return count;
}

/* The young are at most half of the connections. */
static unsigned
young_allowed(const struct sim *sim)
{
    unsigned half = sim->connections_max / 2;

    return sim->in_flight_max < half ? sim->in_flight_max : half;
}

void
rules_start(struct sim *sim, struct flight *flight)
{
    struct hook_model *hook = flight->hook;
    unsigned loop = flight->network->loop;
    bool is_known;

    sim->loop_flights[loop]++;
    if (sim->stage == STAGE_STOPPING)
        sim_fail(sim, "hook %d: an attempt starts while the process stops", hook->index);
    check_settings(sim, flight);
    /* While a change is on its way either may hold. */
    is_known = hook->changes_open == 0 && flight->version == hook->now.version;
    if (is_known && hook->in_flight > hook->now.in_flight_max)
        sim_fail(sim, "hook %d: %u in flight, %u allowed", hook->index, hook->in_flight,
            hook->now.in_flight_max);
    check_rate(sim, hook, is_known);
    if (count_young(sim, loop) > young_allowed(sim))
        sim_fail(sim, "loop %u: more than %u young ones in flight", loop, young_allowed(sim));
    if (sim->loop_flights[loop] > sim->connections_max)
        sim_fail(sim, "loop %u: more than %u connections", loop, sim->connections_max);
}

void
rules_end(struct sim *sim, const struct flight *flight)
{
    sim->loop_flights[flight->network->loop]--;
}

bool
rules_counts(struct sim *sim, const struct hook_model *hook)
{
    const struct lane *lane = process_lane(sim, hook);

    CHECK(lane != NULL);
    return lane->breaker.state == BREAKER_CLOSED;
}

bool
rules_disables(struct sim *sim, const struct hook_model *hook)
{
    const struct lane *lane = process_lane(sim, hook);

    CHECK(lane != NULL);
    return lane->state == LANE_OPEN;
}

void
rules_ended(struct sim *sim, struct hook_model *hook)
{
    const struct lane *lane = process_lane(sim, hook);

    CHECK(lane != NULL);
    if (lane->breaker.state == BREAKER_OPEN)
        model_return(&sim->model, hook);
    if (lane->disabled_by != NULL && !hook->is_closed) {
        sim_say(sim, "hook %d is disabled for failing", hook->index);
        if (sim->disable_after_us == 0)
            sim_fail(sim, "hook %d is disabled for failing, which it never should", hook->index);
        model_disable(&sim->model, hook, (unsigned)hook->pk % sim->loop_count);
    }
}

/* --- idleness --- */

/* Something beyond the hook's own work keeps it from starting just now. */
static bool
is_held_up(struct sim *sim, const struct hook_model *hook, const struct lane *lane)
{
    unsigned loop = (unsigned)hook->pk % sim->loop_count;
    unsigned young_max = lane->is_proven ? young_allowed(sim) : young_allowed(sim) / 2;
    unsigned flights = sim->loop_flights[loop];
    int64_t now_us = sim_now(sim).us;

    if (count_young(sim, loop) >= (young_max > 0 ? young_max : 1))
        return true;
    if (flights >= sim->connections_max ||
        (lane->old_in_flight > 0 && flights > sim->connections_max / 2))
        return true;
    return now_us < hook->rate_next_us || now_us < hook->rate_free_us ||
           lane->throttle.pause.us > now_us || lane->throttle.rate > 0;
}

/* What was in hand is on its way back to the store, from where it is read again. */
static bool
is_going_back(struct lane *lane)
{
    LIST_FOREACH(&lane->fanouts, it)
    {
        if (LIST_ENTRY(it, struct fanout, link)->is_cut)
            return true;
    }
    return false;
}

/* The endpoint fails: one probe at a time, when it is due. */
static bool
is_shut(const struct sim *sim, const struct hook_model *hook, const struct lane *lane)
{
    if (lane->breaker.state == BREAKER_PROBING)
        return hook->in_flight > 0;
    return lane->breaker.state == BREAKER_OPEN &&
           (hook->in_flight > 0 || lane->breaker.probe_at.us > sim_now(sim).us);
}

/* Waits for longer than it can have been put off. */
static bool
is_late(const struct sim *sim, const struct told *told, const struct cell *cell)
{
    return cell->state == CELL_WAITING && !cell->may_be_over &&
           cell_due_us(told, cell) + LOOK_US < sim_wall(sim).us;
}

static bool
hook_has_late(const struct sim *sim, const struct hook_model *hook, struct claim *ret)
{
    LIST_FOREACH(&hook->open, it)
    {
        struct told *told = LIST_ENTRY(it, struct told, link);

        for (size_t i = 0; told->counts[CELL_WAITING] > 0 && i < told->count; i++)
            if (is_late(sim, told, &told->cells[i])) {
                *ret = (struct claim){told, i, told->cells[i].attempts + 1};
                return true;
            }
    }
    return false;
}

static enum delivery_status
status_of(struct sim *sim, struct engine *engine, const struct told *told, const struct cell *cell)
{
    const struct delivery_id id = {
        .event = told->news->id,
        .hook = told->hook->id,
        .attendee = sim->model.people[cell->person].id,
        .sequence = told->news->sequence,
    };
    struct delivery_found found;
    struct error error = {.code = OK};
    struct arena arena;

    arena_init(&arena, 1 << 22);
    if (delivery_get(engine, told->hook->account + 1, &id, &arena, &found, &error) != OK)
        sim_fail(sim, "hook %d, event %lld, person %d: %s", told->hook->index,
            (long long)told->news->sequence, cell->person, error.text);
    audience_done(&found.fanout.audience);
    arena_done(&arena);
    return found.delivery.status;
}

/* For who looks into a failure: what the lane has in hand, and what the store has for it. */
static void
show_lane(struct sim *sim, struct lane *lane)
{
    CLEANUP(rows_done) struct rows rows;

    sim_tell(sim, "lane of hook pk %lld: state %d, wants read %d, reads %d, next due %lld",
        (long long)lane->hook_pk, (int)lane->state, lane->wants_read, lane->read != NULL,
        (long long)lane->next_due.us);
    LIST_FOREACH(&lane->fanouts, it)
    {
        const struct fanout *fanout = LIST_ENTRY(it, struct fanout, link);

        sim_tell(sim, "in hand: event %lld, next %lld of %lld, ready %zu, in flight %zu, cut %d",
            (long long)fanout->row.sequence, (long long)fanout->next_pos,
            (long long)fanout->row.end_pos, fanout->members_ready, fanout->in_flight,
            fanout->is_cut);
    }
    engine_select(sim->store.engine, &rows,
        "SELECT event_pk, next_pos, end_pos, status, chunk_pk, base, count, attempts, due_us"
        " FROM fanout LEFT JOIN chunk USING (fanout_pk)"
        " WHERE fanout.hook_pk = ?1 AND status = 'sending' ORDER BY event_pk, base",
        v_int(lane->hook_pk));
    while (rows_next(&rows))
        sim_tell(sim,
            "stored: event %lld, next %lld of %lld; chunk %lld, base %lld, count %lld,"
            " made %lld, due %lld",
            (long long)rows_int(&rows, 0), (long long)rows_int(&rows, 1),
            (long long)rows_int(&rows, 2), (long long)rows_int(&rows, 4),
            (long long)rows_int(&rows, 5), (long long)rows_int(&rows, 6),
            (long long)rows_int(&rows, 7), (long long)rows_int(&rows, 8));
}

NORETURN static void
fail_at(struct sim *sim, const struct claim *claim, struct lane *lane, const char *what)
{
    const struct hook_model *hook = claim->told->hook;
    const struct cell *cell = claim_cell(claim);

    if (sim->is_verbose)
        show_lane(sim, lane);
    sim_fail(sim,
        "hook %d %s: %u in flight of %u, window %u, breaker %d; event %lld to person %d is %s,"
        " attempts %u, due since %lld s",
        hook->index, what, hook->in_flight, hook->now.in_flight_max, lane->window.size,
        (int)lane->breaker.state, (long long)claim->told->news->sequence, cell->person,
        delivery_status_name(status_of(sim, sim->store.engine, claim->told, cell)), cell->attempts,
        (long long)((sim_wall(sim).us - cell->due_max) / US_PER_S));
}

static void
look_at(struct sim *sim, const struct hook_model *hook, bool is_thorough)
{
    struct lane *lane = process_lane(sim, hook);
    struct claim claim;

    if (hook->is_closed || hook->state != HOOK_IS_ENABLED || hook->changes_open > 0)
        return;
    if (lane == NULL) {
        if (hook_startable(hook, false, &claim) ||
            (is_thorough && hook_has_late(sim, hook, &claim)))
            sim_fail(sim, "hook %d has something to send, and no lane", hook->index);
        return;
    }
    if (hook->in_flight >= hook->now.in_flight_max || hook->in_flight >= lane->window.size)
        return;
    if (hook->is_draining || is_held_up(sim, hook, lane) || is_shut(sim, hook, lane) ||
        is_going_back(lane))
        return;
    /* Events of one webinar go one after the other, and there is a bound to those in hand. */
    if (hook->in_flight > 0 && lane->fanout_count >= LANE_BULKS_MAX)
        return;
    if (hook_startable(hook, hook->in_flight > 0, &claim))
        fail_at(sim, &claim, lane, "stands idle");
    if (is_thorough && hook->in_flight == 0 && hook_has_late(sim, hook, &claim))
        fail_at(sim, &claim, lane, "is late by more than a minute");
}

void
rules_look(struct sim *sim)
{
    bool is_thorough = sim_now(sim).us >= sim->look_next.us;
    struct instant calm = instant_add_us(sim->store.trouble_over, AGAIN_US);

    if (sim->stage != STAGE_SERVING || !workers_are_idle(&sim->store) || sim_now(sim).us < calm.us)
        return;
    is_thorough = is_thorough && sim_now(sim).us - sim->wall_set.us > LOOK_US;
    if (is_thorough)
        sim->look_next = instant_add_us(sim_now(sim), LOOK_US);
    for (int i = 0; i < sim->model.hook_count; i++)
        look_at(sim, &sim->model.hooks[i], is_thorough);
}

/* --- notices --- */

/* Since the last time that it was said to fail, has anything ended that? */
static bool
has_ended(const struct model *model, int hook, int64_t from, int64_t to)
{
    for (size_t i = 0; i < model->enabling_count; i++)
        if (model->enablings[i].hook == hook && model->enablings[i].sequence >= from &&
            model->enablings[i].sequence < to)
            return true;
    return false;
}

/* Each of failing, disabled and recovered is told once an outage, and in order. */
static void
check_notices_about(struct sim *sim, struct engine *engine, const struct hook_model *hook)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t failing = 0; /* the notice that said so, while that holds */

    engine_select(engine, &rows,
        "SELECT event_pk, type FROM event WHERE webinar_pk = ?1 AND type <> 'delivery.dead'"
        " ORDER BY event_pk",
        v_int(-hook->pk));
    while (rows_next(&rows)) {
        int64_t sequence = rows_int(&rows, 0);
        bool is_failing = str_equals(rows_str(&rows, 1), STR(EVENT_HOOK_FAILING));
        bool is_recovered = str_equals(rows_str(&rows, 1), STR(EVENT_HOOK_RECOVERED));

        if (is_failing && failing != 0 && !has_ended(&sim->model, hook->index, failing, sequence))
            sim_fail(sim, "hook %d is said to fail twice in one outage", hook->index);
        if (is_recovered && failing == 0)
            sim_fail(sim, "hook %d is said to have recovered, and had not failed", hook->index);
        failing = is_failing ? sequence : 0;
        sim->notices++;
    }
}

static void
check_notices(struct sim *sim, struct engine *engine)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT event_pk, status, delivered + dead FROM fanout JOIN hook USING (hook_pk)"
        " WHERE webinar_pk < ?1 AND hook.status <> 'deleted'",
        v_int(0));
    while (rows_next(&rows))
        if (!str_equals(rows_str(&rows, 1), STR("done")) || rows_int(&rows, 2) != 1)
            sim_fail(sim, "notice %lld is %.*s in the end", (long long)rows_int(&rows, 0),
                STR_FMT(rows_str(&rows, 1)));
    for (int i = 0; i < sim->model.hook_count; i++)
        if (sim->model.hooks[i].account == NOTICED_ACCOUNT)
            check_notices_about(sim, engine, &sim->model.hooks[i]);
}

/* --- the end --- */

struct finish {
    struct store_call call;
    struct sim *sim;
    struct arena arena;
};

static enum delivery_status
status_owed(const struct told *told, const struct cell *cell)
{
    switch (cell->state) {
    case CELL_DELIVERED: return DELIVERY_DELIVERED;
    case CELL_DEAD: return DELIVERY_DEAD;
    case CELL_READY:
    case CELL_WAITING:
        if (cell->may_be_over && cell_is_covered(told, cell))
            return DELIVERY_SUPERSEDED;
        return DELIVERY_DELIVERED;
    case CELL_FLYING: return DELIVERY_DELIVERED;
    case CELL_NOBODY:
    case CELL_EXCUSED:
    case CELL_STATES_COUNT: break;
    }
    UNREACHABLE;
}

static void
check_cell(struct sim *sim, struct engine *engine, const struct told *told, size_t pos)
{
    const struct cell *cell = &told->cells[pos];
    enum delivery_status owed;
    enum delivery_status is;

    if (cell->state == CELL_NOBODY || cell->state == CELL_EXCUSED ||
        sim->model.people[cell->person].is_erased ||
        (cell->state == CELL_DELIVERED && pos % 16 != 0))
        return;
    owed = status_owed(told, cell);
    is = status_of(sim, engine, told, cell);
    if (is != owed || (owed == DELIVERY_DELIVERED && cell->state != CELL_DELIVERED))
        sim_fail(sim,
            "hook %d, event %lld, person %d is %s in the end, and should be %s (state %d)",
            told->hook->index, (long long)told->news->sequence, cell->person,
            delivery_status_name(is), delivery_status_name(owed), (int)cell->state);
    if (cell->state == CELL_DEAD && cell->attempts <= sim->schedule.count && !told->hook->was_gone)
        sim_fail(sim, "hook %d, event %lld, person %d is dead after %u attempts", told->hook->index,
            (long long)told->news->sequence, cell->person, cell->attempts);
}

/* Whatever was not told is either of them. */
static void
check_counters(struct sim *sim, struct rows *rows, const struct told *told)
{
    int64_t delivered = rows_int(rows, 2);
    int64_t dead = rows_int(rows, 3);
    int64_t rest = rows_int(rows, 4) + rows_int(rows, 5);
    bool is_gone =
        told->hook->state == HOOK_IS_DELETED || sim->model.webinars[told->news->webinar].is_deleted;

    if (rows_int(rows, 1) != (int64_t)told->count)
        sim_fail(sim, "hook %d, event %lld: %lld positions, and should be %zu", told->hook->index,
            (long long)told->news->sequence, (long long)rows_int(rows, 1), told->count);
    if (is_gone)
        return;
    if (!str_equals(rows_str(rows, 0), STR("done")))
        sim_fail(sim, "hook %d, event %lld is %.*s in the end", told->hook->index,
            (long long)told->news->sequence, STR_FMT(rows_str(rows, 0)));
    if (told->is_murky)
        return;
    if (delivered != (int64_t)told->counts[CELL_DELIVERED] ||
        dead != (int64_t)told->counts[CELL_DEAD] || delivered + dead + rest != (int64_t)told->count)
        sim_fail(sim,
            "hook %d, event %lld: %lld delivered (%zu), %lld dead (%zu), %lld skipped, %lld"
            " superseded, of %zu",
            told->hook->index, (long long)told->news->sequence, (long long)delivered,
            told->counts[CELL_DELIVERED], (long long)dead, told->counts[CELL_DEAD],
            (long long)rows_int(rows, 4), (long long)rows_int(rows, 5), told->count);
}

static void
check_told(struct sim *sim, struct engine *engine, const struct told *told)
{
    bool is_gone =
        told->hook->state == HOOK_IS_DELETED || sim->model.webinars[told->news->webinar].is_deleted;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(engine, &rows,
            "SELECT status, end_pos, delivered, dead, skipped, superseded FROM fanout"
            " WHERE event_pk = ?1 AND hook_pk = ?2",
            v_int(told->news->sequence), v_int(told->hook->pk));
        if (!rows_next(&rows))
            sim_fail(sim, "hook %d: event %lld has no fan-out", told->hook->index,
                (long long)told->news->sequence);
        check_counters(sim, &rows, told);
    }
    for (size_t i = 0; !is_gone && !told->is_murky && i < told->count; i++)
        check_cell(sim, engine, told, i);
}

static enum err
finish_run(struct store_call *call, struct engine *engine)
{
    struct finish *finish = CONTAINER_OF(call, struct finish, call);
    struct sim *sim = finish->sim;
    int64_t chunks = 0;
    enum err err = engine_get_int(engine, &chunks, &call->error,
        "SELECT count(*) FROM chunk WHERE chunk_pk > ?1", v_int(0));

    if (err == OK && chunks > 0)
        sim_fail(sim, "%lld chunks are left in the end", (long long)chunks);
    check_notices(sim, engine);
    for (size_t i = 0; err == OK && i < sim->model.news_count; i++)
        for (int hook = 0; hook < sim->model.hook_count; hook++)
            if (sim->model.news[i]->told[hook] != NULL)
                check_told(sim, engine, sim->model.news[i]->told[hook]);
    return err;
}

void
rules_finish(struct sim *sim)
{
    struct finish finish = {.call = {.run = finish_run, .writes = true}, .sim = sim};

    workers_run(&sim->store, &finish.call);
}
