/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/gateway.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/encode.h"
#include "os/log.h"
#include "os/metrics.h"
#include "receive/arrive.h"
#include "receive/intake.h"
#include "receive/judges.h"
#include "receive/peer.h"
#include "receive/quarantine_line.h"
#include "receive/reply.h"

#define PATH_START STR("/in/")

/* The sender's own deadline is 30 s: it must hear of it before. */
#define SILENCE_US (20 * US_PER_S)

/* The tree of the densest JSON takes 48 times its bytes; for that and for what is read from it. */
#define ARENA_BODIES_MAX 128

/* Calls kept for the next ones, and what of their memory is kept with them. */
#define FREE_CALLS_MAX  256
#define BODY_BYTES_KEPT (16 * 1024)

/* Refused calls that wait to be written: more than a fan-out of a thousand with a mistyped secret,
 * from one peer. */
#define REFUSED_BYTES_MAX (8 * 1024 * 1024)
/* One peer's part of the quarantine. */
#define REFUSED_PEER_SHARE 4

/* Lines of one source in the log: a handful at once, then one a second. */
#define LINES_PER_S 1
#define LINES_BURST 20

#define OBSERVED_BYTES_MAX 2048

/* When to try again. A disk that is full takes somebody to look at it. */
#define RETRY_SOON_S  1
#define RETRY_STORE_S 10

struct gateway_call {
    struct intake_call intake;
    struct gateway *gateway;
    struct http_request *request; /* NULL: it has its answer, or its peer is gone */
    struct judges *judges;        /* held */
    const struct judged_source *judged;
    struct str name; /* name and token: of the request's head, or the arena's */
    struct str token;
    struct address peer;
    struct walltime now;
    struct arena arena;
    struct buf body;
    int64_t waiting_bytes; /* counted in the gateway's, while with the intake */
    bool is_incoming;      /* its body is counted in the gateway's incoming_bytes */
    bool is_stored;        /* with the intake: freed by on_done alone */
    bool is_counted;
    struct gateway_call *next_free;
};

struct gateway {
    struct gateway_options options;
    struct http_handler handler;
    struct judges *judges; /* held; NULL before the first setup */
    struct intake *intake;
    struct quarantine_line *refused;
    struct random ids; /* of requests; they are no secret */
    struct buf text;   /* of a line for the log */
    int64_t waiting_bytes;
    int64_t incoming_bytes;
    size_t busy;
    struct gateway_call *free_calls;
    size_t free_count;
};

/* --- the life of a call ----------------------------------------------------------------------- */

static struct gateway_call *
call_new(struct gateway *gateway, struct http_request *request)
{
    struct gateway_call *call = gateway->free_calls;

    if (call != NULL) {
        gateway->free_calls = call->next_free;
        gateway->free_count--;
    } else {
        call = calloc(1, sizeof(*call));
        if (call == NULL)
            return NULL;
        call->gateway = gateway;
    }
    call->request = request;
    call->judges = judges_hold(gateway->judges);
    call->arena.max = (size_t)(ARENA_BODIES_MAX * call->judges->body_bytes_max);
    call->body.max = (size_t)call->judges->body_bytes_max;
    call->is_incoming = false;
    call->is_stored = false;
    call->is_counted = false;
    gateway->busy++;
    return call;
}

static void
call_leave_incoming(struct gateway_call *call)
{
    if (call->is_incoming)
        call->gateway->incoming_bytes -= (int64_t)call->body.len;
    call->is_incoming = false;
}

static void
call_free(struct gateway_call *call)
{
    struct gateway *gateway = call->gateway;

    call_leave_incoming(call);
    judges_drop(call->judges);
    gateway->busy--;
    if (gateway->free_count >= FREE_CALLS_MAX) {
        arena_done(&call->arena);
        buf_done(&call->body);
        free(call);
        return;
    }
    if (call->arena.used > BODY_BYTES_KEPT)
        arena_done(&call->arena);
    else
        arena_reset(&call->arena);
    if (call->body.capacity > BODY_BYTES_KEPT)
        buf_done(&call->body);
    buf_clear(&call->body);
    call->next_free = gateway->free_calls;
    gateway->free_calls = call;
    gateway->free_count++;
}

/* To be answered now: nothing of this request calls us back any more. */
static struct http_request *
call_take_request(struct gateway_call *call)
{
    return TAKE(call->request);
}

static void
call_count(struct gateway_call *call, enum call_result result)
{
    if (!call->is_counted)
        counters_add_call(call->judged->counts, result);
    call->is_counted = true;
}

static void
call_wait(struct gateway_call *call, int status, const char *detail, int64_t wait_s)
{
    call_count(call, status == 429 ? CALL_LIMITED : CALL_BUSY);
    reply_wait(call_take_request(call), &call->gateway->ids, status, detail, wait_s);
    call_free(call);
}

static void
call_busy(struct gateway_call *call)
{
    call_wait(call, 503, "Too busy just now; try again in a second.", RETRY_SOON_S);
}

/* --- the log and the quarantine --------------------------------------------------------------- */

static bool
may_log(struct source_rate *rate, const struct gateway *gateway)
{
    int64_t wait_us;

    return source_rate_take(rate, LINES_PER_S, LINES_BURST, clock_instant(gateway->options.clock),
        &wait_us);
}

static void
log_refused(struct gateway_call *call, int status, const char *reason)
{
    char peer[ADDRESS_TEXT_BYTES];

    if (!may_log(&call->judged->counts->refusals, call->gateway))
        return;
    address_format(&call->peer, peer);
    log_warning("call.refused", log_str("source", call->name), log_text("peer", peer),
        log_int("status", status), log_text("reason", reason));
}

static void
observe(struct gateway_call *call, const struct source_call *asked)
{
    struct gateway *gateway = call->gateway;
    char peer[ADDRESS_TEXT_BYTES];

    if (!may_log(&call->judged->counts->observed, gateway))
        return;
    buf_clear(&gateway->text);
    source_observe(call->judged->judge, asked, &gateway->text);
    address_format(&call->peer, peer);
    log_info("call.observed", log_str("source", call->name), log_text("peer", peer),
        log_str("proofs", buf_str(&gateway->text)));
}

/* What may be the name of a source some day: a mistyped one is kept, too. */
static bool
is_plain_name(struct str name)
{
    if (name.len == 0 || name.len > SOURCE_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            c != '-' && c != '_' && c != '.' && c != '~')
            return false;
    }
    return true;
}

static void
quarantine(struct gateway_call *call, const struct source_call *asked, const char *reason)
{
    const struct source *source = call->judged->source;
    const struct refused_call refused = {
        .source = call->name,
        .peer = &call->peer,
        .reason = reason,
        .received = call->now,
        .token = call->token,
        .head = asked->head,
        .body = asked->body,
    };

    if (source != NULL ? source->is_quarantined : is_plain_name(call->name))
        quarantine_line_add(call->gateway->refused, &refused);
}

static void
call_deny(struct gateway_call *call, const struct source_call *asked, const char *reason)
{
    log_refused(call, 401, reason);
    quarantine(call, asked, reason);
    call_count(call, CALL_REFUSED);
    reply_denied(call_take_request(call), &call->gateway->ids);
    call_free(call);
}

static void
call_refuse(struct gateway_call *call, int status, const char *reason)
{
    log_refused(call, status, reason);
    call_count(call, CALL_INVALID);
    reply_problem(call_take_request(call), &call->gateway->ids, status, reason);
    call_free(call);
}

/* --- judging ---------------------------------------------------------------------------------- */

/* An authentic call of a source that asks for a limit. */
static bool
is_within_rate(struct gateway_call *call, int64_t *ret_wait_us)
{
    double rate = call->judged->source->rate;
    unsigned burst = rate < 1 ? 1 : rate < UINT16_MAX ? (unsigned)rate : UINT16_MAX;

    return rate <= 0 || source_rate_take(&call->judged->counts->rate, rate, burst,
                            clock_instant(call->gateway->options.clock), ret_wait_us);
}

/* A sender that asks whether it is us; its scheme says how. */
static bool
answer_challenge(struct gateway_call *call, const struct json *json)
{
    struct buf answer;
    bool is_challenge;

    buf_init(&answer, HTTP_BODY_BYTES_MAX);
    is_challenge = source_answer(call->judged->judge, json, &answer) && !buf_is_full(&answer);
    if (is_challenge) {
        call_count(call, CALL_CHALLENGED);
        reply_json(call_take_request(call), &call->gateway->ids, buf_str(&answer));
        call_free(call);
    }
    buf_done(&answer);
    return is_challenge;
}

/* The head goes when the peer does, and what it says of the call is still needed then. */
static bool
keep_texts(struct gateway_call *call)
{
    struct inbox_arrival *arrival = &call->intake.arrival;

    arrival->identity.event = arena_copy(&call->arena, arrival->identity.event);
    arrival->sender_id = arena_copy(&call->arena, arrival->sender_id);
    return !arena_is_full(&call->arena);
}

/* It is for the store. */
static void
call_store(struct gateway_call *call, const struct source_call *asked, const struct json *json)
{
    struct gateway *gateway = call->gateway;
    enum err err = arrive_parsed(call->judged->source, call->judged->source_pk, asked, json,
        &call->arena, &call->intake.arrival);

    call->waiting_bytes = (int64_t)(sizeof(*call) + call->arena.used + call->body.capacity);
    if (err != OK || !keep_texts(call) ||
        gateway->waiting_bytes + call->waiting_bytes > gateway->options.memory_bytes_max) {
        call_busy(call);
        return;
    }
    gateway->waiting_bytes += call->waiting_bytes;
    call->is_stored = true;
    intake_add(gateway->intake, &call->intake);
}

/* From here on it is authentic. */
static void
call_read(struct gateway_call *call, const struct source_call *asked)
{
    struct json *json = NULL;
    struct error error = {OK, ""};
    int64_t wait_us = 0;
    enum err err;

    if ((int64_t)call->body.len > call->judged->source->body_bytes_max) {
        call_refuse(call, 413, "The body is larger than is accepted here.");
        return;
    }
    if (!is_within_rate(call, &wait_us)) {
        call_wait(call, 429, "This source takes no more calls just now.",
            (wait_us + US_PER_S - 1) / US_PER_S);
        return;
    }
    err = received_parse(asked->body, &call->arena, &json, &error);
    if (err == ERR_INVALID) {
        quarantine(call, asked, error.text);
        call_refuse(call, 400, error.text);
    } else if (err != OK) {
        call_busy(call);
    } else if (!answer_challenge(call, json)) {
        call_store(call, asked, json);
    }
}

static void
call_judge(struct gateway_call *call)
{
    const struct judged_source *judged = call->judged;
    const struct setup *setup = call->judges->setup;
    const struct http_head *head = http_request_head(call->request);
    struct address connected = http_request_peer(call->request);
    struct source_call asked = {.head = head, .token = call->token, .body = buf_str(&call->body)};
    struct error error = {OK, ""};
    enum err err;

    call->now = clock_walltime(call->gateway->options.clock);
    call->peer = peer_find(head, &connected, setup->proxies, setup->proxy_count);
    address_set_port(&call->peer, 0);
    asked.now = call->now;
    asked.peer = call->peer;
    if (judged->source != NULL && judged->source->is_observed)
        observe(call, &asked);
    err = source_judge(judged->judge, &asked, &error);
    if (err == OK)
        call_read(call, &asked);
    else if (err == ERR_DENIED)
        call_deny(call, &asked, error.text);
    else
        call_busy(call);
}

/* --- the store's answer ----------------------------------------------------------------------- */

static enum call_result
result_of(const struct inbox_arrival *arrival)
{
    switch (arrival->arrival) {
    case ARRIVAL_NEW:
    case ARRIVAL_UPDATE: return CALL_ACCEPTED;
    case ARRIVAL_DUPLICATE: return CALL_DUPLICATE;
    case ARRIVAL_STALE: return CALL_STALE;
    }
    UNREACHABLE;
}

static void
answer_unstored(struct gateway_call *call)
{
    call_count(call, CALL_BUSY);
    if (call->request != NULL)
        reply_wait(call_take_request(call), &call->gateway->ids, 503,
            "The call could not be stored; try again later.", RETRY_STORE_S);
}

static void
on_late(struct intake_call *intake)
{
    answer_unstored(CONTAINER_OF(intake, struct gateway_call, intake));
}

static void
on_done(struct intake_call *intake, enum err err)
{
    struct gateway_call *call = CONTAINER_OF(intake, struct gateway_call, intake);
    struct gateway *gateway = call->gateway;

    gateway->waiting_bytes -= call->waiting_bytes;
    if (err != OK) {
        answer_unstored(call);
    } else {
        call_count(call, result_of(&intake->arrival));
        if (call->request != NULL)
            reply_stored(call_take_request(call), &gateway->ids, &intake->arrival);
    }
    call_free(call);
}

/* --- the request comes in --------------------------------------------------------------------- */

static struct str
decode(struct gateway_call *call, struct str text)
{
    struct buf *decoded = &call->gateway->text;

    buf_clear(decoded);
    if (str_find(text, '%', 0) == SIZE_MAX || percent_decode(text, decoded) != OK)
        return text;
    return arena_copy(&call->arena, buf_str(decoded));
}

/* "/in/NAME", "/in/NAME/TOKEN". */
static void
read_path(struct gateway_call *call, struct str path)
{
    struct str rest = str_slice(path, PATH_START.len, path.len);
    size_t slash = str_find(rest, '/', 0);

    call->token = (struct str){NULL, 0};
    if (slash != SIZE_MAX && slash + 1 < rest.len)
        call->token = decode(call, str_slice(rest, slash + 1, rest.len));
    call->name = decode(call, str_slice(rest, 0, slash));
    call->judged = judges_find(call->judges, call->name);
}

static bool
is_plain_encoding(struct str encoding)
{
    return encoding.len == 0 || str_equals_nocase(encoding, STR("identity"));
}

/* What is answered by the head alone, without a look at the source. */
static bool
answer_by_head(struct gateway *gateway, struct http_request *request, const struct http_head *head)
{
    struct str method = head->method;

    if (str_equals(method, STR("GET")) || str_equals(method, STR("HEAD")))
        reply_empty(request, &gateway->ids);
    else if (!str_equals(method, STR("POST")))
        reply_bad_method(request, &gateway->ids);
    else if (!is_plain_encoding(http_head_field(head, STR("content-encoding"))))
        reply_problem(request, &gateway->ids, 415,
            "A body with a Content-Encoding is not taken; send it as it is.");
    else if (gateway->judges == NULL)
        reply_wait(request, &gateway->ids, 503, "Not ready yet; try again in a second.",
            RETRY_SOON_S);
    else
        return false;
    return true;
}

static void
on_head(struct http_request *request, int64_t *ret_body_max, void *arg)
{
    struct gateway *gateway = arg;
    const struct http_head *head = http_request_head(request);
    struct gateway_call *call;

    if (!str_starts(head->path, PATH_START)) {
        if (gateway->options.other != NULL)
            http_request_pass(request, gateway->options.other, ret_body_max);
        else
            reply_problem(request, &gateway->ids, 404, "There is nothing here.");
        return;
    }
    if (answer_by_head(gateway, request, head))
        return;
    call = call_new(gateway, request);
    if (call == NULL) {
        reply_wait(request, &gateway->ids, 503, "No memory just now; try again in a second.",
            RETRY_SOON_S);
        return;
    }
    http_request_set(request, call);
    read_path(call, head->path);
    /* One bound for all names, or it would tell which there are; a source's own comes later. */
    *ret_body_max = call->judges->body_bytes_max;
}

static void
on_body(struct http_request *request, struct str piece, void *arg)
{
    struct gateway *gateway = arg;
    struct gateway_call *call = http_request_get(request);

    /* Most bodies are one piece: these need no room of those that are slow. */
    if ((int64_t)piece.len != http_request_head(request)->body_bytes) {
        call->is_incoming = true;
        gateway->incoming_bytes += (int64_t)piece.len;
    }
    buf_append_str(&call->body, piece);
    if (buf_is_full(&call->body)) {
        gateway->incoming_bytes -= call->is_incoming ? (int64_t)piece.len : 0;
        call_busy(call);
    } else if (gateway->incoming_bytes > gateway->options.memory_bytes_max / 4 &&
               call->is_incoming) {
        call_busy(call);
    }
}

static void
on_end(struct http_request *request, void *arg)
{
    struct gateway_call *call = http_request_get(request);

    (void)arg;
    call_leave_incoming(call);
    call_judge(call);
}

static void
on_gone(struct http_request *request, void *arg)
{
    struct gateway_call *call = http_request_get(request);

    (void)arg;
    call->request = NULL;
    if (!call->is_stored)
        call_free(call);
}

/* --- life ------------------------------------------------------------------------------------- */

static void
gateway_freep(struct gateway **gateway)
{
    gateway_free(*gateway);
}

static enum err
gateway_open(struct gateway *gateway, struct error *reterr)
{
    const struct gateway_options *options = &gateway->options;
    const struct intake_options intake = {
        .loop = options->loop,
        .port = options->port,
        .handles = options->handles,
        .silence_us = options->silence_us > 0 ? options->silence_us : SILENCE_US,
        .done = on_done,
        .late = on_late,
    };
    const struct quarantine_line_options refused = {
        .loop = options->loop,
        .port = options->port,
        .bounds = {options->quarantine_bytes_max, options->quarantine_us, REFUSED_PEER_SHARE},
        .bytes_max = REFUSED_BYTES_MAX,
    };
    enum err err = intake_new(&intake, &gateway->intake, reterr);

    return err == OK ? quarantine_line_new(&refused, &gateway->refused, reterr) : err;
}

enum err
gateway_new(const struct gateway_options *options, struct gateway **ret, struct error *reterr)
{
    CLEANUP(gateway_freep) struct gateway *gateway = calloc(1, sizeof(*gateway));
    uint64_t seed;
    enum err err;

    if (gateway == NULL)
        return error_set(reterr, ERR_NOMEM, "gateway: out of memory");
    gateway->options = *options;
    gateway->handler = (struct http_handler){on_head, on_body, on_end, on_gone, gateway};
    buf_init(&gateway->text, HTTP_REQUEST_LINE_BYTES_MAX > OBSERVED_BYTES_MAX
                                 ? HTTP_REQUEST_LINE_BYTES_MAX
                                 : OBSERVED_BYTES_MAX);
    random_bytes(&seed, sizeof(seed));
    random_seed(&gateway->ids, seed);
    err = gateway_open(gateway, reterr);
    if (err == OK)
        *ret = TAKE(gateway);
    return err;
}

void
gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    CHECK(gateway->busy == 0);
    while (gateway->free_calls != NULL) {
        struct gateway_call *call = gateway->free_calls;

        gateway->free_calls = call->next_free;
        arena_done(&call->arena);
        buf_done(&call->body);
        free(call);
    }
    intake_free(gateway->intake);
    quarantine_line_free(gateway->refused);
    judges_drop(gateway->judges);
    buf_done(&gateway->text);
    free(gateway);
}

const struct http_handler *
gateway_handler(struct gateway *gateway)
{
    return &gateway->handler;
}

void
gateway_setup(struct gateway *gateway, struct setup *setup)
{
    struct judges *judges = NULL;
    struct error error = {OK, ""};

    if (judges_new(setup, &judges, &error) != OK) {
        log_error("gateway.kept", log_text("error", error.text));
        return;
    }
    judges_drop(gateway->judges);
    gateway->judges = judges;
}

void
gateway_drain(struct gateway *gateway)
{
    quarantine_line_drain(gateway->refused);
}

size_t
gateway_busy(const struct gateway *gateway)
{
    return gateway->busy + quarantine_line_busy(gateway->refused);
}

void
gateway_metrics(struct buf *page)
{
    counters_format(page);
}
