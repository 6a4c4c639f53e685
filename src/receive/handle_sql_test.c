/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/stat.h>

#include "os/files.h"
#include "store/engine.h"
#include "support/kind.h"
#include "support/testdata.h"

static const char *testdata_folder;

struct world {
    struct kind_world kind;
    char path[512];
};

static int
start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    kind_start(&world->kind, &handler_sql);
    (void)snprintf(world->path, sizeof(world->path), "%s",
        scratch_path(&world->kind.scratch, "owner.db"));
    kind_must_set(&world->kind, "database", world->path);
    *state = world;
    return 0;
}

static int
stop(void **state)
{
    struct world *world = *state;

    kind_stop(&world->kind);
    free(world);
    return 0;
}

/* The owner at their own database. */
static void
owner(struct world *world, const char *sql)
{
    const struct engine_options options = {.path = world->path, .is_foreign = true};
    struct engine *engine = NULL;
    struct error error = {.code = OK};
    struct stat status;

    if (stat(world->path, &status) != 0)
        assert_int_equal(file_create_secret(world->path, STR(""), &error), OK);
    if (engine_open(&options, &engine, &error) != OK || engine_exec(engine, sql, &error) != OK)
        fail_msg("%s", error.text);
    engine_close(engine);
}

/* All rows as "a|b;c|d"; borrowed until the next call. */
static const char *
rows_of(struct world *world, const char *sql, int columns)
{
    static char text[4096];
    const struct engine_options options = {.path = world->path, .read_only = true};
    struct engine *engine = NULL;
    struct error error = {.code = OK};
    struct rows rows;
    size_t len = 0;

    text[0] = '\0';
    if (engine_open(&options, &engine, &error) != OK)
        fail_msg("%s", error.text);
    engine_select_values(engine, &rows, sql, NULL, 0);
    while (rows_next(&rows)) {
        for (int i = 0; i < columns; i++) {
            struct str value = rows_str(&rows, i);

            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s",
                i > 0     ? "|"
                : len > 0 ? ";"
                          : "",
                value.ptr == NULL ? 4 : (int)value.len, value.ptr == NULL ? "NULL" : value.ptr);
            assert_true(len < sizeof(text));
        }
    }
    if (rows_end(&rows, &error) != OK)
        fail_msg("%s", error.text);
    engine_close(engine);
    return text;
}

static void
expect_result(struct kind_given *given, enum handling_result result)
{
    if (given->handling.result != result)
        fail_msg("%d and not %d: %s", (int)given->handling.result, (int)result, given->detail);
}

static void
give(struct world *world, struct kind_given *given, int64_t sequence, const char *body)
{
    kind_give(&world->kind, given, body);
    given->handling.sequence = sequence;
}

static void
one_item_is_an_attendee_a_session_and_an_event(void **state)
{
    struct world *world = *state;
    struct kind_given given;
    struct stat status;

    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 7, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(given.detail, "");
    assert_string_equal(rows_of(world,
                            "SELECT person, name, email, phone, timezone, mangoes,"
                            " received, usher_sequence FROM attendees",
                            8),
        "e:ann@example.com|Ann Lee|ann@example.com|1234567890|+05:30|m1, m2|"
        "2024-03-15T10:00:00.000Z|7");
    assert_string_equal(rows_of(world,
                            "SELECT webinar_id, person, webinar, link, from_utc, to_utc,"
                            " from_creator, to_creator, creator_timezone, from_attendee,"
                            " to_attendee, usher_sequence FROM sessions",
                            12),
        "634f|e:ann@example.com|Intro|https://meet.example/a|2024-03-15T10:00:00Z|"
        "2024-03-15T11:00:00Z|2024-03-15T11:00:00+01:00|2024-03-15T12:00:00+01:00|+01:00|"
        "2024-03-15T15:30:00+05:30|2024-03-15T16:30:00+05:30|7");
    assert_string_equal(rows_of(world,
                            "SELECT id, source, event, change, revision, person, object,"
                            " usher_sequence, length(payload) > 100 FROM events",
                            9),
        "in_0000000000000007|shop|webinar.created.single|created|2|e:ann@example.com|634f|7|1");
    /* Nobody else reads what the inbox writes, until the owner says so. */
    assert_int_equal(stat(world->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void
only_what_is_newer_changes_a_row(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 20, "{\"name\":\"New\",\"email\":\"ann@example.com\",\"phone\":\"2\"}");
    (void)kind_run(&world->kind, &given);
    give(world, &given, 10, "{\"name\":\"Old\",\"email\":\"ann@example.com\",\"phone\":\"1\"}");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    give(world, &given, 20, "{\"name\":\"Same\",\"email\":\"ann@example.com\",\"phone\":\"3\"}");
    (void)kind_run(&world->kind, &given);
    assert_string_equal(rows_of(world, "SELECT name, phone, usher_sequence FROM attendees", 3),
        "New|2|20");
    give(world, &given, 21, "{\"name\":\"Newer\",\"email\":\"ann@example.com\"}");
    (void)kind_run(&world->kind, &given);
    /* What it does not say is kept. */
    assert_string_equal(rows_of(world, "SELECT name, phone, usher_sequence FROM attendees", 3),
        "Newer|2|21");
    /* All four had one id. */
    assert_string_equal(rows_of(world, "SELECT count(*), min(usher_sequence) FROM events", 2),
        "1|20");
}

static void
columns_and_tables_go_by_the_owners_names(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    owner(world, "CREATE TABLE \"my \"\"people\" (mail TEXT NOT NULL UNIQUE, full_name TEXT,"
                 " \"select\" TEXT, seen INTEGER, note TEXT DEFAULT 'mine');"
                 "INSERT INTO \"my \"\"people\" (mail, full_name, note)"
                 " VALUES ('e:ann@example.com', 'Ann', 'old');");
    kind_must_set(&world->kind, "attendees", "my \"people");
    kind_must_set(&world->kind, "attendees-columns",
        "name = full_name, person=mail, phone=select,sequence=seen");
    kind_must_set(&world->kind, "sessions", "no");
    kind_must_set(&world->kind, "events", "no");
    kind_open(&world->kind);
    give(world, &given, 7, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(
        rows_of(world, "SELECT mail, full_name, \"select\", seen, note FROM \"my \"\"people\"", 5),
        "e:ann@example.com|Ann Lee|1234567890|7|old");
}

static void
what_the_owner_decided_about_the_database_stays(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    owner(world, "PRAGMA page_size = 1024; CREATE TABLE t (a)");
    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 7, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(rows_of(world, "PRAGMA journal_mode", 1), "delete");
    assert_string_equal(rows_of(world, "PRAGMA page_size", 1), "1024");
}

static void
a_missing_database_table_or_column_is_told(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    kind_open(&world->kind);
    give(world, &given, 7, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_FAILED);
    assert_non_null(strstr(given.detail, "is not there"));
    assert_non_null(strstr(given.detail, "create = yes"));

    owner(world, "CREATE TABLE attendees (person TEXT PRIMARY KEY, name TEXT)");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_FAILED);
    assert_non_null(strstr(given.detail, "attendees"));
    assert_non_null(strstr(given.detail, "no column named email"));

    owner(world, "DROP TABLE attendees");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_FAILED);
    assert_non_null(strstr(given.detail, "no such table: attendees"));

    /* Mended while it ran. */
    owner(world, "CREATE TABLE attendees (person TEXT PRIMARY KEY, name, email, phone, timezone,"
                 " mangoes, received, usher_sequence);"
                 "CREATE TABLE sessions (webinar_id, person, webinar, link, from_utc, to_utc,"
                 " from_creator, to_creator, creator_timezone, from_attendee, to_attendee,"
                 " received, usher_sequence, PRIMARY KEY (webinar_id, person));"
                 "CREATE TABLE events (id PRIMARY KEY, source, event, change, revision, person,"
                 " object, received, payload, usher_sequence);");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
}

/* Many at once: one transaction, or a few. */
static void
give_many(struct world *world, struct kind_given *given, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        give(world, &given[i], (int64_t)(i + 1), KIND_BODY);
        given[i].handling.person = arena_printf(&world->kind.arena, "n:%zu", i);
        given[i].handling.id = arena_printf(&world->kind.arena, "in_%zu", i);
        kind_begin(&world->kind, &given[i]);
    }
    kind_wait(&world->kind);
}

static void
one_bad_row_fails_alone(void **state)
{
    struct world *world = *state;
    struct kind_given *given = calloc(600, sizeof(*given));

    assert_non_null(given);
    /* The last that is written of an item. */
    owner(world, "CREATE TABLE events (id TEXT PRIMARY KEY CHECK (id NOT LIKE '%7'),"
                 " usher_sequence);");
    kind_must_set(&world->kind, "events-columns", "id");
    kind_must_set(&world->kind, "create", "yes");
    world->kind.handler.concurrency = 600;
    kind_open(&world->kind);
    give_many(world, given, 600);
    for (size_t i = 0; i < 600; i++) {
        expect_result(&given[i], i % 10 == 7 ? HANDLING_FAILED : HANDLING_DONE);
        if (i % 10 == 7)
            assert_non_null(strstr(given[i].detail, "CHECK constraint failed"));
    }
    assert_string_equal(rows_of(world, "SELECT count(*) FROM attendees", 1), "540");
    /* Nothing of it: not its attendee, nor its session. */
    assert_string_equal(rows_of(world, "SELECT count(*) FROM events", 1), "540");
    assert_string_equal(rows_of(world, "SELECT count(*) FROM sessions", 1), "540");
    free(given);
}

static void
a_row_that_takes_the_whole_transaction_with_it_fails_alone(void **state)
{
    struct world *world = *state;
    struct kind_given *given = calloc(50, sizeof(*given));

    assert_non_null(given);
    owner(world, "CREATE TABLE attendees (person TEXT PRIMARY KEY, usher_sequence);"
                 "CREATE TRIGGER t BEFORE INSERT ON attendees WHEN new.person = 'n:30'"
                 " BEGIN SELECT raise(ROLLBACK, 'not this one'); END;");
    kind_must_set(&world->kind, "attendees-columns", "person");
    kind_must_set(&world->kind, "sessions", "no");
    kind_must_set(&world->kind, "create", "yes");
    world->kind.handler.concurrency = 50;
    kind_open(&world->kind);
    give_many(world, given, 50);
    for (size_t i = 0; i < 50; i++)
        expect_result(&given[i], i == 30 ? HANDLING_FAILED : HANDLING_DONE);
    assert_non_null(strstr(given[30].detail, "not this one"));
    assert_string_equal(rows_of(world, "SELECT count(*) FROM attendees", 1), "49");
    assert_string_equal(rows_of(world, "SELECT count(*) FROM events", 1), "49");
    free(given);
}

static void
a_lock_of_the_owners_is_no_fault_of_the_item(void **state)
{
    struct world *world = *state;
    const struct engine_options options = {.path = world->path, .is_foreign = true};
    struct engine *engine = NULL;
    struct kind_given given;

    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 7, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);

    assert_int_equal(engine_open(&options, &engine, NULL), OK);
    assert_int_equal(engine_begin(engine, NULL), OK);
    give(world, &given, 8, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_LATER);
    assert_non_null(strstr(given.detail, "another process holds it"));
    engine_rollback(engine);
    engine_close(engine);
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(rows_of(world, "SELECT usher_sequence FROM attendees", 1), "8");
}

static void
another_file_in_its_place_is_written_to(void **state)
{
    struct world *world = *state;
    struct kind_given given;
    char old[600];

    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 7, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    (void)snprintf(old, sizeof(old), "%s.old", world->path);
    assert_int_equal(rename(world->path, old), 0);
    owner(world, "CREATE TABLE restored (a)");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(rows_of(world, "SELECT count(*) FROM attendees", 1), "1");
}

static void
an_item_without_a_person_is_an_event_alone(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 7, "[1, 2]");
    given.handling.person = STR("");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(rows_of(world,
                            "SELECT (SELECT count(*) FROM attendees), payload, person"
                            " FROM events",
                            3),
        "0|[1, 2]|NULL");
}

static void
a_source_that_counts_by_something_else_still_has_attendees(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    give(world, &given, 7, "{\"email\":\" Ann@Example.com \",\"order\":\"17\"}");
    given.handling.person = STR("");
    (void)kind_run(&world->kind, &given);
    expect_result(&given, HANDLING_DONE);
    assert_string_equal(rows_of(world, "SELECT person FROM attendees", 1), "e:ann@example.com");
}

static void
naughty_strings_are_read_back_as_they_were(void **state)
{
    struct world *world = *state;
    const struct engine_options options = {.path = world->path, .read_only = true};
    struct engine *engine = NULL;
    struct json *json = NULL;
    struct arena arena;
    struct rows rows;
    struct buf buf;
    char path[PATH_MAX];
    int64_t sequence = 0;

    buf_init(&buf, 1 << 20);
    arena_init(&arena, 1 << 24);
    testdata_read(testdata_path(testdata_folder, "blns.json", path), &buf);
    assert_int_equal(json_parse(buf_str(&buf), &arena, &json, NULL), OK);
    kind_must_set(&world->kind, "create", "yes");
    kind_open(&world->kind);
    for (const struct json *item = json->first; item != NULL; item = item->next) {
        struct kind_given given;

        give(world, &given, ++sequence, KIND_BODY);
        given.received.name = item->text;
        given.received.sessions[0].webinar = item->text;
        given.handling.person = arena_printf(&arena, "n:%lld", (long long)sequence);
        given.handling.id = given.handling.person;
        (void)kind_run(&world->kind, &given);
        expect_result(&given, HANDLING_DONE);
    }
    assert_int_equal(engine_open(&options, &engine, NULL), OK);
    engine_select_values(engine, &rows,
        "SELECT name, webinar FROM attendees JOIN sessions USING (person)"
        " ORDER BY attendees.usher_sequence",
        NULL, 0);
    for (const struct json *item = json->first; item != NULL; item = item->next) {
        assert_true(rows_next(&rows));
        assert_true(str_equals(rows_str(&rows, 0), item->text));
        assert_true(str_equals(rows_str(&rows, 1), item->text));
    }
    assert_false(rows_next(&rows));
    assert_int_equal(rows_end(&rows, NULL), OK);
    engine_close(engine);
    arena_done(&arena);
    buf_done(&buf);
}

static void
a_handling_that_was_not_begun_can_be_cancelled(void **state)
{
    struct world *world = *state;
    const struct engine_options options = {.path = world->path, .is_foreign = true};
    struct engine *engine = NULL;
    struct kind_given given[3];

    kind_must_set(&world->kind, "create", "yes");
    world->kind.handler.concurrency = 3;
    kind_open(&world->kind);
    give(world, &given[0], 7, KIND_BODY);
    (void)kind_run(&world->kind, &given[0]);
    /* The thread waits for the lock, at least with the first. */
    assert_int_equal(engine_open(&options, &engine, NULL), OK);
    assert_int_equal(engine_begin(engine, NULL), OK);
    for (size_t i = 0; i < 3; i++) {
        give(world, &given[i], (int64_t)i, KIND_BODY);
        kind_begin(&world->kind, &given[i]);
    }
    handler_sql.cancel(world->kind.worker, &given[2].handling);
    assert_int_equal(given[2].done_count, 0);
    kind_wait(&world->kind);
    engine_rollback(engine);
    engine_close(engine);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(given[i].done_count, 1);
    assert_true(
        given[2].handling.result == HANDLING_FAILED || given[2].handling.result == HANDLING_LATER);
    expect_result(&given[0], HANDLING_LATER);
}

static void
a_mistake_in_the_settings_is_told(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *words;
    } rows[] = {
        {"database", "", "database: the name of the file is missing"},
        {"create", "maybe", "create: \"maybe\" is neither yes nor no"},
        {"attendees", "", "cannot be the name of a table"},
        {"attendees", "sqlite_master", "cannot be the name of a table"},
        {"events", "a\nb", "cannot be the name of a table"},
        {"attendees-columns", "nickname=full_name", "\"nickname\" is none of name, email, phone"},
        {"attendees-columns", "name=a,email=A", "column \"A\" is named twice"},
        {"sessions-columns", "link=", "cannot be the name"},
        {"sessions-columns", "", "is none of"},
        {"events-columns",
            "name=c0,name=c1,name=c2,name=c3,name=c4,name=c5,name=c6,name=c7,name=c8,name=c9,"
            "name=d0,name=d1,name=d2,name=d3,name=d4,name=d5,name=d6,name=d7,name=d8,name=d9,"
            "name=e0,name=e1,name=e2,name=e3,name=e4,name=e5,name=e6,name=e7,name=e8,name=e9",
            "more than 29 columns"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        kind_must_refuse(&world->kind, rows[i].name, rows[i].value, rows[i].words);
    assert_int_equal(kind_set(&world->kind, "smtp", "x"), ERR_NOT_FOUND);
}

static void
what_would_write_nothing_is_refused(void **state)
{
    struct world *world = *state;
    struct handler empty = {.name = STR("h"), .kind = &handler_sql};

    assert_int_equal(handler_sql.check(&empty, &world->kind.error), ERR_INVALID);
    assert_non_null(strstr(world->kind.error.text, "handler h: database is missing"));
    kind_must_set(&world->kind, "attendees", "no");
    kind_must_set(&world->kind, "sessions", "no");
    kind_must_set(&world->kind, "events", "no");
    assert_int_equal(handler_sql.check(&world->kind.handler, &world->kind.error), ERR_INVALID);
    assert_non_null(strstr(world->kind.error.text, "nothing would be written"));
}

static void
a_column_or_a_table_for_two_things_is_refused(void **state)
{
    struct world *world = *state;

    kind_must_set(&world->kind, "database", "x.db");
    kind_must_set(&world->kind, "attendees-columns", "name=person");
    assert_int_equal(handler_sql.check(&world->kind.handler, &world->kind.error), ERR_INVALID);
    assert_non_null(strstr(world->kind.error.text,
        "attendees-columns: column \"person\" would hold both name and person"));
    kind_must_set(&world->kind, "attendees", "no");
    kind_must_set(&world->kind, "events", "Sessions");
    assert_int_equal(handler_sql.check(&world->kind.handler, &world->kind.error), ERR_INVALID);
    assert_non_null(strstr(world->kind.error.text, "sessions and events are the same table"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(one_item_is_an_attendee_a_session_and_an_event),
        TEST(only_what_is_newer_changes_a_row),
        TEST(columns_and_tables_go_by_the_owners_names),
        TEST(what_the_owner_decided_about_the_database_stays),
        TEST(a_missing_database_table_or_column_is_told),
        TEST(one_bad_row_fails_alone),
        TEST(a_row_that_takes_the_whole_transaction_with_it_fails_alone),
        TEST(a_lock_of_the_owners_is_no_fault_of_the_item),
        TEST(another_file_in_its_place_is_written_to),
        TEST(an_item_without_a_person_is_an_event_alone),
        TEST(a_source_that_counts_by_something_else_still_has_attendees),
        TEST(naughty_strings_are_read_back_as_they_were),
        TEST(a_handling_that_was_not_begun_can_be_cancelled),
        TEST(a_mistake_in_the_settings_is_told),
        TEST(what_would_write_nothing_is_refused),
        TEST(a_column_or_a_table_for_two_things_is_refused),
    };

    testdata_folder = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
