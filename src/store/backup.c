/* SPDX-License-Identifier: Apache-2.0 */
#include "store/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/file_lock.h"
#include "store/migrate.h"
#include "store/secrets.h"

/* Restored more often than this in one second: somebody should look first. */
#define NAMES_MAX 100

static enum err
path_with(const char *path, const char *ending, char ret[DISK_PATH_BYTES], struct error *reterr)
{
    int len = snprintf(ret, DISK_PATH_BYTES, "%s%s", path, ending);

    if (len < 0 || len >= DISK_PATH_BYTES)
        return error_set(reterr, ERR_INVALID, "the path is too long: %.100s", path);
    return OK;
}

/* SQLite's files beside a database that was not closed, or is open. */
static const char *const side_files[] = {"-wal", "-shm", "-journal"};

static void
remove_with_sides(const char *path)
{
    char side[DISK_PATH_BYTES];

    (void)unlink(path);
    for (size_t i = 0; i < COUNT_OF(side_files); i++) {
        if (path_with(path, side_files[i], side, NULL) == OK)
            (void)unlink(side);
    }
}

/* ERR_NOT_FOUND when it is not there. */
static enum err
must_exist(const char *path, const char *what, const char *advice, struct error *reterr)
{
    bool exists = false;
    int64_t bytes = 0;
    enum err err = disk_look(path, &exists, &bytes, reterr);

    if (err == OK && !exists)
        return error_set(reterr, ERR_NOT_FOUND, "there is no %s %s%s", what, path, advice);
    return err;
}

/* --- what is in it ---------------------------------------------------------------------------- */

static enum err
check_ours(struct engine *engine, int64_t *ret_schema, struct error *reterr)
{
    int64_t schema = 0;
    enum err err = migrate_version(engine, &schema, reterr);

    if (err != OK)
        return err;
    if (schema < 1)
        return error_set(reterr, ERR_CONFLICT, "it is no database of usher");
    *ret_schema = schema;
    return OK;
}

static enum err
look_inside(struct engine *engine, const char *path, struct backup *ret, struct error *reterr)
{
    struct backup backup = {.bytes = 0};
    bool exists = false;
    enum err err = disk_look(path, &exists, &backup.bytes, reterr);

    if (err == OK)
        err = check_ours(engine, &backup.schema, reterr);
    if (err == OK)
        err = engine_get_int(engine, &backup.events, reterr,
            "SELECT count(*) FROM event WHERE event_pk > ?1", v_int(0));
    if (err == OK)
        err = engine_get_int(engine, &backup.fanouts_open, reterr,
            "SELECT count(*) FROM fanout WHERE status = 'sending' AND hook_pk > ?1", v_int(0));
    if (err == OK && backup.events > 0)
        err = engine_get_int(engine, &backup.until.us, reterr,
            "SELECT created_us FROM event WHERE event_pk > ?1 ORDER BY event_pk DESC LIMIT 1",
            v_int(0));
    if (err == OK)
        *ret = backup;
    return err;
}

void
backup_tidy(const char *db_path)
{
    struct engine *engine = NULL;
    struct engine_options options = {.path = db_path};
    bool exists = false;
    int64_t bytes = 0;

    /* As the last connection it brings the log into the database when it closes. */
    if (disk_look(db_path, &exists, &bytes, NULL) == OK && exists)
        (void)!engine_open(&options, &engine, NULL);
    engine_close(engine);
}

/* --- writing a copy --------------------------------------------------------------------------- */

/* Through a connection that cannot change the database, into a file of ours. */
static enum err
copy_database(const char *db_path, const char *draft, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct engine_options options = {.path = db_path, .read_only = true};
    int64_t schema = 0;
    enum err err = engine_open(&options, &engine, reterr);

    if (err != OK)
        return err;
    err = check_ours(engine, &schema, reterr);
    /* It would keep the copy from being written, too. */
    if (err == OK)
        err = engine_exec(engine, "PRAGMA query_only = OFF", reterr);
    if (err == OK)
        err = engine_run(engine, reterr, "VACUUM INTO ?1", v_text(str_from(draft)));
    if (err != OK)
        (void)error_prefix(reterr, "%s cannot be copied", db_path);
    return err;
}

static enum err
look_at(const char *path, struct backup *ret, struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct engine_options options = {.path = path, .read_only = true};
    enum err err = engine_open(&options, &engine, reterr);

    return err == OK ? look_inside(engine, path, ret, reterr) : err;
}

/* Is it, or would it be, a file that stands beside the database and belongs to it? */
static bool
is_beside(const char *file, const char *db_path)
{
    static const char *const endings[] = {"-wal", "-shm", "-journal", ".lock", ".key"};
    size_t len = strlen(file);
    char path[DISK_PATH_BYTES];

    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        size_t ending = strlen(endings[i]);

        if (len <= ending || len >= sizeof(path) || strcmp(file + len - ending, endings[i]) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%.*s", (int)(len - ending), file);
        if (disk_is_same(path, db_path))
            return true;
    }
    return false;
}

static enum err
check_target(const struct backup_write_args *args, struct error *reterr)
{
    bool exists = false;
    int64_t bytes = 0;
    enum err err = disk_look(args->file, &exists, &bytes, reterr);

    if (err != OK)
        return err;
    if (disk_is_same(args->file, args->db_path))
        return error_set(reterr, ERR_CONFLICT, "%s is the database itself", args->file);
    if (is_beside(args->file, args->db_path))
        return error_set(reterr, ERR_CONFLICT, "%s is a part of the database", args->file);
    if (exists && !args->may_replace)
        return error_set(reterr, ERR_CONFLICT, "%s is there already: --force replaces it",
            args->file);
    return OK;
}

enum err
backup_write(const struct backup_write_args *args, struct backup *ret, struct error *reterr)
{
    char draft[DISK_PATH_BYTES];
    struct backup backup = {.bytes = 0};
    enum err err = must_exist(args->db_path, "database", ": name it with --db", reterr);

    if (err == OK)
        err = check_target(args, reterr);
    if (err == OK)
        err = disk_draft(args->file, draft, reterr);
    if (err != OK)
        return err;
    err = copy_database(args->db_path, draft, reterr);
    if (err == OK || err == ERR_DISK)
        backup_tidy(args->db_path);
    if (err == OK)
        err = look_at(draft, &backup, reterr);
    if (err == OK)
        err = disk_put(draft, args->file, args->may_replace, reterr);
    if (err != OK) {
        remove_with_sides(draft);
        return err;
    }
    *ret = backup;
    return OK;
}

/* --- restoring one ---------------------------------------------------------------------------- */

/* On the heap, for its paths are long. */
struct restoring {
    const struct backup_restore_args *args;
    struct backup backup;
    char draft[DISK_PATH_BYTES];
    char kept[DISK_PATH_BYTES];
    char from[DISK_PATH_BYTES];
    char to[DISK_PATH_BYTES];
};

/* What lies beside it was not written into it: that is no copy, but a database that is open or was
 * not closed. */
static enum err
check_source(const struct backup_restore_args *args, struct error *reterr)
{
    char log[DISK_PATH_BYTES];
    bool exists = false;
    int64_t bytes = 0;
    enum err err = must_exist(args->file, "file", "", reterr);

    if (err == OK && disk_is_same(args->file, args->db_path))
        return error_set(reterr, ERR_CONFLICT, "%s is the database itself", args->file);
    if (err == OK)
        err = path_with(args->file, "-wal", log, reterr);
    if (err == OK)
        err = disk_look(log, &exists, &bytes, reterr);
    if (err == OK && bytes > 0)
        return error_set(reterr, ERR_CONFLICT,
            "%s is no copy but a database in use, as %s-wal beside it shows: make a copy of it "
            "with usher backup",
            args->file, args->file);
    return err;
}

static enum err
check_whole(struct engine *engine, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct error found = {.code = OK};
    enum err err;

    engine_select_values(engine, &rows, "PRAGMA integrity_check(1)", NULL, 0);
    if (rows_next(&rows) && !str_equals(rows_str(&rows, 0), STR("ok")))
        (void)error_set(&found, ERR_IO, "it is damaged: %.*s", STR_FMT(rows_str(&rows, 0)));
    err = rows_end(&rows, reterr);
    return err == OK && found.code != OK ? error_set(reterr, ERR_IO, "%s", found.text) : err;
}

static enum err
try_engine(struct engine *engine, const struct backup_restore_args *args, const char *draft,
    struct backup *ret, struct error *reterr)
{
    enum err err = check_whole(engine, reterr);

    if (err == OK)
        err = look_inside(engine, draft, ret, reterr);
    if (err == OK && ret->schema > migrate_newest())
        return error_set(reterr, ERR_CONFLICT,
            "it has schema %lld, this program knows up to %lld: use a newer usher",
            (long long)ret->schema, (long long)migrate_newest());
    return err == OK ? secrets_open(engine, args->key_path, args->key_hex, reterr) : err;
}

/* When the connection is closed again, all of it is in the one file. */
static enum err
try_draft(const struct backup_restore_args *args, const char *draft, struct backup *ret,
    struct error *reterr)
{
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct engine_options options = {.path = draft};
    enum err err = disk_copy(args->file, draft, reterr);

    if (err != OK)
        return err;
    err = engine_open(&options, &engine, reterr);
    if (err == ERR_IO)
        (void)error_set(reterr, err, "it is no database, or a damaged one");
    if (err == OK)
        err = try_engine(engine, args, draft, ret, reterr);
    if (err == OK)
        err = engine_checkpoint(engine, reterr);
    if (err != OK)
        (void)error_prefix(reterr, "%s cannot be restored", args->file);
    return err;
}

/* "usher.db.before-20240315T100000Z", or with .2 behind it. */
static enum err
kept_name(const char *db_path, struct walltime now, int number, char ret[DISK_PATH_BYTES],
    struct error *reterr)
{
    char text[WALLTIME_TEXT_BYTES];
    char ending[64];
    int len;

    walltime_format(now, text);
    len = snprintf(ending, sizeof(ending), ".before-%.4s%.2s%.3s%.2s%.2s%.2sZ", text, text + 5,
        text + 8, text + 11, text + 14, text + 17);
    if (number > 1)
        (void)snprintf(ending + len, sizeof(ending) - (size_t)len, ".%d", number);
    return path_with(db_path, ending, ret, reterr);
}

/* Under both names from now on, so that at no moment it is not found. */
static enum err
keep_present(const struct backup_restore_args *args, char ret_kept[DISK_PATH_BYTES],
    struct error *reterr)
{
    enum err err = ERR_CONFLICT;

    for (int i = 1; err == ERR_CONFLICT && i <= NAMES_MAX; i++) {
        err = kept_name(args->db_path, args->now, i, ret_kept, reterr);
        if (err == OK)
            err = disk_keep(args->db_path, ret_kept, reterr);
    }
    return err;
}

/* What a process that was killed has left in its log belongs to what is kept, and must be gone
 * before the copy comes, even where its database is gone: it would be taken for the copy's. */
static enum err
put_aside(struct restoring *restoring, struct error *reterr)
{
    for (size_t i = 0; i < COUNT_OF(side_files); i++) {
        enum err err = path_with(restoring->args->db_path, side_files[i], restoring->from, reterr);

        if (err == OK)
            err = path_with(restoring->kept, side_files[i], restoring->to, reterr);
        if (err != OK)
            return err;
        if (access(restoring->from, F_OK) != 0)
            continue;
        err = disk_put(restoring->from, restoring->to, false, reterr);
        if (err != OK)
            return err;
    }
    return OK;
}

/* To whom the database belonged, or the folder where there was none; the lock as well, which this
 * may have made. */
static enum err
give_to_owner(struct restoring *restoring, bool exists, struct error *reterr)
{
    const char *db_path = restoring->args->db_path;
    enum err err = disk_folder(db_path, restoring->from, reterr);
    const char *model = exists ? db_path : restoring->from;

    if (err == OK)
        err = path_with(db_path, ".lock", restoring->to, reterr);
    if (err == OK)
        err = disk_give(restoring->to, model, reterr);
    return err == OK ? disk_give(restoring->draft, model, reterr) : err;
}

static enum err
exchange(struct restoring *restoring, struct error *reterr)
{
    const struct backup_restore_args *args = restoring->args;
    struct backup present;
    bool exists = false;
    int64_t bytes = 0;
    enum err err = disk_look(args->db_path, &exists, &bytes, reterr);

    if (err != OK)
        return err;
    err = give_to_owner(restoring, exists, reterr);
    if (err != OK)
        return err;
    /* Best with its log in it: should the power fail before the copy is in place, the database that
     * is then served again lacks nothing. One that cannot be read is kept as it is. */
    if (exists && look_at(args->db_path, &present, NULL) == OK)
        backup_tidy(args->db_path);
    if (exists)
        err = keep_present(args, restoring->kept, reterr);
    else
        err = kept_name(args->db_path, args->now, 1, restoring->kept, reterr);
    if (err != OK)
        return err;
    err = put_aside(restoring, reterr);
    if (err == OK)
        err = disk_put(restoring->draft, args->db_path, true, reterr);
    if (err != OK && exists)
        (void)error_prefix(reterr, "nothing was restored, the database is kept as %s",
            restoring->kept);
    if (!exists)
        restoring->kept[0] = '\0';
    return err;
}

static enum err
restore_locked(const struct backup_restore_args *args, struct backup_restored *ret,
    struct error *reterr)
{
    struct restoring *restoring = calloc(1, sizeof(*restoring));
    enum err err;

    if (restoring == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    restoring->args = args;
    err = disk_draft(args->db_path, restoring->draft, reterr);
    if (err == OK) {
        err = try_draft(args, restoring->draft, &restoring->backup, reterr);
        if (err == OK)
            err = exchange(restoring, reterr);
        remove_with_sides(restoring->draft);
    }
    if (err == OK) {
        ret->backup = restoring->backup;
        memcpy(ret->kept, restoring->kept, sizeof(ret->kept));
    }
    free(restoring);
    return err;
}

enum err
backup_restore(const struct backup_restore_args *args, struct backup_restored *ret,
    struct error *reterr)
{
    struct backup_restore_args resolved = *args;
    char db_path[DISK_PATH_BYTES];
    int lock_fd = -1;
    enum err err = check_source(args, reterr);

    /* Where its name is a link, that stays one, and the files beside it are the database's. */
    if (err == OK)
        err = disk_resolve(args->db_path, db_path, reterr);
    resolved.db_path = db_path;
    if (err == OK)
        err = file_lock_take(db_path, &lock_fd, reterr);
    if (err == OK)
        err = restore_locked(&resolved, ret, reterr);
    file_lock_drop(lock_fd);
    return err;
}
