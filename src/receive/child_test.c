/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "support/test.h"

/* Where something is to happen before this, and the test fails when it does not. */
#define LONG_MS 20000

struct world {
    struct loop *loop;
    struct child child;
    struct child_options options;
    unsigned ended;
    bool is_starting;
    size_t descriptors;
};

static struct world *the_world;

static size_t
count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

static void
on_ended(struct child *child)
{
    CHECK(child == &the_world->child);
    CHECK(!the_world->is_starting);
    the_world->ended++;
    loop_stop(the_world->loop);
}

static int
start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    (void)signal(SIGPIPE, SIG_IGN);
    the_world = world;
    assert_int_equal(loop_new(0, &world->loop, NULL), OK);
    world->options = (struct child_options){
        .loop = world->loop,
        .clock = &clock_system,
        .term_us = CHILD_TERM_US,
        .kill_us = CHILD_KILL_US,
        .linger_us = CHILD_LINGER_US,
    };
    world->descriptors = count_descriptors();
    *state = world;
    return 0;
}

/* Whatever a test did, nothing is left of it. */
static int
stop(void **state)
{
    struct world *world = *state;

    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(count_descriptors(), world->descriptors);
    loop_free(world->loop);
    free(world);
    return 0;
}

static void
world_init(struct world *world)
{
    assert_int_equal(child_init(&world->child, &world->options, on_ended), OK);
}

static enum err
try_start(struct world *world, const char *const *arguments, struct str input, int64_t deadline_ms,
    const char **why)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "LANG=C", NULL};
    const struct child_program program = {
        .path = arguments[0],
        .arguments = arguments,
        .environment = environment,
        .input = input,
        .deadline = instant_add_ms(clock_instant(&clock_system), deadline_ms),
    };
    enum err err;

    world->ended = 0;
    world->is_starting = true;
    err = child_start(&world->child, &program, why);
    world->is_starting = false;
    return err;
}

static void
start_script(struct world *world, const char *script, struct str input, int64_t deadline_ms)
{
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    const char *why = NULL;

    if (try_start(world, arguments, input, deadline_ms, &why) != OK)
        fail_msg("%s", why);
}

static void
wait_end(struct world *world)
{
    while (world->ended == 0)
        loop_run(world->loop);
    assert_int_equal(world->ended, 1);
}

/* Until the child has said something. */
static void
wait_said(struct world *world)
{
    while (world->child.said_len == 0 && world->ended == 0)
        loop_turn(world->loop);
}

static void
run_script(struct world *world, const char *script, struct str input)
{
    start_script(world, script, input, LONG_MS);
    wait_end(world);
}

static void
assert_said(const struct world *world, const char *text)
{
    assert_int_equal(world->child.said_len, strlen(text));
    assert_memory_equal(world->child.said, text, strlen(text));
}

static void
assert_end(const struct world *world, enum child_end end, int number)
{
    assert_int_equal(world->child.end, end);
    assert_int_equal(world->child.number, number);
    assert_int_equal(world->child.state, CHILD_IDLE);
}

/* The number it has printed. */
static pid_t
said_pid(const struct world *world)
{
    char text[32] = "";

    assert_true(world->child.said_len > 0 && world->child.said_len < sizeof(text));
    memcpy(text, world->child.said, world->child.said_len);
    return (pid_t)strtol(text, NULL, 10);
}

/* Gone, or dead and not reaped by whoever inherits it. */
static bool
is_gone(pid_t pid)
{
    char text[512] = "";
    char path[64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (file == NULL)
        return true;
    /* What cannot be read any more has just gone. */
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    (void)fclose(file);
    return text[0] == '\0' || strstr(text, ") Z ") != NULL;
}

/* What was killed is gone as soon as the kernel gets to it. */
static void
wait_gone(pid_t pid)
{
    struct instant end = instant_add_ms(clock_instant(&clock_system), LONG_MS);

    while (!is_gone(pid) && clock_instant(&clock_system).us < end.us)
        continue;
    assert_true(is_gone(pid));
}

/* ---- what it is given, and what it says ---- */

static void
input_goes_in_and_both_outputs_come_back_together(void **state)
{
    struct world *world = *state;

    world_init(world);
    run_script(world, "cat; echo -one; echo two >&2; echo three", STR("body"));
    assert_end(world, CHILD_EXITED, 0);
    assert_said(world, "body-one\ntwo\nthree\n");
    run_script(world, "cat | wc -c", STR(""));
    assert_said(world, "0\n");
    child_done(&world->child);
}

static void
an_input_larger_than_a_pipe_arrives_whole(void **state)
{
    struct world *world = *state;
    char *bytes = malloc(HTTP_BODY_BYTES_MAX);

    assert_non_null(bytes);
    memset(bytes, 'x', HTTP_BODY_BYTES_MAX);
    world_init(world);
    run_script(world, "tr -d y | wc -c", (struct str){bytes, HTTP_BODY_BYTES_MAX});
    assert_end(world, CHILD_EXITED, 0);
    assert_said(world, "1048576\n");
    /* Who reads nothing of it, or a little, has not failed. */
    run_script(world, "exit 0", (struct str){bytes, HTTP_BODY_BYTES_MAX});
    assert_end(world, CHILD_EXITED, 0);
    run_script(world, "head -c 3", (struct str){bytes, HTTP_BODY_BYTES_MAX});
    assert_end(world, CHILD_EXITED, 0);
    assert_said(world, "xxx");
    run_script(world, "exec <&-; echo on", (struct str){bytes, HTTP_BODY_BYTES_MAX});
    assert_end(world, CHILD_EXITED, 0);
    assert_said(world, "on\n");
    child_done(&world->child);
    free(bytes);
}

static void
of_much_output_the_first_part_is_kept_and_the_child_never_waits(void **state)
{
    struct world *world = *state;

    world_init(world);
    run_script(world, "printf head; head -c 3000000 /dev/zero; echo tail; exit 7", STR(""));
    assert_end(world, CHILD_EXITED, 7);
    assert_int_equal(world->child.said_len, HANDLER_OUTPUT_BYTES_MAX);
    assert_memory_equal(world->child.said, "head\0\0", 6);
    child_done(&world->child);
}

static void
it_starts_with_default_signals_no_foreign_descriptors_and_a_group_of_its_own(void **state)
{
    struct world *world = *state;
    int leaked = open("/dev/null", O_RDONLY | O_NOCTTY); /* not closed at exec, as others' may be */
    static const char *const blocks[] = {"/bin/grep", "SigBlk", "/proc/self/status", NULL};
    const char *why = NULL;
    char *own;
    sigset_t blocked;
    sigset_t old;

    assert_true(leaked > 2);
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &blocked, &old), 0);
    world_init(world);
    run_script(world, "exec ls /proc/self/fd", STR(""));
    /* The last one is that of the folder. */
    assert_said(world, "0\n1\n2\n3\n");
    /* Not through a shell, which unblocks all by itself. */
    assert_int_equal(try_start(world, blocks, STR(""), LONG_MS, &why), OK);
    wait_end(world);
    assert_said(world, "SigBlk:\t0000000000000000\n");
    run_script(world, "grep SigIgn /proc/self/status", STR(""));
    world->child.said[world->child.said_len] = '\0';
    /* 32 and 33 are the C library's own. */
    assert_int_equal(strtoull(strchr(world->child.said, '\t'), NULL, 16) & ~0x180000000ULL, 0);
    run_script(world, "cut -d ' ' -f 5 /proc/$$/stat; echo $$", STR(""));
    world->child.said[world->child.said_len - 1] = '\0';
    own = strchr(world->child.said, '\n');
    assert_non_null(own);
    *own = '\0';
    assert_string_equal(world->child.said, own + 1); /* its group is its own number */
    child_done(&world->child);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    (void)close(leaked);
}

/* ---- how it ends ---- */

static void
exit_codes_and_signals_are_told_apart(void **state)
{
    static const struct {
        const char *script;
        enum child_end end;
        int number;
    } cases[] = {
        {"exit 0", CHILD_EXITED, 0},
        {"exit 3", CHILD_EXITED, 3},
        {"exit 75", CHILD_EXITED, 75},
        {"exit 255", CHILD_EXITED, 255},
        {"kill -KILL $$", CHILD_SIGNAL, SIGKILL},
        {"kill -TERM $$", CHILD_SIGNAL, SIGTERM},
        {"kill -PIPE $$", CHILD_SIGNAL, SIGPIPE},
    };
    struct world *world = *state;

    world_init(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        run_script(world, cases[i].script, STR(""));
        assert_end(world, cases[i].end, cases[i].number);
    }
    child_done(&world->child);
}

static void
at_its_deadline_it_is_asked_to_end_and_may_put_things_in_order(void **state)
{
    struct world *world = *state;

    world_init(world);
    start_script(world, "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.01; done",
        STR(""), LONG_MS);
    wait_said(world);
    /* Its deadline is now. */
    timer_set(&world->child.timer, (struct instant){0});
    wait_end(world);
    assert_end(world, CHILD_OVERDUE, 0);
    /* Its shell may say in between what became of the sleep. */
    assert_memory_equal(world->child.said, "up\n", 3);
    assert_memory_equal(world->child.said + world->child.said_len - 6, "asked\n", 6);
    child_done(&world->child);
}

static void
a_deadline_that_is_over_ends_it_at_once(void **state)
{
    struct world *world = *state;

    world_init(world);
    start_script(world, "exec sleep 1000", STR(""), 0);
    wait_end(world);
    assert_end(world, CHILD_OVERDUE, 0);
    child_done(&world->child);
}

static void
who_does_not_heed_the_first_signal_is_killed(void **state)
{
    struct world *world = *state;

    world->options.term_us = 20 * US_PER_MS;
    world_init(world);
    start_script(world, "trap '' TERM; echo $$; while :; do sleep 0.01; done", STR(""), LONG_MS);
    wait_said(world);
    child_stop(&world->child);
    child_stop(&world->child);
    assert_int_equal(world->ended, 0);
    wait_end(world);
    assert_end(world, CHILD_STOPPED, 0);
    assert_true(is_gone(said_pid(world)));
    child_done(&world->child);
}

static void
its_whole_group_ends_with_it_when_it_is_stopped(void **state)
{
    struct world *world = *state;

    world->options.term_us = 20 * US_PER_MS;
    world_init(world);
    /* The leader ends at once; who it leaves behind does not heed. */
    start_script(world, "(trap '' TERM; echo up >&2; exec sleep 1000) & echo $! >&2; wait", STR(""),
        LONG_MS);
    while (world->child.said_len == 0 ||
           memchr(world->child.said, 'p', world->child.said_len) == NULL ||
           strpbrk(world->child.said, "0123456789") == NULL)
        loop_turn(world->loop);
    child_stop(&world->child);
    wait_end(world);
    assert_end(world, CHILD_STOPPED, 0);
    wait_gone((pid_t)strtol(strpbrk(world->child.said, "0123456789"), NULL, 10));
    child_done(&world->child);
}

static void
who_holds_the_output_after_the_exit_is_left_alone_soon(void **state)
{
    struct world *world = *state;
    pid_t left;

    world->options.linger_us = 20 * US_PER_MS;
    world_init(world);
    start_script(world, "sleep 1000 & echo $!", STR(""), LONG_MS);
    wait_end(world);
    assert_end(world, CHILD_EXITED, 0);
    left = said_pid(world);
    assert_false(is_gone(left));
    assert_int_equal(kill(left, SIGKILL), 0);
    wait_gone(left);
    child_done(&world->child);
}

static void
what_is_said_briefly_after_the_exit_is_heard(void **state)
{
    struct world *world = *state;

    /* The next step waits for us, not for time. */
    world->options.linger_us = (int64_t)LONG_MS * US_PER_MS;
    world_init(world);
    start_script(world, "(while kill -0 $$ 2>/dev/null; do sleep 0.01; done; echo late) & exit 4",
        STR(""), LONG_MS);
    wait_end(world);
    assert_end(world, CHILD_EXITED, 4);
    assert_said(world, "late\n");
    /* On being stopped meanwhile, nobody is waited for any more. */
    start_script(world, "sleep 1000 & echo $!", STR(""), LONG_MS);
    while (world->child.state != CHILD_LINGERING)
        loop_turn(world->loop);
    child_stop(&world->child);
    assert_int_equal(world->ended, 0);
    wait_end(world);
    assert_end(world, CHILD_EXITED, 0);
    assert_int_equal(kill(said_pid(world), SIGKILL), 0);
    child_done(&world->child);
}

static void
one_that_cannot_be_killed_is_let_go_and_reaped_when_it_ends(void **state)
{
    struct world *world = *state;
    pid_t pid;

    world->options.term_us = 1;
    world->options.kill_us = 1;
    world_init(world);
    start_script(world, "echo up; sleep 1000", STR(""), LONG_MS);
    wait_said(world);
    /* As if it were somebody else's: our signals go nowhere. */
    pid = world->child.pid;
    world->child.pid = 0x3ffffff;
    child_stop(&world->child);
    wait_end(world);
    assert_int_equal(world->child.end, CHILD_STOPPED);
    assert_int_equal(world->child.state, CHILD_LET_GO);
    assert_false(is_gone(pid));
    assert_int_equal(kill(-pid, SIGKILL), 0);
    while (world->child.state != CHILD_IDLE)
        loop_turn(world->loop);
    assert_int_equal(world->ended, 1);
    /* It may be used again. */
    run_script(world, "exit 5", STR(""));
    assert_end(world, CHILD_EXITED, 5);
    child_done(&world->child);
}

/* ---- what cannot be started ---- */

static void
what_cannot_be_run_is_refused_with_the_reason(void **state)
{
    static const char *const cases[][2] = {
        {"/nowhere/program", "not there"},
        {"/etc/passwd", "may not be executed"},
        {"/", "may not be executed"},
    };
    struct world *world = *state;

    world_init(world);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *const arguments[] = {cases[i][0], NULL};
        const char *why = NULL;

        assert_int_equal(try_start(world, arguments, STR("x"), LONG_MS, &why), ERR_IO);
        assert_non_null(strstr(why, cases[i][1]));
        assert_int_equal(world->child.state, CHILD_IDLE);
    }
    run_script(world, "exit 1", STR(""));
    assert_end(world, CHILD_EXITED, 1);
    child_done(&world->child);
}

/* With every number of descriptors that is too small: each step fails once. */
static void
without_a_free_descriptor_nothing_is_started_and_nothing_is_left(void **state)
{
    static const char *const arguments[] = {"/bin/true", NULL};
    struct world *world = *state;
    struct rlimit old;
    unsigned refused = 0;
    enum err err = ERR_BUSY;
    int next = dup(0);

    (void)close(next);
    world_init(world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (rlim_t more = 0; err != OK; more++) {
        struct rlimit lower = {.rlim_cur = (rlim_t)next + more, .rlim_max = old.rlim_max};
        const char *why = NULL;

        assert_true(more < 8);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
        err = try_start(world, arguments, STR("x"), LONG_MS, &why);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (err != OK) {
            assert_int_equal(err, ERR_BUSY);
            assert_string_equal(why, "too many descriptors are open");
            assert_int_equal(count_descriptors(), world->descriptors);
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
            refused++;
        }
    }
    assert_true(refused >= 4);
    wait_end(world);
    assert_end(world, CHILD_EXITED, 0);
    child_done(&world->child);
}

static void
ignored_children_are_heeded_again(void **state)
{
    struct world *world = *state;
    struct sigaction action = {.sa_handler = SIG_IGN};
    struct error error = {0};

    assert_int_equal(sigaction(SIGCHLD, &action, NULL), 0);
    assert_int_equal(child_is_possible(&error), OK);
    world_init(world);
    run_script(world, "exit 6", STR(""));
    assert_end(world, CHILD_EXITED, 6);
    child_done(&world->child);
}

static void
one_that_somebody_else_reaped_is_told_as_lost(void **state)
{
    struct world *world = *state;

    world_init(world);
    start_script(world, "exit 6", STR(""), LONG_MS);
    assert_true(waitpid(world->child.pid, NULL, 0) > 0);
    wait_end(world);
    assert_end(world, CHILD_LOST, 0);
    child_done(&world->child);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(input_goes_in_and_both_outputs_come_back_together),
        TEST(an_input_larger_than_a_pipe_arrives_whole),
        TEST(of_much_output_the_first_part_is_kept_and_the_child_never_waits),
        TEST(it_starts_with_default_signals_no_foreign_descriptors_and_a_group_of_its_own),
        TEST(exit_codes_and_signals_are_told_apart),
        TEST(at_its_deadline_it_is_asked_to_end_and_may_put_things_in_order),
        TEST(a_deadline_that_is_over_ends_it_at_once),
        TEST(who_does_not_heed_the_first_signal_is_killed),
        TEST(its_whole_group_ends_with_it_when_it_is_stopped),
        TEST(who_holds_the_output_after_the_exit_is_left_alone_soon),
        TEST(what_is_said_briefly_after_the_exit_is_heard),
        TEST(one_that_cannot_be_killed_is_let_go_and_reaped_when_it_ends),
        TEST(what_cannot_be_run_is_refused_with_the_reason),
        TEST(without_a_free_descriptor_nothing_is_started_and_nothing_is_left),
        TEST(ignored_children_are_heeded_again),
        TEST(one_that_somebody_else_reaped_is_told_as_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
