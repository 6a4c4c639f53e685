/* SPDX-License-Identifier: Apache-2.0 */
#include "store/bulk.h"

#include "store/attendees.h"
#include "store/audience.h"
#include "support/engine.h"
#include "support/scratch.h"
#include "support/test.h"

#define STEP 3

static struct engine *engine;
static struct zones *zones;
static struct arena arena;
static struct id_source ids;
static struct announcer announcer;
static struct error error;
static const struct walltime now = {INT64_C(1710000000000000)};

static void
prepare(void)
{
    static const uint8_t random[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    arena_init(&arena, 1 << 24);
    id_source_init(&ids, random);
    announcer = (struct announcer){engine, zones, &ids, &arena, now};
}

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    prepare();
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

/* --- what is uploaded where --- */

static struct mango
new_mango(uint8_t number)
{
    struct mango mango = {.account_pk = 1, .id = {{number}}, .name = STR("Gold")};

    assert_int_equal(mango_insert(engine, &mango, &error), OK);
    return mango;
}

static struct webinar
new_webinar(uint8_t number, struct mango *mango)
{
    struct webinar webinar = {.account_pk = 1,
        .id = {{number}},
        .title = STR("Intro"),
        .link = STR("https://x"),
        .timezone = STR("UTC"),
        .from = {.at = {now.us + 1}},
        .to = {.at = {now.us + 2}}};

    assert_int_equal(webinar_insert(engine, &webinar, &error), OK);
    assert_int_equal(webinar_mangoes_set(engine, webinar.pk,
                         &(struct mango_list){mango, mango != NULL ? 1 : 0}, &error),
        OK);
    return webinar;
}

static struct bulk_line
line_of(int64_t number, const char *name, const char *email)
{
    return (struct bulk_line){.number = number,
        .attendee = {.name = str_from(name), .email = str_from(email)}};
}

static int64_t
stage(struct bulk_target target, struct bulk_line *lines, size_t count)
{
    struct bulk_lines list = {lines, count};
    int64_t pk = 0;

    assert_int_equal(bulk_start(engine, &target, now, &pk, &error), OK);
    assert_int_equal(bulk_stage(engine, pk, &list, &error), OK);
    return pk;
}

static int
apply(int64_t pk, struct bulk_progress *ret)
{
    int steps = 0;

    assert_int_equal(bulk_accept(engine, pk, &error), OK);
    ret->is_done = false;
    while (!ret->is_done) {
        enum err err = bulk_apply(&announcer, pk, STEP, ret, &error);

        assert_int_equal(err, OK);
        steps++;
    }
    return steps;
}

static int64_t
count(const char *sql)
{
    int64_t n = -1;

    assert_int_equal(engine_get_int(engine, &n, &error, sql), OK);
    return n;
}

static void
assert_counts(const struct bulk_counts *counts, int64_t created, int64_t updated, int64_t unchanged)
{
    assert_int_equal(counts->created, created);
    assert_int_equal(counts->updated, updated);
    assert_int_equal(counts->unchanged, unchanged);
}

static void
assert_live(int64_t group_pk, int64_t expected)
{
    int64_t live = -1;

    assert_int_equal(group_live(engine, group_pk, &live, &error), OK);
    assert_int_equal(live, expected);
}

static struct attendee
attendee_of(const char *email)
{
    struct attendee attendee = {0};

    assert_int_equal(attendee_find_email(engine, 1, str_from(email), &arena, &attendee, &error),
        OK);
    return attendee;
}

static void
an_upload_is_seen_all_at_once_and_told_in_one_event(void **state)
{
    struct webinar webinar = new_webinar(9, NULL);
    struct bulk_target target = {1, webinar.group_pk, webinar.pk, true};
    struct bulk_line lines[7];
    char emails[7][8];
    struct bulk_progress progress;
    int64_t pk;

    (void)state;
    for (int i = 0; i < 7; i++) {
        (void)snprintf(emails[i], sizeof(emails[i]), "%c@x", 'g' - i);
        lines[i] = line_of(i + 2, "Name", emails[i]);
    }
    pk = stage(target, lines, 7);
    assert_int_equal(count("SELECT count(*) FROM attendee"), 0);
    assert_int_equal(bulk_accept(engine, pk, &error), OK);
    do {
        assert_live(webinar.group_pk, 0);
        assert_int_equal(count("SELECT count(*) FROM event"), 0);
        assert_int_equal(bulk_apply(&announcer, pk, STEP, &progress, &error), OK);
    } while (!progress.is_done);

    assert_counts(&progress.counts, 7, 0, 0);
    assert_int_equal(progress.announced.count, 1);
    assert_int_equal(progress.announced.list[0].audience, 7);
    assert_live(webinar.group_pk, 7);
    assert_int_equal(count("SELECT count(*) FROM event WHERE reason = 'registered'"), 1);
    assert_int_equal(count("SELECT count(*) FROM group_range"), 1);
    /* Numbered in the order of their rows. */
    assert_int_equal(count("SELECT count(*) FROM member a JOIN member b ON b.ord = a.ord + 1"
                           " WHERE b.attendee_pk > a.attendee_pk"),
        6);
    assert_int_equal(count("SELECT count(*) FROM bulk"), 0);
}

static void
an_upload_adds_updates_and_leaves_alone(void **state)
{
    struct mango mango = new_mango(1);
    struct webinar webinar = new_webinar(9, &mango);
    struct bulk_target target = {1, mango.group_pk, 0, true};
    struct bulk_line lines[] = {line_of(1, "A", "a@x"), line_of(2, "B", "b@x")};
    struct bulk_progress progress;
    int64_t pk;

    (void)state;
    (void)webinar;
    lines[0].attendee.phone = lines[1].attendee.phone = STR("1");
    lines[0].has_phone = lines[1].has_phone = true;
    pk = stage(target, lines, 2);
    apply(pk, &progress);
    assert_counts(&progress.counts, 2, 0, 0);
    assert_int_equal(progress.announced.count, 1);

    /* The same again: nothing happens. */
    pk = stage(target, lines, 2);
    apply(pk, &progress);
    assert_counts(&progress.counts, 0, 0, 2);
    assert_int_equal(progress.announced.count, 0);
    assert_int_equal(count("SELECT count(*) FROM event"), 1);

    /* What a line does not say stays; what it says to be none goes. */
    lines[0] = line_of(1, "A2", "A@x");
    lines[1].attendee.phone = (struct str){NULL, 0};
    pk = stage(target, lines, 2);
    apply(pk, &progress);
    assert_counts(&progress.counts, 0, 2, 0);
    assert_int_equal(progress.announced.count, 0);
    assert_true(str_equals(attendee_of("a@x").name, STR("A2")));
    assert_true(str_equals(attendee_of("a@x").email, STR("A@x")));
    assert_true(str_equals(attendee_of("a@x").phone, STR("1")));
    assert_null(attendee_of("b@x").phone.ptr);
    assert_true(attendee_of("a@x").updated.us > attendee_of("a@x").created.us);
    assert_live(mango.group_pk, 2);
}

static void
a_known_attendee_who_is_new_in_the_group_counts_as_updated(void **state)
{
    struct mango gold = new_mango(1);
    struct mango silver = new_mango(2);
    struct bulk_line line = line_of(1, "A", "a@x");
    struct bulk_progress progress;

    (void)state;
    apply(stage((struct bulk_target){1, gold.group_pk, 0, true}, &line, 1), &progress);
    apply(stage((struct bulk_target){1, silver.group_pk, 0, true}, &line, 1), &progress);
    assert_counts(&progress.counts, 0, 1, 0);
    assert_live(silver.group_pk, 1);
}

static void
a_later_line_of_the_same_address_updates_the_earlier(void **state)
{
    struct mango mango = new_mango(1);
    struct bulk_line lines[] = {line_of(1, "A", "a@x"), line_of(2, "B", "A@X"),
        line_of(3, "B", "A@X"), line_of(4, "C", "c@x"), line_of(5, "D", "a@x")};
    struct bulk_progress progress;

    (void)state;
    apply(stage((struct bulk_target){1, mango.group_pk, 0, true}, lines, 5), &progress);
    assert_counts(&progress.counts, 2, 2, 1);
    assert_live(mango.group_pk, 2);
    assert_true(str_equals(attendee_of("a@x").name, STR("D")));
    assert_int_equal(count("SELECT count(*) FROM member"), 2);
}

static void
without_notify_nobody_is_told(void **state)
{
    struct mango mango = new_mango(1);
    struct webinar webinar = new_webinar(9, &mango);
    struct bulk_line line = line_of(1, "A", "a@x");
    struct bulk_progress progress;

    (void)state;
    (void)webinar;
    apply(stage((struct bulk_target){1, mango.group_pk, 0, false}, &line, 1), &progress);
    assert_int_equal(progress.announced.count, 0);
    assert_int_equal(count("SELECT count(*) FROM event"), 0);
    assert_live(mango.group_pk, 1);
}

static void
who_is_erased_or_comes_in_meanwhile_is_not_counted(void **state)
{
    struct webinar webinar = new_webinar(9, NULL);
    struct bulk_line lines[] = {line_of(1, "A", "a@x"), line_of(2, "B", "b@x"),
        line_of(3, "C", "c@x")};
    int64_t pk = stage((struct bulk_target){1, webinar.group_pk, webinar.pk, true}, lines, 3);
    struct bulk_progress progress;
    struct attendee erased;
    struct audience audience;
    int64_t ord;
    bool added;

    (void)state;
    assert_int_equal(bulk_accept(engine, pk, &error), OK);
    assert_int_equal(bulk_apply(&announcer, pk, 4, &progress, &error), OK);
    erased = attendee_of("a@x");
    assert_int_equal(attendee_erase(engine, &erased, &error), OK);
    assert_int_equal(
        member_add(engine, webinar.group_pk, attendee_of("b@x").pk, &ord, &added, &error), OK);
    assert_true(added);
    assert_int_equal(bulk_apply(&announcer, pk, 4, &progress, &error), OK);
    assert_true(progress.is_done);
    assert_live(webinar.group_pk, 2);
    assert_int_equal(progress.announced.list[0].audience, 1);
    audience_init(&audience);
    assert_int_equal(group_ranges(engine, webinar.group_pk, false, &audience, &error), OK);
    assert_int_equal(audience.count, 1);
    audience_done(&audience);
}

static void
a_group_that_is_deleted_ends_the_upload(void **state)
{
    struct mango mango = new_mango(1);
    struct bulk_line line = line_of(1, "A", "a@x");
    int64_t pk = stage((struct bulk_target){1, mango.group_pk, 0, true}, &line, 1);
    struct bulk_progress progress = {.is_done = true};

    (void)state;
    assert_int_equal(bulk_accept(engine, pk, &error), OK);
    assert_int_equal(bulk_apply(&announcer, pk, STEP, &progress, &error), OK);
    assert_int_equal(mango_delete(engine, &mango, &error), OK);
    progress.is_done = true;
    assert_int_equal(bulk_apply(&announcer, pk, STEP, &progress, &error), ERR_NOT_FOUND);
    assert_true(progress.is_done);
    assert_int_equal(count("SELECT count(*) FROM member"), 0);
}

static void
a_dry_run_counts_and_stores_nothing(void **state)
{
    struct mango mango = new_mango(1);
    struct bulk_target target = {1, mango.group_pk, 0, true};
    struct bulk_line lines[] = {line_of(1, "A", "a@x"), line_of(2, "B", "b@x")};
    struct bulk_line again[] = {line_of(1, "A", "a@x"), line_of(2, "B2", "b@x"),
        line_of(3, "C", "c@x")};
    struct bulk_lines list = {again, 3};
    struct bulk_counts counts = {.created = 10};
    struct bulk_progress progress;

    (void)state;
    apply(stage(target, lines, 2), &progress);
    assert_int_equal(bulk_compare(engine, &target, &list, &arena, &counts, &error), OK);
    assert_counts(&counts, 11, 1, 1);
    assert_int_equal(count("SELECT count(*) FROM attendee"), 2);
}

static void
a_discarded_upload_leaves_no_lines(void **state)
{
    struct mango mango = new_mango(1);
    struct bulk_line lines[] = {line_of(1, "A", "a@x"), line_of(2, "B", "b@x")};
    int64_t pk = stage((struct bulk_target){1, mango.group_pk, 0, true}, lines, 2);
    bool done = false;

    (void)state;
    assert_int_equal(bulk_discard(engine, pk, &error), OK);
    while (!done)
        assert_int_equal(bulk_sweep(engine, pk, &done, &error), OK);
    assert_int_equal(count("SELECT count(*) FROM bulk_line"), 0);
    assert_int_equal(count("SELECT count(*) FROM attendee"), 0);
    assert_int_equal(count("PRAGMA secure_delete"), 2); /* fast */
}

static void
after_a_crash_what_was_accepted_is_finished_and_the_rest_thrown_away(void **state)
{
    struct scratch scratch;
    struct store_options options = {.readers = 1, .queue_max = 16, .clock = &clock_system};
    struct engine_options direct = {0};
    struct store *store = NULL;
    struct mango mango;
    struct bulk_line lines[] = {line_of(1, "A", "a@x"), line_of(2, "B", "b@x")};
    struct bulk_line unread = line_of(1, "U", "u@x");
    struct bulk_progress progress;
    char path[128];
    int64_t pk;

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(path, sizeof(path), "%s/usher.db", scratch.dir);
    options.path = path;
    assert_int_equal(store_open(&options, &store, &error), OK);
    store_close(store);

    direct.path = path;
    assert_int_equal(engine_open(&direct, &engine, &error), OK);
    prepare();
    mango = new_mango(1);
    (void)new_webinar(9, &mango);
    (void)stage((struct bulk_target){1, mango.group_pk, 0, true}, &unread, 1);
    pk = stage((struct bulk_target){1, mango.group_pk, 0, true}, lines, 2);
    assert_int_equal(bulk_accept(engine, pk, &error), OK);
    assert_int_equal(bulk_apply(&announcer, pk, 1, &progress, &error), OK);
    assert_false(progress.is_done);
    engine_close(engine);

    assert_int_equal(store_open(&options, &store, &error), OK);
    assert_int_equal(bulk_resume(store, zones, &ids, &clock_system, &error), OK);
    store_close(store);

    assert_int_equal(engine_open(&direct, &engine, &error), OK);
    assert_int_equal(count("SELECT count(*) FROM attendee"), 2);
    assert_live(mango.group_pk, 2);
    assert_int_equal(count("SELECT count(*) FROM bulk"), 0);
    assert_int_equal(count("SELECT count(*) FROM bulk_line"), 0);
    assert_int_equal(count("SELECT count(*) FROM bulk_newcomer"), 0);
    engine_close(engine);
    arena_done(&arena);
    scratch_done(&scratch);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_upload_is_seen_all_at_once_and_told_in_one_event),
        TEST(an_upload_adds_updates_and_leaves_alone),
        TEST(a_known_attendee_who_is_new_in_the_group_counts_as_updated),
        TEST(a_later_line_of_the_same_address_updates_the_earlier),
        TEST(without_notify_nobody_is_told),
        TEST(who_is_erased_or_comes_in_meanwhile_is_not_counted),
        TEST(a_group_that_is_deleted_ends_the_upload),
        TEST(a_dry_run_counts_and_stores_nothing),
        TEST(a_discarded_upload_leaves_no_lines),
        cmocka_unit_test(after_a_crash_what_was_accepted_is_finished_and_the_rest_thrown_away),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
