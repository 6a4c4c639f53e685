/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must come of it all, kept from what was accepted and from what the endpoints saw: for each
 * event, hook and person, whether they are owed it, and how far that is.
 *
 * The model is told of commits (model_*: a change was accepted), and of attempts. It reads nothing
 * of send/ and decides nothing by the database; where it cannot know whether something was passed
 * over (superseded), it takes both for possible until the end, when the database is asked.
 */
#ifndef TEST_SIM_MODEL_H
#define TEST_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/list.h"
#include "base/moment.h"
#include "domain/event.h"

#define ACCOUNTS_MAX    2
#define HOOKS_MAX       16
#define PEOPLE_MAX      2048
#define WEBINARS_MAX    160
#define MANGOES_MAX     8
#define GROUPS_MAX      (WEBINARS_MAX + MANGOES_MAX)
#define EVENTS_MAX      1024
#define OFFERED_MAX     3
#define NEWS_RANGES_MAX (OFFERED_MAX + 2)

struct sim;
struct hook_model;

struct person {
    struct id id;
    int64_t pk;
    int account;
    bool is_erased;    /* committed */
    bool is_forgotten; /* and acknowledged */
};

/* Somebody on an ord of a group. */
struct seat {
    int person;
    int64_t left; /* sequence; INT64_MAX: still there */
};

struct group {
    int64_t pk;
    struct seat *seats; /* owned */
    size_t count;
    size_t room;
};

struct mango_model {
    struct id id;
    int64_t pk;
    int account;
    int group;
};

struct webinar_model {
    struct id id;
    int64_t pk;
    int account;
    int group;
    bool is_consultation;
    bool is_deleted; /* committed */
    bool is_dropped; /* and acknowledged */
    int mangoes[OFFERED_MAX];
    int mango_count;
};

/* How far a delivery is. */
enum cell_state {
    CELL_NOBODY, /* owed to nobody: skipped from the start */
    CELL_READY,
    CELL_FLYING,
    CELL_WAITING, /* failed, and counted */
    CELL_DELIVERED,
    CELL_DEAD,
    CELL_EXCUSED, /* owed no more: erased, cancelled */
    CELL_STATES_COUNT,
};

struct cell {
    int person; /* -1: none */
    enum cell_state state;
    unsigned attempts; /* that count */
    bool may_be_over;  /* newer news covers them, and it is for a second time: may be superseded */
    bool may_repeat;   /* a retry was asked for while more had come of it than the store knew */
    bool is_returned;  /* was in hand, and is not any more: the next time is a second time */
    int64_t due_min;   /* wall clock, while waiting */
    int64_t due_max;

    /* As it is on disk: what a crash leaves. */
    enum cell_state kept_state;
    unsigned kept_attempts;
    int64_t kept_due_min;
    int64_t kept_due_max;
    bool was_asked; /* to wait, by the last answer */
    bool kept_was_asked;
};

/* An event on its way to a hook. */
struct told {
    struct link link; /* in hook->open while anything is to come; in the order of events */
    struct news *news;
    struct hook_model *hook;
    struct told *newer; /* the webinar's next event to the same hook */
    int group;          /* of the hook's mango; -1: the whole audience */
    struct cell *cells; /* owned; by position */
    size_t count;
    /* Wall clock: those that fail together wait until the last of them is due; those that were
     * asked to (Retry-After, 1) apart from the others (0). */
    int64_t until[2];
    size_t hint; /* where the last one was found */
    size_t counts[CELL_STATES_COUNT];
    size_t over; /* READY ones that may be over */
    bool is_cancelled;
    bool is_murky;  /* somebody in it may be counted twice, or as something else */
    unsigned round; /* grows with each replay */
};

struct news_range {
    int group;
    int64_t lo;
    int64_t hi;
    bool is_told;
};

/* An event. */
struct news {
    int64_t sequence;
    struct id id;
    int webinar;
    enum event_reason reason;
    struct news_range ranges[NEWS_RANGES_MAX];
    size_t range_count;
    struct told *told[HOOKS_MAX]; /* owned; NULL: none of that hook's business */
    struct walltime at;
};

enum hook_state { HOOK_IS_ENABLED, HOOK_IS_DISABLED, HOOK_IS_DELETED };

/* What was committed, and how much of it was acknowledged. */
struct hook_settings {
    unsigned version; /* in the URL: grows with each change */
    double rate;
    unsigned in_flight_max;
};

struct hook_model {
    int index;
    struct id id;
    int64_t pk;
    int account;
    int webinar; /* filter; -1: none */
    int mango;
    const char *notice;    /* a type of notices it asks for; NULL: events of webinars. static */
    enum hook_state state; /* committed */
    bool is_closed;        /* and acknowledged: nothing may start */
    unsigned version_next;
    struct hook_settings now;   /* committed */
    struct hook_settings heard; /* acknowledged */
    unsigned changes_open;      /* committed, not acknowledged */
    bool was_gone;              /* 410 was answered since it was enabled */
    struct list open;           /* struct told */
    unsigned in_flight;
    unsigned version_seen;
    bool is_draining;     /* changed: nothing starts while something of before is in flight */
    int64_t rate_next_us; /* as pacing: of what was started in this life by these settings */
    int64_t rate_free_us; /* by then it may start, whatever it was before */
    int64_t *newest[WEBINARS_MAX]; /* owned; by person: the newest sequence that was started */
};

/* A delivery by its place. */
struct claim {
    struct told *told;
    size_t pos;
    unsigned attempt;
    unsigned round;
};

/* What was answered and is not on disk yet. */
struct unkept {
    struct told *told;       /* or, for a hook that is gone: */
    struct hook_model *gone; /* NULL */
    size_t pos;
    unsigned round;
    uint64_t number;
    enum cell_state state;
    unsigned attempts;
    int64_t due_min;
    int64_t due_max;
    bool was_asked;
};

struct loop_model {
    struct unkept *unkept; /* owned */
    size_t count;
    size_t room;
    uint64_t answered;
    uint64_t gathered; /* the flush holds all up to this one */
    bool is_stuck;     /* a flush failed: it is the same one that is tried again */
    bool is_out;       /* a flush is with the store, or failed */
};

/* A notice that an endpoint has taken. */
struct taken_notice {
    int64_t sequence;
    int hook;
    uint64_t life;
};

#define NOTICES_MAX 8192

/* A hook was enabled, or told so again: what was said of its failing is over. */
struct enabling {
    int hook;
    int64_t sequence; /* the newest by then */
};

#define ENABLINGS_MAX 1024

struct model {
    struct sim *sim;
    struct person people[PEOPLE_MAX];
    int person_count;
    struct group groups[GROUPS_MAX];
    int group_count;
    struct mango_model mangoes[MANGOES_MAX];
    int mango_count;
    struct webinar_model webinars[WEBINARS_MAX];
    int webinar_count;
    struct hook_model hooks[HOOKS_MAX];
    int hook_count;
    struct news *news[EVENTS_MAX]; /* owned; by sequence */
    size_t news_count;
    struct taken_notice notices[NOTICES_MAX];
    size_t notice_count;
    struct enabling enablings[ENABLINGS_MAX];
    size_t enabling_count;
    struct loop_model loops[2];
    uint64_t attempts;
};

void model_init(struct model *model, struct sim *sim);
void model_done(struct model *model);

/* --- what was committed --- */

int model_group(struct model *model, int64_t pk);
void model_seat(struct model *model, int group, int person, int64_t ord);
void model_leave(struct model *model, int group, int person, int64_t sequence);
bool model_is_in(const struct model *model, int group, int person);
/* The event and its ranges; sequence and the rest are set. What is owed follows from it. */
void model_tell(struct model *model, struct news *takes);
void model_erase(struct model *model, int person);
void model_cancel_webinar(struct model *model, int webinar);
void model_delete_hook(struct model *model, struct hook_model *hook);

/* --- model_again.c: what is sent again; these were committed, too --- */

void model_retry(struct model *model, const struct claim *claim);
/* One that was given up is to come again, by a recovery. */
void model_reopen(struct model *model, const struct claim *claim);
/* An event, to a hook that was not told of it. */
void model_tell_late(struct model *model, struct news *news, struct hook_model *hook);
/* is_in_hand: the lane may go on with the round before for a moment. */
void model_replay(struct model *model, struct news *news, struct hook_model *hook, bool is_in_hand);

/* --- what the endpoints see --- */

struct sighting {
    struct id event;
    struct id hook;
    struct id attendee;
    int64_t sequence;
    unsigned attempt;
};
/* An attempt starts: checks all that must hold for it. */
struct claim model_start(struct model *model, const struct sighting *sighting);

enum answer { ANSWER_GOOD, ANSWER_BAD, ANSWER_GONE, ANSWER_BROKEN_OFF };

/* counts: false where it does not count against the delivery, since the endpoint is known to fail.
 * asked_us: Retry-After. loop: whose lane it was. */
struct verdict {
    enum answer answer;
    bool counts;
    bool disables; /* 410: false where the hook was changed since */
    int64_t asked_us;
    unsigned loop;
};

void model_end(struct model *model, const struct claim *claim, const struct verdict *verdict);

/* The same for a notice, which is owed to nobody. */
void notice_start(struct model *model, struct hook_model *hook, int64_t sequence);
void notice_end(struct model *model, struct hook_model *hook, int64_t sequence,
    const struct verdict *verdict);
/* It was disabled for good by what its endpoint did; on disk with the loop's next flush. */
void model_disable(struct model *model, struct hook_model *hook, unsigned loop);

/* --- what is on disk --- */

void model_flush_gathered(struct model *model, unsigned loop);
void model_flush_committed(struct model *model, unsigned loop);
/* What is in hand at the hook goes back to the store. */
void model_return(struct model *model, struct hook_model *hook);
/* The wall clock is about to be set: what was due by then stays so. */
void model_clock_set(struct model *model);
/* A life ends: what was not on disk never was. */
void model_life_ends(struct model *model);

/* --- looking --- */

struct cell *claim_cell(const struct claim *claim);
bool hook_wants(const struct model *model, const struct hook_model *hook, const struct news *news);
/* NULL: there is nobody in it for that hook. */
struct told *told_add(struct model *model, struct news *news, struct hook_model *hook);
/* It may be passed over at its next turn if that is not its first one. */
void cell_look_for_newer(struct told *told, struct cell *cell);
/* There is newer news: what is older may be passed over now. */
void told_cover(struct told *newer);
/* The latest that a waiting one may be due, by the wall clock. */
int64_t cell_due_us(const struct told *told, const struct cell *cell);
/* Move a cell; the counts follow. */
void cell_move(struct told *told, struct cell *cell, enum cell_state state);
/* Is there newer news of the webinar for the same hook, for the same person? */
bool cell_is_covered(const struct told *told, const struct cell *cell);
/* Something that could start now, were there no limits. is_fresh: and that was never
 * in hand, so that it is no row of its own. */
bool hook_startable(const struct hook_model *hook, bool is_fresh, struct claim *ret);
bool told_is_open(const struct told *told);

#endif
