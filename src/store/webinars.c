/* SPDX-License-Identifier: Apache-2.0 */
#include "store/webinars.h"

#include "base/check.h"
#include "store/audience.h"

#define WEBINAR_COLUMNS                                                                            \
    "webinar.webinar_pk, webinar.account_pk, webinar.id, webinar.kind, webinar.title,"             \
    " webinar.link, webinar.from_us, webinar.to_us, webinar.from_wall_us, webinar.to_wall_us,"     \
    " webinar.timezone, webinar.group_pk, webinar.created_us, webinar.updated_us"

static struct webinar_time
read_time(struct rows *rows, int column, int wall_column)
{
    bool is_wall = !rows_is_null(rows, wall_column);

    return (struct webinar_time){
        .is_given = true,
        .is_wall = is_wall,
        .wall = {is_wall ? rows_int(rows, wall_column) : 0},
        .at = {rows_int(rows, column)},
    };
}

static struct webinar
read_row(struct rows *rows, struct arena *arena)
{
    struct webinar webinar = {
        .pk = rows_int(rows, 0),
        .account_pk = rows_int(rows, 1),
        .id = rows_id(rows, 2),
        .title = arena_copy(arena, rows_str(rows, 4)),
        .link = arena_copy(arena, rows_str(rows, 5)),
        .from = read_time(rows, 6, 8),
        .to = read_time(rows, 7, 9),
        .timezone = arena_copy(arena, rows_str(rows, 10)),
        .group_pk = rows_int(rows, 11),
        .created = {rows_int(rows, 12)},
        .updated = {rows_int(rows, 13)},
    };

    CHECK(webinar_kind_parse(rows_str(rows, 3), &webinar.kind) == OK);
    return webinar;
}

static struct value
v_wall(const struct webinar_time *time)
{
    return time->is_wall ? v_int(time->wall.us) : v_null();
}

enum err
webinar_insert(struct engine *engine, struct webinar *webinar, struct error *reterr)
{
    enum err err = group_create(engine, webinar->account_pk, &webinar->group_pk, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "INSERT INTO webinar (account_pk, id, kind, title, link, from_us, to_us, from_wall_us,"
        " to_wall_us, timezone, group_pk, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        v_int(webinar->account_pk), v_id(&webinar->id),
        v_text(str_from(webinar_kind_name(webinar->kind))), v_text(webinar->title),
        v_text(webinar->link), v_time(webinar->from.at), v_time(webinar->to.at),
        v_wall(&webinar->from), v_wall(&webinar->to), v_text(webinar->timezone),
        v_int(webinar->group_pk), v_time(webinar->created), v_time(webinar->updated));
    if (err == ERR_CONFLICT)
        return error_set(reterr, ERR_CONFLICT,
            "there is a webinar or consultation with this id already");
    if (err == OK)
        webinar->pk = engine_last_pk(engine);
    return err;
}

static enum err
read_one(struct rows *rows, struct arena *arena, struct webinar *ret, struct error *reterr)
{
    struct webinar webinar = {0};
    enum err err;

    if (rows_next(rows))
        webinar = read_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (webinar.pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is none with this id");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a webinar");
    *ret = webinar;
    return OK;
}

enum err
webinar_get(struct engine *engine, struct webinar_key key, struct arena *arena, struct webinar *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " WEBINAR_COLUMNS " FROM webinar WHERE account_pk = ?1 AND id = ?2 AND kind = ?3",
        v_int(key.account_pk), v_id(&key.id), v_text(str_from(webinar_kind_name(key.kind))));
    return read_one(&rows, arena, ret, reterr);
}

enum err
webinar_get_pk(struct engine *engine, int64_t webinar_pk, struct arena *arena, struct webinar *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, "SELECT " WEBINAR_COLUMNS " FROM webinar WHERE webinar_pk = ?1",
        v_int(webinar_pk));
    return read_one(&rows, arena, ret, reterr);
}

static enum err
read_list(struct rows *rows, size_t capacity, struct arena *arena, struct webinar_list *ret,
    struct error *reterr)
{
    struct webinar_list list = {.list = arena_alloc_array(arena, capacity + 1, sizeof(*list.list))};
    enum err err;

    while (list.list != NULL && list.count < capacity && rows_next(rows))
        list.list[list.count++] = read_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of webinars");
    *ret = list;
    return OK;
}

enum err
webinar_list(struct engine *engine, const struct webinar_query *query, struct arena *arena,
    struct webinar_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    CHECK(query->limit > 0);
    engine_select(engine, &rows,
        "SELECT " WEBINAR_COLUMNS " FROM webinar WHERE account_pk = ?1 AND kind = ?2"
        " AND webinar_pk < ?3 AND from_us >= ?4 AND from_us < ?5"
        " AND created_us >= ?8 AND created_us < ?9"
        " AND (?6 IS NULL OR EXISTS (SELECT 1 FROM webinar_mango"
        " JOIN mango ON mango.mango_pk = webinar_mango.mango_pk"
        " WHERE webinar_mango.webinar_pk = webinar.webinar_pk AND mango.id = ?6))"
        " ORDER BY webinar_pk DESC LIMIT ?7",
        v_int(query->account_pk), v_text(str_from(webinar_kind_name(query->kind))),
        v_int(query->before_pk), v_time(query->from),
        v_int(query->to.us != 0 ? query->to.us : INT64_MAX), v_id_or_null(&query->mango_id),
        v_int(query->limit), v_time(query->created_after),
        v_int(query->created_before.us != 0 ? query->created_before.us : INT64_MAX));
    return read_list(&rows, (size_t)query->limit, arena, ret, reterr);
}

enum err
webinar_list_of_mango(struct engine *engine, int64_t mango_pk, struct walltime now,
    struct arena *arena, struct webinar_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    int64_t count;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM webinar_mango JOIN webinar"
        " ON webinar.webinar_pk = webinar_mango.webinar_pk"
        " WHERE webinar_mango.mango_pk = ?1 AND webinar.to_us > ?2",
        v_int(mango_pk), v_time(now));

    if (err != OK)
        return err;
    engine_select(engine, &rows,
        "SELECT " WEBINAR_COLUMNS " FROM webinar_mango JOIN webinar"
        " ON webinar.webinar_pk = webinar_mango.webinar_pk"
        " WHERE webinar_mango.mango_pk = ?1 AND webinar.to_us > ?2 ORDER BY webinar.webinar_pk",
        v_int(mango_pk), v_time(now));
    return read_list(&rows, (size_t)count, arena, ret, reterr);
}

enum err
webinar_update(struct engine *engine, const struct webinar *webinar, struct error *reterr)
{
    return engine_run(engine, reterr,
        "UPDATE webinar SET title = ?2, link = ?3, from_us = ?4, to_us = ?5, from_wall_us = ?6,"
        " to_wall_us = ?7, timezone = ?8, updated_us = ?9 WHERE webinar_pk = ?1",
        v_int(webinar->pk), v_text(webinar->title), v_text(webinar->link), v_time(webinar->from.at),
        v_time(webinar->to.at), v_wall(&webinar->from), v_wall(&webinar->to),
        v_text(webinar->timezone), v_time(webinar->updated));
}

enum err
webinar_delete(struct engine *engine, const struct webinar *webinar, struct error *reterr)
{
    enum err err = engine_run(engine, reterr, "DELETE FROM webinar_mango WHERE webinar_pk = ?1",
        v_int(webinar->pk));

    if (err == OK)
        err = engine_run(engine, reterr, "DELETE FROM webinar WHERE webinar_pk = ?1",
            v_int(webinar->pk));
    if (err == OK)
        err = group_delete(engine, webinar->group_pk, reterr);
    return err;
}

enum err
webinar_mangoes_set(struct engine *engine, int64_t webinar_pk, const struct mango_list *mangoes,
    struct error *reterr)
{
    enum err err = engine_run(engine, reterr, "DELETE FROM webinar_mango WHERE webinar_pk = ?1",
        v_int(webinar_pk));

    for (size_t i = 0; err == OK && i < mangoes->count; i++)
        err = engine_run(engine, reterr,
            "INSERT INTO webinar_mango (webinar_pk, position, mango_pk) VALUES (?1, ?2, ?3)",
            v_int(webinar_pk), v_int((int64_t)i), v_int(mangoes->list[i].pk));
    return err;
}
