/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/timezone.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In any zone an offset is within 18 hours, and a time that is not said to lie in a gap is what
 * the clock shows at the instant it was resolved to. */
static void
check_zone(const struct zone *zone)
{
    /* Steps of 31 days and a bit over the years 1883 to 2140, so that all times of day occur. */
    const int64_t step_us = 31 * US_PER_DAY + 4999 * US_PER_S;
    const int64_t last_us = INT64_C(62000) * US_PER_DAY;

    for (int64_t us = INT64_C(-31800) * US_PER_DAY; us < last_us; us += step_us) {
        struct zone_resolved resolved = zone_resolve(zone, (struct civil){us});
        int64_t offset_us = zone_offset_at(zone, resolved.at) * US_PER_S;
        int32_t minutes = zone_offset_minutes_at(zone, resolved.at);

        CHECK(minutes >= -UTC_OFFSET_MINUTES_MAX && minutes <= UTC_OFFSET_MINUTES_MAX);
        CHECK(offset_us >= (minutes * 60 - 30) * US_PER_S);
        CHECK(offset_us <= (minutes * 60 + 30) * US_PER_S);
        if (resolved.adjusted != ZONE_ADJUSTED_GAP)
            CHECK(resolved.at.us + offset_us == us);
    }
}

/* Whatever parses prints back as the same bytes, or as the same time. */
static void
check_text(struct str text)
{
    char printed[WALLTIME_TEXT_BYTES];
    struct civil local;
    int32_t minutes = 0;

    if (utc_offset_parse(text, &minutes) == OK) {
        utc_offset_format(minutes, printed);
        CHECK(str_equals(text, str_from(printed)));
    }
    if (civil_parse(text, &local) == OK) {
        struct civil again;

        civil_format(local, printed);
        CHECK(printed[WALLTIME_TEXT_BYTES - 2] == 'Z');
        printed[WALLTIME_TEXT_BYTES - 2] = '\0';
        CHECK(civil_parse(str_from(printed), &again) == OK);
        CHECK(again.us <= local.us && local.us - again.us < US_PER_MS);
    }
    if (zone_name_is_sane(text)) {
        CHECK(text.len > 0 && text.len <= ZONE_BYTES_MAX && text.ptr[0] != '/');
        CHECK(str_find(text, '.', 0) == SIZE_MAX && str_find(text, '\0', 0) == SIZE_MAX);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct str input = {(const char *)data, size};

    if (zone_new_tzif(STR("Fuzz"), input, &zone, NULL) == OK)
        check_zone(zone);
    check_text(input);
    return 0;
}
