/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hooks.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/hook_trial.h"
#include "api/hook_url.h"
#include "api/objects.h"
#include "base/check.h"
#include "domain/event_type.h"
#include "domain/signature.h"
#include "http/service.h"
#include "os/random.h"

#define HOOKS "/api/v1/integration/webhook/webhook"

/* After a rotation the old secret signs, too, for a day: time to bring the new one to the other
 * side. Past a month nobody is bringing it any more. */
#define OVERLAP_S_DEFAULT INT64_C(86400)
#define OVERLAP_S_MAX     (INT64_C(30) * 86400)

/* --- what a hook looks like --- */

void
write_rate(struct json_writer *writer, struct str name, double rate)
{
    char text[32];

    json_name(writer, name);
    if (rate <= 0) {
        json_null(writer);
        return;
    }
    (void)snprintf(text, sizeof(text), "%.15g", rate);
    json_raw(writer, str_from(text));
}

/* What it has set and what its 429s have taught: the smaller. */
static double
effective_rate(const struct hook *hook)
{
    if (hook->rate_limit <= 0 || hook->learned_rate <= 0)
        return hook->rate_limit > 0 ? hook->rate_limit : hook->learned_rate;
    return hook->rate_limit < hook->learned_rate ? hook->rate_limit : hook->learned_rate;
}

static void
write_headers(struct json_writer *writer, const struct hook *hook)
{
    json_name(writer, STR("headers"));
    json_object_open(writer);
    for (size_t i = 0; i < hook->header_count; i++)
        json_field_str(writer, hook->headers[i].name, STR(HOOK_HEADER_VALUE_SHOWN));
    json_object_close(writer);
}

/* Enough to tell two secrets apart, nothing to guess one by: the last 4 of 32 or more. */
static void
write_hint(struct json_writer *writer, struct str secret)
{
    struct str prefix = str_slice(secret, 0, str_find(secret, '_', 0) + 1);
    struct str tail = str_slice(secret, secret.len - 4, secret.len);
    char hint[64];

    (void)snprintf(hint, sizeof(hint), "%.*s…%.*s", STR_FMT(prefix), STR_FMT(tail));
    json_field_str(writer, STR("secretHint"), str_from(hint));
}

static void
write_public_key(struct json_writer *writer, struct str text)
{
    struct secret secret;
    struct secret public_key;
    char shown[SECRET_TEXT_BYTES];

    if (secret_parse(text, &secret, NULL) != OK)
        return;
    secret_public(&secret, &public_key);
    secret_format(&public_key, shown);
    secret_wipe(&secret);
    json_field_str(writer, STR("publicKey"), str_from(shown));
}

static void
write_hook(struct json_writer *writer, const struct hook *hook, struct walltime now,
    bool shows_secret)
{
    json_object_open(writer);
    json_field_id(writer, STR("id"), hook->id);
    json_field_str(writer, STR("hookUrl"), hook->url);
    json_field_str(writer, STR("event"), hook->event);
    json_field_id(writer, STR("webinar"), hook->webinar_id);
    json_field_id(writer, STR("mango"), hook->mango_id);
    json_field_str(writer, STR("description"), hook->description);
    write_headers(writer, hook);
    json_field_str(writer, STR("phoneFormat"), str_from(phone_format_name(hook->phone_format)));
    json_field_str(writer, STR("signature"), str_from(hook_signature_name(hook->signature)));
    write_rate(writer, STR("rateLimit"), hook->rate_limit);
    write_rate(writer, STR("effectiveRate"), effective_rate(hook));
    json_field_int(writer, STR("maxInFlight"), hook->max_in_flight);
    json_field_str(writer, STR("status"), str_from(hook_status_name(hook->status)));
    if (hook->status == HOOK_DISABLED)
        json_field_str(writer, STR("disabledBy"), hook->disabled_by);
    json_field_time(writer, STR("failingSince"), hook->failing);
    if (shows_secret)
        json_field_str(writer, STR("secret"), hook->secret);
    else
        write_hint(writer, hook->secret);
    if (hook->signature == HOOK_SIGNATURE_V1A)
        write_public_key(writer, hook->secret);
    if (hook->old_secret.ptr != NULL && hook->old_secret_until.us > now.us)
        json_field_time(writer, STR("oldSecretUntil"), hook->old_secret_until);
    json_field_time(writer, STR("createdAt"), hook->created);
    json_field_time(writer, STR("updatedAt"), hook->updated);
    json_object_close(writer);
}

static void
answer_hook(struct call *call, int status, const struct hook *hook, bool shows_secret)
{
    struct json_writer writer = call_answer(call, status);

    call_etag(call, hook->updated);
    write_hook(&writer, hook, call->now, shows_secret);
}

/* --- what they share --- */

static enum err
make_secret(struct call *call, struct hook *hook)
{
    uint8_t random[SECRET_RANDOM_BYTES];
    struct secret secret;
    char text[SECRET_TEXT_BYTES];
    enum err err;

    random_bytes(random, sizeof(random));
    err = secret_generate(hook->signature == HOOK_SIGNATURE_V1 ? SECRET_V1 : SECRET_V1A, random,
        &secret);
    wipe(random, sizeof(random));
    if (err != OK)
        return error_set(&call->store_call.error, err, "a new secret could not be made");
    secret_format(&secret, text);
    secret_wipe(&secret);
    hook->secret = arena_copy(&call->arena, str_from(text));
    wipe(text, sizeof(text));
    return hook->secret.ptr != NULL ? OK : ERR_NOMEM;
}

static bool
has_header(const struct hook *hook, struct str name)
{
    for (size_t i = 0; i < hook->header_count; i++) {
        if (str_equals_nocase(hook->headers[i].name, name))
            return true;
    }
    return false;
}

/* Read the body over the hook and see to what the fields alone cannot tell. */
static enum err
read_hook(struct call *call, struct engine *engine, bool is_patch, struct hook *inout)
{
    const struct hook_url *prepared = call->prepared;
    struct id mango_before = inout->mango_id;
    enum err err = OK;
    bool exists = true;

    hook_read(inout, call->body, is_patch, &call->faults);
    if (prepared->is_given) {
        inout->url = prepared->shown;
        inout->user_info = prepared->url.user_info;
        if (prepared->refusal.ptr != NULL)
            fault_add(&call->faults, STR("/hookUrl"), "%.*s", STR_FMT(prepared->refusal));
    }
    if (inout->user_info.ptr != NULL && has_header(inout, STR("authorization")))
        fault_add(&call->faults, STR("/headers/authorization"),
            "is set from the user info in hookUrl: leave one of the two out");
    if (!id_is_zero(inout->mango_id) && !id_equals(inout->mango_id, mango_before))
        err = hook_mango_exists(engine, call->account_pk, inout->mango_id, &exists,
            &call->store_call.error);
    if (!exists)
        fault_add(&call->faults, STR("/mango"), "there is no such mango: make it first");
    return err == OK && call->faults.count_seen > 0 ? call_refuse(call) : err;
}

static enum err
refuse_same(struct call *call, struct engine *engine, const struct hook *hook)
{
    struct id same;
    char text[ID_TEXT_BYTES];
    enum err err = hook_find_same(engine, hook, &call->arena, &same, &call->store_call.error);

    if (err == ERR_NOT_FOUND)
        return OK;
    if (err != OK)
        return err;
    id_format(same, text);
    return call_problem(call, 409,
        "there is a hook with this hookUrl, event and filters already: %s; change that one", text);
}

/* For a change: also see that it is what the caller thinks it is. */
static enum err
get_hook_to_change(struct call *call, struct engine *engine, struct hook *ret)
{
    enum err err = path_hook(call, engine, &call->arena, ret);

    return err == OK ? call_if_match(call, ret->updated) : err;
}

static enum err
save_hook(struct call *call, struct engine *engine, struct hook *hook)
{
    enum err err;

    hook->updated = call_later(call, hook->updated);
    err = hook_update(engine, hook, &call->arena, &call->store_call.error);
    if (err == OK)
        call_changed(call, hook->pk);
    return err;
}

/* --- routes --- */

static enum err
create_hook(struct call *call, struct engine *engine)
{
    struct hook hook = hook_defaults();
    enum err err = read_hook(call, engine, false, &hook);

    hook.account_pk = call->account_pk;
    if (err == OK)
        err = refuse_same(call, engine, &hook);
    if (err == OK && hook.secret.ptr == NULL)
        err = make_secret(call, &hook);
    if (err != OK)
        return err;
    hook.id = id_make(call->api->ids, call->now);
    hook.created = call->now;
    hook.updated = call->now;
    err = hook_insert(engine, &hook, &call->arena, &hook.pk, &call->store_call.error);
    if (err == OK)
        answer_hook(call, 201, &hook, true);
    return err;
}

static enum err
show_hook(struct call *call, struct engine *engine)
{
    struct hook hook = {0};
    enum err err = path_hook(call, engine, &call->arena, &hook);

    if (err == OK)
        answer_hook(call, 200, &hook, false);
    return err;
}

static void
read_list_query(struct call *call, struct hook_query *query)
{
    enum hook_status status;

    call_query_id(call, STR("webinar"), &query->webinar_id);
    call_query_id(call, STR("mango"), &query->mango_id);
    call_query_time(call, STR("after"), &query->after);
    call_query_time(call, STR("before"), &query->before);
    query->event = call_query(call, STR("event"));
    query->status = call_query(call, STR("status"));
    if (query->event.ptr != NULL && event_type_find(query->event) == NULL)
        fault_add(&call->faults, STR("?event"), "is not an event that there is");
    if (query->status.ptr != NULL &&
        (hook_status_parse(query->status, &status) != OK || status == HOOK_DELETED))
        fault_add(&call->faults, STR("?status"), "must be enabled or disabled");
}

static enum err
list_hooks(struct call *call, struct engine *engine)
{
    struct hook_query query = {.account_pk = call->account_pk};
    struct json_writer writer;
    struct page page;
    struct hook *hooks = NULL;
    size_t count = 0;
    size_t shown;
    bool is_page_right = call_page(call, &page) == OK;
    enum err err;

    read_list_query(call, &query);
    if (!is_page_right || call->faults.count > 0)
        return call_refuse(call);
    query.before_pk = page.before_pk;
    query.limit = page.limit + 1;
    err = hook_list(engine, &query, &call->arena, &hooks, &count, &call->store_call.error);
    if (err != OK)
        return err;

    shown = page_shown(&page, count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < shown; i++)
        write_hook(&writer, &hooks[i], call->now, false);
    page_close(call, &writer, count > shown, shown > 0 ? hooks[shown - 1].pk : 0);
    return OK;
}

static enum err
change_hook(struct call *call, struct engine *engine)
{
    struct hook hook = {0};
    enum err err = get_hook_to_change(call, engine, &hook);

    if (err == OK)
        err = read_hook(call, engine, true, &hook);
    if (err == OK)
        err = refuse_same(call, engine, &hook);
    if (err == OK)
        err = save_hook(call, engine, &hook);
    if (err == OK)
        answer_hook(call, 200, &hook, false);
    return err;
}

static enum err
delete_hook(struct call *call, struct engine *engine)
{
    struct hook hook = {0};
    enum err err = get_hook_to_change(call, engine, &hook);

    if (err == OK)
        err = hook_delete(engine, hook.pk, call->now, &call->store_call.error);
    if (err != OK)
        return err;
    call_changed(call, hook.pk);
    (void)call_answer(call, 204);
    return OK;
}

static enum err
move_hook(struct call *call, struct engine *engine, enum hook_status status, struct hook *hook)
{
    hook_move(hook, status);
    hook->disabled_by = status == HOOK_DISABLED ? STR("owner") : (struct str){NULL, 0};
    return save_hook(call, engine, hook);
}

/* Whoever has mended the endpoint need not wait until it is probed again. */
static enum err
forgive_hook(struct call *call, struct engine *engine, const struct hook *hook)
{
    enum err err = hook_forgive(engine, hook->pk, &call->store_call.error);

    if (err == OK)
        call_changed(call, hook->pk);
    return err;
}

/* Asking for what is so already changes nothing and is no mistake. */
static enum err
set_status(struct call *call, struct engine *engine, enum hook_status status)
{
    struct hook hook = {0};
    enum err err = get_hook_to_change(call, engine, &hook);
    bool is_failing = hook.failing.us != 0 || hook.first_failure.us != 0;

    if (err == OK && hook.status != status)
        err = move_hook(call, engine, status, &hook);
    else if (err == OK && status == HOOK_ENABLED && is_failing)
        err = forgive_hook(call, engine, &hook);
    if (err != OK)
        return err;
    if (status == HOOK_ENABLED)
        hook.failing = (struct walltime){0};
    answer_hook(call, 200, &hook, false);
    return OK;
}

static enum err
enable_hook(struct call *call, struct engine *engine)
{
    return set_status(call, engine, HOOK_ENABLED);
}

static enum err
disable_hook(struct call *call, struct engine *engine)
{
    return set_status(call, engine, HOOK_DISABLED);
}

/* {overlapSeconds?, secret?}; the new secret, absent when one is to be made. */
static enum err
read_rotation(struct call *call, const struct hook *hook, int64_t *ret_overlap_s,
    struct str *ret_secret)
{
    struct field_reader reader;
    struct str secret = {NULL, 0};
    int64_t overlap_s = OVERLAP_S_DEFAULT;

    if (call->body != NULL) {
        field_reader_start(&reader, call->body, &call->faults);
        (void)field_int(&reader, STR("overlapSeconds"), 0, OVERLAP_S_MAX, &overlap_s);
        if (field_text(&reader, STR("secret"), SECRET_TEXT_BYTES, &secret)) {
            const char *wrong = hook_secret_is_wrong(hook->signature, secret);

            if (wrong != NULL)
                field_fault(&reader, STR("secret"), "%s", wrong);
            else if (str_equals(secret, hook->secret))
                field_fault(&reader, STR("secret"), "is the present secret");
        }
        field_reader_end(&reader);
    }
    if (call->faults.count > 0)
        return call_refuse(call);
    *ret_overlap_s = overlap_s;
    *ret_secret = secret;
    return OK;
}

static enum err
rotate_secret(struct call *call, struct engine *engine)
{
    struct hook hook = {0};
    struct str old;
    int64_t overlap_s = 0;
    enum err err = get_hook_to_change(call, engine, &hook);

    if (err != OK)
        return err;
    old = hook.secret;
    err = read_rotation(call, &hook, &overlap_s, &hook.secret);
    if (err == OK && hook.secret.ptr == NULL)
        err = make_secret(call, &hook);
    if (err != OK)
        return err;
    hook.old_secret = overlap_s > 0 ? old : (struct str){NULL, 0};
    hook.old_secret_until =
        (struct walltime){overlap_s > 0 ? call->now.us + overlap_s * US_PER_S : 0};
    err = save_hook(call, engine, &hook);
    if (err == OK)
        answer_hook(call, 200, &hook, true);
    return err;
}

static void
serve_event_types(struct call *call)
{
    struct json_writer writer = call_answer(call, 200);

    page_open(&writer);
    for (size_t i = 0; i < event_type_count; i++) {
        const struct event_type *type = &event_types[i];

        json_object_open(&writer);
        json_field_str(&writer, STR("name"), type->name);
        json_field_str(&writer, STR("description"), type->description);
        json_name(&writer, STR("filters"));
        json_array_open(&writer);
        for (enum event_filter filter = FILTER_WEBINAR; filter < FILTERS_COUNT; filter++) {
            if ((type->filters & BIT(filter)) != 0)
                json_string(&writer, event_filter_name(filter));
        }
        json_array_close(&writer);
        json_name(&writer, STR("schema"));
        json_raw(&writer, type->schema);
        json_name(&writer, STR("sample"));
        json_raw(&writer, type->sample);
        json_object_close(&writer);
    }
    page_close(call, &writer, false, 0);
    service_answer(call);
}

static const struct route routes[] = {
    {.method = "POST",
        .path = HOOKS,
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .prepare = hook_url_prepare,
        .perform = create_hook},
    {.method = "GET",
        .path = HOOKS,
        .scope = SCOPE_READ,
        .query = "limit cursor event status webinar mango after before",
        .perform = list_hooks},
    {.method = "GET", .path = HOOKS "/{id}", .scope = SCOPE_READ, .perform = show_hook},
    {.method = "PATCH",
        .path = HOOKS "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_JSON,
        .prepare = hook_url_prepare,
        .perform = change_hook},
    {.method = "DELETE",
        .path = HOOKS "/{id}",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = delete_hook},
    {.method = "POST",
        .path = HOOKS "/{id}/rotate-secret",
        .scope = SCOPE_WRITE,
        .writes = true,
        .body = BODY_OPTIONAL_JSON,
        .perform = rotate_secret},
    {.method = "POST",
        .path = HOOKS "/{id}/enable",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = enable_hook},
    {.method = "POST",
        .path = HOOKS "/{id}/disable",
        .scope = SCOPE_WRITE,
        .writes = true,
        .perform = disable_hook},
    {.method = "POST",
        .path = HOOKS "/{id}/test",
        .scope = SCOPE_WRITE,
        .perform = hook_trial_build,
        .after = hook_trial_send},
    {.method = "GET",
        .path = "/api/v1/event-types",
        .scope = SCOPE_READ,
        .serve = serve_event_types},
};

const struct route_table api_hook_routes = {routes, COUNT_OF(routes)};
