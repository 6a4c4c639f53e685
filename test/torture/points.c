/* SPDX-License-Identifier: Apache-2.0 */
#include "torture/points.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"

static struct points *points; /* shared */
static struct plan plan;
static atomic_bool is_on;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* over the points' names */

/* --- counting --------------------------------------------------------------------------------- */

static bool
point_pass(size_t i)
{
    uint64_t passed;

    if (!atomic_load(&is_on))
        return false;
    passed = atomic_fetch_add(&points->points[i].passed, 1) + 1;
    if (i != plan.point || plan.nth == 0 || passed < plan.nth || passed >= plan.nth + plan.run)
        return false;
    (void)atomic_fetch_add(&points->fired, 1);
    return true;
}

static size_t
site_find(const char *name, const char *suffix)
{
    char whole[POINT_NAME_BYTES];
    int len = snprintf(whole, sizeof(whole), "%s%s", name, suffix);
    size_t i = POINT_FIRST_SITE;

    CHECK(len > 0 && (size_t)len < sizeof(whole));
    CHECK(pthread_mutex_lock(&mutex) == 0);
    while (points->points[i].name[0] != '\0' && strcmp(points->points[i].name, whole) != 0)
        CHECK(++i < POINTS_MAX);
    memcpy(points->points[i].name, whole, sizeof(whole));
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    return i;
}

/* In place of those in os/fault.c. */
bool __wrap_fault_hit(const char *site);
void __wrap_crash_hit(const char *site);

bool
__wrap_fault_hit(const char *site)
{
    return atomic_load(&is_on) && point_pass(site_find(site, ""));
}

void
__wrap_crash_hit(const char *site)
{
    if (atomic_load(&is_on) && point_pass(site_find(site, "!kill")))
        (void)kill(getpid(), SIGKILL);
}

/* --- allocations of ours ---------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static bool
alloc_fails(void)
{
    if (!point_pass(POINT_ALLOC))
        return false;
    errno = ENOMEM;
    return true;
}

void *
__wrap_malloc(size_t size)
{
    return alloc_fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return alloc_fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *ptr, size_t size)
{
    return alloc_fails() ? NULL : __real_realloc(ptr, size);
}

void *
__wrap_reallocarray(void *ptr, size_t count, size_t size)
{
    return alloc_fails() ? NULL : __real_reallocarray(ptr, count, size);
}

char *
__wrap_strdup(const char *text)
{
    return alloc_fails() ? NULL : __real_strdup(text);
}

char *
__wrap_strndup(const char *text, size_t len)
{
    return alloc_fails() ? NULL : __real_strndup(text, len);
}

/* --- allocations of SQLite -------------------------------------------------------------------- */

static sqlite3_mem_methods memory;

static void *
memory_malloc(int size)
{
    return point_pass(POINT_SQLITE_ALLOC) ? NULL : memory.xMalloc(size);
}

static void *
memory_realloc(void *ptr, int size)
{
    return point_pass(POINT_SQLITE_ALLOC) ? NULL : memory.xRealloc(ptr, size);
}

/* --- files of SQLite -------------------------------------------------------------------------- */

/* A file of the system's own kind follows right behind it. */
struct file {
    sqlite3_file base;
    int64_t behind[]; /* aligned as SQLite aligns */
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs vfs;

static sqlite3_file *
real_of(sqlite3_file *file)
{
    return (sqlite3_file *)(void *)((struct file *)(void *)file)->behind;
}

/* Syncs of the disk are only counted: what they are for no test can see. */
static int
file_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return point_pass(POINT_SYNC) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int
file_read(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset)
{
    if (point_pass(POINT_READ))
        return SQLITE_IOERR_READ;
    return real_of(file)->pMethods->xRead(real_of(file), bytes, count, offset);
}

/* Half of it is written, as a disk does that becomes full meanwhile. */
static int
file_write(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset)
{
    const sqlite3_io_methods *methods = real_of(file)->pMethods;

    if (!point_pass(POINT_WRITE))
        return methods->xWrite(real_of(file), bytes, count, offset);
    (void)methods->xWrite(real_of(file), bytes, count / 2, offset);
    return SQLITE_FULL;
}

static int
file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    if (point_pass(POINT_WRITE))
        return SQLITE_IOERR_TRUNCATE;
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int
file_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int
file_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), ret);
}

static int
file_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int
file_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int
file_check_reserved(sqlite3_file *file, int *ret)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), ret);
}

static int
file_control(sqlite3_file *file, int op, void *arg)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int
file_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int
file_characteristics(sqlite3_file *file)
{
    return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int
file_shm_map(sqlite3_file *file, int page, int size, int extend, volatile void **ret)
{
    return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, ret);
}

static int
file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void
file_shm_barrier(sqlite3_file *file)
{
    real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int
file_shm_unmap(sqlite3_file *file, int remove)
{
    return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2, /* without memory maps, which we have switched off anyway */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int
vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    int code = system_vfs->xOpen(system_vfs, name, real_of(file), flags, ret_flags);

    (void)self;
    file->pMethods = code == SQLITE_OK ? &file_methods : NULL;
    return code;
}

/* --- setting up ------------------------------------------------------------------------------- */

void
points_setup(struct points *shared)
{
    static const char *const names[POINT_FIRST_SITE] = {
        [POINT_ALLOC] = "alloc",
        [POINT_SQLITE_ALLOC] = "sqlite.alloc",
        [POINT_READ] = "sqlite.read",
        [POINT_WRITE] = "sqlite.write",
        [POINT_SYNC] = "sqlite.sync",
    };
    sqlite3_mem_methods counted;

    points = shared;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        (void)snprintf(points->points[i].name, POINT_NAME_BYTES, "%s", names[i]);

    CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) == SQLITE_OK);
    counted = memory;
    counted.xMalloc = memory_malloc;
    counted.xRealloc = memory_realloc;
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &counted) == SQLITE_OK);

    system_vfs = sqlite3_vfs_find(NULL);
    CHECK(system_vfs != NULL);
    vfs = *system_vfs;
    vfs.zName = "points";
    vfs.szOsFile = (int)sizeof(struct file) + system_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

void
points_arm(const struct plan *armed)
{
    plan = *armed;
    for (size_t i = 0; i < POINTS_MAX; i++)
        atomic_store(&points->points[i].passed, 0);
    atomic_store(&points->fired, 0);
    atomic_store(&is_on, true);
}

void
points_lift(void)
{
    atomic_store(&is_on, false);
}
