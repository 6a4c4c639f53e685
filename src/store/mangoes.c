/* SPDX-License-Identifier: Apache-2.0 */
#include "store/mangoes.h"

#include "base/check.h"
#include "store/audience.h"

#define MANGO_COLUMNS                                                                              \
    "mango.mango_pk, mango.account_pk, mango.id, mango.name, mango.group_pk, mango.created_us,"    \
    " mango.updated_us"

static struct mango
read_row(struct rows *rows, struct arena *arena)
{
    return (struct mango){
        .pk = rows_int(rows, 0),
        .account_pk = rows_int(rows, 1),
        .id = rows_id(rows, 2),
        .name = arena_copy(arena, rows_str(rows, 3)),
        .group_pk = rows_int(rows, 4),
        .created = {rows_int(rows, 5)},
        .updated = {rows_int(rows, 6)},
    };
}

enum err
mango_insert(struct engine *engine, struct mango *mango, struct error *reterr)
{
    enum err err = group_create(engine, mango->account_pk, &mango->group_pk, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "INSERT INTO mango (account_pk, id, name, group_pk, created_us, updated_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        v_int(mango->account_pk), v_id(&mango->id), v_text(mango->name), v_int(mango->group_pk),
        v_time(mango->created), v_time(mango->updated));
    if (err == ERR_CONFLICT)
        return error_set(reterr, ERR_CONFLICT, "there is a mango with this id already");
    if (err == OK)
        mango->pk = engine_last_pk(engine);
    return err;
}

static enum err
read_one(struct rows *rows, struct arena *arena, struct mango *ret, struct error *reterr)
{
    struct mango mango = {0};
    enum err err;

    if (rows_next(rows))
        mango = read_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (mango.pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is no mango with this id");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a mango");
    *ret = mango;
    return OK;
}

enum err
mango_get(struct engine *engine, int64_t account_pk, struct id id, struct arena *arena,
    struct mango *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " MANGO_COLUMNS " FROM mango WHERE account_pk = ?1 AND id = ?2", v_int(account_pk),
        v_id(&id));
    return read_one(&rows, arena, ret, reterr);
}

enum err
mango_get_group(struct engine *engine, int64_t group_pk, struct arena *arena, struct mango *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows, "SELECT " MANGO_COLUMNS " FROM mango WHERE group_pk = ?1",
        v_int(group_pk));
    return read_one(&rows, arena, ret, reterr);
}

static enum err
read_list(struct rows *rows, size_t capacity, struct arena *arena, struct mango_list *ret,
    struct error *reterr)
{
    struct mango_list list = {.list = arena_alloc_array(arena, capacity + 1, sizeof(*list.list))};
    enum err err;

    while (list.list != NULL && list.count < capacity && rows_next(rows))
        list.list[list.count++] = read_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of mangoes");
    *ret = list;
    return OK;
}

enum err
mango_list(struct engine *engine, const struct mango_query *query, struct arena *arena,
    struct mango_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    CHECK(query->limit > 0);
    engine_select(engine, &rows,
        "SELECT " MANGO_COLUMNS " FROM mango WHERE account_pk = ?1 AND mango_pk < ?2"
        " AND created_us >= ?3 AND created_us < ?4 ORDER BY mango_pk DESC LIMIT ?5",
        v_int(query->account_pk), v_int(query->before_pk), v_time(query->after),
        v_int(query->before.us != 0 ? query->before.us : INT64_MAX), v_int(query->limit));
    return read_list(&rows, (size_t)query->limit, arena, ret, reterr);
}

enum err
mango_list_of_attendee(struct engine *engine, int64_t attendee_pk, struct arena *arena,
    struct mango_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    int64_t count;
    enum err err = engine_get_int(engine, &count, reterr,
        "SELECT count(*) FROM member WHERE attendee_pk = ?1 AND left_seq IS NULL",
        v_int(attendee_pk));

    if (err != OK)
        return err;
    engine_select(engine, &rows,
        "SELECT " MANGO_COLUMNS " FROM member JOIN mango ON mango.group_pk = member.group_pk"
        " WHERE member.attendee_pk = ?1 AND member.left_seq IS NULL"
        " AND EXISTS (SELECT 1 FROM group_range WHERE group_range.group_pk = member.group_pk"
        " AND group_range.lo <= member.ord AND group_range.hi > member.ord)"
        " ORDER BY mango.mango_pk",
        v_int(attendee_pk));
    return read_list(&rows, (size_t)count, arena, ret, reterr);
}

enum err
mango_list_of_webinar(struct engine *engine, int64_t webinar_pk, struct arena *arena,
    struct mango_list *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " MANGO_COLUMNS " FROM webinar_mango"
        " JOIN mango ON mango.mango_pk = webinar_mango.mango_pk"
        " WHERE webinar_mango.webinar_pk = ?1 ORDER BY webinar_mango.position",
        v_int(webinar_pk));
    return read_list(&rows, WEBINAR_MANGOES_MAX, arena, ret, reterr);
}

enum err
mango_update(struct engine *engine, const struct mango *mango, struct error *reterr)
{
    return engine_run(engine, reterr,
        "UPDATE mango SET name = ?2, updated_us = ?3 WHERE mango_pk = ?1", v_int(mango->pk),
        v_text(mango->name), v_time(mango->updated));
}

enum err
mango_delete(struct engine *engine, const struct mango *mango, struct error *reterr)
{
    enum err err = engine_run(engine, reterr, "DELETE FROM webinar_mango WHERE mango_pk = ?1",
        v_int(mango->pk));

    if (err == OK)
        err = engine_run(engine, reterr, "DELETE FROM mango WHERE mango_pk = ?1", v_int(mango->pk));
    if (err == OK)
        err = group_delete(engine, mango->group_pk, reterr);
    return err;
}
