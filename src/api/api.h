/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP API of the platform: which resources there are, and what stands behind them.
 *
 * One file per resource, each with its own table of routes.
 */
#ifndef API_API_H
#define API_API_H

#include "base/id.h"
#include "http/route.h"
#include "net/address.h"
#include "net/http_client.h"
#include "net/resolver.h"
#include "os/clock.h"
#include "os/zones.h"

struct dispatch_set; /* send/dispatch.h */
struct handle_set;   /* receive/handle.h */
struct setup_holder; /* receive/setup_holder.h */
struct store;
struct stream_hub; /* api/stream.h */
struct trial_limit;

/* Built by cli/wire, outlives every call; read-only while the loops run. */
struct api {
    const struct clock *clock;
    struct id_source *ids;
    struct zones *zones;
    struct store *store;
    struct dispatch_set *dispatch; /* lanes to wake; NULL where nothing is sent */
    struct handle_set *handles;    /* to wake; NULL where nothing is received */
    struct setup_holder *setups;   /* what is received; NULL or empty where nothing is */
    const struct address_guard *guard;
    bool allow_http_hooks;
    struct resolver **resolvers;  /* one per loop, by call->loop_index */
    struct http_client **clients; /* the same, for testing a hook */
    struct trial_limit *trials;   /* api/hook_trial.h */
    struct stream_hub **streams;  /* one per loop */
    double account_rate;          /* of an account that names no rate limit; 0: none */
    const char *user_agent;
    int64_t retain_events_us; /* how far back a hook can be recovered; 0: no bound */
};

extern const struct route_table api_hook_routes;
extern const struct route_table api_mango_routes;
extern const struct route_table api_attendee_routes;
extern const struct route_table api_webinar_routes;
extern const struct route_table api_consultation_routes;
extern const struct route_table api_bulk_routes;
extern const struct route_table api_event_routes;
extern const struct route_table api_delivery_routes;
extern const struct route_table api_replay_routes;
extern const struct route_table api_account_routes;
extern const struct route_table api_stream_routes;
extern const struct route_table api_inbox_setup_routes;
extern const struct route_table api_quarantine_routes;
extern const struct route_table api_inbox_routes;
extern const struct route_table api_openapi_routes;

/* All of them and the process's own pages, in the order in which they are looked through. */
extern const struct route_table *const api_tables[];
extern const size_t api_table_count;

/* Those of a process that only receives. */
extern const struct route_table *const api_inbox_tables[];
extern const size_t api_inbox_table_count;

#endif
