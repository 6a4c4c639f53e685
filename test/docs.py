#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the documents true: what they list is compared with the source; the README's tour is run.

    docs.py [--usher FILE]    every check; the tour too, where there is a program to run it with
    docs.py --self-test       show that each check refuses a document that is not true
"""
import argparse
import ast
import base64
import glob
import hashlib
import hmac
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYERS = "base|domain|lib|os|net|store|queue|http|send|receive|api|cli"
TOUR_SECONDS = 120
TOUR_CALLS = 1000 + 1 + 1001  # created, registered, updated


class Wrong(Exception):
    """A document says what is not so."""


class Tree:
    """The source tree; changed holds texts that stand for those on disk."""

    def __init__(self, changed=None):
        self.changed = changed or {}

    def read(self, path):
        if path in self.changed:
            return self.changed[path]
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            return file.read()

    def exists(self, path):
        return bool(glob.glob(os.path.join(ROOT, path)))

    def sources(self):
        """What the program is made of, without its tests."""
        for path in sorted(glob.glob(os.path.join(ROOT, "src", "*", "*.[ch]"))):
            if not re.search(r"_(test|fuzz)\.c$", path):
                yield os.path.relpath(path, ROOT)

    def documents(self):
        for pattern in ("*.md", "doc/*.md", "doc/*.txt", "doc/decisions/*.md"):
            for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
                yield os.path.relpath(path, ROOT)


def compare(what, told, real):
    told, real = list(told), list(real)
    doubled = sorted({item for item in told if told.count(item) > 1})
    missing = sorted(set(real) - set(told))
    invented = sorted(set(told) - set(real))
    if not real:
        raise Wrong(f"no {what} were found in the source")
    if missing or invented or doubled:
        raise Wrong(f"{what}: not told {missing}, not so {invented}, told twice {doubled}")


def section(text, title):
    """From a heading of Markdown to the next of its kind."""
    found = re.search(rf"(?ms)^## {re.escape(title)}$(.*?)(?=^## |\Z)", text)
    if found is None:
        raise Wrong(f"there is no section {title}")
    return found[1]


def table(text):
    """The rows of the section's tables, without heads; cells without their backticks."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
        for line in text.split("\n") if line.startswith("| ")]
    return [row for row in rows if row[0].startswith("`") or "`" in row[-1]]


def c_string(text):
    """The value of C string literals that stand side by side."""
    return "".join(ast.literal_eval(piece) for piece in re.findall(r'"(?:[^"\\]|\\.)*"', text))


# --- doc/operations.md ----------------------------------------------------------------------------


def check_metrics(tree):
    real = re.findall(r'(?m)^METRIC\((\w+), (\w+), "([^"]*)"\)', tree.read("src/os/metrics.def"))
    rows = table(section(tree.read("doc/operations.md"), "Metrics"))
    compare("metrics", [tuple(row) for row in rows],
        [(f"`usher_{name}`", kind, text) for name, kind, text in real])


def check_log_events(tree):
    real = set()
    for path in tree.sources():
        for level, name in re.findall(
                r'\blog_(error|warning|info|debug)\(\s*"([^"]+)"', tree.read(path)):
            real.add((f"`{name}`", level))
    rows = table(section(tree.read("doc/operations.md"), "Log"))
    compare("log events", [(row[0], row[1]) for row in rows], real)


def check_limits(tree):
    real = {name: eval(value.replace("/", "//"), {"__builtins__": {}})  # pylint: disable=eval-used
        for name, value in re.findall(
            r"(?m)^#define ([A-Z_]+) +([0-9 ()*]+?)(?: */\*.*)?$", tree.read("src/base/limits.h"))}
    rows = table(section(tree.read("doc/operations.md"), "Limits"))
    if not rows:
        raise Wrong("there is no table of limits")
    for row in rows:
        told = int(re.match(r"\d+", row[1])[0])
        for name in re.findall(r"`(\w+)`", row[2]):
            if real.get(name) != told:
                raise Wrong(f"{name} is {real.get(name)}, told is {told}")


# --- doc/protocol.txt -----------------------------------------------------------------------------


def routes_of(text):
    """(method, path, scope, query) of the tables of routes in a source file."""
    constants = dict(re.findall(r'(?m)^#define (\w+) +("[^"\n]*")$', text))
    for body in re.findall(r"(?ms)^static const struct route routes\[\] = \{\n(.*?)\n\};", text):
        body = re.sub(r"\{(\w+)\}", r"<\1>", body)
        for row in re.findall(r"(?s)\{(.*?)\}", body):
            for name, value in constants.items():
                row = re.sub(rf"\b{name}\b", value, row)
            row = re.sub(r'"\s*"', "", row)
            words = re.findall(r'"([^"]*)"', row)
            scope = re.search(r"SCOPE_(\w+)", row)
            query = words[2].split() if len(words) > 2 else []
            yield (words[0], re.sub(r"<(\w+)>", r"{\1}", words[1]),
                scope[1].lower() if scope else "none", " ".join(sorted(query)))


def check_routes(tree):
    real = [route for path in tree.sources() for route in routes_of(tree.read(path))]
    text = re.search(r"(?s)=== 2\.3 .*?\n(.*?)=== 2\.4 ", tree.read("doc/protocol.txt"))[1]
    text = re.sub(r"\n {40,}", " ", text)
    told = []
    for method, path, scope, rest in re.findall(
            r"(?m)^  (GET|POST|PUT|PATCH|DELETE) +(/\S+) +(\w+) *(.*)$", text):
        at_root = path in ("/healthz", "/readyz", "/metrics", "/openapi.json")
        words = rest.split()
        if words[:1] == ["list"]:
            words[:1] = ["limit", "cursor"]
        told.append((method, path if at_root else "/api/v1" + path, scope, " ".join(sorted(words))))
    compare("routes", told, real)


def example(tree):
    """Head and body of the delivery in doc/protocol.txt, as they are on the wire."""
    text = tree.read("doc/protocol.txt")
    found = re.search(r"(?s)\n(    POST /hook HTTP/1\.1\n.*?)\n\n(    \{.*?)\n\n", text)
    if found is None:
        raise Wrong("there is no example of a delivery")
    head = dict(line.strip().split(": ", 1) for line in found[1].split("\n")[1:])
    body = "".join(line.strip() for line in found[2].split("\n"))
    return head, body


def check_example_body(tree):
    head, body = example(tree)
    test = tree.read("src/domain/payload_test.c")
    golden = c_string(re.search(r"(?s)static const char published\[\] =(.*?);\n", test)[1])
    if body != golden:
        raise Wrong("the example's body is not the one that payload_test.c expects")
    if head["Content-Length"] != str(len(body.encode())):
        raise Wrong(f"its length is {len(body.encode())}")


def check_example_head(tree):
    """Its signature is right, its id is made of the ids that the text names, and its fields come in
    the order in which the program writes them."""
    head, body = example(tree)
    text = tree.read("doc/protocol.txt")
    secret = re.search(r"signed with (whsec_[A-Za-z0-9+/=]+?)\.\n", text)[1]
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.{body}".encode()
    right = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    if head["webhook-signature"] != "v1," + base64.b64encode(right.digest()).decode():
        raise Wrong("the example's signature is not right")

    packed, sequence = re.fullmatch(r"msg_([a-z2-7]{58})_(\d+)", head["webhook-id"]).groups()
    ids = base64.b32decode(packed.upper() + "======").hex()
    named = re.search(r"the event is\n?\s*([0-9a-f]{24}), the hook ([0-9a-f]{24}) and the attendee"
        r"\n?\s*([0-9a-f]{24})\.", text)
    if named is None or "".join(named.groups()) != ids or sequence != head["x-usher-sequence"]:
        raise Wrong("the example's id does not hold what the text says")

    written = []
    for literal, field in re.findall(
            r'literal\(head, "([^"]*)"\)|append_field\(head, STR\("([^"]*)"\)',
            tree.read("src/send/request.c")):
        written += [field] if field else re.findall(r"(?:^|\\n)([A-Za-z-]+): ", literal)
    written = [name.lower() for name in written if name != "Authorization"]
    if [name.lower() for name in head] != written:
        raise Wrong(f"the program's fields are {written}")


def check_schedule(tree):
    code = re.search(r"(?s)standard_us\[\] = \{(.*?)\};", tree.read("src/domain/schedule.c"))[1]
    units = {"S": "s", "MIN": "min", "HOURS": "h"}
    real = [f"{number} {units[unit]}" for unit, number in re.findall(r"([A-Z]+)\((\d+)\)", code)]
    text = re.search(r"(?s)=== 1\.6 .*?=== 1\.7 ", tree.read("doc/protocol.txt"))[0]
    told = re.findall(r"(?m)^ +(\d+) +(at once|\d+ (?:s|min|h))$", text)
    if told != [(str(i), delay) for i, delay in enumerate(["at once", *real], 1)]:
        raise Wrong(f"the delays are {real}, told are {told}")
    seconds = {"s": 1, "min": 60, "h": 3600}
    total = sum(int(delay.split()[0]) * seconds[delay.split()[1]] for delay in real)
    words = f"{total // 3600} h\n{total // 60 % 60} min {total % 60} s"
    if " ".join(words.split()) not in " ".join(text.split()):
        raise Wrong(f"together they are {words}")


def picture(tree, path):
    """The lines of a header's opening comment that draw, without what is written beside them."""
    comment = re.search(r"(?s)\n/\*\n(.*?)\*/", tree.read(path))[1]
    return [" ".join(line.lstrip(" *").split("(")[0].split())
        for line in comment.split("\n") if re.search(r"[─▶◀▲▼│└]", line)]


def check_pictures(tree):
    lines = [" ".join(line.split("(")[0].split())
        for line in tree.read("doc/protocol.txt").split("\n")]
    for path in ("src/domain/delivery.h", "src/domain/hook.h", "src/send/lane.h"):
        drawn = picture(tree, path)
        if not drawn:
            raise Wrong(f"{path} draws nothing")
        for line in drawn:
            if line not in lines:
                raise Wrong(f"{path} draws \"{line}\"")


def check_states(tree):
    text = tree.read("doc/protocol.txt")
    names = re.search(r"(?s)status_names\[\] = \{(.*?)\};", tree.read("src/domain/delivery.c"))[1]
    listed = re.search(r"(?s)The API shows these:\n\n(.*?)\n\n", text)[1]
    compare("states of a delivery", re.findall(r"(?m)^  (\w+) +", listed),
        re.findall(r'"(\w+)"', names))

    rules = re.search(r"(?s)\} rules\[\] = \{(.*?)\n\};", tree.read("src/domain/hook.c"))[1]
    real = []
    for name, may in re.findall(r'\{"(\w+)", ([^}]*)\}', rules):
        become = [other.lower() for other in re.findall(r"BIT\(HOOK_(\w+)\)", may)]
        real.append((name, ", ".join(become) or "nothing"))
    compare("states of a hook", re.findall(r"(?m)^  (\w+) +may become (.*)$", text), real)

    reasons = re.search(r"(?s)reason_names\[\] = \{(.*?)\};", tree.read("src/domain/event.c"))[1]
    listed = re.search(r"(?s)x-usher-reason   (.*?)  x-usher-sequence", text)[1]
    compare("reasons", re.findall(r"(?m)^ {22}(\w+)  ", listed) + re.findall(r'"(\w+)" is', listed),
        re.findall(r'"(\w+)"', reasons))


def check_inbox(tree):
    """What handlers are given: the environment of exec, the columns of sql, the model."""
    text = re.search(r"(?s)== 3 The inbox ==(.*)", tree.read("doc/protocol.txt"))[1]
    received = tree.read("src/domain/received.c")
    program = tree.read("src/receive/handle_exec.c")
    values = re.search(r"(?s)received_value_names\[\] = \{(.*?)NULL\}", received)[1]
    names = re.findall(r'append_(?:variable|number)\(texts, "(\w+)"', program)
    names += re.findall(r'"(\w+)"', values)
    compare("variables of exec", re.findall(r"\bUSHER_\w+", text),
        [f"USHER_{name.upper()}" for name in names] + re.findall(r'"(USHER_\w+)=', program))

    source = tree.read("src/receive/sql_options.c")
    for kind, table in (("attendee", "attendees"), ("session", "sessions"), ("event", "events")):
        block = re.search(rf"(?s) {kind}_columns\[\] = \{{(.*?)\}};", source)[1]
        told = re.search(rf"(?s)\n {{9}}{table} +(.*?usher_sequence)", text)[1]
        compare(f"columns of {table}", re.findall(r"\w+", told),
            re.findall(r'COLUMN\("\w+", "(\w+)"\)', block))

    rendered = received[received.index("\nrender_flags("):]
    real = re.findall(r'STR\("(\w+)"\)', rendered) + re.findall(r'\{\{"(\w+)", \d+\}', rendered)
    real += re.findall(r'"(\w+)", \d+\}, VALUE', rendered)
    listed = re.search(r"(?s)\n\n  id  .*?\n\n", text)[0]
    told = []
    for line in listed.strip().split("\n"):
        found = re.match(r" {2,4}([a-z]\w*(?:, \w+)*)(?:  |$)", "  " + line.lstrip()
            if not line.startswith("     ") else "")
        told += found[1].split(", ") if found else []
    compare("members of the model", told, set(real))


# --- doc/behaviours.md ----------------------------------------------------------------------------


def has_test(tree, path, name):
    """Defined and, in C, run."""
    if path.endswith(".py"):
        text, pattern = f"test/e2e/{path}", rf"(?m)^    def {name}\(self\)"
    else:
        text, pattern = f"src/{path}", rf"\b(?:cmocka_unit_test\w*|[A-Z_]*TEST\w*)\(\s*{name}[,)]"
    return tree.exists(text) and re.search(pattern, tree.read(text)) is not None


def check_behaviours(tree):
    """Each row names tests that are there, or says why there is none."""
    text = tree.read("doc/behaviours.md")
    rows = re.findall(r"(?m)^\| (\d+) \| (.+?) \| (.+) \|$", text)
    if [int(number) for number, _, _ in rows] != list(range(1, 109)):
        raise Wrong("the rows are not numbered from 1 to 108")
    for number, _, shown in rows:
        named = re.findall(r"`([^`]*)`", shown)
        if not named and not shown.startswith("Not here: "):
            raise Wrong(f"{number} names neither a test nor a reason")
        for one in named:
            found = re.fullmatch(r"((?:test_\w+\.py)|(?:[a-z]+/\w+_test\.c)): (\w+)", one)
            if found is None or not has_test(tree, *found.groups()):
                raise Wrong(f"{number} names {one}")


# --- all documents --------------------------------------------------------------------------------


def check_links(tree):
    """Files that are linked to exist, and so does a heading that is named."""
    for path in tree.documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", tree.read(path)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, heading = target.partition("#")
            where = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not tree.exists(where):
                raise Wrong(f"{path} links to {target}")
            if heading:
                titles = re.findall(r"(?m)^#+ (.*)$", tree.read(where))
                if heading not in [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-")
                        for t in titles]:
                    raise Wrong(f"{path}: {where} has no heading #{heading}")


def check_names(tree):
    """Files of this tree that are named in passing exist."""
    patterns = [
        (r"(?<![\w./-])((?:src|test|doc|demo|bench|tools|packaging)/[\w./*-]*[\w*])", ""),
        (rf"(?<![\w./-])((?:{LAYERS})/[a-z_0-9]+\.(?:c|h|def))\b", "src/"),
    ]
    made_up = re.compile(r"0002_what\.sql|/x/?$|test/verify/node_modules")
    for path in tree.documents():
        for pattern, folder in patterns:
            for name in re.findall(pattern, tree.read(path)):
                if not made_up.search(name) and not tree.exists(folder + name):
                    raise Wrong(f"{path} names {name}")


def check_version(tree):
    version = re.search(r"version: '([\d.]+)'", tree.read("meson.build"))[1]
    newest = re.search(r"(?m)^## ([\d.]+)", tree.read("CHANGELOG.md"))[1]
    if newest != version:
        raise Wrong(f"CHANGELOG.md begins with {newest}, meson.build says {version}")
    if f"User-Agent: usher/{version}\n" not in tree.read("doc/protocol.txt"):
        raise Wrong(f"doc/protocol.txt does not show usher/{version}")


def check_stages(tree):
    real = re.search(r"(?m)^STAGES=\((.*)\)$", tree.read("run"))[1].split()
    hacking = re.search(r"(?s)runs single stages: (.*?)\.", tree.read("HACKING.md"))[1]
    usage = re.search(r"(?s)only these stages:\n(.*?)\n  \S", tree.read("run"))[1]
    for told in (hacking.replace(",", " ").split(), usage.split()):
        if told != real:
            raise Wrong(f"the stages are {real}, told are {told}")


CHECKS = [check_metrics, check_log_events, check_limits, check_routes, check_example_body,
    check_example_head, check_schedule, check_pictures, check_states, check_inbox, check_behaviours,
    check_links, check_names, check_version, check_stages]


# --- the tour -------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run_tour(tree, usher):
    """Every command of the README's tour as if pasted, with a folder and ports of its own."""
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", tree.read("README.md"))
    folder = tempfile.mkdtemp(prefix="usher-docs-")
    inbox_folder = tempfile.mkdtemp(prefix="usher-docs-")
    port, hook_port, inbox_port = free_port(), free_port(), free_port()
    script = "\n".join(["set -mo pipefail", *blocks])
    # A person looks again; here each pause lasts until so many calls are there.
    for count in (1000, TOUR_CALLS):
        script = script.replace("sleep 3\n", "for i in {1..600}; do"
            f" [ $(wc -l < /tmp/usher-tour/calls.txt) -ge {count} ] && break; sleep 0.1; done\n"
            "sleep 1\n", 1)
    script = script.replace("sleep 1\n$USHER inbox list", "for i in {1..600}; do $USHER inbox list"
        " --db inbox.db | grep -q 'settled.*revision 1' && break; sleep 0.1; done\n"
        "$USHER inbox list")
    for old, new in (
            ("./run build\n", ""),
            ("build/usher serve", f"{os.path.abspath(usher)} serve --listen 127.0.0.1:{port}"),
            ("build/usher key", f"{os.path.abspath(usher)} key"),
            ("127.0.0.1:8080", f"127.0.0.1:{port}"),
            ("127.0.0.1:9000", f"127.0.0.1:{hook_port}"),
            ('("127.0.0.1", 9000)', f'("127.0.0.1", {hook_port})'),
            ("$PWD/build/usher", os.path.abspath(usher)),
            ("receive --init", f"receive --init --listen 127.0.0.1:{inbox_port}"),
            ("127.0.0.1:8090", f"127.0.0.1:{inbox_port}"),
            ("/tmp/usher-inbox", inbox_folder),
            ("/tmp/usher-tour", folder)):
        if old not in script:
            raise Wrong(f"the tour has no \"{old.strip()}\"")
        script = script.replace(old, new)
    try:
        with subprocess.Popen(["bash", "-c", script], cwd=ROOT, start_new_session=True, text=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tour:
            try:
                said = tour.communicate(timeout=TOUR_SECONDS)[0]
            except subprocess.TimeoutExpired:
                os.killpg(tour.pid, signal.SIGKILL)
                raise Wrong(f"the tour takes longer than {TOUR_SECONDS} s") from None
        with open(os.path.join(folder, "calls.txt"), encoding="utf-8") as calls:
            count = len(calls.readlines())
    except FileNotFoundError as error:
        raise Wrong(f"{error}\n{said[-3000:]}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(inbox_folder, ignore_errors=True)
    for word in ('"created":1000', '"audience":1000', '"total":1000,"delivered":1000',
            '"/webinarID"', "process.stopped", '"status":"duplicate"', "revision 1",
            "('e:john@example.com', '2024-03-15T05:30:00-05:00')"):
        if word not in said:
            raise Wrong(f"the tour did not say {word}:\n{said[-3000:]}")
    if count != TOUR_CALLS:
        raise Wrong(f"the tour's receiver has {count} calls, not {TOUR_CALLS}:\n{said[-3000:]}")


# --- the self-test: a document with one lie, and the check that must see it -----------------------

LIES = [
    (check_metrics, "doc/operations.md", "`usher_lanes` | gauge |", "`usher_lanes` | counter |"),
    (check_metrics, "src/os/metrics.def", "METRIC(lanes,", "METRIC(paths,"),
    (check_log_events, "doc/operations.md", "| `flush.failed` | error |",
        "| `flush.failed` | info |"),
    (check_log_events, "src/send/flush.c", '"flush.failed"', '"flush.refused"'),
    (check_limits, "doc/operations.md", "16384 bytes | `HTTP_HEAD", "16383 bytes | `HTTP_HEAD"),
    (check_limits, "src/base/limits.h", "JSON_DEPTH_MAX 64", "JSON_DEPTH_MAX 65"),
    (check_routes, "doc/protocol.txt", "  GET    /readyz ", "  POST   /readyz "),
    (check_routes, "doc/protocol.txt", "list webinar type", "list type"),
    (check_routes, "src/api/events.c", '"/api/v1/events/{id}", SCOPE_READ',
        '"/api/v1/events/{id}", SCOPE_WRITE'),
    (check_example_body, "doc/protocol.txt", "John Doe", "John Dough"),
    (check_example_body, "doc/protocol.txt", "Content-Length: 510", "Content-Length: 511"),
    (check_example_head, "doc/protocol.txt", "webhook-timestamp: 1710061200",
        "webhook-timestamp: 1710061201"),
    (check_example_head, "doc/protocol.txt", "634fc35ddaf58580e2418a07",
        "634fc35ddaf58580e2418a08"),
    (check_example_head, "src/send/request.c", "x-usher-attempt: ", "x-usher-try: "),
    (check_schedule, "doc/protocol.txt", "       5      2 h", "       5      3 h"),
    (check_schedule, "doc/protocol.txt", "35 min 5 s", "36 min 5 s"),
    (check_schedule, "src/domain/schedule.c", "HOURS(14)", "HOURS(15)"),
    (check_pictures, "doc/protocol.txt", "pending ──▶ in hand", "pending ──▶ in flight"),
    (check_pictures, "src/domain/hook.h", "enabled ◀──▶ disabled", "enabled ──▶ disabled"),
    (check_states, "doc/protocol.txt", "  cancelled   the hook", "  removed     the hook"),
    (check_states, "doc/protocol.txt", "may become nothing", "may become enabled"),
    (check_states, "src/domain/event.c", '"registered"', '"joined"'),
    (check_inbox, "doc/protocol.txt", "USHER_LINK", "USHER_URL"),
    (check_inbox, "doc/protocol.txt", "  fromCreator, toCreator  ", "  fromCreator, toMaker  "),
    (check_inbox, "src/receive/sql_options.c", '"from_utc"', '"starts_utc"'),
    (check_behaviours, "doc/behaviours.md", "test_gone_means_never_again", "test_gone_is_gone"),
    (check_behaviours, "doc/behaviours.md", "`net/url_test.c: ", "`url_test.c: "),
    (check_behaviours, "doc/behaviours.md", "\n| 49 |", "\n| 50 |"),
    (check_behaviours, "doc/behaviours.md", "| Not here: the body", "| The body"),
    (check_behaviours, "test/e2e/test_hooks.py", "def test_gone_means", "def no_test_gone_means"),
    (check_behaviours, "src/queue/breaker_test.c", "cmocka_unit_test(a_probe_is_alone)", ""),
    (check_links, "README.md", "(HACKING.md)", "(HACKED.md)"),
    (check_names, "ARCHITECTURE.md", "cli/committed.c", "cli/omitted.c"),
    (check_names, "HACKING.md", "`test/e2e/`", "`test/e3e/`"),
    (check_version, "CHANGELOG.md", "## 0.1.0", "## 0.2.0"),
    (check_stages, "HACKING.md", "format, tidy, ", "tidy, format, "),
]


def self_test():
    failed = 0
    for check, path, old, new in LIES:
        text = Tree().read(path)
        if old not in text:
            print(f"{check.__name__}: {path} has no \"{old}\"")
            failed += 1
            continue
        try:
            check(Tree({path: text.replace(old, new)}))
            print(f"{check.__name__} does not see \"{new}\" in {path}")
            failed += 1
        except Wrong:
            pass
    unseen = {check.__name__ for check in CHECKS} - {lie[0].__name__ for lie in LIES}
    if unseen:
        print(f"never seen to fail: {sorted(unseen)}")
        failed += 1
    print(f"self-test: {len(LIES)} lies, {failed} not seen")
    return failed == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--usher", help="the program to run the tour with")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return 0 if self_test() else 1

    checks = list(CHECKS)
    if arguments.usher is not None:
        checks.append(lambda tree: run_tour(tree, arguments.usher))
        checks[-1].__name__ = "run_tour"
    failed = 0
    for check in checks:
        name = check.__name__.replace("_", " ").removeprefix("check ")
        try:
            check(Tree())
            print(f"ok      {name}", flush=True)
        except Wrong as wrong:
            failed += 1
            print(f"FAILED  {name}: {wrong}", flush=True)
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
