/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/cmd.h"
#include "os/clock.h"
#include "store/backup.h"

#define TEXT_BYTES_MAX (16 * 1024)

static void
describe(const char *db_path, const char *file, const struct backup_restored *restored,
    struct buf *text)
{
    const struct backup *backup = &restored->backup;
    char until[WALLTIME_TEXT_BYTES];

    walltime_format(backup->until, until);
    buf_printf(text, "%s is now as %s: %" PRId64 " events", db_path, file, backup->events);
    if (backup->events > 0)
        buf_printf(text, ", the newest of %s", until);
    buf_printf(text, ", %" PRId64 " on their way to hooks.\n", backup->fanouts_open);
    if (restored->kept[0] != '\0')
        buf_printf(text, "What was there is kept as %s: remove it when you do not need it.\n",
            restored->kept);
    buf_append_literal(text,
        "When it is served again, what was sent since the copy was made is sent again, under the\n"
        "same ids, so that receivers that remember ids drop it. What was changed since then is "
        "not\n"
        "known any more.\n");
}

static enum err
put_back(const struct config *config, const char *file, struct buf *text, struct error *reterr)
{
    char key_path[CMD_PATH_BYTES];
    const struct backup_restore_args args = {
        .db_path = config_db_path(config),
        .file = file,
        .key_path = key_path,
        .key_hex = config->secret_key,
        .now = clock_walltime(&clock_system),
    };
    struct backup_restored restored;
    enum err err = OK;

    if (file == NULL)
        return error_set(reterr, ERR_INVALID, "restore takes the FILE that holds the copy");
    err = cmd_key_path(config, key_path, reterr);
    if (err == OK)
        err = backup_restore(&args, &restored, reterr);
    if (err == OK)
        describe(args.db_path, file, &restored, text);
    return err;
}

enum exit_code
cmd_restore(int argc, const char *const *argv)
{
    const char *file = NULL;
    struct command_line line = {
        .argc = argc,
        .argv = argv,
        .operand = "FILE",
        .ret_operand = &file,
    };
    struct error error = {.code = OK};
    struct config config;
    enum exit_code code = EXIT_STOPPED;
    struct buf text;

    if (!cmd_start(&config, &line, "usher restore FILE [OPTION...]", &code))
        return code;
    buf_init(&text, TEXT_BYTES_MAX);
    if (put_back(&config, file, &text, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    if (code == EXIT_STOPPED)
        return cmd_print(&text);
    buf_done(&text);
    return code;
}
