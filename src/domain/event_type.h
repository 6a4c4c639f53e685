/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hook can be told of: the types of events, and by what each can be filtered.
 *
 * To add one: a row here, its body in domain/payload (of a notice in domain/notice), a golden file.
 */
#ifndef DOMAIN_EVENT_TYPE_H
#define DOMAIN_EVENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* By what a hook may narrow down what it is told. Not every event knows each. */
enum event_filter { FILTER_WEBINAR, FILTER_MANGO, FILTER_COURSE, FILTER_PAGE, FILTERS_COUNT };

struct event_type {
    struct str name;
    struct str description;
    unsigned filters;               /* BIT(FILTER_WEBINAR) | … */
    bool is_notice;                 /* of hooks and deliveries, not of the domain */
    struct str schema;              /* JSON Schema of the body, as JSON */
    struct str sample;              /* a body, as JSON */
    struct str sample_phone_string; /* the same for a hook with phoneFormat "string" */
};

extern const struct event_type event_types[];
extern const size_t event_type_count;

const struct event_type *event_type_find(struct str name); /* NULL when there is none */
struct str event_filter_name(enum event_filter filter);    /* "webinar" */

#endif
