# SPDX-License-Identifier: Apache-2.0
"""Who is told of what: everybody once, nobody twice, nobody else."""
import os

from harness import HOOKS, ROOT, Reply, TestCase, eventually, receiver, webinar_body

ATTENDEES = os.path.join(ROOT, "test", "data", "attendees.csv")


class FanOut(TestCase):
    def test_a_thousand_attendees_are_a_thousand_requests(self):
        people = receiver.read_people(ATTENDEES)
        self.assertEqual(len(people), 1000)
        with open(ATTENDEES, "rb") as file:
            content = file.read()
        mango = self.mango("everyone")
        answer = self.expect(
            self.api.put(f"/mangoes/{mango}/attendees", content, "text/csv"), 200)
        self.assertEqual((answer["created"], answer["updated"], answer["skipped"]), (1000, 0, 0))

        every, one, in_mango = self.hook(), None, self.hook(mango=mango)
        webinar_id = "65f400000000000000001000"
        one = self.hook(webinar=webinar_id)
        elsewhere = self.hook(webinar="65f400000000000000001001")
        stranger_api = self.account(self.name + "-stranger")
        stranger = self.hook(api=stranger_api)

        webinar = self.webinar(id=webinar_id, mangoes=[mango])
        self.assertEqual(webinar["event"]["hooks"], 3)
        self.assertEqual(webinar["event"]["audience"], 1000)
        told = dict(webinar, mangoes=["everyone"], timezone="Asia/Kolkata",
            **{"from": "2034-03-15T10:00:00Z", "to": "2034-03-15T11:00:00Z"})
        for hook in (every, one, in_mango):
            calls = self.arrived(hook, 1000)
            self.assertEqual(len({call.id for call in calls}), 1000)
            got = {call.email: call for call in calls}
            for person in people:
                self.assertEqual(got[person["email"]].raw.decode(),
                    receiver.expected_body(person, told).decode())
            for call in calls:
                self.check_signature(call, hook)
        self.settled()

        # One more registers: one more each, but not where only the mango's members are told.
        self.expect(self.api.post(f"/webinars/{webinar_id}/attendees",
            {"name": "Late", "email": "late@example.com"}), 201)
        self.assertEqual(self.arrived(every, 1001)[-1].email, "late@example.com")
        self.assertEqual(self.arrived(one, 1001)[-1].reason, "registered")

        # A change that changes nothing tells nobody; the next one tells all.
        self.expect(self.api.patch(f"/webinars/{webinar_id}", {"title": webinar["title"]}), 200)
        self.expect(self.api.patch(f"/webinars/{webinar_id}", {"title": "Another"}), 200)
        for hook, before, after in ((every, 1001, 1001), (one, 1001, 1001), (in_mango, 1000, 1000)):
            calls = self.arrived(hook, before + after)[before:]
            self.assertEqual({call.title for call in calls}, {"Another"})
            self.assertEqual(len({call.email for call in calls}), after)
        self.settled()
        self.assertEqual(self.calls(elsewhere), [])
        self.assertEqual(self.calls(stranger), [])
        self.assertEqual(self.expect(stranger_api.get("/events"), 200)["data"], [])

    def test_two_hooks_each_get_all(self):
        hooks = [self.hook(), self.hook()]
        people = self.people(200)
        self.webinar(mangoes=[self.mango(people=people)])
        for hook in hooks:
            emails = [call.email for call in self.arrived(hook, 200)]
            self.assertCountEqual(emails, [person["email"] for person in people])

    def test_who_is_in_three_mangoes_is_told_once(self):
        hook = self.hook()
        mangoes = [self.mango(name, people=self.people(count))
            for name, count in (("one", 30), ("two", 20), ("three", 10))]
        webinar = self.webinar(mangoes=mangoes)
        calls = self.arrived(hook, 30)
        self.assertEqual(len({call.email for call in calls}), 30)
        self.assertEqual({call.body["mangoes"] for call in calls}, {"one, two, three"})
        # Who is registered as well hears nothing new.
        self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees", self.people(1)[0]), 201)
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "Next"}), 200)
        calls = self.arrived(hook, 60)[30:]
        self.assertEqual({call.title for call in calls}, {"Next"})
        self.assertEqual(len({call.email for call in calls}), 30)

    def test_connections_are_used_again(self):
        hook = self.hook(maxInFlight=8)
        self.webinar(mangoes=[self.mango(people=self.people(10, "warm"))])
        self.arrived(hook, 10)
        before = self.hooks.connections.total
        self.webinar(mangoes=[self.mango(people=self.people(400))])
        self.arrived(hook, 410)
        # As many as are in flight at a time, and not one for each call.
        self.assertLessEqual(self.hooks.connections.total - before, 8)

    def test_who_leaves_one_of_three_mangoes_meanwhile_is_told_once(self):
        """The endpoint holds the fan-out up while people leave, from the first and the last."""
        hook = self.hook(maxInFlight=1)
        release = []
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0 if release else 0.2)
        people = self.people(60)
        mangoes = [self.mango(name, people=people) for name in ("one", "two", "three")]
        ids = {person["email"]: person["id"] for person in self.expect(
            self.api.get(f"/mangoes/{mangoes[0]}/attendees?limit=250"), 200)["data"]}
        self.webinar(mangoes=mangoes)
        eventually("the first calls", lambda: self.calls(hook))
        for person in people[40:50]:
            self.expect(self.api.delete(
                f"/mangoes/{mangoes[0]}/attendees/{ids[person['email']]}"), 204)
        for person in people[50:]:
            self.expect(self.api.delete(
                f"/mangoes/{mangoes[2]}/attendees/{ids[person['email']]}"), 204)
        self.assertLess(len(self.calls(hook)), 60)
        release.append(True)
        self.settled()
        emails = [call.email for call in self.calls(hook)]
        self.assertCountEqual(emails, [person["email"] for person in people])

    def test_who_joins_a_mango_is_registered_for_its_webinars_to_come(self):
        hook = self.hook()
        mango = self.mango("club")
        coming = self.webinar(title="coming", mangoes=[mango])
        self.webinar(title="over", mangoes=[mango],
            **{"from": "2024-03-15T10:00:00", "to": "2024-03-15T11:00:00"})
        self.import_people(f"/mangoes/{mango}/attendees", self.people(3))
        calls = self.arrived(hook, 3)
        self.assertEqual({call.title for call in calls}, {"coming"})
        self.assertEqual({call.reason for call in calls}, {"registered"})
        self.import_people(f"/mangoes/{mango}/attendees", self.people(3))  # nobody new
        self.expect(self.api.patch(f"/webinars/{coming['id']}", {"title": "moved"}), 200)
        self.assertEqual({call.title for call in self.arrived(hook, 6)[3:]}, {"moved"})

    def test_a_hook_for_a_mango_hears_only_of_its_members(self):
        first, second = self.people(5, "a"), self.people(4, "b")
        mangoes = [self.mango("first", people=first), self.mango("second", people=second)]
        hook, all_of_it = self.hook(mango=mangoes[1]), self.hook()
        self.webinar(mangoes=mangoes)
        self.webinar(title="not offered to it", mangoes=mangoes[:1])
        self.arrived(all_of_it, 14)
        self.assertCountEqual([call.email for call in self.arrived(hook, 4)],
            [person["email"] for person in second])

    def test_nobody_to_tell_is_no_error(self):
        hook = self.hook()
        webinar = self.webinar()
        self.assertEqual(webinar["event"]["audience"], 0)
        self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees",
            {"name": "A", "email": "a@example.com"}), 201)
        self.assertEqual(self.arrived(hook, 1)[0].reason, "registered")

    def test_notify_false_tells_nobody(self):
        hook = self.hook()
        mango = self.mango(people=self.people(3))
        webinar = self.webinar(mangoes=[mango], notify=False)
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "Told"}), 200)
        self.assertEqual({call.title for call in self.arrived(hook, 3)}, {"Told"})

    def test_an_erased_attendee_is_passed_over(self):
        hook = self.hook(maxInFlight=1)
        release = []
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0 if release else 0.2)
        people = self.people(20)
        mango = self.mango(people=people)
        listed = self.expect(self.api.get(f"/mangoes/{mango}/attendees?limit=250"), 200)["data"]
        gone = next(item for item in listed if item["email"] == people[19]["email"])
        self.webinar(mangoes=[mango])
        eventually("the first call", lambda: self.calls(hook))
        self.expect(self.api.delete(f"/attendees/{gone['id']}"), 204)
        release.append(True)
        self.settled()
        self.assertNotIn(gone["email"], [call.email for call in self.calls(hook)])
        self.assertEqual(len(self.calls(hook)), 19)

    def test_a_deleted_hook_is_called_no_more(self):
        hook = self.hook(maxInFlight=1)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.05)
        self.webinar(mangoes=[self.mango(people=self.people(50))])
        eventually("the first calls", lambda: len(self.calls(hook)) > 2)
        self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)
        after = len(self.calls(hook))
        self.assertLess(after, 50)
        fence = self.hook()
        self.webinar(mangoes=[self.mango(people=self.people(1, "fence"))])
        self.arrived(fence, 1)
        self.assertLessEqual(len(self.calls(hook)), after + 1)  # one may have been on its way

    def test_another_accounts_things_do_not_exist(self):
        other = self.account(self.name + "-other")
        mango = self.mango()
        webinar = self.webinar()
        for method, path in (("GET", f"/mangoes/{mango}"), ("DELETE", f"/mangoes/{mango}"),
                ("GET", f"/webinars/{webinar['id']}"), ("DELETE", f"/webinars/{webinar['id']}"),
                ("GET", f"/events/{webinar['event']['id']}")):
            self.expect_problem(other.call(method, path), 404)
        self.expect_problem(other.patch(f"/webinars/{webinar['id']}", {"title": "x"}), 404)
        answer = other.post("/webinars", dict(webinar_body(), mangoes=[mango]))
        self.assertEqual(answer.status, 422, answer)
        self.expect(self.api.get(f"/webinars/{webinar['id']}"), 200)

