/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of header fields, and whose word they are: what of a call may be passed on to the next.
 *
 * Only what is known to be a sender's own is passed on by itself. All else may mean something to
 * who stands behind us that nobody proved: who the user is, which addresses it came through.
 * Pure; names in any case.
 */
#ifndef RECEIVE_HEADER_NAME_H
#define RECEIVE_HEADER_NAME_H

#include "base/str.h"

#define HEADER_NAME_BYTES_MAX 128

bool header_name_is_token(struct str name); /* RFC 9110 §5.6.2, and not too long */
/* Between two neighbours alone: framing, and who is calling: host, authorization, forwarded … */
bool header_name_is_hop(struct str name);
/* Those that we write into each request ourselves, or that would break it. */
bool header_name_is_ours(struct str name);
/* Those of Standard Webhooks and Svix that tell id, time and signature. */
bool header_name_is_standard(struct str name);
/* content-type, and what senders tell of a call: x-github-event, stripe-signature … */
bool header_name_is_of_sender(struct str name);

#endif
