/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

/* Standard error of a child that runs check_failed, and how the child ended. */
static int
run_failing_check(char *ret_text, size_t size)
{
    int ends[2];
    int status = 0;
    ssize_t len;
    pid_t child;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int answer = 41;

        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        CHECK(answer == 42);
        _exit(0);
    }
    (void)close(ends[1]);
    len = read(ends[0], ret_text, size - 1);
    assert_true(len >= 0);
    ret_text[len] = '\0';
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void
a_check_that_does_not_hold_names_itself_and_aborts(void **state)
{
    char text[512];
    int status = run_failing_check(text, sizeof(text));

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "answer == 42"));
    assert_non_null(strstr(text, "check_test.c:"));
}

static void
a_check_that_holds_runs_its_condition_once(void **state)
{
    int runs = 0;

    (void)state;
    CHECK(++runs == 1);
    assert_int_equal(runs, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_that_does_not_hold_names_itself_and_aborts),
        cmocka_unit_test(a_check_that_holds_runs_its_condition_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
