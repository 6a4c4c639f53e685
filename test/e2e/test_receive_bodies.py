# SPDX-License-Identifier: Apache-2.0
"""Bodies of all kinds at the front door: what is JSON is taken and nothing else is; and whatever a
text holds, each kind of handler hands it on as it came in."""
import base64
import json
import os
import unittest

from harness import eventually, rows
from receiving import JSON_SUITE, NAUGHTY, ReceiveCase, created, session

HEADER_BYTES_MAX = 512  # of a name or a subject, without what encodes it
OPEN = """
[source open]
accept = none
duplicates = none
event = webinar.created.single
"""
HANDLERS = """
[handler program]
type = exec
source = open
concurrency = 8
command = sh -c 'cat > "$USHER_ID.in"; env -0 > "$USHER_ID.env"'
directory = {folder}

[handler forward]
type = http
source = open
url = URL
concurrency = 8

[handler rows]
type = sql
source = open
database = {folder}/owner.db
create = yes
concurrency = 64

[handler mails]
type = mail
source = open
where = isProper = true
smtp = smtp://127.0.0.1:PORT
from = webinars@example.com
subject = {{name}}
calendar = no
concurrency = 4
"""


class ReceiveBodies(ReceiveCase):
    @unittest.skipUnless(os.path.isdir(JSON_SUITE), "the suite is not beside the project")
    def test_json_is_taken_and_nothing_else(self):
        self.start(OPEN)
        refused, counts = {}, {"y": 0, "n": 0, "i": 0}
        for name in sorted(os.listdir(JSON_SUITE)):
            with open(os.path.join(JSON_SUITE, name), "rb") as file:
                body = file.read()
            with self.subTest(name):
                answer = self.caller.post("/in/open", body)
                expected = {"y": (200,), "n": (400,), "i": (200, 400)}[name[0]]
                self.assertIn(answer.status, expected, answer)
                counts[name[0]] += 1
                if answer.status == 400:
                    refused[name] = body
                else:
                    self.assertEqual(answer.json["status"], "accepted", answer)
                    item = self.get(f"/inbox/{answer.json['id']}")
                    self.assertEqual(item["id"], answer.json["id"])
        self.assertGreater(min(counts.values()), 30, counts)

        def is_kept():
            return len(self.all_of("/inbox/quarantine")) >= len(refused)
        eventually("the refused are kept", is_kept)
        kept = self.all_of("/inbox/quarantine")
        self.assertEqual(len(kept), len(refused))
        self.assertEqual({call["source"] for call in kept}, {"open"})
        bodies = []
        for call in kept:
            shown = self.get(f"/inbox/quarantine/{call['id']}")
            bodies.append(base64.b64decode(shown["bodyBase64"]) if shown["body"] is None
                else shown["body"].encode())
        self.assertCountEqual(bodies, refused.values())

    @unittest.skipUnless(os.path.exists(NAUGHTY), "the strings are not beside the project")
    def test_naughty_strings_come_out_as_they_went_in(self):
        self.start(OPEN + HANDLERS.replace("URL", self.hooks.url("naughty"))
            .replace("PORT", str(self.mail.port)))
        with open(NAUGHTY, encoding="utf-8") as file:
            texts = json.load(file)
        self.assertGreater(len(texts), 400)
        told = {}  # item: what was sent, and of what text
        for i, text in enumerate(texts):
            for email in (f"n{i}@example.com", text):
                body = created(name=text, email=email, mangoes=text, callList=[session(text)],
                    isProper=email != text)
                raw = json.dumps(body, ensure_ascii=i % 2 == 0).encode()
                told[self.accept("open", raw)] = (raw, body)
        self.handled("open", "program", "forward", "rows", "mails")
        self.check_program(told)
        self.check_forward(told)
        self.check_rows(told)
        self.check_mails(texts)

    def check_program(self, told):
        for item, (raw, body) in told.items():
            with self.subTest("exec", item=item, text=body["name"]):
                self.assertEqual(self.read(f"{item}.in"), raw)
                environment = dict(entry.split(b"=", 1) for entry
                    in self.read(f"{item}.env").split(b"\0") if entry)
                for name, value in (("NAME", body["name"]), ("EMAIL", body["email"]),
                        ("MANGOES", body["mangoes"]), ("WEBINAR", body["callList"][0]["webinar"])):
                    # What no environment can hold.
                    self.assertEqual(environment[f"USHER_{name}".encode()].decode(),
                        value.replace("\0", "\ufffd"), name)
                self.assertEqual(environment[b"USHER_ID"].decode(), item)

    def check_forward(self, told):
        calls = self.hooks.calls["naughty"]
        self.assertCountEqual([call.raw for call in calls], [raw for raw, _ in told.values()])
        for call in calls:
            self.assertEqual(call.headers["x-usher-event"], "webinar.created.single")

    def check_rows(self, told):
        database = os.path.join(self.folder, "owner.db")
        self.assertEqual(dict(rows(database, "SELECT id, CAST(payload AS BLOB) FROM events")),
            {item: raw for item, (raw, _) in told.items()})
        # Of one person, whatever the letter case, there is one row, which holds what came last.
        people = {}
        for email, name, mangoes in rows(database, "SELECT email, name, mangoes FROM attendees"):
            people[email] = (name, mangoes)
        for _, body in told.values():
            if body["isProper"]:
                with self.subTest("sql", text=body["name"]):
                    self.assertEqual(people[body["email"]], (body["name"], body["mangoes"]))
        latest = {}
        for _, body in told.values():
            key = body["email"].strip(" \t\r\n").encode().lower()
            latest[key] = body["email"]
        self.assertEqual(set(people), set(latest.values()))

    def check_mails(self, texts):
        """A header is one line of printable text; all else of it is as it was."""
        for i, text in enumerate(texts):
            address = f"n{i}@example.com"
            mail, = self.mail.arrived(address)
            with self.subTest("mail", text=text):
                self.assertEqual(mail["envelope"], ["webinars@example.com", [address]])
                self.assertEqual(mail["defects"], [])
                self.assertTrue(mail["isAscii"])
                self.assertLessEqual(mail["longest"], 78)
                greeting = f"Hello {text},\n" if text else "Hello,\n"
                self.assertEqual(mail["text"][:len(greeting)], greeting)
                self.check_header(mail["subject"], text)
                (name, written), = mail["to"]
                self.assertEqual(written, address)
                self.check_header(name, text)

    def check_header(self, value, text):
        """One line, without the blanks around it, and of a long text its beginning."""
        line = "".join(" " if ord(c) < 32 or ord(c) == 127 else c for c in text).strip(" ")
        value = value.strip(" ")
        if len(text.encode()) <= HEADER_BYTES_MAX:
            self.assertEqual(value, line)
        else:
            self.assertTrue(line.startswith(value), value)
            self.assertGreater(len(value.encode()), HEADER_BYTES_MAX - 4)


if __name__ == "__main__":
    unittest.main()
