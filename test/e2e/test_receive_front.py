# SPDX-License-Identifier: Apache-2.0
"""The inbox's front door as strangers find it: what each refusal says and what it never tells, and
that no doubt about where a request ends gets past it."""
import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from front import (FrontCase, answer_parts, basic, doubtful_requests, exchange, head, hmac_hex,
    sha256, statuses)
from harness import PATIENCE, Settings, eventually

TOKEN = "oJ4vTgEhk2Qw9tokentokentokentoken"
PAIR = "crm:paspaspaspaspas"
HEADER_VALUE = "hdrhdrhdrhdrhdrhdr"
ZOOM_SECRET = "zoomzoomzoomsecret"
SLACK_SECRET = "slackslackslacksecret"
GITHUB_SECRET = "githubgithubgithubsecret"

SECTIONS = f"""
[source open]
accept = none
[source small]
accept = none
body-max-kib = 1
[source seldom]
accept = none
rate = 0.01
[source token]
accept = token
token-sha256 = {sha256(TOKEN)}
[source basic]
accept = basic
basic = {PAIR}
[source header]
accept = header
header = X-Api-Thing
header-value = {HEADER_VALUE}
[source zoom]
accept = signature
signature = zoom
secret = {ZOOM_SECRET}
[source slack]
accept = signature
signature = slack
secret = {SLACK_SECRET}
[source github]
accept = signature
signature = github
secret = {GITHUB_SECRET}
[source watched]
accept = token
observe = yes
token-sha256 = {sha256(TOKEN)}
basic = {PAIR}
header = X-Api-Thing
header-value = {HEADER_VALUE}
signature = github
secret = {GITHUB_SECRET}
"""

CLOSE = b"Connection: close"
CHUNKED = b"Transfer-Encoding: chunked"


def post(path, *lines, body=b"{}"):
    return head(b"POST " + path + b" HTTP/1.1", *lines, b"Content-Length: %d" % len(body)) + body


def signed(prefix, secret, body):
    """Of Zoom and Slack, which differ by the names of the fields."""
    at = str(int(time.time()))
    signature = "v0=" + hmac_hex(secret, f"v0:{at}:".encode() + body)
    time_field = "x-zm-request-timestamp" if prefix == "zm" else "x-slack-request-timestamp"
    return {f"x-{prefix}-signature": signature, time_field: at}


class Framing(FrontCase):
    sections = SECTIONS
    # In the same bytes: answered or stored, it would have been smuggled.
    SECOND = post(b"/in/open", body=b'{"smuggled":1}')

    def test_doubtful_framing_is_refused(self):
        for target in (b"/in/open", b"/in/nobody"):
            for name, request in doubtful_requests(target).items():
                with self.subTest(name, target=target):
                    received = exchange(self.usher.base, request, self.SECOND)
                    said = statuses(received)
                    self.assertEqual(len(said), 1, received)
                    self.assertIn(said[0], (400, 501, 505), received)
        self.assertEqual(self.stored_bodies("open"), [])

    def test_a_refusal_ends_the_connection_before_what_follows(self):
        """Bytes after what was refused unread are no request."""
        smuggled = head(b"POST /in/open HTTP/1.1", b"Content-Length: 2000000") + self.SECOND
        coded = head(b"POST /in/open HTTP/1.1", b"Content-Encoding: gzip",
            b"Content-Length: %d" % len(self.SECOND)) + self.SECOND
        unread = head(b"PUT /in/open HTTP/1.1",
            b"Content-Length: %d" % len(self.SECOND)) + self.SECOND
        for status, request in ((413, smuggled), (415, coded), (405, unread)):
            with self.subTest(status):
                self.assertEqual(statuses(exchange(self.usher.base, request
                    + head(b"GET /in/open HTTP/1.1", CLOSE)))[0], status)
        self.assertEqual(self.stored_bodies("open"), [])

    def test_a_body_may_come_in_chunks_and_pieces(self):
        first = head(b"POST /in/github HTTP/1.1", CHUNKED, CLOSE,
            b"X-Hub-Signature-256: sha256="
            + hmac_hex(GITHUB_SECRET, b'{"ref":"Abc"}').encode())
        received = exchange(self.usher.base, first[:40], first[40:], b"5;x=y\r\n{\"ref\r\n",
            b"7\r\n\":\"Abc\"\r\n", b"1\r\n}\r\n0\r\nX-Hub-Signature-256: x\r\n\r\n")
        self.assertEqual(statuses(received), [200], received)
        self.assertEqual(self.stored_bodies("github"), [b'{"ref":"Abc"}'])

    def test_a_proof_in_the_trailers_proves_nothing(self):
        signature = hmac_hex(GITHUB_SECRET, b"{}").encode()
        received = exchange(self.usher.base, head(b"POST /in/github HTTP/1.1", CHUNKED, CLOSE)
            + b"2\r\n{}\r\n0\r\nX-Hub-Signature-256: sha256=" + signature + b"\r\n\r\n")
        self.assertEqual(statuses(received), [401], received)

    def test_continue_is_said_to_who_expects_it(self):
        url = urllib.parse.urlsplit(self.usher.base)
        first = head(b"POST /in/token/" + TOKEN.encode() + b" HTTP/1.1", b"Content-Length: 7",
            b"Expect: 100-continue", CLOSE)
        with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as connection:
            connection.sendall(first)
            self.assertEqual(statuses(connection.recv(65536)), [100])
            connection.sendall(b'{"a":1}')
            self.assertEqual(statuses(connection.recv(65536)), [200])
        self.assertEqual(statuses(exchange(self.usher.base, head(b"POST /in/open HTTP/1.1",
            b"Content-Length: 2097152", b"Expect: 100-continue"))), [413])

    def test_calls_may_be_sent_one_after_the_other_at_once(self):
        many = b"".join(post(b"/in/basic", b"Authorization: " + basic(PAIR).encode(),
            body=b'{"n":%d}' % n) for n in range(50))
        last = post(b"/in/nobody", CLOSE)
        received = exchange(self.usher.base, many + last)
        self.assertEqual(statuses(received), [200] * 50 + [401])
        self.assertEqual(self.stored_bodies("basic"), [b'{"n":%d}' % n for n in range(50)])

    def test_a_call_that_breaks_off_is_not_stored(self):
        for request in (head(b"POST /in/header HTTP/1.1", b"Content-Length: 10") + b"{}",
                head(b"POST /in/header HTTP/1.1", CHUNKED) + b"2\r\n{}\r\n"):
            url = urllib.parse.urlsplit(self.usher.base)
            with socket.create_connection((url.hostname, url.port)) as connection:
                connection.sendall(request)
        self.assertEqual(self.caller().post("/in/header", {"a": 1},
            {"X-Api-Thing": HEADER_VALUE}).status, 200)
        self.assertEqual(self.stored_bodies("header"), [b'{"a": 1}'])


class Answers(FrontCase):
    sections = SECTIONS

    def ask(self, *parts):
        received = exchange(self.usher.base, *parts)
        self.assertEqual(received.count(b"HTTP/1.1 "), 1, received)
        return received

    def test_get_and_head_are_empty_wherever_they_look(self):
        for path in (b"/in/open", b"/in/token", b"/in/token/" + TOKEN.encode(), b"/in/nobody/x",
                b"/in/"):
            for method in (b"GET", b"HEAD"):
                with self.subTest(path, method=method):
                    received = self.ask(head(method + b" " + path + b" HTTP/1.1", CLOSE))
                    self.assertEqual(statuses(received), [200])
                    self.assertIn(b"\r\nContent-Length: 0\r\n", received)
                    self.assertTrue(received.endswith(b"\r\n\r\n"))

    def test_other_methods_are_told_which_there_are(self):
        for method in (b"PUT", b"DELETE", b"PATCH", b"OPTIONS"):
            for path in (b"/in/open", b"/in/nobody"):
                received = self.ask(head(method + b" " + path + b" HTTP/1.1", CLOSE))
                self.assertEqual(statuses(received), [405])
                self.assertIn(b"\r\nAllow: POST, GET, HEAD\r\n", received)

    def test_what_is_too_large_or_coded_is_refused(self):
        chunks = (b"10000\r\n" + b" " * 65536 + b"\r\n") * 20
        cases = {
            "the first line": (414, head(b"POST /in/" + b"x" * 9000 + b" HTTP/1.1")),
            "a field": (431, head(b"POST /in/open HTTP/1.1", b"A: " + b"x" * 17000)),
            "the head": (431, head(b"POST /in/open HTTP/1.1", *[b"A: " + b"x" * 300] * 60)),
            "the number of fields": (431, head(b"POST /in/open HTTP/1.1", *[b"A: b"] * 120)),
            "the body, said before": (413, head(b"POST /in/open HTTP/1.1",
                b"Content-Length: 1048577")),
            "the body, in chunks": (413, head(b"POST /in/open HTTP/1.1", CHUNKED) + chunks),
            "the body, of a name that is not there": (413, head(b"POST /in/nobody HTTP/1.1",
                b"Content-Length: 1048577")),
            "the source's own bound": (413, post(b"/in/small", CLOSE,
                body=b'"' + b"x" * 1100 + b'"')),
            "a coding": (415, post(b"/in/open", b"Content-Encoding: gzip", CLOSE)),
        }
        for name, (status, request) in cases.items():
            with self.subTest(name):
                received = self.ask(request)
                self.assertEqual(statuses(received), [status])
                self.assertIn(b"\r\nContent-Type: application/problem+json\r\n", received)
        self.assertEqual(statuses(self.ask(
            post(b"/in/open", b"Content-Encoding: identity", CLOSE, body=b'{"c":1}'))), [200])
        largest = b'"' + b"x" * (1048576 - 2) + b'"'
        self.assertEqual(statuses(self.ask(post(b"/in/open", CLOSE, body=largest))), [200])
        self.assertEqual(self.stored_bodies("open")[-1], largest)

    def test_no_json_is_told_only_to_who_may_call(self):
        for body in (b"", b"{", b"{} {}", b'{"a":1}"', b"\xff", b"a=b", b"{'a':1}", b"[" * 100):
            with self.subTest(body):
                self.assertEqual(statuses(self.ask(
                    post(b"/in/token/" + TOKEN.encode(), CLOSE, body=body))), [400])
                self.assertEqual(statuses(self.ask(
                    post(b"/in/token/wrong", CLOSE, body=body))), [401])

    def test_every_failed_proof_is_answered_alike(self):
        stale = b"X-Slack-Request-Timestamp: 1500000000"
        wrong = b"sha256=" + hmac_hex("other", b"{}").encode()
        requests = {
            "an unknown name": post(b"/in/nobody", CLOSE),
            "a name that is none": post(b"/in/%00%2f..", CLOSE),
            "no name": post(b"/in/", CLOSE),
            "no token": post(b"/in/token", CLOSE),
            "an empty token": post(b"/in/token/", CLOSE),
            "a wrong token": post(b"/in/token/wrong", CLOSE),
            "a token and more": post(b"/in/token/" + TOKEN.encode() + b"/x", CLOSE),
            "no password": post(b"/in/basic", CLOSE),
            "a wrong password": post(b"/in/basic", CLOSE,
                b"Authorization: " + basic("crm:wrong").encode()),
            "a password that is none": post(b"/in/basic", CLOSE, b"Authorization: Basic !"),
            "no header": post(b"/in/header", CLOSE),
            "a wrong header": post(b"/in/header", CLOSE, b"X-Api-Thing: wrong"),
            "no signature": post(b"/in/github", CLOSE),
            "a wrong signature": post(b"/in/github", CLOSE, b"X-Hub-Signature-256: " + wrong),
            "an old signature": post(b"/in/slack", CLOSE, stale, b"X-Slack-Signature: v0="
                + hmac_hex(SLACK_SECRET, b"v0:1500000000:{}").encode()),
        }
        answers = {name: answer_parts(self.ask(request)) for name, request in requests.items()}
        self.assertEqual(len(set(answers.values())), 1, answers)
        self.assertEqual(statuses(answers["no token"]), [401])

    def test_429_only_where_a_source_asks_for_it(self):
        caller = self.caller()
        self.assertEqual(caller.post("/in/seldom", {"n": 1}).status, 200)
        answer = caller.post("/in/seldom", {"n": 2})
        self.assertEqual(answer.status, 429)
        self.assertTrue(1 <= int(answer.headers["retry-after"]) <= 100, answer.headers)
        for n in range(50):
            self.assertEqual(caller.post("/in/small", {"n": n}).status, 200)
        self.assertEqual(self.counts()["seldom"], {"accepted": 1, "limited": 1})

    def test_names_and_tokens_may_be_percent_encoded(self):
        caller = self.caller()
        coded = "".join(f"%{ord(c):02x}" for c in TOKEN)
        self.assertEqual(caller.post(f"/in/%74oken/{coded}?x=y", {"n": "coded"}).status, 200)
        self.assertEqual(caller.post(f"/in/Token/{TOKEN}", {}).status, 401)

    def test_challenges_of_zoom_and_slack(self):
        caller = self.caller()
        zoom = json.dumps({"payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"},
            "event_ts": 1654503849680, "event": "endpoint.url_validation"}).encode()
        slack = json.dumps({"token": "t", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd",
            "type": "url_verification"}).encode()
        answer = caller.post("/in/zoom", zoom, signed("zm", ZOOM_SECRET, zoom))
        self.assertEqual((answer.status, answer.json), (200, {
            "plainToken": "qgg8vlvZRS6UYooatFL8Aw",
            "encryptedToken": hmac_hex(ZOOM_SECRET, b"qgg8vlvZRS6UYooatFL8Aw")}))
        answer = caller.post("/in/slack", slack, signed("slack", SLACK_SECRET, slack))
        self.assertEqual((answer.status, answer.json["challenge"]),
            (200, "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"))
        # To whom nothing was proven, nothing is computed.
        for name, body, fields in (("zoom", zoom, signed("zm", "other", zoom)),
                ("slack", slack, signed("slack", "other", slack)), ("zoom", zoom, {})):
            answer = caller.post(f"/in/{name}", body, fields)
            self.assertEqual(answer.status, 401)
            self.assertNotIn(b"encryptedToken", answer.body)
        for name in ("zoom", "slack"):
            self.assertEqual(self.stored_bodies(name), [])
            self.assertEqual(self.counts()[name]["challenged"], 1)


class Secrets(FrontCase):
    sections = SECTIONS

    def test_what_is_observed_tells_the_scheme_and_no_secret(self):
        caller = self.caller()
        body = b'{"who":"watched"}'
        proofs = {"Authorization": basic(PAIR), "X-Api-Thing": HEADER_VALUE,
            "X-Hub-Signature-256": "sha256=" + hmac_hex(GITHUB_SECRET, body),
            "Cookie": "session=cookiecookiecookie"}
        self.assertEqual(caller.post(f"/in/watched/{TOKEN}", body, proofs).status, 200)
        self.assertEqual(caller.post("/in/watched", body, proofs).status, 401)
        wrong = {"Authorization": basic("crm:wrongwrongwrong"), "X-Api-Thing": "badbadbadbad"}
        self.assertEqual(caller.post("/in/watched/nonononotoken", body, wrong).status, 401)
        # That X-Api-Thing is a secret is known where it is set up; the others say so themselves.
        caller.post(f"/in/nobody/{TOKEN}", body, proofs)
        del proofs["X-Api-Thing"]
        self.assertEqual(caller.post(f"/in/open/{TOKEN}", body, proofs).status, 200)
        seen = [line for line in self.usher.log().split("\n") if "call.observed" in line]
        self.assertEqual(len(seen), 3, seen)
        self.assertIn("would pass: token, basic, header, signature", seen[0])
        self.assertIn("would pass: basic, header, signature", seen[1])
        self.assertIn("would pass: nothing", seen[2])
        eventually("refused calls are kept", lambda: self.usher.stored(
            "SELECT count(*) FROM quarantine") == [(3,)])
        self.assertEqual(self.usher.stop(), 0)

        told = (TOKEN, PAIR, PAIR.split(":")[1], basic(PAIR).split()[1], HEADER_VALUE,
            GITHUB_SECRET, ZOOM_SECRET, SLACK_SECRET, "cookiecookiecookie", "wrongwrongwrong",
            basic("crm:wrongwrongwrong").split()[1], "badbadbadbad", "nonononotoken")
        for name in os.listdir(self.folder.name):
            if name == "usher.conf":
                continue
            with open(os.path.join(self.folder.name, name), "rb") as file:
                content = file.read()
            for secret in told:
                self.assertFalse(secret.encode() in content, f"{secret} is in {name}")
        self.usher.start()


class Start(unittest.TestCase):
    """What is refused before the first call could come."""

    def run_with(self, sections, mode=0o600):
        with tempfile.TemporaryDirectory(prefix="usher-e2e-") as folder:
            conf = os.path.join(folder, "usher.conf")
            with open(conf, "w", encoding="utf-8") as file:
                file.write(sections)
            os.chmod(conf, mode)
            done = subprocess.run([Settings.usher, "receive", "--config", conf, "--listen",
                "127.0.0.1:0", "--db", os.path.join(folder, "usher.db")], cwd=folder,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE,
                check=False)
            self.assertEqual(os.listdir(folder), ["usher.conf"])
        self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (2, 1, ""), done)
        return done.stderr

    def test_a_section_that_leaves_a_door_open_is_refused(self):
        for text, reason in (
                ("accept = signature\nsignature = pgp\nsecret = x\n", "github"),
                ("accept = signature\nsignature = github\n", "secret"),
                ("accept = everything\n", "accept"),
                ("", "who may call"),
                ("accept = token\n", "token-sha256"),
                ("accept = token\ntoken-sha256 = abc\n", "token-sha256"),
                ("accept = address\naddress = 10.0.0.0/33\n", "address"),
                ("accept = token\ntoken-sha256 = " + sha256("a") + "\nsecret = x\n", "signature"),
                ("acept = none\n", "acept")):
            with self.subTest(text):
                self.assertIn(reason, self.run_with("[source a]\n" + text))

    def test_a_secret_that_others_may_read_is_refused(self):
        for line in (f"accept = basic\nbasic = {PAIR}\n",
                f"accept = signature\nsignature = github\nsecret = {GITHUB_SECRET}\n",
                f"accept = header\nheader = X\nheader-value = {HEADER_VALUE}\n"):
            for mode in (0o604, 0o640, 0o644):
                with self.subTest(line, mode=oct(mode)):
                    said = self.run_with("[source a]\n" + line, mode)
                    self.assertIn("chmod 600", said)
                    for secret in (PAIR, GITHUB_SECRET, HEADER_VALUE):
                        self.assertNotIn(secret, said)


class Crowd(FrontCase):
    sections = "[source open]\naccept = none\n"
    CALLS = 1000

    def test_a_thousand_fresh_connections_at_once(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 2 * self.CALLS:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * self.CALLS, hard), hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        url = urllib.parse.urlsplit(self.usher.base)

        async def call(n):
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            writer.write(post(b"/in/open", CLOSE, body=b'{"n":%d}' % n))
            answer = await reader.read()
            writer.close()
            return statuses(answer), json.loads(answer.split(b"\r\n\r\n", 1)[1])["id"]

        async def all_calls():
            return await asyncio.wait_for(
                asyncio.gather(*(call(n) for n in range(self.CALLS))), PATIENCE)

        answers = asyncio.run(all_calls())
        self.assertEqual([said for said, _ in answers], [[200]] * self.CALLS)
        self.assertEqual(len({item for _, item in answers}), self.CALLS)
        self.assertEqual(set(self.stored_bodies("open")),
            {b'{"n":%d}' % n for n in range(self.CALLS)})

    def test_what_was_answered_is_there_after_the_power_went(self):
        caller = self.caller()
        self.assertEqual(caller.post("/in/open", {"power": 1}).status, 200)
        self.usher.process.send_signal(signal.SIGKILL)
        self.usher.process.wait(PATIENCE)
        self.usher.start()
        self.assertEqual(self.caller().post("/in/open", {"power": 1}).json["status"], "duplicate")
