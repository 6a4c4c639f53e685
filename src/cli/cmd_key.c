/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cli/cmd.h"
#include "domain/account.h"
#include "os/clock.h"
#include "os/random.h"
#include "store/accounts.h"
#include "store/store.h"

#define LIST_PAGE        250
#define LIST_ARENA_BYTES (1024 * 1024)
#define LIST_BYTES_MAX   (64 * 1024 * 1024)

struct key_arguments {
    const char *account;
    const char *name;
    const char *scopes;
    const char *expires;
    bool is_admin;
};

static enum err
open_store(const struct config *config, struct engine **ret, struct error *reterr)
{
    const struct store_options options = {
        .path = config_db_path(config),
        .key_path = config->secret_key_file,
        .key_hex = config->secret_key,
        .clock = &clock_system,
    };

    return store_open_beside(&options, ret, reterr);
}

/* --- create --- */

static enum err
parse_scopes(const char *text, unsigned *ret, struct error *reterr)
{
    struct str rest = str_from(text);
    struct str piece = {NULL, 0};
    unsigned scopes = 0;

    while (str_split(&rest, ',', &piece)) {
        enum scope scope = SCOPE_NONE;

        if (scope_parse(str_trim(piece), &scope) != OK)
            return error_set(reterr, ERR_INVALID,
                "--scopes: \"%.*s\" is none of read, write, inbox", STR_FMT(str_trim(piece)));
        scopes |= (unsigned)scope;
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
        .scopes = SCOPES_OF_ACCOUNT,
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

/* It is made when there is none of that name: the database may be new. */
static enum err
find_account(struct engine *engine, const struct account *wanted, int64_t *ret_pk,
    struct error *reterr)
{
    struct account account = {0};
    struct arena arena;
    enum err err;

    arena_init(&arena, 4096);
    err = account_find(engine, wanted->name, &arena, &account, reterr);
    arena_done(&arena);
    if (err == ERR_NOT_FOUND) {
        err = account_create(engine, wanted, &account.pk, reterr);
        if (err == OK)
            (void)fprintf(stderr, "usher: the account \"%.*s\" is new\n", STR_FMT(wanted->name));
    }
    if (err == OK)
        *ret_pk = account.pk;
    return err;
}

/* account: whose it is, but for an admin key. */
static enum err
store_key(struct engine *engine, struct account *account, struct api_key *key, const char *text,
    struct error *reterr)
{
    struct id_source ids;
    uint8_t random[8];
    enum err err = engine_begin(engine, reterr);

    if (err != OK)
        return err;
    random_bytes(random, sizeof(random));
    id_source_init(&ids, random);
    key->id = id_make(&ids, key->created);
    account->id = id_make(&ids, key->created);
    if ((key->scopes & SCOPE_ADMIN) == 0)
        err = find_account(engine, account, &key->account_pk, reterr);
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
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct api_key key = {0};
    struct account account = {0};
    char text[KEY_TEXT_BYTES];
    uint8_t random[32];
    enum err err = parse_arguments(arguments, clock_walltime(&clock_system), &key, reterr);

    if (err == OK)
        err = open_store(config, &engine, reterr);
    if (err != OK)
        return err;
    if (!arguments->is_admin)
        account.name = str_from(arguments->account);
    account.rate_limit = (double)config->account_rate;
    account.created = account.updated = key.created;
    random_bytes(random, sizeof(random));
    key_format(random, text);
    wipe(random, sizeof(random));
    err = store_key(engine, &account, &key, text, reterr);
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

/* --- list --- */

static void
print_time(struct buf *text, struct walltime at, const char *none)
{
    char time[WALLTIME_TEXT_BYTES];

    if (at.us != 0)
        walltime_format(at, time);
    buf_printf(text, "\t%s", at.us != 0 ? time : none);
}

/* Columns with a tab between: a name may have spaces, but no tab. */
static void
print_key(struct buf *text, const struct api_key *key)
{
    static const enum scope scopes[] = {SCOPE_READ, SCOPE_WRITE, SCOPE_INBOX, SCOPE_ADMIN};

    char id[ID_TEXT_BYTES];
    const char *separator = "\t";

    id_format(key->id, id);
    buf_printf(text, "%s\t...%.*s\t%.*s", id, STR_FMT(key->hint),
        STR_FMT(key->account_name.ptr != NULL ? key->account_name : STR("-")));
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        if ((key->scopes & (unsigned)scopes[i]) == 0)
            continue;
        buf_printf(text, "%s%s", separator, scope_name(scopes[i]));
        separator = ",";
    }
    print_time(text, key->created, "-");
    print_time(text, key->expires, "never");
    buf_printf(text, "\t%.*s\n", STR_FMT(key->name));
}

static enum err
list_page(struct engine *engine, struct key_query *query, struct buf *text, struct error *reterr)
{
    struct key_list list = {0};
    struct arena arena;
    enum err err;

    arena_init(&arena, LIST_ARENA_BYTES);
    err = key_list(engine, query, &arena, &list, reterr);
    for (size_t i = 0; err == OK && i < list.count; i++)
        print_key(text, &list.list[i]);
    query->before_pk = err == OK && list.count == LIST_PAGE ? list.list[list.count - 1].pk : 0;
    arena_done(&arena);
    return err;
}

static enum err
list(const struct config *config, const char *account_name, struct buf *text, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct key_query query = {.before_pk = INT64_MAX, .limit = LIST_PAGE};
    struct account account = {0};
    struct arena arena;
    enum err err = open_store(config, &engine, reterr);

    if (err == OK && account_name != NULL) {
        arena_init(&arena, 4096);
        err = account_find(engine, str_from(account_name), &arena, &account, reterr);
        arena_done(&arena);
        query.is_of_account = true;
        query.account_pk = account.pk;
    }
    while (err == OK && query.before_pk != 0)
        err = list_page(engine, &query, text, reterr);
    return err;
}

enum exit_code
cmd_key_list(int argc, const char *const *argv)
{
    const char *account = NULL;
    const struct command_option options[] = {
        {"account", "NAME", "Only the keys of this account", &account, NULL},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    struct error error = {.code = OK};
    struct config config;
    struct buf text;
    enum exit_code code = EXIT_STOPPED;

    if (!cmd_start(&config, &line, "usher key list [--account NAME] [OPTION...]", &code))
        return code;
    buf_init(&text, LIST_BYTES_MAX);
    if (list(&config, account, &text, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    if (code == EXIT_STOPPED)
        return cmd_print(&text);
    buf_done(&text);
    return code;
}

/* --- delete --- */

static enum err
take_away(const struct config *config, const char *id_text, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct api_key key;
    struct arena arena;
    struct id id;
    enum err err;

    if (id_text == NULL || id_parse(str_from(id_text), &id) != OK)
        return error_set(reterr, ERR_INVALID,
            "key delete takes the ID of a key, 24 hex digits: usher key list shows them");
    err = open_store(config, &engine, reterr);
    if (err == OK)
        err = engine_begin(engine, reterr);
    if (err != OK)
        return err;
    arena_init(&arena, 4096);
    err = key_get(engine, id, &arena, &key, reterr);
    arena_done(&arena);
    if (err == OK)
        err = key_delete(engine, key.pk, reterr);
    if (err == OK)
        return engine_commit(engine, reterr);
    engine_rollback(engine);
    return err;
}

enum exit_code
cmd_key_delete(int argc, const char *const *argv)
{
    const char *id = NULL;
    struct command_line line = {.argc = argc, .argv = argv, .operand = "ID", .ret_operand = &id};
    struct error error = {.code = OK};
    struct config config;
    enum exit_code code = EXIT_STOPPED;

    if (!cmd_start(&config, &line, "usher key delete ID [OPTION...]", &code))
        return code;
    if (take_away(&config, id, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    return code;
}
