# SPDX-License-Identifier: Apache-2.0
"""What cannot be kept is answered 503 and never 200, and taken when it can be; a handler that hangs
or fails holds up no other one and no caller."""
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import threading

from harness import Caller, Client, TestCase, eventually, quiet_port, rows

CALLS = 300
CALLERS = 4
REFUSED = 20
FITTING_MAX = 8000  # more calls than any room that is left on the small disk takes

GOOD = """
[source open]
accept = none

[handler good]
type = sql
database = {folder}/good.db
create = yes
attendees = no
sessions = no
concurrency = 64
"""

BAD = """
[handler hangs]
type = exec
command = sh -c 'echo $$ >> {folder}/hanging; exec sleep 86400'
concurrency = 2
timeout = 3600

[handler fails]
type = exec
command = false
concurrency = 2
attempts-max = 1

[handler held]
type = sql
database = {folder}/held.db
create = yes
concurrency = 64

[handler silent]
type = http
url = http://127.0.0.1:{silent}/
concurrency = 4
timeout = 3600

[handler away]
type = http
url = http://127.0.0.1:{away}/
"""


class Trouble(TestCase):
    """What all kinds of trouble have in common: calls, and what was answered to them."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.lock = threading.Lock()
        self.ids = {}  # of each call that was taken

    def begin(self, sections=GOOD, options=(), folder=None):
        self.usher = self.own_receiver(sections, ("--disk-reserve-mib", "1", *options))
        if folder is not None:
            self.usher.database = os.path.join(folder, "usher.db")
        self.usher.start()
        self.pages = Client(self.usher.base, prefix="")
        self.addCleanup(self.pages.close)

    def say(self, caller, call):
        """True if it was taken; what is refused says when to come again."""
        answer = caller.post("/in/open", {"call": call, "text": "x" * 2000})
        if answer.status != 200:
            self.expect_problem(answer, 503)
            self.assertGreater(int(answer.headers["retry-after"]), 0)
            return False
        with self.lock:
            known = self.ids.setdefault(call, answer.json["id"])
        self.assertEqual(known, answer.json["id"])
        return True

    def say_all(self, calls):
        """All of them by several callers at once; returns those that were refused."""
        calls, refused, faults = list(calls), [], []

        def work(own):
            try:
                with contextlib.closing(Caller(self.usher.base)) as caller:
                    refused.extend(call for call in own if not self.say(caller, call))
            except Exception as error:  # pylint: disable=broad-exception-caught
                faults.append(error)

        threads = [threading.Thread(target=work, args=(calls[number::CALLERS],), daemon=True)
            for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(faults, [])
        return refused

    def is_ready(self):
        return self.pages.get("/readyz").status == 200

    def check_trouble(self):
        """Calls are refused, and nothing is taken that is not kept; the pages are there."""
        refused = []
        with contextlib.closing(Caller(self.usher.base)) as caller:
            for call in range(1000, 1000 + FITTING_MAX):
                if not self.say(caller, call):
                    refused.append(call)
                if len(refused) == REFUSED:
                    break
        self.assertEqual(len(refused), REFUSED)
        self.assertFalse(self.is_ready())
        self.assertEqual(self.pages.get("/healthz").status, 200)
        self.assertIsNone(self.usher.process.poll())
        self.assertIn("intake.failed", self.usher.log())
        return refused

    def check_recovery(self, refused):
        """All goes on, and what was refused is taken when it comes again."""
        def repeat():
            refused[:] = self.say_all(refused)
            return not refused

        eventually("what was refused is taken", repeat)
        eventually("it is ready again", self.is_ready)
        self.assertEqual(self.say_all(range(2000, 2000 + CALLS)), [])
        self.assertIn("intake.recovered", self.usher.log())
        self.check_handled("good")
        self.check_stored()
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])

    def check_handled(self, name):
        eventually(f"{name} is done", lambda: self.usher.is_handled(name, "open"))
        found = [item for item, in rows(self.usher.path(f"{name}.db"), "SELECT id FROM events")]
        self.assertEqual(sorted(found), sorted(self.ids.values()))

    def check_stored(self):
        stored = [f"in_{pk:016x}" for pk, in self.usher.stored("SELECT inbox_pk FROM inbox")]
        self.assertEqual(sorted(stored), sorted(self.ids.values()))


@contextlib.contextmanager
def held(path):
    """Somebody else writes to the database, and is not done yet."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


class SmallDisk(Trouble):
    def mounted(self):
        folder = os.path.join(os.path.dirname(self.own_usher().database), "disk")
        os.mkdir(folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no small disk can be made here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)
        return folder

    @staticmethod
    def fill(folder):
        ballast = os.path.join(folder, "ballast")
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        return ballast

    def test_a_full_disk_takes_nothing_that_it_cannot_keep(self):
        folder = self.mounted()
        self.begin(folder=folder)
        self.assertEqual(self.say_all(range(CALLS)), [])
        ballast = self.fill(folder)
        refused = self.check_trouble()
        os.unlink(ballast)
        self.check_recovery(refused)

    def test_a_full_disk_of_a_handler_is_waited_for_and_no_caller_sees_it(self):
        folder = self.mounted()
        self.begin(GOOD + GOOD[GOOD.index("[handler"):].replace("good", "full")
            .replace("{folder}/full.db", f"{folder}/full.db"))
        self.assertEqual(self.say_all(range(CALLS)), [])
        eventually("both are done", lambda: self.usher.is_handled("good", "open")
            and self.usher.is_handled("full", "open"))
        ballast = self.fill(folder)
        taken = len(self.ids)
        self.assertEqual(self.say_all(range(1000, 1000 + CALLS * 4)), [])
        eventually("it is paused", lambda: "handler.paused" in self.usher.log())
        self.check_handled("good")
        self.assertGreater(len(self.ids), taken)
        self.assertFalse(self.usher.is_handled("full", "open"))
        os.unlink(ballast)
        self.usher.process.send_signal(signal.SIGUSR1)
        eventually("it goes on", lambda: self.usher.is_handled("full", "open"))
        found = [item for item, in rows(f"{folder}/full.db", "SELECT id FROM events")]
        self.assertEqual(sorted(found), sorted(self.ids.values()))
        self.assertEqual(self.usher.stored(
            "SELECT count(*) FROM handling WHERE dead_us IS NOT NULL"), [(0,)])
        self.check_stored()
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])


class StoreHeld(Trouble):
    def test_a_store_that_somebody_else_holds_takes_nothing(self):
        self.begin()
        self.assertEqual(self.say_all(range(CALLS)), [])
        with held(self.usher.database):
            refused = self.say_all(range(1000, 1000 + CALLERS))
            self.assertEqual(len(refused), CALLERS)
            self.assertFalse(self.is_ready())
        self.check_recovery(refused)


class BadHandlers(Trouble):
    def hanging(self):
        with contextlib.suppress(FileNotFoundError), \
                open(self.usher.path("hanging"), encoding="ascii") as file:
            return [int(line) for line in file]
        return []

    def handled(self, name):
        (count,), = self.usher.stored("SELECT handled FROM handler WHERE name = ?", name)
        return count

    def test_handlers_that_hang_or_fail_hold_up_nobody(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.begin(GOOD + BAD.replace("{silent}", str(silent.getsockname()[1]))
                .replace("{away}", str(quiet_port())), ("--drain-timeout-ms", "100"))
            # It makes its tables with the first item.
            self.assertEqual(self.say_all(range(1)), [])
            eventually("the owner's tables are there", lambda: self.handled("held") == 1)
            with held(self.usher.path("held.db")):
                self.assertEqual(self.say_all(range(1, CALLS)), [])
                self.check_handled("good")
                eventually("two programs hang", lambda: len(self.hanging()) == 2)
                eventually("the others have failed", lambda: self.usher.stored(
                    "SELECT count(*) FROM handling JOIN handler USING (handler_pk)"
                    " WHERE name = 'fails' AND dead_us IS NOT NULL") == [(CALLS,)])
                self.assertEqual([self.handled(name) for name in
                    ("good", "hangs", "fails", "held", "silent", "away")], [CALLS, 0, 0, 1, 0, 0])
                # Nor does what comes later wait for any of them.
                self.assertEqual(self.say_all(range(1000, 1000 + CALLS)), [])
                self.check_handled("good")
            eventually("the one that was held is done",
                lambda: self.usher.is_handled("held", "open"))
            self.check_handled("held")
            self.check_stored()
            self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])
        for program in self.hanging():
            eventually("it has ended", lambda program=program:
                not os.path.exists(f"/proc/{program}"))
