/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of a deleted account, to its end: every table that there is, and the file's bytes.
 */
#include <stdio.h>
#include <string.h>

#include "store/accounts.h"
#include "support/engine.h"
#include "support/scratch.h"
#include "support/test.h"

static const struct walltime now = {INT64_C(1710496800000000)};

/* Of a step. An upload's lines are taken as bulk_sweep does it, and not counted. */
#define STEP_ROWS_MAX 510

#define TABLES_MAX 40

struct tables {
    char names[TABLES_MAX][64];
    int64_t rows[TABLES_MAX];
    size_t count;
};

/* Something of everything for account ?1, and more than a step of what may be much. The numbers of
 * two accounts are far apart. */
static const char *const fill[] = {
    "INSERT INTO account (account_pk, id, name, created_us)"
    " VALUES (?1, CAST(?1 AS BLOB), 'account ' || ?1, 0)",
    "INSERT INTO api_key (key_hash, id, account_pk, name, hint, scopes, created_us)"
    " VALUES (CAST(?1 AS BLOB), CAST(?1 AS BLOB), ?1, 'k', 'hint', 1, 0)",
    "INSERT INTO audience_group (group_pk, account_pk)"
    " SELECT ?1 * 10000 + n, ?1 FROM numbers WHERE n <= 4",
    "INSERT INTO group_range (group_pk, lo, hi)"
    " SELECT ?1 * 10000 + 1 + n % 4, n, n + 1 FROM numbers WHERE n <= 40",
    "INSERT INTO member (group_pk, ord, attendee_pk)"
    " SELECT ?1 * 10000 + 1 + n % 4, n, ?1 * 10000 + n FROM numbers WHERE n <= 3000",
    "INSERT INTO attendee (attendee_pk, account_pk, id, name, email, email_key, phone, created_us,"
    " updated_us) SELECT ?1 * 10000 + n, ?1, CAST(?1 * 10000 + n AS BLOB),"
    " 'Somebody-' || ?1 || '-' || n, 'e' || n, 'e' || n, '1', 0, 0 FROM numbers WHERE n <= 1200",
    "INSERT INTO mango (account_pk, id, name, group_pk, created_us, updated_us)"
    " SELECT ?1, CAST(n AS BLOB), 'm', ?1 * 10000 + n, 0, 0 FROM numbers WHERE n <= 2",
    "INSERT INTO webinar (webinar_pk, account_pk, id, kind, title, link, from_us, to_us, timezone,"
    " group_pk, created_us, updated_us) SELECT ?1 * 10000 + n, ?1, CAST(n AS BLOB), kind, 't',"
    " 'l', 0, 0, 'z', ?1 * 10000 + n, 0, 0 FROM numbers, (SELECT 'webinar' AS kind)"
    " WHERE n BETWEEN 3 AND 4",
    "INSERT INTO webinar_mango (webinar_pk, position, mango_pk)"
    " SELECT ?1 * 10000 + 3, n, 1 FROM numbers WHERE n <= 2",
    "INSERT INTO hook (hook_pk, account_pk, id, url, event, description, phone_format, signature,"
    " secret_sealed, max_in_flight, status, created_us, updated_us)"
    " SELECT ?1 * 10000 + n, ?1, CAST(?1 * 10000 + n AS BLOB), 'u', 'e', '', '', '', x'', 1,"
    " 'deleted', 0, 0 FROM numbers WHERE n <= 700",
    "INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk, webinar_id, starts_us,"
    " snapshot, audience, created_us) SELECT ?1 * 10000 + n, ?1, CAST(?1 * 10000 + n AS BLOB),"
    " 't', 'r', 1, x'', 0, x'', x'', 0 FROM numbers WHERE n <= 30",
    "INSERT INTO fanout (fanout_pk, event_pk, hook_pk, webinar_pk, filter_group, end_pos,"
    " created_us) SELECT ?1 * 10000 + n, ?1 * 10000 + 1 + n % 30, ?1 * 10000 + n, 1, 0, 1, 0"
    " FROM numbers WHERE n <= 700",
    "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us, todo)"
    " SELECT ?1 * 10000 + n, ?1 * 10000 + 1 + n % 2, 1, n, 1, 1, 1, x'' FROM numbers"
    " WHERE n <= 1100",
    "INSERT INTO dead (dead_pk, fanout_pk, hook_pk, base, count, attempts, at_us, todo)"
    " SELECT ?1 * 10000 + n, ?1 * 10000 + 1 + n % 2, 1, n, 1, 1, 1, x'' FROM numbers"
    " WHERE n <= 1100",
    "INSERT INTO attempt_block (fanout_pk, base, started_us, records)"
    " SELECT ?1 * 10000 + 1 + n % 2, n, 0, zeroblob(8192) FROM numbers WHERE n <= 300",
    "INSERT INTO attempt_failure (fanout_pk, pos, attempt, at_us, failure, status, detail, answer)"
    " SELECT ?1 * 10000 + 1 + n % 2, n, 1, 0, 'status', 500, '', CAST('Somebody-' || ?1 AS BLOB)"
    " FROM numbers WHERE n <= 300",
    "INSERT INTO bulk (bulk_pk, account_pk, group_pk, status, notify, created_us)"
    " VALUES (?1, ?1, ?1 * 10000 + 1, 'reading', 0, 0)",
    "INSERT INTO bulk_line (bulk_pk, line, name, email)"
    " SELECT ?1, n, 'Somebody-' || ?1, 'e' FROM numbers",
    "INSERT INTO bulk_newcomer (bulk_pk, attendee_pk)"
    " SELECT ?1, n FROM numbers WHERE n <= 1100",
};

static void
must(enum err err, const struct error *error)
{
    if (err != OK)
        fail_msg("%s", error->text);
}

static void
fill_account(struct engine *engine, int64_t account_pk)
{
    struct error error = {0};

    must(engine_begin(engine, &error), &error);
    for (size_t i = 0; i < COUNT_OF(fill); i++)
        must(engine_run(engine, &error, fill[i], v_int(account_pk)), &error);
    must(engine_commit(engine, &error), &error);
}

static struct engine *
filled_open(const char *path)
{
    struct engine_options options = {.path = path};
    struct engine *engine = NULL;
    struct error error = {0};

    must(engine_open(&options, &engine, &error), &error);
    must(migrate(engine, path, &error), &error);
    must(engine_exec(engine,
             "CREATE TEMP TABLE numbers AS WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL"
             " SELECT n + 1 FROM n WHERE n < 3000) SELECT n FROM n",
             &error),
        &error);
    return engine;
}

static struct tables
count_all(struct engine *engine)
{
    CLEANUP(rows_done) struct rows rows;
    struct tables tables = {.count = 0};
    struct error error = {0};

    engine_select(engine, &rows,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " AND name NOT IN ('meta', 'idempotency')"
        /* The inbox is the operator's, and no account's. */
        " AND name NOT IN ('source', 'inbox', 'inbox_latest', 'handler', 'handling',"
        " 'handling_log', 'quarantine', 'quarantine_room') ORDER BY name");
    while (rows_next(&rows)) {
        struct str name = rows_str(&rows, 0);
        char *text = tables.names[tables.count];
        char sql[128];

        assert_in_range(tables.count, 0, TABLES_MAX - 1);
        (void)snprintf(text, sizeof(tables.names[0]), "%.*s", STR_FMT(name));
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", text);
        must(engine_get_int(engine, &tables.rows[tables.count++], &error, sql), &error);
    }
    must(rows_end(&rows, &error), &error);
    return tables;
}

static int64_t
sum_all(struct engine *engine)
{
    struct tables tables = count_all(engine);
    int64_t sum = 0;

    for (size_t i = 0; i < tables.count; i++) {
        if (strncmp(tables.names[i], "bulk_", 5) != 0)
            sum += tables.rows[i];
    }
    return sum;
}

static void
check_same(const struct tables *is, const struct tables *wanted)
{
    assert_int_equal(is->count, wanted->count);
    for (size_t i = 0; i < is->count; i++) {
        if (is->rows[i] != wanted->rows[i])
            fail_msg("%s has %lld rows and not %lld", is->names[i], (long long)is->rows[i],
                (long long)wanted->rows[i]);
    }
}

/* To the end; every step does something, and none too much. */
static int
purge(struct engine *engine)
{
    struct error error = {0};
    bool more = true;
    int steps = 0;

    while (more) {
        int64_t before = sum_all(engine);
        int64_t taken;

        assert_in_range(steps, 0, 10000);
        must(engine_begin(engine, &error), &error);
        must(account_purge_step(engine, &more, &error), &error);
        must(engine_commit(engine, &error), &error);
        taken = before - sum_all(engine);
        assert_in_range(taken, more ? 1 : 0, STEP_ROWS_MAX);
        steps++;
    }
    return steps;
}

static void
nothing_of_a_deleted_account_is_left_and_all_of_the_others(void **state)
{
    struct engine *engine = filled_open(":memory:");
    struct error error = {0};
    struct tables before;
    struct tables after;

    (void)state;
    fill_account(engine, 2);
    before = count_all(engine);
    for (size_t i = 0; i < before.count; i++) {
        if (before.rows[i] == 0)
            fail_msg("nothing in %s: this test knows nothing of it", before.names[i]);
    }
    fill_account(engine, 1);
    fill_account(engine, 3);
    assert_int_equal(purge(engine), 1); /* nobody was deleted */

    must(account_delete(engine, 1, now, &error), &error);
    must(account_delete(engine, 3, now, &error), &error);
    assert_in_range(purge(engine), 10, 300);
    after = count_all(engine);
    check_same(&after, &before);
    engine_close(engine);
}

static bool
file_has(const char *path, const char *text)
{
    static char bytes[64 * 1024 * 1024];
    FILE *file = fopen(path, "rb");
    size_t len;

    assert_non_null(file);
    len = fread(bytes, 1, sizeof(bytes), file);
    assert_in_range(len, 1, sizeof(bytes) - 1);
    (void)fclose(file);
    return memmem(bytes, len, text, strlen(text)) != NULL;
}

static void
what_it_knew_of_people_is_gone_from_the_file(void **state)
{
    struct scratch scratch;
    struct engine *engine;
    struct error error = {0};
    char path[256];

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(path, sizeof(path), "%s/db", scratch.dir);
    engine = filled_open(path);
    fill_account(engine, 1);
    fill_account(engine, 2);
    must(engine_checkpoint(engine, &error), &error);
    assert_true(file_has(path, "Somebody-1-"));
    assert_false(engine_owes_checkpoint(engine));
    must(account_delete(engine, 1, now, &error), &error);
    purge(engine);
    assert_true(engine_owes_checkpoint(engine));
    must(engine_checkpoint(engine, &error), &error);
    assert_false(file_has(path, "Somebody-1-"));
    assert_true(file_has(path, "Somebody-2-"));
    engine_close(engine);
    scratch_done(&scratch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_of_a_deleted_account_is_left_and_all_of_the_others),
        cmocka_unit_test(what_it_knew_of_people_is_gone_from_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
