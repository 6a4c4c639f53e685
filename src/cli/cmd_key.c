/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cmd.h"
#include "domain/account.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/accounts.h"
#include "store/store.h"

struct key_arguments {
    const char *account;
    const char *name;
    const char *scopes;
    const char *expires;
    bool is_admin;
};

static const struct {
    const char *word;
    unsigned scope;
} scope_words[] = {{"read", SCOPE_READ}, {"write", SCOPE_WRITE}, {"inbox", SCOPE_INBOX}};

static enum err
parse_scopes(const char *text, unsigned *ret, struct error *reterr)
{
    struct str rest = str_from(text);
    struct str piece = {NULL, 0};
    unsigned scopes = 0;

    while (str_split(&rest, ',', &piece)) {
        unsigned scope = 0;

        for (size_t i = 0; i < COUNT_OF(scope_words); i++) {
            if (str_equals(str_trim(piece), str_from(scope_words[i].word)))
                scope = scope_words[i].scope;
        }
        if (scope == 0)
            return error_set(reterr, ERR_INVALID,
                "--scopes: \"%.*s\" is none of read, write, inbox", STR_FMT(str_trim(piece)));
        scopes |= scope;
    }
    *ret = scopes;
    return OK;
}

static enum err
parse_arguments(const struct key_arguments *arguments, struct walltime now, struct api_key *ret,
    struct error *reterr)
{
    struct api_key key = {
        .name = str_from(arguments->name != NULL ? arguments->name : "command line"),
        .scopes = SCOPE_READ | SCOPE_WRITE | SCOPE_INBOX,
        .created = now,
    };
    enum err err = OK;

    if (arguments->is_admin == (arguments->account != NULL))
        return error_set(reterr, ERR_INVALID,
            "a key is for one account: name it with --account, or make an --admin key");
    if (arguments->is_admin && arguments->scopes != NULL)
        return error_set(reterr, ERR_INVALID, "an admin key has no --scopes");
    if (!account_name_is_valid(key.name))
        return error_set(reterr, ERR_INVALID,
            "--name is 1 to 100 bytes of text without control characters");
    if (arguments->is_admin)
        key.scopes = SCOPE_ADMIN;
    if (arguments->scopes != NULL)
        err = parse_scopes(arguments->scopes, &key.scopes, reterr);
    if (err == OK && arguments->expires != NULL) {
        err = walltime_parse(str_from(arguments->expires), &key.expires);
        if (err != OK || key.expires.us <= now.us)
            return error_set(reterr, ERR_INVALID,
                "--expires is a moment to come, such as 2030-01-31T00:00:00Z");
    }
    if (err == OK)
        *ret = key;
    return err;
}

/* The account is made when there is none of that name: the database may be new. */
static enum err
find_account(struct engine *engine, const char *name, struct id_source *ids, struct walltime now,
    int64_t *ret_pk, struct error *reterr)
{
    struct account account = {0};
    struct arena arena;
    enum err err;

    arena_init(&arena, 4096);
    err = account_find(engine, str_from(name), &arena, &account, reterr);
    arena_done(&arena);
    if (err == ERR_NOT_FOUND) {
        err = account_create(engine, id_make(ids, now), str_from(name), now, &account.pk, reterr);
        if (err == OK)
            (void)fprintf(stderr, "usher: the account \"%s\" is new\n", name);
    }
    if (err == OK)
        *ret_pk = account.pk;
    return err;
}

static enum err
store_key(struct engine *engine, const struct key_arguments *arguments, struct api_key *key,
    const char *text, struct error *reterr)
{
    struct id_source ids;
    uint8_t random[8];
    enum err err = engine_begin(engine, reterr);

    if (err != OK)
        return err;
    random_bytes(random, sizeof(random));
    id_source_init(&ids, random);
    key->id = id_make(&ids, key->created);
    if (!arguments->is_admin)
        err =
            find_account(engine, arguments->account, &ids, key->created, &key->account_pk, reterr);
    if (err == OK)
        err = key_create(engine, key, str_from(text), reterr);
    if (err == OK)
        return engine_commit(engine, reterr);
    engine_rollback(engine);
    return err;
}

static enum err
create(const struct config *config, const struct key_arguments *arguments, struct error *reterr)
{
    struct store_options options = {
        .path = config_db_path(config),
        .key_path = config->secret_key_file,
        .key_hex = config->secret_key,
        .clock = &clock_system,
    };
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct api_key key = {0};
    char text[KEY_TEXT_BYTES];
    uint8_t random[32];
    enum err err = parse_arguments(arguments, clock_walltime(&clock_system), &key, reterr);

    if (err == OK)
        err = store_open_beside(&options, &engine, reterr);
    if (err != OK)
        return err;
    random_bytes(random, sizeof(random));
    key_format(random, text);
    wipe(random, sizeof(random));
    err = store_key(engine, arguments, &key, text, reterr);
    if (err == OK && (printf("%s\n", text) < 0 || fflush(stdout) != 0))
        err = error_set(reterr, ERR_IO,
            "cannot write to standard output: the key is lost, make another");
    wipe(text, sizeof(text));
    return err;
}

enum exit_code
cmd_key_create(int argc, const char *const *argv)
{
    struct key_arguments arguments = {0};
    const struct command_option options[] = {
        {"account", "NAME", "The account it opens; made when there is none of that name",
            &arguments.account, NULL},
        {"name", "TEXT", "What the key is for, to tell keys apart", &arguments.name, NULL},
        {"scopes", "LIST", "Of read, write and inbox, with commas; all when not given",
            &arguments.scopes, NULL},
        {"expires", "TIME", "Such as 2030-01-31T00:00:00Z; never when not given",
            &arguments.expires, NULL},
        {"admin", NULL, "A key for accounts and keys, instead of one for an account", NULL,
            &arguments.is_admin},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    struct error error = {.code = OK};
    struct config config;
    enum exit_code code = EXIT_STOPPED;

    if (!cmd_start(&config, &line, "usher key create --account NAME [OPTION...]", &code))
        return code;
    if (create(&config, &arguments, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    return code;
}
