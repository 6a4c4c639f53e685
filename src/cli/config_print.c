/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/moment.h"
#include "cli/config_section.h"
#include "cli/config_table.h"

/* Where the explanation begins in --help, and where its lines end. */
#define HELP_COLUMN 29
#define HELP_WIDTH  79

void
config_append_wrapped(struct buf *buf, const char *start, size_t column, const char *text)
{
    struct str rest = str_from(text);
    struct str word = {NULL, 0};
    size_t at = column;

    while (str_split(&rest, ' ', &word)) {
        if (at > column && at + 1 + word.len > HELP_WIDTH) {
            buf_printf(buf, "\n%s", start);
            at = column;
        } else if (at > column) {
            buf_append_char(buf, ' ');
            at++;
        }
        buf_append_str(buf, word);
        at += word.len;
    }
}

/* --- config show ------------------------------------------------------------------------------ */

static const char *
origin_name(enum config_origin origin)
{
    switch (origin) {
    case CONFIG_DEFAULT: return "default";
    case CONFIG_FILE: return "file";
    case CONFIG_ENVIRONMENT: return "environment";
    case CONFIG_ARGUMENT: return "argument";
    }
    UNREACHABLE;
}

static void
show_list(const char *name, const struct config_list *list, struct buf *buf)
{
    for (size_t i = 0; i < list->count; i++)
        buf_printf(buf, "%s = %s\n", name, list->items[i]);
    if (list->count == 0)
        buf_printf(buf, "# %s is empty\n", name);
}

static void
show_option(const struct config *config, size_t index, struct buf *buf)
{
    const void *field = config_field_const(config, index);
    const char *origin = origin_name(config->origins[index]);
    char name[CONFIG_NAME_BYTES];
    const char *text;

    config_name(index, name);
    switch (config_options[index].type) {
    case CONFIG_TYPE_flag:
        buf_printf(buf, "%s = %s ; %s\n", name, *(const bool *)field ? "yes" : "no", origin);
        return;
    case CONFIG_TYPE_number:
        buf_printf(buf, "%s = %lld ; %s\n", name, (long long)*(const int64_t *)field, origin);
        return;
    case CONFIG_TYPE_cidrs: show_list(name, field, buf); return;
    case CONFIG_TYPE_address:
    case CONFIG_TYPE_database:
    case CONFIG_TYPE_delays:
    case CONFIG_TYPE_path:
    case CONFIG_TYPE_secret:
    case CONFIG_TYPE_url:
    case CONFIG_TYPE_word: break;
    }
    text = *(char *const *)field;
    if (text == NULL)
        buf_printf(buf, "# %s is not set\n", name);
    else if (config_options[index].type == CONFIG_TYPE_secret)
        buf_printf(buf, "# %s is set by the %s, and hidden\n", name, origin);
    else
        buf_printf(buf, "%s = %s ; %s\n", name, text, origin);
}

static void
show_section(const struct config_section *section, struct buf *buf)
{
    buf_printf(buf, "\n[%s %.*s]\n", section_kind_name(section->kind), STR_FMT(section->name));
    for (const struct config_line *line = section->lines; line != NULL; line = line->next) {
        if (section_is_secret(section->kind, line))
            buf_printf(buf, "# %.*s is set, and hidden\n", STR_FMT(line->name));
        else
            buf_printf(buf, "%.*s = %.*s\n", STR_FMT(line->name), STR_FMT(line->value));
    }
}

void
config_show(const struct config *config, struct buf *buf)
{
    if (config->file != NULL)
        buf_printf(buf, "# read from %s\n", config->file);
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        if (!config_is_hidden(i) || config->origins[i] != CONFIG_DEFAULT)
            show_option(config, i, buf);
    }
    for (const struct config_section *section = config->sections; section != NULL;
         section = section->next)
        show_section(section, buf);
}

/* --- what changed ----------------------------------------------------------------------------- */

static bool
text_is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
list_is_same(const struct config_list *a, const struct config_list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static bool
value_is_same(const struct config *a, const struct config *b, size_t index)
{
    const void *field_a = config_field_const(a, index);
    const void *field_b = config_field_const(b, index);

    switch (config_options[index].type) {
    case CONFIG_TYPE_flag: return *(const bool *)field_a == *(const bool *)field_b;
    case CONFIG_TYPE_number: return *(const int64_t *)field_a == *(const int64_t *)field_b;
    case CONFIG_TYPE_cidrs: return list_is_same(field_a, field_b);
    case CONFIG_TYPE_address:
    case CONFIG_TYPE_database:
    case CONFIG_TYPE_delays:
    case CONFIG_TYPE_path:
    case CONFIG_TYPE_secret:
    case CONFIG_TYPE_url:
    case CONFIG_TYPE_word: return text_is_same(*(char *const *)field_a, *(char *const *)field_b);
    }
    UNREACHABLE;
}

void
config_changes(const struct config *before, const struct config *after, struct buf *buf)
{
    char name[CONFIG_NAME_BYTES];

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        if (config_options[i].may_reload || value_is_same(before, after, i))
            continue;
        config_name(i, name);
        buf_printf(buf, "%s%s", buf->len > 0 ? ", " : "", name);
    }
}

/* --- from the table --------------------------------------------------------------------------- */

void
config_help(const char *listen, struct buf *buf)
{
    char name[CONFIG_NAME_BYTES];

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        size_t start = buf->len;

        if (config_is_hidden(i) || option->type == CONFIG_TYPE_secret)
            continue;
        config_name(i, name);
        buf_printf(buf, "  --%s%s%s", name, option->argument != NULL ? " " : "",
            option->argument != NULL ? option->argument : "");
        if (buf->len - start + 2 > HELP_COLUMN)
            buf_printf(buf, "\n%*s", HELP_COLUMN, "");
        else
            buf_printf(buf, "%*s", (int)(HELP_COLUMN - (buf->len - start)), "");
        config_append_wrapped(buf, "                             ", HELP_COLUMN, option->help);
        if (i == CONFIG_listen && listen != NULL)
            buf_printf(buf, " [%s]", listen);
        else if (option->initial != NULL)
            buf_printf(buf, " [%s]", option->initial);
        buf_append_char(buf, '\n');
    }
}

static void
append_variable(struct buf *buf, const char *name)
{
    buf_append_literal(buf, "USHER_");
    for (; *name != '\0'; name++)
        buf_append_char(buf, (char)toupper((unsigned char)*name));
}

void
config_manual(struct buf *buf)
{
    char name[CONFIG_NAME_BYTES];

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_option *option = &config_options[i];

        if (config_is_hidden(i))
            continue;
        config_name(i, name);
        if (option->type == CONFIG_TYPE_secret) {
            buf_append_literal(buf, ".It Ev ");
            append_variable(buf, option->name);
            buf_append_char(buf, '\n');
        } else {
            buf_printf(buf, ".It Fl -%s%s%s\n", name, option->argument != NULL ? " Ar " : "",
                option->argument != NULL ? option->argument : "");
        }
        config_append_wrapped(buf, "", 0, option->help);
        buf_append_literal(buf, ".\n");
        if (option->initial != NULL)
            buf_printf(buf, "The default is\n.Ql %s .\n", option->initial);
        if (option->may_reload)
            buf_append_literal(buf, "Its content is read again on\n.Dv SIGHUP .\n");
    }
}

void
config_example(struct buf *buf)
{
    char name[CONFIG_NAME_BYTES];

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        const struct config_option *option = &config_options[i];
        const char *value = option->initial != NULL ? option->initial : option->argument;

        if (config_is_hidden(i))
            continue;
        config_name(i, name);
        buf_append_literal(buf, "\n# ");
        config_append_wrapped(buf, "# ", 2, option->help);
        buf_printf(buf, ".\n#%s = %s\n", name, value != NULL ? value : "no");
    }
}
