/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/cmd.h"
#include "cli/process.h"
#include "cli/receive_init.h"

#define SAY_BYTES_MAX 16384

/* Before the arguments are read, since then the file is to be made and not to be read. */
static bool
asks_init(int argc, const char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--init") == 0)
            return true;
    }
    return false;
}

static enum exit_code
init(const struct config *config)
{
    struct error error = {.code = OK};
    struct buf say;

    buf_init(&say, SAY_BYTES_MAX);
    if (receive_init(config, &say, &error) == OK)
        return cmd_print(&say);
    buf_done(&say);
    return cmd_fail(&error);
}

enum exit_code
cmd_receive(int argc, const char *const *argv)
{
    bool is_init = false;
    const struct command_option command_options[] = {
        {"init", NULL, "Write a file to begin with, for --public-url", NULL, &is_init},
    };
    struct command_line line = {
        .argc = argc,
        .argv = argv,
        .options = command_options,
        .option_count = COUNT_OF(command_options),
        .file = RECEIVE_FILE,
        .makes_file = asks_init(argc, argv),
        .listen = RECEIVE_LISTEN,
    };
    struct config config;
    struct process_options options = {.config = &config, .line = &line, .is_inbox = true};
    enum exit_code code;

    if (!cmd_start(&config, &line, "usher receive [--init] [OPTION...]", &code))
        return code;
    code = is_init ? init(&config) : process_run(&options);
    config_done(&config);
    return code;
}
