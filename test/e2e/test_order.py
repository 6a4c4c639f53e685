# SPDX-License-Identifier: Apache-2.0
"""Retries and order: the newest state comes last, and an older one never after it."""
import time

from harness import HOOKS, Reply, TestCase, eventually


class Schedule(TestCase):
    """As it is published, where nobody sets it otherwise."""

    def test_a_failed_call_is_made_again_under_the_same_id(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            500 if call.headers["x-usher-attempt"] == "1" else 200)
        self.webinar(mangoes=[self.mango(people=self.people(3))])
        calls = self.arrived(hook, 6)
        self.assertEqual(len({call.id for call in calls}), 3)
        for call in calls:
            self.check_signature(call, hook)
        first, second = calls[:3], calls[3:]
        self.assertEqual({call.headers["x-usher-attempt"] for call in second}, {"2"})
        self.assertEqual({call.raw for call in first}, {call.raw for call in second})
        # 5 s and a fifth up or down; the machine may be late, never early.
        self.assertGreaterEqual(second[0].at - first[0].at, 3.9)


class Order(TestCase):
    options = ("--allow-private-hooks", "--retry-delays", "1,1,2,2,4,4,8,8,16")

    def last_titles(self, hook):
        """What each attendee accepted last, from a hook whose answers say what was accepted."""
        return {call.email: call.title for call in self.calls(hook) if call.accepted}

    def flaky(self, hook, is_up):
        """The hook answers 500 until is_up() says otherwise; each call remembers its answer."""

        def answer(call):
            call.accepted = is_up()
            return Reply(200 if call.accepted else 500)

        self.hooks.answers[hook["name"]] = answer

    def check_never_older(self, hook):
        newest = {}
        for call in self.calls(hook):
            self.assertGreaterEqual(call.sequence, newest.get(call.email, 0),
                f"{call.email} was told {call.title} after something newer")
            newest[call.email] = call.sequence

    def test_after_two_updates_while_the_hook_is_down_the_newest_is_last(self):
        people = self.people(20)
        mango = self.mango(people=people)
        hook, up = self.hook(), []
        self.flaky(hook, lambda: bool(up))
        webinar = self.webinar(title="first", mangoes=[mango])
        # Then its breaker opens, and only probes go out.
        eventually("10 failed calls", lambda: len(self.calls(hook)) >= 10)
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "second"}), 200)
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "third"}), 200)
        up.append(True)
        wanted = {person["email"]: "third" for person in people}
        eventually("all have the newest", lambda: self.last_titles(hook) == wanted)
        events = self.settled()
        self.check_never_older(hook)
        self.assertEqual(self.last_titles(hook), wanted)
        hooks = [event["hooks"][0] for event in sorted(events, key=lambda e: e["createdAt"])]
        self.assertEqual(hooks[0]["superseded"] + hooks[0]["delivered"], 20)
        self.assertGreater(hooks[0]["superseded"] + hooks[1]["superseded"], 0)
        self.assertEqual(hooks[2]["delivered"], 20)

    def test_after_two_updates_while_nobody_listens_the_newest_is_last(self):
        people = self.people(5)
        mango = self.mango(people=people)
        hook = self.hook()
        webinar = self.webinar(title="first", mangoes=[mango])
        self.arrived(hook, 5)
        self.flaky(hook, lambda: True)
        self.hooks.down()
        try:
            for title in ("second", "third"):
                self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": title}), 200)
            eventually("a failed attempt", lambda: any(
                item["failing"] for event in self.expect(self.api.get("/events"), 200)["data"]
                for item in self.expect(self.api.get(f"/events/{event['id']}"), 200)["hooks"]))
        finally:
            self.hooks.up()
        wanted = {person["email"]: "third" for person in people}
        eventually("all have the newest", lambda: {
            call.email: call.title for call in self.calls(hook)} == wanted)
        self.settled()
        self.check_never_older(hook)

    def test_retry_after_delays(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            503, headers=[("Retry-After", "9")]) if len(self.calls(hook)) < 2 else Reply()
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        calls = self.arrived(hook, 2)
        self.assertGreaterEqual(calls[1].at - calls[0].at, 8.9)

    def test_redirects_are_not_followed(self):
        hook, target = self.hook(), self.hook(webinar="65f400000000000000000009")
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            307, headers=[("Location", target["hookUrl"])])
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        eventually("the first call", lambda: self.calls(hook))
        event = self.expect(self.api.get("/events"), 200)["data"][0]
        eventually("it counts as failed", lambda: self.expect(
            self.api.get(f"/events/{event['id']}"), 200)["hooks"][0]["failing"] == 1)
        self.assertEqual(self.calls(target), [])

    def test_a_connection_that_dies_is_no_loss(self):
        """Each fifth call is answered, then the connection is cut before the next one's answer."""
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            drop=len(self.calls(hook)) == 7)
        people = self.people(30)
        self.webinar(mangoes=[self.mango(people=people)])
        self.settled()
        calls = self.calls(hook)
        self.assertEqual({call.email for call in calls}, {person["email"] for person in people})
        self.assertEqual(len({call.id for call in calls}), 30)

    def test_a_hook_that_hangs_holds_up_no_other(self):
        hanging, healthy = self.hook(), self.hook()
        self.hooks.answers[hanging["name"]] = lambda call: Reply(delay=3600)
        started = time.monotonic()
        self.webinar(mangoes=[self.mango(people=self.people(300))])
        self.arrived(healthy, 300)
        self.assertLess(time.monotonic() - started, 25)
        self.expect(self.api.delete(f"{HOOKS}/{hanging['id']}"), 204)

    def test_in_flight_never_exceeds_the_hooks_own_limit(self):
        hook = self.hook(maxInFlight=3)
        seen = []

        def answer(_call):
            seen.append(len([c for c in self.hooks.connections if c.is_waiting]))
            return Reply(delay=0.02)

        self.hooks.answers[hook["name"]] = answer
        self.webinar(mangoes=[self.mango(people=self.people(40))])
        self.arrived(hook, 40)
        self.assertLessEqual(max(seen), 2)  # the others that waited when one came

    def test_the_rate_limit_is_kept(self):
        hook = self.hook(rateLimit=20)
        self.webinar(mangoes=[self.mango(people=self.people(60))])
        calls = self.arrived(hook, 60)
        self.assertGreaterEqual(calls[-1].at - calls[0].at, 1.5)

    def test_what_is_frozen_goes_on_when_the_hook_is_enabled(self):
        hook = self.hook(maxInFlight=1)
        release = []
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0 if release else 0.1)
        people = self.people(30)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("the first calls", lambda: len(self.calls(hook)) > 2)
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
        after = len(self.calls(hook))
        self.assertLess(after, 30)
        release.append(True)
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.settled()
        emails = {call.email for call in self.calls(hook)}
        self.assertEqual(emails, {person["email"] for person in people})
        self.assertLessEqual(len(self.calls(hook)), 31)  # one may have been on its way
