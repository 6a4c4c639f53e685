/* SPDX-License-Identifier: Apache-2.0 */
#include "store/announce.h"

#include <string.h>

#include "store/audience.h"
#include "support/engine.h"
#include "support/test.h"

static struct engine *engine;
static struct zones *zones;
static struct arena arena;
static struct id_source ids;
static struct announcer announcer;
static struct error error;

static int
setup(void **state)
{
    static const uint8_t random[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 1 << 22);
    id_source_init(&ids, random);
    announcer = (struct announcer){engine, zones, &ids, &arena, {INT64_C(1710000000000000)}};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    engine_close(engine);
    arena_done(&arena);
    return 0;
}

static int
group_setup(void **state)
{
    (void)state;
    return zones_new(NULL, &zones, NULL) == OK ? 0 : -1;
}

static int
group_teardown(void **state)
{
    (void)state;
    zones_free(zones);
    return 0;
}

static struct mango
new_mango(uint8_t number, const char *name)
{
    struct mango mango = {.account_pk = 1, .id = {{number}}, .name = str_from(name)};

    assert_int_equal(mango_insert(engine, &mango, &error), OK);
    return mango;
}

/* Offered to the mangoes given; one that ends an hour after the announcer's now plus offset_us. */
static struct webinar
new_webinar(uint8_t number, int64_t offset_us, const struct mango *mangoes, size_t count)
{
    struct walltime from = {announcer.now.us + offset_us};
    struct webinar webinar = {.account_pk = 1,
        .id = {{number}},
        .title = STR("Intro"),
        .link = STR("https://x"),
        .timezone = STR("Asia/Kolkata"),
        .from = {.at = from},
        .to = {.at = {from.us + 3600 * US_PER_S}}};
    struct mango list[4];

    if (count > 0)
        memcpy(list, mangoes, count * sizeof(*mangoes));
    assert_int_equal(webinar_insert(engine, &webinar, &error), OK);
    assert_int_equal(
        webinar_mangoes_set(engine, webinar.pk, &(struct mango_list){list, count}, &error), OK);
    return webinar;
}

static void
new_hook(uint8_t number, struct id mango_id)
{
    struct id id = {{number}};

    assert_int_equal(engine_run(engine, &error,
                         "INSERT INTO hook (account_pk, id, url, event, mango_id, description,"
                         " phone_format, signature, secret_sealed, max_in_flight, status,"
                         " created_us, updated_us) VALUES (1, ?1, 'https://h',"
                         " 'webinar.created.single', ?2, '', 'number', 'v1', x'00', 16,"
                         " 'enabled', 0, 0)",
                         v_id(&id), id_is_zero(mango_id) ? v_null() : v_id(&mango_id)),
        OK);
}

static void
add(int64_t group_pk, int64_t attendee_pk)
{
    int64_t ord;
    bool added;

    assert_int_equal(member_add(engine, group_pk, attendee_pk, &ord, &added, &error), OK);
}

static int64_t
count(const char *sql)
{
    int64_t n = -1;

    assert_int_equal(engine_get_int(engine, &n, &error, sql), OK);
    return n;
}

static struct joining
joined(const struct mango *mango, int64_t attendee_pk)
{
    struct joining arrival;

    assert_int_equal(announce_join(&announcer, mango, attendee_pk, true, &arrival, &error), OK);
    return arrival;
}

static struct joining
registered(const struct webinar *webinar, int64_t attendee_pk)
{
    struct joining arrival;

    assert_int_equal(announce_register(&announcer, webinar, attendee_pk, true, &arrival, &error),
        OK);
    return arrival;
}

static void
a_webinar_is_told_to_its_registrations_and_then_its_mangoes(void **state)
{
    struct mango mangoes[] = {new_mango(1, "Gold"), new_mango(2, "Sil\"ver")};
    struct webinar webinar = new_webinar(9, 0, mangoes, 2);
    struct announcement announcement;
    struct audience audience;

    (void)state;
    new_hook(1, (struct id){{0}});
    add(webinar.group_pk, 70);
    add(mangoes[1].group_pk, 71);
    assert_int_equal(announce_webinar(&announcer, &webinar, EVENT_UPDATED, &announcement, &error),
        OK);
    assert_int_equal(announcement.hook_count, 1);
    assert_int_equal(announcement.audience, -1);

    CLEANUP(rows_done) struct rows rows;
    engine_select(engine, &rows, "SELECT reason, snapshot, audience, id FROM event");
    assert_true(rows_next(&rows));
    assert_true(str_equals(rows_str(&rows, 0), STR("updated")));
    assert_true(str_ends(rows_str(&rows, 1), STR("\"mangoes\":\"Gold, Sil\\\"ver\"}")));
    assert_int_equal(audience_decode(rows_str(&rows, 2), &audience), OK);
    assert_int_equal(audience.count, 2);
    assert_int_equal(audience.ranges[0].group_pk, webinar.group_pk);
    assert_int_equal(audience.ranges[1].group_pk, mangoes[1].group_pk);
    assert_true(id_equals(rows_id(&rows, 3), announcement.event));
    assert_false(rows_next(&rows));
    audience_done(&audience);
}

static void
an_audience_is_counted_where_groups_cannot_overlap(void **state)
{
    struct mango mangoes[] = {new_mango(1, "Gold")};
    struct webinar webinar = new_webinar(9, 0, mangoes, 1);
    struct announcement announcement;

    (void)state;
    assert_int_equal(announce_webinar(&announcer, &webinar, EVENT_CREATED, &announcement, &error),
        OK);
    assert_int_equal(announcement.audience, 0);
    assert_false(id_is_zero(announcement.event));
    add(mangoes[0].group_pk, 70);
    add(mangoes[0].group_pk, 71);
    assert_int_equal(announce_webinar(&announcer, &webinar, EVENT_CREATED, &announcement, &error),
        OK);
    assert_int_equal(announcement.audience, 2);
}

static void
a_newcomer_is_told_once(void **state)
{
    struct webinar webinar = new_webinar(9, 0, NULL, 0);
    struct joining arrival = registered(&webinar, 70);

    (void)state;
    assert_true(arrival.is_new);
    assert_int_equal(arrival.announced.count, 1);
    assert_int_equal(arrival.announced.list[0].audience, 1);
    arrival = registered(&webinar, 70);
    assert_false(arrival.is_new);
    assert_int_equal(arrival.announced.count, 0);
    assert_int_equal(count("SELECT count(*) FROM event"), 1);
    assert_int_equal(announce_register(&announcer, &webinar, 71, false, &arrival, &error), OK);
    assert_true(arrival.is_new);
    assert_int_equal(count("SELECT count(*) FROM event"), 1);
}

static void
nobody_is_told_twice_through_two_groups(void **state)
{
    struct mango mangoes[] = {new_mango(1, "Gold"), new_mango(2, "Silver")};
    struct webinar webinar = new_webinar(9, 0, mangoes, 2);

    (void)state;
    assert_int_equal(joined(&mangoes[0], 70).announced.count, 1);
    assert_int_equal(joined(&mangoes[1], 70).announced.count, 0);
    assert_int_equal(registered(&webinar, 70).announced.count, 0);
    assert_int_equal(registered(&webinar, 71).announced.count, 1);
    assert_int_equal(joined(&mangoes[1], 71).announced.count, 0);
}

static void
joining_a_mango_registers_for_each_webinar_that_has_not_ended(void **state)
{
    struct mango mangoes[] = {new_mango(1, "Gold")};
    struct webinar ended = new_webinar(7, -7200 * US_PER_S, mangoes, 1);
    struct webinar running = new_webinar(8, -1800 * US_PER_S, mangoes, 1);
    struct webinar coming = new_webinar(9, 7200 * US_PER_S, mangoes, 1);
    struct webinar consultation = new_webinar(10, 7200 * US_PER_S, mangoes, 1);
    struct joining arrival;

    (void)state;
    (void)ended;
    (void)running;
    assert_int_equal(engine_run(engine, &error,
                         "UPDATE webinar SET kind = 'consultation' WHERE webinar_pk = ?1",
                         v_int(consultation.pk)),
        OK);
    add(coming.group_pk, 70);
    arrival = joined(&mangoes[0], 70);
    assert_int_equal(arrival.announced.count, 1);
    arrival = joined(&mangoes[0], 71);
    assert_int_equal(arrival.announced.count, 2);
    assert_int_equal(count("SELECT count(*) FROM event WHERE reason = 'registered'"), 3);
}

static void
a_hook_of_one_mango_hears_of_its_newcomer_whatever_other_groups_hold(void **state)
{
    struct mango mangoes[] = {new_mango(1, "Gold"), new_mango(2, "Silver")};
    struct webinar webinar = new_webinar(9, 0, mangoes, 2);
    struct joining arrival;

    (void)state;
    (void)webinar;
    new_hook(1, mangoes[1].id);
    assert_int_equal(joined(&mangoes[0], 70).announced.list[0].hook_count, 0);
    arrival = joined(&mangoes[1], 70);
    assert_int_equal(arrival.announced.count, 1);
    assert_int_equal(arrival.announced.list[0].hook_count, 1);
    assert_int_equal(arrival.announced.list[0].audience, -1);
}

static void
a_bulk_of_newcomers_passes_over_whom_other_groups_hold(void **state)
{
    struct mango mangoes[] = {new_mango(1, "Gold"), new_mango(2, "Silver")};
    struct webinar webinar = new_webinar(9, 0, mangoes, 2);
    struct audience_range newcomers = {.group_pk = mangoes[0].group_pk, .lo = 0, .hi = 2};
    struct announcement_list list;
    struct audience audience;

    (void)state;
    add(webinar.group_pk, 70);
    add(mangoes[0].group_pk, 70);
    add(mangoes[0].group_pk, 71);
    add(mangoes[1].group_pk, 71);
    assert_int_equal(announce_joined(&announcer, &mangoes[0], newcomers, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].audience, -1);

    CLEANUP(rows_done) struct rows rows;
    engine_select(engine, &rows, "SELECT audience FROM event");
    assert_true(rows_next(&rows));
    assert_int_equal(audience_decode(rows_str(&rows, 0), &audience), OK);
    assert_int_equal(audience.count, 3);
    assert_false(audience.ranges[0].is_told);
    assert_int_equal(audience.ranges[0].group_pk, mangoes[0].group_pk);
    assert_true(audience.ranges[1].is_told);
    assert_true(audience.ranges[2].is_told);
    audience_done(&audience);
}

static void
a_zone_that_went_missing_is_our_fault(void **state)
{
    struct webinar webinar = new_webinar(9, 0, NULL, 0);
    struct announcement announcement;

    (void)state;
    webinar.timezone = STR("Atlantis/Poseidonis");
    assert_int_equal(announce_webinar(&announcer, &webinar, EVENT_CREATED, &announcement, &error),
        ERR_IO);
    assert_int_equal(count("SELECT count(*) FROM event"), 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_webinar_is_told_to_its_registrations_and_then_its_mangoes),
        TEST(an_audience_is_counted_where_groups_cannot_overlap),
        TEST(a_newcomer_is_told_once),
        TEST(nobody_is_told_twice_through_two_groups),
        TEST(joining_a_mango_registers_for_each_webinar_that_has_not_ended),
        TEST(a_hook_of_one_mango_hears_of_its_newcomer_whatever_other_groups_hold),
        TEST(a_bulk_of_newcomers_passes_over_whom_other_groups_hold),
        TEST(a_zone_that_went_missing_is_our_fault),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
