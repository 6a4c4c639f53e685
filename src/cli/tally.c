/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tally.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/ask.h"

#define LATENCY_US_MAX ((INT64_C(1) << TALLY_LATENCY_BITS) - 1)
#define CLASS_WIDTH    (INT64_C(1) << TALLY_CLASS_BITS)

void
tally_init(struct tally *tally)
{
    memset(tally, 0, sizeof(*tally));
}

/* --- latencies --- */

/* Below 32 each microsecond is a class; above each power of two has 32. */
static size_t
class_of(int64_t us)
{
    int64_t shift;

    if (us < CLASS_WIDTH)
        return (size_t)us;
    if (us > LATENCY_US_MAX)
        us = LATENCY_US_MAX;
    shift = 63 - __builtin_clzll((unsigned long long)us) - TALLY_CLASS_BITS;
    return (size_t)(((shift + 1) << TALLY_CLASS_BITS) + ((us >> shift) - CLASS_WIDTH));
}

/* The largest that counts there. */
static int64_t
class_end(size_t class)
{
    int64_t shift = (int64_t)(class >> TALLY_CLASS_BITS) - 1;
    int64_t within = (int64_t) class & (CLASS_WIDTH - 1);

    return shift < 0 ? (int64_t) class : ((CLASS_WIDTH + within + 1) << shift) - 1;
}

int64_t
tally_latency_us(const struct tally *tally, int per_cent)
{
    int64_t wanted = (tally->answered * per_cent + 99) / 100;
    int64_t seen = 0;

    CHECK(per_cent >= 1 && per_cent <= 100);
    for (size_t i = 0; wanted > 0 && i < TALLY_LATENCY_COUNT; i++) {
        seen += tally->latencies[i];
        if (seen >= wanted)
            return class_end(i) < tally->latency_us_max ? class_end(i) : tally->latency_us_max;
    }
    return tally->latency_us_max;
}

/* --- counting --- */

static void
keep_reason(struct tally *tally, const struct http_result *result)
{
    struct buf reason;
    struct str text;

    if (tally->count != tally->good + 1)
        return;
    buf_init(&reason, TALLY_REASON_BYTES - 1);
    if (result->failure == HTTP_OK)
        ask_reason_append(&reason, result->body);
    else
        ask_failure_append(&reason, result);
    text = buf_str(&reason);
    (void)snprintf(tally->reason, sizeof(tally->reason), "%.*s", STR_FMT(text));
    buf_done(&reason);
}

void
tally_add(struct tally *tally, const struct http_result *result)
{
    tally->count++;
    if (result->failure != HTTP_OK) {
        tally->failures[result->failure]++;
        keep_reason(tally, result);
        return;
    }
    CHECK(result->status >= 0 && result->status <= 999);
    tally->answered++;
    /* A status beyond the classes that there are is the last of them. */
    tally->statuses[result->status <= TALLY_STATUS_MAX ? result->status : TALLY_STATUS_MAX]++;
    tally->latencies[class_of(result->latency_us >= 0 ? result->latency_us : 0)]++;
    if (result->latency_us > tally->latency_us_max)
        tally->latency_us_max = result->latency_us;
    if (result->status >= 200 && result->status < 300)
        tally->good++;
    else
        keep_reason(tally, result);
}

bool
tally_is_good(const struct tally *tally)
{
    return tally->good == tally->count;
}

/* --- telling --- */

static void
write_ms(struct buf *buf, const char *what, int64_t us)
{
    buf_printf(buf, "%s %.*f ms", what, us < 100 * US_PER_MS ? 2 : 0, (double)us / 1000.0);
}

void
tally_write(const struct tally *tally, int64_t asked, int64_t elapsed_us, struct buf *buf)
{
    buf_printf(buf, "%lld", (long long)tally->count);
    if (tally->count != asked)
        buf_printf(buf, " of %lld", (long long)asked);
    buf_printf(buf, " request%s in %.2f s", asked == 1 ? "" : "s",
        (double)elapsed_us / (double)US_PER_S);
    if (tally->count > 1 && elapsed_us > 0)
        buf_printf(buf, ", %.0f a second",
            (double)tally->count * (double)US_PER_S / (double)elapsed_us);
    buf_append_literal(buf, "\n");
    for (int status = 0; status <= TALLY_STATUS_MAX; status++) {
        if (tally->statuses[status] > 0)
            buf_printf(buf, "  %lld answered %d\n", (long long)tally->statuses[status], status);
    }
    for (size_t i = 0; i < HTTP_FAILURES_COUNT; i++) {
        if (tally->failures[i] > 0)
            buf_printf(buf, "  %lld without an answer: %s\n", (long long)tally->failures[i],
                http_failure_name((enum http_failure)i));
    }
    if (tally->reason[0] != '\0')
        buf_printf(buf, "  the first of those that failed: %s\n", tally->reason);
    if (tally->answered > 0) {
        write_ms(buf, "  latency: p50", tally_latency_us(tally, 50));
        write_ms(buf, ", p99", tally_latency_us(tally, 99));
        write_ms(buf, ", longest", tally->latency_us_max);
        buf_append_literal(buf, "\n");
    }
}
