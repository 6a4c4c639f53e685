/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request says, made ready for the call: its route, its texts, its JSON.
 *
 * Nothing here answers. What is wrong is left in call->refusal_*: the service answers it, at once
 * or when the key was found good.
 */
#ifndef HTTP_INTAKE_H
#define HTTP_INTAKE_H

#include "http/call.h"

/* The head's bytes go with the request; the call may outlive it. number: for a request id of ours,
 * where the caller has sent none that can be kept. */
void intake_copy_head(struct call *call, bool is_admin, uint64_t number);
/* Set route and params; false when there is none, with the refusal (404 or 405). */
bool intake_route(struct call *call, const struct route_table *tables, size_t table_count);
/* What else can be seen from the head: the query, whether the body can be read at all, and the
 * Idempotency-Key. */
void intake_head(struct call *call);
/* The body is whole: make JSON of it, or see that there is none. */
void intake_body(struct call *call);

#endif
