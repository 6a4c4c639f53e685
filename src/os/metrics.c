/* SPDX-License-Identifier: Apache-2.0 */
#include "os/metrics.h"

#include <stdatomic.h>

static const struct {
    const char *name;
    const char *kind;
    const char *help;
} rows[METRICS_COUNT] = {

#define METRIC(name, kind, help) [METRIC_##name] = {#name, #kind, help},
#include "os/metrics.def"
#undef METRIC
};

static _Atomic int64_t values[METRICS_COUNT];

void
metric_add(enum metric metric, int64_t n)
{
    atomic_fetch_add_explicit(&values[metric], n, memory_order_relaxed);
}

int64_t
metric_get(enum metric metric)
{
    return atomic_load_explicit(&values[metric], memory_order_relaxed);
}

void
metrics_format(struct buf *buf)
{
    for (unsigned i = 0; i < METRICS_COUNT; i++) {
        buf_printf(buf, "# HELP usher_%s %s\n# TYPE usher_%s %s\nusher_%s ", rows[i].name,
            rows[i].help, rows[i].name, rows[i].kind, rows[i].name);
        buf_append_int(buf, metric_get((enum metric)i));
        buf_append_char(buf, '\n');
    }
}
