/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of time that must not be mixed, as two types.
 *
 * An instant only ever grows and means nothing outside this process: for time-outs and pacing. A
 * walltime is microseconds since 1970-01-01T00:00:00Z, may jump, and is what is written to disk.
 * Only os/clock reads either; everything else is handed them.
 */
#ifndef BASE_MOMENT_H
#define BASE_MOMENT_H

#include <stdint.h>

#include "base/str.h"

#define US_PER_MS   INT64_C(1000)
#define US_PER_S    INT64_C(1000000)
#define US_PER_HOUR (INT64_C(3600) * US_PER_S)
#define US_PER_DAY  (INT64_C(86400) * US_PER_S)

struct instant {
    int64_t us;
};

struct walltime {
    int64_t us;
};

/* "2024-03-15T10:00:00.000Z" and its NUL */
#define WALLTIME_TEXT_BYTES 25

static const struct instant INSTANT_NEVER = {INT64_MAX};

static inline struct instant
instant_add_us(struct instant at, int64_t us)
{
    return (struct instant){at.us > INT64_MAX - us ? INT64_MAX : at.us + us};
}

static inline struct instant
instant_add_ms(struct instant at, int64_t ms)
{
    return instant_add_us(at, ms * US_PER_MS);
}

static inline struct instant
instant_earlier(struct instant a, struct instant b)
{
    return a.us <= b.us ? a : b;
}

/* Milliseconds, always three digits; years 0000 to 9999, others are clamped to these. */
void walltime_format(struct walltime at, char ret_text[WALLTIME_TEXT_BYTES]);

/* RFC 3339 with `Z` or an offset; seconds may be absent (minute precision) or have a fraction,
 * of which microseconds are kept; ":60" is read as the next second. */
MUST_CHECK enum err walltime_parse(struct str text, struct walltime *ret);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. Month 1 to 12, day 1 to 31. */
int64_t days_from_civil(int64_t year, int month, int day);
void civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);

#endif
