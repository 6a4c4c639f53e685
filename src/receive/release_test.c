/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/release.h"

#include <string.h>

#include "store/inbox.h"
#include "store/quarantine.h"
#include "support/engine.h"

/* SHA-256 of "sesame" */
#define SESAME_HASH "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"

#define CAME_US INT64_C(1710496800000000)

static const struct quarantine_bounds bounds = {64 << 20, US_PER_DAY, 4};

struct place {
    struct engine *engine;
    struct setup *setup;
    struct release_tally tally;
    int64_t at;
};

static struct source *
add(struct place *place, const char *name)
{
    struct source *source = NULL;
    struct error error = {OK, ""};

    assert_int_equal(setup_add_source(place->setup, str_from(name), &source, &error), OK);
    return source;
}

static void
set(struct place *place, struct source *source, const char *name, const char *value)
{
    struct error error = {OK, ""};

    if (source_set(source, &place->setup->arena, str_from(name), str_from(value), &error) != OK)
        fail_msg("%s", error.text);
}

static int
start(void **state)
{
    static struct place place;
    struct source *source;
    struct error error = {OK, ""};

    place = (struct place){.engine = test_engine_open()};
    assert_int_equal(setup_new(&place.setup, &error), OK);
    source = add(&place, "token");
    set(&place, source, "accept", "token");
    set(&place, source, "token-sha256", SESAME_HASH);
    source = add(&place, "near");
    set(&place, source, "accept", "address");
    set(&place, source, "address", "203.0.113.0/24");
    source = add(&place, "small");
    set(&place, source, "accept", "none");
    set(&place, source, "body-max-kib", "1");
    assert_int_equal(setup_check(place.setup, &error), OK);
    assert_int_equal(setup_register(place.setup, place.engine, (struct walltime){CAME_US}, &error),
        OK);
    *state = &place;
    return 0;
}

static int
stop(void **state)
{
    struct place *place = *state;

    setup_drop(place->setup);
    engine_close(place->engine);
    return 0;
}

static void
keep(struct place *place, const char *source, const char *token, const char *headers,
    struct str body)
{
    struct error error = {OK, ""};
    const struct quarantined call = {
        .source = str_from(source),
        .peer = STR("192.0.2.1"),
        .reason = STR("was wrong"),
        .received = {CAME_US},
        .token = str_from(token),
        .headers = str_from(headers),
        .body = body,
    };

    if (quarantine_put(place->engine, &call, 1, &bounds, &error) != OK)
        fail_msg("%s", error.text);
}

static void
step(struct place *place, struct str source, int64_t only_pk)
{
    const struct release_choice choice = {source, only_pk};
    struct error error = {OK, ""};

    if (release_step(place->engine, place->setup, &choice, &place->at, &place->tally, &error) != OK)
        fail_msg("%s", error.text);
}

static void
step_to_the_end(struct place *place, struct str source)
{
    while (place->at != INT64_MAX)
        step(place, source, 0);
}

static int64_t
number(struct place *place, const char *sql)
{
    int64_t ret = -1;

    assert_int_equal(engine_get_int_values(place->engine, sql, NULL, 0, &ret, NULL), OK);
    return ret;
}

static const struct str all = {NULL, 0};

static void
who_passes_now_becomes_an_item_of_the_time_it_came(void **state)
{
    struct place *place = *state;

    keep(place, "token", "sesame", "Webhook-Id: one\nX-Usher-Event: user.deleted\n",
        STR("{\"a\":1}"));
    step_to_the_end(place, all);
    assert_int_equal(place->tally.released, 1);
    assert_int_equal(place->tally.duplicates, 0);
    assert_int_equal(place->tally.still_refused, 0);
    assert_int_equal(number(place, "SELECT received_us FROM inbox"), CAME_US);
    assert_int_equal(number(place, "SELECT flags & 8 FROM inbox"), ITEM_RELEASED);
    assert_int_equal(number(place, "SELECT count(*) FROM inbox WHERE sender_id = 'one'"
                                   " AND event = 'user.deleted'"),
        1);
    assert_int_equal(number(place, "SELECT count(*) FROM quarantine"), 0);
}

static void
who_does_not_stays_where_it_is(void **state)
{
    struct place *place = *state;
    static char large[1025];

    memset(large, ' ', sizeof(large));
    memcpy(large, "{}", 2);
    keep(place, "token", "wrong", "", STR("{}"));
    keep(place, "token", NULL, "", STR("{}"));
    keep(place, "nobody", "sesame", "", STR("{}"));
    keep(place, "token", "sesame", "", STR("{\"no\"}"));
    keep(place, "small", NULL, "", (struct str){large, sizeof(large)});
    step_to_the_end(place, all);
    assert_int_equal(place->tally.still_refused, 5);
    assert_int_equal(place->tally.released, 0);
    assert_int_equal(number(place, "SELECT count(*) FROM quarantine"), 5);
    assert_int_equal(number(place, "SELECT count(*) FROM inbox"), 0);
}

static void
what_is_known_by_now_is_a_duplicate(void **state)
{
    struct place *place = *state;

    keep(place, "token", "sesame", "", STR("{\"a\":1}"));
    keep(place, "token", "sesame", "", STR("{\"a\":1}"));
    step_to_the_end(place, all);
    assert_int_equal(place->tally.released, 1);
    assert_int_equal(place->tally.duplicates, 1);
    assert_int_equal(number(place, "SELECT count(*) FROM quarantine"), 0);
    assert_int_equal(number(place, "SELECT count(*) FROM inbox"), 1);
}

static void
a_proxy_that_is_trusted_now_says_who_it_was(void **state)
{
    struct place *place = *state;

    keep(place, "near", NULL, "X-Forwarded-For: 203.0.113.5\n", STR("{}"));
    step_to_the_end(place, all);
    assert_int_equal(place->tally.still_refused, 1);
    place->setup->proxies = ARENA_NEW(&place->setup->arena, struct cidr);
    assert_int_equal(cidr_parse(STR("192.0.2.1"), place->setup->proxies, NULL), OK);
    place->setup->proxy_count = 1;
    place->at = 0;
    step_to_the_end(place, all);
    assert_int_equal(place->tally.released, 1);
}

static void
one_source_or_one_call_may_be_named(void **state)
{
    struct place *place = *state;
    struct error error = {OK, ""};
    const struct release_choice no_such = {.only_pk = 99};
    int64_t at = 7;
    struct release_tally tally = {1, 2, 3};

    keep(place, "token", "sesame", "", STR("{\"a\":1}"));
    keep(place, "token", "sesame", "", STR("{\"a\":2}"));
    keep(place, "small", NULL, "", STR("{\"a\":3}"));
    step_to_the_end(place, STR("small"));
    assert_int_equal(place->tally.released, 1);
    place->at = 0;
    step(place, all, number(place, "SELECT max(quarantine_pk) FROM quarantine"));
    assert_int_equal(place->at, INT64_MAX);
    assert_int_equal(place->tally.released, 2);
    assert_int_equal(number(place, "SELECT count(*) FROM quarantine"), 1);

    assert_int_equal(release_step(place->engine, place->setup, &no_such, &at, &tally, &error),
        ERR_NOT_FOUND);
    assert_int_equal(at, 7);
    assert_int_equal(tally.released, 1);
}

static void
a_step_is_bounded(void **state)
{
    struct place *place = *state;
    static char large[600000];

    for (int i = 0; i < 120; i++)
        keep(place, "token", "wrong", "", STR("{}"));
    step(place, all, 0);
    assert_int_equal(place->tally.still_refused, 50);
    step(place, all, 0);
    step(place, all, 0);
    assert_int_equal(place->tally.still_refused, 120);
    assert_int_equal(place->at, INT64_MAX);

    memset(large, ' ', sizeof(large));
    place->at = number(place, "SELECT max(quarantine_pk) FROM quarantine");
    place->tally.still_refused = 0;
    for (int i = 0; i < 4; i++)
        keep(place, "token", "wrong", "", (struct str){large, sizeof(large)});
    step(place, all, 0);
    assert_int_equal(place->tally.still_refused, 2);
    assert_true(place->at != INT64_MAX);
}

#define RELEASE_TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RELEASE_TEST(who_passes_now_becomes_an_item_of_the_time_it_came),
        RELEASE_TEST(who_does_not_stays_where_it_is),
        RELEASE_TEST(what_is_known_by_now_is_a_duplicate),
        RELEASE_TEST(a_proxy_that_is_trusted_now_says_who_it_was),
        RELEASE_TEST(one_source_or_one_call_may_be_named),
        RELEASE_TEST(a_step_is_bounded),
    };

    return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
