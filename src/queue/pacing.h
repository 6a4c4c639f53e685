/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rate that is kept exactly: at most rate × time + burst starts in any stretch of time (GCRA).
 *
 * Who must wait is told until when, so a delivery is due at the very slot that is free and not at
 * some retry step. One owner; time is handed in.
 */
#ifndef QUEUE_PACING_H
#define QUEUE_PACING_H

#include "base/moment.h"

struct pacing {
    int64_t interval_us;  /* between two starts; 0: no limit */
    int64_t tolerance_us; /* how far starts may run ahead: the burst */
    int64_t next_us;      /* when the next start would be if all were evenly spaced */
};

/* rate: starts a second, 0 for no limit. Starts that were made before count, at the new rate. */
void pacing_set(struct pacing *pacing, double rate);
/* When the next start is allowed; not later than now: at once. */
struct instant pacing_ready(const struct pacing *pacing, struct instant now);
void pacing_take(struct pacing *pacing, struct instant now);

#endif
