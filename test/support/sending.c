/* SPDX-License-Identifier: Apache-2.0 */
#include "support/sending.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Far more than anything here takes. */
#define TURNS_MAX 20000
/* The same, for days of probes and retries. */
#define PASS_TURNS_MAX 1000000

/* --- the network --- */

static enum err
scripted_endpoint_new(struct http_client *client, const struct url *url, unsigned connections_max,
    struct http_endpoint **ret)
{
    struct http_endpoint *endpoint;

    (void)url;
    (void)connections_max;
    if (((struct network *)client)->is_short)
        return ERR_NOMEM;
    endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL)
        return ERR_NOMEM;
    endpoint->client = client;
    *ret = endpoint;
    return OK;
}

static void
scripted_endpoint_free(struct http_endpoint *endpoint)
{
    free(endpoint);
}

static void
scripted_start(struct http_endpoint *endpoint, struct http_exchange *exchange)
{
    struct network *network = (struct network *)endpoint->client;

    assert_true(network->count < COUNT_OF(network->under_way));
    exchange->endpoint = endpoint;
    network->under_way[network->count++] = exchange;
    network->started++;
    if (network->count > network->most)
        network->most = network->count;
}

static void
network_end(struct network *network, size_t i, const struct http_result *result)
{
    struct http_exchange *exchange = network->under_way[i];

    network->under_way[i] = network->under_way[--network->count];
    exchange->done(exchange, result);
}

static void
scripted_cancel(struct http_exchange *exchange)
{
    struct network *network = (struct network *)exchange->endpoint->client;

    for (size_t i = 0; i < network->count; i++) {
        if (network->under_way[i] != exchange)
            continue;
        network_end(network, i, &(struct http_result){.failure = HTTP_FAIL_CANCELLED});
        return;
    }
    fail_msg("an exchange is cancelled that is not under way");
}

static void
scripted_free(struct http_client *client)
{
    (void)client;
}

static const struct http_client_ops scripted_ops = {
    .endpoint_new = scripted_endpoint_new,
    .endpoint_free = scripted_endpoint_free,
    .start = scripted_start,
    .cancel = scripted_cancel,
    .free = scripted_free,
};

struct str
field_of(const struct http_exchange *exchange, const char *name)
{
    const char *at = strstr(exchange->head.ptr, name);
    const char *end;

    assert_non_null(at);
    at += strlen(name) + 2;
    end = strstr(at, "\r\n");
    assert_non_null(end);
    return (struct str){at, (size_t)(end - at)};
}

int64_t
number_of(const struct http_exchange *exchange, const char *name)
{
    int64_t number = -1;

    assert_int_equal(str_to_int64(field_of(exchange, name), &number), OK);
    return number;
}

struct delivery_id
delivery_of(const struct http_exchange *exchange)
{
    struct delivery_id id;

    assert_int_equal(delivery_id_parse(field_of(exchange, "webhook-id"), &id), OK);
    return id;
}

void
answer(struct world *world, size_t i, const struct http_result *result)
{
    network_end(&world->network, i, result);
}

void
answer_status(struct world *world, size_t i, int status)
{
    answer(world, i, &(struct http_result){.status = status});
}

void
answer_some(struct world *world, size_t count, int status)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(world->network.count > 0);
        answer_status(world, 0, status);
        pump(world);
    }
}

size_t
answer_all(struct world *world, int status)
{
    size_t answered = 0;

    while (world->network.count > 0) {
        answer_status(world, 0, status);
        answered++;
        pump(world);
    }
    return answered;
}

/* --- the world --- */

struct id
numbered(int64_t n)
{
    struct id id = {{0}};

    for (int i = 0; i < 8; i++)
        id.bytes[11 - i] = (uint8_t)(n >> (8 * i));
    return id;
}

static void
flush_port(void *arg)
{
    store_port_flush(arg);
}

/* What the dispatch stands on; what was made before a failure is left for world_drop. */
static enum err
world_prepare(struct world *world, int64_t last_chunk_pk)
{
    enum err err = loop_new(0, &world->loop, &world->error);

    if (err == OK)
        err = budget_set_new(world->account_in_flight_max, &world->budgets);
    if (err == OK)
        err = dispatch_set_new(1, last_chunk_pk, &world->set, &world->error);
    return err;
}

enum err
world_try_start(struct world *world, int64_t last_chunk_pk)
{
    struct dispatch_options options;
    enum err err;

    world->network = (struct network){.base = {&scripted_ops}};
    world->loop = NULL;
    world->budgets = NULL;
    world->set = NULL;
    world->dispatch = NULL;
    store_port_init(&world->port, world->store, flush_port, &world->port);
    store_port_init(&world->own_port, world->store, flush_port, &world->own_port);
    err = world_prepare(world, last_chunk_pk);
    options = (struct dispatch_options){
        .set = world->set,
        .loop = world->loop,
        .clock = &world->clock.base,
        .port = &world->port,
        .client = &world->network.base,
        .zones = world->zones,
        .ids = &world->ids,
        .budgets = world->budgets,
        .schedule = &world->schedule,
        .attempt_ms = 30000,
        .in_flight_max = world->in_flight_max,
        .connections_max = 4096,
        .disable_after_us = 5 * US_PER_DAY,
        .seed = 1,
        .user_agent = "test",
    };
    if (err == OK)
        err = dispatch_new(&options, &world->dispatch, &world->error);
    if (err != OK)
        world_drop(world);
    return err;
}

void
world_start(struct world *world)
{
    assert_int_equal(world_try_start(world, perform(world, recover, 0)), OK);
}

enum err
world_try_open_at(struct world *world, const char *path, unsigned readers)
{
    struct store_options options = {
        .path = path,
        .readers = readers,
        .queue_max = 64,
        .clock = &clock_system,
    };
    enum err err;

    id_source_init(&world->ids, (const uint8_t[8]){1});
    world->in_flight_max = 64;
    world->account_in_flight_max = 1024;
    world->max_in_flight = 16;
    clock_manual_init(&world->clock, (struct walltime){INT64_C(1710496800000000)});
    /* Far ahead of the loop's own clock: its timers stay quiet, and pump looks instead. */
    world->clock.instant_now = instant_add_us(clock_instant(&clock_system), US_PER_DAY);
    world->schedule = schedule_standard(4);
    err = zones_new(NULL, &world->zones, &world->error);
    if (err != OK)
        return err;
    err = store_open(&options, &world->store, &world->error);
    if (err != OK)
        zones_free(TAKE(world->zones));
    return err;
}

void
world_open_at(struct world *world, const char *path, unsigned readers)
{
    assert_int_equal(world_try_open_at(world, path, readers), OK);
    world_start(world);
}

void
world_open_with(struct world *world, unsigned readers)
{
    memset(world, 0, sizeof(*world));
    scratch_init(&world->scratch);
    world_open_at(world, scratch_path(&world->scratch, "usher.db"), readers);
}

void
world_open(struct world *world)
{
    world_open_with(world, 2);
}

static void
on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void
world_drop(struct world *world)
{
    dispatch_free(world->dispatch);
    dispatch_set_free(world->set);
    budget_set_free(world->budgets);
    loop_free(world->loop);
}

void
world_stop(struct world *world, bool *is_stopped)
{
    *is_stopped = false;
    dispatch_stop(world->dispatch, INSTANT_NEVER, on_stopped, is_stopped);
}

void
world_halt(struct world *world)
{
    bool is_stopped;

    world_stop(world, &is_stopped);
    while (world->network.count > 0)
        answer_status(world, 0, 200);
    for (int i = 0; i < TURNS_MAX && !is_stopped; i++)
        pump_once(world);
    assert_true(is_stopped);
    world_drop(world);
}

void
world_close(struct world *world)
{
    world_halt(world);
    store_close(world->store);
    zones_free(world->zones);
    scratch_done(&world->scratch);
}

/* One thing that happens: what the loop has, and what is due by the clock that stands still. */
void
pump_once(struct world *world)
{
    struct pollfd pollfd = {.fd = loop_mailbox(world->loop)->event_fd, .events = POLLIN};

    (void)dispatch_tick(world->dispatch, world->clock.instant_now);
    loop_turn(world->loop);
    if (world->dispatch->reads > 0 || flush_is_running(world->dispatch->flush))
        (void)poll(&pollfd, 1, 1000);
}

void
look(struct world *world, int times)
{
    struct pollfd pollfd = {.fd = loop_mailbox(world->loop)->event_fd, .events = POLLIN};

    for (int i = 0; i < times; i++) {
        (void)dispatch_tick(world->dispatch, world->clock.instant_now);
        loop_turn(world->loop);
        (void)poll(&pollfd, 1, 2);
    }
}

/* Until nothing happens any more by itself. */
void
pump(struct world *world)
{
    int turns = 0;

    for (int quiet = 0; quiet < 4; quiet++) {
        size_t started = world->network.started;

        pump_once(world);
        if (world->dispatch->reads > 0 || flush_is_running(world->dispatch->flush) ||
            world->network.started != started || world->dispatch->is_woken)
            quiet = 0;
        assert_true(++turns < TURNS_MAX);
    }
}

void
advance(struct world *world, int64_t us)
{
    clock_manual_advance(&world->clock, us);
    pump(world);
}

void
await_start(struct world *world)
{
    for (int i = 0; i < 3600 && world->network.count == 0; i++)
        advance(world, US_PER_S);
    assert_true(world->network.count > 0);
}

static void
answer_as(struct world *world, const struct pass *how)
{
    while (world->network.count > 0) {
        const struct http_exchange *exchange = world->network.under_way[0];
        int status = how->status_of != NULL ? how->status_of(exchange, how->arg) : how->status;

        answer_status(world, 0, status);
        pump(world);
    }
}

void
pass(struct world *world, const struct pass *how)
{
    struct instant end = instant_add_us(world->clock.instant_now, how->us);
    struct instant next;

    for (int turns = 0; world->clock.instant_now.us < end.us; turns++) {
        assert_true(turns < PASS_TURNS_MAX);
        answer_as(world, how);
        pump(world);
        if (world->network.count > 0)
            continue;
        next = dispatch_tick(world->dispatch, world->clock.instant_now);
        if (next.us > world->clock.instant_now.us)
            clock_manual_advance(&world->clock,
                instant_earlier(next, end).us - world->clock.instant_now.us);
    }
    pump(world);
}

struct lane *
lane_of(struct world *world, int64_t hook)
{
    return map_find(&world->dispatch->lanes, (uint64_t)hook);
}

static void
on_change_taken(struct lane_change *change)
{
    change->hook_pk = -1;
}

void
tell_change(struct world *world, int64_t hook)
{
    struct lane_change change = {.hook_pk = hook,
        .reply = loop_mailbox(world->loop),
        .done = on_change_taken};

    dispatch_hook_changed(world->set, &change);
    for (int i = 0; i < TURNS_MAX && change.hook_pk != -1; i++)
        loop_turn(world->loop);
    assert_int_equal(change.hook_pk, -1);
}

/* --- what is logged --- */

void
log_catch(struct world *world)
{
    int fd =
        open(scratch_path(&world->scratch, "log"), O_CREAT | O_RDWR | O_TRUNC | O_APPEND, 0600);

    world->caught_fd = dup(STDERR_FILENO);
    assert_true(fd >= 0 && world->caught_fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    (void)close(fd);
}

size_t
log_count(struct world *world, const char *text)
{
    FILE *file = fopen(scratch_path(&world->scratch, "log"), "r");
    char line[4096];
    size_t count = 0;

    (void)dup2(world->caught_fd, STDERR_FILENO);
    (void)close(world->caught_fd);
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, text) != NULL;
    (void)fclose(file);
    return count;
}

/* --- gates --- */

static enum err
gate_run(struct store_call *call, struct engine *engine)
{
    struct gate *gate = CONTAINER_OF(call, struct gate, call);

    (void)engine;
    (void)sem_post(&gate->reached);
    while (sem_wait(&gate->open) != 0)
        continue;
    (void)sem_post(&gate->open); /* it may be run again */
    return OK;
}

static void
gate_done(struct store_call *call)
{
    CONTAINER_OF(call, struct gate, call)->is_over = true;
}

void
gate_submit(struct world *world, struct gate *gate, bool writes)
{
    *gate = (struct gate){
        .call = {.run = gate_run,
            .done = gate_done,
            .reply = loop_mailbox(world->loop),
            .writes = writes},
    };
    assert_int_equal(sem_init(&gate->reached, 0, 0), 0);
    assert_int_equal(sem_init(&gate->open, 0, 0), 0);
    assert_int_equal(store_submit(&world->own_port, &gate->call), OK);
}

void
gate_reach(struct gate *gate)
{
    while (sem_wait(&gate->reached) != 0)
        continue;
}

void
gate_open(struct gate *gate)
{
    (void)sem_post(&gate->open);
}

void
gate_end(struct world *world, struct gate *gate)
{
    struct pollfd pollfd = {.fd = loop_mailbox(world->loop)->event_fd, .events = POLLIN};

    for (int i = 0; i < 100 && !gate->is_over; i++) {
        (void)poll(&pollfd, 1, 100);
        loop_turn(world->loop);
    }
    assert_true(gate->is_over);
    assert_int_equal(sem_destroy(&gate->reached), 0);
    assert_int_equal(sem_destroy(&gate->open), 0);
}

void
gate_hold(struct world *world, struct gate *gate, bool writes)
{
    gate_submit(world, gate, writes);
    gate_reach(gate);
}

void
gate_release(struct world *world, struct gate *gate)
{
    gate_open(gate);
    gate_end(world, gate);
}
