/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asking: the API key, presented in one of two ways, and what it opens.
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include "http/call.h"

/* x-api-key, else Authorization: Bearer; absent when there is neither. */
struct str auth_key_text(const struct http_head *head);

/* On a store worker: set the call's account_pk and scopes from its key, and see that they open its
 * route. ERR_DENIED: 401 or 403, with a text that tells no key, an unknown one, an expired one and
 * a missing scope apart. */
MUST_CHECK enum err auth_check(struct call *call, struct engine *engine);

/* 401 for a call that has brought no key: on the loop, to be asked before anything is read. */
#define AUTH_MISSING "no API key was sent: send yours as x-api-key, or as Authorization: Bearer"

#endif
