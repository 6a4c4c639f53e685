# SPDX-License-Identifier: Apache-2.0
"""Notices: what happens to hooks and deliveries, told to the hooks that ask for it."""
import contextlib
import sqlite3
import time

from harness import EVENT, HOOKS, Reply, TestCase, eventually, receiver

NOTICES = ("hook.failing", "hook.disabled", "hook.recovered", "delivery.dead")
NOBODY = "0" * 24


class Told(TestCase):
    """What the tests here have in common."""

    def watch(self, *types, name=None):
        """Hooks for notices, by type; one endpoint for all, so that their order is seen."""
        name = name or f"{self.name}-{next(self.serial)}-notices"
        return {kind: self.hook(name=name, event=kind) for kind in types or NOTICES}

    def notices(self, watch):
        name = next(iter(watch.values()))["name"]
        return list(self.hooks.calls[name])

    def told(self, watch, count):
        eventually(f"{count} notices", lambda: len(self.notices(watch)) >= count)
        calls = self.notices(watch)
        self.assertEqual(len(calls), count, [call.body for call in calls])
        return calls

    def check_notice(self, call, watch, about):
        """Signed as all calls are, with the secret of the hook that asked for it."""
        body = call.body
        hook = watch[body["type"]]
        self.assertEqual(receiver.signature_faults(
            call.headers, call.raw, receiver.secret_bytes(hook["secret"]), time.time()), [])
        _, hook_id, attendee, sequence = receiver.parse_webhook_id(call.id)
        self.assertEqual((hook_id, attendee, sequence), (hook["id"], NOBODY, call.sequence))
        self.assertEqual((call.headers["x-usher-event"], call.reason), (body["type"], "notice"))
        self.assertEqual(list(body), ["type", "timestamp", "data"])
        self.assertEqual(
            (body["data"]["hook"], body["data"]["hookUrl"], body["data"]["event"]),
            (about["id"], about["hookUrl"], EVENT))
        return body["data"]

    def shown(self, hook):
        return self.expect(self.api.get(f"{HOOKS}/{hook['id']}"), 200)

    def broken_hook(self, status=500):
        """A hook whose endpoint fails; empty the list to mend it."""
        hook, broken = self.hook(), [True]
        self.hooks.answers[hook["name"]] = lambda call: Reply(status if broken else 200)
        return hook, broken


class Notices(Told):
    options = ("--allow-private-hooks", "--retry-delays", "1")

    def test_gone_is_told_and_signed(self):
        watch = self.watch()
        hook, _ = self.broken_hook(410)
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        call, = self.disabled_notice(watch)
        data = self.check_notice(call, watch, hook)
        self.assertEqual((data["disabledBy"], data["lastStatus"]), ("gone", 410))
        shown = self.shown(hook)
        self.assertEqual((shown["status"], shown["disabledBy"]), ("disabled", "gone"))
        # Nothing else can come of a hook that is disabled.
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        self.settled_notices(watch)
        self.assertEqual(
            [c.body["type"] for c in self.notices(watch)].count("hook.disabled"), 1)
        self.assertEqual(len(self.calls(hook)), 1)

    def disabled_notice(self, watch):
        def found():
            return [c for c in self.notices(watch) if c.body["type"] == "hook.disabled"]
        return eventually("hook.disabled", found)

    def settled_notices(self, watch):
        """All notices of the account have been told."""
        ids = {hook["id"] for hook in watch.values()}

        def done():
            events = self.expect(self.api.get("/events?limit=250"), 200)["data"]
            hooks = [told for event in events for told in event["hooks"] if told["hook"] in ids]
            return all(told["finishedAt"] for told in hooks)

        eventually("all notices are told", done)

    def test_what_dies_is_told_once_with_its_ids(self):
        people = self.people(6)
        watch = self.watch("delivery.dead")
        hook = self.hook()
        dying = [person["email"] for person in people[1:4]]
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            500 if call.email in dying else 200)
        webinar = self.webinar(mangoes=[self.mango(people=people)])
        self.settled()
        self.settled_notices(watch)
        dead = {call.id for call in self.calls(hook) if call.email in dying}
        self.assertEqual(len(dead), 3)
        named = []
        for call in self.notices(watch):
            data = self.check_notice(call, watch, hook)
            self.assertEqual((data["eventId"], data["webinar"], data["attempts"]),
                (webinar["event"]["id"], webinar["id"], 2))
            self.assertEqual(data["count"], len(data["deliveries"]))
            named += data["deliveries"]
        self.assertCountEqual(named, dead)
        for delivery_id in named:
            shown = self.expect(self.api.get(f"/deliveries/{delivery_id}"), 200)
            self.assertEqual(shown["status"], "dead")

    def test_a_notice_is_an_event_with_a_delivery(self):
        watch = self.watch("hook.disabled")
        hook, _ = self.broken_hook(410)
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        call, = self.told(watch, 1)
        self.settled_notices(watch)
        event, = self.expect(self.api.get("/events?type=hook.disabled"), 200)["data"]
        self.assertEqual((event["type"], event["reason"], event["webinar"], event["about"]),
            ("hook.disabled", "notice", None, hook["id"]))
        self.assertEqual(
            [(told["hook"], told["total"], told["delivered"]) for told in event["hooks"]],
            [(watch["hook.disabled"]["id"], 1, 1)])
        others = self.expect(self.api.get(f"/events?type={EVENT}"), 200)["data"]
        self.assertEqual({other["type"] for other in others}, {EVENT})
        self.expect_problem(self.api.get("/events?type=hook.made"), 422)

        listed, = self.expect(
            self.api.get(f"/deliveries?hook={watch['hook.disabled']['id']}"), 200)["data"]
        self.assertEqual((listed["id"], listed["attendee"], listed["email"], listed["status"]),
            (call.id, None, None, "delivered"))
        shown = self.expect(self.api.get(f"/deliveries/{call.id}"), 200)
        self.assertEqual((shown["attendee"], shown["email"], shown["body"]),
            (None, None, call.body))
        self.assertEqual([attempt["status"] for attempt in shown["attempts"]], [200])
        # It can be sent again like any other.
        self.expect(self.api.post(f"/deliveries/{call.id}/retry"), 202)
        again = self.told(watch, 2)[1]
        self.assertEqual((again.id, again.raw), (call.id, call.raw))
        self.expect(self.api.post(f"/events/{event['id']}/replay"), 202)
        self.assertEqual(self.told(watch, 3)[2].id, call.id)

    def test_what_happens_to_hooks_of_notices_is_told_to_nobody(self):
        deaf = self.watch(name=f"{self.name}-deaf")
        self.hooks.answers[f"{self.name}-deaf"] = lambda call: Reply(500)
        gone = self.watch("hook.disabled", name=f"{self.name}-gone")
        self.hooks.answers[f"{self.name}-gone"] = lambda call: Reply(410)
        watch = self.watch()
        hook, _ = self.broken_hook(410)
        self.webinar(mangoes=[self.mango(people=self.people(1))])

        def dead():
            found = self.expect(self.api.get(
                f"/deliveries?hook={deaf['hook.disabled']['id']}&status=dead"), 200)["data"]
            return len(found) == 1

        eventually("the deaf one is given up", dead)
        eventually("the one that is gone is disabled",
            lambda: self.shown(gone["hook.disabled"])["status"] == "disabled")
        self.settled_notices(watch)
        for call in self.notices(watch):
            self.check_notice(call, watch, hook)
        kinds = [call.body["type"] for call in self.notices(watch)]
        self.assertEqual(kinds.count("hook.disabled"), 1)
        self.assertLessEqual(set(kinds), {"hook.disabled", "delivery.dead"})
        for event in self.expect(self.api.get("/events?limit=250"), 200)["data"]:
            if event["type"] != EVENT:
                self.assertEqual(event["about"], hook["id"])

    def test_another_account_hears_nothing(self):
        other = self.account(self.name + "-other")
        theirs = self.hook(api=other, event="hook.disabled")
        watch = self.watch("hook.disabled")
        self.broken_hook(410)
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        self.told(watch, 1)
        self.assertEqual(self.calls(theirs), [])
        self.assertEqual(self.expect(other.get("/events"), 200)["data"], [])

    def test_notices_take_no_filters(self):
        for kind in NOTICES:
            with self.subTest(event=kind):
                told = {"hookUrl": self.hooks.url(self.name), "event": kind}
                filters = {"webinar": "65f400000000000000000009", "mango": self.mango()}
                problem = self.expect_problem(
                    self.api.post(HOOKS, dict(told, **filters)), 422, "/webinar", "/mango")
                self.assertIn("does not apply to this event", str(problem))
                hook = self.hook(event=kind, webinar=None, mango=None, phoneFormat="string")
                self.assertEqual((hook["event"], hook["phoneFormat"]), (kind, "string"))
                said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
                self.assertTrue(said["delivered"])
                call, = self.calls(hook)
                self.assertEqual((call.headers["x-usher-event"], call.body["type"]), (kind, kind))
        listed = self.expect(self.api.get("/event-types"), 200)["data"]
        self.assertEqual([item["name"] for item in listed], [EVENT, *NOTICES])
        for item in listed[1:]:
            self.assertEqual((item["filters"], item["sample"]["type"]), ([], item["name"]))


class Outage(Told):
    """An endpoint fails for long. Nothing dies of it."""

    options = ("--allow-private-hooks", "--retry-delays", "1,1,1,600")

    def setUp(self):
        super().setUp()
        self.watched = self.watch()

    def outage(self):
        hook, broken = self.broken_hook()
        people = self.people(30)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("the hook is failing", lambda: self.shown(hook)["failingSince"])
        return hook, broken, people

    def test_failing_then_recovered_is_told_in_this_order(self):
        hook, broken, people = self.outage()
        call, = self.told(self.watched, 1)
        data = self.check_notice(call, self.watched, hook)
        self.assertEqual((call.body["type"], data["lastStatus"]), ("hook.failing", 500))
        self.assertEqual(self.shown(hook)["status"], "enabled")
        broken.clear()
        self.settled()
        failing, recovered = self.told(self.watched, 2)
        data = self.check_notice(recovered, self.watched, hook)
        self.assertEqual(recovered.body["type"], "hook.recovered")
        self.assertGreater(recovered.sequence, failing.sequence)
        self.assertGreater(data["recoveredAt"], data["failingSince"])
        self.assertIsNone(self.shown(hook)["failingSince"])
        told = {call.email for call in self.calls(hook)}
        self.assertEqual(told, {person["email"] for person in people})
        self.assertEqual(self.expect(
            self.api.get(f"/deliveries?hook={hook['id']}&status=dead"), 200)["data"], [])

    def test_enabled_again_it_is_tried_at_once(self):
        """Its owner need not wait until it is probed."""
        hook, broken, people = self.outage()
        # The next probe is some ten seconds away by then.
        count = len(self.calls(hook))
        eventually("a probe has failed", lambda: len(self.calls(hook)) > count)
        broken.clear()
        enabled = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.assertIsNone(enabled["failingSince"])
        started = time.monotonic()
        eventually("it is tried", lambda: {call.email for call in self.calls(hook)}
            == {person["email"] for person in people})
        self.assertLess(time.monotonic() - started, 8)
        self.assertIsNone(self.shown(hook)["failingSince"])

    def test_a_hook_without_rate_learns_one(self):
        hook = self.hook()
        busy = [True]
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            429 if busy and len(self.calls(hook)) % 3 == 0 else 200)
        self.assertIsNone(hook["effectiveRate"])
        self.webinar(mangoes=[self.mango(people=self.people(60))])
        rate = eventually("a rate is learned", lambda: self.shown(hook)["effectiveRate"])
        self.assertGreater(rate, 0)
        self.assertIsNone(self.shown(hook)["rateLimit"])
        slow = self.expect(
            self.api.patch(f"{HOOKS}/{hook['id']}", {"rateLimit": 0.1}), 200)
        self.assertEqual((slow["rateLimit"], slow["effectiveRate"]), (0.1, 0.1))
        self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)


class FiveDays(Told):
    """The clock cannot be waited for: the time of the first failure is put back on disk."""

    def test_who_fails_for_days_is_disabled(self):
        usher = self.own_usher(("--allow-private-hooks", "--retry-delays", "1,600")).start()
        self.api = self.connect(usher)
        watch = self.watch()
        hook, broken = self.broken_hook()
        people = self.people(30)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("the hook is failing", lambda: self.shown(hook)["failingSince"])
        self.told(watch, 1)
        notice, = self.expect(self.api.get("/events?type=hook.failing"), 200)["data"]
        eventually("that it was told is on disk", lambda: self.finished(self.api, notice["id"]))
        usher.kill()
        with contextlib.closing(sqlite3.connect(usher.database)) as database, database:
            database.execute("UPDATE hook SET first_failure_us = first_failure_us - ?1,"
                " failing_us = failing_us - ?1 WHERE id = ?2",
                (5 * 86400 * 10**6, bytes.fromhex(hook["id"])))
        usher.start()
        self.api = self.connect(usher)
        eventually("the hook is disabled", lambda: self.shown(hook)["status"] == "disabled")
        self.assertEqual(self.shown(hook)["disabledBy"], "failing")
        failing, disabled = self.told(watch, 2)
        self.assertEqual([failing.body["type"], disabled.body["type"]],
            ["hook.failing", "hook.disabled"])
        data = self.check_notice(disabled, watch, hook)
        self.assertEqual((data["disabledBy"], data["lastStatus"]), ("failing", 500))
        # What was owed is kept, and goes out once it is enabled.
        broken.clear()
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.settled()
        self.assertEqual({call.email for call in self.calls(hook)},
            {person["email"] for person in people})
        self.assertEqual(usher.stop(), 0, usher.log()[-4000:])

    def connect(self, usher):
        client = usher.client("default")
        self.addCleanup(client.close)
        return client
