# SPDX-License-Identifier: Apache-2.0
"""Sending again: what a hook missed, one delivery, one event. Never an old time after a new one."""
from harness import HOOKS, Reply, TestCase, eventually, receiver


class Again(TestCase):
    """What the tests here have in common."""

    def event(self, event_id, api=None):
        return self.expect((api or self.api).get(f"/events/{event_id}"), 200)

    def events(self):
        return self.expect(self.api.get("/events?limit=250"), 200)["data"]

    def since(self):
        """Before all that this account has."""
        return min(event["createdAt"] for event in self.events())

    def recover(self, hook, since, events, deliveries):
        said = self.expect(
            self.api.post(f"{HOOKS}/{hook['id']}/recover", {"since": since}), 200)
        self.assertEqual(said, {"events": events, "deliveries": deliveries})

    def delivery(self, delivery_id):
        return self.expect(self.api.get(f"/deliveries/{delivery_id}"), 200)

    def deliveries(self, hook, **filters):
        query = "".join(f"&{name}={value}" for name, value in filters.items())
        return self.expect(
            self.api.get(f"/deliveries?limit=250&hook={hook['id']}{query}"), 200)["data"]

    def fails_for(self, hook, *emails):
        """The endpoint cannot take these; returns the list, to be emptied when it is mended."""
        broken = list(emails)
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            500 if call.email in broken else 200)
        return broken

    def check_never_older(self, hook):
        newest = {}
        for call in self.calls(hook):
            key = call.email, call.body["callList"][0]["webinarId"]
            self.assertGreaterEqual(call.sequence, newest.get(key, 0),
                f"{call.email} was told {call.title} after something newer")
            newest[key] = call.sequence


class Recover(Again):
    options = ("--allow-private-hooks", "--retry-delays", "1")

    def test_what_was_missed_while_disabled_is_told_once(self):
        people = self.people(3)
        mango = self.mango(people=people)
        hook = self.hook()
        webinar = self.webinar(title="first", mangoes=[mango])
        self.arrived(hook, 3)
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
        for title in ("second", "third"):
            self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": title}), 200)
        self.webinar(title="other", mangoes=[mango])
        self.expect_problem(self.api.post(
            f"{HOOKS}/{hook['id']}/recover", {"since": self.since()}), 409)
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.recover(hook, self.since(), 3, 0)
        events = {event["id"]: event for event in self.settled()}
        calls = self.arrived(hook, 9)
        self.assertCountEqual([(call.email, call.title) for call in calls[3:]],
            [(person["email"], title) for person in people for title in ("third", "other")])
        self.check_never_older(hook)
        for call in calls:
            self.check_signature(call, hook)
        # The second was overtaken by the third, and the first was not sent again.
        second = sorted(events.values(), key=lambda event: event["sequence"])[1]
        self.assertEqual(second["hooks"][0]["superseded"], 3)
        self.recover(hook, self.since(), 0, 0)
        self.settled()
        self.arrived(hook, 9)

    def test_a_new_hook_catches_up_with_what_was_before_it(self):
        people = self.people(5)
        mango = self.mango(people=people[:4])
        webinar = self.webinar(title="old", mangoes=[mango])
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "new"}), 200)
        self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees", people[4]), 201)
        hook, elsewhere = self.hook(), self.hook(webinar="65f400000000000000000009")
        self.recover(hook, self.since(), 3, 0)
        self.recover(elsewhere, self.since(), 0, 0)
        self.settled()
        calls = self.arrived(hook, 5)
        self.assertEqual({call.email: call.title for call in calls},
            {person["email"]: "new" for person in people})
        self.assertEqual(self.calls(elsewhere), [])

    def test_only_what_was_since_is_told(self):
        mango = self.mango(people=self.people(1))
        self.webinar(title="long ago", mangoes=[mango])
        since = self.webinar(title="lately", mangoes=[mango])["createdAt"]
        hook = self.hook()
        events = self.events()
        wanted = [event for event in events if event["createdAt"] >= since]
        self.recover(hook, since, len(wanted), 0)
        self.settled()
        self.assertIn("lately", [call.title for call in self.arrived(hook, len(wanted))])

    def test_what_died_is_sent_again_under_its_id(self):
        people = self.people(4)
        hook = self.hook()
        broken = self.fails_for(hook, people[1]["email"])
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        self.settled()
        self.assertEqual(self.event(event_id)["hooks"][0]["dead"], 1)
        before = self.arrived(hook, 5)
        dead = [call.id for call in before if call.email == people[1]["email"]]
        self.assertEqual(len(set(dead)), 1)
        broken.clear()
        self.recover(hook, self.since(), 0, 1)
        self.settled()
        call = self.arrived(hook, 6)[5]
        self.assertEqual((call.id, call.headers["x-usher-attempt"]), (dead[0], "1"))
        self.check_signature(call, hook)
        told = self.event(event_id)["hooks"][0]
        self.assertEqual((told["delivered"], told["dead"]), (4, 0))
        self.assertEqual(self.delivery(call.id)["status"], "delivered")
        self.recover(hook, self.since(), 0, 0)

    def test_what_died_and_is_old_news_by_now_is_not_sent(self):
        people = self.people(2)
        hook = self.hook()
        broken = self.fails_for(hook, people[0]["email"])
        webinar = self.webinar(title="old", mangoes=[self.mango(people=people)])
        self.settled()
        broken.clear()
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "new"}), 200)
        self.settled()
        count = len(self.calls(hook))
        self.recover(hook, self.since(), 0, 1)
        self.settled()
        self.arrived(hook, count)
        self.assertEqual(self.event(webinar["event"]["id"])["hooks"][0]["superseded"], 1)
        self.check_never_older(hook)

    def test_a_wrong_since_is_refused(self):
        hook = self.hook()
        path = f"{HOOKS}/{hook['id']}/recover"
        for since in (None, 7, "", "yesterday", "2024-03-15", "2099-01-01T00:00:00Z",
                "1999-01-01T00:00:00Z"):
            with self.subTest(since=since):
                self.expect_problem(self.api.post(path, {"since": since}), 422, "/since")
        self.expect_problem(self.api.post(path, {}), 422, "/since")
        self.expect_problem(self.api.post(path, {"since": "2024-03-15T10:00:00Z", "til": 1}), 422,
            "/since", "/til")
        self.expect_problem(
            self.account(self.name + "-other").post(path, {"since": self.hook()["createdAt"]}), 404)


class Retry(Again):
    options = ("--allow-private-hooks", "--retry-delays", "1")

    def test_a_dead_delivery_is_sent_again(self):
        people = self.people(2)
        hook = self.hook()
        broken = self.fails_for(hook, people[0]["email"])
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        self.settled()
        dead, = self.deliveries(hook, status="dead")
        self.assertEqual((dead["email"], dead["attemptCount"]), (people[0]["email"], 2))
        broken.clear()
        retried = self.expect(self.api.post(f"/deliveries/{dead['id']}/retry"), 202)
        self.assertEqual((retried["id"], retried["status"]), (dead["id"], "pending"))
        self.settled()
        calls = self.arrived(hook, 4)
        self.assertEqual(calls[3].id, dead["id"])
        told = self.event(event_id)["hooks"][0]
        self.assertEqual((told["status"], told["delivered"], told["dead"]), ("done", 2, 0))
        shown = self.delivery(dead["id"])
        self.assertEqual((shown["status"], len(shown["attempts"])), ("delivered", 3))
        self.assertEqual(self.deliveries(hook, status="dead"), [])

    def test_a_delivered_one_is_sent_again_and_counted_once(self):
        people = self.people(3)
        hook = self.hook()
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        self.settled()
        first = self.arrived(hook, 3)[0]
        self.expect(self.api.post(f"/deliveries/{first.id}/retry"), 202)
        self.settled()
        again = self.arrived(hook, 4)[3]
        self.assertEqual((again.id, again.raw), (first.id, first.raw))
        self.assertEqual(self.event(event_id)["hooks"][0]["delivered"], 3)

    def test_one_that_still_fails_dies_again(self):
        people = self.people(2)
        hook = self.hook()
        self.fails_for(hook, people[0]["email"])
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        self.settled()
        dead, = self.deliveries(hook, status="dead")
        self.expect(self.api.post(f"/deliveries/{dead['id']}/retry"), 202)
        self.settled()
        told = self.event(event_id)["hooks"][0]
        self.assertEqual((told["delivered"], told["dead"]), (1, 1))
        self.assertEqual(self.delivery(dead["id"])["status"], "dead")

    def test_what_will_not_be_sent_is_a_conflict(self):
        people = self.people(2)
        hook = self.hook()
        broken = self.fails_for(hook, people[0]["email"])
        webinar = self.webinar(title="old", mangoes=[self.mango(people=people)])
        self.settled()
        dead, = self.deliveries(hook, status="dead")
        path = f"/deliveries/{dead['id']}/retry"
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
        self.assertIn("enable", self.expect_problem(self.api.post(path), 409)["detail"])
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        # Who has heard something newer is not told the old time.
        broken.clear()
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "new"}), 200)
        self.settled()
        count = len(self.calls(hook))
        self.expect(self.api.post(path), 202)
        self.settled()
        self.arrived(hook, count)
        self.assertEqual(self.delivery(dead["id"])["status"], "superseded")
        self.assertIn("superseded", self.expect_problem(self.api.post(path), 409)["detail"])
        self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)
        self.assertIn("deleted", self.expect_problem(self.api.post(path), 409)["detail"])
        self.expect_problem(self.account(self.name + "-other").post(path), 404)
        self.expect_problem(self.api.post("/deliveries/msg_x/retry"), 404)


class RetryBesideSchedule(Again):
    options = ("--allow-private-hooks", "--retry-delays", "6,600")

    def test_it_takes_the_place_of_the_one_that_waits(self):
        people = self.people(8)
        one, other = people[2]["email"], people[5]["email"]
        hook = self.hook()
        self.fails_for(hook, one, other)
        self.webinar(mangoes=[self.mango(people=people)])
        calls = self.arrived(hook, 8)
        ids = {call.email: call.id for call in calls}
        for email in (one, other):
            eventually(f"{email} waits for its turn",
                lambda email=email: self.delivery(ids[email])["status"] == "waiting")
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=1)
        retried = self.expect(self.api.post(f"/deliveries/{ids[one]}/retry"), 202)
        self.assertEqual((retried["id"], retried["status"]), (ids[one], "pending"))
        # Impatient people press it again, before and while it is on its way.
        self.expect(self.api.post(f"/deliveries/{ids[one]}/retry"), 202)
        calls = self.arrived(hook, 9)
        self.expect(self.api.post(f"/deliveries/{ids[one]}/retry"), 202)
        self.assertEqual((calls[8].id, calls[8].email), (ids[one], one))
        # The other's retry was scheduled with it: it comes, and then nothing is left to come.
        self.settled()
        calls = self.arrived(hook, 10)
        self.assertEqual((calls[9].id, calls[9].email), (ids[other], other))
        self.assertEqual(calls[9].headers["x-usher-attempt"], "2")
        for email in (one, other):
            self.assertEqual(self.delivery(ids[email])["status"], "delivered")


class Replay(Again):
    def replay(self, event_id, told=None, status=202):
        answer = self.api.post(f"/events/{event_id}/replay", told)
        return self.expect(answer, 202) if status == 202 else self.expect_problem(answer, status)

    def test_the_same_again_has_the_same_ids(self):
        people = self.people(5)
        hook, other = self.hook(), self.hook()
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        self.settled()
        first = self.arrived(hook, 5)
        self.arrived(other, 5)
        said = self.replay(event_id, {"hook": hook["id"]})
        self.assertEqual(said, {"event": event_id, "hooks": [hook["id"]], "fresh": False})
        self.settled()
        again = self.arrived(hook, 10)[5:]
        self.assertCountEqual([(call.id, call.raw, call.sequence) for call in again],
            [(call.id, call.raw, call.sequence) for call in first])
        self.assertEqual({call.headers["x-usher-attempt"] for call in again}, {"1"})
        self.arrived(other, 5)
        said = self.replay(event_id)
        self.assertCountEqual(said["hooks"], [hook["id"], other["id"]])
        self.settled()
        self.arrived(hook, 15)
        self.arrived(other, 10)
        for told in self.event(event_id)["hooks"]:
            self.assertEqual((told["status"], told["delivered"]), ("done", 5))

    def test_a_fresh_one_has_new_ids(self):
        people = self.people(4)
        hook, other = self.hook(), self.hook()
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        self.settled()
        first = self.arrived(hook, 4)
        said = self.replay(event_id, {"hook": hook["id"], "fresh": True})
        self.assertEqual((said["hooks"], said["fresh"]), ([hook["id"]], True))
        self.assertNotEqual(said["event"], event_id)
        self.settled()
        again = self.arrived(hook, 8)[4:]
        self.assertEqual({call.reason for call in again}, {"replay"})
        self.assertCountEqual([call.raw for call in again], [call.raw for call in first])
        self.assertEqual({call.id for call in again} & {call.id for call in first}, set())
        self.assertGreater(min(call.sequence for call in again),
            max(call.sequence for call in first))
        for call in again:
            self.check_signature(call, hook)
            self.assertEqual(receiver.parse_webhook_id(call.id)[0], said["event"])
        self.arrived(other, 4)
        event = self.event(said["event"])
        self.assertEqual((event["reason"], len(event["hooks"])), ("replay", 1))
        self.assertEqual(event["hooks"][0]["delivered"], 4)

    def test_an_old_event_does_not_put_back_an_old_time(self):
        people = self.people(3)
        hook = self.hook()
        webinar = self.webinar(title="old", mangoes=[self.mango(people=people)])
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "new"}), 200)
        self.settled()
        count = len(self.calls(hook))
        self.replay(webinar["event"]["id"])
        self.settled()
        self.arrived(hook, count)
        self.assertEqual(self.event(webinar["event"]["id"])["hooks"][0]["superseded"], 3)

    def test_in_the_middle_of_it_all_are_told_and_counted_once(self):
        people = self.people(60)
        hook = self.hook(maxInFlight=2)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.01)
        event_id = self.webinar(mangoes=[self.mango(people=people)])["event"]["id"]
        for count in (10, 40):
            eventually(f"{count} calls", lambda count=count: len(self.calls(hook)) >= count)
            self.replay(event_id)
        self.settled()
        told = self.event(event_id)["hooks"][0]
        self.assertEqual((told["total"], told["delivered"]), (60, 60))
        calls = self.calls(hook)
        self.assertEqual({call.email for call in calls}, {person["email"] for person in people})
        self.assertEqual(len({call.id for call in calls}), 60)
        self.assertEqual(
            {call.email for call in calls[-60:]}, {person["email"] for person in people})

    def test_what_was_answered_is_sent_after_a_kill(self):
        usher = self.own_usher().start()
        self.api = usher.client()
        self.addCleanup(self.api.close)
        people = self.people(30)
        hook, late = self.hook(maxInFlight=1), self.hook(webinar="65f400000000000000000009")
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.02)
        webinar = self.webinar(mangoes=[self.mango(people=people)])
        self.settled()
        first = {call.id for call in self.arrived(hook, 30)}
        self.expect(self.api.patch(f"{HOOKS}/{late['id']}", {"webinar": webinar["id"]}), 200)
        self.replay(webinar["event"]["id"])
        self.recover(late, webinar["createdAt"], 1, 0)
        usher.kill()
        usher.start()
        self.api = usher.client()
        self.addCleanup(self.api.close)
        self.settled()
        self.assertEqual({call.id for call in self.calls(hook)[30:]}, first)
        self.assertEqual({call.email for call in self.calls(late)},
            {person["email"] for person in people})
        self.assertEqual(usher.stop(), 0, usher.log()[-4000:])

    def test_what_cannot_be_replayed_is_said(self):
        hook = self.hook()
        webinar = self.webinar(mangoes=[self.mango(people=self.people(1))])
        self.settled()
        event_id = webinar["event"]["id"]
        notices = self.hook(event="hook.failing")
        elsewhere = self.hook(webinar="65f400000000000000000009")
        for wrong in (notices["id"], elsewhere["id"], "65f400000000000000000008", "x", 7):
            with self.subTest(hook=wrong):
                answer = self.api.post(f"/events/{event_id}/replay", {"hook": wrong})
                self.expect_problem(answer, 422, "/hook")
        stranger = self.account(self.name + "-other")
        theirs = self.hook(api=stranger)
        answer = self.api.post(f"/events/{event_id}/replay", {"hook": theirs["id"]})
        self.expect_problem(answer, 422, "/hook")
        self.expect_problem(stranger.post(f"/events/{event_id}/replay"), 404)
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
        self.assertIn("enable", self.replay(event_id, {"hook": hook["id"]}, 409)["detail"])
        self.replay(event_id, None, 409)
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        for told in (None, {"fresh": True}, {"hook": hook["id"]}):
            self.replay(event_id, told, 409)
        self.arrived(hook, 1)
