/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/event.h"

#include "base/check.h"

static const char *const reason_names[] = {
    [EVENT_CREATED] = "created",
    [EVENT_UPDATED] = "updated",
    [EVENT_REGISTERED] = "registered",
    [EVENT_BOOKED] = "booked",
    [EVENT_REPLAY] = "replay",
    [EVENT_TEST] = "test",
    [EVENT_NOTICE] = "notice",
};

const char *
event_reason_name(enum event_reason reason)
{
    CHECK((unsigned)reason < COUNT_OF(reason_names));
    return reason_names[reason];
}

enum err
event_reason_parse(struct str name, enum event_reason *ret)
{
    for (unsigned i = 0; i < COUNT_OF(reason_names); i++) {
        if (str_equals(name, str_from(reason_names[i]))) {
            *ret = (enum event_reason)i;
            return OK;
        }
    }
    return ERR_INVALID;
}
