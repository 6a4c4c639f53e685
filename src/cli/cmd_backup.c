/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "cli/cmd.h"
#include "store/backup.h"

#define TEXT_BYTES_MAX (16 * 1024)

static void
describe(const struct config *config, const char *file, const struct backup *backup,
    const char *key_path, struct buf *text)
{
    char until[WALLTIME_TEXT_BYTES];

    walltime_format(backup->until, until);
    buf_printf(text, "%s is a copy of %s: %" PRId64 " bytes, %" PRId64 " events", file,
        config_db_path(config), backup->bytes, backup->events);
    if (backup->events > 0)
        buf_printf(text, ", the newest of %s", until);
    buf_printf(text,
        "\nThe key that seals its secrets is not in it, and without that key it is of no use:\n"
        "keep %s as well, in another place.\n",
        key_path);
}

static enum err
write_copy(const struct config *config, const char *file, bool may_replace, struct buf *text,
    struct error *reterr)
{
    const struct backup_write_args args = {
        .db_path = config_db_path(config),
        .file = file,
        .may_replace = may_replace,
    };
    struct backup backup = {.bytes = 0};
    char key_path[CMD_PATH_BYTES];
    enum err err = OK;

    if (file == NULL)
        return error_set(reterr, ERR_INVALID, "backup takes the FILE to write the copy to");
    err = cmd_key_path(config, key_path, reterr);
    if (err == OK)
        err = backup_write(&args, &backup, reterr);
    if (err == OK)
        describe(config, file, &backup, key_path, text);
    return err;
}

enum exit_code
cmd_backup(int argc, const char *const *argv)
{
    const char *file = NULL;
    bool may_replace = false;
    const struct command_option options[] = {
        {"force", NULL, "Replace FILE if it is there", NULL, &may_replace},
    };
    struct command_line line = {
        .argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .operand = "FILE",
        .ret_operand = &file,
    };
    struct error error = {.code = OK};
    struct config config;
    enum exit_code code = EXIT_STOPPED;
    struct buf text;

    if (!cmd_start(&config, &line, "usher backup FILE [OPTION...]", &code))
        return code;
    buf_init(&text, TEXT_BYTES_MAX);
    if (write_copy(&config, file, may_replace, &text, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    if (code == EXIT_STOPPED)
        return cmd_print(&text);
    buf_done(&text);
    return code;
}
