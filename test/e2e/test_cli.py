# SPDX-License-Identifier: Apache-2.0
"""The command line that scripts rely on."""
import os
import subprocess
import tempfile
import unittest

from harness import Settings, TestCase


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_usher(self, *arguments, **environment):
        clean = {name: value for name, value in os.environ.items()
            if not name.startswith("USHER_")}
        return subprocess.run([Settings.usher, *arguments], cwd=self.folder, timeout=60,
            env={**clean, **environment}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def check_wrong_use(self, done, *words):
        self.assertEqual(done.returncode, 2, done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_help_and_version(self):
        done = self.run_usher("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("serve", done.stdout)
        done = self.run_usher("serve", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("--listen", "--db", "--allow-private-hooks", "--config", "--threads"):
            self.assertIn(option, done.stdout)
        done = self.run_usher("--version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"^usher \d+\.\d+\.\d+")

    def test_wrong_use_is_one_line_and_exit_code_2(self):
        self.check_wrong_use(self.run_usher("sevre"), "sevre")
        self.check_wrong_use(self.run_usher("serve", "--lisen", "127.0.0.1:0"), "--lisen")
        self.check_wrong_use(self.run_usher("serve", "--listen"), "--listen")
        self.check_wrong_use(self.run_usher("serve", "--listen", "nonsense"), "listen")
        self.check_wrong_use(self.run_usher("serve", "--threads", "many"), "threads")
        self.check_wrong_use(self.run_usher("serve", "--allow-hook-cidr", "10.0.0.1/8"), "10.0.0.1")
        self.check_wrong_use(self.run_usher("key", "create"), "--account")
        self.check_wrong_use(self.run_usher("serve", USHER_LISEN="127.0.0.1:0"), "USHER_LISEN")
        self.assertEqual(self.run_usher().returncode, 2)

    def test_a_wrong_configuration_names_file_and_line(self):
        path = self.write("usher.conf", "listen = 127.0.0.1:0\n\nthreds = 2\n")
        self.check_wrong_use(self.run_usher("serve", "--config", path), "usher.conf:3", "threds")
        self.check_wrong_use(self.run_usher("config", "check", "--config", path), "usher.conf:3")
        self.check_wrong_use(self.run_usher("serve", "--config", path + ".none"), "usher.conf.none")

    def test_flag_over_environment_over_file(self):
        path = self.write("usher.conf", "threads = 1\nlisten = 127.0.0.1:1111\n")
        shown = self.run_usher("config", "show", "--config", path)
        self.assertEqual(shown.returncode, 0, shown)
        self.assertIn("1111", shown.stdout)
        shown = self.run_usher("config", "show", "--config", path, USHER_LISTEN="127.0.0.1:2222")
        self.assertIn("2222", shown.stdout)
        shown = self.run_usher("config", "show", "--config", path, "--listen", "127.0.0.1:3333",
            USHER_LISTEN="127.0.0.1:2222")
        self.assertIn("3333", shown.stdout)
        self.assertNotIn("2222", shown.stdout)
        self.assertEqual(self.run_usher("config", "check", "--config", path).returncode, 0)

    def test_a_place_that_cannot_be_used_is_told(self):
        done = self.run_usher("serve", "--db", "/nowhere/at/all.db", "--listen", "127.0.0.1:0")
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("/nowhere/at/all.db", done.stderr)


class FirstStart(TestCase):
    def test_it_makes_an_account_and_a_key_file_only_its_owner_reads(self):
        folder = os.path.dirname(self.usher.database)
        found = []
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                if name != os.path.basename(self.usher.log_path) and b"usk_" in file.read():
                    found.append(path)
        self.assertEqual(len(found), 1, os.listdir(folder))
        self.assertEqual(os.stat(found[0]).st_mode & 0o077, 0)
        self.assertIn(os.path.basename(found[0]), self.usher.log())
        self.assertNotIn("usk_", self.usher.log())
        with open(found[0], encoding="ascii") as file:
            key = file.read().strip()
        answer = self.api.get("/mangoes", headers={"x-api-key": key})
        self.expect(answer, 200)

    def test_a_key_is_made_while_the_server_runs(self):
        done = self.usher.command("key", "create", "--account", self.name, "--db",
            self.usher.database)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\Ausk_[A-Za-z0-9_-]{43}\n\Z")
        self.expect(self.api.get("/mangoes", headers={"x-api-key": done.stdout.strip()}), 200)

    def test_a_file_that_is_no_database_is_refused(self):
        usher = self.own_usher()
        with open(usher.database, "wb") as file:
            file.write(b"this is not a database, however long it may be" * 400)
        with self.assertRaises(RuntimeError) as raised:
            usher.start()
        self.assertIn(usher.process.returncode, (1, 2))
        self.assertIn(usher.database, str(raised.exception))
        os.remove(usher.database)
