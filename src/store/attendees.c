/* SPDX-License-Identifier: Apache-2.0 */
#include "store/attendees.h"

#include "base/check.h"
#include "store/audience.h"

#define ATTENDEE_COLUMNS                                                                           \
    "attendee.attendee_pk, attendee.account_pk, attendee.id, attendee.name, attendee.email,"       \
    " attendee.phone, attendee.timezone, attendee.created_us, attendee.updated_us"

static struct attendee
read_row(struct rows *rows, struct arena *arena)
{
    return (struct attendee){
        .pk = rows_int(rows, 0),
        .account_pk = rows_int(rows, 1),
        .id = rows_id(rows, 2),
        .name = arena_copy(arena, rows_str(rows, 3)),
        .email = arena_copy(arena, rows_str(rows, 4)),
        .phone =
            rows_is_null(rows, 5) ? (struct str){NULL, 0} : arena_copy(arena, rows_str(rows, 5)),
        .timezone =
            rows_is_null(rows, 6) ? (struct str){NULL, 0} : arena_copy(arena, rows_str(rows, 6)),
        .created = {rows_int(rows, 7)},
        .updated = {rows_int(rows, 8)},
    };
}

/* Is the email somebody else's? */
static enum err
email_check(struct engine *engine, const struct attendee *attendee, struct error *reterr)
{
    char key[EMAIL_BYTES_MAX];
    CLEANUP(rows_done) struct rows rows;
    struct id holder = {0};
    char text[ID_TEXT_BYTES];
    enum err err;

    engine_select(engine, &rows,
        "SELECT id FROM attendee WHERE account_pk = ?1 AND email_key = ?2 AND attendee_pk <> ?3",
        v_int(attendee->account_pk), v_text(email_key(attendee->email, key)), v_int(attendee->pk));
    if (rows_next(&rows))
        holder = rows_id(&rows, 0);
    err = rows_end(&rows, reterr);
    if (err != OK || id_is_zero(holder))
        return err;
    id_format(holder, text);
    return error_set(reterr, ERR_CONFLICT, "the attendee %s has this email already", text);
}

enum err
attendee_insert(struct engine *engine, struct attendee *attendee, struct error *reterr)
{
    char key[EMAIL_BYTES_MAX];
    enum err err = email_check(engine, attendee, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "INSERT INTO attendee (account_pk, id, name, email, email_key, phone, timezone,"
        " created_us, updated_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        v_int(attendee->account_pk), v_id(&attendee->id), v_text(attendee->name),
        v_text(attendee->email), v_text(email_key(attendee->email, key)), v_text(attendee->phone),
        v_text(attendee->timezone), v_time(attendee->created), v_time(attendee->updated));
    if (err == ERR_CONFLICT)
        return error_set(reterr, ERR_CONFLICT, "there is an attendee with this id already");
    if (err == OK)
        attendee->pk = engine_last_pk(engine);
    return err;
}

static enum err
read_one(struct rows *rows, struct arena *arena, struct attendee *ret, struct error *reterr)
{
    struct attendee attendee = {0};
    enum err err;

    if (rows_next(rows))
        attendee = read_row(rows, arena);
    err = rows_end(rows, reterr);
    if (err != OK)
        return err;
    if (attendee.pk == 0)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such attendee");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for an attendee");
    *ret = attendee;
    return OK;
}

enum err
attendee_get(struct engine *engine, int64_t account_pk, struct id id, struct arena *arena,
    struct attendee *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " ATTENDEE_COLUMNS " FROM attendee WHERE account_pk = ?1 AND id = ?2",
        v_int(account_pk), v_id(&id));
    return read_one(&rows, arena, ret, reterr);
}

enum err
attendee_find_email(struct engine *engine, int64_t account_pk, struct str email,
    struct arena *arena, struct attendee *ret, struct error *reterr)
{
    char key[EMAIL_BYTES_MAX];
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT " ATTENDEE_COLUMNS " FROM attendee WHERE account_pk = ?1 AND email_key = ?2",
        v_int(account_pk), v_text(email_key(email, key)));
    return read_one(&rows, arena, ret, reterr);
}

/* key is the query's email as it is compared; it must outlive the rows. */
static void
select_list(struct engine *engine, const struct attendee_query *query, struct str key,
    struct rows *rows)
{
    int64_t before_us = query->before.us != 0 ? query->before.us : INT64_MAX;

    if (query->group_pk != 0)
        /* Range by range, so that the members of an unfinished bulk are not even looked at. */
        engine_select(engine, rows,
            "SELECT " ATTENDEE_COLUMNS ", member.ord FROM group_range CROSS JOIN member"
            " CROSS JOIN attendee WHERE group_range.group_pk = ?1 AND member.group_pk = ?1"
            " AND member.ord >= group_range.lo AND member.ord < group_range.hi"
            " AND member.ord < ?2 AND member.left_seq IS NULL"
            " AND attendee.attendee_pk = member.attendee_pk AND attendee.account_pk = ?3"
            " AND attendee.created_us >= ?5 AND attendee.created_us < ?6"
            " ORDER BY group_range.lo DESC, member.ord DESC LIMIT ?4",
            v_int(query->group_pk), v_int(query->before_pk), v_int(query->account_pk),
            v_int(query->limit), v_time(query->after), v_int(before_us));
    else if (query->email.ptr != NULL)
        engine_select(engine, rows,
            "SELECT " ATTENDEE_COLUMNS ", attendee_pk FROM attendee WHERE account_pk = ?1"
            " AND email_key = ?2 AND attendee_pk < ?3 AND created_us >= ?4 AND created_us < ?5",
            v_int(query->account_pk), v_text(key), v_int(query->before_pk), v_time(query->after),
            v_int(before_us));
    else
        engine_select(engine, rows,
            "SELECT " ATTENDEE_COLUMNS ", attendee_pk FROM attendee WHERE account_pk = ?1"
            " AND attendee_pk < ?2 AND created_us >= ?3 AND created_us < ?4"
            " ORDER BY attendee_pk DESC LIMIT ?5",
            v_int(query->account_pk), v_int(query->before_pk), v_time(query->after),
            v_int(before_us), v_int(query->limit));
}

enum err
attendee_list(struct engine *engine, const struct attendee_query *query, struct arena *arena,
    struct attendee_list *ret, struct error *reterr)
{
    char buffer[EMAIL_BYTES_MAX];
    struct str key = email_key(query->email, buffer);
    CLEANUP(rows_done) struct rows rows = {0};
    size_t capacity = (size_t)query->limit;
    struct attendee_list list = {0};
    enum err err;

    CHECK(query->limit > 0);
    list.list = arena_alloc_array(arena, capacity, sizeof(*list.list));
    list.positions = arena_alloc_array(arena, capacity, sizeof(*list.positions));
    if (list.list == NULL || list.positions == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of attendees");
    select_list(engine, query, key, &rows);
    while (list.count < capacity && rows_next(&rows)) {
        list.list[list.count] = read_row(&rows, arena);
        list.positions[list.count++] = rows_int(&rows, 9);
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of attendees");
    *ret = list;
    return OK;
}

enum err
attendee_update(struct engine *engine, const struct attendee *attendee, struct error *reterr)
{
    char key[EMAIL_BYTES_MAX];
    enum err err = email_check(engine, attendee, reterr);

    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "UPDATE attendee SET name = ?2, email = ?3, email_key = ?4, phone = ?5, timezone = ?6,"
        " updated_us = ?7 WHERE attendee_pk = ?1",
        v_int(attendee->pk), v_text(attendee->name), v_text(attendee->email),
        v_text(email_key(attendee->email, key)), v_text(attendee->phone),
        v_text(attendee->timezone), v_time(attendee->updated));
}

enum err
attendee_erase(struct engine *engine, const struct attendee *attendee, struct error *reterr)
{
    struct error off_error;
    enum err err = engine_secure_delete(engine, true, reterr);

    if (err != OK)
        return err;
    err = members_erase(engine, attendee->pk, reterr);
    if (err == OK)
        err = engine_run(engine, reterr, "DELETE FROM attendee WHERE attendee_pk = ?1",
            v_int(attendee->pk));
    /* Left on it would only be slower. */
    (void)!engine_secure_delete(engine, false, &off_error);
    return err;
}
