/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/inbox_config.h"

#define SHOW_BYTES_MAX (2 * CONFIG_FILE_BYTES_MAX)

enum exit_code
cmd_config_check(int argc, const char *const *argv)
{
    struct command_line line = {.argc = argc, .argv = argv};
    struct error error = {.code = OK};
    struct setup *setup = NULL;
    struct config config;
    enum exit_code code = EXIT_STOPPED;
    enum err err;

    if (!cmd_start(&config, &line, "usher config check [OPTION...]", &code))
        return code;
    if (config.sections != NULL || config.with_inbox) {
        err = inbox_config_setup(&config, &setup, &error);
        code = err == OK ? EXIT_STOPPED : cmd_fail(&error);
        setup_drop(setup);
    }
    config_done(&config);
    return code;
}

enum exit_code
cmd_config_show(int argc, const char *const *argv)
{
    struct command_line line = {.argc = argc, .argv = argv};
    struct config config;
    struct buf text;
    enum exit_code code;

    if (!cmd_start(&config, &line, "usher config show [OPTION...]", &code))
        return code;
    buf_init(&text, SHOW_BYTES_MAX);
    config_show(&config, &text);
    config_done(&config);
    return cmd_print(&text);
}
