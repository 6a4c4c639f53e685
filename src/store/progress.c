/* SPDX-License-Identifier: Apache-2.0 */
#include "store/progress.h"

#include <inttypes.h>
#include <stdio.h>

#define PROGRESS_COLUMNS                                                                           \
    "f.changed, f.fanout_pk, e.account_pk, e.id, h.id, f.status, f.end_pos, f.delivered, f.dead,"  \
    " f.skipped, f.superseded, f.started_us, f.finished_us"

void
progress_cursor_format(struct progress_cursor cursor, char ret_text[PROGRESS_CURSOR_TEXT_BYTES])
{
    (void)snprintf(ret_text, PROGRESS_CURSOR_TEXT_BYTES, "%" PRId64 "-%" PRId64, cursor.changed,
        cursor.fanout_pk);
}

enum err
progress_cursor_parse(struct str text, struct progress_cursor *ret)
{
    size_t dash = str_find(text, '-', 0);
    struct progress_cursor cursor;

    if (dash == SIZE_MAX || str_to_int64(str_slice(text, 0, dash), &cursor.changed) != OK ||
        str_to_int64(str_slice(text, dash + 1, text.len), &cursor.fanout_pk) != OK ||
        cursor.changed < 0 || cursor.fanout_pk < 0)
        return ERR_INVALID;
    *ret = cursor;
    return OK;
}

bool
progress_cursor_is_before(struct progress_cursor a, struct progress_cursor b)
{
    return a.changed < b.changed || (a.changed == b.changed && a.fanout_pk < b.fanout_pk);
}

static struct progress_row
row_read(struct rows *rows, struct arena *arena)
{
    return (struct progress_row){
        .at = {rows_int(rows, 0), rows_int(rows, 1)},
        .account_pk = rows_int(rows, 2),
        .event_id = rows_id(rows, 3),
        .progress =
            {
                .hook_id = rows_id(rows, 4),
                .status = arena_copy(arena, rows_str(rows, 5)),
                .total = rows_int(rows, 6),
                .delivered = rows_int(rows, 7),
                .dead = rows_int(rows, 8),
                .skipped = rows_int(rows, 9),
                .superseded = rows_int(rows, 10),
                .started = {rows_int(rows, 11)},
                .finished = {rows_int(rows, 12)},
            },
    };
}

static enum err
page_count_failing(struct engine *engine, struct progress_page *page, struct error *reterr)
{
    enum err err = OK;

    for (size_t i = 0; err == OK && i < page->count; i++)
        err = fanout_failing(engine, page->rows[i].at.fanout_pk, &page->rows[i].progress.failing,
            reterr);
    return err;
}

static bool
is_wanted(const struct progress_query *query, int64_t account_pk)
{
    for (size_t i = 0; i < query->account_count; i++) {
        if (query->account_pks[i] == account_pk)
            return true;
    }
    return false;
}

enum err
progress_changed(struct engine *engine, const struct progress_query *query, struct arena *arena,
    struct progress_page *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct progress_page page = {.next = query->after};
    int64_t seen = 0;
    enum err err;

    page.rows = arena_alloc_array(arena, (size_t)query->max + 1, sizeof(*page.rows));
    if (page.rows == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for what has changed");
    engine_select(engine, &rows,
        "SELECT " PROGRESS_COLUMNS " FROM fanout f CROSS JOIN event e ON e.event_pk = f.event_pk"
        " CROSS JOIN hook h ON h.hook_pk = f.hook_pk"
        " WHERE f.changed >= ?1 AND (f.changed > ?1 OR f.fanout_pk > ?2)"
        " ORDER BY f.changed, f.fanout_pk LIMIT ?3",
        v_int(query->after.changed), v_int(query->after.fanout_pk), v_int(query->max));
    while (seen < query->max && rows_next(&rows)) {
        page.next = (struct progress_cursor){rows_int(&rows, 0), rows_int(&rows, 1)};
        seen++;
        if (is_wanted(query, rows_int(&rows, 2)))
            page.rows[page.count++] = row_read(&rows, arena);
    }
    page.is_last = seen < query->max;
    err = rows_end(&rows, reterr);
    if (err == OK)
        err = page_count_failing(engine, &page, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for what has changed");
    if (err == OK)
        *ret = page;
    return err;
}

static enum err
newest(struct engine *engine, struct progress_cursor *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct progress_cursor cursor = {0};
    enum err err;

    engine_select(engine, &rows,
        "SELECT changed, fanout_pk FROM fanout ORDER BY changed DESC, fanout_pk DESC LIMIT 1");
    if (rows_next(&rows))
        cursor = (struct progress_cursor){rows_int(&rows, 0), rows_int(&rows, 1)};
    err = rows_end(&rows, reterr);
    if (err == OK)
        *ret = cursor;
    return err;
}

enum err
progress_open(struct engine *engine, int64_t account_pk, int64_t max, struct arena *arena,
    struct progress_page *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows = {0};
    struct progress_page page = {.is_last = true};
    /* First, and then only what was so by then: what changes between the two comes after next. */
    enum err err = newest(engine, &page.next, reterr);

    if (err != OK)
        return err;
    page.rows = arena_alloc_array(arena, (size_t)max + 1, sizeof(*page.rows));
    if (page.rows == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for what is open");
    engine_select(engine, &rows,
        "SELECT * FROM (SELECT " PROGRESS_COLUMNS " FROM hook h"
        " CROSS JOIN fanout f ON f.hook_pk = h.hook_pk AND f.status = 'sending'"
        " CROSS JOIN event e ON e.event_pk = f.event_pk"
        " WHERE h.account_pk = ?1 AND (f.changed < ?2 OR f.changed = ?2 AND f.fanout_pk <= ?3)"
        " ORDER BY f.changed DESC, f.fanout_pk DESC LIMIT ?4) ORDER BY 1, 2",
        v_int(account_pk), v_int(page.next.changed), v_int(page.next.fanout_pk), v_int(max));
    while (page.count < (size_t)max && rows_next(&rows))
        page.rows[page.count++] = row_read(&rows, arena);
    err = rows_end(&rows, reterr);
    if (err == OK)
        err = page_count_failing(engine, &page, reterr);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for what is open");
    if (err == OK)
        *ret = page;
    return err;
}
