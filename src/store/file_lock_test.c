/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file_lock.h"

#include <string.h>
#include <unistd.h>

#include "support/scratch.h"
#include "support/test.h"

static void
put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
the_holder_is_known_while_it_holds(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    char db[600];
    int64_t pid = -7;
    int fd = -1;

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(db, sizeof(db), "%s", scratch_path(&scratch, "a.db"));
    put(db, "");
    assert_int_equal(file_lock_holder(db, &pid, &error), ERR_NOT_FOUND);
    assert_int_equal(file_lock_take(db, &fd, &error), OK);
    assert_int_equal(file_lock_holder(db, &pid, &error), OK);
    assert_int_equal(pid, getpid());
    pid = -7;
    file_lock_drop(fd);
    assert_int_equal(file_lock_holder(db, &pid, &error), ERR_NOT_FOUND);
    assert_int_equal(pid, -7);
    scratch_done(&scratch);
}

/* A crash leaves it behind, and it may be another's by now. */
static void
a_pid_without_a_lock_is_nobody(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    char db[600];
    int64_t pid = -7;

    (void)state;
    scratch_init(&scratch);
    put(scratch_path(&scratch, "a.db.lock"), "1\n");
    (void)snprintf(db, sizeof(db), "%s", scratch_path(&scratch, "a.db"));
    put(db, "");
    assert_int_equal(file_lock_holder(db, &pid, &error), ERR_NOT_FOUND);
    assert_int_equal(pid, -7);
    scratch_done(&scratch);
}

static void
who_has_not_said_which_it_is_is_asked_again_later(void **state)
{
    struct scratch scratch;
    struct error error = {0};
    char db[600];
    int64_t pid = -7;
    int fd = -1;

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(db, sizeof(db), "%s", scratch_path(&scratch, "a.db"));
    put(db, "");
    assert_int_equal(file_lock_take(db, &fd, &error), OK);
    assert_int_equal(truncate(scratch_path(&scratch, "a.db.lock"), 0), 0);
    assert_int_equal(file_lock_holder(db, &pid, &error), ERR_BUSY);
    assert_int_equal(pid, -7);
    file_lock_drop(fd);
    scratch_done(&scratch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_holder_is_known_while_it_holds),
        cmocka_unit_test(a_pid_without_a_lock_is_nobody),
        cmocka_unit_test(who_has_not_said_which_it_is_is_asked_again_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
