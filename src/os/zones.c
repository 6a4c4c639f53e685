/* SPDX-License-Identifier: Apache-2.0 */
#include "os/zones.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/map.h"
#include "os/files.h"

#define PATH_BYTES_MAX    1024
#define VERSION_BYTES_MAX 16

struct entry {
    struct zone *zone;  /* owned */
    struct entry *next; /* owned: another name with the same hash */
};

struct zones {
    pthread_mutex_t mutex;
    struct map entries; /* guarded by mutex; struct entry by the hash of its name, owned */
    char version[VERSION_BYTES_MAX];
    char directory[PATH_BYTES_MAX - ZONE_BYTES_MAX - 2];
};

/* FNV-1a. Only names that exist are kept, so nobody can choose them to collide. */
static uint64_t
name_hash(struct str name)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * UINT64_C(1099511628211);
    return hash;
}

static void
file_closep(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

/* The first line of a file beside the zones, less prefix. */
static bool
version_read(struct zones *zones, const char *file_name, struct str prefix)
{
    char path[PATH_BYTES_MAX];
    char line[64];
    struct str text;

    (void)snprintf(path, sizeof(path), "%s/%s", zones->directory, file_name);
    CLEANUP(file_closep) FILE *file = fopen(path, "re");
    if (file == NULL || fgets(line, sizeof(line), file) == NULL)
        return false;
    text = str_from(line);
    if (!str_starts(text, prefix))
        return false;
    text = str_trim(str_slice(text, prefix.len, text.len));
    if (text.len == 0 || text.len >= sizeof(zones->version))
        return false;
    memcpy(zones->version, text.ptr, text.len);
    return true;
}

enum err
zones_new(const char *directory, struct zones **ret, struct error *reterr)
{
    CLEANUP(zones_freep) struct zones *zones = calloc(1, sizeof(*zones));
    const struct zone *utc = NULL;
    enum err err;

    if (zones == NULL)
        return error_set(reterr, ERR_NOMEM, "time zones: out of memory");
    map_init(&zones->entries);
    CHECK(pthread_mutex_init(&zones->mutex, NULL) == 0);
    if (directory == NULL)
        directory = ZONES_DIRECTORY_DEFAULT;
    if (strlen(directory) >= sizeof(zones->directory))
        return error_set(reterr, ERR_NOT_FOUND, "time zones: the directory's name is too long");
    memcpy(zones->directory, directory, strlen(directory) + 1);

    err = zones_get(zones, STR("UTC"), &utc, reterr);
    if (err != OK) {
        (void)error_prefix(reterr, "no time zones in %s (is tzdata installed?)", directory);
        return err;
    }
    if (!version_read(zones, "tzdata.zi", STR("# version ")))
        (void)version_read(zones, "+VERSION", STR(""));
    *ret = TAKE(zones);
    return OK;
}

static void
entry_free(struct entry *entry)
{
    while (entry != NULL) {
        struct entry *next = entry->next;

        zone_free(entry->zone);
        free(entry);
        entry = next;
    }
}

void
zones_free(struct zones *zones)
{
    struct entry *entry;
    size_t position = 0;

    if (zones == NULL)
        return;
    while ((entry = map_next(&zones->entries, &position)) != NULL)
        entry_free(entry);
    map_done(&zones->entries);
    CHECK(pthread_mutex_destroy(&zones->mutex) == 0);
    free(zones);
}

void
zones_freep(struct zones **zones)
{
    zones_free(*zones);
    *zones = NULL;
}

/* The name is repeated only where that is safe in an answer: whole, and UTF-8. */
static enum err
no_such_zone(struct str name, struct error *reterr)
{
    bool repeat = name.len > 0 && name.len <= ZONE_BYTES_MAX && str_is_utf8(name);
    struct str shown = repeat ? name : STR("this");
    const char *quote = repeat ? "\"" : "";

    return error_set(reterr, ERR_NOT_FOUND,
        "%s%.*s%s is not a time zone: give a name such as \"Asia/Kolkata\" or an offset such as "
        "\"+05:30\"",
        quote, STR_FMT(shown), quote);
}

/* A file that is no zone ("leapseconds") is not found; a zone that is broken is our fault. */
static enum err
zone_load(struct zones *zones, struct str name, struct zone **ret, struct error *reterr)
{
    CLEANUP(buf_done) struct buf bytes;
    char path[PATH_BYTES_MAX];
    struct stat status;
    enum err err;

    buf_init(&bytes, TZIF_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%s/%.*s", zones->directory, STR_FMT(name));
    if (stat(path, &status) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return no_such_zone(name, reterr);
        return error_set(reterr, ERR_IO, "%s: %m", path);
    }
    if (!S_ISREG(status.st_mode))
        return no_such_zone(name, reterr);
    err = file_read(path, &bytes, reterr);
    if (err == ERR_LIMIT || (err == OK && !str_starts(buf_str(&bytes), STR("TZif"))))
        return no_such_zone(name, reterr);
    if (err == OK)
        err = zone_new_tzif(name, buf_str(&bytes), ret, reterr);
    if (err == ERR_INVALID) {
        (void)error_prefix(reterr, "%s", path);
        if (reterr != NULL)
            reterr->code = ERR_IO;
        return ERR_IO;
    }
    return err;
}

static enum err
zone_make(struct zones *zones, struct str name, struct zone **ret, struct error *reterr)
{
    int32_t minutes = 0;

    if (utc_offset_parse(name, &minutes) == OK) {
        if (zone_new_fixed(minutes, ret) != OK)
            return error_set(reterr, ERR_NOMEM, "time zones: out of memory");
        return OK;
    }
    if (!zone_name_is_sane(name))
        return no_such_zone(name, reterr);
    return zone_load(zones, name, ret, reterr);
}

/* Under the mutex. */
static const struct zone *
zone_find(const struct zones *zones, struct str name)
{
    struct entry *entry = map_find(&zones->entries, name_hash(name));

    while (entry != NULL && !str_equals(zone_name(entry->zone), name))
        entry = entry->next;
    return entry != NULL ? entry->zone : NULL;
}

/* Under the mutex; takes *zone when it succeeds. */
static enum err
zone_add(struct zones *zones, struct zone **zone)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    uint64_t hash = name_hash(zone_name(*zone));
    enum err err;

    if (entry == NULL)
        return ERR_NOMEM;
    entry->zone = *zone;
    entry->next = map_find(&zones->entries, hash);
    err = map_set(&zones->entries, hash, entry);
    if (err != OK) {
        free(entry);
        return err;
    }
    *zone = NULL;
    return OK;
}

enum err
zones_get(struct zones *zones, struct str name, const struct zone **ret, struct error *reterr)
{
    CLEANUP(zone_freep) struct zone *made = NULL;
    const struct zone *found;
    enum err err;

    CHECK(pthread_mutex_lock(&zones->mutex) == 0);
    found = zone_find(zones, name);
    CHECK(pthread_mutex_unlock(&zones->mutex) == 0);
    if (found != NULL) {
        *ret = found;
        return OK;
    }

    /* The disk is read without the mutex; whoever comes second with the same name lets go of its
     * own copy. */
    err = zone_make(zones, name, &made, reterr);
    if (err != OK)
        return err;
    CHECK(pthread_mutex_lock(&zones->mutex) == 0);
    found = zone_find(zones, name);
    if (found == NULL) {
        found = made;
        err = zone_add(zones, &made);
    }
    CHECK(pthread_mutex_unlock(&zones->mutex) == 0);
    if (err != OK)
        return error_set(reterr, err, "time zones: out of memory");
    *ret = found;
    return OK;
}

struct str
zones_version(const struct zones *zones)
{
    return zones->version[0] != '\0' ? str_from(zones->version) : (struct str){NULL, 0};
}
