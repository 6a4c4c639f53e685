/* SPDX-License-Identifier: Apache-2.0 */
#include "store/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "os/disk.h"

static enum err
held_by(int fd, const char *db_path, struct error *reterr)
{
    char text[32];
    ssize_t len = pread(fd, text, sizeof(text), 0);
    int64_t pid = 0;

    if (len > 0 && str_to_int64(str_trim((struct str){text, (size_t)len}), &pid) == OK && pid > 0)
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

enum err
file_lock_take(const char *db_path, int *ret_fd, struct error *reterr)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char resolved[DISK_PATH_BYTES];
    char path[DISK_PATH_BYTES];
    enum err err = disk_resolve(db_path, resolved, reterr);
    int len;
    int fd;

    if (err != OK)
        return err;
    len = snprintf(path, sizeof(path), "%s.lock", resolved);
    if (len < 0 || (size_t)len >= sizeof(path))
        return error_set(reterr, ERR_INVALID, "the database's path is too long");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(reterr,
            errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND
            : errno == EACCES || errno == EROFS ? ERR_DENIED
                                                : ERR_IO,
            "cannot open %s: %s", path, strerrordesc_np(errno));
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

void
file_lock_drop(int fd)
{
    if (fd < 0)
        return;
    (void)!ftruncate(fd, 0); /* the pid means nothing any more; the lock goes with the file */
    (void)close(fd);
}
