/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's query: its parameters, decoded, and only those that the route knows.
 *
 * What is wrong is named at a pointer "?name", which a problem shows as "parameter": "name".
 * '+' stands for itself: addresses have it, and names with spaces are sent as %20.
 */
#ifndef HTTP_QUERY_H
#define HTTP_QUERY_H

#include "base/arena.h"
#include "domain/fault.h"

#define QUERY_PARAMETERS_MAX 16

struct query_parameter {
    struct str name;
    struct str value; /* percent-decoded UTF-8, perhaps empty */
};

struct query {
    struct query_parameter list[QUERY_PARAMETERS_MAX];
    size_t count;
};

/* names: those allowed, space-separated; NULL: none. Unknown and doubled names, broken escapes and
 * what is not UTF-8 are faults; whatever is right is in ret all the same. */
void query_parse(struct str text, const char *names, struct faults *faults, struct query *ret);
struct str query_find(const struct query *query, struct str name); /* absent when not given */
/* The pointer under which a parameter's faults are named, in the arena. */
struct str query_pointer(struct arena *arena, struct str name);

#endif
