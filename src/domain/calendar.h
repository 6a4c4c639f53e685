/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An invitation that calendars take in: iCalendar (RFC 5545) with METHOD:REQUEST (RFC 5546).
 *
 * One session each, because all that stands in one request must be the same thing (RFC 5546
 * §3.2.2). The same session of the same person has the same UID in every version, and the greater
 * SEQUENCE wins, so a webinar that was moved moves in the attendee's calendar. Whatever the texts
 * hold, there is one property a line, folded after at most 75 bytes and between characters. Pure.
 */
#ifndef DOMAIN_CALENDAR_H
#define DOMAIN_CALENDAR_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/moment.h"

#define CALENDAR_UID_BYTES 40 /* with its NUL */

/* Of a digest, so that it says nothing of the person. occurrence: 0, or how many sessions of the
 * same webinar stand before this one in the same call. */
MUST_CHECK enum err calendar_uid(struct str webinar_id, size_t occurrence, struct str person,
    char ret_uid[CALENDAR_UID_BYTES]);

struct calendar {
    const char *uid;
    int64_t sequence;      /* the revision */
    struct walltime stamp; /* when this was made */
    struct walltime from;
    struct walltime to;
    struct str summary;
    struct str description; /* absent or empty: left out, like those below */
    struct str link;
    struct str organizer_name;
    struct str organizer_email;
    struct str attendee_name;
    struct str attendee_email;
};

void calendar_format(const struct calendar *calendar, struct buf *buf);

#endif
