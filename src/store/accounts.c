/* SPDX-License-Identifier: Apache-2.0 */
#include "store/accounts.h"

static struct str
hash_str(const uint8_t hash[SHA256_BYTES])
{
    return (struct str){(const char *)hash, SHA256_BYTES};
}

enum err
account_create(struct engine *engine, struct id id, struct str name, struct walltime now,
    int64_t *ret_pk, struct error *reterr)
{
    enum err err;

    if (!account_name_is_valid(name))
        return error_set(reterr, ERR_INVALID,
            "an account's name is 1 to 100 bytes of text without control characters and without "
            "white space at its ends");
    err =
        engine_run(engine, reterr, "INSERT INTO account (id, name, created_us) VALUES (?1, ?2, ?3)",
            v_id(&id), v_text(name), v_time(now));
    if (err == ERR_CONFLICT)
        return error_set(reterr, ERR_CONFLICT, "there is an account \"%.*s\" already",
            STR_FMT(name));
    if (err == OK)
        *ret_pk = engine_last_pk(engine);
    return err;
}

enum err
account_find(struct engine *engine, struct str name, struct arena *arena, struct account *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct account account = {0};
    enum err err;

    engine_select(engine, &rows,
        "SELECT account_pk, id, name, created_us FROM account WHERE name = ?1", v_text(name));
    if (rows_next(&rows)) {
        account.pk = rows_int(&rows, 0);
        account.id = rows_id(&rows, 1);
        account.name = arena_copy(arena, rows_str(&rows, 2));
        account.created.us = rows_int(&rows, 3);
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (account.pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is no account \"%.*s\"", STR_FMT(name));
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory");
    *ret = account;
    return OK;
}

enum err
account_count(struct engine *engine, int64_t *ret, struct error *reterr)
{
    return engine_get_int(engine, ret, reterr, "SELECT count(*) FROM account");
}

enum err
key_create(struct engine *engine, const struct api_key *key, struct str text, struct error *reterr)
{
    uint8_t hash[SHA256_BYTES];
    enum err err = key_hash(text, hash);

    if (err != OK)
        return error_set(reterr, err, "a key is \"usk_\" and 43 base64url characters");
    return engine_run(engine, reterr,
        "INSERT INTO api_key (key_hash, id, account_pk, name, scopes, created_us, expires_us) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        v_blob(hash_str(hash)), v_id(&key->id),
        key->account_pk != 0 ? v_int(key->account_pk) : v_null(), v_text(key->name),
        v_int(key->scopes), v_time(key->created),
        key->expires.us != 0 ? v_time(key->expires) : v_null());
}

enum err
key_find(struct engine *engine, struct str text, struct arena *arena, struct api_key *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct api_key key = {0};
    uint8_t hash[SHA256_BYTES];
    bool found;
    enum err err = key_hash(text, hash);

    if (err == ERR_INVALID)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such key");
    if (err != OK)
        return error_set(reterr, err, "cannot digest a key");
    engine_select(engine, &rows,
        "SELECT id, account_pk, name, scopes, created_us, expires_us FROM api_key "
        "WHERE key_hash = ?1",
        v_blob(hash_str(hash)));
    found = rows_next(&rows);
    if (found) {
        key.id = rows_id(&rows, 0);
        key.account_pk = rows_int(&rows, 1);
        key.name = arena_copy(arena, rows_str(&rows, 2));
        key.scopes = (unsigned)rows_int(&rows, 3);
        key.created.us = rows_int(&rows, 4);
        key.expires.us = rows_int(&rows, 5);
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (!found)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such key");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory");
    *ret = key;
    return OK;
}
