/* SPDX-License-Identifier: Apache-2.0 */
#include "store/hooks.h"

#include <string.h>

#include "base/json.h"
#include "store/events.h"
#include "store/secrets.h"

#define COLUMNS                                                                                    \
    "hook_pk, account_pk, id, url, user_info_sealed, event, webinar_id, mango_id, description,"    \
    " headers_sealed, phone_format, signature, secret_sealed, old_secret_sealed,"                  \
    " old_secret_until_us, rate_limit, max_in_flight, status, disabled_by, created_us,"            \
    " updated_us, first_failure_us, failing_us, learned_rate,"                                     \
    " (SELECT account.rate_limit FROM account WHERE account.account_pk = hook.account_pk)"

/* --- sealing --- */

struct sealed_hook {
    struct str user_info;
    struct str headers;
    struct str secret;
    struct str old_secret;
};

/* Header values are often tokens, so all of them are one secret: a JSON object, or absent. */
static enum err
headers_encode(const struct hook *hook, struct arena *arena, struct str *ret, struct error *reterr)
{
    struct json_writer writer;
    struct buf buf;
    struct str copy = {NULL, 0};

    if (hook->header_count == 0) {
        *ret = copy;
        return OK;
    }
    buf_init(&buf, REQUEST_ARENA_BYTES_MAX);
    json_start(&writer, &buf);
    json_object_open(&writer);
    for (size_t i = 0; i < hook->header_count; i++) {
        json_name(&writer, hook->headers[i].name);
        json_string(&writer, hook->headers[i].value);
    }
    json_object_close(&writer);
    if (!buf_is_full(&buf))
        copy = arena_copy(arena, buf_str(&buf));
    if (buf.ptr != NULL)
        wipe(buf.ptr, buf.len);
    buf_done(&buf);
    if (copy.ptr == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a hook's headers");
    *ret = copy;
    return OK;
}

static enum err
headers_decode(struct str text, struct arena *arena, struct hook *hook, struct error *reterr)
{
    struct json *object = NULL;
    enum err err;

    hook->header_count = 0;
    if (text.ptr == NULL)
        return OK;
    err = json_parse(text, arena, &object, reterr);
    if (err != OK)
        return err;
    if (object->kind != JSON_OBJECT || object->count > HOOK_HEADERS_MAX)
        return error_set(reterr, ERR_IO, "a hook's stored headers cannot be read");
    for (const struct json *field = object->first; field != NULL; field = field->next)
        hook->headers[hook->header_count++] = (struct hook_header){field->name, field->text};
    return OK;
}

static struct secret_place
place_of(const struct hook *hook, const char *column)
{
    return (struct secret_place){"hook", column, hook->id};
}

static enum err
seal_hook(struct engine *engine, const struct hook *hook, struct arena *arena,
    struct sealed_hook *ret, struct error *reterr)
{
    struct sealed_hook sealed;
    struct str headers = {NULL, 0};
    enum err err = headers_encode(hook, arena, &headers, reterr);

    const struct {
        const char *column;
        struct str plain;
        struct str *sealed;
    } parts[] = {
        {"user_info_sealed", hook->user_info, &sealed.user_info},
        {"headers_sealed", headers, &sealed.headers},
        {"secret_sealed", hook->secret, &sealed.secret},
        {"old_secret_sealed", hook->old_secret, &sealed.old_secret},
    };

    for (size_t i = 0; i < COUNT_OF(parts) && err == OK; i++) {
        struct secret_place place = place_of(hook, parts[i].column);

        err = secret_seal(engine, &place, parts[i].plain, arena, parts[i].sealed, reterr);
    }
    if (err == OK)
        *ret = sealed;
    return err;
}

static enum err
open_hook(struct engine *engine, const struct sealed_hook *sealed, struct arena *arena,
    struct hook *inout, struct error *reterr)
{
    struct str headers = {NULL, 0};
    enum err err = OK;

    const struct {
        const char *column;
        struct str sealed;
        struct str *plain;
    } parts[] = {
        {"user_info_sealed", sealed->user_info, &inout->user_info},
        {"headers_sealed", sealed->headers, &headers},
        {"secret_sealed", sealed->secret, &inout->secret},
        {"old_secret_sealed", sealed->old_secret, &inout->old_secret},
    };

    for (size_t i = 0; i < COUNT_OF(parts) && err == OK; i++) {
        struct secret_place place = place_of(inout, parts[i].column);

        err = secret_open(engine, &place, parts[i].sealed, arena, parts[i].plain, reterr);
    }
    return err == OK ? headers_decode(headers, arena, inout, reterr) : err;
}

/* --- reading --- */

/* A word that is not ours is a damaged row, or one of a newer program. */
static enum err
read_words(struct rows *rows, struct hook *hook, struct error *reterr)
{
    if (phone_format_parse(rows_str(rows, 10), &hook->phone_format) != OK ||
        hook_signature_parse(rows_str(rows, 11), &hook->signature) != OK ||
        hook_status_parse(rows_str(rows, 17), &hook->status) != OK)
        return error_set(reterr, ERR_IO, "a hook's row cannot be read");
    return OK;
}

static enum err
read_row(struct rows *rows, struct arena *arena, struct hook *ret, struct error *reterr)
{
    struct hook hook = hook_defaults();
    struct sealed_hook sealed = {rows_str(rows, 4), rows_str(rows, 9), rows_str(rows, 12),
        rows_str(rows, 13)};
    enum err err;

    hook.pk = rows_int(rows, 0);
    hook.account_pk = rows_int(rows, 1);
    hook.id = rows_id(rows, 2);
    hook.url = arena_copy(arena, rows_str(rows, 3));
    hook.event = arena_copy(arena, rows_str(rows, 5));
    hook.webinar_id = rows_id(rows, 6);
    hook.mango_id = rows_id(rows, 7);
    hook.description = arena_copy(arena, rows_str(rows, 8));
    hook.old_secret_until.us = rows_int(rows, 14);
    hook.rate_limit = rows_is_null(rows, 15) ? 0 : rows_real(rows, 15);
    hook.max_in_flight = rows_int(rows, 16);
    hook.disabled_by = arena_copy(arena, rows_str(rows, 18));
    hook.created.us = rows_int(rows, 19);
    hook.updated.us = rows_int(rows, 20);
    hook.first_failure.us = rows_int(rows, 21);
    hook.failing.us = rows_int(rows, 22);
    hook.learned_rate = rows_is_null(rows, 23) ? 0 : rows_real(rows, 23);
    hook.account_rate = rows_is_null(rows, 24) ? 0 : rows_real(rows, 24);

    err = read_words(rows, &hook, reterr);
    if (err == OK)
        err = open_hook(rows->engine, &sealed, arena, &hook, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a hook");
    if (err == OK)
        *ret = hook;
    return err;
}

/* The one row, read whole before it is judged. */
static enum err
read_one(struct rows *rows, struct arena *arena, struct hook *ret, struct error *reterr)
{
    struct hook hook;
    enum err err = OK;
    bool is_there = rows_next(rows);

    if (is_there)
        err = read_row(rows, arena, &hook, reterr);
    if (err != OK)
        return err;
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (!is_there)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such hook");
    *ret = hook;
    return OK;
}

enum err
hook_get(struct engine *engine, int64_t account_pk, struct id id, struct arena *arena,
    struct hook *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " COLUMNS " FROM hook WHERE id = ?1 AND account_pk = ?2 AND status <> 'deleted'",
        v_id(&id), v_int(account_pk));
    return read_one(&rows, arena, ret, reterr);
}

enum err
hook_get_pk(struct engine *engine, int64_t pk, struct arena *arena, struct hook *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " COLUMNS " FROM hook WHERE hook_pk = ?1 AND status <> 'deleted'", v_int(pk));
    return read_one(&rows, arena, ret, reterr);
}

enum err
hook_list(struct engine *engine, const struct hook_query *query, struct arena *arena,
    struct hook **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct hook *hooks = arena_alloc_array(arena, (size_t)query->limit, sizeof(*hooks));
    size_t count = 0;
    enum err err = OK;

    if (hooks == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of hooks");
    engine_select(engine, &rows,
        "SELECT " COLUMNS " FROM hook WHERE account_pk = ?1 AND status <> 'deleted'"
        " AND hook_pk < ?2 AND (?3 IS NULL OR event = ?3) AND (?4 IS NULL OR status = ?4)"
        " AND (?5 IS NULL OR webinar_id = ?5) AND (?6 IS NULL OR mango_id = ?6)"
        " AND (?7 IS NULL OR created_us >= ?7) AND (?8 IS NULL OR created_us < ?8)"
        " ORDER BY hook_pk DESC LIMIT ?9",
        v_int(query->account_pk), v_int(query->before_pk), v_text(query->event),
        v_text(query->status), v_id_or_null(&query->webinar_id), v_id_or_null(&query->mango_id),
        v_time_or_null(query->after), v_time_or_null(query->before), v_int(query->limit));
    while (err == OK && rows_next(&rows))
        err = read_row(&rows, arena, &hooks[count++], reterr);
    if (err == OK)
        err = rows_end(&rows, reterr);
    if (err == OK) {
        *ret = hooks;
        *ret_count = count;
    }
    return err;
}

/* User info is sealed, with another nonce each time, so it is compared once it was opened. */
enum err
hook_find_same(struct engine *engine, const struct hook *hook, struct arena *arena, struct id *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct id same = {0};
    enum err err = OK;

    engine_select(engine, &rows,
        "SELECT " COLUMNS " FROM hook WHERE account_pk = ?1 AND event = ?2 AND url = ?3"
        " AND webinar_id IS ?4 AND mango_id IS ?5 AND status <> 'deleted' AND hook_pk <> ?6"
        " ORDER BY hook_pk",
        v_int(hook->account_pk), v_text(hook->event), v_text(hook->url),
        v_id_or_null(&hook->webinar_id), v_id_or_null(&hook->mango_id), v_int(hook->pk));
    while (err == OK && id_is_zero(same) && rows_next(&rows)) {
        struct hook other;

        err = read_row(&rows, arena, &other, reterr);
        if (err == OK && str_equals(other.user_info, hook->user_info))
            same = other.id;
    }
    if (err == OK && id_is_zero(same))
        err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (id_is_zero(same))
        return ERR_NOT_FOUND;
    *ret = same;
    return OK;
}

enum err
hook_mango_exists(struct engine *engine, int64_t account_pk, struct id mango, bool *ret,
    struct error *reterr)
{
    int64_t count = 0;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM mango WHERE account_pk = ?1 AND id = ?2", v_int(account_pk),
        v_id(&mango));

    if (err == OK)
        *ret = count > 0;
    return err;
}

/* --- writing --- */

static struct value
rate_value(const struct hook *hook)
{
    return hook->rate_limit > 0 ? v_real(hook->rate_limit) : v_null();
}

enum err
hook_insert(struct engine *engine, const struct hook *hook, struct arena *arena, int64_t *ret_pk,
    struct error *reterr)
{
    struct sealed_hook sealed;
    enum err err = seal_hook(engine, hook, arena, &sealed, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "INSERT INTO hook (account_pk, id, url, user_info_sealed, event, webinar_id, mango_id,"
        " description, headers_sealed, phone_format, signature, secret_sealed, rate_limit,"
        " max_in_flight, status, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        v_int(hook->account_pk), v_id(&hook->id), v_text(hook->url), v_blob(sealed.user_info),
        v_text(hook->event), v_id_or_null(&hook->webinar_id), v_id_or_null(&hook->mango_id),
        v_text(hook->description), v_blob(sealed.headers),
        v_text(str_from(phone_format_name(hook->phone_format))),
        v_text(str_from(hook_signature_name(hook->signature))), v_blob(sealed.secret),
        rate_value(hook), v_int(hook->max_in_flight),
        v_text(str_from(hook_status_name(hook->status))), v_time(hook->created),
        v_time(hook->updated));
    if (err == OK)
        *ret_pk = engine_last_pk(engine);
    return err;
}

enum err
hook_update(struct engine *engine, const struct hook *hook, struct arena *arena,
    struct error *reterr)
{
    struct sealed_hook sealed;
    enum err err = seal_hook(engine, hook, arena, &sealed, reterr);

    if (err != OK)
        return err;
    /* The right sides see the row as it was: disabled_us stays when it was disabled before, and how
     * the endpoint does is forgotten only when the hook was disabled and is not any more. */
    err = engine_run(engine, reterr,
        "UPDATE hook SET url = ?2, user_info_sealed = ?3, webinar_id = ?4, mango_id = ?5,"
        " description = ?6, headers_sealed = ?7, phone_format = ?8, secret_sealed = ?9,"
        " old_secret_sealed = ?10, old_secret_until_us = ?11, rate_limit = ?12,"
        " max_in_flight = ?13, disabled_by = ?15, updated_us = ?16,"
        " disabled_us = CASE WHEN ?14 = 'enabled' THEN NULL WHEN status = ?14 THEN disabled_us"
        " ELSE ?16 END,"
        " first_failure_us = CASE WHEN ?14 = 'enabled' AND status <> ?14 THEN NULL"
        " ELSE first_failure_us END,"
        " failing_us = CASE WHEN ?14 = 'enabled' AND status <> ?14 THEN NULL ELSE failing_us END,"
        " status = ?14 WHERE hook_pk = ?1",
        v_int(hook->pk), v_text(hook->url), v_blob(sealed.user_info),
        v_id_or_null(&hook->webinar_id), v_id_or_null(&hook->mango_id), v_text(hook->description),
        v_blob(sealed.headers), v_text(str_from(phone_format_name(hook->phone_format))),
        v_blob(sealed.secret), v_blob(sealed.old_secret), v_time_or_null(hook->old_secret_until),
        rate_value(hook), v_int(hook->max_in_flight),
        v_text(str_from(hook_status_name(hook->status))), v_text(hook->disabled_by),
        v_time(hook->updated));
    if (err == OK && engine_changes(engine) != 1)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such hook");
    return err;
}

enum err
hook_forgive(struct engine *engine, int64_t pk, struct error *reterr)
{
    return engine_run(engine, reterr,
        "UPDATE hook SET first_failure_us = NULL, failing_us = NULL WHERE hook_pk = ?1", v_int(pk));
}

enum err
hook_delete(struct engine *engine, int64_t pk, struct walltime now, struct error *reterr)
{
    int64_t changed = 0;
    enum err err = engine_run(engine, reterr,
        "UPDATE hook SET status = 'deleted', user_info_sealed = NULL, headers_sealed = NULL,"
        " secret_sealed = x'', old_secret_sealed = NULL, old_secret_until_us = NULL,"
        " updated_us = ?2 WHERE hook_pk = ?1 AND status <> 'deleted'",
        v_int(pk), v_time(now));

    if (err == OK && engine_changes(engine) != 1)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such hook");
    if (err == OK)
        err = sequence_next(engine, now, &changed, reterr);
    if (err == OK)
        err = engine_run(engine, reterr,
            "UPDATE fanout SET status = 'cancelled', finished_us = ?2, changed = ?3"
            " WHERE hook_pk = ?1 AND status = 'sending'",
            v_int(pk), v_time(now), v_int(changed));
    if (err == OK)
        err = engine_run(engine, reterr, "DELETE FROM chunk WHERE hook_pk = ?1", v_int(pk));
    return err;
}
