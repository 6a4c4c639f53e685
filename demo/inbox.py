# SPDX-License-Identifier: Apache-2.0
"""The other end as a process of its own: usher receive, from the file that --init writes, and the
database that its handler fills."""
import os
import re
import socket
import sqlite3
import time

from usher import Client, Usher

ROWS_SECONDS = 20  # until the handler has written what came


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Inbox(Usher):
    subcommand = "receive"

    def __init__(self, binary, folder):
        os.mkdir(folder)
        super().__init__(binary, folder, options=())
        self.runs_in = folder
        self.database = os.path.join(folder, "inbox.db")
        self.rows_path = os.path.join(folder, "attendees.db")
        # Known before it starts, for the address is told to the sender.
        self.listen = f"127.0.0.1:{free_port()}"
        self.address = None

    def init(self):
        """As a person does: the file is made, and what to tell the sender read off."""
        said = self.command("receive", "--init", "--listen", self.listen, "--public-url",
            f"http://{self.listen}", cwd=self.runs_in)
        found = re.search(r"(?m)^    (http://\S+/in/webinars/\S+)$", said.stdout)
        if said.returncode != 0 or found is None:
            raise RuntimeError(f"usher receive --init: {said.stdout} {said.stderr}")
        self.address = found[1]

    def post(self, body, headers):
        """A call to the address, as its sender makes it; the answer."""
        client = Client(self.address, prefix="")
        try:
            return client.call("POST", self.address.removeprefix(self.base), body, headers)
        finally:
            client.close()

    def list(self, *options):
        said = self.command("inbox", "list", "--db", self.database, *options)
        if said.returncode != 0:
            raise RuntimeError(f"usher inbox list: {said.stderr}")
        return said.stdout

    def rows(self, query, *values):
        """Of the handler's database, while it is written to; none before it is there."""
        try:
            with sqlite3.connect(f"file:{self.rows_path}?mode=ro", uri=True) as rows:
                return rows.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def await_sessions(self, webinar, wanted):
        """People by when their session begins, once all that are wanted are there, or late."""
        deadline = time.monotonic() + ROWS_SECONDS
        while True:
            found = dict(self.rows("SELECT from_utc, count(*) FROM sessions WHERE webinar_id = ?"
                " GROUP BY from_utc", webinar))
            if found == wanted or time.monotonic() > deadline:
                return found
            time.sleep(0.05)
