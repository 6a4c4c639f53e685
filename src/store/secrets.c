/* SPDX-License-Identifier: Apache-2.0 */
#include "store/secrets.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "os/files.h"
#include "os/random.h"

#define KEY_HEX_BYTES (2 * SEAL_KEY_BYTES)

/* Table and column names, two separators, an id. */
#define BOUND_BYTES_MAX 128

static const char check_text[] = "usher";
static const struct secret_place check_place = {"meta", "key_check", {{0}}};

static enum err
key_parse(struct str text, const char *where, uint8_t ret[SEAL_KEY_BYTES], struct error *reterr)
{
    uint8_t key[SEAL_KEY_BYTES];
    size_t len = 0;
    enum err err = hex_decode(str_trim(text), key, sizeof(key), &len);

    if (err == OK && len == sizeof(key))
        memcpy(ret, key, sizeof(key));
    else
        err = error_set(reterr, ERR_INVALID, "%s does not hold a key: %d hex digits are expected",
            where, KEY_HEX_BYTES);
    wipe(key, sizeof(key));
    return err;
}

static enum err
key_create_file(const char *path, uint8_t ret[SEAL_KEY_BYTES], struct error *reterr)
{
    uint8_t key[SEAL_KEY_BYTES];
    struct buf text;
    enum err err;

    buf_init(&text, KEY_HEX_BYTES + 1);
    random_bytes(key, sizeof(key));
    hex_append(&text, key, sizeof(key));
    buf_append_char(&text, '\n');
    if (buf_is_full(&text))
        err = error_set(reterr, ERR_NOMEM, "out of memory");
    else
        err = file_create_secret(path, buf_str(&text), reterr);
    if (err == OK)
        memcpy(ret, key, sizeof(key));
    wipe(key, sizeof(key));
    if (text.ptr != NULL)
        wipe(text.ptr, text.len);
    buf_done(&text);
    return err;
}

static enum err
key_read_file(const char *path, uint8_t ret[SEAL_KEY_BYTES], struct error *reterr)
{
    struct buf text;
    enum err err;

    buf_init(&text, 4 * (size_t)KEY_HEX_BYTES); /* a key amid white space, nothing more */
    err = file_read_secret(path, &text, reterr);
    if (err == OK)
        err = key_parse(buf_str(&text), path, ret, reterr);
    if (text.ptr != NULL)
        wipe(text.ptr, text.len);
    buf_done(&text);
    return err;
}

static enum err
key_load(const char *path, const char *hex, bool may_create, uint8_t ret[SEAL_KEY_BYTES],
    struct error *reterr)
{
    enum err err;

    if (hex != NULL)
        return key_parse(str_from(hex), "USHER_SECRET_KEY", ret, reterr);
    err = key_read_file(path, ret, reterr);
    if (err != ERR_NOT_FOUND)
        return err;
    if (may_create)
        return key_create_file(path, ret, reterr);
    return error_set(reterr, ERR_DENIED,
        "the key that seals this database's secrets is missing: put its file back at %s, name it "
        "with --secret-key-file, or set USHER_SECRET_KEY",
        path);
}

static enum err
check_write(struct engine *engine, struct arena *arena, struct error *reterr)
{
    struct str sealed = {NULL, 0};
    enum err err = secret_seal(engine, &check_place, str_from(check_text), arena, &sealed, reterr);

    if (err != OK)
        return err;
    return engine_run(engine, reterr, "INSERT INTO meta (name, value) VALUES ('key_check', ?1)",
        v_blob(sealed));
}

static enum err
check_compare(struct engine *engine, struct str sealed, const char *where, struct error *reterr)
{
    struct arena arena;
    struct str plain = {NULL, 0};
    enum err err;

    arena_init(&arena, 4096);
    err = secret_open(engine, &check_place, sealed, &arena, &plain, reterr);
    arena_done(&arena);
    if (err == ERR_DENIED)
        return error_set(reterr, ERR_DENIED,
            "the key from %s is not the one that seals this database's secrets: use the one that "
            "was made with it, or restored from the same backup",
            where);
    return err;
}

/* The check value as it is stored, in the arena; absent when no key was ever used. */
static enum err
check_read(struct engine *engine, struct arena *arena, struct str *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct str sealed = {NULL, 0};
    enum err err;

    engine_select(engine, &rows, "SELECT value FROM meta WHERE name = 'key_check'");
    if (rows_next(&rows))
        sealed = arena_copy(arena, rows_str(&rows, 0));
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory");
    if (err == OK)
        *ret = sealed;
    return err;
}

enum err
secrets_open(struct engine *engine, const char *key_path, const char *key_hex, struct error *reterr)
{
    uint8_t key[SEAL_KEY_BYTES];
    struct str sealed = {NULL, 0};
    struct arena arena;
    enum err err;

    arena_init(&arena, 4096);
    err = check_read(engine, &arena, &sealed, reterr);
    if (err == OK)
        err = key_load(key_path, key_hex, sealed.ptr == NULL, key, reterr);
    if (err == OK) {
        engine_set_seal_key(engine, key);
        if (sealed.ptr == NULL)
            err = check_write(engine, &arena, reterr);
        else
            err = check_compare(engine, sealed, key_hex != NULL ? "USHER_SECRET_KEY" : key_path,
                reterr);
        if (err != OK)
            engine_set_seal_key(engine, NULL);
    }
    wipe(key, sizeof(key));
    arena_done(&arena);
    return err;
}

/* "table/column/" and the row's id. */
static size_t
place_bytes(const struct secret_place *place, char out[BOUND_BYTES_MAX])
{
    size_t table_len = strlen(place->table);
    size_t column_len = strlen(place->column);
    char *at = out;

    CHECK(table_len + 1 + column_len + 1 + ID_BYTES <= BOUND_BYTES_MAX);
    memcpy(at, place->table, table_len);
    at += table_len;
    *at++ = '/';
    memcpy(at, place->column, column_len);
    at += column_len;
    *at++ = '/';
    memcpy(at, place->row.bytes, ID_BYTES);
    at += ID_BYTES;
    return (size_t)(at - out);
}

enum err
secret_seal(struct engine *engine, const struct secret_place *place, struct str plain,
    struct arena *arena, struct str *ret, struct error *reterr)
{
    char bound[BOUND_BYTES_MAX];
    uint8_t nonce[12];
    uint8_t *out;
    enum err err;

    CHECK(engine_seal_key(engine) != NULL);
    if (plain.ptr == NULL) {
        *ret = (struct str){NULL, 0};
        return OK;
    }
    out = arena_alloc(arena, plain.len + SEAL_OVERHEAD_BYTES);
    if (out == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    random_bytes(nonce, sizeof(nonce));
    err = seal(engine_seal_key(engine), nonce, (struct str){bound, place_bytes(place, bound)},
        plain, out);
    if (err != OK)
        return error_set(reterr, err, "cannot seal a secret");
    *ret = (struct str){(const char *)out, plain.len + SEAL_OVERHEAD_BYTES};
    return OK;
}

enum err
secret_open(struct engine *engine, const struct secret_place *place, struct str sealed,
    struct arena *arena, struct str *ret, struct error *reterr)
{
    char bound[BOUND_BYTES_MAX];
    uint8_t *out;
    enum err err;

    CHECK(engine_seal_key(engine) != NULL);
    if (sealed.ptr == NULL) {
        *ret = (struct str){NULL, 0};
        return OK;
    }
    if (sealed.len < SEAL_OVERHEAD_BYTES)
        return error_set(reterr, ERR_DENIED, "%s.%s: a sealed secret is cut", place->table,
            place->column);
    out = arena_alloc(arena, sealed.len - SEAL_OVERHEAD_BYTES + 1);
    if (out == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    err = seal_open(engine_seal_key(engine), (struct str){bound, place_bytes(place, bound)}, sealed,
        out);
    if (err != OK)
        return error_set(reterr, err, "%s.%s: a sealed secret does not open here", place->table,
            place->column);
    *ret = (struct str){(const char *)out, sealed.len - SEAL_OVERHEAD_BYTES};
    return OK;
}
