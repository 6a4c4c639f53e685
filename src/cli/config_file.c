/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file: lines of "name = value", comments, and sections. Settings of the program are taken at
 * once, lines of a section are collected.
 */
#include <string.h>

#include "cli/config_section.h"
#include "cli/config_table.h"

struct file_reading {
    struct config *config;
    const char *name;
    int line;
    struct config_section *section; /* NULL: before the first */
    struct config_section **sections_end;
    struct config_line **lines_end;
    struct error error;
};

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

static enum err
copy(struct file_reading *reading, struct str text, struct str *ret)
{
    struct str copied = arena_copy(&reading->config->arena, text);

    if (copied.ptr == NULL)
        return error_set(&reading->error, ERR_NOMEM, "out of memory");
    *ret = copied;
    return OK;
}

static enum err
check_text(struct str text, const char *what, struct error *reterr)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return error_set(reterr, ERR_INVALID, "the %s holds a control character", what);
    }
    return OK;
}

/* --- sections --------------------------------------------------------------------------------- */

static enum err
section_begin(struct file_reading *reading, struct str line)
{
    size_t end = str_find(line, ']', 0);
    struct str behind = str_trim(str_slice(line, end == SIZE_MAX ? end : end + 1, line.len));
    struct config_section *section;
    enum config_section_kind kind;
    struct str name;
    enum err err;

    if (end == SIZE_MAX || (behind.len > 0 && behind.ptr[0] != '#' && behind.ptr[0] != ';'))
        return error_set(&reading->error, ERR_INVALID, "this is no section: [source NAME]");
    err = section_parse(str_slice(line, 1, end), &kind, &name, &reading->error);
    if (err == OK)
        err = check_text(name, "name", &reading->error);
    if (err != OK)
        return err;
    for (section = reading->config->sections; section != NULL; section = section->next) {
        if (section->kind == kind && str_equals(section->name, name))
            return error_set(&reading->error, ERR_INVALID,
                "[%s %.*s] is there a second time: the first is in line %d",
                section_kind_name(kind), STR_FMT(name), section->line);
    }
    section = ARENA_NEW(&reading->config->arena, struct config_section);
    if (section == NULL)
        return error_set(&reading->error, ERR_NOMEM, "out of memory");
    section->kind = kind;
    section->line = reading->line;
    err = copy(reading, name, &section->name);
    if (err != OK)
        return err;
    *reading->sections_end = section;
    reading->sections_end = &section->next;
    reading->section = section;
    reading->lines_end = &section->lines;
    return OK;
}

/* A value of a section is often a secret, or a command: what looks like a comment behind it must
 * not be cut off, nor taken along, without a word. */
static enum err
check_section_value(struct str value, struct error *reterr)
{
    if (value.len == 0)
        return error_set(reterr, ERR_INVALID, "a value is missing");
    for (size_t i = 0; value.len > 1 && i < value.len; i++) {
        if (value.ptr[i] == ';' && (i == 0 || is_blank(value.ptr[i - 1])))
            return error_set(reterr, ERR_INVALID,
                "a comment needs a line of its own here; if the ; is part of the value, leave out "
                "the blank before it");
    }
    return check_text(value, "value", reterr);
}

static enum err
section_add(struct file_reading *reading, struct str name, struct str value)
{
    struct error *error = &reading->error;
    struct config_line *line;
    enum err err = section_check_name(reading->section->kind, name, error);

    if (err != OK)
        return err;
    err = check_section_value(value, error);
    if (err != OK) {
        (void)error_prefix(error, "%.*s", STR_FMT(name));
        return err;
    }
    line = ARENA_NEW(&reading->config->arena, struct config_line);
    if (line == NULL)
        return error_set(error, ERR_NOMEM, "out of memory");
    line->line = reading->line;
    err = copy(reading, name, &line->name);
    if (err == OK)
        err = copy(reading, value, &line->value);
    if (err != OK)
        return err;
    *reading->lines_end = line;
    reading->lines_end = &line->next;
    return OK;
}

/* --- settings --------------------------------------------------------------------------------- */

/* What stands before a ";" that follows a blank. */
static struct str
without_comment(struct str text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == ';' && is_blank(text.ptr[i - 1]))
            return str_slice(text, 0, i);
    }
    return text;
}

static enum err
setting_take(struct file_reading *reading, struct str name, struct str value)
{
    struct config *config = reading->config;
    size_t index = 0;
    enum err err = config_find(name, &index, &reading->error);

    if (err != OK)
        return err;
    if (config_options[index].type != CONFIG_TYPE_cidrs && config->origins[index] == CONFIG_FILE)
        return error_set(&reading->error, ERR_INVALID, "%.*s is set a second time", STR_FMT(name));
    err = config_set(config, index, value, CONFIG_FILE, &reading->error);
    if (err != OK)
        (void)error_prefix(&reading->error, "%.*s", STR_FMT(name));
    return err;
}

/* --- lines ------------------------------------------------------------------------------------ */

static enum err
pair_take(struct file_reading *reading, struct str line)
{
    size_t at = 0;
    struct str name;
    struct str value;

    while (at < line.len && line.ptr[at] != '=' && line.ptr[at] != ':')
        at++;
    if (at == line.len || without_comment(str_slice(line, 0, at)).len < at)
        return error_set(&reading->error, ERR_INVALID,
            "this is neither \"name = value\" nor a comment");
    name = str_trim(str_slice(line, 0, at));
    value = str_slice(line, at + 1, line.len);
    if (reading->section != NULL)
        return section_add(reading, name, str_trim(value));
    return setting_take(reading, name, str_trim(without_comment(value)));
}

static enum err
line_take(struct file_reading *reading, struct str line)
{
    if (line.len > CONFIG_LINE_BYTES_MAX)
        return error_set(&reading->error, ERR_INVALID, "the line is too long");
    if (line.len > 0 && memchr(line.ptr, '\0', line.len) != NULL)
        return error_set(&reading->error, ERR_INVALID, "the line holds a NUL");
    line = str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return OK;
    return line.ptr[0] == '[' ? section_begin(reading, line) : pair_take(reading, line);
}

enum err
config_read_text(struct config *config, const char *name, struct str text, struct error *reterr)
{
    struct file_reading reading = {
        .config = config,
        .name = name,
        .sections_end = &config->sections,
    };
    struct str rest = text;
    struct str line = {NULL, 0};

    if (str_starts(rest, STR("\xef\xbb\xbf")))
        rest = str_slice(rest, 3, rest.len);
    while (str_split(&rest, '\n', &line)) {
        enum err err;

        reading.line++;
        err = line_take(&reading, line);
        if (err != OK)
            return error_set(reterr, err, "%s:%d: %s", name, reading.line, reading.error.text);
    }
    return OK;
}
