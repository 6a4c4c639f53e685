# SPDX-License-Identifier: Apache-2.0
"""The commands that talk to somebody else's address: subscribe, send and listen."""
import http.client
import os
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import unittest

from harness import EVENT, HookServer, PATIENCE, Reply, Settings, TestCase, eventually, receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PATH = "/api/v1/integration/webhook/webhook"
HOOK = "https://example.com/in/tag-mango/token"
WEBINAR = "634fc35ddaf58580e2418c40"
NOBODY = "http://127.0.0.1:1"  # where nobody listens


class RawServer:
    """Answers each connection with the same bytes, once its request is whole; keeps what came."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.requests.append(self.read(connection))
                connection.sendall(self.answer)

    @staticmethod
    def read(connection):
        request = b""
        while True:
            head, end, body = request.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if end and len(body) >= int(length[1]):
                return request
            piece = connection.recv(65536)
            if not piece:
                return request
            request += piece

    def close(self):
        # A plain close does not wake who waits in accept.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(PATIENCE)


class Process:
    """One that runs until it is told to stop, in a folder, with its lines as they come."""

    def __init__(self, folder, *command):
        self.lines = {"stdout": [], "stderr": []}
        self.process = subprocess.Popen([Settings.usher, *command], cwd=folder, env=clean(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.readers = [threading.Thread(target=self.read, args=(name,), daemon=True)
            for name in self.lines]
        for reader in self.readers:
            reader.start()
        self.url = eventually("it listens", self.address)

    def read(self, name):
        for line in getattr(self.process, name):
            self.lines[name].append(line)

    def text(self, name="stdout"):
        return "".join(list(self.lines[name]))

    def address(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it has ended: {self.lines}")
        found = re.search(r"listening on (http://\S+)", self.text("stderr"))
        return found and found[1]

    def says(self, words, name="stdout"):
        eventually(f"it says {words}: {self.lines}", lambda: words in self.text(name))

    def end(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        for reader in self.readers:
            reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def clean(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    return {**kept, **more}


class Commands:
    """What the tests of this file share."""

    def make_folder(self):
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def run_usher(self, *arguments, text=None, **environment):
        return subprocess.run([Settings.usher, *arguments], timeout=PATIENCE, input=text or "",
            env=clean(**environment), capture_output=True, text=True, check=False)

    def process(self, folder, *command):
        process = Process(folder, *command)
        self.addCleanup(lambda: process.process.poll() is None and process.end(signal.SIGKILL))
        return process

    def hook_server(self):
        server = HookServer()
        self.addCleanup(server.stop)
        return server

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.folder_name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def check_wrong(self, done, code, *words):
        self.assertEqual((done.returncode, done.stdout), (code, ""), done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def sends(self, *arguments, code=0, **options):
        done = self.run_usher("send", *arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (code, ""), done)
        return done.stdout


class Subscribe(Commands, TestCase):
    """With the real server, and with a stub that sees each byte."""

    def setUp(self):
        super().setUp()
        self.folder_name = self.make_folder()

    def subscribe(self, api, *more, hook=HOOK, event=EVENT, **environment):
        return self.run_usher("subscribe", "--api", api, "--hook-url", hook, "--event", event,
            *more, **environment)

    def stub(self, status, body, *fields):
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body.encode())}",
            "Connection: close", *fields]
        server = RawServer(("\r\n".join(head) + "\r\n\r\n" + body).encode())
        self.addCleanup(server.close)
        return server

    def test_a_hook_of_the_server_is_told_with_its_secret(self):
        name = f"{self.name}-hook"
        url = self.hooks.url(name)
        done = self.subscribe(self.usher.base, hook=url, USHER_API_KEY=self.api.key)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = re.search(r"(?m)^    id      ([0-9a-f]{24})\n    secret  (whsec_\S+)$", done.stdout)
        self.assertIsNotNone(found, done.stdout)
        for line in ("[source webinars]", f"event = {EVENT}", "accept = signature",
                "signature = standard-webhooks", f"secret = {found[2]}"):
            self.assertIn(f"    {line}\n", done.stdout)
        hook = {"id": found[1], "secret": found[2], "name": name, "phoneFormat": "number",
            "hookUrl": url, "event": EVENT}
        mango = self.mango(people=self.people(1))
        self.webinar(mangoes=[mango])
        self.check_signature(self.arrived(hook, 1)[0], hook)

    def test_a_filter_narrows_it_down(self):
        mine = self.webinar()["id"]
        done = self.subscribe(self.usher.base, "--webinar", mine, USHER_API_KEY=self.api.key,
            hook=self.hooks.url("filtered"))
        self.assertEqual(done.returncode, 0, done)
        hooks = self.expect(self.api.get(PATH.removeprefix("/api/v1")), 200)["data"]
        self.assertEqual([hook["webinar"] for hook in hooks], [mine])

    def test_what_is_told_works_as_the_receivers_file(self):
        done = self.subscribe(self.usher.base, USHER_API_KEY=self.api.key,
            hook="http://127.0.0.1:1/in/tag-mango")
        self.assertEqual(done.returncode, 0, done)
        section = "".join(line[4:] + "\n" for line in done.stdout.split("\n")
            if line.startswith(("    [", "    event", "    accept", "    sig", "    secret =")))
        self.assertIn("[source tag-mango]\n", section)
        path = self.write("usher.conf", section)
        self.assertEqual(self.run_usher("config", "check", "--config", path).returncode, 0)

    def test_the_request_is_the_documents(self):
        server = self.stub("201 Created", '{"message":"ok","success":true}')
        self.write("key", "k-1\n")
        key = os.path.join(self.folder_name, "key")
        for api in (server.url, server.url + "/", server.url + PATH):
            for given in (("--api-key", "k-1"), ("--api-key-file", key)):
                done = self.subscribe(api, *given, "--webinar", WEBINAR)
                self.assertEqual((done.returncode, done.stderr), (0, ""), done)
                self.assertIn('{"message":"ok","success":true}\n', done.stdout)
        body = f'{{"hookUrl":"{HOOK}","event":"{EVENT}","webinar":"{WEBINAR}"}}'
        version = self.run_usher("version").stdout.split()[1]
        expected = "\r\n".join([f"POST {PATH} HTTP/1.1",
            f"Host: {server.url.removeprefix('http://')}", f"User-Agent: usher/{version}",
            "accept: application/json", "x-api-key: k-1", "Content-Type: application/json",
            f"Content-Length: {len(body)}", "", body])
        self.assertEqual([request.decode() for request in server.requests], [expected] * 6)

    def test_a_mango_and_nothing(self):
        server = self.stub("200 OK", "")
        done = self.subscribe(server.url, "--mango", "m1", USHER_API_KEY="k-1")
        self.assertEqual(done.returncode, 0, done)
        self.subscribe(server.url + "/below", USHER_API_KEY="k-1")
        first, second = server.requests
        self.assertTrue(first.endswith(f'{{"hookUrl":"{HOOK}","event":"{EVENT}",'
            '"mango":"m1"}'.encode()), first)
        self.assertTrue(second.startswith(f"POST /below{PATH} HTTP/1.1\r\n".encode()), second)
        self.assertTrue(second.endswith(f'{{"hookUrl":"{HOOK}","event":"{EVENT}"}}'.encode()))

    def test_a_refusal_is_told_in_its_own_words(self):
        done = self.subscribe(self.usher.base, USHER_API_KEY="wrong")
        self.check_wrong(done, 1, "the API answered 401: ", "key")
        done = self.subscribe(self.usher.base, event="webinar.created.sngle",
            USHER_API_KEY=self.api.key)
        self.check_wrong(done, 1, "the API answered 422: ", "/event")
        server = self.stub("400 Bad Request", '{"message":"Invalid token","success":false}')
        self.check_wrong(self.subscribe(server.url, USHER_API_KEY="k"), 1,
            "the API answered 400: Invalid token")
        server = self.stub("302 Found", "", "Location: https://example.com/")
        self.check_wrong(self.subscribe(server.url, USHER_API_KEY="k"), 1, "302", "--api")
        server = self.stub("500 Oh", "a\x1b[2Jb")
        done = self.subscribe(server.url, USHER_API_KEY="k")
        self.check_wrong(done, 1, "the API answered 500: a")
        self.assertNotIn("\x1b", done.stderr)
        self.check_wrong(self.subscribe(NOBODY, USHER_API_KEY="k"), 1,
            "no answer: connect: Connection refused")

    def test_every_mistake_says_what_to_do(self):
        key = self.write("key", "k-1\n", 0o644)
        usual = ("--api", NOBODY, "--hook-url", HOOK, "--event", EVENT)
        for arguments, words in (
                ((), ("--api is missing",)),
                (("--api", NOBODY), ("--hook-url is missing",)),
                (("--api", NOBODY, "--hook-url", HOOK), ("--event is missing", EVENT)),
                (usual, ("key is missing", "USHER_API_KEY", "--api-key-file")),
                ((*usual, "--api-key", "a", "--api-key-file", key), ("leave out one",)),
                ((*usual, "--api-key-file", key), ("chmod 600",)),
                ((*usual, "--api-key-file", key + ".none"), ("key.none",)),
                ((*usual, "--api-key", "a\nb"), ("--api-key: one line",)),
                ((*usual, "--api-key", "a", "--webiner", "1"), ("did you mean --webinar?",)),
                (("--api", "localhost:8080", *usual[2:]), ("--api: ",)),
                ((*usual[:2], "--hook-url", "example.com", *usual[4:]), ("--hook-url: ",)),
                (("--api", NOBODY + "/?a=1", *usual[2:], "--api-key", "a"), ("query",))):
            with self.subTest(arguments=arguments):
                self.check_wrong(self.run_usher("subscribe", *arguments), 2, *words)
        self.check_wrong(self.run_usher("subscrbe"), 2, 'did you mean "subscribe"?')


class Send(Commands, unittest.TestCase):
    def setUp(self):
        self.folder_name = self.make_folder()

    def test_samples_are_signed_and_of_another_attendee_each(self):
        server = self.hook_server()
        said = self.sends("--url", server.url("a"), "--secret", SECRET, "--count", "20")
        self.assertIn("20 requests in ", said)
        self.assertIn("\n  20 answered 200\n", said)
        self.assertRegex(said, r"\n  latency: p50 \S+ ms, p99 \S+ ms, longest \S+ ms\n$")
        calls = server.calls["a"]
        self.assertEqual(len({call.email for call in calls}), 20)
        self.assertEqual(len({call.id for call in calls}), 20)
        for call in calls:
            self.assertEqual(receiver.signature_faults(call.headers, call.raw,
                receiver.secret_bytes(SECRET), int(call.headers["webhook-timestamp"])), [])
            self.assertEqual(list(call.body), receiver.BODY_KEYS)
            self.assertEqual(call.headers["x-usher-event"], EVENT)
            self.assertEqual(call.headers["content-type"], "application/json")
            self.assertIsInstance(call.body["phone"], int)

    def test_every_event_of_the_family(self):
        server = self.hook_server()
        page = self.run_usher("help", "--man").stdout
        part = page.split(".It Cm send\n")[1].split(".It Cm listen\n")[0]
        events = sorted(set(re.findall(r"[a-z]+(?:\.[a-z0-9]+)+", part)))
        self.assertEqual(len(events), 18, events)
        for event in events:
            self.sends("--url", server.url(event), "--event", event)
            call, = server.calls[event]
            self.assertEqual(call.headers["x-usher-event"], event)
            self.assertNotIn("webhook-signature", call.headers)
            self.assertEqual(call.email, "attendee1@example.com")

    def test_bodies_from_a_file(self):
        server = self.hook_server()
        one = self.write("one.json", '{\n "n": 1.0\n}\n')
        self.sends("--url", server.url("one"), "--file", one)
        self.assertEqual([call.raw for call in server.calls["one"]], [b'{\n "n": 1.0\n}'])
        self.assertNotIn("x-usher-event", server.calls["one"][0].headers)
        lines = self.write("lines.ndjson", '{"n":1}\n\n{"n":2}\n{"n":3}\n')
        self.sends("--url", server.url("all"), "--file", lines, "--concurrency", "1")
        self.sends("--url", server.url("seven"), "--file", lines, "--concurrency", "1",
            "--count", "7", "--event", "my.own")
        self.sends("--url", server.url("input"), "--file", "-", text='{"n":4}')
        self.assertEqual([call.body["n"] for call in server.calls["all"]], [1, 2, 3])
        self.assertEqual([call.body["n"] for call in server.calls["seven"]], [1, 2, 3, 1, 2, 3, 1])
        self.assertEqual(server.calls["seven"][0].headers["x-usher-event"], "my.own")
        self.assertEqual([call.body["n"] for call in server.calls["input"]], [4])

    def test_what_failed_is_told_by_its_kind(self):
        server = self.hook_server()
        answers = iter([Reply(), Reply(503, b'{"detail":"not now"}'), Reply(), Reply(401)])
        server.answers["a"] = lambda call: next(answers)
        said = self.sends("--url", server.url("a"), "--count", "4", "--concurrency", "1", code=1)
        for line in ("2 answered 200", "1 answered 401", "1 answered 503",
                "the first of those that failed: not now"):
            self.assertIn(f"\n  {line}\n", said)
        said = self.sends("--url", NOBODY, "--count", "3", code=1)
        self.assertIn("\n  3 without an answer: connect\n", said)
        self.assertIn("connect: Connection refused\n", said)
        self.assertNotIn("latency", said)

    def test_so_many_at_a_time_at_most(self):
        server = self.hook_server()
        self.sends("--url", server.url("a"), "--count", "50", "--concurrency", "3")
        self.assertEqual(len(server.calls["a"]), 50)
        self.assertLessEqual(server.connections.total, 3)

    def test_a_rate_loses_none(self):
        server = self.hook_server()
        self.sends("--url", server.url("a"), "--count", "30", "--rate", "200")
        self.assertEqual(len({call.email for call in server.calls["a"]}), 30)
        self.assertEqual(len(server.calls["a"]), 30)

    def test_headers_are_added(self):
        server = self.hook_server()
        self.sends("--url", server.url("a"), "--header", "Authorization: Bearer x",
            "--header", "x-other:  a b ", "--header=Content-Type: text/plain")
        headers = server.calls["a"][0].headers
        self.assertEqual((headers["authorization"], headers["x-other"], headers["content-type"]),
            ("Bearer x", "a b", "text/plain"))

    def test_ctrl_c_ends_it_with_what_was_done(self):
        server = self.hook_server()
        server.answers["a"] = lambda call: Reply(delay=0 if len(server.calls["a"]) < 3 else 600)
        process = subprocess.Popen([Settings.usher, "send", "--url", server.url("a"), "--count",
            "100", "--concurrency", "2"], env=clean(), stdout=subprocess.PIPE, text=True)
        with process:
            eventually("two are stuck", lambda: len(server.calls["a"]) >= 4)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1)
        self.assertIn("4 of 100 requests in ", said)
        self.assertIn("\n  2 answered 200\n", said)
        self.assertIn("\n  2 without an answer: cancelled\n", said)

    def test_every_mistake_says_what_to_do(self):
        broken = self.write("broken.ndjson", '{"n":1}\n{"n":\n')
        secret = self.write("secret", SECRET, 0o644)
        usual = ("--url", NOBODY)
        for arguments, words in (
                ((), ("--url is missing",)),
                (("--url", "example.com"), ("--url: ", "https://")),
                (("--url", "ftp://example.com"), ("--url: ", "ftp")),
                ((*usual, "--event", "order.created.complete"),
                    ("did you mean order.created.completed?",)),
                ((*usual, "--event", "nothing.like.it"), ("--file",)),
                ((*usual, "--file", broken), ("broken.ndjson:2: ",)),
                ((*usual, "--file", broken + ".none"), ("broken.ndjson.none",)),
                ((*usual, "--file", os.devnull), ("nothing in it",)),
                ((*usual, "--secret", "hunter2"), ("--secret", "whsec_")),
                ((*usual, "--secret", SECRET, "--secret-file", secret), ("leave out one",)),
                ((*usual, "--secret-file", secret), ("chmod 600",)),
                ((*usual, "--count", "0"), ("--count", "from 1 to")),
                ((*usual, "--count", "many"), ("--count", "many")),
                ((*usual, "--rate", "-1"), ("--rate", "from 1 to")),
                ((*usual, "--concurrency", "513"), ("--concurrency", "from 1 to 512")),
                ((*usual, "--header", "nonsense"), ("--header", "'name: value'")),
                ((*usual, "--header", "webhook-id: 1"), ("--header", "webhook-id is set by us")),
                ((*usual, "--header", "a: b\r\nc: d"), ("--header", "control character")),
                ((*usual, "--cuont", "1"), ("did you mean --count?",)),
                ((*usual, "extra"), ("extra",))):
            with self.subTest(arguments=arguments):
                self.check_wrong(self.run_usher("send", *arguments), 2, *words)
        self.check_wrong(self.run_usher("snd"), 2, 'did you mean "send"?')


class SendToReceive(Commands, unittest.TestCase):
    def setUp(self):
        self.folder_name = self.make_folder()

    def start(self, *lines):
        self.write("usher.conf", "\n".join(["listen = 127.0.0.1:0", "db = inbox.db",
            "[source webinars]", "accept = signature", "signature = standard-webhooks",
            f"secret = {SECRET}", *lines, ""]))
        return self.process(self.folder_name, "receive")

    def items(self, receive):
        self.assertEqual(receive.end(signal.SIGTERM), 0)
        with sqlite3.connect(os.path.join(self.folder_name, "inbox.db")) as database:
            return database.execute("SELECT count(*) FROM inbox").fetchone()[0]

    def test_what_is_sent_is_received_once_each(self):
        receive = self.start()
        url = receive.url + "/in/webinars"
        said = self.sends("--url", url, "--secret", SECRET, "--count", "200",
            "--concurrency", "16")
        self.assertIn("\n  200 answered 200\n", said)
        for event in ("webinar.created.recurring", "order.created.failed", "user.deleted"):
            self.sends("--url", url, "--secret", SECRET, "--event", event)
        self.assertEqual(self.items(receive), 203)

    def test_a_wrong_secret_is_401(self):
        receive = self.start()
        for given in (("--secret", OTHER), ()):
            said = self.sends("--url", receive.url + "/in/webinars", *given, "--count", "3", code=1)
            self.assertIn("\n  3 answered 401\n", said)
        self.assertEqual(self.items(receive), 0)

    def test_the_first_file_takes_samples(self):
        done = subprocess.run([Settings.usher, "receive", "--init", "--public-url",
            "https://hooks.example.com", "--listen", "127.0.0.1:0"], cwd=self.folder_name,
            env=clean(), capture_output=True, text=True, timeout=PATIENCE, check=True)
        path = re.search(r"(?m)^    https://hooks\.example\.com(/in/webinars/\S+)$", done.stdout)[1]
        receive = self.process(self.folder_name, "receive")
        said = self.sends("--url", receive.url + path, "--count", "10")
        self.assertIn("\n  10 answered 200\n", said)
        self.assertEqual(self.items(receive), 10)


class Listen(Commands, unittest.TestCase):
    def setUp(self):
        self.folder_name = self.make_folder()

    def listen(self, *arguments):
        return self.process(self.folder_name, "listen", "--listen", "127.0.0.1:0", *arguments)

    def test_what_is_sent_is_shown(self):
        listen = self.listen("--secret", SECRET)
        self.sends("--url", listen.url + "/any/path", "--secret", SECRET)
        listen.says("mangoes")
        text = listen.text()
        self.assertRegex(text, r"^#1  \S+Z  POST /any/path\n")
        for line in (f"event      {EVENT}, test", "signature  right",
                "attendee   Attendee 1 <attendee1@example.com>, phone 919876500001, zone +05:30",
                f"session    Introduction to Digital Marketing ({WEBINAR})"):
            self.assertIn(f"    {line}\n", text)
        self.assertRegex(text, r"(?m)^      creator  \S+T15:30:00\+05:30 to \S+T16:30:00\+05:30$")
        self.assertEqual(listen.end(), 0)
        self.assertIn("\n1 calls\n", listen.text("stderr"))
        self.assertIn("tunnel", listen.text("stderr"))
        self.assertEqual(os.listdir(self.folder_name), [])

    def test_a_signature_is_judged(self):
        secret = self.write("secret", SECRET + "\n")
        listen = self.listen("--secret-file", secret)
        self.sends("--url", listen.url, "--secret", OTHER)
        listen.says("signature  WRONG: not made with this secret")
        self.sends("--url", listen.url)
        listen.says("signature  WRONG: there is no header webhook-signature")
        self.sends("--url", listen.url, "--secret", SECRET)
        listen.says("signature  right")
        self.assertEqual(listen.end(signal.SIGTERM), 0)

    def test_bodies_status_and_what_is_no_event(self):
        listen = self.listen("--body", "--status", "503")
        said = self.sends("--url", listen.url, "--file", "-", text='{"n": "a\x7fb"}', code=1)
        self.assertIn("\n  1 answered 503\n", said)
        listen.says('{"n": "a\ufffdb"}\n')
        listen.says("not all of it could be read")
        connection = http.client.HTTPConnection(listen.url.removeprefix("http://"))
        self.addCleanup(connection.close)
        for method, body, status in (("POST", "x", 503), ("GET", None, 200), ("HEAD", None, 200),
                ("PUT", "{}", 405)):
            connection.request(method, "/", body)
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, status, method)
        listen.says("body       is no JSON")
        self.assertEqual(listen.end(), 0)

    def test_calls_are_forwarded_as_they_came(self):
        server = self.hook_server()
        server.answers["bad"] = lambda call: Reply(422, b'{"detail":"no such webinar"}')
        listen = self.listen("--forward", server.url("here"))
        self.sends("--url", listen.url + "/x", "--secret", SECRET, "--header", "x-other: a")
        listen.says(f"#1  forwarded to {server.url('here')}: 200 in ")
        call, = server.calls["here"]
        self.assertEqual(call.headers["x-other"], "a")
        self.assertEqual(call.headers["host"], f"127.0.0.1:{server.port}")
        self.assertEqual(receiver.signature_faults(call.headers, call.raw,
            receiver.secret_bytes(SECRET), int(call.headers["webhook-timestamp"])), [])
        self.assertEqual(listen.end(), 0)
        listen = self.listen("--forward", server.url("bad"))
        self.sends("--url", listen.url)
        listen.says(": 422 in ")
        listen.says("no such webinar")
        self.assertEqual(listen.end(), 0)
        listen = self.listen("--forward", NOBODY)
        self.sends("--url", listen.url)
        listen.says("no answer: connect: Connection refused")
        self.assertEqual(listen.end(), 0)

    def test_what_is_still_forwarded_ends_with_it(self):
        server = self.hook_server()
        server.answers["slow"] = lambda call: Reply(delay=600)
        listen = self.listen("--forward", server.url("slow"))
        self.sends("--url", listen.url, "--count", "70")
        listen.says("not sent: as many as may be")
        eventually("they are under way", lambda: len(server.calls["slow"]) >= 64)
        self.assertEqual(listen.end(), 0)
        self.assertEqual(listen.text().count("no answer: cancelled"), 64)

    def test_every_mistake_says_what_to_do(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        for arguments, words in (
                (("--listen", "here"), ("listen", "here")),
                (("--secret", "whsk_x"), ("--secret", "whpk_")),
                (("--status", "100"), ("--status", "from 200 to 599")),
                (("--status", "600"), ("--status", "600")),
                (("--status", "ok"), ("--status", "ok")),
                (("--forward", "example.com"), ("--forward: ",)),
                (("--forwrad", NOBODY), ("did you mean --forward?",))):
            with self.subTest(arguments=arguments):
                self.check_wrong(self.run_usher("listen", *arguments), 2, *words)
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        self.check_wrong(self.run_usher("listen", "--listen", place), 1, place)
        self.check_wrong(self.run_usher("lisen"), 2, 'did you mean "listen"?')


if __name__ == "__main__":
    unittest.main()
