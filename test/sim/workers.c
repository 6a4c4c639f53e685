/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/store.h once more: the same calls in the same transactions on a real database, but without
 * threads; the seed says how long each takes, and what of it a crash leaves. Linked in place of the
 * real one.
 */
#include <stdlib.h>

#include "base/check.h"
#include "sim/sim.h"
#include "store/migrate.h"
#include "store/store.h"

/* As --store-queue, but within reach. */
#define CALLS_MAX 200

struct operation {
    struct link link;
    struct store_call *call;
    struct instant runs;  /* it is committed then */
    struct instant tells; /* and its asker hears of it then */
};

static const uint8_t seal_key[32] = {1, 2, 3};

static struct store_call *
call_of(struct letter *letter)
{
    return CONTAINER_OF(letter, struct store_call, letter);
}

/* --- what send/ asks for --- */

void
store_port_init(struct store_port *port, struct store *store, void (*ask_flush)(void *arg),
    void *arg)
{
    *port = (struct store_port){.store = store, .ask_flush = ask_flush, .arg = arg};
    port->end = &port->first;
}

static void
on_letter(struct letter *letter)
{
    struct store_call *call = call_of(letter);

    call->done(call);
}

/* Of an act, or else of a loop's flush. */
static void
note_submit(struct store *store, struct store_port *port, const struct store_call *call)
{
    if (!call->writes || act_is(call))
        return;
    for (unsigned i = 0; i < store->sim->loop_count; i++)
        if (port == &store->sim->process.ports[i])
            model_flush_gathered(&store->sim->model, i);
}

enum err
store_submit(struct store_port *port, struct store_call *call)
{
    struct store *store = port->store;

    note_submit(store, port, call);
    if (store->is_dead || store->count >= CALLS_MAX || sim_now(store->sim).us < store->full.us)
        return ERR_BUSY;
    store->count++;
    call->letter.deliver = on_letter;
    call->letter.next = NULL;
    *port->end = &call->letter;
    port->end = &call->letter.next;
    if (port->count++ == 0)
        port->ask_flush(port->arg);
    return OK;
}

static int64_t
takes_us(struct store *store)
{
    return store->slowest_us > 0 ? random_between(&store->sim->order, 0, store->slowest_us) : 0;
}

/* A read may see what is there at any moment while it takes; writes go one after the other. */
static void
operation_time(struct store *store, struct operation *operation, struct instant now)
{
    int64_t us = takes_us(store);

    if (!operation->call->writes) {
        operation->tells = instant_add_us(now, us);
        operation->runs =
            instant_add_us(now, us > 0 ? random_between(&store->sim->order, 0, us) : 0);
        return;
    }
    operation->runs = store->writer_free.us > now.us ? store->writer_free : now;
    operation->runs = instant_add_us(operation->runs, us);
    store->writer_free = operation->runs;
    operation->tells = instant_add_us(operation->runs, takes_us(store) / 4);
}

void
store_port_flush(struct store_port *port)
{
    struct store *store = port->store;
    struct letter *next;

    for (struct letter *letter = port->first; letter != NULL; letter = next) {
        struct operation *operation = calloc(1, sizeof(*operation));

        CHECK(operation != NULL);
        next = letter->next;
        link_init(&operation->link);
        operation->call = call_of(letter);
        operation_time(store, operation, sim_now(store->sim));
        list_append(operation->call->writes ? &store->writes : &store->reads, &operation->link);
    }
    port->first = NULL;
    port->end = &port->first;
    port->count = 0;
}

/* --- running --- */

static void
fail(struct store_call *call, const char *text)
{
    call->err = error_set(&call->error, ERR_IO, "%s", text);
}

/* As the workers do: a transaction of its own, and what it was refused leaves nothing. */
static void
run_write(struct store *store, struct store_call *call)
{
    struct sim *sim = store->sim;
    bool fails = sim_now(sim).us < store->write_fail.us;

    call->error = (struct error){.code = OK};
    CHECK(engine_begin(store->engine, &call->error) == OK);
    call->err = call->run(call, store->engine);
    /* A group that failed as a whole is run again, call by call. */
    if (call->err == OK && chance(&sim->order, 1, 50)) {
        engine_rollback(store->engine);
        CHECK(engine_begin(store->engine, &call->error) == OK);
        call->err = call->run(call, store->engine);
    }
    if (call->err != OK) {
        sim_fail(sim, "a write was refused: %s", call->error.text);
    } else if (fails) {
        engine_rollback(store->engine);
        fail(call, "the disk is full");
        return;
    }
    CHECK(engine_commit(store->engine, &call->error) == OK);
    if (act_is(call)) {
        act_committed(call);
        return;
    }
    for (unsigned i = 0; i < sim->loop_count; i++)
        if (call->reply == loop_mailbox(sim->process.loops[i]))
            model_flush_committed(&sim->model, i);
}

static void
run_read(struct store *store, struct store_call *call)
{
    struct sim *sim = store->sim;

    call->error = (struct error){.code = OK};
    CHECK(engine_begin(store->engine, &call->error) == OK);
    call->err = call->run(call, store->engine);
    engine_rollback(store->engine);
    if (call->err != OK)
        sim_fail(sim, "a read was refused: %s", call->error.text);
    if (sim_now(sim).us < store->read_fail.us)
        fail(call, "the disk cannot be read");
}

static void
operation_run(struct store *store, struct operation *operation)
{
    link_remove(&operation->link);
    list_append(&store->answers, &operation->link);
    if (operation->call->writes)
        run_write(store, operation->call);
    else
        run_read(store, operation->call);
}

static void
operation_tell(struct store *store, struct operation *operation)
{
    struct store_call *call = operation->call;

    link_remove(&operation->link);
    free(operation);
    store->count--;
    mailbox_post(call->reply, &call->letter);
}

static bool
is_next(const struct operation *found, struct instant found_at, struct instant at)
{
    return found == NULL || at.us < found_at.us;
}

/* What happens first: that something runs, or that it is told. */
static struct operation *
first_operation(struct store *store, struct instant *ret_at, bool *ret_tells)
{
    struct operation *found = NULL;
    struct link *link = list_first(&store->writes);

    *ret_at = INSTANT_NEVER;
    *ret_tells = false;
    if (link != NULL) {
        found = LIST_ENTRY(link, struct operation, link);
        *ret_at = found->runs;
    }
    LIST_FOREACH(&store->reads, it)
    {
        struct operation *operation = LIST_ENTRY(it, struct operation, link);

        if (is_next(found, *ret_at, operation->runs)) {
            found = operation;
            *ret_at = operation->runs;
        }
    }
    LIST_FOREACH(&store->answers, it)
    {
        struct operation *operation = LIST_ENTRY(it, struct operation, link);

        if (is_next(found, *ret_at, operation->tells)) {
            found = operation;
            *ret_at = operation->tells;
            *ret_tells = true;
        }
    }
    return found;
}

struct instant
workers_next(struct store *store)
{
    struct instant at;
    bool tells;

    (void)first_operation(store, &at, &tells);
    return at;
}

bool
workers_are_ready(struct store *store, struct instant now)
{
    return workers_next(store).us <= now.us;
}

bool
workers_are_idle(const struct store *store)
{
    return store->count == 0;
}

void
workers_play(struct store *store, struct instant now)
{
    struct instant at;
    bool tells;
    struct operation *operation = first_operation(store, &at, &tells);

    CHECK(operation != NULL && at.us <= now.us);
    if (tells)
        operation_tell(store, operation);
    else
        operation_run(store, operation);
}

void
workers_kill(struct store *store)
{
    struct list *lists[] = {&store->writes, &store->reads, &store->answers};

    store->is_dead = true;
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        for (struct link *link; (link = list_first(lists[i])) != NULL;) {
            struct operation *operation = LIST_ENTRY(link, struct operation, link);

            fail(operation->call, "killed");
            operation_tell(store, operation);
        }
    }
}

void
workers_run(struct store *store, struct store_call *call)
{
    call->error = (struct error){.code = OK};
    CHECK(engine_begin(store->engine, &call->error) == OK);
    call->err = call->run(call, store->engine);
    if (call->err == OK)
        call->err = engine_commit(store->engine, &call->error);
    if (call->err != OK)
        sim_fail(store->sim, "the store refused: %s", call->error.text);
}

void
workers_open(struct sim *sim)
{
    struct store *store = &sim->store;
    struct engine_options options = {.path = ":memory:"};
    struct error error = {.code = OK};

    *store = (struct store){.sim = sim};
    list_init(&store->writes);
    list_init(&store->reads);
    list_init(&store->answers);
    if (engine_open(&options, &store->engine, &error) != OK ||
        migrate(store->engine, options.path, &error) != OK)
        sim_fail(sim, "no database: %s", error.text);
    engine_set_seal_key(store->engine, seal_key);
}

void
workers_close(struct sim *sim)
{
    CHECK(sim->store.count == 0);
    engine_close(sim->store.engine);
}
