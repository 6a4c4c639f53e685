# SPDX-License-Identifier: Apache-2.0
"""What a hook is sent: the published body, to the byte."""
import json
import os
import shutil
import subprocess
import unittest

from demo import document_curl
from harness import API, HOOKS, ROOT, TestCase, receiver, webinar_body

# As published, without its white space.
DOCUMENT_BODY = (
    '{"name":"John Doe","email":"john@example.com","phone":1234567890,"timezone":"+05:30",'
    '"callList":[{"webinar":"Introduction to Digital Marketing",'
    '"webinarId":"634fc35ddaf58580e2418c40","webinarLink":"https://meet.google.com/abc-defg-hij",'
    '"webinarFromTime":"2024-03-15T10:00:00.000Z","webinarToTime":"2024-03-15T11:00:00.000Z",'
    '"webinarFromTimeInCreatorTimezone":"2024-03-15T15:30:00.000Z",'
    '"webinarToTimeInCreatorTimezone":"2024-03-15T16:30:00.000Z","creatorTimezone":"+05:30"}],'
    '"mangoes":"mango1, mango2, mango3"}')
DOCUMENT_WEBINAR_ID = "634fc35ddaf58580e2418c40"
DOCUMENT_ATTENDEE = {"name": "John Doe", "email": "john@example.com", "phone": "1234567890",
    "timezone": "Asia/Kolkata"}
NAUGHTY = os.path.join(ROOT, "..", "shared", "testdata", "blns.json")


class Payload(TestCase):
    def document_webinar(self):
        """The document's example, one field after the other."""
        mangoes = [self.mango(f"mango{i}") for i in (1, 2, 3)]
        self.import_people(f"/mangoes/{mangoes[0]}/attendees", [DOCUMENT_ATTENDEE])
        return self.webinar(id=DOCUMENT_WEBINAR_ID, mangoes=mangoes, timezone="Asia/Calcutta",
            **{"from": "2024-03-15T15:30:00", "to": "2024-03-15T16:30:00"})

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_the_documents_curl_registers_a_hook(self):
        command = document_curl(
            self.usher.base, self.api.key, self.hooks.url(self.name), DOCUMENT_WEBINAR_ID)
        command = command.replace("curl ", "curl --silent --write-out '\\n%{http_code}' ", 1)
        said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60,
            check=True).stdout
        body, _, status = said.rpartition("\n")
        self.assertEqual(status, "201", said)
        hook = json.loads(body)
        self.assertEqual(hook["hookUrl"], self.hooks.url(self.name))
        self.assertEqual(hook["webinar"], DOCUMENT_WEBINAR_ID)
        hook["name"] = self.name

        self.document_webinar()
        call, = self.arrived(hook, 1)
        self.assertEqual(call.raw.decode(), DOCUMENT_BODY)
        self.check_signature(call, hook)

    def test_the_body_is_the_documents_example(self):
        number, string = self.hook(), self.hook(phoneFormat="string")
        self.document_webinar()
        call, = self.arrived(number, 1)
        self.assertEqual(call.raw.decode(), DOCUMENT_BODY)
        self.check_signature(call, number)
        self.assertEqual(call.headers["x-usher-event"], "webinar.created.single")
        self.assertEqual(call.reason, "created")
        self.assertEqual(call.headers["x-usher-attempt"], "1")
        self.assertEqual(call.headers["content-type"], "application/json")
        call, = self.arrived(string, 1)
        self.assertEqual(call.raw.decode(), DOCUMENT_BODY.replace("1234567890", '"1234567890"'))

    def test_a_bearer_key_is_a_key(self):
        answer = self.api.get(HOOKS, headers={
            "x-api-key": None, "authorization": "Bearer " + self.api.key})
        self.expect(answer, 200)

    def test_who_has_no_phone_and_no_zone_is_sent_null(self):
        hook = self.hook()
        people = [{"name": "A", "email": "a@example.com"},
            {"name": "B", "email": "b@example.com", "phone": None, "timezone": None}]
        webinar = self.webinar()
        for person in people:
            self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees", person), 201)
        for call in self.arrived(hook, 2):
            self.assertIsNone(call.body["phone"])
            self.assertIsNone(call.body["timezone"])
            self.assertEqual(call.body["mangoes"], "")
            self.assertEqual(list(call.body), receiver.BODY_KEYS)

    def test_phones_are_numbers_where_a_number_can_carry_them(self):
        hook, string = self.hook(), self.hook(phoneFormat="string")
        phones = ["+91 98765-43210", "(555) 010.0199", "0701234567", "+1234567890123456",
            "123456789012345", "9"]
        people = [{"name": "P", "email": f"p{i}@example.com", "phone": phone}
            for i, phone in enumerate(phones)]
        self.webinar(mangoes=[self.mango(people=people)])
        got = {call.email: call.body["phone"] for call in self.arrived(hook, len(people))}
        self.assertEqual([got[person["email"]] for person in people],
            [919876543210, 5550100199, "0701234567", "+1234567890123456", 123456789012345, 9])
        got = {call.email: call.body["phone"] for call in self.arrived(string, len(people))}
        self.assertEqual([got[person["email"]] for person in people], phones)

    def test_every_zone_is_told_at_the_sessions_start(self):
        """Also on either side of a change of clocks, for the creator and for each attendee."""
        zones = ["America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Chatham",
            "America/St_Johns", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Kiritimati",
            "Pacific/Marquesas", "Antarctica/Troll", "America/Nuuk", "Asia/Calcutta", "-03:30"]
        people = [{"name": zone, "email": f"z{i}@example.com", "timezone": zone}
            for i, zone in enumerate(zones)]
        mango = self.mango("zones", people=people)
        for start, end, creator in (
            ("2025-03-09T06:30:00Z", "2025-03-09T07:30:00Z", "America/New_York"),
            ("2025-11-02T05:30:00Z", "2025-11-02T06:30:00Z", "America/New_York"),
            ("2025-10-25T23:30:00Z", "2025-10-26T02:30:00Z", "Europe/Dublin"),
            ("2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "Australia/Lord_Howe"),
            ("2099-07-01T12:00:00Z", "2099-07-01T13:00:00Z", "America/St_Johns"),
        ):
            with self.subTest(start=start, creator=creator):
                hook = self.hook()
                webinar = self.webinar(mangoes=[mango], timezone=creator,
                    **{"from": start, "to": end})
                told = dict(webinar_body(), id=webinar["id"], timezone=creator, mangoes=["zones"],
                    **{"from": start, "to": end})
                calls = {call.email: call for call in self.arrived(hook, len(people))}
                for person in people:
                    self.assertEqual(calls[person["email"]].raw.decode(),
                        receiver.expected_body(person, told).decode())
                self.expect(self.api.delete(f"{HOOKS}/{hook['id']}"), 204)

    def test_a_wall_clock_that_does_not_occur_is_moved_and_said(self):
        hook = self.hook()
        webinar = self.webinar(timezone="America/Nuuk",
            **{"from": "2025-03-29T23:30:00", "to": "2025-03-30T01:00:00"})
        self.assertIn('"adjusted":"gap"', json.dumps(webinar, separators=(",", ":")))
        self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees",
            {"name": "A", "email": "a@example.com"}), 201)
        call, = self.arrived(hook, 1)
        session = call.body["callList"][0]
        self.assertEqual(session["webinarFromTime"], "2025-03-30T01:30:00.000Z")
        self.assertEqual(session["webinarFromTimeInCreatorTimezone"], "2025-03-30T00:30:00.000Z")
        self.assertEqual(session["creatorTimezone"], "-01:00")

    @unittest.skipUnless(os.path.exists(NAUGHTY), "the list of naughty strings is not here")
    def test_naughty_strings_arrive_as_they_were_sent(self):
        with open(NAUGHTY, encoding="utf-8") as file:
            strings = json.load(file)
        hook = self.hook()
        accepted, people = {}, []
        for i, text in enumerate(strings):
            people.append({"name": text, "email": f"naughty{i}@example.com"})
        mango = self.mango()
        for start in range(0, len(people), 100):
            part = people[start:start + 100]
            lines = "".join(json.dumps(person) + "\n" for person in part).encode()
            answer = self.expect(self.api.put(f"/mangoes/{mango}/attendees?onError=skip", lines,
                "application/x-ndjson"), 200)
            self.assertEqual(answer["created"] + answer["skipped"], len(part))
        page = self.expect(self.api.get(f"/mangoes/{mango}/attendees?limit=250"), 200)
        while True:
            accepted.update((person["email"], person["name"]) for person in page["data"])
            if page["nextCursor"] is None:
                break
            page = self.expect(self.api.get(
                f"/mangoes/{mango}/attendees?limit=250&cursor={page['nextCursor']}"), 200)
        self.assertGreater(len(accepted), 0.9 * len(people))
        for person in people:
            if person["email"] in accepted:
                self.assertEqual(accepted[person["email"]], person["name"])

        title = "Ω≈ç√∫ \"<script>\" \\u0000 ﷽ 表ポあA鷗 田中さん 👾 ‮‪test‬"
        self.webinar(title=title, mangoes=[mango])
        for call in self.arrived(hook, len(accepted)):
            self.assertEqual(call.body["name"], accepted[call.email])
            self.assertEqual(call.title, title)
            self.assertEqual(call.raw.decode(),
                json.dumps(call.body, ensure_ascii=False, separators=(",", ":")))

    def test_the_published_path_is_the_only_one(self):
        self.assertEqual(API + HOOKS, "/api/v1/integration/webhook/webhook")
