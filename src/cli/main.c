/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usher: the table of commands.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/suggest.h"
#include "os/fault.h"

static const struct command {
    const char *words[2]; /* the second is NULL where one is enough */
    enum exit_code (*run)(int argc, const char *const *argv);
} commands[] = {
    {{"serve", NULL}, cmd_serve},
    {{"key", "create"}, cmd_key_create},
    {{"key", "list"}, cmd_key_list},
    {{"key", "delete"}, cmd_key_delete},
    {{"backup", NULL}, cmd_backup},
    {{"restore", NULL}, cmd_restore},
    {{"db", "check"}, cmd_db_check},
    {{"config", "check"}, cmd_config_check},
    {{"config", "show"}, cmd_config_show},
    {{"help", NULL}, cmd_help},
    {{"--help", NULL}, cmd_help},
    {{"-h", NULL}, cmd_help},
    {{"version", NULL}, cmd_version},
    {{"--version", NULL}, cmd_version},
    {{"-V", NULL}, cmd_version},
};

/* Offer the words that may stand after what was right so far. */
static enum exit_code
refuse(const char *before, const char *word)
{
    struct suggestion suggestion;

    suggest_start(&suggestion, str_from(word));
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *const *words = commands[i].words;

        if (before == NULL)
            suggest_offer(&suggestion, words[0]);
        else if (words[1] != NULL && strcmp(words[0], before) == 0)
            suggest_offer(&suggestion, words[1]);
    }
    (void)fprintf(stderr, "usher: there is no command \"%s%s%s\"", before != NULL ? before : "",
        before != NULL ? " " : "", word);
    if (suggestion.best[0] != '\0')
        (void)fprintf(stderr, ": did you mean \"%s%s%s\"?\n", before != NULL ? before : "",
            before != NULL ? " " : "", suggestion.best);
    else
        (void)fprintf(stderr, ": see usher help\n");
    return EXIT_USAGE;
}

#ifdef USHER_FAULTS
/* USHER_CRASH=store.commit.before:7 kills the process at that site the seventh time. */
static void
arm_crash(const char *text)
{
    const char *colon = text != NULL ? strchr(text, ':') : NULL;
    static char site[64];
    int64_t nth = 1;

    if (text == NULL)
        return;
    if (colon != NULL && str_to_int64(str_from(colon + 1), &nth) != OK)
        nth = 1;
    (void)snprintf(site, sizeof(site), "%.*s",
        (int)(colon != NULL ? (size_t)(colon - text) : strlen(text)), text);
    crash_arm(site, (uint64_t)nth);
}
#endif

int
main(int argc, char **argv)
{
    const char *const *words = (const char *const *)argv;
    bool is_known = false;

#ifdef USHER_FAULTS
    arm_crash(getenv("USHER_CRASH"));
#endif
    if (argc < 2) {
        (void)fprintf(stderr, "usher: a command is missing: see usher help\n");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];

        if (strcmp(argv[1], command->words[0]) != 0)
            continue;
        is_known = true;
        if (command->words[1] == NULL)
            return (int)command->run(argc - 2, words + 2);
        if (argc > 2 && strcmp(argv[2], command->words[1]) == 0)
            return (int)command->run(argc - 3, words + 3);
    }
    if (is_known && argc == 2) {
        (void)fprintf(stderr, "usher: %s takes a second word: see usher help\n", argv[1]);
        return EXIT_USAGE;
    }
    if (is_known)
        return (int)refuse(argv[1], argv[2]);
    return (int)refuse(NULL, argv[1]);
}
