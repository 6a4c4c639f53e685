/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of a handler's own, for handlings that have to wait: for a disk, for a mail server.
 *
 * The loop hands them over and goes on; a thread runs them, several at once where the kind asks for
 * it, and the answers come back through the loop's mailbox. Handlings begin in the order they were
 * handed over. The calls are the loop thread's; what is said to be a thread's runs in a thread.
 */
#ifndef RECEIVE_WORKER_H
#define RECEIVE_WORKER_H

#include <stdatomic.h>

#include "receive/handler.h"

#define WORKER_THREADS_MAX    64
#define WORKER_BATCH_MAX      256
#define WORK_DETAIL_BYTES_MAX 240
#define WORK_OUTPUT_BYTES_MAX 512

struct worker;

/* One handling in a thread's hands. */
struct work {
    struct handling *handling; /* borrowed; a thread only reads it */
    struct walltime now;       /* when it was handed over */
    atomic_bool is_cancelled;  /* end soon; what is done by then stays done */

    /* What became of it; the thread's to set. Done, with nothing to say, unless it does. */
    enum handling_result result;
    int64_t retry_after_us;
    char detail[WORK_DETAIL_BYTES_MAX];
    char output[WORK_OUTPUT_BYTES_MAX];
    size_t output_len;

    /* The worker's own. */
    struct letter letter;
    struct work *next;
    struct worker *worker;
};

/* Cut where it is too long, between characters. */
PRINTF(3, 4)
void work_end(struct work *work, enum handling_result result, const char *fmt, ...);
void work_output(struct work *work, struct str text);

struct worker_options {
    struct loop *loop;
    const struct clock *clock;
    const char *thread_name; /* at most 15 bytes */
    unsigned threads;        /* 1 to WORKER_THREADS_MAX */
    unsigned room;           /* handlings at a time, waiting ones included */
    size_t batch_max;        /* that are run in one go: 1 to WORKER_BATCH_MAX */
    /* A thread's: run these, of which there is at least one. */
    void (*run)(void *arg, unsigned thread, struct work *const works[], size_t count);
    void *arg;
};

MUST_CHECK enum err worker_open(const struct worker_options *options, struct worker **ret,
    struct error *reterr);
/* Nothing is under way. NULL is fine. */
void worker_close(struct worker *worker);
/* done is called once, on the loop's thread, never from inside this call. */
void worker_start(struct worker *worker, struct handling *handling);
/* One that no thread has begun fails at once, in the loop's next turn. */
void worker_cancel(struct worker *worker, struct handling *handling);

#endif
