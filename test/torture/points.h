/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points at which something may go wrong: each time one is passed it is counted, and the n-th time
 * it fails, or the process is killed.
 *
 * The points are allocations of our own code (the linker wraps them), those of SQLite, its reads,
 * writes and syncs of files, and the named sites of os/fault.h. All counts lie in memory that
 * outlives the process. Any thread.
 */
#ifndef TEST_TORTURE_POINTS_H
#define TEST_TORTURE_POINTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POINTS_MAX       24
#define POINT_NAME_BYTES 40

/* The first ones; sites follow as they are met, a CRASH site by its name and "!kill". */
enum point_kind {
    POINT_ALLOC,
    POINT_SQLITE_ALLOC,
    POINT_READ,
    POINT_WRITE,
    POINT_SYNC,
    POINT_FIRST_SITE,
};

struct point {
    char name[POINT_NAME_BYTES]; /* empty: there are no more */
    atomic_ullong passed;
};

struct points {
    struct point points[POINTS_MAX];
    atomic_ullong fired;
};

/* What is to fail: passes [nth, nth + run) of a point. */
struct plan {
    size_t point;
    uint64_t nth; /* 0: never */
    uint64_t run;
};

/* Once, before a database is opened. points: shared with whoever is to see the counts. */
void points_setup(struct points *points);
void points_arm(const struct plan *plan);
void points_lift(void); /* nothing is counted and nothing fails any more */

#endif
