/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attempt came to: the one place that judges an answer.
 *
 * Any 2xx is success and 410 asks us never to call again; everything else is a failure to be tried
 * again, and 429 and 503 say besides that less at a time would do. 3xx is a failure too: a redirect
 * is not followed, for it would carry a signed body to somebody the owner never named.
 */
#ifndef DOMAIN_OUTCOME_H
#define DOMAIN_OUTCOME_H

#include <stdbool.h>

enum outcome {
    OUTCOME_ACCEPTED,    /* the delivery is done */
    OUTCOME_RETRY,       /* later, by the schedule */
    OUTCOME_BUSY,        /* the same, and slower: it is there, and has enough to do */
    OUTCOME_OVERWHELMED, /* the same, and slower: it fails */
    OUTCOME_GONE,        /* the hook is to be disabled */
};

/* has_answer: an answer arrived whole; else status is not looked at, since a 200 that broke off
 * may be the start of something else. */
enum outcome outcome_of(bool has_answer, int status);

#endif
