/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim --seed N [--days 5] [--verbose]   one run, and the digest of all that happened
 * sim --seeds A-B [--days 5]            many
 *
 * More seeds may follow; with --twice each is run twice, which must come to the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/log.h"
#include "sim/sim.h"

#define RANGES_MAX 256

struct range {
    uint64_t first;
    uint64_t last;
};

struct wish {
    struct range ranges[RANGES_MAX];
    size_t count;
    double days;
    bool is_verbose;
    bool is_twice;
};

static int
usage(void)
{
    (void)fprintf(stderr, "usage: sim (--seed N | --seeds A-B) [N | A-B]... [--days DAYS]"
                          " [--twice] [--verbose]\n");
    return 2;
}

static bool
read_range(const char *text, struct wish *wish)
{
    struct range *range = &wish->ranges[wish->count];
    char *end;

    if (wish->count == RANGES_MAX)
        return false;
    wish->count++;
    range->first = strtoull(text, &end, 10);
    range->last = range->first;
    if (*end == '-')
        range->last = strtoull(end + 1, &end, 10);
    return end != text && *end == '\0' && range->first <= range->last;
}

static bool
read_wish(int argc, char **argv, struct wish *wish)
{
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (strcmp(argv[i], "--verbose") == 0)
            wish->is_verbose = true;
        else if (strcmp(argv[i], "--twice") == 0)
            wish->is_twice = true;
        else if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0)
            continue;
        else if (strcmp(argv[i], "--days") == 0 && has_value)
            wish->days = strtod(argv[++i], NULL);
        else if (!read_range(argv[i], wish))
            return false;
    }
    return wish->count > 0 && wish->days > 0;
}

static bool
play_seed(const struct wish *wish, struct zones *zones, uint64_t seed)
{
    const struct sim_options options = {
        .seed = seed,
        .days = wish->days,
        .is_verbose = wish->is_verbose,
        .zones = zones,
    };
    struct sim_report report = sim_play(&options);

    if (wish->is_verbose || (wish->count == 1 && wish->ranges[0].first == wish->ranges[0].last))
        (void)printf("seed %" PRIu64 ": %" PRIu64 " events, %" PRIu64 " notices, %" PRIu64
                     " attempts, %" PRIu64 " steps, digest %016" PRIx64 "\n",
            seed, report.events, report.notices, report.attempts, report.steps, report.digest);
    if (!wish->is_twice || sim_play(&options).digest == report.digest)
        return true;
    (void)printf("seed %" PRIu64 " is another run the second time\n", seed);
    return false;
}

int
main(int argc, char **argv)
{
    struct wish wish = {.days = 5};
    struct zones *zones = NULL;
    uint64_t played = 0;
    struct error error = {.code = OK};

    if (!read_wish(argc, argv, &wish))
        return usage();
    /* A store that refuses and endpoints that fail are what is played. */
    log_setup(wish.is_verbose ? LOG_INFO : (enum log_level)(LOG_ERROR + 1), false);
    if (zones_new(NULL, &zones, &error) != OK) {
        (void)fprintf(stderr, "sim: %s\n", error.text);
        return 2;
    }
    for (size_t i = 0; i < wish.count; i++)
        for (uint64_t seed = wish.ranges[i].first; seed <= wish.ranges[i].last; seed++, played++)
            if (!play_seed(&wish, zones, seed))
                return 1;
    zones_free(zones);
    (void)printf("%" PRIu64 " passed, 0 failed\n", played);
    return 0;
}
