/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/event_type.h"

#include "base/compiler.h"
#include "domain/event.h"

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

#define WEBINAR_SCHEMA                                                                             \
    "{\"type\":\"object\",\"required\":[\"name\",\"email\",\"phone\",\"timezone\",\"callList\","   \
    "\"mangoes\"],\"properties\":{\"name\":{\"type\":\"string\"},\"email\":{\"type\":\"string\"}," \
    "\"phone\":{\"type\":[\"number\",\"string\",\"null\"]},"                                       \
    "\"timezone\":{\"type\":[\"string\",\"null\"]},"                                               \
    "\"callList\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"object\","              \
    "\"required\":[\"webinar\",\"webinarId\",\"webinarLink\",\"webinarFromTime\","                 \
    "\"webinarToTime\",\"webinarFromTimeInCreatorTimezone\","                                      \
    "\"webinarToTimeInCreatorTimezone\",\"creatorTimezone\"],\"properties\":{"                     \
    "\"webinar\":{\"type\":\"string\"},\"webinarId\":{\"type\":\"string\"},"                       \
    "\"webinarLink\":{\"type\":\"string\"},"                                                       \
    "\"webinarFromTime\":{\"type\":\"string\",\"format\":\"date-time\"},"                          \
    "\"webinarToTime\":{\"type\":\"string\",\"format\":\"date-time\"},"                            \
    "\"webinarFromTimeInCreatorTimezone\":{\"type\":\"string\",\"format\":\"date-time\"},"         \
    "\"webinarToTimeInCreatorTimezone\":{\"type\":\"string\",\"format\":\"date-time\"},"           \
    "\"creatorTimezone\":{\"type\":\"string\"}}}},"                                                \
    "\"mangoes\":{\"type\":\"string\"}}}"

/* The published example, with its phone in either form. */
#define WEBINAR_SAMPLE(phone)                                                                      \
    "{\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":" phone ","                   \
    "\"timezone\":\"+05:30\",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\","    \
    "\"webinarId\":\"634fc35ddaf58580e2418c40\","                                                  \
    "\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","                                    \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","                                            \
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","                                              \
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","                           \
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\","                             \
    "\"creatorTimezone\":\"+05:30\"}],\"mangoes\":\"mango1, mango2, mango3\"}"

/* What all notices have in common; the rest of the properties of data, and which must be there. */
#define NOTICE_SCHEMA(type, required, properties)                                                  \
    "{\"type\":\"object\",\"required\":[\"type\",\"timestamp\",\"data\"],\"properties\":{"         \
    "\"type\":{\"const\":\"" type "\"},"                                                           \
    "\"timestamp\":{\"type\":\"string\",\"format\":\"date-time\"},"                                \
    "\"data\":{\"type\":\"object\",\"required\":[\"hook\",\"hookUrl\",\"event\"," required         \
    "],\"properties\":{\"hook\":{\"type\":\"string\"},"                                            \
    "\"hookUrl\":{\"type\":\"string\",\"format\":\"uri\"},"                                        \
    "\"event\":{\"type\":\"string\"}," properties "}}}}"

#define FAILING_SCHEMA                                                                             \
    "\"failingSince\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"                  \
    "\"lastResult\":{\"type\":[\"string\",\"null\"]},"                                             \
    "\"lastStatus\":{\"type\":[\"integer\",\"null\"]}"
#define FAILING_REQUIRED   "\"failingSince\",\"lastResult\",\"lastStatus\""
#define DISABLED_REQUIRED  FAILING_REQUIRED ",\"disabledBy\""
#define RECOVERED_REQUIRED "\"failingSince\",\"recoveredAt\""
#define DISABLED_SCHEMA                                                                            \
    FAILING_SCHEMA ",\"disabledBy\":{\"type\":\"string\",\"enum\":[\"gone\",\"failing\"]}"
#define RECOVERED_SCHEMA                                                                           \
    "\"failingSince\":{\"type\":\"string\",\"format\":\"date-time\"},"                             \
    "\"recoveredAt\":{\"type\":\"string\",\"format\":\"date-time\"}"
#define DEAD_SCHEMA                                                                                \
    "\"eventId\":{\"type\":\"string\"},\"webinar\":{\"type\":[\"string\",\"null\"]},"              \
    "\"count\":{\"type\":\"integer\",\"minimum\":1},\"attempts\":{\"type\":\"integer\"},"          \
    "\"deliveries\":{\"type\":\"array\",\"maxItems\":100,\"items\":{\"type\":\"string\"}}"
#define DEAD_REQUIRED "\"eventId\",\"webinar\",\"count\",\"attempts\",\"deliveries\""

#define NOTICE_SAMPLE(type, data)                                                                  \
    "{\"type\":\"" type "\",\"timestamp\":\"2024-03-15T10:00:00.000Z\","                           \
    "\"data\":{\"hook\":\"65f4134d3f8a2c0e5b000001\",\"hookUrl\":\"https://example.com/hook\","    \
    "\"event\":\"" EVENT_WEBINAR_CREATED_SINGLE "\"," data "}}"
#define FAILING_SAMPLE                                                                             \
    "\"failingSince\":\"2024-03-15T09:45:00.000Z\",\"lastResult\":\"status\",\"lastStatus\":503"
#define DISABLED_SAMPLE FAILING_SAMPLE ",\"disabledBy\":\"failing\""
#define RECOVERED_SAMPLE                                                                           \
    "\"failingSince\":\"2024-03-15T09:45:00.000Z\",\"recoveredAt\":\"2024-03-15T10:00:00.000Z\""
#define DEAD_SAMPLE                                                                                \
    "\"eventId\":\"65f413cf3f8a2c0e5b000002\",\"webinar\":\"634fc35ddaf58580e2418c40\","           \
    "\"count\":1,\"attempts\":10,\"deliveries\":[\"msg_"                                           \
    "mx2bhtz7riwa4wyaaabgl5atju7yulaolmaaaalf6qjaap4kfqhfwaaaam_1710491599000000\"]"

/* A notice says nothing of an attendee, so that its body is the same in either format. */
#define NOTICE(event, text, upper)                                                                 \
    {                                                                                              \
        .name = TEXT(event), .description = TEXT(text), .is_notice = true,                         \
        .schema = TEXT(NOTICE_SCHEMA(event, upper##_REQUIRED, upper##_SCHEMA)),                    \
        .sample = TEXT(NOTICE_SAMPLE(event, upper##_SAMPLE)),                                      \
        .sample_phone_string = TEXT(NOTICE_SAMPLE(event, upper##_SAMPLE)),                         \
    }

const struct event_type event_types[] = {
    {
        .name = TEXT(EVENT_WEBINAR_CREATED_SINGLE),
        .description = TEXT("A one-time webinar was created or its details were changed, a 1-1 "
                            "consultation was booked, or somebody registered later. One call for "
                            "each participant."),
        .filters = BIT(FILTER_WEBINAR) | BIT(FILTER_MANGO),
        .schema = TEXT(WEBINAR_SCHEMA),
        .sample = TEXT(WEBINAR_SAMPLE("1234567890")),
        .sample_phone_string = TEXT(WEBINAR_SAMPLE("\"1234567890\"")),
    },
    NOTICE(EVENT_HOOK_FAILING,
        "A hook's endpoint fails again and again: its deliveries wait, and it is tried now and "
        "then until it answers.",
        FAILING),
    NOTICE(EVENT_HOOK_DISABLED,
        "A hook was disabled because its endpoint answered 410, or has failed for days. What "
        "waits for it is kept until it is enabled.",
        DISABLED),
    NOTICE(EVENT_HOOK_RECOVERED,
        "The endpoint of a hook that was failing answers again. What waited is on its way.",
        RECOVERED),
    NOTICE(EVENT_DELIVERY_DEAD,
        "Deliveries of an event to a hook were given up after their last attempt. They can be "
        "retried.",
        DEAD),
};

const size_t event_type_count = COUNT_OF(event_types);

const struct event_type *
event_type_find(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(event_types); i++) {
        if (str_equals(event_types[i].name, name))
            return &event_types[i];
    }
    return NULL;
}

struct str
event_filter_name(enum event_filter filter)
{
    switch (filter) {
    case FILTER_WEBINAR: return STR("webinar");
    case FILTER_MANGO: return STR("mango");
    case FILTER_COURSE: return STR("course");
    case FILTER_PAGE: return STR("page");
    case FILTERS_COUNT: break;
    }
    return STR("");
}
