/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

#define READ_BYTES 8192
/* A pipe holds 64 KiB unless its program made it larger, up to 1 MiB: at the exit all that it wrote
 * is read, and from one that goes on without end no more than this. */
#define READS_AT_EXIT_MAX 128
#define READS_A_TURN_MAX  8

static void on_input(void *arg, unsigned what);
static void on_output(void *arg, unsigned what);
static void on_exit(void *arg, unsigned what);
static void on_timer(void *arg);

/* Where SIGCHLD is ignored, which is inherited, children vanish with their exit codes. */
static void
heed_children(void)
{
    struct sigaction action;

    if (sigaction(SIGCHLD, NULL, &action) == 0 &&
        (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0)) {
        action = (struct sigaction){.sa_handler = SIG_DFL};
        (void)sigaction(SIGCHLD, &action, NULL);
    }
}

enum err
child_is_possible(struct error *reterr)
{
    int fd = pidfd_open(getpid(), 0);

    if (fd < 0 && errno == ENOSYS)
        return error_set(reterr, ERR_IO, "programs need Linux 5.4 or newer (pidfd_open)");
    if (fd >= 0)
        (void)close(fd);
    heed_children();
    return OK;
}

enum err
child_init(struct child *child, const struct child_options *options,
    void (*ended)(struct child *child))
{
    struct loop *loop = options->loop;

    *child = (struct child){.options = *options,
        .ended = ended,
        .input_fd = -1,
        .output_fd = -1,
        .pid_fd = -1};
    if (watch_init(&child->input, loop, LOOP_DELIVERY, on_input, child) == OK &&
        watch_init(&child->output, loop, LOOP_DELIVERY, on_output, child) == OK &&
        watch_init(&child->exit, loop, LOOP_DELIVERY, on_exit, child) == OK &&
        timer_init(&child->timer, loop, LOOP_DELIVERY, on_timer, child) == OK)
        return OK;
    child_done(child);
    return ERR_NOMEM;
}

static void
fd_close(int *fd, struct watch *watch)
{
    if (*fd < 0)
        return;
    watch_stop(watch);
    (void)close(*fd);
    *fd = -1;
}

static void
child_close(struct child *child)
{
    fd_close(&child->input_fd, &child->input);
    fd_close(&child->output_fd, &child->output);
    fd_close(&child->pid_fd, &child->exit);
}

void
child_done(struct child *child)
{
    CHECK(child->state == CHILD_IDLE || child->state == CHILD_LET_GO);
    if (child->timer.event != NULL)
        child_close(child);
    watch_done(&child->input);
    watch_done(&child->output);
    watch_done(&child->exit);
    timer_done(&child->timer);
}

/* --- its end --- */

/* The pid is the child's for as long as it is not reaped, so nobody else is hit. */
static void
signal_group(const struct child *child, int number)
{
    CHECK(child->pid > 1);
    (void)kill(-child->pid, number);
}

/* Why it ended is known already where we stopped it. */
static void
reap(struct child *child)
{
    siginfo_t how = {0};
    bool is_reaped = waitid(P_PIDFD, (id_t)child->pid_fd, &how, WEXITED) == 0;

    if (child->state == CHILD_RUNNING) {
        child->end = !is_reaped                  ? CHILD_LOST
                     : how.si_code == CLD_EXITED ? CHILD_EXITED
                                                 : CHILD_SIGNAL;
        child->number = how.si_status;
    }
    child->pid = 0;
    fd_close(&child->pid_fd, &child->exit);
}

static void
finish(struct child *child, enum child_state next)
{
    timer_clear(&child->timer);
    fd_close(&child->input_fd, &child->input);
    fd_close(&child->output_fd, &child->output);
    child->unread = (struct str){0};
    child->state = next;
    child->ended(child);
}

static void
set_timer(struct child *child, int64_t us)
{
    timer_set(&child->timer, instant_add_us(clock_instant(child->options.clock), us));
}

static void
begin_stop(struct child *child, enum child_end end)
{
    child->end = end;
    child->state = CHILD_STOPPING;
    signal_group(child, SIGTERM);
    set_timer(child, child->options.term_us);
}

void
child_stop(struct child *child)
{
    if (child->state == CHILD_RUNNING)
        begin_stop(child, CHILD_STOPPED);
    else if (child->state == CHILD_LINGERING)
        set_timer(child, 0);
}

/* It was asked to end and has ended, as far as we see: whoever is left of its group goes too. */
static void
finish_stopped(struct child *child)
{
    signal_group(child, SIGKILL);
    reap(child);
    finish(child, CHILD_IDLE);
}

static void
on_timer(void *arg)
{
    struct child *child = arg;

    switch (child->state) {
    case CHILD_RUNNING: begin_stop(child, CHILD_OVERDUE); break;
    case CHILD_LINGERING: finish(child, CHILD_IDLE); break;
    case CHILD_STOPPING:
        if (child->has_exited) {
            finish_stopped(child);
            break;
        }
        signal_group(child, SIGKILL);
        child->state = CHILD_KILLED;
        set_timer(child, child->options.kill_us);
        break;
    case CHILD_KILLED: finish(child, CHILD_LET_GO); break;
    case CHILD_IDLE:
    case CHILD_LET_GO: break;
    }
}

/* --- its input and output --- */

static void
feed(struct child *child)
{
    while (child->unread.len > 0) {
        ssize_t len = write(child->input_fd, child->unread.ptr, child->unread.len);

        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        /* It does not want to know more (EPIPE), which is its own business. */
        if (len < 0)
            break;
        child->unread = str_slice(child->unread, (size_t)len, child->unread.len);
    }
    fd_close(&child->input_fd, &child->input);
}

static void
on_input(void *arg, unsigned what)
{
    (void)what;
    feed(arg);
}

/* Closed at its end. */
static void
hear(struct child *child, int reads_max)
{
    char bytes[READ_BYTES];

    for (int i = 0; i < reads_max && child->output_fd >= 0; i++) {
        ssize_t len = read(child->output_fd, bytes, sizeof(bytes));

        if (len > 0) {
            size_t room = sizeof(child->said) - child->said_len;
            size_t kept = (size_t)len < room ? (size_t)len : room;

            memcpy(child->said + child->said_len, bytes, kept);
            child->said_len += kept;
        } else if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        } else {
            fd_close(&child->output_fd, &child->output);
        }
    }
}

static void
on_output(void *arg, unsigned what)
{
    struct child *child = arg;

    (void)what;
    hear(child, READS_A_TURN_MAX);
    if (child->output_fd >= 0)
        return;
    if (child->state == CHILD_LINGERING)
        finish(child, CHILD_IDLE);
    else if (child->state == CHILD_STOPPING && child->has_exited)
        finish_stopped(child);
}

static void
on_exit(void *arg, unsigned what)
{
    struct child *child = arg;

    (void)what;
    if (child->state == CHILD_LET_GO) {
        reap(child);
        child->state = CHILD_IDLE;
        return;
    }
    hear(child, READS_AT_EXIT_MAX);
    switch (child->state) {
    case CHILD_RUNNING:
        reap(child);
        if (child->output_fd < 0) {
            finish(child, CHILD_IDLE);
        } else {
            child->state = CHILD_LINGERING;
            set_timer(child, child->options.linger_us);
        }
        break;
    case CHILD_STOPPING:
        /* Not reaped while others of its group may still put things in order: its pid is how they
         * are reached. */
        child->has_exited = true;
        watch_stop(&child->exit);
        if (child->output_fd < 0)
            finish_stopped(child);
        break;
    case CHILD_KILLED:
        reap(child);
        finish(child, CHILD_IDLE);
        break;
    case CHILD_IDLE:
    case CHILD_LINGERING:
    case CHILD_LET_GO: break;
    }
}

/* --- its start --- */

/* Our ends never make us wait. */
static bool
pipe_open(int *ret_read, int *ret_write, bool we_read)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    /* 0, 1 and 2 are the child's business; whoever has a loop has them taken. */
    CHECK(ends[0] > STDERR_FILENO && ends[1] > STDERR_FILENO);
    CHECK(fcntl(ends[we_read ? 0 : 1], F_SETFL, O_NONBLOCK) == 0);
    *ret_read = ends[0];
    *ret_write = ends[1];
    return true;
}

/* 0 or an errno. */
static int
prepare_files(posix_spawn_file_actions_t *files, const struct child_program *program, int input,
    int output)
{
    int wrong = posix_spawn_file_actions_adddup2(files, input, STDIN_FILENO);

    if (wrong == 0)
        wrong = posix_spawn_file_actions_adddup2(files, output, STDOUT_FILENO);
    if (wrong == 0)
        wrong = posix_spawn_file_actions_adddup2(files, output, STDERR_FILENO);
    if (wrong == 0)
        wrong = posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
    if (wrong == 0 && program->folder != NULL)
        wrong = posix_spawn_file_actions_addchdir_np(files, program->folder);
    return wrong;
}

static int
prepare_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all;
    sigset_t none;
    int wrong;

    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    wrong = posix_spawnattr_setsigdefault(attributes, &all);
    if (wrong == 0)
        wrong = posix_spawnattr_setsigmask(attributes, &none);
    if (wrong == 0)
        wrong = posix_spawnattr_setpgroup(attributes, 0);
    if (wrong == 0)
        wrong = posix_spawnattr_setflags(attributes,
            POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    return wrong;
}

/* posix_spawn changes nothing of them, and is older than the word for that. */
static char *const *
list_of(const char *const *texts)
{
    const union {
        const char *const *texts;
        char *const *list;
    } as = {.texts = texts};

    return as.list;
}

static int
spawn(struct child *child, const struct child_program *program, int input, int output)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int wrong = posix_spawn_file_actions_init(&files);

    if (wrong != 0)
        return wrong;
    wrong = posix_spawnattr_init(&attributes);
    if (wrong == 0) {
        wrong = prepare_files(&files, program, input, output);
        if (wrong == 0)
            wrong = prepare_attributes(&attributes);
        if (wrong == 0)
            wrong = posix_spawn(&child->pid, program->path, &files, &attributes,
                list_of(program->arguments), list_of(program->environment));
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return wrong;
}

/* One that runs and that we cannot wait for on the loop is taken back. */
static int
attend(struct child *child)
{
    int wrong = 0;

    child->pid_fd = pidfd_open(child->pid, 0);
    if (child->pid_fd < 0)
        wrong = errno;
    else if (watch_start(&child->exit, child->pid_fd, WATCH_READ) != OK)
        wrong = ENOMEM;
    if (wrong == 0)
        return 0;
    signal_group(child, SIGKILL);
    while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return wrong;
}

static const struct start_fault {
    int number;
    enum err err;
    const char *why;
} start_faults[] = {
    {ENOENT, ERR_IO, "the program, the one in its #! line or its directory is not there"},
    {EACCES, ERR_IO, "the program may not be executed by us"},
    {ENOEXEC, ERR_IO, "the program is in no format that runs here: does it begin with #!?"},
    {E2BIG, ERR_IO, "the values are too large for an environment"},
    {ETXTBSY, ERR_BUSY, "the program is just being written"},
    {EAGAIN, ERR_BUSY, "no more processes may be started just now"},
    {ENOMEM, ERR_BUSY, "no memory for another process"},
    {EMFILE, ERR_BUSY, "too many descriptors are open"},
    {ENFILE, ERR_BUSY, "too many descriptors are open on this machine"},
};

static enum err
refuse(struct child *child, int number, const char **why)
{
    child_close(child);
    child->pid = 0;
    for (size_t i = 0; i < COUNT_OF(start_faults); i++) {
        if (start_faults[i].number == number) {
            *why = start_faults[i].why;
            return start_faults[i].err;
        }
    }
    *why = strerrordesc_np(number);
    return ERR_IO;
}

enum err
child_start(struct child *child, const struct child_program *program, const char **why)
{
    int input = -1;
    int output = -1;
    int wrong = 0;

    CHECK(child->state == CHILD_IDLE);
    child->said_len = 0;
    child->number = 0;
    child->has_exited = false;
    child->unread = program->input;
    if (!pipe_open(&input, &child->input_fd, false) || !pipe_open(&child->output_fd, &output, true))
        wrong = errno;
    else if (watch_start(&child->input, child->input_fd, WATCH_WRITE) != OK ||
             watch_start(&child->output, child->output_fd, WATCH_READ) != OK)
        wrong = ENOMEM;
    /* Most inputs fit into the pipe at once: then its end is there before the program is. */
    if (wrong == 0)
        feed(child);
    if (wrong == 0)
        wrong = spawn(child, program, input, output);
    if (input >= 0)
        (void)close(input);
    if (output >= 0)
        (void)close(output);
    if (wrong == 0)
        wrong = attend(child);
    if (wrong != 0)
        return refuse(child, wrong, why);
    child->state = CHILD_RUNNING;
    timer_set(&child->timer, program->deadline);
    return OK;
}
