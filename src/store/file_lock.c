/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "os/disk.h"

/* 0: it says none. */
static int64_t
read_pid(int fd)
{
    char text[32];
    ssize_t len = pread(fd, text, sizeof(text), 0);
    int64_t pid = 0;

    if (len <= 0 || str_to_int64(str_trim((struct str){text, (size_t)len}), &pid) != OK || pid < 0)
        return 0;
    return pid;
}

static enum err
held_by(int fd, const char *db_path, struct error *reterr)
{
    int64_t pid = read_pid(fd);

    if (pid > 0)
        return error_set(reterr, ERR_CONFLICT,
            "%s is in use by process %lld: stop it first, or name another file with --db", db_path,
            (long long)pid);
    return error_set(reterr, ERR_CONFLICT,
        "%s is in use by another process: stop it first, or name another file with --db", db_path);
}

static enum err
write_pid(int fd, const char *path, struct error *reterr)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%lld\n", (long long)getpid());

    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return error_set(reterr, ERR_IO, "cannot write %s: %s", path, strerrordesc_np(errno));
    return OK;
}

static enum err
lock_path(const char *db_path, char ret[DISK_PATH_BYTES], struct error *reterr)
{
    char resolved[DISK_PATH_BYTES];
    enum err err = disk_resolve(db_path, resolved, reterr);
    int len;

    if (err != OK)
        return err;
    len = snprintf(ret, DISK_PATH_BYTES, "%s.lock", resolved);
    if (len < 0 || len >= DISK_PATH_BYTES)
        return error_set(reterr, ERR_INVALID, "the database's path is too long");
    return OK;
}

static enum err
open_failed(const char *path, struct error *reterr)
{
    enum err err = ERR_IO;

    if (errno == ENOENT || errno == ENOTDIR)
        err = ERR_NOT_FOUND;
    else if (errno == EACCES || errno == EROFS)
        err = ERR_DENIED;
    return error_set(reterr, err, "cannot open %s: %s", path, strerrordesc_np(errno));
}

enum err
file_lock_take(const char *db_path, int *ret_fd, struct error *reterr)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[DISK_PATH_BYTES];
    enum err err = lock_path(db_path, path, reterr);
    int fd;

    if (err != OK)
        return err;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return open_failed(path, reterr);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        err = write_pid(fd, path, reterr);
    else if (errno == EAGAIN || errno == EACCES)
        err = held_by(fd, db_path, reterr);
    else
        err = error_set(reterr, ERR_IO, "cannot lock %s: %s", path, strerrordesc_np(errno));
    if (err != OK) {
        (void)close(fd);
        return err;
    }
    *ret_fd = fd;
    return OK;
}

/* The pid alone proves nothing: after a crash it stays in the file. */
enum err
file_lock_holder(const char *db_path, int64_t *ret_pid, struct error *reterr)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[DISK_PATH_BYTES];
    enum err err = lock_path(db_path, path, reterr);
    int64_t pid = 0;
    int fd;

    if (err != OK)
        return err;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return open_failed(path, reterr);
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        err = error_set(reterr, ERR_IO, "cannot ask for the lock on %s: %s", path,
            strerrordesc_np(errno));
    else if (lock.l_type == F_UNLCK)
        err = error_set(reterr, ERR_NOT_FOUND, "no process serves %s", db_path);
    if (err == OK) {
        pid = read_pid(fd);
        if (pid == 0)
            err =
                error_set(reterr, ERR_BUSY, "the process that serves %s is just starting", db_path);
    }
    (void)close(fd);
    if (err == OK)
        *ret_pid = pid;
    return err;
}

void
file_lock_drop(int fd)
{
    if (fd < 0)
        return;
    (void)!ftruncate(fd, 0); /* the pid means nothing any more; the lock goes with the file */
    (void)close(fd);
}
