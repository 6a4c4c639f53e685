# SPDX-License-Identifier: Apache-2.0
"""What the programs of the bench are framed by: options, a folder, and how they end."""
import argparse
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from figures import Failure, tell
from machine import CORE_BESIDE, ROOT

# What an issue allows the program under test of memory.
RSS_MB = 64


def new_parser(program, description):
    parser = argparse.ArgumentParser(prog=f"./run bench {program}", description=description)
    parser.add_argument("--quick", action="store_true",
        help="a tenth of everything, one round: to see that it works, not for figures")
    parser.add_argument("--build", default=os.path.join(ROOT, "build-bench"), metavar="DIR",
        help="a build folder made with -Dbench=true (build-bench)")
    parser.add_argument("--folder", metavar="DIR",
        help="where to put the database, on a real disk (the build folder)")
    return parser


def parse_audience(parser, attendees, attendees_min):
    """attendees: how many unless somebody says; a tenth of it when it is to be quick."""
    parser.add_argument("--attendees", type=int, metavar="N", help="people in the largest mango")
    options = parse(parser)
    options.attendees = options.attendees or attendees // (10 if options.quick else 1)
    if not attendees_min <= options.attendees <= 1000000:
        parser.error(f"--attendees: {attendees_min} to 1000000")
    return options


def parse(parser):
    options = parser.parse_args()
    options.rounds = 1 if options.quick else 3
    options.build = os.path.abspath(options.build)
    options.usher = os.path.join(options.build, "usher")
    for program in (options.usher, os.path.join(options.build, "bench", "sink")):
        if not os.path.exists(program):
            parser.error(f"there is no {program}: ./run bench builds it")
    return options


def rounds_of(options):
    return "1 round" if options.rounds == 1 else f"{options.rounds} rounds"


def run(options, new_bench):
    """new_bench(options, folder) has run() and stop(); the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = tempfile.mkdtemp(prefix="bench-", dir=os.path.abspath(options.folder or options.build))
    bench = None
    status = 0
    os.sched_setaffinity(0, {CORE_BESIDE})
    try:
        bench = new_bench(options, folder)
        bench.run()
    except (Failure, RuntimeError, OSError, subprocess.SubprocessError,
            http.client.HTTPException) as failure:
        tell("")
        print(f"bench: {failure}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 130
    finally:
        if bench is not None:
            bench.stop()
        shutil.rmtree(folder)
    return status
