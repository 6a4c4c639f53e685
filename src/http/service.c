/* SPDX-License-Identifier: Apache-2.0 */
#include "http/service.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "http/auth.h"
#include "http/intake.h"
#include "http/problem.h"
#include "os/log.h"
#include "os/random.h"

#define SERVICE_FIELDS_MAX 4 /* content-type, x-request-id, cache-control, one of the status */

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
field_add(struct http_answer *answer, struct http_field *fields, const char *name, struct str value)
{
    fields[answer->field_count++] = (struct http_field){str_from(name), value};
    answer->fields = fields;
}

static bool
has_field(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->field_count; i++) {
        if (str_equals_nocase(call->fields[i].name, str_from(name)))
            return true;
    }
    return false;
}

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
    struct http_field fields[CALL_FIELDS_MAX + SERVICE_FIELDS_MAX];
    struct http_answer answer = {.status = call->status, .body = buf_str(&call->answer)};
    struct http_request *request = call->request;

    log_answered(call);
    if (request != NULL) {
        for (size_t i = 0; i < call->field_count; i++)
            fields[answer.field_count++] = call->fields[i];
        if (answer.body.len > 0)
            field_add(&answer, fields, "Content-Type", str_from(call->content_type));
        field_add(&answer, fields, "X-Request-Id", call->request_id);
        field_add(&answer, fields, "Cache-Control", STR("no-store"));
        if (answer.status == 401)
            field_add(&answer, fields, "WWW-Authenticate", STR("Bearer realm=\"usher\""));
        else if (answer.status == 503 && !has_field(call, "Retry-After"))
            field_add(&answer, fields, "Retry-After", STR("1"));
        answer.fields = fields;

        call->request = NULL;
        http_request_set(request, NULL);
        http_respond(request, &answer);
    }
    call_end(call);
}

static void
answer_problem(struct call *call, int status, struct str detail, const struct faults *faults)
{
    buf_clear(&call->answer);
    problem_write(&call->answer, status, detail, faults);
    call->status = status;
    call->content_type = "application/problem+json";
    if (buf_is_full(&call->answer)) {
        buf_clear(&call->answer); /* no memory: the status has to do */
        call->status = status >= 500 ? status : 503;
    }
    service_answer(call);
}

void
call_fail(struct call *call, int status, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    answer_problem(call, status, problem_detail(text), NULL);
}

/* What a peer may know of a fault of ours: that there was one, and under which id it is logged. */
static void
answer_failure(struct call *call, int status)
{
    log_error("request.failed", log_str("request", call->request_id),
        log_str("method", call->method), log_str("path", call->path),
        log_text("error", call->store_call.error.text));
    call_fail(call, status, "something failed on our side; the log tells of request %.*s",
        STR_FMT(call->request_id));
}

static const char *
detail_default(int status)
{
    switch (status) {
    case 404: return "there is no such object here";
    case 409: return "it is there already, or was changed meanwhile";
    case 503: return "too busy just now: try again in a second";
    default: return problem_title(status);
    }
}

static void
answer_error(struct call *call)
{
    enum err err = call->store_call.err;
    int status = call->status >= 400 ? call->status : problem_status(err);
    const char *text = call->store_call.error.text;

    if (status == 500) {
        answer_failure(call, status);
        return;
    }
    answer_problem(call, status,
        text[0] != '\0' ? problem_detail(text) : str_from(detail_default(status)), &call->faults);
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

static enum err
run_perform(struct call *call, struct engine *engine)
{
    enum err err = OK;

    if (call->route->scope != SCOPE_NONE)
        err = auth_check(call, engine);
    return err == OK ? call->route->perform(call, engine) : err;
}

static void
submit_perform(struct call *call)
{
    call->run = run_perform;
    call->stored = call_finish;
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
    answer_problem(call, call->refusal_status, call->refusal_detail, &call->refusal_faults);
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

static void
check_key(struct call *call)
{
    const struct route *route = call->route;

    if (route->scope == SCOPE_NONE || (route->is_open_nearby && call->is_nearby)) {
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

static void
on_head(struct http_request *request, int64_t *ret_body_max, void *arg)
{
    const struct door *door = arg;
    const struct service *service = door->service;
    struct call *call = call_new(door, request);

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
    if (!intake_route(call, service->options.tables, service->options.table_count)) {
        answer_refusal(call);
        return;
    }
    if (call->key_text.ptr == NULL && call->route->scope != SCOPE_NONE &&
        !(call->route->is_open_nearby && call->is_nearby)) {
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
