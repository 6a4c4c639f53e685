/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/throttle.h"

#include "base/compiler.h"
#include "queue/pacing.h"
#include "support/test.h"

static const struct instant start = {1000 * US_PER_S};

static struct instant
after_ms(int64_t ms)
{
    return instant_add_ms(start, ms);
}

static struct throttle
fresh(void)
{
    struct throttle throttle;

    throttle_init(&throttle, 0, start);
    return throttle;
}

/* So many are accepted, one each 1000/rate ms, from then on. */
static void
accept(struct throttle *throttle, int count, int64_t from_ms, int64_t every_ms)
{
    for (int i = 0; i < count; i++)
        throttle_accepted(throttle, after_ms(from_ms + i * every_ms));
}

static void
assert_about(double value, double wanted)
{
    assert_true(value > wanted * 0.999 && value < wanted * 1.001);
}

static void
without_a_refusal_there_is_no_limit(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    accept(&throttle, 1000, 0, 1);
    assert_true(throttle_rate(&throttle, after_ms(100000)) == 0);
}

static void
the_first_refusal_teaches_nine_tenths_of_what_was_accepted(void **state)
{
    static const struct {
        int count; /* accepted, one each every_ms */
        int64_t every_ms;
        int64_t refused_ms;
        double rate;
    } cases[] = {
        /* The last second, whole, however little of the running one is over. */
        {200, 5, 1001, 180},
        /* The running second, scaled, where it is more. */
        {50, 10, 500, 90},
        /* But never from less than a quarter of a second. */
        {3, 1, 3, 10.8},
        {1, 1, 900, 1.0},
        /* Nothing of late. */
        {0, 1, 0, THROTTLE_RATE_MIN},
        {100, 1, 5000, THROTTLE_RATE_MIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct throttle throttle = fresh();
        struct instant now = after_ms(cases[i].refused_ms);

        accept(&throttle, cases[i].count, 0, cases[i].every_ms);
        throttle_refused(&throttle, start, now);
        assert_about(throttle_rate(&throttle, now), cases[i].rate);
    }
}

static void
what_was_under_way_when_it_was_cut_teaches_nothing(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    accept(&throttle, 100, 0, 10);
    throttle_refused(&throttle, after_ms(900), after_ms(1000));
    for (int i = 0; i < 50; i++)
        throttle_refused(&throttle, after_ms(950 + i), after_ms(1050));
    assert_about(throttle_rate(&throttle, after_ms(1050)), 90);
}

static void
a_further_refusal_cuts_by_a_tenth_at_least_and_a_half_at_most(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    accept(&throttle, 100, 0, 10);
    throttle_refused(&throttle, after_ms(900), after_ms(1000));
    throttle_refused(&throttle, after_ms(1010), after_ms(1020));
    assert_about(throttle_rate(&throttle, after_ms(1020)), 81);
    /* And now a while without anything accepted. */
    throttle_refused(&throttle, after_ms(1900), after_ms(1950));
    throttle_refused(&throttle, after_ms(2900), after_ms(2901));
    assert_about(throttle_rate(&throttle, after_ms(2901)), 81 * 0.9 * 0.5);
}

static void
it_is_never_slower_than_the_least(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    for (int64_t ms = 0; ms < 1000; ms += 10)
        throttle_refused(&throttle, after_ms(ms), after_ms(ms + 1));
    assert_about(throttle_rate(&throttle, after_ms(1000)), THROTTLE_RATE_MIN);
}

static void
it_rises_by_a_twentieth_a_second_until_it_is_forgotten(void **state)
{
    struct throttle throttle = fresh();
    double rate = 90;
    int64_t ms;

    (void)state;
    accept(&throttle, 100, 0, 10);
    throttle_refused(&throttle, after_ms(900), after_ms(1000));
    /* 90 * 1.05^96 is less than 10000, and one step more is not. */
    for (ms = 1000; ms <= 97 * 1000; ms += 1000) {
        assert_about(throttle_rate(&throttle, after_ms(ms)), rate);
        assert_about(throttle_rate(&throttle, after_ms(ms + 999)), rate);
        rate *= 1.05;
    }
    assert_true(throttle_rate(&throttle, after_ms(ms)) == 0);
}

static void
steps_that_are_asked_for_late_are_the_same(void **state)
{
    struct throttle often;
    struct throttle once;
    double rate = 0;

    (void)state;
    throttle_init(&often, 3, start);
    throttle_init(&once, 3, start);
    for (int64_t ms = 0; ms <= 60500; ms += 70)
        rate = throttle_rate(&often, after_ms(ms));
    assert_about(throttle_rate(&once, after_ms(60500)), rate);
}

static void
from_the_least_it_is_forgotten_within_seven_minutes(void **state)
{
    struct throttle throttle;

    (void)state;
    throttle_init(&throttle, THROTTLE_RATE_MIN, start);
    assert_true(throttle_rate(&throttle, after_ms(300 * 1000)) > 0);
    assert_true(throttle_rate(&throttle, after_ms(420 * 1000)) == 0);
    /* And then it can be learned anew. */
    accept(&throttle, 100, 430 * 1000, 10);
    throttle_refused(&throttle, after_ms(431 * 1000), after_ms(431 * 1000));
    assert_about(throttle_rate(&throttle, after_ms(431 * 1000)), 90);
}

static void
a_first_cut_without_evidence_is_a_guess(void **state)
{
    static const struct {
        int64_t every_ms;
        int64_t refused_ms;
        int count; /* accepted, one each every_ms */
        bool is_guess;
    } cases[] = {
        {1, 500, 0, true}, {10, 500, 4, true},                          /* too few */
        {10, 500, 5, false},                                            /* in the running second */
        {1, 240, 50, true},                                             /* too short */
        {1, 250, 50, false}, {10, 1200, 4, true}, {10, 1200, 5, false}, /* in the last one */
        {10, 2200, 50, true},                                           /* too long ago */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct throttle throttle = fresh();

        accept(&throttle, cases[i].count, 0, cases[i].every_ms);
        throttle_refused(&throttle, start, after_ms(cases[i].refused_ms));
        assert_int_equal(throttle.is_guess, cases[i].is_guess);
    }
}

static void
a_guess_doubles_until_the_next_refusal(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    accept(&throttle, 20, 2000, 1);
    throttle_refused(&throttle, after_ms(2010), after_ms(2020));
    assert_about(throttle_rate(&throttle, after_ms(2020)), 72);
    assert_about(throttle_rate(&throttle, after_ms(5020)), 72 * 8);
    accept(&throttle, 100, 5020, 5);
    throttle_refused(&throttle, after_ms(5510), after_ms(5520));
    assert_about(throttle_rate(&throttle, after_ms(5520)), 72 * 4);
    assert_about(throttle_rate(&throttle, after_ms(6520)), 72 * 4 * 1.05);
}

static void
a_slow_rate_is_tried_before_it_is_raised(void **state)
{
    struct throttle throttle;

    (void)state;
    throttle_init(&throttle, 0.2, start);
    assert_about(throttle_rate(&throttle, after_ms(4999)), 0.2);
    assert_about(throttle_rate(&throttle, after_ms(5000)), 0.2 * 1.05);
}

static void
a_rate_of_an_earlier_life_holds(void **state)
{
    static const struct {
        double rate;
        double taken;
    } cases[] = {{0, 0}, {25, 25}, {0.001, THROTTLE_RATE_MIN}, {-1, 0}, {1e9, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct throttle throttle;
        double rate;

        throttle_init(&throttle, cases[i].rate, start);
        rate = throttle_rate(&throttle, start);
        assert_true(rate == cases[i].taken);
    }
}

static void
the_longest_pause_holds_up_to_an_hour(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    throttle_refused(&throttle, start, start);
    assert_int_equal(throttle.pause.us, 0);
    throttle_pause(&throttle, 20 * US_PER_S, start);
    throttle_refused(&throttle, start, start);
    throttle_pause(&throttle, 5 * US_PER_S, start);
    throttle_refused(&throttle, start, start);
    assert_int_equal(throttle.pause.us, after_ms(20000).us);
    /* From one that was under way, too: it asks for nothing less. */
    throttle_pause(&throttle, 30 * US_PER_S, after_ms(1000));
    throttle_refused(&throttle, start, after_ms(1000));
    assert_int_equal(throttle.pause.us, after_ms(31000).us);
    throttle_pause(&throttle, US_PER_DAY, after_ms(2000));
    throttle_refused(&throttle, start, after_ms(2000));
    assert_int_equal(throttle.pause.us, after_ms(3602000).us);
}

static void
nothing_is_learned_upwards_in_a_pause(void **state)
{
    struct throttle throttle = fresh();

    (void)state;
    accept(&throttle, 100, 0, 10);
    throttle_pause(&throttle, 60 * US_PER_S, after_ms(1000));
    throttle_refused(&throttle, after_ms(900), after_ms(1000));
    assert_about(throttle_rate(&throttle, after_ms(61000)), 90);
    assert_about(throttle_rate(&throttle, after_ms(62000)), 90 * 1.05);
}

#define TRIP_MS    20
#define IN_FLIGHT  50
#define BUCKET_PER 10 /* of a second's tokens */

/* An endpoint that allows a rate, and a sender that always has more to send. */
struct play {
    struct throttle throttle;
    struct pacing pacing;
    double rate; /* that pacing was set to */
    double allowed;
    double tokens;
    int64_t ms;
    int in_flight;
    int accepted_back[TRIP_MS]; /* by the millisecond in which the answers come */
    int refused_back[TRIP_MS];
    int accepted; /* in the stretch that is looked at */
    int refused;
};

static void
play_answers(struct play *play, struct instant now)
{
    int *accepted = &play->accepted_back[play->ms % TRIP_MS];
    int *refused = &play->refused_back[play->ms % TRIP_MS];

    play->in_flight -= *accepted + *refused;
    for (; *accepted > 0; --*accepted, play->accepted++)
        throttle_accepted(&play->throttle, now);
    for (; *refused > 0; --*refused, play->refused++)
        throttle_refused(&play->throttle, after_ms(play->ms - TRIP_MS), now);
}

static void
play_ms(struct play *play)
{
    struct instant now = after_ms(play->ms);
    double rate;

    play_answers(play, now);
    rate = throttle_rate(&play->throttle, now);
    if (rate != play->rate)
        pacing_set(&play->pacing, rate);
    play->rate = rate;
    play->tokens += play->allowed / 1000;
    if (play->tokens > play->allowed / BUCKET_PER + 1)
        play->tokens = play->allowed / BUCKET_PER + 1;
    for (; play->in_flight < IN_FLIGHT && pacing_ready(&play->pacing, now).us <= now.us;
         play->in_flight++) {
        pacing_take(&play->pacing, now);
        if (play->tokens >= 1) {
            play->tokens -= 1;
            play->accepted_back[play->ms % TRIP_MS]++;
        } else {
            play->refused_back[play->ms % TRIP_MS]++;
        }
    }
    play->ms++;
}

static void
play_s(struct play *play, int seconds)
{
    play->accepted = 0;
    play->refused = 0;
    for (int64_t until = play->ms + seconds * 1000; play->ms < until;)
        play_ms(play);
}

static void
an_endpoint_is_called_as_often_as_it_allows(void **state)
{
    struct play play = {.allowed = 50};

    (void)state;
    play.throttle = fresh();
    play.tokens = 6;
    play_s(&play, 10);
    /* Any stretch of five seconds within the next five minutes. */
    for (int i = 0; i < 60; i++) {
        play_s(&play, 5);
        assert_in_range(play.accepted, 5 * 40, 5 * 52);
        assert_true(play.refused * 10 < play.accepted + play.refused);
    }
}

static void
one_that_accepts_nothing_at_first_is_soon_called_as_often_as_it_allows(void **state)
{
    struct play play = {.allowed = 50};

    (void)state;
    play.throttle = fresh();
    play_s(&play, 15);
    for (int i = 0; i < 60; i++) {
        play_s(&play, 5);
        assert_in_range(play.accepted, 5 * 40, 5 * 52);
        assert_true(play.refused * 10 < play.accepted + play.refused);
    }
}

static void
a_slow_one_is_called_as_often_as_it_allows(void **state)
{
    struct play play = {.allowed = 0.5, .tokens = 1};

    (void)state;
    play.throttle = fresh();
    play_s(&play, 60);
    for (int i = 0; i < 6; i++) {
        play_s(&play, 100);
        assert_in_range(play.accepted, 30, 52);
        assert_true(play.refused * 10 < play.accepted + play.refused);
    }
}

static void
an_endpoint_that_comes_to_allow_more_is_called_more_often(void **state)
{
    struct play play = {.allowed = 50};
    int seconds = 0;

    (void)state;
    play.throttle = fresh();
    play.tokens = 6;
    play_s(&play, 30);
    play.allowed = 500;
    play.accepted = 0;
    while (play.accepted < 450) {
        play_s(&play, 1);
        seconds++;
    }
    assert_in_range(seconds, 1, 120);
    play_s(&play, 60);
    assert_in_range(play.accepted, 60 * 400, 60 * 520);
    assert_true(play.refused * 10 < play.accepted + play.refused);
}

static void
it_knows_whether_anything_is_accepted(void **state)
{
    struct throttle throttle;

    (void)state;
    throttle_init(&throttle, 0, start);
    assert_false(throttle_is_accepting(&throttle, start));
    throttle_accepted(&throttle, after_ms(100));
    assert_true(throttle_is_accepting(&throttle, after_ms(900)));
    assert_true(throttle_is_accepting(&throttle, after_ms(1900)));
    assert_false(throttle_is_accepting(&throttle, after_ms(2000)));
}

static void
what_is_forgotten_limits_nothing_and_a_pause_stays(void **state)
{
    struct throttle throttle;

    (void)state;
    throttle_init(&throttle, 7, start);
    throttle_pause(&throttle, US_PER_S, start);
    throttle_forget(&throttle);
    assert_true(throttle_rate(&throttle, start) == 0);
    assert_int_equal(throttle.pause.us, after_ms(1000).us);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_knows_whether_anything_is_accepted),
        cmocka_unit_test(what_is_forgotten_limits_nothing_and_a_pause_stays),
        cmocka_unit_test(without_a_refusal_there_is_no_limit),
        cmocka_unit_test(the_first_refusal_teaches_nine_tenths_of_what_was_accepted),
        cmocka_unit_test(what_was_under_way_when_it_was_cut_teaches_nothing),
        cmocka_unit_test(a_further_refusal_cuts_by_a_tenth_at_least_and_a_half_at_most),
        cmocka_unit_test(it_is_never_slower_than_the_least),
        cmocka_unit_test(it_rises_by_a_twentieth_a_second_until_it_is_forgotten),
        cmocka_unit_test(steps_that_are_asked_for_late_are_the_same),
        cmocka_unit_test(from_the_least_it_is_forgotten_within_seven_minutes),
        cmocka_unit_test(a_first_cut_without_evidence_is_a_guess),
        cmocka_unit_test(a_guess_doubles_until_the_next_refusal),
        cmocka_unit_test(a_slow_rate_is_tried_before_it_is_raised),
        cmocka_unit_test(a_rate_of_an_earlier_life_holds),
        cmocka_unit_test(the_longest_pause_holds_up_to_an_hour),
        cmocka_unit_test(nothing_is_learned_upwards_in_a_pause),
        cmocka_unit_test(an_endpoint_is_called_as_often_as_it_allows),
        cmocka_unit_test(one_that_accepts_nothing_at_first_is_soon_called_as_often_as_it_allows),
        cmocka_unit_test(a_slow_one_is_called_as_often_as_it_allows),
        cmocka_unit_test(an_endpoint_that_comes_to_allow_more_is_called_more_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
