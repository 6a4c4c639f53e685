/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

#define SHOW_BYTES_MAX (64 * 1024)

enum exit_code
cmd_config_check(int argc, const char *const *argv)
{
    struct command_line line = {.argc = argc, .argv = argv};
    struct config config;
    enum exit_code code;

    if (!cmd_start(&config, &line, "usher config check [OPTION...]", &code))
        return code;
    config_done(&config);
    return EXIT_STOPPED;
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
