# SPDX-License-Identifier: Apache-2.0
"""A hundred times: under load, the power goes. What was answered is there; what repeats was not on
disk yet, and keeps its id."""
import collections
import contextlib
import http.client
import os
import random
import shutil
import sqlite3
import struct
import tempfile
import threading
import time

from harness import (
    Client, HookServer, PatientClient, Reply, Settings, TestCase, eventually, webinar_body)

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "100"))
PEOPLE = 60
SEED = 20240315


def delivered_on_disk(database):
    """(sequence, position) of each delivery that the files of a dead process show as delivered."""
    with tempfile.TemporaryDirectory(prefix="usher-dead-") as folder:
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(database + suffix, folder)
        dead = sqlite3.connect(os.path.join(folder, os.path.basename(database)))
        found = set()
        for sequence, base, records in dead.execute(
                "SELECT event_pk, base, records FROM attempt_block JOIN fanout USING (fanout_pk)"):
            for index, packed in struct.iter_unpack("<HH4x", records):
                if 200 <= packed & 1023 < 300:
                    found.add((sequence, base + index))
        dead.close()
    return found


class Load(threading.Thread):
    """Tells events until it is stopped or the server dies; remembers those that were answered."""

    def __init__(self, usher, key, mango):
        super().__init__(daemon=True)
        self.usher, self.key, self.mango = usher, key, mango
        self.told = []
        self.is_over = False

    def run(self):
        client = Client(self.usher.base, self.key)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(client):
            while not self.is_over:
                answer = client.post("/webinars", webinar_body(mangoes=[self.mango]))
                if answer.status == 201:
                    self.told.append(answer.json["id"])
                time.sleep(0.01)


class Rounds(TestCase):
    """One database for all of them."""

    @classmethod
    def setUpClass(cls):
        cls.hooks = HookServer()
        cls.addClassCleanup(cls.hooks.stop)

    def setUp(self):
        self.name = f"t{next(self.serial)}"
        # The release: a hundred starts, and the load is what it is about.
        self.usher = self.own_usher(binary=Settings.plain).start()
        self.api = PatientClient(self.usher.base, self.usher.key("default"))
        self.chance = random.Random(SEED)

    def round(self, mango):
        """Load until the power goes; returns the webinars that were answered."""
        load = Load(self.usher, self.api.key, mango)
        load.start()
        time.sleep(self.chance.uniform(0.02, 0.4))
        self.usher.kill()
        load.is_over = True
        load.join()
        return load.told

    def test_a_hundred_kills_under_load(self):
        hook = self.hook(maxInFlight=16)
        calls = self.hooks.calls[hook["name"]]
        self.hooks.answers[hook["name"]] = lambda call: Reply(delay=self.chance.uniform(0, 0.01))
        people = self.people(PEOPLE)
        mango = self.mango(people=people)
        place = {person["email"]: i for i, person in enumerate(people)}
        told, on_disk, needless = [], set(), []
        for _ in range(ROUNDS):
            seen = len(calls)
            told += self.round(mango)
            needless += [call.id for call in calls[seen:]
                if (call.sequence, place[call.email]) in on_disk]
            on_disk = delivered_on_disk(self.usher.database)
            self.usher.start()
        self.api = PatientClient(self.usher.base, self.api.key)
        eventually("nothing is left to send", self.is_settled)

        ids = collections.defaultdict(set)
        for call in calls:
            ids[call.body["callList"][0]["webinarId"], call.email].add(call.id)
        missing = [(webinar, email) for webinar in told for email in place
            if (webinar, email) not in ids]
        repeats = len(calls) - len(ids)
        print(f"        {ROUNDS} kills: {len(told)} events answered, {len(ids)} deliveries, "
            f"{len(missing)} missing, {repeats} repeated", flush=True)
        self.assertEqual(missing, [])
        self.assertEqual({len(group) for group in ids.values()}, {1}, "an id changed")
        self.assertEqual(needless, [], "repeated, though it was on disk")
        self.assertGreater(repeats, 0, "no kill hit anything: the load is too small")
        self.assertEqual(self.usher.stop(), 0)

    def is_settled(self):
        cursor = ""
        while cursor is not None:
            page = self.expect(self.api.get(f"/events?limit=250{cursor}"), 200)
            for event in page["data"]:
                if any(hook["status"] == "sending" for hook in event["hooks"]):
                    return False
            cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
        return True
