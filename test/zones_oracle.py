#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every zone of the database against Python's zoneinfo, which shares no code with ours.

    zones_oracle.py ZONES_DRIVER

Offsets one second before, at and after every transition from 1972 to 2037 and by the rule up to
2100; local times around each of them, resolved by arithmetic over the transitions; and the rows
that people wrote down. Where zic is installed the same is asked of a database compiled from
tzdata.zi in its slim form, whose files say with a rule what the fat ones list.
"""

import collections
import datetime
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zoneinfo

UTC = datetime.timezone.utc
FIRST = int(datetime.datetime(1972, 1, 1, tzinfo=UTC).timestamp())
TABLES_END = int(datetime.datetime(2038, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime.datetime(2100, 12, 31, tzinfo=UTC).timestamp())
WEEK = 7 * 86400
# Beside a transition: at its two local times, half-way through, and a second outside.
MARGINS = (-1, 0, 1)


def zone_names(directory):
    """All TZif files, with those that are the same file under several names."""
    found = {}
    for base, folders, files in os.walk(directory):
        if base == directory:
            folders[:] = [f for f in folders if f not in ("posix", "right")]
        for name in files:
            path = os.path.join(base, name)
            relative = os.path.relpath(path, directory)
            if relative in ("posixrules", "localtime"):
                continue
            with open(path, "rb") as file:
                if file.read(4) == b"TZif":
                    found.setdefault(os.path.realpath(path), []).append(relative)
    return found


def listed_transitions(path):
    """The times of the 64-bit block of a TZif file."""
    with open(path, "rb") as file:
        data = file.read()
    counts = struct.unpack(">6L", data[20:44])
    isut, isstd, leap, times, types, chars = counts
    at = 44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut
    times = struct.unpack(">L", data[at + 32 : at + 36])[0]
    return struct.unpack(f">{times}q", data[at + 44 : at + 44 + 8 * times])


def make_offset(zone, path):
    """The offset at a time, from zoneinfo but for one second.

    RFC 9636 gives the rule all times "on or after the last transition"; zoneinfo still takes the
    listed offset in the very second of it. The two are the same in a sound file, but zic 2.36
    makes one where they are not: America/Ojinaga, slim, on 2022-10-30.
    """
    epoch = datetime.datetime(1970, 1, 1, tzinfo=UTC)
    last = (listed_transitions(path) or [None])[-1]

    def offset(at):
        if at == last:
            at += 1
        moment = (epoch + datetime.timedelta(seconds=at)).astimezone(zone)
        return int(moment.utcoffset().total_seconds())

    return offset


def transitions(path, offset):
    """(time, offset before, offset after): the listed ones, and those that the rule makes."""
    times = {t for t in listed_transitions(path) if FIRST <= t < TABLES_END}
    before = offset(FIRST)
    for start in range(FIRST, LAST, WEEK):
        after = offset(start + WEEK)
        if before != after:
            low, high = start, start + WEEK
            while high - low > 1:
                middle = (low + high) // 2
                if offset(middle) == before:
                    low = middle
                else:
                    high = middle
            times.add(high)
        before = after
    return [(t, offset(t - 1), offset(t)) for t in sorted(times)]


def resolve(changes, first, local):
    """RFC 5545 by looking at every span of constant offset: (instant, adjusted)."""
    matches = []
    for start, end, offset in spans(changes, first):
        if start <= local - offset < end:
            matches.append(local - offset)
    if len(matches) > 1:
        return min(matches), "overlap"
    if matches:
        return matches[0], "none"
    for time, before, after in changes:
        if time + before <= local < time + after:
            return local - before, "gap"
    raise AssertionError(f"nothing resolves {local}")


def spans(changes, first):
    start, offset = -(1 << 60), first
    for time, _, after in changes:
        yield start, time, offset
        start, offset = time, after
    yield start, 1 << 60, offset


class Questions:
    """Collects questions with the answers they must get, and asks the driver all at once."""

    def __init__(self, driver, directory):
        self.command = [driver, directory]
        self.lines = []
        self.expected = []

    def ask(self, line, answer):
        self.lines.append(line)
        self.expected.append(answer)

    def zone(self, name):
        self.ask(f"z {name}", "ok")

    def run(self):
        done = subprocess.run(
            self.command, input="\n".join(self.lines) + "\n", capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{self.command}: {done.stderr}")
        answers = done.stdout.splitlines()
        if len(answers) != len(self.expected):
            sys.exit(f"{len(answers)} answers to {len(self.expected)} questions")
        wrong = 0
        zone = ""
        for line, answer, expected in zip(self.lines, answers, self.expected):
            if line.startswith("z "):
                zone = line[2:]
            if answer != expected:
                wrong += 1
                if wrong <= 20:
                    print(f"{zone}: {line}: {answer}, expected {expected}")
        return wrong


def ask_zone(questions, name, path, zone, resolve_until):
    offset = make_offset(zone, path)
    changes = transitions(path, offset)
    first = offset(FIRST)
    questions.zone(name)
    for year in range(1972, 2101, 4):
        at = int(datetime.datetime(year, 7, 2, 12, tzinfo=UTC).timestamp())
        questions.ask(f"o {at}", str(offset(at)))
    for index, (time, before, after) in enumerate(changes):
        for at, expected in ((time - 1, before), (time, after), (time + 1, offset(time + 1))):
            questions.ask(f"o {at}", str(expected))
        if time >= resolve_until:
            continue
        # Only the neighbours can matter to a local time this near.
        near = changes[max(0, index - 2) : index + 3]
        start = near[0][1] if near else first
        for edge in {time + before, time + after, time + (before + after) // 2}:
            for margin in MARGINS:
                at, adjusted = resolve(near, start, edge + margin)
                questions.ask(f"r {edge + margin}", f"{at} {adjusted}")
    return len(changes)


def seconds(text):
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def offset_seconds(text):
    sign = -1 if text[0] == "-" else 1
    parts = [int(part) for part in text[1:].split(":")] + [0, 0]
    return sign * (parts[0] * 3600 + parts[1] * 60 + parts[2])


# Zone, UTC, offset: written down by hand, so that a fault shared by two readers would show.
OFFSETS = """
Asia/Kolkata         2024-03-15T10:00     +05:30
Asia/Calcutta        2024-03-15T10:00     +05:30
Asia/Kathmandu       2024-03-15T10:00     +05:45
Asia/Kathmandu       1985-12-31T18:00     +05:30
Asia/Kathmandu       1985-12-31T19:00     +05:45
Pacific/Chatham      2024-06-15T00:00     +12:45
Pacific/Chatham      2024-12-15T00:00     +13:45
America/St_Johns     2024-01-15T12:00     -03:30
America/St_Johns     2024-07-15T12:00     -02:30
America/St_Johns     1988-07-15T12:00     -01:30
Africa/Monrovia      1971-06-01T00:00     -00:44:30
Africa/Monrovia      1972-06-01T00:00     +00:00
Australia/Lord_Howe  2024-01-15T00:00     +11:00
Australia/Lord_Howe  2024-07-15T00:00     +10:30
Australia/Eucla      2024-01-15T00:00     +08:45
Pacific/Marquesas    2024-01-15T00:00     -09:30
Pacific/Kiritimati   2024-01-15T00:00     +14:00
Antarctica/Troll     2024-01-15T00:00     +00:00
Antarctica/Troll     2024-07-15T00:00     +02:00
Europe/Dublin        2024-01-15T00:00     +00:00
Europe/Dublin        2024-07-15T00:00     +01:00
Africa/Casablanca    2024-03-20T00:00     +00:00
Africa/Casablanca    2024-06-20T00:00     +01:00
Pacific/Apia         2011-12-30T09:59:59  -10:00
Pacific/Apia         2011-12-30T10:00:00  +14:00
America/Caracas      2010-06-01T00:00     -04:30
America/Caracas      2020-06-01T00:00     -04:00
Asia/Pyongyang       2016-06-01T00:00     +08:30
Asia/Pyongyang       2019-06-01T00:00     +09:00
Asia/Colombo         2000-06-01T00:00     +06:00
Asia/Colombo         2024-06-01T00:00     +05:30
America/Asuncion     2024-07-01T00:00     -04:00
America/Asuncion     2025-07-01T00:00     -03:00
Asia/Almaty          2024-02-01T00:00     +06:00
Asia/Almaty          2024-04-01T00:00     +05:00
America/Nuuk         2023-01-15T00:00     -03:00
America/Nuuk         2024-01-15T00:00     -02:00
Africa/Cairo         2022-07-15T00:00     +02:00
Africa/Cairo         2023-07-15T00:00     +03:00
America/Mexico_City  2022-07-15T00:00     -05:00
America/Mexico_City  2023-07-15T00:00     -06:00
Asia/Amman           2022-01-15T00:00     +02:00
Asia/Amman           2023-01-15T00:00     +03:00
America/New_York     2100-07-01T12:00     -04:00
"""

# Zone, local time, UTC, adjusted: sessions of an evening and of a week that meet a change.
LOCALS = """
America/Nuuk         2025-03-29T22:59:59  2025-03-30T00:59:59  none
America/Nuuk         2025-03-29T23:30     2025-03-30T01:30     gap
America/Nuuk         2025-03-30T00:00     2025-03-30T01:00     none
America/Nuuk         2025-10-25T23:30     2025-10-26T00:30     overlap
America/Santiago     2025-04-05T23:30     2025-04-06T02:30     overlap
America/Santiago     2025-09-07T00:30     2025-09-07T04:30     gap
America/Havana       2025-03-09T00:30     2025-03-09T05:30     gap
Africa/Cairo         2025-04-25T00:30     2025-04-24T22:30     gap
Africa/Cairo         2025-10-30T23:30     2025-10-30T20:30     overlap
Asia/Beirut          2025-03-30T00:30     2025-03-29T22:30     gap
Australia/Lord_Howe  2025-10-05T02:15     2025-10-04T15:45     gap
Australia/Lord_Howe  2025-04-06T01:45     2025-04-05T14:45     overlap
Antarctica/Troll     2025-03-30T02:30     2025-03-30T02:30     gap
Europe/Dublin        2025-10-26T01:30     2025-10-26T00:30     overlap
Europe/Dublin        2025-03-30T01:30     2025-03-30T01:30     gap
America/New_York     2024-03-10T02:30     2024-03-10T07:30     gap
America/New_York     2024-11-03T01:30     2024-11-03T05:30     overlap
Asia/Kathmandu       1986-01-01T00:05     1985-12-31T18:35     gap
Pacific/Apia         2011-12-29T23:59:59  2011-12-30T09:59:59  none
Pacific/Apia         2011-12-30T00:00     2011-12-30T10:00     gap
Pacific/Apia         2011-12-30T12:00     2011-12-30T22:00     gap
Pacific/Apia         2011-12-30T23:59:59  2011-12-31T09:59:59  gap
Pacific/Apia         2011-12-31T00:00     2011-12-30T10:00     none
America/New_York     2025-10-23T19:00     2025-10-23T23:00     none
America/New_York     2025-10-30T19:00     2025-10-30T23:00     none
America/New_York     2025-11-06T19:00     2025-11-07T00:00     none
America/New_York     2025-11-13T19:00     2025-11-14T00:00     none
Africa/Casablanca    2025-02-19T20:00     2025-02-19T19:00     none
Africa/Casablanca    2025-02-26T20:00     2025-02-26T20:00     none
Africa/Casablanca    2025-04-02T20:00     2025-04-02T20:00     none
Africa/Casablanca    2025-04-09T20:00     2025-04-09T19:00     none
America/New_York     2100-07-01T08:00     2100-07-01T12:00     none
"""

# Sessions across a change: zone, UTC from and to, and what the wall clock shows at either end.
SESSIONS = """
America/New_York  2024-11-03T05:30  2024-11-03T06:30  2024-11-03T01:30  2024-11-03T01:30
America/New_York  2024-03-10T06:30  2024-03-10T07:30  2024-03-10T01:30  2024-03-10T03:30
America/Nuuk      2025-03-30T00:00  2025-03-30T02:00  2025-03-29T22:00  2025-03-30T01:00
"""

REFUSED = (
    "posixrules localtime Factory UTC+5 GMT+0 EST5EDT leapseconds tzdata.zi zone.tab America "
    "asia/kolkata posix/UTC right/UTC ../zoneinfo/UTC /etc/localtime Not/AZone +5:30 -00:00 Z"
).split()
ACCEPTED = "UTC Asia/Calcutta Asia/Kolkata Etc/GMT+5 NZ-CHAT GB-Eire +05:30 -03:30".split()


def rows(text):
    return [line.split() for line in text.strip().splitlines()]


def ask_rows(questions):
    for zone, at, offset in rows(OFFSETS):
        questions.zone(zone)
        questions.ask(f"o {seconds(at)}", str(offset_seconds(offset)))
    for zone, local, at, adjusted in rows(LOCALS):
        questions.zone(zone)
        questions.ask(f"r {seconds(local)}", f"{seconds(at)} {adjusted}")
    for zone, start, end, local_start, local_end in rows(SESSIONS):
        questions.zone(zone)
        for at, local in ((start, local_start), (end, local_end)):
            questions.ask(f"o {seconds(at)}", str(seconds(local) - seconds(at)))
    for name in REFUSED:
        questions.ask(f"g {name}", "no")
    for name in ACCEPTED:
        questions.ask(f"g {name}", "yes")


def check_database(driver, directory, with_rows):
    zoneinfo.reset_tzpath([directory])
    zoneinfo.ZoneInfo.clear_cache()
    questions = Questions(driver, directory)
    total = collections.Counter()
    for path, names in sorted(zone_names(directory).items()):
        zone = zoneinfo.ZoneInfo(sorted(names)[0])
        # Resolving by the rule is the same question every year; the listed changes are not.
        total["changes"] += ask_zone(questions, names[0], path, zone, TABLES_END)
        for name in names[1:]:
            questions.zone(name)
            questions.ask("o 1710496800", str(make_offset(zone, path)(1710496800)))
        total["zones"] += len(names)
    if with_rows:
        ask_rows(questions)
    wrong = questions.run()
    print(
        f"{directory}: {total['zones']} zones, {total['changes']} changes, "
        f"{len(questions.lines)} answers, {wrong} wrong"
    )
    return wrong


def main():
    driver = sys.argv[1]
    directory = "/usr/share/zoneinfo"
    source = os.path.join(directory, "tzdata.zi")
    if not os.path.exists(os.path.join(directory, "UTC")):
        print(f"skipped: no time zones in {directory}")
        return 77
    wrong = check_database(driver, directory, True)
    if shutil.which("zic") is None or not os.path.exists(source):
        print("skipped: the slim form, for want of zic or tzdata.zi")
        return 1 if wrong else 0
    with tempfile.TemporaryDirectory() as slim:
        subprocess.run(["zic", "-b", "slim", "-d", slim, source], check=True)
        wrong += check_database(driver, slim, False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
