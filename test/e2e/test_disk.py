# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, a file that may not grow, a database that somebody else holds: what cannot
be kept is refused, what was accepted is not lost, and all goes on when it can."""
import collections
import contextlib
import os
import resource
import sqlite3
import subprocess

from harness import Client, HookServer, PatientClient, Reply, TestCase, eventually, webinar_body

PEOPLE = 2000
IN_FLIGHT = 8


class Trouble(TestCase):
    """What all kinds of trouble with the disk have in common."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"

    def begin(self, folder=None):
        """A server in the midst of deliveries."""
        self.usher = self.own_usher(("--allow-private-hooks", "--disk-reserve-mib", "1"))
        if folder is not None:
            self.usher.database = os.path.join(folder, "usher.db")
        self.usher.start()
        self.api = PatientClient(self.usher.base, self.usher.key("default"))
        self.addCleanup(self.api.close)
        self.pages = Client(self.usher.base, prefix="")
        self.addCleanup(self.pages.close)
        hook = self.hook(maxInFlight=IN_FLIGHT)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.005)
        self.group = self.mango(people=self.people(PEOPLE))
        self.accepted = [self.webinar(mangoes=[self.group], title="first")]
        eventually("the first calls", lambda: len(self.calls(hook)) >= 200)
        return hook

    def failing_checks(self):
        checks = self.pages.get("/readyz").json["checks"]
        return {name for name, check in checks.items() if check["status"] != "ok"}

    def refused(self):
        """Asks for a change until one is refused; those before it were accepted."""
        answer = self.api.post("/webinars", webinar_body(mangoes=[self.group], title="more"))
        if answer.status == 201:
            self.accepted.append(answer.json)
            return None
        return answer

    def check_trouble(self, hook):
        """Reads are answered, writes are refused for now, and nothing is sent that could not be
        recorded."""
        answer = eventually("a change is refused", self.refused)
        self.expect_problem(answer, 503)
        self.assertIn("retry-after", answer.headers)
        eventually("the flush has failed", lambda: "flush.failed" in self.usher.log())
        self.assertEqual(self.pages.get("/readyz").status, 503)
        self.assertIn("store", self.failing_checks())
        self.assertEqual(self.pages.get("/healthz").status, 200)
        sent = len(self.calls(hook))
        for _ in range(300):
            self.expect(self.api.get(f"/webinars/{self.accepted[0]['id']}"), 200)
        self.assertLessEqual(len(self.calls(hook)), sent + IN_FLIGHT)
        sent = len(self.calls(hook))
        for _ in range(100):
            self.expect(self.api.get(f"/webinars/{self.accepted[0]['id']}"), 200)
        self.assertEqual(len(self.calls(hook)), sent)
        self.assertIsNone(self.usher.process.poll())

    def check_recovery(self, hook):
        eventually("it is ready again", lambda: self.pages.get("/readyz").status == 200)
        self.accepted.append(self.webinar(mangoes=[self.group], title="last"))
        events = self.settled()
        self.assertEqual({event["webinar"] for event in events},
            {webinar["id"] for webinar in self.accepted})
        told = collections.defaultdict(set)
        for call in self.calls(hook):
            told[(call.sequence, call.email)].add(call.id)
        self.assertEqual(len(told), len(self.accepted) * PEOPLE)
        self.assertEqual({len(ids) for ids in told.values()}, {1})
        for event in events:
            self.assertEqual(event["hooks"][0]["delivered"], PEOPLE)
        done = self.usher.command("db", "check", "--db", self.usher.database)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])


class FullDisk(Trouble):
    def mounted(self):
        folder = os.path.join(self.own_folder(), "disk")
        os.mkdir(folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder],
            capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no small disk can be made here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)
        return folder

    def own_folder(self):
        return os.path.dirname(self.own_usher().database)

    def test_a_full_disk_loses_nothing_that_was_accepted(self):
        folder = self.mounted()
        hook = self.begin(folder)
        self.assertEqual(self.failing_checks(), set())
        ballast = os.path.join(folder, "ballast")
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        self.assertIn("disk", self.failing_checks())
        self.check_trouble(hook)
        detail = self.pages.get("/readyz").json["checks"]["disk"]["detail"]
        self.assertIn("0 MiB are free", detail)
        os.unlink(ballast)
        self.check_recovery(hook)


class SmallFiles(Trouble):
    def test_files_that_may_not_grow_lose_nothing_that_was_accepted(self):
        hook = self.begin()
        process = self.usher.process.pid
        resource.prlimit(process, resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
        self.check_trouble(hook)
        resource.prlimit(process, resource.RLIMIT_FSIZE,
            (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.check_recovery(hook)


class HeldByAnother(Trouble):
    @contextlib.contextmanager
    def held(self):
        with contextlib.closing(sqlite3.connect(self.usher.database, isolation_level=None)) as held:
            held.execute("BEGIN IMMEDIATE")
            yield
            held.execute("ROLLBACK")

    def test_a_database_that_somebody_else_writes_to_is_waited_for(self):
        hook = self.begin()
        with self.held():
            self.check_trouble(hook)
        self.check_recovery(hook)

    def test_what_nobody_writes_to_is_found_to_be_well_again(self):
        self.begin()
        self.settled()
        with self.held():
            self.assertEqual(self.refused().status, 503)
            self.assertEqual(self.failing_checks(), {"store"})
        eventually("it is ready again", lambda: self.pages.get("/readyz").status == 200)
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])
