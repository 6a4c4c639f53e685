/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate that is kept exactly: evenly spaced starts, and at most rate × time + burst of them in any
 * stretch of time. The burst is one, and what falls into PACING_LATE_US.
 *
 * Who must wait is told until when, so a delivery is due at the very slot that is free and not at
 * some retry step. Timers are late and at high rates coarser than the slots: slots that were missed
 * by no more than PACING_LATE_US are made up for. Those that nobody asked for are lost. One owner;
 * time is handed in.
 */
#ifndef QUEUE_PACING_H
#define QUEUE_PACING_H

#include "base/moment.h"

#define PACING_LATE_US (US_PER_S / 20)

struct pacing {
    int64_t interval_ns; /* between two starts; 0: no limit */
    int64_t next_ns;     /* when the next start is allowed */
};

/* rate: starts a second, 0 for no limit; one below 0.001 is 0.001. Starts that were made before
 * count, at the new rate; the same rate again changes nothing. */
void pacing_set(struct pacing *pacing, double rate);
/* When the next start is allowed; not later than now: at once. */
struct instant pacing_ready(const struct pacing *pacing, struct instant now);
void pacing_take(struct pacing *pacing, struct instant now);
/* Between two starts, rounded up; 0: no limit. */
int64_t pacing_interval_us(const struct pacing *pacing);

#endif
