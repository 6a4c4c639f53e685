/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* More copies than this of one schema mean that somebody should look first. */
#define COPIES_MAX 100

static const struct migration schema[] = {

#include "store/schema_files.inc"
};

int64_t
migrate_newest(void)
{
    return (int64_t)COUNT_OF(schema);
}

enum err
migrate_version(struct engine *engine, int64_t *ret, struct error *reterr)
{
    return engine_get_int(engine, ret, reterr, "PRAGMA user_version");
}

static enum err
sync_path(const char *path, struct error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0;

    if (failed)
        (void)error_set(reterr, ERR_IO, "cannot sync %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return failed ? ERR_IO : OK;
}

/* A name beside the database that nobody has yet, taken with an empty file of ours: the engine
 * copies into one, and would itself make a file that others may read. */
static enum err
copy_create(const char *path, int64_t version, char ret_path[PATH_MAX], struct error *reterr)
{
    char name[PATH_MAX];

    for (int i = 1; i <= COPIES_MAX; i++) {
        int len = snprintf(name, sizeof(name), "%s.schema-%lld.%d", path, (long long)version, i);
        int fd;

        if (len < 0 || (size_t)len >= sizeof(name))
            return error_set(reterr, ERR_INVALID, "the database's path is too long");
        fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd >= 0) {
            (void)close(fd);
            memcpy(ret_path, name, sizeof(name));
            return OK;
        }
        if (errno != EEXIST)
            return error_set(reterr, ERR_IO, "cannot create %s: %s", name, strerror(errno));
    }
    return error_set(reterr, ERR_LIMIT, "%s and %d more copies exist: remove old ones", name,
        COPIES_MAX - 1);
}

static enum err
copy_first(struct engine *engine, const char *path, int64_t version, struct error *reterr)
{
    char copy[PATH_MAX];
    enum err err = copy_create(path, version, copy, reterr);

    if (err != OK)
        return err;
    err = engine_run(engine, reterr, "VACUUM INTO ?1", v_text(str_from(copy)));
    if (err == OK)
        err = sync_path(copy, reterr);
    if (err != OK) {
        (void)unlink(copy);
        (void)error_prefix(reterr, "copy before migration");
    }
    return err;
}

static enum err
step_apply(struct engine *engine, const struct migration *step, size_t number, struct error *reterr)
{
    char version[64];
    enum err err = engine_begin(engine, reterr);

    if (err != OK)
        return err;
    (void)snprintf(version, sizeof(version), "PRAGMA user_version = %zu", number);
    err = engine_exec(engine, step->sql, reterr);
    if (err == OK)
        err = engine_exec(engine, version, reterr);
    if (err == OK)
        err = engine_commit(engine, reterr);
    else
        engine_rollback(engine);
    if (err != OK)
        (void)error_prefix(reterr, "schema %s", step->name);
    return err;
}

enum err
migrate_by(struct engine *engine, const char *path, const struct migration *steps, size_t count,
    struct error *reterr)
{
    int64_t newest = (int64_t)count;
    int64_t version = 0;
    int64_t tables = 0;
    enum err err = migrate_version(engine, &version, reterr);

    if (err == OK)
        err = engine_get_int(engine, &tables, reterr, "SELECT count(*) FROM sqlite_schema");
    if (err != OK)
        return err;
    if (version > newest)
        return error_set(reterr, ERR_CONFLICT,
            "%s has schema %lld, this program knows up to %lld: use a newer usher", path,
            (long long)version, (long long)newest);
    if (version < 0 || (version == 0 && tables > 0))
        return error_set(reterr, ERR_CONFLICT,
            "%s is another program's database: name another file with --db", path);
    if (version > 0 && version < newest)
        err = copy_first(engine, path, version, reterr);
    for (size_t i = (size_t)version; err == OK && i < count; i++)
        err = step_apply(engine, &steps[i], i + 1, reterr);
    return err;
}

enum err
migrate(struct engine *engine, const char *path, struct error *reterr)
{
    return migrate_by(engine, path, schema, COUNT_OF(schema), reterr);
}
