# SPDX-License-Identifier: Apache-2.0
"""What is promised holds over a kill -9, a second process, a lost key and a stop."""
import collections
import contextlib
import http.client
import os
import time

from harness import (
    Client, EVENT, HOOKS, HookServer, PatientClient, Reply, Settings, TestCase, Usher, eventually,
    webinar_body)


class Crash(TestCase):
    """Each test has servers of its own to kill."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"
        self.usher = self.own_usher().start()
        self.connect()

    def connect(self):
        key = self.usher.key("default")
        self.api = PatientClient(self.usher.base, key)
        self.addCleanup(self.api.close)

    def restart(self):
        self.usher.start()
        self.connect()

    def stop(self):
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])

    def test_after_a_kill_none_is_missing_and_repeats_keep_their_id(self):
        hook = self.hook(maxInFlight=8)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.002)
        people = self.people(2000)
        mango = self.mango(people=people)
        self.webinar(mangoes=[mango])
        for share in (200, 700, 1200):
            eventually(f"{share} calls", lambda share=share: len(self.calls(hook)) >= share)
            self.usher.kill()
            self.restart()
        event, = self.settled()
        calls = self.calls(hook)
        ids = collections.defaultdict(set)
        for call in calls:
            ids[call.email].add(call.id)
        self.assertEqual(set(ids), {person["email"] for person in people})
        self.assertEqual({len(group) for group in ids.values()}, {1})
        self.assertEqual(event["hooks"][0]["delivered"], 2000)
        # Only what was sent since the last flush before each of the three kills comes again.
        self.assertLess(len(calls) - 2000, 1500)
        self.stop()

    def test_a_crash_at_a_commit_loses_nothing_that_was_answered(self):
        hook = self.hook()
        people = self.people(200)
        mango = self.mango(people=people)
        self.usher.kill()
        if self.starts_armed("store.commit.before:1"):
            self.skipTest("this build has no crash sites")
        # The start itself makes a commit or two.
        for nth in range(1, 9):
            for site in ("store.commit.before", "store.commit.after"):
                with self.subTest(site=site, nth=nth):
                    self.check_crash(hook, mango, people, f"{site}:{nth}")
        self.stop()

    def starts_armed(self, site):
        """Starts with a crash at that site and count; false if the start came as far as there."""
        self.usher.environment["USHER_CRASH"] = site
        try:
            self.usher.start()
        except RuntimeError:
            self.assertEqual(self.usher.process.returncode, -9, self.usher.log())
            return False
        finally:
            del self.usher.environment["USHER_CRASH"]
        return True

    def check_crash(self, hook, mango, people, site):
        """A webinar is made, and the process dies at that commit, or at one of its flushes."""
        before = len(self.calls(hook))
        self.usher.kill()
        answer = None
        if self.starts_armed(site):
            client = Client(self.usher.base, self.api.key)
            with contextlib.suppress(OSError, http.client.HTTPException), \
                    contextlib.closing(client):
                answer = client.post("/webinars", webinar_body(mangoes=[mango]))
            eventually("the end, or all is told", lambda: self.usher.process.poll() is not None
                or len(self.calls(hook)) >= before + len(people))
            self.usher.kill()
        self.restart()
        events = self.settled()
        ids = collections.defaultdict(set)
        for call in self.calls(hook)[before:]:
            ids[call.email].add(call.id)
        if answer is not None and answer.status == 201:
            self.assertEqual(set(ids), {person["email"] for person in people})
        # Not answered: it happened to all of them, or not at all.
        self.assertIn(len(ids), (0, len(people)))
        self.assertLessEqual({len(group) for group in ids.values()}, {1})
        self.assertTrue(all(event["hooks"][0]["delivered"] == len(people) for event in events))

    def test_what_was_answered_is_there_after_a_kill(self):
        hook = self.hook()
        self.hooks.down()
        try:
            mango = self.mango(people=self.people(10))
            webinar = self.webinar(mangoes=[mango])
            self.usher.kill()
        finally:
            self.hooks.up()
        self.restart()
        self.expect(self.api.get(f"/webinars/{webinar['id']}"), 200)
        self.assertEqual(len({call.email for call in self.wait_for(hook, 10)}), 10)
        self.stop()

    def wait_for(self, hook, count):
        eventually(f"{count} people told",
            lambda: len({call.email for call in self.calls(hook)}) >= count)
        return self.calls(hook)

    def test_failed_calls_are_still_due_after_a_kill(self):
        hook = self.hook()
        up = []
        self.hooks.answers[hook["name"]] = lambda call: Reply(200 if up else 500)
        self.webinar(mangoes=[self.mango(people=self.people(10))])
        eventually("10 failed calls", lambda: len(self.calls(hook)) >= 10)
        self.usher.kill()
        before = len(self.calls(hook))
        up.append(True)
        self.restart()
        self.settled()
        again = self.calls(hook)[before:]
        self.assertEqual(len({call.email for call in again}), 10)
        self.assertEqual({call.id for call in again}, {call.id for call in self.calls(hook)})
        self.stop()

    def test_a_stop_drains_and_the_rest_is_sent_after_the_start(self):
        hook = self.hook(maxInFlight=4)
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=0.05)
        people = self.people(400)
        self.webinar(mangoes=[self.mango(people=people)])
        eventually("the first calls", lambda: len(self.calls(hook)) > 8)
        started = time.monotonic()
        self.stop()
        self.assertLess(time.monotonic() - started, 35)
        stopped_at = len(self.calls(hook))
        self.assertLess(stopped_at, 400)
        self.hooks.answers[hook["name"]] = lambda call: Reply()
        self.restart()
        self.settled()
        emails = [call.email for call in self.calls(hook)]
        self.assertCountEqual(emails, [person["email"] for person in people])  # none twice
        self.stop()

    def test_a_second_process_on_the_same_file_is_refused(self):
        second = Usher(Settings.usher, os.path.dirname(self.usher.database))
        second.log_path += ".second"
        with self.assertRaises(RuntimeError) as raised:
            second.start()
        self.assertIn(str(self.usher.process.pid), str(raised.exception))
        self.assertIn(second.process.returncode, (1, 2))
        self.expect(self.api.get("/mangoes"), 200)
        self.stop()

    def test_secrets_cannot_be_read_from_the_database(self):
        secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "gentle-header-value", "s3cr3t-w0rd"]
        url = self.hooks.url("x").replace("http://", f"http://ann:{secrets[2]}@")
        self.expect(self.api.post(HOOKS, {"hookUrl": url, "event": EVENT, "secret": secrets[0],
            "headers": {"X-Team": secrets[1]}}), 201)
        made = self.hook()["secret"]
        self.stop()
        folder = os.path.dirname(self.usher.database)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                content = file.read()
            for secret in [*secrets, made, self.api.key]:
                self.assertNotIn(secret.encode(), content, name)
                self.assertNotIn(secret.removeprefix("whsec_").encode(), content, name)

    def test_without_its_key_the_database_is_not_opened(self):
        self.hook()
        self.stop()
        folder = os.path.dirname(self.usher.database)
        keys = [name for name in os.listdir(folder) if self.is_sealing_key(folder, name)]
        self.assertEqual(len(keys), 1, os.listdir(folder))
        path = os.path.join(folder, keys[0])
        self.assertEqual(os.stat(path).st_mode & 0o077, 0)
        with open(path, "rb") as file:
            right = file.read()
        os.unlink(path)
        self.check_refused()
        self.assertFalse(os.path.exists(path), "a new key was made for old secrets")
        wrong = right.translate(bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0"))
        self.assertNotEqual(wrong, right)
        self.write_key(path, wrong, 0o600)
        self.check_refused()
        self.write_key(path, right, 0o644)
        self.check_refused()
        os.chmod(path, 0o600)
        self.restart()
        self.stop()

    @staticmethod
    def is_sealing_key(folder, name):
        return "key" in name and "usk_" not in open(
            os.path.join(folder, name), encoding="latin-1").read()

    @staticmethod
    def write_key(path, content, mode):
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)

    def check_refused(self):
        with self.assertRaises(RuntimeError) as raised:
            self.usher.start()
        self.assertIn(self.usher.process.returncode, (1, 2))
        self.assertIn("key", str(raised.exception))
