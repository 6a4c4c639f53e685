# SPDX-License-Identifier: Apache-2.0
"""Endpoints that hang, flood, lie or break off harm nobody but themselves."""
import tempfile

from harness import EVENT, HOOKS, Reply, TestCase, eventually
from hostile import Hostile

HOOKS_OF_A_KIND = 40
AUDIENCE = 2000

# Kinds whose deliveries never end by themselves, and those that fail at once.
HANGING = ("hang", "trickle", "stall", "silent")
FAILING = ("reset", "half", "close", "garbage", "bighead", "manyfields", "continues", "redirect",
    "error", "selfsigned", "expired", "wronghost", "gone")


class HostileCase(TestCase):
    """Beside the endpoint that is well there are those of hostile.py."""

    attempt_timeout_ms = "2000"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        cls.addClassCleanup(folder.cleanup)
        cls.hostile = Hostile(folder.name)
        cls.addClassCleanup(cls.hostile.stop)
        cls.options = ("--allow-private-hooks", "--request-limit", "0", "--retry-delays", "600",
            "--attempt-timeout-ms", cls.attempt_timeout_ms,
            "--dns-server", f"127.0.0.1:{cls.hostile.ports['dns']}",
            "--tls-ca-file", cls.hostile.authority)
        super().setUpClass()

    def hostile_hook(self, kind, name="x", **fields):
        return self.expect(self.api.post(HOOKS, dict(
            fields, hookUrl=self.hostile.url(kind, name), event=EVENT)), 201)


class Crowd(HostileCase):
    """One that is well among hundreds that are not."""

    # So long that a time-out is no way out: who waits for one does not end within this test.
    attempt_timeout_ms = "120000"

    def setUp(self):
        super().setUp()
        # The first account has no rate limit, which all of these would have to share.
        self.api = self.account("default")

    def test_who_hangs_floods_or_fails_holds_nobody_up(self):
        for kind in HANGING + FAILING + ("flood",):
            for i in range(HOOKS_OF_A_KIND):
                self.hostile_hook(kind, f"{kind}{i}")
        well = self.hook()
        people = self.people(AUDIENCE)
        webinar = self.webinar(mangoes=[self.mango(people=people)])
        emails = [call.email for call in self.arrived(well, AUDIENCE)]
        self.assertCountEqual(emails, [person["email"] for person in people])

        # The first who were made to wait are waiting still.
        counts = self.hostile.counts()
        for kind in ("hang", "stall"):
            self.assertEqual(counts[kind]["ended"], 0, counts[kind])
            self.assertGreaterEqual(counts[kind]["open"], HOOKS_OF_A_KIND, counts[kind])
        self.assertGreater(counts["trickle"]["open"], 0)
        # And who fails was tried a few times each, and then no more.
        for kind in FAILING:
            if kind not in ("selfsigned", "expired", "wronghost", "gone"):
                self.assertLess(counts[kind]["calls"], HOOKS_OF_A_KIND * 25, kind)
        self.assertEqual(counts["trap"]["calls"], 0)
        self.check_api_answers()
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        self.hostile.release()

    def check_api_answers(self):
        """Nor is the API held up: a new hook hears of a new webinar."""
        late = self.hook()
        self.webinar(title="late", mangoes=[self.mango("late", people=self.people(1, "late"))])
        self.assertEqual(self.arrived(late, 1)[0].email, "late0@example.com")


class Classes(HostileCase):
    """What the attempt log says of each kind: result, status, detail."""

    attempt_timeout_ms = "2000"

    # Without a whole answer there is no status: a 200 that breaks off may be the start of anything.
    expected = {
        "hang": ("timeout", None, "waiting for the answer"),
        "trickle": ("timeout", None, "reading the answer"),
        "stall": ("timeout", None, "reading the answer"),
        "silent": ("timeout", None, "looking up the name"),
        "gone": ("dns", None, "no such name"),
        "reset": ("reset", None, "closed before the answer"),
        "half": ("reset", None, "closed within the answer"),
        "close": ("reset", None, "closed before the answer"),
        "garbage": ("protocol", None, "control character"),
        "bighead": ("protocol", None, "16 KiB"),
        "manyfields": ("protocol", None, "too many fields"),
        "continues": ("protocol", None, "too many 1xx"),
        "redirect": ("status", 307, ""),
        "error": ("status", 500, ""),
        "selfsigned": ("tls", None, "self-signed"),
        "expired": ("tls", None, "expired"),
        "wronghost": ("tls", None, "address mismatch"),
    }

    def attempt_of(self, hook):
        """The delivery's first attempt, once it was made."""
        found = eventually("a first attempt", lambda: [
            delivery for delivery in self.expect(
                self.api.get(f"/deliveries?hook={hook['id']}"), 200)["data"]
            if delivery["lastResult"] is not None])
        self.assertEqual(len(found), 1)
        delivery = self.expect(self.api.get(f"/deliveries/{found[0]['id']}"), 200)
        attempt = delivery["attempts"][0]
        self.assertEqual(attempt["attempt"], 1)
        return delivery, attempt

    def test_each_kind_of_failure_is_told_by_its_name(self):
        hooks = {kind: self.hostile_hook(kind) for kind in self.expected}
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        for kind, (result, status, detail) in self.expected.items():
            with self.subTest(kind=kind):
                delivery, attempt = self.attempt_of(hooks[kind])
                self.assertEqual(delivery["status"], "waiting")
                self.assertEqual((attempt["result"], attempt["status"]), (result, status), attempt)
                self.assertIn(detail, attempt["detail"])
                # What did come is there to be read.
                if kind in ("stall", "half"):
                    self.assertEqual(attempt["answer"], "OK")
                if result == "timeout":
                    self.assertGreaterEqual(attempt["latencyMs"], 1990)
        self.assertEqual(self.hostile.counts()["trap"]["calls"], 0)
        for kind in ("selfsigned", "expired", "wronghost"):
            self.assertEqual(self.hostile.counts()[kind]["calls"], 0, kind)

    def test_an_answer_is_kept_to_4_kib_and_fit_to_be_shown(self):
        hook = self.hostile_hook("error")
        self.webinar(mangoes=[self.mango(people=self.people(1))])
        _, attempt = self.attempt_of(hook)
        self.assertTrue(attempt["answer"].startswith("<script>alert(1)</script>\0\x1b[2J"))
        # Bytes that are no UTF-8 are replaced one by one.
        self.assertEqual(len(attempt["answer"]), 4096)
        self.assertEqual(attempt["answer"].count("\ufffd"), 128)

    def test_of_a_long_answer_the_head_is_enough(self):
        hook = self.hostile_hook("flood")
        before = self.hostile.counts()["flood"]["calls"]
        self.webinar(mangoes=[self.mango(people=self.people(3))])
        events = self.settled()
        self.assertEqual(events[0]["hooks"][0]["delivered"], 3)
        delivery, *_ = self.expect(
            self.api.get(f"/deliveries?hook={hook['id']}"), 200)["data"]
        self.assertEqual((delivery["status"], delivery["attemptCount"]), ("delivered", 1))
        count = self.hostile.counts()["flood"]
        self.assertEqual(count["calls"] - before, 3)
        # Of 10 MiB what we take, and what lies in the kernel's buffers.
        self.assertLess(count["bytes"], 1024 * 1024)


class Within(TestCase):
    """Inside one hook a booking goes before the bulk."""

    options = ("--allow-private-hooks", "--request-limit", "0")

    def test_a_booking_is_among_the_next_while_twenty_thousand_are_told(self):
        audience = 20000
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.005)
        webinar = self.webinar(mangoes=[self.mango(people=self.people(audience))])
        between = []
        for i in range(5):
            eventually("some hundred calls", lambda: len(self.calls(hook)) > (i + 1) * 500)
            self.expect(self.api.post("/consultations", self.consultation(i)), 201)
            booked = len(self.calls(hook))
            email = f"booked{i}@example.com"
            eventually("the booking", lambda: any(
                call.email == email for call in self.calls(hook)[booked - 50:]))
            at = next(i for i, call in enumerate(self.calls(hook)) if call.email == email)
            between.append(at - booked)
        self.assertLess(len(self.calls(hook)), audience)
        # Those that were under way, and what was started while the event was read.
        self.assertLess(sorted(between)[2], 50, between)
        self.assertLess(max(between), 500, between)
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)

    @staticmethod
    def consultation(number):
        return {
            "title": "A talk",
            "link": "https://meet.google.com/abc-defg-hij",
            "from": "2034-03-15T15:30:00",
            "to": "2034-03-15T16:30:00",
            "timezone": "Asia/Kolkata",
            "attendee": {"name": "Booked", "email": f"booked{number}@example.com"},
        }
