/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to the API, from its head to its answer.
 *
 *   loop thread     route found, body read, JSON parsed
 *   store worker    key checked                      (only where there is a prepare or a stream)
 *   loop thread     prepare (may wait)
 *   store worker    key checked, perform: validate, one transaction, answer rendered
 *   loop thread     after the commit: lanes woken, answer sent
 *
 * perform may run more than once (store/store.h), so everything that it sets is reset before. It
 * reads time from call->now alone and keeps off call->request. What would take the writer for long
 * it does in several transactions (call_again). A stranger learns nothing but 401: what else is
 * wrong with a request is answered after its key was found good. How often a key asks is judged
 * before all that, whatever the key is worth (http/request_limit.h).
 */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include "base/arena.h"
#include "base/json.h"
#include "base/list.h"
#include "domain/account.h"
#include "domain/fault.h"
#include "http/query.h"
#include "http/request_limit.h"
#include "http/route.h"
#include "net/http_server.h"
#include "store/store.h"

#define CALL_PARAMS_MAX       ROUTE_PARAMS_MAX
#define CALL_FIELDS_MAX       8
#define CALL_ANSWER_BYTES_MAX (16 * 1024 * 1024) /* 250 rows of the longest objects fit */

/* Who has the call now. */
enum call_stage {
    CALL_READING,   /* the server: head or body */
    CALL_CHECKING,  /* the store: is the key good? */
    CALL_PREPARING, /* prepare, serve or what they wait for */
    CALL_STORING,   /* the store: perform, or a transaction of a stream */
    CALL_STREAMING, /* the stream */
    CALL_COMMITTED, /* committed, which ends in service_answer */
    CALL_FEEDING,   /* who feeds it: its answer goes on */
};

/* A body that is taken piece by piece: what a BODY_STREAM route sets as call->stream before its
 * stream function returns. All on the loop's thread; not while a transaction of the call is under
 * way, so its state is never shared. Its own state hangs on call->prepared.
 *
 *   stream ─▶ on_body* ─▶ on_end ─▶ call_finish, service_answer or call_fail (these also earlier)
 *
 * Any of them may call_submit a transaction; the body rests until it is stored. */
struct call_stream {
    /* Up to some 64 KiB, borrowed for the call. */
    void (*on_body)(struct call *call, struct str piece);
    void (*on_end)(struct call *call);
    /* The peer has gone and no transaction is under way: clean up, with call_submit if need be, and
     * end in call_drop. A transaction that was under way has had its `stored` before, which may
     * carry on (call_submit) as if nothing had happened. NULL: the call is dropped. */
    void (*on_gone)(struct call *call);
    /* The last thing that happens to a call: release what the stream owns. May be NULL. */
    void (*release)(struct call *call);
};

struct call {
    struct store_call store_call; /* first: the call is found from it */
    struct service *service;      /* borrowed: outlives us */
    struct api *api;              /* borrowed: what stands behind the API */
    unsigned loop_index;
    bool is_nearby;     /* asked from loopback, or through the admin listener */
    struct arena arena; /* owned: texts, JSON and faults live here */

    /* What is asked. Set before anything runs, then left alone. */
    const struct route *route; /* NULL when there is none */
    struct str method;
    struct str path;                    /* as sent */
    struct str params[CALL_PARAMS_MAX]; /* the path's {…}, percent-decoded */
    struct query query;
    char *key_bytes;     /* those of key_text, to be wiped */
    struct str key_text; /* as presented; absent when there was none */
    struct str if_match;
    struct str content_type_sent; /* absent when not stated */
    struct str content_encoding;
    struct str request_id;              /* the caller's, or ours */
    struct str idempotency_key;         /* absent when there is none, or it is passed over */
    uint8_t body_digest[SHA256_BYTES];  /* where there is an idempotency_key */
    struct walltime idempotency_since;  /* what was answered until then is forgotten */
    struct request_quota request_quota; /* limit 0: nothing is said of it */
    struct walltime now;                /* when the request was taken up */
    struct buf body_bytes;
    struct json *body; /* NULL when there is none */
    void *prepared;    /* what prepare left for perform, or a stream's own */

    /* Loop thread only; the service's, but for stream. */
    struct http_request *request; /* NULL once the peer has gone */
    enum call_stage stage;
    int refusal_status; /* waits until the key is known to be good; 0: none */
    struct str refusal_detail;
    struct faults refusal_faults;
    struct instant started;
    const struct call_stream *stream; /* static; set by the route's stream function */
    bool is_body_resting;
    bool is_body_whole;              /* nothing more comes */
    bool is_end_told;                /* the stream knows */
    bool is_gone_told;               /* the stream knows */
    void (*gone)(struct call *call); /* FEEDING: the peer has gone; ends in call_drop */
    bool is_over;
    unsigned holds; /* callbacks under way, after which the call may go */
    struct link link;

    /* The transaction under way, and what comes after it. */
    enum err (*run)(struct call *call, struct engine *engine);
    void (*stored)(struct call *call);

    /* Set by the worker, reset before each run. */
    struct faults faults;
    int status;        /* with an error: 0, or the status instead of problem_status */
    struct buf answer; /* the body; content type JSON unless said */
    const char *content_type;
    struct http_field fields[CALL_FIELDS_MAX];
    size_t field_count;
    uint64_t page_digest; /* call_page's: what a cursor is tied to */
    bool is_unfinished;   /* call_again's */

    /* Set by the worker; these stay from one transaction of a call to the next. */
    int64_t account_pk;
    unsigned scopes;
    bool wakes_handlers; /* call_wake_handlers' */
    int64_t *wake;       /* hook_pks whose lanes have news, in the arena */
    size_t wake_count;
    size_t wake_base; /* so many were there before this transaction */
    int64_t *changed; /* hook_pks that were edited, disabled, enabled, deleted */
    size_t changed_count;
    size_t changed_base;
    int64_t erased; /* an attendee_pk of whom nothing more is to be sent; 0: none */
    unsigned step;  /* transactions of perform that were committed before this one */
};

/* The path parameter as an id. Anything else cannot name an object: ERR_NOT_FOUND. */
MUST_CHECK enum err call_id(const struct call *call, size_t param, struct id *ret);

/* A query parameter, percent-decoded; absent when not given. Names that the route does not list
 * were refused before (422). */
struct str call_query(const struct call *call, struct str name);
/* Typed ones: *inout is left alone when not given; a fault when it is given and wrong. */
void call_query_id(struct call *call, struct str name, struct id *inout);
void call_query_time(struct call *call, struct str name, struct walltime *inout);
void call_query_bool(struct call *call, struct str name, bool *inout); /* "true" or "false" */

/* Faults were found: answer 422 naming them all. Returns ERR_INVALID, to be returned on. */
enum err call_refuse(struct call *call);
/* Refuse with a status that no err stands for (409 with Retry-After, 412, …); never OK. */
PRINTF(3, 4) enum err call_problem(struct call *call, int status, const char *fmt, ...);

/* Commit this, then perform again in another transaction; others have their turn in between. Only
 * the last one's answer is sent, but what one has committed stays, and its lanes are woken even if
 * the next one fails. What is carried from one to the next must come from the last that was
 * committed, so keep two by the parity of call->step: read one, write the other. */
void call_again(struct call *call);

/* Add a field to the answer; name and value must outlive the call (static or in the arena). */
void call_field(struct call *call, const char *name, struct str value);
void call_wake(struct call *call, const int64_t *hook_pks, size_t count);
void call_changed(struct call *call, int64_t hook_pk);
/* Items of the inbox are to be handled again. */
void call_wake_handlers(struct call *call);

/* The object's ETag, from when it was last changed (which must grow with every change): set the
 * field, and refuse (412) when the request's If-Match names other ones. */
void call_etag(struct call *call, struct walltime updated);
MUST_CHECK enum err call_if_match(struct call *call, struct walltime updated);
/* The same for what changes by itself and by nobody's PATCH: a digest of the answer, once it is
 * whole. */
void call_etag_answer(struct call *call);
/* When a change of something last changed at updated is to count as made: later than that. */
struct walltime call_later(const struct call *call, struct walltime updated);

/* Start the answer: sets the status and gives a writer onto call->answer. */
struct json_writer call_answer(struct call *call, int status);

/* Lists: ?limit= and ?cursor=; the cursor is the pk of the last row shown, tied to the route and
 * its filters by a digest. Bad ones are faults. */
struct page {
    int64_t limit;
    int64_t before_pk; /* rows with a smaller pk, newest first; INT64_MAX at the start */
};

/* ERR_INVALID when a fault was found: `return call_refuse(call)`, once all is looked at. */
MUST_CHECK enum err call_page(struct call *call, struct page *ret);
/* {"data":[ … ],"nextCursor":…}: open, one object per row, close. Ask for limit + 1 rows; the
 * extra one is not shown, and says that there is a next page. */
size_t page_shown(const struct page *page, size_t count); /* of so many that were found */
void page_open(struct json_writer *writer);
void page_close(struct call *call, struct json_writer *writer, bool has_more, int64_t last_pk);

/* A value: the id's text. */
void json_id(struct json_writer *writer, struct id id);
/* One field with its name. A zero id or time and an absent text are null. */
void json_field_id(struct json_writer *writer, struct str name, struct id id);
void json_field_time(struct json_writer *writer, struct str name, struct walltime at);
void json_field_str(struct json_writer *writer, struct str name, struct str text);
void json_field_int(struct json_writer *writer, struct str name, int64_t value);
void json_field_bool(struct json_writer *writer, struct str name, bool value);

#endif
