/* SPDX-License-Identifier: Apache-2.0 */
#include "os/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 16384

static enum err
file_failed(const char *verb, const char *path, struct error *reterr)
{
    enum err err = errno == ENOENT ? ERR_NOT_FOUND : errno == EEXIST ? ERR_CONFLICT : ERR_IO;

    return error_set(reterr, err, "%s %s: %s", verb, path, strerrordesc_np(errno));
}

static enum err
read_all(int fd, const char *path, struct buf *buf, struct error *reterr)
{
    for (;;) {
        /* One byte more than may be kept tells a file that just fits from one that does not. */
        size_t room = buf->max - buf->len;
        size_t wanted = room < READ_BYTES ? room : READ_BYTES;
        char surplus;
        char *place = wanted > 0 ? buf_reserve(buf, wanted) : &surplus;
        ssize_t got;

        if (place == NULL)
            return error_set(reterr, ERR_NOMEM, "read %s: out of memory", path);
        got = read(fd, place, wanted > 0 ? wanted : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_failed("read", path, reterr);
        if (got == 0)
            return OK;
        if (wanted == 0)
            return error_set(reterr, ERR_LIMIT, "read %s: it holds more than %zu bytes", path,
                buf->max);
        buf_added(buf, (size_t)got);
    }
}

static enum err
check_mode(int fd, const char *path, struct error *reterr)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return file_failed("stat", path, reterr);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return error_set(reterr, ERR_DENIED,
            "read %s: others than its owner may use it (mode %04o); chmod 600 it", path,
            (unsigned)status.st_mode & 07777U);
    return OK;
}

static enum err
read_file(const char *path, bool secret, struct buf *buf, struct error *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    size_t before = buf->len;
    enum err err = OK;

    if (fd < 0)
        return file_failed("open", path, reterr);
    if (secret)
        err = check_mode(fd, path, reterr);
    if (err == OK)
        err = read_all(fd, path, buf, reterr);
    (void)close(fd);

    /* A failure leaves what was in the buffer before, and none of a secret. */
    if (err != OK && buf->len > before) {
        explicit_bzero(buf->ptr + before, buf->len - before);
        buf->len = before;
    }
    return err;
}

enum err
file_read(const char *path, struct buf *buf, struct error *reterr)
{
    return read_file(path, false, buf, reterr);
}

enum err
file_read_secret(const char *path, struct buf *buf, struct error *reterr)
{
    return read_file(path, true, buf, reterr);
}

static enum err
write_all(int fd, const char *path, struct str content, struct error *reterr)
{
    while (content.len > 0) {
        ssize_t put = write(fd, content.ptr, content.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return file_failed("write", path, reterr);
        content = str_slice(content, (size_t)put, content.len);
    }
    if (fsync(fd) != 0)
        return file_failed("sync", path, reterr);
    return OK;
}

/* A new name is on disk when the folder that holds it is. */
static enum err
sync_folder_of(const char *path, struct error *reterr)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    int fd;
    enum err err = OK;

    if (slash != NULL)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path + 1), path);
    fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0)
        return file_failed("open", folder, reterr);
    if (fsync(fd) != 0)
        err = file_failed("sync", folder, reterr);
    (void)close(fd);
    return err;
}

enum err
file_create_secret(const char *path, struct str content, struct error *reterr)
{
    char draft[PATH_MAX];
    int fd;
    enum err err;

    /* Written under another name and linked when whole: half a key is never found under its own. */
    if (snprintf(draft, sizeof(draft), "%s.XXXXXX", path) >= (int)sizeof(draft))
        return error_set(reterr, ERR_INVALID, "create %s: the path is too long", path);
    fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0)
        return file_failed("create", path, reterr);
    err = write_all(fd, path, content, reterr);
    (void)close(fd);
    if (err == OK && link(draft, path) != 0)
        err = file_failed("create", path, reterr);
    (void)unlink(draft);
    if (err != OK)
        return err;
    return sync_folder_of(path, reterr);
}
