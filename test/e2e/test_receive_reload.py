# SPDX-License-Identifier: Apache-2.0
"""Sources and handlers change twenty times while calls come in: each call has its answer, and one
that some configuration gives; what was taken is handled by whoever was to handle it."""
import collections
import contextlib
import hashlib
import http.client
import signal
import threading

from harness import Caller, TestCase, eventually, rows

CHANGES = 20
SENDERS = 4
CALLS_EACH = 60  # between two changes, over all senders

# Always there; only how it is handled changes.
STEADY = """
[source steady]
accept = none

[handler steady-rows]
type = sql
source = steady
database = {folder}/steady.db
create = yes
attendees = no
sessions = no
concurrency = {concurrency}
"""
# Stays, under other proofs.
TURNING = "\n[source turning]\n{proof}\n"
TOKEN = "a-token-of-the-source"
CLOSED = "accept = token\ntoken-sha256 = " + hashlib.sha256(TOKEN.encode()).hexdigest()
OPEN = "accept = none"
# Comes and goes, with a handler of its own and one more for what is steady.
COMING = """
[source coming]
accept = none

[handler coming-rows]
type = sql
source = coming
database = {folder}/coming.db
create = yes
attendees = no
sessions = no

[handler more-rows]
type = sql
source = steady
database = {folder}/more.db
create = yes
attendees = no
sessions = no

[handler program]
type = exec
source = steady
command = true {number}
concurrency = 2
"""


def sections(number, is_open, has_coming):
    text = STEADY.replace("{concurrency}", str(1 + number % 5 * 16))
    text += TURNING.replace("{proof}", OPEN if is_open else CLOSED)
    return text + (COMING.replace("{number}", str(number)) if has_coming else "")


class Sender(threading.Thread):
    """Calls all sources in turn over one connection, until told to stop; notes each answer."""

    def __init__(self, base, number):
        super().__init__(daemon=True)
        self.base, self.number = base, number
        self.answers = collections.Counter()  # of each source and status
        self.items = collections.defaultdict(list)
        self.count, self.is_over, self.fault = 0, False, None

    def run(self):
        with contextlib.closing(Caller(self.base)) as caller:
            while not self.is_over:
                for source in ("steady", "turning", "coming"):
                    try:
                        answer = caller.post(f"/in/{source}",
                            {"sender": self.number, "call": self.count})
                    except (OSError, http.client.HTTPException) as error:
                        self.fault = f"call {self.count} of {source} was lost: {error!r}"
                        return
                    self.answers[source, answer.status] += 1
                    if answer.status == 200:
                        self.items[source].append(answer.json["id"])
                    self.count += 1


class ReceiveReload(TestCase):
    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.own_items = collections.defaultdict(set)
        self.usher = self.own_receiver(sections(0, True, True)).start()

    def reload(self, number, is_open, has_coming):
        self.usher.write(sections(number, is_open, has_coming))
        before = self.usher.log().count("config.reloaded")
        self.usher.process.send_signal(signal.SIGHUP)
        eventually("it is taken up",
            lambda: self.usher.log().count("config.reloaded") == before + 1)
        self.assertNotIn("config.refused", self.usher.log())
        # Each of the threads takes it up in its own time, and stays with it.
        wanted = {"steady": 200, "turning": 200 if is_open else 401,
            f"turning/{TOKEN}": 200, "coming": 200 if has_coming else 401}
        for name, status in wanted.items():
            eventually(f"{name} answers {status}", lambda name=name, status=status:
                self.answer(name, number) == status)

    def answer(self, name, number):
        with contextlib.closing(Caller(self.usher.base)) as caller:
            answer = caller.post(f"/in/{name}", {"change": number, "to": name})
        self.assertIn(answer.status, (200, 401), answer)
        if answer.status == 200:
            self.own_items[name.split("/")[0]].add(answer.json["id"])
        return answer.status

    def test_twenty_changes_under_load_lose_nothing(self):
        senders = [Sender(self.usher.base, number) for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        said = 0
        for number in range(1, CHANGES + 1):
            said += CALLS_EACH
            eventually(f"{said} calls", lambda said=said: sum(sender.count for sender in senders)
                >= said or any(sender.fault for sender in senders))
            said = sum(sender.count for sender in senders)
            # The last one has all of them.
            self.reload(number, number % 2 == 0 or number == CHANGES, number % 4 in (0, 3))
        for sender in senders:
            sender.is_over = True
        for sender in senders:
            sender.join()
        self.assertEqual([sender.fault for sender in senders if sender.fault], [])
        answers = sum((sender.answers for sender in senders), collections.Counter())
        self.assertEqual(set(answers), {("steady", 200), ("turning", 200), ("turning", 401),
            ("coming", 200), ("coming", 401)}, answers)
        items = {source: set(self.own_items[source]) for source in ("steady", "turning", "coming")}
        for sender in senders:
            for source, ids in sender.items.items():
                items[source].update(ids)
        self.check_handled(items)
        print(f"        {CHANGES} changes, {sum(answers.values())} calls: {dict(answers)}, 0 lost",
            flush=True)
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])

    def check_handled(self, items):
        for handler, source in (("steady-rows", "steady"), ("more-rows", "steady"),
                ("program", "steady"), ("coming-rows", "coming")):
            eventually(f"{handler} is done", lambda handler=handler, source=source:
                self.usher.is_handled(handler, source))
        for source, ids in items.items():
            stored = self.usher.stored("SELECT inbox_pk FROM inbox JOIN source USING (source_pk)"
                " WHERE name = ?", source)
            self.assertEqual({f"in_{pk:016x}" for pk, in stored}, ids)
        # One that was away for a while goes on where it stood, and misses nothing.
        for database, source in (("steady", "steady"), ("more", "steady"), ("coming", "coming")):
            handled = [item for item, in
                rows(self.usher.path(f"{database}.db"), "SELECT id FROM events")]
            self.assertEqual(set(handled), items[source], database)
        handled, = self.usher.stored("SELECT handled FROM handler WHERE name = 'program'")
        self.assertEqual(handled, (len(items["steady"]),))
