/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/breaker.h"

#include "base/compiler.h"
#include "os/random.h"
#include "support/test.h"

#define S BREAKER_SUCCESS
#define F BREAKER_FAILURE

static const struct instant start = {1000 * US_PER_S};

/* An attempt that nobody is beside. */
static enum breaker_change
attempt(struct breaker *breaker, enum breaker_verdict verdict, struct instant now)
{
    breaker_take(breaker, now);
    return breaker_tell(breaker, verdict, now, 0);
}

static struct breaker
opened(void)
{
    struct breaker breaker;

    breaker_init(&breaker);
    for (int i = 0; i < 9; i++)
        assert_int_equal(attempt(&breaker, BREAKER_FAILURE, start), BREAKER_SAME);
    assert_int_equal(attempt(&breaker, BREAKER_FAILURE, start), BREAKER_HAS_OPENED);
    return breaker;
}

static int64_t
wait_us(const struct breaker *breaker, struct instant now)
{
    return breaker_ready(breaker, 0, now).us - now.us;
}

/* Probes until the moment that is given, all of them failing; returns the last one's time. */
static struct instant
probe_in_vain(struct breaker *breaker, int probes)
{
    struct instant now = start;

    for (int i = 0; i < probes; i++) {
        now = breaker_ready(breaker, 0, now);
        breaker_take(breaker, now);
        assert_int_equal(breaker->state, BREAKER_PROBING);
        assert_int_equal(breaker_tell(breaker, BREAKER_FAILURE, now, 0), BREAKER_SAME);
    }
    return now;
}

static void
ten_failures_in_a_row_open_it(void **state)
{
    struct breaker breaker = opened();

    (void)state;
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(wait_us(&breaker, start), 5 * US_PER_S);
}

static void
a_success_among_them_starts_the_count_anew(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker);
    for (int i = 0; i < 9; i++)
        (void)attempt(&breaker, BREAKER_FAILURE, start);
    (void)attempt(&breaker, BREAKER_SUCCESS, start);
    for (int i = 0; i < 9; i++)
        assert_int_equal(attempt(&breaker, BREAKER_FAILURE, start), BREAKER_SAME);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void
three_failures_of_four_open_it_once_twenty_were_seen(void **state)
{
    static const struct {
        enum breaker_verdict pattern[8]; /* over and over */
        int opens_at;                    /* which attempt; 0: none of a thousand */
    } cases[] = {
        {{S, F, F, F, S, F, F, F}, 20},
        /* The twentieth succeeds, and no success opens it. */
        {{F, F, F, S, F, F, F, S}, 21},
        {{S, F, F, F, F, F, F, F}, 20},
        {{S, F, F, S, F, F, S, F}, 0},
        {{S, F, S, F, S, F, S, F}, 0},
        {{S, S, S, S, S, S, S, S}, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct breaker breaker;
        int opened_at = 0;

        breaker_init(&breaker);
        for (int n = 1; n <= 1000 && opened_at == 0; n++)
            if (attempt(&breaker, cases[i].pattern[(n - 1) % 8], start) == BREAKER_HAS_OPENED)
                opened_at = n;
        assert_int_equal(opened_at, cases[i].opens_at);
    }
}

static void
only_the_last_32_count(void **state)
{
    struct breaker breaker;
    int failures = 0;

    (void)state;
    breaker_init(&breaker);
    for (int i = 0; i < 1000; i++)
        (void)attempt(&breaker, BREAKER_SUCCESS, start);
    /* 24 of 32: with one success after each three failures, that is the 24th failure. */
    while (breaker.state == BREAKER_CLOSED) {
        bool fails = failures % 4 != 3;

        (void)attempt(&breaker, fails ? BREAKER_FAILURE : BREAKER_SUCCESS, start);
        failures++;
    }
    assert_int_equal(failures, 31);
}

static void
what_says_nothing_changes_nothing(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker);
    for (int i = 0; i < 9; i++)
        (void)attempt(&breaker, BREAKER_FAILURE, start);
    for (int i = 0; i < 100; i++)
        assert_int_equal(attempt(&breaker, BREAKER_NEUTRAL, start), BREAKER_SAME);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(attempt(&breaker, BREAKER_FAILURE, start), BREAKER_HAS_OPENED);
}

static void
probes_are_ever_rarer_up_to_five_minutes(void **state)
{
    static const int64_t delays_s[] = {5, 10, 20, 40, 80, 160, 300, 300, 300};
    struct breaker breaker = opened();
    struct instant now = start;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(delays_s); i++) {
        assert_int_equal(wait_us(&breaker, now), delays_s[i] * US_PER_S);
        now = breaker_ready(&breaker, 0, now);
        breaker_take(&breaker, now);
        assert_int_equal(breaker.state, BREAKER_PROBING);
        assert_int_equal(breaker_tell(&breaker, BREAKER_FAILURE, now, 0), BREAKER_SAME);
    }
}

static void
a_probe_is_put_off_by_up_to_a_fifth_at_random(void **state)
{
    struct random random;
    int64_t least = INT64_MAX;
    int64_t most = 0;

    (void)state;
    random_seed(&random, 1);
    for (int i = 0; i < 1000; i++) {
        struct breaker breaker;
        int64_t us;

        breaker_init(&breaker);
        for (int n = 0; n < 10; n++)
            (void)breaker_tell(&breaker, BREAKER_FAILURE, start, random_next(&random));
        us = wait_us(&breaker, start);
        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    assert_in_range(least, 5 * US_PER_S, 5 * US_PER_S + 50 * US_PER_MS);
    assert_in_range(most, 6 * US_PER_S - 50 * US_PER_MS, 6 * US_PER_S);
}

static void
a_probe_is_alone(void **state)
{
    struct breaker breaker = opened();
    struct instant later = instant_add_us(start, 60 * US_PER_S);

    (void)state;
    assert_int_equal(breaker_ready(&breaker, 1, later).us, INSTANT_NEVER.us);
    assert_int_equal(breaker_ready(&breaker, 0, later).us, later.us);
    breaker_take(&breaker, later);
    assert_int_equal(breaker.state, BREAKER_PROBING);
    assert_int_equal(breaker_ready(&breaker, 0, later).us, INSTANT_NEVER.us);
}

static void
five_successes_close_it_the_probes_included(void **state)
{
    struct breaker breaker = opened();
    struct instant now = breaker_ready(&breaker, 0, start);

    (void)state;
    breaker_take(&breaker, now);
    assert_int_equal(breaker.state, BREAKER_PROBING);
    assert_int_equal(breaker_tell(&breaker, BREAKER_SUCCESS, now, 0), BREAKER_SAME);
    assert_int_equal(breaker.state, BREAKER_CLOSING);
    /* From here the window alone says how many may be in flight. */
    assert_int_equal(breaker_ready(&breaker, 7, now).us, now.us);
    for (int i = 0; i < 3; i++) {
        breaker_take(&breaker, now);
        assert_int_equal(breaker.state, BREAKER_CLOSING);
        assert_int_equal(breaker_tell(&breaker, BREAKER_SUCCESS, now, 0), BREAKER_SAME);
        assert_int_equal(breaker_tell(&breaker, BREAKER_NEUTRAL, now, 0), BREAKER_SAME);
    }
    assert_int_equal(breaker_tell(&breaker, BREAKER_SUCCESS, now, 0), BREAKER_HAS_CLOSED);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    /* What was before is forgotten. */
    for (int i = 0; i < 9; i++)
        assert_int_equal(attempt(&breaker, BREAKER_FAILURE, now), BREAKER_SAME);
    assert_int_equal(attempt(&breaker, BREAKER_FAILURE, now), BREAKER_HAS_OPENED);
    assert_int_equal(wait_us(&breaker, now), 5 * US_PER_S);
}

static void
a_failure_while_closing_opens_it_and_the_delays_go_on(void **state)
{
    struct breaker breaker = opened();
    struct instant now = probe_in_vain(&breaker, 2);

    (void)state;
    now = breaker_ready(&breaker, 0, now);
    (void)attempt(&breaker, BREAKER_SUCCESS, now);
    assert_int_equal(attempt(&breaker, BREAKER_FAILURE, now), BREAKER_SAME);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(wait_us(&breaker, now), 40 * US_PER_S);
    /* And the successes are counted anew. */
    now = breaker_ready(&breaker, 0, now);
    for (int i = 0; i < 4; i++)
        assert_int_equal(attempt(&breaker, BREAKER_SUCCESS, now), BREAKER_SAME);
    assert_int_equal(attempt(&breaker, BREAKER_SUCCESS, now), BREAKER_HAS_CLOSED);
}

static void
a_probe_that_says_nothing_is_made_again_at_the_same_pace(void **state)
{
    struct breaker breaker = opened();
    struct instant now = probe_in_vain(&breaker, 2);

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_us(&breaker, now), 20 * US_PER_S);
        now = breaker_ready(&breaker, 0, now);
        assert_int_equal(attempt(&breaker, BREAKER_NEUTRAL, now), BREAKER_SAME);
        assert_int_equal(breaker.state, BREAKER_OPEN);
    }
}

static void
who_started_before_it_opened_can_only_help(void **state)
{
    struct breaker breaker = opened();
    struct instant probe_at = breaker.probe_at;

    (void)state;
    for (int i = 0; i < 30; i++)
        assert_int_equal(breaker_tell(&breaker, BREAKER_FAILURE, start, 0), BREAKER_SAME);
    assert_int_equal(breaker_tell(&breaker, BREAKER_NEUTRAL, start, 0), BREAKER_SAME);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.probe_at.us, probe_at.us);
    assert_int_equal(breaker_tell(&breaker, BREAKER_SUCCESS, start, 0), BREAKER_SAME);
    assert_int_equal(breaker.state, BREAKER_CLOSING);
    assert_int_equal(breaker_ready(&breaker, 1, start).us, start.us);
}

static void
an_endpoint_that_was_failing_before_our_time_is_probed_at_once(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init_open(&breaker, start);
    assert_int_equal(breaker_ready(&breaker, 0, start).us, start.us);
    breaker_take(&breaker, start);
    assert_int_equal(breaker.state, BREAKER_PROBING);
    assert_int_equal(breaker_tell(&breaker, BREAKER_FAILURE, start, 0), BREAKER_SAME);
    assert_int_equal(wait_us(&breaker, start), 10 * US_PER_S);
    breaker_init_open(&breaker, start);
    for (int i = 0; i < 4; i++)
        assert_int_equal(attempt(&breaker, BREAKER_SUCCESS, start), BREAKER_SAME);
    assert_int_equal(attempt(&breaker, BREAKER_SUCCESS, start), BREAKER_HAS_CLOSED);
}

/* A line with up to eight in flight towards an endpoint that is up or down for a while. */
struct line {
    struct breaker breaker;
    struct random random;
    struct instant now;
    unsigned in_flight;
    bool is_probing;
    bool is_open; /* as the changes tell it */
};

static void
line_end_one(struct line *line, unsigned good_percent)
{
    uint64_t dice = random_next(&line->random) % 100;
    enum breaker_verdict verdict = dice < good_percent ? BREAKER_SUCCESS : BREAKER_FAILURE;
    enum breaker_change change;

    if (random_next(&line->random) % 10 == 0)
        verdict = BREAKER_NEUTRAL;
    change = breaker_tell(&line->breaker, verdict, line->now, random_next(&line->random));
    line->in_flight--;
    line->is_probing = false;
    switch (change) {
    case BREAKER_SAME: break;
    case BREAKER_HAS_OPENED:
        assert_false(line->is_open);
        line->is_open = true;
        break;
    case BREAKER_HAS_CLOSED:
        assert_true(line->is_open);
        line->is_open = false;
        break;
    }
    assert_int_equal(line->is_open, line->breaker.state != BREAKER_CLOSED);
}

static void
line_step(struct line *line, unsigned good_percent)
{
    struct instant ready = breaker_ready(&line->breaker, line->in_flight, line->now);

    /* Nobody waits for nothing, nor for longer than the rarest probe. */
    if (line->in_flight == 0)
        assert_true(ready.us <= line->now.us + 360 * US_PER_S);
    if (ready.us <= line->now.us && line->in_flight < 8 && random_next(&line->random) % 2 == 0) {
        /* Never two probes, nor anything beside one. */
        assert_false(line->is_probing);
        breaker_take(&line->breaker, line->now);
        line->is_probing = line->breaker.state == BREAKER_PROBING;
        assert_true(!line->is_probing || line->in_flight == 0);
        line->in_flight++;
        return;
    }
    if (line->in_flight > 0)
        line_end_one(line, good_percent);
    else
        line->now = ready;
    line->now = instant_add_ms(line->now, random_between(&line->random, 0, 300));
}

static void
whatever_happens_it_probes_alone_and_finds_its_way_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct line line = {.now = start};

        random_seed(&line.random, seed);
        breaker_init(&line.breaker);
        for (int phase = 0; phase < 20; phase++) {
            unsigned good_percent = (unsigned)random_between(&line.random, 0, 100);

            for (int i = 0; i < 100; i++)
                line_step(&line, good_percent);
        }
        /* The endpoint is well: in 200 steps, probes of which some say nothing, it is closed. */
        for (int i = 0; i < 200; i++)
            line_step(&line, 100);
        assert_int_equal(line.breaker.state, BREAKER_CLOSED);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_failures_in_a_row_open_it),
        cmocka_unit_test(a_success_among_them_starts_the_count_anew),
        cmocka_unit_test(three_failures_of_four_open_it_once_twenty_were_seen),
        cmocka_unit_test(only_the_last_32_count),
        cmocka_unit_test(what_says_nothing_changes_nothing),
        cmocka_unit_test(probes_are_ever_rarer_up_to_five_minutes),
        cmocka_unit_test(a_probe_is_put_off_by_up_to_a_fifth_at_random),
        cmocka_unit_test(a_probe_is_alone),
        cmocka_unit_test(five_successes_close_it_the_probes_included),
        cmocka_unit_test(a_failure_while_closing_opens_it_and_the_delays_go_on),
        cmocka_unit_test(a_probe_that_says_nothing_is_made_again_at_the_same_pace),
        cmocka_unit_test(who_started_before_it_opened_can_only_help),
        cmocka_unit_test(an_endpoint_that_was_failing_before_our_time_is_probed_at_once),
        cmocka_unit_test(whatever_happens_it_probes_alone_and_finds_its_way_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
