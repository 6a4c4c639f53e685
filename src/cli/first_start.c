/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/first_start.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "domain/account.h"
#include "os/files.h"
#include "os/log.h"
#include "os/random.h"
#include "store/accounts.h"

struct first {
    struct store_call call;
    struct id_source *ids;
    struct walltime now;
    const char *key;
    int64_t account_count;
};

static enum err
count_run(struct store_call *call, struct engine *engine)
{
    struct first *self = CONTAINER_OF(call, struct first, call);

    return account_count(engine, &self->account_count, &call->error);
}

static enum err
create_run(struct store_call *call, struct engine *engine)
{
    struct first *self = CONTAINER_OF(call, struct first, call);
    struct api_key key = {
        .id = id_make(self->ids, self->now),
        .name = STR("first"),
        .scopes = SCOPES_OF_ACCOUNT,
        .created = self->now,
    };
    const struct account account = {
        .id = id_make(self->ids, self->now),
        .name = STR(FIRST_ACCOUNT),
        .created = self->now,
        .updated = self->now,
    };
    enum err err = account_create(engine, &account, &key.account_pk, &call->error);

    if (err != OK)
        return err;
    return key_create(engine, &key, str_from(self->key), &call->error);
}

/* On disk before the key is, or nobody might ever know it. A file of that name is of a database
 * that is no more: this one has never had a key. */
static enum err
write_key(const char *db_path, const char *key, char ret_path[PATH_MAX], struct error *reterr)
{
    char line[KEY_TEXT_BYTES + 1];
    int len = snprintf(ret_path, PATH_MAX, "%s.first-key", db_path);

    if (len < 0 || len >= PATH_MAX)
        return error_set(reterr, ERR_INVALID, "the database's path is too long");
    (void)snprintf(line, sizeof(line), "%s\n", key);
    (void)unlink(ret_path);
    return file_create_secret(ret_path, str_from(line), reterr);
}

static enum err
create(struct store *store, struct first *first, const char *db_path, struct error *reterr)
{
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    char path[PATH_MAX] = "";
    enum err err = OK;

    if (!is_terminal)
        err = write_key(db_path, first->key, path, reterr);
    if (err != OK)
        return err;
    first->call = (struct store_call){.run = create_run, .writes = true};
    err = store_run(store, &first->call);
    if (err != OK) {
        if (!is_terminal)
            (void)unlink(path);
        return error_set(reterr, err, "%s", first->call.error.text);
    }
    if (is_terminal)
        (void)fprintf(stderr,
            "The database is new. This key opens its account \"%s\"; it is shown only now:\n\n"
            "    %s\n\n",
            FIRST_ACCOUNT, first->key);
    else
        log_info("key.created", log_text("account", FIRST_ACCOUNT), log_text("file", path));
    return OK;
}

enum err
first_start(struct store *store, struct id_source *ids, const struct clock *clock,
    const char *db_path, struct error *reterr)
{
    struct first first = {.call = {.run = count_run}, .ids = ids, .now = clock_walltime(clock)};
    char key[KEY_TEXT_BYTES];
    uint8_t random[32];
    enum err err = store_run(store, &first.call);

    if (err != OK)
        return error_set(reterr, err, "%s", first.call.error.text);
    if (first.account_count > 0)
        return OK;
    random_bytes(random, sizeof(random));
    key_format(random, key);
    first.key = key;
    err = create(store, &first, db_path, reterr);
    wipe(random, sizeof(random));
    wipe(key, sizeof(key));
    return err;
}
