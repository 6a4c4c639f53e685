/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way of a call to the inbox in one process: a socket of 127.0.0.1, the server, the
 * gateway with the sources that the test names, and a store in a scratch folder.
 *
 * One thread beside the store's own: who waits turns the loop (support/serving.h). The clock stands
 * still until it is moved; while the gate is shut the store's writer waits at it.
 */
#ifndef TEST_SUPPORT_GATEWAY_H
#define TEST_SUPPORT_GATEWAY_H

#include <sched.h>
#include <stdatomic.h>

#include "receive/gateway.h"
#include "support/scratch.h"
#include "support/serving.h"
#include "support/test.h"

struct gate {
    struct store_call call;
    atomic_bool is_shut;
    atomic_bool is_reached; /* the writer waits */
    bool is_back;
};

struct test_gateway {
    struct scratch scratch;
    struct clock_manual clock;
    struct store *store;
    struct turn_end turn_end;
    struct store_port port;
    struct gateway *gateway;
    struct serving serving; /* its loop and server are ours */
    struct gate gate;
};

/* A line of a source's section. */
struct source_line {
    const char *source;
    const char *name;
    const char *value;
};

static inline void
gateway_must(enum err err, const struct error *error)
{
    if (err != OK)
        fail_msg("%s", error->text);
}

/* --- the store ------------------------------------------------------------------------------- */

struct engine_call {
    struct store_call call;
    enum err (*run)(struct engine *engine, void *arg, struct error *reterr);
    void *arg;
};

static inline enum err
engine_call_run(struct store_call *call, struct engine *engine)
{
    struct engine_call *self = CONTAINER_OF(call, struct engine_call, call);

    return self->run(engine, self->arg, &call->error);
}

/* On the store's writer, while nobody's answers are waited for. */
static inline void
gateway_on_engine(struct test_gateway *tg,
    enum err (*run)(struct engine *engine, void *arg, struct error *reterr), void *arg)
{
    struct engine_call call = {.call = {.run = engine_call_run, .writes = true},
        .run = run,
        .arg = arg};

    if (store_run(tg->store, &call.call) != OK)
        fail_msg("%s", call.call.error.text);
}

static inline enum err
execute_run(struct engine *engine, void *arg, struct error *reterr)
{
    return engine_exec(engine, arg, reterr);
}

static inline void
gateway_execute(struct test_gateway *tg, char *sql)
{
    gateway_on_engine(tg, execute_run, sql);
}

struct number_question {
    const char *sql;
    int64_t answer;
};

static inline enum err
number_run(struct engine *engine, void *arg, struct error *reterr)
{
    struct number_question *question = arg;

    return engine_get_int_values(engine, question->sql, NULL, 0, &question->answer, reterr);
}

static inline int64_t
gateway_number(struct test_gateway *tg, const char *sql)
{
    struct number_question question = {.sql = sql};

    gateway_on_engine(tg, number_run, &question);
    return question.answer;
}

static inline enum err
gate_run(struct store_call *call, struct engine *engine)
{
    struct gate *gate = CONTAINER_OF(call, struct gate, call);

    (void)engine;
    atomic_store(&gate->is_reached, true);
    while (atomic_load(&gate->is_shut))
        (void)sched_yield();
    return OK;
}

static inline void
gate_done(struct store_call *call)
{
    CONTAINER_OF(call, struct gate, call)->is_back = true;
}

static inline void
gate_shut(struct test_gateway *tg)
{
    struct gate *gate = &tg->gate;

    memset(&gate->call, 0, sizeof(gate->call));
    gate->call.run = gate_run;
    gate->call.done = gate_done;
    gate->call.reply = loop_mailbox(tg->serving.loop);
    gate->call.writes = true;
    gate->is_back = false;
    atomic_store(&gate->is_reached, false);
    atomic_store(&gate->is_shut, true);
    assert_int_equal(store_submit(&tg->port, &gate->call), OK);
    store_port_flush(&tg->port);
    while (!atomic_load(&gate->is_reached))
        (void)sched_yield();
}

static inline void
gate_open(struct test_gateway *tg)
{
    atomic_store(&tg->gate.is_shut, false);
    while (!tg->gate.is_back)
        loop_turn(tg->serving.loop);
}

/* --- the sources ------------------------------------------------------------------------------ */

struct registering {
    struct setup *setup;
    struct walltime now;
};

static inline enum err
register_run(struct engine *engine, void *arg, struct error *reterr)
{
    struct registering *registering = arg;

    return setup_register(registering->setup, engine, registering->now, reterr);
}

/* Lines of one source follow one another. Registered; the caller drops it. */
static inline struct setup *
gateway_setup_new(struct test_gateway *tg, const struct source_line *lines, size_t count,
    const char *proxies)
{
    struct registering registering = {.now = tg->clock.walltime_now};
    struct source *source = NULL;
    struct setup *setup = NULL;
    struct error error = {OK, ""};

    gateway_must(setup_new(&setup, &error), &error);
    for (size_t i = 0; i < count; i++) {
        if (source == NULL || !str_equals(source->name, str_from(lines[i].source)))
            gateway_must(setup_add_source(setup, str_from(lines[i].source), &source, &error),
                &error);
        gateway_must(source_set(source, &setup->arena, str_from(lines[i].name),
                         str_from(lines[i].value), &error),
            &error);
    }
    if (proxies != NULL) {
        setup->proxies = ARENA_NEW(&setup->arena, struct cidr);
        setup->proxy_count = 1;
        gateway_must(cidr_parse(str_from(proxies), setup->proxies, &error), &error);
    }
    gateway_must(setup_check(setup, &error), &error);
    registering.setup = setup;
    gateway_on_engine(tg, register_run, &registering);
    return setup;
}

static inline void
gateway_use(struct test_gateway *tg, const struct source_line *lines, size_t count,
    const char *proxies)
{
    struct setup *setup = gateway_setup_new(tg, lines, count, proxies);

    gateway_setup(tg->gateway, setup);
    setup_drop(setup);
}

/* --- life ------------------------------------------------------------------------------------- */

static inline void
gateway_flush(void *arg)
{
    store_port_flush(arg);
}

static inline void
gateway_ask_flush(void *arg)
{
    turn_end_ask(arg);
}

/* Options that are 0 are made generous; a quarantine of -1 bytes is none. */
static inline void
gateway_start(struct test_gateway *tg, struct gateway_options options)
{
    struct store_options store_options = {.queue_max = 64};
    struct http_server_options server_options = {.head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 60000,
        .connections_max = 256};
    struct error error = {OK, ""};
    char path[256];
    char key_path[256];

    memset(tg, 0, sizeof(*tg));
    scratch_init(&tg->scratch);
    clock_manual_init(&tg->clock, (struct walltime){INT64_C(1710496800000000)});
    clock_manual_advance(&tg->clock, US_PER_HOUR);
    (void)snprintf(path, sizeof(path), "%s/db", tg->scratch.dir);
    (void)snprintf(key_path, sizeof(key_path), "%s/key", tg->scratch.dir);
    store_options.path = path;
    store_options.key_path = key_path;
    store_options.clock = &tg->clock.base;
    gateway_must(store_open(&store_options, &tg->store, &error), &error);
    gateway_must(loop_new(0, &tg->serving.loop, &error), &error);
    gateway_must(
        turn_end_init(&tg->turn_end, tg->serving.loop, LOOP_TIMERS, gateway_flush, &tg->port),
        &error);
    store_port_init(&tg->port, tg->store, gateway_ask_flush, &tg->turn_end);

    options.loop = tg->serving.loop;
    options.clock = &tg->clock.base;
    options.port = &tg->port;
    if (options.memory_bytes_max == 0)
        options.memory_bytes_max = 64 << 20;
    if (options.quarantine_bytes_max == 0)
        options.quarantine_bytes_max = 64 << 20;
    else if (options.quarantine_bytes_max < 0)
        options.quarantine_bytes_max = 0;
    options.quarantine_us = US_PER_DAY;
    gateway_must(gateway_new(&options, &tg->gateway, &error), &error);
    gateway_must(address_parse(STR("127.0.0.1:0"), &server_options.listen, &error), &error);
    gateway_must(http_server_new(tg->serving.loop, &server_options, gateway_handler(tg->gateway),
                     &tg->serving.server, &error),
        &error);
}

/* Until all is on disk that is to be. */
static inline void
gateway_settle(struct test_gateway *tg)
{
    gateway_drain(tg->gateway);
    while (gateway_busy(tg->gateway) > 0)
        loop_turn(tg->serving.loop);
}

static inline void
gateway_stop(struct test_gateway *tg)
{
    http_server_free(tg->serving.server);
    gateway_settle(tg);
    gateway_free(tg->gateway);
    turn_end_done(&tg->turn_end);
    store_close(tg->store);
    loop_free(tg->serving.loop);
    scratch_done(&tg->scratch);
}

/* --- calling ---------------------------------------------------------------------------------- */

/* fields: lines that end in CRLF, or "". */
static inline void
gateway_send(struct caller *caller, const char *method, const char *path, const char *fields,
    const char *body)
{
    static char text[1 << 16];
    int len =
        snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n%s",
            method, path, fields, strlen(body), body);

    assert_in_range(len, 1, sizeof(text) - 1);
    caller_send(caller, text);
}

/* One call on a connection of its own; returns the answer's head. */
static inline struct str
gateway_ask(struct test_gateway *tg, const char *path, const char *fields, const char *body,
    int status, const char *body_part)
{
    struct caller caller;
    struct str head;

    caller_open(&caller, &tg->serving, 0);
    gateway_send(&caller, "POST", path, fields, body);
    head = caller_expect(&caller, status, body_part);
    caller_close(&caller);
    return head;
}

#endif
