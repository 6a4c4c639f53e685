/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quarantine.h"

#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "store/inbox_inside.h"
#include "store/secrets.h"

/* What a call counts for beside its own bytes: its row and its places in the indexes. */
#define ROW_BYTES 512

/* A call whole, body and head, and the memory for it: once open and once sealed. */
#define CALL_BYTES_MAX (HTTP_BODY_BYTES_MAX + 2 * HTTP_HEAD_BYTES_MAX)
#define CALL_ARENA_MAX (4 * CALL_BYTES_MAX)

/* A step of an erasure opens so many, and no further once it has opened so much: some ms. */
#define ERASE_CALLS_MAX 200
#define ERASE_BYTES_MAX (2 * 1024 * 1024)

/* At a put, as many of those that are too old go at most: later puts and sweeps take the others. */
#define EXPIRE_MAX 100

/* --- a call, sealed --------------------------------------------------------------------------- */

/* A sealed call is bound to its row's number. */
static struct secret_place
place_of(int64_t quarantine_pk)
{
    struct secret_place place = {.table = "quarantine", .column = "call_sealed"};

    memcpy(place.row.bytes, &quarantine_pk, sizeof(quarantine_pk));
    return place;
}

/* Of token and headers, in front of them. */
struct lengths {
    int64_t token; /* -1: absent */
    int64_t headers;
};

static enum err
call_seal(struct engine *engine, const struct quarantined *call, int64_t pk, struct arena *arena,
    struct str *ret, struct error *reterr)
{
    struct secret_place place = place_of(pk);
    struct lengths lengths = {
        .token = call->token.ptr != NULL ? (int64_t)call->token.len : -1,
        .headers = (int64_t)call->headers.len,
    };
    size_t len = sizeof(lengths) + call->token.len + call->headers.len + call->body.len;
    char *plain = arena_alloc(arena, len);
    char *at = plain;

    if (plain == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a refused call");
    memcpy(at, &lengths, sizeof(lengths));
    at += sizeof(lengths);
    if (call->token.len > 0)
        memcpy(at, call->token.ptr, call->token.len);
    at += call->token.len;
    if (call->headers.len > 0)
        memcpy(at, call->headers.ptr, call->headers.len);
    at += call->headers.len;
    if (call->body.len > 0)
        memcpy(at, call->body.ptr, call->body.len);
    return secret_seal(engine, &place, (struct str){plain, len}, arena, ret, reterr);
}

/* Texts of the call are the arena's. */
static enum err
call_open(struct engine *engine, struct str sealed, struct arena *arena, struct quarantined *inout,
    struct error *reterr)
{
    struct secret_place place = place_of(inout->quarantine_pk);
    struct lengths lengths;
    struct str plain = {NULL, 0};
    size_t token_len;
    size_t headers_end;
    enum err err;

    if (engine_seal_key(engine) == NULL)
        return error_set(reterr, ERR_DENIED,
            "the quarantine's calls are sealed, and their key was not given");
    err = secret_open(engine, &place, sealed, arena, &plain, reterr);
    if (err != OK)
        return err;
    if (plain.len < sizeof(lengths))
        return error_set(reterr, ERR_IO, "a refused call's row is damaged");
    memcpy(&lengths, plain.ptr, sizeof(lengths));
    plain = str_slice(plain, sizeof(lengths), plain.len);
    token_len = lengths.token > 0 ? (size_t)lengths.token : 0;
    if (lengths.headers < 0 || token_len > plain.len ||
        (size_t)lengths.headers > plain.len - token_len)
        return error_set(reterr, ERR_IO, "a refused call's row is damaged");
    headers_end = token_len + (size_t)lengths.headers;
    if (lengths.token >= 0)
        inout->token = str_slice(plain, 0, token_len);
    inout->headers = str_slice(plain, token_len, headers_end);
    inout->body = str_slice(plain, headers_end, plain.len);
    return OK;
}

/* --- room ------------------------------------------------------------------------------------- */

/* Bytes of a caller, of all under ''. */
static enum err
room_used(struct engine *engine, struct str peer, int64_t *ret, struct error *reterr)
{
    int64_t bytes = 0;
    enum err err = engine_get_int(engine, &bytes, reterr,
        "SELECT bytes FROM quarantine_room WHERE peer = ?1", v_text(peer));

    if (err == OK || err == ERR_NOT_FOUND)
        *ret = bytes;
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
room_add(struct engine *engine, struct str peer, int64_t bytes, struct error *reterr)
{
    return engine_run(engine, reterr,
        "INSERT INTO quarantine_room (peer, bytes) VALUES (?1, ?2), ('', ?2)"
        " ON CONFLICT (peer) DO UPDATE SET bytes = bytes + excluded.bytes",
        v_text(peer), v_int(bytes));
}

#define LEAVING                                                                                    \
    " FROM quarantine WHERE quarantine_pk > ?1 AND quarantine_pk <= ?2 AND received_us < ?3"       \
    " AND (?4 IS NULL OR source = ?4)"

static const char *const drops[] = {
    "UPDATE quarantine_room SET bytes = quarantine_room.bytes - leaving.bytes FROM"
    " (SELECT peer, sum(bytes) AS bytes" LEAVING " GROUP BY peer"
    " UNION ALL SELECT '', coalesce(sum(bytes), 0)" LEAVING ") AS leaving"
    " WHERE leaving.peer = quarantine_room.peer",
    "DELETE FROM quarantine_room WHERE peer <> '' AND bytes <= 0"
    " AND peer IN (SELECT peer" LEAVING ")",
    "DELETE" LEAVING,
};

/* engine_changes is the number of calls. */
static enum err
drop(struct engine *engine, int64_t after_pk, int64_t last_pk, struct walltime before,
    struct str source, struct error *reterr)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < COUNT_OF(drops); i++)
        err = engine_run(engine, reterr, drops[i], v_int(after_pk), v_int(last_pk), v_time(before),
            v_text(source));
    return err;
}

static const struct str any_source = {NULL, 0};
static const struct walltime any_time = {INT64_MAX};

enum err
quarantine_expire(struct engine *engine, int64_t after_pk, int64_t last_pk, struct walltime before,
    struct error *reterr)
{
    return drop(engine, after_pk, last_pk, before, any_source, reterr);
}

/* The oldest of a caller, absent: of all, until there is room for so much more. */
static enum err
room_make(struct engine *engine, struct str peer, int64_t bytes_max, struct error *reterr)
{
    for (;;) {
        int64_t used = 0;
        int64_t oldest = 0;
        enum err err = room_used(engine, peer.ptr != NULL ? peer : STR(""), &used, reterr);

        if (err != OK || used <= bytes_max)
            return err;
        if (peer.ptr != NULL)
            err = engine_get_int(engine, &oldest, reterr,
                "SELECT quarantine_pk FROM quarantine WHERE peer = ?1 ORDER BY quarantine_pk"
                " LIMIT 1",
                v_text(peer));
        else
            err = engine_get_int(engine, &oldest, reterr,
                "SELECT quarantine_pk FROM quarantine ORDER BY quarantine_pk LIMIT 1");
        if (err == ERR_NOT_FOUND)
            return error_set(reterr, ERR_IO, "the quarantine has lost count of its bytes");
        if (err == OK)
            err = drop(engine, oldest - 1, oldest, any_time, any_source, reterr);
        if (err != OK)
            return err;
    }
}

/* --- keeping ---------------------------------------------------------------------------------- */

static enum err
expire_first(struct engine *engine, struct walltime now, int64_t keep_us, struct error *reterr)
{
    struct walltime before = {now.us - keep_us};
    int64_t last_pk = 0;
    bool is_over = false;

    enum err err;

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select(engine, &rows,
            "SELECT quarantine_pk, received_us FROM quarantine ORDER BY quarantine_pk LIMIT ?1",
            v_int(EXPIRE_MAX));
        while (!is_over && rows_next(&rows)) {
            if (rows_int(&rows, 1) < before.us)
                last_pk = rows_int(&rows, 0);
            else /* one from the future, when the clock was wrong, is passed over */
                is_over = rows_int(&rows, 1) <= now.us;
        }

        err = rows_end(&rows, reterr);
    }

    if (err == OK && last_pk != 0)
        err = drop(engine, 0, last_pk, before, any_source, reterr);
    return err;
}

static int64_t
share_of(const struct quarantine_bounds *bounds)
{
    return bounds->bytes_max / (bounds->peer_share > 0 ? bounds->peer_share : 1);
}

/* What it counts for: its own bytes, sealed, and its row. */
static int64_t
bytes_of(const struct quarantined *call)
{
    return ROW_BYTES + (int64_t)(call->source.len + call->peer.len + call->reason.len +
                                 call->token.len + call->headers.len + call->body.len);
}

static struct str
given(struct str text)
{
    return text.ptr != NULL ? text : STR("");
}

static enum err
call_insert(struct engine *engine, const struct quarantined *call, int64_t pk, struct str sealed,
    const struct quarantine_bounds *bounds, struct error *reterr)
{
    struct str peer = call->peer.len > 0 ? call->peer : STR("?");
    int64_t bytes = bytes_of(call);
    enum err err = room_make(engine, peer, share_of(bounds) - bytes, reterr);

    if (err == OK)
        err = room_make(engine, any_source, bounds->bytes_max - bytes, reterr);
    if (err == OK)
        err = engine_run(engine, reterr,
            "INSERT INTO quarantine (quarantine_pk, source, peer, reason, received_us, bytes,"
            " call_sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            v_int(pk), v_text(given(call->source)), v_text(peer), v_text(given(call->reason)),
            v_time(call->received), v_int(bytes), v_blob(sealed));
    if (err == OK)
        err = room_add(engine, peer, bytes, reterr);
    return err;
}

/* The next number follows the clock, so that none is given twice though calls go. */
static enum err
number_next(struct engine *engine, struct walltime now, int64_t *ret, struct error *reterr)
{
    return engine_get_int(engine, ret, reterr,
        "UPDATE meta SET value = max(value + 1, ?1) WHERE name = 'quarantine_sequence'"
        " RETURNING value",
        v_time(now));
}

enum err
quarantine_put(struct engine *engine, const struct quarantined *calls, size_t count,
    const struct quarantine_bounds *bounds, struct error *reterr)
{
    struct arena arena;
    enum err err = OK;

    CHECK(engine_seal_key(engine) != NULL);
    arena_init(&arena, CALL_ARENA_MAX);
    for (size_t i = 0; err == OK && i < count; i++) {
        struct str sealed = {NULL, 0};
        int64_t pk = 0;

        if (bytes_of(&calls[i]) > share_of(bounds) || bytes_of(&calls[i]) > CALL_BYTES_MAX)
            continue;
        arena_reset(&arena);
        err = number_next(engine, calls[i].received, &pk, reterr);
        if (err == OK)
            err = expire_first(engine, calls[i].received, bounds->keep_us, reterr);
        if (err == OK)
            err = call_seal(engine, &calls[i], pk, &arena, &sealed, reterr);
        if (err == OK)
            err = call_insert(engine, &calls[i], pk, sealed, bounds, reterr);
    }
    arena_done(&arena);
    return err;
}

/* --- reading ---------------------------------------------------------------------------------- */

#define CALL_COLUMNS "quarantine_pk, source, peer, reason, received_us"

static struct quarantined
call_read(struct rows *rows, struct arena *arena)
{
    return (struct quarantined){
        .quarantine_pk = rows_int(rows, 0),
        .source = arena_copy(arena, rows_str(rows, 1)),
        .peer = arena_copy(arena, rows_str(rows, 2)),
        .reason = arena_copy(arena, rows_str(rows, 3)),
        .received = {rows_int(rows, 4)},
    };
}

enum err
quarantine_list(struct engine *engine, const struct quarantine_query *query, struct arena *arena,
    struct quarantined **ret, size_t *ret_count, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct value before = v_int(query->before_pk != 0 ? query->before_pk : INT64_MAX);
    struct quarantined *calls;
    size_t count = 0;
    enum err err;

    CHECK(query->limit > 0);
    calls = arena_alloc_array(arena, query->limit, sizeof(*calls));
    if (calls == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of refused calls");
    if (query->source.ptr != NULL)
        engine_select(engine, &rows,
            "SELECT " CALL_COLUMNS " FROM quarantine WHERE quarantine_pk < ?1 AND source = ?3"
            " ORDER BY quarantine_pk DESC LIMIT ?2",
            before, v_int((int64_t)query->limit), v_text(query->source));
    else
        engine_select(engine, &rows,
            "SELECT " CALL_COLUMNS " FROM quarantine WHERE quarantine_pk < ?1"
            " ORDER BY quarantine_pk DESC LIMIT ?2",
            before, v_int((int64_t)query->limit));
    while (count < query->limit && rows_next(&rows))
        calls[count++] = call_read(&rows, arena);
    err = rows_end(&rows, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a list of refused calls");
    if (err == OK) {
        *ret = calls;
        *ret_count = count;
    }
    return err;
}

/* The first row, whole. */
static enum err
read_whole(struct engine *engine, struct rows *rows, struct arena *arena, struct quarantined *ret,
    struct error *reterr)
{
    struct quarantined call = {.quarantine_pk = 0};
    enum err err = OK;

    if (rows_next(rows)) {
        call = call_read(rows, arena);
        err = call_open(engine, rows_str(rows, 5), arena, &call, reterr);
    }
    if (err == OK)
        err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (call.quarantine_pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such refused call");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a refused call");
    *ret = call;
    return OK;
}

enum err
quarantine_get(struct engine *engine, int64_t quarantine_pk, struct arena *arena,
    struct quarantined *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " CALL_COLUMNS ", call_sealed FROM quarantine WHERE quarantine_pk = ?1",
        v_int(quarantine_pk));
    return read_whole(engine, &rows, arena, ret, reterr);
}

enum err
quarantine_next(struct engine *engine, struct str source, int64_t after_pk, struct arena *arena,
    struct quarantined *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    if (source.ptr != NULL)
        engine_select(engine, &rows,
            "SELECT " CALL_COLUMNS ", call_sealed FROM quarantine"
            " WHERE quarantine_pk > ?1 AND source = ?2 ORDER BY quarantine_pk LIMIT 1",
            v_int(after_pk), v_text(source));
    else
        engine_select(engine, &rows,
            "SELECT " CALL_COLUMNS ", call_sealed FROM quarantine"
            " WHERE quarantine_pk > ?1 ORDER BY quarantine_pk LIMIT 1",
            v_int(after_pk));
    return read_whole(engine, &rows, arena, ret, reterr);
}

/* --- letting go ------------------------------------------------------------------------------- */

enum err
quarantine_delete(struct engine *engine, int64_t quarantine_pk, struct error *reterr)
{
    enum err err = drop(engine, quarantine_pk - 1, quarantine_pk, any_time, any_source, reterr);

    if (err == OK && engine_changes(engine) == 0)
        err = error_set(reterr, ERR_NOT_FOUND, "there is no such refused call");
    return err;
}

enum err
quarantine_clear(struct engine *engine, struct str source, int64_t *ret_count, struct error *reterr)
{
    enum err err = drop(engine, 0, INT64_MAX, any_time, source, reterr);

    if (err == OK)
        *ret_count = engine_changes(engine);
    return err;
}

/* Calls of a step of an erasure. */
struct finding {
    struct engine *engine;
    struct str email;
    struct arena arena;   /* the call that is looked at */
    struct arena scratch; /* its body's JSON */
    int64_t pks[ERASE_CALLS_MAX];
    size_t count;
    struct error *reterr;
};

static enum err
calls_find(struct finding *finding, int64_t *inout)
{
    size_t bytes = 0;

    for (size_t looked = 0; looked < ERASE_CALLS_MAX && bytes < ERASE_BYTES_MAX; looked++) {
        struct quarantined call;
        enum err err;

        arena_reset(&finding->arena);
        err = quarantine_next(finding->engine, any_source, *inout, &finding->arena, &call,
            finding->reterr);
        if (err == ERR_NOT_FOUND) {
            *inout = INT64_MAX;
            return OK;
        }
        if (err != OK)
            return err;
        *inout = call.quarantine_pk;
        bytes += call.body.len;
        if (text_holds_email(call.token, finding->email) ||
            text_holds_email(call.headers, finding->email) ||
            body_holds_email(call.body, finding->email, &finding->scratch))
            finding->pks[finding->count++] = call.quarantine_pk;
    }
    return OK;
}

enum err
quarantine_erase_step(struct engine *engine, struct str email, int64_t *inout, int64_t *ret_erased,
    struct error *reterr)
{
    struct finding finding = {.engine = engine, .email = email, .reterr = reterr};
    int64_t last = *inout;
    enum err err;

    if (last == INT64_MAX)
        return OK;
    arena_init(&finding.arena, CALL_ARENA_MAX);
    arena_init(&finding.scratch, REQUEST_ARENA_BYTES_MAX);
    err = calls_find(&finding, &last);
    for (size_t i = 0; err == OK && i < finding.count; i++)
        err = drop(engine, finding.pks[i] - 1, finding.pks[i], any_time, any_source, reterr);
    arena_done(&finding.scratch);
    arena_done(&finding.arena);
    if (err == OK) {
        *inout = last;
        *ret_erased += (int64_t)finding.count;
    }
    return err;
}
