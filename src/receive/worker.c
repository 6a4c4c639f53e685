/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct worker_thread {
    struct worker *worker;
    unsigned index;
    bool has_started;
    pthread_t thread;
};

struct worker {
    struct worker_options options;
    struct work *works;            /* owned */
    struct work *idle;             /* loop thread only */
    unsigned busy;                 /* loop thread only */
    struct worker_thread *threads; /* owned */
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct work *first; /* guarded by mutex */
    struct work **end;  /* guarded by mutex */
    bool is_closing;    /* guarded by mutex */
};

/* --- what a thread says ----------------------------------------------------------------------- */

/* The longest beginning of a text, at most max bytes of it, that ends between characters. */
static size_t
whole_characters(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    len = max;
    while (len > 0 && ((unsigned char)text[len] & 0xC0U) == 0x80)
        len--;
    return len;
}

void
work_end(struct work *work, enum handling_result result, const char *fmt, ...)
{
    char text[2 * WORK_DETAIL_BYTES_MAX];
    va_list args;
    size_t len;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    len = whole_characters(text, strlen(text), sizeof(work->detail) - 1);
    memcpy(work->detail, text, len);
    work->detail[len] = '\0';
    work->result = result;
}

void
work_output(struct work *work, struct str text)
{
    work->output_len = whole_characters(text.ptr, text.len, sizeof(work->output));
    if (work->output_len > 0)
        memcpy(work->output, text.ptr, work->output_len);
}

/* --- back on the loop ------------------------------------------------------------------------- */

static void
on_answer(struct letter *letter)
{
    struct work *work = CONTAINER_OF(letter, struct work, letter);
    struct worker *worker = work->worker;
    struct handling *handling = TAKE(work->handling);

    handling->own = NULL;
    handling->result = work->result;
    handling->detail = str_from(work->detail);
    handling->output = (struct str){work->output, work->output_len};
    handling->retry_after_us = work->retry_after_us;
    worker->busy--;
    handling->done(handling);
    /* Only now: until here its texts were borrowed. */
    work->next = worker->idle;
    worker->idle = work;
}

void
worker_start(struct worker *worker, struct handling *handling)
{
    struct work *work = worker->idle;

    CHECK(work != NULL && worker->busy < worker->options.room);
    worker->idle = work->next;
    worker->busy++;
    work->handling = handling;
    work->now = clock_walltime(worker->options.clock);
    work->is_cancelled = false;
    work->result = HANDLING_DONE;
    work->retry_after_us = 0;
    work->detail[0] = '\0';
    work->output_len = 0;
    work->next = NULL;
    handling->own = work;

    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    *worker->end = work;
    worker->end = &work->next;
    CHECK(pthread_cond_signal(&worker->filled) == 0);
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
}

/* Take it out of the line; false when a thread has it. */
static bool
withdraw(struct worker *worker, struct work *work)
{
    bool found = false;

    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    for (struct work **at = &worker->first; *at != NULL && !found; at = &(*at)->next) {
        if (*at != work)
            continue;
        *at = work->next;
        if (work->next == NULL)
            worker->end = at;
        found = true;
        break;
    }
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
    return found;
}

void
worker_cancel(struct worker *worker, struct handling *handling)
{
    struct work *work = handling->own;

    CHECK(work != NULL && work->handling == handling);
    work->is_cancelled = true;
    if (!withdraw(worker, work))
        return;
    work_end(work, HANDLING_FAILED, "its time was over before it was begun");
    mailbox_post(loop_mailbox(worker->options.loop), &work->letter);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Wait for handlings and take as many as may go together; 0 once the worker is closing. */
static size_t
take_batch(struct worker *worker, struct work *works[WORKER_BATCH_MAX])
{
    size_t count = 0;

    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    while (worker->first == NULL && !worker->is_closing)
        CHECK(pthread_cond_wait(&worker->filled, &worker->mutex) == 0);
    while (worker->first != NULL && count < worker->options.batch_max) {
        works[count] = worker->first;
        worker->first = works[count]->next;
        count++;
    }
    if (worker->first == NULL)
        worker->end = &worker->first;
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
    return count;
}

static void *
thread_main(void *arg)
{
    struct worker_thread *thread = arg;
    struct worker *worker = thread->worker;
    struct mailbox *mailbox = loop_mailbox(worker->options.loop);
    struct work *works[WORKER_BATCH_MAX];
    size_t count;

    while ((count = take_batch(worker, works)) > 0) {
        worker->options.run(worker->options.arg, thread->index, works, count);
        for (size_t i = 0; i + 1 < count; i++)
            works[i]->letter.next = &works[i + 1]->letter;
        mailbox_post_chain(mailbox, &works[0]->letter, &works[count - 1]->letter);
    }
    return NULL;
}

/* Signals are for the main thread. */
static enum err
threads_start(struct worker *worker, struct error *reterr)
{
    sigset_t all;
    sigset_t before;
    int code = 0;

    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    for (unsigned i = 0; code == 0 && i < worker->options.threads; i++) {
        struct worker_thread *thread = &worker->threads[i];

        thread->worker = worker;
        thread->index = i;
        code = pthread_create(&thread->thread, NULL, thread_main, thread);
        thread->has_started = code == 0;
        if (code == 0)
            (void)pthread_setname_np(thread->thread, worker->options.thread_name);
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (code != 0)
        return error_set(reterr, ERR_IO, "cannot start a thread of a handler: %s",
            strerrordesc_np(code));
    return OK;
}

enum err
worker_open(const struct worker_options *options, struct worker **ret, struct error *reterr)
{
    /* One more than may be under way: the one whose done is being called may start the next. */
    size_t slots = (size_t)options->room + 1;
    struct worker *worker = calloc(1, sizeof(*worker));
    enum err err;

    CHECK(options->threads >= 1 && options->threads <= WORKER_THREADS_MAX);
    CHECK(options->batch_max >= 1 && options->batch_max <= WORKER_BATCH_MAX);
    if (worker == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a handler's threads");
    worker->options = *options;
    worker->end = &worker->first;
    CHECK(pthread_mutex_init(&worker->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&worker->filled, NULL) == 0);
    worker->works = calloc(slots, sizeof(*worker->works));
    worker->threads = calloc(options->threads, sizeof(*worker->threads));
    if (worker->works == NULL || worker->threads == NULL) {
        worker_close(worker);
        return error_set(reterr, ERR_NOMEM, "out of memory for a handler's threads");
    }
    for (size_t i = 0; i < slots; i++) {
        struct work *work = &worker->works[i];

        work->worker = worker;
        work->letter.deliver = on_answer;
        work->next = worker->idle;
        worker->idle = work;
    }
    err = threads_start(worker, reterr);
    if (err != OK) {
        worker_close(worker);
        return err;
    }
    *ret = worker;
    return OK;
}

void
worker_close(struct worker *worker)
{
    if (worker == NULL)
        return;
    CHECK(worker->busy == 0);
    CHECK(pthread_mutex_lock(&worker->mutex) == 0);
    worker->is_closing = true;
    CHECK(pthread_cond_broadcast(&worker->filled) == 0);
    CHECK(pthread_mutex_unlock(&worker->mutex) == 0);
    for (unsigned i = 0; worker->threads != NULL && i < worker->options.threads; i++) {
        if (worker->threads[i].has_started)
            CHECK(pthread_join(worker->threads[i].thread, NULL) == 0);
    }
    CHECK(pthread_cond_destroy(&worker->filled) == 0);
    CHECK(pthread_mutex_destroy(&worker->mutex) == 0);
    free(worker->threads);
    free(worker->works);
    free(worker);
}
