/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/command.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

/* What a shell does something with outside quotes, wherever it stands, and at the start of a word
 * alone. */
static const char specials[] = "|&;<>()$`*?[\n\r";
static const char specials_first[] = "#~";
static const char specials_quoted[] = "$`";

struct splitter {
    struct str text;
    size_t at;
    char *out; /* where the next byte of a word goes; never overtakes at */
    struct error *reterr;
};

static bool
is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum err
refuse_special(const struct splitter *splitter, char c)
{
    char shown[3] = {c, '\0', '\0'};

    if (c == '\n' || c == '\r')
        memcpy(shown, c == '\n' ? "\\n" : "\\r", sizeof(shown));
    return error_set(splitter->reterr, ERR_INVALID,
        "character %zu, %s, would mean something to a shell, and none runs here: "
        "put it in single quotes, or run a script or sh -c '…'",
        splitter->at + 1, shown);
}

/* From behind the opening quote to behind the closing one. */
static enum err
take_single(struct splitter *splitter)
{
    size_t end = str_find(splitter->text, '\'', splitter->at);

    if (end == SIZE_MAX)
        return error_set(splitter->reterr, ERR_INVALID,
            "the single quote at character %zu is not closed", splitter->at);
    memcpy(splitter->out, splitter->text.ptr + splitter->at, end - splitter->at);
    splitter->out += end - splitter->at;
    splitter->at = end + 1;
    return OK;
}

static enum err
take_double(struct splitter *splitter)
{
    size_t opened = splitter->at;

    while (splitter->at < splitter->text.len) {
        char c = splitter->text.ptr[splitter->at];

        if (c == '"') {
            splitter->at++;
            return OK;
        }
        if (is_one_of(c, specials_quoted))
            return refuse_special(splitter, c);
        if (c == '\\' && splitter->at + 1 < splitter->text.len &&
            is_one_of(splitter->text.ptr[splitter->at + 1], "$`\"\\"))
            c = splitter->text.ptr[++splitter->at];
        *splitter->out++ = c;
        splitter->at++;
    }
    return error_set(splitter->reterr, ERR_INVALID,
        "the double quote at character %zu is not closed", opened);
}

/* One word, from its first character on. */
static enum err
take_word(struct splitter *splitter)
{
    enum err err = OK;

    if (is_one_of(splitter->text.ptr[splitter->at], specials_first))
        return refuse_special(splitter, splitter->text.ptr[splitter->at]);
    while (err == OK && splitter->at < splitter->text.len) {
        char c = splitter->text.ptr[splitter->at];

        if (is_blank(c))
            break;
        if (is_one_of(c, specials))
            return refuse_special(splitter, c);
        splitter->at++;
        if (c == '\'') {
            err = take_single(splitter);
        } else if (c == '"') {
            err = take_double(splitter);
        } else {
            if (c == '\\' && splitter->at == splitter->text.len)
                return error_set(splitter->reterr, ERR_INVALID,
                    "a backslash is its last character: it must stand before another one");
            if (c == '\\')
                c = splitter->text.ptr[splitter->at++];
            *splitter->out++ = c;
        }
    }
    return err;
}

enum err
command_split(struct str text, struct arena *arena, struct command *ret, struct error *reterr)
{
    struct splitter splitter = {.text = text, .reterr = reterr};
    const char **words = arena_alloc_array(arena, COMMAND_WORDS_MAX + 1, sizeof(*words));
    /* A word gives at most its own length, and the blank or the end behind it becomes its NUL. */
    char *out = arena_alloc(arena, text.len + 1);
    size_t count = 0;

    if (words == NULL || out == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    if (str_find(text, '\0', 0) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID, "it holds a NUL byte");
    splitter.out = out;
    for (;;) {
        enum err err;

        while (splitter.at < text.len && is_blank(text.ptr[splitter.at]))
            splitter.at++;
        if (splitter.at == text.len)
            break;
        if (count == COMMAND_WORDS_MAX)
            return error_set(reterr, ERR_INVALID, "it has more than %d words: write a script",
                COMMAND_WORDS_MAX);
        words[count++] = splitter.out;
        err = take_word(&splitter);
        if (err != OK)
            return err;
        *splitter.out++ = '\0';
        CHECK(splitter.out <= out + text.len + 1);
    }
    if (count == 0 || words[0][0] == '\0')
        return error_set(reterr, ERR_INVALID, "it names no program");
    *ret = (struct command){.words = words, .count = count};
    return OK;
}

/* NULL when it can be run, else why not. */
static const char *
program_is_wrong(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return "is not there, or its folder may not be entered";
    if (!S_ISREG(status.st_mode))
        return "is no file";
    if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return "may not be executed by us: chmod +x, or another user";
    return NULL;
}

static enum err
refuse_program(const char *path, const char *wrong, struct error *reterr)
{
    return error_set(reterr, ERR_INVALID, "%s %s", path, wrong);
}

static enum err
find_in(struct str word, struct str path, struct arena *arena, const char **ret,
    struct error *reterr)
{
    const char *found = NULL; /* and cannot be run, for this reason: */
    const char *why = NULL;
    struct str rest = path;
    struct str folder;

    while (str_split(&rest, ':', &folder)) {
        const char *wrong;
        struct str tried;

        /* A folder that depends on where we were started is no place for programs. */
        if (folder.len == 0 || folder.ptr[0] != '/')
            continue;
        tried = arena_printf(arena, "%.*s/%.*s", STR_FMT(folder), STR_FMT(word));
        if (tried.ptr == NULL)
            return error_set(reterr, ERR_NOMEM, "out of memory");
        wrong = program_is_wrong(tried.ptr);
        if (wrong == NULL) {
            *ret = tried.ptr;
            return OK;
        }
        if (found == NULL && access(tried.ptr, F_OK) == 0) {
            found = tried.ptr;
            why = wrong;
        }
    }
    if (found != NULL)
        return refuse_program(found, why, reterr);
    return error_set(reterr, ERR_INVALID, "there is no program %.*s in any folder of the PATH %.*s",
        STR_FMT(word), STR_FMT(path));
}

enum err
command_find(struct str word, struct str path, struct arena *arena, const char **ret,
    struct error *reterr)
{
    struct str copy;
    const char *wrong;

    if (str_find(word, '/', 0) == SIZE_MAX)
        return find_in(word, path, arena, ret, reterr);
    if (word.ptr[0] != '/')
        return error_set(reterr, ERR_INVALID,
            "%.*s is relative: write the whole path, or the name alone to have it looked for",
            STR_FMT(word));
    copy = arena_copy(arena, word);
    if (copy.ptr == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    wrong = program_is_wrong(copy.ptr);
    if (wrong != NULL)
        return refuse_program(copy.ptr, wrong, reterr);
    *ret = copy.ptr;
    return OK;
}
