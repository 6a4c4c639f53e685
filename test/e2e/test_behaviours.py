# SPDX-License-Identifier: Apache-2.0
"""What is asked of every sender of webhooks and is shown nowhere else; the whole list, with where
each is shown, is doc/behaviours.md."""
import json
import re
import socket
import threading

from harness import EVENT, HOOKS, Reply, TestCase, eventually, receiver

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"


class RawHook:
    """An endpoint that keeps the bytes of each request and answers with bytes, one request to a
    connection."""

    def __init__(self, answer=OK):
        self.answer = answer
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/raw"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                received = b""
                while not self.is_whole(received):
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    received += piece
                if not received:
                    return  # stop() was here
                self.requests.append(received)
                connection.sendall(self.answer)

    @staticmethod
    def is_whole(received):
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        return length is not None and len(body) >= int(length[1])

    def stop(self):
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.listener.close()


class Behaviours(TestCase):
    def raw_hook(self, answer=OK, **fields):
        endpoint = RawHook(answer)
        self.addCleanup(endpoint.stop)
        hook = self.expect(
            self.api.post(HOOKS, dict(fields, hookUrl=endpoint.url, event=EVENT)), 201)
        return endpoint, hook

    def send_one(self, prefix="p"):
        return self.webinar(mangoes=[self.mango(people=self.people(1, prefix))])

    def deliveries(self, hook):
        return self.expect(self.api.get(f"/deliveries?hook={hook['id']}"), 200)["data"]

    def delivery(self, hook):
        """The one that the hook is owed, with its attempts, once there was one."""
        found, = eventually("an attempt", lambda: [
            delivery for delivery in self.deliveries(hook) if delivery["lastResult"] is not None])
        return self.expect(self.api.get(f"/deliveries/{found['id']}"), 200)


class Wire(Behaviours):
    def test_fields_arrive_once_and_as_they_are_spelled(self):
        own = {"X-Team": "Blue", "x-lower": "a", "X-SHOUT": "B b", "X-mIxEd_1": "c, d"}
        endpoint, _ = self.raw_hook(headers=own)
        self.send_one()
        eventually("the request", lambda: endpoint.requests)
        self.settled()
        head, _, body = endpoint.requests[0].partition(b"\r\n\r\n")
        lines = head.decode("ascii").split("\r\n")
        self.assertEqual(lines[0], "POST /raw HTTP/1.1")
        fields = [line.split(": ", 1) for line in lines[1:]]
        names = [name for name, _ in fields]
        self.assertEqual(names, ["Host", "User-Agent", "Content-Type", *own, "x-usher-event",
            "x-usher-reason", "x-usher-sequence", "x-usher-attempt", "webhook-id",
            "webhook-timestamp", "webhook-signature", "Content-Length"])
        values = dict(fields)
        self.assertEqual({name: values[name] for name in own}, own)
        self.assertEqual(values["Host"], f"127.0.0.1:{endpoint.port}")
        self.assertEqual(values["Content-Length"], str(len(body)))
        self.assertEqual(len(endpoint.requests), 1)

    def test_an_answer_may_hold_any_bytes(self):
        """Beyond ASCII in reason and fields, no UTF-8 in the body: kept, and shown as JSON."""
        _, failing = self.raw_hook(b"HTTP/1.1 500 \xff\xfe\r\nX-Odd: \xe9\x80\xff\r\n"
            b"Retry-After: \xff\xfe\r\nContent-Length: 6\r\nConnection: close\r\n\r\n"
            b"a\xff\xc3(\x00z")
        _, taking = self.raw_hook(b"HTTP/1.1 204 \xe2\x9c\x93\r\nSet-Cookie: n=\xf0\r\n"
            b"Connection: close\r\n\r\n")
        self.send_one()
        attempt = self.delivery(failing)["attempts"][0]
        self.assertEqual((attempt["result"], attempt["status"]), ("status", 500))
        self.assertEqual(attempt["answer"], "a\ufffd\ufffd(\0z")
        delivery = eventually("it is delivered", lambda: [
            found for found in self.deliveries(taking) if found["status"] == "delivered"])
        self.assertEqual(len(delivery), 1)


class Rotation(Behaviours):
    def rotate(self, hook, **fields):
        path = f"{HOOKS}/{hook['id']}/rotate-secret"
        return dict(hook, **self.expect(self.api.post(path, fields), 200))

    def signers(self, call, *hooks):
        """Which of these secrets it is signed with, and how many signatures there are."""
        signatures = call.headers["webhook-signature"].split(" ")
        return [self.is_signed(call, hook) for hook in hooks], len(signatures)

    @staticmethod
    def is_signed(call, hook):
        return not receiver.signature_faults(
            call.headers, call.raw, receiver.secret_bytes(hook["secret"]),
            int(call.headers["webhook-timestamp"]))

    def last_call(self, hook, count, prefix):
        self.send_one(prefix)
        return self.arrived(hook, count)[-1]

    def test_the_old_secret_ends_with_its_overlap(self):
        first = self.hook()
        second = self.rotate(first, overlapSeconds=3)
        self.assertEqual(self.signers(self.last_call(first, 1, "p"), first, second),
            ([True, True], 2))
        eventually("the overlap has ended", lambda: "oldSecretUntil" not in self.expect(
            self.api.get(f"{HOOKS}/{first['id']}"), 200))
        self.assertEqual(self.signers(self.last_call(first, 2, "q"), first, second),
            ([False, True], 1))

    def test_the_newest_two_secrets_sign_however_often_they_are_rotated(self):
        """There is no limit of old secrets to be reached: the one before the last ends at once."""
        hooks = [self.hook()]
        for _ in range(12):
            hooks.append(self.rotate(hooks[-1]))
        self.assertEqual(self.signers(self.last_call(hooks[0], 1, "p"), *hooks),
            ([False] * 11 + [True, True], 2))

    def test_the_kind_of_signature_stays(self):
        """v1 or v1a is of a hook for good, so no rotation mixes them."""
        symmetric, asymmetric = self.hook(), self.hook(signature="v1a")
        for hook, other in ((symmetric, "v1a"), (asymmetric, "v1")):
            path = f"{HOOKS}/{hook['id']}"
            self.expect_problem(self.api.patch(path, {"signature": other}), 422, "/signature")
            self.expect(self.api.patch(path, {"signature": hook["signature"]}), 200)
        self.expect_problem(self.api.post(f"{HOOKS}/{symmetric['id']}/rotate-secret",
            {"secret": asymmetric["secret"]}), 422, "/secret")
        self.expect_problem(self.api.post(f"{HOOKS}/{asymmetric['id']}/rotate-secret",
            {"secret": symmetric["secret"]}), 422, "/secret")
        rotated = self.rotate(asymmetric)
        self.assertNotEqual(rotated["publicKey"], asymmetric["publicKey"])
        call = self.last_call(asymmetric, 1, "p")
        versions = [one.split(",")[0] for one in call.headers["webhook-signature"].split(" ")]
        self.assertEqual(versions, ["v1a", "v1a"])


class Attempts(Behaviours):
    options = ("--allow-private-hooks", "--retry-delays", "2,0,0")

    def test_the_id_stays_and_the_time_is_the_attempts(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            500 if call.headers["x-usher-attempt"] == "1" else 200)
        self.send_one()
        first, second = self.arrived(hook, 2)
        for call in (first, second):
            self.check_signature(call, hook)
        self.assertEqual((first.id, first.raw, first.sequence),
            (second.id, second.raw, second.sequence))
        self.assertGreater(int(second.headers["webhook-timestamp"]),
            int(first.headers["webhook-timestamp"]))
        self.assertNotEqual(first.headers["webhook-signature"], second.headers["webhook-signature"])

    def test_a_retry_may_be_due_before_the_failure_is_on_disk(self):
        """At once, that is: and the log has them all, in order."""
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            500 if int(call.headers["x-usher-attempt"]) < 4 else 200)
        self.send_one()
        self.settled()
        calls = self.arrived(hook, 4)
        self.assertEqual([call.headers["x-usher-attempt"] for call in calls], list("1234"))
        delivery = self.delivery(hook)
        self.assertEqual((delivery["status"], delivery["attemptCount"]), ("delivered", 4))
        self.assertEqual([attempt["attempt"] for attempt in delivery["attempts"]], [1, 2, 3, 4])

    def test_a_retry_that_waits_goes_with_its_hook_or_its_webinar(self):
        kept = self.hook()
        fails = lambda call: Reply(500)  # noqa: E731
        self.hooks.answers[kept["name"]] = fails
        webinar = self.send_one()
        gone = self.hook()
        self.hooks.answers[gone["name"]] = fails
        fence = self.send_one("q")
        for hook, count in ((kept, 2), (gone, 1)):
            eventually("each was tried once", lambda hook=hook, count=count: sum(
                delivery["attemptCount"] >= 1 for delivery in self.deliveries(hook)) == count)
        self.expect(self.api.delete(f"/webinars/{webinar['id']}"), 204)
        self.expect(self.api.delete(f"{HOOKS}/{gone['id']}"), 204)
        # All three were to be tried again after the same delays.
        eventually("the one that is left is given up", lambda: self.states(fence)[kept["id"]]
            == ("done", 1))
        self.assertEqual(self.states(fence)[gone["id"]], ("cancelled", 0))
        self.assertEqual(self.states(webinar)[kept["id"]], ("cancelled", 0))
        self.assertEqual(sorted(call.email[0] for call in self.calls(kept)), list("pqqqq"))
        self.assertEqual(len(self.calls(gone)), 1)
        self.assertNotIn("error", re.findall(r"Z (\w+) ", self.usher.log()))

    def states(self, webinar):
        event = self.expect(self.api.get(f"/events/{webinar['event']['id']}"), 200)
        return {hook["hook"]: (hook["status"], hook["dead"]) for hook in event["hooks"]}


class Routing(Behaviours):
    def test_a_hook_hears_of_the_event_that_it_names_alone(self):
        hooks = {name: self.hook(event=name) for name in (EVENT, "hook.failing", "hook.disabled",
            "hook.recovered", "delivery.dead")}
        webinar = self.send_one()
        self.assertEqual(webinar["event"]["hooks"], 1)
        self.settled()
        self.arrived(hooks.pop(EVENT), 1)
        for name, hook in hooks.items():
            self.assertEqual(self.calls(hook), [], name)
        self.expect_problem(self.api.post(HOOKS,
            {"hookUrl": self.hooks.url("x"), "event": "webinar.*"}), 422, "/event")


class OneAttempt(Behaviours):
    options = ("--allow-private-hooks", "--attempts-max", "1")

    def test_one_attempt_may_be_all(self):
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(500)
        self.send_one()
        event, = self.settled()
        self.assertEqual((event["hooks"][0]["dead"], event["hooks"][0]["delivered"]), (1, 0))
        delivery = self.delivery(hook)
        self.assertEqual((delivery["status"], delivery["attemptCount"]), ("dead", 1))
        self.assertEqual(len(self.calls(hook)), 1)


class Erased(Behaviours):
    def test_no_body_is_kept(self):
        """What was sent is made again from what is there, so of the erased nothing is shown; that
        something was sent stays counted."""
        hook = self.hook()
        person = self.people(1, self.name)[0]
        webinar = self.webinar(mangoes=[self.mango(people=[person])])
        call, = self.arrived(hook, 1)
        self.settled()
        shown = self.expect(self.api.get(f"/deliveries/{call.id}"), 200)
        self.assertEqual(json.dumps(shown["body"]), json.dumps(call.body))
        found, = self.expect(self.api.get(f"/attendees?email={person['email']}"), 200)["data"]
        self.expect(self.api.delete(f"/attendees/{found['id']}"), 204)
        self.expect_problem(self.api.get(f"/deliveries/{call.id}"), 404)
        for path in (f"/deliveries?hook={hook['id']}", f"/deliveries?email={person['email']}",
                f"/events/{webinar['event']['id']}", "/events"):
            answer = self.api.get(path)
            self.assertNotIn(person["email"].encode(), answer.body, path)
        self.assertEqual([(hook["delivered"], hook["total"]) for hook in self.finished(
            self.api, webinar["event"]["id"])["hooks"]], [(1, 1)])
