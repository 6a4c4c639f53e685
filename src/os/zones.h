/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's time zones by name, each read once and kept.
 *
 * A name is taken as the database spells it, aliases included; what it does not have is refused
 * and never taken for UTC. Any thread may ask; a zone never changes and lives until zones_free, so
 * an updated database shows after a restart. What is kept is bounded by what the database has.
 */
#ifndef OS_ZONES_H
#define OS_ZONES_H

#include "base/err.h"
#include "base/str.h"
#include "domain/timezone.h"

#define ZONES_DIRECTORY_DEFAULT "/usr/share/zoneinfo"

struct zones;

/* ERR_NOT_FOUND when the directory is not there or holds no "UTC": better at the start than as a
 * refusal of every webinar. directory NULL: the default. */
MUST_CHECK enum err zones_new(const char *directory, struct zones **ret, struct error *reterr);
void zones_free(struct zones *zones);
void zones_freep(struct zones **zones);

/* "Asia/Kolkata", or a fixed offset such as "+05:30". ERR_NOT_FOUND with a sentence for whoever
 * typed it; ERR_IO when the file is there and cannot be used. The zone keeps the name as given. */
MUST_CHECK enum err zones_get(struct zones *zones, struct str name, const struct zone **ret,
    struct error *reterr);

/* The release of the database, "2026a"; absent where it does not say. */
struct str zones_version(const struct zones *zones);

#endif
