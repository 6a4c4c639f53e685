/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/check.h"
#include "os/fault.h"
#include "os/metrics.h"
#include "store/store.h"
#include "support/scratch.h"
#include "support/test.h"

#define THREADS          4
#define CALLS_PER_THREAD 200

/* A call that writes one row, or does what its kind says. */
struct write {
    struct store_call call;

    enum { WRITE_ROW, WRITE_THEN_REFUSE, WRITE_OR_ROLLBACK, WRITE_GATE } kind;

    int64_t number;
    sem_t *entered; /* WRITE_GATE: posted once the worker is inside, which then waits for gate */
    sem_t *gate;
    int done_count;
    int *next_done; /* counts the calls of one test */
    int done_at;
};

struct fixture {
    struct scratch scratch;
    char path[128];
    struct store_options options;
    struct store *store;
    struct store_port port;
    struct mailbox mailbox;
    int flushes_asked;
};

static enum err
write_run(struct store_call *call, struct engine *engine)
{
    struct write *self = CONTAINER_OF(call, struct write, call);
    enum err err;

    switch (self->kind) {
    case WRITE_ROW: break;
    case WRITE_THEN_REFUSE:
        err = engine_run(engine, &call->error, "INSERT INTO meta (name, value) VALUES (?1, 1)",
            v_int(self->number));
        return err != OK ? err : error_set(&call->error, ERR_INVALID, "number %d is refused", 7);
    case WRITE_OR_ROLLBACK:
        return engine_run(engine, &call->error,
            "INSERT OR ROLLBACK INTO meta (name, value) VALUES ('sequence', 1)");
    case WRITE_GATE:
        if (self->entered != NULL) {
            CHECK(sem_post(self->entered) == 0);
            self->entered = NULL;
            CHECK(sem_wait(self->gate) == 0);
        }
        break;
    }
    return engine_run(engine, &call->error, "INSERT INTO meta (name, value) VALUES (?1, 1)",
        v_int(self->number));
}

static void
write_done(struct store_call *call)
{
    struct write *self = CONTAINER_OF(call, struct write, call);

    self->done_count++;
    if (self->next_done != NULL)
        self->done_at = (*self->next_done)++;
}

static void
write_set(struct write *self, struct mailbox *reply, int64_t number)
{
    *self = (struct write){.kind = WRITE_ROW, .number = number};
    self->call =
        (struct store_call){.run = write_run, .done = write_done, .reply = reply, .writes = true};
}

static void
on_flush_asked(void *arg)
{
    struct fixture *fixture = arg;

    fixture->flushes_asked++;
}

static void
reopen(struct fixture *fixture)
{
    struct error error = {0};

    if (store_open(&fixture->options, &fixture->store, &error) != OK)
        fail_msg("%s", error.text);
    store_port_init(&fixture->port, fixture->store, on_flush_asked, fixture);
}

static void
setup(struct fixture *fixture)
{
    struct error error = {0};

    memset(fixture, 0, sizeof(*fixture));
    scratch_init(&fixture->scratch);
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/usher.db", fixture->scratch.dir);
    fixture->options = (struct store_options){.path = fixture->path,
        .readers = 2,
        .queue_max = 4096,
        .clock = &clock_system};
    assert_int_equal(mailbox_init(&fixture->mailbox, &error), OK);
    reopen(fixture);
}

static void
teardown(struct fixture *fixture)
{
    store_close(fixture->store);
    mailbox_done(&fixture->mailbox);
    scratch_done(&fixture->scratch);
}

/* Wait until so many calls came back. */
static void
await(struct mailbox *mailbox, size_t count)
{
    while (count > 0) {
        struct pollfd pollfd = {.fd = mailbox->event_fd, .events = POLLIN};

        (void)poll(&pollfd, 1, -1);
        count -= mailbox_drain(mailbox);
    }
}

struct counting {
    struct store_call call;
    int64_t count;
};

static enum err
count_run(struct store_call *call, struct engine *engine)
{
    struct counting *self = CONTAINER_OF(call, struct counting, call);

    return engine_get_int(engine, &self->count, &call->error,
        "SELECT count(*) FROM meta WHERE name NOT IN"
        " ('sequence', 'key_check', 'inbox_sequence', 'quarantine_sequence')");
}

static int64_t
count_rows(struct fixture *fixture)
{
    struct counting counting = {.call = {.run = count_run}, .count = -1};

    assert_int_equal(store_run(fixture->store, &counting.call), OK);
    return counting.count;
}

/* Hold the writer inside a call, so that everything submitted meanwhile becomes one group. */
struct gate {
    struct write write;
    sem_t entered;
    sem_t open;
};

static void
gate_close(struct gate *gate, struct fixture *fixture)
{
    assert_int_equal(sem_init(&gate->entered, 0, 0), 0);
    assert_int_equal(sem_init(&gate->open, 0, 0), 0);
    write_set(&gate->write, &fixture->mailbox, -1);
    gate->write.kind = WRITE_GATE;
    gate->write.entered = &gate->entered;
    gate->write.gate = &gate->open;
    assert_int_equal(store_submit(&fixture->port, &gate->write.call), OK);
    store_port_flush(&fixture->port);
    while (sem_wait(&gate->entered) != 0) {
    }
}

static void
gate_open(struct gate *gate)
{
    assert_int_equal(sem_post(&gate->open), 0);
}

static void
gate_done(struct gate *gate)
{
    assert_int_equal(gate->write.call.err, OK);
    assert_int_equal(sem_destroy(&gate->entered), 0);
    assert_int_equal(sem_destroy(&gate->open), 0);
}

struct thread {
    struct store *store;
    pthread_t thread;
    int64_t first_number;
    size_t succeeded;
};

static void
never_asked(void *arg)
{
    (void)arg;
}

static void *
thread_main(void *arg)
{
    struct thread *self = arg;
    struct write *writes = calloc(CALLS_PER_THREAD, sizeof(*writes));
    struct mailbox mailbox;
    struct store_port port;

    CHECK(writes != NULL);
    CHECK(mailbox_init(&mailbox, NULL) == OK);
    store_port_init(&port, self->store, never_asked, NULL);
    for (int64_t i = 0; i < CALLS_PER_THREAD; i++) {
        write_set(&writes[i], &mailbox, self->first_number + i);
        CHECK(store_submit(&port, &writes[i].call) == OK);
    }
    store_port_flush(&port);
    await(&mailbox, CALLS_PER_THREAD);
    for (size_t i = 0; i < CALLS_PER_THREAD; i++)
        self->succeeded += writes[i].call.err == OK && writes[i].done_count == 1;
    mailbox_done(&mailbox);
    free(writes);
    return NULL;
}

static void
writes_of_many_threads_share_commits(void **state)
{
    struct fixture fixture;
    struct thread threads[THREADS];
    int64_t commits = metric_get(METRIC_store_commits_total);
    int64_t writes = metric_get(METRIC_store_writes_total);

    (void)state;
    setup(&fixture);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.store = fixture.store, .first_number = i * 1000};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        assert_int_equal(threads[i].succeeded, CALLS_PER_THREAD);
    }
    assert_int_equal(count_rows(&fixture), THREADS * CALLS_PER_THREAD);
    assert_int_equal(metric_get(METRIC_store_writes_total) - writes, THREADS * CALLS_PER_THREAD);
    assert_true(metric_get(METRIC_store_commits_total) - commits < THREADS * CALLS_PER_THREAD / 2);
    teardown(&fixture);
}

static void
a_refused_call_is_undone_alone(void **state)
{
    struct fixture fixture;
    struct gate gate;
    struct write writes[10];

    (void)state;
    setup(&fixture);
    gate_close(&gate, &fixture);
    for (int i = 0; i < 10; i++) {
        write_set(&writes[i], &fixture.mailbox, i);
        if (i == 4)
            writes[i].kind = WRITE_THEN_REFUSE;
        assert_int_equal(store_submit(&fixture.port, &writes[i].call), OK);
    }
    store_port_flush(&fixture.port);
    gate_open(&gate);
    await(&fixture.mailbox, 11);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(writes[i].call.err, i == 4 ? ERR_INVALID : OK);
        assert_int_equal(writes[i].done_count, 1);
    }
    assert_string_equal(writes[4].call.error.text, "number 7 is refused");
    assert_int_equal(count_rows(&fixture), 1 + 9);
    gate_done(&gate);
    teardown(&fixture);
}

static void
when_one_call_takes_the_transaction_with_it_the_others_still_get_true_answers(void **state)
{
    struct fixture fixture;
    struct gate gate;
    struct write writes[10];

    (void)state;
    setup(&fixture);
    gate_close(&gate, &fixture);
    for (int i = 0; i < 10; i++) {
        write_set(&writes[i], &fixture.mailbox, i);
        if (i == 2)
            writes[i].kind = WRITE_THEN_REFUSE;
        if (i == 6)
            writes[i].kind = WRITE_OR_ROLLBACK;
        assert_int_equal(store_submit(&fixture.port, &writes[i].call), OK);
    }
    store_port_flush(&fixture.port);
    gate_open(&gate);
    await(&fixture.mailbox, 11);
    for (int i = 0; i < 10; i++) {
        enum err expected = i == 2 ? ERR_INVALID : i == 6 ? ERR_CONFLICT : OK;

        assert_int_equal(writes[i].call.err, expected);
        assert_int_equal(writes[i].done_count, 1);
    }
    assert_int_equal(count_rows(&fixture), 1 + 8);
    gate_done(&gate);
    teardown(&fixture);
}

static void
a_commit_that_fails_is_nobodys_success(void **state)
{
    (void)state;
#ifdef USHER_FAULTS
    struct fixture fixture;
    struct error error = {0};
    struct write write;

    setup(&fixture);
    assert_int_equal(store_health(fixture.store, &error), OK);
    write_set(&write, NULL, 1);
    fault_arm("store.commit", 1);
    assert_int_equal(store_run(fixture.store, &write.call), ERR_DISK);
    assert_true(fault_fired());
    assert_int_equal(write.done_count, 1);
    assert_int_equal(store_health(fixture.store, &error), ERR_DISK);
    assert_non_null(strstr(error.text, "commit"));
    assert_int_equal(count_rows(&fixture), 0);

    assert_int_equal(store_run(fixture.store, &write.call), OK);
    assert_int_equal(store_health(fixture.store, &error), OK);
    assert_int_equal(count_rows(&fixture), 1);
    teardown(&fixture);
#else
    skip();
#endif
}

/* Each step and each commit of a group fails in turn: who heard OK is there, nobody else is. */
static void
whatever_fails_in_a_group_answers_stay_true(void **state)
{
    (void)state;
#ifdef USHER_FAULTS
    static const char *const sites[] = {"store.step", "store.commit"};

    for (size_t site = 0; site < COUNT_OF(sites); site++) {
        int not_begun = 0;

        for (uint64_t nth = 1;; nth++) {
            struct fixture fixture;
            struct gate gate;
            struct write writes[3];
            int64_t succeeded = 0;
            bool fired;

            setup(&fixture);
            gate_close(&gate, &fixture);
            for (int i = 0; i < 3; i++) {
                write_set(&writes[i], &fixture.mailbox, i);
                assert_int_equal(store_submit(&fixture.port, &writes[i].call), OK);
            }
            store_port_flush(&fixture.port);
            fault_arm(sites[site], nth);
            gate_open(&gate);
            await(&fixture.mailbox, 4);
            fired = fault_fired();
            for (int i = 0; i < 3; i++)
                succeeded += writes[i].call.err == OK;
            succeeded += gate.write.call.err == OK;
            assert_int_equal(count_rows(&fixture), succeeded);
            /* What hits the group once it has begun costs at most one call its success. */
            assert_true(succeeded >= (fired ? 1 : 4));
            not_begun += succeeded < 3;
            assert_int_equal(sem_destroy(&gate.entered), 0);
            assert_int_equal(sem_destroy(&gate.open), 0);
            teardown(&fixture);
            if (!fired)
                break;
            assert_true(nth < 100);
        }
        assert_int_equal(not_begun, site == 0 ? 1 : 0);
    }
#else
    skip();
#endif
}

static void
a_full_queue_refuses_and_forgets(void **state)
{
    struct fixture fixture;
    struct gate gate;
    struct write writes[5];

    (void)state;
    setup(&fixture);
    store_close(fixture.store);
    fixture.options.queue_max = 3;
    reopen(&fixture);
    gate_close(&gate, &fixture);
    for (int i = 0; i < 5; i++) {
        write_set(&writes[i], &fixture.mailbox, i);
        assert_int_equal(store_submit(&fixture.port, &writes[i].call), i < 3 ? OK : ERR_BUSY);
    }
    assert_int_equal(fixture.flushes_asked, 2); /* the gate's, and one for the three */
    store_port_flush(&fixture.port);
    gate_open(&gate);
    await(&fixture.mailbox, 4);
    for (int i = 0; i < 5; i++)
        assert_int_equal(writes[i].done_count, i < 3 ? 1 : 0);
    /* There is room again. */
    assert_int_equal(store_submit(&fixture.port, &writes[4].call), OK);
    store_port_flush(&fixture.port);
    await(&fixture.mailbox, 1);
    assert_int_equal(count_rows(&fixture), 5);
    gate_done(&gate);
    teardown(&fixture);
}

static void
answers_come_in_order_to_the_box_they_belong_to(void **state)
{
    struct fixture fixture;
    struct gate gate;
    struct write writes[20];
    struct mailbox other;
    int counts[2] = {0};

    (void)state;
    setup(&fixture);
    assert_int_equal(mailbox_init(&other, NULL), OK);
    gate_close(&gate, &fixture);
    for (int i = 0; i < 20; i++) {
        write_set(&writes[i], i % 3 == 0 ? &other : &fixture.mailbox, i);
        writes[i].next_done = &counts[i % 3 == 0 ? 0 : 1];
        assert_int_equal(store_submit(&fixture.port, &writes[i].call), OK);
    }
    store_port_flush(&fixture.port);
    gate_open(&gate);
    await(&other, 7);
    await(&fixture.mailbox, 14);
    for (int i = 0, at[2] = {0}; i < 20; i++)
        assert_int_equal(writes[i].done_at, at[i % 3 == 0 ? 0 : 1]++);
    gate_done(&gate);
    mailbox_done(&other);
    teardown(&fixture);
}

static void
reads_go_on_while_the_writer_is_held(void **state)
{
    struct fixture fixture;
    struct gate gate;

    (void)state;
    setup(&fixture);
    gate_close(&gate, &fixture);
    assert_int_equal(count_rows(&fixture), 0);
    gate_open(&gate);
    await(&fixture.mailbox, 1);
    assert_int_equal(count_rows(&fixture), 1);
    gate_done(&gate);
    teardown(&fixture);
}

static void
a_read_call_cannot_write(void **state)
{
    struct fixture fixture;
    struct write write;

    (void)state;
    setup(&fixture);
    write_set(&write, NULL, 1);
    write.call.writes = false;
    assert_int_equal(store_run(fixture.store, &write.call), ERR_IO);
    assert_int_equal(count_rows(&fixture), 0);
    teardown(&fixture);
}

static void
closing_finishes_what_is_queued(void **state)
{
    struct fixture fixture;
    struct gate gate;
    struct write writes[40];

    (void)state;
    setup(&fixture);
    gate_close(&gate, &fixture);
    for (int i = 0; i < 40; i++) {
        write_set(&writes[i], &fixture.mailbox, i);
        assert_int_equal(store_submit(&fixture.port, &writes[i].call), OK);
    }
    store_port_flush(&fixture.port);
    gate_open(&gate);
    store_close(fixture.store);
    assert_int_equal(mailbox_drain(&fixture.mailbox), 41);
    for (int i = 0; i < 40; i++)
        assert_int_equal(writes[i].call.err, OK);
    assert_int_equal(scratch_count(&fixture.scratch, "usher.db-wal"), 0);
    reopen(&fixture);
    assert_int_equal(count_rows(&fixture), 41);
    gate_done(&gate);
    teardown(&fixture);
}

static void
a_second_server_is_told_who_holds_the_file(void **state)
{
    struct fixture fixture;
    struct store *second = NULL;
    struct error error = {0};
    char pid[32];

    (void)state;
    setup(&fixture);
    assert_int_equal(store_open(&fixture.options, &second, &error), ERR_CONFLICT);
    assert_null(second);
    (void)snprintf(pid, sizeof(pid), "process %lld:", (long long)getpid());
    assert_non_null(strstr(error.text, pid));
    store_close(fixture.store);
    reopen(&fixture);
    teardown(&fixture);
}

static void
a_lost_key_refuses_to_start(void **state)
{
    struct fixture fixture;
    struct store *store = NULL;
    struct error error = {0};

    (void)state;
    setup(&fixture);
    store_close(fixture.store);
    fixture.store = NULL;
    assert_int_equal(unlink(scratch_path(&fixture.scratch, "usher.db.key")), 0);
    assert_int_equal(store_open(&fixture.options, &store, &error), ERR_DENIED);
    assert_null(store);
    assert_non_null(strstr(error.text, "--secret-key-file"));
    teardown(&fixture);
}

static void
the_command_line_writes_beside_a_server(void **state)
{
    struct fixture fixture;
    struct engine *engine = NULL;
    struct error error = {0};
    struct write write;

    (void)state;
    setup(&fixture);
    assert_int_equal(store_open_beside(&fixture.options, &engine, &error), OK);
    assert_int_equal(engine_begin(engine, &error), OK);
    assert_int_equal(engine_run(engine, &error, "INSERT INTO meta (name, value) VALUES ('x', 1)"),
        OK);
    assert_int_equal(engine_commit(engine, &error), OK);
    engine_close(engine);
    assert_int_equal(count_rows(&fixture), 1);
    write_set(&write, NULL, 1);
    assert_int_equal(store_run(fixture.store, &write.call), OK);
    teardown(&fixture);
}

static void
the_command_line_sets_up_a_database_that_a_server_then_takes(void **state)
{
    struct fixture fixture;
    struct engine *engine = NULL;
    struct error error = {0};

    (void)state;
    setup(&fixture);
    store_close(fixture.store);
    (void)snprintf(fixture.path, sizeof(fixture.path), "%s/other.db", fixture.scratch.dir);
    assert_int_equal(store_open_beside(&fixture.options, &engine, &error), OK);
    engine_close(engine);
    reopen(&fixture);
    teardown(&fixture);
}

static void
a_store_in_memory_serves_reads_through_its_writer(void **state)
{
    struct fixture fixture;
    struct write write;

    (void)state;
    setup(&fixture);
    store_close(fixture.store);
    fixture.options.path = ":memory:";
    fixture.options.key_hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    reopen(&fixture);
    write_set(&write, NULL, 1);
    assert_int_equal(store_run(fixture.store, &write.call), OK);
    assert_int_equal(count_rows(&fixture), 1);
    teardown(&fixture);
}

static enum err
person_run(struct store_call *call, struct engine *engine)
{
    return engine_run(engine, &call->error,
        "INSERT INTO meta (name, value) VALUES ('person', 'jane.unforgotten@example.com')");
}

static enum err
erase_run(struct store_call *call, struct engine *engine)
{
    enum err err = engine_secure_delete(engine, true, &call->error);

    if (err == OK)
        err = engine_run(engine, &call->error, "DELETE FROM meta WHERE name = 'person'");
    return err == OK ? engine_secure_delete(engine, false, &call->error) : err;
}

static bool
file_holds(const char *path, const char *text)
{
    FILE *file = fopen(path, "rb");
    static char content[4 << 20];
    size_t len;

    if (file == NULL)
        return false;
    len = fread(content, 1, sizeof(content), file);
    assert_int_equal(fclose(file), 0);
    return memmem(content, len, text, strlen(text)) != NULL;
}

static void
what_was_erased_is_in_no_file_any_more(void **state)
{
    struct fixture fixture;
    struct store_call call = {.run = person_run, .writes = true};

    (void)state;
    setup(&fixture);
    assert_int_equal(store_run(fixture.store, &call), OK);
    assert_true(file_holds(scratch_path(&fixture.scratch, "usher.db-wal"), "unforgotten"));
    call.run = erase_run;
    assert_int_equal(store_run(fixture.store, &call), OK);
    assert_false(file_holds(scratch_path(&fixture.scratch, "usher.db-wal"), "unforgotten"));
    /* Beside SQLite's own locks this process must not open the file, so it looks after closing. */
    store_close(fixture.store);
    assert_false(file_holds(fixture.path, "unforgotten"));
    fixture.store = NULL;
    teardown(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_of_many_threads_share_commits),
        cmocka_unit_test(a_refused_call_is_undone_alone),
        cmocka_unit_test(
            when_one_call_takes_the_transaction_with_it_the_others_still_get_true_answers),
        cmocka_unit_test(a_commit_that_fails_is_nobodys_success),
        cmocka_unit_test(whatever_fails_in_a_group_answers_stay_true),
        cmocka_unit_test(a_full_queue_refuses_and_forgets),
        cmocka_unit_test(answers_come_in_order_to_the_box_they_belong_to),
        cmocka_unit_test(reads_go_on_while_the_writer_is_held),
        cmocka_unit_test(a_read_call_cannot_write),
        cmocka_unit_test(closing_finishes_what_is_queued),
        cmocka_unit_test(a_second_server_is_told_who_holds_the_file),
        cmocka_unit_test(a_lost_key_refuses_to_start),
        cmocka_unit_test(the_command_line_writes_beside_a_server),
        cmocka_unit_test(the_command_line_sets_up_a_database_that_a_server_then_takes),
        cmocka_unit_test(a_store_in_memory_serves_reads_through_its_writer),
        cmocka_unit_test(what_was_erased_is_in_no_file_any_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
