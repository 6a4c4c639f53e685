/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wire.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/first_start.h"
#include "cli/wire_node.h"
#include "os/log.h"
#include "os/random.h"
#include "store/bulk.h"
#include "store/lanes.h"

/* Hooks with something open at the start; a million of them are 8 MB. */
#define OPEN_HOOKS_BYTES_MAX (64 * 1024 * 1024)

/* --- what all loops share --------------------------------------------------------------------- */

static unsigned
cores(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) < 1)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static enum err
read_cidrs(const struct config_list *list, struct cidr *ret, size_t *ret_count,
    struct error *reterr)
{
    for (size_t i = 0; i < list->count; i++) {
        enum err err = cidr_parse(str_from(list->items[i]), &ret[i], reterr);

        if (err != OK)
            return err;
    }
    *ret_count = list->count;
    return OK;
}

static enum err
build_guard(struct wire *wire, const struct config *config, struct error *reterr)
{
    enum err err =
        read_cidrs(&config->allow_hook_cidr, wire->guard.allowed, &wire->guard.count, reterr);

    wire->guard.allow_all = config->allow_private_hooks;
    if (err == OK)
        err = read_cidrs(&config->trusted_proxy, wire->proxies, &wire->proxy_count, reterr);
    return err;
}

static void
build_schedule(struct wire *wire, const struct config *config)
{
    size_t count = config_delays_us(config, wire->schedule.delays_us, SCHEDULE_DELAYS_MAX);

    if (count == 0) {
        wire->schedule = schedule_standard((uint32_t)config->attempts_max);
        return;
    }
    wire->schedule.count =
        count < (size_t)config->attempts_max ? count : (size_t)config->attempts_max - 1;
}

static enum err
build_store(struct wire *wire, const struct config *config, struct error *reterr)
{
    struct store_options options = {
        .path = config_db_path(config),
        .key_path = config->secret_key_file,
        .key_hex = config->secret_key,
        .readers = (unsigned)config->readers,
        .queue_max = (unsigned)config->store_queue,
        .clock = wire->clock,
    };
    enum err err = store_open(&options, &wire->store, reterr);

    if (err != OK)
        return err;
    if (strcmp(options.path, ":memory:") != 0) {
        wire->disk_path = strdup(options.path);
        if (wire->disk_path == NULL)
            return error_set(reterr, ERR_NOMEM, "out of memory");
    }
    return first_start(wire->store, &wire->ids, wire->clock, options.path, reterr);
}

struct recovery {
    struct store_call call;
    struct arena arena;
    int64_t last_chunk_pk;
    int64_t *hook_pks;
    size_t hook_count;
};

static enum err
recovery_run(struct store_call *call, struct engine *engine)
{
    struct recovery *self = CONTAINER_OF(call, struct recovery, call);
    enum err err = lanes_recover(engine, &self->last_chunk_pk, &call->error);

    arena_reset(&self->arena);
    if (err == OK)
        err = lanes_open(engine, &self->arena, &self->hook_pks, &self->hook_count, &call->error);
    return err;
}

/* What was under way when the last process ended goes on: first the uploads, which may make new
 * events. One that cannot be finished must not keep all else from starting. */
static enum err
recover(struct wire *wire, struct recovery *recovery, struct error *reterr)
{
    struct error error = {.code = OK};

    if (bulk_resume(wire->store, wire->zones, &wire->ids, wire->clock, &error) != OK)
        log_error("bulk.unfinished", log_text("error", error.text));
    recovery->call = (struct store_call){.run = recovery_run, .writes = true};
    if (store_run(wire->store, &recovery->call) != OK)
        return error_set(reterr, recovery->call.err, "%s", recovery->call.error.text);
    return dispatch_set_new(wire->node_count, recovery->last_chunk_pk, &wire->dispatch_set, reterr);
}

/* --- for the API and for hooks --------------------------------------------------------------- */

static enum err
build_tls(struct wire *wire, const struct config *config, struct error *reterr)
{
    enum err err = tls_client_new(config->tls_ca_file, &wire->tls_client, reterr);

    if (err == OK && config->tls_cert != NULL)
        err = tls_server_new(config->tls_cert, config->tls_key, &wire->tls_server, reterr);
    return err;
}

static enum err
build_api(struct wire *wire, const struct config *config, struct error *reterr)
{
    const struct route_table *const *tables = wire->is_platform ? api_tables : api_inbox_tables;

    wire->table_count = wire->is_platform ? api_table_count : api_inbox_table_count;
    CHECK(wire->table_count <= COUNT_OF(wire->tables));
    for (size_t i = 0; i < wire->table_count; i++)
        wire->tables[i] = *tables[i];
    wire->resolvers = calloc(wire->node_count, sizeof(struct resolver *));
    wire->clients = calloc(wire->node_count, sizeof(struct http_client *));
    wire->streams = calloc(wire->node_count, sizeof(struct stream_hub *));
    if (wire->resolvers == NULL || wire->clients == NULL || wire->streams == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    wire->api = (struct api){
        .clock = wire->clock,
        .ids = &wire->ids,
        .zones = wire->zones,
        .store = wire->store,
        .dispatch = wire->dispatch_set,
        .handles = wire->handles,
        .setups = &wire->setups,
        .guard = &wire->guard,
        .allow_http_hooks = config->allow_http_hooks || config->allow_private_hooks,
        .resolvers = wire->resolvers,
        .clients = wire->clients,
        .trials = &wire->trials,
        .streams = wire->streams,
        .account_rate = (double)config->account_rate,
        .user_agent = WIRE_USER_AGENT,
        .retain_events_us = config->retain_events_days * US_PER_DAY,
    };
    return OK;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What is sent goes on where it was. */
static enum err
build_dispatch(struct wire *wire, const struct config *config, struct recovery *recovery,
    struct error *reterr)
{
    enum err err = budget_set_new((unsigned)config->account_in_flight_max, &wire->budgets);

    return err == OK ? recover(wire, recovery, reterr) : err;
}

static enum err
build(struct wire *wire, const struct config *config, struct error *reterr)
{
    bool is_inbox = wire->setup != NULL;
    struct recovery recovery = {0};
    uint8_t random[8];
    enum err err;

    random_bytes(random, sizeof(random));
    id_source_init(&wire->ids, random);
    arena_init(&recovery.arena, OPEN_HOOKS_BYTES_MAX);
    build_schedule(wire, config);

    err = build_guard(wire, config, reterr);
    if (err == OK)
        err = zones_new(NULL, &wire->zones, reterr);
    if (err == OK)
        log_info("zones.opened", log_str("version", zones_version(wire->zones)));
    if (err == OK)
        err = build_tls(wire, config, reterr);
    if (err == OK)
        err = build_store(wire, config, reterr);
    if (err == OK && wire->is_platform)
        err = build_dispatch(wire, config, &recovery, reterr);
    if (err == OK && is_inbox)
        err = wire_build_inbox(wire, reterr);
    if (err == OK)
        err = build_api(wire, config, reterr);
    if (err == OK)
        err = wire_build_nodes(wire, config, reterr);
    if (err == OK)
        err = wire_start_nodes(wire, reterr);
    if (err == OK && is_inbox)
        wire_start_inbox(wire);
    if (err == OK && wire->is_platform)
        dispatch_wake(wire->dispatch_set, recovery.hook_pks, recovery.hook_count);
    arena_done(&recovery.arena);
    return err;
}

enum err
wire_open(const struct config *config, const struct wire_parts *parts, struct wire **ret,
    struct error *reterr)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    enum err err;

    if (wire == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    wire->is_platform = parts->platform;
    wire_hold_inbox(wire, parts->inbox);
    wire->clock = &clock_system;
    wire->drain_timeout_ms = config->drain_timeout_ms;
    wire->node_count = config->threads > 0 ? (unsigned)config->threads : cores();
    err = mailbox_init(&wire->mailbox, reterr);
    if (err != OK) {
        wire_close_inbox(wire);
        free(wire);
        return err;
    }
    trial_limit_init(&wire->trials);
    stream_limit_init(&wire->stream_limit);
    request_limit_init(&wire->request_limit, config->request_limit);
    wire->nodes = calloc(wire->node_count, sizeof(*wire->nodes));
    if (wire->nodes == NULL)
        err = error_set(reterr, ERR_NOMEM, "out of memory");
    for (unsigned i = 0; err == OK && i < wire->node_count; i++) {
        wire->nodes[i].wire = wire;
        wire->nodes[i].index = i;
    }
    if (err == OK)
        err = build(wire, config, reterr);
    if (err != OK) {
        wire_close(wire);
        return err;
    }
    wire->stage = WIRE_SERVING;
    *ret = wire;
    return OK;
}

void
wire_close(struct wire *wire)
{
    if (wire == NULL)
        return;
    CHECK(wire->stage == WIRE_BUILDING || wire->stage == WIRE_STOPPED);
    for (unsigned i = 0; wire->nodes != NULL && i < wire->node_count; i++) {
        if (!wire->nodes[i].is_started)
            continue;
        loop_stop(wire->nodes[i].loop);
        CHECK(pthread_join(wire->nodes[i].thread, NULL) == 0);
    }
    for (unsigned i = wire->nodes != NULL ? wire->node_count : 0; i > 0; i--)
        wire_close_node(&wire->nodes[i - 1]);
    free(wire->nodes);
    free(wire->resolvers);
    free(wire->clients);
    free(wire->streams);
    dispatch_set_free(wire->dispatch_set);
    wire_close_inbox(wire);
    budget_set_free(wire->budgets);
    store_close(wire->store);
    free(wire->disk_path);
    tls_server_free(wire->tls_server);
    tls_client_free(wire->tls_client);
    zones_free(wire->zones);
    request_limit_done(&wire->request_limit);
    trial_limit_done(&wire->trials);
    stream_limit_done(&wire->stream_limit);
    mailbox_done(&wire->mailbox);
    free(wire);
}

struct address
wire_address(const struct wire *wire)
{
    return http_server_address(wire->nodes[0].server);
}

bool
wire_is_tls(const struct wire *wire)
{
    return wire->tls_server != NULL;
}

struct mailbox *
wire_mailbox(struct wire *wire)
{
    return &wire->mailbox;
}

enum err
wire_reload(struct wire *wire, struct setup *inbox, struct error *reterr)
{
    enum err err = OK;

    if (wire->stage != WIRE_SERVING)
        return OK;
    if (inbox != NULL)
        err = wire_reload_inbox(wire, inbox, reterr);
    if (err == OK && wire->tls_server != NULL)
        err = tls_server_reload(wire->tls_server, reterr);
    return err;
}

/* --- draining --------------------------------------------------------------------------------- */

/* Main thread: give every node its next order. */
static void
order_all(struct wire *wire, void (*on_order)(struct letter *letter))
{
    wire->reports = 0;
    for (unsigned i = 0; i < wire->node_count; i++) {
        struct node *node = &wire->nodes[i];

        node->order.deliver = on_order;
        mailbox_post(loop_mailbox(node->loop), &node->order);
    }
}

/* Main thread: a node is done with its step. Calls of one loop wait for lanes of another, so the
 * lanes stop only when all calls are answered. */
void
wire_on_report(struct letter *letter)
{
    struct wire *wire = CONTAINER_OF(letter, struct node, report)->wire;

    if (++wire->reports < wire->node_count)
        return;
    if (wire->stage == WIRE_FINISHING) {
        wire->stage = WIRE_STOPPING;
        order_all(wire, wire_node_stop);
    } else {
        CHECK(wire->stage == WIRE_STOPPING);
        wire->stage = WIRE_STOPPED;
    }
}

void
wire_drain(struct wire *wire)
{
    if (wire->stage != WIRE_SERVING)
        return;
    wire->stage = WIRE_FINISHING;
    wire->drain_deadline = instant_add_ms(clock_instant(wire->clock), wire->drain_timeout_ms);
    order_all(wire, wire_node_finish);
}

bool
wire_is_stopped(const struct wire *wire)
{
    return wire->stage == WIRE_STOPPED;
}
