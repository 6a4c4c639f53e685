/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hook_trial.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/check.h"
#include "domain/delivery_id.h"
#include "domain/event_type.h"
#include "domain/outcome.h"
#include "http/service.h"
#include "send/request.h"
#include "store/hooks.h"

/* A receiver has 30 s for the whole exchange, as in earnest. */
#define TRIAL_MS             30000
#define TRIAL_HEAD_BYTES_MAX ((size_t)128 * 1024)

/* --- how often --- */

void
trial_limit_init(struct trial_limit *limit)
{
    memset(limit, 0, sizeof(*limit));
    CHECK(pthread_mutex_init(&limit->mutex, NULL) == 0);
}

void
trial_limit_done(struct trial_limit *limit)
{
    CHECK(pthread_mutex_destroy(&limit->mutex) == 0);
}

/* When the hook's newest trial was made. */
static int64_t
newest_us(const struct trial_hook *hook)
{
    return hook->at[(hook->next + TRIALS_MAX - 1) % TRIALS_MAX].us;
}

/* The hook's own place, or a free one, or the one that was not used for longest. */
static struct trial_hook *
place_of(struct trial_limit *limit, int64_t hook_pk)
{
    struct trial_hook *place = &limit->hooks[0];

    for (size_t i = 0; i < TRIAL_HOOKS_MAX; i++) {
        struct trial_hook *hook = &limit->hooks[i];

        if (hook->hook_pk == hook_pk)
            return hook;
        if (place->hook_pk != 0 && (hook->hook_pk == 0 || newest_us(hook) < newest_us(place)))
            place = hook;
    }
    *place = (struct trial_hook){.hook_pk = hook_pk};
    for (size_t i = 0; i < TRIALS_MAX; i++)
        place->at[i].us = INT64_MIN / 2;
    return place;
}

enum err
trial_limit_take(struct trial_limit *limit, int64_t hook_pk, struct instant now,
    int64_t *ret_wait_s)
{
    struct trial_hook *hook;
    int64_t room_us;

    CHECK(pthread_mutex_lock(&limit->mutex) == 0);
    hook = place_of(limit, hook_pk);
    room_us = hook->at[hook->next].us + TRIALS_PERIOD_US;
    if (room_us <= now.us) {
        hook->at[hook->next] = now;
        hook->next = (hook->next + 1) % TRIALS_MAX;
    }
    CHECK(pthread_mutex_unlock(&limit->mutex) == 0);
    if (room_us <= now.us)
        return OK;
    *ret_wait_s = (room_us - now.us + US_PER_S - 1) / US_PER_S;
    return ERR_LIMIT;
}

/* --- the request --- */

struct trial {
    struct http_exchange exchange; /* first: found again from it */
    struct call *call;
    struct http_endpoint *endpoint; /* owned */
    int64_t hook_pk;
    struct url url;
    /* What came back, in the call's arena. */
    enum http_failure failure;
    int status;
    int64_t latency_us;
    struct str detail;
    struct str answer;
};

static enum err
append_head(struct call *call, const struct hook *hook, const struct trial *trial, struct buf *head)
{
    const struct delivery_id id = {.event = id_make(call->api->ids, call->now), .hook = hook->id};
    CLEANUP(signer_freep) struct signer *signer = NULL;
    char id_text[DELIVERY_ID_TEXT_BYTES];
    const struct request_detail detail = {
        .reason = EVENT_TEST,
        .attempt = 1,
        .id = {id_text, delivery_id_format(&id, id_text)},
        .timestamp_s = call->now.us / US_PER_S,
        .body = trial->exchange.body,
    };
    struct walltime until;
    enum err err = request_signer(hook, call->now, &signer, &until, &call->store_call.error);

    if (err == OK)
        err = request_head_start(hook, &trial->url, call->api->user_agent, head);
    if (err == OK)
        err = request_head_end(&detail, signer, head);
    return err;
}

static enum err
build(struct call *call, const struct hook *hook, struct trial *trial)
{
    const struct event_type *type = event_type_find(hook->event);
    struct error *error = &call->store_call.error;
    struct buf head;
    enum err err = request_url(hook, &call->arena, &trial->url, error);

    if (err != OK || type == NULL)
        return error_set(error, ERR_IO, "a stored hook has no URL or event that can be read");
    trial->exchange.body =
        hook->phone_format == PHONE_NUMBER ? type->sample : type->sample_phone_string;
    buf_init(&head, TRIAL_HEAD_BYTES_MAX);
    err = append_head(call, hook, trial, &head);
    if (err == OK)
        trial->exchange.head = arena_copy(&call->arena, buf_str(&head));
    buf_done(&head);
    return err;
}

enum err
hook_trial_build(struct call *call, struct engine *engine)
{
    struct trial *trial = ARENA_NEW(&call->arena, struct trial);
    struct hook hook;
    struct id id;
    enum err err;

    if (trial == NULL)
        return ERR_NOMEM;
    if (call_id(call, 0, &id) != OK)
        return call_problem(call, 404, "there is no such hook");
    err = hook_get(engine, call->account_pk, id, &call->arena, &hook, &call->store_call.error);
    if (err == OK)
        err = build(call, &hook, trial);
    if (err != OK)
        return err;
    trial->call = call;
    trial->hook_pk = hook.pk;
    call->prepared = trial;
    return OK;
}

/* --- the exchange --- */

static struct str
error_text(struct call *call, const struct trial *trial)
{
    if (trial->failure == HTTP_OK)
        return (struct str){NULL, 0};
    if (trial->detail.ptr == NULL)
        return str_from(http_failure_name(trial->failure));
    return arena_printf(&call->arena, "%s: %.*s", http_failure_name(trial->failure),
        STR_FMT(trial->detail));
}

static void
answer_trial(struct letter *letter)
{
    struct store_call *store_call = CONTAINER_OF(letter, struct store_call, letter);
    struct call *call = CONTAINER_OF(store_call, struct call, store_call);
    struct trial *trial = call->prepared;
    struct json_writer writer = call_answer(call, 200);
    bool has_answer = trial->failure == HTTP_OK;

    http_endpoint_free(TAKE(trial->endpoint));
    json_object_open(&writer);
    json_field_bool(&writer, STR("delivered"),
        outcome_of(has_answer, trial->status) == OUTCOME_ACCEPTED);
    json_name(&writer, STR("status"));
    if (trial->status > 0)
        json_int(&writer, trial->status);
    else
        json_null(&writer);
    json_field_str(&writer, STR("error"), error_text(call, trial));
    json_field_int(&writer, STR("latencyMs"), trial->latency_us / US_PER_MS);
    json_field_str(&writer, STR("body"), trial->answer);
    json_object_close(&writer);
    service_answer(call);
}

/* The answer's first bytes as text: whatever is not UTF-8 is shown as question marks. */
static struct str
copy_answer(struct arena *arena, struct str body)
{
    char *bytes = arena_alloc(arena, body.len + 1);
    bool is_text = str_is_utf8(body);

    if (bytes == NULL)
        return STR("");
    for (size_t i = 0; i < body.len; i++)
        bytes[i] = (char)(is_text || (unsigned char)body.ptr[i] < 0x80 ? body.ptr[i] : '?');
    return (struct str){bytes, body.len};
}

/* The endpoint may go only once the client is through with this exchange: so by letter. */
static void
on_exchanged(struct http_exchange *exchange, const struct http_result *result)
{
    struct trial *trial = (struct trial *)exchange;
    struct call *call = trial->call;

    trial->failure = result->failure;
    trial->status = result->status;
    trial->latency_us = result->latency_us;
    trial->detail = arena_copy(&call->arena, str_from(result->detail));
    trial->answer = copy_answer(&call->arena, result->body);
    call->store_call.letter.deliver = answer_trial;
    mailbox_post(call->store_call.reply, &call->store_call.letter);
}

void
hook_trial_send(struct call *call)
{
    struct trial *trial = call->prepared;
    const struct api *api = call->api;
    struct instant now = clock_instant(api->clock);
    int64_t wait_s = 0;

    if (trial_limit_take(api->trials, trial->hook_pk, now, &wait_s) != OK) {
        call_field(call, "Retry-After", arena_printf(&call->arena, "%lld", (long long)wait_s));
        call_fail(call, 429, "a hook is tested at most %d times a minute: try again in %lld s",
            TRIALS_MAX, (long long)wait_s);
        return;
    }
    if (http_endpoint_new(api->clients[call->loop_index], &trial->url, 1, &trial->endpoint) != OK) {
        call_fail(call, 503, "no memory for the test just now: try again in a second");
        return;
    }
    trial->exchange.done = on_exchanged;
    trial->exchange.deadline = instant_add_ms(now, TRIAL_MS);
    http_exchange_start(trial->endpoint, &trial->exchange);
}
