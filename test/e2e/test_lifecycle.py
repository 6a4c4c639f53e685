# SPDX-License-Identifier: Apache-2.0
"""What is done to a hook holds from the answer on. Lists by time, and changes by version."""
import contextlib
import threading
import time

from harness import EVENT, HOOKS, Reply, TestCase, eventually, webinar_body

ROUNDS = 50


class AfterTheAnswer(TestCase):
    """No attempt starts after the answer to a disable or a delete.

    Each hook has one request in flight at a time, so at most the one that was under way may still
    arrive after the answer: a second one has started after it."""

    def setUp(self):
        super().setUp()
        self.stopped = {}  # hook: when it was answered that it is

    def hammer(self, stop):
        mango = self.mango(people=self.people(200))
        for number in range(ROUNDS):
            hook = self.hook(maxInFlight=1)
            if number % 2:
                self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.001)
            self.webinar(title=f"round {number}", mangoes=[mango])
            eventually("calls come", lambda hook=hook: len(self.calls(hook)) > number % 7)
            stop(hook, number)
            self.stopped[hook["name"]] = time.monotonic()

    def check(self):
        """A hook of its own is told of something last, so that what was to come has come."""
        fence = self.hook()
        self.webinar(mangoes=[self.mango(people=self.people(50))])
        self.arrived(fence, 50)
        for name, stopped in self.stopped.items():
            late = [call for call in self.hooks.calls[name] if call.at > stopped]
            self.assertLessEqual(len(late), 1, f"{name}: {len(late)} calls after the answer")

    @contextlib.contextmanager
    def load(self):
        """Another account keeps the program busy meanwhile."""
        busy = self.account(self.name + "-busy")
        self.hook(api=busy, maxInFlight=16)
        mango = self.mango(api=busy, people=self.people(500, "busy"))
        over = threading.Event()

        def work():
            while not over.is_set():
                self.webinar(api=busy, mangoes=[mango])
                over.wait(0.2)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            yield
        finally:
            over.set()
            worker.join()

    def test_disabled_means_at_once(self):
        def disable(hook, _number):
            self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)

        with self.load():
            self.hammer(disable)
            self.check()

    def test_deleted_means_at_once(self):
        def delete(hook, _number):
            self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)

        with self.load():
            self.hammer(delete)
            self.check()

    def test_disabled_and_enabled_in_turn_loses_and_repeats_nothing(self):
        people = self.people(300)
        hook = self.hook(maxInFlight=4)
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        for _ in range(20):
            self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
            self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.settled()
        self.assertCountEqual([call.email for call in self.calls(hook)],
            [person["email"] for person in people])
        event = self.expect(self.api.get(f"/events/{event_id}"), 200)
        self.assertEqual(event["hooks"][0]["delivered"], 300)


class Lists(TestCase):
    """after is included, before is not, both are about createdAt; on every list."""

    def check_range(self, path, items):
        """items: the list's, made one after the other."""
        times = [item["createdAt"] for item in items]
        mark = "&" if "?" in path else "?"
        for after, before in ((times[1], None), (None, times[1]), (times[1], times[2]),
                (times[0], times[2]), (times[2], times[0])):
            query = mark + "&".join(f"{name}={value}"
                for name, value in (("after", after), ("before", before)) if value)
            wanted = [item["id"] for item in items
                if (after is None or item["createdAt"] >= after)
                and (before is None or item["createdAt"] < before)]
            found = self.expect(self.api.get(path + query), 200)["data"]
            self.assertEqual([item["id"] for item in found], wanted[::-1], path + query)
        self.expect_problem(self.api.get(path + mark + "after=yesterday"), 422)

    def three(self, make):
        made = []
        for number in range(3):
            made.append(make(number))
            time.sleep(0.002)  # createdAt is shown in milliseconds
        return made

    def test_every_list_can_be_cut_by_time(self):
        self.check_range(HOOKS, self.three(lambda number: self.hook()))
        self.check_range("/mangoes", self.three(lambda number: self.expect(
            self.api.post("/mangoes", {"name": f"m{number}"}), 201)))
        attendees = self.three(lambda number: self.expect(self.api.post("/attendees",
            {"name": "A", "email": f"{self.name}-{number}@example.com"}), 201))
        self.check_range("/attendees", attendees)
        mango = self.mango()
        webinars = self.three(lambda number: self.webinar(title=f"w{number}"))
        self.check_range("/webinars", webinars)
        for path in (f"/mangoes/{mango}/attendees", f"/webinars/{webinars[0]['id']}/attendees"):
            for attendee in attendees:
                self.expect(self.api.post(path, {"attendee": attendee["id"]}), 201)
            self.check_range(path, attendees)
        booking = webinar_body(attendee=attendees[0]["id"])
        self.check_range("/consultations", self.three(lambda number: self.expect(
            self.api.post("/consultations", booking), 201)))
        time.sleep(0.002)
        newest = self.three(lambda number: self.webinar(title=f"e{number}"))
        events = [self.expect(self.api.get(f"/events/{item['event']['id']}"), 200)
            for item in newest]
        self.assertEqual([event["webinar"] for event in events], [item["id"] for item in newest])
        self.check_events(events)

    def check_events(self, events):
        """The newest three of those that there are."""
        first, second, third = (event["createdAt"] for event in events)
        for query, wanted in (
                (f"after={first}", events), (f"after={second}", events[1:]),
                (f"after={first}&before={third}", events[:2]), (f"after={third}", events[2:]),
                (f"after={first}&type={EVENT}", events), (f"after={first}&type=hook.failing", [])):
            found = self.expect(self.api.get(f"/events?{query}"), 200)["data"]
            self.assertEqual([event["id"] for event in found],
                [event["id"] for event in wanted][::-1], query)
        page = self.expect(self.api.get(f"/events?after={first}&limit=2"), 200)
        rest = self.expect(
            self.api.get(f"/events?after={first}&limit=2&cursor={page['nextCursor']}"), 200)
        self.assertEqual([event["id"] for event in page["data"] + rest["data"]],
            [event["id"] for event in events][::-1])
        self.assertIsNone(rest["nextCursor"])


class Versions(TestCase):
    """An ETag on every object, and If-Match on all that changes one."""

    def check_versions(self, path, made, change):
        """made: the answer that made it."""
        old = made.headers["etag"]
        self.assertRegex(old, r'^"[^"]+"$')
        self.assertEqual(self.api.get(path).headers["etag"], old)
        stale = {"if-match": '"0"'}
        self.expect_problem(self.api.patch(path, change, headers=stale), 412)
        self.expect_problem(self.api.delete(path, headers=stale), 412)
        changed = self.api.patch(path, change, headers={"if-match": f'"0", {old}'})
        self.expect(changed, 200)
        new = changed.headers["etag"]
        self.assertNotEqual(new, old)
        self.assertEqual(self.api.get(path).headers["etag"], new)
        self.expect_problem(self.api.patch(path, change, headers={"if-match": old}), 412)
        self.expect_problem(self.api.delete(path, headers={"if-match": old}), 412)
        self.expect(self.api.delete(path, headers={"if-match": new}), 204)

    def test_what_was_changed_meanwhile_is_not_changed(self):
        mango = self.mango()
        for path, told, change in (
                (HOOKS, {"hookUrl": self.hooks.url("v"), "event": EVENT}, {"description": "new"}),
                ("/mangoes", {"name": "old"}, {"name": "new"}),
                ("/attendees", {"name": "A", "email": "v@example.com"}, {"name": "B"}),
                ("/attendees", {"name": "A", "email": "w@example.com"}, {"mangoes": [mango]}),
                ("/webinars", webinar_body(), {"title": "new"}),
                ("/webinars", webinar_body(), {"mangoes": [mango]}),
                ("/consultations",
                    webinar_body(attendee={"name": "C", "email": "c@example.com"}),
                    {"title": "new"})):
            with self.subTest(path=path, change=change):
                made = self.api.post(path, told)
                self.expect(made, 201)
                self.check_versions(f"{path}/{made.json['id']}", made, change)

    def test_members_are_removed_only_as_they_were_seen(self):
        mango, webinar = self.mango(), self.webinar()
        for path in (f"/mangoes/{mango}/attendees", f"/webinars/{webinar['id']}/attendees"):
            made = self.api.post(path, {"name": "M", "email": "m@example.com"})
            self.assertIn(made.status, (200, 201), made)
            member, etag = f"{path}/{made.json['id']}", made.headers["etag"]
            self.expect_problem(self.api.delete(member, headers={"if-match": '"0"'}), 412)
            self.expect(self.api.delete(member, headers={"if-match": etag}), 204)

    def test_a_hook_is_stopped_only_as_it_was_seen(self):
        hook = self.hook()
        path = f"{HOOKS}/{hook['id']}"
        for action in ("disable", "enable", "rotate-secret", "recover"):
            self.expect_problem(self.api.post(f"{path}/{action}", {"since": "2024"}
                if action == "recover" else None, headers={"if-match": '"0"'}), 412)
        seen = self.api.get(path).headers["etag"]
        self.expect(self.api.post(f"{path}/disable", headers={"if-match": seen}), 200)

    def test_events_and_deliveries_have_one(self):
        hook = self.hook()
        webinar = self.webinar(mangoes=[self.mango(people=self.people(1))])
        self.settled()
        call, = self.arrived(hook, 1)
        for path in (f"/events/{webinar['event']['id']}", f"/deliveries/{call.id}"):
            seen = self.api.get(path).headers["etag"]
            self.assertEqual(self.api.get(path).headers["etag"], seen)
