# SPDX-License-Identifier: Apache-2.0
"""The program under test on the measured core, what it is asked for, and what it takes."""
import contextlib
import itertools
import json
import os
import re
import sqlite3
import sys
import time

from figures import Failure
from machine import CORE_MEASURED, ROOT, cpu_us_of, on_core, peak_mb_of
from sink import ARRIVAL_SECONDS

sys.path.insert(0, os.path.join(ROOT, "demo"))

# pylint: disable=wrong-import-position
from usher import API, HOOKS, Client, Usher

EVENT = "webinar.created.single"
IN_FLIGHT_MAX = 256
ZONES = ["Asia/Kolkata", "Europe/Berlin", "America/New_York", "Asia/Tokyo", "+05:30"]

serials = itertools.count(1)


def server_options(ca_path=None):
    options = ["--threads", "1", "--allow-private-hooks", "--in-flight-max", str(IN_FLIGHT_MAX),
        "--request-limit", "0"]
    return options + (["--tls-ca-file", ca_path] if ca_path is not None else [])


def new_id():
    """Objects may bring their ids along; ours tell a run apart from all others."""
    return f"be9c{os.getpid():08x}{next(serials):012x}"


class Server:
    """usher serve with what the kernel knows of it: started by `with`, on the same database again
    and again."""

    def __init__(self, options, folder, certificate=None):
        ca_path = None if certificate is None else certificate.path
        self.usher = Usher(options.usher, folder, server_options(ca_path))
        self.client = None
        self.key = None

    def __enter__(self):
        with on_core(CORE_MEASURED):
            self.usher.start()
        self.key = self.key or self.usher.key()
        self.client = Client(self.usher.base, self.key, timeout=600)
        return self

    def __exit__(self, *_):
        self.client.close()
        if self.usher.stop() != 0:
            raise Failure(f"usher did not end well: {self.usher.log()[-2000:]}")

    def expect(self, status, method, path, body=None, **options):
        answer = self.client.call(method, path, body, **options)
        if answer.status != status:
            raise Failure(f"{method} {path}: usher answered {answer!r}")
        return answer.json if answer.body else None

    # What it takes.

    def cpu_us(self):
        return cpu_us_of(self.usher.process.pid)

    def bytes_written(self):
        """None where the kernel does not tell: the program hides its memory, so only root may
        ask."""
        with contextlib.suppress(PermissionError), \
                open(f"/proc/{self.usher.process.pid}/io", encoding="ascii") as file:
            return int(re.search(r"^write_bytes: (\d+)$", file.read(), re.MULTILINE)[1])
        return None

    def peak_mb(self):
        return peak_mb_of(self.usher.process.pid)

    def log_bytes(self):
        """Of the write-ahead log, which does not shrink while the server runs."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.usher.database + "-wal")
        return 0

    def stored_bytes(self):
        """Of the database's pages that are in use. Only while the server is stopped, when its log
        is part of the file: pages that an upload left free would hide what was added since."""
        if os.path.exists(self.usher.database + "-wal"):
            raise Failure("the write-ahead log has outlived the server")
        with contextlib.closing(sqlite3.connect(f"file:{self.usher.database}?immutable=1",
                uri=True)) as database:
            pages, free, size = (database.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size

    # What it is asked for.

    def make_mango(self, name, count):
        mango = self.expect(201, "POST", "/mangoes", {"name": name})["id"]
        done = self.expect(200, "PUT", f"/mangoes/{mango}/attendees", people(count),
            content_type="application/x-ndjson")
        if done["created"] + done["unchanged"] + done["updated"] != count:
            raise Failure(f"{count} people were sent: {done}")
        return mango

    def make_hook(self, url, **filters):
        told = {"hookUrl": url, "event": EVENT, **filters}
        return self.expect(201, "POST", HOOKS, told)["id"]

    def delete_hooks(self, hooks):
        for hook in hooks:
            self.expect(204, "DELETE", f"{HOOKS}/{hook}")

    def make_webinar(self, mango, **more):
        return self.expect(201, "POST", "/webinars", webinar(mango, **more))

    def wait_finished(self, event, hook=None):
        """Until all of an event is recorded, or of one of its hooks."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while time.monotonic() < deadline:
            hooks = self.expect(200, "GET", f"/events/{event}")["hooks"]
            if all(row["finishedAt"] is not None for row in hooks if hook in (None, row["hook"])):
                return
            time.sleep(0.05)
        raise Failure(f"the event was not finished {ARRIVAL_SECONDS} s after all had arrived: "
            f"{hooks}")


def people(count):
    """Lines of NDJSON in pieces of about 64 KB. Bodies come out as long as the published one."""
    lines = []
    for number in range(count):
        lines.append(json.dumps({"name": f"Attendee {number:07}",
            "email": f"attendee{number:07}@example.com",
            "phone": f"+1 (234) {number % 1000:03}-890",
            "timezone": ZONES[number % len(ZONES)]}))
        if len(lines) == 500:
            yield ("\n".join(lines) + "\n").encode()
            lines = []
    if lines:
        yield ("\n".join(lines) + "\n").encode()


def webinar(mango, **more):
    return {"title": "Introduction to Digital Marketing",
        "link": "https://meet.google.com/abc-defg-hij",
        "from": "2030-03-15T10:00:00Z", "to": "2030-03-15T11:00:00Z",
        "timezone": "Asia/Kolkata", "mangoes": [mango], **more}


def consultation(name):
    """With somebody who was not known before."""
    return {"title": "A talk", "link": "https://meet.google.com/abc-defg-hij",
        "from": "2030-03-15T10:00:00Z", "to": "2030-03-15T11:00:00Z", "timezone": "Asia/Kolkata",
        "attendee": {"name": "Attendee 0000000", "email": f"{name}@example.com",
            "phone": "+1 (234) 567-890"}}
