/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inbox_config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/config_section.h"

/* What the file is called in an error; sections come from a file alone, but for tests. */
static const char *
file_name(const struct config *config)
{
    return config->file != NULL ? config->file : "settings";
}

/* "file:line: [source NAME]: " before what is wrong. */
static enum err
place_error(const struct config *config, const struct config_section *section, int line,
    struct error *reterr)
{
    return error_prefix(reterr, "%s:%d: [%s %.*s]", file_name(config), line,
        section_kind_name(section->kind), STR_FMT(section->name));
}

static enum err
add_source(struct setup *setup, const struct config *config, const struct config_section *section,
    struct error *reterr)
{
    struct source *source = NULL;
    enum err err = setup_add_source(setup, section->name, &source, reterr);
    const struct config_line *line = NULL;

    if (err == OK) {
        for (line = section->lines; line != NULL; line = line->next) {
            err = source_set(source, &setup->arena, line->name, line->value, reterr);
            if (err != OK)
                break;
        }
    }
    if (err == OK)
        err = source_check(source, reterr);
    if (err != OK)
        (void)place_error(config, section, line != NULL ? line->line : section->line, reterr);
    return err;
}

static enum err
add_handler(struct setup *setup, const struct config *config, const struct config_section *section,
    struct error *reterr)
{
    struct handler *handler = NULL;
    enum err err = setup_add_handler(setup, section->name, &handler, reterr);
    const struct config_line *line = NULL;

    if (err == OK) {
        for (line = section->lines; line != NULL; line = line->next) {
            err = handler_set(handler, &setup->arena, line->name, line->value, reterr);
            if (err != OK)
                break;
        }
    }
    if (err == OK)
        err = handler_check(handler, reterr);
    if (err != OK)
        (void)place_error(config, section, line != NULL ? line->line : section->line, reterr);
    return err;
}

static enum err
add_proxies(struct setup *setup, const struct config *config, struct error *reterr)
{
    const struct config_list *list = &config->trusted_proxy;
    struct cidr *proxies = NULL;

    if (list->count == 0)
        return OK;
    proxies = arena_alloc_array(&setup->arena, list->count, sizeof(*proxies));
    if (proxies == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < list->count; i++) {
        enum err err = cidr_parse(str_from(list->items[i]), &proxies[i], reterr);

        if (err != OK)
            return err;
    }
    setup->proxies = proxies;
    setup->proxy_count = list->count;
    return OK;
}

static const struct config_line *
find_secret(const struct config *config, const struct config_section **ret_section)
{
    for (const struct config_section *section = config->sections; section != NULL;
         section = section->next) {
        for (const struct config_line *line = section->lines; line != NULL; line = line->next) {
            if (section_is_secret(section->kind, line)) {
                *ret_section = section;
                return line;
            }
        }
    }
    return NULL;
}

static enum err
check_mode(const struct config *config, struct error *reterr)
{
    const struct config_section *section = NULL;
    const struct config_line *secret = find_secret(config, &section);
    struct stat status;

    if (secret == NULL || config->file == NULL)
        return OK;
    if (stat(config->file, &status) != 0)
        return error_set(reterr, ERR_IO, "%s: %s", config->file, strerrordesc_np(errno));
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return OK;
    (void)error_set(reterr, ERR_DENIED,
        "%.*s: others than its owner may read this file (mode %04o): chmod 600 %s",
        STR_FMT(secret->name), (unsigned)status.st_mode & 07777U, config->file);
    (void)place_error(config, section, secret->line, reterr);
    return ERR_DENIED;
}

enum err
inbox_config_setup(const struct config *config, struct setup **ret, struct error *reterr)
{
    struct setup *setup = NULL;
    enum err err;

    if (config->sections == NULL)
        return error_set(reterr, ERR_NOT_FOUND,
            "%s%sthere is no [source NAME], so nobody to receive from: \"usher receive --init "
            "--public-url https://HOST\" writes an usher.conf with one",
            config->file != NULL ? config->file : "", config->file != NULL ? ": " : "");
    err = check_mode(config, reterr);
    if (err == OK)
        err = setup_new(&setup, reterr);
    if (err == OK)
        err = add_proxies(setup, config, reterr);
    for (const struct config_section *section = config->sections; err == OK && section != NULL;
         section = section->next)
        err = section->kind == SECTION_SOURCE ? add_source(setup, config, section, reterr)
                                              : add_handler(setup, config, section, reterr);
    if (err == OK) {
        err = setup_check(setup, reterr);
        if (err != OK)
            (void)error_prefix(reterr, "%s", file_name(config));
    }
    if (err != OK) {
        setup_drop(setup);
        return err;
    }
    *ret = setup;
    return OK;
}
