/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of deleted accounts goes, piece by piece. Whatever hangs on a row goes before it, so
 * that each step finds by the rows that are left where the last one ended.
 */
#include "store/accounts.h"
#include "store/bulk.h"
#include "store/retention.h"

/* Rows of a step, overwritten to the byte: 10 us each where they are small. */
#define PURGE_ROWS    500
#define LONG_ROW_COST 8

struct purge {
    struct engine *engine;
    int64_t account_pk;
    int64_t left; /* rows that this step may still take; below 1: it is over */
    struct error *reterr;
};

/* The first column of the first row, or 0. */
static enum err
purge_find(struct purge *purge, const char *sql, int64_t pk, int64_t *ret)
{
    int64_t found = 0;
    enum err err = engine_get_int(purge->engine, &found, purge->reterr, sql, v_int(pk));

    if (err == OK || err == ERR_NOT_FOUND)
        *ret = found;
    return err == ERR_NOT_FOUND ? OK : err;
}

/* ?1: whose; ?2: at most so many. Nothing when the step is over. */
static enum err
purge_rows(struct purge *purge, const char *sql, int64_t pk, int64_t row_cost)
{
    enum err err;

    if (purge->left <= 0)
        return OK;
    err = engine_run(purge->engine, purge->reterr, sql, v_int(pk),
        v_int((purge->left + row_cost - 1) / row_cost));
    if (err == OK)
        purge->left -= engine_changes(purge->engine) * row_cost;
    return err;
}

/* The last row, once nothing hangs on it any more. */
static enum err
purge_row(struct purge *purge, const char *sql, int64_t pk)
{
    if (purge->left <= 0)
        return OK;
    purge->left--;
    return engine_run(purge->engine, purge->reterr, sql, v_int(pk));
}

static enum err
purge_fanout(struct purge *purge, int64_t fanout_pk)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < FANOUT_PARTS; i++)
        err = purge_rows(purge, fanout_parts[i].take, fanout_pk,
            fanout_parts[i].is_long ? LONG_ROW_COST : 1);
    if (err == OK)
        err = purge_row(purge, "DELETE FROM fanout WHERE fanout_pk = ?1", fanout_pk);
    return err;
}

static enum err
purge_event(struct purge *purge, int64_t event_pk)
{
    int64_t fanout_pk = 0;
    enum err err;

    do {
        err = purge_find(purge, "SELECT fanout_pk FROM fanout WHERE event_pk = ?1 LIMIT 1",
            event_pk, &fanout_pk);
        if (err == OK && fanout_pk != 0)
            err = purge_fanout(purge, fanout_pk);
    } while (err == OK && fanout_pk != 0 && purge->left > 0);
    return err == OK ? purge_row(purge, "DELETE FROM event WHERE event_pk = ?1", event_pk) : err;
}

static enum err
purge_group(struct purge *purge, int64_t group_pk)
{
    enum err err = purge_rows(purge,
        "DELETE FROM member WHERE group_pk = ?1 AND ord IN"
        " (SELECT ord FROM member WHERE group_pk = ?1 ORDER BY ord LIMIT ?2)",
        group_pk, 1);

    if (err == OK)
        err = purge_rows(purge,
            "DELETE FROM group_range WHERE group_pk = ?1 AND lo IN"
            " (SELECT lo FROM group_range WHERE group_pk = ?1 ORDER BY lo LIMIT ?2)",
            group_pk, 1);
    if (err == OK)
        err = purge_row(purge, "DELETE FROM audience_group WHERE group_pk = ?1", group_pk);
    return err;
}

static enum err
purge_mango(struct purge *purge, int64_t mango_pk)
{
    int64_t group_pk = 0;
    enum err err =
        purge_find(purge, "SELECT group_pk FROM mango WHERE mango_pk = ?1", mango_pk, &group_pk);

    if (err == OK)
        err = purge_group(purge, group_pk);
    return err == OK ? purge_row(purge, "DELETE FROM mango WHERE mango_pk = ?1", mango_pk) : err;
}

static enum err
purge_webinar(struct purge *purge, int64_t webinar_pk)
{
    int64_t group_pk = 0;
    enum err err = purge_find(purge, "SELECT group_pk FROM webinar WHERE webinar_pk = ?1",
        webinar_pk, &group_pk);

    if (err == OK)
        err = purge_group(purge, group_pk);
    if (err == OK)
        err = purge_rows(purge,
            "DELETE FROM webinar_mango WHERE webinar_pk = ?1 AND position IN"
            " (SELECT position FROM webinar_mango WHERE webinar_pk = ?1 LIMIT ?2)",
            webinar_pk, 1);
    if (err == OK)
        err = purge_row(purge, "DELETE FROM webinar WHERE webinar_pk = ?1", webinar_pk);
    return err;
}

/* Its lines first; an upload that is still being read then finds that there is no such bulk, and
 * takes away itself what it has added meanwhile. */
static enum err
purge_bulk(struct purge *purge, int64_t bulk_pk)
{
    bool is_swept = false;
    enum err err = bulk_sweep(purge->engine, bulk_pk, &is_swept, purge->reterr);

    if (err == OK && is_swept)
        err = bulk_discard(purge->engine, bulk_pk, purge->reterr);
    purge->left = 0;
    return err;
}

/* In this order: what comes first makes nothing of what comes later. */
static const struct purge_kind {
    const char *find;
    enum err (*take)(struct purge *purge, int64_t pk);
} kinds[] = {
    {"SELECT bulk_pk FROM bulk WHERE account_pk = ?1 LIMIT 1", purge_bulk},
    {"SELECT event_pk FROM event WHERE account_pk = ?1 ORDER BY event_pk LIMIT 1", purge_event},
    {"SELECT mango_pk FROM mango WHERE account_pk = ?1 ORDER BY mango_pk LIMIT 1", purge_mango},
    {"SELECT webinar_pk FROM webinar WHERE account_pk = ?1 LIMIT 1", purge_webinar},
};

/* All of a kind, as far as the step goes. */
static enum err
purge_all(struct purge *purge, const struct purge_kind *kind)
{
    int64_t pk = 0;
    enum err err;

    do {
        err = purge_find(purge, kind->find, purge->account_pk, &pk);
        if (err == OK && pk != 0)
            err = kind->take(purge, pk);
    } while (err == OK && pk != 0 && purge->left > 0);
    return err;
}

static enum err
purge_account(struct purge *purge)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && purge->left > 0 && i < COUNT_OF(kinds); i++)
        err = purge_all(purge, &kinds[i]);
    if (err == OK)
        err = purge_rows(purge,
            "DELETE FROM attendee WHERE attendee_pk IN (SELECT attendee_pk FROM attendee"
            " WHERE account_pk = ?1 ORDER BY attendee_pk LIMIT ?2)",
            purge->account_pk, 1);
    if (err == OK)
        err = purge_rows(purge,
            "DELETE FROM hook WHERE hook_pk IN"
            " (SELECT hook_pk FROM hook WHERE account_pk = ?1 LIMIT ?2)",
            purge->account_pk, 1);
    if (err == OK)
        err = purge_row(purge, "DELETE FROM account WHERE account_pk = ?1", purge->account_pk);
    return err;
}

enum err
account_purge_step(struct engine *engine, bool *ret_more, struct error *reterr)
{
    struct purge purge = {.engine = engine, .left = PURGE_ROWS, .reterr = reterr};
    struct error off_error;
    enum err err = purge_find(&purge,
        "SELECT account_pk FROM account WHERE deleted_us IS NOT NULL AND account_pk > ?1 LIMIT 1",
        0, &purge.account_pk);

    if (err == OK && purge.account_pk != 0) {
        err = engine_secure_delete(engine, true, reterr);
        if (err == OK)
            err = purge_account(&purge);
        /* Left on it would only be slower. */
        (void)!engine_secure_delete(engine, false, &off_error);
    }
    if (err == OK)
        *ret_more = purge.account_pk != 0;
    return err;
}
