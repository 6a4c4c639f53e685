/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"
#include "http/pages.h"

const struct route_table *const api_tables[] = {
    &page_routes,
    &api_openapi_routes,
    &api_hook_routes,
    &api_mango_routes,
    &api_attendee_routes,
    &api_webinar_routes,
    &api_consultation_routes,
    &api_bulk_routes,
    &api_event_routes,
    &api_delivery_routes,
    &api_replay_routes,
    &api_stream_routes,
    &api_account_routes,
};

const size_t api_table_count = COUNT_OF(api_tables);
