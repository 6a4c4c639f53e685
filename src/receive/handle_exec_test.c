/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "receive/handler.h"
#include "support/scratch.h"
#include "support/test.h"

#define LONG_MS     20000
#define CONCURRENCY 8
#define SOME_BODY                                                                                  \
    "{\"name\":\"Ann Lee\",\"email\":\"ann@example.com\",\"phone\":1234567890,"                    \
    "\"timezone\":\"+05:30\",\"callList\":[{\"webinar\":\"Intro\",\"webinarId\":\"634f\","         \
    "\"webinarLink\":\"https://meet.example/a\","                                                  \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","                                            \
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","                                              \
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","                           \
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\","                             \
    "\"creatorTimezone\":\"+05:30\"}],\"mangoes\":\"m1, m2\"}"

struct world {
    struct loop *loop;
    struct handler_place place;
    struct handler handler;
    struct arena arena;
    struct handler_worker *worker;
    struct received received;
    struct scratch scratch;
    struct error error;
    unsigned awaited;
    bool is_starting;
    size_t descriptors;
};

/* A handling and what came of it. */
struct given {
    struct handling handling;
    unsigned done_count;
    char detail[256];
    char output[HANDLER_OUTPUT_BYTES_MAX + 1];
    size_t output_len;
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

static int
start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct json *body = NULL;

    assert_non_null(world);
    (void)signal(SIGPIPE, SIG_IGN);
    the_world = world;
    assert_int_equal(loop_new(0, &world->loop, NULL), OK);
    world->place = (struct handler_place){.loop = world->loop, .clock = &clock_system};
    scratch_init(&world->scratch);
    arena_init(&world->arena, 1 << 22);
    world->handler = (struct handler){.name = STR("h"),
        .kind = &handler_exec,
        .concurrency = CONCURRENCY,
        .timeout_ms = LONG_MS};
    assert_int_equal(json_parse(STR(SOME_BODY), &world->arena, &body, NULL), OK);
    assert_int_equal(received_read(body, &world->arena, &world->received), OK);
    world->descriptors = count_descriptors();
    *state = world;
    return 0;
}

/* Whatever a test did, nothing is left of it. */
static int
stop(void **state)
{
    struct world *world = *state;

    if (world->worker != NULL)
        handler_exec.close(world->worker);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(count_descriptors(), world->descriptors);
    scratch_done(&world->scratch);
    arena_done(&world->arena);
    loop_free(world->loop);
    free(world);
    return 0;
}

static enum err
set(struct world *world, const char *name, const char *value)
{
    return handler_exec.set(&world->handler, &world->arena, str_from(name), str_from(value),
        &world->error);
}

static void
must_set(struct world *world, const char *name, const char *value)
{
    if (set(world, name, value) != OK)
        fail_msg("%s = %s: %s", name, value, world->error.text);
}

static void
open_it(struct world *world)
{
    if (handler_exec.check(&world->handler, &world->error) != OK ||
        handler_exec.open(&world->handler, &world->place, &world->worker, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
open_command(struct world *world, const char *command)
{
    must_set(world, "command", command);
    open_it(world);
}

static void
on_done(struct handling *handling)
{
    struct given *given = CONTAINER_OF(handling, struct given, handling);

    CHECK(!the_world->is_starting);
    given->done_count++;
    (void)snprintf(given->detail, sizeof(given->detail), "%.*s", STR_FMT(handling->detail));
    CHECK(handling->output.len <= HANDLER_OUTPUT_BYTES_MAX);
    given->output_len = handling->output.len;
    if (handling->output.len > 0)
        memcpy(given->output, handling->output.ptr, handling->output.len);
    given->output[given->output_len] = '\0';
    if (--the_world->awaited == 0)
        loop_stop(the_world->loop);
}

static void
given_init(struct world *world, struct given *given)
{
    *given = (struct given){
        .handling =
            {
                .id = STR("in_0000000000000007"),
                .sequence = 7,
                .revision = 2,
                .flags = ITEM_STALE | ITEM_RELEASED,
                .is_update = true,
                .attempt = 3,
                .source = STR("shop"),
                .event = STR("webinar.created.single"),
                .sender_id = STR("msg_1"),
                .received_at = {INT64_C(1710496800000000)},
                .headers = STR(""),
                .body = STR(SOME_BODY),
                .received = &world->received,
                .deadline = instant_add_ms(clock_instant(&clock_system), LONG_MS),
                .done = on_done,
            },
    };
}

static void
begin(struct world *world, struct given *given)
{
    world->awaited++;
    world->is_starting = true;
    handler_exec.start(world->worker, &given->handling);
    world->is_starting = false;
    assert_int_equal(given->done_count, 0);
}

static void
wait_all(struct world *world)
{
    while (world->awaited > 0)
        loop_run(world->loop);
}

static void
run(struct world *world, struct given *given)
{
    begin(world, given);
    wait_all(world);
    assert_int_equal(given->done_count, 1);
}

static void
assert_done(const struct given *given, enum handling_result result, const char *detail)
{
    if (given->handling.result != result || strcmp(given->detail, detail) != 0)
        fail_msg("result %d, detail \"%s\", output \"%s\"", (int)given->handling.result,
            given->detail, given->output);
}

/* ---- what the program is given ---- */

static void
the_body_is_its_input_byte_by_byte(void **state)
{
    struct world *world = *state;
    struct given given;

    open_command(world, "cat");
    given_init(world, &given);
    run(world, &given);
    assert_done(&given, HANDLING_DONE, "");
    assert_string_equal(given.output, SOME_BODY);
}

static void
the_model_is_its_input_where_that_is_wanted(void **state)
{
    struct world *world = *state;
    const struct received_context context = {
        .id = STR("in_0000000000000007"),
        .source = STR("shop"),
        .event = STR("webinar.created.single"),
        .change = "updated",
        .sequence = 7,
        .revision = 2,
        .flags = ITEM_STALE | ITEM_RELEASED,
        .received = {INT64_C(1710496800000000)},
    };
    struct given given;
    struct buf expected;

    buf_init(&expected, 1 << 16);
    received_render(&expected, &world->received, &context, STR(SOME_BODY));
    must_set(world, "input", "model");
    open_command(world, "cat");
    given_init(world, &given);
    run(world, &given);
    assert_done(&given, HANDLING_DONE, "");
    assert_string_equal(given.output, expected.ptr);
    buf_done(&expected);
}

static void
arguments_are_the_words_of_the_command_alone(void **state)
{
    struct world *world = *state;
    struct given given;

    open_command(world, "printf '<%s>' one 'two  three' '$HOME;*' \"\"");
    given_init(world, &given);
    run(world, &given);
    assert_string_equal(given.output, "<one><two  three><$HOME;*><>");
}

static void
its_environment_says_what_is_known_and_nothing_of_ours(void **state)
{
    static const char *const expected[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "TZ=Asia/Kolkata",
        "SHOP=a=b c",
        "USHER_ID=in_0000000000000007",
        "USHER_SOURCE=shop",
        "USHER_EVENT=webinar.created.single",
        "USHER_CHANGE=updated",
        "USHER_SEQUENCE=7",
        "USHER_REVISION=2",
        "USHER_ATTEMPT=3",
        "USHER_RECEIVED=2024-03-15T10:00:00.000Z",
        "USHER_SENDER_ID=msg_1",
        "USHER_FLAGS=stale,released",
        "USHER_NAME=Ann Lee",
        "USHER_EMAIL=ann@example.com",
        "USHER_PHONE=1234567890",
        "USHER_TIMEZONE=+05:30",
        "USHER_MANGOES=m1, m2",
        "USHER_WEBINAR=Intro",
        "USHER_WEBINAR_ID=634f",
        "USHER_LINK=https://meet.example/a",
        "USHER_FROM=2024-03-15T10:00:00Z",
        "USHER_TO=2024-03-15T11:00:00Z",
        "USHER_FROM_CREATOR=2024-03-15T15:30:00+05:30",
        "USHER_TO_CREATOR=2024-03-15T16:30:00+05:30",
        "USHER_CREATOR_TIMEZONE=+05:30",
        "USHER_FROM_ATTENDEE=2024-03-15T15:30:00+05:30",
        "USHER_TO_ATTENDEE=2024-03-15T16:30:00+05:30",
    };
    struct world *world = *state;
    struct given given;
    size_t lines = 0;
    char text[HANDLER_OUTPUT_BYTES_MAX + 2];

    assert_int_equal(setenv("OUR_SECRET", "x", 1), 0);
    must_set(world, "environment", "TZ=Asia/Kolkata");
    must_set(world, "environment", "SHOP=a=b c");
    open_command(world, "env");
    given_init(world, &given);
    run(world, &given);
    (void)snprintf(text, sizeof(text), "\n%s", given.output);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        char line[256];

        (void)snprintf(line, sizeof(line), "\n%s\n", expected[i]);
        if (strstr(text, line) == NULL)
            fail_msg("no %s in %s", expected[i], text);
    }
    assert_non_null(strstr(text, "\nHOME=/"));
    for (size_t i = 0; i < given.output_len; i++)
        lines += given.output[i] == '\n';
    assert_int_equal(lines, COUNT_OF(expected) + 1);
    assert_int_equal(unsetenv("OUR_SECRET"), 0);
}

static void
what_an_item_does_not_have_is_there_and_empty(void **state)
{
    struct world *world = *state;
    struct given given;
    struct received nothing = {0};

    open_command(world, "sh -uc 'echo \"$USHER_SENDER_ID,$USHER_NAME,$USHER_FROM,$USHER_FLAGS,"
                        "$USHER_CHANGE,$TZ\"'");
    given_init(world, &given);
    given.handling.received = &nothing;
    given.handling.sender_id = (struct str){0};
    given.handling.flags = 0;
    given.handling.is_update = false;
    run(world, &given);
    assert_string_equal(given.output, ",,,,created,UTC\n");
}

static void
a_value_is_cut_between_characters_and_has_no_nul(void **state)
{
    struct world *world = *state;
    struct received received = world->received;
    size_t len = 65537 + 3;
    char *long_name = malloc(len);
    struct given given;

    assert_non_null(long_name);
    memset(long_name, 'x', len);
    /* The limit falls into the middle of this one. */
    memcpy(long_name + 65535, "\xe2\x82\xac", 3);
    received.name = (struct str){long_name, len};
    received.email = (struct str){"a\0b\0", 4};
    open_command(world, "sh -c 'printf %s \"$USHER_NAME\" | wc -c; echo \"$USHER_EMAIL\"'");
    given_init(world, &given);
    given.handling.received = &received;
    run(world, &given);
    assert_done(&given, HANDLING_DONE, "");
    assert_string_equal(given.output, "65535\na\xef\xbf\xbd"
                                      "b\xef\xbf\xbd\n");
    free(long_name);
}

static void
it_runs_where_it_is_told_to(void **state)
{
    struct world *world = *state;
    struct given given;
    char line[128];

    must_set(world, "directory", world->scratch.dir);
    open_command(world, "pwd");
    given_init(world, &given);
    run(world, &given);
    (void)snprintf(line, sizeof(line), "%s\n", world->scratch.dir);
    assert_string_equal(given.output, line);
}

/* ---- how it went ---- */

static void
its_exit_code_says_how_it_went(void **state)
{
    static const struct {
        const char *email; /* what the script does */
        enum handling_result result;
        const char *detail;
    } cases[] = {
        {"exit 0", HANDLING_DONE, ""},
        {"exit 75", HANDLING_LATER, "exit 75"},
        {"exit 1", HANDLING_FAILED, "exit 1"},
        {"exit 3", HANDLING_FAILED, "exit 3"},
        {"exit 255", HANDLING_FAILED, "exit 255"},
        {"kill -KILL $$", HANDLING_FAILED, "killed by SIGKILL"},
        {"kill -SEGV $$", HANDLING_FAILED, "killed by SIGSEGV"},
        {"kill -40 $$", HANDLING_FAILED, "killed by signal 40"},
    };
    struct world *world = *state;

    open_command(world, "sh -c 'echo said; echo so >&2; eval \"$USHER_EMAIL\"'");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct received received = world->received;
        struct given given;

        received.email = str_from(cases[i].email);
        given_init(world, &given);
        given.handling.received = &received;
        run(world, &given);
        assert_done(&given, cases[i].result, cases[i].detail);
        assert_string_equal(given.output, "said\nso\n");
    }
}

static void
several_run_at_a_time_and_do_not_wait_for_each_other(void **state)
{
    struct world *world = *state;
    struct given *given = calloc(CONCURRENCY, sizeof(*given));
    char command[256];

    assert_non_null(given);
    /* Each waits until all are there. */
    (void)snprintf(command, sizeof(command),
        "sh -c 'touch %s/$$; while [ $(ls %s | wc -l) -lt %d ]; do sleep 0.01; done; cat'",
        world->scratch.dir, world->scratch.dir, CONCURRENCY);
    open_command(world, command);
    for (size_t i = 0; i < CONCURRENCY; i++) {
        given_init(world, &given[i]);
        begin(world, &given[i]);
    }
    wait_all(world);
    for (size_t i = 0; i < CONCURRENCY; i++) {
        assert_int_equal(given[i].done_count, 1);
        assert_done(&given[i], HANDLING_DONE, "");
        assert_string_equal(given[i].output, SOME_BODY);
    }
    free(given);
}

static void
one_after_another_many_run_and_nothing_is_left(void **state)
{
    struct world *world = *state;

    open_command(world, "true");
    for (int i = 0; i < 200; i++) {
        struct given given;

        given_init(world, &given);
        run(world, &given);
        assert_done(&given, HANDLING_DONE, "");
        if (i % 50 == 0)
            assert_int_equal(count_descriptors(), world->descriptors);
    }
}

static void
at_its_deadline_it_is_stopped_and_has_failed(void **state)
{
    struct world *world = *state;
    struct given given;

    world->handler.timeout_ms = 1500;
    open_command(world, "sh -c 'echo begun; exec sleep 1000'");
    given_init(world, &given);
    given.handling.deadline = clock_instant(&clock_system);
    run(world, &given);
    assert_done(&given, HANDLING_FAILED, "stopped after 1500 ms: its time was over");
    /* The lane may say so first. */
    given_init(world, &given);
    begin(world, &given);
    given.handling.deadline = clock_instant(&clock_system);
    handler_exec.cancel(world->worker, &given.handling);
    wait_all(world);
    assert_done(&given, HANDLING_FAILED, "stopped after 1500 ms: its time was over");
}

static void
what_is_cancelled_is_soon_told_as_failed(void **state)
{
    struct world *world = *state;
    struct given given[2];

    open_command(world, "sleep 1000");
    for (size_t i = 0; i < 2; i++) {
        given_init(world, &given[i]);
        begin(world, &given[i]);
    }
    for (size_t i = 0; i < 4; i++)
        handler_exec.cancel(world->worker, &given[i % 2].handling);
    assert_int_equal(given[0].done_count + given[1].done_count, 0);
    wait_all(world);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(given[i].done_count, 1);
        assert_done(&given[i], HANDLING_FAILED, "stopped by us");
    }
}

static void
what_cannot_be_started_is_told_afterwards(void **state)
{
    struct world *world = *state;
    const char *path = scratch_path(&world->scratch, "program");
    FILE *file = fopen(path, "w");
    struct given given[2];
    struct rlimit old;
    struct rlimit none;
    char command[600];

    assert_non_null(file);
    assert_true(fputs("#!/bin/sh\necho it runs\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0700), 0);
    (void)snprintf(command, sizeof(command), "'%s'", path);
    open_command(world, command);
    given_init(world, &given[0]);
    run(world, &given[0]);
    assert_string_equal(given[0].output, "it runs\n");

    /* No fault of the item: it will be tried again and does not count. */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (size_t i = 0; i < 2; i++) {
        given_init(world, &given[i]);
        begin(world, &given[i]);
    }
    handler_exec.cancel(world->worker, &given[1].handling);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    wait_all(world);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(given[i].done_count, 1);
        assert_done(&given[i], HANDLING_LATER, "too many descriptors are open");
    }

    assert_int_equal(unlink(path), 0);
    given_init(world, &given[0]);
    run(world, &given[0]);
    assert_done(&given[0], HANDLING_FAILED,
        "the program, the one in its #! line or its directory is not there");
}

static void
a_model_that_is_too_large_counts_as_an_attempt(void **state)
{
    struct world *world = *state;
    size_t len = (size_t)5 * 1024 * 1024;
    char *body = malloc(len);
    struct given given;

    assert_non_null(body);
    memset(body, '1', len);
    must_set(world, "input", "model");
    open_command(world, "true");
    given_init(world, &given);
    given.handling.body = (struct str){body, len};
    run(world, &given);
    assert_done(&given, HANDLING_FAILED,
        "the values of this item are larger than 4 MiB, or there is no memory for them");
    /* The next one is none the worse for it. */
    given_init(world, &given);
    run(world, &given);
    assert_done(&given, HANDLING_DONE, "");
    free(body);
}

/* ---- settings ---- */

static void
a_wrong_setting_is_refused_with_what_to_do(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *says;
    } cases[] = {
        {"command", "", "command: it names no program"},
        {"command", "cat | sh", "command: character 5"},
        {"input", "json", "neither payload nor model"},
        {"input", "", "neither payload nor model"},
        {"directory", "", "absolute"},
        {"directory", "tmp", "absolute"},
        {"environment", "", "NAME=VALUE"},
        {"environment", "NAME", "NAME=VALUE"},
        {"environment", "=x", "NAME=VALUE"},
        {"environment", "A B=x", "NAME=VALUE"},
        {"environment", "1A=x", "NAME=VALUE"},
        {"environment", "USHER_ID=x", "set by us"},
        {"environment", "TWICE=x", "TWICE is there twice"},
    };
    struct world *world = *state;

    must_set(world, "environment", "TWICE=");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(set(world, cases[i].name, cases[i].value), ERR_INVALID);
        if (strstr(world->error.text, cases[i].says) == NULL)
            fail_msg("\"%s\" does not speak of \"%s\"", world->error.text, cases[i].says);
    }
    assert_int_equal(set(world, "url", "x"), ERR_NOT_FOUND);
    assert_int_equal(handler_exec.check(&world->handler, &world->error), ERR_INVALID);
    assert_non_null(strstr(world->error.text, "command is missing"));
    must_set(world, "command", "true");
    assert_int_equal(set(world, "command", "true"), ERR_INVALID);
    assert_int_equal(handler_exec.check(&world->handler, &world->error), OK);
    for (int i = 1; i < 64; i++) {
        char variable[16];

        (void)snprintf(variable, sizeof(variable), "V%d=", i);
        must_set(world, "environment", variable);
    }
    assert_int_equal(set(world, "environment", "V=1"), ERR_INVALID);
    assert_non_null(strstr(world->error.text, "more than 64"));
    open_it(world);
}

static void
a_section_without_settings_names_no_program(void **state)
{
    struct world *world = *state;

    assert_int_equal(handler_exec.check(&world->handler, &world->error), ERR_INVALID);
    assert_non_null(strstr(world->error.text, "command is missing"));
}

static void
what_cannot_run_is_refused_when_it_is_opened(void **state)
{
    static const char *const cases[][3] = {
        {"/nowhere/program x", "/", "command: /nowhere/program is not there"},
        {"no-such-program", "/", "command: there is no program no-such-program"},
        {"/etc/passwd", "/", "may not be executed"},
        {"true", "/nowhere", "directory: /nowhere is no folder"},
        {"true", "/etc/passwd", "directory: /etc/passwd is no folder"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        world->handler.options = NULL;
        must_set(world, "command", cases[i][0]);
        must_set(world, "directory", cases[i][1]);
        assert_int_equal(
            handler_exec.open(&world->handler, &world->place, &world->worker, &world->error),
            ERR_INVALID);
        assert_null(world->worker);
        if (strstr(world->error.text, cases[i][2]) == NULL)
            fail_msg("\"%s\" does not speak of \"%s\"", world->error.text, cases[i][2]);
    }
    /* Where the owner says where programs are, they are looked for there. */
    world->handler.options = NULL;
    must_set(world, "environment", "PATH=/nowhere");
    must_set(world, "command", "true");
    assert_int_equal(
        handler_exec.open(&world->handler, &world->place, &world->worker, &world->error),
        ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_body_is_its_input_byte_by_byte),
        TEST(the_model_is_its_input_where_that_is_wanted),
        TEST(arguments_are_the_words_of_the_command_alone),
        TEST(its_environment_says_what_is_known_and_nothing_of_ours),
        TEST(what_an_item_does_not_have_is_there_and_empty),
        TEST(a_value_is_cut_between_characters_and_has_no_nul),
        TEST(it_runs_where_it_is_told_to),
        TEST(its_exit_code_says_how_it_went),
        TEST(several_run_at_a_time_and_do_not_wait_for_each_other),
        TEST(one_after_another_many_run_and_nothing_is_left),
        TEST(at_its_deadline_it_is_stopped_and_has_failed),
        TEST(what_is_cancelled_is_soon_told_as_failed),
        TEST(what_cannot_be_started_is_told_afterwards),
        TEST(a_model_that_is_too_large_counts_as_an_attempt),
        TEST(a_wrong_setting_is_refused_with_what_to_do),
        TEST(a_section_without_settings_names_no_program),
        TEST(what_cannot_run_is_refused_when_it_is_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
