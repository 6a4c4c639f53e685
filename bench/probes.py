# SPDX-License-Identifier: Apache-2.0
"""Single calls over a connection of their own, timed as closely as Python can."""
import contextlib
import os
import re
import socket
import time
import urllib.parse

from figures import Failure

PROBES_A_SECOND = 200
PAGE_BYTES = 4096


def may_hurry():
    """Whether a probe may take the core from the endpoint at once: else it measures its own wait
    for it as well."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        return True
    except PermissionError:
        return False


@contextlib.contextmanager
def hurried():
    """Before all others on this core, if that is allowed."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Caller:
    """A kept-alive connection that sends ready-made bytes."""

    def __init__(self, base):
        url = urllib.parse.urlsplit(base)
        self.host = url.netloc
        self.connection = socket.create_connection((url.hostname, url.port), 60)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, method, path, body, key=None):
        """The bytes of a request."""
        field = "" if key is None else f"x-api-key: {key}\r\n"
        return (f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{field}"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def send(self, request):
        self.connection.sendall(request)

    def take(self, wanted):
        """The whole answer, which must have the status wanted."""
        answer = self.answer()
        if not answer.startswith(f"HTTP/1.1 {wanted} ".encode()):
            raise Failure(f"{wanted} was expected, not {answer[:500]!r}")

    def answer(self):
        answer = b""
        length = None
        while length is None or len(answer) < length:
            piece = self.connection.recv(65536)
            if not piece:
                raise Failure(f"a probe's connection was closed after {answer[:500]!r}")
            answer += piece
            head, blank, _ = answer.partition(b"\r\n\r\n")
            if blank:
                found = re.search(rb"(?im)^content-length: *(\d+)", head)
                length = len(head) + 4 + (int(found[1]) if found else 0)
        return answer

    def close(self):
        self.connection.close()


def syncs_a_second(path, seconds):
    """How often a page is appended to a file and is on disk, one after the other."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    count = 0
    start = time.monotonic()
    try:
        while time.monotonic() < start + seconds:
            os.write(file, bytes(PAGE_BYTES))
            os.fdatasync(file)
            count += 1
    finally:
        os.close(file)
    return count / (time.monotonic() - start)


def probe_calls(base, key, call, seconds):
    """Milliseconds of each of the calls, one every so often whether or not the last was slow."""
    method, path, body, wanted = call
    times = []
    with hurried(), contextlib.closing(Caller(base)) as caller:
        request = caller.request(method, path, body, key)
        start = time.perf_counter()
        for number in range(int(seconds * PROBES_A_SECOND)):
            due = start + number / PROBES_A_SECOND
            time.sleep(max(0, due - time.perf_counter()))
            # From when it was due: a slow answer also delays those that wait behind it.
            caller.send(request)
            caller.take(wanted)
            times.append((time.perf_counter() - due) * 1e3)
    return times
