# SPDX-License-Identifier: Apache-2.0
"""The published examples on their whole way: from a sender's call through each kind of handler to
where it was to go, with what handlers may answer on the way."""
import json
import os
import time
import unittest

from harness import Reply, eventually, receiver, rows
from receiving import LINK, ReceiveCase, created, session

PERSON = {"name": "John Doe", "email": "john@example.com", "phone": "+1234567890"}
REMINDER = {**PERSON, "timezone": None, "webinar": "Introduction to Digital Marketing",
    "webinarId": "634fc35ddaf58580e2418c40", "webinarLink": LINK,
    "webinarFromTime": "2034-03-15T10:00:00.000Z", "webinarToTime": "2034-03-15T11:00:00.000Z",
    "webinarFromTimeInCreatorTimezone": "2034-03-15T15:30:00.000Z", "creatorTimezone": "+05:30",
    "mangoes": "mango1, mango2, mango3"}
COMPLETED = {**PERSON, "webinar": "Introduction to Digital Marketing",
    "webinarId": "634fc35ddaf58580e2418c40", "webinarLink": "https://example.com/replay"}
ORDER = {"id": "1", "name": "John Doe", "email": "john@example.com", "phone": 1234567890,
    "orderTime": "2033-11-20T18:30Z", "orderId": "ord_1", "amount": 100, "gst": 18, "discount": 20,
    "coupon": "X", "country": "IN", "amountPayable": 90, "mangoName": "Course A",
    "status": "completed", "customFields": []}
SERIES = created(callList=[session(number=0, day=15), session(number=1, day=22)])
EXAMPLES = {
    "webinar.created.single": created(),
    "webinar.created.recurring": SERIES,
    "webinar.reminder.15min": REMINDER,
    "webinar.completed.all": COMPLETED,
    "order.created.completed": ORDER,
}
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

# A source for each event, as senders name it nowhere but in the URL that they call.
SOURCES = "".join(f"[source {event}]\naccept = none\nevent = {event}\n" for event in EXAMPLES)


def handler(name, kind, *lines):
    return "\n".join([f"[handler {name}]", f"type = {kind}", *lines, ""])


def program(name, script, *lines):
    return handler(name, "exec", "directory = {folder}", f"command = sh -c '{script}'", *lines)


class ReceiveHandlers(ReceiveCase):
    def examples(self):
        """Posts all five, and returns the raw bodies by item."""
        told = {}
        for event, body in EXAMPLES.items():
            raw = json.dumps(body).encode()
            told[self.accept(event, raw)] = (event, raw)
        return told

    def settled(self, item, name, status):
        def is_so():
            return [one for one in self.get(f"/inbox/{item}")["handlings"]
                if (one["handler"], one["status"]) == (name, status)]
        found, = eventually(f"{name} of {item} is {status}", is_so)
        return found

    # --- exec ---

    def test_a_program_is_given_each_example(self):
        self.start(SOURCES
            + program("body", 'cat > "$USHER_ID.body"; env -0 > "$USHER_ID.env"')
            + program("model", 'cat > "$USHER_ID.model"', "input = model"))
        told = self.examples()
        for event in EXAMPLES:
            self.handled(event, "body", "model")
        for item, (event, raw) in told.items():
            with self.subTest(event):
                self.assertEqual(self.read(f"{item}.body"), raw)
                known = dict(entry.split("=", 1) for entry
                    in self.read(f"{item}.env").decode().split("\0") if entry)
                expected = {"ID": item, "SOURCE": event, "EVENT": event, "CHANGE": "created",
                    "ATTEMPT": "1", "REVISION": "0", "NAME": "John Doe",
                    "EMAIL": "john@example.com", "FLAGS": ""}
                if event.startswith("webinar.created") or "reminder" in event:
                    expected.update(FROM="2034-03-15T10:00:00Z", TO="2034-03-15T11:00:00Z",
                        FROM_CREATOR="2034-03-15T15:30:00+05:30", LINK=LINK)
                self.assertEqual({name: known[f"USHER_{name}"] for name in expected}, expected)
                self.assertIn(known["USHER_PHONE"].lstrip("+"), ("1234567890",))
                model = json.loads(self.read(f"{item}.model"))
                self.assertEqual(model["payload"], json.loads(raw))
                self.assertEqual(model["event"], event)
                self.assertEqual(model["email"], "john@example.com")

    def test_exit_code_75_is_not_now_and_others_are_failures(self):
        again = 'echo "$USHER_ATTEMPT" >> later; [ "$(wc -l < later)" -ge 3 ] || exit 75'
        once = 'echo "$USHER_ATTEMPT" >> failed; [ "$USHER_ATTEMPT" -ge 2 ]'
        never = 'echo "$USHER_ATTEMPT" >> dead; echo no room >&2; test -e mended'
        self.start(SOURCES + program("later", again, "retry-delays = 0", "attempts-max = 1")
            + program("failed", once, "retry-delays = 0", "attempts-max = 3")
            + program("dead", never, "retry-delays = 0,0", "attempts-max = 3"))
        item = self.accept("webinar.created.single", created())
        self.handled("webinar.created.single", "later", "failed", "dead")
        self.assertEqual(self.read("later").split(), [b"1", b"1", b"1"])
        self.assertEqual(self.read("failed").split(), [b"1", b"2"])
        self.assertEqual(self.read("dead").split(), [b"1", b"2", b"3"])
        self.assertEqual(self.settled(item, "dead", "dead")["attempts"], 3)
        dead, = self.get("/inbox?status=dead")["data"]
        self.assertEqual(dead["id"], item)
        self.assertIn("no room", json.dumps(self.get(f"/inbox/{item}")["log"]))
        self.assertIn("handling.abandoned", self.usher.log())

        with open(os.path.join(self.folder, "mended"), "w", encoding="ascii"):
            pass
        answer = self.api.post(f"/inbox/{item}/retry", {"handler": "dead"})
        self.assertEqual(answer.status, 202, answer)
        eventually("nothing is dead", lambda: self.get("/inbox?status=dead")["data"] == [])
        self.handled("webinar.created.single", "dead")
        self.assertEqual(len(self.read("dead").split()), 4)
        self.assertEqual(len(self.read("failed").split()), 2)

    # --- http ---

    def test_an_address_is_given_each_example(self):
        self.start(SOURCES + handler("plain", "http", f"url = {self.hooks.url('plain')}")
            + handler("signed", "http", f"url = {self.hooks.url('signed')}", f"secret = {SECRET}"))
        told = self.examples()
        for name in ("plain", "signed"):
            eventually("all are there", lambda name=name: len(self.hooks.calls[name]) >= len(told))
        for event in EXAMPLES:
            self.handled(event, "plain", "signed")
        for name in ("plain", "signed"):
            self.assertCountEqual(
                [(call.headers["x-usher-event"], call.raw) for call in self.hooks.calls[name]],
                told.values())
        for call in self.hooks.calls["signed"]:
            self.assertEqual(receiver.signature_faults(call.headers, call.raw,
                receiver.secret_bytes(SECRET), time.time()), [])
        for call in self.hooks.calls["plain"]:
            self.assertNotIn("webhook-signature", call.headers)

    def test_an_address_says_when_to_come_back(self):
        answers = {
            "busy": [Reply(503, headers=[("Retry-After", "2")]), Reply(429), Reply()],
            "broken": [Reply(500), Reply(302, headers=[("Location", "/elsewhere")]), Reply(204)],
            "gone": [Reply(410)],
        }
        sections = SOURCES
        for name, replies in answers.items():
            self.hooks.answers[name] = lambda _, rest=iter(replies): next(rest)
            sections += handler(name, "http", f"url = {self.hooks.url(name)}",
                "retry-delays = 0,0", "attempts-max = 3")
        self.start(sections)
        item = self.accept("webinar.reminder.15min", REMINDER)
        self.handled("webinar.reminder.15min", *answers)
        for name, replies in answers.items():
            self.assertEqual(len(self.hooks.calls[name]), len(replies), name)
        busy = self.hooks.calls["busy"]
        self.assertGreaterEqual(busy[1].at - busy[0].at, 2)
        self.assertEqual({call.headers["x-usher-attempt"] for call in busy}, {"1"})
        broken = self.hooks.calls["broken"]
        self.assertEqual([call.headers["x-usher-attempt"] for call in broken], ["1", "2", "3"])
        self.assertEqual(len({call.headers["idempotency-key"] for call in broken}), 1)
        self.settled(item, "gone", "dead")
        self.assertNotIn("elsewhere", self.hooks.calls)

    # --- sql ---

    def test_a_database_is_given_each_example(self):
        self.start(SOURCES + handler("rows", "sql", "database = {folder}/owner.db", "create = yes"))
        told = self.examples()
        for event in EXAMPLES:
            self.handled(event, "rows")
        owner = os.path.join(self.folder, "owner.db")
        self.assertCountEqual(rows(owner, "SELECT id, event, change, payload FROM events"),
            [(item, event, "created", raw.decode()) for item, (event, raw) in told.items()])
        self.assertEqual(rows(owner, "SELECT name, email, timezone FROM attendees"),
            [("John Doe", "john@example.com", "+05:30")])
        self.assertEqual(rows(owner, "SELECT webinar_id, from_utc, from_creator, from_attendee"
            " FROM sessions ORDER BY webinar_id"),
            [(f"634fc35ddaf58580e2418c4{i}", f"2034-03-{day}T10:00:00Z",
                f"2034-03-{day}T15:30:00+05:30", f"2034-03-{day}T15:30:00+05:30")
                for i, day in enumerate((15, 22))])

        moved = created(callList=[session("Moved", day=16)])
        self.accept("webinar.created.single", moved)
        self.handled("webinar.created.single", "rows")
        self.assertEqual(rows(owner, "SELECT webinar, from_utc FROM sessions ORDER BY webinar_id"),
            [("Moved", "2034-03-16T10:00:00Z"),
                ("Introduction to Digital Marketing", "2034-03-22T10:00:00Z")])

    # --- mail ---

    def test_an_attendee_is_written_to(self):
        self.start(SOURCES + handler("mails", "mail", f"smtp = smtp://127.0.0.1:{self.mail.port}",
            "source = webinar.created.single, webinar.created.recurring, webinar.completed.all",
            "from = Zoë Ünï <webinars@example.com>", "reply-to = office@example.com"))
        single = created(name='Ånn "田中" 👩🏽‍🚀, O\'Brien', email="ann@example.com",
            timezone="-03:30")
        self.accept("webinar.created.single", single)
        mail, = self.mail.arrived("ann@example.com")
        self.assertEqual(mail["envelope"], ["webinars@example.com", ["ann@example.com"]])
        self.assertEqual(mail["from"], [["Zoë Ünï", "webinars@example.com"]])
        self.assertEqual(mail["to"], [[single["name"], "ann@example.com"]])
        self.assertEqual(mail["replyTo"], [["", "office@example.com"]])
        self.assertEqual(mail["subject"], "Introduction to Digital Marketing")
        self.assertIn(f"Hello {single['name']},\n", mail["text"])
        self.assertIn("Starts: Wednesday, 15 March 2034, 06:30 (UTC-03:30)", mail["text"])
        self.assertIn("Ends:   Wednesday, 15 March 2034, 07:30 (UTC-03:30)", mail["text"])
        self.assertIn(f"Join:   {LINK}", mail["text"])
        self.assertEqual((mail["defects"], mail["isAscii"]), ([], True))
        self.assertEqual(len(mail["calendars"]), 1)
        for name in ("date", "message-id", "mime-version", "content-type"):
            self.assertEqual(mail["names"].count(name), 1, mail["names"])

        self.accept("webinar.created.single", {**single, "callList": [session(day=16)]})
        update = self.mail.arrived("ann@example.com", 2)[1]
        self.assertEqual(update["subject"], "Changed: Introduction to Digital Marketing")
        self.assertIn("Starts: Thursday, 16 March 2034, 06:30 (UTC-03:30)", update["text"])
        self.assertNotEqual(update["id"], mail["id"])

        # Where the attendee's zone is not known, the creator's; both sessions in one mail.
        self.accept("webinar.created.recurring", {**SERIES, "timezone": None})
        series, = self.mail.arrived("john@example.com")
        self.assertIn("15 March 2034, 15:30 (UTC+05:30)", series["text"])
        self.assertIn("22 March 2034, 15:30 (UTC+05:30)", series["text"])
        self.assertEqual(len(series["calendars"]), 2)
        self.accept("webinar.completed.all", COMPLETED)
        completed = self.mail.arrived("john@example.com", 2)[1]
        self.assertIn("https://example.com/replay", completed["text"])
        self.assertEqual(completed["calendars"], [])

    # --- filters ---

    def test_a_handler_sees_what_it_asked_for(self):
        ran = 'echo "$USHER_EVENT $USHER_EMAIL" >> '
        self.start(SOURCES
            + program("webinars", ran + "webinars", "event = webinar.*",
                "where = mangoes *= mango2")
            + program("orders", ran + "orders", "where = status = completed",
                "where = amount > 99.5")
            + program("expensive", ran + "expensive", "where = amount > 100")
            + program("second", ran + "second",
                "where = callList.*.webinarId = 634fc35ddaf58580e2418c41")
            + program("others", ran + "others", "where = email != john@example.com"))
        self.examples()
        self.accept("webinar.created.single", created(email="ann@example.com", mangoes="mango1"))
        for event in EXAMPLES:
            self.handled(event, "webinars", "orders", "expensive", "second", "others")
        expected = {
            "webinars": ["webinar.created.recurring john@example.com",
                "webinar.created.single john@example.com",
                "webinar.reminder.15min john@example.com"],
            "orders": ["order.created.completed john@example.com"],
            "second": ["webinar.created.recurring john@example.com"],
            "others": ["webinar.created.single ann@example.com"],
        }
        for name, lines in expected.items():
            self.assertEqual(sorted(self.read(name).decode().splitlines()), lines, name)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "expensive")))


if __name__ == "__main__":
    unittest.main()
