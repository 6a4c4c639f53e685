/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many signed requests to one address, at a rate, so many at a time; Ctrl-C ends it.
 */
#ifndef CLI_SEND_RUN_H
#define CLI_SEND_RUN_H

#include "cli/ask.h"
#include "cli/send_bodies.h"
#include "cli/tally.h"

#define SEND_COUNT_MAX       INT64_C(10000000)
#define SEND_RATE_MAX        INT64_C(1000000)
#define SEND_CONCURRENCY_MAX INT64_C(512) /* below the usual limit of descriptors */

struct usher_signer;

/* All borrowed. */
struct send_run_options {
    const struct config *config;
    const char *url;
    struct str event;            /* absent: not told */
    struct str fields;           /* lines of the head that a person has added */
    bool has_type;               /* one of them is the content-type */
    struct usher_signer *signer; /* NULL: not signed */
    const struct send_bodies *bodies;
    int64_t count;
    int64_t concurrency;
    int64_t rate; /* a second; 0: no limit */
};

/* OK also where some or all were not answered: that is in the tally. */
MUST_CHECK enum err send_run(const struct send_run_options *options, struct tally *tally,
    int64_t *ret_elapsed_us, struct error *reterr);

#endif
