/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies to try a receiver with: one of each event of the family, for one attendee after another.
 *
 * Each has the members that are published for its event, in that order, with a phone that is a
 * number here and a string there. The body of webinar.created.single is made elsewhere, by
 * payload_render or the public library, from the person and the session that are given here.
 */
#ifndef DOMAIN_SAMPLE_H
#define DOMAIN_SAMPLE_H

#include "base/buf.h"
#include "base/moment.h"

#define SAMPLE_TITLE                  "Introduction to Digital Marketing"
#define SAMPLE_WEBINAR_ID             "634fc35ddaf58580e2418c40"
#define SAMPLE_LINK                   "https://meet.example.com/abc-defg-hij"
#define SAMPLE_MANGO                  "Digital Marketing"
#define SAMPLE_CREATOR_OFFSET_MINUTES 330
#define SAMPLE_SESSION_US             US_PER_HOUR

/* Numbers are from 1 to this: with more a phone would not fit a number any longer. */
#define SAMPLE_NUMBER_MAX INT64_C(99999999)

struct sample_person {
    char name[32];
    char email[48];
    char phone[24]; /* "+919876500001" */
    int32_t offset_minutes;
};

/* All events of the family; the first is webinar.created.single. */
extern const struct str sample_events[];
extern const size_t sample_event_count;

/* No two numbers have an e-mail or a phone in common. */
void sample_person(int64_t number, struct sample_person *ret);
/* When its session begins: the same for a whole day, so that what is sent twice is a duplicate. */
struct walltime sample_from(struct walltime now);
/* Append the body for the attendee of that number. ERR_NOT_FOUND: no such event, or the first one;
 * ERR_LIMIT: the buffer is full. */
MUST_CHECK enum err sample_build(struct buf *buf, struct str event, int64_t number,
    struct walltime from);

#endif
