/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings: flag over environment over file over default, from the one table in config.def.
 *
 * What is not known is refused, and so is a value that cannot be right, in one sentence that says
 * what and where. Only the wiring reads a struct config; every module is handed its own options.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define CONFIG_LIST_MAX       64
#define CONFIG_FILE_BYTES_MAX (1024 * 1024)
#define CONFIG_LINE_BYTES_MAX 8192

struct config_list {
    char *items[CONFIG_LIST_MAX]; /* owned */
    size_t count;
};

enum config_origin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_ARGUMENT };

/* What the file says of one source or one handler; each line is looked at by who builds it
 * (cli/inbox_config.h). Texts end in NUL. */
enum config_section_kind { SECTION_SOURCE, SECTION_HANDLER };

struct config_line {
    struct config_line *next;
    struct str name; /* known for this kind of section */
    struct str value;
    int line;
};

struct config_section {
    struct config_section *next;
    enum config_section_kind kind;
    struct str name;
    int line;
    struct config_line *lines; /* in the file's order */
};

enum config_index {

#define OPTION(name, type, default, min, max, reload, argument, help) CONFIG_##name,
#include "cli/config.def"
#undef OPTION
    CONFIG_COUNT
};

/* A text is owned, and NULL when it was not given and has no default. */
struct config {
#define CONFIG_C_address                                              char *
#define CONFIG_C_cidrs                                                struct config_list
#define CONFIG_C_database                                             char *
#define CONFIG_C_delays                                               char *
#define CONFIG_C_flag                                                 bool
#define CONFIG_C_number                                               int64_t
#define CONFIG_C_path                                                 char *
#define CONFIG_C_secret                                               char *
#define CONFIG_C_url                                                  char *
#define CONFIG_C_word                                                 char *
#define OPTION(name, type, default, min, max, reload, argument, help) CONFIG_C_##type name;
#include "cli/config.def"
#undef OPTION
    enum config_origin origins[CONFIG_COUNT];
    char *file;                      /* the file that was read; NULL: none */
    struct arena arena;              /* owned: the sections */
    struct config_section *sections; /* in the file's order */
};

MUST_CHECK enum err config_init(struct config *config, struct error *reterr);
void config_done(struct config *config);

#define COMMAND_TEXTS_MAX 32

/* The values of an argument that may be given again. */
struct command_texts {
    const char *texts[COMMAND_TEXTS_MAX];
    size_t count;
};

/* An argument of one command, beside the settings, which every command takes. */
struct command_option {
    const char *name;     /* "account" */
    const char *argument; /* its value's word; NULL: it has none */
    const char *help;
    const char **ret_text; /* set to the value, borrowed from argv; may be given once */
    bool *ret_flag;
    struct command_texts *ret_texts; /* instead of ret_text, where it may be given again */
};

struct command_line {
    int argc;
    const char *const *argv; /* what follows the command's own words */
    const struct command_option *options;
    size_t option_count;
    const char *operand;      /* word of what the command is about, "FILE"; NULL: there is none */
    const char **ret_operand; /* set to it, borrowed from argv; may be given once */
    const char *file;         /* read where it is there and no other is named; NULL: none */
    const char *listen;       /* its own default of listen; NULL: the table's */
    bool makes_file;          /* the file is to be made: it is named, and not read */
    bool asks_help;           /* set when there is --help, which ends the reading */
};

/* Everything in its order. The file is the one that --config or USHER_CONFIG names; without either
 * the command's own, if that is there. */
MUST_CHECK enum err config_load(struct config *config, struct command_line *line,
    const char *const *environment, struct error *reterr);

/* The pieces of it, for tests. name: the file's, for the error. */
MUST_CHECK enum err config_read_text(struct config *config, const char *name, struct str text,
    struct error *reterr);
MUST_CHECK enum err config_read_environment(struct config *config, const char *const *environment,
    struct error *reterr);
MUST_CHECK enum err config_read_arguments(struct config *config, struct command_line *line,
    struct error *reterr);
/* What must hold between settings. */
MUST_CHECK enum err config_check(const struct config *config, struct error *reterr);

/* The database's path, without "sqlite:". */
const char *config_db_path(const struct config *config);
/* The delays in microseconds; at most max are written, all are counted. */
size_t config_delays_us(const struct config *config, int64_t *ret, size_t max);
/* Names of the settings that differ and that only a restart takes up, "listen, db"; empty: none. */
void config_changes(const struct config *before, const struct config *after, struct buf *buf);

/* The settings and sections as a file that would make them; secrets are hidden. */
void config_show(const struct config *config, struct buf *buf);

/* From the table: the part of --help, of the manual page, and the whole file of defaults. listen:
 * the command's own default; NULL: the table's. */
void config_help(const char *listen, struct buf *buf);
void config_manual(struct buf *buf);
void config_example(struct buf *buf);

#endif
