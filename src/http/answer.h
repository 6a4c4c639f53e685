/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call answers: the fields that every answer has, and what went wrong as a problem.
 *
 * Nothing is sent here; that is the service's.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "http/call.h"

/* Content-Type, X-Request-Id, Cache-Control, one of the status, and three of the request limit. */
#define ANSWER_FIELDS_MAX (CALL_FIELDS_MAX + 7)

/* The call's status and fields as they go out; has_body: something of call->content_type follows.
 * *ret borrows fields and what the call has. */
void answer_head(struct call *call, bool has_body, struct http_field fields[ANSWER_FIELDS_MAX],
    struct http_answer *ret);

/* Make this problem the call's answer. faults may be NULL. */
void answer_set_problem(struct call *call, int status, struct str detail,
    const struct faults *faults);
/* Make that of call->store_call.err the call's answer; a fault of ours is logged, and told by the
 * request's id alone. */
void answer_set_error(struct call *call);

#endif
