/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the resources of the domain share: how their objects look in an answer, and how those that
 * a body names are found.
 *
 * What a body names and the account does not have is a fault at its pointer, never a 404. All of
 * it runs in perform.
 */
#ifndef API_OBJECTS_H
#define API_OBJECTS_H

#include "api/api.h"
#include "domain/hook.h"
#include "http/call.h"
#include "store/announce.h"
#include "store/attendees.h"
#include "store/deliveries.h"
#include "store/events.h"
#include "store/mangoes.h"
#include "store/webinars.h"

/* --- out --- */

/* Somebody else's bytes: those that are no UTF-8 are shown as replacement characters. Absent when
 * the arena is full. */
struct str safe_text(struct arena *arena, struct str bytes);
void write_mango(struct json_writer *writer, const struct mango *mango);
/* The fields of an attendee, inside an object that is open; mangoes NULL: not shown. */
void write_attendee_fields(struct json_writer *writer, const struct attendee *attendee,
    const struct mango_list *mangoes);
/* The same for a webinar or consultation, up to and without its mangoes. */
void write_webinar_fields(struct json_writer *writer, struct zones *zones,
    const struct webinar *webinar);
void write_ids(struct json_writer *writer, struct str name, const struct mango_list *mangoes);
/* "event": {id, hooks, audience}, or null when there was nobody to be told. */
void write_announcement(struct json_writer *writer, const struct announcement *announcement);
/* "events": the ids. */
void write_announcements(struct json_writer *writer, const struct announcement_list *list);
/* A rate limit; 0 is none, and null (api/hooks.c). */
void write_rate(struct json_writer *writer, struct str name, double rate);
/* How far an event has come to a hook, inside an object that is open (api/events.c). */
void write_progress_fields(struct json_writer *writer, const struct fanout_progress *progress,
    struct walltime now);
/* A delivery whole, with its attempts and its body (api/deliveries.c). */
MUST_CHECK enum err answer_delivery(struct call *call, struct engine *engine, int status,
    const struct delivery_found *found);

/* --- in --- */

/* Each adds a fault for what is not there; an error is not the body's. */
MUST_CHECK enum err refer_zone(struct call *call, struct str pointer, struct str name,
    const struct zone **ret); /* NULL with a fault */
MUST_CHECK enum err refer_mango(struct call *call, struct engine *engine, struct str pointer,
    struct id id, struct mango *ret); /* left alone with a fault */
MUST_CHECK enum err refer_mangoes(struct call *call, struct engine *engine, struct str pointer,
    const struct id_list *ids, struct mango_list *ret);
MUST_CHECK enum err refer_attendees(struct call *call, struct engine *engine, struct str pointer,
    const struct id_list *ids, struct attendee_list *ret);

/* Somebody who is described rather than named: a known email is that attendee, and updates them. */
struct person {
    struct attendee attendee;
    const struct json *object; /* what describes them */
    struct str at;             /* its pointer */
    bool is_known;
    bool is_changed;
};

/* Read them off an open reader, and see what is known of them and whether all is there. */
MUST_CHECK enum err person_read(struct call *call, struct engine *engine,
    struct field_reader *reader, struct person *ret);
/* Without faults: store them. */
MUST_CHECK enum err person_save(struct call *call, struct engine *engine, struct person *person);

/* --- both --- */

struct announcer call_announcer(struct call *call, struct engine *engine);
void wake_for(struct call *call, const struct announcement *announcement);
void wake_for_all(struct call *call, const struct announcement_list *list);

/* Announce the webinar to its whole audience and wake the lanes. */
MUST_CHECK enum err tell_audience(struct call *call, struct engine *engine,
    const struct webinar *webinar, enum event_reason reason, struct announcement *ret);

/* Pages of attendees: all of the account's, or a group's. */
MUST_CHECK enum err answer_attendees(struct call *call, struct engine *engine,
    struct attendee_query *query);

/* Pages of webinars or of consultations, each written by write_row as an object. */
MUST_CHECK enum err answer_webinars(struct call *call, struct engine *engine,
    enum webinar_kind kind,
    enum err (*write_row)(struct call *call, struct engine *engine, struct json_writer *writer,
        const struct webinar *webinar));

/* Path parameters. */
MUST_CHECK enum err path_mango(struct call *call, struct engine *engine, struct mango *ret);
MUST_CHECK enum err path_attendee(struct call *call, struct engine *engine, size_t param,
    struct attendee *ret);
MUST_CHECK enum err path_webinar(struct call *call, struct engine *engine, enum webinar_kind kind,
    struct webinar *ret);
MUST_CHECK enum err path_hook(struct call *call, struct engine *engine, struct arena *arena,
    struct hook *ret);
MUST_CHECK enum err path_event(struct call *call, struct engine *engine, struct event_row *ret);
/* The audience of its fan-out is the caller's to free. */
MUST_CHECK enum err path_delivery(struct call *call, struct engine *engine,
    struct delivery_found *ret);

/* POST to the attendees of a mango or webinar: {attendee} or {name, email, …}, and notify. */
struct newcomer_wish {
    struct person person;
    bool notify;
};

MUST_CHECK enum err read_newcomer(struct call *call, struct engine *engine,
    struct newcomer_wish *ret);
/* 201 when they are new there, else 200. "event" for a webinar, which has one at most; "events" for
 * a mango, which has one for each of its webinars. */
MUST_CHECK enum err answer_newcomer(struct call *call, struct engine *engine,
    const struct attendee *attendee, const struct joining *arrival, bool is_mango);

/* DELETE of a webinar or consultation: nothing of it is sent any more. */
MUST_CHECK enum err cancel_webinar(struct call *call, struct engine *engine,
    const struct webinar *webinar);

/* DELETE of one of the attendees of a group: {attendee} is path parameter 1, and If-Match is about
 * them. */
MUST_CHECK enum err leave_group(struct call *call, struct engine *engine, int64_t group_pk);

#endif
