/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the wiring is made of, for wire.c and wire_node.c alone: the whole, and one loop with all
 * that lives on it.
 */
#ifndef CLI_WIRE_NODE_H
#define CLI_WIRE_NODE_H

#include <pthread.h>

#include "api/api.h"
#include "api/hook_trial.h"
#include "api/stream.h"
#include "cli/housekeeping.h"
#include "cli/version.h"
#include "cli/wire.h"
#include "domain/schedule.h"
#include "http/service.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "receive/setup_holder.h"
#include "send/budget.h"
#include "send/dispatch.h"

#define WIRE_USER_AGENT "usher/" USHER_VERSION

struct gateway;    /* receive/gateway.h */
struct handle;     /* receive/handle.h */
struct handle_set; /* the same */

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
    struct http_client *client; /* the three below: NULL where nothing is sent */
    struct dispatch *dispatch;
    struct stream_hub *streams;
    struct service *service;
    struct handle *handle; /* the three below: NULL where nothing is received */
    struct http_client *handle_client;
    struct gateway *gateway;
    struct http_server *server;
    struct http_server *admin_server;  /* NULL where there is none */
    struct housekeeping *housekeeping; /* of the first; else NULL */
    struct timer drain_timer;
    struct letter order;  /* from the main thread: the next step of the drain */
    struct letter report; /* to the main thread: that step is done */
    pthread_t thread;
    bool is_started;
    unsigned stopping; /* while draining: of sending and handling, those that go on */
};

struct wire {
    bool is_platform;
    const struct clock *clock;
    struct id_source ids;
    struct zones *zones;
    struct address_guard guard;
    struct cidr proxies[CIDR_MAX];
    size_t proxy_count;
    struct schedule schedule;
    struct address_guard handle_guard; /* handlers are the owner's: they may call any address */
    struct setup *setup;               /* held; NULL where nothing is received */
    struct setup_holder setups;        /* the same, for calls of the API */
    struct handle_set *handles;
    struct store *store;
    char *disk_path; /* owned; NULL: the database is in memory */
    struct budget_set *budgets;
    struct dispatch_set *dispatch_set;
    struct tls_client *tls_client;
    struct tls_server *tls_server; /* NULL: plain */
    struct api api;
    struct route_table tables[TABLES_MAX]; /* the API's, side by side */
    size_t table_count;
    struct resolver **resolvers;  /* owned array; the nodes' own */
    struct http_client **clients; /* the same */
    struct stream_hub **streams;  /* the same */
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

/* --- receiving, in wire_inbox.c; main thread --- */

void wire_hold_inbox(struct wire *wire, struct setup *setup); /* NULL: nothing is received */
/* First the store is told of sources and handlers; when the loops run there is something to do. */
MUST_CHECK enum err wire_build_inbox(struct wire *wire, struct error *reterr);
void wire_start_inbox(struct wire *wire);
/* Take up other sources and handlers; on failure nothing has changed. */
MUST_CHECK enum err wire_reload_inbox(struct wire *wire, struct setup *setup, struct error *reterr);
void wire_close_inbox(struct wire *wire);

/* --- loops, in wire_node.c --- */

MUST_CHECK enum err wire_build_nodes(struct wire *wire, const struct config *config,
    struct error *reterr);
MUST_CHECK enum err wire_start_nodes(struct wire *wire, struct error *reterr);
void wire_close_node(struct node *node); /* its thread does not run */

/* --- draining, in a node's own thread --- */

/* Take no more calls, and report when the last is answered. */
void wire_node_finish(struct letter *letter);
/* Stop sending and handling, and report when they have. */
void wire_node_stop(struct letter *letter);
/* In wire.c: runs in the main thread when a node is done with its step. */
void wire_on_report(struct letter *letter);

#endif
