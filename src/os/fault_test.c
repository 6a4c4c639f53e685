/* SPDX-License-Identifier: Apache-2.0 */
#include "os/fault.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#ifdef USHER_FAULTS

static void
the_nth_time_at_its_site_fails_and_no_other(void **state)
{
    (void)state;
    assert_false(FAULT("test.one"));
    fault_arm("test.one", 3);
    assert_false(FAULT("test.one"));
    assert_false(FAULT("test.two"));
    assert_false(FAULT("test.one"));
    assert_true(FAULT("test.one"));
    assert_false(FAULT("test.one"));
    assert_true(fault_fired());
    assert_false(fault_fired());
}

static void
a_fault_that_never_came_is_cleared(void **state)
{
    (void)state;
    fault_arm("test.one", 2);
    assert_false(FAULT("test.one"));
    assert_false(fault_fired());
    assert_false(FAULT("test.one"));
    assert_false(FAULT("test.one"));
}

static void
a_crash_kills_at_once(void **state)
{
    int status = 0;
    pid_t child;

    (void)state;
    CRASH("test.one");
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        crash_arm("test.one", 2);
        CRASH("test.two");
        CRASH("test.one");
        CRASH("test.one");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_time_at_its_site_fails_and_no_other),
        cmocka_unit_test(a_fault_that_never_came_is_cleared),
        cmocka_unit_test(a_crash_kills_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void
sites_are_nothing_in_this_build(void **state)
{
    (void)state;
    assert_false(FAULT("test.one"));
    CRASH("test.one");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_nothing_in_this_build),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
