/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/housekeeping.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/log.h"
#include "send/dispatch.h"
#include "store/accounts.h"

/* What is kept for days may be kept for a minute more. */
#define SWEEP_MS 60000
/* How soon a store that has failed is found to be well again. */
#define LOOK_MS 5000
/* Between two steps of some milliseconds each, so that nine tenths of the writer are others'. */
#define PAUSE_MS 50

/* A step that holds the writer for longer is felt in an answer; a much shorter one writes more than
 * it has to. The next is made smaller or larger. */
#define STEP_US_MAX    (4 * US_PER_MS)
#define STEP_US_WANTED (2 * US_PER_MS)
#define ROWS_FIRST     256

struct housekeeping {
    struct housekeeping_options options;
    struct timer timer;
    struct store_call call;
    struct instant next;       /* not before */
    struct instant next_sweep; /* the same, for the next one to begin */

    /* Runs again from `sweep`, and is `swept` when it is on disk. */
    struct sweep sweep;
    struct sweep swept;
    int64_t step_us;
    bool has_more; /* accounts to purge */
    size_t rows_max;

    enum { HOUSE_IDLE, HOUSE_SWEEPING, HOUSE_PURGING, HOUSE_TRYING } work;

    bool is_running;
    bool is_stopped;
    bool is_failing; /* and the log says so */
};

/* --- on a store worker --- */

static enum err
sweep_run(struct housekeeping *self, struct engine *engine)
{
    struct instant began = clock_instant(self->options.clock);
    enum err err;

    self->swept = self->sweep;
    err = retention_step(engine, &self->options.keep, &self->swept, &self->call.error);
    self->step_us = clock_instant(self->options.clock).us - began.us;
    return err;
}

static enum err
purge_run(struct housekeeping *self, struct engine *engine)
{
    self->has_more = false;
    return account_purge_step(engine, &self->has_more, &self->call.error);
}

/* It changes nothing, and yet has to reach the disk. */
static enum err
try_run(struct housekeeping *self, struct engine *engine)
{
    return engine_run(engine, &self->call.error, "UPDATE meta SET value = value WHERE name = ?1",
        v_text(STR("sequence")));
}

static enum err
run(struct store_call *call, struct engine *engine)
{
    struct housekeeping *self = CONTAINER_OF(call, struct housekeeping, call);

    switch (self->work) {
    case HOUSE_SWEEPING: return sweep_run(self, engine);
    case HOUSE_PURGING: return purge_run(self, engine);
    case HOUSE_TRYING: return try_run(self, engine);
    case HOUSE_IDLE: break;
    }
    UNREACHABLE;
}

/* --- on the loop --- */

static void
schedule(struct housekeeping *self, int64_t delay_ms)
{
    self->next = instant_add_ms(clock_instant(self->options.clock), delay_ms);
    if (!self->is_stopped)
        timer_set(&self->timer, self->next);
}

/* Nothing is lost by beginning anew: what was committed is gone, what is left is found again. */
static void
rest(struct housekeeping *self)
{
    self->work = HOUSE_IDLE;
    self->next_sweep = instant_add_ms(clock_instant(self->options.clock), SWEEP_MS);
    schedule(self, LOOK_MS);
}

static void
on_sweep(struct housekeeping *self)
{
    if (self->step_us > STEP_US_MAX)
        self->rows_max /= 2;
    else if (self->step_us < STEP_US_WANTED)
        self->rows_max += self->rows_max / 2;
    if (self->rows_max < SWEEP_ROWS_MIN)
        self->rows_max = SWEEP_ROWS_MIN;
    if (self->rows_max > SWEEP_ROWS_MAX)
        self->rows_max = SWEEP_ROWS_MAX;

    self->sweep = self->swept;
    if (self->options.dispatch != NULL)
        dispatch_wake(self->options.dispatch, self->sweep.wake, self->sweep.wake_count);
    if (self->sweep.stage != SWEEP_OVER) {
        schedule(self, PAUSE_MS);
        return;
    }
    if (self->sweep.events > 0 || self->sweep.rows > 0)
        log_debug("retention.swept", log_int("events", self->sweep.events),
            log_int("rows", self->sweep.rows));
    self->work = HOUSE_PURGING;
    schedule(self, 0);
}

static void
on_step(struct store_call *call)
{
    struct housekeeping *self = CONTAINER_OF(call, struct housekeeping, call);

    self->is_running = false;
    if (self->work == HOUSE_TRYING) {
        /* Who failed first has said so; /readyz tells the rest. */
        self->work = HOUSE_IDLE;
        schedule(self, LOOK_MS);
        return;
    }
    if (call->err != OK) {
        if (!self->is_failing)
            log_warning("housekeeping.failed", log_text("error", call->error.text));
        self->is_failing = true;
        rest(self);
        return;
    }
    self->is_failing = false;
    if (self->work == HOUSE_SWEEPING)
        on_sweep(self);
    else if (self->has_more)
        schedule(self, PAUSE_MS);
    else
        rest(self);
}

/* What there is to do now; false: nothing. */
static bool
choose(struct housekeeping *self, struct instant now)
{
    if (store_health(self->options.store, NULL) != OK) {
        self->work = HOUSE_TRYING;
    } else if (self->work == HOUSE_IDLE && now.us >= self->next_sweep.us) {
        self->work = HOUSE_SWEEPING;
        self->sweep = (struct sweep){.now = clock_walltime(self->options.clock)};
    }
    self->sweep.rows_max = self->rows_max;
    return self->work != HOUSE_IDLE;
}

struct instant
housekeeping_tick(struct housekeeping *housekeeping, struct instant now)
{
    struct housekeeping *self = housekeeping;

    if (self->is_running || self->is_stopped)
        return INSTANT_NEVER;
    if (now.us < self->next.us)
        return self->next;
    if (!choose(self, now)) {
        schedule(self, LOOK_MS);
        return self->next;
    }
    self->call = (struct store_call){
        .run = run,
        .done = on_step,
        .reply = loop_mailbox(self->options.loop),
        .writes = true,
    };
    if (store_submit(self->options.port, &self->call) != OK) {
        rest(self);
        return self->next;
    }
    self->is_running = true;
    return INSTANT_NEVER;
}

static void
on_timer(void *arg)
{
    struct housekeeping *self = arg;

    (void)housekeeping_tick(self, clock_instant(self->options.clock));
}

enum err
housekeeping_new(const struct housekeeping_options *options, struct housekeeping **ret,
    struct error *reterr)
{
    struct housekeeping *self = calloc(1, sizeof(*self));

    if (self == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    self->options = *options;
    self->rows_max = ROWS_FIRST;
    if (timer_init(&self->timer, options->loop, LOOP_TIMERS, on_timer, self) != OK) {
        free(self);
        return error_set(reterr, ERR_NOMEM, "out of memory");
    }
    /* Not while everything else begins. */
    rest(self);
    *ret = self;
    return OK;
}

void
housekeeping_free(struct housekeeping *housekeeping)
{
    if (housekeeping == NULL)
        return;
    CHECK(!housekeeping->is_running);
    timer_done(&housekeeping->timer);
    free(housekeeping);
}

void
housekeeping_stop(struct housekeeping *housekeeping)
{
    housekeeping->is_stopped = true;
    timer_clear(&housekeeping->timer);
}

bool
housekeeping_is_busy(const struct housekeeping *housekeeping)
{
    return housekeeping->is_running;
}
