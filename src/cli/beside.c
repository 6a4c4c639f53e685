/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/beside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/receive_init.h"
#include "os/clock.h"
#include "os/disk.h"
#include "store/file_lock.h"
#include "store/secrets.h"
#include "store/store.h"

/* Each waits some ms for readers, who are done as soon. */
#define FORGET_TRIES 50

/* Twice as long as a step takes, so that the database is free for most of the time. */
#define STEP_PAUSE_MS 10

/* A list of 100,000 items takes some 50 MiB. */
#define TEXT_BYTES_MAX (128 * 1024 * 1024)

enum exit_code
beside_command(struct command_line *line, const struct beside_action *action)
{
    struct error error = {.code = OK};
    struct config config;
    struct buf text;
    enum exit_code code = EXIT_STOPPED;

    line->file = RECEIVE_FILE;
    if (!cmd_start(&config, line, action->usage, &code))
        return code;
    buf_init(&text, TEXT_BYTES_MAX);
    if (action->run(&config, action->arguments, &text, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    if (code == EXIT_STOPPED)
        return cmd_print(&text);
    buf_done(&text);
    return code;
}

enum err
beside_open(const struct config *config, struct engine **ret, struct error *reterr)
{
    const struct store_options options = {
        .path = config_db_path(config),
        .key_path = config->secret_key_file,
        .key_hex = config->secret_key,
        .clock = &clock_system,
    };
    bool exists = false;
    int64_t bytes = 0;
    enum err err = disk_look(options.path, &exists, &bytes, reterr);

    if (err == OK && !exists)
        return error_set(reterr, ERR_NOT_FOUND,
            "there is no database %s: name it with --db, or the file that does with --config",
            options.path);
    return err == OK ? store_open_beside(&options, ret, reterr) : err;
}

enum err
beside_open_sealed(const struct config *config, struct engine **ret, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    char key_path[CMD_PATH_BYTES];
    enum err err = cmd_key_path(config, key_path, reterr);

    if (err == OK)
        err = beside_open(config, &engine, reterr);
    if (err == OK)
        err = secrets_open(engine, key_path, config->secret_key, reterr);
    if (err == OK)
        *ret = TAKE(engine);
    return err;
}

enum err
beside_steps(struct engine *engine,
    enum err (*step)(void *arg, struct engine *engine, bool *ret_over, struct error *reterr),
    void *arg, struct error *reterr)
{
    bool is_over = false;

    while (!is_over) {
        enum err err = engine_begin(engine, reterr);

        if (err == OK)
            err = step(arg, engine, &is_over, reterr);
        if (err == OK)
            err = engine_commit(engine, reterr);
        if (err != OK) {
            engine_rollback(engine);
            return err;
        }
        /* A server beside us looks for the lock now and then: without a pause it would hardly ever
         * find it free. */
        if (!is_over)
            (void)poll(NULL, 0, STEP_PAUSE_MS);
    }
    return OK;
}

enum err
beside_forget(struct engine *engine, struct error *reterr)
{
    struct error error = {.code = OK};

    for (unsigned i = 0; i < FORGET_TRIES && engine_owes_checkpoint(engine); i++)
        (void)!engine_checkpoint(engine, &error);
    if (!engine_owes_checkpoint(engine))
        return OK;
    return error_set(reterr, ERR_BUSY,
        "erased, but the database's -wal file still holds it, since somebody reads from that "
        "(%.100s): a restart of the server empties it",
        error.text);
}

int64_t
beside_wake(const struct config *config)
{
    struct error error = {.code = OK};
    int64_t pid = 0;
    enum err err = file_lock_holder(config_db_path(config), &pid, &error);

    /* One that has just begun reads the database anyway. */
    if (err == ERR_NOT_FOUND || err == ERR_BUSY)
        return 0;
    if (err == OK && kill((pid_t)pid, SIGUSR1) == 0)
        return pid;
    if (err == OK)
        (void)error_set(&error, ERR_IO, "process %lld: %s", (long long)pid, strerrordesc_np(errno));
    (void)fprintf(stderr,
        "usher: the process that serves the database could not be told to look at it (%s): send it "
        "SIGUSR1\n",
        error.text);
    return 0;
}

enum err
beside_time(const char *option, const char *text, struct walltime *inout, struct error *reterr)
{
    if (text == NULL || walltime_parse(str_from(text), inout) == OK)
        return OK;
    return error_set(reterr, ERR_INVALID, "--%s is a moment such as 2024-03-15T10:00:00Z", option);
}

enum err
beside_limit(const char *text, int64_t max, int64_t *inout, struct error *reterr)
{
    int64_t limit = 0;

    if (text == NULL)
        return OK;
    if (str_to_int64(str_from(text), &limit) != OK || limit < 1 || limit > max)
        return error_set(reterr, ERR_INVALID, "--limit is a whole number from 1 to %lld",
            (long long)max);
    *inout = limit;
    return OK;
}
