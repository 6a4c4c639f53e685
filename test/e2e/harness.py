# SPDX-License-Identifier: Apache-2.0
"""What the tests of the whole program stand on: a server of their own, an endpoint that answers as
it is told to, and accounts that see nothing of one another.

A test talks to the program as anybody would: over HTTP, by signals and through its command line.
"""
import asyncio
import collections
import contextlib
import functools
import http.client
import itertools
import json
import os
import random
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "demo"))

# pylint: disable=wrong-import-position
import contract  # noqa: E402
import receiver  # noqa: E402
from receiver import Reply  # noqa: E402
from usher import API, HOOKS, Answer, Client, Usher  # noqa: E402

__all__ = ["API", "Caller", "Client", "EVENT", "HOOKS", "HookServer", "Receiver", "Reply", "ROOT",
    "Settings", "TestCase", "Usher", "eventually", "quiet_port", "receiver", "rows",
    "webinar_body"]

EVENT = "webinar.created.single"
PATIENCE = 60  # a ceiling for what must happen, under a sanitizer, on a busy machine


class Settings:
    """What run.py was told."""

    usher = os.path.join(ROOT, "build", "usher")  # under test, perhaps with a sanitizer
    plain = None                                  # the same without, where memory is measured


def eventually(what, condition, seconds=PATIENCE):
    """Waits until condition() is true and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def check_database(usher):
    """Whatever a test has done, and however its server ended: all counters and rows agree."""
    if not os.path.exists(usher.database):
        return
    done = usher.command("db", "check", "--db", usher.database)
    if done.returncode != 0:
        raise AssertionError(f"usher db check: {done.stdout}{done.stderr}")


def quiet_port():
    """One that is free, and from which nobody's own connections go out, so that it is still free
    when a server comes back."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first = int(file.read().split()[0])
    while True:
        port = random.randrange(first // 2, first)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Caller:
    """A sender with one kept-alive connection, who repeats nothing by himself."""

    def __init__(self, base):
        url = urllib.parse.urlsplit(base)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)

    def post(self, path, body, headers=None):
        """body: bytes as they are, else made JSON."""
        fields = {"content-type": "application/json", **(headers or {})}
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.connection.request("POST", path, body, fields)
        response = self.connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read())

    def close(self):
        self.connection.close()


class Receiver(Usher):
    """The other end: `usher receive`, with a file of sources and handlers."""

    subcommand = "receive"

    def __init__(self, folder, sections="", options=(), binary=None):
        super().__init__(binary or Settings.usher, folder, options)
        self.folder = folder
        self.conf = os.path.join(folder, "usher.conf")
        self.options += ["--config", self.conf]
        self.write(sections)

    def write(self, sections):
        """{folder} is where all of its files are."""
        text = sections.replace("{folder}", self.folder)
        with open(self.conf, "w", encoding="utf-8",
                opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)

    def path(self, name):
        return os.path.join(self.folder, name)

    def stored(self, query, *values):
        """Rows of the inbox's own tables, as they are on disk."""
        return rows(self.database, query, *values)

    def is_handled(self, handler, source):
        """Has the handler gone past all that came from the source, and does it owe nothing? What
        is stale (4) is not for handlers."""
        (ahead, owed), = self.stored("SELECT (SELECT count(*) FROM inbox JOIN source"
            " USING (source_pk) WHERE source.name = ?1 AND flags & 4 = 0 AND inbox_pk >= next_pk),"
            " (SELECT count(*) FROM handling WHERE handling.handler_pk = handler.handler_pk"
            " AND dead_us IS NULL) FROM handler WHERE handler.name = ?2", source, handler)
        return (ahead, owed) == (0, 0)


def rows(path, query, *values):
    """Of a database that others may write to."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True,
            timeout=PATIENCE)) as database:
        return database.execute(query, values).fetchall()


class Call:
    """One webhook call as it arrived."""

    def __init__(self, request):
        self.headers = request.headers
        self.raw = request.body
        self.at = time.monotonic()

    @functools.cached_property
    def body(self):
        return json.loads(self.raw)

    @property
    def id(self):
        return self.headers["webhook-id"]

    @property
    def email(self):
        return self.body["email"]

    @property
    def title(self):
        return self.body["callList"][0]["webinar"]

    @property
    def sequence(self):
        return int(self.headers["x-usher-sequence"])

    @property
    def reason(self):
        return self.headers["x-usher-reason"]


class Connections(set):
    """Those that are open; counts all that ever were."""

    total = 0

    def add(self, connection):
        super().add(connection)
        self.total += 1


class HookServer:
    """An endpoint in a thread. Each path has its own list of calls, and its own way to answer:
    answers[name] is a function from a Call to a Reply."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.calls = collections.defaultdict(list)
        self.answers = {}
        self.server, self.connections, self.port = None, Connections(), 0
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.up()

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

    def up(self):
        self.server, _ = self.run(receiver.listen(self.answer, self.port, self.connections))
        self.port = self.server.sockets[0].getsockname()[1]

    def down(self):
        """Nobody listens any more, and open connections are cut."""

        async def close():
            self.server.close()
            for connection in list(self.connections):
                connection.transport.abort()

        self.run(close())

    def stop(self):
        self.down()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def answer(self, request):
        name = request.path.strip("/").split("?")[0]
        call = Call(request)
        self.calls[name].append(call)
        told = self.answers.get(name)
        return Reply() if told is None else told(call)


class PatientClient(Client):
    """Waits where the API asks to, as tests call it more often than people do."""

    def call(self, method, path, body=None, headers=None, content_type="application/json"):
        told = None
        if body is not None and not hasattr(body, "__next__"):
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            told = (text, content_type)
        while True:
            answer = super().call(method, path, body, headers, content_type)
            contract.check(method, self.prefix + path, told, answer)
            if answer.status != 429:
                return answer
            time.sleep(int(answer.headers["retry-after"]))


def webinar_body(**fields):
    """A webinar as the document has it."""
    body = {
        "title": "Introduction to Digital Marketing",
        "link": "https://meet.google.com/abc-defg-hij",
        "from": "2034-03-15T15:30:00",
        "to": "2034-03-15T16:30:00",
        "timezone": "Asia/Kolkata",
    }
    body.update(fields)
    return body


class TestCase(unittest.TestCase):
    """A server for the class, an account for each test."""

    options = ("--allow-private-hooks",)
    serial = itertools.count(1)
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.usher = Usher(Settings.usher, cls.folder.name, cls.options)
        cls.usher.start()
        cls.addClassCleanup(cls.stop_server)
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    @classmethod
    def stop_server(cls):
        """It must end well: a leak or an overrun found by a sanitizer shows in its exit code."""
        code = cls.usher.stop()
        if code != 0:
            raise AssertionError(f"usher exited with {code}:\n{cls.usher.log()[-8000:]}")
        check_database(cls.usher)

    def setUp(self):
        self.name = f"t{next(self.serial)}"
        self.api = self.account(self.name)

    def account(self, name):
        client = PatientClient(self.usher.base, self.usher.key(name))
        self.addCleanup(client.close)
        return client

    def own_usher(self, options=("--allow-private-hooks",), environment=None, binary=None):
        """A server that this test may kill; not started yet."""
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        self.addCleanup(folder.cleanup)
        usher = Usher(binary or Settings.usher, folder.name, options, environment)
        self.addCleanup(check_database, usher)
        self.addCleanup(usher.kill)
        return usher

    def own_receiver(self, sections="", options=(), binary=None):
        """The same of the other end."""
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        self.addCleanup(folder.cleanup)
        usher = Receiver(folder.name, sections, options, binary)
        self.addCleanup(check_database, usher)
        self.addCleanup(usher.kill)
        return usher

    # What is said of an answer.

    def expect(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        if status == 204:
            self.assertEqual(answer.body, b"")
            return None
        return answer.json

    def expect_problem(self, answer, status, *pointers):
        """RFC 9457, and with pointers: each of these faults is named, and no other."""
        problem = self.expect(answer, status)
        self.assertEqual(
            answer.headers["content-type"].split(";")[0], "application/problem+json", answer)
        self.assertEqual(problem["status"], status)
        for name in ("type", "title", "detail"):
            self.assertIsInstance(problem[name], str)
            self.assertNotEqual(problem[name], "")
        if pointers:
            named = [error["pointer"] for error in problem["errors"]]
            self.assertCountEqual(set(named), pointers, answer)
            for error in problem["errors"]:
                self.assertNotEqual(error["detail"], "")
        return problem

    # What a creator does.

    def hook(self, name=None, api=None, **fields):
        """Registers a hook on our endpoint; returns the answer, with "name" added."""
        name = name or f"{self.name}-{next(self.serial)}"
        told = {"hookUrl": self.hooks.url(name), "event": EVENT}
        told.update(fields)
        hook = self.expect((api or self.api).post(HOOKS, told), 201)
        hook["name"] = name
        return hook

    def mango(self, name="a mango", api=None, people=None):
        api = api or self.api
        mango = self.expect(api.post("/mangoes", {"name": name}), 201)
        if people:
            self.import_people(f"/mangoes/{mango['id']}/attendees", people, api)
        return mango["id"]

    def import_people(self, path, people, api=None):
        lines = "".join(json.dumps(person) + "\n" for person in people).encode()
        return self.expect((api or self.api).put(path, lines, "application/x-ndjson"), 200)

    def webinar(self, api=None, **fields):
        return self.expect((api or self.api).post("/webinars", webinar_body(**fields)), 201)

    def people(self, count, prefix="p"):
        return [{"name": f"Person {i}", "email": f"{prefix}{i}@example.com",
            "phone": f"+9198765{i:05d}", "timezone": "Asia/Kolkata"} for i in range(count)]

    # What arrives.

    def calls(self, hook):
        return list(self.hooks.calls[hook["name"]])

    def arrived(self, hook, count):
        """The calls of a hook once there are so many; more than that is a failure."""
        eventually(f"{count} calls at {hook['name']}", lambda: len(self.calls(hook)) >= count)
        calls = self.calls(hook)
        self.assertEqual(len(calls), count)
        return calls

    def settled(self, api=None):
        """Waits until all events of the account are finished; returns them with their hooks."""
        api = api or self.api
        events = self.expect(api.get("/events?limit=250"), 200)["data"]
        return [eventually(f"event {event['id']} is finished",
            functools.partial(self.finished, api, event["id"])) for event in events]

    def finished(self, api, event_id):
        event = self.expect(api.get(f"/events/{event_id}"), 200)
        if any(hook["finishedAt"] is None for hook in event["hooks"]):
            return None
        for hook in event["hooks"]:
            settled = sum(hook[name] for name in ("delivered", "dead", "skipped", "superseded"))
            self.assertEqual(settled, hook["total"], hook)
        return event

    def check_signature(self, call, hook):
        faults = receiver.signature_faults(
            call.headers, call.raw, receiver.secret_bytes(hook["secret"]), time.time())
        faults += receiver.header_faults(call.headers, hook, None)
        self.assertEqual(faults, [])
