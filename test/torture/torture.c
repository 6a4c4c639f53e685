/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the scene once to count all points at which something may go wrong, then again and again:
 * each time another of them fails, once or several times in a row.
 *
 *     torture [--runs N] [--point NAME] [--nth N] [--keep]
 *
 * --runs: so many for each point, spread evenly; 0: all there are, which takes an hour or more.
 * --nth: only this one, with all that is printed shown.
 *
 * Each time is a process of its own. It may be killed, or stop itself where the source says that
 * it must; then another goes on in the same database. Whatever else ends it is a failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"
#include "os/log.h"
#include "support/scratch.h"
#include "torture/points.h"
#include "torture/scene.h"

#define DEATHS_MAX 4

/* Several in a row: for longer than what is tried again at once. */
#define RUN_LENGTH 30

/* What outlives each of the processes. */
struct shared {
    struct points points;
    struct ledger ledger;
};

struct torture {
    struct shared *shared;
    struct scratch scratch;
    char log[sizeof(((struct scratch *)NULL)->path)];
    uint64_t totals[POINTS_MAX];
    const char *point; /* NULL: all */
    uint64_t runs;
    uint64_t nth;
    unsigned passed;
    unsigned failed;
};

/* Where nothing may be left out and nobody can be told, the process ends itself, and what is on
 * disk is gone on with: send/flush.c and send/dispatch.c say so. */
static const char *const stops[] = {
    ": items != NULL does not hold",
    ": copy.ptr != NULL does not hold",
    ": erased != NULL does not hold",
};

static void
show_log(const struct torture *torture)
{
    FILE *file = fopen(torture->log, "r");
    char line[1024];

    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL)
        (void)printf("    %s", line);
    (void)fclose(file);
}

/* Did it say that it had to stop? */
static bool
has_stopped_itself(const struct torture *torture)
{
    FILE *file = fopen(torture->log, "r");
    char line[1024];
    bool found = false;

    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL)
        for (size_t i = 0; i < COUNT_OF(stops); i++)
            found =
                found || (strstr(line, "usher: bug:") != NULL && strstr(line, stops[i]) != NULL);
    (void)fclose(file);
    return found;
}

static NORETURN void
in_child(struct torture *torture, const struct plan *plan)
{
    int fd = open(torture->log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    (void)alarm(120);
    points_arm(plan);
    scene_play(&torture->shared->ledger, scratch_path(&torture->scratch, "usher.db"));
    exit(0); /* where the sanitizer looks for what was not freed */
}

/* One process to its end; its wait status. */
static int
run_once(struct torture *torture, const struct plan *plan)
{
    int status = 0;
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        in_child(torture, plan);
    while (waitpid(pid, &status, 0) != pid)
        CHECK(errno == EINTR);
    return status;
}

static bool
may_have_died(const struct torture *torture, int status)
{
    if (!WIFSIGNALED(status))
        return false;
    return WTERMSIG(status) == SIGKILL ||
           (WTERMSIG(status) == SIGABRT && has_stopped_itself(torture));
}

/* The scene from its beginning, with as many processes as it takes. */
static bool
play(struct torture *torture, const struct plan *plan)
{
    struct ledger *ledger = &torture->shared->ledger;
    int status;

    scratch_init(&torture->scratch);
    (void)snprintf(torture->log, sizeof(torture->log), "%s",
        scratch_path(&torture->scratch, "log"));
    *ledger = (struct ledger){.now_us = 0};
    status = run_once(torture, plan);
    while (may_have_died(torture, status) && ledger->deaths < DEATHS_MAX) {
        ledger->deaths++;
        (void)unlink(torture->log);
        status = run_once(torture, &(struct plan){.nth = 0});
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
play_one(struct torture *torture, const struct plan *plan)
{
    bool is_well = play(torture, plan);

    if (is_well)
        torture->passed++;
    else
        torture->failed++;
    if (!is_well || torture->nth != 0) {
        (void)printf("%s %s, the %llu. and %llu more: step %d, %d deaths, %d refusals\n",
            is_well ? "ok" : "FAILED", torture->shared->points.points[plan->point].name,
            (unsigned long long)plan->nth, (unsigned long long)plan->run - 1,
            torture->shared->ledger.step, torture->shared->ledger.deaths,
            torture->shared->ledger.refusals);
        show_log(torture);
    }
    scratch_done(&torture->scratch);
}

static void
play_point(struct torture *torture, size_t point, uint64_t run)
{
    uint64_t total = torture->totals[point];
    uint64_t runs = torture->runs == 0 || torture->runs > total ? total : torture->runs;
    uint64_t last = 0;

    for (uint64_t i = 0; i < runs; i++) {
        /* In the middle of each of so many parts. */
        uint64_t nth = torture->nth != 0 ? torture->nth : (2 * i + 1) * total / (2 * runs) + 1;

        if (nth == last)
            break;
        last = nth;
        play_one(torture, &(struct plan){.point = point, .nth = nth, .run = run});
    }
}

static void
play_all(struct torture *torture)
{
    const struct points *points = &torture->shared->points;

    if (!play(torture, &(struct plan){.nth = 0})) {
        (void)printf("FAILED without any fault\n");
        show_log(torture);
        exit(1);
    }
    scratch_done(&torture->scratch);
    for (size_t i = 0; i < POINTS_MAX; i++)
        torture->totals[i] = points->points[i].passed;
    for (size_t i = 0; i < POINTS_MAX && points->points[i].name[0] != '\0'; i++) {
        if (torture->point != NULL && strcmp(torture->point, points->points[i].name) != 0)
            continue;
        (void)printf("%s: %llu times\n", points->points[i].name,
            (unsigned long long)torture->totals[i]);
        play_point(torture, i, 1);
        /* Who was killed does not come by again. */
        if (strstr(points->points[i].name, "!kill") == NULL)
            play_point(torture, i, RUN_LENGTH);
    }
}

int
main(int argc, char **argv)
{
    struct torture torture = {.runs = 10};

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--runs") == 0)
            torture.runs = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--point") == 0)
            torture.point = argv[i + 1];
        else if (strcmp(argv[i], "--nth") == 0)
            torture.nth = strtoull(argv[i + 1], NULL, 10);
    }
    torture.shared = mmap(NULL, sizeof(*torture.shared), PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(torture.shared != MAP_FAILED);
    CHECK(setenv("CMOCKA_TEST_ABORT", "1", 1) == 0);
    log_setup(LOG_INFO, false);
    points_setup(&torture.shared->points);
    play_all(&torture);
    (void)printf("%u passed, %u failed\n", torture.passed, torture.failed);
    return torture.failed > 0 ? 1 : 0;
}
