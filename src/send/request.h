/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request that a hook is sent: one shape, whether for a delivery or for a trial.
 *
 * A head is built in two steps: what a hook's requests have in common, which a lane keeps, and
 * what is this attempt's own, with the signature over its body.
 */
#ifndef SEND_REQUEST_H
#define SEND_REQUEST_H

#include "domain/event.h"
#include "domain/hook.h"
#include "domain/signature.h"
#include "net/url.h"
#include "store/lanes.h"

/* The hook's URL with its user info; parts in the arena or the hook's own. */
MUST_CHECK enum err request_url(const struct hook *hook, struct arena *arena, struct url *ret,
    struct error *reterr);

/* Signs with the hook's secret, and with the old one while that is still good: until *ret_until
 * (0: for ever). */
MUST_CHECK enum err request_signer(const struct hook *hook, struct walltime now,
    struct signer **ret, struct walltime *ret_until, struct error *reterr);

/* Append the request line and the fields that are always the same. */
MUST_CHECK enum err request_head_start(const struct hook *hook, const struct url *url,
    const char *user_agent, struct buf *head);

/* Append the body for the member: the event's snapshot, filled in unless it is for nobody. */
void request_body(const struct lane_member *member, enum phone_format phone_format,
    struct str snapshot, struct buf *body);

struct request_detail {
    enum event_reason reason;
    int64_t sequence;
    unsigned attempt; /* from 1 */
    struct str id;    /* webhook-id */
    int64_t timestamp_s;
    struct str body;
};

/* Append the rest. ERR_NOMEM when the head is full. */
MUST_CHECK enum err request_head_end(const struct request_detail *detail, struct signer *signer,
    struct buf *head);

#endif
