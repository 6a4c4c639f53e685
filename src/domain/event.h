/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: something happened that hooks are told of, and why.
 */
#ifndef DOMAIN_EVENT_H
#define DOMAIN_EVENT_H

#include "base/str.h"

#define EVENT_WEBINAR_CREATED_SINGLE "webinar.created.single"

/* Notices: what happens to hooks and deliveries themselves (store/notices.h). */
#define EVENT_HOOK_FAILING   "hook.failing"
#define EVENT_HOOK_DISABLED  "hook.disabled"
#define EVENT_HOOK_RECOVERED "hook.recovered"
#define EVENT_DELIVERY_DEAD  "delivery.dead"

/* What the body cannot tell: x-usher-reason. */
enum event_reason {
    EVENT_CREATED,
    EVENT_UPDATED,
    EVENT_REGISTERED,
    EVENT_BOOKED,
    EVENT_REPLAY,
    EVENT_TEST,
    EVENT_NOTICE,
};

const char *event_reason_name(enum event_reason reason);
MUST_CHECK enum err event_reason_parse(struct str name, enum event_reason *ret);

#endif
