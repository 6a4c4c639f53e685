/* SPDX-License-Identifier: Apache-2.0 */
#include "os/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

_Static_assert(DISK_PATH_BYTES >= PATH_MAX, "any path has room");

#define COPY_BYTES ((size_t)1024 * 1024)

static enum err
disk_failed(const char *verb, const char *path, struct error *reterr)
{
    enum err err = ERR_IO;

    switch (errno) {
    case ENOENT:
    case ENOTDIR: err = ERR_NOT_FOUND; break;
    case EEXIST: err = ERR_CONFLICT; break;
    case EACCES:
    case EPERM:
    case EROFS: err = ERR_DENIED; break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO: err = ERR_DISK; break;
    default: break;
    }
    return error_set(reterr, err, "cannot %s %s: %s", verb, path, strerrordesc_np(errno));
}

enum err
disk_free(const char *path, int64_t *ret_bytes, struct error *reterr)
{
    struct statvfs disk;

    if (statvfs(path, &disk) != 0)
        return disk_failed("ask for the disk of", path, reterr);
    *ret_bytes = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    return OK;
}

enum err
disk_look(const char *path, bool *ret_exists, int64_t *ret_bytes, struct error *reterr)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        if (errno != ENOENT)
            return disk_failed("look at", path, reterr);
        *ret_exists = false;
        *ret_bytes = 0;
        return OK;
    }
    if (!S_ISREG(status.st_mode))
        return error_set(reterr, ERR_INVALID, "%s is not a file", path);
    *ret_exists = true;
    *ret_bytes = status.st_size;
    return OK;
}

bool
disk_is_same(const char *one, const char *other)
{
    struct stat first;
    struct stat second;

    return stat(one, &first) == 0 && stat(other, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

enum err
disk_resolve(const char *path, char ret[DISK_PATH_BYTES], struct error *reterr)
{
    char resolved[DISK_PATH_BYTES];
    int len = 0;

    if (realpath(path, resolved) != NULL)
        memcpy(ret, resolved, sizeof(resolved));
    else if (errno != ENOENT)
        return disk_failed("look at", path, reterr);
    else
        len = snprintf(ret, DISK_PATH_BYTES, "%s", path);
    if (len >= DISK_PATH_BYTES)
        return error_set(reterr, ERR_INVALID, "the path is too long: %.100s", path);
    return OK;
}

enum err
disk_draft(const char *path, char ret[DISK_PATH_BYTES], struct error *reterr)
{
    char draft[DISK_PATH_BYTES];
    int len = snprintf(draft, sizeof(draft), "%s.XXXXXX", path);
    int fd;

    if (len < 0 || (size_t)len >= sizeof(draft))
        return error_set(reterr, ERR_INVALID, "the path is too long: %.100s", path);
    fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0)
        return disk_failed("create", path, reterr);
    (void)close(fd);
    memcpy(ret, draft, sizeof(draft));
    return OK;
}

static enum err
write_all(int fd, const char *path, const char *bytes, size_t len, struct error *reterr)
{
    while (len > 0) {
        ssize_t put = write(fd, bytes, len);

        if (put < 0 && errno != EINTR)
            return disk_failed("write", path, reterr);
        if (put > 0) {
            bytes += put;
            len -= (size_t)put;
        }
    }
    return OK;
}

static enum err
copy_between(int from, int to, const char *const paths[2], struct error *reterr)
{
    char *bytes = malloc(COPY_BYTES);
    enum err err = OK;
    ssize_t got;

    if (bytes == NULL)
        return error_set(reterr, ERR_NOMEM, "cannot copy %s: out of memory", paths[0]);
    do {
        got = read(from, bytes, COPY_BYTES);
        if (got < 0 && errno != EINTR)
            err = disk_failed("read", paths[0], reterr);
        else if (got > 0)
            err = write_all(to, paths[1], bytes, (size_t)got, reterr);
    } while (err == OK && got != 0);
    free(bytes);
    return err;
}

enum err
disk_copy(const char *from, const char *to, struct error *reterr)
{
    const char *const paths[2] = {from, to};
    int from_fd = open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int to_fd;
    enum err err;

    if (from_fd < 0)
        return disk_failed("open", from, reterr);
    to_fd = open(to, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
    if (to_fd < 0)
        err = disk_failed("open", to, reterr);
    else
        err = copy_between(from_fd, to_fd, paths, reterr);
    if (to_fd >= 0)
        (void)close(to_fd);
    (void)close(from_fd);
    return err;
}

static enum err
sync_path(const char *path, int flags, struct error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    enum err err = OK;

    if (fd < 0)
        return disk_failed("open", path, reterr);
    if (fsync(fd) != 0)
        err = disk_failed("sync", path, reterr);
    (void)close(fd);
    return err;
}

enum err
disk_folder(const char *path, char ret[DISK_PATH_BYTES], struct error *reterr)
{
    const char *slash = strrchr(path, '/');
    int len = slash != NULL ? snprintf(ret, DISK_PATH_BYTES, "%.*s", (int)(slash - path + 1), path)
                            : snprintf(ret, DISK_PATH_BYTES, "./");

    if (len < 0 || len >= DISK_PATH_BYTES)
        return error_set(reterr, ERR_INVALID, "the path is too long: %.100s", path);
    return OK;
}

/* A new name is on disk when the folder that holds it is. */
static enum err
sync_folder_of(const char *path, struct error *reterr)
{
    char folder[DISK_PATH_BYTES];
    enum err err = disk_folder(path, folder, reterr);

    return err == OK ? sync_path(folder, O_DIRECTORY, reterr) : err;
}

static enum err
rename_new(const char *from, const char *to, struct error *reterr)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return OK;
    /* Some file systems cannot do that, but have links. */
    if (errno == EINVAL && link(from, to) == 0) {
        (void)unlink(from);
        return OK;
    }
    return disk_failed("create", to, reterr);
}

enum err
disk_put(const char *draft, const char *path, bool may_replace, struct error *reterr)
{
    enum err err = sync_path(draft, 0, reterr);

    if (err == OK && !may_replace)
        err = rename_new(draft, path, reterr);
    else if (err == OK && rename(draft, path) != 0)
        err = disk_failed("create", path, reterr);
    return err == OK ? sync_folder_of(path, reterr) : err;
}

enum err
disk_keep(const char *path, const char *name, struct error *reterr)
{
    if (link(path, name) == 0)
        return sync_folder_of(name, reterr);
    switch (errno) {
    case EPERM:
    case EOPNOTSUPP:
    case EMLINK: break;
    case ENOENT: return disk_failed("keep", path, reterr);
    default: return disk_failed("create", name, reterr);
    }
    enum err err = rename_new(path, name, reterr);

    return err == OK ? sync_folder_of(name, reterr) : err;
}

enum err
disk_give(const char *path, const char *model, struct error *reterr)
{
    struct stat status;

    if (stat(model, &status) != 0)
        return disk_failed("look at", model, reterr);
    if (chown(path, status.st_uid, status.st_gid) != 0 && errno != EPERM)
        return disk_failed("give away", path, reterr);
    return OK;
}
