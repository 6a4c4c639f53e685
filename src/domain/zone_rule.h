/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule at the end of a zone file: what the clocks do after its last listed change.
 *
 * The text is POSIX's TZ format with RFC 9636's extensions: names in <>, daylight saving that lies
 * behind standard time, and times of day from -167 to 167 hours. A rule that names daylight saving
 * without its dates is refused: POSIX leaves those to the system, so they would be a guess.
 */
#ifndef DOMAIN_ZONE_RULE_H
#define DOMAIN_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* No clock has ever stood further from UTC than 15:56; all that we read or print is within this,
 * so that what is printed can be read back. */
#define ZONE_OFFSET_S_MAX (18 * 3600)

enum zone_date_kind {
    ZONE_DATE_JULIAN,  /* "J60": day 1 to 365, 29 February is never counted */
    ZONE_DATE_ORDINAL, /* "59": day 0 to 365, 29 February is counted */
    ZONE_DATE_WEEKDAY, /* "M10.5.0": month, week 1 to 5 where 5 is the last, day 0 is Sunday */
};

struct zone_date {
    enum zone_date_kind kind;
    int month; /* ZONE_DATE_WEEKDAY only */
    int week;  /* ZONE_DATE_WEEKDAY only */
    int day;
    int32_t time_s; /* after midnight by the clock that is about to be moved; may be negative */
};

struct zone_rule {
    int32_t standard_s; /* east of UTC */
    int32_t daylight_s; /* east of UTC; meaningful with has_daylight, as are start and end */
    bool has_daylight;
    struct zone_date start;
    struct zone_date end;
};

MUST_CHECK enum err zone_rule_parse(struct str text, struct zone_rule *ret, struct error *reterr);

/* Seconds east of UTC at utc_s, seconds since 1970-01-01T00:00:00Z. Where an end and a start fall
 * on one moment the start counts: that is how "daylight saving all year" is written. */
int32_t zone_rule_offset_at(const struct zone_rule *rule, int64_t utc_s);

#endif
