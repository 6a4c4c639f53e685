/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people do, and how it becomes rows and news: the store's part of each act (act_rows.c), and
 * when and how each is called and acknowledged (acts.c).
 */
#ifndef TEST_SIM_ACTS_H
#define TEST_SIM_ACTS_H

#include "sim/sim.h"
#include "store/announce.h"

enum act_kind {
    ACT_UPDATE,   /* a webinar's details */
    ACT_CREATE,   /* a webinar */
    ACT_BOOK,     /* a consultation */
    ACT_REGISTER, /* somebody to a webinar */
    ACT_JOIN,     /* somebody a mango */
    ACT_LEAVE,    /* the same back: a mango or a webinar's registrations */
    ACT_ERASE,
    ACT_DROP,    /* a webinar */
    ACT_RETRY,   /* one delivery */
    ACT_REPLAY,  /* an event to a hook */
    ACT_RECOVER, /* a hook, since some time */
    ACT_HOOK_NEW,
    ACT_HOOK_EDIT,
    ACT_HOOK_DISABLE,
    ACT_HOOK_ENABLE,
    ACT_HOOK_DELETE,
    ACTS_IN_STORE,

    ACT_CLOCK = ACTS_IN_STORE, /* the wall clock is set */
    ACT_STOP,
    ACT_KILL,
    ACT_TROUBLE, /* the store refuses for a while, or is slow */
    ACTS_COUNT,
};

/* One committed thing that hooks are told of. */
struct act_news {
    int64_t sequence;
    struct id id;
    int webinar;
};

#define ACT_NEWS_MAX  16
#define ACT_HOOKS_MAX 64

struct act {
    struct store_call call;
    struct sim *sim;
    enum act_kind kind;
    struct arena arena; /* of the run */
    int hook;
    int webinar;
    int mango; /* -1: the webinar's own group */
    int person;
    int mangoes[OFFERED_MAX];
    int mango_count;
    bool is_offered; /* an update: to these mangoes from now on */
    struct hook_settings settings;
    struct claim claim; /* of what was told, which stays where it is */
    struct news *told;  /* the same */
    struct walltime since;

    /* Of the run; anew each time. */
    bool is_void; /* what it is about was gone by then */
    int64_t pk;
    int64_t group_pk;
    int64_t ord;
    int64_t sequence;
    struct news **late; /* in the arena: added by a recovery */
    size_t late_count;
    struct claim *reopened; /* the same */
    size_t reopened_count;
    enum event_reason reason;
    struct act_news news[ACT_NEWS_MAX];
    size_t news_count;
    int64_t wake[ACT_HOOKS_MAX];
    size_t wake_count;
    int64_t changed[ACT_HOOKS_MAX];
    size_t changed_count;

    /* Telling the lanes, as cli/committed.c does. */
    struct lane_change change;
    struct erasure erasure;
    size_t next;
};

struct id sim_id(enum act_kind kind, int64_t number);
/* act_rows.c */
enum err act_run(struct store_call *call, struct engine *engine);
void act_apply(struct act *act); /* to the model */
/* act_again.c: the same for what is sent again */
enum err act_run_again(struct act *act, struct engine *engine);
void act_apply_again(struct act *act);
const char *act_name(enum act_kind kind);
/* The first rows of all: accounts, people, mangoes. */
void rows_prepare(struct sim *sim, int people);

#endif
