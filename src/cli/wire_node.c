/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wire_node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/committed.h"
#include "cli/version.h"
#include "receive/gateway.h"

/* A whole head within 10 s, a byte of the body every 30 s, a minute between requests: a person's
 * slow line manages, a thousand idle callers do not hold us up. */
#define HEAD_MS 10000
#define BODY_MS 30000
#define IDLE_MS 60000

/* One address cannot take all connections; a sender of a thousand calls at once needs many. */
#define PEER_SHARE 2

/* Unused connections to hooks that each loop keeps: more than are ever in flight, and a fraction of
 * the descriptors that a process may have. */
#define IDLE_MAX 1024

#define MIB (INT64_C(1024) * 1024)

/* While draining: is the last call answered? */
#define DRAIN_LOOK_MS 10

/* --- one loop --------------------------------------------------------------------------------- */

static void
ask_flush(void *arg)
{
    struct node *node = arg;

    turn_end_ask(&node->port_turn_end);
}

static void
on_turn_end(void *arg)
{
    struct node *node = arg;

    store_port_flush(&node->port);
}

static void on_drain_look(void *arg);

static enum err
build_loop(struct node *node, const struct config *config, struct error *reterr)
{
    struct wire *wire = node->wire;
    enum err err = loop_new(node->index, &node->loop, reterr);

    if (err == OK)
        /* Before the deliveries of this turn: a request must not wait for them. */
        err = turn_end_init(&node->port_turn_end, node->loop, LOOP_TIMERS, on_turn_end, node);
    if (err == OK)
        err = timer_init(&node->drain_timer, node->loop, LOOP_TIMERS, on_drain_look, node);
    if (err != OK)
        return error_set(reterr, err, "cannot make a loop");
    store_port_init(&node->port, wire->store, ask_flush, node);
    err = resolver_new(node->loop, config->dns_server, &node->resolver, reterr);
    wire->resolvers[node->index] = node->resolver;
    return err;
}

static enum err
build_sending(struct node *node, const struct config *config, struct error *reterr)
{
    struct wire *wire = node->wire;
    struct http_client_options client = {
        .loop = node->loop,
        .resolver = node->resolver,
        .tls = wire->tls_client,
        .guard = &wire->guard,
        .idle_ms = IDLE_MS,
        .idle_max = IDLE_MAX,
    };
    struct dispatch_options dispatch = {
        .set = wire->dispatch_set,
        .index = node->index,
        .loop = node->loop,
        .clock = wire->clock,
        .port = &node->port,
        .zones = wire->zones,
        .ids = &wire->ids,
        .budgets = wire->budgets,
        .schedule = &wire->schedule,
        .attempt_ms = config->attempt_timeout_ms,
        .in_flight_max = (unsigned)config->in_flight_max,
        .connections_max = (unsigned)config->hook_connections_max / wire->node_count + 1,
        .disable_after_us = config->disable_after_days * US_PER_DAY,
        .user_agent = WIRE_USER_AGENT,
    };
    struct stream_hub_options streams = {
        .loop = node->loop,
        .clock = wire->clock,
        .port = &node->port,
        .limit = &wire->stream_limit,
    };
    enum err err = http_client_new(&client, &node->client, reterr);

    wire->clients[node->index] = node->client;
    dispatch.client = node->client;
    if (err == OK)
        err = dispatch_new(&dispatch, &node->dispatch, reterr);
    if (err == OK)
        err = stream_hub_new(&streams, &node->streams, reterr);
    wire->streams[node->index] = node->streams;
    return err;
}

/* After the service, which takes what is not under /in/. */
static enum err
build_receiving(struct node *node, const struct config *config, struct error *reterr)
{
    struct wire *wire = node->wire;
    struct http_client_options client = {
        .loop = node->loop,
        .resolver = node->resolver,
        .tls = wire->tls_client,
        .guard = &wire->handle_guard,
        .idle_ms = IDLE_MS,
        .idle_max = IDLE_MAX,
    };
    struct handle_options handle = {
        .set = wire->handles,
        .index = node->index,
        .loop = node->loop,
        .clock = wire->clock,
        .port = &node->port,
        .user_agent = WIRE_USER_AGENT,
    };
    struct gateway_options gateway = {
        .loop = node->loop,
        .clock = wire->clock,
        .port = &node->port,
        .handles = wire->handles,
        .other = service_handler(node->service),
        .memory_bytes_max = config->inbox_memory_mib * MIB / wire->node_count,
        .quarantine_bytes_max = config->quarantine_mib * MIB,
        .quarantine_us = config->quarantine_hours * US_PER_HOUR,
    };
    enum err err = http_client_new(&client, &node->handle_client, reterr);

    handle.client = node->handle_client;
    if (err == OK)
        err = handle_new(&handle, &node->handle, reterr);
    if (err == OK)
        err = gateway_new(&gateway, &node->gateway, reterr);
    if (err == OK)
        gateway_setup(node->gateway, wire->setup);
    return err;
}

/* Our listeners share their port with one another, and so with anybody's who runs as the same user:
 * that somebody else is there must be asked for before. */
static enum err
see_that_free(const char *setting, const struct address *address, struct error *reterr)
{
    char text[ADDRESS_TEXT_BYTES];
    int yes = 1;
    int fd = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    enum err err = OK;

    address_format(address, text);
    if (fd < 0)
        return error_set(reterr, ERR_IO, "socket: %s", strerrordesc_np(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, &address->as.any, address->len) != 0)
        err = error_set(reterr, ERR_CONFLICT, "%s: %s: %s", setting, text, strerrordesc_np(errno));
    (void)close(fd);
    return err;
}

/* The first loop's listener picks the port where none is given; the others take the same. */
static enum err
build_listener(struct node *node, const struct config *config, struct error *reterr)
{
    struct wire *wire = node->wire;
    const struct node *first = &wire->nodes[0];
    const struct http_handler *handler =
        node->gateway != NULL ? gateway_handler(node->gateway) : service_handler(node->service);
    unsigned connections_max = (unsigned)config->connections_max / wire->node_count + 1;
    struct http_server_options options = {
        .tls = wire->tls_server,
        .head_ms = HEAD_MS,
        .body_ms = BODY_MS,
        .idle_ms = IDLE_MS,
        .connections_max = connections_max,
        .peer_connections_max = connections_max / PEER_SHARE,
        .proxies = wire->proxies,
        .proxy_count = wire->proxy_count,
    };
    enum err err = address_parse(str_from(config->listen), &options.listen, reterr);

    if (err == OK && node == first)
        err = see_that_free("listen", &options.listen, reterr);
    else if (err == OK)
        options.listen = http_server_address(first->server);
    if (err == OK)
        err = http_server_new(node->loop, &options, handler, &node->server, reterr);
    if (err != OK || config->admin_listen == NULL)
        return err;

    options.tls = NULL;
    err = address_parse(str_from(config->admin_listen), &options.listen, reterr);
    if (err == OK && node == first)
        err = see_that_free("admin-listen", &options.listen, reterr);
    else if (err == OK)
        options.listen = http_server_address(first->admin_server);
    if (err == OK)
        err = http_server_new(node->loop, &options, service_admin_handler(node->service),
            &node->admin_server, reterr);
    return err;
}

static enum err
build_service(struct node *node, const struct config *config, struct error *reterr)
{
    struct service_options options = {
        .loop = node->loop,
        .loop_index = node->index,
        .api = &node->wire->api,
        .clock = node->wire->clock,
        .port = &node->port,
        .tables = node->wire->tables,
        .table_count = node->wire->table_count,
        .committed = committed_tell,
        .request_limit = &node->wire->request_limit,
        .idempotency_us = config->retain_idempotency_hours * US_PER_HOUR,
        .disk_path = node->wire->disk_path,
        .disk_reserve_bytes = config->disk_reserve_mib * MIB,
        .proxies = node->wire->proxies,
        .proxy_count = node->wire->proxy_count,
        .more_metrics = node->wire->setup != NULL ? gateway_metrics : NULL,
    };

    return service_new(&options, &node->service, reterr);
}

/* What is too old goes: on the first loop, as good as any. */
static enum err
build_housekeeping(struct node *node, const struct config *config, struct error *reterr)
{
    struct housekeeping_options options = {
        .loop = node->loop,
        .clock = node->wire->clock,
        .store = node->wire->store,
        .port = &node->port,
        .dispatch = node->wire->dispatch_set,
        .keep =
            {
                .events_us = config->retain_events_days * US_PER_DAY,
                .dead_us = config->retain_dead_days * US_PER_DAY,
                .attempts_us = config->retain_attempts_days * US_PER_DAY,
                .idempotency_us = config->retain_idempotency_hours * US_PER_HOUR,
                .inbox_us = config->retain_inbox_days * US_PER_DAY,
                .quarantine_us = config->quarantine_hours * US_PER_HOUR,
            },
    };

    return housekeeping_new(&options, &node->housekeeping, reterr);
}

enum err
wire_build_nodes(struct wire *wire, const struct config *config, struct error *reterr)
{
    enum err err = OK;

    for (unsigned i = 0; err == OK && i < wire->node_count; i++) {
        struct node *node = &wire->nodes[i];

        err = build_loop(node, config, reterr);
        if (err == OK && wire->is_platform)
            err = build_sending(node, config, reterr);
        if (err == OK)
            err = build_service(node, config, reterr);
        if (err == OK && wire->setup != NULL)
            err = build_receiving(node, config, reterr);
    }
    if (err == OK)
        err = build_housekeeping(&wire->nodes[0], config, reterr);
    /* Last, so that nobody connects to what is not there yet. */
    for (unsigned i = 0; err == OK && i < wire->node_count; i++)
        err = build_listener(&wire->nodes[i], config, reterr);
    return err;
}

static void *
node_main(void *arg)
{
    struct node *node = arg;

    loop_run(node->loop);
    return NULL;
}

enum err
wire_start_nodes(struct wire *wire, struct error *reterr)
{
    for (unsigned i = 0; i < wire->node_count; i++) {
        struct node *node = &wire->nodes[i];
        int code = pthread_create(&node->thread, NULL, node_main, node);

        if (code != 0)
            return error_set(reterr, ERR_IO, "cannot start a loop thread: %s",
                strerrordesc_np(code));
        node->is_started = true;
        (void)pthread_setname_np(node->thread, "loop");
    }
    return OK;
}

void
wire_close_node(struct node *node)
{
    if (node->loop == NULL)
        return;
    http_server_free(node->admin_server);
    http_server_free(node->server);
    gateway_free(node->gateway);
    handle_free(node->handle);
    http_client_free(node->handle_client);
    service_free(node->service);
    stream_hub_free(node->streams);
    dispatch_free(node->dispatch);
    http_client_free(node->client);
    resolver_free(node->resolver);
    housekeeping_free(node->housekeeping);
    timer_done(&node->drain_timer);
    turn_end_done(&node->port_turn_end);
    loop_free(node->loop);
}

/* --- draining --------------------------------------------------------------------------------- */

/* Loop thread. */
static void
report(struct node *node)
{
    node->report.deliver = wire_on_report;
    mailbox_post(&node->wire->mailbox, &node->report);
}

static bool
is_answered(const struct node *node)
{
    return (node->server == NULL || http_server_is_drained(node->server)) &&
           (node->admin_server == NULL || http_server_is_drained(node->admin_server)) &&
           service_busy(node->service) == 0 &&
           (node->streams == NULL || stream_hub_is_idle(node->streams)) &&
           (node->gateway == NULL || gateway_busy(node->gateway) == 0) &&
           (node->housekeeping == NULL || !housekeeping_is_busy(node->housekeeping));
}

/* Loop thread: until the last call is answered; after the deadline those that are left are broken
 * off, and only what the store has in hand is waited for. */
static void
on_drain_look(void *arg)
{
    struct node *node = arg;
    struct instant now = clock_instant(node->wire->clock);

    if (now.us >= node->wire->drain_deadline.us) {
        http_server_free(TAKE(node->server));
        http_server_free(TAKE(node->admin_server));
    }
    if (node->gateway != NULL)
        gateway_drain(node->gateway);
    if (is_answered(node))
        report(node);
    else
        timer_set(&node->drain_timer, instant_add_ms(now, DRAIN_LOOK_MS));
}

void
wire_node_finish(struct letter *letter)
{
    struct node *node = CONTAINER_OF(letter, struct node, order);

    if (node->housekeeping != NULL)
        housekeeping_stop(node->housekeeping);
    service_drain(node->service);
    http_server_drain(node->server);
    if (node->admin_server != NULL)
        http_server_drain(node->admin_server);
    if (node->streams != NULL)
        stream_hub_drain(node->streams);
    on_drain_look(node);
}

static void
on_lanes_stopped(void *arg)
{
    struct node *node = arg;

    CHECK(node->stopping > 0);
    if (--node->stopping == 0)
        report(node);
}

void
wire_node_stop(struct letter *letter)
{
    struct node *node = CONTAINER_OF(letter, struct node, order);
    struct instant deadline = node->wire->drain_deadline;

    node->stopping = (node->dispatch != NULL ? 1U : 0U) + (node->handle != NULL ? 1U : 0U);
    if (node->dispatch != NULL)
        dispatch_stop(node->dispatch, deadline, on_lanes_stopped, node);
    if (node->handle != NULL)
        handle_stop(node->handle, deadline, on_lanes_stopped, node);
}
