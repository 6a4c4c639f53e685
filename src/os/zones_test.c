/* SPDX-License-Identifier: Apache-2.0 */
#include "os/zones.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/files.h"
#include "support/test.h"

/* A database of our own, so that the tests need none installed: two zones, an alias, and what may
 * lie beside them. */
struct database {
    char directory[64];
    struct zones *zones;
};

static const char header[] =
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
    "\0\0\0\4";

static void
put_file(const struct database *database, const char *name, const void *bytes, size_t len)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", database->directory, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void
put_zone(const struct database *database, const char *name, const char *rule)
{
    CLEANUP(buf_done) struct buf file;

    buf_init(&file, 1024);
    for (int i = 0; i < 2; i++) {
        buf_append(&file, header, sizeof(header) - 1);
        buf_append(&file, "\0\0\0\0\0\0LMT\0", 10);
    }
    buf_printf(&file, "\n%s\n", rule);
    put_file(database, name, file.ptr, file.len);
}

static void
put_directory(const struct database *database, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", database->directory, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static int
set_up(void **state)
{
    struct database *database = calloc(1, sizeof(*database));
    char alias[256];

    assert_non_null(database);
    (void)snprintf(database->directory, sizeof(database->directory), "/tmp/zones_test.XXXXXX");
    assert_non_null(mkdtemp(database->directory));
    put_directory(database, "Asia");
    put_directory(database, "right");
    put_zone(database, "UTC", "UTC0");
    put_zone(database, "Asia/Kolkata", "IST-5:30");
    put_zone(database, "right/UTC", "UTC0");
    put_zone(database, "EST5EDT", "EST5EDT,M3.2.0,M11.1.0");
    put_zone(database, "Asia/Broken", "nonsense");
    put_file(database, "leapseconds", "# text\n", 7);
    put_file(database, "Asia/Empty", "", 0);
    put_file(database, "tzdata.zi", "# version 2042z\n# more\n", 23);
    (void)snprintf(alias, sizeof(alias), "%s/Asia/Calcutta", database->directory);
    assert_int_equal(symlink("Kolkata", alias), 0);
    assert_int_equal(zones_new(database->directory, &database->zones, NULL), OK);
    *state = database;
    return 0;
}

static int
tear_down(void **state)
{
    static const char *const names[] = {"UTC", "Asia/Kolkata", "Asia/Calcutta", "Asia/Broken",
        "Asia/Empty", "right/UTC", "EST5EDT", "leapseconds", "tzdata.zi", "Asia", "right", ""};
    struct database *database = *state;
    char path[256];

    zones_free(database->zones);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", database->directory, names[i]);
        (void)remove(path);
    }
    free(database);
    return 0;
}

static int32_t
offset_of(struct zones *zones, const char *name)
{
    const struct zone *zone = NULL;
    struct error error = {0};

    if (zones_get(zones, str_from(name), &zone, &error) != OK)
        fail_msg("%s: %s", name, error.text);
    assert_string_equal(zone_name(zone).ptr, name);
    return zone_offset_at(zone, (struct walltime){0});
}

static void
zones_are_found_by_name_alias_and_offset(void **state)
{
    struct database *database = *state;

    assert_int_equal(offset_of(database->zones, "UTC"), 0);
    assert_int_equal(offset_of(database->zones, "Asia/Kolkata"), 19800);
    assert_int_equal(offset_of(database->zones, "Asia/Calcutta"), 19800);
    assert_int_equal(offset_of(database->zones, "+05:30"), 19800);
    assert_int_equal(offset_of(database->zones, "-00:30"), -1800);
    assert_int_equal(offset_of(database->zones, "+00:00"), 0);
}

static void
a_zone_is_read_once(void **state)
{
    struct database *database = *state;
    const struct zone *first = NULL;
    const struct zone *again = NULL;

    assert_int_equal(zones_get(database->zones, STR("Asia/Kolkata"), &first, NULL), OK);
    put_file(database, "Asia/Kolkata", "gone", 4);
    assert_int_equal(zones_get(database->zones, STR("Asia/Kolkata"), &again, NULL), OK);
    assert_ptr_equal(first, again);
}

static void
what_is_not_a_zone_here_is_not_found(void **state)
{
    static const char *const names[] = {"", "Nowhere/City", "asia/kolkata", "Asia", "Asia/",
        "Asia/Kolkata/", "Asia/Kolkata/x", "right/UTC", "EST5EDT", "leapseconds", "tzdata.zi",
        "Asia/Empty", "../etc/passwd", "/etc/passwd", "-00:00", "+18:01", "+5:30", "Z",
        "Asia/Kolkata\n", "\xff\xfe",
        "Asia/Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    struct database *database = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct zone *zone = NULL;
        struct error error = {0};

        if (zones_get(database->zones, str_from(names[i]), &zone, &error) != ERR_NOT_FOUND)
            fail_msg("\"%s\": %d", names[i], (int)error.code);
        assert_null(zone);
        assert_non_null(strstr(error.text, "is not a time zone: give a name"));
        assert_true(str_is_utf8(str_from(error.text)));
    }
}

static void
a_broken_zone_file_is_our_failure(void **state)
{
    struct database *database = *state;
    const struct zone *zone = NULL;
    struct error error = {0};

    assert_int_equal(zones_get(database->zones, STR("Asia/Broken"), &zone, &error), ERR_IO);
    assert_null(zone);
    assert_int_equal(error.code, ERR_IO);
    assert_non_null(strstr(error.text, "Asia/Broken: the rule is not understood"));
}

static void
a_directory_without_zones_is_said_at_the_start(void **state)
{
    struct zones *zones = NULL;
    struct error error = {0};

    assert_int_equal(zones_new("/nonexistent", &zones, &error), ERR_NOT_FOUND);
    assert_null(zones);
    assert_non_null(strstr(error.text, "no time zones in /nonexistent"));
    (void)state;
}

static void
the_release_of_the_database_is_known(void **state)
{
    struct database *database = *state;
    struct zones *zones = NULL;

    assert_true(str_equals(zones_version(database->zones), STR("2042z")));
    put_file(database, "tzdata.zi", "something else\n", 15);
    assert_int_equal(zones_new(database->directory, &zones, NULL), OK);
    assert_null(zones_version(zones).ptr);
    zones_free(zones);
}

#define THREADS 4

static void *
ask_for_all_offsets(void *arg)
{
    struct zones *zones = arg;
    int64_t sum = 0;

    for (int32_t minutes = -1080; minutes <= 1080; minutes++) {
        char name[UTC_OFFSET_TEXT_BYTES];
        const struct zone *zone = NULL;

        utc_offset_format(minutes, name);
        if (zones_get(zones, str_from(name), &zone, NULL) != OK ||
            zone_offset_at(zone, (struct walltime){0}) != minutes * 60)
            return arg;
        sum += minutes;
    }
    return sum == 0 ? NULL : arg;
}

static void
threads_may_ask_at_the_same_time(void **state)
{
    struct database *database = *state;
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_for_all_offsets, database->zones),
            0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = database;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(zones_are_found_by_name_alias_and_offset, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_zone_is_read_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_a_zone_here_is_not_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_zone_file_is_our_failure, set_up, tear_down),
        cmocka_unit_test(a_directory_without_zones_is_said_at_the_start),
        cmocka_unit_test_setup_teardown(the_release_of_the_database_is_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_may_ask_at_the_same_time, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
