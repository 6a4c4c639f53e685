# SPDX-License-Identifier: Apache-2.0
"""Copies of the database and back, beside a server and under load."""
import collections
import contextlib
import os
import sqlite3

from harness import HookServer, PatientClient, Reply, TestCase, eventually


class Backup(TestCase):
    """Each test has a server of its own."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"
        self.usher = self.own_usher().start()
        self.connect()
        self.copy = os.path.join(os.path.dirname(self.usher.database), "copy.db")

    def connect(self):
        self.api = PatientClient(self.usher.base, self.usher.key("default"))
        self.addCleanup(self.api.close)

    def restart(self):
        self.usher.start()
        self.connect()

    def run_command(self, *words, code=0):
        done = self.usher.command(*words, "--db", self.usher.database)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def change(self, *statements):
        with contextlib.closing(sqlite3.connect(self.usher.database)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    def stop(self):
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])

    def test_what_was_sent_since_the_copy_comes_again_under_the_same_ids(self):
        hook = self.hook(maxInFlight=8)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.002)
        mango = self.mango(people=self.people(1500))
        self.webinar(mangoes=[mango], title="before")
        eventually("200 calls", lambda: len(self.calls(hook)) >= 200)
        said = self.run_command("backup", self.copy)
        self.assertIn("usher.db.key", said)
        copied_at = len(self.calls(hook))
        eventually("more calls", lambda: len(self.calls(hook)) >= copied_at + 300)
        lost = self.webinar(title="after", mangoes=[mango])  # and this the copy has never seen
        eventually("calls of the second webinar", lambda: any(
            call.title == "after" for call in self.calls(hook)))
        self.assertIn(str(self.usher.process.pid), self.run_command("restore", self.copy, code=2))
        self.usher.kill()
        killed_at = len(self.calls(hook))
        said = self.run_command("restore", self.copy)
        self.assertIn(".before-", said)
        self.assertIn("no fault found", self.run_command("db", "check"))
        self.restart()
        self.settled()
        before, after = self.calls(hook)[:killed_at], self.calls(hook)[killed_at:]
        self.assertEqual(self.api.get(f"/webinars/{lost['id']}").status, 404)
        ids = collections.defaultdict(set)
        for call in before + after:
            if call.title == "before":
                ids[call.email].add(call.id)
        self.assertEqual(len(ids), 1500)
        self.assertEqual({len(group) for group in ids.values()}, {1})
        again = {call.id for call in after}
        for call in before[copied_at:]:
            if call.title == "before":
                self.assertIn(call.id, again)
        self.webinar(title="new", mangoes=[mango])
        eventually("the new event", lambda: self.calls(hook)[-1].title == "new")
        self.assertGreater(self.calls(hook)[-1].sequence, max(call.sequence for call in before))
        self.settled()
        self.assertIn("no fault found", self.run_command("db", "check"))
        self.stop()

    def test_the_database_that_was_there_can_be_had_back(self):
        first = self.webinar(title="first")
        self.run_command("backup", self.copy)
        second = self.webinar(title="second")
        self.usher.kill()  # its log is not in the file yet
        self.run_command("restore", self.copy)
        folder = os.path.dirname(self.usher.database)
        kept, = [name for name in os.listdir(folder)
            if ".before-" in name and not name.endswith(("-wal", "-shm"))]
        self.restart()
        self.expect(self.api.get(f"/webinars/{first['id']}"), 200)
        self.expect_problem(self.api.get(f"/webinars/{second['id']}"), 404)
        self.stop()
        again = os.path.join(folder, "again.db")
        done = self.usher.command("backup", again, "--db", os.path.join(folder, kept))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.run_command("restore", again)
        self.restart()
        self.expect(self.api.get(f"/webinars/{second['id']}"), 200)
        self.stop()

    def test_a_copy_is_never_written_over_something_else(self):
        with open(self.copy, "w", encoding="ascii") as file:
            file.write("mine")
        self.assertIn("--force", self.run_command("backup", self.copy, code=2))
        with open(self.copy, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")
        self.run_command("backup", self.copy, "--force")
        self.assertEqual(os.stat(self.copy).st_mode & 0o777, 0o600)
        self.assertIn("itself", self.run_command("backup", self.usher.database, "--force", code=2))
        self.assertIn("FILE", self.run_command("backup", code=2))
        self.assertIn("FILE", self.run_command("restore", code=2))
        folder = os.path.dirname(self.usher.database)
        self.assertEqual([name for name in os.listdir(folder) if name.startswith("copy.db.")], [])
        self.stop()
        self.run_command("backup", self.copy, "--force")
        self.assertEqual([name for name in os.listdir(folder) if name.endswith(("-wal", "-shm"))],
            [])

    def test_a_copy_that_is_no_good_changes_nothing(self):
        webinar = self.webinar()
        self.run_command("backup", self.copy)
        self.stop()
        with open(self.copy, "r+b") as file:
            file.seek(5 * 8192)
            file.write(b"\x5a" * 3000)
        self.assertIn("cannot be restored", self.run_command("restore", self.copy, code=1))
        with open(self.copy, "wb") as file:
            file.write(b"hello")
        self.run_command("restore", self.copy, code=1)
        self.run_command("restore", self.copy + ".not", code=2)
        folder = os.path.dirname(self.usher.database)
        self.assertEqual([name for name in os.listdir(folder) if ".before-" in name], [])
        self.restart()
        self.expect(self.api.get(f"/webinars/{webinar['id']}"), 200)
        self.stop()

    def test_a_check_says_what_does_not_fit_together(self):
        hook = self.hook()
        self.webinar(mangoes=[self.mango(people=self.people(20))])
        self.arrived(hook, 20)
        self.assertIn("no fault found", self.run_command("db", "check"))  # beside the server
        self.settled()
        self.change("UPDATE fanout SET delivered = delivered - 1",
            "UPDATE audience_group SET live = live + 1")
        said = self.run_command("db", "check", code=1)
        self.assertEqual(len(said.splitlines()), 2, said)
        self.assertIn("fan-outs that have lost count", said)
        self.assertIn("groups that have lost count", said)
        self.stop()
        self.change("UPDATE fanout SET delivered = delivered + 1",
            "UPDATE audience_group SET live = live - 1")
        self.assertIn("no fault found", self.run_command("db", "check"))
        done = self.usher.command("db", "check", "--db", self.usher.database + ".not")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertFalse(os.path.exists(self.usher.database + ".not"))
