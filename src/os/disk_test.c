/* SPDX-License-Identifier: Apache-2.0 */
#include "os/disk.h"

#include <string.h>
#include <sys/stat.h>

#include "support/scratch.h"
#include "support/test.h"

struct folder {
    struct scratch scratch;
    char one[512];
    char other[512];
    char draft[DISK_PATH_BYTES];
    struct error error;
};

static int
setup(void **state)
{
    static struct folder folder;

    memset(&folder, 0, sizeof(folder));
    scratch_init(&folder.scratch);
    (void)snprintf(folder.one, sizeof(folder.one), "%s/one", folder.scratch.dir);
    (void)snprintf(folder.other, sizeof(folder.other), "%s/other", folder.scratch.dir);
    *state = &folder;
    return 0;
}

static int
teardown(void **state)
{
    struct folder *folder = *state;

    scratch_done(&folder->scratch);
    return 0;
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
must_read(const char *path, const char *wanted)
{
    char text[64] = "";
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    (void)fclose(file);
    assert_string_equal(text, wanted);
}

static void
a_disk_has_room(void **state)
{
    struct folder *folder = *state;
    int64_t bytes = -1;

    assert_int_equal(disk_free(folder->scratch.dir, &bytes, &folder->error), OK);
    assert_true(bytes >= 0);
    bytes = 77;
    assert_int_equal(disk_free(folder->one, &bytes, &folder->error), ERR_NOT_FOUND);
    assert_int_equal(bytes, 77);
}

static void
a_file_is_looked_at(void **state)
{
    struct folder *folder = *state;
    bool exists = true;
    int64_t bytes = 77;

    assert_int_equal(disk_look(folder->one, &exists, &bytes, &folder->error), OK);
    assert_false(exists);
    assert_int_equal(bytes, 0);
    write_file(folder->one, "1234");
    assert_int_equal(disk_look(folder->one, &exists, &bytes, &folder->error), OK);
    assert_true(exists);
    assert_int_equal(bytes, 4);
    assert_int_equal(disk_look(folder->scratch.dir, &exists, &bytes, &folder->error), ERR_INVALID);
    assert_non_null(strstr(folder->error.text, "is not a file"));
    assert_int_equal(bytes, 4);
}

static void
two_names_may_lead_to_one_file(void **state)
{
    struct folder *folder = *state;

    write_file(folder->one, "");
    assert_false(disk_is_same(folder->one, folder->other));
    assert_int_equal(symlink(folder->one, folder->other), 0);
    assert_true(disk_is_same(folder->one, folder->other));
}

static void
a_draft_becomes_a_file(void **state)
{
    struct folder *folder = *state;
    struct stat status;

    write_file(folder->other, "content");
    assert_int_equal(disk_draft(folder->one, folder->draft, &folder->error), OK);
    assert_int_equal(stat(folder->draft, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(disk_copy(folder->other, folder->draft, &folder->error), OK);
    assert_int_equal(access(folder->one, F_OK), -1);
    assert_int_equal(disk_put(folder->draft, folder->one, false, &folder->error), OK);
    must_read(folder->one, "content");
    assert_int_equal(access(folder->draft, F_OK), -1);
}

static void
a_file_that_is_there_is_replaced_only_when_told(void **state)
{
    struct folder *folder = *state;

    write_file(folder->one, "old");
    assert_int_equal(disk_draft(folder->one, folder->draft, &folder->error), OK);
    write_file(folder->draft, "new");
    assert_int_equal(disk_put(folder->draft, folder->one, false, &folder->error), ERR_CONFLICT);
    must_read(folder->one, "old");
    must_read(folder->draft, "new");
    assert_int_equal(disk_put(folder->draft, folder->one, true, &folder->error), OK);
    must_read(folder->one, "new");
}

static void
a_file_is_kept_under_another_name_but_never_over_a_third(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(disk_keep(folder->one, folder->other, &folder->error), ERR_NOT_FOUND);
    write_file(folder->one, "one");
    assert_int_equal(disk_keep(folder->one, folder->other, &folder->error), OK);
    assert_int_equal(unlink(folder->one), 0);
    must_read(folder->other, "one");
    write_file(folder->one, "two");
    assert_int_equal(disk_keep(folder->one, folder->other, &folder->error), ERR_CONFLICT);
    must_read(folder->other, "one");
    must_read(folder->one, "two");
}

static void
a_file_is_given_to_whom_another_belongs_to(void **state)
{
    struct folder *folder = *state;
    struct stat status;

    write_file(folder->one, "");
    write_file(folder->other, "");
    if (getuid() == 0)
        assert_int_equal(chown(folder->other, 12345, 54321), 0);
    assert_int_equal(disk_give(folder->one, folder->other, &folder->error), OK);
    assert_int_equal(stat(folder->one, &status), 0);
    assert_int_equal(status.st_uid, getuid() == 0 ? 12345 : getuid());
    assert_int_equal(unlink(folder->other), 0);
    assert_int_equal(disk_give(folder->one, folder->other, &folder->error), ERR_NOT_FOUND);
}

static void
the_folder_of_a_path_is_named(void **state)
{
    struct folder *folder = *state;

    assert_int_equal(disk_folder("usher.db", folder->draft, &folder->error), OK);
    assert_string_equal(folder->draft, "./");
    assert_int_equal(disk_folder("/var/lib/usher.db", folder->draft, &folder->error), OK);
    assert_string_equal(folder->draft, "/var/lib/");
}

static void
what_cannot_be_done_says_why(void **state)
{
    struct folder *folder = *state;
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s/no/such", folder->scratch.dir);
    folder->draft[0] = '?';
    assert_int_equal(disk_draft(path, folder->draft, &folder->error), ERR_NOT_FOUND);
    assert_int_equal(folder->draft[0], '?');
    assert_int_equal(disk_copy(path, folder->one, &folder->error), ERR_NOT_FOUND);
    write_file(folder->one, "x");
    assert_int_equal(disk_copy(folder->one, folder->other, &folder->error), ERR_NOT_FOUND);
    assert_int_equal(disk_put(path, folder->one, true, &folder->error), ERR_NOT_FOUND);
    must_read(folder->one, "x");
    assert_int_equal(disk_copy(folder->one, "/dev/full", &folder->error), ERR_DISK);
    assert_non_null(strstr(folder->error.text, "No space left"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_disk_has_room),
        TEST(a_file_is_looked_at),
        TEST(two_names_may_lead_to_one_file),
        TEST(a_draft_becomes_a_file),
        TEST(a_file_that_is_there_is_replaced_only_when_told),
        TEST(a_file_is_kept_under_another_name_but_never_over_a_third),
        TEST(a_file_is_given_to_whom_another_belongs_to),
        TEST(the_folder_of_a_path_is_named),
        TEST(what_cannot_be_done_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
