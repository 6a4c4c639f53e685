/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler: what the owner wants done with each item, and how gently.
 *
 * What all handlers have in common stands here and in its section of the configuration; what is one
 * kind's own (exec, http, sql, mail) is that kind's business, behind struct handler_kind. A kind
 * knows nothing of retries, rates, order or the store: it is given one handling at a time and says
 * how it went.
 *
 *     open ─▶ start ─▶ done ─▶ … ─▶ close
 *               └─▶ cancel ─▶ done
 */
#ifndef RECEIVE_HANDLER_H
#define RECEIVE_HANDLER_H

#include "domain/field_path.h"
#include "domain/item.h"
#include "domain/received.h"
#include "domain/schedule.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "os/clock.h"
#include "receive/source.h"

#define HANDLER_NAME_BYTES_MAX   64
#define HANDLER_SOURCES_MAX      32
#define HANDLER_CONDITIONS_MAX   16
#define HANDLER_OUTPUT_BYTES_MAX 4096 /* what is kept of what a handler said */

struct handler_kind;

struct handler {
    struct str name;
    const struct handler_kind *kind;
    struct str sources[HANDLER_SOURCES_MAX]; /* names; none: all */
    size_t source_count;
    struct str events[HANDLER_SOURCES_MAX]; /* none: all; "webinar.*": all that start so */
    size_t event_count;
    struct field_condition *conditions[HANDLER_CONDITIONS_MAX]; /* all must hold */
    size_t condition_count;
    double rate;          /* starts a second; 0: no limit */
    unsigned concurrency; /* under way at a time; 0 until `type` is known */
    int64_t timeout_ms;
    struct schedule schedule; /* made of the two below */
    bool has_delays;
    uint32_t attempts_max; /* 0: as many as the delays make */
    bool starts_with_all;  /* a new handler begins with what is there */
    void *options;         /* the kind's own, in the setup's arena */
    int64_t handler_pk;    /* once setup_register has run */
};

enum handling_result {
    HANDLING_DONE,
    HANDLING_LATER, /* not now, through no fault of the item: does not count as an attempt */
    HANDLING_FAILED,
    HANDLING_REFUSED, /* will never work: dead at once, and told */
};

/* One item, given to one handler once more. The lane's; borrowed from start to done. */
struct handling {
    /* What is to be handled; unchanged until done. */
    struct str id; /* of the item */
    int64_t sequence;
    int64_t revision;
    unsigned flags;
    bool is_update;
    uint32_t attempt; /* from 1 */
    struct str source;
    struct str event;
    struct str object;
    struct str person;
    struct str sender_id; /* absent: none */
    struct walltime received_at;
    struct str headers; /* lines of "name: value" */
    struct str body;    /* as it came */
    const struct received *received;
    struct instant deadline;

    /* How it went; set before done. detail and output are borrowed for the callback. */
    enum handling_result result;
    struct str detail; /* a short reason for a person */
    struct str output; /* what it said, its first HANDLER_OUTPUT_BYTES_MAX */
    int64_t retry_after_us;
    void (*done)(struct handling *handling);

    void *own; /* the kind's */
};

/* Where a handler runs. Borrowed: outlives it. */
struct handler_place {
    struct loop *loop;
    const struct clock *clock;
    struct http_client *client; /* may call any address: the owner wrote the URL */
    const char *user_agent;
    uint64_t (*random)(void *arg); /* for ids and the like */
    void *arg;
};

struct handler_worker; /* a kind's own, behind its functions */

struct handler_kind {
    const char *name; /* "exec" */
    /* Under way at a time where the owner says nothing; 0 is 1. What is given at once may be done
     * in one transaction. */
    unsigned concurrency;
    /* One line of the section that is not common. ERR_NOT_FOUND: no such setting. */
    enum err (*set)(struct handler *handler, struct arena *arena, struct str name, struct str value,
        struct error *reterr);
    /* The section is whole. */
    enum err (*check)(const struct handler *handler, struct error *reterr);
    /* On the loop's thread or before it runs. handler is borrowed until close. */
    enum err (*open)(const struct handler *handler, const struct handler_place *place,
        struct handler_worker **ret, struct error *reterr);
    /* done is called exactly once, on the loop's thread, never from inside this call. */
    void (*start)(struct handler_worker *worker, struct handling *handling);
    /* Its time is over, or we stop: done is called soon with HANDLING_FAILED; what was done by then
     * stays done. */
    void (*cancel)(struct handler_worker *worker, struct handling *handling);
    /* Nothing is under way. */
    void (*close)(struct handler_worker *worker);
    const struct source_setting *settings; /* names and help of its own settings */
    size_t setting_count;
};

extern const struct handler_kind handler_exec;
extern const struct handler_kind handler_http;
extern const struct handler_kind handler_sql;
extern const struct handler_kind handler_mail;

/* For those that are to be there: exec, http, sql, mail. */
extern const struct handler_kind *const handler_kinds[];
extern const size_t handler_kind_count;

/* Those that every handler has, with their help. */
extern const struct source_setting handler_settings[];
extern const size_t handler_setting_count;

void handler_init(struct handler *handler, struct str name);
/* One line of its section; `type` comes before what is a kind's own. ERR_INVALID says what is
 * wrong, and what there is. Texts that are kept are copied into the arena. */
MUST_CHECK enum err handler_set(struct handler *handler, struct arena *arena, struct str name,
    struct str value, struct error *reterr);
MUST_CHECK enum err handler_check(const struct handler *handler, struct error *reterr);
/* Is the item for this handler, as far as its source and event tell? */
bool handler_wants_named(const struct handler *handler, struct str source, struct str event);
/* And as far as its body tells. NULL: none that could be read, so no condition holds. */
bool handler_wants(const struct handler *handler, struct str source, struct str event,
    const struct json *body);

#endif
