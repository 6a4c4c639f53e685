# SPDX-License-Identifier: Apache-2.0
"""`usher receive` from nothing: its first file, what a reload takes up, and what a crash leaves."""
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from harness import PATIENCE, Settings, eventually

BODY = {
    "name": "John Doe", "email": "john@example.com", "phone": 1234567890, "timezone": "+05:30",
    "callList": [{
        "webinar": "Introduction to Digital Marketing", "webinarId": "634fc35ddaf58580e2418c40",
        "webinarLink": "https://meet.google.com/abc-defg-hij",
        "webinarFromTime": "2024-03-15T10:00:00.000Z", "webinarToTime": "2024-03-15T11:00:00.000Z",
        "webinarFromTimeInCreatorTimezone": "2024-03-15T15:30:00.000Z",
        "webinarToTimeInCreatorTimezone": "2024-03-15T16:30:00.000Z",
        "creatorTimezone": "+05:30"}],
    "mangoes": "mango1, mango2, mango3"}
OPEN = "\n[source open]\naccept = none\n"


class Receive:
    """One process of it, in a folder."""

    def __init__(self, folder, *command):
        self.lines = []
        self.process = subprocess.Popen([Settings.usher, *(command or ("receive",))], cwd=folder,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.url = eventually("it listens", self.address)

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def address(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it has ended: {self.lines}")
        found = re.search(r"listening on (http://\S+)", "\n".join(self.lines))
        return found and found[1]

    def said(self, word):
        return [line for line in list(self.lines) if word in line]

    def post(self, path, body):
        """Status and what was answered."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
            {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def end(self, number):
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stderr.close()
        return code


class ReceiveStart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.conf = os.path.join(self.folder, "usher.conf")

    def run_usher(self, *arguments):
        clean = {name: value for name, value in os.environ.items()
            if not name.startswith("USHER_")}
        return subprocess.run([Settings.usher, *arguments], cwd=self.folder, timeout=PATIENCE,
            env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def init(self):
        """The path that the sender is told."""
        done = self.run_usher("receive", "--init", "--public-url", "https://hooks.example.com",
            "--listen", "127.0.0.1:0")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = re.search(r"(?m)^    https://hooks\.example\.com(/in/webinars/[\w-]{43})$",
            done.stdout)
        self.assertIsNotNone(found, done.stdout)
        self.assertIn(f'"hookUrl":"https://hooks.example.com{found[1]}"', done.stdout)
        return found[1]

    def start(self, *command):
        process = Receive(self.folder, *command)
        self.addCleanup(lambda: process.process.poll() is None and process.end(signal.SIGKILL))
        return process

    def add(self, text):
        with open(self.conf, "a", encoding="utf-8") as file:
            file.write(text)

    def rows(self, query):
        path = os.path.join(self.folder, "attendees.db")
        if not os.path.exists(path):
            return []
        with sqlite3.connect(path) as database:
            try:
                return database.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []  # not made yet
            finally:
                database.commit()

    def check_database(self):
        done = self.run_usher("db", "check", "--config", self.conf)
        self.assertEqual(done.returncode, 0, done)

    def test_the_first_file_works_as_it_is(self):
        path = self.init()
        self.assertEqual(stat.S_IMODE(os.stat(self.conf).st_mode), 0o600)
        with open(self.conf, encoding="utf-8") as file:
            self.assertNotIn(path.rsplit("/", 1)[1], file.read())
        self.assertEqual(self.run_usher("config", "check", "--config", self.conf).returncode, 0)
        receive = self.start()
        status, answer = receive.post(path, BODY)
        self.assertEqual((status, answer["status"]), (200, "accepted"))
        self.assertEqual(receive.post(path, BODY), (200, {**answer, "status": "duplicate"}))
        self.assertEqual(receive.post("/in/webinars/wrong", BODY)[0], 401)
        self.assertEqual(receive.post("/in/nobody", BODY)[0], 401)
        self.assertEqual(receive.post("/api/v1/webinars", BODY)[0], 404)
        with urllib.request.urlopen(receive.url + "/readyz", timeout=PATIENCE) as ready:
            self.assertEqual(ready.status, 200)
        eventually("it was handled", lambda: self.rows("SELECT email FROM attendees"))
        self.assertEqual(self.rows("SELECT email FROM attendees"), [("john@example.com",)])
        self.assertTrue(os.path.exists(os.path.join(self.folder, "inbox.db.first-key")))
        self.assertEqual(receive.end(signal.SIGTERM), 0)
        self.check_database()

    def test_it_says_what_to_do_where_there_is_nothing_to_receive_from(self):
        for arguments in ((), ("--listen", "127.0.0.1:0")):
            done = self.run_usher("receive", *arguments)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done)
            self.assertIn("usher receive --init --public-url https://HOST", done.stderr)
        done = self.run_usher("receive", "--init")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--public-url", done.stderr)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_file_is_never_written_over(self):
        self.init()
        with open(self.conf, encoding="utf-8") as file:
            before = file.read()
        done = self.run_usher("receive", "--init", "--public-url", "https://other.example.com")
        self.assertEqual(done.returncode, 2)
        self.assertIn("usher.conf is there already", done.stderr)
        with open(self.conf, encoding="utf-8") as file:
            self.assertEqual(file.read(), before)

    def test_secrets_that_others_may_read_are_refused(self):
        self.add("[source a]\naccept = basic\nbasic = me:secret\n")
        os.chmod(self.conf, 0o640)
        done = self.run_usher("receive")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done)
        self.assertIn("chmod 600 usher.conf", done.stderr)
        done = self.run_usher("config", "show", "--config", self.conf)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("me:secret", done.stdout)

    def test_a_reload_takes_up_what_is_good(self):
        path = self.init()
        receive = self.start()
        with open(self.conf, encoding="utf-8") as file:
            good = file.read()
        self.assertEqual(receive.post("/in/open", {"n": 1})[0], 401)

        self.add("\n[handler bad]\ntype = exce\n")
        receive.process.send_signal(signal.SIGHUP)
        eventually("it is refused", lambda: receive.said("config.refused"))
        self.assertIn("[handler bad]: type:", receive.said("config.refused")[0])
        self.assertEqual(receive.post(path, BODY)[0], 200)

        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(good + OPEN + "[handler seen]\ntype = exec\nsource = open\n"
                'command = sh -c "cat >> seen.txt; echo >> seen.txt"\n')
        receive.process.send_signal(signal.SIGHUP)
        eventually("it is taken up", lambda: receive.said("config.reloaded"))
        eventually("the source is there", lambda: receive.post("/in/open", {"n": 2})[0] == 200)
        seen = os.path.join(self.folder, "seen.txt")
        eventually("it is handled", lambda: os.path.exists(seen) and os.path.getsize(seen) > 0)
        receive.process.send_signal(signal.SIGUSR1)
        self.assertEqual(receive.post("/in/open", {"n": 3})[0], 200)

        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(good)
        receive.process.send_signal(signal.SIGHUP)
        eventually("the source is gone", lambda: receive.post("/in/open", {"n": 4})[0] == 401)
        self.assertEqual(receive.end(signal.SIGTERM), 0)
        self.check_database()

    def test_what_was_answered_is_there_after_a_kill(self):
        self.init()
        self.add(OPEN + "\n[handler seen]\ntype = exec\nsource = open\nconcurrency = 4\n"
            "command = sh -c 'cat > seen-$USHER_ID'\n")
        answered = {}
        for turn in range(3):
            receive = self.start()
            for number in range(20):
                status, answer = receive.post("/in/open", {"turn": turn, "n": number})
                self.assertEqual((status, answer["status"]), (200, "accepted"))
                answered[(turn, number)] = answer["id"]
            receive.end(signal.SIGKILL)
        receive = self.start()
        for (turn, number), item in answered.items():
            self.assertEqual(receive.post("/in/open", {"turn": turn, "n": number}),
                (200, {"status": "duplicate", "id": item}))
        with open(os.path.join(self.folder, "inbox.db.lock"), encoding="utf-8") as lock:
            self.assertEqual(int(lock.read()), receive.process.pid)
        eventually("all is handled",
            lambda: receive.process.poll() is None and len([name
                for name in os.listdir(self.folder) if name.startswith("seen-")]) == len(answered))
        self.assertEqual(receive.end(signal.SIGTERM), 0)
        self.check_database()

    def test_both_ends_in_one_process(self):
        path = self.init()
        done = self.start("serve", "--config", self.conf)
        self.assertTrue(done.said("inbox.ignored"), done.lines)
        self.assertEqual(done.post(path, BODY)[0], 404)
        self.assertEqual(done.end(signal.SIGTERM), 0)
        both = self.start("serve", "--with-inbox", "--config", self.conf)
        self.assertEqual(both.post(path, BODY)[0], 200)
        self.assertEqual(both.post("/api/v1/webinars", {})[0], 401)
        self.assertEqual(both.end(signal.SIGTERM), 0)
        self.check_database()


if __name__ == "__main__":
    unittest.main()
