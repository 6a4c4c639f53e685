/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/process.h"

enum exit_code
cmd_serve(int argc, const char *const *argv)
{
    struct command_line line = {.argc = argc, .argv = argv};
    struct config config;
    struct process_options options = {.config = &config, .line = &line, .is_platform = true};
    enum exit_code code;

    if (!cmd_start(&config, &line, "usher serve [OPTION...]", &code))
        return code;
    options.is_inbox = config.with_inbox;
    code = process_run(&options);
    config_done(&config);
    return code;
}
