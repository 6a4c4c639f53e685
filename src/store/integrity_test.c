/* SPDX-License-Identifier: Apache-2.0 */
#include "store/integrity.h"

#include <stdio.h>
#include <string.h>

#include "domain/audience.h"
#include "support/engine.h"
#include "support/test.h"

/*
 * Two fan-outs of an event for forty members. The first is at 30: of these 20 were delivered, the
 * others are open: 8 in a chunk that is in hand, one waits and is asked for by hand as well, and
 * one is asked for by hand alone. Of the second all are settled, 4 of them dead.
 */
static const char good[] =
    "INSERT INTO account (account_pk, id, name, created_us) VALUES (1, x'01', 'a', 0);"
    "INSERT INTO api_key (key_hash, id, account_pk, name, hint, scopes, created_us)"
    " VALUES (x'01', x'01', 1, 'k', '', 1, 0), (x'02', x'02', NULL, 'admin', '', 1, 0);"
    "INSERT INTO audience_group (group_pk, account_pk, next_ord, live) VALUES (1, 1, 40, 39);"
    "INSERT INTO audience_group (group_pk, account_pk, next_ord, live) VALUES (2, 1, 0, 0);"
    "INSERT INTO group_range (group_pk, lo, hi) VALUES (1, 0, 40);"
    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)"
    " INSERT INTO attendee (attendee_pk, account_pk, id, name, email, email_key, created_us,"
    " updated_us) SELECT i + 1, 1, CAST(i AS BLOB), 'n', 'e', 'e' || i, 0, 0 FROM n;"
    "INSERT INTO member (group_pk, ord, attendee_pk, left_seq)"
    " SELECT 1, attendee_pk - 1, attendee_pk, CASE attendee_pk WHEN 7 THEN 5 END FROM attendee;"
    "INSERT INTO mango (mango_pk, account_pk, id, name, group_pk, created_us, updated_us)"
    " VALUES (1, 1, x'01', 'm', 1, 0, 0);"
    "INSERT INTO webinar (webinar_pk, account_pk, id, kind, title, link, from_us, to_us, timezone,"
    " group_pk, created_us, updated_us)"
    " VALUES (1, 1, x'01', 'webinar', 't', 'l', 0, 0, 'UTC', 2, 0, 0);"
    "INSERT INTO webinar_mango (webinar_pk, position, mango_pk) VALUES (1, 0, 1);"
    "INSERT INTO hook (hook_pk, account_pk, id, url, event, description, phone_format, signature,"
    " secret_sealed, max_in_flight, status, created_us, updated_us)"
    " VALUES (1, 1, x'01', 'u', 'e', '', 'number', 'v1', x'00', 16, 'enabled', 0, 0),"
    " (2, 1, x'02', 'u', 'e', '', 'number', 'v1', x'00', 16, 'enabled', 0, 0);"
    "UPDATE meta SET value = 10 WHERE name = 'sequence';"
    "INSERT INTO fanout (fanout_pk, event_pk, hook_pk, webinar_pk, filter_group, next_pos, end_pos,"
    " status, delivered, dead, skipped, superseded, created_us)"
    " VALUES (1, 10, 1, 1, 0, 30, 40, 'sending', 20, 0, 0, 0, 0),"
    " (2, 10, 2, 1, 0, 40, 40, 'done', 30, 4, 5, 1, 0);"
    "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us, is_manual,"
    " todo) VALUES (1, 1, 1, 20, 10, 0, 0, 0, x'ff00'), (2, 1, 1, 20, 10, 1, 99, 0, x'0001'),"
    " (3, 1, 1, 28, 1, 0, 1, 1, x'01'), (4, 1, 1, 29, 1, 0, 1, 1, x'01');"
    "INSERT INTO dead (dead_pk, fanout_pk, hook_pk, base, count, attempts, at_us, todo)"
    " VALUES (1, 2, 2, 0, 10, 10, 0, x'0301'), (2, 2, 2, 1, 9, 10, 0, x'0200');"
    "INSERT INTO attempt_block (fanout_pk, base, started_us, records) VALUES (1, 0, 0, x''),"
    " (2, 0, 0, x'0000000000000000');"
    /* Two versions of one thing, a stale one, and one that is about nothing; of two handlers the
     * first has two rows. */
    "UPDATE meta SET value = 24 WHERE name = 'inbox_sequence';"
    "INSERT INTO source (source_pk, name) VALUES (1, 's');"
    "INSERT INTO inbox (inbox_pk, source_pk, event, object, person, sender_id, flags, revision,"
    " previous_pk, received_us, headers, body)"
    " VALUES (20, 1, 'e', 'o', 'p', NULL, 0, 0, NULL, 0, '', x'7b7d'),"
    " (21, 1, 'e', 'o', 'p', NULL, 0, 1, 20, 0, '', x'7b7d'),"
    " (22, 1, 'e', 'o', 'p', NULL, 4, 0, NULL, 0, '', x'7b7d'),"
    " (24, 1, '', '', '', 'sha256:00', 1, 0, NULL, 0, '', x'7b7d');"
    "INSERT INTO inbox_latest (source_pk, event, object, person, inbox_pk, revision, version)"
    " VALUES (1, 'e', 'o', 'p', 21, 1, zeroblob(32));"
    "INSERT INTO handler (handler_pk, name, first_pk, next_pk) VALUES (1, 'a', 0, 22),"
    " (2, 'b', 25, 25);"
    "INSERT INTO handling (handler_pk, inbox_pk, attempts, due_us, dead_us)"
    " VALUES (1, 20, 0, 0, NULL), (1, 21, 3, 9, 9);"
    "INSERT INTO handling_log (handling_log_pk, handler_pk, inbox_pk, attempt, at_us, took_us,"
    " outcome, detail, output) VALUES (1, 1, 21, 3, 9, 1, 'failed', '', x'');"
    "INSERT INTO quarantine (quarantine_pk, source, peer, reason, received_us, bytes, call_sealed)"
    " VALUES (1, 's', '::1', '', 0, 600, x'00'), (2, 's', '::2', '', 0, 700, x'00');"
    "INSERT INTO quarantine_room (peer, bytes) VALUES ('::1', 600), ('::2', 700);"
    "UPDATE quarantine_room SET bytes = 1300 WHERE peer = '';";

struct report {
    struct engine *engine;
    struct error error;
    struct integrity integrity;
    char text[2048];
};

static void
on_fault(void *arg, struct str sentence)
{
    struct report *report = arg;
    size_t len = strlen(report->text);

    (void)snprintf(report->text + len, sizeof(report->text) - len, "%.*s\n", STR_FMT(sentence));
}

static void
add_event(struct report *report)
{
    struct audience audience;
    struct buf buf;

    audience_init(&audience);
    buf_init(&buf, 1024);
    assert_int_equal(audience_add(&audience, 1, 0, 40, false), OK);
    audience_encode(&audience, &buf);
    assert_int_equal(engine_run(report->engine, &report->error,
                         "INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk,"
                         " webinar_id, starts_us, snapshot, audience, created_us)"
                         " VALUES (10, 1, x'01', 't', 'created', 1, x'01', 0, x'', ?1, 0)",
                         v_blob(buf_str(&buf))),
        OK);
    buf_done(&buf);
    audience_done(&audience);
}

static void
execute(struct report *report, const char *sql)
{
    if (engine_exec(report->engine, sql, &report->error) != OK)
        fail_msg("%s: %.60s", report->error.text, sql);
}

static int
setup(void **state)
{
    static struct report report;

    memset(&report, 0, sizeof(report));
    report.engine = test_engine_open();
    execute(&report, "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON");
    execute(&report, good);
    add_event(&report);
    report.integrity = (struct integrity){.found = on_fault, .arg = &report};
    *state = &report;
    return 0;
}

static int
teardown(void **state)
{
    struct report *report = *state;

    engine_close(report->engine);
    return 0;
}

static void
what_holds_together_has_no_faults(void **state)
{
    struct report *report = *state;

    assert_int_equal(integrity_check(report->engine, &report->integrity, &report->error), OK);
    assert_string_equal(report->text, "");
    assert_int_equal(report->integrity.faults, 0);
    assert_false(engine_is_in_transaction(report->engine));
}

/* Each breaks one rule, or those that follow from one another. */
static const struct {
    const char *sql;
    const char *sentences;
} breaks[] = {
    {"UPDATE api_key SET account_pk = 9 WHERE account_pk = 1",
        "keys that open no account: 1, the first is 01\n"},
    {"UPDATE mango SET account_pk = 9", "mangoes of no account: 1, the first is 1\n"},
    {"UPDATE webinar SET account_pk = 9", "webinars of no account: 1, the first is 1\n"},
    {"UPDATE attendee SET account_pk = 9 WHERE attendee_pk IN (3, 4)",
        "attendees of no account: 2, the first is 3\n"},
    {"UPDATE event SET account_pk = 9; UPDATE hook SET account_pk = 9",
        "hooks of no account: 2, the first is 1\nevents of no account: 1, the first is 10\n"},
    {"UPDATE mango SET group_pk = 9", "mangoes without a group: 1, the first is 1\n"},
    {"UPDATE webinar SET group_pk = 9", "webinars without a group: 1, the first is 1\n"},
    {"UPDATE webinar_mango SET mango_pk = 9",
        "webinars with a mango that does not exist: 1, the first is 1\n"},
    {"INSERT INTO group_range VALUES (2, 0, 1)",
        "groups with ranges that are empty or that nobody has numbered: 1, the first is 2\n"},
    {"UPDATE group_range SET hi = 20; INSERT INTO group_range VALUES (1, 20, 40)",
        "groups with ranges that touch: 1, the first is 1\n"},
    {"UPDATE group_range SET hi = 30",
        "groups that have lost count of their members: 1, the first is 1\n"},
    {"UPDATE audience_group SET live = 40 WHERE group_pk = 1",
        "groups that have lost count of their members: 1, the first is 1\n"},
    {"UPDATE member SET ord = 40 WHERE ord = 6",
        "groups with members whom nobody has numbered: 1, the first is 1\n"},
    {"DELETE FROM attendee WHERE attendee_pk = 5",
        "groups with members who do not exist: 1, the first is 1\n"},
    {"UPDATE meta SET value = 9 WHERE name = 'sequence'",
        "events newer than the newest sequence: 1, the first is 10\n"},
    {"UPDATE hook SET status = 'asleep' WHERE hook_pk = 2",
        "hooks of an unknown status: 1, the first is 2\n"},
    {"UPDATE hook SET status = 'deleted'",
        "fan-outs under way to a hook that was deleted: 1, the first is 1\n"},
    {"UPDATE fanout SET status = 'begun' WHERE fanout_pk = 2",
        "fan-outs of an unknown status: 1, the first is 2\n"},
    {"DELETE FROM hook WHERE hook_pk = 2", "fan-outs to no hook: 1, the first is 2\n"},
    {"UPDATE fanout SET webinar_pk = 2 WHERE fanout_pk = 1",
        "fan-outs to another account's hook, or of another webinar than their event: 1, the first"
        " is 1\n"},
    {"UPDATE fanout SET delivered = delivered + 1, superseded = -1 WHERE fanout_pk = 1",
        "fan-outs with a counter below zero: 1, the first is 1\n"},
    {"UPDATE attempt_block SET records = x'00' WHERE fanout_pk = 2",
        "attempt blocks that are cut: 1, the first is 2\n"},
    {"DELETE FROM event", "fan-outs of no event: 2, the first is 1\n"},
    {"UPDATE event SET audience = x'ff'",
        "fan-outs that do not end where their event's audience does: 2, the first is 1\n"},
    {"UPDATE fanout SET end_pos = 41 WHERE fanout_pk = 1",
        "fan-outs that do not end where their event's audience does: 1, the first is 1\n"},
    {"UPDATE fanout SET next_pos = 41, delivered = delivered + 1 WHERE fanout_pk = 2",
        "fan-outs with a cursor outside of their audience: 1, the first is 2\n"},
    {"UPDATE fanout SET delivered = delivered + 1",
        "fan-outs that have lost count: what is settled, open and to come is not all: 2, the first"
        " is 1\n"},
    {"UPDATE chunk SET todo = x'7f00' WHERE chunk_pk = 1",
        "fan-outs that have lost count: what is settled, open and to come is not all: 1, the first"
        " is 1\n"},
    {"UPDATE fanout SET dead = 3, skipped = 6 WHERE fanout_pk = 2",
        "fan-outs that hold more of the dead than they have counted: 1, the first is 2\n"},
    {"UPDATE fanout SET status = 'done'",
        "fan-outs that are done and have members left: 1, the first is 1\n"},
    {"UPDATE chunk SET todo = x'0103' WHERE chunk_pk = 2",
        "fan-outs with a member in two chunks: 1, the first is 1\n"},
    {"INSERT INTO chunk (fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
     " VALUES (2, 2, 0, 2, 1, 9, x'02'); UPDATE fanout SET delivered = 29, status = 'sending'"
     " WHERE fanout_pk = 2",
        "fan-outs with a member who is both given up and open: 1, the first is 2\n"},
    {"UPDATE chunk SET hook_pk = 2 WHERE chunk_pk = 2",
        "chunks of no fan-out, or of another hook than it: 1, the first is 2\n"},
    {"INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
     " VALUES (7, 0, 1, 0, 1, 0, 0, x'01'), (8, 9, 1, 0, 1, 0, 0, x'01')",
        "chunks of no fan-out, or of another hook than it: 2, the first is 7\n"},
    {"UPDATE chunk SET todo = x'ff' WHERE chunk_pk = 1",
        "chunks that are not what they say, or not of what was taken: 1, the first is 1\n"},
    {"UPDATE chunk SET count = 11 WHERE chunk_pk = 2",
        "chunks that are not what they say, or not of what was taken: 1, the first is 2\n"},
    {"UPDATE chunk SET base = 9223372036854775807 WHERE chunk_pk = 3",
        "chunks that are not what they say, or not of what was taken: 1, the first is 3\n"},
    {"UPDATE dead SET fanout_pk = 3 WHERE dead_pk = 2",
        "rows of dead members of no fan-out, or of another hook than it: 1, the first is 2\n"},
    {"UPDATE dead SET count = 2000 WHERE dead_pk = 2",
        "rows of dead members that are not what they say: 1, the first is 2\n"},
    {"DELETE FROM source", "items of no source: 4, the first is 20\n"},
    {"UPDATE meta SET value = 23 WHERE name = 'inbox_sequence'; DELETE FROM handler"
     " WHERE handler_pk = 2",
        "items newer than the newest number: 1, the first is 24\n"},
    {"UPDATE inbox SET previous_pk = NULL WHERE inbox_pk = 21",
        "items whose version does not follow from the one before: 1, the first is 21\n"},
    {"UPDATE inbox SET revision = 7 WHERE inbox_pk = 20",
        "items whose version does not follow from the one before: 2, the first is 20\n"},
    {"UPDATE inbox SET previous_pk = 22, revision = 1 WHERE inbox_pk = 21;"
     " UPDATE inbox SET inbox_pk = 19 WHERE inbox_pk = 22",
        "items whose version does not follow from the one before: 1, the first is 21\n"},
    {"UPDATE inbox SET previous_pk = 24 WHERE inbox_pk = 21",
        "items whose version does not follow from the one before: 1, the first is 21\n"},
    {"UPDATE inbox SET person = 'q' WHERE inbox_pk = 20",
        "items whose version does not follow from the one before: 1, the first is 21\n"},
    {"UPDATE inbox_latest SET inbox_pk = 23",
        "things whose latest version is not there, or another than it says: 1, the first is 23\n"},
    {"UPDATE inbox_latest SET revision = 2",
        "things whose latest version is not there, or another than it says: 1, the first is 21\n"},
    {"UPDATE inbox_latest SET version = x'00'",
        "things whose latest version is not there, or another than it says: 1, the first is 21\n"},
    {"UPDATE inbox_latest SET object = 'q'",
        "things whose latest version is not there, or another than it says: 1, the first is 21\n"},
    {"UPDATE inbox_latest SET inbox_pk = 22, revision = 0",
        "things whose latest version is not there, or another than it says: 1, the first is 22\n"},
    {"UPDATE inbox_latest SET inbox_pk = 20, revision = 0",
        "items that are newer than the latest version of what they are about: 1, the first is"
        " 21\n"},
    {"UPDATE handler SET next_pk = 26 WHERE handler_pk = 2",
        "handlers with a cursor or a counter that cannot be: 1, the first is 2\n"},
    {"UPDATE handler SET next_pk = 24 WHERE handler_pk = 2",
        "handlers with a cursor or a counter that cannot be: 1, the first is 2\n"},
    {"UPDATE handler SET passed_over = -1",
        "handlers with a cursor or a counter that cannot be: 2, the first is 1\n"},
    {"UPDATE handling SET inbox_pk = 23 WHERE inbox_pk = 20",
        "handlings of no item, or of no handler: 1, the first is 23\n"},
    {"UPDATE handling SET handler_pk = 3 WHERE inbox_pk = 20",
        "handlings of no item, or of no handler: 1, the first is 20\n"},
    {"UPDATE handling SET due_us = 0",
        "handlings that are not what they say: 1, the first is 21\n"},
    {"UPDATE handling SET attempts = -1 WHERE inbox_pk = 20",
        "handlings that are not what they say: 1, the first is 20\n"},
    {"UPDATE handling_log SET inbox_pk = 23",
        "lines in the log of no item, or of no handler: 1, the first is 1\n"},
    {"UPDATE handling_log SET handler_pk = 3",
        "lines in the log of no item, or of no handler: 1, the first is 1\n"},
    {"DELETE FROM quarantine WHERE peer = '::2'; UPDATE quarantine_room SET bytes = 600"
     " WHERE peer = ''",
        "callers of whose refused calls the count is lost: 1, the first is ::2\n"},
    {"UPDATE quarantine_room SET bytes = 1 WHERE peer = ''",
        "callers of whose refused calls the count is lost: 1, the first is \n"},
};

static void
each_fault_is_found(void **state)
{
    struct report *report = *state;

    for (size_t i = 0; i < COUNT_OF(breaks); i++) {
        report->text[0] = '\0';
        execute(report, "BEGIN");
        execute(report, breaks[i].sql);
        execute(report, "COMMIT");
        assert_int_equal(integrity_check(report->engine, &report->integrity, &report->error), OK);
        if (strcmp(report->text, breaks[i].sentences) != 0)
            fail_msg("%s:\n%s instead of\n%s", breaks[i].sql, report->text, breaks[i].sentences);
        (void)teardown(state);
        (void)setup(state);
    }
}

/* Members of all positions of a large fan-out, in rows that overlap in range but not in members. */
static void
a_large_fanout_is_counted_across_its_rows(void **state)
{
    struct report *report = *state;

    execute(report, "DELETE FROM chunk; DELETE FROM event; DELETE FROM fanout");
    execute(report,
        "INSERT INTO fanout (fanout_pk, event_pk, hook_pk, webinar_pk, filter_group, next_pos,"
        " end_pos, status, delivered, dead, created_us)"
        " VALUES (1, 10, 1, 1, 0, 102400, 102400, 'sending', 0, 51200, 0);"
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99)"
        " INSERT INTO chunk (fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
        " SELECT 1, 1, i * 1024, 1024, 1, 5, CAST(replace(hex(zeroblob(64)), '00', 'ff') AS BLOB)"
        " FROM n;"
        "DELETE FROM dead");
    assert_int_equal(integrity_check(report->engine, &report->integrity, &report->error), OK);
    /* 'f' is 0x66: four of eight bits. */
    assert_string_equal(report->text, "fan-outs of no event: 1, the first is 1\n");
    execute(report, "UPDATE fanout SET dead = 51201");
    report->text[0] = '\0';
    assert_int_equal(integrity_check(report->engine, &report->integrity, &report->error), OK);
    assert_non_null(strstr(report->text, "lost count"));
}

static void
another_programs_database_is_refused(void **state)
{
    struct report *report = *state;

    execute(report, "PRAGMA user_version = 0");
    assert_int_equal(integrity_check(report->engine, &report->integrity, &report->error),
        ERR_CONFLICT);
    assert_non_null(strstr(report->error.text, "another program's"));
    execute(report, "PRAGMA user_version = 900");
    assert_int_equal(integrity_check(report->engine, &report->integrity, &report->error),
        ERR_CONFLICT);
    assert_non_null(strstr(report->error.text, "newer"));
    assert_int_equal(report->integrity.faults, 0);
    assert_string_equal(report->text, "");
    assert_false(engine_is_in_transaction(report->engine));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_holds_together_has_no_faults),
        TEST(each_fault_is_found),
        TEST(a_large_fanout_is_counted_across_its_rows),
        TEST(another_programs_database_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
