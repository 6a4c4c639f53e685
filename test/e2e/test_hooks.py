# SPDX-License-Identifier: Apache-2.0
"""Hooks: registered, changed, tried out, told apart."""
import base64
import re

from harness import EVENT, HOOKS, Reply, TestCase, eventually, receiver

WEBINAR = "65f400000000000000000001"


class Hooks(TestCase):
    def test_a_hook_is_answered_whole_and_its_secret_shown_once(self):
        hook = self.hook(description="for the CRM", headers={"X-Team": "blue"}, rateLimit=50.5,
            maxInFlight=8)
        self.assertTrue(re.fullmatch(r"[0-9a-f]{24}", hook["id"]))
        self.assertTrue(hook["secret"].startswith("whsec_"))
        self.assertGreaterEqual(len(base64.b64decode(hook["secret"][6:])), 24)
        for name, value in (("event", EVENT), ("webinar", None), ("mango", None),
                ("description", "for the CRM"), ("phoneFormat", "number"), ("signature", "v1"),
                ("rateLimit", 50.5), ("maxInFlight", 8), ("status", "enabled")):
            self.assertEqual(hook[name], value, name)
        for name in ("createdAt", "updatedAt"):
            self.assertTrue(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", hook[name]))
        self.assertNotIn("blue", str(hook["headers"]))

        shown = self.expect(self.api.get(f"{HOOKS}/{hook['id']}"), 200)
        self.assertNotIn("secret", shown)
        self.assertIn("secretHint", shown)
        self.assertNotIn(hook["secret"], str(shown))
        listed = self.expect(self.api.get(HOOKS), 200)
        self.assertEqual([item["id"] for item in listed["data"]], [hook["id"]])
        self.assertIsNone(listed["nextCursor"])
        self.assertNotIn(hook["secret"], str(listed))

    def test_a_hook_is_changed_and_deleted(self):
        hook = self.hook(description="old")
        path = f"{HOOKS}/{hook['id']}"
        changed = self.expect(self.api.patch(path, {"description": "new", "webinar": WEBINAR}), 200)
        self.assertEqual((changed["description"], changed["webinar"]), ("new", WEBINAR))
        changed = self.expect(self.api.patch(path, {"webinar": None}), 200)
        self.assertIsNone(changed["webinar"])
        self.expect_problem(self.api.patch(path, {"id": WEBINAR}), 422, "/id")
        self.expect(self.api.delete(path), 204)
        self.expect_problem(self.api.get(path), 404)
        self.expect_problem(self.api.delete(path), 404)

    def test_the_same_hook_twice_is_a_conflict_that_names_the_first(self):
        first = self.hook(name="same", webinar=WEBINAR)
        answer = self.api.post(HOOKS, {
            "hookUrl": self.hooks.url("same"), "event": EVENT, "webinar": WEBINAR})
        problem = self.expect_problem(answer, 409)
        self.assertIn(first["id"], problem["detail"])
        self.hook(name="same")  # another filter is another hook
        self.hook(name="same", webinar=WEBINAR, api=self.account(self.name + "-other"))

    def test_every_fault_is_named_at_once(self):
        answer = self.api.post(HOOKS, {"hookUrl": "ftp://example.com", "event": "webinar.made",
            "webinar": "12", "phoneFormat": 7, "maxInFlight": 0, "rateLimit": "fast",
            "webinarID": WEBINAR})
        self.expect_problem(answer, 422, "/hookUrl", "/event", "/webinar", "/phoneFormat",
            "/maxInFlight", "/rateLimit", "/webinarID")
        self.expect_problem(self.api.post(HOOKS, {}), 422, "/hookUrl", "/event")
        self.assertEqual(self.expect(self.api.get(HOOKS), 200)["data"], [])

    def test_filters_of_other_events_may_be_null_only(self):
        self.hook(course=None, page=None, webinar=None)
        answer = self.api.post(HOOKS, {"hookUrl": self.hooks.url("x"), "event": EVENT,
            "course": WEBINAR, "page": WEBINAR})
        self.expect_problem(answer, 422, "/course", "/page")

    def test_headers_are_sent_and_those_of_ours_refused(self):
        hook = self.hook(headers={"X-Team": "blue", "Authorization": "Bearer abc"})
        self.send_one()
        call, = self.arrived(hook, 1)
        self.assertEqual(call.headers["x-team"], "blue")
        self.assertEqual(call.headers["authorization"], "Bearer abc")
        for name in ("Host", "content-length", "Connection", "webhook-id", "X-Usher-Event"):
            answer = self.api.post(HOOKS, {"hookUrl": self.hooks.url("h"), "event": EVENT,
                "headers": {name: "x"}})
            self.assertEqual(answer.status, 422, name)
        answer = self.api.post(HOOKS, {"hookUrl": self.hooks.url("h"), "event": EVENT,
            "headers": {"X-A": "a\r\nX-B: b"}})
        self.assertEqual(answer.status, 422)

    def test_user_info_becomes_basic_and_is_not_shown(self):
        url = self.hooks.url("basic").replace("http://", "http://ann:s3cr3t@")
        hook = self.expect(self.api.post(HOOKS, {"hookUrl": url, "event": EVENT}), 201)
        self.assertNotIn("s3cr3t", str(hook))
        hook["name"] = "basic"
        self.send_one()
        call, = self.arrived(hook, 1)
        self.assertEqual(call.headers["authorization"],
            "Basic " + base64.b64encode(b"ann:s3cr3t").decode())

    def send_one(self):
        webinar = self.webinar()
        self.expect(self.api.post(f"/webinars/{webinar['id']}/attendees",
            {"name": "A", "email": "a@example.com"}), 201)
        return webinar

    def test_while_a_secret_is_rotated_both_sign(self):
        hook = self.hook()
        rotated = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/rotate-secret", {}), 200)
        self.assertNotEqual(rotated["secret"], hook["secret"])
        self.send_one()
        call, = self.arrived(hook, 1)
        self.assertEqual(len(call.headers["webhook-signature"].split(" ")), 2)
        self.check_signature(call, hook)
        self.check_signature(call, dict(hook, secret=rotated["secret"]))

        self.expect(self.api.post(
            f"{HOOKS}/{hook['id']}/rotate-secret", {"overlapSeconds": 0}), 200)
        self.send_one()
        call = self.arrived(hook, 2)[1]
        self.assertEqual(len(call.headers["webhook-signature"].split(" ")), 1)
        self.assertNotEqual(receiver.signature_faults(call.headers, call.raw,
            receiver.secret_bytes(rotated["secret"]), 0), [])

    def test_a_secret_may_be_brought_along(self):
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        hook = self.hook(secret=secret)
        self.assertEqual(hook["secret"], secret)
        self.send_one()
        self.check_signature(self.arrived(hook, 1)[0], hook)
        for wrong in ("secret", "whsec_AAAA", "whsec_*", 7):
            answer = self.api.post(HOOKS, {"hookUrl": self.hooks.url("w"), "event": EVENT,
                "secret": wrong})
            self.expect_problem(answer, 422, "/secret")

    def test_an_asymmetric_hook_shows_its_public_key(self):
        hook = self.hook(signature="v1a")
        self.assertIn("whpk_", str(hook))
        self.send_one()
        call, = self.arrived(hook, 1)
        self.assertTrue(call.headers["webhook-signature"].startswith("v1a,"))

    def test_a_hook_is_tried_out(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(418, b"I am a teapot")
        said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
        self.assertEqual((said["delivered"], said["status"], said["body"]),
            (False, 418, "I am a teapot"))
        self.hooks.answers[hook["name"]] = lambda call: Reply(200, b"thanks")
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
        said = self.expect(self.api.post(f"{HOOKS}/{hook['id']}/test"), 200)
        self.assertEqual((said["delivered"], said["status"], said["error"]), (True, 200, None))
        for call in self.arrived(hook, 2):
            self.assertEqual(call.reason, "test")
            self.check_signature(call, hook)

    def test_a_disabled_hook_gets_nothing_new_and_goes_on_when_enabled(self):
        hook, other = self.hook(), self.hook()
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/disable"), 200)
        self.send_one()
        self.arrived(other, 1)
        shown = self.expect(self.api.get(f"{HOOKS}/{hook['id']}"), 200)
        self.assertEqual(shown["status"], "disabled")
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.expect(self.api.post(f"/webinars/{self.send_one()['id']}/attendees",
            {"name": "B", "email": "b@example.com"}), 201)
        self.arrived(other, 3)
        self.assertEqual([call.email for call in self.arrived(hook, 2)],
            ["a@example.com", "b@example.com"])

    def test_gone_means_never_again(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(410)
        self.send_one()
        eventually("the hook is disabled", lambda: self.expect(
            self.api.get(f"{HOOKS}/{hook['id']}"), 200)["status"] == "disabled")
        self.send_one()
        self.assertEqual(len(self.calls(hook)), 1)

    def test_the_event_types_are_listed(self):
        types = self.expect(self.api.get("/event-types"), 200)
        self.assertIn(EVENT, str(types))
