/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a handler that writes rows, and the SQL that they come to.
 *
 * Names of tables and columns are the owner's: they are checked when they are read, and quoted
 * wherever they are written. Values never stand in a statement. All texts are the arena's.
 */
#ifndef RECEIVE_SQL_OPTIONS_H
#define RECEIVE_SQL_OPTIONS_H

#include "receive/handler.h"

#define SQL_COLUMNS_MAX 32

enum sql_table_kind { SQL_ATTENDEES, SQL_SESSIONS, SQL_EVENTS, SQL_TABLES };

/* What of an item goes into which column. */
struct sql_column {
    struct str value;
    struct str column;
};

/* The first key_count of the standard columns tell a row from another; with the last one, they are
 * there however the owner maps the rest. */
struct sql_rule {
    const char *name; /* of the setting, and of the table where it does not say */
    const char *columns_name;
    const struct sql_column *standard;
    size_t standard_count;
    size_t key_count;
    bool is_kept_current; /* newer items change the row; else the first one makes it */
};
extern const struct sql_rule sql_rules[SQL_TABLES];

struct sql_table {
    struct str name; /* absent: the standard one */
    bool is_off;
    struct sql_column columns[SQL_COLUMNS_MAX]; /* none: the standard ones */
    size_t column_count;
};

struct sql_options {
    struct str database; /* ends in a NUL; absent: not said */
    bool creates;
    struct sql_table tables[SQL_TABLES];
};

#define SQL_SETTINGS 8
extern const struct source_setting sql_settings[SQL_SETTINGS];

/* As struct handler_kind wants them. */
MUST_CHECK enum err sql_options_set(struct handler *handler, struct arena *arena, struct str name,
    struct str value, struct error *reterr);
MUST_CHECK enum err sql_options_check(const struct handler *handler, struct error *reterr);

/* A whole number; all else is a text. */
bool sql_is_number(struct str value);

/* The table with its name and with all columns that must be written of it. */
struct sql_table sql_table_whole(const struct sql_options *options, enum sql_table_kind kind);
/* Of a whole table: the statement that writes a row, whose parameters are the columns in their
 * order, and one that makes the table. A full buffer shows there. */
void sql_append_write(struct buf *sql, const struct sql_table *table, enum sql_table_kind kind);
void sql_append_create(struct buf *sql, const struct sql_table *table, enum sql_table_kind kind);

#endif
