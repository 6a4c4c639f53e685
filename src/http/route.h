/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of routes: what may be asked, by whom, and which function answers.
 *
 * Reading the tables is reading the API. 404, 405 with Allow, 415 and unknown query parameters are
 * settled here, before any function of a resource runs.
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include <stdbool.h>

#include "base/str.h"
#include "domain/account.h"

struct call;
struct engine;
struct http_request;

enum route_body { BODY_NONE, BODY_JSON, BODY_OPTIONAL_JSON, BODY_STREAM };

struct route {
    const char *method;
    const char *path;    /* "/api/v1/mangoes/{id}" */
    enum scope scope;    /* SCOPE_NONE: open to all */
    bool writes;         /* which worker runs perform */
    bool is_open_nearby; /* no key is asked of loopback peers and of the admin listener */
    enum route_body body;
    const char *query; /* names allowed, space-separated; NULL: none */
    /* On a store worker, in its transaction. OK: call->answer is the answer; else the error is
     * mapped to a problem by http/problem.c. */
    enum err (*perform)(struct call *call, struct engine *engine);
    /* On the loop, before perform, with the key checked; NULL: nothing to prepare. Ends in
     * call_prepared or call_fail, at once or later. */
    void (*prepare)(struct call *call);
    /* On the loop, after perform's commit, instead of its answer, unless the peer has gone; NULL:
     * none. Ends as serve does. */
    void (*after)(struct call *call);
    /* BODY_STREAM: takes the request over from here on (after the key was checked). */
    void (*stream)(struct call *call);
    /* Instead of perform: answers on the loop, without the store. Ends in service_answer or
     * call_fail, at once or later. */
    void (*serve)(struct call *call);
};

struct route_table {
    const struct route *routes;
    size_t count;
};

struct route_question {
    struct str method;
    struct str path; /* as sent */
};

enum route_match { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_OTHER_METHOD };

#define ROUTE_PARAMS_MAX  3
#define ROUTE_ALLOW_BYTES 64

/* Match method and path over several tables; params (ROUTE_PARAMS_MAX of them) get the path's
 * pieces, as they stand. HEAD is answered by GET's route. With ROUTE_OTHER_METHOD the methods that
 * exist are written to allow ("GET, HEAD, POST"); else it is left alone. */
enum route_match route_find(const struct route_table *tables, size_t table_count,
    const struct route_question *ask, const struct route **ret, struct str params[ROUTE_PARAMS_MAX],
    char ret_allow[ROUTE_ALLOW_BYTES]);

#endif
