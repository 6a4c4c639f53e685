/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/timezone.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "support/test.h"

/* Zone files made here, so that each broken one differs from a good one in a single thing. */
struct file_change {
    int64_t at_s;
    uint8_t type;
};

struct file {
    char version;
    const char *rule; /* NULL: not even the line */
    struct file_change changes[4];
    size_t change_count;
    int32_t offsets[4];
    uint32_t offset_count;
    uint32_t chars;
    uint32_t leaps;
    uint32_t isstd;
    uint32_t isut;
    uint32_t first_block_times; /* transitions in the block of 32 bits */
};

static const struct file new_york = {
    .version = '2',
    .rule = "EST5EDT,M3.2.0,M11.1.0",
    .changes = {{-2717650800, 1}, {1173596400, 2}, {1194156000, 1}},
    .change_count = 3,
    .offsets = {-17762, -18000, -14400},
    .offset_count = 3,
    .chars = 12,
};

static void
put_number(struct buf *buf, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        buf_append_char(buf, (char)(unsigned char)(value >> (8 * i)));
}

static void
put_zeros(struct buf *buf, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_append_char(buf, '\0');
}

static void
put_header(struct buf *buf, const struct file *file, uint32_t times, uint32_t types)
{
    buf_append_literal(buf, "TZif");
    buf_append_char(buf, file->version);
    put_zeros(buf, 15);
    put_number(buf, file->isut, 4);
    put_number(buf, file->isstd, 4);
    put_number(buf, file->leaps, 4);
    put_number(buf, times, 4);
    put_number(buf, types, 4);
    put_number(buf, file->chars, 4);
}

static void
file_write(struct buf *buf, const struct file *file)
{
    buf_init(buf, 2 * TZIF_BYTES_MAX);
    put_header(buf, file, file->first_block_times, 1);
    put_zeros(buf,
        file->first_block_times * 5 + 6 + file->chars + file->leaps * 8 + file->isstd + file->isut);
    put_header(buf, file, (uint32_t)file->change_count, file->offset_count);
    for (size_t i = 0; i < file->change_count; i++)
        put_number(buf, (uint64_t)file->changes[i].at_s, 8);
    for (size_t i = 0; i < file->change_count; i++)
        put_number(buf, file->changes[i].type, 1);
    for (size_t i = 0; i < file->offset_count; i++) {
        put_number(buf, (uint32_t)file->offsets[i], 4);
        put_zeros(buf, 2);
    }
    put_zeros(buf, file->chars + file->leaps * 12 + file->isstd + file->isut);
    if (file->rule != NULL)
        buf_printf(buf, "\n%s\n", file->rule);
}

static enum err
file_load(const struct file *file, struct zone **ret, struct error *reterr)
{
    CLEANUP(buf_done) struct buf buf;

    file_write(&buf, file);
    assert_false(buf_is_full(&buf));
    return zone_new_tzif(STR("Test/Zone"), buf_str(&buf), ret, reterr);
}

static struct walltime
instant(const char *text)
{
    struct walltime at = {0};

    assert_int_equal(walltime_parse(str_from(text), &at), OK);
    return at;
}

static struct civil
wall(const char *text)
{
    struct civil local = {0};

    assert_int_equal(civil_parse(str_from(text), &local), OK);
    return local;
}

static void
offsets_come_from_the_table_and_then_from_the_rule(void **state)
{
    CLEANUP(zone_freep) struct zone *zone = NULL;

    assert_int_equal(file_load(&new_york, &zone, NULL), OK);
    assert_string_equal(zone_name(zone).ptr, "Test/Zone");
    assert_int_equal(zone_offset_at(zone, instant("1800-01-01T00:00:00Z")), -17762);
    assert_int_equal(zone_offset_at(zone, instant("1883-11-18T16:59:59.500Z")), -17762);
    assert_int_equal(zone_offset_at(zone, instant("1883-11-18T17:00:00Z")), -18000);
    assert_int_equal(zone_offset_at(zone, instant("2007-03-11T06:59:59.999Z")), -18000);
    assert_int_equal(zone_offset_at(zone, instant("2007-03-11T07:00:00Z")), -14400);
    assert_int_equal(zone_offset_at(zone, instant("2007-11-04T06:00:00Z")), -18000);
    assert_int_equal(zone_offset_at(zone, instant("2008-03-09T06:59:59.999999Z")), -18000);
    assert_int_equal(zone_offset_at(zone, instant("2008-03-09T07:00:00Z")), -14400);
    assert_int_equal(zone_offset_at(zone, instant("2100-07-01T12:00:00Z")), -14400);
    assert_int_equal(zone_offset_at(zone, instant("9999-12-31T23:59:59Z")), -18000);
    (void)state;
}

static void
without_a_rule_the_last_offset_stays(void **state)
{
    struct file file = new_york;
    CLEANUP(zone_freep) struct zone *zone = NULL;
    CLEANUP(zone_freep) struct zone *still = NULL;

    file.rule = "";
    assert_int_equal(file_load(&file, &zone, NULL), OK);
    assert_int_equal(zone_offset_at(zone, instant("2100-07-01T12:00:00Z")), -18000);

    file.change_count = 0;
    assert_int_equal(file_load(&file, &still, NULL), OK);
    assert_int_equal(zone_offset_at(still, instant("2100-07-01T12:00:00Z")), -17762);
    (void)state;
}

static void
a_rule_counts_from_the_second_of_the_last_change(void **state)
{
    struct file file = new_york;
    CLEANUP(zone_freep) struct zone *zone = NULL;

    /* A file that contradicts its rule; RFC 9636 gives the rule "on or after" that change. */
    file.changes[2].type = 0;
    assert_int_equal(file_load(&file, &zone, NULL), OK);
    assert_int_equal(zone_offset_at(zone, instant("2007-11-04T05:59:59Z")), -14400);
    assert_int_equal(zone_offset_at(zone, instant("2007-11-04T06:00:00Z")), -18000);
    (void)state;
}

static void
a_zone_of_nothing_but_a_rule_follows_it_always(void **state)
{
    struct file file = new_york;
    CLEANUP(zone_freep) struct zone *zone = NULL;

    file.change_count = 0;
    assert_int_equal(file_load(&file, &zone, NULL), OK);
    assert_int_equal(zone_offset_at(zone, instant("1980-07-01T12:00:00Z")), -14400);
    assert_int_equal(zone_offset_at(zone, instant("1980-01-01T12:00:00Z")), -18000);
    (void)state;
}

static void
a_wall_clock_is_read_as_rfc_5545_says(void **state)
{
    static const struct {
        const char *local;
        const char *at;
        enum zone_adjusted adjusted;
    } cases[] = {
        {"2024-01-15T12:00", "2024-01-15T17:00:00.000Z", ZONE_ADJUSTED_NONE},
        {"2024-03-10T01:59:59.999", "2024-03-10T06:59:59.999Z", ZONE_ADJUSTED_NONE},
        {"2024-03-10T02:00", "2024-03-10T07:00:00.000Z", ZONE_ADJUSTED_GAP},
        {"2024-03-10T02:30", "2024-03-10T07:30:00.000Z", ZONE_ADJUSTED_GAP},
        {"2024-03-10T02:59:59.999", "2024-03-10T07:59:59.999Z", ZONE_ADJUSTED_GAP},
        {"2024-03-10T03:00", "2024-03-10T07:00:00.000Z", ZONE_ADJUSTED_NONE},
        {"2024-11-03T00:59:59.999", "2024-11-03T04:59:59.999Z", ZONE_ADJUSTED_NONE},
        {"2024-11-03T01:00", "2024-11-03T05:00:00.000Z", ZONE_ADJUSTED_OVERLAP},
        {"2024-11-03T01:59:59.999", "2024-11-03T05:59:59.999Z", ZONE_ADJUSTED_OVERLAP},
        {"2024-11-03T02:00", "2024-11-03T07:00:00.000Z", ZONE_ADJUSTED_NONE},
        {"0000-01-01T00:00", "0000-01-01T04:56:02.000Z", ZONE_ADJUSTED_NONE},
    };
    CLEANUP(zone_freep) struct zone *zone = NULL;

    assert_int_equal(file_load(&new_york, &zone, NULL), OK);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct zone_resolved resolved = zone_resolve(zone, wall(cases[i].local));
        char text[WALLTIME_TEXT_BYTES];

        walltime_format(resolved.at, text);
        assert_string_equal(text, cases[i].at);
        assert_int_equal(resolved.adjusted, cases[i].adjusted);
    }
    assert_null(zone_adjusted_name(ZONE_ADJUSTED_NONE));
    assert_string_equal(zone_adjusted_name(ZONE_ADJUSTED_GAP), "gap");
    assert_string_equal(zone_adjusted_name(ZONE_ADJUSTED_OVERLAP), "overlap");
    (void)state;
}

static void
a_day_that_never_was_is_a_gap(void **state)
{
    /* Pacific/Apia went from -10 to +14 at the end of 2011-12-29. */
    static const struct file apia = {.version = '2',
        .rule = "<+13>-13",
        .changes = {{1301752800, 0}, {1325239200, 1}, {1333202400, 2}},
        .change_count = 3,
        .offsets = {-36000, 50400, 46800},
        .offset_count = 3,
        .chars = 4};
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct zone_resolved resolved;

    assert_int_equal(file_load(&apia, &zone, NULL), OK);
    resolved = zone_resolve(zone, wall("2011-12-30T12:00"));
    assert_int_equal(resolved.at.us, instant("2011-12-30T22:00:00Z").us);
    assert_int_equal(resolved.adjusted, ZONE_ADJUSTED_GAP);
    resolved = zone_resolve(zone, wall("2011-12-29T23:59:59"));
    assert_int_equal(resolved.at.us, instant("2011-12-30T09:59:59Z").us);
    assert_int_equal(resolved.adjusted, ZONE_ADJUSTED_NONE);
    resolved = zone_resolve(zone, wall("2011-12-31T00:00"));
    assert_int_equal(resolved.at.us, instant("2011-12-30T10:00:00Z").us);
    assert_int_equal(resolved.adjusted, ZONE_ADJUSTED_NONE);
    (void)state;
}

static void
a_broken_zone_file_is_refused(void **state)
{
    struct file files[16];
    size_t count = 0;

    for (size_t i = 0; i < COUNT_OF(files); i++)
        files[i] = new_york;
    files[count++].version = '\0';
    files[count++].leaps = 1;
    files[count++].isut = 1;
    files[count++].isstd = 2;
    files[count++].chars = 0;
    files[count++].offset_count = 0;
    files[count++].changes[1].type = 3;
    files[count++].changes[1].at_s = new_york.changes[0].at_s;
    files[count++].changes[2].at_s = INT64_MIN;
    files[count++].offsets[0] = (18 * 3600) + 1;
    files[count++].offsets[1] = -(18 * 3600) - 1;
    files[count++].offsets[1] = INT32_MIN;
    files[count++].rule = NULL;
    files[count++].rule = "EST5EDT";
    files[count++].rule = "EST5\n";
    files[count++].rule = "nonsense";
    assert_int_equal(count, COUNT_OF(files));

    for (size_t i = 0; i < count; i++) {
        struct zone *zone = NULL;
        struct error error = {0};

        if (file_load(&files[i], &zone, &error) != ERR_INVALID)
            fail_msg("file %zu was accepted", i);
        assert_null(zone);
        assert_int_not_equal(strlen(error.text), 0);
    }
    (void)state;
}

static void
a_zone_file_that_ends_early_is_refused_wherever_it_ends(void **state)
{
    struct file file = new_york;
    CLEANUP(buf_done) struct buf buf;
    struct zone *zone = NULL;

    file.isut = 3;
    file.isstd = 3;
    file.first_block_times = 3;
    file_write(&buf, &file);
    for (size_t len = 0; len < buf.len; len++) {
        /* An allocation of its own, so that a read beyond the end shows. */
        char *part = malloc(len > 0 ? len : 1);

        assert_non_null(part);
        memcpy(part, buf.ptr, len);
        assert_int_equal(zone_new_tzif(STR("T"), (struct str){part, len}, &zone, NULL),
            ERR_INVALID);
        assert_null(zone);
        free(part);
    }
    assert_int_equal(zone_new_tzif(STR("T"), buf_str(&buf), &zone, NULL), OK);
    zone_free(zone);
    (void)state;
}

static void
a_zone_file_with_absurd_counts_is_refused(void **state)
{
    CLEANUP(buf_done) struct buf buf;
    CLEANUP(buf_done) struct buf large;
    struct zone *zone = NULL;

    file_write(&buf, &new_york);
    for (size_t at = 20; at < 44; at++) {
        char was = buf.ptr[at];

        buf.ptr[at] = (char)0xff;
        assert_int_equal(zone_new_tzif(STR("T"), buf_str(&buf), &zone, NULL), ERR_INVALID);
        buf.ptr[at] = was;
    }
    buf_init(&large, 2 * TZIF_BYTES_MAX);
    put_zeros(&large, TZIF_BYTES_MAX + 1);
    assert_int_equal(zone_new_tzif(STR("T"), buf_str(&large), &zone, NULL), ERR_INVALID);
    assert_null(zone);
    (void)state;
}

static void
a_fixed_offset_is_a_zone(void **state)
{
    static const int32_t minutes[] = {0, 330, -210, -30, 1080, -1080, 840, 1};
    static const char *const names[] = {"+00:00", "+05:30", "-03:30", "-00:30", "+18:00", "-18:00",
        "+14:00", "+00:01"};

    for (size_t i = 0; i < COUNT_OF(minutes); i++) {
        CLEANUP(zone_freep) struct zone *zone = NULL;
        struct zone_resolved resolved;

        assert_int_equal(zone_new_fixed(minutes[i], &zone), OK);
        assert_string_equal(zone_name(zone).ptr, names[i]);
        assert_int_equal(zone_offset_at(zone, instant("2050-01-01T00:00:00Z")), minutes[i] * 60);
        assert_int_equal(zone_offset_minutes_at(zone, instant("1950-01-01T00:00:00Z")), minutes[i]);
        resolved = zone_resolve(zone, wall("2024-03-15T15:30:00"));
        assert_int_equal(resolved.at.us + minutes[i] * 60 * US_PER_S,
            wall("2024-03-15T15:30:00").us);
        assert_int_equal(resolved.adjusted, ZONE_ADJUSTED_NONE);
    }
    (void)state;
}

static void
an_offset_with_seconds_is_rounded_and_local_less_offset_stays_the_instant(void **state)
{
    static const struct {
        int32_t offset_s;
        int32_t minutes;
    } cases[] = {{-2670, -45}, {-2669, -44}, {2670, 45}, {2669, 44}, {1172, 20}, {-29, 0}, {29, 0},
        {30, 1}, {-30, -1}, {64800, 1080}, {-64800, -1080}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct file file = {.version = '3',
            .rule = "",
            .offsets = {cases[i].offset_s},
            .offset_count = 1,
            .chars = 4};
        CLEANUP(zone_freep) struct zone *zone = NULL;
        struct walltime at = instant("1971-06-01T00:00:00Z");

        assert_int_equal(file_load(&file, &zone, NULL), OK);
        assert_int_equal(zone_offset_at(zone, at), cases[i].offset_s);
        assert_int_equal(zone_offset_minutes_at(zone, at), cases[i].minutes);
        assert_int_equal(civil_at(at, cases[i].minutes).us - cases[i].minutes * 60 * US_PER_S,
            at.us);
    }
    (void)state;
}

static void
names_of_the_database_are_sane(void **state)
{
    static const char *const sane[] = {"Asia/Kolkata", "Asia/Calcutta", "America/Port-au-Prince",
        "America/Argentina/Buenos_Aires", "America/North_Dakota/New_Salem", "Etc/GMT+5",
        "Etc/GMT-14", "Etc/GMT0", "UTC", "GB-Eire", "NZ-CHAT", "W-SU", "Zulu", "CET", "Cuba"};
    static const char *const insane[] = {"", "/etc/passwd", "../etc/passwd", "Asia/../UTC",
        "Asia//Kolkata", "Asia/", "Asia/.", "./UTC", "a.b", "zone.tab", "posixrules", "localtime",
        "posix/UTC", "right/UTC", "posix", "right", "Factory", "UTC+5", "EST5EDT", "GMT0", "GMT-0",
        "<+05>-5", "+05:30", "-05", "5", ":UTC", "Asia/Kolkata ", " UTC", "Asia\\Kolkata",
        "Europe/K\xc3\xb6ln", "UTC\n", "A/-B", "A/_B", "A/1",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    for (size_t i = 0; i < COUNT_OF(sane); i++) {
        if (!zone_name_is_sane(str_from(sane[i])))
            fail_msg("%s was refused", sane[i]);
    }
    for (size_t i = 0; i < COUNT_OF(insane); i++) {
        if (zone_name_is_sane(str_from(insane[i])))
            fail_msg("%s was accepted", insane[i]);
    }
    assert_false(zone_name_is_sane((struct str){"UTC\0", 4}));
    assert_false(zone_name_is_sane((struct str){NULL, 0}));
    (void)state;
}

static void
an_offset_is_six_characters(void **state)
{
    static const struct {
        const char *text;
        int32_t minutes;
    } good[] = {{"+00:00", 0}, {"+05:30", 330}, {"-03:30", -210}, {"-00:30", -30}, {"+14:00", 840},
        {"-12:00", -720}, {"+18:00", 1080}, {"-18:00", -1080}, {"+12:45", 765}};

    static const char *const bad[] = {"", "Z", "+5:30", "05:30", "+0530", "+05", "-00:00", "+18:01",
        "+19:00", "-18:01", "+05:60", "+05:3", "+05:300", "+05.30", " +05:3", "+05:30 ", "+0a:30",
        "+05:-3", "\342\210\2225:3", "*05:30"};
    int32_t minutes = 77;

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char text[UTC_OFFSET_TEXT_BYTES];

        assert_int_equal(utc_offset_parse(str_from(good[i].text), &minutes), OK);
        assert_int_equal(minutes, good[i].minutes);
        utc_offset_format(minutes, text);
        assert_string_equal(text, good[i].text);
    }
    minutes = 77;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (utc_offset_parse(str_from(bad[i]), &minutes) != ERR_INVALID)
            fail_msg("%s was accepted", bad[i]);
        assert_int_equal(minutes, 77);
    }
    (void)state;
}

static void
a_wall_clock_is_text_without_a_zone(void **state)
{
    static const struct {
        const char *text;
        const char *formatted;
    } good[] = {{"2024-03-15T15:30:00", "2024-03-15T15:30:00.000Z"},
        {"2024-03-15T15:30", "2024-03-15T15:30:00.000Z"},
        {"2024-03-15T15:30:59.1239", "2024-03-15T15:30:59.123Z"},
        {"2024-02-29T00:00:00", "2024-02-29T00:00:00.000Z"}};

    static const char *const bad[] = {"", "2024-03-15", "2024-03-15T15", "2024-03-15T15:30:00Z",
        "2024-03-15T15:30z", "2024-03-15T15:30:00+05:30", "2023-02-29T00:00:00", "15:30",
        "2024-03-15T24:00:00", "2024-03-15T15:60:00", "2024-03-15 15:30:00 ",
        "2024-03-15T15:30:00.00000000000000000000000000000000000000000000000000000000000"};
    struct civil local = {77};

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char text[WALLTIME_TEXT_BYTES];

        assert_int_equal(civil_parse(str_from(good[i].text), &local), OK);
        civil_format(local, text);
        assert_string_equal(text, good[i].formatted);
    }
    local.us = 77;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (civil_parse(str_from(bad[i]), &local) != ERR_INVALID)
            fail_msg("%s was accepted", bad[i]);
        assert_int_equal(local.us, 77);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_come_from_the_table_and_then_from_the_rule),
        cmocka_unit_test(without_a_rule_the_last_offset_stays),
        cmocka_unit_test(a_rule_counts_from_the_second_of_the_last_change),
        cmocka_unit_test(a_zone_of_nothing_but_a_rule_follows_it_always),
        cmocka_unit_test(a_wall_clock_is_read_as_rfc_5545_says),
        cmocka_unit_test(a_day_that_never_was_is_a_gap),
        cmocka_unit_test(a_broken_zone_file_is_refused),
        cmocka_unit_test(a_zone_file_that_ends_early_is_refused_wherever_it_ends),
        cmocka_unit_test(a_zone_file_with_absurd_counts_is_refused),
        cmocka_unit_test(a_fixed_offset_is_a_zone),
        cmocka_unit_test(an_offset_with_seconds_is_rounded_and_local_less_offset_stays_the_instant),
        cmocka_unit_test(names_of_the_database_are_sane),
        cmocka_unit_test(an_offset_is_six_characters),
        cmocka_unit_test(a_wall_clock_is_text_without_a_zone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
