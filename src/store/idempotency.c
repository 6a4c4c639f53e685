/* SPDX-License-Identifier: Apache-2.0 */
#include "store/idempotency.h"

#include <string.h>

#include "store/secrets.h"

static struct value
v_digest(const uint8_t digest[SHA256_BYTES])
{
    return v_blob((struct str){(const char *)digest, SHA256_BYTES});
}

/* The row's own number changes when it is replaced; its key does not. */
static struct secret_place
place_of(const struct idempotency_key *key)
{
    struct secret_place place = {.table = "idempotency", .column = "answer_sealed"};

    memcpy(place.row.bytes, key->request, ID_BYTES);
    return place;
}

enum err
idempotency_find(struct engine *engine, const struct idempotency_key *key, struct walltime since,
    struct arena *arena, struct kept_answer *ret, struct error *reterr)
{
    struct secret_place place = place_of(key);
    CLEANUP(rows_done) struct rows rows;
    struct kept_answer answer = {0};
    struct str sealed = {NULL, 0};
    bool is_same_body = false;
    enum err err;

    engine_select(engine, &rows,
        "SELECT body_digest, status, fields, answer_sealed FROM idempotency"
        " WHERE digest = ?1 AND created_us > ?2",
        v_digest(key->request), v_time(since));
    if (rows_next(&rows)) {
        struct str digest = rows_str(&rows, 0);

        is_same_body =
            digest.len == SHA256_BYTES && memcmp(digest.ptr, key->body, SHA256_BYTES) == 0;
        answer.status = (int)rows_int(&rows, 1);
        answer.fields = arena_copy(arena, rows_str(&rows, 2));
        sealed = arena_copy(arena, rows_str(&rows, 3));
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (answer.status == 0)
        return error_set(reterr, ERR_NOT_FOUND, "no answer is kept under this key");
    if (!is_same_body)
        return error_set(reterr, ERR_CONFLICT, "an answer to another body is kept under this key");
    err = secret_open(engine, &place, sealed, arena, &answer.body, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for an answer");
    if (err == OK)
        *ret = answer;
    return err;
}

enum err
idempotency_keep(struct engine *engine, const struct idempotency_key *key, struct walltime now,
    const struct kept_answer *answer, struct arena *arena, struct error *reterr)
{
    struct secret_place place = place_of(key);
    /* Sealed, an empty answer is one, too; an absent one would be none. */
    struct str body = answer->body.len > 0 ? answer->body : STR("");
    struct str fields = answer->fields.len > 0 ? answer->fields : STR("");
    struct str sealed = {NULL, 0};
    enum err err = secret_seal(engine, &place, body, arena, &sealed, reterr);

    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "INSERT OR REPLACE INTO idempotency"
        " (digest, body_digest, status, fields, answer_sealed, created_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        v_digest(key->request), v_digest(key->body), v_int(answer->status), v_text(fields),
        v_blob(sealed), v_time(now));
}
