/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/version.h"

#define HELP_BYTES_MAX (256 * 1024)

enum exit_code
cmd_help(int argc, const char *const *argv)
{
    bool is_manual = false;
    bool is_example = false;
    const struct command_option options[] = {
        {"man", NULL, "Print the manual page", NULL, &is_manual},
        {"example", NULL, "Print a configuration file with all defaults", NULL, &is_example},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    struct config config;
    enum exit_code code;
    struct buf text;

    if (!cmd_start(&config, &line, "usher help [--man | --example]", &code))
        return code;
    config_done(&config);
    buf_init(&text, HELP_BYTES_MAX);
    if (is_manual)
        manual_page(&text);
    else if (is_example)
        manual_example(&text);
    else
        manual_overview(&text);
    return cmd_print(&text);
}

enum exit_code
cmd_version(int argc, const char *const *argv)
{
    (void)argv;
    if (argc > 0) {
        (void)fprintf(stderr, "usher: version takes no arguments\n");
        return EXIT_USAGE;
    }
    return printf("usher %s\n", USHER_VERSION) > 0 && fflush(stdout) == 0 ? EXIT_STOPPED
                                                                          : EXIT_FAILED;
}
