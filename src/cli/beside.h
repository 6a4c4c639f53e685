/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that works on the database beside a server that may be running: its connection, its
 * transactions, and the server's being told.
 */
#ifndef CLI_BESIDE_H
#define CLI_BESIDE_H

#include "base/moment.h"
#include "cli/cmd.h"
#include "store/engine.h"

/* What such a command does, and what it takes. */
struct beside_action {
    const char *usage;
    /* Append what there is to say. */
    enum err (*run)(const struct config *config, const void *arguments, struct buf *text,
        struct error *reterr);
    const void *arguments; /* for run; what the line's options are set in */
};

/* Read the settings, from ./usher.conf where that is there, run it, and print its text. */
enum exit_code beside_command(struct command_line *line, const struct beside_action *action);

/* ERR_NOT_FOUND: there is no database; none is made. */
MUST_CHECK enum err beside_open(const struct config *config, struct engine **ret,
    struct error *reterr);
/* The same with the key that seals secrets, to read refused calls. */
MUST_CHECK enum err beside_open_sealed(const struct config *config, struct engine **ret,
    struct error *reterr);

/* Call step, each time in a transaction of its own, until it sets *ret_over. What one has committed
 * stays when a later one fails. */
MUST_CHECK enum err beside_steps(struct engine *engine,
    enum err (*step)(void *arg, struct engine *engine, bool *ret_over, struct error *reterr),
    void *arg, struct error *reterr);

/* What was erased must not stay in the write-ahead log: ERR_BUSY, and a sentence, where it does
 * because somebody reads from it. */
MUST_CHECK enum err beside_forget(struct engine *engine, struct error *reterr);

/* Have the process that serves the database look at it: its pid, or 0 where there is none. One that
 * cannot be told is a warning on standard error. */
int64_t beside_wake(const struct config *config);

/* Arguments. text NULL: not given, and *inout is left alone; ERR_INVALID names the option. */
MUST_CHECK enum err beside_time(const char *option, const char *text, struct walltime *inout,
    struct error *reterr);
MUST_CHECK enum err beside_limit(const char *text, int64_t max, int64_t *inout,
    struct error *reterr);

#endif
