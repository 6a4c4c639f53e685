#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Endpoints as nobody wants them, on 127.0.0.1 alone, in a process of their own.

    hostile.py FOLDER

FOLDER is where certificates are made. The one line that is printed is JSON: the ports of "plain",
"selfsigned", "expired" and "wronghost" (TLS), "dns" (UDP) and "control", and the file "authority",
by whom the certificates but the first are signed.

A call of http://127.0.0.1:PLAIN/KIND/NAME is treated as KIND says (KINDS below). The name server
says nothing of names under silent.example, and that there are none under gone.example.

    GET  /count    on the control port: {"KIND": {"calls", "open", "ended", "bytes"}}, where open is
                   how many are held now, ended how many were given up by the caller, and bytes
                   the most that one answer could write
    PUT  /release  what hangs or stalls is let go, now and from now on
"""
import asyncio
import collections
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import urllib.request

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
FLOOD_BYTES = 10 * 1024 * 1024
PIECE_BYTES = 16 * 1024
UNSAFE = bytes(range(256))  # what an answer may hold and a page must not


class Count:
    """What happened at one kind of endpoint."""

    def __init__(self):
        self.calls = 0
        self.open = 0
        self.ended = 0
        self.bytes = 0


class Endpoint:
    """One connection after its request was read: what comes back is the kind's method."""

    def __init__(self, hostile, kind, reader, writer):
        self.hostile = hostile
        self.count = hostile.counts[kind]
        self.reader = reader
        self.writer = writer
        self.written = 0

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()
        self.written += len(data)
        self.count.bytes = max(self.count.bytes, self.written)

    async def hold(self):
        """Nothing more, until the caller goes or the test has seen enough."""
        self.count.open += 1
        gone = asyncio.ensure_future(self.reader.read(1))
        released = asyncio.ensure_future(self.hostile.released.wait())
        try:
            await asyncio.wait({gone, released}, return_when=asyncio.FIRST_COMPLETED)
            if not released.done():
                self.count.ended += 1
        finally:
            gone.cancel()
            released.cancel()
            self.count.open -= 1

    def cut(self):
        """RST, whatever was written."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    # --- the kinds ---

    async def good(self):
        await self.write(ANSWER)

    async def hang(self):
        await self.hold()

    async def trickle(self):
        """A good answer, one byte a second, that would take eleven days."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        self.count.open += 1
        try:
            while not self.hostile.released.is_set():
                await self.write(answer[:1] or b"x")
                answer = answer[1:]
                await asyncio.sleep(1)
        except OSError:
            self.count.ended += 1
            raise
        finally:
            self.count.open -= 1

    async def stall(self):
        await self.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nOK")
        await self.hold()

    async def flood(self):
        await self.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % FLOOD_BYTES + UNSAFE)
        for _ in range((FLOOD_BYTES - len(UNSAFE)) // PIECE_BYTES):
            await self.write(b"x" * PIECE_BYTES)

    async def reset(self):
        self.cut()

    async def half(self):
        """RST in the middle of the answer."""
        await self.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nOK")
        self.cut()

    async def close(self):
        pass

    async def garbage(self):
        await self.write(UNSAFE * 16)

    async def bighead(self):
        await self.write(b"HTTP/1.1 200 OK\r\nX: ")
        while self.written < FLOOD_BYTES:
            await self.write(b"x" * PIECE_BYTES)

    async def manyfields(self):
        await self.write(b"HTTP/1.1 200 OK\r\n")
        while self.written < FLOOD_BYTES:
            await self.write(b"X: y\r\n" * 100)

    async def continues(self):
        while self.written < FLOOD_BYTES:
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    async def redirect(self):
        """To where it would be seen, with the signed body."""
        await self.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:%d/trap/x"
            b"\r\nContent-Length: 0\r\n\r\n" % self.hostile.ports["plain"])

    async def trap(self):
        await self.write(ANSWER)

    async def error(self):
        """A failure whose page is not fit to be shown as it is."""
        page = b"<script>alert(1)</script>\0\x1b[2J" + UNSAFE + b"x" * 8192
        await self.write(
            b"HTTP/1.1 500 \r\nContent-Length: %d\r\n\r\n" % len(page) + page)


KINDS = ("good", "hang", "trickle", "stall", "flood", "reset", "half", "close", "garbage",
    "bighead", "manyfields", "continues", "redirect", "trap", "error")
TLS_KINDS = ("selfsigned", "expired", "wronghost")


class NameServer(asyncio.DatagramProtocol):
    def __init__(self, hostile):
        self.hostile = hostile
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        question = data[12:].lower()
        if b"\x06silent\x07example\x00" in question:
            self.hostile.counts["silent"].calls += 1
        elif b"\x04gone\x07example\x00" in question:
            self.hostile.counts["gone"].calls += 1
            # An answer, authoritative, with recursion: no such name; the question as it came.
            self.transport.sendto(data[:2] + b"\x85\x83\x00\x01" + bytes(6) + data[12:], addr)


def make_certificates(folder):
    """One for each kind; returns the authority's file."""

    def run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    def request(name, *more):
        run("req", *more, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out",
            f"{name}.pem" if "-x509" in more else f"{name}.csr")

    request("authority", "-x509", "-days", "2")
    request("selfsigned", "-x509", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1")
    with open(os.path.join(folder, "ca.conf"), "w", encoding="ascii") as file:
        file.write("[ca]\ndefault_ca=one\n[one]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
            "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
            "[here]\nsubjectAltName=IP:127.0.0.1\n[there]\nsubjectAltName=DNS:other.example\n")
    with open(os.path.join(folder, "index"), "w", encoding="ascii"):
        pass
    for name, hosts, start, end in (
            ("expired", "here", "20200101000000Z", "20210101000000Z"),
            ("wronghost", "there", "20200101000000Z", "20991231000000Z")):
        request(name)
        run("ca", "-batch", "-config", "ca.conf", "-create_serial", "-cert", "authority.pem",
            "-keyfile", "authority.key", "-extensions", hosts, "-startdate", start, "-enddate",
            end, "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext")
    return os.path.join(folder, "authority.pem")


class Endpoints:
    """All of them, on one loop."""

    def __init__(self):
        self.counts = collections.defaultdict(Count)
        self.released = asyncio.Event()
        self.ports = {}

    async def serve(self, kind, reader, writer):
        """kind None: the path says."""
        writer.transport.set_write_buffer_limits(0)
        # So that what was written is known, and not what some kernel's buffer would hold.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        try:
            path = await self.read_request(reader)
            name = kind or path.split("/")[1]
            self.counts[name].calls += 1
            if name in KINDS:
                await getattr(Endpoint(self, name, reader, writer), name)()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the caller has gone
        finally:
            writer.close()

    @staticmethod
    async def read_request(reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
        await reader.readexactly(int(fields.get("content-length", "0")))
        return head.split(" ")[1]

    async def control(self, reader, writer):
        path = await self.read_request(reader)
        if path == "/release":
            self.released.set()
        said = json.dumps({kind: vars(count) for kind, count in self.counts.items()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            % (len(said), said))
        await writer.drain()
        writer.close()

    async def listen(self, serve, context=None):
        server = await asyncio.start_server(
            serve, "127.0.0.1", 0, backlog=4096, ssl=context)
        return server.sockets[0].getsockname()[1]

    def tls_server(self, folder, kind):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(os.path.join(folder, f"{kind}.{end}") for end in ("pem", "key")))
        return self.listen(lambda reader, writer: self.serve(kind, reader, writer), context)

    async def start(self, folder):
        authority = make_certificates(folder)
        for kind in KINDS + TLS_KINDS + ("silent", "gone"):
            self.counts[kind] = Count()
        self.ports["plain"] = await self.listen(lambda *both: self.serve(None, *both))
        for kind in TLS_KINDS:
            self.ports[kind] = await self.tls_server(folder, kind)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: NameServer(self), local_addr=("127.0.0.1", 0))
        self.ports["dns"] = transport.get_extra_info("sockname")[1]
        self.ports["control"] = await self.listen(self.control)
        print(json.dumps(dict(self.ports, authority=authority)), flush=True)


class Hostile:
    """The program, for a test."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, os.path.abspath(__file__), folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.ports = json.loads(self.process.stdout.readline())
        self.authority = self.ports["authority"]

    def url(self, kind, name="x"):
        if kind in TLS_KINDS:
            return f"https://127.0.0.1:{self.ports[kind]}/{kind}/{name}"
        if kind in ("silent", "gone"):
            return f"http://{name}.{kind}.example:{self.ports['plain']}/good/x"
        return f"http://127.0.0.1:{self.ports['plain']}/{kind}/{name}"

    def ask(self, method, path):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports['control']}{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def counts(self):
        return self.ask("GET", "/count")

    def release(self):
        self.ask("PUT", "/release")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


async def main():
    endpoints = Endpoints()
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # of callers who break off
    await endpoints.start(sys.argv[1])
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
