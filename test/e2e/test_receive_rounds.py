# SPDX-License-Identifier: Apache-2.0
"""Two hundred times: while calls come in, the power goes. What was answered is there, and its
repetition is a duplicate; rows are written once for each item; a program is run again only for what
was in hand."""
import collections
import contextlib
import http.client
import os
import random
import shutil
import sqlite3
import tempfile
import threading

from harness import PATIENCE, Caller, Settings, TestCase, eventually, rows

ROUNDS = int(os.environ.get("INBOX_ROUNDS", "200"))
SEED = int(os.environ.get("INBOX_SEED", "20240315"))
CALLS_MAX = 200    # answered in one round
WRITERS = 4
ARMED_EVERY = 8    # rounds; such a one ends at a commit
ARMED_COMMITS = 30

SECTIONS = """
[source webinars]
accept = none

[source programs]
accept = none

[handler rows]
type = sql
source = webinars
database = {folder}/owner.db
concurrency = 64
attendees = people
attendees-columns = name=full_name, email=mail
sessions = no
events = arrivals
events-columns = change

[handler program]
type = exec
source = programs
concurrency = 4
retry-delays = 1,1,1,1,1,1
command = setpriv --pdeathsig KILL sh -c 'echo "$USHER_ID $USHER_ATTEMPT" >> {folder}/ran;
    case $USHER_SEQUENCE.$USHER_ATTEMPT in *[012].1) exit 1;; esac'
""".replace(";\n    ", "; ")  # Three of ten fail at first; none outlives the process.

# The owner's tables as they may have been for years; each effective change leaves a line.
OWNER = """
PRAGMA journal_mode = WAL;
CREATE TABLE people (person TEXT PRIMARY KEY, full_name TEXT, mail TEXT, usher_sequence INTEGER);
CREATE TABLE arrivals (id TEXT PRIMARY KEY, change TEXT, usher_sequence INTEGER);
CREATE TABLE line (number INTEGER PRIMARY KEY, what TEXT, who TEXT, sequence INTEGER);
CREATE TRIGGER a AFTER INSERT ON people BEGIN
    INSERT INTO line (what, who, sequence) VALUES ('person', new.mail, new.usher_sequence); END;
CREATE TRIGGER b AFTER UPDATE ON people BEGIN
    INSERT INTO line (what, who, sequence) VALUES ('person', new.mail, new.usher_sequence); END;
CREATE TRIGGER c AFTER INSERT ON arrivals BEGIN
    INSERT INTO line (what, who, sequence) VALUES ('arrival', new.id, new.usher_sequence); END;
CREATE TRIGGER d AFTER UPDATE ON arrivals BEGIN
    INSERT INTO line (what, who, sequence) VALUES ('arrival', new.id, new.usher_sequence); END;
"""


def sequence_of(item):
    return int(item.removeprefix("in_"), 16)


def fails(item, attempt):
    return attempt == "1" and sequence_of(item) % 10 < 3


def settled_on_disk(database, handler):
    """What the files of a dead process show: a function that tells whether a run's item is settled
    for the handler, and how many items wait for it or were in hand."""
    with tempfile.TemporaryDirectory(prefix="usher-dead-") as folder:
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(database + suffix, folder)
        with contextlib.closing(
                sqlite3.connect(os.path.join(folder, os.path.basename(database)))) as dead:
            cursors = dead.execute("SELECT next_pk FROM handler WHERE name = ?", (handler,))
            cursor, = cursors.fetchone() or (0,)
            owed = {pk for pk, in dead.execute("SELECT inbox_pk FROM handling JOIN handler"
                " USING (handler_pk) WHERE name = ?", (handler,))}
    return lambda run: sequence_of(run[0]) < cursor and sequence_of(run[0]) not in owed, len(owed)


class Journal:
    """What was answered, over all writers; and when a round has had enough."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ids = {}  # (path, who, version): the item
        self.faults = []
        self.duplicates = self.kept = 0
        self.enough, self.is_over, self.left = threading.Event(), False, 0

    def begin(self, calls):
        self.is_over, self.left = False, calls
        self.enough.clear()

    def note(self, call, answer, may_be_known):
        with self.lock:
            self.left -= 1
            if self.left <= 0:
                self.enough.set()
            if answer.status != 200:
                self.faults.append(f"{call}: {answer}")
                return
            status, item = answer.json["status"], answer.json["id"]
            known = self.ids.get(call)
            if known is not None:
                self.duplicates += 1
                if (status, item) != ("duplicate", known):
                    self.faults.append(f"{call} is {known}, and is answered {answer}")
                return
            # Its first answer was lost with the process; perhaps it was kept, perhaps not.
            self.kept += status == "duplicate"
            if status != "accepted" and not may_be_known:
                self.faults.append(f"{call} is new, and is answered {answer}")
            self.ids[call] = item


class Writer:
    """A sender that tells of its own people, one call at a time, and first repeats what it had no
    answer to, and then its last one that was answered."""

    def __init__(self, number, journal):
        self.number, self.journal = number, journal
        self.chance = random.Random(SEED + number)
        self.versions = []  # of each person
        self.programs = 0
        self.owed = None
        self.last = None

    def next_call(self):
        dice = self.chance.random()
        if dice < 0.15:
            self.programs += 1
            return "/in/programs", f"w{self.number}n{self.programs}", 0
        if dice < 0.6 or not self.versions:
            self.versions.append(0)
            who = len(self.versions) - 1
        else:
            who = self.chance.randrange(len(self.versions))
            self.versions[who] += dice < 0.85
        return self.call_of(who)

    def call_of(self, who):
        return "/in/webinars", f"w{self.number}p{who}@example.com", self.versions[who]

    def body(self, call):
        path, who, version = call
        if path == "/in/programs":
            return {"program": who}
        return {"name": f"Version {version}", "email": who, "phone": 1234567890,
            "timezone": "+05:30", "mangoes": "mango1", "callList": [{
                "webinar": "Introduction", "webinarId": "634fc35ddaf58580e2418c40",
                "webinarLink": "https://meet.google.com/abc-defg-hij",
                "webinarFromTime": "2024-03-15T10:00:00.000Z",
                "webinarToTime": "2024-03-15T11:00:00.000Z",
                "webinarFromTimeInCreatorTimezone": "2024-03-15T15:30:00.000Z",
                "webinarToTimeInCreatorTimezone": "2024-03-15T16:30:00.000Z",
                "creatorTimezone": "+05:30"}]}

    def say(self, caller, call, may_be_known=False):
        self.owed = call
        answer = caller.post(call[0], self.body(call))
        self.journal.note(call, answer, may_be_known)
        self.owed, self.last = None, call

    def catch_up(self, caller):
        last = self.last
        if self.owed is not None:
            self.say(caller, self.owed, may_be_known=True)
        if last is not None:
            path, who, _ = last
            if path == "/in/webinars":  # only the latest version of it is a duplicate
                last = self.call_of(int(who.split("@")[0].split("p")[1]))
            self.say(caller, last)

    def work(self, base):
        caller = Caller(base)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(caller):
            self.catch_up(caller)
            while not self.journal.is_over:
                self.say(caller, self.next_call())


class ReceiveRounds(TestCase):
    """One database for all of them."""

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        # The release, for two hundred starts; rounds that end at a commit take the other.
        self.usher = self.own_receiver(SECTIONS, binary=Settings.plain)
        with contextlib.closing(sqlite3.connect(self.usher.path("owner.db"))) as owner:
            owner.executescript(OWNER)
        self.chance = random.Random(SEED)
        self.journal = Journal()
        self.writers = [Writer(number, self.journal) for number in range(WRITERS)]

    def start(self, armed=None):
        """False if it died at its start, as it may where it is armed."""
        plain = self.usher.binary
        if armed is not None:
            self.usher.binary = Settings.usher
            self.usher.environment["USHER_CRASH"] = armed
        try:
            self.usher.start()
        except RuntimeError:
            if armed is None:
                raise
            self.assertEqual(self.usher.process.returncode, -9, self.usher.log())
            return False
        finally:
            self.usher.binary = plain
            self.usher.environment.pop("USHER_CRASH", None)
        return True

    def round(self, armed):
        """Calls until the power goes."""
        if not self.start(armed):
            return
        self.journal.begin(self.chance.randrange(CALLS_MAX))
        threads = [threading.Thread(target=writer.work, args=(self.usher.base,), daemon=True)
            for writer in self.writers]
        for thread in threads:
            thread.start()
        if armed is None:
            self.assertTrue(self.journal.enough.wait(PATIENCE), "no answers")
            self.usher.kill()
        self.assertEqual(self.usher.process.wait(PATIENCE), -9, self.usher.log()[-4000:])
        self.journal.is_over = True
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive())
        self.assertEqual(self.journal.faults, [])

    def ran(self):
        """(item, attempt) of each run of the program so far."""
        with contextlib.suppress(FileNotFoundError), \
                open(self.usher.path("ran"), encoding="ascii") as file:
            return [tuple(line.split()) for line in file]
        return []

    def test_two_hundred_kills_under_load(self):
        has_sites = not self.start("store.commit.before:1")
        self.usher.kill()
        needless, seen, armed_rounds, owed = [], 0, 0, 0

        def is_settled(_):
            return False

        for number in range(ROUNDS):
            armed = None
            if has_sites and number % ARMED_EVERY == ARMED_EVERY - 1:
                side = self.chance.choice(("before", "after"))
                armed = f"store.commit.{side}:{self.chance.randrange(1, ARMED_COMMITS)}"
                armed_rounds += 1
            self.round(armed)
            ran = self.ran()
            needless += filter(is_settled, ran[seen:])
            is_settled, count = settled_on_disk(self.usher.database, "program")
            seen, owed = len(ran), owed + count

        self.start()
        with contextlib.closing(Caller(self.usher.base)) as caller:
            for writer in self.writers:
                writer.catch_up(caller)
        self.assertEqual(self.journal.faults, [])
        eventually("all is handled", lambda: self.usher.is_handled("rows", "webinars")
            and self.usher.is_handled("program", "programs"))
        ran = self.ran()
        needless += filter(is_settled, ran[seen:])
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])
        self.check_stored()
        overtaken = self.check_arrivals()
        self.check_people()
        programs = {item for (path, *_), item in self.journal.ids.items()
            if path == "/in/programs"}
        print(f"        {ROUNDS} kills ({armed_rounds} at a commit, seed {SEED}): "
            f"{len(self.journal.ids)} calls kept, 0 missing, {self.journal.duplicates} duplicates, "
            f"{self.journal.kept} kept without an answer, {overtaken} overtaken, "
            f"{len(programs)} programs, {len(ran) - len(set(ran))} runs repeated, {owed} owed",
            flush=True)
        self.assertEqual({item for item, attempt in ran if not fails(item, attempt)}, programs)
        self.assertGreater(owed, 0, "no kill found anything owed: the load is too small")
        self.assertEqual(needless, [], "run again, though that it ran was on disk")

    def check_stored(self):
        """What was answered, each once, and nothing else."""
        told = sorted(sequence_of(item) for item in self.journal.ids.values())
        self.assertEqual(len(told), len(set(told)))
        stored = [pk for pk, in self.usher.stored("SELECT inbox_pk FROM inbox ORDER BY inbox_pk")]
        self.assertEqual([pk for pk in told if pk not in set(stored)], [], "missing")
        self.assertEqual(stored, told)
        self.assertEqual(self.usher.stored("SELECT * FROM handling"), [], "given up")

    def lines(self, what):
        return rows(self.usher.path("owner.db"),
            "SELECT who, sequence FROM line WHERE what = ? ORDER BY number", what)

    def check_arrivals(self):
        """Each item made one change, but for those that a newer version overtook."""
        changes = collections.Counter(item for item, _ in self.lines("arrival"))
        self.assertEqual([item for item, count in changes.items() if count > 1], [])
        versions = collections.defaultdict(list)
        for (path, who, _), item in self.journal.ids.items():
            if path == "/in/webinars":
                versions[who].append(item)
        self.assertLessEqual(set(changes), {item for items in versions.values() for item in items})
        newest = {max(items, key=sequence_of) for items in versions.values()}
        self.assertEqual(newest - set(changes), set(), "not handled")
        return sum(map(len, versions.values())) - len(changes)

    def check_people(self):
        """Each person is as last told, and no version changed the row twice."""
        changes = collections.defaultdict(list)
        for who, sequence in self.lines("person"):
            changes[who].append(sequence)
        for who, sequences in changes.items():
            self.assertEqual(sequences, sorted(set(sequences)), who)
        told = {who: (f"Version {version}", sequence_of(self.journal.ids[path, who, version]))
            for writer in self.writers
            for path, who, version in map(writer.call_of, range(len(writer.versions)))}
        people = rows(self.usher.path("owner.db"),
            "SELECT mail, full_name, usher_sequence FROM people")
        self.assertEqual({who: (name, sequence) for who, name, sequence in people}, told)
        self.assertEqual(set(changes), set(told))
