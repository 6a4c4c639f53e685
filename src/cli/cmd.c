/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"

#include <stdio.h>
#include <unistd.h>

#include "base/digest.h"
#include "os/files.h"

/* An overview, a list of settings or the manual page. */
#define PRINT_BYTES_MAX (256 * 1024)

const char *const *
cmd_environment(void)
{
    return (const char *const *)environ;
}

enum err
cmd_key_path(const struct config *config, char ret[CMD_PATH_BYTES], struct error *reterr)
{
    const char *path =
        config->secret_key_file != NULL ? config->secret_key_file : config_db_path(config);
    const char *ending = config->secret_key_file != NULL ? "" : ".key";
    int len = config->secret_key != NULL ? snprintf(ret, CMD_PATH_BYTES, "USHER_SECRET_KEY")
                                         : snprintf(ret, CMD_PATH_BYTES, "%s%s", path, ending);

    if (len < 0 || len >= CMD_PATH_BYTES)
        return error_set(reterr, ERR_INVALID, "the path of the key is too long");
    return OK;
}

static bool
is_one_line(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    }
    return text.len > 0;
}

enum err
cmd_read_secret(const char *name, const char *text, const char *path, struct buf *secret,
    struct error *reterr)
{
    enum err err = OK;
    struct str found;
    struct buf raw;

    if (text != NULL && path != NULL)
        return error_set(reterr, ERR_INVALID, "--%s and --%s-file say the same: leave out one",
            name, name);
    if (text == NULL && path == NULL)
        return OK;
    buf_init(&raw, CMD_SECRET_BYTES_MAX);
    if (path != NULL)
        err = file_read_secret(path, &raw, reterr);
    else
        buf_append_str(&raw, str_from(text));
    found = str_trim(buf_str(&raw));
    if (err == OK && (buf_is_full(&raw) || !is_one_line(found)))
        err = error_set(reterr, ERR_INVALID, "--%s%s: one line of 1 to %d bytes is expected", name,
            path != NULL ? "-file" : "", CMD_SECRET_BYTES_MAX);
    if (err == OK)
        buf_append_str(secret, found);
    if (raw.ptr != NULL)
        wipe(raw.ptr, raw.len);
    buf_done(&raw);
    return err;
}

enum err
cmd_read_number(const char *name, const char *text, int64_t max, int64_t *ret, struct error *reterr)
{
    int64_t number = 0;

    if (text == NULL)
        return OK;
    if (str_to_int64(str_from(text), &number) != OK || number < 1 || number > max)
        return error_set(reterr, ERR_INVALID, "--%s: \"%s\" is not a number from 1 to %lld", name,
            text, (long long)max);
    *ret = number;
    return OK;
}

enum exit_code
cmd_fail(const struct error *error)
{
    (void)fprintf(stderr, "usher: %s\n", error->text);
    switch (error->code) {
    case OK:
    case ERR_BUSY:
    case ERR_DISK:
    case ERR_IO:
    case ERR_NOMEM: return EXIT_FAILED;
    case ERR_INVALID:
    case ERR_DENIED:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_LIMIT: return EXIT_USAGE;
    }
    UNREACHABLE;
}

enum exit_code
cmd_print(struct buf *buf)
{
    struct str text = buf_str(buf);
    bool failed = buf_is_full(buf) || fwrite(text.ptr, 1, text.len, stdout) != text.len ||
                  fflush(stdout) != 0;

    buf_done(buf);
    if (!failed)
        return EXIT_STOPPED;
    (void)fprintf(stderr, "usher: cannot write to standard output\n");
    return EXIT_FAILED;
}

static enum exit_code
print_help(const struct command_line *line, const char *usage)
{
    struct buf text;

    buf_init(&text, PRINT_BYTES_MAX);
    buf_printf(&text, "usage: %s\n\n", usage);
    for (size_t i = 0; i < line->option_count; i++) {
        const struct command_option *option = &line->options[i];
        char name[64];

        (void)snprintf(name, sizeof(name), "--%s%s%s", option->name,
            option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
        buf_printf(&text, "  %-26s %s\n", name, option->help);
    }
    if (line->option_count > 0)
        buf_append_char(&text, '\n');
    buf_printf(&text, "  %-26s %s\n", "--config FILE", "Read settings from this file");
    config_help(line->listen, &text);
    return cmd_print(&text);
}

bool
cmd_start(struct config *config, struct command_line *line, const char *usage,
    enum exit_code *ret_code)
{
    struct error error = {.code = OK};
    enum err err = config_init(config, &error);

    if (err == OK)
        err = config_load(config, line, cmd_environment(), &error);
    if (err == OK && !line->asks_help)
        return true;
    *ret_code = err != OK ? cmd_fail(&error) : print_help(line, usage);
    /* Whatever could not be read of the settings is wrong use. */
    if (err == ERR_IO)
        *ret_code = EXIT_USAGE;
    config_done(config);
    return false;
}
