/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of many requests: how many were answered what, how long it took, and why some were
 * not answered.
 *
 * Latencies are counted in classes a thirty-second part wide, so that any number of them takes the
 * same memory; what is told of them is never too small and at most 3 % too large. Pure.
 */
#ifndef CLI_TALLY_H
#define CLI_TALLY_H

#include "base/buf.h"
#include "net/http_client.h"

#define TALLY_STATUS_MAX    599
#define TALLY_REASON_BYTES  512
#define TALLY_CLASS_BITS    5
#define TALLY_LATENCY_BITS  36 /* 19 hours in microseconds; what is longer counts as that */
#define TALLY_LATENCY_COUNT ((TALLY_LATENCY_BITS - TALLY_CLASS_BITS + 1) << TALLY_CLASS_BITS)

struct tally {
    int64_t count;
    int64_t answered;
    int64_t good; /* answered 2xx */
    int64_t statuses[TALLY_STATUS_MAX + 1];
    int64_t failures[HTTP_FAILURES_COUNT];
    int64_t latencies[TALLY_LATENCY_COUNT];
    int64_t latency_us_max;
    char
        reason[TALLY_REASON_BYTES]; /* of the first that was not good; empty: none was, or silent */
};

void tally_init(struct tally *tally);
void tally_add(struct tally *tally, const struct http_result *result);
/* The latency that so many per cent (1 to 100) of the answers did not pass; 0 without any. */
int64_t tally_latency_us(const struct tally *tally, int per_cent);
bool tally_is_good(const struct tally *tally); /* all were answered 2xx */
/* For a person, some lines. asked: of how many; elapsed_us: from the first to the last. */
void tally_write(const struct tally *tally, int64_t asked, int64_t elapsed_us, struct buf *buf);

#endif
