/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wire.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "api/hook_trial.h"
#include "api/stream.h"
#include "base/check.h"
#include "cli/committed.h"
#include "cli/first_start.h"
#include "cli/housekeeping.h"
#include "cli/version.h"
#include "domain/schedule.h"
#include "http/service.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "os/log.h"
#include "os/random.h"
#include "send/budget.h"
#include "send/dispatch.h"
#include "store/bulk.h"
#include "store/lanes.h"

/* A whole head within 10 s, a byte of the body every 30 s, a minute between requests: a person's
 * slow line manages, a thousand idle callers do not hold us up. */
#define HEAD_MS 10000
#define BODY_MS 30000
#define IDLE_MS 60000
/* Unused connections to hooks that each loop keeps: more than are ever in flight, and a fraction of
 * the descriptors that a process may have. */
#define IDLE_MAX 1024

/* While draining: is the last call answered? */
#define DRAIN_LOOK_MS 10

/* Hooks with something open at the start; a million of them are 8 MB. */
#define OPEN_HOOKS_BYTES_MAX (64 * 1024 * 1024)

static const char user_agent[] = "usher/" USHER_VERSION;

/* More than there are kinds of resources. */
#define TABLES_MAX 32

/* One loop thread and all that lives on it. Built and taken down by the main thread while the
 * loop's thread does not run. */
struct node {
    struct wire *wire;
    unsigned index;
    struct loop *loop;
    struct turn_end port_turn_end;
    struct store_port port;
    struct resolver *resolver;
    struct http_client *client;
    struct dispatch *dispatch;
    struct stream_hub *streams;
    struct service *service;
    struct http_server *server;
    struct http_server *admin_server;  /* NULL where there is none */
    struct housekeeping *housekeeping; /* of the first; else NULL */
    struct timer drain_timer;
    struct letter order;  /* from the main thread: the next step of the drain */
    struct letter report; /* to the main thread: that step is done */
    pthread_t thread;
    bool is_started;
};

struct wire {
    const struct clock *clock;
    struct id_source ids;
    struct zones *zones;
    struct address_guard guard;
    struct cidr proxies[CIDR_MAX];
    size_t proxy_count;
    struct schedule schedule;
    struct store *store;
    char *disk_path; /* owned; NULL: the database is in memory */
    struct budget_set *budgets;
    struct dispatch_set *dispatch_set;
    struct tls_client *tls_client;
    struct tls_server *tls_server; /* NULL: plain */
    struct api api;
    struct route_table tables[TABLES_MAX]; /* the API's, side by side */
    struct resolver **resolvers;           /* owned array; the nodes' own */
    struct http_client **clients;          /* the same */
    struct stream_hub **streams;           /* the same */
    struct trial_limit trials;
    struct stream_limit stream_limit;
    struct request_limit request_limit;
    struct node *nodes; /* owned */
    unsigned node_count;
    struct mailbox mailbox; /* the main thread's */
    int64_t drain_timeout_ms;
    struct instant drain_deadline;
    unsigned reports; /* nodes that are done with this step of the drain */

    enum { WIRE_BUILDING, WIRE_SERVING, WIRE_FINISHING, WIRE_STOPPING, WIRE_STOPPED } stage;
};

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
    CHECK(api_table_count <= COUNT_OF(wire->tables));
    for (size_t i = 0; i < api_table_count; i++)
        wire->tables[i] = *api_tables[i];
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
        .guard = &wire->guard,
        .allow_http_hooks = config->allow_http_hooks || config->allow_private_hooks,
        .resolvers = wire->resolvers,
        .clients = wire->clients,
        .trials = &wire->trials,
        .streams = wire->streams,
        .account_rate = (double)config->account_rate,
        .user_agent = user_agent,
        .retain_events_us = config->retain_events_days * US_PER_DAY,
    };
    return OK;
}

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
        .user_agent = user_agent,
    };
    enum err err = http_client_new(&client, &node->client, reterr);

    wire->clients[node->index] = node->client;
    dispatch.client = node->client;
    if (err == OK)
        err = dispatch_new(&dispatch, &node->dispatch, reterr);
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
    struct http_server_options options = {
        .tls = wire->tls_server,
        .head_ms = HEAD_MS,
        .body_ms = BODY_MS,
        .idle_ms = IDLE_MS,
        .connections_max = (unsigned)config->connections_max / wire->node_count + 1,
    };
    enum err err = address_parse(str_from(config->listen), &options.listen, reterr);

    if (err == OK && node == first)
        err = see_that_free("listen", &options.listen, reterr);
    else if (err == OK)
        options.listen = http_server_address(first->server);
    if (err == OK)
        err = http_server_new(node->loop, &options, service_handler(node->service), &node->server,
            reterr);
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
        .table_count = api_table_count,
        .committed = committed_tell,
        .request_limit = &node->wire->request_limit,
        .idempotency_us = config->retain_idempotency_hours * US_PER_HOUR,
        .disk_path = node->wire->disk_path,
        .disk_reserve_bytes = config->disk_reserve_mib * 1024 * 1024,
        .proxies = node->wire->proxies,
        .proxy_count = node->wire->proxy_count,
    };
    struct stream_hub_options streams = {
        .loop = node->loop,
        .clock = node->wire->clock,
        .port = &node->port,
        .limit = &node->wire->stream_limit,
    };
    enum err err = stream_hub_new(&streams, &node->streams, reterr);

    node->wire->streams[node->index] = node->streams;
    return err == OK ? service_new(&options, &node->service, reterr) : err;
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
            },
    };

    return housekeeping_new(&options, &node->housekeeping, reterr);
}

static enum err
build_nodes(struct wire *wire, const struct config *config, struct error *reterr)
{
    enum err err = OK;

    for (unsigned i = 0; err == OK && i < wire->node_count; i++) {
        struct node *node = &wire->nodes[i];

        err = build_loop(node, config, reterr);
        if (err == OK)
            err = build_sending(node, config, reterr);
        if (err == OK)
            err = build_service(node, config, reterr);
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

static enum err
start_nodes(struct wire *wire, struct error *reterr)
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

static void
close_node(struct node *node)
{
    if (node->loop == NULL)
        return;
    http_server_free(node->admin_server);
    http_server_free(node->server);
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

/* --- the whole -------------------------------------------------------------------------------- */

static enum err
build(struct wire *wire, const struct config *config, struct error *reterr)
{
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
    if (err == OK)
        err = budget_set_new((unsigned)config->account_in_flight_max, &wire->budgets);
    if (err == OK)
        err = recover(wire, &recovery, reterr);
    if (err == OK)
        err = build_api(wire, config, reterr);
    if (err == OK)
        err = build_nodes(wire, config, reterr);
    if (err == OK)
        err = start_nodes(wire, reterr);
    if (err == OK)
        dispatch_wake(wire->dispatch_set, recovery.hook_pks, recovery.hook_count);
    arena_done(&recovery.arena);
    return err;
}

enum err
wire_open(const struct config *config, struct wire **ret, struct error *reterr)
{
    struct wire *wire = calloc(1, sizeof(*wire));
    enum err err;

    if (wire == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    wire->clock = &clock_system;
    wire->drain_timeout_ms = config->drain_timeout_ms;
    wire->node_count = config->threads > 0 ? (unsigned)config->threads : cores();
    err = mailbox_init(&wire->mailbox, reterr);
    if (err != OK) {
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
        close_node(&wire->nodes[i - 1]);
    free(wire->nodes);
    free(wire->resolvers);
    free(wire->clients);
    free(wire->streams);
    dispatch_set_free(wire->dispatch_set);
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
wire_reload(struct wire *wire, struct error *reterr)
{
    return wire->tls_server != NULL ? tls_server_reload(wire->tls_server, reterr) : OK;
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

static void on_lanes_order(struct letter *letter);

/* Main thread: a node is done with its step. Calls of one loop wait for lanes of another, so the
 * lanes stop only when all calls are answered. */
static void
on_report(struct letter *letter)
{
    struct wire *wire = CONTAINER_OF(letter, struct node, report)->wire;

    if (++wire->reports < wire->node_count)
        return;
    if (wire->stage == WIRE_FINISHING) {
        wire->stage = WIRE_STOPPING;
        order_all(wire, on_lanes_order);
    } else {
        CHECK(wire->stage == WIRE_STOPPING);
        wire->stage = WIRE_STOPPED;
    }
}

/* Loop thread. */
static void
report(struct node *node)
{
    node->report.deliver = on_report;
    mailbox_post(&node->wire->mailbox, &node->report);
}

static bool
is_answered(const struct node *node)
{
    return (node->server == NULL || http_server_is_drained(node->server)) &&
           (node->admin_server == NULL || http_server_is_drained(node->admin_server)) &&
           service_busy(node->service) == 0 && stream_hub_is_idle(node->streams) &&
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
    if (is_answered(node))
        report(node);
    else
        timer_set(&node->drain_timer, instant_add_ms(now, DRAIN_LOOK_MS));
}

static void
on_finish_order(struct letter *letter)
{
    struct node *node = CONTAINER_OF(letter, struct node, order);

    if (node->housekeeping != NULL)
        housekeeping_stop(node->housekeeping);
    service_drain(node->service);
    http_server_drain(node->server);
    if (node->admin_server != NULL)
        http_server_drain(node->admin_server);
    stream_hub_drain(node->streams);
    on_drain_look(node);
}

static void
on_lanes_stopped(void *arg)
{
    report(arg);
}

static void
on_lanes_order(struct letter *letter)
{
    struct node *node = CONTAINER_OF(letter, struct node, order);

    dispatch_stop(node->dispatch, node->wire->drain_deadline, on_lanes_stopped, node);
}

void
wire_drain(struct wire *wire)
{
    if (wire->stage != WIRE_SERVING)
        return;
    wire->stage = WIRE_FINISHING;
    wire->drain_deadline = instant_add_ms(clock_instant(wire->clock), wire->drain_timeout_ms);
    order_all(wire, on_finish_order);
}

bool
wire_is_stopped(const struct wire *wire)
{
    return wire->stage == WIRE_STOPPED;
}
