/* SPDX-License-Identifier: Apache-2.0 */
#include "store/engine.h"

#include <sys/stat.h>

#include "os/fault.h"
#include "support/scratch.h"
#include "support/test.h"

static struct engine *
memory(void)
{
    struct engine_options options = {.path = ":memory:"};
    struct engine *engine = NULL;
    struct error error = {0};

    assert_int_equal(engine_open(&options, &engine, &error), OK);
    assert_int_equal(
        engine_exec(engine, "CREATE TABLE t (a INTEGER PRIMARY KEY, b ANY) STRICT", &error), OK);
    return engine;
}

static int64_t
count(struct engine *engine)
{
    struct error error = {0};
    int64_t n = -1;

    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM t"), OK);
    return n;
}

static void
values_come_back_as_they_went_in(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};
    struct id id = {{1, 2, 3}};
    struct rows rows;

    (void)state;
    assert_int_equal(engine_run(engine, &error,
                         "INSERT INTO t (b) VALUES (?1), (?2), (?3), (?4), (?5), (?6), (?7)",
                         v_int(INT64_MIN), v_text(STR("a\0b")), v_text((struct str){NULL, 0}),
                         v_text(STR("")), v_blob(STR("")), v_real(0.5), v_id(&id)),
        OK);
    assert_int_equal(engine_changes(engine), 7);
    assert_int_equal(engine_last_pk(engine), 7);

    engine_select(engine, &rows, "SELECT b FROM t ORDER BY a");
    assert_true(rows_next(&rows));
    assert_true(rows_int(&rows, 0) == INT64_MIN);
    assert_true(rows_next(&rows));
    assert_true(str_equals(rows_str(&rows, 0), STR("a\0b")));
    assert_true(rows_next(&rows));
    assert_true(rows_is_null(&rows, 0));
    assert_null(rows_str(&rows, 0).ptr);
    assert_true(rows_next(&rows));
    assert_non_null(rows_str(&rows, 0).ptr);
    assert_int_equal(rows_str(&rows, 0).len, 0);
    assert_true(rows_next(&rows));
    assert_non_null(rows_str(&rows, 0).ptr);
    assert_true(id_is_zero(rows_id(&rows, 0)));
    assert_true(rows_next(&rows));
    assert_true(rows_real(&rows, 0) == 0.5);
    assert_true(rows_next(&rows));
    assert_true(id_equals(rows_id(&rows, 0), id));
    assert_false(rows_next(&rows));
    assert_false(rows_next(&rows));
    assert_int_equal(rows_end(&rows, &error), OK);
    engine_close(engine);
}

static void
a_missing_row_is_not_found_and_leaves_the_result_alone(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};
    int64_t n = 42;

    (void)state;
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT a FROM t WHERE a = ?1", v_int(1)),
        ERR_NOT_FOUND);
    assert_int_equal(n, 42);
    engine_close(engine);
}

static void
a_loop_inside_a_loop_over_the_same_text_works(void **state)
{
    static const char text[] = "SELECT a FROM t";
    struct engine *engine = memory();
    struct error error = {0};
    struct rows outer;
    struct rows inner;
    int n = 0;

    (void)state;
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (b) VALUES (1), (2), (3)"), OK);
    engine_select(engine, &outer, text);
    while (rows_next(&outer)) {
        engine_select(engine, &inner, text);
        while (rows_next(&inner))
            n++;
        assert_int_equal(rows_end(&inner, &error), OK);
    }
    assert_int_equal(rows_end(&outer, &error), OK);
    assert_int_equal(n, 9);
    engine_close(engine);
}

static void
many_texts_at_one_address_are_told_apart(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};
    char text[64];
    int64_t n = -1;

    (void)state;
    /* The first two rounds are all kept, the third pushes the older ones out. */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < (round < 2 ? 100 : 700); i++) {
            (void)snprintf(text, sizeof(text), "SELECT %d", i);
            assert_int_equal(engine_get_int(engine, &n, &error, text), OK);
            assert_int_equal(n, i);
        }
    }
    engine_close(engine);
}

static void
a_bad_statement_shows_in_rows_end(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};
    struct rows rows;

    (void)state;
    engine_select(engine, &rows, "SELECT word FROM nowhere");
    assert_false(rows_next(&rows));
    assert_int_equal(rows_end(&rows, &error), ERR_IO);
    assert_string_equal(error.text, "database: prepare: no such table: nowhere");
    engine_close(engine);
}

static void
constraints_are_conflicts(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};

    (void)state;
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (1)"), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (1)"), ERR_CONFLICT);
    assert_non_null(strstr(error.text, "UNIQUE"));
    assert_int_equal(engine_exec(engine, "CREATE TABLE c (a INTEGER REFERENCES t) STRICT", &error),
        OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO c VALUES (?1)", v_int(9)),
        ERR_CONFLICT);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO c VALUES (?1)", v_int(1)), OK);
    engine_close(engine);
}

static void
a_full_disk_is_told(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};

    (void)state;
    assert_int_equal(engine_exec(engine, "PRAGMA max_page_count = 3", &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (b) VALUES (zeroblob(100000))"),
        ERR_DISK);
    assert_non_null(strstr(error.text, "disk full"));
    engine_close(engine);
}

static void
a_savepoint_undoes_only_what_came_after_it(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};

    (void)state;
    assert_int_equal(engine_begin(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (1)"), OK);
    assert_int_equal(engine_savepoint(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (2)"), OK);
    assert_int_equal(engine_rollback_to(engine, &error), OK);
    assert_int_equal(engine_savepoint(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (3)"), OK);
    assert_int_equal(engine_release(engine, &error), OK);
    assert_int_equal(engine_commit(engine, &error), OK);
    assert_false(engine_is_in_transaction(engine));
    assert_int_equal(count(engine), 2);
    engine_close(engine);
}

static void
the_loss_of_the_whole_transaction_is_noticed(void **state)
{
    struct engine *engine = memory();
    struct error error = {0};

    (void)state;
    assert_int_equal(engine_begin(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (1)"), OK);
    assert_int_equal(engine_savepoint(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT OR ROLLBACK INTO t (a) VALUES (1)"),
        ERR_CONFLICT);
    assert_false(engine_is_in_transaction(engine));
    assert_int_equal(engine_rollback_to(engine, &error), ERR_IO);
    engine_rollback(engine);
    assert_int_equal(count(engine), 0);
    engine_close(engine);
}

static void
a_file_is_private_durable_and_readable_beside_a_writer(void **state)
{
    struct scratch scratch;
    struct engine *writer = NULL;
    struct engine *reader = NULL;
    struct error error = {0};
    struct stat status;
    int64_t n = 0;

    (void)state;
    scratch_init(&scratch);
    struct engine_options options = {.path = scratch_path(&scratch, "usher.db")};
    assert_int_equal(engine_open(&options, &writer, &error), OK);
    assert_int_equal(engine_exec(writer, "CREATE TABLE t (a INTEGER) STRICT", &error), OK);
    assert_int_equal(stat(options.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(engine_get_int(writer, &n, &error, "PRAGMA page_size"), OK);
    assert_int_equal(n, 8192);
    assert_int_equal(engine_get_int(writer, &n, &error, "PRAGMA synchronous"), OK);
    assert_int_equal(n, 2);
    assert_int_equal(engine_get_int(writer, &n, &error, "PRAGMA secure_delete"), OK);
    assert_int_equal(n, 2); /* fast */
    assert_int_equal(engine_secure_delete(writer, true, &error), OK);
    assert_int_equal(engine_get_int(writer, &n, &error, "PRAGMA secure_delete"), OK);
    assert_int_equal(n, 1);

    options.read_only = true;
    assert_int_equal(engine_open(&options, &reader, &error), OK);
    assert_int_equal(engine_begin(writer, &error), OK);
    assert_int_equal(engine_run(writer, &error, "INSERT INTO t VALUES (1)"), OK);
    assert_int_equal(count(reader), 0);
    assert_int_equal(engine_commit(writer, &error), OK);
    assert_int_equal(count(reader), 1);
    assert_int_equal(engine_run(reader, &error, "INSERT INTO t VALUES (2)"), ERR_IO);
    assert_int_equal(engine_checkpoint(writer, &error), OK);
    engine_close(reader);
    engine_close(writer);
    scratch_done(&scratch);
}

static void
somebody_elses_database_keeps_what_its_owner_decided(void **state)
{
    struct scratch scratch;
    struct engine *engine = NULL;
    struct error error = {0};
    struct stat status;
    FILE *file;
    int64_t n = 0;

    (void)state;
    scratch_init(&scratch);
    struct engine_options options = {.path = scratch_path(&scratch, "own.db"), .is_foreign = true};
    assert_int_equal(engine_open(&options, &engine, &error), ERR_IO);
    assert_non_null(strstr(error.text, "own.db"));
    assert_null(engine);
    assert_int_equal(stat(options.path, &status), -1);

    file = fopen(options.path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(engine_open(&options, &engine, &error), OK);
    assert_int_equal(engine_exec(engine, "PRAGMA page_size = 1024; CREATE TABLE t (a)", &error),
        OK);
    engine_close(engine);
    assert_int_equal(engine_open(&options, &engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t VALUES (1)"), OK);
    assert_int_equal(engine_get_int(engine, &n, &error, "PRAGMA page_size"), OK);
    assert_int_equal(n, 1024);
    assert_int_equal(engine_get_int(engine, &n, &error,
                         "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'delete'"),
        OK);
    assert_int_equal(n, 1);
    /* What lasts no longer than the connection is ours to say. */
    assert_int_equal(engine_get_int(engine, &n, &error, "PRAGMA synchronous"), OK);
    assert_int_equal(n, 2);
    assert_int_equal(engine_get_int(engine, &n, &error, "PRAGMA foreign_keys"), OK);
    assert_int_equal(n, 1);
    engine_close(engine);
    scratch_done(&scratch);
}

static void
what_cannot_be_opened_is_refused_by_name(void **state)
{
    struct scratch scratch;
    struct engine_options options = {.path = "/nowhere/usher.db"};
    struct engine *engine = NULL;
    struct error error = {0};
    FILE *file;

    (void)state;
    assert_int_equal(engine_open(&options, &engine, &error), ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, "/nowhere/usher.db"));
    assert_null(engine);

    scratch_init(&scratch);
    options.path = scratch_path(&scratch, "usher.db");
    file = fopen(options.path, "w");
    assert_non_null(file);
    for (int i = 0; i < 100; i++)
        assert_true(fputs("this is not a database; ", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(engine_open(&options, &engine, &error), ERR_IO);
    assert_non_null(strstr(error.text, "not a database"));
    assert_null(engine);
    scratch_done(&scratch);
}

static void
the_seal_key_is_copied(void **state)
{
    struct engine *engine = memory();
    uint8_t key[SEAL_KEY_BYTES] = {7};

    (void)state;
    assert_null(engine_seal_key(engine));
    engine_set_seal_key(engine, key);
    key[0] = 8;
    assert_int_equal(engine_seal_key(engine)[0], 7);
    engine_set_seal_key(engine, NULL);
    assert_null(engine_seal_key(engine));
    engine_close(engine);
}

static void
every_step_and_commit_may_fail(void **state)
{
    (void)state;
#ifdef USHER_FAULTS
    struct engine *engine = memory();
    struct error error = {0};
    int64_t n = 42;

    fault_arm("store.step", 1);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (1)"), ERR_DISK);
    assert_true(fault_fired());
    fault_arm("store.step", 1);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT 1"), ERR_DISK);
    assert_int_equal(n, 42);
    assert_int_equal(engine_begin(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO t (a) VALUES (1)"), OK);
    fault_arm("store.commit", 1);
    assert_int_equal(engine_commit(engine, &error), ERR_DISK);
    assert_false(engine_is_in_transaction(engine));
    assert_int_equal(count(engine), 0);
    engine_close(engine);
#else
    skip();
#endif
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_they_went_in),
        cmocka_unit_test(a_missing_row_is_not_found_and_leaves_the_result_alone),
        cmocka_unit_test(a_loop_inside_a_loop_over_the_same_text_works),
        cmocka_unit_test(many_texts_at_one_address_are_told_apart),
        cmocka_unit_test(a_bad_statement_shows_in_rows_end),
        cmocka_unit_test(constraints_are_conflicts),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(a_savepoint_undoes_only_what_came_after_it),
        cmocka_unit_test(the_loss_of_the_whole_transaction_is_noticed),
        cmocka_unit_test(a_file_is_private_durable_and_readable_beside_a_writer),
        cmocka_unit_test(somebody_elses_database_keeps_what_its_owner_decided),
        cmocka_unit_test(what_cannot_be_opened_is_refused_by_name),
        cmocka_unit_test(the_seal_key_is_copied),
        cmocka_unit_test(every_step_and_commit_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
