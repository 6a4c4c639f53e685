/* SPDX-License-Identifier: Apache-2.0 */
#include "store/accounts.h"

#include "base/check.h"

#define ACCOUNT_COLUMNS "account_pk, id, name, rate_limit, created_us, updated_us"
#define KEY_COLUMNS     "api_key_pk, id, account_pk, name, hint, scopes, created_us, expires_us"
#define KEY_LIST                                                                                   \
    "SELECT " KEY_COLUMNS ", (SELECT name FROM account"                                            \
    " WHERE account.account_pk = api_key.account_pk) FROM api_key"

/* --- accounts --- */

static struct value
rate_value(const struct account *account)
{
    return account->rate_limit > 0 ? v_real(account->rate_limit) : v_null();
}

static enum err
name_check(struct str name, struct error *reterr)
{
    if (account_name_is_valid(name))
        return OK;
    return error_set(reterr, ERR_INVALID,
        "an account's name is 1 to 100 bytes of text without control characters and without "
        "white space at its ends");
}

/* Another account has the name, or the id: which one is it? */
static enum err
refuse_twin(struct engine *engine, const struct account *account, struct error *reterr)
{
    int64_t count = 0;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM account WHERE name = ?1 AND deleted_us IS NULL AND account_pk <> ?2",
        v_text(account->name), v_int(account->pk));

    if (err != OK)
        return err;
    if (count > 0)
        return error_set(reterr, ERR_CONFLICT, "there is an account \"%.*s\" already",
            STR_FMT(account->name));
    return error_set(reterr, ERR_CONFLICT, "there is an account of that id already");
}

enum err
account_create(struct engine *engine, const struct account *account, int64_t *ret_pk,
    struct error *reterr)
{
    enum err err = name_check(account->name, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "INSERT INTO account (id, name, rate_limit, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5)",
        v_id(&account->id), v_text(account->name), rate_value(account), v_time(account->created),
        v_time(account->updated));
    if (err == ERR_CONFLICT)
        return refuse_twin(engine, account, reterr);
    if (err == OK)
        *ret_pk = engine_last_pk(engine);
    return err;
}

static struct account
account_row(struct rows *rows, struct arena *arena)
{
    return (struct account){
        .pk = rows_int(rows, 0),
        .id = rows_id(rows, 1),
        .name = arena_copy(arena, rows_str(rows, 2)),
        .rate_limit = rows_real(rows, 3), /* null is 0 */
        .created = {rows_int(rows, 4)},
        .updated = {rows_int(rows, 5)},
    };
}

/* ERR_NOT_FOUND without a text. */
static enum err
account_one(struct rows *rows, struct arena *arena, struct account *ret, struct error *reterr)
{
    struct account account = {0};
    enum err err;

    if (rows_next(rows))
        account = account_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (account.pk == 0)
        return ERR_NOT_FOUND;
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for an account");
    *ret = account;
    return OK;
}

enum err
account_find(struct engine *engine, struct str name, struct arena *arena, struct account *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    enum err err;

    engine_select(engine, &rows,
        "SELECT " ACCOUNT_COLUMNS " FROM account WHERE name = ?1 AND deleted_us IS NULL",
        v_text(name));
    err = account_one(&rows, arena, ret, reterr);
    if (err == ERR_NOT_FOUND)
        return error_set(reterr, err, "there is no account \"%.*s\"", STR_FMT(name));
    return err;
}

enum err
account_get(struct engine *engine, struct id id, struct arena *arena, struct account *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    enum err err;

    engine_select(engine, &rows,
        "SELECT " ACCOUNT_COLUMNS " FROM account WHERE id = ?1 AND deleted_us IS NULL", v_id(&id));
    err = account_one(&rows, arena, ret, reterr);
    return err == ERR_NOT_FOUND ? error_set(reterr, err, "there is no such account") : err;
}

enum err
account_count(struct engine *engine, int64_t *ret, struct error *reterr)
{
    return engine_get_int(engine, ret, reterr, "SELECT count(*) FROM account");
}

enum err
account_list(struct engine *engine, int64_t before_pk, int64_t limit, struct arena *arena,
    struct account_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct account_list list = {
        .list = arena_alloc_array(arena, (size_t)limit, sizeof(*list.list))};
    enum err err;

    CHECK(limit > 0);
    engine_select(engine, &rows,
        "SELECT " ACCOUNT_COLUMNS " FROM account WHERE account_pk < ?1 AND deleted_us IS NULL"
        " ORDER BY account_pk DESC LIMIT ?2",
        v_int(before_pk), v_int(limit));
    while (list.list != NULL && list.count < (size_t)limit && rows_next(&rows))
        list.list[list.count++] = account_row(&rows, arena);
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a list of accounts");
    if (err == OK)
        *ret = list;
    return err;
}

enum err
account_update(struct engine *engine, const struct account *account, struct error *reterr)
{
    enum err err = name_check(account->name, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "UPDATE account SET name = ?2, rate_limit = ?3, updated_us = ?4 WHERE account_pk = ?1",
        v_int(account->pk), v_text(account->name), rate_value(account), v_time(account->updated));
    return err == ERR_CONFLICT ? refuse_twin(engine, account, reterr) : err;
}

enum err
account_hooks(struct engine *engine, int64_t account_pk, int64_t limit, struct arena *arena,
    struct account_hooks *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct account_hooks hooks = {
        .pks = arena_alloc_array(arena, (size_t)limit, sizeof(*hooks.pks))};
    enum err err;

    if (hooks.pks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for the hooks of an account");
    engine_select(engine, &rows,
        "SELECT hook_pk FROM hook WHERE account_pk = ?1 AND status <> 'deleted' LIMIT ?2",
        v_int(account_pk), v_int(limit));
    while (hooks.count < (size_t)limit && rows_next(&rows))
        hooks.pks[hooks.count++] = rows_int(&rows, 0);
    err = rows_end(&rows, reterr);
    if (err == OK)
        *ret = hooks;
    return err;
}

enum err
account_delete(struct engine *engine, int64_t account_pk, struct walltime now, struct error *reterr)
{
    enum err err = keys_delete(engine, account_pk, reterr);

    if (err == OK)
        err = engine_run(engine, reterr,
            "UPDATE account SET deleted_us = ?2, updated_us = ?2"
            " WHERE account_pk = ?1 AND deleted_us IS NULL",
            v_int(account_pk), v_time(now));
    if (err == OK && engine_changes(engine) != 1)
        err = error_set(reterr, ERR_NOT_FOUND, "there is no such account");
    return err;
}

/* --- keys --- */

static struct str
hash_str(const uint8_t hash[SHA256_BYTES])
{
    return (struct str){(const char *)hash, SHA256_BYTES};
}

enum err
key_create(struct engine *engine, const struct api_key *key, struct str text, struct error *reterr)
{
    uint8_t hash[SHA256_BYTES];
    enum err err = key_hash(text, hash);

    if (err != OK)
        return error_set(reterr, err, "a key is \"usk_\" and 43 base64url characters");
    return engine_run(engine, reterr,
        "INSERT INTO api_key (key_hash, id, account_pk, name, hint, scopes, created_us, expires_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        v_blob(hash_str(hash)), v_id(&key->id), v_pk_or_null(key->account_pk), v_text(key->name),
        v_text(str_slice(text, text.len - KEY_HINT_BYTES, text.len)), v_int(key->scopes),
        v_time(key->created), v_time_or_null(key->expires));
}

static struct api_key
key_row(struct rows *rows, struct arena *arena)
{
    return (struct api_key){
        .pk = rows_int(rows, 0),
        .id = rows_id(rows, 1),
        .account_pk = rows_int(rows, 2),
        .name = arena_copy(arena, rows_str(rows, 3)),
        .hint = arena_copy(arena, rows_str(rows, 4)),
        .scopes = (unsigned)rows_int(rows, 5),
        .created = {rows_int(rows, 6)},
        .expires = {rows_int(rows, 7)},
    };
}

static enum err
key_one(struct rows *rows, struct arena *arena, struct api_key *ret, struct error *reterr)
{
    struct api_key key = {0};
    enum err err;

    if (rows_next(rows))
        key = key_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (key.pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such key");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory");
    *ret = key;
    return OK;
}

enum err
key_find_hash(struct engine *engine, const uint8_t hash[SHA256_BYTES], struct arena *arena,
    struct api_key *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, "SELECT " KEY_COLUMNS " FROM api_key WHERE key_hash = ?1",
        v_blob(hash_str(hash)));
    return key_one(&rows, arena, ret, reterr);
}

enum err
key_find(struct engine *engine, struct str text, struct arena *arena, struct api_key *ret,
    struct error *reterr)
{
    uint8_t hash[SHA256_BYTES];
    enum err err = key_hash(text, hash);

    if (err == ERR_INVALID)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such key");
    if (err != OK)
        return error_set(reterr, err, "cannot digest a key");
    return key_find_hash(engine, hash, arena, ret, reterr);
}

enum err
key_get(struct engine *engine, struct id id, struct arena *arena, struct api_key *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, "SELECT " KEY_COLUMNS " FROM api_key WHERE id = ?1", v_id(&id));
    return key_one(&rows, arena, ret, reterr);
}

enum err
key_list(struct engine *engine, const struct key_query *query, struct arena *arena,
    struct key_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    size_t limit = (size_t)query->limit;
    struct key_list list = {.list = arena_alloc_array(arena, limit, sizeof(*list.list))};
    enum err err;

    CHECK(query->limit > 0);
    if (query->is_of_account)
        engine_select(engine, &rows,
            KEY_LIST " WHERE account_pk IS ?1 AND api_key_pk < ?2"
                     " ORDER BY api_key_pk DESC LIMIT ?3",
            v_pk_or_null(query->account_pk), v_int(query->before_pk), v_int(query->limit));
    else
        engine_select(engine, &rows,
            KEY_LIST " WHERE api_key_pk < ?1 ORDER BY api_key_pk DESC LIMIT ?2",
            v_int(query->before_pk), v_int(query->limit));
    while (list.list != NULL && list.count < limit && rows_next(&rows)) {
        struct api_key *key = &list.list[list.count++];

        *key = key_row(&rows, arena);
        key->account_name = arena_copy(arena, rows_str(&rows, 8));
    }
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a list of keys");
    if (err == OK)
        *ret = list;
    return err;
}

enum err
key_delete(struct engine *engine, int64_t key_pk, struct error *reterr)
{
    enum err err =
        engine_run(engine, reterr, "DELETE FROM api_key WHERE api_key_pk = ?1", v_int(key_pk));

    if (err == OK && engine_changes(engine) != 1)
        err = error_set(reterr, ERR_NOT_FOUND, "there is no such key");
    return err;
}

enum err
keys_delete(struct engine *engine, int64_t account_pk, struct error *reterr)
{
    return engine_run(engine, reterr, "DELETE FROM api_key WHERE account_pk = ?1",
        v_int(account_pk));
}
