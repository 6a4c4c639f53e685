#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on real input: a webinar is created, and every attendee's webhook arrives.

Starts the platform on an embedded database and, as a process of its own, an endpoint that checks
each call for itself; then does what a creator does, and counts. At last `usher receive` is the
other end, and what came is counted in the database of its handler. Exits 0 only if all is exact.
"""
import argparse
import csv
import datetime
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zoneinfo

from inbox import Inbox
from receiver import read_people
from usher import API, HOOKS, Client, Usher

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ATTENDEES = os.path.join(ROOT, "test", "data", "attendees.csv")
ARRIVAL_SECONDS = 60   # without any new call; then what is missing is missing
FINISH_SECONDS = 10    # until the platform has counted what the receiver has
FAULT_SECONDS = 3      # the same, once a call was found wrong
LINE_SECONDS = 1       # between two lines of progress where there is no terminal

# As published; the address and the three placeholders are filled in.
DOCUMENT_URL = "https://api-prod-new.tagmango.com/api/v1/integration/webhook/webhook"
DOCUMENT_WEBINAR = (
    "<webinar to be associated> (optional sends all webinar related events if not specified)")
DOCUMENT_CURL = """\
curl -X 'POST' \\
'https://api-prod-new.tagmango.com/api/v1/integration/webhook/webhook' \\
-H 'accept: application/json' \\
-H 'x-api-key: <Your API Key>' \\
-H 'Content-Type: application/json' \\
-d '{
"hookUrl": "<your webhook url>",
"event": "webinar.created.single",
"webinar": "<webinar to be associated> (optional sends all webinar related events if not specified)"
}'"""

WEBINAR_ID = "634fc35ddaf58580e2418c40"
CONSULTATION_ID = "634fc35ddaf58580e2418c41"
INBOX_WEBINAR_ID = "634fc35ddaf58580e2418c42"
CREATOR_ZONE = "Asia/Kolkata"
MANGOES = ["Digital Marketing, the course", "Mango Club 🥭", "प्रीमियम"]
LATECOMER = {"name": "Ngaio Tāwhiri-O'Neill", "email": "ngaio.latecomer@example.com",
    "phone": "+64 21 123 4567", "timezone": "Pacific/Chatham"}
CLIENT_OF_ONE = {"name": "Åsa Świątek", "email": "asa.consultation@example.com",
    "phone": "0701 234 567", "timezone": "Europe/Stockholm"}


class Failure(Exception):
    """The demo cannot go on; its text says why."""


def document_curl(base, key, hook_url, webinar):
    """The published command for a platform at base."""
    return (
        DOCUMENT_CURL.replace(DOCUMENT_URL, base + API + HOOKS)
        .replace("<Your API Key>", key)
        .replace("<your webhook url>", hook_url)
        .replace(DOCUMENT_WEBINAR, webinar))


def expect(answer, *statuses):
    if answer.status not in statuses:
        raise Failure(f"the platform answered {answer!r}")
    return answer.json


class Demo:
    def __init__(self, binary, folder):
        self.folder = folder
        self.usher = Usher(binary, folder)
        self.inbox = Inbox(binary, os.path.join(folder, "inbox"))
        self.receiver = None
        self.control = None
        self.api = None
        self.people = read_people(ATTENDEES)
        self.endpoint = None
        self.hooks = {}
        self.mangoes = []
        self.webinar = None
        self.rows = []
        self.is_terminal = sys.stdout.isatty()

    # Setting the scene.

    def start(self):
        self.usher.start()
        self.api = self.usher.client()
        self.receiver = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "demo", "receiver.py"), "--people", ATTENDEES],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
        line = self.receiver.stdout.readline()
        if not line.startswith("listening on "):
            raise Failure("the receiver did not start")
        self.endpoint = line.removeprefix("listening on ").strip()
        self.control = Client(self.endpoint, prefix="")
        print(f"platform   {self.usher.base}   (database {self.usher.database})")
        print(f"receiver   {self.endpoint}   (Python, standard library only)")

    def tell(self, what, told):
        return expect(self.control.call("PUT", f"/control/{what}", told), 200)

    def make_mangoes(self):
        """Everybody is in the first, every third person in the second, some in all three."""
        for name in MANGOES:
            self.mangoes.append(expect(self.api.post("/mangoes", {"name": name}), 201)["id"])
        with open(ATTENDEES, "rb") as file:
            whole = file.read()
        for mango, body in zip(self.mangoes, (whole, as_csv(self.people[::3]),
                as_csv(self.people[::20]))):
            answer = expect(
                self.api.put(f"/mangoes/{mango}/attendees", body, "text/csv"), 200)
            print(f"import     {answer['created']} people created, {answer['unchanged']} known")

    def hook_by_document(self):
        self.add_hook("this-webinar",
            self.subscribe(self.endpoint + "/hook/this-webinar", WEBINAR_ID))

    def subscribe(self, hook_url, webinar):
        """With the published command as it stands, run by a shell; the hook."""
        command = document_curl(self.usher.base, self.api.key, hook_url, webinar)
        print("\n$ " + command.replace("\n", "\n  ").replace(self.api.key, "usk_…"))
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False)
        try:
            hook = json.loads(done.stdout)
            print(f"hook       {hook['id']} -> {hook['hookUrl']}")
            return hook
        except (ValueError, KeyError):
            raise Failure(f"curl got {done.stdout!r} {done.stderr!r}") from None

    def hook_for_all(self):
        told = {"hookUrl": self.endpoint + "/hook/everything", "event": "webinar.created.single",
            "phoneFormat": "string"}
        hook = expect(self.api.post(HOOKS, told), 201)
        print(f"hook       {hook['id']} -> {hook['hookUrl']}")
        self.add_hook("everything", hook)

    def add_hook(self, name, hook):
        self.hooks[name] = hook["id"]
        self.tell(f"hook/{name}", hook)

    # The steps; each says first what must arrive, then acts, then counts.

    def run(self):
        everybody = [person["email"] for person in self.people]
        both = {"this-webinar": everybody, "everything": everybody}
        self.step("webinar created", "created", self.planned(30, "18:30"), both,
            lambda: self.api.post("/webinars", self.webinar_body()))
        self.step("webinar moved", "updated", self.planned(31, "23:15"), both,
            lambda: self.api.patch(f"/webinars/{WEBINAR_ID}", {
                "from": self.webinar["wallFrom"], "to": self.webinar["wallTo"]}))
        self.step("nothing changed", "updated", self.webinar, {},
            lambda: self.api.patch(f"/webinars/{WEBINAR_ID}", {"title": self.webinar["title"]}))
        self.tell("person", CLIENT_OF_ONE)
        self.step("consultation booked", "booked", self.consultation(),
            {"everything": [CLIENT_OF_ONE["email"]]},
            lambda: self.api.post("/consultations", {
                "id": CONSULTATION_ID, "title": self.webinar["title"],
                "link": self.webinar["link"], "from": self.webinar["from"],
                "to": self.webinar["to"], "timezone": CREATOR_ZONE, "attendee": CLIENT_OF_ONE}))
        self.tell("person", LATECOMER)
        self.step("one more registered", "registered", self.planned(31, "23:15"),
            {name: [LATECOMER["email"]] for name in both},
            lambda: self.api.post(f"/webinars/{WEBINAR_ID}/attendees", LATECOMER))

    def run_inbox(self):
        """The other end is ours, too: from its first file to the rows of its handler."""
        inbox = self.inbox
        inbox.init()
        print(f"\n$ usher receive --init --public-url http://{inbox.listen}")
        inbox.start()
        print(f"$ usher receive\ninbox      {inbox.address}   (folder {inbox.runs_in})")
        self.subscribe(inbox.address, INBOX_WEBINAR_ID)
        print()
        first = dict(self.planned(40, "18:30"), id=INBOX_WEBINAR_ID)
        moved = dict(self.planned(41, "23:15"), id=INBOX_WEBINAR_ID)
        told = {"everything": [person["email"] for person in self.people]}
        self.step("webinar for the inbox", "created", first, told,
            lambda: self.api.post("/webinars", self.webinar_body()))
        self.count_rows("created", first)
        self.step("that one moved", "updated", moved, told,
            lambda: self.api.patch(f"/webinars/{INBOX_WEBINAR_ID}", {
                "from": moved["wallFrom"], "to": moved["wallTo"]}))
        self.count_rows("updated", moved)
        self.repeat_calls()

    def count_rows(self, change, webinar):
        """One row for each person, with the time that counts now, and a call for each kept."""
        begins = webinar["from"].replace("+00:00", "Z")
        wanted = {begins: len(self.people)}
        found = self.inbox.await_sessions(INBOX_WEBINAR_ID, wanted)
        print(f"{'  in attendees.db':<22}{sum(found.values())} people in sessions, "
            f"{found.get(begins, 0)} of them at {begins}")
        if found != wanted:
            raise Failure(f"the handler's sessions are {found}, not {wanted}; {self.inbox.log()}")
        calls = self.inbox.rows("SELECT count(*), count(DISTINCT person) FROM events"
            " WHERE object = ? AND change = ?", INBOX_WEBINAR_ID, change)
        if calls != [(len(self.people), len(self.people))]:
            raise Failure(f"the handler's events are {calls}")

    def repeat_calls(self):
        """What was sent is sent again: nothing comes of it."""
        newest = json.loads(self.inbox.list("--limit", "1", "--json"))
        body = self.inbox.rows("SELECT payload FROM events WHERE id = ?", newest["id"])[0][0]
        headers = {"webhook-id": newest["senderId"]}
        for what, answer in (
                ("the newest call again", self.inbox.post(body.encode(), headers)),
                ("and without its id", self.inbox.post(body.encode(), {}))):
            print(f"{what:<22}{answer.body.decode()}")
            if answer.status != 200 or answer.json != {
                    "status": "duplicate", "id": newest["id"]}:
                raise Failure(f"a repeated call was answered {answer!r}")
        count = self.inbox.rows("SELECT count(*) FROM events")[0][0]
        if count != 2 * len(self.people):
            raise Failure(f"there are {count} events now")
        print("\n$ usher inbox list --limit 3\n" + self.inbox.list("--limit", "3"), end="")

    def planned(self, days, wall):
        """A session of 45 minutes so many days from now; near midnight it ends the next day."""
        zone = zoneinfo.ZoneInfo(CREATOR_ZONE)
        day = datetime.datetime.now(zone).date() + datetime.timedelta(days=days)
        start = datetime.datetime.fromisoformat(f"{day}T{wall}:00").replace(tzinfo=zone)
        end = start + datetime.timedelta(minutes=45)
        return {
            "id": WEBINAR_ID,
            "title": "Introduction to Digital Marketing",
            "link": "https://meet.google.com/abc-defg-hij",
            "from": start.astimezone(datetime.timezone.utc).isoformat(),
            "to": end.astimezone(datetime.timezone.utc).isoformat(),
            "wallFrom": start.strftime("%Y-%m-%dT%H:%M:%S"),
            "wallTo": end.strftime("%Y-%m-%dT%H:%M:%S"),
            "timezone": CREATOR_ZONE,
            "mangoes": MANGOES,
        }

    def consultation(self):
        return dict(self.webinar, id=CONSULTATION_ID, title="1-1 with a mentor", mangoes=[])

    def webinar_body(self):
        webinar = self.webinar
        return {
            "id": webinar["id"], "title": webinar["title"], "link": webinar["link"],
            "from": webinar["wallFrom"], "to": webinar["wallTo"],
            "timezone": webinar["timezone"], "mangoes": self.mangoes,
        }

    def step(self, name, reason, webinar, wanted, act):
        """Everything that arrives until the next step is counted into this one."""
        self.webinar = webinar
        self.rows.append(self.tell("step",
            {"name": name, "reason": reason, "webinar": webinar, "expect": wanted}))
        started = time.monotonic()
        expect(act(), 200, 201)
        answered = time.monotonic() - started
        report = self.await_arrivals(started)
        note = f"   accepted in {answered * 1000:.1f} ms"
        if report["arrived"] > 1 and report["seconds"] > 0:
            note += f", {report['arrived']} calls in {report['seconds']:.2f} s"
        self.progress(f"{name:<22}{report['verified']} of {report['expected']}{note}", True)

    def await_arrivals(self, started):
        """Until all is there, or nothing has come for long."""
        shown = started
        arrived, changed = 0, started
        while True:
            report = self.control.call("GET", "/control/step").json
            now = time.monotonic()
            if report["arrived"] != arrived:
                arrived, changed = report["arrived"], now
            patience = FAULT_SECONDS if report["faulty"] else ARRIVAL_SECONDS
            if report["missing"] == 0 or now - changed > patience:
                return report
            if now - shown >= (0.1 if self.is_terminal else LINE_SECONDS):
                shown = now
                self.progress(
                    f"{report['name']:<22}{report['verified']} of {report['expected']}", False)
            time.sleep(0.05)

    def progress(self, text, is_last):
        if self.is_terminal:
            print(f"\r\033[K{text}", end="\n" if is_last else "", flush=True)
        else:
            print(text, flush=True)

    # The end.

    def finish(self):
        """The platform must say the same as the receiver; returns what it says otherwise."""
        deadline = time.monotonic() + FINISH_SECONDS
        for event in expect(self.api.get("/events?limit=50"), 200)["data"]:
            while time.monotonic() < deadline:
                fanouts = expect(self.api.get(f"/events/{event['id']}"), 200)["hooks"]
                # Who is in several mangoes stands in the audience several times, and is told once.
                if all(fanout["delivered"] + fanout["skipped"] == fanout["total"]
                       for fanout in fanouts):
                    break
                time.sleep(0.25)
            else:
                return f"the platform itself has not finished: {fanouts}"
        return None

    def table(self):
        self.rows.append(self.tell("step", {"name": "afterwards"}))
        del self.rows[0]  # what came before the first step
        columns = ["expected", "arrived", "verified", "missing", "repeated"]
        print(f"\n{'step':<22}" + "".join(f"{column:>10}" for column in columns))
        for row in self.rows:
            print(f"{row['name']:<22}" + "".join(f"{row[column]:>10}" for column in columns))
        sums = {column: sum(row[column] for row in self.rows) for column in columns}
        print(f"{'all':<22}" + "".join(f"{sums[column]:>10}" for column in columns))
        for row in self.rows:
            for fault in row["faults"]:
                print(f"fault in \"{row['name']}\": {fault}")
        return all(
            row["expected"] == row["arrived"] == row["verified"] and row["missing"] == 0
            and row["repeated"] == 0 and row["faulty"] == 0 for row in self.rows)

    def keep(self):
        """Stay up, and say what arrives."""
        self.tell("step", {"name": "yours"})
        key = shlex.quote(self.api.key)
        base = self.usher.base
        print(f"""
It stays up until Ctrl-C. To try:

  KEY={key}
  # who is told what is written down here, newest first
  curl -s {self.endpoint}/
  # a new title: one call for each attendee and hook
  curl -s -X PATCH {base}/api/v1/webinars/{WEBINAR_ID} -H "x-api-key: $KEY" \\
    -H 'content-type: application/json' -d '{{"title":"A better title"}}'
  # one more attendee
  curl -s {base}/api/v1/webinars/{WEBINAR_ID}/attendees -H "x-api-key: $KEY" \\
    -H 'content-type: application/json' -d '{{"name":"You","email":"you@example.com"}}'
  # what has happened, and how far it is
  curl -s {base}/api/v1/events -H "x-api-key: $KEY"
  curl -s '{base}/api/v1/deliveries?email={LATECOMER["email"]}' -H "x-api-key: $KEY"
  curl -s {base}/metrics
  # what came into the inbox, and what its handler made of it
  {self.usher.binary} inbox list --db {self.inbox.database}
  sqlite3 {self.inbox.rows_path} 'SELECT person, from_attendee FROM sessions LIMIT 5'
""", flush=True)
        arrived = 0
        while self.usher.process.poll() is None:
            report = self.control.call("GET", "/control/step").json
            if report["arrived"] != arrived:
                arrived = report["arrived"]
                print(f"{arrived} calls arrived, {report['verified']} verified, "
                    f"{report['repeated']} repeated", flush=True)
            time.sleep(0.5)
        raise Failure(f"the platform exited: {self.usher.log()}")

    def stop(self):
        """All ends; the platform drains first."""
        try:
            for usher in (self.usher, self.inbox):
                code = usher.stop()
                if code != 0:
                    raise Failure(f"usher {usher.subcommand} exited with {code}:\n{usher.log()}")
        finally:
            self.inbox.kill()
            if self.receiver is not None:
                self.receiver.terminate()
                self.receiver.wait(10)
                self.receiver.stdout.close()


def as_csv(people):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ["name", "email", "phone", "timezone"])
    writer.writeheader()
    writer.writerows(people)
    return out.getvalue().encode()


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def show(demo, keeps):
    demo.start()
    demo.make_mangoes()
    demo.hook_by_document()
    demo.hook_for_all()
    print()
    demo.run()
    demo.run_inbox()
    unfinished = demo.finish()
    is_exact = demo.table()
    if unfinished is not None:
        raise Failure(unfinished)
    if keeps and is_exact:
        demo.keep()
    return is_exact


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--usher", default=os.path.join(ROOT, "build", "usher"),
        help="the program; build/usher when not given")
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, to be tried")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    sys.stdout.reconfigure(line_buffering=True)

    folder = tempfile.mkdtemp(prefix="usher-demo-")
    demo = Demo(arguments.usher, folder)
    is_exact = False
    try:
        try:
            is_exact = show(demo, arguments.keep)
        finally:
            demo.stop()
    except KeyboardInterrupt:
        print("\nstopped")
        return 0 if arguments.keep else 130
    except (Failure, RuntimeError, OSError) as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        is_exact = False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\nall is exact" if is_exact else "\nNOT as it must be")
    return 0 if is_exact else 1


if __name__ == "__main__":
    sys.exit(main())
