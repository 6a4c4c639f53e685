# SPDX-License-Identifier: Apache-2.0
"""Starts the program and talks to it, with Python's standard library alone."""
import http.client
import json
import os
import re
import signal
import subprocess
import time
import urllib.parse

START_SECONDS = 60  # a ceiling; under a sanitizer on a busy machine a start takes a few seconds
STOP_SECONDS = 60
API = "/api/v1"
HOOKS = "/integration/webhook/webhook"


class Answer:
    """What came back: status, headers by lower-case name, and the body as bytes."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:2000].decode('utf-8', 'replace')}"


class Client:
    """One kept-alive connection; a call whose connection was closed is made again. Paths are below
    prefix: the API's, or "" for what stands beside it."""

    def __init__(self, base, key=None, prefix=API, timeout=60):
        self.base = base
        self.key = key
        self.prefix = prefix
        url = urllib.parse.urlsplit(base)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, content_type="application/json"):
        """body: bytes as they are, an iterator of bytes (sent in chunks), else made JSON."""
        fields = {"accept": "application/json"}
        if self.key is not None:
            fields["x-api-key"] = self.key
        if body is not None:
            fields["content-type"] = content_type
            if not isinstance(body, bytes) and not hasattr(body, "__next__"):
                body = json.dumps(body).encode()
        fields.update(headers or {})
        fields = {name: value for name, value in fields.items() if value is not None}
        for attempt in (1, 2):
            try:
                self.connection.request(method, self.prefix + path, body, fields)
                response = self.connection.getresponse()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()
                if attempt == 2 or hasattr(body, "__next__"):
                    raise
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read())

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, {} if body is None else body, **options)

    def patch(self, path, body, **options):
        return self.call("PATCH", path, body, **options)

    def put(self, path, body, content_type, **options):
        return self.call("PUT", path, body, content_type=content_type, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def close(self):
        self.connection.close()


class Usher:
    """The server as a process, on a database file in a folder, at a port that was free."""

    subcommand = "serve"

    def __init__(self, binary, folder, options=("--allow-private-hooks",), environment=None):
        self.binary = os.path.abspath(binary)
        self.database = os.path.join(folder, "usher.db")
        self.log_path = os.path.join(folder, "usher.log")
        self.listen = "127.0.0.1:0"
        self.runs_in = None  # a folder; None: where we are
        self.options = list(options)
        if "--request-limit" not in self.options:
            # Whoever starts it asks more often than people do.
            self.options += ["--request-limit", "0"]
        # A setting of the caller's own shell must not leak in.
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("USHER_")
        }
        self.environment.update(environment or {})
        self.process = None
        self.base = None
        self.log_start = 0

    def command(self, *arguments, **options):
        """Runs another subcommand to its end."""
        return subprocess.run(
            [self.binary, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=START_SECONDS, **options)

    def start(self):
        """Returns once the server takes requests; says why in a RuntimeError if it never does."""
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            # A session of its own, as Ctrl-C on the terminal is ours to hand on; setpriv, so that
            # it does not outlive us however we end.
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", self.binary, self.subcommand,
                    "--listen", self.listen, "--db", self.database, *self.options],
                env=self.environment, cwd=self.runs_in, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r"listening on (https?://[^\s\"]+)", self.log())
            if found is not None:
                self.base = found[1]
                return self
            if self.process.poll() is not None:
                raise RuntimeError(f"usher exited with {self.process.returncode}: {self.log()}")
            time.sleep(0.02)
        self.kill()
        raise RuntimeError(f"usher did not start within {START_SECONDS} s: {self.log()}")

    def log(self):
        """What this start has written so far."""
        try:
            with open(self.log_path, "rb") as log:
                log.seek(self.log_start)
                return log.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def key(self, account="default"):
        """A new key of the account."""
        done = self.command("key", "create", "--account", account, "--db", self.database)
        if done.returncode != 0:
            raise RuntimeError(f"usher key create: {done.stderr}")
        return done.stdout.strip()

    def client(self, account="default"):
        return Client(self.base, self.key(account))

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) * 1024

    def stop(self):
        """As a service manager does; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(
                f"usher did not stop within {STOP_SECONDS} s: {self.log()}") from None

    def kill(self):
        """As the power does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
