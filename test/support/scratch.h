/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder for the files of one test, removed with all that is in it.
 */
#ifndef TEST_SUPPORT_SCRATCH_H
#define TEST_SUPPORT_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

struct scratch {
    char dir[64];
    char path[512]; /* the last one made */
};

static inline void
scratch_init(struct scratch *scratch)
{
    memcpy(scratch->dir, "/tmp/usher-test-XXXXXX", sizeof("/tmp/usher-test-XXXXXX"));
    assert_non_null(mkdtemp(scratch->dir));
}

/* Borrowed until the next call. */
static inline const char *
scratch_path(struct scratch *scratch, const char *name)
{
    (void)snprintf(scratch->path, sizeof(scratch->path), "%s/%s", scratch->dir, name);
    return scratch->path;
}

static inline size_t
scratch_count(const struct scratch *scratch, const char *prefix)
{
    DIR *dir = opendir(scratch->dir);
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
            count++;
    }
    (void)closedir(dir);
    return count;
}

static inline void
scratch_done(struct scratch *scratch)
{
    DIR *dir = opendir(scratch->dir);

    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.')
            (void)unlink(scratch_path(scratch, entry->d_name));
    }
    (void)closedir(dir);
    (void)rmdir(scratch->dir);
}

#endif
