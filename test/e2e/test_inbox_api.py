# SPDX-License-Identifier: Apache-2.0
"""The inbox as its owner sees it: through the API of `usher receive`, and through `usher inbox` on
the command line beside it. Every answer of the API is held against its description."""
import glob
import hashlib
import json
import os
import signal
import tempfile

from harness import Caller, TestCase, eventually

SECTIONS = """
[source open]
accept = none

[source locked]
accept = token
token-sha256 = {token}

[handler fragile]
type = exec
concurrency = 4
attempts-max = 1
command = sh -c 'test ! -e {folder}/broken && echo "$USHER_ID" >> {folder}/done'

[handler calm]
type = exec
source = open
command = true
"""


def sections(token="sesame"):
    return SECTIONS.replace("{token}", hashlib.sha256(token.encode()).hexdigest())


def call_list(webinar="w1", **fields):
    return {"name": "Ann", "email": "ann@example.com", "phone": 1234567890, "timezone": "+05:30",
        "callList": [{"webinar": "Introduction", "webinarId": webinar,
            "webinarLink": "https://meet.example.com/a",
            "webinarFromTime": "2034-03-15T10:00:00.000Z",
            "webinarToTime": "2034-03-15T11:00:00.000Z",
            "webinarFromTimeInCreatorTimezone": "2034-03-15T15:30:00.000Z",
            "webinarToTimeInCreatorTimezone": "2034-03-15T16:30:00.000Z",
            "creatorTimezone": "+05:30"}], "mangoes": "", **fields}


class InboxCase(TestCase):
    """A receiver for each test, since what one does to the inbox every other would see."""

    sections = staticmethod(sections)

    @classmethod
    def setUpClass(cls):
        pass

    def setUp(self):
        self.usher = self.own_receiver(self.sections())
        self.addCleanup(self.stop)
        self.start()

    def start(self):
        self.usher.start()
        self.api = self.account("default")
        self.caller = Caller(self.usher.base)
        self.addCleanup(self.caller.close)

    def stop(self):
        self.assertEqual(self.usher.stop(), 0, self.usher.log()[-4000:])

    def inbox(self, *arguments, code=0):
        """What the command has said."""
        done = self.usher.command("inbox", *arguments, "--config", self.usher.conf,
            "--db", self.usher.database)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        if code != 0:
            self.assertEqual(done.stdout, "")
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            return done.stderr
        return done.stdout

    def lines(self, *arguments):
        return [json.loads(line) for line in self.inbox(*arguments, "--json").splitlines()]

    def accept(self, body, path="/in/open", **headers):
        answer = self.expect(self.caller.post(path, body, headers), 200)
        self.assertEqual(answer["status"], "accepted")
        return answer["id"]

    def refuse(self, body, path="/in/locked/wrong", **headers):
        self.expect(self.caller.post(path, body, headers), 401)

    def item(self, item):
        return self.expect(self.api.get(f"/inbox/{item}"), 200)

    def listed(self, query=""):
        return self.expect(self.api.get(f"/inbox{query}"), 200)["data"]

    def refused(self, count):
        """The quarantine once it holds so many: they are written a little later."""

        def rows():
            return self.expect(self.api.get("/inbox/quarantine"), 200)["data"]

        eventually(f"{count} are in the quarantine", lambda: len(rows()) == count)
        return rows()

    def handled(self):
        eventually("all is handled", lambda: self.listed("?status=waiting") == [])

    def done(self):
        """Items that the fragile handler was content with, as often as it was."""
        if not os.path.exists(self.usher.path("done")):
            return []
        with open(self.usher.path("done"), encoding="ascii") as file:
            return file.read().split()

    def breaks(self):
        with open(self.usher.path("broken"), "w", encoding="ascii"):
            pass

    def mends(self):
        os.unlink(self.usher.path("broken"))


class Items(InboxCase):
    def test_what_came_in_is_listed_and_shown(self):
        first = self.accept(call_list(), **{"x-usher-event": "webinar.created.single"})
        second = self.accept(call_list(name="Anna"), **{"x-usher-event": "webinar.created.single"})
        strange = self.accept({"what": "ever"})
        self.handled()

        self.assertEqual([row["id"] for row in self.listed()], [strange, second, first])
        self.assertEqual([row["id"] for row in self.listed("?flag=unrecognised")], [strange])
        self.assertEqual([row["id"] for row in self.listed("?email=Ann@example.com&limit=1")],
            [second])
        self.assertEqual(self.listed("?status=waiting"), [])
        shown = self.item(second)
        self.assertEqual(
            (shown["person"], shown["object"], shown["previous"], shown["revision"]),
            ("ann@example.com", "w1", first, 1))
        self.assertEqual(json.loads(shown["body"]), call_list(name="Anna"))
        self.assertEqual(shown["model"]["payload"], call_list(name="Anna"))
        self.assertEqual(shown["model"]["phone"], "1234567890")
        self.assertEqual({row["handler"]: row["status"] for row in shown["handlings"]},
            {"calm": "settled", "fragile": "settled"})
        self.assertIn({"name": "x-usher-event", "value": "webinar.created.single"},
            shown["headers"])

        self.assertEqual(self.lines("list"), self.listed())
        self.assertEqual(self.lines("list", "--limit", "2"), self.listed("?limit=2"))
        self.assertEqual(self.lines("list", "--flag", "unrecognised", "--source", "open"),
            self.listed("?flag=unrecognised"))
        self.assertEqual(self.lines("show", second), [shown])
        table = self.inbox("list", "--email", "ann@example.com").splitlines()
        self.assertEqual(table[0].split(),
            ["ID", "RECEIVED", "SOURCE", "EVENT", "PERSON", "HANDLERS", "NOTES"])
        self.assertEqual([line.split()[0] for line in table[1:]], [second, first])
        self.assertIn("ann@example.com  settled   revision 1", table[1])
        text = self.inbox("show", second)
        for line in ("event           webinar.created.single",
                f"revision        1, latest, after {first}",
                "x-usher-event: webinar.created.single", json.dumps(call_list(name="Anna"))):
            self.assertIn(f"{line}\n", text)

    def test_sources_and_handlers_tell_how_they_do(self):
        self.breaks()
        self.accept({"n": 1})
        self.handled()
        self.refuse({"n": 2})
        sources = self.expect(self.api.get("/inbox/sources"), 200)["data"]
        self.assertEqual([(row["name"], row["accept"], row["calls"]["accepted"],
            row["calls"]["refused"]) for row in sources],
            [("open", [], 1, 0), ("locked", ["token"], 0, 1)])
        handlers = self.expect(self.api.get("/inbox/handlers"), 200)["data"]
        self.assertEqual([(row["name"], row["type"], row["sources"], row["handled"], row["dead"])
            for row in handlers], [("calm", "exec", ["open"], 1, 0), ("fragile", "exec", [], 0, 1)])

    def test_it_belongs_to_the_first_account(self):
        item = self.accept({"n": 1})
        other = self.account("other")
        for method, path in (("GET", "/inbox"), ("GET", f"/inbox/{item}"),
                ("GET", "/inbox/sources"), ("GET", "/inbox/handlers"),
                ("GET", "/inbox/quarantine"), ("POST", "/inbox/retry"),
                ("POST", f"/inbox/{item}/retry"), ("POST", "/inbox/quarantine/release"),
                ("DELETE", "/inbox?email=ann@example.com"), ("DELETE", "/inbox/quarantine")):
            self.expect_problem(other.call(method, path), 404)
        self.assertEqual(len(self.listed()), 1)

    def test_a_mistake_is_told(self):
        for path in ("/inbox?status=done", "/inbox?flag=old", "/inbox?email=ann",
                "/inbox?after=now", "/inbox?what=ever", "/inbox/quarantine?email=x"):
            self.expect_problem(self.api.get(path), 422)
        self.expect_problem(self.api.get("/inbox/in_0006133c6690e000"), 404)
        self.expect_problem(self.api.delete("/inbox"), 422)
        self.expect_problem(self.api.post("/inbox/retry", {"handler": "nobody", "source": "none"}),
            422, "/handler", "/source")
        self.expect_problem(self.api.post("/inbox/retry", {"onlyDead": False}), 422, "/since")
        self.expect_problem(self.api.post("/inbox/quarantine/release", {"source": "none"}), 422,
            "/source")
        self.expect_problem(self.api.post("/inbox/quarantine"), 405)


class Pages(InboxCase):
    @staticmethod
    def sections():
        return "[source open]\naccept = none\n\n[source locked]\naccept = token\n" \
            f"token-sha256 = {'0' * 64}\n"

    def all_pages(self, path):
        found, more = [], "?limit=100"
        while more:
            page = self.expect(self.api.get(path + more), 200)
            found += page["data"]
            more = page["nextCursor"] and f"?limit=100&cursor={page['nextCursor']}"
        return found

    def test_items(self):
        items = [self.accept({"n": number}) for number in range(260)][::-1]
        rows = self.all_pages("/inbox")
        self.assertEqual([row["id"] for row in rows], items)
        self.assertEqual(self.lines("list", "--limit", "1000"), rows)
        self.assertEqual(self.lines("list", "--limit", "255"), rows[:255])
        self.assertEqual(self.lines("list"), rows[:50])
        done = self.usher.command("inbox", "list", "--db", self.usher.database)
        self.assertEqual((done.returncode, done.stdout.count("\n")), (0, 51), done)
        self.assertIn("there may be more: --limit N", done.stderr)

    def test_refused_calls(self):
        for number in range(260):
            self.refuse({"n": number})
        eventually("all are kept", lambda: len(self.all_pages("/inbox/quarantine")) == 260)
        rows = self.all_pages("/inbox/quarantine")
        self.assertEqual(self.lines("quarantine", "list", "--limit", "1000"), rows)
        self.assertEqual(self.lines("quarantine", "list", "--limit", "255"), rows[:255])
        self.assertEqual(self.lines("quarantine", "list"), rows[:50])
        self.assertEqual(self.lines("quarantine", "release"),
            [{"released": 0, "duplicates": 0, "stillRefused": 260}])


class Again(InboxCase):
    def give_up(self, count):
        """So many items that the fragile handler could not handle."""
        self.breaks()
        items = [self.accept({"n": number}) for number in range(count)]
        self.handled()
        self.mends()
        self.assertEqual([row["id"] for row in self.listed("?status=dead")], items[::-1])
        self.assertEqual(self.done(), [])
        return items

    def must_be_done(self, items):
        eventually("they are handled again", lambda: len(self.done()) >= len(items))
        self.handled()
        self.assertCountEqual(self.done(), items)

    def test_one_by_the_api(self):
        items = self.give_up(2)
        shown = self.item(items[0])
        self.assertEqual([(row["handler"], row["outcome"]) for row in shown["log"]],
            [("fragile", "failed")])
        path = f"/inbox/{items[0]}/retry"
        self.assertEqual(self.expect(self.api.post(path, {"handler": "fragile"}), 202),
            {"handlings": 1})
        self.must_be_done(items[:1])
        self.assertEqual([row["id"] for row in self.listed("?status=dead")], items[1:])
        self.expect_problem(self.api.post(path, {"handler": "frail"}), 422, "/handler")

    def test_all_by_the_api(self):
        items = self.give_up(5)
        self.assertEqual(self.expect(self.api.post("/inbox/retry", {"source": "locked"}), 202),
            {"handlings": 0})
        self.assertEqual(self.expect(self.api.post("/inbox/retry"), 202), {"handlings": 5})
        self.must_be_done(items)
        since = self.item(items[3])["receivedAt"]
        told = {"onlyDead": False, "since": since, "handler": "fragile"}
        key = {"idempotency-key": "once"}
        count = len([row for row in self.listed() if row["receivedAt"] >= since])
        for replayed in (None, "true"):
            answer = self.api.post("/inbox/retry", told, headers=key)
            self.assertEqual(self.expect(answer, 202), {"handlings": count})
            self.assertEqual(answer.headers.get("idempotency-replayed"), replayed)
        eventually("once more", lambda: len(self.done()) >= 5 + count)
        self.handled()
        self.assertEqual(len(self.done()), 5 + count)

    def test_one_by_the_command_line(self):
        items = self.give_up(2)
        said = self.inbox("retry", items[1], "--handler", "fragile")
        self.assertEqual(said,
            f"1 to be handled again; process {self.usher.process.pid} was told\n")
        self.must_be_done(items[1:])

    def test_all_by_the_command_line(self):
        items = self.give_up(5)
        self.assertEqual(self.lines("retry", "--dead", "--source", "locked"), [{"handlings": 0}])
        self.assertEqual(self.lines("retry", "--dead"), [{"handlings": 5}])
        self.must_be_done(items)
        self.assertEqual(self.lines("retry", "--since", "2024-01-01T00:00:00Z",
            "--handler", "fragile"), [{"handlings": 5}])
        self.must_be_done(items * 2)
        self.assertIn("nothing to be handled again", self.inbox("retry", "--dead"))

    def test_without_a_server_it_is_done_at_the_next_start(self):
        items = self.give_up(1)
        self.assertEqual(self.usher.stop(), 0)
        self.assertEqual(self.inbox("retry", "--dead"),
            "1 to be handled again, when a server runs\n")
        self.start()
        self.must_be_done(items)


class Going(InboxCase):
    def test_what_is_old_goes(self):
        items = [self.accept({"n": number}) for number in range(3)]
        self.handled()
        moment = self.item(items[1])["receivedAt"]
        early = [row["id"] for row in self.listed() if row["receivedAt"] < moment]
        self.assertEqual(self.expect(self.api.delete(f"/inbox?before={moment}"), 200),
            {"erased": len(early)})
        self.assertEqual(len(self.listed()), 3 - len(early))
        self.assertEqual(self.lines("purge", "--before", moment), [{"erased": 0}])
        self.assertEqual(self.inbox("purge", "--before", "2100-01-01T00:00:00Z"),
            f"{3 - len(early)} item{'s are' if len(early) < 2 else ' is'} gone\n")
        self.assertEqual(self.listed(), [])

    def test_what_waits_goes_only_where_asked(self):
        self.assertEqual(self.usher.stop(), 0)
        self.usher.write(sections().replace("attempts-max = 1", "retry-delays = 3600, 3600"))
        self.start()
        self.breaks()
        item = self.accept({"n": 1})
        eventually("it waits", lambda: any(row["status"] == "retrying"
            for row in self.item(item)["handlings"]))
        self.assertEqual(self.expect(self.api.delete("/inbox?before=2100-01-01T00:00:00Z"), 200),
            {"erased": 0})
        self.assertEqual(self.lines("purge", "--before", "2100-01-01T00:00:00Z"), [{"erased": 0}])
        self.assertEqual(self.lines("purge", "--before", "2100-01-01T00:00:00Z", "--also-waiting"),
            [{"erased": 1}])
        self.expect_problem(self.api.get(f"/inbox/{item}"), 404)

    def in_files(self, text):
        """The files of the database that hold it."""
        found = []
        for path in glob.glob(self.usher.database + "*"):
            with open(path, "rb") as file:
                if text in file.read():
                    found.append(os.path.basename(path))
        return found

    def must_forget(self, erase):
        kept = self.accept(call_list(email="joann@example.com"))
        self.accept(call_list(email="Ann@Example.com", name="Quirinius"))
        self.accept({"note": "Quirinius <ann@example.com> called"})
        self.refuse(call_list(name="Quirinius"))
        self.refused(1)
        self.handled()
        self.assertNotEqual(self.in_files(b"Quirinius"), [])
        self.assertEqual(erase(), {"erased": 3})
        self.assertEqual([row["id"] for row in self.listed()], [kept])
        self.refused(0)
        eventually("no file holds it", lambda: self.in_files(b"Quirinius") == [])
        self.assertEqual(erase(), {"erased": 0})

    def test_a_person_is_forgotten_by_the_api(self):
        self.must_forget(
            lambda: self.expect(self.api.delete("/inbox?email=ANN@example.com"), 200))

    def test_a_person_is_forgotten_by_the_command_line(self):
        self.must_forget(lambda: self.lines("erase", "ANN@example.com")[0])


class Quarantine(InboxCase):
    def test_a_refused_call_is_shown_without_what_proves_its_caller(self):
        self.refuse({"n": 1}, authorization="Bearer tell-nobody")
        row, = self.refused(1)
        shown = self.expect(self.api.get(f"/inbox/quarantine/{row['id']}"), 200)
        self.assertEqual(shown["token"],
            f"5 bytes, sha256 {hashlib.sha256(b'wrong').hexdigest()[:4]}")
        self.assertEqual((shown["body"], shown["bodyBase64"]), ('{"n": 1}', None))
        self.assertTrue(shown["peer"].startswith("127.0.0.1"), shown)
        self.assertEqual(self.lines("quarantine", "list"), [row])
        self.assertEqual(self.lines("quarantine", "list", "--source", "open"), [])
        self.assertEqual(self.lines("quarantine", "show", row["id"]), [shown])
        table = self.inbox("quarantine", "list").splitlines()
        self.assertEqual(table[0].split(), ["ID", "RECEIVED", "SOURCE", "PEER", "REASON"])
        self.assertTrue(table[1].startswith(row["id"]), table)
        text = self.inbox("quarantine", "show", row["id"])
        self.assertIn('\n{"n": 1}\n', text)
        for said in (json.dumps(shown), text):
            self.assertNotIn("tell-nobody", said)
            self.assertNotIn("wrong", said)

    def test_after_a_reload_the_api_lets_them_in(self):
        for number in range(3):
            self.refuse({"n": number})
        self.refuse({"n": 9}, "/in/locked/other")
        self.refused(4)
        self.assertEqual(self.expect(self.api.post("/inbox/quarantine/release"), 200),
            {"released": 0, "duplicates": 0, "stillRefused": 4})
        self.usher.write(sections("wrong"))
        self.usher.process.send_signal(signal.SIGHUP)
        eventually("it is taken up", lambda: "config.reloaded" in self.usher.log())
        row = self.refused(4)[1]
        self.assertEqual(
            self.expect(self.api.post("/inbox/quarantine/release", {"id": row["id"]}), 200),
            {"released": 1, "duplicates": 0, "stillRefused": 0})
        self.assertEqual(
            self.expect(self.api.post("/inbox/quarantine/release", {"source": "locked"}), 200),
            {"released": 2, "duplicates": 0, "stillRefused": 1})
        eventually("they are handled", lambda: len(self.done()) == 3)
        rows = self.listed("?flag=released&source=locked")
        self.assertCountEqual([row["id"] for row in rows], self.done())
        self.refused(1)

    def test_the_command_line_lets_them_in(self):
        for number in range(3):
            self.refuse({"n": number})
        self.refuse({"n": 9}, "/in/locked/other")
        first = self.refused(4)[-1]
        self.assertEqual(self.inbox("quarantine", "release"),
            "0 released, 0 duplicates, 4 still refused\n")
        self.usher.write(sections("wrong"))
        self.assertEqual(self.lines("quarantine", "release", first["id"]),
            [{"released": 1, "duplicates": 0, "stillRefused": 0}])
        self.assertEqual(self.inbox("quarantine", "release", "--source", "locked"),
            "2 released, 0 duplicates, 1 still refused\n")
        eventually("they are handled", lambda: len(self.done()) == 3)

    def test_they_are_thrown_away(self):
        self.refuse({"n": 1})
        self.refuse({"n": 2}, "/in/nobody/x")
        self.refused(2)
        self.assertEqual(self.expect(self.api.delete("/inbox/quarantine?source=nobody"), 200),
            {"erased": 1})
        self.assertEqual(self.inbox("quarantine", "clear", "--source", "nobody"),
            "0 refused calls are gone\n")
        self.assertEqual(self.inbox("quarantine", "clear", "--all"), "1 refused call is gone\n")
        self.refused(0)


class Mistakes(InboxCase):
    def test_every_mistake_has_its_sentence(self):
        item = self.accept({"n": 1})
        for arguments, says in (
                ((), "inbox takes a second word"),
                (("quarantine",), "inbox quarantine takes a third word"),
                (("lits",), 'did you mean "inbox list"?'),
                (("quarantine", "relaese"), 'did you mean "inbox quarantine release"?'),
                (("list", "--status", "done"), "--status is waiting, dead or settled"),
                (("list", "--flag", "old"), "--flag is unrecognised, contradictory"),
                (("list", "--email", "ann"), "--email "),
                (("list", "--after", "now"), "--after is a moment such as"),
                (("list", "--limit", "0"), "--limit is a whole number from 1"),
                (("list", "--jsno"), "--json"),
                (("show",), "takes the ID of an item"),
                (("show", "x"), "takes the ID of an item"),
                (("show", "in_0006133c6690e000"), "there is no such item"),
                (("retry",), "takes the ID of an item, or --dead, or --since"),
                (("retry", item, "--dead"), "takes the ID of an item, or --dead, or --since"),
                (("retry", item, "--source", "open"), "--source goes with --dead or --since"),
                (("retry", item, "--handler", "frail"), 'there is no handler "frail"'),
                (("retry", "--dead", "--source", "shut"), 'there is no source "shut"'),
                (("retry", "in_0006133c6690e000"), "there is no such item"),
                (("retry", "--since", "then"), "--since is a moment such as"),
                (("purge",), "takes --before TIME"),
                (("purge", "--before", "then"), "--before is a moment such as"),
                (("erase",), "takes the ADDRESS"),
                (("erase", "ann"), "no e-mail address"),
                (("quarantine", "show"), "re_ and 16 hex digits"),
                (("quarantine", "show", item), "re_ and 16 hex digits"),
                (("quarantine", "show", "re_0006133c6690e000"), "there is no such refused call"),
                (("quarantine", "release", "re_0006133c6690e000", "--source", "open"),
                    "--source does not go with an ID"),
                (("quarantine", "release", "--source", "shut"), "there is no [source shut]"),
                (("quarantine", "release", "re_0006133c6690e000"), "there is no such refused call"),
                (("quarantine", "clear"), "takes --source NAME, or --all"),
                (("quarantine", "clear", "--all", "--source", "open"),
                    "takes --source NAME, or --all")):
            done = self.usher.command("inbox", *arguments,
                *(("--config", self.usher.conf, "--db", self.usher.database) if arguments not in (
                    (), ("quarantine",)) else ()))
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1),
                (arguments, done))
            self.assertIn(says, done.stderr, arguments)

    def test_where_there_is_no_database_none_is_made(self):
        with tempfile.TemporaryDirectory(prefix="usher-e2e-") as folder:
            done = self.usher.command("inbox", "list", cwd=folder)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("there is no database usher.db: name it with --db", done.stderr)
            self.assertEqual(os.listdir(folder), [])

    def test_the_folders_own_file_is_read(self):
        self.accept({"n": 1})
        self.handled()
        self.usher.write(f"db = {self.usher.database}\n" + sections())
        done = self.usher.command("inbox", "list", "--json", cwd=self.usher.folder)
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], self.listed())

    def test_what_strangers_sent_cannot_steer_a_terminal(self):
        body = '{"name": "\u009b31m\u202eX", "note": "\\u001b[2J"}'
        item = self.accept(body.encode())
        for said in (self.inbox("show", item), self.inbox("list")):
            for character in ("\x1b", "\u009b", "\u202e"):
                self.assertNotIn(character, said)
        self.assertIn("?31m?X", self.inbox("show", item))
