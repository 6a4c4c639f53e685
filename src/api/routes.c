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
    &api_inbox_setup_routes,
    &api_quarantine_routes,
    /* Its {id} may be anything that the two above have not taken. */
    &api_inbox_routes,
};

const size_t api_table_count = COUNT_OF(api_tables);

const struct route_table *const api_inbox_tables[] = {
    &page_routes,
    &api_openapi_routes,
    &api_inbox_setup_routes,
    &api_quarantine_routes,
    &api_inbox_routes,
};

const size_t api_inbox_table_count = COUNT_OF(api_inbox_tables);
