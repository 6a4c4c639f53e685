/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registering a hook, as the published document has it: the request, and what its answer tells.
 *
 * Pure: no sockets, no files.
 */
#ifndef CLI_SUBSCRIBE_H
#define CLI_SUBSCRIBE_H

#include "base/buf.h"
#include "net/url.h"

#define SUBSCRIBE_PATH "/api/v1/integration/webhook/webhook"

struct subscribe {
    const char *hook_url;
    const char *event;
    const char *webinar; /* NULL: of every webinar; so of the mango */
    const char *mango;
};

/* Where it is posted: the path below what was typed as the API, which may have it already. */
MUST_CHECK enum err subscribe_target(const struct url *api, struct buf *target,
    struct error *reterr);
/* Compact, in the document's order. */
void subscribe_body(const struct subscribe *subscribe, struct buf *body);
/* What a 2xx answered. Where it has an id and a secret, they are told with what to write into the
 * receiver's file, and ret_is_understood is true; else the answer as it is. */
void subscribe_report(const struct subscribe *subscribe, int status, struct str answer,
    struct buf *say, bool *ret_is_understood);

#endif
