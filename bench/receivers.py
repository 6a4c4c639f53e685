# SPDX-License-Identifier: Apache-2.0
"""Programs that take calls, on the measured core: usher, and what it is held against."""
import contextlib
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import urllib.parse
import urllib.request

from figures import Failure
from machine import CORE_MEASURED, ROOT, cpu_us_of, on_core, output_of, peak_mb_of, start_beside

FOLDER = os.path.join(ROOT, "bench", "receivers")
START_SECONDS = 30
STOP_SECONDS = 60
USHER_OPTIONS = ["--listen", "127.0.0.1:0", "--threads", "1"]
KEY = "be9c5f0e7d8a4b6c9e1f2a3b4c5d6e7f"

CONFIG = f"""\
[source tagmango]
accept = token
event = webinar.created.single
token-sha256 = {hashlib.sha256(KEY.encode()).hexdigest()}
"""
HANDLER = """\

[handler rows]
type = sql
database = {}
create = yes
"""


class Receiver:
    """A process, started by `with`, whose path answers 200 to whoever has the key."""

    name = None
    path = None

    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.port = None

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        log = os.path.join(self.folder, "receiver.log")
        with open(log, "wb") as file, open(os.devnull, "wb") as nowhere, on_core(CORE_MEASURED):
            environment = {name: value for name, value in os.environ.items()
                if not name.startswith("USHER_")}
            self.process = start_beside(self.command(), stdout=nowhere, stderr=file,
                env={**environment, "API_KEY": KEY, "NODE_ENV": "production"})
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with open(log, encoding="utf-8") as file:
                found = re.search(r"listening on (http://[^\s\"]+)", file.read())
            if found:
                self.port = urllib.parse.urlsplit(found[1]).port
                return self
            time.sleep(0.02)
        self.kill()
        with open(log, encoding="utf-8") as file:
            raise Failure(f"{self.name} did not start: {file.read()[-2000:]}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.kill()

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{self.path}"

    def cpu_us(self):
        return cpu_us_of(self.process.pid)

    def peak_mb(self):
        return peak_mb_of(self.process.pid)

    def check(self, calls):
        """Once it has ended: is there what it has said that it has? It may be more, as whoever
        called did not wait for the last answers."""


class Node(Receiver):
    path = "/webhook"

    def __init__(self, folder, name):
        super().__init__(folder)
        self.name = name

    def command(self):
        return ["node", os.path.join(FOLDER, f"{self.name}.mjs")]


class Usher(Receiver):
    """On a new database each time."""

    path = f"/in/tagmango/{KEY}"
    wrong_path = f"/in/tagmango/{KEY[::-1]}"

    def __init__(self, folder, binary, has_handler=False):
        super().__init__(folder)
        self.name = "usher, sql handler" if has_handler else "usher"
        self.binary = binary
        self.database = os.path.join(folder, "usher.db")
        self.rows = os.path.join(folder, "rows.db") if has_handler else None

    def command(self):
        config = os.path.join(self.folder, "usher.conf")
        for name in os.listdir(self.folder):
            if name.startswith(("usher.db", "rows.db")):
                os.unlink(os.path.join(self.folder, name))
        with open(config, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(CONFIG + (HANDLER.format(self.rows) if self.rows else ""))
        return [self.binary, "receive", "--config", config, "--db", self.database, *USHER_OPTIONS]

    def handled(self):
        """Items that the handler has done. It is asked, since to read what it writes would hold it
        up."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as answer:
            found = re.search(r'^usher_handlings_total{handler="rows",outcome="done"} (\d+)$',
                answer.read().decode(), re.MULTILINE)
        return int(found[1]) if found else 0

    def stored(self):
        with contextlib.closing(
                sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM inbox").fetchone()[0]

    def wait_handled(self, seconds):
        """Until nothing is owed."""
        deadline = time.monotonic() + seconds
        wanted = self.stored()
        while (handled := self.handled()) < wanted:
            if time.monotonic() > deadline:
                raise Failure(f"{wanted - handled} of {wanted} calls were not handled")
            time.sleep(0.05)

    def check(self, calls):
        stored = self.stored()
        if stored < calls:
            raise Failure(f"{calls} calls were answered 200, of which {stored} are stored")


def versions():
    """Of what is not ours."""
    said = [f"node {output_of('node', '--version')}"]
    for name in ("express", "fastify"):
        path = os.path.join(FOLDER, "node_modules", name, "package.json")
        try:
            with open(path, encoding="utf-8") as file:
                said.append(f"{name} {json.load(file)['version']}")
        except OSError as error:
            raise Failure(f"{name} is not installed: ./run bench does that") from error
    said.append(f"wrk {output_of('dpkg-query', '-W', '-f=${Version}', 'wrk')}")
    return ", ".join(said)
