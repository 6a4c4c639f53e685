/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers questions about time zones, line by line, for test/zones_oracle.py.
 *
 *   zones_driver DIRECTORY < questions > answers
 *
 *   z PATH       load this file below DIRECTORY as the zone for what follows; answers "ok"
 *   o SECONDS    the offset at this time since 1970 UTC
 *   r SECONDS    the instant of this local time since 1970, and none, gap or overlap
 *   g NAME       may a user give this name? answers "yes" or "no"
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain/timezone.h"
#include "os/files.h"
#include "os/zones.h"

struct driver {
    const char *directory;
    struct zones *zones;
    struct zone *zone;
};

static bool
load(struct driver *driver, const char *name)
{
    CLEANUP(buf_done) struct buf bytes;
    struct error error = {0};
    char path[1024];

    buf_init(&bytes, TZIF_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%s/%s", driver->directory, name);
    zone_freep(&driver->zone);
    if (file_read(path, &bytes, &error) != OK ||
        zone_new_tzif(str_from(name), buf_str(&bytes), &driver->zone, &error) != OK) {
        (void)fprintf(stderr, "%s: %s\n", path, error.text);
        return false;
    }
    return true;
}

static bool
answer(struct driver *driver, const char *line)
{
    const char *rest = line + 2;
    int64_t number = strtoll(rest, NULL, 10);

    if (line[0] == 'z') {
        (void)puts("ok");
        return load(driver, rest);
    }
    if (line[0] == 'g') {
        const struct zone *zone = NULL;

        (void)puts(zones_get(driver->zones, str_from(rest), &zone, NULL) == OK ? "yes" : "no");
        return true;
    }
    if (driver->zone == NULL)
        return false;
    if (line[0] == 'o') {
        (void)printf("%" PRId32 "\n",
            zone_offset_at(driver->zone, (struct walltime){number * US_PER_S}));
        return true;
    }
    if (line[0] == 'r') {
        struct zone_resolved resolved =
            zone_resolve(driver->zone, (struct civil){number * US_PER_S});
        const char *adjusted = zone_adjusted_name(resolved.adjusted);

        (void)printf("%" PRId64 " %s\n", resolved.at.us / US_PER_S,
            adjusted != NULL ? adjusted : "none");
        return true;
    }
    return false;
}

int
main(int argc, char **argv)
{
    struct driver driver = {.directory = argc == 2 ? argv[1] : ZONES_DIRECTORY_DEFAULT};
    struct error error = {0};
    char line[256];
    int failed = 0;

    if (zones_new(driver.directory, &driver.zones, &error) != OK) {
        (void)fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    while (failed == 0 && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) < 3 || !answer(&driver, line)) {
            (void)fprintf(stderr, "cannot answer \"%s\"\n", line);
            failed = 1;
        }
    }
    zone_free(driver.zone);
    zones_free(driver.zones);
    return failed;
}
