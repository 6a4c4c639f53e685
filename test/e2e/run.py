#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of the whole program; the last line is the count.

    run.py [--usher FILE] [--plain FILE] [--only WORD]… [--jobs N]

--only takes the tests whose name holds the word, or one of the words. --jobs runs so many classes
side by side, each in a process of its own: most tests wait for something.
"""
import argparse
import itertools
import multiprocessing
import os
import sys
import time
import traceback
import unittest

import harness

FOLDER = os.path.dirname(os.path.abspath(__file__))


class Result(unittest.TestResult):
    """A line for each test; of a failure, what the server wrote."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.started = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def line(self, verdict, test, note=""):
        seconds = time.monotonic() - self.started
        print(f"{verdict:<7} {test.id() if hasattr(test, 'id') else test} ({seconds:.1f} s){note}",
            flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("skipped", test, f": {reason}")

    def failed(self, test, err):
        self.line("FAILED", test)
        print("".join(traceback.format_exception(*err)), flush=True)
        usher = getattr(test, "usher", None)
        if usher is not None:
            print("    the server's last lines:")
            print("".join(f"    {line}\n" for line in usher.log().split("\n")[-30:]), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed(subtest, err)


def selected(suite, words):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from selected(test, words)
        elif not words or any(word in test.id() for word in words):
            yield test


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--usher", default=harness.Settings.usher)
    parser.add_argument("--plain", help="where memory is measured; --usher if not given")
    parser.add_argument("--only", action="append", metavar="WORD")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    arguments = parser.parse_args()
    harness.Settings.usher = os.path.abspath(arguments.usher)
    harness.Settings.plain = os.path.abspath(arguments.plain or arguments.usher)

    found = unittest.TestLoader().discover(FOLDER, pattern="test_*.py", top_level_dir=FOLDER)
    classes = by_class(selected(found, arguments.only))
    with multiprocessing.get_context("fork").Pool(arguments.jobs, maxtasksperchild=1) as pool:
        counts = list(pool.imap_unordered(run_class, classes, chunksize=1))
    passed, failed, skipped = (sum(column) for column in zip(*counts, (0, 0, 0)))
    said = f"{passed} passed, {failed} failed"
    if skipped:
        said += f", {skipped} skipped"
    print(said)
    return 1 if failed or passed == 0 else 0


def by_class(tests):
    """Lists of the tests of a class, which share a server."""
    return [list(group) for _, group in itertools.groupby(tests, type)]


def run_class(tests):
    """passed, failed, skipped"""
    result = Result()
    unittest.TestSuite(tests).run(result)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    return result.passed, failed, len(result.skipped)


if __name__ == "__main__":
    sys.exit(main())
