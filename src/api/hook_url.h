/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this URL be a hook's? Its shape, its scheme, and where its name leads, judged before anything
 * is stored; each connection is judged again.
 *
 * A name that does not exist is refused. One that no name server answers for is taken: who
 * subscribes is not to blame for it, and nothing is called that the guard has not seen.
 */
#ifndef API_HOOK_URL_H
#define API_HOOK_URL_H

#include "http/call.h"
#include "net/resolver.h"
#include "net/url.h"

/* What hook_url_prepare leaves in call->prepared. */
struct hook_url {
    bool is_given;      /* a hookUrl that is a text of sane length */
    struct str refusal; /* why it cannot be, for a fault at /hookUrl; absent when it can */
    struct url url;
    struct str shown; /* without user info */
};

/* A route's prepare. */
void hook_url_prepare(struct call *call);

struct hook_url_rules {
    const struct address_guard *guard;
    bool allow_http;
};

/* The address that refuses a URL, and of which kind it is. */
struct hook_url_denied {
    const struct address *address; /* NULL: none does */
    const char *why;
};

/* The verdict over a parsed URL's addresses, in the arena, for whoever asks; absent when it may be
 * called. What only the operator is to know is in *ret_denied, which is always set. Pure. */
struct str hook_url_judge(const struct url *url, const struct resolved *resolved,
    const struct hook_url_rules *rules, struct arena *arena, struct hook_url_denied *ret_denied);

#endif
