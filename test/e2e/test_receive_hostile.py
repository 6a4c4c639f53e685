# SPDX-License-Identifier: Apache-2.0
"""Callers who mean harm beside callers who do not: the good ones are all answered 200, and what the
others cost is bounded."""
import collections
import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

from front import FrontCase, sha256, statuses
from harness import PATIENCE, Caller, Settings, eventually

TOKEN = "a-token-that-nobody-guesses"
SECTIONS = f"""
quarantine-mib = 1
[source good]
accept = token
token-sha256 = {sha256(TOKEN)}
"""

# As the operator's manual has them: a handful of lines at once, then one a second.
LINES_BURST = 20
CONNECTIONS = 200


class Callers:
    """So many threads, each with a connection of its own; faults are what was not as expected."""

    def __init__(self, test, count, work):
        self.test, self.work = test, work
        self.faults, self.answers = [], collections.Counter()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True)
            for i in range(count)]

    def run(self, number):
        caller = self.test.caller()
        try:
            self.work(self, caller, number)
        except Exception as error:  # pylint: disable=broad-except  # told by the test's own thread
            self.faults.append(repr(error))

    def say(self, caller, path, body, status):
        answer = caller.post(path, body)
        with self.lock:
            self.answers[answer.status] += 1
            if answer.status != status:
                self.faults.append(f"{path}: {answer}")

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self):
        for thread in self.threads:
            thread.join(PATIENCE)
            self.test.assertFalse(thread.is_alive(), "a caller hangs")
        self.test.assertEqual(self.faults, [])


class Flood(FrontCase):
    sections = SECTIONS
    THREADS, EACH = 8, 300
    BAD_BYTES = 3000

    @classmethod
    def setUpClass(cls):
        usher, Settings.usher = Settings.usher, Settings.plain
        try:
            super().setUpClass()
        finally:
            Settings.usher = usher

    def kept_bytes(self):
        """All, and each peer's."""
        room = dict(self.usher.stored("SELECT peer, bytes FROM quarantine_room"))
        return room.pop(""), room

    def test_half_of_all_calls_have_a_wrong_token(self):
        bad = {"x": "b" * self.BAD_BYTES}

        def work(callers, caller, number):
            for n in range(self.EACH):
                callers.say(caller, f"/in/good/{TOKEN}", {"n": [number, n]}, 200)
                path = ("/in/good/guess%d" % n, "/in/good", "/in/nobody%d/x" % n)[n % 3]
                callers.say(caller, path, bad, 401)

        # As much as the buffers and pools of the way take once, before it is measured.
        Callers(self, self.THREADS, work).start().join()
        before, started = self.usher.resident_bytes(), time.monotonic()
        self.EACH *= 2
        flood = Callers(self, self.THREADS, work).start()
        while any(thread.is_alive() for thread in flood.threads):
            total, peers = self.kept_bytes()
            self.assertLessEqual(total, 1024 * 1024)
            self.assertTrue(all(held <= 256 * 1024 for held in peers.values()), peers)
            flood.threads[0].join(0.1)
        flood.join()

        calls = self.THREADS * self.EACH
        self.assertEqual(flood.answers, {200: calls, 401: calls})
        # The first half of the second flood says what the first one said.
        self.assertEqual(len(set(self.stored_bodies("good"))), calls)
        counts = self.counts()
        self.assertEqual(counts["good"], {"accepted": calls, "duplicate": calls // 2,
            "refused": calls})
        self.assertEqual(counts["(unknown)"], {"refused": calls // 2})
        self.assertLess(self.usher.resident_bytes() - before, 16 * 1024 * 1024)

        lines = [line for line in self.usher.log().split("\n") if "call.refused" in line]
        seconds = time.monotonic() - started + PATIENCE / 4  # the first flood's, at the most
        self.assertTrue(0 < len(lines) <= 2 * (LINES_BURST + seconds), len(lines))
        self.assertNotIn("guess", "".join(lines))
        total, peers = self.kept_bytes()
        (found, number), = self.usher.stored(
            "SELECT coalesce(sum(bytes), 0), count(*) FROM quarantine")
        self.assertEqual((total, sum(peers.values())), (found, found))
        self.assertGreater(number, 0)


class Slow(FrontCase):
    """slowhttptest, of Debian: 200 connections each that dawdle with head, body and answer."""

    sections = SECTIONS
    # Mode, and what is slow about it. -l: seconds after which the tool itself gives up.
    MODES = {
        "head": ("-H", "-i", "2", "-x", "24", "-p", "5", "-l", "120"),
        "body": ("-B", "-i", "2", "-x", "8", "-s", "8192", "-p", "5", "-l", "120"),
        "read": ("-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "3", "-p", "5", "-l",
            "120"),
    }

    def setUp(self):
        if shutil.which("slowhttptest") is None:
            self.skipTest("slowhttptest is not installed")

    def dawdle(self, mode):
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "slowhttptest",
            *self.MODES[mode], "-c", str(CONNECTIONS), "-r", "200",
            "-t", "POST" if mode == "body" else "GET", "-u", self.usher.base + "/in/good/" + TOKEN],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        return process

    def connections(self):
        page = self.caller_page()
        return int(re.search(r"(?m)^usher_http_connections (\d+)$", page)[1])

    def caller_page(self):
        caller = self.caller()
        caller.connection.request("GET", "/metrics")
        page = caller.connection.getresponse().read().decode()
        caller.close()
        return page

    def test_good_calls_are_answered_beside_slow_ones(self):
        is_over = threading.Event()
        slow = {mode: self.dawdle(mode) for mode in self.MODES}
        eventually("they are connected", lambda: self.connections() >= 2 * CONNECTIONS)

        def work(callers, caller, number):
            n = 0
            while not is_over.is_set():
                callers.say(caller, f"/in/good/{TOKEN}", {"n": [number, n]}, 200)
                n += 1
                is_over.wait(0.01)

        good = Callers(self, 4, work).start()
        # Who dawdles with a head or a body is cut off by us, and the tool says so.
        for mode in ("head", "body"):
            said, _ = slow[mode].communicate(timeout=2 * PATIENCE)
            self.assertIn("No open connections left", said, mode)
        is_over.set()
        good.join()
        stored = self.stored_bodies("good")
        self.assertEqual(len(stored), good.answers[200])
        self.assertGreater(len(stored), 1000)
        self.assertEqual(self.counts()["good"], {"accepted": len(stored)})


class Hoard(FrontCase):
    """Who opens connections and says nothing does not keep the others out."""

    sections = "threads = 1\nconnections-max = 64\ntrusted-proxy = 127.0.0.2/32\n" + SECTIONS
    SHARE = 32

    def hoard(self, source, count):
        """Connections with the first line of a request each."""
        url = urllib.parse.urlsplit(self.usher.base)
        held = []
        for _ in range(count):
            connection = socket.create_connection((url.hostname, url.port), timeout=PATIENCE,
                source_address=(source, 0))
            self.addCleanup(connection.close)
            connection.sendall(b"POST /in/good HTTP/1.1\r\n")
            held.append(connection)
        return held

    def call_from(self, source):
        """Its status; 0 when it was turned away before it could ask."""
        caller = Caller(self.usher.base)
        caller.connection.source_address = (source, 0)
        with contextlib.closing(caller), contextlib.suppress(ConnectionError):
            return caller.post(f"/in/good/{TOKEN}", {"from": source}).status
        return 0

    def test_one_address_takes_no_more_than_its_share(self):
        held = self.hoard("127.0.0.5", self.SHARE + 40)
        self.assertEqual(self.call_from("127.0.0.6"), 200)
        self.assertIn(self.call_from("127.0.0.5"), (0, 503))
        for connection in held:
            connection.close()
        eventually("there is room again", lambda: self.call_from("127.0.0.5") == 200)

    def test_there_are_many_behind_a_proxy(self):
        for connection in self.hoard("127.0.0.2", self.SHARE + 10):
            connection.sendall(b"Host: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            self.assertEqual(statuses(connection.recv(65536)), [401])
