/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <ctype.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/config_table.h"
#include "cli/suggest.h"
#include "os/files.h"

/* --- values ----------------------------------------------------------------------------------- */

static enum err
set_text(struct config *config, size_t index, struct str value, struct error *reterr)
{
    char **text = config_field(config, index);
    char *copy = strndup(value.ptr, value.len);

    if (copy == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    free(*text);
    *text = copy;
    return OK;
}

static enum err
set_flag(struct config *config, size_t index, struct str value, struct error *reterr)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    bool *flag = config_field(config, index);

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (str_equals_nocase(value, str_from(yes[i]))) {
            *flag = true;
            return OK;
        }
        if (str_equals_nocase(value, str_from(no[i]))) {
            *flag = false;
            return OK;
        }
    }
    return error_set(reterr, ERR_INVALID, "\"%.*s\" is neither yes nor no", STR_FMT(value));
}

static enum err
set_number(struct config *config, size_t index, struct str value, struct error *reterr)
{
    const struct config_option *option = &config_options[index];
    int64_t number = 0;

    if (str_to_int64(value, &number) != OK || number < option->min || number > option->max)
        return error_set(reterr, ERR_INVALID, "\"%.*s\" is not a number from %lld to %lld",
            STR_FMT(value), (long long)option->min, (long long)option->max);
    *(int64_t *)config_field(config, index) = number;
    return OK;
}

static void
list_clear(struct config_list *list)
{
    while (list->count > 0)
        free(list->items[--list->count]);
}

/* Pieces between commas or blanks. A higher origin replaces what a lower one said; within one
 * origin they add up. */
static enum err
set_list(struct config *config, size_t index, struct str value, enum config_origin origin,
    struct error *reterr)
{
    struct config_list *list = config_field(config, index);
    size_t at = 0;

    if (config->origins[index] != origin)
        list_clear(list);
    while (at < value.len) {
        size_t end = at;
        struct str piece;
        enum err err;

        while (end < value.len && value.ptr[end] != ',' && value.ptr[end] != ' ')
            end++;
        piece = str_slice(value, at, end);
        at = end + 1;
        if (piece.len == 0)
            continue;
        if (list->count == CONFIG_LIST_MAX)
            return error_set(reterr, ERR_INVALID, "more than %d", CONFIG_LIST_MAX);
        err = config_value_check(index, piece, reterr);
        if (err != OK)
            return err;
        list->items[list->count] = strndup(piece.ptr, piece.len);
        if (list->items[list->count] == NULL)
            return error_set(reterr, ERR_NOMEM, "out of memory");
        list->count++;
    }
    return OK;
}

static enum err
set_value(struct config *config, size_t index, struct str value, enum config_origin origin,
    struct error *reterr)
{
    enum err err = OK;

    if (value.len == 0)
        return error_set(reterr, ERR_INVALID, "a value is missing");
    if (value.ptr[0] == ';')
        return error_set(reterr, ERR_INVALID, "the value begins with the mark of a comment");
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
            return error_set(reterr, ERR_INVALID, "the value holds a control character");
    }
    switch (config_options[index].type) {
    case CONFIG_TYPE_flag: err = set_flag(config, index, value, reterr); break;
    case CONFIG_TYPE_number: err = set_number(config, index, value, reterr); break;
    case CONFIG_TYPE_cidrs: err = set_list(config, index, value, origin, reterr); break;
    case CONFIG_TYPE_address:
    case CONFIG_TYPE_database:
    case CONFIG_TYPE_delays:
    case CONFIG_TYPE_path:
    case CONFIG_TYPE_secret:
    case CONFIG_TYPE_word:
        err = config_value_check(index, value, reterr);
        if (err == OK)
            err = set_text(config, index, value, reterr);
        break;
    }
    if (err == OK)
        config->origins[index] = origin;
    return err;
}

enum err
config_init(struct config *config, struct error *reterr)
{
    enum err err = OK;

    memset(config, 0, sizeof(*config));
    for (size_t i = 0; err == OK && i < CONFIG_COUNT; i++) {
        if (config_options[i].initial != NULL)
            err = set_value(config, i, str_from(config_options[i].initial), CONFIG_DEFAULT, reterr);
    }
    if (err != OK)
        config_done(config);
    return err;
}

void
config_done(struct config *config)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        if (config_options[i].type == CONFIG_TYPE_cidrs)
            list_clear(config_field(config, i));
        else if (config_type_is_text(config_options[i].type))
            free(*(char **)config_field(config, i));
    }
    free(config->file);
    memset(config, 0, sizeof(*config));
}

/* --- the file --------------------------------------------------------------------------------- */

struct file_reading {
    struct config *config;
    const char *name;
    struct str rest;
    int line;
    bool failed; /* the first failure is told, the rest is passed over */
    struct error error;
};

static enum err
file_fail(struct file_reading *reading, enum err err, const char *text)
{
    if (!reading->failed)
        (void)error_set(&reading->error, err, "%s:%d: %s", reading->name, reading->line, text);
    reading->failed = true;
    return err;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

/* fgets for the parser. Lines come without the blanks in front, which it would take for the mark
 * of a line that continues the one before. */
static char *
file_read_line(char *out, int size, void *stream)
{
    struct file_reading *reading = stream;
    size_t end = str_find(reading->rest, '\n', 0);
    struct str line;

    if (reading->failed || reading->rest.len == 0)
        return NULL;
    reading->line++;
    line = str_slice(reading->rest, 0, end);
    reading->rest =
        str_slice(reading->rest, end == SIZE_MAX ? SIZE_MAX : end + 1, reading->rest.len);
    while (line.len > 0 && is_blank(line.ptr[0]))
        line = str_slice(line, 1, line.len);
    if (memchr(line.ptr, '\0', line.len) != NULL) {
        (void)file_fail(reading, ERR_INVALID, "the line holds a NUL");
        return NULL;
    }
    if (line.len + 3 > (size_t)size) {
        (void)file_fail(reading, ERR_INVALID, "the line is too long");
        return NULL;
    }
    memcpy(out, line.ptr, line.len);
    memcpy(out + line.len, "\n", 2);
    return out;
}

static int
file_pair(void *user, const char *section, const char *name, const char *value)
{
    struct file_reading *reading = user;
    struct error error = {.code = OK};
    char text[sizeof(error.text)];
    size_t index = 0;
    enum err err;

    if (reading->failed)
        return 1;
    if (section[0] != '\0')
        err = error_set(&error, ERR_INVALID, "there are no sections, so no [%s]", section);
    else
        err = config_find(str_from(name), &index, &error);
    if (err == OK && config_options[index].type != CONFIG_TYPE_cidrs &&
        reading->config->origins[index] == CONFIG_FILE)
        err = error_set(&error, ERR_INVALID, "%s is set a second time", name);
    if (err == OK) {
        err = set_value(reading->config, index, str_trim(str_from(value)), CONFIG_FILE, &error);
        if (err != OK)
            (void)error_prefix(&error, "%s", name);
    }
    if (err == OK)
        return 1;
    memcpy(text, error.text, sizeof(text));
    (void)file_fail(reading, err, text);
    return 1;
}

enum err
config_read_text(struct config *config, const char *name, struct str text, struct error *reterr)
{
    struct file_reading reading = {.config = config, .name = name, .rest = text};
    int line = ini_parse_stream(file_read_line, &reading, file_pair, &reading);

    if (!reading.failed && line != 0) {
        reading.line = line;
        (void)file_fail(&reading, ERR_INVALID, "this is neither \"name = value\" nor a comment");
    }
    if (reading.failed)
        return error_set(reterr, reading.error.code, "%s", reading.error.text);
    return OK;
}

static enum err
read_file(struct config *config, const char *path, struct error *reterr)
{
    struct buf text;
    enum err err;

    buf_init(&text, CONFIG_FILE_BYTES_MAX);
    err = file_read(path, &text, reterr);
    if (err == OK)
        err = config_read_text(config, path, buf_str(&text), reterr);
    if (err == OK) {
        config->file = strdup(path);
        if (config->file == NULL)
            err = error_set(reterr, ERR_NOMEM, "out of memory");
    }
    buf_done(&text);
    return err;
}

/* --- the environment -------------------------------------------------------------------------- */

static const struct str environment_prefix = {"USHER_", 6};

/* Ours, but no settings. USHER_CRASH is read where fault sites are compiled in. */
static bool
is_reserved(struct str name)
{
    return str_equals(name, STR("CONFIG")) || str_equals(name, STR("CRASH"));
}

enum err
config_read_environment(struct config *config, const char *const *environment, struct error *reterr)
{
    for (; *environment != NULL; environment++) {
        struct str pair = str_from(*environment);
        struct str name = str_slice(pair, 0, str_find(pair, '=', 0));
        struct str value = str_slice(pair, name.len + 1, pair.len);
        struct str bare = str_slice(name, environment_prefix.len, name.len);
        char option[CONFIG_NAME_BYTES] = "";
        size_t index = 0;
        enum err err;

        if (!str_starts(name, environment_prefix) || is_reserved(bare))
            continue;
        for (size_t i = 0; i < bare.len && i + 1 < sizeof(option); i++)
            option[i] = bare.ptr[i] == '_' ? '-' : (char)tolower((unsigned char)bare.ptr[i]);
        if (bare.len >= sizeof(option))
            err = error_set(reterr, ERR_INVALID, "there is no such setting");
        else
            err = config_find(str_from(option), &index, reterr);
        if (err == OK)
            err = set_value(config, index, value, CONFIG_ENVIRONMENT, reterr);
        if (err != OK) {
            (void)error_prefix(reterr, "environment: %.*s", STR_FMT(name));
            return err;
        }
    }
    return OK;
}

/* --- arguments -------------------------------------------------------------------------------- */

struct argument {
    struct str name;  /* without the dashes */
    struct str value; /* absent when it does not stand behind "=" */
};

/* Take the option's value from behind "=" or from the next argument. */
static enum err
take_value(struct command_line *line, int *inout_at, const struct argument *argument,
    struct str *ret, struct error *reterr)
{
    if (argument->value.ptr != NULL) {
        *ret = argument->value;
        return OK;
    }
    if (*inout_at + 1 >= line->argc)
        return error_set(reterr, ERR_INVALID, "--%.*s: a value is missing",
            STR_FMT(argument->name));
    *ret = str_from(line->argv[++*inout_at]);
    return OK;
}

static const struct command_option *
command_option_find(const struct command_line *line, struct str name)
{
    for (size_t i = 0; i < line->option_count; i++) {
        if (str_equals(name, str_from(line->options[i].name)))
            return &line->options[i];
    }
    return NULL;
}

static enum err
take_command_option(struct command_line *line, int *inout_at, const struct argument *argument,
    const struct command_option *option, struct error *reterr)
{
    struct str value = {NULL, 0};
    enum err err;

    if (option->argument == NULL) {
        if (argument->value.ptr != NULL)
            return error_set(reterr, ERR_INVALID, "--%s takes no value", option->name);
        *option->ret_flag = true;
        return OK;
    }
    err = take_value(line, inout_at, argument, &value, reterr);
    if (err == OK && *option->ret_text != NULL)
        err = error_set(reterr, ERR_INVALID, "--%s is given a second time", option->name);
    if (err == OK && value.len == 0)
        err = error_set(reterr, ERR_INVALID, "--%s: a value is missing", option->name);
    if (err == OK)
        *option->ret_text = value.ptr;
    return err;
}

static enum err
unknown_argument(const struct command_line *line, const struct argument *argument,
    struct error *reterr)
{
    struct suggestion suggestion;

    suggest_start(&suggestion, argument->name);
    config_suggest(&suggestion);
    suggest_offer(&suggestion, "config");
    suggest_offer(&suggestion, "help");
    for (size_t i = 0; i < line->option_count; i++)
        suggest_offer(&suggestion, line->options[i].name);
    if (suggestion.best[0] != '\0')
        return error_set(reterr, ERR_INVALID, "unknown option --%.*s: did you mean --%s?",
            STR_FMT(argument->name), suggestion.best);
    return error_set(reterr, ERR_INVALID, "unknown option --%.*s: see usher help",
        STR_FMT(argument->name));
}

static enum err
take_setting(struct config *config, struct command_line *line, int *inout_at,
    const struct argument *argument, struct error *reterr)
{
    struct str value = STR("yes");
    size_t index = 0;
    enum err err = config_find(argument->name, &index, NULL);

    if (err != OK)
        return unknown_argument(line, argument, reterr);
    if (config_options[index].type == CONFIG_TYPE_secret)
        return error_set(reterr, ERR_INVALID,
            "--%.*s: every user of this machine could read it there; set %s in the environment",
            STR_FMT(argument->name), "USHER_SECRET_KEY");
    if (config_options[index].type != CONFIG_TYPE_flag)
        err = take_value(line, inout_at, argument, &value, reterr);
    else if (argument->value.ptr != NULL)
        value = argument->value;
    if (err != OK)
        return err;
    err = set_value(config, index, value, CONFIG_ARGUMENT, reterr);
    if (err != OK)
        (void)error_prefix(reterr, "--%.*s", STR_FMT(argument->name));
    return err;
}

enum err
config_read_arguments(struct config *config, struct command_line *line, struct error *reterr)
{
    enum err err = OK;

    for (int i = 0; err == OK && i < line->argc; i++) {
        struct str text = str_from(line->argv[i]);
        size_t equals = str_find(text, '=', 0);
        struct argument argument = {.name = str_slice(text, 2, equals)};
        const struct command_option *option;

        if (str_equals(text, STR("--help")) || str_equals(text, STR("-h"))) {
            line->asks_help = true;
            return OK;
        }
        if (line->operand != NULL && *line->ret_operand == NULL && text.len > 0 &&
            text.ptr[0] != '-') {
            *line->ret_operand = line->argv[i];
            continue;
        }
        if (!str_starts(text, STR("--")) || argument.name.len == 0)
            return error_set(reterr, ERR_INVALID,
                "\"%.*s\" is not expected here: options begin with --", STR_FMT(text));
        if (equals != SIZE_MAX)
            argument.value = str_slice(text, equals + 1, text.len);
        option = command_option_find(line, argument.name);
        if (str_equals(argument.name, STR("config"))) /* read before all others */
            err = take_value(line, &i, &argument, &text, reterr);
        else if (option != NULL)
            err = take_command_option(line, &i, &argument, option, reterr);
        else
            err = take_setting(config, line, &i, &argument, reterr);
    }
    return err;
}

/* --- all together ----------------------------------------------------------------------------- */

/* The last --config, else USHER_CONFIG, else NULL. A value that looks like --config is found, too,
 * but then reading the arguments fails on it or on what it displaced. */
static const char *
find_path(const struct command_line *line, const char *const *environment)
{
    static const char prefix[] = "USHER_CONFIG=";
    const char *path = NULL;

    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, prefix, sizeof(prefix) - 1) == 0)
            path = *environment + sizeof(prefix) - 1;
    }
    for (int i = 0; i < line->argc; i++) {
        if (strcmp(line->argv[i], "--config") == 0 && i + 1 < line->argc)
            path = line->argv[i + 1];
        else if (strncmp(line->argv[i], "--config=", 9) == 0)
            path = line->argv[i] + 9;
    }
    return path;
}

enum err
config_load(struct config *config, struct command_line *line, const char *const *environment,
    struct error *reterr)
{
    const char *path = find_path(line, environment);
    enum err err = OK;

    if (path != NULL)
        err = read_file(config, path, reterr);
    if (err == OK)
        err = config_read_environment(config, environment, reterr);
    if (err == OK)
        err = config_read_arguments(config, line, reterr);
    if (err == OK && !line->asks_help)
        err = config_check(config, reterr);
    return err;
}

static bool
picks_port(const char *address)
{
    return str_ends(str_from(address), STR(":0"));
}

enum err
config_check(const struct config *config, struct error *reterr)
{
    if ((config->tls_cert != NULL) != (config->tls_key != NULL))
        return error_set(reterr, ERR_INVALID, "tls-cert and tls-key belong together: %s is missing",
            config->tls_cert != NULL ? "tls-key" : "tls-cert");
    if (config->admin_listen != NULL && strcmp(config->admin_listen, config->listen) == 0 &&
        !picks_port(config->listen))
        return error_set(reterr, ERR_INVALID, "admin-listen is the same address as listen: %s",
            config->listen);
    return OK;
}

const char *
config_db_path(const struct config *config)
{
    static const char prefix[] = "sqlite:";

    if (strncmp(config->db, prefix, sizeof(prefix) - 1) == 0)
        return config->db + sizeof(prefix) - 1;
    return config->db;
}

size_t
config_delays_us(const struct config *config, int64_t *ret, size_t max)
{
    size_t count = 0;

    if (config->retry_delays != NULL)
        CHECK(config_delays_parse(str_from(config->retry_delays), ret, max, &count, NULL) == OK);
    return count;
}
