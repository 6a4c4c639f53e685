/* SPDX-License-Identifier: Apache-2.0 */
#include "send/budget.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/compiler.h"
#include "queue/pacing.h"
#include "support/test.h"

#define MANY  1000000 /* places: as good as no limit */
#define LANES 4

static const struct instant start = {1000 * US_PER_S};

static struct budget_set *
set_of(unsigned in_flight_max)
{
    struct budget_set *set;

    assert_int_equal(budget_set_new(in_flight_max, &set), OK);
    return set;
}

static struct budget *
hold(struct budget_set *set, int64_t account_pk, double rate)
{
    struct budget *budget;

    assert_int_equal(budget_hold(set, account_pk, rate, &budget), OK);
    return budget;
}

/* A lane that asks when it was told to; its deliveries take no time. */
struct asker {
    struct budget *budget; /* held */
    struct instant at;
    int starts;
};

static void
ask(struct asker *asker, struct instant now)
{
    if (!budget_take(asker->budget, now, &asker->at))
        return;
    asker->starts++;
    asker->at = now;
    budget_give(asker->budget);
}

/* Who has waited the longest; of several who have, always the same one. */
static struct asker *
first_of(struct asker *askers, size_t count)
{
    struct asker *first = &askers[0];

    for (size_t i = 1; i < count; i++)
        if (askers[i].at.us < first->at.us)
            first = &askers[i];
    return first;
}

/* By a timer of 1 ms, one start each in turn, as lanes do. */
static void
ask_for_s(struct asker *askers, size_t count, int seconds)
{
    for (int ms = 0; ms < seconds * 1000; ms++) {
        struct instant now = instant_add_ms(start, ms);

        for (struct asker *asker; (asker = first_of(askers, count))->at.us <= now.us;)
            ask(asker, now);
    }
}

static void
one_rate_holds_for_all_lanes_of_an_account_and_they_take_turns(void **state)
{
    static const double rates[] = {0.5, 2, 15, 100, 3000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rates); i++) {
        struct budget_set *set = set_of(MANY);
        struct asker askers[LANES] = {0};
        int all = 0;

        for (size_t k = 0; k < COUNT_OF(askers); k++)
            askers[k].budget = hold(set, 7, rates[i]);
        ask_for_s(askers, COUNT_OF(askers), 60);
        for (size_t k = 0; k < COUNT_OF(askers); k++) {
            double fair = rates[i] * 60 / LANES;

            all += askers[k].starts;
            /* Where slots are closer than the timer, who is there has a little more. */
            assert_true(askers[k].starts > fair * 2 / 3 - 2 && askers[k].starts < fair * 3 / 2 + 2);
            budget_let_go(set, askers[k].budget);
        }
        assert_true(all >= rates[i] * 60 * 0.98 && all <= rates[i] * 60 + 1);
        budget_set_free(set);
    }
}

static void
slots_of_those_who_lost_interest_are_lost_once(void **state)
{
    struct budget_set *set = set_of(MANY);
    struct asker busy = {.budget = hold(set, 7, 100)};
    struct asker askers[20] = {0};

    (void)state;
    /* Twenty were promised slots and then have nothing to send any more. */
    ask(&busy, start);
    for (size_t i = 0; i < COUNT_OF(askers); i++) {
        askers[i].budget = hold(set, 7, 100);
        ask(&askers[i], start);
        assert_int_equal(askers[i].starts, 0);
    }
    assert_true(askers[19].at.us > askers[0].at.us);
    ask_for_s(&busy, 1, 10);
    assert_in_range(busy.starts, 1000 - 20, 1001);
    for (size_t i = 0; i < COUNT_OF(askers); i++)
        budget_let_go(set, askers[i].budget);
    budget_let_go(set, busy.budget);
    budget_set_free(set);
}

static void
nobody_waits_long_for_slots_that_were_promised_to_others(void **state)
{
    struct budget_set *set = set_of(MANY);
    struct budget *budget = hold(set, 7, 1);
    struct instant at = start;

    (void)state;
    assert_true(budget_take(budget, start, &at));
    budget_give(budget);
    for (int i = 0; i < 1000; i++)
        assert_false(budget_take(budget, start, &at));
    assert_int_equal(at.us, start.us + 10 * US_PER_S);
    budget_let_go(set, budget);
    budget_set_free(set);
}

static void
as_many_are_under_way_as_there_are_places_over_all_lanes(void **state)
{
    struct budget_set *set = set_of(3);
    struct budget *first = hold(set, 7, 0);
    struct budget *second = hold(set, 7, 0);
    struct instant at = {0};

    (void)state;
    assert_true(budget_take(first, start, &at));
    assert_true(budget_take(second, start, &at));
    assert_true(budget_take(first, start, &at));
    assert_int_equal(at.us, 0);
    assert_false(budget_take(first, start, &at));
    assert_false(budget_take(second, start, &at));
    assert_true(at.us > start.us && at.us <= start.us + US_PER_S / 10);
    budget_give(second);
    assert_true(budget_take(first, start, &at));
    for (int i = 0; i < 3; i++)
        budget_give(first);
    budget_let_go(set, first);
    budget_let_go(set, second);
    budget_set_free(set);
}

static void
a_start_that_found_no_place_does_not_count_for_the_rate(void **state)
{
    struct budget_set *set = set_of(1);
    struct budget *budget = hold(set, 7, 2);
    struct instant later = instant_add_us(start, US_PER_S);
    struct instant at = start;

    (void)state;
    assert_true(budget_take(budget, start, &at));
    assert_false(budget_take(budget, later, &at));
    budget_give(budget);
    assert_true(budget_take(budget, later, &at));
    budget_give(budget);
    budget_let_go(set, budget);
    budget_set_free(set);
}

static void
accounts_know_nothing_of_one_another(void **state)
{
    struct budget_set *set = set_of(1);
    struct budget *one = hold(set, 7, 0.1);
    struct budget *other = hold(set, 8, 0.1);
    struct instant at = start;

    (void)state;
    assert_true(budget_take(one, start, &at));
    assert_true(budget_take(other, start, &at));
    budget_give(one);
    budget_give(other);
    budget_let_go(set, one);
    budget_let_go(set, other);
    budget_set_free(set);
}

/* When the next start is allowed, where a taker was just refused it. */
static int64_t
wait_us(struct budget *budget, struct instant now)
{
    struct instant at = now;

    assert_false(budget_take(budget, now, &at));
    return at.us - now.us;
}

static void
the_newest_rate_holds_and_the_same_one_again_moves_nothing(void **state)
{
    struct budget_set *set = set_of(MANY);
    struct budget *first = hold(set, 7, 0.5);
    struct budget *again[3] = {0};
    struct instant at = start;

    (void)state;
    assert_true(budget_take(first, start, &at));
    budget_give(first);
    for (size_t i = 0; i < COUNT_OF(again); i++)
        again[i] = hold(set, 7, 0.5);
    assert_int_equal(wait_us(first, start), 2 * US_PER_S);
    /* The one who was told of that slot has it still, though one more lane came. */
    budget_let_go(set, again[0]);
    again[0] = hold(set, 7, 0.5);
    assert_int_equal(wait_us(first, start), 4 * US_PER_S);
    /* Faster: from the last start on, and what was promised counts no more. */
    budget_let_go(set, again[1]);
    again[1] = hold(set, 7, 4);
    assert_int_equal(wait_us(first, start), US_PER_S / 4);
    budget_let_go(set, again[2]);
    again[2] = hold(set, 7, 0);
    assert_true(budget_take(first, start, &at));
    budget_give(first);
    for (size_t i = 0; i < COUNT_OF(again); i++)
        budget_let_go(set, again[i]);
    budget_let_go(set, first);
    budget_set_free(set);
}

static void
the_last_one_who_lets_go_leaves_nothing_behind(void **state)
{
    struct budget_set *set = set_of(MANY);
    struct budget *first = hold(set, 7, 0.1);
    struct budget *second = hold(set, 7, 0.1);
    struct instant at = start;

    (void)state;
    assert_true(budget_take(first, start, &at));
    budget_give(first);
    budget_let_go(set, first);
    assert_int_equal(wait_us(second, start), 10 * US_PER_S);
    budget_let_go(set, second);
    second = hold(set, 7, 0.1);
    assert_true(budget_take(second, start, &at));
    budget_give(second);
    budget_let_go(set, second);
    budget_let_go(set, NULL);
    budget_set_free(set);
    budget_set_free(NULL);
}

#define THREADS     4
#define PLACES      3
#define THREAD_RUNS 5000

struct crowd {
    struct budget_set *set;
    atomic_llong now_us; /* time goes on as they ask */
    atomic_int under_way;
    atomic_int under_way_most;
    atomic_int starts;
};

static void *
crowd_run(void *arg)
{
    struct crowd *crowd = arg;

    for (int i = 0; i < THREAD_RUNS; i++) {
        struct budget *budget = NULL;
        struct instant now = {atomic_fetch_add(&crowd->now_us, 10) + 10};
        struct instant at;
        int under_way;
        int most;

        if (budget_hold(crowd->set, i % 2, 1000, &budget) != OK)
            return NULL;
        if (budget_take(budget, now, &at)) {
            under_way = atomic_fetch_add(&crowd->under_way, 1) + 1;
            most = atomic_load(&crowd->under_way_most);
            while (under_way > most &&
                   !atomic_compare_exchange_weak(&crowd->under_way_most, &most, under_way))
                continue;
            atomic_fetch_add(&crowd->starts, 1);
            atomic_fetch_sub(&crowd->under_way, 1);
            budget_give(budget);
        }
        budget_let_go(crowd->set, budget);
    }
    return crowd;
}

static void
threads_share_it(void **state)
{
    struct crowd crowd = {.set = set_of(PLACES), .now_us = start.us};
    /* So that what was started is not forgotten in between. */
    struct budget *kept[] = {hold(crowd.set, 0, 1000), hold(crowd.set, 1, 1000)};
    pthread_t threads[THREADS];
    double most;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &crowd), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *done;

        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_ptr_equal(done, &crowd);
    }
    /* 0.2 s of 1000 a second for each of two accounts, and each one's burst. */
    most = 2 * (THREADS * THREAD_RUNS * 10.0 / US_PER_S * 1000 + 1 + PACING_LATE_US / 1000.0);
    assert_true(atomic_load(&crowd.starts) > 0 && atomic_load(&crowd.starts) <= most);
    assert_true(atomic_load(&crowd.under_way_most) <= 2 * PLACES);
    budget_let_go(crowd.set, kept[0]);
    budget_let_go(crowd.set, kept[1]);
    budget_set_free(crowd.set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rate_holds_for_all_lanes_of_an_account_and_they_take_turns),
        cmocka_unit_test(slots_of_those_who_lost_interest_are_lost_once),
        cmocka_unit_test(nobody_waits_long_for_slots_that_were_promised_to_others),
        cmocka_unit_test(as_many_are_under_way_as_there_are_places_over_all_lanes),
        cmocka_unit_test(a_start_that_found_no_place_does_not_count_for_the_rate),
        cmocka_unit_test(accounts_know_nothing_of_one_another),
        cmocka_unit_test(the_newest_rate_holds_and_the_same_one_again_moves_nothing),
        cmocka_unit_test(the_last_one_who_lets_go_leaves_nothing_behind),
        cmocka_unit_test(threads_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
