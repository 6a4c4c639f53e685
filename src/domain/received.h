/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body that came in, read into one model: the whole family of events of webinars, orders, courses
 * and subscriptions, whose members disagree about nearly everything.
 *
 * Nothing well-formed is refused. A phone may be a number, a string or null; zones may be null;
 * times may lack their seconds; "…InCreatorTimezone" is wall clock although it ends in Z. What
 * cannot be read as the type it should have is as if it were not there, and marks the model; what
 * contradicts itself is taken and marked, too. Fields that are not known stay in `body`.
 *
 * All texts are borrowed from the arena that holds the JSON.
 */
#ifndef DOMAIN_RECEIVED_H
#define DOMAIN_RECEIVED_H

#include "base/arena.h"
#include "base/json.h"
#include "domain/timezone.h"

enum received_shape {
    RECEIVED_UNKNOWN,
    RECEIVED_CALL_LIST,    /* webinar.created.*: sessions in callList */
    RECEIVED_REMINDER,     /* webinar.reminder.*: one session, flat, without an end */
    RECEIVED_COMPLETED,    /* webinar.completed.all: a session without times */
    RECEIVED_ORDER,        /* order.* */
    RECEIVED_SUBSCRIPTION, /* subscription.* */
    RECEIVED_COURSE,       /* course.* */
    RECEIVED_USER,         /* user.deleted */
};

struct received_session {
    struct str webinar; /* title */
    struct str webinar_id;
    struct str link;
    bool has_from;
    bool has_to;
    bool has_from_local;
    bool has_to_local;
    bool has_creator_offset;
    struct walltime from;
    struct walltime to;
    struct civil from_local; /* the creator's wall clock, as it was sent */
    struct civil to_local;
    int32_t creator_offset_minutes;
};

struct received {
    enum received_shape shape;
    unsigned flags; /* enum item_flag: UNRECOGNISED, CONTRADICTORY */
    struct str name;
    struct str email;
    struct str phone; /* as digits or as it was written; absent: none */
    bool has_offset;
    int32_t offset_minutes; /* the attendee's */
    struct received_session *sessions;
    size_t session_count;
    struct str mangoes;
    struct str object_id; /* orderId, courseId, mangoLink, _id: what it is about, else absent */
    struct str status;    /* of an order */
    struct str occurred;  /* orderTime, lastProgressOn, lastPurchaseDate, as it was sent */
    const struct json *body;
};

/* A body that came in as a tree: as json_parse, but for JSON that has no one meaning, since a name
 * stands twice, half of a surrogate pair alone or it is too deep, it is null, so that it is taken
 * and known by its bytes. ERR_INVALID is for what is no JSON. */
MUST_CHECK enum err received_parse(struct str body, struct arena *arena, struct json **ret,
    struct error *reterr);

/* ERR_NOMEM alone. body: what received_parse gave; need not be an object. */
MUST_CHECK enum err received_read(const struct json *body, struct arena *arena,
    struct received *ret);

/* Of what the event is, where neither its source nor a field says so: by its shape; absent: it
 * cannot be told. */
struct str received_event(const struct received *received);

/* What a handler is told beside the model. */
struct received_context {
    struct str id; /* the item's */
    struct str source;
    struct str event;
    const char *change; /* "created", "updated" */
    int64_t sequence;   /* grows over the whole inbox */
    int64_t revision;   /* of the same identity, from 0 */
    unsigned flags;
    struct walltime received;
};

/* The model as one JSON object: times as RFC 3339 with the offset that they have
 * ("2024-03-15T15:30:00+05:30"), in UTC, in the creator's and in the attendee's zone; the phone as
 * a string; the body as it came under "payload". */
void received_render(struct buf *buf, const struct received *received,
    const struct received_context *context, struct str body);

/* "2024-03-15T15:30:00+05:30", and "Z" at offset 0: its NUL included. */
#define LOCAL_TIME_TEXT_BYTES 26
void local_time_format(struct walltime at, int32_t offset_minutes,
    char ret_text[LOCAL_TIME_TEXT_BYTES]);

/* One value by its name, for the environment of a program, for templates and for columns: name,
 * email, phone, timezone, mangoes, webinar, webinar_id, link, from, to (UTC), from_creator,
 * to_creator, creator_timezone, from_attendee, to_attendee (with their offsets), of the session
 * with that index. Written to buf; false (and nothing written) when there is none. */
bool received_value(const struct received *received, struct str name, size_t session,
    struct buf *buf);
/* Their names, in that order; NULL at the end. */
extern const char *const received_value_names[];

#endif
