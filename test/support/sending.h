/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world to send in: a real store, a dispatch on a loop of its own, a network that only takes down
 * what was started until the test answers it, and a clock that stands still until it is moved.
 *
 * Nothing sleeps and nothing is timed: pump lets all happen that can happen at this moment.
 */
#ifndef TEST_SUPPORT_SENDING_H
#define TEST_SUPPORT_SENDING_H

#include <semaphore.h>

#include "base/arena.h"
#include "domain/schedule.h"
#include "send/dispatch_inside.h"
#include "support/scratch.h"
#include "support/test.h"

struct network {
    struct http_client base;
    struct http_exchange *under_way[512];
    size_t count;
    size_t most;
    size_t started;
};

struct world {
    struct scratch scratch;
    struct clock_manual clock;
    struct zones *zones;
    struct store *store;
    struct store_port port;     /* the dispatch's */
    struct store_port own_port; /* the test's */
    struct loop *loop;
    struct schedule schedule;
    struct network network;
    struct dispatch_set *set;
    struct dispatch *dispatch;
    struct error error;
    int64_t group;
    int64_t next_id;
    unsigned in_flight_max;

    /* Of the hooks that are made, and of the events that are told. */
    double rate_limit;
    int64_t max_in_flight;
    int64_t told; /* the first members of the group; 0: all */
};

/* With two readers, or as many as are said; the store's queue is short. */
void world_open(struct world *world);
void world_open_with(struct world *world, unsigned readers);
/* In the database that lies there; scratch is left alone. */
void world_open_at(struct world *world, const char *path, unsigned readers);
void world_close(struct world *world);
/* A dispatch and its loop, anew over the same store. */
void world_start(struct world *world);
/* Stop it cleanly and free it; nothing is under way. It fails where that takes no end. */
void world_halt(struct world *world);
/* Free what world_start made, where the test has stopped it by itself. */
void world_drop(struct world *world);

struct id numbered(int64_t n);
/* Look and turn so many times, hardly waiting for the store: for when it is held up. */
void look(struct world *world, int times);
void pump_once(struct world *world);
void pump(struct world *world);
void advance(struct world *world, int64_t us); /* and pump */

/* A transaction of the test's own; what it sets pk to is returned. */
struct act {
    struct store_call call;
    struct world *world;
    enum err (*fn)(struct act *act, struct engine *engine);
    int64_t n;
    int64_t pk;
    struct arena arena;
};

int64_t perform(struct world *world, enum err (*fn)(struct act *act, struct engine *engine),
    int64_t n);
enum err make_hook(struct act *act, struct engine *engine);    /* n: its id */
enum err make_members(struct act *act, struct engine *engine); /* n more of them */
enum err tell(struct act *act, struct engine *engine);         /* an event of webinar n */
enum err count_open(struct act *act, struct engine *engine);   /* fan-outs */
enum err count_chunks(struct act *act, struct engine *engine);
enum err count_delivered(struct act *act, struct engine *engine); /* as the counters say */
enum err enable(struct act *act, struct engine *engine);          /* hook n */
enum err disable(struct act *act, struct engine *engine);
enum err is_disabled(struct act *act, struct engine *engine);
enum err recover(struct act *act, struct engine *engine);
/* SQL without parameters. */
void execute(struct world *world, const char *sql);

/* An event is told, and the lane hears of it; returns its sequence. */
int64_t tell_hook(struct world *world, int64_t hook, int64_t webinar);
/* The lane hears that its hook was changed; pumped until it has, and no further. */
void tell_change(struct world *world, int64_t hook);
struct lane *lane_of(struct world *world, int64_t hook); /* NULL: there is none */

struct str field_of(const struct http_exchange *exchange, const char *name);
int64_t number_of(const struct http_exchange *exchange, const char *name);
void answer(struct world *world, size_t i, const struct http_result *result);
void answer_status(struct world *world, size_t i, int status);
/* Answer everything, and what follows from it; returns how many. */
size_t answer_all(struct world *world, int status);

/* A call that holds up its store thread from when it runs until it is opened. What is submitted
 * through own_port behind it waits. */
struct gate {
    struct store_call call;
    sem_t reached;
    sem_t open;
    bool is_over;
};

void gate_submit(struct world *world, struct gate *gate, bool writes);
void gate_reach(struct gate *gate); /* wait until it holds its thread up */
void gate_open(struct gate *gate);
/* Turn the loop until it is over. */
void gate_end(struct world *world, struct gate *gate);

#endif
