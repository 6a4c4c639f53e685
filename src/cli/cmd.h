/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands, as the table in main.c names them. Each returns the exit code.
 */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/config.h"

#define CMD_PATH_BYTES       4096
#define CMD_SECRET_BYTES_MAX 4096

enum exit_code {
    EXIT_STOPPED = 0, /* done, or stopped as asked */
    EXIT_FAILED = 1,  /* something failed while running */
    EXIT_USAGE = 2,   /* wrong use or configuration */
};

/* argc and argv: what follows the command's words. */
enum exit_code cmd_serve(int argc, const char *const *argv);
enum exit_code cmd_receive(int argc, const char *const *argv);
enum exit_code cmd_key_create(int argc, const char *const *argv);
enum exit_code cmd_key_list(int argc, const char *const *argv);
enum exit_code cmd_key_delete(int argc, const char *const *argv);
enum exit_code cmd_inbox_list(int argc, const char *const *argv);
enum exit_code cmd_inbox_show(int argc, const char *const *argv);
enum exit_code cmd_inbox_retry(int argc, const char *const *argv);
enum exit_code cmd_inbox_purge(int argc, const char *const *argv);
enum exit_code cmd_inbox_erase(int argc, const char *const *argv);
enum exit_code cmd_quarantine_list(int argc, const char *const *argv);
enum exit_code cmd_quarantine_show(int argc, const char *const *argv);
enum exit_code cmd_quarantine_release(int argc, const char *const *argv);
enum exit_code cmd_quarantine_clear(int argc, const char *const *argv);
enum exit_code cmd_backup(int argc, const char *const *argv);
enum exit_code cmd_restore(int argc, const char *const *argv);
enum exit_code cmd_db_check(int argc, const char *const *argv);
enum exit_code cmd_config_check(int argc, const char *const *argv);
enum exit_code cmd_config_show(int argc, const char *const *argv);
enum exit_code cmd_subscribe(int argc, const char *const *argv);
enum exit_code cmd_send(int argc, const char *const *argv);
enum exit_code cmd_listen(int argc, const char *const *argv);
enum exit_code cmd_help(int argc, const char *const *argv);
enum exit_code cmd_version(int argc, const char *const *argv);

/* Read the settings, or say what is wrong with them, or answer --help: true when the command is to
 * go on, else *ret_code is what to return and config needs no config_done. */
bool cmd_start(struct config *config, struct command_line *line, const char *usage,
    enum exit_code *ret_code);

const char *const *cmd_environment(void);

/* Where the key lies that seals the database's secrets; when the environment holds it, the
 * variable's name. */
MUST_CHECK enum err cmd_key_path(const struct config *config, char ret[CMD_PATH_BYTES],
    struct error *reterr);

/* What is given as --NAME, or stands in the file of --NAME-file that only its owner may read: one
 * line, without white space around it, appended to secret. Nothing when both are NULL. */
MUST_CHECK enum err cmd_read_secret(const char *name, const char *text, const char *path,
    struct buf *secret, struct error *reterr);
/* The number of an option, given as text; NULL leaves *ret as it is. */
MUST_CHECK enum err cmd_read_number(const char *name, const char *text, int64_t max, int64_t *ret,
    struct error *reterr);

/* One line on standard error; the code that goes with it. */
enum exit_code cmd_fail(const struct error *error);
/* Write it all to standard output. */
enum exit_code cmd_print(struct buf *buf);

/* The manual page and the overview, from the table of settings. */
void manual_page(struct buf *buf);
void manual_overview(struct buf *buf);
/* packaging/usher.conf: every setting with its default, commented out. */
void manual_example(struct buf *buf);

#endif
