/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/config_table.h"
#include "cli/suggest.h"
#include "os/files.h"

/* A line of a section takes so many times its bytes, and a file has not many short ones. */
#define SECTIONS_BYTES_MAX (32 * CONFIG_FILE_BYTES_MAX)

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

enum err
config_set(struct config *config, size_t index, struct str value, enum config_origin origin,
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
    case CONFIG_TYPE_url:
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
    arena_init(&config->arena, SECTIONS_BYTES_MAX);
    for (size_t i = 0; err == OK && i < CONFIG_COUNT; i++) {
        if (config_options[i].initial != NULL)
            err =
                config_set(config, i, str_from(config_options[i].initial), CONFIG_DEFAULT, reterr);
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
    arena_done(&config->arena);
    memset(config, 0, sizeof(*config));
}

static enum err
name_file(struct config *config, const char *path, struct error *reterr)
{
    config->file = strdup(path);
    return config->file != NULL ? OK : error_set(reterr, ERR_NOMEM, "out of memory");
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
    if (err == OK)
        err = name_file(config, path, reterr);
    buf_done(&text);
    return err;
}

/* --- the environment -------------------------------------------------------------------------- */

static const struct str environment_prefix = {"USHER_", 6};

/* Ours, but no settings. USHER_CRASH is read where fault sites are compiled in; USHER_API_KEY by
 * usher subscribe. */
static bool
is_reserved(struct str name)
{
    return str_equals(name, STR("CONFIG")) || str_equals(name, STR("CRASH")) ||
           str_equals(name, STR("API_KEY"));
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
            err = config_set(config, index, value, CONFIG_ENVIRONMENT, reterr);
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
    if (err != OK)
        return err;
    if (option->ret_texts == NULL && *option->ret_text != NULL)
        return error_set(reterr, ERR_INVALID, "--%s is given a second time", option->name);
    if (option->ret_texts != NULL && option->ret_texts->count == COMMAND_TEXTS_MAX)
        return error_set(reterr, ERR_INVALID, "--%s is given more than %d times", option->name,
            COMMAND_TEXTS_MAX);
    if (value.len == 0)
        return error_set(reterr, ERR_INVALID, "--%s: a value is missing", option->name);
    if (option->ret_texts != NULL)
        option->ret_texts->texts[option->ret_texts->count++] = value.ptr;
    else
        *option->ret_text = value.ptr;
    return OK;
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
    err = config_set(config, index, value, CONFIG_ARGUMENT, reterr);
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

/* The last --config, else USHER_CONFIG, else the command's own where that is there, else NULL. A
 * value that looks like --config is found, too, but then reading the arguments fails on it or on
 * what it displaced. */
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
    if (path == NULL && line->file != NULL && (line->makes_file || access(line->file, F_OK) == 0))
        path = line->file;
    return path;
}

enum err
config_load(struct config *config, struct command_line *line, const char *const *environment,
    struct error *reterr)
{
    const char *path = find_path(line, environment);
    enum err err = OK;

    if (line->listen != NULL)
        err = config_set(config, CONFIG_listen, str_from(line->listen), CONFIG_DEFAULT, reterr);
    if (err == OK && path != NULL && line->makes_file)
        err = name_file(config, path, reterr);
    else if (err == OK && path != NULL)
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
