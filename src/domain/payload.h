/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of webinar.created.single, to the byte as it is published.
 *
 * A body is what is the attendee's own, then what is the same for all: the second part is built
 * once per event and stored as the event's snapshot, so that a body rendered days later still says
 * what the event said. Texts must be valid UTF-8; they are checked where they come in. Nothing
 * here fails: a buffer that was too small says so (buf_is_full).
 */
#ifndef DOMAIN_PAYLOAD_H
#define DOMAIN_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/moment.h"
#include "base/str.h"
#include "domain/timezone.h"

/* One item of callList: a session of a webinar, or a consultation. */
struct payload_session {
    struct str title;
    struct id webinar_id; /* or the consultation's own */
    struct str link;
    struct walltime from;
    struct walltime to;
    const struct zone *creator_zone; /* borrowed, never NULL */
};

struct payload_attendee {
    struct str name;
    struct str email;
    struct str phone;       /* as stored; absent or empty: null */
    bool has_offset;        /* false: timezone is null */
    int32_t offset_minutes; /* at the session's start; many attendees share a zone, so the caller
                             * may ask each zone once */
};

enum phone_format {
    PHONE_NUMBER, /* as published: the digits; what a number cannot carry as PHONE_STRING */
    PHONE_STRING, /* as stored, in quotes */
};

/* Append `,"callList":[…],"mangoes":"…"}`: the snapshot. There is at least one session. The offset
 * is the creator's at that session's start; each end has its own true local time, so a session
 * across a clock change is as long by the wall clock as it looks. */
void payload_fixed_build(struct buf *buf, const struct payload_session *sessions,
    size_t session_count, const struct str *mangoes, size_t mango_count);

/* The attendee's offset at the session's start; zone NULL: none is known. */
void payload_attendee_zone(struct payload_attendee *attendee, const struct zone *zone,
    struct walltime session_from);

/* Append the whole body. fixed is what payload_fixed_build made, now or before a restart. */
void payload_render(struct buf *buf, const struct payload_attendee *attendee,
    enum phone_format format, struct str fixed);

#endif
