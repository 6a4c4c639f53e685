/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test vectors of other projects, which are not part of this one: read where they lie, and their
 * tests are skipped where they do not.
 *
 * The folder is the test program's first argument.
 */
#ifndef TEST_SUPPORT_TESTDATA_H
#define TEST_SUPPORT_TESTDATA_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "support/test.h"

/* The path of a file or folder in it; skips the test when it is not there. */
static inline const char *
testdata_path(const char *folder, const char *name, char path[PATH_MAX])
{
    struct stat status;
    int len = snprintf(path, PATH_MAX, "%s/%s", folder != NULL ? folder : "testdata", name);

    assert_in_range(len, 1, PATH_MAX - 1);
    if (stat(path, &status) != 0) {
        print_message("%s is not there\n", path);
        skip();
    }
    return path;
}

static inline void
testdata_read(const char *path, struct buf *buf)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    assert_non_null(file);
    buf_clear(buf);
    do {
        char *place = buf_reserve(buf, 4096);

        assert_non_null(place);
        got = fread(place, 1, 4096, file);
        buf_added(buf, got);
    } while (got > 0);
    assert_int_equal(ferror(file), 0);
    (void)fclose(file);
}

#endif
