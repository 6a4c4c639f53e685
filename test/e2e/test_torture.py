# SPDX-License-Identifier: Apache-2.0
"""What a machine does to a process on a bad day: it runs out of descriptors, is held still, is
killed in the midst of an upload or of its first start, is told to stop at any moment.

A full disk and a database that somebody else holds are in test_disk.py, kills during deliveries in
test_crash.py, a silent name server in test_isolation.py.
"""
import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import time

from harness import (
    HOOKS, Client, HookServer, PatientClient, Reply, Settings, TestCase, eventually)

NDJSON = "application/x-ndjson"


class Torture(TestCase):
    """Each test has a server of its own."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"

    def start(self, *options, binary=None):
        self.usher = self.own_usher(("--allow-private-hooks", *options), binary=binary).start()
        self.connect()

    def connect(self):
        self.api = PatientClient(self.usher.base, self.usher.key("default"))
        self.addCleanup(self.api.close)

    def restart(self):
        self.usher.start()
        self.connect()

    def stop(self):
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])

    def check_all_told(self, hook, people):
        """Each of them, always under one id; returns how many calls that took."""
        event, = self.settled()
        self.assertEqual(event["hooks"][0]["delivered"], len(people))
        ids = {}
        for call in self.calls(hook):
            ids.setdefault(call.email, set()).add(call.id)
        self.assertEqual(set(ids), {person["email"] for person in people})
        self.assertEqual({len(group) for group in ids.values()}, {1})
        return len(self.calls(hook))


class Descriptors(Torture):
    SPARE = 24
    STRANGERS = 200

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.usher.process.pid}/fd"))

    def cpu_seconds(self):
        with open(f"/proc/{self.usher.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def exhaust(self):
        """Strangers who begin a request and never end it, until there is no descriptor left."""
        limit = self.open_descriptors() + self.SPARE
        resource.prlimit(self.usher.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        strangers = []
        for _ in range(self.STRANGERS):
            stranger = socket.create_connection(("127.0.0.1", self.port()))
            self.addCleanup(stranger.close)
            stranger.sendall(b"GET /healthz HTTP/1.1\r\n")
            strangers.append(stranger)
        eventually("there is no descriptor left", lambda: self.open_descriptors() == limit)
        return strangers

    def port(self):
        return int(self.usher.base.rsplit(":", 1)[1])

    def test_without_descriptors_it_waits_and_then_goes_on(self):
        self.start("--threads", "1", "--retry-delays", ",".join(["1"] * 30),
            "--attempts-max", "31")
        hook = self.hook(maxInFlight=2)
        # No connection is kept, so that each attempt takes a descriptor; a few are made again.
        closing = [("Connection", "close")]
        self.hooks.answers[hook["name"]] = lambda call: Reply(
            500 if len(self.calls(hook)) % 10 == 0 else 200, headers=closing)
        people = self.people(40)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("all have been tried", lambda: len(self.calls(hook)) >= len(people))
        self.hooks.answers[hook["name"]] = lambda call: Reply(headers=closing)
        strangers = self.exhaust()
        before, began = self.cpu_seconds(), time.monotonic()
        told = len(self.calls(hook))
        while time.monotonic() < began + 2:
            self.assertIsNone(self.usher.process.poll())
            time.sleep(0.05)
        # There was nothing that it could do, and that cost nothing.
        self.assertEqual(len(self.calls(hook)), told)
        self.assertLess((self.cpu_seconds() - before) / (time.monotonic() - began), 0.5)

        for stranger in strangers:
            stranger.close()
        self.check_all_told(hook, people)
        # Nor did that count against the endpoint.
        for found in self.expect(self.api.get(f"/deliveries?hook={hook['id']}"), 200)["data"]:
            delivery = self.expect(self.api.get(f"/deliveries/{found['id']}"), 200)
            self.assertLessEqual(
                {attempt["result"] for attempt in delivery["attempts"]}, {"status", "delivered"})
        self.stop()


class Upload(Torture):
    """So many lines that there is time; without a sanitizer, or there would be too much of it."""

    LINES = 200_000

    def lines(self, then):
        """All but the last line; then comes what is to happen."""
        for start in range(0, self.LINES, 2000):
            end = min(start + 2000, self.LINES - 1)
            yield "".join(json.dumps({"name": "N", "email": f"n{i}@example.com"}) + "\n"
                for i in range(start, end)).encode()
        yield from then()

    def last_line(self):
        return json.dumps({"name": "N", "email": f"n{self.LINES - 1}@example.com"}).encode()

    def put(self, then):
        """The answer, or None when the server was gone by then."""
        client = Client(self.usher.base, self.api.key)
        with contextlib.closing(client), \
                contextlib.suppress(OSError, http.client.HTTPException):
            return client.put(self.path, self.lines(then), NDJSON)
        return None

    def number(self, sql):
        """Looks into the database beside the server, as one may."""
        with contextlib.closing(
                sqlite3.connect(f"file:{self.usher.database}?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchone()[0]

    def begin(self):
        self.start(binary=Settings.plain)
        self.path = f"/mangoes/{self.mango()}/attendees"

    def check(self, count):
        """So many people are there, and as many members."""
        first = self.expect(self.api.get(f"{self.path}?limit=250"), 200)["data"]
        self.assertEqual(len(first), min(count, 250))
        self.assertEqual(self.number("SELECT count(*) FROM attendee"), count)
        self.assertEqual(self.number("SELECT count(*) FROM member WHERE left_seq IS NULL"), count)
        self.assertEqual(self.number("SELECT count(*) FROM bulk"), 0)
        self.assertEqual(self.number("SELECT count(*) FROM bulk_line"), 0)
        done = self.usher.command("db", "check", "--db", self.usher.database)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_killed_before_the_last_line_nothing_of_it_is_there(self):
        self.begin()

        def then():
            eventually("most lines are staged",
                lambda: self.number("SELECT count(*) FROM bulk_line") > self.LINES // 2)
            self.usher.kill()
            yield self.last_line()

        self.assertIsNone(self.put(then))
        self.restart()
        self.check(0)
        self.expect(self.api.put(self.path, b'{"name":"A","email":"a@example.com"}', NDJSON), 200)
        self.stop()

    def test_killed_after_the_last_line_all_of_it_is_there(self):
        self.begin()
        killer = threading.Thread(target=lambda: (
            eventually("the last line was accepted",
                lambda: self.number("SELECT count(*) FROM bulk WHERE status = 'applying'") > 0),
            self.usher.kill()))

        def then():
            killer.start()
            yield self.last_line()

        self.assertIsNone(self.put(then))
        killer.join()
        self.restart()
        self.check(self.LINES)
        self.stop()


class Standstill(Torture):
    def test_held_still_for_longer_than_an_attempt_may_take(self):
        self.start("--attempt-timeout-ms", "1000", "--retry-delays", "1,1,1,1,1,1,1,1,1")
        hook = self.hook(maxInFlight=4)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.05)
        people = self.people(100)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("the first calls", lambda: len(self.calls(hook)) > 12)
        self.usher.process.send_signal(signal.SIGSTOP)
        still = time.monotonic() + 2
        while time.monotonic() < still:
            time.sleep(0.05)
        self.usher.process.send_signal(signal.SIGCONT)
        self.check_all_told(hook, people)
        self.assertEqual(self.expect(self.api.get(f"{HOOKS}/{hook['id']}"), 200)["status"],
            "enabled")
        self.stop()


class FirstStart(Torture):
    """A database that does not exist yet is made in several steps."""

    def setUp(self):
        super().setUp()
        self.usher = self.own_usher()

    def check_starts(self):
        self.restart()
        self.expect(self.api.get("/mangoes"), 200)
        self.stop()
        for suffix in ("", "-wal", "-shm", ".key", ".first-key"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.usher.database + suffix)

    def test_killed_at_each_commit_of_it(self):
        for nth in range(1, 20):
            died = 0
            for site in ("store.commit.before", "store.commit.after"):
                self.usher.environment["USHER_CRASH"] = f"{site}:{nth}"
                try:
                    self.usher.start()
                    self.usher.kill()
                except RuntimeError:
                    self.assertEqual(self.usher.process.returncode, -signal.SIGKILL,
                        self.usher.log())
                    died += 1
                del self.usher.environment["USHER_CRASH"]
                self.check_starts()
            if died == 0:
                break
        if nth == 1:
            self.skipTest("this build has no crash sites")

    def test_killed_at_any_moment_of_it(self):
        for tenth in range(0, 12):
            process = subprocess.Popen(
                [Settings.usher, "serve", "--listen", "127.0.0.1:0", "--db", self.usher.database],
                env=self.usher.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(tenth / 50)
            process.kill()
            process.wait()
            self.check_starts()


class Stop(Torture):
    """SIGTERM, whatever goes on."""

    def test_during_an_upload(self):
        self.start("--drain-timeout-ms", "500")
        path = f"/mangoes/{self.mango()}/attendees"
        stopped = []

        def lines():
            yield b'{"name":"A","email":"a@example.com"}\n'
            stopped.append(self.usher.stop())
            yield b'{"name":"B","email":"b@example.com"}\n'

        client = Client(self.usher.base, self.api.key)
        with contextlib.closing(client), contextlib.suppress(OSError, http.client.HTTPException):
            answer = client.put(path, lines(), NDJSON)
            self.assertGreaterEqual(answer.status, 400, answer)
        self.assertEqual(stopped, [0], self.usher.log()[-4000:])
        self.restart()
        self.assertEqual(self.expect(self.api.get(path), 200)["data"], [])
        self.stop()

    def test_during_deliveries_that_take_longer_than_it_may_wait(self):
        self.start("--drain-timeout-ms", "500")
        hook = self.hook(maxInFlight=4)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=3600)
        people = self.people(20)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("some are in flight", lambda: len(self.calls(hook)) >= 2)
        self.stop()
        self.hooks.answers[hook["name"]] = lambda call: Reply()
        self.restart()
        self.check_all_told(hook, people)
        self.stop()

    def test_while_a_breaker_is_open(self):
        self.start()
        hook = self.hook()
        self.hooks.answers[hook["name"]] = lambda call: Reply(500)
        people = self.people(200)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("it is held to be failing", lambda: self.expect(
            self.api.get(f"{HOOKS}/{hook['id']}"), 200)["failingSince"] is not None)
        began = time.monotonic()
        self.stop()
        self.assertLess(time.monotonic() - began, 20)
        # That it fails is remembered; and what is owed waits.
        self.restart()
        shown = self.expect(self.api.get(f"{HOOKS}/{hook['id']}"), 200)
        self.assertIsNotNone(shown["failingSince"], shown)
        self.hooks.answers[hook["name"]] = lambda call: Reply()
        self.expect(self.api.post(f"{HOOKS}/{hook['id']}/enable"), 200)
        self.check_all_told(hook, people)
        self.stop()
