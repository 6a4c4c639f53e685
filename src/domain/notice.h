/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of notices, what happens to hooks and deliveries: compact JSON in the shape that
 * Standard Webhooks proposes, {"type":…,"timestamp":…,"data":{…}}.
 *
 * Nothing here fails: a buffer that was too small says so (buf_is_full).
 */
#ifndef DOMAIN_NOTICE_H
#define DOMAIN_NOTICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/moment.h"
#include "domain/delivery_id.h"

/* What a notice is about. */
struct notice_hook {
    struct id id;
    struct str url; /* without user info */
    struct str event;
};

/* EVENT_HOOK_FAILING, EVENT_HOOK_DISABLED, EVENT_HOOK_RECOVERED. */
struct notice_health {
    struct str type;
    struct walltime at;
    struct notice_hook hook;
    struct walltime since;  /* when the failing began; 0: null */
    struct str result;      /* of the last attempt: "status", "timeout" …; absent: null */
    int status;             /* its HTTP status; 0: null */
    struct str disabled_by; /* of EVENT_HOOK_DISABLED alone */
};

void notice_health_render(struct buf *buf, const struct notice_health *notice);

/* EVENT_DELIVERY_DEAD. */
struct notice_dead {
    struct walltime at;
    struct notice_hook hook;
    struct id event;
    struct id webinar; /* zero: null */
    int64_t sequence;  /* the event's */
    size_t count;      /* of those that died */
    unsigned attempts;
    const struct id *attendees; /* of those that are named by their webhook-ids */
    size_t attendee_count;
};

void notice_dead_render(struct buf *buf, const struct notice_dead *notice);

#endif
