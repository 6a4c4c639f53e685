/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audience.h"

#include "base/check.h"

enum err
group_create(struct engine *engine, int64_t account_pk, int64_t *ret_group_pk, struct error *reterr)
{
    enum err err = engine_run(engine, reterr, "INSERT INTO audience_group (account_pk) VALUES (?1)",
        v_int(account_pk));

    if (err != OK)
        return err;
    *ret_group_pk = engine_last_pk(engine);
    return OK;
}

enum err
group_delete(struct engine *engine, int64_t group_pk, struct error *reterr)
{
    static const char *const statements[] = {
        "DELETE FROM member WHERE group_pk = ?1",
        "DELETE FROM group_range WHERE group_pk = ?1",
        "DELETE FROM audience_group WHERE group_pk = ?1",
    };

    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        enum err err = engine_run(engine, reterr, statements[i], v_int(group_pk));

        if (err != OK)
            return err;
    }
    return OK;
}

enum err
group_reserve(struct engine *engine, int64_t group_pk, int64_t count, int64_t *ret_lo,
    struct error *reterr)
{
    int64_t next_ord;
    enum err err;

    CHECK(count >= 0);
    err = engine_get_int(engine, &next_ord, reterr,
        "SELECT next_ord FROM audience_group WHERE group_pk = ?1", v_int(group_pk));
    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "UPDATE audience_group SET next_ord = next_ord + ?2 WHERE group_pk = ?1", v_int(group_pk),
        v_int(count));
    if (err != OK)
        return err;
    *ret_lo = next_ord;
    return OK;
}

/* The range that ends where this one begins and the one that begins where it ends are taken in. */
static enum err
range_insert(struct engine *engine, int64_t group_pk, int64_t lo, int64_t hi, struct error *reterr)
{
    int64_t joined_lo = lo;
    int64_t joined_hi = hi;
    CLEANUP(rows_done) struct rows rows;
    enum err err;

    engine_select(engine, &rows,
        "SELECT lo, hi FROM group_range WHERE group_pk = ?1 AND (hi = ?2 OR lo = ?3)",
        v_int(group_pk), v_int(lo), v_int(hi));
    while (rows_next(&rows)) {
        if (rows_int(&rows, 1) == lo)
            joined_lo = rows_int(&rows, 0);
        if (rows_int(&rows, 0) == hi)
            joined_hi = rows_int(&rows, 1);
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;

    if (joined_hi != hi) {
        err = engine_run(engine, reterr, "DELETE FROM group_range WHERE group_pk = ?1 AND lo = ?2",
            v_int(group_pk), v_int(hi));
        if (err != OK)
            return err;
    }
    return engine_run(engine, reterr,
        "INSERT INTO group_range (group_pk, lo, hi) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (group_pk, lo) DO UPDATE SET hi = excluded.hi",
        v_int(group_pk), v_int(joined_lo), v_int(joined_hi));
}

enum err
group_publish(struct engine *engine, int64_t group_pk, int64_t lo, int64_t hi, struct error *reterr)
{
    enum err err;

    CHECK(lo <= hi);
    if (lo == hi)
        return OK;
    err = range_insert(engine, group_pk, lo, hi, reterr);
    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "UPDATE audience_group SET live = live + (SELECT count(*) FROM member"
        " WHERE group_pk = ?1 AND ord >= ?2 AND ord < ?3 AND left_seq IS NULL)"
        " WHERE group_pk = ?1",
        v_int(group_pk), v_int(lo), v_int(hi));
}

/* Somebody's live place, seen or not. */
static enum err
member_find(struct engine *engine, int64_t group_pk, int64_t attendee_pk, int64_t *ret_ord,
    bool *ret_visible, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    bool found = false;
    int64_t ord = 0;
    bool visible = false;
    enum err err;

    engine_select(engine, &rows,
        "SELECT m.ord, EXISTS (SELECT 1 FROM group_range r WHERE r.group_pk = m.group_pk"
        " AND r.lo <= m.ord AND r.hi > m.ord)"
        " FROM member m WHERE m.attendee_pk = ?1 AND m.group_pk = ?2 AND m.left_seq IS NULL",
        v_int(attendee_pk), v_int(group_pk));
    if (rows_next(&rows)) {
        found = true;
        ord = rows_int(&rows, 0);
        visible = rows_int(&rows, 1) != 0;
    }
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (!found)
        return ERR_NOT_FOUND;
    *ret_ord = ord;
    *ret_visible = visible;
    return OK;
}

static enum err
member_insert(struct engine *engine, int64_t group_pk, int64_t ord, int64_t attendee_pk,
    bool *ret_added, struct error *reterr)
{
    /* Only the rule that nobody is live twice is let pass: an ord given twice is our own fault. */
    enum err err = engine_run(engine, reterr,
        "INSERT INTO member (group_pk, ord, attendee_pk) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (attendee_pk, group_pk) WHERE left_seq IS NULL DO NOTHING",
        v_int(group_pk), v_int(ord), v_int(attendee_pk));

    if (err != OK)
        return err;
    *ret_added = engine_changes(engine) > 0;
    return OK;
}

enum err
member_place(struct engine *engine, int64_t group_pk, int64_t ord, int64_t attendee_pk,
    bool *ret_added, struct error *reterr)
{
    bool added = false;
    bool visible = false;
    int64_t old_ord = 0;
    enum err err = member_insert(engine, group_pk, ord, attendee_pk, &added, reterr);

    if (err == OK && !added) {
        err = member_find(engine, group_pk, attendee_pk, &old_ord, &visible, reterr);
        if (err == OK && !visible) {
            /* A bulk that is still under way, and may be so for long, leaves a hole there. */
            err = engine_run(engine, reterr, "DELETE FROM member WHERE group_pk = ?1 AND ord = ?2",
                v_int(group_pk), v_int(old_ord));
            if (err == OK)
                err = member_insert(engine, group_pk, ord, attendee_pk, &added, reterr);
        }
    }
    if (err == OK)
        *ret_added = added;
    return err;
}

enum err
member_add(struct engine *engine, int64_t group_pk, int64_t attendee_pk, int64_t *ret_ord,
    bool *ret_added, struct error *reterr)
{
    int64_t ord = 0;
    bool visible = false;
    bool placed = false;
    enum err err = member_find(engine, group_pk, attendee_pk, &ord, &visible, reterr);

    if (err == OK && visible) {
        *ret_ord = ord;
        *ret_added = false;
        return OK;
    }
    if (err != OK && err != ERR_NOT_FOUND)
        return err;

    err = group_reserve(engine, group_pk, 1, &ord, reterr);
    if (err == OK)
        err = member_place(engine, group_pk, ord, attendee_pk, &placed, reterr);
    if (err != OK)
        return err;
    CHECK(placed);
    err = group_publish(engine, group_pk, ord, ord + 1, reterr);
    if (err != OK)
        return err;
    *ret_ord = ord;
    *ret_added = true;
    return OK;
}

enum err
member_leave(struct engine *engine, int64_t group_pk, int64_t attendee_pk, int64_t sequence,
    struct error *reterr)
{
    int64_t ord = 0;
    bool visible = false;
    enum err err = member_find(engine, group_pk, attendee_pk, &ord, &visible, reterr);

    if (err == OK && !visible)
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        return error_set(reterr, ERR_NOT_FOUND, "not a member of this group");
    if (err != OK)
        return err;
    err = engine_run(engine, reterr,
        "UPDATE member SET left_seq = ?3 WHERE group_pk = ?1 AND ord = ?2", v_int(group_pk),
        v_int(ord), v_int(sequence));
    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "UPDATE audience_group SET live = live - 1 WHERE group_pk = ?1", v_int(group_pk));
}

enum err
member_is_in(struct engine *engine, int64_t group_pk, int64_t attendee_pk, bool *ret,
    struct error *reterr)
{
    int64_t ord = 0;
    bool visible = false;
    enum err err = member_find(engine, group_pk, attendee_pk, &ord, &visible, reterr);

    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    *ret = err == OK && visible;
    return OK;
}

enum err
members_erase(struct engine *engine, int64_t attendee_pk, struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "UPDATE audience_group SET live = live - 1 WHERE group_pk IN (SELECT m.group_pk"
        " FROM member m JOIN group_range r ON r.group_pk = m.group_pk AND r.lo <= m.ord"
        " AND r.hi > m.ord WHERE m.attendee_pk = ?1 AND m.left_seq IS NULL)",
        v_int(attendee_pk));

    if (err != OK)
        return err;
    /* Two statements, for each of the two partial indexes serves only its own half. */
    err = engine_run(engine, reterr,
        "DELETE FROM member WHERE attendee_pk = ?1 AND left_seq IS NULL", v_int(attendee_pk));
    if (err != OK)
        return err;
    return engine_run(engine, reterr,
        "DELETE FROM member WHERE attendee_pk = ?1 AND left_seq IS NOT NULL", v_int(attendee_pk));
}

enum err
group_live(struct engine *engine, int64_t group_pk, int64_t *ret, struct error *reterr)
{
    return engine_get_int(engine, ret, reterr,
        "SELECT live FROM audience_group WHERE group_pk = ?1", v_int(group_pk));
}

enum err
group_ranges(struct engine *engine, int64_t group_pk, bool is_told, struct audience *audience,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    enum err err = OK;

    engine_select(engine, &rows, "SELECT lo, hi FROM group_range WHERE group_pk = ?1 ORDER BY lo",
        v_int(group_pk));
    while (err == OK && rows_next(&rows))
        err = audience_add(audience, group_pk, rows_int(&rows, 0), rows_int(&rows, 1), is_told);
    if (err == ERR_LIMIT)
        return error_set(reterr, ERR_BUSY,
            "the audience lies in too many pieces until the uploads under way are done");
    if (err != OK)
        return error_set(reterr, err, "out of memory for an audience");
    return rows_end(&rows, reterr);
}
