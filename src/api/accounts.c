/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /accounts and their keys: for admin keys alone, which in turn open no account.
 */
#include "store/accounts.h"

#include "api/objects.h"
#include "os/random.h"
#include "store/hooks.h"

#define ACCOUNTS "/api/v1/accounts"

/* Hooks that one transaction deletes: each may have many fan-outs to cancel. */
#define HOOKS_PER_STEP 64
/* More than an account may ever need; their lanes are told one after the other. */
#define HOOKS_TOLD_MAX 100000

/* --- accounts --- */

static void
write_account(struct json_writer *writer, const struct account *account)
{
    json_object_open(writer);
    json_field_id(writer, STR("id"), account->id);
    json_field_str(writer, STR("name"), account->name);
    write_rate(writer, STR("rateLimit"), account->rate_limit);
    json_field_time(writer, STR("createdAt"), account->created);
    json_field_time(writer, STR("updatedAt"), account->updated);
    json_object_close(writer);
}

static void
answer_account(struct call *call, int status, const struct account *account)
{
    struct json_writer writer = call_answer(call, status);

    call_etag(call, account->updated);
    write_account(&writer, account);
}

/* The account that the path names. */
static enum err
path_account(struct call *call, struct engine *engine, struct account *ret)
{
    struct id id;
    enum err err = call_id(call, 0, &id);

    return err == OK ? account_get(engine, id, &call->arena, ret, &call->store_call.error) : err;
}

static enum err
create_account(struct call *call, struct engine *engine)
{
    struct account account = {.rate_limit = call->api->account_rate,
        .created = call->now,
        .updated = call->now};
    enum err err;

    account_read(&account, call->body, false, &call->faults);
    if (call->faults.count > 0)
        return call_refuse(call);
    if (id_is_zero(account.id))
        account.id = id_make(call->api->ids, call->now);
    err = account_create(engine, &account, &account.pk, &call->store_call.error);
    if (err == OK)
        answer_account(call, 201, &account);
    return err;
}

static enum err
list_accounts(struct call *call, struct engine *engine)
{
    struct account_list list;
    struct json_writer writer;
    struct page page;
    size_t shown;
    enum err err;

    if (call_page(call, &page) != OK)
        return call_refuse(call);
    err = account_list(engine, page.before_pk, page.limit + 1, &call->arena, &list,
        &call->store_call.error);
    if (err != OK)
        return err;
    shown = page_shown(&page, list.count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < shown; i++)
        write_account(&writer, &list.list[i]);
    page_close(call, &writer, list.count > shown, shown > 0 ? list.list[shown - 1].pk : 0);
    return OK;
}

static enum err
show_account(struct call *call, struct engine *engine)
{
    struct account account;
    enum err err = path_account(call, engine, &account);

    if (err == OK)
        answer_account(call, 200, &account);
    return err;
}

/* Lanes know the limit of their account from when they read their hook. */
static enum err
tell_hooks(struct call *call, struct engine *engine, int64_t account_pk)
{
    struct account_hooks hooks;
    enum err err = account_hooks(engine, account_pk, HOOKS_TOLD_MAX, &call->arena, &hooks,
        &call->store_call.error);

    for (size_t i = 0; err == OK && i < hooks.count; i++)
        call_changed(call, hooks.pks[i]);
    return err;
}

static enum err
change_account(struct call *call, struct engine *engine)
{
    struct account account;
    struct account old;
    enum err err = path_account(call, engine, &account);

    if (err == OK)
        err = call_if_match(call, account.updated);
    if (err != OK)
        return err;
    old = account;
    account_read(&account, call->body, true, &call->faults);
    if (call->faults.count > 0)
        return call_refuse(call);
    if (!str_equals(old.name, account.name) || old.rate_limit != account.rate_limit) {
        account.updated = call_later(call, account.updated);
        err = account_update(engine, &account, &call->store_call.error);
    }
    if (err == OK && old.rate_limit != account.rate_limit)
        err = tell_hooks(call, engine, account.pk);
    if (err == OK)
        answer_account(call, 200, &account);
    return err;
}

/* Its keys first, so that nobody adds anything; then its hooks, some at a time; then itself. */
static enum err
delete_account(struct call *call, struct engine *engine)
{
    struct error *reterr = &call->store_call.error;
    struct account account;
    struct account_hooks hooks = {.count = 0};
    enum err err = path_account(call, engine, &account);

    if (err == OK && call->step == 0)
        err = call_if_match(call, account.updated);
    if (err == OK)
        err = keys_delete(engine, account.pk, reterr);
    if (err == OK)
        err = account_hooks(engine, account.pk, HOOKS_PER_STEP, &call->arena, &hooks, reterr);
    for (size_t i = 0; err == OK && i < hooks.count; i++) {
        err = hook_delete(engine, hooks.pks[i], call->now, reterr);
        call_changed(call, hooks.pks[i]);
    }
    if (err == OK && hooks.count == HOOKS_PER_STEP)
        call_again(call);
    else if (err == OK)
        err = account_delete(engine, account.pk, call->now, reterr);
    if (err == OK)
        (void)call_answer(call, 204);
    return err;
}

/* --- keys --- */

/* text: the key itself, in the answer that makes it alone. */
static void
write_key(struct json_writer *writer, const struct api_key *key, struct str text)
{
    static const enum scope scopes[] = {SCOPE_READ, SCOPE_WRITE, SCOPE_INBOX};

    json_object_open(writer);
    json_field_id(writer, STR("id"), key->id);
    json_field_str(writer, STR("name"), key->name);
    json_name(writer, STR("scopes"));
    json_array_open(writer);
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        if ((key->scopes & (unsigned)scopes[i]) != 0)
            json_string(writer, str_from(scope_name(scopes[i])));
    }
    json_array_close(writer);
    if (text.ptr != NULL)
        json_field_str(writer, STR("key"), text);
    json_field_str(writer, STR("keyHint"), key->hint);
    json_field_time(writer, STR("expiresAt"), key->expires);
    json_field_time(writer, STR("createdAt"), key->created);
    json_object_close(writer);
}

static enum err
create_key(struct call *call, struct engine *engine)
{
    struct api_key key = {.name = STR("API"), .scopes = SCOPES_OF_ACCOUNT, .created = call->now};
    struct json_writer writer;
    struct account account;
    uint8_t random[32];
    char text[KEY_TEXT_BYTES];
    enum err err = path_account(call, engine, &account);

    if (err != OK)
        return err;
    key_read(&key, call->body, call->now, &call->faults);
    if (call->faults.count > 0)
        return call_refuse(call);
    key.id = id_make(call->api->ids, call->now);
    key.account_pk = account.pk;
    random_bytes(random, sizeof(random));
    key_format(random, text);
    wipe(random, sizeof(random));
    key.hint = str_slice(str_from(text), KEY_TEXT_BYTES - 1 - KEY_HINT_BYTES, KEY_TEXT_BYTES - 1);
    err = key_create(engine, &key, str_from(text), &call->store_call.error);
    if (err == OK) {
        writer = call_answer(call, 201);
        write_key(&writer, &key, str_from(text));
    }
    wipe(text, sizeof(text));
    return err;
}

static enum err
list_keys(struct call *call, struct engine *engine)
{
    struct key_query query = {.is_of_account = true};
    struct account account;
    struct json_writer writer;
    struct key_list list;
    struct page page;
    size_t shown;
    enum err err = path_account(call, engine, &account);

    if (err != OK)
        return err;
    if (call_page(call, &page) != OK)
        return call_refuse(call);
    query.account_pk = account.pk;
    query.before_pk = page.before_pk;
    query.limit = page.limit + 1;
    err = key_list(engine, &query, &call->arena, &list, &call->store_call.error);
    if (err != OK)
        return err;
    shown = page_shown(&page, list.count);
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < shown; i++)
        write_key(&writer, &list.list[i], (struct str){NULL, 0});
    page_close(call, &writer, list.count > shown, shown > 0 ? list.list[shown - 1].pk : 0);
    return OK;
}

static enum err
delete_key(struct call *call, struct engine *engine)
{
    struct error *reterr = &call->store_call.error;
    struct account account;
    struct api_key key;
    struct id id;
    enum err err = path_account(call, engine, &account);

    if (err == OK)
        err = call_id(call, 1, &id);
    if (err == OK)
        err = key_get(engine, id, &call->arena, &key, reterr);
    if (err == OK && key.account_pk != account.pk)
        err = error_set(reterr, ERR_NOT_FOUND, "there is no such key of this account");
    if (err == OK)
        err = key_delete(engine, key.pk, reterr);
    if (err == OK)
        (void)call_answer(call, 204);
    return err;
}

static const struct route routes[] = {
    {.method = "POST",
        .path = ACCOUNTS,
        .scope = SCOPE_ADMIN,
        .writes = true,
        .body = BODY_JSON,
        .perform = create_account},
    {.method = "GET",
        .path = ACCOUNTS,
        .scope = SCOPE_ADMIN,
        .query = "limit cursor",
        .perform = list_accounts},
    {.method = "GET", .path = ACCOUNTS "/{id}", .scope = SCOPE_ADMIN, .perform = show_account},
    {.method = "PATCH",
        .path = ACCOUNTS "/{id}",
        .scope = SCOPE_ADMIN,
        .writes = true,
        .body = BODY_JSON,
        .perform = change_account},
    {.method = "DELETE",
        .path = ACCOUNTS "/{id}",
        .scope = SCOPE_ADMIN,
        .writes = true,
        .perform = delete_account},
    {.method = "POST",
        .path = ACCOUNTS "/{id}/keys",
        .scope = SCOPE_ADMIN,
        .writes = true,
        .body = BODY_OPTIONAL_JSON,
        .perform = create_key},
    {.method = "GET",
        .path = ACCOUNTS "/{id}/keys",
        .scope = SCOPE_ADMIN,
        .query = "limit cursor",
        .perform = list_keys},
    {.method = "DELETE",
        .path = ACCOUNTS "/{id}/keys/{key}",
        .scope = SCOPE_ADMIN,
        .writes = true,
        .perform = delete_key},
};

const struct route_table api_account_routes = {routes, COUNT_OF(routes)};
