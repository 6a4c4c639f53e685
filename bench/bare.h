/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bare loops have in common: the requests, how many, and how the result is told.
 *
 * The requests are those of a delivery, made with the code that makes them there, but once and
 * before the time is taken: one for each place in flight. The loops then do nothing but post.
 */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdint.h>

#include "base/buf.h"
#include "os/clock.h"

#define BARE_IN_FLIGHT_MAX 4096
#define BARE_URLS_MAX      1024
#define BARE_FIELDS_MAX    12

/* What the command line says. Place i in flight posts to url i modulo url_count. */
struct bare_plan {
    const char *ca_path; /* or NULL */
    uint64_t in_flight;
    uint64_t count;
    char *const *urls; /* borrowed from argv */
    size_t url_count;
};

/* One request but for its first line, Host and Content-Length, which are the loop's business. */
struct bare_post {
    struct buf fields[BARE_FIELDS_MAX]; /* "Name: value" */
    size_t field_count;
    struct buf body;
};

/* The time and the CPU of a run. */
struct bare_watch {
    struct instant start;
    int64_t cpu_us_start;
};

/* ERR_INVALID after having said on standard error what is wrong. */
MUST_CHECK enum err bare_plan_parse(int argc, char *const *argv, struct bare_plan *ret);

void bare_post_init(struct bare_post *post, uint64_t number);
void bare_post_done(struct bare_post *post);

void bare_watch_start(struct bare_watch *watch);
/* The one line on standard output that bench/baseline.py reads. */
void bare_watch_tell(const struct bare_watch *watch, const struct bare_plan *plan, uint64_t failed);

#endif
