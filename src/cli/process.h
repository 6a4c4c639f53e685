/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that serves: `usher serve` and `usher receive`, from its signals to its end.
 *
 *   starting ──▶ serving ──SIGTERM──▶ draining ──▶ stopped
 *
 * A second signal while draining ends it at once. SIGHUP reads the settings again, SIGUSR1 says
 * that another process has written to the store.
 */
#ifndef CLI_PROCESS_H
#define CLI_PROCESS_H

#include "cli/cmd.h"

struct process_options {
    const struct config *config;     /* borrowed */
    const struct command_line *line; /* borrowed: to be read again */
    bool is_platform;
    bool is_inbox;
};

enum exit_code process_run(const struct process_options *options);

#endif
