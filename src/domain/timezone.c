/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/timezone.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "domain/zone_rule.h"

#define S_PER_DAY         86400
#define TZIF_HEADER_BYTES 44
#define TZIF_TYPE_BYTES   6

struct transition {
    int64_t at_s;
    int32_t offset_s; /* from at_s on */
};

struct zone {
    struct str name;        /* lies behind the transitions */
    int32_t offset_first_s; /* before the first transition */
    bool has_rule;
    struct zone_rule rule; /* from the last transition on; always, where there is none */
    size_t count;
    struct transition transitions[];
};

struct tzif_header {
    unsigned char version;
    uint32_t isut_count;
    uint32_t isstd_count;
    uint32_t leap_count;
    uint32_t time_count;
    uint32_t type_count;
    uint32_t char_count;
};

static uint32_t
read_u32(const char *ptr)
{
    const unsigned char *bytes = (const unsigned char *)ptr;

    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           (uint32_t)bytes[3];
}

static int64_t
read_i64(const char *ptr)
{
    return (int64_t)((uint64_t)read_u32(ptr) << 32 | read_u32(ptr + 4));
}

static enum err
header_read(struct str bytes, size_t at, struct tzif_header *ret, struct error *reterr)
{
    const char *ptr;

    if (bytes.len < at || bytes.len - at < TZIF_HEADER_BYTES)
        return error_set(reterr, ERR_INVALID, "the file ends inside a header");
    ptr = bytes.ptr + at;
    if (memcmp(ptr, "TZif", 4) != 0)
        return error_set(reterr, ERR_INVALID, "this is not a TZif file");
    *ret = (struct tzif_header){
        .version = (unsigned char)ptr[4],
        .isut_count = read_u32(ptr + 20),
        .isstd_count = read_u32(ptr + 24),
        .leap_count = read_u32(ptr + 28),
        .time_count = read_u32(ptr + 32),
        .type_count = read_u32(ptr + 36),
        .char_count = read_u32(ptr + 40),
    };
    return OK;
}

/* Counts are below 2^32 and items below 16 bytes: the sum cannot overflow 64 bits. */
static uint64_t
block_bytes(const struct tzif_header *header, uint64_t time_bytes)
{
    return header->time_count * (time_bytes + 1) + header->type_count * (uint64_t)TZIF_TYPE_BYTES +
           header->char_count + header->leap_count * (time_bytes + 4) + header->isstd_count +
           header->isut_count;
}

static enum err
header_check(const struct tzif_header *header, struct error *reterr)
{
    if (header->leap_count > 0)
        return error_set(reterr, ERR_INVALID, "the file counts leap seconds, UTC does not");
    if (header->type_count == 0 || header->type_count > 256 || header->char_count == 0)
        return error_set(reterr, ERR_INVALID,
            "the file has %u local time types and %u bytes of names", header->type_count,
            header->char_count);
    if ((header->isut_count != 0 && header->isut_count != header->type_count) ||
        (header->isstd_count != 0 && header->isstd_count != header->type_count))
        return error_set(reterr, ERR_INVALID, "the file's counts contradict each other");
    return OK;
}

/* The second block, with times of 64 bits, and the rule behind it. */
struct tzif {
    struct tzif_header header;
    const char *times;
    const char *indexes;
    const char *types;
    struct str rule; /* may be empty */
};

static enum err
tzif_find(struct str bytes, struct tzif *ret, struct error *reterr)
{
    struct tzif_header first = {0};
    struct tzif tzif = {0};
    uint64_t at;
    enum err err = header_read(bytes, 0, &first, reterr);

    if (err != OK)
        return err;
    if (first.version < '2')
        return error_set(reterr, ERR_INVALID, "the file is of version 1, without times of 64 bits");
    at = TZIF_HEADER_BYTES + block_bytes(&first, 4);
    if (at > bytes.len)
        return error_set(reterr, ERR_INVALID, "the file ends inside its first block");
    err = header_read(bytes, (size_t)at, &tzif.header, reterr);
    if (err == OK)
        err = header_check(&tzif.header, reterr);
    if (err != OK)
        return err;

    at += TZIF_HEADER_BYTES;
    if (block_bytes(&tzif.header, 8) > bytes.len - at)
        return error_set(reterr, ERR_INVALID, "the file ends inside its second block");
    tzif.times = bytes.ptr + at;
    tzif.indexes = tzif.times + (size_t)tzif.header.time_count * 8;
    tzif.types = tzif.indexes + tzif.header.time_count;

    tzif.rule = str_slice(bytes, (size_t)(at + block_bytes(&tzif.header, 8)), bytes.len);
    if (tzif.rule.len < 2 || tzif.rule.ptr[0] != '\n' ||
        str_find(tzif.rule, '\n', 1) != tzif.rule.len - 1)
        return error_set(reterr, ERR_INVALID, "the file does not end in a rule on a line");
    tzif.rule = str_slice(tzif.rule, 1, tzif.rule.len - 1);
    *ret = tzif;
    return OK;
}

static enum err
offset_read(const struct tzif *tzif, size_t type, int32_t *ret_s, struct error *reterr)
{
    int32_t offset_s;

    if (type >= tzif->header.type_count)
        return error_set(reterr, ERR_INVALID, "a transition names local time type %zu of %u", type,
            tzif->header.type_count);
    offset_s = (int32_t)read_u32(tzif->types + type * TZIF_TYPE_BYTES);
    if (offset_s > ZONE_OFFSET_S_MAX || offset_s < -ZONE_OFFSET_S_MAX)
        return error_set(reterr, ERR_INVALID, "an offset of %d seconds is more than 18 hours",
            offset_s);
    *ret_s = offset_s;
    return OK;
}

static enum err
zone_fill(struct zone *zone, const struct tzif *tzif, struct error *reterr)
{
    enum err err = offset_read(tzif, 0, &zone->offset_first_s, reterr);

    for (size_t i = 0; err == OK && i < zone->count; i++) {
        struct transition *transition = &zone->transitions[i];
        size_t type = (unsigned char)tzif->indexes[i];

        transition->at_s = read_i64(tzif->times + i * 8);
        if (i > 0 && transition->at_s <= zone->transitions[i - 1].at_s)
            return error_set(reterr, ERR_INVALID, "transition %zu is not after the one before", i);
        err = offset_read(tzif, type, &transition->offset_s, reterr);
    }
    if (err == OK && tzif->rule.len > 0) {
        zone->has_rule = true;
        err = zone_rule_parse(tzif->rule, &zone->rule, reterr);
    }
    return err;
}

static struct zone *
zone_alloc(struct str name, size_t transitions)
{
    struct zone *zone =
        calloc(1, sizeof(*zone) + transitions * sizeof(zone->transitions[0]) + name.len + 1);
    char *copy;

    if (zone == NULL)
        return NULL;
    zone->count = transitions;
    copy = (char *)&zone->transitions[transitions];
    if (name.len > 0)
        memcpy(copy, name.ptr, name.len);
    zone->name = (struct str){copy, name.len};
    return zone;
}

enum err
zone_new_tzif(struct str name, struct str bytes, struct zone **ret, struct error *reterr)
{
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct tzif tzif = {0};
    enum err err;

    if (bytes.len > TZIF_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "a zone file of %zu bytes is too large", bytes.len);
    err = tzif_find(bytes, &tzif, reterr);
    if (err != OK)
        return err;
    zone = zone_alloc(name, tzif.header.time_count);
    if (zone == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    err = zone_fill(zone, &tzif, reterr);
    if (err != OK)
        return err;
    *ret = TAKE(zone);
    return OK;
}

enum err
zone_new_fixed(int32_t offset_minutes, struct zone **ret)
{
    char name[UTC_OFFSET_TEXT_BYTES];
    struct zone *zone;

    utc_offset_format(offset_minutes, name);
    zone = zone_alloc(str_from(name), 0);
    if (zone == NULL)
        return ERR_NOMEM;
    zone->offset_first_s = offset_minutes * 60;
    *ret = zone;
    return OK;
}

void
zone_free(struct zone *zone)
{
    free(zone);
}

void
zone_freep(struct zone **zone)
{
    zone_free(*zone);
    *zone = NULL;
}

struct str
zone_name(const struct zone *zone)
{
    return zone->name;
}

static int64_t
floor_seconds(int64_t us)
{
    return us / US_PER_S - (us % US_PER_S < 0 ? 1 : 0);
}

static int32_t
offset_at_seconds(const struct zone *zone, int64_t at_s)
{
    size_t low = 0;
    size_t high = zone->count;

    if (zone->has_rule && (high == 0 || at_s >= zone->transitions[high - 1].at_s))
        return zone_rule_offset_at(&zone->rule, at_s);

    /* How many transitions are at or before at_s. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->transitions[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->offset_first_s : zone->transitions[low - 1].offset_s;
}

int32_t
zone_offset_at(const struct zone *zone, struct walltime at)
{
    return offset_at_seconds(zone, floor_seconds(at.us));
}

int32_t
zone_offset_minutes_at(const struct zone *zone, struct walltime at)
{
    int32_t offset_s = zone_offset_at(zone, at);

    return (offset_s + (offset_s < 0 ? -30 : 30)) / 60;
}

struct zone_resolved
zone_resolve(const struct zone *zone, struct civil local)
{
    int64_t wall_s = floor_seconds(local.us);
    /* No clock is a day away from UTC and no zone moves its clocks twice within two days, so these
     * are the offsets on both sides of whatever may happen near this time. */
    int32_t before_s = offset_at_seconds(zone, wall_s - S_PER_DAY);
    int32_t after_s = offset_at_seconds(zone, wall_s + S_PER_DAY);
    bool before_holds = offset_at_seconds(zone, wall_s - before_s) == before_s;
    bool after_holds = offset_at_seconds(zone, wall_s - after_s) == after_s;
    struct walltime with_before = {local.us - before_s * US_PER_S};
    struct walltime with_after = {local.us - after_s * US_PER_S};

    if (before_holds && after_holds && before_s != after_s)
        return (struct zone_resolved){with_before, ZONE_ADJUSTED_OVERLAP};
    if (before_holds)
        return (struct zone_resolved){with_before, ZONE_ADJUSTED_NONE};
    if (after_holds)
        return (struct zone_resolved){with_after, ZONE_ADJUSTED_NONE};
    return (struct zone_resolved){with_before, ZONE_ADJUSTED_GAP};
}

const char *
zone_adjusted_name(enum zone_adjusted adjusted)
{
    switch (adjusted) {
    case ZONE_ADJUSTED_NONE: return NULL;
    case ZONE_ADJUSTED_GAP: return "gap";
    case ZONE_ADJUSTED_OVERLAP: return "overlap";
    }
    UNREACHABLE;
}

static bool
is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A letter, then letters, digits, '_', '-' or '+'. A dot stands in no zone's name. */
static bool
part_is_sane(struct str part, bool digits_allowed)
{
    if (part.len == 0 || !is_letter(part.ptr[0]))
        return false;
    for (size_t i = 1; i < part.len; i++) {
        char c = part.ptr[i];

        if (is_digit(c) || c == '+') {
            if (!digits_allowed)
                return false;
        } else if (!is_letter(c) && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

bool
zone_name_is_sane(struct str name)
{
    /* Not zones but other sets of them, pointers to one, or the sign that none was chosen. */
    static const char *const reserved[] = {"posix", "right", "posixrules", "localtime", "Factory"};
    struct str rest = name;
    struct str part;
    bool has_area = str_find(name, '/', 0) != SIZE_MAX;
    bool is_first = true;

    if (name.len == 0 || name.len > ZONE_BYTES_MAX)
        return false;
    while (str_split(&rest, '/', &part)) {
        /* Without an area, digits are a rule ("EST5EDT", "UTC+5"), whose sign points the wrong way
         * for whoever types it. "Etc/GMT+5" is a name of the database. */
        if (!part_is_sane(part, has_area))
            return false;
        for (size_t i = 0; is_first && i < COUNT_OF(reserved); i++) {
            if (str_equals(part, str_from(reserved[i])))
                return false;
        }
        is_first = false;
    }
    return true;
}

enum err
utc_offset_parse(struct str text, int32_t *ret_minutes)
{
    int32_t minutes;
    int hours;

    if (text.len != UTC_OFFSET_TEXT_BYTES - 1 || (text.ptr[0] != '+' && text.ptr[0] != '-') ||
        !is_digit(text.ptr[1]) || !is_digit(text.ptr[2]) || text.ptr[3] != ':' ||
        !is_digit(text.ptr[4]) || !is_digit(text.ptr[5]))
        return ERR_INVALID;
    hours = (text.ptr[1] - '0') * 10 + (text.ptr[2] - '0');
    minutes = (text.ptr[4] - '0') * 10 + (text.ptr[5] - '0');
    if (minutes > 59 || hours * 60 + minutes > UTC_OFFSET_MINUTES_MAX)
        return ERR_INVALID;
    minutes += hours * 60;
    if (text.ptr[0] == '-') {
        if (minutes == 0)
            return ERR_INVALID;
        minutes = -minutes;
    }
    *ret_minutes = minutes;
    return OK;
}

void
utc_offset_format(int32_t minutes, char ret_text[UTC_OFFSET_TEXT_BYTES])
{
    /* The sign first: C's division would lose it for -00:30. */
    int32_t size = minutes < 0 ? -minutes : minutes;

    CHECK(size <= UTC_OFFSET_MINUTES_MAX);
    ret_text[0] = minutes < 0 ? '-' : '+';
    ret_text[1] = (char)('0' + size / 600);
    ret_text[2] = (char)('0' + size / 60 % 10);
    ret_text[3] = ':';
    ret_text[4] = (char)('0' + size % 60 / 10);
    ret_text[5] = (char)('0' + size % 10);
    ret_text[6] = '\0';
}

struct civil
civil_at(struct walltime at, int32_t offset_minutes)
{
    return (struct civil){at.us + offset_minutes * (60 * US_PER_S)};
}

enum err
civil_parse(struct str text, struct civil *ret)
{
    /* What a clock shows is written like an instant without its zone: with a Z it can be read as
     * one, by the same rules. A text that has a zone already now has two and is refused. */
    char with_zone[64];
    struct walltime at;
    enum err err;

    if (text.len == 0 || text.len > sizeof(with_zone) - 1)
        return ERR_INVALID;
    memcpy(with_zone, text.ptr, text.len);
    with_zone[text.len] = 'Z';
    err = walltime_parse((struct str){with_zone, text.len + 1}, &at);
    if (err != OK)
        return err;
    *ret = (struct civil){at.us};
    return OK;
}

void
civil_format(struct civil local, char ret_text[WALLTIME_TEXT_BYTES])
{
    walltime_format((struct walltime){local.us}, ret_text);
}
