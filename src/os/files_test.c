/* SPDX-License-Identifier: Apache-2.0 */
#include "os/files.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static char folder[] = "/tmp/usher-files-XXXXXX";
static char path[sizeof(folder) + 16];

static int
make_folder(void **state)
{
    (void)state;
    memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/file", folder);
    return 0;
}

static int
remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void
put_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void
a_file_is_read_whole_after_what_is_there(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    struct error error;

    (void)state;
    buf_init(&buf, 100);
    put_file("content\n", 0644);
    buf_append_literal(&buf, "before ");
    assert_int_equal(file_read(path, &buf, &error), OK);
    assert_string_equal(buf_str(&buf).ptr, "before content\n");
    put_file("", 0644);
    assert_int_equal(file_read(path, &buf, &error), OK);
    assert_string_equal(buf_str(&buf).ptr, "before content\n");
}

static void
a_big_file_is_read_in_pieces(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    static char text[50001];

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = (char)('a' + i % 23);
    text[sizeof(text) - 1] = '\0';
    put_file(text, 0600);
    buf_init(&buf, sizeof(text) - 1);
    assert_int_equal(file_read_secret(path, &buf, NULL), OK);
    assert_string_equal(buf_str(&buf).ptr, text);
    assert_false(buf_is_full(&buf));
}

static void
a_file_that_is_too_big_is_refused(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    struct error error;

    (void)state;
    put_file("12345", 0644);
    buf_init(&buf, 5);
    assert_int_equal(file_read(path, &buf, &error), OK);
    buf_clear(&buf);
    buf_append_literal(&buf, "x");
    assert_int_equal(file_read(path, &buf, &error), ERR_LIMIT);
    assert_int_equal(error.code, ERR_LIMIT);
    assert_int_equal(buf.len, 1);
    assert_string_equal(buf_str(&buf).ptr, "x");
}

static void
a_missing_file_is_named(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    struct error error;

    (void)state;
    buf_init(&buf, 5);
    assert_int_equal(file_read(path, &buf, &error), ERR_NOT_FOUND);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(file_read_secret(path, &buf, &error), ERR_NOT_FOUND);
    assert_int_equal(file_read(folder, &buf, &error), ERR_IO);
    assert_int_equal(buf.len, 0);
}

static void
a_secret_that_others_may_touch_is_refused(void **state)
{
    static const mode_t refused[] = {0640, 0604, 0660, 0620, 0602, 0644, 0777};
    static const mode_t taken[] = {0600, 0400, 0700};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        CLEANUP(buf_done) struct buf buf;
        struct error error;

        buf_init(&buf, 100);
        put_file("secret", refused[i]);
        assert_int_equal(file_read_secret(path, &buf, &error), ERR_DENIED);
        assert_non_null(strstr(error.text, "chmod 600"));
        assert_int_equal(buf.len, 0);
        assert_int_equal(file_read(path, &buf, &error), OK);
        assert_int_equal(unlink(path), 0);
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        CLEANUP(buf_done) struct buf buf;

        buf_init(&buf, 100);
        put_file("secret", taken[i]);
        assert_int_equal(file_read_secret(path, &buf, NULL), OK);
        assert_int_equal(unlink(path), 0);
    }
}

static int
files_in_folder(void)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, NULL);

    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return count - 2; /* less "." and ".." */
}

static void
a_secret_is_created_for_its_owner_alone_and_only_once(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    struct error error = {.text = ""};
    struct stat status;

    (void)state;
    buf_init(&buf, 100);
    assert_int_equal(file_create_secret(path, STR("key\0!"), &error), OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(file_create_secret(path, STR("other"), &error), ERR_CONFLICT);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(file_read_secret(path, &buf, &error), OK);
    assert_true(str_equals(buf_str(&buf), STR("key\0!")));
    assert_int_equal(files_in_folder(), 1);
}

static void
a_secret_in_a_missing_folder_or_with_an_endless_name_is_refused(void **state)
{
    char endless[PATH_MAX];
    struct error error;

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_int_equal(file_create_secret(endless, STR("key"), &error), ERR_INVALID);
    (void)snprintf(endless, sizeof(endless), "%s/none/file", folder);
    assert_int_equal(file_create_secret(endless, STR("key"), &error), ERR_NOT_FOUND);
    assert_int_equal(files_in_folder(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_read_whole_after_what_is_there, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(a_big_file_is_read_in_pieces, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_that_is_too_big_is_refused, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_file_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_secret_that_others_may_touch_is_refused, make_folder,
            remove_folder),
        cmocka_unit_test_setup_teardown(a_secret_is_created_for_its_owner_alone_and_only_once,
            make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(
            a_secret_in_a_missing_folder_or_with_an_endless_name_is_refused, make_folder,
            remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
