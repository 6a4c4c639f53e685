/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/sql_options.h"

#include "base/check.h"
#include "receive/handling_value.h"

#define IDENTIFIER_BYTES_MAX 128

#define COLUMN(value, column)                                                                      \
    {                                                                                              \
        {(value), sizeof(value) - 1},                                                              \
        {                                                                                          \
            (column), sizeof(column) - 1                                                           \
        }                                                                                          \
    }

static const struct sql_column attendee_columns[] = {
    COLUMN("person", "person"),
    COLUMN("name", "name"),
    COLUMN("email", "email"),
    COLUMN("phone", "phone"),
    COLUMN("timezone", "timezone"),
    COLUMN("mangoes", "mangoes"),
    COLUMN("received", "received"),
    COLUMN("sequence", "usher_sequence"),
};

static const struct sql_column session_columns[] = {
    COLUMN("webinar_id", "webinar_id"),
    COLUMN("person", "person"),
    COLUMN("webinar", "webinar"),
    COLUMN("link", "link"),
    COLUMN("from", "from_utc"),
    COLUMN("to", "to_utc"),
    COLUMN("from_creator", "from_creator"),
    COLUMN("to_creator", "to_creator"),
    COLUMN("creator_timezone", "creator_timezone"),
    COLUMN("from_attendee", "from_attendee"),
    COLUMN("to_attendee", "to_attendee"),
    COLUMN("received", "received"),
    COLUMN("sequence", "usher_sequence"),
};

static const struct sql_column event_columns[] = {
    COLUMN("id", "id"),
    COLUMN("source", "source"),
    COLUMN("event", "event"),
    COLUMN("change", "change"),
    COLUMN("revision", "revision"),
    COLUMN("person", "person"),
    COLUMN("object", "object"),
    COLUMN("received", "received"),
    COLUMN("payload", "payload"),
    COLUMN("sequence", "usher_sequence"),
};

const struct sql_rule sql_rules[SQL_TABLES] = {
    [SQL_ATTENDEES] = {"attendees", "attendees-columns", attendee_columns,
        COUNT_OF(attendee_columns), 1, true},
    [SQL_SESSIONS] = {"sessions", "sessions-columns", session_columns, COUNT_OF(session_columns), 2,
        true},
    [SQL_EVENTS] = {"events", "events-columns", event_columns, COUNT_OF(event_columns), 1, false},
};

/* --- settings --------------------------------------------------------------------------------- */

const struct source_setting sql_settings[SQL_SETTINGS] = {
    {"database", "FILE", "The SQLite database that rows are written to"},
    {"create", "yes|no", "Make the database and its tables where they are not there; no without"},
    {"attendees", "TABLE|no", "One row for each person; \"attendees\" without it"},
    {"sessions", "TABLE|no", "One row for each webinar and person; \"sessions\" without it"},
    {"events", "TABLE|no", "One row for each item; \"events\" without it"},
    {"attendees-columns", "LIST",
        "Which columns of attendees are written, such as name=full_name, email=mail"},
    {"sessions-columns", "LIST",
        "Which columns of sessions are written, such as from=starts_at, link=url"},
    {"events-columns", "LIST", "Which columns of events are written, such as payload=body"},
};

static struct sql_options *
options_of(struct handler *handler, struct arena *arena)
{
    if (handler->options == NULL)
        handler->options = ARENA_NEW(arena, struct sql_options);
    return handler->options;
}

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a handler");
}

static enum err
copy_set(struct arena *arena, struct str value, struct str *ret, struct error *reterr)
{
    struct str copy = arena_copy(arena, value);

    if (copy.ptr == NULL)
        return no_memory(reterr);
    *ret = copy;
    return OK;
}

/* A name of the owner's. It is quoted wherever it is written, so all that cannot be quoted, and all
 * that is SQLite's own, is refused. */
static enum err
identifier_check(struct str setting, struct str identifier, struct error *reterr)
{
    bool is_fine = identifier.len >= 1 && identifier.len <= IDENTIFIER_BYTES_MAX &&
                   str_is_utf8(identifier) &&
                   !str_equals_nocase(str_slice(identifier, 0, 7), STR("sqlite_"));

    for (size_t i = 0; i < identifier.len; i++)
        is_fine &= (unsigned char)identifier.ptr[i] >= 0x20 && identifier.ptr[i] != 0x7f;
    if (is_fine)
        return OK;
    return error_set(reterr, ERR_INVALID, "%.*s: \"%.*s\" cannot be the name of a table or column",
        STR_FMT(setting), STR_FMT(identifier));
}

static enum err
flag_set(struct str name, struct str value, bool *ret, struct error *reterr)
{
    bool is_yes = str_equals(value, STR("yes"));

    if (!is_yes && !str_equals(value, STR("no")))
        return error_set(reterr, ERR_INVALID, "%.*s: \"%.*s\" is neither yes nor no", STR_FMT(name),
            STR_FMT(value));
    *ret = is_yes;
    return OK;
}

static enum err
table_set(struct sql_table *table, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    enum err err;

    table->is_off = str_equals(value, STR("no"));
    if (table->is_off)
        return OK;
    err = identifier_check(name, value, reterr);
    return err == OK ? copy_set(arena, value, &table->name, reterr) : err;
}

/* A column that is written twice would hold whichever came last. */
static bool
has_column(const struct sql_table *table, struct str column)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_equals_nocase(table->columns[i].column, column))
            return true;
    return false;
}

static enum err
value_check(struct str name, struct str value, struct error *reterr)
{
    struct buf names;

    if (handling_value_is_known(value))
        return OK;
    buf_init(&names, 1024);
    handling_value_names(&names);
    (void)error_set(reterr, ERR_INVALID, "%.*s: \"%.*s\" is none of %.*s", STR_FMT(name),
        STR_FMT(value), STR_FMT(buf_str(&names)));
    buf_done(&names);
    return ERR_INVALID;
}

static enum err
column_add(struct sql_table *table, struct arena *arena, struct str name, struct str pair,
    struct error *reterr)
{
    struct sql_column column = {.value = pair, .column = pair};
    size_t at = str_find(pair, '=', 0);
    enum err err;

    if (at != SIZE_MAX) {
        column.value = str_trim(str_slice(pair, 0, at));
        column.column = str_trim(str_slice(pair, at + 1, pair.len));
    }
    err = value_check(name, column.value, reterr);
    if (err == OK)
        err = identifier_check(name, column.column, reterr);
    if (err != OK)
        return err;
    if (has_column(table, column.column))
        return error_set(reterr, ERR_INVALID, "%.*s: column \"%.*s\" is named twice", STR_FMT(name),
            STR_FMT(column.column));
    /* Room for those that must be there. */
    if (table->column_count == SQL_COLUMNS_MAX - 3)
        return error_set(reterr, ERR_INVALID, "%.*s: more than %d columns", STR_FMT(name),
            SQL_COLUMNS_MAX - 3);
    err = copy_set(arena, column.value, &column.value, reterr);
    if (err == OK)
        err = copy_set(arena, column.column, &column.column, reterr);
    if (err == OK)
        table->columns[table->column_count++] = column;
    return err;
}

static enum err
columns_set(struct sql_table *table, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    struct str rest = value;
    struct str pair = {NULL, 0};
    enum err err = OK;

    while (err == OK && str_split(&rest, ',', &pair))
        err = column_add(table, arena, name, str_trim(pair), reterr);
    return err;
}

enum err
sql_options_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    struct sql_options *options = options_of(handler, arena);

    if (options == NULL)
        return no_memory(reterr);
    if (str_equals(name, STR("database"))) {
        if (value.len == 0)
            return error_set(reterr, ERR_INVALID, "database: the name of the file is missing");
        return copy_set(arena, value, &options->database, reterr);
    }
    if (str_equals(name, STR("create")))
        return flag_set(name, value, &options->creates, reterr);
    for (size_t i = 0; i < SQL_TABLES; i++) {
        if (str_equals(name, str_from(sql_rules[i].name)))
            return table_set(&options->tables[i], arena, name, value, reterr);
        if (str_equals(name, str_from(sql_rules[i].columns_name)))
            return columns_set(&options->tables[i], arena, name, value, reterr);
    }
    return ERR_NOT_FOUND;
}

/* A column that must be there may have taken a name that the owner gave to another one. */
static enum err
table_check(const struct handler *handler, const struct sql_options *options,
    enum sql_table_kind kind, struct error *reterr)
{
    struct sql_table table = sql_table_whole(options, kind);

    if (table.is_off)
        return OK;
    for (size_t i = 0; i < table.column_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (str_equals_nocase(table.columns[i].column, table.columns[j].column))
                return error_set(reterr, ERR_INVALID,
                    "handler %.*s: %s: column \"%.*s\" would hold both %.*s and %.*s",
                    STR_FMT(handler->name), sql_rules[kind].columns_name,
                    STR_FMT(table.columns[i].column), STR_FMT(table.columns[j].value),
                    STR_FMT(table.columns[i].value));
        }
    }
    for (size_t i = 0; i < (size_t)kind; i++) {
        struct sql_table other = sql_table_whole(options, (enum sql_table_kind)i);

        if (!other.is_off && str_equals_nocase(other.name, table.name))
            return error_set(reterr, ERR_INVALID, "handler %.*s: %s and %s are the same table",
                STR_FMT(handler->name), sql_rules[i].name, sql_rules[kind].name);
    }
    return OK;
}

enum err
sql_options_check(const struct handler *handler, struct error *reterr)
{
    const struct sql_options *options = handler->options;
    size_t written = 0;

    if (options == NULL || options->database.ptr == NULL)
        return error_set(reterr, ERR_INVALID,
            "handler %.*s: database is missing: which SQLite file is written to?",
            STR_FMT(handler->name));
    for (size_t i = 0; i < SQL_TABLES; i++)
        written += options->tables[i].is_off ? 0 : 1;
    if (written == 0)
        return error_set(reterr, ERR_INVALID,
            "handler %.*s: attendees, sessions and events are all no: nothing would be written",
            STR_FMT(handler->name));
    for (size_t i = 0; i < SQL_TABLES; i++) {
        enum err err = table_check(handler, options, (enum sql_table_kind)i, reterr);

        if (err != OK)
            return err;
    }
    return OK;
}

/* --- statements ------------------------------------------------------------------------------- */

static void
append_identifier(struct buf *sql, struct str name)
{
    buf_append_char(sql, '"');
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == '"')
            buf_append_char(sql, '"');
        buf_append_char(sql, name.ptr[i]);
    }
    buf_append_char(sql, '"');
}

static const struct sql_column *
column_of(const struct sql_table *table, struct str value)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_equals(table->columns[i].value, value))
            return &table->columns[i];
    return NULL;
}

struct sql_table
sql_table_whole(const struct sql_options *options, enum sql_table_kind kind)
{
    const struct sql_rule *rule = &sql_rules[kind];
    struct sql_table table = options->tables[kind];
    bool is_standard = table.column_count == 0;

    if (table.name.ptr == NULL)
        table.name = str_from(rule->name);
    for (size_t i = 0; i < rule->standard_count; i++) {
        bool is_needed = i < rule->key_count || i + 1 == rule->standard_count;

        if (!is_standard && (!is_needed || column_of(&table, rule->standard[i].value) != NULL))
            continue;
        CHECK(table.column_count < SQL_COLUMNS_MAX);
        table.columns[table.column_count++] = rule->standard[i];
    }
    return table;
}

static void
append_keys(struct buf *sql, const struct sql_table *table, const struct sql_rule *rule)
{
    for (size_t i = 0; i < rule->key_count; i++) {
        if (i > 0)
            buf_append_literal(sql, ", ");
        append_identifier(sql, column_of(table, rule->standard[i].value)->column);
    }
}

static bool
is_key(const struct sql_rule *rule, struct str value)
{
    for (size_t i = 0; i < rule->key_count; i++)
        if (str_equals(rule->standard[i].value, value))
            return true;
    return false;
}

bool
sql_is_number(struct str value)
{
    return str_equals(value, STR("sequence")) || str_equals(value, STR("revision"));
}

/* What an item does not say stays what it was: an order knows a person's name, and no time zone. */
static void
append_update(struct buf *sql, const struct sql_table *table, const struct sql_rule *rule)
{
    struct str sequence = column_of(table, STR("sequence"))->column;
    const char *comma = "";

    buf_append_literal(sql, " DO UPDATE SET ");
    for (size_t i = 0; i < table->column_count; i++) {
        struct str column = table->columns[i].column;

        if (is_key(rule, table->columns[i].value))
            continue;
        buf_append_str(sql, str_from(comma));
        append_identifier(sql, column);
        buf_append_literal(sql, " = coalesce(excluded.");
        append_identifier(sql, column);
        buf_append_literal(sql, ", ");
        append_identifier(sql, table->name);
        buf_append_char(sql, '.');
        append_identifier(sql, column);
        buf_append_char(sql, ')');
        comma = ", ";
    }
    buf_append_literal(sql, " WHERE excluded.");
    append_identifier(sql, sequence);
    buf_append_literal(sql, " > coalesce(");
    append_identifier(sql, table->name);
    buf_append_char(sql, '.');
    append_identifier(sql, sequence);
    buf_append_literal(sql, ", -1)");
}

void
sql_append_write(struct buf *sql, const struct sql_table *table, enum sql_table_kind kind)
{
    const struct sql_rule *rule = &sql_rules[kind];

    buf_append_literal(sql, "INSERT INTO ");
    append_identifier(sql, table->name);
    for (size_t i = 0; i < table->column_count; i++) {
        buf_append_str(sql, i == 0 ? STR(" (") : STR(", "));
        append_identifier(sql, table->columns[i].column);
    }
    for (size_t i = 0; i < table->column_count; i++)
        buf_printf(sql, "%s?%zu", i == 0 ? ") VALUES (" : ", ", i + 1);
    buf_append_literal(sql, ") ON CONFLICT (");
    append_keys(sql, table, rule);
    buf_append_char(sql, ')');
    if (rule->is_kept_current)
        append_update(sql, table, rule);
    else
        buf_append_literal(sql, " DO NOTHING");
}

void
sql_append_create(struct buf *sql, const struct sql_table *table, enum sql_table_kind kind)
{
    const struct sql_rule *rule = &sql_rules[kind];

    buf_append_literal(sql, "CREATE TABLE IF NOT EXISTS ");
    append_identifier(sql, table->name);
    for (size_t i = 0; i < table->column_count; i++) {
        const struct sql_column *column = &table->columns[i];

        buf_append_str(sql, i == 0 ? STR(" (") : STR(", "));
        append_identifier(sql, column->column);
        buf_append_str(sql, sql_is_number(column->value) ? STR(" INTEGER") : STR(" TEXT"));
        if (is_key(rule, column->value))
            buf_append_literal(sql, " NOT NULL");
    }
    buf_append_literal(sql, ", PRIMARY KEY (");
    append_keys(sql, table, rule);
    buf_append_literal(sql, "));");
}
