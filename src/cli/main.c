/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usher: the table of commands.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/suggest.h"
#include "os/fault.h"

#define WORDS_MAX 3

static const struct command {
    const char *words[WORDS_MAX]; /* NULL behind the last where there are fewer */
    enum exit_code (*run)(int argc, const char *const *argv);
} commands[] = {
    {{"serve", NULL}, cmd_serve},
    {{"receive", NULL}, cmd_receive},
    {{"inbox", "list"}, cmd_inbox_list},
    {{"inbox", "show"}, cmd_inbox_show},
    {{"inbox", "retry"}, cmd_inbox_retry},
    {{"inbox", "purge"}, cmd_inbox_purge},
    {{"inbox", "erase"}, cmd_inbox_erase},
    {{"inbox", "quarantine", "list"}, cmd_quarantine_list},
    {{"inbox", "quarantine", "show"}, cmd_quarantine_show},
    {{"inbox", "quarantine", "release"}, cmd_quarantine_release},
    {{"inbox", "quarantine", "clear"}, cmd_quarantine_clear},
    {{"key", "create"}, cmd_key_create},
    {{"key", "list"}, cmd_key_list},
    {{"key", "delete"}, cmd_key_delete},
    {{"backup", NULL}, cmd_backup},
    {{"restore", NULL}, cmd_restore},
    {{"db", "check"}, cmd_db_check},
    {{"config", "check"}, cmd_config_check},
    {{"config", "show"}, cmd_config_show},
    {{"subscribe", NULL}, cmd_subscribe},
    {{"send", NULL}, cmd_send},
    {{"listen", NULL}, cmd_listen},
    {{"help", NULL}, cmd_help},
    {{"--help", NULL}, cmd_help},
    {{"-h", NULL}, cmd_help},
    {{"version", NULL}, cmd_version},
    {{"--version", NULL}, cmd_version},
    {{"-V", NULL}, cmd_version},
};

/* So many of the arguments are the command's first words. */
static int
words_matched(const struct command *command, int argc, const char *const *argv)
{
    int count = 0;

    while (count < WORDS_MAX && count < argc && command->words[count] != NULL &&
           strcmp(command->words[count], argv[count]) == 0)
        count++;
    return count;
}

/* Offer the words that may stand after the first `known`, which are right. */
static enum exit_code
refuse(int known, const char *const *argv)
{
    struct suggestion suggestion;

    suggest_start(&suggestion, str_from(argv[known]));
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const char *const *words = commands[i].words;

        if (words_matched(&commands[i], known, argv) == known && words[known] != NULL)
            suggest_offer(&suggestion, words[known]);
    }
    (void)fputs("usher: there is no command \"", stderr);
    for (int i = 0; i < known; i++)
        (void)fprintf(stderr, "%s ", argv[i]);
    (void)fprintf(stderr, "%s\"", argv[known]);
    if (suggestion.best[0] == '\0') {
        (void)fputs(": see usher help\n", stderr);
        return EXIT_USAGE;
    }
    (void)fputs(": did you mean \"", stderr);
    for (int i = 0; i < known; i++)
        (void)fprintf(stderr, "%s ", argv[i]);
    (void)fprintf(stderr, "%s\"?\n", suggestion.best);
    return EXIT_USAGE;
}

static enum exit_code
refuse_short(int argc, const char *const *argv)
{
    (void)fputs("usher:", stderr);
    for (int i = 0; i < argc; i++)
        (void)fprintf(stderr, " %s", argv[i]);
    (void)fprintf(stderr, " takes a %s word: see usher help\n", argc == 1 ? "second" : "third");
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
    const char *const *words = (const char *const *)argv + 1;
    int count = argc - 1;
    int known = 0;

#ifdef USHER_FAULTS
    arm_crash(getenv("USHER_CRASH"));
#endif
    /* It tells a serving process to look at the store. Another that holds the lock just then, such
     * as a restore, is not to end by it. */
    (void)signal(SIGUSR1, SIG_IGN);
    if (count < 1) {
        (void)fprintf(stderr, "usher: a command is missing: see usher help\n");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        int matched = words_matched(command, count, words);

        if (matched == WORDS_MAX || (matched > 0 && command->words[matched] == NULL))
            return (int)command->run(count - matched, words + matched);
        known = matched > known ? matched : known;
    }
    return (int)(known == count ? refuse_short(count, words) : refuse(known, words));
}
