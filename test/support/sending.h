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
#include "domain/delivery_id.h"
#include "domain/schedule.h"
#include "send/budget.h"
#include "send/dispatch_inside.h"
#include "support/scratch.h"
#include "support/test.h"

struct network {
    struct http_client base;
    struct http_exchange *under_way[512];
    size_t count;
    size_t most;
    size_t started;
    bool is_short; /* of memory for another endpoint */
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
    struct id_source ids;
    struct budget_set *budgets;
    struct dispatch_set *set;
    struct dispatch *dispatch;
    struct error error;
    int64_t group;
    int64_t next_id;
    unsigned in_flight_max;
    unsigned account_in_flight_max;

    /* Of the hooks that are made, and of the events that are told. */
    double rate_limit;
    int64_t max_in_flight;
    const char *event; /* NULL: a webinar's */
    int64_t told;      /* the first members of the group; 0: all */

    int caught_fd; /* standard error, while what is logged is caught */
};

/* With two readers, or as many as are said; the store's queue is short. */
void world_open(struct world *world);
void world_open_with(struct world *world, unsigned readers);
/* In the database that lies there; scratch is left alone. */
void world_open_at(struct world *world, const char *path, unsigned readers);
/* The first half of it, without the dispatch; and world_start. What fails leaves nothing behind. */
enum err world_try_open_at(struct world *world, const char *path, unsigned readers);
enum err world_try_start(struct world *world, int64_t last_chunk_pk);
void world_close(struct world *world);
/* A dispatch and its loop, anew over the same store. */
void world_start(struct world *world);
/* Begin a clean stop; is_stopped, which must stay where it is, says when it is over. */
void world_stop(struct world *world, bool *is_stopped);
/* Stop it cleanly and free it; what is under way is answered with 200. It fails where that takes no
 * end. */
void world_halt(struct world *world);
/* Free what world_start made, where the test has stopped it by itself. */
void world_drop(struct world *world);

struct id numbered(int64_t n);
/* Look and turn so many times, hardly waiting for the store: for when it is held up. */
void look(struct world *world, int times);
void pump_once(struct world *world);
void pump(struct world *world);
void advance(struct world *world, int64_t us); /* and pump */

/* Until something is under way; it fails where that takes more than an hour. */
void await_start(struct world *world);

/* Let so much time pass, from one moment at which something is due to the next; all that starts is
 * answered at once, with what status_of says, or the status where that is NULL. */
struct pass {
    int64_t us;
    int status;
    int (*status_of)(const struct http_exchange *exchange, void *arg);
    void *arg;
};

void pass(struct world *world, const struct pass *how);

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
/* Hook 1 and so many members; returns the hook. */
int64_t make_audience(struct world *world, int64_t members);
/* The same, and they are told of webinar 77: what may start is under way. */
int64_t make_told(struct world *world, int64_t members);
/* SQL without parameters; the second answers with one number. */
void execute(struct world *world, const char *sql);
int64_t number(struct world *world, const char *sql);

/* Keep what is logged from now on; stop, and say how many of its lines have the text. */
void log_catch(struct world *world);
size_t log_count(struct world *world, const char *text);

/* The lanes hear that there is news, and take it up. */
void wake(struct world *world, int64_t hook);
void wake_hooks(struct world *world, const int64_t *hooks, size_t count);
/* An event is told, and the lane hears of it; returns its sequence. */
int64_t tell_hook(struct world *world, int64_t hook, int64_t webinar);
/* The same, of an event that no other hook hears of. */
int64_t tell_only(struct world *world, int64_t hook, int64_t webinar);
/* The lane hears that its hook was changed; pumped until it has, and no further. */
void tell_change(struct world *world, int64_t hook);
/* Change the hook by a transaction, of which n is the hook, and tell its lane. */
void perform_change(struct world *world, enum err (*fn)(struct act *act, struct engine *engine),
    int64_t hook);
struct lane *lane_of(struct world *world, int64_t hook); /* NULL: there is none */

struct str field_of(const struct http_exchange *exchange, const char *name);
int64_t number_of(const struct http_exchange *exchange, const char *name);
struct delivery_id delivery_of(const struct http_exchange *exchange);
size_t member_of(const struct http_exchange *exchange); /* 0: the first that was made */
void answer(struct world *world, size_t i, const struct http_result *result);
void answer_status(struct world *world, size_t i, int status);
/* Answer so many, one after the other; there are as many. */
void answer_some(struct world *world, size_t count, int status);
/* Answer everything, and what follows from it; returns how many. */
size_t answer_all(struct world *world, int status);
/* Nothing is owed any more: no fan-out, no chunk; and so many were delivered. */
void assert_settled(struct world *world, int64_t delivered);

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
/* Submit and reach; open and end. */
void gate_hold(struct world *world, struct gate *gate, bool writes);
void gate_release(struct world *world, struct gate *gate);

#endif
