# SPDX-License-Identifier: Apache-2.0
"""Mangoes, attendees, webinars and consultations, as a creator uses them."""
from harness import Reply, TestCase, eventually, webinar_body

ID = "65f4000000000000000000{:02x}"


class Domain(TestCase):
    def test_ids_may_be_brought_along(self):
        for i, (path, body) in enumerate((
            ("/mangoes", {"name": "M"}),
            ("/attendees", {"name": "A", "email": "a@example.com"}),
            ("/webinars", webinar_body()),
        )):
            body["id"] = ID.format(i)
            self.assertEqual(self.expect(self.api.post(path, body), 201)["id"], ID.format(i))
            self.expect(self.api.get(f"{path}/{ID.format(i)}"), 200)
            self.expect_problem(self.api.post(path, dict(body, email="b@example.com")
                if path == "/attendees" else body), 409)
            self.expect_problem(self.api.post(path, dict(body, id="xyz")), 422, "/id")

    def test_mangoes_are_kept(self):
        mango = self.mango("Old")
        self.expect(self.api.patch(f"/mangoes/{mango}", {"name": "New"}), 200)
        self.assertEqual(self.expect(self.api.get(f"/mangoes/{mango}"), 200)["name"], "New")
        self.expect(self.api.delete(f"/mangoes/{mango}"), 204)
        self.expect_problem(self.api.get(f"/mangoes/{mango}"), 404)
        self.expect_problem(self.api.delete(f"/mangoes/{mango}"), 404)

    def test_a_mango_in_use_is_not_deleted(self):
        mango = self.mango()
        webinar = self.webinar(mangoes=[mango])
        problem = self.expect_problem(self.api.delete(f"/mangoes/{mango}"), 409)
        self.assertIn(webinar["id"], problem["detail"])
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        self.expect(self.api.delete(f"/mangoes/{mango}"), 204)

    def test_attendees_are_kept_and_found_by_email(self):
        person = self.expect(self.api.post("/attendees",
            {"name": "A", "email": "Anna@Example.com", "timezone": "Asia/Calcutta"}), 201)
        self.assertEqual((person["email"], person["timezone"], person["phone"]),
            ("Anna@Example.com", "Asia/Calcutta", None))
        found = self.expect(self.api.get("/attendees?email=anna@example.com"), 200)["data"]
        self.assertEqual([item["id"] for item in found], [person["id"]])
        problem = self.expect_problem(self.api.post("/attendees",
            {"name": "B", "email": " ANNA@example.com"}), 409)
        self.assertIn(person["id"], problem["detail"])
        changed = self.expect(self.api.patch(f"/attendees/{person['id']}",
            {"phone": "+91 1", "timezone": None}), 200)
        self.assertEqual((changed["phone"], changed["timezone"]), ("+91 1", None))
        self.expect(self.api.delete(f"/attendees/{person['id']}"), 204)
        self.assertEqual(
            self.expect(self.api.get("/attendees?email=anna@example.com"), 200)["data"], [])

    def test_every_fault_of_an_attendee_is_named(self):
        self.expect_problem(self.api.post("/attendees", {"name": "", "email": "nowhere",
            "phone": True, "timezone": "../../etc/passwd", "age": 7}), 422,
            "/name", "/email", "/phone", "/timezone", "/age")
        for zone in ("Asia/Nowhere", "EST5EDT4", "/etc/localtime", "+5:30", "-00:00", "+19:00",
                "asia/kolkata", "posixrules", "right/UTC", "UTC+5", "Asia/Kolkata\n",
                "Asia//Tokyo"):
            with self.subTest(zone=zone):
                self.expect_problem(self.api.post("/attendees", {"name": "A",
                    "email": "z@example.com", "timezone": zone}), 422, "/timezone")

    def test_every_fault_of_a_webinar_is_named(self):
        self.expect_problem(self.api.post("/webinars", {"title": 7, "link": "javascript:x",
            "from": "tomorrow", "to": "2034-13-01T00:00:00", "timezone": "Mars/Olympus",
            "mangoes": ["x"], "colour": "red"}), 422,
            "/title", "/link", "/from", "/to", "/timezone", "/mangoes/0", "/colour")
        self.expect_problem(self.api.post("/webinars", {}), 422,
            "/title", "/link", "/from", "/to", "/timezone")
        self.expect_problem(self.api.post("/webinars", webinar_body(
            **{"from": "2034-03-15T16:00:00", "to": "2034-03-15T15:00:00"})), 422, "/to")
        self.expect_problem(
            self.api.post("/webinars", webinar_body(mangoes=[ID.format(99)])), 422, "/mangoes/0")
        self.assertEqual(self.expect(self.api.get("/webinars"), 200)["data"], [])

    def test_times_are_instants_or_wall_clocks(self):
        wall = self.webinar()
        instant = self.webinar(
            **{"from": "2034-03-15T10:00:00Z", "to": "2034-03-15T12:00:00+01:00"})
        for webinar in (wall, instant):
            text = str(self.expect(self.api.get(f"/webinars/{webinar['id']}"), 200))
            for part in ("2034-03-15T10:00:00.000Z", "2034-03-15T11:00:00.000Z", "+05:30",
                    "Asia/Kolkata"):
                self.assertIn(part, text)

    def test_each_detail_that_changes_is_told(self):
        hook = self.hook()
        first = self.mango("first", people=self.people(2))
        second = self.mango("second")
        webinar = self.webinar(mangoes=[first])
        path = f"/webinars/{webinar['id']}"
        calls = 2
        self.arrived(hook, calls)
        for change in ({"title": "T"}, {"link": "https://example.com/new"},
                {"from": "2034-03-15T15:00:00"}, {"to": "2034-03-15T17:00:00"},
                {"timezone": "Asia/Tokyo"}, {"mangoes": [first, second]},
                {"mangoes": [second, first]}):
            with self.subTest(change=change):
                self.expect(self.api.patch(path, change), 200)
                calls += 2
                self.assertEqual(self.arrived(hook, calls)[-1].reason, "updated")
        for same in ({}, {"title": "T"}, {"mangoes": [second, first]}, {"timezone": "Asia/Tokyo"}):
            self.expect(self.api.patch(path, same), 200)
        self.expect(self.api.patch(path, {"title": "Last"}), 200)
        self.assertEqual(
            {call.title for call in self.arrived(hook, calls + 2)[calls:]}, {"Last"})

    def test_editing_a_person_or_renaming_a_mango_sends_nothing(self):
        hook = self.hook()
        mango = self.mango("old", people=self.people(1))
        webinar = self.webinar(mangoes=[mango])
        self.arrived(hook, 1)
        person = self.expect(self.api.get(f"/mangoes/{mango}/attendees"), 200)["data"][0]
        self.expect(self.api.patch(f"/attendees/{person['id']}", {"name": "New name"}), 200)
        self.expect(self.api.patch(f"/mangoes/{mango}", {"name": "new"}), 200)
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "T"}), 200)
        call = self.arrived(hook, 2)[1]
        self.assertEqual((call.body["name"], call.body["mangoes"]), ("New name", "new"))

    def test_a_deleted_webinars_unsent_calls_are_cancelled(self):
        hook = self.hook(maxInFlight=1)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.05)
        webinar = self.webinar(mangoes=[self.mango(people=self.people(100))])
        eventually("the first calls", lambda: len(self.calls(hook)) > 2)
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        after = len(self.calls(hook))
        self.assertLess(after, 100)
        self.expect_problem(self.api.get(f"/webinars/{webinar['id']}"), 404)
        self.webinar(title="next", mangoes=[self.mango(people=self.people(1))])
        eventually("the next", lambda: self.calls(hook)[-1].title == "next")
        self.assertLessEqual(len(self.calls(hook)), after + 3)  # what was on its way

    def test_consultations(self):
        hook = self.hook()
        person = {"name": "A", "email": "a@example.com", "timezone": "Europe/Stockholm"}
        mango = self.mango("Mentoring")
        booked = self.expect(self.api.post("/consultations",
            webinar_body(title="1-1", mango=mango, attendee=person)), 201)
        call, = self.arrived(hook, 1)
        self.assertEqual((call.reason, call.title, call.body["callList"][0]["webinarId"]),
            ("booked", "1-1", booked["id"]))
        self.assertEqual((call.body["mangoes"], call.body["timezone"]), ("Mentoring", "+01:00"))
        path = f"/consultations/{booked['id']}"
        self.expect(self.api.patch(path, {"from": "2034-03-15T15:00:00"}), 200)
        call = self.arrived(hook, 2)[1]
        self.assertEqual(call.reason, "updated")
        self.assertGreater(call.sequence, self.calls(hook)[0].sequence)
        only = self.hook(webinar=booked["id"])
        self.expect(self.api.patch(path, {"title": "2-1"}), 200)
        self.assertEqual(self.arrived(only, 1)[0].title, "2-1")
        self.arrived(hook, 3)
        listed = self.expect(self.api.get("/consultations"), 200)["data"]
        self.assertEqual([item["id"] for item in listed], [booked["id"]])
        self.assertEqual(self.expect(self.api.get("/webinars"), 200)["data"], [])
        self.expect(self.api.delete(path), 204)
        self.expect_problem(self.api.get(path), 404)
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        self.assertEqual(self.arrived(hook, 4)[3].reason, "created")

    def test_registering_a_known_email_updates_the_person(self):
        hook = self.hook()
        webinar = self.webinar()
        path = f"/webinars/{webinar['id']}/attendees"
        self.expect(self.api.post(path, {"name": "A", "email": "a@example.com"}), 201)
        self.arrived(hook, 1)
        self.assertIn(self.api.post(path, {"name": "B", "email": "A@example.com"}).status,
            (200, 201))
        found = self.expect(self.api.get(path), 200)["data"]
        self.assertEqual([item["name"] for item in found], ["B"])
        known = self.expect(self.api.post("/attendees",
            {"name": "C", "email": "c@example.com"}), 201)
        self.expect(self.api.post(path, {"attendee": known["id"]}), 201)
        self.assertEqual(self.arrived(hook, 2)[1].email, "c@example.com")
        self.expect_problem(self.api.post(path, {"attendee": ID.format(77)}), 422, "/attendee")
        self.expect(self.api.delete(f"{path}/{known['id']}"), 204)
        self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "T"}), 200)
        self.assertEqual(self.arrived(hook, 3)[2].email, "A@example.com")

    def test_lists_are_paged_newest_first(self):
        ids = [self.mango(f"m{i}") for i in range(7)]
        found, cursor = [], ""
        while cursor is not None:
            page = self.expect(self.api.get(f"/mangoes?limit=3{cursor}"), 200)
            found += [item["id"] for item in page["data"]]
            self.assertLessEqual(len(page["data"]), 3)
            if not cursor:
                self.mango("inserted meanwhile")
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        self.assertEqual(found, ids[::-1])
        for query in ("limit=0", "limit=251", "limit=x", "cursor=nonsense", "colour=red"):
            self.expect_problem(self.api.get(f"/mangoes?{query}"), 422)
