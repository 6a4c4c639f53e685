/* SPDX-License-Identifier: Apache-2.0 */
#include "store/integrity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain/audience.h"
#include "domain/delivery.h"
#include "store/inbox_inside.h"
#include "store/migrate.h"

/* What SQLite has to say; beyond so many lines it is clear that a copy is needed. */
#define ENGINE_FAULTS_MAX 20

static void
tell(struct integrity *integrity, const char *what, int64_t count, struct str first)
{
    char text[256];
    int len = snprintf(text, sizeof(text), "%s: %" PRId64 ", the first is %.*s", what, count,
        STR_FMT(first));

    integrity->faults++;
    if (len > 0)
        integrity->found(integrity->arg,
            (struct str){text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1});
}

/* --- rules in SQL ----------------------------------------------------------------------------- */

/* Of an account that is being deleted things go in an order of their own. */
#define OF_LIVE_ACCOUNT(table)                                                                     \
    table ".account_pk NOT IN (SELECT account_pk FROM account WHERE deleted_us IS NOT NULL)"
#define OF_NO_ACCOUNT(table) table ".account_pk NOT IN (SELECT account_pk FROM account)"

#define SAME_IDENTITY(a, b)                                                                        \
    a ".source_pk = " b ".source_pk AND " a ".event = " b ".event"                                 \
      " AND " a ".object = " b ".object AND " a ".person = " b ".person"

/* Each gives the number of rows that break it, and the first of them. */
static const struct rule {
    const char *fault;
    const char *sql;
} rules[] = {
    {"keys that open no account",
        "SELECT count(*), min(hex(id)) FROM api_key WHERE account_pk IS NOT NULL"
        " AND " OF_NO_ACCOUNT("api_key")},
    {"hooks of no account", "SELECT count(*), min(hook_pk) FROM hook WHERE " OF_NO_ACCOUNT("hook")},
    {"events of no account",
        "SELECT count(*), min(event_pk) FROM event WHERE " OF_NO_ACCOUNT("event")},
    {"attendees of no account",
        "SELECT count(*), min(attendee_pk) FROM attendee WHERE " OF_NO_ACCOUNT("attendee")},
    {"mangoes of no account",
        "SELECT count(*), min(mango_pk) FROM mango WHERE " OF_NO_ACCOUNT("mango")},
    {"webinars of no account",
        "SELECT count(*), min(webinar_pk) FROM webinar WHERE " OF_NO_ACCOUNT("webinar")},
    {"mangoes without a group",
        "SELECT count(*), min(mango_pk) FROM mango WHERE " OF_LIVE_ACCOUNT(
            "mango") " AND group_pk NOT IN (SELECT group_pk FROM audience_group)"},
    {"webinars without a group",
        "SELECT count(*), min(webinar_pk) FROM webinar WHERE " OF_LIVE_ACCOUNT(
            "webinar") " AND group_pk NOT IN (SELECT group_pk FROM audience_group)"},
    {"webinars with a mango that does not exist",
        "SELECT count(*), min(webinar_mango.webinar_pk) FROM webinar_mango"
        " JOIN webinar USING (webinar_pk) WHERE " OF_LIVE_ACCOUNT(
            "webinar") " AND mango_pk NOT IN (SELECT mango_pk FROM mango)"},
    {"groups with ranges that are empty or that nobody has numbered",
        "SELECT count(*), min(group_pk) FROM group_range JOIN audience_group USING (group_pk)"
        " WHERE lo < 0 OR lo >= hi OR hi > next_ord"},
    {"groups with ranges that touch",
        "SELECT count(*), min(a.group_pk) FROM group_range a"
        " JOIN group_range b ON b.group_pk = a.group_pk AND b.lo > a.lo AND b.lo <= a.hi"},
    {"groups with members whom nobody has numbered",
        "SELECT count(*), min(group_pk) FROM member JOIN audience_group USING (group_pk)"
        " WHERE ord < 0 OR ord >= next_ord"},
    {"groups with members who do not exist",
        "SELECT count(*), min(group_pk) FROM member JOIN audience_group USING (group_pk)"
        " WHERE " OF_LIVE_ACCOUNT(
            "audience_group") " AND attendee_pk NOT IN (SELECT attendee_pk FROM attendee)"},
    {"groups that have lost count of their members",
        "SELECT count(*), min(group_pk) FROM audience_group WHERE " OF_LIVE_ACCOUNT(
            "audience_group") " AND live <> (SELECT count(*) FROM group_range r JOIN member m"
                              " ON m.group_pk = r.group_pk AND m.ord >= r.lo AND m.ord < r.hi"
                              " WHERE r.group_pk = audience_group.group_pk"
                              " AND m.left_seq IS NULL)"},
    {"events newer than the newest sequence",
        "SELECT count(*), min(event_pk) FROM event"
        " WHERE event_pk > (SELECT value FROM meta WHERE name = 'sequence')"},
    {"hooks of an unknown status", "SELECT count(*), min(hook_pk) FROM hook"
                                   " WHERE status NOT IN ('enabled', 'disabled', 'deleted')"},
    {"fan-outs of an unknown status", "SELECT count(*), min(fanout_pk) FROM fanout"
                                      " WHERE status NOT IN ('sending', 'done', 'cancelled')"},
    {"fan-outs to no hook", "SELECT count(*), min(fanout_pk) FROM fanout"
                            " WHERE hook_pk NOT IN (SELECT hook_pk FROM hook)"},
    {"fan-outs to another account's hook, or of another webinar than their event",
        "SELECT count(*), min(fanout_pk) FROM fanout JOIN event USING (event_pk)"
        " JOIN hook USING (hook_pk) WHERE event.account_pk <> hook.account_pk"
        " OR event.webinar_pk <> fanout.webinar_pk"},
    {"fan-outs with a counter below zero",
        "SELECT count(*), min(fanout_pk) FROM fanout"
        " WHERE delivered < 0 OR dead < 0 OR skipped < 0 OR superseded < 0"},
    {"fan-outs under way to a hook that was deleted",
        "SELECT count(*), min(fanout_pk) FROM fanout JOIN hook USING (hook_pk)"
        " WHERE fanout.status = 'sending' AND hook.status = 'deleted'"},
    {"attempt blocks that are cut",
        "SELECT count(*), min(rowid) FROM attempt_block WHERE length(records) % 8 <> 0"},
    {"items of no source", "SELECT count(*), min(inbox_pk) FROM inbox"
                           " WHERE source_pk NOT IN (SELECT source_pk FROM source)"},
    {"items newer than the newest number",
        "SELECT count(*), min(inbox_pk) FROM inbox"
        " WHERE inbox_pk > (SELECT value FROM meta WHERE name = 'inbox_sequence')"},
    {"items whose version does not follow from the one before",
        "SELECT count(*), min(i.inbox_pk) FROM inbox i"
        " LEFT JOIN inbox p ON p.inbox_pk = i.previous_pk"
        " WHERE i.revision < 0 OR (i.revision = 0) <> (i.previous_pk IS NULL)"
        " OR i.previous_pk >= i.inbox_pk"
        " OR p.revision <> i.revision - 1 OR NOT (" SAME_IDENTITY("p", "i") ")"},
    {"things whose latest version is not there, or another than it says",
        "SELECT count(*), min(l.inbox_pk) FROM inbox_latest l"
        " LEFT JOIN inbox i ON i.inbox_pk = l.inbox_pk"
        " WHERE i.inbox_pk IS NULL OR i.revision <> l.revision OR " ITEM_IS_STALE
        " OR length(l.version) <> 32 OR NOT (" SAME_IDENTITY("i", "l") ")"},
    {"items that are newer than the latest version of what they are about",
        "SELECT count(*), min(i.inbox_pk) FROM inbox i"
        " JOIN inbox_latest l ON " SAME_IDENTITY("l", "i") " WHERE i.inbox_pk > l.inbox_pk"
                                                           " AND NOT " ITEM_IS_STALE},
    {"handlers with a cursor or a counter that cannot be",
        "SELECT count(*), min(handler_pk) FROM handler"
        " WHERE first_pk < 0 OR next_pk < first_pk OR handled < 0 OR failed < 0 OR passed_over < 0"
        " OR next_pk > 1 + (SELECT value FROM meta WHERE name = 'inbox_sequence')"},
    {"handlings of no item, or of no handler",
        "SELECT count(*), min(inbox_pk) FROM handling"
        " WHERE inbox_pk NOT IN (SELECT inbox_pk FROM inbox)"
        " OR handler_pk NOT IN (SELECT handler_pk FROM handler)"},
    {"handlings that are not what they say",
        "SELECT count(*), min(inbox_pk) FROM handling"
        " WHERE attempts < 0 OR due_us < 0 OR (dead_us IS NOT NULL AND due_us = 0)"},
    {"lines in the log of no item, or of no handler",
        "SELECT count(*), min(handling_log_pk) FROM handling_log"
        " WHERE inbox_pk NOT IN (SELECT inbox_pk FROM inbox)"
        " OR handler_pk NOT IN (SELECT handler_pk FROM handler)"},
    {"callers of whose refused calls the count is lost",
        "SELECT count(*), min(peer) FROM (SELECT peer, sum(bytes) AS bytes FROM"
        " (SELECT peer, bytes FROM quarantine UNION ALL SELECT '', bytes FROM quarantine"
        " UNION ALL SELECT peer, -bytes FROM quarantine_room) GROUP BY peer) WHERE bytes <> 0"},
};

static enum err
check_rule(struct engine *engine, const struct rule *rule, struct integrity *integrity,
    struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select_values(engine, &rows, rule->sql, NULL, 0);
    if (rows_next(&rows) && rows_int(&rows, 0) > 0)
        tell(integrity, rule->fault, rows_int(&rows, 0), rows_str(&rows, 1));
    return rows_end(&rows, reterr);
}

/* --- fan-outs and what they have in hand ------------------------------------------------------ */

enum fault {
    FAULT_NO_EVENT,
    FAULT_AUDIENCE,
    FAULT_CURSOR,
    FAULT_COUNT,
    FAULT_DEAD_COUNT,
    FAULT_LEFT,
    FAULT_TWICE,
    FAULT_OPEN_AND_DEAD,
    FAULT_CHUNK_OWNER,
    FAULT_CHUNK_SHAPE,
    FAULT_DEAD_OWNER,
    FAULT_DEAD_SHAPE,
    FAULT_KINDS
};

static const char *const fault_texts[] = {
    [FAULT_NO_EVENT] = "fan-outs of no event",
    [FAULT_AUDIENCE] = "fan-outs that do not end where their event's audience does",
    [FAULT_CURSOR] = "fan-outs with a cursor outside of their audience",
    [FAULT_COUNT] = "fan-outs that have lost count: what is settled, open and to come is not all",
    [FAULT_DEAD_COUNT] = "fan-outs that hold more of the dead than they have counted",
    [FAULT_LEFT] = "fan-outs that are done and have members left",
    [FAULT_TWICE] = "fan-outs with a member in two chunks",
    [FAULT_OPEN_AND_DEAD] = "fan-outs with a member who is both given up and open",
    [FAULT_CHUNK_OWNER] = "chunks of no fan-out, or of another hook than it",
    [FAULT_CHUNK_SHAPE] = "chunks that are not what they say, or not of what was taken",
    [FAULT_DEAD_OWNER] = "rows of dead members of no fan-out, or of another hook than it",
    [FAULT_DEAD_SHAPE] = "rows of dead members that are not what they say",
};

/* Rows come by their first position and none is longer than a chunk, so this much is looked at. */
#define WINDOW_BYTES (2 * BITMAP_BYTES_MAX)

struct tally {
    int64_t counts[FAULT_KINDS];
    int64_t firsts[FAULT_KINDS];

    /* The fan-out that is looked at. */
    int64_t fanout_pk;
    int64_t hook_pk;
    int64_t next_pos;
    int64_t low; /* position of the windows' first bit; a multiple of 8 */
    uint8_t open[WINDOW_BYTES];
    uint8_t manual[WINDOW_BYTES];
    uint8_t dead[WINDOW_BYTES];
    int64_t open_count;
    int64_t dead_count;
    bool is_twice;
    bool is_both;
    bool is_unclear; /* a row of it could not be read */
};

static void
note(struct tally *tally, enum fault fault, int64_t pk)
{
    if (tally->counts[fault]++ == 0)
        tally->firsts[fault] = pk;
}

/* Count the positions below pos, which no row can name any more. */
static void
tally_advance(struct tally *tally, int64_t pos)
{
    int64_t low = pos / 8 * 8;
    int64_t passed = (low - tally->low) / 8;
    size_t bytes = passed < (int64_t)WINDOW_BYTES ? (size_t)passed : WINDOW_BYTES;
    uint8_t *windows[] = {tally->open, tally->manual, tally->dead};

    for (size_t i = 0; i < bytes; i++) {
        /* Who is asked for by hand has a bit of their own beside the one that waits. */
        unsigned open = (unsigned)(tally->open[i] | tally->manual[i]);

        tally->open_count += __builtin_popcount(open);
        tally->dead_count += __builtin_popcount(tally->dead[i]);
        tally->is_both = tally->is_both || (open & tally->dead[i]) != 0;
    }
    for (size_t i = 0; i < COUNT_OF(windows); i++) {
        memmove(windows[i], windows[i] + bytes, WINDOW_BYTES - bytes);
        memset(windows[i] + WINDOW_BYTES - bytes, 0, bytes);
    }
    tally->low = low;
}

static void
tally_add(struct tally *tally, uint8_t *window, int64_t base, const uint8_t *todo, size_t count)
{
    for (size_t i = bitmap_next(todo, count, 0); i < count; i = bitmap_next(todo, count, i + 1)) {
        size_t bit = (size_t)(base - tally->low) + i;

        tally->is_twice = tally->is_twice || bitmap_get(window, bit);
        bitmap_set(window, bit);
    }
}

/* A row of chunk or dead: fan-out, base, count, hook, is_manual, is_dead, pk, todo. */
static void
tally_row(struct tally *tally, struct rows *rows)
{
    int64_t base = rows_int(rows, 1);
    int64_t count = rows_int(rows, 2);
    bool is_dead = rows_int(rows, 5) != 0;
    struct str todo = rows_str(rows, 7);

    if (rows_int(rows, 3) != tally->hook_pk)
        note(tally, is_dead ? FAULT_DEAD_OWNER : FAULT_CHUNK_OWNER, rows_int(rows, 6));
    if (base < 0 || count < 1 || count > CHUNK_MEMBERS_MAX || base > tally->next_pos - count ||
        todo.len != BITMAP_BYTES(count)) {
        note(tally, is_dead ? FAULT_DEAD_SHAPE : FAULT_CHUNK_SHAPE, rows_int(rows, 6));
        tally->is_unclear = true;
        return;
    }
    tally_advance(tally, base);
    tally_add(tally,
        is_dead                  ? tally->dead
        : rows_int(rows, 4) != 0 ? tally->manual
                                 : tally->open,
        base, (const uint8_t *)todo.ptr, (size_t)count);
}

/* Columns of a fan-out's row. */
enum { F_PK, F_HOOK, F_STATUS, F_NEXT, F_END, F_SETTLED, F_DEAD, F_FILTER, F_AUDIENCE };

static enum err
tally_audience(struct tally *tally, struct rows *fanouts, struct error *reterr)
{
    struct audience audience;
    enum err err;

    if (rows_is_null(fanouts, F_AUDIENCE)) {
        note(tally, FAULT_NO_EVENT, tally->fanout_pk);
        return OK;
    }
    err = audience_decode(rows_str(fanouts, F_AUDIENCE), &audience);
    if (err == ERR_NOMEM)
        return error_set(reterr, err, "out of memory for an audience");
    if (err != OK) {
        note(tally, FAULT_AUDIENCE, tally->fanout_pk);
        return OK;
    }
    if (audience_positions(&audience, rows_int(fanouts, F_FILTER)) != rows_int(fanouts, F_END))
        note(tally, FAULT_AUDIENCE, tally->fanout_pk);
    audience_done(&audience);
    return OK;
}

static enum err
tally_begin(struct tally *tally, struct rows *fanouts, struct error *reterr)
{
    tally->fanout_pk = rows_int(fanouts, F_PK);
    tally->hook_pk = rows_int(fanouts, F_HOOK);
    tally->next_pos = rows_int(fanouts, F_NEXT);
    tally->low = 0;
    tally->open_count = 0;
    tally->dead_count = 0;
    tally->is_twice = false;
    tally->is_both = false;
    tally->is_unclear = false;

    if (tally->next_pos < 0 || tally->next_pos > rows_int(fanouts, F_END))
        note(tally, FAULT_CURSOR, tally->fanout_pk);
    return tally_audience(tally, fanouts, reterr);
}

static void
tally_end(struct tally *tally, struct rows *fanouts)
{
    bool is_done = str_equals(rows_str(fanouts, F_STATUS), STR("done"));
    bool is_cancelled = str_equals(rows_str(fanouts, F_STATUS), STR("cancelled"));

    tally_advance(tally, tally->low + (int64_t)WINDOW_BYTES * 8);
    if (tally->is_twice)
        note(tally, FAULT_TWICE, tally->fanout_pk);
    if (tally->is_both)
        note(tally, FAULT_OPEN_AND_DEAD, tally->fanout_pk);
    /* What was cancelled is counted as far as it had come; and of the dead the old ones go. */
    if (is_cancelled || tally->is_unclear)
        return;
    if (rows_int(fanouts, F_SETTLED) + tally->open_count != tally->next_pos)
        note(tally, FAULT_COUNT, tally->fanout_pk);
    if (tally->dead_count > rows_int(fanouts, F_DEAD))
        note(tally, FAULT_DEAD_COUNT, tally->fanout_pk);
    if (is_done && (tally->open_count > 0 || tally->next_pos < rows_int(fanouts, F_END)))
        note(tally, FAULT_LEFT, tally->fanout_pk);
}

/* Rows whose fan-out does not exist. */
static void
tally_orphan(struct tally *tally, struct rows *rows)
{
    note(tally, rows_int(rows, 5) != 0 ? FAULT_DEAD_OWNER : FAULT_CHUNK_OWNER, rows_int(rows, 6));
}

/* Both run through the fan-outs in order, side by side. */
static enum err
tally_all(struct engine *engine, struct tally *tally, struct error *reterr)
{
    CLEANUP(rows_done) struct rows fanouts;
    CLEANUP(rows_done) struct rows parts;
    bool has_part;
    enum err err = OK;

    engine_select_values(engine, &fanouts,
        "SELECT f.fanout_pk, f.hook_pk, f.status, f.next_pos, f.end_pos,"
        " f.delivered + f.dead + f.skipped + f.superseded, f.dead, f.filter_group, e.audience"
        " FROM fanout f LEFT JOIN event e ON e.event_pk = f.event_pk ORDER BY f.fanout_pk",
        NULL, 0);
    engine_select_values(engine, &parts,
        "SELECT fanout_pk, base, count, hook_pk, is_manual, 0, chunk_pk, todo FROM chunk"
        " UNION ALL SELECT fanout_pk, base, count, hook_pk, 0, 1, dead_pk, todo FROM dead"
        " ORDER BY 1, 2",
        NULL, 0);
    has_part = rows_next(&parts);
    while (err == OK && rows_next(&fanouts)) {
        err = tally_begin(tally, &fanouts, reterr);
        for (; has_part && rows_int(&parts, 0) < tally->fanout_pk; has_part = rows_next(&parts))
            tally_orphan(tally, &parts);
        for (; has_part && rows_int(&parts, 0) == tally->fanout_pk; has_part = rows_next(&parts))
            tally_row(tally, &parts);
        tally_end(tally, &fanouts);
    }
    for (; has_part; has_part = rows_next(&parts))
        tally_orphan(tally, &parts);
    if (err == OK)
        err = rows_end(&fanouts, reterr);
    return err == OK ? rows_end(&parts, reterr) : err;
}

static enum err
check_fanouts(struct engine *engine, struct integrity *integrity, struct error *reterr)
{
    struct tally tally = {.fanout_pk = 0};
    enum err err = tally_all(engine, &tally, reterr);

    for (size_t i = 0; err == OK && i < FAULT_KINDS; i++) {
        char first[32];

        (void)snprintf(first, sizeof(first), "%" PRId64, tally.firsts[i]);
        if (tally.counts[i] > 0)
            tell(integrity, fault_texts[i], tally.counts[i], str_from(first));
    }
    return err;
}

/* --- all of it -------------------------------------------------------------------------------- */

static enum err
check_engine(struct engine *engine, struct integrity *integrity, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    int64_t lines = 0;

    engine_select_values(engine, &rows, "PRAGMA integrity_check", NULL, 0);
    while (lines < ENGINE_FAULTS_MAX && rows_next(&rows)) {
        struct str line = rows_str(&rows, 0);

        if (str_equals(line, STR("ok")))
            continue;
        integrity->found(integrity->arg, line);
        integrity->faults++;
        lines++;
    }
    return rows_end(&rows, reterr);
}

static enum err
check_schema(struct engine *engine, struct error *reterr)
{
    int64_t version = 0;
    enum err err = migrate_version(engine, &version, reterr);

    if (err != OK || version == migrate_newest())
        return err;
    if (version < 1 || version > migrate_newest())
        return error_set(reterr, ERR_CONFLICT,
            version < 1 ? "it is another program's database, or empty"
                        : "it is of a newer usher: use that one");
    return error_set(reterr, ERR_CONFLICT,
        "it is of an older usher: use that one, or serve it once with this one");
}

static enum err
check_all(struct engine *engine, struct integrity *integrity, struct error *reterr)
{
    enum err err = check_schema(engine, reterr);

    if (err == OK)
        err = check_engine(engine, integrity, reterr);
    for (size_t i = 0; err == OK && i < COUNT_OF(rules); i++)
        err = check_rule(engine, &rules[i], integrity, reterr);
    return err == OK ? check_fanouts(engine, integrity, reterr) : err;
}

enum err
integrity_check(struct engine *engine, struct integrity *inout, struct error *reterr)
{
    enum err err = engine_begin(engine, reterr);

    inout->faults = 0;
    if (err != OK)
        return err;
    err = check_all(engine, inout, reterr);
    engine_rollback(engine);
    return err;
}
