# SPDX-License-Identifier: Apache-2.0
"""This machine: its two cores, one measured and one beside, and what to know of it."""
import contextlib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORES = sorted(os.sched_getaffinity(0))
CORE_MEASURED = CORES[0]
CORE_BESIDE = CORES[min(1, len(CORES) - 1)]


@contextlib.contextmanager
def on_core(core):
    """What is started inside runs there with all its threads."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {CORE_BESIDE})


def start_beside(command, **options):
    """On the core that we are on; it does not outlive us however we end."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command],
        stdin=subprocess.DEVNULL, start_new_session=True, **options)


def first_match(path, pattern, default="unknown"):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.MULTILINE)
        if found:
            return found[1]
    return default


def taken_ms():
    """Of the measured core, by other machines on the same iron, as far as they tell ours."""
    ticks = int(first_match("/proc/stat", rf"^cpu{CORE_MEASURED} (?:\d+ ){{7}}(\d+)", "0"))
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def cpu_us_of(pid):
    """What a process has taken of all cores so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def peak_mb_of(pid):
    """The most memory that a process ever had."""
    return int(first_match(f"/proc/{pid}/status", r"^VmHWM:\s+(\d+) kB", "0")) / 1024


def output_of(*command):
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=True, cwd=ROOT).stdout.strip()
    return "unknown"


def file_system(folder):
    """Type and device of what holds the folder."""
    best = ("unknown", "unknown", "")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            device, place, kind = line.split()[:3]
            inside = os.path.commonpath([folder, place]) == place
            if inside and len(place) >= len(best[2]):
                best = (kind, device, place)
    return best[:2]


def build_of(options):
    """buildtype, as meson tells, and compiler, as the program itself does."""
    kind = "unknown"
    with contextlib.suppress(OSError, ValueError, StopIteration):
        path = os.path.join(options.build, "meson-info", "intro-buildoptions.json")
        with open(path, encoding="utf-8") as file:
            kind = next(row["value"] for row in json.load(file) if row["name"] == "buildtype")
    found = re.search(r"\] +(.*)", output_of("readelf", "-p", ".comment", options.usher))
    return f"{kind}, {found[1] if found else 'unknown compiler'}"


def print_machine(options, folder):
    model = first_match("/proc/cpuinfo", r"^model name\s*: (.*)$")
    memory = int(first_match("/proc/meminfo", r"^MemTotal:\s+(\d+) kB", "0")) // 1024
    kind, device = file_system(folder)
    libraries = [f"{name} {output_of('pkg-config', '--modversion', name)}"
        for name in ("openssl", "libevent", "sqlite3", "libcurl")]
    print(f"machine    {model}, {len(CORES)} cores, {memory} MB; "
        f"load {' '.join(f'{load:.1f}' for load in os.getloadavg())} before we began")
    print(f"kernel     {os.uname().sysname} {os.uname().release}")
    print(f"disk       {kind} on {device}" +
        (": NOT A DISK, nothing is durable here" if kind in ("tmpfs", "ramfs") else ""))
    print(f"program    {output_of(options.usher, '--version')} ({build_of(options)}), "
        f"commit {output_of('git', 'describe', '--always', '--dirty')}")
    print(f"libraries  {', '.join(libraries)}; Python {sys.version.split()[0]}")
    print(f"cores      measured: {CORE_MEASURED}; endpoint and driver: {CORE_BESIDE}" +
        ("" if CORE_MEASURED != CORE_BESIDE else ": THE SAME, so no rate means anything"))
