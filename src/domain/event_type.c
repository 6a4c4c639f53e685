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
