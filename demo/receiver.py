#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other end of the wire: an endpoint that takes webhooks and believes nothing.

It shares no code with the program: Python's standard library alone, its own HTTP, HMAC, JSON and
zoneinfo. For each call it builds, from what it was told of the people and the webinar, the body
that must arrive, and compares byte for byte.

    receiver.py [--port N] --people FILE.csv

    POST /hook/NAME             a webhook call
    PUT  /control/hook/NAME     {"id", "secret", "phoneFormat"}: how that hook signs
    PUT  /control/person        {"name", "email", "phone", "timezone"}: one more person
    PUT  /control/step          {"name", "reason", "webinar", "expect": {hook: [email, …]}}: what is
                                to arrive from now on; without a webinar, whatever is well signed.
                                Answers with the count of the step that ends
    GET  /control/step          the count: expected, arrived, verified, missing, repeated, faults
    GET  /                      the newest calls, to be read
"""
import argparse
import asyncio
import base64
import collections
import csv
import datetime
import hashlib
import hmac
import json
import re
import signal
import sys
import time
import zoneinfo

BODY_KEYS = ["name", "email", "phone", "timezone", "callList", "mangoes"]
TOLERANCE_SECONDS = 300
FAULTS_KEPT = 10
CALLS_KEPT = 20
WEBHOOK_ID = re.compile(r"msg_([a-z2-7]{58})_(0|[1-9][0-9]{0,18})")


# --- HTTP/1.1, as little as an endpoint needs -----------------------------------------------------


class Request:
    __slots__ = ("method", "path", "headers", "body")

    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers  # by lower-case name
        self.body = body


class Reply:
    """What the endpoint says; drop: nothing at all, the connection is closed."""

    def __init__(self, status=200, body=b"OK", headers=(), delay=0, drop=False):
        self.status = status
        self.body = body
        self.headers = headers
        self.delay = delay
        self.drop = drop


class Connection(asyncio.Protocol):
    """One request at a time, in order, kept alive; lengths only, as a sender of webhooks knows
    what it sends."""

    def __init__(self, answer, open_connections):
        self.answer = answer
        self.open_connections = open_connections
        self.transport = None
        self.buffer = bytearray()
        self.is_waiting = False

    def connection_made(self, transport):
        self.transport = transport
        self.open_connections.add(self)

    def connection_lost(self, exc):
        self.open_connections.discard(self)

    def data_received(self, data):
        self.buffer += data
        self.serve()

    def serve(self):
        while not self.is_waiting and not self.transport.is_closing():
            try:
                request = self.take()
            except (ValueError, KeyError) as error:
                self.send(Reply(400, str(error).encode()), True)
                return
            if request is None:
                return
            reply = self.answer(request)
            closes = request.headers.get("connection", "").lower() == "close"
            if reply.delay > 0:
                self.is_waiting = True
                asyncio.get_running_loop().call_later(reply.delay, self.send_late, reply, closes)
            else:
                self.send(reply, closes)

    def take(self):
        """The next whole request, or None."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        method, path, version = lines[0].split(" ")
        if version != "HTTP/1.1":
            raise ValueError(f"version {version}")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if len(self.buffer) < end + 4 + length:
            return None
        body = bytes(self.buffer[end + 4:end + 4 + length])
        del self.buffer[:end + 4 + length]
        return Request(method, path, headers, body)

    def send_late(self, reply, closes):
        self.is_waiting = False
        if not self.transport.is_closing():
            self.send(reply, closes)
            self.serve()

    def send(self, reply, closes):
        if reply.drop:
            self.transport.abort()
            return
        head = [f"HTTP/1.1 {reply.status} -", f"Content-Length: {len(reply.body)}"]
        head += [f"{name}: {value}" for name, value in reply.headers]
        if closes:
            head.append("Connection: close")
        self.transport.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + reply.body)
        if closes:
            self.transport.close()


async def listen(answer, port=0, connections=None):
    """Serves answer(Request) -> Reply on the loop that runs; returns (server, connections), where
    the second is the set of those that are open."""
    connections = set() if connections is None else connections
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answer, connections), "127.0.0.1", port, backlog=4096)
    return server, connections


# --- what must arrive -----------------------------------------------------------------------------


def offset_at(zone, instant):
    """"+05:30" for an IANA name or an offset, at that instant; None for no zone."""
    if not zone:
        return None
    if zone[0] in "+-":
        return zone
    return offset_text(instant.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset())


def offset_text(offset):
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def offset_of(text):
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return datetime.timedelta(minutes=-minutes if text[0] == "-" else minutes)


def parse_instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def time_text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def utc_text(instant):
    return time_text(instant.astimezone(datetime.timezone.utc))


def local_text(instant, zone):
    """The wall clock of that zone, written with the Z of the published payload."""
    local = instant.astimezone(datetime.timezone.utc) + offset_of(offset_at(zone, instant))
    return time_text(local)


def phone_value(phone, phone_format):
    """The published payload has a number; what a number cannot carry is the text as it is."""
    if not phone:
        return None
    digits = re.sub(r"[ ().-]", "", phone).removeprefix("+")
    if phone_format == "string" or not re.fullmatch(r"[1-9][0-9]{0,14}", digits):
        return phone
    return int(digits)


def expected_body(person, webinar, phone_format="number"):
    """The bytes that must arrive. webinar: id, title, link, from, to (instants), timezone, mangoes
    (names)."""
    start, end = parse_instant(webinar["from"]), parse_instant(webinar["to"])
    zone = webinar["timezone"]
    body = {
        "name": person["name"],
        "email": person["email"],
        "phone": phone_value(person.get("phone"), phone_format),
        "timezone": offset_at(person.get("timezone"), start),
        "callList": [{
            "webinar": webinar["title"],
            "webinarId": webinar["id"],
            "webinarLink": webinar["link"],
            "webinarFromTime": utc_text(start),
            "webinarToTime": utc_text(end),
            "webinarFromTimeInCreatorTimezone": local_text(start, zone),
            "webinarToTimeInCreatorTimezone": local_text(end, zone),
            "creatorTimezone": offset_at(zone, start),
        }],
        "mangoes": ", ".join(webinar["mangoes"]),
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def differences(expected, body):
    """What is wrong with a body, in words."""
    try:
        wanted, got = json.loads(expected), json.loads(body)
    except ValueError as error:
        return [f"the body is not JSON: {error}"]
    if not isinstance(got, dict) or list(got) != BODY_KEYS:
        return [f"the body's keys are not {BODY_KEYS}"]
    faults = []
    for key in BODY_KEYS[:4] + BODY_KEYS[5:]:
        if type(wanted[key]) is not type(got[key]) or wanted[key] != got[key]:
            faults.append(f"{key} is {got[key]!r}, not {wanted[key]!r}")
    if wanted["callList"] != got["callList"]:
        faults.append(f"callList is {got['callList']!r}, not {wanted['callList']!r}")
    return faults or [f"the bytes differ: {body!r}, not {expected!r}"]


# --- judging a call -------------------------------------------------------------------------------


def secret_bytes(secret):
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def sign(secret, message_id, timestamp, body):
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def signature_faults(headers, body, secret, now):
    """Standard Webhooks: any v1 signature of the list, and a clock that is near ours."""
    try:
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        entries = headers["webhook-signature"].split(" ")
    except KeyError as error:
        return [f"no header {error}"]
    faults = []
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        faults.append(f"webhook-timestamp {timestamp} is not now")
    wanted = "v1," + sign(secret, message_id, timestamp, body)
    if not any(hmac.compare_digest(wanted, entry) for entry in entries):
        faults.append(f"no signature fits: {entries}")
    return faults


def parse_webhook_id(text):
    """(event, hook, attendee, sequence), the ids as 24 hex digits; ValueError."""
    found = WEBHOOK_ID.fullmatch(text)
    if found is None:
        raise ValueError(f"webhook-id {text!r} is not of the documented form")
    ids = base64.b32decode(found[1].upper() + "======").hex()
    return ids[:24], ids[24:48], ids[48:], int(found[2])


def header_faults(headers, hook, reason):
    faults = []
    for name, wanted in (
        ("content-type", "application/json"),
        ("x-usher-event", "webinar.created.single"),
        ("x-usher-reason", reason),
    ):
        if wanted is not None and headers.get(name) != wanted:
            faults.append(f"{name} is {headers.get(name)!r}, not {wanted!r}")
    if not re.fullmatch(r"[1-9][0-9]*", headers.get("x-usher-attempt", "")):
        faults.append(f"x-usher-attempt is {headers.get('x-usher-attempt')!r}")
    if not headers.get("user-agent"):
        faults.append("no user-agent")
    try:
        _, hook_id, _, sequence = parse_webhook_id(headers.get("webhook-id", ""))
    except ValueError as error:
        return faults + [str(error)]
    if hook_id != hook["id"]:
        faults.append(f"webhook-id names the hook {hook_id}, not {hook['id']}")
    if headers.get("x-usher-sequence") != str(sequence):
        faults.append(f"x-usher-sequence {headers.get('x-usher-sequence')} is not {sequence}")
    return faults


class Step:
    """One thing that was done to the platform, and the calls that must come of it."""

    def __init__(self, told, older=None):
        self.name = told.get("name", "anything")
        self.reason = told.get("reason")
        self.webinar = told.get("webinar")
        self.expect = {(hook, email) for hook, emails in told.get("expect", {}).items()
            for email in emails}
        self.verified = set()
        self.sequences = {}  # of this step: one for each webinar
        self.older = dict(older.older, **older.sequences) if older else {}
        self.bodies = {}
        self.seen = set()
        self.ids = set()
        self.arrived = 0
        self.repeated = 0
        self.started = time.monotonic()
        self.last = self.started
        self.faults = []
        self.faulty = 0

    def body_for(self, person, phone_format):
        key = (person["email"], phone_format)
        body = self.bodies.get(key)
        if body is None:
            body = self.bodies[key] = expected_body(person, self.webinar, phone_format)
        return body

    def sequence_faults(self, webinar, sequence):
        """One event, one sequence; and each event's is above those before."""
        faults = []
        if sequence != self.sequences.setdefault(webinar, sequence):
            faults.append(f"sequence {sequence} beside {self.sequences[webinar]} in one event")
        if sequence <= self.older.get(webinar, -1):
            faults.append(f"sequence {sequence} after {self.older[webinar]}")
        return faults

    def report(self):
        return {
            "name": self.name,
            "expected": len(self.expect),
            "arrived": self.arrived,
            "verified": len(self.verified),
            "missing": len(self.expect - self.verified),
            "repeated": self.repeated,
            "faulty": self.faulty,
            "faults": self.faults,
            "seconds": round(self.last - self.started, 3),
        }


class Ledger:
    """Who is known, which hooks there are, what has arrived."""

    def __init__(self, people):
        self.people = {person["email"]: person for person in people}
        self.hooks = {}
        self.step = Step({})
        self.newest = collections.deque(maxlen=CALLS_KEPT)

    def take(self, name, request):
        """Judge one call; returns its faults."""
        step = self.step
        step.arrived += 1
        step.last = time.monotonic()
        hook = self.hooks.get(name)
        if hook is None:
            faults = [f"there is no hook {name}"]
        else:
            faults = signature_faults(request.headers, request.body, hook["secret"], time.time())
            faults += header_faults(request.headers, hook, step.reason)
        repeated = self.count_repeat(step, name, request)
        if not faults:
            faults = self.judge_body(step, name, hook, request)
        if faults:
            step.faulty += 1
            if len(step.faults) < FAULTS_KEPT:
                step.faults.append(f"/hook/{name}: " + "; ".join(faults))
        self.newest.append((name, request, faults, repeated))
        return faults

    @staticmethod
    def count_repeat(step, name, request):
        message_id = request.headers.get("webhook-id")
        is_repeat = message_id in step.ids
        step.ids.add(message_id)
        step.repeated += is_repeat
        return is_repeat

    def judge_body(self, step, name, hook, request):
        try:
            body = json.loads(request.body)
            email = body["email"]
            webinar = body["callList"][0]["webinarId"]
        except (ValueError, KeyError, TypeError, IndexError) as error:
            return [f"the body is not the documented one: {error!r}"]
        if step.webinar is None:
            step.verified.add((name, request.headers["webhook-id"]))
            return [] if list(body) == BODY_KEYS else [f"the body's keys are not {BODY_KEYS}"]
        person = self.people.get(email)
        if person is None:
            return [f"{email} is nobody we know"]
        expected = step.body_for(person, hook["phoneFormat"])
        if request.body != expected:
            return differences(expected, request.body)
        faults = step.sequence_faults(webinar, parse_webhook_id(request.headers["webhook-id"])[3])
        if (name, email) not in step.expect:
            faults.append(f"{email} is not to be told in this step")
        elif (name, email) in step.seen and request.headers["x-usher-attempt"] == "1":
            faults.append(f"{email} was told twice")
        step.seen.add((name, email))
        if not faults:
            step.verified.add((name, email))
        return faults

    def answer(self, request):
        """The endpoint: a Reply for each Request."""
        place = request.path.split("?")[0].strip("/").split("/")
        try:
            if request.method == "POST" and place[0] == "hook" and len(place) == 2:
                faults = self.take(place[1], request)
                return Reply(400, "; ".join(faults).encode()) if faults else Reply()
            if place[0] == "control":
                return self.control(request, place[1:])
        except (ValueError, KeyError) as error:
            return Reply(400, repr(error).encode())
        if request.method == "GET" and place == [""]:
            return Reply(200, self.page(), [("Content-Type", "text/plain; charset=utf-8")])
        return Reply(404, b"not here")

    def control(self, request, place):
        if request.method == "PUT":
            told, said = json.loads(request.body), {}
            if place[0] == "hook":
                self.hooks[place[1]] = {
                    "id": told["id"],
                    "secret": secret_bytes(told["secret"]),
                    "phoneFormat": told.get("phoneFormat", "number"),
                }
            elif place[0] == "person":
                self.people[told["email"]] = told
            elif place[0] == "step":
                said = self.step.report()
                self.step = Step(told, self.step)
            else:
                return Reply(404, b"not here")
        elif place == ["step"]:
            said = self.step.report()
        else:
            return Reply(404, b"not here")
        return Reply(200, json.dumps(said).encode(), [("Content-Type", "application/json")])

    def page(self):
        lines = [f"{len(self.newest)} newest calls of {self.step.arrived} in this step\n"]
        for name, request, faults, repeated in reversed(self.newest):
            lines.append(f"POST /hook/{name}{' (again)' if repeated else ''}")
            lines += [f"  {field}: {request.headers[field]}" for field in request.headers
                if field.startswith(("webhook-", "x-usher-"))]
            lines.append("  " + request.body.decode("utf-8", "replace"))
            lines.append("  " + ("; ".join(faults) if faults else "verified") + "\n")
        return "\n".join(lines).encode()


def read_people(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def serve(ledger, port):
    server, _ = await listen(ledger.answer, port)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    host, port = server.sockets[0].getsockname()
    print(f"listening on http://{host}:{port}", flush=True)
    await stopped.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=0, help="0, the default: any that is free")
    parser.add_argument("--people", required=True, help="the attendees, as CSV")
    arguments = parser.parse_args()
    asyncio.run(serve(Ledger(read_people(arguments.people)), arguments.port))


if __name__ == "__main__":
    sys.exit(main())
