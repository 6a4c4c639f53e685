/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation of delivery: five days of events, endpoints and accidents, in a moment.
 *
 * What sends is the real thing: send/, queue/, domain/ and every statement of store/ on a database
 * in memory. What stands around it is played here, by a seed, on one thread: time (a clock that
 * jumps to the next moment at which anything happens), the loops (loop.c), the store's workers
 * (workers.c), the network and the endpoints (network.c), and what people do (acts.c). The same
 * seed is the same run, to the last step.
 *
 * Beside it a model (model.c) keeps what is owed to whom, from what was accepted and what the
 * endpoints saw alone. rules.c says what must never happen.
 *
 * Where more than one thing could happen at the same moment, the seed picks which is first.
 */
#ifndef TEST_SIM_SIM_H
#define TEST_SIM_SIM_H

#include "base/arena.h"
#include "base/heap.h"
#include "base/list.h"
#include "domain/schedule.h"
#include "os/random.h"
#include "send/budget.h"
#include "send/dispatch_inside.h"
#include "sim/model.h"

#define LOOPS_MAX 2

/* The account whose notices are all asked for, in seeds that have any. */
#define NOTICED_ACCOUNT 0

/* --- loop.c: net/loop.h once more, without sockets --- */

/* Something to do at this moment? */
bool loop_is_ready(struct loop *loop, struct instant now);
/* What a turn of the real one does: letters, else timers and hand-overs, else deliveries. */
void loop_play(struct loop *loop, struct instant now);
struct instant loop_next(struct loop *loop); /* the first timer */

/* --- workers.c: store/store.h once more, without threads --- */

struct operation; /* a call on its way */

struct store {
    struct sim *sim;
    struct engine *engine; /* owned */
    struct list writes;    /* struct operation: one after the other */
    struct list reads;     /* side by side */
    struct list answers;   /* have run: not told yet */
    unsigned count;
    struct instant writer_free;
    int64_t slowest_us;        /* of a call; 0: at once */
    struct instant write_fail; /* until then every write fails */
    struct instant read_fail;
    struct instant full;         /* until then no place is free */
    struct instant trouble_over; /* the last of these */
    bool is_dead;                /* nothing is taken or run any more: the process was killed */
};

void workers_open(struct sim *sim);
void workers_close(struct sim *sim);
bool workers_are_ready(struct store *store, struct instant now);
void workers_play(struct store *store, struct instant now);
struct instant workers_next(struct store *store);
bool workers_are_idle(const struct store *store);
/* The process is killed: what was not committed never will be, and nobody hears the rest. */
void workers_kill(struct store *store);
/* One transaction at once, beside all else; it must succeed. */
void workers_run(struct store *store, struct store_call *call);

/* --- network.c --- */

/* How an endpoint is, by nature; what it does at the moment follows from it. */
enum nature {
    NATURE_HEALTHY,
    NATURE_FLAPPING,
    NATURE_OUTAGES,
    NATURE_HANGING,
    NATURE_DEAD,
    NATURE_SLOWING,
    NATURE_LIMITED,
    NATURE_NONSENSE,
    NATURE_GONE,
    NATURES_COUNT,
};

enum manner {
    MANNER_GOOD,
    MANNER_HANGS,
    MANNER_REFUSES, /* connect, DNS, TLS: at once, or after a while */
    MANNER_BREAKS,  /* reset before or inside the answer */
    MANNER_500,
    MANNER_503, /* with Retry-After or without */
    MANNER_429,
    MANNER_410,
    MANNER_NONSENSE,
    MANNERS_COUNT,
};

struct endpoint {
    enum nature nature;
    enum manner manner;
    struct instant until; /* its manner changes then */
    struct instant born;
    struct instant taken; /* of NATURE_LIMITED: as pacing */
    double rate;
    int64_t quickest_us;
    int64_t slowest_us;
};

/* A request that an endpoint has, and what it will say. */
struct flight {
    struct heap_node due; /* first: found again from it */
    struct link link;     /* in sim->flights */
    struct http_exchange *exchange;
    struct network *network;
    struct hook_model *hook;
    struct claim claim; /* what the model knows it as; of a notice nothing is told */
    int64_t sequence;
    unsigned version; /* of the hook's settings by which it was sent */
    struct instant started;
    struct http_result result;
    char retry_after[16];
};

struct network {
    struct http_client base; /* first: found again from it */
    struct sim *sim;
    unsigned loop;
};

void network_init(struct network *network, struct sim *sim, unsigned loop);
bool network_is_ready(struct sim *sim, struct instant now);
void network_play(struct sim *sim);
struct instant network_next(struct sim *sim);
void endpoint_init(struct endpoint *endpoint, enum nature nature, struct random *random,
    struct instant now);

/* --- process.c --- */

/* A life of the program: what wire.c builds and takes down. */
struct process {
    struct loop *loops[LOOPS_MAX];
    struct turn_end hand_overs[LOOPS_MAX];
    struct store_port ports[LOOPS_MAX];
    struct network networks[LOOPS_MAX];
    struct dispatch *dispatches[LOOPS_MAX];
    struct dispatch_set *set;
    struct budget_set *budgets;
    unsigned stopped;
};

enum stage { STAGE_SERVING, STAGE_FINISHING, STAGE_STOPPING, STAGE_DOWN };

void process_start(struct sim *sim);
void process_stop(struct sim *sim, int64_t patience_us); /* STAGE_FINISHING first */
void process_kill(struct sim *sim);
/* Go on to the next stage where that may be. */
void process_look(struct sim *sim);
struct lane *process_lane(struct sim *sim, const struct hook_model *hook); /* NULL: none */

/* --- acts.c --- */

void acts_prepare(struct sim *sim); /* accounts, people, mangoes, the first hooks and webinars */
void acts_play(struct sim *sim);    /* the next one */
void acts_settle(struct sim *sim);  /* the end begins: everything gets well */
/* A transaction of an act was committed. */
void act_committed(struct store_call *call);
bool act_is(const struct store_call *call);

/* --- the whole --- */

#define LINES_MAX  30
#define LINE_BYTES 160

struct sim {
    uint64_t seed;
    bool is_verbose;
    struct random random; /* what happens */
    struct random order;  /* in which order */
    struct random moods;  /* of the endpoints */
    struct clock_manual clock;
    struct zones *zones; /* borrowed */
    struct id_source ids;
    struct schedule schedule;
    struct store store;
    struct process process;
    struct model model;
    struct endpoint endpoints[HOOKS_MAX];
    struct list flights; /* struct flight, the newest last */
    struct heap answers;

    unsigned loop_count;
    unsigned in_flight_max;
    unsigned connections_max;
    unsigned account_in_flight_max;
    int64_t attempt_ms;
    int64_t disable_after_us;
    uint64_t lives;

    enum stage stage;
    struct instant stop_deadline;
    struct instant start_again;
    bool is_killing;

    struct instant act_next;
    struct instant act_end;
    int64_t act_gap_us;
    unsigned burst; /* acts that follow at once */
    unsigned acts_open;
    bool is_settling;
    bool is_over; /* the process is not started again */
    struct instant settled_at;
    struct instant wall_set; /* when the wall clock was last moved by hand */
    bool is_set_back;        /* ever */
    struct instant look_next;
    unsigned loop_flights[LOOPS_MAX];

    uint64_t step;
    uint64_t steps_here; /* at this moment */
    uint64_t acts;
    uint64_t digest;
    uint64_t notices;
    char lines[LINES_MAX][LINE_BYTES];
    uint64_t line_count;
};

/* Plays one seed to its end; ends the program where a rule is broken. */
struct sim_options {
    uint64_t seed;
    double days;
    bool is_verbose;
    struct zones *zones;
};

struct sim_report {
    uint64_t digest;
    uint64_t steps;
    uint64_t attempts;
    uint64_t events;
    uint64_t notices;
};
struct sim_report sim_play(const struct sim_options *options);

/* Told where --verbose is. */
PRINTF(2, 3) void sim_tell(struct sim *sim, const char *fmt, ...);
/* Kept for the report of a broken rule, told where --verbose is; part of the digest. */
PRINTF(2, 3) void sim_say(struct sim *sim, const char *fmt, ...);
/* The same without a line: what happens a hundred thousand times. */
void sim_note(struct sim *sim, uint64_t number);
/* A rule is broken: says which, and what was before it. */
PRINTF(2, 3) NORETURN void sim_fail(struct sim *sim, const char *fmt, ...);

static inline struct instant
sim_now(const struct sim *sim)
{
    return sim->clock.instant_now;
}

static inline struct walltime
sim_wall(const struct sim *sim)
{
    return sim->clock.walltime_now;
}

static inline bool
chance(struct random *random, int64_t of, int64_t in)
{
    return random_between(random, 1, in) <= of;
}

#endif
