# SPDX-License-Identifier: Apache-2.0
"""HTTP as strangers speak it: every doubt about framing is refused and the connection closed, and
every refusal says what to do."""
import re
import socket
import urllib.parse

from front import doubtful_requests
from harness import API, HOOKS, Client, TestCase


class Http(TestCase):
    def raw(self, *parts):
        """Sends the parts and returns all that comes until the server closes."""
        url = urllib.parse.urlsplit(self.usher.base)
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            for part in parts:
                connection.sendall(part)
            received = b""
            while True:
                try:
                    piece = connection.recv(65536)
                except ConnectionResetError:
                    return received
                if not piece:
                    return received
                received += piece

    @staticmethod
    def statuses(received):
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]

    # A second request in the same bytes: answered, it would have been smuggled.
    SECOND = b"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n"

    def head(self, *lines, first=b"POST /api/v1/mangoes HTTP/1.1", host=b"Host: a"):
        lines = [first] + ([host] if host else []) + list(lines)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def test_doubtful_framing_is_refused(self):
        key = b"x-api-key: " + self.api.key.encode()
        for name, request in doubtful_requests(b"/api/v1/mangoes", key).items():
            with self.subTest(name):
                received = self.raw(request, self.SECOND)
                statuses = self.statuses(received)
                self.assertEqual(len(statuses), 1, received)
                self.assertIn(statuses[0], (400, 501, 505), received)
                self.assertNotIn(b"200 OK", received)
        self.assertEqual(self.expect(self.api.get("/mangoes"), 200)["data"], [])

    def test_what_is_too_large_is_refused(self):
        key = b"x-api-key: " + self.api.key.encode()
        cases = {
            "the first line": (414, self.head(first=b"GET /" + b"x" * 9000 + b" HTTP/1.1")),
            "a field": (431, self.head(b"A: " + b"x" * 17000)),
            "the head": (431, self.head(*[b"A: " + b"x" * 300] * 60)),
            "the number of fields": (431, self.head(*[b"A: b"] * 120)),
            "the body, said before": (413, self.head(
                key, b"Content-Type: application/json", b"Content-Length: 1048577")),
            "the body, in chunks": (413, self.head(key, b"Content-Type: application/json",
                b"Transfer-Encoding: chunked") + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 20),
        }
        for name, (status, request) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.statuses(self.raw(request)), [status])

    def test_a_body_may_come_in_chunks_and_pieces(self):
        head = self.head(b"x-api-key: " + self.api.key.encode(),
            b"Content-Type: application/json", b"Transfer-Encoding: chunked", b"Connection: close")
        received = self.raw(head[:40], head[40:], b"5;x=y\r\n{\"nam\r\n", b"8\r\ne\":\"",
            b"Abc\"\r\n1\r\n}\r\n0\r\nTrailer: x\r\n\r\n")
        self.assertEqual(self.statuses(received), [201], received)

    def test_continue_is_said_to_who_expects_it(self):
        head = self.head(b"x-api-key: " + self.api.key.encode(), b"Content-Length: 12",
            b"Content-Type: application/json", b"Expect: 100-continue", b"Connection: close")
        url = urllib.parse.urlsplit(self.usher.base)
        with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
            connection.sendall(head)
            self.assertEqual(self.statuses(connection.recv(65536)), [100])
            connection.sendall(b'{"name":"A"}')
            self.assertEqual(self.statuses(connection.recv(65536)), [201])
        refused = self.head(b"x-api-key: " + self.api.key.encode(), b"Content-Length: 2097152",
            b"Content-Type: application/json", b"Expect: 100-continue")
        self.assertEqual(self.statuses(self.raw(refused)), [413])

    def test_every_answer_has_an_id_to_ask_about(self):
        close = b"Connection: close"
        for name, request in {
            "an answer": self.head(close, first=b"GET /healthz HTTP/1.1"),
            "nothing there": self.head(close, first=b"GET /nowhere HTTP/1.1"),
            "no key": self.head(close, b"Content-Length: 0"),
            "a doubt about framing": self.head(b"Content-Length: 1", b"Content-Length: 2"),
            "too long a head": self.head(b"A: " + b"x" * 17000),
        }.items():
            with self.subTest(name):
                received = self.raw(request).lower()
                self.assertEqual(len(re.findall(rb"\r\nx-request-id: req_\w+\r\n", received)), 1)

    def test_requests_may_be_sent_one_after_the_other_at_once(self):
        one = self.head(first=b"GET /healthz HTTP/1.1")
        last = self.head(b"Connection: close", first=b"GET /nowhere HTTP/1.1")
        self.assertEqual(self.statuses(self.raw(one * 20 + last)), [200] * 20 + [404])

    def test_an_old_client_is_served_once(self):
        self.assertEqual(self.statuses(self.raw(
            b"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n", self.SECOND)), [200])

    def test_head_has_no_body(self):
        received = self.raw(self.head(b"Connection: close", first=b"HEAD /healthz HTTP/1.1"))
        self.assertTrue(received.endswith(b"\r\n\r\n"), received)


class Problems(TestCase):
    def test_who_has_no_key_is_told_so(self):
        nobody, stranger = Client(self.usher.base), Client(self.usher.base, "usk_" + "x" * 43)
        for client in (nobody, stranger):
            self.addCleanup(client.close)
        texts = [self.expect_problem(client.get("/mangoes"), 401)["detail"]
            for client in (nobody, stranger)]
        self.assertNotEqual(*texts)
        self.expect_problem(Client(self.usher.base, "").get("/mangoes"), 401)
        self.expect_problem(nobody.post("/mangoes", {"name": "x"}), 401)
        self.expect_problem(nobody.put("/mangoes/65f400000000000000000001/attendees", b"",
            "text/csv"), 401)

    def test_an_unknown_place_and_a_wrong_method(self):
        self.expect_problem(self.api.get("/nowhere"), 404)
        self.expect_problem(self.api.get("/mangoes/65f400000000000000000001"), 404)
        self.expect_problem(self.api.get("/mangoes/not-an-id"), 404)
        for method, path, allowed in (("PUT", "/mangoes", {"GET", "POST"}),
                ("POST", HOOKS + "/65f400000000000000000001", {"GET", "PATCH", "DELETE"})):
            answer = self.api.call(method, path, {})
            self.expect_problem(answer, 405)
            named = set(answer.headers["allow"].replace(" ", "").split(","))
            self.assertTrue(allowed <= named, named)

    def test_a_body_that_is_no_json(self):
        for body in (b"", b"{", b'{"name":"A",}', b'{"name":"A","name":"B"}', b"\xff",
                b'{"name":"\xc3\x28"}', b"[" * 100 + b"]" * 100, b'{"name":NaN}', b"{}x"):
            with self.subTest(body=body):
                self.expect_problem(self.api.post("/mangoes", body), 400)
        self.expect_problem(self.api.post("/mangoes", b"[]"), 422)
        self.expect_problem(
            self.api.post("/mangoes", b'{"name":"A"}', content_type="text/plain"), 415)
        # What does not say what it is, is taken as the only thing that it can be.
        self.expect_problem(self.api.post("/mangoes", b"x", content_type=None), 400)
        self.expect(self.api.post("/mangoes", b'{"name":"A"}',
            content_type="application/json; charset=utf-8"), 201)
        self.assertEqual(len(self.expect(self.api.get("/mangoes"), 200)["data"]), 1)

    def test_an_unknown_field_or_parameter_is_named(self):
        self.expect_problem(self.api.post("/mangoes", {"name": "A", "nmae": "B"}), 422, "/nmae")
        problem = self.expect_problem(self.api.get("/webinars?form=2024-01-01T00:00:00Z"), 422)
        self.assertIn("form", str(problem))

    def test_a_key_reads_only_what_it_may(self):
        """One account's key is nothing in another."""
        other = self.account(self.name + "-other")
        mango = self.mango()
        self.expect_problem(other.get(f"/mangoes/{mango}"), 404)
        self.assertEqual(self.expect(other.get("/mangoes"), 200)["data"], [])

    def test_every_answer_has_a_request_id(self):
        seen = set()
        for answer in (self.api.get("/mangoes"), self.api.get("/nowhere"),
                self.api.post("/mangoes", b"{"), Client(self.usher.base).get("/mangoes")):
            seen.add(answer.headers["x-request-id"])
        self.assertEqual(len(seen), 4)

    def test_the_documented_path_has_the_same_answers(self):
        client = Client(self.usher.base, self.api.key, prefix="")
        self.addCleanup(client.close)
        self.expect(client.get(API + HOOKS), 200)
        self.expect_problem(client.get("/integration/webhook/webhook"), 404)
