/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/zone_rule.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The calendar repeats itself after 400 years. */
#define CYCLE_S (INT64_C(146097) * 86400)

/* Whatever is taken for a rule gives one of its two offsets at any time, the same one 400 years
 * later, and both are within our bounds. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone_rule rule;

    if (zone_rule_parse((struct str){(const char *)data, size}, &rule, NULL) != OK)
        return 0;
    for (int64_t at_s = -CYCLE_S; at_s < CYCLE_S; at_s += CYCLE_S / 997) {
        int32_t offset_s = zone_rule_offset_at(&rule, at_s);

        CHECK(offset_s >= -ZONE_OFFSET_S_MAX && offset_s <= ZONE_OFFSET_S_MAX);
        CHECK(offset_s == rule.standard_s || (rule.has_daylight && offset_s == rule.daylight_s));
        CHECK(zone_rule_offset_at(&rule, at_s + CYCLE_S) == offset_s);
    }
    return 0;
}
