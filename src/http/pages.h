/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages about the process itself: /healthz, /readyz, /metrics. They do not wait for the store.
 */
#ifndef HTTP_PAGES_H
#define HTTP_PAGES_H

#include "http/route.h"

extern const struct route_table page_routes;

#endif
