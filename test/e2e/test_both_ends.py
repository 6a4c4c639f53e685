# SPDX-License-Identifier: Apache-2.0
"""From `usher serve` to `usher receive`, signed, while both are killed: whoever attends is in the
receiver's table once, with what was said last."""
import collections
import contextlib
import functools
import json
import os
import random
import sqlite3
import time

from harness import (
    EVENT, HOOKS, Caller, PatientClient, Settings, TestCase, eventually, quiet_port, receiver, rows)

PEOPLE = int(os.environ.get("BOTH_ENDS_PEOPLE", "50000"))
PEOPLE_OF_ONE = 2000
KILLS = 6  # three of each end
SEED = int(os.environ.get("BOTH_ENDS_SEED", "20240315"))
BATCH = 10000
FOREVER = 600  # seconds; a ceiling for all calls of a hundred thousand, on a busy machine

SECTIONS = """
[source webinars]
accept = signature
signature = standard-webhooks
secret = {secret}

[handler rows]
type = sql
database = {folder}/owner.db
create = yes
concurrency = 64
attendees = no
events = no
sessions = sessions
sessions-columns = webinar=title, email=mail
"""

# Each effective change of the owner's table leaves a line.
OWNER = """
PRAGMA journal_mode = WAL;
CREATE TABLE sessions (webinar_id TEXT, person TEXT, title TEXT, mail TEXT, usher_sequence INTEGER,
    PRIMARY KEY (webinar_id, person));
CREATE TABLE line (number INTEGER PRIMARY KEY, mail TEXT, title TEXT, sequence INTEGER);
CREATE TRIGGER a AFTER INSERT ON sessions BEGIN INSERT INTO line (mail, title, sequence)
    VALUES (new.mail, new.title, new.usher_sequence); END;
CREATE TRIGGER b AFTER UPDATE ON sessions BEGIN INSERT INTO line (mail, title, sequence)
    VALUES (new.mail, new.title, new.usher_sequence); END;
"""
# Whoever is away for a moment is tried again soon.
SENDING = ("--allow-private-hooks", "--retry-delays", ",".join(["1"] * 60), "--attempts-max", "61")


class Ends(TestCase):
    """What one process with both ends has in common with two."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.chance = random.Random(SEED)
        self.kills = collections.Counter()

    def prepare(self, inbox):
        with contextlib.closing(sqlite3.connect(inbox.path("owner.db"))) as owner:
            owner.executescript(OWNER)
        inbox.listen = f"127.0.0.1:{quiet_port()}"

    def connect(self):
        self.api = PatientClient(self.usher.base, self.usher.key("default"))
        self.addCleanup(self.api.close)

    def make_hook(self):
        return self.expect(self.api.post(HOOKS, {"event": EVENT,
            "hookUrl": f"http://{self.inbox.listen}/in/webinars"}), 201)

    def lines(self, what="*", rest=""):
        return rows(self.inbox.path("owner.db"), f"SELECT {what} FROM line {rest}")

    def changes(self):
        return self.lines("coalesce(max(number), 0)")[0][0]

    def kill(self, end):
        end.kill()
        end.start()
        self.kills[end.subcommand] += 1
        if end is self.usher:
            self.connect()

    def run_through(self, people, ends):
        """All are told; meanwhile the ends die, and the webinar gets another title."""
        mango = self.mango()
        for begin in range(0, len(people), BATCH):
            self.import_people(f"/mangoes/{mango}/attendees", people[begin:begin + BATCH])
        webinar = self.webinar(mangoes=[mango], title="first")
        # The first ones are told, and all of them at least once: each moment will come.
        moments = [(moment, functools.partial(self.kill, ends[number % len(ends)])) for
            number, moment in enumerate(self.chance.sample(range(1, len(people)), KILLS))]
        moments.append((self.chance.randrange(len(people) // 20, len(people) // 5),
            lambda: self.expect(self.api.patch(f"/webinars/{webinar['id']}", {"title": "last"}),
                200)))
        for moment, act in sorted(moments, key=lambda pair: pair[0]):
            eventually(f"{moment} changes", lambda moment=moment: self.changes() >= moment, FOREVER)
            act()
        eventually("all has been sent", self.is_sent, FOREVER)
        eventually("all is handled", lambda: self.inbox.is_handled("rows", "webinars"), FOREVER)

    def is_sent(self):
        events = self.expect(self.api.get("/events?limit=10"), 200)["data"]
        return all(hook["status"] != "sending" for event in events for hook in event["hooks"])

    def check(self, people):
        mails = {person["email"] for person in people}
        for event in self.settled():
            hook, = event["hooks"]
            self.assertEqual((hook["total"], hook["dead"]), (len(people), 0), hook)
        found = rows(self.inbox.path("owner.db"), "SELECT mail, title FROM sessions")
        self.assertEqual(len(found), len(people))
        self.assertEqual(set(found), {(mail, "last") for mail in mails})
        told = collections.defaultdict(list)
        for mail, title, sequence in self.lines("mail, title, sequence", "ORDER BY number"):
            told[mail].append((sequence, title))
        for mail, changes in told.items():
            sequences = [sequence for sequence, _ in changes]
            self.assertEqual(sequences, sorted(set(sequences)), mail)
            self.assertIn([title for _, title in changes], (["last"], ["first", "last"]), mail)
        (items, repeated, ids), = self.inbox.stored(
            "SELECT count(*), sum(duplicates), count(DISTINCT sender_id) FROM inbox")
        self.assertEqual(items, ids)
        dead, = self.inbox.stored("SELECT count(*) FROM handling WHERE dead_us IS NOT NULL")
        self.assertEqual(dead, (0,))
        self.assertEqual(self.inbox.stored(
            "SELECT count(*) FROM inbox WHERE flags & 1 <> 0"), [(0,)], "unrecognised")
        self.assertEqual(set(self.kills.values()), {KILLS // len(self.kills)})
        print(f"        {len(people)} people, {sum(self.kills.values())} kills (seed {SEED}): "
            f"{items} items, {sum(map(len, told.values()))} changes, 0 missing, "
            f"{repeated} repeated", flush=True)

    def signed(self, secret, identity, sequence, body):
        now = str(int(time.time()))
        return {"webhook-id": identity, "webhook-timestamp": now, "x-usher-event": EVENT,
            "x-usher-sequence": str(sequence), "webhook-signature":
                "v1," + receiver.sign(receiver.secret_bytes(secret), identity, now, body)}

    def check_strangers(self, secret):
        """What is old is kept and not handled; what is not signed is not taken."""
        body, sequence, newest = self.inbox.stored("SELECT body, sender_sequence, (SELECT"
            " max(sender_sequence) FROM inbox) FROM inbox ORDER BY sender_sequence LIMIT 1")[0]
        self.assertLess(sequence, newest)
        before = self.changes()
        other = json.loads(body)
        other.update(email="somebody@example.com", name="Somebody Else")
        other = json.dumps(other).encode()
        with contextlib.closing(Caller(self.inbox.base)) as caller:
            for identity, text, number in (("old", body, sequence), ("new", other, newest + 1)):
                answer = caller.post("/in/webinars", text,
                    self.signed(secret, identity, number, text))
                self.assertEqual((answer.status, answer.json["status"]), (200, "accepted"))
            forged = self.signed(secret, "forged", newest + 2, other)
            self.assertEqual(caller.post("/in/webinars", other + b" ", forged).status, 401)
            self.assertEqual(caller.post("/in/webinars", other).status, 401)
        eventually("the new one is handled", lambda: self.inbox.is_handled("rows", "webinars"))
        self.assertEqual(self.lines("mail, title", f"WHERE number > {before}"),
            [("somebody@example.com", "first")])
        self.assertEqual(self.inbox.stored("SELECT sender_id FROM inbox WHERE flags & 4 <> 0"
            " AND sender_sequence = ? AND sender_id = 'old'", sequence), [("old",)])

    def stop(self, *ends):
        for end in ends:
            self.assertEqual(end.stop(), 0, end.log()[-4000:])


class BothEnds(Ends):
    def test_all_attend_once_though_both_ends_are_killed(self):
        self.usher = self.own_usher(SENDING, binary=Settings.plain).start()
        self.connect()
        self.inbox = self.own_receiver(binary=Settings.plain)
        self.prepare(self.inbox)
        secret = self.make_hook()["secret"]
        self.inbox.write(SECTIONS.replace("{secret}", secret))
        self.inbox.start()
        people = self.people(PEOPLE)
        self.run_through(people, [self.usher, self.inbox])
        self.check(people)
        self.check_strangers(secret)
        self.stop(self.usher, self.inbox)


class OneProcess(Ends):
    def test_both_ends_in_one_store_survive_together(self):
        self.usher = self.inbox = self.own_receiver(
            "[source webinars]\naccept = none\n", (*SENDING, "--with-inbox"), Settings.plain)
        self.usher.subcommand = "serve"
        self.prepare(self.inbox)
        self.usher.start()
        self.assertEqual(self.usher.base, f"http://{self.inbox.listen}")
        self.connect()
        secret = self.make_hook()["secret"]
        self.inbox.write(SECTIONS.replace("{secret}", secret))
        self.kill(self.inbox)
        self.kills.clear()
        people = self.people(PEOPLE_OF_ONE)
        self.run_through(people, [self.usher])
        self.check(people)
        self.check_strangers(secret)
        self.stop(self.usher)
