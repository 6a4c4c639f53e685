/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/config_section.h"

#include "base/check.h"
#include "cli/config_table.h"
#include "receive/handler.h"
#include "receive/source.h"

static const char *const kind_names[] = {
    [SECTION_SOURCE] = "source",
    [SECTION_HANDLER] = "handler",
};

const char *
section_kind_name(enum config_section_kind kind)
{
    CHECK((unsigned)kind < COUNT_OF(kind_names));
    return kind_names[kind];
}

enum err
section_parse(struct str text, enum config_section_kind *ret_kind, struct str *ret_name,
    struct error *reterr)
{
    struct str rest = str_trim(text);
    size_t end = 0;
    struct str word;
    struct str name;

    while (end < rest.len && rest.ptr[end] != ' ' && rest.ptr[end] != '\t')
        end++;
    word = str_slice(rest, 0, end);
    name = str_trim(str_slice(rest, end, rest.len));
    for (size_t i = 0; i < COUNT_OF(kind_names); i++) {
        if (!str_equals(word, str_from(kind_names[i])))
            continue;
        if (name.len == 0)
            return error_set(reterr, ERR_INVALID, "[%s] lacks its name: [%s NAME]", kind_names[i],
                kind_names[i]);
        *ret_kind = (enum config_section_kind)i;
        *ret_name = name;
        return OK;
    }
    return error_set(reterr, ERR_INVALID,
        "there is no section [%.*s]: there are [source NAME] and [handler NAME]", STR_FMT(rest));
}

/* --- names ------------------------------------------------------------------------------------ */

struct name_search {
    struct str name;
    bool found;
    struct suggestion suggestion;
};

static void
search_in(struct name_search *search, const struct source_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equals(search->name, str_from(settings[i].name)))
            search->found = true;
        suggest_offer(&search->suggestion, settings[i].name);
    }
}

enum err
section_check_name(enum config_section_kind kind, struct str name, struct error *reterr)
{
    struct name_search search = {.name = name};
    const char *what = section_kind_name(kind);
    size_t index = 0;

    suggest_start(&search.suggestion, name);
    if (kind == SECTION_SOURCE) {
        search_in(&search, source_settings, source_setting_count);
    } else {
        search_in(&search, handler_settings, handler_setting_count);
        for (size_t i = 0; i < handler_kind_count; i++)
            search_in(&search, handler_kinds[i]->settings, handler_kinds[i]->setting_count);
    }
    if (search.found)
        return OK;
    if (config_find(name, &index, NULL) == OK)
        return error_set(reterr, ERR_INVALID,
            "%.*s is a setting of the program, not of a %s: it stands before the first section",
            STR_FMT(name), what);
    if (search.suggestion.best[0] != '\0')
        return error_set(reterr, ERR_INVALID, "a %s has no setting \"%.*s\": did you mean %s?",
            what, STR_FMT(name), search.suggestion.best);
    return error_set(reterr, ERR_INVALID, "a %s has no setting \"%.*s\": see usher help --example",
        what, STR_FMT(name));
}

/* "https://user:password@host/" */
static bool
holds_password(struct str value)
{
    static const struct str mark = {"://", 3};

    for (size_t i = 0; i + mark.len < value.len; i++) {
        struct str rest = str_slice(value, i, value.len);

        if (str_starts(rest, mark)) {
            rest = str_slice(rest, mark.len, rest.len);
            return str_find(str_slice(rest, 0, str_find(rest, '/', 0)), '@', 0) != SIZE_MAX;
        }
    }
    return false;
}

bool
section_is_secret(enum config_section_kind kind, const struct config_line *line)
{
    /* Digests of passwords are among them: a short one can be found out from its digest. */
    static const struct {
        enum config_section_kind kind;
        const char *name;
    } secrets[] = {
        {SECTION_SOURCE, "basic"},
        {SECTION_SOURCE, "basic-sha256"},
        {SECTION_SOURCE, "header-value"},
        {SECTION_SOURCE, "secret"},
        {SECTION_HANDLER, "environment"}, /* a key of some service, as often as not */
        {SECTION_HANDLER, "header"},      /* Authorization */
        {SECTION_HANDLER, "password"},
        {SECTION_HANDLER, "secret"},
    };

    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        if (secrets[i].kind == kind && str_equals(line->name, str_from(secrets[i].name)))
            return true;
    }
    return holds_password(line->value);
}

/* --- from the tables -------------------------------------------------------------------------- */

static void
manual_list(struct buf *buf, const struct source_setting *settings, size_t count)
{
    buf_append_literal(buf, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < count; i++) {
        buf_printf(buf, ".It Ic %s No = Ar %s\n", settings[i].name, settings[i].argument);
        config_append_wrapped(buf, "", 0, settings[i].help);
        buf_append_literal(buf, ".\n");
    }
    buf_append_literal(buf, ".El\n");
}

void
section_manual(struct buf *buf)
{
    buf_append_literal(buf,
        ".Sh SOURCES AND HANDLERS\n"
        "Behind the settings the file has a section for each source, which is who may call, at\n"
        ".Pa /in/NAME ,\n"
        "and for each handler, which is what is then done with it:\n"
        ".Bd -literal -offset indent\n"
        "[source NAME]\n"
        "accept = token\n"
        "\n"
        "[handler NAME]\n"
        "type = exec\n"
        ".Ed\n"
        ".Pp\n"
        "A comment has a line of its own there.\n"
        "A file with a secret in it must be readable by its owner alone.\n"
        ".Pp\n"
        "Of a source:\n");
    manual_list(buf, source_settings, source_setting_count);
    buf_append_literal(buf, ".Pp\nOf every handler:\n");
    manual_list(buf, handler_settings, handler_setting_count);
    for (size_t i = 0; i < handler_kind_count; i++) {
        buf_printf(buf, ".Pp\nOf one with\n.Ql type = %s :\n", handler_kinds[i]->name);
        manual_list(buf, handler_kinds[i]->settings, handler_kinds[i]->setting_count);
    }
}

static void
example_of(struct buf *buf, const struct source_setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_append_literal(buf, "\n# ");
        config_append_wrapped(buf, "# ", 2, settings[i].help);
        buf_printf(buf, ".\n#%s = %s\n", settings[i].name, settings[i].argument);
    }
}

void
section_example(struct buf *buf)
{
    buf_append_literal(buf,
        "\n# Sections stand behind all settings. Each source is who may call, at /in/NAME.\n"
        "\n#[source NAME]\n");
    example_of(buf, source_settings, source_setting_count);
    buf_append_literal(buf, "\n# Each handler is what is then done with it.\n\n#[handler NAME]\n");
    example_of(buf, handler_settings, handler_setting_count);
    for (size_t i = 0; i < handler_kind_count; i++) {
        buf_printf(buf, "\n# With type = %s:\n", handler_kinds[i]->name);
        example_of(buf, handler_kinds[i]->settings, handler_kinds[i]->setting_count);
    }
}
