/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls passed on as they came, to an address that a person typed: the bytes of the body, and all
 * headers but those between two neighbours.
 *
 * A bounded number at a time; what is beyond is not passed on, and told so.
 */
#ifndef CLI_LISTEN_FORWARD_H
#define CLI_LISTEN_FORWARD_H

#include "cli/ask.h"
#include "net/http_parse.h"

#define FORWARDS_MAX 64

struct forwarder;

struct forwarder_options {
    struct loop *loop;                       /* borrowed: outlives us */
    const struct config *config;             /* borrowed */
    const char *url;                         /* as typed */
    void (*say)(void *arg, struct str line); /* a finished line for each call; borrowed */
    void *arg;
};

/* ERR_INVALID says what is wrong with the address. */
MUST_CHECK enum err forwarder_new(const struct forwarder_options *options, struct forwarder **ret,
    struct error *reterr);
/* What is under way is cut and said. NULL is fine. */
void forwarder_free(struct forwarder *forwarder);

/* number: how the call is named in the line. Copies what it needs. */
void forwarder_pass(struct forwarder *forwarder, int64_t number, const struct http_head *head,
    struct str body);

/* Is a header of this name passed on? Pure. */
bool forwarder_passes(struct str name);

#endif
