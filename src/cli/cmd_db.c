/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cmd.h"
#include "os/disk.h"
#include "store/backup.h"
#include "store/integrity.h"

static void
on_fault(void *arg, struct str sentence)
{
    const char *db_path = arg;

    (void)printf("%s: %.*s\n", db_path, STR_FMT(sentence));
}

static enum err
check(const char *db_path, struct integrity *integrity, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct engine_options options = {.path = db_path, .read_only = true};
    bool exists = false;
    int64_t bytes = 0;
    enum err err = disk_look(db_path, &exists, &bytes, reterr);

    if (err == OK && !exists)
        return error_set(reterr, ERR_NOT_FOUND, "there is no database %s: name it with --db",
            db_path);
    if (err == OK)
        err = engine_open(&options, &engine, reterr);
    if (err != OK)
        return err;
    err = integrity_check(engine, integrity, reterr);
    if (err != OK)
        (void)error_prefix(reterr, "%s", db_path);
    return err;
}

enum exit_code
cmd_db_check(int argc, const char *const *argv)
{
    struct command_line line = {.argc = argc, .argv = argv};
    char db_path[CMD_PATH_BYTES];
    struct integrity integrity = {.found = on_fault, .arg = db_path};
    struct error error = {.code = OK};
    struct config config;
    enum exit_code code = EXIT_STOPPED;

    if (!cmd_start(&config, &line, "usher db check [OPTION...]", &code))
        return code;
    (void)snprintf(db_path, sizeof(db_path), "%s", config_db_path(&config));
    config_done(&config);
    if (check(db_path, &integrity, &error) != OK)
        return cmd_fail(&error);
    backup_tidy(db_path);
    if (integrity.faults == 0)
        (void)printf("%s: no fault found\n", db_path);
    else
        code = EXIT_FAILED;
    if (fflush(stdout) == 0)
        return code;
    (void)fprintf(stderr, "usher: cannot write to standard output\n");
    return EXIT_FAILED;
}
