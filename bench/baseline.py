# SPDX-License-Identifier: Apache-2.0
"""What a run is held against: a bare loop of posts, and the same over libcurl."""
import os
import re
import subprocess

from figures import Failure
from machine import CORE_MEASURED, on_core, start_beside

BARE_SECONDS = 600       # a ceiling for one run


def has_curl(build):
    return os.path.exists(os.path.join(build, "bench", "bare_curl"))


def run_bare(build, name, urls, in_flight, count, certificate=None):
    """name: bare_client or bare_curl; its rate, and its CPU in us for each post."""
    command = [os.path.join(build, "bench", name),
        "--in-flight", str(in_flight), "--count", str(count)]
    if certificate is not None:
        command += ["--ca", certificate.path]
    with on_core(CORE_MEASURED):
        process = start_beside([*command, *urls], stdout=subprocess.PIPE, text=True)
    with process:
        output, _ = process.communicate(timeout=BARE_SECONDS)
    found = re.search(r": (\d+)/s, ([\d.]+) us CPU each, (\d+) failed", output)
    if process.returncode != 0 or not found or found[3] != "0":
        raise Failure(f"{' '.join(command)}: {process.returncode}: {output}")
    return {"rate": float(found[1]), "cpu": float(found[2])}
