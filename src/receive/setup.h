/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources and handlers that the configuration names, as one immutable whole.
 *
 * A reload makes a new one; who works with the old one holds it until they are done. Any thread.
 */
#ifndef RECEIVE_SETUP_H
#define RECEIVE_SETUP_H

#include <stdatomic.h>

#include "receive/handler.h"
#include "receive/source.h"
#include "store/engine.h"

#define SETUP_SOURCES_MAX  256
#define SETUP_HANDLERS_MAX 256

struct setup {
    struct arena arena; /* owned: all texts */
    struct source *sources;
    size_t source_count;
    int64_t *source_pks; /* of the sources, once setup_register has run */
    struct handler *handlers;
    size_t handler_count;
    struct cidr *proxies; /* trusted: X-Forwarded-For and Forwarded of theirs are believed */
    size_t proxy_count;
    atomic_uint holds; /* see setup_hold */
};

/* Held once. */
MUST_CHECK enum err setup_new(struct setup **ret, struct error *reterr);
struct setup *setup_hold(struct setup *setup);
void setup_drop(struct setup *setup); /* the last one frees it; NULL is fine */
void setup_dropp(struct setup **setup);

/* ERR_CONFLICT: there is one of that name. ERR_INVALID: the name cannot stand in a path. */
MUST_CHECK enum err setup_add_source(struct setup *setup, struct str name, struct source **ret,
    struct error *reterr);
MUST_CHECK enum err setup_add_handler(struct setup *setup, struct str name, struct handler **ret,
    struct error *reterr);
/* All sections are read: checks each, and what handlers say of sources. At least one source. */
MUST_CHECK enum err setup_check(const struct setup *setup, struct error *reterr);
const struct source *setup_find_source(const struct setup *setup, struct str name);

/* Give the sources and handlers their numbers in the store. In a transaction of the caller's. A
 * handler that is new begins with what comes now, or with everything where it says so. */
MUST_CHECK enum err setup_register(struct setup *setup, struct engine *engine, struct walltime now,
    struct error *reterr);

/* The sources alone, for who handles nothing: what there is of handlers stays as it is. */
MUST_CHECK enum err setup_register_sources(struct setup *setup, struct engine *engine,
    struct error *reterr);

#endif
