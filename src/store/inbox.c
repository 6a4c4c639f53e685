/* SPDX-License-Identifier: Apache-2.0 */
#include "store/inbox.h"

#include <string.h>

#include "base/check.h"
#include "store/inbox_inside.h"

_Static_assert(ITEM_STALE == 4, "ITEM_IS_STALE spells it");

/* A column that is never null takes an absent text as an empty one. */
static struct value
v_text_given(struct str text)
{
    return v_text(text.ptr != NULL ? text : STR(""));
}

static struct value
v_version(const uint8_t version[SHA256_BYTES])
{
    return v_blob((struct str){(const char *)version, SHA256_BYTES});
}

enum err
source_register(struct engine *engine, struct str name, int64_t *ret_pk, struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "INSERT INTO source (name) VALUES (?1) ON CONFLICT (name) DO NOTHING", v_text(name));

    if (err != OK)
        return err;
    return engine_get_int(engine, ret_pk, reterr, "SELECT source_pk FROM source WHERE name = ?1",
        v_text(name));
}

/* --- taking ----------------------------------------------------------------------------------- */

/* What is known of an arrival's identity. */
struct latest {
    struct item_known known;
    int64_t inbox_pk;
    int64_t revision;
};

/* Without object and person a call is about nothing that could be known again. */
static bool
is_about_something(const struct inbox_arrival *arrival)
{
    return arrival->identity.object.len > 0 || arrival->identity.person.len > 0;
}

/* Numbers for all of a batch at once. They grow with the clock, so that they do in a store, too,
 * which was restored from a copy that never saw the latest ones. */
static enum err
numbers_take(struct engine *engine, struct inbox_arrival *const *arrivals, size_t count,
    int64_t *ret_first, struct error *reterr)
{
    struct walltime newest = {0};
    int64_t last = 0;
    enum err err;

    for (size_t i = 0; i < count; i++) {
        if (arrivals[i]->received.us > newest.us)
            newest = arrivals[i]->received;
    }
    err = engine_get_int(engine, &last, reterr,
        "UPDATE meta SET value = max(value + 1, ?1) + ?2 WHERE name = 'inbox_sequence'"
        " RETURNING value",
        v_time(newest), v_int((int64_t)count - 1));
    if (err == OK)
        *ret_first = last - (int64_t)count + 1;
    return err;
}

static enum err
latest_find(struct engine *engine, const struct inbox_arrival *arrival, struct latest *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct latest latest = {.inbox_pk = 0};
    enum err err;

    engine_select(engine, &rows,
        "SELECT inbox_pk, revision, sender_sequence, version FROM inbox_latest"
        " WHERE source_pk = ?1 AND event = ?2 AND object = ?3 AND person = ?4",
        v_int(arrival->source_pk), v_text_given(arrival->identity.event),
        v_text_given(arrival->identity.object), v_text_given(arrival->identity.person));
    if (rows_next(&rows)) {
        struct str version = rows_str(&rows, 3);

        latest.known.has_latest = true;
        latest.inbox_pk = rows_int(&rows, 0);
        latest.revision = rows_int(&rows, 1);
        latest.known.sender_sequence = rows_int(&rows, 2);
        if (version.len == SHA256_BYTES)
            memcpy(latest.known.version, version.ptr, SHA256_BYTES);
    }
    err = rows_end(&rows, reterr);
    if (err == OK)
        *ret = latest;
    return err;
}

/* One that says the same may still be newer by its sender's count, and what was sent between the
 * two is stale then. */
static enum err
duplicate_count(struct engine *engine, struct inbox_arrival *arrival, const struct latest *latest,
    struct error *reterr)
{
    enum err err = engine_run(engine, reterr,
        "UPDATE inbox SET duplicates = duplicates + 1 WHERE inbox_pk = ?1",
        v_int(latest->inbox_pk));

    arrival->inbox_pk = latest->inbox_pk;
    if (err != OK || arrival->sender_sequence <= latest->known.sender_sequence)
        return err;
    return engine_run(engine, reterr,
        "UPDATE inbox_latest SET sender_sequence = ?5"
        " WHERE source_pk = ?1 AND event = ?2 AND object = ?3 AND person = ?4",
        v_int(arrival->source_pk), v_text_given(arrival->identity.event),
        v_text_given(arrival->identity.object), v_text_given(arrival->identity.person),
        v_int(arrival->sender_sequence));
}

/* ERR_CONFLICT, without a text: its sender's id is known. */
static enum err
item_insert(struct engine *engine, const struct inbox_arrival *arrival, const struct latest *latest,
    struct error *reterr)
{
    bool is_version = arrival->arrival == ARRIVAL_UPDATE;
    unsigned flags = arrival->flags;
    enum err err;

    if (arrival->arrival == ARRIVAL_STALE)
        flags |= ITEM_STALE;
    err = engine_run(engine, reterr,
        "INSERT INTO inbox (inbox_pk, source_pk, event, object, person, sender_id,"
        " sender_sequence, flags, revision, previous_pk, received_us, headers, body)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        " ON CONFLICT (source_pk, sender_id) WHERE sender_id IS NOT NULL DO NOTHING",
        v_int(arrival->inbox_pk), v_int(arrival->source_pk), v_text_given(arrival->identity.event),
        v_text_given(arrival->identity.object), v_text_given(arrival->identity.person),
        v_text(arrival->sender_id), v_pk_or_null(arrival->sender_sequence), v_int(flags),
        v_int(is_version ? latest->revision + 1 : 0),
        v_pk_or_null(is_version ? latest->inbox_pk : 0), v_time(arrival->received),
        v_text_given(arrival->headers),
        v_blob(arrival->body.ptr != NULL ? arrival->body : STR("")));
    if (err == ERR_CONFLICT) /* a number given twice, or no such source: ours to answer for */
        return error_set(reterr, ERR_IO, "an item cannot be stored under its number");
    if (err == OK && engine_changes(engine) == 0)
        return ERR_CONFLICT;
    return err;
}

static enum err
latest_set(struct engine *engine, const struct inbox_arrival *arrival, const struct latest *latest,
    struct error *reterr)
{
    int64_t sequence = arrival->sender_sequence > latest->known.sender_sequence
                           ? arrival->sender_sequence
                           : latest->known.sender_sequence;

    return engine_run(engine, reterr,
        "INSERT INTO inbox_latest (source_pk, event, object, person, inbox_pk, revision,"
        " sender_sequence, version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT (source_pk, event, object, person) DO UPDATE SET"
        " inbox_pk = excluded.inbox_pk, revision = excluded.revision,"
        " sender_sequence = excluded.sender_sequence, version = excluded.version",
        v_int(arrival->source_pk), v_text_given(arrival->identity.event),
        v_text_given(arrival->identity.object), v_text_given(arrival->identity.person),
        v_int(arrival->inbox_pk),
        v_int(arrival->arrival == ARRIVAL_UPDATE ? latest->revision + 1 : 0),
        v_pk_or_null(sequence), v_version(arrival->version));
}

/* Its sender's id is known: that alone decides, whatever it says. */
static enum err
sender_count(struct engine *engine, struct inbox_arrival *arrival, struct error *reterr)
{
    arrival->arrival = ARRIVAL_DUPLICATE;
    return engine_get_int(engine, &arrival->inbox_pk, reterr,
        "UPDATE inbox SET duplicates = duplicates + 1 WHERE source_pk = ?1 AND sender_id = ?2"
        " RETURNING inbox_pk",
        v_int(arrival->source_pk), v_text(arrival->sender_id));
}

static enum err
item_take(struct engine *engine, struct inbox_arrival *arrival, struct error *reterr)
{
    /* Beside the sender's id no other duplicate is looked for. */
    enum duplicate_policy policy =
        arrival->sender_id.ptr != NULL ? DUPLICATE_NONE : arrival->policy;
    struct latest latest = {.inbox_pk = 0};
    bool is_known = is_about_something(arrival);
    enum err err = OK;

    if (is_known)
        err = latest_find(engine, arrival, &latest, reterr);
    if (err != OK)
        return err;
    arrival->arrival =
        item_judge(policy, &latest.known, arrival->sender_sequence, arrival->version);
    if (arrival->arrival == ARRIVAL_DUPLICATE)
        return duplicate_count(engine, arrival, &latest, reterr);
    err = item_insert(engine, arrival, &latest, reterr);
    if (err == ERR_CONFLICT)
        return sender_count(engine, arrival, reterr);
    if (err != OK || !is_known || arrival->arrival == ARRIVAL_STALE)
        return err;
    return latest_set(engine, arrival, &latest, reterr);
}

enum err
inbox_take(struct engine *engine, struct inbox_arrival *const *arrivals, size_t count,
    struct error *reterr)
{
    int64_t first = 0;
    enum err err;

    if (count == 0)
        return OK;
    err = numbers_take(engine, arrivals, count, &first, reterr);
    for (size_t i = 0; err == OK && i < count; i++) {
        arrivals[i]->inbox_pk = first + (int64_t)i;
        err = item_take(engine, arrivals[i], reterr);
    }
    return err;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct str
copy_given(struct arena *arena, struct str text)
{
    return text.ptr != NULL ? arena_copy(arena, text) : text;
}

struct inbox_item
item_read(struct rows *rows, struct arena *arena, bool is_whole)
{
    unsigned flags = (unsigned)rows_int(rows, ITEM_FLAGS);

    return (struct inbox_item){
        .inbox_pk = rows_int(rows, ITEM_PK),
        .source_pk = rows_int(rows, ITEM_SOURCE_PK),
        .source = arena_copy(arena, rows_str(rows, ITEM_SOURCE)),
        .event = arena_copy(arena, rows_str(rows, ITEM_EVENT)),
        .object = arena_copy(arena, rows_str(rows, ITEM_OBJECT)),
        .person = arena_copy(arena, rows_str(rows, ITEM_PERSON)),
        .sender_id = copy_given(arena, rows_str(rows, ITEM_SENDER_ID)),
        .sender_sequence = rows_int(rows, ITEM_SENDER_SEQUENCE),
        .flags = flags,
        .revision = rows_int(rows, ITEM_REVISION),
        .previous_pk = rows_int(rows, ITEM_PREVIOUS),
        .duplicates = rows_int(rows, ITEM_DUPLICATES),
        .received = {rows_int(rows, ITEM_RECEIVED)},
        .headers =
            is_whole ? arena_copy(arena, rows_str(rows, ITEM_HEADERS)) : (struct str){NULL, 0},
        .body = is_whole ? arena_copy(arena, rows_str(rows, ITEM_BODY)) : (struct str){NULL, 0},
        .is_latest = rows_int(rows, ITEM_IS_NEWEST) != 0 && (flags & ITEM_STALE) == 0,
    };
}

enum err
inbox_get(struct engine *engine, int64_t inbox_pk, struct arena *arena, struct inbox_item *ret,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct inbox_item item = {.inbox_pk = 0};
    bool is_there;
    enum err err;

    engine_select(engine, &rows,
        "SELECT " ITEM_WHOLE_COLUMNS " FROM " ITEM_TABLES " WHERE i.inbox_pk = ?1",
        v_int(inbox_pk));
    is_there = rows_next(&rows);
    if (is_there)
        item = item_read(&rows, arena, true);
    err = rows_end(&rows, reterr);
    if (err != OK)
        return err;
    if (!is_there)
        return error_set(reterr, ERR_NOT_FOUND, "there is no such item");
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "out of memory for an item");
    *ret = item;
    return OK;
}
