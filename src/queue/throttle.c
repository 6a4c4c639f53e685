/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/throttle.h"

/* Of what was accepted: a little less, so that what else the endpoint does finds room. */
#define CUT 0.9
/* A count of few is a poor measure, and one second without a success no reason to stop: a rate that
 * was learned is at most halved by a cut. The next one is a round trip away. */
#define CUT_MOST 0.5
/* The running second's count is not scaled up from less: three that were accepted within 2 ms do
 * not make 1500 a second. */
#define SCALE_US_MIN (US_PER_S / 4)

/* A twentieth a second: an endpoint that comes to allow ten times as much is at its speed within 48
 * seconds, and one that does not says no about every third second. */
#define RAISE    1.05
#define RAISE_US US_PER_S
/* A first cut after fewer than this were accepted, or in less time than can be scaled, is a guess
 * and most likely far too low: the endpoint has had a hiccup, or was busy with others. So it
 * doubles until the next refusal. */
#define EVIDENCE_MIN 5
#define RAISE_GUESS  2.0
/* Above this it limits nothing: no hook has a higher rate (HOOK_RATE_MAX). From wherever it stands
 * it comes here within seven minutes without a refusal: what was learned long ago is forgotten. */
#define RATE_FORGOTTEN 10000.0

#define PAUSE_US_MAX (3600 * US_PER_S)

static double
larger(double a, double b)
{
    return a > b ? a : b;
}

static double
smaller(double a, double b)
{
    return a < b ? a : b;
}

void
throttle_init(struct throttle *throttle, double rate, struct instant now)
{
    *throttle = (struct throttle){.second = now, .cut = {now.us - 1}, .raised = now};
    if (rate > 0 && rate < RATE_FORGOTTEN)
        throttle->rate = rate < THROTTLE_RATE_MIN ? THROTTLE_RATE_MIN : rate;
}

static void
throttle_turn(struct throttle *throttle, struct instant now)
{
    int64_t passed_us = now.us - throttle->second.us;

    if (passed_us < US_PER_S)
        return;
    throttle->accepted_last = passed_us < 2 * US_PER_S ? throttle->accepted : 0;
    throttle->accepted = 0;
    throttle->second.us += passed_us - passed_us % US_PER_S;
}

/* What was accepted a second of late. */
static double
throttle_measure(const struct throttle *throttle, struct instant now)
{
    int64_t passed_us = now.us - throttle->second.us;
    double running;

    if (passed_us < SCALE_US_MIN)
        passed_us = SCALE_US_MIN;
    running = (double)throttle->accepted * (double)US_PER_S / (double)passed_us;
    return larger(running, (double)throttle->accepted_last);
}

/* Until the next step upwards. A slow rate is tried once before it is raised, as what was not tried
 * proves nothing. */
static int64_t
throttle_step_us(const struct throttle *throttle)
{
    int64_t interval_us = (int64_t)((double)US_PER_S / throttle->rate);

    return throttle->is_guess || interval_us < RAISE_US ? RAISE_US : interval_us;
}

/* The steps upwards that were due by now. */
static void
throttle_raise(struct throttle *throttle, struct instant now)
{
    /* Nor does a pause. */
    if (throttle->raised.us < throttle->pause.us)
        throttle->raised = throttle->pause;
    while (throttle->rate > 0) {
        int64_t step_us = throttle_step_us(throttle);

        if (now.us - throttle->raised.us < step_us)
            return;
        throttle->raised.us += step_us;
        throttle->rate *= throttle->is_guess ? RAISE_GUESS : RAISE;
        if (throttle->rate >= RATE_FORGOTTEN)
            throttle->rate = 0;
    }
}

void
throttle_accepted(struct throttle *throttle, struct instant now)
{
    throttle_turn(throttle, now);
    throttle->accepted++;
}

static bool
throttle_has_evidence(const struct throttle *throttle, struct instant now)
{
    return throttle->accepted_last >= EVIDENCE_MIN ||
           (throttle->accepted >= EVIDENCE_MIN && now.us - throttle->second.us >= SCALE_US_MIN);
}

static void
throttle_cut(struct throttle *throttle, struct instant now)
{
    double rate = throttle_measure(throttle, now) * CUT;

    throttle_raise(throttle, now);
    throttle->is_guess = throttle->rate == 0 && !throttle_has_evidence(throttle, now);
    if (throttle->rate > 0)
        rate = larger(smaller(rate, throttle->rate * CUT), throttle->rate * CUT_MOST);
    throttle->rate = larger(rate, THROTTLE_RATE_MIN);
    throttle->cut = now;
    throttle->raised = now;
}

bool
throttle_is_accepting(struct throttle *throttle, struct instant now)
{
    throttle_turn(throttle, now);
    return throttle->accepted > 0 || throttle->accepted_last > 0;
}

void
throttle_pause(struct throttle *throttle, int64_t pause_us, struct instant now)
{
    struct instant pause = instant_add_us(now, pause_us > PAUSE_US_MAX ? PAUSE_US_MAX : pause_us);

    if (pause_us > 0 && pause.us > throttle->pause.us)
        throttle->pause = pause;
}

void
throttle_forget(struct throttle *throttle)
{
    throttle->rate = 0;
    throttle->is_guess = false;
}

void
throttle_refused(struct throttle *throttle, struct instant started, struct instant now)
{
    throttle_turn(throttle, now);
    /* Those that were under way say the same once more. */
    if (started.us > throttle->cut.us)
        throttle_cut(throttle, now);
}

double
throttle_rate(struct throttle *throttle, struct instant now)
{
    throttle_raise(throttle, now);
    return throttle->rate;
}
