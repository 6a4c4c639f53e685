/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's answers, each the same bytes whoever is told, but for ids and the date.
 */
#ifndef RECEIVE_REPLY_H
#define RECEIVE_REPLY_H

#include "net/http_server.h"
#include "os/random.h"
#include "store/inbox.h"

/* 200 with what became of it, which is on disk. */
void reply_stored(struct http_request *request, struct random *ids,
    const struct inbox_arrival *arrival);
/* 200 with this JSON: what a sender's question is answered with. */
void reply_json(struct http_request *request, struct random *ids, struct str json);
/* 200 and nothing: somebody looks whether we are there. */
void reply_empty(struct http_request *request, struct random *ids);

void reply_denied(struct http_request *request, struct random *ids);     /* 401 */
void reply_bad_method(struct http_request *request, struct random *ids); /* 405 */
void reply_problem(struct http_request *request, struct random *ids, int status,
    const char *detail);
/* 429 or 503: try again in so many seconds. */
void reply_wait(struct http_request *request, struct random *ids, int status, const char *detail,
    int64_t wait_s);

#endif
