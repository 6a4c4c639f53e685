# SPDX-License-Identifier: Apache-2.0
"""The front door of `usher receive`, for the tests that knock at it: a receiver for a class, raw
sockets, what it counts, and requests over whose end two readers could disagree."""
import base64
import collections
import hashlib
import hmac
import re
import socket
import tempfile
import urllib.parse
import urllib.request

from harness import PATIENCE, Caller, Receiver, TestCase

CALLS = re.compile(r'^usher_source_calls_total\{source="([^"]+)",result="(\w+)"\} (\d+)$', re.M)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def hmac_hex(secret, text):
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def basic(pair):
    return "Basic " + base64.b64encode(pair.encode()).decode()


def head(first, *lines, host=b"Host: a"):
    return b"\r\n".join([first] + ([host] if host else []) + list(lines)) + b"\r\n\r\n"


def doubtful_requests(target, *fields):
    """By name: each must be refused, and nothing that follows it be read as a request."""
    first = b"POST " + target + b" HTTP/1.1"
    chunked = b"Transfer-Encoding: chunked"

    def post(*lines, host=b"Host: a", line=first):
        return head(line, *fields, *lines, host=host)

    cases = {
        "length and chunked": post(b"Content-Length: 5", chunked) + b"0\r\n\r\n",
        "chunked and length": post(chunked, b"Content-Length: 5") + b"0\r\n\r\n",
        "two lengths": post(b"Content-Length: 2", b"Content-Length: 3") + b"{}",
        "the same length twice": post(b"Content-Length: 2", b"Content-Length: 2") + b"{}",
        "a list of lengths": post(b"Content-Length: 2, 2") + b"{}",
        "a signed length": post(b"Content-Length: +2") + b"{}",
        "a negative length": post(b"Content-Length: -2") + b"{}",
        "a hexadecimal length": post(b"Content-Length: 0x2") + b"{}",
        "a length that overflows": post(b"Content-Length: 18446744073709551618") + b"{}",
        "an empty length": post(b"Content-Length:") + b"{}",
        "another transfer coding": post(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
        "a transfer coding that is none": post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
        "chunked twice": post(chunked, chunked) + b"0\r\n\r\n",
        "chunked hidden by a tab": post(b"Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n",
        "chunked on 1.0": post(chunked, line=b"POST " + target + b" HTTP/1.0") + b"0\r\n\r\n",
        "a bare line feed": post(b"A: b\nC: d"),
        "a bare line feed at the end": b"GET /healthz HTTP/1.1\r\nHost: a\n\n",
        "a bare carriage return": post(b"A: b\rC: d"),
        "a NUL in a value": post(b"A: b\0c"),
        "a control character in a value": post(b"A: b\x01c"),
        "a folded line": post(b"A: b", b" c"),
        "a space before the colon": post(b"Content-Length : 2") + b"{}",
        "a line without a colon": post(b"Content-Length"),
        "an empty name": post(b": b"),
        "a space in a name": post(b"A b: c"),
        "no host": post(host=None),
        "two hosts": post(b"Host: b"),
        "two spaces in the first line": post(line=b"GET  /healthz HTTP/1.1"),
        "no version": post(line=b"GET /healthz"),
        "a version that is none": post(line=b"GET /healthz HTTP/1.2"),
        "a lower-case version": post(line=b"GET /healthz http/1.1"),
        "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "a space in the target": post(line=b"GET /health z HTTP/1.1"),
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64,
    }
    for size in (b"0x2", b"+2", b"2_0", b"-2", b"", b"g", b"ffffffffffffffff2", b" 2"):
        cases[f"chunk size {size!r}"] = post(chunked) + size + b"\r\n{}\r\n0\r\n\r\n"
    cases["a chunk without its end"] = post(chunked) + b"2\r\n{}XX0\r\n\r\n"
    cases["a chunk ended by a bare line feed"] = post(chunked) + b"2\n{}\n0\n\n"
    return cases


def exchange(base, *parts):
    """Sends the parts and returns all that comes until the server closes."""
    url = urllib.parse.urlsplit(base)
    with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as connection:
        received = b""
        try:
            for part in parts:
                connection.sendall(part)
            while piece := connection.recv(65536):
                received += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return received


def statuses(received):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


def answer_parts(answer):
    """An answer of raw bytes without what differs from one to the next."""
    return re.sub(rb"(?m)^(X-Request-Id|Date): .*$", rb"\1", answer)


class FrontCase(TestCase):
    """A receiver for the class. {folder} in its sections is where its files are."""

    sections = ""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="usher-e2e-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.usher = Receiver(cls.folder.name, cls.sections)
        cls.usher.start()
        cls.addClassCleanup(cls.stop_server)

    def setUp(self):
        pass

    def caller(self, base=None):
        caller = Caller(base or self.usher.base)
        self.addCleanup(caller.close)
        return caller

    def counts(self, usher=None):
        """{source: {result: n}}, without zeros."""
        with urllib.request.urlopen((usher or self.usher).base + "/metrics",
                timeout=PATIENCE) as answer:
            page = answer.read().decode()
        found = collections.defaultdict(dict)
        for source, result, number in CALLS.findall(page):
            if int(number) > 0:
                found[source][result] = int(number)
        return found

    def stored_bodies(self, source, usher=None):
        """In the order in which they came."""
        return [bytes(body) for body, in (usher or self.usher).stored(
            "SELECT body FROM inbox JOIN source USING (source_pk) WHERE name = ?"
            " ORDER BY inbox_pk", source)]
