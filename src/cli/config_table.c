/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_table.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/moment.h"
#include "net/address.h"
#include "net/url.h"

/* A delay longer than a month is a slip of the keyboard. */
#define DELAY_SECONDS_MAX 2678400

#define DELAYS_MAX 99 /* one fewer than attempts */

#define INITIAL_address(value)  value
#define INITIAL_cidrs(value)    value
#define INITIAL_database(value) value
#define INITIAL_delays(value)   value
#define INITIAL_flag(value)     NULL
#define INITIAL_number(value)   #value
#define INITIAL_path(value)     value
#define INITIAL_secret(value)   value
#define INITIAL_url(value)      value
#define INITIAL_word(value)     value
#define RELOAD_yes              true
#define RELOAD_no               false

const struct config_option config_options[CONFIG_COUNT] = {
#define OPTION(name, type, default, min, max, reload, argument, help)                              \
    {#name, CONFIG_TYPE_##type, offsetof(struct config, name), INITIAL_##type(default), min, max,  \
        RELOAD_##reload, argument, help},
#include "cli/config.def"
#undef OPTION
};

void *
config_field(struct config *config, size_t index)
{
    return (char *)config + config_options[index].offset;
}

const void *
config_field_const(const struct config *config, size_t index)
{
    return (const char *)config + config_options[index].offset;
}

bool
config_type_is_text(enum config_type type)
{
    return type != CONFIG_TYPE_flag && type != CONFIG_TYPE_number && type != CONFIG_TYPE_cidrs;
}

bool
config_is_hidden(size_t index)
{
    return config_options[index].argument == NULL && config_options[index].type != CONFIG_TYPE_flag;
}

void
config_name(size_t index, char ret[CONFIG_NAME_BYTES])
{
    size_t len = strlen(config_options[index].name);

    CHECK(len < CONFIG_NAME_BYTES);
    for (size_t i = 0; i <= len; i++)
        ret[i] = config_options[index].name[i] == '_' ? '-' : config_options[index].name[i];
}

void
config_suggest(struct suggestion *suggestion)
{
    char name[CONFIG_NAME_BYTES];

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        config_name(i, name);
        if (!config_is_hidden(i))
            suggest_offer(suggestion, name);
    }
}

enum err
config_find(struct str name, size_t *ret, struct error *reterr)
{
    char known[CONFIG_NAME_BYTES];
    struct suggestion suggestion;

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        config_name(i, known);
        if (str_equals(name, str_from(known))) {
            *ret = i;
            return OK;
        }
    }
    suggest_start(&suggestion, name);
    config_suggest(&suggestion);
    if (suggestion.best[0] != '\0')
        return error_set(reterr, ERR_INVALID, "there is no setting \"%.*s\": did you mean %s?",
            STR_FMT(name), suggestion.best);
    return error_set(reterr, ERR_INVALID, "there is no setting \"%.*s\": see usher help",
        STR_FMT(name));
}

/* --- what can be a value ---------------------------------------------------------------------- */

static enum err
check_database(struct str value, struct error *reterr)
{
    size_t colon = str_find(value, ':', 0);

    if (str_starts(value, STR("postgres:")) || str_starts(value, STR("postgresql:")))
        return error_set(reterr, ERR_INVALID,
            "this program stores in SQLite: name a file, or sqlite:FILE");
    if (str_equals(value, STR("sqlite:")))
        return error_set(reterr, ERR_INVALID, "sqlite: is followed by the file's name");
    if (colon != SIZE_MAX && str_starts(str_slice(value, colon, value.len), STR("://")))
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is no kind of database known here: name a file, or sqlite:FILE",
            STR_FMT(str_slice(value, 0, colon)));
    return OK;
}

/* Seconds, with a fraction if need be; decimal places beyond microseconds are cut. */
static enum err
delay_parse(struct str text, int64_t *ret_us)
{
    size_t point = str_find(text, '.', 0);
    struct str whole = str_slice(text, 0, point);
    struct str fraction = str_slice(text, whole.len + 1, text.len);
    int64_t seconds = 0;
    int64_t us = 0;
    int64_t unit = US_PER_S / 10;

    if (str_to_int64(whole, &seconds) != OK || seconds < 0 || seconds > DELAY_SECONDS_MAX ||
        (point != SIZE_MAX && fraction.len == 0))
        return ERR_INVALID;
    for (size_t i = 0; i < fraction.len; i++) {
        if (fraction.ptr[i] < '0' || fraction.ptr[i] > '9')
            return ERR_INVALID;
        us += (fraction.ptr[i] - '0') * unit;
        unit /= 10;
    }
    *ret_us = seconds * US_PER_S + us;
    return OK;
}

enum err
config_delays_parse(struct str value, int64_t *ret, size_t max, size_t *ret_count,
    struct error *reterr)
{
    struct str rest = value;
    struct str piece = {NULL, 0};
    size_t count = 0;

    while (str_split(&rest, ',', &piece)) {
        int64_t us = 0;

        if (delay_parse(str_trim(piece), &us) != OK)
            return error_set(reterr, ERR_INVALID,
                "\"%.*s\" is not a number of seconds from 0 to %d", STR_FMT(str_trim(piece)),
                DELAY_SECONDS_MAX);
        if (count < max)
            ret[count] = us;
        if (++count > DELAYS_MAX)
            return error_set(reterr, ERR_INVALID, "more than %d delays", DELAYS_MAX);
    }
    *ret_count = count;
    return OK;
}

/* One of the words that the argument lists, "text|json". */
static enum err
check_word(const char *words, struct str value, struct error *reterr)
{
    struct str rest = str_from(words);
    struct str word = {NULL, 0};

    while (str_split(&rest, '|', &word)) {
        if (str_equals(value, word))
            return OK;
    }
    return error_set(reterr, ERR_INVALID, "\"%.*s\" is none of %s", STR_FMT(value), words);
}

static enum err
check_secret(struct str value, struct error *reterr)
{
    uint8_t key[SEAL_KEY_BYTES];
    size_t len = 0;
    enum err err = hex_decode(value, key, sizeof(key), &len);

    wipe(key, sizeof(key));
    if (err == OK && len == sizeof(key))
        return OK;
    return error_set(reterr, ERR_INVALID, "%zu hex digits are expected", 2 * sizeof(key));
}

/* What addresses are made of by putting a path behind it. */
static enum err
check_url(struct str value, struct error *reterr)
{
    struct arena arena;
    struct url url;
    enum err err;

    arena_init(&arena, 4 * URL_BYTES_MAX);
    err = url_parse(value, &arena, &url, reterr);
    /* It is shown in commands, between single quotes. */
    if (err == OK && (url.user_info.ptr != NULL || str_find(value, '?', 0) != SIZE_MAX ||
                         str_find(value, '\'', 0) != SIZE_MAX))
        err = error_set(reterr, ERR_INVALID,
            "a scheme, a host and perhaps a path are expected, as in https://hooks.example.com");
    arena_done(&arena);
    return err;
}

enum err
config_value_check(size_t index, struct str value, struct error *reterr)
{
    struct address address;
    struct cidr cidr;
    size_t count = 0;

    switch (config_options[index].type) {
    case CONFIG_TYPE_address: return address_parse(value, &address, reterr);
    case CONFIG_TYPE_cidrs: return cidr_parse(value, &cidr, reterr);
    case CONFIG_TYPE_database: return check_database(value, reterr);
    case CONFIG_TYPE_delays: return config_delays_parse(value, NULL, 0, &count, reterr);
    case CONFIG_TYPE_secret: return check_secret(value, reterr);
    case CONFIG_TYPE_url: return check_url(value, reterr);
    case CONFIG_TYPE_word: return check_word(config_options[index].argument, value, reterr);
    case CONFIG_TYPE_flag:
    case CONFIG_TYPE_number:
    case CONFIG_TYPE_path: return OK;
    }
    UNREACHABLE;
}
