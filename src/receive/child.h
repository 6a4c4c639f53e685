/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that runs beside us: fed, heard, and waited for on a loop.
 *
 *   idle ─start─▶ running ─exit─▶ lingering ─end of output, or time over─▶ ended
 *                    └─stop, deadline─▶ stopping (TERM) ─▶ killed (KILL) ─▶ ended
 *
 * It has a process group of its own, default signals, no descriptor but 0, 1 and 2; we wait for it
 * by its pidfd. It need not read its input. What it says on 1 and 2 is kept together up to a
 * maximum and the rest thrown away, so that it never waits for us. Who holds its output open after
 * its exit is waited for briefly and left alone; when it is stopped, its whole group ends. No
 * zombie and no descriptor stays behind. The process must ignore SIGPIPE. One loop's thread.
 */
#ifndef RECEIVE_CHILD_H
#define RECEIVE_CHILD_H

#include <sys/types.h>

#include "net/loop.h"
#include "receive/handler.h"

/* From asking to forcing, and from there until we no longer wait for what cannot be killed: it
 * belongs to somebody else, or hangs in the kernel. */
#define CHILD_TERM_US (2 * US_PER_S)
#define CHILD_KILL_US (2 * US_PER_S)
/* A `tee` or the like that was left behind gets so long to pass on what it has. */
#define CHILD_LINGER_US (100 * US_PER_MS)

enum child_state {
    CHILD_IDLE,
    CHILD_RUNNING,
    CHILD_LINGERING, /* it has exited, its output is still open */
    CHILD_STOPPING,
    CHILD_KILLED,
    CHILD_LET_GO, /* told as ended, and still to be reaped */
};

enum child_end {
    CHILD_EXITED,  /* number: its exit code */
    CHILD_SIGNAL,  /* number: the signal */
    CHILD_STOPPED, /* by us, on being asked */
    CHILD_OVERDUE, /* by us, at its deadline */
    CHILD_LOST,    /* somebody else has reaped it */
};

struct child_options {
    struct loop *loop;
    const struct clock *clock;
    int64_t term_us;
    int64_t kill_us;
    int64_t linger_us;
};

struct child {
    struct child_options options;
    struct watch input;
    struct watch output;
    struct watch exit;
    struct timer timer;
    void (*ended)(struct child *child); /* the child may be started again from within */
    enum child_state state;
    pid_t pid;
    int input_fd; /* owned; -1: none, as are the other two */
    int output_fd;
    int pid_fd;
    struct str unread; /* borrowed: of its input, what it was not given yet */
    bool has_exited;   /* not reaped yet */

    /* From ended until it is started again. */
    enum child_end end;
    int number;
    size_t said_len;
    char said[HANDLER_OUTPUT_BYTES_MAX];
};

/* Borrowed for the call, but for input: until the end. Both lists end in NULL. */
struct child_program {
    const char *path;
    const char *const *arguments; /* the first is its name */
    const char *const *environment;
    const char *folder; /* absent: the one we are in */
    struct str input;
    struct instant deadline;
};

MUST_CHECK enum err child_init(struct child *child, const struct child_options *options,
    void (*ended)(struct child *child));
/* Idle or let go, or never initialised (all zero). */
void child_done(struct child *child);

/* From CHILD_IDLE. ended is called exactly once, never from inside this call; not at all where it
 * fails, with a static text in *why: ERR_BUSY when there is no place for it just now, ERR_IO when
 * it cannot be run. */
MUST_CHECK enum err child_start(struct child *child, const struct child_program *program,
    const char **why);
/* Soon ended is called; not from inside this call. */
void child_stop(struct child *child);

/* Has the system what we need? ERR_IO says what is missing. */
MUST_CHECK enum err child_is_possible(struct error *reterr);

#endif
