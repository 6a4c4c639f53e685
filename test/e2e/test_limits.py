# SPDX-License-Identifier: Apache-2.0
"""What an endpoint asks for is kept to: its rate, how many at a time, and when it says "later".

Judged by what the endpoint itself counts. A busy machine may make calls late and never makes them
early: what must not be passed holds always, what must be reached in the best of a few stretches.
"""
import bisect
import time

from harness import HOOKS, Reply, TestCase, eventually


class Bucket:
    """An endpoint's own limit: so many a second, with a tenth of a second's worth in hand."""

    def __init__(self, rate):
        self.rate = rate
        self.most = rate / 10 + 1
        self.tokens = self.most
        self.at = time.monotonic()
        self.accepted = 0
        self.refused = 0

    def answer(self, _):
        now = time.monotonic()
        self.tokens = min(self.most, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            self.refused += 1
            return Reply(429, b"too many")
        self.tokens -= 1
        self.accepted += 1
        return Reply()


def times_of(calls):
    return sorted(call.at for call in calls)


class LimitsCase(TestCase):
    # A burst is what a sender may make up for after being late: a twentieth of a second's worth.
    # Our own process adds to it when it reads late what came in time.
    def check_never_above(self, times, rate, seconds_late=0.5):
        burst = 1 + rate * (0.05 + seconds_late)
        least = 0.0
        for i, at in enumerate(times):
            ahead = i - rate * (at - times[0])
            least = min(least, ahead)
            self.assertLessEqual(ahead + 1 - least, burst)

    def check_ten_seconds(self, rate, calls):
        """Within 2 % in the best of five stretches of ten seconds, and never more than a burst."""
        counts = []
        for _ in range(5):
            start = time.monotonic()
            eventually("ten seconds of calls", lambda: time.monotonic() > start + 11)
            times = times_of(calls())
            # From one call on, for ten seconds.
            first = bisect.bisect_left(times, start)
            counts.append(bisect.bisect_left(times, times[first] + 10) - first)
            self.check_never_above(times, rate)
            if rate * 10 * 0.98 <= counts[-1] <= rate * 10 * 1.02:
                return
        self.fail(f"{counts} calls in ten seconds at {rate} a second")


class Limits(LimitsCase):
    options = ("--allow-private-hooks", "--request-limit", "0",
        "--retry-delays", "1,1,1,1,1,1,1,1,1")

    def event(self, audience, prefix="p"):
        return self.webinar(mangoes=[self.mango(people=self.people(audience, prefix))])

    def show(self, hook):
        return self.expect(self.api.get(f"{HOOKS}/{hook['id']}"), 200)

    def deliveries(self, hook):
        return self.expect(self.api.get(f"/deliveries?hook={hook['id']}&limit=250"), 200)["data"]

    def test_a_rate_limit_is_kept_within_two_percent(self):
        hook = self.hook(rateLimit=100)
        webinar = self.event(10000)
        eventually("the first call", lambda: self.calls(hook))
        self.check_ten_seconds(100, lambda: self.calls(hook))
        self.assertEqual({call.headers["x-usher-attempt"] for call in self.calls(hook)}, {"1"})
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)

    def test_a_slow_rate_has_even_steps(self):
        hook = self.hook(rateLimit=4)
        self.event(9)
        times = [call.at for call in self.arrived(hook, 9)]
        self.assertGreaterEqual(times[-1] - times[0], 8 / 4 - 0.06)
        self.settled()

    def test_who_waits_for_a_turn_was_not_tried(self):
        hook = self.hook(rateLimit=5)
        self.event(10)
        eventually("the first calls", lambda: len(self.calls(hook)) >= 2)
        waiting = [item for item in self.deliveries(hook) if item["status"] == "pending"]
        self.assertGreater(len(waiting), 0)
        self.assertEqual({item["attemptCount"] for item in waiting}, {0})
        self.assertEqual({item["nextAttemptAt"] for item in waiting}, {None})
        self.assertEqual({call.headers["x-usher-attempt"] for call in self.arrived(hook, 10)},
            {"1"})
        self.settled()
        found = self.deliveries(hook)
        self.assertEqual([(item["status"], item["attemptCount"]) for item in found],
            [("delivered", 1)] * 10)

    def test_no_more_are_in_flight_than_the_hook_says(self):
        delay = 0.05
        for most in (1, 3, 10):
            with self.subTest(maxInFlight=most):
                hook = self.hook(maxInFlight=most)
                self.hooks.answers[hook["name"]] = lambda call: Reply(delay=delay)
                audience = most * 20
                self.event(audience, f"{most}-")
                times = times_of(self.arrived(hook, audience))
                # Each is under way for its delay at least.
                under_way = [bisect.bisect_right(times, at) - bisect.bisect_right(
                    times, at - delay) for at in times]
                self.assertEqual(max(under_way), most)
                self.settled()
                self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)

    def test_a_429_with_retry_after_is_not_called_before(self):
        hook = self.hook(maxInFlight=1)
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            429, headers=[("Retry-After", "3")]) if len(self.calls(hook)) == 5 else Reply()
        people = self.people(30)
        self.webinar(mangoes=[self.mango(people=people)])
        # All the others wait, too: it is the endpoint that asked.
        calls = self.arrived(hook, 31)
        self.assertGreaterEqual(calls[5].at - calls[4].at, 3)
        self.settled()
        again, = (call for call in calls if call.headers["x-usher-attempt"] == "2")
        self.assertEqual(again.id, calls[4].id)
        self.assertEqual({call.email for call in calls}, {person["email"] for person in people})

    def test_the_rate_that_an_endpoint_takes_is_learned_and_shown(self):
        hook, bucket = self.hook(), Bucket(150)
        self.assertIsNone(self.show(hook)["effectiveRate"])
        self.hooks.answers[hook["name"]] = bucket.answer
        self.event(1500)
        eventually("a learned rate", lambda: self.show(hook)["effectiveRate"] is not None)
        eventually("a good part accepted", lambda: bucket.accepted >= 500)
        accepted, refused = bucket.accepted, bucket.refused
        eventually("some seconds' worth more", lambda: bucket.accepted >= accepted + 500)
        rate = self.show(hook)["effectiveRate"]
        self.assertTrue(75 <= rate <= 225, rate)
        # Nine of ten calls or more are taken.
        self.assertLess((bucket.refused - refused) * 10, bucket.accepted - accepted)
        self.settled()
        self.assertEqual(bucket.accepted, 1500)

    def test_of_a_limit_that_is_lower_the_hooks_own_is_shown(self):
        hook = self.hook(rateLimit=20)
        self.assertEqual(self.show(hook)["effectiveRate"], 20)


class OfAnAccount(LimitsCase):
    """The hooks of an account share its rate, whichever loops they are on."""

    def test_all_hooks_of_an_account_together_keep_its_rate(self):
        self.usher = self.own_usher(("--allow-private-hooks", "--request-limit", "0"),
            {"USHER_ACCOUNT_RATE": "100"}).start()
        self.api = self.account("limited")
        hooks = [self.hook() for _ in range(4)]
        webinar = self.webinar(mangoes=[self.mango(people=self.people(5000))])
        eventually("the first calls", lambda: all(self.calls(hook) for hook in hooks))
        self.check_ten_seconds(100, lambda: [call for hook in hooks for call in self.calls(hook)])
        # And they take turns.
        counts = [len(self.calls(hook)) for hook in hooks]
        self.assertGreater(min(counts) * 2, max(counts), counts)
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        self.assertEqual(self.usher.stop(), 0)
