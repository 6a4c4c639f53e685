/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters and gauges, and the page that Prometheus reads.
 *
 * The list stands in metrics.def; any thread may add.
 */
#ifndef OS_METRICS_H
#define OS_METRICS_H

#include <stdint.h>

#include "base/buf.h"

enum metric {

#define METRIC(name, kind, help) METRIC_##name,
#include "os/metrics.def"
#undef METRIC
    METRICS_COUNT
};

void metric_add(enum metric metric, int64_t n); /* negative only for gauges */
int64_t metric_get(enum metric metric);
void metrics_format(struct buf *buf); /* Prometheus text exposition format 0.0.4 */

#endif
