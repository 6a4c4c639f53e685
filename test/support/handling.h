/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world to handle in: a real store with an inbox, a handle on a loop of its own, handlers that do
 * nothing but keep what they are given until the test says how it went, and a clock that stands
 * still until it is moved.
 *
 * Nothing sleeps and nothing is timed: pump lets all happen that can happen at this moment.
 */
#ifndef TEST_SUPPORT_HANDLING_H
#define TEST_SUPPORT_HANDLING_H

#include <semaphore.h>

#include "receive/handle_inside.h"
#include "support/scratch.h"
#include "support/test.h"

/* What all scripted handlers do; there is one of it at a time. */
struct script {
    struct handling *under_way[1024];
    size_t count;
    size_t most;
    size_t started;
    unsigned opened;
    unsigned closed;
    unsigned cancelled;
    bool is_stubborn;   /* what is cancelled goes on until the test ends it */
    bool is_unopenable; /* open fails */
};

struct world {
    struct scratch scratch;
    struct clock_manual clock;
    struct store *store;
    struct store_port port;     /* the handle's */
    struct store_port own_port; /* the test's */
    struct loop *loop;
    struct handle_set *set;
    struct handle *handle;
    struct script script;
    struct error error;
    struct setup *setup; /* the last one; held */
    const char *sections;
    uint64_t said; /* versions given out */
    bool is_stopped;
    int caught_fd; /* standard error, while what is logged is caught */
};

void world_open(struct world *world);
void world_open_at(struct world *world, const char *path);
/* A handle and its loop, anew over the same store; it is not set up. */
void world_start(struct world *world);
/* Stop it cleanly and free it; what is under way is done. */
void world_halt(struct world *world);
/* Free it; it has stopped. */
void world_drop(struct world *world);
void world_close(struct world *world);
/* Begin a stop; is_stopped says when it is over. */
void world_stop(struct world *world, struct instant deadline);
/* All that is on disk at this moment, as another database in the same folder. */
void world_copy(struct world *world, const char *name);

/* "name: setting = value; setting = value | name: …" as the handlers from now on. Sources are
 * `web`, `shop` (whose calls happen once) and `raw` (of which nothing is a duplicate). */
void use_handlers(struct world *world, const char *sections);
int64_t handler_pk(struct world *world, const char *name);
/* NULL: it has none. */
struct handler_lane *lane_of(struct world *world, const char *name);

/* One thing that happens, and all that happen by themselves. */
void pump_once(struct world *world);
void pump(struct world *world);
void advance(struct world *world, int64_t us); /* and pump */
/* So many times, hardly waiting for the store: for when it is held up. */
void look(struct world *world, int times);
/* From one due moment to the next, until so much time has passed. */
void pass(struct world *world, int64_t us);
/* When there is something to do next. */
struct instant next_tick(struct world *world);

/* A call is taken in; nobody is woken. Object NULL: it is about nothing. Returns its number. */
int64_t put(struct world *world, const char *source, const char *object, const char *body);
/* The same, and the lanes hear of it. */
int64_t arrive_from(struct world *world, const char *source, const char *object, const char *body);
int64_t arrive_about(struct world *world, const char *object); /* from web */
/* So many, each about something else; returns the first. */
int64_t arrive_many(struct world *world, size_t count);
void wake_all(struct world *world);

/* What is under way: the n-th in the order in which they were begun. */
struct handling *given(struct world *world, size_t i);
/* The first one that this handler has; SIZE_MAX: it has none. */
size_t find_given(const struct world *world, const char *name);
/* It ends so. */
void end(struct world *world, size_t i, enum handling_result result);
void end_with(struct world *world, size_t i, enum handling_result result, const char *detail);
/* All of them, and what follows from it; returns how many. */
size_t end_all(struct world *world, enum handling_result result);

/* SQL without parameters; the second answers with one number. */
void execute(struct world *world, const char *sql);
int64_t number(struct world *world, const char *sql);
/* The store, in its own words. */
void run_in_store(struct world *world, enum err (*fn)(struct world *world, struct engine *engine));

void log_catch(struct world *world);
size_t log_count(struct world *world, const char *text);

/* A call that holds up the store's thread from when it runs until it is opened. */
struct gate {
    struct store_call call;
    sem_t reached;
    sem_t open;
    bool is_over;
};

void gate_hold(struct world *world, struct gate *gate, bool writes);
void gate_release(struct world *world, struct gate *gate);

#endif
