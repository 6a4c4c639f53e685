/* SPDX-License-Identifier: Apache-2.0 */
#include "send/lane_health.h"

#include "os/log.h"
#include "send/budget.h"
#include "send/dispatch_inside.h"

/* A learned rate goes to disk when it has moved by a tenth, and no more often than this. */
#define LEARN_EVERY_US US_PER_S

/* What an outcome says of the endpoint. */
static const struct {
    enum breaker_verdict verdict;
    bool is_refusal; /* it asks for less */
} meanings[] = {
    [OUTCOME_ACCEPTED] = {BREAKER_SUCCESS, false},
    [OUTCOME_RETRY] = {BREAKER_FAILURE, false},
    [OUTCOME_BUSY] = {BREAKER_NEUTRAL, true},
    [OUTCOME_OVERWHELMED] = {BREAKER_FAILURE, true},
    /* It is disabled, which says more than that it fails. */
    [OUTCOME_GONE] = {BREAKER_NEUTRAL, false},
};

static struct instant
later(struct instant a, struct instant b)
{
    return a.us >= b.us ? a : b;
}

/* --- the hook --- */

/* The new place is held before the old one is let go: the last holder's goes with its pacing. */
static enum err
load_budget(struct lane *lane, const struct hook *hook)
{
    struct budget_set *budgets = lane->dispatch->options.budgets;
    struct budget *budget = NULL;

    if (hook->account_rate > 0 &&
        budget_hold(budgets, hook->account_pk, hook->account_rate, &budget) != OK)
        return ERR_NOMEM;
    budget_let_go(budgets, lane->budget);
    lane->budget = budget;
    return OK;
}

static void
load_first(struct lane *lane, const struct hook *hook, struct instant now)
{
    lane->health = (struct hook_health){
        .first_failure = hook->first_failure,
        .failing = hook->failing,
        .learned_rate = hook->learned_rate,
    };
    throttle_init(&lane->throttle, hook->learned_rate, now);
    if (hook->failing.us != 0)
        breaker_init_open(&lane->breaker, now);
    else
        breaker_init(&lane->breaker);
}

static void
load_again(struct lane *lane, const struct hook *hook, struct instant now)
{
    if (hook->first_failure.us == 0)
        lane->health.first_failure = hook->first_failure;
    if (hook->failing.us != 0 || lane->breaker.state == BREAKER_CLOSED)
        return;
    breaker_init(&lane->breaker);
    throttle_init(&lane->throttle, lane->throttle.rate, now);
    lane->start_next = (struct instant){0};
    /* That it fails may be on its way to disk just now. */
    lane->is_health_dirty = lane->is_health_dirty || lane->health.failing.us != 0;
    lane->health.failing = hook->failing;
}

enum err
lane_health_load(struct lane *lane, const struct hook *hook, struct instant now)
{
    enum err err = load_budget(lane, hook);

    if (err != OK)
        return err;
    lane->rate_limit = hook->rate_limit;
    if (lane->endpoint == NULL) {
        window_init(&lane->window, (unsigned)hook->max_in_flight);
        load_first(lane, hook, now);
    } else {
        window_set_max(&lane->window, (unsigned)hook->max_in_flight);
        load_again(lane, hook, now);
    }
    return OK;
}

void
lane_health_done(struct lane *lane)
{
    budget_let_go(lane->dispatch->options.budgets, lane->budget);
    lane->budget = NULL;
}

/* --- whether and when --- */

enum lane_appetite
lane_appetite(const struct lane *lane, struct instant now)
{
    switch (lane->breaker.state) {
    case BREAKER_CLOSED:
    case BREAKER_CLOSING: return LANE_TAKES_ALL;
    case BREAKER_PROBING: return LANE_TAKES_NOTHING;
    case BREAKER_OPEN:
        if (lane_is_shut(lane, now) || lane->window.used > 0 || !list_is_empty(&lane->fanouts))
            return LANE_TAKES_NOTHING;
        return LANE_TAKES_LITTLE;
    }
    UNREACHABLE;
}

/* Of an endpoint that asked to be left alone no sooner than that. */
static struct instant
probe_at(const struct lane *lane)
{
    return later(lane->breaker.probe_at, lane->throttle.pause);
}

bool
lane_is_shut(const struct lane *lane, struct instant now)
{
    return lane->breaker.state == BREAKER_OPEN && probe_at(lane).us > now.us;
}

struct instant
lane_probe_at(const struct lane *lane, struct instant now)
{
    return lane_is_shut(lane, now) ? probe_at(lane) : INSTANT_NEVER;
}

struct instant
lane_ready_at(struct lane *lane, struct instant now)
{
    double learned = throttle_rate(&lane->throttle, now);
    double rate = lane->rate_limit;
    struct instant at;

    if (learned > 0 && (rate <= 0 || learned < rate))
        rate = learned;
    pacing_set(&lane->pacing, rate);
    at = breaker_ready(&lane->breaker, lane->window.used, now);
    at = later(at, pacing_ready(&lane->pacing, now));
    at = later(at, lane->throttle.pause);
    return later(at, lane->start_next);
}

bool
lane_take_place(struct lane *lane, struct instant now)
{
    struct instant at;

    if (lane->budget == NULL || budget_take(lane->budget, now, &at))
        return true;
    lane->start_next = at;
    return false;
}

void
lane_give_place(struct lane *lane)
{
    if (lane->budget != NULL)
        budget_give(lane->budget);
}

void
lane_note_start(struct lane *lane, struct instant now)
{
    pacing_take(&lane->pacing, now);
    breaker_take(&lane->breaker, now);
}

/* --- what comes back --- */

static void
health_changed(struct lane *lane)
{
    lane->is_health_dirty = true;
    lane_dirty(lane, false);
}

static void
note_change(struct lane *lane, enum breaker_change change)
{
    switch (change) {
    case BREAKER_SAME: return;
    case BREAKER_HAS_OPENED:
        lane->health.failing = dispatch_walltime(lane->dispatch);
        throttle_forget(&lane->throttle);
        lane->health.learned_rate = 0;
        log_info("hook.failing", log_int("hook", lane->hook_pk), log_text("failure", lane->failure),
            log_int("status", lane->status));
        break;
    case BREAKER_HAS_CLOSED:
        lane->health.failing = (struct walltime){0};
        log_info("hook.recovered", log_int("hook", lane->hook_pk));
        break;
    }
    health_changed(lane);
}

static void
tell_breaker(struct lane *lane, enum breaker_verdict verdict, struct instant now)
{
    enum breaker_state before = lane->breaker.state;

    note_change(lane,
        breaker_tell(&lane->breaker, verdict, now, random_next(&lane->dispatch->random)));
    if (lane->breaker.state == before)
        return;
    /* What it may take in hand is another now. */
    lane->wants_read = true;
    if (lane->breaker.state == BREAKER_OPEN)
        window_shrink(&lane->window);
}

/* Since when it fails, and whether that is too long. */
static void
note_failure(struct lane *lane)
{
    struct walltime now = dispatch_walltime(lane->dispatch);
    struct walltime *first = &lane->health.first_failure;
    int64_t disable_after_us = lane->dispatch->options.disable_after_us;

    /* One in the future was noted while the clock was wrong. */
    if (first->us == 0 || first->us > now.us) {
        *first = now;
        health_changed(lane);
    }
    if (disable_after_us > 0 && now.us - first->us >= disable_after_us)
        lane_disable(lane, "failing");
}

static void
note_success(struct lane *lane)
{
    if (lane->health.first_failure.us == 0)
        return;
    lane->health.first_failure = (struct walltime){0};
    health_changed(lane);
}

static void
note_rate(struct lane *lane, struct instant now)
{
    double known = lane->health.learned_rate;
    double moved = lane->throttle.rate - known;

    if (now.us < lane->learn_next.us || (moved < 0 ? -moved : moved) <= known / 10)
        return;
    lane->health.learned_rate = lane->throttle.rate;
    lane->learn_next = instant_add_us(now, LEARN_EVERY_US);
    health_changed(lane);
}

/* An endpoint that fails, or that says 503 and accepts nothing, has no rate to teach. */
static void
note_refusal(struct lane *lane, const struct lane_outcome *outcome, struct instant now)
{
    throttle_pause(&lane->throttle, outcome->asked_us, now);
    if (lane->breaker.state == BREAKER_CLOSED &&
        (outcome->outcome == OUTCOME_BUSY || throttle_is_accepting(&lane->throttle, now)))
        throttle_refused(&lane->throttle, outcome->started, now);
}

bool
lane_note_outcome(struct lane *lane, const struct lane_outcome *outcome)
{
    struct instant now = dispatch_now(lane->dispatch);
    enum breaker_verdict verdict = meanings[outcome->outcome].verdict;
    bool is_success = outcome->outcome == OUTCOME_ACCEPTED;
    bool counts = lane->breaker.state == BREAKER_CLOSED || is_success;

    lane->is_proven = is_success;
    if (!is_success) {
        lane->failure = outcome->failure;
        lane->status = outcome->status;
    }
    /* From where an edited hook pointed before, or from one that is disabled already. */
    if (lane->state != LANE_OPEN && verdict == BREAKER_FAILURE)
        verdict = BREAKER_NEUTRAL;
    tell_breaker(lane, verdict, now);
    if (is_success) {
        throttle_accepted(&lane->throttle, now);
        note_success(lane);
    } else if (meanings[outcome->outcome].is_refusal) {
        note_refusal(lane, outcome, now);
    }
    note_rate(lane, now);
    /* As above; and one that is disabled is so once. */
    if (outcome->outcome == OUTCOME_GONE && lane->state == LANE_OPEN)
        lane_disable(lane, "gone");
    else if (!is_success && lane->state == LANE_OPEN)
        note_failure(lane);
    return counts;
}

void
lane_note_cancelled(struct lane *lane)
{
    tell_breaker(lane, BREAKER_NEUTRAL, dispatch_now(lane->dispatch));
}
