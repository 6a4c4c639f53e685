# SPDX-License-Identifier: Apache-2.0
"""From runs to lines: medians with their spread, tables, and what was aimed at."""
import statistics
import sys


class Failure(Exception):
    """The bench cannot go on; its text says why."""


def percentile(times, part):
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def spread(values, form):
    """The median, and in brackets the least and the most; runs without a figure do not count."""
    values = [value for value in values if value is not None]
    if not values:
        return ""
    middle = form.format(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({form.format(min(values))}–{form.format(max(values))})"


def ratio(runs, bases):
    """Of each round against the same round, then the median."""
    return statistics.median(a / b for a, b in zip(runs, bases))


def print_rows(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *others = (text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths)))
        print(" | ".join([first, *others]).rstrip())
    sys.stdout.flush()


def tell(what):
    """What is under way, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{what}")
        sys.stderr.flush()


class Aims:
    """What an issue wants, and whether it was reached."""

    def __init__(self):
        self.lines = []

    def judge(self, is_reached, text):
        self.lines.append(f"  {'reached' if is_reached else 'MISSED '}  {text}")

    def print(self):
        print("\naims", *self.lines, sep="\n", flush=True)
