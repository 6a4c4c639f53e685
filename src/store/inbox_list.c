/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "domain/attendee.h"
#include "store/inbox_inside.h"

/* Rows that a page looks at, at some us each: a reader is back within some tens of ms. */
#define LIST_LOOKS_MAX 10000

/* Newest first, at most ?3 in [?2, ?1): items that may have a status, and of one whether it has. */
#define LOOK_RANGE " WHERE inbox_pk < ?1 AND inbox_pk >= ?2"
#define LOOK_ORDER " ORDER BY inbox_pk DESC LIMIT ?3"

static const char look_all[] = "SELECT inbox_pk FROM inbox" LOOK_RANGE LOOK_ORDER;
/* What failed lies far back and apart: only what has a row is looked at, and what is to come. */
static const char look_rows[] = "SELECT DISTINCT inbox_pk FROM handling" LOOK_RANGE LOOK_ORDER;
static const char look_waiting[] =
    "SELECT inbox_pk FROM inbox" LOOK_RANGE
    " AND inbox_pk >= (SELECT min(next_pk) FROM handler WHERE is_configured = 1)"
    " UNION SELECT inbox_pk FROM handling" LOOK_RANGE LOOK_ORDER;

#define GET_ITEM(is_wanted)                                                                        \
    "SELECT " ITEM_COLUMNS ", " is_wanted " FROM " ITEM_TABLES " WHERE i.inbox_pk = ?1"

static const struct look {
    const char *look;
    const char *get;
} looks[] = {
    [INBOX_ANY] = {look_all, GET_ITEM("1")},
    [INBOX_WAITING] = {look_waiting, GET_ITEM(ITEM_WAITS)},
    [INBOX_DEAD] = {look_rows, GET_ITEM(ITEM_IS_DEAD)},
    [INBOX_SETTLED] = {look_all, GET_ITEM("NOT " ITEM_WAITS " AND NOT " ITEM_IS_DEAD)},
};

/* A query, and the person whom it asks for. */
struct listing {
    const struct inbox_query *query;
    char key[2 + EMAIL_BYTES_MAX];
    struct str person; /* absent: any */
};

static enum err
listing_init(struct listing *listing, const struct inbox_query *query, struct error *reterr)
{
    listing->query = query;
    listing->person = (struct str){NULL, 0};
    if (query->email.ptr == NULL)
        return OK;
    if (str_trim(query->email).len > EMAIL_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "an e-mail address has at most %d bytes",
            EMAIL_BYTES_MAX);
    memcpy(listing->key, "e:", 2);
    listing->person = (struct str){listing->key, 2 + email_key(query->email, listing->key + 2).len};
    return OK;
}

static bool
is_wanted(const struct listing *listing, struct rows *rows)
{
    const struct inbox_query *query = listing->query;
    int64_t received_us = rows_int(rows, ITEM_RECEIVED);

    if (rows_int(rows, ITEM_IS_NEWEST + 1) == 0)
        return false;
    if (((unsigned)rows_int(rows, ITEM_FLAGS) & query->flags) != query->flags)
        return false;
    if (received_us < query->after.us || (query->before.us != 0 && received_us >= query->before.us))
        return false;
    if (query->source.ptr != NULL && !str_equals(rows_str(rows, ITEM_SOURCE), query->source))
        return false;
    return listing->person.ptr == NULL || str_equals(rows_str(rows, ITEM_PERSON), listing->person);
}

/* A page under way. */
struct filling {
    struct engine *engine;
    struct arena *arena;
    struct listing listing;
    struct inbox_page page;
    int64_t looked;
    int64_t last_pk; /* looked at */
    struct error *reterr;
};

static enum err
page_look(struct filling *filling, int64_t inbox_pk)
{
    CLEANUP(rows_done) struct rows rows;

    filling->looked++;
    filling->last_pk = inbox_pk;
    engine_select(filling->engine, &rows, looks[filling->listing.query->status].get,
        v_int(inbox_pk));
    if (rows_next(&rows) && is_wanted(&filling->listing, &rows))
        filling->page.items[filling->page.count++] = item_read(&rows, filling->arena, false);
    return rows_end(&rows, filling->reterr);
}

static enum err
page_fill(struct filling *filling)
{
    const struct inbox_query *query = filling->listing.query;
    CLEANUP(rows_done) struct rows rows;
    enum err err = OK;

    /* An item's number is never less than the time it was received. */
    engine_select(filling->engine, &rows, looks[query->status].look,
        v_int(query->before_pk != 0 ? query->before_pk : INT64_MAX), v_time(query->after),
        v_int(LIST_LOOKS_MAX));
    while (err == OK && filling->page.count < query->limit && rows_next(&rows))
        err = page_look(filling, rows_int(&rows, 0));
    return err == OK ? rows_end(&rows, filling->reterr) : err;
}

enum err
inbox_list(struct engine *engine, const struct inbox_query *query, struct arena *arena,
    struct inbox_page *ret, struct error *reterr)
{
    struct filling filling = {.engine = engine, .arena = arena, .reterr = reterr};
    struct inbox_page *page = &filling.page;
    enum err err = listing_init(&filling.listing, query, reterr);

    CHECK(query->limit > 0);
    CHECK((unsigned)query->status < COUNT_OF(looks));
    if (err != OK)
        return err;
    page->items = arena_alloc_array(arena, query->limit, sizeof(*page->items));
    if (page->items == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of items");
    err = page_fill(&filling);
    if (err == OK && arena_is_full(arena))
        err = error_set(reterr, ERR_NOMEM, "out of memory for a list of items");
    if (err != OK)
        return err;
    if (page->count == query->limit || filling.looked == LIST_LOOKS_MAX)
        page->next_pk = filling.last_pk;
    *ret = *page;
    return OK;
}
