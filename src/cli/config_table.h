/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of settings in memory: what config.def says of each, where its value lies, and whether
 * a text can be its value. Read by config*.c alone.
 */
#ifndef CLI_CONFIG_TABLE_H
#define CLI_CONFIG_TABLE_H

#include "cli/config.h"
#include "cli/suggest.h"

enum config_type {
    CONFIG_TYPE_address,
    CONFIG_TYPE_cidrs,
    CONFIG_TYPE_database,
    CONFIG_TYPE_delays,
    CONFIG_TYPE_flag,
    CONFIG_TYPE_number,
    CONFIG_TYPE_path,
    CONFIG_TYPE_secret,
    CONFIG_TYPE_url,
    CONFIG_TYPE_word,
};

#define CONFIG_NAME_BYTES 64

struct config_option {
    const char *name; /* as in config.def, with underscores */
    enum config_type type;
    size_t offset;       /* in struct config */
    const char *initial; /* NULL: none */
    int64_t min;
    int64_t max;
    bool may_reload;
    const char *argument; /* NULL for flags and for what is hidden */
    const char *help;
};

extern const struct config_option config_options[CONFIG_COUNT];

/* The field of the struct: char **, bool *, int64_t * or struct config_list *, by its type. */
void *config_field(struct config *config, size_t index);
const void *config_field_const(const struct config *config, size_t index);
bool config_type_is_text(enum config_type type);
bool config_is_hidden(size_t index);
void config_name(size_t index, char ret[CONFIG_NAME_BYTES]); /* with dashes */

/* ERR_INVALID names the setting that was probably meant. */
MUST_CHECK enum err config_find(struct str name, size_t *ret, struct error *reterr);
void config_suggest(struct suggestion *suggestion);
/* One text, or one piece of a list. */
MUST_CHECK enum err config_value_check(size_t index, struct str value, struct error *reterr);
/* In config_print.c: append words, broken before column 79; each new line begins with start. */
void config_append_wrapped(struct buf *buf, const char *start, size_t column, const char *text);
/* In config.c: take a value over one of a lower origin. */
MUST_CHECK enum err config_set(struct config *config, size_t index, struct str value,
    enum config_origin origin, struct error *reterr);
/* At most max of the delays are written, in microseconds; all are counted. */
MUST_CHECK enum err config_delays_parse(struct str value, int64_t *ret, size_t max,
    size_t *ret_count, struct error *reterr);

#endif
