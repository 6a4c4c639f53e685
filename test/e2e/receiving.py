# SPDX-License-Identifier: Apache-2.0
"""What the tests of handlers stand on: the published bodies, a process of their own, and a mail
server."""
import collections
import functools
import json
import os
import subprocess
import tempfile
import threading
import unittest

from harness import (PATIENCE, ROOT, Caller, HookServer, Receiver, check_database, eventually)

NAUGHTY = os.path.join(ROOT, "..", "shared", "testdata", "blns.json")
JSON_SUITE = os.path.join(ROOT, "..", "shared", "testdata", "json", "test_parsing")
SYSTEM_PYTHON = "/usr/bin/python3"
LINK = "https://meet.google.com/abc-defg-hij"


def session(title="Introduction to Digital Marketing", number=0, day=15):
    """One webinar of a callList, as published."""
    return {"webinar": title, "webinarId": f"634fc35ddaf58580e2418c{0x40 + number:02x}",
        "webinarLink": LINK, "webinarFromTime": f"2034-03-{day}T10:00:00.000Z",
        "webinarToTime": f"2034-03-{day}T11:00:00.000Z",
        "webinarFromTimeInCreatorTimezone": f"2034-03-{day}T15:30:00.000Z",
        "webinarToTimeInCreatorTimezone": f"2034-03-{day}T16:30:00.000Z",
        "creatorTimezone": "+05:30"}


def created(**fields):
    """webinar.created.single, as published."""
    return {"name": "John Doe", "email": "john@example.com", "phone": 1234567890,
        "timezone": "+05:30", "callList": [session()], "mangoes": "mango1, mango2, mango3",
        **fields}


class MailServer:
    """aiosmtpd, under the Python whose package it is. mails: by address, those that came."""

    def __init__(self):
        self.mails = collections.defaultdict(list)
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, os.path.join(ROOT, "test", "e2e", "mail_server.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline().split()
        if first[:2] != ["listening", "on"]:
            raise AssertionError("the mail server does not start: is python3-aiosmtpd there?")
        self.port = int(first[2])
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            mail = json.loads(line)
            for address in mail["envelope"][1]:
                self.mails[address].append(mail)

    def arrived(self, address, count=1):
        eventually(f"{count} mails to {address}", lambda: len(self.mails[address]) >= count)
        return self.mails[address]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.process.stdout.close()


class ReceiveCase(unittest.TestCase):
    """A folder, an endpoint to pass calls on to, a mail server, and what a test starts."""

    maxDiff = 2000

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.usher = self.caller = self.api = None

    @functools.cached_property
    def hooks(self):
        server = HookServer()
        self.addCleanup(server.stop)
        return server

    @functools.cached_property
    def mail(self):
        server = MailServer()
        self.addCleanup(server.stop)
        return server

    def start(self, sections):
        """With these sources and handlers, in which {folder} is our own."""
        self.usher = Receiver(self.folder, sections)
        self.addCleanup(check_database, self.usher)
        self.usher.start()
        self.addCleanup(self.stop)
        self.caller = Caller(self.usher.base)
        self.addCleanup(self.caller.close)
        self.api = self.usher.client()
        self.addCleanup(self.api.close)

    def stop(self):
        """Whatever was done to it, it ends well."""
        code = self.usher.stop()
        if code != 0:
            raise AssertionError(f"usher exited with {code}:\n{self.usher.log()[-8000:]}")

    def accept(self, source, body, headers=None):
        """Posts what must be taken; returns the item's id."""
        answer = self.caller.post(f"/in/{source}", body, headers)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["status"], "accepted", answer)
        return answer.json["id"]

    def get(self, path):
        answer = self.api.get(path)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def all_of(self, path):
        """All rows of a list, over all its pages."""
        found, page = [], self.get(f"{path}?limit=250")
        while True:
            found += page["data"]
            if page["nextCursor"] is None:
                return found
            page = self.get(f"{path}?limit=250&cursor={page['nextCursor']}")

    def handled(self, source, *handlers):
        """Waits until none of them owes anything to what came from there."""
        for handler in handlers:
            eventually(f"{handler} is done",
                functools.partial(self.usher.is_handled, handler, source))

    def read(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()
