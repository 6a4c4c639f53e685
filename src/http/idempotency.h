/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key: a POST that is repeated changes nothing twice and is answered alike.
 *
 * Around perform, in its transaction: an answer that is kept is given again, and one that changed
 * something is kept together with what it changed. There is one writer, so a twin that comes at
 * the same time waits its turn and finds the answer. What prepare found out is looked at by
 * perform alone: an answer is repeated also when, say, the hook's host is gone from the name
 * server by now. A refusal is not kept: mended, the request may come again under the same key.
 */
#ifndef HTTP_IDEMPOTENCY_H
#define HTTP_IDEMPOTENCY_H

#include "http/call.h"

#define IDEMPOTENCY_KEY_BYTES_MAX 255

/* Does the key mean anything here? On a POST whose perform writes; elsewhere it is passed over,
 * because there to do it twice is to do it once. */
bool idempotency_is_heeded(const struct route *route);
/* 1 to 255 printable ASCII characters. */
bool idempotency_key_is_valid(struct str key);

/* On a store worker, with the key of the account checked: the route's perform, or the answer it
 * gave before. Without call->idempotency_key the perform alone. */
MUST_CHECK enum err idempotency_perform(struct call *call, struct engine *engine);

#endif
