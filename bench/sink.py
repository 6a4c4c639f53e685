# SPDX-License-Identifier: Apache-2.0
"""The endpoint: bench/sink as a process, and a certificate for it."""
import itertools
import mmap
import os
import signal
import struct
import subprocess
import time

from figures import Failure
from machine import start_beside

ARRIVAL_SECONDS = 60     # without any new post; then what is missing is missing
COUNTERS = struct.Struct("=QQQQ")

serials = itertools.count()


class Sink:
    """Its counters are read from memory, so that asking costs nothing. arrivals: of how many posts
    the times are kept."""

    def __init__(self, build, folder, ports=1, certificate=None, distinct=False, arrivals=0):
        scheme = "http" if certificate is None else "https"
        path = os.path.join(folder, f"counters-{next(serials)}")
        command = [os.path.join(build, "bench", "sink"), "--ports", str(ports), "--counters", path]
        if certificate is not None:
            command += ["--certificate", certificate.path, "--key", certificate.key_path]
        if distinct:
            command.append("--distinct")
        if arrivals > 0:
            command += ["--arrivals", str(arrivals)]
        self.arrivals_max = arrivals
        self.process = start_beside(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ports "):
            raise Failure("the endpoint did not start")
        self.urls = [f"{scheme}://127.0.0.1:{port}/hook" for port in line.split()[1:]]
        with open(path, "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def counters(self):
        """requests, distinct, last arrival in ns, connections"""
        return COUNTERS.unpack_from(self.memory)

    def requests(self):
        return self.counters()[0]

    def wait(self, wanted, seconds=0.01):
        """Until so many requests have come since the start, looking every so often; when the last
        one came, in ns."""
        seen = self.requests()
        changed = time.monotonic()
        while seen < wanted:
            time.sleep(seconds)
            now = self.requests()
            if now != seen:
                seen, changed = now, time.monotonic()
            elif time.monotonic() > changed + ARRIVAL_SECONDS:
                raise Failure(f"{wanted - seen} of {wanted} posts have not arrived")
        return self.counters()[2]

    def arrivals(self, first, count):
        """When the first byte of each of so many posts came, in ns, from the first-th on."""
        if count > self.arrivals_max or first + count > self.requests():
            raise Failure(f"the times of posts {first} to {first + count} are not kept")
        return [struct.unpack_from("=Q", self.memory,
            COUNTERS.size + 8 * (number % self.arrivals_max))[0]
            for number in range(first, first + count)]

    def fall_silent(self):
        """From now on it reads and never answers; it cannot be undone."""
        self.process.send_signal(signal.SIGUSR1)

    def wait_quiet(self, seconds=0.5):
        """Until nothing more comes."""
        seen, since = self.requests(), time.monotonic()
        while time.monotonic() < since + seconds:
            time.sleep(0.02)
            if self.requests() != seen:
                seen, since = self.requests(), time.monotonic()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Certificate:
    def __init__(self, folder):
        self.path = os.path.join(folder, "certificate.pem")
        self.key_path = os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", self.key_path, "-out", self.path],
            stdin=subprocess.DEVNULL, capture_output=True, check=True)
