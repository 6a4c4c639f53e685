/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "os/clock.h"
#include "store/file_lock.h"
#include "store/store.h"
#include "support/scratch.h"
#include "support/test.h"

static const struct walltime start = {INT64_C(1710496800000000)}; /* 2024-03-15T10:00:00Z */

struct place {
    struct scratch scratch;
    char db[128];
    char key[128];
    char copy[128];
    struct error error;
    struct backup backup;
    struct backup_restored restored;
};

static void
name(const struct place *place, char *ret, const char *file)
{
    (void)snprintf(ret, 128, "%s/%s", place->scratch.dir, file);
}

static struct engine *
open_database(struct place *place, const char *path)
{
    const struct store_options options = {
        .path = path,
        .key_path = place->key,
        .clock = &clock_system,
    };
    struct engine *engine = NULL;

    if (store_open_beside(&options, &engine, &place->error) != OK)
        fail_msg("%s", place->error.text);
    return engine;
}

static void
add_event(struct place *place, struct engine *engine, int64_t n)
{
    struct id id = {{(uint8_t)n}};

    if (engine_run(engine, &place->error,
            "INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk, webinar_id,"
            " starts_us, snapshot, audience, created_us)"
            " VALUES (?1, 1, ?2, 't', 'created', 1, ?2, 0, x'', x'', ?3)",
            v_int(n), v_id(&id), v_int(start.us + n)) != OK)
        fail_msg("%s", place->error.text);
}

static int64_t
events_in(struct place *place, const char *path)
{
    struct engine_options options = {.path = path, .read_only = true};
    CLEANUP(engine_closep) struct engine *engine = NULL;
    int64_t count = -1;

    if (engine_open(&options, &engine, &place->error) != OK ||
        engine_get_int(engine, &count, &place->error,
            "SELECT count(*) FROM event WHERE event_pk > ?1", v_int(0)) != OK)
        fail_msg("%s", place->error.text);
    return count;
}

/* A database with two events. */
static int
setup(void **state)
{
    static struct place place;
    struct engine *engine;

    memset(&place, 0, sizeof(place));
    scratch_init(&place.scratch);
    name(&place, place.db, "usher.db");
    name(&place, place.key, "usher.db.key");
    name(&place, place.copy, "copy.db");
    engine = open_database(&place, place.db);
    add_event(&place, engine, 1);
    add_event(&place, engine, 2);
    engine_close(engine);
    *state = &place;
    return 0;
}

static int
teardown(void **state)
{
    struct place *place = *state;

    scratch_done(&place->scratch);
    return 0;
}

static enum err
copy_to(struct place *place, const char *file, bool may_replace)
{
    const struct backup_write_args args = {place->db, file, may_replace};

    return backup_write(&args, &place->backup, &place->error);
}

static void
must_copy(struct place *place)
{
    if (copy_to(place, place->copy, false) != OK)
        fail_msg("%s", place->error.text);
}

static enum err
restore_from(struct place *place, const char *file)
{
    const struct backup_restore_args args = {
        .db_path = place->db,
        .file = file,
        .key_path = place->key,
        .now = start,
    };

    return backup_restore(&args, &place->restored, &place->error);
}

/* The error has this text, nothing was written to ret, and nothing lies about. */
static void
must_say(struct place *place, const char *text, size_t files)
{
    if (strstr(place->error.text, text) == NULL)
        fail_msg("no \"%s\" in \"%s\"", text, place->error.text);
    assert_int_equal(place->backup.schema, 0);
    assert_int_equal(place->restored.backup.schema, 0);
    assert_int_equal(scratch_count(&place->scratch, ""), files);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* --- copies --- */

static void
a_copy_is_of_what_was_committed(void **state)
{
    struct place *place = *state;
    struct engine *engine = open_database(place, place->db);
    struct stat status;

    assert_int_equal(engine_begin(engine, &place->error), OK);
    add_event(place, engine, 3);
    must_copy(place);
    assert_int_equal(engine_commit(engine, &place->error), OK);
    assert_int_equal(events_in(place, place->copy), 2);
    assert_int_equal(place->backup.events, 2);
    assert_int_equal(place->backup.until.us, start.us + 2);
    assert_true(place->backup.schema > 0);
    assert_int_equal(stat(place->copy, &status), 0);
    assert_int_equal(place->backup.bytes, status.st_size);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(scratch_count(&place->scratch, "copy.db"), 1);
    engine_close(engine);
}

static void
a_copy_replaces_another_only_when_told(void **state)
{
    struct place *place = *state;

    write_file(place->copy, "mine");
    assert_int_equal(copy_to(place, place->copy, false), ERR_CONFLICT);
    must_say(place, "--force", 4);
    assert_int_equal(copy_to(place, place->copy, true), OK);
    assert_int_equal(events_in(place, place->copy), 2);
}

static void
a_copy_never_takes_the_databases_own_place(void **state)
{
    struct place *place = *state;
    struct engine *engine = open_database(place, place->db);
    char log[160];

    add_event(place, engine, 3);
    (void)snprintf(log, sizeof(log), "%s-wal", place->db);
    assert_int_equal(copy_to(place, place->db, true), ERR_CONFLICT);
    must_say(place, "is the database itself", 5);
    assert_int_equal(symlink(place->db, place->copy), 0);
    assert_int_equal(copy_to(place, place->copy, true), ERR_CONFLICT);
    must_say(place, "is the database itself", 6);
    assert_int_equal(copy_to(place, log, true), ERR_CONFLICT);
    must_say(place, "is a part of the database", 6);
    assert_int_equal(copy_to(place, place->key, true), ERR_CONFLICT);
    must_say(place, "is a part of the database", 6);
    engine_close(engine);
    assert_int_equal(copy_to(place, log, false), ERR_CONFLICT); /* it is not there now */
    must_say(place, "is a part of the database", 4);
    assert_int_equal(events_in(place, place->db), 3);
}

static void
what_cannot_be_copied_says_why(void **state)
{
    struct place *place = *state;
    char path[128];

    name(place, path, "no/copy.db");
    assert_int_equal(copy_to(place, path, false), ERR_NOT_FOUND);
    must_say(place, "No such file", 3);
    assert_int_equal(copy_to(place, place->scratch.dir, true), ERR_INVALID);
    must_say(place, "is not a file", 3);
    name(place, path, "other.db");
    write_file(path, "hello");
    memcpy(place->db, path, sizeof(path));
    assert_int_equal(copy_to(place, place->copy, false), ERR_IO);
    must_say(place, "not a database", 4);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(copy_to(place, place->copy, false), ERR_NOT_FOUND);
    must_say(place, "there is no database", 3);
}

/* --- and back --- */

static void
a_copy_is_restored_and_what_was_there_is_kept(void **state)
{
    struct place *place = *state;
    struct stat status;
    struct engine *engine;

    must_copy(place);
    engine = open_database(place, place->db);
    add_event(place, engine, 3);
    engine_close(engine);
    if (getuid() == 0)
        assert_int_equal(chown(place->db, 12345, 54321), 0);
    assert_int_equal(restore_from(place, place->copy), OK);
    assert_int_equal(stat(place->db, &status), 0);
    assert_int_equal(status.st_uid, getuid() == 0 ? 12345 : getuid());
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(events_in(place, place->db), 2);
    assert_int_equal(place->restored.backup.events, 2);
    assert_non_null(strstr(place->restored.kept, "/usher.db.before-20240315T100000Z"));
    assert_int_equal(events_in(place, place->restored.kept), 3);
    /* Again in the same second: neither is lost. */
    assert_int_equal(restore_from(place, place->copy), OK);
    assert_non_null(strstr(place->restored.kept, "Z.2"));
    assert_int_equal(events_in(place, place->copy), 2);
    engine = open_database(place, place->db);
    add_event(place, engine, 3);
    engine_close(engine);
}

static void
what_a_killed_process_left_in_its_log_is_kept(void **state)
{
    struct place *place = *state;
    pid_t pid;
    int status = -1;

    must_copy(place);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        add_event(place, open_database(place, place->db), 3);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(scratch_count(&place->scratch, "usher.db-wal"), 1);
    assert_int_equal(restore_from(place, place->copy), OK);
    assert_int_equal(scratch_count(&place->scratch, "usher.db-wal"), 0);
    assert_int_equal(scratch_count(&place->scratch, "usher.db.before-20240315T100000Z-wal"), 0);
    assert_int_equal(events_in(place, place->db), 2);
    assert_int_equal(events_in(place, place->restored.kept), 3);
}

/* The database may lie elsewhere, behind a link in its place. */
static void
a_link_to_the_database_stays_one(void **state)
{
    struct place *place = *state;
    char elsewhere[128];
    struct stat status;
    int lock_fd = -1;

    must_copy(place);
    name(place, elsewhere, "elsewhere.db");
    assert_int_equal(rename(place->db, elsewhere), 0);
    assert_int_equal(symlink("elsewhere.db", place->db), 0);
    assert_int_equal(file_lock_take(elsewhere, &lock_fd, &place->error), OK);
    assert_int_equal(restore_from(place, place->copy), ERR_CONFLICT);
    file_lock_drop(lock_fd);
    assert_int_equal(restore_from(place, place->copy), OK);
    assert_int_equal(lstat(place->db, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(events_in(place, elsewhere), 2);
    assert_non_null(strstr(place->restored.kept, "/elsewhere.db.before-"));
}

static void
damage(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(fputc(0x5a, file), 0x5a);
    assert_int_equal(fclose(file), 0);
}

/* A database that cannot even be opened is a reason to restore. */
static void
a_database_that_is_damaged_is_kept_with_its_log(void **state)
{
    struct place *place = *state;
    char path[160];

    must_copy(place);
    damage(place->db, 0);
    (void)snprintf(path, sizeof(path), "%s-wal", place->db);
    write_file(path, "and this, too");
    assert_int_equal(restore_from(place, place->copy), OK);
    assert_int_equal(events_in(place, place->db), 2);
    (void)snprintf(path, sizeof(path), "%.100s-wal", place->restored.kept);
    assert_int_equal(access(path, F_OK), 0);
}

static void
a_copy_is_restored_where_there_is_no_database(void **state)
{
    struct place *place = *state;
    char log[128];

    must_copy(place);
    name(place, log, "usher.db-wal");
    assert_int_equal(unlink(place->db), 0);
    write_file(log, "of a database that is gone");
    assert_int_equal(restore_from(place, place->copy), OK);
    assert_string_equal(place->restored.kept, "");
    assert_int_equal(scratch_count(&place->scratch, "usher.db-wal"), 0);
    assert_int_equal(scratch_count(&place->scratch, "usher.db.before-20240315T100000Z-wal"), 1);
    assert_int_equal(events_in(place, place->db), 2);
}

static void
nothing_is_restored_while_the_database_is_served(void **state)
{
    struct place *place = *state;
    int lock_fd = -1;
    char pid[32];

    must_copy(place);
    place->backup.schema = 0;
    assert_int_equal(file_lock_take(place->db, &lock_fd, &place->error), OK);
    assert_int_equal(restore_from(place, place->copy), ERR_CONFLICT);
    (void)snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    must_say(place, pid, 4);
    file_lock_drop(lock_fd);
}

static void
a_copy_that_is_no_good_is_not_restored(void **state)
{
    struct place *place = *state;
    char other[128];
    struct engine_options options = {.path = place->copy};
    struct engine *engine = NULL;

    name(place, other, "other");
    assert_int_equal(restore_from(place, other), ERR_NOT_FOUND);
    must_say(place, "there is no file", 3);
    write_file(other, "hello");
    assert_int_equal(restore_from(place, other), ERR_IO);
    must_say(place, "is no database, or a damaged one", 4);
    write_file(other, "");
    assert_int_equal(restore_from(place, other), ERR_CONFLICT);
    must_say(place, "is no database of usher", 4);
    assert_int_equal(restore_from(place, place->db), ERR_CONFLICT);
    must_say(place, "is the database itself", 4);

    must_copy(place);
    place->backup.schema = 0;
    damage(place->copy, 8192 * 5);
    assert_true(restore_from(place, place->copy) != OK);
    must_say(place, "copy.db cannot be restored", 5);

    assert_int_equal(copy_to(place, place->copy, true), OK);
    place->backup.schema = 0;
    assert_int_equal(engine_open(&options, &engine, &place->error), OK);
    assert_int_equal(engine_exec(engine, "PRAGMA user_version = 900", &place->error), OK);
    name(place, other, "copy.db-wal");
    assert_int_equal(restore_from(place, place->copy), ERR_CONFLICT);
    must_say(place, "a database in use", 7);
    engine_close(engine);
    assert_int_equal(restore_from(place, place->copy), ERR_CONFLICT);
    must_say(place, "use a newer usher", 5);
    assert_int_equal(events_in(place, place->db), 2);
}

static void
a_copy_is_not_restored_under_another_key(void **state)
{
    struct place *place = *state;

    must_copy(place);
    place->backup.schema = 0;
    assert_int_equal(unlink(place->key), 0);
    assert_int_equal(restore_from(place, place->copy), ERR_DENIED);
    must_say(place, "is missing", 3);
    write_file(place->key, "0123456789012345678901234567890123456789012345678901234567890123\n");
    assert_int_equal(chmod(place->key, 0600), 0);
    assert_int_equal(restore_from(place, place->copy), ERR_DENIED);
    must_say(place, "is not the one", 4);
    assert_int_equal(events_in(place, place->db), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_is_of_what_was_committed),
        TEST(a_copy_replaces_another_only_when_told),
        TEST(a_copy_never_takes_the_databases_own_place),
        TEST(what_cannot_be_copied_says_why),
        TEST(a_copy_is_restored_and_what_was_there_is_kept),
        TEST(what_a_killed_process_left_in_its_log_is_kept),
        TEST(a_link_to_the_database_stays_one),
        TEST(a_database_that_is_damaged_is_kept_with_its_log),
        TEST(a_copy_is_restored_where_there_is_no_database),
        TEST(nothing_is_restored_while_the_database_is_served),
        TEST(a_copy_that_is_no_good_is_not_restored),
        TEST(a_copy_is_not_restored_under_another_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
