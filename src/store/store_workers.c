/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "os/metrics.h"
#include "store/file_lock.h"
#include "store/migrate.h"
#include "store/secrets.h"
#include "store/store.h"

/* A group holds everybody up who comes after it: as many as arrive during a slow commit, but no
 * more work than is not felt in an answer. */
#define GROUP_CALLS_MAX   512
#define GROUP_WORK_US_MAX (5 * US_PER_MS)

/* Enough to spare most of the wake-ups, few enough that one slow list holds up few others. */
#define READ_CALLS_MAX 8

/* A port hands over by itself when so many wait, so that the writer begins during a long turn. */
#define PORT_CALLS_MAX 32

#define READERS_MAX 64

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct letter *first; /* guarded by mutex */
    struct letter **end;  /* guarded by mutex */
    size_t count;         /* guarded by mutex */
    bool closing;         /* guarded by mutex */
    atomic_uint waiting;  /* with those that still lie in ports */
};

struct worker {
    struct store *store;
    struct engine *engine; /* owned; its thread only */
    pthread_t thread;
    bool started;
};

struct store {
    const struct clock *clock;
    int lock_fd;
    unsigned queue_max;
    unsigned reader_count;
    struct queue writes;
    struct queue reads;
    struct worker writer;
    struct worker *readers; /* owned */
    pthread_mutex_t health_mutex;
    struct error health; /* guarded by health_mutex */
};

static struct store_call *
call_of(struct letter *letter)
{
    return CONTAINER_OF(letter, struct store_call, letter);
}

/* --- queues ----------------------------------------------------------------------------------- */

static void
queue_init(struct queue *queue)
{
    CHECK(pthread_mutex_init(&queue->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&queue->filled, NULL) == 0);
    queue->end = &queue->first;
}

static void
queue_done(struct queue *queue)
{
    CHECK(queue->first == NULL);
    CHECK(pthread_cond_destroy(&queue->filled) == 0);
    CHECK(pthread_mutex_destroy(&queue->mutex) == 0);
}

/* A place in the line, before the call lies in it. */
static bool
queue_reserve(struct queue *queue, unsigned max)
{
    if (atomic_fetch_add_explicit(&queue->waiting, 1, memory_order_relaxed) < max)
        return true;
    (void)atomic_fetch_sub_explicit(&queue->waiting, 1, memory_order_relaxed);
    metric_add(METRIC_store_busy_total, 1);
    return false;
}

static void
queue_post(struct queue *queue, struct letter *first, struct letter **end, size_t count)
{
    CHECK(pthread_mutex_lock(&queue->mutex) == 0);
    CHECK(!queue->closing);
    *queue->end = first;
    queue->end = end;
    queue->count += count;
    /* All of them, also for one call: waking a single one doubled the 99th of a hundred answers
     * beside deliveries, where all threads share a core. */
    CHECK(pthread_cond_broadcast(&queue->filled) == 0);
    CHECK(pthread_mutex_unlock(&queue->mutex) == 0);
}

/* Wait for calls and take at most max, and no more than one of `takers` should; NULL once the
 * queue is closing and empty. */
static struct letter *
queue_take(struct queue *queue, size_t max, size_t takers)
{
    struct letter *first = NULL;
    struct letter **end = &queue->first;
    size_t taken = 0;

    CHECK(pthread_mutex_lock(&queue->mutex) == 0);
    while (queue->first == NULL && !queue->closing)
        CHECK(pthread_cond_wait(&queue->filled, &queue->mutex) == 0);
    if (max > (queue->count + takers - 1) / takers)
        max = (queue->count + takers - 1) / takers;
    while (taken < max) {
        end = &(*end)->next;
        taken++;
    }
    if (taken > 0) {
        first = queue->first;
        queue->first = *end;
        *end = NULL;
        if (queue->first == NULL)
            queue->end = &queue->first;
        queue->count -= taken;
    }
    CHECK(pthread_mutex_unlock(&queue->mutex) == 0);
    (void)atomic_fetch_sub_explicit(&queue->waiting, (unsigned)taken, memory_order_relaxed);
    return first;
}

static void
queue_close(struct queue *queue)
{
    CHECK(pthread_mutex_lock(&queue->mutex) == 0);
    queue->closing = true;
    CHECK(pthread_cond_broadcast(&queue->filled) == 0);
    CHECK(pthread_mutex_unlock(&queue->mutex) == 0);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void
deliver(struct letter *letter)
{
    struct store_call *call = call_of(letter);

    if (call->done != NULL)
        call->done(call);
}

/* Give all calls from first up to rest back, in one batch for each mailbox, in order. From then on
 * they are their owners'. */
static void
answer(struct letter *first, struct letter *rest)
{
    while (first != rest) {
        struct mailbox *mailbox = call_of(first)->reply;
        struct letter *batch = NULL;
        struct letter **batch_end = &batch;
        struct letter *last = NULL;
        struct letter *others = rest;
        struct letter **others_end = &others;

        for (struct letter *it = first; it != rest;) {
            struct letter *next = it->next;

            if (call_of(it)->reply == mailbox) {
                *batch_end = it;
                batch_end = &it->next;
                last = it;
            } else {
                *others_end = it;
                others_end = &it->next;
            }
            it = next;
        }
        *others_end = rest;
        mailbox_post_chain(mailbox, batch, last);
        first = others;
    }
}

/* --- the writer ------------------------------------------------------------------------------- */

static void
health_set(struct store *store, enum err err, const struct error *error)
{
    CHECK(pthread_mutex_lock(&store->health_mutex) == 0);
    if (err == OK)
        store->health = (struct error){.code = OK};
    else
        store->health = *error;
    CHECK(pthread_mutex_unlock(&store->health_mutex) == 0);
    metric_add(err == OK ? METRIC_store_commits_total : METRIC_store_failures_total, 1);
}

static enum err
commit(struct store *store, struct error *reterr)
{
    enum err err = engine_commit(store->writer.engine, reterr);

    health_set(store, err, reterr);
    return err;
}

static void
call_run(struct store_call *call, struct engine *engine)
{
    call->error = (struct error){.code = OK};
    call->err = call->run(call, engine);
    if (call->err != OK && call->error.text[0] == '\0')
        (void)error_set(&call->error, call->err, "the store refused");
}

/* One call as a transaction of its own. */
static void
run_alone(struct store *store, struct store_call *call)
{
    struct engine *engine = store->writer.engine;
    struct error error = {.code = OK};
    enum err err = engine_begin(engine, &error);

    if (err != OK) {
        health_set(store, err, &error);
    } else {
        call_run(call, engine);
        if (call->err != OK) {
            engine_rollback(engine);
            return;
        }
        if (engine_is_in_transaction(engine))
            err = commit(store, &error);
        else
            err = error_set(&error, ERR_IO, "database: the transaction was rolled back");
    }
    if (err != OK) {
        call->err = err;
        call->error = error;
    }
}

/* In a savepoint. False when the whole transaction is in doubt. */
static bool
run_in_group(struct engine *engine, struct store_call *call)
{
    if (engine_savepoint(engine, NULL) != OK)
        return false;
    call_run(call, engine);
    if (call->err == OK)
        return engine_release(engine, NULL) == OK;
    return engine_rollback_to(engine, NULL) == OK;
}

/* Run calls from first on as one transaction and return the first that was left for the next. */
static struct letter *
group_run(struct store *store, struct letter *first)
{
    struct engine *engine = store->writer.engine;
    struct instant began = clock_instant(store->clock);
    struct error error = {.code = OK};
    struct letter *it = first;
    bool is_whole = engine_begin(engine, &error) == OK;

    if (!is_whole) {
        health_set(store, error.code, &error);
        for (; it != NULL; it = it->next) {
            call_of(it)->err = error.code;
            call_of(it)->error = error;
        }
        return NULL;
    }
    do {
        is_whole = run_in_group(engine, call_of(it));
        it = it->next;
    } while (
        is_whole && it != NULL && clock_instant(store->clock).us - began.us < GROUP_WORK_US_MAX);

    if (is_whole && commit(store, &error) == OK)
        return it;
    /* One of them took all with it, or the disk did. Each alone gets its own true answer. */
    engine_rollback(engine);
    for (struct letter *again = first; again != it; again = again->next)
        run_alone(store, call_of(again));
    return it;
}

static void
write_all(struct store *store, struct letter *first)
{
    while (first != NULL) {
        struct letter *rest = NULL;
        int64_t count = 0;

        if (first->next == NULL)
            run_alone(store, call_of(first));
        else
            rest = group_run(store, first);
        for (struct letter *it = first; it != rest; it = it->next)
            count++;
        metric_add(METRIC_store_writes_total, count);
        /* While somebody reads from the log it cannot be emptied; the next group tries again. */
        if (engine_owes_checkpoint(store->writer.engine))
            (void)!engine_checkpoint(store->writer.engine, NULL);
        answer(first, rest);
        first = rest;
    }
}

static void *
writer_main(void *arg)
{
    struct worker *worker = arg;
    struct letter *first;

    while ((first = queue_take(&worker->store->writes, GROUP_CALLS_MAX, 1)) != NULL)
        write_all(worker->store, first);
    return NULL;
}

/* --- readers ---------------------------------------------------------------------------------- */

static void
read_one(struct engine *engine, struct store_call *call)
{
    struct error error = {.code = OK};
    enum err err = engine_begin(engine, &error);

    if (err == OK) {
        call_run(call, engine);
        engine_rollback(engine);
    } else {
        call->err = err;
        call->error = error;
    }
}

static void *
reader_main(void *arg)
{
    struct worker *worker = arg;
    struct store *store = worker->store;
    struct letter *first;

    while ((first = queue_take(&store->reads, READ_CALLS_MAX, store->reader_count)) != NULL) {
        int64_t count = 0;

        for (struct letter *it = first; it != NULL; it = it->next, count++)
            read_one(worker->engine, call_of(it));
        metric_add(METRIC_store_reads_total, count);
        answer(first, NULL);
    }
    return NULL;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static bool
is_in_memory(const struct store_options *options)
{
    return strcmp(options->path, ":memory:") == 0;
}

static enum err
secrets_open_for(struct engine *engine, const struct store_options *options, struct error *reterr)
{
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof(beside), "%s.key", options->path);

    if (len < 0 || (size_t)len >= sizeof(beside))
        return error_set(reterr, ERR_INVALID, "the database's path is too long");
    return secrets_open(engine, options->key_path != NULL ? options->key_path : beside,
        options->key_hex, reterr);
}

/* The writer's connection, its schema and its key; the lock is held. */
static enum err
writer_open(struct store *store, const struct store_options *options, struct error *reterr)
{
    struct engine_options writer = {.path = options->path};
    enum err err = engine_open(&writer, &store->writer.engine, reterr);

    if (err == OK)
        err = migrate(store->writer.engine, options->path, reterr);
    if (err == OK)
        err = secrets_open_for(store->writer.engine, options, reterr);
    return err;
}

static enum err
readers_open(struct store *store, const struct store_options *options, struct error *reterr)
{
    struct engine_options reader = {
        .path = options->path,
        .read_only = true,
        .seal_key = engine_seal_key(store->writer.engine),
    };
    unsigned count = options->readers < READERS_MAX ? options->readers : READERS_MAX;

    if (is_in_memory(options) || count == 0)
        return OK;
    store->readers = calloc(count, sizeof(*store->readers));
    if (store->readers == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    for (unsigned i = 0; i < count; i++) {
        enum err err = engine_open(&reader, &store->readers[i].engine, reterr);

        store->reader_count = i + 1;
        if (err != OK)
            return err;
    }
    return OK;
}

static enum err
worker_start(struct worker *worker, struct store *store, void *(*fn)(void *), const char *name,
    struct error *reterr)
{
    int code;

    worker->store = store;
    code = pthread_create(&worker->thread, NULL, fn, worker);
    if (code != 0)
        return error_set(reterr, ERR_IO, "cannot start a store thread: %s", strerrordesc_np(code));
    worker->started = true;
    (void)pthread_setname_np(worker->thread, name);
    return OK;
}

/* Signals are for the main thread. */
static enum err
workers_start(struct store *store, struct error *reterr)
{
    sigset_t all;
    sigset_t before;
    enum err err;

    (void)sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    err = worker_start(&store->writer, store, writer_main, "store-writer", reterr);
    for (unsigned i = 0; err == OK && i < store->reader_count; i++)
        err = worker_start(&store->readers[i], store, reader_main, "store-reader", reterr);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return err;
}

enum err
store_open(const struct store_options *options, struct store **ret, struct error *reterr)
{
    struct store *store = calloc(1, sizeof(*store));
    enum err err = OK;

    if (store == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    store->clock = options->clock;
    store->queue_max = options->queue_max;
    store->lock_fd = -1;
    queue_init(&store->writes);
    queue_init(&store->reads);
    CHECK(pthread_mutex_init(&store->health_mutex, NULL) == 0);

    if (!is_in_memory(options))
        err = file_lock_take(options->path, &store->lock_fd, reterr);
    if (err == OK)
        err = writer_open(store, options, reterr);
    if (err == OK)
        err = readers_open(store, options, reterr);
    if (err == OK)
        err = workers_start(store, reterr);
    if (err != OK) {
        store_close(store);
        return err;
    }
    *ret = store;
    return OK;
}

static void
worker_stop(struct worker *worker)
{
    if (worker->started)
        CHECK(pthread_join(worker->thread, NULL) == 0);
    engine_closep(&worker->engine);
}

void
store_close(struct store *store)
{
    if (store == NULL)
        return;
    queue_close(&store->reads);
    queue_close(&store->writes);
    for (unsigned i = 0; i < store->reader_count; i++)
        worker_stop(&store->readers[i]);
    free(store->readers);
    /* The last connection to close empties the log and removes it. */
    worker_stop(&store->writer);
    file_lock_drop(store->lock_fd);
    CHECK(pthread_mutex_destroy(&store->health_mutex) == 0);
    queue_done(&store->writes);
    queue_done(&store->reads);
    free(store);
}

enum err
store_open_beside(const struct store_options *options, struct engine **ret, struct error *reterr)
{
    struct engine_options plain = {.path = options->path};
    CLEANUP(engine_closep) struct engine *engine = NULL;
    int64_t version = 0;
    int lock_fd = -1;
    enum err err = engine_open(&plain, &engine, reterr);

    if (err == OK)
        err = migrate_version(engine, &version, reterr);
    if (err == OK && version < migrate_newest()) {
        err = file_lock_take(options->path, &lock_fd, reterr);
        if (err == OK)
            err = migrate(engine, options->path, reterr);
        if (err == OK)
            err = secrets_open_for(engine, options, reterr);
        file_lock_drop(lock_fd);
    } else if (err == OK) {
        err = migrate(engine, options->path, reterr);
    }
    if (err == OK)
        *ret = TAKE(engine);
    return err;
}

/* --- submitting ------------------------------------------------------------------------------- */

static struct queue *
queue_for(struct store *store, const struct store_call *call)
{
    return call->writes || store->reader_count == 0 ? &store->writes : &store->reads;
}

void
store_port_init(struct store_port *port, struct store *store, void (*ask_flush)(void *arg),
    void *arg)
{
    *port = (struct store_port){.store = store, .ask_flush = ask_flush, .arg = arg};
    port->end = &port->first;
}

enum err
store_submit(struct store_port *port, struct store_call *call)
{
    if (!queue_reserve(queue_for(port->store, call), port->store->queue_max))
        return ERR_BUSY;
    call->letter.deliver = deliver;
    call->letter.next = NULL;
    *port->end = &call->letter;
    port->end = &call->letter.next;
    port->count++;
    if (port->count >= PORT_CALLS_MAX)
        store_port_flush(port);
    else if (port->count == 1)
        port->ask_flush(port->arg);
    return OK;
}

void
store_port_flush(struct store_port *port)
{
    struct queue *queues[] = {&port->store->writes, &port->store->reads};
    struct letter *first[COUNT_OF(queues)] = {NULL};
    struct letter **end[COUNT_OF(queues)] = {&first[0], &first[1]};
    size_t count[COUNT_OF(queues)] = {0};
    struct letter *next;

    for (struct letter *it = port->first; it != NULL; it = next) {
        size_t which = queue_for(port->store, call_of(it)) == queues[0] ? 0 : 1;

        next = it->next;
        it->next = NULL;
        *end[which] = it;
        end[which] = &it->next;
        count[which]++;
    }
    port->first = NULL;
    port->end = &port->first;
    port->count = 0;
    for (size_t i = 0; i < COUNT_OF(queues); i++) {
        if (count[i] > 0)
            queue_post(queues[i], first[i], end[i], count[i]);
    }
}

enum err
store_run(struct store *store, struct store_call *call)
{
    struct queue *queue = queue_for(store, call);
    struct mailbox mailbox;
    struct pollfd pollfd = {.events = POLLIN};
    enum err err = mailbox_init(&mailbox, &call->error);

    if (err == OK && !queue_reserve(queue, store->queue_max)) {
        mailbox_done(&mailbox);
        err = error_set(&call->error, ERR_BUSY, "the store's queue is full");
    }
    if (err != OK) {
        call->err = err;
        return err;
    }
    call->reply = &mailbox;
    call->letter.deliver = deliver;
    call->letter.next = NULL;
    queue_post(queue, &call->letter, &call->letter.next, 1);
    pollfd.fd = mailbox.event_fd;
    do {
        (void)poll(&pollfd, 1, -1); /* a signal only makes it look early */
    } while (mailbox_drain(&mailbox) == 0);
    mailbox_done(&mailbox);
    call->reply = NULL;
    return call->err;
}

enum err
store_health(struct store *store, struct error *reterr)
{
    struct error health;

    CHECK(pthread_mutex_lock(&store->health_mutex) == 0);
    health = store->health;
    CHECK(pthread_mutex_unlock(&store->health_mutex) == 0);
    if (health.code == OK)
        return OK;
    return error_set(reterr, health.code, "%s", health.text);
}
