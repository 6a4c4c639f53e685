/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "lib/inside.h"

static enum usher_result
zone_take(enum err err, struct zone *zone, struct usher_zone **ret_zone)
{
    struct usher_zone *taken;

    if (err != OK)
        return result_of(err);
    taken = calloc(1, sizeof(*taken));
    if (taken == NULL) {
        zone_free(zone);
        return USHER_NOMEM;
    }
    taken->zone = zone;
    *ret_zone = taken;
    return USHER_OK;
}

enum usher_result
usher_zone_new(const char *name, const void *tzif, size_t tzif_len, struct usher_zone **ret_zone)
{
    struct zone *zone = NULL;
    enum err err;

    if (name == NULL || tzif == NULL)
        return USHER_INVALID;
    err = zone_new_tzif(str_from(name), (struct str){tzif, tzif_len}, &zone, NULL);
    return zone_take(err, zone, ret_zone);
}

enum usher_result
usher_zone_new_fixed(int32_t offset_minutes, struct usher_zone **ret_zone)
{
    struct zone *zone = NULL;
    enum err err;

    if (offset_minutes < -UTC_OFFSET_MINUTES_MAX || offset_minutes > UTC_OFFSET_MINUTES_MAX)
        return USHER_INVALID;
    err = zone_new_fixed(offset_minutes, &zone);
    return zone_take(err, zone, ret_zone);
}

void
usher_zone_free(struct usher_zone *zone)
{
    if (zone == NULL)
        return;
    zone_free(zone->zone);
    free(zone);
}

int32_t
usher_zone_offset_minutes(const struct usher_zone *zone, int64_t at_us)
{
    const struct walltime at = {at_us < TIME_US_MIN   ? TIME_US_MIN
                                : at_us > TIME_US_MAX ? TIME_US_MAX
                                                      : at_us};

    return zone_offset_minutes_at(zone->zone, at);
}

enum usher_result
usher_zone_resolve(const struct usher_zone *zone, const char *local, int64_t *ret_at_us,
    int *ret_adjusted)
{
    struct zone_resolved resolved;
    struct civil civil;

    if (local == NULL || civil_parse(str_from(local), &civil) != OK)
        return USHER_INVALID;
    resolved = zone_resolve(zone->zone, civil);
    *ret_at_us = resolved.at.us;
    if (ret_adjusted != NULL)
        *ret_adjusted = (int)resolved.adjusted;
    return USHER_OK;
}
