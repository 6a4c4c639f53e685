/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include <sys/stat.h>

#include "os/fault.h"
#include "support/scratch.h"
#include "support/test.h"

static struct engine *
open_at(const char *path)
{
    struct engine_options options = {.path = path};
    struct engine *engine = NULL;
    struct error error = {0};

    if (engine_open(&options, &engine, &error) != OK)
        fail_msg("%s", error.text);
    return engine;
}

static void
an_empty_database_gets_the_newest_schema_and_no_copy(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    int64_t n = -1;

    (void)state;
    scratch_init(&scratch);
    struct engine *engine = open_at(scratch_path(&scratch, "usher.db"));
    assert_int_equal(migrate(engine, scratch_path(&scratch, "usher.db"), &error), OK);
    assert_int_equal(migrate_version(engine, &n, &error), OK);
    assert_int_equal(n, migrate_newest());
    assert_int_equal(
        engine_get_int(engine, &n, &error, "SELECT value FROM meta WHERE name = 'sequence'"), OK);
    assert_int_equal(n, 0);
    assert_int_equal(migrate(engine, scratch_path(&scratch, "usher.db"), &error), OK);
    engine_close(engine);
    assert_int_equal(scratch_count(&scratch, "usher.db.schema"), 0);
    scratch_done(&scratch);
}

static void
a_newer_schema_is_refused(void **state)
{
    struct engine *engine = open_at(":memory:");
    struct error error = {0};

    (void)state;
    assert_int_equal(engine_exec(engine, "PRAGMA user_version = 9999", &error), OK);
    assert_int_equal(migrate(engine, "usher.db", &error), ERR_CONFLICT);
    assert_non_null(strstr(error.text, "newer usher"));
    engine_close(engine);
}

static void
another_programs_database_is_refused(void **state)
{
    struct engine *engine = open_at(":memory:");
    struct error error = {0};
    int64_t n = -1;

    (void)state;
    assert_int_equal(engine_exec(engine, "CREATE TABLE note (text TEXT)", &error), OK);
    assert_int_equal(migrate(engine, "notes.db", &error), ERR_CONFLICT);
    assert_non_null(strstr(error.text, "notes.db"));
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM sqlite_schema"), OK);
    assert_int_equal(n, 1);
    engine_close(engine);
}

static void
a_failed_step_leaves_the_database_empty(void **state)
{
    (void)state;
#ifdef USHER_FAULTS
    struct engine *engine = open_at(":memory:");
    struct error error = {0};
    int64_t n = -1;

    fault_arm("store.commit", 1);
    assert_int_equal(migrate(engine, "usher.db", &error), ERR_DISK);
    assert_non_null(strstr(error.text, "0001"));
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM sqlite_schema"), OK);
    assert_int_equal(n, 0);
    assert_int_equal(migrate(engine, "usher.db", &error), OK);
    engine_close(engine);
#else
    skip();
#endif
}

static const struct migration two_steps[] = {
    {"0001_first.sql", "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);"},
    {"0002_second.sql", "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 7;"},
};

static void
an_older_database_is_copied_first_and_keeps_its_rows(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    struct stat status;
    int64_t n = -1;

    (void)state;
    scratch_init(&scratch);
    struct engine *engine = open_at(scratch_path(&scratch, "usher.db"));
    assert_int_equal(migrate_by(engine, scratch_path(&scratch, "usher.db"), two_steps, 1, &error),
        OK);
    assert_int_equal(migrate_by(engine, scratch_path(&scratch, "usher.db"), two_steps, 2, &error),
        OK);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT b FROM t WHERE a = 1"), OK);
    assert_int_equal(n, 7);
    engine_close(engine);

    assert_int_equal(stat(scratch_path(&scratch, "usher.db.schema-1.1"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    engine = open_at(scratch_path(&scratch, "usher.db.schema-1.1"));
    assert_int_equal(migrate_version(engine, &n, &error), OK);
    assert_int_equal(n, 1);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM t"), OK);
    assert_int_equal(n, 1);
    engine_close(engine);
    scratch_done(&scratch);
}

static void
a_second_copy_does_not_replace_the_first(void **state)
{
    static const struct migration broken[] = {
        {"0001_first.sql", "CREATE TABLE t (a INTEGER)"},
        {"0002_broken.sql", "CREATE TABLE u (a INTEGER); CREATE TABLE t (a INTEGER)"},
    };
    struct scratch scratch;
    struct error error = {0};
    int64_t n = -1;

    (void)state;
    scratch_init(&scratch);
    struct engine *engine = open_at(scratch_path(&scratch, "usher.db"));
    assert_int_equal(migrate_by(engine, scratch_path(&scratch, "usher.db"), broken, 1, &error), OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(migrate_by(engine, scratch_path(&scratch, "usher.db"), broken, 2, &error),
            ERR_IO);
    assert_non_null(strstr(error.text, "0002_broken.sql"));
    assert_int_equal(migrate_version(engine, &n, &error), OK);
    assert_int_equal(n, 1);
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM sqlite_schema"), OK);
    assert_int_equal(n, 1);
    engine_close(engine);
    assert_int_equal(scratch_count(&scratch, "usher.db.schema-1."), 2);
    scratch_done(&scratch);
}

/* As the first schema left it, without what came after. */
static const char first_schema[] =
    "DROP TABLE quarantine; DROP TABLE quarantine_room; DROP TABLE handling_log;"
    "DROP TABLE handling; DROP TABLE handler; DROP TABLE inbox_latest; DROP TABLE inbox;"
    "DROP TABLE source; DELETE FROM meta WHERE name <> 'sequence';"
    "UPDATE meta SET value = 7; PRAGMA user_version = 1;";

static void
a_database_of_the_first_schema_gets_an_inbox(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    int64_t n = -1;

    (void)state;
    scratch_init(&scratch);
    struct engine *engine = open_at(scratch_path(&scratch, "usher.db"));
    assert_int_equal(migrate(engine, scratch_path(&scratch, "usher.db"), &error), OK);
    assert_int_equal(engine_exec(engine, first_schema, &error), OK);
    assert_int_equal(migrate(engine, scratch_path(&scratch, "usher.db"), &error), OK);
    assert_int_equal(migrate_version(engine, &n, &error), OK);
    assert_int_equal(n, migrate_newest());
    assert_int_equal(engine_get_int(engine, &n, &error, "SELECT count(*) FROM inbox"), OK);
    assert_int_equal(n, 0);
    assert_int_equal(
        engine_get_int(engine, &n, &error, "SELECT value FROM meta WHERE name = 'sequence'"), OK);
    assert_int_equal(n, 7);
    assert_int_equal(
        engine_get_int(engine, &n, &error, "SELECT value FROM meta WHERE name = 'inbox_sequence'"),
        OK);
    assert_int_equal(n, 0);
    engine_close(engine);
    assert_int_equal(scratch_count(&scratch, "usher.db.schema-1."), 1);
    scratch_done(&scratch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_database_gets_the_newest_schema_and_no_copy),
        cmocka_unit_test(a_newer_schema_is_refused),
        cmocka_unit_test(another_programs_database_is_refused),
        cmocka_unit_test(a_failed_step_leaves_the_database_empty),
        cmocka_unit_test(an_older_database_is_copied_first_and_keeps_its_rows),
        cmocka_unit_test(a_second_copy_does_not_replace_the_first),
        cmocka_unit_test(a_database_of_the_first_schema_gets_an_inbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
