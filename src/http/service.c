/* SPDX-License-Identifier: Apache-2.0 */
#include "http/service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/answer.h"
#include "http/auth.h"
#include "http/idempotency.h"
#include "http/intake.h"
#include "http/problem.h"
#include "os/disk.h"
#include "os/log.h"
#include "os/metrics.h"
#include "os/random.h"

/* One of the two doors to the same service. */
struct door {
    struct service *service;
    struct http_handler handler;
    bool is_admin;
};

struct service {
    struct service_options options;
    struct door door;
    struct door admin_door;
    struct list calls;
    size_t busy;
    struct random random; /* for request ids, which are no secret */
    bool is_draining;
};

/* --- the life of a call --- */

static void
call_free(struct call *call)
{
    if (call->stream != NULL && call->stream->release != NULL)
        call->stream->release(call);
    link_remove(&call->link);
    call->service->busy--;
    buf_done(&call->body_bytes);
    buf_done(&call->answer);
    /* The key lies in the arena as text. */
    if (call->key_bytes != NULL)
        wipe(call->key_bytes, call->key_text.len);
    arena_done(&call->arena);
    free(call);
}

/* Nothing may touch the call after this, but who holds it. */
static void
call_end(struct call *call)
{
    CHECK(!call->is_over);
    call->is_over = true;
    if (call->holds == 0)
        call_free(call);
}

static void
call_hold(struct call *call)
{
    call->holds++;
}

/* False when the call is gone with this hold. */
static bool
call_let_go(struct call *call)
{
    CHECK(call->holds > 0);
    call->holds--;
    if (!call->is_over)
        return true;
    if (call->holds == 0)
        call_free(call);
    return false;
}

bool
call_is_gone(const struct call *call)
{
    return call->request == NULL;
}

void
call_drop(struct call *call)
{
    CHECK(call->request == NULL);
    call_end(call);
}

/* --- answering --- */

static void
log_answered(const struct call *call)
{
    const struct clock *clock = call->service->options.clock;

    if (!log_is_on(LOG_DEBUG))
        return;
    log_debug("request.answered", log_str("request", call->request_id),
        log_str("method", call->method), log_str("path", call->path),
        log_int("status", call->status), log_int("us", clock_instant(clock).us - call->started.us));
}

void
service_answer(struct call *call)
{
    struct http_field fields[ANSWER_FIELDS_MAX];
    struct http_answer answer;
    struct http_request *request = call->request;

    log_answered(call);
    if (request != NULL) {
        answer_head(call, call->answer.len > 0, fields, &answer);
        answer.body = buf_str(&call->answer);
        call->request = NULL;
        http_request_set(request, NULL);
        http_respond(request, &answer);
    }
    call_end(call);
}

/* The last transaction of several may fail: the lanes are told of those before it. */
static void
tell_and_answer(struct call *call)
{
    const struct service *service = call->service;

    bool has_news = call->wake_count + call->changed_count > 0 || call->wakes_handlers;

    if (!has_news || service->options.committed == NULL) {
        service_answer(call);
        return;
    }
    call->stage = CALL_COMMITTED;
    service->options.committed(call);
}

void
call_fail(struct call *call, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    answer_set_problem(call, status, problem_detail(text), NULL);
    tell_and_answer(call);
}

static void
answer_error(struct call *call)
{
    answer_set_error(call);
    tell_and_answer(call);
}

void
call_finish(struct call *call)
{
    const struct service *service = call->service;

    if (call->store_call.err != OK) {
        answer_error(call);
        return;
    }
    call->stage = CALL_COMMITTED;
    if (call->route->after != NULL) {
        if (call_is_gone(call))
            call_drop(call);
        else
            call->route->after(call);
        return;
    }
    if (service->options.committed != NULL)
        service->options.committed(call);
    else
        service_answer(call);
}

/* --- transactions --- */

static void
reset_results(struct call *call)
{
    faults_init(&call->faults, &call->arena);
    buf_clear(&call->answer);
    call->status = 0;
    call->content_type = "application/json";
    call->field_count = 0;
    call->is_unfinished = false;
    call->wake_count = call->wake_base;
    call->changed_count = call->changed_base;
    call->store_call.error = (struct error){OK, ""};
}

static enum err
run_on_worker(struct store_call *store_call, struct engine *engine)
{
    struct call *call = CONTAINER_OF(store_call, struct call, store_call);
    enum err err;

    reset_results(call);
    err = call->run(call, engine);
    /* An answer or a list of lanes that is not whole must not be committed. */
    if (err == OK && (arena_is_full(&call->arena) || buf_is_full(&call->answer)))
        err = error_set(&store_call->error, ERR_NOMEM,
            "the answer takes more memory than one request may have: ask for less at once");
    return err;
}

static void stream_settle(struct call *call);

static void
on_stored(struct store_call *store_call)
{
    struct call *call = CONTAINER_OF(store_call, struct call, store_call);

    CHECK(call->stage == CALL_STORING || call->stage == CALL_CHECKING);
    if (store_call->err == OK) {
        call->wake_base = call->wake_count;
        call->changed_base = call->changed_count;
    } else { /* nothing was committed, so nobody is to be told */
        call->wake_count = call->wake_base;
        call->changed_count = call->changed_base;
    }
    if (call->stream == NULL) {
        call->stored(call);
        return;
    }
    call->stage = CALL_STREAMING;
    call_hold(call);
    call->stored(call);
    stream_settle(call);
}

static enum err
submit(struct call *call, enum call_stage stage, bool writes)
{
    struct store_call *store_call = &call->store_call;
    enum call_stage before = call->stage;
    enum err err;

    store_call->run = run_on_worker;
    store_call->done = on_stored;
    store_call->reply = loop_mailbox(call->service->options.loop);
    store_call->writes = writes;
    call->stage = stage;
    err = store_submit(call->service->options.port, store_call);
    if (err != OK) {
        call->stage = before;
        call->status = 0;
        store_call->err = err;
        store_call->error = (struct error){err, ""};
    }
    return err;
}

enum err
call_submit(struct call *call, enum err (*run)(struct call *call, struct engine *engine),
    bool writes, void (*stored)(struct call *call))
{
    CHECK(call->stage == CALL_STREAMING);
    call->run = run;
    call->stored = stored;
    return submit(call, CALL_STORING, writes);
}

static void submit_perform(struct call *call);

static enum err
run_perform(struct call *call, struct engine *engine)
{
    enum err err = OK;

    if (call->route->scope != SCOPE_NONE)
        err = auth_check(call, engine);
    return err == OK ? idempotency_perform(call, engine) : err;
}

static void
on_performed(struct call *call)
{
    bool is_wanted = !call_is_gone(call) || !call->service->is_draining;

    if (call->store_call.err != OK || !call->is_unfinished || !is_wanted) {
        call_finish(call);
        return;
    }
    call->step++;
    submit_perform(call);
}

static void
submit_perform(struct call *call)
{
    call->run = run_perform;
    call->stored = on_performed;
    if (submit(call, CALL_STORING, call->route->writes) != OK)
        answer_error(call);
}

void
call_prepared(struct call *call)
{
    CHECK(call->stage == CALL_PREPARING);
    if (call_is_gone(call))
        call_drop(call); /* nothing was done yet, and nobody waits for it */
    else
        submit_perform(call);
}

/* --- streams --- */

static void
stream_rest(struct call *call)
{
    if (!call->is_body_resting && !call->is_body_whole && !call_is_gone(call)) {
        call->is_body_resting = true;
        http_request_pause(call->request);
    }
}

/* Tell the stream what else has happened to its call; false when there is nothing. */
static bool
stream_tell(struct call *call)
{
    if (call_is_gone(call)) {
        if (call->is_gone_told)
            return false;
        call->is_gone_told = true;
        if (call->stream->on_gone != NULL)
            call->stream->on_gone(call);
        else
            call_drop(call);
        CHECK(call->is_over || call->stage == CALL_STORING);
        return true;
    }
    if (call->is_body_whole && !call->is_end_told) {
        call->is_end_told = true;
        call->stream->on_end(call);
        return true;
    }
    return false;
}

/* After each callback of a stream, which held the call: see what it has made of it. */
static void
stream_settle(struct call *call)
{
    while (!call->is_over && call->stage == CALL_STREAMING && stream_tell(call))
        continue;
    if (!call_let_go(call))
        return;
    if (call->stage == CALL_STORING) {
        stream_rest(call);
    } else if (call->stage == CALL_STREAMING && call->is_body_resting && !call_is_gone(call)) {
        call->is_body_resting = false;
        http_request_resume(call->request); /* last: it may bring the next piece at once */
    }
}

static void
stream_start(struct call *call)
{
    call->stage = CALL_STREAMING;
    call_hold(call);
    call->route->stream(call);
    CHECK(call->is_over || call->stage != CALL_STREAMING || call->stream != NULL);
    stream_settle(call);
}

/* --- the key --- */

static enum err
run_check(struct call *call, struct engine *engine)
{
    return auth_check(call, engine);
}

static void
answer_refusal(struct call *call)
{
    answer_set_problem(call, call->refusal_status, call->refusal_detail, &call->refusal_faults);
    tell_and_answer(call);
}

static void
on_key_good(struct call *call)
{
    if (call_is_gone(call)) {
        call_drop(call);
    } else if (call->refusal_status != 0) {
        answer_refusal(call);
    } else if (call->route->stream != NULL) {
        stream_start(call);
    } else {
        call->stage = CALL_PREPARING;
        if (call->route->serve != NULL) {
            reset_results(call);
            call->route->serve(call);
        } else {
            call->route->prepare(call);
        }
    }
}

static void
on_key_checked(struct call *call)
{
    if (call->store_call.err != OK)
        answer_error(call);
    else
        on_key_good(call);
}

/* A place that is not there asks for none, but whoever brings one is counted there, too. */
static bool
needs_key(const struct call *call)
{
    const struct route *route = call->route;

    if (route == NULL)
        return true;
    return route->scope != SCOPE_NONE && !(route->is_open_nearby && call->is_nearby);
}

static void
check_key(struct call *call)
{
    if (!needs_key(call)) {
        on_key_good(call);
        return;
    }
    call->run = run_check;
    call->stored = on_key_checked;
    if (submit(call, CALL_CHECKING, false) != OK)
        answer_error(call);
}

/* --- the request comes in --- */

static void
begin(struct call *call)
{
    const struct route *route = call->route;

    intake_body(call);
    if (call->refusal_status != 0 || route->prepare != NULL || route->serve != NULL)
        check_key(call);
    else
        submit_perform(call);
}

static void
on_body(struct http_request *request, struct str piece, void *arg)
{
    struct call *call = http_request_get(request);

    (void)arg;
    if (call == NULL)
        return;
    if (call->stage == CALL_READING) {
        buf_append_str(&call->body_bytes, piece);
    } else if (call->stage == CALL_STREAMING) {
        CHECK(!call->is_body_resting);
        call_hold(call);
        call->stream->on_body(call, piece);
        stream_settle(call);
    } else { /* it was refused already, and waits for its key or its answer */
        CHECK(call->refusal_status != 0 || call->stage == CALL_COMMITTED);
    }
}

static void
on_end(struct http_request *request, void *arg)
{
    struct call *call = http_request_get(request);

    (void)arg;
    if (call == NULL)
        return;
    call->is_body_whole = true;
    if (call->stage == CALL_READING) {
        begin(call);
    } else if (call->stage == CALL_STREAMING) {
        call_hold(call);
        stream_settle(call); /* tells the stream */
    }
}

static void
on_gone(struct http_request *request, void *arg)
{
    struct call *call = http_request_get(request);

    (void)arg;
    if (call == NULL)
        return;
    call->request = NULL;
    switch (call->stage) {
    case CALL_READING: call_drop(call); break;
    case CALL_FEEDING: call->gone(call); break;
    case CALL_STREAMING:
        call_hold(call);
        stream_settle(call);
        break;
    case CALL_CHECKING:
    case CALL_PREPARING:
    case CALL_STORING:
    case CALL_COMMITTED: break; /* who has it finds out when it comes back */
    }
}

/* A proxy passes strangers on, also one that does not say so in a field. */
static bool
is_from_proxy(const struct service *service, const struct http_request *request)
{
    struct address peer = http_request_peer(request);

    for (size_t i = 0; i < service->options.proxy_count; i++)
        if (cidr_holds(&service->options.proxies[i], &peer))
            return true;
    return false;
}

static struct call *
call_new(const struct door *door, struct http_request *request)
{
    struct service *service = door->service;
    struct call *call = calloc(1, sizeof(*call));

    if (call == NULL)
        return NULL;
    call->service = service;
    call->request = request;
    call->api = service->options.api;
    call->loop_index = service->options.loop_index;
    call->now = clock_walltime(service->options.clock);
    call->started = clock_instant(service->options.clock);
    call->idempotency_since = (struct walltime){call->now.us - service->options.idempotency_us};
    arena_init(&call->arena, REQUEST_ARENA_BYTES_MAX);
    buf_init(&call->body_bytes, HTTP_BODY_BYTES_MAX);
    buf_init(&call->answer, CALL_ANSWER_BYTES_MAX);
    faults_init(&call->faults, &call->arena);
    faults_init(&call->refusal_faults, &call->arena);
    link_init(&call->link);
    list_append(&service->calls, &call->link);
    service->busy++;
    intake_copy_head(call, door->is_admin, random_next(&service->random));
    if (!door->is_admin && is_from_proxy(service, request))
        call->is_nearby = false;
    return call;
}

/* Whatever the key is worth. When it may not, the call has ended. */
static bool
may_ask(struct call *call)
{
    struct request_limit *limit = call->service->options.request_limit;
    const struct request_quota *quota = &call->request_quota;
    uint8_t key[SHA256_BYTES];

    if (limit == NULL)
        return true;
    if (sha256(call->key_text, key) != OK) {
        call_fail(call, 503, "no memory for the request just now: try again in a second");
        return false;
    }
    if (request_limit_take(limit, key, call->started, &call->request_quota))
        return true;
    metric_add(METRIC_http_limited_total, 1);
    call->field_count = 0;
    call_field(call, "Retry-After", arena_printf(&call->arena, "%" PRId64, quota->wait_s));
    call_fail(call, 429,
        "this key has made its %" PRId64 " requests of these %d seconds: try again in %" PRId64
        " s; an upload in bulk counts as one",
        quota->limit, (int)(REQUEST_LIMIT_PERIOD_US / US_PER_S), quota->wait_s);
    return false;
}

static void
on_head(struct http_request *request, int64_t *ret_body_max, void *arg)
{
    const struct door *door = arg;
    const struct service *service = door->service;
    struct call *call = call_new(door, request);
    bool is_routed;

    *ret_body_max = HTTP_BODY_BYTES_MAX;
    if (call == NULL || arena_is_full(&call->arena)) {
        http_request_set(request, NULL);
        http_respond(request, &(struct http_answer){.status = 503, .close = true});
        if (call != NULL) {
            call->request = NULL;
            call_drop(call);
        }
        return;
    }
    http_request_set(request, call);
    is_routed = intake_route(call, service->options.tables, service->options.table_count);
    if (call->key_text.ptr != NULL && needs_key(call) && !may_ask(call))
        return;
    if (!is_routed) {
        answer_refusal(call);
        return;
    }
    if (call->key_text.ptr == NULL && needs_key(call)) {
        call_fail(call, 401, AUTH_MISSING);
        return;
    }
    intake_head(call);
    if (call->route->body == BODY_STREAM && call->refusal_status == 0) {
        *ret_body_max = INT64_MAX;
        call->is_body_resting = true;
        http_request_pause(request);
        check_key(call);
    } else if (call->refusal_status != 0) {
        check_key(call);
    }
}

/* --- the service itself --- */

static void
door_init(struct door *door, struct service *service, bool is_admin)
{
    door->service = service;
    door->is_admin = is_admin;
    door->handler = (struct http_handler){on_head, on_body, on_end, on_gone, door};
}

enum err
service_new(const struct service_options *options, struct service **ret, struct error *reterr)
{
    struct service *service = calloc(1, sizeof(*service));
    uint64_t seed;

    if (service == NULL)
        return error_set(reterr, ERR_NOMEM, "service: out of memory");
    service->options = *options;
    door_init(&service->door, service, false);
    door_init(&service->admin_door, service, true);
    list_init(&service->calls);
    random_bytes(&seed, sizeof(seed));
    random_seed(&service->random, seed);
    *ret = service;
    return OK;
}

void
service_free(struct service *service)
{
    if (service == NULL)
        return;
    CHECK(list_is_empty(&service->calls));
    free(service);
}

const struct http_handler *
service_handler(struct service *service)
{
    return &service->door.handler;
}

const struct http_handler *
service_admin_handler(struct service *service)
{
    return &service->admin_door.handler;
}

void
service_drain(struct service *service)
{
    service->is_draining = true;
}

bool
service_is_draining(const struct service *service)
{
    return service->is_draining;
}

void
service_disk(const struct service *service, int64_t *ret_free, int64_t *ret_reserve)
{
    const struct service_options *options = &service->options;

    *ret_free = 0;
    *ret_reserve = 0;
    if (options->disk_path != NULL && disk_free(options->disk_path, ret_free, NULL) == OK)
        *ret_reserve = options->disk_reserve_bytes;
}

size_t
service_busy(const struct service *service)
{
    return service->busy;
}

struct store *
service_store(const struct service *service)
{
    return service->options.port->store;
}

void
service_more_metrics(const struct service *service, struct buf *page)
{
    if (service->options.more_metrics != NULL)
        service->options.more_metrics(page);
}
