/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones: what a wall clock shows at an instant, and which instant a wall clock means.
 *
 * A zone is made from the bytes of a TZif file (RFC 9636, version 2 or later) or from a fixed
 * offset, knows no other file or clock, and never changes: any number of threads may ask it. Times
 * on a wall clock are a type of their own, so that none is ever taken for an instant. Good for the
 * years 0000 to 9999; before 1972 only as good as the zone file.
 */
#ifndef DOMAIN_TIMEZONE_H
#define DOMAIN_TIMEZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/moment.h"
#include "base/str.h"

/* The fattest file of the database has 4 KiB; zic's "-b fat" for a rule that needs every year
 * listed up to 2400 stays below 20. */
#define TZIF_BYTES_MAX (64 * 1024)

/* "+05:30" and its NUL */
#define UTC_OFFSET_TEXT_BYTES  7
#define UTC_OFFSET_MINUTES_MAX (18 * 60)

/* Microseconds since 1970-01-01T00:00:00 by the clock on somebody's wall. */
struct civil {
    int64_t us;
};

struct zone; /* immutable, heap */

enum zone_adjusted {
    ZONE_ADJUSTED_NONE,
    ZONE_ADJUSTED_GAP,     /* the clocks jumped over this time */
    ZONE_ADJUSTED_OVERLAP, /* the clocks showed this time twice */
};

struct zone_resolved {
    struct walltime at;
    enum zone_adjusted adjusted;
};

/* From the content of a zone file; name and bytes are copied. ERR_INVALID says what is wrong with
 * the file: a version 1 file, leap seconds ("right/"), offsets beyond 18 hours, broken counts. */
MUST_CHECK enum err zone_new_tzif(struct str name, struct str bytes, struct zone **ret,
    struct error *reterr);
/* Always this many minutes east of UTC, within 18 hours; its name is "+05:30". */
MUST_CHECK enum err zone_new_fixed(int32_t offset_minutes, struct zone **ret);
void zone_free(struct zone *zone);
void zone_freep(struct zone **zone);

struct str zone_name(const struct zone *zone); /* as it was given; ends in a NUL */

/* Seconds east of UTC. */
int32_t zone_offset_at(const struct zone *zone, struct walltime at);

/* The same in whole minutes, halves away from zero: all that "+05:30" can say. A local time shown
 * beside it must be made from it (civil_at), so that local time less offset is the instant. */
int32_t zone_offset_minutes_at(const struct zone *zone, struct walltime at);

/* As RFC 5545 §3.3.5 reads a local time: one that occurs twice is the first, one that does not
 * occur is taken with the offset before the gap, so 02:30 in a gap of an hour becomes 03:30. */
struct zone_resolved zone_resolve(const struct zone *zone, struct civil local);

const char *zone_adjusted_name(enum zone_adjusted adjusted); /* "gap", "overlap"; NULL for none */

/* Could this be a name of the database? Only its shape: "Area/Place" and the old aliases; nothing
 * that leads out of its directory, no POSIX rule ("UTC+5", "EST5EDT"), none of the files beside
 * the zones ("posixrules", "right/…"). Whether it exists is for whoever loads it. */
bool zone_name_is_sane(struct str name);

/* Accepts exactly six characters, sign first, up to 18:00 either way; "-00:00" is refused because
 * it means "unknown" (RFC 3339). */
MUST_CHECK enum err utc_offset_parse(struct str text, int32_t *ret_minutes);
void utc_offset_format(int32_t minutes, char ret_text[UTC_OFFSET_TEXT_BYTES]);

struct civil civil_at(struct walltime at, int32_t offset_minutes);

/* "2024-03-15T15:30:00": seconds and their fraction may be absent, as in walltime_parse; a `Z` or
 * an offset is refused, for then it is an instant. */
MUST_CHECK enum err civil_parse(struct str text, struct civil *ret);

/* "2024-03-15T15:30:00.000Z". A local time, yet printed with a Z: the published payload does so
 * and receivers parse it. */
void civil_format(struct civil local, char ret_text[WALLTIME_TEXT_BYTES]);

#endif
